//! The Student-t copula: how assets depend once their own distributions are set aside, tails included.
//!
//! Columns → ranks over rows + 1 → the dependence matrix from Kendall's tau, sin(πτ/2), repaired to be
//! positive where it is not (Demarta and McNeil 2005, section 3) → ν of greatest likelihood, the log density
//! of the joint t less that of its margins. Beside it the normal copula of the same matrix, which is ν = ∞.
//! Tail dependence of a pair: 2·t_{ν+1}(−√((ν + 1)(1 − ρ)/(1 + ρ))).

use super::dependence::{Dependence, DependenceError, dependence, eigenvalues, nearest, ranks};
use crate::maths::distribution::{StudentT, normal_quantile};
use crate::maths::linear::cholesky;
use crate::maths::special::ln_gamma;
use faer::Mat;
use std::f64::consts::PI;

/// What was fitted.
#[derive(Clone, Debug)]
pub struct Copula {
    /// Degrees of freedom.
    pub nu: f64,
    /// Its standard error, by the likelihood's curvature; no number at a limit.
    pub nu_error: f64,
    /// Dependence of the underlying t.
    pub matrix: Mat<f64>,
    /// Whether it had to be repaired.
    pub is_repaired: bool,
    /// Logarithm of the copula's likelihood.
    pub log_likelihood: f64,
    /// The same of the normal copula.
    pub normal: f64,
    /// How likely both of a pair are in their worst, given one is, far out.
    pub tail: Mat<f64>,
    /// The limit that ν stands at.
    pub boundary: Option<&'static str>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum CopulaError {
    /// One asset.
    #[error("dependence needs at least 2 assets")]
    One,
    /// The dependence.
    #[error(transparent)]
    Dependence(#[from] DependenceError),
    /// Two assets that are one.
    #[error("assets {first} and {second} move as one: a copula of both has no density")]
    Same {
        /// From zero.
        first: usize,
        /// From zero.
        second: usize,
    },
    /// Too few rows.
    #[error(
        "{rows} rows for {assets} assets: the dependence matrix cannot be told from one without density"
    )]
    Few {
        /// Rows.
        rows: usize,
        /// Assets.
        assets: usize,
    },
}

/// ν is looked for between these.
const NU: (f64, f64) = (1.0, 300.0);
/// Golden-section steps over ln ν, each 0.618 of the one before.
const STEPS: usize = 30;
/// Taus this near to one are one.
const SAME: f64 = 1.0 - 1e-9;
/// The least eigenvalue of a dependence matrix that has a density.
const POSITIVE: f64 = 1e-8;

/// Fits to columns of returns.
///
/// # Errors
/// Fewer than two assets, an asset that never moves, two that are one.
pub fn fit(columns: &[Vec<f64>]) -> Result<Copula, CopulaError> {
    let n = columns.len();
    if n < 2 {
        return Err(CopulaError::One);
    }
    let taus = dependence(columns, Dependence::Kendall)?;
    for second in 1..n {
        if let Some(first) = (0..second).find(|&first| taus[(first, second)].abs() >= SAME) {
            return Err(CopulaError::Same { first, second });
        }
    }
    let plain =
        Mat::from_fn(n, n, |i, j| if i == j { 1.0 } else { (0.5 * PI * taus[(i, j)]).sin() });
    let least = eigenvalues(&plain)?[0];
    let is_repaired = least < POSITIVE;
    let matrix = if is_repaired { lifted(&nearest(&plain)?) } else { plain };
    let rows = columns[0].len();
    let flat: Vec<f64> = (0..n * n).map(|k| matrix[(k / n, k % n)]).collect();
    let root = cholesky(&flat, n).map_err(|_| CopulaError::Few { rows, assets: n })?;
    let data = Data::new(columns, root);
    let normal = data.normal();
    let value = |log: f64| data.student(log.exp());
    let (low, high) = (NU.0.ln(), NU.1.ln());
    let log = greatest(value, low, high);
    let nu = log.exp();
    let edge = 1e-3;
    let boundary = if log > high - edge {
        Some("nu at its greatest: the copula is normal")
    } else if log < low + edge {
        Some("nu at its least")
    } else {
        None
    };
    // curvature in ln ν, by differences wide enough for a likelihood's rounding
    let by = 0.02;
    let bend = (value(log + by) - 2.0 * value(log) + value(log - by)) / (by * by);
    let is_inside = boundary.is_none() && bend < 0.0;
    let nu_error = if is_inside { nu / (-bend).sqrt() } else { f64::NAN };
    let tail = Mat::from_fn(n, n, |i, j| if i == j { 1.0 } else { tail_of(nu, matrix[(i, j)]) });
    Ok(Copula {
        nu,
        nu_error,
        is_repaired,
        log_likelihood: value(log),
        normal,
        tail,
        boundary,
        matrix,
    })
}

