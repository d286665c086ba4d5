//! Value at risk and expected shortfall of holdings: by Monte Carlo, by history, or in closed form.
//!
//! Input: holdings, a history's returns or a given process. Output: measures at every level with error
//! bars, what each position contributes, and the profits themselves for a picture. Positive is a loss.
//! A contribution to ES is minus the position's mean profit where the whole is at or below its quantile
//! (they add up to ES); one to VaR is the same within VaR's own 95 % interval, scaled to add up to VaR
//! (Euler's allocation, Tasche 1999).

use super::holdings::Holdings;
use super::process::{self, Estimate, Model, Process, ProcessError, Walk};
use super::reduction::{self, Reduction, ReductionError};
use super::sample::TailFigures;
use crate::compute::engine::{Engine, EngineError, Run, Share};
use crate::compute::garch_paths::Compounding;
use crate::compute::scenarios::{Right, tiles};
use crate::compute::tail::{self, Measure, NORMAL_95};
use crate::history::Panel;
use crate::maths::distribution::{StudentT, normal_quantile, normal_shortfall};
use crate::model::garch::{self, Family, Spec, Volatility};
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
    /// How paths are drawn, where not plainly.
    pub reduction: Option<Reduction>,
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
    /// What each of them counts; empty where each counts one.
    pub weights: Vec<f32>,
    /// Paths walked beside them: a pilot, or a control's long run.
    pub extra_paths: usize,
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
    /// VaR's variance by as many plain paths over its variance, where paths were not plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub var_gain: Option<f64>,
    /// The same of ES.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub es_gain: Option<f64>,
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
    /// Paths that cannot be drawn as asked.
    #[error(transparent)]
    Reduction(#[from] ReductionError),
    /// Positions that cancel or are none.
    #[error("the positions are worth nothing in all: there is no return to fit")]
    Nothing,
    /// The portfolio's return cannot be fitted.
    #[error("the portfolio's returns: {0}")]
    Fit(#[from] garch::FitError),
}

/// Measures holdings moved by a process; `control` is the same holdings by delta and gamma, where a control
/// is asked for.
///
/// # Errors
/// More paths than memory, or levels that ask for more paths.
pub fn simulated(
    engine: &Engine,
    holdings: &Holdings,
    control: Option<&Holdings>,
    process: &Process,
    request: &Request,
) -> Result<Outcome, RiskError> {
    let books: Vec<_> = holdings.positions.iter().map(|position| &position.book).collect();
    let is_shared = books.len() > 1;
    let mut notes = notes(holdings, process);
    let (profits, weights, extra_paths, mut tails) = match request.reduction {
        None => {
            let profits = engine.simulate(&process.job, &holdings.book, request.paths)?;
            let measures = engine.measure(&profits, &request.levels)?;
            let measured: Vec<Measured> = measures.iter().map(Measured::of).collect();
            let run = Run { job: &process.job, from: 0, profits: &profits, weights: &[] };
            let shares = is_shared.then(|| engine.shares(&run, &books, &ranges(&measured)));
            let tails = tails(holdings, &measured, &shares.unwrap_or_default(), root(request));
            (profits, Vec::new(), 0, tails)
        }
        Some(how) => reduced(engine, holdings, control, process, request, how)?,
    };
    // importance brings its scenarios to where the tail is
    if weights.is_empty() {
        notes.extend(thin(&tails, profits.len()));
    }
    for tail in &mut tails {
        let gains = [tail.var_gain, tail.es_gain].into_iter().flatten();
        if request.reduction.is_some() && gains.fold(0.0, f64::max) < GAIN_MIN {
            notes.push(format!(
                "level {}: this way of drawing gained next to nothing over plain paths",
                tail.level
            ));
        }
    }
    let estimates = process.estimates.clone();
    Ok(Outcome { tails, estimates, nu: process.nu, profits, weights, extra_paths, notes })
}

/// A gain not worth the name.
const GAIN_MIN: f64 = 1.2;

type Reduced = (Vec<f32>, Vec<f32>, usize, Vec<Tail>);

fn reduced(
    engine: &Engine,
    holdings: &Holdings,
    control: Option<&Holdings>,
    process: &Process,
    request: &Request,
    how: Reduction,
) -> Result<Reduced, RiskError> {
    let control = control.map(|control| &control.book);
    let deepest = request.levels.iter().copied().fold(0.0, f64::max);
    let (book, paths) = (&holdings.book, request.paths);
    // the same refusals as of plain paths
    tail::check_levels(paths, &request.levels).map_err(EngineError::from)?;
    let drawn = reduction::draw(engine, book, control, process, how, paths, deepest)?;
    tail::check_finite(&drawn.sample.profits).map_err(EngineError::from)?;
    let figures: Vec<TailFigures> =
        request.levels.iter().map(|&level| drawn.sample.tail(level)).collect();
    let measured: Vec<Measured> = figures.iter().map(Measured::of_figures).collect();
    let books: Vec<_> = holdings.positions.iter().map(|position| &position.book).collect();
    let mut shares: Vec<Share> = Vec::new();
    if books.len() > 1 {
        for (job, from, range) in &drawn.parts {
            let weights = drawn.sample.weights.get(range.clone()).unwrap_or_default();
            let profits = &drawn.sample.profits[range.clone()];
            let run = Run { job, from: *from, profits, weights };
            let more = engine.shares(&run, &books, &ranges(&measured));
            if shares.is_empty() {
                shares = more;
            } else {
                shares.iter_mut().zip(&more).for_each(|(share, more)| share.add(more));
            }
        }
    }
    let mut tails = tails(holdings, &measured, &shares, root(request));
    for (tail, figures) in tails.iter_mut().zip(&figures) {
        tail.var_gain = Some(figures.var.gain);
        tail.es_gain = Some(figures.es.gain);
    }
    Ok((drawn.sample.profits, drawn.sample.weights, drawn.extra, tails))
}

/// Values, counted positive.
fn gross(holdings: &Holdings) -> Result<f64, RiskError> {
    let gross: f64 = holdings.positions.iter().map(|position| position.value.abs()).sum();
    if gross > 0.0 { Ok(gross) } else { Err(RiskError::Nothing) }
}

/// What the holdings would have made over each return of a history, in percent of their values' sum.
///
/// # Errors
/// Positions that are worth nothing, or a device that fails.
pub fn hypothetical(
    engine: &Engine,
    holdings: &Holdings,
    returns: &Panel,
) -> Result<Vec<f64>, RiskError> {
    let gross = gross(holdings)?;
    let scenarios = returns.rows();
    let profits =
        engine.revalue(&holdings.book, &tiles(returns.columns(), scenarios), scenarios)?;
    Ok(profits.iter().map(|profit| 100.0 * f64::from(*profit) / gross).collect())
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
    let measured: Vec<Measured> = measures.iter().map(Measured::of).collect();
    let books: Vec<_> = holdings.positions.iter().map(|position| &position.book).collect();
    let shares = if books.len() > 1 {
        engine.shares_of_scenarios(&books, &tiles, &profits, &ranges(&measured))
    } else {
        Vec::new()
    };
    let mut tails = tails(holdings, &measured, &shares, root(request));
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
    Ok(Outcome {
        tails,
        estimates: Vec::new(),
        nu: None,
        profits,
        weights: Vec::new(),
        extra_paths: 0,
        notes,
    })
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
    let gross = gross(holdings)?;
    let series: Vec<f64> =
        hypothetical(engine, holdings, returns)?.iter().map(|percent| percent / 100.0).collect();
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
            let family = if model == Model::GarchT { Family::Student } else { Family::Normal };
            let fit = garch::fit(&percent, Spec::new(Volatility::Garch, family))?;
            let mean = if request.walk.mean { fit.parameters.mu / 100.0 } else { 0.0 };
            let nu = Some(fit.parameters.nu).filter(|nu| nu.is_finite());
            let deviation = fit.next_variance.sqrt() / 100.0;
            (mean, deviation, nu, Vec::new(), true)
        }
        Model::Gjr | Model::Filtered | Model::FilteredGjr => return Err(RiskError::NoClosedForm),
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
            var_gain: None,
            es_gain: None,
            contributions: Vec::new(),
        }
    });
    let tails = tails.collect();
    Ok(Outcome {
        tails,
        estimates,
        nu,
        profits: Vec::new(),
        weights: Vec::new(),
        extra_paths: 0,
        notes: Vec::new(),
    })
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

