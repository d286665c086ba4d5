//! A sealed file: bytes -> its lock -> the plaintext; and a plaintext into one.

use super::armor;
use super::cipher::{Derived, TAG, WRAPPING, derive, open, seal};
use super::header::{self, Header, Stanza};
use super::identity::{Identity, IdentityError, Recipient};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// Longest plaintext: what one chunk of the format holds.
pub const PLAIN_MAX: usize = 64 * 1_024;
/// Binary logarithm of scrypt's work where nothing else is asked: 256 MiB and about a second.
pub const LOG_N: u8 = 18;
/// Most work that a file may ask of whoever opens it: 4 GiB, a quarter of a minute.
pub const LOG_N_MAX: u8 = 22;

/// Longest sealed file that is read: armor takes a third more, headers a little.
pub(super) const SEALED_MAX: usize = 2 * PLAIN_MAX;
const FILE_KEY: usize = 16;
const SALT: usize = 16;
const NONCE: usize = 16;
/// The nonce of a payload's only chunk: number 0, and the mark of the last one.
const LAST_CHUNK: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const SCRYPT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";

/// Why a file is not sealed, or does not open.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// Longer than any sealed key.
    #[error("{len} bytes are more than a sealed key has ({SEALED_MAX}); this is another file")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// No age file.
    #[error("line {line}: {problem}; seal it again with `bot4 key seal`")]
    Form {
        /// Line of the armor or of the header, from 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A lock that nobody here opens.
    #[error(
        "it is sealed for `{kind}`, which Bot4 does not open; seal it with a passphrase or for an \
         `age1…` recipient"
    )]
    Kind {
        /// The stanza's word.
        kind: String,
    },
    /// More work than any sealed key should ask.
    #[error("its scrypt work factor is 2^{log_n}, over the bound of 2^{LOG_N_MAX}; seal it again")]
    Work {
        /// As asked.
        log_n: u64,
    },
    /// The passphrase does not open it.
    #[error("the passphrase is wrong")]
    Passphrase,
    /// None of the identities opens it.
    #[error("none of the identities opens it; it was sealed for another recipient")]
    Identity,
    /// The lock opened, and what is behind it was changed.
    #[error("{0} was changed or cut off after it was sealed; take it from your backup")]
    Changed(&'static str),
    /// A plaintext that is no key.
    #[error("{len} bytes are more than a key has ({PLAIN_MAX})")]
    PlainTooLong {
        /// Its length.
        len: usize,
    },
    /// The system has no random bytes, or the recipient is no key.
    #[error("cannot seal: {0}")]
    Seal(#[from] IdentityError),
}

/// What opens a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// A passphrase.
    Passphrase,
    /// An identity.
    Identity,
}

/// A sealed file whose form is right. Nothing of it is authentic before it opens.
#[derive(Debug)]
pub struct Sealed {
    bytes: Vec<u8>,
    header: Header,
    lock: Lock,
}

/// Whether a file means to be sealed: so begin both forms.
#[must_use]
pub fn looks_sealed(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.starts_with(armor::BEGIN.as_bytes()) || bytes.starts_with(b"age-encryption.org/")
}

impl Sealed {
    /// Reads either form.
    ///
    /// # Errors
    /// When it is neither, or sealed with a lock that Bot4 does not open.
    pub fn parse(file: &[u8]) -> Result<Sealed, SealedError> {
        if file.len() > SEALED_MAX {
            return Err(SealedError::TooLong { len: file.len() });
        }
        let form = |(line, problem)| SealedError::Form { line, problem };
        let bytes = match std::str::from_utf8(file) {
            Ok(text) if text.trim_ascii_start().starts_with(armor::BEGIN) => {
                armor::unwrap(text).map_err(form)?
            }
            _ => file.to_vec(),
        };
        let header = header::read(&bytes).map_err(form)?;
        let of = |kind: &str| header.stanzas.iter().filter(|of| of.kind == kind).count();
        let lock = match (of("scrypt"), of("X25519")) {
            (0, 0) => return Err(SealedError::Kind { kind: header.stanzas[0].kind.clone() }),
            (0, _) => Lock::Identity,
            // Else whoever knows the passphrase could make a file that seems someone else's.
            (1, 0) if header.stanzas.len() == 1 => Lock::Passphrase,
            _ => return Err(form((2, "a passphrase stands beside another lock"))),
        };
        Ok(Sealed { bytes, header, lock })
    }

