//! The venue's clock: refusals for the time of a request -> what requests carry from then on.
//!
//! Only a refusal asks for a measurement: a host that keeps its own time well knows it better than a
//! round trip tells. The clerk measures, with half of the way there and back as its error.

use super::clerk::Ask;
use super::driver::Driver;
use crate::host::clock::Clock;
use crate::hot::flaws::Flaws;
use crate::hot::recorder::Recorder;
use crate::units::{Nanos, UnixNanos};

/// Between two measurements that refusals ask for.
const CLOCK_PERIOD: Nanos = Nanos(2_000_000_000);

impl<C: Clock + Clone, R: Recorder, F: Flaws> Driver<C, R, F> {
    /// The venue refuses what we send for its time: asks for the venue's, once in a while.
    #[cold]
    pub(super) fn doubt_clock(&mut self, now: Nanos) {
        if self.clock_asked_at.is_none_or(|at| now.since(at) >= CLOCK_PERIOD) {
            self.clock_asked_at = Some(now);
            self.ask(Ask::Clock);
        }
    }

    /// The venue's clock was measured: what we sign from now on carries its time.
    #[cold]
    pub(super) fn on_venue_clock(&mut self, ahead: i64, now: Nanos) {
        self.venue_ahead = ahead;
        let zero = self.settings.wall_at_zero;
        self.pipeline.set_wall(UnixNanos(zero.0.saturating_add_signed(ahead)));
        let millis = ahead as f64 * 1e-6;
        self.incident(now, format!("the venue's clock is {millis:+.0} ms off ours; we go by it"));
    }

    /// Wall time as the venue has it.
    pub(super) fn venue_wall(&self, now: Nanos) -> UnixNanos {
        let zero = self.settings.wall_at_zero.0.saturating_add_signed(self.venue_ahead);
        UnixNanos(zero.saturating_add(now.0))
    }
}
