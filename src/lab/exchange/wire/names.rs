//! Client order ids that others than Bot4 choose, as order ids of an epoch of their own.

use crate::units::OrderId;
use crate::venue::binance::orders::{client_id, parse_client_id};
use std::borrow::Cow;
use std::collections::HashMap;

/// The epoch that stands for foreign texts; Bot4 counts its own up from one.
const FOREIGN: u32 = (1 << 24) - 1;

/// Foreign texts kept; an order with another one beyond is refused.
pub const NAMES_MAX: usize = 1 << 20;

/// Longest client order id, the venue's limit.
const TEXT_MAX: usize = 36;

/// The texts of one account.
#[derive(Clone, Debug, Default)]
pub struct Names {
    texts: Vec<Box<str>>,
    orders: HashMap<Box<str>, OrderId>,
}

impl Names {
    /// The order id of a text; `None` for a text no client order id may be, or beyond `NAMES_MAX`.
    pub fn order(&mut self, text: &str) -> Option<OrderId> {
        if let Some(own) = parse_client_id(text).filter(|own| own.epoch() != FOREIGN) {
            return Some(own);
        }
        if let Some(known) = self.orders.get(text) {
            return Some(*known);
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:/_-".contains(&byte);
        let fits = !text.is_empty() && text.len() <= TEXT_MAX && text.bytes().all(plain);
        if !fits || self.texts.len() == NAMES_MAX {
            return None;
        }
        let order = OrderId::new(FOREIGN, self.texts.len() as u64);
        self.texts.push(text.into());
        self.orders.insert(text.into(), order);
        Some(order)
    }

    /// A fresh order id for an order that came without one.
    pub fn fresh(&mut self) -> Option<OrderId> {
        self.order(&format!("venue_{}", self.texts.len()))
    }

    /// The text of an order id.
    #[must_use]
    pub fn text(&self, order: OrderId) -> Cow<'_, str> {
        let foreign = (order.epoch() == FOREIGN).then(|| self.texts.get(order.counter() as usize));
        match foreign.flatten() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(client_id(order).iter().map(|byte| char::from(*byte)).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_and_foreign_texts_come_back() {
        let mut names = Names::default();
        let own = OrderId::new(7, 42);
        assert_eq!(names.order("b4_000007000000002a"), Some(own));
        assert_eq!(names.text(own), "b4_000007000000002a");
        for text in ["x-1", "b4_ffffff0000000000", "b4_"] {
            let order = names.order(text).expect("a fitting text");
            assert_eq!((names.order(text), &*names.text(order)), (Some(order), text));
        }
        assert_eq!((names.order(""), names.order("a b"), names.order("\"")), (None, None, None));
        let fresh = names.fresh().expect("room");
        assert_eq!(names.text(fresh), "venue_3");
    }
}
