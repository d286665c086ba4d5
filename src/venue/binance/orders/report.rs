//! What the order session says: text -> execution report, answer to a request, or neither.
//!
//! Reads spot `executionReport` (bare, or inside `{"subscriptionId":…,"event":{…}}`), futures
//! `ORDER_TRADE_UPDATE` (bare, or inside a combined stream), answers with their rate usage, and the
//! account events by kind. Prices and sizes are exact or the message is refused; nothing is guessed
//! from words except where `VenueError::class` says so.
//!
//! Orders that this engine did not make, and orders of other lanes' instruments, are `Foreign`: one
//! account's stream carries all of them. A text without a backslash is read by `json` and allocates
//! nothing; one with a backslash, which the venue does not send, is read by serde_json, the twin that
//! `decode_general` always uses.

use crate::record::{ExecutionKind, ExecutionReport, Instrument, OrderAction};
use crate::units::{GridError, Lots, OrderId, Ticks, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::orders::error::{ErrorClass, ErrorText, VenueError, WOULD_TAKE};
use crate::venue::binance::orders::fields::{EventFields, Fields};
use crate::venue::binance::orders::id::{OrderRequest, RequestId, parse_client_id};
use crate::venue::binance::orders::json::{self, Json, Node};

/// Rate limits that one answer can carry; the venue sends at most four.
pub const RATE_COUNTS_MAX: usize = 8;

/// Why a text is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// No JSON object.
    #[error("not a JSON object: byte {at} cannot be read; resynchronise open orders over REST")]
    Malformed {
        /// Offset of the byte.
        at: usize,
    },
    /// A field is missing or of the wrong kind.
    #[error("{event}: field `{field}` is missing or unusable; resynchronise open orders over REST")]
    Field {
        /// The event or `response`.
        event: &'static str,
        /// The field as the venue names it.
        field: &'static str,
    },
    /// A price or size off the instrument's grid.
    #[error("{event}: field `{field}` is {error}; is the exchange information out of date?")]
    Grid {
        /// The event.
        event: &'static str,
        /// The field as the venue names it.
        field: &'static str,
        /// Why.
        error: GridError,
    },
}

/// A message of the order session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderMessage {
    /// Something happened to one of our orders.
    Report(ExecutionReport),
    /// The venue answered a request.
    Response(Response),
    /// About an order or an instrument that is not ours.
    Foreign,
    /// An event that changes no order.
    Other(EventKind),
}

/// Events that are not execution reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Spot balances after a change (`outboundAccountPosition`).
    AccountPosition,
    /// A deposit, withdrawal or transfer (`balanceUpdate`).
    BalanceUpdate,
    /// Futures balances and positions after a change (`ACCOUNT_UPDATE`).
    AccountUpdate,
    /// Leverage or margin mode changed (`ACCOUNT_CONFIG_UPDATE`).
    AccountConfig,
    /// The venue wants more margin (`MARGIN_CALL`): reduce.
    MarginCall,
    /// The listen key is no longer valid (`listenKeyExpired`): make another.
    ListenKeyExpired,
    /// The subscription ended (`eventStreamTerminated`): subscribe again.
    StreamTerminated,
    /// The venue is about to close the connection (`serverShutdown`).
    ServerShutdown,
    /// Self-trade prevention touched an order that still works.
    TradePrevention,
    /// A short early copy of a fill (`TRADE_LITE`); the full one follows and is the one that counts.
    TradeLite,
    /// Anything else.
    Unknown,
}

/// The rates that an answer reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateUsage {
    counts: [RateCount; RATE_COUNTS_MAX],
    len: u8,
}

/// What a rate limit counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateKind {
    /// Weight of requests, per address.
    #[default]
    RequestWeight,
    /// Orders, per account.
    Orders,
    /// Requests, whatever their weight.
    RawRequests,
    /// New connections.
    Connections,
}

/// One rate limit and what is used of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateCount {
    /// What is counted.
    pub kind: RateKind,
    /// The interval in seconds.
    pub interval_s: u32,
    /// Allowed per interval.
    pub limit: u32,
    /// Used in the present interval.
    pub count: u32,
}

