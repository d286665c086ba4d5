//! `bot4 book` against the reference facts computed by slow independent code, on every Binance
//! capture of `../shared/data` (or `BOT4_SHARED`); a counted skip where the folder is absent.

mod shared_folder;

use bot4::cli::book::{FileFacts, Mode, Start, SymbolFacts, rebuild};
use serde_json::Value;
use shared_folder::{json, shared};
use std::path::PathBuf;

fn reference(test: &str) -> Option<(PathBuf, Value)> {
    let data = shared("data", test)?;
    let facts = json(&data.join("expected_shared.json"));
    Some((data, facts))
}

/// What differs between a rebuilt book and the reference, if anything.
fn difference(facts: &SymbolFacts, expected: &Value) -> Option<String> {
    let quote = |value: &Value| serde_json::from_value::<[String; 2]>(value.clone()).ok();
    let book = &facts.book;
    let mut wrong = Vec::new();
    let mut check = |what: &str, equal: bool| {
        if !equal {
            wrong.push(what.to_string());
        }
    };
    check("sha256", book.book_sha256.as_deref() == expected["book_sha256"].as_str());
    check("best_bid", book.best_bid == quote(&expected["best_bid"]));
    check("best_ask", book.best_ask == quote(&expected["best_ask"]));
    check("bids", book.n_bid_levels.map(|n| n as u64) == expected["n_bid_levels"].as_u64());
    check("asks", book.n_ask_levels.map(|n| n as u64) == expected["n_ask_levels"].as_u64());
    check("crossed", book.crossed_or_locked == expected["crossed_or_locked"].as_bool());
    let top = serde_json::to_value(&book.top10).expect("serialises");
    check("top10", top == expected["top10"]);
    (!wrong.is_empty()).then(|| wrong.join(", "))
}

const CAPTURES: [&str; 4] = [
    "binance-usdm/btcusdt_20240808.gz",
    "binance-cm/btcusd_perp_20240808.gz",
    "binance-cm/btcusd_perp_20240809.gz",
    "binance-spot/btcusdt_20240808.gz",
];

const CUTS: [(&str, Option<u64>); 3] = [
    ("after_1000_lines", Some(1_000)),
    ("after_10000_lines", Some(10_000)),
    ("after_all_lines", None),
];

fn only(facts: &FileFacts) -> &SymbolFacts {
    facts.only.as_ref().expect("one symbol in the capture")
}

