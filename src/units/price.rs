//! Price and size as whole steps of the instrument's grid.

use bytemuck::{Pod, Zeroable};

/// A price, or a price difference, in ticks of its instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Ticks(pub i64);

/// A size, or a signed position, in lots of its instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Lots(pub i64);

/// The side of a book or of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Side {
    /// Bids; buying.
    Buy = 0,
    /// Asks; selling.
    Sell = 1,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }

    /// +1 for a buy, -1 for a sell: what a fill on this side does to a position.
    #[must_use]
    pub const fn sign(self) -> i64 {
        1 - 2 * self as i64
    }

    /// The byte stored in records: 0 buy, 1 sell.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Side> {
        match byte {
            0 => Some(Side::Buy),
            1 => Some(Side::Sell),
            _ => None,
        }
    }
}

const _: () = assert!(Side::Buy.sign() == 1 && Side::Sell.sign() == -1);

impl Ticks {
    /// `self` moved by `by` ticks; saturates, so that a gate sees an absurd price, not a wrapped one.
    #[must_use]
    pub const fn plus(self, by: Ticks) -> Ticks {
        Ticks(self.0.saturating_add(by.0))
    }

    /// Signed distance `self - other`, saturating.
    #[must_use]
    pub const fn minus(self, other: Ticks) -> Ticks {
        Ticks(self.0.saturating_sub(other.0))
    }
}

impl Lots {
    /// Sum, saturating.
    #[must_use]
    pub const fn plus(self, other: Lots) -> Lots {
        Lots(self.0.saturating_add(other.0))
    }

    /// Difference, saturating.
    #[must_use]
    pub const fn minus(self, other: Lots) -> Lots {
        Lots(self.0.saturating_sub(other.0))
    }

    /// Size of a signed position.
    #[must_use]
    pub const fn abs(self) -> Lots {
        Lots(self.0.saturating_abs())
    }
}
