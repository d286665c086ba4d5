//! The result for eyes.

use super::{FactorShare, Report};
use crate::cli::output::repaired;
use std::fmt::Write;

/// A weight so small that it is not shown.
const NOTHING: f64 = 5e-7;

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    let years = report.calendar;
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "{}, {} covariance of {} returns, {:.3} ms of CPU time",
        report.method, report.covariance, report.observations, report.cpu_ms
    );
    if let Some(shrinkage) = report.shrinkage {
        let _ = writeln!(text, "shrunk by {shrinkage:.4}");
    }
    text.push_str(&repaired(&report.repairs));
    let _ = writeln!(text, "{:<20} {:>12} {:>12}", "asset", "weight", "of variance");
    let mut hidden = 0;
    for asset in &report.order {
        let (weight, share) = (report.weights[asset], report.risk_contributions[asset]);
        if weight.abs() < NOTHING {
            hidden += 1;
            continue;
        }
        let _ = writeln!(text, "{asset:<20} {:>11.4}% {:>11.4}%", 100.0 * weight, 100.0 * share);
    }
    if hidden > 0 {
        let _ = writeln!(text, "({hidden} assets with a weight of nothing)");
    }
    if !report.factors.is_empty() {
        let _ = writeln!(
            text,
            "{:<20} {:>12} {:>12} {:>12}",
            "factor", "exposure", "of variance", "budget"
        );
        for (name, share) in &report.factors {
            let of = 100.0 * share.of_variance;
            let FactorShare { exposure, budget, .. } = share;
            let _ = writeln!(text, "{name:<20} {exposure:>12.6} {of:>11.4}% {budget:>12.4}");
        }
        let explained: f64 = report.factors.values().map(|share| share.of_variance).sum();
        // what rounding leaves is nothing
        let left = if explained > 1.0 && explained < 1.0 + 1e-9 { 0.0 } else { 1.0 - explained };
        let _ = writeln!(text, "{:<20} {:>12} {:>11.4}%", "(no factor)", "", 100.0 * left);
        if left > 0.5 {
            let gross: f64 = report.weights.values().map(|w| w.abs()).sum();
            let _ = writeln!(
                text,
                "note: most of the variance is no factor's; weights that add up to 1 with such exposures \
                 take {gross:.2} of gross"
            );
        }
    }
    let _ = writeln!(
        text,
        "mean {:+.6} ({:+.2}% a year), volatility {:.6} ({:.2}% a year, {years} periods)",
        report.mean,
        100.0 * report.mean * years,
        report.volatility,
        100.0 * report.volatility * years.sqrt()
    );
    let _ = writeln!(text, "{} {:.12e}", report.objective_name, report.objective);
    match &report.certificate {
        Some(proof) => {
            let _ = writeln!(
                text,
                "proof: primal {:.12e}, dual {:.12e}, gap {:.1e}, residual {:.1e}, {} steps",
                proof.primal, proof.dual, proof.gap, proof.kkt_residual, report.iterations
            );
        }
        None => text.push_str("a recipe: it optimises nothing that a proof could be of\n"),
    }
    text
}
