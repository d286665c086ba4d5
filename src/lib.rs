//! Bot4: a hot lane that turns market bytes into orders in microseconds, and the rooms it needs.
//!
//! Data flows one way: `venue` decodes, `market` keeps the book, `strategy` decides, `hot` gates and
//! sends, `ledger` keeps the account. README.md holds the table of rooms; `tests/tidy.rs` enforces
//! which room may import which.

pub mod cli;
pub mod compute;
pub mod history;
pub mod host;
pub mod hot;
pub mod instrument;
pub mod journal;
pub mod lab;
pub mod ledger;
pub mod market;
pub mod maths;
pub mod model;
pub mod net;
pub mod portfolio;
pub mod record;
pub mod risk;
pub mod secret;
pub mod strategy;
pub mod units;
pub mod venue;
