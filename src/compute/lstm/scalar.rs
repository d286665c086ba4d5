//! The meaning: one state after the other.

use super::formula;

pub(super) fn gates(gates: &[f32], c: &mut [f32], h: &mut [f32]) {
    let hidden = c.len();
    formula::gates::<f32>(gates, c, h, 0..hidden);
}
