//! One folder per venue: feed decoder, order encoder, signing, limits, resync rules. Level 3.

pub mod binance;
