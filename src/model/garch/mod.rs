//! `garch`: volatility by GARCH(1,1) (Bollerslev 1986), GJR (Glosten, Jagannathan and Runkle 1993) or EGARCH
//! (Nelson 1991), with normal, Student's t or Hansen's skewed t shocks, by maximum likelihood.
//!
//! Input: returns, best in percent (100·log return).
//! GARCH and GJR: σ²_t = ω + (α + γ·[ε < 0])·ε² + β·σ²_{t−1};
//! EGARCH: ln σ²_t = ω + α(|z| − √(2/π)) + γz + β·ln σ²_{t−1}, z = ε/σ of the period before.
//! Shocks are standardised to variance one. The first variance, as the Python library arch starts:
//! ω + (α + γ/2 + β)·b (EGARCH: ω + β·ln b), b the exponentially weighted mean (factor 0.94) of the first 75
//! squared demeaned returns; or the mean square of the sample; or the level that the process tends to.
//! The search runs from several starts over unbounded parameters (`free`) with the exact gradient (`path`);
//! its first idea of the curvature are the scores' second moments.
//! Outcome is not an error: `converged` says how it ended, `boundary` what limits it stands at.

mod errors;
mod fast;
mod free;
mod path;
mod shock;

#[cfg(test)]
mod tests;

pub use errors::StandardErrors;
pub use shock::Family;

use crate::maths::minimise::{Search, Status};
use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, Side};
use free::{Free, NU_MAX, NU_MIN, Scale};
use path::{LOG_MAX, NORMAL_SIZE, Series};
use shock::Shock;

/// Fewer returns say nothing about five parameters.
pub const RETURNS_MIN: usize = 50;
/// What arch's start looks back to, and how fast it forgets.
const BACKCAST: usize = 75;
const BACKCAST_FACTOR: f64 = 0.94;
const STEPS_MAX: usize = 400;
/// Up to so many returns every start is run to its end, up to so many two; beyond, the better of two goes on
/// alone after some steps.
const TINY: usize = 600;
const SHORT: usize = 2_000;
const STEPS_AHEAD: usize = 6;
/// Returns, the first ones, whose scores say what the curvature at a start is like.
const INFORMATION: usize = 1_000;
/// Nearer than this a limit counts as reached.
const AT_LIMIT: f64 = 1e-5;
/// ω below this share of the mean square is none.
const VANISHING: f64 = 1e-7;

/// How variance moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Volatility {
    /// GARCH(1,1).
    #[default]
    Garch,
    /// Falls count more.
    Gjr,
    /// In logarithms.
    Egarch,
}

/// The first variance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// As arch starts.
    #[default]
    Arch,
    /// The sample's mean square.
    Sample,
    /// What the process tends to.
    Unconditional,
}

/// What is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How variance moves.
    pub volatility: Volatility,
    /// Shocks.
    pub family: Family,
    /// Whether a mean is fitted; zero otherwise.
    pub mean: bool,
    /// The first variance.
    pub start: Start,
    /// Whether ω is set so that the variance tends to the sample's (Engle and Mezrich 1996): GARCH and GJR.
    pub targeted: bool,
}

impl Spec {
    /// With a mean, started as arch starts, ω free.
    #[must_use]
    pub const fn new(volatility: Volatility, family: Family) -> Spec {
        Spec { volatility, family, mean: true, start: Start::Arch, targeted: false }
    }
}

/// Parameters, in the units of the returns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
    /// ν, or Hansen's η; infinite for normal shocks.
    pub nu: f64,
    /// Hansen's λ.
    pub lambda: f64,
}

impl Parameters {
    /// α + γ/2 + β, of GARCH and GJR.
    #[must_use]
    pub fn persistence(&self) -> f64 {
        self.alpha + 0.5 * self.gamma + self.beta
    }

    /// By its place in μ, ω, α, γ, β, ν, λ.
    fn get(&self, place: usize) -> f64 {
        [self.mu, self.omega, self.alpha, self.gamma, self.beta, self.nu, self.lambda][place]
    }

    fn with(&self, place: usize, value: f64) -> Parameters {
        let mut to = *self;
        *[
            &mut to.mu,
            &mut to.omega,
            &mut to.alpha,
            &mut to.gamma,
            &mut to.beta,
            &mut to.nu,
            &mut to.lambda,
        ][place] = value;
        to
    }
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// What was fitted.
    pub spec: Spec,
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
    /// Limits that the parameters stand at.
    pub boundary: Vec<&'static str>,
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
    /// A target that is none.
    #[error("EGARCH takes no variance target: its variance has no level in closed form")]
    Target,
    /// Nothing moves.
    #[error("the returns are all the same: there is no volatility to fit")]
    Constant,
    /// Parameters that no process has.
    #[error("{name} = {value}: {wanted}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is wanted.
        wanted: &'static str,
    },
}

/// Mean and variance of returns that can be fitted.
fn moments(returns: &[f64]) -> Result<Scale, FitError> {
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
    Ok(Scale { mean, variance })
}

