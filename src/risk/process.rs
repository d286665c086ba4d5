//! What moves the factors: a model's name and a history become a job for `garch_paths`.
//!
//! - `normal`: simple returns with their sample means and covariances (ddof 1);
//! - `t`: the same with multivariate Student's t, ν by maximum likelihood unless given;
//! - `garch`, `garch-t`, `gjr`: each factor's 100·log returns by its own model, shocks normal (`garch`) or
//!   Student's t, correlated as the standardised residuals are (constant conditional correlation,
//!   Bollerslev 1990), with one ν for all by maximum likelihood;
//! - `fhs`, `gjr-fhs`: volatilities of `garch` and `gjr`, shocks drawn from days of standardised residuals.

use crate::compute::garch_paths::{Asset, Compounding, Dependence, JobError, Paths, Shocks};
use crate::history::Panel;
use crate::maths::linear::{CholeskyError, cholesky};
use crate::maths::special::ln_gamma;
use crate::model::covariance::{CovarianceError, Estimator, correlations, covariance};
use crate::model::garch::{self, Family, Fit, FitError, Spec, Volatility};
use serde::Serialize;

/// A model's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Normal.
    Normal,
    /// Student's t.
    StudentT,
    /// GARCH(1,1), normal shocks.
    Garch,
    /// GARCH(1,1), Student's t.
    GarchT,
    /// GJR, Student's t.
    Gjr,
    /// Filtered historical simulation: GARCH, fitted with normal shocks.
    Filtered,
    /// The same by GJR, fitted with Student's t.
    FilteredGjr,
}

impl Model {
    /// Whether it works on log returns, as volatility models do.
    #[must_use]
    pub const fn is_logarithmic(self) -> bool {
        !matches!(self, Model::Normal | Model::StudentT)
    }

    const fn spec(self) -> Spec {
        let leans = matches!(self, Model::Gjr | Model::FilteredGjr);
        let volatility = if leans { Volatility::Gjr } else { Volatility::Garch };
        // filtering asks for volatility alone: the normal likelihood finds it whatever the shocks are
        let is_normal = matches!(self, Model::Garch | Model::Filtered);
        let family = if is_normal { Family::Normal } else { Family::Student };
        Spec::new(volatility, family)
    }
}

/// Why there is no process.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProcessError {
    /// A factor whose model cannot be fitted.
    #[error("factor `{factor}`: {error}")]
    Fit {
        /// Which.
        factor: String,
        /// Why.
        error: FitError,
    },
    /// A correlation matrix that has no factor.
    #[error(
        "the correlations of {factors} factors over {rows} returns: {error}{named}; leave a factor \
         out with --assets, give more rows, or take --method historical or --model fhs, which need \
         no correlation matrix"
    )]
    Singular {
        /// Factors.
        factors: usize,
        /// Returns.
        rows: usize,
        /// Why.
        error: CholeskyError,
        /// Which factor that is.
        named: String,
    },
    /// A covariance that cannot be estimated.
    #[error(transparent)]
    Covariance(#[from] CovarianceError),
    /// A job that the kernel refuses.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Too little to estimate from.
    #[error("{0} returns; a model needs at least 2")]
    Few(usize),
}

/// What was estimated for one factor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Which.
    pub factor: String,
    /// Mean return of a step (a fraction).
    pub mean: f64,
    /// Volatility of the first step (a fraction).
    pub volatility: f64,
    /// ω in squared percent, α, γ and β, where the model has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub garch: Option<Recursion>,
}

/// A volatility model's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Recursion {
    /// Squared percent.
    pub omega: f64,
    /// α.
    pub alpha: f64,
    /// γ.
    pub gamma: f64,
    /// β.
    pub beta: f64,
    /// ν, null where shocks are normal.
    pub nu: f64,
    /// Logarithm of the likelihood of 100·log returns.
    pub log_likelihood: f64,
    /// Whether the search came to rest.
    pub converged: bool,
}

/// A process ready to be simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// The job.
    pub job: Paths,
    /// What was estimated.
    pub estimates: Vec<Estimate>,
    /// Degrees of freedom of the shocks, where they have any.
    pub nu: Option<f64>,
}

/// How paths are asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Walk {
    /// The key.
    pub seed: u64,
    /// Steps.
    pub steps: u32,
    /// Degrees of freedom, where the user gives them.
    pub nu: Option<f64>,
    /// Whether means are kept; zero otherwise.
    pub mean: bool,
}

/// Estimates a model from returns: simple ones for `normal` and `t`, logarithmic ones for the others.
///
/// # Errors
/// Returns that no such model fits.
pub fn estimate(model: Model, returns: &Panel, walk: Walk) -> Result<Process, ProcessError> {
    if returns.rows() < 2 {
        return Err(ProcessError::Few(returns.rows()));
    }
    if model.is_logarithmic() {
        volatile(model, returns, walk)
    } else {
        steady(model, returns, walk)
    }
}

