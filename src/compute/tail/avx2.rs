//! The worst profits by a pivot and a filter; sums in four registers.
#![allow(unsafe_code, reason = "functions with a target feature; callers have seen the CPU's")]

use super::Excess;
use crate::compute::reduce::{BLOCK, LANES, butterfly};
use crate::compute::singles::Singles;
use crate::compute::singles::avx2::Eight;

/// Profits looked at to guess a pivot.
const SAMPLE: usize = 4_096;
/// Deviations of the sample's rank that the pivot stands beyond the wanted one.
const MARGIN: f64 = 6.0;

/// The `count` worst profits, worst first.
pub(super) fn worst(profits: &[f32], count: usize) -> Vec<f32> {
    let mut few = Vec::new();
    let n = profits.len();
    if n > 4 * SAMPLE {
        // odd, so that it shares no factor with the powers of two that patterns repeat by
        let stride = (n / SAMPLE) | 1;
        let mut sample: Vec<f32> = profits.iter().copied().step_by(stride).collect();
        let share = count as f64 / n as f64;
        let size = sample.len() as f64;
        let rank = size * share + MARGIN * (size * share * (1.0 - share)).sqrt() + MARGIN;
        if rank < size {
            let (_, pivot, _) = sample.select_nth_unstable_by(rank as usize, f32::total_cmp);
            // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
            unsafe { at_most(profits, *pivot, &mut few) }
        }
    }
    if few.len() < count {
        // the sample misled, or there was none
        few.clear();
        few.extend_from_slice(profits);
    }
    if count < few.len() {
        few.select_nth_unstable_by(count - 1, f32::total_cmp);
        few.truncate(count);
    }
    few.sort_unstable_by(f32::total_cmp);
    few
}

/// Appends what is at most the pivot.
///
/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn at_most(profits: &[f32], pivot: f32, to: &mut Vec<f32>) {
    for block in profits.chunks(LANES) {
        // most blocks hold none: one comparison each tells
        if block.iter().fold(f32::INFINITY, |least, &x| x.min(least)) <= pivot {
            to.extend(block.iter().copied().filter(|&x| x <= pivot));
        }
    }
}

/// What lies beyond the quantile in one block.
pub(super) fn excess(block: &[f32], quantile: f32) -> Excess {
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { excess_wide(block, quantile) }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn excess_wide(block: &[f32], quantile: f32) -> Excess {
    debug_assert!(block.len() <= BLOCK, "Invariant: one block");
    let (pivot, zero) = (Eight::splat(quantile), Eight::splat(0.0));
    let (mut sums, mut squares) = ([zero; 4], [zero; 4]);
    let mut chunks = block.chunks_exact(LANES);
    for chunk in &mut chunks {
        for i in 0..4 {
            let beyond = (pivot - Eight::load(chunk, i * Eight::WIDTH)).greatest(zero);
            sums[i] = sums[i] + beyond;
            squares[i] = beyond.fma(beyond, squares[i]);
        }
    }
    let (mut lanes, mut lane_squares) = ([0.0; LANES], [0.0; LANES]);
    for i in 0..4 {
        sums[i].store(&mut lanes, i * Eight::WIDTH);
        squares[i].store(&mut lane_squares, i * Eight::WIDTH);
    }
    for (lane, &x) in chunks.remainder().iter().enumerate() {
        let gap = quantile - x;
        let beyond = if gap > 0.0 { gap } else { 0.0 };
        lanes[lane] += beyond;
        lane_squares[lane] = f32::mul_add(beyond, beyond, lane_squares[lane]);
    }
    let count: u32 = block.iter().map(|&x| u32::from(x <= quantile)).sum();
    Excess { sum: butterfly(lanes), squares: butterfly(lane_squares), count: u64::from(count) }
}
