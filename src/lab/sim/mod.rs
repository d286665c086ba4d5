//! The simulator: the whole engine in one deterministic process, and everything that can go wrong.

pub mod net;
mod wires;

#[cfg(test)]
mod net_tests;

pub use net::{Machine, Network, NetworkSettings, SimNet, Way};
