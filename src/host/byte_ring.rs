//! A ring of records of any length between two threads: one writes into its memory, one reads there.
//!
//! Each record is a frame word (length and a tag of the caller's) and its words of eight bytes, always
//! in one piece: where a record would straddle the end, the rest of the ring is skipped. A push takes
//! all or nothing, and what a full ring means is the caller's decision.
//!
//! ```text
//!   | frame | words ... | frame | words ... | skip ......| (end of memory)
//!   frame: length in words u32, tag u32; a skip is a frame with the tag that nobody may use
//! ```
//!
//! Invariants: positions only grow, `head <= tail <= head + capacity`; the words in `head..tail` are
//! the consumer's, the others the producer's; ordinary pushes leave the reserve free, so that an
//! urgent one (a halt because the ring is full, its cancels, their reports) still fits. Nothing
//! allocates after `byte_ring`, nobody waits. Checked by loom and against a slow twin.
#![allow(
    unsafe_code,
    reason = "words change owner by an atomic position, which the compiler cannot see"
)]

use crossbeam::utils::CachePadded;
use sync::{Arc, AtomicBool, AtomicUsize, Guards, Ordering};

/// Tag of the frame that fills the rest of the memory before a record starts anew at its beginning.
const SKIP: u32 = u32::MAX;
/// Words of a cache line.
#[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
const LINE_WORDS: usize = 8;
/// Words asked for ahead: sixteen lines, about what a core can have under way.
#[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
const WARM_WORDS: usize = 16 * LINE_WORDS;

/// Whether a push may use the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Leaves the reserve free.
    Ordinary,
    /// May fill the ring to its last word.
    Urgent,
}

/// Why a push took nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The consumer is too far behind.
    #[error("the ring is full: {needed} words are needed and {free} are free")]
    Full {
        /// Words that the record needs now, frame and skip included.
        needed: usize,
        /// Words that it may use now.
        free: usize,
    },
    /// No record of this length ever fits for sure.
    #[error("a record of {words} words is too long for this ring, which takes up to {words_max}")]
    TooLong {
        /// Asked for.
        words: usize,
        /// The longest that fits wherever the ring stands.
        words_max: usize,
    },
}

/// The end that writes.
pub struct ByteProducer {
    shared: Arc<Shared>,
    tail: usize,
    /// The consumer's position when last looked at; it can only have grown since.
    head_seen: usize,
    reserve: usize,
}

/// The end that reads.
pub struct ByteConsumer {
    shared: Arc<Shared>,
    head: usize,
    tail_seen: usize,
}

struct Shared {
    memory: Memory,
    head: CachePadded<AtomicUsize>,
    tail: CachePadded<AtomicUsize>,
    producer_gone: AtomicBool,
    consumer_gone: AtomicBool,
}

/// Words whose owner the positions decide.
struct Memory {
    at: *mut u64,
    capacity: usize,
    guards: Guards,
}

// SAFETY: the words are plain numbers, and `head` and `tail` hand each of them to one side at a time
// with acquire and release.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

/// A ring of at least `words` words (rounded up to a power of two), of which the last `reserve` are
/// for urgent pushes only. Every page is touched.
#[must_use]
pub fn byte_ring(words: usize, reserve: usize) -> (ByteProducer, ByteConsumer) {
    let capacity = words.max(2).next_power_of_two();
    let shared = Arc::new(Shared {
        memory: Memory::new(capacity),
        head: CachePadded::new(AtomicUsize::new(0)),
        tail: CachePadded::new(AtomicUsize::new(0)),
        producer_gone: AtomicBool::new(false),
        consumer_gone: AtomicBool::new(false),
    });
    let producer = ByteProducer { shared: Arc::clone(&shared), tail: 0, head_seen: 0, reserve };
    (producer, ByteConsumer { shared, head: 0, tail_seen: 0 })
}

