//! `bot4 fit factors`: principal components, latent factors with dynamics, given factors, or given factors
//! whose slopes move.

mod print;

use super::FitFailure;
use crate::cli::history::HistoryFailure;
use crate::cli::holdings::place;
use crate::cli::matrix::rows;
use crate::cli::output;
use crate::cli::series::{Kind, Series, SeriesArgs};
use crate::history::{Panel, Repairs};
use crate::maths::statistics;
use crate::model::factors::dynamic;
use crate::model::factors::given;
use crate::model::factors::latent::{self, LatentError};
use crate::model::factors::statistical::{self, StatisticalError};
use clap::Args;
use faer::RowRef;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `bot4 fit factors`.
#[derive(Debug, Args)]
pub(super) struct FactorsArgs {
    #[command(flatten)]
    series: SeriesArgs,
    /// Principal components, or latent factors, that are used; by the eigenvalue ratio without
    #[arg(long, value_name = "N", conflicts_with = "factor")]
    count: Option<usize>,
    /// Columns that are factors; principal components without
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    factor: Vec<String>,
    /// By a Kalman filter: alpha and the slopes on --factor move; without, latent factors follow their own
    /// past
    #[arg(long)]
    dynamic: bool,
    /// Write the components, the latent factors (as known at each row's end, and smoothed: by all rows) or
    /// the moving slopes (as known at each row's end) through time as CSV
    #[arg(long, value_name = "FILE.csv")]
    paths: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Slope {
    factor: String,
    slope: f64,
    std_error: Option<f64>,
    /// Deviation of the slope's own step, where it moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
struct Asset {
    asset: String,
    alpha: f64,
    alpha_std_error: Option<f64>,
    /// Deviation of alpha's own step, where it moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    alpha_step: Option<f64>,
    slopes: Vec<Slope>,
    /// Share of the variance that the factors explain.
    r_squared: f64,
    /// Deviation of what they leave.
    own: f64,
    /// Where slopes move: the log likelihood beyond that of slopes that do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    loglik_gain: Option<f64>,
}

impl Asset {
    /// One that factors found in the assets move: these have no mean, and no errors of their own.
    fn moved(
        asset: &str,
        column: &[f64],
        factors: &[String],
        loadings: RowRef<f64>,
        own: f64,
        whole: f64,
    ) -> Asset {
        let slope = |(factor, &slope): (&String, &f64)| Slope {
            factor: factor.clone(),
            slope,
            std_error: None,
            step: None,
        };
        Asset {
            asset: asset.to_owned(),
            alpha: statistics::mean(column),
            alpha_std_error: None,
            alpha_step: None,
            slopes: factors.iter().zip(loadings.iter()).map(slope).collect(),
            r_squared: 1.0 - own / whole,
            own: own.sqrt(),
            loglik_gain: None,
        }
    }
}

/// What latent factors do from row to row.
#[derive(Clone, Debug, Serialize)]
struct Dynamics {
    /// A row's factors are this times the row before's, and a shock.
    transition: Vec<Vec<f64>>,
    /// The share of a factor that is left a row later, at most.
    persistence: f64,
    loglik: f64,
    /// Of factors without dynamics; none where that search did not come to rest.
    still_loglik: Option<f64>,
    /// Of factors that follow their past as these do where none does, whatever the sizes of the returns.
    p_value: Option<f64>,
    /// Assets that are explained to the last ten-thousandth: copies of others, or of the factors.
    explained_whole: Vec<String>,
    status: &'static str,
    iterations: usize,
    /// Returns expected of the next row, by asset.
    next_mean: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, Serialize)]
struct Counts {
    information: usize,
    eigenvalue_ratio: usize,
    growth_ratio: usize,
    considered: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    kind: &'static str,
    factors: Vec<String>,
    assets: Vec<Asset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dynamics: Option<Dynamics>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    eigenvalues: Vec<f64>,
    /// Of all variance, each asset counting alike.
    explained: f64,
    /// Of a row; with dynamics of the next row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    covariance: Vec<Vec<f64>>,
    observations: usize,
    calendar: f64,
    repairs: Repairs,
}

pub(super) fn run(args: &FactorsArgs, out: &mut dyn Write) -> Result<(), FitFailure> {
    let series = args.series.read(Kind::Simple, None, 3)?;
    let all = series.panel.symbols();
    for factor in &args.factor {
        place("--factor", factor, all).map_err(FitFailure::Arguments)?;
    }
    let (named, assets): (Vec<String>, Vec<String>) =
        all.iter().cloned().partition(|name| args.factor.contains(name));
    let panel = series.panel.choose(&assets).map_err(HistoryFailure::from)?;
    if panel.symbols().is_empty() {
        return Err(FitFailure::Arguments("--factor: every column is a factor".to_owned()));
    }
    let given = series.panel.choose(&named).map_err(HistoryFailure::from)?;
    let report = if named.is_empty() && args.dynamic {
        latent_factors(args, &series, &panel)?
    } else if named.is_empty() {
        components(args, &series, &panel)?
    } else if args.dynamic {
        moving(args, &series, &panel, &given)?
    } else {
        regressed(&series, &panel, &given)?
    };
    Ok(output::show(&report, args.json, print::text, out)?)
}

/// An error of components with the name of what it is about.
fn refused(error: StatisticalError, assets: &[String]) -> FitFailure {
    FitFailure::Model(match error {
        StatisticalError::Still(at) => format!("`{}` never moves: no factor moves it", assets[at]),
        other => other.to_string(),
    })
}

fn latent_factors(
    args: &FactorsArgs,
    series: &Series,
    panel: &Panel,
) -> Result<Report, FitFailure> {
    let assets = panel.symbols();
    let working = output::working("searching dynamics");
    let found = latent::fit(panel.columns(), args.count).map_err(|error| match error {
        LatentError::Components(error) => refused(error, assets),
        other => FitFailure::Model(other.to_string()),
    })?;
    drop(working);
    let factors: Vec<String> = (1..=found.smoothed.len()).map(|k| format!("factor {k}")).collect();
    if let Some(path) = &args.paths {
        let smoothed = factors.iter().map(|factor| format!("{factor} smoothed"));
        let headings: Vec<String> = factors.iter().cloned().chain(smoothed).collect();
        let both = [&found.filtered[..], &found.smoothed[..]].concat();
        output::save(path, csv(series, &headings, &both))?;
    }
    let rows_of = panel.rows() as f64;
    let asset = |i: usize| {
        let column = &panel.columns()[i];
        // over all rows, as the likelihood has it
        let whole = statistics::covariance(column, column) * (rows_of - 1.0) / rows_of;
        Asset::moved(&assets[i], column, &factors, found.loadings.row(i), found.own[i], whole)
    };
    let named: Vec<Asset> = (0..assets.len()).map(asset).collect();
    Ok(Report {
        kind: "latent factors with dynamics",
        explained: named.iter().map(|a| a.r_squared).sum::<f64>() / named.len() as f64,
        assets: named,
        counts: None,
        dynamics: Some(Dynamics {
            transition: rows(&found.transition),
            persistence: found.persistence,
            loglik: found.log_likelihood,
            still_loglik: found.still_converged.then_some(found.still),
            explained_whole: found.explained_whole.iter().map(|&i| assets[i].clone()).collect(),
            p_value: found.p_value,
            status: if found.converged { "optimal" } else { "stopped" },
            iterations: found.iterations,
            next_mean: assets.iter().cloned().zip(found.next_mean).collect(),
        }),
        eigenvalues: Vec::new(),
        covariance: rows(&found.next_covariance),
        factors,
        observations: panel.rows(),
        calendar: series.calendar,
        repairs: series.repairs.clone(),
    })
}

fn components(args: &FactorsArgs, series: &Series, panel: &Panel) -> Result<Report, FitFailure> {
    let assets = panel.symbols();
    let found =
        statistical::fit(panel.columns(), args.count).map_err(|error| refused(error, assets))?;
    let used = found.factors.len();
    let factors: Vec<String> = (1..=used).map(|k| format!("component {k}")).collect();
    if let Some(path) = &args.paths {
        output::save(path, csv(series, &factors, &found.factors))?;
    }
    let asset = |i: usize| {
        let (column, whole) = (&panel.columns()[i], found.covariance[(i, i)]);
        Asset::moved(&assets[i], column, &factors, found.loadings.row(i), found.own[i], whole)
    };
    Ok(Report {
        kind: "principal components",
        assets: (0..assets.len()).map(asset).collect(),
        counts: Some(Counts {
            information: found.counts.information,
            eigenvalue_ratio: found.counts.ratio,
            growth_ratio: found.counts.growth,
            considered: found.counts.most,
        }),
        dynamics: None,
        explained: found.explained,
        covariance: rows(&found.covariance),
        eigenvalues: found.eigenvalues,
        factors,
        observations: panel.rows(),
        calendar: series.calendar,
        repairs: series.repairs.clone(),
    })
}

fn regressed(series: &Series, panel: &Panel, factors: &Panel) -> Result<Report, FitFailure> {
    let names = factors.symbols();
    let found = given::fit(panel.columns(), factors.columns())
        .map_err(|error| FitFailure::Model(error.named(names)))?;
    let left = (panel.rows() - names.len() - 1) as f64;
    let asset = |(name, fit): (&String, &crate::maths::regression::Regression)| {
        let slope = |(k, factor): (usize, &String)| Slope {
            factor: factor.clone(),
            slope: fit.slopes[k],
            std_error: Some(fit.slope_errors[k]),
            step: None,
        };
        Asset {
            asset: name.clone(),
            alpha: fit.constant,
            alpha_std_error: Some(fit.constant_error),
            alpha_step: None,
            slopes: names.iter().enumerate().map(slope).collect(),
            r_squared: fit.r_squared,
            own: (fit.residuals.iter().map(|e| e * e).sum::<f64>() / left).sqrt(),
            loglik_gain: None,
        }
    };
    let assets: Vec<Asset> = panel.symbols().iter().zip(&found.regressions).map(asset).collect();
    Ok(Report {
        kind: "regression on given factors",
        explained: assets.iter().map(|a| a.r_squared).sum::<f64>() / assets.len() as f64,
        factors: names.to_vec(),
        assets,
        counts: None,
        dynamics: None,
        eigenvalues: Vec::new(),
        covariance: rows(&found.covariance),
        observations: panel.rows(),
        calendar: series.calendar,
        repairs: series.repairs.clone(),
    })
}

fn moving(
    args: &FactorsArgs,
    series: &Series,
    panel: &Panel,
    factors: &Panel,
) -> Result<Report, FitFailure> {
    let names = factors.symbols();
    let (mut assets, mut headings, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    let bar = output::progress(panel.symbols().len());
    for (name, column) in panel.symbols().iter().zip(panel.columns()) {
        let fit = dynamic::fit(column, factors.columns())
            .map_err(|error| FitFailure::Model(error.named(names)))?;
        let last = &fit.filtered[fit.filtered.len() - 1];
        let slope = |(k, factor): (usize, &String)| Slope {
            factor: factor.clone(),
            slope: last[k + 1],
            std_error: Some(fit.errors[k + 1]),
            step: Some(fit.steps[k + 1]),
        };
        let whole = statistics::covariance(column, column);
        assets.push(Asset {
            asset: name.clone(),
            alpha: last[0],
            alpha_std_error: Some(fit.errors[0]),
            alpha_step: Some(fit.steps[0]),
            slopes: names.iter().enumerate().map(slope).collect(),
            r_squared: 1.0 - fit.variance / whole,
            own: fit.variance.sqrt(),
            loglik_gain: Some(fit.log_likelihood - fit.constant),
        });
        for (k, factor) in names.iter().enumerate() {
            headings.push(format!("{name} on {factor}"));
            paths.push(fit.filtered.iter().map(|state| state[k + 1]).collect::<Vec<f64>>());
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(path) = &args.paths {
        output::save(path, csv(series, &headings, &paths))?;
    }
    Ok(Report {
        kind: "moving slopes on given factors",
        explained: assets.iter().map(|a: &Asset| a.r_squared).sum::<f64>() / assets.len() as f64,
        factors: names.to_vec(),
        assets,
        counts: None,
        dynamics: None,
        eigenvalues: Vec::new(),
        covariance: Vec::new(),
        observations: panel.rows(),
        calendar: series.calendar,
        repairs: series.repairs.clone(),
    })
}

fn csv(series: &Series, headings: &[String], paths: &[Vec<f64>]) -> String {
    let mut text = format!("date,{}\n", headings.join(","));
    for (row, date) in series.panel.dates().iter().enumerate() {
        // writing to a String cannot fail
        let _ = write!(text, "{date}");
        for path in paths {
            let _ = write!(text, ",{}", path[row]);
        }
        text.push('\n');
    }
    text
}
