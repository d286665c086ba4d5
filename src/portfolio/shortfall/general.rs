//! CVaR under any limits and costs: the conic programme over the scenarios in play.
//!
//! α + Σ (loss − α)₊/((1 − β)S) over scenarios in play is their own CVaR at another level, and a bound of the
//! whole one; scenarios join while any that is left out loses more than α, and then it is the whole one.

use super::{losses, shortfall};
use crate::portfolio::allocation::{Allocation, AllocationError, Objective};
use crate::portfolio::conic::{Goal, Measure, Request, optimise};
use crate::portfolio::problem::{Constraints, Estimates};

const ROUNDS_MAX: usize = 30;
/// Scenarios in play at first, as a multiple of the tail.
const TAILS: f64 = 2.0;
/// What of a loss the solver may be off by.
const NEAR: f64 = 1e-9;

/// Solves the problem.
pub(super) fn solve(
    estimates: &Estimates,
    columns: &[Vec<f64>],
    constraints: &Constraints,
    level: f64,
) -> Result<Allocation, AllocationError> {
    let count = columns[0].len();
    let tail = (1.0 - level) * count as f64;
    let mut in_play = vec![false; count];
    let mut all = losses(columns, &constraints.start()[..columns.len()]);
    let mut wanted = (TAILS * tail).ceil() as usize;
    let mut iterations = 0;
    for _ in 0..ROUNDS_MAX {
        let mut order: Vec<usize> = (0..count).filter(|&s| !in_play[s]).collect();
        order.sort_by(|&a, &b| all[b].total_cmp(&all[a]));
        order.iter().take(wanted).for_each(|&s| in_play[s] = true);
        let play: Vec<usize> = (0..count).filter(|&s| in_play[s]).collect();
        let chosen = |column: &Vec<f64>| play.iter().map(|&s| column[s]).collect();
        let some: Vec<Vec<f64>> = columns.iter().map(chosen).collect();
        let within = 1.0 - tail / play.len() as f64;
        let goal = Goal::Least { risk: Measure::Shortfall(within), reward: 0.0 };
        let found = optimise(estimates, &some, constraints, &Request::of(goal))?;
        iterations += found.iterations;
        let (alpha, size) = shortfall(&losses(&some, &found.weights), within);
        all = losses(columns, &found.weights);
        let reach = alpha + NEAR * size.abs();
        let left_out = (0..count).filter(|&s| !in_play[s] && all[s] > reach).count();
        if left_out == 0 {
            let objective = Objective { name: "cvar", value: shortfall(&all, level).1 };
            return Ok(Allocation { objective, iterations, ..found });
        }
        wanted = left_out + (0.25 * tail) as usize;
    }
    Err(AllocationError::Stopped { iterations, residual: f64::NAN })
}
