//! CVaR with bounds of single assets and costs of trades: the interior point inside active sets.
//!
//! Assets out of play stay where they are: at a bound, or untraded. Rounds solve what is in play, let
//! scenarios join that lose more than α, and assets whose slope at where they stand says that they should
//! move; when none does, the duals are judged on everything. The bound: for any y with 0 ≤ y ≤ k and Σy =
//! 1, and any price p of the budget, CVaR plus costs is at least p·budget + Σ_i min over w_i of (cost_i −
//! p)·w_i + c_i(w_i), each of which is known in closed form; the best p by bisection, for it is where those
//! weights add up to the budget.

use super::interior::{Inner, Sides, Trades, interior};
use super::{dot_at, feasible, losses, shortfall, worst};
use crate::maths::programme::{Certificate, Status};
use crate::portfolio::allocation::{Allocation, Objective};
use crate::portfolio::problem::{Constraints, Costs};

const ROUNDS_MAX: usize = 60;
/// Rounds that only look around.
const LOOSE_ROUNDS: usize = 8;
const LOOSE: f64 = 1e-3;
const TIGHT: f64 = 1e-8;
const TIGHTEST: f64 = 1e-13;
/// Scenarios in play at first, as a multiple of the tail.
const TAILS: f64 = 2.0;
const TAILS_WARM: f64 = 1.5;
/// Assets in play at first, and how often the budget they could hold.
const ASSETS: usize = 60;
const ROOM: f64 = 2.0;
/// The same where assets leave again.
const ROOM_LEFT: f64 = 1.5;
/// Assets that join at most in a round.
const JOIN_MAX: usize = 100;
/// A share of the greatest weight within which an asset that is pulled nowhere leaves for its corner again.
const LEAVING: f64 = 1e-2;
/// What of the tail may be new for the next round to be tight.
const SETTLED: f64 = 0.25;
/// A slack, of the budget, that is none.
const NOTHING: f64 = 1e-9;
/// Gap, relative to the objective, that counts as proven.
const PROVEN: f64 = 1e-9;
const HALVINGS: usize = 200;

/// One asset's sides and costs.
#[derive(Clone, Copy)]
struct Asset {
    lower: f64,
    upper: f64,
    held: f64,
    linear: f64,
    impact: f64,
}

impl Asset {
    fn cost(&self, w: f64) -> f64 {
        let change = (w - self.held).abs();
        self.linear * change + self.impact * change.powf(1.5)
    }

    /// Where slope·w + cost is least.
    fn least(&self, slope: f64) -> f64 {
        // what a change by one way gains beyond its linear cost
        let (up, down) = (-slope - self.linear, slope - self.linear);
        let (gain, way) = if up > 0.0 { (up, 1.0) } else { (down, -1.0) };
        let wanted = if gain <= 0.0 {
            self.held
        } else if self.impact > 0.0 {
            self.held + way * (gain / (1.5 * self.impact)).powi(2)
        } else {
            way * f64::INFINITY
        };
        wanted.clamp(self.lower, self.upper)
    }

    /// How much the slope at `w` falls short of holding it there: what moving a unit would gain.
    fn pull(&self, slope: f64, w: f64) -> f64 {
        let change = w - self.held;
        let root = 1.5 * self.impact * change.abs().sqrt();
        let cost = self.linear + root;
        let (up, down) = if change > 0.0 {
            (slope + cost, slope + cost)
        } else if change < 0.0 {
            (slope - cost, slope - cost)
        } else {
            (slope + cost, slope - cost)
        };
        let rise = if w < self.upper { -up } else { f64::NEG_INFINITY };
        let fall = if w > self.lower { down } else { f64::NEG_INFINITY };
        rise.max(fall)
    }
}

struct Bounded<'a> {
    columns: &'a [Vec<f64>],
    assets: Vec<Asset>,
    budget: f64,
    level: f64,
    tail: f64,
}

struct Play {
    scenarios: Vec<u32>,
    is_in: Vec<bool>,
    /// Where every asset stands, in play or not.
    weights: Vec<f64>,
}

