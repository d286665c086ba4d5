//! Kelly: the greatest mean logarithm of wealth over the history's own returns (Kelly 1956).
//!
//! Σ_t ln(1 + w·r_t)/T is concave; Σw ≤ cap, the rest lies in cash at a return of nothing. A fraction of
//! Kelly holds that share of the weights (Thorp 2006). Under doubt about the means, growth is lowered by so
//! many standard errors of the book's own mean, κ·√(wᵀΣw/T): the least over an ellipsoid of means (Garlappi,
//! Uppal and Wang 2007); nothing is held where no book's mean is that far above nothing.

use super::allocation::{Allocation, AllocationError, Objective, ended};
use super::problem::{Constraints, Estimates, product, variance};
use crate::maths::programme::{Convex, Solution, dot, solve};
use faer::Mat;

/// How a fall of wealth is held against growth.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Penalty {
    /// What it weighs.
    weight: f64,
    /// λ of mean (x^−λ − 1)/λ.
    power: f64,
}

/// Doubt about the means: so much a unit of the book's deviation.
struct Doubt<'a> {
    weight: f64,
    covariance: &'a Mat<f64>,
    /// Smooths the deviation where nothing is held.
    least: f64,
}

impl Doubt<'_> {
    fn deviation(&self, weights: &[f64]) -> f64 {
        (variance(self.covariance, weights).max(0.0) + self.least * self.least).sqrt()
    }
}

/// Minus the mean logarithm of wealth, and what falls and doubt are held against it.
struct Growth<'a> {
    columns: &'a [Vec<f64>],
    penalty: Penalty,
    doubt: Option<&'a Doubt<'a>>,
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

    /// Mean logarithm, and (mean x^−λ − 1)/λ.
    fn parts(&self, weights: &[f64]) -> (f64, f64) {
        let wealth = self.wealth(weights);
        let (rows, power) = (wealth.len() as f64, self.penalty.power);
        let logs = wealth.iter().map(|x| x.ln());
        let falls = logs.clone().map(|log| (-power * log).exp_m1() / power);
        (logs.sum::<f64>() / rows, falls.sum::<f64>() / rows)
    }
}

impl Convex for Growth<'_> {
    fn value(&self, x: &[f64]) -> f64 {
        let (growth, fall) = self.parts(x);
        let doubt = self.doubt.map_or(0.0, |doubt| doubt.weight * doubt.deviation(x));
        self.penalty.weight * fall - growth + doubt
    }

    fn gradient(&self, x: &[f64], to: &mut [f64]) {
        let Penalty { weight, power } = self.penalty;
        let wealth = self.wealth(x);
        let slopes: Vec<f64> = wealth.iter().map(|x| (1.0 + weight * x.powf(-power)) / x).collect();
        let rows = wealth.len() as f64;
        to.iter_mut().zip(self.columns).for_each(|(g, column)| *g = -dot(&slopes, column) / rows);
        if let Some(doubt) = self.doubt {
            let scale = doubt.weight / doubt.deviation(x);
            let slopes = product(doubt.covariance, x);
            to.iter_mut().zip(slopes).for_each(|(g, slope)| *g += scale * slope);
        }
    }

    fn add_hessian(&self, x: &[f64], to: &mut Mat<f64>) {
        let Penalty { weight, power } = self.penalty;
        let wealth = self.wealth(x);
        let rows = wealth.len() as f64;
        let bend = |x: &f64| (1.0 + weight * (power + 1.0) * x.powf(-power)).sqrt() / x;
        let bends: Vec<f64> = wealth.iter().map(bend).collect();
        let scale = |column: &Vec<f64>| column.iter().zip(&bends).map(|(r, b)| r * b).collect();
        let scaled: Vec<Vec<f64>> = self.columns.iter().map(scale).collect();
        for j in 0..x.len() {
            for i in j..x.len() {
                to[(i, j)] += dot(&scaled[i], &scaled[j]) / rows;
            }
        }
        if let Some(doubt) = self.doubt {
            let deviation = doubt.deviation(x);
            let slopes = product(doubt.covariance, x);
            for j in 0..x.len() {
                for i in j..x.len() {
                    let bend = doubt.covariance[(i, j)] - slopes[i] * slopes[j] / deviation.powi(2);
                    to[(i, j)] += doubt.weight * bend / deviation;
                }
            }
        }
    }

    fn step_max(&self, x: &[f64], step: &[f64]) -> f64 {
        let change = self.wealth(step);
        let falls = self.wealth(x).into_iter().zip(change).filter(|(_, d)| *d < 1.0);
        falls.map(|(wealth, d)| 0.9 * wealth / (1.0 - d)).fold(1.0, f64::min)
    }
}

