//! Packs path jobs for a device.
//!
//! words: seed low, seed high, first path low, high, assets, steps, shocks (0 normal, 1 Student, 2 mixed, 3
//! days), dependence (0 none, 1 Cholesky, 2 factors), compounding (1 simple), draws (0 plain, 1 mirrored, 2
//! told a ratio, 3 tilted as well, 4 Sobol), days, factors, where the dependence's numbers begin, paths, two
//! places for whoever packs more behind, where the tilt's numbers begin, the first coordinate of shocks,
//! coordinates of a step; and behind them the points: coordinates, bits, direction numbers, keys.
//! numbers: six an asset, the shocks' own (exponent and scale, a table, or rows), the dependence's, the
//! tilt's base, root, slope and shifts.

use super::{Compounding, Dependence, Draws, Paths, Shocks};
use crate::compute::device::launch::{GROUP, Gpu, GpuError, Launch};

/// Words of a packed job.
const WORDS: usize = 19;

/// The job's words and numbers.
pub(crate) fn pack(job: &Paths, first_path: u64, paths: usize) -> (Vec<u32>, Vec<f32>) {
    let mut numbers: Vec<f32> = job
        .assets()
        .iter()
        .flat_map(|a| [a.mean, a.omega, a.alpha, a.gamma, a.beta, a.start])
        .collect();
    let (shocks, days) = match job.shocks() {
        Shocks::Normal => (0, 0),
        Shocks::Student(t) => {
            numbers.extend([t.exponent, t.scale]);
            (1, 0)
        }
        Shocks::MixedStudent { mixing, .. } => {
            numbers.extend(mixing.numbers());
            (2, 0)
        }
        Shocks::Days { rows, days } => {
            numbers.extend(rows);
            (3, *days)
        }
    };
    let structure = numbers.len() as u32;
    let (dependence, factors) = match job.dependence() {
        Dependence::Independent => (0, 0),
        Dependence::Cholesky(packed) => {
            numbers.extend(packed);
            (1, 0)
        }
        Dependence::Factors { factors, loadings, own } => {
            numbers.extend(loadings);
            numbers.extend(own);
            (2, *factors as u32)
        }
    };
    let tilted = numbers.len() as u32;
    let (draws, shocks_at, stride) = match job.draws() {
        Draws::Plain => (0, 0, 0),
        Draws::Mirrored => (1, 0, 0),
        Draws::Tilted(tilt) => {
            numbers.extend([tilt.base, tilt.root, tilt.slope]);
            numbers.extend(&tilt.shifts);
            (2 + u32::from(tilt.is_applied), 0, 0)
        }
        Draws::Points(points) => (4, points.shocks as u32, points.stride as u32),
    };
    let mut words = vec![
        job.seed() as u32,
        (job.seed() >> 32) as u32,
        first_path as u32,
        (first_path >> 32) as u32,
        job.assets().len() as u32,
        job.steps(),
        shocks,
        dependence,
        u32::from(job.compounding() == Compounding::Simple),
        draws,
        days,
        factors,
        structure,
        paths as u32,
        0,
        0,
        tilted,
        shocks_at,
        stride,
    ];
    debug_assert!(words.len() == WORDS, "Invariant: as the kernels read them");
    if let Draws::Points(points) = job.draws() {
        points.sobol.pack(&mut words);
    }
    (words, numbers)
}

/// Numbers that a path works with: returns, variances, shocks, what is drawn, whole blocks behind.
pub(crate) fn room(job: &Paths) -> usize {
    let assets = job.assets().len();
    job.rows() + 2 * assets + 4 + job.dependence().width(assets) + 4
}

/// Rows of `paths` paths from `first_path` on, `[row][path]`.
///
/// # Errors
/// What the device's driver says.
pub fn walk(
    gpu: &dyn Gpu,
    job: &Paths,
    first_path: u64,
    paths: usize,
) -> Result<Vec<f32>, GpuError> {
    let (words, numbers) = pack(job, first_path, paths);
    gpu.run(&Launch {
        entry: "garch_paths",
        words,
        numbers: numbers.into(),
        out: room(job) * paths,
        wanted: 0..job.rows() * paths,
        groups: paths.div_ceil(GROUP),
        threads: GROUP,
    })
}
