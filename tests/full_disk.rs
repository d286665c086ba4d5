//! A disk that fills up under a running engine: trading halts while the journal still has room to say so,
//! every order is cancelled, and what was written replays. Mounts a small file system, so it wants root.

mod bot4_process;

use bot4_process::{Ended, Small, Temporary};

/// Two lanes' first segments and half of what the next ones would want.
const SIZE: &str = "size=50m";
/// Small segments, and a market that fills them within seconds.
const CONFIG: &str = r#"
[run]
speed = 20
[journal]
segment_mib = 16
[exchange]
rate = 4000
[report]
status_ms = 0
"#;

#[test]
fn a_full_disk_halts_trading_and_leaves_no_order() {
    let Some(small) = Small::mount(SIZE) else {
        eprintln!("SKIPPED (1): a full disk: this user may not mount a file system");
        return;
    };
    let config = Temporary::holding("full_disk.toml", CONFIG.as_bytes());
    let journal = format!("{}/journal", small.path());
    let arguments = ["run", "--config", config.path(), "--journal", &journal, "--json"];
    let ended = Ended::of(&[&arguments[..], &["--for", "12s"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let report = ended.json();
    assert_eq!(report["orders"]["working"], 0);
    for lane in report["lanes"].as_array().expect("lanes") {
        let said = lane["incidents"].to_string();
        assert!(said.contains("trading halted, orders cancelled"), "{said}");
        assert!(said.contains("no room for the next segment"), "{said}");
        let (records, durable) = (&lane["journal"]["records"], &lane["journal"]["durable"]);
        assert!(records.as_u64() > Some(50_000) && records == durable, "{}", lane["journal"]);
    }
    let replayed = Ended::of(&["replay", &journal, "--json"]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.errors);
    let replayed = replayed.json();
    assert_eq!(replayed["state_hash"], replayed["recorded_state_hash"]);
    let again = Ended::of(&[&arguments[..], &["--for", "1s"]].concat());
    assert_eq!(again.code, Some(1), "there is no room to go on: {}", again.errors);
    assert!(again.errors.contains("no space left on the disk"), "{}", again.errors);
}
