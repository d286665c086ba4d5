//! The kill switch from outside: words on the socket, signals, the kill file; while the venue is dead,
//! the disk full, and nobody makes a new plan.

mod bot4_process;

use bot4_process::{Bot4, Ended, Folder, Small, Temporary};
use serde_json::Value;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// A quiet market, so that many processes fit two cores.
const QUIET: &str = "[exchange]\nrate = 300\n[report]\nstatus_ms = 0\n";
const PATIENCE: Duration = Duration::from_secs(25);

/// Asks the run in a folder; its answer, whatever it was.
fn ask(command: &str, run: &str) -> (Option<i32>, Value, String) {
    let ended = Ended::of(&[command, run, "--json"]);
    let answer = serde_json::from_str(&ended.out).unwrap_or(Value::Null);
    (ended.code, answer, ended.errors)
}

/// The command must do what it says.
fn obeys(command: &str, run: &str) -> Value {
    let (code, answer, errors) = ask(command, run);
    assert!(code == Some(0) && answer["ok"] == true, "{command}: {answer} {errors}");
    answer
}

fn lanes(answer: &Value) -> &[Value] {
    answer["lanes"].as_array().map_or(&[], Vec::as_slice)
}

fn sum(answer: &Value, key: &str) -> u64 {
    lanes(answer).iter().map(|lane| lane[key].as_u64().expect("a count")).sum()
}

