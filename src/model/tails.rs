//! Tails beyond what a sample shows: peaks over a threshold, and quantiles from moments.
//!
//! `Pareto`: losses beyond a threshold u are generalised Pareto (Pickands 1975; McNeil and Frey 2000):
//! P(loss > u + y) = s·(1 + ξy/β)^(−1/ξ), s the share of losses beyond u. By maximum likelihood on the
//! profile over ξ/β, where ξ is a mean of logarithms (Grimshaw 1993); shapes below −½, whose likelihood has
//! no regular maximum (Smith 1985), are not looked at.
//! `cornish_fisher`: a normal quantile bent by skew and kurtosis (Cornish and Fisher 1938); the mean beyond
//! it is that of the bent variable (Maillard 2012).

use crate::maths::distribution::{normal_density, normal_quantile};
use crate::maths::statistics;
use serde::Serialize;

/// Fewer exceedances say nothing about a tail.
pub const EXCEEDANCES_MIN: usize = 10;
/// Least shape.
const SHAPE_MIN: f64 = -0.5;
/// The profile is searched over ln(1 + θ·greatest exceedance), first on a grid.
const LOW: f64 = -8.0;
const HIGH: f64 = 12.0;
const CELLS: u32 = 80;
/// What golden section leaves of a cell.
const WIDTH_MIN: f64 = 1e-11;

/// A generalised Pareto tail of losses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pareto {
    /// u.
    pub threshold: f64,
    /// Share of losses beyond it.
    pub share: f64,
    /// Losses beyond it.
    pub exceedances: usize,
    /// ξ: above nothing, the tail is a power law, with moments up to 1/ξ.
    pub shape: f64,
    /// Its standard error.
    pub shape_std_error: f64,
    /// β.
    pub scale: f64,
    /// Its standard error.
    pub scale_std_error: f64,
    /// Logarithm of the likelihood of the exceedances.
    pub log_likelihood: f64,
}

/// Why there is no tail.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum TailError {
    /// Too few.
    #[error(
        "{found} losses beyond the threshold {threshold}; a tail needs at least {EXCEEDANCES_MIN}: \
         give more returns or a lower threshold"
    )]
    Few {
        /// There.
        found: usize,
        /// u.
        threshold: f64,
    },
    /// A threshold that no sample has.
    #[error("a threshold at the share {0} of losses: give one between 0 and 1, as 0.9")]
    Threshold(f64),
    /// No number.
    #[error("loss {index} is {value}")]
    NotFinite {
        /// Which, from zero.
        index: usize,
        /// What stands there.
        value: f64,
    },
}

impl Pareto {
    /// Fits what lies beyond the quantile `at` (0.9) of losses.
    ///
    /// # Errors
    /// A threshold that is none, losses that are no numbers, or too few of them.
    pub fn fit(losses: &[f64], at: f64) -> Result<Pareto, TailError> {
        if !(at > 0.0 && at < 1.0) {
            return Err(TailError::Threshold(at));
        }
        if let Some(index) = losses.iter().position(|x| !x.is_finite()) {
            return Err(TailError::NotFinite { index, value: losses[index] });
        }
        if losses.len() < EXCEEDANCES_MIN {
            return Err(TailError::Few { found: losses.len(), threshold: f64::NAN });
        }
        let sorted = statistics::sorted(losses);
        let threshold = statistics::quantile(&sorted, at);
        let first = sorted.partition_point(|&x| x <= threshold);
        let peaks: Vec<f64> = sorted[first..].iter().map(|x| x - threshold).collect();
        if peaks.len() < EXCEEDANCES_MIN {
            return Err(TailError::Few { found: peaks.len(), threshold });
        }
        let (shape, scale, log_likelihood) = maximum(&peaks);
        let n = peaks.len() as f64;
        Ok(Pareto {
            threshold,
            share: n / losses.len() as f64,
            exceedances: peaks.len(),
            shape,
            // Smith (1985), from Fisher's information
            shape_std_error: (1.0 + shape) / n.sqrt(),
            scale,
            scale_std_error: scale * (2.0 * (1.0 + shape) / n).sqrt(),
            log_likelihood,
        })
    }

