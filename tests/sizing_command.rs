//! `bot4 size`, `budget`, `drawdown`, `attribute`, `fit dcc|copula|factors`, `cov --breaks` and `measure
//! --bootstrap` as a user meets them: figures recomputed here the slow way, and wrong input.

mod bot4_process;

use bot4_process::{Ended, Folder};
use serde_json::Value;

fn json(args: &[&str]) -> Value {
    let output = Ended::of(&[args, &["--json"]].concat());
    assert_eq!(output.code, Some(0), "{args:?}: {}", output.errors);
    output.json()
}

fn refused(args: &[&str], parts: &[&str]) {
    let output = Ended::of(args);
    let words = &output.errors;
    assert!(matches!(output.code, Some(1 | 2)) && output.out.is_empty(), "{args:?}: {output:?}");
    assert!(parts.iter().all(|part| words.contains(part)), "{args:?}: {words}");
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number, not {value}"))
}

fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a} is not {b}");
}

/// Simple returns of three assets over 600 days, and their text as a file of returns.
fn returns() -> (Vec<Vec<f64>>, String) {
    let mut state = 77_u32;
    let mut noise = || {
        let mut uniform = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 24)
        };
        (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    };
    let mut text = "date,A,B,C\n".to_owned();
    let mut columns = vec![Vec::new(); 3];
    for day in 0..600_i64 {
        let market = noise();
        let row = [0.3, 0.8, 1.4].map(|beta| 0.0008 + 0.008 * (beta * market + noise()));
        columns.iter_mut().zip(row).for_each(|(column, r)| column.push(r));
        let date = 1_500_000_000 + (day + 2 * (day / 5)) * 86_400;
        text.push_str(&format!("{date},{},{},{}\n", row[0], row[1], row[2]));
    }
    (columns, text)
}

