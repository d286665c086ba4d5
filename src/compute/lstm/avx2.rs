//! Eight states at a time.
#![allow(unsafe_code, reason = "a function with a target feature; callers have seen the CPU's")]

use super::formula;
use crate::compute::singles::avx2::Eight;

pub(super) fn gates(gates: &[f32], c: &mut [f32], h: &mut [f32]) {
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { wide(gates, c, h) }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn wide(gates: &[f32], c: &mut [f32], h: &mut [f32]) {
    let hidden = c.len();
    let left = formula::gates::<Eight>(gates, c, h, 0..hidden);
    formula::gates::<f32>(gates, c, h, left..hidden);
}
