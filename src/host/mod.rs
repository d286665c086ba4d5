//! The machine: topology, placement, clock, memory, rings, the Plan cell, sockets. Level 1.

pub mod clock;
pub mod cpu;
pub mod epoll;
pub mod net;
pub mod probe;
mod socket;
pub mod uring;
