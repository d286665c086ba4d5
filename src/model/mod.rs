//! Models of what comes next. Level 4.

pub mod covariance;
pub mod dependence;
pub mod garch;
pub mod tails;
