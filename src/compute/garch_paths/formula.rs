//! Paths over any lanes. The generic body is what both CPU twins run.

use super::draws::{Draws, Source, Tilt};
use super::job::{Compounding, Dependence, Paths, Shocks};
use crate::compute::elementary::expm1;
use crate::compute::philox::formula::{Stream, normals, student};
use crate::compute::singles::{Singles, Words};

/// Where the numbers of a register of paths stand while they walk: `WIDTH` lanes a number.
pub struct Layout {
    shocks: usize,
    variances: usize,
    drawn: usize,
}

impl Layout {
    /// The rows of the answer come first.
    fn new(job: &Paths) -> Layout {
        let (n, rows) = (job.assets().len(), job.rows());
        // whole blocks of numbers are stored behind either
        Layout { variances: rows, shocks: rows + n, drawn: rows + 2 * n + BLOCK_MAX }
    }

    /// Numbers of room a lane, the returns among them.
    #[must_use]
    pub fn length(job: &Paths) -> usize {
        let n = job.assets().len();
        job.rows() + 2 * n + job.dependence().width(n) + 2 * BLOCK_MAX
    }
}

/// Numbers that a block of words gives at most.
const BLOCK_MAX: usize = 4;

/// Simulates a register of paths from `first_path` on: `room[row * WIDTH + lane]` is a return over the
/// horizon, or the logarithm of the likelihood ratio.
#[inline(always)]
pub fn walk<S: Singles>(job: &Paths, first_path: u64, room: &mut [f32]) {
    let n = job.assets().len();
    let source = &Source::<S::Words>::new(job, first_path);
    if job.is_single() {
        match job.shocks() {
            Shocks::Student(_) => one_student::<S>(job, source, room),
            _ => one_normal::<S>(job, source, room),
        }
        return;
    }
    let at = Layout::new(job);
    if let Draws::Tilted(tilt) = job.draws() {
        S::splat(tilt.base).store(room, n * S::WIDTH);
    }
    for (j, asset) in job.assets().iter().enumerate() {
        S::splat(0.0).store(room, j * S::WIDTH);
        S::splat(asset.start).store(room, (at.variances + j) * S::WIDTH);
    }
    for step in 0..job.steps() {
        shocks_of_step::<S>(job, source, step, room, &at);
        for j in 0..n {
            let z = S::load(room, (at.shocks + j) * S::WIDTH);
            let h = S::load(room, (at.variances + j) * S::WIDTH);
            let sum = S::load(room, j * S::WIDTH);
            let (sum, h) = advance(job, j, sum, h, z);
            sum.store(room, j * S::WIDTH);
            h.store(room, (at.variances + j) * S::WIDTH);
        }
    }
    if job.compounding() == Compounding::Log {
        for j in 0..n {
            expm1(S::load(room, j * S::WIDTH)).store(room, j * S::WIDTH);
        }
    }
}

/// One step of one asset.
#[inline(always)]
fn advance<S: Singles>(job: &Paths, asset: usize, sum: S, h: S, z: S) -> (S, S) {
    let a = &job.assets()[asset];
    let shock = h.sqrt() * z;
    let r = S::splat(a.mean) + shock;
    let reaction = S::splat(0.0).if_above(shock, S::splat(a.alpha + a.gamma), S::splat(a.alpha));
    let h = S::splat(a.beta).fma(h, reaction.fma(shock * shock, S::splat(a.omega)));
    let sum = match job.compounding() {
        Compounding::Log => sum + r,
        Compounding::Simple => sum.fma(r, sum + r),
    };
    (sum, h)
}

/// A single asset with normals: four steps a block.
#[inline(always)]
fn one_normal<S: Singles>(job: &Paths, source: &Source<S::Words>, room: &mut [f32]) {
    let sign = sign::<S>(job);
    let (mut sum, mut h) = (S::splat(0.0), S::splat(job.assets()[0].start));
    let mut step = 0;
    while step < job.steps() {
        let [a, b, c, d] = source.block(Stream::Shocks, step / 4, 0);
        let ((x, y), (z, w)) = (normals(a, b), normals(c, d));
        for shock in &[x, y, z, w][..(job.steps() - step).min(4) as usize] {
            (sum, h) = advance(job, 0, sum, h, *shock * sign);
        }
        step += 4;
    }
    finish(job, sum, room);
}

/// A single asset with Student's t: two steps a block.
#[inline(always)]
fn one_student<S: Singles>(job: &Paths, source: &Source<S::Words>, room: &mut [f32]) {
    let Shocks::Student(t) = job.shocks() else { return };
    let sign = sign::<S>(job);
    let (mut sum, mut h) = (S::splat(0.0), S::splat(job.assets()[0].start));
    let mut step = 0;
    while step < job.steps() {
        let [a, b, c, d] = source.block(Stream::Shocks, step / 2, 0);
        (sum, h) = advance(job, 0, sum, h, student(a, b, t) * sign);
        if step + 1 < job.steps() {
            (sum, h) = advance(job, 0, sum, h, student(c, d, t) * sign);
        }
        step += 2;
    }
    finish(job, sum, room);
}

/// What normals are multiplied by.
#[inline(always)]
fn sign<S: Singles>(job: &Paths) -> S {
    S::splat(if matches!(job.draws(), Draws::Mirrored) { -1.0 } else { 1.0 })
}

#[inline(always)]
fn finish<S: Singles>(job: &Paths, sum: S, room: &mut [f32]) {
    let simple = match job.compounding() {
        Compounding::Log => expm1(sum),
        Compounding::Simple => sum,
    };
    simple.store(room, 0);
}

