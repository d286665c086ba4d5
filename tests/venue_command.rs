//! `bot4 venue` as a process: it says where it listens, serves, and reports when it is told to stop.

mod bot4_process;
mod exchange_client;

use bot4_process::{Bot4, Ended};
use exchange_client::{Web, get};

fn interrupted(venue: Bot4) -> Ended {
    venue.interrupt();
    let ended = venue.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    ended
}

#[test]
fn it_serves_until_interrupted_and_reports() {
    let (child, address) =
        Bot4::venue(&["--json", "--speed", "20", "--fault", "garbage@3", "gap@1"]);
    let mut web = Web::open(address, "/ws/btcusdt@bookTicker");
    let texts: Vec<Vec<u8>> = (0..5).map(|_| web.text()).collect();
    let spoiled = |text: &&Vec<u8>| std::str::from_utf8(text).is_err();
    assert_eq!(texts.iter().filter(spoiled).count(), 1);
    assert_eq!(get(address, "/fapi/v1/ping").status, 200);
    let report = interrupted(child).json();
    assert_eq!((&report["faults"], &report["rest"]["ping"]), (&1.into(), &1.into()));
    assert!(report["frames_sent"].as_u64() >= Some(5), "{report}");
}

#[test]
fn the_text_report_names_what_was_served() {
    let (child, address) = Bot4::venue(&[]);
    assert_eq!(get(address, "/fapi/v1/exchangeInfo").status, 200);
    let report = interrupted(child).out;
    assert!(report.contains("REST          1 exchange_info"), "{report}");
}

#[test]
fn what_keeps_it_from_starting_is_named() {
    let failed = |arguments: &[&str]| -> String {
        let Ended { code, out, errors } = Ended::of(&[&["venue"], arguments].concat());
        assert!(!matches!(code, Some(0) | None) && out.is_empty(), "{errors}");
        errors
    };
    let (child, address) = Bot4::venue(&[]);
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
