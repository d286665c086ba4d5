//! Book updates: `market::book::Ladder` against hftbacktest's depths, on the same events.
//!
//! Every diff of a capture is decoded before the clock starts; each side then applies all of them to
//! an empty book and reads the touch after each. The rivals get their numbers as the f64 they take.
//! ROIVector sees only prices inside its range: it is timed with two ranges (a tenth around the
//! middle, and all prices of the capture) and the faster counts; ours holds every level either way.

use crate::captures::{Captures, Stream};
use crate::measure;
use crate::row::Row;
use bot4::host::cpu::Simd;
use bot4::market::book::{Book, Ladder};
use bot4::record::{DepthDiff, Level, MarketEvent};
use bot4::units::{InstrumentId, Lots, Side, Ticks, UnixNanos};
use bot4::venue::binance::Family;
use bot4::venue::binance::decode::Decoder;
use hftbacktest::depth::{BTreeMarketDepth, L2MarketDepth, MarketDepth, ROIVectorMarketDepth};
use std::hint::black_box;
use std::ops::Range;

/// The range that a user of ROIVector would choose: a tenth of the price to either side.
const ROI_SHARE: i64 = 10;

/// One diff: where its levels stand in the arenas.
struct Diff {
    bids: Range<usize>,
    asks: Range<usize>,
    last_update: u64,
}

/// All diffs of a capture, in our numbers and in the rivals'.
struct Diffs {
    diffs: Vec<Diff>,
    levels: Vec<Level>,
    floats: Vec<(f64, f64)>,
    tick: f64,
    lot: f64,
}

/// Rows of `book_update_vs_roivector` and `book_update_vs_btree`, one per family.
pub fn rows(captures: &Captures) -> Vec<Row> {
    let mut rows = Vec::new();
    for (family, suffix) in [(Family::UsdM, ""), (Family::Spot, "_spot"), (Family::CoinM, "_coinm")]
    {
        if let Some(diffs) = captures.of(family).and_then(Diffs::of) {
            rows.extend(compare(suffix, &diffs));
        }
    }
    rows
}

fn compare(suffix: &str, diffs: &Diffs) -> Vec<Row> {
    let (near, whole) = (diffs.near(), diffs.whole());
    let mut ladder = Ladder::new();
    let mut touches = Vec::with_capacity(diffs.diffs.len());
    diffs.ours(&mut ladder, &mut |touch| touches.push(touch));
    if touches.is_empty() {
        eprintln!("book_update{suffix}: no diff in the capture");
        return Vec::new();
    }
    let mut close = diffs.roi_vector(near);
    let mut wide = diffs.roi_vector(whole);
    let mut tree = BTreeMarketDepth::new(diffs.tick, diffs.lot);
    let differ = [
        ("roivector", near, diffs.check(&mut close, near, &ladder, &touches)),
        ("roivector (whole)", whole, diffs.check(&mut wide, whole, &ladder, &touches)),
        ("btree", whole, diffs.check(&mut tree, whole, &ladder, &touches)),
    ];
    for (rival, _, difference) in differ {
        if let Some(difference) = difference {
            eprintln!("book_update{suffix}: {rival} differs, not timed: {difference}");
            return Vec::new();
        }
    }
    let times = measure::medians(
        diffs.levels.len(),
        &mut [
            &mut || diffs.ours(&mut ladder, &mut |touch| _ = black_box(touch)),
            &mut || diffs.theirs(&mut close, &mut |touch| _ = black_box(touch)),
            &mut || diffs.theirs(&mut wide, &mut |touch| _ = black_box(touch)),
            &mut || diffs.theirs(&mut tree, &mut |touch| _ = black_box(touch)),
        ],
    );
    let [ours, close, wide, tree] = times[..] else { return Vec::new() };
    let count = diffs.levels.len();
    let note = |rival: &str| format!("{rival}, {count} level updates in {} diffs", touches.len());
    let (vector, range) =
        if close <= wide { (close, "a tenth around the middle") } else { (wide, "all prices") };
    let (roi, btree) = ("book_update_vs_roivector", "book_update_vs_btree");
    vec![
        Row::of(
            &format!("{roi}{suffix}"),
            "ns per level",
            ours,
            vector,
            note(&format!("hftbacktest ROIVector over {range}")),
        ),
        Row::of(
            &format!("{btree}{suffix}"),
            "ns per level",
            ours,
            tree,
            note("hftbacktest BTreeMarketDepth"),
        ),
    ]
}

/// Touch in ticks; absent where a side is empty.
type Touch = (Option<i64>, Option<i64>);

