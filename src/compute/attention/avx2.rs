//! Eight numbers at a time.
#![allow(unsafe_code, reason = "a function with a target feature; callers have seen the CPU's")]

use super::formula;
use crate::compute::singles::avx2::Eight;

pub(super) fn attend(states: &[f32], query: &[f32], weights: &mut [f32], context: &mut [f32]) {
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { wide(states, query, weights, context) }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn wide(states: &[f32], query: &[f32], weights: &mut [f32], context: &mut [f32]) {
    formula::attend::<Eight>(states, query, weights, context);
}
