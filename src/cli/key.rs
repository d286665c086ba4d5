//! `bot4 key`: seals a venue's key, makes the identity it may be sealed for, and checks that it opens.
//!
//! What was sealed is read back from the disk and opened before anyone is told to delete the plain one.

use crate::cli::keys::{self, KeysError, Secret, Unlocking};
use crate::host::{dump, vault};
use crate::secret::{
    Identity, IdentityError, LOG_N, LOG_N_MAX, Recipient, Sealed, SealedError, looks_sealed,
    seal_for, seal_with_passphrase,
};
use crate::venue::binance::session::{KeyError, KeyText, Material, Signer};
use clap::{Args, Subcommand};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Shortest passphrase: four words, or twelve letters that nobody would guess.
const PASSPHRASE_MIN: usize = 12;
/// What a key signs to show that it can.
const PROBE: &[u8] = b"symbol=BTCUSDT&timestamp=1700000000123";

/// Arguments of `bot4 key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Seal a key so that it may lie on a disk, in the format of `age`
    Seal(SealArgs),
    /// Open a key as `bot4 run` would, and say what it is
    Check(CheckArgs),
    /// Make an identity to seal keys for, and print its recipient
    Identity(IdentityArgs),
}

#[derive(Debug, Args)]
struct SealArgs {
    /// The key in the clear, or `-` for the input: lines api_key = "…" and secret = "…" (HMAC) or a
    /// private key in PEM (Ed25519); or such a private key alone
    #[arg(value_name = "FILE")]
    plain: PathBuf,
    /// Where the sealed one goes; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Seal for this recipient (age1…) instead of with a passphrase
    #[arg(long = "for", value_name = "RECIPIENT", value_parser = recipient)]
    recipient: Option<Recipient>,
    /// Read the passphrase from this descriptor instead of the terminal
    #[arg(long, value_name = "N", conflicts_with = "recipient")]
    passphrase_fd: Option<i32>,
    /// Work of trying one passphrase: 2^N steps of scrypt
    #[arg(long, value_name = "N", default_value_t = LOG_N,
          value_parser = clap::value_parser!(u8).range(10..=i64::from(LOG_N_MAX)))]
    work: u8,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The key file, as venue.key_file names it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    unlocking: Unlocking,
}

