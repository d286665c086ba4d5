//! `reduce`: sums whose order belongs to the numbers, not to the machine.
//!
//! A vector is cut into blocks of `BLOCK`; within one, number i goes to lane i mod `LANES`, each lane
//! adds in order, the lanes fold by a butterfly (l + l^16, then 8, 4, 2, 1), and the blocks' sums fold
//! by a pairwise tree. So a warp, four AVX2 registers or one loop give the same bits, and neither
//! threads nor devices change them. Error: at most (128 + 5 + ⌈log₂ blocks⌉) roundings deep, a relative
//! 8e-6 of Σ|x| in the worst case, 3e-7 for numbers of mixed sign.
//! Twins: `scalar` (the meaning), `avx2`; kernels/tail.cu folds the same way.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod scalar;

use crate::host::cpu::Simd;

/// What one thread block of 128 × 32 reads, and what a CPU thread takes at a time.
pub const BLOCK: usize = 4_096;
/// A warp; four AVX2 registers.
pub const LANES: usize = 32;

/// Sum of one block, at most `BLOCK` numbers.
#[must_use]
pub fn block_sum(numbers: &[f32], simd: Simd) -> f32 {
    debug_assert!(numbers.len() <= BLOCK, "Invariant: one block");
    match simd {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => avx2::block_sum(numbers),
        _ => scalar::block_sum(numbers),
    }
}

/// Sum of a vector.
#[must_use]
pub fn sum(numbers: &[f32], simd: Simd) -> f32 {
    pairwise(numbers.chunks(BLOCK).map(|block| block_sum(block, simd)).collect())
}

/// Folds the blocks' sums: neighbours are added until one is left, an odd one out moves up.
#[must_use]
pub fn pairwise(mut sums: Vec<f32>) -> f32 {
    while sums.len() > 1 {
        sums = sums
            .chunks(2)
            .map(|pair| pair.iter().copied().reduce(|a, b| a + b))
            .map(Option::unwrap_or_default)
            .collect();
    }
    sums.first().copied().unwrap_or(0.0)
}

/// The butterfly over a block's lanes.
#[inline(always)]
#[must_use]
pub(crate) fn butterfly(mut lanes: [f32; LANES]) -> f32 {
    let mut reach = LANES / 2;
    while reach > 0 {
        // lane 0 is all that is wanted: of each exchange the lower half is enough
        let (lower, upper) = lanes.split_at_mut(reach);
        lower.iter_mut().zip(upper).for_each(|(a, b)| *a += *b);
        reach /= 2;
    }
    lanes[0]
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    fn numbers(len: usize) -> Vec<f32> {
        (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) as f32 / 4.3e9) - 0.4).collect()
    }

    #[test]
    fn twins_agree() {
        for len in [0, 1, 7, 8, 31, 32, 33, 63, 1_021, 4_095, 4_096, 4_097, 20_000] {
            let numbers = numbers(len);
            let (plain, wide) = (sum(&numbers, Simd::Scalar), sum(&numbers, Simd::detect()));
            assert_eq!(plain.to_bits(), wide.to_bits(), "len {len}");
            let truth: f64 = numbers.iter().map(|&x| f64::from(x)).sum();
            assert!((f64::from(plain) - truth).abs() <= 1e-6 * len as f64, "len {len}");
        }
    }

    #[test]
    fn the_tree_pairs_neighbours() {
        // 1e8 swallows ones that come alone, not pairs of them folded before
        assert_eq!(pairwise(vec![1e8, -1e8, 1.0, 1.0, 1.0]), 3.0);
        assert_eq!(pairwise(vec![]), 0.0);
    }
}
