//! A venue's key, from where the configuration says, to the signer that alone remains of it.
//!
//! sealed file | kernel keyring | environment  ->  text of a key  ->  `Signer`
//!
//! Invariants: what is secret is never read from a file in the clear; core dumps are forbidden before
//! the first byte of a key is read; every buffer on the way is wiped, and the stack under it; messages
//! name files, variables and lines, never what stands there.

use crate::cli::config::Venue;
use crate::host::dump::{self, DumpError};
use crate::host::keyring::{self, KeyringError};
use crate::host::{environment, terminal, vault};
use crate::journal::{SealKey, SealKeyError};
use crate::secret::{Identity, IdentityError, Lock, PLAIN_MAX, Sealed, SealedError};
use crate::secret::{identities, looks_sealed};
use crate::venue::binance::session::{KeyError, KeyText, Material, Signer, private_document};
use clap::Args;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Variable that holds the API key.
const API_KEY: &str = "BOT4_API_KEY";
/// Variable that holds the secret of an HMAC key.
const API_SECRET: &str = "BOT4_API_SECRET";
/// Variable that names the sealed PEM file of an Ed25519 key.
const PRIVATE_KEY_FILE: &str = "BOT4_PRIVATE_KEY_FILE";

/// Longest file of any kind that is read here: a sealed one, armored.
const FILE_MAX: usize = 2 * PLAIN_MAX;
/// How often a passphrase is asked for on the terminal before the file stays shut.
const ASKED_MAX: u32 = 3;

/// Bytes that are wiped when dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// How sealed files are opened.
#[derive(Clone, Debug, Default, Args)]
pub struct Unlocking {
    /// File of identities that open what was sealed for them (`bot4 key identity` makes one)
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Read the passphrase of sealed files from this descriptor instead of the terminal
    #[arg(long, value_name = "N")]
    pub passphrase_fd: Option<i32>,
}

impl Unlocking {
    /// With the configuration's identities where the command line names none.
    #[must_use]
    pub fn or(&self, venue: &Venue) -> Unlocking {
        let identity = self.identity.as_ref().or(venue.identity_file.as_ref()).cloned();
        Unlocking { identity, ..self.clone() }
    }
}

/// What the environment says of the key. Taken out of it, so that no child and no `/proc` shows it.
#[derive(Default)]
pub struct Environment {
    api_key: Option<Secret>,
    secret: Option<Secret>,
    private_key_file: Option<Secret>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Core dumps cannot be forbidden.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// A file cannot be read.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// `key file`, `private key` or `identity file`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A file longer than any key.
    #[error("{what} {} is longer than {FILE_MAX} bytes; this is no key", path.display())]
    Long {
        /// As in `File`.
        what: &'static str,
        /// Which.
        path: PathBuf,
    },
    /// A text that is none.
    #[error("{place} is not UTF-8 text; is it a key?")]
    NoText {
        /// The file, variable or kernel key.
        place: String,
    },
    /// A secret in the clear.
    #[error(
        "{}, line {line}: a secret in the clear, which is never read; seal it with \
         `bot4 key seal {} --out {}.age`, name that file instead and delete this one",
        path.display(), path.display(), path.display()
    )]
    Plain {
        /// Which file.
        path: PathBuf,
        /// Where the secret begins.
        line: usize,
    },
    /// A sealed file that does not open.
    #[error("{}: {source}", path.display())]
    Sealed {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: SealedError,
    },
    /// A passphrase is needed, and nobody can be asked.
    #[error(
        "{} is sealed with a passphrase and there is no terminal to ask on; give --passphrase-fd N \
         with the passphrase at that descriptor, such as `--passphrase-fd 3 3<FILE`, or seal it for an \
         identity",
        path.display()
    )]
    NobodyToAsk {
        /// Which file.
        path: PathBuf,
    },
    /// The passphrase could not be read.
    #[error("the passphrase of {} cannot be read from {from}: {source}", path.display())]
    Passphrase {
        /// Which file.
        path: PathBuf,
        /// The terminal, or the descriptor.
        from: String,
        /// The system's word.
        source: io::Error,
    },
    /// An identity is needed, and none was given.
    #[error(
        "{} is sealed for an identity; give --identity FILE or set venue.identity_file",
        path.display()
    )]
    NoIdentity {
        /// Which file.
        path: PathBuf,
    },
    /// Identities that others can read.
    #[error(
        "identity file {} can be read by others (mode {mode:o}); `chmod 600 {}`",
        path.display(), path.display()
    )]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// No identities.
    #[error("identity file {}: {source}", path.display())]
    Identity {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: IdentityError,
    },
    /// The kernel's keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The key itself.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What signs journals is no key for that.
    #[error("{}: {source}", path.display())]
    SealKey {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: SealKeyError,
    },
}

