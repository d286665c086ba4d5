//! Methods that are quadratic programmes: minimum variance, mean-variance utility, the greatest Sharpe ratio,
//! the greatest diversification, the least correlation.
//!
//! Ratios are solved by making them homogeneous (Charnes and Cooper 1962): minimise yᵀΣy with a·y = 1, where
//! a is the mean above the risk-free rate (Sharpe) or the deviations (Choueifaty and Coignard 2008), limits
//! in proportion to Σy; weights are y/Σy.

use super::allocation::{Allocation, AllocationError, Objective, ended};
use super::problem::{Constraints, Estimates, WithCosts, quadratic, variance};
use crate::maths::programme::{Limits, Quadratic, Solution, solve};
use crate::model::covariance::correlations;
use faer::Mat;

/// Least variance, costs added where there are any.
///
/// # Errors
/// Constraints that conflict.
pub fn min_variance(
    estimates: &Estimates,
    constraints: &Constraints,
) -> Result<Allocation, AllocationError> {
    let none = vec![0.0; estimates.mean.len()];
    let found = best(estimates, constraints, 1.0, &none)?;
    let weights = &found.x[..none.len()];
    let value = variance(&estimates.covariance, weights);
    let objective = Objective { name: "variance", value };
    Ok(Allocation::of_solution(&found, none.len(), 1.0, objective))
}

/// Least wᵀRw, R the correlations: the most decorrelated (Christoffersen, Errunza, Jacobs and Jin 2010). The
/// same weights over the assets' deviations, scaled to one, are the most diversified.
///
/// # Errors
/// Constraints that conflict, costs (which are no correlation), an asset without variance.
pub fn min_correlation(
    estimates: &Estimates,
    constraints: &Constraints,
) -> Result<Allocation, AllocationError> {
    if constraints.costs.is_some() {
        let takes = "every constraint but costs";
        return Err(AllocationError::Constraints { method: "min-correlation", takes });
    }
    let (_, correlation) = correlations(&estimates.covariance).map_err(|_| {
        let words = "an asset has no variance: it has no correlation with anything";
        AllocationError::Numbers(words.to_owned())
    })?;
    let scaled = Estimates { covariance: correlation, ..estimates.clone() };
    let found = min_variance(&scaled, constraints)?;
    let objective = Objective { name: "correlation", value: found.objective.value };
    Ok(Allocation { objective, ..found })
}

/// Greatest mean − aversion·variance − costs.
///
/// # Errors
/// Constraints that conflict.
pub fn mean_variance(
    estimates: &Estimates,
    constraints: &Constraints,
    aversion: f64,
) -> Result<Allocation, AllocationError> {
    let found = best(estimates, constraints, aversion, &estimates.mean)?;
    let objective = Objective { name: "utility", value: -found.certificate.primal };
    Ok(Allocation::of_solution(&found, estimates.mean.len(), 1.0, objective))
}

fn best(
    estimates: &Estimates,
    constraints: &Constraints,
    risk: f64,
    reward: &[f64],
) -> Result<Solution, AllocationError> {
    let (limits, _) = constraints.limits(estimates);
    let objective = quadratic(constraints, &estimates.covariance, risk, reward);
    let start = constraints.start();
    let bent = constraints.costs.as_ref().filter(|costs| costs.impact.iter().any(|&x| x > 0.0));
    let found = match bent {
        None => solve(&objective, &limits, &start),
        Some(costs) => {
            let n = estimates.mean.len();
            let plain =
                Constraints { costs: None, turnover: None, leverage: None, ..constraints.clone() };
            let objective = quadratic(&plain, &estimates.covariance, risk, reward);
            let trades = constraints.trades_at();
            let whole = WithCosts { objective, assets: n, trades, costs: Some(costs) };
            solve(&whole, &limits, &start)
        }
    };
    ended(found, || constraints.conflict(estimates))
}

