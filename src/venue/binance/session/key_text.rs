//! The text of a key, as a sealed file, a kernel key or the environment holds it -> a `Signer`.
//!
//! ```text
//! # a remark
//! api_key = "…"                         names the account
//! secret = "…"                          one of: an HMAC secret,
//! private_key_file = "…"                the file of an Ed25519 key,
//! -----BEGIN PRIVATE KEY-----           or that key itself in PEM
//! ```
//! Everything is borrowed from the text, so that whoever read it wipes all of it. Errors name a line and
//! never quote one.

use crate::venue::binance::session::{KeyError, Signer};
use std::fmt;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// What signs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Material<'a> {
    /// An HMAC secret.
    Secret(&'a str),
    /// An Ed25519 key in PEM.
    Pem(&'a str),
    /// Where an Ed25519 key in PEM stands.
    PemFile(&'a str),
}

/// A key in the words it came in.
pub struct KeyText<'a> {
    /// The public half: names the account.
    pub api_key: &'a str,
    /// What signs.
    pub material: Material<'a>,
    /// The first line that must not stand anywhere in the clear.
    pub secret_line: Option<usize>,
}

impl fmt::Debug for Material<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Material::Secret(_) => "Secret",
            Material::Pem(_) => "Pem",
            Material::PemFile(_) => "PemFile",
        })
    }
}

impl fmt::Debug for KeyText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.api_key.chars().take(4).collect();
        write!(f, "KeyText({shown}…, {:?})", self.material)
    }
}

impl<'a> KeyText<'a> {
    /// Reads a text; `place` names it in messages.
    ///
    /// # Errors
    /// When a line has another shape, stands twice, or something is missing.
    pub fn parse(place: &str, text: &'a str) -> Result<KeyText<'a>, KeyError> {
        let (mut api_key, mut secret, mut file, mut pem) = (None, None, None, None);
        let mut secret_line = None;
        let mut lines = text.lines().zip(1..);
        while let Some((line, number)) = lines.next() {
            let wrong = || KeyError::Line { place: place.to_owned(), line: number };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (slot, value) = if line == BEGIN {
                let from = line.as_ptr() as usize - text.as_ptr() as usize;
                let len = text[from..].find(END).ok_or_else(wrong)? + END.len();
                lines.by_ref().find(|(line, _)| line.trim() == END).ok_or_else(wrong)?;
                (&mut pem, &text[from..from + len])
            } else {
                let (name, value) = line.split_once('=').ok_or_else(wrong)?;
                let value = value.trim();
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                let slot = match name.trim() {
                    "api_key" => &mut api_key,
                    "secret" => &mut secret,
                    "private_key_file" => &mut file,
                    _ => return Err(wrong()),
                };
                (slot, value.ok_or_else(wrong)?)
            };
            if slot.replace(value).is_some() {
                return Err(wrong());
            }
            if secret_line.is_none() && (secret.is_some() || pem.is_some()) {
                secret_line = Some(number);
            }
        }
        let missing = || KeyError::Missing { place: place.to_owned(), name: "api_key" };
        let api_key = api_key.ok_or_else(missing)?;
        let material = match (secret, pem, file) {
            (Some(secret), None, None) => Material::Secret(secret),
            (None, Some(pem), None) => Material::Pem(pem),
            (None, None, Some(file)) => Material::PemFile(file),
            _ => {
                let (place, secret) = (place.to_owned(), "secret");
                return Err(KeyError::OneKind { place, secret, private: "private_key_file" });
            }
        };
        Ok(KeyText { api_key, material, secret_line })
    }

    /// Whether this text must not stand anywhere in the clear.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        self.secret_line.is_some()
    }

    /// The key that signs, where all of it stands in this text.
    ///
    /// # Errors
    /// When a part is unusable, or the private key stands in a file of its own.
    pub fn signer(&self, place: &str) -> Result<Signer, KeyError> {
        match self.material {
            Material::Secret(secret) => Signer::hmac_from(place, self.api_key, secret),
            Material::Pem(pem) => Signer::ed25519_from(place, self.api_key, pem),
            Material::PemFile(_) => {
                let why = "it stands in a file of its own";
                Err(KeyError::Pem { place: place.to_owned(), why })
            }
        }
    }
}
