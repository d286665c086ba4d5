//! `bot4 optimize`, `fit`, `measure` and `bench portfolio` as a user meets them: every method, wrong files,
//! wrong arguments, limits that conflict.

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

/// Prices of four assets over 300 weekdays.
fn prices() -> String {
    let mut text = "date,A,B,C,D\n".to_owned();
    let mut state = 77_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) - 0.5
    };
    let mut prices = [100.0_f64; 4];
    for day in 0..300_i64 {
        let market = noise();
        for (i, price) in prices.iter_mut().enumerate() {
            *price *= 1.0 + 0.0004 * i as f64 + 0.02 * market + 0.01 * (1 + i) as f64 * noise();
        }
        let [a, b, c, d] = prices;
        let date = 1_600_000_000 + (day + 2 * (day / 5)) * 86_400;
        text.push_str(&format!("{date},{a},{b},{c},{d}\n"));
    }
    text
}

const METHODS: [&str; 14] = [
    "equal",
    "inverse-volatility",
    "min-variance",
    "mean-variance",
    "max-sharpe",
    "max-diversification",
    "min-correlation",
    "risk-parity",
    "hrp",
    "herc",
    "nco",
    "black-litterman",
    "kelly",
    "min-cvar",
];

#[test]
fn every_method_gives_whole_weights() {
    let folder = Folder::new();
    let file = folder.file("prices.csv", &prices());
    for method in METHODS {
        let mut args = vec!["optimize", method, "--prices", &file];
        if method == "black-litterman" {
            args.extend(["--view", "D - A = 0.001 @ 0.5"]);
        }
        let found = json(&args);
        let weights = found["weights"].as_object().expect("by asset");
        let sum: f64 = weights.values().map(|w| w.as_f64().expect("a number")).sum();
        assert!((sum - 1.0).abs() < 1e-9 && weights.len() == 4, "{method}: {found}");
        assert_eq!(found["status"], "optimal", "{method}");
        assert!(found["cpu_ms"].as_f64().is_some_and(|ms| ms > 0.0 && ms < 1e4), "{method}");
        assert!(found["objective"].as_f64().is_some(), "{method}");
        if let Some(proof) = found["certificate"].as_object() {
            let gap = proof["gap"].as_f64().expect("a number");
            let primal = proof["primal"].as_f64().expect("a number");
            assert!(gap.abs() < 1e-8 * primal.abs().max(1e-4), "{method}: {found}");
        }
        assert_eq!(found["observations"], 299);
        let text = Ended::of(&args);
        assert!(text.out.contains("weight") && text.code == Some(0), "{method}");
    }
    for estimator in ["ewma", "ledoit-wolf", "oas", "nonlinear", "denoise", "gerber"] {
        let found =
            json(&["optimize", "min-variance", "--prices", &file, "--covariance", estimator]);
        assert_eq!(found["covariance"], estimator);
    }
    let last = json(&["optimize", "equal", "--prices", &file, "--last", "100", "--assets", "A,C"]);
    assert_eq!(
        (&last["observations"], last["weights"].as_object().map(|w| w.len())),
        (&100.into(), Some(2))
    );
}

