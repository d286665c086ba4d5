//! A back-test: returns, the value at risk forecast for each, and where it was not enough.

use super::compare::Report;
use crate::cli::picture::{ALARM, Chart, MAIN, Picture, WARM, page, svg, words};
use crate::history::date::Date;

/// A period.
pub(super) struct Day {
    pub date: Date,
    pub r: f64,
    pub var: f64,
}

/// Dates along the axis.
const DATES: usize = 6;

pub(super) fn html(report: &Report, table: &str, days: &[Day]) -> String {
    let picture = svg(&backtest(report, days));
    page("VaR back-test", &[("", picture)], table)
}

fn backtest(report: &Report, days: &[Day]) -> Picture {
    let values = days.iter().flat_map(|day| [day.r, -day.var]);
    let (low, high) =
        values.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let beyond = days.iter().filter(|day| day.r < -day.var).count();
    let title = format!(
        "{}: returns of `{}`, VaR {}% (line), {beyond} of {} beyond it",
        report.best,
        report.series,
        words(100.0 * report.level),
        days.len()
    );
    let last = days.len() - 1;
    let mut chart = Chart::new(&title, (0.0, last as f64), (1.03 * low, 1.03 * high));
    for (at, day) in days.iter().enumerate() {
        let is_beyond = day.r < -day.var;
        let (colour, width) = if is_beyond { (ALARM, 2.0) } else { (MAIN, 0.5) };
        chart.line(&[(at as f64, 0.0), (at as f64, day.r)], width, colour);
    }
    let line: Vec<(f64, f64)> =
        days.iter().enumerate().map(|(at, day)| (at as f64, -day.var)).collect();
    chart.line(&line, 1.2, WARM);
    for k in 0..DATES {
        let at = last * k / (DATES - 1);
        chart.below(at as f64, days[at].date.to_string());
    }
    chart.picture()
}
