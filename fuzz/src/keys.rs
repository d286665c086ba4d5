//! A venue's key on its way in: sealed files and the text inside.

use super::Bytes;
use bot4::secret::{Identity, Lock, Sealed, identities, looks_sealed};
use bot4::venue::binance::session::{KeyText, Material};

/// An identity that opens `SEALED`, and nothing else in the world.
const IDENTITY: &str = "AGE-SECRET-KEY-14MGXFSJE8EUSV74NJQ4PX9ELLWPP9JHSE8Q3XZGJG3ZUEDS5ZCUSDD3C9V";
/// What `SEALED` holds.
const PLAIN: &[u8] = b"api_key = \"k3y\"\nsecret = \"planted\"\n";
pub(crate) const SEALED: &str = "\
-----BEGIN AGE ENCRYPTED FILE-----
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBDR0s0dmcrQktkQlJVb2xM
Qmg5UklkVWtzMC9kS2xhT0NTdnRMT01yQVE4CnkwcitFS3QvRTNXS3IyVktKM00r
RFB0NmlBOG5sQnJKT2JqS3lHOHRSVm8KLT4gJStzKyF0LWdyZWFzZSAzQzkgdCxG
CmUwZStjWHBDbUJJZ2Vnd1ZaN25qTmNQWVkrZUcydG1RcVM5dHBrYnJpaDRSbmcr
Z1dJYkR1SDJYaXNpS25tbFQKOW9ZOW91S09leW9OMjkwcXJzMjJQU1I2YzNGRkln
dHFqQ2k4UnpKZGU0OVdtN2NiY0t6SlF1b01oc1JVR2YwbwoKLS0tIFNBZWQ0eXZm
ODkyQ3NCWDdZRGltVitUY0NzcGp6TlpyaFB0RGJjUXNraHMK3T8fUcEZkN+kP8SZ
t7rphb7quyAN0+7T6AMWcn6C91IWybLXT21J8DF7ObwtucPCQdimHvJyNXeab1uI
L/ohDEOmtg==
-----END AGE ENCRYPTED FILE-----
";

/// A sealed file as it is, or, where the first byte says so, a good one with bytes changed at places
/// that the input names. What opens holds what was sealed.
pub fn sealed_file(data: &[u8]) -> bool {
    let Some((first, rest)) = data.split_first() else { return false };
    let file = if first & 1 == 0 { rest.to_vec() } else { changed(rest) };
    let sealed = match Sealed::parse(&file) {
        Ok(sealed) => sealed,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "a refusal says why");
            return false;
        }
    };
    assert!(looks_sealed(&file), "what is sealed looks sealed");
    if *sealed.lock() != Lock::Identity {
        return true; // trying a passphrase takes as much work as the file asks for
    }
    let identity = [Identity::parse(IDENTITY).expect("an identity")];
    match sealed.open_with_identities(&identity) {
        Ok(plain) => assert_eq!(**plain, *PLAIN, "it opens, and holds something else"),
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal says why"),
    }
    true
}

fn changed(script: &[u8]) -> Vec<u8> {
    let mut file = SEALED.as_bytes().to_vec();
    let mut script = Bytes(script);
    while !script.is_empty() {
        let at = usize::from(script.byte()) | usize::from(script.byte()) << 8;
        let (how, byte) = (script.byte(), script.byte());
        let at = at % file.len();
        match how % 4 {
            0 => file[at] = byte,
            1 => file[at] ^= 1 << (byte & 7),
            2 => file.insert(at, byte),
            _ if file.len() > 1 => drop(file.remove(at)),
            _ => {}
        }
    }
    file
}

/// The text of a key, and identities: what is refused is not quoted.
pub fn key_text(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    if let Err(error) = identities(text) {
        quotes_nothing(text, &error.to_string());
    }
    let key = match KeyText::parse("a key", text) {
        Ok(key) => key,
        Err(error) => {
            quotes_nothing(text, &error.to_string());
            return false;
        }
    };
    quotes_nothing(text, &format!("{key:?}"));
    let again = match key.material {
        Material::Secret(secret) => format!("api_key=\"{}\"\nsecret=\"{secret}\"", key.api_key),
        Material::Pem(pem) => format!("api_key=\"{}\"\n{pem}\n", key.api_key),
        Material::PemFile(file) => {
            format!("api_key=\"{}\"\nprivate_key_file=\"{file}\"", key.api_key)
        }
    };
    let back = KeyText::parse("a key", &again).expect("what was written is read");
    assert_eq!((back.api_key, back.is_secret()), (key.api_key, key.is_secret()));
    match key.signer("a key") {
        Ok(signer) => quotes_nothing(text, &format!("{signer:?}")),
        Err(error) => quotes_nothing(text, &error.to_string()),
    }
    true
}

/// Words of our own messages, which a text may hold too.
const OURS: [&str; 3] = ["private_key_file", "AGE-SECRET-KEY-", "-----BEGIN PRIVATE KEY-----"];

/// No run of eight letters and digits of the text stands in a message, but for our own words.
fn quotes_nothing(text: &str, message: &str) {
    for word in text.split(|letter: char| !letter.is_ascii_alphanumeric()) {
        let ours = OURS.iter().any(|known| known.contains(word)) || EXPECTED.contains(word);
        assert!(word.len() < 8 || ours || !message.contains(word), "`{word}` stands in: {message}");
    }
}

/// What every refusal of a line says.
const EXPECTED: &str = "expected remark private identity identities openssl genpkey algorithm ed25519 \
                        writes begins exactly letters digits section README KeyText PemFile";
