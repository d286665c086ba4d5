//! Measures of risk over scenarios: what each is, and how a programme keeps it small.
//!
//! r: returns of the portfolio by scenario, losses L = −r; T scenarios. Drawdowns are those of added returns
//! (not compounded), from a peak that begins at nothing. All grow in proportion with the weights.
//! - deviation: √(wᵀΣw);
//! - semi-deviation: √(Σ max(τ − r, 0)²/(T − 1)), τ the mean unless given (Markowitz 1959);
//! - mad: mean |r − mean| (Konno and Yamazaki 1991); lpm: mean of max(τ − r, 0);
//! - cvar: Rockafellar and Uryasev (2000); evar: the entropic bound, min over z > 0 of
//!   ln(mean e^(zL)/(1 − β))/z (Ahmadi-Javid 2012); worst: the greatest loss;
//! - cdar: CVaR of drawdowns (Chekhlov, Uryasev and Zabarankin 2005); max-drawdown, average-drawdown,
//!   ulcer: √(mean drawdown²) (Martin 1987);
//! - robust-cvar: mean loss plus CVaR at worst within a Wasserstein ball of a radius (1-norm) around the
//!   scenarios, returns above −1 (Mohajerin Esfahani and Kuhn 2018, section 7.1).

use super::cones::{Cones, Line};
use crate::maths::statistics;
use crate::portfolio::shortfall::shortfall;
use faer::{Mat, Side};

/// A measure of risk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// √(wᵀΣw).
    Deviation,
    /// Below a target; below the mean without.
    SemiDeviation(Option<f64>),
    /// Mean absolute deviation.
    MeanAbsolute,
    /// First lower partial moment, below a target or the mean.
    LowerPartial(Option<f64>),
    /// Expected shortfall at a level.
    Shortfall(f64),
    /// Entropic value at risk at a level.
    Entropic(f64),
    /// Greatest loss.
    Worst,
    /// Expected shortfall of drawdowns at a level.
    DrawdownShortfall(f64),
    /// Greatest drawdown.
    MaxDrawdown,
    /// Mean drawdown.
    AverageDrawdown,
    /// Root mean square drawdown.
    Ulcer,
    /// Mean loss and shortfall at a level, the worst within a radius.
    RobustShortfall {
        /// Level.
        level: f64,
        /// Radius, in the returns' units.
        radius: f64,
    },
}

/// Where a programme's weights stand.
pub(super) struct Held<'a> {
    /// Weights are the first variables.
    pub columns: &'a [Vec<f64>],
    pub means: &'a [f64],
    pub covariance: &'a Mat<f64>,
    /// What returns are counted in, so that the programme sees numbers of size one.
    pub unit: f64,
    /// The line that is one, or what weights are multiplied by.
    pub one: Line,
}

impl Held<'_> {
    fn scenarios(&self) -> usize {
        self.columns[0].len()
    }

    /// The loss in a scenario.
    pub fn loss(&self, s: usize) -> Line {
        Line::sum(self.columns.iter().enumerate().map(|(i, column)| (i, -column[s] / self.unit)))
    }

    /// What is short of a target, or of the mean.
    fn short(&self, s: usize, target: Option<f64>) -> Line {
        match target {
            Some(target) => self.loss(s).plus(&self.one, target / self.unit),
            None => {
                let terms = self.columns.iter().zip(self.means).enumerate();
                Line::sum(terms.map(|(i, (column, mean))| (i, (mean - column[s]) / self.unit)))
            }
        }
    }

    /// ‖Σ½w‖ ≤ a new variable.
    pub fn deviation(&self, to: &mut Cones) -> Line {
        self.deviation_of(0, to)
    }

    /// The same of weights that begin at another variable.
    pub fn deviation_of(&self, first: usize, to: &mut Cones) -> Line {
        let bound = Line::of(to.variable());
        let root = root(self.covariance);
        let n = self.columns.len();
        let row = |i: usize| Line::sum((0..n).map(|j| (first + j, root[(i, j)] / self.unit)));
        to.norm(bound.clone(), (0..n).map(row));
        bound
    }
}

/// The symmetric root of a covariance; noise below nothing is nothing.
fn root(covariance: &Mat<f64>) -> Mat<f64> {
    let n = covariance.nrows();
    let Ok(parts) = covariance.self_adjoint_eigen(Side::Lower) else {
        // numbers are finite by now, and then there is one
        return covariance.clone();
    };
    let (vectors, values) = (parts.U(), parts.S());
    Mat::from_fn(n, n, |i, j| {
        (0..n).map(|k| vectors[(i, k)] * values[k].max(0.0).sqrt() * vectors[(j, k)]).sum()
    })
}

