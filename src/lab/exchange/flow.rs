//! A market out of nothing: Hawkes events become orders of the crowd in the real matching engine.
//!
//! Limit orders arrive by a power law of distance from their own touch (exponent 0.6, Bouchaud,
//! Mezard and Potters 2002) or inside the spread; each cancel event withdraws on average
//! `orders / depth_orders` random orders of its side, so that depth returns to its mean; market
//! orders are sized by the touch. A slow reference price (Ornstein-Uhlenbeck) turns market orders
//! towards itself when the mid strays, so the market neither dies nor runs off.
//! Invariant: the seed and the engine's state decide every order. Deliberately absent: news, and any
//! reaction to who else trades.

use super::hawkes::{Hawkes, HawkesError, HawkesSettings, Kind};
use super::matching::Engine;
use super::order::{ClientId, Event, NewOrder, Request};
use crate::maths::random::{Random, ln};
use crate::record::{OrderType, TimeInForce};
use crate::units::{Lots, Nanos, OrderId, Side, Ticks};

/// What the market is to look like. Defaults resemble BTCUSDT perpetual with a tick of 0.1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowSettings {
    /// When and what.
    pub hawkes: HawkesSettings,
    /// Where the price begins and returns to.
    pub anchor: Ticks,
    /// Orders per side that cancels return to.
    pub depth_orders: usize,
    /// Furthest tick from the touch at which orders arrive.
    pub reach: u64,
    /// Mean size of an order.
    pub lots_mean: f64,
    /// Volatility of the reference price, ticks per square-root second.
    pub volatility: f64,
    /// Pull of the reference price to the anchor, per second.
    pub reversion: f64,
}

impl FlowSettings {
    /// Defaults at a rate (events per second) around a price.
    #[must_use]
    pub fn new(rate: f64, anchor: Ticks) -> FlowSettings {
        FlowSettings {
            hawkes: HawkesSettings::at_rate(rate),
            anchor,
            depth_orders: 400,
            reach: 150,
            lots_mean: 60.0,
            volatility: 12.0,
            reversion: 1.0 / 120.0,
        }
    }
}

/// Lowest price to which a jump may bring the crowd.
const ANCHOR_MIN: i64 = 500;
/// Share of limit orders that step inside an open spread.
const IMPROVING: f64 = 0.45;
/// How strongly a stray mid turns market orders round, per tick, and the most it may.
const PULL_PER_TICK: f64 = 0.03;
const PULL_MAX: f64 = 0.9;

/// The crowd of one instrument.
#[derive(Clone, Debug)]
pub struct Flow {
    settings: FlowSettings,
    hawkes: Hawkes,
    random: Random,
    /// Distance of the reference price from the anchor, ticks.
    stray: f64,
    now: Nanos,
    upcoming: (Nanos, Kind),
    /// Orders placed and perhaps still working, by side; the dead are dropped when met.
    placed: [Vec<OrderId>; 2],
    last_order: u64,
    events: u64,
}

impl Flow {
    /// A crowd; `stream` tells instruments of one seed apart.
    ///
    /// # Errors
    /// When the process would not be stationary.
    pub fn new(settings: &FlowSettings, seed: u64, stream: u64) -> Result<Flow, HawkesError> {
        let mut hawkes = Hawkes::new(&settings.hawkes, Random::new(seed, 2 * stream))?;
        let upcoming = hawkes.next_event();
        Ok(Flow {
            settings: *settings,
            hawkes,
            random: Random::new(seed, 2 * stream + 1),
            stray: 0.0,
            now: Nanos(0),
            upcoming,
            placed: [Vec::new(), Vec::new()],
            last_order: 0,
            events: 0,
        })
    }

    /// When the crowd acts next.
    #[must_use]
    pub fn next_time(&self) -> Nanos {
        self.upcoming.0
    }

    /// Events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Puts the first orders into an empty book: a spread of two ticks, each side at mean depth.
    pub fn open(&mut self, engine: &mut Engine, out: &mut Vec<Event>) {
        for _ in 0..self.settings.depth_orders {
            for side in [Side::Buy, Side::Sell] {
                let distance = 1 + self.distance() as i64;
                let price = self.settings.anchor.plus(Ticks(-side.sign() * distance));
                self.place(engine, side, price, out);
            }
        }
    }

