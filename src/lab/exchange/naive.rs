//! The matching engine's meaning: one unsorted list of orders, searched anew for every step.

use super::matching::{refuse_cancel, tell};
use super::order::{ClientId, Event, NewOrder, Order, OrderEvent, Reject, Request};
use crate::record::{OrderType, TimeInForce};
use crate::units::{Lots, OrderId, Side, Ticks};

/// An order and its turn.
#[derive(Clone, Copy, Debug)]
struct Resting {
    order: Order,
    turn: u64,
}

/// A book without a data structure. `spoiled` lets the latest order go first: the canary.
#[derive(Clone, Debug, Default)]
pub(super) struct Naive {
    book: Vec<Resting>,
    positions: Vec<(ClientId, i64)>,
    turns: u64,
    venue_orders: u64,
    trades: u64,
    pub(super) spoiled: bool,
}

impl Naive {
    pub(super) fn apply(&mut self, request: &Request, out: &mut Vec<Event>) {
        match *request {
            Request::New(new) => self.place(new, out),
            Request::Cancel { client, order } => self.cancel(client, order, out),
            Request::CancelAll { client } => {
                let mine = self.book.iter().filter(|of| of.order.asked.client == client);
                let mut ids: Vec<OrderId> = mine.map(|of| of.order.asked.order).collect();
                ids.sort();
                ids.into_iter().for_each(|id| self.cancel(client, id, out));
            }
            Request::Replace { replaces, new } if replaces == new.order => self.modify(new, out),
            Request::Replace { replaces, new } => match self.find(new.client, replaces) {
                Some(_) => {
                    self.cancel(new.client, replaces, out);
                    self.place(new, out);
                }
                None => {
                    tell(out, refuse_cancel(new.client, replaces, Reject::UnknownOrder));
                    tell(out, OrderEvent::Rejected { order: new, reject: Reject::UnknownOrder });
                }
            },
        }
    }

    pub(super) fn lots_at(&self, side: Side, price: Ticks) -> i64 {
        let here = |of: &&Resting| of.order.asked.side == side && of.order.asked.price == price;
        self.book.iter().filter(here).map(|of| of.order.remaining().0).sum()
    }

    fn find(&self, client: ClientId, order: OrderId) -> Option<usize> {
        let wanted = (client, order);
        self.book.iter().position(|of| (of.order.asked.client, of.order.asked.order) == wanted)
    }

    fn position(&self, client: ClientId) -> i64 {
        self.positions.iter().filter(|(of, _)| *of == client).map(|(_, by)| by).sum()
    }

    fn reducible(&self, client: ClientId, side: Side) -> i64 {
        (-side.sign() * self.position(client)).max(0)
    }

    /// The order that a taker of `side` meets next.
    fn first(&self, asked: &NewOrder) -> Option<usize> {
        let key = |of: &Resting| {
            let price = of.order.asked.price.0 * asked.side.sign();
            (price, if self.spoiled { u64::MAX - of.turn } else { of.turn })
        };
        let met =
            |of: &Resting| of.order.asked.side != asked.side && asked.accepts(of.order.asked.price);
        let candidates = (0..self.book.len()).filter(|at| met(&self.book[*at]));
        candidates.min_by_key(|at| key(&self.book[*at]))
    }

    fn place(&mut self, new: NewOrder, out: &mut Vec<Event>) {
        let refused = if self.find(new.client, new.order).is_some() {
            Some(Reject::Duplicate)
        } else if new.reduce_only && self.reducible(new.client, new.side) == 0 {
            Some(Reject::ReduceOnly)
        } else if new.order_type == OrderType::PostOnly && self.first(&new).is_some() {
            Some(Reject::WouldTake)
        } else {
            None
        };
        if let Some(reject) = refused {
            return tell(out, OrderEvent::Rejected { order: new, reject });
        }
        self.venue_orders += 1;
        let order = Order { asked: new, venue_order: self.venue_orders, filled: Lots(0) };
        tell(out, OrderEvent::Opened(order));
        self.enter(order, out);
    }

