//! Long-only CVaR by an interior point inside active sets.
//!
//! For scenarios and assets in play, with v = Rw + α + u ≥ 0 (dual y) and u ≥ 0 (dual k − y): Newton's system
//! condenses to the assets and α, H = R₁ᵀ·D·R₁ + Z/W with R₁ = [R, 1] and D = 1/(v/y + u/(k − y)). Mehrotra's
//! predictor and corrector; the budget by one more solve with the same factor.
//! Rounds: a loose solve names scenarios beyond α that are not in play and assets that cost less in the tail
//! than those held. While many scenarios are new, the tail of the new weights replaces the old one; once few
//! are, they join, and tight solves follow until the vertex that the duals name is proven on all scenarios.

use super::{dot_at, feasible, losses, proven, shortfall};
use crate::maths::programme::{Status, dot};
use crate::portfolio::allocation::Allocation;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, Par, Side};

const ROUNDS_MAX: usize = 60;
/// Rounds that only look around.
const LOOSE_ROUNDS: usize = 12;
const STEPS_MAX: usize = 80;
/// Relative complementarity of rounds that only look around, and of the last.
const LOOSE: f64 = 1e-3;
const TIGHT: f64 = 1e-8;
/// The same where no vertex was found: then the interior itself must be the proof.
const TIGHTEST: f64 = 1e-13;
const BOUNDARY: f64 = 0.995;

/// How many scenarios, as a multiple of the tail, and assets are in play at first.
const TAILS_COLD: f64 = 2.0;
const TAILS_WARM: f64 = 1.5;
const ASSETS_COLD: usize = 60;
/// Assets that join at most in a round.
const JOIN_MAX: usize = 25;
/// A weight that counts as none when assets in play are chosen.
const NOTHING: f64 = 1e-7;
/// A share of the greatest weight below which an asset that costs more than those held leaves again.
const LEAVING: f64 = 1e-2;
/// Assets whose equal weights rank scenarios at first: more tell hardly more.
const RANKING_ASSETS: usize = 64;
/// How much more than those held an asset may cost, as a share, to come along into the first tight round.
const NEARLY: f64 = 1e-2;
/// What of the tail may be new for the next round to be the last.
const SETTLED: f64 = 0.25;

/// What is in play.
struct Play {
    scenarios: Vec<u32>,
    assets: Vec<usize>,
    // a loss of the tail
    size: f64,
}

/// An interior point's last state.
struct Inner {
    weights: Vec<f64>,
    alpha: f64,
    y: Vec<f64>,
    steps: usize,
}

/// Solves the problem.
pub(super) fn solve(columns: &[Vec<f64>], level: f64, warm: Option<&[f64]>) -> Allocation {
    let n = columns.len();
    let tail = (1.0 - level) * columns[0].len() as f64;
    let k = 1.0 / tail;
    let mut play = first(columns, tail, warm);
    // losses of size one
    let scale = 1.0 / play.size.abs().max(1e-9);
    let mut steps = 0;
    let mut tolerance = LOOSE;
    let mut duals: Vec<(usize, f64)> = Vec::new();
    let mut weights = Vec::new();
    for round in 0..ROUNDS_MAX {
        let found = interior(columns, &play, k, scale, tolerance);
        steps += found.steps;
        weights = vec![0.0; n];
        play.assets.iter().zip(&found.weights).for_each(|(&i, &w)| weights[i] = w);
        let y = &found.y;
        duals = play.scenarios.iter().zip(y).map(|(&s, &y)| (s as usize, y)).collect();
        if tolerance < LOOSE
            && let Some((corner, exact)) = vertex(columns, &play, level, &weights, &duals, k)
        {
            let proof = proven(columns, level, corner, &exact, steps);
            if proof.status == Status::Optimal {
                return proof;
            }
        }
        let joined = join(columns, &mut play, &weights, &found, tail, tolerance);
        if joined == 0 && tolerance <= TIGHTEST {
            break;
        }
        tolerance = match joined {
            0 if tolerance < LOOSE => TIGHTEST,
            // what is tight stays so: from there on what is in play only grows, and rounds come to an end
            _ if tolerance < LOOSE || round >= LOOSE_ROUNDS => tolerance.min(TIGHT),
            few if (few as f64) < SETTLED * tail => TIGHT,
            _ => LOOSE,
        };
    }
    proven(columns, level, weights, &duals, steps)
}

