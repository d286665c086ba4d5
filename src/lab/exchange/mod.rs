//! The venue in a box: a generated or captured market, a matching engine, Binance's protocol.

mod captured;
mod flow;
mod generated;
mod hawkes;
mod matching;
mod order;
mod queue;
mod replay;
mod report;
pub mod server;
mod venue;
pub mod wire;

#[cfg(test)]
mod matching_tests;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod replay_tests;

pub use captured::{CaptureCounts, Captured};
pub use flow::{Flow, FlowSettings};
pub use generated::{Disturbance, Generated};
pub use hawkes::{Hawkes, HawkesError, HawkesSettings, KINDS, Kind};
pub use matching::Engine;
pub use order::{ClientId, Event, NewOrder, Order, OrderEvent, Reject, Request};
pub use queue::QueueModel;
pub use replay::Replay;
pub use report::code;
pub use venue::{Exchange, ExchangeError, ExchangeSettings, Output};
