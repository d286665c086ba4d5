//! Allocations, covariances and volatility models against results of well-known libraries and of slow
//! independent code (`../shared/oracle/portfolio`, or `BOT4_SHARED`); a counted skip where that is absent.

mod shared_folder;

use bot4::history::{self, Panel, ReadSettings, returns};
use bot4::model::covariance::{Estimator, covariance};
use bot4::model::garch::{Family, Parameters, Spec, Volatility, evaluate, fit};
use bot4::portfolio::allocation::{Allocation, AllocationError};
use bot4::portfolio::growth::kelly;
use bot4::portfolio::hierarchy::{LeafOrder, Linkage, herc, hrp};
use bot4::portfolio::parity::risk_parity;
use bot4::portfolio::problem::{Constraints, Costs, Estimates};
use bot4::portfolio::quadratic::{max_diversification, max_sharpe, mean_variance, min_variance};
use bot4::portfolio::shortfall::min_cvar;
use bot4::portfolio::views::{Prior, View, black_litterman};
use bot4::risk::measures::measure;
use serde_json::Value;
use shared_folder::{json, number, shared};
use std::path::{Path, PathBuf};

fn oracle(test: &str) -> Option<PathBuf> {
    shared("oracle/portfolio", test)
}

/// The stocks' returns: all rows, and the last 1 000.
fn stocks(folder: &Path) -> [(&'static str, Panel); 2] {
    let path = folder.join("sp500_returns_skfolio.csv");
    let all = history::read(&[path], &ReadSettings::default()).expect("readable");
    let last = all.slice(all.rows() - 1_000..all.rows());
    [("full_8312", all), ("last_1000", last)]
}

fn estimates(panel: &Panel, how: Estimator) -> Estimates {
    let mean = |column: &Vec<f64>| column.iter().sum::<f64>() / column.len() as f64;
    Estimates {
        assets: panel.symbols().to_vec(),
        mean: panel.columns().iter().map(mean).collect(),
        covariance: covariance(panel.columns(), how).expect("rows enough").matrix,
    }
}

/// A real history moved on by a month: weights from the month before lead to the same answer.
#[test]
fn last_months_weights_lead_to_this_months() {
    let Some(folder) = oracle("warm starts") else { return };
    for (tag, panel) in stocks(&folder) {
        let (before, after) = (panel.slice(0..panel.rows() - 21), panel.slice(21..panel.rows()));
        let plain = Constraints::long_only(before.symbols().len());
        type Method<'a> = &'a dyn Fn(&Panel, Option<&[f64]>) -> Result<Allocation, AllocationError>;
        let known = |of: &Panel| estimates(of, Estimator::Sample);
        let methods: [(&str, Method); 5] = [
            ("variance", &|of, warm| min_variance(&known(of), &plain, warm)),
            ("sharpe", &|of, warm| max_sharpe(&known(of), &plain, 0.0, warm)),
            ("diversification", &|of, warm| max_diversification(&known(of), &plain, warm)),
            ("parity", &|of, warm| risk_parity(&known(of).covariance, &[1.0; 20], warm)),
            ("cvar", &|of, warm| min_cvar(&known(of), of.columns(), &plain, 0.95, warm)),
        ];
        for (name, method) in methods {
            let last = method(&before, None).expect("feasible").weights;
            let cold = method(&after, None).expect("feasible");
            let warm = method(&after, Some(&last)).expect("feasible");
            let each = warm.weights.iter().zip(&cold.weights).map(|(w, c)| (w - c).abs());
            let apart = each.fold(0.0, f64::max);
            assert!(apart < 1e-9, "{tag} {name}: {apart:e}");
            let steps = (warm.iterations, cold.iterations);
            assert!(steps.0 < steps.1, "{tag} {name}: {steps:?}");
        }
    }
}

/// Greatest distance of weights from a reference.
fn apart(weights: &[f64], assets: &[String], reference: &Value) -> f64 {
    let each = assets.iter().zip(weights).map(|(asset, w)| (w - number(&reference[asset])).abs());
    each.fold(0.0, f64::max)
}

#[test]
fn weights_are_the_independent_ones() {
    let Some(folder) = oracle("weights") else { return };
    let independent = json(&folder.join("independent_check.json"));
    let skfolio = json(&folder.join("skfolio_sp500.json"));
    for (tag, panel) in stocks(&folder) {
        let known = estimates(&panel, Estimator::Sample);
        let columns = panel.columns();
        let plain = Constraints::long_only(columns.len());
        let check = |name: &str, weights: &[f64], reference: &Value, most: f64| {
            let apart = apart(weights, &known.assets, &reference["weights"]);
            assert!(apart < most, "{tag} {name}: {apart:e}");
        };
        let truth = &independent[tag];
        let least = min_variance(&known, &plain, None).expect("feasible");
        check("minimum variance", &least.weights, &truth["min_variance"], 1e-12);
        let sharpe = max_sharpe(&known, &plain, 0.0, None).expect("feasible");
        check("Sharpe", &sharpe.weights, &truth["max_sharpe_rf0"], 1e-12);
        let diverse = max_diversification(&known, &plain, None).expect("feasible");
        check("diversification", &diverse.weights, &truth["max_diversification"], 1e-12);
        let parity =
            risk_parity(&known.covariance, &vec![1.0; columns.len()], None).expect("positive");
        check("risk parity", &parity.weights, &truth["erc_variance"], 1e-12);
        let cvar = min_cvar(&known, columns, &plain, 0.95, None).expect("feasible");
        check("CVaR", &cvar.weights, &truth["min_cvar95_highs-ds"], 1e-9);
        let objective = number(&truth["min_cvar95_highs-ds"]["objective_cvar"]);
        assert!((cvar.objective.value / objective - 1.0).abs() < 1e-12, "{tag}");
        // what skfolio's own solver gives
        let theirs = &skfolio[tag];
        let utility = mean_variance(&known, &plain, 1.0, None).expect("feasible");
        check("utility", &utility.weights, &theirs["max_utility_ra1"], 2e-6);
        let shrunk = estimates(&panel, Estimator::LedoitWolf);
        let shrunk = min_variance(&shrunk, &plain, None).expect("feasible");
        check("Ledoit-Wolf", &shrunk.weights, &theirs["min_variance_ledoit_wolf"], 2e-6);
        let views = ["AAPL == 0.00098", "AAPL - GE == 0.00086", "JPM - GE == 0.00059"];
        let views = views.map(|view| View::parse(view, &known.assets).expect("sound"));
        let after = black_litterman(&known, &Prior::equal(columns.len()), &views).expect("sound");
        let mixed = max_sharpe(&after, &plain, 0.0, None).expect("feasible");
        check("Black-Litterman", &mixed.weights, &theirs["max_sharpe_black_litterman"], 2e-6);
        for (linkage, name) in [
            (Linkage::Single, "single"),
            (Linkage::Ward, "ward"),
            (Linkage::Complete, "complete"),
            (Linkage::Average, "average"),
        ] {
            let found = hrp(&known.covariance, linkage, LeafOrder::Optimal).expect("positive");
            let reference = &theirs[format!("hrp_{name}_variance_pearson")];
            check(name, &found.weights, reference, 1e-12);
        }
        let found = herc(&known.covariance, Linkage::Ward, None).expect("positive");
        check("HERC", &found.weights, &theirs["herc_ward_variance"], 1e-12);
    }
}

#[test]
fn covariances_are_skfolios() {
    let Some(folder) = oracle("covariances") else { return };
    for (tag, panel) in stocks(&folder) {
        let reference = json(&folder.join(format!("skfolio_covariances_{tag}.json")));
        for (how, name, most) in [
            (Estimator::Sample, "empirical", 1e-12),
            (Estimator::LedoitWolf, "ledoit_wolf", 1e-12),
            (Estimator::Oas, "oas", 1e-12),
            (Estimator::Weighted(40.0), "ew", 1e-12),
            (Estimator::Gerber(0.5), "gerber", 1e-12),
            (Estimator::Denoised, "denoise", 1e-12),
        ] {
            let found = covariance(panel.columns(), how).expect("sound");
            let truth = &reference[name]["covariance"];
            let size = found.matrix.nrows();
            let mut worst = 0.0_f64;
            for i in 0..size {
                for j in 0..size {
                    let scale = (found.matrix[(i, i)] * found.matrix[(j, j)]).sqrt();
                    worst = worst.max((found.matrix[(i, j)] - number(&truth[i][j])).abs() / scale);
                }
            }
            assert!(worst < most, "{tag} {name}: {worst:e}");
            if let Some(shrinkage) = reference[name]["shrinkage"].as_f64() {
                assert!((found.shrinkage.expect("shrunk") - shrinkage).abs() < 1e-12, "{name}");
            }
        }
    }
}

#[test]
fn costs_growth_and_budgets_are_the_references() {
    let Some(folder) = oracle("costs, growth and budgets") else { return };
    let extra = json(&folder.join("extra_last1000.json"));
    let [_, (_, panel)] = stocks(&folder);
    let known = estimates(&panel, Estimator::Sample);
    let (columns, n) = (panel.columns(), panel.columns().len());
    for (cap, key) in [(1.0, "kelly_longonly_cap1.0"), (2.0, "kelly_longonly_cap2.0")] {
        let limits = Constraints { budget: cap, ..Constraints::long_only(n) };
        let found = kelly(&known, columns, &limits, false, 1.0, None, 0.0).expect("feasible");
        let growth = number(&extra[key]["growth"]);
        assert!((found.objective.value - growth).abs() < 1e-11, "{key}");
        assert!(apart(&found.weights, &known.assets, &extra[key]["weights"]) < 1e-7, "{key}");
    }
    let reference = &extra["risk_budget_linear_1..n"];
    let budgets: Vec<f64> =
        known.assets.iter().map(|asset| number(&reference["budgets"][asset])).collect();
    let found = risk_parity(&known.covariance, &budgets, None).expect("positive");
    assert!(apart(&found.weights, &known.assets, &reference["weights"]) < 1e-12);
    let linear = &extra["mean_cvar95_lam0_lin10bp_imp0"];
    let held = Constraints {
        previous: Some(vec![1.0 / n as f64; n]),
        costs: Some(Costs { linear: vec![0.001; n], impact: vec![0.0; n] }),
        ..Constraints::long_only(n)
    };
    let found = min_cvar(&known, columns, &held, 0.95, None).expect("feasible");
    let whole = found.certificate.expect("proven").primal;
    let truth = number(&linear["objective_cvxpy"]);
    assert!((whole / truth - 1.0).abs() < 1e-8, "{whole} {truth}");
    assert!(apart(&found.weights, &known.assets, &linear["weights_cvxpy"]) < 1e-5);
}

#[test]
fn the_large_cvar_is_proven_cold_and_warm() {
    let Some(folder) = oracle("CVaR of 400 assets") else { return };
    let path = folder.join("cvar_400x10250_f32.npy");
    let panel = history::read(&[path], &ReadSettings::default()).expect("readable");
    let reference = json(&folder.join("cvar_400x10250_expected.json"));
    let plain = Constraints::long_only(400);
    let known = Estimates {
        assets: panel.symbols().to_vec(),
        mean: vec![0.0; 400],
        covariance: faer::Mat::zeros(400, 400),
    };
    let mut warm: Option<Vec<f64>> = None;
    for (key, rows) in [("cold", 0..10_000), ("warm", 250..10_250)] {
        let window = panel.slice(rows);
        let found = min_cvar(&known, window.columns(), &plain, 0.95, warm.as_deref());
        let found = found.expect("feasible");
        let truth = number(&reference[key]["objective"]);
        assert!((found.objective.value / truth - 1.0).abs() < 1e-8, "{key}");
        let proof = found.certificate.expect("proven");
        assert!(proof.gap.abs() < 1e-12 * proof.primal, "{key}: {proof:?}");
        warm = Some(found.weights);
    }
}

#[test]
fn volatility_models_are_archs() {
    let Some(folder) = oracle("volatility models") else { return };
    let path = folder.join("arch_sp500_returns_pct.csv");
    let panel = history::read(&[path], &ReadSettings::default()).expect("readable");
    let all = &panel.columns()[0];
    let reference = json(&folder.join("arch_garch.json"));
    let parameters = |p: &Value| {
        let get = |name: &str| p[name].as_f64();
        Parameters {
            mu: get("mu").unwrap_or(0.0),
            omega: get("omega").expect("ω"),
            alpha: get("alpha[1]").expect("α"),
            gamma: get("gamma[1]").unwrap_or(0.0),
            beta: get("beta[1]").expect("β"),
            nu: get("nu").or(get("eta")).unwrap_or(f64::INFINITY),
            lambda: get("lambda").unwrap_or(0.0),
        }
    };
    let judge = |name: &str, returns: &[f64], spec: Spec, truth: &Value| {
        let likelihood = number(&truth["loglik"]);
        let fixed = evaluate(returns, spec, &parameters(&truth["params"])).expect("sound");
        assert!((fixed.log_likelihood / likelihood - 1.0).abs() < 1e-8, "{name} at theirs");
        let found = fit(returns, spec).expect("sound");
        assert!(found.log_likelihood > likelihood - 1e-4, "{name}: {}", found.log_likelihood);
    };
    let (garch, student) = (Volatility::Garch, Family::Student);
    for (name, rows) in [("full_5030", 5_030), ("last_1000", 1_000), ("last_252", 252)] {
        let returns = &all[all.len() - rows..];
        judge(name, returns, Spec::new(garch, student), &reference[name]["arch"]);
        let zero = Spec { mean: false, ..Spec::new(garch, student) };
        judge(name, returns, zero, &reference[name]["arch_zero_mean"]);
        let found = fit(returns, Spec::new(garch, student)).expect("sound");
        let (var, es) = found.next_tail(0.99);
        for (ours, key) in [(var, "VaR99_1d_pct"), (es, "ES99_1d_pct")] {
            let theirs = number(&reference[name]["arch"][key]);
            assert!((ours / theirs - 1.0).abs() < 1e-3, "{name} {key}: {ours} {theirs}");
        }
    }
    judge("GJR", all, Spec::new(Volatility::Gjr, student), &reference["gjr_t_full"]);
    judge("normal", all, Spec::new(garch, Family::Normal), &reference["garch_normal_full"]);
    judge("EGARCH", all, Spec::new(Volatility::Egarch, student), &reference["egarch_t_full"]);
    judge("skewed", all, Spec::new(garch, Family::Skewed), &reference["garch_skewt_full"]);
}

#[test]
fn measures_are_the_independent_definitions() {
    let Some(folder) = oracle("measures") else { return };
    let truth = &json(&folder.join("quantstats_metrics.json"))["_independent"];
    let read = |name: &str| {
        history::read(&[folder.join(name)], &ReadSettings::default()).expect("readable")
    };
    let series = read("minvar_last1000_series.csv");
    let index = read("sp500_index_returns_skfolio.csv");
    let both = series.join(&index).expect("dates increase");
    let benchmark = both.columns()[1].clone();
    let own = &both.columns()[0];
    let kept: Vec<usize> = (0..both.rows()).filter(|&row| !own[row].is_nan()).collect();
    let pick = |column: &[f64]| kept.iter().map(|&row| column[row]).collect::<Vec<f64>>();
    let (own, benchmark) = (pick(own), pick(&benchmark));
    let found = measure(&own, 252.0, 0.0, &[0.95], Some(&benchmark)).expect("enough");
    let relative = found.benchmark.expect("given");
    for (key, ours) in [
        ("sharpe_ann", found.sharpe),
        ("sortino_ann_rms_downside", found.sortino),
        ("vol_ann", found.volatility),
        ("max_drawdown", found.max_drawdown),
        ("cagr_252", found.cagr),
        ("calmar_252", found.calmar),
        ("omega0", found.omega),
        // its VaR is an order statistic; FORMATS interpolates
        ("hist_ES95", -found.tails[0].es),
        ("beta", relative.beta),
        ("jensen_alpha_ann_rf0", relative.jensen_alpha),
        ("treynor_ann", relative.treynor),
        ("info_ratio_ann", relative.information_ratio),
        ("tracking_error_ann", relative.tracking_error),
        ("ulcer", found.ulcer),
    ] {
        let theirs = number(&truth[key]);
        assert!((ours / theirs - 1.0).abs() < 1e-9, "{key}: {ours} {theirs}");
    }
}

#[test]
fn measures_of_coins_are_the_references() {
    let Some(folder) = oracle("measures of coins") else { return };
    let data = folder.join("../../data");
    if !data.join("expected_shared_risk.json").exists() {
        eprintln!("SKIPPED (1): measures of coins: no shared data");
        return;
    }
    let reference = json(&data.join("expected_shared_risk.json"));
    let mut coins = 0;
    for (name, truth) in reference["daily-crypto"].as_object().expect("by coin") {
        let path = data.join(format!("daily-crypto/coin_{name}.csv.gz"));
        let Ok(prices) = history::read(&[path], &ReadSettings::default()) else { continue };
        let simple = returns::simple(&prices).expect("rows enough");
        let found = measure(&simple.columns()[0], 365.0, 0.0, &[0.95, 0.99], None).expect("enough");
        for (key, ours) in [
            ("skew", found.skew),
            ("excess_kurtosis", found.excess_kurtosis),
            ("min", found.worst),
            ("max", found.best),
            ("VaR_95_hist", found.tails[0].var),
            ("CVaR_95_hist", found.tails[0].es),
            ("VaR_99_hist", found.tails[1].var),
            ("CVaR_99_hist", found.tails[1].es),
            ("max_drawdown", found.max_drawdown),
            ("sharpe", found.sharpe),
            ("sortino", found.sortino),
            ("cagr", found.cagr),
            ("calmar", found.calmar),
            ("omega0", found.omega),
            ("kelly_mean_over_var", found.kelly),
        ] {
            let theirs = number(&truth[key]);
            assert!((ours / theirs - 1.0).abs() < 1e-8, "{name} {key}: {ours} {theirs}");
        }
        coins += 1;
    }
    assert!(coins >= 10, "{coins} coins");
}
