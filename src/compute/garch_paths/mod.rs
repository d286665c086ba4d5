//! `garch_paths`: returns of many assets over several steps, each volatile by GARCH(1,1) or GJR.
//!
//! Input: assets, shocks, how the shocks hang together, steps. Output: the simple return of every
//! asset over the whole horizon, `to[asset][path]`, in blocks of `BLOCK` paths.
//! A step of an asset, all in f32 and in this order (Bollerslev 1986; Glosten, Jagannathan and Runkle
//! 1993): ε = √h·z; r = μ + ε; h ← ω + (α + γ·[ε < 0])·ε² + β·h. A constant volatility is ω = α = γ = 0
//! and β = 1. Log returns are added and turned by expm1 at the end, simple ones compound.
//! Shocks z have variance one: normals, Student's t (each its own, or normals mixed by one
//! √((ν − 2)/χ²) a path and step, which is a multivariate t, the t copula with its own margins), or
//! rows of standardised residuals drawn with replacement (filtered historical simulation, Barone-Adesi,
//! Giannopoulos and Vosper 1999), which keep what belongs to one day together.
//! Normals are correlated by a Cholesky factor or by factors: z_j = Σ b_jk f_k + d_j e_j.
//! Place p of a step is number p mod n of block p div n of that step, n numbers a block; a single asset
//! takes its steps from one block after the other instead.
//! Numbers are each path's own, mirrored, tilted to another measure with the likelihood ratio told as one
//! more row (importance sampling, Glasserman, Heidelberger and Shahabuddin 2000 and 2002), or the
//! coordinates of scrambled Sobol points (`draws`).
//! Twins: `scalar` (the meaning), `avx2`, kernels/garch_paths.cu in bits; shaders/garch_paths.wgsl
//! within a tolerance derived there.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod draws;
pub mod formula;
pub mod gpu;
mod job;
mod scalar;

#[cfg(test)]
mod tests;

pub use draws::{Draws, Points, Tilt};
pub use job::{Asset, Compounding, Dependence, JobError, Paths, Shocks};

use crate::compute::device::crew::Room;
use crate::compute::reduce::BLOCK;
use crate::host::cpu::Simd;

/// Simulates the paths `first_path..first_path + BLOCK` into `to[row * BLOCK + path]`.
///
/// # Panics
/// When `to` does not hold a block of every row, or the paths cross a multiple of 2³².
pub fn block(job: &Paths, first_path: u64, room: &mut Room, to: &mut [f32], simd: Simd) {
    assert_eq!(to.len(), job.rows() * BLOCK, "Invariant: a block of every row");
    assert!(
        first_path.is_multiple_of(BLOCK as u64),
        "Invariant: a block starts at a multiple of its size"
    );
    match simd {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => avx2::block(job, first_path, room, to),
        _ => scalar::block(job, first_path, room, to),
    }
}
