//! The venue's synchronisation rules for one book, as a pure state machine.
//!
//! Diffs are buffered until a snapshot fits them; then the first diff used must bridge the snapshot
//! and each later one must chain to the one before:
//!
//! | | dropped as old | bridge | chain |
//! | --- | --- | --- | --- |
//! | spot | `u <= lastUpdateId` | `U <= lastUpdateId + 1 <= u` | `U == previous u + 1` |
//! | futures | `u < lastUpdateId` | `U <= lastUpdateId <= u` | `pu == previous u` |
//!
//! A broken chain is a gap: the book is not to be trusted until the next snapshot. A repeated or
//! older diff is dropped. Bound: `BUFFER_DIFFS` diffs or `BUFFER_LEVELS` levels wait at most; when
//! they are full the buffer starts over, which only means that a newer snapshot is needed.
//! Deliberately absent: the book, the request for the snapshot.

use super::Family;
use crate::record::{DepthDiff, Level, Tape};
use crate::units::{InstrumentId, UnixNanos};

/// Diffs that may wait for a snapshot: 40 s of a 100 Hz stream.
pub const BUFFER_DIFFS: usize = 4_096;
/// Levels of waiting diffs, both sides together.
pub const BUFFER_LEVELS: usize = 1 << 17;

/// What to do with a diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffStep {
    /// Apply it to the book.
    Apply,
    /// It waits for a snapshot.
    Buffered,
    /// It is older than the book: ignore it.
    Old,
    /// Diffs are missing: the book is void, this diff waits for the next snapshot.
    Gap {
        /// Update id that should have been the previous one.
        expected: u64,
        /// Update id that the diff names as its previous one.
        got: u64,
    },
}

/// Whether a snapshot can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotStep {
    /// Load it, then apply what `replay` gives.
    Load,
    /// The diffs between it and the first one waiting are missing: ask for another.
    TooOld {
        /// `lastUpdateId` of the snapshot.
        last_update: u64,
        /// First update id of the first waiting diff that is not older.
        first_waiting: u64,
    },
    /// The book is synchronised already: ignore it.
    Unneeded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No snapshot yet.
    Waiting,
    /// A snapshot is loaded; the next diff must bridge it.
    Bridging { last_update: u64 },
    /// Diffs chain.
    Chained { last_update: u64 },
}

/// Numbers of a waiting diff; its levels lie in the arena, bids then asks.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    diff: DepthDiff<'static>,
    start: usize,
    bids: usize,
    asks: usize,
}

impl Waiting {
    fn words(&self) -> [u64; 10] {
        let diff = &self.diff;
        [
            u64::from(diff.instrument.0),
            diff.first_update,
            diff.last_update,
            u64::from(diff.previous_update.is_some()),
            diff.previous_update.unwrap_or(0),
            diff.event_time.0,
            diff.transaction_time.0,
            self.start as u64,
            self.bids as u64,
            self.asks as u64,
        ]
    }

    fn of_words(words: &[u64; 10]) -> Waiting {
        let [instrument, first, last, has_previous, previous, event, transaction, at, bids, asks] =
            *words;
        let diff = DepthDiff {
            instrument: InstrumentId(instrument as u32),
            first_update: first,
            last_update: last,
            previous_update: (has_previous != 0).then_some(previous),
            event_time: UnixNanos(event),
            transaction_time: UnixNanos(transaction),
            bids: &[],
            asks: &[],
        };
        Waiting { diff, start: at as usize, bids: bids as usize, asks: asks as usize }
    }
}

/// Synchronisation of one book.
#[derive(Clone, Debug)]
pub struct Sync {
    family: Family,
    state: State,
    waiting: Vec<Waiting>,
    arena: Vec<Level>,
    gaps: u64,
    old: u64,
    overflows: u64,
}

impl Sync {
    /// A book that waits for its snapshot.
    #[must_use]
    pub fn new(family: Family) -> Sync {
        Sync {
            family,
            state: State::Waiting,
            waiting: Vec::with_capacity(BUFFER_DIFFS),
            arena: Vec::with_capacity(BUFFER_LEVELS),
            gaps: 0,
            old: 0,
            overflows: 0,
        }
    }

    /// Whether the book can be trusted.
    #[must_use]
    pub const fn is_synchronised(&self) -> bool {
        !matches!(self.state, State::Waiting)
    }

    /// Gaps since construction.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Repeated or older diffs ignored since construction.
    #[must_use]
    pub const fn old(&self) -> u64 {
        self.old
    }

