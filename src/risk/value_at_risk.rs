//! Value at risk and expected shortfall of holdings: by Monte Carlo, by history, or in closed form.
//!
//! Input: holdings, a history's returns or a given process. Output: measures at every level with error
//! bars, what each position contributes, and the profits themselves for a picture. Positive is a loss.
//! A contribution to ES is minus the position's mean profit where the whole is at or below its quantile
//! (they add up to ES); one to VaR is the same within VaR's own 95 % interval, scaled to add up to VaR
//! (Euler's allocation, Tasche 1999).

use super::holdings::Holdings;
use super::process::{self, Estimate, Model, Process, ProcessError, Walk};
use crate::compute::engine::{Engine, EngineError, Share};
use crate::compute::garch_paths::Compounding;
use crate::compute::scenarios::{Right, tiles};
use crate::compute::tail::{Measure, NORMAL_95};
use crate::history::Panel;
use crate::maths::distribution::{StudentT, normal_quantile, normal_shortfall};
use crate::model::garch::{self, Spec};
use serde::Serialize;
use std::ops::RangeInclusive;

/// How scenarios are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Paths of a model.
    MonteCarlo(Model),
    /// The history's own returns, in overlapping windows of the horizon.
    Historical,
    /// A closed form on the returns that today's portfolio would have had.
    Parametric(Model),
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Paths of a Monte Carlo.
    pub paths: usize,
    /// Levels, 0.99.
    pub levels: Vec<f64>,
    /// Seed, steps, ν and mean of the paths.
    pub walk: Walk,
    /// One step, times the root of the steps, instead of walking them.
    pub root_scaling: bool,
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// One a level.
    pub tails: Vec<Tail>,
    /// What was estimated, by factor.
    pub estimates: Vec<Estimate>,
    /// Degrees of freedom of the shocks.
    pub nu: Option<f64>,
    /// Profits behind the measures; none where a closed form gave them.
    pub profits: Vec<f32>,
    /// What the reader of the figures must know.
    pub notes: Vec<String>,
}

/// The tail at a level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tail {
    /// Level.
    pub level: f64,
    /// Value at risk.
    pub var: f64,
    /// Its standard error.
    pub var_std_error: f64,
    /// Expected shortfall.
    pub es: f64,
    /// Its standard error.
    pub es_std_error: f64,
    /// What positions contribute.
    pub contributions: Vec<Contribution>,
}

/// A position's part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// Position.
    pub id: String,
    /// Value today.
    pub value: f64,
    /// Part of VaR.
    pub var: f64,
    /// Part of ES.
    pub es: f64,
}

/// Why nothing was measured.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RiskError {
    /// The model.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The kernels.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A horizon longer than history.
    #[error("a horizon of {steps} steps needs at least {steps} returns; the history has {returns}")]
    Horizon {
        /// Asked for.
        steps: u32,
        /// There.
        returns: usize,
    },
    /// A closed form that does not exist.
    #[error(
        "--method parametric has a closed form for one step of normal, t or garch-t returns; walk \
         more steps with --method mc, or say --scale sqrt"
    )]
    NoClosedForm,
    /// Options, coins and foreign currencies have no closed form.
    #[error(
        "--method parametric values linear positions in base; this portfolio has options, coins or \
         foreign currencies: --method mc"
    )]
    Curved,
    /// Positions that cancel or are none.
    #[error("the positions are worth nothing in all: there is no return to fit")]
    Nothing,
    /// The portfolio's return cannot be fitted.
    #[error("the portfolio's returns: {0}")]
    Fit(#[from] garch::FitError),
}

/// Measures holdings moved by a process.
///
/// # Errors
/// More paths than memory, or levels that ask for more paths.
pub fn simulated(
    engine: &Engine,
    holdings: &Holdings,
    process: &Process,
    request: &Request,
) -> Result<Outcome, RiskError> {
    let profits = engine.simulate(&process.job, &holdings.book, request.paths)?;
    let measures = engine.measure(&profits, &request.levels)?;
    let books: Vec<_> = holdings.positions.iter().map(|position| &position.book).collect();
    let shares = if books.len() > 1 {
        engine.shares(&process.job, &books, &profits, &ranges(&measures))
    } else {
        Vec::new()
    };
    let tails = tails(holdings, &measures, &shares, root(request));
    let mut notes = notes(holdings, process);
    notes.extend(thin(&tails, profits.len()));
    Ok(Outcome { tails, estimates: process.estimates.clone(), nu: process.nu, profits, notes })
}

