//! The venue behind sockets: one thread that speaks Binance's protocol at one address.
//!
//! ```text
//! accept -> HTTP head -> upgrade by path -> market streams  /stream?streams=a/b, /ws/NAME
//!                    |                   -> order API       /ws-api/v3, /ws-fapi/v1, /ws-dapi/v1
//!                    |                   -> user data       /ws/LISTENKEY
//!                    +-> REST on every other path
//! ```
//!
//! The loop reads sockets, lets the exchange move as far as time or the slowest reader allows, and
//! writes what came of it. Every queue is bounded; a reader that falls behind is disconnected and
//! told of in the report.

mod accounts;
mod desk;
mod fault;
mod floor;
mod late;
mod limits;
mod link;
mod pace;
mod pending;
mod reception;
mod reply;
mod report;
mod rest_desk;
mod run;
mod settings;
mod streams;
mod strike;
mod turn;
mod witness;

pub use fault::{Fault, FaultError, FrameFault, MessageFault, RequestFault};
pub use limits::{Full, RateSettings};
pub use report::ServerReport;
pub use run::Server;
pub use settings::{ServerError, ServerSettings, Speed};
pub use strike::Strike;
pub use turn::House;
pub use witness::Witnessed;
