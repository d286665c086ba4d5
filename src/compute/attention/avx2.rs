//! Eight numbers at a time, four states side by side.
#![allow(unsafe_code, reason = "functions with a target feature; callers have seen the CPU's")]

use super::formula;
use crate::compute::reduce::LANES;
use crate::compute::singles::avx2::Eight;
use std::arch::x86_64::{
    __m128, __m256, _MM_TRANSPOSE4_PS, _mm_add_ps, _mm_storeu_ps, _mm256_add_ps,
    _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_setzero_ps,
};

/// States whose dot products are folded together.
const STATES: usize = 4;
const EIGHT: usize = 8;

pub(super) fn attend(states: &[f32], query: &[f32], weights: &mut [f32], context: &mut [f32]) {
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { wide(states, query, weights, context) }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn wide(states: &[f32], query: &[f32], weights: &mut [f32], context: &mut [f32]) {
    let hidden = query.len();
    let mut rows = states.chunks_exact(STATES * hidden);
    let mut dots = weights.chunks_exact_mut(STATES);
    for (states, dots) in (&mut rows).zip(&mut dots) {
        if hidden.is_multiple_of(LANES) {
            // SAFETY: as the caller promises; four states and four dots.
            unsafe { four(states, query, dots) }
        } else {
            let each = states.chunks_exact(hidden).zip(dots);
            each.for_each(|(state, to)| *to = formula::dot::<Eight>(state, query));
        }
    }
    for (state, to) in rows.remainder().chunks_exact(hidden).zip(dots.into_remainder()) {
        *to = formula::dot::<Eight>(state, query);
    }
    formula::mix::<Eight>(states, hidden, weights, context);
}

/// Four dot products whose lanes fold as `reduce::butterfly` does: 16, 8, 4 within a state, 2 and 1 with four
/// states transposed.
///
/// # Safety
/// The CPU must have AVX2 and FMA; `states` holds four of `query`'s length, a multiple of `LANES`, `to` four.
#[target_feature(enable = "avx2,fma")]
unsafe fn four(states: &[f32], query: &[f32], to: &mut [f32]) {
    let hidden = query.len();
    debug_assert!(states.len() == STATES * hidden && hidden.is_multiple_of(LANES));
    debug_assert!(to.len() == STATES);
    // SAFETY: the lengths are as the caller promises.
    unsafe {
        let folded: [__m128; STATES] = std::array::from_fn(|state| {
            let own = states.as_ptr().add(state * hidden);
            let mut sums: [__m256; LANES / EIGHT] = [_mm256_setzero_ps(); LANES / EIGHT];
            for at in (0..hidden).step_by(LANES) {
                for (lane, sum) in sums.iter_mut().enumerate() {
                    let at = at + lane * EIGHT;
                    let (a, b) =
                        (_mm256_loadu_ps(own.add(at)), _mm256_loadu_ps(query.as_ptr().add(at)));
                    *sum = _mm256_fmadd_ps(a, b, *sum);
                }
            }
            let (low, high) = (_mm256_add_ps(sums[0], sums[2]), _mm256_add_ps(sums[1], sums[3]));
            let eight = _mm256_add_ps(low, high);
            _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight))
        });
        let [mut a, mut b, mut c, mut d] = folded;
        _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
        let sums = _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d));
        _mm_storeu_ps(to.as_mut_ptr(), sums);
    }
}
