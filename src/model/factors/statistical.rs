//! Factors found in the assets themselves: principal components of their correlations, and how many.
//!
//! Every asset counts alike: returns are centred and divided by their deviations. With μ_k the eigenvalues of
//! their correlation, over assets N and rows T, and V(k) the mean of what k factors leave:
//! - Bai and Ng's (2002) IC_p2: the least ln V(k) + k·((N + T)/(NT))·ln min(N, T);
//! - Ahn and Horenstein's (2013) eigenvalue ratio μ_k/μ_{k+1} and growth ratio
//!   ln(1 + μ*_k)/ln(1 + μ*_{k+1}), μ*_k = μ_k/Σ_{j>k} μ_j: the greatest; no factor at all is among the
//!   choices by their mock eigenvalue Σμ/ln min(N, T).

use super::assembled;
use crate::maths::statistics::mean;
use faer::{Mat, Side};

/// Tests of how many factors there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// By Bai and Ng.
    pub information: usize,
    /// By the eigenvalue ratio.
    pub ratio: usize,
    /// By the growth ratio.
    pub growth: usize,
    /// The greatest number that was considered.
    pub most: usize,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Statistical {
    /// How many there are, by each test.
    pub counts: Counts,
    /// Eigenvalues of the correlation, descending; they add up to the number of assets.
    pub eigenvalues: Vec<f64>,
    /// Share of the variance that the factors used explain.
    pub explained: f64,
    /// Slopes of assets on factors of variance one, in the returns' units, `[asset, factor]`.
    pub loadings: Mat<f64>,
    /// The factors, `[factor][row]`, of mean nothing and variance one.
    pub factors: Vec<Vec<f64>>,
    /// Variances that factors leave, by asset.
    pub own: Vec<f64>,
    /// Λ·Λ' + D.
    pub covariance: Mat<f64>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatisticalError {
    /// Too little.
    #[error("{rows} rows of {assets} assets: factors need at least 3 of both")]
    Few {
        /// Rows.
        rows: usize,
        /// Assets.
        assets: usize,
    },
    /// An asset that never moves.
    #[error("asset {0} never moves: no factor moves it")]
    Still(usize),
    /// More factors than can be told.
    #[error("{asked} factors of {assets} assets over {rows} rows: at most {most}")]
    Many {
        /// Asked.
        asked: usize,
        /// Assets.
        assets: usize,
        /// Rows.
        rows: usize,
        /// Most.
        most: usize,
    },
    /// Eigenvalues that do not come.
    #[error("the eigenvalues of the correlation matrix did not converge")]
    Eigenvalues,
}

/// More factors, or more than half of the assets, are not considered by the tests: near all of them, criteria
/// always fall.
const CONSIDERED: usize = 8;

/// Finds factors; so many, or as many as the eigenvalue ratio says (one at least).
///
/// # Errors
/// Too few rows or assets, an asset that never moves, more factors than can be told.
pub fn fit(columns: &[Vec<f64>], asked: Option<usize>) -> Result<Statistical, StatisticalError> {
    let (n, rows) = (columns.len(), columns.first().map_or(0, Vec::len));
    if n < 3 || rows < 3 {
        return Err(StatisticalError::Few { rows, assets: n });
    }
    let most = n.min(rows - 1) - 1;
    let mut deviations = Vec::with_capacity(n);
    let mut scaled = Mat::<f64>::zeros(rows, n);
    for (i, column) in columns.iter().enumerate() {
        let middle = mean(column);
        let square = column.iter().map(|x| (x - middle).powi(2)).sum::<f64>() / (rows - 1) as f64;
        let deviation = square.sqrt();
        if deviation.is_nan() || deviation <= 1e-14 * middle.abs().max(f64::MIN_POSITIVE) {
            return Err(StatisticalError::Still(i));
        }
        for (row, x) in column.iter().enumerate() {
            scaled[(row, i)] = (x - middle) / deviation;
        }
        deviations.push(deviation);
    }
    let products = scaled.transpose() * &scaled;
    let correlation = Mat::from_fn(n, n, |i, j| products[(i, j)] / (rows - 1) as f64);
    let parts =
        correlation.self_adjoint_eigen(Side::Lower).map_err(|_| StatisticalError::Eigenvalues)?;
    let (vectors, values) = (parts.U(), parts.S());
    let eigenvalues: Vec<f64> = (0..n).rev().map(|k| values[k].max(0.0)).collect();
    let counts = counts(&eigenvalues, rows, most.min(CONSIDERED).min(n / 2).max(1));
    let used = asked.unwrap_or_else(|| counts.ratio.max(1));
    if used == 0 || used > most {
        return Err(StatisticalError::Many { asked: used, assets: n, rows, most });
    }
    // a component's sign is free: most of its weight is positive
    let sign = |k: usize| {
        let sum: f64 = (0..n).map(|i| vectors[(i, n - 1 - k)]).sum();
        if sum < 0.0 { -1.0 } else { 1.0 }
    };
    let signs: Vec<f64> = (0..used).map(sign).collect();
    let slope = |i: usize, k: usize| {
        deviations[i] * eigenvalues[k].sqrt() * signs[k] * vectors[(i, n - 1 - k)]
    };
    let loadings = Mat::from_fn(n, used, slope);
    let factor = |k: usize| {
        let weight = |i: usize| signs[k] * vectors[(i, n - 1 - k)] / eigenvalues[k].sqrt();
        let at = |row: usize| (0..n).map(|i| weight(i) * scaled[(row, i)]).sum();
        (0..rows).map(at).collect::<Vec<f64>>()
    };
    let shared = |i: usize| (0..used).map(|k| loadings[(i, k)].powi(2)).sum::<f64>();
    let own: Vec<f64> = (0..n).map(|i| (deviations[i].powi(2) - shared(i)).max(0.0)).collect();
    Ok(Statistical {
        counts,
        explained: eigenvalues[..used].iter().sum::<f64>() / n as f64,
        factors: (0..used).map(factor).collect(),
        covariance: assembled(&loadings, &Mat::identity(used, used), &own),
        own,
        eigenvalues,
        loadings,
    })
}

fn counts(eigenvalues: &[f64], rows: usize, most: usize) -> Counts {
    let (n, t) = (eigenvalues.len() as f64, rows as f64);
    let least = n.min(t);
    // of the second moments over N·T, as the papers have them
    let mu: Vec<f64> = eigenvalues.iter().map(|value| value / n).collect();
    let left = |k: usize| mu[k..].iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let penalty = (n + t) / (n * t) * least.ln();
    let criterion = |k: usize| left(k).ln() + k as f64 * penalty;
    let information =
        (0..=most).min_by(|&a, &b| criterion(a).total_cmp(&criterion(b))).unwrap_or(0);
    let mock = left(0) / least.ln();
    let value = |k: usize| if k == 0 { mock } else { mu[k - 1] };
    let ratio_at = |k: usize| value(k) / value(k + 1).max(f64::MIN_POSITIVE);
    let growth_of = |k: usize| {
        let behind = if k == 0 { left(0) } else { left(k) };
        (value(k) / behind).ln_1p()
    };
    let growth_at = |k: usize| growth_of(k) / growth_of(k + 1).max(f64::MIN_POSITIVE);
    let last = most.saturating_sub(1);
    let greatest = |of: &dyn Fn(usize) -> f64| {
        (0..=last).max_by(|&a, &b| of(a).total_cmp(&of(b)).then(b.cmp(&a))).unwrap_or(0)
    };
    Counts { information, ratio: greatest(&ratio_at), growth: greatest(&growth_at), most }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::random::Random;
    use crate::maths::statistics::covariance;

    /// Assets moved by so many factors of equal strength and noise of their own.
    fn drawn(assets: usize, rows: usize, factors: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut random = Random::new(seed, 0);
        let moved: Vec<Vec<f64>> =
            (0..factors).map(|_| (0..rows).map(|_| random.normal()).collect()).collect();
        let asset = |at: usize| {
            let slopes: Vec<f64> = (0..factors).map(|_| random.normal()).collect();
            let size = 0.01 * (1.0 + at as f64);
            let one = |row: usize| {
                let shared: f64 = (0..factors).map(|k| slopes[k] * moved[k][row]).sum();
                size * (shared + random.normal())
            };
            (0..rows).map(one).collect()
        };
        (0..assets).map(asset).collect()
    }

    #[test]
    fn as_many_factors_are_found_as_were_drawn() {
        for factors in [1, 2, 4] {
            let found = fit(&drawn(60, 800, factors, 40 + factors as u64), None).expect("sound");
            let counts = found.counts;
            assert_eq!(
                (counts.information, counts.ratio, counts.growth),
                (factors, factors, factors)
            );
            assert_eq!(found.factors.len(), factors);
        }
        let none = fit(&drawn(60, 800, 0, 9), None).expect("sound");
        assert_eq!((none.counts.information, none.counts.ratio), (0, 0));
        assert_eq!(none.factors.len(), 1, "one at least is used");
    }

    #[test]
    fn factors_are_of_variance_one_and_explain_what_they_say() {
        let columns = drawn(12, 500, 2, 3);
        let found = fit(&columns, Some(2)).expect("sound");
        for (k, factor) in found.factors.iter().enumerate() {
            assert!((covariance(factor, factor) - 1.0).abs() < 1e-10);
            assert!(covariance(factor, &found.factors[1 - k]).abs() < 1e-10 || k > 1);
        }
        // a slope is the covariance with its factor
        for (i, column) in columns.iter().enumerate() {
            let slope = covariance(column, &found.factors[0]);
            assert!((slope - found.loadings[(i, 0)]).abs() < 1e-10);
            // variances stay what they were
            let own = covariance(column, column);
            assert!((found.covariance[(i, i)] / own - 1.0).abs() < 1e-10);
        }
        assert!((found.eigenvalues.iter().sum::<f64>() - 12.0).abs() < 1e-9);
    }

    #[test]
    fn more_assets_than_rows_are_fine() {
        let found = fit(&drawn(50, 20, 1, 5), Some(3)).expect("sound");
        assert!(found.own.iter().all(|&v| v >= 0.0) && found.explained < 1.0);
        let many = fit(&drawn(50, 20, 1, 5), Some(19));
        assert!(matches!(many, Err(StatisticalError::Many { most: 18, .. })));
        assert!(matches!(fit(&drawn(2, 20, 1, 5), None), Err(StatisticalError::Few { .. })));
        let mut still = drawn(4, 20, 1, 5);
        still[2].fill(0.5);
        assert!(matches!(fit(&still, None), Err(StatisticalError::Still(2))));
    }
}
