//! Ladder against Tree on every diff of the real captures, at the ends of the numbers, and at the
//! bounds; what the Ladder needs after construction is counted: nothing.
#![allow(unsafe_code, reason = "a counting allocator is unsafe by its trait")]

mod shared_folder;

use bot4::host::cpu::Simd;
use bot4::lab::capture::Capture;
use bot4::market::book::{Book, BookView, Ladder, Touch, Tree, WINDOW_TICKS};
use bot4::record::{BookTicker, DepthDiff, DepthSnapshot, Level, MarketEvent};
use bot4::units::{InstrumentId, Lots, Side, Ticks, UnixNanos, VenueId};
use bot4::venue::binance::decode::Decoder;
use bot4::venue::binance::decode::infer::GridGuess;
use shared_folder::shared;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator unchanged; the counter is a plain cell.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CAPTURES: [&str; 4] = [
    "binance-usdm/btcusdt_20240808.gz",
    "binance-cm/btcusd_perp_20240808.gz",
    "binance-cm/btcusd_perp_20240809.gz",
    "binance-spot/btcusdt_20240808.gz",
];

fn captures(test: &str) -> Vec<Capture> {
    let Some(data) = shared("data", test) else { return Vec::new() };
    CAPTURES.iter().map(|name| Capture::load(&data.join(name)).expect("a whole capture")).collect()
}

/// Hands every event of a capture to `each`.
fn events(capture: &Capture, mut each: impl FnMut(&MarketEvent<'_>)) {
    let mut guess = GridGuess::new(None);
    for frame in capture.frames() {
        guess.observe(frame.bytes).expect("a frame of the venue");
    }
    let instruments = guess.instruments(VenueId(0));
    let mut decoder = Decoder::new(guess.family(), &instruments, Simd::detect());
    for frame in capture.frames() {
        each(&decoder.decode(frame.bytes).expect("a frame of the venue"));
    }
}

/// The first question on which two books differ.
fn difference(a: &impl Book, b: &impl Book, deep: bool) -> Option<&'static str> {
    for side in [Side::Buy, Side::Sell] {
        let (mut left, mut right) = ([Level::default(); 20], [Level::default(); 20]);
        if a.levels(side, &mut left) != b.levels(side, &mut right) || left != right {
            return Some("levels");
        }
        if a.depth_to(side, Lots(10_000)) != b.depth_to(side, Lots(10_000)) {
            return Some("depth_to");
        }
        if a.level_count(side) != b.level_count(side) {
            return Some("level_count");
        }
        for level in left {
            if a.lots_at(side, level.price) != b.lots_at(side, level.price) {
                return Some("lots_at");
            }
        }
    }
    let bits = |value: Option<f64>| value.map(f64::to_bits);
    let (top, other) = (a.top(), b.top());
    if top != other || bits(top.microprice()) != bits(other.microprice()) {
        return Some("top");
    }
    if bits(a.imbalance(5)) != bits(b.imbalance(5)) {
        return Some("imbalance");
    }
    if BookView::of(InstrumentId(3), a) != BookView::of(InstrumentId(3), b) {
        return Some("view");
    }
    (deep && a.content_hash() != b.content_hash()).then_some("content_hash")
}

/// Applies a capture to both books, from empty and with its snapshot, comparing after each event.
fn run(capture: &Capture, ladder: &mut impl Book, tree: &mut Tree) -> Option<(u64, &'static str)> {
    let (mut at, mut found) = (0, None);
    events(capture, |event| {
        match event {
            MarketEvent::Depth(diff) => {
                ladder.apply(diff);
                tree.apply(diff);
            }
            MarketEvent::Snapshot(snapshot) => {
                ladder.load(snapshot);
                tree.load(snapshot);
            }
            _ => return,
        }
        at += 1;
        if found.is_none() {
            found = difference(ladder, tree, at % 64 == 0).map(|what| (at, what));
        }
    });
    found
}

#[test]
fn ladder_equals_tree_on_every_diff_of_the_captures() {
    for capture in captures("ladder_equals_tree_on_every_diff_of_the_captures") {
        let (mut ladder, mut tree) = (Ladder::new(), Tree::new());
        let outcome = run(&capture, &mut ladder, &mut tree);
        assert_eq!(outcome, None, "{}", capture.file().display());
        assert_eq!(ladder.content_hash(), tree.content_hash());
        assert_eq!((ladder.dropped(), ladder.refused()), (0, 0));
    }
}

