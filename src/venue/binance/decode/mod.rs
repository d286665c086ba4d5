//! Market frames to fixed-point events: a fast decoder, a general one, and their checks.

mod error;
mod frame;
pub mod infer;
mod number;

pub use error::{DecodeError, DecodeErrorKind};
