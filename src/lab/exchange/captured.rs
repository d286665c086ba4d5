//! Captured streams as a venue: frames in file order, and the book that our orders wait in.
//!
//! Frames go out as they were captured, at the distance in time in which they came; times that go
//! backwards count as no time at all. REST snapshots in a capture are the venue's own: they
//! synchronise its book by the venue's rules and are not streamed. Without one a book begins empty.

use super::order::{Event, OrderEvent, Request};
use super::queue::QueueModel;
use super::replay::Replay;
use crate::host::cpu::Simd;
use crate::lab::capture::Capture;
use crate::market::book::Book;
use crate::record::{DepthDiff, DepthSnapshot, Instrument, Level, MarketEvent};
use crate::units::{InstrumentId, Nanos, Side, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::decode::{DecodeError, Decoder};
use crate::venue::binance::sync::{DiffStep, SnapshotStep, Sync};

/// One instrument of the captures.
#[derive(Debug)]
struct Market {
    replay: Replay,
    /// While a snapshot is awaited.
    sync: Option<Box<Sync>>,
    last_update: u64,
}

/// What the captures held so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureCounts {
    /// Frames streamed.
    pub streamed: u64,
    /// Frames of symbols that are not traded here; not streamed.
    pub foreign: u64,
    /// Frames that no decoder reads; streamed as they are.
    pub unreadable: u64,
    /// REST answers taken in or passed over.
    pub rest: u64,
}

/// A frame that is due.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    /// Its text.
    pub frame: &'a [u8],
    /// Whose it is; none for a frame that no decoder reads.
    pub instrument: Option<InstrumentId>,
}

/// Captures read one after the other.
#[derive(Debug)]
pub struct Captured {
    captures: Vec<Capture>,
    /// Capture and frame that come next.
    at: (usize, usize),
    next: Option<Nanos>,
    first: UnixNanos,
    decoder: Decoder,
    markets: Vec<Market>,
    counts: CaptureCounts,
    events: Vec<Event>,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl Captured {
    /// Counts order and trade ids on from `start`.
    pub fn number_from(&mut self, start: u64) {
        self.markets.iter_mut().for_each(|market| market.replay.number_from(start));
    }

    /// Captures of `family`, in order of time.
    #[must_use]
    pub fn new(
        family: Family,
        instruments: &[Instrument],
        captures: Vec<Capture>,
        model: QueueModel,
    ) -> Captured {
        let awaits = |of: &Instrument| {
            let symbol = of.symbol.as_str();
            let has = |capture: &Capture| {
                capture.frames().any(|f| f.is_market() && f.asked_for() == Some(symbol))
            };
            captures.iter().any(has)
        };
        let market = |of: &Instrument| Market {
            replay: Replay::new(model),
            sync: awaits(of).then(|| Box::new(Sync::new(family))),
            last_update: 0,
        };
        let markets = instruments.iter().map(market).collect();
        let first = captures.iter().find_map(|of| of.frame(0)).map(|frame| frame.received);
        let mut captured = Captured {
            captures,
            at: (0, 0),
            next: None,
            first: first.unwrap_or_default(),
            decoder: Decoder::new(family, instruments, Simd::detect()).rounding_sizes(),
            markets,
            counts: CaptureCounts::default(),
            events: Vec::new(),
            bids: Vec::new(),
            asks: Vec::new(),
        };
        captured.next = captured.time_of_next(Nanos(0));
        captured
    }

    /// When the next frame is due; none at the end.
    #[must_use]
    pub fn next_time(&self) -> Option<Nanos> {
        self.next
    }

    /// Receive time of the first frame.
    #[must_use]
    pub fn first_received(&self) -> UnixNanos {
        self.first
    }

    /// What was met so far.
    #[must_use]
    pub fn counts(&self) -> CaptureCounts {
        self.counts
    }

    /// The book and our orders of an instrument.
    #[must_use]
    pub fn replay(&self, instrument: InstrumentId) -> Option<&Replay> {
        self.markets.get(instrument.0 as usize).map(|market| &market.replay)
    }

    /// Takes the frame that is due: our fills go to `orders`; what is to be streamed is returned.
    pub fn step(&mut self, orders: &mut Vec<OrderEvent>) -> Option<Due<'_>> {
        let now = self.next?;
        let (file, index) = self.at;
        self.at.1 += 1;
        self.next = self.time_of_next(now);
        let frame = self.captures.get(file)?.frame(index)?;
        if let Some(symbol) = frame.asked_for() {
            self.counts.rest += 1;
            if frame.is_market()
                && let Some(at) = self.decoder.position_of(symbol)
                && let Ok(MarketEvent::Snapshot(snapshot)) =
                    self.decoder.decode_snapshot(at, frame.bytes)
            {
                self.markets[at.0 as usize].load(&snapshot, &mut self.events);
                drain(&mut self.events, orders);
            }
            return None;
        }
        let instrument = match self.decoder.decode(frame.bytes) {
            Ok(event) => {
                let instrument = instrument_of(&event)?;
                if let MarketEvent::Snapshot(snapshot) = &event {
                    self.counts.rest += 1;
                    self.markets[instrument.0 as usize].load(snapshot, &mut self.events);
                    drain(&mut self.events, orders);
                    return None;
                }
                self.markets[instrument.0 as usize].take(&event, &mut self.events);
                Some(instrument)
            }
            Err(DecodeError::UnknownSymbol { .. }) => {
                self.counts.foreign += 1;
                return None;
            }
            Err(_) => {
                self.counts.unreadable += 1;
                None
            }
        };
        drain(&mut self.events, orders);
        self.counts.streamed += 1;
        Some(Due { frame: frame.bytes, instrument })
    }

