//! The guard: a thread of its own that cancels everything when a lane has died.
//!
//! A lane that panicked cannot cancel its own orders. It beats while it lives; the guard watches the
//! beat and, when it stops for longer than the bound or the lane says that it is dying, calls
//! `cancel_all` over a connection the lane does not own. It acts once per death; a lane that beats again
//! after a stall is watched again. Silence counts from the first beat: before it nothing was sent.
//! Deliberately absent: how to cancel (the caller injects it), restarting the lane.

use crate::units::Nanos;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// What a lane shares with its guard.
#[derive(Debug, Default)]
pub struct Pulse {
    beats: AtomicU64,
    dying: AtomicBool,
    finished: AtomicBool,
}

/// Why the guard acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The lane's thread unwound.
    Panicked,
    /// The lane gave no beat for longer than the bound.
    Stalled,
}

impl Pulse {
    /// The lane lives; called once per turn of its loop.
    #[inline]
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Beats so far.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Whether the lane has neither ended nor said that it dies.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.dying.load(Ordering::Acquire) && !self.finished.load(Ordering::Acquire)
    }

    /// The lane ends without having cancelled its orders.
    pub fn die(&self) {
        self.dying.store(true, Ordering::Release);
    }

    /// The lane ended as it should.
    pub fn finish(&self) {
        self.finished.store(true, Ordering::Release);
    }
}

/// Held by the lane's thread: says that the lane is dying when a panic drops it.
#[derive(Debug)]
pub struct LastWord(pub Arc<Pulse>);

impl Drop for LastWord {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.die();
        }
    }
}

/// The guard's judgement, without threads or clocks.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    bound: Nanos,
    beats: u64,
    changed_at: Nanos,
    /// The silence that lasts was found already.
    found: bool,
}

impl Watch {
    /// Watches from `now`; silence longer than `bound` is death.
    #[must_use]
    pub const fn new(bound: Nanos, now: Nanos) -> Watch {
        Watch { bound, beats: 0, changed_at: now, found: false }
    }

    /// Looks at the pulse.
    pub fn look(&mut self, pulse: &Pulse, now: Nanos) -> Option<Death> {
        if pulse.dying.load(Ordering::Acquire) {
            return Some(Death::Panicked);
        }
        let beats = pulse.beats.load(Ordering::Relaxed);
        // A lane that is still coming up on a busy machine has no order that could be cancelled.
        if beats == 0 || beats != self.beats {
            self.beats = beats;
            self.changed_at = now;
            self.found = false;
            return None;
        }
        if self.found || now.since(self.changed_at) <= self.bound {
            return None;
        }
        self.found = true;
        Some(Death::Stalled)
    }
}

/// Watches `pulse` until the lane has finished or panicked; at each death calls `cancel_all`. Returns the
/// last one.
pub fn watch(
    pulse: &Pulse,
    bound: Nanos,
    mut now: impl FnMut() -> Nanos,
    mut cancel_all: impl FnMut(Death),
) -> Option<Death> {
    let mut watch = Watch::new(bound, now());
    let pause = Duration::from_nanos((bound.0 / 8).max(100_000));
    let mut last = None;
    while !pulse.finished.load(Ordering::Acquire) {
        if let Some(death) = watch.look(pulse, now()) {
            cancel_all(death);
            last = Some(death);
            if death == Death::Panicked {
                break;
            }
        }
        thread::sleep(pause);
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn silence_beyond_the_bound_is_death() {
        let pulse = Pulse::default();
        let mut watch = Watch::new(Nanos(100), Nanos(0));
        assert_eq!(watch.look(&pulse, Nanos(100)), None, "it has not begun");
        assert_eq!(watch.look(&pulse, Nanos(140)), None, "and may take its time");
        pulse.beat();
        assert_eq!(watch.look(&pulse, Nanos(150)), None);
        assert_eq!(watch.look(&pulse, Nanos(250)), None);
        assert_eq!(watch.look(&pulse, Nanos(251)), Some(Death::Stalled));
        assert_eq!(watch.look(&pulse, Nanos(900)), None, "once per silence");
        pulse.beat();
        assert_eq!(watch.look(&pulse, Nanos(950)), None);
        assert_eq!(watch.look(&pulse, Nanos(1_051)), Some(Death::Stalled), "and again after it");
    }

    #[test]
    fn a_panicking_lane_is_cancelled_and_a_finished_one_is_not() {
        let start = Instant::now();
        let now = move || Nanos(start.elapsed().as_nanos() as u64);
        let pulse = Arc::new(Pulse::default());
        let inside = Arc::clone(&pulse);
        let lane = thread::spawn(move || {
            let word = LastWord(inside);
            word.0.beat();
            panic!("planted");
        });
        let mut cancelled = None;
        let death = watch(&pulse, Nanos::SECOND, now, |death| cancelled = Some(death));
        assert!(lane.join().is_err());
        assert_eq!((death, cancelled), (Some(Death::Panicked), Some(Death::Panicked)));

        let pulse = Pulse::default();
        pulse.finish();
        assert_eq!(watch(&pulse, Nanos::SECOND, now, |_| panic!("nobody died")), None);
    }
}
