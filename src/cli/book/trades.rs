//! Exact sums over trades.

use super::exact;
use super::facts::TradeFacts;
use crate::record::{Instrument, Trade};
use crate::units::{Decimal, Side};
use std::collections::BTreeMap;

/// Sums over trades of one kind, in ticks and lots.
#[derive(Default)]
pub struct Sums {
    n: u64,
    lots: i128,
    buy_lots: i128,
    cost: i128,
    inverse: BTreeMap<i64, i128>,
    range: Option<(i64, i64)>,
}

impl Sums {
    /// Takes a trade; `inverse` where contracts are worth a fixed sum of the quote currency.
    pub fn add(&mut self, trade: &Trade, inverse: bool) {
        let (price, lots) = (trade.price.0, i128::from(trade.lots.0));
        self.n += 1;
        self.lots += lots;
        self.cost += i128::from(price) * lots;
        if trade.aggressor == Side::Buy {
            self.buy_lots += lots;
        }
        if inverse {
            *self.inverse.entry(price).or_default() += lots;
        }
        let (low, high) = self.range.unwrap_or((price, price));
        self.range = Some((low.min(price), high.max(price)));
    }

    /// Whether no trade was taken.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The sums as plain decimals; `None` when one overflows.
    pub fn facts(&self, instrument: &Instrument) -> Option<TradeFacts> {
        let (tick, lot) = (instrument.tick.step(), instrument.lot.step());
        let scale = u32::from(tick.scale) + u32::from(lot.scale);
        let notional = self
            .cost
            .checked_mul(i128::from(tick.mantissa))?
            .checked_mul(i128::from(lot.mantissa))?;
        let price = |steps: i64| instrument.tick.decimal(steps).to_string();
        let vwap = if self.lots > 0 {
            let cost = self.cost.checked_mul(i128::from(tick.mantissa))?;
            Some(exact::quotient(cost, self.lots, u32::from(tick.scale))?)
        } else {
            None
        };
        Some(TradeFacts {
            n: self.n,
            qty: exact::steps(self.lots, &instrument.lot)?,
            notional: exact::decimal(notional, scale),
            vwap,
            vwap_inverse_contract: self.inverse_vwap(tick),
            buy_aggressor_qty: exact::steps(self.buy_lots, &instrument.lot)?,
            sell_aggressor_qty: exact::steps(self.lots - self.buy_lots, &instrument.lot)?,
            min_price: self.range.map(|(low, _)| price(low)),
            max_price: self.range.map(|(_, high)| price(high)),
            by_x: BTreeMap::new(),
        })
    }

    /// Contracts over the sum of contracts / price, from sums kept by price; none where a price is
    /// zero, since no coin volume stands behind it.
    fn inverse_vwap(&self, tick: Decimal) -> Option<String> {
        if self.inverse.is_empty() || self.lots <= 0 || self.inverse.contains_key(&0) {
            return None;
        }
        // as many digits as the product with the total leaves room for in 126 bits
        let mut one: i128 = 1;
        while one < i128::MAX / 100 / self.lots.max(10) {
            one *= 10;
        }
        let sum: i128 =
            self.inverse.iter().map(|(price, lots)| lots * one / i128::from(*price)).sum();
        let mut numerator = self.lots * one;
        let mut denominator = sum;
        // long division wants ten times the denominator to fit
        while denominator > i128::MAX / 10i128.pow(u32::from(tick.scale) + 2) {
            numerator /= 10;
            denominator /= 10;
        }
        numerator = numerator.checked_mul(i128::from(tick.mantissa))?;
        exact::quotient(numerator, denominator, u32::from(tick.scale))
    }
}