#[derive(Debug, Args)]
struct IdentityArgs {
    /// Where the identity goes; it must not exist, and only you will be able to read it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Why there is no sealed key.
#[derive(Debug, thiserror::Error)]
pub enum KeyCommandError {
    /// A key cannot be read or opened.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// What is to be sealed is no key.
    #[error("{0}; nothing was sealed")]
    NoKey(#[from] KeyError),
    /// It is sealed already.
    #[error("{} is sealed already", .0.display())]
    SealedAlready(PathBuf),
    /// Too short.
    #[error("a passphrase of {0} letters can be guessed; take {PASSPHRASE_MIN} or more")]
    Short(usize),
    /// Typed differently the second time.
    #[error("the two passphrases differ; nothing was sealed")]
    Differ,
    /// Sealing failed.
    #[error("{0}; nothing was sealed")]
    Seal(#[from] SealedError),
    /// No identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What was sealed does not open again.
    #[error("{}: what was written does not open again ({why}); it was removed", path.display())]
    NotBack {
        /// Which file.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// A file cannot be written.
    #[error("{}: {source}; an existing file is never overwritten", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The answer could not be printed.
    #[error("the answer cannot be written: {0}")]
    Print(#[from] io::Error),
}

fn recipient(text: &str) -> Result<Recipient, String> {
    let known = Recipient::parse(text);
    known.ok_or_else(|| {
        format!("`{text}` is no recipient such as `bot4 key identity` prints: age1…")
    })
}

/// Runs the command.
///
/// # Errors
/// When a key cannot be read, is none, or cannot be written.
pub fn run(args: &KeyArgs, out: &mut dyn Write) -> Result<(), KeyCommandError> {
    dump::forbid().map_err(KeysError::from)?;
    let outcome = match &args.command {
        KeyCommand::Seal(args) => seal(args, out),
        KeyCommand::Check(args) => check(args, out),
        KeyCommand::Identity(args) => identity(args, out),
    };
    vault::bleach_stack();
    outcome
}

fn seal(args: &SealArgs, out: &mut dyn Write) -> Result<(), KeyCommandError> {
    let plain = match args.plain.as_os_str() == "-" {
        true => input()?,
        false => keys::read("key file", &args.plain)?,
    };
    if looks_sealed(&plain) {
        return Err(KeyCommandError::SealedAlready(args.plain.clone()));
    }
    let words = described(&args.plain, &plain)?;
    let opened;
    if let Some(recipient) = &args.recipient {
        put(&args.out, seal_for(&plain, recipient)?.as_bytes())?;
        opened = None; // whoever has the identity can tell; we have not
    } else {
        let passphrase = fresh_passphrase(args)?;
        put(&args.out, seal_with_passphrase(&plain, &passphrase, args.work)?.as_bytes())?;
        opened = Some(again(&args.out, &passphrase));
    }
    match opened {
        Some(Ok(back)) if *back == *plain => {}
        Some(outcome) => {
            let why = outcome.err().unwrap_or_else(|| "other bytes came back".to_owned());
            let _ = std::fs::remove_file(&args.out); // of no use, and said so below
            return Err(KeyCommandError::NotBack { path: args.out.clone(), why });
        }
        None => {}
    }
    writeln!(out, "{}: sealed, {words}", args.out.display())?;
    if args.plain.as_os_str() != "-" {
        writeln!(out, "now delete the one in the clear: shred -u {}", args.plain.display())?;
    }
    Ok(())
}

/// What the plaintext is: a whole key, or a private key alone. Refuses anything else.
fn described(path: &Path, plain: &[u8]) -> Result<String, KeyCommandError> {
    let place = path.display().to_string();
    let text = std::str::from_utf8(plain);
    let text = text.map_err(|_| KeysError::NoText { place: place.clone() })?;
    if text.trim_start().starts_with("-----BEGIN") {
        // Its API key stands elsewhere; any will do to see that the rest is a key.
        let alone = KeyText { api_key: "alone", material: Material::Pem(text), secret_line: None };
        alone.signer(&place)?;
        return Ok("an Ed25519 private key".to_owned());
    }
    let key = KeyText::parse(&place, text)?;
    match key.material {
        Material::PemFile(_) => {
            Ok("a key whose private key stands in a file of its own".to_owned())
        }
        Material::Secret(_) | Material::Pem(_) => Ok(words(&key.signer(&place)?)),
    }
}

fn words(signer: &Signer) -> String {
    let (kind, use_of_it) = match signer.can_log_on() {
        true => ("Ed25519", "logs sessions on"),
        false => ("HMAC-SHA256", "signs each request; an Ed25519 key is faster"),
    };
    format!("the {kind} key {}, which {use_of_it}", signer.shown())
}

fn again(path: &Path, passphrase: &str) -> Result<Secret, String> {
    let bytes = keys::read("sealed key", path).map_err(|error| error.to_string())?;
    let sealed = Sealed::parse(&bytes).map_err(|error| error.to_string())?;
    sealed.open_with_passphrase(passphrase).map_err(|error| error.to_string())
}

fn fresh_passphrase(args: &SealArgs) -> Result<Zeroizing<String>, KeyCommandError> {
    let unlocking = Unlocking { identity: None, passphrase_fd: args.passphrase_fd };
    let passphrase = keys::passphrase(&args.out, &unlocking)?;
    let len = passphrase.chars().count();
    if len < PASSPHRASE_MIN {
        return Err(KeyCommandError::Short(len));
    }
    if args.passphrase_fd.is_none() {
        eprintln!("bot4: and once more, so that no slip of a finger locks you out");
        if *keys::passphrase(&args.out, &unlocking)? != *passphrase {
            return Err(KeyCommandError::Differ);
        }
    }
    Ok(passphrase)
}

fn check(args: &CheckArgs, out: &mut dyn Write) -> Result<(), KeyCommandError> {
    let signer = keys::from_file(&args.file, &args.unlocking)?;
    let signed = signer.sign(PROBE);
    assert!(!signed.as_bytes().is_empty(), "Invariant: a signature has letters");
    writeln!(out, "{}: opens, {}", args.file.display(), words(&signer))?;
    Ok(())
}

fn identity(args: &IdentityArgs, out: &mut dyn Write) -> Result<(), KeyCommandError> {
    let identity = Identity::random()?;
    let recipient = identity.recipient();
    let text = identity.text();
    let mut file = Zeroizing::new(Vec::with_capacity(256));
    file.extend_from_slice(format!("# recipient: {recipient}\n").as_bytes());
    file.extend_from_slice(text.as_bytes());
    file.push(b'\n');
    put(&args.out, &file)?;
    writeln!(out, "{recipient}")?;
    Ok(())
}

/// Writes a file that did not exist and that only its owner may read, down to the disk.
fn put(path: &Path, bytes: &[u8]) -> Result<(), KeyCommandError> {
    let failed = |source| KeyCommandError::Write { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}

/// The input into one buffer that never grows.
fn input() -> Result<Secret, KeyCommandError> {
    let path = PathBuf::from("-");
    let failed = |source| KeysError::File { what: "key file", path: path.clone(), source };
    let mut bytes = Zeroizing::new(vec![0; crate::secret::PLAIN_MAX + 1]);
    let mut len = 0;
    // A descriptor of our own: the standard handle buffers, a copy nobody wipes.
    let mut input: File = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?.into();
    loop {
        match input.read(&mut bytes[len..]).map_err(failed)? {
            0 if len > crate::secret::PLAIN_MAX => {
                return Err(SealedError::PlainTooLong { len }.into());
            }
            0 => break,
            more => len += more,
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}
