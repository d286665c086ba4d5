//! How large a position may be, as a share of capital, by each rule.
//!
//! `kelly` sizes by evidence, `rules` by what a stop loses, by volatility and by limits; `smallest` says
//! which of several binds. Every size is what the rule alone allows, never negative; nothing is a size too.

pub mod kelly;
pub mod rules;

pub use rules::{Rule, Size, smallest};