/// The least CVaR and costs; none where limits are of another kind, have no room inside, or nothing is
/// proven.
pub(super) fn solve(
    columns: &[Vec<f64>],
    constraints: &Constraints,
    level: f64,
    warm: Option<&[f64]>,
) -> Option<Allocation> {
    let problem = Bounded::of(columns, constraints, level)?;
    let mut play = problem.first(warm)?;
    let k = 1.0 / problem.tail;
    // losses of size one
    let even = losses(columns, &vec![problem.budget / columns.len() as f64; columns.len()]);
    let size = play.scenarios.iter().map(|&s| even[s as usize]).sum::<f64>();
    let scale = 1.0 / (size / play.scenarios.len() as f64).abs().max(1e-9);
    let (mut tolerance, mut steps) = (LOOSE, 0);
    for round in 0..ROUNDS_MAX {
        let places: Vec<usize> = (0..columns.len()).filter(|&i| play.is_in[i]).collect();
        let sides = problem.sides(&play, &places);
        let found = interior(columns, &play.scenarios, &places, &sides, k, scale, tolerance);
        steps += found.steps;
        places.iter().zip(&found.weights).for_each(|(&i, &w)| play.weights[i] = w);
        let y: Vec<(usize, f64)> =
            play.scenarios.iter().zip(&found.y).map(|(&s, &y)| (s as usize, y)).collect();
        let duals = feasible(&y, k);
        let joined = problem.join(&mut play, &found, &duals, tolerance);
        if joined == 0 && tolerance < LOOSE {
            let found = problem.judged(&play.weights, &duals, steps);
            let is_proven = found.status == Status::Optimal;
            if is_proven || tolerance <= TIGHTEST {
                return is_proven.then_some(found);
            }
        }
        tolerance = match joined {
            0 if tolerance < LOOSE => TIGHTEST,
            _ if tolerance < LOOSE || round >= LOOSE_ROUNDS => tolerance.min(TIGHT),
            few if (few as f64) < SETTLED * problem.tail => TIGHT,
            _ => LOOSE,
        };
    }
    None
}

