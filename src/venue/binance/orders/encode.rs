//! Intents to whole WebSocket-API request texts: `Intent, now -> JSON`.
//!
//! Every text is a template rendered at construction and filled per order: no allocation, no
//! escaping, nothing looked up but the instrument. Parameters stand in alphabetical order, which is
//! what signing needs. A session logged on (Ed25519) sends them as they are; with a `Signer` each
//! request carries `apiKey` and `signature` (the only way for HMAC keys, which cannot log on).
//!
//! Replace and the identity of orders: on spot `order.cancelReplace` withdraws `replaces` and places
//! `order`, two ids. On futures `order.modify` changes an order in place and its client id stays, so
//! an intent must say `order == replaces`, and `lots` is the whole size, filled part included.
//!
//! Deliberately absent: whether an order is wise (the gate's question), and `reduce_only` on spot,
//! which knows no positions; there the gate alone keeps the promise.

use crate::record::{Instrument, Intent, OrderAction, OrderType, TimeInForce};
use crate::units::{InstrumentId, Lots, OrderId, Side, Ticks, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::orders::id::{INSTRUMENTS_MAX, action_letter};
use crate::venue::binance::orders::template::{Hole, Scale, Scales, Template, Values};
use crate::venue::binance::session::Signer;
use std::fmt;

/// An order request that reaches the venue later than this after its time is refused (`recvWindow`):
/// what was stuck on the way must not come to work when the lane has long counted it lost.
pub const ORDER_WINDOW_MS: u64 = 1_000;
/// Bytes that every request fits into: about 420 of text and numbers, 64 of API key and at most 88
/// of signature, with room to spare.
pub const REQUEST_LEN_MAX: usize = 1_024;

/// Why an intent gives no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The encoder was built without this instrument.
    #[error("instrument {} is not one of this encoder's; build it with the lane's table", .0.0)]
    UnknownInstrument(InstrumentId),
    /// A limit price that cannot be written.
    #[error("a limit price of {} ticks is not positive or too large to write", .0.0)]
    Price(Ticks),
    /// A size that cannot be written.
    #[error("a size of {} lots is not positive or too large to write", .0.0)]
    Size(Lots),
    /// A futures replace whose new id differs.
    #[error(
        "futures modify in place: order {:016x} must equal replaces {:016x}", order.0, replaces.0
    )]
    ReplaceRenames {
        /// The new id.
        order: OrderId,
        /// The old id.
        replaces: OrderId,
    },
    /// A futures replace of an order without a limit price.
    #[error("futures modify limit orders only; cancel order {:016x} and place anew", .0.0)]
    ReplaceOfMarket(OrderId),
    /// The venue takes this request by REST only.
    #[error("the venue takes this by REST only: DELETE {path} (session::rest::cancel_all)")]
    NotOverWebSocket {
        /// The REST path.
        path: &'static str,
    },
    /// The buffer is too small.
    #[error("a request may need {needed} bytes, the buffer has {room}; give REQUEST_LEN_MAX")]
    NoRoom {
        /// Bytes needed at most.
        needed: usize,
        /// Bytes given.
        room: usize,
    },
}

/// What the venue does when two orders of one account would meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTradePrevention {
    /// The incoming order expires.
    ExpireTaker,
    /// The resting order expires.
    ExpireMaker,
    /// Both expire.
    ExpireBoth,
}

impl SelfTradePrevention {
    /// As the venue writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SelfTradePrevention::ExpireTaker => "EXPIRE_TAKER",
            SelfTradePrevention::ExpireMaker => "EXPIRE_MAKER",
            SelfTradePrevention::ExpireBoth => "EXPIRE_BOTH",
        }
    }
}

/// Kinds of order texts: three lives of a limit order, post-only, market.
const KINDS: usize = 5;

/// The templates of one instrument.
#[derive(Debug)]
struct Requests {
    scales: Scales,
    /// By side, kind and reduce-only.
    place: Vec<Template>,
    /// By side and kind.
    replace: Vec<Template>,
    cancel: Template,
    cancel_all: Template,
}

/// The encoder of one lane's order session.
pub struct RequestEncoder {
    family: Family,
    requests: Vec<Requests>,
    /// Position in `requests` by instrument id; `u16::MAX` where there is none.
    positions: Vec<u16>,
    signer: Option<Signer>,
    payload: Vec<u8>,
}

impl fmt::Debug for RequestEncoder {
    /// Without templates and payload, which hold the API key and the last signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (family, count) = (self.family.name(), self.requests.len());
        write!(f, "RequestEncoder({family}, {count} instruments, {:?})", self.signer)
    }
}

impl RequestEncoder {
    /// An encoder for a session that is logged on: requests carry no signature.
    ///
    /// Instruments with an id of 4 096 or more cannot be named in a request id; their intents are
    /// refused as unknown.
    #[must_use]
    pub fn new(family: Family, instruments: &[Instrument]) -> RequestEncoder {
        RequestEncoder::with(family, instruments, None, None)
    }