fn written() -> (Vec<Vec<f64>>, Folder, String) {
    let (columns, text) = returns();
    let folder = Folder::new();
    let path = folder.file("returns.csv", &text);
    (columns, folder, path)
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn covariance(x: &[f64], y: &[f64]) -> f64 {
    let (mx, my) = (mean(x), mean(y));
    x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / (x.len() - 1) as f64
}

#[test]
fn sizes_are_the_formulas() {
    let (columns, _folder, path) = written();
    let plain = ["size", "--returns", &path, "--calendar", "252"];
    let args = [&plain[..], &["--weights", "A=0.5,C=0.5", "--capital", "50000"]].concat();
    let found = json(&[&args[..], &["--regime", "bull"]].concat());
    assert_eq!(found["tier"], "acceleration");
    let position = &found["positions"][1];
    // B beside half of A and half of C over the newest thirty rows
    let rest: Vec<f64> = (570..600).map(|t| 0.5 * columns[0][t] + 0.5 * columns[2][t]).collect();
    let own = &columns[1][570..];
    let rho = covariance(own, &rest) / (covariance(own, own) * covariance(&rest, &rest)).sqrt();
    near(number(&position["correlation"]), rho);
    let wins: Vec<f64> = columns[1].iter().copied().filter(|r| *r > 0.0).collect();
    let losses: Vec<f64> = columns[1].iter().copied().filter(|r| *r < 0.0).collect();
    let p = wins.len() as f64 / 600.0;
    let b = mean(&wins) / -mean(&losses);
    let full = (p * b - (1.0 - p)) / b;
    near(number(&position["kelly"]["full"]), full);
    let size = (0.25 * full * (1.0 - rho * rho).sqrt()).clamp(0.005, 0.25);
    let wanted = if rho > 0.7 { 0.0 } else { size };
    near(number(&position["kelly"]["size"]), wanted);
    let by = |rule: &str| {
        let sizes = position["sizes"].as_array().expect("sizes");
        number(&sizes.iter().find(|s| s["rule"] == rule).expect("the rule is there")["size"])
    };
    near(by("fixed-fractional"), 1.0);
    near(by("regime"), 0.5);
    near(by("tier"), 0.15);
    near(by("volatility"), 0.2 / (covariance(&columns[1], &columns[1]) * 252.0).sqrt());
    // the smallest binds, and the least leverage does
    let sizes = position["sizes"].as_array().expect("sizes").iter();
    near(number(&position["size"]), sizes.map(|s| number(&s["size"])).fold(f64::MAX, f64::min));
    let caps = found["leverage"]["caps"].as_array().expect("caps").iter();
    let least = caps.map(|cap| number(&cap["leverage"])).fold(f64::MAX, f64::min);
    near(number(&found["leverage"]["leverage"]), least);
    let none = json(&[&plain[..], &["--regime", "black-swan"]].concat());
    near(number(&none["leverage"]["leverage"]), 0.0);
    near(number(&none["positions"][0]["size"]), 0.0);
}

#[test]
fn bets_are_read_and_wrong_ones_named() {
    let (_, folder, path) = written();
    let mut text = "symbol,result\n".to_owned();
    for k in 0..40 {
        for asset in ["A", "B", "C"] {
            text.push_str(&format!("{asset},{}\n", if k % 5 < 3 { 1.5 } else { -1.0 }));
        }
    }
    let bets = folder.file("bets.csv", &text);
    let found = json(&["size", "--returns", &path, "--trades", &bets]);
    let position = &found["positions"][0];
    near(number(&position["evidence"]["win_rate"]), 0.6);
    near(number(&position["kelly"]["full"]), 1.0 / 3.0);
    let few = folder.file("few.csv", "symbol,result\nA,1\nB,-1\nC,2\n");
    let found = json(&["size", "--returns", &path, "--trades", &few]);
    assert_eq!(found["positions"][0]["kelly"]["reason"], "few-trades");
    assert_eq!(found["positions"][1]["kelly"]["reason"], "no-edge");
    let size = ["size", "--returns", &path];
    let with = |flag: &[&str], parts: &[&str]| refused(&[&size[..], flag].concat(), parts);
    let broken = folder.file("broken.csv", "symbol,result\nA,1\nB,x\n");
    with(&["--trades", &broken], &["line 3", "`x` is no result"]);
    let none = folder.file("none.csv", "symbol,result\nA,1\nB,1\n");
    let none = json(&["size", "--returns", &path, "--trades", &none]);
    assert_eq!(none["positions"][2]["kelly"]["reason"], "few-trades");
    let lucky: String = (0..40).map(|_| "A,1\n").collect();
    let lucky = folder.file("lucky.csv", &format!("symbol,result\n{lucky}"));
    let lucky = json(&["size", "--returns", &path, "--trades", &lucky]);
    assert_eq!(lucky["positions"][0]["kelly"]["reason"], "no-losses");
    let heading = folder.file("heading.csv", "name,result\nA,1\n");
    with(&["--trades", &heading], &["no column `symbol`"]);
    with(&["--trades", "missing.csv"], &["missing.csv"]);
    with(&["--weights", "Z=1"], &["no asset `Z`; there are A, B, C"]);
    with(&["--regime", "calm"], &["no `calm`", "bull"]);
    with(&["--regime", "bull=0.5,bear=0.4"], &["add up to 0.9"]);
    with(&["--stop", "0"], &["--stop 0"]);
    with(&["--stop", "0.5"], &["at most 0.04"]);
    with(&["--margin", "0.1"], &["0.1:0.05"]);
    with(&["--capital", "-5"], &["--capital -5"]);
    with(&["--target-volatility", "nan"], &["--target-volatility NaN"]);
}

#[test]
fn budgets_add_up_and_are_over_where_they_are() {
    let (columns, folder, path) = written();
    let weights = folder.file("w.json", r#"{"weights": {"A": 0.2, "B": 0.3, "C": 0.5}}"#);
    let args = ["budget", "--returns", &path, "--calendar", "252", "--weights", &weights];
    let found = json(&[&args[..], &["--group", "both=A+C=0.4"]].concat());
    let book: Vec<f64> =
        (0..600).map(|t| 0.2 * columns[0][t] + 0.3 * columns[1][t] + 0.5 * columns[2][t]).collect();
    let assets = found["assets"].as_array().expect("assets");
    let sum: f64 = assets.iter().map(|a| number(&a["used"])).sum();
    near(sum, 1.0);
    let refused_with = |flag: &[&str], parts: &[&str]| refused(&[&args[..], flag].concat(), parts);
    refused_with(&["--risk-budgets", "A=0.5"], &["names no share of `B`"]);
    refused_with(&["--risk-budgets", "A=-1,B=1,C=1"], &["A=-1"]);
    let tail =
        ["budget", "--returns", &path, "--weights", "B=1", "--of", "tail", "--factor", "A=0.3"];
    refused(&tail, &["--factor divides variance"]);
    near(
        number(&assets[2]["used"]),
        0.5 * covariance(&columns[2], &book) / covariance(&book, &book),
    );
    assert_eq!(found["groups"][0]["state"], "over");
    assert_eq!(found["is_over"], true);
    near(number(&found["whole"][0]["used"]), (covariance(&book, &book) * 252.0).sqrt());
    let tail = json(&[&args[..], &["--of", "tail", "--level", "0.9"]].concat());
    let mut order: Vec<usize> = (0..600).collect();
    order.sort_by(|&i, &j| book[i].total_cmp(&book[j]));
    // the quantile of 10 % of 600 lies between the 60th and 61st: sixty rows are at or below
    let worst: f64 = order[..60].iter().map(|&t| 0.5 * columns[2][t]).sum();
    let all: f64 = order[..60].iter().map(|&t| book[t]).sum();
    near(number(&tail["assets"][2]["used"]), worst / all);
    let factors = json(&["budget", "--returns", &path, "--weights", "B=1", "--factor", "A=0.3"]);
    let shares: f64 =
        factors["factors"].as_array().expect("two").iter().map(|f| number(&f["used"])).sum();
    near(shares, 1.0);
    refused(&["budget", "--returns", &path], &["--weights"]);
    refused(&["budget", "--returns", &path, "--weights", "A=0"], &["nothing is held"]);
    refused(&["budget", "--returns", &path, "--weights", "A=1,A=2"], &["`A` twice"]);
    refused(&["budget", "--returns", &path, "--weights", "x.json"], &["x.json"]);
}

#[test]
fn drawdown_is_controlled_and_pictured() {
    let (columns, folder, path) = written();
    let page = format!("{}/page.html", folder.path());
    let page = page.as_str();
    let args = ["drawdown", "--returns", &path, "--column", "C", "--reduce", "0.02"];
    let args =
        [&args[..], &["--preserve", "0.04", "--halt", "0.06", "--resume-after", "5"]].concat();
    let found = json(&[&args[..], &["--report", page]].concat());
    let deepest = |m: &Value| number(&m["max_drawdown"]);
    assert!(deepest(&found["after"]) > deepest(&found["before"]));
    let mut wealth = 1.0_f64;
    let (mut peak, mut fall) = (1.0_f64, 0.0_f64);
    for r in &columns[2] {
        wealth *= 1.0 + r;
        peak = peak.max(wealth);
        fall = fall.min(wealth / peak - 1.0);
    }
    near(deepest(&found["before"]), fall);
    let changes = found["changes"].as_array().expect("changes");
    assert!(
        changes.iter().any(|c| c["to"] == "halted")
            && changes.iter().any(|c| c["from"] == "halted")
    );
    let html = std::fs::read_to_string(page).expect("written");
    assert!(html.contains("<svg") && html.contains("Size held"));
    refused(&["drawdown", "--returns", &path], &["several columns (A, B, C)"]);
    let order = ["drawdown", "--returns", &path, "--column", "C", "--halt", "0.01"];
    refused(&order, &["each must be above the one before"]);
    refused(&["drawdown", "--returns", &path, "--column", "Z"], &["no column `Z`"]);
}

#[test]
fn attribution_adds_up() {
    let (columns, folder, path) = written();
    let args = ["attribute", "--returns", &path, "--weights", "A=0.5,B=0.3"];
    let found = json(&[&args[..], &["--benchmark", "equal", "--group", "ab=A+B"]].concat());
    let sum: f64 = found["assets"]
        .as_array()
        .expect("assets")
        .iter()
        .map(|a| number(&a["contribution"]))
        .sum();
    let grown = |k: usize| columns[k].iter().map(|r| 1.0 + r).product::<f64>();
    let wanted = 0.5 * grown(0) + 0.3 * grown(1) + 0.2 - 1.0;
    near(number(&found["return"]), wanted);
    near(sum, wanted);
    let effects: f64 = found["brinson"]
        .as_array()
        .expect("groups")
        .iter()
        .flat_map(|g| ["allocation", "selection", "interaction"].map(|k| number(&g[k])))
        .sum();
    near(effects, wanted - number(&found["benchmark_return"]));
    let plan = folder.file("plan.csv", "date,A,C\n2017-07-01,0.5,0.5\n2018-03-01,0.0,1.0\n");
    let planned = json(&["attribute", "--returns", &path, "--weights-file", &plan]);
    assert_eq!(planned["rebalances"], 2);
    assert!(number(&planned["turnover"]) > 0.0);
    let late = folder.file("late.csv", "date,A\n2018-03-01,1.0\n");
    let by_file = |file: &str, parts: &[&str]| {
        refused(&["attribute", "--returns", &path, "--weights-file", file], parts);
    };
    by_file(&late, &["2018-03-01", "give weights dated before it"]);
    let hole = folder.file("hole.csv", "date,A,B\n2017-07-01,0.5,\n2017-08-01,0.5,0.5\n");
    by_file(&hole, &["`B` has no weight"]);
    refused(&["attribute", "--returns", &path], &["say what is held"]);
    let twice = [&args[..], &["--group", "x=A", "--group", "y=A+B"]].concat();
    refused(&twice, &["`A` stands in two groups"]);
    let ruin = ["attribute", "--returns", &path, "--weights", "A=200", "--constant"];
    refused(&ruin, &["nothing is left"]);
}

#[test]
fn dependence_is_fitted() {
    let (columns, folder, path) = written();
    let paths = format!("{}/paths.csv", folder.path());
    let paths = paths.as_str();
    let dcc = ["fit", "dcc", "--returns", &path, "--pair", "A/C", "--paths", paths];
    let found = json(&dcc);
    assert!(number(&found["a"]) >= 0.0 && number(&found["a"]) + number(&found["b"]) < 1.0);
    let csv = std::fs::read_to_string(paths).expect("written");
    assert!(csv.starts_with("date,A/C\n") && csv.lines().count() == 601);
    refused(&["fit", "dcc", "--returns", &path, "--assets", "A"], &["at least 2 assets"]);
    refused(&["fit", "dcc", "--returns", &path, "--pair", "A-C", "--paths", paths], &["write A/B"]);
    json(&["fit", "copula", "--returns", &path, "--filtered"]);
    let copula = json(&["fit", "copula", "--returns", &path]);
    assert!(number(&copula["loglik"]) >= number(&copula["loglik_normal"]) - 1.0);
    near(number(&copula["dependence"][0][0]), 1.0);
    let factors = json(&["fit", "factors", "--returns", &path, "--factor", "A"]);
    let slope = covariance(&columns[2], &columns[0]) / covariance(&columns[0], &columns[0]);
    near(number(&factors["assets"][1]["slopes"][0]["slope"]), slope);
    let components = json(&["fit", "factors", "--returns", &path, "--count", "1"]);
    let sum: f64 = components["eigenvalues"].as_array().expect("three").iter().map(number).sum();
    near(sum, 3.0);
    let moving = json(&["fit", "factors", "--returns", &path, "--factor", "A", "--dynamic"]);
    assert!(number(&moving["assets"][0]["loglik_gain"]) >= -1e-6);
    refused(&["fit", "factors", "--returns", &path, "--count", "9"], &["at most 2"]);
    let latent = ["fit", "factors", "--returns", &path, "--dynamic", "--count"];
    refused(&[&latent[..], &["2"]].concat(), &["2 factors of 3 assets cannot be told apart"]);
    refused(&["fit", "factors", "--returns", &path, "--factor", "Z"], &["no asset `Z`"]);
    let all = ["fit", "factors", "--returns", &path, "--factor", "A,B,C"];
    refused(&all, &["every column is a factor"]);
    let broken = json(&["cov", "--returns", &path, "--breaks", "100"]);
    let pairs = broken["breaks"]["pairs"].as_array().expect("pairs");
    assert_eq!(pairs.len(), 3);
    for pair in pairs {
        let p = number(&pair["fluctuation_p"]);
        assert!(
            (0.0..=1.0).contains(&p)
                && number(&pair["corrected_p"]) >= p.min(number(&pair["shift_p"]))
        );
    }
    refused(&["cov", "--returns", &path, "--breaks", "500"], &["500 of 600 rows: give 20 to 300"]);
    let page = format!("{}/cov.html", folder.path());
    let page = page.as_str();
    json(&["cov", "--returns", &path, "--breaks", "100", "--report", page]);
    assert!(std::fs::read_to_string(page).expect("written").matches("<svg").count() == 3);
    for estimator in ["dcc", "factors"] {
        json(&["optimize", "min-variance", "--returns", &path, "--covariance", estimator]);
    }
}

#[test]
fn measures_have_error_bars_and_deflation() {
    let (_, _folder, path) = written();
    let args = ["measure", "--returns", &path, "--bootstrap", "200", "--trials", "40"];
    let found = json(&args);
    let (bars, measures) = (&found["error_bars"]["A"], &found["measures"]["A"]);
    for name in ["cagr", "volatility", "sharpe", "sortino", "omega"] {
        let value = number(&measures[name]);
        let (low, high) = (number(&bars[name]["low"]), number(&bars[name]["high"]));
        assert!(low < value && value < high, "{name}: {low} {value} {high}");
    }
    let deflated = number(&measures["deflated_sharpe"]);
    assert!(deflated < number(&measures["probabilistic_sharpe"]));
    assert_eq!(json(&args)["error_bars"], found["error_bars"], "a seed gives the same resamples");
    assert!(json(&["measure", "--returns", &path])["error_bars"].is_null());
    let measure = ["measure", "--returns", &path];
    refused(&[&measure[..], &["--bootstrap", "5"]].concat(), &["give 100 to"]);
    refused(&[&measure[..], &["--trials", "0"]].concat(), &["--trials 0"]);
    refused(&[&measure[..], &["--block", "5"]].concat(), &["--bootstrap"]);
}

#[test]
fn shorts_are_sized_as_shorts() {
    let (columns, folder, path) = written();
    let held = json(&["size", "--returns", &path, "--weights", "A=-1,B=0.5,C=0.5"]);
    let turned: Vec<f64> = columns[0].iter().map(|r| -r).collect();
    let mut text = "date,A,B,C\n".to_owned();
    for (day, own) in turned.iter().enumerate() {
        let date = 1_500_000_000 + (day + 2 * (day / 5)) * 86_400;
        text.push_str(&format!("{date},{own},{},{}\n", columns[1][day], columns[2][day]));
    }
    let mirrored = folder.file("mirrored.csv", &text);
    let long = json(&["size", "--returns", &mirrored, "--weights", "A=1,B=0.5,C=0.5"]);
    let (short, long) = (&held["positions"][0], &long["positions"][0]);
    assert_eq!(short["side"], "short");
    for key in ["correlation", "size"] {
        near(number(&short[key]), number(&long[key]));
    }
    near(number(&short["kelly"]["full"]), number(&long["kelly"]["full"]));
}

#[test]
fn splits_and_dividends_are_taken_out() {
    let folder = Folder::new();
    let mut text = "date,A\n".to_owned();
    let mut plain = "date,A\n".to_owned();
    for day in 0..40 {
        let price = 100.0 + f64::from((day * 7) % 11);
        // two for one on the twentieth day
        let seen = if day >= 20 { price / 2.0 } else { price };
        let date = format!("2024-{:02}-{:02}", 1 + day / 28, 1 + day % 28);
        text.push_str(&format!("{date},{seen}\n"));
        plain.push_str(&format!("{date},{price}\n"));
    }
    let (split, plain) = (folder.file("split.csv", &text), folder.file("plain.csv", &plain));
    let actions = folder.file("actions.csv", "date,symbol,action,value\n2024-01-21,A,split,2\n");
    let found = json(&["measure", "--prices", &split, "--actions", &actions]);
    let wanted = json(&["measure", "--prices", &plain]);
    near(number(&found["measures"]["A"]["cagr"]), number(&wanted["measures"]["A"]["cagr"]));
    assert_eq!(found["repairs"]["adjusted"], 1);
    assert!(json(&["measure", "--prices", &split])["measures"] != wanted["measures"]);
    let wrong = folder.file("wrong.csv", "date,symbol,action,value\n2024-01-21,B,split,2\n");
    refused(&["measure", "--prices", &split, "--actions", &wrong], &["no action of any symbol"]);
    refused(&["measure", "--returns", &split, "--actions", &actions], &["not returns"]);
}

#[test]
fn volume_bounds_trades() {
    let (_, _folder, path) = written();
    let args = ["optimize", "min-variance", "--returns", &path, "--previous", "equal"];
    let free = json(&args);
    let volume = ["--volume", "A=1e5,B=1e5", "--capital", "1e6"];
    let bound = json(&[&args[..], &volume].concat());
    for asset in ["A", "B"] {
        let moved = (number(&bound["weights"][asset]) - 1.0 / 3.0).abs();
        assert!(moved < 0.01 + 1e-9, "{asset}: {moved}");
        assert!((number(&free["weights"][asset]) - 1.0 / 3.0).abs() > 0.01);
    }
    let out = [&args[..], &volume, &["--bound", "A=0.5:0.6"]].concat();
    refused(&out, &["`A` can only be traded to a weight between 0.323333 and 0.343333"]);
    let doubted = ["optimize", "kelly", "--returns", &path, "--budget", "2"];
    let (sure, unsure) = (json(&doubted), json(&[&doubted[..], &["--mean-doubt", "1"]].concat()));
    assert!(number(&unsure["volatility"]) < number(&sure["volatility"]));
    assert_eq!(unsure["objective_name"], "growth_after_doubt");
}

#[test]
fn views_come_from_a_model_and_budgets_from_groups() {
    let (_, _folder, path) = written();
    let args = ["optimize", "black-litterman", "--returns", &path];
    let found = json(&[&args[..], &["--view-trend", "60"]].concat());
    let sum: f64 = ["A", "B", "C"].iter().map(|a| number(&found["weights"][a])).sum();
    near(sum, 1.0);
    refused(&[&args[..], &["--view-trend", "0"]].concat(), &["--view-trend 0"]);
    refused(&args, &["--view-trend ROWS"]);
    refused(
        &[&args[..], &["--view", "A = 0.01 +- x"]].concat(),
        &["an error is no negative number"],
    );
    let parity = ["optimize", "risk-parity", "--returns", &path];
    let grouped =
        json(&[&parity[..], &["--group-budget", "ab=A+B=0.4", "--risk-budgets", "C=0.6"]].concat());
    near(number(&grouped["risk_contributions"]["A"]), 0.2);
    near(number(&grouped["risk_contributions"]["C"]), 0.6);
    let twice =
        [&parity[..], &["--group-budget", "ab=A+B=0.4", "--risk-budgets", "A=0.6"]].concat();
    refused(&twice, &["`A` has a share already"]);
    let lacking = [&parity[..], &["--group-budget", "ab=A+B=0.4"]].concat();
    refused(&lacking, &["names no share of `C`"]);
}