    /// Does what a client asks.
    pub fn apply(
        &mut self,
        instrument: InstrumentId,
        request: &Request,
        orders: &mut Vec<OrderEvent>,
    ) {
        if let Some(market) = self.markets.get_mut(instrument.0 as usize) {
            market.replay.apply(request, &mut self.events);
            drain(&mut self.events, orders);
        }
    }

    /// The captured book, `depth` levels a side; none before its first diff or snapshot.
    pub fn snapshot(
        &mut self,
        instrument: InstrumentId,
        depth: usize,
    ) -> Option<DepthSnapshot<'_>> {
        let market = self.markets.get(instrument.0 as usize).filter(|of| of.last_update > 0)?;
        for (side, into) in [(Side::Buy, &mut self.bids), (Side::Sell, &mut self.asks)] {
            into.clear();
            market.replay.book().visit(side, &mut |level| {
                into.push(level);
                into.len() < depth
            });
        }
        let last_update = market.last_update;
        Some(DepthSnapshot { instrument, last_update, bids: &self.bids, asks: &self.asks })
    }

    /// Steps to the next capture where one has ended; times never go back.
    fn time_of_next(&mut self, now: Nanos) -> Option<Nanos> {
        loop {
            let capture = self.captures.get(self.at.0)?;
            match capture.frame(self.at.1) {
                Some(frame) => {
                    let since = frame.received.0.saturating_sub(self.first.0);
                    return Some(Nanos(since.max(now.0)));
                }
                None => self.at = (self.at.0 + 1, 0),
            }
        }
    }
}

impl Market {
    fn take(&mut self, event: &MarketEvent<'_>, out: &mut Vec<Event>) {
        let MarketEvent::Depth(diff) = event else {
            self.replay.on_market(event, out);
            return;
        };
        if let Some(sync) = &mut self.sync {
            match sync.on_diff(diff) {
                DiffStep::Apply => {}
                DiffStep::Buffered | DiffStep::Old => return,
                // A capture that lost a diff is not going to find it again.
                DiffStep::Gap { .. } => self.sync = None,
            }
        }
        self.last_update = diff.last_update;
        self.replay.on_market(event, out);
    }

    fn load(&mut self, snapshot: &DepthSnapshot<'_>, out: &mut Vec<Event>) {
        let Some(sync) = &mut self.sync else {
            if snapshot.last_update >= self.last_update {
                self.last_update = snapshot.last_update;
                self.replay.on_market(&MarketEvent::Snapshot(*snapshot), out);
            }
            return;
        };
        if sync.on_snapshot(snapshot.last_update) != SnapshotStep::Load {
            return;
        }
        self.last_update = snapshot.last_update;
        self.replay.on_market(&MarketEvent::Snapshot(*snapshot), out);
        let (replay, last_update) = (&mut self.replay, &mut self.last_update);
        sync.replay(&mut |diff: &DepthDiff<'_>| {
            *last_update = diff.last_update;
            replay.on_market(&MarketEvent::Depth(*diff), out);
        });
    }
}

fn instrument_of(event: &MarketEvent<'_>) -> Option<InstrumentId> {
    match event {
        MarketEvent::Depth(diff) => Some(diff.instrument),
        MarketEvent::Snapshot(snapshot) => Some(snapshot.instrument),
        MarketEvent::Ticker(ticker) => Some(ticker.instrument),
        MarketEvent::Trade(trade) => Some(trade.instrument),
        MarketEvent::Other => None,
    }
}

fn drain(events: &mut Vec<Event>, orders: &mut Vec<OrderEvent>) {
    orders.extend(events.drain(..).filter_map(|event| match event {
        Event::Order(of) => Some(of),
        Event::Trade { .. } | Event::Level { .. } => None,
    }));
}
