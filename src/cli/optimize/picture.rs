//! An allocation for eyes: weights beside shares of risk, the efficient frontier, the tree of the assets.

use super::Report;
use crate::cli::picture::{
    ALARM, Anchor, Chart, FAINT, INK, MAIN, Picture, Shape, WARM, page, svg,
};
use crate::portfolio::hierarchy::Tree;
use crate::portfolio::problem::{Constraints, Estimates, variance};
use crate::portfolio::quadratic::min_variance;

/// What is drawn beside the weights.
pub(super) struct Drawn<'a> {
    pub estimates: &'a Estimates,
    pub constraints: &'a Constraints,
    /// Of methods that climb one.
    pub tree: Option<Tree>,
}

pub(super) fn html(report: &Report, drawn: &Drawn, table: &str) -> String {
    let mut pictures = vec![("Weights and shares of variance", svg(&weights(report)))];
    if let Some(frontier) = frontier(report, drawn) {
        pictures.push(("Efficient frontier, a year", svg(&frontier)));
    }
    if let Some(tree) = &drawn.tree {
        pictures.push(("Tree of the assets", svg(&dendrogram(tree, &drawn.estimates.assets))));
    }
    page(&report.method, &pictures, table)
}

/// Assets that a picture has room for.
const BARS: usize = 40;
const ROW: f64 = 18.0;
const NAME: f64 = 130.0;
const WIDE: f64 = 880.0;

fn weights(report: &Report) -> Picture {
    let mut order: Vec<&String> = report.order.iter().collect();
    order.sort_by(|a, b| report.weights[*b].abs().total_cmp(&report.weights[*a].abs()));
    order.truncate(BARS);
    let values = order.iter().flat_map(|a| [report.weights[*a], report.risk_contributions[*a]]);
    let (low, high) = values.fold((0.0_f64, 1e-9_f64), |(l, h), x| (l.min(x), h.max(x)));
    let x = |value: f64| NAME + (value - low) / (high - low) * (WIDE - NAME - 70.0);
    let mut shapes = Vec::new();
    for (row, asset) in order.iter().enumerate() {
        let top = 30.0 + ROW * row as f64;
        let name = (NAME - 8.0, top + 12.0);
        shapes.push(Shape::Text(name, Anchor::End, INK, (*asset).clone()));
        let (weight, share) = (report.weights[*asset], report.risk_contributions[*asset]);
        for (value, down, colour) in [(weight, 1.0, MAIN), (share, 8.0, WARM)] {
            let (from, to) = (x(value.min(0.0)), x(value.max(0.0)));
            shapes.push(Shape::Bar(from, top + down, (to - from).max(0.5), 6.0, colour));
        }
        let words = format!("{:.1}%", 100.0 * weight);
        shapes.push(Shape::Text(
            (x(weight.max(share).max(0.0)) + 6.0, top + 12.0),
            Anchor::Start,
            INK,
            words,
        ));
    }
    let bottom = 30.0 + ROW * order.len() as f64;
    shapes.push(Shape::Line((x(0.0), 26.0), (x(0.0), bottom), 1.0, INK));
    shapes.push(Shape::Text((NAME, 16.0), Anchor::Start, MAIN, "weight".to_owned()));
    shapes.push(Shape::Text(
        (NAME + 60.0, 16.0),
        Anchor::Start,
        WARM,
        "share of variance".to_owned(),
    ));
    if report.order.len() > BARS {
        let words = format!("the {BARS} greatest of {}", report.order.len());
        shapes.push(Shape::Text((WIDE - 20.0, 16.0), Anchor::End, INK, words));
    }
    Picture { size: (WIDE, bottom + 10.0), shapes }
}

/// Portfolios of the frontier that are solved.
const STEPS: u32 = 40;