    /// Value at risk and expected shortfall of the loss; None where the level lies below the threshold, an
    /// infinite shortfall where ξ ≥ 1.
    #[must_use]
    pub fn tail(&self, level: f64) -> Option<(f64, f64)> {
        let beyond = 1.0 - level;
        if !(beyond > 0.0 && beyond <= self.share) {
            return None;
        }
        let log = (self.share / beyond).ln();
        let (shape, scale) = (self.shape, self.scale);
        let excess =
            if shape.abs() < 1e-9 { scale * log } else { scale * (shape * log).exp_m1() / shape };
        let mean = if shape < 1.0 { (excess + scale) / (1.0 - shape) } else { f64::INFINITY };
        // E[y − excess | y > excess] = (β + ξ·excess)/(1 − ξ)
        let mean = mean.max(excess);
        Some((self.threshold + excess, self.threshold + mean))
    }
}

/// ξ, β and the log likelihood of their maximum.
fn maximum(peaks: &[f64]) -> (f64, f64, f64) {
    let n = peaks.len() as f64;
    let greatest = peaks.iter().copied().fold(0.0, f64::max);
    let mean = statistics::mean(peaks);
    // at s = ln(1 + θ·greatest)
    let at = |s: f64| {
        let theta = s.exp_m1() / greatest;
        let shape = peaks.iter().map(|y| (theta * y).ln_1p()).sum::<f64>() / n;
        // ξ/θ tends to the mean where θ tends to nothing
        let scale = if (theta * mean).abs() < 1e-9 { mean } else { shape / theta };
        let value = -n * (scale.ln() + shape + 1.0);
        (shape, scale, if shape >= SHAPE_MIN { value } else { f64::NEG_INFINITY })
    };
    let cell = (HIGH - LOW) / f64::from(CELLS);
    let places = (0..=CELLS).map(|k| LOW + cell * f64::from(k));
    let best = places.max_by(|a, b| at(*a).2.total_cmp(&at(*b).2)).unwrap_or(0.0);
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut low, mut high) = (best - cell, best + cell);
    while high - low > WIDTH_MIN * best.abs().max(1.0) {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if at(left).2 > at(right).2 { high = right } else { low = left }
    }
    at(0.5 * (low + high))
}

/// A normal quantile bent by skew and excess kurtosis.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Expansion {
    /// Of the standardised variable.
    pub quantile: f64,
    /// Mean of what lies below it.
    pub mean_below: f64,
    /// Whether the bent variable still rises with the normal one below there: only then is this a
    /// distribution.
    pub is_monotone: bool,
}

