//! Market events as the decoders hand them on: fixed point, checked, borrowed from the lane's scratch.

use crate::units::{InstrumentId, Lots, Side, Ticks, UnixNanos};
use bytemuck::{Pod, Zeroable};

/// One price level; `lots` is absolute and zero deletes the level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Level {
    /// Price.
    pub price: Ticks,
    /// Size resting there.
    pub lots: Lots,
}

/// A change of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthDiff<'a> {
    /// Whose book.
    pub instrument: InstrumentId,
    /// `U`: first update id in the event.
    pub first_update: u64,
    /// `u`: last update id in the event.
    pub last_update: u64,
    /// `pu`: last update id of the previous event; futures only.
    pub previous_update: Option<u64>,
    /// `E`: when the venue sent it.
    pub event_time: UnixNanos,
    /// `T`: when the matching engine did it; equals `event_time` on spot, which names none.
    pub transaction_time: UnixNanos,
    /// Changed bids in the order sent.
    pub bids: &'a [Level],
    /// Changed asks in the order sent.
    pub asks: &'a [Level],
}

/// A whole book (to the depth asked for).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthSnapshot<'a> {
    /// Whose book; the message does not say, the asker knows.
    pub instrument: InstrumentId,
    /// `lastUpdateId`.
    pub last_update: u64,
    /// Bids, best first.
    pub bids: &'a [Level],
    /// Asks, best first.
    pub asks: &'a [Level],
}

/// Best bid and ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookTicker {
    /// Whose book.
    pub instrument: InstrumentId,
    /// `u`: update id, from the same counter as depth events.
    pub update: u64,
    /// Best bid.
    pub bid: Level,
    /// Best ask.
    pub ask: Level,
    /// `E`, zero on spot.
    pub event_time: UnixNanos,
    /// `T`, zero on spot.
    pub transaction_time: UnixNanos,
}

/// A trade, or an aggregate of trades of one taker order at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// What traded.
    pub instrument: InstrumentId,
    /// `t` (or `a` when aggregated).
    pub id: u64,
    /// Price.
    pub price: Ticks,
    /// Size.
    pub lots: Lots,
    /// Side of the aggressor: `m` true means the buyer was the maker, so a seller struck.
    pub aggressor: Side,
    /// Whether this is an `aggTrade`.
    pub aggregated: bool,
    /// Whether this traded on the book: `X` absent or `MARKET` (not insurance fund or liquidation).
    pub on_book: bool,
    /// `E`.
    pub event_time: UnixNanos,
    /// `T`.
    pub transaction_time: UnixNanos,
}

/// What a market frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketEvent<'a> {
    /// Book change.
    Depth(DepthDiff<'a>),
    /// Whole book.
    Snapshot(DepthSnapshot<'a>),
    /// Best bid and ask.
    Ticker(BookTicker),
    /// Trade or aggregate trade.
    Trade(Trade),
    /// A well-formed message the engine has no use for (kline, subscription answer).
    Other,
}
