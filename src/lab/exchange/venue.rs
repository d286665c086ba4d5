//! The venue without a socket: intents in, frames and execution reports out, in simulated time.
//!
//! ```text
//! submit -> [inbound latency] -> filters -> engine or queue model -> report -> [outbound latency] ->
//!                     crowd or capture -> market frame ------------------------^ (generated only)
//! ```
//!
//! Both latencies are constant, so both lines are first in, first out. At one instant what leaves
//! comes first, then the market, then what arrives. A captured frame leaves when it was received, so
//! the capture's own network stands for the outbound latency.
//! Invariant: settings, seed and submissions decide every byte. Deliberately absent: sockets
//! (`server`), margin (an account may hold any position), funding.

use super::captured::{CaptureCounts, Captured};
use super::flow::FlowSettings;
use super::generated::{Disturbance, Generated};
use super::hawkes::HawkesError;
use super::order::{ClientId, NewOrder, Order, OrderEvent, Reject, Request};
use super::queue::QueueModel;
use super::report;
use super::wire::market as wire;
use crate::lab::capture::Capture;
use crate::ledger::Valuation;
use crate::record::{
    DepthSnapshot, ExecutionReport, Instrument, InstrumentKind, Intent, MarketEvent, OrderAction,
    OrderType,
};
use crate::units::{InstrumentId, Lots, Nanos, Ticks, UnixNanos};
use crate::venue::binance::Family;
use std::collections::VecDeque;

/// What the venue is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExchangeSettings {
    /// Whose protocol and rules.
    pub family: Family,
    /// Decides the generated market.
    pub seed: u64,
    /// Generated events per second and instrument.
    pub rate: f64,
    /// From a submission to the engine.
    pub latency_in: Nanos,
    /// From the engine to a report.
    pub latency_out: Nanos,
    /// How our place in a captured queue is estimated.
    pub queue_model: QueueModel,
    /// Between two diffs of a generated book.
    pub diff_period: Nanos,
    /// Wall time at simulated time zero.
    pub wall_at_zero: UnixNanos,
}

/// Why there is no such venue.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No instruments.
    #[error("a venue needs at least one instrument")]
    NoInstruments,
    /// No capture, or captures without a frame.
    #[error("the captures hold no frame")]
    NoFrames,
    /// The crowd's settings are no stationary process.
    #[error("exchange.rate: {0}")]
    Flow(#[from] HawkesError),
}

/// What leaves the venue.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// A market frame, bare or wrapped in its stream's name as it was captured.
    Market {
        /// When it leaves.
        at: Nanos,
        /// Whose it is; none for a captured frame that no decoder reads.
        instrument: Option<InstrumentId>,
        /// Its text.
        frame: &'a [u8],
    },
    /// News of a client's order.
    Execution {
        /// When it leaves.
        at: Nanos,
        /// Whose order.
        client: ClientId,
        /// The news.
        report: ExecutionReport,
    },
}

#[derive(Debug)]
enum Source {
    Generated(Vec<Generated>),
    Captured(Box<Captured>),
}

#[derive(Debug)]
enum Leaving {
    Frame(InstrumentId, Vec<u8>),
    Report(ClientId, ExecutionReport),
}

/// A venue of several instruments and clients.
#[derive(Debug)]
pub struct Exchange {
    settings: ExchangeSettings,
    instruments: Vec<Instrument>,
    valuations: Vec<Valuation>,
    source: Source,
    arriving: VecDeque<(Nanos, ClientId, Intent)>,
    leaving: VecDeque<(Nanos, Leaving)>,
    next_diff: Nanos,
    orders: Vec<OrderEvent>,
    /// Frame buffers for use again.
    spare: Vec<Vec<u8>>,
}

impl Exchange {
    /// A market out of nothing. `instruments[i].id` must be `i`.
    ///
    /// # Errors
    /// Without instruments, or when the rate makes no stationary process.
    pub fn generated(
        settings: &ExchangeSettings,
        instruments: &[Instrument],
    ) -> Result<Exchange, ExchangeError> {
        Exchange::shaped(settings, instruments, &|flow| flow)
    }

    /// The same with a crowd that `shape` changes from the usual one.
    ///
    /// # Errors
    /// As `generated`, also when the shape makes no stationary process.
    pub fn shaped(
        settings: &ExchangeSettings,
        instruments: &[Instrument],
        shape: &dyn Fn(FlowSettings) -> FlowSettings,
    ) -> Result<Exchange, ExchangeError> {
        let market = |of: &Instrument| {
            let anchor = anchor(of);
            let mut flow = FlowSettings::new(settings.rate, anchor);
            flow.lots_mean = typical_lots(of, anchor);
            Generated::new(of.id, &shape(flow), settings.seed)
        };
        let markets = instruments.iter().map(market).collect::<Result<_, _>>()?;
        Exchange::new(settings, instruments, Source::Generated(markets))
    }