/// A limit on falls: wealth lies below the share `floor` of its start, ever, with at most this `chance`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawdown {
    /// Share of the start.
    pub floor: f64,
    /// Probability.
    pub chance: f64,
}

/// Weights of the penalty that are tried for a drawdown limit.
const TRIALS_MAX: usize = 80;
/// Of the assets' mean deviation: where the book's deviation stops to have an edge at nothing.
const SMOOTH: f64 = 1e-6;
/// How near the limit is met, of (mean x^−λ − 1)/λ.
const MET: f64 = 1e-9;

/// The greatest growth with Σw ≤ the budget (all in where `is_full`), times `fraction`. A drawdown limit
/// is kept where mean x^−λ ≤ 1, λ = ln chance/ln floor (Busseti, Ryu and Boyd 2016, section 3); its
/// multiplier is searched by bisection, and is part of the proof. `doubt` is κ, in standard errors.
///
/// # Errors
/// Constraints that conflict, that the method does not know, or that leave a ruinous start; a drawdown limit
/// that is none or that nothing keeps.
pub fn kelly(
    estimates: &Estimates,
    columns: &[Vec<f64>],
    constraints: &Constraints,
    is_full: bool,
    fraction: f64,
    drawdown: Option<Drawdown>,
    doubt: f64,
) -> Result<Allocation, AllocationError> {
    if !(doubt.is_finite() && doubt >= 0.0) {
        let words =
            format!("a doubt of {doubt} standard errors: give a number that is not negative");
        return Err(AllocationError::Numbers(words));
    }
    if constraints.leverage.is_some() || constraints.has_trades() {
        let takes = "bounds of assets, groups and a target return";
        return Err(AllocationError::Constraints { method: "kelly", takes });
    }
    let (mut limits, _) = constraints.limits(estimates);
    if !is_full {
        let budget = std::mem::take(&mut limits.equalities);
        limits.inequalities.push(budget.row(0), budget.right[0]);
    }
    let power = match drawdown {
        None => 1.0,
        Some(Drawdown { floor, chance }) => {
            let is_share = |x: f64| x > 0.0 && x < 1.0;
            if !is_share(floor) || !is_share(chance) {
                let words = format!(
                    "wealth below {floor} of its start with probability {chance}: give shares \
                     between 0 and 1"
                );
                return Err(AllocationError::Numbers(words));
            }
            chance.ln() / floor.ln()
        }
    };
    let start = vec![0.5 * constraints.budget.min(1.0) / columns.len() as f64; columns.len()];
    let n = columns.len();
    let mean_deviation =
        (0..n).map(|i| estimates.covariance[(i, i)].sqrt()).sum::<f64>() / n as f64;
    let doubted = Doubt {
        weight: doubt / (columns[0].len() as f64).sqrt(),
        covariance: &estimates.covariance,
        least: SMOOTH * mean_deviation,
    };
    let doubted = (doubt > 0.0).then_some(&doubted);
    let of = |weight: f64| Growth { columns, penalty: Penalty { weight, power }, doubt: doubted };
    if of(0.0).wealth(&start).iter().any(|&wealth| wealth <= 0.0) {
        let words = "a return of less than -100 % has no logarithm of wealth: check the history";
        return Err(AllocationError::Numbers(words.to_owned()));
    }
    let best = |weight: f64| {
        ended(solve(&of(weight), &limits, &start), || constraints.conflict(estimates))
    };
    let over = |found: &Solution| of(0.0).parts(&found.x).1;
    if drawdown.is_some() && fraction > 1.0 {
        let words = "more than all of Kelly keeps no drawdown limit: a fraction of at most 1";
        return Err(AllocationError::Numbers(words.to_owned()));
    }
    let mut found = best(0.0)?;
    let mut iterations = found.iterations;
    if drawdown.is_some() && over(&found) > 0.0 {
        let mut kept = None;
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..TRIALS_MAX {
            // first outwards, then between
            let weight = if kept.is_none() { high } else { 0.5 * (low + high) };
            let tried = best(weight)?;
            iterations += tried.iterations;
            let excess = over(&tried);
            if excess > 0.0 {
                low = weight;
                high = if kept.is_none() { 4.0 * high } else { high };
            } else {
                high = weight;
                kept = Some(tried);
            }
            let is_met = (-MET..=0.0).contains(&excess);
            if is_met || (kept.is_some() && high - low <= 1e-14 * high) {
                break;
            }
        }
        let Some(kept) = kept else {
            let words = "no weights keep to the drawdown limit and the other constraints: leave a part \
                         in cash with --budget, or allow a lower floor or a greater chance";
            return Err(AllocationError::Numbers(words.to_owned()));
        };
        found = kept;
    }
    // minus the growth is bounded by what the penalised programme proved
    found.certificate.primal = of(0.0).value(&found.x);
    found.certificate.gap = (found.certificate.primal - found.certificate.dual).abs();
    found.iterations = iterations;
    let scaled: Vec<f64> = found.x.iter().map(|x| x * fraction).collect();
    let name = if doubt > 0.0 { "growth_after_doubt" } else { "growth" };
    let objective = Objective { name, value: -of(0.0).value(&scaled) };
    Ok(Allocation::of_solution(&found, columns.len(), fraction, objective))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::covariance::{Estimator, covariance};

    /// One bet that doubles with 0.6 and halves with 0.4; `calm` moves hardly.
    fn bet() -> (Estimates, Vec<Vec<f64>>) {
        let mut columns = vec![vec![1.0; 60], vec![1e-9; 60]];
        columns[0][..24].fill(-0.5);
        columns[1][0] = -1e-9;
        let estimates = Estimates {
            assets: vec!["bet".to_owned(), "calm".to_owned()],
            mean: columns.iter().map(|c| c.iter().sum::<f64>() / 60.0).collect(),
            covariance: covariance(&columns, Estimator::Sample).expect("rows enough").matrix,
        };
        (estimates, columns)
    }

    #[test]
    fn the_fraction_on_paper_and_the_one_that_a_drawdown_leaves() {
        let (estimates, columns) = bet();
        let plain = Constraints::long_only(2);
        let ask = |drawdown| kelly(&estimates, &columns, &plain, false, 1.0, drawdown, 0.0);
        let free = ask(None).expect("sound");
        // p/loss − q/gain = 0.6/0.5 − 0.4/1
        assert!((free.weights[0] - 0.8).abs() < 1e-7, "{:?}", free.weights);
        let drawdown = Drawdown { floor: 0.7, chance: 0.1 };
        let kept = ask(Some(drawdown)).expect("sound");
        let lambda = 0.1_f64.ln() / 0.7_f64.ln();
        let w = kept.weights[0];
        let mean = 0.6 * (1.0 + w).powf(-lambda) + 0.4 * (1.0 - 0.5 * w).powf(-lambda);
        assert!(w < 0.5 && (mean - 1.0).abs() < 1e-7, "{w} {mean}");
        let proof = kept.certificate.expect("proven");
        assert!(proof.gap.abs() < 1e-9 && proof.primal > -free.objective.value);
        // a limit that does not bind changes nothing
        let loose = ask(Some(Drawdown { floor: 0.01, chance: 0.99 })).expect("sound");
        assert!((loose.weights[0] - 0.8).abs() < 1e-7);
    }

    #[test]
    fn wealth_falls_below_the_floor_no_more_often_than_said() {
        let (estimates, columns) = bet();
        let drawdown = Drawdown { floor: 0.7, chance: 0.1 };
        let plain = Constraints::long_only(2);
        let kept =
            kelly(&estimates, &columns, &plain, false, 1.0, Some(drawdown), 0.0).expect("sound");
        let w = kept.weights[0];
        let mut state = 0x1234_5678_9ABC_DEF1_u64;
        let mut falls = 0;
        for _ in 0..20_000 {
            let mut wealth = 1.0_f64;
            for _ in 0..400 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let is_gain = (state >> 11) as f64 / ((1_u64 << 53) as f64) < 0.6;
                wealth *= if is_gain { 1.0 + w } else { 1.0 - 0.5 * w };
                if wealth < 0.7 {
                    falls += 1;
                    break;
                }
                if wealth > 1e3 {
                    break;
                }
            }
        }
        // the bound is a bound: some share below it, and not a tenth of it
        assert!((200..=2_000).contains(&falls), "{falls} of 20 000");
    }

    #[test]
    fn a_drawdown_limit_that_nothing_keeps_is_refused() {
        let (estimates, columns) = bet();
        let all_in = Constraints { lower: vec![0.9, 0.0], ..Constraints::long_only(2) };
        let tight = Some(Drawdown { floor: 0.9, chance: 0.01 });
        let refused =
            kelly(&estimates, &columns, &all_in, true, 1.0, tight, 0.0).expect_err("too tight");
        assert!(refused.to_string().contains("drawdown limit"), "{refused}");
        let none = Some(Drawdown { floor: 1.5, chance: 0.1 });
        let plain = Constraints::long_only(2);
        let refused =
            kelly(&estimates, &columns, &plain, true, 1.0, none, 0.0).expect_err("no share");
        assert!(refused.to_string().contains("between 0 and 1"), "{refused}");
    }

    #[test]
    fn doubt_holds_less_and_is_best_under_itself() {
        let mut random = crate::maths::random::Random::new(17, 0);
        let mut asset =
            |drift: f64| -> Vec<f64> { (0..400).map(|_| drift + 0.02 * random.normal()).collect() };
        let columns = vec![asset(0.003), asset(0.002), asset(0.0005), asset(-0.001)];
        let mean = |column: &Vec<f64>| column.iter().sum::<f64>() / column.len() as f64;
        let known = Estimates {
            assets: ["A", "B", "C", "D"].map(str::to_owned).to_vec(),
            mean: columns.iter().map(mean).collect(),
            covariance: covariance(&columns, Estimator::Sample).expect("rows enough").matrix,
        };
        let limits = Constraints { budget: 3.0, ..Constraints::long_only(4) };
        let under =
            |doubt: f64| kelly(&known, &columns, &limits, false, 1.0, None, doubt).expect("sound");
        let value = |weights: &[f64], doubt: f64| {
            let wealth = |row: usize| -> f64 {
                1.0 + columns.iter().zip(weights).map(|(c, w)| w * c[row]).sum::<f64>()
            };
            let growth = (0..400).map(|row| wealth(row).ln()).sum::<f64>() / 400.0;
            growth - doubt * (variance(&known.covariance, weights) / 400.0).sqrt()
        };
        let mut before = f64::INFINITY;
        for doubt in [0.0, 0.5, 1.0, 2.0] {
            let found = under(doubt);
            let deviation = variance(&known.covariance, &found.weights).sqrt();
            assert!(deviation <= before * (1.0 + 1e-6), "{doubt}: {deviation} {before}");
            before = deviation;
            assert!((found.objective.value - value(&found.weights, doubt)).abs() < 1e-8);
            let proof = found.certificate.expect("proven");
            assert!(proof.gap < 1e-8, "{doubt}: {proof:?}");
            // concave: nothing nearby is better, so nothing is
            for i in 0..4 {
                for by in [-1e-3, 1e-3] {
                    let mut moved = found.weights.clone();
                    moved[i] = (moved[i] + by).max(0.0);
                    if moved.iter().sum::<f64>() <= 3.0 {
                        let gain = value(&moved, doubt) - value(&found.weights, doubt);
                        assert!(gain < 1e-8, "{doubt} {i} {by}: {gain}");
                    }
                }
            }
        }
        assert!(under(50.0).weights.iter().all(|w| *w < 1e-3), "nothing is that sure");
        assert!(kelly(&known, &columns, &limits, false, 1.0, None, -1.0).is_err());
    }
}
