//! Secrets at rest: files sealed in the age v1 format (c2sp.org/age), which `age` and `rage` read and
//! write too. Plaintext and a lock in, armored text out, and back.
//!
//! A file key of 128 random bits encrypts the plaintext with ChaCha20-Poly1305; a stanza of the header
//! wraps that key with a passphrase (scrypt) or for an X25519 recipient; an HMAC binds the header.
//! Invariants: nothing of a plaintext, passphrase, identity or derived key is printed, and each buffer
//! that held one is wiped; a changed byte anywhere is refused before any plaintext is given out.
//! The primitives are ring's, scrypt's and x25519-dalek's. The `age` crate itself would bring 113
//! crates (localised messages, an embedded file system, post-quantum keys) for these 500 lines;
//! `bench/rivals` holds the two together: each opens what the other sealed.
//! Deliberately absent: plaintexts beyond 64 KiB (no key is longer), ssh and plugin recipients.

mod armor;
mod bech32;
mod cipher;
mod header;
mod identity;
mod sealed;

#[cfg(test)]
mod tests;

pub use identity::{Identity, IdentityError, Recipient, identities};
pub use sealed::{
    LOG_N, LOG_N_MAX, Lock, PLAIN_MAX, Sealed, SealedError, looks_sealed, seal_for,
    seal_with_passphrase,
};
