//! The interior point of CVaR on scenarios and assets in play, each weight between its sides, trades with
//! costs.
//!
//! minimise α + kΣu + Σ_i c_i(w_i) with v = Rw + g + α + u ≥ 0 (dual y), u ≥ 0 (dual q = k − y), Σw =
//! budget, w between its sides (duals z, x), g what assets out of play earn. Newton's system condenses to
//! the assets and α: H = R₁ᵀ·D·R₁ + E with R₁ = [R, 1], D = 1/(v/y + u/q), and E diagonal: z and x over
//! their slacks, and what the asset's trade leaves. A trade is w − w₀ = a − b with a, b ≥ 0 and costs l·a +
//! i·a^(3/2): two more unknowns and a multiplier an asset, eliminated by hand. Mehrotra's predictor and
//! corrector; the budget by one more solve with the same factor.

use super::shortfall;
use crate::maths::programme::dot;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, Par, Side};

const STEPS_MAX: usize = 80;
const BOUNDARY: f64 = 0.995;

/// What weights in play must keep to; units of weight, costs in units of loss.
pub(super) struct Sides {
    /// Least weights.
    pub lower: Vec<f64>,
    /// Greatest weights; none where no asset has one that binds.
    pub upper: Option<Vec<f64>>,
    /// What trades cost.
    pub trades: Option<Trades>,
    /// What the weights add up to.
    pub budget: f64,
    /// What assets out of play earn, by scenario in play; none where they earn nothing.
    pub base: Option<Vec<f64>>,
}

/// What trades of the assets in play cost.
pub(super) struct Trades {
    /// Weights held now.
    pub held: Vec<f64>,
    /// A unit.
    pub linear: Vec<f64>,
    /// Times |Δw|^1.5.
    pub impact: Vec<f64>,
}

impl Sides {
    /// Fully invested and long only.
    pub fn long_only(assets: usize) -> Sides {
        Sides { lower: vec![0.0; assets], upper: None, trades: None, budget: 1.0, base: None }
    }
}

/// An interior point's last state.
pub(super) struct Inner {
    pub weights: Vec<f64>,
    pub alpha: f64,
    pub y: Vec<f64>,
    /// What a unit of the budget costs.
    pub price: f64,
    pub steps: usize,
}

/// One asset's trade: bought, sold, their duals, the multiplier of w − w₀ = a − b.
#[derive(Clone, Copy, Default)]
struct Trade {
    a: f64,
    b: f64,
    za: f64,
    zb: f64,
    lambda: f64,
}

/// Everything a step changes.
#[derive(Clone)]
struct State {
    w: Vec<f64>,
    alpha: f64,
    u: Vec<f64>,
    v: Vec<f64>,
    y: Vec<f64>,
    q: Vec<f64>,
    z: Vec<f64>,
    /// Of upper sides; empty where there are none.
    x: Vec<f64>,
    /// Empty where nothing costs.
    trades: Vec<Trade>,
    eta: f64,
}

/// One asset's trade as Newton's step needs it.
struct Eliminated {
    /// Curvatures of a and b, their duals over them included.
    ha: f64,
    hb: f64,
    /// 1/ha + 1/hb.
    g: f64,
    ra: f64,
    rb: f64,
    re: f64,
}

/// The problem in play, scaled.
struct Problem<'a> {
    returns: Mat<f64>,
    sides: &'a Sides,
    base: Vec<f64>,
    /// What turns costs into losses of size one.
    scale: f64,
    k: f64,
}