/// Fills the shocks of all assets for one step.
#[inline(always)]
fn shocks_of_step<S: Singles>(
    job: &Paths,
    source: &Source<S::Words>,
    step: u32,
    room: &mut [f32],
    at: &Layout,
) {
    let n = job.assets().len();
    if let Shocks::Days { rows, days } = job.shocks() {
        let words = source.block(Stream::Days, step / 4, 0);
        let day = words[(step % 4) as usize].high_product(*days);
        for j in 0..n {
            let residuals = &rows[j * *days as usize..(j + 1) * *days as usize];
            day.look_up(residuals).store(room, (at.shocks + j) * S::WIDTH);
        }
        return;
    }
    let width = job.dependence().width(n);
    let sign = sign::<S>(job);
    // independent normals are shocks already
    let alone = matches!(job.dependence(), Dependence::Independent);
    let mixed = matches!(job.shocks(), Shocks::MixedStudent { .. });
    let to = if alone && !mixed { at.shocks } else { at.drawn };
    if let Shocks::Student(t) = job.shocks() {
        for block in 0..width.div_ceil(2) {
            let [a, b, c, d] = source.block(Stream::Shocks, step, block as u32);
            (student(a, b, t) * sign).store(room, (to + 2 * block) * S::WIDTH);
            (student(c, d, t) * sign).store(room, (to + 2 * block + 1) * S::WIDTH);
        }
        return;
    }
    for block in 0..width.div_ceil(4) {
        let [a, b, c, d] = source.block(Stream::Shocks, step, block as u32);
        let ((x, y), (z, w)) = (normals(a, b), normals(c, d));
        let first = to + 4 * block;
        (x * sign).store(room, first * S::WIDTH);
        (y * sign).store(room, (first + 1) * S::WIDTH);
        (z * sign).store(room, (first + 2) * S::WIDTH);
        (w * sign).store(room, (first + 3) * S::WIDTH);
    }
    if let Draws::Tilted(tilt) = job.draws() {
        shift::<S>(tilt, step as usize * width, &mut room[..(to + width) * S::WIDTH], to, n);
    }
    if alone && !mixed {
        return;
    }
    let mixing = match job.shocks() {
        Shocks::MixedStudent { mixing, .. } => {
            let words = source.block(Stream::Mixing, step / 4, 0);
            let mixing = mixing.look_up(words[(step % 4) as usize]);
            Some(match job.draws() {
                Draws::Tilted(tilt) => stretch(tilt, mixing, room, n),
                _ => mixing,
            })
        }
        _ => None,
    };

    for j in 0..n {
        let mut z = match job.dependence() {
            Dependence::Independent => S::load(room, (at.drawn + j) * S::WIDTH),
            Dependence::Cholesky(packed) => {
                let row = &packed[j * (j + 1) / 2..(j + 1) * (j + 2) / 2];
                let mut sum = S::splat(row[0]) * S::load(room, at.drawn * S::WIDTH);
                for (k, &l) in row.iter().enumerate().skip(1) {
                    sum = S::splat(l).fma(S::load(room, (at.drawn + k) * S::WIDTH), sum);
                }
                sum
            }
            Dependence::Factors { factors, loadings, own } => {
                let mut sum = S::splat(own[j]) * S::load(room, (at.drawn + factors + j) * S::WIDTH);
                for (k, &b) in loadings[j * factors..(j + 1) * factors].iter().enumerate() {
                    sum = S::splat(b).fma(S::load(room, (at.drawn + k) * S::WIDTH), sum);
                }
                sum
            }
        };
        if let Some(mixing) = mixing {
            z = z * mixing;
        }
        z.store(room, (at.shocks + j) * S::WIDTH);
    }
}

/// Shifts a step's normals, from `room[to * WIDTH]` to the end, and tells the ratio.
#[inline(always)]
fn shift<S: Singles>(tilt: &Tilt, first: usize, room: &mut [f32], to: usize, ratio: usize) {
    let mut sum = S::load(room, ratio * S::WIDTH);
    let places = room.len() / S::WIDTH - to;
    for (place, &theta) in tilt.shifts[first..first + places].iter().enumerate() {
        let at = (to + place) * S::WIDTH;
        let z = S::load(room, at);
        let z = if tilt.is_applied { z + S::splat(theta) } else { z };
        z.store(room, at);
        sum = S::splat(-theta).fma(z, sum);
    }
    sum.store(room, ratio * S::WIDTH);
}

/// Stretches the mixing and tells the ratio.
#[inline(always)]
fn stretch<S: Singles>(tilt: &Tilt, mixing: S, room: &mut [f32], ratio: usize) -> S {
    let mixing = if tilt.is_applied { mixing * S::splat(tilt.root) } else { mixing };
    let sum = S::load(room, ratio * S::WIDTH) + S::splat(tilt.slope) / (mixing * mixing);
    sum.store(room, ratio * S::WIDTH);
    mixing
}

/// Simulates paths side by side into `to[row * stride + path]`.
#[inline(always)]
pub(super) fn block<S: Singles>(
    job: &Paths,
    first_path: u64,
    room: &mut [f32],
    to: &mut [f32],
    stride: usize,
) {
    for path in (0..stride).step_by(S::WIDTH) {
        walk::<S>(job, first_path + path as u64, room);
        for row in 0..job.rows() {
            S::load(room, row * S::WIDTH).store(to, row * stride + path);
        }
    }
}
