//! One capture to its facts, and the carry into the next one.

use super::facts::{BookFacts, CrossCheck, FileFacts, Mode, SymbolFacts, TopTen, TradeFacts};
use super::origin;
use super::trades::Sums;
use super::{BookError, Start, refusal};
use crate::host::cpu::Simd;
use crate::lab::capture::{Capture, Frame, Source};
use crate::market::book::{Book, Ladder, Top};
use crate::record::{BookTicker, DepthDiff, DepthSnapshot, Instrument, Level, MarketEvent, Trade};
use crate::units::{Decimal, Grid, InstrumentId, Lots, Side, Ticks, VenueId};
use crate::venue::binance::Family;
use crate::venue::binance::decode::infer::GridGuess;
use crate::venue::binance::decode::{DecodeError, Decoder};
use crate::venue::binance::sync::{DiffStep, SnapshotStep, Sync};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Frames looked at before the first decoder is built.
const FRAMES_AHEAD: usize = 64;

/// Times a file is read again from where a finer grid was met; after that the rest of it is looked
/// through at once, so that a thousand symbols cost no thousand passes.
const WIDENINGS_MAX: u32 = 3;

/// Levels a side that a rebuilt book may hold outside the window; more are an error, never a loss.
const COLD_LEVELS_MAX: usize = 1 << 18;

/// What a file leaves to the next, by market, since one symbol may trade on several.
#[derive(Default)]
pub struct Carry {
    markets: Vec<Market>,
}

/// The grids seen so far, the symbols of the present file, each book, and the REST snapshots that
/// wait for their stream.
struct Market {
    family: Family,
    guess: GridGuess,
    here: GridGuess,
    books: BTreeMap<String, CarriedBook>,
    snapshots: BTreeMap<String, Vec<u8>>,
}

impl Carry {
    fn market(&mut self, family: Family) -> &mut Market {
        let found = self.markets.iter().position(|market| market.family == family);
        let at = found.unwrap_or_else(|| {
            self.markets.push(Market {
                family,
                guess: GridGuess::new(Some(family)),
                here: GridGuess::new(Some(family)),
                books: BTreeMap::new(),
                snapshots: BTreeMap::new(),
            });
            self.markets.len() - 1
        });
        &mut self.markets[at]
    }
}

impl Market {
    fn observe(&mut self, frame: &[u8]) -> Result<(), DecodeError> {
        self.here.observe(frame)?;
        self.guess.observe(frame)
    }

    /// Symbols of this file, on grids that also hold what earlier files left.
    fn instruments(&self) -> Vec<Instrument> {
        let here: Vec<&str> = self.here.symbols().map(|(name, _, _)| name).collect();
        let mut instruments = self.guess.instruments(VenueId(0));
        instruments.retain(|instrument| here.contains(&instrument.symbol.as_str()));
        for (at, instrument) in instruments.iter_mut().enumerate() {
            instrument.id = InstrumentId(at as u32);
        }
        instruments
    }

    /// What a widening changes: the symbols of the file, and every grid.
    fn shape(&self) -> (usize, Vec<(Decimal, Decimal)>) {
        let grids = self.guess.symbols().map(|(_, tick, lot)| (tick, lot)).collect();
        (self.here.symbols().count(), grids)
    }
}

struct CarriedBook {
    bids: Vec<(Decimal, Decimal)>,
    asks: Vec<(Decimal, Decimal)>,
    last_update: u64,
    synchronised: bool,
}

/// One pass over a file with fixed grids.
struct Pass {
    messages: BTreeMap<String, u64>,
    symbols: Vec<SymbolPass>,
}

struct SymbolPass {
    instrument: Instrument,
    family: Family,
    empty: Ladder,
    synchronised: Ladder,
    sync: Sync,
    mode: Option<Mode>,
    previous: Option<u64>,
    gaps: u64,
    depth_events: u64,
    trades: Sums,
    aggregates: Sums,
    /// Trades by `X`: on the book or not; `-` where the venue does not say.
    by_x: BTreeMap<String, Sums>,
    /// Update id and touch after each depth event, and of each ticker; compared when all are known,
    /// since either may arrive first.
    touches: Vec<(u64, Top)>,
    tickers: Vec<(u64, Top)>,
}