    /// Captured streams. `instruments[i].id` must be `i`.
    ///
    /// # Errors
    /// Without instruments or frames.
    pub fn captured(
        settings: &ExchangeSettings,
        instruments: &[Instrument],
        captures: Vec<Capture>,
    ) -> Result<Exchange, ExchangeError> {
        let model = settings.queue_model;
        let captured = Captured::new(settings.family, instruments, captures, model);
        if captured.next_time().is_none() {
            return Err(ExchangeError::NoFrames);
        }
        let wall_at_zero = captured.first_received();
        let settings = ExchangeSettings { wall_at_zero, ..*settings };
        Exchange::new(&settings, instruments, Source::Captured(Box::new(captured)))
    }

    fn new(
        settings: &ExchangeSettings,
        instruments: &[Instrument],
        source: Source,
    ) -> Result<Exchange, ExchangeError> {
        if instruments.is_empty() {
            return Err(ExchangeError::NoInstruments);
        }
        Ok(Exchange {
            settings: *settings,
            instruments: instruments.to_vec(),
            valuations: instruments.iter().map(Valuation::of).collect(),
            source,
            arriving: VecDeque::new(),
            leaving: VecDeque::new(),
            next_diff: settings.diff_period,
            orders: Vec::new(),
            spare: Vec::new(),
        })
    }

    /// Counts the ids of orders and trades on from `start`, so that a venue started again does not give
    /// those of its former life to others.
    pub fn number_from(&mut self, start: u64) {
        match &mut self.source {
            Source::Generated(all) => all.iter_mut().for_each(|market| market.number_from(start)),
            Source::Captured(captured) => captured.number_from(start),
        }
    }

    /// Settings; with captures, `wall_at_zero` is the first frame's receive time.
    #[must_use]
    pub fn settings(&self) -> &ExchangeSettings {
        &self.settings
    }