#[test]
fn books_equal_the_reference() {
    let Some((data, reference)) = reference("books_equal_the_reference") else { return };
    let mut compared = 0;
    for name in CAPTURES {
        let file = [data.join(name)];
        for (cut, lines) in CUTS {
            for (mode, start) in [("from_empty", Start::Empty), ("from_snapshot", Start::Snapshot)]
            {
                let expected = &reference[name]["books"][cut][mode];
                if expected.is_null() {
                    continue;
                }
                let facts = rebuild(&file, start, lines).expect("the capture is readable");
                assert_eq!(difference(only(&facts[0]), expected), None, "{name} {cut} {mode}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 21, "every reference book is compared");
}

#[test]
fn a_book_continues_into_the_next_file() {
    let Some((data, reference)) = reference("a_book_continues_into_the_next_file") else { return };
    let files = [data.join(CAPTURES[1]), data.join(CAPTURES[2])];
    for (cut, lines) in CUTS {
        let facts = rebuild(&files, Start::Auto, lines).expect("readable");
        let expected = &reference[CAPTURES[2]]["books"][cut]["continued_from_previous_file"];
        let second = only(&facts[1]);
        assert_eq!(second.book.mode, Some(Mode::Continued));
        assert_eq!(difference(second, expected), None, "{cut}");
        assert_eq!(second.gaps, 0);
    }
}

#[test]
fn counts_and_trades_equal_the_reference() {
    let Some((data, reference)) = reference("counts_and_trades_equal_the_reference") else {
        return;
    };
    for name in CAPTURES {
        let facts = rebuild(&[data.join(name)], Start::Auto, None).expect("readable");
        let expected = &reference[name];
        let counted = serde_json::to_value(&facts[0].messages).expect("serialises");
        assert_eq!(counted, expected["messages_by_type"], "{name}");
        let by_x = expected["trades_by_X"].as_object().expect("an object");
        let expected_trades = by_x.values().next().expect("one kind of trade");
        let trades = &only(&facts[0]).trades;
        assert_eq!(Some(trades.n), expected_trades["n"].as_u64());
        for (key, ours) in [
            ("qty", Some(&trades.qty)),
            ("notional_sum_p_times_q", Some(&trades.notional)),
            ("vwap_qty_weighted", trades.vwap.as_ref()),
            ("vwap_inverse_contract", trades.vwap_inverse_contract.as_ref()),
            ("buy_aggressor_qty(m=false)", Some(&trades.buy_aggressor_qty)),
            ("sell_aggressor_qty(m=true)", Some(&trades.sell_aggressor_qty)),
            ("min_price", trades.min_price.as_ref()),
            ("max_price", trades.max_price.as_ref()),
        ] {
            assert_eq!(ours.map(String::as_str), expected_trades[key].as_str(), "{name} {key}");
        }
        let check = &only(&facts[0]).bookticker_cross_check;
        let cross = &expected["bookticker_cross_check"];
        if name != CAPTURES[2] {
            assert_eq!(Some(check.compared), cross["depth_events_compared"].as_u64(), "{name}");
            assert_eq!(Some(check.equal), cross["best_prices_and_sizes_equal"].as_u64(), "{name}");
        }
    }
}

#[test]
fn several_symbols_share_one_capture() {
    let Some((data, reference)) = reference("several_symbols_share_one_capture") else { return };
    for (name, rest, stream) in [
        ("BINANCE", "BINANCE.http.0.0.gz", "BINANCE.ws.1.0.gz"),
        ("BINANCE_FUTURES", "BINANCE_FUTURES.http.0.0.gz", "BINANCE_FUTURES.ws.1.0.gz"),
    ] {
        let folder = data.join("multi-venue-ws");
        let files = [folder.join(rest), folder.join(stream)];
        let facts = rebuild(&files, Start::Snapshot, None).expect("readable");
        let expected = &reference[format!("multi-venue-ws/{name}")];
        let counted = serde_json::to_value(&facts[1].messages).expect("serialises");
        assert_eq!(counted, expected["messages_by_type"], "{name}");
        for (symbol, expected) in expected["symbols"].as_object().expect("an object") {
            let ours = &facts[1].symbols[symbol];
            let last = &expected["final"];
            assert_eq!(
                ours.book.n_bid_levels.map(|n| n as u64),
                last["n_bids"].as_u64(),
                "{symbol}"
            );
            assert_eq!(
                ours.book.n_ask_levels.map(|n| n as u64),
                last["n_asks"].as_u64(),
                "{symbol}"
            );
            assert_eq!(ours.book.last_update_id, expected["last_applied_u"].as_u64(), "{symbol}");
            assert_eq!(Some(ours.dropped_old), expected["dropped_old"].as_u64(), "{symbol}");
            assert_eq!(Some(ours.gaps), expected["gaps_after_sync"].as_u64(), "{symbol}");
            let top = ours.book.top10.as_ref().expect("a book");
            for (side, ours) in [("bids", &top.bids), ("asks", &top.asks)] {
                for (level, expected) in ours.iter().zip(last[side].as_array().expect("a list")) {
                    let plain =
                        |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_string();
                    let price = expected[0].as_str().expect("text");
                    let price = if price.contains('.') { plain(price) } else { price.to_string() };
                    assert_eq!(level[0], price, "{symbol} {side}");
                }
            }
        }
    }
}

#[test]
fn canary_one_lost_diff_changes_the_hash() {
    let Some((data, reference)) = reference("canary_one_lost_diff_changes_the_hash") else {
        return;
    };
    let file = [data.join(CAPTURES[0])];
    let facts = rebuild(&file, Start::Snapshot, Some(9_950)).expect("readable");
    let expected = &reference[CAPTURES[0]]["books"]["after_10000_lines"]["from_snapshot"];
    assert!(difference(only(&facts[0]), expected).is_some(), "fifty lines less is another book");
}
