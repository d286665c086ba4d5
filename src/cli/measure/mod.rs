//! `bot4 measure`: what series of returns achieved, and at what risk.

mod bars;
mod picture;

use super::output::{self, OutputError};
use super::series::{Kind, SeriesArgs, check_levels};
use crate::cli::history::HistoryFailure;
use crate::history::{Panel, Repairs};
use crate::maths::statistics;
use crate::risk::measures::{ErrorBars, MeasureError, Measures, RETURNS_MIN, measure};
use crate::risk::sharpe::{Sharpe, best_by_luck};
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
    /// Resample so often for error bars, 1000 as a rule; no bars without
    #[arg(long, value_name = "RESAMPLES")]
    bootstrap: Option<usize>,
    /// Mean length of the resamples' blocks; chosen by the series without
    #[arg(long, value_name = "PERIODS", requires = "bootstrap")]
    block: Option<f64>,
    /// What decides the resamples
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// How many were tried before these were chosen; then Sharpe ratios are deflated
    #[arg(long, value_name = "TRIALS")]
    trials: Option<f64>,
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
    /// Output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    calendar: f64,
    measures: BTreeMap<String, Measures>,
    /// By column, where they were asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    error_bars: BTreeMap<String, ErrorBars>,
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
    if let Some(trials) = args.trials {
        let benchmark = args.benchmark.as_deref();
        deflate(&mut measures, panel, series.calendar, args.risk_free, trials, benchmark)?;
    }
    let error_bars = bars::bars(args, panel, series.calendar, benchmark)?;
    let (calendar, repairs) = (series.calendar, series.repairs);
    let report = Report { calendar, measures, error_bars, repairs };
    if let Some(path) = &args.report {
        output::save(path, picture::html(panel, &text(&report, panel.symbols())))?;
    }
    Ok(output::show(&report, args.json, |report| text(report, panel.symbols()), out)?)
}

/// The chance that each Sharpe ratio is above the best that luck gives in so many trials. The ratios'
/// variance is the columns' own, the benchmark left out, but never less than what a ratio of nothing has over
/// as many periods: columns that were chosen, or that are alike, differ too little.
fn deflate(
    measures: &mut BTreeMap<String, Measures>,
    panel: &Panel,
    calendar: f64,
    rate: f64,
    trials: f64,
    benchmark: Option<&str>,
) -> Result<(), MeasureFailure> {
    if !(trials.is_finite() && trials >= 1.0) {
        let words = format!("--trials {trials}: give how many were tried, at least 1");
        return Err(MeasureFailure::Arguments(words));
    }
    let tried = measures.iter().filter(|(column, _)| Some(column.as_str()) != benchmark);
    let ratios: Vec<f64> = tried.map(|(_, m)| m.sharpe / calendar.sqrt()).collect();
    let least = 1.0 / (panel.rows() as f64 - 1.0);
    let own = if ratios.len() > 1 { statistics::covariance(&ratios, &ratios) } else { 0.0 };
    let variance = least.max(own);
    for (column, returns) in panel.symbols().iter().zip(panel.columns()) {
        let excess: Vec<f64> = returns.iter().map(|r| r - rate).collect();
        if let Some(found) = measures.get_mut(column) {
            let sharpe = Sharpe::of(&excess, found.deviation);
            found.deflated_sharpe = Some(sharpe.deflated(trials, variance));
            found.sharpe_by_luck = Some(best_by_luck(trials, variance) * calendar.sqrt());
        }
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
        // beside itself a series has nothing to say
        if let Some(b) = m.benchmark.as_ref().filter(|b| b.tracking_error > 0.0) {
            let _ = writeln!(
                text,
                "{:<16} beta {:.4}, Jensen's alpha {:.4}, Treynor {:.4}, tracking error {:.4}, information \
                 ratio {:.4}",
                "", b.beta, b.jensen_alpha, b.treynor, b.tracking_error, b.information_ratio
            );
        }
    }
    for (column, m) in order.iter().map(|column| (column, &report.measures[column])) {
        if let Some(deflated) = m.deflated_sharpe {
            let _ = writeln!(
                text,
                "{column:<16} above the best that luck gives ({:.3}) with a chance of {:.2} % (above \
                 nothing: {:.2} %)",
                m.sharpe_by_luck.unwrap_or(0.0),
                100.0 * deflated,
                100.0 * m.probabilistic_sharpe
            );
        }
    }
    for (column, bars) in order.iter().filter_map(|c| Some((c, report.error_bars.get(c)?))) {
        bars::write(&mut text, column, bars);
    }
    let _ = writeln!(text, "{} periods a year", report.calendar);
    text.push_str(&output::repaired(&report.repairs));
    text
}
