//! Four registers hold the lanes.
#![allow(unsafe_code, reason = "a function with a target feature; callers have seen the CPU's")]

use super::{LANES, butterfly};
use crate::compute::singles::Singles;
use crate::compute::singles::avx2::Eight;

pub(super) fn block_sum(numbers: &[f32]) -> f32 {
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { wide(numbers) }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn wide(numbers: &[f32]) -> f32 {
    let mut sums = [Eight::splat(0.0); 4];
    let mut chunks = numbers.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (register, sum) in sums.iter_mut().enumerate() {
            *sum = *sum + Eight::load(chunk, register * Eight::WIDTH);
        }
    }
    let mut lanes = [0.0; LANES];
    for (register, sum) in sums.into_iter().enumerate() {
        sum.store(&mut lanes, register * Eight::WIDTH);
    }
    for (lane, number) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += number;
    }
    butterfly(lanes)
}
