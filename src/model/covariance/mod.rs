//! Covariance of returns, estimated in several ways.
//!
//! Input: columns of returns, `[asset][row]`, none missing. Output: a symmetric matrix in the returns' units
//! squared, and how far it was shrunk, where it was.
//! - sample: deviations from the mean, divided by rows − 1;
//! - exponentially weighted: λ = 2^(−1/half-life), raw products (means taken as nothing, as is usual for
//!   short periods), weights scaled to add up to one;
//! - Ledoit and Wolf's linear shrinkage towards the mean variance (2004), and its oracle-approximating rival
//!   for normal data (Chen, Wiesel, Eldar and Hero 2010): both of the covariance divided by rows;
//! - Ledoit and Wolf's analytical nonlinear shrinkage (2020): every eigenvalue by a kernel estimate of the
//!   spectrum's density and Hilbert transform;
//! - denoised: correlations whose eigenvalues below Marchenko and Pastur's edge are replaced by their mean
//!   (Laloux, Cizeau, Bouchaud and Potters 2000; the edge fitted as by López de Prado 2020);
//! - Gerber's statistic (Gerber, Markowitz, Ernst, Miao, Javid and Sargen 2022), the positive semidefinite
//!   variant: days on which both moved beyond half a deviation, together less against, over the days on
//!   which either did;
//! - factors: what principal components share and what they leave each asset (`factors::statistical`);
//! - dynamic conditional correlation: of the next period, not of the sample (`dcc`).

mod spectral;

#[cfg(test)]
mod tests;

use super::dcc::{self, DccError};
use super::factors::statistical::{self, StatisticalError};
use super::garch::Family;
use crate::maths::programme::dot;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, Par};

/// How covariance is estimated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Estimator {
    /// The sample's.
    Sample,
    /// Exponentially weighted with a half-life in rows.
    Weighted(f64),
    /// Linear shrinkage.
    LedoitWolf,
    /// Oracle-approximating shrinkage.
    Oas,
    /// Analytical nonlinear shrinkage.
    Nonlinear,
    /// Random-matrix denoising.
    Denoised,
    /// Gerber's statistic with a threshold in deviations.
    Gerber(f64),
    /// Principal components, so many or as many as the eigenvalue ratio says.
    Factors(Option<usize>),
    /// The next period's by dynamic conditional correlation.
    Dynamic,
}

/// An estimate.
#[derive(Clone, Debug)]
pub struct Covariance {
    /// The matrix.
    pub matrix: Mat<f64>,
    /// What share of the target is in it, where it was shrunk linearly.
    pub shrinkage: Option<f64>,
}