/// A ladder that forgets one deletion in a thousand.
struct Forgetful(Ladder, u64);

impl Book for Forgetful {
    fn walk(&mut self, tape: &mut bot4::record::Tape<'_>) {
        self.0.walk(tape);
    }
    fn set(&mut self, side: Side, level: Level) {
        self.1 += u64::from(level.lots.0 == 0);
        if level.lots.0 > 0 || !self.1.is_multiple_of(1_000) {
            self.0.set(side, level);
        }
    }
    fn clear(&mut self) {
        self.0.clear();
    }
    fn top(&self) -> bot4::market::book::Top {
        self.0.top()
    }
    fn lots_at(&self, side: Side, price: Ticks) -> Lots {
        self.0.lots_at(side, price)
    }
    fn level_count(&self, side: Side) -> usize {
        self.0.level_count(side)
    }
    fn visit(&self, side: Side, visit: &mut dyn FnMut(Level) -> bool) {
        self.0.visit(side, visit);
    }
    fn version(&self) -> u64 {
        self.0.version()
    }
    fn last_update(&self) -> u64 {
        self.0.last_update()
    }
    fn refused(&self) -> u64 {
        self.0.refused()
    }
    fn commit(&mut self, last_update: u64) {
        self.0.commit(last_update);
    }
}

#[test]
fn canary_a_forgetful_ladder_is_caught() {
    for capture in captures("canary_a_forgetful_ladder_is_caught") {
        let outcome = run(&capture, &mut Forgetful(Ladder::new(), 0), &mut Tree::new());
        assert!(outcome.is_some(), "{}", capture.file().display());
    }
}

const fn level(price: i64, lots: i64) -> Level {
    Level { price: Ticks(price), lots: Lots(lots) }
}

fn diff<'a>(update: u64, bids: &'a [Level], asks: &'a [Level]) -> DepthDiff<'a> {
    DepthDiff {
        instrument: InstrumentId(0),
        first_update: update,
        last_update: update,
        previous_update: None,
        event_time: UnixNanos(0),
        transaction_time: UnixNanos(0),
        bids,
        asks,
    }
}

#[test]
fn the_ends_of_the_numbers_are_prices_like_others() {
    let ends = [1, 2, 64, 65_535, 65_536, 1 << 40, i64::MAX - 65_536, i64::MAX - 1, i64::MAX];
    let absurd = [level(0, 1), level(-1, 1), level(i64::MIN, 1), level(5, -1), level(5, i64::MIN)];
    let (mut ladder, mut tree) = (Ladder::new(), Tree::new());
    let mut update = 0;
    for first in ends {
        for second in ends {
            for (price, lots) in [(first, 7), (second, i64::MAX), (first, 0), (second, 0)] {
                for both in [[level(price, lots)].as_slice(), absurd.as_slice()] {
                    update += 1;
                    ladder.apply(&diff(update, both, both));
                    tree.apply(&diff(update, both, both));
                    assert_eq!(difference(&ladder, &tree, true), None, "{first} {second} {lots}");
                }
            }
        }
        // and a book that keeps growing
        let kept = [level(first, 3)];
        ladder.apply(&diff(update, &kept, &kept));
        tree.apply(&diff(update, &kept, &kept));
        assert_eq!(difference(&ladder, &tree, true), None, "{first}");
    }
    assert_eq!(ladder.refused(), tree.refused());
    assert!(ladder.refused() > 0);
}

#[test]
fn a_price_that_runs_away_takes_the_window_along() {
    let (mut ladder, mut tree) = (Ladder::new(), Tree::new());
    for (direction, start) in [(1, 1_000_000i64), (-1, 5_000_000)] {
        for step in 0..8_000i64 {
            // 97 ticks a step, levels 31 apart below the touch: a dozen windows away in the end
            let touch = start + direction * step * 97;
            let bids = [level(touch, 1 + step % 9), level(touch - 31 * (step % 1_000), step % 3)];
            let asks = [level(touch + 1, 2), level(touch + 1 + 31 * (step % 1_000), step % 4)];
            // the touch of the step before goes, as it does when a price moves
            let gone = touch - direction * 97;
            let both = [bids[0], bids[1], level(gone, 0)];
            let other = [asks[0], asks[1], level(gone + 1, 0)];
            ladder.apply(&diff(step as u64, &both, &other));
            tree.apply(&diff(step as u64, &both, &other));
            let what = difference(&ladder, &tree, step % 500 == 0);
            assert_eq!(what, None, "step {step} of direction {direction}");
        }
    }
    assert_eq!(ladder.dropped(), 0);
}