/// Least deviation by mean under the same limits, costs left out; none where nothing is to be chosen.
fn frontier(report: &Report, drawn: &Drawn) -> Option<Picture> {
    let Drawn { estimates, constraints, .. } = drawn;
    let years = report.calendar;
    let limits = Constraints { costs: None, target_return: None, ..(*constraints).clone() };
    let point = |weights: &[f64]| {
        let mean: f64 = weights.iter().zip(&estimates.mean).map(|(w, m)| w * m).sum();
        let deviation = variance(&estimates.covariance, weights).sqrt();
        (100.0 * deviation * years.sqrt(), 100.0 * mean * years)
    };
    let least = min_variance(estimates, &limits, None).ok()?;
    let start = least.weights.iter().zip(&estimates.mean).map(|(w, m)| w * m).sum::<f64>();
    let best = estimates.mean.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut curve = vec![point(&least.weights)];
    let mut last = least.weights;
    for step in 1..=STEPS {
        let target = start + (best - start) * f64::from(step) / f64::from(STEPS) * (1.0 - 1e-9);
        let limits = Constraints { target_return: Some(target), ..limits.clone() };
        match min_variance(estimates, &limits, Some(&last)) {
            Ok(found) => {
                curve.push(point(&found.weights));
                last = found.weights;
            }
            // what the limits cannot reach ends the curve
            Err(_) => break,
        }
    }
    let n = estimates.mean.len();
    let assets: Vec<(f64, f64)> = (0..n)
        .map(|i| {
            let mut alone = vec![0.0; n];
            alone[i] = 1.0;
            point(&alone)
        })
        .collect();
    let held: Vec<f64> = estimates.assets.iter().map(|asset| report.weights[asset]).collect();
    let own = point(&held);
    let all = || curve.iter().chain(&assets).chain([&own]);
    let over = |pick: fn(&(f64, f64)) -> f64| {
        all().map(pick).fold((0.0_f64, 0.0_f64), |(l, h), x| (l.min(x), h.max(x)))
    };
    let (x, y) = (over(|p| p.0), over(|p| p.1));
    let widen = |(low, high): (f64, f64)| (1.05 * low, 1.08 * high);
    let mut chart = Chart::new("mean, % a year", widen(x), widen(y));
    chart.scale("volatility, % a year");
    if n <= BARS {
        for (asset, (x, y)) in estimates.assets.iter().zip(&assets) {
            chart.point(*x, *y, 4.0, FAINT_INK, asset);
        }
    }
    chart.line(&curve, 2.0, MAIN);
    chart.point(own.0, own.1, 9.0, ALARM, &report.method);
    Some(chart.picture())
}

/// Assets stay behind the curve.
const FAINT_INK: [u8; 3] = [130, 138, 148];

fn dendrogram(tree: &Tree, assets: &[String]) -> Picture {
    let leaves = tree.leaves();
    let n = leaves.len();
    let highest = tree.merges().iter().map(|merge| merge.height).fold(1e-12, f64::max);
    let across = |height: f64| NAME + 10.0 + height / highest * (WIDE - NAME - 60.0);
    let row = (ROW * 60.0 / n as f64).clamp(6.0, ROW);
    // by node: where it stands, and its height
    let mut places = vec![(0.0, 0.0); 2 * n - 1];
    let mut shapes = Vec::new();
    for (at, &leaf) in leaves.iter().enumerate() {
        let down = 20.0 + row * (at as f64 + 0.5);
        places[leaf] = (down, 0.0);
        if row >= 9.0 {
            let name = (NAME, down + 4.0);
            shapes.push(Shape::Text(name, Anchor::End, INK, assets[leaf].clone()));
        }
    }
    for (at, merge) in tree.merges().iter().enumerate() {
        let (left, right) = (places[merge.left], places[merge.right]);
        let x = across(merge.height);
        for (down, height) in [left, right] {
            shapes.push(Shape::Line((across(height), down), (x, down), 1.5, MAIN));
        }
        shapes.push(Shape::Line((x, left.0), (x, right.0), 1.5, MAIN));
        places[n + at] = (0.5 * (left.0 + right.0), merge.height);
    }
    let bottom = 20.0 + row * n as f64;
    shapes.push(Shape::Line((across(0.0), bottom), (across(highest), bottom), 1.0, FAINT));
    for share in [0.0, 0.5, 1.0] {
        let words = format!("{:.2}", share * highest);
        let place = (across(share * highest), bottom + 16.0);
        shapes.push(Shape::Text(place, Anchor::Middle, INK, words));
    }
    Picture { size: (WIDE, bottom + 24.0), shapes }
}