/// A frame that the present grids cannot hold.
enum Stop {
    /// At this line a number needed a finer grid, or a symbol was new.
    Widen(u64),
    Fail(u64, DecodeError),
}

/// Rebuilds one file; `leaves` when a later file may continue its books.
pub fn file(
    capture: &Capture,
    start: Start,
    after_lines: Option<u64>,
    leaves: bool,
    carry: &mut Carry,
) -> Result<FileFacts, BookError> {
    let until = after_lines.unwrap_or(u64::MAX);
    let market = carry.market(origin::family(capture, until)?);
    market.here = GridGuess::new(Some(market.family));
    let stream = |frame: &Frame<'_>| frame.source == Source::Stream && frame.line <= until;
    for frame in capture.frames().filter(stream).take(FRAMES_AHEAD) {
        market.observe(frame.bytes).map_err(|e| refusal(capture, frame.line, e))?;
    }
    for frame in capture.frames().filter(Frame::is_market) {
        if let Some(symbol) = frame.asked_for() {
            market.observe(frame.bytes).map_err(|e| refusal(capture, frame.line, e))?;
            market.snapshots.entry(symbol.to_string()).or_insert_with(|| frame.bytes.to_vec());
        }
    }
    let cut = pass(capture, until, market)?;
    let facts = report(capture, until, start, market.family, &cut)?;
    if leaves {
        let partial = until < capture.lines();
        let whole = if partial { pass(capture, u64::MAX, market)? } else { cut };
        for symbol in whole.symbols {
            if symbol.mode.is_some() {
                market.books.insert(symbol.instrument.symbol.to_string(), symbol.leave());
            }
        }
    }
    Ok(facts)
}

/// Passes over the file with ever finer grids until one holds every number of it.
fn pass(capture: &Capture, until: u64, market: &mut Market) -> Result<Pass, BookError> {
    let mut widenings = 0;
    loop {
        let from = match attempt(capture, until, market) {
            Ok(pass) => return Ok(pass),
            Err(Stop::Fail(line, error)) => return Err(refusal(capture, line, error)),
            Err(Stop::Widen(line)) => line,
        };
        widenings += 1;
        if widenings == WIDENINGS_MAX {
            let rest = |frame: &Frame<'_>| from < frame.line && frame.line <= until;
            for frame in capture.frames().filter(|f| rest(f) && f.source == Source::Stream) {
                // what cannot be read is refused by the next attempt, in its order
                _ = market.observe(frame.bytes);
            }
        }
    }
}

fn attempt(capture: &Capture, until: u64, market: &mut Market) -> Result<Pass, Stop> {
    let family = market.family;
    let instruments = market.instruments();
    let mut decoder = Decoder::new(family, &instruments, Simd::detect());
    let mut pass = Pass {
        messages: BTreeMap::new(),
        symbols: instruments.iter().map(|i| SymbolPass::new(*i, market)).collect(),
    };
    for (symbol, instrument) in pass.symbols.iter_mut().zip(&instruments) {
        let Some(body) = market.snapshots.get(instrument.symbol.as_str()) else { continue };
        match decoder.decode_snapshot(instrument.id, body) {
            Ok(MarketEvent::Snapshot(snapshot)) if symbol.mode.is_none() => {
                symbol.on_snapshot(&snapshot);
            }
            Ok(_) => {}
            Err(error) => return Err(widen(market, &body.clone(), 1, error)),
        }
    }
    for frame in capture.frames().take_while(|frame| frame.line <= until) {
        if frame.source != Source::Stream {
            pass.count(if frame.is_market() { "snapshot" } else { "rest" });
            continue;
        }
        match decoder.decode(frame.bytes) {
            Ok(event) => pass.take(&event, frame.bytes),
            // nobody knows whose it is, so no book can start from it
            Err(DecodeError::SnapshotOfWhom { .. }) => pass.count("snapshot"),
            Err(error) => return Err(widen(market, frame.bytes, frame.line, error)),
        }
    }
    Ok(pass)
}

