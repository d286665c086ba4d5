//! The example is the default, every key is documented, every fault is named.

use crate::cli::config::*;
use crate::record::Instrument;
use crate::units::{LaneId, Lots, Money, Nanos, Rate, VenueId};
use crate::venue::binance::{Family, metadata};

fn instruments() -> Vec<Instrument> {
    let all: serde_json::Value =
        serde_json::from_slice(include_bytes!("../../venue/binance/instruments.json")).unwrap();
    let info = all["usd-m"].to_string();
    let names = ["BTCUSDT", "ETHUSDT"];
    metadata::instruments(info.as_bytes(), Family::UsdM, VenueId(0), &names).unwrap()
}

/// The example with one piece replaced; the piece must be there.
fn changed(from: &str, to: &str) -> String {
    let example = Config::example();
    assert!(example.contains(from), "the example lacks {from:?}");
    example.replacen(from, to, 1)
}

fn refusal(from: &str, to: &str) -> String {
    match Config::parse(&changed(from, to)) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{to:?} was taken"),
    }
}

fn line_of(piece: &str) -> usize {
    let at = Config::example().find(piece).unwrap();
    Config::example()[..at].matches('\n').count() + 1
}

#[test]
fn the_example_is_the_default() {
    assert_eq!(Config::parse(Config::example()).unwrap(), Config::default());
    assert_eq!(Config::parse("").unwrap(), Config::default());
    let other = Config::parse("[run]\nseed = 43").unwrap();
    assert_ne!(other, Config::default(), "canary");
}

#[test]
fn the_example_names_every_key() {
    let lane = "[[lane]]\nname=\"a\"\nsymbols=[]\n";
    let making = "[lane.making.X]\n";
    for table in [
        "",
        "[run]\n",
        "[venue]\n",
        lane,
        &format!("{lane}{making}"),
        "[limits]\n",
        "[breakers.volatility]\n",
        "[breakers.rejects]\n",
        "[control]\n",
        "[exchange]\n",
        "[journal]\n",
        "[report]\n",
    ] {
        let error = Config::parse(&format!("{table}zzz = 1\n")).unwrap_err();
        let ConfigError::UnknownKey { known, .. } = error else { panic!("{table}: {error}") };
        for key in known.split(", ") {
            let documented = Config::example().lines().any(|line| {
                let line = line.trim_start_matches(['#', ' ', '[']).trim_start_matches("lane.");
                line.strip_prefix(key).is_some_and(|rest| rest.starts_with([' ', ']', '.']))
            });
            assert!(documented, "{table}: `{key}` is not in the example");
        }
    }
}

#[test]
fn an_unknown_key_gets_a_suggestion_with_its_line() {
    let said = refusal("order_rate = 50", "oder_rate = 50");
    let line = line_of("order_rate = 50");
    assert!(said.contains("unknown key `oder_rate` (did you mean `order_rate`?)"), "{said}");
    assert!(said.contains(&format!("line {line}:")), "{said}");
    let said = refusal("gamma = 0.01", "gama = 0.01");
    assert!(said.contains("did you mean `gamma`?"), "{said}");
    let said = refusal("seed = 42", "xylophone = 42");
    assert!(
        !said.contains("did you mean") && said.contains("the keys here are for, seed"),
        "{said}"
    );
}

#[test]
fn every_fault_names_its_field_and_line() {
    for (from, to, field) in [
        ("order_rate = 50", "order_rate = -50", "order_rate"),
        ("order_rate = 50", "order_rate = 0", "limits.order_rate"),
        ("notional = 5000", "notional = -1", "limits.notional"),
        ("collar_bps = 50", "collar_bps = nan", "collar_bps"),
        ("gamma = 0.01", "gamma = nan", "lane.0.making.BTCUSDT.gamma"),
        ("gamma = 0.02", "gamma = -1", "lane.1.making.ETHUSDT.gamma"),
        ("volatility_start = 12.0", "volatility_start = inf", "lane.0.making.BTCUSDT.vol"),
        ("quote = \"0.002\"", "quote = \"0\"", "lane.0.making.BTCUSDT.quote"),
        ("quote = \"0.002\"", "quote = \"two\"", "quote"),
        ("levels = 2", "levels = 9", "lane.0.making.BTCUSDT.levels"),
        ("open_orders = 16", "open_orders = 3", "limits.open_orders"),
        ("speed = 1", "speed = 0", "speed"),
        ("for = \"0s\"", "for = \"60\"", "for"),
        ("family = \"usd-m\"", "family = \"usdm\"", "family"),
        ("address = \"loopback\"", "address = \"binance\"", "venue.tls"),
        ("address = \"loopback\"", "address = \"nowhere\"", "address"),
        ("capture = []", "capture = 5", "capture"),
        ("transport = \"epoll\"", "transport = \"udp\"", "transport"),
        ("name = \"ether\"", "name = \"bitcoin\"", "lane.1.name"),
        ("symbols = [\"ETHUSDT\"]", "symbols = [\"DOGEUSDT\"]", "lane.1.making"),
        ("symbols = [\"BTCUSDT\", \"ETHUSDT\"]", "symbols = [\"BTCUSDT\"]", "lane.1.symbols"),
        ("symbols = [\"BTCUSDT\", \"ETHUSDT\"]", "symbols = [\"btcusdt\"]", "venue.symbols"),
        ("order = { BTCUSDT = \"0.020\", ", "order = { ", "limits.order"),
        ("rate = 2000", "rate = 0", "exchange.rate"),
    ] {
        let said = refusal(from, to);
        assert!(said.contains(&format!("`{field}")), "{to}: {said}");
        assert!(said.contains(", line "), "{to}: {said}");
    }
    let broken = Config::parse("[run\n").unwrap_err().to_string();
    assert!(broken.contains("line 1"), "{broken}");
}

