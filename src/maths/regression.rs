//! Least squares with a constant, and errors that hold when residuals change size and follow one another.
//!
//! y = a + X·b + e by QR (faer). Errors: Newey and West's (1987) with Bartlett weights over
//! ⌊4·(n/100)^(2/9)⌋ lags (their rule of 1994); no correction for few rows.

use super::programme::dot;
use super::statistics::mean;
use faer::Mat;
use faer::linalg::solvers::{Solve, SolveLstsq};

/// What a regression found.
#[derive(Clone, Debug, PartialEq)]
pub struct Regression {
    /// a.
    pub constant: f64,
    /// Its standard error.
    pub constant_error: f64,
    /// b, by column of X.
    pub slopes: Vec<f64>,
    /// Their standard errors.
    pub slope_errors: Vec<f64>,
    /// e.
    pub residuals: Vec<f64>,
    /// Share of y's variance that X explains.
    pub r_squared: f64,
    /// Lags that errors look over.
    pub lags: usize,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegressionError {
    /// Too few rows.
    #[error("{rows} rows for {columns} factors and a constant: at least {} are needed", .columns + 2)]
    Few {
        /// Rows.
        rows: usize,
        /// Factors.
        columns: usize,
    },
    /// Too few rows for slopes that move.
    #[error("{rows} rows: slopes that move need at least {needed}")]
    FewToMove {
        /// Rows.
        rows: usize,
        /// Needed.
        needed: usize,
    },
    /// A factor as long as another series.
    #[error("factor {at} has {found} rows beside {wanted}")]
    Length {
        /// Which, from zero.
        at: usize,
        /// There.
        found: usize,
        /// Needed.
        wanted: usize,
    },
    /// A factor that others, or a constant, make up.
    #[error("factor {0} is made up by those before it (or never moves): leave it out")]
    Alike(usize),
}

impl RegressionError {
    /// In words, with the factor's name where it is about one.
    #[must_use]
    pub fn named(&self, factors: &[String]) -> String {
        match self {
            RegressionError::Alike(at) => format!(
                "factor `{}` is made up by those before it (or never moves): leave it out",
                factors[*at]
            ),
            other => other.to_string(),
        }
    }
}

/// What of a factor's own variation must be left beside those before it.
const OWN: f64 = 1e-10;

/// Regresses y on columns and a constant.
///
/// # Errors
/// Too few rows, factors of other length, factors that make each other up.
pub fn regress(y: &[f64], columns: &[Vec<f64>]) -> Result<Regression, RegressionError> {
    let (rows, many) = (y.len(), columns.len());
    if let Some(at) = columns.iter().position(|column| column.len() != rows) {
        return Err(RegressionError::Length { at, found: columns[at].len(), wanted: rows });
    }
    if rows < many + 2 {
        return Err(RegressionError::Few { rows, columns: many });
    }
    // around the means the constant falls out, and columns in units of their own size are told apart
    let centre = |column: &[f64]| {
        let middle = mean(column);
        column.iter().map(|x| x - middle).collect::<Vec<f64>>()
    };
    let centred: Vec<Vec<f64>> = columns.iter().map(|column| centre(column)).collect();
    let sizes: Vec<f64> = centred.iter().map(|column| dot(column, column).sqrt()).collect();
    let spans: Vec<f64> = columns.iter().map(|column| dot(column, column).sqrt()).collect();
    if let Some(at) = (0..many).find(|&k| sizes[k].is_nan() || sizes[k] <= OWN * spans[k]) {
        return Err(RegressionError::Alike(at));
    }
    let scaled = Mat::from_fn(rows, many, |row, k| centred[k][row] / sizes[k]);
    let qr = scaled.qr();
    if let Some(at) = (0..many).find(|&k| qr.thin_R()[(k, k)].abs() <= OWN) {
        return Err(RegressionError::Alike(at));
    }
    let left = centre(y);
    let right = Mat::from_fn(rows, 1, |row, _| left[row]);
    let found = qr.solve_lstsq(&right);
    let slopes: Vec<f64> = (0..many).map(|k| found[(k, 0)] / sizes[k]).collect();
    let means: Vec<f64> = columns.iter().map(|column| mean(column)).collect();
    let constant = mean(y) - dot(&slopes, &means);
    let mut residuals = left.clone();
    for (column, slope) in centred.iter().zip(&slopes) {
        residuals.iter_mut().zip(column).for_each(|(e, x)| *e -= slope * x);
    }
    let whole = dot(&left, &left);
    let r_squared = if whole > 0.0 { 1.0 - dot(&residuals, &residuals) / whole } else { 0.0 };
    let lags = (4.0 * (rows as f64 / 100.0).powf(2.0 / 9.0)) as usize;
    let errors = errors(columns, &residuals, lags.min(rows - 1));
    Ok(Regression {
        constant,
        constant_error: errors[0],
        slopes,
        slope_errors: errors[1..].to_vec(),
        residuals,
        r_squared,
        lags,
    })
}

/// Errors of the constant and the slopes: (XᵀX)⁻¹·S·(XᵀX)⁻¹ with the constant's column of ones.
fn errors(columns: &[Vec<f64>], residuals: &[f64], lags: usize) -> Vec<f64> {
    let (rows, size) = (residuals.len(), columns.len() + 1);
    let value = |row: usize, k: usize| if k == 0 { 1.0 } else { columns[k - 1][row] };
    let design = Mat::from_fn(rows, size, value);
    let scores = Mat::from_fn(rows, size, |row, k| value(row, k) * residuals[row]);
    let mut spread = scores.transpose() * &scores;
    for lag in 1..=lags {
        let weight = 1.0 - lag as f64 / (lags as f64 + 1.0);
        let late = scores.submatrix(lag, 0, rows - lag, size);
        let early = scores.submatrix(0, 0, rows - lag, size);
        let product = late.transpose() * early;
        for i in 0..size {
            for j in 0..size {
                spread[(i, j)] += weight * (product[(i, j)] + product[(j, i)]);
            }
        }
    }
    // columns of very different size: the inverse in units of each
    let sizes: Vec<f64> =
        (0..size).map(|k| (0..rows).map(|r| value(r, k).powi(2)).sum::<f64>().sqrt()).collect();
    let gram = design.transpose() * &design;
    let gram = Mat::from_fn(size, size, |i, j| gram[(i, j)] / (sizes[i] * sizes[j]));
    let inverse = gram.partial_piv_lu().solve(Mat::<f64>::identity(size, size));
    let spread = Mat::from_fn(size, size, |i, j| spread[(i, j)] / (sizes[i] * sizes[j]));
    let both = &inverse * spread * &inverse;
    (0..size).map(|k| both[(k, k)].max(0.0).sqrt() / sizes[k]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::random::Random;

    #[test]
    fn a_line_on_paper() {
        let found = regress(&[1.0, 3.0, 5.0, 7.0], &[vec![0.0, 1.0, 2.0, 3.0]]).expect("a line");
        assert!((found.constant - 1.0).abs() < 1e-12 && (found.slopes[0] - 2.0).abs() < 1e-12);
        assert!((found.r_squared - 1.0).abs() < 1e-12 && found.slope_errors[0] < 1e-12);
    }

    #[test]
    fn errors_are_the_usual_ones_of_independent_rows() {
        let mut random = Random::new(4, 0);
        let rows = 4_000;
        let mut column = || (0..rows).map(|_| random.normal()).collect::<Vec<f64>>();
        let (x, z, e) = (column(), column(), column());
        let y: Vec<f64> = (0..rows).map(|t| 0.5 + 2.0 * x[t] - z[t] + 0.3 * e[t]).collect();
        let found = regress(&y, &[x, z]).expect("fits");
        let usual = 0.3 / (rows as f64).sqrt();
        for error in [found.constant_error, found.slope_errors[0], found.slope_errors[1]] {
            assert!((error / usual - 1.0).abs() < 0.15, "{error} {usual}");
        }
        assert!(
            (found.slopes[0] - 2.0).abs() < 4.0 * usual
                && (found.slopes[1] + 1.0).abs() < 4.0 * usual
        );
    }

    #[test]
    fn what_follows_on_itself_has_greater_errors() {
        let mut random = Random::new(4, 1);
        let mut e = 0.0;
        let y: Vec<f64> = (0..3_000)
            .map(|_| {
                e = 0.8 * e + random.normal();
                e
            })
            .collect();
        let found = regress(&y, &[]).expect("a mean");
        let alone = crate::maths::statistics::covariance(&y, &y) / 3_000.0;
        assert!(found.constant_error > 2.0 * alone.sqrt(), "{}", found.constant_error);
    }

    #[test]
    fn factors_that_are_one_are_named() {
        let x = vec![1.0, 2.0, 4.0, 3.0, 7.0];
        let twice: Vec<f64> = x.iter().map(|x| 2.0 * x + 1.0).collect();
        let y = vec![0.0, 1.0, 0.0, 2.0, 1.0];
        assert_eq!(regress(&y, &[x.clone(), twice]), Err(RegressionError::Alike(1)));
        assert_eq!(regress(&y, &[vec![3.0; 5]]), Err(RegressionError::Alike(0)));
        let few = RegressionError::Few { rows: 2, columns: 1 };
        assert_eq!(regress(&y[..2], &[x[..2].to_vec()]), Err(few));
        assert!(matches!(regress(&y, &[vec![1.0]]), Err(RegressionError::Length { .. })));
    }
}
