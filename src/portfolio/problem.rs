//! What is known of the assets, and what an allocation must keep to.
//!
//! Weights w: Σw = budget, lower ≤ w ≤ upper, groups between bounds, Σ|w| ≤ leverage, Σ|w − w₀| ≤ turnover, a
//! least expected return, costs of leaving w₀: Σ rate·|w − w₀| + Σ impact·|w − w₀|^1.5 (the square-root law
//! of impact). Absolute values become pairs of variables behind the weights, so that every method meets the
//! same linear limits.

use crate::maths::programme::{Convex, Limits, Quadratic, add, dot, solve};
use faer::Mat;

/// What is known.
#[derive(Clone, Debug)]
pub struct Estimates {
    /// Names.
    pub assets: Vec<String>,
    /// Expected return of a period.
    pub mean: Vec<f64>,
    /// Covariance of a period.
    pub covariance: Mat<f64>,
}

/// wᵀΣw.
#[must_use]
pub fn variance(covariance: &Mat<f64>, weights: &[f64]) -> f64 {
    dot(&product(covariance, weights), weights)
}

/// Σw.
#[must_use]
pub fn product(covariance: &Mat<f64>, weights: &[f64]) -> Vec<f64> {
    // by columns, as the matrix lies
    let mut sums = vec![0.0; weights.len()];
    for (j, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
        sums.iter_mut().zip(covariance.col(j).iter()).for_each(|(sum, c)| *sum += c * weight);
    }
    sums
}

/// Assets that are bounded together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its assets' places.
    pub members: Vec<usize>,
    /// At least, in all.
    pub lower: Option<f64>,
    /// At most, in all.
    pub upper: Option<f64>,
}

/// What a change from the weights held costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// Of each asset, a unit of weight.
    pub linear: Vec<f64>,
    /// Of each asset, times |Δw|^1.5.
    pub impact: Vec<f64>,
}

/// What an allocation must keep to.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraints {
    /// Σw.
    pub budget: f64,
    /// Least weight of each asset.
    pub lower: Vec<f64>,
    /// Greatest weight of each asset.
    pub upper: Vec<f64>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Greatest Σ|w|.
    pub leverage: Option<f64>,
    /// Weights held now.
    pub previous: Option<Vec<f64>>,
    /// Greatest Σ|w − w₀|.
    pub turnover: Option<f64>,
    /// What change costs.
    pub costs: Option<Costs>,
    /// Least expected return of a period.
    pub target_return: Option<f64>,
}

/// Constraints that leave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no weights keep to all of these at once: {}", .0.join("; "))]
pub struct Conflict(pub Vec<String>);

impl Constraints {
    /// Fully invested and long only.
    #[must_use]
    pub fn long_only(assets: usize) -> Constraints {
        Constraints {
            budget: 1.0,
            lower: vec![0.0; assets],
            upper: vec![f64::INFINITY; assets],
            groups: Vec::new(),
            leverage: None,
            previous: None,
            turnover: None,
            costs: None,
            target_return: None,
        }
    }

