//! What a position is worth in the settle currency, exactly.
//!
//! Spot and linear: `lots * price * lot * tick * multiplier`. Inverse: `-lots * lot * multiplier /
//! price`, whose differences are the profit `q m (1/P0 - 1/P1)` of FORMATS. Rounding, where the
//! quotient is no whole minor unit, is half away from zero, hence odd in the position's sign.

use crate::record::{Instrument, InstrumentKind};
use crate::units::{Lots, Money, Ticks};

/// Turns lots and ticks of one instrument into money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valuation {
    kind: InstrumentKind,
    numerator: i128,
    denominator: i128,
}

const fn power(exponent: u32) -> i128 {
    10i128.pow(exponent)
}

const fn greatest_common_divisor(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// `numerator / denominator`, half away from zero; the denominator is positive.
const fn divide(numerator: i128, denominator: i128) -> i128 {
    let half = denominator / 2;
    if numerator >= 0 {
        numerator.saturating_add(half) / denominator
    } else {
        numerator.saturating_sub(half) / denominator
    }
}

/// Product, cut to what 128 bits hold. Real sizes and prices fit 64 bits, where it is one
/// instruction; the checked product of 128 bits is a call.
#[inline]
const fn times(a: i128, b: i128) -> i128 {
    if a == a as i64 as i128 && b == b as i64 as i128 { a * b } else { a.saturating_mul(b) }
}

impl Valuation {
    /// The valuation of an instrument.
    #[must_use]
    pub fn of(instrument: &Instrument) -> Valuation {
        let (tick, lot) = (instrument.tick.step(), instrument.lot.step());
        let multiplier = instrument.multiplier;
        let size = i128::from(lot.mantissa) * i128::from(multiplier.mantissa) * Money::ONE;
        let size_scale = u32::from(lot.scale) + u32::from(multiplier.scale);
        let (numerator, denominator) = match instrument.kind {
            InstrumentKind::Spot | InstrumentKind::Linear => {
                (size * i128::from(tick.mantissa), power(size_scale + u32::from(tick.scale)))
            }
            InstrumentKind::Inverse => {
                (size * power(u32::from(tick.scale)), power(size_scale) * i128::from(tick.mantissa))
            }
        };
        let common = greatest_common_divisor(numerator, denominator).max(1);
        Valuation {
            kind: instrument.kind,
            numerator: numerator / common,
            denominator: (denominator / common).max(1),
        }
    }

    /// Whether the value is in coin, and falls in size as the price rises.
    #[must_use]
    pub const fn is_inverse(&self) -> bool {
        matches!(self.kind, InstrumentKind::Inverse)
    }

    /// Value of a signed position at a price; zero for an inverse position at no price.
    #[must_use]
    #[inline]
    pub const fn value(&self, lots: Lots, price: Ticks) -> Money {
        match self.kind {
            InstrumentKind::Spot | InstrumentKind::Linear => {
                let scaled = times(lots.0 as i128 * price.0 as i128, self.numerator);
                if self.denominator == 1 {
                    return Money(scaled);
                }
                Money(divide(scaled, self.denominator))
            }
            InstrumentKind::Inverse => {
                if price.0 <= 0 {
                    return Money(0);
                }
                let scaled = times(lots.0 as i128, self.numerator);
                Money(-divide(scaled, self.denominator.saturating_mul(price.0 as i128)))
            }
        }
    }

    /// Size of the value, whatever its sign: the notional of an order.
    #[must_use]
    #[inline]
    pub const fn notional(&self, lots: Lots, price: Ticks) -> Money {
        let value = self.value(lots, price).0;
        Money(if value < 0 { -value } else { value })
    }
}
