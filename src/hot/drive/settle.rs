//! The fate of orders that the streams did not tell: looked up, reconciled, or left to a person.
//!
//! What is found out enters the lane as execution reports, like anything the venue says by itself.

use super::clerk::{Ask, Findings, Inquiry};
use super::driver::Driver;
use crate::host::clock::Clock;
use crate::hot::flaws::{Flaw, Flaws};
use crate::hot::lane::LANES_MAX;
use crate::hot::recorder::Recorder;
use crate::ledger::{Account, Ledger, Order};
use crate::record::{
    Adjustment, AdoptedOrder, ExecutionKind, ExecutionReport, Holding, Input, Instrument,
    InstrumentKind, Intent, Link, LinkState, OrderAction, OrderState, OrderType, TimeInForce,
};
use crate::units::{InstrumentId, Lots, Money, Nanos, OrderId, Ticks, UnixNanos};
use crate::venue::binance::orders::client_id;
use crate::venue::binance::session::answer::{Account as Holdings, AccountTrade, VenueOrder};

/// How long a stopping lane waits for its cancels to be confirmed.
const GRACE: Nanos = Nanos(3_000_000_000);

impl<C: Clock + Clone, R: Recorder, F: Flaws> Driver<C, R, F> {
    /// The venue's answer leaves the fate of an order open.
    #[cold]
    pub(super) fn doubt(&mut self, id: OrderId, now: Nanos) {
        if F::has(Flaw::UnknownIsDead) {
            return self.end_as(id, Some(OrderState::Rejected), now);
        }
        if F::has(Flaw::ResendUnderNewId) {
            self.resend(id, now);
        }
        self.doubts.raise(id, now);
    }

    /// What `Flaw::ResendUnderNewId` does.
    fn resend(&mut self, id: OrderId, now: Nanos) {
        let Some(order) = self.working(id) else { return };
        let again = Intent {
            action: OrderAction::Place,
            instrument: order.instrument,
            order: OrderId::new(id.epoch(), id.counter() | 1 << 30),
            replaces: OrderId(0),
            side: order.side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            reduce_only: false,
            price: order.price,
            lots: order.lots,
        };
        let lines = &mut self.lines;
        self.pipeline.send_beside(&again, now, &mut |_, request| lines.send_order(request));
    }

    /// Asks for orders whose fate is in doubt.
    pub(super) fn look_up(&mut self, now: Nanos) {
        while self.orders_up
            && let Some(id) = self.doubts.next(now, self.pipeline.lane().ledger())
            && let Some(order) = self.pipeline.lane().ledger().order(id)
        {
            let instrument = order.instrument;
            self.ask(Ask::Order(instrument, id));
        }
    }

    /// The venue's word on an order that was in doubt.
    pub(super) fn looked_up(
        &mut self,
        id: OrderId,
        found: Option<VenueOrder>,
        fills: &[AccountTrade],
        now: Nanos,
    ) {
        let Some(order) = self.working(id) else {
            return self.fills_found(id, found.as_ref(), fills, now);
        };
        let Some(found) = found else {
            if self.doubts.is_absent(id, order.sent_at, now) {
                // One that counts as open, by whatever was said of it, was not rejected.
                let opened = matches!(order.state, OrderState::Open | OrderState::PartlyFilled);
                let kind = if opened || order.venue_order != 0 {
                    ExecutionKind::Cancelled
                } else {
                    ExecutionKind::Rejected
                };
                self.input(Input::Execution(told(kind, &order)), now);
                self.tell(&order, "the venue has no such order", now);
                self.doubts.end(id);
            }
            return;
        };
        for fill in fills {
            self.input(Input::Execution(filled(&order, fill)), now);
        }
        let named = ExecutionReport {
            venue_order: found.venue_order,
            price: found.price,
            lots: found.lots,
            filled_lots: found.filled_lots,
            ..told(ExecutionKind::Acknowledged, &order)
        };
        let kinds: &[ExecutionKind] = match found.state {
            OrderState::Cancelled => &[ExecutionKind::Cancelled],
            OrderState::Expired => &[ExecutionKind::Expired],
            OrderState::Rejected => &[ExecutionKind::Rejected],
            // Its fills have ended it; where one is missing, it is looked up again.
            OrderState::Filled => &[],
            _ if (found.price, found.lots) != (order.price, order.lots) => {
                &[ExecutionKind::Acknowledged, ExecutionKind::Replaced]
            }
            _ => &[ExecutionKind::Acknowledged, ExecutionKind::CancelRejected],
        };
        for kind in kinds {
            self.input(Input::Execution(ExecutionReport { kind: *kind, ..named }), now);
        }
        if found.state != OrderState::Filled || self.working(id).is_none() {
            self.doubts.end(id);
        }
        let words =
            format!("the venue has it as {:?}, {} lots filled", found.state, found.filled_lots.0);
        self.tell(&order, &words, now);
    }

