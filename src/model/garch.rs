//! `garch`: volatility by GARCH(1,1) (Bollerslev 1986) or GJR (Glosten, Jagannathan and Runkle 1993), with
//! normal or Student's t shocks, fitted by maximum likelihood.
//!
//! Input: returns, best in percent (100·log return). σ²_t = ω + (α + γ·[ε < 0])·ε² + β·σ²_{t−1}, shocks
//! standardised to variance one. The first variance is ω + (α + γ/2 + β)·b, b the exponentially weighted
//! mean (factor 0.94) of the first 75 squared demeaned returns, as the Python library arch starts.
//! The search runs over unbounded parameters that keep α, α + γ, β ≥ 0, α + γ/2 + β ≤ 1 and ν > 2.05, with
//! the exact gradient of the likelihood. Outcome is not an error: `converged` says how it ended.

use crate::maths::minimise::{Status, bfgs};
use crate::maths::special::{digamma, ln_gamma};
use std::f64::consts::PI;

/// Fewer returns say nothing about five parameters.
pub const RETURNS_MIN: usize = 50;
/// What arch's start looks back to, and how fast it forgets.
const BACKCAST: usize = 75;
const BACKCAST_FACTOR: f64 = 0.94;
/// Bounds of ν: below, the fourth root of a sample decides; above, the t is normal.
const NU_MIN: f64 = 2.05;
const NU_MAX: f64 = 500.0;
const STEPS_MAX: usize = 400;

/// What is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Whether falls count more (GJR).
    pub leverage: bool,
    /// Student's t; normal otherwise.
    pub student: bool,
    /// Whether a mean is fitted; zero otherwise.
    pub mean: bool,
}

/// Parameters, in the units of the returns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// μ.
    pub mu: f64,
    /// ω.
    pub omega: f64,
    /// α.
    pub alpha: f64,
    /// γ.
    pub gamma: f64,
    /// β.
    pub beta: f64,
    /// ν; infinite for normal shocks.
    pub nu: f64,
}

impl Parameters {
    /// α + γ/2 + β.
    #[must_use]
    pub fn persistence(&self) -> f64 {
        self.alpha + 0.5 * self.gamma + self.beta
    }
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Parameters.
    pub parameters: Parameters,
    /// Logarithm of the likelihood.
    pub log_likelihood: f64,
    /// Variance of the first period after the sample.
    pub next_variance: f64,
    /// Residuals over their volatility, in order.
    pub standardised: Vec<f64>,
    /// Whether the search came to rest.
    pub converged: bool,
}

/// Why nothing was fitted.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// Too few.
    #[error("{0} returns; a volatility model needs at least {RETURNS_MIN}")]
    Few(usize),
    /// No number.
    #[error("return {index} is {value}")]
    NotFinite {
        /// Which, from zero.
        index: usize,
        /// What stands there.
        value: f64,
    },
    /// Nothing moves.
    #[error("the returns are all the same: there is no volatility to fit")]
    Constant,
}

/// Fits by maximum likelihood.
///
/// # Errors
/// Returns that cannot be fitted.
pub fn fit(returns: &[f64], spec: Spec) -> Result<Fit, FitError> {
    if let Some(index) = returns.iter().position(|r| !r.is_finite()) {
        return Err(FitError::NotFinite { index, value: returns[index] });
    }
    if returns.len() < RETURNS_MIN {
        return Err(FitError::Few(returns.len()));
    }
    let n = returns.len() as f64;
    let mean = returns.iter().sum::<f64>() / n;
    let variance = returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n;
    if variance <= 1e-24 * mean.abs().max(1e-300).powi(2) || variance <= 0.0 {
        return Err(FitError::Constant);
    }
    let scale =
        Scale { mean, variance, backcast: backcast(returns, if spec.mean { mean } else { 0.0 }) };
    let mut objective = |point: &[f64], slope: &mut [f64]| {
        let free = Free::of(point, spec, &scale);
        let (value, natural) = likelihood(returns, &free.parameters, spec, scale.backcast);
        free.chain(&natural, slope);
        slope.iter_mut().for_each(|g| *g = -*g / n);
        -value / n
    };
    let mut starts: Vec<(f64, Vec<f64>)> = Vec::new();
    for (reaction, persistence) in
        [(0.05, 0.98), (0.1, 0.95), (0.1, 0.8), (0.2, 0.97), (0.03, 0.995)]
    {
        let start = Free::start(reaction, persistence, spec);
        let value = objective(&start, &mut vec![0.0; start.len()]);
        starts.push((value, start));
    }
    starts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut found = bfgs(&mut objective, &starts[0].1, STEPS_MAX);
    let second = bfgs(&mut objective, &starts[2].1, STEPS_MAX);
    if second.value < found.value {
        found = second;
    }
    let parameters = Free::of(&found.point, spec, &scale).parameters;
    Ok(filter(returns, &parameters, scale.backcast, found.status == Status::Converged))
}