/// One position with a given mean and volatility.
///
/// # Errors
/// Numbers that no process has.
pub fn given(mean: f64, volatility: f64, walk: Walk) -> Result<Process, ProcessError> {
    let shocks = walk.nu.map_or(Ok(Shocks::Normal), Shocks::student)?;
    let assets = vec![Asset::constant(mean, volatility)];
    let alone = Dependence::Independent;
    let job = Paths::new(walk.seed, walk.steps, assets, shocks, alone, Compounding::Simple)?;
    let estimate = Estimate { factor: "position".to_owned(), mean, volatility, garch: None };
    Ok(Process { job, estimates: vec![estimate], nu: walk.nu })
}

fn steady(model: Model, returns: &Panel, walk: Walk) -> Result<Process, ProcessError> {
    let (means, deviations, correlations) = moments(returns)?;
    let mean = |at: usize| if walk.mean { means[at] } else { 0.0 };
    let assets: Vec<Asset> =
        (0..means.len()).map(|at| Asset::constant(mean(at), deviations[at])).collect();
    let dependence = dependence(&correlations, returns)?;
    let nu = match (model, walk.nu) {
        (Model::StudentT, None) => {
            let standard = standardised(returns, &means, &deviations);
            Some(freedom(&standard, &correlations, returns)?)
        }
        (Model::StudentT, nu) => nu,
        _ => None,
    };
    let shocks = shocks_of(nu, assets.len())?;
    let job = Paths::new(walk.seed, walk.steps, assets, shocks, dependence, Compounding::Simple)?;
    let estimates = returns.symbols().iter().enumerate().map(|(at, factor)| Estimate {
        factor: factor.clone(),
        mean: mean(at),
        volatility: deviations[at],
        garch: None,
    });
    Ok(Process { job, estimates: estimates.collect(), nu })
}

fn volatile(model: Model, returns: &Panel, walk: Walk) -> Result<Process, ProcessError> {
    let mut fits: Vec<Fit> = Vec::new();
    for (factor, column) in returns.symbols().iter().zip(returns.columns()) {
        let percent: Vec<f64> = column.iter().map(|r| 100.0 * r).collect();
        let fit = garch::fit(&percent, model.spec());
        fits.push(fit.map_err(|error| ProcessError::Fit { factor: factor.clone(), error })?);
    }
    let asset = |fit: &Fit| {
        let p = &fit.parameters;
        Asset {
            mean: if walk.mean { (p.mu / 100.0) as f32 } else { 0.0 },
            omega: (p.omega / 1e4) as f32,
            alpha: p.alpha as f32,
            gamma: p.gamma as f32,
            beta: p.beta as f32,
            start: (fit.next_variance / 1e4) as f32,
        }
    };
    let assets: Vec<Asset> = fits.iter().map(asset).collect();
    let residuals: Vec<Vec<f64>> = fits.iter().map(|fit| fit.standardised.clone()).collect();
    let (shocks, dependence, nu) = match model {
        Model::Filtered | Model::FilteredGjr => {
            let rows = fits.iter().flat_map(|fit| centred(&fit.standardised)).collect();
            let days = returns.rows() as u32;
            (Shocks::Days { rows, days }, Dependence::Independent, None)
        }
        _ => {
            let correlations = correlations_of(&residuals)?.1;
            let dependence = dependence(&correlations, returns)?;
            let nu = match (model, walk.nu, fits.len()) {
                (Model::Garch, ..) => None,
                (_, Some(nu), _) => Some(nu),
                (_, None, 1) => Some(fits[0].parameters.nu),
                (_, None, _) => Some(freedom(&residuals, &correlations, returns)?),
            };
            (shocks_of(nu, assets.len())?, dependence, nu)
        }
    };
    let estimates = returns.symbols().iter().zip(&fits).map(|(factor, fit)| Estimate {
        factor: factor.clone(),
        mean: if walk.mean { fit.parameters.mu / 100.0 } else { 0.0 },
        volatility: fit.next_variance.sqrt() / 100.0,
        garch: Some(Recursion {
            omega: fit.parameters.omega,
            alpha: fit.parameters.alpha,
            gamma: fit.parameters.gamma,
            beta: fit.parameters.beta,
            nu: fit.parameters.nu,
            log_likelihood: fit.log_likelihood,
            converged: fit.converged,
        }),
    });
    let estimates = estimates.collect();
    let job = Paths::new(walk.seed, walk.steps, assets, shocks, dependence, Compounding::Log)?;
    Ok(Process { job, estimates, nu })
}