impl Problem<'_> {
    fn column(&self, j: usize) -> &[f64] {
        self.returns.col(j).try_as_col_major().map(|c| c.as_slice()).unwrap_or(&[])
    }

    /// Rw + α.
    fn times(&self, x: &[f64], alpha: f64) -> Vec<f64> {
        let mut to = vec![alpha; self.returns.nrows()];
        for (j, &x) in x.iter().enumerate() {
            to.iter_mut().zip(self.column(j)).for_each(|(t, r)| *t += x * r);
        }
        to
    }

    /// Inside every side, as near to the budget as the sides allow.
    fn start(&self) -> Vec<f64> {
        let n = self.sides.lower.len();
        let Some(upper) = &self.sides.upper else {
            let left = self.sides.budget - self.sides.lower.iter().sum::<f64>();
            return self.sides.lower.iter().map(|l| l + left / n as f64).collect();
        };
        let (low, high): (f64, f64) = (self.sides.lower.iter().sum(), upper.iter().sum());
        let share = ((self.sides.budget - low) / (high - low)).clamp(0.01, 0.99);
        self.sides.lower.iter().zip(upper).map(|(l, u)| l + share * (u - l)).collect()
    }

    fn costs(&self, j: usize) -> (f64, f64) {
        let trades = self.sides.trades.as_ref().expect("Invariant: only asked where trades cost");
        (self.scale * trades.linear[j], self.scale * trades.impact[j])
    }

    fn eliminated(&self, j: usize, w: f64, t: &Trade) -> Eliminated {
        let (linear, impact) = self.costs(j);
        let held = self.sides.trades.as_ref().map_or(0.0, |trades| trades.held[j]);
        let (root_a, root_b) = (t.a.sqrt(), t.b.sqrt());
        let ha = 0.75 * impact / root_a + t.za / t.a;
        let hb = 0.75 * impact / root_b + t.zb / t.b;
        Eliminated {
            ha,
            hb,
            g: 1.0 / ha + 1.0 / hb,
            ra: linear + 1.5 * impact * root_a - t.lambda - t.za,
            rb: linear + 1.5 * impact * root_b + t.lambda - t.zb,
            re: w - held - t.a + t.b,
        }
    }
}

fn greatest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0_f64, |m, x| m.max(x.abs()))
}