/// The venue's answer to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// What is answered.
    pub request: RequestId,
    /// 200, or an HTTP-like error status.
    pub status: u16,
    /// Whether the venue did it.
    pub outcome: Result<(), VenueError>,
    /// For a spot cancel-replace that failed: whether the old order was cancelled all the same.
    pub cancelled: bool,
    /// When the venue will listen again (429 and 418), where it says so.
    pub retry_after: Option<UnixNanos>,
    /// The venue's id of the order; zero when it gave none.
    pub venue_order: u64,
    /// Rates used.
    pub usage: RateUsage,
}

/// The execution reports that an answer amounts to: none, one or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reports {
    reports: [Option<ExecutionReport>; 2],
}

impl RateUsage {
    /// No counts.
    pub const NONE: RateUsage = RateUsage {
        counts: [RateCount { kind: RateKind::RequestWeight, interval_s: 0, limit: 0, count: 0 };
            RATE_COUNTS_MAX],
        len: 0,
    };

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> &[RateCount] {
        &self.counts[..usize::from(self.len)]
    }

    /// Adds a count; false when there is no room, which the venue never needs.
    pub fn push(&mut self, count: RateCount) -> bool {
        let Some(slot) = self.counts.get_mut(usize::from(self.len)) else { return false };
        *slot = count;
        self.len += 1;
        true
    }
}

impl Iterator for Reports {
    type Item = ExecutionReport;

    fn next(&mut self) -> Option<ExecutionReport> {
        self.reports.iter_mut().find_map(Option::take)
    }
}

impl Response {
    /// The order the request was about; zero for a cancel-all or a request of the session.
    #[must_use]
    pub const fn order(&self) -> OrderId {
        match self.request {
            RequestId::Order(request) => request.order,
            RequestId::Session(_) | RequestId::Foreign => OrderId(0),
        }
    }

    /// Orders whose fate the answer leaves open: ask for them.
    ///
    /// Either the venue does not know whether it did what was asked, or it knows no such working order
    /// to withdraw or change, which then is over in a way that another message tells, or should.
    #[must_use]
    pub fn in_doubt(&self) -> [Option<OrderId>; 2] {
        let (RequestId::Order(of), Err(error)) = (self.request, self.outcome) else {
            return [None, None];
        };
        let replaced = (of.action == OrderAction::Replace && of.order != of.replaces)
            .then_some(of.replaces)
            .filter(|_| !self.cancelled);
        let withdraws = match of.action {
            OrderAction::Cancel => true,
            OrderAction::Replace => of.order == of.replaces,
            OrderAction::Place | OrderAction::CancelAll => false,
        };
        match error.class() {
            ErrorClass::UnknownOrder => [withdraws.then_some(of.order), replaced],
            ErrorClass::Uncertain => [Some(of.order), replaced],
            ErrorClass::Other if self.status >= 500 => [Some(of.order), replaced],
            _ => [None, None],
        }
    }

    /// A refusal as execution reports, so that the ledger sees it.
    ///
    /// Success gives none: the user-data stream reports what happened, with sizes and prices. Neither
    /// do orders in doubt. These reports carry no side, price or size: the ledger knows them. For a
    /// refusal that names the time when the venue listens again, that is the report's.
    #[must_use]
    pub fn reports(&self) -> Reports {
        let none = Reports { reports: [None, None] };
        let (RequestId::Order(request), Err(error)) = (self.request, self.outcome) else {
            return none;
        };
        let doubted = self.in_doubt();
        let code = match error.class() {
            ErrorClass::WouldTake => WOULD_TAKE,
            _ => error.code,
        };
        let of = |kind, order| {
            let certain = !doubted.contains(&Some(order));
            let listens_at = self.retry_after.filter(|_| error.class() == ErrorClass::RateLimited);
            certain.then(|| ExecutionReport {
                venue_time: listens_at.unwrap_or_default(),
                ..refusal(kind, &request, order, code)
            })
        };
        let rejected = of(ExecutionKind::Rejected, request.order);
        let unmoved = |order| of(ExecutionKind::CancelRejected, order);
        let in_place = request.order == request.replaces;
        let reports = match request.action {
            OrderAction::Place => [rejected, None],
            OrderAction::Cancel => [unmoved(request.order), None],
            OrderAction::Replace if in_place => [unmoved(request.order), None],
            OrderAction::Replace if self.cancelled => [rejected, None],
            OrderAction::Replace => [unmoved(request.replaces), rejected],
            OrderAction::CancelAll => [None, None],
        };
        Reports { reports }
    }
}

