//! The two primitives everything here is made of: HKDF-SHA256 and ChaCha20-Poly1305, both ring's.
//!
//! Every key is used once, so that nonces may be fixed: zero where a file key is wrapped, the number of
//! the one chunk where a plaintext is sealed.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{self, HKDF_SHA256};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of an authentication tag.
pub(super) const TAG: usize = 16;
/// The nonce of a wrapped file key.
pub(super) const WRAPPING: [u8; NONCE_LEN] = [0; NONCE_LEN];

/// A derived key.
pub(super) type Derived = Zeroizing<[u8; 32]>;

struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

/// HKDF-SHA256 of input, salt and purpose.
pub(super) fn derive(input: &[u8], salt: &[u8], purpose: &[u8]) -> Derived {
    let mut key = Zeroizing::new([0; 32]);
    let extracted = hkdf::Salt::new(HKDF_SHA256, salt).extract(input);
    let filled = extracted.expand(&[purpose], Length).and_then(|okm| okm.fill(&mut *key));
    filled.expect("Invariant: 32 bytes are one block of SHA-256");
    key
}

fn cipher(key: &Derived) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, &**key);
    LessSafeKey::new(key.expect("Invariant: the key has 32 bytes"))
}

/// Seals a text; the tag follows it.
pub(super) fn seal(key: &Derived, nonce: [u8; NONCE_LEN], plain: &[u8]) -> Vec<u8> {
    let mut out = Zeroizing::new(Vec::with_capacity(plain.len() + TAG));
    out.extend_from_slice(plain);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = cipher(key).seal_in_place_separate_tag(nonce, Aad::empty(), &mut out);
    out.extend_from_slice(tag.expect("Invariant: the text is short enough").as_ref());
    std::mem::take(&mut *out)
}

/// Opens what `seal` made; `None` when it is not authentic under this key.
pub(super) fn open(
    key: &Derived,
    nonce: [u8; NONCE_LEN],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut plain = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let len = cipher(key).open_in_place(nonce, Aad::empty(), &mut plain).ok()?.len();
    plain[len..].zeroize();
    plain.truncate(len);
    Some(plain)
}
