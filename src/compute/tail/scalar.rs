//! The meaning: everything sorted, one number after the other.

use super::Excess;
use crate::compute::reduce::{LANES, butterfly};

/// The `count` worst profits, worst first.
pub(super) fn worst(profits: &[f32], count: usize) -> Vec<f32> {
    let mut sorted = profits.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted.truncate(count);
    sorted
}

/// What lies beyond the quantile in one block, lanes and butterfly as in `reduce`.
pub(super) fn excess(block: &[f32], quantile: f32) -> Excess {
    let (mut sums, mut squares, mut count) = ([0.0; LANES], [0.0; LANES], 0);
    for (i, &x) in block.iter().enumerate() {
        let gap = quantile - x;
        let beyond = if gap > 0.0 { gap } else { 0.0 };
        sums[i % LANES] += beyond;
        squares[i % LANES] = f32::mul_add(beyond, beyond, squares[i % LANES]);
        count += u64::from(x <= quantile);
    }
    Excess { sum: butterfly(sums), squares: butterfly(squares), count }
}
