//! What is asked of a conic programme, and its answer.
//!
//! Every limit is written in proportion to a variable κ: one where weights are asked for, free where a ratio
//! is, which is then greatest mean over risk at most one, weights y/κ (Charnes and Cooper 1962). The
//! square-root law of impact becomes two second-order cones (Lobo et al. 1998).

use super::cones::{Cones, Line, Solved};
use super::measures::{Held, Measure};
use crate::maths::programme::{Status, dot};
use crate::portfolio::allocation::{Allocation, AllocationError, Objective};
use crate::portfolio::problem::{Constraints, Estimates, variance};

/// What is wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// Least risk − reward·mean + costs.
    Least {
        /// Of.
        risk: Measure,
        /// What a unit of mean is worth.
        reward: f64,
    },
    /// Greatest (mean − costs − rate)/risk.
    Ratio {
        /// Over.
        risk: Measure,
        /// Return without risk.
        rate: f64,
    },
    /// Greatest mean − costs under the caps.
    Most,
    /// Contributions to risk in proportion to budgets; limits are left out, weights positive.
    Parity {
        /// Of.
        risk: Measure,
        /// One an asset.
        budgets: Vec<f64>,
    },
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What is wanted.
    pub goal: Goal,
    /// Measures that may not be greater than these.
    pub caps: Vec<(Measure, f64)>,
    /// How many of its standard errors the mean is taken to be worse than its estimate: robust over an
    /// ellipsoid (Goldfarb and Iyengar 2003; Ceria and Stubbs 2006).
    pub doubt: f64,
    /// Weights that may not be tracked worse than by a deviation of a period.
    pub tracking: Option<(Vec<f64>, f64)>,
}

impl Request {
    /// A goal alone.
    #[must_use]
    pub fn of(goal: Goal) -> Request {
        Request { goal, caps: Vec::new(), doubt: 0.0, tracking: None }
    }
}

const UNBOUNDED: &str = "nothing bounds the weights: give --lower and --upper, or --leverage";

/// A programme being written: weights first, then κ.
struct Draft<'a> {
    cones: Cones,
    held: Held<'a>,
    /// What trades cost.
    costs: Line,
    /// Mean less what its doubt takes.
    mean: Line,
}

/// The best weights.
///
/// # Errors
/// Constraints or caps that conflict, a ratio without reward, numbers that no measure has, or a search that
/// stopped.
pub fn optimise(
    estimates: &Estimates,
    columns: &[Vec<f64>],
    constraints: &Constraints,
    request: &Request,
) -> Result<Allocation, AllocationError> {
    refuse(columns, constraints, request)?;
    let is_ratio = matches!(request.goal, Goal::Ratio { .. } | Goal::Parity { .. });
    let mut draft = begun(estimates, columns, is_ratio, request.doubt);
    if !matches!(request.goal, Goal::Parity { .. }) {
        limits(&mut draft, constraints);
        caps(&mut draft, request);
    }
    let worth = aim(&mut draft, request);
    let found = draft.cones.solve();
    if found.status == Status::Infeasible {
        return Err(conflict(estimates, columns, constraints, request));
    }
    if found.is_unbounded {
        return Err(AllocationError::Numbers(UNBOUNDED.to_owned()));
    }
    if found.status == Status::Stopped {
        let residual = found.certificate.kkt_residual;
        return Err(AllocationError::Stopped { iterations: found.iterations, residual });
    }
    let unit = draft.held.unit;
    let answer = answer(&found, estimates, columns, constraints, request, &worth, unit);
    if matches!(answer, Err(AllocationError::NoReward(_))) {
        // nothing at all keeps to limits in proportion to it: whether something does must be asked apart
        let mut draft = begun(estimates, columns, false, request.doubt);
        limits(&mut draft, constraints);
        caps(&mut draft, request);
        if draft.cones.solve().status == Status::Infeasible {
            return Err(conflict(estimates, columns, constraints, request));
        }
    }
    answer
}

