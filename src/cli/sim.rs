//! `bot4 sim`: the whole engine in one deterministic process, with everything that can go wrong.
//!
//! Progress goes to stderr, the result to stdout. A broken invariant is a failure of the command.

use super::canaries::Hunt;
use crate::hot::flaws::Flaw;
use crate::lab::sim::canaries;
use crate::lab::sim::faults::{Fault, FaultList};
use crate::lab::sim::seeds::{self, Broken, Outcome, SeedError};
use crate::units::Nanos;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How long a seed lives, unless told otherwise.
const SPAN: Nanos = Nanos(1_800 * 1_000_000_000);

/// The longest life of a seed.
const HOURS_MAX: f64 = 1_000.0;

/// Arguments of `bot4 sim`.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many seeds, counted up from the first: one without it; with --canaries at most 200 a bug
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// Simulated hours of each seed: half an hour without it, a fifth with --canaries
    #[arg(long, value_name = "H", value_parser = hours)]
    hours: Option<f64>,
    /// Plant bugs in the engine, one at a time, and say in how many seeds each is found
    #[arg(long, conflicts_with = "faults")]
    canaries: bool,
    /// With --canaries: only the bug of this name; may be given again
    #[arg(long, value_name = "NAME", requires = "canaries", value_parser = canary)]
    canary: Vec<Flaw>,
    /// Instead of the seed's own faults: MS:NAME[:A[:B[:C]]] joined by commas, as a failing seed prints
    /// them; empty for none
    #[arg(long, value_name = "LIST", conflicts_with = "seeds")]
    faults: Option<FaultList>,
    /// With --faults: the tale of the last moments on stderr (inputs, verdicts, the venue, faults)
    #[arg(long, requires = "faults")]
    tell: bool,
    /// Threads; all cores without it
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Worlds that shrinking a failing list of faults may cost; 0 leaves it as it is
    #[arg(long, value_name = "N", default_value_t = seeds::SHRINK_RUNS)]
    shrink: usize,
    /// The result as one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Why a simulation says nothing, or what it found.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A fault that would never happen.
    #[error("--faults: `{0}` lies behind the end of a seed of {1} hours")]
    Late(Fault, f64),
    /// A seed that could not be run.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// Invariants broke.
    #[error(
        "{count} of {seeds} seeds broke an invariant; the report says which, and how to repeat it"
    )]
    Broken {
        /// Seeds that broke.
        count: u64,
        /// Seeds that were run.
        seeds: u64,
    },
    /// Bugs that nothing showed.
    #[error("{missed} of {planted} planted bugs were not found: {names}")]
    Missed {
        /// Bugs that were not found.
        missed: usize,
        /// Bugs that were planted.
        planted: usize,
        /// Their names.
        names: String,
    },
    /// Output could not be written.
    #[error("the report cannot be written")]
    Write(#[from] io::Error),
    /// Output could not be formed.
    #[error("the report cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    seeds: u64,
    simulated_hours: f64,
    faults: BTreeMap<&'static str, u64>,
    orders: u64,
    fills: u64,
    comparisons: u64,
    events: u64,
    events_per_second: f64,
    lives: u64,
    steps: u64,
    traffic_hash: String,
    seconds: f64,
    hours_per_minute: f64,
    threads: usize,
    violations: Vec<Broken>,
    violations_more: u64,
}

