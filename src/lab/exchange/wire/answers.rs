//! Answers of the order API and events of the user-data stream, as `ReportDecoder` reads them.
//!
//! An `ExecutionReport` says what happened; `OrderFacts` what the venue knows of the order besides.

use super::number::{fixed, millis, steps, whole};
use super::refusal::Refusal;
use crate::record::{ExecutionKind, ExecutionReport, Instrument, OrderType, TimeInForce};
use crate::units::{Currency, Lots, Money, Side, Ticks, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::orders::{RateCount, RateKind};

/// Digits of amounts of money.
const MONEY_DIGITS: usize = 8;

/// What an order is, besides what a report says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    /// Price rule.
    pub order_type: OrderType,
    /// Life time.
    pub time_in_force: TimeInForce,
    /// May only shrink the position.
    pub reduce_only: bool,
    /// When it was accepted.
    pub placed: UnixNanos,
    /// Notional filled so far.
    pub notional_filled: Money,
}

/// An order as it stands.
#[derive(Clone, Copy, Debug)]
pub struct OrderView<'a> {
    /// Instrument.
    pub instrument: &'a Instrument,
    /// Client order id.
    pub client_id: &'a str,
    /// The venue's id.
    pub venue_order: u64,
    /// Side.
    pub side: Side,
    /// Price.
    pub price: Ticks,
    /// Size.
    pub lots: Lots,
    /// Filled so far.
    pub filled: Lots,
    /// The venue's word for its state.
    pub status: &'static str,
    /// The rest.
    pub facts: OrderFacts,
    /// When this was so.
    pub time: UnixNanos,
}

/// One asset of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Of what.
    pub asset: Currency,
    /// How much.
    pub amount: Money,
}

impl<'a> OrderView<'a> {
    /// The order that a report is about, after what it reports.
    #[must_use]
    pub fn of(
        report: &ExecutionReport,
        instrument: &'a Instrument,
        client_id: &'a str,
        facts: OrderFacts,
    ) -> OrderView<'a> {
        OrderView {
            instrument,
            client_id,
            venue_order: report.venue_order,
            side: report.side,
            price: report.price,
            lots: report.lots,
            filled: report.filled_lots,
            status: status(report),
            facts,
            time: report.venue_time,
        }
    }
}

/// The venue's word for the state an order is in after a report.
#[must_use]
pub fn status(report: &ExecutionReport) -> &'static str {
    match report.kind {
        ExecutionKind::Acknowledged => "NEW",
        ExecutionKind::Rejected => "REJECTED",
        ExecutionKind::Cancelled => "CANCELED",
        ExecutionKind::Expired => "EXPIRED",
        ExecutionKind::Fill if report.filled_lots >= report.lots => "FILLED",
        _ if report.filled_lots > Lots(0) => "PARTIALLY_FILLED",
        _ => "NEW",
    }
}

