//! The result for eyes.

use super::{Dynamics, Report};
use crate::cli::output;
use std::fmt::Write as _;

/// What latent factors do, in words.
fn told(text: &mut String, dynamics: &Dynamics) {
    let than_still = dynamics.still_loglik.map_or_else(String::new, |still| {
        format!(" ({:.2} more than without dynamics)", dynamics.loglik - still)
    });
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "log likelihood {:.2}{than_still}, {} after {} steps; at most {:.4} of a factor is left a row later",
        dynamics.loglik, dynamics.status, dynamics.iterations, dynamics.persistence
    );
    let _ = match dynamics.p_value {
        Some(p) => {
            writeln!(text, "factors that follow their past so far come by luck with p {p:.3e}")
        }
        None => {
            writeln!(text, "note: too few rows to say whether so many factors follow their past")
        }
    };
    for (k, row) in dynamics.transition.iter().take(SHOWN).enumerate() {
        let row: Vec<String> = row.iter().take(SHOWN).map(|phi| format!("{phi:+.4}")).collect();
        let _ = writeln!(text, "factor {} of the next row: {} of this row's", k + 1, row.join(" "));
    }
    if !dynamics.explained_whole.is_empty() {
        let _ = writeln!(
            text,
            "note: factors explain all of {}: leave out assets that are copies",
            dynamics.explained_whole.join(", ")
        );
    }
}

/// Factors that a terminal has room for.
const SHOWN: usize = 6;

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "{}: {} of {} assets over {} returns, {:.2} % of the variance explained",
        report.kind,
        report.factors.len(),
        report.assets.len(),
        report.observations,
        100.0 * report.explained
    );
    text.push_str(&output::repaired(&report.repairs));
    if let Some(counts) = &report.counts {
        let _ = writeln!(
            text,
            "how many: {} by Bai and Ng's IC_p2, {} by the eigenvalue ratio, {} by the growth ratio (of up \
             to {})",
            counts.information, counts.eigenvalue_ratio, counts.growth_ratio, counts.considered
        );
        if counts.information == counts.considered {
            let _ =
                writeln!(text, "note: IC_p2 stands at the most it may say, which finds nothing");
        }
        let shown: Vec<String> =
            report.eigenvalues.iter().take(10).map(|value| format!("{value:.3}")).collect();
        let _ = writeln!(text, "eigenvalues {}", shown.join(" "));
    }
    if let Some(dynamics) = &report.dynamics {
        told(&mut text, dynamics);
    }
    let shown = report.factors.len().min(SHOWN);
    let _ = write!(text, "{:<14} {:>8} {:>9} {:>16}", "asset", "R²", "own a yr", "alpha a year");
    for factor in &report.factors[..shown] {
        let _ = write!(text, " {:>19}", factor.chars().take(19).collect::<String>());
    }
    text.push('\n');
    let with = |value: f64, error: Option<f64>| match error {
        Some(error) => format!("{value:.4} ± {error:.4}"),
        None => format!("{value:.5}"),
    };
    for asset in &report.assets {
        let alpha =
            with(asset.alpha * report.calendar, asset.alpha_std_error.map(|e| e * report.calendar));
        let own = 100.0 * asset.own * report.calendar.sqrt();
        let _ = write!(
            text,
            "{:<14} {:>7.2}% {own:>8.2}% {alpha:>16}",
            asset.asset,
            100.0 * asset.r_squared
        );
        for slope in &asset.slopes[..shown] {
            let _ = write!(text, " {:>19}", with(slope.slope, slope.std_error));
        }
        if let Some(gain) = asset.loglik_gain {
            let steps: Vec<String> = asset.slopes[..shown]
                .iter()
                .map(|s| format!("{:.5}", s.step.unwrap_or(0.0)))
                .collect();
            let _ = write!(text, "  steps {}, log likelihood +{gain:.2}", steps.join(" "));
        }
        text.push('\n');
    }
    if shown < report.factors.len() {
        let _ = writeln!(text, "({} more factors: --json)", report.factors.len() - shown);
    }
    text
}
