//! The likelihood of GARCH and GJR with normal or Student's t shocks, with its slopes: `path`'s fast twin.
//!
//! No root and no logarithm a period: only z² matters, and logarithms are taken of products of
//! many periods; one division a period.
//! Within 1e-10 of `path` relative to the number of periods.

use super::path::{Series, Slopes};
use super::shock::Family;
use super::{Parameters, Volatility};
use crate::maths::special::{digamma, ln_gamma};
use std::f64::consts::PI;

/// A product beyond this is turned into its logarithm.
const PRODUCT: std::ops::Range<f64> = 1e-200..1e200;

/// Σ ln of numbers, by products.
pub(super) struct Logs {
    sum: f64,
    product: f64,
}

impl Logs {
    pub fn new() -> Logs {
        Logs { sum: 0.0, product: 1.0 }
    }

    #[inline(always)]
    pub fn add(&mut self, x: f64) {
        let product = self.product * x;
        if PRODUCT.contains(&product) {
            self.product = product;
        } else {
            self.sum += self.product.ln() + x.ln();
            self.product = 1.0;
        }
    }

    pub fn whole(self) -> f64 {
        self.sum + self.product.ln()
    }
}

/// Logarithm of the likelihood and its slopes; `first` is the first variance with its slopes.
pub(super) fn likelihood(series: &Series, p: &Parameters, first: (f64, [f64; 5])) -> (f64, Slopes) {
    // without leverage the slope by γ stays out
    let leans = series.volatility == Volatility::Gjr || p.gamma != 0.0;
    match (leans, series.family == Family::Student) {
        (false, false) => pass::<false, false>(series, p, first),
        (false, true) => pass::<false, true>(series, p, first),
        (true, false) => pass::<true, false>(series, p, first),
        (true, true) => pass::<true, true>(series, p, first),
    }
}

/// One division a period: with q = (ν − 2)h + ε² both 1/h and 1/q come of 1/(hq), and the density's
/// logarithm of ln h and ln q.
fn pass<const LEANS: bool, const STUDENT: bool>(
    series: &Series,
    p: &Parameters,
    (mut h, first): (f64, [f64; 5]),
) -> (f64, Slopes) {
    let n = series.returns.len() as f64;
    // slopes of the variance by μ, ω, α, β stand side by side; the one by γ apart
    let (mut dh, mut dh_lean) = ([first[0], first[1], first[2], first[4]], first[3]);
    let (mut slopes, mut slope_lean) = ([0.0; 4], 0.0);
    let (mut variances, mut widths) = (Logs::new(), Logs::new());
    let (mut pulls, mut by_mu) = (0.0, 0.0);
    let room = p.nu - 2.0;
    for r in series.returns {
        let e = r - p.mu;
        let square = e * e;
        variances.add(h);
        // −2·∂ln f/∂h·h is 1 − pull, −∂ln f/∂e is e times `push`
        let (inverse, pull, push) = if STUDENT {
            let q = room * h + square;
            let both = 1.0 / (h * q);
            widths.add(q);
            let push = (p.nu + 1.0) * (h * both);
            (q * both, push * square, push)
        } else {
            let inverse = 1.0 / h;
            (inverse, square * inverse, inverse)
        };
        pulls += pull;
        by_mu += push * e;
        let by_h = 0.5 * inverse * (pull - 1.0);
        let fall = if LEANS { f64::from(u8::from(e < 0.0)) } else { 0.0 };
        let reaction = p.alpha + p.gamma * fall;
        let direct = [-2.0 * reaction * e, 1.0, square, h];
        for k in 0..4 {
            slopes[k] += by_h * dh[k];
            dh[k] = direct[k] + p.beta * dh[k];
        }
        if LEANS {
            slope_lean += by_h * dh_lean;
            dh_lean = fall * square + p.beta * dh_lean;
        }
        h = p.omega + reaction * square + p.beta * h;
    }
    let variances = variances.whole();
    let mut value = -0.5 * variances;
    let mut by_nu = 0.0;
    if STUDENT {
        let half = 0.5 * (p.nu + 1.0);
        // Σ ln(1 + z²/(ν − 2))
        let tails = widths.whole() - variances - n * room.ln();
        value +=
            n * (ln_gamma(half) - ln_gamma(0.5 * p.nu) - 0.5 * (PI * room).ln()) - half * tails;
        let constant = 0.5 * (digamma(half) - digamma(0.5 * p.nu) - 1.0 / room);
        by_nu = n * constant - 0.5 * tails + 0.5 * pulls / room;
    } else {
        value -= 0.5 * (n * (2.0 * PI).ln() + pulls);
    }
    let slopes = [slopes[0] + by_mu, slopes[1], slopes[2], slope_lean, slopes[3], by_nu, 0.0];
    (value, slopes)
}