impl Measure {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Measure::Deviation => "deviation",
            Measure::SemiDeviation(_) => "semi_deviation",
            Measure::MeanAbsolute => "mad",
            Measure::LowerPartial(_) => "lpm",
            Measure::Shortfall(_) => "cvar",
            Measure::Entropic(_) => "evar",
            Measure::Worst => "worst",
            Measure::DrawdownShortfall(_) => "cdar",
            Measure::MaxDrawdown => "max_drawdown",
            Measure::AverageDrawdown => "average_drawdown",
            Measure::Ulcer => "ulcer",
            Measure::RobustShortfall { .. } => "robust_cvar",
        }
    }

    /// What is wrong with its numbers for so many scenarios, in words.
    #[must_use]
    pub fn refusal(&self, scenarios: usize) -> Option<String> {
        let level = match *self {
            Measure::Shortfall(level)
            | Measure::Entropic(level)
            | Measure::DrawdownShortfall(level)
            | Measure::RobustShortfall { level, .. } => level,
            Measure::SemiDeviation(Some(target)) | Measure::LowerPartial(Some(target)) => {
                return (!target.is_finite())
                    .then(|| format!("a target of {target}: give a return"));
            }
            _ => return None,
        };
        if !(level > 0.0 && level < 1.0) {
            return Some(format!("a level of {level}: give one between 0 and 1, as 0.95"));
        }
        if (1.0 - level) * (scenarios as f64) < 1.0 - 1e-9 {
            return Some(format!(
                "{scenarios} scenarios are too few for level {level}: less than one lies beyond it"
            ));
        }
        match *self {
            Measure::RobustShortfall { radius, .. } if !(radius.is_finite() && radius >= 0.0) => {
                Some(format!("a radius of {radius}: give a distance of returns, as 0.001"))
            }
            _ => None,
        }
    }

    /// A line of the programme that is at least the measure in units, and as little as the measure where
    /// the programme wants it small.
    pub(super) fn epigraph(&self, held: &Held, to: &mut Cones) -> Line {
        let count = held.scenarios();
        let t = count as f64;
        match *self {
            Measure::Deviation => held.deviation(to),
            Measure::SemiDeviation(target) => {
                let below = shortfalls(held, to, target);
                let bound = Line::of(to.variable());
                to.norm(bound.clone(), (below..below + count).map(Line::of));
                Line::default().plus(&bound, 1.0 / (t - 1.0).sqrt())
            }
            Measure::MeanAbsolute => {
                let below = shortfalls(held, to, None);
                // deviations above and below the mean weigh the same
                Line::sum((below..below + count).map(|at| (at, 2.0 / t)))
            }
            Measure::LowerPartial(target) => {
                let below = shortfalls(held, to, target);
                Line::sum((below..below + count).map(|at| (at, 1.0 / t)))
            }
            Measure::Shortfall(level) => {
                let losses = (0..count).map(|s| held.loss(s)).collect();
                tail(to, losses, level)
            }
            Measure::Entropic(level) => entropic(held, to, level),
            Measure::Worst => {
                let worst = Line::of(to.variable());
                (0..count).for_each(|s| to.at_most(&held.loss(s), &worst));
                worst
            }
            Measure::DrawdownShortfall(level) => {
                let drawdowns = drawdowns(held, to);
                tail(to, (drawdowns..drawdowns + count).map(Line::of).collect(), level)
            }
            Measure::MaxDrawdown => {
                let drawdowns = drawdowns(held, to);
                let worst = Line::of(to.variable());
                (drawdowns..drawdowns + count).for_each(|at| to.at_most(&Line::of(at), &worst));
                worst
            }
            Measure::AverageDrawdown => {
                let drawdowns = drawdowns(held, to);
                Line::sum((drawdowns..drawdowns + count).map(|at| (at, 1.0 / t)))
            }
            Measure::Ulcer => {
                let drawdowns = drawdowns(held, to);
                let bound = Line::of(to.variable());
                to.norm(bound.clone(), (drawdowns..drawdowns + count).map(Line::of));
                Line::default().plus(&bound, 1.0 / t.sqrt())
            }
            Measure::RobustShortfall { level, radius } => robust(held, to, level, radius),
        }
    }

    /// Its value for a portfolio's returns; none where only a programme knows it.
    #[must_use]
    pub fn value(&self, returns: &[f64]) -> Option<f64> {
        let t = returns.len() as f64;
        let mean = statistics::mean(returns);
        let below = |target: Option<f64>| {
            let target = target.unwrap_or(mean);
            returns.iter().map(move |r| (target - r).max(0.0))
        };
        let losses = || returns.iter().map(|r| -r).collect::<Vec<f64>>();
        Some(match *self {
            Measure::Deviation => statistics::covariance(returns, returns).sqrt(),
            Measure::SemiDeviation(target) => {
                (below(target).map(|x| x * x).sum::<f64>() / (t - 1.0)).sqrt()
            }
            Measure::MeanAbsolute => returns.iter().map(|r| (r - mean).abs()).sum::<f64>() / t,
            Measure::LowerPartial(target) => below(target).sum::<f64>() / t,
            Measure::Shortfall(level) => shortfall(&losses(), level).1,
            Measure::Entropic(level) => entropic_value(&losses(), level),
            Measure::Worst => losses().into_iter().fold(f64::NEG_INFINITY, f64::max),
            Measure::DrawdownShortfall(level) => shortfall(&drawdowns_of(returns), level).1,
            Measure::MaxDrawdown => drawdowns_of(returns).into_iter().fold(0.0, f64::max),
            Measure::AverageDrawdown => statistics::mean(&drawdowns_of(returns)),
            Measure::Ulcer => (drawdowns_of(returns).iter().map(|d| d * d).sum::<f64>() / t).sqrt(),
            Measure::RobustShortfall { .. } => return None,
        })
    }
}

