//! `bot4 doctor`: the machine as Bot4 sees it, and the command that mends each weakness.
//!
//! Looks (topology, /proc, /sys), tries (io_uring, locked and huge pages, clocks), judges, prints.
//! Runs in a fraction of a second and changes nothing on the machine. Invariant: a file that is
//! missing gives a row `unknown` with the reason, never an error; only the printing itself can
//! fail.
//! Deliberately absent: mending. The commands are for a person to read and run.

mod checks;
mod print;
mod report;
mod rows;

pub use report::{Check, Report, Status};

use crate::host::clock::TscClock;
use crate::host::system::System;
use crate::host::topology::Topology;
use std::io::{IsTerminal, Write};

/// Show the machine as Bot4 sees it, with the command that mends each weakness
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Doctor {
    /// Print one JSON object instead of the table
    #[arg(long)]
    pub json: bool,
}

/// Why the doctor could not say what it found.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The output is closed or full.
    #[error("cannot print the diagnosis: {0}; check where the output goes")]
    Output(#[from] std::io::Error),
    /// The report cannot be put in JSON.
    #[error("cannot write the diagnosis as JSON: {0}; run without --json and report this")]
    Json(#[from] serde_json::Error),
}

/// Examines this machine and prints the report.
///
/// # Errors
/// When the output cannot be written.
pub fn run(args: &Doctor, out: &mut dyn Write) -> Result<(), DoctorError> {
    let report = examine(&System::default());
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        out.write_all(print::text(&report, colour).as_bytes())?;
    }
    out.flush()?;
    Ok(())
}

/// Examines a machine whose /proc and /sys are `system`; clocks and io_uring are always this one's.
#[must_use]
pub fn examine(system: &System) -> Report {
    let clock = TscClock::calibrate();
    checks::all(system, Topology::discover(), &clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(json: bool) -> String {
        let mut out = Vec::new();
        run(&Doctor { json }, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn json_has_the_stable_keys() {
        let value: serde_json::Value = serde_json::from_str(&printed(true)).expect("JSON");
        let checks = value["checks"].as_array().expect("a list");
        assert!(checks.len() > 20, "{}", checks.len());
        let mut names = std::collections::BTreeSet::new();
        for check in checks {
            let name = check["name"].as_str().expect("a name");
            assert!(names.insert(name), "{name} comes twice");
            let status = check["status"].as_str().expect("a status");
            assert!(["ok", "warn", "fail", "unknown"].contains(&status), "{name}: {status}");
            assert!(check["found"].as_str().is_some_and(|found| !found.is_empty()), "{name}");
            assert!(check["mend"].is_string() || check["mend"].is_null(), "{name}");
            assert_eq!(check.as_object().map(serde_json::Map::len), Some(4), "{name}");
            assert!(status != "ok" || check["mend"].is_null(), "{name} is ok, nothing to mend");
        }
        assert!(value["topology"]["cores"][0]["cpus"].is_array());
        assert!(value["placement"]["lanes"].is_array());
        assert!(value["placement"]["concessions"].is_array());
    }

    #[test]
    fn a_machine_without_proc_and_sys_is_unknown_not_an_error() {
        let report = examine(&System::at("/nowhere"));
        let unknown = report.checks.iter().filter(|check| check.status == Status::Unknown);
        assert!(unknown.clone().count() >= 10, "{report:?}");
        assert!(unknown.clone().all(|check| check.found.contains("not there")), "{report:?}");
        assert!(print::text(&report, false).contains("unknown"));
    }

    #[test]
    fn the_table_stays_within_its_width() {
        for line in printed(false).lines() {
            let is_command = line.trim_start().starts_with("->");
            assert!(is_command || line.chars().count() <= print::WIDTH, "{line}");
        }
    }

    #[test]
    fn a_closed_output_is_named() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let error = run(&Doctor::default(), &mut Closed).expect_err("closed");
        assert!(error.to_string().starts_with("cannot print the diagnosis"), "{error}");
    }
}
