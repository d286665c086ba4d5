//! Gates to state over any lanes. The generic body is what both CPU twins run.

use crate::compute::elementary::{sigmoid, tanh};
use crate::compute::singles::Singles;
use std::ops::Range;

/// States of `range` that fill whole registers; returns the first one left.
#[inline(always)]
pub(super) fn gates<S: Singles>(
    of_input: &[f32],
    of_state: &[f32],
    h: &mut [f32],
    range: Range<usize>,
) -> usize {
    let hidden = h.len();
    let mut at = range.start;
    while at + S::WIDTH <= range.end {
        let r = sigmoid(S::load(of_input, at) + S::load(of_state, at));
        let z = sigmoid(S::load(of_input, hidden + at) + S::load(of_state, hidden + at));
        let n = S::load(of_input, 2 * hidden + at);
        let n = tanh(r.fma(S::load(of_state, 2 * hidden + at), n));
        z.fma(S::load(h, at) - n, n).store(h, at);
        at += S::WIDTH;
    }
    at
}