impl ByteProducer {
    /// Appends a record of `words` words that `fill` writes; what they held before is arbitrary.
    ///
    /// # Errors
    /// When it does not fit (now, or ever); then nothing changed and `fill` was not called.
    #[inline]
    pub fn push(
        &mut self,
        tag: u32,
        words: usize,
        urgency: Urgency,
        fill: impl FnOnce(&mut [u64]),
    ) -> Result<(), Refused> {
        assert_ne!(tag, SKIP, "Invariant: this tag means a skip");
        let capacity = self.shared.memory.capacity;
        if words > self.words_max() {
            return Err(Refused::TooLong { words, words_max: self.words_max() });
        }
        let index = self.tail & (capacity - 1);
        let skip = if index + 1 + words > capacity { capacity - index } else { 0 };
        let needed = skip + 1 + words;
        if needed > self.room(urgency) {
            self.head_seen = self.shared.head.load(Ordering::Acquire);
            let free = self.room(urgency);
            if needed > free {
                return Err(Refused::Full { needed, free });
            }
        }
        let memory = &self.shared.memory;
        let mut start = index;
        if skip > 0 {
            // SAFETY: the words from `tail` on are the producer's as far as `room` says, which
            // `needed` fits; these are the first `skip` of them, up to the end of the memory.
            unsafe { memory.write(index, 1)[0] = frame(SKIP, skip - 1) };
            start = 0;
        }
        // SAFETY: as above, the `1 + words` that follow the skip; they end within the memory.
        let record = unsafe { memory.write(start, 1 + words) };
        record[0] = frame(tag, words);
        fill(&mut record[1..]);
        self.tail = self.tail.wrapping_add(needed);
        self.shared.tail.store(self.tail, Ordering::Release);
        memory.warm(self.tail & (capacity - 1), 1 + words);
        Ok(())
    }

    /// Words in the longest record that fits an empty ring wherever it stands.
    #[inline]
    #[must_use]
    pub fn words_max(&self) -> usize {
        self.shared.memory.capacity / 2 - 1
    }

    /// Words that a push of this urgency may use, as of the last look at the consumer.
    #[inline]
    fn room(&self, urgency: Urgency) -> usize {
        let used = self.tail.wrapping_sub(self.head_seen);
        let free = self.shared.memory.capacity - used;
        match urgency {
            Urgency::Ordinary => free.saturating_sub(self.reserve),
            Urgency::Urgent => free,
        }
    }

    /// Whether records of `words` words altogether, frames and a skip included, fit now.
    #[inline]
    #[must_use]
    pub fn has_room(&mut self, words: usize, urgency: Urgency) -> bool {
        if words <= self.room(urgency) {
            return true;
        }
        self.head_seen = self.shared.head.load(Ordering::Acquire);
        words <= self.room(urgency)
    }

    /// Words that ordinary pushes may use now; the consumer may make more room at any time.
    #[must_use]
    pub fn free(&mut self) -> usize {
        self.head_seen = self.shared.head.load(Ordering::Acquire);
        self.room(Urgency::Ordinary)
    }

    /// Whether the consumer is gone.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.shared.consumer_gone.load(Ordering::Relaxed)
    }
}

impl ByteConsumer {
    /// The oldest record: its tag and its words.
    #[inline]
    #[must_use]
    pub fn front(&mut self) -> Option<(u32, &[u64])> {
        let (tag, words) = self.seek()?;
        let start = (self.head & (self.shared.memory.capacity - 1)) + 1;
        // SAFETY: `seek` found a whole record at `head`, before the published tail: its words are
        // the consumer's until `pop`, which the borrow of `self` excludes.
        Some((tag, unsafe { self.shared.memory.read(start, words) }))
    }

    /// Gives the oldest record's memory back; false when there is none.
    #[inline]
    pub fn pop(&mut self) -> bool {
        let Some((_, words)) = self.seek() else { return false };
        self.head = self.head.wrapping_add(1 + words);
        self.shared.head.store(self.head, Ordering::Release);
        true
    }