    fn enter(&mut self, mut order: Order, out: &mut Vec<Event>) {
        let kills = order.asked.time_in_force == TimeInForce::FillOrKill
            && order.asked.order_type != OrderType::PostOnly;
        if kills {
            // A rehearsal on a copy, whose events nobody sees.
            let mut copy = self.clone();
            let mut rehearsed = order;
            copy.trade(&mut rehearsed, &mut Vec::new());
            if rehearsed.remaining() > Lots(0) {
                return tell(out, OrderEvent::Expired(order));
            }
        }
        let met_own = self.trade(&mut order, out);
        if order.remaining() == Lots(0) {
            return;
        }
        let asked = &order.asked;
        let spent = asked.reduce_only && self.reducible(asked.client, asked.side) == 0;
        if met_own || spent || !order.rests() {
            return tell(out, OrderEvent::Expired(order));
        }
        self.turns += 1;
        self.book.push(Resting { order, turn: self.turns });
        self.tell_level(order.asked.side, order.asked.price, out);
    }

    fn trade(&mut self, taker: &mut Order, out: &mut Vec<Event>) -> bool {
        let (client, side) = (taker.asked.client, taker.asked.side);
        let mut level = None;
        let mut met_own = false;
        loop {
            let mut left = taker.remaining().0;
            if taker.asked.reduce_only {
                left = left.min(self.reducible(client, side));
            }
            let Some(at) = self.first(&taker.asked).filter(|_| left > 0) else { break };
            let maker = self.book[at].order;
            if maker.asked.client == client && !client.is_crowd() {
                met_own = true;
                break;
            }
            if let Some(price) = level.filter(|price| *price != maker.asked.price) {
                self.tell_level(side.opposite(), price, out);
            }
            level = Some(maker.asked.price);
            let mut open = maker.remaining().0;
            if maker.asked.reduce_only {
                open = open.min(self.reducible(maker.asked.client, maker.asked.side));
            }
            if open == 0 {
                self.book.remove(at);
                tell(out, OrderEvent::Expired(maker));
                continue;
            }
            self.fill(taker, at, open.min(left), out);
        }
        if let Some(price) = level {
            self.tell_level(side.opposite(), price, out);
        }
        met_own
    }

    fn fill(&mut self, taker: &mut Order, at: usize, lots: i64, out: &mut Vec<Event>) {
        self.trades += 1;
        let (trade, size) = (self.trades, Lots(lots));
        self.book[at].order.filled.0 += lots;
        taker.filled.0 += lots;
        let maker = self.book[at].order;
        let price = maker.asked.price;
        out.push(Event::Trade { id: trade, price, lots: size, aggressor: taker.asked.side });
        for (order, provides) in [(maker, true), (*taker, false)] {
            if !order.asked.client.is_crowd() {
                self.positions.push((order.asked.client, order.asked.side.sign() * lots));
            }
            tell(out, OrderEvent::Fill { order, price, lots: size, trade, maker: provides });
        }
        if maker.remaining() == Lots(0) {
            self.book.remove(at);
        }
    }

    fn cancel(&mut self, client: ClientId, order: OrderId, out: &mut Vec<Event>) {
        let Some(at) = self.find(client, order) else {
            return tell(out, refuse_cancel(client, order, Reject::UnknownOrder));
        };
        let order = self.book.remove(at).order;
        self.tell_level(order.asked.side, order.asked.price, out);
        tell(out, OrderEvent::Cancelled(order));
    }

    fn modify(&mut self, new: NewOrder, out: &mut Vec<Event>) {
        let Some(at) = self.find(new.client, new.order) else {
            return tell(out, refuse_cancel(new.client, new.order, Reject::NoSuchOrder));
        };
        let old = self.book[at].order;
        if (new.price, new.lots) == (old.asked.price, old.asked.lots) {
            return tell(out, refuse_cancel(new.client, new.order, Reject::NothingToModify));
        }
        if new.lots <= old.filled {
            return self.cancel(new.client, new.order, out);
        }
        let mut order = old;
        (order.asked.price, order.asked.lots) = (new.price, new.lots);
        if new.price == old.asked.price && new.lots < old.asked.lots {
            self.book[at].order = order;
            self.tell_level(old.asked.side, new.price, out);
            return tell(out, OrderEvent::Replaced(order));
        }
        self.book.remove(at);
        self.tell_level(old.asked.side, old.asked.price, out);
        if order.asked.order_type == OrderType::PostOnly && self.first(&order.asked).is_some() {
            return tell(out, OrderEvent::Cancelled(old));
        }
        tell(out, OrderEvent::Replaced(order));
        self.enter(order, out);
    }

    fn tell_level(&self, side: Side, price: Ticks, out: &mut Vec<Event>) {
        out.push(Event::Level { side, price, lots: Lots(self.lots_at(side, price)) });
    }
}
