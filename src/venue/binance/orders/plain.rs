//! The slow twin of the encoder: what a request means, as a JSON tree. Intent -> `Value`.
//!
//! Built by hand from the venue's description of each request, with no template and no table in
//! common with the fast encoder. Numbers are written by `Decimal`'s own `Display`.

use crate::record::{Instrument, Intent, OrderAction, OrderType, TimeInForce};
use crate::units::{Side, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::orders::ORDER_WINDOW_MS;
use serde_json::{Map, Value, json};

/// The request of an intent; `None` where the venue has none over WebSocket, or the intent is one
/// that the encoder refuses.
#[must_use]
pub fn request(
    family: Family,
    instrument: &Instrument,
    intent: &Intent,
    now: UnixNanos,
) -> Option<Value> {
    let futures = family.is_futures();
    let mut params = Map::new();
    params.insert("symbol".into(), json!(instrument.symbol.as_str()));
    params.insert("recvWindow".into(), json!(ORDER_WINDOW_MS));
    params.insert("timestamp".into(), json!(now.0 / 1_000_000));
    let (letter, method) = match intent.action {
        OrderAction::CancelAll if futures => return None,
        OrderAction::CancelAll => ("a", "openOrders.cancelAll"),
        OrderAction::Cancel => {
            params.insert("origClientOrderId".into(), json!(format!("b4_{:016x}", intent.order.0)));
            ("c", "order.cancel")
        }
        OrderAction::Replace if futures => {
            if intent.order != intent.replaces || intent.order_type == OrderType::Market {
                return None;
            }
            params.insert("origClientOrderId".into(), json!(format!("b4_{:016x}", intent.order.0)));
            params.insert("side".into(), json!(side(intent)));
            params.insert("quantity".into(), size(instrument, intent)?);
            params.insert("price".into(), price(instrument, intent)?);
            ("r", "order.modify")
        }
        OrderAction::Replace => {
            let replaced = format!("b4_{:016x}", intent.replaces.0);
            params.insert("cancelReplaceMode".into(), json!("STOP_ON_FAILURE"));
            params.insert("cancelOrigClientOrderId".into(), json!(replaced));
            describe(family, instrument, intent, &mut params)?;
            ("r", "order.cancelReplace")
        }
        OrderAction::Place => {
            if intent.reduce_only && futures {
                params.insert("reduceOnly".into(), json!("true"));
            }
            describe(family, instrument, intent, &mut params)?;
            ("p", "order.place")
        }
    };
    let mut id = format!("{letter}{:03x}{:016x}", instrument.id.0, intent.order.0);
    if intent.action == OrderAction::Replace {
        id += &format!("{:016x}", intent.replaces.0);
    }
    Some(json!({ "id": id, "method": method, "params": params }))
}

fn describe(
    family: Family,
    instrument: &Instrument,
    intent: &Intent,
    params: &mut Map<String, Value>,
) -> Option<()> {
    params.insert("newClientOrderId".into(), json!(format!("b4_{:016x}", intent.order.0)));
    params.insert("newOrderRespType".into(), json!("ACK"));
    params.insert("side".into(), json!(side(intent)));
    params.insert("quantity".into(), size(instrument, intent)?);
    let life = match intent.time_in_force {
        TimeInForce::GoodTillCancel => "GTC",
        TimeInForce::ImmediateOrCancel => "IOC",
        TimeInForce::FillOrKill => "FOK",
    };
    let (name, life) = match intent.order_type {
        OrderType::Market => ("MARKET", None),
        OrderType::Limit => ("LIMIT", Some(life)),
        OrderType::PostOnly if family == Family::Spot => ("LIMIT_MAKER", None),
        OrderType::PostOnly => ("LIMIT", Some("GTX")),
    };
    params.insert("type".into(), json!(name));
    if let Some(life) = life {
        params.insert("timeInForce".into(), json!(life));
    }
    if intent.order_type != OrderType::Market {
        params.insert("price".into(), price(instrument, intent)?);
    }
    Some(())
}

const fn side(intent: &Intent) -> &'static str {
    match intent.side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

fn price(instrument: &Instrument, intent: &Intent) -> Option<Value> {
    positive(intent.price.0, instrument.tick.step().mantissa)?;
    Some(json!(instrument.tick.decimal(intent.price.0).to_string()))
}

fn size(instrument: &Instrument, intent: &Intent) -> Option<Value> {
    positive(intent.lots.0, instrument.lot.step().mantissa)?;
    Some(json!(instrument.lot.decimal(intent.lots.0).to_string()))
}

fn positive(steps: i64, step: i64) -> Option<i64> {
    steps.checked_mul(step).filter(|mantissa| *mantissa > 0)
}