/// Numbers that no programme takes.
fn refuse(
    columns: &[Vec<f64>],
    constraints: &Constraints,
    request: &Request,
) -> Result<(), AllocationError> {
    let scenarios = columns[0].len();
    let measure = match &request.goal {
        Goal::Least { risk, .. } | Goal::Ratio { risk, .. } | Goal::Parity { risk, .. } => {
            Some(risk)
        }
        Goal::Most => None,
    };
    let measures = measure.into_iter().chain(request.caps.iter().map(|(measure, _)| measure));
    if let Some(words) = measures.into_iter().find_map(|measure| measure.refusal(scenarios)) {
        return Err(AllocationError::Numbers(words));
    }
    if let Some((measure, cap)) = request.caps.iter().find(|(_, cap)| cap.is_nan() || *cap < 0.0) {
        let words = format!("{} at most {cap}: give a number above 0", measure.name());
        return Err(AllocationError::Numbers(words));
    }
    let is_open = constraints.lower.iter().any(|lower| lower.is_infinite());
    if is_open && constraints.leverage.is_none() && request.goal == Goal::Most {
        return Err(AllocationError::Numbers(UNBOUNDED.to_owned()));
    }
    let is_robust = |measure: &Measure| matches!(measure, Measure::RobustShortfall { .. });
    let has_robust =
        measure.is_some_and(is_robust) || request.caps.iter().any(|(m, _)| is_robust(m));
    if has_robust && columns.iter().flatten().any(|r| *r < -1.0) {
        let words = "robust_cvar takes simple returns above -1: these are percent, or log returns";
        return Err(AllocationError::Numbers(words.to_owned()));
    }
    if request.doubt > 0.0 {
        let asks_mean = match request.goal {
            Goal::Least { reward, .. } => reward > 0.0 || constraints.target_return.is_some(),
            Goal::Ratio { .. } | Goal::Most => true,
            Goal::Parity { .. } => false,
        };
        let is_backwards = matches!(request.goal, Goal::Least { reward, .. } if reward < 0.0);
        if !asks_mean || is_backwards {
            let words =
                "a doubt about the means changes nothing here: ask for reward or a target return";
            return Err(AllocationError::Numbers(words.to_owned()));
        }
    }
    if let Goal::Parity { budgets, .. } = &request.goal {
        let takes = "no constraints: its weights are positive and add up to 1";
        let is_bare =
            constraints.is_plain() && request.caps.is_empty() && request.tracking.is_none();
        if !is_bare {
            return Err(AllocationError::Constraints { method: "risk-parity", takes });
        }
        if budgets.iter().any(|b| !(b.is_finite() && *b > 0.0)) {
            let words = "every risk budget must be above 0".to_owned();
            return Err(AllocationError::Numbers(words));
        }
    }
    Ok(())
}

fn begun<'a>(
    estimates: &'a Estimates,
    columns: &'a [Vec<f64>],
    is_ratio: bool,
    doubt: f64,
) -> Draft<'a> {
    let n = columns.len();
    let mut cones = Cones::default();
    cones.variables(n);
    let one = Line::of(cones.variable());
    if is_ratio {
        cones.at_least_nothing(one.clone());
    } else {
        cones.nothing(one.clone().plus(&Line::constant(1.0), -1.0));
    }
    let (means, covariance) = (&estimates.mean[..], &estimates.covariance);
    let sizes = columns.iter().flatten().map(|r| r.abs()).sum::<f64>();
    let size = sizes / (n * columns[0].len()) as f64;
    let unit = if size > 0.0 { size } else { 1.0 };
    let mean = Line::sum(means.iter().map(|mean| mean / unit).enumerate());
    let held = Held { columns, means, covariance, unit, one };
    let mean = if doubt > 0.0 {
        let rows = columns[0].len() as f64;
        mean.plus(&held.deviation(&mut cones), -doubt / rows.sqrt())
    } else {
        mean
    };
    Draft { cones, held, costs: Line::default(), mean }
}

