//! Streaming indicators: O(1) per update, no allocation after construction; batch forms live in
//! `compute::indicator`.
//!
//! An update gives `None` until there is enough data, and an `Unusable` for an input that is no
//! market's: it leaves everything as it was, so a bad message cannot spoil what comes after it.
//! Values are in the units of the inputs (ticks in, ticks out) unless a type says otherwise.
//!
//! Drift: window sums are kept twice. The running one takes a value out for each one it takes in;
//! the fresh one starts from nothing every w updates, is then a plain sum of the whole window, and
//! replaces the running one. So no error is older than 2w updates, however long the stream.

mod error;
mod flow;
mod moments;
mod smoothing;
mod volume;
mod weighted;
mod window;

#[cfg(test)]
mod tests;

pub use error::{BadSettings, Unusable, VALUE_MAX, WINDOW_MAX};
pub use flow::{FlowImbalance, Vpin};
pub use moments::{Bands, Bollinger, Sma, Volatility, ZScore};
pub use smoothing::{Atr, Convergence, Ema, Macd, Rsi};
pub use volume::{SessionVwap, Vwap};
pub use weighted::Wma;