/// The scenarios of the worst tail and the assets that lose least in it.
fn first(columns: &[Vec<f64>], tail: f64, warm: Option<&[f64]>) -> Play {
    let n = columns.len();
    let size = |losses: &[f64], scenarios: &[u32]| {
        scenarios.iter().map(|&s| losses[s as usize]).sum::<f64>() / scenarios.len() as f64
    };
    if let Some(warm) = warm.filter(|warm| warm.len() == n) {
        let losses = losses(columns, warm);
        let assets = (0..n).filter(|&i| warm[i] > NOTHING).collect();
        let scenarios = worst(&losses, (TAILS_WARM * tail).ceil() as usize);
        return Play { size: size(&losses, &scenarios), scenarios, assets };
    }
    let step = n.div_ceil(RANKING_ASSETS);
    let mut even = vec![0.0; n];
    let ranking = n.div_ceil(step);
    (0..n).step_by(step).for_each(|i| even[i] = 1.0 / ranking as f64);
    let losses = losses(columns, &even);
    let scenarios = worst(&losses, (TAILS_COLD * tail).ceil() as usize);
    let ones = vec![1.0; scenarios.len()];
    let mut ranked: Vec<(f64, usize)> =
        columns.iter().enumerate().map(|(i, c)| (-dot_at(&ones, c, &scenarios), i)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut assets: Vec<usize> = ranked.iter().take(ASSETS_COLD).map(|&(_, i)| i).collect();
    assets.sort_unstable();
    Play { size: size(&losses, &scenarios), scenarios, assets }
}

/// The greatest of the losses, by scenario.
fn worst(losses: &[f64], many: usize) -> Vec<u32> {
    let many = many.clamp(1, losses.len());
    let mut ranked = losses.to_vec();
    let least = *ranked.select_nth_unstable_by(many - 1, |a, b| b.total_cmp(a)).1;
    // equals of the last may be more than asked for, which does no harm
    (0..losses.len()).filter(|&s| losses[s] >= least).map(|s| s as u32).collect()
}

/// Lets what matters join; how many did.
fn join(
    columns: &[Vec<f64>],
    play: &mut Play,
    weights: &[f64],
    found: &Inner,
    tail: f64,
    tolerance: f64,
) -> usize {
    let is_loose = tolerance >= LOOSE;
    let most = weights.iter().copied().fold(0.0, f64::max);
    let k = 1.0 / tail;
    // what hardly counts need not be looked at before the end
    let (light, faint) =
        if tolerance > TIGHTEST { (1e-5 * most, 1e-3 * k) } else { (0.0, 1e-9 * k) };
    let held: Vec<f64> = weights.iter().map(|&w| if w > light { w } else { 0.0 }).collect();
    let losses = losses(columns, &held);
    // reduced costs at duals that are feasible
    let duals = play.scenarios.iter().zip(&found.y).filter(|(_, y)| **y > faint);
    let duals: Vec<(usize, f64)> = duals.map(|(&s, &y)| (s as usize, y)).collect();
    let duals = feasible(&duals, k);
    let places: Vec<u32> = duals.iter().map(|&(s, _)| s as u32).collect();
    let y: Vec<f64> = duals.iter().map(|&(_, y)| y).collect();
    let costs: Vec<f64> = columns.iter().map(|column| -dot_at(&y, column, &places)).collect();
    // what the assets held cost in the tail: those that cost less there would be held as well
    let price: f64 = play.assets.iter().map(|&i| weights[i] * costs[i]).sum();
    // beyond α all must be in play
    let mut in_play = vec![false; losses.len()];
    play.scenarios.iter().for_each(|&s| in_play[s as usize] = true);
    let beyond = |s: &usize| !in_play[*s] && losses[*s] > found.alpha;
    let violated: Vec<u32> = (0..losses.len()).filter(beyond).map(|s| s as u32).collect();
    let many = violated.len();
    let is_settled = (many as f64) < SETTLED * tail;
    // before the first tight round, whoever is nearly as cheap may come along
    let margin = match (is_loose, is_settled) {
        (true, true) => NEARLY,
        (true, false) => -1e-5,
        (false, _) => -1e-10,
    } * price.abs();
    if is_loose {
        play.assets.retain(|&i| weights[i] > LEAVING * most || costs[i] < price + margin);
    }
    let mut is_held = vec![false; columns.len()];
    play.assets.iter().for_each(|&i| is_held[i] = true);
    let cheaper = |&i: &usize| !is_held[i] && costs[i] < price + margin;
    let mut better: Vec<usize> = (0..columns.len()).filter(cheaper).collect();
    better.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]));
    better.truncate(JOIN_MAX);
    play.assets.extend(&better);
    play.assets.sort_unstable();
    if is_loose && !is_settled {
        // these weights lose elsewhere: their own tail comes into play instead
        play.scenarios = worst(&losses, (TAILS_COLD * tail).ceil() as usize);
    } else if many > 0 {
        play.scenarios.extend(violated);
        play.scenarios.sort_unstable();
    }
    many + better.len()
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
    eta: f64,
}

