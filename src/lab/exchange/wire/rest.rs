//! REST: method and path -> what is asked; and the bodies of the answers that lists need.

use super::answers::{Holding, OrderView, amount, order, price, quoted, size};
use super::number::{millis, whole};
use crate::net::http::Method;
use crate::record::{ExecutionReport, Instrument, OrderAction};
use crate::units::{Lots, Side};
use crate::venue::binance::Family;
use std::io::Write;

/// Weight of a request for this many levels, at least.
const DEPTH_WEIGHTS: [(usize, u32); 4] = [(100, 5), (500, 25), (1_000, 50), (5_000, 250)];

/// What a REST request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestCall {
    /// Is anybody there.
    Ping,
    /// The venue's clock.
    Time,
    /// Instruments and limits.
    Information,
    /// A book.
    Depth,
    /// One order, working or over.
    Query,
    /// Working orders.
    OpenOrders,
    /// Orders, working or over.
    AllOrders,
    /// Balances and positions.
    Account,
    /// Fills.
    Trades,
    /// Makes a listen key.
    CreateListenKey,
    /// Keeps a listen key.
    KeepListenKey,
    /// Ends a listen key.
    CloseListenKey,
    /// Arms or disarms the dead man's switch.
    Countdown,
    /// An order request.
    Order(OrderAction),
}

impl RestCall {
    /// Reads method and path; `None` where a family has no such thing.
    #[must_use]
    pub fn read(family: Family, method: Method, path: &str) -> Option<RestCall> {
        let (versions, name): (&[&str], _) = match family {
            Family::Spot => (&["/api/v3/"], path),
            Family::UsdM => (&["/fapi/v1/", "/fapi/v2/", "/fapi/v3/"], path),
            Family::CoinM => (&["/dapi/v1/"], path),
        };
        let name = versions.iter().find_map(|version| name.strip_prefix(version))?;
        let futures = family.is_futures();
        Some(match (method, name) {
            (Method::Get, "ping") => RestCall::Ping,
            (Method::Get, "time") => RestCall::Time,
            (Method::Get, "exchangeInfo") => RestCall::Information,
            (Method::Get, "depth") => RestCall::Depth,
            (Method::Get, "order") => RestCall::Query,
            (Method::Get, "openOrders") => RestCall::OpenOrders,
            (Method::Get, "allOrders") => RestCall::AllOrders,
            (Method::Get, "account") => RestCall::Account,
            (Method::Get, "myTrades") if !futures => RestCall::Trades,
            (Method::Get, "userTrades") if futures => RestCall::Trades,
            (Method::Post, "listenKey") if futures => RestCall::CreateListenKey,
            (Method::Put, "listenKey") if futures => RestCall::KeepListenKey,
            (Method::Delete, "listenKey") if futures => RestCall::CloseListenKey,
            (Method::Post, "countdownCancelAll") if futures => RestCall::Countdown,
            (Method::Delete, "openOrders") if !futures => RestCall::Order(OrderAction::CancelAll),
            (Method::Delete, "allOpenOrders") if futures => RestCall::Order(OrderAction::CancelAll),
            (Method::Post, "order") => RestCall::Order(OrderAction::Place),
            (Method::Delete, "order") => RestCall::Order(OrderAction::Cancel),
            (Method::Put, "order") if futures => RestCall::Order(OrderAction::Replace),
            _ => return None,
        })
    }

    /// What the venue charges; `levels` of a depth request.
    #[must_use]
    pub fn weight(self, family: Family, levels: usize) -> u32 {
        let spot = family == Family::Spot;
        match self {
            RestCall::Information if spot => 20,
            RestCall::Depth if spot => {
                let dearer = DEPTH_WEIGHTS.iter().find(|(most, _)| levels <= *most);
                dearer.map_or(250, |(_, weight)| *weight)
            }
            RestCall::Depth => match levels {
                0..=50 => 2,
                51..=100 => 5,
                101..=500 => 10,
                _ => 20,
            },
            RestCall::Query if spot => 4,
            RestCall::OpenOrders if spot => 6,
            RestCall::Account | RestCall::Trades | RestCall::AllOrders if spot => 20,
            RestCall::Account | RestCall::Trades | RestCall::AllOrders => 5,
            RestCall::Countdown => 10,
            _ => 1,
        }
    }
}

