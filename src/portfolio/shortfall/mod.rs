//! The least expected shortfall (CVaR) over given scenarios.
//!
//! minimise α + Σ_s (−r_s·w − α)₊ / ((1 − β)·S) over w and α (Rockafellar and Uryasev 2000). Its dual is:
//! maximise min_i −Σ_s y_s r_si over 0 ≤ y_s ≤ k = 1/((1 − β)S), Σy = 1, so that any such y proves a bound.
//! - long only and fully invested: `condensed`, an interior point whose systems are as small as the assets
//!   in play, inside an active set of scenarios and assets that grows until nothing left out matters;
//! - bounds of single assets, linear and 3/2-power costs of trades: `bounded`, the same `interior` point with
//!   slacks and trades eliminated asset by asset;
//! - any other limits: `general`, the conic programme over the scenarios in play.
//!
//! A vertex is found exactly at the end, by solving the equalities that the duals name.

mod bounded;
mod condensed;
mod general;
mod interior;

#[cfg(test)]
mod tests;

use super::allocation::{Allocation, AllocationError, Objective};
use super::problem::{Constraints, Estimates};
use crate::maths::programme::{Certificate, Status};

/// Gap, relative to the objective, that counts as proven.
const PROVEN: f64 = 1e-9;

/// Losses of every scenario: −Σ_i w_i r_i.
fn losses(columns: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut to = vec![0.0; columns[0].len()];
    let held: Vec<usize> = (0..weights.len()).filter(|&i| weights[i] != 0.0).collect();
    // four assets share a pass over the losses
    for four in held.chunks(4) {
        if let &[a, b, c, d] = four {
            let (wa, wb, wc, wd) = (weights[a], weights[b], weights[c], weights[d]);
            let rest = columns[a].iter().zip(&columns[b]).zip(columns[c].iter().zip(&columns[d]));
            for (loss, ((ra, rb), (rc, rd))) in to.iter_mut().zip(rest) {
                *loss -= (wa * ra + wb * rb) + (wc * rc + wd * rd);
            }
        } else {
            for &i in four {
                to.iter_mut().zip(&columns[i]).for_each(|(loss, r)| *loss -= weights[i] * r);
            }
        }
    }
    to
}

/// α and the shortfall of losses, by Rockafellar and Uryasev: whole scenarios beyond, a part of the last.
#[must_use]
pub fn shortfall(losses: &[f64], level: f64) -> (f64, f64) {
    let tail = (1.0 - level) * losses.len() as f64;
    // a hair of rounding must not make fifty of a thousand fifty-one
    let whole = ((tail + 1e-9) as usize).min(losses.len() - 1);
    let mut ranked = losses.to_vec();
    let (beyond, alpha, _) = ranked.select_nth_unstable_by(whole, |a, b| b.total_cmp(a));
    let alpha = *alpha;
    let excess: f64 = beyond.iter().map(|loss| loss - alpha).sum();
    (alpha, alpha + excess / tail)
}

/// Least CVaR at a level; `warm` are the weights of a problem nearby.
///
/// # Errors
/// Constraints that conflict, or too few scenarios for the level.
pub fn min_cvar(
    estimates: &Estimates,
    columns: &[Vec<f64>],
    constraints: &Constraints,
    level: f64,
    warm: Option<&[f64]>,
) -> Result<Allocation, AllocationError> {
    let scenarios = columns[0].len();
    if !(level > 0.0 && level < 1.0) {
        let words = format!("a level of {level}: give one between 0 and 1, as 0.95");
        return Err(AllocationError::Numbers(words));
    }
    if (1.0 - level) * (scenarios as f64) < 1.0 - 1e-9 {
        let words = format!(
            "{scenarios} scenarios are too few for level {level}: less than one lies beyond it"
        );
        return Err(AllocationError::Numbers(words));
    }
    let is_simple = *constraints
        == Constraints {
            upper: constraints.upper.clone(),
            ..Constraints::long_only(columns.len())
        };
    if is_simple && constraints.upper.iter().all(|upper| *upper >= 1.0) {
        return Ok(condensed::solve(columns, level, warm));
    }
    if let Some(found) = bounded::solve(columns, constraints, level, warm) {
        return Ok(found);
    }
    general::solve(estimates, columns, constraints, level)
}

/// The allocation of weights and duals, judged on all scenarios. `duals` are y by scenario. The residual
/// is the relative gap: weights and duals are feasible by making, so the gap is all that is left to prove.
fn proven(
    columns: &[Vec<f64>],
    level: f64,
    weights: Vec<f64>,
    duals: &[(usize, f64)],
    iterations: usize,
) -> Allocation {
    let primal = shortfall(&losses(columns, &weights), level).1;
    let most = 1.0 / ((1.0 - level) * columns[0].len() as f64);
    let duals = feasible(duals, most);
    let at: Vec<usize> = duals.iter().map(|&(at, _)| at).collect();
    let y: Vec<f64> = duals.iter().map(|&(_, y)| y).collect();
    let dual = columns
        .iter()
        .map(|column| -at.iter().zip(&y).map(|(&s, y)| y * column[s]).sum::<f64>())
        .fold(f64::INFINITY, f64::min);
    let gap = primal - dual;
    let relative = gap.abs() / primal.abs().max(1e-12);
    let certificate = Certificate { primal, dual, gap, kkt_residual: relative };
    let status = if relative < PROVEN { Status::Optimal } else { Status::Stopped };
    let objective = Objective { name: "cvar", value: primal };
    Allocation { weights, objective, status, certificate: Some(certificate), iterations }
}

/// The duals moved to where 0 ≤ y ≤ most and Σy = 1 hold exactly.
fn feasible(duals: &[(usize, f64)], most: f64) -> Vec<(usize, f64)> {
    let mut moved: Vec<(usize, f64)> =
        duals.iter().map(|&(s, y)| (s, y.clamp(0.0, most))).filter(|&(_, y)| y > 0.0).collect();
    for _ in 0..4 {
        let sum: f64 = moved.iter().map(|(_, y)| y).sum();
        // what is missing goes where there is room, what is too much leaves in proportion
        if sum > 1.0 {
            moved.iter_mut().for_each(|(_, y)| *y /= sum);
        } else {
            let room: f64 = moved.iter().map(|(_, y)| most - y).sum();
            let share = if room > 0.0 { ((1.0 - sum) / room).min(1.0) } else { 0.0 };
            moved.iter_mut().for_each(|(_, y)| *y += share * (most - *y));
        }
    }
    moved
}

/// The greatest of the losses, by scenario.
fn worst(losses: &[f64], many: usize) -> Vec<u32> {
    let many = many.clamp(1, losses.len());
    let mut ranked = losses.to_vec();
    let least = *ranked.select_nth_unstable_by(many - 1, |a, b| b.total_cmp(a)).1;
    // equals of the last may be more than asked for, which does no harm
    (0..losses.len()).filter(|&s| losses[s] >= least).map(|s| s as u32).collect()
}

/// The sum of products at places.
fn dot_at(values: &[f64], column: &[f64], places: &[u32]) -> f64 {
    let mut sums = [0.0; 4];
    let (v4, p4) = (values.chunks_exact(4), places.chunks_exact(4));
    let rest = v4.remainder().iter().zip(p4.remainder());
    let rest: f64 = rest.map(|(v, &p)| v * column[p as usize]).sum();
    for (v, p) in v4.zip(p4) {
        for lane in 0..4 {
            sums[lane] += v[lane] * column[p[lane] as usize];
        }
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3]) + rest
}