/// The interior point on what is in play.
fn interior(columns: &[Vec<f64>], play: &Play, k: f64, scale: f64, tolerance: f64) -> Inner {
    let (n, m) = (play.assets.len(), play.scenarios.len());
    // [asset][scenario] and a column of ones
    let mut returns = Mat::<f64>::zeros(m, n + 1);
    for (j, &i) in play.assets.iter().enumerate() {
        let (from, to) = (&columns[i], returns.col_mut(j));
        to.iter_mut().zip(&play.scenarios).for_each(|(x, &s)| *x = scale * from[s as usize]);
    }
    returns.col_mut(n).iter_mut().for_each(|x| *x = 1.0);
    let column = |j: usize| returns.col(j).try_as_col_major().map(|c| c.as_slice()).unwrap_or(&[]);
    let times = |x: &[f64], alpha: f64| -> Vec<f64> {
        let mut to = vec![alpha; m];
        for (j, &x) in x.iter().enumerate() {
            to.iter_mut().zip(column(j)).for_each(|(t, r)| *t += x * r);
        }
        to
    };
    let mut at = {
        let w = vec![1.0 / n as f64; n];
        let moved = times(&w, 0.0);
        let losses: Vec<f64> = moved.iter().map(|r| -r).collect();
        let level = 1.0 - 1.0 / (k * m as f64);
        let alpha = if level > 0.0 { shortfall(&losses, level).0 } else { losses[0] };
        let spread = losses.iter().map(|l| (l - alpha).abs()).sum::<f64>() / m as f64;
        let room = spread.max(1e-3);
        let v: Vec<f64> = losses.iter().map(|l| (alpha - l).max(0.0) + room).collect();
        let u: Vec<f64> = losses.iter().map(|l| (l - alpha).max(0.0) + room).collect();
        let y = vec![(1.0 / m as f64).min(0.5 * k); m];
        let q = y.iter().map(|y| k - y).collect();
        State { w, alpha, u, v, y, q, z: vec![room; n], eta: 0.0 }
    };
    let mut scaled = Mat::<f64>::zeros(m, n + 1);
    let mut hessian = Mat::<f64>::zeros(n + 1, n + 1);
    let mut steps = 0;
    while steps < STEPS_MAX {
        let residual_v: Vec<f64> = {
            let moved = times(&at.w, at.alpha);
            (0..m).map(|s| moved[s] + at.u[s] - at.v[s]).collect()
        };
        let residual_w: Vec<f64> =
            (0..n).map(|j| at.eta - dot(column(j), &at.y) - at.z[j]).collect();
        let residual_a = 1.0 - at.y.iter().sum::<f64>();
        let residual_e = at.w.iter().sum::<f64>() - 1.0;
        let gap = dot(&at.v, &at.y) + dot(&at.u, &at.q) + dot(&at.w, &at.z);
        let count = (2 * m + n) as f64;
        let mean = gap / count;
        let greatest = |values: &[f64]| values.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let residual = greatest(&residual_v)
            .max(greatest(&residual_w))
            .max(residual_a.abs())
            .max(residual_e.abs());
        if gap < tolerance && residual < tolerance.max(1e-11) {
            break;
        }
        let d: Vec<f64> = (0..m).map(|s| 1.0 / (at.v[s] / at.y[s] + at.u[s] / at.q[s])).collect();
        let roots: Vec<f64> = d.iter().map(|d| d.sqrt()).collect();
        for j in 0..=n {
            let from = column(j);
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
            hessian[(j, j)] += at.z[j] / at.w[j];
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
                |j: usize| target - at.w[j] * at.z[j] - second.map_or(0.0, |p| p.w[j] * p.z[j]);
            let e: Vec<f64> = (0..m)
                .map(|s| d[s] * (of_v(s) / at.y[s] - of_u(s) / at.q[s] - residual_v[s]))
                .collect();
            let mut x = Mat::from_fn(n + 1, 1, |j, _| {
                if j < n {
                    dot(column(j), &e) - residual_w[j] + of_w(j) / at.w[j]
                } else {
                    e.iter().sum::<f64>() - residual_a
                }
            });
            factor.solve_in_place(&mut x);
            let moved: f64 = (0..n).map(|j| x[(j, 0)]).sum();
            let eta = (moved + residual_e) / ones_sum;
            let w: Vec<f64> = (0..n).map(|j| x[(j, 0)] - eta * ones[(j, 0)]).collect();
            let alpha = x[(n, 0)] - eta * ones[(n, 0)];
            let along = times(&w, alpha);
            let y: Vec<f64> = (0..m).map(|s| e[s] - d[s] * along[s]).collect();
            let q: Vec<f64> = y.iter().map(|y| -y).collect();
            let u: Vec<f64> = (0..m).map(|s| (of_u(s) - at.u[s] * q[s]) / at.q[s]).collect();
            let v: Vec<f64> = (0..m).map(|s| along[s] + u[s] + residual_v[s]).collect();
            let z: Vec<f64> = (0..n).map(|j| (of_w(j) - at.z[j] * w[j]) / at.w[j]).collect();
            State { w, alpha, u, v, y, q, z, eta }
        };
        let predictor = step(0.0, None);
        let (primal, dual) = reach(&at, &predictor);
        let (primal, dual) = (primal.min(1.0), dual.min(1.0));
        let ahead = |x: &[f64], dx: &[f64], z: &[f64], dz: &[f64]| -> f64 {
            x.iter()
                .zip(dx)
                .zip(z.iter().zip(dz))
                .map(|((x, dx), (z, dz))| (x + primal * dx) * (z + dual * dz))
                .sum()
        };
        let after = ahead(&at.v, &predictor.v, &at.y, &predictor.y)
            + ahead(&at.u, &predictor.u, &at.q, &predictor.q)
            + ahead(&at.w, &predictor.w, &at.z, &predictor.z);
        let centre = (after / gap).clamp(0.0, 1.0).powi(3);
        let corrector = step(centre * mean, Some(&predictor));
        let (primal, dual) = reach(&at, &corrector);
        let (primal, dual) = ((BOUNDARY * primal).min(1.0), (BOUNDARY * dual).min(1.0));
        let add = |to: &mut [f64], step: &[f64], by: f64| {
            to.iter_mut().zip(step).for_each(|(x, d)| *x += by * d);
        };
        let before = at.clone();
        add(&mut at.w, &corrector.w, primal);
        add(&mut at.u, &corrector.u, primal);
        add(&mut at.v, &corrector.v, primal);
        at.alpha += primal * corrector.alpha;
        add(&mut at.y, &corrector.y, dual);
        add(&mut at.z, &corrector.z, dual);
        at.eta += dual * corrector.eta;
        for s in 0..m {
            at.q[s] = (k - at.y[s]).max(1e-300);
        }
        steps += 1;
        if !at.alpha.is_finite() || !at.eta.is_finite() || (primal < 1e-10 && dual < 1e-10) {
            at = before;
            break;
        }
    }
    let whole = at.w.iter().sum::<f64>();
    let weights = at.w.iter().map(|w| w / whole).collect();
    Inner { weights, alpha: at.alpha / scale, y: at.y, steps }
}

