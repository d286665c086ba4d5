//! The likelihood of GARCH and GJR with normal or Student's t shocks, with its slopes: `path`'s fast twin.
//!
//! No root and no logarithm a period: only z² matters, and logarithms are taken of products of `RUN` periods.
//! Within 1e-10 of `path` relative to the number of periods.

use super::Parameters;
use super::path::{PARAMETERS, Series, Slopes};
use super::shock::Family;
use crate::maths::special::{digamma, ln_gamma};
use std::f64::consts::PI;

/// Periods whose variances are multiplied before a logarithm is taken; each lies within 1e±18 in any units
/// that a search meets, else their logarithms are taken one by one.
const RUN: usize = 8;
const PRODUCT: std::ops::Range<f64> = 1e-18..1e18;

/// Σ ln of numbers, by products.
struct Logs {
    sum: f64,
    product: f64,
    held: usize,
}

impl Logs {
    fn new() -> Logs {
        Logs { sum: 0.0, product: 1.0, held: 0 }
    }

    #[inline(always)]
    fn add(&mut self, x: f64) {
        if !PRODUCT.contains(&x) {
            self.sum += x.ln();
            return;
        }
        self.product *= x;
        self.held += 1;
        if self.held == RUN {
            self.sum += self.product.ln();
            (self.product, self.held) = (1.0, 0);
        }
    }

    fn whole(self) -> f64 {
        self.sum + self.product.ln()
    }
}

/// Logarithm of the likelihood and its slopes; `first` is the first variance with its slopes.
pub(super) fn likelihood(series: &Series, p: &Parameters, first: (f64, [f64; 5])) -> (f64, Slopes) {
    let is_student = series.family == Family::Student;
    let n = series.returns.len() as f64;
    let (mut h, mut dh) = first;
    let (mut variances, mut tails) = (Logs::new(), Logs::new());
    let (mut squares, mut slopes, mut by_nu) = (0.0, [0.0; PARAMETERS], 0.0);
    let room = p.nu - 2.0;
    for r in series.returns {
        let e = r - p.mu;
        let square = e * e;
        let inverse = 1.0 / h;
        let ratio = square * inverse;
        // −2·∂ln f/∂h·h is 1 − pull; −∂ln f/∂e is pull·h⁻¹·e
        let pull = if is_student {
            let share = 1.0 / (room + ratio);
            tails.add(1.0 + ratio / room);
            let pull = (p.nu + 1.0) * share;
            by_nu += pull * ratio;
            pull
        } else {
            squares += ratio;
            1.0
        };
        variances.add(h);
        let by_h = 0.5 * inverse * (pull * ratio - 1.0);
        for k in 0..5 {
            slopes[k] += by_h * dh[k];
        }
        slopes[0] += pull * inverse * e;
        let is_fall = e < 0.0;
        let reaction = if is_fall { p.alpha + p.gamma } else { p.alpha };
        let fallen = if is_fall { square } else { 0.0 };
        let direct = [-2.0 * reaction * e, 1.0, square, fallen, h];
        for k in 0..5 {
            dh[k] = direct[k] + p.beta * dh[k];
        }
        h = p.omega + reaction * square + p.beta * h;
    }
    let mut value = -0.5 * variances.whole();
    if is_student {
        let half = 0.5 * (p.nu + 1.0);
        let logs = tails.whole();
        value += n * (ln_gamma(half) - ln_gamma(0.5 * p.nu) - 0.5 * (PI * room).ln()) - half * logs;
        let constant = 0.5 * (digamma(half) - digamma(0.5 * p.nu) - 1.0 / room);
        slopes[5] = n * constant - 0.5 * logs + 0.5 * by_nu / room;
    } else {
        value -= 0.5 * (n * (2.0 * PI).ln() + squares);
    }
    (value, slopes)
}
