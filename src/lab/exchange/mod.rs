//! The venue in a box: a generated or captured market, a matching engine, Binance's protocol.

mod matching;
mod order;

#[cfg(test)]
mod matching_tests;
#[cfg(test)]
mod naive;

pub use matching::Engine;
pub use order::{ClientId, Event, NewOrder, Order, OrderEvent, Reject, Request};