    /// An order that is over, and filled more than was told.
    fn fills_found(
        &mut self,
        id: OrderId,
        found: Option<&VenueOrder>,
        fills: &[AccountTrade],
        now: Nanos,
    ) {
        let known = |ledger: &Ledger| ledger.order(id).copied();
        let (Some(before), Some(found)) = (known(self.pipeline.lane().ledger()), found) else {
            return self.doubts.end(id);
        };
        for fill in fills {
            self.input(Input::Execution(filled(&before, fill)), now);
        }
        let after = known(self.pipeline.lane().ledger()).unwrap_or(before);
        if after.filled > before.filled {
            let more = after.filled.minus(before.filled).0;
            self.tell(&after, &format!("{more} lots filled that were not told"), now);
        }
        if after.filled >= found.filled_lots {
            return self.doubts.end(id);
        }
        if !self.doubts.looks_again(id, now) {
            let words = "the venue says that more was filled than it lists; check the account";
            self.tell(&after, words, now);
        }
    }

    /// Asks for everything to be cancelled, and what the venue's books say then: fills since a time,
    /// and at the start of a life also the orders that an earlier one did not live to remember.
    pub(super) fn reconcile(&mut self, since: Option<UnixNanos>) {
        let ledger = self.pipeline.lane().ledger();
        let unnamed = ledger.orders().filter(|of| of.state.is_working() && of.venue_order == 0);
        let last_trades = self.settings.instruments.iter().filter_map(|of| {
            let last = ledger.account(of.id).and_then(Account::last_trade);
            last.map(|last| (of.id, last))
        });
        let inquiry = Inquiry {
            since,
            last_trades: last_trades.collect(),
            unnamed: unnamed.map(|of| (of.instrument, of.id)).collect(),
            all_orders: self.is_new,
        };
        self.ask(Ask::Reconcile(inquiry));
    }

    /// Nothing of ours works at the venue: adopt what the lane does not remember, book what filled, end
    /// the rest, take the venue's word on positions, and only then trade.
    pub(super) fn reconciled(&mut self, found: &Findings, now: Nanos) {
        let unknown = self.unremembered(&found.orders);
        let strangers = self.book_fills(found, &unknown, now);
        let all = self.pipeline.lane().ledger().orders();
        let open: Vec<Order> = all.filter(|of| of.state.is_working()).copied().collect();
        for order in &open {
            let known = found.orders.iter().find(|of| of.order == Some(order.id));
            self.end_as(order.id, known.map(|of| of.state), now);
        }
        let adopted = unknown.iter().filter(|of| self.adopt(of, &found.fills, now)).count();
        let differences = self.settle_positions(&found.account, now);
        let mut words = Vec::new();
        if !self.is_first_life() {
            words.push(format!("{} fills looked at, nothing left open", found.fills.len()));
        }
        if adopted > 0 {
            words.push(format!("{adopted} orders of an earlier life adopted"));
        }
        if strangers > 0 {
            words.push(format!(
                "{strangers} fills belong to no order that is remembered; check the account"
            ));
        }
        words.extend(differences);
        words.extend(found.gaps.iter().cloned());
        if !words.is_empty() {
            self.incident(now, format!("order link reconciled: {}", words.join("; ")));
        }
        self.reconciling = false;
        let heard_all = !self.pipeline.has_overflowed();
        if self.lines.orders_ready() && heard_all {
            self.is_new = false;
            self.orders_up = self.input(Input::Link(Link::Orders, LinkState::Up), now);
        }
    }

    /// Orders of this lane that left after the last record of an earlier life, oldest first.
    fn unremembered(&self, orders: &[VenueOrder]) -> Vec<VenueOrder> {
        if F::has(Flaw::AdoptNothing) {
            return Vec::new();
        }
        let last = self.pipeline.lane().ledger().orders().map(|of| of.id).max();
        let lane = |id: OrderId| id.epoch() % LANES_MAX;
        let own = self.settings.lane.epoch % LANES_MAX;
        let is = |of: &&VenueOrder| of.order.is_some_and(|id| Some(id) > last && lane(id) == own);
        let mut all: Vec<VenueOrder> = orders.iter().filter(is).copied().collect();
        all.sort_by_key(|of| of.order);
        all
    }