impl Bounded<'_> {
    fn of<'a>(
        columns: &'a [Vec<f64>],
        constraints: &Constraints,
        level: f64,
    ) -> Option<Bounded<'a>> {
        let Constraints { groups, leverage, turnover, target_return, .. } = constraints;
        let is_ours = groups.is_empty()
            && leverage.is_none()
            && turnover.is_none()
            && target_return.is_none()
            && constraints.lower.iter().all(|lower| lower.is_finite());
        if !is_ours {
            return None;
        }
        let n = columns.len();
        let low: f64 = constraints.lower.iter().sum();
        let none = Costs { linear: vec![0.0; n], impact: vec![0.0; n] };
        let costs = constraints.costs.as_ref().unwrap_or(&none);
        let previous = constraints.previous.as_ref().filter(|_| constraints.costs.is_some());
        let asset = |i: usize| {
            let lower = constraints.lower[i];
            // what the others' least weights leave is a bound as well
            let upper = constraints.upper[i].min(constraints.budget - (low - lower));
            let held = previous.map_or(lower, |held| held[i]);
            Asset { lower, upper, held, linear: costs.linear[i], impact: costs.impact[i] }
        };
        let assets: Vec<Asset> = (0..n).map(asset).collect();
        let high: f64 = assets.iter().map(|a| a.upper).sum();
        let slip = 1e-9 * constraints.budget.abs().max(1e-3);
        let has_room = low < constraints.budget - slip
            && high > constraints.budget + slip
            && assets.iter().all(|a| a.upper >= a.lower);
        let tail = (1.0 - level) * columns[0].len() as f64;
        has_room.then_some(Bounded { columns, assets, budget: constraints.budget, level, tail })
    }

    fn costs(&self) -> bool {
        self.assets.iter().any(|a| a.linear > 0.0 || a.impact > 0.0)
    }

    /// Where assets stand before anything is known: untraded where trades cost, or already sold where the
    /// tail of equal weights says so; else at their lower bounds.
    fn rest(&self, scenarios: &[u32]) -> Vec<f64> {
        if !self.costs() {
            return self.assets.iter().map(|a| a.lower).collect();
        }
        let each = 1.0 / scenarios.len() as f64;
        let duals: Vec<(usize, f64)> = scenarios.iter().map(|&s| (s as usize, each)).collect();
        let costs = self.tail_costs(&duals);
        let (price, _) = self.price(&costs);
        let at =
            |(a, cost): (&Asset, &f64)| a.least(cost - price).min(a.held.clamp(a.lower, a.upper));
        self.assets.iter().zip(&costs).map(at).collect()
    }

    /// The corner that a weight is near: a bound, or what is held where trades cost.
    fn corner(&self, i: usize, w: f64, near: f64) -> Option<f64> {
        let a = &self.assets[i];
        let corners = [Some(a.lower), Some(a.upper), self.costs().then_some(a.held)];
        corners.into_iter().flatten().find(|c| (w - c).abs() < near)
    }

    fn first(&self, warm: Option<&[f64]>) -> Option<Play> {
        let n = self.columns.len();
        let near = NOTHING.sqrt() * self.budget.abs();
        let is_free = |i: usize| self.assets[i].upper - self.assets[i].lower > NOTHING;
        let mut play = if let Some(warm) = warm.filter(|warm| warm.len() == n) {
            let losses = losses(self.columns, warm);
            let inside = |i: usize| {
                let (a, w) = (&self.assets[i], warm[i]);
                let untraded = self.costs() && (w - a.held).abs() < near;
                is_free(i) && w > a.lower + near && w < a.upper - near && !untraded
            };
            let scenarios = worst(&losses, (TAILS_WARM * self.tail).ceil() as usize);
            let clamp = |(a, w): (&Asset, &f64)| w.clamp(a.lower, a.upper);
            let weights = self.assets.iter().zip(warm).map(clamp).collect();
            Play { scenarios, is_in: (0..n).map(inside).collect(), weights }
        } else {
            let even: Vec<f64> = vec![self.budget / n as f64; n];
            let losses = losses(self.columns, &even);
            let scenarios = worst(&losses, (TAILS * self.tail).ceil() as usize);
            let weights = self.rest(&scenarios);
            Play { scenarios, is_in: vec![false; n], weights }
        };
        // the assets that lose least in that tail, until they could hold the budget several times
        let ones = vec![1.0; play.scenarios.len()];
        let mut ranked: Vec<(f64, usize)> = (0..n)
            .filter(|&i| is_free(i) && !play.is_in[i])
            .map(|i| (-dot_at(&ones, &self.columns[i], &play.scenarios), i))
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let wanted = if warm.is_some() { 0 } else { ASSETS };
        for (_, i) in ranked {
            let count = play.is_in.iter().filter(|x| **x).count();
            if count >= wanted && self.has_room(&play, ROOM) {
                break;
            }
            play.is_in[i] = true;
        }
        self.has_room(&play, 1.0).then_some(play)
    }

    /// Whether the assets in play can meet so many times the budget, or half of what there is beyond it.
    fn has_room(&self, play: &Play, times: f64) -> bool {
        let (mut low, mut high) = (0.0, 0.0);
        for (i, a) in self.assets.iter().enumerate() {
            let (l, h) =
                if play.is_in[i] { (a.lower, a.upper) } else { (play.weights[i], play.weights[i]) };
            (low, high) = (low + l, high + h);
        }
        let all: f64 = self.assets.iter().map(|a| a.upper).sum();
        let wanted = (times * self.budget.abs()).min(0.5 * (all + self.budget));
        low < self.budget - NOTHING && high >= wanted.max(self.budget + NOTHING)
    }

    fn sides(&self, play: &Play, places: &[usize]) -> Sides {
        let some = |of: fn(&Asset) -> f64| places.iter().map(|&i| of(&self.assets[i])).collect();
        let mut fixed = play.weights.clone();
        places.iter().for_each(|&i| fixed[i] = 0.0);
        let outside: f64 = fixed.iter().sum();
        let base = fixed.iter().any(|w| *w != 0.0).then(|| {
            let lost = losses(self.columns, &fixed);
            play.scenarios.iter().map(|&s| -lost[s as usize]).collect()
        });
        let trades = self.costs().then(|| Trades {
            held: some(|a| a.held),
            linear: some(|a| a.linear),
            impact: some(|a| a.impact),
        });
        Sides {
            lower: some(|a| a.lower),
            upper: Some(some(|a| a.upper)),
            trades,
            budget: self.budget - outside,
            base,
        }
    }

    /// What an asset costs in the tail that the duals name.
    fn tail_costs(&self, duals: &[(usize, f64)]) -> Vec<f64> {
        let places: Vec<u32> = duals.iter().map(|&(s, _)| s as u32).collect();
        let y: Vec<f64> = duals.iter().map(|&(_, y)| y).collect();
        self.columns.iter().map(|column| -dot_at(&y, column, &places)).collect()
    }

    /// Lets what matters join; how many did.
    fn join(
        &self,
        play: &mut Play,
        found: &Inner,
        duals: &[(usize, f64)],
        tolerance: f64,
    ) -> usize {
        let is_loose = tolerance >= LOOSE;
        let losses = losses(self.columns, &play.weights);
        let mut in_play = vec![false; losses.len()];
        play.scenarios.iter().for_each(|&s| in_play[s as usize] = true);
        let reach = found.alpha + if is_loose { 0.0 } else { 1e-12 * found.alpha.abs() };
        let beyond = |s: &usize| !in_play[*s] && losses[*s] > reach;
        let violated: Vec<u32> = (0..losses.len()).filter(beyond).map(|s| s as u32).collect();
        let many = violated.len();
        let is_settled = (many as f64) < SETTLED * self.tail;
        let costs = self.tail_costs(duals);
        let price = found.price;
        let pull = |i: usize| self.assets[i].pull(costs[i] - price, play.weights[i]);
        let margin = if is_loose { 1e-5 } else { 1e-9 } * found.alpha.abs();
        let is_free = |i: usize| self.assets[i].upper > self.assets[i].lower;
        let mut better: Vec<(f64, usize)> = (0..costs.len())
            .filter(|&i| !play.is_in[i] && is_free(i))
            .map(|i| (pull(i), i))
            .filter(|(pull, _)| *pull > margin)
            .collect();
        better.sort_by(|a, b| b.0.total_cmp(&a.0));
        better.truncate(JOIN_MAX);
        if is_loose {
            let most = play.weights.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
            for (i, cost) in costs.iter().enumerate() {
                let corner = self.corner(i, play.weights[i], LEAVING * most);
                let rests = |at: &f64| self.assets[i].pull(cost - price, *at) < -margin;
                let before = play.weights[i];
                if let Some(at) = corner.filter(rests)
                    && play.is_in[i]
                {
                    (play.is_in[i], play.weights[i]) = (false, at);
                    if !self.has_room(play, ROOM_LEFT) {
                        (play.is_in[i], play.weights[i]) = (true, before);
                    }
                }
            }
        }
        better.iter().for_each(|&(_, i)| play.is_in[i] = true);
        if is_loose && !is_settled {
            play.scenarios = worst(&losses, (TAILS * self.tail).ceil() as usize);
        } else if many > 0 {
            play.scenarios.extend(violated);
            play.scenarios.sort_unstable();
        }
        many + better.len()
    }

    /// The price at which what each asset wants adds up to the budget, and the bound that it gives.
    fn price(&self, costs: &[f64]) -> (f64, f64) {
        let wanted = |price: f64| -> f64 {
            self.assets.iter().zip(costs).map(|(a, cost)| a.least(cost - price)).sum()
        };
        let most = |a: &Asset| a.linear + 1.5 * a.impact * (a.upper - a.lower).abs().sqrt();
        let spread = self.assets.iter().map(most).fold(0.0, f64::max);
        let (low, high) =
            costs.iter().fold((f64::MAX, f64::MIN), |(l, h), c| (l.min(*c), h.max(*c)));
        let size = high.abs().max(low.abs()).max(1e-300);
        let (mut low, mut high) = (low - spread - size, high + spread + size);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if wanted(middle) < self.budget { low = middle } else { high = middle }
        }
        let bound = |price: f64| {
            let least = |(a, cost): (&Asset, &f64)| {
                let w = a.least(cost - price);
                (cost - price) * w + a.cost(w)
            };
            price * self.budget + self.assets.iter().zip(costs).map(least).sum::<f64>()
        };
        if bound(low) > bound(high) { (low, bound(low)) } else { (high, bound(high)) }
    }

    /// The allocation of weights and duals, judged on all scenarios.
    fn judged(&self, weights: &[f64], duals: &[(usize, f64)], iterations: usize) -> Allocation {
        let weights = self.settled(weights);
        let value = shortfall(&losses(self.columns, &weights), self.level).1;
        let cost: f64 = self.assets.iter().zip(&weights).map(|(a, w)| a.cost(*w)).sum();
        let primal = value + cost;
        let (_, dual) = self.price(&self.tail_costs(duals));
        let gap = primal - dual;
        let relative = gap.abs() / primal.abs().max(1e-12);
        let certificate = Certificate { primal, dual, gap, kkt_residual: relative };
        let status = if relative < PROVEN { Status::Optimal } else { Status::Stopped };
        let objective = Objective { name: "cvar", value };
        Allocation { weights, objective, status, certificate: Some(certificate), iterations }
    }

    /// Weights a hair from a bound, or from what is held where trades cost, are put there; the weight
    /// farthest from its bounds takes up what is left of the budget.
    fn settled(&self, weights: &[f64]) -> Vec<f64> {
        let near = NOTHING * self.budget.abs().max(1e-3);
        let settle = |(i, &w): (usize, &f64)| {
            let a = &self.assets[i];
            self.corner(i, w, near).unwrap_or(w).clamp(a.lower, a.upper)
        };
        let mut settled: Vec<f64> = weights.iter().enumerate().map(settle).collect();
        let left = self.budget - settled.iter().sum::<f64>();
        let room =
            |i: usize| (settled[i] - self.assets[i].lower).min(self.assets[i].upper - settled[i]);
        let widest = (0..settled.len()).max_by(|&i, &j| room(i).total_cmp(&room(j)));
        if let Some(i) = widest {
            settled[i] += left;
        }
        settled
    }
}
