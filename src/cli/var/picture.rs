//! The distribution of losses: bars, VaR and ES marked, as HTML or PNG.

use super::Report;
use crate::cli::picture::{
    ALARM, Anchor, FAINT, INK, MAIN, Picture, PngError, Shape, WARM, page, png, svg, ticks, words,
};
use crate::risk::value_at_risk::Outcome;
use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file.
    #[error("{}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Its content.
    #[error("{}: {error}", .path.display())]
    Png {
        /// Which.
        path: PathBuf,
        /// Why.
        error: PngError,
    },
    /// Nothing to show.
    #[error(
        "a closed form has no distribution of losses to draw: leave --picture and --report out"
    )]
    NoProfits,
}

const SIZE: (f64, f64) = (880.0, 440.0);
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 52.0;
const BARS: usize = 120;
/// What of the profits lies beyond either edge of the picture.
const BEYOND: f64 = 0.000_5;

pub(super) fn write_png(
    path: &Path,
    report: &Report,
    outcome: &Outcome,
) -> Result<(), PictureError> {
    let file = |error| PictureError::File { path: path.to_owned(), error };
    let picture = losses(report, outcome)?;
    let to = BufWriter::new(fs::File::create(path).map_err(file)?);
    png(&picture, to).map_err(|error| PictureError::Png { path: path.to_owned(), error })
}

pub(super) fn html(report: &Report, outcome: &Outcome) -> Result<String, PictureError> {
    let picture = svg(&losses(report, outcome)?);
    Ok(page("Value at risk", &[("", picture)], &super::print::text(report)))
}

fn losses(report: &Report, outcome: &Outcome) -> Result<Picture, PictureError> {
    if outcome.profits.is_empty() {
        return Err(PictureError::NoProfits);
    }
    let weight = |at: usize| outcome.weights.get(at).map_or(1.0, |&weight| f64::from(weight));
    let losses = outcome.profits.iter().enumerate();
    let mut sorted: Vec<(f32, f64)> = losses.map(|(at, x)| (-x, weight(at))).collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let whole: f64 = sorted.iter().map(|(_, weight)| weight).sum();
    let at = |share: f64| {
        let mut before = 0.0;
        let reached = |&&(_, weight): &&(f32, f64)| {
            before += weight;
            before >= share * whole
        };
        sorted.iter().find(reached).map_or(0.0, |&(loss, _)| f64::from(loss))
    };
    let worst_mark = report.levels.iter().map(|tail| tail.es).fold(f64::MIN, f64::max);
    let (low, high) = (at(BEYOND), at(1.0 - BEYOND).max(1.05 * worst_mark));
    let (low, high) = if high > low { (low, high) } else { (low - 1.0, low + 1.0) };
    let width = (high - low) / BARS as f64;
    let mut shares = [0.0; BARS];
    for (loss, weight) in &sorted {
        let bar = (f64::from(*loss) - low) / width;
        if (0.0..BARS as f64).contains(&bar) {
            shares[bar as usize] += weight / whole;
        }
    }
    let tallest = shares.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let x = |loss: f64| LEFT + (loss - low) / (high - low) * (SIZE.0 - LEFT - RIGHT);
    let y = |share: f64| SIZE.1 - BOTTOM - share / (1.05 * tallest) * (SIZE.1 - TOP - BOTTOM);
    let floor = y(0.0);
    let mut shapes = Vec::new();
    for share in ticks(0.0, tallest, 5) {
        shapes.push(Shape::Line((LEFT, y(share)), (SIZE.0 - RIGHT, y(share)), 1.0, FAINT));
        let words = format!("{}%", words(100.0 * share));
        shapes.push(Shape::Text((LEFT - 8.0, y(share) + 4.0), Anchor::End, INK, words));
    }
    let var = report.var;
    for (bar, share) in shares.iter().enumerate() {
        let left = low + bar as f64 * width;
        let top = y(*share);
        let colour = if left >= var { ALARM } else { MAIN };
        shapes.push(Shape::Bar(x(left), top, x(left + width) - x(left) - 0.5, floor - top, colour));
    }
    shapes.push(Shape::Line((LEFT, floor), (SIZE.0 - RIGHT, floor), 1.0, INK));
    for loss in ticks(low, high, 8) {
        shapes.push(Shape::Line((x(loss), floor), (x(loss), floor + 5.0), 1.0, INK));
        shapes.push(Shape::Text((x(loss), floor + 20.0), Anchor::Middle, INK, words(loss)));
    }
    let below = format!("loss over {} step(s) {}", report.horizon, report.base);
    let middle = ((LEFT + SIZE.0 - RIGHT) / 2.0, SIZE.1 - 10.0);
    shapes.push(Shape::Text(middle, Anchor::Middle, INK, below));
    for (index, tail) in report.levels.iter().enumerate() {
        let top = TOP + 16.0 * (2 * index) as f64;
        for (value, name, colour, row) in
            [(tail.var, "VaR", ALARM, 0.0), (tail.es, "ES", WARM, 16.0)]
        {
            shapes.push(Shape::Line((x(value), top + row - 4.0), (x(value), floor), 1.5, colour));
            let label = format!("{name} {}% {}", words(100.0 * tail.level), words(value));
            // beside the line, on the side that has room
            let near_edge = x(value) > SIZE.0 - 170.0;
            let (dx, anchor) = if near_edge { (-5.0, Anchor::End) } else { (5.0, Anchor::Start) };
            shapes.push(Shape::Text((x(value) + dx, top + row + 4.0), anchor, colour, label));
        }
    }
    let title = format!(
        "{} {} on {}: {} scenarios, seed {}",
        report.method,
        report.model.unwrap_or(""),
        report.device,
        report.paths,
        report.seed
    );
    shapes.push(Shape::Text((LEFT, 20.0), Anchor::Start, INK, title));
    Ok(Picture { size: SIZE, shapes })
}