/// The venue's words for a side.
#[must_use]
pub const fn side_name(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// The venue's words for price rule and life time.
#[must_use]
pub const fn type_names(family: Family, facts: &OrderFacts) -> (&'static str, &'static str) {
    let life = match facts.time_in_force {
        TimeInForce::GoodTillCancel => "GTC",
        TimeInForce::ImmediateOrCancel => "IOC",
        TimeInForce::FillOrKill => "FOK",
    };
    match (facts.order_type, family) {
        (OrderType::Limit, _) => ("LIMIT", life),
        (OrderType::PostOnly, Family::Spot) => ("LIMIT_MAKER", "GTC"),
        (OrderType::PostOnly, _) => ("LIMIT", "GTX"),
        (OrderType::Market, _) => ("MARKET", "GTC"),
    }
}

/// Appends a JSON string.
pub fn quoted(out: &mut Vec<u8>, text: &str) {
    // A string always serialises, and a `Vec` takes every byte.
    let _ = serde_json::to_writer(out, text);
}

/// Appends an amount in quotes.
pub fn amount(out: &mut Vec<u8>, money: Money) {
    put!(out, b"\"");
    fixed(out, money.0, MONEY_DIGITS);
    put!(out, b"\"");
}

/// Appends a price in quotes.
pub fn price(out: &mut Vec<u8>, instrument: &Instrument, ticks: Ticks) {
    put!(out, b"\"");
    steps(out, &instrument.tick, ticks.0);
    put!(out, b"\"");
}

/// Appends a size in quotes.
pub fn size(out: &mut Vec<u8>, instrument: &Instrument, lots: Lots) {
    put!(out, b"\"");
    steps(out, &instrument.lot, lots.0);
    put!(out, b"\"");
}

/// An answer that all is done; `result` is JSON.
pub fn success(out: &mut Vec<u8>, id: &str, result: &[u8], limits: &[RateCount]) {
    put!(out, br#"{"id":"#, id, br#","status":200,"result":"#, result);
    rates(out, limits);
    put!(out, b"}");
}

/// An answer that refuses; `data` is JSON where there is more to say.
pub fn failure(
    out: &mut Vec<u8>,
    id: &str,
    refusal: &Refusal,
    data: Option<&[u8]>,
    limits: &[RateCount],
) {
    put!(out, br#"{"id":"#, id, br#","status":"#);
    whole(out, u64::from(refusal.status));
    put!(out, br#","error":"#);
    error(out, refusal, data);
    rates(out, limits);
    put!(out, b"}");
}

/// The body of a refusal, as REST sends it: `{"code":…,"msg":…}`.
pub fn error(out: &mut Vec<u8>, refusal: &Refusal, data: Option<&[u8]>) {
    put!(out, br#"{"code":"#, refusal.code.to_string(), br#","msg":"#);
    quoted(out, &refusal.text);
    if let Some(data) = data {
        put!(out, br#","data":"#, data);
    }
    put!(out, b"}");
}

/// `data` of a cancel-replace that failed: which leg did, and why.
pub fn replace_failure(
    out: &mut Vec<u8>,
    cancelled: Option<&OrderView<'_>>,
    family: Family,
    why: &Refusal,
) {
    match cancelled {
        Some(view) => {
            put!(out, br#"{"cancelResult":"SUCCESS","newOrderResult":"FAILURE","cancelResponse":"#);
            order(out, family, view);
            put!(out, br#","newOrderResponse":"#);
            error(out, why, None);
        }
        None => {
            put!(out, br#"{"cancelResult":"FAILURE","newOrderResult":"NOT_ATTEMPTED","#);
            put!(out, br#""cancelResponse":"#);
            error(out, why, None);
            put!(out, br#","newOrderResponse":null"#);
        }
    }
    put!(out, b"}");
}

/// `rateLimits` as answers and exchange information have it.
pub fn rate_limits(out: &mut Vec<u8>, limits: &[RateCount], with_count: bool) {
    put!(out, br#""rateLimits":["#);
    for (index, limit) in limits.iter().enumerate() {
        let kind = match limit.kind {
            RateKind::RequestWeight => "REQUEST_WEIGHT",
            RateKind::Orders => "ORDERS",
            RateKind::RawRequests => "RAW_REQUESTS",
            RateKind::Connections => "CONNECTIONS",
        };
        let (interval, unit) = match limit.interval_s {
            s if s % 86_400 == 0 => ("DAY", s / 86_400),
            s if s % 3_600 == 0 => ("HOUR", s / 3_600),
            s if s % 60 == 0 => ("MINUTE", s / 60),
            s => ("SECOND", s),
        };
        put!(out, if index > 0 { "," } else { "" }, br#"{"rateLimitType":""#, kind);
        put!(out, br#"","interval":""#, interval, br#"","intervalNum":"#);
        whole(out, u64::from(unit));
        put!(out, br#","limit":"#);
        whole(out, u64::from(limit.limit));
        if with_count {
            put!(out, br#","count":"#);
            whole(out, u64::from(limit.count));
        }
        put!(out, b"}");
    }
    put!(out, b"]");
}

fn rates(out: &mut Vec<u8>, limits: &[RateCount]) {
    if !limits.is_empty() {
        put!(out, b",");
        rate_limits(out, limits, true);
    }
}

/// An order as answers and lists have it.
pub fn order(out: &mut Vec<u8>, family: Family, view: &OrderView<'_>) {
    let instrument = view.instrument;
    let (kind, life) = type_names(family, &view.facts);
    put!(out, br#"{"symbol":""#, instrument.symbol.as_bytes(), br#"","orderId":"#);
    whole(out, view.venue_order);
    if family == Family::Spot {
        put!(out, br#","orderListId":-1"#);
    }
    put!(out, br#","clientOrderId":"#);
    quoted(out, view.client_id);
    put!(out, br#","price":"#);
    price(out, instrument, view.price);
    put!(out, br#","origQty":"#);
    size(out, instrument, view.lots);
    put!(out, br#","executedQty":"#);
    size(out, instrument, view.filled);
    put!(out, if family.is_futures() { r#","cumQuote":"# } else { r#","cummulativeQuoteQty":"# });
    amount(out, view.facts.notional_filled);
    put!(out, br#","status":""#, view.status, br#"","timeInForce":""#, life);
    put!(out, br#"","type":""#, kind, br#"","side":""#, side_name(view.side));
    if family.is_futures() {
        let reduces = if view.facts.reduce_only { "true" } else { "false" };
        put!(out, br#"","reduceOnly":"#, reduces);
        put!(out, br#","closePosition":false,"positionSide":"BOTH","origType":""#, kind);
    }
    put!(out, br#"","time":"#);
    millis(out, view.facts.placed);
    let last = if family.is_futures() { "updateTime" } else { "transactTime" };
    put!(out, br#",""#, last, br#"":"#);
    millis(out, view.time);
    put!(out, b"}");
}

/// The event of a report: `executionReport` on spot, `ORDER_TRADE_UPDATE` on futures. A refused
/// cancel has none; its answer says it.
pub fn execution(
    out: &mut Vec<u8>,
    family: Family,
    report: &ExecutionReport,
    view: &OrderView<'_>,
    event_time: UnixNanos,
) {
    let instrument = view.instrument;
    let fill = report.kind == ExecutionKind::Fill;
    let (kind, life) = type_names(family, &view.facts);
    let futures = family.is_futures();
    put!(out, br#"{"e":""#, if futures { "ORDER_TRADE_UPDATE" } else { "executionReport" });
    put!(out, br#"","E":"#);
    millis(out, event_time);
    if futures {
        put!(out, br#","T":"#);
        millis(out, report.venue_time);
        put!(out, br#","o":{"s":""#);
    } else {
        put!(out, br#","s":""#);
    }
    put!(out, instrument.symbol.as_bytes(), br#"","c":"#);
    // A spot cancel has a client id of its own; the order's stands in `C`.
    let renamed = family == Family::Spot && report.kind == ExecutionKind::Cancelled;
    quoted(out, if renamed { "venue_cancel" } else { view.client_id });
    put!(out, br#","S":""#, side_name(view.side), br#"","o":""#, kind, br#"","f":""#, life);
    put!(out, br#"","q":"#);
    size(out, instrument, view.lots);
    put!(out, br#","p":"#);
    price(out, instrument, view.price);
    put!(out, if futures { r#","ap":"0","sp":"0","# } else { r#","P":"0","F":"0","g":-1,"C":"# });
    if !futures {
        quoted(out, if renamed { view.client_id } else { "" });
        put!(out, b",");
    }
    put!(out, br#""x":""#, happened(family, report.kind), br#"","X":""#, view.status);
    put!(out, if futures { r#"","i":"# } else { r#"","r":"NONE","i":"# });
    whole(out, report.venue_order);
    put!(out, br#","l":"#);
    size(out, instrument, report.last_lots);
    put!(out, br#","z":"#);
    size(out, instrument, report.filled_lots);
    put!(out, br#","L":"#);
    price(out, instrument, report.last_price);
    fee(out, report);
    put!(out, br#","T":"#);
    millis(out, report.venue_time);
    put!(out, br#","t":"#);
    match (fill, futures) {
        (true, _) => whole(out, report.trade_id),
        (false, true) => put!(out, b"0"),
        (false, false) => put!(out, b"-1"),
    }
    put!(out, br#","m":"#, if report.maker { "true" } else { "false" });
    if futures {
        let reduces = if view.facts.reduce_only { "true" } else { "false" };
        put!(out, br#","R":"#, reduces, br#","wt":"CONTRACT_PRICE","ot":""#, kind);
        put!(out, br#"","ps":"BOTH","cp":false,"rp":"0"}}"#);
        return;
    }
    let works = matches!(view.status, "NEW" | "PARTIALLY_FILLED");
    put!(out, br#","w":"#, if works { "true" } else { "false" }, br#","M":false,"O":"#);
    millis(out, view.facts.placed);
    put!(out, br#","Z":"#);
    amount(out, view.facts.notional_filled);
    put!(out, br#","Y":"0","Q":"0","V":"NONE"}"#);
}

/// Opens the envelope of an event on a spot order session; the event and `}` follow.
pub fn open_event(out: &mut Vec<u8>) {
    put!(out, br#"{"subscriptionId":0,"event":"#);
}

/// The event after a fill: balances, and on futures the position.
pub fn account_update(
    out: &mut Vec<u8>,
    family: Family,
    instrument: &Instrument,
    holdings: &[Holding],
    position: Lots,
    at: UnixNanos,
) {
    let futures = family.is_futures();
    put!(out, br#"{"e":""#, if futures { "ACCOUNT_UPDATE" } else { "outboundAccountPosition" });
    put!(out, br#"","E":"#);
    millis(out, at);
    put!(out, if futures { r#","T":"# } else { r#","u":"# });
    millis(out, at);
    put!(out, if futures { r#","a":{"m":"ORDER","B":["# } else { r#","B":["# });
    for (index, holding) in holdings.iter().enumerate() {
        put!(out, if index > 0 { "," } else { "" }, br#"{"a":"#);
        quoted(out, holding.asset.as_str());
        put!(out, if futures { r#","wb":"# } else { r#","f":"# });
        amount(out, holding.amount);
        put!(out, if futures { r#","cw":"# } else { r#","l":"0.00000000""# });
        if futures {
            amount(out, holding.amount);
        }
        put!(out, b"}");
    }
    put!(out, b"]");
    if futures {
        put!(out, br#","P":[{"s":""#, instrument.symbol.as_bytes(), br#"","pa":"#);
        size(out, instrument, position);
        put!(out, br#","ps":"BOTH"}]}"#);
    }
    put!(out, b"}");
}

const fn happened(family: Family, kind: ExecutionKind) -> &'static str {
    match kind {
        ExecutionKind::Acknowledged => "NEW",
        ExecutionKind::Rejected | ExecutionKind::CancelRejected => "REJECTED",
        ExecutionKind::Fill => "TRADE",
        ExecutionKind::Cancelled => "CANCELED",
        ExecutionKind::Expired => "EXPIRED",
        ExecutionKind::Replaced if family.is_futures() => "AMENDMENT",
        ExecutionKind::Replaced => "REPLACED",
    }
}

fn fee(out: &mut Vec<u8>, report: &ExecutionReport) {
    let nothing = report.fee_currency == Currency::default();
    put!(out, br#","n":"#);
    amount(out, if nothing { Money(0) } else { report.fee });
    put!(out, br#","N":"#);
    match nothing {
        true => put!(out, b"null"),
        false => quoted(out, report.fee_currency.as_str()),
    }
}
