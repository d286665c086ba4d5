//! A key's way through memory: once the signer stands, nothing of the texts it came from is left in the
//! process; once the last signer is dropped, nothing of the key itself.
//!
//! One test, since it searches the whole process, other tests' threads and all.

mod memory_scan;

use bot4::cli::config::Config;
use bot4::cli::keys::{self, Environment, Unlocking};
use bot4::host::vault::bleach_stack;
use bot4::secret::{Identity, seal_for, seal_with_passphrase};
use memory_scan::{Needle, found};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// Random letters, so that no text of this program holds them.
fn letters(len: usize) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(vec![0u8; len]);
    let random = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&random, &mut bytes).expect("random bytes");
    let mut text = Zeroizing::new(String::with_capacity(len));
    text.extend(bytes.iter().map(|byte| char::from(b'a' + byte % 26)));
    text
}

/// A text of parts in one buffer that never grows.
fn joined(parts: &[&str]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| text.push_str(part));
    text
}

fn write(path: &Path, bytes: &[u8]) {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).expect("a temporary file");
}

/// An Ed25519 key in PEM, and what of it a search can know: its text, its seed, and the half of the
/// seed's hash that signing keeps (RFC 8032, section 5.1.5).
fn private_key(needles: &mut Vec<Needle>) -> Zeroizing<String> {
    const HEAD: [u8; 16] = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
    let mut seed = Zeroizing::new([0u8; 32]);
    let random = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&random, &mut *seed).expect("random bytes");
    let mut der = Zeroizing::new(Vec::with_capacity(48));
    der.extend_from_slice(&HEAD);
    der.extend_from_slice(&*seed);
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut body = Zeroizing::new(String::with_capacity(64));
    for chunk in der.chunks(3) {
        let word = u32::from(chunk[0]) << 16 | u32::from(chunk[1]) << 8 | u32::from(chunk[2]);
        body.extend((0..4).map(|at| char::from(LETTERS[(word >> (18 - 6 * at) & 63) as usize])));
    }
    needles.push(Needle::of("the private key's text", &body.as_bytes()[24..]));
    needles.push(Needle::of("the private key's seed", &*seed));
    let mut context = ring::digest::Context::new(&ring::digest::SHA512);
    context.update(&*seed);
    needles.push(Needle::of("the signing key", &context.finish().as_ref()[32..]));
    joined(&["-----BEGIN PRIVATE KEY-----\n", &body, "\n-----END PRIVATE KEY-----\n"])
}

/// Files sealed with texts that only the needles remember.
struct Planted {
    folder: PathBuf,
    passphrase: Zeroizing<String>,
    needles: Vec<Needle>,
}

#[inline(never)]
fn plant() -> Planted {
    let folder = std::env::temp_dir().join(format!("bot4_key_memory_{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let (secret, passphrase) = (letters(40), letters(20));
    let mut needles = vec![
        Needle::of("the HMAC secret", secret.as_bytes()),
        Needle::of("the passphrase", passphrase.as_bytes()),
    ];
    let pem = private_key(&mut needles);
    let identity = Identity::random().expect("random bytes");
    needles.push(Needle::of("the identity", &identity.text().as_bytes()[20..]));
    let hmac = joined(&["api_key = \"planted\"\nsecret = \"", &secret, "\"\n"]);
    let sealed = seal_with_passphrase(hmac.as_bytes(), &passphrase, 10).expect("sealed");
    write(&folder.join("hmac.age"), sealed.as_bytes());
    let edwards = joined(&["api_key = \"planted\"\n", &pem]);
    let sealed = seal_for(edwards.as_bytes(), &identity.recipient()).expect("sealed");
    write(&folder.join("edwards.age"), sealed.as_bytes());
    write(&folder.join("identity"), identity.text().as_bytes());
    Planted { folder, passphrase, needles }
}

fn signer(
    planted: &Planted,
    file: &str,
    unlocking: &Unlocking,
) -> bot4::venue::binance::session::Signer {
    let mut venue = Config::default().venue;
    venue.key_file = Some(planted.folder.join(file));
    let signer = keys::signer(&venue, unlocking, &Environment::default());
    signer.expect("the key opens").expect("a key was named")
}

#[test]
fn nothing_of_a_key_is_left_but_the_key_and_then_not_even_that() {
    let mut planted = plant();
    bleach_stack();
    if let Err(why) = found("self", &planted.needles) {
        println!("SKIPPED (1): nothing_of_a_key_is_left: our own memory cannot be read: {why}");
        return;
    }
    let traces = |planted: &Planted| {
        bleach_stack();
        let (names, searched) = found("self", &planted.needles).expect("as before");
        assert!(searched > 1 << 20, "only {searched} bytes were searched");
        names
    };
    assert_eq!(traces(&planted), ["the passphrase"], "canary: the test itself still holds it");

    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(planted.passphrase.as_bytes()).expect("room");
    drop(writer);
    planted.passphrase.zeroize();
    assert!(traces(&planted).is_empty());

    let descriptor = Some(reader.as_raw_fd());
    let by_passphrase = Unlocking { identity: None, passphrase_fd: descriptor };
    let hmac = signer(&planted, "hmac.age", &by_passphrase);
    let identity = Some(planted.folder.join("identity"));
    let edwards = signer(&planted, "edwards.age", &Unlocking { identity, passphrase_fd: None });
    for signer in [&hmac, &edwards] {
        assert!(!signer.sign(b"payload").as_bytes().is_empty());
    }
    assert_eq!(traces(&planted), ["the signing key"], "canary: what signs is somewhere");

    let other = edwards.clone();
    drop(edwards);
    assert_eq!(traces(&planted), ["the signing key"], "another lane has it yet");
    drop((hmac, other));
    assert!(traces(&planted).is_empty(), "{:?}", traces(&planted));
    std::fs::remove_dir_all(&planted.folder).expect("our own folder");
}
