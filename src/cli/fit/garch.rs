//! `bot4 fit garch`: volatility of one series.

use super::FitFailure;
use crate::cli::optimize::name;
use crate::cli::output;
use crate::cli::series::{Kind, Series, SeriesArgs, check_levels};
use crate::history::Repairs;
use crate::host::clock::process_time;
use crate::model::garch::{self, Family, Parameters, Spec, Start, Volatility};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

/// How variance moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ModelName {
    /// GARCH(1,1)
    #[default]
    Garch,
    /// Falls count more
    Gjr,
    /// In logarithms
    Egarch,
}

/// How shocks are distributed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FamilyName {
    /// Normal
    Normal,
    /// Student's t
    #[default]
    T,
    /// Hansen's skewed t
    Skewt,
}

impl FamilyName {
    pub(super) fn family(self) -> Family {
        match self {
            FamilyName::Normal => Family::Normal,
            FamilyName::T => Family::Student,
            FamilyName::Skewt => Family::Skewed,
        }
    }
}

/// Whether returns have a mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum MeanName {
    /// A constant one
    #[default]
    Constant,
    /// None
    Zero,
}

/// The first variance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum StartName {
    /// ω + (α + β) times a weighted mean of the first 75 squares
    #[default]
    Arch,
    /// The mean square of the series
    Sample,
    /// What the process tends to
    Unconditional,
}

