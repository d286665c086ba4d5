//! Signals as flags that loops look at: Ctrl-C and SIGTERM end the program, SIGUSR1 halts trading and
//! SIGUSR2 reduces it.
//!
//! The first signal to end sets its flag, so that a lane can cancel its orders and print its report. The
//! second one, of either kind, has its default action: a program that hangs can still be ended.
//! Blocking calls are interrupted (no SA_RESTART), so that a waiting loop looks at the flag at
//! once. The two others may come any number of times, and restart what they interrupt.
#![allow(unsafe_code, reason = "sigaction has no safe wrapper in std")]

use std::sync::atomic::{AtomicBool, Ordering};

/// The signals that ask the program to end.
const SIGNALS: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];

static REQUESTED: AtomicBool = AtomicBool::new(false);
static HALT: AtomicBool = AtomicBool::new(false);
static REDUCE: AtomicBool = AtomicBool::new(false);

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
        handle(signal, on_signal, 0)?;
    }
    handle(libc::SIGUSR1, on_halt, libc::SA_RESTART)?;
    handle(libc::SIGUSR2, on_reduce, libc::SA_RESTART)
}

fn handle(
    signal: libc::c_int,
    handler: extern "C" fn(libc::c_int),
    flags: libc::c_int,
) -> Result<(), SignalError> {
    // SAFETY: an all-zero sigaction is valid: no flags, no masked signal, default action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = flags;
    // SAFETY: `action` lives through the call, and the handler only does what is allowed in one.
    if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
        return Err(SignalError { signal, source: std::io::Error::last_os_error() });
    }
    Ok(())
}

/// Whether someone asked the program to end.
#[inline]
#[must_use]
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Whether SIGUSR1 came since the last call.
#[must_use]
pub fn take_halt() -> bool {
    HALT.swap(false, Ordering::Relaxed)
}

/// Whether SIGUSR2 came since the last call.
#[must_use]
pub fn take_reduce() -> bool {
    REDUCE.swap(false, Ordering::Relaxed)
}

extern "C" fn on_halt(_signal: libc::c_int) {
    HALT.store(true, Ordering::Relaxed);
}

extern "C" fn on_reduce(_signal: libc::c_int) {
    REDUCE.store(true, Ordering::Relaxed);
}

extern "C" fn on_signal(_signal: libc::c_int) {
    REQUESTED.store(true, Ordering::Relaxed);
    for signal in SIGNALS {
        // SAFETY: signal(2) is on the list of async-signal-safe functions.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
