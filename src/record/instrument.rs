//! What a venue's metadata says of one instrument.

use crate::units::{Currency, Decimal, Grid, InstrumentId, Lots, Money, Rate, Ticks, VenueId};
use std::fmt;

/// A venue's name for an instrument, at most 32 ASCII bytes, upper case (`BTCUSDT`, `BTCUSD_PERP`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol {
    bytes: [u8; 32],
    len: u8,
}

/// Why a text is no symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a symbol has 1 to 32 upper-case ASCII letters, digits or underscores")]
pub struct SymbolError;

/// How size, price and money hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum InstrumentKind {
    /// Base asset against quote asset.
    Spot = 0,
    /// Contract whose value is linear in the price, settled in the quote currency.
    Linear = 1,
    /// Coin-margined contract: size counts contracts of `multiplier` quote units, settled in base.
    Inverse = 2,
}

/// The venue's own limits on one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filters {
    /// Smallest order.
    pub lots_min: Lots,
    /// Largest order.
    pub lots_max: Lots,
    /// Smallest price.
    pub price_min: Ticks,
    /// Largest price.
    pub price_max: Ticks,
    /// Smallest notional in quote currency; zero when the venue names none.
    pub notional_min: Money,
}

/// Fees as a share of notional; a negative maker rate is a rebate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeeSchedule {
    /// Rate for liquidity provided.
    pub maker: Rate,
    /// Rate for liquidity taken.
    pub taker: Rate,
}

/// One instrument; built from the venue's metadata, never guessed in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Index into the lane's tables.
    pub id: InstrumentId,
    /// Where it trades.
    pub venue: VenueId,
    /// The venue's name for it.
    pub symbol: Symbol,
    /// How its value depends on the price.
    pub kind: InstrumentKind,
    /// Price grid.
    pub tick: Grid,
    /// Size grid: base units on spot and linear, contracts on inverse.
    pub lot: Grid,
    /// Quote units per contract; 1 on spot.
    pub multiplier: Decimal,
    /// What is bought.
    pub base: Currency,
    /// What the price is counted in.
    pub quote: Currency,
    /// What profit and fees are paid in.
    pub settle: Currency,
    /// The venue's limits.
    pub filters: Filters,
    /// Fees.
    pub fees: FeeSchedule,
}

impl Symbol {
    /// Reads a symbol.
    ///
    /// # Errors
    /// When the text is empty, too long or has a byte outside `A-Z 0-9 _`.
    pub fn new(text: &str) -> Result<Symbol, SymbolError> {
        let source = text.as_bytes();
        let fits = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
        if source.is_empty() || source.len() > 32 || !source.iter().all(fits) {
            return Err(SymbolError);
        }
        let mut bytes = [0; 32];
        bytes[..source.len()].copy_from_slice(source);
        Ok(Symbol { bytes, len: source.len() as u8 })
    }

    /// The bytes as the venue writes them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The text as the venue writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("?")
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
