//! `cov`: covariances and correlations of many return series, plain, exponentially weighted or windowed.
//!
//! Input: rows by time, `rows[time][series]`. Means first (weighted as the covariance is), then
//! S_ij = Σ w_t (x_ti − m_i)(x_tj − m_j): within a block of `ROWS` rows in time order, one fma each, the
//! blocks folded pairwise as `reduce` does. Plain weights are 1/(T − ddof); exponential ones
//! (1 − λ)λ^age/(1 − λ^T), which sum to one (RiskMetrics 1996).
//! Twins: `scalar` (the meaning), `avx2`, kernels/cov.cu in bits. Error: 256 + log₂(T/256) roundings deep.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod formula;
pub mod gpu;
mod scalar;

#[cfg(test)]
mod tests;

use crate::host::cpu::Simd;

/// Rows that are added in time order before the tree begins.
pub const ROWS: usize = 256;

/// How much each row counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weighting {
    /// All the same; the sum is divided by rows − `ddof`.
    Equal {
        /// Degrees of freedom taken.
        ddof: usize,
    },
    /// The newest most, each older one λ times the next.
    Exponential {
        /// λ, below one.
        lambda: f64,
    },
}

/// Why there is no covariance.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum CovError {
    /// Too few rows.
    #[error("{rows} rows; at least {needed} are needed")]
    Few {
        /// There.
        rows: usize,
        /// Needed.
        needed: usize,
    },
    /// A cut rectangle.
    #[error("{numbers} numbers are no rows of {series}")]
    Shape {
        /// Numbers.
        numbers: usize,
        /// Series.
        series: usize,
    },
    /// A hole.
    #[error("row {row}, series {series}: {value} is no number")]
    NotFinite {
        /// Row, from zero.
        row: usize,
        /// Series, from zero.
        series: usize,
        /// What stands there.
        value: f32,
    },
    /// λ.
    #[error("λ = {0}; give a factor between 0 and 1, as 0.94")]
    Lambda(f64),
    /// A series without variance has no correlation.
    #[error("series {0} never moves: it has no correlation")]
    Still(usize),
}

/// The covariance matrix, `[series][series]`.
///
/// # Errors
/// Rows that have none.
pub fn covariance(
    rows: &[f32],
    series: usize,
    weighting: Weighting,
    simd: Simd,
) -> Result<Vec<f32>, CovError> {
    let count = checked(rows, series, weighting)?;
    let job = Rows { rows, series, weights: weights(count, weighting)?, padded: padded(series) };
    let full = match simd {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => avx2::products(&job),
        _ => scalar::products(&job),
    };
    let entry = |i: usize, j: usize| full[i.max(j) * job.padded + i.min(j)];
    Ok((0..series * series).map(|at| entry(at / series, at % series)).collect())
}

/// How many rows there are, once each number is seen to be one.
fn checked(rows: &[f32], series: usize, weighting: Weighting) -> Result<usize, CovError> {
    if series == 0 || !rows.len().is_multiple_of(series) {
        return Err(CovError::Shape { numbers: rows.len(), series });
    }
    let count = rows.len() / series;
    let needed = match weighting {
        Weighting::Equal { ddof } => ddof + 1,
        Weighting::Exponential { .. } => 1,
    };
    if count < needed {
        return Err(CovError::Few { rows: count, needed });
    }
    if let Some(at) = rows.iter().position(|x| !x.is_finite()) {
        return Err(CovError::NotFinite { row: at / series, series: at % series, value: rows[at] });
    }
    Ok(count)
}

/// The correlation matrix of a covariance matrix.
///
/// # Errors
/// A series that never moves.
pub fn correlation(covariance: &[f32], series: usize) -> Result<Vec<f32>, CovError> {
    let variance = |at: usize| covariance[at * series + at];
    if let Some(still) = (0..series).find(|&at| variance(at) <= 0.0) {
        return Err(CovError::Still(still));
    }
    let entry = |at: usize| {
        let (i, j) = (at / series, at % series);
        if i == j { 1.0 } else { covariance[at] / (variance(i).sqrt() * variance(j).sqrt()) }
    };
    Ok((0..series * series).map(entry).collect())
}

/// Covariance matrices of every window of so many rows, the oldest first, one after the other.
///
/// # Errors
/// Rows that have none, or fewer than a window.
pub fn windows(
    rows: &[f32],
    series: usize,
    window: usize,
    weighting: Weighting,
    simd: Simd,
) -> Result<Vec<f32>, CovError> {
    let count = rows.len().checked_div(series).unwrap_or(0);
    if window == 0 || count < window {
        return Err(CovError::Few { rows: count, needed: window.max(1) });
    }
    let mut all = Vec::with_capacity((count - window + 1) * series * series);
    for from in 0..=count - window {
        let part = &rows[from * series..(from + window) * series];
        all.extend(covariance(part, series, weighting, simd)?);
    }
    Ok(all)
}

/// A checked job, `weights[0]` for means and `weights[1]` for products.
struct Rows<'a> {
    rows: &'a [f32],
    series: usize,
    weights: [Vec<f32>; 2],
    /// Series with those that fill the last register.
    padded: usize,
}

/// Series of a tile's columns.
const COLUMNS: usize = 16;

fn padded(series: usize) -> usize {
    series.next_multiple_of(COLUMNS)
}

fn weights(count: usize, weighting: Weighting) -> Result<[Vec<f32>; 2], CovError> {
    match weighting {
        Weighting::Equal { ddof } => {
            let even = |by: usize| vec![(1.0 / by as f64) as f32; count];
            Ok([even(count), even(count - ddof)])
        }
        Weighting::Exponential { lambda } => {
            if !(lambda > 0.0 && lambda < 1.0) {
                return Err(CovError::Lambda(lambda));
            }
            let total = (1.0 - lambda.powf(count as f64)) / (1.0 - lambda);
            let weight = |t: usize| (lambda.powf((count - 1 - t) as f64) / total) as f32;
            let all: Vec<f32> = (0..count).map(weight).collect();
            Ok([all.clone(), all])
        }
    }
}

/// The pairwise tree of `reduce`, entry by entry, without keeping every block: two sums of as many blocks
/// fold as soon as both are there.
#[derive(Default)]
struct Tree {
    /// Sums with how many blocks each holds, the greatest first.
    sums: Vec<(usize, Vec<f32>)>,
}

impl Tree {
    fn push(&mut self, block: Vec<f32>) {
        self.sums.push((1, block));
        while let [.., (a, _), (b, _)] = self.sums[..]
            && a == b
        {
            self.fold();
        }
    }

    fn fold(&mut self) {
        if let Some((blocks, last)) = self.sums.pop()
            && let Some((more, before)) = self.sums.last_mut()
        {
            *more += blocks;
            before.iter_mut().zip(last).for_each(|(a, b)| *a += b);
        }
    }

    fn finish(mut self) -> Vec<f32> {
        while self.sums.len() > 1 {
            self.fold();
        }
        self.sums.pop().map(|(_, sum)| sum).unwrap_or_default()
    }
}
