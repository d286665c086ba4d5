//! How series move together, beyond Pearson's correlation, and the nearest matrix that is a correlation.
//!
//! - Spearman: Pearson's of the ranks, ties at their mean rank;
//! - Kendall's τ-b, by merge sort (Knight 1966): n·ln n;
//! - distance correlation (Székely, Rizzo and Bakirov 2007), the biased V-statistic, n² a pair, so bounded;
//! - lower tail: how often both lie in their worst share, over that share (1 where they always do, the share
//!   itself where they have nothing to do with each other);
//! - nearest: Higham's alternating projections with Dykstra's correction (2002).

use crate::maths::statistics;
use faer::{Mat, Side};

/// Rows that distance correlation takes: it holds their distances pairwise.
pub const DISTANCE_ROWS_MAX: usize = 4_000;
const NEAREST_STEPS_MAX: usize = 2_000;
const NEAREST_ENOUGH: f64 = 1e-12;

/// A measure of dependence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dependence {
    /// Of ranks.
    Spearman,
    /// Of order.
    Kendall,
    /// Of any kind.
    Distance,
    /// Of the worst share of days.
    LowerTail(f64),
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum DependenceError {
    /// Too few rows.
    #[error("{0} rows; dependence needs at least 3")]
    Few(usize),
    /// Too many rows.
    #[error(
        "{0} rows; distance correlation takes {DISTANCE_ROWS_MAX} at most: choose some by --last"
    )]
    Many(usize),
    /// An asset that never moves.
    #[error("asset {0} never moves: it depends on nothing")]
    Still(usize),
    /// A share that is none, or holds no row.
    #[error(
        "a tail of {0} of the rows: give a share below a half that holds at least 5 rows, as 0.05"
    )]
    Share(f64),
    /// Eigenvalues that do not come.
    #[error("the eigenvalues of the matrix did not converge")]
    Eigenvalues,
}

/// The matrix of a measure, ones on its diagonal.
///
/// # Errors
/// Too few or too many rows, a series that never moves, a share that is none.
pub fn dependence(columns: &[Vec<f64>], how: Dependence) -> Result<Mat<f64>, DependenceError> {
    let rows = columns.first().map_or(0, Vec::len);
    if rows < 3 {
        return Err(DependenceError::Few(rows));
    }
    let is_still = |column: &Vec<f64>| column.iter().all(|x| x.total_cmp(&column[0]).is_eq());
    if let Some(at) = columns.iter().position(is_still) {
        return Err(DependenceError::Still(at));
    }
    match how {
        Dependence::Spearman => {
            let ranks: Vec<Vec<f64>> = columns.iter().map(|column| ranks(column)).collect();
            Ok(pairs(&ranks, |a, b| {
                statistics::covariance(a, b)
                    / (statistics::covariance(a, a) * statistics::covariance(b, b)).sqrt()
            }))
        }
        Dependence::Kendall => Ok(pairs(columns, |a, b| kendall(a, b))),
        Dependence::Distance => {
            if rows > DISTANCE_ROWS_MAX {
                return Err(DependenceError::Many(rows));
            }
            Ok(distances(columns))
        }
        Dependence::LowerTail(share) => {
            let count = (share * rows as f64) as usize;
            if !(share > 0.0 && share < 0.5) || count < 5 {
                return Err(DependenceError::Share(share));
            }
            let worst: Vec<Vec<f64>> = columns.iter().map(|column| worst(column, count)).collect();
            Ok(pairs(&worst, |a, b| {
                a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>() / count as f64
            }))
        }
    }
}

/// A symmetric matrix of a measure of pairs.
fn pairs<T>(series: &[T], of: impl Fn(&T, &T) -> f64) -> Mat<f64> {
    let mut matrix = Mat::identity(series.len(), series.len());
    for i in 0..series.len() {
        for j in 0..i {
            let value = of(&series[i], &series[j]);
            (matrix[(i, j)], matrix[(j, i)]) = (value, value);
        }
    }
    matrix
}

/// Ranks from one, ties at their mean.
pub fn ranks(column: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..column.len()).collect();
    order.sort_by(|&a, &b| column[a].total_cmp(&column[b]));
    let mut ranks = vec![0.0; column.len()];
    for tied in order.chunk_by(|&a, &b| column[a].total_cmp(&column[b]).is_eq()) {
        let first = order.partition_point(|&at| column[at].total_cmp(&column[tied[0]]).is_lt());
        let rank = first as f64 + 0.5 * (tied.len() + 1) as f64;
        tied.iter().for_each(|&at| ranks[at] = rank);
    }
    ranks
}

/// One where a row belongs to the lowest `count`, nothing elsewhere.
fn worst(column: &[f64], count: usize) -> Vec<f64> {
    let mut order: Vec<usize> = (0..column.len()).collect();
    order.sort_by(|&a, &b| column[a].total_cmp(&column[b]));
    let mut worst = vec![0.0; column.len()];
    order[..count].iter().for_each(|&at| worst[at] = 1.0);
    worst
}

