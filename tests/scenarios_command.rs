//! `bot4 scenarios` as a user meets it: stated, built-in and generated scenarios, and wrong input.

mod bot4_process;

use bot4_process::{Ended, Folder};
use serde_json::Value;

fn bot4(args: &[&str]) -> Ended {
    Ended::of(&[&["scenarios"], args].concat())
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

const PORTFOLIO: &str = r#"base = "USD"
as_of = "2024-01-01"
[[position]]
id = "coins"
symbol = "BTC"
kind = "spot"
quantity = 2
price = 50000
[[position]]
id = "inverse"
symbol = "BTC"
kind = "inverse"
quantity = -100
multiplier = 10
settle = "BTC"
price = 50000
[[position]]
id = "call"
symbol = "BTC-C"
factor = "BTC"
kind = "option"
quantity = 1
price = 50000
strike = 55000
expiry = "2024-07-01"
right = "call"
vol = 0.6
"#;

const SCENARIOS: &str = "scenario,weight,horizon_days,factor,shock,value
down,1,0,BTC,rel,-0.2
up,3,0,BTC,log,0.1
smile,1,0,BTC,vol_abs,0.1
month,1,30,BTC,rel,0
dear money,0,0,BTC,rate_abs,0.05
all at once,0,30,BTC,rel,-0.1
all at once,0,30,BTC,rate_abs,-0.04
all at once,0,30,BTC,vol_abs,0.2
";

/// Black-76 by the book, so that the command is held against something that it does not run.
fn call(forward: f64, volatility: f64, years: f64) -> f64 {
    let spread = volatility * years.sqrt();
    let first = (forward / 55_000.0_f64).ln() / spread + 0.5 * spread;
    let cdf = |x: f64| {
        // Simpson's rule from far left
        let (low, cells) = (-12.0_f64, 4_000);
        let step = (x - low) / f64::from(cells);
        let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let cell = |i: i32| {
            let t = low + f64::from(i) * step;
            step / 6.0 * (density(t) + 4.0 * density(t + 0.5 * step) + density(t + step))
        };
        (0..cells).map(cell).sum::<f64>()
    };
    forward * cdf(first) - 55_000.0 * cdf(first - spread)
}

#[test]
fn stated_scenarios_have_their_profits() {
    let folder = Folder::new();
    let (portfolio, scenarios) =
        (folder.file("p.toml", PORTFOLIO), folder.file("s.csv", SCENARIOS));
    let found = json(&["--portfolio", &portfolio, "--scenarios", &scenarios]);
    let years = 182.0 / 365.0;
    let worth = call(50_000.0, 0.6, years);
    let of = |price: f64, volatility: f64, years: f64| {
        let moved = price / 50_000.0 - 1.0;
        2.0 * (price - 50_000.0) - 1_000.0 * moved + call(price, volatility, years) - worth
    };
    // a rate moves the forward and what is discounted
    let lent = |price: f64, volatility: f64, years: f64, rate: f64| {
        let growth = (rate * years).exp();
        let option = call(price * growth, volatility, years) / growth;
        of(price, volatility, years) - call(price, volatility, years) + option
    };
    let truths = [
        of(40_000.0, 0.6, years),
        of(50_000.0 * 0.1_f64.exp(), 0.6, years),
        of(50_000.0, 0.7, years),
        of(50_000.0, 0.6, years - 30.0 / 365.0),
        lent(50_000.0, 0.6, years, 0.05),
        lent(45_000.0, 0.8, years - 30.0 / 365.0, -0.04),
    ];
    assert_eq!(found["count"], truths.len());
    for (effect, truth) in found["scenarios"].as_array().expect("a list").iter().zip(truths) {
        let profit = effect["profit"].as_f64().expect("a number");
        assert!((profit - truth).abs() < 0.05, "{effect}: {truth}");
        let parts = effect["positions"].as_array().expect("a list").iter();
        let sum: f64 = parts.map(|part| part["profit"].as_f64().expect("a number")).sum();
        assert!((sum - profit).abs() < 0.05, "parts add up: {effect}");
    }
    let weighted = (truths[0] + 3.0 * truths[1] + truths[2] + truths[3]) / 6.0;
    assert!((found["mean"].as_f64().expect("a number") - weighted).abs() < 0.05);
    assert_eq!(found["scenarios"][0]["unchanged"], 1);
    // a zero with a sign is a zero, and no scenario is left out
    let signed = "scenario,weight,horizon_days,factor,shock,value\na,1,0,BTC,rel,0.1\n\
                  b,1,-0,BTC,rel,0.2\nc,1,0,BTC,rate_abs,-0\n";
    let signed = folder.file("signed.csv", signed);
    let found = json(&["--portfolio", &portfolio, "--scenarios", &signed]);
    let names = found["scenarios"].as_array().expect("a list").iter();
    let names: Vec<&Value> = names.map(|effect| &effect["scenario"]).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn the_built_in_set_needs_no_file() {
    let folder = Folder::new();
    let portfolio = folder.file("p.toml", PORTFOLIO);
    let found = json(&["--portfolio", &portfolio]);
    assert_eq!(found["count"], 10);
    assert!(
        found["worst"].as_f64().expect("a number") < -30_000.0,
        "half of 100 000, less the call"
    );
}

#[test]
fn generated_scenarios_are_many_a_second() {
    let folder = Folder::new();
    let mut prices = "date,BTC\n".to_owned();
    let mut price = 40_000.0_f64;
    for day in 0..300_i64 {
        price *= 1.0 + 0.03 * (f64::from((day * 37 % 101) as i32) / 50.0 - 1.0);
        prices.push_str(&format!("{},{price}\n", 1_690_000_000 + day * 86_400));
    }
    let (portfolio, prices) = (folder.file("p.toml", PORTFOLIO), folder.file("h.csv", &prices));
    let found = json(&["--portfolio", &portfolio, "--prices", &prices, "--generate", "200000"]);
    assert_eq!(found["count"], 200_000);
    let rate = found["scenarios_per_second"].as_f64().expect("a number");
    assert!(rate > 10_000.0, "{rate} scenarios a second");
    assert!(found["worst"].as_f64() < found["best"].as_f64());
}

#[test]
fn wrong_input_is_refused() {
    let folder = Folder::new();
    let portfolio = folder.file("p.toml", PORTFOLIO);
    let with = |name: &str, text: &str, parts: &[&str]| {
        let file = folder.file(name, text);
        refused(&["--portfolio", &portfolio, "--scenarios", &file], parts);
    };
    with(
        "factor.csv",
        &SCENARIOS.replace("down,1,0,BTC", "down,1,0,ETH"),
        &["`down`", "`ETH`", "BTC"],
    );
    with("value.csv", &SCENARIOS.replace("-0.2", "minus"), &["row 1", "`value`", "`minus`"]);
    with("short.csv", "scenario,weight\na,1\n", &["horizon_days"]);
    refused(&["--portfolio", &portfolio, "--scenarios", "/no/such.csv"], &["/no/such.csv"]);
    refused(&["--portfolio", &portfolio, "--generate", "10"], &["--prices"]);
    refused(&["--portfolio", &portfolio, "--generate", "0"], &["--generate 0"]);
    let bare = folder.file("bare.toml", &PORTFOLIO.replace("price = 50000\n", ""));
    refused(&["--portfolio", &bare], &["`coins`", "--prices"]);
}

#[test]
fn a_book_lives_through_what_happened_before() {
    let folder = Folder::new();
    let book = "base = \"USDT\"\n\
        [[position]]\nid = \"b\"\nsymbol = \"BTCUSDT\"\nkind = \"perp\"\nquantity = 2\n\
        [[position]]\nid = \"s\"\nsymbol = \"SOLUSDT\"\nkind = \"spot\"\nquantity = 100\n";
    let portfolio = folder.file("book.toml", book);
    let mut prices = "date,BTCUSDT,SOLUSDT\n".to_owned();
    for day in 0..60_i64 {
        let (a, b) = (100.0 + ((day * 37) % 11) as f64, 10.0 + ((day * 17) % 7) as f64 / 10.0);
        prices.push_str(&format!("{},{a},{b}\n", 1_700_000_000 + day * 86_400));
    }
    let prices = folder.file("prices.csv", &prices);
    let ask = ["stress", "--portfolio", &portfolio, "--prices", &prices];
    let ended = Ended::of(&[&ask[..], &["--json"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let found = ended.json();
    let scenarios = found["scenarios"].as_array().expect("a list");
    let profit = |name: &str| {
        let named =
            |row: &&serde_json::Value| row["scenario"].as_str().is_some_and(|s| s.contains(name));
        scenarios.iter().find(named).and_then(|row| row["profit"].as_f64()).expect("there")
    };
    // −37 % of two bitcoins and −40 % of a hundred coins, at the last prices
    let (a, b) = (100.0 + f64::from((59 * 37) % 11), 10.0 + f64::from((59 * 17) % 7) / 10.0);
    let wanted = -0.37 * 2.0 * a - 0.40 * 100.0 * b;
    assert!((profit("12 March 2020") / wanted - 1.0).abs() < 1e-5, "{wanted} {scenarios:?}");
    assert!(profit("worst 1 period") < 0.0 && profit("prices -5 %") < 0.0);
    assert_eq!(found["classes"][1]["class"], "coin");
    let refused = |more: &[&str], part: &str| {
        let ended = Ended::of(&[&ask[..], more].concat());
        assert!(ended.code != Some(0) && ended.errors.contains(part), "{more:?}: {}", ended.errors);
    };
    refused(&["--class", "DOGE=coin"], "BTCUSDT, SOLUSDT");
    refused(&["--class", "BTCUSDT=gold"], "bitcoin, ether, coin");
}

const HEDGE: &str = r#"base = "USD"
as_of = "2024-01-01"
[[position]]
id = "coins"
symbol = "BTC"
kind = "perp"
quantity = -1.5
price = 50000
[[position]]
id = "put"
symbol = "BTC-P"
factor = "BTC"
kind = "option"
quantity = 2
price = 50000
strike = 45000
expiry = "2024-03-01"
right = "put"
vol = 0.7
"#;

#[test]
fn several_portfolios_meet_the_same_scenarios() {
    let folder = Folder::new();
    let row = |day: i32| {
        let price = 50_000.0 * (0.03 * f64::from(day * day % 23) / 23.0).exp();
        format!("2023-{:02}-{:02},{price}\n", 1 + day / 28, 1 + day % 28)
    };
    let rows: String = (0..250).map(row).collect();
    let prices = folder.file("prices.csv", &format!("date,BTC\n{rows}"));
    let book = folder.file("book.toml", PORTFOLIO);
    let hedge = folder.file("hedge.toml", HEDGE);
    let scenarios = folder.file("scenarios.csv", SCENARIOS);
    let with = |portfolios: &[&str], more: &[&str]| {
        let named: Vec<&str> = portfolios.iter().flat_map(|path| ["--portfolio", path]).collect();
        json(&[&named[..], more].concat())
    };
    let near = |a: &Value, b: &Value| {
        let (a, b) = (a.as_f64().expect("a number"), b.as_f64().expect("a number"));
        // profits are sums in f32 of amounts of a hundred thousand
        assert!((a - b).abs() <= 1e-6 * a.abs().max(1e5), "{a} {b}");
    };
    let stated = ["--scenarios", scenarios.as_str()];
    let generated = ["--prices", prices.as_str(), "--generate", "9000", "--seed", "4"];
    for more in [&stated[..], &generated[..]] {
        let both = with(&[&book, &hedge], more);
        let parts = both["portfolios"].as_array().expect("two portfolios");
        assert_eq!(
            (&parts[0]["portfolio"], &parts[1]["portfolio"]),
            (&"book".into(), &"hedge".into())
        );
        for (part, path) in parts.iter().zip([&book, &hedge]) {
            let alone = with(&[path.as_str()], more);
            assert!(alone.get("portfolios").is_none());
            for key in ["value", "mean", "worst", "best"] {
                near(&part[key], &alone[key]);
            }
            if let Some(quantiles) = part["quantiles"].as_array() {
                assert_eq!(quantiles, alone["quantiles"].as_array().expect("as many"));
            }
        }
        let sum = parts.iter().map(|part| part["value"].as_f64().expect("a number")).sum::<f64>();
        near(&both["value"], &sum.into());
    }
    let both = with(&[&book, &hedge], &stated);
    let effect = &both["scenarios"][0];
    assert_eq!(effect["positions"][0]["id"], "book/coins");
    let profits = |key: &str| {
        let list = effect[key].as_array().expect("a list");
        list.iter().map(|part| part["profit"].as_f64().expect("a number")).sum::<f64>()
    };
    near(&effect["profit"], &profits("portfolios").into());
    near(&effect["profit"], &profits("positions").into());
    std::fs::write(&hedge, HEDGE.replace("USD", "EUR")).expect("written");
    let args = ["--portfolio", &book, "--portfolio", &hedge, "--scenarios", &scenarios];
    refused(&args, &["hedge.toml", "EUR", "book.toml", "USD"]);
    let coins = folder.file(
        "coins.toml",
        &PORTFOLIO[..PORTFOLIO.find("[[position]]\nid = \"call\"").expect("a call")],
    );
    refused(&["--portfolio", &book, "--portfolio", &book], &["book.toml", "given twice"]);
    let rates = "scenario,weight,horizon_days,factor,shock,value\ndear,1,0,BTC,rate_abs,0.05\n";
    let rates = folder.file("rates.csv", rates);
    let args = ["--portfolio", &coins, "--scenarios", &rates];
    refused(&args, &["`dear`", "no option held is about `BTC`", "nothing"]);
}
