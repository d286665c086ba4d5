//! A hot lane on its thread: sockets to pipeline to sockets, until it is told to stop.
//!
//! ```text
//!  market line ──▶ pipeline.on_market ─┐                      ┌──▶ orders line
//!  user line   ──▶ pipeline.on_report ─┼─▶ requests, WebSocket ┤
//!  orders line ──▶ pipeline.on_report ─┘                      └── flushed after each poll
//!  clerk (REST, own thread) ⇄ rings: snapshots, listen key, look-ups, reconciliation
//! ```
//!
//! One poll, then everything it brought, then one flush. Sessions (`venue::session`) decide when a
//! line is opened, replaced or given up; losing one tells the lane, which fails closed. An order of
//! unknown fate is looked up, or, where the whole line was lost, cancelled with all others and their
//! fills asked for before the link counts as up again.
//! Invariant: between faults the loop allocates nothing. Deliberately absent: what to trade (`lane`).

pub mod clerk;
mod controls;
mod doubts;
mod driver;
mod inquire;
mod open_loop;
mod report;
pub mod rest;
mod sessions;
mod settings;
mod settle;
mod timing;
mod venue_clock;
pub mod wire;
mod words;

pub use controls::{Controls, Status};
pub use driver::{Driver, TIMER_PERIOD, Turn, drive};
pub use open_loop::OpenLoop;
pub use report::{DriveReport, Incident};
pub use sessions::{Lines, SessionKind};
pub use settings::{DriveSettings, Endpoints, Resumed};
pub use timing::{DriveTimes, LaneTimes};