fn series<'a>(returns: &'a [f64], spec: Spec, scale: &Scale) -> Series<'a> {
    let backcast = backcast(returns, if spec.mean { scale.mean } else { 0.0 });
    // a first stretch without any movement has no logarithm
    let backcast = if backcast > 0.0 { backcast } else { scale.variance };
    let Spec { volatility, family, start, .. } = spec;
    Series { returns, volatility, family, start, backcast }
}

/// Fits by maximum likelihood.
///
/// # Errors
/// Returns that cannot be fitted, a target for EGARCH, whose variance has none in closed form.
pub fn fit(returns: &[f64], spec: Spec) -> Result<Fit, FitError> {
    if spec.targeted && spec.volatility == Volatility::Egarch {
        return Err(FitError::Target);
    }
    let scale = moments(returns)?;
    let series = series(returns, spec, &scale);
    let n = returns.len() as f64;
    let mut objective = |point: &[f64], slope: &mut [f64]| {
        let free = Free::of(point, spec, &scale);
        let (value, natural) = series.likelihood(&free.parameters);
        free.chain(&natural, slope);
        slope.iter_mut().for_each(|g| *g = -*g / n);
        if value.is_finite() { -value / n } else { f64::INFINITY }
    };
    let mut starts: Vec<(f64, Vec<f64>)> = Vec::new();
    for (reaction, persistence) in
        [(0.05, 0.98), (0.1, 0.95), (0.1, 0.8), (0.2, 0.97), (0.03, 0.995), (0.15, 0.2)]
    {
        let start = Free::start(reaction, persistence, spec);
        let value = objective(&start, &mut vec![0.0; start.len()]);
        starts.push((value, start));
    }
    starts.sort_by(|a, b| a.0.total_cmp(&b.0));
    // short series have several peaks
    let picked: &[usize] = if returns.len() <= TINY { &[0, 1, 2, 3, 4, 5] } else { &[0, 2] };
    let steps = if returns.len() <= SHORT { STEPS_MAX } else { STEPS_AHEAD };
    let mut best: Option<(Search, Status)> = None;
    for &at in picked {
        let start = &starts[at].1;
        let known = inverse_information(&series, start, spec, &scale);
        let mut search = Search::new(&mut objective, start, known);
        let status = search.run(&mut objective, steps);
        if best.as_ref().is_none_or(|(best, _)| search.value() < best.value()) {
            best = Some((search, status));
        }
    }
    let (mut search, mut status) = best.ok_or(FitError::Few(returns.len()))?;
    if status == Status::StepLimit {
        status = search.run(&mut objective, STEPS_MAX);
    }
    let found = search.minimum(status);
    let parameters = Free::of(&found.point, spec, &scale).parameters;
    Ok(filter(&series, spec, &parameters, found.status == Status::Converged))
}

/// The inverse of the scores' second moments at a point, near the curvature of minus the mean log likelihood
/// (Berndt, Hall, Hall and Hausman 1974); None where they say nothing.
fn inverse_information(
    series: &Series,
    point: &[f64],
    spec: Spec,
    scale: &Scale,
) -> Option<Vec<Vec<f64>>> {
    let some = series.returns.len().min(INFORMATION);
    let series = Series { returns: &series.returns[..some], ..*series };
    let free = Free::of(point, spec, scale);
    let size = point.len();
    let mut score = vec![0.0; size];
    let mut moments = Mat::<f64>::zeros(size, size);
    series.walk(&free.parameters, |step| {
        free.chain(&step.slopes, &mut score);
        for (i, a) in score.iter().enumerate() {
            for (j, b) in score[..=i].iter().enumerate() {
                moments[(i, j)] += a * b / some as f64;
            }
        }
    });
    let trace: f64 = (0..size).map(|k| moments[(k, k)]).sum();
    (0..size).for_each(|k| moments[(k, k)] += 1e-6 * trace);
    let inverse = moments.llt(Side::Lower).ok()?.inverse();
    let rows: Vec<Vec<f64>> =
        (0..size).map(|i| (0..size).map(|j| inverse[(i, j)]).collect()).collect();
    rows.iter().flatten().all(|x| x.is_finite()).then_some(rows)
}

/// The same with given parameters: nothing is searched.
///
/// # Errors
/// Returns that cannot be fitted, or parameters that no process has.
pub fn evaluate(returns: &[f64], spec: Spec, p: &Parameters) -> Result<Fit, FitError> {
    let is_log = spec.volatility == Volatility::Egarch;
    let not_negative = "give a number that is not negative";
    for (name, value, fits, wanted) in [
        ("mu", p.mu, p.mu.is_finite(), "give a number"),
        ("omega", p.omega, p.omega.is_finite() && (is_log || p.omega > 0.0), "give one above 0"),
        ("alpha", p.alpha, p.alpha.is_finite() && (is_log || p.alpha >= 0.0), not_negative),
        ("alpha + gamma", p.alpha + p.gamma, is_log || p.alpha + p.gamma >= 0.0, not_negative),
        ("beta", p.beta, p.beta.is_finite() && (is_log || p.beta >= 0.0), not_negative),
        ("nu", p.nu, spec.family == Family::Normal || p.nu > 2.0, "give more than 2"),
        ("lambda", p.lambda, p.lambda.abs() < 1.0, "give one between -1 and 1"),
    ] {
        if !fits {
            return Err(FitError::Parameter { name, value, wanted });
        }
    }
    let scale = moments(returns)?;
    Ok(filter(&series(returns, spec, &scale), spec, p, true))
}

