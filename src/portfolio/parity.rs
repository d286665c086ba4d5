//! Risk budgets: weights whose contributions to the whole's variance are what was asked for.
//!
//! w_i (Σw)_i / wᵀΣw = b_i. Spinu's convex form (2013): minimise ½xᵀΣx − Σ b_i ln x_i over x > 0, then
//! w = x/Σx. Few assets by Newton's damped method, many by cyclical coordinate descent (Griveau-Billion,
//! Richard and Roncalli 2013), whose every step is the root of a quadratic; where assets all but cancel,
//! descent creeps, and Newton ends it.
//! Proof: the dual value −½xᵀΣx + Σ b_i (1 + ln((Σx)_i/b_i)) of the same problem.

use super::allocation::{Allocation, AllocationError, Objective};
use super::problem::{product, variance};
use crate::maths::programme::{Certificate, Status, dot};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

const NEWTON_ASSETS: usize = 300;
const NEWTON_STEPS: usize = 100;
/// Sweeps after which descent is too slow, and what is left is Newton's.
const SWEEPS_MAX: usize = 120;
/// Relative error of budgets at which it rests.
const TOLERANCE: f64 = 1e-13;
/// What is good enough where rounding stops it sooner.
const TOLERABLE: f64 = 1e-8;

/// Least share of the cold start that a warm one begins an asset with.
const LEAST: f64 = 0.05;

/// Variance of a combination, beside that of its assets alone, that counts as none.
const RISKLESS: f64 = 1e-9;

/// Weights with these budgets, which need not add up to one; `warm` are the weights of a problem nearby.
///
/// # Errors
/// A budget that is not positive, or an asset without variance.
pub fn risk_parity(
    covariance: &Mat<f64>,
    budgets: &[f64],
    warm: Option<&[f64]>,
) -> Result<Allocation, AllocationError> {
    let n = budgets.len();
    if let Some(at) = budgets.iter().position(|&b| !(b.is_finite() && b > 0.0)) {
        let words =
            format!("the risk budget of asset {} is {}; it must be above 0", at + 1, budgets[at]);
        return Err(AllocationError::Numbers(words));
    }
    if let Some(at) = (0..n).find(|&i| covariance[(i, i)].is_nan() || covariance[(i, i)] <= 0.0) {
        let words = format!("asset {} has no variance: no weight of it can carry risk", at + 1);
        return Err(AllocationError::Numbers(words));
    }
    let sum: f64 = budgets.iter().sum();
    let budgets: Vec<f64> = budgets.iter().map(|b| b / sum).collect();
    // in units of the assets' own deviations the matrix is one of correlations
    let deviations: Vec<f64> = (0..n).map(|i| covariance[(i, i)].sqrt()).collect();
    let scaled = Mat::from_fn(n, n, |i, j| covariance[(i, j)] / (deviations[i] * deviations[j]));
    let search = if n <= NEWTON_ASSETS { newton } else { descent_then_newton };
    let cold = at_one(&scaled, budgets.iter().map(|b| b.sqrt()).collect());
    let near = warm.and_then(|weights| {
        let x = at_one(&scaled, weights.iter().zip(&deviations).map(|(w, d)| w * d).collect());
        // what was not held begins small, not nowhere
        let held = x.iter().zip(&cold).map(|(x, cold)| x.max(LEAST * cold)).collect();
        let (x, steps) = search(&scaled, &budgets, at_one(&scaled, held));
        (certificate(&scaled, &budgets, &x).kkt_residual < TOLERABLE).then_some((x, steps))
    });
    let (x, iterations) = near.unwrap_or_else(|| search(&scaled, &budgets, cold));
    let certificate = certificate(&scaled, &budgets, &x);
    // in these units every asset alone has a variance of one
    let spread = variance(&scaled, &x) / dot(&x, &x);
    if certificate.kkt_residual >= TOLERABLE && spread < RISKLESS {
        let words = "some positive weights have no variance at all (fewer returns than assets, or assets \
                     that cancel): budgets of no risk have no weights; take --covariance ledoit-wolf, or \
                     leave assets out";
        return Err(AllocationError::Numbers(words.to_owned()));
    }
    let mut weights: Vec<f64> = x.iter().zip(&deviations).map(|(x, d)| x / d).collect();
    let whole: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= whole);
    let status =
        if certificate.kkt_residual < TOLERABLE { Status::Optimal } else { Status::Stopped };
    let objective = Objective { name: "variance", value: variance(covariance, &weights) };
    Ok(Allocation { weights, objective, status, certificate: Some(certificate), iterations })
}

/// Scaled to where the whole's variance is one, as it is at the end.
fn at_one(matrix: &Mat<f64>, mut x: Vec<f64>) -> Vec<f64> {
    let whole = variance(matrix, &x).sqrt();
    if whole > 0.0 {
        x.iter_mut().for_each(|x| *x /= whole);
    }
    x
}

