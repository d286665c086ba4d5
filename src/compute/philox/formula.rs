//! From counters to numbers, over any lanes. The generic body is what both CPU twins run.

use super::{Draw, Fill};
use crate::compute::elementary::{cosine_sine, expm1, ln};
use crate::compute::singles::{PhiloxKeys, Singles, Words, philox_keys};
use std::ops::Range;

/// What numbers are for; streams never share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    /// Shocks of returns, one place an asset or a factor.
    Shocks = 0,
    /// What mixes normals into a multivariate t.
    Mixing = 1,
    /// Days drawn from history.
    Days = 2,
    /// Returns' own parts beside their factors.
    Own = 3,
    /// Scrambling of low-discrepancy points.
    Scramble = 4,
    /// Anything a test or a bench draws.
    Free = 15,
}

/// 2⁻³², what a word's last bit is worth, and half of it.
const WORD: f32 = 1.0 / 4_294_967_296.0;
const HALF_WORD: f32 = 0.5 / 4_294_967_296.0;

/// Student's t with ν > 2 degrees of freedom, as Bailey's formula wants it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Student {
    /// −2/ν.
    pub exponent: f32,
    /// ν − 2: Bailey's ν times the variance's (ν − 2)/ν.
    pub scale: f32,
}

impl Student {
    /// None unless 2 < ν < ∞; ν so close to 2 that f32 cannot hold ν − 2 apart counts as 2.
    #[must_use]
    pub fn new(nu: f64) -> Option<Student> {
        let scale = (nu - 2.0) as f32;
        let fits = nu.is_finite() && scale >= f32::MIN_POSITIVE;
        fits.then_some(Student { exponent: (-2.0 / nu) as f32, scale })
    }
}

/// Counters of paths side by side.
#[derive(Clone, Copy)]
pub struct Counters<W> {
    low: W,
    high: W,
    keys: PhiloxKeys,
}

impl<W: Words> Counters<W> {
    /// Paths `first`, `first + 1`, … in the lanes, which must not cross a multiple of 2³².
    #[inline(always)]
    #[must_use]
    pub fn new(seed: u64, first: u64) -> Counters<W> {
        Counters {
            low: W::counting(first as u32),
            high: W::splat((first >> 32) as u32),
            keys: philox_keys([seed as u32, (seed >> 32) as u32]),
        }
    }

    /// Four words of every path.
    #[inline(always)]
    #[must_use]
    pub fn block(&self, stream: Stream, step: u32, block: u32) -> [W; 4] {
        let last = (u32::from(stream as u8) << 24) | block;
        W::philox([self.low, self.high, W::splat(step), W::splat(last)], &self.keys)
    }
}

/// (w + ½)/2³², rounded: in (0, 1].
#[inline(always)]
#[must_use]
pub fn uniform<W: Words>(word: W) -> W::Singles {
    word.nearest().fma(W::Singles::splat(WORD), W::Singles::splat(HALF_WORD))
}

/// Two independent normals from two words.
#[inline(always)]
#[must_use]
pub fn normals<W: Words>(first: W, second: W) -> (W::Singles, W::Singles) {
    let radius = (ln(uniform(first)) * W::Singles::splat(-2.0)).sqrt();
    let (cosine, sine) = cosine_sine(second);
    (radius * cosine, radius * sine)
}

/// One Student's t of variance one from two words.
#[inline(always)]
#[must_use]
pub fn student<W: Words>(first: W, second: W, t: &Student) -> W::Singles {
    let power = expm1(ln(uniform(first)) * W::Singles::splat(t.exponent));
    let radius = (power * W::Singles::splat(t.scale)).sqrt();
    radius * cosine_sine(second).0
}

/// How four words become numbers.
pub(super) trait Sampler {
    /// Numbers that a block gives.
    const PER_BLOCK: usize;

    /// The numbers, the last one repeated where there are fewer than four.
    fn numbers<W: Words>(&self, words: [W; 4]) -> [W::Singles; 4];
}

pub(super) struct AsWords;
pub(super) struct AsUniforms;
pub(super) struct AsNormals;

impl Sampler for AsWords {
    const PER_BLOCK: usize = 4;
    #[inline(always)]
    fn numbers<W: Words>(&self, [a, b, c, d]: [W; 4]) -> [W::Singles; 4] {
        [a.as_single(), b.as_single(), c.as_single(), d.as_single()]
    }
}

impl Sampler for AsUniforms {
    const PER_BLOCK: usize = 4;
    #[inline(always)]
    fn numbers<W: Words>(&self, [a, b, c, d]: [W; 4]) -> [W::Singles; 4] {
        [uniform(a), uniform(b), uniform(c), uniform(d)]
    }
}

impl Sampler for AsNormals {
    const PER_BLOCK: usize = 4;
    #[inline(always)]
    fn numbers<W: Words>(&self, [a, b, c, d]: [W; 4]) -> [W::Singles; 4] {
        let ((x, y), (z, w)) = (normals(a, b), normals(c, d));
        [x, y, z, w]
    }
}

impl Sampler for Student {
    const PER_BLOCK: usize = 2;
    #[inline(always)]
    fn numbers<W: Words>(&self, [a, b, c, d]: [W; 4]) -> [W::Singles; 4] {
        let (x, y) = (student(a, b, self), student(c, d, self));
        [x, y, y, y]
    }
}

/// Fills those of the paths that fill whole registers; returns the first one left.
#[inline(always)]
pub(super) fn fill<S: Singles>(job: &Fill, to: &mut [f32], range: Range<usize>) -> usize {
    match &job.draw {
        Draw::Words => fill_by::<S, _>(job, &AsWords, to, range),
        Draw::Uniform => fill_by::<S, _>(job, &AsUniforms, to, range),
        Draw::Normal => fill_by::<S, _>(job, &AsNormals, to, range),
        Draw::Student(t) => fill_by::<S, _>(job, t, to, range),
    }
}

#[inline(always)]
fn fill_by<S: Singles, D: Sampler>(
    job: &Fill,
    sampler: &D,
    to: &mut [f32],
    range: Range<usize>,
) -> usize {
    let mut path = range.start;
    while path + S::WIDTH <= range.end {
        let first = job.first_path.wrapping_add(path as u64);
        if (first as u32).checked_add(S::WIDTH as u32 - 1).is_none() {
            // a register's lanes share the upper half of the path
            return path;
        }
        let counters = Counters::<S::Words>::new(job.seed, first);
        for block in 0..job.places.div_ceil(D::PER_BLOCK) {
            let place = block * D::PER_BLOCK;
            let numbers = sampler.numbers(counters.block(job.stream, job.step, block as u32));
            let count = D::PER_BLOCK.min(job.places - place);
            for (next, number) in numbers[..count].iter().enumerate() {
                number.store(to, (place + next) * job.paths + path);
            }
        }
        path += S::WIDTH;
    }
    path
}
