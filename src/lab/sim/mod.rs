//! The simulator: the whole engine in one deterministic process, and everything that can go wrong.

pub mod canaries;
pub mod clock;
pub mod disk;
pub mod engine;
pub mod faults;
mod hearing;
mod invariants;
pub mod judge;
pub mod kinds;
mod limits;
pub mod net;
pub mod plans;
pub mod scenario;
pub mod seeds;
mod stream;
mod strikes;
pub mod tap;
mod wires;
pub mod world;

#[cfg(test)]
mod net_tests;
#[cfg(test)]
mod world_tests;

pub use net::{Machine, Network, NetworkSettings, SimNet, Way};
