//! Open loop: every market message from when it was meant to leave the venue, not from when it came.
//!
//! A lane that falls behind makes later messages wait; measured from their arrival that wait is lost,
//! measured from the venue's schedule it counts. The spans also hold the venue's own lateness, the
//! kernel and the wake-up, which `intended_to_arrival` shows apart.

use crate::host::histogram::Histogram;
use crate::host::schedule::{MessageName, Schedule};
use crate::units::Nanos;
use std::sync::Arc;

/// The schedule of the venue and what was measured against it.
#[derive(Clone, Debug)]
pub struct OpenLoop {
    schedule: Arc<Schedule>,
    to_arrival: Histogram,
    to_handled: Histogram,
    to_order: Histogram,
    unmatched: u64,
}

impl OpenLoop {
    /// Empty histograms, allocated now.
    #[must_use]
    pub fn new(schedule: Arc<Schedule>) -> OpenLoop {
        OpenLoop {
            schedule,
            to_arrival: Histogram::new(),
            to_handled: Histogram::new(),
            to_order: Histogram::new(),
            unmatched: 0,
        }
    }

    /// A message came with the poll that returned at `arrived` and was done with at `handled`.
    #[inline]
    pub fn handled(
        &mut self,
        message: MessageName,
        arrived: Nanos,
        handled: Nanos,
        led_to_order: bool,
    ) {
        let Some(intended) = self.schedule.intended(message) else {
            self.unmatched += 1;
            return;
        };
        self.to_arrival.record(arrived.since(intended).0);
        self.to_handled.record(handled.since(intended).0);
        if led_to_order {
            self.to_order.record(handled.since(intended).0);
        }
    }

    /// Messages whose intended time was known.
    #[must_use]
    pub fn matched(&self) -> u64 {
        self.to_arrival.count()
    }

    /// Messages whose intended time was not known; they are in no span.
    #[must_use]
    pub const fn unmatched(&self) -> u64 {
        self.unmatched
    }

    /// Every span by name.
    #[must_use]
    pub fn spans(&self) -> [(&'static str, &Histogram); 3] {
        [
            ("intended_to_arrival", &self.to_arrival),
            ("intended_to_handled", &self.to_handled),
            ("intended_to_order", &self.to_order),
        ]
    }
}
