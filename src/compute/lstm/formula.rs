//! Gates to state over any lanes. The generic body is what both CPU twins run.

use crate::compute::elementary::{sigmoid, tanh};
use crate::compute::singles::Singles;
use std::ops::Range;

/// States of `range` that fill whole registers; returns the first one left.
#[inline(always)]
pub(super) fn gates<S: Singles>(
    gates: &[f32],
    c: &mut [f32],
    h: &mut [f32],
    range: Range<usize>,
) -> usize {
    let hidden = c.len();
    let mut at = range.start;
    while at + S::WIDTH <= range.end {
        let i = sigmoid(S::load(gates, at));
        let f = sigmoid(S::load(gates, hidden + at));
        let g = tanh(S::load(gates, 2 * hidden + at));
        let o = sigmoid(S::load(gates, 3 * hidden + at));
        let cell = f.fma(S::load(c, at), i * g);
        cell.store(c, at);
        (o * tanh(cell)).store(h, at);
        at += S::WIDTH;
    }
    at
}
