//! One instrument of the generated market: crowd and orders of ours -> market events as streamed.
//!
//! Trades and changes of the touch are told at once, changes of the book together once a period, as
//! the venue does. Every change of a level takes the next update id, so `U`, `u` and `pu` chain.

use super::flow::{Flow, FlowSettings};
use super::hawkes::HawkesError;
use super::matching::Engine;
use super::order::{Event, OrderEvent, Request};
use crate::record::{BookTicker, DepthDiff, DepthSnapshot, Level, MarketEvent, Trade};
use crate::units::{InstrumentId, Lots, Nanos, Side, Ticks, UnixNanos};
use std::collections::BTreeMap;

/// What may befall a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Nobody but us acts for a while.
    Halt(Nanos),
    /// Everybody else takes this side's orders away.
    Empty(Side),
    /// Everybody else moves at once, by so many millionths of the price.
    Jump(i64),
    /// The next ticker shows a bid so many ticks above the ask; the book itself is sound.
    CrossedTicker(i64),
    /// The next diff shows a bid so many ticks above the ask, the one after it takes it back.
    CrossedDiff(i64),
}

/// A matching engine, its crowd and what has not been told yet.
#[derive(Clone, Debug)]
pub struct Generated {
    instrument: InstrumentId,
    engine: Engine,
    flow: Flow,
    update: u64,
    /// Last update id told in a diff.
    told: u64,
    /// Levels changed since, by side and price.
    changed: [BTreeMap<i64, Lots>; 2],
    touch: [Level; 2],
    /// Prices at which the next diff shows, or the last one showed, a bid that is not there.
    phantoms: Vec<Ticks>,
    events: Vec<Event>,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl Generated {
    /// Counts order and trade ids on from `start`.
    pub fn number_from(&mut self, start: u64) {
        self.engine.number_from(start);
    }

    /// A market whose book is already deep.
    ///
    /// # Errors
    /// When the settings make no stationary process.
    pub fn new(
        instrument: InstrumentId,
        settings: &FlowSettings,
        seed: u64,
    ) -> Result<Generated, HawkesError> {
        let mut engine = Engine::new();
        let mut flow = Flow::new(settings, seed, u64::from(instrument.0))?;
        let mut events = Vec::new();
        flow.open(&mut engine, &mut events);
        events.clear();
        let mut market = Generated {
            instrument,
            engine,
            flow,
            update: 1,
            told: 1,
            changed: [BTreeMap::new(), BTreeMap::new()],
            touch: [Level::default(); 2],
            phantoms: Vec::new(),
            events,
            bids: Vec::new(),
            asks: Vec::new(),
        };
        market.touch = market.best();
        Ok(market)
    }

    /// The engine, for its orders and positions.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// When the crowd acts next.
    #[must_use]
    pub fn next_time(&self) -> Nanos {
        self.flow.next_time()
    }

    /// The crowd's next act. Market events go to `tell`, news of owned orders to `orders`.
    pub fn step(
        &mut self,
        wall: UnixNanos,
        orders: &mut Vec<OrderEvent>,
        tell: &mut dyn FnMut(&MarketEvent<'_>),
    ) {
        let mut events = std::mem::take(&mut self.events);
        self.flow.step(&mut self.engine, &mut events);
        self.publish(&mut events, wall, orders, tell);
        self.events = events;
    }

    /// Does what a client asks.
    pub fn apply(
        &mut self,
        request: &Request,
        wall: UnixNanos,
        orders: &mut Vec<OrderEvent>,
        tell: &mut dyn FnMut(&MarketEvent<'_>),
    ) {
        let mut events = std::mem::take(&mut self.events);
        self.engine.apply(request, &mut events);
        self.publish(&mut events, wall, orders, tell);
        self.events = events;
    }

    /// Something befalls the market.
    pub fn disturb(
        &mut self,
        what: Disturbance,
        wall: UnixNanos,
        orders: &mut Vec<OrderEvent>,
        tell: &mut dyn FnMut(&MarketEvent<'_>),
    ) {
        let mut events = std::mem::take(&mut self.events);
        match what {
            Disturbance::Halt(span) => self.flow.pause(span),
            Disturbance::Empty(side) => self.flow.leave(&mut self.engine, side, &mut events),
            Disturbance::Jump(millionths) => {
                self.flow.jump(&mut self.engine, millionths, &mut events);
            }
            Disturbance::CrossedTicker(ticks) => self.tell_crossed(ticks, wall, tell),
            Disturbance::CrossedDiff(ticks) => {
                if let Some(ask) = self.engine.best(Side::Sell) {
                    let price = ask.price.plus(Ticks(ticks));
                    self.update += 1;
                    self.changed[Side::Buy as usize].insert(price.0, ask.lots);
                    self.phantoms.push(price);
                }
            }
        }
        self.publish(&mut events, wall, orders, tell);
        self.events = events;
    }

    fn tell_crossed(
        &mut self,
        ticks: i64,
        wall: UnixNanos,
        tell: &mut dyn FnMut(&MarketEvent<'_>),
    ) {
        let [bid, ask] = self.best();
        if bid.lots.0 == 0 || ask.lots.0 == 0 {
            return;
        }
        self.update += 1;
        tell(&MarketEvent::Ticker(BookTicker {
            instrument: self.instrument,
            update: self.update,
            bid: Level { price: ask.price.plus(Ticks(ticks)), ..bid },
            ask,
            event_time: wall,
            transaction_time: wall,
        }));
        self.update += 1;
    }

    /// The changes of the period that ends; nothing when nothing changed.
    pub fn diff(&mut self, wall: UnixNanos, tell: &mut dyn FnMut(&MarketEvent<'_>)) {
        if self.told == self.update {
            return;
        }
        let collect = |from: &mut BTreeMap<i64, Lots>, into: &mut Vec<Level>| {
            into.clear();
            into.extend(
                from.iter().map(|(price, lots)| Level { price: Ticks(*price), lots: *lots }),
            );
            from.clear();
        };
        let [bids, asks] = &mut self.changed;
        collect(bids, &mut self.bids);
        collect(asks, &mut self.asks);
        self.bids.reverse();
        tell(&MarketEvent::Depth(DepthDiff {
            instrument: self.instrument,
            first_update: self.told + 1,
            last_update: self.update,
            previous_update: Some(self.told),
            event_time: wall,
            transaction_time: wall,
            bids: &self.bids,
            asks: &self.asks,
        }));
        self.told = self.update;
        for price in self.phantoms.drain(..) {
            let lots = self.engine.lots_at(Side::Buy, price);
            self.update += 1;
            self.changed[Side::Buy as usize].insert(price.0, lots);
        }
    }

    /// The book as of the last update, `depth` levels a side.
    pub fn snapshot(&mut self, depth: usize) -> DepthSnapshot<'_> {
        for (side, into) in [(Side::Buy, &mut self.bids), (Side::Sell, &mut self.asks)] {
            into.clear();
            self.engine.visit(side, &mut |level| {
                into.push(level);
                into.len() < depth
            });
        }
        DepthSnapshot {
            instrument: self.instrument,
            last_update: self.update,
            bids: &self.bids,
            asks: &self.asks,
        }
    }

    fn publish(
        &mut self,
        events: &mut Vec<Event>,
        wall: UnixNanos,
        orders: &mut Vec<OrderEvent>,
        tell: &mut dyn FnMut(&MarketEvent<'_>),
    ) {
        for event in events.drain(..) {
            match event {
                Event::Order(of) => orders.push(of),
                Event::Level { side, price, lots } => {
                    self.update += 1;
                    self.changed[side as usize].insert(price.0, lots);
                }
                Event::Trade { id, price, lots, aggressor } => {
                    tell(&MarketEvent::Trade(Trade {
                        instrument: self.instrument,
                        id,
                        price,
                        lots,
                        aggressor,
                        aggregated: false,
                        on_book: true,
                        event_time: wall,
                        transaction_time: wall,
                    }));
                }
            }
        }
        let touch = self.best();
        let two_sided = touch[0].lots.0 > 0 && touch[1].lots.0 > 0;
        if touch != self.touch && two_sided {
            self.touch = touch;
            tell(&MarketEvent::Ticker(BookTicker {
                instrument: self.instrument,
                update: self.update,
                bid: touch[0],
                ask: touch[1],
                event_time: wall,
                transaction_time: wall,
            }));
        }
    }

    fn best(&self) -> [Level; 2] {
        [Side::Buy, Side::Sell].map(|side| self.engine.best(side).unwrap_or_default())
    }
}
