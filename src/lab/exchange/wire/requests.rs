//! WebSocket-API requests: text -> what is asked, or the venue's refusal. Never a panic.
//!
//! Reads every request that `venue::binance` writes and a little more, so that other clients work
//! too. The same readers serve REST, whose parameters have the same names.

use super::names::Names;
use super::parameters::Parameters;
use super::refusal::Refusal;
use crate::record::{Instrument, Intent, OrderAction, OrderType, TimeInForce};
use crate::units::{Grid, GridError, InstrumentId, Lots, OrderId, Side, Ticks};
use crate::venue::binance::Family;

/// Longest id that is echoed.
const ID_MAX: usize = 64;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `session.logon`
    Logon,
    /// `session.logout`
    Logout,
    /// `session.status`
    Status,
    /// `ping`
    Ping,
    /// `time`
    Time,
    /// `userDataStream.subscribe`
    Subscribe,
    /// `userDataStream.subscribe.signature`
    SubscribeSigned,
    /// `userDataStream.unsubscribe`
    Unsubscribe,
    /// `userDataStream.start` and `.ping`
    ListenKey,
    /// An order request.
    Order(OrderAction),
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The id as JSON, echoed in the answer; `null` where there is none.
    pub id: String,
    /// What is asked, or why nothing can be.
    pub call: Result<(Call, Parameters), Refusal>,
}

impl Request {
    /// Reads a text.
    #[must_use]
    pub fn read(text: &[u8]) -> Request {
        let nameless = |refusal| Request { id: "null".to_owned(), call: Err(refusal) };
        let Ok(serde_json::Value::Object(tree)) = serde_json::from_slice(text) else {
            return nameless(Refusal::JSON);
        };
        let id = match tree.get("id") {
            None | Some(serde_json::Value::Null) => "null".to_owned(),
            Some(id @ (serde_json::Value::String(_) | serde_json::Value::Number(_))) => {
                let text = id.to_string();
                if text.len() > ID_MAX {
                    return nameless(Refusal::illegal("id"));
                }
                text
            }
            Some(_) => return nameless(Refusal::illegal("id")),
        };
        Request { id, call: call(&tree) }
    }
}

fn call(tree: &serde_json::Map<String, serde_json::Value>) -> Result<(Call, Parameters), Refusal> {
    let method = tree.get("method").and_then(serde_json::Value::as_str);
    let call = match method.ok_or_else(|| Refusal::missing("method"))? {
        "session.logon" => Call::Logon,
        "session.logout" => Call::Logout,
        "session.status" => Call::Status,
        "ping" => Call::Ping,
        "time" => Call::Time,
        "userDataStream.subscribe" => Call::Subscribe,
        "userDataStream.subscribe.signature" => Call::SubscribeSigned,
        "userDataStream.unsubscribe" => Call::Unsubscribe,
        "userDataStream.start" | "userDataStream.ping" => Call::ListenKey,
        "order.place" => Call::Order(OrderAction::Place),
        "order.cancel" => Call::Order(OrderAction::Cancel),
        "order.cancelReplace" | "order.modify" => Call::Order(OrderAction::Replace),
        "openOrders.cancelAll" => Call::Order(OrderAction::CancelAll),
        _ => return Err(Refusal::UNSUPPORTED),
    };
    let params = match tree.get("params") {
        None | Some(serde_json::Value::Null) => Parameters::default(),
        Some(serde_json::Value::Object(params)) => Parameters::of_json(params)?,
        Some(_) => return Err(Refusal::illegal("params")),
    };
    Ok((call, params))
}

/// What an order request is read against.
pub struct OrderReader<'a> {
    /// Whose rules.
    pub family: Family,
    /// What is listed.
    pub instruments: &'a [Instrument],
    /// The account's client order ids.
    pub names: &'a mut Names,
    /// The account's working order with a venue's id.
    pub by_venue_order: &'a dyn Fn(InstrumentId, u64) -> Option<OrderId>,
}

