//! What the venue knows of an order, what it is asked, and what it tells: the words of both engines.
//!
//! Plain data shared by the matching engine (generated market) and the queue model (captured one).

use crate::record::{OrderType, TimeInForce};
use crate::units::{Lots, OrderId, Side, Ticks};

/// An account at the venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

impl ClientId {
    /// Everybody else: the generated market's own orders. Nobody reports to it, and it may trade
    /// with itself.
    pub const CROWD: ClientId = ClientId(0);

    /// Whether events of this account's orders are told to nobody.
    #[must_use]
    pub const fn is_crowd(self) -> bool {
        self.0 == 0
    }
}

/// An order as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Whose.
    pub client: ClientId,
    /// The client's id for it; unique among the client's working orders.
    pub order: OrderId,
    /// Side.
    pub side: Side,
    /// Price rule.
    pub order_type: OrderType,
    /// Life time.
    pub time_in_force: TimeInForce,
    /// May only shrink the position.
    pub reduce_only: bool,
    /// Limit price; ignored for market orders.
    pub price: Ticks,
    /// Size.
    pub lots: Lots,
}

/// An order as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// As sent, or as last modified.
    pub asked: NewOrder,
    /// The venue's id.
    pub venue_order: u64,
    /// Filled so far.
    pub filled: Lots,
}

impl Order {
    /// What may still fill.
    #[must_use]
    pub const fn remaining(&self) -> Lots {
        self.asked.lots.minus(self.filled)
    }

    /// Whether the order may stay in the book.
    #[must_use]
    pub const fn rests(&self) -> bool {
        let asked = &self.asked;
        !matches!(asked.order_type, OrderType::Market)
            && (matches!(asked.time_in_force, TimeInForce::GoodTillCancel)
                || matches!(asked.order_type, OrderType::PostOnly))
    }
}

impl NewOrder {
    /// Whether the order may trade at `price`, the price of the other side.
    #[must_use]
    pub const fn accepts(&self, price: Ticks) -> bool {
        match (self.order_type, self.side) {
            (OrderType::Market, _) => true,
            (_, Side::Buy) => price.0 <= self.price.0,
            (_, Side::Sell) => price.0 >= self.price.0,
        }
    }
}

/// What an engine is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Place an order.
    New(NewOrder),
    /// Withdraw an order.
    Cancel {
        /// Whose.
        client: ClientId,
        /// Which.
        order: OrderId,
    },
    /// Withdraw `replaces` and place `new`. With equal ids the order is modified in place: it keeps
    /// its turn when only its size falls, and goes to the back otherwise.
    Replace {
        /// The order withdrawn.
        replaces: OrderId,
        /// The order placed; `lots` is the whole size, filled part included.
        new: NewOrder,
    },
    /// Withdraw every order of a client.
    CancelAll {
        /// Whose.
        client: ClientId,
    },
}

/// What became of one owned order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderEvent {
    /// Accepted.
    Opened(Order),
    /// Filled, in part or whole; the order is as after the fill.
    Fill {
        /// The order.
        order: Order,
        /// Price of the fill.
        price: Ticks,
        /// Size of the fill.
        lots: Lots,
        /// The venue's trade id.
        trade: u64,
        /// Whether the order was resting.
        maker: bool,
    },
    /// Withdrawn.
    Cancelled(Order),
    /// Ended by its own rules or by self-trade prevention.
    Expired(Order),
    /// Modified in place.
    Replaced(Order),
    /// A new order was refused.
    Rejected {
        /// As sent.
        order: NewOrder,
        /// Why.
        reject: Reject,
    },
    /// A cancel or modify was refused; the order it names is unchanged.
    CancelRejected {
        /// Whose.
        client: ClientId,
        /// Which.
        order: OrderId,
        /// Why.
        reject: Reject,
    },
}

/// What an engine tells, in the order it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// News of an owned order.
    Order(OrderEvent),
    /// A public trade.
    Trade {
        /// Trade id.
        id: u64,
        /// Price.
        price: Ticks,
        /// Size.
        lots: Lots,
        /// Side that struck.
        aggressor: Side,
    },
    /// A level of the book has a new absolute size.
    Level {
        /// Side.
        side: Side,
        /// Price.
        price: Ticks,
        /// Size now; zero when the level is gone.
        lots: Lots,
    },
}

/// Why the venue refuses; the texts and numbers of a family stand in `wire`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// No such instrument.
    UnknownSymbol,
    /// Price between two ticks.
    PriceStep,
    /// Price below the least allowed.
    PriceUnder,
    /// Price above the most allowed.
    PriceOver,
    /// Size between two lots.
    LotStep,
    /// Size below the least allowed.
    LotsUnder,
    /// Size above the most allowed.
    LotsOver,
    /// Price times size below the least allowed.
    Notional,
    /// A post-only order would have taken.
    WouldTake,
    /// The client id is already working.
    Duplicate,
    /// A reduce-only order would not reduce.
    ReduceOnly,
    /// A cancel names no working order.
    UnknownOrder,
    /// A modify or query names no working order.
    NoSuchOrder,
    /// A modify changes nothing.
    NothingToModify,
    /// Not enough money.
    Balance,
    /// Too many orders in the venue's window.
    OrderRate,
    /// Too much request weight in the venue's window.
    RequestRate,
    /// The venue is overloaded (a planned fault).
    Overloaded,
}
