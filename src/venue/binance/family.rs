//! The three markets of Binance whose messages differ.

use crate::record::{InstrumentKind, VENUE_RATES, VenueRate};
use crate::units::Nanos;

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
    /// Every family, by its code in journals.
    pub const ALL: [Family; 3] = [Family::Spot, Family::UsdM, Family::CoinM];

    /// The code in journals; it never changes.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The family of a code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Family> {
        Family::ALL.get(usize::from(code)).copied()
    }

    /// Windows in which the venue counts an account's new orders and changes: ten seconds, and a minute
    /// on futures (spot's 200 000 a day are the venue's to count). Source: `rateLimits` of
    /// `exchangeInfo`, for accounts without special rights.
    #[must_use]
    pub const fn order_rates(self) -> [VenueRate; VENUE_RATES] {
        let short = Nanos::from_millis(10_000);
        match self {
            Family::Spot => {
                let none = VenueRate { orders: 0, window: Nanos(0) };
                [VenueRate { orders: 100, window: short }, none]
            }
            Family::UsdM | Family::CoinM => {
                let minute = Nanos::from_millis(60_000);
                [
                    VenueRate { orders: 300, window: short },
                    VenueRate { orders: 1_200, window: minute },
                ]
            }
        }
    }

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
