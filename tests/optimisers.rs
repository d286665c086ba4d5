//! Every optimiser beside Clarabel, an interior point of others, on random and on degenerate problems: the
//! objective may be no worse, the limits must hold, and what one calls infeasible the other must as well.
#![allow(
    clippy::needless_range_loop,
    reason = "rows of cones are stated by number, as in a text book"
)]

use bot4::maths::programme::Status;
use bot4::model::covariance::{Estimator, covariance};
use bot4::portfolio::allocation::{Allocation, AllocationError};
use bot4::portfolio::growth::kelly;
use bot4::portfolio::parity::risk_parity;
use bot4::portfolio::problem::{Constraints, Costs, Estimates, Group, variance};
use bot4::portfolio::quadratic::{
    max_diversification, max_sharpe, mean_variance, min_correlation, min_variance,
};
use bot4::portfolio::shortfall::{min_cvar, shortfall};
use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus, SupportedConeT,
};
use faer::Mat;

struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }
}

/// Returns of assets that share a market; every kind of degeneracy by turns.
fn history(seed: u64) -> Vec<Vec<f64>> {
    let mut noise = Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(7));
    let assets = 2 + noise.below(14);
    let rows = match seed % 5 {
        // more assets than observations
        3 => 3 + noise.below(assets),
        _ => 40 + noise.below(160),
    };
    let market: Vec<f64> = (0..rows).map(|_| 0.01 * noise.normal()).collect();
    let mut columns: Vec<Vec<f64>> = (0..assets)
        .map(|_| {
            let (beta, drift, own) =
                (0.3 + noise.uniform(), 0.001 * noise.normal(), 0.005 + 0.02 * noise.uniform());
            market.iter().map(|m| drift + beta * m + own * noise.normal()).collect()
        })
        .collect();
    if seed % 5 == 4 {
        // the same asset twice
        columns[1] = columns[0].clone();
    }
    columns
}

fn estimates(columns: &[Vec<f64>]) -> Estimates {
    let mean = |column: &Vec<f64>| column.iter().sum::<f64>() / column.len() as f64;
    Estimates {
        assets: (0..columns.len()).map(|i| format!("A{i}")).collect(),
        mean: columns.iter().map(mean).collect(),
        covariance: covariance(columns, Estimator::Sample).expect("rows enough").matrix,
    }
}

/// A cone programme in dense rows: minimise ½xᵀPx + qᵀx, rows·x + s = right, s in the cones.
struct Cones {
    variables: usize,
    quadratic: Vec<(usize, usize, f64)>,
    linear: Vec<f64>,
    rows: Vec<(Vec<(usize, f64)>, f64)>,
    cones: Vec<SupportedConeT<f64>>,
}

impl Cones {
    fn new(variables: usize) -> Cones {
        let linear = vec![0.0; variables];
        Cones { variables, quadratic: Vec::new(), linear, rows: Vec::new(), cones: Vec::new() }
    }

    fn equal(&mut self, row: Vec<(usize, f64)>, right: f64) {
        self.rows.push((row, right));
        self.cones.push(SupportedConeT::ZeroConeT(1));
    }

    fn at_most(&mut self, row: Vec<(usize, f64)>, right: f64) {
        self.rows.push((row, right));
        self.cones.push(SupportedConeT::NonnegativeConeT(1));
    }

    fn covariance(&mut self, estimates: &Estimates, times: f64) {
        let n = estimates.mean.len();
        for j in 0..n {
            for i in 0..=j {
                self.quadratic.push((i, j, times * estimates.covariance[(i, j)]));
            }
        }
    }

    /// ln of what `rows` says is at least variable `at`.
    fn logarithm(&mut self, at: usize, row: Vec<(usize, f64)>, constant: f64) {
        // (t, 1, x) in the exponential cone
        self.rows.push((vec![(at, -1.0)], 0.0));
        self.rows.push((Vec::new(), 1.0));
        self.rows.push((row.into_iter().map(|(i, x)| (i, -x)).collect(), constant));
        self.cones.push(SupportedConeT::ExponentialConeT());
    }

