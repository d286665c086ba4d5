//! Attention over any lanes. The generic body is what both CPU twins run.

use crate::compute::elementary::exp;
use crate::compute::reduce::{LANES, butterfly};
use crate::compute::singles::Singles;

#[inline(always)]
pub(super) fn attend<S: Singles>(
    states: &[f32],
    query: &[f32],
    weights: &mut [f32],
    context: &mut [f32],
) {
    let hidden = query.len();
    for (weight, state) in weights.iter_mut().zip(states.chunks_exact(hidden)) {
        *weight = dot::<S>(state, query);
    }
    mix::<S>(states, hidden, weights, context);
}

/// Dot products in `weights` to weights, and the context that they make.
#[inline(always)]
pub(super) fn mix<S: Singles>(
    states: &[f32],
    hidden: usize,
    weights: &mut [f32],
    context: &mut [f32],
) {
    let scale = 1.0 / (hidden as f32).sqrt();
    let mut most = f32::NEG_INFINITY;
    for weight in weights.iter_mut() {
        *weight *= scale;
        most = if *weight > most { *weight } else { most };
    }
    let mut step = 0;
    while step + S::WIDTH <= weights.len() {
        exp(S::load(weights, step) - S::splat(most)).store(weights, step);
        step += S::WIDTH;
    }
    weights[step..].iter_mut().for_each(|weight| *weight = exp(*weight - most));
    let mut lanes = [0.0; LANES];
    for (step, weight) in weights.iter().enumerate() {
        lanes[step % LANES] += weight;
    }
    let sum = butterfly(lanes);
    weights.iter_mut().for_each(|weight| *weight /= sum);
    let mut at = 0;
    while at + S::WIDTH <= hidden {
        add::<S>(states, weights, hidden, at).store(context, at);
        at += S::WIDTH;
    }
    for (at, context) in context.iter_mut().enumerate().skip(at) {
        *context = add::<f32>(states, weights, hidden, at);
    }
}

/// Σ w_t h_t of states side by side.
#[inline(always)]
fn add<S: Singles>(states: &[f32], weights: &[f32], hidden: usize, at: usize) -> S {
    let mut sum = S::splat(0.0);
    for (step, weight) in weights.iter().enumerate() {
        sum = S::splat(*weight).fma(S::load(states, step * hidden + at), sum);
    }
    sum
}

#[inline(always)]
pub(super) fn dot<S: Singles>(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let whole = a.len() / LANES * LANES;
    for lane in (0..LANES).step_by(S::WIDTH) {
        let mut sum = S::splat(0.0);
        for at in (lane..whole).step_by(LANES) {
            sum = S::load(a, at).fma(S::load(b, at), sum);
        }
        sum.store(&mut lanes, lane);
    }
    for (lane, (a, b)) in lanes.iter_mut().zip(a[whole..].iter().zip(&b[whole..])) {
        *lane = <f32 as Singles>::fma(*a, *b, *lane);
    }
    butterfly(lanes)
}
