//! `bot4 var`: value at risk and expected shortfall of a portfolio or of one position.
//!
//! files or numbers → `risk` → JSON, a table, an HTML report, a PNG.
//! `compare` judges models on a history; without `--model` the one that held best there is taken.

mod backtest_picture;
mod compare;
mod names;
mod picture;
mod print;

use crate::cli::history::{HistoryArgs, HistoryFailure};
use crate::cli::output::{self, OutputError};
use crate::compute::device::Choice;
use crate::compute::engine::{Engine, EngineError};
use crate::history::{Repairs, returns};
use crate::instrument::{Portfolio, PortfolioError};
use crate::risk::backtest::BacktestError;
use crate::risk::evidence::{self, Evidence};
use crate::risk::forecast::ForecastError;
use crate::risk::holdings::{Holdings, HoldingsError, Revaluation};
use crate::risk::process::{self, Estimate, Model, ProcessError, Walk};
use crate::risk::value_at_risk::{self, Method, Outcome, Request, RiskError, Tail};
use clap::{Args, Subcommand};
use names::{MethodName, ModelName, ReductionName, RevaluationName, ScaleName};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Debug, Subcommand)]
enum What {
    /// Which model's value at risk holds on a history: forecasts day after day, and their back-tests
    Compare(Box<compare::CompareArgs>),
}

