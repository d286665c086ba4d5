//! How the writer fares, for the lane that must not wait for it: a few atomics.
//!
//! Written by the writer's thread, read by the lane at every input. Numbers are those of the entries:
//! the lane's n-th push of a life has the number `first + n - 1`.
//! Invariant: `durable <= written`; a failure is never taken back.

use crate::host::keeper::Keeper;
use crossbeam::utils::CachePadded;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, Ordering};

/// Why no entry will be durable any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The disk is full.
    #[error("the journal's disk is full: free some of it, or give the journal another")]
    NoSpace,
    /// A write failed, with the system's number.
    #[error("the journal could not be written: {}", std::io::Error::from_raw_os_error(*.0))]
    Write(i32),
    /// A sync failed: what was written since the last good one may or may not be there.
    #[error("the journal could not be made durable: {}", std::io::Error::from_raw_os_error(*.0))]
    Sync(i32),
    /// The writer was dropped, or its thread panicked, before the stream had ended.
    #[error("the journal's writer is gone before the lane: see the log of its thread")]
    Gone,
}

/// Shared by a lane and its writer.
#[derive(Debug, Default)]
pub struct Health {
    written: CachePadded<AtomicU64>,
    durable: CachePadded<AtomicU64>,
    state: CachePadded<AtomicU8>,
    errno: AtomicI32,
}

const FINE: u8 = 0;
const NO_ROOM_AHEAD: u8 = 1;
const NO_SPACE: u8 = 2;
const WRITE: u8 = 3;
const SYNC: u8 = 4;
const GONE: u8 = 5;

impl Health {
    /// Last entry handed to the system: it outlives this process, not the machine.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Last entry on the disk.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Whether the next segment got no room: the lane should halt while this one still has some.
    #[must_use]
    #[inline]
    pub fn lacks_room_ahead(&self) -> bool {
        self.state.load(Ordering::Relaxed) == NO_ROOM_AHEAD
    }

    /// Whether all is well, in one load: neither a failure nor a lack of room ahead.
    #[must_use]
    #[inline]
    pub fn is_fine(&self) -> bool {
        self.state.load(Ordering::Relaxed) == FINE
    }

    /// Why the writer gave up.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        let errno = || self.errno.load(Ordering::Relaxed);
        match self.state.load(Ordering::Acquire) {
            NO_SPACE => Some(Failure::NoSpace),
            WRITE => Some(Failure::Write(errno())),
            SYNC => Some(Failure::Sync(errno())),
            GONE => Some(Failure::Gone),
            _ => None,
        }
    }

    pub(super) fn set_written(&self, sequence: u64) {
        self.written.store(sequence, Ordering::Release);
    }

    pub(super) fn set_durable(&self, sequence: u64) {
        self.durable.store(sequence, Ordering::Release);
    }

    pub(super) fn set_no_room_ahead(&self) {
        // A failure that came first stands.
        let _ =
            self.state.compare_exchange(FINE, NO_ROOM_AHEAD, Ordering::Release, Ordering::Relaxed);
    }

    pub(super) fn set_failed(&self, failure: Failure) {
        let (state, errno) = match failure {
            Failure::NoSpace => (NO_SPACE, 0),
            Failure::Write(errno) => (WRITE, errno),
            Failure::Sync(errno) => (SYNC, errno),
            Failure::Gone => (GONE, 0),
        };
        self.errno.store(errno, Ordering::Relaxed);
        self.state.store(state, Ordering::Release);
    }
}

impl Keeper for Health {
    #[inline]
    fn is_fine(&self) -> bool {
        Health::is_fine(self)
    }

    fn trouble(&self) -> String {
        match self.failure() {
            Some(failure) => failure.to_string(),
            None if self.lacks_room_ahead() => {
                "the journal's disk has no room for the next segment: free some of it, or give the \
                 journal another"
                    .to_owned()
            }
            None => String::new(),
        }
    }

    #[inline]
    fn durable(&self) -> u64 {
        Health::durable(self)
    }
}
