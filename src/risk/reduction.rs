//! Ways of drawing that tell more than plain paths: antithetic, with a control, by importance, on points.
//!
//! Each draws a `Sample` that says how its error is to be judged, so that a gain is measured and never
//! promised. Antithetic pairs and controls need symmetry and a second valuation; importance sampling
//! finds its measure itself: the mean of the normals, and of the mixing χ², over the tail of a pilot run is
//! the measure of its family that is nearest to the tail's own (cross-entropy, Rubinstein 1999; tilting as
//! in Glasserman, Heidelberger and Shahabuddin 2000 and 2002). An eighth of the paths stay with the old
//! measure and all are weighted by the mixture of both (Hesterberg 1995), so that no weight exceeds eight
//! and the middle of the distribution stays known.

use super::process::Process;
use super::sample::{Control, Design, Sample};
use crate::compute::engine::{Engine, EngineError};
use crate::compute::garch_paths::{JobError, Paths, Shocks};
use crate::compute::reduce::BLOCK;
use crate::compute::scenarios::Book;
use crate::compute::sobol::SobolError;
use std::ops::Range;

/// How more is told by as many paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Every path with the one whose normals have the other signs.
    Antithetic,
    /// Delta and gamma beside full revaluation, their own tail from a long run.
    Control,
    /// Paths from nearer the tail, weighted.
    Importance,
    /// Scrambled Sobol points, in replicates.
    Sobol,
}

impl Reduction {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reduction::Antithetic => "antithetic",
            Reduction::Control => "control",
            Reduction::Importance => "importance",
            Reduction::Sobol => "sobol",
        }
    }
}

/// Why paths cannot be drawn that way.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReductionError {
    /// Days have no sign.
    #[error(
        "days of history have no sign to turn and no measure to tilt: --reduce sobol or control with fhs"
    )]
    Days,
    /// Nothing to control with.
    #[error(
        "a control is the delta and gamma of options, and this portfolio has none: --reduce importance or \
         sobol"
    )]
    NothingCurved,
    /// Too many numbers a path.
    #[error(transparent)]
    Sobol(#[from] SobolError),
    /// The tilt.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The kernels.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Replicates of points: as many as a normal's 95 % are good enough for.
const REPLICATES: usize = 32;
/// Paths of a control's long run, for one of the sample.
const LONG: usize = 8;
/// One path in so many stays with the old measure.
const DEFENSIVE: usize = 8;
/// Paths that a pilot wants beyond its quantile, and how many it has at least and at most.
const PILOT_TAIL: f64 = 655.0;
const PILOT: Range<usize> = 65_536..1 << 20;
/// Where the numbers of pilots and long runs begin: no sample goes that far.
const ELSEWHERE: u64 = 1 << 48;
/// Shifts below so many standard errors are noise.
const NOISE: f64 = 3.0;

/// Paths that were drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// What they gave.
    pub sample: Sample,
    /// Where they can be made again: job, first path, and which of the sample's profits are theirs.
    pub parts: Vec<(Paths, u64, Range<usize>)>,
    /// Paths walked beside the sample's.
    pub extra: usize,
}

/// Draws at least `paths` paths; `deepest` is the greatest level that will be asked for.
///
/// # Errors
/// Paths that cannot be drawn that way, or more of them than memory.
pub fn draw(
    engine: &Engine,
    book: &Book,
    control: Option<&Book>,
    process: &Process,
    how: Reduction,
    paths: usize,
    deepest: f64,
) -> Result<Drawn, ReductionError> {
    let job = &process.job;
    let is_days = matches!(job.shocks(), Shocks::Days { .. });
    if is_days && matches!(how, Reduction::Antithetic | Reduction::Importance) {
        return Err(ReductionError::Days);
    }
    match how {
        Reduction::Antithetic => antithetic(engine, book, job, paths),
        Reduction::Control => {
            let control = control.ok_or(ReductionError::NothingCurved)?;
            controlled(engine, book, control, job, paths)
        }
        Reduction::Importance => important(engine, book, process, paths, deepest),
        Reduction::Sobol => on_points(engine, book, job, paths),
    }
}

fn antithetic(
    engine: &Engine,
    book: &Book,
    job: &Paths,
    paths: usize,
) -> Result<Drawn, ReductionError> {
    let half = paths.div_ceil(2);
    let mirrored = job.mirrored();
    let mut profits = engine.simulate(job, book, half)?;
    profits.extend(engine.simulate(&mirrored, book, half)?);
    let sample = Sample { profits, weights: Vec::new(), design: Design::Pairs, control: None };
    let parts = vec![(job.clone(), 0, 0..half), (mirrored, 0, half..2 * half)];
    Ok(Drawn { sample, parts, extra: 0 })
}