    fn solve(&self) -> (SolverStatus, Vec<f64>, f64) {
        let (mut i, mut j, mut v) = (Vec::new(), Vec::new(), Vec::new());
        for &(row, column, value) in &self.quadratic {
            i.push(row);
            j.push(column);
            v.push(value);
        }
        let p = CscMatrix::new_from_triplets(self.variables, self.variables, i, j, v);
        let (mut i, mut j, mut v) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (row, _)) in self.rows.iter().enumerate() {
            for &(column, value) in row {
                i.push(at);
                j.push(column);
                v.push(value);
            }
        }
        let a = CscMatrix::new_from_triplets(self.rows.len(), self.variables, i, j, v);
        let right: Vec<f64> = self.rows.iter().map(|(_, right)| *right).collect();
        let settings = DefaultSettingsBuilder::default()
            .verbose(false)
            .tol_gap_abs(1e-12)
            .tol_gap_rel(1e-12)
            .tol_feas(1e-12)
            .build()
            .expect("sound settings");
        let mut solver = DefaultSolver::new(&p, &self.linear, &a, &right, &self.cones, settings)
            .expect("a sound programme");
        solver.solve();
        let found = &solver.solution;
        (found.status, found.x.clone(), found.obj_val)
    }
}

fn is_solved(status: SolverStatus) -> bool {
    matches!(status, SolverStatus::Solved | SolverStatus::AlmostSolved)
}

/// Random limits, some of which conflict.
fn limits(noise: &mut Noise, estimates: &Estimates) -> Constraints {
    let n = estimates.mean.len();
    let mut limits = Constraints::long_only(n);
    if noise.uniform() < 0.3 {
        limits.lower.fill(-0.5);
        limits.leverage = (noise.uniform() < 0.5).then(|| 1.2 + noise.uniform());
    }
    if noise.uniform() < 0.5 {
        limits.upper.fill(0.05 + 0.9 * noise.uniform());
    }
    if noise.uniform() < 0.5 {
        let members: Vec<usize> = (0..n).filter(|i| i % 2 == 0).collect();
        let lower = (noise.uniform() < 0.3).then(|| 0.6 * noise.uniform());
        let upper = Some(0.3 + 0.7 * noise.uniform());
        limits.groups.push(Group { name: "even".into(), members, lower, upper });
    }
    if noise.uniform() < 0.3 {
        let most = estimates.mean.iter().copied().fold(f64::MIN, f64::max);
        limits.target_return = Some(most * (0.2 + 0.9 * noise.uniform()));
    }
    if noise.uniform() < 0.4 {
        limits.previous = Some(vec![1.0 / n as f64; n]);
        limits.turnover = Some(0.05 + noise.uniform());
    }
    limits
}

/// The same limits in Clarabel's terms; variables are weights, then |w − w₀|, then |w|.
fn stated(cones: &mut Cones, limits: &Constraints, estimates: &Estimates) {
    let n = estimates.mean.len();
    cones.equal((0..n).map(|i| (i, 1.0)).collect(), limits.budget);
    for i in 0..n {
        if limits.lower[i].is_finite() {
            cones.at_most(vec![(i, -1.0)], -limits.lower[i]);
        }
        if limits.upper[i].is_finite() {
            cones.at_most(vec![(i, 1.0)], limits.upper[i]);
        }
    }
    for group in &limits.groups {
        if let Some(upper) = group.upper {
            cones.at_most(group.members.iter().map(|&i| (i, 1.0)).collect(), upper);
        }
        if let Some(lower) = group.lower {
            cones.at_most(group.members.iter().map(|&i| (i, -1.0)).collect(), -lower);
        }
    }
    if let Some(target) = limits.target_return {
        cones.at_most((0..n).map(|i| (i, -estimates.mean[i])).collect(), -target);
    }
    let mut sizes = |from: usize, around: &[f64], most: f64| {
        for i in 0..n {
            cones.at_most(vec![(i, 1.0), (from + i, -1.0)], around[i]);
            cones.at_most(vec![(i, -1.0), (from + i, -1.0)], -around[i]);
        }
        cones.at_most((0..n).map(|i| (from + i, 1.0)).collect(), most);
    };
    if let (Some(previous), Some(turnover)) = (&limits.previous, limits.turnover) {
        sizes(n, previous, turnover);
    }
    if let Some(leverage) = limits.leverage {
        sizes(2 * n, &vec![0.0; n], leverage);
    }
}

