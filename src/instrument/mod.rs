//! What an instrument is worth and how that moves: spot, perpetual, inverse, future, option. Level 2.
//!
//! `option` values and differentiates; `position` is a holding as a portfolio file states it,
//! `several` portfolios stand together under the same scenarios.

pub mod option;
pub mod position;
pub mod several;

pub use option::{Black, Greeks, Right};
pub use position::{Kind, Portfolio, PortfolioError, Position};
pub use several::{Part, Several};
