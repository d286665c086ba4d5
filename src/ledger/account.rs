//! Position, cash, profit and exposure of one instrument; fees by currency.
//!
//! Invariant, exact to the minor unit: `entry - realised` equals the sum of the values of all fills,
//! so `realised + unrealised = cash before fees + value of the position`. Profit is by average cost.

use super::{StateHash, Valuation};
use crate::record::{Instrument, Tape};
use crate::units::{Currency, Lots, Money, Side, Ticks};
use std::hint::select_unpredictable;

/// Trade ids remembered per instrument to recognise a repeated fill.
///
/// Reconciliation lists fills again from minutes ago, or from the beginning of a life: what is older than
/// all that are remembered counts as known, since a venue's trade ids rise.
const TRADES_REMEMBERED: usize = 4_096;
/// Currencies in which fees may be charged.
pub const FEE_CURRENCIES_MAX: usize = 8;

/// The account of one instrument.
#[derive(Clone, Debug)]
pub struct Account {
    valuation: Valuation,
    settle: Currency,
    position: Lots,
    /// Value at which the open position was entered.
    entry: Money,
    realised: Money,
    /// Minus the value of everything bought, plus that of everything sold; fees apart.
    cash: Money,
    traded: Money,
    fees: Fees,
    /// What the venue held of the base asset beside the position, where that is known.
    held: Option<Money>,
    /// What working orders can still fill, by side.
    working: [Lots; 2],
    working_orders: usize,
    trades: Box<[u64; TRADES_REMEMBERED]>,
    trades_next: usize,
}

/// Fees paid, by currency in order of first appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    entries: [(Currency, Money); FEE_CURRENCIES_MAX],
    len: usize,
    /// Fees in further currencies that found no place: counted, so that nothing is lost silently.
    overflowed: u64,
}

impl Account {
    /// A flat account.
    #[must_use]
    pub fn new(instrument: &Instrument) -> Account {
        Account {
            valuation: Valuation::of(instrument),
            settle: instrument.settle,
            position: Lots(0),
            entry: Money(0),
            realised: Money(0),
            cash: Money(0),
            traded: Money(0),
            fees: Fees::default(),
            held: None,
            working: [Lots(0); 2],
            working_orders: 0,
            trades: Box::new([0; TRADES_REMEMBERED]),
            trades_next: 0,
        }
    }

    /// Signed position.
    #[must_use]
    pub const fn position(&self) -> Lots {
        self.position
    }

    /// What working orders of a side can still fill.
    #[must_use]
    #[inline]
    pub const fn working(&self, side: Side) -> Lots {
        self.working[side as usize]
    }

    /// Number of working orders.
    #[must_use]
    pub const fn working_orders(&self) -> usize {
        self.working_orders
    }

    /// Signed position once every working order of `side`, and `more` lots, have filled.
    #[must_use]
    #[inline]
    pub fn reach(&self, side: Side, more: Lots) -> Lots {
        let lots = self.working(side).plus(more);
        // sides come in no order that a branch predictor could learn
        select_unpredictable(side == Side::Buy, self.position.plus(lots), self.position.minus(lots))
    }

    /// Average price of the open position, in ticks and parts of them; none while there is none.
    #[must_use]
    pub fn entry_ticks(&self) -> Option<f64> {
        let at_one = self.valuation.value(self.position, Ticks(1)).0 as f64;
        let entry = self.entry.0 as f64;
        let open = self.position != Lots(0) && entry != 0.0;
        // an inverse position's value falls with the price
        open.then(|| if self.valuation.is_inverse() { at_one / entry } else { entry / at_one })
    }

    /// What the venue held of the base asset beside the position, where that is known.
    #[must_use]
    pub const fn held(&self) -> Option<Money> {
        self.held
    }

    pub(super) fn hold(&mut self, base: Money) {
        self.held = Some(base);
    }

    /// How lots and ticks become money.
    #[must_use]
    pub const fn valuation(&self) -> &Valuation {
        &self.valuation
    }

    /// The currency of every amount here.
    #[must_use]
    pub const fn settle(&self) -> Currency {
        self.settle
    }

    /// Profit of what was closed, before fees.
    #[must_use]
    pub const fn realised(&self) -> Money {
        self.realised
    }

    /// Cash from trading, before fees.
    #[must_use]
    pub const fn cash(&self) -> Money {
        self.cash
    }

    /// Sum of the absolute values of all fills.
    #[must_use]
    pub const fn traded(&self) -> Money {
        self.traded
    }

    /// Fees paid for its fills, by currency.
    #[must_use]
    pub const fn fees(&self) -> &Fees {
        &self.fees
    }

    /// Profit of the open position if closed at `price`, before fees.
    #[must_use]
    pub const fn unrealised(&self, price: Ticks) -> Money {
        self.valuation.value(self.position, price).minus(self.entry)
    }

    pub(super) fn start_working(&mut self, side: Side, lots: Lots) {
        self.working_orders += 1;
        self.change_working(side, lots);
    }

    pub(super) fn stop_working(&mut self) {
        self.working_orders = self.working_orders.saturating_sub(1);
    }

    pub(super) fn change_working(&mut self, side: Side, by: Lots) {
        let working = &mut self.working[side as usize];
        *working = working.plus(by);
    }

    /// Whether a trade id is seen for the first time; remembers it.
    pub(super) fn is_new_trade(&mut self, trade: u64) -> bool {
        // no way out of the loop, so that it compares many at a time
        let (known, oldest) = self.trades.iter().fold((false, u64::MAX), |(known, oldest), of| {
            (known | (*of == trade), oldest.min(*of))
        });
        // places that are free yet hold zero, so nothing is older than they are
        if trade != 0 && (known || trade < oldest) {
            return false;
        }
        self.trades[self.trades_next] = trade;
        self.trades_next = (self.trades_next + 1) % TRADES_REMEMBERED;
        true
    }