fn keeps(weights: &[f64], limits: &Constraints, estimates: &Estimates) -> bool {
    let slip = 1e-7;
    let sum = |members: &[usize]| members.iter().map(|&i| weights[i]).sum::<f64>();
    let size = |around: &dyn Fn(usize) -> f64| {
        (0..weights.len()).map(|i| (weights[i] - around(i)).abs()).sum::<f64>()
    };
    let mean: f64 = weights.iter().zip(&estimates.mean).map(|(w, m)| w * m).sum();
    (weights.iter().sum::<f64>() - limits.budget).abs() < slip
        && (0..weights.len())
            .all(|i| weights[i] > limits.lower[i] - slip && weights[i] < limits.upper[i] + slip)
        && limits.groups.iter().all(|group| {
            group.upper.is_none_or(|upper| sum(&group.members) < upper + slip)
                && group.lower.is_none_or(|lower| sum(&group.members) > lower - slip)
        })
        && limits.leverage.is_none_or(|most| size(&|_| 0.0) < most + slip)
        && limits.target_return.is_none_or(|target| mean > target - slip)
        && limits.turnover.is_none_or(|most| {
            size(&|i| limits.previous.as_ref().map_or(0.0, |held| held[i])) < most + slip
        })
}

#[test]
fn quadratic_methods_are_no_worse_and_infeasible_when_it_is() {
    let (mut solved, mut conflicts) = (0, 0);
    for seed in 0..150 {
        let columns = history(seed);
        let known = estimates(&columns);
        let mut noise = Noise(seed + 1_000);
        let limits = limits(&mut noise, &known);
        let n = columns.len();
        for aversion in [None, Some(1.0 + 20.0 * noise.uniform())] {
            let mut cones = Cones::new(3 * n);
            cones.covariance(&known, 2.0 * aversion.unwrap_or(1.0));
            if aversion.is_some() {
                (0..n).for_each(|i| cones.linear[i] = -known.mean[i]);
            }
            stated(&mut cones, &limits, &known);
            let (status, _, truth) = cones.solve();
            let found = match aversion {
                None => min_variance(&known, &limits, None),
                Some(aversion) => mean_variance(&known, &limits, aversion, None),
            };
            match found {
                Ok(found) => {
                    assert!(is_solved(status), "{seed}: Clarabel says {status:?}, we {found:?}");
                    let value = match aversion {
                        None => variance(&known.covariance, &found.weights),
                        Some(_) => -found.objective.value,
                    };
                    // relative to the size of an asset's variance
                    let size = (0..n).map(|i| known.covariance[(i, i)]).fold(0.0, f64::max);
                    assert!(value < truth + 1e-8 * size, "{seed} {aversion:?}: {value} {truth}");
                    assert!(keeps(&found.weights, &limits, &known), "{seed}: {found:?} {limits:?}");
                    solved += 1;
                }
                Err(AllocationError::Conflict(conflict)) => {
                    assert!(!is_solved(status), "{seed}: {conflict} {limits:?}");
                    assert!(!conflict.0.is_empty(), "{seed}: a conflict names what conflicts");
                    conflicts += 1;
                }
                Err(other) => panic!("{seed}: {other} where Clarabel says {status:?}"),
            }
        }
    }
    assert!(solved > 150 && conflicts > 20, "{solved} solved, {conflicts} conflicts");
}

