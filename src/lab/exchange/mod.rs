//! The venue in a box: a generated or captured market, a matching engine, Binance's protocol.

mod flow;
mod hawkes;
mod matching;
mod order;
mod random;

#[cfg(test)]
mod matching_tests;
#[cfg(test)]
mod naive;

pub use flow::{Flow, FlowSettings};
pub use hawkes::{Hawkes, HawkesError, HawkesSettings, KINDS, Kind};
pub use matching::Engine;
pub use order::{ClientId, Event, NewOrder, Order, OrderEvent, Reject, Request};
pub use random::Random;
