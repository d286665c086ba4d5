//! Decoders: ours against the faster of sonic-rs and simd-json, to the same fixed-point events.
//!
//! The rivals get typed structs that borrow their strings, a hand-written decimal parser and the
//! same grids; simd-json, which writes into its input, gets a fresh copy outside the clock. Both
//! sides fold every event into one checksum, compared before anything is timed.

use crate::captures::{Captures, Stream};
use crate::measure;
use crate::row::Row;
use bot4::host::cpu::Simd;
use bot4::record::{Instrument, Level, MarketEvent};
use bot4::units::{Grid, Lots, Ticks};
use bot4::venue::binance::Family;
use bot4::venue::binance::decode::Decoder;
use std::time::Instant;

/// Frames of one kind and family that are timed, at most.
const FRAMES_MAX: usize = 20_000;

/// Kinds of frames compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ticker,
    Trade,
    Depth,
}

#[derive(serde::Deserialize)]
struct Ticker<'a> {
    u: u64,
    s: &'a str,
    b: &'a str,
    #[serde(rename = "B")]
    bid_size: &'a str,
    a: &'a str,
    #[serde(rename = "A")]
    ask_size: &'a str,
    #[serde(rename = "E", default)]
    event_time: u64,
    #[serde(rename = "T", default)]
    transaction_time: u64,
}

#[derive(serde::Deserialize)]
struct Trade<'a> {
    #[serde(rename = "E")]
    event_time: u64,
    #[serde(rename = "T")]
    transaction_time: u64,
    s: &'a str,
    t: u64,
    p: &'a str,
    q: &'a str,
    m: bool,
}

#[derive(serde::Deserialize)]
struct Depth<'a> {
    #[serde(rename = "E")]
    event_time: u64,
    #[serde(rename = "T", default)]
    transaction_time: Option<u64>,
    s: &'a str,
    #[serde(rename = "U")]
    first_update: u64,
    u: u64,
    #[serde(default)]
    pu: Option<u64>,
    #[serde(borrow)]
    b: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    a: Vec<(&'a str, &'a str)>,
}

/// The wrapper with a borrowed stream name; one type per kind keeps serde's borrow rules simple.
macro_rules! frame {
    ($name:ident, $inner:ident) => {
        #[derive(serde::Deserialize)]
        struct $name<'a> {
            #[serde(rename = "stream")]
            _stream: &'a str,
            #[serde(borrow)]
            data: $inner<'a>,
        }
    };
}
frame!(TickerFrame, Ticker);
frame!(TradeFrame, Trade);
frame!(DepthFrame, Depth);

/// Rows of `decode_book_ticker`, `decode_trade` and `decode_depth_update`, one per family.
pub fn rows(captures: &Captures) -> Vec<Row> {
    let kinds = [
        ("decode_book_ticker", Kind::Ticker),
        ("decode_trade", Kind::Trade),
        ("decode_depth_update", Kind::Depth),
    ];
    let mut rows = Vec::new();
    for (name, kind) in kinds {
        for (family, suffix) in
            [(Family::UsdM, ""), (Family::Spot, "_spot"), (Family::CoinM, "_coinm")]
        {
            if let Some(stream) = captures.of(family) {
                rows.extend(compare(&format!("{name}{suffix}"), kind, stream));
            }
        }
    }
    rows
}

