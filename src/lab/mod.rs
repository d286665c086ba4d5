//! The venue in a box, captures, in-process replay, the simulator. Level 8.

pub mod capture;
pub mod exchange;
pub mod replay;
pub mod sim;
pub mod stream;
