//! Densities of shocks of mean zero and variance one, with their slopes.
//!
//! - normal;
//! - Student's t, standardised, ν > 2;
//! - Hansen's skewed t (1994): η > 2 degrees of freedom, skew −1 < λ < 1. With
//!   c = Γ((η+1)/2)/(√(π(η−2))·Γ(η/2)), a = 4λc(η−2)/(η−1), b² = 1 + 3λ² − a²:
//!   g(z) = b·c·(1 + u²/(η−2))^(−(η+1)/2), u = (bz + a)/(1 ∓ λ), minus where z < −a/b.

use crate::maths::distribution::{StudentT, normal_quantile, normal_shortfall};
use crate::maths::special::{digamma, ln_gamma};
use std::f64::consts::PI;

/// A family of shocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Normal.
    Normal,
    /// Student's t.
    Student,
    /// Hansen's skewed t.
    Skewed,
}

/// A density, its numbers made ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shock {
    family: Family,
    nu: f64,
    lambda: f64,
    // of the logarithm of c, and its slope by ν
    ln_c: f64,
    ln_c_slope: f64,
    a: f64,
    b: f64,
    // slopes of a and b by ν and λ
    a_nu: f64,
    b_nu: f64,
    a_lambda: f64,
    b_lambda: f64,
}

/// The logarithm of a density at a point and its slopes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub value: f64,
    pub by_z: f64,
    pub by_nu: f64,
    pub by_lambda: f64,
}

impl Shock {
    pub fn new(family: Family, nu: f64, lambda: f64) -> Shock {
        let mut shock = Shock {
            family,
            nu,
            lambda: if family == Family::Skewed { lambda } else { 0.0 },
            ln_c: 0.0,
            ln_c_slope: 0.0,
            a: 0.0,
            b: 1.0,
            a_nu: 0.0,
            b_nu: 0.0,
            a_lambda: 0.0,
            b_lambda: 0.0,
        };
        if family == Family::Normal {
            return shock;
        }
        let half = 0.5 * (nu + 1.0);
        shock.ln_c = ln_gamma(half) - ln_gamma(0.5 * nu) - 0.5 * (PI * (nu - 2.0)).ln();
        shock.ln_c_slope = 0.5 * digamma(half) - 0.5 * digamma(0.5 * nu) - 0.5 / (nu - 2.0);
        if family == Family::Skewed {
            let lambda = shock.lambda;
            shock.a_lambda = 4.0 * shock.ln_c.exp() * (nu - 2.0) / (nu - 1.0);
            shock.a = lambda * shock.a_lambda;
            shock.b = (1.0 + 3.0 * lambda * lambda - shock.a * shock.a).sqrt();
            shock.a_nu = shock.a * (shock.ln_c_slope + 1.0 / (nu - 2.0) - 1.0 / (nu - 1.0));
            shock.b_nu = -shock.a * shock.a_nu / shock.b;
            shock.b_lambda = (3.0 * lambda - shock.a * shock.a_lambda) / shock.b;
        }
        shock
    }

    /// The logarithm of the density at z.
    #[inline]
    pub fn at(&self, z: f64) -> Point {
        if self.family == Family::Normal {
            let value = -0.5 * ((2.0 * PI).ln() + z * z);
            return Point { value, by_z: -z, by_nu: 0.0, by_lambda: 0.0 };
        }
        let nu = self.nu;
        let sign = if self.b * z + self.a < 0.0 { -1.0 } else { 1.0 };
        let side = 1.0 + sign * self.lambda;
        let u = (self.b * z + self.a) / side;
        let ratio = u * u / (nu - 2.0);
        let log = ratio.ln_1p();
        let pull = (nu + 1.0) * u / (nu - 2.0 + u * u);
        let by_nu = self.b_nu / self.b + self.ln_c_slope - 0.5 * log
            + 0.5 * (nu + 1.0) * ratio / (nu - 2.0) / (1.0 + ratio)
            - pull * (self.b_nu * z + self.a_nu) / side;
        let by_lambda =
            self.b_lambda / self.b - pull * ((self.b_lambda * z + self.a_lambda) - sign * u) / side;
        Point {
            value: self.b.ln() + self.ln_c - 0.5 * (nu + 1.0) * log,
            by_z: -pull * self.b / side,
            by_nu,
            by_lambda: if self.family == Family::Skewed { by_lambda } else { 0.0 },
        }
    }

