//! `bot4 bench portfolio`: what an allocation costs in CPU time, cold and from a solution nearby.

use super::BenchError;
use crate::cli::series::{Kind, SeriesArgs};
use crate::history::Panel;
use crate::host::clock::process_time;
use crate::maths::statistics;
use crate::model::covariance::{Estimator, covariance};
use crate::portfolio::allocation::{Allocation, AllocationError};
use crate::portfolio::problem::{Constraints, Costs, Estimates};
use crate::portfolio::shortfall::min_cvar;
use crate::portfolio::{parity, quadratic};
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
    /// Least variance of the same windows, long only, covariance given
    MinVariance,
    /// Equal risk contributions, covariance given
    RiskParity,
    /// Greatest diversification, long only, covariance given
    MaxDiversification,
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
    case: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<f64>,
    assets: usize,
    cold_cpu_ms: f64,
    warm_cpu_ms: f64,
    cold_runs_ms: Vec<f64>,
    warm_runs_ms: Vec<f64>,
    certified: bool,
    certificate: Proof,
    cold: Found,
    warm: Found,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    limited: Vec<Limited>,
}

/// The same with limits and costs, beside the plain one of the same run.
#[derive(Clone, Debug, Serialize)]
struct Limited {
    name: &'static str,
    /// Greatest weight of an asset.
    upper: Option<f64>,
    /// Of a unit traded from equal weights.
    linear_cost: f64,
    /// Of a trade to the power of 1.5, times the asset's deviation.
    impact: f64,
    cold_cpu_ms: f64,
    warm_cpu_ms: f64,
    /// Cold, over the plain case's cold.
    times_plain: f64,
    certified: bool,
    cold: Found,
    warm: Found,
}

/// Budget over assets, times this, is the box's upper bound.
const BOX: f64 = 20.0;
const LINEAR: f64 = 0.001;
const IMPACT: f64 = 0.1;

/// Runs the command.
///
/// # Errors
/// Too few rows, a level that is none, or output that cannot be written.
pub fn run(args: &PortfolioArgs, out: &mut dyn Write) -> Result<(), BenchError> {
    let series = args.series.read(Kind::Simple, None, 3)?;
    let rows = series.panel.rows();
    // shorter histories move by as much of themselves
    let (window, step) =
        if rows >= WINDOW + MOVE { (WINDOW, MOVE) } else { (rows - rows / 41, rows / 41) };
    let cut = |rows: Range<usize>| Window::of(args.case, &series.panel.slice(rows));
    let (before, after) = (cut(0..window)?, cut(step..step + window)?);
    let n = before.columns.len();
    let constraints = Constraints::long_only(n);
    let time = |constraints: &Constraints, on: &Window, warm: Option<&[f64]>| {
        let mut runs: Vec<(f64, Allocation)> = Vec::new();
        for _ in 0..RUNS {
            let began = process_time();
            let found = on.solve(args, constraints, warm)?;
            runs.push((1e3 * (process_time() - began), found));
        }
        Ok::<_, BenchError>(runs)
    };
    let cold = time(&constraints, &before, None)?;
    let warm = time(&constraints, &after, Some(&cold[0].1.weights))?;
    let mut limited = Vec::new();
    let limits_tried: &[_] = match args.case {
        Case::MeanCvar => &[
            ("box", true, 0.0, 0.0),
            ("costs", false, LINEAR, 0.0),
            ("costs, impact and box", true, LINEAR, IMPACT),
        ],
        _ => &[],
    };
    for &(name, is_boxed, linear, impact) in limits_tried {
        let upper = is_boxed.then_some((BOX / n as f64).min(1.0));
        let limits = limits(&before.columns, upper, linear, impact);
        let cold_runs = time(&limits, &before, None)?;
        let warm_runs = time(&limits, &after, Some(&cold_runs[0].1.weights))?;
        let all = [&cold_runs, &warm_runs];
        limited.push(Limited {
            name,
            upper,
            linear_cost: linear,
            impact,
            cold_cpu_ms: median(&cold_runs),
            warm_cpu_ms: median(&warm_runs),
            times_plain: median(&cold_runs) / median(&cold),
            certified: all.iter().all(|runs| runs.iter().all(|run| is_proven(&run.1))),
            cold: found([0, window], &cold_runs[0].1),
            warm: found([step, step + window], &warm_runs[0].1),
        });
    }
    let report = Report {
        case: crate::cli::optimize::name(&args.case),
        level: (args.case == Case::MeanCvar).then_some(args.level),
        assets: n,
        cold_cpu_ms: median(&cold),
        warm_cpu_ms: median(&warm),
        cold_runs_ms: cold.iter().map(|run| run.0).collect(),
        warm_runs_ms: warm.iter().map(|run| run.0).collect(),
        certified: [&cold, &warm].iter().all(|runs| runs.iter().all(|run| is_proven(&run.1))),
        certificate: proof(&warm[0].1),
        cold: found([0, window], &cold[0].1),
        warm: found([step, step + window], &warm[0].1),
        limited,
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        let held = |found: &Found| found.weights.iter().filter(|w| **w > 0.0).count();
        writeln!(out, "{}, {n} assets, {window} rows, one core", report.case)?;
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
        for case in &report.limited {
            writeln!(
                out,
                "{:<24} {:>8.2} ms cold ({:.1} times plain), {:>8.2} ms warm, gap {:.1e}",
                case.name,
                case.cold_cpu_ms,
                case.times_plain,
                case.warm_cpu_ms,
                case.cold.certificate.gap
            )?;
        }
    }
    Ok(())
}

/// What is known of a window.
struct Window {
    columns: Vec<Vec<f64>>,
    estimates: Estimates,
}

impl Window {
    fn of(case: Case, panel: &Panel) -> Result<Window, BenchError> {
        let (assets, columns) = (panel.symbols().to_vec(), panel.columns().to_vec());
        let n = columns.len();
        // scenarios need none
        let covariance = match case {
            Case::MeanCvar => Mat::zeros(n, n),
            _ => covariance(&columns, Estimator::Sample)?.matrix,
        };
        Ok(Window { estimates: Estimates { assets, mean: vec![0.0; n], covariance }, columns })
    }

    fn solve(
        &self,
        args: &PortfolioArgs,
        limits: &Constraints,
        warm: Option<&[f64]>,
    ) -> Result<Allocation, AllocationError> {
        let known = &self.estimates;
        match args.case {
            Case::MeanCvar => min_cvar(known, &self.columns, limits, args.level, warm),
            Case::MinVariance => quadratic::min_variance(known, limits, warm),
            Case::MaxDiversification => quadratic::max_diversification(known, limits, warm),
            Case::RiskParity => {
                parity::risk_parity(&known.covariance, &vec![1.0; limits.lower.len()], warm)
            }
        }
    }
}

/// Long only, an upper bound where there is one, costs of trades from equal weights.
fn limits(columns: &[Vec<f64>], upper: Option<f64>, linear: f64, impact: f64) -> Constraints {
    let n = columns.len();
    let mut limits = Constraints::long_only(n);
    if let Some(upper) = upper {
        limits.upper.fill(upper);
    }
    if linear > 0.0 {
        let deviation = |column: &Vec<f64>| statistics::covariance(column, column).sqrt();
        limits.previous = Some(vec![1.0 / n as f64; n]);
        limits.costs = Some(Costs {
            linear: vec![linear; n],
            impact: columns.iter().map(|column| impact * deviation(column)).collect(),
        });
    }
    limits
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
