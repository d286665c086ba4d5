//! The sequenced inputs of a lane. State + input gives state + output, and nothing else does.

use super::{Command, ExecutionReport, MarketEvent, Plan, Source};
use crate::units::{InstrumentId, Lots, Money, Nanos, OrderId, Side, Ticks, UnixNanos};

/// A connection of the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Link {
    /// Market data.
    Market = 0,
    /// Orders and execution reports.
    Orders = 1,
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LinkState {
    /// Usable (for orders: logged on and reconciled).
    Up = 0,
    /// Lost.
    Down = 1,
}

/// A lane begins to live, for the first time or again after it ended or was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Epoch of the client order ids of this life; it and all its counters are the lane's own.
    pub epoch: u32,
    /// Wall time at the lane's monotonic zero.
    pub wall_at_zero: UnixNanos,
}

/// An order of ours that the venue has and the books have not: it left after the last durable record
/// of an earlier life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdoptedOrder {
    /// Our client order id.
    pub order: OrderId,
    /// The venue's.
    pub venue_order: u64,
    /// Instrument.
    pub instrument: InstrumentId,
    /// Side.
    pub side: Side,
    /// Limit price.
    pub price: Ticks,
    /// Size.
    pub lots: Lots,
}

/// What the venue's books have more than ours once every known fill is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Instrument.
    pub instrument: InstrumentId,
    /// Signed lots to add to the position.
    pub lots: Lots,
    /// Settle currency to add to the cash.
    pub cash: Money,
}

/// Time from a market frame to the last verdict it led to, over the frames since the last such input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceTime {
    /// Its 99th percentile.
    pub p99: Nanos,
    /// How many frames it is taken over.
    pub frames: u64,
}

/// What the venue holds of an instrument's base asset, less the position: what was there before this
/// journal began. Spot accounts have no positions, so later differences are told by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Instrument.
    pub instrument: InstrumentId,
    /// Amount of the base asset.
    pub base: Money,
}

/// One input. The driver gives it a receive time and the lane a sequence number.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A decoded market frame.
    Market(MarketEvent<'a>),
    /// A market frame that could not be decoded: the book of the instrument (or of all, when
    /// unknown) is no longer to be trusted.
    MarketFault(Option<InstrumentId>),
    /// An execution report.
    Execution(ExecutionReport),
    /// Time passes; sent at a fixed period even when nothing else happens.
    Timer,
    /// What someone asks of the lane, and who.
    Command(Command, Source),
    /// A connection came up or went down.
    Link(Link, LinkState),
    /// A new plan; the lane stamps `adopted_at` with the input's time.
    Plan(&'a Plan),
    /// A life begins: links are down, books void, working orders of unknown fate, and the times of an
    /// earlier life, which counted from another zero, are forgotten.
    Life(Life),
    /// Reconciliation found an order.
    Adopted(AdoptedOrder),
    /// Reconciliation found another position or cash.
    Adjustment(Adjustment),
    /// How long the lane itself has lately taken; measured by whoever drives it.
    Service(ServiceTime),
    /// Reconciliation learnt what the venue holds of a base asset (spot).
    Holding(Holding),
}

/// Receive time and sequence of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Local monotonic receive time.
    pub received: Nanos,
    /// Position in the lane's input sequence, from 1.
    pub sequence: u64,
}
