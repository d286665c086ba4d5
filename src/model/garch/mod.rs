//! `garch`: volatility by GARCH(1,1) (Bollerslev 1986), GJR (Glosten, Jagannathan and Runkle 1993) or EGARCH
//! (Nelson 1991), with normal, Student's t or Hansen's skewed t shocks, by maximum likelihood.
//!
//! Input: returns, best in percent (100·log return).
//! GARCH and GJR: σ²_t = ω + (α + γ·[ε < 0])·ε² + β·σ²_{t−1};
//! EGARCH: ln σ²_t = ω + α(|z| − √(2/π)) + γz + β·ln σ²_{t−1}, z = ε/σ of the period before.
//! Shocks are standardised to variance one. The first variance, as the Python library arch starts:
//! ω + (α + γ/2 + β)·b (EGARCH: ω + β·ln b), b the exponentially weighted mean (factor 0.94) of the first 75
//! squared demeaned returns; or the mean square of the sample; or the level that the process tends to.
//! The search runs from several starts over unbounded parameters (`free`) with the exact gradient (`path`), its
//! first idea of the curvature the scores' second moments.
//! Outcome is not an error: `converged` says how it ended, `boundary` what limits it stands at.

mod errors;
mod fast;
mod free;
mod path;
mod shock;

pub use errors::StandardErrors;
pub use shock::Family;

use crate::maths::minimise::{Search, Status};
use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, Side};
use free::{Free, NU_MAX, NU_MIN, Scale};
use path::Series;
use shock::Shock;

/// Fewer returns say nothing about five parameters.
pub const RETURNS_MIN: usize = 50;
/// What arch's start looks back to, and how fast it forgets.
const BACKCAST: usize = 75;
const BACKCAST_FACTOR: f64 = 0.94;
const STEPS_MAX: usize = 400;
/// Steps of each start before the better one goes on alone, and returns from which on it does.
const STEPS_AHEAD: usize = 6;
const SHORT: usize = 2_000;
/// Returns, the first ones, whose scores say what the curvature at a start is like.
const INFORMATION: usize = 1_000;
/// Nearer than this a limit counts as reached.
const AT_LIMIT: f64 = 1e-5;

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
}

