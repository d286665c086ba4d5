//! `bot4 sim --canaries`: bugs planted in the engine, and in how many seeds the simulator finds each.
//!
//! Progress goes to stderr, the result to stdout. A bug that is not found is a failure of the command.

use super::sim::SimError;
use crate::hot::flaws::Flaw;
use crate::lab::sim::canaries::{self, Find};
use crate::units::Nanos;
use serde::Serialize;
use std::io::{self, Write};
use std::time::Instant;

/// What is looked for, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hunt {
    pub(super) first: u64,
    pub(super) seeds_max: u64,
    pub(super) span: Nanos,
    pub(super) threads: usize,
    pub(super) json: bool,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    planted: usize,
    caught: usize,
    first_seed: u64,
    seeds_max: u64,
    hours_per_seed: f64,
    seconds: f64,
    bugs: Vec<Find>,
}

impl Hunt {
    /// Looks for these bugs, or for all where none is named, and prints what came of it.
    pub(super) fn run(
        &self,
        named: &[Flaw],
        begun: Instant,
        out: &mut dyn Write,
    ) -> Result<(), SimError> {
        let flaws = if named.is_empty() { &Flaw::ALL[..] } else { named };
        let told = |find: &Find| match find.seeds {
            Some(seeds) => eprintln!("sim: {} is found after {seeds} seeds", find.name),
            None => eprintln!("sim: {} is not found in {} seeds", find.name, self.seeds_max),
        };
        let Hunt { first, seeds_max, span, threads, .. } = *self;
        let bugs = canaries::hunt(flaws, first, seeds_max, span, threads, &told)?;
        let report = Report {
            planted: bugs.len(),
            caught: bugs.iter().filter(|of| of.seeds.is_some()).count(),
            first_seed: first,
            seeds_max,
            hours_per_seed: span.0 as f64 / 3_600e9,
            seconds: begun.elapsed().as_secs_f64(),
            bugs,
        };
        if self.json {
            serde_json::to_writer_pretty(&mut *out, &report)?;
            writeln!(out)?;
        } else {
            print(&report, out)?;
        }
        let missed: Vec<&str> =
            report.bugs.iter().filter(|of| of.seeds.is_none()).map(|of| of.name).collect();
        if missed.is_empty() {
            return Ok(());
        }
        out.flush()?;
        let (missed, names) = (missed.len(), missed.join(", "));
        Err(SimError::Missed { missed, planted: report.planted, names })
    }
}

fn print(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for of in &report.bugs {
        let passed_over = match of.passed_over {
            0 => String::new(),
            count => format!("; {count} seeds broke for other reasons and were passed over"),
        };
        match (of.seeds, of.seed, of.invariant, of.step, &of.words) {
            (Some(seeds), Some(seed), Some(invariant), Some(step), Some(words)) => writeln!(
                out,
                "caught   {:<24} seeds {seeds:>3}: {invariant:?} in seed {seed} at step {step}: \
                 {words}{passed_over}",
                of.name
            )?,
            _ => writeln!(
                out,
                "MISSED   {:<24} seeds {:>3}: {}{passed_over}",
                of.name, report.seeds_max, of.bug
            )?,
        }
    }
    writeln!(
        out,
        "{} of {} planted bugs caught, each within {} seeds of {:.2} hours from seed {} on, in {:.0} s",
        report.caught,
        report.planted,
        report.seeds_max,
        report.hours_per_seed,
        report.first_seed,
        report.seconds
    )
}
