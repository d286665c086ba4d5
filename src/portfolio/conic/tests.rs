//! Measures against their own definitions, goals against problems with known answers.

use super::*;
use crate::maths::statistics;
use crate::model::covariance::{Estimator, covariance};
use crate::portfolio::allocation::{Allocation, AllocationError};
use crate::portfolio::parity::risk_parity;
use crate::portfolio::problem::{Constraints, Costs, Estimates};
use crate::portfolio::quadratic::{max_sharpe, min_variance};
use crate::portfolio::shortfall::min_cvar;

struct Noise(u64);

impl Noise {
    fn normal(&mut self) -> f64 {
        (0..12)
            .map(|_| {
                self.0 ^= self.0 << 13;
                self.0 ^= self.0 >> 7;
                self.0 ^= self.0 << 17;
                (self.0 >> 11) as f64 / (1_u64 << 53) as f64
            })
            .sum::<f64>()
            - 6.0
    }
}

fn history(seed: u64, assets: usize, rows: usize) -> Vec<Vec<f64>> {
    let mut noise = Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let market: Vec<f64> = (0..rows).map(|_| 0.01 * noise.normal()).collect();
    (0..assets)
        .map(|i| {
            let (beta, drift) = (0.4 + 0.2 * i as f64, 0.0008 + 0.0002 * i as f64);
            market.iter().map(|m| drift + beta * m + 0.01 * noise.normal()).collect()
        })
        .collect()
}

fn estimates(columns: &[Vec<f64>]) -> Estimates {
    Estimates {
        assets: (0..columns.len()).map(|i| format!("A{i}")).collect(),
        mean: columns.iter().map(|column| statistics::mean(column)).collect(),
        covariance: covariance(columns, Estimator::Sample).expect("rows enough").matrix,
    }
}

fn returns(columns: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let rows = 0..columns[0].len();
    rows.map(|s| columns.iter().zip(weights).map(|(column, w)| w * column[s]).sum()).collect()
}

const ALL: [Measure; 13] = [
    Measure::Deviation,
    Measure::SemiDeviation(None),
    Measure::SemiDeviation(Some(0.001)),
    Measure::MeanAbsolute,
    Measure::LowerPartial(None),
    Measure::LowerPartial(Some(0.002)),
    Measure::Shortfall(0.9),
    Measure::Entropic(0.9),
    Measure::Worst,
    Measure::DrawdownShortfall(0.9),
    Measure::MaxDrawdown,
    Measure::AverageDrawdown,
    Measure::Ulcer,
];

fn least(columns: &[Vec<f64>], risk: Measure) -> Allocation {
    let known = estimates(columns);
    let request = Request::of(Goal::Least { risk, reward: 0.0 });
    let constraints = Constraints::long_only(columns.len());
    optimise(&known, columns, &constraints, &request).expect("feasible")
}

#[test]
fn programmes_and_definitions_agree_and_nothing_nearby_is_better() {
    for seed in 0..3 {
        let columns = history(seed, 4, 60);
        for measure in ALL {
            let found = least(&columns, measure);
            // what the programme made small is the measure itself
            let proof = found.certificate.expect("optimised");
            let value = measure.value(&returns(&columns, &found.weights)).expect("defined");
            let apart = (proof.primal - value).abs();
            assert!(apart < 2e-8, "{measure:?}: {} {value}", proof.primal);
            assert!(proof.gap < 1e-8 && (found.objective.value - value).abs() < 1e-15);
            // and moving weight between any two assets helps nothing
            for (from, to) in [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3)] {
                for step in [1e-3, -1e-3] {
                    let mut moved = found.weights.clone();
                    moved[from] -= step;
                    moved[to] += step;
                    if moved.iter().all(|w| *w >= 0.0) {
                        let other = measure.value(&returns(&columns, &moved)).expect("defined");
                        assert!(other > value - 1e-8, "{measure:?}: {other} {value}");
                    }
                }
            }
        }
    }
}

#[test]
fn canary_a_worse_portfolio_is_told_apart() {
    let columns = history(7, 4, 60);
    for measure in ALL {
        let best = measure.value(&returns(&columns, &least(&columns, measure).weights));
        let equal = measure.value(&returns(&columns, &[0.25; 4]));
        assert!(equal > best.map(|best| best + 1e-7), "{measure:?}: {equal:?} {best:?}");
    }
}

