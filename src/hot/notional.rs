//! What one order may be worth, as bounds of `lots * price`: a question multiplies once and compares.
//!
//! An order's exposure grows with `lots * price`, of inverse contracts with the lots alone, rounding
//! included; so "worth at most M" is "a product of at most B" with the largest such B, found by one
//! division when a plan is adopted. The least notional that a venue takes is a bound from below likewise;
//! that of an inverse contract falls as the price rises, and is worked out at each question.
//! Deliberately absent: sums over instruments (`exposure`).

use crate::ledger::{Valuation, Worth};
use crate::record::Instrument;
use crate::units::{Lots, Money, Ticks};

/// The bounds of one instrument.
#[derive(Clone, Copy, Debug)]
pub struct NotionalBounds {
    /// Largest product, or number of lots where the price does not matter.
    most: i128,
    by_price: bool,
    /// Smallest product that the venue takes.
    least: i128,
    /// What the venue measures an inverse order by, where it has a least notional.
    inverse: Option<(Valuation, Money)>,
}

impl NotionalBounds {
    /// Nothing is small enough.
    pub const NONE: NotionalBounds =
        NotionalBounds { most: -1, by_price: false, least: i128::MIN, inverse: None };

    /// Bounds for orders worth at most `most` in the currency of the limits, and at least what the venue's
    /// filters say in the settle currency.
    #[must_use]
    pub fn of(instrument: &Instrument, worth: &Worth, most: Money) -> NotionalBounds {
        let least = instrument.filters.notional_min;
        let valuation = Valuation::of(instrument);
        let bounds = NotionalBounds {
            most: worth.largest_within(most),
            by_price: worth.depends_on_mark(),
            ..NotionalBounds::NONE
        };
        match valuation.smallest_reaching(least) {
            _ if least <= Money(0) => bounds,
            Some(least) => NotionalBounds { least, ..bounds },
            None => NotionalBounds { inverse: Some((valuation, least)), ..bounds },
        }
    }

    /// Whether the order is worth more than it may be.
    #[must_use]
    #[inline]
    pub const fn is_over(&self, lots: Lots, price: Ticks) -> bool {
        let by = if self.by_price { price.0 } else { 1 };
        lots.0 as i128 * by as i128 > self.most
    }

    /// Whether the venue would not take the order.
    #[must_use]
    #[inline]
    pub fn is_under(&self, lots: Lots, price: Ticks) -> bool {
        (lots.0 as i128 * price.0 as i128) < self.least
            || self.inverse.is_some() && self.is_under_inverse(lots, price)
    }

    #[cold]
    fn is_under_inverse(&self, lots: Lots, price: Ticks) -> bool {
        self.inverse.is_some_and(|(of, least)| of.notional(lots, price) < least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::InstrumentKind;
    use crate::units::{Decimal, Grid, Rate};
    use proptest::prelude::*;

    fn instrument(inverse: bool, steps: [(i64, u8); 3], least: i128) -> Instrument {
        let mut of = crate::hot::tests::instrument(0, "BTCUSDT");
        let decimal = |at: usize| Decimal { mantissa: steps[at].0, scale: steps[at].1 };
        of.kind = if inverse { InstrumentKind::Inverse } else { InstrumentKind::Linear };
        (of.tick, of.lot) = (Grid::new(decimal(0), 8).unwrap(), Grid::new(decimal(1), 8).unwrap());
        of.multiplier = decimal(2);
        of.filters.notional_min = Money(least);
        of
    }

    fn step() -> impl Strategy<Value = (i64, u8)> {
        (prop_oneof![Just(1i64), Just(5), 1i64..1_000], 0u8..8)
    }

    fn amount() -> impl Strategy<Value = i64> {
        prop_oneof![8 => 1i64..5_000_000, 1 => 1i64..1 << 45]
    }

    proptest! {
        /// Against what the order is worth, divided and rounded at each question; limits are drawn near it.
        #[test]
        fn bounds_say_what_the_worth_of_the_order_says(
            inverse in any::<bool>(),
            steps in [step(), step(), step()],
            rate in prop_oneof![Just(100_000_000i64), 1i64..400_000_000],
            (lots, price) in (amount(), amount()),
            (off, off_least) in (-3i128..4, -3i128..4),
            (more, dearer) in (-2i64..3, -2i64..3),
        ) {
            let made = instrument(inverse, steps, 0);
            let worth = Worth::of(&made, Rate(rate));
            // beyond 128 bits the worth itself is cut
            let product = i128::from(lots + 2) * i128::from(price + 2);
            prop_assume!(product.checked_mul(4 * worth.factor(Ticks(1))).is_some());
            let exposure = |lots: Lots, price: Ticks| worth.exposure(lots, worth.factor(price));
            let valuation = Valuation::of(&made);
            let most = Money(exposure(Lots(lots), Ticks(price)).0 + off);
            let least = Money(valuation.notional(Lots(lots), Ticks(price)).0 + off_least);
            let bounds = NotionalBounds::of(&instrument(inverse, steps, least.0), &worth, most);
            let (lots, price) = (Lots((lots + more).max(1)), Ticks((price + dearer).max(1)));
            prop_assert_eq!(bounds.is_over(lots, price), exposure(lots, price) > most);
            prop_assert_eq!(bounds.is_under(lots, price), valuation.notional(lots, price) < least);
        }
    }

    /// Canary: a bound that is one product off is found out by the same comparison.
    #[test]
    fn canaries_a_bound_that_is_off_by_one_is_caught() {
        let made = instrument(false, [(1, 1), (1, 3), (1, 0)], 0);
        let worth = Worth::of(&made, Rate(100_000_000));
        let limit = worth.exposure(Lots(7), worth.factor(Ticks(600_000)));
        let bounds = NotionalBounds::of(&made, &worth, limit);
        assert!(!bounds.is_over(Lots(7), Ticks(600_000)));
        let spoiled = NotionalBounds { most: bounds.most - 1, ..bounds };
        let truth = worth.exposure(Lots(7), worth.factor(Ticks(600_000))) > limit;
        assert_ne!(spoiled.is_over(Lots(7), Ticks(600_000)), truth, "the comparison finds it out");
        assert!(NotionalBounds::NONE.is_over(Lots(1), Ticks(1)), "no plan, no order");
    }
}