    /// Whether it is `long_only` and nothing else.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Constraints::long_only(self.lower.len())
    }

    /// Whether |w| stands in it.
    fn has_leverage(&self) -> bool {
        self.leverage.is_some()
    }

    /// Whether |w − w₀| stands in it.
    #[must_use]
    pub fn has_trades(&self) -> bool {
        self.turnover.is_some() || self.costs.is_some()
    }

    /// Variables: weights, then what is bought and sold, then what is long and short.
    #[must_use]
    pub fn variables(&self) -> usize {
        let n = self.lower.len();
        n * (1 + 2 * usize::from(self.has_trades()) + 2 * usize::from(self.has_leverage()))
    }

    /// Where what is bought begins; what is sold stands `n` behind it.
    pub(super) fn trades_at(&self) -> usize {
        self.lower.len()
    }

    fn sides_at(&self) -> usize {
        self.lower.len() * (1 + 2 * usize::from(self.has_trades()))
    }

    /// The limits as linear rows, with what each says.
    #[must_use]
    pub fn limits(&self, estimates: &Estimates) -> (Limits, Vec<Named>) {
        let (n, all) = (self.lower.len(), self.variables());
        let mut limits =
            Limits { lower: vec![0.0; all], upper: vec![f64::INFINITY; all], ..Limits::default() };
        let mut named = Vec::new();
        let row = |entries: &[(usize, f64)]| {
            let mut row = vec![0.0; all];
            entries.iter().for_each(|&(at, value)| row[at] = value);
            row
        };
        let whole: Vec<(usize, f64)> = (0..n).map(|i| (i, 1.0)).collect();
        limits.equalities.push(&row(&whole), self.budget);
        named.push(Named::equality(0, format!("the weights add up to {}", self.budget)));
        limits.lower[..n].copy_from_slice(&self.lower);
        limits.upper[..n].copy_from_slice(&self.upper);
        named.extend(named_bounds(&self.lower, false, &estimates.assets));
        named.extend(named_bounds(&self.upper, true, &estimates.assets));
        if let Some(previous) = self.previous.as_ref().filter(|_| self.has_trades()) {
            let at = self.trades_at();
            for (i, &held) in previous.iter().enumerate() {
                let change = row(&[(i, 1.0), (at + i, -1.0), (at + n + i, 1.0)]);
                limits.equalities.push(&change, held);
            }
        }
        if self.has_leverage() {
            let at = self.sides_at();
            for i in 0..n {
                let sides = row(&[(i, 1.0), (at + i, -1.0), (at + n + i, 1.0)]);
                limits.equalities.push(&sides, 0.0);
            }
        }
        let mut at_most = |row: Vec<f64>, right: f64, words: String| {
            named.push(Named::inequality(limits.inequalities.len(), words));
            limits.inequalities.push(&row, right);
        };
        for group in &self.groups {
            let sum: Vec<(usize, f64)> = group.members.iter().map(|&i| (i, 1.0)).collect();
            let less: Vec<(usize, f64)> = group.members.iter().map(|&i| (i, -1.0)).collect();
            if let Some(upper) = group.upper {
                at_most(row(&sum), upper, format!("group `{}` at most {upper}", group.name));
            }
            if let Some(lower) = group.lower {
                at_most(row(&less), -lower, format!("group `{}` at least {lower}", group.name));
            }
        }
        if let Some(turnover) = self.turnover {
            let at = self.trades_at();
            let sum: Vec<(usize, f64)> = (at..at + 2 * n).map(|i| (i, 1.0)).collect();
            at_most(row(&sum), turnover, format!("turnover at most {turnover}"));
        }
        if let Some(leverage) = self.leverage {
            let at = self.sides_at();
            let sum: Vec<(usize, f64)> = (at..at + 2 * n).map(|i| (i, 1.0)).collect();
            at_most(row(&sum), leverage, format!("leverage at most {leverage}"));
        }
        if let Some(target) = self.target_return {
            let less: Vec<(usize, f64)> = (0..n).map(|i| (i, -estimates.mean[i])).collect();
            at_most(row(&less), -target, format!("expected return at least {target}"));
        }
        (limits, named)
    }

    /// Where a search may begin.
    #[must_use]
    pub fn start(&self) -> Vec<f64> {
        let n = self.lower.len();
        let mut start = vec![self.budget.abs().max(0.1) / n as f64; self.variables()];
        start[..n].fill(self.budget / n as f64);
        start
    }

    /// Weights among all variables: with what they buy and sell, and their sides.
    #[must_use]
    pub fn point(&self, weights: &[f64]) -> Vec<f64> {
        let n = weights.len();
        let mut point = vec![0.0; self.variables()];
        point[..n].copy_from_slice(weights);
        let mut split = |at: usize, i: usize, value: f64| {
            point[at + i] = value.max(0.0);
            point[at + n + i] = (-value).max(0.0);
        };
        if let Some(previous) = self.previous.as_ref().filter(|_| self.has_trades()) {
            (0..n).for_each(|i| split(self.trades_at(), i, weights[i] - previous[i]));
        }
        if self.has_leverage() {
            (0..n).for_each(|i| split(self.sides_at(), i, weights[i]));
        }
        point
    }

    /// The smallest set of constraints that no weights keep to together: each one is left out in turn, and
    /// stays out where the rest conflict without it (deletion filter, Chinneck and Dravnieks 1991).
    #[must_use]
    pub fn conflict(&self, estimates: &Estimates) -> Conflict {
        let (limits, named) = self.limits(estimates);
        let mut kept: Vec<bool> = vec![true; named.len()];
        for at in (0..named.len()).rev() {
            kept[at] = false;
            if is_feasible(&limits, &named, &kept, self.lower.len()) {
                kept[at] = true;
            }
        }
        let words = named.iter().zip(&kept).filter(|(_, kept)| **kept);
        Conflict(words.map(|(named, _)| named.words.clone()).collect())
    }
}

