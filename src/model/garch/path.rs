//! The recursion of variances along a series, with its slopes by every parameter.

use super::shock::{Family, Shock};
use super::{Parameters, Start, Volatility, fast};

/// μ, ω, α, γ, β, ν (or η), λ.
pub(super) const PARAMETERS: usize = 7;
pub(super) type Slopes = [f64; PARAMETERS];

/// E|z| of a standard normal, which EGARCH takes from |z|: √(2/π).
pub(super) const NORMAL_SIZE: f64 = 0.797_884_560_802_865_4;
/// Logarithms of variances beyond which a search has gone astray.
pub(super) const LOG_MAX: f64 = 200.0;

/// What is walked along.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series<'a> {
    pub returns: &'a [f64],
    pub volatility: Volatility,
    pub family: Family,
    pub start: Start,
    /// b of the first variance, where `start` wants it.
    pub backcast: f64,
}

/// One period.
pub(super) struct Step {
    pub variance: f64,
    pub residual: f64,
    pub log_density: f64,
    pub slopes: Slopes,
}

impl Series<'_> {
    /// The first variance, and its slopes by μ, ω, α, γ, β.
    fn first(&self, p: &Parameters) -> (f64, [f64; 5]) {
        let n = self.returns.len() as f64;
        let mean_square = || {
            let residuals = self.returns.iter().map(|r| r - p.mu);
            let (sum, squares) =
                residuals.fold((0.0, 0.0), |(sum, squares), e| (sum + e, squares + e * e));
            (squares / n, -2.0 * sum / n)
        };
        let is_log = self.volatility == Volatility::Egarch;
        match (self.start, is_log) {
            (Start::Arch, false) => {
                let b = self.backcast;
                (p.omega + p.persistence() * b, [0.0, 1.0, b, 0.5 * b, b])
            }
            (Start::Arch, true) => {
                let log = self.backcast.ln();
                let first = (p.omega + p.beta * log).clamp(-LOG_MAX, LOG_MAX);
                (first, [0.0, 1.0, 0.0, 0.0, log])
            }
            (Start::Sample, false) => {
                let (square, by_mu) = mean_square();
                (square, [by_mu, 0.0, 0.0, 0.0, 0.0])
            }
            (Start::Sample, true) => {
                let (square, by_mu) = mean_square();
                (square.ln(), [by_mu / square, 0.0, 0.0, 0.0, 0.0])
            }
            (Start::Unconditional, false) => {
                let rest = (1.0 - p.persistence()).max(1e-9);
                let level = p.omega / rest;
                let slope = level / rest;
                (level, [0.0, 1.0 / rest, slope, 0.5 * slope, slope])
            }
            (Start::Unconditional, true) => {
                let rest = (1.0 - p.beta).max(1e-9);
                let level = (p.omega / rest).clamp(-LOG_MAX, LOG_MAX);
                (level, [0.0, 1.0 / rest, 0.0, 0.0, level / rest])
            }
        }
    }

    /// Walks along and shows every period; returns the variance of the period after the last.
    pub fn walk(&self, p: &Parameters, mut each: impl FnMut(Step)) -> f64 {
        let shock = Shock::new(self.family, p.nu, p.lambda);
        let is_log = self.volatility == Volatility::Egarch;
        // the variance, or in EGARCH its logarithm, and its slopes
        let (mut level, mut slope) = self.first(p);
        for r in self.returns {
            let e = r - p.mu;
            let h = if is_log { level.exp() } else { level };
            let root = h.sqrt();
            let z = e / root;
            let point = shock.at(z);
            // ∂ ln f by ln h, then by h itself where that is what is walked
            let by_log = -0.5 * (1.0 + point.by_z * z);
            let by_level = if is_log { by_log } else { by_log / h };
            let mut slopes = [0.0; PARAMETERS];
            for k in 0..5 {
                slopes[k] = by_level * slope[k];
            }
            slopes[0] -= point.by_z / root;
            slopes[5] = point.by_nu;
            slopes[6] = point.by_lambda;
            let log_density = point.value - 0.5 * h.ln();
            each(Step { variance: h, residual: e, log_density, slopes });
            if is_log {
                let pull = p.alpha * z.signum() + p.gamma;
                let direct = [-pull / root, 1.0, z.abs() - NORMAL_SIZE, z, level];
                for k in 0..5 {
                    slope[k] = direct[k] + (p.beta - 0.5 * pull * z) * slope[k];
                }
                level = p.omega + p.alpha * (z.abs() - NORMAL_SIZE) + p.gamma * z + p.beta * level;
                level = level.clamp(-LOG_MAX, LOG_MAX);
            } else {
                let fall = f64::from(u8::from(e < 0.0));
                let reaction = p.alpha + p.gamma * fall;
                let square = e * e;
                let direct = [-2.0 * reaction * e, 1.0, square, fall * square, h];
                for k in 0..5 {
                    slope[k] = direct[k] + p.beta * slope[k];
                }
                level = p.omega + reaction * square + p.beta * h;
            }
        }
        if is_log { level.exp() } else { level }
    }

    /// Logarithm of the likelihood and its slopes, by the fast twin where there is one.
    pub fn likelihood(&self, p: &Parameters) -> (f64, Slopes) {
        let is_fast = self.volatility != Volatility::Egarch && self.family != Family::Skewed;
        if is_fast { fast::likelihood(self, p, self.first(p)) } else { self.slow_likelihood(p) }
    }

    /// The same, period by period. An EGARCH that does not forget its start has no likelihood: where the
    /// mean logarithm of |β − ½(α|z| + γz)|, by which a slip of ln σ² lives on, is not negative, its filter
    /// follows rounding (Straumann and Mikosch 2006; Wintenberger 2013).
    pub fn slow_likelihood(&self, p: &Parameters) -> (f64, Slopes) {
        let is_log = self.volatility == Volatility::Egarch;
        let (mut value, mut slopes, mut memory) = (0.0, [0.0; PARAMETERS], fast::Logs::new());
        self.walk(p, |step| {
            value += step.log_density;
            slopes.iter_mut().zip(&step.slopes).for_each(|(sum, slope)| *sum += slope);
            if is_log {
                let z = step.residual / step.variance.sqrt();
                memory.add((p.beta - 0.5 * (p.alpha * z.abs() + p.gamma * z)).abs());
            }
        });
        if is_log && memory.whole() >= 0.0 {
            value = f64::NEG_INFINITY;
        }
        (value, slopes)
    }
}
