//! Active sets of quadratic programmes: the point at which a guess of what is active is exact.
//!
//! `polish` takes the guess that an interior point's duals name; `near` takes that of a point nearby and
//! moves it, by the signs of what comes out, until the conditions of Karush, Kuhn and Tucker hold: what is
//! broken becomes active, what pulls the wrong way does not stay so (the primal-dual active set method,
//! Hintermüller, Ito and Kunisch 2002). It may cycle: a guess seen before ends it, without an answer.

use super::{Convex, Limits, Quadratic, Solution, Status, add, dot};
use faer::Mat;
use faer::linalg::solvers::Solve;

/// Feasibility and signs of duals may be off by this after a step, relative to their size.
const SLIP: f64 = 1e-11;
/// Refinements of the linear system.
const REFINEMENTS: usize = 2;
/// Guesses that a point nearby is worth.
const GUESSES_MAX: usize = 30;
/// How close to a limit a point nearby stands at it.
const TOUCH: f64 = 1e-9;
/// Residual of the conditions beyond which an answer is none.
const EXACT: f64 = 1e-10;

/// A side of a variable's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Lower,
    Upper,
}

/// What holds with equality.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Active {
    /// By variable.
    bounds: Vec<Option<Side>>,
    /// By inequality.
    rows: Vec<bool>,
}

impl Active {
    /// What the duals of a point name: a limit whose dual, in the gradient's size, outweighs its slack.
    fn named(limits: &Limits, of: &Solution, size: f64) -> Active {
        let bound = |i: usize| {
            let (low, high) = (limits.lower[i], limits.upper[i]);
            if low.is_finite() && of.lower_duals[i] / size > of.x[i] - low {
                return Some(Side::Lower);
            }
            (high.is_finite() && of.upper_duals[i] / size > high - of.x[i]).then_some(Side::Upper)
        };
        let row = |at: usize| of.inequality_duals[at] / size > slack(limits, &of.x, at);
        Active {
            bounds: (0..of.x.len()).map(bound).collect(),
            rows: (0..limits.inequalities.len()).map(row).collect(),
        }
    }

    /// The limits that a point touches or breaks.
    fn touched(limits: &Limits, x: &[f64]) -> Active {
        let bound = |i: usize| match (limits.lower[i], limits.upper[i]) {
            (low, _) if x[i] - low < TOUCH => Some(Side::Lower),
            (_, high) if high - x[i] < TOUCH => Some(Side::Upper),
            _ => None,
        };
        Active {
            bounds: (0..x.len()).map(bound).collect(),
            rows: (0..limits.inequalities.len()).map(|at| slack(limits, x, at) < TOUCH).collect(),
        }
    }

    /// What the point of this guess makes of it.
    fn moved(&self, limits: &Limits, found: &Solution, size: f64) -> Active {
        let x = &found.x;
        let bound = |i: usize| match self.bounds[i] {
            Some(Side::Lower) if found.lower_duals[i] < -SLIP * size => None,
            Some(Side::Upper) if found.upper_duals[i] < -SLIP * size => None,
            Some(side) => Some(side),
            None if x[i] < limits.lower[i] - SLIP => Some(Side::Lower),
            None if x[i] > limits.upper[i] + SLIP => Some(Side::Upper),
            None => None,
        };
        let row = |at: usize| {
            if self.rows[at] {
                found.inequality_duals[at] >= -SLIP * size
            } else {
                slack(limits, x, at) < -SLIP * (1.0 + limits.inequalities.right[at].abs())
            }
        };
        Active {
            bounds: (0..x.len()).map(bound).collect(),
            rows: (0..self.rows.len()).map(row).collect(),
        }
    }
}

fn slack(limits: &Limits, x: &[f64], at: usize) -> f64 {
    limits.inequalities.right[at] - dot(limits.inequalities.row(at), x)
}

/// Solves the equalities of the active set exactly; keeps the step where it is at least as good.
pub(super) fn polish(objective: &Quadratic, limits: &Limits, solution: &mut Solution) {
    let size = gradient_size(objective, &solution.x);
    let active = Active::named(limits, solution, size);
    let Some(mut candidate) = exact(objective, limits, &active, size) else { return };
    if active.moved(limits, &candidate, size) != active {
        return;
    }
    candidate.finish(objective, limits);
    if candidate.certificate.kkt_residual <= solution.certificate.kkt_residual {
        *solution = Solution { iterations: solution.iterations, ..candidate };
    }
}