/// The interior point on what is in play.
pub(super) fn interior(
    columns: &[Vec<f64>],
    scenarios: &[u32],
    assets: &[usize],
    sides: &Sides,
    k: f64,
    scale: f64,
    tolerance: f64,
) -> Inner {
    let (n, m) = (assets.len(), scenarios.len());
    // [asset][scenario] and a column of ones
    let mut returns = Mat::<f64>::zeros(m, n + 1);
    for (j, &i) in assets.iter().enumerate() {
        let (from, to) = (&columns[i], returns.col_mut(j));
        to.iter_mut().zip(scenarios).for_each(|(x, &s)| *x = scale * from[s as usize]);
    }
    returns.col_mut(n).iter_mut().for_each(|x| *x = 1.0);
    let base = match &sides.base {
        Some(base) => base.iter().map(|g| scale * g).collect(),
        None => vec![0.0; m],
    };
    let problem = Problem { returns, sides, base, scale, k };
    let mut at = problem.begin();
    let mut scaled = Mat::<f64>::zeros(m, n + 1);
    let mut hessian = Mat::<f64>::zeros(n + 1, n + 1);
    let has_impact =
        sides.trades.as_ref().is_some_and(|trades| trades.impact.iter().any(|i| *i > 0.0));
    let upper = |j: usize| sides.upper.as_ref().map_or(f64::INFINITY, |upper| upper[j]);
    let mut steps = 0;
    while steps < STEPS_MAX {
        let low: Vec<f64> = at.w.iter().zip(&sides.lower).map(|(w, l)| w - l).collect();
        let high: Vec<f64> = (0..at.x.len()).map(|j| upper(j) - at.w[j]).collect();
        let eliminated: Vec<Eliminated> =
            at.trades.iter().enumerate().map(|(j, t)| problem.eliminated(j, at.w[j], t)).collect();
        let residual_v: Vec<f64> = {
            let moved = problem.times(&at.w, at.alpha);
            (0..m).map(|s| moved[s] + problem.base[s] + at.u[s] - at.v[s]).collect()
        };
        let residual_w: Vec<f64> = (0..n)
            .map(|j| {
                let above = at.x.get(j).copied().unwrap_or(0.0);
                let trade = at.trades.get(j).map_or(0.0, |t| t.lambda);
                at.eta - dot(problem.column(j), &at.y) - at.z[j] + above + trade
            })
            .collect();
        let residual_a = 1.0 - at.y.iter().sum::<f64>();
        let residual_e = at.w.iter().sum::<f64>() - sides.budget;
        let traded: f64 = at.trades.iter().map(|t| t.a * t.za + t.b * t.zb).sum();
        let gap =
            dot(&at.v, &at.y) + dot(&at.u, &at.q) + dot(&low, &at.z) + dot(&high, &at.x) + traded;
        let count = (2 * m + n + at.x.len() + 2 * at.trades.len()) as f64;
        let mean = gap / count;
        let of_trades = eliminated.iter().flat_map(|e| [e.ra, e.rb, e.re]);
        let residual = greatest(residual_v.iter().copied())
            .max(greatest(residual_w.iter().copied()))
            .max(greatest(of_trades))
            .max(residual_a.abs())
            .max(residual_e.abs());
        if gap < tolerance && residual < tolerance.max(1e-11) {
            break;
        }
        let d: Vec<f64> = (0..m).map(|s| 1.0 / (at.v[s] / at.y[s] + at.u[s] / at.q[s])).collect();
        let roots: Vec<f64> = d.iter().map(|d| d.sqrt()).collect();
        for j in 0..=n {
            let from = problem.column(j);
            let to = scaled.col_mut(j);
            to.iter_mut().zip(from.iter().zip(&roots)).for_each(|(t, (r, d))| *t = r * d);
        }
        triangular::matmul(
            &mut hessian,
            BlockStructure::TriangularLower,
            Accum::Replace,
            scaled.transpose(),
            BlockStructure::Rectangular,
            &scaled,
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
        for j in 0..n {
            let above = if at.x.is_empty() { 0.0 } else { at.x[j] / high[j] };
            let trade = eliminated.get(j).map_or(0.0, |e| 1.0 / e.g);
            hessian[(j, j)] += at.z[j] / low[j] + above + trade;
        }
        for j in 0..=n {
            hessian[(j, j)] *= 1.0 + 1e-14;
        }
        let Ok(factor) = hessian.llt(Side::Lower) else { break };
        let mut ones = Mat::from_fn(n + 1, 1, |j, _| f64::from(u8::from(j < n)));
        factor.solve_in_place(&mut ones);
        let ones_sum: f64 = (0..n).map(|j| ones[(j, 0)]).sum();
        let step = |target: f64, second: Option<&State>| -> State {
            let of_v =
                |s: usize| target - at.v[s] * at.y[s] - second.map_or(0.0, |p| p.v[s] * p.y[s]);
            let of_u =
                |s: usize| target - at.u[s] * at.q[s] - second.map_or(0.0, |p| p.u[s] * p.q[s]);
            let of_w =
                |j: usize| target - low[j] * at.z[j] - second.map_or(0.0, |p| p.w[j] * p.z[j]);
            let of_x =
                |j: usize| target - high[j] * at.x[j] + second.map_or(0.0, |p| p.w[j] * p.x[j]);
            let of_trade = |j: usize| {
                let (t, p) = (&at.trades[j], second.map(|p| p.trades[j]).unwrap_or_default());
                (target - t.a * t.za - p.a * p.za, target - t.b * t.zb - p.b * p.zb)
            };
            // what a and b would move by if their multiplier stayed
            let alone = |j: usize| {
                let (t, e, (ta, tb)) = (&at.trades[j], &eliminated[j], of_trade(j));
                ((ta / t.a - e.ra) / e.ha, (tb / t.b - e.rb) / e.hb)
            };
            let e: Vec<f64> = (0..m)
                .map(|s| d[s] * (of_v(s) / at.y[s] - of_u(s) / at.q[s] - residual_v[s]))
                .collect();
            let mut x = Mat::from_fn(n + 1, 1, |j, _| {
                if j == n {
                    return e.iter().sum::<f64>() - residual_a;
                }
                let above = if at.x.is_empty() { 0.0 } else { of_x(j) / high[j] };
                let trade = if at.trades.is_empty() {
                    0.0
                } else {
                    let (ga, gb) = alone(j);
                    (ga - gb - eliminated[j].re) / eliminated[j].g
                };
                dot(problem.column(j), &e) - residual_w[j] + of_w(j) / low[j] - above + trade
            });
            factor.solve_in_place(&mut x);
            let moved: f64 = (0..n).map(|j| x[(j, 0)]).sum();
            let eta = (moved + residual_e) / ones_sum;
            let w: Vec<f64> = (0..n).map(|j| x[(j, 0)] - eta * ones[(j, 0)]).collect();
            let alpha = x[(n, 0)] - eta * ones[(n, 0)];
            let along = problem.times(&w, alpha);
            let y: Vec<f64> = (0..m).map(|s| e[s] - d[s] * along[s]).collect();
            let q: Vec<f64> = y.iter().map(|y| -y).collect();
            let u: Vec<f64> = (0..m).map(|s| (of_u(s) - at.u[s] * q[s]) / at.q[s]).collect();
            let v: Vec<f64> = (0..m).map(|s| along[s] + u[s] + residual_v[s]).collect();
            let z: Vec<f64> = (0..n).map(|j| (of_w(j) - at.z[j] * w[j]) / low[j]).collect();
            let above = (0..at.x.len()).map(|j| (of_x(j) + at.x[j] * w[j]) / high[j]).collect();
            let trade = |j: usize| {
                let (t, e, (ta, tb)) = (&at.trades[j], &eliminated[j], of_trade(j));
                let (ga, gb) = alone(j);
                let lambda = (w[j] - ga + gb + e.re) / e.g;
                let (a, b) = (ga + lambda / e.ha, gb - lambda / e.hb);
                Trade { a, b, za: (ta - t.za * a) / t.a, zb: (tb - t.zb * b) / t.b, lambda }
            };
            let trades = (0..at.trades.len()).map(trade).collect();
            State { w, alpha, u, v, y, q, z, x: above, trades, eta }
        };
        let predictor = step(0.0, None);
        let (primal, dual) = reach(&at, &low, &high, &predictor);
        let (primal, dual) = (primal.min(1.0), dual.min(1.0));
        let ahead = |x: &[f64], dx: &[f64], z: &[f64], dz: &[f64], sign: f64| -> f64 {
            x.iter()
                .zip(dx)
                .zip(z.iter().zip(dz))
                .map(|((x, dx), (z, dz))| (x + sign * primal * dx) * (z + dual * dz))
                .sum()
        };
        let of_trades = at.trades.iter().zip(&predictor.trades).map(|(t, p)| {
            (t.a + primal * p.a) * (t.za + dual * p.za)
                + (t.b + primal * p.b) * (t.zb + dual * p.zb)
        });
        let after = ahead(&at.v, &predictor.v, &at.y, &predictor.y, 1.0)
            + ahead(&at.u, &predictor.u, &at.q, &predictor.q, 1.0)
            + ahead(&low, &predictor.w, &at.z, &predictor.z, 1.0)
            + ahead(&high, &predictor.w, &at.x, &predictor.x, -1.0)
            + of_trades.sum::<f64>();
        let centre = (after / gap).clamp(0.0, 1.0).powi(3);
        let corrector = step(centre * mean, Some(&predictor));
        let (primal, dual) = reach(&at, &low, &high, &corrector);
        let (mut primal, mut dual) = ((BOUNDARY * primal).min(1.0), (BOUNDARY * dual).min(1.0));
        if has_impact {
            // the costs' slopes tie primal and dual together
            (primal, dual) = (primal.min(dual), primal.min(dual));
        }
        let before = at.clone();
        at.moved(&corrector, primal, dual, k);
        steps += 1;
        if !at.alpha.is_finite() || !at.eta.is_finite() || (primal < 1e-10 && dual < 1e-10) {
            at = before;
            break;
        }
    }
    Inner { weights: at.w, alpha: at.alpha / scale, y: at.y, price: -at.eta / scale, steps }
}

impl Problem<'_> {
    fn begin(&self) -> State {
        let m = self.returns.nrows();
        let w = self.start();
        let n = w.len();
        let moved = self.times(&w, 0.0);
        let losses: Vec<f64> = moved.iter().zip(&self.base).map(|(r, g)| -r - g).collect();
        let level = 1.0 - 1.0 / (self.k * m as f64);
        let alpha = if level > 0.0 { shortfall(&losses, level).0 } else { losses[0] };
        let spread = losses.iter().map(|l| (l - alpha).abs()).sum::<f64>() / m as f64;
        let room = spread.max(1e-3);
        let v: Vec<f64> = losses.iter().map(|l| (alpha - l).max(0.0) + room).collect();
        let u: Vec<f64> = losses.iter().map(|l| (l - alpha).max(0.0) + room).collect();
        let y = vec![(1.0 / m as f64).min(0.5 * self.k); m];
        let q = y.iter().map(|y| self.k - y).collect();
        let trades = self.sides.trades.as_ref().map_or_else(Vec::new, |trades| {
            let slack = self.sides.budget.abs().max(1e-3) / n as f64;
            let trade = |(w, held): (&f64, &f64)| {
                let change = w - held;
                let (a, b) = (change.max(0.0) + slack, (-change).max(0.0) + slack);
                Trade { a, b, za: room, zb: room, lambda: 0.0 }
            };
            w.iter().zip(&trades.held).map(trade).collect()
        });
        let x = if self.sides.upper.is_some() { vec![room; n] } else { Vec::new() };
        State { alpha, u, v, y, q, z: vec![room; n], x, trades, eta: 0.0, w }
    }
}

