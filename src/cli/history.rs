//! The arguments that name a history, shared by every command that reads one.

use crate::history::actions::{self, ActionError};
use crate::history::{
    self, Missing, Panel, PanelError, ReadError, ReadSettings, RepairError, Repairs,
};
use clap::{Args, ValueEnum};
use std::ops::Range;
use std::path::PathBuf;

/// What to do with missing values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MissingName {
    /// Drop rows that have any
    DropRows,
    /// Drop columns that have any
    DropColumns,
    /// Refuse
    Error,
}

/// A history's arguments.
#[derive(Clone, Debug, Args)]
#[group(id = "history", required = false, multiple = true)]
pub struct HistoryArgs {
    /// Prices: CSV, CSV.gz, NPY or Parquet; several files join on their dates
    #[arg(long, value_name = "FILE")]
    prices: Vec<PathBuf>,
    /// Splits and dividends that prices do not know of: CSV of date,symbol,split or dividend,value
    #[arg(long, value_name = "FILE.csv")]
    actions: Option<PathBuf>,
    /// Which price of several: open, high, low, close
    #[arg(long, value_name = "NAME")]
    price_column: Option<String>,
    /// Only these columns
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    assets: Vec<String>,
    /// Only the last N returns
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Only these rows, from zero, the end not among them
    #[arg(long, value_name = "A..B", value_parser = rows)]
    rows: Option<Range<usize>>,
    /// Missing values; without it rows are dropped, up to 5 % of them
    #[arg(long, value_enum)]
    missing: Option<MissingName>,
    /// Periods a year; without it by the rows' distance: 365 or, where weekends have none, 252 for days
    #[arg(long, value_name = "PERIODS")]
    calendar: Option<f64>,
}

/// Why a history is refused.
#[derive(Debug, thiserror::Error)]
pub enum HistoryFailure {
    /// The files.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its holes.
    #[error(transparent)]
    Repair(#[from] RepairError),
    /// Its shape.
    #[error(transparent)]
    Panel(#[from] PanelError),
    /// Splits and dividends.
    #[error(transparent)]
    Actions(#[from] ActionError),
    /// Splits and dividends of what are no prices.
    #[error("--actions changes prices, not returns: give --prices FILE")]
    NoPrices,
    /// A calendar that is none.
    #[error("--calendar {0}: give the periods of a year, as 365 or 252")]
    Calendar(f64),
}

/// A history as read, with what the arguments say of it.
pub struct History {
    /// All columns, holes in place.
    pub panel: Panel,
    /// Periods a year.
    pub calendar: f64,
    missing: Option<MissingName>,
    /// Actions that changed a price.
    adjusted: usize,
}

fn rows(text: &str) -> Result<Range<usize>, String> {
    let wrong = || format!("`{text}` is no range of rows; write 0..500");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let from = if from.is_empty() { 0 } else { from.parse().map_err(|_| wrong())? };
    let to = if to.is_empty() { usize::MAX } else { to.parse().map_err(|_| wrong())? };
    if from < to { Ok(from..to) } else { Err(wrong()) }
}

impl HistoryArgs {
    /// Whether any file is named.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.prices.is_empty()
    }

    /// Reads the prices.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn prices(&self) -> Result<History, HistoryFailure> {
        // N returns lie between N + 1 prices
        let mut history = self.read(&self.prices, self.last.map(|last| last.saturating_add(1)))?;
        if let Some(path) = &self.actions {
            let actions = actions::read(path)?;
            (history.panel, history.adjusted) = actions::adjust(&history.panel, &actions, path)?;
        }
        Ok(history)
    }

    /// Reads files of returns by the same arguments.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn returns(&self, files: &[PathBuf]) -> Result<History, HistoryFailure> {
        if self.actions.is_some() {
            return Err(HistoryFailure::NoPrices);
        }
        self.read(files, self.last)
    }