    /// One of them enters the books, fills, and ends: one by one, since lives number their orders alike
    /// and share places in the table. Whether the lane could take it.
    fn adopt(&mut self, order: &VenueOrder, fills: &[AccountTrade], now: Nanos) -> bool {
        let Some(id) = order.order else { return false };
        let found = AdoptedOrder {
            order: id,
            venue_order: order.venue_order,
            instrument: order.instrument,
            side: order.side,
            price: order.price,
            lots: order.lots,
        };
        let taken = self.input(Input::Adopted(found), now);
        for fill in fills.iter().filter(|of| is_of(of, order.instrument, order.venue_order)) {
            if let Some(known) = self.pipeline.lane().ledger().order(id).copied() {
                self.input(Input::Execution(filled(&known, fill)), now);
            }
        }
        self.end_as(id, Some(order.state), now);
        taken
    }

    /// An order that no longer works at the venue ends, unless its fills have ended it.
    fn end_as(&mut self, id: OrderId, state: Option<OrderState>, now: Nanos) {
        let Some(order) = self.working(id) else { return };
        let kind = match state {
            Some(OrderState::Expired) => ExecutionKind::Expired,
            Some(OrderState::Rejected) => ExecutionKind::Rejected,
            _ => ExecutionKind::Cancelled,
        };
        self.input(Input::Execution(told(kind, &order)), now);
    }

    /// Books fills of orders that are remembered; how many belong to none, nor to those of `unknown`.
    fn book_fills(&mut self, found: &Findings, unknown: &[VenueOrder], now: Nanos) -> usize {
        let mut strangers = 0;
        for fill in &found.fills {
            let name = found.orders.iter().find(|of| of.venue_order == fill.venue_order);
            let is = |of: &&Order| {
                is_of(fill, of.instrument, of.venue_order)
                    || (of.instrument == fill.instrument
                        && name.is_some_and(|name| name.order == Some(of.id)))
            };
            let order = self.pipeline.lane().ledger().orders().find(is).copied();
            match order {
                Some(order) => _ = self.input(Input::Execution(filled(&order, fill)), now),
                None if unknown.iter().any(|of| is_of(fill, of.instrument, of.venue_order)) => {}
                None => strangers += usize::from(!self.is_booked(fill)),
            }
        }
        strangers
    }

    /// Whether a fill is booked already, even if its order is forgotten.
    fn is_booked(&self, fill: &AccountTrade) -> bool {
        let account = self.pipeline.lane().ledger().account(fill.instrument);
        account.is_some_and(|of| of.remembers_trade(fill.trade_id))
    }

    /// The venue's word on positions, where it differs from the fills'; each difference in words.
    fn settle_positions(&mut self, account: &Holdings, now: Nanos) -> Vec<String> {
        let mut differences = Vec::new();
        for instrument in self.settings.instruments.clone() {
            let spot = instrument.kind == InstrumentKind::Spot;
            let difference = match spot {
                true => self.spot_difference(&instrument, account, now),
                false => self.futures_difference(&instrument, account),
            };
            let Some(difference) = difference.filter(|of| of.lots != Lots(0)) else { continue };
            if self.input(Input::Adjustment(difference), now) {
                let by = instrument.lot.decimal(difference.lots.0);
                differences.push(format!(
                    "{}: the venue's position differs by {by}; it is taken over",
                    instrument.symbol
                ));
            }
        }
        differences
    }

    fn futures_difference(
        &self,
        instrument: &Instrument,
        account: &Holdings,
    ) -> Option<Adjustment> {
        let told = account.positions.iter().find(|of| of.instrument == instrument.id)?;
        let own = self.pipeline.lane().ledger().account(instrument.id)?;
        let lots = told.lots.minus(own.position());
        // An average price lies between ticks; half a tick of a stranger's trade is nobody's profit.
        let ticks = told.entry.map(|price| price.to_f64() / instrument.tick.step().to_f64());
        let price = ticks.map_or(Ticks(0), |ticks| Ticks(ticks.round() as i64));
        let cash = Money(-own.valuation().value(lots, price).0);
        Some(Adjustment { instrument: instrument.id, lots, cash })
    }

