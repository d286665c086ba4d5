//! The kernel's keyring: a payload by the description of its key, type `user`.
//!
//! The kernel keeps the payload in memory of its own, gives it to whoever the key's permissions name,
//! and forgets it when its timeout passes or its keyring ends: `keyctl(1)` and `keyrings(7)`. Searched
//! are the keyrings of this session (which `pam_keyinit` and systemd link to the user's), then the
//! user's own.
#![allow(unsafe_code, reason = "add_key, request_key and keyctl have no wrapper in std or libc")]

use std::ffi::CString;
use std::io;
use zeroize::Zeroizing;

/// Type of a key whose payload its owner may read.
const USER: &std::ffi::CStr = c"user";
/// The caller's user keyring, `@u`.
const USER_KEYRING: libc::c_long = -4;
/// The caller's process keyring, `@p`, made when first named.
const PROCESS_KEYRING: libc::c_long = -2;
const KEYCTL_REVOKE: libc::c_long = 3;
const KEYCTL_SEARCH: libc::c_long = 10;
const KEYCTL_READ: libc::c_long = 11;
/// Longest payload that the kernel takes for a `user` key.
const PAYLOAD_MAX: usize = 32_767;

/// Why the keyring gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// No key of this description.
    #[error(
        "the kernel's keyring has no `user` key `{description}`; `keyctl padd user {description} @u` \
         reads one from its input"
    )]
    Absent {
        /// As asked for.
        description: String,
    },
    /// A description that no key can have.
    #[error("`{description}` is no description of a key: 1 to 255 bytes, none of them zero")]
    Description {
        /// As asked for.
        description: String,
    },
    /// The kernel refused.
    #[error("the kernel's keyring refuses `user` key `{description}`: {source}")]
    Refused {
        /// As asked for.
        description: String,
        /// What it said.
        source: io::Error,
    },
}

/// A key's number in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serial(libc::c_long);

/// The payload of the key of a description.
///
/// # Errors
/// When there is none, or it may not be read.
pub fn read(description: &str) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    let serial = find(description)?;
    let mut payload = Zeroizing::new(vec![0u8; PAYLOAD_MAX]);
    let (Serial(number), room) = (serial, payload.len());
    // SAFETY: the buffer is ours and as long as the kernel is told.
    let len =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_READ, number, payload.as_mut_ptr(), room) };
    let len = usize::try_from(len).map_err(|_| refused(description))?;
    payload.truncate(len.min(PAYLOAD_MAX));
    Ok(payload)
}

/// Puts a key on this process's own keyring, which ends with it.
///
/// # Errors
/// When the kernel refuses.
pub fn keep(description: &str, payload: &[u8]) -> Result<Serial, KeyringError> {
    let name = named(description)?;
    // SAFETY: type and description end in zeros; the payload is ours and as long as the kernel is told.
    let serial = unsafe {
        libc::syscall(
            libc::SYS_add_key,
            USER.as_ptr(),
            name.as_ptr(),
            payload.as_ptr(),
            payload.len(),
            PROCESS_KEYRING,
        )
    };
    if serial < 0 { Err(refused(description)) } else { Ok(Serial(serial)) }
}

/// Makes a key unusable at once.
pub fn revoke(serial: Serial) {
    // SAFETY: KEYCTL_REVOKE takes a number and no pointer. A key that is gone needs no revoking.
    unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_REVOKE, serial.0) };
}

fn find(description: &str) -> Result<Serial, KeyringError> {
    let name = named(description)?;
    // SAFETY: type and description end in zeros; the third argument is no callout, the fourth no
    // destination.
    let found = unsafe {
        libc::syscall(
            libc::SYS_request_key,
            USER.as_ptr(),
            name.as_ptr(),
            std::ptr::null::<u8>(),
            0,
        )
    };
    if found >= 0 {
        return Ok(Serial(found));
    }
    // SAFETY: as above; the last argument is no destination.
    let found = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_SEARCH,
            USER_KEYRING,
            USER.as_ptr(),
            name.as_ptr(),
            0,
        )
    };
    if found >= 0 { Ok(Serial(found)) } else { Err(refused(description)) }
}

fn named(description: &str) -> Result<CString, KeyringError> {
    let fits = (1..=255).contains(&description.len());
    let name = CString::new(description).ok().filter(|_| fits);
    name.ok_or_else(|| KeyringError::Description { description: description.to_owned() })
}

/// The error of the call just made.
fn refused(description: &str) -> KeyringError {
    let (source, description) = (io::Error::last_os_error(), description.to_owned());
    match source.raw_os_error() {
        Some(libc::ENOKEY) => KeyringError::Absent { description },
        _ => KeyringError::Refused { description, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_until_it_is_revoked() {
        let description = format!("bot4-test:{}", std::process::id());
        let serial = match keep(&description, b"a payload\0with a zero") {
            Ok(serial) => serial,
            Err(error) => {
                eprintln!("SKIPPED (1): what_was_kept_is_read: {error}");
                return;
            }
        };
        match read(&description) {
            Ok(payload) => assert_eq!(**payload, *b"a payload\0with a zero"),
            Err(error) => {
                eprintln!("SKIPPED (1): what_was_kept_is_read: {error}");
                return;
            }
        }
        revoke(serial);
        let gone = read(&description).expect_err("a revoked key");
        assert!(gone.to_string().contains(&description), "{gone}");
    }

    #[test]
    fn an_absent_key_is_named_with_what_makes_one() {
        let absent = read("bot4-test:no-such-key").expect_err("nobody made it");
        let words = absent.to_string();
        assert!(words.contains("bot4-test:no-such-key"), "{words}");
        if matches!(absent, KeyringError::Absent { .. }) {
            assert!(words.contains("keyctl padd user"), "{words}");
        }
        for description in ["", "a\0b", &"x".repeat(256)] {
            let error = read(description).expect_err("no description");
            assert!(matches!(error, KeyringError::Description { .. }), "{error}");
        }
    }
}
