//! `bot4 drawdown`: what control of size by falls of wealth would have made of a history, and where it
//! stands.
//!
//! a series of returns → `risk::drawdown` → JSON, a table, a page with pictures.

mod picture;

use super::history::HistoryFailure;
use super::holdings;
use super::output::{self, OutputError};
use super::series::{Kind, SeriesArgs};
use crate::history::Repairs;
use crate::risk::budget::held;
use crate::risk::drawdown::{Rules, RulesError, State, controlled};
use crate::risk::measures::{MeasureError, Measures, RETURNS_MIN, measure};
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `bot4 drawdown`.
#[derive(Debug, Args)]
pub struct DrawdownArgs {
    #[command(flatten)]
    series: SeriesArgs,
    /// The column that is the book, where there are several
    #[arg(long, value_name = "NAME", conflicts_with = "weights")]
    column: Option<String>,
    /// Weights that make the book of all columns: A=0.5,B=0.5, equal, or a file of `optimize --json`
    #[arg(long, value_delimiter = ',', value_name = "A=WEIGHT|FILE.json")]
    weights: Vec<String>,
    /// Fall at which size begins to fall
    #[arg(long, default_value_t = 0.05, value_name = "SHARE", allow_negative_numbers = true)]
    reduce: f64,
    /// Fall at which only --least is held
    #[arg(long, default_value_t = 0.10, value_name = "SHARE", allow_negative_numbers = true)]
    preserve: f64,
    /// Fall at which nothing is held until a person resumes
    #[arg(long, default_value_t = 0.15, value_name = "SHARE", allow_negative_numbers = true)]
    halt: f64,
    /// Least size that is held before the halt
    #[arg(long, default_value_t = 0.25, value_name = "SHARE", allow_negative_numbers = true)]
    least: f64,
    /// Share of a threshold that the fall must be below it before its state is left
    #[arg(long, default_value_t = 0.2, value_name = "SHARE", allow_negative_numbers = true)]
    hysteresis: f64,
    /// Periods in a row without a new low before size rises by a step
    #[arg(long, default_value_t = 5, value_name = "PERIODS")]
    calm: u32,
    /// Size of a step
    #[arg(long, default_value_t = 0.25, value_name = "SHARE", allow_negative_numbers = true)]
    step: f64,
    /// Periods after which a person resumes; never without
    #[arg(long, value_name = "PERIODS")]
    resume_after: Option<u32>,
    /// Write a report with pictures of wealth and size
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Why nothing was controlled.
#[derive(Debug, thiserror::Error)]
pub enum DrawdownFailure {
    /// The series.
    #[error(transparent)]
    History(#[from] HistoryFailure),
    /// The rules.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The measures.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// Arguments.
    #[error("{0}")]
    Arguments(String),
    /// Output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

#[derive(Clone, Debug, Serialize)]
struct Change {
    date: String,
    from: State,
    to: State,
    fall: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    book: String,
    rules: Rules,
    state: State,
    scale: f64,
    fall: f64,
    /// Mean size held.
    exposure: f64,
    changes: Vec<Change>,
    before: Measures,
    after: Measures,
    calendar: f64,
    repairs: Repairs,
}

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or output that cannot be written.
pub fn run(args: &DrawdownArgs, out: &mut dyn Write) -> Result<(), DrawdownFailure> {
    let series = args.series.read(Kind::Simple, args.column.as_deref(), RETURNS_MIN)?;
    let panel = &series.panel;
    let (book, name) = if args.weights.is_empty() {
        let [only] = panel.symbols() else {
            let names = panel.symbols().join(", ");
            return Err(DrawdownFailure::Arguments(format!(
                "the series has several columns ({names}): say --column NAME, or --weights A=0.5,B=0.5"
            )));
        };
        (panel.columns()[0].clone(), only.clone())
    } else {
        let weights = holdings::weights("--weights", &args.weights, panel.symbols());
        let weights = weights.map_err(DrawdownFailure::Arguments)?;
        (held(panel.columns(), &weights), "the weighted book".to_owned())
    };
    let rules = Rules {
        reduce: args.reduce,
        preserve: args.preserve,
        halt: args.halt,
        least: args.least,
        hysteresis: args.hysteresis,
        calm: args.calm,
        step: args.step,
    };
    if let Some(row) = book.iter().position(|&r| r <= -1.0) {
        let (date, lost) = (panel.dates()[row], -100.0 * book[row]);
        return Err(DrawdownFailure::Arguments(format!(
            "{date}: the book lost {lost:.1} %: nothing is left to control (are these percent, or log \
             returns?)"
        )));
    }
    let before = measure(&book, series.calendar, 0.0, &[0.99], None)?;
    let found = controlled(&book, rules, args.resume_after)?;
    let change = |&(row, from, to, fall): &(usize, State, State, f64)| Change {
        date: panel.dates()[row].to_string(),
        from,
        to,
        fall,
    };
    let report = Report {
        book: name,
        rules,
        state: found.control.state(),
        scale: found.control.scale(),
        fall: found.control.fall(),
        exposure: found.scales.iter().sum::<f64>() / found.scales.len() as f64,
        changes: found.changes.iter().map(change).collect(),
        before,
        after: measure(&found.returns, series.calendar, 0.0, &[0.99], None)?,
        calendar: series.calendar,
        repairs: series.repairs.clone(),
    };
    if let Some(path) = &args.report {
        output::save(path, picture::html(&report, panel.dates(), &book, &found))?;
    }
    Ok(output::show(&report, args.json, text, out)?)
}

/// Changes that a terminal has room for.
const SHOWN: usize = 20;

fn text(report: &Report) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "{}: now {}, size {:.2}, {:.2} % below its mark; mean size {:.2}",
        report.book,
        output::word(&report.state),
        report.scale,
        100.0 * report.fall,
        report.exposure
    );
    text.push_str(&output::repaired(&report.repairs));
    let _ = writeln!(
        text,
        "{:<12} {:>9} {:>9} {:>8} {:>10} {:>8} {:>8}",
        "", "a year", "vol", "sharpe", "deepest", "calmar", "ES 99 %"
    );
    for (name, m) in [("as it was", &report.before), ("controlled", &report.after)] {
        let _ = writeln!(
            text,
            "{name:<12} {:>8.2}% {:>8.2}% {:>8.3} {:>9.2}% {:>8.3} {:>7.2}%",
            100.0 * m.cagr,
            100.0 * m.volatility,
            m.sharpe,
            100.0 * m.max_drawdown,
            m.calmar,
            100.0 * m.tails[0].es
        );
    }
    let skipped = report.changes.len().saturating_sub(SHOWN);
    if skipped > 0 {
        let _ = writeln!(text, "({skipped} earlier changes: --json)");
    }
    for change in &report.changes[skipped..] {
        let _ = writeln!(
            text,
            "{}  {:>10} -> {:<10} {:>6.2} % below",
            change.date,
            output::word(&change.from),
            output::word(&change.to),
            100.0 * change.fall
        );
    }
    text
}
