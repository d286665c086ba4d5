//! API keys and signatures: HMAC-SHA256 in hex, Ed25519 in base64. Payload -> signature.
//!
//! Invariants: neither secret nor private key is ever printed (`Debug` shows the kind and the first
//! four letters of the public key name); an API key is letters and digits, so it needs no escaping
//! anywhere. Signing allocates nothing. Only Ed25519 keys may log a session on; HMAC keys sign each
//! request. Deliberately absent: RSA, which the venue allows and calls slow.

use crate::venue::binance::session::encoding;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Variable that holds the API key.
const API_KEY: &str = "BOT4_API_KEY";
/// Variable that holds the secret of an HMAC key.
const API_SECRET: &str = "BOT4_API_SECRET";
/// Variable that names the PEM file of an Ed25519 key.
const PRIVATE_KEY_FILE: &str = "BOT4_PRIVATE_KEY_FILE";

/// Longest API key that is taken; the venue's have 64 letters.
const API_KEY_MAX: usize = 128;

/// Why there is no key. Names the variable or file, never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A variable or key is not set.
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
        /// Name of the private key's file.
        private: &'static str,
    },
    /// A file cannot be read.
    #[error("key file {}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A key file has a line of another shape.
    #[error(
        "key file {}, line {line}: expected `api_key`, `secret` or `private_key_file` = \"…\"",
        path.display()
    )]
    Line {
        /// Which.
        path: PathBuf,
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
}

/// A key that signs.
#[derive(Clone)]
pub struct Signer {
    api_key: Arc<str>,
    key: Key,
}

#[derive(Clone)]
enum Key {
    Hmac(hmac::Key),
    Ed25519(Arc<Ed25519KeyPair>),
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
        let shown = &self.api_key[..self.api_key.len().min(4)];
        write!(f, "Signer({kind}, {shown}…)")
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

