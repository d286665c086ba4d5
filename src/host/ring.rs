//! The ring between two threads: one producer, one consumer, bounded, wait-free.
//!
//! Over rtrb, which bench/host.rs measures against crossbeam's ArrayQueue and channel and std's
//! `sync_channel`. A full ring hands the value back (`Full`): what happens at the bound is the
//! caller's decision, never luck. Nothing allocates after `ring`.
//! Deliberately absent: waiting. A consumer that sleeps uses its own means.

/// The end that pushes.
#[derive(Debug)]
pub struct Producer<T>(rtrb::Producer<T>);

/// The end that pops.
#[derive(Debug)]
pub struct Consumer<T>(rtrb::Consumer<T>);

/// The ring was full; here is the value again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring is full")]
pub struct Full<T>(pub T);

/// A ring for up to `capacity` values (a ring of zero is always full).
#[must_use]
pub fn ring<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let (producer, consumer) = rtrb::RingBuffer::new(capacity);
    (Producer(producer), Consumer(consumer))
}

impl<T> Producer<T> {
    /// Appends a value.
    ///
    /// # Errors
    /// `Full` with the value when the consumer is behind by the whole capacity.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), Full<T>> {
        self.0.push(value).map_err(|rtrb::PushError::Full(value)| Full(value))
    }

    /// Values that fit now; the consumer may make more room at any time.
    #[inline]
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.slots()
    }

    /// Whether the consumer is gone.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }
}

impl<T> Consumer<T> {
    /// Takes the oldest value.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop().ok()
    }

    /// Looks at the oldest value.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        self.0.peek().ok()
    }

    /// Values that wait now; the producer may add more at any time.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.slots()
    }

    /// Whether none waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the producer is gone; what it left behind can still be popped.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// The two ends as one thing, so that ring, twin and canary run through one comparison.
    trait Queue {
        fn push(&mut self, value: u32) -> Result<(), Full<u32>>;
        fn pop(&mut self) -> Option<u32>;
        fn len(&self) -> usize;
    }

    struct Ring(Producer<u32>, Consumer<u32>);

    impl Queue for Ring {
        fn push(&mut self, value: u32) -> Result<(), Full<u32>> {
            self.0.push(value)
        }
        fn pop(&mut self) -> Option<u32> {
            self.1.pop()
        }
        fn len(&self) -> usize {
            self.1.len()
        }
    }

    /// The meaning; `overwrites` spoils it.
    struct Slow {
        values: VecDeque<u32>,
        capacity: usize,
        overwrites: bool,
    }

    impl Queue for Slow {
        fn push(&mut self, value: u32) -> Result<(), Full<u32>> {
            if self.values.len() == self.capacity {
                if !self.overwrites {
                    return Err(Full(value));
                }
                self.values.pop_front();
            }
            self.values.push_back(value);
            Ok(())
        }
        fn pop(&mut self) -> Option<u32> {
            self.values.pop_front()
        }
        fn len(&self) -> usize {
            self.values.len()
        }
    }

    /// `Some(value)` pushes, `None` pops.
    fn agrees(queue: &mut impl Queue, capacity: usize, steps: &[Option<u32>]) -> bool {
        let mut slow = Slow { values: VecDeque::new(), capacity, overwrites: false };
        steps.iter().all(|step| {
            let same = match step {
                Some(value) => queue.push(*value) == slow.push(*value),
                None => queue.pop() == slow.pop(),
            };
            same && queue.len() == slow.len()
        })
    }

    fn new_ring(capacity: usize) -> Ring {
        let (producer, consumer) = ring(capacity);
        Ring(producer, consumer)
    }

    proptest! {
        #[test]
        fn a_ring_is_a_bounded_queue(
            capacity in 1..9usize,
            steps in prop::collection::vec(prop::option::of(any::<u32>()), 0..200),
        ) {
            prop_assert!(agrees(&mut new_ring(capacity), capacity, &steps));
        }
    }

    #[test]
    fn canary_an_overwriting_ring_is_caught() {
        let steps = [Some(1), Some(2), Some(3), None];
        let mut spoiled = Slow { values: VecDeque::new(), capacity: 2, overwrites: true };
        assert!(agrees(&mut new_ring(2), 2, &steps));
        assert!(!agrees(&mut spoiled, 2, &steps));
    }

    #[test]
    fn every_value_crosses_threads_once_and_in_order() {
        const VALUES: u64 = if cfg!(miri) { 200 } else { 200_000 };
        let (mut producer, mut consumer) = ring(64);
        let sending = std::thread::spawn(move || {
            for value in 0..VALUES {
                let mut value = value;
                while let Err(Full(back)) = producer.push(value) {
                    value = back;
                    std::thread::yield_now();
                }
            }
        });
        let mut next = 0;
        while next < VALUES {
            match consumer.pop() {
                Some(value) => {
                    assert_eq!(value, next);
                    next += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        sending.join().expect("the producer does not panic");
        assert!(consumer.is_abandoned() && consumer.is_empty());
    }

    #[test]
    fn a_gone_consumer_is_noticed() {
        let (producer, consumer) = ring::<u8>(1);
        assert!(!producer.is_abandoned());
        drop(consumer);
        assert!(producer.is_abandoned() && producer.free() == 1);
    }
}