fn compare(name: &str, kind: Kind, stream: &Stream) -> Option<Row> {
    let frames: Vec<&[u8]> =
        stream.frames.iter().map(Vec::as_slice).filter(|f| is(kind, f)).collect();
    let frames = &frames[..frames.len().min(FRAMES_MAX)];
    if frames.is_empty() {
        eprintln!("{name}: no such frame in {}", stream.name);
        return None;
    }
    let rival = Rival::new(&stream.instruments);
    let mut decoder = Decoder::new(stream.family, &stream.instruments, Simd::detect());
    let mut scratch = (Vec::new(), Vec::new());
    let mut ours = || frames.iter().fold(0, |sum, frame| mix(sum, our_sum(&mut decoder, frame)));
    let sonic = |scratch: &mut Levels| {
        frames.iter().fold(0, |sum, frame| mix(sum, rival.sonic(kind, frame, scratch)))
    };
    let pristine: Vec<u8> = frames.concat();
    let mut bounds = Vec::with_capacity(frames.len());
    let mut at = 0;
    for frame in frames {
        bounds.push(at..at + frame.len());
        at += frame.len();
    }
    let mut buffers = simd_json::Buffers::new(64 * 1024);
    let mut copy = pristine.clone();
    let mut simd = |copy: &mut [u8], scratch: &mut Levels| {
        bounds.iter().fold(0, |sum, bound| {
            let frame = &mut copy[bound.clone()];
            mix(sum, rival.simd(kind, frame, &mut buffers, scratch))
        })
    };
    let answers = [ours(), sonic(&mut scratch), simd(&mut copy, &mut scratch)];
    if answers.iter().any(|answer| *answer != answers[0]) {
        eprintln!("{name}: the decoders disagree: {answers:x?}; not timed");
        return None;
    }
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=measure::ROUNDS {
        copy.copy_from_slice(&pristine);
        let clock = |side: &mut dyn FnMut() -> u64| {
            let start = Instant::now();
            std::hint::black_box(side());
            start.elapsed().as_nanos() as f64 / frames.len() as f64
        };
        let one = [
            clock(&mut ours),
            clock(&mut || sonic(&mut scratch)),
            clock(&mut || simd(&mut copy, &mut scratch)),
        ];
        if round > 0 {
            times.iter_mut().zip(one).for_each(|(times, time)| times.push(time));
        }
    }
    let [ours, sonic, simd] = times.map(measure::median);
    let (rival, who) = if sonic <= simd { (sonic, "sonic-rs") } else { (simd, "simd-json") };
    let bytes = pristine.len() / frames.len();
    let note = format!(
        "{who} (sonic-rs {sonic:.0}, simd-json {simd:.0}), {} frames of {bytes} B from {}",
        frames.len(),
        stream.name
    );
    Some(Row::of(name, "ns/message", ours, rival, note))
}

fn is(kind: Kind, frame: &[u8]) -> bool {
    let has = |what: &[u8]| frame.windows(what.len()).take(60).any(|window| window == what);
    match kind {
        Kind::Ticker => has(b"@bookTicker"),
        Kind::Trade => has(b"@trade"),
        Kind::Depth => has(b"@depth"),
    }
}

type Levels = (Vec<Level>, Vec<Level>);

