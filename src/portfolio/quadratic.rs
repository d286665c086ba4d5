//! Methods that are quadratic programmes: minimum variance, mean-variance utility, the greatest Sharpe ratio,
//! the greatest diversification, the least correlation.
//!
//! Ratios are solved by making them homogeneous (Charnes and Cooper 1962): minimise yᵀΣy with a·y = 1, where
//! a is the mean above the risk-free rate (Sharpe) or the deviations (Choueifaty and Coignard 2008), limits
//! in proportion to Σy; weights are y/Σy.
//! `warm` are the weights of a problem nearby: the search begins at the limits that they touch.

use super::allocation::{Allocation, AllocationError, Objective, ended};
use super::problem::{Constraints, Estimates, WithCosts, quadratic, variance};
use crate::maths::programme::{Limits, Quadratic, Solution, Status, dot, solve, solve_near};
use crate::model::covariance::correlations;
use faer::Mat;

/// Variance of the whole, beside that of its assets alone, that counts as none.
const RISKLESS: f64 = 1e-13;

/// Least variance, costs added where there are any.
///
/// # Errors
/// Constraints that conflict.
pub fn min_variance(
    estimates: &Estimates,
    constraints: &Constraints,
    warm: Option<&[f64]>,
) -> Result<Allocation, AllocationError> {
    let none = vec![0.0; estimates.mean.len()];
    let found = best(estimates, constraints, 1.0, &none, warm)?;
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
    warm: Option<&[f64]>,
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
    let found = min_variance(&scaled, constraints, warm)?;
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
    warm: Option<&[f64]>,
) -> Result<Allocation, AllocationError> {
    let found = best(estimates, constraints, aversion, &estimates.mean, warm)?;
    let objective = Objective { name: "utility", value: -found.certificate.primal };
    Ok(Allocation::of_solution(&found, estimates.mean.len(), 1.0, objective))
}

fn best(
    estimates: &Estimates,
    constraints: &Constraints,
    risk: f64,
    reward: &[f64],
    warm: Option<&[f64]>,
) -> Result<Solution, AllocationError> {
    let (limits, _) = constraints.limits(estimates);
    let objective = quadratic(constraints, &estimates.covariance, risk, reward);
    let start = constraints.start();
    let bent = constraints.costs.as_ref().filter(|costs| costs.impact.iter().any(|&x| x > 0.0));
    let found = match bent {
        None => {
            let point = warm.map(|weights| constraints.point(weights));
            solve_near(&objective, &limits, &start, point.as_deref())
        }
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
    warm: Option<&[f64]>,
) -> Result<Allocation, AllocationError> {
    let excess: Vec<f64> = estimates.mean.iter().map(|mean| mean - rate).collect();
    let can_short = constraints.lower.iter().any(|&lower| lower < 0.0);
    if !can_short && excess.iter().all(|&x| x <= 0.0) {
        return Err(AllocationError::NoReward(rate));
    }
    let found = homogeneous(estimates, constraints, &[(excess, 1.0)], "max-sharpe", warm)?;
    let found = found.ok_or(AllocationError::NoReward(rate))?;
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
    warm: Option<&[f64]>,
) -> Result<Allocation, AllocationError> {
    let n = estimates.mean.len();
    let deviations: Vec<f64> = (0..n).map(|i| estimates.covariance[(i, i)].sqrt()).collect();
    let rows = [(deviations, 1.0)];
    let found = homogeneous(estimates, constraints, &rows, "max-diversification", warm)?;
    let found = found.ok_or_else(|| {
        let words = "the limits leave only weights that are short of volatility in all: there is nothing to \
                     diversify";
        AllocationError::Numbers(words.to_owned())
    })?;
    let value = 1.0 / found.certificate.primal.sqrt();
    Ok(whole(&found, Objective { name: "diversification_ratio", value }))
}

/// Weights of a homogeneous solution: those that add up to one.
pub(super) fn whole(found: &Solution, objective: Objective) -> Allocation {
    let scale = 1.0 / found.x.iter().sum::<f64>();
    Allocation::of_solution(found, found.x.len(), scale, objective)
}

/// Least yᵀΣy where every row·y is its value, limits in proportion to Σy; none where weights that keep to
/// the limits never have the rows in these proportions.
pub(super) fn homogeneous(
    estimates: &Estimates,
    constraints: &Constraints,
    rows: &[(Vec<f64>, f64)],
    method: &'static str,
    warm: Option<&[f64]>,
) -> Result<Option<Solution>, AllocationError> {
    let is_whole = (constraints.budget - 1.0).abs() < 1e-12;
    let is_bare = constraints.leverage.is_none() && !constraints.has_trades();
    if !is_whole || !is_bare {
        let takes = "bounds of assets, groups and a target return with weights that add up to 1";
        return Err(AllocationError::Constraints { method, takes });
    }
    let n = estimates.mean.len();
    let (plain, _) = constraints.limits(estimates);
    let mut limits = Limits {
        lower: vec![f64::NEG_INFINITY; n],
        upper: vec![f64::INFINITY; n],
        ..Limits::default()
    };
    // y is of the size of value/coefficient: in units of that it is of size one
    let most = |row: &[f64]| row.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let sizes = rows.iter().map(|(row, value)| value.abs() / most(row));
    let size = sizes.fold(0.0, f64::max);
    for (row, value) in rows {
        let most = most(row);
        let scaled: Vec<f64> = row.iter().map(|x| x / most).collect();
        limits.equalities.push(&scaled, value / (most * size));
    }
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
    // weights nearby, where they come nearest to the rows' values
    let point = warm.and_then(|weights| {
        let (mut along, mut square) = (0.0, 0.0);
        for at in 0..limits.equalities.len() {
            let (has, wants) =
                (dot(limits.equalities.row(at), weights), limits.equalities.right[at]);
            along += has * wants;
            square += wants * wants;
        }
        let scale = square / along;
        (along > 0.0).then(|| weights.iter().map(|w| w * scale).collect::<Vec<f64>>())
    });
    let mut found = solve_near(&objective, &limits, &vec![1.0 / n as f64; n], point.as_deref());
    let alone = found.x.iter().enumerate().map(|(i, y)| estimates.covariance[(i, i)] * y * y);
    if found.status == Status::Optimal && found.certificate.primal <= RISKLESS * alone.sum::<f64>()
    {
        let words = "some weights have no variance at all (fewer returns than assets, or assets that \
                     cancel): a ratio to it has no maximum; take --covariance ledoit-wolf, or leave \
                     assets out";
        return Err(AllocationError::Numbers(words.to_owned()));
    }
    // back to the rows' own units
    found.x.iter_mut().for_each(|x| *x *= size);
    found.certificate = found.certificate.times(size * size);
    if found.status == Status::Infeasible {
        // constraints that conflict among themselves say so; where they do not, the rows are what is too much
        min_variance(estimates, constraints, None)?;
        return Ok(None);
    }
    ended(found, || constraints.conflict(estimates)).map(Some)
}