/// The linear limits, and what trades cost.
fn limits(draft: &mut Draft, constraints: &Constraints) {
    let Draft { cones, held, mean, .. } = draft;
    let n = held.columns.len();
    let times = |by: f64| Line::default().plus(&held.one, by);
    let whole = Line::sum((0..n).map(|i| (i, 1.0)));
    cones.nothing(whole.plus(&held.one, -constraints.budget));
    for i in 0..n {
        if constraints.lower[i].is_finite() {
            cones.at_most(&times(constraints.lower[i]), &Line::of(i));
        }
        if constraints.upper[i].is_finite() {
            cones.at_most(&Line::of(i), &times(constraints.upper[i]));
        }
    }
    for group in &constraints.groups {
        let sum = Line::sum(group.members.iter().map(|&i| (i, 1.0)));
        group.upper.into_iter().for_each(|upper| cones.at_most(&sum, &times(upper)));
        group.lower.into_iter().for_each(|lower| cones.at_most(&times(lower), &sum));
    }
    if let Some(leverage) = constraints.leverage {
        let sizes = cones.variables(n);
        for i in 0..n {
            cones.at_most(&Line::of(i), &Line::of(sizes + i));
            cones.at_most(&Line::sum([(i, -1.0)]), &Line::of(sizes + i));
        }
        cones.at_most(&Line::sum((sizes..sizes + n).map(|at| (at, 1.0))), &times(leverage));
    }
    if let Some(target) = constraints.target_return {
        cones.at_most(&times(target / held.unit), mean);
    }
    let is_trading = constraints.turnover.is_some() || constraints.costs.is_some();
    if let Some(previous) = constraints.previous.as_ref().filter(|_| is_trading) {
        let changes = cones.variables(n);
        for (i, held_now) in previous.iter().enumerate() {
            let change = Line::of(i).plus(&held.one, -held_now);
            cones.at_most(&change, &Line::of(changes + i));
            cones.at_most(&Line::default().plus(&change, -1.0), &Line::of(changes + i));
        }
        if let Some(turnover) = constraints.turnover {
            cones.at_most(&Line::sum((changes..changes + n).map(|at| (at, 1.0))), &times(turnover));
        }
        if let Some(costs) = &constraints.costs {
            let linear =
                costs.linear.iter().enumerate().map(|(i, rate)| (changes + i, rate / held.unit));
            draft.costs = Line::sum(linear);
            for (i, &impact) in costs.impact.iter().enumerate().filter(|(_, rate)| **rate > 0.0) {
                // |Δ|² ≤ s·t with s² ≤ |Δ|·κ is t ≥ |Δ|^1.5/κ^½
                let (s, t) = (Line::of(cones.variable()), Line::of(cones.variable()));
                let change = Line::of(changes + i);
                cones.product(&change, &s, &t);
                cones.product(&s, &change, &held.one);
                draft.costs = std::mem::take(&mut draft.costs).plus(&t, impact / held.unit);
            }
        }
    }
}

/// Caps of measures, and tracking.
fn caps(draft: &mut Draft, request: &Request) {
    let Draft { cones, held, .. } = draft;
    for (measure, cap) in &request.caps {
        let line = measure.epigraph(held, cones);
        cones.at_most(&line, &Line::default().plus(&held.one, cap / held.unit));
    }
    if let Some((benchmark, most)) = &request.tracking {
        // the deviation of w − κb: shifted weights stand in for the weights
        let n = benchmark.len();
        let apart = cones.variables(n);
        for (i, weight) in benchmark.iter().enumerate() {
            cones.nothing(Line::of(i).plus(&held.one, -weight).plus(&Line::of(apart + i), -1.0));
        }
        let bound = held.deviation_of(apart, cones);
        cones.at_most(&bound, &Line::default().plus(&held.one, most / held.unit));
    }
}

/// Writes the goal down; the line that it makes small.
fn aim(draft: &mut Draft, request: &Request) -> Line {
    let Draft { cones, held, costs, mean } = draft;
    let n = held.columns.len();
    match &request.goal {
        Goal::Least { risk, reward } => {
            let line = risk.epigraph(held, cones).plus(costs, 1.0).plus(mean, -reward);
            cones.cost(&line, 1.0);
            line
        }
        Goal::Ratio { risk, rate } => {
            let line = risk.epigraph(held, cones);
            cones.at_most(&line, &Line::constant(1.0));
            let reward = mean.clone().plus(costs, -1.0).plus(&held.one, -rate / held.unit);
            cones.cost(&reward, -1.0);
            reward
        }
        Goal::Most => {
            let reward = mean.clone().plus(costs, -1.0);
            cones.cost(&reward, -1.0);
            reward
        }
        Goal::Parity { risk, budgets } => {
            let sum: f64 = budgets.iter().sum();
            let line = risk.epigraph(held, cones);
            cones.cost(&line, 1.0);
            for (i, budget) in budgets.iter().enumerate() {
                let log = Line::of(cones.variable());
                cones.cost(&log, -budget / sum);
                // log ≤ ln w
                cones.exponential(log, Line::constant(1.0), Line::of(i));
            }
            // κ is the weights' sum
            cones.nothing(Line::sum((0..n).map(|i| (i, 1.0))).plus(&held.one, -1.0));
            line
        }
    }
}