#[test]
fn beyond_its_bound_the_ladder_drops_what_is_furthest_and_says_so() {
    let mut ladder = Ladder::with_cold_levels(100);
    let far = 10 * WINDOW_TICKS as i64;
    ladder.apply(&diff(1, &[level(far, 1)], &[]));
    for price in 1..=150 {
        ladder.apply(&diff(2, &[level(price * 10, price)], &[]));
    }
    assert_eq!(ladder.level_count(Side::Buy), 101);
    assert_eq!(ladder.dropped(), 50);
    assert_eq!(ladder.lots_at(Side::Buy, Ticks(500)), Lots(0), "the fifty furthest went");
    assert_eq!(ladder.lots_at(Side::Buy, Ticks(510)), Lots(51));
    ladder.apply(&diff(3, &[level(5, 9)], &[]));
    assert_eq!(ladder.dropped(), 51, "further than all that are kept");
    assert_eq!(ladder.lots_at(Side::Buy, Ticks(5)), Lots(0));
    // a window full of levels is left behind: the cold ones keep the nearest hundred of them
    let mut ladder = Ladder::with_cold_levels(100);
    let dense: Vec<Level> = (0..1_000).map(|price| level(far - price, 1)).collect();
    ladder.apply(&diff(4, &dense, &[]));
    ladder.apply(&diff(5, &[level(2 * far, 1)], &[]));
    assert_eq!((ladder.level_count(Side::Buy), ladder.dropped()), (101, 900));
    assert_eq!(ladder.lots_at(Side::Buy, Ticks(far - 99)), Lots(1));
    assert_eq!(ladder.lots_at(Side::Buy, Ticks(far - 100)), Lots(0));
}

#[test]
fn a_touch_follows_the_newest_source_and_leaves_the_book_alone() {
    let (mut ladder, mut touch) = (Ladder::new(), Touch::default());
    ladder.apply(&diff(10, &[level(100, 5)], &[level(102, 5)]));
    let hash = ladder.content_hash();
    let ticker = |update, bid, ask| BookTicker {
        instrument: InstrumentId(0),
        update,
        bid,
        ask,
        event_time: UnixNanos(0),
        transaction_time: UnixNanos(0),
    };
    assert!(!touch.on_ticker(&ticker(10, level(99, 1), level(103, 1)), 10), "no news");
    assert_eq!(touch.top(&ladder), ladder.top());
    assert!(touch.on_ticker(&ticker(12, level(99, 1), level(101, 2)), 10));
    assert!(!touch.on_ticker(&ticker(11, level(90, 1), level(110, 2)), 10), "out of order");
    let top = touch.top(&ladder);
    assert_eq!((top.bid, top.ask), (Some(level(99, 1)), Some(level(101, 2))));
    assert!(touch.on_ticker(&ticker(13, level(0, 0), level(101, 2)), 10));
    assert_eq!(touch.top(&ladder).bid, None, "no bids at all");
    assert_eq!(ladder.content_hash(), hash);
    ladder.apply(&diff(13, &[level(98, 4)], &[]));
    assert_eq!(touch.top(&ladder), ladder.top(), "the book has caught up");
}

#[test]
fn nothing_is_allocated_after_construction() {
    let mut ladder = Ladder::with_cold_levels(5_000);
    let dense: Vec<Level> = (1..=9_000).map(|price| level(price * 100, price)).collect();
    let snapshot =
        DepthSnapshot { instrument: InstrumentId(0), last_update: 1, bids: &dense, asks: &dense };
    let before = ALLOCATIONS.with(Cell::get);
    for round in 0..20 {
        ladder.load(&snapshot);
        for at in 0..9_000 {
            let there = level(1 + at * 7_919 % 900_000, at % 3);
            let jump = level(1 + round * 1_000_000 * (at % 7), 1);
            ladder.apply(&diff(2, &[there, jump], &[there, jump]));
        }
        let view = BookView::of(InstrumentId(0), &ladder);
        assert!(view.bids_len > 0 && ladder.content_hash() != 0);
    }
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0);
    assert!(ladder.dropped() > 0, "the bound was met on the way");
}