fn refusal(
    kind: ExecutionKind,
    request: &OrderRequest,
    order: OrderId,
    reject_code: i32,
) -> ExecutionReport {
    ExecutionReport { reject_code, ..ExecutionReport::bare(kind, request.instrument, order) }
}

/// The decoder of one lane's order session.
#[derive(Clone, Debug)]
pub struct ReportDecoder {
    family: Family,
    instruments: Vec<Instrument>,
}

impl ReportDecoder {
    /// A decoder that knows these instruments; all others are foreign.
    #[must_use]
    pub fn new(family: Family, instruments: &[Instrument]) -> ReportDecoder {
        ReportDecoder { family, instruments: instruments.to_vec() }
    }

    /// Reads one message.
    ///
    /// # Errors
    /// When the text is no JSON object, or a message about our order lacks or garbles a field.
    pub fn decode(&mut self, text: &[u8]) -> Result<OrderMessage, ReportError> {
        if text.contains(&b'\\') {
            return self.decode_general(text);
        }
        let text = std::str::from_utf8(text)
            .map_err(|error| ReportError::Malformed { at: error.valid_up_to() })?;
        let mut fields = Fields::new();
        json::document(text, &mut |name, value| fields.set(name, value))
            .map_err(|at| ReportError::Malformed { at })?;
        self.message(&fields)
    }

    /// The same through serde_json: slow, allocating, obvious.
    ///
    /// # Errors
    /// As `decode`.
    pub fn decode_general(&mut self, text: &[u8]) -> Result<OrderMessage, ReportError> {
        let tree: serde_json::Value = serde_json::from_slice(text)
            .map_err(|error| ReportError::Malformed { at: byte_of(text, &error) })?;
        if !tree.is_object() {
            return Err(ReportError::Malformed { at: 0 });
        }
        self.message(&Fields::of(Node::Tree(&tree)))
    }

    fn message(&self, fields: &Fields<'_>) -> Result<OrderMessage, ReportError> {
        match (fields.get('e'), fields.event.object().or(fields.data.object())) {
            (Json::Text(name), _) => self.event(name, fields),
            (_, Some(node)) => {
                let inner = Fields::of(node);
                match inner.get('e') {
                    Json::Text(name) => self.event(name, &inner),
                    _ => Ok(OrderMessage::Other(EventKind::Unknown)),
                }
            }
            _ if matches!(fields.status, Json::Absent) => {
                Ok(OrderMessage::Other(EventKind::Unknown))
            }
            _ => response(fields).map(OrderMessage::Response),
        }
    }

    fn event(&self, name: &str, fields: &Fields<'_>) -> Result<OrderMessage, ReportError> {
        let kind = match name {
            "executionReport" if self.family == Family::Spot => {
                return self.execution(&EventFields { event: "executionReport", fields }, None);
            }
            "ORDER_TRADE_UPDATE" if self.family.is_futures() => {
                let outer = EventFields { event: "ORDER_TRADE_UPDATE", fields };
                let order = fields.get('o').object().ok_or_else(|| outer.unusable("o"))?;
                let inner = Fields::of(order);
                let time = outer.time("T")?;
                let of = EventFields { event: "ORDER_TRADE_UPDATE", fields: &inner };
                return self.execution(&of, Some(time));
            }
            "outboundAccountPosition" => EventKind::AccountPosition,
            "balanceUpdate" => EventKind::BalanceUpdate,
            "ACCOUNT_UPDATE" => EventKind::AccountUpdate,
            "ACCOUNT_CONFIG_UPDATE" => EventKind::AccountConfig,
            "MARGIN_CALL" => EventKind::MarginCall,
            "listenKeyExpired" => EventKind::ListenKeyExpired,
            "eventStreamTerminated" => EventKind::StreamTerminated,
            "serverShutdown" => EventKind::ServerShutdown,
            "TRADE_LITE" => EventKind::TradeLite,
            _ => EventKind::Unknown,
        };
        Ok(OrderMessage::Other(kind))
    }

