//! `bot4 audit show` and `verify` on the journal of a real run: an order's life is told from the gate's
//! answer to the last report, and agrees with what the run itself counted.

mod bot4_process;

use bot4_process::Ended;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// One run for all tests: where its journal stands and what it reported.
fn run() -> &'static (PathBuf, Value) {
    static RUN: OnceLock<(PathBuf, Value)> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("audit-show-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let name = folder.to_str().expect("a plain path").to_owned();
        let ended = Ended::of(&["run", "--for", "6s", "--json", "--journal", &name]);
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        let report = serde_json::from_str(&ended.out).expect("one JSON object");
        (folder, report)
    })
}

fn audit(arguments: &[&str]) -> Output {
    let (folder, _) = run();
    let (question, rest) = arguments.split_first().expect("a question");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bot4"));
    command.args(["audit", question]).arg(folder).args(rest).output().expect("bot4 runs")
}

fn json(arguments: &[&str]) -> Value {
    let output = audit(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn whats(life: &Value) -> Vec<&str> {
    let events = life["events"].as_array().expect("events");
    events.iter().filter_map(|event| event["what"].as_str()).collect()
}

#[test]
fn a_run_verifies() {
    let verdict = json(&["verify", "--json"]);
    assert_eq!(verdict["ok"], true, "{verdict}");
    assert!(verdict["records"].as_u64() > Some(1_000), "{verdict}");
}

#[test]
fn every_order_listed_has_a_life_that_begins_with_a_passing_verdict() {
    let list = json(&["show", "--json"]);
    let listed = list["listed"].as_array().expect("a list");
    assert!(!listed.is_empty(), "the run sent orders");
    let mut filled = 0;
    for of in listed.iter().rev().take(12) {
        let name = of["order"].as_str().expect("a name").split(' ').next().expect("its client id");
        let life = json(&["show", "--order", name, "--json"]);
        let events = life["events"].as_array().expect("events");
        let first = &events[0];
        assert_eq!(first["record"], of["first_record"], "{life}");
        assert!(matches!(first["what"].as_str(), Some("passed" | "refused")), "{life}");
        if first["what"] == "passed" {
            let detail = &first["detail"];
            assert!(detail["plan"].as_u64() > Some(0), "which Plan: {first}");
            assert!(detail["plan_record"].is_u64(), "since when: {first}");
            assert!(detail["bid"].is_array() && detail["ask"].is_array(), "which book: {first}");
            assert!(detail["input_record"].as_u64() < first["record"].as_u64(), "{first}");
            let answered = |what: &&str| ["acknowledged", "rejected"].contains(what);
            assert!(whats(&life).iter().any(answered), "{life}");
        }
        let times: Vec<u64> = events.iter().filter_map(|of| of["wall_ns"].as_u64()).collect();
        assert!(times.len() == events.len() && times.is_sorted(), "{life}");
        if whats(&life).contains(&"fill") {
            filled += 1;
            assert!(life["filled_lots"].as_i64() > Some(0), "{life}");
        }
    }
    assert!(filled > 0 || run().1["orders"]["filled"] == 0, "the run reported fills");
}

#[test]
fn the_three_names_of_an_order_tell_the_same_life_in_words() {
    let list = json(&["show", "--json"]);
    let name = list["listed"][0]["order"].as_str().expect("a name").to_owned();
    let (client, pair) = name.split_once(" (").expect("both forms");
    let by_client = audit(&["show", "--order", client]);
    let by_pair = audit(&["show", "--order", pair.trim_end_matches(')')]);
    assert!(by_client.status.success());
    assert_eq!(by_client.stdout, by_pair.stdout);
    let words = String::from_utf8_lossy(&by_client.stdout).into_owned();
    for piece in ["order b4_", "plan ", "book ", " filled, fees "] {
        assert!(words.contains(piece), "{piece}: {words}");
    }
}

#[test]
fn an_order_that_nobody_knows_is_said_so() {
    let output = audit(&["show", "--order", "1:999999999"]);
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("1:999999999") && words.contains("--order"), "{words}");
    assert_eq!(audit(&["show", "--order", "x"]).status.code(), Some(2), "a wrong flag");
}

#[test]
#[cfg(not(feature = "parquet"))]
fn without_the_feature_export_says_how_to_get_it() {
    println!("SKIPPED (1): Parquet tables: cargo test --features parquet --test audit_show");
    let output = audit(&["export", "--parquet", "tables"]);
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("--features parquet"), "{words}");
}

#[cfg(feature = "parquet")]
mod tables {
    use super::{audit, json, run};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    use std::fs::File;

    #[test]
    fn tables_hold_what_the_journal_says() {
        let folder = run().0.with_extension("tables");
        let output = audit(&["export", "--parquet", folder.to_str().expect("a plain path")]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let open = |name: &str| {
            let file = File::open(folder.join(format!("{name}.parquet"))).expect("a table");
            SerializedFileReader::new(file).expect("a Parquet file")
        };
        let rows = |name: &str| open(name).metadata().file_metadata().num_rows();
        for name in ["levels", "judgements", "executions", "events"] {
            assert!(rows(name) > 0, "{name}");
        }
        let listed = json(&["show", "--json"]);
        let orders = listed["orders"].as_u64().expect("a number");
        let executions = open("executions");
        let mut known = std::collections::BTreeSet::new();
        for row in executions.get_row_iter(None).expect("rows") {
            let row = row.expect("a row");
            let at = |wanted: &str| {
                let place = row.get_column_iter().position(|(name, _)| name == wanted);
                place.expect("a column")
            };
            known.insert(row.get_long(at("order")).expect("a number"));
            let steps = row.get_long(at("price_ticks")).expect("ticks");
            let price = row.get_double(at("price")).expect("a price");
            assert!(steps >= 0 && (price == 0.0) == (steps == 0), "{row}");
        }
        assert!(known.len() as u64 <= orders && !known.is_empty(), "{} of {orders}", known.len());
        let _ = std::fs::remove_dir_all(&folder);
    }
}
