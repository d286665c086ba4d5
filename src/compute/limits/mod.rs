//! What one core of this machine can do at most, measured: fused multiply-adds, and reading from its caches
//! and its memory. Benches print a kernel's rate as a share of the limit that binds it.

#[cfg(target_arch = "x86_64")]
mod avx2;
pub mod gpu;
mod scalar;

use crate::host::cpu::Simd;
use std::time::Instant;

/// Limits of one core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Multiply-adds of f32 a second, every lane counted: the rate at which vector operations issue.
    pub operations: f64,
    /// Bytes a second read from a working set of 16 KiB, 256 KiB and 256 MiB.
    pub l1: f64,
    /// The second level.
    pub l2: f64,
    /// Memory.
    pub memory: f64,
}

/// Working sets of the three readings.
const SETS: [usize; 3] = [16 << 10, 256 << 10, 256 << 20];
/// Bytes of a cache line.
const LINE: usize = 64;
/// Repeats, of which the best counts: what disturbs only slows.
const REPEATS: usize = 7;
/// Multiply-adds of one repeat, in registers.
const STEPS: usize = 1 << 20;
/// Bytes of one repeat at least.
const BYTES: usize = 64 << 20;

impl Limits {
    /// Measures this core with the twins of `simd`; a quarter of a second.
    #[must_use]
    pub fn measure(simd: Simd) -> Limits {
        let operations = best(|| {
            let count = match simd {
                #[cfg(target_arch = "x86_64")]
                Simd::Avx2 => avx2::multiply_adds(STEPS),
                _ => scalar::multiply_adds(STEPS),
            };
            count as f64
        });
        let numbers = vec![1.0_f32; (SETS[2] + LINE) / size_of::<f32>()];
        // from a cache line on, so that no register's load crosses one
        let aligned = &numbers[numbers.as_ptr().align_offset(LINE).min(LINE)..];
        let reading = |bytes: usize| {
            let part = &aligned[..bytes / size_of::<f32>()];
            let rounds = (BYTES / bytes).max(1);
            best(|| {
                for _ in 0..rounds {
                    let sum = match simd {
                        #[cfg(target_arch = "x86_64")]
                        Simd::Avx2 => avx2::read(part),
                        _ => scalar::read(part),
                    };
                    std::hint::black_box(sum);
                }
                (rounds * bytes) as f64
            })
        };
        Limits { operations, l1: reading(SETS[0]), l2: reading(SETS[1]), memory: reading(SETS[2]) }
    }
}

/// Most work a second in `REPEATS` runs; `work` says how much it did.
fn best(mut work: impl FnMut() -> f64) -> f64 {
    let mut most = 0.0_f64;
    for _ in 0..REPEATS {
        let began = Instant::now();
        let done = work();
        most = most.max(done / began.elapsed().as_secs_f64());
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearer_memory_is_not_slower_by_far() {
        let limits = Limits::measure(Simd::detect());
        assert!(limits.operations > 1e8 && limits.memory > 1e8, "{limits:?}");
        assert!(limits.l1 > 0.5 * limits.memory, "{limits:?}");
    }
}
