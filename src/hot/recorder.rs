//! Where a lane's inputs and judgements go before their consequences leave: the journal's side of the
//! hot lane.
//!
//! [`RingRecorder`] writes each entry straight into the memory of a ring that the journal's thread
//! empties. Invariants: an input that finds no room is not consumed; a judgement always finds the room
//! that its input made sure of. Deliberately absent: the disk, waiting for it.

use super::outbox::OUTBOX_MAX;
use crate::host::byte_ring::{self, ByteProducer, Refused};
use crate::host::keeper::Keeper;
use crate::record::{Command, Digest, Entry, Input, Judgement, Link, Stamp};
use crate::units::Nanos;
use std::sync::Arc;

/// How much of the room an input may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// What is left beside the reserves.
    Ordinary,
    /// The first reserve too: what the venue says of orders, the loss of a link.
    Urgent,
    /// Everything: the halt that a full recorder leads to.
    Last,
}

impl Urgency {
    /// What an input may use.
    #[must_use]
    pub fn of(input: &Input<'_>) -> Urgency {
        match input {
            Input::Command(Command::Halt | Command::Flatten, _) => Urgency::Last,
            Input::Execution(_) | Input::Link(..) | Input::Command(..) => Urgency::Urgent,
            _ => Urgency::Ordinary,
        }
    }
}