    /// The instruments.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// Whether a capture has ended and nothing is under way.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.next_time().is_none()
    }

    /// What the captures held so far; nothing for a generated market.
    #[must_use]
    pub fn capture_counts(&self) -> Option<CaptureCounts> {
        match &self.source {
            Source::Generated(_) => None,
            Source::Captured(captured) => Some(captured.counts()),
        }
    }

    /// When something happens next; none when a capture has ended and nothing is under way.
    #[must_use]
    pub fn next_time(&self) -> Option<Nanos> {
        let arrival = self.arriving.front().map(|(at, ..)| *at);
        let departure = self.leaving.front().map(|(at, _)| *at);
        [departure, self.market_time(), arrival].into_iter().flatten().min()
    }

    /// Lets everything happen that is due by `until`, in order; what leaves goes to `out`.
    pub fn advance(&mut self, until: Nanos, out: &mut dyn FnMut(Output<'_>)) {
        while let Some(now) = self.next_time().filter(|at| *at <= until) {
            if self.leaving.front().is_some_and(|(at, _)| *at == now) {
                self.leave(out);
            } else if self.market_time() == Some(now) {
                self.market(now, out);
            } else {
                self.arrive(now);
            }
        }
    }

    /// Takes an intent; it reaches the engine after the inbound latency.
    pub fn submit(&mut self, at: Nanos, client: ClientId, intent: &Intent) {
        let due = at.plus(self.settings.latency_in);
        let due = self.arriving.back().map_or(due, |(last, ..)| due.max(*last));
        self.arriving.push_back((due, client, *intent));
    }

    /// Disturbs a generated market; a captured one is what it is.
    pub fn disturb(&mut self, now: Nanos, instrument: InstrumentId, what: Disturbance) {
        let (wall, due) = (self.wall(now), now.plus(self.settings.latency_out));
        let family = self.settings.family;
        let (instruments, spare, leaving) = (&self.instruments, &mut self.spare, &mut self.leaving);
        let mut tell = |event: &MarketEvent<'_>| {
            render(family, instruments, spare, event, &mut |id, frame| {
                leaving.push_back((due, Leaving::Frame(id, frame)));
            });
        };
        if let Source::Generated(all) = &mut self.source
            && let Some(market) = all.get_mut(instrument.0 as usize)
        {
            market.disturb(what, wall, &mut self.orders, &mut tell);
            self.report(instrument, now);
        }
    }

    /// The book as it is now, `depth` levels a side.
    pub fn snapshot(
        &mut self,
        instrument: InstrumentId,
        depth: usize,
    ) -> Option<DepthSnapshot<'_>> {
        match &mut self.source {
            Source::Generated(all) => {
                all.get_mut(instrument.0 as usize).map(|market| market.snapshot(depth))
            }
            Source::Captured(captured) => captured.snapshot(instrument, depth),
        }
    }

    /// A client's working orders on an instrument, by client id.
    #[must_use]
    pub fn open_orders(&self, client: ClientId, instrument: InstrumentId) -> Vec<Order> {
        match &self.source {
            Source::Generated(all) => all
                .get(instrument.0 as usize)
                .map(|market| market.engine().orders_of(client).collect())
                .unwrap_or_default(),
            Source::Captured(captured) => captured
                .replay(instrument)
                .map(|replay| replay.orders_of(client))
                .unwrap_or_default(),
        }
    }

    /// A client's net position on an instrument.
    #[must_use]
    pub fn position(&self, client: ClientId, instrument: InstrumentId) -> Lots {
        let at = instrument.0 as usize;
        match &self.source {
            Source::Generated(all) => all.get(at).map(|market| market.engine().position(client)),
            Source::Captured(captured) => {
                captured.replay(instrument).map(|replay| replay.position(client))
            }
        }
        .unwrap_or_default()
    }

    /// The venue's wall clock at a simulated time.
    #[must_use]
    pub fn wall(&self, at: Nanos) -> UnixNanos {
        UnixNanos(self.settings.wall_at_zero.0.saturating_add(at.0))
    }

    fn market_time(&self) -> Option<Nanos> {
        match &self.source {
            Source::Generated(all) => {
                let next = all.iter().map(Generated::next_time).min();
                next.map(|at| at.min(self.next_diff))
            }
            Source::Captured(captured) => captured.next_time(),
        }
    }

    fn leave(&mut self, out: &mut dyn FnMut(Output<'_>)) {
        match self.leaving.pop_front() {
            Some((at, Leaving::Frame(instrument, mut frame))) => {
                out(Output::Market { at, instrument: Some(instrument), frame: &frame });
                frame.clear();
                self.spare.push(frame);
            }
            Some((at, Leaving::Report(client, report))) => {
                out(Output::Execution { at, client, report });
            }
            None => {}
        }
    }

    /// The market's next move.
    fn market(&mut self, now: Nanos, out: &mut dyn FnMut(Output<'_>)) {
        let wall = self.wall(now);
        let due = now.plus(self.settings.latency_out);
        let family = self.settings.family;
        let (instruments, spare, leaving) = (&self.instruments, &mut self.spare, &mut self.leaving);
        let mut tell = |event: &MarketEvent<'_>| {
            render(family, instruments, spare, event, &mut |id, frame| {
                leaving.push_back((due, Leaving::Frame(id, frame)));
            });
        };
        let mut whose = InstrumentId(0);
        match &mut self.source {
            Source::Generated(all) if now == self.next_diff => {
                self.next_diff = now.plus(self.settings.diff_period);
                all.iter_mut().for_each(|market| market.diff(wall, &mut tell));
            }
            Source::Generated(all) => {
                let Some(at) = all.iter().position(|market| market.next_time() == now) else {
                    return;
                };
                whose = InstrumentId(at as u32);
                all[at].step(wall, &mut self.orders, &mut tell);
            }
            Source::Captured(captured) => {
                if let Some(due) = captured.step(&mut self.orders) {
                    whose = due.instrument.unwrap_or(whose);
                    let (instrument, frame) = (due.instrument, due.frame);
                    out(Output::Market { at: now, instrument, frame });
                }
            }
        }
        self.report(whose, now);
    }

    /// A client's next intent reaches the engine.
    fn arrive(&mut self, now: Nanos) {
        let Some((_, client, intent)) = self.arriving.pop_front() else { return };
        let at = intent.instrument.0 as usize;
        let Some(instrument) = self.instruments.get(at) else { return };
        let request = request(client, &intent);
        if let Some(reject) = refusal(instrument, &self.valuations[at], &request) {
            self.orders.extend(report::refused(&request, reject));
        } else {
            let wall = self.wall(now);
            let due = now.plus(self.settings.latency_out);
            let family = self.settings.family;
            let (instruments, spare, leaving) =
                (&self.instruments, &mut self.spare, &mut self.leaving);
            let mut tell = |event: &MarketEvent<'_>| {
                render(family, instruments, spare, event, &mut |id, frame| {
                    leaving.push_back((due, Leaving::Frame(id, frame)));
                });
            };
            match &mut self.source {
                Source::Generated(all) => {
                    all[at].apply(&request, wall, &mut self.orders, &mut tell);
                }
                Source::Captured(captured) => {
                    captured.apply(intent.instrument, &request, &mut self.orders);
                }
            }
        }
        self.report(intent.instrument, now);
    }

    /// Turns news of orders into reports under way.
    fn report(&mut self, instrument: InstrumentId, now: Nanos) {
        let (wall, due) = (self.wall(now), now.plus(self.settings.latency_out));
        let at = instrument.0 as usize;
        for event in self.orders.drain(..) {
            let (instrument, valuation) = (&self.instruments[at], &self.valuations[at]);
            let family = self.settings.family;
            let (client, report) = report::of(&event, family, instrument, valuation, wall);
            if !client.is_crowd() {
                self.leaving.push_back((due, Leaving::Report(client, report)));
            }
        }
    }
}

