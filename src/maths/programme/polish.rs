//! One step onto the active set of a quadratic programme.

use super::{Convex, Limits, Quadratic, Solution, dot};
use faer::Mat;
use faer::linalg::solvers::Solve;

/// Feasibility and signs of duals may be off by this after the step, relative to their size.
const SLIP: f64 = 1e-11;
/// Refinements of the linear system.
const REFINEMENTS: usize = 2;

/// Solves the equalities of the active set exactly; keeps the step where it is at least as good.
pub(super) fn polish(objective: &Quadratic, limits: &Limits, solution: &mut Solution) {
    let n = solution.x.len();
    let size = gradient_size(objective, &solution.x);
    // a bound is active where its dual outweighs its slack
    let at_bound = |i: usize| -> Option<(f64, bool)> {
        let (low, high) = (limits.lower[i], limits.upper[i]);
        if low.is_finite() && solution.lower_duals[i] / size > solution.x[i] - low {
            return Some((low, true));
        }
        (high.is_finite() && solution.upper_duals[i] / size > high - solution.x[i])
            .then_some((high, false))
    };
    let fixed: Vec<Option<(f64, bool)>> = (0..n).map(at_bound).collect();
    let free: Vec<usize> = (0..n).filter(|&i| fixed[i].is_none()).collect();
    let rows = &limits.inequalities;
    let active: Vec<usize> = (0..rows.len())
        .filter(|&at| {
            let slack = rows.right[at] - dot(rows.row(at), &solution.x);
            solution.inequality_duals[at] / size > slack
        })
        .collect();
    let equalities = limits.equalities.len();
    let (f, m) = (free.len(), equalities + active.len());
    let row = |at: usize| -> (&[f64], f64) {
        if at < equalities {
            (limits.equalities.row(at), limits.equalities.right[at])
        } else {
            let at = active[at - equalities];
            (rows.row(at), rows.right[at])
        }
    };
    let mut x: Vec<f64> = (0..n).map(|i| fixed[i].map_or(0.0, |(bound, _)| bound)).collect();
    let held = objective.product(&x);
    let mut matrix = Mat::<f64>::zeros(f + m, f + m);
    let mut right = Mat::<f64>::zeros(f + m, 1);
    for (a, &i) in free.iter().enumerate() {
        for (b, &j) in free.iter().enumerate() {
            matrix[(a, b)] = objective.matrix[(i, j)] / size;
        }
        right[(a, 0)] = -(objective.linear[i] + held[i]) / size;
    }
    for at in 0..m {
        let (coefficients, value) = row(at);
        for (a, &i) in free.iter().enumerate() {
            matrix[(f + at, a)] = coefficients[i];
            matrix[(a, f + at)] = coefficients[i];
        }
        right[(f + at, 0)] = value - dot(coefficients, &x);
    }
    let factor = matrix.partial_piv_lu();
    let mut found = factor.solve(&right);
    for _ in 0..REFINEMENTS {
        let rest = &right - &matrix * &found;
        found += factor.solve(&rest);
    }
    if (0..f + m).any(|at| !found[(at, 0)].is_finite()) {
        return;
    }
    free.iter().enumerate().for_each(|(a, &i)| x[i] = found[(a, 0)]);
    let mut candidate = solution.clone();
    candidate.x = x;
    for at in 0..equalities {
        candidate.equality_duals[at] = found[(f + at, 0)] * size;
    }
    candidate.inequality_duals.fill(0.0);
    for (at, &which) in active.iter().enumerate() {
        candidate.inequality_duals[which] = found[(f + equalities + at, 0)] * size;
    }
    // what is left of the gradient at a bound is that bound's dual
    let mut left = vec![0.0; n];
    objective.gradient(&candidate.x, &mut left);
    for (at, &y) in candidate.equality_duals.iter().enumerate() {
        super::add(&mut left, limits.equalities.row(at), y);
    }
    for (at, &z) in candidate.inequality_duals.iter().enumerate() {
        super::add(&mut left, rows.row(at), z);
    }
    candidate.lower_duals.fill(0.0);
    candidate.upper_duals.fill(0.0);
    for i in 0..n {
        match fixed[i] {
            Some((_, true)) => candidate.lower_duals[i] = left[i],
            Some((_, false)) => candidate.upper_duals[i] = -left[i],
            None => {}
        }
    }
    if !is_sound(&candidate, limits, size) {
        return;
    }
    candidate.lower_duals.iter_mut().for_each(|z| *z = z.max(0.0));
    candidate.upper_duals.iter_mut().for_each(|z| *z = z.max(0.0));
    candidate.inequality_duals.iter_mut().for_each(|z| *z = z.max(0.0));
    candidate.certify(objective, limits);
    if candidate.certificate.kkt_residual <= solution.certificate.kkt_residual {
        *solution = candidate;
    }
}

fn gradient_size(objective: &Quadratic, x: &[f64]) -> f64 {
    let mut gradient = vec![0.0; x.len()];
    objective.gradient(x, &mut gradient);
    gradient.iter().fold(f64::MIN_POSITIVE, |m, g| m.max(g.abs()))
}

fn is_sound(candidate: &Solution, limits: &Limits, size: f64) -> bool {
    let x = &candidate.x;
    let within = |i: usize| x[i] >= limits.lower[i] - SLIP && x[i] <= limits.upper[i] + SLIP;
    let rows = &limits.inequalities;
    let held =
        |at: usize| dot(rows.row(at), x) <= rows.right[at] + SLIP * (1.0 + rows.right[at].abs());
    let duals = [&candidate.lower_duals, &candidate.upper_duals, &candidate.inequality_duals];
    (0..x.len()).all(within)
        && (0..rows.len()).all(held)
        && duals.iter().all(|duals| duals.iter().all(|z| *z >= -SLIP * size))
}
