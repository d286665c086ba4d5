//! A market at twenty times the rate of the real captures, for as long as it takes to make hours of them:
//! no queue overruns, no order or report is lost, and memory stays where it was.
//!
//! `BOT4_BURST_SECONDS=360` makes two hours (`tools/test --long`).

mod bot4_process;

use bot4_process::{Bot4, Folder, Temporary};
use std::thread;
use std::time::Duration;

/// The USD-M capture of BTCUSDT of 8 August 2024 brings 272 messages a second; here each of two
/// instruments brings that many, twenty times as fast.
const CONFIG: &str = r#"
[run]
speed = 20
[exchange]
rate = 272
[report]
status_ms = 0
"#;
/// What a process may grow by once it is warm: histograms' and tables' last pages, thread stacks.
const GROWTH_KIB: u64 = 6 * 1_024;

fn seconds() -> u64 {
    let asked = std::env::var("BOT4_BURST_SECONDS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(12)
}

#[test]
fn a_burst_overruns_nothing_and_memory_stays_flat() {
    let seconds = seconds();
    let config = Temporary::holding("burst.toml", CONFIG.as_bytes());
    let (venue, at) = Bot4::venue(&["--config", config.path(), "--json"]);
    let (at, journal) = (at.to_string(), Folder::new());
    let span = format!("{seconds}s");
    let bot = Bot4::start(&[
        "run",
        "--config",
        config.path(),
        "--venue",
        &at,
        "--journal",
        journal.path(),
        "--for",
        &span,
        "--json",
    ]);
    thread::sleep(Duration::from_secs(seconds / 3));
    let warm = bot.resident_kib();
    thread::sleep(Duration::from_secs(seconds / 3));
    let late = bot.resident_kib();
    let ended = bot.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    venue.interrupt();
    let (report, books) = (ended.json(), venue.end().json());
    let rate = report["arrival_rate"].as_f64().expect("a rate");
    println!("{rate:.0} messages a second for {seconds} s; {warm} KiB, then {late} KiB");
    assert!(late < warm + GROWTH_KIB, "from {warm} to {late} KiB");
    assert!(report["messages"].as_u64() > Some(2 * 272 * 20 * seconds / 3), "{report}");
    assert_eq!(books["slow_clients"], 0, "the engine read everything in time");
    let account = &books["accounts"][0];
    assert_eq!((&account["open_orders"], &report["orders"]["working"]), (&0.into(), &0.into()));
    for lane in report["lanes"].as_array().expect("lanes") {
        assert_eq!(lane["incidents"].as_array().map(Vec::len), Some(0), "{}", lane["incidents"]);
        assert_eq!(lane["journal"]["failure"], serde_json::Value::Null);
        for of in lane["instruments"].as_array().expect("instruments") {
            let symbol = of["symbol"].as_str().expect("a name");
            assert_eq!(account["positions"][symbol], of["position"], "{account}");
            assert_eq!(account["cash"][symbol], of["cash"], "{account}");
            assert_eq!(of["gaps"], 0);
        }
    }
    let fates = ["filled", "cancelled", "rejected", "expired"];
    let ends: u64 = fates.iter().map(|key| report["orders"][key].as_u64().unwrap_or(0)).sum();
    assert_eq!(report["orders"]["sent"].as_u64(), Some(ends), "{}", report["orders"]);
}