impl Spec {
    /// With a mean, started as arch starts.
    #[must_use]
    pub const fn new(volatility: Volatility, family: Family) -> Spec {
        Spec { volatility, family, mean: true, start: Start::Arch }
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
/// Returns that cannot be fitted.
pub fn fit(returns: &[f64], spec: Spec) -> Result<Fit, FitError> {
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
        [(0.05, 0.98), (0.1, 0.95), (0.1, 0.8), (0.2, 0.97), (0.03, 0.995)]
    {
        let start = Free::start(reaction, persistence, spec);
        let value = objective(&start, &mut vec![0.0; start.len()]);
        starts.push((value, start));
    }
    starts.sort_by(|a, b| a.0.total_cmp(&b.0));
    // short series have several peaks: two starts run to their ends; long ones have one in sight soon
    let is_short = returns.len() <= SHORT;
    let steps = if is_short { STEPS_MAX } else { STEPS_AHEAD };
    let [mut first, mut second] = [0, 2].map(|at: usize| {
        let start = &starts[at].1;
        let known = inverse_information(&series, start, spec, &scale);
        let mut search = Search::new(&mut objective, start, known);
        search.run(&mut objective, steps);
        search
    });
    let better = if second.value() < first.value() { &mut second } else { &mut first };
    let status = better.run(&mut objective, STEPS_MAX);
    let found = if second.value() < first.value() { second } else { first }.minimum(status);
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
    let boundary = boundary(spec, p);
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
        let p = &self.parameters;
        let (quantile, mean) = Shock::new(self.spec.family, p.nu, p.lambda).lower_tail(1.0 - level);
        let deviation = self.next_variance.sqrt();
        (-(p.mu + deviation * quantile), -(p.mu + deviation * mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

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
        Parameters { mu: 0.05, omega: 0.05, alpha: 0.08, gamma, beta: 0.87, nu, lambda: 0.0 }
    }

    const ALL: [Volatility; 3] = [Volatility::Garch, Volatility::Gjr, Volatility::Egarch];
    const FAMILIES: [Family; 3] = [Family::Normal, Family::Student, Family::Skewed];

    #[test]
    fn the_gradient_is_the_slope() {
        let returns = sample(300, truth(0.04, 6.0));
        let scale = moments(&returns).expect("sound");
        for volatility in ALL {
            for family in FAMILIES {
                for start in [Start::Arch, Start::Sample, Start::Unconditional] {
                    let spec = Spec { start, ..Spec::new(volatility, family) };
                    let series = series(&returns, spec, &scale);
                    let p = Parameters { lambda: -0.2, ..truth(0.03, 5.0) };
                    let (_, slope) = series.likelihood(&p);
                    for (k, slope) in slope.iter().enumerate() {
                        let moved = |by: f64| series.likelihood(&p.with(k, p.get(k) + by)).0;
                        let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                        let near = (slope - difference).abs() < 1e-4 * difference.abs().max(1.0);
                        assert!(near, "{spec:?} {k}: {slope} {difference}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_fast_twin_is_the_slow_one() {
        for n in [50, 301, 1_000] {
            let returns = sample(n, truth(0.04, 5.0));
            let scale = moments(&returns).expect("sound");
            for volatility in [Volatility::Garch, Volatility::Gjr] {
                for family in [Family::Normal, Family::Student] {
                    for p in [truth(0.03, 5.0), Parameters { omega: 1e-22, ..truth(0.5, 2.1) }] {
                        let series = series(&returns, Spec::new(volatility, family), &scale);
                        let (fast, slow) = (series.likelihood(&p), series.slow_likelihood(&p));
                        let near = |a: f64, b: f64| (a - b).abs() < 1e-9 * (b.abs() + n as f64);
                        assert!(
                            near(fast.0, slow.0),
                            "{volatility:?} {family:?}: {fast:?} {slow:?}"
                        );
                        let used = if family == Family::Normal { 5 } else { 6 };
                        for k in 0..used {
                            assert!(
                                near(fast.1[k], slow.1[k]),
                                "{family:?} {k}: {fast:?} {slow:?}"
                            );
                        }
                    }
                }
            }
        }
        // canary: the comparison sees a unit in the tenth place
        let returns = sample(100, truth(0.0, 5.0));
        let series = series(
            &returns,
            Spec::new(Volatility::Garch, Family::Student),
            &moments(&returns).expect("sound"),
        );
        let moved = series.likelihood(&truth(0.0, 5.001)).0;
        assert!((moved - series.slow_likelihood(&truth(0.0, 5.0)).0).abs() > 1e-9 * 200.0);
    }

    #[test]
    fn the_search_follows_its_own_slope() {
        let returns = sample(300, truth(0.04, 6.0));
        let scale = moments(&returns).expect("sound");
        for volatility in ALL {
            for family in FAMILIES {
                let spec = Spec::new(volatility, family);
                let series = series(&returns, spec, &scale);
                let point = Free::start(0.08, 0.9, spec);
                let mut slope = vec![0.0; point.len()];
                let free = Free::of(&point, spec, &scale);
                free.chain(&series.likelihood(&free.parameters).1, &mut slope);
                for k in 0..point.len() {
                    let moved = |by: f64| {
                        let mut point = point.clone();
                        point[k] += by;
                        series.likelihood(&Free::of(&point, spec, &scale).parameters).0
                    };
                    let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                    let near = (slope[k] - difference).abs() < 1e-4 * difference.abs().max(1.0);
                    assert!(near, "{spec:?} {k}: {} {difference}", slope[k]);
                }
            }
        }
    }

    #[test]
    fn parameters_are_found_again() {
        let garch = Volatility::Garch;
        for (spec, p) in [
            (Spec::new(garch, Family::Student), truth(0.0, 6.0)),
            (Spec::new(Volatility::Gjr, Family::Student), truth(0.06, 6.0)),
            (Spec::new(garch, Family::Normal), truth(0.0, f64::INFINITY)),
            (Spec::new(garch, Family::Skewed), truth(0.0, 6.0)),
        ] {
            let returns = sample(20_000, p);
            let found = fit(&returns, spec).expect("sound");
            let q = found.parameters;
            assert!(found.converged && found.boundary.is_empty(), "{spec:?}: {found:?}");
            assert!((q.alpha - p.alpha).abs() < 0.02 && (q.beta - p.beta).abs() < 0.03, "{q:?}");
            assert!((q.gamma - p.gamma).abs() < 0.03 && (q.mu - p.mu).abs() < 0.02, "{q:?}");
            assert!(q.lambda.abs() < 0.03, "{q:?}");
            if p.nu.is_finite() {
                assert!((q.nu - p.nu).abs() < 1.0, "{q:?}");
            }
            let at_truth = evaluate(&returns, spec, &p).expect("sound").log_likelihood;
            assert!(found.log_likelihood >= at_truth - 0.5, "no lower than the truth");
            // the truth lies within four of the errors that are said
            let errors = standard_errors(&returns, &found).expect("sound");
            for errors in [errors.curvature, errors.robust] {
                for k in (0..5).filter(|&k| errors[k].is_finite()) {
                    assert!(
                        (q.get(k) - p.get(k)).abs() < 4.0 * errors[k],
                        "{spec:?} {k} {errors:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn limits_are_reported() {
        // alternating calm and wild halves: variance has no level
        let returns: Vec<f64> = (0..400)
            .map(|i| {
                let size = if i < 200 { 0.2 } else { 5.0 };
                size * f64::from((i * 7919) % 13 - 6) / 6.0
            })
            .collect();
        let found = fit(&returns, Spec::new(Volatility::Garch, Family::Normal)).expect("sound");
        assert!(!found.boundary.is_empty(), "{:?}", found.parameters);
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let spec = Spec::new(Volatility::Garch, Family::Student);
        assert_eq!(fit(&[0.1; 10], spec), Err(FitError::Few(10)));
        assert_eq!(fit(&[0.1; 100], spec), Err(FitError::Constant));
        let mut returns = vec![0.1; 100];
        returns[3] = f64::NAN;
        assert!(matches!(fit(&returns, spec), Err(FitError::NotFinite { index: 3, .. })));
        let bad = Parameters { alpha: -0.1, ..truth(0.0, 5.0) };
        assert!(matches!(
            evaluate(&sample(100, truth(0.0, 5.0)), spec, &bad),
            Err(FitError::Parameter { name: "alpha", .. })
        ));
    }
}
