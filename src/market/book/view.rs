//! What other threads see of a book, and the touch corrected by bookTicker events.

use super::{Book, Top};
use crate::record::{BookTicker, Level, Tape};
use crate::units::{InstrumentId, Side};
use bytemuck::{Pod, Zeroable};

/// Levels per side in a `BookView`.
pub const VIEW_LEVELS: usize = 10;

/// A copy of the top of a book, small enough to publish on every change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BookView {
    /// Version of the book.
    pub version: u64,
    /// The venue's last update id.
    pub last_update: u64,
    /// Whose book.
    pub instrument: InstrumentId,
    /// Bids in use.
    pub bids_len: u16,
    /// Asks in use.
    pub asks_len: u16,
    /// Bids, best first.
    pub bids: [Level; VIEW_LEVELS],
    /// Asks, best first.
    pub asks: [Level; VIEW_LEVELS],
}

impl BookView {
    /// Reads the top of `book`.
    #[must_use]
    pub fn of(instrument: InstrumentId, book: &impl Book) -> BookView {
        let mut view = BookView {
            version: book.version(),
            last_update: book.last_update(),
            instrument,
            ..BookView::default()
        };
        view.bids_len = book.levels(Side::Buy, &mut view.bids) as u16;
        view.asks_len = book.levels(Side::Sell, &mut view.asks) as u16;
        view
    }
}

/// The touch as the newest of two sources says: depth diffs and bookTicker events.
///
/// Both carry update ids of one counter. A ticker newer than the book wins until a diff with a newer
/// id arrives; the book itself is never touched by a ticker, so its hash stays that of the diffs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Touch {
    ticker: Option<(u64, Top)>,
}

impl Touch {
    /// Saves the touch or brings it back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.option(&mut self.ticker, (0, Top::default()), |(update, top), tape| {
            tape.pod(update);
            top.walk(tape);
        });
    }

    /// Takes a ticker; one older than what is known changes nothing. Returns whether it was newer.
    #[inline]
    pub fn on_ticker(&mut self, ticker: &BookTicker, book_update: u64) -> bool {
        let known = self.ticker.map_or(book_update, |(update, _)| update.max(book_update));
        if ticker.update <= known {
            return false;
        }
        let side = |level: Level| (level.lots.0 > 0).then_some(level);
        self.ticker = Some((ticker.update, Top { bid: side(ticker.bid), ask: side(ticker.ask) }));
        true
    }

    /// The touch: the ticker's while it is newer than the book's.
    #[inline]
    #[must_use]
    pub fn top(&self, book: &impl Book) -> Top {
        match self.ticker {
            Some((update, top)) if update > book.last_update() => top,
            _ => book.top(),
        }
    }

    /// Forgets the ticker, as after a lost connection.
    pub fn clear(&mut self) {
        self.ticker = None;
    }
}
