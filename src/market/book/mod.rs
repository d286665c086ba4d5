//! The L2 book: a flat tick ladder around the touch, and its twin, a BTreeMap.
//!
//! Input: checked depth diffs and snapshots. Output: touch, levels, depth, microprice, imbalance.
//! Invariant: `Ladder` and `Tree` answer every question of the trait `Book` alike.

mod ladder;
mod tree;
mod view;

#[cfg(test)]
mod tests;

pub use ladder::{COLD_LEVELS_MAX, Ladder, WINDOW_TICKS};
pub use tree::Tree;
pub use view::{BookView, Touch, VIEW_LEVELS};

use crate::record::{DepthDiff, DepthSnapshot, Level, Tape};
use crate::units::{Lots, Side, Ticks};

/// Best bid and ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// Best bid.
    pub bid: Option<Level>,
    /// Best ask.
    pub ask: Option<Level>,
}

impl Top {
    /// Saves the top or brings it back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        for level in [&mut self.bid, &mut self.ask] {
            tape.option(level, Level::default(), |level, tape| tape.pod(level));
        }
    }
}

/// What it takes to trade a size at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DepthTo {
    /// Lots found, at most those asked for.
    pub lots: Lots,
    /// Worst price touched.
    pub worst: Ticks,
    /// Sum of price times lots over what was found, in ticks times lots.
    pub cost: i128,
}

/// A book of absolute sizes by price.
///
/// Levels with a price of zero or less, or a negative size, are refused: skipped and counted.
pub trait Book {
    /// Sets one level; zero lots delete it.
    fn set(&mut self, side: Side, level: Level);

    /// Forgets everything but the counters.
    fn clear(&mut self);

    /// Best bid and ask.
    fn top(&self) -> Top;

    /// Size at a price; zero when there is no level.
    fn lots_at(&self, side: Side, price: Ticks) -> Lots;

    /// Number of levels of a side.
    fn level_count(&self, side: Side) -> usize;

    /// Visits levels best first until `visit` returns false.
    fn visit(&self, side: Side, visit: &mut dyn FnMut(Level) -> bool);

    /// Rises with every applied event.
    fn version(&self) -> u64;

    /// The venue's id of the last applied event.
    fn last_update(&self) -> u64;

    /// Levels refused since construction.
    fn refused(&self) -> u64;

    /// Saves the book or brings it back.
    fn walk(&mut self, tape: &mut Tape<'_>);

    /// Notes that an event has been applied.
    fn commit(&mut self, last_update: u64);

    /// Applies a diff.
    #[inline]
    fn apply(&mut self, diff: &DepthDiff<'_>) {
        for level in diff.bids {
            self.set(Side::Buy, *level);
        }
        for level in diff.asks {
            self.set(Side::Sell, *level);
        }
        self.commit(diff.last_update);
    }

    /// Replaces the whole book.
    fn load(&mut self, snapshot: &DepthSnapshot<'_>) {
        self.clear();
        for level in snapshot.bids {
            self.set(Side::Buy, *level);
        }
        for level in snapshot.asks {
            self.set(Side::Sell, *level);
        }
        self.commit(snapshot.last_update);
    }

    /// Writes up to `out.len()` levels, best first; returns how many.
    fn levels(&self, side: Side, out: &mut [Level]) -> usize {
        let mut written = 0;
        if out.is_empty() {
            return 0;
        }
        self.visit(side, &mut |level| {
            out[written] = level;
            written += 1;
            written < out.len()
        });
        written
    }

    /// What it takes to buy from asks (or sell to bids) `lots` at once.
    fn depth_to(&self, side: Side, lots: Lots) -> DepthTo {
        let mut found = DepthTo::default();
        if lots.0 <= 0 {
            return found;
        }
        self.visit(side, &mut |level| {
            let taken = level.lots.0.min(lots.0 - found.lots.0);
            found.lots.0 += taken;
            found.worst = level.price;
            found.cost += i128::from(level.price.0) * i128::from(taken);
            found.lots.0 < lots.0
        });
        found
    }

    /// Imbalance of the best `n` levels, `(bids - asks) / (bids + asks)` on sizes, in -1..1.
    fn imbalance(&self, n: usize) -> Option<f64> {
        let (bids, asks) = (self.sum(Side::Buy, n), self.sum(Side::Sell, n));
        let total = bids as f64 + asks as f64;
        (total > 0.0).then(|| (bids as f64 - asks as f64) / total)
    }

    /// Lots of the best `n` levels of a side.
    fn sum(&self, side: Side, n: usize) -> i128 {
        let (mut total, mut left) = (0, n);
        if n > 0 {
            self.visit(side, &mut |level| {
                total += i128::from(level.lots.0);
                left -= 1;
                left > 0
            });
        }
        total
    }

    /// A hash of the whole content that does not depend on the implementation.
    fn content_hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325;
        for side in [Side::Buy, Side::Sell] {
            hash = mix(hash, side as u64);
            self.visit(side, &mut |level| {
                hash = mix(mix(hash, level.price.0 as u64), level.lots.0 as u64);
                true
            });
        }
        mix(hash, self.last_update())
    }
}

/// One step of a 64-bit multiply-rotate hash; not cryptographic.
const fn mix(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

impl Top {
    /// Whether bid meets or passes ask.
    #[must_use]
    pub fn is_crossed(&self) -> bool {
        matches!((self.bid, self.ask), (Some(bid), Some(ask)) if bid.price >= ask.price)
    }

    /// Ask minus bid; absent when a side is empty.
    #[must_use]
    pub fn spread(&self) -> Option<Ticks> {
        Some(self.ask?.price.minus(self.bid?.price))
    }

    /// Middle of bid and ask, in ticks.
    #[must_use]
    pub fn mid(&self) -> Option<f64> {
        Some((self.bid?.price.0 as f64 + self.ask?.price.0 as f64) * 0.5)
    }

    /// Size-weighted middle: `(bid * ask lots + ask * bid lots) / (bid lots + ask lots)`, in ticks.
    #[must_use]
    pub fn microprice(&self) -> Option<f64> {
        let (bid, ask) = (self.bid?, self.ask?);
        let (bid_lots, ask_lots) = (bid.lots.0 as f64, ask.lots.0 as f64);
        let total = bid_lots + ask_lots;
        if total <= 0.0 {
            return self.mid();
        }
        Some((bid.price.0 as f64 * ask_lots + ask.price.0 as f64 * bid_lots) / total)
    }
}
