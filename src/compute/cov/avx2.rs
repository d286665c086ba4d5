//! Four series by sixteen at a time.
#![allow(unsafe_code, reason = "a function with a target feature; callers have seen the CPU's")]

use super::{Rows, formula};
use crate::compute::singles::avx2::Eight;

pub(super) fn products(job: &Rows) -> Vec<f32> {
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { wide(job) }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn wide(job: &Rows) -> Vec<f32> {
    formula::products::<Eight>(job)
}
