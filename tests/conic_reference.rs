//! Optimisers over scenario measures against skfolio's and the oracle's own interior point
//! (`../shared/oracle/portfolio`, or `BOT4_SHARED`); a counted skip where that is absent.

mod shared_folder;

use bot4::history::{self, ReadSettings};
use bot4::model::covariance::{Estimator, covariance};
use bot4::portfolio::conic::{Goal, Measure, Request, optimise};
use bot4::portfolio::problem::{Constraints, Costs, Estimates};
use serde_json::Value;
use shared_folder::{json, number, shared};
use std::path::Path;

struct Stocks {
    known: Estimates,
    columns: Vec<Vec<f64>>,
}

/// The last 1 000 days of the stocks.
fn stocks(folder: &Path) -> Stocks {
    let path = folder.join("sp500_returns_skfolio.csv");
    let all = history::read(&[path], &ReadSettings::default()).expect("readable");
    let panel = all.slice(all.rows() - 1_000..all.rows());
    let mean = |column: &Vec<f64>| column.iter().sum::<f64>() / column.len() as f64;
    let known = Estimates {
        assets: panel.symbols().to_vec(),
        mean: panel.columns().iter().map(mean).collect(),
        covariance: covariance(panel.columns(), Estimator::Sample).expect("rows enough").matrix,
    };
    Stocks { known, columns: panel.columns().to_vec() }
}

impl Stocks {
    fn weights(&self, reference: &Value) -> Vec<f64> {
        self.known.assets.iter().map(|asset| number(&reference[asset])).collect()
    }

    fn returns(&self, weights: &[f64]) -> Vec<f64> {
        let rows = 0..self.columns[0].len();
        let at = |s: usize| self.columns.iter().zip(weights).map(|(c, w)| w * c[s]).sum();
        rows.map(at).collect()
    }
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

const SAME: [(Measure, &str); 9] = [
    (Measure::SemiDeviation(None), "min_semi_variance"),
    (Measure::MeanAbsolute, "min_mean_absolute_deviation"),
    (Measure::LowerPartial(None), "min_first_lower_partial_moment"),
    (Measure::Entropic(0.95), "min_evar"),
    (Measure::DrawdownShortfall(0.95), "min_cdar"),
    (Measure::Worst, "min_worst_realization"),
    (Measure::Ulcer, "min_ulcer_index"),
    (Measure::MaxDrawdown, "min_max_drawdown"),
    (Measure::AverageDrawdown, "min_average_drawdown"),
];

#[test]
fn least_measures_are_skfolios_or_less() {
    let Some(folder) = shared("oracle/portfolio", "least_measures_are_skfolios_or_less") else {
        return;
    };
    let stocks = stocks(&folder);
    let reference = &json(&folder.join("skfolio_sp500.json"))["last_1000"];
    let plain = Constraints::long_only(stocks.columns.len());
    for (risk, key) in SAME {
        let request = Request::of(Goal::Least { risk, reward: 0.0 });
        let found = optimise(&stocks.known, &stocks.columns, &plain, &request).expect("feasible");
        let theirs = stocks.weights(&reference[key]["weights"]);
        let worst = apart(&found.weights, &theirs);
        let value = |weights: &[f64]| risk.value(&stocks.returns(weights)).expect("defined");
        let ratio = value(&found.weights) / value(&theirs) - 1.0;
        eprintln!("{key}: weights {worst:.1e} apart, ours {ratio:+.1e} of theirs");
        assert!(ratio < 1e-8, "{key}: {ratio:e}");
        // where theirs is as good as ours, the weights are the same
        assert!(worst < 2e-5, "{key}: {worst:e}");
    }
}

#[test]
fn ratios_budgets_and_balls_are_skfolios() {
    let Some(folder) = shared("oracle/portfolio", "ratios_budgets_and_balls_are_skfolios") else {
        return;
    };
    let stocks = stocks(&folder);
    let reference = &json(&folder.join("skfolio_sp500.json"))["last_1000"];
    let n = stocks.columns.len();
    let plain = Constraints::long_only(n);
    let cvar = Measure::Shortfall(0.95);
    for (goal, key, most) in [
        (Goal::Ratio { risk: cvar, rate: 0.0 }, "max_mean_cvar95_ratio", 1e-5),
        (Goal::Parity { risk: cvar, budgets: vec![1.0; n] }, "erc_cvar95", 1e-5),
    ] {
        let began = std::time::Instant::now();
        let found = optimise(&stocks.known, &stocks.columns, &plain, &Request::of(goal));
        let found = found.expect("feasible");
        let worst = apart(&found.weights, &stocks.weights(&reference[key]["weights"]));
        eprintln!("{key}: {worst:.1e} apart, {:?}", began.elapsed());
        assert!(worst < most, "{key}: {worst:e}");
    }
    // skfolio's ball stops early: what its weights are worth says how near it came
    let ball = Measure::RobustShortfall { level: 0.95, radius: 0.001 };
    let request = Request::of(Goal::Least { risk: ball, reward: 0.0 });
    let ask = |constraints: &Constraints| {
        optimise(&stocks.known, &stocks.columns, constraints, &request).expect("feasible")
    };
    let theirs = stocks.weights(&reference["dr_cvar_eps0.001"]["weights"]);
    let (ours, sum) = (ask(&plain), theirs.iter().sum());
    let held = Constraints {
        budget: sum,
        lower: theirs.iter().map(|w| w - 1e-12).collect(),
        upper: theirs.iter().map(|w| w + 1e-12).collect(),
        ..plain
    };
    let ratio = ours.objective.value / ask(&held).objective.value - 1.0;
    let worst = apart(&ours.weights, &theirs);
    eprintln!("dr_cvar_eps0.001: weights {worst:.1e} apart, ours {ratio:+.1e} of theirs");
    assert!(ratio < 1e-9 && ratio > -1e-6 && worst < 1e-4, "{ratio:e} {worst:e}");
}

#[test]
fn costs_and_impact_are_the_oracles() {
    let Some(folder) = shared("oracle/portfolio", "costs_and_impact_are_the_oracles") else {
        return;
    };
    let stocks = stocks(&folder);
    let extra = json(&folder.join("extra_last1000.json"));
    let n = stocks.columns.len();
    for key in [
        "mean_cvar95_lam0_lin10bp_imp0",
        "mean_cvar95_lam1_lin10bp_imp0.1sigma",
        "mean_cvar95_lam5_lin5bp_imp0.3sigma",
    ] {
        let case = &extra[key];
        let impact = case["imp"].as_array().expect("a list").iter().map(number).collect();
        let costs = Costs { linear: vec![number(&case["lin"]); n], impact };
        let constraints = Constraints {
            previous: Some(vec![1.0 / n as f64; n]),
            costs: Some(costs),
            ..Constraints::long_only(n)
        };
        let goal = Goal::Least { risk: Measure::Shortfall(0.95), reward: number(&case["lam"]) };
        let found = optimise(&stocks.known, &stocks.columns, &constraints, &Request::of(goal));
        let found = found.expect("feasible");
        let own = &case["own_ipm"];
        let ratio = found.objective.value / number(&own["objective"]) - 1.0;
        let worst = apart(&found.weights, &stocks.weights(&own["weights"]));
        eprintln!("{key}: objective {ratio:+.1e}, weights {worst:.1e} apart");
        assert!(ratio.abs() < 1e-9, "{key}: {ratio:e}");
        assert!(worst < 1e-5, "{key}: {worst:e}");
    }
}