/// Measures holdings over the history: `returns` are simple.
///
/// # Errors
/// Too little history for the horizon or the level.
pub fn historical(
    engine: &Engine,
    holdings: &Holdings,
    returns: &Panel,
    request: &Request,
) -> Result<Outcome, RiskError> {
    let steps = if request.root_scaling { 1 } else { request.walk.steps };
    let columns: Vec<Vec<f64>> =
        returns.columns().iter().map(|column| windows(column, steps as usize)).collect();
    let scenarios = columns.first().map_or(0, Vec::len);
    if scenarios == 0 {
        return Err(RiskError::Horizon { steps, returns: returns.rows() });
    }
    let tiles = tiles(&columns, scenarios);
    let profits = engine.revalue(&holdings.book, &tiles, scenarios)?;
    let measures = engine.measure(&profits, &request.levels)?;
    let books: Vec<_> = holdings.positions.iter().map(|position| &position.book).collect();
    let shares = if books.len() > 1 {
        engine.shares_of_scenarios(&books, &tiles, &profits, &ranges(&measures))
    } else {
        Vec::new()
    };
    let mut tails = tails(holdings, &measures, &shares, root(request));
    let mut notes = holdings.notes.clone();
    notes.extend(thin(&tails, profits.len() / steps as usize));
    if steps > 1 {
        // windows that overlap tell as much as those that do not
        let wider = f64::from(steps).sqrt();
        for tail in &mut tails {
            tail.var_std_error *= wider;
            tail.es_std_error *= wider;
        }
        notes.push(format!(
            "{scenarios} windows of {steps} returns overlap: errors are widened by √{steps}"
        ));
    }
    Ok(Outcome { tails, estimates: Vec::new(), nu: None, profits, notes })
}

/// Measures linear holdings in closed form from the returns that they would have had. `returns` are simple.
///
/// # Errors
/// Holdings or a model without a closed form.
pub fn parametric(
    engine: &Engine,
    holdings: &Holdings,
    returns: &Panel,
    model: Model,
    request: &Request,
) -> Result<Outcome, RiskError> {
    let book = &holdings.book;
    let is_curved =
        !(book.options().is_empty() && book.squares().is_empty() && book.inverses().is_empty());
    let is_foreign = book.groups().iter().any(|group| group.currency.is_some());
    if is_curved || is_foreign {
        return Err(RiskError::Curved);
    }
    if request.walk.steps > 1 && !request.root_scaling {
        return Err(RiskError::NoClosedForm);
    }
    // the return on the gross value that today's positions had in each period
    let gross: f64 = holdings.positions.iter().map(|position| position.value.abs()).sum();
    let columns: Vec<Vec<f64>> = returns.columns().to_vec();
    let tiles = tiles(&columns, returns.rows());
    if gross <= 0.0 {
        return Err(RiskError::Nothing);
    }
    let profits = engine.revalue(&holdings.book, &tiles, returns.rows())?;
    let series: Vec<f64> = profits.iter().map(|&profit| f64::from(profit) / gross).collect();
    let (location, deviation, nu, estimates, log) = match model {
        Model::Normal | Model::StudentT => {
            let one =
                Panel::new(returns.dates().to_vec(), vec!["portfolio".to_owned()], vec![series]);
            let one = one.map_err(|_| RiskError::NoClosedForm)?;
            let process = process::estimate(model, &one, request.walk)?;
            let estimate = &process.estimates[0];
            (estimate.mean, estimate.volatility, process.nu, process.estimates.clone(), false)
        }
        Model::Garch | Model::GarchT => {
            let percent: Vec<f64> = series.iter().map(|r| 100.0 * r.ln_1p()).collect();
            let spec = Spec { leverage: false, student: model == Model::GarchT, mean: true };
            let fit = garch::fit(&percent, spec)?;
            let mean = if request.walk.mean { fit.parameters.mu / 100.0 } else { 0.0 };
            let nu = Some(fit.parameters.nu).filter(|nu| nu.is_finite());
            let deviation = fit.next_variance.sqrt() / 100.0;
            (mean, deviation, nu, Vec::new(), true)
        }
        Model::Gjr | Model::Filtered => return Err(RiskError::NoClosedForm),
    };
    let tails = request.levels.iter().map(|&level| {
        let (quantile, shortfall) = standard_tail(level, nu);
        let (var, es) = (deviation * quantile - location, deviation * shortfall - location);
        // a log return's loss is 1 − e^−x; its shortfall is the mean of that over the tail
        let (var, es) = if log {
            (-(-var).exp_m1(), log_shortfall(level, nu, location, deviation))
        } else {
            (var, es)
        };
        let scale = gross * root(request);
        Tail {
            level,
            var: var * scale,
            // a closed form samples nothing; what its parameters err by it does not say
            var_std_error: f64::NAN,
            es: es * scale,
            es_std_error: f64::NAN,
            contributions: Vec::new(),
        }
    });
    let tails = tails.collect();
    Ok(Outcome { tails, estimates, nu, profits: Vec::new(), notes: Vec::new() })
}

/// Scenarios beyond a quantile below which its error bars are too short.
const BEYOND_MIN: f64 = 30.0;

/// Levels whose tails hold too few scenarios.
fn thin(tails: &[Tail], scenarios: usize) -> Vec<String> {
    let beyond = |tail: &Tail| (1.0 - tail.level) * scenarios as f64;
    let few = tails.iter().filter(|tail| beyond(tail) < BEYOND_MIN);
    few.map(|tail| {
        format!(
            "level {}: {:.0} scenarios lie beyond, fewer than {BEYOND_MIN}: the error bars are too short",
            tail.level,
            beyond(tail)
        )
    })
    .collect()
}