/// Greatest error of a budget, as a share of it.
fn error(gradient: &[f64], budgets: &[f64], x: &[f64]) -> f64 {
    let each = gradient.iter().zip(budgets).zip(x);
    each.map(|((g, b), x)| (g * x / b - 1.0).abs()).fold(0.0, f64::max)
}

/// ½xᵀΣx − Σ b ln x.
fn value(matrix: &Mat<f64>, budgets: &[f64], x: &[f64]) -> f64 {
    let logs: f64 = budgets.iter().zip(x).map(|(b, x)| b * x.ln()).sum();
    0.5 * variance(matrix, x) - logs
}

fn newton(matrix: &Mat<f64>, budgets: &[f64], mut x: Vec<f64>) -> (Vec<f64>, usize) {
    let n = budgets.len();
    // sums of many round by more than those of few
    let rest = TOLERANCE.max(8.0 * n as f64 * f64::EPSILON);
    for step_count in 0..NEWTON_STEPS {
        let slope = product(matrix, &x);
        if error(&slope, budgets, &x) < rest {
            return (x, step_count);
        }
        let mut hessian = matrix.clone();
        for i in 0..n {
            hessian[(i, i)] += budgets[i] / (x[i] * x[i]);
        }
        let Ok(factor) = hessian.llt(Side::Lower) else { return (x, step_count) };
        let gradient = Mat::from_fn(n, 1, |i, _| slope[i] - budgets[i] / x[i]);
        let moved = factor.solve(&gradient);
        let step: Vec<f64> = (0..n).map(|i| -moved[(i, 0)]).collect();
        let decrease = (0..n).map(|i| step[i] * gradient[(i, 0)]).sum::<f64>();
        let before = value(matrix, budgets, &x);
        let mut length = 1.0;
        let next = loop {
            let next: Vec<f64> = x.iter().zip(&step).map(|(x, d)| x + length * d).collect();
            let is_inside = next.iter().all(|&x| x > 0.0);
            // near the end differences of values are rounding, and whole steps are right
            let is_lower = || value(matrix, budgets, &next) <= before + 1e-4 * length * decrease;
            if is_inside && (decrease.abs() < 1e-12 || is_lower()) {
                break next;
            }
            length *= 0.5;
            if length < 1e-12 {
                return (x, step_count);
            }
        };
        x = next;
    }
    (x, NEWTON_STEPS)
}

/// Descent, and Newton from where it does not come to rest.
fn descent_then_newton(matrix: &Mat<f64>, budgets: &[f64], start: Vec<f64>) -> (Vec<f64>, usize) {
    let (x, sweeps) = descent(matrix, budgets, start);
    if sweeps < SWEEPS_MAX || error(&product(matrix, &x), budgets, &x) < 0.1 * TOLERABLE {
        return (x, sweeps);
    }
    let (x, steps) = newton(matrix, budgets, x);
    (x, sweeps + steps)
}

fn descent(matrix: &Mat<f64>, budgets: &[f64], mut x: Vec<f64>) -> (Vec<f64>, usize) {
    let n = budgets.len();
    let mut slope = product(matrix, &x);
    for sweep in 0..SWEEPS_MAX {
        for i in 0..n {
            let own = matrix[(i, i)];
            let others = slope[i] - own * x[i];
            let next = (-others + (others * others + 4.0 * own * budgets[i]).sqrt()) / (2.0 * own);
            let change = next - x[i];
            x[i] = next;
            let column = matrix.col(i);
            slope.iter_mut().zip(column.iter()).for_each(|(s, m)| *s += change * m);
        }
        if error(&slope, budgets, &x) < TOLERANCE.max(1e-12) {
            return (x, sweep + 1);
        }
        if sweep % 16 == 15 {
            // sums that were only ever added to drift
            slope = product(matrix, &x);
        }
    }
    (x, SWEEPS_MAX)
}

