//! Pure `decide` functions. Level 5.

pub mod making;
