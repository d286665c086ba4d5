//! `bot4 sim` as scripts and people call it: its keys, repeatable runs, and what it says of wrong flags.

mod bot4_process;

use bot4_process::Ended;

/// A minute and a bit of one seed.
const SHORT: [&str; 4] = ["sim", "--hours", "0.02", "--json"];

fn sim(more: &[&str]) -> Ended {
    Ended::of(&[&SHORT[..], more].concat())
}

#[test]
fn the_report_has_its_keys_and_comes_out_the_same_again() {
    let ended = sim(&["--seed", "77", "--seeds", "2"]);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let report = ended.json();
    assert_eq!(report["seeds"], 2);
    assert_eq!(report["violations"].as_array().map(Vec::len), Some(0), "{report}");
    let hours = report["simulated_hours"].as_f64().expect("a number");
    assert!((0.04..0.05).contains(&hours), "{hours}");
    assert!(report["orders"].as_u64() > Some(10), "{report}");
    assert!(report["events_per_second"].as_f64() >= Some(20.0), "{report}");
    assert!(report["faults"].is_object());
    let again = sim(&["--seed", "77", "--seeds", "2", "--threads", "1"]).json();
    for key in ["orders", "fills", "steps", "traffic_hash", "faults", "comparisons"] {
        assert_eq!(report[key], again[key], "{key}");
    }
    let other = sim(&["--seed", "79", "--seeds", "2"]).json();
    assert_ne!(report["traffic_hash"], other["traffic_hash"], "another seed, another world");
}

#[test]
fn a_planted_bug_is_reported_with_how_it_was_caught_or_that_it_was_not() {
    let bug = ["sim", "--canaries", "--canary", "never_count_orders", "--seed", "5", "--json"];
    let ended = Ended::of(&bug);
    let report = ended.json();
    assert_eq!(
        (ended.code, &report["planted"], &report["caught"]),
        (Some(0), &1.into(), &1.into())
    );
    let found = &report["bugs"][0];
    assert_eq!(found["name"], "never_count_orders");
    assert!(
        found["seeds"].as_u64().is_some_and(|seeds| seeds <= 200)
            && found["step"].as_u64() > Some(0),
        "{report}"
    );
    let blink = Ended::of(&[&bug[..], &["--hours", "0.0001", "--seeds", "1"]].concat());
    let report = blink.json();
    assert_eq!((blink.code, &report["caught"]), (Some(1), &0.into()), "no time to see anything");
    assert!(blink.errors.contains("never_count_orders"), "{}", blink.errors);
}

#[test]
fn faults_that_are_given_happen_and_no_others() {
    let report = sim(&["--faults", "20000:reset,30000:half_open:1:2000"]).json();
    let faults: u64 = report["faults"]
        .as_object()
        .expect("kinds")
        .values()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert_eq!((faults, &report["faults"]["reset"]), (2, &1.into()), "{report}");
    let none = sim(&["--faults", ""]).json();
    assert_eq!(none["faults"].as_object().map(serde_json::Map::len), Some(0), "{none}");
}

#[test]
fn a_wrong_flag_is_exit_code_two_and_says_what_is_wrong() {
    for (flags, words) in [
        (&["--hours", "0"][..], "above 0"),
        (&["--hours", "x"], "above 0"),
        (&["--seeds", "0"], "0 is not in 1.."),
        (&["--faults", "nonsense"], "milliseconds"),
        (&["--faults", "1000:nothing"], "half_open"),
        (&["--faults", "1000:reset", "--seeds", "2"], "--seeds"),
        (&["--canaries", "--canary", "nobody"], "forget_partial_fill"),
        (&["--canary", "forget_partial_fill"], "--canaries"),
    ] {
        let ended = Ended::of(&[&["sim"], flags].concat());
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.errors);
        assert!(ended.errors.contains(words), "{flags:?}: {}", ended.errors);
    }
    let late = sim(&["--faults", "72000:reset"]);
    assert_eq!(late.code, Some(1));
    assert!(
        late.errors.contains("72000:reset") && late.errors.contains("0.02 hours"),
        "{}",
        late.errors
    );
}
