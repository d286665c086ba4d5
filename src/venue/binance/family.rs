//! The three markets of Binance whose messages differ.

use crate::record::InstrumentKind;

/// Which of Binance's markets a stream, an order session or an instrument belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Spot: diffs chain by `U = u + 1`, tickers name no event.
    Spot,
    /// USD-margined futures: diffs chain by `pu`.
    UsdM,
    /// Coin-margined futures: as USD-M, and every message names the pair `ps`.
    CoinM,
}

impl Family {
    /// The name used in configuration and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Family::Spot => "spot",
            Family::UsdM => "usd-m",
            Family::CoinM => "coin-m",
        }
    }

    /// Whether diffs carry `pu` and messages carry `T`.
    #[must_use]
    pub const fn is_futures(self) -> bool {
        matches!(self, Family::UsdM | Family::CoinM)
    }

    /// What its instruments are.
    #[must_use]
    pub const fn instrument_kind(self) -> InstrumentKind {
        match self {
            Family::Spot => InstrumentKind::Spot,
            Family::UsdM => InstrumentKind::Linear,
            Family::CoinM => InstrumentKind::Inverse,
        }
    }
}
