//! The meaning: one number after the other.

use super::{LANES, butterfly};

pub(super) fn block_sum(numbers: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    numbers.iter().enumerate().for_each(|(i, number)| lanes[i % LANES] += number);
    butterfly(lanes)
}
