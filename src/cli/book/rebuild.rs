//! One capture to its facts, and the carry into the next one.

use super::exact;
use super::facts::{BookFacts, CrossCheck, FileFacts, Mode, SymbolFacts, TopTen, TradeFacts};
use super::{BookError, Start};
use crate::host::cpu::Simd;
use crate::lab::capture::{Capture, Frame, Source};
use crate::market::book::{Book, Ladder, Top};
use crate::record::{BookTicker, DepthDiff, DepthSnapshot, Instrument, Level, MarketEvent, Trade};
use crate::units::{Decimal, Grid, Lots, Side, Ticks, VenueId};
use crate::venue::binance::Family;
use crate::venue::binance::decode::infer::GridGuess;
use crate::venue::binance::decode::{DecodeError, Decoder};
use crate::venue::binance::sync::{DiffStep, SnapshotStep, Sync};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Frames looked at before the first decoder is built.
const FRAMES_AHEAD: usize = 64;

/// What a file leaves to the next: the grids seen so far, each synchronised book, and the REST
/// snapshots that wait for their stream.
pub struct Carry {
    guess: GridGuess,
    books: BTreeMap<String, CarriedBook>,
    snapshots: BTreeMap<String, Vec<u8>>,
}

impl Default for Carry {
    fn default() -> Carry {
        Carry { guess: GridGuess::new(None), books: BTreeMap::new(), snapshots: BTreeMap::new() }
    }
}

struct CarriedBook {
    bids: Vec<(Decimal, Decimal)>,
    asks: Vec<(Decimal, Decimal)>,
    last_update: u64,
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
    /// Update id and touch after each depth event, and of each ticker; compared when all are known,
    /// since either may arrive first.
    touches: Vec<(u64, Top)>,
    tickers: Vec<(u64, Top)>,
}

#[derive(Default)]
struct Sums {
    n: u64,
    off_book: u64,
    lots: i128,
    buy_lots: i128,
    cost: i128,
    inverse: BTreeMap<i64, i128>,
    range: Option<(i64, i64)>,
}

/// A frame that the present grids cannot hold.
enum Stop {
    Widen,
    Fail(u64, DecodeError),
}

/// Rebuilds one file.
pub fn file(
    capture: &Capture,
    start: Start,
    after_lines: Option<u64>,
    carry: &mut Carry,
) -> Result<FileFacts, BookError> {
    for frame in capture.frames().take(FRAMES_AHEAD) {
        observe(&mut carry.guess, &frame).map_err(|e| refusal(capture, frame.line, e))?;
    }
    for frame in capture.frames().filter(is_market) {
        if let Some(symbol) = asked_for(&frame) {
            carry.snapshots.entry(symbol.to_string()).or_insert_with(|| frame.bytes.to_vec());
        }
    }
    let until = after_lines.unwrap_or(u64::MAX);
    let cut = pass(capture, until, carry)?;
    let facts = report(capture, until, start, carry, &cut)?;
    let whole = if until < capture.lines() { pass(capture, u64::MAX, carry)? } else { cut };
    for symbol in whole.symbols {
        if symbol.mode.is_some() && symbol.sync.is_synchronised() {
            carry.books.insert(symbol.instrument.symbol.to_string(), symbol.leave());
        }
    }
    Ok(facts)
}

fn refusal(capture: &Capture, line: u64, source: DecodeError) -> BookError {
    BookError::Decode { file: capture.file().to_path_buf(), line, source }
}

fn is_market(frame: &Frame<'_>) -> bool {
    match frame.source {
        Source::Stream => true,
        Source::Rest(url) => url.contains("/depth?"),
    }
}

/// The symbol a REST snapshot was asked for.
fn asked_for<'a>(frame: &Frame<'a>) -> Option<&'a str> {
    let Source::Rest(url) = frame.source else { return None };
    let (_, rest) = url.split_once("symbol=")?;
    Some(rest.split('&').next().unwrap_or(rest))
}

fn observe(guess: &mut GridGuess, frame: &Frame<'_>) -> Result<(), DecodeError> {
    if is_market(frame) { guess.observe(frame.bytes) } else { Ok(()) }
}