/// b of the first variance.
fn backcast(returns: &[f64], mean: f64) -> f64 {
    let (mut weight, mut weights, mut sum) = (1.0, 0.0, 0.0);
    for r in returns.iter().take(BACKCAST) {
        sum += weight * (r - mean).powi(2);
        weights += weight;
        weight *= BACKCAST_FACTOR;
    }
    sum / weights
}

/// Runs the recursion once with known parameters.
fn filter(returns: &[f64], p: &Parameters, backcast: f64, converged: bool) -> Fit {
    let mut variance = p.omega + p.persistence() * backcast;
    let mut standardised = Vec::with_capacity(returns.len());
    for r in returns {
        let e = r - p.mu;
        standardised.push(e / variance.sqrt());
        let reaction = if e < 0.0 { p.alpha + p.gamma } else { p.alpha };
        variance = p.omega + reaction * e * e + p.beta * variance;
    }
    let spec = Spec { leverage: true, student: p.nu.is_finite(), mean: true };
    let (log_likelihood, _) = likelihood(returns, p, spec, backcast);
    Fit { parameters: *p, log_likelihood, next_variance: variance, standardised, converged }
}

/// Logarithm of the likelihood and its gradient by (μ, ω, α, γ, β, ν).
fn likelihood(returns: &[f64], p: &Parameters, spec: Spec, backcast: f64) -> (f64, [f64; 6]) {
    let n = returns.len() as f64;
    let mut h = p.omega + p.persistence() * backcast;
    // ∂h by μ, ω, α, γ, β
    let mut dh = [0.0, 1.0, backcast, 0.5 * backcast, backcast];
    let (mut value, mut slope) = (0.0, [0.0; 6]);
    for r in returns {
        let e = r - p.mu;
        let square = e * e;
        // ∂ln f by h and by e
        let (by_h, by_e) = if spec.student {
            let room = h * (p.nu - 2.0);
            let ratio = square / room;
            let log = ratio.ln_1p();
            value -= 0.5 * h.ln() + 0.5 * (p.nu + 1.0) * log;
            let pull = (p.nu + 1.0) * ratio / (1.0 + ratio);
            slope[5] += -0.5 * log + 0.5 * pull / (p.nu - 2.0);
            (0.5 * (pull - 1.0) / h, -(p.nu + 1.0) * e / (room * (1.0 + ratio)))
        } else {
            value -= 0.5 * (h.ln() + square / h);
            (0.5 * (square / h - 1.0) / h, -e / h)
        };
        for k in 0..5 {
            slope[k] += by_h * dh[k];
        }
        slope[0] -= by_e;
        let fall = f64::from(u8::from(e < 0.0));
        let reaction = p.alpha + p.gamma * fall;
        let direct = [-2.0 * reaction * e, 1.0, square, fall * square, h];
        for k in 0..5 {
            dh[k] = direct[k] + p.beta * dh[k];
        }
        h = p.omega + reaction * square + p.beta * h;
    }
    if spec.student {
        let constant =
            ln_gamma(0.5 * (p.nu + 1.0)) - ln_gamma(0.5 * p.nu) - 0.5 * (PI * (p.nu - 2.0)).ln();
        value += n * constant;
        slope[5] += n
            * (0.5 * digamma(0.5 * (p.nu + 1.0)) - 0.5 * digamma(0.5 * p.nu) - 0.5 / (p.nu - 2.0));
    } else {
        value -= 0.5 * n * (2.0 * PI).ln();
    }
    (value, slope)
}

/// What the sample says about units.
struct Scale {
    mean: f64,
    variance: f64,
    backcast: f64,
}

/// Parameters seen from the search's unbounded ones: ln ω̂, logit of persistence, logit of the reaction's
/// share, then the mean's shift, artanh of leverage and logit of ν where they are fitted.
struct Free {
    parameters: Parameters,
    /// ∂(μ, ω, α, γ, β, ν) by each unbounded parameter.
    jacobian: Vec<[f64; 6]>,
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

impl Free {
    fn start(reaction: f64, persistence: f64, spec: Spec) -> Vec<f64> {
        let mut point =
            vec![(1.0 - persistence).ln(), logit(persistence), logit(reaction / persistence)];
        point.extend(spec.mean.then_some(0.0));
        point.extend(spec.leverage.then_some(0.1));
        point.extend(spec.student.then_some(logit((7.0 - NU_MIN) / (NU_MAX - NU_MIN))));
        point
    }

