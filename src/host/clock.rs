//! Monotonic time behind a trait, so that a simulator can own it.

pub use super::tsc::{TscClock, process_time};
use crate::units::Nanos;
use std::cell::Cell;

/// A source of monotonic time.
pub trait Clock {
    /// Now.
    fn now(&self) -> Nanos;
}

/// A clock that stands still until told otherwise.
#[derive(Debug, Default)]
pub struct ManualClock(Cell<Nanos>);

impl ManualClock {
    /// Sets the time.
    pub fn set(&self, now: Nanos) {
        self.0.set(now);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Nanos {
        self.0.get()
    }
}
