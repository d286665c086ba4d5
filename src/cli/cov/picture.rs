//! Correlations for eyes: a map of them, the eigenvalues, and the pair that changed most through time.

use super::Report;
use crate::cli::picture::{
    Anchor, Chart, Colour, INK, MAIN, PAPER, Picture, Shape, WARM, page, svg,
};
use crate::history::Panel;
use crate::model::breaks::rolling;

/// Assets that a map has room for.
const MAPPED: usize = 60;
const WIDE: f64 = 880.0;
const NAME: f64 = 90.0;
/// Cells this wide hold a number.
const ROOM: f64 = 34.0;
const CELL_MAX: f64 = 60.0;
/// Dates along the axis.
const DATES: usize = 6;
const AGAINST: Colour = [200, 54, 54];

pub(super) fn html(report: &Report, panel: &Panel, table: &str) -> String {
    let mut pictures = vec![
        ("Correlations", svg(&map(report))),
        ("Eigenvalues of the correlation, and the random edge", svg(&spectrum(report))),
    ];
    let caption;
    if let Some((breaks, pair)) = report.breaks.as_ref().and_then(|b| Some((b, b.pairs.first()?)))
        && let (Some(x), Some(y)) = (panel.column(&pair.first), panel.column(&pair.second))
    {
        let path = rolling(x, y, breaks.window);
        caption = format!("{}/{}, rolling over {} rows", pair.first, pair.second, breaks.window);
        pictures.push((&caption, svg(&through_time(panel, &path, breaks.window))));
    }
    page("Covariance", &pictures, table)
}

/// White at nothing, blue at one, red at minus one.
fn shade(rho: f64) -> Colour {
    let to = if rho >= 0.0 { MAIN } else { AGAINST };
    let share = rho.abs().min(1.0);
    [0, 1, 2].map(|k| {
        let (from, to) = (f64::from(PAPER[k]), f64::from(to[k]));
        (from + share * (to - from)).round() as u8
    })
}

fn map(report: &Report) -> Picture {
    let shown = report.assets.len().min(MAPPED);
    let cell = ((WIDE - NAME - 20.0) / shown as f64).min(CELL_MAX);
    let mut shapes = Vec::new();
    for (i, row) in report.correlation.iter().take(shown).enumerate() {
        let top = 30.0 + cell * i as f64;
        let short = |name: &str| name.chars().take(10).collect::<String>();
        let middle = top + 0.5 * cell + 4.0;
        shapes.push(Shape::Text((NAME - 6.0, middle), Anchor::End, INK, short(&report.assets[i])));
        for (j, &rho) in row.iter().take(shown).enumerate() {
            let left = NAME + cell * j as f64;
            shapes.push(Shape::Bar(left, top, cell - 1.0, cell - 1.0, shade(rho)));
            if cell >= ROOM {
                let ink = if rho.abs() > 0.6 { PAPER } else { INK };
                let words = format!("{rho:.2}");
                shapes.push(Shape::Text((left + 0.5 * cell, middle), Anchor::Middle, ink, words));
            }
        }
    }
    let words = if shown < report.assets.len() {
        format!("the first {shown} of {}; blue together, red against", report.assets.len())
    } else {
        "blue together, red against".to_owned()
    };
    shapes.push(Shape::Text((NAME, 18.0), Anchor::Start, INK, words));
    Picture { size: (WIDE, 40.0 + cell * shown as f64), shapes }
}

fn spectrum(report: &Report) -> Picture {
    let values = &report.eigenvalues;
    let count = values.len() as f64;
    // Marchenko and Pastur's edge of correlations without any structure
    let edge = (1.0 + (count / report.observations as f64).sqrt()).powi(2);
    let high = values.iter().copied().fold(edge, f64::max);
    let low = values.iter().copied().fold(0.0, f64::min);
    let mut chart = Chart::new("", (0.0, count), (low, 1.05 * high));
    for (at, &value) in values.iter().rev().enumerate() {
        let middle = at as f64 + 0.5;
        chart.line(&[(middle, 0.0), (middle, value)], (600.0 / count).clamp(1.0, 20.0), MAIN);
    }
    chart.line(&[(0.0, edge), (count, edge)], 1.2, WARM);
    chart.legend(&[("eigenvalue", MAIN), ("random edge", WARM)]);
    chart.picture()
}

fn through_time(panel: &Panel, path: &[f64], window: usize) -> Picture {
    let mut chart = Chart::new("", (0.0, path.len() as f64), (-1.0, 1.0));
    for k in 0..DATES {
        let at = (path.len() - 1) * k / (DATES - 1);
        chart.below(at as f64, panel.dates()[at + window - 1].to_string());
    }
    let points: Vec<(f64, f64)> = path
        .iter()
        .enumerate()
        .filter(|(_, r)| r.is_finite())
        .map(|(at, &r)| (at as f64, r))
        .collect();
    chart.line(&points, 1.2, MAIN);
    chart.picture()
}