/// Arguments of `bot4 fit garch`.
#[derive(Debug, Args)]
pub(super) struct GarchArgs {
    #[command(flatten)]
    series: SeriesArgs,
    /// Which column, where there are several
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// How shocks are distributed
    #[arg(long, value_enum, default_value = "t")]
    dist: FamilyName,
    /// How variance moves
    #[arg(long, value_enum, default_value = "garch")]
    model: ModelName,
    /// Whether returns have a mean
    #[arg(long, value_enum, default_value = "constant")]
    mean: MeanName,
    /// The first variance
    #[arg(long, value_enum, default_value = "arch")]
    start: StartName,
    /// Set omega so that the variance tends to the sample's
    #[arg(long, conflicts_with = "params")]
    target: bool,
    /// Evaluate the likelihood at these instead of fitting: mu=0.1,omega=0.5,alpha=0.1,beta=0.85,nu=5
    #[arg(long, value_delimiter = ',', value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Periods whose variances are forecast
    #[arg(long, default_value_t = 10, value_name = "PERIODS")]
    forecast: usize,
    /// Levels of the next period's value at risk
    #[arg(long, default_values_t = [0.95, 0.99], value_delimiter = ',', value_name = "LEVEL")]
    level: Vec<f64>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Tail {
    level: f64,
    var: f64,
    es: f64,
}

/// What is printed, in the units of the series.
#[derive(Clone, Debug, Serialize)]
struct Report {
    column: String,
    model: String,
    dist: String,
    start: String,
    units: &'static str,
    params: BTreeMap<&'static str, f64>,
    std_errors: BTreeMap<&'static str, f64>,
    std_errors_hessian: BTreeMap<&'static str, f64>,
    loglik: f64,
    aic: f64,
    bic: f64,
    status: &'static str,
    boundary: Vec<&'static str>,
    persistence: f64,
    observations: usize,
    next_volatility: f64,
    forecast_variance: Vec<f64>,
    tails: Vec<Tail>,
    cpu_ms: f64,
    repairs: Repairs,
}

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or output that cannot be written.
pub(super) fn run(args: &GarchArgs, out: &mut dyn Write) -> Result<(), FitFailure> {
    check_levels(&args.level).map_err(FitFailure::Arguments)?;
    let series = args.series.read(Kind::LogPercent, args.column.as_deref(), 2)?;
    if series.panel.symbols().len() > 1 {
        let names = series.panel.symbols().join(", ");
        let words = format!("the series has several columns ({names}): say --column NAME");
        return Err(FitFailure::Arguments(words));
    }
    let report = garch_report(args, &series)?;
    Ok(output::show(&report, args.json, text, out)?)
}

fn spec(args: &GarchArgs) -> Spec {
    Spec {
        volatility: match args.model {
            ModelName::Garch => Volatility::Garch,
            ModelName::Gjr => Volatility::Gjr,
            ModelName::Egarch => Volatility::Egarch,
        },
        family: args.dist.family(),
        mean: args.mean == MeanName::Constant,
        targeted: args.target,
        start: match args.start {
            StartName::Arch => Start::Arch,
            StartName::Sample => Start::Sample,
            StartName::Unconditional => Start::Unconditional,
        },
    }
}

/// Names of the parameters that a spec has, in the order μ, ω, α, γ, β, ν, λ.
fn names(spec: Spec) -> Vec<(usize, &'static str)> {
    let mut names = vec![(1, "omega"), (2, "alpha"), (4, "beta")];
    if spec.mean {
        names.push((0, "mu"));
    }
    if spec.volatility != Volatility::Garch {
        names.push((3, "gamma"));
    }
    match spec.family {
        Family::Normal => {}
        Family::Student => names.push((5, "nu")),
        // Hansen's own letters
        Family::Skewed => names.extend([(5, "eta"), (6, "lambda")]),
    }
    names.sort_unstable();
    names
}

fn values(p: &Parameters) -> [f64; 7] {
    [p.mu, p.omega, p.alpha, p.gamma, p.beta, p.nu, p.lambda]
}

fn given(args: &GarchArgs, spec: Spec) -> Result<Parameters, FitFailure> {
    let names = names(spec);
    let mut found = [0.0, f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN, 0.0];
    if spec.volatility == Volatility::Garch {
        found[3] = 0.0;
    }
    if spec.family == Family::Normal {
        found[5] = f64::INFINITY;
    }
    let known = || names.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
    for text in &args.params {
        let refused = || {
            FitFailure::Arguments(format!(
                "--params {text}: write NAME=VALUE; there are {}",
                known()
            ))
        };
        let (name, value) = text.split_once('=').ok_or_else(refused)?;
        // ν of a skewed t is Hansen's η
        let name =
            if spec.family == Family::Skewed && name.trim() == "nu" { "eta" } else { name.trim() };
        let (place, _) = names.iter().find(|(_, known)| *known == name).ok_or_else(refused)?;
        found[*place] = value.trim().parse().map_err(|_| refused())?;
    }
    if let Some((_, name)) = names.iter().find(|(place, _)| found[*place].is_nan()) {
        return Err(FitFailure::Arguments(format!("--params lacks {name}; there are {}", known())));
    }
    let [mu, omega, alpha, gamma, beta, nu, lambda] = found;
    Ok(Parameters { mu, omega, alpha, gamma, beta, nu, lambda })
}

fn garch_report(args: &GarchArgs, series: &Series) -> Result<Report, FitFailure> {
    let column = series.panel.symbols()[0].clone();
    let returns = &series.panel.columns()[0];
    let spec = spec(args);
    let failed = |error| FitFailure::Fit { column: column.clone(), error };
    let began = process_time();
    let (fit, status) = if args.params.is_empty() {
        let fit = garch::fit(returns, spec).map_err(failed)?;
        let status = if fit.converged { "converged" } else { "stopped" };
        (fit, status)
    } else {
        (garch::evaluate(returns, spec, &given(args, spec)?).map_err(failed)?, "evaluated")
    };
    let cpu_ms = 1e3 * (process_time() - began);
    let errors = garch::standard_errors(returns, &fit).map_err(failed)?;
    let named =
        |values: [f64; 7]| names(spec).into_iter().map(|(k, name)| (name, values[k])).collect();
    let many = (names(spec).len() - usize::from(spec.targeted)) as f64;
    let n = returns.len() as f64;
    let persistence = match spec.volatility {
        Volatility::Egarch => fit.parameters.beta,
        _ => fit.parameters.persistence(),
    };
    let tail = |&level: &f64| {
        let (var, es) = fit.next_tail(level);
        Tail { level, var, es }
    };
    Ok(Report {
        model: name(&args.model),
        dist: name(&args.dist),
        start: name(&args.start),
        units: if args.series.is_returns() { "as given" } else { "percent (100 log returns)" },
        params: named(values(&fit.parameters)),
        std_errors: named(errors.robust),
        std_errors_hessian: named(errors.curvature),
        loglik: fit.log_likelihood,
        aic: 2.0 * many - 2.0 * fit.log_likelihood,
        bic: many * n.ln() - 2.0 * fit.log_likelihood,
        status,
        boundary: fit.boundary.clone(),
        persistence,
        observations: returns.len(),
        next_volatility: fit.next_variance.sqrt(),
        forecast_variance: fit.forecast(args.forecast),
        tails: args.level.iter().map(tail).collect(),
        cpu_ms,
        repairs: series.repairs.clone(),
        column,
    })
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "{} {} of `{}`, {} returns, units {}, {} in {:.2} ms of CPU time",
        report.model,
        report.dist,
        report.column,
        report.observations,
        report.units,
        report.status,
        report.cpu_ms
    );
    text.push_str(&output::repaired(&report.repairs));
    let _ = writeln!(text, "{:<8} {:>14} {:>14} {:>14}", "", "value", "robust error", "error");
    for (name, value) in &report.params {
        // what a target sets, and what stands at a limit, has no error
        let error = |of: &BTreeMap<&str, f64>| match of[name] {
            none if none.is_nan() => "-".to_owned(),
            some => format!("{some:.6}"),
        };
        let (robust, plain) = (error(&report.std_errors), error(&report.std_errors_hessian));
        let _ = writeln!(text, "{name:<8} {value:>14.6} {robust:>14} {plain:>14}");
    }
    for words in &report.boundary {
        let _ = writeln!(text, "note: at the limit {words}; standard errors do not hold there");
    }
    let _ = writeln!(
        text,
        "log likelihood {:.6}, AIC {:.3}, BIC {:.3}, persistence {:.6}",
        report.loglik, report.aic, report.bic, report.persistence
    );
    let _ = writeln!(text, "next volatility {:.6}", report.next_volatility);
    for tail in &report.tails {
        let _ = writeln!(text, "next {}: VaR {:.6}, ES {:.6}", tail.level, tail.var, tail.es);
    }
    text
}
