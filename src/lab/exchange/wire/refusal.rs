//! The venue's refusals: status, code and words of each family.

use crate::record::{Instrument, Intent, OrderType};
use crate::units::Ticks;
use crate::venue::binance::Family;
use std::borrow::Cow;

/// Words of a request that may or may not have been carried out.
const UNKNOWN_STATUS: &str = "Timeout waiting for response from backend server. \
     Send status unknown; execution status unknown.";

/// Why the venue does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP-like status.
    pub status: u16,
    /// The venue's code.
    pub code: i32,
    /// Its words.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with status 400.
    #[must_use]
    pub const fn new(code: i32, text: &'static str) -> Refusal {
        Refusal::of_status(400, code, text)
    }

    /// A refusal with a status of its own.
    #[must_use]
    pub const fn of_status(status: u16, code: i32, text: &'static str) -> Refusal {
        Refusal { status, code, text: Cow::Borrowed(text) }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Refusal {
        Refusal { status, ..self }
    }

    /// No JSON object.
    pub const JSON: Refusal = Refusal::new(-1135, "Invalid JSON Request");
    /// A method or path that this venue does not have.
    pub const UNSUPPORTED: Refusal = Refusal::new(-1020, "This operation is not supported.");
    /// A symbol that is not listed.
    pub const SYMBOL: Refusal = Refusal::new(-1121, "Invalid symbol.");
    /// No such working order to cancel.
    pub const UNKNOWN_ORDER: Refusal = Refusal::new(-2011, "Unknown order sent.");
    /// The request is older or newer than the window allows.
    pub const CLOCK: Refusal =
        Refusal::new(-1021, "Timestamp for this request is outside of the recvWindow.");
    /// The signature is not that of the key.
    pub const SIGNATURE: Refusal = Refusal::new(-1022, "Signature for this request is not valid.");
    /// Another key than the one configured, or none.
    pub const KEY: Refusal =
        Refusal::of_status(401, -2015, "Invalid API-key, IP, or permissions for action.");
    /// A key of a shape no key has.
    pub const KEY_FORMAT: Refusal = Refusal::of_status(401, -2014, "API-key format invalid.");
    /// A listen key that was never made.
    pub const LISTEN_KEY: Refusal = Refusal::new(-1125, "This listenKey does not exist.");
    /// The venue lost track of a request.
    pub const TIMEOUT: Refusal = Refusal::of_status(500, -1007, UNKNOWN_STATUS);

    /// A parameter that is not there.
    #[must_use]
    pub fn missing(name: &str) -> Refusal {
        let text =
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        Refusal { status: 400, code: -1102, text: text.into() }
    }

    /// A parameter with bytes that it may not have.
    #[must_use]
    pub fn illegal(name: &str) -> Refusal {
        let text = format!("Illegal characters found in parameter '{name}'.");
        Refusal { status: 400, code: -1100, text: text.into() }
    }

    /// What the engine refused with `code`; `intent` tells which of several meanings it has.
    #[must_use]
    pub fn of_code(family: Family, code: i32, instrument: &Instrument, intent: &Intent) -> Refusal {
        let text = match code {
            -1013 => filter(instrument, intent),
            -2010 if intent.order_type == OrderType::PostOnly => {
                "Order would immediately match and take."
            }
            other => words(family, other),
        };
        let status = match code {
            -1003 | -1015 => 429,
            -1008 => 503,
            _ => 400,
        };
        Refusal::new(code, text).with_status(status)
    }
}

/// Which spot filter an order breaks.
fn filter(instrument: &Instrument, intent: &Intent) -> &'static str {
    let limits = &instrument.filters;
    if intent.lots < limits.lots_min || intent.lots > limits.lots_max {
        return "Filter failure: LOT_SIZE";
    }
    let over = limits.price_max > Ticks(0) && intent.price > limits.price_max;
    if intent.price < limits.price_min || over {
        return "Filter failure: PRICE_FILTER";
    }
    "Filter failure: NOTIONAL"
}

/// The words that go with a code.
const fn words(family: Family, code: i32) -> &'static str {
    match code {
        -1003 => "Too many requests; current limit is exceeded.",
        -1007 => {
            "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
        }
        -1008 => {
            "Server is currently overloaded with other requests. Please try again in a few minutes."
        }
        -1015 => "Too many new orders.",
        -1121 => "Invalid symbol.",
        -2010 => "Duplicate order sent.",
        -2011 => "Unknown order sent.",
        -2013 => "Order does not exist.",
        -2018 => "Balance is insufficient.",
        -2019 => "Margin is insufficient.",
        -2022 if family.is_futures() => "ReduceOnly Order is rejected.",
        -2022 => "Order cancel-replace failed.",
        -4003 => "Quantity less than or equal to zero.",
        -4005 => "Quantity greater than max quantity.",
        -4013 => "Price less than min price.",
        -4014 => "Price not increased by tick size.",
        -4016 => "Limit price can't be higher than the maximum.",
        -4023 => "Qty not increased by step size.",
        -4116 => "ClientOrderId is duplicated.",
        -4164 => {
            "Order's notional must be no smaller than the minimum (unless you choose reduce only)."
        }
        -5022 => {
            "Due to the order could not be executed as maker, the Post Only order will be rejected. \
             The order will not be recorded in the order history"
        }
        -5027 => "No need to modify the order.",
        _ => "The request was refused.",
    }
}
