//! Matching engine: price-time priority over one instrument; `Request -> Event*`.
//!
//! Limit, post-only (refused when it would take), market, immediate-or-cancel, fill-or-kill,
//! cancel, cancel-replace (a new id goes to the back), modify in place (keeps its turn only when the
//! size falls at the same price), self-trade prevention (the taker expires), reduce-only.
//!
//! Invariants: the book never crosses; events depend on the requests alone; a trade's size leaves
//! both orders. A reduce-only order never fills beyond the position; what is left of a resting one
//! expires when the market next reaches it. Twin: `naive`, one unsorted list.
//! Deliberately absent: time, fees, filters, update ids (`venue` and `wire` add them).

use super::order::{ClientId, Event, NewOrder, Order, OrderEvent, Reject, Request};
use crate::record::{Level, OrderType, TimeInForce};
use crate::units::{Lots, OrderId, Side, Ticks};
use std::collections::BTreeMap;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Slot {
    order: Order,
    before: u32,
    after: u32,
}

/// The orders of one price, first come first.
#[derive(Clone, Copy, Debug)]
struct Queue {
    head: u32,
    tail: u32,
    lots: i64,
    orders: u32,
}

/// One step of a taker through the book.
#[derive(Clone, Copy, Debug)]
enum Step {
    Fill(u32, i64),
    Expire(u32),
}

/// The engine of one instrument.
#[derive(Clone, Debug)]
pub struct Engine {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Bids, then asks.
    levels: [BTreeMap<i64, Queue>; 2],
    orders: [usize; 2],
    owners: BTreeMap<(ClientId, OrderId), u32>,
    positions: BTreeMap<ClientId, i64>,
    last_venue_order: u64,
    last_trade: u64,
    steps: Vec<Step>,
    deltas: Vec<(ClientId, i64)>,
    cancelling: Vec<OrderId>,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new()
    }
}

impl Engine {
    /// An empty book.
    #[must_use]
    pub fn new() -> Engine {
        Engine {
            slots: Vec::new(),
            free: Vec::new(),
            levels: [BTreeMap::new(), BTreeMap::new()],
            orders: [0, 0],
            owners: BTreeMap::new(),
            positions: BTreeMap::new(),
            last_venue_order: 0,
            last_trade: 0,
            steps: Vec::new(),
            deltas: Vec::new(),
            cancelling: Vec::new(),
        }
    }

    /// Counts order and trade ids on from `start`.
    pub fn number_from(&mut self, start: u64) {
        self.last_venue_order += start;
        self.last_trade += start;
    }

    /// Does what is asked and appends what happened.
    pub fn apply(&mut self, request: &Request, out: &mut Vec<Event>) {
        match request {
            Request::New(new) => {
                self.place(new, out);
            }
            Request::Cancel { client, order } => self.cancel(*client, *order, out),
            Request::Replace { replaces, new } if *replaces == new.order => self.modify(new, out),
            Request::Replace { replaces, new } => {
                if self.owners.contains_key(&(new.client, *replaces)) {
                    self.cancel(new.client, *replaces, out);
                    self.place(new, out);
                } else {
                    tell(out, refuse_cancel(new.client, *replaces, Reject::UnknownOrder));
                    tell(out, OrderEvent::Rejected { order: *new, reject: Reject::UnknownOrder });
                }
            }
            Request::CancelAll { client } => self.cancel_all(*client, out),
        }
    }

