//! `bot4 optimize`: weights of a portfolio, and what proves them.
//!
//! a series of returns → estimates → `portfolio` → JSON or a table.

mod budgets;
mod constraints;
mod picture;
mod print;
mod risk;
mod views;

use super::estimator::{EstimateError, EstimatorArgs};
use super::holdings;
use super::output::{self, OutputError};
use super::series::{Kind, Series, SeriesArgs};
use crate::cli::history::HistoryFailure;
use crate::history::Repairs;
use crate::host::clock::process_time;
use crate::maths::programme::{Certificate, Status};
use crate::portfolio::allocation::{Allocation, AllocationError};
use crate::portfolio::conic::{Goal, Measure, Request, optimise};
use crate::portfolio::factors::factor_parity;
use crate::portfolio::hierarchy::{self, LeafOrder, Linkage};
use crate::portfolio::problem::{Constraints, Estimates, product, variance};
use crate::portfolio::quadratic;
use crate::portfolio::views::{Prior, black_litterman};
use crate::portfolio::{growth, parity, shortfall};
use budgets::{BudgetArgs, Budgeted};
use clap::{Args, ValueEnum};
use constraints::ConstraintArgs;
use risk::{Reads, RiskArgs};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use views::ViewArgs;

/// What is made as small or as great as possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// The same weight of every asset
    Equal,
    /// Weights in inverse proportion to volatilities
    InverseVolatility,
    /// Least variance
    MinVariance,
    /// Greatest mean less --risk-aversion times variance
    MeanVariance,
    /// Greatest mean above --risk-free over volatility
    MaxSharpe,
    /// Greatest mean volatility over volatility of the whole
    MaxDiversification,
    /// Least correlation of what is held
    MinCorrelation,
    /// Equal (or --risk-budgets) contributions to variance
    RiskParity,
    /// Hierarchical risk parity
    Hrp,
    /// Hierarchical equal risk contribution
    Herc,
    /// Nested clustered optimisation
    Nco,
    /// Greatest Sharpe ratio after views
    BlackLitterman,
    /// Greatest mean growth of wealth
    Kelly,
    /// Least mean loss beyond --level
    MinCvar,
    /// Least --risk, less --reward times mean
    MinRisk,
    /// Greatest mean above --risk-free over --risk
    MaxRatio,
    /// Greatest mean above --risk-free over the root mean square below it
    MaxSortino,
    /// Greatest gains over losses, both from --risk-free
    MaxOmega,
    /// Greatest mean under --risk-max
    MaxReturn,
}

/// How distances of clusters are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LinkageName {
    /// The nearest pair's
    Single,
    /// The farthest pair's
    Complete,
    /// The mean of all pairs
    Average,
    /// The growth of variance within
    Ward,
}

/// How a tree's leaves are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum LeafOrderName {
    /// Neighbours as near as the tree allows
    #[default]
    Optimal,
    /// As the tree grew, which is fast for thousands of assets
    Linkage,
}