    /// Moves past a skip, if there is one, and looks at the frame at `head`.
    #[inline]
    fn seek(&mut self) -> Option<(u32, usize)> {
        // at most one skip stands before a record
        for _ in 0..2 {
            if self.head == self.tail_seen {
                self.tail_seen = self.shared.tail.load(Ordering::Acquire);
                if self.head == self.tail_seen {
                    return None;
                }
            }
            let memory = &self.shared.memory;
            // SAFETY: `head` is before the published tail, so the word there is the consumer's.
            let word = unsafe { memory.read(self.head & (memory.capacity - 1), 1)[0] };
            let (tag, words) = ((word >> 32) as u32, word as u32 as usize);
            if tag != SKIP {
                return Some((tag, words));
            }
            self.head = self.head.wrapping_add(1 + words);
        }
        None
    }

    /// Words in the longest record that the producer may push.
    #[must_use]
    pub fn words_max(&self) -> usize {
        self.shared.memory.capacity / 2 - 1
    }

    /// Whether nothing waits now.
    #[must_use]
    pub fn is_empty(&mut self) -> bool {
        self.seek().is_none()
    }

    /// Whether the producer is gone; what it left behind can still be taken.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.shared.producer_gone.load(Ordering::Acquire)
    }
}

impl Drop for ByteProducer {
    fn drop(&mut self) {
        self.shared.producer_gone.store(true, Ordering::Release);
    }
}

impl Drop for ByteConsumer {
    fn drop(&mut self) {
        self.shared.consumer_gone.store(true, Ordering::Relaxed);
    }
}

#[inline]
fn frame(tag: u32, words: usize) -> u64 {
    u64::from(tag) << 32 | words as u64
}

impl Memory {
    fn new(capacity: usize) -> Memory {
        // Ones, not zeros: zeroed memory would come from the kernel page by page, in the lane.
        let words = vec![1u64; capacity].into_boxed_slice();
        Memory { at: Box::into_raw(words).cast(), capacity, guards: Guards::new(capacity) }
    }

