//! Ctrl-C and SIGTERM as a flag that loops look at.
//!
//! The first signal sets the flag, so that a lane can cancel its orders and print its report. The
//! second one, of either kind, has its default action: a program that hangs can still be ended.
//! Blocking calls are interrupted (no SA_RESTART), so that a waiting loop looks at the flag at
//! once.
#![allow(unsafe_code, reason = "sigaction has no safe wrapper in std")]

use std::sync::atomic::{AtomicBool, Ordering};

/// The signals that ask the program to end.
const SIGNALS: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// The kernel refused a handler.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot install a handler for signal {signal}: {source}; start without the sandbox \
     that forbids it"
)]
pub struct SignalError {
    /// Number of the signal.
    pub signal: i32,
    /// What the kernel said.
    pub source: std::io::Error,
}

/// Installs the handlers; again after a signal, it re-arms them.
///
/// # Errors
/// When the kernel refuses.
pub fn install() -> Result<(), SignalError> {
    for signal in SIGNALS {
        // SAFETY: an all-zero sigaction is valid: no flags, no masked signal, default action.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
        // SAFETY: `action` lives through the call, and the handler only does what is allowed in
        // one.
        if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
            return Err(SignalError { signal, source: std::io::Error::last_os_error() });
        }
    }
    Ok(())
}

/// Whether someone asked the program to end.
#[inline]
#[must_use]
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

extern "C" fn on_signal(_signal: libc::c_int) {
    REQUESTED.store(true, Ordering::Relaxed);
    for signal in SIGNALS {
        // SAFETY: signal(2) is on the list of async-signal-safe functions.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
