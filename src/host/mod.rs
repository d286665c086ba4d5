//! The machine: topology, placement, clock, memory, rings, the Plan cell, sockets. Level 1.

pub mod allocation;
pub mod byte_ring;
pub mod cell;
pub mod clock;
pub mod cpu;
pub mod cpulist;
pub mod disk;
pub mod epoll;
pub mod histogram;
pub mod keeper;
pub mod kernel;
pub mod memory;
pub mod net;
pub mod pin;
pub mod placement;
pub mod plain_disk;
pub mod probe;
pub mod ring;
pub mod schedule;
pub mod signal;
mod socket;
mod stage_probe;
pub mod steal;
pub mod system;
pub mod topology;
mod tsc;
pub mod uring;