/// Variables that are at least what each scenario is short, and not negative.
fn shortfalls(held: &Held, to: &mut Cones, target: Option<f64>) -> usize {
    let first = to.positives(held.scenarios());
    for s in 0..held.scenarios() {
        to.at_most(&held.short(s, target), &Line::of(first + s));
    }
    first
}

/// α + Σ max(x − α, 0)/((1 − β)T).
fn tail(to: &mut Cones, lines: Vec<Line>, level: f64) -> Line {
    let count = lines.len();
    let alpha = Line::of(to.variable());
    let excess = to.positives(count);
    for (s, line) in lines.into_iter().enumerate() {
        to.at_most(&line.plus(&alpha, -1.0), &Line::of(excess + s));
    }
    let k = 1.0 / ((1.0 - level) * count as f64);
    alpha.plus(&Line::sum((excess..excess + count).map(|at| (at, k))), 1.0)
}

/// Variables that are at least the drawdowns: dₛ ≥ dₛ₋₁ + Lₛ, dₛ ≥ 0.
fn drawdowns(held: &Held, to: &mut Cones) -> usize {
    let first = to.positives(held.scenarios());
    for s in 0..held.scenarios() {
        let mut least = held.loss(s);
        if s > 0 {
            least = least.plus(&Line::of(first + s - 1), 1.0);
        }
        to.at_most(&least, &Line::of(first + s));
    }
    first
}

/// x − y·ln((1 − β)T) with Σu ≤ y, y·e^((L − x)/y) ≤ u.
fn entropic(held: &Held, to: &mut Cones, level: f64) -> Line {
    let count = held.scenarios();
    let (x, y) = (Line::of(to.variable()), Line::of(to.positives(1)));
    let parts = to.variables(count);
    to.at_most(&Line::sum((parts..parts + count).map(|at| (at, 1.0))), &y);
    for s in 0..count {
        to.exponential(held.loss(s).plus(&x, -1.0), y.clone(), Line::of(parts + s));
    }
    x.plus(&y, -((1.0 - level) * count as f64).ln())
}

/// The reformulation with both pieces of the loss, aⱼ·r + bⱼτ; its multipliers of the support depend on the
/// asset alone, because the least that the norm allows is the cheapest in every scenario.
fn robust(held: &Held, to: &mut Cones, level: f64, radius: f64) -> Line {
    let (n, count) = (held.columns.len(), held.scenarios());
    let tail = 1.0 / (1.0 - level);
    let pieces = [(-1.0, 1.0), (-1.0 - tail, 1.0 - tail)];
    let (reach, tau) = (Line::of(to.variable()), Line::of(to.variable()));
    let losses = to.variables(count);
    for (a, b) in pieces {
        let spared = to.positives(n);
        for i in 0..n {
            let slope = Line::sum([(i, -a), (spared + i, -1.0)]);
            to.at_most(&slope, &reach);
            to.at_most(&Line::default().plus(&slope, -1.0), &reach);
        }
        for s in 0..count {
            let spare = held
                .columns
                .iter()
                .enumerate()
                .map(|(i, c)| (spared + i, (1.0 + c[s]) / held.unit));
            let line = Line::sum(spare).plus(&held.loss(s), -a).plus(&tau, b);
            to.at_most(&line, &Line::of(losses + s));
        }
    }
    let mean = Line::sum((losses..losses + count).map(|at| (at, 1.0 / count as f64)));
    mean.plus(&reach, radius / held.unit)
}

/// Drawdowns of added returns.
fn drawdowns_of(returns: &[f64]) -> Vec<f64> {
    let mut below = 0.0_f64;
    let step = |r: &f64| {
        below = (below - r).max(0.0);
        below
    };
    returns.iter().map(step).collect()
}

/// The bound's minimum over ln z by golden section, where it has one valley.
fn entropic_value(losses: &[f64], level: f64) -> f64 {
    let worst = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let size = losses.iter().map(|l| (l - worst).abs()).fold(0.0, f64::max);
    if size <= 0.0 {
        return worst;
    }
    let n = losses.len() as f64;
    let bound = |log: f64| {
        let z = log.exp() / size;
        let sum: f64 = losses.iter().map(|l| (z * (l - worst)).exp()).sum();
        worst + ((sum / n).ln() - (1.0 - level).ln()) / z
    };
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut low, mut high) = (-12.0, 12.0);
    while high - low > 1e-9 {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if bound(left) < bound(right) { high = right } else { low = left }
    }
    bound(0.5 * (low + high)).min(worst)
}