fn certificate(matrix: &Mat<f64>, budgets: &[f64], x: &[f64]) -> Certificate {
    let slope = product(matrix, x);
    let half = 0.5 * dot(&slope, x);
    let primal = value(matrix, budgets, x);
    let dual =
        -half + budgets.iter().zip(&slope).map(|(b, s)| b * (1.0 + (s / b).ln())).sum::<f64>();
    let kkt_residual = error(&slope, budgets, x);
    Certificate { primal, dual, gap: (primal - dual).abs(), kkt_residual }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(n: usize, rank: usize, seed: u64) -> Mat<f64> {
        let mut state = seed;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as f64 / (1_u64 << 31) as f64 - 0.4
        };
        let factor = Mat::from_fn(n, rank, |_, _| 0.02 * (0.2 + noise()));
        &factor * factor.transpose()
    }

    #[test]
    fn contributions_are_the_budgets() {
        for (n, rank) in [(2, 5), (20, 40), (20, 6), (301, 500), (350, 90)] {
            let covariance = matrix(n, rank, n as u64);
            for budgets in [vec![1.0; n], (1..=n).map(|i| i as f64).collect::<Vec<f64>>()] {
                let found = risk_parity(&covariance, &budgets, None).expect("positive");
                let slope = product(&covariance, &found.weights);
                let whole = dot(&slope, &found.weights);
                let sum: f64 = budgets.iter().sum();
                for i in 0..n {
                    let share = found.weights[i] * slope[i] / whole;
                    assert!(
                        (share * sum / budgets[i] - 1.0).abs() < 1e-9,
                        "{n} {rank}: {i} {share}"
                    );
                }
                let certificate = found.certificate.expect("proven");
                assert!(
                    certificate.gap < 1e-10 && found.status == Status::Optimal,
                    "{certificate:?}"
                );
            }
        }
    }

    #[test]
    fn weights_nearby_save_steps_and_change_nothing() {
        for n in [20, 350] {
            let before = matrix(n, 2 * n, n as u64);
            let after =
                Mat::from_fn(n, n, |i, j| before[(i, j)] * (1.0 + 0.03 * ((i + j) as f64).sin()));
            let budgets = vec![1.0; n];
            let known = risk_parity(&before, &budgets, None).expect("positive").weights;
            let cold = risk_parity(&after, &budgets, None).expect("positive");
            let warm = risk_parity(&after, &budgets, Some(&known)).expect("positive");
            assert!(
                warm.iterations < cold.iterations,
                "{n}: {} {}",
                warm.iterations,
                cold.iterations
            );
            assert_eq!(warm.status, Status::Optimal);
            for (warm, cold) in warm.weights.iter().zip(&cold.weights) {
                assert!((warm - cold).abs() < 1e-11, "{n}: {warm} {cold}");
            }
            // what holds nothing, next to nothing, or is nonsense, leads there too
            let mut none = known.clone();
            none[0] = 0.0;
            for from in [none, vec![1e-200; n], vec![0.0; n], vec![-1.0; n]] {
                let found = risk_parity(&after, &budgets, Some(&from)).expect("positive");
                assert_eq!(found.status, Status::Optimal);
                for (warm, cold) in found.weights.iter().zip(&cold.weights) {
                    assert!((warm - cold).abs() < 1e-11, "{n}: {warm} {cold}");
                }
            }
        }
    }

    /// Five strong factors with slopes of either sign: risk all but cancels.
    #[test]
    fn what_descent_creeps_to_newton_finds() {
        let mut random = crate::maths::random::Random::new(3, 0);
        let n = 400;
        let slopes = Mat::from_fn(n, 5, |_, _| random.normal());
        let shared = &slopes * slopes.transpose();
        let covariance = Mat::from_fn(n, n, |i, j| shared[(i, j)] + f64::from(u8::from(i == j)));
        let budgets = vec![1.0 / n as f64; n];
        let crept = descent(&covariance, &budgets, vec![0.05; n]);
        assert_eq!(crept.1, SWEEPS_MAX, "no case of it");
        let found = risk_parity(&covariance, &budgets, None).expect("positive");
        assert_eq!(found.status, Status::Optimal, "{:?}", found.certificate);
        assert!(found.certificate.is_some_and(|proof| proof.kkt_residual < 1e-9));
        assert!(found.iterations < SWEEPS_MAX + 40, "no rest: {}", found.iterations);
    }

    #[test]
    fn two_assets_are_in_inverse_proportion_to_their_deviations() {
        let covariance = Mat::from_fn(2, 2, |i, j| [[4.0, 1.0], [1.0, 1.0]][i][j]);
        let found = risk_parity(&covariance, &[1.0, 1.0], None).expect("positive");
        assert!((found.weights[0] - 1.0 / 3.0).abs() < 1e-14, "{:?}", found.weights);
    }

    #[test]
    fn what_carries_no_risk_is_refused() {
        let still = Mat::from_fn(2, 2, |i, j| f64::from(u8::from(i == 0 && j == 0)));
        assert!(risk_parity(&still, &[1.0, 1.0], None).is_err());
        assert!(risk_parity(&matrix(2, 4, 1), &[1.0, 0.0], None).is_err());
        let cancelling = Mat::from_fn(2, 2, |i, j| if i == j { 1.0 } else { -1.0 });
        let refused =
            risk_parity(&cancelling, &[1.0, 1.0], None).expect_err("riskless").to_string();
        assert!(refused.contains("no variance at all"), "{refused}");
    }
}