impl Diffs {
    fn of(stream: &Stream) -> Option<Diffs> {
        let instrument = stream.instruments.first()?;
        let mut decoder = Decoder::new(stream.family, &stream.instruments, Simd::detect());
        let (tick, lot) = (instrument.tick.step().to_f64(), instrument.lot.step().to_f64());
        let mut all =
            Diffs { diffs: Vec::new(), levels: Vec::new(), floats: Vec::new(), tick, lot };
        for frame in &stream.frames {
            let Ok(MarketEvent::Depth(diff)) = decoder.decode(frame) else { continue };
            let start = all.levels.len();
            all.levels.extend_from_slice(diff.bids);
            let middle = all.levels.len();
            all.levels.extend_from_slice(diff.asks);
            all.diffs.push(Diff {
                bids: start..middle,
                asks: middle..all.levels.len(),
                last_update: diff.last_update,
            });
        }
        let float = |level: &Level| {
            let price = instrument.tick.decimal(level.price.0).to_f64();
            (price, instrument.lot.decimal(level.lots.0).to_f64())
        };
        all.floats = all.levels.iter().map(float).collect();
        Some(all)
    }

    /// All prices.
    fn whole(&self) -> [i64; 2] {
        let prices = || self.levels.iter().map(|level| level.price.0);
        [prices().min().unwrap_or(1), prices().max().unwrap_or(1)]
    }

    /// A tenth of the price around the median of all prices.
    fn near(&self) -> [i64; 2] {
        let mut prices: Vec<i64> = self.levels.iter().map(|level| level.price.0).collect();
        let at = prices.len() / 2;
        let middle = if prices.is_empty() { 1 } else { *prices.select_nth_unstable(at).1 };
        [middle - middle / ROI_SHARE, middle + middle / ROI_SHARE]
    }

    fn roi_vector(&self, [low, high]: [i64; 2]) -> ROIVectorMarketDepth {
        let price = |ticks: i64| ticks as f64 * self.tick;
        ROIVectorMarketDepth::new(self.tick, self.lot, price(low), price(high))
    }

    fn ours(&self, ladder: &mut Ladder, each: &mut impl FnMut(Touch)) {
        ladder.clear();
        for diff in &self.diffs {
            ladder.apply(&DepthDiff {
                instrument: InstrumentId(0),
                first_update: diff.last_update,
                last_update: diff.last_update,
                previous_update: None,
                event_time: UnixNanos(0),
                transaction_time: UnixNanos(0),
                bids: &self.levels[diff.bids.clone()],
                asks: &self.levels[diff.asks.clone()],
            });
            let top = ladder.top();
            each((top.bid.map(|level| level.price.0), top.ask.map(|level| level.price.0)));
        }
    }

    fn theirs(&self, depth: &mut (impl L2MarketDepth + MarketDepth), each: &mut impl FnMut(Touch)) {
        depth.clear_depth(hftbacktest::types::Side::Buy, f64::NAN);
        depth.clear_depth(hftbacktest::types::Side::Sell, f64::NAN);
        for diff in &self.diffs {
            for (price, quantity) in &self.floats[diff.bids.clone()] {
                black_box(depth.update_bid_depth(*price, *quantity, 0));
            }
            for (price, quantity) in &self.floats[diff.asks.clone()] {
                black_box(depth.update_ask_depth(*price, *quantity, 0));
            }
            let (bid, ask) = (depth.best_bid_tick(), depth.best_ask_tick());
            each(((bid != i64::MIN).then_some(bid), (ask != i64::MAX).then_some(ask)));
        }
    }

    /// Says where the rival's touches or its final sizes inside `range` differ from ours.
    fn check(
        &self,
        depth: &mut (impl L2MarketDepth + MarketDepth),
        [low, high]: [i64; 2],
        ladder: &Ladder,
        touches: &[Touch],
    ) -> Option<String> {
        let mut rival = Vec::with_capacity(touches.len());
        self.theirs(depth, &mut |touch| rival.push(touch));
        let inside = |price: &i64| (low..=high).contains(price);
        for (at, ((bid, ask), theirs)) in touches.iter().zip(&rival).enumerate() {
            let ours = (bid.filter(inside), ask.filter(inside));
            if ours != *theirs {
                return Some(format!("touch after diff {at}: ours {ours:?}, theirs {theirs:?}"));
            }
        }
        for level in self.levels.iter().filter(|level| inside(&level.price.0)) {
            let price = level.price.0;
            for (side, theirs) in [
                (Side::Buy, depth.bid_qty_at_tick(price)),
                (Side::Sell, depth.ask_qty_at_tick(price)),
            ] {
                let theirs = Lots((theirs / self.lot).round() as i64);
                let ours = ladder.lots_at(side, Ticks(price));
                if ours != theirs {
                    return Some(format!("{side:?} {price}: ours {ours:?}, theirs {theirs:?}"));
                }
            }
        }
        None
    }
}
