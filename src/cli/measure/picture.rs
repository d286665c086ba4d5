//! Series for eyes: what one became over time, and how far it stood below its highest.

use crate::cli::picture::{ALARM, Chart, Colour, INK, MAIN, Picture, WARM, page, svg};
use crate::history::Panel;

/// Series that a picture has colours for.
const SHOWN: usize = 6;
const COLOURS: [Colour; SHOWN] =
    [MAIN, WARM, ALARM, [84, 162, 75], [146, 100, 178], [110, 110, 110]];
/// Dates along the axis.
const DATES: usize = 6;

pub(super) fn html(panel: &Panel, table: &str) -> String {
    let (wealth, drawdown) = pictures(panel);
    let pictures = [("Growth of one", svg(&wealth)), ("Drawdown, %", svg(&drawdown))];
    page("Measures", &pictures, table)
}

fn pictures(panel: &Panel) -> (Picture, Picture) {
    let shown = panel.symbols().len().min(SHOWN);
    let (mut wealth, mut below) = (Vec::new(), Vec::new());
    for column in &panel.columns()[..shown] {
        let (mut now, mut peak) = (1.0_f64, 1.0_f64);
        let (mut rises, mut falls) = (vec![(0.0, 1.0)], vec![(0.0, 0.0)]);
        for (at, r) in column.iter().enumerate() {
            now *= 1.0 + r;
            peak = peak.max(now);
            rises.push((at as f64 + 1.0, now));
            falls.push((at as f64 + 1.0, 100.0 * (now / peak - 1.0)));
        }
        wealth.push(rises);
        below.push(falls);
    }
    (drawn(panel, &wealth, (0.0, 1.0)), drawn(panel, &below, (0.0, 0.0)))
}

/// Lines over time; `least` is what the axis holds at least.
fn drawn(panel: &Panel, lines: &[Vec<(f64, f64)>], least: (f64, f64)) -> Picture {
    let values = lines.iter().flatten().map(|point| point.1);
    let (low, high) = values.fold(least, |(l, h), y| (l.min(y), h.max(y)));
    let rows = panel.rows();
    let mut chart = Chart::new("", (0.0, rows as f64), (low, high));
    for k in 0..DATES {
        let at = (rows - 1) * k / (DATES - 1);
        chart.below(at as f64 + 1.0, panel.dates()[at].to_string());
    }
    for (line, colour) in lines.iter().zip(COLOURS) {
        chart.line(line, 1.3, colour);
    }
    let mut names: Vec<(&str, Colour)> =
        panel.symbols().iter().map(String::as_str).zip(COLOURS).collect();
    let more = format!("and {} more", panel.symbols().len().saturating_sub(SHOWN));
    if panel.symbols().len() > SHOWN {
        names.push((&more, INK));
    }
    chart.legend(&names);
    chart.picture()
}