/// Takes what a lane lives by.
pub trait Recorder {
    /// Whether there is room for the input and for every judgement it may lead to.
    fn has_room(&mut self, input: &Input<'_>) -> bool;
    /// Takes an input that had room.
    fn input(&mut self, stamp: Stamp, input: &Input<'_>);
    /// Takes what the gate said because of the last input.
    fn judgement(&mut self, stamp: Stamp, judgement: &Judgement);
    /// Takes the lane's hashes after an input; where there is no room, the next ones will do.
    fn digest(&mut self, stamp: Stamp, digest: &Digest);
    /// Takes a frame as it came, where frames are kept; false when it was left out for want of room.
    #[inline]
    fn frame(&mut self, _at: Nanos, _link: Link, _bytes: &[u8]) -> bool {
        true
    }
    /// Takes an incident in words; where there is no room, the report still has it.
    fn note(&mut self, at: Nanos, words: &str);
    /// Takes the end of a life that has nothing left to do.
    fn end(&mut self, at: Nanos);
    /// Whether what was taken will last; if not, `trouble` says why.
    fn is_fine(&self) -> bool;
    /// Why what is taken will not last, and what to do.
    fn trouble(&self) -> String;
    /// Whether what was taken last must become durable before its consequences leave, and has not yet.
    fn holds_back(&self) -> bool;
    /// Whether consequences ever wait for what is recorded.
    fn waits(&self) -> bool {
        false
    }
    /// Whether anybody listens.
    fn listens(&self) -> bool {
        true
    }
}

/// Nobody listens: replay, benches, and lanes that are told to keep no journal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unrecorded;

impl Recorder for Unrecorded {
    #[inline]
    fn has_room(&mut self, _: &Input<'_>) -> bool {
        true
    }
    #[inline]
    fn input(&mut self, _: Stamp, _: &Input<'_>) {}
    #[inline]
    fn judgement(&mut self, _: Stamp, _: &Judgement) {}
    #[inline]
    fn digest(&mut self, _: Stamp, _: &Digest) {}
    #[inline]
    fn note(&mut self, _: Nanos, _: &str) {}
    fn end(&mut self, _: Nanos) {}
    #[inline]
    fn is_fine(&self) -> bool {
        true
    }
    fn trouble(&self) -> String {
        String::new()
    }
    #[inline]
    fn holds_back(&self) -> bool {
        false
    }
    #[inline]
    fn listens(&self) -> bool {
        false
    }
}

/// Words before an entry's own: its frame in the ring, and its time.
const FRAME_WORDS: usize = 2;
/// Words of one judgement in the ring.
const JUDGEMENT_WORDS: usize = 24;
/// What one step may say besides its input: a judgement per slot.
const STEP_WORDS: usize = OUTBOX_MAX * JUDGEMENT_WORDS;
/// Kept back from urgent inputs for the halt, its judgements, and a digest.
const LAST_WORDS: usize = 2 * STEP_WORDS;
/// What a ring must keep free of ordinary inputs.
pub const RESERVE_WORDS: usize = 4 * LAST_WORDS;
/// Words of a ring for a lane: 8 MiB, tens of thousands of book changes.
pub const RING_WORDS: usize = 1 << 20;

/// Writes entries into a ring: the tag is the entry's kind, the first word its time.
pub struct RingRecorder {
    ring: ByteProducer,
    keeper: Arc<dyn Keeper>,
    /// Number of the last entry pushed.
    pushed: u64,
    /// Whether orders wait until what led to them is durable.
    waits: bool,
    /// Whether frames are kept as they came.
    keeps_frames: bool,
    /// Entries that found no room although room had been made sure of: a bug, and counted.
    dropped: u64,
}

impl RingRecorder {
    /// A recorder on a ring with a reserve of `RESERVE_WORDS`, whose first entry will have the number
    /// `next`; `waits` holds orders back until what led to them is durable.
    #[must_use]
    pub fn new(
        ring: ByteProducer,
        keeper: Arc<dyn Keeper>,
        next: u64,
        waits: bool,
    ) -> RingRecorder {
        RingRecorder { ring, keeper, pushed: next - 1, waits, keeps_frames: false, dropped: 0 }
    }

    /// The same, and frames are kept as they came if `keeps`.
    #[must_use]
    pub fn keeping_frames(mut self, keeps: bool) -> RingRecorder {
        self.keeps_frames = keeps;
        self
    }

    /// Number of the last entry pushed.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// When it does not fit; then nothing was written.
    #[inline]
    pub fn push(
        &mut self,
        at: Nanos,
        entry: &Entry<'_>,
        urgency: byte_ring::Urgency,
    ) -> Result<(), Refused> {
        let words = entry.words();
        self.ring.push(entry.kind().code().into(), 1 + words, urgency, |memory| {
            memory[0] = at.0;
            entry.write(&mut memory[1..]);
        })?;
        self.pushed += 1;
        Ok(())
    }

    fn push_sure(&mut self, at: Nanos, entry: &Entry<'_>) {
        if self.push(at, entry, byte_ring::Urgency::Urgent).is_err() {
            debug_assert!(false, "Invariant: `has_room` said that it fits");
            self.dropped += 1;
        }
    }
}

impl Recorder for RingRecorder {
    #[inline]
    fn has_room(&mut self, input: &Input<'_>) -> bool {
        // Twice: where the ring's memory ends, as much again may be skipped.
        let words = 2 * (FRAME_WORDS + 1 + Entry::Input { sequence: 0, input: *input }.words());
        let step = 2 * STEP_WORDS;
        match Urgency::of(input) {
            Urgency::Ordinary => self.ring.has_room(words + step, byte_ring::Urgency::Ordinary),
            Urgency::Urgent => {
                self.ring.has_room(words + step + LAST_WORDS, byte_ring::Urgency::Urgent)
            }
            Urgency::Last => self.ring.has_room(words + STEP_WORDS, byte_ring::Urgency::Urgent),
        }
    }

    #[inline]
    fn input(&mut self, stamp: Stamp, input: &Input<'_>) {
        let entry = Entry::Input { sequence: stamp.sequence, input: *input };
        self.push_sure(stamp.received, &entry);
    }

    fn judgement(&mut self, stamp: Stamp, judgement: &Judgement) {
        let entry = Entry::Judgement { input: stamp.sequence, judgement: *judgement };
        self.push_sure(stamp.received, &entry);
    }

    fn digest(&mut self, stamp: Stamp, digest: &Digest) {
        let entry = Entry::Digest(*digest);
        // Left out where it does not fit: only a comparison is lost.
        let _ = self.push(stamp.received, &entry, byte_ring::Urgency::Ordinary);
    }

    #[inline]
    fn frame(&mut self, at: Nanos, link: Link, bytes: &[u8]) -> bool {
        if !self.keeps_frames {
            return true;
        }
        // Frames are evidence, inputs are what the lane lives by: half of the ring stays theirs.
        let is_roomy = self.ring.has_room(self.ring.words_max(), byte_ring::Urgency::Ordinary);
        let entry = Entry::RawFrame { link, bytes };
        is_roomy && self.push(at, &entry, byte_ring::Urgency::Ordinary).is_ok()
    }

    fn end(&mut self, at: Nanos) {
        // As above: a life that cannot say that it ended is read as one that was killed.
        let _ = self.push(at, &Entry::End, byte_ring::Urgency::Urgent);
    }

    #[inline]
    fn is_fine(&self) -> bool {
        self.keeper.is_fine() && self.dropped == 0
    }

    fn trouble(&self) -> String {
        if self.dropped > 0 {
            return format!("{} entries were lost on the way to the journal: a bug", self.dropped);
        }
        self.keeper.trouble()
    }

    fn waits(&self) -> bool {
        self.waits
    }

    #[inline]
    fn holds_back(&self) -> bool {
        self.waits && self.keeper.durable() < self.pushed && self.keeper.is_fine()
    }

    fn note(&mut self, at: Nanos, words: &str) {
        // As above: the report of the run has it too.
        let _ = self.push(at, &Entry::Note(words), byte_ring::Urgency::Ordinary);
    }
}