/// (concordant − discordant)/√((pairs − ties in a)(pairs − ties in b)).
fn kendall(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[i].total_cmp(&a[j]).then(b[i].total_cmp(&b[j])));
    let choose = |k: usize| k as f64 * (k as f64 - 1.0) / 2.0;
    let same = |x: &[f64], i: usize, j: usize| x[i].total_cmp(&x[j]).is_eq();
    let ties_a: f64 = order.chunk_by(|&i, &j| same(a, i, j)).map(|run| choose(run.len())).sum();
    let both = order.chunk_by(|&i, &j| same(a, i, j) && same(b, i, j));
    let ties_both: f64 = both.map(|run| choose(run.len())).sum();
    let mut sorted: Vec<f64> = order.iter().map(|&at| b[at]).collect();
    let mut spare = sorted.clone();
    let swaps = merged(&mut sorted, &mut spare);
    let runs = sorted.chunk_by(|x, y| x.total_cmp(y).is_eq());
    let ties_b: f64 = runs.map(|run| choose(run.len())).sum();
    let all = choose(n);
    let net = all - ties_a - ties_b + ties_both - 2.0 * swaps;
    net / ((all - ties_a) * (all - ties_b)).sqrt()
}

/// Sorts and counts how many pairs stood the wrong way round.
fn merged(numbers: &mut [f64], spare: &mut [f64]) -> f64 {
    let n = numbers.len();
    if n < 2 {
        return 0.0;
    }
    let half = n / 2;
    let mut swaps = merged(&mut numbers[..half], &mut spare[..half])
        + merged(&mut numbers[half..], &mut spare[half..]);
    let (mut left, mut right) = (0, half);
    for slot in spare.iter_mut() {
        let takes_left = right == n || (left < half && numbers[left] <= numbers[right]);
        if takes_left {
            *slot = numbers[left];
            left += 1;
        } else {
            *slot = numbers[right];
            right += 1;
            swaps += (half - left) as f64;
        }
    }
    numbers.copy_from_slice(spare);
    swaps
}

/// Distance correlations: √(dCov²/√(dVar²·dVar²)) of doubly centred distances.
fn distances(columns: &[Vec<f64>]) -> Mat<f64> {
    let n = columns[0].len();
    let means: Vec<(Vec<f64>, f64)> = columns.iter().map(|column| distance_means(column)).collect();
    let product = |i: usize, j: usize| {
        let (a, b) = (&columns[i], &columns[j]);
        let ((rows_a, all_a), (rows_b, all_b)) = (&means[i], &means[j]);
        let mut sum = 0.0;
        for s in 0..n {
            for t in 0..s {
                let x = (a[s] - a[t]).abs() - rows_a[s] - rows_a[t] + all_a;
                let y = (b[s] - b[t]).abs() - rows_b[s] - rows_b[t] + all_b;
                sum += x * y;
            }
        }
        // both triangles, then the diagonal
        let diagonal: f64 =
            (0..n).map(|s| (all_a - 2.0 * rows_a[s]) * (all_b - 2.0 * rows_b[s])).sum();
        2.0 * sum + diagonal
    };
    let own: Vec<f64> = (0..columns.len()).map(|i| product(i, i)).collect();
    let places: Vec<usize> = (0..columns.len()).collect();
    pairs(&places, |&i, &j| (product(i, j).max(0.0) / (own[i] * own[j]).sqrt()).sqrt())
}

/// Mean distance of every row to all, and of all to all.
fn distance_means(column: &[f64]) -> (Vec<f64>, f64) {
    let n = column.len() as f64;
    let rows: Vec<f64> =
        column.iter().map(|x| column.iter().map(|y| (x - y).abs()).sum::<f64>() / n).collect();
    let all = statistics::mean(&rows);
    (rows, all)
}

/// The correlation matrix nearest to a symmetric one with ones on its diagonal (Frobenius).
///
/// # Errors
/// Eigenvalues that do not come.
pub fn nearest(matrix: &Mat<f64>) -> Result<Mat<f64>, DependenceError> {
    let n = matrix.nrows();
    let mut found = matrix.clone();
    let mut correction = Mat::<f64>::zeros(n, n);
    for _ in 0..NEAREST_STEPS_MAX {
        let from = &found - &correction;
        let semidefinite = without_negatives(&from)?;
        correction = &semidefinite - &from;
        let mut next = semidefinite;
        (0..n).for_each(|i| next[(i, i)] = 1.0);
        let moved = (&next - &found).norm_l2();
        found = next;
        if moved <= NEAREST_ENOUGH * n as f64 {
            break;
        }
    }
    // the diagonal of the last projection is one but for rounding
    let last = without_negatives(&found)?;
    Ok(Mat::from_fn(n, n, |i, j| {
        if i == j { 1.0 } else { last[(i, j)] / (last[(i, i)] * last[(j, j)]).sqrt() }
    }))
}