    /// z that is undercut with probability p, and the mean of what lies below it.
    pub fn lower_tail(&self, p: f64) -> (f64, f64) {
        let Some(t) = StudentT::new(self.nu).filter(|_| self.family != Family::Normal) else {
            return (-normal_quantile(1.0 - p), -normal_shortfall(1.0 - p));
        };
        // in units where the t's own variance is one
        let quantile = |share: f64| {
            if share <= 0.5 { -t.tail_quantile(share) } else { t.tail_quantile(1.0 - share) }
        };
        let (lambda, standard) = (self.lambda, t.standardiser());
        let left = 0.5 * (1.0 - lambda);
        let at = |share: f64| {
            let u = if share < left {
                (1.0 - lambda) * quantile(share / (1.0 - lambda))
            } else {
                (1.0 + lambda) * quantile(0.5 + (share - left) / (1.0 + lambda))
            };
            (u * standard - self.a) / self.b
        };
        if p < left {
            // a t's tail mean, scaled: E[t | t < q] is minus its shortfall
            let inner = p / (1.0 - lambda);
            let mean = -(1.0 - lambda) * t.shortfall(1.0 - inner) * standard;
            return (at(p), (mean - self.a) / self.b);
        }
        // beyond the mode: the midpoint rule over probability
        const CELLS: u32 = 20_000;
        let cells = (0..CELLS).map(|cell| at(p * (f64::from(cell) + 0.5) / f64::from(CELLS)));
        (at(p), cells.sum::<f64>() / f64::from(CELLS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: [(Family, f64, f64); 5] = [
        (Family::Normal, f64::INFINITY, 0.0),
        (Family::Student, 4.5, 0.0),
        (Family::Skewed, 6.0, -0.3),
        (Family::Skewed, 3.0, 0.6),
        (Family::Skewed, 8.0, 0.0),
    ];

    #[test]
    fn densities_are_whole_with_mean_zero_and_variance_one() {
        for (family, nu, lambda) in CASES {
            let shock = Shock::new(family, nu, lambda);
            // z = sinh(x) spreads the tails
            let (mut whole, mut mean, mut variance) = (0.0, 0.0, 0.0);
            for cell in -40_000..40_000 {
                let x = f64::from(cell) * 5e-4;
                let (z, width) = (x.sinh(), 5e-4 * x.cosh());
                let mass = shock.at(z).value.exp() * width;
                whole += mass;
                mean += z * mass;
                variance += z * z * mass;
            }
            assert!((whole - 1.0).abs() < 1e-6, "{family:?} {lambda}: {whole}");
            assert!(
                mean.abs() < 1e-5 && (variance - 1.0).abs() < 2e-3,
                "{family:?} {mean} {variance}"
            );
        }
    }

    #[test]
    fn slopes_are_slopes() {
        for (family, nu, lambda) in CASES {
            for z in [-3.0, -0.4, 0.1, 2.5] {
                let at = |z: f64, nu: f64, lambda: f64| Shock::new(family, nu, lambda).at(z).value;
                let point = Shock::new(family, nu, lambda).at(z);
                let d = 1e-6;
                let by_z = (at(z + d, nu, lambda) - at(z - d, nu, lambda)) / (2.0 * d);
                assert!((point.by_z - by_z).abs() < 1e-5, "{family:?} {z}");
                if family == Family::Normal {
                    continue;
                }
                let by_nu = (at(z, nu + d, lambda) - at(z, nu - d, lambda)) / (2.0 * d);
                assert!(
                    (point.by_nu - by_nu).abs() < 1e-5,
                    "{family:?} {z}: {} {by_nu}",
                    point.by_nu
                );
                let by_lambda = (at(z, nu, lambda + d) - at(z, nu, lambda - d)) / (2.0 * d);
                if family == Family::Skewed {
                    assert!((point.by_lambda - by_lambda).abs() < 1e-5, "{family:?} {z}");
                }
            }
        }
    }

    #[test]
    fn tails_are_the_densities() {
        for (family, nu, lambda) in CASES {
            let shock = Shock::new(family, nu, lambda);
            for p in [0.01, 0.3, 0.7] {
                let (quantile, mean) = shock.lower_tail(p);
                let (mut mass, mut moment) = (0.0, 0.0);
                for cell in -60_000..60_000 {
                    let x = (f64::from(cell) + 0.5) * 3e-4;
                    let (z, width) = (x.sinh(), 3e-4 * x.cosh());
                    if z < quantile {
                        let part = shock.at(z).value.exp() * width;
                        mass += part;
                        moment += z * part;
                    }
                }
                assert!((mass - p).abs() < 3e-4, "{family:?} {p}: {mass}");
                assert!(
                    (moment / mass - mean).abs() < 5e-3,
                    "{family:?} {p}: {} {mean}",
                    moment / mass
                );
            }
        }
    }
}
