//! When each message was meant to leave its sender: a table between two ends in one process.
//!
//! Both ends name a message alike: by its connection's handshake key and its place in the stream. The
//! sender notes the intended time before the message leaves; the receiver asks for it by that name.
//! A slot that a later message has taken over answers nothing: the caller counts it, and never guesses.
//! Invariants: one writer; no lock, no allocation after `new`; an answer is never torn. Checked by loom
//! (`RUSTFLAGS="--cfg loom" cargo test --lib host::schedule`).

use crate::units::Nanos;
use sync::{AtomicU64, Ordering, fence};

/// Messages remembered: some fifteen seconds of a busy stream, 1 MiB.
const SLOTS: usize = if cfg!(loom) { 2 } else { 1 << 16 };
/// A slot that is empty or being written.
const NOBODY: u64 = 0;

/// Names a message on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageName(u64);

/// The table.
#[derive(Debug)]
pub struct Schedule {
    slots: Box<[Slot]>,
}

#[derive(Debug)]
struct Slot {
    name: AtomicU64,
    at: AtomicU64,
}

impl MessageName {
    /// The first message of a connection; its key differs from every other connection's.
    #[must_use]
    pub fn first(handshake_key: &str) -> MessageName {
        // FNV-1a: keys are random, so that ranges of 2^64 names do not meet.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        MessageName(handshake_key.bytes().fold(0xcbf2_9ce4_8422_2325, mix))
    }

    /// This name; `self` becomes the next message's.
    #[inline]
    pub fn take(&mut self) -> MessageName {
        let taken = *self;
        self.0 = self.0.wrapping_add(1);
        taken
    }

    fn slot(self) -> usize {
        self.0 as usize % SLOTS
    }
}

impl Schedule {
    /// A table that knows nothing.
    #[must_use]
    pub fn new() -> Schedule {
        let slot = |_| Slot { name: AtomicU64::new(NOBODY), at: AtomicU64::new(0) };
        Schedule { slots: (0..SLOTS).map(slot).collect() }
    }

    /// Notes when a message is meant to leave; call on one thread only, before it leaves.
    pub fn note(&self, message: MessageName, at: Nanos) {
        let slot = &self.slots[message.slot()];
        slot.name.store(NOBODY, Ordering::Relaxed);
        fence(Ordering::Release); // nobody pairs the new time with the old name
        slot.at.store(at.0, Ordering::Relaxed);
        slot.name.store(message.0, Ordering::Release);
    }

    /// When a message was meant to leave; none where that was not noted, or no longer is.
    #[inline]
    #[must_use]
    pub fn intended(&self, message: MessageName) -> Option<Nanos> {
        let slot = &self.slots[message.slot()];
        if slot.name.load(Ordering::Acquire) != message.0 {
            return None;
        }
        let at = slot.at.load(Ordering::Relaxed);
        fence(Ordering::Acquire); // the name is read again after the time
        (slot.name.load(Ordering::Relaxed) == message.0).then_some(Nanos(at))
    }
}

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule::new()
    }
}

#[cfg(loom)]
mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

#[cfg(not(loom))]
mod sync {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// Two messages share a slot; whatever the interleaving, each is answered with its own time.
    #[test]
    fn an_answer_is_never_anothers() {
        loom::model(|| {
            let schedule = Arc::new(Schedule::new());
            let (one, other) = (MessageName(1), MessageName(1 + SLOTS as u64));
            let writer = Arc::clone(&schedule);
            let writing = thread::spawn(move || {
                writer.note(one, Nanos(10));
                writer.note(other, Nanos(20));
            });
            assert!(matches!(schedule.intended(one), None | Some(Nanos(10))));
            assert!(matches!(schedule.intended(other), None | Some(Nanos(20))));
            writing.join().expect("the writer does not panic");
            assert_eq!((schedule.intended(one), schedule.intended(other)), (None, Some(Nanos(20))));
        });
    }

    /// A writer that does not empty the slot first is caught.
    #[test]
    #[should_panic(expected = "another's time")]
    fn canary_a_slot_that_keeps_its_name_is_caught() {
        loom::model(|| {
            let schedule = Arc::new(Schedule::new());
            schedule.note(MessageName(1), Nanos(10));
            let writer = Arc::clone(&schedule);
            let writing = thread::spawn(move || {
                let slot = &writer.slots[1];
                slot.at.store(20, Ordering::Relaxed);
                slot.name.store(1 + SLOTS as u64, Ordering::Release);
            });
            let seen = schedule.intended(MessageName(1));
            assert!(matches!(seen, None | Some(Nanos(10))), "another's time");
            writing.join().expect("the writer does not panic");
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn both_ends_name_messages_alike_and_connections_apart() {
        let (mut sender, mut receiver) = (MessageName::first("a=="), MessageName::first("a=="));
        let mut other = MessageName::first("b==");
        let schedule = Schedule::new();
        for at in 0..10 {
            schedule.note(sender.take(), Nanos(at));
        }
        for at in 0..10 {
            assert_eq!(schedule.intended(receiver.take()), Some(Nanos(at)));
            assert_eq!(schedule.intended(other.take()), None);
        }
        assert_eq!(schedule.intended(receiver.take()), None, "not noted yet");
    }

    #[test]
    fn what_is_overwritten_is_not_guessed() {
        let schedule = Schedule::new();
        let mut name = MessageName::first("a==");
        let first = name.take();
        schedule.note(first, Nanos(1));
        for _ in 0..SLOTS {
            schedule.note(name.take(), Nanos(2));
        }
        assert_eq!(schedule.intended(first), None);
    }
}