/// Waits for a status in which every lane is as wanted.
fn all(run: &str, words: &str, wanted: &dyn Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let (_, answer, errors) = ask("status", run);
        if lanes(&answer).len() == 2 && lanes(&answer).iter().all(wanted) {
            return answer;
        }
        assert!(Instant::now() < until, "waited for `{words}`: {answer} {errors}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn quoting(run: &str) -> Value {
    all(run, "active with orders out", &|lane| {
        lane["mode"] == "active" && lane["working"].as_u64() > Some(0)
    })
}

/// Held by this cause alone, nothing working.
fn stands(run: &str, mode: &str, cause: &str) -> Value {
    all(run, cause, &|lane| {
        lane["mode"] == mode
            && lane["held_by"] == serde_json::json!([cause])
            && lane["working"] == 0
    })
}

fn signal(bot: &Bot4, name: &str) {
    let sent = Command::new("kill").args([name, &bot.process()]).status().expect("kill");
    assert!(sent.success());
}

fn incidents(report: &Value) -> String {
    lanes(report).iter().map(|lane| lane["incidents"].to_string()).collect()
}

#[test]
fn words_signals_and_the_file_stop_a_run_and_a_person_lets_it_go_on() {
    let (folder, files) = (Folder::new(), Folder::new());
    let kill = format!("{}/kill", files.path());
    let config = format!("{QUIET}[control]\nkill_file = \"{kill}\"\n");
    let config = Temporary::holding("control.toml", config.as_bytes());
    let run = folder.path();
    let bot = Bot4::start(&["run", "--config", config.path(), "--journal", run, "--json"]);
    let said = bot.hears("stop trading");
    assert!(said.contains(&format!("`bot4 halt {run}`")), "{said}");
    let again = Ended::of(&["run", "--config", config.path(), "--journal", run]);
    assert_eq!(again.code, Some(1), "the second run took the first one's kill switch");
    assert!(again.errors.contains("listens there already"), "{}", again.errors);

    quoting(run);
    obeys("halt", run);
    stands(run, "halted", "operator_halt");
    obeys("reduce", run);
    all(run, "reducing", &|lane| lane["mode"] == "reducing");
    obeys("resume", run);
    quoting(run);

    signal(&bot, "-USR2");
    all(run, "signal_reduce", &|lane| lane["held_by"] == serde_json::json!(["signal_reduce"]));
    obeys("resume", run);
    signal(&bot, "-USR1");
    stands(run, "halted", "signal_halt");
    obeys("resume", run);
    quoting(run);

    std::fs::write(&kill, "").expect("a file");
    let before = stands(run, "halted", "kill_file");
    ask("resume", run); // the file is still there
    thread::sleep(Duration::from_millis(300));
    let after = stands(run, "halted", "kill_file");
    assert!(sum(&after, "frames") > sum(&before, "frames"), "they go on listening");
    std::fs::remove_file(&kill).expect("it is there");
    obeys("resume", run);
    quoting(run);

    bot.interrupt();
    let ended = bot.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let said = incidents(&ended.json());
    for cause in ["operator_halt", "operator_reduce", "signal_reduce", "signal_halt", "kill_file"] {
        assert!(said.contains(&format!("`{cause}`; orders cancelled")), "{cause}: {said}");
        assert!(said.contains(&format!("`{cause}` is over")), "{cause}: {said}");
    }
    let replayed = Ended::of(&["replay", run, "--json"]);
    assert_eq!(replayed.code, Some(0), "every move stands in the journal: {}", replayed.errors);
    let (code, _, errors) = ask("halt", run);
    assert!(code == Some(1) && errors.contains("no run answers here"), "{errors}");
}

#[test]
fn a_halt_holds_through_the_death_of_the_venue_and_of_the_run() {
    let (venue, at) = Bot4::venue(&[]);
    let (at, folder) = (at.to_string(), Folder::new());
    let config = Temporary::holding("control_venue.toml", b"[report]\nstatus_ms = 0\n");
    let run = folder.path();
    let start = ["run", "--config", config.path(), "--venue", &at, "--journal", run, "--json"];
    let bot = Bot4::start(&start);
    bot.hears("stop trading");
    quoting(run);
    venue.kill();
    all(run, "not connected", &|lane| lane["connected"] == false);
    let halted = obeys("halt", run);
    assert!(lanes(&halted).iter().all(|lane| lane["mode"] == "halted"), "{halted}");
    let (_venue, _) = Bot4::venue_at(&at, &[]);
    let back = all(run, "connected", &|lane| lane["connected"] == true);
    thread::sleep(Duration::from_millis(500));
    let later = stands(run, "halted", "operator_halt");
    assert!(sum(&later, "frames") > sum(&back, "frames"), "{later}");
    assert_eq!(sum(&later, "requests"), sum(&back, "requests"), "{later}");

    bot.kill();
    let bot = Bot4::start(&start);
    bot.hears("stop trading");
    stands(run, "halted", "operator_halt");
    obeys("resume", run);
    quoting(run);
    bot.interrupt();
    assert_eq!(bot.end().code, Some(0));
}

#[test]
fn a_full_disk_leaves_the_kill_switch_alone() {
    let Some(small) = Small::mount("size=50m") else {
        eprintln!("SKIPPED (1): a full disk: this user may not mount a file system");
        return;
    };
    let config = "[run]\nspeed = 20\n[journal]\nsegment_mib = 16\n[exchange]\nrate = 4000\n\
                  [report]\nstatus_ms = 0\n";
    let config = Temporary::holding("control_disk.toml", config.as_bytes());
    let run = format!("{}/journal", small.path());
    let bot = Bot4::start(&["run", "--config", config.path(), "--journal", &run, "--json"]);
    bot.hears("stop trading");
    stands(&run, "halted", "journal");
    obeys("halt", &run);
    let (code, answer, errors) = ask("resume", &run);
    assert_eq!((code, answer["ok"].as_bool()), (Some(1), Some(false)), "{answer}");
    assert!(errors.contains("still halted by"), "{errors}");
    all(&run, "halted", &|lane| lane["mode"] == "halted" && lane["working"] == 0);
    signal(&bot, "-USR1");
    all(&run, "signal_halt", &|lane| lane["held_by"].to_string().contains("signal_halt"));
    bot.interrupt();
    let report = bot.end().json();
    assert_eq!(report["orders"]["working"], 0);
    assert!(incidents(&report).contains("not activated"), "{}", incidents(&report));
}

/// Trades until the plan is too old, flattens; the lanes' incidents, and their report.
fn flattened() -> (String, Value) {
    let folder = Folder::new();
    let config = "[run]\nspeed = 10\n[limits]\nplan_age_s = 3\n[report]\nstatus_ms = 0\n";
    let config = Temporary::holding("control_plan.toml", config.as_bytes());
    let run = folder.path();
    let bot = Bot4::start(&["run", "--config", config.path(), "--journal", run, "--json"]);
    bot.hears("stop trading");
    quoting(run);
    thread::sleep(Duration::from_secs(3));
    all(run, "a plan too old for new risk", &|lane| {
        lane["mode"] == "active" && lane["working"] == 0 && lane["filled"].as_u64() > Some(0)
    });
    obeys("flatten", run);
    thread::sleep(Duration::from_secs(2));
    bot.interrupt();
    let report = bot.end().json();
    (incidents(&report), report)
}

#[test]
fn positions_are_closed_though_nobody_makes_a_new_plan() {
    for _ in 0..5 {
        let (said, report) = flattened();
        for lane in lanes(&report) {
            let position = lane["instruments"][0]["position"].as_str();
            assert_eq!(position.and_then(|of| of.parse().ok()), Some(0.0), "{lane}");
        }
        if said.contains("an order left that closes the position") {
            return;
        }
        // Both lanes happened to hold nothing, which shows nothing.
    }
    panic!("no lane ever held a position");
}
