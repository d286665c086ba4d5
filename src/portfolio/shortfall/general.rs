//! CVaR under any limits and costs: the programme written out over the scenarios in play.
//!
//! Behind the variables of `Constraints` stand α and an excess a scenario in play. Scenarios join while any
//! that is left out loses more than α.

use super::{losses, shortfall};
use crate::maths::programme::{Certificate, Convex, Quadratic, Status, solve as programme};
use crate::portfolio::allocation::{Allocation, AllocationError, Objective, ended};
use crate::portfolio::problem::{Constraints, Estimates, WithCosts};
use faer::Mat;

const ROUNDS_MAX: usize = 30;
/// Scenarios in play at first, as a multiple of the tail.
const TAILS: f64 = 2.0;

/// The objective over all variables: costs of trades, then α and the excesses.
struct Whole<'a> {
    costs: WithCosts<'a, Quadratic>,
    before: usize,
    k: f64,
    scale: f64,
}

impl Convex for Whole<'_> {
    fn value(&self, x: &[f64]) -> f64 {
        let excess: f64 = x[self.before + 1..].iter().sum();
        self.scale * self.costs.value(&x[..self.before]) + x[self.before] + self.k * excess
    }

    fn gradient(&self, x: &[f64], to: &mut [f64]) {
        self.costs.gradient(&x[..self.before], &mut to[..self.before]);
        to[..self.before].iter_mut().for_each(|g| *g *= self.scale);
        to[self.before] = 1.0;
        to[self.before + 1..].fill(self.k);
    }

    fn add_hessian(&self, x: &[f64], to: &mut Mat<f64>) {
        let mut own = Mat::zeros(self.before, self.before);
        self.costs.add_hessian(&x[..self.before], &mut own);
        for j in 0..self.before {
            for i in j..self.before {
                to[(i, j)] += self.scale * own[(i, j)];
            }
        }
    }
}

/// Solves the problem.
pub(super) fn solve(
    estimates: &Estimates,
    columns: &[Vec<f64>],
    constraints: &Constraints,
    level: f64,
) -> Result<Allocation, AllocationError> {
    let (n, count) = (columns.len(), columns[0].len());
    let tail = (1.0 - level) * count as f64;
    let before = constraints.variables();
    let start = constraints.start();
    let (alpha, size) = shortfall(&losses(columns, &start[..n]), level);
    // losses of size one
    let scale = 1.0 / size.abs().max(alpha.abs()).max(1e-9);
    let mut in_play = vec![false; count];
    let mut weights = start[..n].to_vec();
    let mut steps = 0;
    let mut wanted = (TAILS * tail).ceil() as usize;
    for _ in 0..ROUNDS_MAX {
        let all = losses(columns, &weights);
        let mut order: Vec<usize> = (0..count).filter(|&s| !in_play[s]).collect();
        order.sort_by(|&a, &b| all[b].total_cmp(&all[a]));
        order.iter().take(wanted).for_each(|&s| in_play[s] = true);
        let play: Vec<usize> = (0..count).filter(|&s| in_play[s]).collect();
        let (mut limits, _) = constraints.limits(estimates);
        let variables = before + 1 + play.len();
        let widen = |rows: &mut crate::maths::programme::Rows| {
            let old = std::mem::take(rows);
            for at in 0..old.len() {
                let mut row = old.row(at).to_vec();
                row.resize(variables, 0.0);
                rows.push(&row, old.right[at]);
            }
        };
        widen(&mut limits.equalities);
        widen(&mut limits.inequalities);
        limits.lower.push(f64::NEG_INFINITY);
        limits.lower.resize(variables, 0.0);
        limits.upper.resize(variables, f64::INFINITY);
        for (at, &s) in play.iter().enumerate() {
            let mut row = vec![0.0; variables];
            (0..n).for_each(|i| row[i] = -scale * columns[i][s]);
            row[before] = -1.0;
            row[before + 1 + at] = -1.0;
            limits.inequalities.push(&row, 0.0);
        }
        let nothing = Quadratic { matrix: Mat::zeros(n, n), linear: vec![0.0; n] };
        let trades = constraints.trades_at();
        let costs = constraints.costs.as_ref();
        let costs = WithCosts { objective: nothing, assets: n, trades, costs };
        let objective = Whole { costs, before, k: 1.0 / tail, scale };
        let mut from = start.clone();
        from.push(scale * alpha);
        from.resize(variables, 1.0);
        let found =
            ended(programme(&objective, &limits, &from), || constraints.conflict(estimates))?;
        steps += found.iterations;
        weights.copy_from_slice(&found.x[..n]);
        let alpha = found.x[before] / scale;
        let now = losses(columns, &weights);
        let left_out = (0..count).filter(|&s| !in_play[s] && now[s] > alpha + 1e-12 * size).count();
        if left_out == 0 {
            let proof = found.certificate;
            let certificate = Certificate {
                primal: proof.primal / scale,
                dual: proof.dual / scale,
                gap: proof.gap / scale,
                kkt_residual: proof.kkt_residual,
            };
            let objective = Objective { name: "cvar", value: shortfall(&now, level).1 };
            let certificate = Some(certificate);
            let status = Status::Optimal;
            return Ok(Allocation { weights, objective, status, certificate, iterations: steps });
        }
        wanted = left_out + (0.25 * tail) as usize;
    }
    Err(AllocationError::Stopped { iterations: steps, residual: f64::NAN })
}
