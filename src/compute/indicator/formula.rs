//! The rolling formulas: means, deviations, ratios of sums, and the rows made of two steps.

use super::rolling::{Rolling, Rows};
use crate::compute::lanes::Lanes;
use crate::compute::logarithm::ln_ratio;

/// Sum of the window times `scale`: 1/w makes it the mean (SMA), 1 leaves it (OFI).
pub(super) struct Total {
    pub window: usize,
    pub scale: f64,
}

impl Rolling<1, 1, 1> for Total {
    fn window(&self) -> usize {
        self.window
    }

    #[inline(always)]
    fn origin<L: Lanes>(&self, _last: [L; 1]) -> L {
        L::splat(0.0)
    }

    #[inline(always)]
    fn add_old<L: Lanes>(&self, [sum]: [L; 1], _origin: L, [x]: [L; 1]) -> [L; 1] {
        [sum + x]
    }

    #[inline(always)]
    fn value<L: Lanes>(&self, [old]: [L; 1], [new]: [L; 1], _: L, _: [L; 1]) -> [L; 1] {
        [(old + new) * L::splat(self.scale)]
    }
}

/// Weights 1 (oldest) to w (newest), over w(w+1)/2.
///
/// Old rows: a row further back gives all after it one weight more, so the weighted sum grows by the
/// plain one. New rows: the newest weighs w, the one before w − 1: `w·sum − aged`, where `aged` grows
/// by the plain sum with each step.
pub(super) struct Weighted {
    pub window: usize,
}

impl Rolling<1, 2, 1> for Weighted {
    fn window(&self) -> usize {
        self.window
    }

    #[inline(always)]
    fn origin<L: Lanes>(&self, [last]: [L; 1]) -> L {
        last
    }

    #[inline(always)]
    fn add_old<L: Lanes>(&self, [sum, weighted]: [L; 2], origin: L, [x]: [L; 1]) -> [L; 2] {
        let sum = sum + (x - origin);
        [sum, weighted + sum]
    }

    #[inline(always)]
    fn add_new<L: Lanes>(&self, [sum, aged]: [L; 2], origin: L, [x]: [L; 1]) -> [L; 2] {
        [sum + (x - origin), aged + sum]
    }

    #[inline(always)]
    fn value<L: Lanes>(
        &self,
        [_, weighted]: [L; 2],
        [sum, aged]: [L; 2],
        origin: L,
        _: [L; 1],
    ) -> [L; 1] {
        let window = self.window as f64;
        let total = weighted + (sum * L::splat(window) - aged);
        [origin + total * L::splat(2.0 / (window * (window + 1.0)))]
    }
}

/// Sums of values and of their squares, relative to the origin.
#[inline(always)]
fn add_moments<L: Lanes>([sum, squares]: [L; 2], origin: L, [x]: [L; 1]) -> [L; 2] {
    let apart = x - origin;
    [sum + apart, squares + apart * apart]
}

/// Mean relative to the origin, and the sum of squared distances from the mean, never below zero.
#[inline(always)]
fn spread<L: Lanes>(old: [L; 2], new: [L; 2], one_over_window: f64) -> (L, L) {
    let sum = old[0] + new[0];
    let mean = sum * L::splat(one_over_window);
    let squares = (old[1] + new[1]) - sum * mean;
    let zero = L::splat(0.0);
    // a NaN fails the comparison and stays
    (mean, zero.if_above(squares, zero, squares))
}

/// Mean and bands of `width` population deviations.
pub(super) struct Bands {
    pub window: usize,
    pub width: f64,
}

impl Rolling<1, 2, 3> for Bands {
    fn window(&self) -> usize {
        self.window
    }

    #[inline(always)]
    fn origin<L: Lanes>(&self, [last]: [L; 1]) -> L {
        last
    }

    #[inline(always)]
    fn add_old<L: Lanes>(&self, sums: [L; 2], origin: L, row: [L; 1]) -> [L; 2] {
        add_moments(sums, origin, row)
    }

    #[inline(always)]
    fn value<L: Lanes>(&self, old: [L; 2], new: [L; 2], origin: L, _: [L; 1]) -> [L; 3] {
        let one_over_window = 1.0 / self.window as f64;
        let (mean, squares) = spread(old, new, one_over_window);
        let band = (squares * L::splat(one_over_window)).sqrt() * L::splat(self.width);
        let middle = origin + mean;
        [middle, middle + band, middle - band]
    }
}

/// Deviation: of the sample (divisor w − 1), as volatility wants it.
pub(super) struct Deviation {
    pub window: usize,
}

impl Rolling<1, 2, 1> for Deviation {
    fn window(&self) -> usize {
        self.window
    }

    #[inline(always)]
    fn origin<L: Lanes>(&self, [last]: [L; 1]) -> L {
        last
    }