/// Every method that begins from weights nearby: near ones, far ones and none at all end alike.
#[test]
fn weights_nearby_change_no_answer() {
    let (mut fewer, mut all) = (0, 0);
    for seed in 0..100 {
        let columns = history(seed);
        let known = estimates(&columns);
        let (n, rows) = (columns.len(), columns[0].len());
        let later: Vec<Vec<f64>> =
            columns.iter().map(|c| [&c[rows / 20..], &c[..rows / 40]].concat()).collect();
        let later = estimates(&later);
        let limits = limits(&mut Noise(seed + 1_000), &known);
        let plain = Constraints::long_only(n);
        let mut corner = vec![0.0; n];
        corner[seed as usize % n] = 1.0;
        type Method<'a> =
            &'a dyn Fn(&Estimates, Option<&[f64]>) -> Result<Allocation, AllocationError>;
        let methods: [Method; 5] = [
            &|of, warm| min_variance(of, &limits, warm),
            &|of, warm| mean_variance(of, &limits, 5.0, warm),
            &|of, warm| max_sharpe(of, &plain, 0.0, warm),
            &|of, warm| max_diversification(of, &plain, warm),
            &|of, warm| min_correlation(of, &limits, warm),
        ];
        for (at, method) in methods.iter().enumerate() {
            let (Ok(before), Ok(cold)) = (method(&known, None), method(&later, None)) else {
                continue;
            };
            for (is_near, from) in [(true, &before.weights), (false, &corner)] {
                let warm = method(&later, Some(from)).expect("as cold");
                let (warm_proof, proof) = (warm.certificate, cold.certificate);
                let scale = proof.map_or(0.0, |proof| proof.primal.abs());
                let apart = (warm.objective.value - cold.objective.value).abs();
                let bound = 1e-9 * cold.objective.value.abs().max(scale).max(1e-6);
                assert!(apart < bound, "{seed} {at}: {warm:?} {cold:?}");
                assert!(warm_proof.is_some_and(|p| p.kkt_residual < 1e-8), "{seed} {at}: {warm:?}");
                if is_near {
                    all += 1;
                    fewer += usize::from(warm.iterations < cold.iterations);
                }
            }
        }
    }
    assert!(all > 250 && fewer * 10 > all * 7, "fewer steps in {fewer} of {all}");
}

#[test]
fn ratios_are_on_the_frontier() {
    for seed in (0..60).filter(|seed| seed % 5 < 3) {
        let columns = history(seed);
        let known = estimates(&columns);
        let (n, plain) = (columns.len(), Constraints::long_only(columns.len()));
        let frontier = |slope: &[f64]| {
            let (low, high) = slope
                .iter()
                .fold((f64::MAX, f64::MIN), |(low, high), &x| (low.min(x), high.max(x)));
            (1..=40)
                .filter_map(|step| {
                    let target = low + (high - low) * f64::from(step) / 40.0;
                    let mut cones = Cones::new(n);
                    cones.covariance(&known, 2.0);
                    let no_target = Constraints { target_return: None, ..plain.clone() };
                    stated(&mut cones, &no_target, &known);
                    cones.at_most((0..n).map(|i| (i, -slope[i])).collect(), -target);
                    let (status, x, _) = cones.solve();
                    let reward: f64 = x.iter().zip(slope).map(|(w, s)| w * s).sum();
                    is_solved(status).then(|| reward / variance(&known.covariance, &x[..n]).sqrt())
                })
                .fold(f64::MIN, f64::max)
        };
        let deviations: Vec<f64> = (0..n).map(|i| known.covariance[(i, i)].sqrt()).collect();
        let found = max_diversification(&known, &plain, None).expect("positive");
        assert!(found.objective.value > frontier(&deviations) * (1.0 - 1e-7), "{seed}");
        match max_sharpe(&known, &plain, 0.0, None) {
            Ok(found) => {
                assert!(found.objective.value > frontier(&known.mean) * (1.0 - 1e-7), "{seed}");
                assert!(keeps(&found.weights, &plain, &known));
            }
            Err(AllocationError::NoReward(_)) => assert!(known.mean.iter().all(|m| *m <= 0.0)),
            Err(other) => panic!("{seed}: {other}"),
        }
    }
}

