//! Interleaved timing: A B C A B C …, median over rounds, so that drift hits every side alike.

use std::time::Instant;

/// Rounds of each side; odd, so that the median is one of them.
pub const ROUNDS: usize = 21;

/// Median nanoseconds per item of each side. A side runs over all its items once per call.
pub fn medians(items: usize, sides: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    let mut times = vec![Vec::with_capacity(ROUNDS); sides.len()];
    for side in sides.iter_mut() {
        side(); // warm-up: caches, branch predictors, lazily grown buffers
    }
    for _ in 0..ROUNDS {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            let start = Instant::now();
            side();
            times.push(start.elapsed().as_nanos() as f64 / items as f64);
        }
    }
    times.into_iter().map(median).collect()
}

/// The middle of the times.
pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