impl OrderReader<'_> {
    /// Reads the intent of an order request. Prices and sizes on the grid are all that is checked:
    /// the engine has the word on the rest.
    ///
    /// # Errors
    /// The venue's refusal.
    pub fn read(&mut self, action: OrderAction, params: &Parameters) -> Result<Intent, Refusal> {
        let instrument = *params.instrument(self.instruments)?;
        let blank = Intent {
            action,
            instrument: instrument.id,
            order: OrderId(0),
            replaces: OrderId(0),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            reduce_only: false,
            price: Ticks(0),
            lots: Lots(0),
        };
        match action {
            OrderAction::CancelAll => Ok(blank),
            OrderAction::Cancel => {
                let order = self.known(instrument.id, params, "origClientOrderId", "orderId")?;
                Ok(Intent { order, ..blank })
            }
            OrderAction::Place => self.describe(&instrument, params, blank),
            OrderAction::Replace if self.family == Family::Spot => {
                params.need("cancelReplaceMode")?;
                let (text, number) = ("cancelOrigClientOrderId", "cancelOrderId");
                let replaces = self.known(instrument.id, params, text, number)?;
                let order = self.describe(&instrument, params, blank)?;
                Ok(Intent { replaces, ..order })
            }
            OrderAction::Replace => {
                let order = self.known(instrument.id, params, "origClientOrderId", "orderId")?;
                Ok(Intent {
                    order,
                    replaces: order,
                    side: side(params)?,
                    price: Ticks(self.steps(params, "price", &instrument.tick)?),
                    lots: Lots(self.steps(params, "quantity", &instrument.lot)?),
                    ..blank
                })
            }
        }
    }

    fn describe(
        &mut self,
        instrument: &Instrument,
        params: &Parameters,
        blank: Intent,
    ) -> Result<Intent, Refusal> {
        let futures = self.family.is_futures();
        let side = side(params)?;
        let life = |params: &Parameters| match params.need("timeInForce")? {
            "GTC" => Ok((OrderType::Limit, TimeInForce::GoodTillCancel)),
            "IOC" => Ok((OrderType::Limit, TimeInForce::ImmediateOrCancel)),
            "FOK" => Ok((OrderType::Limit, TimeInForce::FillOrKill)),
            "GTX" if futures => Ok((OrderType::PostOnly, TimeInForce::GoodTillCancel)),
            _ => Err(Refusal::new(-1115, "Invalid timeInForce.")),
        };
        let (order_type, time_in_force) = match params.need("type")? {
            "LIMIT" => life(params)?,
            "LIMIT_MAKER" if !futures => (OrderType::PostOnly, TimeInForce::GoodTillCancel),
            "MARKET" => (OrderType::Market, TimeInForce::GoodTillCancel),
            _ => return Err(Refusal::new(-1116, "Invalid orderType.")),
        };
        let lots = Lots(self.steps(params, "quantity", &instrument.lot)?);
        let price = match order_type {
            OrderType::Market => Ticks(0),
            _ => Ticks(self.steps(params, "price", &instrument.tick)?),
        };
        let reduce_only = futures && params.flag("reduceOnly")?;
        let order = match params.get("newClientOrderId") {
            Some(text) => self.names.order(text),
            None => self.names.fresh(),
        };
        let order = order.ok_or_else(|| Refusal::illegal("newClientOrderId"))?;
        Ok(Intent { order, side, order_type, time_in_force, reduce_only, price, lots, ..blank })
    }

    /// The order named by client id or by the venue's.
    fn known(
        &mut self,
        instrument: InstrumentId,
        params: &Parameters,
        text: &str,
        number: &str,
    ) -> Result<OrderId, Refusal> {
        if let Some(text) = params.get(text) {
            return self.names.order(text).ok_or(Refusal::UNKNOWN_ORDER);
        }
        if params.get(number).is_none() {
            return Err(Refusal::missing(text));
        }
        (self.by_venue_order)(instrument, params.whole(number)?).ok_or(Refusal::UNKNOWN_ORDER)
    }

    fn steps(&self, params: &Parameters, name: &str, grid: &Grid) -> Result<i64, Refusal> {
        let precision =
            Refusal::new(-1111, "Precision is over the maximum defined for this asset.");
        grid.steps_of(params.decimal(name)?).map_err(|error| match (error, self.family, name) {
            (GridError::TooLarge, ..) => precision,
            (_, Family::Spot, "price") => Refusal::new(-1013, "Filter failure: PRICE_FILTER"),
            (_, Family::Spot, _) => Refusal::new(-1013, "Filter failure: LOT_SIZE"),
            (_, _, "price") => Refusal::new(-4014, "Price not increased by tick size."),
            _ => precision,
        })
    }
}

fn side(params: &Parameters) -> Result<Side, Refusal> {
    match params.need("side")? {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(Refusal::new(-1117, "Invalid side.")),
    }
}
