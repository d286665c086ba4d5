//! The meaning: one number after the other.

use super::formula;

pub(super) fn attend(states: &[f32], query: &[f32], weights: &mut [f32], context: &mut [f32]) {
    formula::attend::<f32>(states, query, weights, context);
}
