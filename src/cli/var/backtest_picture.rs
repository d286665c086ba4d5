//! A back-test: returns, the value at risk forecast for each, and where it was not enough.

use super::VarError;
use super::compare::Report;
use crate::cli::picture::{
    ALARM, Anchor, FAINT, INK, MAIN, Picture, Shape, WARM, page, svg, ticks, words,
};
use crate::history::date::Date;
use std::path::Path;

/// A period.
pub(super) struct Day {
    pub date: Date,
    pub r: f64,
    pub var: f64,
}

const SIZE: (f64, f64) = (880.0, 440.0);
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 52.0;
/// Dates along the axis.
const DATES: usize = 6;

pub(super) fn write_html(
    path: &Path,
    report: &Report,
    table: &str,
    days: &[Day],
) -> Result<(), VarError> {
    let picture = svg(&backtest(report, days));
    let page = page("VaR back-test", &[("", picture)], table);
    std::fs::write(path, page).map_err(|error| VarError::File { path: path.to_owned(), error })
}

fn backtest(report: &Report, days: &[Day]) -> Picture {
    let values = days.iter().flat_map(|day| [day.r, -day.var]);
    let (low, high) =
        values.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let (low, high) = (1.03 * low, 1.03 * high.max(1e-12));
    let width = (SIZE.0 - LEFT - RIGHT) / days.len() as f64;
    let x = |at: usize| LEFT + (at as f64 + 0.5) * width;
    let y = |value: f64| SIZE.1 - BOTTOM - (value - low) / (high - low) * (SIZE.1 - TOP - BOTTOM);
    let mut shapes = Vec::new();
    for value in ticks(low, high, 7) {
        shapes.push(Shape::Line((LEFT, y(value)), (SIZE.0 - RIGHT, y(value)), 1.0, FAINT));
        shapes.push(Shape::Text((LEFT - 6.0, y(value) + 4.0), Anchor::End, INK, words(value)));
    }
    for (at, day) in days.iter().enumerate() {
        let is_beyond = day.r < -day.var;
        let (colour, thick) = if is_beyond { (ALARM, 2.0) } else { (MAIN, width.clamp(0.4, 2.0)) };
        shapes.push(Shape::Line((x(at), y(0.0)), (x(at), y(day.r)), thick, colour));
    }
    for (at, pair) in days.windows(2).enumerate() {
        let ends = ((x(at), y(-pair[0].var)), (x(at + 1), y(-pair[1].var)));
        shapes.push(Shape::Line(ends.0, ends.1, 1.2, WARM));
    }
    for k in 0..DATES {
        let at = (days.len() - 1) * k / (DATES - 1);
        let anchor = match k {
            0 => Anchor::Start,
            last if last == DATES - 1 => Anchor::End,
            _ => Anchor::Middle,
        };
        let words = days[at].date.to_string();
        shapes.push(Shape::Text((x(at), SIZE.1 - BOTTOM + 20.0), anchor, INK, words));
    }
    let beyond = days.iter().filter(|day| day.r < -day.var).count();
    let title = format!(
        "{}: returns of `{}`, VaR {}% (line), {beyond} of {} beyond it",
        report.best,
        report.series,
        words(100.0 * report.level),
        days.len()
    );
    shapes.push(Shape::Text((LEFT, 20.0), Anchor::Start, INK, title));
    Picture { size: SIZE, shapes }
}