/// Lets the guess see a frame that was refused: a finer grid or a new symbol starts the file over.
fn widen(market: &mut Market, frame: &[u8], line: u64, error: DecodeError) -> Stop {
    let curable = matches!(error, DecodeError::OffGrid { .. } | DecodeError::UnknownSymbol { .. });
    let before = market.shape();
    if curable && market.observe(frame).is_ok() && market.shape() != before {
        return Stop::Widen(line);
    }
    Stop::Fail(line, error)
}

/// The venue's name of an event type, for counting.
fn type_name<'a>(event: &MarketEvent<'_>, frame: &'a [u8]) -> &'a str {
    match event {
        MarketEvent::Depth(_) => "depthUpdate",
        MarketEvent::Snapshot(_) => "snapshot",
        MarketEvent::Ticker(_) => "bookTicker",
        MarketEvent::Trade(trade) if trade.aggregated => "aggTrade",
        MarketEvent::Trade(_) => "trade",
        MarketEvent::Other => other_name(frame),
    }
}

fn other_name(frame: &[u8]) -> &str {
    origin::text_after(frame, b"\"e\":\"").unwrap_or("other")
}

impl Pass {
    fn count(&mut self, name: &str) {
        match self.messages.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                self.messages.insert(name.to_string(), 1);
            }
        }
    }

    fn take(&mut self, event: &MarketEvent<'_>, frame: &[u8]) {
        self.count(type_name(event, frame));
        let instrument = match event {
            MarketEvent::Depth(diff) => diff.instrument,
            MarketEvent::Snapshot(snapshot) => snapshot.instrument,
            MarketEvent::Ticker(ticker) => ticker.instrument,
            MarketEvent::Trade(trade) => trade.instrument,
            MarketEvent::Other => return,
        };
        let Some(symbol) = self.symbols.get_mut(instrument.0 as usize) else { return };
        match event {
            MarketEvent::Depth(diff) => symbol.on_diff(diff),
            MarketEvent::Snapshot(snapshot) => symbol.on_snapshot(snapshot),
            MarketEvent::Ticker(ticker) => symbol.on_ticker(ticker),
            MarketEvent::Trade(trade) => symbol.on_trade(trade, frame),
            MarketEvent::Other => {}
        }
    }
}

impl SymbolPass {
    fn new(instrument: Instrument, market: &Market) -> SymbolPass {
        let family = market.family;
        let mut symbol = SymbolPass {
            instrument,
            family,
            empty: Ladder::with_cold_levels(COLD_LEVELS_MAX),
            synchronised: Ladder::with_cold_levels(COLD_LEVELS_MAX),
            sync: Sync::new(family),
            mode: None,
            previous: None,
            gaps: 0,
            depth_events: 0,
            trades: Sums::default(),
            aggregates: Sums::default(),
            by_x: BTreeMap::new(),
            touches: Vec::new(),
            tickers: Vec::new(),
        };
        if let Some(carried) = market.books.get(instrument.symbol.as_str()) {
            symbol.continue_from(carried);
        }
        symbol
    }

    fn continue_from(&mut self, carried: &CarriedBook) {
        for (side, levels) in [(Side::Buy, &carried.bids), (Side::Sell, &carried.asks)] {
            for (price, lots) in levels {
                let steps = |grid: &Grid, value| grid.steps_of(value);
                let (Ok(price), Ok(lots)) =
                    (steps(&self.instrument.tick, *price), steps(&self.instrument.lot, *lots))
                else {
                    continue; // grids only grow finer, so a carried level always fits
                };
                self.synchronised.set(side, Level { price: Ticks(price), lots: Lots(lots) });
            }
        }
        self.synchronised.commit(carried.last_update);
        if carried.synchronised {
            self.sync.resume(carried.last_update);
        }
        self.mode = Some(Mode::Continued);
    }

    fn leave(&self) -> CarriedBook {
        let levels = |side| {
            let mut levels = Vec::new();
            self.synchronised.visit(side, &mut |level| {
                let price = self.instrument.tick.decimal(level.price.0);
                levels.push((price, self.instrument.lot.decimal(level.lots.0)));
                true
            });
            levels
        };
        CarriedBook {
            bids: levels(Side::Buy),
            asks: levels(Side::Sell),
            last_update: self.synchronised.last_update(),
            synchronised: self.sync.is_synchronised(),
        }
    }

