//! `bot4 measure`: what series of returns achieved, and at what risk.

mod picture;

use super::series::{Kind, SeriesArgs, check_levels};
use crate::cli::history::HistoryFailure;
use crate::history::Repairs;
use crate::risk::measures::{MeasureError, Measures, RETURNS_MIN, measure};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `bot4 measure`.
#[derive(Debug, Args)]
pub struct MeasureArgs {
    #[command(flatten)]
    series: SeriesArgs,
    /// The column that the others are set beside
    #[arg(long, value_name = "NAME")]
    benchmark: Option<String>,
    /// Return of a period that is had without risk
    #[arg(long, default_value_t = 0.0, value_name = "RETURN", allow_negative_numbers = true)]
    risk_free: f64,
    /// Levels of historical value at risk
    #[arg(long, default_values_t = [0.95, 0.99], value_delimiter = ',', value_name = "LEVEL")]
    level: Vec<f64>,
    /// Write a report with pictures of growth and drawdown
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureFailure {
    /// The series.
    #[error(transparent)]
    History(#[from] HistoryFailure),
    /// A column.
    #[error("`{column}`: {error}")]
    Measure {
        /// Which.
        column: String,
        /// Why.
        error: MeasureError,
    },
    /// Arguments that do not go together.
    #[error("{0}")]
    Arguments(String),
    /// A file that cannot be written.
    #[error("{} cannot be written: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Output could not be written.
    #[error("the result cannot be written: {0}")]
    Write(#[from] std::io::Error),
    /// Output could not be formed.
    #[error("the result cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    calendar: f64,
    measures: BTreeMap<String, Measures>,
    repairs: Repairs,
}

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or output that cannot be written.
pub fn run(args: &MeasureArgs, out: &mut dyn Write) -> Result<(), MeasureFailure> {
    check_levels(&args.level).map_err(MeasureFailure::Arguments)?;
    let series = args.series.read(Kind::Simple, None, RETURNS_MIN)?;
    let panel = &series.panel;
    let benchmark = match &args.benchmark {
        None => None,
        Some(name) => Some(panel.column(name).ok_or_else(|| {
            let known = panel.symbols().join(", ");
            MeasureFailure::Arguments(format!("--benchmark: no column `{name}`; there are {known}"))
        })?),
    };
    let mut measures = BTreeMap::new();
    for (column, returns) in panel.symbols().iter().zip(panel.columns()) {
        let found = measure(returns, series.calendar, args.risk_free, &args.level, benchmark)
            .map_err(|error| MeasureFailure::Measure { column: column.clone(), error })?;
        measures.insert(column.clone(), found);
    }
    let report = Report { calendar: series.calendar, measures, repairs: series.repairs };
    if let Some(path) = &args.report {
        picture::write_html(path, panel, &text(&report, panel.symbols()))?;
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        out.write_all(text(&report, panel.symbols()).as_bytes())?;
    }
    Ok(())
}

fn text(report: &Report, order: &[String]) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "{:<16} {:>8} {:>8} {:>16} {:>8} {:>7} {:>9} {:>7} {:>7} {:>7}",
        "", "cagr", "vol", "sharpe ± error", "sortino", "omega", "drawdown", "calmar", "VaR", "ES"
    );
    for column in order {
        let m = &report.measures[column];
        let (var, es) = m.tails.first().map_or((f64::NAN, f64::NAN), |tail| (tail.var, tail.es));
        let _ = writeln!(
            text,
            "{column:<16} {:>7.2}% {:>7.2}% {:>9.3} ± {:<4.2} {:>8.3} {:>7.3} {:>8.2}% {:>7.3} {:>6.2}% \
             {:>6.2}%",
            100.0 * m.cagr,
            100.0 * m.volatility,
            m.sharpe,
            m.sharpe_std_error,
            m.sortino,
            m.omega,
            100.0 * m.max_drawdown,
            m.calmar,
            100.0 * var,
            100.0 * es
        );
        if let Some(b) = &m.benchmark {
            let _ = writeln!(
                text,
                "{:<16} beta {:.4}, Jensen's alpha {:.4}, Treynor {:.4}, tracking error {:.4}, information \
                 ratio {:.4}",
                "", b.beta, b.jensen_alpha, b.treynor, b.tracking_error, b.information_ratio
            );
        }
    }
    let _ = writeln!(text, "{} periods a year", report.calendar);
    if report.repairs.dropped_rows > 0 {
        let _ = writeln!(text, "repairs: {} rows dropped", report.repairs.dropped_rows);
    }
    text
}
