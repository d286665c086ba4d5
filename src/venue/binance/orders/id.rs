//! The two texts by which an order is known to the venue: client order id and request id.
//!
//! Client order id: `b4_` and 16 lower-case hex digits of `OrderId`. Request id (which the venue
//! echoes in its answer): action letter, 3 hex digits of the instrument, 16 of the order and, for a
//! replace, 16 of the order replaced. 36 bytes at most, the venue's limit, so an answer names what it
//! answers and no table of pending requests is needed, before or after a restart.

use crate::record::OrderAction;
use crate::units::{InstrumentId, OrderId};

/// Bytes of a client order id.
pub const CLIENT_ID_LEN: usize = 19;

/// Instruments that a request id can name: three hex digits.
pub(super) const INSTRUMENTS_MAX: u32 = 1 << 12;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Both hex digits of every byte.
const PAIRS: [[u8; 2]; 256] = {
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    table
};

/// What an order request asked for, as its id tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRequest {
    /// What was asked.
    pub action: OrderAction,
    /// For which instrument.
    pub instrument: InstrumentId,
    /// The order placed, cancelled or modified; zero for a cancel-all.
    pub order: OrderId,
    /// The order replaced; zero unless `Replace`.
    pub replaces: OrderId,
}

/// Whose request an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestId {
    /// An order request.
    Order(OrderRequest),
    /// The n-th request of the session itself (logon, subscription, …).
    Session(u64),
    /// Nothing that Bot4 sent, or an answer without an id.
    Foreign,
}

/// The 16 hex digits of a number.
#[inline]
pub(super) fn hex16(number: u64) -> [u8; 16] {
    let mut text = [0; 16];
    for (pair, byte) in text.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair.copy_from_slice(&PAIRS[usize::from(byte)]);
    }
    text
}

/// A number of exactly `digits.len()` lower-case hex digits, at most 16.
pub(super) fn parse_hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

/// The client order id of an order.
#[must_use]
pub fn client_id(order: OrderId) -> [u8; CLIENT_ID_LEN] {
    let mut text = *b"b4_0000000000000000";
    text[3..].copy_from_slice(&hex16(order.0));
    text
}

/// The order of a client order id; `None` for an id that Bot4 did not make.
#[must_use]
pub fn parse_client_id(text: &str) -> Option<OrderId> {
    let digits = text.as_bytes().strip_prefix(b"b4_")?;
    (digits.len() == 16).then(|| parse_hex(digits)).flatten().map(OrderId)
}

pub(super) const fn action_letter(action: OrderAction) -> char {
    match action {
        OrderAction::Place => 'p',
        OrderAction::Cancel => 'c',
        OrderAction::Replace => 'r',
        OrderAction::CancelAll => 'a',
    }
}

impl RequestId {
    /// Reads an id; what Bot4 did not write is `Foreign`.
    #[must_use]
    pub fn parse(text: &str) -> RequestId {
        let bytes = text.as_bytes();
        let Some((letter, digits)) = bytes.split_first() else { return RequestId::Foreign };
        let action = match letter {
            b's' if digits.len() == 16 => {
                return parse_hex(digits).map_or(RequestId::Foreign, RequestId::Session);
            }
            b'p' => OrderAction::Place,
            b'c' => OrderAction::Cancel,
            b'r' => OrderAction::Replace,
            b'a' => OrderAction::CancelAll,
            _ => return RequestId::Foreign,
        };
        let length = if action == OrderAction::Replace { 35 } else { 19 };
        if digits.len() != length {
            return RequestId::Foreign;
        }
        let replaces = if digits.len() == 35 { parse_hex(&digits[19..]) } else { Some(0) };
        let parts = (parse_hex(&digits[..3]), parse_hex(&digits[3..19]), replaces);
        let (Some(instrument), Some(order), Some(replaces)) = parts else {
            return RequestId::Foreign;
        };
        RequestId::Order(OrderRequest {
            action,
            instrument: InstrumentId(instrument as u32),
            order: OrderId(order),
            replaces: OrderId(replaces),
        })
    }

    /// The text of the n-th request of the session.
    #[must_use]
    pub fn session_text(number: u64) -> String {
        format!("s{number:016x}")
    }
}