/// The solution, from the limits that a point nearby touches; none where the guesses come to no rest.
pub(super) fn near(objective: &Quadratic, limits: &Limits, x: &[f64]) -> Option<Solution> {
    let size = gradient_size(objective, x);
    let mut seen = Vec::new();
    let mut active = Active::touched(limits, x);
    while seen.len() < GUESSES_MAX && !seen.contains(&active) {
        let mut found = exact(objective, limits, &active, size)?;
        let next = active.moved(limits, &found, size);
        if next == active {
            found.finish(objective, limits);
            found.iterations = seen.len() + 1;
            return (found.certificate.kkt_residual < EXACT).then_some(found);
        }
        seen.push(std::mem::replace(&mut active, next));
    }
    None
}

/// The point and the duals at which the active limits hold with equality and the rest is not there; duals
/// may have any sign. None where that has no single answer.
fn exact(objective: &Quadratic, limits: &Limits, active: &Active, size: f64) -> Option<Solution> {
    let n = active.bounds.len();
    let free: Vec<usize> = (0..n).filter(|&i| active.bounds[i].is_none()).collect();
    let rows = &limits.inequalities;
    let held: Vec<usize> = (0..rows.len()).filter(|&at| active.rows[at]).collect();
    let equalities = limits.equalities.len();
    let (f, m) = (free.len(), equalities + held.len());
    let row = |at: usize| -> (&[f64], f64) {
        if at < equalities {
            (limits.equalities.row(at), limits.equalities.right[at])
        } else {
            let at = held[at - equalities];
            (rows.row(at), rows.right[at])
        }
    };
    let fixed = |i: usize| match active.bounds[i] {
        Some(Side::Lower) => limits.lower[i],
        Some(Side::Upper) => limits.upper[i],
        None => 0.0,
    };
    let mut x: Vec<f64> = (0..n).map(fixed).collect();
    let pull = objective.product(&x);
    let mut matrix = Mat::<f64>::zeros(f + m, f + m);
    let mut right = Mat::<f64>::zeros(f + m, 1);
    for (b, &j) in free.iter().enumerate() {
        for (a, &i) in free.iter().enumerate() {
            matrix[(a, b)] = objective.matrix[(i, j)] / size;
        }
        right[(b, 0)] = -(objective.linear[j] + pull[j]) / size;
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
        return None;
    }
    free.iter().enumerate().for_each(|(a, &i)| x[i] = found[(a, 0)]);
    let mut solution = Solution {
        x,
        equality_duals: (0..equalities).map(|at| found[(f + at, 0)] * size).collect(),
        inequality_duals: vec![0.0; rows.len()],
        lower_duals: vec![0.0; n],
        upper_duals: vec![0.0; n],
        status: Status::Optimal,
        certificate: super::Certificate::default(),
        iterations: 0,
    };
    for (at, &which) in held.iter().enumerate() {
        solution.inequality_duals[which] = found[(f + equalities + at, 0)] * size;
    }
    // what is left of the gradient at a bound is that bound's dual
    let mut left = vec![0.0; n];
    objective.gradient(&solution.x, &mut left);
    for (at, &y) in solution.equality_duals.iter().enumerate() {
        add(&mut left, limits.equalities.row(at), y);
    }
    for (at, &z) in solution.inequality_duals.iter().enumerate() {
        add(&mut left, rows.row(at), z);
    }
    for (i, left) in left.into_iter().enumerate() {
        match active.bounds[i] {
            Some(Side::Lower) => solution.lower_duals[i] = left,
            Some(Side::Upper) => solution.upper_duals[i] = -left,
            None => {}
        }
    }
    Some(solution)
}

impl Solution {
    /// Duals that are negative by rounding are nothing; the certificate is of what is left.
    fn finish(&mut self, objective: &Quadratic, limits: &Limits) {
        for duals in [&mut self.lower_duals, &mut self.upper_duals, &mut self.inequality_duals] {
            duals.iter_mut().for_each(|z| *z = z.max(0.0));
        }
        self.certify(objective, limits);
    }
}

fn gradient_size(objective: &Quadratic, x: &[f64]) -> f64 {
    let mut gradient = vec![0.0; x.len()];
    objective.gradient(x, &mut gradient);
    gradient.iter().fold(f64::MIN_POSITIVE, |m, g| m.max(g.abs()))
}
