//! `indicator`: twelve indicators over whole histories, many series side by side or one alone.
//!
//! Twins: `scalar` (the meaning: one series after the other) and `avx2` (eight lanes), same bits.
//! A formula is written once over `Lanes`; a twin says only how many lanes walk at a time.
//!
//! Layout: plane `[t][series]`, so that one vector holds the same time of adjacent series; a single
//! series is a plane of width one. Neighbouring series fill the lanes; series left over give each
//! lane a block of their own time instead, which is how a single series is fast too.
//!
//! Outputs before the window is full are NaN. An input that is no number spoils the windows that hold
//! it (rolling indicators) or the rest of its series (recurrences), never a neighbour.

mod batch;
mod formula;
mod kernel;
mod recurrence;
mod rolling;
mod scalar;
mod smoothing;

#[cfg(target_arch = "x86_64")]
mod avx2;

#[cfg(test)]
mod tests;

pub use batch::Batch;
pub use kernel::{BatchError, Kernel, Shape};