    fn of(point: &[f64], spec: Spec, scale: &Scale) -> Free {
        let omega = scale.variance * point[0].exp();
        let persistence = logistic(point[1]);
        let share = logistic(point[2]);
        let (reaction, beta) = (persistence * share, persistence * (1.0 - share));
        let mut rest = point[3..].iter().copied();
        let deviation = scale.variance.sqrt();
        let mu = if spec.mean { scale.mean + deviation * rest.next().unwrap_or(0.0) } else { 0.0 };
        let lean = if spec.leverage { rest.next().unwrap_or(0.0).tanh() } else { 0.0 };
        let place = if spec.student { logistic(rest.next().unwrap_or(0.0)) } else { 0.0 };
        let nu = if spec.student { NU_MIN + (NU_MAX - NU_MIN) * place } else { f64::INFINITY };
        let (alpha, gamma) = (reaction * (1.0 - lean), 2.0 * reaction * lean);
        // reaction r splits into α = r(1 − l), γ = 2rl
        let spread = |by_r: f64, by_beta: f64| {
            [0.0, 0.0, by_r * (1.0 - lean), 2.0 * by_r * lean, by_beta, 0.0]
        };
        let (dp, ds) = (persistence * (1.0 - persistence), share * (1.0 - share));
        let mut jacobian = vec![
            [0.0, omega, 0.0, 0.0, 0.0, 0.0],
            spread(dp * share, dp * (1.0 - share)),
            spread(persistence * ds, -persistence * ds),
        ];
        if spec.mean {
            jacobian.push([deviation, 0.0, 0.0, 0.0, 0.0, 0.0]);
        }
        if spec.leverage {
            let dl = 1.0 - lean * lean;
            jacobian.push([0.0, 0.0, -reaction * dl, 2.0 * reaction * dl, 0.0, 0.0]);
        }
        if spec.student {
            jacobian.push([0.0, 0.0, 0.0, 0.0, 0.0, (NU_MAX - NU_MIN) * place * (1.0 - place)]);
        }
        Free { parameters: Parameters { mu, omega, alpha, gamma, beta, nu }, jacobian }
    }

    fn chain(&self, natural: &[f64; 6], slope: &mut [f64]) {
        for (to, row) in slope.iter_mut().zip(&self.jacobian) {
            *to = row.iter().zip(natural).map(|(a, b)| a * b).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A GARCH path of its own little generator, so that nothing here depends on a kernel.
    fn sample(n: usize, p: Parameters) -> Vec<f64> {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / 9_007_199_254_740_992.0 + 1e-17
        };
        let mut h = p.omega / (1.0 - p.persistence());
        (0..n)
            .map(|_| {
                let (u, v) = (uniform(), uniform());
                let radius = if p.nu.is_finite() {
                    ((p.nu - 2.0) * (u.powf(-2.0 / p.nu) - 1.0)).sqrt()
                } else {
                    (-2.0 * u.ln()).sqrt()
                };
                let e = h.sqrt() * radius * (2.0 * PI * v).cos();
                let reaction = if e < 0.0 { p.alpha + p.gamma } else { p.alpha };
                h = p.omega + reaction * e * e + p.beta * h;
                p.mu + e
            })
            .collect()
    }

    fn truth(gamma: f64, nu: f64) -> Parameters {
        Parameters { mu: 0.05, omega: 0.05, alpha: 0.08, gamma, beta: 0.87, nu }
    }

    #[test]
    fn the_gradient_is_the_slope() {
        let returns = sample(300, truth(0.04, 6.0));
        for student in [true, false] {
            let spec = Spec { leverage: true, student, mean: true };
            let p = truth(0.03, if student { 5.0 } else { f64::INFINITY });
            let (_, slope) = likelihood(&returns, &p, spec, 1.3);
            let moved = |k: usize, by: f64| {
                let mut q = p;
                *[&mut q.mu, &mut q.omega, &mut q.alpha, &mut q.gamma, &mut q.beta, &mut q.nu]
                    [k] += by;
                likelihood(&returns, &q, spec, 1.3).0
            };
            for (k, slope) in slope.iter().enumerate().take(if student { 6 } else { 5 }) {
                let difference = (moved(k, 1e-6) - moved(k, -1e-6)) / 2e-6;
                assert!((slope - difference).abs() < 1e-4 * difference.abs().max(1.0), "{k}");
            }
        }
    }

    #[test]
    fn parameters_are_found_again() {
        for (spec, p) in [
            (Spec { leverage: false, student: true, mean: true }, truth(0.0, 6.0)),
            (Spec { leverage: true, student: true, mean: true }, truth(0.06, 6.0)),
            (Spec { leverage: false, student: false, mean: true }, truth(0.0, f64::INFINITY)),
        ] {
            let returns = sample(20_000, p);
            let found = fit(&returns, spec).expect("sound");
            let q = found.parameters;
            assert!(found.converged, "{spec:?}");
            assert!((q.alpha - p.alpha).abs() < 0.02 && (q.beta - p.beta).abs() < 0.03, "{q:?}");
            assert!((q.gamma - p.gamma).abs() < 0.03 && (q.mu - p.mu).abs() < 0.02, "{q:?}");
            if p.nu.is_finite() {
                assert!((q.nu - p.nu).abs() < 1.0, "{q:?}");
            }
            let (at_truth, _) = likelihood(&returns, &p, spec, backcast(&returns, p.mu));
            assert!(
                found.log_likelihood >= at_truth - 0.5,
                "the maximum is no lower than the truth"
            );
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let spec = Spec { leverage: false, student: true, mean: true };
        assert_eq!(fit(&[0.1; 10], spec), Err(FitError::Few(10)));
        assert_eq!(fit(&[0.1; 100], spec), Err(FitError::Constant));
        let mut returns = vec![0.1; 100];
        returns[3] = f64::NAN;
        assert!(matches!(fit(&returns, spec), Err(FitError::NotFinite { index: 3, .. })));
    }
}
