//! Files that the `age` crate (0.12.1) sealed open here, what is sealed here opens, and no changed byte
//! gets through.

use super::*;
use proptest::prelude::*;

/// Little work: the tests are about the format.
const QUICK: u8 = 4;
const PLAIN: &[u8] = b"api_key = \"k3y\"\nsecret = \"planted\"\n";
const PASSPHRASE: &str = "correct horse battery";
const IDENTITY: &str = "AGE-SECRET-KEY-14MGXFSJE8EUSV74NJQ4PX9ELLWPP9JHSE8Q3XZGJG3ZUEDS5ZCUSDD3C9V";
const RECIPIENT: &str = "age1rpy8ka6jfgk737sn33m7x6vlypkq5wa0kztdnyqu2scg806p4e0qcgyspu";

/// Sealed by `age` for `RECIPIENT`; a second stanza is grease that must be passed over.
const FOR_RECIPIENT: &str = "\
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

/// Sealed by `age` with `PASSPHRASE`, work factor 10.
const BY_PASSPHRASE: &str = "\
-----BEGIN AGE ENCRYPTED FILE-----
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBVN0hGa0pNWTB3MHdWb0VO
ZjFKNlNRIDEwCnhRVlFrLzNFWnVhUk9rUi9zNVFtZExGM1FCNFA3dUFVdVdzSk10
cVA0SlUKLS0tICt4ZlNZZVFrQ0JlOU1Xck1VakRlc1hPSXI2emVJSWt1L3VLK1pW
SDNzck0KJE07TDyh4VgzN/2CnwcSXqP0ExsQu87WHaYl7dI6XBbrgBD8dzAkUQTe
uWEwxQbmsrRNz/UpnryAG26zT6Mqtmm9xw==
-----END AGE ENCRYPTED FILE-----
";

/// Sealed by `age` for another recipient and for `RECIPIENT`, not armored.
const FOR_TWO: &str = "\
    6167652d656e6372797074696f6e2e6f72672f76310a2d3e2058323535313920734a4a4c4773444b36536d30 \
    7665523667425056366265766f4246564b367a4551325039767275755251550a714f7a2b69537654326d3364 \
    76776b6b654a3938416f4b2b506145694873644f5139454a4d62356e7656300a2d3e20583235353139205568 \
    4144576a354e506846397a774d6367556252582f556a6a63534c7256466f763155733931384d4b69630a7934 \
    383359625144386b4f7156363872614f4a532b752f4679443448634c58474b3058736e6c67655356770a2d3e \
    205a4c2d67726561736520226d2b337227205a20390a5339695a61324355654370325467654f4c5374645475 \
    793251634a72494c58446e3333616e65574b6352355a55334b684a70724d4d77592b6b4e326a474549330a36 \
    432b455457783062733277507972642f45526e4a4f7438376132354c632b5849786b0a2d2d2d205075765049 \
    43656142626e4a4a52464b726c696f756f67326e444468716572562f3365316c5a4e454761490abf17fa350f \
    a634ff58ecb7656fbca34e62992f645c73eae0a233be16bce592030cba326e85745ae289cf90626007bda445 \
    8a06432eb087590edc0eb08bcd9125974013";

fn for_two() -> Vec<u8> {
    let digits: Vec<u8> = FOR_TWO.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(text, 16).expect("hexadecimal")
    };
    digits.chunks(2).map(byte).collect()
}

fn identity() -> Identity {
    Identity::parse(IDENTITY).expect("an identity")
}

fn opened(file: &[u8], by: &[Identity]) -> Result<Vec<u8>, SealedError> {
    Sealed::parse(file)?.open_with_identities(by).map(|plain| plain.to_vec())
}

#[test]
fn what_age_sealed_opens() {
    assert_eq!(identity().recipient().to_string(), RECIPIENT);
    assert_eq!(*identity().text(), IDENTITY);
    for file in [FOR_RECIPIENT.as_bytes(), &for_two()] {
        assert!(looks_sealed(file));
        assert_eq!(*Sealed::parse(file).unwrap().lock(), Lock::Identity);
        assert_eq!(opened(file, &[identity()]).as_deref(), Ok(PLAIN));
    }
    let sealed = Sealed::parse(BY_PASSPHRASE.as_bytes()).unwrap();
    assert_eq!(*sealed.lock(), Lock::Passphrase);
    assert_eq!(&**sealed.open_with_passphrase(PASSPHRASE).unwrap(), PLAIN);
}

#[test]
fn another_passphrase_or_identity_opens_nothing() {
    let sealed = Sealed::parse(BY_PASSPHRASE.as_bytes()).unwrap();
    let wrong = sealed.open_with_passphrase("correct horse batterz").unwrap_err();
    assert_eq!(wrong.to_string(), "the passphrase is wrong");
    let other = [Identity::random().unwrap()];
    let wrong = opened(FOR_RECIPIENT.as_bytes(), &other).unwrap_err();
    assert_eq!(wrong, SealedError::Identity);
    let both = [Identity::random().unwrap(), identity()];
    assert_eq!(opened(FOR_RECIPIENT.as_bytes(), &both).as_deref(), Ok(PLAIN));
    assert_eq!(opened(BY_PASSPHRASE.as_bytes(), &both), Err(SealedError::Identity));
}