impl State {
    fn moved(&mut self, step: &State, primal: f64, dual: f64, k: f64) {
        let add = |to: &mut [f64], step: &[f64], by: f64| {
            to.iter_mut().zip(step).for_each(|(x, d)| *x += by * d);
        };
        add(&mut self.w, &step.w, primal);
        add(&mut self.u, &step.u, primal);
        add(&mut self.v, &step.v, primal);
        self.alpha += primal * step.alpha;
        add(&mut self.y, &step.y, dual);
        add(&mut self.z, &step.z, dual);
        add(&mut self.x, &step.x, dual);
        self.eta += dual * step.eta;
        for (t, by) in self.trades.iter_mut().zip(&step.trades) {
            t.a += primal * by.a;
            t.b += primal * by.b;
            t.za += dual * by.za;
            t.zb += dual * by.zb;
            t.lambda += dual * by.lambda;
        }
        for (q, y) in self.q.iter_mut().zip(&self.y) {
            *q = (k - y).max(1e-300);
        }
    }
}

/// How far primal and dual may go.
fn reach(at: &State, low: &[f64], high: &[f64], step: &State) -> (f64, f64) {
    let longest = |x: &[f64], d: &[f64]| {
        let mut least = f64::INFINITY;
        for (x, d) in x.iter().zip(d) {
            if *d < 0.0 {
                least = least.min(-x / d);
            }
        }
        least
    };
    let down = |x: f64, d: f64| if d < 0.0 { -x / d } else { f64::INFINITY };
    let mut primal =
        longest(low, &step.w).min(longest(&at.u, &step.u)).min(longest(&at.v, &step.v));
    let mut dual =
        longest(&at.y, &step.y).min(longest(&at.q, &step.q)).min(longest(&at.z, &step.z));
    dual = dual.min(longest(&at.x, &step.x));
    for (room, d) in high.iter().zip(&step.w) {
        primal = primal.min(down(*room, -d));
    }
    for (t, by) in at.trades.iter().zip(&step.trades) {
        primal = primal.min(down(t.a, by.a)).min(down(t.b, by.b));
        dual = dual.min(down(t.za, by.za)).min(down(t.zb, by.zb));
    }
    (primal, dual)
}
