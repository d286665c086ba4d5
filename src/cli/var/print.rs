//! The result for eyes: a table for the terminal, a page for a browser.

use super::Report;
use crate::cli::output::repaired;
use std::fmt::Write;

/// An amount with its error, digits as the amount needs them.
fn amount(value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    let size = value.abs();
    let digits = if size >= 1_000.0 {
        2
    } else if size >= 1.0 {
        4
    } else {
        6
    };
    format!("{value:.digits$}")
}

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    let model = report.model.map_or(String::new(), |model| format!(" {model}"));
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "{}{model}, {} step(s), {} scenarios, seed {}, {} with {} thread(s), {:.3} s",
        report.method,
        report.horizon,
        report.paths,
        report.seed,
        report.device,
        report.threads,
        report.seconds
    );
    if let Some(how) = report.reduction {
        let extra = match report.extra_paths {
            0 => String::new(),
            extra => format!(", {extra} paths beside them"),
        };
        let _ = writeln!(text, "drawn with {how}{extra}");
    }
    let _ = writeln!(text, "value {} {}", amount(report.value), report.base);
    if let Some(repairs) = &report.repairs {
        text.push_str(&repaired(repairs));
    }
    if let Some((returns, calendar)) = report.returns.zip(report.calendar) {
        let _ = writeln!(text, "history: {returns} returns, {calendar} periods a year");
    }
    for estimate in &report.estimates {
        let _ = write!(
            text,
            "  {:<14} mean {:+.5} volatility {:.5}",
            estimate.factor, estimate.mean, estimate.volatility
        );
        if let Some(g) = &estimate.garch {
            let rest = if g.converged { "" } else { "  (the search did not come to rest)" };
            let _ = write!(text, "  α {:.4} γ {:.4} β {:.4}{rest}", g.alpha, g.gamma, g.beta);
        }
        text.push('\n');
    }
    if let Some(nu) = report.nu {
        let _ = writeln!(text, "  ν {nu:.3}");
    }
    let _ = writeln!(
        text,
        "{:>8} {:>16} {:>12} {:>16} {:>12}",
        "level", "VaR", "± error", "ES", "± error"
    );
    for tail in &report.levels {
        let _ = writeln!(
            text,
            "{:>8} {:>16} {:>12} {:>16} {:>12}",
            tail.level,
            amount(tail.var),
            amount(tail.var_std_error),
            amount(tail.es),
            amount(tail.es_std_error)
        );
        if let (Some(var), Some(es)) = (tail.var_gain, tail.es_gain) {
            let _ = writeln!(
                text,
                "{:>8} {:>29} {:>29}",
                "gained",
                format!("{var:.3} times"),
                format!("{es:.3} times")
            );
        }
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    for tail in report.levels.iter().filter(|tail| !tail.contributions.is_empty()) {
        let _ = writeln!(text, "contributions at {}", tail.level);
        let _ = writeln!(text, "  {:<20} {:>16} {:>16} {:>16}", "position", "value", "VaR", "ES");
        for part in &tail.contributions {
            let _ = writeln!(
                text,
                "  {:<20} {:>16} {:>16} {:>16}",
                part.id,
                amount(part.value),
                amount(part.var),
                amount(part.es)
            );
        }
    }
    text
}
