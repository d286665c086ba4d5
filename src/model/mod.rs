//! Models of what comes next. Level 4.

pub mod breaks;
pub mod copula;
pub mod covariance;
pub mod dcc;
pub mod dependence;
pub mod factors;
pub mod garch;
pub mod tails;
pub mod trend;