/// Limits and what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    places: Vec<Place>,
    words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Equality(usize),
    Inequality(usize),
    Lower(usize),
    Upper(usize),
}

impl Named {
    fn equality(at: usize, words: String) -> Named {
        Named { places: vec![Place::Equality(at)], words }
    }

    fn inequality(at: usize, words: String) -> Named {
        Named { places: vec![Place::Inequality(at)], words }
    }
}

/// Assets named in one breath; more are counted.
const NAMES_MAX: usize = 6;

/// Bounds of assets, equal ones together.
fn named_bounds(bounds: &[f64], is_upper: bool, assets: &[String]) -> Vec<Named> {
    let mut values: Vec<f64> = bounds.iter().copied().filter(|x| x.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    values.dedup_by(|a, b| a.to_bits() == b.to_bits());
    let side = if is_upper { "at most" } else { "at least" };
    let of = |value: &f64| {
        let equal = |&at: &usize| bounds[at].to_bits() == value.to_bits();
        let members: Vec<usize> = (0..bounds.len()).filter(equal).collect();
        let who = if members.len() == bounds.len() {
            "every asset".to_owned()
        } else {
            let shown = members.iter().take(NAMES_MAX).map(|&at| format!("`{}`", assets[at]));
            let shown: Vec<String> = shown.collect();
            let more = members.len().saturating_sub(NAMES_MAX);
            let rest = if more > 0 { format!(" and {more} others") } else { String::new() };
            format!("{}{rest}", shown.join(", "))
        };
        let place = |&at: &usize| if is_upper { Place::Upper(at) } else { Place::Lower(at) };
        Named {
            places: members.iter().map(place).collect(),
            words: format!("{who} {side} {value}"),
        }
    };
    values.iter().map(of).collect()
}

/// Slack beyond which limits conflict.
const CONFLICT: f64 = 1e-5;
/// Curvature that holds variables which nothing bounds; it moves the slack by less.
const HOLD: f64 = 1e-7;

/// Whether some point keeps to the limits that are kept: the least slack t with which all can be met, each
/// loosened by t, is nothing.
fn is_feasible(limits: &Limits, named: &[Named], kept: &[bool], assets: usize) -> bool {
    let all = limits.lower.len();
    let mut loose = Limits {
        lower: vec![f64::NEG_INFINITY; all + 1],
        upper: vec![f64::INFINITY; all + 1],
        ..Limits::default()
    };
    loose.lower[assets..].fill(0.0);
    let is_kept = |place: Place| {
        let mut both = named.iter().zip(kept);
        both.all(|(named, kept)| *kept || !named.places.contains(&place))
    };
    let wide = |row: &[f64], slack: f64| [row, &[slack]].concat();
    for at in 0..limits.equalities.len() {
        let (row, right) = (limits.equalities.row(at), limits.equalities.right[at]);
        // identities of the split variables have no name and are not loosened
        if named.iter().all(|named| !named.places.contains(&Place::Equality(at))) {
            loose.equalities.push(&wide(row, 0.0), right);
        } else if is_kept(Place::Equality(at)) {
            loose.inequalities.push(&wide(row, -1.0), right);
            let less: Vec<f64> = row.iter().map(|x| -x).collect();
            loose.inequalities.push(&wide(&less, -1.0), -right);
        }
    }
    for at in 0..limits.inequalities.len() {
        if is_kept(Place::Inequality(at)) {
            let (row, right) = (limits.inequalities.row(at), limits.inequalities.right[at]);
            loose.inequalities.push(&wide(row, -1.0), right);
        }
    }
    for i in 0..assets {
        let unit = |sign: f64| {
            let mut row = vec![0.0; all + 1];
            row[i] = sign;
            row[all] = -1.0;
            row
        };
        if limits.lower[i].is_finite() && is_kept(Place::Lower(i)) {
            loose.inequalities.push(&unit(-1.0), -limits.lower[i]);
        }
        if limits.upper[i].is_finite() && is_kept(Place::Upper(i)) {
            loose.inequalities.push(&unit(1.0), limits.upper[i]);
        }
    }
    let mut linear = vec![0.0; all + 1];
    linear[all] = 1.0;
    let matrix =
        Mat::from_fn(all + 1, all + 1, |i, j| f64::from(u8::from(i == j && i < all)) * HOLD);
    let objective = Quadratic { matrix, linear };
    let mut start = vec![0.5; all + 1];
    start[all] = 2.0;
    solve(&objective, &loose, &start).x[all] < CONFLICT
}

/// A convex objective of the weights, with the costs of trades and of impact behind them.
pub(super) struct WithCosts<'a, F> {
    /// Of the weights.
    pub objective: F,
    /// Weights.
    pub assets: usize,
    /// Where trades begin.
    pub trades: usize,
    /// Costs.
    pub costs: Option<&'a Costs>,
}