    /// The highest trade id that is remembered; none before the first.
    #[must_use]
    pub fn last_trade(&self) -> Option<u64> {
        self.trades.iter().copied().max().filter(|id| *id > 0)
    }

    /// Whether a trade is among the last that were booked.
    #[must_use]
    pub fn remembers_trade(&self, id: u64) -> bool {
        self.trades.contains(&id)
    }

    /// Books what a fill cost.
    pub(super) fn charge(&mut self, currency: Currency, fee: Money) {
        self.fees.add(currency, fee);
    }

    /// Adds lots that no fill brought, for minus `cash`; lots that leave the position realise profit.
    pub(super) fn adjust(&mut self, lots: Lots, cash: Money) {
        let (before, after) = (self.position.0, self.position.plus(lots).0);
        self.entry = if lots == Lots(0) {
            self.entry
        } else if before.signum() * after.signum() <= 0 {
            // through zero, or from it: what stands now was entered at this price
            if after == 0 {
                Money(0)
            } else {
                Money(-cash.0 * i128::from(after) / i128::from(lots.0))
            }
        } else if after.abs() < before.abs() {
            Money(self.entry.0 * i128::from(after) / i128::from(before))
        } else {
            self.entry.minus(cash)
        };
        self.cash = self.cash.plus(cash);
        self.position = Lots(after);
        // the invariant above says what was realised
        self.realised = self.entry.plus(self.cash);
    }

    /// Books a fill.
    pub(super) fn fill(&mut self, side: Side, price: Ticks, lots: Lots) {
        let signed = Lots(lots.0.saturating_mul(side.sign()));
        let value = self.valuation.value(signed, price);
        self.cash = self.cash.minus(value);
        self.traded = self.traded.plus(Money(value.0.abs()));
        let closes = self.position.0.signum() * signed.0.signum() < 0;
        if !closes {
            self.position = self.position.plus(signed);
            self.entry = self.entry.plus(value);
            return;
        }
        let closed = signed.0.abs().min(self.position.0.abs());
        let closing = Lots(closed * signed.0.signum());
        let closing_value =
            if closing == signed { value } else { self.valuation.value(closing, price) };
        // average cost: the closed share of what the position was entered at
        let share = self.entry.0 * i128::from(closed) / i128::from(self.position.0.abs());
        self.realised = self.realised.minus(closing_value).minus(Money(share));
        self.entry = self.entry.minus(Money(share));
        self.position = self.position.plus(closing);
        let opening = signed.minus(closing);
        if opening != Lots(0) {
            self.position = self.position.plus(opening);
            self.entry = self.entry.plus(value.minus(closing_value));
        }
    }

    /// Saves the account or brings it back; the instrument is the same.
    pub(super) fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("account");
        tape.pod(&mut self.position);
        for money in [&mut self.entry, &mut self.realised, &mut self.cash, &mut self.traded] {
            tape.pod(money);
        }
        self.fees.walk(tape);
        tape.option(&mut self.held, Money(0), |held, tape| tape.pod(held));
        tape.pods(&mut self.working);
        tape.size(&mut self.working_orders, usize::MAX);
        tape.pods(self.trades.as_mut_slice());
        tape.size(&mut self.trades_next, TRADES_REMEMBERED - 1);
    }

    pub(super) fn mix_into(&self, hash: &mut StateHash) {
        hash.word(self.position.0 as u64);
        self.working.iter().for_each(|lots| hash.word(lots.0 as u64));
        hash.word(self.working_orders as u64);
        hash.money(self.entry);
        hash.money(self.realised);
        hash.money(self.cash);
        hash.money(self.held.unwrap_or_default());
        self.fees.mix_into(hash);
    }
}

impl Fees {
    /// Books a fee.
    pub(super) fn add(&mut self, currency: Currency, fee: Money) {
        if fee == Money(0) {
            return;
        }
        if let Some(entry) = self.entries[..self.len].iter_mut().find(|entry| entry.0 == currency) {
            entry.1 = entry.1.plus(fee);
        } else if self.len < FEE_CURRENCIES_MAX {
            self.entries[self.len] = (currency, fee);
            self.len += 1;
        } else {
            self.overflowed += 1;
        }
    }

    /// Books all fees of another list.
    pub(super) fn merge(&mut self, other: &Fees) {
        other.entries().iter().for_each(|(currency, fee)| self.add(*currency, *fee));
        self.overflowed += other.overflowed;
    }

    /// Currency and amount paid (negative: rebates received).
    #[must_use]
    pub fn entries(&self) -> &[(Currency, Money)] {
        &self.entries[..self.len]
    }

    /// Amount paid in one currency.
    #[must_use]
    pub fn of(&self, currency: Currency) -> Money {
        self.entries().iter().find(|entry| entry.0 == currency).map_or(Money(0), |entry| entry.1)
    }

    /// Fees that found no place among `FEE_CURRENCIES_MAX` currencies.
    #[must_use]
    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }

    fn walk(&mut self, tape: &mut Tape<'_>) {
        for (currency, money) in &mut self.entries {
            tape.pod(currency);
            tape.pod(money);
        }
        tape.size(&mut self.len, FEE_CURRENCIES_MAX);
        tape.pod(&mut self.overflowed);
    }

    fn mix_into(&self, hash: &mut StateHash) {
        for (currency, fee) in self.entries() {
            hash.word(u64::from_le_bytes(currency.0));
            hash.money(*fee);
        }
    }
}
