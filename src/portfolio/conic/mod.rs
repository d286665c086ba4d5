//! Everything convex that the own solvers do not cover, over Clarabel: measures of scenarios and of
//! drawdowns, ratios over them, caps on them, robust means, tracking, tail risk budgets.
//!
//! `measures` write risk as lines and cones, `goal` writes limits and what is wanted, `cones` hands it over.

mod cones;
mod goal;
mod measures;

#[cfg(test)]
mod tests;

pub use goal::{Goal, Request, optimise};
pub use measures::Measure;
