//! API keys and signatures: HMAC-SHA256 in hex, Ed25519 in base64. Payload -> signature.
//!
//! Invariants: neither secret nor private key is ever printed (`Debug` shows the kind and the first
//! four letters of the API key, which names the account); what signs stands in one place of memory, in
//! a `host::vault`, however many lanes share the signer, and is wiped with the last of them; an API key
//! is letters and digits, so it needs no escaping anywhere. Signing allocates nothing. Only Ed25519
//! keys may log a session on; HMAC keys sign each request.
//! Deliberately absent: RSA, which the venue allows and calls slow; where keys come from (`cli::keys`).

use crate::host::vault::{self, Vault};
use crate::venue::binance::session::encoding;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Longest API key that is taken; the venue's have 64 letters.
const API_KEY_MAX: usize = 128;
/// Letters of an API key that messages show.
const SHOWN: usize = 4;

/// Why there is no key. Names the place, never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A part of the key is not set.
    #[error("{place}: `{name}` is not set; see README, section keys")]
    Missing {
        /// The environment, or the key file.
        place: String,
        /// The variable or key.
        name: &'static str,
    },
    /// Both an HMAC secret and an Ed25519 key, or neither.
    #[error("{place}: set exactly one of `{secret}` (HMAC) and `{private}` (Ed25519)")]
    OneKind {
        /// The environment, or the key file.
        place: String,
        /// Name of the secret.
        secret: &'static str,
        /// Name of the private key.
        private: &'static str,
    },
    /// A key text has a line of another shape.
    #[error(
        "{place}, line {line}: expected `api_key = \"…\"`, `secret = \"…\"`, \
         `private_key_file = \"…\"`, a private key in PEM, or a remark that begins with #"
    )]
    Line {
        /// The key file.
        place: String,
        /// Counted from 1.
        line: usize,
    },
    /// The API key has other bytes than letters and digits.
    #[error("{place}: the API key must be 1 to {API_KEY_MAX} letters and digits")]
    ApiKey {
        /// The environment, or the key file.
        place: String,
    },
    /// The secret is empty.
    #[error("{place}: the secret is empty")]
    Secret {
        /// The environment, or the key file.
        place: String,
    },
    /// No PKCS#8 Ed25519 key in the PEM text.
    #[error(
        "private key {place}: {why}; expected PEM as `openssl genpkey -algorithm ed25519` writes it"
    )]
    Pem {
        /// The file.
        place: String,
        /// What is wrong.
        why: &'static str,
    },
    /// No memory of its own for the key.
    #[error("no memory for the key's own pages: {0}")]
    Pages(std::io::Error),
}

/// A key that signs.
#[derive(Clone)]
pub struct Signer {
    api_key: Arc<str>,
    key: Arc<Vault<Key>>,
}

/// Both own no memory elsewhere, so that a vault holds all of them.
#[allow(clippy::large_enum_variant, reason = "there is one of it, on a page of its own")]
enum Key {
    Hmac(hmac::Key),
    Ed25519(Ed25519KeyPair),
}

/// The PKCS#8 document of a private key in PEM, which `place` names in messages.
///
/// # Errors
/// When the text holds none.
pub fn private_document(place: &str, pem: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let wrong = |why| KeyError::Pem { place: place.to_owned(), why };
    let (_, after) = pem
        .split_once("-----BEGIN PRIVATE KEY-----")
        .ok_or_else(|| wrong("no line `BEGIN PRIVATE KEY`"))?;
    let (body, _) = after
        .split_once("-----END PRIVATE KEY-----")
        .ok_or_else(|| wrong("no line `END PRIVATE KEY`"))?;
    encoding::from_base64(body).ok_or_else(|| wrong("its body is no base64"))
}

/// A signature as text: 64 hex digits, or 88 base64 letters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignatureText {
    bytes: [u8; 88],
    len: u8,
}

impl SignatureText {
    /// The bytes of the text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("?")
    }
}

impl fmt::Debug for SignatureText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignatureText(…)")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.can_log_on() { "Ed25519" } else { "HMAC-SHA256" };
        write!(f, "Signer({kind}, {})", self.shown())
    }
}

impl Signer {
    /// An HMAC-SHA256 key.
    ///
    /// # Errors
    /// When the API key is not letters and digits, or the secret is empty.
    pub fn hmac(api_key: &str, secret: &str) -> Result<Signer, KeyError> {
        Signer::hmac_from("the HMAC key", api_key, secret)
    }

