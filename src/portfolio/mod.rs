//! What to hold. Level 6.
//!
//! `problem` states what is known of assets and what may not be left; `allocation` is an answer with its
//! proof. One file a family of methods: `quadratic` (minimum variance, utility, Sharpe, diversification),
//! `parity` (risk budgets of assets), `factors` (those of factors), `growth` (Kelly), `shortfall` (CVaR),
//! `hierarchy` (HRP, HERC, NCO), `views` (Black and Litterman); `conic` is everything convex beyond those.
//! `tier` says what capital allows, `attribution` what made the return.

pub mod allocation;
pub mod attribution;
pub mod conic;
pub mod factors;
pub mod growth;
pub mod hierarchy;
pub mod parity;
pub mod problem;
pub mod quadratic;
pub mod shortfall;
pub mod tier;
pub mod views;