#[test]
fn what_other_methods_solve_comes_out_the_same() {
    let columns = history(11, 5, 200);
    let known = estimates(&columns);
    let plain = Constraints::long_only(5);
    let ask = |goal| optimise(&known, &columns, &plain, &Request::of(goal)).expect("feasible");
    let near = |a: &[f64], b: &[f64], most: f64, what: &str| {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < most), "{what}: {a:?} {b:?}");
    };
    let variance = ask(Goal::Least { risk: Measure::Deviation, reward: 0.0 });
    near(
        &variance.weights,
        &min_variance(&known, &plain, None).expect("feasible").weights,
        1e-5,
        "σ",
    );
    let cvar = ask(Goal::Least { risk: Measure::Shortfall(0.9), reward: 0.0 });
    let own = min_cvar(&known, &columns, &plain, 0.9, None).expect("feasible");
    near(&cvar.weights, &own.weights, 1e-6, "cvar");
    let sharpe = ask(Goal::Ratio { risk: Measure::Deviation, rate: 0.0 });
    let own = max_sharpe(&known, &plain, 0.0, None).expect("feasible");
    near(&sharpe.weights, &own.weights, 1e-5, "sharpe");
    assert!((sharpe.objective.value / own.objective.value - 1.0).abs() < 1e-8);
    let budgets = [1.0, 2.0, 1.0, 1.0, 3.0];
    let parity = ask(Goal::Parity { risk: Measure::Deviation, budgets: budgets.to_vec() });
    let own = risk_parity(&known.covariance, &budgets, None).expect("sound");
    near(&parity.weights, &own.weights, 1e-5, "parity");
}

#[test]
fn tail_budgets_are_kept() {
    let columns = history(3, 4, 400);
    let known = estimates(&columns);
    let goal = Goal::Parity { risk: Measure::Shortfall(0.9), budgets: vec![1.0; 4] };
    let plain = Constraints::long_only(4);
    let found = optimise(&known, &columns, &plain, &Request::of(goal)).expect("sound");
    // contributions by differences of a measure that grows in proportion
    let measure = Measure::Shortfall(0.9);
    let at = |weights: &[f64]| measure.value(&returns(&columns, weights)).expect("defined");
    let whole = at(&found.weights);
    for i in 0..4 {
        let moved = |by: f64| {
            let mut weights = found.weights.clone();
            weights[i] *= 1.0 + by;
            at(&weights)
        };
        // the shortfall is kinked: the share lies between both slopes
        let (up, down) = ((moved(1e-4) - whole) / 1e-4, (whole - moved(-1e-4)) / 1e-4);
        let share = whole / 4.0;
        assert!(down < share * 1.02 && up > share * 0.98, "{i}: {down} {share} {up}");
    }
}

#[test]
fn caps_costs_doubt_and_tracking_bind() {
    let columns = history(5, 4, 120);
    let known = estimates(&columns);
    let plain = Constraints::long_only(4);
    let cap = Measure::Shortfall(0.9);
    let bottom = least(&columns, cap).objective.value;
    let most = Request { caps: vec![(cap, 1.1 * bottom)], ..Request::of(Goal::Most) };
    let found = optimise(&known, &columns, &plain, &most).expect("feasible");
    let reached = cap.value(&returns(&columns, &found.weights)).expect("defined");
    assert!((reached / (1.1 * bottom) - 1.0).abs() < 1e-6, "{reached} {bottom}");
    let tight = Request { caps: vec![(cap, 0.5 * bottom)], ..Request::of(Goal::Most) };
    let refused = optimise(&known, &columns, &plain, &tight).expect_err("too tight");
    assert!(refused.to_string().contains("cvar at most"), "{refused}");
    let close = Request { tracking: Some((vec![0.25; 4], 0.001)), ..Request::of(Goal::Most) };
    let found = optimise(&known, &columns, &plain, &close).expect("feasible");
    let apart: Vec<f64> = found.weights.iter().map(|w| w - 0.25).collect();
    let error = Measure::Deviation.value(&returns(&columns, &apart)).expect("defined");
    assert!((error / 0.001 - 1.0).abs() < 1e-5, "{error}");
    // doubt in the mean pulls towards what varies least
    let deviation = |doubt: f64| {
        let request = Request { doubt, ..Request::of(Goal::Most) };
        let found = optimise(&known, &columns, &plain, &request).expect("feasible");
        Measure::Deviation.value(&returns(&columns, &found.weights)).expect("defined")
    };
    assert!(deviation(50.0) < deviation(0.0) - 1e-4);
    // where trading is dear, what is held stays
    let costs = Costs { linear: vec![0.0; 4], impact: vec![10.0; 4] };
    let dear = Constraints { previous: Some(vec![0.25; 4]), costs: Some(costs), ..plain.clone() };
    let goal = Request::of(Goal::Least { risk: Measure::Worst, reward: 1.0 });
    let found = optimise(&known, &columns, &dear, &goal).expect("feasible");
    assert!(found.weights.iter().all(|w| (w - 0.25).abs() < 1e-3), "{:?}", found.weights);
}

