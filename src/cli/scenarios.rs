//! `bot4 scenarios`: what stated, built-in or generated scenarios do to a portfolio.
//!
//! files → `risk::stress` or paths of a model → profits by scenario, or their distribution.

use crate::cli::history::{HistoryArgs, HistoryFailure};
use crate::cli::output::{self, OutputError};
use crate::compute::device::Choice;
use crate::compute::engine::{Engine, EngineError};
use crate::compute::reduce::BLOCK;
use crate::compute::scenarios::Book;
use crate::history::date::Date;
use crate::history::{Panel, Repairs, returns};
use crate::instrument::{Part, Portfolio, PortfolioError, Several};
use crate::risk::holdings::{Holdings, HoldingsError, Revaluation};
use crate::risk::process::{self, Model, ProcessError, Walk};
use crate::risk::stress::{self, Effect, StressError};
use crate::risk::value_at_risk;
use clap::Args;
use serde::Serialize;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Arguments of `bot4 scenarios`.
#[derive(Debug, Args)]
pub struct ScenariosArgs {
    /// The portfolio's file (TOML); several portfolios meet the same scenarios
    #[arg(long, value_name = "FILE", required = true)]
    portfolio: Vec<PathBuf>,
    #[command(flatten)]
    history: HistoryArgs,
    /// Scenarios from a file: scenario,weight,horizon_days,factor,shock,value
    #[arg(long, value_name = "FILE", conflicts_with = "generate")]
    scenarios: Option<PathBuf>,
    /// So many scenarios from a GARCH-t model of the history; without this and a file the built-in stresses
    #[arg(long, value_name = "N")]
    generate: Option<usize>,
    /// Periods of the history until the profit counts, for generated scenarios
    #[arg(long, default_value_t = 1, value_name = "STEPS", requires = "generate")]
    horizon: u32,
    /// The key of generated scenarios
    #[arg(long, default_value_t = 1, requires = "generate")]
    seed: u64,
    /// auto (the fastest for the job among cpu and cuda, which answer alike), cpu, cpu-scalar, cpu-avx2, cuda
    /// or wgpu
    #[arg(long, default_value = "auto")]
    device: Choice,
    /// CPU threads at most
    #[arg(long)]
    threads: Option<usize>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Why nothing was valued.
#[derive(Debug, thiserror::Error)]
pub enum ScenariosError {
    /// The portfolio's file.
    #[error(transparent)]
    Portfolio(#[from] PortfolioError),
    /// The history.
    #[error(transparent)]
    History(#[from] HistoryFailure),
    /// Positions.
    #[error(transparent)]
    Holdings(#[from] HoldingsError),
    /// The scenario file.
    #[error("{}: {error}", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Its scenarios.
    #[error("{}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: StressError,
    },
    /// Scenarios of our own.
    #[error(transparent)]
    Stress(#[from] StressError),
    /// The model.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The kernels.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No prices at all.
    #[error("position `{0}` has no price: write `price` beside it, or give --prices FILE")]
    NoPrice(String),
    /// A class of what nothing depends on.
    #[error("--class {0}: no position depends on it; they depend on {1}")]
    Class(String, String),
    /// A number that is none.
    #[error("--{0} 0: give at least one")]
    Zero(&'static str),
    /// Output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// What is printed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    base: String,
    value: f64,
    device: String,
    threads: usize,
    seconds: f64,
    count: usize,
    /// Scenarios a second, files and fits left out.
    scenarios_per_second: f64,
    /// By weight.
    mean: f64,
    worst: f64,
    best: f64,
    /// Each portfolio alone, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    portfolios: Vec<Alone>,
    /// Stated scenarios.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scenarios: Vec<Effect>,
    /// Profits that so many of generated scenarios stay below.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quantiles: Vec<Quantile>,
    repairs: Repairs,
    pub(super) notes: Vec<String>,
}

/// One of several portfolios.
#[derive(Clone, Debug, Serialize)]
struct Alone {
    portfolio: String,
    value: f64,
    mean: f64,
    worst: f64,
    best: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quantiles: Vec<Quantile>,
}

#[derive(Clone, Debug, Serialize)]
struct Quantile {
    share: f64,
    profit: f64,
}

/// Shares whose quantiles are printed.
const SHARES: [f64; 9] = [0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999];
/// Scenarios between two moves of the progress bar: whole blocks.
const AT_ONCE: usize = 256 * BLOCK;

/// Runs the command.
///
/// # Errors
/// Input that is wrong, or output that cannot be written.
pub fn run(args: &ScenariosArgs, out: &mut dyn Write) -> Result<(), ScenariosError> {
    if args.generate == Some(0) {
        return Err(ScenariosError::Zero("generate"));
    }
    if args.horizon == 0 {
        return Err(ScenariosError::Zero("horizon"));
    }
    let portfolios = Several::read(&args.portfolio)?;
    let mut engine = Engine::open(args.device)?;
    if let Some(threads) = args.threads {
        engine = engine.with_threads(threads);
    }
    let report = match args.generate {
        Some(count) => generated(args, &engine, &portfolios, count)?,
        None => stated(args, &engine, &portfolios)?,
    };
    Ok(output::show(&report, args.json, text, out)?)
}

fn stated(
    args: &ScenariosArgs,
    engine: &Engine,
    portfolios: &Several,
) -> Result<Report, ScenariosError> {
    let portfolio = &portfolios.whole;
    let (prices, repairs) = last_prices(&args.history, portfolio)?;
    let scenarios = match &args.scenarios {
        Some(path) => {
            let open = |error| ScenariosError::Open { path: path.clone(), error };
            let file = File::open(path).map_err(open)?;
            stress::read(file)
                .map_err(|error| ScenariosError::File { path: path.clone(), error })?
        }
        None => stress::built_in(portfolio, &prices)?,
    };
    valued(engine, portfolios, &prices, &scenarios, repairs)
}

/// Values stated scenarios.
pub(super) fn valued(
    engine: &Engine,
    portfolios: &Several,
    prices: &Panel,
    scenarios: &[stress::Scenario],
    repairs: Repairs,
) -> Result<Report, ScenariosError> {
    let began = Instant::now();
    let effects = stress::value(engine, portfolios, prices, scenarios)?;
    let seconds = began.elapsed().as_secs_f64();
    let Several { whole: portfolio, parts } = portfolios;
    let holdings = Holdings::stressed(portfolio, prices, 0.0, &[])?;
    let weights: f64 = effects.iter().map(|effect| effect.weight).sum();
    let spread = |profit: &dyn Fn(&Effect) -> f64| {
        let weighted: f64 = effects.iter().map(|effect| effect.weight * profit(effect)).sum();
        let mean = if weights > 0.0 { weighted / weights } else { 0.0 };
        let profits = || effects.iter().map(profit);
        (mean, profits().fold(f64::INFINITY, f64::min), profits().fold(f64::NEG_INFINITY, f64::max))
    };
    let (mean, worst, best) = spread(&|effect| effect.profit);
    let alone = |(at, part): (usize, &Part)| {
        let (mean, worst, best) = spread(&|effect| effect.portfolios[at].profit);
        let value = holdings.positions[part.positions.clone()].iter().map(|p| p.value).sum();
        let (portfolio, quantiles) = (part.name.clone(), Vec::new());
        Alone { portfolio, value, mean, worst, best, quantiles }
    };
    let portfolios = parts.iter().enumerate().map(alone).collect();
    Ok(Report {
        base: portfolio.base.clone(),
        value: holdings.positions.iter().map(|position| position.value).sum(),
        device: engine.device().to_string(),
        threads: engine.threads(),
        seconds,
        count: effects.len(),
        scenarios_per_second: effects.len() as f64 / seconds,
        mean,
        worst,
        best,
        portfolios,
        scenarios: effects,
        quantiles: Vec::new(),
        repairs,
        notes: Vec::new(),
    })
}

/// The history where there is one, else one row of the prices that the positions state.
pub(super) fn last_prices(
    history: &HistoryArgs,
    portfolio: &Portfolio,
) -> Result<(Panel, Repairs), ScenariosError> {
    if history.is_given() {
        let history = history.prices()?;
        let holdings = Holdings::new(portfolio, &history.panel, 0.0, Revaluation::Full)?;
        return Ok(history.repaired(&holdings.factors, 1)?);
    }
    let mut symbols: Vec<String> = Vec::new();
    let mut columns = Vec::new();
    for position in &portfolio.positions {
        let name = position.factor().to_owned();
        if symbols.contains(&name) {
            continue;
        }
        let price = position.price.ok_or_else(|| ScenariosError::NoPrice(position.id.clone()))?;
        symbols.push(name);
        columns.push(vec![price]);
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = Date(now.map_or(0, |since| since.as_secs() as i64));
    let panel = Panel::new(vec![now], symbols, columns).map_err(HistoryFailure::from)?;
    Ok((panel, Repairs::default()))
}

fn generated(
    args: &ScenariosArgs,
    engine: &Engine,
    Several { whole: portfolio, parts }: &Several,
    count: usize,
) -> Result<Report, ScenariosError> {
    let history = args.history.prices()?;
    let years = f64::from(args.horizon) / history.calendar;
    let holdings = Holdings::new(portfolio, &history.panel, years, Revaluation::Full)?;
    let (used, repairs) = history.repaired(&holdings.factors, 2)?;
    let holdings = Holdings::new(portfolio, &used, years, Revaluation::Full)?;
    let used = used.choose(&holdings.factors).map_err(HistoryFailure::from)?;
    let logs = returns::logarithmic(&used).map_err(HistoryFailure::from)?;
    let walk = Walk { seed: args.seed, steps: args.horizon, nu: None, mean: true };
    let process = process::estimate(Model::GarchT, &logs, walk)?;
    let bar = output::progress(count);
    let began = Instant::now();
    let (mut books, mut values) = (vec![holdings.book.clone()], Vec::with_capacity(parts.len()));
    for part in parts {
        let (value, book) = holdings.part(part.positions.clone())?;
        books.push(book);
        values.push(value);
    }
    engine.fits(books.len().saturating_mul(count))?;
    let (job, books) = (Arc::new(process.job.clone()), Arc::new(books));
    let mut pieces = (0..count).step_by(AT_ONCE).map(|first| {
        let (job, books, some) = (Arc::clone(&job), Arc::clone(&books), AT_ONCE.min(count - first));
        engine.submit(move |engine| match &books[..] {
            [book] => engine.simulate_from(&job, book, first as u64, some).map(|row| vec![row]),
            all => {
                let all: Vec<&Book> = all.iter().collect();
                engine.simulate_many(&job, &all, first as u64, some)
            }
        })
    });
    // while one piece is taken in, the next one is made
    let mut profits = vec![Vec::with_capacity(count); 1 + parts.len()];
    let mut made: VecDeque<_> = pieces.by_ref().take(2).collect();
    while let Some(piece) = made.pop_front() {
        profits.iter_mut().zip(piece.wait()?).for_each(|(all, row)| all.extend(row));
        bar.set_position(profits[0].len() as u64);
        made.extend(pieces.next());
    }
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    let mut spreads = profits.into_iter().map(Spread::of);
    let whole = spreads.next().expect("Invariant: the whole comes first");
    let alone = |((part, value), spread): ((&Part, f64), Spread)| Alone {
        portfolio: part.name.clone(),
        value,
        mean: spread.mean,
        worst: spread.worst,
        best: spread.best,
        quantiles: spread.quantiles,
    };
    let portfolios = parts.iter().zip(values).zip(spreads).map(alone).collect();
    Ok(Report {
        base: portfolio.base.clone(),
        value: holdings.positions.iter().map(|position| position.value).sum(),
        device: engine.device().to_string(),
        threads: engine.threads(),
        seconds,
        count,
        scenarios_per_second: count as f64 / seconds,
        mean: whole.mean,
        worst: whole.worst,
        best: whole.best,
        portfolios,
        scenarios: Vec::new(),
        repairs,
        notes: value_at_risk::notes(&holdings, &process),
        quantiles: whole.quantiles,
    })
}

/// How profits of generated scenarios lie.
struct Spread {
    mean: f64,
    worst: f64,
    best: f64,
    quantiles: Vec<Quantile>,
}

impl Spread {
    fn of(mut profits: Vec<f32>) -> Spread {
        let count = profits.len();
        let mean = profits.iter().map(|profit| f64::from(*profit)).sum::<f64>() / count as f64;
        profits.sort_unstable_by(f32::total_cmp);
        let at = |share: f64| f64::from(profits[((count - 1) as f64 * share) as usize]);
        let quantiles = SHARES.map(|share| Quantile { share, profit: at(share) }).to_vec();
        Spread { mean, worst: at(0.0), best: at(1.0), quantiles }
    }
}

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "{} scenarios on {} with {} thread(s): {:.0} a second",
        report.count, report.device, report.threads, report.scenarios_per_second
    );
    let _ = writeln!(text, "value {:.2} {}", report.value, report.base);
    for effect in &report.scenarios {
        let _ = writeln!(
            text,
            "{:<46} {:>16.2}  {:>5} days, {} factor(s) unchanged",
            effect.scenario, effect.profit, effect.horizon_days, effect.unchanged
        );
        for part in &effect.positions {
            let _ = writeln!(text, "    {:<24} {:>16.2}", part.id, part.profit);
        }
    }
    for quantile in &report.quantiles {
        let _ = writeln!(text, "{:>7.1} % below {:>16.2}", 100.0 * quantile.share, quantile.profit);
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text.push_str(&output::repaired(&report.repairs));
    if !report.portfolios.is_empty() {
        let heads = ["value", "mean", "worst", "best"].map(|head| format!("{head:>16}")).concat();
        let _ = writeln!(text, "{:<28}{heads}", "portfolio");
    }
    for alone in &report.portfolios {
        let Alone { portfolio, value, mean, worst, best, .. } = alone;
        let _ = writeln!(text, "{portfolio:<28}{value:>16.2}{mean:>16.2}{worst:>16.2}{best:>16.2}");
    }
    let Report { mean, worst, best, .. } = report;
    let _ = writeln!(text, "mean {mean:.2}, worst {worst:.2}, best {best:.2}");
    text
}
