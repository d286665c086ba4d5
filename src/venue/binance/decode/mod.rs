//! Market frames to fixed-point events: a fast decoder, a general one, and their checks.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod decoder;
mod error;
mod fast;
mod form;
mod frame;
pub mod general;
pub mod infer;
mod number;
mod scalar;
mod symbols;

#[cfg(test)]
mod tests;

pub use decoder::{Decoder, LEVELS_MAX};
pub use error::{DecodeError, DecodeErrorKind};
