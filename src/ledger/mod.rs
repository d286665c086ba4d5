//! Orders, fills, positions, cash, fees, profit and loss: pure bookkeeping. Level 2.
//!
//! Input: what the lane sends (`place`, `cancel_sent`, `replace_sent`) and what the venue reports
//! (`on_report`). Output: order states, positions, exposure, money. Nothing allocates after `new`.

mod account;
mod book_of_orders;
mod hash;
mod transition;
mod valuation;

#[cfg(test)]
mod tests;

pub use account::{Account, FEE_CURRENCIES_MAX, Fees};
pub use book_of_orders::{ORDERS_MAX, Order, Orders, SlotTaken};
pub use hash::StateHash;
pub use transition::{BadTransition, OrderEvent, transition};
pub use valuation::{EXPOSURE_MAX, Valuation, Worth};

use crate::record::{
    Adjustment, AdoptedOrder, ExecutionKind, ExecutionReport, Holding, Instrument, Intent,
    OrderState, Tape,
};
use crate::units::{InstrumentId, Lots, Nanos, OrderId};
use bytemuck::{Pod, Zeroable};

/// What a report did to the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The order moved to this state.
    Moved(OrderState),
    /// A repeated report changed nothing.
    Repeated,
    /// The order is not ours (or too old to be known); a fill still moved the position.
    Unknown,
    /// The report contradicts the order's state; the state is unchanged, a fill was still booked.
    Contradiction(BadTransition),
}

/// Counts of what happened to orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct OrderCounts {
    /// Placed (replacements included).
    pub sent: u64,
    /// Acknowledged by the venue.
    pub acked: u64,
    /// Filled to the last lot.
    pub filled: u64,
    /// Fills that left a rest.
    pub partly_filled: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Rejected by the venue.
    pub rejected: u64,
    /// Expired at the venue.
    pub expired: u64,
    /// Cancels or changes the venue refused.
    pub cancel_rejected: u64,
    /// All fills.
    pub fills: u64,
    /// Reports that repeated an earlier one.
    pub repeated: u64,
    /// Reports about orders that are not known.
    pub unknown: u64,
    /// Reports that contradict the state table.
    pub contradictions: u64,
}

/// The books of one lane.
#[derive(Clone, Debug)]
pub struct Ledger {
    orders: Orders,
    accounts: Vec<Account>,
    counts: OrderCounts,
}

impl Ledger {
    /// Empty books for `instruments`, whose ids are their indices.
    #[must_use]
    pub fn new(instruments: &[Instrument]) -> Ledger {
        Ledger {
            orders: Orders::new(),
            accounts: instruments.iter().map(Account::new).collect(),
            counts: OrderCounts::default(),
        }
    }

    /// Takes over orders and counts of other books, and the accounts of their first `kept` instruments.
    pub fn take_over(&mut self, before: &Ledger, kept: usize) {
        self.orders = before.orders.clone();
        self.counts = before.counts;
        for (account, old) in self.accounts.iter_mut().zip(&before.accounts).take(kept) {
            *account = old.clone();
        }
    }

    /// The account of an instrument.
    #[must_use]
    #[inline]
    pub fn account(&self, instrument: InstrumentId) -> Option<&Account> {
        self.accounts.get(instrument.0 as usize)
    }

    /// Every account, by instrument id.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Fees paid over all instruments, by currency.
    #[must_use]
    pub fn fees(&self) -> Fees {
        let mut all = Fees::default();
        self.accounts.iter().for_each(|account| all.merge(account.fees()));
        all
    }

    /// Counts anew from here.
    pub fn begin_counting(&mut self) {
        self.counts = OrderCounts::default();
    }

    /// Counts since construction, or since `begin_counting`.
    #[must_use]
    pub fn counts(&self) -> OrderCounts {
        self.counts
    }

    /// An order, while it is known.
    #[must_use]
    #[inline]
    pub fn order(&self, id: OrderId) -> Option<&Order> {
        self.orders.get(id)
    }

    /// What stands in the table's slot of `id`: its order, or another (see `Orders::peek`).
    #[must_use]
    #[inline]
    pub fn peek(&self, id: OrderId) -> &Order {
        self.orders.peek(id)
    }

