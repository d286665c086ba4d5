//! `bot4 var` as a user meets it: closed forms, seeds, threads, files of every shape, and wrong input.

mod bot4_process;

use bot4_process::{Ended, Folder};
use serde_json::Value;

fn bot4(args: &[&str]) -> Ended {
    Ended::of(&[&["var"], args].concat())
}

fn json(args: &[&str]) -> Value {
    let output = bot4(&[args, &["--json"]].concat());
    assert_eq!(output.code, Some(0), "{args:?}: {}", output.errors);
    output.json()
}

fn refused(args: &[&str], parts: &[&str]) {
    let output = bot4(args);
    let words = &output.errors;
    assert!(matches!(output.code, Some(1 | 2)) && output.out.is_empty(), "{args:?}: {output:?}");
    assert!(parts.iter().all(|part| words.contains(part)), "{args:?}: {words}");
}

/// Prices of two assets over 400 days, wobbling by a rule.
fn prices() -> String {
    prices_of(400)
}

fn prices_of(days: i64) -> String {
    let mut text = "date,A,B\n".to_owned();
    let (mut a, mut b) = (100.0_f64, 50.0_f64);
    let mut state = 12_345_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) - 0.5
    };
    for day in 0..days {
        let (x, y) = (noise(), noise());
        a *= 1.0 + 0.03 * x;
        b *= 1.0 + 0.02 * x + 0.02 * y;
        text.push_str(&format!("{},{a},{b}\n", 1_600_000_000 + day * 86_400));
    }
    text
}

const PORTFOLIO: &str = "base = \"USD\"\n\
    [[position]]\nid = \"a\"\nsymbol = \"A\"\nkind = \"spot\"\nquantity = 10\n\
    [[position]]\nid = \"b\"\nsymbol = \"B\"\nkind = \"perp\"\nquantity = -8\n";

#[test]
fn one_position_has_its_closed_form() {
    let normal = ["--notional", "1000000", "--mean", "0.0005", "--volatility", "0.02"];
    let found =
        json(&[&normal[..], &["--paths", "1000000", "--level", "0.99", "--seed", "3"]].concat());
    let number = |key: &str| found[key].as_f64().expect("a number");
    let truth = 1e6 * (0.02 * 2.326_347_874 - 0.000_5);
    assert!((number("var") - truth).abs() < 4.0 * number("var_std_error"), "{found}");
    let truth = 1e6 * (0.02 * 2.665_214_220 - 0.000_5);
    assert!((number("es") - truth).abs() < 4.0 * number("es_std_error"), "{found}");
    assert_eq!(found["paths"], 1_000_000);
    let t = json(&[&normal[..], &["--nu", "5", "--level", "0.99", "--paths", "1000000"]].concat());
    // t₅ quantile 3.36493, standardised by √(3/5)
    let truth = 1e6 * (0.02 * 3.364_930 * 0.6_f64.sqrt() - 0.000_5);
    let gap = (t["var"].as_f64().expect("a number") - truth).abs();
    assert!(gap < 4.0 * t["var_std_error"].as_f64().expect("a number"), "{t}");
}

#[test]
fn a_seed_decides_and_threads_do_not() {
    let base = ["--notional", "1000", "--volatility", "0.05", "--nu", "3.5", "--horizon", "7"];
    let with = |more: &[&str]| {
        let found = json(&[&base[..], more].concat());
        (found["var"].to_string(), found["es"].to_string())
    };
    let one = with(&["--threads", "1", "--seed", "9"]);
    assert_eq!(one, with(&["--seed", "9"]));
    assert_eq!(one, with(&["--seed", "9", "--device", "cpu-scalar"]));
    assert_ne!(one, with(&["--seed", "10"]));
}

