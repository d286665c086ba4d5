//! Binance's protocol as the venue speaks it: market frames, answers and REST out, requests in.
//!
//! Pure functions over bytes: no socket, no clock, no account. What they write is what the client
//! side (`venue::binance`) reads, and the tests hold the two together.

/// Appends each part to a buffer: texts and bytes as they are.
macro_rules! put {
    ($out:expr, $($part:expr),+ $(,)?) => {{ $( $out.extend_from_slice($part.as_ref()); )+ }};
}

mod number;

pub mod answers;
pub mod information;
pub mod market;
pub mod names;
pub mod parameters;
pub mod refusal;
pub mod requests;
pub mod rest;

#[cfg(test)]
mod tests;
