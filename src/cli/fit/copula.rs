//! `bot4 fit copula`: dependence once the assets' own distributions are set aside.

use super::FitFailure;
use crate::cli::matrix::{rows, table};
use crate::cli::output;
use crate::cli::series::{Kind, SeriesArgs};
use crate::history::Repairs;
use crate::host::clock::process_time;
use crate::model::copula::{self, CopulaError};
use crate::model::dependence::DependenceError;
use crate::model::garch::{self, Family, Spec, Volatility};
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;

/// Arguments of `bot4 fit copula`.
#[derive(Debug, Args)]
pub(super) struct CopulaArgs {
    #[command(flatten)]
    series: SeriesArgs,
    /// Of returns over their GARCH-t volatility, rather than of returns as they are
    #[arg(long)]
    filtered: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    assets: Vec<String>,
    nu: f64,
    nu_std_error: Option<f64>,
    loglik: f64,
    /// Of the normal copula of the same matrix.
    loglik_normal: f64,
    dependence: Vec<Vec<f64>>,
    tail_dependence: Vec<Vec<f64>>,
    is_repaired: bool,
    /// Whether volatility was taken out first.
    filtered: bool,
    boundary: Option<&'static str>,
    observations: usize,
    cpu_ms: f64,
    repairs: Repairs,
}

pub(super) fn run(args: &CopulaArgs, out: &mut dyn Write) -> Result<(), FitFailure> {
    let series = args.series.read(Kind::Simple, None, 3)?;
    let assets = series.panel.symbols();
    let began = process_time();
    let working = output::working("fitting the copula");
    let residuals;
    let columns = if args.filtered {
        let spec = Spec::new(Volatility::Garch, Family::Student);
        let one = |(column, asset): (&Vec<f64>, &String)| {
            let fit = garch::fit(column, spec);
            let failed = |error| FitFailure::Fit { column: asset.clone(), error };
            fit.map(|fit| fit.standardised).map_err(failed)
        };
        let all = series.panel.columns().iter().zip(assets).map(one);
        residuals = all.collect::<Result<Vec<Vec<f64>>, FitFailure>>()?;
        &residuals
    } else {
        series.panel.columns()
    };
    let found = copula::fit(columns).map_err(|error| {
        FitFailure::Model(match error {
            CopulaError::Same { first, second } => format!(
                "`{}` and `{}` move as one: a copula of both has no density; leave one out",
                assets[first], assets[second]
            ),
            CopulaError::Dependence(DependenceError::Still(at)) => {
                format!("`{}` never moves: it depends on nothing", assets[at])
            }
            other => other.to_string(),
        })
    })?;
    drop(working);
    let report = Report {
        assets: assets.to_vec(),
        nu: found.nu,
        nu_std_error: found.nu_error.is_finite().then_some(found.nu_error),
        loglik: found.log_likelihood,
        loglik_normal: found.normal,
        dependence: rows(&found.matrix),
        tail_dependence: rows(&found.tail),
        is_repaired: found.is_repaired,
        filtered: args.filtered,
        boundary: found.boundary,
        observations: series.panel.rows(),
        cpu_ms: 1e3 * (process_time() - began),
        repairs: series.repairs.clone(),
    };
    Ok(output::show(&report, args.json, text, out)?)
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "t copula of {} assets over {} returns in {:.1} ms of CPU time",
        report.assets.len(),
        report.observations,
        report.cpu_ms
    );
    text.push_str(&output::repaired(&report.repairs));
    let _ = match report.nu_std_error {
        Some(error) => writeln!(text, "nu {:.4}, error {error:.4}", report.nu),
        None => writeln!(text, "nu {:.4}", report.nu),
    };
    if let Some(words) = report.boundary {
        let _ = writeln!(text, "note: {words}");
    }
    if report.is_repaired {
        let _ =
            writeln!(text, "note: Kendall's taus made no positive matrix; the nearest one is used");
    }
    let _ = writeln!(
        text,
        "log likelihood {:.4}, of the normal copula {:.4}",
        report.loglik, report.loglik_normal
    );
    table(&mut text, "dependence", &report.assets, &report.dependence);
    table(&mut text, "tail dependence", &report.assets, &report.tail_dependence);
    text
}