#[test]
fn paths_that_tell_more_say_by_how_much() {
    let truth = 1e6 * 0.02 * 2.326_347_874;
    let one = ["--notional", "1000000", "--volatility", "0.02", "--level", "0.99"];
    for how in ["antithetic", "importance", "sobol"] {
        let with = |more: &[&str]| json(&[&one[..], &["--reduce", how], more].concat());
        let found = with(&[]);
        let number = |key: &str| found[key].as_f64().expect("a number");
        assert!((number("var") - truth).abs() < 4.0 * number("var_std_error"), "{how}: {found}");
        assert_eq!(found["reduction"], how);
        assert!(number("var_gain") > 0.9 && number("es_gain") > 0.9, "{how}: {found}");
        for more in [&["--threads", "1"][..], &["--device", "cpu-scalar"]] {
            let other = with(more);
            let keys = ["var", "var_std_error", "es", "es_std_error", "es_gain"];
            assert!(keys.iter().all(|key| found[key] == other[key]), "{how} {more:?}: {other}");
        }
    }
    let folder = Folder::new();
    let option = "[[position]]\nid = \"o\"\nsymbol = \"A\"\nkind = \"option\"\nquantity = -50\n\
                  strike = 100\nright = \"put\"\nvol = 0.4\nexpiry = \"2022-01-01\"\n";
    let portfolio = folder.file("portfolio.toml", &format!("{PORTFOLIO}{option}"));
    let prices = folder.file("prices.csv", &prices());
    let files = ["--portfolio", &portfolio, "--prices", &prices, "--paths", "50000"];
    let plain = json(&[&files[..], &["--level", "0.99", "--model", "t"]].concat());
    let plain = |key: &str| plain[key].as_f64().expect("a number");
    for how in ["antithetic", "control", "importance", "sobol"] {
        let args = ["--level", "0.99", "--model", "t", "--reduce", how];
        let found = json(&[&files[..], &args].concat());
        let number = |key: &str| found[key].as_f64().expect("a number");
        for key in ["var", "es"] {
            let error = format!("{key}_std_error");
            let both = number(&error).hypot(plain(&error));
            assert!((number(key) - plain(key)).abs() < 4.0 * both, "{how}: {found}");
        }
        let parts = found["levels"][0]["contributions"].as_array().expect("a list");
        let sum: f64 = parts.iter().map(|part| part["es"].as_f64().expect("a number")).sum();
        assert!((sum / number("es") - 1.0).abs() < 1e-9, "{how}: contributions {sum}");
    }
    refused(&[&one[..], &["--reduce", "control"]].concat(), &["--reduce importance"]);
    refused(&[&files[..], &["--reduce", "antithetic", "--method", "fhs"]].concat(), &["no sign"]);
    refused(
        &[&files[..], &["--reduce", "sobol", "--method", "historical"]].concat(),
        &["--method"],
    );
    refused(&[&one[..], &["--reduce", "sobol", "--horizon", "5000"]].concat(), &["1024"]);
    refused(&[&one[..], &["--reduce", "sobol", "--paths", "50"]].concat(), &["at least 100"]);
}

#[test]
fn every_method_and_model_measures_a_portfolio() {
    let folder = Folder::new();
    let (portfolio, prices) =
        (folder.file("portfolio.toml", PORTFOLIO), folder.file("prices.csv", &prices()));
    let files = ["--portfolio", &portfolio, "--prices", &prices];
    let mut figures = Vec::new();
    for way in [
        &["--method", "historical"][..],
        &["--model", "normal"],
        &["--model", "t"],
        &["--model", "garch"],
        &["--model", "garch-t"],
        &["--model", "gjr"],
        &["--method", "fhs"],
        &["--model", "gjr-fhs"],
        &["--method", "parametric", "--model", "normal"],
        &["--method", "parametric", "--model", "garch-t"],
    ] {
        let found = json(&[&files[..], way, &["--level", "0.95"]].concat());
        let (var, es) = (found["var"].as_f64().expect("VaR"), found["es"].as_f64().expect("ES"));
        assert!(var > 0.0 && es > var, "{way:?}: {var} {es}");
        let parts = found["levels"][0]["contributions"].as_array().expect("a list");
        if found["method"] != "parametric" {
            let sum: f64 = parts.iter().map(|part| part["es"].as_f64().expect("a number")).sum();
            assert!((sum - es).abs() < 1e-3 * es, "{way:?}: contributions {sum}, ES {es}");
        }
        figures.push(var);
    }
    let (least, most) = (
        figures.iter().copied().fold(f64::MAX, f64::min),
        figures.iter().copied().fold(0.0, f64::max),
    );
    assert!(most / least < 1.6, "methods agree on a calm history: {figures:?}");
}

