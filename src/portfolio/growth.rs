//! Kelly: the greatest mean logarithm of wealth over the history's own returns (Kelly 1956).
//!
//! Σ_t ln(1 + w·r_t)/T is concave; Σw ≤ cap, the rest lies in cash at a return of nothing. A fraction of
//! Kelly holds that share of the weights (Thorp 2006).

use super::allocation::{Allocation, AllocationError, Objective, ended};
use super::problem::{Constraints, Estimates};
use crate::maths::programme::{Convex, dot, solve};
use faer::Mat;

/// Minus the mean logarithm of wealth.
struct Growth<'a> {
    columns: &'a [Vec<f64>],
}

impl Growth<'_> {
    /// 1 + w·r of every row.
    fn wealth(&self, weights: &[f64]) -> Vec<f64> {
        let mut wealth = vec![1.0; self.columns[0].len()];
        for (column, &weight) in self.columns.iter().zip(weights) {
            wealth.iter_mut().zip(column).for_each(|(sum, r)| *sum += weight * r);
        }
        wealth
    }
}

impl Convex for Growth<'_> {
    fn value(&self, x: &[f64]) -> f64 {
        let wealth = self.wealth(x);
        -wealth.iter().map(|w| w.ln()).sum::<f64>() / wealth.len() as f64
    }

    fn gradient(&self, x: &[f64], to: &mut [f64]) {
        let wealth = self.wealth(x);
        let inverse: Vec<f64> = wealth.iter().map(|w| 1.0 / w).collect();
        let rows = wealth.len() as f64;
        to.iter_mut().zip(self.columns).for_each(|(g, column)| *g = -dot(&inverse, column) / rows);
    }

    fn add_hessian(&self, x: &[f64], to: &mut Mat<f64>) {
        let wealth = self.wealth(x);
        let rows = wealth.len() as f64;
        let scaled: Vec<Vec<f64>> = self
            .columns
            .iter()
            .map(|column| column.iter().zip(&wealth).map(|(r, w)| r / w).collect())
            .collect();
        for j in 0..x.len() {
            for i in j..x.len() {
                to[(i, j)] += dot(&scaled[i], &scaled[j]) / rows;
            }
        }
    }

    fn step_max(&self, x: &[f64], step: &[f64]) -> f64 {
        let change = self.wealth(step);
        let falls = self.wealth(x).into_iter().zip(change).filter(|(_, d)| *d < 1.0);
        falls.map(|(wealth, d)| 0.9 * wealth / (1.0 - d)).fold(1.0, f64::min)
    }
}

/// The greatest growth with Σw ≤ the budget (all in where `is_full`), times `fraction`.
///
/// # Errors
/// Constraints that conflict, that the method does not know, or that leave a ruinous start.
pub fn kelly(
    estimates: &Estimates,
    columns: &[Vec<f64>],
    constraints: &Constraints,
    is_full: bool,
    fraction: f64,
) -> Result<Allocation, AllocationError> {
    if constraints.leverage.is_some() || constraints.has_trades() {
        let takes = "bounds of assets, groups and a target return";
        return Err(AllocationError::Constraints { method: "kelly", takes });
    }
    let (mut limits, _) = constraints.limits(estimates);
    if !is_full {
        let budget = std::mem::take(&mut limits.equalities);
        limits.inequalities.push(budget.row(0), budget.right[0]);
    }
    let objective = Growth { columns };
    let start = vec![0.5 * constraints.budget.min(1.0) / columns.len() as f64; columns.len()];
    if objective.wealth(&start).iter().any(|&wealth| wealth <= 0.0) {
        let words = "a return of less than -100 % has no logarithm of wealth: check the history";
        return Err(AllocationError::Numbers(words.to_owned()));
    }
    let found = ended(solve(&objective, &limits, &start), || constraints.conflict(estimates))?;
    let scaled: Vec<f64> = found.x.iter().map(|x| x * fraction).collect();
    let objective = Objective { name: "growth", value: -objective.value(&scaled) };
    Ok(Allocation::of_solution(&found, columns.len(), fraction, objective))
}
