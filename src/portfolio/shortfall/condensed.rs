//! Long-only CVaR by an interior point inside active sets.
//!
//! Rounds: a loose solve names scenarios beyond α that are not in play and assets that cost less in the tail
//! than those held. While many scenarios are new, the tail of the new weights replaces the old one; once few
//! are, they join, and tight solves follow until the vertex that the duals name is proven on all scenarios.

use super::interior::{Inner, Sides, interior};
use super::{dot_at, feasible, losses, proven, shortfall, worst};
use crate::maths::programme::Status;
use crate::portfolio::allocation::Allocation;
use faer::Mat;
use faer::linalg::solvers::Solve;

const ROUNDS_MAX: usize = 60;
/// Rounds that only look around.
const LOOSE_ROUNDS: usize = 12;
/// Relative complementarity of rounds that only look around, and of the last.
const LOOSE: f64 = 1e-3;
const TIGHT: f64 = 1e-8;
/// The same where no vertex was found: then the interior itself must be the proof.
const TIGHTEST: f64 = 1e-13;

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
        let sides = Sides::long_only(play.assets.len());
        let found = interior(columns, &play.scenarios, &play.assets, &sides, k, scale, tolerance);
        steps += found.steps;
        weights = vec![0.0; n];
        let whole: f64 = found.weights.iter().sum();
        play.assets.iter().zip(&found.weights).for_each(|(&i, &w)| weights[i] = w / whole);
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