    fn on_diff(&mut self, diff: &DepthDiff<'_>) {
        self.depth_events += 1;
        let previous = diff.previous_update.unwrap_or(diff.first_update.wrapping_sub(1));
        if self.previous.is_some_and(|expected| expected != previous) {
            self.gaps += 1;
        }
        self.previous = Some(diff.last_update);
        self.empty.apply(diff);
        let step = self.sync.on_diff(diff);
        // after a gap the rest is applied in order, as the reference does, and the report says that the
        // book is not to be trusted; a later snapshot mends it
        let unsynchronised = matches!(step, DiffStep::Gap { .. } | DiffStep::Buffered);
        if step == DiffStep::Apply || unsynchronised && self.mode.is_some() {
            self.synchronised.apply(diff);
        }
        if step == DiffStep::Apply {
            self.touches.push((diff.last_update, self.synchronised.top()));
        }
    }

    fn on_snapshot(&mut self, snapshot: &DepthSnapshot<'_>) {
        match self.sync.on_snapshot(snapshot.last_update) {
            SnapshotStep::Load => {
                self.synchronised.load(snapshot);
                let book = &mut self.synchronised;
                self.sync.replay(&mut |diff| book.apply(diff));
                self.mode = Some(Mode::FromSnapshot);
            }
            SnapshotStep::TooOld { .. } | SnapshotStep::Unneeded => {}
        }
    }

    fn on_ticker(&mut self, ticker: &BookTicker) {
        let side = |level: Level| (level.lots.0 > 0).then_some(level);
        self.tickers.push((ticker.update, Top { bid: side(ticker.bid), ask: side(ticker.ask) }));
    }

    /// Each depth event's touch against the last ticker of at most its id.
    fn cross_check(&self) -> CrossCheck {
        let mut check = CrossCheck::default();
        let mut tickers = self.tickers.iter().peekable();
        let mut last = None;
        for (update, top) in &self.touches {
            while let Some((_, ticker)) = tickers.next_if(|(id, _)| id <= update) {
                last = Some(ticker);
            }
            if let Some(ticker) = last {
                check.compared += 1;
                check.equal += u64::from(ticker == top);
            }
        }
        check
    }

    fn on_trade(&mut self, trade: &Trade, frame: &[u8]) {
        let inverse = self.family == Family::CoinM;
        if trade.aggregated {
            self.aggregates.add(trade, inverse);
            return;
        }
        if trade.on_book {
            self.trades.add(trade, inverse);
        }
        let x = origin::text_after(frame, b"\"X\":\"").unwrap_or("-");
        match self.by_x.get_mut(x) {
            Some(sums) => sums.add(trade, inverse),
            None => self.by_x.entry(x.to_string()).or_default().add(trade, inverse),
        }
    }

    fn trade_facts(&self, sums: &Sums, file: &Path) -> Result<TradeFacts, BookError> {
        let what = "a sum of trades";
        let overflow = || BookError::Overflow { file: file.to_path_buf(), what };
        sums.facts(&self.instrument).ok_or_else(overflow)
    }

