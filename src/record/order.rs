//! Orders: what the lane intends, what it tells the venue, what the venue reports back.

use crate::units::{Currency, InstrumentId, Lots, Money, OrderId, Side, Ticks, UnixNanos};

/// Price rule of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OrderType {
    /// At the price or better.
    Limit = 0,
    /// Limit that is rejected rather than take liquidity (LIMIT_MAKER, GTX).
    PostOnly = 1,
    /// At any price.
    Market = 2,
}

/// How long an order lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TimeInForce {
    /// Until cancelled.
    GoodTillCancel = 0,
    /// What does not fill at once is cancelled.
    ImmediateOrCancel = 1,
    /// All at once or not at all.
    FillOrKill = 2,
}

/// What an intent asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OrderAction {
    /// A new order.
    Place = 0,
    /// Withdraw `order`.
    Cancel = 1,
    /// Withdraw `replaces` and place `order` in one request (futures: modify in place).
    Replace = 2,
    /// Withdraw everything on the instrument.
    CancelAll = 3,
}

impl OrderAction {
    /// Whether it may lead to a fill: a new order, or a changed one.
    #[must_use]
    #[inline]
    pub const fn is_order(self) -> bool {
        // those have the even codes: one bit, and no table to jump by
        self as u8 & 1 == OrderAction::Place as u8
    }
}

const _: () = {
    use OrderAction::{Cancel, CancelAll, Place, Replace};
    assert!(Place.is_order() && Replace.is_order());
    assert!(!Cancel.is_order() && !CancelAll.is_order());
};

/// What a strategy wants done; becomes a request only with a passing verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    /// What to do.
    pub action: OrderAction,
    /// Instrument.
    pub instrument: InstrumentId,
    /// Client order id of the order placed or cancelled.
    pub order: OrderId,
    /// The order withdrawn by a replace; otherwise zero.
    pub replaces: OrderId,
    /// Side.
    pub side: Side,
    /// Price rule.
    pub order_type: OrderType,
    /// Life time.
    pub time_in_force: TimeInForce,
    /// May only shrink the position.
    pub reduce_only: bool,
    /// Limit price; ignored for market orders and cancels.
    pub price: Ticks,
    /// Size; ignored for cancels.
    pub lots: Lots,
}

/// States of one order in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OrderState {
    /// Sent, not yet acknowledged.
    Pending = 0,
    /// Acknowledged, nothing filled.
    Open = 1,
    /// Some filled, rest working.
    PartlyFilled = 2,
    /// A cancel is on its way.
    CancelPending = 3,
    /// Done, all filled.
    Filled = 4,
    /// Done, cancelled.
    Cancelled = 5,
    /// Done, never worked.
    Rejected = 6,
    /// Done, by time in force or the venue.
    Expired = 7,
    /// Connection lost in a bad moment; counts as open until reconciled.
    Unknown = 8,
}

impl OrderState {
    /// Every state, by code.
    pub const ALL: [OrderState; 9] = [
        OrderState::Pending,
        OrderState::Open,
        OrderState::PartlyFilled,
        OrderState::CancelPending,
        OrderState::Filled,
        OrderState::Cancelled,
        OrderState::Rejected,
        OrderState::Expired,
        OrderState::Unknown,
    ];

    /// Whether the order may still fill.
    #[must_use]
    pub const fn is_working(self) -> bool {
        matches!(
            self,
            OrderState::Pending
                | OrderState::Open
                | OrderState::PartlyFilled
                | OrderState::CancelPending
                | OrderState::Unknown
        )
    }
}

/// What the venue says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExecutionKind {
    /// The order works.
    Acknowledged = 0,
    /// The order was refused; `reject_code` says why.
    Rejected = 1,
    /// A fill, partial or last: `last_*` and `trade_id` are set.
    Fill = 2,
    /// The order was cancelled.
    Cancelled = 3,
    /// The order expired (time in force, self-trade prevention).
    Expired = 4,
    /// A cancel or replace was refused; the order's own state is unchanged.
    CancelRejected = 5,
    /// A modify in place took effect: `price` and `lots` are the new ones.
    Replaced = 6,
}

/// One report of the venue about one order. Fills are idempotent by `trade_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionReport {
    /// What happened.
    pub kind: ExecutionKind,
    /// Instrument.
    pub instrument: InstrumentId,
    /// Our client order id.
    pub order: OrderId,
    /// The venue's order id; zero when it gave none.
    pub venue_order: u64,
    /// The venue's trade id; zero unless `Fill`.
    pub trade_id: u64,
    /// Side of the order.
    pub side: Side,
    /// Price of the order.
    pub price: Ticks,
    /// Size of the order.
    pub lots: Lots,
    /// Price of this fill.
    pub last_price: Ticks,
    /// Size of this fill.
    pub last_lots: Lots,
    /// Filled so far, this fill included.
    pub filled_lots: Lots,
    /// Fee of this fill, in `fee_currency`.
    pub fee: Money,
    /// Currency of the fee.
    pub fee_currency: Currency,
    /// Whether this fill provided liquidity.
    pub maker: bool,
    /// The venue's error code; zero when none.
    pub reject_code: i32,
    /// When the venue did it.
    pub venue_time: UnixNanos,
}

impl ExecutionReport {
    /// A report that says what happened to which order, and nothing else yet.
    #[must_use]
    pub const fn bare(kind: ExecutionKind, instrument: InstrumentId, order: OrderId) -> Self {
        ExecutionReport {
            kind,
            instrument,
            order,
            venue_order: 0,
            trade_id: 0,
            side: Side::Buy,
            price: Ticks(0),
            lots: Lots(0),
            last_price: Ticks(0),
            last_lots: Lots(0),
            filled_lots: Lots(0),
            fee: Money(0),
            fee_currency: Currency([0; 8]),
            maker: false,
            reject_code: 0,
            venue_time: UnixNanos(0),
        }
    }
}