    fn hmac_from(place: &str, api_key: &str, secret: &str) -> Result<Signer, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::Secret { place: place.to_owned() });
        }
        let key = Key::Hmac(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
        Ok(Signer { api_key: checked(place, api_key)?, key })
    }

    /// An Ed25519 key from a PEM text (PKCS#8, unencrypted).
    ///
    /// # Errors
    /// When the API key is not letters and digits, or the PEM holds no such key.
    pub fn ed25519(api_key: &str, pem: &str) -> Result<Signer, KeyError> {
        Signer::ed25519_from("the Ed25519 key", api_key, pem)
    }

    fn ed25519_from(place: &str, api_key: &str, pem: &str) -> Result<Signer, KeyError> {
        let wrong = |why| KeyError::Pem { place: place.to_owned(), why };
        let (_, after) = pem
            .split_once("-----BEGIN PRIVATE KEY-----")
            .ok_or_else(|| wrong("no line `BEGIN PRIVATE KEY`"))?;
        let (body, _) = after
            .split_once("-----END PRIVATE KEY-----")
            .ok_or_else(|| wrong("no line `END PRIVATE KEY`"))?;
        let der = encoding::from_base64(body).ok_or_else(|| wrong("its body is no base64"))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
            .map_err(|_| wrong("it holds no Ed25519 key"))?;
        let key = Key::Ed25519(Arc::new(pair));
        Ok(Signer { api_key: checked(place, api_key)?, key })
    }

    /// A fresh Ed25519 key that nobody else has, for the venue in a box.
    ///
    /// # Errors
    /// When the API key is not letters and digits, or the system gives no random bytes.
    pub fn ephemeral(api_key: &str) -> Result<Signer, KeyError> {
        let place = "a fresh key";
        let wrong = |_| KeyError::Pem { place: place.to_owned(), why: "no random bytes" };
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(wrong)?;
        let pair = Ed25519KeyPair::from_pkcs8(der.as_ref())
            .map_err(|_| KeyError::Pem { place: place.to_owned(), why: "ring refuses its own" })?;
        Ok(Signer { api_key: checked(place, api_key)?, key: Key::Ed25519(Arc::new(pair)) })
    }

    /// The Ed25519 key of these 32 bytes: the same one every time, for the simulator.
    ///
    /// # Errors
    /// When the API key is not letters and digits.
    pub fn of_seed(api_key: &str, seed: &[u8; 32]) -> Result<Signer, KeyError> {
        let place = "the key of a seed";
        let wrong = |_| KeyError::Pem { place: place.to_owned(), why: "ring refuses the seed" };
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(wrong)?;
        Ok(Signer { api_key: checked(place, api_key)?, key: Key::Ed25519(Arc::new(pair)) })
    }

    /// The key named by the environment: `BOT4_API_KEY` with `BOT4_API_SECRET` (HMAC) or with
    /// `BOT4_PRIVATE_KEY_FILE` (Ed25519). `None` when `BOT4_API_KEY` is not set.
    ///
    /// # Errors
    /// When what is set is incomplete or unusable.
    pub fn from_environment(
        variable: &dyn Fn(&str) -> Option<String>,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Option<Signer>, KeyError> {
        let place = "environment";
        let Some(api_key) = variable(API_KEY) else { return Ok(None) };
        let names = (API_SECRET, PRIVATE_KEY_FILE);
        let material = (variable(API_SECRET), variable(PRIVATE_KEY_FILE));
        Signer::from_material(place, None, &api_key, names, material, read).map(Some)
    }

    /// The key in a key file: lines `api_key = "…"` and either `secret = "…"` or
    /// `private_key_file = "…"` (relative to the key file); `#` begins a comment.
    ///
    /// # Errors
    /// When a file cannot be read, a line has another shape, or the key is incomplete or unusable.
    pub fn from_file(
        path: &Path,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Signer, KeyError> {
        let file = |error| KeyError::File { path: path.to_owned(), error };
        let text = read(path).map_err(file)?;
        let (mut api_key, mut secret, mut private) = (None, None, None);
        for (index, line) in text.lines().enumerate() {
            let line_text = line.trim();
            if line_text.is_empty() || line_text.starts_with('#') {
                continue;
            }
            let wrong = || KeyError::Line { path: path.to_owned(), line: index + 1 };
            let (name, value) = line_text.split_once('=').ok_or_else(wrong)?;
            let value = value.trim();
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            let slot = match name.trim() {
                "api_key" => &mut api_key,
                "secret" => &mut secret,
                "private_key_file" => &mut private,
                _ => return Err(wrong()),
            };
            *slot = Some(value.ok_or_else(wrong)?.to_owned());
        }
        let place = path.display().to_string();
        let api_key =
            api_key.ok_or_else(|| KeyError::Missing { place: place.clone(), name: "api_key" })?;
        let names = ("secret", "private_key_file");
        Signer::from_material(&place, path.parent(), &api_key, names, (secret, private), read)
    }

    fn from_material(
        place: &str,
        folder: Option<&Path>,
        api_key: &str,
        (secret, private): (&'static str, &'static str),
        material: (Option<String>, Option<String>),
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Signer, KeyError> {
        match material {
            (Some(secret), None) => Signer::hmac_from(place, api_key, &secret),
            (None, Some(file)) => {
                let path = folder.unwrap_or(Path::new("")).join(file);
                let pem =
                    read(&path).map_err(|error| KeyError::File { path: path.clone(), error })?;
                Signer::ed25519_from(&path.display().to_string(), api_key, &pem)
            }
            _ => Err(KeyError::OneKind { place: place.to_owned(), secret, private }),
        }
    }

    /// The API key, which is public to the venue only: it names the account.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Whether this key may log a session on, so that requests need no signature.
    #[must_use]
    pub const fn can_log_on(&self) -> bool {
        matches!(self.key, Key::Ed25519(_))
    }

    /// Bytes of a signature's text.
    #[must_use]
    pub const fn signature_len_max(&self) -> usize {
        match self.key {
            Key::Hmac(_) => 64,
            Key::Ed25519(_) => 88,
        }
    }

    /// The signature of a payload: parameters sorted by name, joined by `&`.
    #[must_use]
    pub fn sign(&self, payload: &[u8]) -> SignatureText {
        let mut bytes = [0; 88];
        let len = match &self.key {
            Key::Hmac(key) => encoding::hex(hmac::sign(key, payload).as_ref(), &mut bytes[..64]),
            Key::Ed25519(pair) => encoding::base64(pair.sign(payload).as_ref(), &mut bytes),
        };
        SignatureText { bytes, len: len as u8 }
    }

    /// The public half of an Ed25519 key, for checks.
    #[must_use]
    pub fn public_key(&self) -> Option<&[u8]> {
        match &self.key {
            Key::Hmac(_) => None,
            Key::Ed25519(pair) => Some(pair.public_key().as_ref()),
        }
    }
}

fn checked(place: &str, api_key: &str) -> Result<Arc<str>, KeyError> {
    let plain = api_key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if api_key.is_empty() || api_key.len() > API_KEY_MAX || !plain {
        return Err(KeyError::ApiKey { place: place.to_owned() });
    }
    Ok(api_key.into())
}