#[test]
fn a_wasserstein_ball_of_no_radius_is_the_sample() {
    let columns = history(9, 4, 100);
    let known = estimates(&columns);
    let plain = Constraints::long_only(4);
    let ask = |risk| {
        let goal =
            Goal::Least { risk, reward: if risk == Measure::Shortfall(0.9) { 1.0 } else { 0.0 } };
        optimise(&known, &columns, &plain, &Request::of(goal)).expect("feasible")
    };
    let sample = ask(Measure::Shortfall(0.9));
    let robust = ask(Measure::RobustShortfall { level: 0.9, radius: 0.0 });
    assert!((sample.objective.value - robust.objective.value).abs() < 1e-9);
    // a great radius knows nothing, and spreads
    let wide = ask(Measure::RobustShortfall { level: 0.9, radius: 0.5 });
    assert!(wide.weights.iter().all(|w| (w - 0.25).abs() < 5e-3), "{:?}", wide.weights);
    assert!(wide.objective.value > robust.objective.value);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let columns = history(1, 3, 30);
    let known = estimates(&columns);
    let plain = Constraints::long_only(3);
    let ask = |constraints: &Constraints, request: &Request| {
        optimise(&known, &columns, constraints, request).expect_err("refused").to_string()
    };
    let least = |risk| Request::of(Goal::Least { risk, reward: 0.0 });
    assert!(ask(&plain, &least(Measure::Shortfall(0.99))).contains("30 scenarios are too few"));
    assert!(ask(&plain, &least(Measure::Entropic(2.0))).contains("level of 2"));
    let free = Constraints { lower: vec![f64::NEG_INFINITY; 3], ..Constraints::long_only(3) };
    assert!(ask(&free, &Request::of(Goal::Most)).contains("nothing bounds"));
    let crowded = Constraints { upper: vec![0.1; 3], ..Constraints::long_only(3) };
    let words = ask(&crowded, &least(Measure::Worst));
    assert!(words.contains("every asset at most 0.1") && words.contains("add up to 1"), "{words}");
    let ratio = Request::of(Goal::Ratio { risk: Measure::Worst, rate: 1.0 });
    assert!(matches!(
        optimise(&known, &columns, &plain, &ratio),
        Err(AllocationError::NoReward(_))
    ));
}

/// Degenerate by turns: an asset twice, one that never moves, fewer rows than assets, huge and tiny units.
fn degenerate(seed: u64) -> Vec<Vec<f64>> {
    let rows = if seed % 5 == 2 { 6 } else { 40 + (seed % 7) as usize * 20 };
    let mut columns = history(seed, 2 + (seed % 8) as usize, rows);
    match seed % 5 {
        0 => columns[1] = columns[0].clone(),
        1 => columns[0].fill(0.0001),
        3 => columns.iter_mut().flatten().for_each(|r| *r *= 100.0),
        4 => columns.iter_mut().flatten().for_each(|r| *r *= 0.01),
        _ => {}
    }
    columns
}

#[test]
fn degenerate_problems_have_their_least_too() {
    for seed in 0..40 {
        let columns = degenerate(seed);
        let n = columns.len();
        let known = estimates(&columns);
        let level = if columns[0].len() < 10 { 0.5 } else { 0.9 };
        let size = columns.iter().flatten().map(|r| r.abs()).fold(0.0, f64::max);
        for measure in ALL {
            let measure = match measure {
                Measure::Shortfall(_) => Measure::Shortfall(level),
                Measure::Entropic(_) => Measure::Entropic(level),
                Measure::DrawdownShortfall(_) => Measure::DrawdownShortfall(level),
                other => other,
            };
            for reward in [0.0, 0.3] {
                let request = Request::of(Goal::Least { risk: measure, reward });
                let found = optimise(&known, &columns, &Constraints::long_only(n), &request);
                let found = found.unwrap_or_else(|error| panic!("{seed} {measure:?}: {error}"));
                let worth = |weights: &[f64]| {
                    let risk = measure.value(&returns(&columns, weights)).expect("defined");
                    let mean: f64 = weights.iter().zip(&known.mean).map(|(w, m)| w * m).sum();
                    risk - reward * mean
                };
                let best = worth(&found.weights);
                let apart = (found.objective.value - best).abs();
                assert!(
                    apart < 1e-6 * size,
                    "{seed} {measure:?}: {} {best}",
                    found.objective.value
                );
                let mut corner = vec![0.0; n];
                for i in 0..n {
                    corner.fill(0.0);
                    corner[i] = 1.0;
                    assert!(worth(&corner) > best - 1e-6 * size, "{seed} {measure:?}: asset {i}");
                    let mixed: Vec<f64> = found
                        .weights
                        .iter()
                        .zip(&corner)
                        .map(|(w, c)| 0.98 * w + 0.02 * c)
                        .collect();
                    assert!(worth(&mixed) > best - 1e-7 * size, "{seed} {measure:?}: more of {i}");
                }
            }
        }
    }
}