/// Greatest (mean − rate)/deviation.
///
/// # Errors
/// Constraints that conflict or that the ratio does not know, or nothing above the rate.
pub fn max_sharpe(
    estimates: &Estimates,
    constraints: &Constraints,
    rate: f64,
) -> Result<Allocation, AllocationError> {
    let excess: Vec<f64> = estimates.mean.iter().map(|mean| mean - rate).collect();
    let can_short = constraints.lower.iter().any(|&lower| lower < 0.0);
    if !can_short && excess.iter().all(|&x| x <= 0.0) {
        return Err(AllocationError::NoReward(rate));
    }
    let found = ratio(estimates, constraints, &excess, "max-sharpe")?;
    let objective = Objective { name: "sharpe", value: 1.0 / found.certificate.primal.sqrt() };
    Ok(whole(&found, objective))
}

/// Greatest Σwσ over the deviation of the whole.
///
/// # Errors
/// Constraints that conflict or that the ratio does not know.
pub fn max_diversification(
    estimates: &Estimates,
    constraints: &Constraints,
) -> Result<Allocation, AllocationError> {
    let n = estimates.mean.len();
    let deviations: Vec<f64> = (0..n).map(|i| estimates.covariance[(i, i)].sqrt()).collect();
    let found = ratio(estimates, constraints, &deviations, "max-diversification")?;
    let value = 1.0 / found.certificate.primal.sqrt();
    Ok(whole(&found, Objective { name: "diversification_ratio", value }))
}

fn whole(found: &Solution, objective: Objective) -> Allocation {
    let scale = 1.0 / found.x.iter().sum::<f64>();
    Allocation::of_solution(found, found.x.len(), scale, objective)
}

fn ratio(
    estimates: &Estimates,
    constraints: &Constraints,
    slope: &[f64],
    method: &'static str,
) -> Result<Solution, AllocationError> {
    let is_whole = (constraints.budget - 1.0).abs() < 1e-12;
    let is_bare = constraints.leverage.is_none() && !constraints.has_trades();
    if !is_whole || !is_bare {
        let takes = "bounds of assets, groups and a target return with weights that add up to 1";
        return Err(AllocationError::Constraints { method, takes });
    }
    let n = slope.len();
    let (plain, _) = constraints.limits(estimates);
    let mut limits = Limits {
        lower: vec![f64::NEG_INFINITY; n],
        upper: vec![f64::INFINITY; n],
        ..Limits::default()
    };
    // y is of the size of 1/deviation: a·y = 1/size keeps it of size one
    let size = 1.0 / slope.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let scaled: Vec<f64> = slope.iter().map(|x| x * size).collect();
    limits.equalities.push(&scaled, 1.0);
    for i in 0..n {
        for (bound, sign) in [(constraints.lower[i], -1.0), (constraints.upper[i], 1.0)] {
            // nothing to scale at a bound of nothing
            if bound == 0.0 {
                let side = if sign < 0.0 { &mut limits.lower } else { &mut limits.upper };
                side[i] = 0.0;
            } else if bound.is_finite() {
                let mut row = vec![-sign * bound; n];
                row[i] += sign;
                limits.inequalities.push(&row, 0.0);
            }
        }
    }
    for at in 0..plain.inequalities.len() {
        let right = plain.inequalities.right[at];
        let row: Vec<f64> = plain.inequalities.row(at).iter().map(|x| x - right).collect();
        limits.inequalities.push(&row, 0.0);
    }
    // Σy must be positive, or there is nothing to divide by
    limits.inequalities.push(&vec![-1.0; n], 0.0);
    let matrix = Mat::from_fn(n, n, |i, j| 2.0 * estimates.covariance[(i, j)]);
    let objective = Quadratic { matrix, linear: vec![0.0; n] };
    let mut found = solve(&objective, &limits, &vec![1.0 / n as f64; n]);
    // back from a·y = 1/size to a·y = 1
    found.x.iter_mut().for_each(|x| *x *= size);
    found.certificate.primal *= size * size;
    found.certificate.dual *= size * size;
    found.certificate.gap *= size * size;
    ended(found, || constraints.conflict(estimates))
}
