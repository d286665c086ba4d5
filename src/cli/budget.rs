//! `bot4 budget`: what a book has used of its risk budgets.
//!
//! a series of returns and weights → `risk::budget` → JSON or a table.

use super::history::HistoryFailure;
use super::holdings;
use super::output::{self, OutputError};
use super::risk_limits::RiskLimitArgs;
use super::series::{Kind, SeriesArgs};
use crate::history::Repairs;
use crate::maths::regression::RegressionError;
use crate::risk::budget::{
    self, Budget, Kind as Share, Limits, Risk, State, Used, factor_shares, groups, held, shares,
    whole,
};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;

/// What is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum KindName {
    /// Deviation
    #[default]
    Volatility,
    /// The mean loss on the book's worst rows, at --level
    Tail,
}

/// Arguments of `bot4 budget`.
#[derive(Debug, Args)]
pub struct BudgetArgs {
    #[command(flatten)]
    series: SeriesArgs,
    /// Weights held: A=0.5,B=0.5, equal, or a file of `optimize --json`
    #[arg(long, value_delimiter = ',', value_name = "A=WEIGHT|FILE.json", required = true)]
    weights: Vec<String>,
    #[command(flatten)]
    limits: RiskLimitArgs,
    /// What is divided among assets, groups and factors
    #[arg(long, value_enum, default_value = "volatility")]
    of: KindName,
    /// Shares of risk that assets may have, A=0.3,B=0.3; equal ones without
    #[arg(long, value_delimiter = ',', value_name = "A=SHARE")]
    risk_budgets: Vec<String>,
    /// The share of risk that assets (or strategies) together may have, tech=A+B=0.4; may be repeated
    #[arg(long, value_name = "NAME=A+B=SHARE")]
    group: Vec<String>,
    /// Columns that are factors, not assets, with the shares they may have, as SPX=0.5; variance only
    #[arg(long, value_delimiter = ',', value_name = "FACTOR=SHARE")]
    factor: Vec<String>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
pub enum BudgetFailure {
    /// The series.
    #[error(transparent)]
    History(#[from] HistoryFailure),
    /// The factors.
    #[error("--factor: {0}")]
    Factors(#[from] RegressionError),
    /// Arguments.
    #[error("{0}")]
    Arguments(String),
    /// Output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    of: String,
    level: f64,
    risk: Risk,
    whole: Vec<Used>,
    assets: Vec<Used>,
    groups: Vec<Used>,
    /// The last is what no factor explains.
    factors: Vec<Used>,
    is_over: bool,
    observations: usize,
    calendar: f64,
    repairs: Repairs,
}

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or output that cannot be written.
pub fn run(args: &BudgetArgs, out: &mut dyn Write) -> Result<(), BudgetFailure> {
    let refused = BudgetFailure::Arguments;
    args.limits.check().map_err(refused)?;
    let series = args.series.read(Kind::Simple, None, 3)?;
    let all = series.panel.symbols();
    let named = holdings::by_asset("--factor", &args.factor, all).map_err(refused)?;
    let is_asset = |at: &usize| named[*at].is_none();
    let places: Vec<usize> = (0..all.len()).filter(is_asset).collect();
    let assets: Vec<String> = places.iter().map(|&at| all[at].clone()).collect();
    let columns: Vec<Vec<f64>> =
        places.iter().map(|&at| series.panel.columns()[at].clone()).collect();
    let weights = holdings::weights("--weights", &args.weights, &assets).map_err(refused)?;
    let allowed: f64 = named.iter().flatten().sum();
    if !args.factor.is_empty() && args.of == KindName::Tail {
        return Err(refused("--factor divides variance: leave --of tail out".to_owned()));
    }
    if named.iter().flatten().any(|share| *share < 0.0) || allowed > 1.0 {
        return Err(refused(
            "--factor: give shares of variance that add up to 1 at most".to_owned(),
        ));
    }
    if weights.iter().all(|&w| w == 0.0) {
        return Err(refused("--weights: nothing is held".to_owned()));
    }
    let level = args.limits.level;
    let of = match args.of {
        KindName::Volatility => Share::Volatility,
        KindName::Tail => Share::Tail,
    };
    let book = held(&columns, &weights);
    if let Some(row) = book.iter().position(|&r| r <= -1.0) {
        let words =
            format!("row {}: the book lost {:.1} %; nothing is left", row + 1, -100.0 * book[row]);
        return Err(refused(words));
    }
    let risk = budget::risk(&book, level);
    let limits = Limits {
        volatility: args.limits.target_volatility,
        level,
        value_at_risk: args.limits.var_max,
        shortfall: args.limits.es_max,
        drawdown: args.limits.drawdown_max,
    };
    let shares = shares(&columns, &weights, of, level);
    let given =
        holdings::by_asset("--risk-budgets", &args.risk_budgets, &assets).map_err(refused)?;
    if !args.risk_budgets.is_empty() {
        for ((asset, share), weight) in assets.iter().zip(&given).zip(&weights) {
            match share {
                Some(share) if *share < 0.0 => {
                    return Err(refused(format!(
                        "--risk-budgets {asset}={share}: give a share above 0"
                    )));
                }
                None if *weight != 0.0 => {
                    return Err(refused(format!(
                        "--risk-budgets names no share of `{asset}`, which is held"
                    )));
                }
                _ => {}
            }
        }
    }
    let held_count = weights.iter().filter(|w| **w != 0.0).count() as f64;
    let budget = |at: usize| match given[at] {
        Some(share) => share,
        None if args.risk_budgets.is_empty() && weights[at] != 0.0 => 1.0 / held_count,
        None => 0.0,
    };
    let by_asset: Vec<Used> =
        (0..assets.len()).map(|at| Used::of(&assets[at], budget(at), shares[at])).collect();
    let budgets = args.group.iter().map(|text| {
        let (name, members, share) = holdings::group("--group", text, &assets).map_err(refused)?;
        Ok(Budget { name, members, share })
    });
    let budgets = budgets.collect::<Result<Vec<Budget>, BudgetFailure>>()?;
    let by_factor = factors(&book, &series.panel, &named)?;
    let (whole, by_group) = (whole(&risk, series.calendar, &limits), groups(&shares, &budgets));
    let lists = [&whole, &by_asset, &by_group, &by_factor];
    let is_over = lists.into_iter().flatten().any(|used| used.state == State::Over);
    let report = Report {
        of: super::optimize::name(&args.of),
        level,
        whole,
        risk,
        assets: by_asset,
        groups: by_group,
        factors: by_factor,
        is_over,
        observations: series.panel.rows(),
        calendar: series.calendar,
        repairs: series.repairs,
    };
    Ok(output::show(&report, args.json, text, out)?)
}

/// What each factor, and what none of them, has of the variance; what is unexplained has what they leave.
fn factors(
    book: &[f64],
    panel: &crate::history::Panel,
    named: &[Option<f64>],
) -> Result<Vec<Used>, BudgetFailure> {
    let places: Vec<usize> = (0..named.len()).filter(|&at| named[at].is_some()).collect();
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let columns: Vec<Vec<f64>> = places.iter().map(|&at| panel.columns()[at].clone()).collect();
    let shares = factor_shares(book, &columns)?;
    let mut used = Vec::with_capacity(shares.len());
    let mut left = 1.0;
    for (&at, share) in places.iter().zip(&shares) {
        let budget = named[at].unwrap_or(0.0);
        left -= budget;
        used.push(Used::of(&panel.symbols()[at], budget, *share));
    }
    used.push(Used::of("unexplained", left.max(0.0), shares[places.len()]));
    Ok(used)
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "{} returns, {} a year; VaR and ES at {}; shares of {}",
        report.observations, report.calendar, report.level, report.of
    );
    text.push_str(&output::repaired(&report.repairs));
    let _ = writeln!(text, "{:<24} {:>9} {:>9} {:>9}", "", "allowed", "used", "of it");
    for (title, list) in [
        ("the whole", &report.whole),
        ("assets", &report.assets),
        ("groups", &report.groups),
        ("factors", &report.factors),
    ] {
        if list.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{title}");
        for used in list {
            let share =
                used.share.map_or_else(|| "-".into(), |share| format!("{:.1}%", 100.0 * share));
            let state = match used.state {
                State::Within => "",
                State::Warned => "  nearly used",
                State::Over => "  OVER",
            };
            let _ = writeln!(
                text,
                "  {:<22} {:>8.2}% {:>8.2}% {share:>9}{state}",
                used.name,
                100.0 * used.budget,
                100.0 * used.used
            );
        }
    }
    text
}