/// Passes over the file with ever finer grids until one holds every number of it.
fn pass(capture: &Capture, until: u64, carry: &mut Carry) -> Result<Pass, BookError> {
    loop {
        match attempt(capture, until, carry) {
            Ok(pass) => return Ok(pass),
            Err(Stop::Widen) => {}
            Err(Stop::Fail(line, error)) => return Err(refusal(capture, line, error)),
        }
    }
}

fn attempt(capture: &Capture, until: u64, carry: &mut Carry) -> Result<Pass, Stop> {
    let family = carry.guess.family();
    let instruments = carry.guess.instruments(VenueId(0));
    let mut decoder = Decoder::new(family, &instruments, Simd::detect());
    let mut pass = Pass {
        messages: BTreeMap::new(),
        symbols: instruments.iter().map(|i| SymbolPass::new(*i, family, carry)).collect(),
    };
    for (symbol, instrument) in pass.symbols.iter_mut().zip(&instruments) {
        let Some(body) = carry.snapshots.get(instrument.symbol.as_str()) else { continue };
        match decoder.decode_snapshot(instrument.id, body) {
            Ok(MarketEvent::Snapshot(snapshot)) if symbol.mode.is_none() => {
                symbol.on_snapshot(&snapshot);
            }
            Ok(_) => {}
            Err(error) => return Err(widen(&mut carry.guess, body, 1, error)),
        }
    }
    for frame in capture.frames().take_while(|frame| frame.line <= until) {
        if frame.source != Source::Stream {
            pass.count(if is_market(&frame) { "snapshot" } else { "rest" });
            continue;
        }
        match decoder.decode(frame.bytes) {
            Ok(event) => pass.take(&event, frame.bytes),
            Err(error) => return Err(widen(&mut carry.guess, frame.bytes, frame.line, error)),
        }
    }
    Ok(pass)
}

/// Lets the guess see a frame that was refused: a finer grid or a new symbol starts the file over.
fn widen(guess: &mut GridGuess, frame: &[u8], line: u64, error: DecodeError) -> Stop {
    let curable = matches!(error, DecodeError::OffGrid { .. } | DecodeError::UnknownSymbol { .. });
    if !curable {
        return Stop::Fail(line, error);
    }
    let shape = |guess: &GridGuess| {
        let symbols: Vec<_> =
            guess.symbols().map(|(name, tick, lot)| (name.to_string(), tick, lot)).collect();
        (guess.family(), symbols)
    };
    let before = shape(guess);
    match guess.observe(frame) {
        Ok(()) if shape(guess) != before => Stop::Widen,
        _ => Stop::Fail(line, error),
    }
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
    let text = std::str::from_utf8(frame).unwrap_or_default();
    let after = text.split_once("\"e\":\"").map(|(_, after)| after);
    after.and_then(|after| after.split('"').next()).unwrap_or("other")
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
            MarketEvent::Trade(trade) => symbol.on_trade(trade),
            MarketEvent::Other => {}
        }
    }
}