#[test]
fn any_convex_risk_is_made_least_capped_and_divided_by() {
    let folder = Folder::new();
    let prices = folder.file("prices.csv", &prices());
    let ask = |way: &[&str]| {
        let found = json(&[&["optimize"], way, &["--prices", &prices]].concat());
        let weights = found["weights"].as_object().expect("weights").values();
        let sum: f64 = weights.map(|w| w.as_f64().expect("a number")).sum();
        assert!((sum - 1.0).abs() < 1e-7, "{way:?}: {sum}");
        let gap = found["certificate"]["gap"].as_f64().expect("proven");
        assert!(gap < 1e-7, "{way:?}: {gap}");
        found["objective"].as_f64().expect("a number")
    };
    for risk in [
        "deviation",
        "semi-deviation",
        "mad",
        "lpm",
        "cvar",
        "evar",
        "worst",
        "cdar",
        "max-drawdown",
        "average-drawdown",
        "ulcer",
        "robust-cvar",
    ] {
        let least = ask(&["min-risk", "--risk", risk]);
        assert!(least > 0.0, "{risk}");
        ask(&["max-ratio", "--risk", risk]);
        // a cap a little above the least can be kept, one below cannot
        let cap = |share: f64| format!("{risk}={}", share * least);
        ask(&["max-return", "--risk-max", &cap(1.1)]);
        let way = ["optimize", "max-return", "--prices", &prices, "--risk-max", &cap(0.9)];
        refused(&way, &["cannot be kept", "leave at least"]);
    }
    let plain = ask(&["min-cvar"]);
    assert!((plain / ask(&["min-risk", "--risk", "cvar"]) - 1.0).abs() < 1e-7);
    for way in [
        &["max-sortino"][..],
        &["max-omega"],
        &["risk-parity", "--risk", "cvar"],
        &["min-cvar", "--reward", "1", "--previous", "equal", "--cost", "0.001", "--impact", "0.1"],
        &["max-sharpe", "--long-short", "--leverage", "1.5"],
        &["max-return", "--track", "equal", "--tracking-max", "0.002"],
        &["max-ratio", "--risk", "deviation", "--mean-doubt", "0.1"],
    ] {
        ask(way);
    }
    let file = ["--prices", &prices];
    let no = |way: &[&str], parts: &[&str]| refused(&[&["optimize"], way, &file].concat(), parts);
    no(&["hrp", "--risk-max", "cvar=0.1"], &["hrp", "--risk-max", "max-return"]);
    no(&["max-return", "--risk-max", "magic=0.1"], &["magic=0.1", "ulcer"]);
    no(&["max-return", "--risk-max", "cvar=much"], &["cvar=much"]);
    no(&["min-risk", "--level", "1.5"], &["level of 1.5"]);
    no(&["min-risk", "--risk", "robust-cvar", "--radius", "-1"], &["radius of -1"]);
    no(&["max-return", "--track", "Z=1", "--tracking-max", "0.1"], &["no asset `Z`"]);
    no(&["max-return", "--mean-doubt", "nan"], &["--mean-doubt NaN"]);
    no(&["kelly", "--drawdown-floor", "0.7"], &["--drawdown-chance"]);
    // what a method does not read, and limits that a ratio cannot keep
    no(&["min-variance", "--risk", "cvar"], &["min-variance does not read --risk"]);
    no(&["max-sharpe", "--reward", "3"], &["does not read --reward"]);
    no(&["max-omega", "--target", "0.001"], &["does not read --target"]);
    no(&["min-risk", "--mean-doubt", "2"], &["doubt", "target return"]);
    no(&["max-ratio", "--lower", "0.5"], &["every asset at least 0.5", "add up to 1"]);
    no(&["max-ratio", "--risk-max", "cvar=0.00001"], &["cvar at most 0.00001 cannot be kept"]);
    let limit = ["--drawdown-floor", "0.7", "--drawdown-chance", "0.1", "--fraction", "2"];
    no(&[&["kelly"], &limit[..]].concat(), &["a fraction of at most 1"]);
    // the deviation is that of the covariance asked for
    let way = ["optimize", "min-risk", "--risk", "deviation", "--covariance", "ewma"];
    let found = json(&[&way[..], &file].concat());
    let number = |value: &Value| value.as_f64().expect("a number");
    let apart = number(&found["objective"]) - number(&found["volatility"]);
    assert!(apart.abs() < 1e-12, "{apart}");
}