/// Arguments of `bot4 var`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct VarArgs {
    #[command(subcommand)]
    what: Option<What>,
    /// The portfolio's file (TOML)
    #[arg(long, value_name = "FILE", requires = "history", conflicts_with = "notional")]
    portfolio: Option<PathBuf>,
    #[command(flatten)]
    history: HistoryArgs,
    /// One position of this value instead of a portfolio
    #[arg(
        long,
        value_name = "AMOUNT",
        allow_negative_numbers = true,
        requires = "volatility",
        conflicts_with = "history"
    )]
    notional: Option<f64>,
    /// Its mean return of a step
    #[arg(long, value_name = "RETURN", allow_negative_numbers = true, requires = "notional")]
    mean: Option<f64>,
    /// Its standard deviation of a step
    #[arg(long, value_name = "RETURN", requires = "notional")]
    volatility: Option<f64>,
    /// Degrees of freedom of Student's t; estimated where a history is given
    #[arg(long, value_name = "NU")]
    nu: Option<f64>,
    /// How scenarios are made
    #[arg(long, value_enum, default_value = "mc")]
    method: MethodName,
    /// What moves the factors; without it, the model that passes its back-test on the portfolio's own
    /// history, garch-t where that is short; normal (or t with --nu) with --notional
    #[arg(long, value_enum)]
    model: Option<ModelName>,
    /// Paths of a Monte Carlo
    #[arg(long, default_value_t = 100_000)]
    paths: usize,
    /// Draw paths that tell more than plain ones; the gain is measured and printed
    #[arg(long, value_enum, value_name = "HOW")]
    reduce: Option<ReductionName>,
    /// Levels, separated by commas
    #[arg(long, default_values_t = [0.95, 0.99], value_delimiter = ',', value_name = "LEVEL")]
    level: Vec<f64>,
    /// Periods of the history until the loss counts
    #[arg(long, default_value_t = 1, value_name = "STEPS")]
    horizon: u32,
    /// How a horizon is reached
    #[arg(long, value_enum, default_value = "walk")]
    scale: ScaleName,
    /// Leave estimated means out, as risk officers often do
    #[arg(long)]
    zero_mean: bool,
    /// How options are revalued
    #[arg(long, value_enum, default_value = "full")]
    revaluation: RevaluationName,
    /// The key of the random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// auto (the fastest for the job among cpu and cuda, which answer alike), cpu, cpu-scalar, cpu-avx2, cuda
    /// or wgpu
    #[arg(long, default_value = "auto")]
    device: Choice,
    /// CPU threads at most
    #[arg(long)]
    threads: Option<usize>,
    /// Write a report with the picture of the losses
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Write the picture of the losses
    #[arg(long, value_name = "FILE.png")]
    picture: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum VarError {
    /// The history.
    #[error(transparent)]
    History(#[from] HistoryFailure),
    /// The portfolio's file.
    #[error(transparent)]
    Portfolio(#[from] PortfolioError),
    /// Its positions.
    #[error(transparent)]
    Holdings(#[from] HoldingsError),
    /// The measure.
    #[error(transparent)]
    Risk(#[from] RiskError),
    /// Arguments that do not go together.
    #[error("{0}")]
    Arguments(&'static str),
    /// A number that is none.
    #[error("--{name} {value}: {wanted}")]
    Number {
        /// Which.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is wanted.
        wanted: &'static str,
    },
    /// Forecasts to compare.
    #[error(transparent)]
    Forecast(#[from] ForecastError),
    /// Their judgement.
    #[error(transparent)]
    Backtest(#[from] BacktestError),
    /// None that could be judged.
    #[error("no model can be back-tested here: {0}")]
    NoModel(String),
    /// Several columns.
    #[error("the series has several columns ({0}): say --column NAME, or --portfolio FILE")]
    Column(String),
    /// The picture.
    #[error(transparent)]
    Picture(#[from] picture::PictureError),
    /// Output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl From<EngineError> for VarError {
    fn from(error: EngineError) -> VarError {
        VarError::Risk(error.into())
    }
}

impl From<ProcessError> for VarError {
    fn from(error: ProcessError) -> VarError {
        VarError::Risk(error.into())
    }
}

/// What is printed; the first level's figures stand at the top as well.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub var: f64,
    pub var_std_error: f64,
    pub es: f64,
    pub es_std_error: f64,
    pub level: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reduction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub var_gain: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub es_gain: Option<f64>,
    pub device: String,
    pub threads: usize,
    pub seconds: f64,
    pub paths: usize,
    pub extra_paths: usize,
    pub seed: u64,
    pub method: &'static str,
    pub model: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Selection>,
    pub horizon: u32,
    pub base: String,
    pub value: f64,
    pub nu: Option<f64>,
    pub levels: Vec<Tail>,
    pub estimates: Vec<Estimate>,
    pub returns: Option<usize>,
    pub calendar: Option<f64>,
    pub repairs: Option<Repairs>,
    pub notes: Vec<String>,
}

/// Why this model: back-tests of the portfolio's own history.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Selection {
    pub level: f64,
    pub n: usize,
    pub window: usize,
    pub refit: usize,
    models: BTreeMap<&'static str, compare::Row>,
}

impl Selection {
    fn of(evidence: &Evidence) -> Selection {
        let rows = evidence.verdicts.iter();
        let row = |(model, verdict): &(Model, _)| {
            (ModelName::of(*model).name(), compare::Row::of(verdict))
        };
        Selection {
            level: evidence.how.level,
            n: evidence.verdicts.first().map_or(0, |(_, verdict)| verdict.n),
            window: evidence.how.window,
            refit: evidence.how.refit,
            models: rows.map(row).collect(),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or output that cannot be written.
pub fn run(args: &VarArgs, out: &mut dyn Write) -> Result<(), VarError> {
    if let Some(What::Compare(args)) = &args.what {
        return compare::run(args, out);
    }
    check(args)?;
    let mut engine = Engine::open(args.device)?;
    if let Some(threads) = args.threads {
        engine = engine.with_threads(threads);
    }
    let (report, outcome) = match (args.notional, &args.portfolio) {
        (Some(notional), _) => single(args, &engine, notional)?,
        (None, Some(path)) => portfolio(args, &engine, path)?,
        (None, None) => {
            return Err(VarError::Arguments(
                "nothing to measure: give --portfolio FILE with --prices FILE, or --notional AMOUNT \
                 with --volatility RETURN",
            ));
        }
    };
    if let Some(path) = &args.picture {
        picture::write_png(path, &report, &outcome)?;
    }
    if let Some(path) = &args.report {
        output::save(path, picture::html(&report, &outcome)?)?;
    }
    Ok(output::show(&report, args.json, print::text, out)?)
}

fn check(args: &VarArgs) -> Result<(), VarError> {
    let number = |name, value: f64, fits: bool, wanted| {
        if fits { Ok(()) } else { Err(VarError::Number { name, value, wanted }) }
    };
    for &level in &args.level {
        number(
            "level",
            level,
            level > 0.0 && level < 1.0,
            "give a level between 0 and 1, as 0.99",
        )?;
    }
    number("horizon", f64::from(args.horizon), args.horizon > 0, "give at least one step")?;
    number("paths", args.paths as f64, args.paths > 0, "give at least one path")?;
    if let Some(mean) = args.mean {
        number("mean", mean, mean.is_finite(), "give a return, as 0.001")?;
    }
    if let Some(value) = args.volatility {
        let fits = value.is_finite() && value > 0.0;
        number("volatility", value, fits, "give a standard deviation above zero, as 0.02")?;
    }
    if let Some(value) = args.nu {
        let fits = value.is_finite() && value > 2.0;
        number("nu", value, fits, "a Student's t of variance one needs more than 2")?;
    }
    if let Some(value) = args.notional {
        // within what f32 can square, as error bars must
        let fits = (1e-6..=1e15).contains(&value.abs());
        number("notional", value, fits, "give the position's value, from a millionth to 1e15")?;
    }
    Ok(())
}

fn walk(args: &VarArgs) -> Walk {
    let steps = if args.scale == ScaleName::Sqrt { 1 } else { args.horizon };
    Walk { seed: args.seed, steps, nu: args.nu, mean: !args.zero_mean }
}

fn request(args: &VarArgs, method: Method) -> Request {
    Request {
        method,
        paths: args.paths,
        levels: args.level.clone(),
        walk: Walk { steps: args.horizon, ..walk(args) },
        root_scaling: args.scale == ScaleName::Sqrt,
        reduction: args.reduce.map(ReductionName::reduction),
    }
}

/// One position from its numbers.
fn single(args: &VarArgs, engine: &Engine, notional: f64) -> Result<(Report, Outcome), VarError> {
    let student = match args.model {
        None => args.nu.is_some(),
        Some(ModelName::Normal) if args.nu.is_some() => {
            return Err(VarError::Arguments("--nu is a Student's t: leave it out, or --model t"));
        }
        Some(ModelName::Normal) => false,
        Some(ModelName::T) if args.nu.is_some() => true,
        Some(ModelName::T) => return Err(VarError::Arguments("--model t needs --nu")),
        Some(_) => {
            return Err(VarError::Arguments(
                "a volatility model is fitted to a history: give --portfolio and --prices, or --model \
                 normal or t",
            ));
        }
    };
    if args.method != MethodName::Mc {
        return Err(VarError::Arguments("--notional is simulated: leave --method at mc"));
    }
    let volatility = args.volatility.ok_or(VarError::Arguments("--notional needs --volatility"))?;
    let holdings = Holdings::single(notional);
    let began = Instant::now();
    let mut steps = walk(args);
    steps.nu = steps.nu.filter(|_| student);
    let mean = args.mean.filter(|_| !args.zero_mean).unwrap_or(0.0);
    let process = process::given(mean, volatility, steps)?;
    let model = if student { Model::StudentT } else { Model::Normal };
    let request = request(args, Method::MonteCarlo(model));
    let outcome = value_at_risk::simulated(engine, &holdings, None, &process, &request)?;
    let model = if student { "t" } else { "normal" };
    Ok((report(args, engine, &holdings, &outcome, "mc", Some(model), began), outcome))
}

/// A portfolio over a history.
fn portfolio(args: &VarArgs, engine: &Engine, path: &Path) -> Result<(Report, Outcome), VarError> {
    let portfolio = Portfolio::read(path)?;
    let history = args.history.prices()?;
    let began = Instant::now();
    // under root scaling one step is walked, and one step's time passes
    let years = f64::from(walk(args).steps) / history.calendar;
    let how = match args.revaluation {
        RevaluationName::Full => Revaluation::Full,
        RevaluationName::DeltaGamma => Revaluation::DeltaGamma,
    };
    let holdings = Holdings::new(&portfolio, &history.panel, years, how)?;
    // columns that nothing held depends on must not cost rows or break a matrix
    let (used, repairs) = history.repaired(&holdings.factors, 2)?;
    let holdings = Holdings::new(&portfolio, &used, years, how)?;
    let used = used.choose(&holdings.factors).map_err(HistoryFailure::from)?;
    let is_simulated = matches!(args.method, MethodName::Mc | MethodName::Fhs);
    if args.reduce.is_some() && !is_simulated {
        return Err(VarError::Arguments("--reduce draws paths: leave --method at mc, or fhs"));
    }
    let simple = returns::simple(&used).map_err(HistoryFailure::from)?;
    let mut notes = Vec::new();
    let mut selection = None;
    let (method, model) = match (args.method, args.model) {
        (MethodName::Fhs, None) => (MethodName::Mc, ModelName::Fhs),
        (MethodName::Fhs, Some(model @ (ModelName::Fhs | ModelName::GjrFhs))) => {
            (MethodName::Mc, model)
        }
        (MethodName::Fhs, Some(_)) => {
            return Err(VarError::Arguments("--method fhs takes --model fhs or gjr-fhs"));
        }
        (MethodName::Mc, None) => {
            let returns = value_at_risk::hypothetical(engine, &holdings, &simple)?;
            let (model, why) = match evidence::weigh(&returns, engine.threads(), args.nu.is_some())
            {
                Ok(evidence) => {
                    selection = Some(Selection::of(&evidence));
                    (ModelName::of(evidence.model), evidence.to_string())
                }
                // the documented baseline
                Err(error) => (ModelName::GarchT, error.to_string()),
            };
            notes.push(format!("model {}: {why}", model.name()));
            (MethodName::Mc, model)
        }
        (method, model) => (method, model.unwrap_or(ModelName::GarchT)),
    };
    let has_nu = matches!(model, ModelName::T | ModelName::GarchT | ModelName::Gjr);
    if args.nu.is_some() && method != MethodName::Historical && !has_nu {
        return Err(VarError::Arguments("--nu is a Student's t: take --model t, garch-t or gjr"));
    }
    let outcome = match method {
        MethodName::Historical => {
            let request = request(args, Method::Historical);
            value_at_risk::historical(engine, &holdings, &simple, &request)?
        }
        MethodName::Parametric => {
            let request = request(args, Method::Parametric(model.model()));
            value_at_risk::parametric(engine, &holdings, &simple, model.model(), &request)?
        }
        MethodName::Mc | MethodName::Fhs => {
            let request = request(args, Method::MonteCarlo(model.model()));
            let panel = if model.model().is_logarithmic() {
                returns::logarithmic(&used).map_err(HistoryFailure::from)?
            } else {
                simple.clone()
            };
            let process = process::estimate(model.model(), &panel, walk(args))?;
            let control = match args.reduce {
                Some(ReductionName::Control) => {
                    let control = Holdings::new(&portfolio, &used, years, Revaluation::DeltaGamma)?;
                    Some(control).filter(|control| control.factors == holdings.factors)
                }
                _ => None,
            };
            value_at_risk::simulated(engine, &holdings, control.as_ref(), &process, &request)?
        }
    };
    let (method, model) = match method {
        MethodName::Historical => ("historical", None),
        MethodName::Parametric => ("parametric", Some(model)),
        MethodName::Mc | MethodName::Fhs => ("mc", Some(model)),
    };
    let model = model.map(ModelName::name);
    let mut report = report(args, engine, &holdings, &outcome, method, model, began);
    report.evidence = selection;
    report.notes.extend(notes);
    report.returns = Some(simple.rows());
    report.calendar = Some(history.calendar);
    report.repairs = Some(repairs);
    Ok((report, outcome))
}

fn report(
    args: &VarArgs,
    engine: &Engine,
    holdings: &Holdings,
    outcome: &Outcome,
    method: &'static str,
    model: Option<&'static str>,
    began: Instant,
) -> Report {
    let first = &outcome.tails[0];
    Report {
        var: first.var,
        var_std_error: first.var_std_error,
        es: first.es,
        es_std_error: first.es_std_error,
        level: first.level,
        reduction: args.reduce.map(|name| name.reduction().name()),
        var_gain: first.var_gain,
        es_gain: first.es_gain,
        device: engine.device().to_string(),
        threads: engine.threads(),
        seconds: began.elapsed().as_secs_f64(),
        paths: outcome.profits.len(),
        extra_paths: outcome.extra_paths,
        seed: args.seed,
        method,
        model,
        evidence: None,
        horizon: args.horizon,
        base: holdings.base.clone(),
        value: holdings.positions.iter().map(|position| position.value).sum(),
        nu: outcome.nu,
        levels: outcome.tails.clone(),
        estimates: outcome.estimates.clone(),
        returns: None,
        calendar: None,
        repairs: None,
        notes: outcome.notes.clone(),
    }
}