/// Each asset's own t where there is one, one mixing for all where there are several.
fn shocks_of(nu: Option<f64>, assets: usize) -> Result<Shocks, JobError> {
    match nu {
        None => Ok(Shocks::Normal),
        Some(nu) if assets == 1 => Shocks::student(nu),
        Some(nu) => Shocks::mixed_student(nu),
    }
}

/// Residuals with mean zero and variance one, as drawn shocks must be.
fn centred(residuals: &[f64]) -> Vec<f32> {
    let n = residuals.len() as f64;
    let mean = residuals.iter().sum::<f64>() / n;
    let variance = residuals.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / n;
    residuals.iter().map(|z| ((z - mean) / variance.sqrt()) as f32).collect()
}

/// Means, sample deviations (ddof 1) and correlations, rows in one piece.
fn moments(returns: &Panel) -> Result<Moments, CovarianceError> {
    let n = returns.rows() as f64;
    let means = returns.columns().iter().map(|column| column.iter().sum::<f64>() / n).collect();
    let (deviations, correlations) = correlations_of(returns.columns())?;
    Ok((means, deviations, correlations))
}

type Moments = (Vec<f64>, Vec<f64>, Vec<f64>);

/// Sample deviations and correlations.
fn correlations_of(columns: &[Vec<f64>]) -> Result<(Vec<f64>, Vec<f64>), CovarianceError> {
    let sample = covariance(columns, Estimator::Sample)?;
    let (deviations, matrix) = correlations(&sample.matrix)?;
    let n = deviations.len();
    // symmetric, so columns are rows
    let entries = (0..n).flat_map(|j| (0..n).map(move |i| (i, j)));
    Ok((deviations, entries.map(|at| matrix[at]).collect()))
}

fn standardised(returns: &Panel, means: &[f64], deviations: &[f64]) -> Vec<Vec<f64>> {
    let columns = returns.columns().iter().zip(means.iter().zip(deviations));
    columns.map(|(c, (mean, sd))| c.iter().map(|r| (r - mean) / sd).collect()).collect()
}

fn dependence(correlations: &[f64], returns: &Panel) -> Result<Dependence, ProcessError> {
    let factors = returns.symbols().len();
    if factors == 1 {
        return Ok(Dependence::Independent);
    }
    let rows = returns.rows();
    Dependence::correlated(correlations, factors).map_err(|error| singular(error, returns, rows))
}

fn singular(error: CholeskyError, returns: &Panel, rows: usize) -> ProcessError {
    let named = match error {
        CholeskyError::NotPositive { row, .. } => format!(" (`{}`)", returns.symbols()[row]),
        _ => String::new(),
    };
    ProcessError::Singular { factors: returns.symbols().len(), rows, error, named }
}

/// ν of the multivariate t with these correlations, by maximum likelihood: the profile is searched by
/// golden section in 1/ν between normal and 2.05.
fn freedom(
    standard: &[Vec<f64>],
    correlations: &[f64],
    returns: &Panel,
) -> Result<f64, ProcessError> {
    let size = standard.len();
    let rows = standard[0].len();
    let factor = cholesky(correlations, size).map_err(|error| singular(error, returns, rows))?;
    // squared Mahalanobis distances, by forward substitution
    let mut solved = vec![0.0; size];
    let distances: Vec<f64> = (0..rows)
        .map(|row| {
            for i in 0..size {
                let dot: f64 = (0..i).map(|k| factor[i * size + k] * solved[k]).sum();
                solved[i] = (standard[i][row] - dot) / factor[i * size + i];
            }
            solved.iter().map(|x| x * x).sum()
        })
        .collect();
    let d = size as f64;
    let likelihood = |inverse: f64| {
        let nu = 1.0 / inverse;
        let constant = ln_gamma(0.5 * (nu + d)) - ln_gamma(0.5 * nu) - 0.5 * d * (nu - 2.0).ln();
        let logs: f64 = distances.iter().map(|q| (q / (nu - 2.0)).ln_1p()).sum();
        rows as f64 * constant - 0.5 * (nu + d) * logs
    };
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut low, mut high) = (1.0 / 500.0, 1.0 / 2.05);
    let mut inner = [high - golden * (high - low), low + golden * (high - low)];
    let mut values = inner.map(likelihood);
    while high - low > 1e-9 {
        if values[0] > values[1] {
            high = inner[1];
            inner = [high - golden * (high - low), inner[0]];
            values = [likelihood(inner[0]), values[0]];
        } else {
            low = inner[0];
            inner = [inner[1], low + golden * (high - low)];
            values = [values[1], likelihood(inner[1])];
        }
    }
    Ok(2.0 / (low + high))
}
