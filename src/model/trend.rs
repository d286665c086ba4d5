//! The simplest forecast with an error: an exponentially weighted mean.
//!
//! Weights λ^(age), λ = 2^(−1/half-life), scaled to add up to one. The error is the returns' weighted
//! deviation times √Σw²: what the mean of as many independent returns would be off by.

use crate::maths::statistics::mean;

/// A forecast of a period's mean return.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Mean.
    pub mean: f64,
    /// Standard error of it.
    pub error: f64,
}

/// The weighted mean of a series, the newest value last; none of fewer than three values or a half-life
/// that is none.
#[must_use]
pub fn trend(series: &[f64], half_life: f64) -> Option<Forecast> {
    if series.len() < 3 || !(half_life.is_finite() && half_life > 0.0) {
        return None;
    }
    let decay = 0.5_f64.powf(1.0 / half_life);
    let (mut weight, mut whole, mut squares) = (1.0, 0.0, 0.0);
    let (mut sum, mut spread) = (0.0, 0.0);
    // around the plain mean, so that nothing is lost to rounding
    let middle = mean(series);
    for x in series.iter().rev() {
        let from = x - middle;
        sum += weight * from;
        spread += weight * from * from;
        whole += weight;
        squares += weight * weight;
        weight *= decay;
    }
    let (from, shares) = (sum / whole, squares / (whole * whole));
    let variance = (spread / whole - from * from).max(0.0) / (1.0 - shares).max(f64::MIN_POSITIVE);
    Some(Forecast { mean: middle + from, error: (variance * shares).sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::random::Random;
    use crate::maths::statistics::covariance;

    #[test]
    fn a_long_half_life_is_the_plain_mean() {
        let mut random = Random::new(23, 0);
        let series: Vec<f64> = (0..500).map(|_| 0.001 + 0.01 * random.normal()).collect();
        let found = trend(&series, 1e13).expect("enough");
        let error = (covariance(&series, &series) / 500.0).sqrt();
        assert!(
            (found.mean - mean(&series)).abs() < 1e-12 && (found.error / error - 1.0).abs() < 1e-6
        );
    }

    #[test]
    fn what_is_newer_counts_more_and_errs_more() {
        let series: Vec<f64> = (0..400).map(|t| if t < 300 { 0.01 } else { -0.01 }).collect();
        let (fast, slow) =
            (trend(&series, 20.0).expect("some"), trend(&series, 400.0).expect("some"));
        assert!(fast.mean < -0.009 && slow.mean > 0.0, "{fast:?} {slow:?}");
        let mut random = Random::new(5, 1);
        let noise: Vec<f64> = (0..400).map(|_| random.normal()).collect();
        let error = |half_life| trend(&noise, half_life).expect("some").error;
        assert!(error(10.0) > 2.0 * error(200.0));
        assert_eq!(trend(&noise[..2], 10.0), None);
        assert_eq!(trend(&noise, 0.0), None);
    }
}