impl SymbolPass {
    fn new(instrument: Instrument, family: Family, carry: &Carry) -> SymbolPass {
        let mut symbol = SymbolPass {
            instrument,
            family,
            empty: Ladder::new(),
            synchronised: Ladder::new(),
            sync: Sync::new(family),
            mode: None,
            previous: None,
            gaps: 0,
            depth_events: 0,
            trades: Sums::default(),
            aggregates: Sums::default(),
            touches: Vec::new(),
            tickers: Vec::new(),
        };
        if let Some(carried) = carry.books.get(instrument.symbol.as_str()) {
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
        self.sync.resume(carried.last_update);
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
        if self.sync.on_diff(diff) == DiffStep::Apply {
            self.synchronised.apply(diff);
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

    fn on_trade(&mut self, trade: &Trade) {
        let inverse = self.family == Family::CoinM;
        let sums = if trade.aggregated { &mut self.aggregates } else { &mut self.trades };
        sums.add(trade, inverse);
    }

    fn facts(&self, capture: &Capture, start: Start) -> Result<SymbolFacts, BookError> {
        let overflow = |what| BookError::Overflow { file: capture.file().to_path_buf(), what };
        let mode = match start {
            Start::Empty => Some(Mode::FromEmpty),
            Start::Snapshot => self.mode,
            Start::Auto => Some(self.mode.unwrap_or(Mode::FromEmpty)),
        };
        let book = match mode {
            None => BookFacts::default(),
            Some(Mode::FromEmpty) => book_facts(&self.instrument, &self.empty, Mode::FromEmpty),
            Some(mode) => book_facts(&self.instrument, &self.synchronised, mode),
        };
        Ok(SymbolFacts {
            symbol: self.instrument.symbol.to_string(),
            tick: self.instrument.tick.step().to_string(),
            lot: self.instrument.lot.step().to_string(),
            gaps: if mode == Some(Mode::FromEmpty) { self.gaps } else { self.sync.gaps() },
            dropped_old: self.sync.old(),
            depth_events: self.depth_events,
            book,
            trades: self.trades.facts(&self.instrument).ok_or(overflow("a sum of trades"))?,
            agg_trades: self
                .aggregates
                .facts(&self.instrument)
                .ok_or(overflow("a sum of aggregate trades"))?,
            bookticker_cross_check: self.cross_check(),
        })
    }
}

impl Sums {
    fn add(&mut self, trade: &Trade, inverse: bool) {
        if !trade.on_book {
            self.off_book += 1;
            return;
        }
        let (price, lots) = (trade.price.0, i128::from(trade.lots.0));
        self.n += 1;
        self.lots += lots;
        self.cost += i128::from(price) * lots;
        if trade.aggressor == Side::Buy {
            self.buy_lots += lots;
        }
        if inverse {
            *self.inverse.entry(price).or_default() += lots;
        }
        let (low, high) = self.range.unwrap_or((price, price));
        self.range = Some((low.min(price), high.max(price)));
    }

    fn facts(&self, instrument: &Instrument) -> Option<TradeFacts> {
        let (tick, lot) = (instrument.tick.step(), instrument.lot.step());
        let scale = u32::from(tick.scale) + u32::from(lot.scale);
        let notional = self
            .cost
            .checked_mul(i128::from(tick.mantissa))?
            .checked_mul(i128::from(lot.mantissa))?;
        let price = |steps: i64| instrument.tick.decimal(steps).to_string();
        let vwap = if self.lots > 0 {
            let cost = self.cost.checked_mul(i128::from(tick.mantissa))?;
            Some(exact::quotient(cost, self.lots, u32::from(tick.scale))?)
        } else {
            None
        };
        Some(TradeFacts {
            n: self.n,
            qty: exact::steps(self.lots, &instrument.lot)?,
            notional: exact::decimal(notional, scale),
            vwap,
            vwap_inverse_contract: self.inverse_vwap(tick),
            buy_aggressor_qty: exact::steps(self.buy_lots, &instrument.lot)?,
            sell_aggressor_qty: exact::steps(self.lots - self.buy_lots, &instrument.lot)?,
            min_price: self.range.map(|(low, _)| price(low)),
            max_price: self.range.map(|(_, high)| price(high)),
            off_book: self.off_book,
        })
    }

    /// Contracts over the sum of contracts / price, from sums kept by price.
    fn inverse_vwap(&self, tick: Decimal) -> Option<String> {
        if self.inverse.is_empty() || self.lots <= 0 {
            return None;
        }
        // as many digits as the product with the total leaves room for in 126 bits
        let mut one: i128 = 1;
        while one < i128::MAX / 100 / self.lots.max(10) {
            one *= 10;
        }
        let sum: i128 =
            self.inverse.iter().map(|(price, lots)| lots * one / i128::from(*price)).sum();
        let mut numerator = self.lots * one;
        let mut denominator = sum;
        // long division wants ten times the denominator to fit
        while denominator > i128::MAX / 10i128.pow(u32::from(tick.scale) + 2) {
            numerator /= 10;
            denominator /= 10;
        }
        numerator = numerator.checked_mul(i128::from(tick.mantissa))?;
        exact::quotient(numerator, denominator, u32::from(tick.scale))
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
    carry: &Carry,
    pass: &Pass,
) -> Result<FileFacts, BookError> {
    let mut symbols = BTreeMap::new();
    for symbol in &pass.symbols {
        let streamed = symbol.depth_events > 0 || symbol.mode == Some(Mode::FromSnapshot);
        let traded = symbol.trades.n + symbol.aggregates.n > 0 || !symbol.tickers.is_empty();
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
        family: carry.guess.family().name(),
        lines: capture.lines().min(until),
        received_ns: received,
        messages: pass.messages.clone(),
        only,
        symbols,
    })
}
