//! One number at a time; eight chains, so that none waits for itself.

const CHAINS: usize = 8;

/// Multiply-adds done.
pub(super) fn multiply_adds(steps: usize) -> usize {
    let mut sums = [1.0_f32; CHAINS];
    let (times, plus) = (std::hint::black_box(0.999_9), std::hint::black_box(0.001));
    for _ in 0..steps {
        sums.iter_mut().for_each(|sum| *sum = sum.mul_add(times, plus));
    }
    std::hint::black_box(sums);
    steps * CHAINS
}

/// The sum of all numbers, so that each is read.
pub(super) fn read(numbers: &[f32]) -> f32 {
    let mut sums = [0.0_f32; CHAINS];
    for chunk in numbers.chunks_exact(CHAINS) {
        sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x);
    }
    sums.iter().sum()
}