    /// Acts: the event due at `next_time`.
    pub fn step(&mut self, engine: &mut Engine, out: &mut Vec<Event>) {
        let (at, kind) = self.upcoming;
        let seconds = at.since(self.now).0 as f64 * 1e-9;
        self.stray += self.settings.volatility * seconds.sqrt() * self.random.normal()
            - self.settings.reversion * self.stray * seconds;
        self.now = at;
        self.events += 1;
        match kind {
            Kind::LimitBuy => self.limit(engine, Side::Buy, out),
            Kind::LimitSell => self.limit(engine, Side::Sell, out),
            Kind::CancelBuy => self.withdraw(engine, Side::Buy, out),
            Kind::CancelSell => self.withdraw(engine, Side::Sell, out),
            Kind::MarketBuy => self.strike(engine, Side::Buy, out),
            Kind::MarketSell => self.strike(engine, Side::Sell, out),
        }
        self.upcoming = self.hawkes.next_event();
    }

    /// The crowd does nothing for a while.
    pub fn pause(&mut self, span: Nanos) {
        self.hawkes.pause(span);
        self.upcoming.0 = self.upcoming.0.plus(span);
        self.now = self.now.plus(span);
    }

    /// The crowd takes its orders of a side away.
    pub fn leave(&mut self, engine: &mut Engine, side: Side, out: &mut Vec<Event>) {
        for order in std::mem::take(&mut self.placed[side as usize]) {
            if engine.order(ClientId::CROWD, order).is_some() {
                engine.apply(&Request::Cancel { client: ClientId::CROWD, order }, out);
            }
        }
    }

    /// The crowd moves by so many millionths: takes all its orders away and opens anew there.
    pub fn jump(&mut self, engine: &mut Engine, millionths: i64, out: &mut Vec<Event>) {
        for side in [Side::Buy, Side::Sell] {
            self.leave(engine, side, out);
        }
        let anchor = self.settings.anchor;
        let ticks = i128::from(anchor.0) * i128::from(millionths) / 1_000_000;
        self.settings.anchor = anchor.plus(Ticks(ticks as i64)).max(Ticks(ANCHOR_MIN));
        self.stray = 0.0;
        self.open(engine, out);
    }

    fn reference(&self) -> f64 {
        self.settings.anchor.0 as f64 + self.stray
    }

    /// Ticks behind the touch, from zero: a power law, uniform beyond the reach.
    fn distance(&mut self) -> u64 {
        let exponent = 0.6;
        let unit = self.random.unit();
        // unit^(-1/0.6) - 1 without a power function that differs between machines.
        let drawn = 1.0 / crate::maths::random::exp_minus(-ln(unit) / exponent) - 1.0;
        let reach = self.settings.reach;
        if drawn < reach as f64 { drawn as u64 } else { self.random.below(reach + 1) }
    }

    fn lots(&mut self) -> i64 {
        let block = if self.random.below(10) == 0 { 4.0 } else { 2.0 / 3.0 };
        1 + (self.random.exponential() * self.settings.lots_mean * block) as i64
    }

    fn limit(&mut self, engine: &mut Engine, side: Side, out: &mut Vec<Event>) {
        let sign = side.sign();
        let other = engine.best(side.opposite()).map(|level| level.price.0);
        let fair = self.reference() as i64 - sign;
        let fair = other.map_or(fair, |other| match side {
            Side::Buy => fair.min(other - 1),
            Side::Sell => fair.max(other + 1),
        });
        let touch = engine.best(side).map_or(fair, |level| level.price.0);
        let room = other.map_or(0, |other| (other - touch) * sign - 1);
        let inside = room > 0 && (self.random.unit() < IMPROVING || room > 8);
        let price = if inside {
            touch + sign * (1 + self.random.below(room.min(4) as u64) as i64)
        } else {
            touch - sign * self.distance() as i64
        };
        self.place(engine, side, Ticks(price.max(1)), out);
    }

    fn place(&mut self, engine: &mut Engine, side: Side, price: Ticks, out: &mut Vec<Event>) {
        self.last_order += 1;
        let order = OrderId(self.last_order);
        let new = self.crowd_order(order, side, price, OrderType::Limit);
        engine.apply(&Request::New(new), out);
        let placed = &mut self.placed[side as usize];
        placed.push(order);
        if placed.len() > 2 * engine.order_count(side) + 64 {
            placed.retain(|order| engine.order(ClientId::CROWD, *order).is_some());
        }
    }

    fn crowd_order(
        &mut self,
        order: OrderId,
        side: Side,
        price: Ticks,
        order_type: OrderType,
    ) -> NewOrder {
        NewOrder {
            client: ClientId::CROWD,
            order,
            side,
            order_type,
            time_in_force: TimeInForce::GoodTillCancel,
            reduce_only: false,
            price,
            lots: Lots(self.lots()),
        }
    }

