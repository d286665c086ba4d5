//! Binance: spot, USD-M and COIN-M.

pub mod decode;
pub mod metadata;
pub mod orders;
pub mod session;
pub mod sync;
