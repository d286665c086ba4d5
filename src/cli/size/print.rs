//! Sizes for eyes.

use super::Report;
use crate::cli::output::{repaired, word};
use crate::risk::sizing::Rule;
use std::fmt::Write;

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "sizes as shares of capital; bets: {}; held: {}; {} returns, {} a year",
        report.bets, report.weights_from, report.observations, report.calendar
    );
    if let (Some(tier), Some(capital)) = (report.tier, report.capital) {
        let _ = writeln!(text, "capital {capital}: tier {}", word(&tier));
    }
    text.push_str(&repaired(&report.repairs));
    let columns = [
        ("stop", Rule::FixedFractional),
        ("vol", Rule::Volatility),
        ("parity", Rule::RiskParity),
        ("kelly", Rule::Kelly),
        ("regime", Rule::Regime),
        ("tier", Rule::Tier),
        ("volume", Rule::Liquidity),
    ];
    let _ = write!(text, "{:<14} {:>8} {:>6}", "asset", "a year", "rho");
    columns.iter().for_each(|(name, _)| {
        let _ = write!(text, " {name:>8}");
    });
    let _ = writeln!(text, " {:>8}  binds", "size");
    for position in &report.positions {
        let _ = write!(text, "{:<14} {:>7.2}%", position.asset, 100.0 * position.volatility);
        let _ = match position.correlation {
            Some(rho) => write!(text, " {rho:>6.2}"),
            None => write!(text, " {:>6}", "-"),
        };
        for (_, rule) in columns {
            let _ = match position.sizes.iter().find(|size| size.rule == rule) {
                Some(size) => write!(text, " {:>7.2}%", 100.0 * size.size),
                None => write!(text, " {:>8}", "-"),
            };
        }
        let binds = match position.rule {
            Rule::Kelly => format!("kelly ({})", word(&position.kelly.reason)),
            rule => word(&rule),
        };
        let binds = if position.side == "short" { format!("{binds}, short") } else { binds };
        let _ = write!(text, " {:>7.2}%  {binds}", 100.0 * position.size);
        let _ = match position.amount {
            Some(amount) => writeln!(text, ", {amount:.2}"),
            None => writeln!(text),
        };
    }
    let all = &report.leverage;
    let _ = writeln!(
        text,
        "\nall of it ({}): leverage {:.3} at most, by {}",
        report.weights_from,
        all.leverage,
        word(&all.rule)
    );
    for cap in &all.caps {
        let _ = writeln!(text, "  {:<14} {:>9.3}", word(&cap.rule), cap.leverage);
    }
    let _ = match all.growth_optimal {
        Some(full) => writeln!(
            text,
            "fastest growth of this history at {full:.3} times capital (mean over variance: {:.3})",
            all.merton
        ),
        None => writeln!(text, "this history never lost: more leverage always grew faster"),
    };
    if !report.kelly_study.is_empty() {
        let _ = writeln!(
            text,
            "{:>14} {:>9} {:>10} {:>10} {:>24}",
            "of Kelly", "leverage", "a year", "deepest", "at half ever (of a walk)"
        );
    }
    for row in &report.kelly_study {
        let _ = writeln!(
            text,
            "{:>13.0}% {:>9.3} {:>9.2}% {:>9.2}% {:>23.2}%",
            100.0 * row.fraction,
            row.leverage,
            100.0 * row.growth,
            100.0 * row.max_drawdown,
            100.0 * row.half_chance
        );
    }
    text
}
