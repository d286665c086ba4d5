//! Our orders in a captured market: decoded events and requests -> fills by estimated queue place.
//!
//! - A resting order waits behind the volume displayed when it came; trades at its price serve the
//!   crowd ahead, then our orders in their turn (one shared queue), then the crowd behind.
//! - A trade through its price, or an opposite quote at or past it, fills it up to the size seen.
//! - A taking order meets what is displayed at arrival, no more; what it took stays gone until the
//!   venue shows less of that level than we took.
//!
//! Invariants: one lot of the capture fills at most one of our lots; a maker fills at its own price.
//! Deliberately absent: how the crowd would have answered us. A capture cannot tell.

use super::matching::{refuse_cancel, tell};
use super::order::{ClientId, Event, NewOrder, Order, OrderEvent, Reject, Request};
use super::queue::QueueModel;
use crate::market::book::{Book, Ladder, Top, Touch};
use crate::record::{BookTicker, DepthDiff, Level, MarketEvent, OrderType, TimeInForce, Trade};
use crate::units::{Lots, OrderId, Side, Ticks};
use std::collections::BTreeMap;

/// First trade id of our fills, far above those of captures.
const TRADES_FROM: u64 = 1 << 48;

#[derive(Clone, Copy, Debug)]
struct Working {
    order: Order,
    /// Captured lots served before this order; our own orders ahead are not counted.
    ahead: f64,
}

/// Where the next lots of a taker come from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// The captured book, at this level.
    Book(Level),
    /// An order of another client of ours, at this index.
    Own(usize),
}

/// One instrument of a capture, with our orders in it.
#[derive(Clone, Debug)]
pub struct Replay {
    book: Ladder,
    touch: Touch,
    model: QueueModel,
    /// Our orders by side, best price first, then by arrival.
    working: [Vec<Working>; 2],
    /// Lots we took from displayed levels that the venue still shows.
    taken: BTreeMap<(u8, i64), i64>,
    /// Lots traded at prices of ours since the level's last diff.
    traded: BTreeMap<(u8, i64), i64>,
    positions: BTreeMap<ClientId, i64>,
    last_venue_order: u64,
    last_trade: u64,
    plain_trades: bool,
    plan: Vec<(Source, i64)>,
    levels: Vec<Level>,
}

impl Replay {
    /// An empty book.
    #[must_use]
    pub fn new(model: QueueModel) -> Replay {
        Replay {
            book: Ladder::new(),
            touch: Touch::default(),
            model,
            working: [Vec::new(), Vec::new()],
            taken: BTreeMap::new(),
            traded: BTreeMap::new(),
            positions: BTreeMap::new(),
            last_venue_order: 0,
            last_trade: TRADES_FROM,
            plain_trades: false,
            plan: Vec::new(),
            levels: Vec::new(),
        }
    }

    /// Counts order and trade ids on from `start`.
    pub fn number_from(&mut self, start: u64) {
        self.last_venue_order += start;
        self.last_trade += start;
    }

    /// The captured book.
    #[must_use]
    pub fn book(&self) -> &Ladder {
        &self.book
    }

    /// Best bid and ask, by whichever of diffs and tickers is newer.
    #[must_use]
    pub fn top(&self) -> Top {
        self.touch.top(&self.book)
    }

    /// A working order of ours.
    #[must_use]
    pub fn order(&self, client: ClientId, order: OrderId) -> Option<Order> {
        self.find(client, order).map(|(side, at)| self.working[side][at].order)
    }

    /// Our working orders of a client, by client id.
    #[must_use]
    pub fn orders_of(&self, client: ClientId) -> Vec<Order> {
        let all = self.working.iter().flatten().map(|of| of.order);
        let mut mine: Vec<Order> = all.filter(|of| of.asked.client == client).collect();
        mine.sort_by_key(|of| of.asked.order);
        mine
    }