    fn read(&self, files: &[PathBuf], last: Option<usize>) -> Result<History, HistoryFailure> {
        let settings = ReadSettings {
            price_column: self.price_column.clone(),
            assets: self.assets.clone(),
            last,
            rows: self.rows.clone(),
        };
        let panel = history::read(files, &settings)?;
        let calendar = self.calendar.unwrap_or_else(|| periods_a_year(&panel));
        if !(calendar.is_finite() && calendar > 0.0) {
            return Err(HistoryFailure::Calendar(calendar));
        }
        Ok(History { panel, calendar, missing: self.missing, adjusted: 0 })
    }
}

/// Seconds of a day.
const DAY: i64 = 86_400;

/// By the usual distance of two rows where that is no day; else 365 where more than a tenth of the
/// rows are weekends, as where trading never stops; else 252.
fn periods_a_year(panel: &Panel) -> f64 {
    let mut gaps: Vec<i64> = panel.dates().windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    gaps.sort_unstable();
    let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(DAY);
    if !(DAY * 9 / 10..=4 * DAY).contains(&usual) {
        return (365 * DAY) as f64 / usual as f64;
    }
    // 1970-01-01 was a Thursday
    let weekend = |day: i64| matches!((day + 3).rem_euclid(7), 5 | 6);
    let on_weekends = panel.dates().iter().filter(|date| weekend(date.day())).count();
    if on_weekends * 10 > panel.rows() { 365.0 } else { 252.0 }
}

impl History {
    /// The columns `wanted` without holes, prices checked, at least `needed` rows.
    ///
    /// # Errors
    /// Holes that may not go, prices that are none, columns that never move.
    pub fn repaired(
        &self,
        wanted: &[String],
        needed: usize,
    ) -> Result<(Panel, Repairs), HistoryFailure> {
        let chosen = self.panel.choose(wanted)?;
        history::repair::check_prices(&chosen)?;
        self.without_holes(&chosen, needed)
    }

    /// The same of returns, which may be negative.
    ///
    /// # Errors
    /// Holes that may not go, columns that never move.
    pub fn repaired_returns(
        &self,
        wanted: &[String],
        needed: usize,
    ) -> Result<(Panel, Repairs), HistoryFailure> {
        let chosen = self.panel.choose(wanted)?;
        history::repair::check_moves(&chosen)?;
        self.without_holes(&chosen, needed)
    }

    fn without_holes(
        &self,
        chosen: &Panel,
        needed: usize,
    ) -> Result<(Panel, Repairs), HistoryFailure> {
        let missing = match self.missing {
            Some(MissingName::DropColumns) => Missing::DropColumns,
            Some(MissingName::Error) => Missing::Error,
            Some(MissingName::DropRows) | None => Missing::DropRows,
        };
        let (panel, repairs) = history::repair(chosen, missing, self.missing.is_some(), needed)?;
        Ok((panel, Repairs { adjusted: self.adjusted, ..repairs }))
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;
    use crate::history::date::Date;

    #[test]
    fn ranges_of_rows_are_read() {
        assert_eq!(rows("3..9"), Ok(3..9));
        assert_eq!(rows("..9"), Ok(0..9));
        assert_eq!(rows("5.."), Ok(5..usize::MAX));
        assert!(rows("9..3").is_err() && rows("all").is_err());
    }

    #[test]
    fn a_calendar_is_told_by_its_weekends() {
        let panel = |days: Vec<i64>| {
            let dates: Vec<Date> = days.iter().map(|day| Date(day * 86_400)).collect();
            let column = vec![1.0; dates.len()];
            Panel::new(dates, vec!["A".into()], vec![column]).expect("sound")
        };
        assert_eq!(periods_a_year(&panel((0..100).collect())), 365.0);
        let weekdays = (0..100).filter(|day| (day + 3) % 7 < 5).collect();
        assert_eq!(periods_a_year(&panel(weekdays)), 252.0);
        let hours = (0..100).map(|hour| Date(hour * 3_600)).collect();
        let hours = Panel::new(hours, vec!["A".into()], vec![vec![1.0; 100]]).expect("sound");
        assert_eq!(periods_a_year(&hours), 8_760.0);
    }
}