/// Every bit of a sealed file matters: whichever is flipped, the file is refused.
#[test]
fn no_flipped_bit_gets_through() {
    let file = for_two();
    let identity = [identity()];
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut spoiled = file.clone();
            spoiled[at] ^= 1 << bit;
            let refused = opened(&spoiled, &identity);
            assert!(refused.is_err(), "byte {at}, bit {bit}: {refused:?}");
        }
    }
}

#[test]
fn no_cut_gets_through() {
    let file = for_two();
    for len in 0..file.len() {
        assert!(opened(&file[..len], &[identity()]).is_err(), "cut at {len}");
    }
    let mut longer = file;
    longer.push(0);
    let refused = opened(&longer, &[identity()]).unwrap_err();
    assert_eq!(refused, SealedError::Changed("its payload"));
}

#[test]
fn a_file_that_asks_for_too_much_is_refused_before_the_work() {
    let of = |from: &str, to: &str| {
        let bytes = armor::unwrap(BY_PASSPHRASE).unwrap();
        let text: Vec<u8> = bytes.clone();
        let head = header::read(&bytes).unwrap().payload;
        let header = String::from_utf8(text[..head].to_vec()).unwrap().replacen(from, to, 1);
        let spoiled = [header.as_bytes(), &bytes[head..]].concat();
        Sealed::parse(&spoiled)?.open_with_passphrase(PASSPHRASE).map(|_| ())
    };
    assert_eq!(of(" 10\n", " 40\n"), Err(SealedError::Work { log_n: 40 }));
    for odd in [" 0x\n", " 010\n", " 1e1\n", " -1\n"] {
        let refused = of(" 10\n", odd).unwrap_err().to_string();
        assert!(refused.contains("the work factor is no number"), "{odd}: {refused}");
    }
    assert_eq!(of(" 10\n", " 11\n"), Err(SealedError::Passphrase));
    assert_eq!(of("scrypt", "crypts"), Err(SealedError::Kind { kind: "crypts".into() }));
    let beside = of("-> scrypt", "-> X25519 a\n\n-> scrypt").unwrap_err();
    assert!(beside.to_string().contains("beside another lock"), "{beside}");
    let long = vec![b'x'; sealed::SEALED_MAX + 1];
    assert!(matches!(Sealed::parse(&long), Err(SealedError::TooLong { .. })));
    let plain = vec![b'x'; PLAIN_MAX + 1];
    let refused = seal_with_passphrase(&plain, PASSPHRASE, QUICK).unwrap_err();
    assert!(matches!(refused, SealedError::PlainTooLong { .. }));
}

#[test]
fn identities_are_read_from_a_file_of_remarks_and_keys() {
    let file = format!("# made today\n# public key: {RECIPIENT}\n\n  {IDENTITY}\n");
    let found = identities(&file).unwrap();
    assert_eq!(found[0].recipient().to_string(), RECIPIENT);
    assert_eq!(format!("{:?}", found[0]), "Identity(…)");
    let spoiled = file.replace("GXFS", "GXFT");
    let error = identities(&spoiled).unwrap_err();
    assert_eq!(error, IdentityError::Line(4));
    assert!(!error.to_string().contains("GXF"), "an identity is never quoted: {error}");
    assert_eq!(identities("# nothing\n").unwrap_err(), IdentityError::None);
    assert_eq!(identities(&[IDENTITY; 17].join("\n")).unwrap_err(), IdentityError::TooMany);
    assert!(Recipient::parse(RECIPIENT).is_some() && Recipient::parse(IDENTITY).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_sealed_opens(plain in prop::collection::vec(any::<u8>(), 0..2_000), word in ".{0,40}") {
        let file = seal_with_passphrase(&plain, &word, QUICK).unwrap();
        prop_assert!(looks_sealed(file.as_bytes()) && file.is_ascii());
        let sealed = Sealed::parse(file.as_bytes()).unwrap();
        prop_assert_eq!(&**sealed.open_with_passphrase(&word).unwrap(), &plain[..]);
        prop_assert_eq!(
            sealed.open_with_passphrase(&format!("{word}x")).map(|_| ()),
            Err(SealedError::Passphrase)
        );
        let identity = Identity::random().unwrap();
        let file = seal_for(&plain, &identity.recipient()).unwrap();
        let read = Identity::parse(&identity.text()).unwrap();
        prop_assert_eq!(opened(file.as_bytes(), &[read]), Ok(plain));
    }
}

/// Two files of one plaintext share nothing but their form.
#[test]
fn every_seal_is_fresh() {
    let of = || seal_for(PLAIN, &identity().recipient()).unwrap();
    let (one, other) = (of(), of());
    assert_ne!(one, other);
    assert_eq!(one.len(), other.len());
}