    /// Net position a client has traded here.
    #[must_use]
    pub fn position(&self, client: ClientId) -> Lots {
        Lots(self.positions.get(&client).copied().unwrap_or(0))
    }

    /// Captured volume estimated ahead of an order.
    #[must_use]
    pub fn ahead(&self, client: ClientId, order: OrderId) -> Option<f64> {
        self.find(client, order).map(|(side, at)| self.working[side][at].ahead)
    }

    /// Takes the market's next event; fills of our orders are appended.
    pub fn on_market(&mut self, event: &MarketEvent<'_>, out: &mut Vec<Event>) {
        match event {
            MarketEvent::Depth(diff) => self.on_diff(diff, out),
            MarketEvent::Snapshot(snapshot) => {
                self.book.load(snapshot);
                self.requeue();
                self.cross_book(out);
            }
            MarketEvent::Ticker(ticker) => self.on_ticker(ticker, out),
            MarketEvent::Trade(trade) => self.on_trade(trade, out),
            MarketEvent::Other => {}
        }
    }

    /// Does what is asked and appends what happened.
    pub fn apply(&mut self, request: &Request, out: &mut Vec<Event>) {
        match *request {
            Request::New(new) => self.place(new, out),
            Request::Cancel { client, order } => self.cancel(client, order, out),
            Request::CancelAll { client } => {
                for order in self.orders_of(client) {
                    self.cancel(client, order.asked.order, out);
                }
            }
            Request::Replace { replaces, new } if replaces == new.order => self.modify(new, out),
            Request::Replace { replaces, new } => {
                if self.find(new.client, replaces).is_some() {
                    self.cancel(new.client, replaces, out);
                    self.place(new, out);
                } else {
                    tell(out, refuse_cancel(new.client, replaces, Reject::UnknownOrder));
                    tell(out, OrderEvent::Rejected { order: new, reject: Reject::UnknownOrder });
                }
            }
        }
    }

    fn find(&self, client: ClientId, order: OrderId) -> Option<(usize, usize)> {
        let is = |of: &Working| (of.order.asked.client, of.order.asked.order) == (client, order);
        (0..2).find_map(|side| self.working[side].iter().position(is).map(|at| (side, at)))
    }

    fn reducible(&self, client: ClientId, side: Side) -> i64 {
        (-side.sign() * self.position(client).0).max(0)
    }

    // ---- the market moves ----

    fn on_diff(&mut self, diff: &DepthDiff<'_>, out: &mut Vec<Event>) {
        if self.working.iter().all(Vec::is_empty) && self.taken.is_empty() {
            self.book.apply(diff);
            self.traded.clear();
            return;
        }
        for (side, levels) in [(Side::Buy, diff.bids), (Side::Sell, diff.asks)] {
            for level in levels {
                let before = self.book.lots_at(side, level.price).0;
                self.requeue_level(side, *level, before);
                self.book.set(side, *level);
            }
        }
        self.book.commit(diff.last_update);
        self.cross_book(out);
    }

    fn requeue_level(&mut self, side: Side, level: Level, before: i64) {
        let key = (side as u8, level.price.0);
        if let Some(taken) = self.taken.get_mut(&key) {
            *taken = (*taken).min(level.lots.0);
            if *taken <= 0 {
                self.taken.remove(&key);
            }
        }
        let left = before - self.traded.remove(&key).unwrap_or(0);
        let (model, now) = (self.model, level.lots.0 as f64);
        let here = |of: &&mut Working| of.order.asked.price == level.price;
        for of in self.working[side as usize].iter_mut().filter(here) {
            let cancelled = (left - level.lots.0) as f64;
            if cancelled > 0.0 {
                let behind = (left as f64 - of.ahead).max(0.0);
                of.ahead = model.after_cancel(of.ahead, behind, cancelled);
            }
            of.ahead = model.after_growth(of.ahead, now);
        }
    }

