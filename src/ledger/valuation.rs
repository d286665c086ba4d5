//! What a position is worth in the settle currency, exactly.
//!
//! Spot and linear: `lots * price * lot * tick * multiplier`. Inverse: `-lots * lot * multiplier /
//! price`, whose differences are the profit `q m (1/P0 - 1/P1)` of FORMATS. Rounding, where the
//! quotient is no whole minor unit, is half away from zero, hence odd in the position's sign.

use crate::record::{Instrument, InstrumentKind};
use crate::units::{Lots, Money, Rate, Ticks};

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

/// Largest `x`, not negative, for which `divide(x * numerator, denominator)` is at most `limit`; -1 where
/// there is none. Cut to what 128 bits hold, which is less than exact and never more.
const fn largest_factor(limit: Money, numerator: i128, denominator: i128) -> i128 {
    if limit.0 < 0 {
        return -1;
    }
    if numerator <= 0 {
        return i128::MAX;
    }
    // x n + d/2 < (limit + 1) d
    let end = limit.0.saturating_add(1).saturating_mul(denominator);
    (end - denominator / 2 - 1) / numerator
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

    /// Smallest `lots * price` whose notional is at least `limit`; `None` where the notional does not grow
    /// with that product.
    #[must_use]
    pub const fn smallest_reaching(&self, limit: Money) -> Option<i128> {
        if self.is_inverse() {
            return None;
        }
        let below = Money(limit.0.saturating_sub(1));
        Some(largest_factor(below, self.numerator, self.denominator).saturating_add(1))
    }

    /// Size of the value, whatever its sign: the notional of an order.
    #[must_use]
    #[inline]
    pub const fn notional(&self, lots: Lots, price: Ticks) -> Money {
        let value = self.value(lots, price).0;
        Money(if value < 0 { -value } else { value })
    }
}

/// Largest exposure that is told apart: 1.2e16 currency units. What lies beyond is cut to it, so that
/// sums of exposures times any sound share fit 128 bits.
pub const EXPOSURE_MAX: Money = Money(1 << 80);

/// Turns lots of one instrument into exposure, and its money into money, all in one currency.
///
/// Exposure of spot and linear lots is `lots * mark * lot * tick * multiplier` in quote units, of inverse
/// contracts `lots * lot * multiplier` whatever the mark; both times what a quote unit is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    numerator: i128,
    denominator: i128,
    /// What one unit of the base currency is worth for each tick of the mark.
    base_numerator: i128,
    base_denominator: i128,
    quote_rate: Rate,
    inverse: bool,
}

impl Worth {
    /// The worth of an instrument's lots where one quote unit is worth `quote_rate`.
    #[must_use]
    pub fn of(instrument: &Instrument, quote_rate: Rate) -> Worth {
        let (tick, lot) = (instrument.tick.step(), instrument.lot.step());
        let multiplier = instrument.multiplier;
        let rate = i128::from(quote_rate.0);
        let inverse = instrument.kind == InstrumentKind::Inverse;
        // `Money::ONE` of the minor units and the 1e-8 of the rate cancel out
        let size =
            (i128::from(lot.mantissa) * i128::from(multiplier.mantissa)).saturating_mul(rate);
        let size_scale = u32::from(lot.scale) + u32::from(multiplier.scale);
        let (numerator, denominator) = if inverse {
            (size, power(size_scale))
        } else {
            (
                size.saturating_mul(i128::from(tick.mantissa)),
                power(size_scale + u32::from(tick.scale)),
            )
        };
        let common = greatest_common_divisor(numerator, denominator).max(1);
        let base = i128::from(tick.mantissa).saturating_mul(rate);
        let base_parts = power(u32::from(tick.scale)) * Money::ONE;
        let base_common = greatest_common_divisor(base, base_parts).max(1);
        Worth {
            numerator: numerator / common,
            denominator: (denominator / common).max(1),
            base_numerator: base / base_common,
            base_denominator: (base_parts / base_common).max(1),
            quote_rate,
            inverse,
        }
    }

    /// What turns lots into exposure at a mark; zero while there is none.
    #[must_use]
    #[inline]
    pub const fn factor(&self, mark: Ticks) -> i128 {
        if mark.0 <= 0 {
            0
        } else if self.inverse {
            self.numerator
        } else {
            times(self.numerator, mark.0 as i128)
        }
    }

    /// Whether the mark matters for what lots are worth: not for inverse contracts.
    #[must_use]
    pub const fn depends_on_mark(&self) -> bool {
        !self.inverse
    }

    /// Largest `lots * mark`, or number of lots where the mark does not matter, whose exposure is at most
    /// `limit`.
    #[must_use]
    pub const fn largest_within(&self, limit: Money) -> i128 {
        if limit.0 >= EXPOSURE_MAX.0 {
            return i128::MAX;
        }
        largest_factor(limit, self.numerator, self.denominator)
    }

    /// Parts of a minor unit that a product of lots and a factor is in; at one there is nothing to round.
    #[must_use]
    #[inline]
    pub const fn parts(&self) -> i128 {
        self.denominator
    }