fn mix(sum: u64, value: u64) -> u64 {
    (sum.rotate_left(5) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Folds the parts of an event that took work to decode; cheap beside decoding.
fn sum(whose: u32, ids: [u64; 3], times: [u64; 2], sides: [&[Level]; 2]) -> u64 {
    let mut sum = u64::from(whose) ^ ids[0] ^ ids[1].rotate_left(20) ^ ids[2].rotate_left(40);
    sum = sum.wrapping_add(times[0] ^ times[1].rotate_left(32));
    for (side, turn) in sides.iter().zip([1, 3]) {
        for level in *side {
            let level = (level.price.0 as u64) ^ (level.lots.0 as u64).rotate_left(24);
            sum = sum.rotate_left(turn).wrapping_add(level);
        }
    }
    sum
}

const MILLI: u64 = 1_000_000;

fn our_sum(decoder: &mut Decoder, frame: &[u8]) -> u64 {
    match decoder.decode(frame) {
        Ok(MarketEvent::Ticker(ticker)) => sum(
            ticker.instrument.0,
            [ticker.update, 0, 0],
            [ticker.event_time.0, ticker.transaction_time.0],
            [&[ticker.bid], &[ticker.ask]],
        ),
        Ok(MarketEvent::Trade(trade)) => sum(
            trade.instrument.0,
            [trade.id, trade.aggressor as u64, 0],
            [trade.event_time.0, trade.transaction_time.0],
            [&[Level { price: trade.price, lots: trade.lots }], &[]],
        ),
        Ok(MarketEvent::Depth(diff)) => sum(
            diff.instrument.0,
            [diff.first_update, diff.last_update, diff.previous_update.unwrap_or(0)],
            [diff.event_time.0, diff.transaction_time.0],
            [diff.bids, diff.asks],
        ),
        _ => 1,
    }
}

/// What a careful user of a JSON library writes.
struct Rival {
    symbols: Vec<(String, u32, Grid, Grid)>,
}

impl Rival {
    fn new(instruments: &[Instrument]) -> Rival {
        let row = |of: &Instrument| (of.symbol.as_str().to_owned(), of.id.0, of.tick, of.lot);
        Rival { symbols: instruments.iter().map(row).collect() }
    }

    fn sonic(&self, kind: Kind, frame: &[u8], scratch: &mut Levels) -> u64 {
        match kind {
            Kind::Ticker => sonic_rs::from_slice(frame)
                .ok()
                .and_then(|frame: TickerFrame<'_>| self.ticker(&frame.data)),
            Kind::Trade => sonic_rs::from_slice(frame)
                .ok()
                .and_then(|frame: TradeFrame<'_>| self.trade(&frame.data)),
            Kind::Depth => sonic_rs::from_slice(frame)
                .ok()
                .and_then(|frame: DepthFrame<'_>| self.depth(&frame.data, scratch)),
        }
        .unwrap_or(2)
    }

    fn simd(
        &self,
        kind: Kind,
        frame: &mut [u8],
        buffers: &mut simd_json::Buffers,
        scratch: &mut Levels,
    ) -> u64 {
        match kind {
            Kind::Ticker => simd_json::serde::from_slice_with_buffers(frame, buffers)
                .ok()
                .and_then(|frame: TickerFrame<'_>| self.ticker(&frame.data)),
            Kind::Trade => simd_json::serde::from_slice_with_buffers(frame, buffers)
                .ok()
                .and_then(|frame: TradeFrame<'_>| self.trade(&frame.data)),
            Kind::Depth => simd_json::serde::from_slice_with_buffers(frame, buffers)
                .ok()
                .and_then(|frame: DepthFrame<'_>| self.depth(&frame.data, scratch)),
        }
        .unwrap_or(3)
    }

    fn find(&self, symbol: &str) -> Option<(u32, &Grid, &Grid)> {
        let row = self.symbols.iter().find(|row| row.0 == symbol)?;
        Some((row.1, &row.2, &row.3))
    }

    fn ticker(&self, data: &Ticker<'_>) -> Option<u64> {
        let (id, tick, lot) = self.find(data.s)?;
        let bid = level(data.b, data.bid_size, tick, lot)?;
        let ask = level(data.a, data.ask_size, tick, lot)?;
        let times = [data.event_time * MILLI, data.transaction_time * MILLI];
        Some(sum(id, [data.u, 0, 0], times, [&[bid], &[ask]]))
    }

    fn trade(&self, data: &Trade<'_>) -> Option<u64> {
        let (id, tick, lot) = self.find(data.s)?;
        let struck = level(data.p, data.q, tick, lot)?;
        let times = [data.event_time * MILLI, data.transaction_time * MILLI];
        Some(sum(id, [data.t, u64::from(data.m), 0], times, [&[struck], &[]]))
    }

    fn depth(&self, data: &Depth<'_>, scratch: &mut Levels) -> Option<u64> {
        let (id, tick, lot) = self.find(data.s)?;
        for (texts, out) in [(&data.b, &mut scratch.0), (&data.a, &mut scratch.1)] {
            out.clear();
            for (price, size) in texts {
                out.push(level(price, size, tick, lot)?);
            }
        }
        let transaction_time = data.transaction_time.unwrap_or(data.event_time);
        let times = [data.event_time * MILLI, transaction_time * MILLI];
        let ids = [data.first_update, data.u, data.pu.unwrap_or(0)];
        Some(sum(id, ids, times, [&scratch.0, &scratch.1]))
    }
}

#[inline(always)]
fn level(price: &str, size: &str, tick: &Grid, lot: &Grid) -> Option<Level> {
    Some(Level { price: Ticks(steps(price, tick)?), lots: Lots(steps(size, lot)?) })
}

/// One pass over the digits, then the grid's own exact division.
#[inline(always)]
fn steps(text: &str, grid: &Grid) -> Option<i64> {
    let mut mantissa: u64 = 0;
    let mut fraction = None;
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = mantissa * 10 + u64::from(digit);
            fraction = fraction.map(|digits: u32| digits + 1);
        } else if byte == b'.' && fraction.is_none() {
            fraction = Some(0);
        } else {
            return None;
        }
    }
    let missing = u32::from(grid.decimals()).checked_sub(fraction.unwrap_or(0))?;
    if missing > 0 {
        mantissa = mantissa.checked_mul(10u64.checked_pow(missing)?)?;
    }
    grid.steps(mantissa).ok()
}