/// Why nothing was estimated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CovarianceError {
    /// Too few rows.
    #[error("{0} rows of returns; a covariance needs at least 2")]
    Few(usize),
    /// An asset that never moves.
    #[error("asset {0} never moves: it has no correlation with anything")]
    Still(usize),
    /// A threshold or a half-life that is none.
    #[error("{what} {value}: {wanted}")]
    Parameter {
        /// Which.
        what: &'static str,
        /// What was given.
        value: f64,
        /// What is wanted.
        wanted: &'static str,
    },
    /// Factors that cannot be found.
    #[error(transparent)]
    Factors(#[from] StatisticalError),
    /// Correlations that cannot be followed.
    #[error(transparent)]
    Dynamic(#[from] DccError),
    /// Eigenvalues that do not come.
    #[error("the eigenvalues of the correlation matrix did not converge")]
    Eigenvalues,
}

/// Estimates the covariance of columns.
///
/// # Errors
/// Too few rows, columns that never move where that matters, or parameters that are none.
pub fn covariance(columns: &[Vec<f64>], how: Estimator) -> Result<Covariance, CovarianceError> {
    let rows = columns.first().map_or(0, Vec::len);
    if rows < 2 {
        return Err(CovarianceError::Few(rows));
    }
    let plain = |matrix| Ok(Covariance { matrix, shrinkage: None });
    match how {
        Estimator::Sample => plain(sample(columns)),
        Estimator::Weighted(half_life) => {
            if !(half_life.is_finite() && half_life > 0.0) {
                let wanted = "give the rows after which a weight has halved";
                return Err(CovarianceError::Parameter {
                    what: "half-life",
                    value: half_life,
                    wanted,
                });
            }
            plain(weighted(columns, half_life))
        }
        Estimator::LedoitWolf => Ok(ledoit_wolf(columns)),
        Estimator::Oas => Ok(oas(columns)),
        Estimator::Nonlinear => plain(spectral::nonlinear(columns)?),
        Estimator::Denoised => plain(spectral::denoised(columns)?),
        Estimator::Gerber(threshold) => {
            if !(threshold > 0.0 && threshold < 1.0) {
                let wanted = "give a share of a deviation between 0 and 1";
                return Err(CovarianceError::Parameter {
                    what: "threshold",
                    value: threshold,
                    wanted,
                });
            }
            plain(gerber(columns, threshold)?)
        }
        Estimator::Factors(count) => plain(statistical::fit(columns, count)?.covariance),
        Estimator::Dynamic => plain(dcc::fit(columns, Family::Student)?.covariance()),
    }
}

/// Standard deviations and correlations of a covariance.
///
/// # Errors
/// An asset without variance.
pub fn correlations(covariance: &Mat<f64>) -> Result<(Vec<f64>, Mat<f64>), CovarianceError> {
    let n = covariance.nrows();
    let deviations: Vec<f64> = (0..n).map(|i| covariance[(i, i)].sqrt()).collect();
    if let Some(still) = deviations.iter().position(|&d| d.is_nan() || d <= 0.0) {
        return Err(CovarianceError::Still(still));
    }
    let matrix = Mat::from_fn(n, n, |i, j| {
        if i == j { 1.0 } else { covariance[(i, j)] / (deviations[i] * deviations[j]) }
    });
    Ok((deviations, matrix))
}

/// Deviations from the mean.
fn centred(columns: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let centre = |column: &Vec<f64>| {
        let mean = column.iter().sum::<f64>() / column.len() as f64;
        column.iter().map(|x| x - mean).collect()
    };
    columns.iter().map(centre).collect()
}

/// From so many columns on a matrix product is faster than products of columns.
const MANY: usize = 32;

/// Products of columns, times `by`.
fn products(columns: &[Vec<f64>], by: f64) -> Mat<f64> {
    let n = columns.len();
    let mut matrix = Mat::zeros(n, n);
    if n >= MANY {
        let rows = Mat::from_fn(columns[0].len(), n, |row, j| columns[j][row]);
        triangular::matmul(
            &mut matrix,
            BlockStructure::TriangularLower,
            Accum::Replace,
            rows.transpose(),
            BlockStructure::Rectangular,
            &rows,
            BlockStructure::Rectangular,
            by,
            Par::Seq,
        );
        for j in 0..n {
            for i in j + 1..n {
                matrix[(j, i)] = matrix[(i, j)];
            }
        }
        return matrix;
    }
    for i in 0..n {
        for j in 0..=i {
            let value = by * dot(&columns[i], &columns[j]);
            matrix[(i, j)] = value;
            matrix[(j, i)] = value;
        }
    }
    matrix
}

fn sample(columns: &[Vec<f64>]) -> Mat<f64> {
    products(&centred(columns), 1.0 / (columns[0].len() - 1) as f64)
}

fn weighted(columns: &[Vec<f64>], half_life: f64) -> Mat<f64> {
    let rows = columns[0].len();
    let lambda = 0.5_f64.powf(1.0 / half_life);
    let roots: Vec<f64> = (0..rows).map(|row| lambda.powf(0.5 * (rows - 1 - row) as f64)).collect();
    let whole: f64 = roots.iter().map(|root| root * root).sum();
    let scale = |column: &Vec<f64>| column.iter().zip(&roots).map(|(x, root)| x * root).collect();
    products(&columns.iter().map(scale).collect::<Vec<Vec<f64>>>(), 1.0 / whole)
}

/// The matrix shrunk towards its mean variance.
fn shrunk(mut matrix: Mat<f64>, shrinkage: f64) -> Covariance {
    let n = matrix.nrows();
    let mean = trace(&matrix) / n as f64;
    for i in 0..n {
        for j in 0..n {
            matrix[(i, j)] *= 1.0 - shrinkage;
        }
        matrix[(i, i)] += shrinkage * mean;
    }
    Covariance { matrix, shrinkage: Some(shrinkage) }
}

fn trace(matrix: &Mat<f64>) -> f64 {
    (0..matrix.nrows()).map(|i| matrix[(i, i)]).sum()
}

fn ledoit_wolf(columns: &[Vec<f64>]) -> Covariance {
    let centred = centred(columns);
    let (n, p) = (columns[0].len() as f64, columns.len() as f64);
    let matrix = products(&centred, 1.0 / n);
    let squares: Vec<Vec<f64>> =
        centred.iter().map(|column| column.iter().map(|x| x * x).collect()).collect();
    // Σ over pairs of the mean fourth moments is the mean of the squared norms of rows, squared
    let norms = (0..columns[0].len()).map(|row| squares.iter().map(|c| c[row]).sum::<f64>());
    let fourth: f64 = norms.map(|norm| norm * norm).sum();
    let size: f64 = (0..columns.len())
        .flat_map(|i| (0..columns.len()).map(move |j| (i, j)))
        .map(|(i, j)| matrix[(i, j)].powi(2))
        .sum();
    let mean = trace(&matrix) / p;
    let error = (fourth / n - size) / (p * n);
    let spread = (size - p * mean * mean) / p;
    let shrinkage = if spread > 0.0 { (error / spread).clamp(0.0, 1.0) } else { 0.0 };
    shrunk(matrix, shrinkage)
}

fn oas(columns: &[Vec<f64>]) -> Covariance {
    let (n, p) = (columns[0].len() as f64, columns.len() as f64);
    let matrix = products(&centred(columns), 1.0 / n);
    let square_mean = (0..columns.len())
        .flat_map(|i| (0..columns.len()).map(move |j| (i, j)))
        .map(|(i, j)| matrix[(i, j)].powi(2))
        .sum::<f64>()
        / (p * p);
    let mean = trace(&matrix) / p;
    let above = square_mean + mean * mean;
    let below = (n + 1.0) * (square_mean - mean * mean / p);
    let shrinkage = if below > 0.0 { (above / below).min(1.0) } else { 1.0 };
    shrunk(matrix, shrinkage)
}

fn gerber(columns: &[Vec<f64>], threshold: f64) -> Result<Mat<f64>, CovarianceError> {
    let n = columns.len();
    let rows = columns[0].len() as f64;
    let mut signs: Vec<Vec<i8>> = Vec::with_capacity(n);
    let mut deviations = Vec::with_capacity(n);
    for (at, column) in centred(columns).iter().enumerate() {
        let deviation = (dot(column, column) / rows).sqrt();
        if deviation <= 0.0 {
            return Err(CovarianceError::Still(at));
        }
        let limit = threshold * deviation;
        // beyond the threshold around nothing, as the paper has it, not around the mean
        let sign = |x: &f64| i8::from(*x >= limit) - i8::from(*x <= -limit);
        signs.push(columns[at].iter().map(sign).collect());
        deviations.push(deviation);
    }
    Ok(Mat::from_fn(n, n, |i, j| {
        let pairs = signs[i].iter().zip(&signs[j]);
        let together: i32 = pairs.clone().map(|(a, b)| i32::from(a * b)).sum();
        let still = pairs.filter(|(a, b)| **a == 0 && **b == 0).count();
        f64::from(together) / (rows - still as f64) * deviations[i] * deviations[j]
    }))
}
