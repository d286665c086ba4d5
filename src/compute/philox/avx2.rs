//! Eight paths at a time; what fills no register, or crosses a multiple of 2³², goes path by path.
#![allow(unsafe_code, reason = "a function with a target feature; callers have seen the CPU's")]

use super::{Fill, formula};
use crate::compute::singles::avx2::{Eight, Sixteen};

pub(super) fn fill(job: &Fill, to: &mut [f32]) {
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { wide(job, to) }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn wide(job: &Fill, to: &mut [f32]) {
    let path = formula::fill::<Sixteen>(job, to, 0..job.paths);
    let mut path = formula::fill::<Eight>(job, to, path..job.paths);
    while path < job.paths {
        // one path by itself, then registers again: a crossing is passed once
        path = formula::fill::<f32>(job, to, path..path + 1);
        path = formula::fill::<Eight>(job, to, path..job.paths);
    }
}