/// A JSON list, each item written by `item`.
pub fn list<T>(out: &mut Vec<u8>, items: &[T], item: &mut dyn FnMut(&mut Vec<u8>, &T)) {
    put!(out, b"[");
    for (index, of) in items.iter().enumerate() {
        put!(out, if index > 0 { "," } else { "" });
        item(out, of);
    }
    put!(out, b"]");
}

/// A list of orders.
pub fn orders(out: &mut Vec<u8>, family: Family, views: &[OrderView<'_>]) {
    list(out, views, &mut |out, view| order(out, family, view));
}

/// An account; `positions` with their entry prices in the order of the instruments, empty on spot.
pub fn account(
    out: &mut Vec<u8>,
    family: Family,
    holdings: &[Holding],
    positions: &[(&Instrument, Lots, f64)],
) {
    put!(
        out,
        if family.is_futures() {
            r#"{"canTrade":true,"assets":"#
        } else {
            r#"{"canTrade":true,"accountType":"SPOT","balances":"#
        }
    );
    list(out, holdings, &mut |out, of| {
        put!(out, br#"{"asset":"#);
        quoted(out, of.asset.as_str());
        if family.is_futures() {
            put!(out, br#","walletBalance":"#);
            amount(out, of.amount);
            put!(out, br#","availableBalance":"#);
            amount(out, of.amount);
        } else {
            put!(out, br#","free":"#);
            amount(out, of.amount);
            put!(out, br#","locked":"0.00000000""#);
        }
        put!(out, b"}");
    });
    if family.is_futures() {
        put!(out, br#","positions":"#);
        list(out, positions, &mut |out, (instrument, lots, entry)| {
            put!(out, br#"{"symbol":""#, instrument.symbol.as_bytes(), br#"","positionAmt":"#);
            size(out, instrument, *lots);
            put!(out, br#","entryPrice":""#);
            // Writing to a Vec cannot fail.
            let _ = write!(out, "{entry:.8}");
            put!(out, br#"","positionSide":"BOTH"}"#);
        });
    }
    put!(out, b"}");
}

/// Fills of an account on one instrument, oldest first.
pub fn trades(
    out: &mut Vec<u8>,
    family: Family,
    instrument: &Instrument,
    fills: &[ExecutionReport],
) {
    let (buyer, maker) = match family {
        Family::Spot => ("isBuyer", "isMaker"),
        Family::UsdM | Family::CoinM => ("buyer", "maker"),
    };
    let truth = |flag: bool| if flag { "true" } else { "false" };
    list(out, fills, &mut |out, fill| {
        put!(out, br#"{"symbol":""#, instrument.symbol.as_bytes(), br#"","id":"#);
        whole(out, fill.trade_id);
        put!(out, br#","orderId":"#);
        whole(out, fill.venue_order);
        put!(out, br#","price":"#);
        price(out, instrument, fill.last_price);
        put!(out, br#","qty":"#);
        size(out, instrument, fill.last_lots);
        put!(out, br#","commission":"#);
        amount(out, fill.fee);
        put!(out, br#","commissionAsset":"#);
        let settle = instrument.settle;
        let nothing = fill.fee_currency == crate::units::Currency::default();
        quoted(out, if nothing { settle.as_str() } else { fill.fee_currency.as_str() });
        put!(out, br#","time":"#);
        millis(out, fill.venue_time);
        put!(out, br#",""#, buyer, br#"":"#, truth(fill.side == Side::Buy));
        put!(out, br#",""#, maker, br#"":"#, truth(fill.maker), b"}");
    });
}
