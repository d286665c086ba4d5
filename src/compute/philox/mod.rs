//! `philox`: counter-based random numbers, Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011).
//!
//! A number belongs to its seed, stream, path, step and place, never to a thread: the key is the seed,
//! the counter is (path low, path high, step, stream · 2²⁴ + block), and a block holds four words.
//! - uniform: (w + ½)/2³², in (0, 1];
//! - normal: Box and Muller's pair (1958) from two words, up to 6.76 deviations;
//! - Student's t: Bailey's polar form (1994) without its rejection, one number from two words,
//!   √(ν(u^(−2/ν) − 1))·cos 2πv, standardised to variance one, any ν > 2.
//!
//! Shapes: numbers of place p of all paths stand together, `to[p · paths + path]`.
//! Twins: `scalar` (the meaning), `avx2`, kernels/philox.cu in bits; shaders/philox.wgsl in bits for
//! words, within 3e-6 for numbers, since WGSL leaves ln, sqrt and cos of its own some ulp.

#[cfg(target_arch = "x86_64")]
mod avx2;
pub mod formula;
pub mod gpu;
mod scalar;

#[cfg(test)]
mod tests;

use crate::host::cpu::Simd;
pub use formula::{Counters, Stream, Student};

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Draw {
    /// The words themselves, as numbers' bits.
    Words,
    /// Uniform in (0, 1].
    Uniform,
    /// Normal, mean 0, variance 1.
    Normal,
    /// Student's t, mean 0, variance 1.
    Student(Student),
}

/// A rectangle of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill {
    /// The key.
    pub seed: u64,
    /// What the numbers are for.
    pub stream: Stream,
    /// The step of all of them.
    pub step: u32,
    /// The first path; paths up to 2⁶⁴ have numbers of their own.
    pub first_path: u64,
    /// Paths.
    pub paths: usize,
    /// Numbers a path.
    pub places: usize,
    /// What is drawn.
    pub draw: Draw,
}

/// Fills `to[place * paths + path]`.
///
/// # Panics
/// When `to` is not `places · paths` long.
pub fn fill(job: &Fill, to: &mut [f32], simd: Simd) {
    assert_eq!(to.len(), job.places * job.paths, "Invariant: one number a path and place");
    match simd {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => avx2::fill(job, to),
        _ => scalar::fill(job, to),
    }
}