#[test]
fn more_lanes_than_share_the_order_ids_are_refused() {
    let lane = |at: usize| format!("[[lane]]\nname = \"{at}\"\nsymbols = []\nmaking = {{}}\n");
    let lanes: String = (0..17).map(lane).collect();
    let said = Config::parse(&lanes).unwrap_err().to_string();
    assert!(said.contains("has 17 entries; 1 to 16 lanes run"), "{said}");
}

#[test]
fn a_missing_file_is_named() {
    let path = std::path::Path::new("/nonexistent/bot4.toml");
    assert!(Config::load(path).unwrap_err().to_string().contains("/nonexistent/bot4.toml"));
}

#[test]
fn amounts_are_exact_or_refused() {
    let read = |value: &str| Config::parse(&format!("[limits]\nnotional = {value}\n"));
    for (text, printed) in [
        ("0.1", "0.1"),
        ("\"0.1\"", "0.1"),
        ("1e-7", "0.0000001"),
        ("123456789012345", "123456789012345"),
    ] {
        assert_eq!(read(text).unwrap().limits.notional.to_string(), printed);
    }
    for bad in ["0.12345678901234567", "1e300", "\"1e5\"", "true", "\"\""] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_default_gives_both_lanes_a_plan() {
    let config = Config::default();
    let known = instruments();
    let plan = config.plan(LaneId(0), &known[..1], 7).unwrap();
    assert_eq!((plan.version, plan.lane, plan.entries_len), (7, LaneId(0), 1));
    let entry = plan.entry(known[0].id).unwrap();
    assert_eq!((entry.order_lots_max, entry.position_lots_max), (Lots(20), Lots(50)));
    assert_eq!(entry.notional_max, Money(5_000 * Money::ONE));
    assert_eq!(entry.collar, Rate(500_000), "50 bps in 1e-8");
    assert_eq!((entry.book_age_max, entry.making.quote_lots), (Nanos::from_millis(500), Lots(2)));
    // by hand: ln(1 + 0.01) / 0.01, and sqrt(0.01 / 20 * 1.01^101)
    assert!((entry.making.base_half_spread - 0.995_033_085).abs() < 1e-6);
    assert!((entry.making.risk - (0.0005 * 1.01f64.powi(101)).sqrt()).abs() < 1e-12);
    let ether = config.plan(LaneId(1), &known, 8).unwrap();
    assert_eq!(ether.entry(known[1].id).unwrap().making.quote_lots, Lots(50));
    assert!(ether.entry(known[0].id).is_none());
}

#[test]
fn plans_that_do_not_fit_the_instrument_are_refused() {
    let known = instruments();
    let said = |from: &str, to: &str| {
        let config = Config::parse(&changed(from, to)).unwrap();
        config.plan(LaneId(0), &known, 1).unwrap_err().to_string()
    };
    let off = said("quote = \"0.002\"", "quote = \"0.0025\"");
    assert!(off.contains("`lane.0.making.BTCUSDT.quote` is 0.0025, not a multiple"), "{off}");
    assert!(off.contains(&format!("line {}", line_of("quote = \"0.002\""))), "{off}");
    let zero = said("BTCUSDT = \"0.020\"", "BTCUSDT = \"0.0001\"");
    assert!(zero.contains("limits.order.BTCUSDT") && zero.contains("less than one lot"), "{zero}");
    let above = said("quote = \"0.002\"", "quote = \"0.021\"");
    assert!(above.contains("above limits.order.BTCUSDT"), "{above}");
    let unknown = Config::default().plan(LaneId(1), &known[..1], 1).unwrap_err().to_string();
    assert!(unknown.contains("ETHUSDT"), "{unknown}");
    assert!(Config::default().plan(LaneId(9), &known, 1).is_err());
}