    fn facts(&self, capture: &Capture, start: Start) -> Result<SymbolFacts, BookError> {
        let file = capture.file();
        let mode = match start {
            Start::Empty => Some(Mode::FromEmpty),
            Start::Snapshot => self.mode,
            Start::Auto => Some(self.mode.unwrap_or(Mode::FromEmpty)),
        };
        let from_empty = mode == Some(Mode::FromEmpty);
        let shown = if from_empty { &self.empty } else { &self.synchronised };
        if shown.dropped() > 0 {
            let (symbol, max) = (self.instrument.symbol.to_string(), COLD_LEVELS_MAX);
            return Err(BookError::TooManyLevels { file: file.to_path_buf(), symbol, max });
        }
        let mut trades = self.trade_facts(&self.trades, file)?;
        for (x, sums) in &self.by_x {
            trades.by_x.insert(x.clone(), self.trade_facts(sums, file)?);
        }
        let book = match mode {
            None => BookFacts::default(),
            Some(Mode::FromEmpty) => book_facts(&self.instrument, &self.empty, Mode::FromEmpty),
            Some(mode) => book_facts(&self.instrument, &self.synchronised, mode),
        };
        Ok(SymbolFacts {
            symbol: self.instrument.symbol.to_string(),
            tick: self.instrument.tick.step().to_string(),
            lot: self.instrument.lot.step().to_string(),
            gaps: if from_empty { self.gaps } else { self.sync.gaps() },
            synchronised: (!from_empty && mode.is_some()).then(|| self.sync.is_synchronised()),
            dropped_old: self.sync.old(),
            depth_events: self.depth_events,
            book,
            trades,
            agg_trades: self.trade_facts(&self.aggregates, file)?,
            bookticker_cross_check: self.cross_check(),
        })
    }
}

fn book_facts(instrument: &Instrument, book: &Ladder, mode: Mode) -> BookFacts {
    let quote = |level: Level| {
        let price = instrument.tick.decimal(level.price.0).to_string();
        [price, instrument.lot.decimal(level.lots.0).to_string()]
    };
    let ten = |side| {
        let mut levels = [Level::default(); 10];
        let held = book.levels(side, &mut levels);
        levels[..held].iter().map(|level| quote(*level)).collect()
    };
    let top = book.top();
    BookFacts {
        mode: Some(mode),
        best_bid: top.bid.map(quote),
        best_ask: top.ask.map(quote),
        crossed_or_locked: Some(top.is_crossed()),
        n_bid_levels: Some(book.level_count(Side::Buy)),
        n_ask_levels: Some(book.level_count(Side::Sell)),
        last_update_id: Some(book.last_update()),
        top10: Some(TopTen { bids: ten(Side::Buy), asks: ten(Side::Sell) }),
        book_sha256: Some(sha256(instrument, book)),
    }
}

/// SHA-256 over `B <price> <qty>\n` from the best bid down, then `A <price> <qty>\n` from the best ask up.
fn sha256(instrument: &Instrument, book: &Ladder) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut line = String::new();
    for (side, letter) in [(Side::Buy, 'B'), (Side::Sell, 'A')] {
        book.visit(side, &mut |level| {
            line.clear();
            let price = instrument.tick.decimal(level.price.0);
            let size = instrument.lot.decimal(level.lots.0);
            // writing to a String cannot fail
            let _ = writeln!(line, "{letter} {price} {size}");
            context.update(line.as_bytes());
            true
        });
    }
    let mut hex = String::with_capacity(64);
    for byte in context.finish().as_ref() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn report(
    capture: &Capture,
    until: u64,
    start: Start,
    family: Family,
    pass: &Pass,
) -> Result<FileFacts, BookError> {
    let mut symbols = BTreeMap::new();
    for symbol in &pass.symbols {
        let streamed = symbol.depth_events > 0 || symbol.mode == Some(Mode::FromSnapshot);
        let traded =
            !symbol.by_x.is_empty() || !symbol.aggregates.is_empty() || !symbol.tickers.is_empty();
        if !streamed && !traded {
            continue; // a symbol of an earlier file
        }
        let name = symbol.instrument.symbol.to_string();
        let reached = until >= capture.lines();
        if start == Start::Snapshot && reached && symbol.mode.is_none() {
            let file = capture.file().to_path_buf();
            return Err(BookError::NoSnapshot { file, symbol: name });
        }
        symbols.insert(name, symbol.facts(capture, start)?);
    }
    let mut received = None;
    for frame in capture.frames().take_while(|frame| frame.line <= until) {
        let at = frame.received.0;
        let [first, _] = received.unwrap_or([at, at]);
        received = Some([first, at]);
    }
    let only = if symbols.len() == 1 { symbols.pop_first().map(|(_, facts)| facts) } else { None };
    Ok(FileFacts {
        file: capture.file().display().to_string(),
        family: family.name(),
        lines: capture.lines().min(until),
        received_ns: received,
        messages: pass.messages.clone(),
        only,
        symbols,
    })
}
