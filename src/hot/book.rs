//! Stage two: a market event changes the book of its instrument, under the venue's rules.
//!
//! Invariant: `top` is `None` unless the book is synchronised, so nothing later can use a bad book.

use crate::market::book::{Book, Top, Touch};
use crate::record::{BookTicker, DepthDiff, DepthSnapshot, Tape};
use crate::units::{InstrumentId, Nanos};
use crate::venue::binance::Family;
use crate::venue::binance::sync::{DiffStep, SnapshotStep, Sync};

/// What an event did to a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookChange {
    /// The book moved.
    Moved,
    /// Nothing the strategy could see changed.
    Unchanged,
    /// The book became void; quotes on it must go.
    Voided,
}

/// A chain of diffs that broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose book.
    pub instrument: InstrumentId,
    /// Update id that should have been the previous one.
    pub expected: u64,
    /// Update id that the diff names as its previous one.
    pub got: u64,
}

/// A book with its synchronisation and the touch of its tickers.
#[derive(Clone, Debug)]
pub struct SyncedBook<B: Book> {
    book: B,
    touch: Touch,
    sync: Sync,
    /// The touch as of the last event, kept because every later stage asks for it.
    told: Top,
    gap: Option<Gap>,
    updated_at: Nanos,
    snapshot_wanted: bool,
    updates: u64,
}

impl<B: Book + Default> SyncedBook<B> {
    /// A book that waits for its snapshot.
    #[must_use]
    pub fn new(family: Family) -> SyncedBook<B> {
        SyncedBook {
            book: B::default(),
            touch: Touch::default(),
            sync: Sync::new(family),
            told: Top::default(),
            gap: None,
            updated_at: Nanos(0),
            snapshot_wanted: true,
            updates: 0,
        }
    }
}

impl<B: Book> SyncedBook<B> {
    /// Saves the book or brings it back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        self.book.walk(tape);
        self.touch.walk(tape);
        self.sync.walk(tape);
        tape.section("touch");
        self.told.walk(tape);
        let blank = Gap { instrument: InstrumentId(0), expected: 0, got: 0 };
        tape.option(&mut self.gap, blank, |gap, tape| {
            tape.pod(&mut gap.instrument);
            tape.pod(&mut gap.expected);
            tape.pod(&mut gap.got);
        });
        tape.pod(&mut self.updated_at);
        tape.flag(&mut self.snapshot_wanted);
        tape.pod(&mut self.updates);
    }

    /// The book itself.
    #[must_use]
    pub fn book(&self) -> &B {
        &self.book
    }

    /// Whether the book can be trusted.
    #[must_use]
    pub fn is_synchronised(&self) -> bool {
        self.sync.is_synchronised()
    }

    /// Best bid and ask of a trusted book, tickers included.
    #[must_use]
    #[inline]
    pub fn top(&self) -> Option<Top> {
        self.sync.is_synchronised().then_some(self.told)
    }

    /// Receive time of the last event that moved the book.
    #[must_use]
    pub fn updated_at(&self) -> Nanos {
        self.updated_at
    }

    /// Events applied.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Gaps seen.
    #[must_use]
    pub fn gaps(&self) -> u64 {
        self.sync.gaps()
    }

    /// Whether a snapshot must be fetched; asking clears the wish.
    pub fn take_snapshot_wish(&mut self) -> bool {
        std::mem::take(&mut self.snapshot_wanted)
    }

    /// The last gap, once.
    pub fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take()
    }

    /// Applies a diff.
    #[inline]
    pub fn on_diff(&mut self, diff: &DepthDiff<'_>, now: Nanos) -> BookChange {
        match self.sync.on_diff(diff) {
            DiffStep::Apply => {
                self.book.apply(diff);
                self.updated_at = now;
                self.updates += 1;
                self.moved()
            }
            DiffStep::Buffered | DiffStep::Old => BookChange::Unchanged,
            DiffStep::Gap { expected, got } => {
                self.gap = Some(Gap { instrument: diff.instrument, expected, got });
                self.touch.clear();
                self.told = Top::default();
                self.snapshot_wanted = true;
                BookChange::Voided
            }
        }
    }

    /// What `Flaw::IgnoreGap` makes of a diff: one that follows, whatever is missing before it.
    pub(super) fn chained<'a>(&self, diff: &DepthDiff<'a>) -> DepthDiff<'a> {
        let last = self.book.last_update();
        if !self.is_synchronised() || diff.last_update <= last {
            return *diff;
        }
        let previous_update = diff.previous_update.map(|_| last);
        DepthDiff { first_update: last + 1, previous_update, ..*diff }
    }

    /// Applies a snapshot and the diffs that waited for it.
    pub fn on_snapshot(&mut self, snapshot: &DepthSnapshot<'_>, now: Nanos) -> BookChange {
        match self.sync.on_snapshot(snapshot.last_update) {
            SnapshotStep::Load => {
                self.book.load(snapshot);
                let (book, updates) = (&mut self.book, &mut self.updates);
                self.sync.replay(&mut |diff| {
                    book.apply(diff);
                    *updates += 1;
                });
                self.updated_at = now;
                self.updates += 1;
                self.moved();
                BookChange::Moved
            }
            SnapshotStep::TooOld { .. } => {
                self.snapshot_wanted = true;
                BookChange::Unchanged
            }
            SnapshotStep::Unneeded => BookChange::Unchanged,
        }
    }

    /// Takes a ticker: it says the touch until a newer diff comes.
    #[inline]
    pub fn on_ticker(&mut self, ticker: &BookTicker, now: Nanos) -> BookChange {
        if !self.sync.is_synchronised() || !self.touch.on_ticker(ticker, self.book.last_update()) {
            return BookChange::Unchanged;
        }
        self.updated_at = now;
        self.moved()
    }

    /// Whether the touch is another than when the lane was last told. Most diffs change levels that
    /// nobody decides by.
    #[inline]
    fn moved(&mut self) -> BookChange {
        let top = self.touch.top(&self.book);
        if std::mem::replace(&mut self.told, top) == top {
            return BookChange::Unchanged;
        }
        BookChange::Moved
    }

    /// The stream can no longer be trusted.
    pub fn void(&mut self) -> BookChange {
        self.sync.reset();
        self.touch.clear();
        self.told = Top::default();
        self.snapshot_wanted = true;
        BookChange::Voided
    }
}
