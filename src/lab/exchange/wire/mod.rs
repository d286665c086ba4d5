//! Binance's protocol as the venue speaks it: market frames, answers and REST out, requests in.

mod number;

pub mod market;
