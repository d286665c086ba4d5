//! `bot4 venue` as a process: it says where it listens, serves, and reports when it is told to stop.

mod exchange_client;

use exchange_client::{Web, get};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

fn venue(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bot4"));
    command.arg("venue").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A venue on a free port, and where it listens.
fn started(arguments: &[&str]) -> (Child, SocketAddr) {
    let all = [&["--listen", "127.0.0.1:0"], arguments].concat();
    let mut child = venue(&all).spawn().expect("the binary runs");
    let mut first = String::new();
    let errors = child.stderr.as_mut().expect("a pipe");
    BufReader::new(errors).read_line(&mut first).expect("a first line");
    let address = first.split("listening at ").nth(1).and_then(|rest| rest.split(';').next());
    (child, address.unwrap_or_else(|| panic!("{first}")).parse().expect("an address"))
}

fn interrupted(mut child: Child) -> String {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    let mut report = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut report).expect("a report");
    assert!(child.wait().expect("it ends").success());
    report
}

#[test]
fn it_serves_until_interrupted_and_reports() {
    let (child, address) = started(&["--json", "--speed", "20", "--fault", "garbage@3", "gap@1"]);
    let mut web = Web::open(address, "/ws/btcusdt@bookTicker");
    let texts: Vec<Vec<u8>> = (0..5).map(|_| web.text()).collect();
    let spoiled = |text: &&Vec<u8>| std::str::from_utf8(text).is_err();
    assert_eq!(texts.iter().filter(spoiled).count(), 1);
    assert_eq!(get(address, "/fapi/v1/ping").status, 200);
    let report: serde_json::Value = serde_json::from_str(&interrupted(child)).expect("JSON alone");
    assert_eq!((&report["faults"], &report["rest"]["ping"]), (&1.into(), &1.into()));
    assert!(report["frames_sent"].as_u64() >= Some(5), "{report}");
}

#[test]
fn the_text_report_names_what_was_served() {
    let (child, address) = started(&[]);
    assert_eq!(get(address, "/fapi/v1/exchangeInfo").status, 200);
    let report = interrupted(child);
    assert!(report.contains("REST          1 exchange_info"), "{report}");
}

#[test]
fn what_keeps_it_from_starting_is_named() {
    let failed = |arguments: &[&str]| -> String {
        let Output { status, stderr, .. } = venue(arguments).output().expect("the binary runs");
        assert!(!status.success());
        String::from_utf8(stderr).expect("text")
    };
    let (child, address) = started(&[]);
    let taken = failed(&["--listen", &address.to_string()]);
    assert!(taken.contains("is in use; choose another port"), "{taken}");
    interrupted(child);
    let fault = failed(&["--fault", "explode@7"]);
    assert!(fault.contains("`explode@7` is no fault; one of drop@N"), "{fault}");
    let capture = failed(&["--capture", "/no/such/file.gz"]);
    assert!(capture.contains("/no/such/file.gz"), "{capture}");
    let config = failed(&["--config", "/no/such.toml"]);
    assert!(config.contains("/no/such.toml"), "{config}");
}
