//! The Plan cell: one writer publishes whole values, readers see the newest one, nobody waits.
//!
//! A triple buffer per reader. Of its three slots the writer owns `back`, the reader owns `front`,
//! and `middle` changes hands by one atomic swap, so no slot ever has two owners:
//!
//! ```text
//!   writer: back := value; back <-> middle, marked fresh
//!   reader: if middle is fresh: front <-> middle; read front
//! ```
//!
//! Invariants: a read is never torn, never older than an earlier read, and after a publication that
//! happened before it, never older than that. Both sides are wait-free. Nothing allocates after
//! `cell`. Checked by loom (`RUSTFLAGS="--cfg loom" cargo test --lib host::cell`) and under load.
//! Deliberately absent: history. A value that the reader was too slow to see is gone.
#![allow(
    unsafe_code,
    reason = "slots change owner by an atomic index, which the compiler cannot see"
)]

use bytemuck::Pod;
use crossbeam::utils::CachePadded;
use sync::{Arc, AtomicU8, Ordering, UnsafeCell};

/// Low bits of `middle`: which slot.
const INDEX: u8 = 0b011;
/// Set in `middle` by the writer, cleared by the reader.
const FRESH: u8 = 0b100;

/// The only writer.
pub struct Writer<T: Pod> {
    buffers: Vec<Back<T>>,
}

/// One of the readers; move it to the thread that reads.
pub struct Reader<T: Pod> {
    buffer: Arc<Triple<T>>,
    front: u8,
}

struct Back<T> {
    buffer: Arc<Triple<T>>,
    back: u8,
}

struct Triple<T> {
    slots: [CachePadded<UnsafeCell<T>>; 3],
    middle: CachePadded<AtomicU8>,
}

// SAFETY: `middle` hands each slot to one side at a time with acquire and release, so a value is
// only ever moved between threads, which `T: Send` allows.
unsafe impl<T: Send> Sync for Triple<T> {}
// SAFETY: as above; the slots hold plain values.
unsafe impl<T: Send> Send for Triple<T> {}

/// A cell that holds `initial`, with as many readers as asked for.
#[must_use]
pub fn cell<T: Pod>(initial: T, readers: usize) -> (Writer<T>, Vec<Reader<T>>) {
    let buffers: Vec<_> = (0..readers).map(|_| Arc::new(Triple::new(initial))).collect();
    let fronts =
        buffers.iter().map(|buffer| Reader { buffer: Arc::clone(buffer), front: 0 }).collect();
    (
        Writer { buffers: buffers.into_iter().map(|buffer| Back { buffer, back: 2 }).collect() },
        fronts,
    )
}

impl<T: Pod> Writer<T> {
    /// Gives every reader this value. Two copies of `T` never overlap, so a slow reader costs
    /// nothing.
    pub fn publish(&mut self, value: &T) {
        for Back { buffer, back } in &mut self.buffers {
            // SAFETY: `back` is the writer's until the swap below.
            buffer.slots[usize::from(*back)].with_mut(|slot| unsafe { *slot = *value });
            *back = buffer.middle.swap(*back | FRESH, Ordering::AcqRel) & INDEX;
        }
    }
}

impl<T: Pod> Reader<T> {
    /// The newest value.
    #[inline]
    pub fn read(&mut self) -> &T {
        if self.changed() {
            self.front = self.buffer.middle.swap(self.front, Ordering::AcqRel) & INDEX;
        }
        self.current()
    }

    /// The value of the last `read` (or the initial one), even when a newer one waits.
    #[inline]
    #[must_use]
    pub fn current(&self) -> &T {
        // SAFETY: `front` is this reader's until its next `read`, which the borrow of `self`
        // excludes.
        self.buffer.slots[usize::from(self.front)].with(|slot| unsafe { &*slot })
    }

    /// Whether `read` would give a value that it has not given before.
    #[inline]
    #[must_use]
    pub fn changed(&self) -> bool {
        // Relaxed: the swap in `read` is what acquires.
        self.buffer.middle.load(Ordering::Relaxed) & FRESH != 0
    }
}

impl<T: Copy> Triple<T> {
    fn new(initial: T) -> Triple<T> {
        let slot = || CachePadded::new(UnsafeCell::new(initial));
        Triple { slots: [slot(), slot(), slot()], middle: CachePadded::new(AtomicU8::new(1)) }
    }
}

#[cfg(loom)]
mod sync {
    pub(super) use loom::cell::UnsafeCell;
    pub(super) use loom::sync::Arc;
    pub(super) use loom::sync::atomic::{AtomicU8, Ordering};
}

#[cfg(not(loom))]
mod sync {
    pub(super) use std::sync::Arc;
    pub(super) use std::sync::atomic::{AtomicU8, Ordering};

