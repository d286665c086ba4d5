//! One job on several devices: its parts are taken one after the other by every lane of every device, and
//! put together in their order. Paths are numbered, so who takes which part changes no bit.

use crate::compute::device::launch::{Gpu, GpuError};
use crate::compute::reduce::BLOCK;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Parts for each lane, so that a slow one holds nobody up for long.
const PARTS_EACH: usize = 2;
/// Paths below which a part is not worth a launch of its own: what keeps any device busy.
const LEAST: usize = 1 << 16;

/// Whole blocks of `count` items for these devices, each part at most `most` items.
pub(super) fn parts(gpus: &[&dyn Gpu], count: usize, most: usize) -> Vec<Range<usize>> {
    let lanes: usize = gpus.iter().map(|gpu| gpu.lanes()).sum();
    let even = if lanes > 1 { count.div_ceil(PARTS_EACH * lanes).max(LEAST) } else { count };
    let size = even.min(most).next_multiple_of(BLOCK).max(BLOCK);
    (0..count).step_by(size).map(|from| from..(from + size).min(count)).collect()
}

/// Parts that a lane has done, by their place.
type Done = Vec<(usize, Vec<f32>)>;

/// Runs every part somewhere; the answers in the order of the parts.
///
/// # Errors
/// The first failure; no part is begun after it.
pub(super) fn run(
    gpus: &[&dyn Gpu],
    parts: &[Range<usize>],
    work: impl Fn(&dyn Gpu, Range<usize>) -> Result<Vec<f32>, GpuError> + Sync,
) -> Result<Vec<Vec<f32>>, GpuError> {
    if let ([gpu, ..], [part]) = (gpus, parts) {
        return Ok(vec![work(*gpu, part.clone())?]);
    }
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let lane = |gpu: &dyn Gpu| {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(at) else { break };
            let answer = work(gpu, part.clone());
            failed.fetch_or(answer.is_err(), Ordering::Relaxed);
            done.push((at, answer?));
        }
        Ok(done)
    };
    // every device's first lane, then their second: a few parts busy all of them
    let most = gpus.iter().map(|gpu| gpu.lanes()).max().unwrap_or(0);
    let lanes =
        (0..most).flat_map(|lane| gpus.iter().copied().filter(move |gpu| lane < gpu.lanes()));
    let found: Vec<Result<Done, GpuError>> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            lanes.take(parts.len()).map(|gpu| scope.spawn(move || lane(gpu))).collect();
        threads.into_iter().map(joined).collect()
    });
    let mut done = Vec::with_capacity(parts.len());
    for answers in found {
        done.extend(answers?);
    }
    done.sort_unstable_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, answer)| answer).collect())
}

/// What a thread came to; its panic is the caller's.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::device::launch::{Kept, Launch};
    use std::sync::Mutex;
    use std::time::Duration;

    /// A device that only counts its jobs.
    struct Counting {
        jobs: AtomicUsize,
        lanes: usize,
        pause: Duration,
    }

    impl Counting {
        fn new(lanes: usize, pause: u64) -> Counting {
            Counting { jobs: AtomicUsize::new(0), lanes, pause: Duration::from_micros(pause) }
        }
    }

    impl Gpu for Counting {
        fn run(&self, launch: &Launch) -> Result<Vec<f32>, GpuError> {
            self.jobs.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(self.pause);
            Ok(launch.wanted.clone().map(|at| at as f32).collect())
        }

        fn keep(&self, numbers: &[f32]) -> Result<Kept, GpuError> {
            Ok(Kept::new(numbers.to_vec()))
        }

        fn lanes(&self) -> usize {
            self.lanes
        }

        fn buffer_max(&self) -> u64 {
            1 << 30
        }
    }

    fn launch(wanted: Range<usize>) -> Launch {
        Launch {
            entry: "counting",
            words: Vec::new(),
            numbers: Vec::new().into(),
            out: wanted.end,
            wanted,
            groups: 1,
            threads: 1,
        }
    }

    #[test]
    fn parts_are_whole_blocks_without_a_gap() {
        let (one, two) = (Counting::new(1, 0), Counting::new(2, 0));
        let devices: [&[&dyn Gpu]; 3] = [&[&one], &[&two], &[&one, &two, &two]];
        for gpus in devices {
            for count in [1, BLOCK, BLOCK + 1, 1 << 20, (1 << 22) + 17] {
                for most in [BLOCK, 100 * BLOCK, usize::MAX / 2] {
                    let parts = parts(gpus, count, most);
                    let mut at = 0;
                    for part in &parts {
                        assert!(part.start == at && at.is_multiple_of(BLOCK) && part.len() <= most);
                        at = part.end;
                    }
                    assert_eq!(at, count);
                }
            }
        }
        // a single lane gains nothing by parts, two devices take part
        assert_eq!(parts(&[&one], 1 << 22, usize::MAX / 2).len(), 1);
        assert_eq!(parts(&[&two, &two], 1 << 22, usize::MAX / 2).len(), 8);
    }

    #[test]
    fn answers_stand_in_the_order_of_parts_and_every_device_works() {
        let (slow, fast) = (Counting::new(1, 300), Counting::new(2, 100));
        let gpus: [&dyn Gpu; 2] = [&slow, &fast];
        let parts = parts(&gpus, 64 * BLOCK, BLOCK);
        let found = run(&gpus, &parts, |gpu, part| gpu.run(&launch(part))).expect("runs");
        let numbers: Vec<f32> = found.concat();
        assert!(numbers.iter().enumerate().all(|(i, &x)| x.to_bits() == (i as f32).to_bits()));
        let of = |device: &Counting| device.jobs.load(Ordering::Relaxed);
        assert_eq!(of(&slow) + of(&fast), 64);
        assert!(of(&slow) > 4 && of(&fast) > of(&slow), "{} {}", of(&slow), of(&fast));
    }

    #[test]
    fn a_failure_ends_the_job() {
        let device = Counting::new(2, 50);
        let begun = Mutex::new(0);
        let parts = parts(&[&device], 64 * BLOCK, BLOCK);
        let found = run(&[&device], &parts, |gpu, part| {
            *begun.lock().expect("no panic") += 1;
            match part.start / BLOCK {
                5 => Err(GpuError::Buffer { device: "counting", bytes: 1, most: 0 }),
                _ => gpu.run(&launch(part)),
            }
        });
        assert_eq!(found, Err(GpuError::Buffer { device: "counting", bytes: 1, most: 0 }));
        assert!(*begun.lock().expect("no panic") < 12);
    }
}
