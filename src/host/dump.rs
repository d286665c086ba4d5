//! No core dump, no debugger: for a process that holds a venue key.
//!
//! `forbid` is called before a key is read and is not undone. PR_SET_DUMPABLE 0 makes the kernel write
//! no core, also where `core_pattern` pipes it to a collector, which pays no heed to RLIMIT_CORE; and it
//! refuses /proc/PID/mem and ptrace to everyone but root. RLIMIT_CORE 0 stands for whoever looks at the
//! limits.
#![allow(unsafe_code, reason = "prctl and setrlimit have no safe wrapper in std")]

use std::io;

/// The kernel refused.
#[derive(Debug, thiserror::Error)]
#[error(
    "{call}: {source}; a key must not end in a core dump: start without the sandbox that forbids it"
)]
pub struct DumpError {
    /// The call.
    pub call: &'static str,
    /// What the kernel said.
    pub source: io::Error,
}

/// Forbids dumps of this process, for good.
///
/// # Errors
/// When the kernel refuses.
pub fn forbid() -> Result<(), DumpError> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit of ours.
    if unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) } != 0 {
        return Err(DumpError { call: "setrlimit(CORE, 0)", source: io::Error::last_os_error() });
    }
    // SAFETY: prctl with PR_SET_DUMPABLE takes one number and no pointer.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } != 0 {
        return Err(DumpError { call: "prctl(DUMPABLE, 0)", source: io::Error::last_os_error() });
    }
    Ok(())
}

/// Whether this process may be dumped.
#[must_use]
pub fn is_allowed() -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit of ours.
    unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) };
    // SAFETY: prctl with PR_GET_DUMPABLE takes nothing.
    let dumpable = unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) };
    dumpable != 0 || limit.rlim_max != 0
}
