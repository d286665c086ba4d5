//! `attention`: scaled dot-product attention of one query over a window of states (Luong et al. 2015,
//! Vaswani et al. 2017, equation 1).
//!
//! score_t = (h_t·q)/√H, weights by a softmax that subtracts the greatest score, context Σ w_t h_t.
//! Orders: a dot product puts number i into lane i mod `LANES` and folds by the butterfly of `reduce`, as
//! does the softmax's sum; the context adds states in time, one fma each.
//! Twins: `scalar` (the meaning), `avx2`; kernels/attention.cu in bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod formula;
pub mod gpu;
mod scalar;

#[cfg(test)]
mod tests;

use crate::host::cpu::Simd;

/// Attends over `states[step * query.len()..]`; `weights` holds one number a step, `context` one a state.
///
/// # Panics
/// When the lengths do not belong together, or there is no state.
pub fn attend(states: &[f32], query: &[f32], weights: &mut [f32], context: &mut [f32], simd: Simd) {
    assert!(!query.is_empty() && !weights.is_empty(), "Invariant: something to attend to");
    assert_eq!(states.len(), weights.len() * query.len(), "Invariant: a weight a state");
    assert_eq!(context.len(), query.len(), "Invariant: a context as long as a state");
    match simd {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => avx2::attend(states, query, weights, context),
        _ => scalar::attend(states, query, weights, context),
    }
}