impl Environment {
    /// Takes the key's variables out of the environment.
    ///
    /// # Panics
    /// When the process has more than one thread and one of them is set.
    #[must_use]
    pub fn take() -> Environment {
        Environment {
            api_key: environment::take(API_KEY),
            secret: environment::take(API_SECRET),
            private_key_file: environment::take(PRIVATE_KEY_FILE),
        }
    }

    /// What a test or another caller knows already.
    #[must_use]
    pub fn of(api_key: &str, secret: Option<&str>, private_key_file: Option<&str>) -> Environment {
        let secret_of = |text: &str| Secret::new(text.as_bytes().to_vec());
        Environment {
            api_key: Some(secret_of(api_key)),
            secret: secret.map(secret_of),
            private_key_file: private_key_file.map(secret_of),
        }
    }
}

/// The key that the configuration, the flags and the environment lead to; `None` where nobody names one.
///
/// # Errors
/// When what is named cannot be read or opened, stands in the clear, or is no key.
pub fn signer(
    venue: &Venue,
    unlocking: &Unlocking,
    environment: &Environment,
) -> Result<Option<Signer>, KeysError> {
    let named = venue.key_file.is_some() || venue.keyring.is_some();
    if !named && environment.api_key.is_none() {
        return Ok(None);
    }
    dump::forbid()?;
    let unlocking = unlocking.or(venue);
    let signer = match (&venue.key_file, &venue.keyring) {
        (Some(file), _) => from_file(file, &unlocking),
        (None, Some(description)) => from_keyring(description, &unlocking),
        (None, None) => from_environment(environment, &unlocking),
    };
    vault::bleach_stack();
    signer.map(Some)
}

/// The key of a file: sealed, or one in which nothing secret stands.
///
/// # Errors
/// As `signer`.
#[inline(never)]
pub fn from_file(path: &Path, unlocking: &Unlocking) -> Result<Signer, KeysError> {
    let place = path.display().to_string();
    let bytes = read("key file", path)?;
    let sealed = looks_sealed(&bytes);
    let plain = if sealed { open(path, &bytes, unlocking)? } else { bytes };
    let key = KeyText::parse(&place, text_of(&place, &plain)?)?;
    if let (false, Some(line)) = (sealed, key.secret_line) {
        return Err(KeysError::Plain { path: path.to_owned(), line });
    }
    finished(&place, &key, path.parent(), unlocking)
}

#[inline(never)]
fn from_keyring(description: &str, unlocking: &Unlocking) -> Result<Signer, KeysError> {
    let place = format!("kernel key `{description}`");
    let plain = keyring::read(description)?;
    let key = KeyText::parse(&place, text_of(&place, &plain)?)?;
    finished(&place, &key, None, unlocking)
}

#[inline(never)]
fn from_environment(environment: &Environment, unlocking: &Unlocking) -> Result<Signer, KeysError> {
    let place = "environment";
    let text = |name: &str, value: &Option<Secret>| {
        let place = || format!("{place}: `{name}`");
        match value {
            Some(bytes) => {
                text_of(&place(), bytes).map(|text| Some(Zeroizing::new(text.to_owned())))
            }
            None => Ok(None),
        }
    };
    let api_key = text(API_KEY, &environment.api_key)?.unwrap_or_default();
    let secret = text(API_SECRET, &environment.secret)?;
    let file = text(PRIVATE_KEY_FILE, &environment.private_key_file)?;
    let material = match (&secret, &file) {
        (Some(secret), None) => Material::Secret(secret),
        (None, Some(file)) => Material::PemFile(file),
        _ => {
            let (place, secret) = (place.to_owned(), API_SECRET);
            return Err(KeyError::OneKind { place, secret, private: PRIVATE_KEY_FILE }.into());
        }
    };
    let key = KeyText { api_key: &api_key, material, secret_line: None };
    finished(place, &key, None, unlocking)
}

/// The signer of a key text, whose private key may stand in a sealed file beside it.
fn finished(
    place: &str,
    key: &KeyText<'_>,
    folder: Option<&Path>,
    unlocking: &Unlocking,
) -> Result<Signer, KeysError> {
    let Material::PemFile(file) = key.material else { return Ok(key.signer(place)?) };
    let path = folder.unwrap_or(Path::new("")).join(file);
    let bytes = read("private key", &path)?;
    if !looks_sealed(&bytes) {
        return Err(KeysError::Plain { path, line: 1 });
    }
    let plain = open(&path, &bytes, unlocking)?;
    let place = path.display().to_string();
    let pem = Material::Pem(text_of(&place, &plain)?);
    Ok(KeyText { material: pem, api_key: key.api_key, secret_line: None }.signer(&place)?)
}

