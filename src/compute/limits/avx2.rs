//! Eight numbers at a time; enough chains, so that none waits for itself.
#![allow(unsafe_code, reason = "functions with a target feature; callers have seen the CPU's")]

use crate::compute::singles::Singles;
use crate::compute::singles::avx2::Eight;

/// Latency 4 or 5 times two a cycle.
const CHAINS: usize = 12;
const READS: usize = 8;

/// Multiply-adds done, every lane counted.
pub(super) fn multiply_adds(steps: usize) -> usize {
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { multiply_adds_wide(steps) }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn multiply_adds_wide(steps: usize) -> usize {
    let mut sums = [Eight::splat(1.0); CHAINS];
    let times = Eight::splat(std::hint::black_box(0.999_9));
    let plus = Eight::splat(std::hint::black_box(0.001));
    for _ in 0..steps {
        for sum in &mut sums {
            *sum = sum.fma(times, plus);
        }
    }
    let mut out = [0.0; Eight::WIDTH];
    for sum in sums {
        sum.store(&mut out, 0);
        std::hint::black_box(&out);
    }
    steps * CHAINS * Eight::WIDTH
}

/// The sum of all numbers, so that each is read.
pub(super) fn read(numbers: &[f32]) -> f32 {
    // SAFETY: `Simd::Avx2` exists only where the CPU has AVX2 and FMA.
    unsafe { read_wide(numbers) }
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn read_wide(numbers: &[f32]) -> f32 {
    let mut sums = [Eight::splat(0.0); READS];
    for chunk in numbers.chunks_exact(READS * Eight::WIDTH) {
        for (at, sum) in sums.iter_mut().enumerate() {
            *sum = *sum + Eight::load(chunk, at * Eight::WIDTH);
        }
    }
    let mut out = [0.0; Eight::WIDTH];
    let mut total = 0.0;
    for sum in sums {
        sum.store(&mut out, 0);
        total += out.iter().sum::<f32>();
    }
    total
}
