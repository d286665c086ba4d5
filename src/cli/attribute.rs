//! `bot4 attribute`: what made a book's return: assets, groups beside a benchmark, factors.
//!
//! a series of returns and weights (through time) → `portfolio::attribution` → JSON or a table.

use super::history::HistoryFailure;
use super::holdings;
use super::output::{self, OutputError};
use super::series::{Kind, Series, SeriesArgs};
use crate::history::{self, Panel, ReadError, ReadSettings, Repairs};
use crate::portfolio::attribution::{
    AttributionError, Brinson, Path, Rebalance, brinson, by_asset, by_factor, compounded, path,
};
use crate::risk::budget::{Kind as Share, shares};
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `bot4 attribute`.
#[derive(Debug, Args)]
pub struct AttributeArgs {
    #[command(flatten)]
    series: SeriesArgs,
    /// Weights at the start, drifting from then on: A=0.5,B=0.5, equal, or a file of `optimize --json`
    #[arg(long, value_delimiter = ',', value_name = "A=WEIGHT|FILE.json")]
    weights: Vec<String>,
    /// Weights through time, a CSV of dates and assets; each row holds from the first return after its date
    #[arg(long, value_name = "FILE.csv", conflicts_with = "weights")]
    weights_file: Option<PathBuf>,
    /// Set the weights again every period
    #[arg(long)]
    constant: bool,
    /// The benchmark's weights, set again every period
    #[arg(long, value_delimiter = ',', value_name = "A=WEIGHT|FILE.json")]
    benchmark: Vec<String>,
    /// A group of assets (or a strategy), tech=A+B; may be repeated; every asset its own without
    #[arg(long, value_name = "NAME=A+B")]
    group: Vec<String>,
    /// Columns that are factors, not assets
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    factor: Vec<String>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Why nothing was attributed.
#[derive(Debug, thiserror::Error)]
pub enum AttributeFailure {
    /// The series.
    #[error(transparent)]
    History(#[from] HistoryFailure),
    /// The weights' file.
    #[error("--weights-file: {0}")]
    Weights(#[from] ReadError),
    /// The attribution.
    #[error(transparent)]
    Attribution(#[from] AttributionError),
    /// Arguments.
    #[error("{0}")]
    Arguments(String),
    /// Output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

#[derive(Clone, Debug, Serialize)]
struct Part {
    name: String,
    /// Of the compounded return.
    contribution: f64,
    /// Mean weight.
    weight: f64,
    /// Of the variance, at the mean weights.
    risk: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Slope {
    factor: String,
    slope: f64,
    std_error: f64,
    /// A year.
    contribution: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Explained {
    /// A year.
    alpha: f64,
    alpha_std_error: f64,
    slopes: Vec<Slope>,
    r_squared: f64,
    lags: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    r#return: f64,
    benchmark_return: Option<f64>,
    assets: Vec<Part>,
    groups: Vec<Part>,
    brinson: Vec<Brinson>,
    factors: Option<Explained>,
    rebalances: usize,
    /// Half the sum of changes, a year.
    turnover: f64,
    observations: usize,
    calendar: f64,
    repairs: Repairs,
}

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or output that cannot be written.
pub fn run(args: &AttributeArgs, out: &mut dyn Write) -> Result<(), AttributeFailure> {
    let refused = AttributeFailure::Arguments;
    let series = args.series.read(Kind::Simple, None, 3)?;
    let all = series.panel.symbols();
    for factor in &args.factor {
        holdings::place("--factor", factor, all).map_err(refused)?;
    }
    let (factors, assets): (Vec<String>, Vec<String>) =
        all.iter().cloned().partition(|name| args.factor.contains(name));
    let panel = series.panel.choose(&assets).map_err(HistoryFailure::from)?;
    let columns = panel.columns();
    if assets.is_empty() {
        return Err(refused("--factor: every column is a factor; no asset is left".to_owned()));
    }
    let plan = plan(args, &panel)?;
    if plan.iter().all(|set| set.weights.iter().all(|w| *w == 0.0)) {
        return Err(refused("the weights hold nothing: there is nothing to attribute".to_owned()));
    }
    let book = path(columns, &plan, args.constant)?;
    let groups = groups(args, &assets)?;
    let parts = parts(&assets, columns, &book);
    let other = if args.benchmark.is_empty() {
        None
    } else {
        let given = holdings::weights("--benchmark", &args.benchmark, &assets).map_err(refused)?;
        Some(path(columns, &[Rebalance { row: 0, weights: given }], true)?)
    };
    let total =
        |members: &[usize], of: fn(&Part) -> f64| members.iter().map(|&at| of(&parts[at])).sum();
    let grouped = groups.iter().map(|(name, members)| Part {
        name: name.clone(),
        contribution: total(members, |part| part.contribution),
        weight: total(members, |part| part.weight),
        risk: total(members, |part| part.risk),
    });
    let report = Report {
        r#return: compounded(&book.returns),
        benchmark_return: other.as_ref().map(|other| compounded(&other.returns)),
        groups: if args.group.is_empty() { Vec::new() } else { grouped.collect() },
        assets: parts.clone(),
        brinson: other.map_or_else(Vec::new, |other| brinson(columns, &book, &other, &groups)),
        factors: explained(&book, &series, &factors)?,
        rebalances: if args.constant { panel.rows() } else { plan.len() },
        // a sum of nothing is minus nothing
        turnover: (book.turnover.iter().sum::<f64>() + 0.0) * series.calendar / panel.rows() as f64,
        observations: panel.rows(),
        calendar: series.calendar,
        repairs: series.repairs.clone(),
    };
    Ok(output::show(&report, args.json, text, out)?)
}

/// Weights and the rows from which they hold.
fn plan(args: &AttributeArgs, panel: &Panel) -> Result<Vec<Rebalance>, AttributeFailure> {
    let refused = AttributeFailure::Arguments;
    let Some(file) = &args.weights_file else {
        if args.weights.is_empty() {
            return Err(refused(
                "say what is held: --weights A=0.5,B=0.5 or --weights-file FILE.csv".into(),
            ));
        }
        let weights = holdings::weights("--weights", &args.weights, panel.symbols());
        return Ok(vec![Rebalance { row: 0, weights: weights.map_err(refused)? }]);
    };
    let given = history::read(std::slice::from_ref(file), &ReadSettings::default())?;
    let mut places = Vec::with_capacity(given.symbols().len());
    for symbol in given.symbols() {
        places.push(holdings::place("--weights-file", symbol, panel.symbols()).map_err(refused)?);
    }
    let mut plan: Vec<Rebalance> = Vec::new();
    for (line, date) in given.dates().iter().enumerate() {
        let mut weights = vec![0.0; panel.symbols().len()];
        for (column, &place) in given.columns().iter().zip(&places) {
            if column[line].is_nan() {
                let name = &panel.symbols()[place];
                return Err(refused(format!("--weights-file: {date}: `{name}` has no weight")));
            }
            weights[place] = column[line];
        }
        // what is decided at a date's end earns from the next return on
        let row = panel.dates().partition_point(|day| day <= date);
        if row == panel.rows() {
            break;
        }
        match plan.last_mut().filter(|last| last.row == row) {
            Some(last) => last.weights = weights,
            None => plan.push(Rebalance { row, weights }),
        }
    }
    if plan.first().is_none_or(|first| first.row > 0) {
        let (first, from) = (given.dates().first(), panel.dates()[0]);
        let first = first.map_or_else(|| "none".to_owned(), ToString::to_string);
        return Err(refused(format!(
            "--weights-file: the first weights are of {first}, the first return of {from}: give weights \
             dated before it, or leave those returns out with --rows or --last"
        )));
    }
    Ok(plan)
}

type Groups = Vec<(String, Vec<usize>)>;

fn groups(args: &AttributeArgs, assets: &[String]) -> Result<Groups, AttributeFailure> {
    if args.group.is_empty() {
        return Ok(assets.iter().enumerate().map(|(at, name)| (name.clone(), vec![at])).collect());
    }
    let mut found: Groups = Vec::new();
    for text in &args.group {
        let refused = AttributeFailure::Arguments;
        let (name, members) = text
            .split_once('=')
            .ok_or_else(|| refused(format!("--group {text}: write tech=A+B")))?;
        let mut places = Vec::new();
        for member in members.split('+') {
            let at = holdings::place("--group", member, assets).map_err(refused)?;
            if found.iter().any(|(_, taken)| taken.contains(&at)) || places.contains(&at) {
                return Err(refused(format!("--group: `{}` stands in two groups", assets[at])));
            }
            places.push(at);
        }
        found.push((name.trim().to_owned(), places));
    }
    Ok(found)
}

fn parts(assets: &[String], columns: &[Vec<f64>], book: &Path) -> Vec<Part> {
    let contributions = by_asset(columns, book);
    let rows = book.weights.len() as f64;
    let weight = |at: usize| book.weights.iter().map(|weights| weights[at]).sum::<f64>() / rows;
    let weights: Vec<f64> = (0..assets.len()).map(weight).collect();
    let risks = shares(columns, &weights, Share::Volatility, 0.95);
    let part = |(at, name): (usize, &String)| Part {
        name: name.clone(),
        contribution: contributions[at],
        weight: weights[at],
        risk: risks[at],
    };
    assets.iter().enumerate().map(part).collect()
}

fn explained(
    book: &Path,
    series: &Series,
    factors: &[String],
) -> Result<Option<Explained>, AttributeFailure> {
    if factors.is_empty() {
        return Ok(None);
    }
    let chosen = series.panel.choose(factors).map_err(HistoryFailure::from)?;
    let found = by_factor(&book.returns, chosen.columns())?;
    let year = series.calendar;
    let slope = |(at, factor): (usize, &String)| Slope {
        factor: factor.clone(),
        slope: found.regression.slopes[at],
        std_error: found.regression.slope_errors[at],
        contribution: found.parts[at] * year,
    };
    Ok(Some(Explained {
        alpha: found.regression.constant * year,
        alpha_std_error: found.regression.constant_error * year,
        slopes: factors.iter().enumerate().map(slope).collect(),
        r_squared: found.regression.r_squared,
        lags: found.regression.lags,
    }))
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // what rounds to nothing has no sign
    let percent = |x: f64| format!("{:.3}%", if x.abs() < 5e-6 { 0.0 } else { 100.0 * x });
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "return {} over {} periods ({} a year); weights set {} time(s), turnover {} a year",
        percent(report.r#return),
        report.observations,
        report.calendar,
        report.rebalances,
        percent(report.turnover)
    );
    text.push_str(&output::repaired(&report.repairs));
    for (title, list) in [("asset", &report.assets), ("group", &report.groups)] {
        if list.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{title:<20} {:>12} {:>10} {:>12}", "made", "weight", "of variance");
        for part in list {
            let _ = writeln!(
                text,
                "{:<20} {:>12} {:>10} {:>12}",
                part.name,
                percent(part.contribution),
                percent(part.weight),
                percent(part.risk)
            );
        }
    }
    if let Some(other) = report.benchmark_return {
        let _ = writeln!(
            text,
            "benchmark {}, apart {}\n{:<20} {:>10} {:>10} {:>12} {:>12} {:>12}",
            percent(other),
            percent(report.r#return - other),
            "group",
            "weight",
            "benchmark",
            "allocation",
            "selection",
            "interaction"
        );
        for group in &report.brinson {
            let _ = writeln!(
                text,
                "{:<20} {:>10} {:>10} {:>12} {:>12} {:>12}",
                group.group,
                percent(group.weight),
                percent(group.benchmark_weight),
                percent(group.allocation),
                percent(group.selection),
                percent(group.interaction)
            );
        }
    }
    if let Some(found) = &report.factors {
        let _ = writeln!(
            text,
            "factors explain {} of the variance; errors by Newey and West, lags: {}",
            percent(found.r_squared),
            found.lags
        );
        let _ = writeln!(text, "{:<20} {:>10} {:>10} {:>14}", "", "slope", "error", "made a year");
        for slope in &found.slopes {
            let (name, made) = (&slope.factor, percent(slope.contribution));
            let _ = writeln!(
                text,
                "{name:<20} {:>10.4} {:>10.4} {made:>14}",
                slope.slope, slope.std_error
            );
        }
        let error = percent(found.alpha_std_error);
        let _ =
            writeln!(text, "{:<20} {:>10} {error:>10} {:>14}", "alpha", "", percent(found.alpha));
    }
    text
}