    /// Spot accounts hold assets, not positions: what differs from the holding told by the first
    /// reconciliation is position. Dust below a lot joins the holding.
    fn spot_difference(
        &mut self,
        instrument: &Instrument,
        account: &Holdings,
        now: Nanos,
    ) -> Option<Adjustment> {
        let listed = &self.settings.instruments;
        let uses = |of: &&Instrument| of.base == instrument.base || of.quote == instrument.base;
        let shared = listed.iter().filter(uses).count() > 1
            || self.settings.shared_assets.contains(&instrument.base);
        if shared {
            return None;
        }
        let own = self.pipeline.lane().ledger().account(instrument.id)?;
        let held = account.balances.iter().find(|of| of.asset == instrument.base);
        let total = held.map_or(Money(0), |of| of.free.plus(of.locked));
        let unit = base_amount(instrument, Lots(1));
        let position = base_amount(instrument, own.position());
        let beside = total.minus(position).plus(own.fees().of(instrument.base));
        let lots = own.held().map_or(0, |before| beside.minus(before).0 / unit.0.max(1));
        let lots = Lots(i64::try_from(lots).unwrap_or(0));
        let base = beside.minus(base_amount(instrument, lots));
        if own.held() != Some(base) {
            self.input(Input::Holding(Holding { instrument: instrument.id, base }), now);
        }
        Some(Adjustment { instrument: instrument.id, lots, cash: Money(0) })
    }

    /// Whether a stopping lane is done: nothing works, or neither its cancels nor the clerk's helped.
    pub(super) fn has_ended(&mut self, stopping_for: Nanos) -> bool {
        if self.pipeline.lane().ledger().working() == 0 {
            return true;
        }
        if stopping_for > GRACE && !std::mem::replace(&mut self.asked_at_end, true) {
            let began = self.settings.wall_at_zero.0.saturating_add(self.began.0);
            self.reconcile(Some(UnixNanos(began)));
        }
        stopping_for > Nanos(2 * GRACE.0)
    }

    /// Orders that still work when the lane ends: a person must look at them.
    pub(super) fn note_left_behind(&mut self, now: Nanos) {
        let all = self.pipeline.lane().ledger().orders();
        let left: Vec<Order> = all.filter(|of| of.state.is_working()).copied().collect();
        for order in left {
            let words = format!(
                "{:?} at the end, and nobody told what became of it; look for it at the venue",
                order.state
            );
            self.tell(&order, &words, now);
        }
    }

    fn working(&self, id: OrderId) -> Option<Order> {
        let order = self.pipeline.lane().ledger().order(id);
        order.filter(|of| of.state.is_working()).copied()
    }

    fn tell(&mut self, order: &Order, words: &str, now: Nanos) {
        let id = String::from_utf8_lossy(&client_id(order.id)).into_owned();
        self.incident(now, format!("order {id} (venue {}): {words}", order.venue_order));
    }
}

/// A report that the ledger's own knowledge of an order makes.
fn told(kind: ExecutionKind, order: &Order) -> ExecutionReport {
    ExecutionReport {
        venue_order: order.venue_order,
        side: order.side,
        price: order.price,
        lots: order.lots,
        filled_lots: order.filled,
        ..ExecutionReport::bare(kind, order.instrument, order.id)
    }
}

fn is_of(fill: &AccountTrade, instrument: InstrumentId, venue_order: u64) -> bool {
    (fill.instrument, fill.venue_order) == (instrument, venue_order)
}

/// A fill of an order as the venue's books have it. It may be booked already: of how much was filled in
/// all it tells nothing.
fn filled(order: &Order, fill: &AccountTrade) -> ExecutionReport {
    ExecutionReport {
        venue_order: fill.venue_order,
        trade_id: fill.trade_id,
        last_price: fill.price,
        last_lots: fill.lots,
        fee: fill.fee,
        fee_currency: fill.fee_currency,
        maker: fill.maker,
        venue_time: fill.venue_time,
        ..told(ExecutionKind::Fill, order)
    }
}

/// Lots in units of the base asset.
fn base_amount(instrument: &Instrument, lots: Lots) -> Money {
    let size = instrument.lot.decimal(lots.0);
    Money(i128::from(size.mantissa) * Money::ONE / 10i128.pow(u32::from(size.scale)))
}
