//! X25519 keys as age writes them: an identity opens what was sealed for its recipient.

use super::bech32;
use super::cipher::{Derived, derive};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

const PUBLIC: &str = "age";
const SECRET: &str = "age-secret-key-";
/// Identities of one file.
const IDENTITIES_MAX: usize = 16;
const PURPOSE: &[u8] = b"age-encryption.org/v1/X25519";

/// Why a text is no identity or recipient. Never quotes an identity.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A line that is no identity.
    #[error(
        "line {0} is no identity: expected `AGE-SECRET-KEY-1…` as `bot4 key identity` or `age-keygen` \
         writes it, or a remark that begins with #"
    )]
    Line(usize),
    /// Nothing but remarks.
    #[error("it holds no identity; `bot4 key identity` makes one")]
    None,
    /// More than a person would keep in one file.
    #[error("it holds more than {IDENTITIES_MAX} identities; give the one that is meant")]
    TooMany,
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// The secret half: opens.
pub struct Identity(StaticSecret);

/// The public half: seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient(PublicKey);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

impl Identity {
    /// A fresh one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Identity, IdentityError> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *bytes).map_err(|_| IdentityError::Random)?;
        Ok(Identity(StaticSecret::from(*bytes)))
    }

    /// Reads `AGE-SECRET-KEY-1…`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Identity> {
        let mut bytes = bech32::decode(SECRET, text)?;
        let identity = Identity(StaticSecret::from(bytes));
        bytes.zeroize();
        Some(identity)
    }

    /// The text that `parse` reads.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        // Room for all of it at once, so that no copy is left behind.
        let mut text = Zeroizing::new(String::with_capacity(80));
        let bytes = Zeroizing::new(self.0.to_bytes());
        bech32::encode(SECRET, &bytes, &mut text);
        text.make_ascii_uppercase();
        text
    }

    /// The half that may be known.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(PublicKey::from(&self.0))
    }

    /// The key that wraps a file key: of our identity and the sender's share.
    pub(super) fn unwrapping(&self, share: [u8; 32]) -> Option<Derived> {
        let shared = self.0.diffie_hellman(&PublicKey::from(share));
        let mine = self.recipient();
        shared.was_contributory().then(|| wrapping(shared.as_bytes(), &share, &mine))
    }
}

impl Recipient {
    /// Reads `age1…`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Recipient> {
        let lower = text.bytes().all(|byte| !byte.is_ascii_uppercase());
        bech32::decode(PUBLIC, text)
            .filter(|_| lower)
            .map(|bytes| Recipient(PublicKey::from(bytes)))
    }

    /// A fresh share, and the key that wraps a file key for this recipient.
    pub(super) fn wrapping(&self) -> Result<([u8; 32], Derived), IdentityError> {
        let ours = Identity::random()?;
        let share = ours.recipient().0.to_bytes();
        let shared = ours.0.diffie_hellman(&self.0);
        // A recipient of small order, which nobody's key is, gives a secret that everybody knows.
        let wrapped = shared.was_contributory().then(|| wrapping(shared.as_bytes(), &share, self));
        wrapped.map(|key| (share, key)).ok_or(IdentityError::Line(1))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(62);
        bech32::encode(PUBLIC, self.0.as_bytes(), &mut text);
        f.write_str(&text)
    }
}

fn wrapping(shared: &[u8; 32], share: &[u8; 32], recipient: &Recipient) -> Derived {
    derive(shared, &[share.as_slice(), recipient.0.as_bytes()].concat(), PURPOSE)
}

/// The identities of a file: one a line, `#` begins a remark.
///
/// # Errors
/// When a line is none, or there is none.
pub fn identities(text: &str) -> Result<Vec<Identity>, IdentityError> {
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if found.len() == IDENTITIES_MAX {
            return Err(IdentityError::TooMany);
        }
        found.push(Identity::parse(line).ok_or(IdentityError::Line(number))?);
    }
    if found.is_empty() { Err(IdentityError::None) } else { Ok(found) }
}
