//! The choice of a device by measured speed: a job begins on the CPU, and where what is left of it would take
//! long, every other device that answers in the same bits takes a part against the clock. The fastest gets
//! the rest. No part is done twice, and who did it changes no bit.

use crate::compute::device::Device;
use crate::compute::reduce::BLOCK;
use std::ops::Range;
use std::time::Duration;

/// Seconds of the CPU below which no other device is looked for: opening one takes about as long.
const WORTH: f64 = 0.25;
/// Blocks of the smaller and the larger of two runs that tell a launch from a path.
const SMALL: usize = 1;
const LARGE: usize = 64;

/// What a job costs somewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pace {
    /// Seconds before the first item.
    fixed: f64,
    /// Seconds of an item.
    each: f64,
}

impl Pace {
    fn of([(few, short), (many, long)]: [(usize, f64); 2]) -> Pace {
        let each = ((long - short) / many.saturating_sub(few).max(1) as f64).max(0.0);
        Pace { fixed: (short - each * few as f64).max(0.0), each }
    }

    fn seconds(&self, items: usize) -> f64 {
        self.fixed + self.each * items as f64
    }
}

/// How a job went.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ran<T> {
    /// The parts' answers, in their order.
    pub answers: Vec<T>,
    /// Who did the most of it.
    pub device: Device,
}

/// Runs `count` items, `piece(device, items)` at a time; `others` are asked for only where it may pay.
/// `start` is what the CPU begins with, `now` the clock.
///
/// # Errors
/// The CPU's own; a device that fails loses, and its part is done by the CPU.
pub(super) fn run<T, E>(
    cpu: Device,
    others: impl FnOnce() -> Vec<Device>,
    (start, count): (usize, usize),
    now: impl Fn() -> Duration,
    mut piece: impl FnMut(Device, Range<usize>) -> Result<T, E>,
) -> Result<Ran<T>, E> {
    let mut answers = Vec::new();
    let mut at = 0;
    let mut timed = |device, at: &mut usize, items: usize| {
        let part = *at..(*at + items).min(count);
        let (length, began) = (part.len(), now());
        answers.push(piece(device, part.clone())?);
        *at = part.end;
        Ok::<(usize, f64), E>((length, (now() - began).as_secs_f64()))
    };
    let (items, seconds) = timed(cpu, &mut at, start.next_multiple_of(BLOCK))?;
    let pace = Pace { fixed: 0.0, each: seconds / items.max(1) as f64 };
    let (mut best, mut fastest) = (cpu, pace);
    if pace.seconds(count - at) > WORTH {
        for device in others() {
            // the first run opens, allocates and warms up
            let mut turn = |blocks: usize| timed(device, &mut at, blocks * BLOCK).ok();
            let Some(((_, short), long)) = turn(SMALL).zip(turn(SMALL)).zip(turn(LARGE)) else {
                continue;
            };
            let found = Pace::of([short, long]);
            if found.seconds(count - at) < fastest.seconds(count - at) {
                (best, fastest) = (device, found);
            }
        }
    }
    let left = count - at;
    if left > 0 && (best == cpu || timed(best, &mut at, left).is_err()) {
        best = cpu;
        timed(cpu, &mut at, left)?;
    }
    Ok(Ran { answers, device: best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    const CPU: Device = Device::CpuAvx2;
    const GPU: Device = Device::Cuda;
    const START: usize = 2 * BLOCK;

    /// Seconds of a launch and of an item on the CPU and on the GPU; who runs, and what each did.
    fn raced(
        cpu: (f64, f64),
        gpu: (f64, f64),
        count: usize,
    ) -> (Device, Vec<(Device, Range<usize>)>, bool) {
        let (clock, asked) = (Cell::new(0.0), Cell::new(false));
        let done = RefCell::new(Vec::new());
        let ran = run(
            CPU,
            || {
                asked.set(true);
                vec![GPU]
            },
            (START, count),
            || Duration::from_secs_f64(clock.get()),
            |device, part| {
                let (fixed, each) = if device == CPU { cpu } else { gpu };
                clock.set(clock.get() + fixed + each * part.len() as f64);
                done.borrow_mut().push((device, part.clone()));
                Ok::<_, ()>(part)
            },
        );
        let ran = ran.expect("nothing fails");
        let whole: Vec<usize> = ran.answers.into_iter().flatten().collect();
        assert_eq!(whole, (0..count).collect::<Vec<_>>(), "each item once, in order");
        (ran.device, done.into_inner(), asked.get())
    }

    #[test]
    fn a_small_job_stays_on_the_cpu_and_nobody_looks_further() {
        for count in [1, START, START + 1, 100 * BLOCK] {
            let (device, parts, asked) = raced((0.0, 1e-7), (0.0, 1e-9), count);
            assert!(device == CPU && !asked && parts.len() <= 2, "{count}");
        }
    }

    #[test]
    fn the_faster_device_gets_the_rest() {
        let count = 4_000 * BLOCK;
        let (device, parts, asked) = raced((0.0, 1e-7), (2e-4, 1e-9), count);
        assert!(device == GPU && asked);
        let (last, part) = parts.last().expect("parts");
        assert!(*last == GPU && part.len() > count * 9 / 10);
        // a slow GPU, and one whose launch takes longer than the whole job
        for gpu in [(2e-4, 2e-7), (10.0, 1e-9)] {
            let (device, parts, asked) = raced((0.0, 1e-7), gpu, count);
            assert!(device == CPU && asked && parts.last().is_some_and(|(last, _)| *last == CPU));
        }
    }

    #[test]
    fn a_device_that_fails_loses_and_nothing_is_left_out() {
        let clock = Cell::new(0.0);
        let ran = run(
            CPU,
            || vec![GPU],
            (START, 4_000 * BLOCK),
            || Duration::from_secs_f64(clock.get()),
            |device, part| {
                clock.set(clock.get() + 1e-7 * part.len() as f64);
                if device == CPU || part.len() == BLOCK { Ok(part) } else { Err("out of memory") }
            },
        );
        let ran = ran.expect("the CPU does it");
        assert_eq!(ran.device, CPU);
        assert_eq!(ran.answers.into_iter().map(|part| part.len()).sum::<usize>(), 4_000 * BLOCK);
        let fails =
            run(CPU, Vec::new, (START, 1), || Duration::ZERO, |_, _| Err::<(), _>("no room"));
        assert_eq!(fails, Err("no room"));
    }
}