    #[inline(always)]
    fn add_old<L: Lanes>(&self, sums: [L; 2], origin: L, row: [L; 1]) -> [L; 2] {
        add_moments(sums, origin, row)
    }

    #[inline(always)]
    fn value<L: Lanes>(&self, old: [L; 2], new: [L; 2], _: L, _: [L; 1]) -> [L; 1] {
        let window = self.window as f64;
        let (_, squares) = spread(old, new, 1.0 / window);
        [(squares * L::splat(1.0 / (window - 1.0))).sqrt()]
    }
}

/// Distance of the newest value from the mean in population deviations; 0 in a flat window.
pub(super) struct Score {
    pub window: usize,
}

impl Rolling<1, 2, 1> for Score {
    fn window(&self) -> usize {
        self.window
    }

    #[inline(always)]
    fn origin<L: Lanes>(&self, [last]: [L; 1]) -> L {
        last
    }

    #[inline(always)]
    fn add_old<L: Lanes>(&self, sums: [L; 2], origin: L, row: [L; 1]) -> [L; 2] {
        add_moments(sums, origin, row)
    }

    #[inline(always)]
    fn value<L: Lanes>(&self, old: [L; 2], new: [L; 2], origin: L, [x]: [L; 1]) -> [L; 1] {
        let one_over_window = 1.0 / self.window as f64;
        let (mean, squares) = spread(old, new, one_over_window);
        let deviation = (squares * L::splat(one_over_window)).sqrt();
        let zero = L::splat(0.0);
        let score = ((x - origin) - mean) / deviation;
        [zero.if_at_least(deviation, zero, score)]
    }
}

/// Volume-weighted mean of prices; 0/0, NaN, where nothing traded.
pub(super) struct PerVolume {
    pub window: usize,
}

impl Rolling<2, 2, 1> for PerVolume {
    fn window(&self) -> usize {
        self.window
    }

    #[inline(always)]
    fn origin<L: Lanes>(&self, [last, _]: [L; 2]) -> L {
        last
    }

    #[inline(always)]
    fn add_old<L: Lanes>(
        &self,
        [value, volume]: [L; 2],
        origin: L,
        [price, size]: [L; 2],
    ) -> [L; 2] {
        [value + (price - origin) * size, volume + size]
    }

    #[inline(always)]
    fn value<L: Lanes>(&self, old: [L; 2], new: [L; 2], origin: L, _: [L; 2]) -> [L; 1] {
        [origin + (old[0] + new[0]) / (old[1] + new[1])]
    }
}

/// `Σ|bought − sold| / Σ(bought + sold)`; 0/0, NaN, where nothing traded.
pub(super) struct Toxicity {
    pub window: usize,
}

impl Rolling<2, 2, 1> for Toxicity {
    fn window(&self) -> usize {
        self.window
    }

    #[inline(always)]
    fn origin<L: Lanes>(&self, _last: [L; 2]) -> L {
        L::splat(0.0)
    }

    #[inline(always)]
    fn add_old<L: Lanes>(
        &self,
        [one_sided, volume]: [L; 2],
        _origin: L,
        [bought, sold]: [L; 2],
    ) -> [L; 2] {
        [one_sided + (bought - sold).abs(), volume + (bought + sold)]
    }

    #[inline(always)]
    fn value<L: Lanes>(&self, old: [L; 2], new: [L; 2], _: L, _: [L; 2]) -> [L; 1] {
        [(old[0] + new[0]) / (old[1] + new[1])]
    }
}

/// `ln(now / before)`.
pub(super) struct LogReturn;

impl Rows<1, 1> for LogReturn {
    const LAG: usize = 1;

    #[inline(always)]
    fn row<L: Lanes>([before]: [L; 1], [now]: [L; 1]) -> [L; 1] {
        [ln_ratio(now, before)]
    }
}

/// What a change of the touch adds to demand: `1{B ≥ B'}·b − 1{B ≤ B'}·b' − 1{A ≤ A'}·a + 1{A ≥ A'}·a'`
/// with prices B, A and sizes b, a of bid and ask, before primed.
pub(super) struct FlowEvent;

impl Rows<4, 1> for FlowEvent {
    const LAG: usize = 1;

    #[inline(always)]
    fn row<L: Lanes>(before: [L; 4], now: [L; 4]) -> [L; 1] {
        let zero = L::splat(0.0);
        let [bid_before, bid_size_before, ask_before, ask_size_before] = before;
        let [bid, bid_size, ask, ask_size] = now;
        let bid_in = bid.if_at_least(bid_before, bid_size, zero);
        let bid_out = bid_before.if_at_least(bid, bid_size_before, zero);
        let ask_in = ask_before.if_at_least(ask, ask_size, zero);
        let ask_out = ask.if_at_least(ask_before, ask_size_before, zero);
        [(bid_in - bid_out) - (ask_in - ask_out)]
    }
}