#[test]
fn the_default_model_is_the_one_that_held() {
    let folder = Folder::new();
    let portfolio = folder.file("portfolio.toml", PORTFOLIO);
    let short = folder.file("short.csv", &prices());
    let found = json(&["--portfolio", &portfolio, "--prices", &short]);
    assert_eq!(found["model"], "garch-t");
    assert!(found["notes"].to_string().contains("399 returns are too few"), "{}", found["notes"]);
    let long = folder.file("long.csv", &prices_of(1_500));
    let found = json(&["--portfolio", &portfolio, "--prices", &long]);
    let models = found["evidence"]["models"].as_object().expect("a table");
    assert_eq!(models.len(), 5);
    let loss = |name: &str| models[name]["fz0_loss"].as_f64().expect("a loss");
    let chosen = found["model"].as_str().expect("a name");
    let passing = models.iter().filter(|(_, row)| row["passes"] == true).count();
    let open = models.iter().filter(|(_, row)| passing == 0 || row["passes"] == true);
    assert!(passing == 0 || models[chosen]["passes"] == true, "{found}");
    assert!(open.into_iter().all(|(name, _)| loss(name) >= loss(chosen)), "{found}");
    let reason = if passing == 0 { "none of them passes" } else { "that pass" };
    assert!(found["notes"].to_string().contains(reason), "{}", found["notes"]);
    // a given ν is read or refused
    let given = json(&["--portfolio", &portfolio, "--prices", &long, "--nu", "5"]);
    assert!(
        ["garch-t", "gjr"].contains(&given["model"].as_str().expect("a name"))
            && given["nu"] == 5.0
    );
    let files = ["--portfolio", &portfolio, "--prices", &long];
    refused(&[&files[..], &["--nu", "5", "--model", "fhs"]].concat(), &["--nu", "garch-t"]);
    refused(&[&files[..], &["--method", "fhs", "--model", "gjr"]].concat(), &["gjr-fhs"]);
    // what --model says stands
    let told = json(&["--portfolio", &portfolio, "--prices", &long, "--model", "garch-t"]);
    assert!(told["model"] == "garch-t" && told["evidence"].is_null());
}

#[test]
fn models_are_compared_on_a_series_and_on_a_portfolio() {
    let folder = Folder::new();
    let prices = folder.file("prices.csv", &prices_of(900));
    let files = ["days.csv", "report.html"].map(|name| format!("{}/{name}", folder.path()));
    let window = ["--window", "500", "--refit", "50"];
    let ask = ["compare", "--prices", &prices, "--column", "A", "--days", &files[0]];
    let found = json(&[&ask[..], &window, &["--report", &files[1]]].concat());
    assert_eq!((found["n"].as_u64(), found["window"].as_u64()), (Some(399), Some(500)));
    let models = found["models"].as_object().expect("a table");
    assert_eq!(models.len(), 12);
    // what stands in the file is what was judged
    let days = std::fs::read_to_string(&files[0]).expect("written");
    let mut lines = days.lines();
    let head: Vec<&str> = lines.next().expect("a head").split(',').collect();
    let place = |name: &str| head.iter().position(|column| *column == name).expect("a column");
    let (r, var) = (place("return"), place("garch-t_var"));
    let rows: Vec<Vec<f64>> = lines
        .map(|line| line.split(',').skip(1).map(|x| x.parse().expect("a number")).collect())
        .collect();
    let beyond = rows.iter().filter(|row| row[r - 1] < -row[var - 1]).count() as u64;
    assert_eq!((rows.len(), Some(beyond)), (399, models["garch-t"]["violations"].as_u64()));
    assert!(std::fs::read_to_string(&files[1]).expect("written").contains("<svg"));
    let portfolio = folder.file("portfolio.toml", PORTFOLIO);
    let held = ["compare", "--prices", &prices, "--portfolio", &portfolio, "--models", "gjr-fhs"];
    let found = json(&[&held[..], &window].concat());
    assert_eq!((found["best"].as_str(), found["n"].as_u64()), (Some("gjr-fhs"), Some(399)));
    refused(&["compare", "--prices", &prices], &["several columns", "A, B", "--column"]);
    refused(&[&held[..], &["--models", "magic"]].concat(), &["magic", "gjr-evt"]);
    refused(&[&ask[..], &["--window", "900"]].concat(), &["window of 900", "--window"]);
    refused(&[&ask[..], &["--window", "10"]].concat(), &["a window of 10", "50"]);
    refused(&[&ask[..], &["--level", "0.2"]].concat(), &["--level 0.2"]);
    refused(&["compare", "--returns", "nowhere.csv"], &["nowhere.csv"]);
    refused(&["compare"], &["--prices", "--returns"]);
    let nowhere = format!("{}/no/days.csv", folder.path());
    let lost = ["compare", "--prices", &prices, "--column", "A", "--days", &nowhere];
    refused(&[&lost[..], &window].concat(), &["no/days.csv", "cannot be written"]);
}

#[test]
fn pictures_are_written() {
    let folder = Folder::new();
    let paths = ["r.html", "r.png"].map(|name| format!("{}/{name}", folder.path()));
    let output = bot4(&[
        "--notional",
        "1000",
        "--volatility",
        "0.02",
        "--report",
        &paths[0],
        "--picture",
        &paths[1],
    ]);
    assert_eq!(output.code, Some(0), "{}", output.errors);
    assert!(std::fs::read_to_string(&paths[0]).expect("written").contains("<svg"));
    assert!(std::fs::read(&paths[1]).expect("written").starts_with(b"\x89PNG"));
    let missing = format!("{}/no/such/r.png", folder.path());
    refused(&["--notional", "1000", "--volatility", "0.02", "--picture", &missing], &["no/such"]);
}

