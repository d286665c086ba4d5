//! Eight states at a time.
#![allow(unsafe_code, reason = "a function with a target feature; callers have seen the CPU's")]

use super::formula;
use crate::compute::singles::avx2::Eight;

pub(super) fn gates(of_input: &[f32], of_state: &[f32], h: &mut [f32]) {
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { wide(of_input, of_state, h) }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn wide(of_input: &[f32], of_state: &[f32], h: &mut [f32]) {
    let hidden = h.len();
    let left = formula::gates::<Eight>(of_input, of_state, h, 0..hidden);
    formula::gates::<f32>(of_input, of_state, h, left..hidden);
}