/// Standard errors of a fit to these returns.
///
/// # Errors
/// Returns that cannot be fitted.
pub fn standard_errors(returns: &[f64], fit: &Fit) -> Result<StandardErrors, FitError> {
    let scale = moments(returns)?;
    let series = series(returns, fit.spec, &scale);
    Ok(errors::standard_errors(&series, &fit.parameters, fit.spec))
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

/// Walks once with known parameters.
fn filter(series: &Series, spec: Spec, p: &Parameters, converged: bool) -> Fit {
    let mut standardised = Vec::with_capacity(series.returns.len());
    let mut log_likelihood = 0.0;
    let next_variance = series.walk(p, |step| {
        standardised.push(step.residual / step.variance.sqrt());
        log_likelihood += step.log_density;
    });
    let mut boundary = boundary(spec, p);
    let n = series.returns.len() as f64;
    let square = series.returns.iter().map(|r| (r - p.mu).powi(2)).sum::<f64>() / n;
    if spec.volatility != Volatility::Egarch && p.omega < VANISHING * square {
        boundary.push("omega = 0: variance may vanish (often where many returns are the same)");
    }
    Fit { spec, parameters: *p, log_likelihood, next_variance, standardised, converged, boundary }
}

/// Limits that parameters stand at.
fn boundary(spec: Spec, p: &Parameters) -> Vec<&'static str> {
    let is_log = spec.volatility == Volatility::Egarch;
    let all = [
        (
            !is_log && p.persistence() > 1.0 - AT_LIMIT,
            "alpha + gamma/2 + beta = 1: variance has no level",
        ),
        (is_log && p.beta.abs() > 1.0 - AT_LIMIT, "beta = 1: log variance has no level"),
        (!is_log && p.alpha < AT_LIMIT, "alpha = 0: rises leave variance as it is"),
        (!is_log && p.beta < AT_LIMIT, "beta = 0: variance forgets at once"),
        (
            spec.family != Family::Normal && p.nu < NU_MIN + 1e-3,
            "nu = 2: shocks have hardly a variance",
        ),
        (
            spec.family != Family::Normal && p.nu > 0.98 * NU_MAX,
            "nu at its greatest: shocks are normal",
        ),
    ];
    all.into_iter().filter(|(is_reached, _)| *is_reached).map(|(_, words)| words).collect()
}

impl Fit {
    /// Variances of the next periods, the first first.
    #[must_use]
    pub fn forecast(&self, periods: usize) -> Vec<f64> {
        let p = &self.parameters;
        let mut variance = self.next_variance;
        let mut all = Vec::with_capacity(periods);
        for _ in 0..periods {
            all.push(variance);
            variance = match self.spec.volatility {
                // the mean of ln σ², turned: the median of the variance, not its mean
                Volatility::Egarch => (p.omega + p.beta * variance.ln()).exp(),
                _ => p.omega + p.persistence() * variance,
            };
        }
        all
    }

    /// Value at risk and expected shortfall of the next period at a level, positive for a loss, in the
    /// returns' units.
    #[must_use]
    pub fn next_tail(&self, level: f64) -> (f64, f64) {
        let (quantile, mean) = self.shock_tail(level);
        let (mu, deviation) = (self.parameters.mu, self.next_variance.sqrt());
        (-(mu + deviation * quantile), -(mu + deviation * mean))
    }

    /// The standardised shock that is undercut with probability 1 − level, and the mean of those below it.
    #[must_use]
    pub fn shock_tail(&self, level: f64) -> (f64, f64) {
        let p = &self.parameters;
        Shock::new(self.spec.family, p.nu, p.lambda).lower_tail(1.0 - level)
    }

    /// The variance after a period of this variance and return.
    #[must_use]
    pub fn variance_after(&self, variance: f64, r: f64) -> f64 {
        let p = &self.parameters;
        let e = r - p.mu;
        if self.spec.volatility == Volatility::Egarch {
            let z = e / variance.sqrt();
            let news = p.alpha * (z.abs() - NORMAL_SIZE) + p.gamma * z;
            return (p.omega + news + p.beta * variance.ln()).clamp(-LOG_MAX, LOG_MAX).exp();
        }
        let reaction = if e < 0.0 { p.alpha + p.gamma } else { p.alpha };
        p.omega + reaction * e * e + p.beta * variance
    }
}