    /// Signed exposure of `lots` by a factor of `factor`.
    #[must_use]
    #[inline]
    pub const fn exposure(&self, lots: Lots, factor: i128) -> Money {
        let scaled = times(lots.0 as i128, factor);
        let exact = if self.denominator == 1 { scaled } else { divide(scaled, self.denominator) };
        clamped(exact)
    }

    /// Money of the settle currency: the quote's, or for inverse contracts the base's, which the mark
    /// values.
    #[must_use]
    #[inline]
    pub const fn of_settle(&self, money: Money, mark: Ticks) -> Money {
        if self.inverse { self.of_base(money, mark) } else { self.of_quote(money) }
    }

    /// Money of the quote currency.
    #[must_use]
    #[inline]
    pub const fn of_quote(&self, money: Money) -> Money {
        if self.quote_rate.0 as i128 == Money::ONE {
            return clamped(money.0);
        }
        clamped(money.times(self.quote_rate).0)
    }

    /// Money of the base currency, at the mark; nothing while there is none.
    #[must_use]
    pub const fn of_base(&self, money: Money, mark: Ticks) -> Money {
        if mark.0 <= 0 {
            return Money(0);
        }
        let scaled = times(money.0, times(self.base_numerator, mark.0 as i128));
        clamped(divide(scaled, self.base_denominator))
    }
}

const fn clamped(minor_units: i128) -> Money {
    let most = EXPOSURE_MAX.0;
    if minor_units > most {
        Money(most)
    } else if minor_units < -most {
        Money(-most)
    } else {
        Money(minor_units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{FeeSchedule, Filters, Symbol};
    use crate::units::{Currency, Decimal, Grid, InstrumentId, VenueId};

    fn instrument(
        kind: InstrumentKind,
        tick: Decimal,
        lot: Decimal,
        multiplier: i64,
    ) -> Instrument {
        let code = |text| Currency::new(text).unwrap();
        let inverse = kind == InstrumentKind::Inverse;
        Instrument {
            id: InstrumentId(0),
            venue: VenueId(0),
            symbol: Symbol::new("BTCUSD").unwrap(),
            kind,
            tick: Grid::new(tick, 8).unwrap(),
            lot: Grid::new(lot, 8).unwrap(),
            multiplier: Decimal { mantissa: multiplier, scale: 0 },
            base: code("BTC"),
            quote: code("USD"),
            settle: if inverse { code("BTC") } else { code("USD") },
            filters: Filters {
                lots_min: Lots(1),
                lots_max: Lots(i64::MAX),
                price_min: Ticks(1),
                price_max: Ticks(i64::MAX),
                notional_min: Money(0),
            },
            fees: FeeSchedule::default(),
        }
    }

    const fn decimal(mantissa: i64, scale: u8) -> Decimal {
        Decimal { mantissa, scale }
    }

    fn units(count: f64) -> Money {
        Money((count * Money::ONE as f64).round() as i128)
    }

    #[test]
    fn linear_lots_are_worth_size_times_price_times_rate() {
        let linear = instrument(InstrumentKind::Linear, decimal(1, 1), decimal(1, 3), 1);
        // 25 lots of 0.001 at 60 000.0, a quote unit worth 0.9
        let worth = Worth::of(&linear, Rate(90_000_000));
        let factor = worth.factor(Ticks(600_000));
        assert_eq!(worth.exposure(Lots(25), factor), units(1_350.0));
        assert_eq!(worth.exposure(Lots(-25), factor), units(-1_350.0));
        assert_eq!(worth.of_settle(units(10.0), Ticks(600_000)), units(9.0));
        assert_eq!(worth.of_base(units(0.5), Ticks(600_000)), units(27_000.0));
        assert_eq!(worth.factor(Ticks(0)), 0, "no mark, no worth");
    }

    #[test]
    fn inverse_contracts_are_worth_their_face_and_settle_at_the_mark() {
        let inverse = instrument(InstrumentKind::Inverse, decimal(1, 1), decimal(1, 0), 100);
        let worth = Worth::of(&inverse, Rate(Money::ONE as i64));
        for mark in [1, 600_000, 700_000] {
            let factor = worth.factor(Ticks(mark));
            assert_eq!(worth.exposure(Lots(7), factor), units(700.0));
        }
        assert_eq!(worth.of_settle(units(0.25), Ticks(600_000)), units(15_000.0));
    }

    #[test]
    fn absurd_sizes_are_cut_and_never_wrap() {
        let linear = instrument(InstrumentKind::Linear, decimal(1, 0), decimal(1, 0), 1_000);
        let worth = Worth::of(&linear, Rate(i64::MAX));
        let factor = worth.factor(Ticks(i64::MAX));
        assert_eq!(worth.exposure(Lots(i64::MAX), factor), EXPOSURE_MAX);
        assert_eq!(worth.exposure(Lots(-i64::MAX), factor), Money(-EXPOSURE_MAX.0));
        assert_eq!(worth.of_base(Money(i128::MAX), Ticks(i64::MAX)), EXPOSURE_MAX);
    }
}