/// VaR and ES with their errors, before they are scaled.
struct Measured {
    level: f64,
    var: f64,
    var_std_error: f64,
    es: f64,
    es_std_error: f64,
}

impl Measured {
    fn of(measure: &Measure) -> Measured {
        Measured {
            level: measure.level,
            var: f64::from(measure.var),
            var_std_error: measure.var_std_error,
            es: f64::from(measure.es),
            es_std_error: measure.es_std_error,
        }
    }

    fn of_figures(figures: &TailFigures) -> Measured {
        Measured {
            level: figures.level,
            var: figures.var.value,
            var_std_error: figures.var.std_error,
            es: figures.es.value,
            es_std_error: figures.es.std_error,
        }
    }
}

/// For every measure: the tail, and VaR's own interval.
fn ranges(measures: &[Measured]) -> Vec<RangeInclusive<f32>> {
    let both = measures.iter().flat_map(|measure| {
        let (quantile, margin) = (-measure.var, NORMAL_95 * measure.var_std_error);
        let tail = f32::NEG_INFINITY..=quantile as f32;
        [tail, (quantile - margin) as f32..=(quantile + margin) as f32]
    });
    both.collect()
}

fn tails(holdings: &Holdings, measures: &[Measured], shares: &[Share], scale: f64) -> Vec<Tail> {
    let tail = |(at, measure): (usize, &Measured)| {
        let contributions = match shares.get(2 * at..2 * at + 2) {
            Some([beyond, near]) => contributions(holdings, measure, beyond, near, scale),
            _ => Vec::new(),
        };
        Tail {
            level: measure.level,
            var: measure.var * scale,
            var_std_error: measure.var_std_error * scale,
            es: measure.es * scale,
            es_std_error: measure.es_std_error * scale,
            var_gain: None,
            es_gain: None,
            contributions,
        }
    };
    measures.iter().enumerate().map(tail).collect()
}

/// What positions contribute: means over paths add up to the figures up to rounding, or, under a control, up
/// to what it moved them by, which is shared in proportion.
fn contributions(
    holdings: &Holdings,
    measure: &Measured,
    beyond: &Share,
    near: &Share,
    scale: f64,
) -> Vec<Contribution> {
    let many = |share: &Share| if share.weight > 0.0 { share.weight } else { 1.0 };
    let mean = |share: &Share, at: usize| -share.sums[at] / many(share);
    // an interval's mean is VaR up to its own error
    let fit = |share: &Share, figure: f64| {
        let whole: f64 = (0..holdings.positions.len()).map(|at| mean(share, at)).sum();
        if whole == 0.0 { 0.0 } else { figure / whole }
    };
    let (to_var, to_es) = (fit(near, measure.var), fit(beyond, measure.es));
    let one = |(at, position): (usize, &super::holdings::Holding)| Contribution {
        id: position.id.clone(),
        value: position.value,
        var: mean(near, at) * to_var * scale,
        es: mean(beyond, at) * to_es * scale,
    };
    holdings.positions.iter().enumerate().map(one).collect()
}