/// How far primal and dual may go.
fn reach(at: &State, step: &State) -> (f64, f64) {
    let longest = |x: &[f64], d: &[f64]| {
        let mut least = f64::INFINITY;
        for (x, d) in x.iter().zip(d) {
            if *d < 0.0 {
                least = least.min(-x / d);
            }
        }
        least
    };
    let primal = longest(&at.w, &step.w).min(longest(&at.u, &step.u)).min(longest(&at.v, &step.v));
    let dual = longest(&at.y, &step.y).min(longest(&at.q, &step.q)).min(longest(&at.z, &step.z));
    (primal, dual)
}

/// Weights, and y by scenario.
type Vertex = (Vec<f64>, Vec<(usize, f64)>);

/// The vertex that the duals name: boundary scenarios lose α exactly, the budget is met; and its duals.
fn vertex(
    columns: &[Vec<f64>],
    play: &Play,
    level: f64,
    weights: &[f64],
    duals: &[(usize, f64)],
    k: f64,
) -> Option<Vertex> {
    let losses = losses(columns, weights);
    let (alpha, _) = shortfall(&losses, level);
    let size = alpha.abs().max(1e-12);
    // a weight or a boundary scenario is what its primal, beside its dual, says
    let near = |s: usize| (losses[s] - alpha).abs() / size;
    let boundary: Vec<usize> = duals
        .iter()
        .filter(|&&(s, y)| (y / k).min(1.0 - y / k) > near(s))
        .map(|&(s, _)| s)
        .collect();
    let full: Vec<usize> = duals
        .iter()
        .filter(|&&(s, y)| y / k > 0.5 && boundary.binary_search(&s).is_err())
        .map(|&(s, _)| s)
        .collect();
    let counts = |&&(_, y): &&(usize, f64)| y > 1e-6 * k;
    let places: Vec<u32> = duals.iter().filter(counts).map(|&(s, _)| s as u32).collect();
    let y: Vec<f64> = duals.iter().filter(counts).map(|&(_, y)| y).collect();
    let cost = |i: usize| -dot_at(&y, &columns[i], &places);
    let costs: Vec<f64> = play.assets.iter().map(|&i| cost(i)).collect();
    let floor = costs.iter().copied().fold(f64::INFINITY, f64::min);
    let both = play.assets.iter().zip(&costs);
    let held: Vec<usize> =
        both.filter(|(i, cost)| weights[**i] > (**cost - floor) / size).map(|(&i, _)| i).collect();
    let n = held.len();
    if boundary.len() != n || n == 0 {
        return None;
    }
    // −R_B w − α = 0 and Σw = 1
    let matrix = Mat::from_fn(n + 1, n + 1, |row, j| match (row < n, j < n) {
        (true, true) => -columns[held[j]][boundary[row]] / size,
        (true, false) => -1.0,
        (false, true) => 1.0,
        (false, false) => 0.0,
    });
    let factor = matrix.partial_piv_lu();
    let mut right = Mat::<f64>::zeros(n + 1, 1);
    right[(n, 0)] = 1.0;
    let mut x = factor.solve(&right);
    let rest = &right - &matrix * &x;
    x += factor.solve(&rest);
    if (0..n).any(|j| !x[(j, 0)].is_finite() || x[(j, 0)] < -1e-9) {
        return None;
    }
    let mut corner = vec![0.0; columns.len()];
    let whole: f64 = (0..n).map(|j| x[(j, 0)].max(0.0)).sum();
    held.iter().enumerate().for_each(|(j, &i)| corner[i] = x[(j, 0)].max(0.0) / whole);
    // duals: the boundary's share makes every held asset cost the same, the full ones have k
    let ones = vec![k; full.len()];
    let full_places: Vec<u32> = full.iter().map(|&s| s as u32).collect();
    let left = Mat::from_fn(n + 1, n + 1, |row, j| match (row < n, j < n) {
        (true, true) => -columns[held[row]][boundary[j]] / size,
        (true, false) => -1.0,
        (false, true) => 1.0,
        (false, false) => 0.0,
    });
    let right = Mat::from_fn(n + 1, 1, |row, _| {
        if row < n {
            dot_at(&ones, &columns[held[row]], &full_places) / size
        } else {
            1.0 - k * full.len() as f64
        }
    });
    let factor = left.partial_piv_lu();
    let mut found = factor.solve(&right);
    let rest = &right - &left * &found;
    found += factor.solve(&rest);
    let slip = 1e-9 * k;
    if (0..n).any(|j| !(-slip..=k + slip).contains(&found[(j, 0)])) {
        return None;
    }
    let mut exact: Vec<(usize, f64)> =
        boundary.iter().enumerate().map(|(j, &s)| (s, found[(j, 0)])).collect();
    exact.extend(full.iter().map(|&s| (s, k)));
    Some((corner, exact))
}