/// Writes a market event as the venue does, into a buffer that was used before.
fn render(
    family: Family,
    instruments: &[Instrument],
    spare: &mut Vec<Vec<u8>>,
    event: &MarketEvent<'_>,
    out: &mut dyn FnMut(InstrumentId, Vec<u8>),
) {
    let mut frame = spare.pop().unwrap_or_default();
    let of = |id: InstrumentId| &instruments[id.0 as usize];
    let id = match event {
        MarketEvent::Depth(diff) => {
            wire::depth_update(&mut frame, family, of(diff.instrument), diff);
            diff.instrument
        }
        MarketEvent::Ticker(ticker) => {
            wire::book_ticker(&mut frame, family, of(ticker.instrument), ticker);
            ticker.instrument
        }
        MarketEvent::Trade(trade) => {
            wire::trade(&mut frame, family, of(trade.instrument), trade);
            trade.instrument
        }
        MarketEvent::Snapshot(_) | MarketEvent::Other => {
            spare.push(frame);
            return;
        }
    };
    out(id, frame);
}

fn request(client: ClientId, intent: &Intent) -> Request {
    let new = NewOrder {
        client,
        order: intent.order,
        side: intent.side,
        order_type: intent.order_type,
        time_in_force: intent.time_in_force,
        reduce_only: intent.reduce_only,
        price: intent.price,
        lots: intent.lots,
    };
    match intent.action {
        OrderAction::Place => Request::New(new),
        OrderAction::Cancel => Request::Cancel { client, order: intent.order },
        OrderAction::Replace => Request::Replace { replaces: intent.replaces, new },
        OrderAction::CancelAll => Request::CancelAll { client },
    }
}

/// The venue's filters.
fn refusal(instrument: &Instrument, valuation: &Valuation, request: &Request) -> Option<Reject> {
    let (Request::New(new) | Request::Replace { new, .. }) = request else { return None };
    let filters = &instrument.filters;
    if new.lots < filters.lots_min || new.lots.0 <= 0 {
        return Some(Reject::LotsUnder);
    }
    if new.lots > filters.lots_max {
        return Some(Reject::LotsOver);
    }
    if new.order_type == OrderType::Market {
        return None;
    }
    if new.price < filters.price_min || new.price.0 <= 0 {
        return Some(Reject::PriceUnder);
    }
    if filters.price_max.0 > 0 && new.price > filters.price_max {
        return Some(Reject::PriceOver);
    }
    let small = valuation.notional(new.lots, new.price) < filters.notional_min;
    (small && !new.reduce_only).then_some(Reject::Notional)
}

/// Where a generated price begins: near what the asset cost in the captures of 2024.
fn anchor(instrument: &Instrument) -> Ticks {
    let price = match instrument.base.as_str() {
        "BTC" => 60_000.0,
        "ETH" => 2_500.0,
        "BNB" => 500.0,
        "SOL" => 150.0,
        _ => 10.0,
    };
    Ticks((price / instrument.tick.step().to_f64()).round().max(1_000.0) as i64)
}

/// Mean order of the crowd: about 4 000 quote units.
fn typical_lots(instrument: &Instrument, price: Ticks) -> f64 {
    let one = match instrument.kind {
        InstrumentKind::Inverse => instrument.multiplier.to_f64(),
        _ => Valuation::of(instrument).notional(Lots(1), price).to_f64(),
    };
    (4_000.0 / one.max(1e-9)).clamp(2.0, 1e6)
}