/// The key that signs journals, once for each lane: a private key in PEM, alone in a sealed file.
///
/// # Errors
/// As `signer`.
pub fn seal_keys(
    path: &Path,
    lanes: usize,
    unlocking: &Unlocking,
) -> Result<Vec<SealKey>, KeysError> {
    dump::forbid()?;
    let keys = seal_keys_of(path, lanes, unlocking);
    vault::bleach_stack();
    keys
}

#[inline(never)]
fn seal_keys_of(
    path: &Path,
    lanes: usize,
    unlocking: &Unlocking,
) -> Result<Vec<SealKey>, KeysError> {
    let bytes = read("journal's key", path)?;
    if !looks_sealed(&bytes) {
        return Err(KeysError::Plain { path: path.to_owned(), line: 1 });
    }
    let plain = open(path, &bytes, unlocking)?;
    let place = path.display().to_string();
    let document = private_document(&place, text_of(&place, &plain)?)?;
    let key = |_| SealKey::from_pkcs8(&document);
    let keys: Result<Vec<_>, _> = (0..lanes).map(key).collect();
    keys.map_err(|source| KeysError::SealKey { path: path.to_owned(), source })
}

/// The plaintext of a sealed file.
///
/// # Errors
/// As `signer`.
pub fn open(path: &Path, bytes: &[u8], unlocking: &Unlocking) -> Result<Secret, KeysError> {
    let failed = |source| KeysError::Sealed { path: path.to_owned(), source };
    let sealed = Sealed::parse(bytes).map_err(failed)?;
    match sealed.lock() {
        Lock::Identity => {
            let file = unlocking.identity.as_ref();
            let file = file.ok_or_else(|| KeysError::NoIdentity { path: path.to_owned() })?;
            sealed.open_with_identities(&identities_of(file)?).map_err(failed)
        }
        Lock::Passphrase => {
            let mut asked = 0;
            loop {
                asked += 1;
                let passphrase = passphrase(path, unlocking)?;
                match sealed.open_with_passphrase(&passphrase) {
                    Err(SealedError::Passphrase)
                        if unlocking.passphrase_fd.is_none() && asked < ASKED_MAX =>
                    {
                        eprintln!("bot4: the passphrase is wrong; again");
                    }
                    outcome => return outcome.map_err(failed),
                }
            }
        }
    }
}

/// The passphrase of a file, from the descriptor or the terminal.
///
/// # Errors
/// When neither gives one.
pub fn passphrase(path: &Path, unlocking: &Unlocking) -> Result<Zeroizing<String>, KeysError> {
    let failed =
        |from: String, source| KeysError::Passphrase { path: path.to_owned(), from, source };
    if let Some(descriptor) = unlocking.passphrase_fd {
        let line = terminal::line_of(descriptor);
        return line.map_err(|source| failed(format!("descriptor {descriptor}"), source));
    }
    let asked = terminal::ask(&format!("Passphrase of {}: ", path.display()));
    let asked = asked.map_err(|source| failed("the terminal".to_owned(), source))?;
    asked.ok_or_else(|| KeysError::NobodyToAsk { path: path.to_owned() })
}

fn identities_of(path: &Path) -> Result<Vec<Identity>, KeysError> {
    let what = "identity file";
    let mode = std::fs::metadata(path)
        .map_err(|source| KeysError::File { what, path: path.to_owned(), source })?
        .mode();
    if mode & 0o077 != 0 {
        return Err(KeysError::Open { path: path.to_owned(), mode: mode & 0o777 });
    }
    let bytes = read(what, path)?;
    let text = text_of(&path.display().to_string(), &bytes)?;
    identities(text).map_err(|source| KeysError::Identity { path: path.to_owned(), source })
}

/// A file into one buffer that never grows, so that no copy of it is left behind.
///
/// # Errors
/// When it cannot be read or is longer than any key.
pub fn read(what: &'static str, path: &Path) -> Result<Secret, KeysError> {
    let failed = |source| KeysError::File { what, path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut bytes = Zeroizing::new(vec![0; FILE_MAX + 1]);
    let mut len = 0;
    loop {
        match file.read(&mut bytes[len..]).map_err(failed)? {
            0 if len > FILE_MAX => return Err(KeysError::Long { what, path: path.to_owned() }),
            0 => break,
            more => len += more,
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

fn text_of<'a>(place: &str, bytes: &'a [u8]) -> Result<&'a str, KeysError> {
    std::str::from_utf8(bytes).map_err(|_| KeysError::NoText { place: place.to_owned() })
}
