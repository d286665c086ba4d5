//! Mathematics in f64 that needs nothing but numbers. Level 1.

pub mod distribution;
pub mod linear;
pub mod minimise;
pub mod programme;
pub mod random;
pub mod regression;
pub mod special;
pub mod statistics;