/// The lower tail of probability `p`:
/// w(z) = z + (z² − 1)S/6 + (z³ − 3z)K/24 − (2z³ − 5z)S²/36.
#[must_use]
pub fn cornish_fisher(skew: f64, excess: f64, p: f64) -> Expansion {
    let z = normal_quantile(p);
    let (s, k, c) = (skew / 6.0, excess / 24.0, skew * skew / 36.0);
    // w(z) = a₀ + a₁z + a₂z² + a₃z³
    let (a0, a1, a2, a3) = (-s, 1.0 - 3.0 * k + 5.0 * c, s, k - 2.0 * c);
    let quantile = a0 + z * (a1 + z * (a2 + z * a3));
    // means of zᵏ below z: −φ/p, 1 − zφ/p, −(z² + 2)φ/p
    let ratio = normal_density(z) / p;
    let mean_below = a0 - a1 * ratio + a2 * (1.0 - z * ratio) - a3 * (z * z + 2.0) * ratio;
    // w′ = a₁ + 2a₂z + 3a₃z² over z′ ≤ z: its ends and its vertex
    let slope = |z: f64| a1 + z * (2.0 * a2 + 3.0 * a3 * z);
    let vertex = if a3 == 0.0 { z } else { (-a2 / (3.0 * a3)).min(z) };
    // so far down as any sample reaches
    let is_monotone = [z, vertex.max(-8.0), -8.0_f64.max(-z.abs() - 6.0)].map(slope);
    let is_monotone = is_monotone.iter().all(|&slope| slope > 0.0);
    Expansion { quantile, mean_below, is_monotone }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles of a generalised Pareto, evenly.
    fn sample(n: usize, shape: f64, scale: f64) -> Vec<f64> {
        let share = |k: usize| (k as f64 + 0.5) / n as f64;
        (0..n)
            .map(|k| match shape {
                0.0 => -scale * (-share(k)).ln_1p(),
                _ => scale * (-shape * (-share(k)).ln_1p()).exp_m1() / shape,
            })
            .collect()
    }

    #[test]
    fn a_tail_of_its_own_kind_is_found() {
        for (shape, scale) in [(0.3, 2.0), (0.0, 1.0), (-0.2, 0.5), (0.8, 1e-4)] {
            let losses = sample(20_000, shape, scale);
            let fit = Pareto::fit(&losses, 0.5).expect("enough");
            assert!((fit.shape - shape).abs() < 0.02, "{fit:?}");
            // beyond u it is one again, its scale β + ξu
            let wanted = scale + shape * fit.threshold;
            assert!((fit.scale / wanted - 1.0).abs() < 0.02, "{fit:?}");
            let (var, es) = fit.tail(0.99).expect("in the tail");
            let exact = match shape {
                0.0 => scale * 100.0_f64.ln(),
                _ => scale * (shape * 100.0_f64.ln()).exp_m1() / shape,
            };
            assert!((var / exact - 1.0).abs() < 0.01, "{var} {exact}");
            let exact = (exact + scale) / (1.0 - shape);
            assert!((es / exact - 1.0).abs() < 0.03, "{es} {exact}");
        }
    }

    #[test]
    fn the_maximum_is_one() {
        // against the density itself, moved either way
        let losses: Vec<f64> =
            sample(500, 0.25, 1.0).iter().map(|x| x * (1.0 + 0.2 * x.sin())).collect();
        let fit = Pareto::fit(&losses, 0.8).expect("enough");
        let value = |shape: f64, scale: f64| -> f64 {
            let peaks = losses.iter().filter(|&&x| x > fit.threshold).map(|x| x - fit.threshold);
            peaks.map(|y| -scale.ln() - (1.0 + 1.0 / shape) * (shape * y / scale).ln_1p()).sum()
        };
        let top = value(fit.shape, fit.scale);
        assert!((top - fit.log_likelihood).abs() < 1e-9 * top.abs());
        for (a, b) in [(1e-3, 0.0), (-1e-3, 0.0), (0.0, 1e-3), (0.0, -1e-3)] {
            assert!(value(fit.shape + a, fit.scale + b) < top);
        }
    }

    #[test]
    fn a_normal_stays_normal_and_bends_as_told() {
        let plain = cornish_fisher(0.0, 0.0, 0.01);
        assert!((plain.quantile + 2.326_347_874).abs() < 1e-8 && plain.is_monotone);
        assert!((plain.mean_below + 2.665_214_22).abs() < 1e-7);
        // the mean below is the quantile's mean over probabilities
        let cells = 200_000;
        let sum: f64 = (0..cells)
            .map(|k| {
                cornish_fisher(-0.4, 1.5, 0.05 * (f64::from(k) + 0.5) / f64::from(cells)).quantile
            })
            .sum();
        let bent = cornish_fisher(-0.4, 1.5, 0.05);
        assert!((sum / f64::from(cells) - bent.mean_below).abs() < 1e-4);
        assert!(bent.is_monotone && !cornish_fisher(-3.0, 0.0, 0.01).is_monotone);
    }

    #[test]
    fn what_has_no_tail_is_refused() {
        assert!(matches!(Pareto::fit(&[1.0; 100], 0.9), Err(TailError::Few { found: 0, .. })));
        assert!(matches!(Pareto::fit(&[f64::NAN; 100], 0.9), Err(TailError::NotFinite { .. })));
        assert_eq!(Pareto::fit(&[1.0; 100], 1.0), Err(TailError::Threshold(1.0)));
        let fit = Pareto::fit(&sample(1_000, 0.1, 1.0), 0.9).expect("enough");
        assert!(fit.tail(0.8).is_none() && fit.tail(0.95).is_some());
    }
}
