//! The venue in a box, captures, in-process replay. Level 8.

pub mod capture;
pub mod exchange;
pub mod replay;
