//! Normal, Student's t and chi-square: densities, tails, quantiles and expected shortfalls.
//!
//! Tails are computed as such, never as one minus something near one. Standardised means variance one.

use super::special::{beta_regularised, erfc, gamma_lower, gamma_upper, ln_gamma};
use std::f64::consts::PI;

/// Newton steps after which a quantile has long settled.
const STEPS_MAX: usize = 200;

/// Density of the normal distribution.
#[must_use]
pub fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// Φ(x).
#[must_use]
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * erfc(-x / std::f64::consts::SQRT_2)
}

/// Φ⁻¹(p), 0 < p < 1; NaN elsewhere.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    if !(p > 0.0 && p < 1.0) {
        return f64::NAN;
    }
    let tail = p.min(1.0 - p);
    // Abramowitz and Stegun 26.2.22 starts within 3e-3; the steps are Halley's on ln of the tail
    let t = (-2.0 * tail.ln()).sqrt();
    let mut x = t - (2.307_53 + 0.270_61 * t) / (1.0 + t * (0.992_29 + 0.044_81 * t));
    for _ in 0..4 {
        let error = normal_cdf(-x) / normal_density(x) - tail / normal_density(x);
        x += error / (1.0 - 0.5 * x * error);
    }
    if p < 0.5 { -x } else { x }
}

/// Expected shortfall of a standard normal loss at level `p` (0.99): φ(Φ⁻¹(p))/(1 − p).
#[must_use]
pub fn normal_shortfall(p: f64) -> f64 {
    normal_density(normal_quantile(p)) / (1.0 - p)
}

/// Student's t with `nu` degrees of freedom, not standardised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StudentT {
    nu: f64,
    ln_scale: f64,
}

impl StudentT {
    /// `nu` must be positive and finite; None otherwise.
    #[must_use]
    pub fn new(nu: f64) -> Option<StudentT> {
        let fits = nu.is_finite() && nu > 0.0;
        fits.then(|| StudentT {
            nu,
            ln_scale: ln_gamma(0.5 * (nu + 1.0)) - ln_gamma(0.5 * nu) - 0.5 * (nu * PI).ln(),
        })
    }

    /// Degrees of freedom.
    #[must_use]
    pub fn nu(&self) -> f64 {
        self.nu
    }

    /// What a standardised t is times this distribution: √((ν − 2)/ν); NaN for ν ≤ 2.
    #[must_use]
    pub fn standardiser(&self) -> f64 {
        if self.nu > 2.0 { ((self.nu - 2.0) / self.nu).sqrt() } else { f64::NAN }
    }

    /// Logarithm of the density.
    #[must_use]
    pub fn ln_density(&self, x: f64) -> f64 {
        self.ln_scale - 0.5 * (self.nu + 1.0) * (x * x / self.nu).ln_1p()
    }

    /// Density.
    #[must_use]
    pub fn density(&self, x: f64) -> f64 {
        self.ln_density(x).exp()
    }

    /// Probability beyond |x| on one side.
    #[must_use]
    pub fn tail(&self, x: f64) -> f64 {
        let square = x * x;
        // whichever argument is small keeps its digits
        if square < self.nu {
            let within = beta_regularised(0.5, 0.5 * self.nu, square / (self.nu + square));
            0.5 * (1.0 - within)
        } else {
            0.5 * beta_regularised(0.5 * self.nu, 0.5, self.nu / (self.nu + square))
        }
    }

    /// Cumulative probability.
    #[must_use]
    pub fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 { self.tail(x) } else { 1.0 - self.tail(x) }
    }

    /// The positive x beyond which `tail` (at most one half) lies on one side.
    #[must_use]
    pub fn tail_quantile(&self, tail: f64) -> f64 {
        if !(tail > 0.0 && tail <= 0.5) {
            return f64::NAN;
        }
        if tail >= 0.5 {
            return 0.0;
        }
        // a bracket first: the tail is at most that of a power law, so doubling finds it soon
        let mut high = 1.0;
        while self.tail(high) > tail && high < 1e150 {
            high *= 2.0;
        }
        let mut low = if high > 1.0 { 0.5 * high } else { 0.0 };
        let mut x = 0.5 * (low + high);
        for _ in 0..STEPS_MAX {
            let found = self.tail(x);
            if found > tail {
                low = x
            } else {
                high = x
            }
            // Newton on ln tail, which is nearly straight in ln x far out
            let step = (found / tail).ln() * found / self.density(x);
            let next = x + step;
            let next = if next > low && next < high { next } else { 0.5 * (low + high) };
            if (next - x).abs() <= 1e-15 * x {
                return next;
            }
            x = next;
        }
        x
    }

    /// Quantile, 0 < p < 1; NaN elsewhere.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        if p < 0.5 { -self.tail_quantile(p) } else { self.tail_quantile(1.0 - p) }
    }

    /// Expected shortfall of a loss of this distribution at level `p` (0.99): McNeil, Frey and
    /// Embrechts 2005, example 2.19; NaN for ν ≤ 1.
    #[must_use]
    pub fn shortfall(&self, p: f64) -> f64 {
        if self.nu <= 1.0 {
            return f64::NAN;
        }
        let q = self.quantile(p);
        self.density(q) * (self.nu + q * q) / ((self.nu - 1.0) * (1.0 - p))
    }
}

