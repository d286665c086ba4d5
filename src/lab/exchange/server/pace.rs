//! The market's time: real time and speed -> how far the exchange may go.

use super::settings::Speed;
use crate::units::Nanos;

/// When the market stands where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    speed: Speed,
    /// Real time at which market time zero was; none while it waits for its clients.
    begun: Option<Nanos>,
}

impl Pace {
    pub(super) const fn new(speed: Speed) -> Pace {
        Pace { speed, begun: None }
    }

    pub(super) fn begin(&mut self, now: Nanos) {
        self.begun.get_or_insert(now);
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Market time at a real time; none before it begins and where no clock sets the pace.
    pub(super) fn market(&self, now: Nanos) -> Option<Nanos> {
        let Speed::Times(times) = self.speed else { return None };
        let begun = self.begun?;
        Some(Nanos((now.since(begun).0 as f64 * times) as u64))
    }

    /// Real time at which the market is meant to stand at `at`; none where no clock sets the pace.
    pub(super) fn real(&self, at: Nanos) -> Option<Nanos> {
        let Speed::Times(times) = self.speed else { return None };
        Some(self.begun?.plus(Nanos((at.0 as f64 / times) as u64)))
    }

    /// Real time from `now` until the market stands at `at`.
    pub(super) fn until(&self, at: Nanos, now: Nanos) -> Nanos {
        self.real(at).map_or(Nanos(0), |real| real.since(now))
    }
}