    fn withdraw(&mut self, engine: &mut Engine, side: Side, out: &mut Vec<Event>) {
        let target = self.settings.depth_orders.max(1);
        let ratio = engine.order_count(side) as f64 / target as f64;
        let count = (ratio + self.random.unit()).floor().min(4.0) as u64;
        for _ in 0..count {
            let placed = &mut self.placed[side as usize];
            // At least half of the list is alive, so eight draws rarely find nobody.
            for _ in 0..8 {
                let at = self.random.below(placed.len() as u64) as usize;
                if at >= placed.len() {
                    break;
                }
                let order = placed.swap_remove(at);
                if engine.order(ClientId::CROWD, order).is_some() {
                    engine.apply(&Request::Cancel { client: ClientId::CROWD, order }, out);
                    break;
                }
            }
        }
    }

    fn strike(&mut self, engine: &mut Engine, side: Side, out: &mut Vec<Event>) {
        let side = self.turned(engine, side);
        let least = self.settings.depth_orders / 8;
        let Some(touch) = engine.best(side.opposite()) else { return };
        if engine.order_count(side.opposite()) < least {
            return;
        }
        self.last_order += 1;
        let order = OrderId(self.last_order);
        let mut new = self.crowd_order(order, side, Ticks(0), OrderType::Market);
        let draw = self.random.unit();
        new.lots = if draw < 0.7 {
            new.lots.min(touch.lots)
        } else if draw < 0.95 {
            touch.lots.min(Lots(new.lots.0.saturating_mul(3)))
        } else {
            touch.lots.plus(new.lots)
        };
        engine.apply(&Request::New(new), out);
    }

    /// The side of a market order, turned towards the reference price when the mid has strayed.
    fn turned(&mut self, engine: &Engine, side: Side) -> Side {
        let (Some(bid), Some(ask)) = (engine.best(Side::Buy), engine.best(Side::Sell)) else {
            return side;
        };
        let mid = (bid.price.0 + ask.price.0) as f64 * 0.5;
        let above = mid - self.reference();
        let away = above * side.sign() as f64;
        let turned = (away * PULL_PER_TICK).min(PULL_MAX);
        if self.random.unit() < turned { side.opposite() } else { side }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 4;

    fn run(seed: u64, steps: usize, mut look: impl FnMut(&Engine, &[Event], Nanos)) {
        let settings = FlowSettings::new(2_000.0, Ticks(618_000));
        let (mut engine, mut out) = (Engine::new(), Vec::new());
        let mut flow = Flow::new(&settings, seed, 0).unwrap();
        flow.open(&mut engine, &mut out);
        for _ in 0..steps {
            out.clear();
            let at = flow.next_time();
            flow.step(&mut engine, &mut out);
            look(&engine, &out, at);
        }
    }

    #[test]
    fn the_market_lives_and_stays() {
        let (mut tight, mut trades, mut steps) = (0u64, 0u64, 0u64);
        let (mut spread_max, mut levels_min, mut orders_max) = (0, usize::MAX, 0);
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        run(SEED, 300_000, |engine, events, _| {
            let bid = engine.best(Side::Buy).expect("bids remain");
            let ask = engine.best(Side::Sell).expect("asks remain");
            let spread = ask.price.0 - bid.price.0;
            assert!(spread > 0);
            steps += 1;
            tight += u64::from(spread <= 3);
            spread_max = spread_max.max(spread);
            (low, high) = (low.min(bid.price.0), high.max(ask.price.0));
            trades += events.iter().filter(|of| matches!(of, Event::Trade { .. })).count() as u64;
            for side in [Side::Buy, Side::Sell] {
                levels_min = levels_min.min(engine.level_count(side));
                orders_max = orders_max.max(engine.order_count(side));
            }
        });
        let share = tight as f64 / steps as f64;
        println!(
            "spread <= 3 ticks: {share:.3} of the time, at most {spread_max}; levels at least \
             {levels_min}; orders at most {orders_max}; {trades} trades; range {}",
            high - low
        );
        assert!(share > 0.8, "spread is mostly a few ticks: {share}");
        assert!(levels_min >= 20, "tens of levels: {levels_min}");
        assert!(orders_max < 2_000, "depth is bounded: {orders_max}");
        assert!(trades > 5_000, "it trades: {trades}");
        assert!(high - low > 10 && high - low < 3_000, "it moves and returns: {}", high - low);
    }

    #[test]
    fn a_seed_is_a_market() {
        let trail = |seed| {
            let mut all = Vec::new();
            run(seed, 5_000, |_, events, at| all.push((at, events.to_vec())));
            all
        };
        assert_eq!(trail(SEED), trail(SEED));
        assert_ne!(trail(SEED), trail(SEED + 1));
    }
}
