//! Where a family's streams and order sessions live: hosts and request paths.

use crate::record::Instrument;
use crate::venue::binance::Family;
use std::fmt::Write as _;

/// Path of the combined stream of diffs, best quotes and trades of these instruments.
#[must_use]
pub fn market(instruments: &[Instrument]) -> String {
    let mut path = "/stream?streams=".to_owned();
    for (at, instrument) in instruments.iter().enumerate() {
        let name = instrument.symbol.as_str().to_ascii_lowercase();
        let slash = if at == 0 { "" } else { "/" };
        // Writing to a String cannot fail.
        let _ = write!(path, "{slash}{name}@depth@100ms/{name}@bookTicker/{name}@trade");
    }
    path
}

/// Path of the order session.
#[must_use]
pub const fn orders(family: Family) -> &'static str {
    match family {
        Family::Spot => "/ws-api/v3",
        Family::UsdM => "/ws-fapi/v1",
        Family::CoinM => "/ws-dapi/v1",
    }
}

/// Path of the user-data stream of a listen key (futures).
#[must_use]
pub fn user(listen_key: &str) -> String {
    format!("/ws/{listen_key}")
}

/// Public hosts of market data, order session and user data; all on port 443.
#[must_use]
pub const fn hosts(family: Family) -> [&'static str; 3] {
    match family {
        Family::Spot => ["stream.binance.com", "ws-api.binance.com", "stream.binance.com"],
        Family::UsdM => ["fstream.binance.com", "ws-fapi.binance.com", "fstream.binance.com"],
        Family::CoinM => ["dstream.binance.com", "ws-dapi.binance.com", "dstream.binance.com"],
    }
}
