//! What became of an order -> the execution report a client gets: codes, fees, cumulative fills.

use super::order::{ClientId, Order, OrderEvent, Reject, Request};
use crate::ledger::Valuation;
use crate::record::{ExecutionKind, ExecutionReport, Instrument, InstrumentKind};
use crate::units::{Currency, Lots, Money, OrderId, Side, UnixNanos};
use crate::venue::binance::Family;

/// The client an event is for, and its report.
pub fn of(
    event: &OrderEvent,
    family: Family,
    instrument: &Instrument,
    valuation: &Valuation,
    wall: UnixNanos,
) -> (ClientId, ExecutionReport) {
    let plain = |kind, order: &Order| ExecutionReport {
        venue_order: order.venue_order,
        side: order.asked.side,
        price: order.asked.price,
        lots: order.asked.lots,
        filled_lots: order.filled,
        venue_time: wall,
        ..ExecutionReport::bare(kind, instrument.id, order.asked.order)
    };
    match event {
        OrderEvent::Opened(order) => {
            (order.asked.client, plain(ExecutionKind::Acknowledged, order))
        }
        OrderEvent::Cancelled(order) => {
            (order.asked.client, plain(ExecutionKind::Cancelled, order))
        }
        OrderEvent::Expired(order) => (order.asked.client, plain(ExecutionKind::Expired, order)),
        OrderEvent::Replaced(order) => (order.asked.client, plain(ExecutionKind::Replaced, order)),
        OrderEvent::Fill { order, price, lots, trade, maker } => {
            let rate = if *maker { instrument.fees.maker } else { instrument.fees.taker };
            let (fee_currency, share) = fee_of(instrument, order.asked.side);
            let fee = match share {
                Share::Notional => valuation.notional(*lots, *price).times(rate),
                Share::Received => received(instrument, *lots).times(rate),
            };
            let report = ExecutionReport {
                trade_id: *trade,
                last_price: *price,
                last_lots: *lots,
                fee,
                fee_currency,
                maker: *maker,
                ..plain(ExecutionKind::Fill, order)
            };
            (order.asked.client, report)
        }
        OrderEvent::Rejected { order, reject } => {
            let working = Order { asked: *order, venue_order: 0, filled: Lots(0) };
            let report = ExecutionReport {
                reject_code: code(family, *reject),
                ..plain(ExecutionKind::Rejected, &working)
            };
            (order.client, report)
        }
        OrderEvent::CancelRejected { client, order, reject } => {
            let report = ExecutionReport {
                reject_code: code(family, *reject),
                venue_time: wall,
                ..ExecutionReport::bare(ExecutionKind::CancelRejected, instrument.id, *order)
            };
            (*client, report)
        }
    }
}

/// What a request comes to that the venue refuses before its engine sees it.
pub fn refused(request: &Request, reject: Reject) -> impl Iterator<Item = OrderEvent> {
    let cancel = |client, order: OrderId| OrderEvent::CancelRejected { client, order, reject };
    let (first, second) = match *request {
        Request::New(order) => (Some(OrderEvent::Rejected { order, reject }), None),
        Request::Cancel { client, order } => (Some(cancel(client, order)), None),
        Request::Replace { replaces, new } if replaces == new.order => {
            (Some(cancel(new.client, replaces)), None)
        }
        Request::Replace { replaces, new } => {
            let rejected = OrderEvent::Rejected { order: new, reject };
            (Some(cancel(new.client, replaces)), Some(rejected))
        }
        Request::CancelAll { .. } => (None, None),
    };
    first.into_iter().chain(second)
}

/// The venue's error code for a refusal.
#[must_use]
pub const fn code(family: Family, reject: Reject) -> i32 {
    let futures = family.is_futures();
    match reject {
        Reject::UnknownSymbol => -1121,
        Reject::PriceStep if futures => -4014,
        Reject::PriceUnder if futures => -4013,
        Reject::PriceOver if futures => -4016,
        Reject::LotStep if futures => -4023,
        Reject::LotsUnder if futures => -4003,
        Reject::LotsOver if futures => -4005,
        Reject::Notional if futures => -4164,
        Reject::PriceStep
        | Reject::PriceUnder
        | Reject::PriceOver
        | Reject::LotStep
        | Reject::LotsUnder
        | Reject::LotsOver
        | Reject::Notional => -1013,
        Reject::WouldTake if futures => -5022,
        Reject::Duplicate if futures => -4116,
        Reject::Balance if futures => -2019,
        Reject::WouldTake | Reject::Duplicate | Reject::Balance => -2010,
        Reject::ReduceOnly => -2022,
        Reject::UnknownOrder => -2011,
        Reject::NoSuchOrder => -2013,
        Reject::NothingToModify => -5027,
        Reject::OrderRate => -1015,
        Reject::RequestRate => -1003,
        Reject::Overloaded => -1008,
    }
}

/// What a fee is a share of.
enum Share {
    Notional,
    Received,
}

/// Spot takes its fee from what is received: the base asset of a buy.
fn fee_of(instrument: &Instrument, side: Side) -> (Currency, Share) {
    match (instrument.kind, side) {
        (InstrumentKind::Spot, Side::Buy) => (instrument.base, Share::Received),
        (InstrumentKind::Spot, Side::Sell) => (instrument.quote, Share::Notional),
        _ => (instrument.settle, Share::Notional),
    }
}

/// Base units received, in minor units.
fn received(instrument: &Instrument, lots: Lots) -> Money {
    let size = instrument.lot.decimal(lots.0);
    let scale = 10i128.pow(u32::from(size.scale));
    Money(i128::from(size.mantissa) * Money::ONE / scale)
}