/// Quantile of the chi-square distribution with `nu` degrees of freedom, given the probability below
/// or the one above it, whichever is the smaller and so keeps its digits.
#[must_use]
pub fn chi_square_quantile(nu: f64, tail: Tail) -> f64 {
    let a = 0.5 * nu;
    let target = match tail {
        Tail::Lower(p) | Tail::Upper(p) => p,
    };
    if !(nu > 0.0 && target > 0.0 && target < 1.0) {
        return f64::NAN;
    }
    let found = |x: f64| match tail {
        Tail::Lower(_) => gamma_lower(a, x),
        Tail::Upper(_) => gamma_upper(a, x),
    };
    let sign = if matches!(tail, Tail::Lower(_)) { 1.0 } else { -1.0 };
    // search in ln x: the lower tail is a power law there
    let (mut low, mut high) = (-800.0_f64, (a + 1000.0).ln());
    let mut y = a.ln();
    for _ in 0..STEPS_MAX {
        let x = y.exp();
        let p = found(x);
        if (p - target) * sign > 0.0 {
            high = y
        } else {
            low = y
        }
        let density = (a * y - x - ln_gamma(a)).exp();
        let step = -sign * (p / target).ln() * p / density;
        let next = y + step;
        let next =
            if next.is_finite() && next > low && next < high { next } else { 0.5 * (low + high) };
        if (next - y).abs() < 1e-15 * y.abs().max(1.0) {
            return 2.0 * next.exp();
        }
        y = next;
    }
    2.0 * y.exp()
}

/// A probability with the side it is counted from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tail {
    /// Below the quantile.
    Lower(f64),
    /// Above the quantile.
    Upper(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: f64, truth: f64, tolerance: f64) {
        assert!((ours - truth).abs() <= tolerance * truth.abs(), "{ours} against {truth}");
    }

    #[test]
    fn normal_quantiles_are_the_published_ones() {
        close(normal_quantile(0.99), 2.326_347_874_040_841, 1e-14);
        close(normal_quantile(0.975), 1.959_963_984_540_054, 1e-14);
        close(normal_quantile(1e-10), -6.361_340_902_404_056, 1e-13);
        assert!(normal_quantile(0.5).abs() < 1e-15);
        assert!(normal_quantile(0.0).is_nan() && normal_quantile(1.0).is_nan());
        close(normal_shortfall(0.99), 2.665_214_220_345_807, 1e-12);
    }

    #[test]
    fn students_t_meets_its_closed_forms() {
        let two = StudentT::new(2.0).expect("positive");
        let one = StudentT::new(1.0).expect("positive");
        for p in [1e-9, 0.001, 0.01, 0.3, 0.5, 0.9, 0.999] {
            // ν = 2 and ν = 1 have quantiles in closed form
            close(two.quantile(p), (2.0 * p - 1.0) * (2.0 / (4.0 * p * (1.0 - p))).sqrt(), 1e-10);
            if (p - 0.5_f64).abs() > 0.1 {
                close(one.quantile(p), -1.0 / (PI * p).tan(), 1e-9);
            }
        }
        let five = StudentT::new(5.0).expect("positive");
        close(five.quantile(0.99), 3.364_929_998_907_216, 1e-12);
        close(five.cdf(-2.0), 0.050_969_739_414_929_09, 1e-12);
        close(five.shortfall(0.99), 4.452_429_111_817_96, 1e-12);
        assert!(StudentT::new(-1.0).is_none() && StudentT::new(f64::NAN).is_none());
    }

    #[test]
    fn a_shortfall_is_the_mean_of_its_tail() {
        let t = StudentT::new(4.5).expect("positive");
        let cells = 20_000;
        let mean = (0..cells)
            .map(|i| t.tail_quantile(0.01 * (f64::from(i) + 0.5) / f64::from(cells)))
            .sum::<f64>()
            / f64::from(cells);
        close(t.shortfall(0.99), mean, 1e-4);
    }

    #[test]
    fn chi_square_quantiles_meet_their_closed_forms() {
        for p in [1e-9, 0.01, 0.5, 0.9] {
            close(chi_square_quantile(2.0, Tail::Lower(p)), -2.0 * (-p).ln_1p(), 1e-12);
            close(chi_square_quantile(2.0, Tail::Upper(p)), -2.0 * p.ln(), 1e-12);
        }
        close(chi_square_quantile(5.0, Tail::Lower(0.99)), 15.086_272_469_388_99, 1e-12);
        close(
            chi_square_quantile(2.3, Tail::Upper(0.5)),
            chi_square_quantile(2.3, Tail::Lower(0.5)),
            1e-12,
        );
    }
}