    /// One order's news; `time` is the transaction time where it stands outside the order.
    fn execution(
        &self,
        of: &EventFields<'_, '_>,
        time: Option<UnixNanos>,
    ) -> Result<OrderMessage, ReportError> {
        // On spot a cancel has a client id of its own in `c`, and the order's stands in `C`.
        let original = if self.family == Family::Spot { of.fields.get('C').text() } else { None };
        let client = match original {
            Some(text) if !text.is_empty() => text,
            _ => of.text("c")?,
        };
        let Some(order) = parse_client_id(client) else { return Ok(OrderMessage::Foreign) };
        let symbol = of.text("s")?;
        let known = self.instruments.iter().find(|known| known.symbol.as_str() == symbol);
        let Some(instrument) = known else { return Ok(OrderMessage::Foreign) };
        let kind = match of.text("x")? {
            "NEW" => ExecutionKind::Acknowledged,
            "CANCELED" => ExecutionKind::Cancelled,
            "REPLACED" | "AMENDMENT" => ExecutionKind::Replaced,
            "REJECTED" => ExecutionKind::Rejected,
            "TRADE" | "CALCULATED" => ExecutionKind::Fill,
            "EXPIRED" => ExecutionKind::Expired,
            "TRADE_PREVENTION" => match of.text("X")? {
                "NEW" | "PARTIALLY_FILLED" => {
                    return Ok(OrderMessage::Other(EventKind::TradePrevention));
                }
                _ => ExecutionKind::Expired,
            },
            _ => return Err(of.unusable("x")),
        };
        let mut report = ExecutionReport {
            venue_order: of.unsigned("i")?,
            side: of.side()?,
            price: Ticks(of.steps("p", &instrument.tick)?),
            lots: Lots(of.steps("q", &instrument.lot)?),
            filled_lots: Lots(of.steps("z", &instrument.lot)?),
            venue_time: match time {
                Some(time) => time,
                None => of.time("T")?,
            },
            ..ExecutionReport::bare(kind, instrument.id, order)
        };
        if kind == ExecutionKind::Rejected {
            let would_take = of.text("r").is_ok_and(|reason| reason == WOULD_MATCH);
            report.reject_code = if would_take { WOULD_TAKE } else { NEW_ORDER_REJECTED };
        }
        if kind == ExecutionKind::Fill {
            report.trade_id = of.unsigned("t")?;
            report.last_price = Ticks(of.steps("L", &instrument.tick)?);
            report.last_lots = Lots(of.steps("l", &instrument.lot)?);
            report.maker = of.flag("m")?;
            (report.fee, report.fee_currency) = of.fee()?;
            if report.last_lots <= Lots(0) || report.filled_lots < report.last_lots {
                return Err(of.unusable("l"));
            }
        }
        Ok(OrderMessage::Report(report))
    }
}

/// A rejection by event names a reason in words; this is the code that requests get for it.
const NEW_ORDER_REJECTED: i32 = -2010;
/// Spot's reason for the rejection of a post-only order that would have taken.
const WOULD_MATCH: &str = "WOULD_MATCH_IMMEDIATELY";