    /// What opens it.
    #[must_use]
    pub const fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Opens it with a passphrase.
    ///
    /// # Errors
    /// When the passphrase is wrong, the work asked for is too much, or something was changed.
    pub fn open_with_passphrase(
        &self,
        passphrase: &str,
    ) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        let Stanza { arguments, body, .. } = &self.header.stanzas[0];
        let form = |problem| SealedError::Form { line: 2, problem };
        let [salt, log_n] = &arguments[..] else {
            return Err(form("a passphrase's stanza has a salt and a work factor"));
        };
        let salt: Option<[u8; SALT]> = armor::decode(salt).and_then(|salt| salt.try_into().ok());
        let salt = salt.ok_or_else(|| form("the salt is not 16 bytes of base64"))?;
        let plain = log_n.bytes().all(|byte| byte.is_ascii_digit()) && !log_n.starts_with('0');
        let log_n = log_n.parse().ok().filter(|_| plain);
        let log_n: u64 = log_n.ok_or_else(|| form("the work factor is no number"))?;
        if log_n > u64::from(LOG_N_MAX) {
            return Err(SealedError::Work { log_n });
        }
        let key = stretched(passphrase, &salt, log_n as u8);
        self.open(&key, body)?.ok_or(SealedError::Passphrase)
    }

    /// Opens it with the first identity that does.
    ///
    /// # Errors
    /// When none does, or something was changed.
    pub fn open_with_identities(
        &self,
        identities: &[Identity],
    ) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        for stanza in self.header.stanzas.iter().filter(|of| of.kind == "X25519") {
            let share = match &stanza.arguments[..] {
                [share] => armor::decode(share).and_then(|share| share.try_into().ok()),
                _ => None,
            };
            let problem = "the share of an X25519 stanza is not 32 bytes of base64";
            let share: [u8; 32] = share.ok_or(SealedError::Form { line: 2, problem })?;
            for identity in identities {
                let Some(key) = identity.unwrapping(share) else { continue };
                if let Some(plain) = self.open(&key, &stanza.body)? {
                    return Ok(plain);
                }
            }
        }
        Err(SealedError::Identity)
    }

    /// The plaintext, `None` when the key does not open this stanza.
    fn open(
        &self,
        key: &Derived,
        wrapped: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, SealedError> {
        if wrapped.len() != FILE_KEY + TAG {
            let problem = "a wrapped file key is not 32 bytes long";
            return Err(SealedError::Form { line: 3, problem });
        }
        let Some(file_key) = open(key, WRAPPING, wrapped) else { return Ok(None) };
        let Header { mac, signed, payload, .. } = &self.header;
        let authentic = hmac::verify(&mac_key(&file_key), &self.bytes[..*signed], mac);
        authentic.map_err(|_| SealedError::Changed("its header"))?;
        let payload = &self.bytes[*payload..];
        let cut = || SealedError::Changed("its payload");
        let (nonce, chunk) = payload.split_at_checked(NONCE).ok_or_else(cut)?;
        if chunk.len() > PLAIN_MAX + TAG {
            return Err(SealedError::PlainTooLong { len: chunk.len() - TAG });
        }
        let key = derive(&file_key, nonce, b"payload");
        open(&key, LAST_CHUNK, chunk).map(Some).ok_or_else(cut)
    }
}

/// Seals a plaintext with a passphrase; `log_n` is the work of trying one, `LOG_N` unless in a hurry.
///
/// # Errors
/// When the plaintext is too long, or the system gives no random bytes.
pub fn seal_with_passphrase(
    plain: &[u8],
    passphrase: &str,
    log_n: u8,
) -> Result<String, SealedError> {
    let log_n = log_n.clamp(1, LOG_N_MAX);
    let salt = random::<SALT>()?;
    let key = stretched(passphrase, &salt, log_n);
    let arguments = vec![armor::encode(&*salt), log_n.to_string()];
    sealed(plain, "scrypt", arguments, &key)
}

/// Seals a plaintext for a recipient.
///
/// # Errors
/// As `seal_with_passphrase`.
pub fn seal_for(plain: &[u8], recipient: &Recipient) -> Result<String, SealedError> {
    let (share, key) = recipient.wrapping()?;
    sealed(plain, "X25519", vec![armor::encode(&share)], &key)
}

fn sealed(
    plain: &[u8],
    kind: &str,
    arguments: Vec<String>,
    key: &Derived,
) -> Result<String, SealedError> {
    if plain.len() > PLAIN_MAX {
        return Err(SealedError::PlainTooLong { len: plain.len() });
    }
    let file_key = random::<FILE_KEY>()?;
    let body = seal(key, WRAPPING, &*file_key);
    let signed = header::write(&[Stanza { kind: kind.to_owned(), arguments, body }]);
    let mac = hmac::sign(&mac_key(&*file_key), signed.as_bytes());
    let nonce = random::<NONCE>()?;
    let payload = seal(&derive(&*file_key, &*nonce, b"payload"), LAST_CHUNK, plain);
    let head = format!("{signed} {}\n", armor::encode(mac.as_ref()));
    Ok(armor::wrap(&[head.as_bytes(), &*nonce, &payload].concat()))
}

fn mac_key(file_key: &[u8]) -> hmac::Key {
    hmac::Key::new(HMAC_SHA256, &*derive(file_key, &[], b"header"))
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, IdentityError> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(&mut *bytes).map_err(|_| IdentityError::Random)?;
    Ok(bytes)
}

fn stretched(passphrase: &str, salt: &[u8; SALT], log_n: u8) -> Derived {
    let mut key = Zeroizing::new([0; 32]);
    let params = scrypt::Params::new(log_n, 8, 1).expect("Invariant: the work factor was checked");
    let salt = [SCRYPT_LABEL, salt].concat();
    let done = scrypt::scrypt(passphrase.as_bytes(), &salt, &params, &mut *key);
    done.expect("Invariant: 32 bytes are a length that scrypt gives");
    key
}
