//! Order flow: imbalance of the touch, and toxicity of the trades. Whole lots, exact sums.

use super::error::{self, BadSettings, Unusable};
use crate::market::book::Top;
use crate::record::Level;
use crate::units::{Lots, Side};

/// Largest size: four of them fit a sum in 64 bits.
const LOTS_MAX: i64 = 1 << 60;

/// The last w numbers and their sum.
#[derive(Clone, Debug)]
struct Ring {
    values: Box<[i64]>,
    next: usize,
    full: bool,
    sum: i128,
    /// Sum of magnitudes.
    size: i128,
}

impl Ring {
    fn new(len: usize) -> Ring {
        Ring { values: vec![0; len].into_boxed_slice(), next: 0, full: false, sum: 0, size: 0 }
    }

    #[inline]
    fn push(&mut self, value: i64) {
        let place = &mut self.values[self.next];
        self.sum += i128::from(value) - i128::from(*place);
        self.size += i128::from(value.unsigned_abs()) - i128::from(place.unsigned_abs());
        *place = value;
        self.next += 1;
        if self.next == self.values.len() {
            (self.next, self.full) = (0, true);
        }
    }
}

fn lots(size: Lots) -> Result<i64, Unusable> {
    if (0..=LOTS_MAX).contains(&size.0) { Ok(size.0) } else { Err(Unusable::Lots(size.0)) }
}

/// Order-flow imbalance over the last w changes of the touch, in lots.
///
/// A change adds `1{B ≥ B'}·b − 1{B ≤ B'}·b' − 1{A ≤ A'}·a + 1{A ≥ A'}·a'` with best prices B, A and
/// sizes b, a of bid and ask, before primed: what buyers added or sellers took away.
/// Source: Cont, Kukanov and Stoikov, *The Price Impact of Order Book Events*, Journal of Financial
/// Econometrics 12(1), 2014, equation 10.
#[derive(Clone, Debug)]
pub struct FlowImbalance {
    ring: Ring,
    before: Option<(Level, Level)>,
}

impl FlowImbalance {
    /// # Errors
    /// A window of zero or above `WINDOW_MAX`.
    pub fn new(window: usize) -> Result<FlowImbalance, BadSettings> {
        Ok(FlowImbalance { ring: Ring::new(error::window(window, 1)?), before: None })
    }

    /// Takes a touch; the imbalance from the (w + 1)-th on. After a touch that was refused the next
    /// one is compared with the last good one.
    #[inline]
    pub fn update(&mut self, top: &Top) -> Result<Option<f64>, Unusable> {
        let (Some(bid), Some(ask)) = (top.bid, top.ask) else { return Err(Unusable::OneSided) };
        let (bid_lots, ask_lots) = (lots(bid.lots)?, lots(ask.lots)?);
        if let Some((bid_before, ask_before)) = self.before.replace((bid, ask)) {
            let when = |holds: bool, lots: i64| if holds { lots } else { 0 };
            let bid_in = when(bid.price >= bid_before.price, bid_lots);
            let bid_out = when(bid.price <= bid_before.price, bid_before.lots.0);
            let ask_in = when(ask.price <= ask_before.price, ask_lots);
            let ask_out = when(ask.price >= ask_before.price, ask_before.lots.0);
            self.ring.push((bid_in - bid_out) - (ask_in - ask_out));
        }
        Ok(self.value())
    }

    /// The imbalance, once w changes were seen.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.ring.full.then_some(self.ring.sum as f64)
    }

    /// The imbalance as a share of all that changed, −1 to 1; 0 where nothing did.
    #[inline]
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let share = self.ring.sum as f64 / self.ring.size.max(1) as f64;
        self.ring.full.then_some(share)
    }

    /// Forgets the touch, as after a gap in the feed: the next one is compared with nothing.
    pub fn break_off(&mut self) {
        self.before = None;
    }
}

/// Toxicity of the order flow (VPIN), 0 to 1: mean of |bought − sold| over the last n volume buckets,
/// each of the same volume V, as a share of V.
///
/// A trade that fills a bucket flows over into the next. The aggressor's side is the venue's own, so
/// no bulk classification is needed or done.
/// Source: Easley, López de Prado and O'Hara, *Flow Toxicity and Liquidity in a High-frequency World*,
/// Review of Financial Studies 25(5), 2012, section 2.
#[derive(Clone, Debug)]
pub struct Vpin {
    ring: Ring,
    bucket: i64,
    /// Lots in the open bucket, `0..bucket`.
    filled: i64,
    /// Bought minus sold in the open bucket.
    signed: i64,
    one_over_volume: f64,
}

impl Vpin {
    /// # Errors
    /// A bucket below one lot or above 2^60; a window of zero or above `WINDOW_MAX`.
    pub fn new(bucket: Lots, window: usize) -> Result<Vpin, BadSettings> {
        let window = error::window(window, 1)?;
        if !(1..=LOTS_MAX).contains(&bucket.0) {
            return Err(BadSettings::Bucket(bucket.0));
        }
        let one_over_volume = 1.0 / (window as f64 * bucket.0 as f64);
        let ring = Ring::new(window);
        Ok(Vpin { ring, bucket: bucket.0, filled: 0, signed: 0, one_over_volume })
    }

    /// Takes a trade by its aggressor's side; the toxicity once n buckets are full. O(1) plus one step
    /// per bucket filled, at most n + 1 of them however large the trade.
    #[inline]
    pub fn update(&mut self, aggressor: Side, size: Lots) -> Result<Option<f64>, Unusable> {
        let lots = lots(size)?;
        let sign = if aggressor == Side::Buy { 1 } else { -1 };
        let room = self.bucket - self.filled;
        if lots < room {
            self.filled += lots;
            self.signed += sign * lots;
        } else {
            self.ring.push((self.signed + sign * room).abs());
            let rest = lots - room;
            let whole = (rest / self.bucket).min(self.ring.values.len() as i64);
            for _ in 0..whole {
                self.ring.push(self.bucket); // all of it on one side
            }
            self.filled = rest % self.bucket;
            self.signed = sign * self.filled;
        }
        Ok(self.value())
    }

    /// The toxicity, once n buckets are full.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.ring.full.then_some(self.ring.sum as f64 * self.one_over_volume)
    }
}
