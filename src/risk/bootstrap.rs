//! Error bars of anything measured on a series: the stationary bootstrap (Politis and Romano 1994).
//!
//! A resample is blocks of the series, begun anywhere, of geometric length, running on from its end to its
//! start. The mean length is Politis and White's (2004) with the correction of Patton, Politis and White
//! (2009): of the series or of its squared deviations, whichever is longer, since ratios and tails depend on
//! both. Intervals are percentiles; a seed gives the same resamples everywhere.

use crate::maths::random::Random;
use crate::maths::statistics::{mean, quantile, sorted};
use serde::Serialize;

/// Fewer resamples say nothing of a 95 % interval.
pub const RESAMPLES_MIN: usize = 100;
/// More say nothing new.
pub const RESAMPLES_MAX: usize = 100_000;
/// What the interval holds.
const HELD: f64 = 0.95;

/// How a series is resampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// How often.
    pub resamples: usize,
    /// Mean length of a block in periods, at least one.
    pub block: f64,
    /// What decides the draws.
    pub seed: u64,
}

/// What resamples say of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Deviation of the resamples' figures.
    pub std_error: f64,
    /// 2.5 % of the resamples lie below.
    pub low: f64,
    /// 2.5 % lie above.
    pub high: f64,
    /// Resamples on which the figure was a number.
    pub resamples: usize,
}

/// The mean length of blocks that suits a series (at least one).
#[must_use]
pub fn block_length(series: &[f64]) -> f64 {
    let middle = mean(series);
    let squares: Vec<f64> = series.iter().map(|x| (x - middle).powi(2)).collect();
    optimal_length(series).max(optimal_length(&squares)).max(1.0)
}

/// Politis and White's length for the mean of one series; zero where nothing is correlated.
fn optimal_length(series: &[f64]) -> f64 {
    let n = series.len();
    let count = n as f64;
    let middle = mean(series);
    let errors: Vec<f64> = series.iter().map(|x| x - middle).collect();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let longest = (3.0 * count.sqrt()).min(count / 3.0).ceil();
    let in_a_row = 5.max(count.log10() as usize);
    let lags_max = (count.sqrt().ceil() as usize + in_a_row).min(n.saturating_sub(2));
    if lags_max <= in_a_row {
        // too short to tell what is correlated
        return count.cbrt();
    }
    let small = 2.0 * (count.log10() / count).sqrt();
    let covariances: Vec<f64> =
        (0..=lags_max).map(|lag| product(&errors[lag..], &errors[..n - lag]) / count).collect();
    let is_small = |lag: usize| {
        let (late, early) = (&errors[lag..], &errors[..n - lag]);
        let scale = (product(late, late) * product(early, early)).sqrt();
        scale <= 0.0 || (covariances[lag] * count / scale).abs() < small
    };
    // the last lag before so many in a row that say nothing
    let last =
        (0..=lags_max.saturating_sub(in_a_row)).find(|&at| (at + 1..=at + in_a_row).all(is_small));
    let lags = last.map_or(lags_max, |at| 2 * at.max(1)).min(lags_max);
    let (mut slope, mut spectrum) = (0.0, covariances[0]);
    for (lag, covariance) in covariances.iter().enumerate().take(lags + 1).skip(1) {
        let share = lag as f64 / lags as f64;
        let taper = if share <= 0.5 { 1.0 } else { 2.0 * (1.0 - share) };
        slope += 2.0 * taper * lag as f64 * covariance;
        spectrum += 2.0 * taper * covariance;
    }
    if spectrum <= 0.0 {
        return longest;
    }
    (slope * slope / (spectrum * spectrum) * count).cbrt().min(longest)
}

impl Bootstrap {
    /// Calls `each` with the rows of every resample, as many as the series has.
    pub fn rows(&self, count: usize, mut each: impl FnMut(&[usize])) {
        let mut rows = vec![0; count];
        for resample in 0..self.resamples {
            let mut random = Random::new(self.seed, resample as u64);
            let restart = 1.0 / self.block.max(1.0);
            let mut at = random.below(count as u64) as usize;
            for row in &mut rows {
                *row = at;
                let begins = random.unit() < restart;
                at = if begins { random.below(count as u64) as usize } else { (at + 1) % count };
            }
            each(&rows);
        }
    }
}

/// The spread of figures that resamples gave; none of fewer than two numbers.
#[must_use]
pub fn spread(figures: &[f64]) -> Option<Spread> {
    let figures: Vec<f64> = figures.iter().copied().filter(|x| x.is_finite()).collect();
    if figures.len() < 2 {
        return None;
    }
    let middle = mean(&figures);
    let square = figures.iter().map(|x| (x - middle).powi(2)).sum::<f64>();
    let ordered = sorted(&figures);
    Some(Spread {
        std_error: (square / (figures.len() - 1) as f64).sqrt(),
        low: quantile(&ordered, 0.5 * (1.0 - HELD)),
        high: quantile(&ordered, 0.5 * (1.0 + HELD)),
        resamples: figures.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x_t = φ·x_{t−1} + e_t.
    fn autoregressive(phi: f64, count: usize) -> Vec<f64> {
        let mut random = Random::new(7, 0);
        let mut x = 0.0;
        let mut next = || {
            x = phi * x + random.normal();
            x
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn what_remembers_longer_is_cut_longer() {
        let lengths = [0.0, 0.5, 0.9].map(|phi| block_length(&autoregressive(phi, 4_000)));
        assert!(lengths[0] < lengths[1] && lengths[1] < lengths[2], "{lengths:?}");
    }

    #[test]
    fn the_error_of_a_mean_is_the_long_runs() {
        // the long-run deviation of the mean of an AR(1) is σ/((1 − φ)·√n)
        let series = autoregressive(0.6, 5_000);
        let how = Bootstrap { resamples: 1_000, block: block_length(&series), seed: 1 };
        let mut means = Vec::new();
        how.rows(series.len(), |rows| {
            means.push(rows.iter().map(|&row| series[row]).sum::<f64>() / rows.len() as f64);
        });
        let found = spread(&means).expect("numbers").std_error;
        let wanted = 1.0 / (0.4 * 5_000.0_f64.sqrt());
        assert!((found / wanted - 1.0).abs() < 0.15, "{found} {wanted}");
        // canary: one row a block forgets what follows on what
        let mut means = Vec::new();
        Bootstrap { block: 1.0, ..how }.rows(series.len(), |rows| {
            means.push(rows.iter().map(|&row| series[row]).sum::<f64>() / rows.len() as f64);
        });
        assert!(spread(&means).expect("numbers").std_error < 0.7 * wanted);
    }

    #[test]
    fn short_series_have_a_length_too() {
        for count in 3..40 {
            let length = block_length(&autoregressive(0.3, count));
            assert!(length >= 1.0 && length <= count as f64, "{count}: {length}");
        }
    }

    #[test]
    fn figures_that_are_none_are_counted_out() {
        assert_eq!(spread(&[1.0, f64::NAN]), None);
        assert_eq!(spread(&[1.0, 3.0, f64::INFINITY]).expect("two").resamples, 2);
    }
}