    /// Times the buffer filled up before a snapshot came.
    #[must_use]
    pub const fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Saves the synchronisation or brings it back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("synchronisation");
        let (mut kind, mut last_update) = match self.state {
            State::Waiting => (0, 0),
            State::Bridging { last_update } => (1, last_update),
            State::Chained { last_update } => (2, last_update),
        };
        tape.code(&mut kind, &[0, 1, 2]);
        tape.pod(&mut last_update);
        self.state = match kind {
            0 => State::Waiting,
            1 => State::Bridging { last_update },
            _ => State::Chained { last_update },
        };
        let mut waiting: Vec<[u64; 10]> = self.waiting.iter().map(Waiting::words).collect();
        tape.list(&mut waiting, BUFFER_DIFFS);
        tape.list(&mut self.arena, BUFFER_LEVELS);
        if tape.is_loading() && !tape.has_failed() {
            self.waiting.clear();
            self.waiting.extend(waiting.iter().map(Waiting::of_words));
            let end = |of: &Waiting| of.start.saturating_add(of.bids).saturating_add(of.asks);
            if let Some(bad) = self.waiting.iter().map(end).find(|end| *end > self.arena.len()) {
                self.forget();
                return tape.refuse(bad as u64);
            }
        }
        for count in [&mut self.gaps, &mut self.old, &mut self.overflows] {
            tape.pod(count);
        }
    }

    /// Voids the book, as after a lost connection or a frame that could not be read.
    pub fn reset(&mut self) {
        self.state = State::Waiting;
        self.forget();
    }

    /// Continues a book whose last update is known, without a snapshot.
    pub fn resume(&mut self, last_update: u64) {
        self.forget();
        self.state = State::Chained { last_update };
    }

    /// Takes a diff.
    pub fn on_diff(&mut self, diff: &DepthDiff<'_>) -> DiffStep {
        match self.state {
            State::Waiting => {
                self.buffer(diff);
                DiffStep::Buffered
            }
            State::Bridging { last_update } => {
                if self.is_old(diff, last_update) {
                    self.old += 1;
                    return DiffStep::Old;
                }
                if !self.bridges(diff, last_update) {
                    return self.gap(diff, last_update);
                }
                self.state = State::Chained { last_update: diff.last_update };
                DiffStep::Apply
            }
            State::Chained { last_update } => {
                if diff.last_update <= last_update {
                    self.old += 1;
                    return DiffStep::Old;
                }
                if previous(diff) != last_update {
                    return self.gap(diff, last_update);
                }
                self.state = State::Chained { last_update: diff.last_update };
                DiffStep::Apply
            }
        }
    }

    /// Judges a snapshot; changes the state only when it is to be loaded.
    pub fn on_snapshot(&mut self, last_update: u64) -> SnapshotStep {
        if self.is_synchronised() {
            return SnapshotStep::Unneeded;
        }
        let first = self.waiting.iter().find(|held| !self.is_old(&held.diff, last_update));
        if let Some(held) = first
            && !self.bridges(&held.diff, last_update)
        {
            let first_waiting = held.diff.first_update;
            return SnapshotStep::TooOld { last_update, first_waiting };
        }
        self.state = State::Bridging { last_update };
        SnapshotStep::Load
    }

    /// After `SnapshotStep::Load`: hands every waiting diff that is not older to `apply`, in order.
    pub fn replay(&mut self, apply: &mut dyn FnMut(&DepthDiff<'_>)) {
        let State::Bridging { last_update } = self.state else { return };
        for held in &self.waiting {
            if self.is_old(&held.diff, last_update) {
                self.old += 1;
                continue;
            }
            let (bids, asks) =
                self.arena[held.start..held.start + held.bids + held.asks].split_at(held.bids);
            apply(&DepthDiff { bids, asks, ..held.diff });
            self.state = State::Chained { last_update: held.diff.last_update };
        }
        self.forget();
    }

    fn is_old(&self, diff: &DepthDiff<'_>, last_update: u64) -> bool {
        match self.family {
            Family::Spot => diff.last_update <= last_update,
            Family::UsdM | Family::CoinM => diff.last_update < last_update,
        }
    }

    fn bridges(&self, diff: &DepthDiff<'_>, last_update: u64) -> bool {
        let target = match self.family {
            Family::Spot => last_update.saturating_add(1),
            Family::UsdM | Family::CoinM => last_update,
        };
        let straddles = diff.first_update <= target && target <= diff.last_update;
        straddles || previous(diff) == last_update // nothing can be missing between the two
    }

    fn gap(&mut self, diff: &DepthDiff<'_>, expected: u64) -> DiffStep {
        self.gaps += 1;
        self.state = State::Waiting;
        self.forget();
        self.buffer(diff);
        DiffStep::Gap { expected, got: previous(diff) }
    }

    /// Keeps a diff for the snapshot; one that does not chain to those waiting starts the wait over.
    fn buffer(&mut self, diff: &DepthDiff<'_>) {
        if let Some(last) = self.waiting.last() {
            if diff.last_update <= last.diff.last_update {
                self.old += 1;
                return;
            }
            if previous(diff) != last.diff.last_update {
                self.gaps += 1;
                self.forget();
            }
        }
        let levels = diff.bids.len() + diff.asks.len();
        let full = self.waiting.len() == BUFFER_DIFFS || self.arena.len() + levels > BUFFER_LEVELS;
        if full {
            self.overflows += 1;
            self.forget();
        }
        if levels > BUFFER_LEVELS {
            return;
        }
        let start = self.arena.len();
        self.arena.extend_from_slice(diff.bids);
        self.arena.extend_from_slice(diff.asks);
        let (bids, asks) = (diff.bids.len(), diff.asks.len());
        let diff = DepthDiff { bids: &[], asks: &[], ..*diff };
        self.waiting.push(Waiting { diff, start, bids, asks });
    }

    fn forget(&mut self) {
        self.waiting.clear();
        self.arena.clear();
    }
}