/// Arguments of `bot4 optimize`.
#[derive(Debug, Args)]
pub struct OptimizeArgs {
    /// What is optimised
    #[arg(value_enum)]
    method: Method,
    #[command(flatten)]
    series: SeriesArgs,
    #[command(flatten)]
    constraints: ConstraintArgs,
    #[command(flatten)]
    risk: RiskArgs,
    #[command(flatten)]
    estimator: EstimatorArgs,
    /// Level of cvar, evar and cdar
    #[arg(long, default_value_t = 0.95)]
    level: f64,
    /// Return of a period that is had without risk
    #[arg(long, default_value_t = 0.0, value_name = "RETURN", allow_negative_numbers = true)]
    risk_free: f64,
    /// What a unit of variance weighs against mean in mean-variance
    #[arg(long, default_value_t = 1.0, value_name = "LAMBDA", allow_negative_numbers = true)]
    risk_aversion: f64,
    #[command(flatten)]
    budgets: BudgetArgs,
    /// How a tree's clusters are joined; single for hrp, ward for herc and nco
    #[arg(long, value_enum)]
    linkage: Option<LinkageName>,
    /// How a tree's leaves are ordered in hrp
    #[arg(long, value_enum, default_value = "optimal")]
    leaf_order: LeafOrderName,
    /// Clusters of herc and nco; by the gap statistic without
    #[arg(long, value_name = "N")]
    clusters: Option<usize>,
    #[command(flatten)]
    views: ViewArgs,
    /// How far the prior mean itself is in doubt, as a share of covariance
    #[arg(long, default_value_t = 0.05, value_name = "SHARE", allow_negative_numbers = true)]
    tau: f64,
    /// What part of Kelly's weights is held
    #[arg(long, default_value_t = 1.0, value_name = "SHARE", allow_negative_numbers = true)]
    fraction: f64,
    /// Weights of a problem nearby, from which the search begins and which do not bind it: an earlier
    /// `--json` (assets that are gone count for nothing), or A=0.5,B=0.5; of min-variance, mean-variance,
    /// max-sharpe, max-diversification, min-correlation, risk-parity, black-litterman and min-cvar
    #[arg(long, value_delimiter = ',', value_name = "A=WEIGHT|FILE.json")]
    warm: Vec<String>,
    /// Write a report with pictures of weights, the frontier and, where there is one, the tree
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Why there are no weights.
#[derive(Debug, thiserror::Error)]
pub enum OptimizeError {
    /// The series.
    #[error(transparent)]
    History(#[from] HistoryFailure),
    /// The covariance.
    #[error(transparent)]
    Covariance(#[from] EstimateError),
    /// The method.
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    /// Arguments that do not go together, or name what is not there.
    #[error("{0}")]
    Arguments(String),
    /// The file of views.
    #[error("{}: {error}", .path.display())]
    Views {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// What a factor explains.
#[derive(Clone, Copy, Debug, Serialize)]
struct FactorShare {
    budget: f64,
    exposure: f64,
    of_variance: f64,
}

/// What is printed.
#[derive(Clone, Debug, Serialize)]
struct Report {
    method: String,
    weights: BTreeMap<String, f64>,
    objective: f64,
    objective_name: &'static str,
    status: Status,
    certificate: Option<Certificate>,
    iterations: usize,
    cpu_ms: f64,
    mean: f64,
    volatility: f64,
    risk_contributions: BTreeMap<String, f64>,
    /// What factors with a budget explain.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    factors: BTreeMap<String, FactorShare>,
    covariance: String,
    shrinkage: Option<f64>,
    observations: usize,
    calendar: f64,
    repairs: Repairs,
    #[serde(skip)]
    order: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or constraints that leave nothing.
pub fn run(args: &OptimizeArgs, out: &mut dyn Write) -> Result<(), OptimizeError> {
    let series = args.series.read(Kind::Simple, None, 3)?;
    let began = process_time();
    let working = output::working("searching weights");
    let report = report(args, &series, began)?;
    drop(working);
    Ok(output::show(&report, args.json, print::text, out)?)
}

/// A value's name on the command line.
pub fn name(of: &impl ValueEnum) -> String {
    of.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn report(args: &OptimizeArgs, series: &Series, began: f64) -> Result<Report, OptimizeError> {
    let (panel, factors) = args.budgets.factors(&series.panel)?;
    let (columns, rows) = (panel.columns(), panel.rows());
    let assets = panel.symbols().to_vec();
    let found = args.estimator.estimate(columns, &assets)?;
    let mean = columns.iter().map(|column| column.iter().sum::<f64>() / rows as f64).collect();
    let estimates = Estimates { assets, mean, covariance: found.matrix };
    let constraints = args.constraints.read(&estimates)?;
    let allocation = allocate(args, &estimates, columns, &constraints, factors.as_ref())?;
    let cpu_ms = 1e3 * (process_time() - began);
    let weights = &allocation.weights;
    let slope = product(&estimates.covariance, weights);
    let whole = variance(&estimates.covariance, weights);
    let named = |values: Vec<f64>| estimates.assets.iter().cloned().zip(values).collect();
    let share = |(w, s): (&f64, &f64)| if whole > 0.0 { w * s / whole } else { 0.0 };
    let report = Report {
        method: name(&args.method),
        weights: named(weights.clone()),
        objective: allocation.objective.value,
        objective_name: allocation.objective.name,
        status: allocation.status,
        certificate: allocation.certificate,
        iterations: allocation.iterations,
        cpu_ms,
        mean: weights.iter().zip(&estimates.mean).map(|(w, m)| w * m).sum(),
        volatility: whole.sqrt(),
        risk_contributions: named(weights.iter().zip(&slope).map(share).collect()),
        factors: factors.iter().flat_map(|of| of.shares(weights, whole)).collect(),
        covariance: args.estimator.name(),
        shrinkage: found.shrinkage,
        observations: rows,
        calendar: series.calendar,
        repairs: series.repairs.clone(),
        order: estimates.assets.clone(),
    };
    if let Some(path) = &args.report {
        let tree = match args.method {
            Method::Hrp => {
                let order = leaf_order(args);
                Some(hierarchy::tree(&estimates.covariance, linkage(args, Linkage::Single), order)?)
            }
            Method::Herc | Method::Nco => {
                let linkage = linkage(args, Linkage::Ward);
                Some(hierarchy::tree(&estimates.covariance, linkage, LeafOrder::Optimal)?)
            }
            _ => None,
        };
        let drawn = picture::Drawn { estimates: &estimates, constraints: &constraints, tree };
        output::save(path, picture::html(&report, &drawn, &print::text(&report)))?;
    }
    Ok(report)
}

/// How clusters are joined, where it is said.
fn linkage(args: &OptimizeArgs, default: Linkage) -> Linkage {
    match args.linkage {
        None => default,
        Some(LinkageName::Single) => Linkage::Single,
        Some(LinkageName::Complete) => Linkage::Complete,
        Some(LinkageName::Average) => Linkage::Average,
        Some(LinkageName::Ward) => Linkage::Ward,
    }
}

fn leaf_order(args: &OptimizeArgs) -> LeafOrder {
    match args.leaf_order {
        LeafOrderName::Optimal => LeafOrder::Optimal,
        LeafOrderName::Linkage => LeafOrder::Linkage,
    }
}

/// Refuses constraints that a recipe cannot keep to.
fn plain(method: &'static str, constraints: &Constraints) -> Result<(), OptimizeError> {
    if constraints.is_plain() {
        return Ok(());
    }
    let takes = "no constraints: its weights are positive and add up to 1";
    Err(AllocationError::Constraints { method, takes }.into())
}

fn allocate(
    args: &OptimizeArgs,
    estimates: &Estimates,
    columns: &[Vec<f64>],
    constraints: &Constraints,
    factors: Option<&Budgeted>,
) -> Result<Allocation, OptimizeError> {
    let n = estimates.mean.len();
    let covariance = &estimates.covariance;
    if let Some(still) = (0..n).find(|&i| covariance[(i, i)] <= 0.0) {
        let words =
            format!("`{}` never moves: leave it out with --assets", estimates.assets[still]);
        return Err(OptimizeError::Arguments(words));
    }
    let reads = Reads {
        risk: matches!(args.method, Method::MinRisk | Method::MaxRatio | Method::RiskParity),
        reward: matches!(args.method, Method::MinRisk | Method::MinCvar),
        drawdown: args.method == Method::Kelly,
    };
    if let Some(flag) = args.risk.unread(reads) {
        let words = format!("{} does not read {flag}: leave it out", name(&args.method));
        return Err(OptimizeError::Arguments(words));
    }
    if let Some(flag) = args.budgets.given().filter(|_| args.method != Method::RiskParity) {
        let words = format!("{} does not read {flag}: leave it out", name(&args.method));
        return Err(OptimizeError::Arguments(words));
    }
    if factors.is_some() && !args.estimator.is_sample() {
        let words = "--factor-budget counts by the sample's covariance: leave --covariance out";
        return Err(OptimizeError::Arguments(words.to_owned()));
    }
    let warm = warm(args, estimates, constraints)?;
    let warm = warm.as_deref();
    if needs_cones(args, constraints) {
        return conic(args, estimates, columns, constraints);
    }
    Ok(match args.method {
        Method::Equal => {
            plain("equal", constraints)?;
            let weights = vec![1.0 / n as f64; n];
            let value = variance(covariance, &weights);
            Allocation::of_recipe(weights, "variance", value)
        }
        Method::InverseVolatility => {
            plain("inverse-volatility", constraints)?;
            let inverse: Vec<f64> = (0..n).map(|i| 1.0 / covariance[(i, i)].sqrt()).collect();
            let sum: f64 = inverse.iter().sum();
            let weights: Vec<f64> = inverse.iter().map(|x| x / sum).collect();
            let value = variance(covariance, &weights);
            Allocation::of_recipe(weights, "variance", value)
        }
        Method::MinVariance => quadratic::min_variance(estimates, constraints, warm)?,
        Method::MeanVariance => quadratic::mean_variance(
            estimates,
            constraints,
            positive("risk-aversion", args.risk_aversion)?,
            warm,
        )?,
        Method::MaxSharpe => quadratic::max_sharpe(estimates, constraints, args.risk_free, warm)?,
        Method::MaxDiversification => quadratic::max_diversification(estimates, constraints, warm)?,
        Method::MinCorrelation => quadratic::min_correlation(estimates, constraints, warm)?,
        Method::RiskParity => {
            if let Some(Budgeted { factors, budgets }) = factors {
                return Ok(factor_parity(estimates, factors, budgets, constraints, warm)?);
            }
            plain("risk-parity", constraints)?;
            parity::risk_parity(covariance, &args.budgets.assets(&estimates.assets)?, warm)?
        }
        Method::Hrp => {
            plain("hrp", constraints)?;
            hierarchy::hrp(covariance, linkage(args, Linkage::Single), leaf_order(args))?
        }
        Method::Herc => {
            plain("herc", constraints)?;
            hierarchy::herc(covariance, linkage(args, Linkage::Ward), args.clusters)?
        }
        Method::Nco => {
            plain("nco", constraints)?;
            hierarchy::nco(estimates, linkage(args, Linkage::Ward), args.clusters)?
        }
        Method::BlackLitterman => {
            let views = args.views.read(&estimates.assets, columns)?;
            let prior = Prior { tau: positive("tau", args.tau)?, ..Prior::equal(n) };
            let after = black_litterman(estimates, &prior, &views)?;
            quadratic::max_sharpe(&after, constraints, args.risk_free, warm)?
        }
        Method::MinCvar => shortfall::min_cvar(estimates, columns, constraints, args.level, warm)?,
        Method::Kelly => {
            let fraction = positive("fraction", args.fraction)?;
            let (is_full, drawdown) = (!args.constraints.has_cash(), args.risk.drawdown());
            let doubt = args.risk.mean_doubt();
            growth::kelly(estimates, columns, constraints, is_full, fraction, drawdown, doubt)?
        }
        Method::MinRisk
        | Method::MaxRatio
        | Method::MaxSortino
        | Method::MaxOmega
        | Method::MaxReturn => conic(args, estimates, columns, constraints)?,
    })
}

/// The weights from which the search begins, if any.
fn warm(
    args: &OptimizeArgs,
    estimates: &Estimates,
    constraints: &Constraints,
) -> Result<Option<Vec<f64>>, OptimizeError> {
    if args.warm.is_empty() {
        return Ok(None);
    }
    let can = matches!(
        args.method,
        Method::MinVariance
            | Method::MeanVariance
            | Method::MaxSharpe
            | Method::MaxDiversification
            | Method::MinCorrelation
            | Method::RiskParity
            | Method::BlackLitterman
            | Method::MinCvar
    );
    let is_bent = args.method != Method::MinCvar
        && constraints.costs.as_ref().is_some_and(|costs| costs.impact.iter().any(|x| *x > 0.0));
    if !can || is_bent || needs_cones(args, constraints) {
        let words = format!(
            "{} as asked knows no weights nearby to begin from: leave --warm out",
            name(&args.method)
        );
        return Err(OptimizeError::Arguments(words));
    }
    let found = holdings::hinted("--warm", &args.warm, &estimates.assets);
    Ok(Some(found.map_err(OptimizeError::Arguments)?))
}

/// Whether a method that has a solver of its own is asked for more than that one can keep to.
fn needs_cones(args: &OptimizeArgs, constraints: &Constraints) -> bool {
    let is_bare = constraints.leverage.is_none() && !constraints.has_trades();
    // doubt is in our own Kelly
    let has_more = match args.method {
        Method::Kelly => args.risk.has_caps(),
        _ => args.risk.has_more(),
    };
    has_more
        || match args.method {
            Method::MaxSharpe => !is_bare,
            Method::MinCvar => args.risk.reward != 0.0,
            Method::RiskParity => {
                args.risk.named(args.level).is_some_and(|risk| risk != Measure::Deviation)
            }
            _ => false,
        }
}

/// What the conic programme is asked for a method.
fn conic(
    args: &OptimizeArgs,
    estimates: &Estimates,
    columns: &[Vec<f64>],
    constraints: &Constraints,
) -> Result<Allocation, OptimizeError> {
    let (rate, reward) = (args.risk_free, args.risk.reward);
    if !(reward.is_finite() && rate.is_finite()) {
        let words = format!("--reward {reward}, --risk-free {rate}: give numbers");
        return Err(OptimizeError::Arguments(words));
    }
    let risk = args.risk.named(args.level).unwrap_or(Measure::Shortfall(args.level));
    let goal = match args.method {
        Method::MinRisk => Goal::Least { risk, reward },
        Method::MinCvar => Goal::Least { risk: Measure::Shortfall(args.level), reward },
        Method::MinVariance if constraints.costs.is_none() => {
            Goal::Least { risk: Measure::Deviation, reward: 0.0 }
        }
        Method::MaxRatio => Goal::Ratio { risk, rate },
        Method::MaxSharpe => Goal::Ratio { risk: Measure::Deviation, rate },
        Method::MaxSortino => Goal::Ratio { risk: Measure::SemiDeviation(Some(rate)), rate },
        Method::MaxOmega => Goal::Ratio { risk: Measure::LowerPartial(Some(rate)), rate },
        Method::MaxReturn => Goal::Most,
        Method::RiskParity if args.budgets.given() == Some("--factor-budget") => {
            let words = "--factor-budget divides variance: leave --risk and --risk-max out";
            return Err(OptimizeError::Arguments(words.to_owned()));
        }
        Method::RiskParity => {
            Goal::Parity { risk, budgets: args.budgets.assets(&estimates.assets)? }
        }
        _ => {
            let words = format!(
                "{} takes no --risk-max, --mean-doubt or --track as asked: min-risk, max-ratio, \
                 max-return, min-variance without costs, max-sharpe and min-cvar do",
                name(&args.method)
            );
            return Err(OptimizeError::Arguments(words));
        }
    };
    let mut request = Request::of(goal);
    args.risk.fill(&mut request, &estimates.assets, args.level)?;
    Ok(optimise(estimates, columns, constraints, &request)?)
}

fn positive(name: &str, value: f64) -> Result<f64, OptimizeError> {
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    Err(OptimizeError::Arguments(format!("--{name} {value}: give a number above 0")))
}