    pub(super) fn hmac_from(place: &str, api_key: &str, secret: &str) -> Result<Signer, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::Secret { place: place.to_owned() });
        }
        Signer::of(place, api_key, || {
            Ok(Key::Hmac(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))
        })
    }

    /// An Ed25519 key from a PEM text (PKCS#8, unencrypted).
    ///
    /// # Errors
    /// When the API key is not letters and digits, or the PEM holds no such key.
    pub fn ed25519(api_key: &str, pem: &str) -> Result<Signer, KeyError> {
        Signer::ed25519_from("the Ed25519 key", api_key, pem)
    }

    pub(super) fn ed25519_from(place: &str, api_key: &str, pem: &str) -> Result<Signer, KeyError> {
        let wrong = |why| KeyError::Pem { place: place.to_owned(), why };
        Signer::of(place, api_key, || {
            let der = private_document(place, pem)?;
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der);
            pair.map(Key::Ed25519).map_err(|_| wrong("it holds no Ed25519 key"))
        })
    }

    /// A fresh Ed25519 key that nobody else has, for the venue in a box.
    ///
    /// # Errors
    /// When the API key is not letters and digits, or the system gives no random bytes.
    pub fn ephemeral(api_key: &str) -> Result<Signer, KeyError> {
        let place = "a fresh key";
        let wrong = |why| KeyError::Pem { place: place.to_owned(), why };
        Signer::of(place, api_key, || {
            let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
            let der = der.map_err(|_| wrong("no random bytes"))?;
            let pair = Ed25519KeyPair::from_pkcs8(der.as_ref());
            pair.map(Key::Ed25519).map_err(|_| wrong("ring refuses its own"))
        })
    }

    /// The Ed25519 key of these 32 bytes: the same one every time, for the simulator.
    ///
    /// # Errors
    /// When the API key is not letters and digits.
    pub fn of_seed(api_key: &str, seed: &[u8; 32]) -> Result<Signer, KeyError> {
        let place = "the key of a seed";
        let wrong = |_| KeyError::Pem { place: place.to_owned(), why: "ring refuses the seed" };
        Signer::of(place, api_key, || {
            Ed25519KeyPair::from_seed_unchecked(seed).map(Key::Ed25519).map_err(wrong)
        })
    }

    /// Makes a key, puts it away, and clears the stack that it was made on.
    fn of(
        place: &str,
        api_key: &str,
        make: impl FnOnce() -> Result<Key, KeyError>,
    ) -> Result<Signer, KeyError> {
        let api_key = checked(place, api_key)?;
        let key = put_away(make);
        vault::bleach_stack();
        Ok(Signer { api_key, key: key? })
    }

    /// The API key, which is public to the venue only: it names the account.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// As much of the API key as a message may show.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{}…", &self.api_key[..self.api_key.len().min(SHOWN)])
    }

    /// Whether this key may log a session on, so that requests need no signature.
    #[must_use]
    pub fn can_log_on(&self) -> bool {
        matches!(**self.key, Key::Ed25519(_))
    }

    /// Bytes of a signature's text.
    #[must_use]
    pub fn signature_len_max(&self) -> usize {
        match **self.key {
            Key::Hmac(_) => 64,
            Key::Ed25519(_) => 88,
        }
    }

    /// The signature of a payload: parameters sorted by name, joined by `&`.
    #[must_use]
    pub fn sign(&self, payload: &[u8]) -> SignatureText {
        let mut bytes = [0; 88];
        let len = match &**self.key {
            Key::Hmac(key) => encoding::hex(hmac::sign(key, payload).as_ref(), &mut bytes[..64]),
            Key::Ed25519(pair) => encoding::base64(pair.sign(payload).as_ref(), &mut bytes),
        };
        SignatureText { bytes, len: len as u8 }
    }

    /// The public half of an Ed25519 key, for checks.
    #[must_use]
    pub fn public_key(&self) -> Option<&[u8]> {
        match &**self.key {
            Key::Hmac(_) => None,
            Key::Ed25519(pair) => Some(pair.public_key().as_ref()),
        }
    }
}

/// Not inlined, so that what it leaves on the stack lies below the caller.
#[inline(never)]
fn put_away(make: impl FnOnce() -> Result<Key, KeyError>) -> Result<Arc<Vault<Key>>, KeyError> {
    Vault::new(make()?).map(Arc::new).map_err(KeyError::Pages)
}

fn checked(place: &str, api_key: &str) -> Result<Arc<str>, KeyError> {
    let plain = api_key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if api_key.is_empty() || api_key.len() > API_KEY_MAX || !plain {
        return Err(KeyError::ApiKey { place: place.to_owned() });
    }
    Ok(api_key.into())
}