#[test]
fn wrong_numbers_are_refused() {
    let one = ["--notional", "1000", "--volatility", "0.02"];
    let with = |more: &[&'static str]| [&one[..], more].concat();
    refused(&[], &["--portfolio", "--notional"]);
    refused(&["--notional", "1000", "--volatility", "0"], &["--volatility 0"]);
    refused(&["--notional", "1000", "--volatility", "nan"], &["--volatility NaN"]);
    refused(&with(&["--nu", "2"]), &["--nu 2", "more than 2"]);
    refused(&with(&["--level", "99"]), &["--level 99", "0.99"]);
    refused(&with(&["--paths", "50"]), &["50 profits are too few", "at least 100"]);
    refused(&with(&["--paths", "100000000000000"]), &["MiB"]);
    refused(&with(&["--device", "gpu"]), &["`gpu`", "cuda"]);
    refused(&with(&["--model", "garch-t"]), &["--prices"]);
    refused(&with(&["--horizon", "0"]), &["--horizon 0"]);
    refused(&with(&["--prices", "nosuch.csv"]), &["--prices"]);
    refused(&with(&["--nu", "4", "--model", "normal"]), &["--nu"]);
    refused(&["--notional", "1e20", "--volatility", "0.02"], &["1e15"]);
    let thin = json(&with(&["--paths", "1000", "--level", "0.99"]));
    assert!(thin["notes"][0].as_str().is_some_and(|note| note.contains("10 scenarios")), "{thin}");
}

#[test]
fn wrong_files_are_refused() {
    let folder = Folder::new();
    let portfolio = folder.file("portfolio.toml", PORTFOLIO);
    let says = |name: &str, text: &str, parts: &[&str]| {
        let file = folder.file(name, text);
        refused(&["--portfolio", &portfolio, "--prices", &file], parts);
    };
    says("zero.csv", "date,A,B\n2024-01-01,1,2\n2024-01-02,0,2\n", &["row 2", "`A`", "price of 0"]);
    says("negative.csv", "date,A,B\n2024-01-01,1,-2\n2024-01-02,1,2\n", &["row 1", "`B`"]);
    says("text.csv", "date,A,B\n2024-01-01,x,2\n", &["zero", "row 1"].map(|_| "`x`"));
    says("one.csv", "date,A,B\n2024-01-01,1,2\n", &["1 complete rows"]);
    says(
        "hole.csv",
        "date,A,B\n2024-01-01,1,2\n2024-01-02,,3\n2024-01-03,4,5\n",
        &["1 of 3 rows", "2024-01-02"],
    );
    says("lacks.csv", "date,A\n2024-01-01,1\n2024-01-02,2\n", &["`b`", "no column `B`"]);
    let same: String = (0..99)
        .map(|day| format!("{},{},7\n", 1_600_000_000 + day * 86_400, 5 + day % 3))
        .collect();
    says("same.csv", &format!("date,A,B\n{same}"), &["`B`", "same in every row"]);
    let twins: String = (0..99)
        .map(|day| {
            let price = 10.0 + f64::from((day * 7) % 11);
            format!("{},{price},{}\n", 1_600_000_000 + i64::from(day) * 86_400, 2.0 * price)
        })
        .collect();
    let twins = folder.file("twins.csv", &format!("date,A,B\n{twins}"));
    refused(
        &["--portfolio", &portfolio, "--prices", &twins, "--model", "normal"],
        &["correlations", "`B`", "not positive definite"],
    );
    let historical =
        ["--portfolio", &portfolio, "--prices", &twins, "--method", "historical", "--level", "0.9"];
    assert!(json(&historical)["var"].as_f64().is_some(), "history needs no matrix");
    let good = folder.file("prices.csv", &prices());
    let bad = |name: &str, text: &str, parts: &[&str]| {
        let file = folder.file(name, text);
        refused(&["--portfolio", &file, "--prices", &good], parts);
    };
    bad("unknown.toml", &PORTFOLIO.replace("\"B\"", "\"C\""), &["`b`", "`C`", "A, B"]);
    bad("empty.toml", "base = \"USD\"\n", &["[[position]]"]);
    bad("broken.toml", "base = \n", &["broken.toml"]);
    bad(
        "rate.toml",
        &PORTFOLIO.replace("quantity = -8", "quantity = -8\nquote = \"EUR\""),
        &["EURUSD"],
    );
    refused(&["--portfolio", "/no/such.toml", "--prices", &good], &["/no/such.toml"]);
    refused(&["--portfolio", &portfolio, "--prices", "/no/such.csv"], &["/no/such.csv"]);
}
