//! `bot4 book` on captures as they should not be: mixed markets, gaps, garbage, zero prices, many
//! symbols. Every capture is written here, so that these tests need no data.

use bot4::cli::book::{BookError, Mode, Start, rebuild};
use std::path::PathBuf;

/// A capture file that is removed with its owner.
struct Written(PathBuf);

impl Drop for Written {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

fn capture(name: &str, frames: &[String]) -> Written {
    let path = std::env::temp_dir().join(format!("bot4-book-{}-{name}", std::process::id()));
    let lines: Vec<String> =
        frames.iter().enumerate().map(|(at, frame)| format!("{} {frame}\n", at + 17)).collect();
    std::fs::write(&path, lines.concat()).expect("the temporary folder is writable");
    Written(path)
}

fn futures(symbol: &str, update: u64, previous: u64, bid: &str, ask: &str) -> String {
    format!(
        r#"{{"stream":"x@depth@0ms","data":{{"e":"depthUpdate","E":2,"T":1,"s":"{symbol}","U":{update},"u":{update},"pu":{previous},"b":[["{bid}","1.5"]],"a":[["{ask}","2"]]}}}}"#
    )
}

fn spot(symbol: &str, update: u64, bid: &str) -> String {
    format!(
        r#"{{"stream":"x@depth","data":{{"e":"depthUpdate","E":2,"s":"{symbol}","U":{update},"u":{update},"b":[["{bid}","1.00000000"]],"a":[]}}}}"#
    )
}

fn snapshot(update: u64, bid: &str) -> String {
    format!(r#"{{"lastUpdateId":{update},"E":1,"T":1,"bids":[["{bid}","7"]],"asks":[]}}"#)
}

fn trade(symbol: &str, pair: &str, price: &str, x: &str) -> String {
    format!(
        r#"{{"stream":"x@trade","data":{{"e":"trade","E":1,"T":1,"s":"{symbol}",{pair}"t":5,"p":"{price}","q":"3","X":"{x}","m":true}}}}"#
    )
}

#[test]
fn one_symbol_on_two_markets_makes_two_books() {
    let usd = capture(
        "usd",
        &[futures("AB", 5, 4, "10.5", "10.7"), snapshot(5, "9"), {
            futures("AB", 6, 5, "10.6", "10.7")
        }],
    );
    let spot_file = capture("spot", &[spot("AB", 900, "3.25000000")]);
    let next = capture("next", &[futures("AB", 7, 6, "10.62", "10.7")]);
    let files = [usd.0.clone(), spot_file.0.clone(), next.0.clone()];
    let facts = rebuild(&files, Start::Auto, None).expect("three captures");
    let only: Vec<_> = facts.iter().map(|file| file.only.as_ref().expect("one symbol")).collect();
    assert_eq!(facts.iter().map(|f| f.family).collect::<Vec<_>>(), ["usd-m", "spot", "usd-m"]);
    let modes = only.iter().map(|o| o.book.mode.expect("a book")).collect::<Vec<_>>();
    assert_eq!(modes, [Mode::FromSnapshot, Mode::FromEmpty, Mode::Continued]);
    assert_eq!(only[1].book.best_bid, Some(["3.25".into(), "1".into()]));
    assert_eq!((only[2].gaps, only[2].book.n_bid_levels), (0, Some(4)), "9, 10.5, 10.6 and 10.62");
    assert_eq!(only[2].tick, "0.01", "the finer price rescaled what was carried");
}

#[test]
fn a_snapshot_belongs_to_the_symbol_of_its_own_file() {
    let first = capture("own1", &[futures("AB", 5, 4, "10", "11"), snapshot(5, "9")]);
    let second = capture("own2", &[futures("CD", 8, 7, "20", "21"), snapshot(8, "19")]);
    let facts = rebuild(&[first.0.clone(), second.0.clone()], Start::Snapshot, None).expect("both");
    let only = facts[1].only.as_ref().expect("one symbol");
    assert_eq!((only.symbol.as_str(), only.book.n_bid_levels), ("CD", Some(2)));
}

#[test]
fn futures_are_known_however_late_their_first_diff_comes() {
    let mut frames = vec![trade("AB", "", "10", "MARKET"); 200];
    frames.push(futures("AB", 50, 40, "10", "11"));
    frames.push(futures("AB", 60, 50, "10", "12"));
    let file = capture("late", &frames);
    let facts = rebuild(std::slice::from_ref(&file.0), Start::Empty, None).expect("a capture");
    assert_eq!((facts[0].family, facts[0].only.as_ref().map(|o| o.gaps)), ("usd-m", Some(0)));
}

#[test]
fn a_gap_is_counted_flagged_and_mended_by_the_next_snapshot() {
    let mut frames = vec![
        futures("AB", 5, 4, "10", "20"),
        snapshot(5, "9"),
        futures("AB", 7, 6, "11", "20"), // 6 was lost
        futures("AB", 8, 7, "12", "20"),
        futures("AB", 8, 7, "12", "20"), // twice
    ];
    let file = capture("gap", &frames);
    let facts = rebuild(std::slice::from_ref(&file.0), Start::Snapshot, None).expect("a capture");
    let only = facts[0].only.as_ref().expect("one symbol");
    assert_eq!((only.gaps, only.synchronised), (1, Some(false)));
    assert_eq!(only.book.n_bid_levels, Some(4), "the rest is applied in order");
    frames.push(snapshot(8, "13"));
    let file = capture("mended", &frames);
    let facts = rebuild(std::slice::from_ref(&file.0), Start::Snapshot, None).expect("a capture");
    let only = facts[0].only.as_ref().expect("one symbol");
    assert_eq!((only.gaps, only.synchronised), (1, Some(true)));
    assert_eq!(
        only.book.n_bid_levels,
        Some(2),
        "13 of the snapshot, 12 of the diff that bridges it"
    );
}

#[test]
fn a_broken_book_is_carried_as_broken() {
    let first = capture(
        "broken1",
        &[futures("AB", 5, 4, "10", "20"), snapshot(5, "9"), futures("AB", 7, 6, "11", "20")],
    );
    let second = capture("broken2", &[futures("AB", 8, 7, "12", "20")]);
    let facts = rebuild(&[first.0.clone(), second.0.clone()], Start::Auto, None).expect("both");
    let only = facts[1].only.as_ref().expect("one symbol");
    assert_eq!((only.book.mode, only.synchronised), (Some(Mode::Continued), Some(false)));
}

#[test]
fn trades_off_the_book_stand_apart_and_a_zero_price_is_no_panic() {
    let pair = r#""ps":"ABUSD","#;
    let frames = [
        futures("ABUSD_PERP", 5, 4, "10", "20"),
        trade("ABUSD_PERP", pair, "10", "MARKET"),
        trade("ABUSD_PERP", pair, "12", "INSURANCE_FUND"),
        trade("ABUSD_PERP", pair, "0", "MARKET"),
    ];
    let file = capture("zero", &frames);
    let facts = rebuild(std::slice::from_ref(&file.0), Start::Auto, None).expect("a capture");
    let trades = &facts[0].only.as_ref().expect("one symbol").trades;
    assert_eq!((facts[0].family, trades.n, trades.qty.as_str()), ("coin-m", 2, "6"));
    assert_eq!(trades.vwap_inverse_contract, None);
    assert_eq!(trades.by_x["INSURANCE_FUND"].max_price.as_deref(), Some("12"));
    assert_eq!(trades.by_x.len(), 2);
}

#[test]
fn lines_cut_off_are_neither_read_nor_judged_in_the_last_file() {
    let mut frames = vec![spot("AB", 1, "1.00000000"), spot("AB", 2, "2.00000000")];
    frames.push("no message at all".into());
    let file = capture("cut", &frames);
    let files = std::slice::from_ref(&file.0);
    let facts = rebuild(files, Start::Empty, Some(2)).expect("two good lines");
    assert_eq!(facts[0].only.as_ref().and_then(|o| o.book.n_bid_levels), Some(2));
    let error = rebuild(files, Start::Empty, None).expect_err("the third line is garbage");
    assert!(matches!(error, BookError::Decode { line: 3, .. }), "{error}");
    assert_eq!(error.to_string().matches("JSON").count(), 1, "{error}");
    assert!(std::error::Error::source(&error).is_none(), "nothing left to say twice");
}

#[test]
fn hundreds_of_symbols_take_few_passes() {
    let frames: Vec<String> = (0..1_200u64)
        .map(|at| spot(&format!("S{}", at % 300), 1 + at / 300, &format!("1.{:08}", at + 1)))
        .collect();
    let file = capture("many", &frames);
    let started = std::time::Instant::now();
    let facts = rebuild(std::slice::from_ref(&file.0), Start::Empty, None).expect("a capture");
    assert_eq!(facts[0].symbols.len(), 300);
    assert!(facts[0].symbols.values().all(|s| s.book.n_bid_levels == Some(4) && s.gaps == 0));
    assert!(started.elapsed().as_secs() < 20, "one pass a symbol would take minutes");
}

#[test]
fn no_snapshot_is_a_clear_refusal() {
    let file = capture("none", &[spot("AB", 1, "1.00000000")]);
    let files = std::slice::from_ref(&file.0);
    let error = rebuild(files, Start::Snapshot, None).expect_err("there is no snapshot");
    assert!(error.to_string().contains("--from-empty"), "{error}");
    let facts = rebuild(files, Start::Auto, None).expect("from empty instead");
    assert_eq!(facts[0].only.as_ref().and_then(|o| o.book.mode), Some(Mode::FromEmpty));
}
