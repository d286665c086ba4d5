//! Stage three: what the strategy needs to know of a book's recent past, O(1) per event.
//!
//! Volatility is an exponentially weighted mean of squared moves of the middle over fixed periods,
//! so it needs no exponential of elapsed time: periods that pass without an event count as no move.

use crate::market::book::Top;
use crate::record::Tape;
use crate::strategy::making::MarketView;
use crate::units::Nanos;

/// Length of one volatility sample.
pub const SAMPLE_PERIOD: Nanos = Nanos::from_millis(100);
/// Weight of a new sample; a half-life of 34 samples, 3.4 s.
const SAMPLE_WEIGHT: f64 = 0.02;
/// Samples before the measured volatility replaces the plan's.
const SAMPLES_MIN: u64 = 50;
/// Least weight of a new sample in the slow variance: a half-life of 693 samples, 69 s. Until then it is
/// the plain mean.
const SLOW_WEIGHT: f64 = 0.001;
/// Square root of the seconds of a year of 365 days, in basis points: 5 615.6923 * 10 000.
const ANNUAL_BPS: f64 = 56_156_922.99;
/// Quiet periods caught up at most; later ones change nothing measurable.
const QUIET_MAX: u64 = 1_000;

/// Signals of one instrument.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signal {
    middle: f64,
    sampled: f64,
    sampled_at: Nanos,
    variance: f64,
    slow_variance: f64,
    samples: u64,
}

impl Signal {
    /// Takes the touch of a trusted book.
    #[inline]
    pub fn on_top(&mut self, top: &Top, now: Nanos) {
        let Some(middle) = top.mid() else { return };
        if self.sampled_at == Nanos(0) {
            self.sampled = middle;
            self.sampled_at = now;
        }
        self.sample(now);
        self.middle = middle;
    }

    /// Closes the sample periods that ended before `now`.
    #[inline]
    pub fn sample(&mut self, now: Nanos) {
        if self.sampled_at == Nanos(0) || now.since(self.sampled_at) < SAMPLE_PERIOD {
            return;
        }
        let periods = now.since(self.sampled_at).0 / SAMPLE_PERIOD.0;
        let move_ = self.middle - self.sampled;
        for period in 0..periods.min(QUIET_MAX) {
            let squared = if period == 0 { move_ * move_ } else { 0.0 };
            self.variance += SAMPLE_WEIGHT * (squared - self.variance);
            self.samples += 1;
            let weight = (1.0 / self.samples as f64).max(SLOW_WEIGHT);
            self.slow_variance += weight * (squared - self.slow_variance);
        }
        self.sampled = self.middle;
        self.sampled_at = Nanos(self.sampled_at.0 + periods * SAMPLE_PERIOD.0);
    }

    /// Forgets the last price, as after a gap, so that the jump over it is no move.
    pub fn interrupt(&mut self) {
        self.sampled_at = Nanos(0);
    }

    /// Ticks per square root of a second: the plan's until enough is measured.
    #[must_use]
    #[inline]
    pub fn volatility(&self, start: f64) -> f64 {
        if self.samples < SAMPLES_MIN {
            return start;
        }
        let per_second = Nanos::SECOND.0 as f64 / SAMPLE_PERIOD.0 as f64;
        (self.variance * per_second).sqrt()
    }

    /// Samples so far.
    #[must_use]
    #[inline]
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// Volatility over about a minute as a share of the price and year, basis points.
    #[must_use]
    pub fn annual_volatility_bps(&self) -> f64 {
        if self.middle <= 0.0 {
            return 0.0;
        }
        let per_second = Nanos::SECOND.0 as f64 / SAMPLE_PERIOD.0 as f64;
        (self.slow_variance * per_second).sqrt() / self.middle * ANNUAL_BPS
    }

    /// What the strategy sees; nothing while a side of the book is empty.
    #[must_use]
    #[inline]
    pub fn view(&self, top: &Top, volatility_start: f64) -> Option<MarketView> {
        Some(MarketView {
            microprice: top.microprice()?,
            bid: top.bid?.price,
            ask: top.ask?.price,
            volatility: self.volatility(volatility_start),
        })
    }

    /// Saves the signals or brings them back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("signal");
        let reals =
            [&mut self.middle, &mut self.sampled, &mut self.variance, &mut self.slow_variance];
        for value in reals {
            tape.pod(value);
        }
        tape.pod(&mut self.sampled_at);
        tape.pod(&mut self.samples);
    }

    /// The state as bits, for the state hash.
    #[must_use]
    pub fn bits(&self) -> [u64; 6] {
        let reals = [self.middle, self.sampled, self.variance, self.slow_variance];
        let [middle, sampled, variance, slow] = reals.map(f64::to_bits);
        [middle, sampled, variance, slow, self.samples, self.sampled_at.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Level;
    use crate::units::{Lots, Ticks};

    fn top(bid: i64) -> Top {
        let level = |price| Some(Level { price: Ticks(price), lots: Lots(1) });
        Top { bid: level(bid), ask: level(bid + 2) }
    }

    #[test]
    fn alternating_moves_give_their_own_size_as_volatility() {
        let mut signal = Signal::default();
        for step in 0..2_000u64 {
            signal.on_top(&top(1_000 + 4 * (step as i64 % 2)), Nanos(1 + step * SAMPLE_PERIOD.0));
        }
        // four ticks every tenth of a second: 4 * sqrt(10) per square root of a second
        let expected = 4.0 * 10f64.sqrt();
        assert!((signal.volatility(0.0) - expected).abs() < 0.01 * expected);
    }

    #[test]
    fn the_plan_speaks_until_enough_is_measured_and_a_gap_is_no_move() {
        let mut signal = Signal::default();
        signal.on_top(&top(1_000), Nanos(1));
        assert!((signal.volatility(7.0) - 7.0).abs() < f64::EPSILON);
        signal.interrupt();
        signal.on_top(&top(9_000), Nanos(1 + 10 * SAMPLE_PERIOD.0));
        signal.sample(Nanos(1 + 200 * SAMPLE_PERIOD.0));
        assert!(signal.volatility(7.0) < 1e-9, "nothing moved but over the gap");
    }
}