    /// After a new book: nobody can stand behind more than is displayed.
    fn requeue(&mut self) {
        self.traded.clear();
        self.taken.clear();
        for side in [Side::Buy, Side::Sell] {
            for of in &mut self.working[side as usize] {
                let displayed = self.book.lots_at(side, of.order.asked.price).0 as f64;
                of.ahead = self.model.after_growth(of.ahead, displayed);
            }
        }
    }

    fn on_ticker(&mut self, ticker: &BookTicker, out: &mut Vec<Event>) {
        if !self.touch.on_ticker(ticker, self.book.last_update()) {
            return;
        }
        for (ours, quote) in [(Side::Buy, ticker.ask), (Side::Sell, ticker.bid)] {
            self.meet_quote(ours, quote, out);
        }
    }

    /// Opposite levels at or past our prices serve our orders, best first.
    fn cross_book(&mut self, out: &mut Vec<Event>) {
        for ours in [Side::Buy, Side::Sell] {
            let Some(best) = self.working[ours as usize].first().copied() else { continue };
            let mut levels = std::mem::take(&mut self.levels);
            levels.clear();
            self.book.visit(ours.opposite(), &mut |level| {
                let meets = best.order.asked.accepts(level.price);
                if meets {
                    levels.push(level);
                }
                meets
            });
            for level in &levels {
                self.meet_quote(ours, *level, out);
            }
            self.levels = levels;
        }
    }

    fn meet_quote(&mut self, ours: Side, quote: Level, out: &mut Vec<Event>) {
        let key = (ours.opposite() as u8, quote.price.0);
        let mut open = quote.lots.0 - self.taken.get(&key).copied().unwrap_or(0);
        while open > 0 {
            let first = self.working[ours as usize].first().map(|of| of.order);
            let Some(order) = first.filter(|of| of.asked.accepts(quote.price)) else { break };
            let lots = self.fill_maker(ours, 0, open, out);
            if lots == 0 && self.find(order.asked.client, order.asked.order).is_some() {
                break;
            }
            open -= lots;
            *self.taken.entry(key).or_insert(0) += lots;
        }
        if self.taken.get(&key) == Some(&0) {
            self.taken.remove(&key);
        }
    }

    fn on_trade(&mut self, trade: &Trade, out: &mut Vec<Event>) {
        if !trade.on_book || (trade.aggregated && self.plain_trades) {
            return;
        }
        self.plain_trades |= !trade.aggregated;
        let side = trade.aggressor.opposite();
        let mut left = trade.lots.0 as f64;
        let mut served = 0.0;
        let mut at = 0;
        while at < self.working[side as usize].len() && left > 0.0 {
            let of = self.working[side as usize][at];
            let price = of.order.asked.price;
            let better = (price.0 - trade.price.0) * side.sign();
            if better < 0 {
                break;
            }
            if better == 0 {
                let crowd = (of.ahead - served).clamp(0.0, left);
                served += crowd;
                left -= crowd;
            }
            let count = self.working[side as usize].len();
            left -= self.fill_maker(side, at, left as i64, out) as f64;
            at += usize::from(self.working[side as usize].len() == count);
        }
        let here = |of: &&mut Working| of.order.asked.price == trade.price;
        let mut any = false;
        for of in self.working[side as usize].iter_mut().filter(here) {
            of.ahead = (of.ahead - served).max(0.0);
            any = true;
        }
        if any {
            *self.traded.entry((side as u8, trade.price.0)).or_insert(0) += trade.lots.0;
        }
    }

