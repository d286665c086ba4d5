//! How much a Sharpe ratio says: its error, the chance that the true one is above a threshold, and what is
//! left of it after many were tried.
//!
//! All ratios here are of a period, not of a year. Error: Mertens' (2002), for returns of any skew and
//! kurtosis. Probabilistic ratio and least record: Bailey and López de Prado (2012, equations 9 and 11).
//! Deflated ratio: the same (2014): the threshold is what the best of N ratios without any skill is expected
//! to be, √V·((1 − γ)·Φ⁻¹(1 − 1/N) + γ·Φ⁻¹(1 − 1/(N·e))), γ Euler's constant, V the ratios' variance.

use crate::maths::distribution::{normal_cdf, normal_quantile};
use crate::maths::statistics::{mean, shape};
use std::f64::consts::E;

const EULER: f64 = 0.577_215_664_901_532_9;

/// A ratio of a period and the returns' shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sharpe {
    /// Mean excess over deviation (ddof 1).
    pub ratio: f64,
    /// Periods.
    pub periods: usize,
    /// Of one period's ratio: 1 − γ₃·SR + (γ₄ − 1)/4·SR².
    variance: f64,
}

impl Sharpe {
    /// Of excess returns; `deviation` is theirs, ddof 1.
    #[must_use]
    pub fn of(excess: &[f64], deviation: f64) -> Sharpe {
        let ratio = mean(excess) / deviation;
        let (_, skew, kurtosis) = shape(excess);
        let variance = (1.0 - skew * ratio + 0.25 * (kurtosis + 2.0) * ratio * ratio).max(0.0);
        Sharpe { ratio, periods: excess.len(), variance }
    }

    /// Standard error.
    #[must_use]
    pub fn error(&self) -> f64 {
        (self.variance / (self.periods - 1) as f64).sqrt()
    }

    /// The chance that the true ratio is above `threshold`.
    #[must_use]
    pub fn probability_above(&self, threshold: f64) -> f64 {
        normal_cdf((self.ratio - threshold) / self.error())
    }

    /// Periods after which that chance would be `level`, were the ratio to stay; none where it is not above
    /// the threshold.
    #[must_use]
    pub fn record_needed(&self, threshold: f64, level: f64) -> Option<f64> {
        let lead = self.ratio - threshold;
        let deviations = normal_quantile(level) / lead;
        (lead > 0.0).then_some(1.0 + self.variance * deviations * deviations)
    }

    /// The chance that the true ratio is above what the best of `trials` would be by luck.
    #[must_use]
    pub fn deflated(&self, trials: f64, variance: f64) -> f64 {
        self.probability_above(best_by_luck(trials, variance))
    }
}

/// What the greatest of `trials` ratios without skill is expected to be; `variance` is theirs.
#[must_use]
pub fn best_by_luck(trials: f64, variance: f64) -> f64 {
    if trials <= 1.0 {
        return 0.0;
    }
    let (most, least) =
        (normal_quantile(1.0 - 1.0 / trials), normal_quantile(1.0 - 1.0 / (trials * E)));
    variance.sqrt() * ((1.0 - EULER) * most + EULER * least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::random::Random;

    #[test]
    fn the_papers_example() {
        // Bailey and López de Prado 2014, section "A numerical example": 5 years of days, annual ratio 2.5,
        // 100 trials of annual variance 1/2, skew −3, kurtosis 10: the threshold is 0.1132 a day, the
        // deflated ratio 0.9004
        let ratio = 2.5 / 250.0_f64.sqrt();
        let variance = 1.0 + 3.0 * ratio + 0.25 * 9.0 * ratio * ratio;
        let sharpe = Sharpe { ratio, periods: 1_250, variance };
        let luck = best_by_luck(100.0, 0.5 / 250.0);
        assert!((luck - 0.1132).abs() < 5e-5, "{luck}");
        assert!((sharpe.deflated(100.0, 0.5 / 250.0) - 0.9004).abs() < 5e-4);
    }

    #[test]
    fn luck_is_what_the_best_of_many_draws() {
        let mut random = Random::new(3, 0);
        let draws = 2_000;
        let draw = |random: &mut Random| normal_quantile(random.unit());
        let best = |random: &mut Random| (0..50).map(|_| draw(random)).fold(f64::MIN, f64::max);
        let found = (0..draws).map(|_| best(&mut random)).sum::<f64>() / f64::from(draws);
        assert!((best_by_luck(50.0, 1.0) - found).abs() < 0.06, "{found}");
    }

    #[test]
    fn a_record_as_long_as_needed_has_the_level() {
        let sharpe = Sharpe { ratio: 0.05, periods: 500, variance: 1.3 };
        let needed = sharpe.record_needed(0.01, 0.95).expect("above");
        let longer = Sharpe { periods: needed as usize, ..sharpe };
        assert!((longer.probability_above(0.01) - 0.95).abs() < 1e-4);
        assert_eq!(sharpe.record_needed(0.06, 0.95), None);
    }
}
