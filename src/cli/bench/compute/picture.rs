//! The roofline: how many operations a second each kernel reaches at its operations a byte (Williams,
//! Waterman and Patterson 2009).

use super::rates::Rate;
use crate::cli::picture::{ALARM, Anchor, FAINT, INK, MAIN, Picture, Shape, WARM, words};
use crate::compute::limits::Limits;

const SIZE: (f64, f64) = (1240.0, 600.0);
/// Width of the list beside the plot.
const LEGEND: f64 = 400.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 30.0 + LEGEND;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;
/// Operations a byte at the two edges, as powers of two.
const EDGES: (f64, f64) = (-4.0, 8.0);
/// Decades shown below the highest roof.
const DECADES: f64 = 2.5;
/// Side of a kernel's mark.
const MARK: f64 = 7.0;

pub(super) fn roofline(rates: &[Rate], limits: &Limits) -> Picture {
    let highest = limits.operations.log10() + 0.15;
    let x = |intensity: f64| {
        let share = (intensity.log2().clamp(EDGES.0, EDGES.1) - EDGES.0) / (EDGES.1 - EDGES.0);
        LEFT + share * (SIZE.0 - LEFT - RIGHT)
    };
    let y = |rate: f64| {
        let share = ((highest - rate.log10()) / DECADES).clamp(0.0, 1.0);
        TOP + share * (SIZE.1 - TOP - BOTTOM)
    };
    let floor = SIZE.1 - BOTTOM;
    let mut shapes = Vec::new();
    for power in EDGES.0 as i32..=EDGES.1 as i32 {
        let at = x(f64::from(power).exp2());
        shapes.push(Shape::Line((at, TOP), (at, floor), 1.0, FAINT));
        let label =
            if power < 0 { format!("1/{}", 1 << -power) } else { format!("{}", 1 << power) };
        shapes.push(Shape::Text((at, floor + 20.0), Anchor::Middle, INK, label));
    }
    for decade in (highest - DECADES).ceil() as i32..=highest as i32 {
        let rate = 10_f64.powi(decade);
        shapes.push(Shape::Line((LEFT, y(rate)), (SIZE.0 - RIGHT, y(rate)), 1.0, FAINT));
        shapes.push(Shape::Text((LEFT - 8.0, y(rate) + 4.0), Anchor::End, INK, words(rate)));
    }
    let roofs = [("L1", limits.l1), ("L2", limits.l2), ("memory", limits.memory)];
    for (drop, (name, bandwidth)) in [-14.0, 16.0, 16.0].into_iter().zip(roofs) {
        // the line of a bandwidth, from the left edge up to the roof
        let ridge = limits.operations / bandwidth;
        let from = EDGES.0.exp2().max(10_f64.powf(highest - DECADES) / bandwidth);
        shapes.push(Shape::Line(
            (x(from), y(from * bandwidth)),
            (x(ridge), y(limits.operations)),
            1.5,
            WARM,
        ));
        let label = format!("{name} {}B/s", words(bandwidth));
        shapes.push(Shape::Text(
            (x(from) + 6.0, y(from * bandwidth) + drop),
            Anchor::Start,
            WARM,
            label,
        ));
    }
    let top = y(limits.operations);
    shapes.push(Shape::Line((LEFT, top), (SIZE.0 - RIGHT, top), 1.5, ALARM));
    let label = format!("{} multiply-adds/s", words(limits.operations));
    shapes.push(Shape::Text((SIZE.0 - RIGHT, top - 8.0), Anchor::End, ALARM, label));
    // marks are numbered; what the numbers mean stands beside the picture
    let shown = rates.iter().filter(|row| row.device != "cpu-scalar");
    for (index, row) in shown.enumerate() {
        let number = format!("{}", index + 1);
        let at = (x(row.intensity), y(row.operations));
        shapes.push(Shape::Bar(at.0 - MARK / 2.0, at.1 - MARK / 2.0, MARK, MARK, MAIN));
        // neighbours' numbers alternate sides
        let (dx, anchor) =
            if index % 2 == 0 { (MARK, Anchor::Start) } else { (-MARK, Anchor::End) };
        shapes.push(Shape::Text((at.0 + dx, at.1 + 4.0), anchor, INK, number.clone()));
        let line = (SIZE.0 - LEGEND + 10.0, TOP + 24.0 * index as f64);
        let share = format!("{number:>2} {} {:.0}%", row.kernel, 100.0 * row.fraction_of_limit);
        shapes.push(Shape::Text(line, Anchor::Start, MAIN, share));
        let below = (line.0 + 24.0, line.1 + 11.0);
        shapes.push(Shape::Text(below, Anchor::Start, INK, row.size.clone()));
    }
    let below = "operations a byte".to_owned();
    shapes.push(Shape::Text(
        ((LEFT + SIZE.0 - RIGHT) / 2.0, SIZE.1 - 12.0),
        Anchor::Middle,
        INK,
        below,
    ));
    let title = "operations a second of one core, and the roofs above them".to_owned();
    shapes.push(Shape::Text((LEFT, 22.0), Anchor::Start, INK, title));
    Picture { size: SIZE, shapes }
}