#[test]
fn correlations_are_no_higher() {
    for seed in 0..60 {
        let columns = history(seed);
        let known = estimates(&columns);
        let n = columns.len();
        let deviation = |i: usize| known.covariance[(i, i)].sqrt();
        let correlation = Mat::from_fn(n, n, |i, j| {
            if i == j { 1.0 } else { known.covariance[(i, j)] / (deviation(i) * deviation(j)) }
        });
        let scaled = Estimates { covariance: correlation.clone(), ..known.clone() };
        let mut noise = Noise(seed + 4_000);
        for limits in [Constraints::long_only(n), limits(&mut noise, &known)] {
            let limits = Constraints { costs: None, ..limits };
            let mut cones = Cones::new(3 * n);
            cones.covariance(&scaled, 2.0);
            stated(&mut cones, &limits, &known);
            let (status, x, _) = cones.solve();
            match min_correlation(&known, &limits, None) {
                Ok(found) => {
                    assert!(keeps(&found.weights, &limits, &known), "{seed}");
                    if is_solved(status) {
                        let theirs = variance(&correlation, &x[..n]);
                        assert!(found.objective.value < theirs + 1e-7, "{seed}: {theirs}");
                    }
                }
                Err(AllocationError::Conflict(_)) => assert!(!is_solved(status), "{seed}"),
                Err(other) => panic!("{seed}: {other}"),
            }
        }
        // over the deviations, the same weights are the most diversified
        let plain = Constraints::long_only(n);
        let least = min_correlation(&known, &plain, None).expect("long only").weights;
        let turned: Vec<f64> = least.iter().enumerate().map(|(i, w)| w / deviation(i)).collect();
        let sum: f64 = turned.iter().sum();
        let turned: Vec<f64> = turned.iter().map(|w| w / sum).collect();
        let mean: f64 = turned.iter().enumerate().map(|(i, w)| w * deviation(i)).sum();
        let ratio = mean / variance(&known.covariance, &turned).sqrt();
        let most = max_diversification(&known, &plain, None).expect("positive").objective.value;
        assert!((ratio / most - 1.0).abs() < 1e-6, "{seed}: {ratio} {most}");
    }
}

#[test]
fn shortfalls_are_no_worse() {
    for seed in 0..40 {
        let columns = history(seed);
        let (n, rows) = (columns.len(), columns[0].len());
        if rows < 20 {
            continue;
        }
        let known = estimates(&columns);
        let mut noise = Noise(seed + 2_000);
        for limits in [Constraints::long_only(n), limits(&mut noise, &known)] {
            let level = 0.9;
            let mut cones = Cones::new(3 * n + 1 + rows);
            stated(&mut cones, &limits, &known);
            let alpha = 3 * n;
            cones.linear[alpha] = 1.0;
            for row in 0..rows {
                let excess = alpha + 1 + row;
                cones.linear[excess] = 1.0 / ((1.0 - level) * rows as f64);
                let mut loss: Vec<(usize, f64)> = (0..n).map(|i| (i, -columns[i][row])).collect();
                loss.extend([(alpha, -1.0), (excess, -1.0)]);
                cones.at_most(loss, 0.0);
                cones.at_most(vec![(excess, -1.0)], 0.0);
            }
            let (status, _, truth) = cones.solve();
            match min_cvar(&known, &columns, &limits, level, None) {
                Ok(found) => {
                    assert!(is_solved(status), "{seed}: Clarabel says {status:?}");
                    let lost = (0..rows).map(|row| {
                        -(0..n).map(|i| found.weights[i] * columns[i][row]).sum::<f64>()
                    });
                    let value = shortfall(&lost.collect::<Vec<f64>>(), level).1;
                    assert!(value < truth + 1e-8, "{seed}: {value} {truth}");
                    assert!(keeps(&found.weights, &limits, &known), "{seed}: {found:?}");
                }
                Err(AllocationError::Conflict(_)) => assert!(!is_solved(status), "{seed}"),
                Err(other) => panic!("{seed}: {other}"),
            }
        }
    }
}