/// Runs the seeds and prints what came of them.
///
/// # Errors
/// When an argument is none, and when an invariant broke.
pub fn run(args: &SimArgs, out: &mut dyn Write) -> Result<(), SimError> {
    let usual = if args.canaries { canaries::SPAN } else { SPAN };
    let hours = args.hours.unwrap_or(usual.0 as f64 / 3_600e9);
    let span = Nanos((hours * 3_600e9) as u64);
    let seeds = args.seeds.unwrap_or(1);
    if let Some(late) = args.faults.iter().flat_map(|list| &list.0).find(|fault| fault.at >= span) {
        return Err(SimError::Late(*late, hours));
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let begun = Instant::now();
    if args.canaries {
        let hunt = Hunt {
            first: args.seed,
            seeds_max: args.seeds.unwrap_or(canaries::SEEDS_MAX),
            span,
            threads: args.threads.unwrap_or(cores),
            json: args.json,
        };
        return hunt.run(&args.canary, begun, out);
    }
    let threads = args.threads.unwrap_or(cores).clamp(1, seeds.max(1) as usize);
    let report = match &args.faults {
        Some(list) => one(args, span, list, begun)?,
        None => many(args, seeds, span, threads, begun)?,
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        print(&report, hours, out)?;
    }
    let count = report.violations.len() as u64 + report.violations_more;
    if count > 0 {
        out.flush()?;
        return Err(SimError::Broken { count, seeds: report.seeds });
    }
    Ok(())
}

fn hours(text: &str) -> Result<f64, String> {
    let hours = text.parse().ok().filter(|hours| *hours > 0.0 && *hours <= HOURS_MAX);
    hours.ok_or_else(|| format!("a seed lives for a time above 0, up to {HOURS_MAX}"))
}

fn canary(name: &str) -> Result<Flaw, String> {
    let found = Flaw::ALL.into_iter().find(|flaw| flaw.name() == name);
    found.ok_or_else(|| format!("the planted bugs are {}", Flaw::ALL.map(Flaw::name).join(", ")))
}

fn one(
    args: &SimArgs,
    span: Nanos,
    faults: &FaultList,
    begun: Instant,
) -> Result<Report, SimError> {
    let seed = args.seed;
    let mut tale = args.tell.then(Vec::new);
    let outcome = seeds::run_telling(seed, span, Some(faults), &mut tale)?;
    tale.iter().flatten().for_each(|line| eprintln!("{line}"));
    let broken = outcome.violation.as_ref().map(|of| Broken {
        seed,
        invariant: of.invariant,
        step: of.step,
        at_ms: of.at_ms,
        words: of.words.clone(),
        faults: faults.to_string(),
        faults_before: faults.0.len(),
    });
    Ok(report(1, &outcome, broken.into_iter().collect(), 0, 1, begun))
}

fn many(
    args: &SimArgs,
    seeds: u64,
    span: Nanos,
    threads: usize,
    begun: Instant,
) -> Result<Report, SimError> {
    let done = AtomicU64::new(0);
    let shown = io::stderr().is_terminal();
    let told = |seed: u64, outcome: &Outcome| {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(violation) = &outcome.violation {
            let (invariant, step) = (violation.invariant, violation.step);
            eprintln!("sim: seed {seed} breaks {invariant:?} at step {step}: {}", violation.words);
        }
        if shown && done.is_multiple_of(10) {
            let seconds = begun.elapsed().as_secs_f64();
            eprintln!("sim: {done} of {seeds} seeds in {seconds:.0} s");
        }
    };
    let summary = seeds::run_all(args.seed, seeds, span, threads, args.shrink, &told)?;
    let (broken, more) = (summary.broken, summary.broken_more);
    Ok(report(summary.seeds, &summary.total, broken, more, threads, begun))
}

fn report(
    seeds: u64,
    total: &Outcome,
    violations: Vec<Broken>,
    violations_more: u64,
    threads: usize,
    begun: Instant,
) -> Report {
    let (hours, seconds) = (total.lived.0 as f64 / 3_600e9, begun.elapsed().as_secs_f64());
    Report {
        seeds,
        simulated_hours: hours,
        faults: total.faults.clone(),
        orders: total.orders,
        fills: total.fills,
        comparisons: total.compared,
        events: total.events,
        events_per_second: total.events as f64 / (hours * 3_600.0).max(1e-9),
        lives: total.lives,
        steps: total.steps,
        traffic_hash: format!("{:016x}", total.traffic),
        seconds,
        hours_per_minute: hours / (seconds / 60.0).max(1e-9),
        threads,
        violations,
        violations_more,
    }
}

fn print(report: &Report, hours: f64, out: &mut dyn Write) -> io::Result<()> {
    let faults: u64 = report.faults.values().sum();
    writeln!(
        out,
        "simulated     {:.1} hours over {} seeds in {:.1} s: {:.1} hours a minute on {} threads",
        report.simulated_hours,
        report.seeds,
        report.seconds,
        report.hours_per_minute,
        report.threads
    )?;
    writeln!(
        out,
        "engine        {} lives, {} events ({:.0} a simulated second), {} requests, {} fills",
        report.lives, report.events, report.events_per_second, report.orders, report.fills
    )?;
    writeln!(
        out,
        "judge         {} steps, {} comparisons of books",
        report.steps, report.comparisons
    )?;
    writeln!(out, "traffic       {}", report.traffic_hash)?;
    writeln!(out, "faults        {faults}")?;
    for (kind, count) in &report.faults {
        writeln!(out, "  {kind:<20} {count}")?;
    }
    for broken in &report.violations {
        writeln!(
            out,
            "BROKEN        seed {}, {:?} at step {} ({:.3} s): {}",
            broken.seed,
            broken.invariant,
            broken.step,
            broken.at_ms as f64 * 1e-3,
            broken.words
        )?;
        writeln!(
            out,
            "  repeat it   bot4 sim --seed {} --hours {} --faults \"{}\"",
            broken.seed, hours, broken.faults
        )?;
    }
    if report.violations_more > 0 {
        writeln!(out, "  and {} seeds more", report.violations_more)?;
    }
    if report.violations.is_empty() {
        writeln!(out, "no invariant broke")?;
    }
    Ok(())
}