    /// Asks for the memory that a record like the last one will be written to: by then a ring that is
    /// larger than the caches has sent it away. Only a hint; nothing is read or written.
    #[inline]
    fn warm(&self, start: usize, words: usize) {
        #[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
        for line in (start..self.capacity.min(start + words.min(WARM_WORDS))).step_by(LINE_WORDS) {
            // SAFETY: a prefetch never faults, and the address lies in the allocation.
            unsafe {
                use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
                _mm_prefetch::<_MM_HINT_ET0>(self.at.add(line).cast::<i8>());
            }
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri), not(loom))))]
        let _ = (start, words);
    }

    /// # Safety
    /// `start + len` is at most the capacity and the words are the producer's.
    #[inline]
    #[allow(
        clippy::mut_from_ref,
        reason = "the positions, not the borrow, say whose words they are"
    )]
    unsafe fn write(&self, start: usize, len: usize) -> &mut [u64] {
        debug_assert!(start + len <= self.capacity, "Invariant: a record is in one piece");
        self.guards.written(start, len);
        // SAFETY: within the allocation, initialised in `new`, and nobody else's now.
        unsafe { std::slice::from_raw_parts_mut(self.at.add(start), len) }
    }

    /// # Safety
    /// `start + len` is at most the capacity and the words are the consumer's.
    #[inline]
    unsafe fn read(&self, start: usize, len: usize) -> &[u64] {
        debug_assert!(start + len <= self.capacity, "Invariant: a record is in one piece");
        self.guards.read(start, len);
        // SAFETY: within the allocation, initialised in `new`, and not written now.
        unsafe { std::slice::from_raw_parts(self.at.add(start), len) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw` of a slice of this length; both ends are gone.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(self.at, self.capacity)) });
    }
}

#[cfg(loom)]
mod sync {
    pub(super) use loom::sync::Arc;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    /// One guard a word: loom complains when one side touches it while the other may.
    pub(super) struct Guards(Vec<loom::cell::UnsafeCell<()>>);

    impl Guards {
        pub(super) fn new(words: usize) -> Guards {
            Guards((0..words).map(|_| loom::cell::UnsafeCell::new(())).collect())
        }

        pub(super) fn written(&self, start: usize, len: usize) {
            self.0[start..start + len].iter().for_each(|guard| guard.with_mut(|_| ()));
        }

        pub(super) fn read(&self, start: usize, len: usize) {
            self.0[start..start + len].iter().for_each(|guard| guard.with(|_| ()));
        }
    }
}

#[cfg(not(loom))]
mod sync {
    pub(super) use std::sync::Arc;
    pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    /// Nothing: only loom watches.
    pub(super) struct Guards;

    impl Guards {
        pub(super) const fn new(_words: usize) -> Guards {
            Guards
        }

        #[inline(always)]
        pub(super) const fn written(&self, _start: usize, _len: usize) {}

        #[inline(always)]
        pub(super) const fn read(&self, _start: usize, _len: usize) {}
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::thread;

    fn push(producer: &mut ByteProducer, value: u64) -> bool {
        producer.push(1, 1, Urgency::Ordinary, |words| words[0] = value).is_ok()
    }

    /// Every interleaving of three pushes into four words with three looks: whole and in order.
    #[test]
    fn records_arrive_whole_and_in_order() {
        loom::model(|| {
            let (mut producer, mut consumer) = byte_ring(4, 0);
            let sending =
                thread::spawn(move || (1..=3).filter(|value| push(&mut producer, *value)).count());
            let mut last = 0;
            let mut taken = 0;
            for _ in 0..3 {
                if let Some((1, [value])) = consumer.front() {
                    assert!(*value > last);
                    last = *value;
                    taken += 1;
                }
                consumer.pop();
            }
            let sent = sending.join().expect("the producer does not panic");
            while consumer.pop() {
                taken += 1;
            }
            assert_eq!(taken, sent);
            assert!(consumer.is_abandoned());
        });
    }

    /// A record published before it is written is read half done, and loom sees it.
    #[test]
    #[should_panic(expected = "Causality violation")]
    fn canary_a_relaxed_publication_is_caught() {
        loom::model(|| {
            let (producer, mut consumer) = byte_ring(4, 0);
            let sending = thread::spawn(move || {
                // SAFETY: the ring is empty; the order of the store is what is spoiled.
                let record = unsafe { producer.shared.memory.write(0, 2) };
                record.copy_from_slice(&[frame(1, 1), 7]);
                producer.shared.tail.store(2, Ordering::Relaxed);
            });
            let _ = consumer.front();
            sending.join().expect("the producer does not panic");
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// Both ends as one thing, so that ring, twin and canary run through one comparison.
    trait Queue {
        fn push(&mut self, tag: u32, words: &[u64], urgency: Urgency) -> Result<(), Refused>;
        fn pop(&mut self) -> Option<(u32, Vec<u64>)>;
    }

    struct Ring(ByteProducer, ByteConsumer);

    impl Queue for Ring {
        fn push(&mut self, tag: u32, words: &[u64], urgency: Urgency) -> Result<(), Refused> {
            self.0.push(tag, words.len(), urgency, |out| out.copy_from_slice(words))
        }
        fn pop(&mut self) -> Option<(u32, Vec<u64>)> {
            let front = self.1.front().map(|(tag, words)| (tag, words.to_vec()));
            assert_eq!(self.1.pop(), front.is_some());
            front
        }
    }

    /// The meaning: a queue that counts words, and what straddling the end costs.
    struct Slow {
        records: VecDeque<(u32, Vec<u64>, usize)>,
        capacity: usize,
        reserve: usize,
        written: usize,
        /// Spoils it: urgent pushes may not touch the reserve either.
        forgets_urgency: bool,
    }

    impl Slow {
        fn new(capacity: usize, reserve: usize) -> Slow {
            let records = VecDeque::new();
            Slow { records, capacity, reserve, written: 0, forgets_urgency: false }
        }
    }

    impl Queue for Slow {
        fn push(&mut self, tag: u32, words: &[u64], urgency: Urgency) -> Result<(), Refused> {
            let words_max = self.capacity / 2 - 1;
            if words.len() > words_max {
                return Err(Refused::TooLong { words: words.len(), words_max });
            }
            let mut needed = 1 + words.len();
            let to_end = self.capacity - self.written % self.capacity;
            if needed > to_end {
                needed += to_end;
            }
            let used: usize = self.records.iter().map(|(_, _, cost)| cost).sum();
            let mut free = self.capacity - used;
            if urgency == Urgency::Ordinary || self.forgets_urgency {
                free = free.saturating_sub(self.reserve);
            }
            if needed > free {
                return Err(Refused::Full { needed, free });
            }
            self.written += needed;
            self.records.push_back((tag, words.to_vec(), needed));
            Ok(())
        }
        fn pop(&mut self) -> Option<(u32, Vec<u64>)> {
            self.records.pop_front().map(|(tag, words, _)| (tag, words))
        }
    }

    /// `Some((words, urgent))` pushes, `None` pops.
    type Step = Option<(Vec<u64>, bool)>;

    fn agrees(queue: &mut impl Queue, capacity: usize, reserve: usize, steps: &[Step]) -> bool {
        let mut slow = Slow::new(capacity, reserve);
        steps.iter().enumerate().all(|(tag, step)| match step {
            Some((words, urgent)) => {
                let urgency = if *urgent { Urgency::Urgent } else { Urgency::Ordinary };
                queue.push(tag as u32, words, urgency) == slow.push(tag as u32, words, urgency)
            }
            None => queue.pop() == slow.pop(),
        })
    }

    fn new_ring(capacity: usize, reserve: usize) -> Ring {
        let (producer, consumer) = byte_ring(capacity, reserve);
        Ring(producer, consumer)
    }

    proptest! {
        #[test]
        fn a_byte_ring_is_a_bounded_queue(
            bits in 1..7u32,
            reserve in 0..20usize,
            steps in prop::collection::vec(
                prop::option::of((prop::collection::vec(any::<u64>(), 0..20), any::<bool>())),
                0..200,
            ),
        ) {
            let capacity = 1 << bits;
            prop_assert!(agrees(&mut new_ring(capacity, reserve), capacity, reserve, &steps));
        }
    }

    #[test]
    fn canary_a_ring_without_a_reserve_for_halts_is_caught() {
        let ordinary: Step = Some((vec![1; 3], false));
        let steps = [ordinary.clone(), ordinary.clone(), ordinary, Some((vec![2; 3], true))];
        assert!(agrees(&mut new_ring(16, 4), 16, 4, &steps));
        let mut spoiled = Slow { forgets_urgency: true, ..Slow::new(16, 4) };
        assert!(!agrees(&mut spoiled, 16, 4, &steps));
    }

    #[test]
    fn the_longest_record_fits_wherever_an_empty_ring_stands() {
        let mut ring = new_ring(32, 0);
        let longest = vec![7; ring.0.words_max()];
        for offset in 0..64 {
            assert_eq!(ring.push(1, &[], Urgency::Ordinary), Ok(()), "offset {offset}");
            assert_eq!(ring.pop(), Some((1, vec![])));
            assert_eq!(ring.push(2, &longest, Urgency::Ordinary), Ok(()), "offset {offset}");
            assert_eq!(ring.pop(), Some((2, longest.clone())));
        }
    }

    #[test]
    fn every_record_crosses_threads_once_whole_and_in_order() {
        const RECORDS: u64 = if cfg!(miri) { 200 } else { 200_000 };
        let (mut producer, mut consumer) = byte_ring(256, 16);
        let sending = std::thread::spawn(move || {
            for value in 0..RECORDS {
                let words = (value % 11) as usize;
                while producer
                    .push(value as u32, words, Urgency::Ordinary, |out| out.fill(value))
                    .is_err()
                {
                    std::thread::yield_now();
                }
            }
        });
        let mut next = 0;
        while next < RECORDS {
            match consumer.front() {
                Some((tag, words)) => {
                    assert_eq!((u64::from(tag), words.len() as u64), (next, next % 11));
                    assert!(words.iter().all(|word| *word == next), "{next}: {words:?}");
                    assert!(consumer.pop());
                    next += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        sending.join().expect("the producer does not panic");
        assert!(consumer.is_abandoned() && consumer.is_empty());
    }

    #[test]
    fn a_gone_end_is_noticed() {
        let (producer, consumer) = byte_ring(8, 0);
        assert!(!producer.is_abandoned() && !consumer.is_abandoned());
        drop(consumer);
        assert!(producer.is_abandoned());
    }
}