    /// An encoder with self-trade prevention at the venue, and a signer for sessions not logged on.
    #[must_use]
    pub fn with(
        family: Family,
        instruments: &[Instrument],
        prevention: Option<SelfTradePrevention>,
        signer: Option<Signer>,
    ) -> RequestEncoder {
        let key = signer.as_ref().map(Signer::api_key);
        let shape = Shape { family, prevention, key };
        let mut positions = Vec::new();
        let mut requests = Vec::with_capacity(instruments.len());
        for instrument in instruments.iter().filter(|of| of.id.0 < INSTRUMENTS_MAX) {
            let id = instrument.id.0 as usize;
            if positions.len() <= id {
                positions.resize(id + 1, u16::MAX);
            }
            positions[id] = requests.len() as u16;
            requests.push(shape.requests(instrument));
        }
        let payload = Vec::with_capacity(REQUEST_LEN_MAX);
        RequestEncoder { family, requests, positions, signer, payload }
    }

    /// Writes the request of an intent into `out`; returns its length.
    ///
    /// # Errors
    /// When the instrument is unknown, a number cannot be written, the venue has no such request
    /// over WebSocket, or `out` is shorter than the request may be (`REQUEST_LEN_MAX` always fits).
    #[inline]
    pub fn encode(
        &mut self,
        intent: &Intent,
        now: UnixNanos,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let position = self.positions.get(intent.instrument.0 as usize).copied();
        let requests = position.and_then(|at| self.requests.get(usize::from(at)));
        let requests = requests.ok_or(EncodeError::UnknownInstrument(intent.instrument))?;
        let template = requests.template(self.family, intent)?;
        let sized = matches!(intent.action, OrderAction::Place | OrderAction::Replace);
        let priced = sized && intent.order_type != OrderType::Market;
        let scales = &requests.scales;
        let values = Values {
            order: intent.order,
            replaces: intent.replaces,
            price: match priced {
                true => scales.price.mantissa(intent.price.0),
                false => Some(0),
            }
            .ok_or(EncodeError::Price(intent.price))?,
            size: match sized {
                true => scales.size.mantissa(intent.lots.0),
                false => Some(0),
            }
            .ok_or(EncodeError::Size(intent.lots))?,
            millis: now.0 / 1_000_000,
        };
        let signature = self.signer.as_ref().map_or(0, |signer| signer.signature_len_max() + 16);
        let needed = template.room() + signature;
        if out.len() < needed {
            return Err(EncodeError::NoRoom { needed, room: out.len() });
        }
        let length = template.fill(&values, scales, out);
        match &self.signer {
            None => Ok(length),
            Some(signer) => Ok(sign(signer, &mut self.payload, template.params_at(), length, out)),
        }
    }
}

