//! `bot4 cov`: how assets vary and move together.
//!
//! a series of returns → `model::covariance`, `model::dependence` → JSON, a table, a file.

mod breaks;
mod picture;

use super::estimator::{EstimateError, EstimatorArgs};
use super::history::HistoryFailure;
use super::matrix::{SHOWN, rows};
use super::output::{self, OutputError};
use super::series::{Kind, SeriesArgs};
use crate::history::Repairs;
use crate::model::covariance::correlations;
use crate::model::dependence::{Dependence, DependenceError, dependence, eigenvalues, nearest};
use clap::{Args, ValueEnum};
use faer::Mat;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// How assets are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CorrelationName {
    /// Of the covariance
    #[default]
    Pearson,
    /// Of ranks
    Spearman,
    /// Of order (tau-b)
    Kendall,
    /// Of any kind of dependence
    Distance,
    /// Of the worst --tail share of rows
    Tail,
}

/// Arguments of `bot4 cov`.
#[derive(Debug, Args)]
pub struct CovArgs {
    #[command(flatten)]
    series: SeriesArgs,
    #[command(flatten)]
    estimator: EstimatorArgs,
    /// How assets are compared
    #[arg(long, value_enum, default_value = "pearson")]
    correlation: CorrelationName,
    /// Share of rows that tail dependence looks at
    #[arg(long, default_value_t = 0.05, value_name = "SHARE", allow_negative_numbers = true)]
    tail: f64,
    /// Replace the correlations by the nearest positive semidefinite ones
    #[arg(long)]
    nearest: bool,
    /// Test every pair for breaks, the newest rows, so many, beside those before; their rolling window too
    #[arg(long, value_name = "ROWS")]
    breaks: Option<usize>,
    /// Write a report with pictures of correlations, eigenvalues and the pair that changed most
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Write the covariance as CSV
    #[arg(long, value_name = "FILE.csv")]
    matrix: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum CovFailure {
    /// The series.
    #[error(transparent)]
    History(#[from] HistoryFailure),
    /// The covariance.
    #[error(transparent)]
    Covariance(#[from] EstimateError),
    /// The dependence.
    #[error("{asset}{error}")]
    Dependence {
        /// Which asset, where it is one's.
        asset: String,
        /// Why.
        error: DependenceError,
    },
    /// The tests for breaks.
    #[error("--breaks: {0}")]
    Breaks(String),
    /// Output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    assets: Vec<String>,
    /// Of a period.
    volatility: Vec<f64>,
    annual_volatility: Vec<f64>,
    covariance: Vec<Vec<f64>>,
    correlation: Vec<Vec<f64>>,
    correlation_name: String,
    covariance_name: String,
    shrinkage: Option<f64>,
    /// Of the correlation, ascending.
    eigenvalues: Vec<f64>,
    is_positive_semidefinite: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaks: Option<breaks::Breaks>,
    observations: usize,
    calendar: f64,
    repairs: Repairs,
}

/// Eigenvalues below this are negative.
const NEGATIVE: f64 = -1e-10;

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or output that cannot be written.
pub fn run(args: &CovArgs, out: &mut dyn Write) -> Result<(), CovFailure> {
    let series = args.series.read(Kind::Simple, None, 3)?;
    let (columns, assets) = (series.panel.columns(), series.panel.symbols());
    let named = |at: Option<usize>| at.map_or_else(String::new, |at| format!("`{}`: ", assets[at]));
    let refused = |error: DependenceError| {
        let at = if let DependenceError::Still(at) = error { Some(at) } else { None };
        CovFailure::Dependence { asset: named(at), error }
    };
    let working = output::working("estimating");
    let found = args.estimator.estimate(columns, assets)?;
    let (volatility, pearson) =
        correlations(&found.matrix).map_err(|error| EstimateError::of(error, assets))?;
    let compared = |how| dependence(columns, how).map_err(refused);
    let mut correlation = match args.correlation {
        CorrelationName::Pearson => pearson,
        CorrelationName::Spearman => compared(Dependence::Spearman)?,
        CorrelationName::Kendall => compared(Dependence::Kendall)?,
        CorrelationName::Distance => compared(Dependence::Distance)?,
        CorrelationName::Tail => compared(Dependence::LowerTail(args.tail))?,
    };
    let mut matrix = found.matrix;
    if args.nearest {
        correlation = nearest(&correlation).map_err(refused)?;
    }
    if args.nearest || args.correlation != CorrelationName::Pearson {
        // the covariance that these correlations make with the estimated volatilities
        let n = assets.len();
        matrix = Mat::from_fn(n, n, |i, j| correlation[(i, j)] * volatility[i] * volatility[j]);
    }
    drop(working);
    let eigenvalues = eigenvalues(&correlation).map_err(refused)?;
    let report = Report {
        assets: assets.to_vec(),
        annual_volatility: volatility.iter().map(|v| v * series.calendar.sqrt()).collect(),
        volatility,
        covariance: rows(&matrix),
        correlation: rows(&correlation),
        correlation_name: super::optimize::name(&args.correlation),
        covariance_name: args.estimator.name(),
        shrinkage: found.shrinkage,
        is_positive_semidefinite: eigenvalues[0] >= NEGATIVE,
        eigenvalues,
        breaks: args.breaks.map(|window| breaks::tested(&series.panel, window)).transpose()?,
        observations: series.panel.rows(),
        calendar: series.calendar,
        repairs: series.repairs,
    };
    if let Some(path) = &args.matrix {
        output::save(path, csv(&report))?;
    }
    if let Some(path) = &args.report {
        output::save(path, picture::html(&report, &series.panel, &text(&report)))?;
    }
    Ok(output::show(&report, args.json, text, out)?)
}

fn csv(report: &Report) -> String {
    let mut text = format!("asset,{}\n", report.assets.join(","));
    for (asset, row) in report.assets.iter().zip(&report.covariance) {
        let row: Vec<String> = row.iter().map(ToString::to_string).collect();
        // writing to a String cannot fail
        let _ = writeln!(text, "{asset},{}", row.join(","));
    }
    text
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "{} covariance, {} correlation of {} assets over {} returns",
        report.covariance_name,
        report.correlation_name,
        report.assets.len(),
        report.observations
    );
    if let Some(shrinkage) = report.shrinkage {
        let _ = writeln!(text, "shrunk by {shrinkage:.4}");
    }
    text.push_str(&output::repaired(&report.repairs));
    let shown = report.assets.len().min(SHOWN);
    let _ = write!(text, "{:<12} {:>8}", "asset", "a year");
    report.assets[..shown].iter().for_each(|asset| {
        let _ = write!(text, " {:>7}", asset.chars().take(7).collect::<String>());
    });
    text.push('\n');
    for (i, asset) in report.assets.iter().enumerate() {
        let _ = write!(text, "{asset:<12} {:>7.2}%", 100.0 * report.annual_volatility[i]);
        for value in &report.correlation[i][..shown] {
            let _ = write!(text, " {value:>7.3}");
        }
        text.push('\n');
    }
    if shown < report.assets.len() {
        let _ =
            writeln!(text, "({} more columns: --json or --matrix)", report.assets.len() - shown);
    }
    let (low, high) = (report.eigenvalues[0], report.eigenvalues[report.eigenvalues.len() - 1]);
    let words = if report.is_positive_semidefinite {
        "positive semidefinite"
    } else {
        "not positive semidefinite: --nearest repairs it"
    };
    let _ = writeln!(text, "eigenvalues {low:.3e} to {high:.3}, {words}");
    if let Some(found) = &report.breaks {
        breaks::write(&mut text, found);
    }
    text
}
