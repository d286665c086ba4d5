//! The hot lane, one file per stage, and the loop that strings them. Level 7.
//!
//! bytes -> `pipeline`: decode -> `book` -> `signal` -> `decide` -> `gate` -> encode -> bytes.
//! `lane` is the pure state machine of the middle; `drive` brings its bytes and takes its requests;
//! `guard` watches it from another thread.

mod act;
pub mod book;
pub mod breaker;
mod clearance;
mod closing;
pub mod decide;
pub mod drive;
pub mod exposure;
pub mod flaws;
pub mod gate;
pub mod guard;
pub mod image;
pub mod lane;
pub mod losses;
pub mod notice;
pub mod notional;
pub mod outbox;
pub mod pipeline;
pub mod rate;
mod reckon;
pub mod recorder;
pub mod recover;
pub mod report;
pub mod signal;
pub mod sound;
pub mod state;
pub mod trades;

#[cfg(test)]
mod tests;
