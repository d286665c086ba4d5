//! Signals, tried on a child process: the first asks, the second ends.

use bot4::host::signal;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Set in the child, which then plays the program instead of testing.
const CHILD: &str = "BOT4_TEST_SIGNAL_CHILD";
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
const PATIENCE: Duration = Duration::from_secs(20);

/// Plays the program in the child; does nothing in the parent.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    signal::install().expect("no sandbox here");
    assert!(!signal::requested());
    eprintln!("ready");
    let end = Instant::now() + PATIENCE;
    while !signal::requested() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(signal::requested(), "no signal came");
    eprintln!("requested");
    std::thread::sleep(PATIENCE); // hangs on purpose; only the second signal ends it early
    panic!("the second signal did not end the program");
}

fn send(child: &Child, signal: i32) {
    let sent = Command::new("/bin/sh")
        .args(["-c", &format!("kill -{signal} {}", child.id())])
        .status()
        .expect("there is a shell");
    assert!(sent.success());
}

#[test]
fn first_signal_asks_and_second_ends() {
    for (first, second) in [(SIGINT, SIGINT), (SIGTERM, SIGTERM), (SIGINT, SIGTERM)] {
        let mut child = Command::new(std::env::current_exe().expect("we run from a file"))
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, "1")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the test binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut wait_for =
            |word: &str| lines.by_ref().map_while(Result::ok).any(|line| line == word);
        assert!(wait_for("ready"));
        send(&child, first);
        assert!(wait_for("requested"), "signal {first} ended the program at once");
        send(&child, second);
        let status = child.wait().expect("the child can be waited for");
        assert_eq!(status.signal(), Some(second), "{first} then {second}: {status}");
    }
}