/// Weights and what they achieve.
fn answer(
    found: &Solved,
    estimates: &Estimates,
    columns: &[Vec<f64>],
    constraints: &Constraints,
    request: &Request,
    worth: &Line,
    unit: f64,
) -> Result<Allocation, AllocationError> {
    let n = columns.len();
    let scale = found.x[n];
    let is_ratio = matches!(request.goal, Goal::Ratio { .. });
    // units cancel in a ratio
    let size = if is_ratio { 1.0 } else { unit };
    let value = size * worth.at(&found.x);
    if let Goal::Ratio { rate, .. } = request.goal
        && !(value > 1e-9 && scale > 1e-12)
    {
        return Err(AllocationError::NoReward(rate));
    }
    // a search from inside stops a hair from the bounds
    let weights: Vec<f64> = (0..n)
        .map(|i| (found.x[i] / scale).clamp(constraints.lower[i], constraints.upper[i]))
        .collect();
    let rows = columns[0].len();
    let returns: Vec<f64> =
        (0..rows).map(|s| (0..n).map(|i| weights[i] * columns[i][s]).sum()).collect();
    let reached = |risk: &Measure| match risk {
        // by the covariance that was asked for
        Measure::Deviation => Some(variance(&estimates.covariance, &weights).sqrt()),
        risk => risk.value(&returns),
    };
    let objective = match &request.goal {
        // with nothing but risk, the measure itself says what was reached
        Goal::Least { risk, reward } if *reward == 0.0 && constraints.costs.is_none() => {
            let value = reached(risk).unwrap_or(value);
            Objective { name: risk.name(), value }
        }
        Goal::Least { .. } => Objective { name: "risk_less_reward", value },
        Goal::Ratio { risk, .. } => Objective {
            name: match risk {
                Measure::Deviation => "sharpe",
                Measure::SemiDeviation(_) => "sortino",
                Measure::LowerPartial(_) => "omega_less_one",
                _ => "reward_over_risk",
            },
            value,
        },
        Goal::Most => Objective { name: "mean", value: dot(&estimates.mean, &weights) },
        Goal::Parity { risk, .. } => {
            Objective { name: risk.name(), value: reached(risk).unwrap_or(value / scale) }
        }
    };
    Ok(Allocation {
        weights,
        objective,
        status: found.status,
        certificate: Some(found.certificate.times(size)),
        iterations: found.iterations,
    })
}

/// Which constraints conflict: the linear ones alone, or a cap with them.
fn conflict(
    estimates: &Estimates,
    columns: &[Vec<f64>],
    constraints: &Constraints,
    request: &Request,
) -> AllocationError {
    let bare = Request::of(Goal::Most);
    let mut draft = begun(estimates, columns, false, request.doubt);
    limits(&mut draft, constraints);
    if draft.cones.solve().status == Status::Infeasible {
        return constraints.conflict(estimates).into();
    }
    for (measure, cap) in &request.caps {
        let least = Request { goal: Goal::Least { risk: *measure, reward: 0.0 }, ..bare.clone() };
        let without = Constraints { costs: None, ..constraints.clone() };
        if let Ok(found) = optimise(estimates, columns, &without, &least)
            && found.objective.value > *cap
        {
            let words = format!(
                "{} at most {cap} cannot be kept: the other constraints leave at least {:.6}",
                measure.name(),
                found.objective.value
            );
            return AllocationError::Numbers(words);
        }
    }
    let mut words: Vec<String> =
        request.caps.iter().map(|(measure, cap)| format!("{} ≤ {cap}", measure.name())).collect();
    words.extend(request.tracking.iter().map(|(_, most)| format!("tracking error ≤ {most}")));
    let words = words.join(", ");
    AllocationError::Numbers(format!(
        "no weights keep to {words} and the other constraints at once"
    ))
}
