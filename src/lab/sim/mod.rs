//! The simulator: the whole engine in one deterministic process, and everything that can go wrong.

pub mod clock;
pub mod engine;
pub mod faults;
pub mod judge;
pub mod kinds;
pub mod net;
pub mod plans;
pub mod scenario;
mod stream;
mod wires;
pub mod world;

#[cfg(test)]
mod net_tests;

pub use net::{Machine, Network, NetworkSettings, SimNet, Way};