fn tail_of(nu: f64, rho: f64) -> f64 {
    let t = StudentT::new(nu + 1.0).expect("Invariant: ν is positive");
    2.0 * t.cdf(-((nu + 1.0) * (1.0 - rho) / (1.0 + rho)).sqrt())
}

/// The matrix drawn a little towards the identity, so that it has an inverse.
fn lifted(matrix: &Mat<f64>) -> Mat<f64> {
    let (n, share) = (matrix.nrows(), 1e-6);
    Mat::from_fn(n, n, |i, j| if i == j { 1.0 } else { (1.0 - share) * matrix[(i, j)] })
}

/// The place of a function's only peak (golden section, Kiefer 1953).
fn greatest(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let share = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut left, mut right) = (high - share * (high - low), low + share * (high - low));
    let (mut at_left, mut at_right) = (f(left), f(right));
    for _ in 0..STEPS {
        if at_left < at_right {
            (low, left, at_left) = (left, right, at_right);
            right = low + share * (high - low);
            at_right = f(right);
        } else {
            (high, right, at_right) = (right, left, at_left);
            left = high - share * (high - low);
            at_left = f(left);
        }
    }
    0.5 * (low + high)
}

/// Ranks of all columns, and the dependence they are judged by.
struct Data {
    /// Twice the rank of each value, `[asset][row]`: ties lie half way.
    ranks: Vec<Vec<usize>>,
    rows: usize,
    /// Lower triangle of the dependence matrix, by row.
    root: Vec<f64>,
}

impl Data {
    fn new(columns: &[Vec<f64>], root: Vec<f64>) -> Data {
        let doubled =
            |column: &Vec<f64>| ranks(column).iter().map(|r| (2.0 * r) as usize).collect();
        Data { ranks: columns.iter().map(doubled).collect(), rows: columns[0].len(), root }
    }

    /// A quantile of every rank that occurs: all columns have the same ranks, but for ties.
    fn scores(&self, quantile: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut table = vec![f64::NAN; 2 * self.rows + 2];
        let last = 2 * (self.rows + 1);
        for &rank in self.ranks.iter().flatten() {
            // both distributions are the same on either side of nothing
            let mirror = last - rank;
            if !table[mirror].is_nan() {
                table[rank] = -table[mirror];
            } else if table[rank].is_nan() {
                table[rank] = quantile(0.5 * rank as f64 / (self.rows as f64 + 1.0));
            }
        }
        table
    }

    /// Σ over rows of `joint(x'R⁻¹x)` less the margins' log densities, less rows·½ln|R|.
    fn sum(&self, scores: &[f64], joint: impl Fn(f64) -> f64, margin: impl Fn(f64) -> f64) -> f64 {
        let n = self.ranks.len();
        let margins: Vec<f64> = scores.iter().map(|&x| margin(x)).collect();
        let mut solved = vec![0.0; n];
        let mut sum = 0.0;
        for row in 0..self.rows {
            let mut form = 0.0;
            for i in 0..n {
                let rank = self.ranks[i][row];
                let known: f64 = (0..i).map(|k| self.root[n * i + k] * solved[k]).sum();
                solved[i] = (scores[rank] - known) / self.root[n * i + i];
                form += solved[i] * solved[i];
                sum -= margins[rank];
            }
            sum += joint(form);
        }
        let half: f64 = (0..n).map(|i| self.root[n * i + i].ln()).sum();
        sum - self.rows as f64 * half
    }

    fn student(&self, nu: f64) -> f64 {
        let n = self.ranks.len() as f64;
        let t = StudentT::new(nu).expect("Invariant: ν is positive");
        let scores = self.scores(|u| t.quantile(u));
        let constant = ln_gamma(0.5 * (nu + n)) - ln_gamma(0.5 * nu) - 0.5 * n * (nu * PI).ln();
        let joint = |form: f64| constant - 0.5 * (nu + n) * (form / nu).ln_1p();
        self.sum(&scores, joint, |x| t.ln_density(x))
    }