#[test]
fn limits_are_kept_or_named() {
    let folder = Folder::new();
    let file = folder.file("prices.csv", &prices());
    let with =
        |more: &[&'static str]| [&["optimize", "min-variance", "--prices", &file], more].concat();
    let weight = |found: &Value, asset: &str| found["weights"][asset].as_f64().expect("a number");
    let found = json(&with(&["--bound", "D=0.2:", "--group", "ab=A+B=:0.5", "--upper", "0.4"]));
    assert!(weight(&found, "D") > 0.2 - 1e-9 && weight(&found, "A") < 0.4 + 1e-9);
    assert!(weight(&found, "A") + weight(&found, "B") < 0.5 + 1e-9);
    let found = json(&with(&["--previous", "equal", "--turnover", "0.1"]));
    let moved: f64 = ["A", "B", "C", "D"].iter().map(|a| (weight(&found, a) - 0.25).abs()).sum();
    assert!((moved - 0.1).abs() < 1e-6, "{found}");
    refused(&with(&["--upper", "0.2"]), &["add up to 1", "every asset at most 0.2"]);
    refused(
        &with(&["--group", "ab=A+B=0.9:", "--bound", "A=:0.1", "--bound", "B=:0.1"]),
        &["group `ab` at least 0.9", "`A`, `B` at most 0.1"],
    );
    refused(&with(&["--bound", "A=0.3:0.2"]), &["`A` at least 0.3", "`A` at most 0.2"]);
    refused(&with(&["--bound", "X=0.2:"]), &["`X`", "A, B, C, D"]);
    refused(&with(&["--group", "ab=A+B"]), &["--group ab=A+B", "tech="]);
    refused(&with(&["--bound", "A=0.2"]), &["0.1:0.3"]);
    refused(&with(&["--upper", "nan"]), &["--upper NaN"]);
    refused(&with(&["--turnover", "0.1"]), &["--previous"]);
    let other =
        |method, more: &[&'static str]| [&["optimize", method, "--prices", &file], more].concat();
    refused(&other("hrp", &["--upper", "0.2"]), &["hrp takes no constraints"]);
    refused(&other("max-diversification", &["--leverage", "2"]), &["max-diversification takes"]);
    refused(&other("max-sharpe", &["--risk-free", "0.5"]), &["0.5", "no maximum"]);
    refused(&other("black-litterman", &[]), &["--view"]);
    refused(&other("black-litterman", &["--view", "A - X = 0.1"]), &["`X`", "A, B, C, D"]);
    refused(&other("black-litterman", &["--views", "/no/such"]), &["/no/such"]);
    refused(&other("min-cvar", &["--level", "95"]), &["level of 95"]);
    refused(&other("min-cvar", &["--level", "0.999"]), &["299 scenarios are too few"]);
    refused(&other("risk-parity", &["--risk-budgets", "A=1"]), &["`B`"]);
    refused(&other("herc", &["--clusters", "9"]), &["9 clusters of 4"]);
    refused(&other("mean-variance", &["--risk-aversion", "-1"]), &["--risk-aversion -1"]);
    refused(&["optimize", "nosuch", "--prices", &file], &["nosuch", "min-variance"]);
    refused(&["optimize", "min-variance"], &["no history"]);
}

#[test]
fn factors_explain_what_their_budgets_say() {
    let folder = Folder::new();
    let file = folder.file("prices.csv", &prices());
    let base = ["optimize", "risk-parity", "--prices", &file, "--lower", "-9"];
    for budgets in ["D=1", "C=0.7,D=0.3", "pc1=0.8,pc2=0.2", "pc1=0.9,pc2=-0.1"] {
        let found = json(&[&base[..], &["--factor-budget", budgets]].concat());
        let is_column = !budgets.starts_with("pc");
        let factors = found["factors"].as_object().expect("by name");
        let assets = found["weights"].as_object().expect("by asset").len();
        assert_eq!(assets, if is_column { 4 - factors.len() } else { 4 }, "{budgets}: {found}");
        let number = |of: &Value| of.as_f64().expect("a number");
        let explained: f64 = factors.values().map(|of| number(&of["of_variance"])).sum();
        for (name, of) in factors {
            let budget = number(&of["budget"]);
            let share = number(&of["of_variance"]) / explained;
            assert!((share - budget.abs()).abs() < 1e-8, "{budgets} {name}: {found}");
            assert!((number(&of["exposure"]) < 0.0) == (budget < 0.0), "{budgets}: {found}");
        }
        // what `bot4 budget` counts of the same book by its own regression
        if is_column {
            let weights = folder.file("weights.json", &found.to_string());
            let book = ["budget", "--prices", &file, "--weights", &weights, "--factor", budgets];
            let used = json(&book);
            for counted in used["factors"].as_array().expect("a list") {
                let name = counted["name"].as_str().expect("a name");
                if let Some(own) = factors.get(name) {
                    let apart = number(&counted["used"]) - number(&own["of_variance"]);
                    assert!(apart.abs() < 1e-9, "{name}: {used} {found}");
                }
            }
        }
    }
    for (given, parts) in [
        ("E=1", &["--factor-budget", "no column `E`", "pc1 to pc4"][..]),
        ("pc1=0.5,D=0.5", &["not both"]),
        ("pc9=1", &["pc9"]),
        ("D=0", &["`D`", "not 0"]),
        ("A=1,B=1,C=1,D=1", &["no asset is left"]),
        ("A=1,B=1,C=1", &["3 factors of 1 assets"]),
    ] {
        refused(&[&base[..], &["--factor-budget", given]].concat(), parts);
    }
    let short = ["optimize", "risk-parity", "--prices", &file, "--factor-budget", "D=-1"];
    refused(&short, &["widen the bounds", "D -1"]);
    refused(
        &[&base[..], &["--factor-budget", "D=1", "--covariance", "ewma"]].concat(),
        &["sample's"],
    );
    let few = [&base[..], &["--factor-budget", "pc1=1", "--last", "4"]].concat();
    refused(&few, &["no variance", "more rows"]);
    let other = ["optimize", "hrp", "--prices", &file, "--factor-budget", "D=1"];
    refused(&other, &["hrp does not read --factor-budget"]);
}

#[test]
fn weights_of_an_earlier_answer_begin_the_next() {
    let folder = Folder::new();
    let file = folder.file("prices.csv", &prices());
    for method in ["min-variance", "max-sharpe", "max-diversification", "risk-parity", "min-cvar"] {
        let base = ["optimize", method, "--prices", &file];
        let before = json(&[&base[..], &["--last", "280"]].concat());
        let known = folder.file("before.json", &before.to_string());
        let cold = json(&base);
        let warm = json(&[&base[..], &["--warm", &known]].concat());
        for (asset, weight) in warm["weights"].as_object().expect("by asset") {
            let apart = weight.as_f64().zip(cold["weights"][asset].as_f64());
            assert!(apart.is_some_and(|(w, c)| (w - c).abs() < 1e-7), "{method}: {warm} {cold}");
        }
        let steps = |of: &Value| of["iterations"].as_u64().expect("a count");
        assert!(steps(&warm) < steps(&cold), "{method}: {warm} {cold}");
        // one that says nothing does no harm
        let far = json(&[&base[..], &["--warm", "A=0"]].concat());
        assert_eq!(far["status"], "optimal", "{method}");
    }
    // an asset that is gone counts for nothing, a file of others is no hint
    let known = folder.file("gone.json", r#"{"weights":{"A":0.5,"Z":0.5}}"#);
    json(&["optimize", "min-variance", "--prices", &file, "--warm", &known]);
    let known = folder.file("others.json", r#"{"weights":{"Z":0.5}}"#);
    refused(
        &["optimize", "min-cvar", "--prices", &file, "--warm", &known],
        &["others.json", "none"],
    );
    let impact = ["--previous", "equal", "--impact", "0.1", "--warm", "A=1"];
    refused(&[&["optimize", "min-variance", "--prices", &file][..], &impact].concat(), &["--warm"]);
    let base = ["optimize", "hrp", "--prices", &file, "--warm", "A=1"];
    refused(&base, &["hrp", "--warm"]);
    let base = ["optimize", "min-variance", "--prices", &file, "--warm", "none.json"];
    refused(&base, &["--warm none.json"]);
}

#[test]
fn wrong_histories_are_refused() {
    let folder = Folder::new();
    let says = |name: &str, text: &str, parts: &[&str]| {
        let file = folder.file(name, text);
        refused(&["optimize", "min-variance", "--prices", &file], parts);
    };
    says("zero.csv", "date,A,B\n2024-01-01,1,2\n2024-01-02,0,2\n", &["row 2", "`A`"]);
    says("twice.csv", "date,A\n2024-01-01,1\n2024-01-01,2\n", &["row 2", "2024-01-01"]);
    says("unsorted.csv", "date,A\n2024-01-02,1\n2024-01-01,2\n", &["row 2", "2024-01-01"]);
    says("short.csv", "date,A,B\n2024-01-01,1,2\n2024-01-02,2,3\n", &["2 complete rows"]);
    let same: String =
        (0..9).map(|day| format!("2024-01-0{},{},7\n", day + 1, 5 + day % 3)).collect();
    says("same.csv", &format!("date,A,B\n{same}"), &["`B`", "same in every row"]);
    says(
        "hole.csv",
        "date,A,B\n2024-01-01,1,2\n2024-01-02,,3\n2024-01-03,4,5\n",
        &["1 of 3 rows", "2024-01-02"],
    );
    // one asset holds everything
    let one = folder
        .file("one.csv", "date,A\n2024-01-01,1\n2024-01-02,2\n2024-01-03,1.5\n2024-01-04,3\n");
    for method in METHODS.iter().filter(|method| **method != "black-litterman") {
        let found = json(&["optimize", method, "--prices", &one, "--level", "0.5"]);
        let weight = found["weights"]["A"].as_f64().expect("a number");
        assert!((weight - 1.0).abs() < 1e-9, "{method}: {found}");
    }
}

#[test]
fn garch_is_fitted_and_evaluated() {
    let folder = Folder::new();
    let file = folder.file("prices.csv", &prices());
    let base = ["fit", "garch", "--prices", &file, "--column", "B"];
    for (model, dist, keys) in [
        ("garch", "t", &["mu", "omega", "alpha", "beta", "nu"][..]),
        ("gjr", "normal", &["mu", "omega", "alpha", "gamma", "beta"]),
        ("egarch", "t", &["mu", "omega", "alpha", "gamma", "beta", "nu"]),
        ("garch", "skewt", &["mu", "omega", "alpha", "beta", "eta", "lambda"]),
    ] {
        let found = json(&[&base[..], &["--model", model, "--dist", dist]].concat());
        let params = found["params"].as_object().expect("by name");
        assert!(params.len() == keys.len(), "{found}");
        assert!(keys.iter().all(|key| params[*key].as_f64().is_some()), "{found}");
        assert!(found["loglik"].as_f64().is_some() && found["std_errors"].is_object());
        // the likelihood at the fitted parameters is the one printed
        let stated: Vec<String> =
            params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let stated = stated.join(",");
        let again =
            json(&[&base[..], &["--model", model, "--dist", dist, "--params", &stated]].concat());
        let near =
            again["loglik"].as_f64().expect("a number") - found["loglik"].as_f64().expect("one");
        assert!(near.abs() < 1e-9 && again["status"] == "evaluated", "{near}");
    }
    let text = Ended::of(&base);
    assert!(text.out.contains("log likelihood"), "{text:?}");
    refused(&["fit", "garch", "--prices", &file], &["--column", "A, B, C, D"]);
    refused(&[&base[..], &["--params", "mu=0.1"]].concat(), &["lacks omega"]);
    refused(
        &[&base[..], &["--params", "mu=0.1,omega=-1,alpha=0.1,beta=0.8,nu=5"]].concat(),
        &["omega = -1"],
    );
    refused(&[&base[..], &["--params", "kappa=1"]].concat(), &["kappa=1", "omega"]);
    refused(&[&base[..], &["--last", "20"]].concat(), &["20 returns", "at least 50"]);
    refused(&[&base[..], &["--level", "99"]].concat(), &["--level 99"]);
    refused(&["fit", "garch", "--prices", &file, "--column", "X"], &["`X`"]);
}

#[test]
fn series_are_measured() {
    let folder = Folder::new();
    let file = folder.file("prices.csv", &prices());
    let found = json(&["measure", "--prices", &file, "--benchmark", "A"]);
    let of = |column: &str, key: &str| found["measures"][column][key].as_f64().expect("a number");
    assert!(of("B", "max_drawdown") < 0.0 && of("B", "volatility") > 0.0, "{found}");
    let own = &found["measures"]["A"]["benchmark"];
    assert!((own["beta"].as_f64().expect("a number") - 1.0).abs() < 1e-12, "{own}");
    let text = Ended::of(&["measure", "--prices", &file]);
    assert!(text.code == Some(0) && text.out.contains("drawdown"), "{text:?}");
    refused(&["measure", "--prices", &file, "--benchmark", "X"], &["`X`", "A, B, C, D"]);
    refused(&["measure", "--prices", &file, "--level", "0"], &["--level 0"]);
    let ruin = folder.file("r.csv", "date,A\n2024-01-01,0.1\n2024-01-02,-1.5\n2024-01-03,0.1\n");
    refused(&["measure", "--returns", &ruin], &["return 1 is -1.5", "`A`"]);
}

#[test]
fn an_allocation_is_timed_cold_and_warm() {
    let folder = Folder::new();
    let file = folder.file("prices.csv", &prices());
    let found = json(&["bench", "portfolio", "--case", "mean-cvar", "--prices", &file]);
    assert_eq!(found["certified"], true);
    for key in ["cold_cpu_ms", "warm_cpu_ms"] {
        assert!(found[key].as_f64().is_some_and(|ms| ms > 0.0), "{found}");
    }
    for key in ["cold", "warm"] {
        let weights = found[key]["weights"].as_array().expect("a list");
        let sum: f64 = weights.iter().map(|w| w.as_f64().expect("a number")).sum();
        assert!((sum - 1.0).abs() < 1e-9 && weights.len() == 4);
    }
    let proof = &found["certificate"];
    assert!(["primal", "dual", "gap"].iter().all(|key| proof[*key].as_f64().is_some()));
}

#[test]
fn assets_are_compared() {
    let folder = Folder::new();
    let prices = folder.file("prices.csv", &prices());
    let ask = |way: &[&str]| json(&[&["cov", "--prices", &prices], way].concat());
    let entry = |found: &Value, name: &str, i: usize, j: usize| {
        found[name][i][j].as_f64().expect("a number")
    };
    let plain = ask(&[]);
    for how in ["pearson", "spearman", "kendall", "distance", "tail"] {
        let found = ask(&["--correlation", how]);
        let value = entry(&found, "correlation", 0, 1);
        // all four share a market
        assert!(value > 0.1 && value < 0.95, "{how}: {value}");
        assert!((entry(&found, "correlation", 2, 2) - 1.0).abs() < 1e-12);
        assert!((value - entry(&found, "correlation", 1, 0)).abs() < 1e-15);
        // volatilities stay what they are
        let variance = entry(&found, "covariance", 3, 3) / entry(&plain, "covariance", 3, 3);
        assert!((variance - 1.0).abs() < 1e-12, "{how}");
        let sound = ask(&["--correlation", how, "--nearest"]);
        assert_eq!(sound["is_positive_semidefinite"], true, "{how}");
    }
    assert!(ask(&["--covariance", "ledoit-wolf"])["shrinkage"].as_f64().is_some());
    let file = format!("{}/cov.csv", folder.path());
    ask(&["--matrix", &file]);
    let text = std::fs::read_to_string(&file).expect("written");
    assert!(text.starts_with("asset,A,B,C,D\nA,") && text.lines().count() == 5);
    refused(
        &["cov", "--prices", &prices, "--correlation", "tail", "--tail", "0.9"],
        &["tail of 0.9"],
    );
    refused(&["cov", "--prices", &prices, "--matrix", "/nowhere/x.csv"], &["/nowhere/x.csv"]);
}