/// Turns `"a":"x","b":1` into `a=x&b=1`, signs that and puts the signature behind the parameters.
///
/// No value holds a quote, a colon or a comma: they are hex, decimals, names and the API key, which
/// `Signer` restricts to letters and digits.
fn sign(
    signer: &Signer,
    payload: &mut Vec<u8>,
    params_at: usize,
    length: usize,
    out: &mut [u8],
) -> usize {
    payload.clear();
    payload.extend(out[params_at..length - 2].iter().filter(|byte| **byte != b'"').map(|byte| {
        match byte {
            b':' => b'=',
            b',' => b'&',
            other => *other,
        }
    }));
    let mut at = length - 2;
    for part in [b",\"signature\":\"".as_slice(), signer.sign(payload).as_bytes(), b"\"}}"] {
        out[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    at
}

const fn kind_index(order_type: OrderType, life: TimeInForce) -> usize {
    match (order_type, life) {
        (OrderType::Limit, TimeInForce::GoodTillCancel) => 0,
        (OrderType::Limit, TimeInForce::ImmediateOrCancel) => 1,
        (OrderType::Limit, TimeInForce::FillOrKill) => 2,
        (OrderType::PostOnly, _) => 3,
        (OrderType::Market, _) => 4,
    }
}

impl Requests {
    #[inline]
    fn template(&self, family: Family, intent: &Intent) -> Result<&Template, EncodeError> {
        let kind = kind_index(intent.order_type, intent.time_in_force);
        let at = intent.side as usize * KINDS + kind;
        match intent.action {
            OrderAction::Place => Ok(&self.place[at * 2 + usize::from(intent.reduce_only)]),
            OrderAction::Cancel => Ok(&self.cancel),
            OrderAction::Replace if family == Family::Spot => Ok(&self.replace[at]),
            OrderAction::Replace if intent.order != intent.replaces => {
                let (order, replaces) = (intent.order, intent.replaces);
                Err(EncodeError::ReplaceRenames { order, replaces })
            }
            OrderAction::Replace if intent.order_type == OrderType::Market => {
                Err(EncodeError::ReplaceOfMarket(intent.order))
            }
            OrderAction::Replace => Ok(&self.replace[at]),
            OrderAction::CancelAll => match family {
                Family::Spot => Ok(&self.cancel_all),
                Family::UsdM => {
                    Err(EncodeError::NotOverWebSocket { path: "/fapi/v1/allOpenOrders" })
                }
                Family::CoinM => {
                    Err(EncodeError::NotOverWebSocket { path: "/dapi/v1/allOpenOrders" })
                }
            },
        }
    }
}

/// What every template of an encoder shares.
struct Shape<'a> {
    family: Family,
    prevention: Option<SelfTradePrevention>,
    key: Option<&'a str>,
}

impl Shape<'_> {
    fn requests(&self, instrument: &Instrument) -> Requests {
        let sides = [Side::Buy, Side::Sell];
        let each_kind = || sides.into_iter().flat_map(|side| (0..KINDS).map(move |k| (side, k)));
        let place = each_kind().flat_map(|(side, kind)| {
            [false, true].map(|reduce| self.place(instrument, side, kind, reduce))
        });
        Requests {
            scales: Scales {
                price: Scale::new(&instrument.tick),
                size: Scale::new(&instrument.lot),
            },
            place: place.collect(),
            replace: each_kind()
                .map(|(side, kind)| match self.family {
                    Family::Spot => self.cancel_replace(instrument, side, kind),
                    Family::UsdM | Family::CoinM => self.modify(instrument, side),
                })
                .collect(),
            cancel: self.cancel(instrument),
            cancel_all: self.cancel_all(instrument),
        }
    }

    fn place(&self, instrument: &Instrument, side: Side, kind: usize, reduce: bool) -> Template {
        let mut params = self.order(side, kind);
        if reduce && self.family.is_futures() {
            params.push(("reduceOnly", quoted("true")));
        }
        self.render(instrument, OrderAction::Place, "order.place", params)
    }

    fn cancel_replace(&self, instrument: &Instrument, side: Side, kind: usize) -> Template {
        let mut params = self.order(side, kind);
        let replaced = format!("b4_{}", Hole::Replaces.mark());
        params.push(("cancelOrigClientOrderId", quoted(&replaced)));
        params.push(("cancelReplaceMode", quoted("STOP_ON_FAILURE")));
        self.render(instrument, OrderAction::Replace, "order.cancelReplace", params)
    }

    fn modify(&self, instrument: &Instrument, side: Side) -> Template {
        let params = vec![
            ("origClientOrderId", quoted(&format!("b4_{}", Hole::Order.mark()))),
            ("price", quoted(&Hole::Price.mark().to_string())),
            ("quantity", quoted(&Hole::Size.mark().to_string())),
            ("side", quoted(side_name(side))),
        ];
        self.render(instrument, OrderAction::Replace, "order.modify", params)
    }

    fn cancel(&self, instrument: &Instrument) -> Template {
        let order = format!("b4_{}", Hole::Order.mark());
        let params = vec![("origClientOrderId", quoted(&order))];
        self.render(instrument, OrderAction::Cancel, "order.cancel", params)
    }

    fn cancel_all(&self, instrument: &Instrument) -> Template {
        self.render(instrument, OrderAction::CancelAll, "openOrders.cancelAll", Vec::new())
    }

    /// The parameters that describe a fresh order.
    fn order(&self, side: Side, kind: usize) -> Vec<(&'static str, String)> {
        let spot = self.family == Family::Spot;
        let (name, life) = match kind {
            0 => ("LIMIT", Some("GTC")),
            1 => ("LIMIT", Some("IOC")),
            2 => ("LIMIT", Some("FOK")),
            3 if spot => ("LIMIT_MAKER", None),
            3 => ("LIMIT", Some("GTX")),
            _ => ("MARKET", None),
        };
        let mut params = vec![
            ("newClientOrderId", quoted(&format!("b4_{}", Hole::Order.mark()))),
            ("newOrderRespType", quoted("ACK")),
            ("quantity", quoted(&Hole::Size.mark().to_string())),
            ("side", quoted(side_name(side))),
            ("type", quoted(name)),
        ];
        if name != "MARKET" {
            params.push(("price", quoted(&Hole::Price.mark().to_string())));
        }
        params.extend(life.map(|life| ("timeInForce", quoted(life))));
        params.extend(self.prevention.map(|mode| ("selfTradePreventionMode", quoted(mode.name()))));
        params
    }

    fn render(
        &self,
        instrument: &Instrument,
        action: OrderAction,
        method: &str,
        mut params: Vec<(&'static str, String)>,
    ) -> Template {
        params.push(("symbol", quoted(instrument.symbol.as_str())));
        params.push(("recvWindow", ORDER_WINDOW_MS.to_string()));
        params.push(("timestamp", Hole::Millis.mark().to_string()));
        params.extend(self.key.map(|key| ("apiKey", quoted(key))));
        params.sort_unstable();
        let params: Vec<String> =
            params.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let replaced = match action {
            OrderAction::Replace => Hole::Replaces.mark().to_string(),
            _ => String::new(),
        };
        Template::new(&format!(
            "{{\"id\":\"{}{:03x}{}{replaced}\",\"method\":\"{method}\",\"params\":{{{}}}}}",
            action_letter(action),
            instrument.id.0,
            Hole::Order.mark(),
            params.join(",")
        ))
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

const fn side_name(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}