    /// Fills up to `lots` of a resting order at its own price; drops it when done or not reducing.
    fn fill_maker(&mut self, side: Side, at: usize, lots: i64, out: &mut Vec<Event>) -> i64 {
        let Working { mut order, .. } = self.working[side as usize][at];
        let mut open = order.remaining().0;
        if order.asked.reduce_only {
            open = open.min(self.reducible(order.asked.client, side));
        }
        let lots = lots.min(open);
        if lots > 0 {
            self.last_trade += 1;
            order.filled = order.filled.plus(Lots(lots));
            *self.positions.entry(order.asked.client).or_insert(0) += side.sign() * lots;
            let (price, trade) = (order.asked.price, self.last_trade);
            let fill = OrderEvent::Fill { order, price, lots: Lots(lots), trade, maker: true };
            tell(out, fill);
            self.working[side as usize][at].order = order;
        }
        if order.remaining() == Lots(0) {
            self.working[side as usize].remove(at);
        } else if open == lots {
            self.working[side as usize].remove(at);
            tell(out, OrderEvent::Expired(order));
        }
        lots
    }

    // ---- our requests ----

    fn place(&mut self, new: NewOrder, out: &mut Vec<Event>) {
        let refused = if self.find(new.client, new.order).is_some() {
            Some(Reject::Duplicate)
        } else if new.reduce_only && self.reducible(new.client, new.side) == 0 {
            Some(Reject::ReduceOnly)
        } else if new.order_type == OrderType::PostOnly && self.meets(&new) {
            Some(Reject::WouldTake)
        } else {
            None
        };
        if let Some(reject) = refused {
            return tell(out, OrderEvent::Rejected { order: new, reject });
        }
        self.last_venue_order += 1;
        let order = Order { asked: new, venue_order: self.last_venue_order, filled: Lots(0) };
        tell(out, OrderEvent::Opened(order));
        self.enter(order, out);
    }

    fn meets(&self, new: &NewOrder) -> bool {
        let top = self.top();
        let quote = match new.side {
            Side::Buy => top.ask,
            Side::Sell => top.bid,
        };
        let own = self.working[new.side.opposite() as usize].first();
        quote.is_some_and(|level| new.accepts(level.price))
            || own.is_some_and(|of| new.accepts(of.order.asked.price))
    }

    fn enter(&mut self, mut order: Order, out: &mut Vec<Event>) {
        let (reached, met_own) = self.plan_taking(&order);
        let kills = order.asked.time_in_force == TimeInForce::FillOrKill
            && order.asked.order_type != OrderType::PostOnly;
        if kills && reached < order.remaining().0 {
            return tell(out, OrderEvent::Expired(order));
        }
        let plan = std::mem::take(&mut self.plan);
        for (source, lots) in &plan {
            self.take(&mut order, *source, *lots, out);
        }
        self.plan = plan;
        if order.remaining() == Lots(0) {
            return;
        }
        let (client, side) = (order.asked.client, order.asked.side);
        let spent = order.asked.reduce_only && self.reducible(client, side) == 0;
        if met_own || spent || !order.rests() {
            return tell(out, OrderEvent::Expired(order));
        }
        let ahead = self.book.lots_at(side, order.asked.price).0 as f64;
        let queue = &mut self.working[side as usize];
        let rank = |price: Ticks| -price.0 * side.sign();
        let at = queue.partition_point(|of| rank(of.order.asked.price) <= rank(order.asked.price));
        queue.insert(at, Working { order, ahead });
    }