fn response(fields: &Fields<'_>) -> Result<Response, ReportError> {
    let unusable = |field| ReportError::Field { event: "response", field };
    let status = fields.status.unsigned().and_then(|status| u16::try_from(status).ok());
    let status = status.ok_or_else(|| unusable("status"))?;
    let request = fields.id.text().map_or(RequestId::Foreign, RequestId::parse);
    let mut answer = Response {
        request,
        status,
        outcome: Ok(()),
        cancelled: false,
        retry_after: None,
        venue_order: 0,
        usage: RateUsage::NONE,
    };
    if let Json::Array(list) = fields.rate_limits {
        list.elements(&mut |item| {
            if let Some(count) = item.object().and_then(rate_count) {
                answer.usage.push(count);
            }
        });
    }
    if let Some(result) = fields.result.object() {
        result.members(&mut |name, value| {
            if name == "orderId" {
                answer.venue_order = value.unsigned().unwrap_or(0);
            }
        });
    }
    match fields.error {
        Json::Absent | Json::Null if status == 200 => {}
        Json::Object(node) => refuse(node, &mut answer).ok_or_else(|| unusable("error"))?,
        _ => return Err(unusable("error")),
    }
    Ok(answer)
}

fn refuse(error: Node<'_>, answer: &mut Response) -> Option<()> {
    let (mut code, mut words, mut data) = (Json::Absent, Json::Absent, Json::Absent);
    error.members(&mut |name, value| match name {
        "code" => code = value,
        "msg" => words = value,
        "data" => data = value,
        _ => {}
    });
    let mut refusal = VenueError {
        code: i32::try_from(code.signed()?).ok()?,
        text: ErrorText::new(words.text().unwrap_or("")),
    };
    if let Some(data) = data.object() {
        let (mut cancel, mut leg) = (Json::Absent, Json::Absent);
        let mut cancel_leg = Json::Absent;
        data.members(&mut |name, value| match name {
            "cancelResult" => cancel = value,
            "cancelResponse" => cancel_leg = value,
            "newOrderResponse" => leg = value,
            "retryAfter" => {
                answer.retry_after = value.unsigned().map(UnixNanos::from_millis);
            }
            _ => {}
        });
        answer.cancelled = cancel.text() == Some("SUCCESS");
        // -2021 and -2022 only say "one leg failed"; the leg that failed says why.
        let failed = if answer.cancelled { leg } else { cancel_leg };
        if let Some(failed) = failed.object() {
            failed.members(&mut |name, value| match name {
                "code" => {
                    let code = value.signed().and_then(|code| i32::try_from(code).ok());
                    refusal.code = code.unwrap_or(refusal.code);
                }
                "msg" => {
                    refusal.text = value.text().map_or(refusal.text, ErrorText::new);
                }
                _ => {}
            });
        }
    }
    answer.outcome = Err(refusal);
    Some(())
}

fn rate_count(node: Node<'_>) -> Option<RateCount> {
    let mut kind = None;
    let (mut unit, mut times, mut limit, mut count) = (None, None, None, Some(0));
    node.members(&mut |name, value| {
        let small = value.unsigned().and_then(|number| u32::try_from(number).ok());
        match name {
            "rateLimitType" => {
                kind = match value.text() {
                    Some("REQUEST_WEIGHT") => Some(RateKind::RequestWeight),
                    Some("ORDERS") => Some(RateKind::Orders),
                    Some("RAW_REQUESTS") => Some(RateKind::RawRequests),
                    Some("CONNECTIONS") => Some(RateKind::Connections),
                    _ => None,
                };
            }
            "interval" => {
                unit = match value.text() {
                    Some("SECOND") => Some(1),
                    Some("MINUTE") => Some(60),
                    Some("HOUR") => Some(3_600),
                    Some("DAY") => Some(86_400),
                    _ => None,
                };
            }
            "intervalNum" => times = small,
            "limit" => limit = small,
            "count" => count = small,
            _ => {}
        }
    });
    let interval_s = u32::checked_mul(unit?, times?)?;
    Some(RateCount { kind: kind?, interval_s, limit: limit?, count: count? })
}

/// The rate limits of an `exchangeInfo` document or an answer, for `session::Budget`.
pub(in crate::venue::binance) fn rate_limits(tree: &serde_json::Value) -> RateUsage {
    let mut usage = RateUsage::NONE;
    for item in tree.as_array().into_iter().flatten() {
        if let Some(count) = rate_count(Node::Tree(item)) {
            usage.push(count);
        }
    }
    usage
}

/// Offset of a serde_json error, which counts lines and columns from 1.
fn byte_of(text: &[u8], error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    (before + error.column().saturating_sub(1)).min(text.len())
}
