//! Simulated time: one hand for the world, and each life's own zero.

use crate::host::clock::Clock;
use crate::units::Nanos;
use std::cell::Cell;
use std::rc::Rc;

/// The world's time; clones are the same hand.
#[derive(Clone, Debug, Default)]
pub struct SimTime(Rc<Cell<Nanos>>);

/// The monotonic clock of one boot.
#[derive(Clone, Debug)]
pub struct SimClock {
    time: SimTime,
    zero: Nanos,
}

impl SimTime {
    /// Now, since the world began.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.0.get()
    }

    /// Moves the hand on; never back.
    pub fn set(&self, now: Nanos) {
        self.0.set(now.max(self.0.get()));
    }

    /// A monotonic clock that counts from `zero`.
    #[must_use]
    pub fn clock(&self, zero: Nanos) -> SimClock {
        SimClock { time: self.clone(), zero }
    }
}

impl SimClock {
    /// What the world's clock shows when this one shows `at`.
    #[must_use]
    pub fn world(&self, at: Nanos) -> Nanos {
        at.plus(self.zero)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Nanos {
        self.time.now().since(self.zero)
    }
}