/// Where a figure that is printed is no figure of the model.
#[must_use]
pub fn notes(holdings: &Holdings, process: &Process) -> Vec<String> {
    let mut notes = holdings.notes.clone();
    let short = |(_, exposure): &(u32, f32)| *exposure < 0.0;
    let book = &holdings.book;
    let is_short = book.groups().iter().any(|group| group.terms.iter().any(short))
        || book.inverses().iter().any(|inverse| inverse.scale < 0.0)
        || book.options().iter().any(|o| o.right == Right::Call && o.scale < 0.0);
    let widest = process.job.assets().iter().map(|asset| asset.start.sqrt()).fold(0.0, f32::max);
    let is_simple = process.job.compounding() == Compounding::Simple;
    if is_simple && process.job.steps() > 1 && 5.0 * widest >= 1.0 {
        notes.push(
            "a step of this volatility can lose more than everything, and what follows compounds it: \
             take a model of log returns"
                .to_owned(),
        );
    }
    if process.job.compounding() == Compounding::Log && process.nu.is_some() && is_short {
        notes.push(
            "log returns with Student's t shocks have no mean once turned into prices: the ES of a \
             short position is infinite, and the figure is that of these paths only; VaR is sound"
                .to_owned(),
        );
    }
    let rough = process.estimates.iter().filter(|e| e.garch.is_some_and(|g| !g.converged));
    for estimate in rough {
        notes.push(format!("the fit of `{}` stopped before it came to rest", estimate.factor));
    }
    notes
}

/// Quantile and shortfall of a standardised loss.
fn standard_tail(level: f64, nu: Option<f64>) -> (f64, f64) {
    match nu.and_then(StudentT::new) {
        Some(t) => (t.quantile(level) * t.standardiser(), t.shortfall(level) * t.standardiser()),
        None => (normal_quantile(level), normal_shortfall(level)),
    }
}

/// Cells of the midpoint rule over the tail's probability.
const CELLS: u32 = 4_096;

/// Mean loss 1 − e^r of the tail of r = location − deviation·z.
fn log_shortfall(level: f64, nu: Option<f64>, location: f64, deviation: f64) -> f64 {
    let sum: f64 = (0..CELLS)
        .map(|cell| {
            let beyond = (1.0 - level) * (f64::from(cell) + 0.5) / f64::from(CELLS);
            let z = standard_quantile(beyond, nu);
            -(location - deviation * z).exp_m1()
        })
        .sum();
    sum / f64::from(CELLS)
}

/// The standardised loss that is exceeded with probability `beyond`.
fn standard_quantile(beyond: f64, nu: Option<f64>) -> f64 {
    match nu.and_then(StudentT::new) {
        Some(t) => t.tail_quantile(beyond) * t.standardiser(),
        None => -normal_quantile(beyond),
    }
}

fn root(request: &Request) -> f64 {
    if request.root_scaling { f64::from(request.walk.steps).sqrt() } else { 1.0 }
}

/// Compounded simple returns of every window of so many rows.
fn windows(column: &[f64], steps: usize) -> Vec<f64> {
    let compound = |rows: &[f64]| rows.iter().fold(1.0, |product, r| product * (1.0 + r)) - 1.0;
    column.windows(steps).map(compound).collect()
}

/// For every measure: the tail, and VaR's own interval.
fn ranges(measures: &[Measure]) -> Vec<RangeInclusive<f32>> {
    let both = measures.iter().flat_map(|measure| {
        let margin = (NORMAL_95 * measure.var_std_error) as f32;
        let tail = f32::NEG_INFINITY..=-measure.var;
        [tail, -measure.var - margin..=-measure.var + margin]
    });
    both.collect()
}

fn tails(holdings: &Holdings, measures: &[Measure], shares: &[Share], scale: f64) -> Vec<Tail> {
    let tail = |(at, measure): (usize, &Measure)| {
        let contributions = match shares.get(2 * at..2 * at + 2) {
            Some([beyond, near]) => contributions(holdings, measure, beyond, near, scale),
            _ => Vec::new(),
        };
        Tail {
            level: measure.level,
            var: f64::from(measure.var) * scale,
            var_std_error: measure.var_std_error * scale,
            es: f64::from(measure.es) * scale,
            es_std_error: measure.es_std_error * scale,
            contributions,
        }
    };
    measures.iter().enumerate().map(tail).collect()
}

fn contributions(
    holdings: &Holdings,
    measure: &Measure,
    beyond: &Share,
    near: &Share,
    scale: f64,
) -> Vec<Contribution> {
    let mean = |share: &Share, at: usize| -share.sums[at] / share.paths.max(1) as f64;
    let whole: f64 = (0..holdings.positions.len()).map(|at| mean(near, at)).sum();
    // an interval's mean is VaR up to its own error; what is left is shared in proportion
    let fit = if whole == 0.0 { 0.0 } else { f64::from(measure.var) / whole };
    let one = |(at, position): (usize, &super::holdings::Holding)| Contribution {
        id: position.id.clone(),
        value: position.value,
        var: mean(near, at) * fit * scale,
        es: mean(beyond, at) * scale,
    };
    holdings.positions.iter().enumerate().map(one).collect()
}
