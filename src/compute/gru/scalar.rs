//! The meaning: one state after the other.

use super::formula;

pub(super) fn gates(of_input: &[f32], of_state: &[f32], h: &mut [f32]) {
    let hidden = h.len();
    formula::gates::<f32>(of_input, of_state, h, 0..hidden);
}
