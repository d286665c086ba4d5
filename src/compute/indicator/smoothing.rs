//! The recurrences: exponential means and Wilder's, which differ in rate and seed only.
//!
//! Wilder's mean starts as the plain mean of the first w values and goes on with rate 1/w. A plain
//! mean is itself a recurrence with rates 1, 1/2, …, 1/w, so both are `mean += (x − mean)·rate`.

use super::recurrence::Recurrence;
use crate::compute::lanes::{Lanes, zero_if_finite};

/// The rate of an exponential mean over `window` steps: a mean age of (window − 1)/2, as SMA's.
#[must_use]
pub(super) fn exponential_rate(window: usize) -> f64 {
    2.0 / (window as f64 + 1.0)
}

#[inline(always)]
fn towards<L: Lanes>(mean: L, x: L, rate: L) -> L {
    mean + (x - mean) * rate
}

/// Exponential mean, seeded with the first value.
pub(super) struct Exponential {
    pub window: usize,
}

impl Recurrence<1, 1, 1> for Exponential {
    fn warm_up(&self) -> usize {
        self.window - 1
    }

    fn rate(&self, _at: usize) -> f64 {
        exponential_rate(self.window)
    }

    #[inline(always)]
    fn first<L: Lanes>(&self, row: [L; 1]) -> [L; 1] {
        row
    }

    #[inline(always)]
    fn next<L: Lanes>(&self, [mean]: [L; 1], rate: L, _: [L; 1], [x]: [L; 1]) -> [L; 1] {
        [towards(mean, x, rate)]
    }

    #[inline(always)]
    fn value<L: Lanes>(&self, state: [L; 1]) -> [L; 1] {
        state
    }
}

/// Fast minus slow exponential mean, and the exponential mean of that difference.
pub(super) struct Convergence {
    pub fast: usize,
    pub slow: usize,
    pub signal: usize,
}

impl Recurrence<1, 3, 2> for Convergence {
    fn warm_up(&self) -> usize {
        self.slow + self.signal - 2
    }

    fn rate(&self, _at: usize) -> f64 {
        exponential_rate(self.signal)
    }

    #[inline(always)]
    fn first<L: Lanes>(&self, [x]: [L; 1]) -> [L; 3] {
        [x, x, zero_if_finite(x)]
    }

    #[inline(always)]
    fn next<L: Lanes>(
        &self,
        [fast, slow, signal]: [L; 3],
        rate: L,
        _before: [L; 1],
        [x]: [L; 1],
    ) -> [L; 3] {
        let fast = towards(fast, x, L::splat(exponential_rate(self.fast)));
        let slow = towards(slow, x, L::splat(exponential_rate(self.slow)));
        [fast, slow, towards(signal, fast - slow, rate)]
    }

    #[inline(always)]
    fn value<L: Lanes>(&self, [fast, slow, signal]: [L; 3]) -> [L; 2] {
        [fast - slow, signal]
    }
}

/// Wilder's means of gains and losses; 50 where nothing has moved.
pub(super) struct Strength {
    pub window: usize,
}

impl Recurrence<1, 2, 1> for Strength {
    fn warm_up(&self) -> usize {
        self.window
    }

    fn rate(&self, at: usize) -> f64 {
        1.0 / at.min(self.window) as f64
    }

    #[inline(always)]
    fn first<L: Lanes>(&self, [x]: [L; 1]) -> [L; 2] {
        [zero_if_finite(x); 2]
    }

    #[inline(always)]
    fn next<L: Lanes>(
        &self,
        [gain, loss]: [L; 2],
        rate: L,
        [before]: [L; 1],
        [x]: [L; 1],
    ) -> [L; 2] {
        let (change, zero) = (x - before, L::splat(0.0));
        // a NaN fails both comparisons and passes through `change`
        let up = zero.if_above(change, zero, change);
        let down = change.if_above(zero, zero, zero - change);
        [towards(gain, up, rate), towards(loss, down, rate)]
    }

    #[inline(always)]
    fn value<L: Lanes>(&self, [gain, loss]: [L; 2]) -> [L; 1] {
        let (moved, zero) = (gain + loss, L::splat(0.0));
        let index = gain * L::splat(100.0) / moved;
        [zero.if_at_least(moved, L::splat(50.0), index)]
    }
}

/// Wilder's mean of the true range; the first bar's is high − low.
pub(super) struct TrueRange {
    pub window: usize,
}

impl Recurrence<3, 1, 1> for TrueRange {
    fn warm_up(&self) -> usize {
        self.window - 1
    }

    fn rate(&self, at: usize) -> f64 {
        1.0 / (at + 1).min(self.window) as f64
    }

    #[inline(always)]
    fn first<L: Lanes>(&self, [high, low, _]: [L; 3]) -> [L; 1] {
        [high - low]
    }

    #[inline(always)]
    fn next<L: Lanes>(
        &self,
        [mean]: [L; 1],
        rate: L,
        [_, _, close]: [L; 3],
        [high, low, _]: [L; 3],
    ) -> [L; 1] {
        let top = close.if_above(high, close, high);
        let bottom = low.if_above(close, close, low);
        [towards(mean, top - bottom, rate)]
    }

    #[inline(always)]
    fn value<L: Lanes>(&self, state: [L; 1]) -> [L; 1] {
        state
    }
}