    /// The std cell with loom's interface.
    pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(super) const fn new(value: T) -> UnsafeCell<T> {
            UnsafeCell(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(super) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        #[inline(always)]
        pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::thread;

    /// Every interleaving of two publications with three reads: whole, in order, the last one seen.
    #[test]
    fn readers_see_whole_values_in_order() {
        loom::model(|| {
            let (mut writer, mut readers) = cell([0u64; 2], 1);
            let mut reader = readers.remove(0);
            let publisher = thread::spawn(move || {
                writer.publish(&[1; 2]);
                writer.publish(&[2; 2]);
            });
            let mut last = 0;
            for _ in 0..2 {
                let [a, b] = *reader.read();
                assert_eq!(a, b, "torn");
                assert!(a >= last, "{a} after {last}");
                assert_eq!(*reader.current(), [a, b], "the slot changed under its reader");
                last = a;
            }
            publisher.join().expect("the publisher does not panic");
            assert_eq!(*reader.read(), [2; 2], "the newest value is seen");
            assert!(!reader.changed());
        });
    }

    #[test]
    fn two_readers_do_not_disturb_each_other() {
        loom::model(|| {
            let (mut writer, mut readers) = cell(0u64, 2);
            let mut far = readers.remove(1);
            let mut near = readers.remove(0);
            let reading = thread::spawn(move || *far.read());
            writer.publish(&7);
            assert_eq!(*near.read(), 7);
            let seen = reading.join().expect("the reader does not panic");
            assert!(seen == 0 || seen == 7, "{seen}");
        });
    }

    /// Two slots are too few: the writer overwrites what the reader reads, and loom sees it.
    #[test]
    #[should_panic(expected = "Causality violation")]
    fn canary_a_double_buffer_is_caught() {
        loom::model(|| {
            let (mut writer, mut readers) = cell([0u64; 2], 1);
            let mut reader = readers.remove(0);
            let publisher = thread::spawn(move || {
                for value in 1..3 {
                    let Back { buffer, back } = &mut writer.buffers[0];
                    *back = 1 - (*back & 1); // only slots 0 and 1, whoever holds them
                    // SAFETY: none; that is the point of the canary.
                    buffer.slots[usize::from(*back)].with_mut(|slot| unsafe { *slot = [value; 2] });
                    buffer.middle.store(*back | FRESH, Ordering::Release);
                }
            });
            let _ = reader.read();
            let _ = reader.read();
            publisher.join().expect("the publisher does not panic");
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::time::{Duration, Instant};

    /// Large enough that copying it takes a while: a torn copy is easy to meet.
    const WORDS: usize = 512;
    /// Publications of one stress run.
    const PUBLICATIONS: u64 = if cfg!(miri) { 50 } else { 200_000 };
    /// The canary must be caught within this; it takes microseconds on two cores.
    const CANARY_PATIENCE: Duration = Duration::from_secs(20);

    type Value = [u64; WORDS];

    /// What the checker saw wrong in one read.
    fn fault(value: &Value, last: u64) -> Option<String> {
        let first = value[0];
        if let Some(word) = value.iter().find(|word| **word != first) {
            return Some(format!("torn: {first} and {word}"));
        }
        (first < last).then(|| format!("{first} after {last}"))
    }

    /// Reads until the writer is done (or a fault shows); gives the fault or the last value seen.
    fn watch(mut read: impl FnMut() -> Value, done: &AtomicBool) -> Result<u64, String> {
        let mut last = 0;
        loop {
            let finished = done.load(Ordering::Acquire);
            let value = read();
            match fault(&value, last) {
                Some(fault) => return Err(fault),
                None => last = value[0],
            }
            if finished {
                return Ok(last);
            }
        }
    }

    #[test]
    fn readers_under_load_see_whole_values_in_order() {
        let (mut writer, readers) = cell([0u64; WORDS], 3);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watches: Vec<_> = readers
                .into_iter()
                .map(|mut reader| {
                    let done = &done;
                    scope.spawn(move || watch(|| *reader.read(), done))
                })
                .collect();
            for value in 1..=PUBLICATIONS {
                writer.publish(&[value; WORDS]);
            }
            done.store(true, Ordering::Release);
            for watch in watches {
                assert_eq!(watch.join().expect("the checker does not panic"), Ok(PUBLICATIONS));
            }
        });
    }

    /// A cell without an owner rule, one relaxed word after the other: the checker must see it
    /// tear.
    #[test]
    fn canary_a_torn_cell_is_caught() {
        let torn: Vec<AtomicU64> = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        let done = AtomicBool::new(false);
        let caught = std::thread::scope(|scope| {
            let watching = scope.spawn(|| {
                let caught =
                    watch(|| std::array::from_fn(|i| torn[i].load(Ordering::Relaxed)), &done);
                done.store(true, Ordering::Release);
                caught
            });
            let start = Instant::now();
            let mut value = 0;
            while !done.load(Ordering::Acquire) && start.elapsed() < CANARY_PATIENCE {
                value += 1;
                for word in &torn {
                    word.store(value, Ordering::Relaxed);
                }
                if cfg!(miri) {
                    std::thread::yield_now();
                }
            }
            done.store(true, Ordering::Release);
            watching.join().expect("the checker does not panic")
        });
        assert!(caught.is_err(), "the checker missed a torn cell: {caught:?}");
    }

    #[test]
    fn a_reader_knows_whether_anything_changed() {
        let (mut writer, mut readers) = cell(1u64, 2);
        let mut reader = readers.remove(0);
        assert!(!reader.changed());
        assert_eq!(*reader.read(), 1);
        writer.publish(&2);
        writer.publish(&3);
        assert!(reader.changed());
        assert_eq!(*reader.current(), 1, "nothing is adopted before a read");
        assert_eq!(*reader.read(), 3);
        assert!(!reader.changed());
        drop(writer);
        assert_eq!((*reader.read(), *readers[0].read()), (3, 3), "values outlive the writer");
    }

    #[test]
    fn no_readers_is_a_cell_too() {
        let (mut writer, readers) = cell(1u64, 0);
        writer.publish(&2);
        assert!(readers.is_empty());
    }
}
