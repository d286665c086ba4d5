//! What other threads share with a running lane: orders to it, and figures of it.

use crate::hot::guard::Pulse;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};

/// What other threads share with a lane.
#[derive(Debug, Default)]
pub struct Controls {
    /// Set to end the lane: it halts, cancels, and returns its report.
    pub stop: AtomicBool,
    /// Mode asked for: 0 none, else `Command` plus 1.
    pub command: AtomicU8,
    /// Watched by the guard.
    pub pulse: Arc<Pulse>,
    /// For the status line.
    pub status: Status,
}

/// Figures of a running lane, each on its own.
#[derive(Debug, Default)]
pub struct Status {
    /// Market frames.
    pub frames: AtomicU64,
    /// Requests that left.
    pub requests: AtomicU64,
    /// Orders filled to the last lot.
    pub filled: AtomicU64,
    /// Whether both links are up.
    pub trading: AtomicBool,
}
