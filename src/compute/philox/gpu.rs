//! Packs rectangles of random numbers for a device.

use super::{Draw, Fill};
use crate::compute::device::launch::{GROUP, Gpu, GpuError, Launch};

/// Fills as `fill` does; words come as their upper halves and then their lower ones, since a device answers
/// in numbers.
///
/// # Errors
/// What the device's driver says.
pub fn fill(gpu: &dyn Gpu, job: &Fill) -> Result<Vec<f32>, GpuError> {
    if job.draw == Draw::Words {
        let mut halves = drawn(gpu, job, 0, vec![0.0; 2])?;
        halves.extend(drawn(gpu, job, 4, vec![0.0; 2])?);
        return Ok(halves);
    }
    let (draw, numbers) = match &job.draw {
        Draw::Words | Draw::Uniform => (1, vec![0.0; 2]),
        Draw::Normal => (2, vec![0.0; 2]),
        Draw::Student(t) => (3, vec![t.exponent, t.scale]),
    };
    drawn(gpu, job, draw, numbers)
}

fn drawn(gpu: &dyn Gpu, job: &Fill, draw: u32, numbers: Vec<f32>) -> Result<Vec<f32>, GpuError> {
    let halves = |x: u64| [x as u32, (x >> 32) as u32];
    let ([seed_low, seed_high], [low, high]) = (halves(job.seed), halves(job.first_path));
    let stream = u32::from(job.stream as u8) << 24;
    let (paths, places) = (job.paths as u32, job.places as u32);
    let count = job.paths * job.places;
    gpu.run(&Launch {
        entry: "philox",
        words: vec![seed_low, seed_high, stream, job.step, low, high, paths, places, draw],
        numbers: numbers.into(),
        out: count,
        wanted: 0..count,
        groups: job.paths.div_ceil(GROUP),
        threads: GROUP,
    })
}
