//! Histories, volatility models and options against reference results of slow independent code and of the
//! venue itself, in `../shared/data` (or `BOT4_SHARED`); a counted skip where the folder is absent.

mod shared_folder;

use bot4::history::{self, Panel, ReadSettings, returns};
use bot4::instrument::option::{Black, Right};
use bot4::model::garch::{Family, Spec, Volatility, fit};
use serde_json::Value;
use shared_folder::{json, shared};
use std::io::Read;
use std::path::Path;

/// Names, closing prices and reference of every coin.
fn coins(data: &Path) -> Vec<(String, Panel, Value)> {
    let reference = json(&data.join("expected_shared_risk.json"));
    let coins = reference["daily-crypto"].as_object().expect("an object by coin").clone();
    coins
        .into_iter()
        .filter_map(|(name, expected)| {
            let path = data.join(format!("daily-crypto/coin_{name}.csv.gz"));
            let prices = path.exists().then(|| history::read(&[path], &ReadSettings::default()));
            prices.map(|prices| (name, prices.expect("readable"), expected))
        })
        .collect()
}

fn close(what: &str, ours: f64, truth: &Value, tolerance: f64) {
    let truth = truth.as_f64().expect("a number");
    let error = (ours - truth).abs() / truth.abs().max(1e-12);
    assert!(error <= tolerance, "{what}: {ours} against {truth}, {error:e}");
}

#[test]
fn histories_are_read_as_the_reference_reads_them() {
    let Some(data) = shared("data", "histories") else { return };
    let coins = coins(&data);
    assert!(coins.len() >= 10, "only {} coins", coins.len());
    for (name, prices, expected) in coins {
        assert_eq!(Some(prices.rows() as u64), expected["n_prices"].as_u64(), "{name}");
        let simple = returns::simple(&prices).expect("more than one row");
        let column = &simple.columns()[0];
        let n = column.len() as f64;
        let mean = column.iter().sum::<f64>() / n;
        let variance = column.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (n - 1.0);
        close(&name, mean, &expected["mean"], 1e-9);
        close(&name, variance.sqrt(), &expected["std"], 1e-9);
    }
}

#[test]
fn historical_tails_are_the_references() {
    use bot4::compute::device::Choice;
    use bot4::compute::engine::Engine;
    let Some(data) = shared("data", "historical tails") else { return };
    let engine = Engine::open(Choice::Auto).expect("the CPU is here");
    for (name, prices, expected) in coins(&data) {
        let simple = returns::simple(&prices).expect("more than one row");
        let profits: Vec<f32> = simple.columns()[0].iter().map(|&r| r as f32).collect();
        let found = engine.measure(&profits, &[0.95, 0.99]).expect("enough returns");
        for (tail, level) in found.iter().zip(["95", "99"]) {
            let what = format!("{name} {level}");
            close(&what, f64::from(tail.var), &expected[format!("VaR_{level}_hist")], 3e-7);
            close(&what, f64::from(tail.es), &expected[format!("CVaR_{level}_hist")], 3e-7);
        }
    }
}

#[test]
fn volatility_models_find_what_arch_finds() {
    let Some(data) = shared("data", "volatility models") else { return };
    let spec = Spec::new(Volatility::Garch, Family::Student);
    for (name, prices, expected) in coins(&data) {
        let logs = returns::logarithmic(&prices).expect("more than one row");
        let percent: Vec<f64> = logs.columns()[0].iter().map(|r| 100.0 * r).collect();
        let last = &percent[percent.len().saturating_sub(252)..];
        for (what, returns, expected) in [
            (name.clone(), &percent[..], &expected["garch"]),
            (format!("{name} last 252"), last, &expected["last252"]["garch"]),
        ] {
            let found = fit(returns, spec).expect("can be fitted");
            let best = expected["loglik"].as_f64().expect("a number");
            let short = best - found.log_likelihood;
            // arch's own starts differ by up to 1e-4 where the surface is flat
            assert!(short < 1e-3, "{what}: {} against {best}", found.log_likelihood);
            if short.abs() < 1e-4 && expected["persistence"].as_f64().is_some_and(|p| p < 0.999) {
                close(&what, found.next_variance.sqrt(), &expected["next_sigma"], 2e-3);
            }
        }
    }
}

#[test]
fn a_venues_own_option_marks_are_met() {
    let Some(data) = shared("data", "option marks") else { return };
    let file = std::fs::File::open(data.join("multi-venue-ws/DERIBIT.ws.1.0.gz")).expect("there");
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).expect("gzipped text");
    let reference = json(&data.join("expected_shared.json"));
    let rows = &reference["multi-venue-ws/DERIBIT option marks vs Black-76"]["rows"];
    let mut checked = 0;
    for line in text.lines() {
        let Some((_, message)) = line.split_once(": ") else { continue };
        let Ok(message) = serde_json::from_str::<Value>(message) else { continue };
        let ticker = &message["params"]["data"];
        let number = |key: &str| ticker[key].as_f64();
        let Some(volatility) = number("mark_iv") else { continue };
        let name = ticker["instrument_name"].as_str().expect("a name");
        let Some(row) = rows.get(name) else { continue };
        let expiry_years = row["T_years"].as_f64().expect("a number");
        let option = Black {
            forward: number("underlying_price").expect("a number"),
            strike: row["K"].as_f64().expect("a number"),
            volatility: volatility / 100.0,
            years: expiry_years,
            rate: 0.0,
            right: if row["type"] == "call" { Right::Call } else { Right::Put },
        };
        let greeks = option.greeks();
        let delta = ticker["greeks"]["delta"].as_f64().expect("a number");
        assert!((greeks.delta - delta).abs() < 5e-4, "{name}: delta {} {delta}", greeks.delta);
        if delta.abs() > 0.5 {
            // the venue marks with a forward that its ticker shows late: inside the money that
            // is more than the volatility's tick
            continue;
        }
        // half a unit of the mark's last digit, half a tick of the volatility (0.01 %) times vega, and
        // a forward that is half a basis point late times delta
        let half_tick = 0.5e-4 * (greeks.vega / option.forward + delta.abs());
        let mark = number("mark_price").expect("a number");
        let ours = option.value() / option.forward;
        assert!((ours - mark).abs() <= 0.5e-6 + half_tick, "{name}: {ours} against {mark}");
        checked += 1;
    }
    for (name, row) in rows.as_object().expect("rows by name") {
        let number = |key: &str| row[key].as_f64().expect("a number");
        let option = Black {
            forward: number("F"),
            strike: number("K"),
            volatility: number("mark_iv_pct") / 100.0,
            years: number("T_years"),
            rate: 0.0,
            right: if row["type"] == "call" { Right::Call } else { Right::Put },
        };
        let greeks = option.greeks();
        close(name, option.value() / option.forward, &row["black76_coin"], 1e-9);
        close(name, greeks.delta, &row["black76_delta"], 1e-9);
        close(name, greeks.gamma, &row["black76_gamma"], 1e-9);
        close(name, greeks.vega / 100.0, &row["black76_vega_per_1pct"], 1e-9);
        close(name, greeks.theta / 365.0, &row["black76_theta_per_day"], 1e-9);
    }
    assert!(checked >= 20, "only {checked} marks were compared");
}
