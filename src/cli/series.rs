//! The arguments that name a series of returns: `--returns FILE`, or prices to make them of.

use super::history::{HistoryArgs, HistoryFailure};
use crate::history::{Panel, Repairs, returns};
use clap::Args;
use std::path::PathBuf;

/// A series' arguments.
#[derive(Clone, Debug, Args)]
pub struct SeriesArgs {
    #[command(flatten)]
    history: HistoryArgs,
    /// Returns, used as they are: CSV, CSV.gz, NPY or Parquet
    #[arg(long, value_name = "FILE", conflicts_with = "prices")]
    returns: Vec<PathBuf>,
}

/// What returns prices are turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// P₁/P₀ − 1.
    Simple,
    /// 100·ln(P₁/P₀).
    LogPercent,
}

/// Refuses levels that are none.
///
/// # Errors
/// The first of them, in words.
pub fn check_levels(levels: &[f64]) -> Result<(), String> {
    match levels.iter().find(|&&level| !(level > 0.0 && level < 1.0)) {
        Some(level) => Err(format!("--level {level}: give a level between 0 and 1, as 0.99")),
        None => Ok(()),
    }
}

/// Returns without holes.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The returns.
    pub panel: Panel,
    /// What was dropped.
    pub repairs: Repairs,
    /// Periods a year.
    pub calendar: f64,
}

impl SeriesArgs {
    /// Whether returns were given, in units of their own.
    pub fn is_returns(&self) -> bool {
        !self.returns.is_empty()
    }

    /// The arguments that name prices.
    pub fn history(&self) -> &HistoryArgs {
        &self.history
    }

    /// Reads the series; at least `needed` returns, of one column where `column` names it.
    ///
    /// # Errors
    /// Files that cannot be read, holes that may not be dropped, columns that never move.
    pub fn read(
        &self,
        kind: Kind,
        column: Option<&str>,
        needed: usize,
    ) -> Result<Series, HistoryFailure> {
        let is_given = !self.returns.is_empty();
        let history =
            if is_given { self.history.returns(&self.returns)? } else { self.history.prices()? };
        let wanted = match column {
            Some(column) => vec![column.to_owned()],
            None => history.panel.symbols().to_vec(),
        };
        let calendar = history.calendar;
        if self.is_returns() {
            let (panel, repairs) = history.repaired_returns(&wanted, needed)?;
            return Ok(Series { panel, repairs, calendar });
        }
        let (prices, repairs) = history.repaired(&wanted, needed + 1)?;
        let panel = match kind {
            Kind::Simple => returns::simple(&prices)?,
            Kind::LogPercent => {
                let logs = returns::logarithmic(&prices)?;
                let percent = |column: &Vec<f64>| column.iter().map(|r| 100.0 * r).collect();
                let columns = logs.columns().iter().map(percent).collect();
                Panel::new(logs.dates().to_vec(), logs.symbols().to_vec(), columns)?
            }
        };
        Ok(Series { panel, repairs, calendar })
    }
}
