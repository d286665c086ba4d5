//! `kill -9` of the engine at random moments, against a venue that stays up: each restart recovers its
//! journal, reconciles, and ends with the positions, cash, fees and open orders of the venue's own books.
//!
//! `BOT4_KILLS=200` is the long proof (`tools/test --long`).

mod bot4_process;

use bot4_process::{Bot4, Ended, Folder};
use serde_json::Value;
use std::thread;
use std::time::Duration;

/// A market busy enough that orders are under way at most moments.
const BUSY: &str = r#"
[exchange]
rate = 800
[report]
status_ms = 0
"#;

/// Splitmix: the moments, from one seed that is printed.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

fn kills() -> u64 {
    std::env::var("BOT4_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

/// What a report says of an instrument, in the venue's words.
fn claims(report: &Value) -> Vec<(String, String, String, Value)> {
    let lanes = report["lanes"].as_array().expect("lanes");
    let instruments = lanes.iter().flat_map(|of| of["instruments"].as_array().expect("a list"));
    let text = |of: &Value| of.as_str().expect("text").to_owned();
    instruments
        .map(|of| {
            (text(&of["symbol"]), text(&of["position"]), text(&of["cash"]), of["fees"].clone())
        })
        .collect()
}

fn money(of: &Value) -> i128 {
    let text = of.as_str().expect("an amount");
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    assert_eq!(text.rsplit('.').next().map(str::len), Some(8), "{text}");
    digits.parse().expect("digits")
}

/// Kills an engine of `family` again and again, then lets one run to its end, and compares.
fn survives(family: &str, kills: u64, seed: u64) {
    println!("family {family}, seed {seed}, {kills} kills");
    let text = format!("[venue]\nfamily = \"{family}\"\n{BUSY}");
    let config = bot4_process::Temporary::holding(&format!("kill_{family}.toml"), text.as_bytes());
    let journal = Folder::new();
    let (venue, at) = Bot4::venue(&["--config", config.path(), "--json"]);
    let at = at.to_string();
    let folder = journal.path();
    let arguments = ["run", "--config", config.path(), "--venue", &at, "--journal", folder];
    let mut moments = Moments(seed);
    for kill in 0..kills {
        let bot = Bot4::start(&arguments);
        // A life reconciles for two and a half seconds: some die before, some in it, half of them after it,
        // with orders under way.
        thread::sleep(Duration::from_millis(20 + moments.next() % 6_000));
        bot.kill();
        if kill % 4 == 3 {
            let replayed = Ended::of(&["replay", folder, "--json"]);
            assert_eq!(replayed.code, Some(0), "kill {kill}: {}", replayed.errors);
        }
    }
    let orderly = Ended::of(&[&arguments[..], &["--for", "6s", "--json"]].concat());
    assert_eq!(orderly.code, Some(0), "{}", orderly.errors);
    let last = Ended::of(&[&arguments[..], &["--for", "4s", "--json"]].concat());
    assert_eq!(last.code, Some(0), "{}", last.errors);
    let saved = "goes on after 0 records behind the snapshot of";
    assert!(last.errors.contains(saved), "an orderly end saves the state: {}", last.errors);
    let report = last.json();
    venue.interrupt();
    let books = venue.end().json();
    let account = &books["accounts"][0];
    assert_eq!(account["open_orders"], 0, "{account}");
    assert_eq!(report["orders"]["working"], 0);
    let mut fees = 0;
    for (symbol, position, cash, paid) in claims(&report) {
        assert_eq!(account["positions"][&symbol], position, "{symbol}: {account}");
        assert_eq!(account["cash"][&symbol], cash, "{symbol}: {account}");
        fees += paid.as_object().expect("fees").values().map(money).sum::<i128>();
    }
    let charged = account["fees"].as_object().expect("fees").values().map(money).sum::<i128>();
    assert_eq!(fees, charged, "{account}");
    let traded = books["executions"]["fill"].as_u64().unwrap_or(0);
    assert!(traded > 0, "nothing was traded: {books}");
    let replayed = Ended::of(&["replay", folder, "--json"]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.errors);
    let replayed = replayed.json();
    assert_eq!(replayed["state_hash"], replayed["recorded_state_hash"]);
    assert_eq!(replayed["end_state_hash"], report["state_hash"], "the run's own hash");
}

#[test]
fn a_futures_engine_survives_kill_nine() {
    survives("usd-m", kills(), 0x5eed_0001);
}

#[test]
fn a_spot_engine_survives_kill_nine() {
    survives("spot", kills(), 0x5eed_0002);
}