#[test]
fn costs_inside_the_problem_are_no_worse() {
    for seed in (0..40).filter(|seed| seed % 5 < 3) {
        let columns = history(seed);
        let (n, known) = (columns.len(), estimates(&columns));
        let mut noise = Noise(seed + 3_000);
        let rate = 1e-3 * noise.uniform();
        let impact: Vec<f64> = (0..n).map(|_| 1e-3 * noise.uniform()).collect();
        let held = vec![1.0 / n as f64; n];
        let limits = Constraints {
            previous: Some(held.clone()),
            costs: Some(Costs { linear: vec![rate; n], impact: impact.clone() }),
            ..Constraints::long_only(n)
        };
        // |Δ|^1.5 ≤ t as (t, 1, Δ) in the power cone of 2/3
        let mut cones = Cones::new(3 * n);
        cones.covariance(&known, 6.0);
        let plain = Constraints { costs: None, previous: None, ..limits.clone() };
        stated(&mut cones, &plain, &known);
        for i in 0..n {
            let (size, cost) = (n + i, 2 * n + i);
            cones.linear[i] = -known.mean[i];
            cones.linear[size] = rate;
            cones.linear[cost] = impact[i];
            cones.at_most(vec![(i, 1.0), (size, -1.0)], held[i]);
            cones.at_most(vec![(i, -1.0), (size, -1.0)], -held[i]);
            cones.rows.push((vec![(cost, -1.0)], 0.0));
            cones.rows.push((Vec::new(), 1.0));
            cones.rows.push((vec![(size, -1.0)], 0.0));
            cones.cones.push(SupportedConeT::PowerConeT(2.0 / 3.0));
        }
        let (status, _, truth) = cones.solve();
        assert!(is_solved(status), "{seed}: {status:?}");
        let found = mean_variance(&known, &limits, 3.0, None).expect("feasible");
        assert!(-found.objective.value < truth + 1e-9, "{seed}: {} {truth}", found.objective.value);
        assert!(keeps(&found.weights, &plain, &known), "{seed}");
    }
}

#[test]
fn risk_budgets_and_growth_are_no_worse() {
    for seed in (0..30).filter(|seed| seed % 5 < 3) {
        let columns = history(seed);
        let (n, known) = (columns.len(), estimates(&columns));
        let mut noise = Noise(seed + 4_000);
        let budgets: Vec<f64> = (0..n).map(|_| 0.2 + noise.uniform()).collect();
        let sum: f64 = budgets.iter().sum();
        let mut cones = Cones::new(2 * n);
        // in units of a percent, so that both solvers see numbers of size one
        cones.covariance(&known, 1e4);
        for i in 0..n {
            cones.linear[n + i] = -budgets[i] / sum;
            cones.logarithm(n + i, vec![(i, 1.0)], 0.0);
        }
        let (status, x, _) = cones.solve();
        assert!(is_solved(status), "{seed}: {status:?}");
        let whole: f64 = x[..n].iter().sum();
        let found = risk_parity(&known.covariance, &budgets, None).expect("positive");
        assert_eq!(found.status, Status::Optimal);
        for i in 0..n {
            assert!((found.weights[i] - x[i] / whole).abs() < 1e-5, "{seed} {i}");
        }
        let rows = columns[0].len();
        let mut cones = Cones::new(n + rows);
        stated(&mut cones, &Constraints::long_only(n), &known);
        for row in 0..rows {
            cones.linear[n + row] = -1.0 / rows as f64;
            cones.logarithm(n + row, (0..n).map(|i| (i, columns[i][row])).collect(), 1.0);
        }
        let (status, _, truth) = cones.solve();
        assert!(is_solved(status), "{seed}: {status:?}");
        let plain = Constraints::long_only(n);
        let found = kelly(&known, &columns, &plain, true, 1.0, None, 0.0).expect("feasible");
        assert!(found.objective.value > -truth - 1e-9, "{seed}: {} {truth}", found.objective.value);
        assert!(keeps(&found.weights, &plain, &known), "{seed}");
    }
}