    /// Every known order, working or not, in the table's order.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter()
    }

    /// Working orders over all instruments.
    #[must_use]
    pub fn working(&self) -> usize {
        self.accounts.iter().map(Account::working_orders).sum()
    }

    /// Books an order that is about to be sent.
    ///
    /// # Errors
    /// When the table's slot still holds an order that works or misses fills; the intent must then not be
    /// sent.
    pub fn place(&mut self, intent: &Intent, level: u8, now: Nanos) -> Result<(), SlotTaken> {
        self.orders.insert(Order::of(intent, level, now))?;
        self.counts.sent += 1;
        if let Some(account) = self.accounts.get_mut(intent.instrument.0 as usize) {
            account.start_working(intent.side, intent.lots);
        }
        Ok(())
    }

    /// Books an order that the venue has and these books have not; its fate is unknown until told. For the
    /// missing fills of an older order in its slot nobody waits any longer.
    ///
    /// # Errors
    /// When the table's slot still holds a working order.
    pub fn adopt(&mut self, found: &AdoptedOrder, now: Nanos) -> Result<(), SlotTaken> {
        let older = self.orders.peek(found.order).id;
        if let Some(older) = self.orders.get_mut(older).filter(|of| !of.state.is_working()) {
            forget(older, &mut self.accounts);
        }
        self.orders.insert(Order::adopted(found, now))?;
        self.counts.sent += 1;
        if let Some(account) = self.accounts.get_mut(found.instrument.0 as usize) {
            account.start_working(found.side, found.lots);
        }
        Ok(())
    }

    /// The venue's books were taken over: fills that were missing are in them.
    pub fn forget_missing(&mut self) {
        for order in self.orders.iter_mut().filter(|of| !of.state.is_working()) {
            forget(order, &mut self.accounts);
        }
    }

    /// Brings position and cash to what the venue's books say.
    pub fn adjust(&mut self, difference: &Adjustment) {
        if let Some(account) = self.accounts.get_mut(difference.instrument.0 as usize) {
            account.adjust(difference.lots, difference.cash);
        }
    }

    /// Notes what the venue holds of an instrument's base asset beside the position.
    pub fn hold(&mut self, found: &Holding) {
        if let Some(account) = self.accounts.get_mut(found.instrument.0 as usize) {
            account.hold(found.base);
        }
    }

    /// Notes that a cancel is on its way.
    pub fn cancel_sent(&mut self, id: OrderId) {
        if let Some(order) = self.orders.get_mut(id)
            && let Ok(state) = transition(order.state, OrderEvent::CancelSent)
        {
            order.state = state;
        }
    }

    /// Notes that a change in place is on its way: the larger of the two sizes counts as exposed.
    pub fn modify_sent(&mut self, intent: &Intent) {
        let Some(order) = self.orders.get_mut(intent.order) else { return };
        order.change_pending = true;
        let rest = intent.lots.minus(order.filled);
        let more = rest.minus(order.exposed);
        if more.0 > 0 {
            order.exposed = rest;
            if let Some(account) = self.accounts.get_mut(order.instrument.0 as usize) {
                account.change_working(order.side, more);
            }
        }
    }

    /// The order connection was lost: every working order may or may not live on.
    pub fn connection_lost(&mut self) {
        for order in self.orders.iter_mut() {
            if let Ok(state) = transition(order.state, OrderEvent::ConnectionLost) {
                order.state = state;
                order.change_pending = false;
            }
        }
    }

    /// Books a report of the venue. Repeating a report changes nothing.
    pub fn on_report(&mut self, report: &ExecutionReport) -> Applied {
        if report.kind == ExecutionKind::Fill {
            return self.on_fill(report);
        }
        let Some(order) = self.orders.get_mut(report.order) else {
            self.counts.unknown += 1;
            return Applied::Unknown;
        };
        let event = match report.kind {
            ExecutionKind::Acknowledged => OrderEvent::Acknowledged,
            ExecutionKind::Rejected => OrderEvent::Rejected,
            ExecutionKind::Cancelled => OrderEvent::Cancelled,
            ExecutionKind::Expired => OrderEvent::Expired,
            ExecutionKind::CancelRejected => OrderEvent::CancelRejected,
            ExecutionKind::Replaced => OrderEvent::Replaced,
            ExecutionKind::Fill => OrderEvent::PartFill,
        };
        let before = order.state;
        let after = match transition(before, event) {
            Ok(after) => after,
            Err(bad) => {
                self.counts.contradictions += 1;
                return Applied::Contradiction(bad);
            }
        };
        let was_pending = before == OrderState::Pending;
        order.state = after;
        if report.venue_order != 0 {
            order.venue_order = report.venue_order;
        }
        let mut freed = Lots(0);
        match report.kind {
            ExecutionKind::CancelRejected => order.change_pending = false,
            ExecutionKind::Replaced if before.is_working() => {
                order.change_pending = false;
                order.price = report.price;
                order.lots = report.lots;
                let rest = report.lots.minus(order.filled);
                freed = order.exposed.minus(rest);
                order.exposed = rest;
            }
            _ => {}
        }
        if before.is_working() && !after.is_working() {
            // What the venue says was filled and nobody told counts as working until it comes.
            let missing = report.filled_lots.minus(order.filled).max(Lots(0)).min(order.exposed);
            freed = order.exposed.minus(missing);
            order.exposed = missing;
        }
        let (instrument, side, ended) =
            (order.instrument, order.side, before.is_working() && !after.is_working());
        if before == after && report.kind == ExecutionKind::Acknowledged && !was_pending {
            self.counts.repeated += 1;
            return Applied::Repeated;
        }
        if !before.is_working() && !after.is_working() {
            self.counts.repeated += 1;
            return Applied::Repeated;
        }
        match report.kind {
            ExecutionKind::Acknowledged => self.counts.acked += 1,
            ExecutionKind::Rejected => self.counts.rejected += 1,
            ExecutionKind::Cancelled => self.counts.cancelled += 1,
            ExecutionKind::Expired => self.counts.expired += 1,
            ExecutionKind::CancelRejected => self.counts.cancel_rejected += 1,
            ExecutionKind::Replaced | ExecutionKind::Fill => {}
        }
        if let Some(account) = self.accounts.get_mut(instrument.0 as usize) {
            account.change_working(side, Lots(-freed.0));
            if ended {
                account.stop_working();
            }
        }
        Applied::Moved(after)
    }

    /// Whether a report that was just booked says that more was filled than these books have: a fill
    /// was lost, or will come late.
    #[must_use]
    pub fn misses_fills(&self, report: &ExecutionReport) -> bool {
        self.order(report.order).is_some_and(|order| report.filled_lots > order.filled)
    }

    /// A fill: idempotent by the venue's trade id, booked even when the order is unknown or over.
    fn on_fill(&mut self, report: &ExecutionReport) -> Applied {
        let Some(account) = self.accounts.get_mut(report.instrument.0 as usize) else {
            self.counts.unknown += 1;
            return Applied::Unknown;
        };
        if !account.is_new_trade(report.trade_id) {
            self.counts.repeated += 1;
            return Applied::Repeated;
        }
        account.fill(report.side, report.last_price, report.last_lots);
        account.charge(report.fee_currency, report.fee);
        self.counts.fills += 1;
        let Some(order) = self.orders.get_mut(report.order) else {
            self.counts.unknown += 1;
            return Applied::Unknown;
        };
        let before = order.state;
        order.filled = order.filled.plus(report.last_lots);
        // what the venue calls it may be told here for the first time
        if report.venue_order != 0 {
            order.venue_order = report.venue_order;
        }
        if before == OrderState::Pending {
            self.counts.acked += 1; // a fill says more than the acknowledgement it overtook
        }
        // A change that made the order larger has come to work, and its answer is late.
        if order.change_pending && report.lots > order.lots {
            (order.lots, order.price) = (report.lots, report.price);
        }
        let whole = order.filled >= order.lots;
        let event = if whole { OrderEvent::LastFill } else { OrderEvent::PartFill };
        match transition(before, event) {
            Ok(after) => {
                order.state = after;
                let ends = before.is_working() && !after.is_working();
                let freed = if ends { order.exposed } else { order.exposed.min(report.last_lots) };
                order.exposed = order.exposed.minus(freed);
                account.change_working(order.side, Lots(-freed.0));
                if before.is_working() && !after.is_working() {
                    account.stop_working();
                }
                if whole {
                    self.counts.filled += 1;
                } else {
                    self.counts.partly_filled += 1;
                }
                Applied::Moved(after)
            }
            Err(bad) => {
                self.counts.contradictions += 1;
                Applied::Contradiction(bad)
            }
        }
    }

    /// Saves the books or brings them back; the instruments are the same.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        self.orders.walk(tape);
        self.accounts.iter_mut().for_each(|account| account.walk(tape));
        tape.section("order counts");
        tape.pod(&mut self.counts);
    }

    /// Mixes the whole state into `hash`.
    pub fn mix_into(&self, hash: &mut StateHash) {
        self.orders.iter().for_each(|order| order.mix_into(hash));
        self.accounts.iter().for_each(|account| account.mix_into(hash));
    }
}

/// Fills of an order that is over and that nobody told are waited for no longer.
fn forget(order: &mut Order, accounts: &mut [Account]) {
    if let Some(account) = accounts.get_mut(order.instrument.0 as usize) {
        account.change_working(order.side, Lots(-order.exposed.0));
    }
    order.exposed = Lots(0);
}
