//! `bot4 bench portfolio`: what an allocation costs in CPU time, cold and from a solution nearby.

use super::BenchError;
use crate::cli::series::{Kind, SeriesArgs};
use crate::host::clock::process_time;
use crate::portfolio::allocation::Allocation;
use crate::portfolio::problem::{Constraints, Estimates};
use crate::portfolio::shortfall::min_cvar;
use clap::{Args, ValueEnum};
use faer::Mat;
use serde::Serialize;
use std::io::Write;
use std::ops::Range;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Least CVaR at 95 %, long only: rows 0..10000 cold, rows 250..10250 from the cold solution
    MeanCvar,
}

/// Arguments of `bot4 bench portfolio`.
#[derive(Debug, Args)]
pub struct PortfolioArgs {
    /// What is timed
    #[arg(long, value_enum, default_value = "mean-cvar")]
    case: Case,
    #[command(flatten)]
    series: SeriesArgs,
    /// Level
    #[arg(long, default_value_t = 0.95)]
    level: f64,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Rows of a window, and how far it moves.
const WINDOW: usize = 10_000;
const MOVE: usize = 250;
/// Runs of each, of which the median counts.
const RUNS: usize = 5;

#[derive(Clone, Debug, Serialize)]
struct Proof {
    primal: f64,
    dual: f64,
    gap: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Found {
    rows: [usize; 2],
    objective: f64,
    weights: Vec<f64>,
    certificate: Proof,
    iterations: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    case: &'static str,
    level: f64,
    assets: usize,
    cold_cpu_ms: f64,
    warm_cpu_ms: f64,
    cold_runs_ms: Vec<f64>,
    warm_runs_ms: Vec<f64>,
    certified: bool,
    certificate: Proof,
    cold: Found,
    warm: Found,
}

/// Runs the command.
///
/// # Errors
/// Too few rows, a level that is none, or output that cannot be written.
pub fn run(args: &PortfolioArgs, out: &mut dyn Write) -> Result<(), BenchError> {
    let Case::MeanCvar = args.case;
    let series = args.series.read(Kind::Simple, None, 3)?;
    let rows = series.panel.rows();
    // shorter histories move by as much of themselves
    let (window, step) =
        if rows >= WINDOW + MOVE { (WINDOW, MOVE) } else { (rows - rows / 41, rows / 41) };
    let cut = |rows: Range<usize>| series.panel.slice(rows).columns().to_vec();
    let (before, after) = (cut(0..window), cut(step..step + window));
    let n = before.len();
    let estimates = Estimates {
        assets: series.panel.symbols().to_vec(),
        mean: vec![0.0; n],
        covariance: Mat::zeros(n, n),
    };
    let constraints = Constraints::long_only(n);
    let time = |columns: &[Vec<f64>], warm: Option<&[f64]>| {
        let mut runs: Vec<(f64, Allocation)> = Vec::new();
        for _ in 0..RUNS {
            let began = process_time();
            let found = min_cvar(&estimates, columns, &constraints, args.level, warm)?;
            runs.push((1e3 * (process_time() - began), found));
        }
        Ok::<_, BenchError>(runs)
    };
    let cold = time(&before, None)?;
    let warm = time(&after, Some(&cold[0].1.weights))?;
    let report = Report {
        case: "mean-cvar",
        level: args.level,
        assets: n,
        cold_cpu_ms: median(&cold),
        warm_cpu_ms: median(&warm),
        cold_runs_ms: cold.iter().map(|run| run.0).collect(),
        warm_runs_ms: warm.iter().map(|run| run.0).collect(),
        certified: [&cold, &warm].iter().all(|runs| runs.iter().all(|run| is_proven(&run.1))),
        certificate: proof(&warm[0].1),
        cold: found([0, window], &cold[0].1),
        warm: found([step, step + window], &warm[0].1),
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        let held = |found: &Found| found.weights.iter().filter(|w| **w > 0.0).count();
        writeln!(out, "least CVaR at {}, {n} assets, {window} scenarios, one core", args.level)?;
        for (name, ms, found) in
            [("cold", report.cold_cpu_ms, &report.cold), ("warm", report.warm_cpu_ms, &report.warm)]
        {
            writeln!(
                out,
                "{name}  {ms:>8.2} ms of CPU time (median of {RUNS})  objective {:.12}  gap {:.1e}  {} \
                 assets held  {} steps",
                found.objective,
                found.certificate.gap,
                held(found),
                found.iterations
            )?;
        }
    }
    Ok(())
}

fn is_proven(found: &Allocation) -> bool {
    found.status == crate::maths::programme::Status::Optimal
}

fn proof(found: &Allocation) -> Proof {
    let proof = found.certificate.unwrap_or_default();
    Proof { primal: proof.primal, dual: proof.dual, gap: proof.gap }
}

fn found(rows: [usize; 2], of: &Allocation) -> Found {
    Found {
        rows,
        objective: of.objective.value,
        weights: of.weights.clone(),
        certificate: proof(of),
        iterations: of.iterations,
    }
}

fn median(runs: &[(f64, Allocation)]) -> f64 {
    let mut times: Vec<f64> = runs.iter().map(|run| run.0).collect();
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}
