//! Given factors: every asset regressed on all of them.

use super::assembled;
use crate::maths::regression::{Regression, RegressionError, regress};
use crate::model::covariance::{CovarianceError, Estimator, covariance};
use faer::Mat;

/// What was fitted.
#[derive(Clone, Debug)]
pub struct Given {
    /// By asset.
    pub regressions: Vec<Regression>,
    /// Slopes, `[asset, factor]`.
    pub slopes: Mat<f64>,
    /// The factors' own covariance.
    pub shared: Mat<f64>,
    /// B·F·B' + D, residuals taken as independent between assets.
    pub covariance: Mat<f64>,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GivenError {
    /// The factors.
    #[error(transparent)]
    Regression(#[from] RegressionError),
    /// Their covariance.
    #[error(transparent)]
    Covariance(#[from] CovarianceError),
}

impl GivenError {
    /// In words, with the factor's name where it is about one.
    #[must_use]
    pub fn named(&self, factors: &[String]) -> String {
        match self {
            GivenError::Regression(error) => error.named(factors),
            GivenError::Covariance(error) => error.to_string(),
        }
    }
}

/// Regresses columns on factors.
///
/// # Errors
/// Too few rows, factors that make each other up.
pub fn fit(columns: &[Vec<f64>], factors: &[Vec<f64>]) -> Result<Given, GivenError> {
    let regressions: Vec<Regression> =
        columns.iter().map(|column| regress(column, factors)).collect::<Result<_, _>>()?;
    let shared = covariance(factors, Estimator::Sample)?.matrix;
    let slopes = Mat::from_fn(columns.len(), factors.len(), |i, k| regressions[i].slopes[k]);
    let left = (columns.first().map_or(0, Vec::len) - factors.len() - 1) as f64;
    let own = |found: &Regression| found.residuals.iter().map(|e| e * e).sum::<f64>() / left;
    let own: Vec<f64> = regressions.iter().map(own).collect();
    Ok(Given { covariance: assembled(&slopes, &shared, &own), regressions, slopes, shared })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::random::Random;

    #[test]
    fn the_covariance_is_what_factors_make() {
        let mut random = Random::new(31, 0);
        let mut column = || (0..5_000).map(|_| random.normal()).collect::<Vec<f64>>();
        let (f, noise) = (column(), [column(), column(), column()]);
        let betas = [0.5, 1.0, 2.0];
        let asset =
            |k: usize| f.iter().zip(&noise[k]).map(|(f, e)| betas[k] * f + 0.4 * e).collect();
        let columns: Vec<Vec<f64>> = (0..3).map(asset).collect();
        let found = fit(&columns, &[f]).expect("fits");
        for i in 0..3 {
            assert!((found.regressions[i].slopes[0] - betas[i]).abs() < 0.03);
            for j in 0..3 {
                let own = if i == j { 0.16 } else { 0.0 };
                let wanted = betas[i] * betas[j] + own;
                assert!((found.covariance[(i, j)] - wanted).abs() < 0.12, "{i} {j}");
            }
        }
    }
}