impl<F> WithCosts<'_, F> {
    fn trade(&self, at: usize) -> [usize; 2] {
        [self.trades + at, self.trades + self.assets + at]
    }
}

impl<F: Convex> Convex for WithCosts<'_, F> {
    fn value(&self, x: &[f64]) -> f64 {
        let mut value = self.objective.value(&x[..self.assets]);
        if let Some(costs) = self.costs {
            for i in 0..self.assets {
                for at in self.trade(i) {
                    let change = x[at].max(0.0);
                    value += costs.linear[i] * change + costs.impact[i] * change.powf(1.5);
                }
            }
        }
        value
    }

    fn gradient(&self, x: &[f64], to: &mut [f64]) {
        to.fill(0.0);
        self.objective.gradient(&x[..self.assets], &mut to[..self.assets]);
        if let Some(costs) = self.costs {
            for i in 0..self.assets {
                for at in self.trade(i) {
                    to[at] = costs.linear[i] + 1.5 * costs.impact[i] * x[at].max(0.0).sqrt();
                }
            }
        }
    }

    fn add_hessian(&self, x: &[f64], to: &mut Mat<f64>) {
        self.objective.add_hessian(&x[..self.assets], to);
        if let Some(costs) = self.costs {
            for i in 0..self.assets {
                for at in self.trade(i).into_iter().filter(|_| costs.impact[i] > 0.0) {
                    to[(at, at)] += 0.75 * costs.impact[i] / x[at].max(1e-16).sqrt();
                }
            }
        }
    }

    fn step_max(&self, x: &[f64], step: &[f64]) -> f64 {
        self.objective.step_max(&x[..self.assets], &step[..self.assets])
    }
}

/// A quadratic objective of the weights among all variables.
pub(super) fn quadratic(
    constraints: &Constraints,
    covariance: &Mat<f64>,
    risk: f64,
    reward: &[f64],
) -> Quadratic {
    let (n, all) = (constraints.lower.len(), constraints.variables());
    let mut matrix = Mat::zeros(all, all);
    for j in 0..n {
        for i in 0..n {
            matrix[(i, j)] = 2.0 * risk * covariance[(i, j)];
        }
    }
    let mut linear = vec![0.0; all];
    add(&mut linear[..n], reward, -1.0);
    if let Some(costs) = &constraints.costs {
        let at = constraints.trades_at();
        linear[at..at + n].copy_from_slice(&costs.linear);
        linear[at + n..at + 2 * n].copy_from_slice(&costs.linear);
    }
    Quadratic { matrix, linear }
}
