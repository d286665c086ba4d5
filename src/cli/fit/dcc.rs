//! `bot4 fit dcc`: correlations that move.

use super::FitFailure;
use super::garch::FamilyName;
use crate::cli::holdings::place;
use crate::cli::matrix::{SHOWN, rows, table};
use crate::cli::output;
use crate::cli::series::{Kind, SeriesArgs};
use crate::history::{Panel, Repairs};
use crate::host::clock::process_time;
use crate::model::dcc::{self, Dcc, DccError};
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `bot4 fit dcc`.
#[derive(Debug, Args)]
pub(super) struct DccArgs {
    #[command(flatten)]
    series: SeriesArgs,
    /// How the assets' own shocks are distributed
    #[arg(long, value_enum, default_value = "t")]
    dist: FamilyName,
    /// Periods ahead whose correlations are forecast
    #[arg(long, default_values_t = [1, 5, 20], value_delimiter = ',', value_name = "PERIOD")]
    ahead: Vec<usize>,
    /// Pairs whose correlation is written through time, as A/B; all without
    #[arg(long, value_delimiter = ',', value_name = "A/B", requires = "paths")]
    pair: Vec<String>,
    /// Write pairs' correlations through time as CSV
    #[arg(long, value_name = "FILE.csv")]
    paths: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Forecast {
    period: usize,
    correlation: Vec<Vec<f64>>,
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    assets: Vec<String>,
    a: f64,
    b: f64,
    std_errors: [Option<f64>; 2],
    composite_loglik: f64,
    status: &'static str,
    boundary: Vec<&'static str>,
    units: &'static str,
    /// Of the next period.
    volatility: Vec<f64>,
    covariance: Vec<Vec<f64>>,
    /// What correlations return to.
    mean: Vec<Vec<f64>>,
    forecasts: Vec<Forecast>,
    observations: usize,
    cpu_ms: f64,
    repairs: Repairs,
}

pub(super) fn run(args: &DccArgs, out: &mut dyn Write) -> Result<(), FitFailure> {
    if args.ahead.contains(&0) {
        return Err(FitFailure::Arguments("--ahead 0: the next period is 1".to_owned()));
    }
    let series = args.series.read(Kind::LogPercent, None, 2)?;
    let (assets, columns) = (series.panel.symbols(), series.panel.columns());
    let pairs = pairs(args, assets)?;
    let began = process_time();
    let working = output::working("fitting correlations");
    let found = dcc::fit(columns, args.dist.family()).map_err(|error| match error {
        DccError::Fit { at, error } => FitFailure::Fit { column: assets[at].clone(), error },
        DccError::Level { at, .. } => FitFailure::Model(
            error.to_string().replace(&format!("asset {at}"), &format!("`{}`", assets[at])),
        ),
        DccError::One => FitFailure::Model(error.to_string()),
    })?;
    let cpu_ms = 1e3 * (process_time() - began);
    drop(working);
    if let Some(path) = &args.paths {
        output::save(path, csv(&found, &series.panel, &pairs))?;
    }
    let known = |x: f64| x.is_finite().then_some(x);
    let ahead = |&period: &usize| Forecast { period, correlation: rows(&found.forecast(period)) };
    let report = Report {
        assets: assets.to_vec(),
        a: found.a,
        b: found.b,
        std_errors: found.errors.map(known),
        composite_loglik: found.composite,
        status: if found.converged { "converged" } else { "stopped" },
        boundary: found.boundary.clone(),
        units: if args.series.is_returns() { "as given" } else { "percent (100 log returns)" },
        volatility: found.fits.iter().map(|fit| fit.next_variance.sqrt()).collect(),
        covariance: rows(&found.covariance()),
        mean: rows(&found.mean),
        forecasts: args.ahead.iter().map(ahead).collect(),
        observations: series.panel.rows(),
        cpu_ms,
        repairs: series.repairs,
    };
    Ok(output::show(&report, args.json, text, out)?)
}

fn pairs(args: &DccArgs, assets: &[String]) -> Result<Vec<(usize, usize)>, FitFailure> {
    if args.pair.is_empty() {
        let all = (0..assets.len()).flat_map(|j| (0..j).map(move |i| (i, j)));
        return Ok(all.collect());
    }
    let read = |text: &String| {
        let refused = || FitFailure::Arguments(format!("--pair {text}: write A/B"));
        let (first, second) = text.split_once('/').ok_or_else(refused)?;
        let at = |name: &str| place("--pair", name, assets).map_err(FitFailure::Arguments);
        Ok((at(first)?, at(second)?))
    };
    args.pair.iter().map(read).collect()
}

fn csv(found: &Dcc, panel: &Panel, pairs: &[(usize, usize)]) -> String {
    let names = panel.symbols();
    let mut text = String::from("date");
    // writing to a String cannot fail
    for (i, j) in pairs {
        let _ = write!(text, ",{}/{}", names[*i], names[*j]);
    }
    text.push('\n');
    let paths: Vec<Vec<f64>> = pairs.iter().map(|&(i, j)| found.path(i, j)).collect();
    for (row, date) in panel.dates().iter().enumerate() {
        let _ = write!(text, "{date}");
        for path in &paths {
            let _ = write!(text, ",{}", path[row]);
        }
        text.push('\n');
    }
    text
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let error = |k: usize| {
        report.std_errors[k].map_or_else(|| "-".to_owned(), |error| format!("{error:.6}"))
    };
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "dynamic conditional correlation of {} assets over {} returns, {} in {:.1} ms of CPU time",
        report.assets.len(),
        report.observations,
        report.status,
        report.cpu_ms
    );
    text.push_str(&output::repaired(&report.repairs));
    let _ = writeln!(text, "{:<8} {:>12} {:>12}", "", "value", "error");
    let _ = writeln!(text, "{:<8} {:>12.6} {:>12}", "a", report.a, error(0));
    let _ = writeln!(text, "{:<8} {:>12.6} {:>12}", "b", report.b, error(1));
    for words in &report.boundary {
        let _ = writeln!(text, "note: {words}");
    }
    let _ = writeln!(
        text,
        "composite log likelihood {:.6}, units {}",
        report.composite_loglik, report.units
    );
    for (asset, volatility) in report.assets.iter().zip(&report.volatility).take(SHOWN) {
        let _ = writeln!(text, "{asset:<24} next volatility {volatility:.6}");
    }
    for forecast in &report.forecasts {
        let title = format!("{} ahead", forecast.period);
        table(&mut text, &title, &report.assets, &forecast.correlation);
    }
    table(&mut text, "what they return to", &report.assets, &report.mean);
    text
}