/// Update id that the diff says came before it.
const fn previous(diff: &DepthDiff<'_>) -> u64 {
    match diff.previous_update {
        Some(previous) => previous,
        None => diff.first_update.saturating_sub(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Lots, Ticks};

    fn spot(first_update: u64, last_update: u64) -> DepthDiff<'static> {
        DepthDiff {
            instrument: InstrumentId(0),
            first_update,
            last_update,
            previous_update: None,
            event_time: UnixNanos(0),
            transaction_time: UnixNanos(0),
            bids: &[Level { price: Ticks(1), lots: Lots(1) }],
            asks: &[],
        }
    }

    fn futures(first: u64, last: u64, previous: u64) -> DepthDiff<'static> {
        DepthDiff { previous_update: Some(previous), ..spot(first, last) }
    }

    fn replayed(sync: &mut Sync) -> Vec<u64> {
        let mut ids = Vec::new();
        sync.replay(&mut |diff| {
            assert_eq!(diff.bids.len(), 1, "levels come back with their diff");
            ids.push(diff.last_update);
        });
        ids
    }

    #[test]
    fn spot_follows_the_documented_procedure() {
        let mut sync = Sync::new(Family::Spot);
        for (first, last) in [(1, 5), (6, 9), (10, 12)] {
            assert_eq!(sync.on_diff(&spot(first, last)), DiffStep::Buffered);
        }
        assert_eq!(sync.on_snapshot(7), SnapshotStep::Load);
        assert_eq!(replayed(&mut sync), [9, 12]);
        assert_eq!(sync.on_diff(&spot(13, 13)), DiffStep::Apply);
        assert_eq!(sync.on_diff(&spot(13, 13)), DiffStep::Old, "a repeated diff");
        assert_eq!(sync.on_diff(&spot(15, 16)), DiffStep::Gap { expected: 13, got: 14 });
        assert!(!sync.is_synchronised());
        assert_eq!(
            sync.on_snapshot(13),
            SnapshotStep::TooOld { last_update: 13, first_waiting: 15 }
        );
        assert_eq!(sync.on_snapshot(14), SnapshotStep::Load);
        assert_eq!(replayed(&mut sync), [16]);
    }

    #[test]
    fn futures_bridge_on_the_snapshot_id_and_chain_on_pu() {
        let mut sync = Sync::new(Family::UsdM);
        sync.on_diff(&futures(10, 20, 9));
        sync.on_diff(&futures(25, 30, 20));
        assert_eq!(sync.on_snapshot(20), SnapshotStep::Load, "u == lastUpdateId still bridges");
        assert_eq!(replayed(&mut sync), [20, 30]);
        assert_eq!(sync.on_diff(&futures(90, 99, 30)), DiffStep::Apply, "U need not follow u");
        assert_eq!(sync.on_diff(&futures(100, 110, 98)), DiffStep::Gap { expected: 99, got: 98 });
        assert_eq!(sync.gaps(), 1);
    }

    #[test]
    fn a_snapshot_before_any_diff_waits_for_its_bridge() {
        let mut sync = Sync::new(Family::Spot);
        assert_eq!(sync.on_snapshot(100), SnapshotStep::Load);
        assert_eq!(replayed(&mut sync), Vec::<u64>::new());
        assert_eq!(sync.on_diff(&spot(90, 100)), DiffStep::Old);
        assert_eq!(sync.on_diff(&spot(99, 103)), DiffStep::Apply);
        assert_eq!(sync.on_snapshot(200), SnapshotStep::Unneeded);
    }

    #[test]
    fn the_buffer_is_bounded() {
        let mut sync = Sync::new(Family::Spot);
        for id in 1..=BUFFER_DIFFS as u64 + 10 {
            sync.on_diff(&spot(id, id));
        }
        assert_eq!(sync.overflows(), 1);
        assert_eq!(sync.waiting.len(), 10);
        assert!(sync.arena.capacity() <= BUFFER_LEVELS, "the arena never grows");
    }
}
