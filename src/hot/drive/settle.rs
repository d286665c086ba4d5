//! The fate of orders that the streams did not tell: looked up, reconciled, or left to a person.
//!
//! What is found out enters the lane as execution reports, like anything the venue says by itself.

use super::clerk::Ask;
use super::driver::Driver;
use crate::host::clock::Clock;
use crate::ledger::Order;
use crate::record::{ExecutionKind, ExecutionReport, Input, Link, LinkState, OrderState};
use crate::units::{Nanos, OrderId, UnixNanos};
use crate::venue::binance::orders::client_id;
use crate::venue::binance::session::answer::{AccountTrade, VenueOrder};

/// How long a stopping lane waits for its cancels to be confirmed.
const GRACE: Nanos = Nanos(3_000_000_000);

impl<C: Clock + Clone> Driver<C> {
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
        let Some(order) = self.working(id) else { return self.doubts.end(id) };
        let Some(found) = found else {
            if self.doubts.is_absent(id, now) {
                let kind = match order.venue_order {
                    0 => ExecutionKind::Rejected,
                    _ => ExecutionKind::Cancelled,
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

    /// Asks for everything to be cancelled, and for what was filled since.
    pub(super) fn reconcile(&mut self, since: UnixNanos) {
        let all = self.pipeline.lane().ledger().orders();
        let unnamed = all.filter(|of| of.state.is_working() && of.venue_order == 0);
        let unnamed = unnamed.map(|of| (of.instrument, of.id)).collect();
        self.ask(Ask::Reconcile(since, unnamed));
    }

    /// Nothing of ours works at the venue: book what filled, end the rest, trade again. `named` are
    /// orders whose venue's ids the lane had not heard of.
    pub(super) fn reconciled(&mut self, named: &[VenueOrder], fills: &[AccountTrade], now: Nanos) {
        let mut strangers = 0u64;
        for fill in fills {
            let name = named.iter().find(|of| of.venue_order == fill.venue_order);
            let is = |of: &&Order| {
                of.instrument == fill.instrument
                    && (of.venue_order == fill.venue_order
                        || name.is_some_and(|name| name.order == Some(of.id)))
            };
            let order = self.pipeline.lane().ledger().orders().find(is).copied();
            let Some(order) = order else {
                strangers += 1;
                continue;
            };
            self.input(Input::Execution(filled(&order, fill)), now);
        }
        let all = self.pipeline.lane().ledger().orders();
        let open: Vec<Order> = all.filter(|of| of.state.is_working()).copied().collect();
        for order in &open {
            self.input(Input::Execution(told(ExecutionKind::Cancelled, order)), now);
        }
        let count = fills.len();
        let what = match strangers {
            0 => format!("order link reconciled: {count} fills looked at, nothing left open"),
            _ => format!(
                "order link reconciled: {strangers} of {count} fills belong to no order of this \
                 run; check the account"
            ),
        };
        self.incident(now, what);
        self.reconciling = false;
        if self.lines.orders_ready() {
            self.orders_up = true;
            self.input(Input::Link(Link::Orders, LinkState::Up), now);
        }
    }

    /// Whether a stopping lane is done: nothing works, or neither its cancels nor the clerk's helped.
    pub(super) fn has_ended(&mut self, stopping_for: Nanos) -> bool {
        if self.pipeline.lane().ledger().working() == 0 {
            return true;
        }
        if stopping_for > GRACE && !std::mem::replace(&mut self.asked_at_end, true) {
            self.reconcile(UnixNanos(self.settings.wall_at_zero.0.saturating_add(self.began.0)));
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

/// A fill of an order as the venue's books have it.
fn filled(order: &Order, fill: &AccountTrade) -> ExecutionReport {
    ExecutionReport {
        venue_order: fill.venue_order,
        trade_id: fill.trade_id,
        last_price: fill.price,
        last_lots: fill.lots,
        filled_lots: order.filled.plus(fill.lots),
        fee: fill.fee,
        fee_currency: fill.fee_currency,
        maker: fill.maker,
        venue_time: fill.venue_time,
        ..told(ExecutionKind::Fill, order)
    }
}
