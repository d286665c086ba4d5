//! Forecasts of value at risk and their back-tests against the comparison that well-known libraries gave
//! (`../shared/oracle/portfolio`, or `BOT4_SHARED`); a counted skip where that is absent.

mod shared_folder;

use bot4::history::{self, ReadSettings};
use bot4::risk::backtest::{Forecast, judge};
use bot4::risk::forecast::{Forecaster, Roll, roll};
use shared_folder::{json, number, shared};
use std::path::Path;

/// Daily returns of the S&P 500 in percent.
fn returns(folder: &Path) -> Vec<f64> {
    let path = folder.join("arch_sp500_returns_pct.csv");
    let panel = history::read(&[path], &ReadSettings::default()).expect("readable");
    panel.columns()[0].clone()
}

/// The oracle's models that are ours as well.
const SAME: [(Forecaster, &str); 8] = [
    (Forecaster::Historical, "hist"),
    (Forecaster::Ewma, "ewma_n"),
    (Forecaster::GarchN, "garch_n"),
    (Forecaster::GarchT, "garch_t"),
    (Forecaster::GarchSkewT, "garch_skewt"),
    (Forecaster::GjrT, "gjr_t"),
    (Forecaster::GarchFhs, "garch_fhs"),
    (Forecaster::GjrFhs, "gjr_fhs"),
];

#[test]
fn the_comparison_is_the_oracles() {
    let Some(folder) = shared("oracle/portfolio", "the_comparison_is_the_oracles") else { return };
    let returns = returns(&folder);
    let reference = json(&folder.join("arch_garch.json"));
    let reference = &reference["rolling_model_comparison_w1000_refit20_var99"];
    let how = Roll { window: 1_000, refit: 20, level: 0.99, threads: 2 };
    let mut forecasters: Vec<Forecaster> = SAME.iter().map(|(forecaster, _)| *forecaster).collect();
    forecasters.push(Forecaster::GarchEvt);
    let all = roll(&returns, &forecasters, how, &|_| {}).expect("sound");
    let names = SAME.iter().map(|(_, name)| *name).chain(["garch_evt"]);
    for ((forecasts, name), forecaster) in all.iter().zip(names).zip(&forecasters) {
        let forecasts = forecasts.as_ref().expect("fitted");
        let verdict = judge(&returns[1_000..], forecasts, 0.99).expect("sound");
        let model = &reference["models"][name];
        let wanted = |key: &str| number(&model[key]);
        let apart = verdict.violations as f64 - wanted("violations");
        eprintln!("{}: {} violations, {apart:+}", forecaster.name(), verdict.violations);
        assert!(apart.abs() <= 2.0, "{name}: {} violations", verdict.violations);
        let near = |what: &str, ours: f64, theirs: f64, most: f64| {
            assert!((ours - theirs).abs() < most, "{name} {what}: {ours} {theirs}");
        };
        near("quantile loss", verdict.quantile_loss, wanted("quantile_loss"), 3e-4);
        near("FZ0", verdict.fz0_loss, wanted("FZ0_loss"), 1e-2);
        near("Z2", verdict.z2.statistic, wanted("acerbi_szekely_Z2"), 0.07);
        if apart == 0.0 {
            near("Kupiec", verdict.kupiec.p, wanted("kupiec_p"), 1e-9);
        }
    }
}

#[test]
fn given_forecasts_are_judged_exactly() {
    let test = "given_forecasts_are_judged_exactly";
    let Some(folder) = shared("oracle/portfolio", test) else { return };
    let path = folder.join("arch_sp500_rolling_var99.csv");
    let panel = history::read(&[path], &ReadSettings::default()).expect("readable");
    let column = |name: &str| panel.column(name).expect("in the file").to_vec();
    let (returns, quantiles, means) = (column("ret"), column("var99_quantile"), column("es99"));
    let forecasts: Vec<Forecast> =
        quantiles.iter().zip(&means).map(|(q, e)| Forecast { var: -q, es: -e }).collect();
    let verdict = judge(&returns, &forecasts, 0.99).expect("sound");
    let reference = json(&folder.join("arch_garch.json"));
    let wanted = &reference["rolling_backtest_w1000_refit20_var99"];
    for (ours, key) in [
        (verdict.n as f64, "n"),
        (verdict.violations as f64, "violations"),
        (verdict.kupiec.statistic, "kupiec_LR"),
        (verdict.kupiec.p, "kupiec_p"),
        (verdict.independence.statistic, "christoffersen_ind_LR"),
        (verdict.independence.p, "christoffersen_ind_p"),
        (verdict.conditional.statistic, "cc_LR"),
        (verdict.conditional.p, "cc_p"),
        (verdict.z2.statistic, "acerbi_szekely_Z2"),
    ] {
        let theirs = number(&wanted[key]);
        // the file has eleven digits
        assert!((ours - theirs).abs() < 1e-9 * theirs.abs().max(1.0), "{key}: {ours} {theirs}");
    }
    let t = verdict.transitions;
    for (ours, key) in [(t.n00, "n00"), (t.n01, "n01"), (t.n10, "n10"), (t.n11, "n11")] {
        assert_eq!(Some(ours as u64), wanted["transition"][key].as_u64(), "{key}");
    }
    let model = &reference["rolling_model_comparison_w1000_refit20_var99"]["models"]["garch_t"];
    for (ours, key) in [(verdict.quantile_loss, "quantile_loss"), (verdict.fz0_loss, "FZ0_loss")] {
        assert!((ours - number(&model[key])).abs() < 1e-9, "{key}: {ours}");
    }
}

#[test]
fn canary_forecasts_of_another_level_are_rejected() {
    let test = "canary_forecasts_of_another_level_are_rejected";
    let Some(folder) = shared("oracle/portfolio", test) else { return };
    let returns = returns(&folder);
    let how = Roll { window: 1_000, refit: 100, level: 0.97, threads: 2 };
    let all = roll(&returns, &[Forecaster::GjrFhs], how, &|_| {}).expect("sound");
    let list = all[0].as_ref().expect("fitted");
    let sound = judge(&returns[1_000..], list, 0.97).expect("sound");
    let spoiled = judge(&returns[1_000..], list, 0.99).expect("sound");
    assert!(sound.kupiec.p > 1e-3 && spoiled.kupiec.p < 1e-9, "{sound:?} {spoiled:?}");
}