fn controlled(
    engine: &Engine,
    book: &Book,
    control: &Book,
    job: &Paths,
    paths: usize,
) -> Result<Drawn, ReductionError> {
    if book.options().is_empty() {
        return Err(ReductionError::NothingCurved);
    }
    let extra = LONG * paths;
    engine.fits(2 * paths + extra)?;
    let profits = engine.simulate(job, book, paths)?;
    let own = engine.simulate(job, control, paths)?;
    let long = engine.simulate_from(job, control, ELSEWHERE, extra)?;
    let control = Some(Control { own, long });
    let design = Design::Independent;
    let sample = Sample { profits, weights: Vec::new(), design, control };
    Ok(Drawn { sample, parts: vec![(job.clone(), 0, 0..paths)], extra })
}

fn on_points(
    engine: &Engine,
    book: &Book,
    job: &Paths,
    paths: usize,
) -> Result<Drawn, ReductionError> {
    let log = paths.div_ceil(REPLICATES).max(BLOCK).next_power_of_two().trailing_zeros();
    let paths = REPLICATES << log;
    engine.fits(paths)?;
    let job = job.on_points(log, REPLICATES)?;
    let profits = engine.simulate(&job, book, paths)?;
    let design = Design::Replicates(REPLICATES);
    let sample = Sample { profits, weights: Vec::new(), design, control: None };
    Ok(Drawn { sample, parts: vec![(job, 0, 0..paths)], extra: 0 })
}

fn important(
    engine: &Engine,
    book: &Book,
    process: &Process,
    paths: usize,
    deepest: f64,
) -> Result<Drawn, ReductionError> {
    let job = mixed(process)?;
    let pilot = (PILOT_TAIL / (1.0 - deepest)) as usize;
    let pilot = pilot.clamp(PILOT.start, PILOT.end).next_multiple_of(BLOCK);
    let (shifts, stretch) = measure_of_tail(engine, book, &job, pilot, 1.0 - deepest)?;
    let (told, tilted) =
        (job.tilted(shifts.clone(), stretch, false)?, job.tilted(shifts, stretch, true)?);
    let first = paths.div_ceil(DEFENSIVE);
    let second = first.next_multiple_of(BLOCK) as u64;
    let (mut profits, mut ratios) = engine.simulate_with_ratios(&told, book, 0, first)?;
    let (more, their) = engine.simulate_with_ratios(&tilted, book, second, paths - first)?;
    profits.extend(more);
    ratios.extend(their);
    let plain = first as f64 / paths as f64;
    // f over the mixture of f and g
    let weight = |&ratio: &f32| (1.0 / (plain + (1.0 - plain) * f64::from(-ratio).exp())) as f32;
    let weights = ratios.iter().map(weight).collect();
    let sample = Sample { profits, weights, design: Design::Strata(first), control: None };
    let parts = vec![(told, 0, 0..first), (tilted, second, first..paths)];
    Ok(Drawn { sample, parts, extra: pilot })
}

/// The job with a single asset's own t as normals that are mixed, which is the same distribution.
fn mixed(process: &Process) -> Result<Paths, JobError> {
    let job = &process.job;
    match (job.shocks(), process.nu) {
        (Shocks::Student(_), Some(nu)) => job.shocked(Shocks::mixed_student(nu)?),
        _ => Ok(job.clone()),
    }
}

/// The mean normals and the mean stretch of the mixing over a pilot's tail.
fn measure_of_tail(
    engine: &Engine,
    book: &Book,
    job: &Paths,
    pilot: usize,
    share: f64,
) -> Result<(Vec<f32>, f64), ReductionError> {
    let places = job.steps() as usize * job.dependence().width(job.assets().len());
    // not tilted at all, but walked as tilted paths are
    let still = job.tilted(vec![0.0; places], 1.0, false)?;
    let profits = engine.simulate_from(&still, book, ELSEWHERE, pilot)?;
    let count = ((share * pilot as f64) as usize).clamp(1, pilot);
    let mut worst: Vec<usize> = (0..pilot).collect();
    worst.select_nth_unstable_by(count - 1, |&a, &b| {
        profits[a].total_cmp(&profits[b]).then(a.cmp(&b))
    });
    worst.truncate(count);
    // sums in the order of the paths
    worst.sort_unstable();
    let (mut normals, mut mixing) = (vec![0.0_f64; places], (0.0, 0.0));
    for path in worst {
        let (drawn, mixed) = still.numbers_of(ELSEWHERE + path as u64);
        normals.iter_mut().zip(&drawn).for_each(|(sum, &z)| *sum += f64::from(z));
        mixing.0 += mixed.iter().sum::<f64>();
        mixing.1 += mixed.len() as f64;
    }
    let noise = NOISE / (count as f64).sqrt();
    let shift = |sum: &f64| {
        let mean = sum / count as f64;
        if mean.abs() < noise { 0.0 } else { mean as f32 }
    };
    let stretch = match job.shocks() {
        // a χ² of ν degrees has mean ν
        Shocks::MixedStudent { nu, .. } => mixing.0 / (mixing.1 * nu),
        _ => 1.0,
    };
    Ok((normals.iter().map(shift).collect(), stretch))
}
