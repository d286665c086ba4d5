//! Ed25519 signatures of finished segments: who has the key says that the chain came to this value.
//!
//! Without one the chain tells of any change that does not rewrite everything after it; with one,
//! nobody but the holder of the key can rewrite it unnoticed.

use super::format::{Chain, RECORD_HEAD, SEAL_LEN, Stream, seal_message};
use super::segment::Damage;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// Bytes of a seal's payload.
const PAYLOAD_LEN: usize = SEAL_LEN - RECORD_HEAD;

/// A key that signs segments.
pub struct SealKey(Ed25519KeyPair);

/// The seed is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an Ed25519 key is a PKCS#8 document, as `openssl genpkey -algorithm ed25519` makes it")]
pub struct SealKeyError;

impl SealKey {
    /// A key from its 32 secret bytes.
    ///
    /// # Errors
    /// When there are not 32.
    pub fn from_seed(seed: &[u8]) -> Result<SealKey, SealKeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(SealKey).map_err(|_| SealKeyError)
    }

    /// A key from a PKCS#8 document, with or without the public half.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_pkcs8(document: &[u8]) -> Result<SealKey, SealKeyError> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(document).map(SealKey).map_err(|_| SealKeyError)
    }

    /// The half that everybody may know.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        let bytes = self.0.public_key().as_ref();
        std::array::from_fn(|at| bytes[at])
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealKey({:02x?}...)", &self.public()[..4])
    }
}

/// What the seals of the segments read say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seals {
    /// Segments that were sealed.
    pub count: u64,
    /// Those with a signature; each was checked.
    pub signed: u64,
    /// The public keys they were signed with.
    pub keys: Vec<[u8; 32]>,
}

/// The payload of a seal.
pub(super) fn payload(
    key: Option<&SealKey>,
    stream: Stream,
    segment: u64,
    sequence: u64,
    chain: &Chain,
) -> [u8; PAYLOAD_LEN] {
    let mut bytes = [0; PAYLOAD_LEN];
    bytes[8..40].copy_from_slice(&chain.0);
    if let Some(key) = key {
        bytes[0] = 1;
        bytes[40..72].copy_from_slice(&key.public());
        let signature = key.0.sign(&seal_message(stream, segment, sequence, chain));
        bytes[72..].copy_from_slice(signature.as_ref());
    }
    bytes
}

/// Checks a seal's payload; gives the key that signed it.
pub(super) fn check(
    bytes: &[u8],
    stream: Stream,
    segment: u64,
    sequence: u64,
    chain: &Chain,
) -> Result<Option<[u8; 32]>, Damage> {
    let shaped = bytes.len() == PAYLOAD_LEN && bytes[1..8] == [0; 7] && bytes[8..40] == chain.0;
    match bytes.first() {
        Some(0) if shaped && bytes[40..].iter().all(|byte| *byte == 0) => Ok(None),
        Some(1) if shaped => {
            let key: [u8; 32] = std::array::from_fn(|at| bytes[40 + at]);
            let message = seal_message(stream, segment, sequence, chain);
            let checked = UnparsedPublicKey::new(&ED25519, key).verify(&message, &bytes[72..]);
            checked.map(|()| Some(key)).map_err(|_| Damage::Signature)
        }
        _ => Err(Damage::Marker),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_key_one_segment_and_one_chain() {
        let key = SealKey::from_seed(&[7; 32]).expect("32 bytes");
        let (stream, chain) = (Stream { run: 5, lane: 2 }, Chain([9; 32]));
        let signed = payload(Some(&key), stream, 3, 40, &chain);
        assert_eq!(check(&signed, stream, 3, 40, &chain), Ok(Some(key.public())));
        assert_eq!(check(&signed, stream, 4, 40, &chain), Err(Damage::Signature));
        assert_eq!(check(&signed, stream, 3, 41, &chain), Err(Damage::Signature));
        let other = Stream { run: 6, ..stream };
        assert_eq!(check(&signed, other, 3, 40, &chain), Err(Damage::Signature));
        assert_eq!(check(&signed, stream, 3, 40, &Chain([8; 32])), Err(Damage::Marker));
        for at in 0..signed.len() {
            let mut changed = signed;
            changed[at] ^= 1;
            assert!(check(&changed, stream, 3, 40, &chain).is_err(), "byte {at}");
        }
        let plain = payload(None, stream, 3, 40, &chain);
        assert_eq!(check(&plain, stream, 3, 40, &chain), Ok(None));
        assert!(SealKey::from_seed(&[7; 31]).is_err());
    }
}
