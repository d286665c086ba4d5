//! What a device can do at most, measured through the same door as every job: so a launch, the way of the
//! numbers there and back, and what the device does meanwhile can be told apart.

use crate::compute::device::launch::{GROUP, Gpu, GpuError, Launch};
use std::time::Instant;

/// Limits of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceLimits {
    /// Multiply-adds of f32 a second.
    pub operations: f64,
    /// Bytes a second read from its memory.
    pub memory: f64,
    /// Bytes a second that reach it.
    pub transfer: f64,
    /// Seconds of a job that does nothing.
    pub launch: f64,
}

/// Threads that keep any device busy.
const THREADS: usize = 1 << 18;
/// Numbers that no cache of a small device holds: 64 MiB, half of what the least device binds.
const NUMBERS: usize = 16 << 20;
/// Multiply-adds of a thread and step.
const CHAINS: usize = 8;
/// Steps of the shorter of two runs, whose difference holds no launch and no transfer.
const STEPS: u32 = 64;
const LONGER: u32 = 5;
/// Repeats, of which the best counts.
const REPEATS: usize = 3;

/// Measures a device; about a second, more where it is no GPU.
///
/// # Errors
/// What the driver says.
pub fn measure(gpu: &dyn Gpu) -> Result<DeviceLimits, GpuError> {
    let launch = best(|| gpu.run(&operations(GROUP, 0)))?;
    let short = best(|| gpu.run(&operations(THREADS, STEPS)))?;
    let long = best(|| gpu.run(&operations(THREADS, LONGER * STEPS)))?;
    let done = (THREADS * CHAINS) as f64 * f64::from((LONGER - 1) * STEPS);
    let mut job = reading(1);
    let once = best(|| gpu.run(&job))?;
    job.words[2] = LONGER;
    let often = best(|| gpu.run(&job))?;
    let bytes = (NUMBERS * size_of::<f32>()) as f64;
    let read = f64::from(LONGER - 1) * bytes;
    // a clock's tick keeps a device that is too fast for it from an infinite limit
    let tick = 1e-7;
    Ok(DeviceLimits {
        operations: done / (long - short).max(tick),
        memory: read / (often - once).max(tick),
        transfer: bytes
            / (once - launch - (often - once).max(0.0) / f64::from(LONGER - 1)).max(tick),
        launch,
    })
}

fn operations(threads: usize, steps: u32) -> Launch {
    Launch {
        entry: "limits_operations",
        words: vec![steps],
        numbers: vec![0.999_9, 0.001].into(),
        out: threads,
        wanted: 0..threads,
        groups: threads / GROUP,
        threads: GROUP,
    }
}

fn reading(rounds: u32) -> Launch {
    let threads = THREADS / 4;
    Launch {
        entry: "limits_read",
        words: vec![NUMBERS as u32, threads as u32, rounds],
        numbers: vec![1.0; NUMBERS].into(),
        out: threads,
        wanted: 0..threads,
        groups: threads / GROUP,
        threads: GROUP,
    }
}

/// Seconds of the fastest of several runs.
fn best(mut run: impl FnMut() -> Result<Vec<f32>, GpuError>) -> Result<f64, GpuError> {
    run()?;
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        let began = Instant::now();
        std::hint::black_box(run()?);
        best = best.min(began.elapsed().as_secs_f64());
    }
    Ok(best)
}
