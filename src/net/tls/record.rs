//! Records (RFC 8446, section 5): one direction's key, nonce and counter.
//!
//! ```text
//! type(1) = 23  version(2) = 0x0303  length(2) | ciphertext of (content, type(1), zeros) | tag(16)
//! ```
//! The nonce is the static IV xor the record number; the header is authenticated with the record.

use crate::net::tls::session::Error;
use ring::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce,
    UnboundKey,
};
use rustls::ConnectionTrafficSecrets;

/// Bytes of a record's header.
pub(super) const HEADER: usize = 5;
/// Most plaintext in one record.
pub(super) const PLAIN_MAX: usize = 16 * 1_024;
/// Most bytes behind a header: plaintext, its type, padding and tag.
pub(super) const CIPHER_MAX: usize = PLAIN_MAX + 256;
/// Bytes of the tag; equal in all three ciphers.
const TAG: usize = 16;
/// Records after which we renew our key: half of AES-GCM's 2^24.5 (RFC 8446, section 5.5).
pub(super) const RENEW_AFTER: u64 = 1 << 23;

/// What a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Alert = 21,
    Handshake = 22,
    Data = 23,
}

/// One direction.
pub(super) struct Half {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    sequence: u64,
}

impl Half {
    pub(super) fn new(secret: (u64, ConnectionTrafficSecrets)) -> Result<Half, Error> {
        let (sequence, secrets) = secret;
        let (algorithm, key, iv): (&'static Algorithm, _, _) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(Error::Cipher),
        };
        let mut half_iv = [0; NONCE_LEN];
        half_iv.copy_from_slice(iv.as_ref());
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| Error::Cipher)?;
        Ok(Half { key: LessSafeKey::new(key), iv: half_iv, sequence })
    }

    /// Number of the next record.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    fn nonce(&mut self) -> Result<Nonce, Error> {
        let mut nonce = self.iv;
        for (byte, number) in nonce[NONCE_LEN - 8..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= number;
        }
        self.sequence = self.sequence.checked_add(1).ok_or(Error::Cipher)?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    /// Opens a whole record in place: its content and the content's type.
    pub(super) fn open<'a>(&mut self, record: &'a mut [u8]) -> Result<(u8, &'a mut [u8]), Error> {
        let sequence = self.sequence;
        let nonce = self.nonce()?;
        let (header, body) = record.split_at_mut(HEADER);
        let inner = self
            .key
            .open_in_place(nonce, Aad::from(&*header), body)
            .map_err(|_| Error::Tampered { sequence })?;
        let Some(last) = inner.iter().rposition(|&byte| byte != 0) else {
            return Err(Error::Record { sequence, problem: "a record has no content type" });
        };
        if last > PLAIN_MAX {
            return Err(Error::Record { sequence, problem: "a record's content is too long" });
        }
        Ok((inner[last], &mut inner[..last]))
    }

    /// Seals one record of at most `PLAIN_MAX` bytes behind `out`.
    pub(super) fn seal(
        &mut self,
        content: Content,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        debug_assert!(plain.len() <= PLAIN_MAX, "Invariant: a record's content is bounded");
        let nonce = self.nonce()?;
        let len = (plain.len() + 1 + TAG) as u16;
        let [high, low] = len.to_be_bytes();
        let header = [Content::Data as u8, 3, 3, high, low];
        out.extend_from_slice(&header);
        let at = out.len();
        out.extend_from_slice(plain);
        out.push(content as u8);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(header), &mut out[at..])
            .map_err(|_| Error::Cipher)?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }
}
