//! A variable taken out of the environment: read, overwritten where it stood, removed; or set for others.
//!
//! Removing alone leaves the text on the stack that the kernel made, where `/proc/PID/environ` shows it
//! for as long as the process lives.
//! Invariant: called while the process has one thread, since a thread that reads the environment
//! meanwhile would read freed or half-wiped bytes.
#![allow(unsafe_code, reason = "the environment's own bytes are reached through libc alone")]

use std::ffi::CString;
use zeroize::{Zeroize, Zeroizing};

/// The value of a variable, which afterwards nobody finds in this process's environment.
///
/// # Panics
/// When the process has more than one thread.
#[must_use]
pub fn take(name: &str) -> Option<Zeroizing<Vec<u8>>> {
    let name = CString::new(name).expect("Invariant: names of variables hold no zero");
    // SAFETY: the name ends in a zero; nobody else reads or writes the environment, as asserted below
    // before the bytes behind the pointer are touched.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    assert!(is_alone(), "Invariant: secrets leave the environment before any thread starts");
    // SAFETY: getenv gave a text that ends in a zero and that this process owns: it stands in the block
    // the kernel made or in memory that setenv allocated, both writable. The process has one thread.
    let bytes = unsafe { std::slice::from_raw_parts_mut(value.cast::<u8>(), libc::strlen(value)) };
    let taken = Zeroizing::new(bytes.to_vec());
    bytes.zeroize();
    // SAFETY: the name ends in a zero and the process has one thread.
    unsafe { libc::unsetenv(name.as_ptr()) };
    Some(taken)
}

/// Sets a variable where it is not set yet, for libraries that are loaded later.
///
/// # Panics
/// When the process has more than one thread.
pub fn set_default(name: &str, value: &str) {
    if std::env::var_os(name).is_some() {
        return;
    }
    assert!(is_alone(), "Invariant: the environment changes before any thread starts");
    // SAFETY: the process has one thread, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var(name, value) };
}

/// Whether this process has one thread, as far as /proc tells.
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").map_or(true, |threads| threads.count() == 1)
}
