//! Binance: spot, USD-M and COIN-M.

mod family;

pub mod decode;
pub mod metadata;
pub mod orders;
pub mod session;
pub mod sync;

pub use family::Family;