/// The eigenvalues, ascending.
///
/// # Errors
/// Eigenvalues that do not come.
pub fn eigenvalues(matrix: &Mat<f64>) -> Result<Vec<f64>, DependenceError> {
    matrix.self_adjoint_eigenvalues(Side::Lower).map_err(|_| DependenceError::Eigenvalues)
}

fn without_negatives(matrix: &Mat<f64>) -> Result<Mat<f64>, DependenceError> {
    let n = matrix.nrows();
    let parts = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| DependenceError::Eigenvalues)?;
    let (vectors, values) = (parts.U(), parts.S());
    let scaled = Mat::from_fn(n, n, |i, k| vectors[(i, k)] * values[k].max(0.0));
    let whole = &scaled * vectors.transpose();
    Ok(Mat::from_fn(n, n, |i, j| 0.5 * (whole[(i, j)] + whole[(j, i)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, n: usize) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        (0..n)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                // few values, so that there are ties
                ((state >> 11) % 41) as f64 - 20.0
            })
            .collect()
    }

    /// By counting pairs.
    fn slow_kendall(a: &[f64], b: &[f64]) -> f64 {
        let (mut net, mut in_a, mut in_b) = (0.0, 0.0, 0.0);
        for s in 0..a.len() {
            for t in 0..s {
                let (x, y) = (a[s] - a[t], b[s] - b[t]);
                let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
                net += sign(x) * sign(y);
                in_a += sign(x).abs();
                in_b += sign(y).abs();
            }
        }
        net / f64::sqrt(in_a * in_b)
    }

    #[test]
    fn kendall_counts_as_pairs_do() {
        for n in [3, 4, 17, 128, 301] {
            let a = noise(n as u64, n);
            let b: Vec<f64> =
                a.iter().zip(noise(7 + n as u64, n)).map(|(x, e)| (x + e).round()).collect();
            let (fast, slow) = (kendall(&a, &b), slow_kendall(&a, &b));
            assert!((fast - slow).abs() < 1e-12, "{n}: {fast} {slow}");
        }
    }

    #[test]
    fn what_moves_in_step_depends_wholly() {
        let a = noise(5, 200);
        let cube: Vec<f64> = a.iter().map(|x| x.powi(3)).collect();
        let against: Vec<f64> = a.iter().map(|x| -x).collect();
        let square: Vec<f64> = a.iter().map(|x| x * x).collect();
        let columns = [a, cube, against, square];
        for (how, with, opposed) in [
            (Dependence::Spearman, 1.0, -1.0),
            (Dependence::Kendall, 1.0, -1.0),
            (Dependence::LowerTail(0.1), 1.0, 0.0),
        ] {
            let m = dependence(&columns, how).expect("sound");
            assert!((m[(0, 1)] - with).abs() < 1e-12 && (m[(0, 2)] - opposed).abs() < 1e-12);
        }
        let m = dependence(&columns, Dependence::Distance).expect("sound");
        assert!((m[(0, 2)] - 1.0).abs() < 1e-12);
        // a square is not correlated, but not independent either
        let ranks = dependence(&columns, Dependence::Spearman).expect("sound");
        assert!(ranks[(0, 3)].abs() < 0.3 && m[(0, 3)] > 0.4, "{} {}", ranks[(0, 3)], m[(0, 3)]);
    }

    #[test]
    fn ranks_on_paper() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }

    #[test]
    fn highams_example_is_found() {
        // Higham (2002), section 1: the nearest correlation to a tridiagonal of ones
        let a = Mat::from_fn(3, 3, |i, j| if i.abs_diff(j) < 2 { 1.0 } else { 0.0 });
        let found = nearest(&a).expect("sound");
        for (i, j, wanted) in [(0, 1, 0.7607), (0, 2, 0.1573)] {
            assert!((found[(i, j)] - wanted).abs() < 5e-5, "{}", found[(i, j)]);
        }
        let least = eigenvalues(&found).expect("sound")[0];
        assert!(least > -1e-9);
        // what is one already stays
        let sound = Mat::from_fn(3, 3, |i, j| if i == j { 1.0 } else { 0.2 });
        assert!((&nearest(&sound).expect("sound") - &sound).norm_l2() < 1e-12);
    }

    #[test]
    fn what_has_no_dependence_is_refused() {
        let still = [vec![1.0; 50], noise(1, 50)];
        assert_eq!(dependence(&still, Dependence::Kendall), Err(DependenceError::Still(0)));
        let short = [vec![1.0, 2.0]];
        assert_eq!(dependence(&short, Dependence::Spearman), Err(DependenceError::Few(2)));
        let both = [noise(1, 50), noise(2, 50)];
        let tail = dependence(&both, Dependence::LowerTail(0.05));
        assert_eq!(tail, Err(DependenceError::Share(0.05)));
    }
}