    /// Where a taker's lots would come from; returns how many, and whether its owner's order stops it.
    fn plan_taking(&mut self, taker: &Order) -> (i64, bool) {
        self.plan.clear();
        let asked = taker.asked;
        let side = asked.side.opposite();
        let mut left = taker.remaining().0;
        if asked.reduce_only {
            left = left.min(self.reducible(asked.client, asked.side));
        }
        let wanted = left;
        let top = self.top();
        let newest = match side {
            Side::Buy => top.bid,
            Side::Sell => top.ask,
        };
        let mut levels = std::mem::take(&mut self.levels);
        levels.clear();
        let mut sum = 0;
        self.book.visit(side, &mut |level| {
            // A ticker newer than the book says that better levels are gone.
            let gone =
                newest.is_some_and(|quote| (level.price.0 - quote.price.0) * side.sign() > 0);
            let key = (side as u8, level.price.0);
            let open = level.lots.0 - self.taken.get(&key).copied().unwrap_or(0);
            let meets = asked.accepts(level.price);
            if meets && !gone && open > 0 {
                levels.push(Level { price: level.price, lots: Lots(open) });
                sum += open;
            }
            meets && sum < wanted
        });
        let mut own = 0;
        let mut met_own = false;
        let mut book = levels.iter();
        let mut level = book.next();
        while left > 0 {
            let resting = self.working[side as usize].get(own).copied();
            let resting = resting.filter(|of| asked.accepts(of.order.asked.price));
            let ours_first = match (resting, level) {
                (None, None) => break,
                (Some(of), Some(level)) => {
                    let better = (of.order.asked.price.0 - level.price.0) * side.sign();
                    better > 0 || (better == 0 && of.ahead < 1.0)
                }
                (some, _) => some.is_some(),
            };
            if let Some(of) = resting.filter(|_| ours_first) {
                if of.order.asked.client == asked.client {
                    met_own = true;
                    break;
                }
                let lots = of.order.remaining().0.min(left);
                self.plan.push((Source::Own(own), lots));
                left -= lots;
                own += 1;
            } else if let Some(open) = level {
                let lots = open.lots.0.min(left);
                self.plan.push((Source::Book(*open), lots));
                left -= lots;
                level = book.next();
            }
        }
        // Orders of ours leave the list as they fill: take the last first.
        self.plan.sort_by_key(|(source, _)| match source {
            Source::Own(at) => (1, usize::MAX - at),
            Source::Book(_) => (0, 0),
        });
        self.levels = levels;
        (wanted - left, met_own)
    }

    fn take(&mut self, taker: &mut Order, source: Source, lots: i64, out: &mut Vec<Event>) {
        let side = taker.asked.side.opposite();
        let (price, lots) = match source {
            Source::Book(level) => {
                *self.taken.entry((side as u8, level.price.0)).or_insert(0) += lots;
                (level.price, lots)
            }
            Source::Own(at) => {
                let price = self.working[side as usize][at].order.asked.price;
                (price, self.fill_maker(side, at, lots, out))
            }
        };
        if lots == 0 {
            return;
        }
        self.last_trade += 1;
        taker.filled = taker.filled.plus(Lots(lots));
        *self.positions.entry(taker.asked.client).or_insert(0) += taker.asked.side.sign() * lots;
        let (order, trade) = (*taker, self.last_trade);
        tell(out, OrderEvent::Fill { order, price, lots: Lots(lots), trade, maker: false });
    }

    fn cancel(&mut self, client: ClientId, order: OrderId, out: &mut Vec<Event>) {
        match self.find(client, order) {
            Some((side, at)) => {
                let of = self.working[side].remove(at);
                tell(out, OrderEvent::Cancelled(of.order));
            }
            None => tell(out, refuse_cancel(client, order, Reject::UnknownOrder)),
        }
    }

    fn modify(&mut self, new: NewOrder, out: &mut Vec<Event>) {
        let Some((side, at)) = self.find(new.client, new.order) else {
            return tell(out, refuse_cancel(new.client, new.order, Reject::NoSuchOrder));
        };
        let old = self.working[side][at].order;
        if (new.price, new.lots) == (old.asked.price, old.asked.lots) {
            return tell(out, refuse_cancel(new.client, new.order, Reject::NothingToModify));
        }
        if new.lots <= old.filled {
            return self.cancel(new.client, new.order, out);
        }
        let mut order = old;
        (order.asked.price, order.asked.lots) = (new.price, new.lots);
        if new.price == old.asked.price && new.lots < old.asked.lots {
            self.working[side][at].order = order;
            return tell(out, OrderEvent::Replaced(order));
        }
        self.working[side].remove(at);
        if order.asked.order_type == OrderType::PostOnly && self.meets(&order.asked) {
            return tell(out, OrderEvent::Cancelled(old));
        }
        tell(out, OrderEvent::Replaced(order));
        self.enter(order, out);
    }
}
