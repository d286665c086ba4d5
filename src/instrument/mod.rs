//! What an instrument is worth and how that moves: spot, perpetual, inverse, future, option. Level 2.
//!
//! `option` values and differentiates; `position` is a holding as a portfolio file states it.

pub mod option;
pub mod position;

pub use option::{Black, Greeks, Right};
pub use position::{Kind, Portfolio, PortfolioError, Position};