    fn normal(&self) -> f64 {
        let n = self.ranks.len() as f64;
        let scores = self.scores(normal_quantile);
        let constant = 0.5 * (2.0 * PI).ln();
        let joint = |form: f64| -n * constant - 0.5 * form;
        self.sum(&scores, joint, |x| -constant - 0.5 * x * x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::distribution::{Tail, chi_square_quantile};
    use crate::maths::random::Random;

    /// Rows of a joint t of three with correlations of a half.
    fn drawn(nu: f64, rows: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut random = Random::new(seed, 0);
        let mut all = vec![Vec::new(); 3];
        for _ in 0..rows {
            let mut normal = || normal_quantile(random.unit());
            let shared = normal();
            let x = [0.0; 3].map(|_| (shared + normal()) / 2.0_f64.sqrt());
            let scale = if nu.is_finite() {
                (nu / chi_square_quantile(nu, Tail::Lower(random.unit()))).sqrt()
            } else {
                1.0
            };
            // margins of any shape leave the copula as it is
            all[0].push(x[0] * scale);
            all[1].push((x[1] * scale).exp());
            all[2].push((x[2] * scale).powi(3));
        }
        all
    }

    #[test]
    fn what_was_drawn_is_found_under_any_margins() {
        let found = fit(&drawn(4.0, 4_000, 2)).expect("sound");
        assert!((found.nu - 4.0).abs() < 4.0 * found.nu_error, "{} ± {}", found.nu, found.nu_error);
        assert!(found.nu_error < 0.6, "{}", found.nu_error);
        for (i, j) in [(0, 1), (0, 2), (1, 2)] {
            assert!((found.matrix[(i, j)] - 0.5).abs() < 0.05);
            // McNeil, Frey and Embrechts 2005, table 5.1: ν 4, ρ 0.5 gives 0.25
            assert!((found.tail[(i, j)] - 0.25).abs() < 0.05, "{}", found.tail[(i, j)]);
        }
        assert!(found.log_likelihood > found.normal + 50.0 && !found.is_repaired);
    }

    #[test]
    fn tails_are_the_textbooks() {
        for (nu, rho, tail) in
            [(2.0, 0.5, 0.39), (4.0, 0.0, 0.08), (4.0, 0.9, 0.63), (2.0, 0.9, 0.72)]
        {
            assert!((tail_of(nu, rho) - tail).abs() < 0.006, "{nu} {rho}: {}", tail_of(nu, rho));
        }
    }

    #[test]
    fn normal_dependence_has_no_tails() {
        let found = fit(&drawn(f64::INFINITY, 3_000, 3)).expect("sound");
        assert!(found.nu > 25.0, "{}", found.nu);
        assert!((found.log_likelihood - found.normal).abs() < 4.0);
    }

    #[test]
    fn the_likelihood_is_the_densities_own() {
        // slow: inverse and determinant of two by two, density by density
        let columns = drawn(5.0, 200, 7)[..2].to_vec();
        let found = fit(&columns).expect("sound");
        let (nu, rho) = (found.nu, found.matrix[(0, 1)]);
        let t = StudentT::new(nu).expect("positive");
        let place = |column: &Vec<f64>, row: usize| {
            column.iter().filter(|x| **x <= column[row]).count() as f64 / 201.0
        };
        let mut slow = 0.0;
        for row in 0..200 {
            let (x, y) = (t.quantile(place(&columns[0], row)), t.quantile(place(&columns[1], row)));
            let form = (x * x - 2.0 * rho * x * y + y * y) / (1.0 - rho * rho);
            let density = ln_gamma(0.5 * nu + 1.0)
                - ln_gamma(0.5 * nu)
                - (nu * PI).ln()
                - 0.5 * (1.0 - rho * rho).ln()
                - (0.5 * nu + 1.0) * (1.0 + form / nu).ln();
            slow += density - t.ln_density(x) - t.ln_density(y);
        }
        assert!(
            (slow - found.log_likelihood).abs() < 1e-8 * slow.abs(),
            "{slow} {}",
            found.log_likelihood
        );
    }

    #[test]
    fn what_has_no_density_is_named() {
        let mut columns = drawn(4.0, 100, 4);
        assert!(matches!(fit(&columns[..1]), Err(CopulaError::One)));
        columns[2] = columns[0].iter().map(|x| 2.0 * x).collect();
        assert!(matches!(fit(&columns), Err(CopulaError::Same { first: 0, second: 2 })));
    }
}