    /// Best level of a side.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<Level> {
        let map = &self.levels[side as usize];
        let entry = match side {
            Side::Buy => map.last_key_value(),
            Side::Sell => map.first_key_value(),
        };
        entry.map(|(price, queue)| Level { price: Ticks(*price), lots: Lots(queue.lots) })
    }

    /// Visits levels best first until `visit` returns false.
    pub fn visit(&self, side: Side, visit: &mut dyn FnMut(Level) -> bool) {
        let level =
            |(price, queue): (&i64, &Queue)| Level { price: Ticks(*price), lots: Lots(queue.lots) };
        let map = &self.levels[side as usize];
        match side {
            Side::Buy => map.iter().rev().map(level).all(visit),
            Side::Sell => map.iter().map(level).all(visit),
        };
    }

    /// Size at a price; zero when there is no level.
    #[must_use]
    pub fn lots_at(&self, side: Side, price: Ticks) -> Lots {
        Lots(self.levels[side as usize].get(&price.0).map_or(0, |queue| queue.lots))
    }

    /// Working orders of a side, the crowd's included.
    #[must_use]
    pub fn order_count(&self, side: Side) -> usize {
        self.orders[side as usize]
    }

    /// Levels of a side.
    #[must_use]
    pub fn level_count(&self, side: Side) -> usize {
        self.levels[side as usize].len()
    }

    /// A working order.
    #[must_use]
    pub fn order(&self, client: ClientId, order: OrderId) -> Option<Order> {
        self.owners.get(&(client, order)).map(|slot| self.slots[*slot as usize].order)
    }

    /// Working orders of a client, by client id.
    pub fn orders_of(&self, client: ClientId) -> impl Iterator<Item = Order> + '_ {
        self.owners
            .range((client, OrderId(0))..=(client, OrderId(u64::MAX)))
            .map(|(_, slot)| self.slots[*slot as usize].order)
    }

    /// Net position a client has traded here.
    #[must_use]
    pub fn position(&self, client: ClientId) -> Lots {
        Lots(self.positions.get(&client).copied().unwrap_or(0))
    }

    fn place(&mut self, new: &NewOrder, out: &mut Vec<Event>) {
        let refused = if self.owners.contains_key(&(new.client, new.order)) {
            Some(Reject::Duplicate)
        } else if new.reduce_only && self.reducible(new.client, new.side) == 0 {
            Some(Reject::ReduceOnly)
        } else if new.order_type == OrderType::PostOnly && self.meets(new) {
            Some(Reject::WouldTake)
        } else {
            None
        };
        if let Some(reject) = refused {
            tell(out, OrderEvent::Rejected { order: *new, reject });
            return;
        }
        self.last_venue_order += 1;
        let order = Order { asked: *new, venue_order: self.last_venue_order, filled: Lots(0) };
        tell(out, OrderEvent::Opened(order));
        self.enter(order, out);
    }

    /// Matches an accepted order and lets the rest work or expire.
    fn enter(&mut self, mut order: Order, out: &mut Vec<Event>) {
        let (reached, met_own) = self.plan(&order);
        let kills = order.asked.time_in_force == TimeInForce::FillOrKill
            && order.asked.order_type != OrderType::PostOnly;
        if kills && reached < order.remaining().0 {
            tell(out, OrderEvent::Expired(order));
            return;
        }
        self.execute(&mut order, out);
        if order.remaining() == Lots(0) {
            return;
        }
        let spent =
            order.asked.reduce_only && self.reducible(order.asked.client, order.asked.side) == 0;
        if met_own || spent || !order.rests() {
            tell(out, OrderEvent::Expired(order));
        } else {
            self.rest(order, out);
        }
    }

    fn meets(&self, new: &NewOrder) -> bool {
        self.best(new.side.opposite()).is_some_and(|best| new.accepts(best.price))
    }

    /// Lots that an order of `side` may trade before the client's position is gone.
    fn reducible(&self, client: ClientId, side: Side) -> i64 {
        (-side.sign() * self.position(client).0).max(0)
    }

    /// Fills the list of steps; returns the lots reached and whether the client's own order stopped it.
    fn plan(&mut self, taker: &Order) -> (i64, bool) {
        self.steps.clear();
        self.deltas.clear();
        let asked = &taker.asked;
        let mut left = taker.remaining().0;
        if asked.reduce_only {
            left = left.min(self.reducible(asked.client, asked.side));
        }
        let wanted = left;
        let side = asked.side.opposite();
        let map = &self.levels[side as usize];
        let mut prices: Box<dyn Iterator<Item = (&i64, &Queue)>> = match side {
            Side::Buy => Box::new(map.iter().rev()),
            Side::Sell => Box::new(map.iter()),
        };
        while left > 0 {
            let Some((price, queue)) = prices.next() else { break };
            if !asked.accepts(Ticks(*price)) {
                break;
            }
            let mut at = queue.head;
            while at != NONE && left > 0 {
                let maker = &self.slots[at as usize];
                let client = maker.order.asked.client;
                if client == asked.client && !client.is_crowd() {
                    return (wanted - left, true);
                }
                let whole = maker.order.remaining().0;
                let mut open = whole;
                if maker.order.asked.reduce_only {
                    let moved = self.deltas.iter().filter(|(of, _)| *of == client);
                    let position = self.position(client).0 + moved.map(|(_, by)| by).sum::<i64>();
                    open = open.min((-side.sign() * position).max(0));
                }
                let lots = open.min(left);
                if lots > 0 {
                    left -= lots;
                    self.steps.push(Step::Fill(at, lots));
                    if !client.is_crowd() {
                        self.deltas.push((client, side.sign() * lots));
                    }
                }
                if lots == open && open < whole && left > 0 {
                    self.steps.push(Step::Expire(at));
                }
                at = maker.after;
            }
        }
        (wanted - left, false)
    }

    /// Carries out the steps planned; one `Level` event for each price touched.
    fn execute(&mut self, taker: &mut Order, out: &mut Vec<Event>) {
        let side = taker.asked.side.opposite();
        let steps = std::mem::take(&mut self.steps);
        let mut level: Option<Ticks> = None;
        for step in &steps {
            let (Step::Fill(at, _) | Step::Expire(at)) = *step;
            let price = self.slots[at as usize].order.asked.price;
            if level.is_some_and(|open| open != price) {
                self.tell_level(side, level, out);
            }
            level = Some(price);
            match *step {
                Step::Expire(_) => {
                    let order = self.unlink(at);
                    tell(out, OrderEvent::Expired(order));
                }
                Step::Fill(_, lots) => self.fill(taker, at, lots, out),
            }
        }
        self.tell_level(side, level, out);
        self.steps = steps;
    }

    fn fill(&mut self, taker: &mut Order, at: u32, lots: i64, out: &mut Vec<Event>) {
        self.last_trade += 1;
        let trade = self.last_trade;
        let size = Lots(lots);
        let slot = &mut self.slots[at as usize];
        slot.order.filled = slot.order.filled.plus(size);
        let maker = slot.order;
        let price = maker.asked.price;
        let side = maker.asked.side;
        if let Some(queue) = self.levels[side as usize].get_mut(&price.0) {
            queue.lots -= lots;
        }
        taker.filled = taker.filled.plus(size);
        out.push(Event::Trade { id: trade, price, lots: size, aggressor: taker.asked.side });
        for (order, provides) in [(maker, true), (*taker, false)] {
            let client = order.asked.client;
            if !client.is_crowd() {
                *self.positions.entry(client).or_insert(0) += order.asked.side.sign() * lots;
            }
            tell(out, OrderEvent::Fill { order, price, lots: size, trade, maker: provides });
        }
        if maker.remaining() == Lots(0) {
            self.unlink(at);
        }
    }

    fn rest(&mut self, order: Order, out: &mut Vec<Event>) {
        let (side, price) = (order.asked.side, order.asked.price);
        let slot = Slot { order, before: NONE, after: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() as u32 - 1
            }
        };
        let fresh = Queue { head: at, tail: NONE, lots: 0, orders: 0 };
        let queue = self.levels[side as usize].entry(price.0).or_insert(fresh);
        if queue.tail != NONE {
            self.slots[queue.tail as usize].after = at;
            self.slots[at as usize].before = queue.tail;
        }
        queue.tail = at;
        queue.lots += order.remaining().0;
        queue.orders += 1;
        self.orders[side as usize] += 1;
        self.owners.insert((order.asked.client, order.asked.order), at);
        self.tell_level(side, Some(price), out);
    }

    /// Takes an order out of its queue and returns it as it stood.
    fn unlink(&mut self, at: u32) -> Order {
        let Slot { order, before, after } = self.slots[at as usize];
        let map = &mut self.levels[order.asked.side as usize];
        if let Some(queue) = map.get_mut(&order.asked.price.0) {
            queue.lots -= order.remaining().0;
            queue.orders -= 1;
            match before {
                NONE => queue.head = after,
                _ => self.slots[before as usize].after = after,
            }
            match after {
                NONE => queue.tail = before,
                _ => self.slots[after as usize].before = before,
            }
            if queue.orders == 0 {
                map.remove(&order.asked.price.0);
            }
        }
        self.orders[order.asked.side as usize] -= 1;
        self.owners.remove(&(order.asked.client, order.asked.order));
        self.free.push(at);
        order
    }

    fn cancel(&mut self, client: ClientId, order: OrderId, out: &mut Vec<Event>) {
        match self.owners.get(&(client, order)) {
            Some(at) => {
                let order = self.unlink(*at);
                self.tell_level(order.asked.side, Some(order.asked.price), out);
                tell(out, OrderEvent::Cancelled(order));
            }
            None => tell(out, refuse_cancel(client, order, Reject::UnknownOrder)),
        }
    }

    fn cancel_all(&mut self, client: ClientId, out: &mut Vec<Event>) {
        let mut ids = std::mem::take(&mut self.cancelling);
        ids.clear();
        ids.extend(self.orders_of(client).map(|order| order.asked.order));
        for id in &ids {
            self.cancel(client, *id, out);
        }
        self.cancelling = ids;
    }

    fn modify(&mut self, new: &NewOrder, out: &mut Vec<Event>) {
        let Some(at) = self.owners.get(&(new.client, new.order)).copied() else {
            tell(out, refuse_cancel(new.client, new.order, Reject::NoSuchOrder));
            return;
        };
        let old = self.slots[at as usize].order;
        if new.price == old.asked.price && new.lots == old.asked.lots {
            tell(out, refuse_cancel(new.client, new.order, Reject::NothingToModify));
            return;
        }
        if new.lots <= old.filled {
            self.cancel(new.client, new.order, out);
            return;
        }
        let mut order = old;
        (order.asked.price, order.asked.lots) = (new.price, new.lots);
        if new.price == old.asked.price && new.lots < old.asked.lots {
            self.slots[at as usize].order = order;
            if let Some(queue) = self.levels[old.asked.side as usize].get_mut(&new.price.0) {
                queue.lots -= old.asked.lots.0 - new.lots.0;
            }
            self.tell_level(old.asked.side, Some(new.price), out);
            tell(out, OrderEvent::Replaced(order));
            return;
        }
        self.unlink(at);
        self.tell_level(old.asked.side, Some(old.asked.price), out);
        if order.asked.order_type == OrderType::PostOnly && self.meets(&order.asked) {
            tell(out, OrderEvent::Cancelled(old));
            return;
        }
        tell(out, OrderEvent::Replaced(order));
        self.enter(order, out);
    }

    fn tell_level(&self, side: Side, price: Option<Ticks>, out: &mut Vec<Event>) {
        if let Some(price) = price {
            let lots = self.levels[side as usize].get(&price.0).map_or(0, |queue| queue.lots);
            out.push(Event::Level { side, price, lots: Lots(lots) });
        }
    }
}

/// Appends news of an owned order; the crowd gets none.
pub(super) fn tell(out: &mut Vec<Event>, event: OrderEvent) {
    let client = match &event {
        OrderEvent::Opened(order)
        | OrderEvent::Fill { order, .. }
        | OrderEvent::Cancelled(order)
        | OrderEvent::Expired(order)
        | OrderEvent::Replaced(order) => order.asked.client,
        OrderEvent::Rejected { order, .. } => order.client,
        OrderEvent::CancelRejected { client, .. } => *client,
    };
    if !client.is_crowd() {
        out.push(Event::Order(event));
    }
}

pub(super) fn refuse_cancel(client: ClientId, order: OrderId, reject: Reject) -> OrderEvent {
    OrderEvent::CancelRejected { client, order, reject }
}
