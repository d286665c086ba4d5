//! Book updates: ns per diff of Ladder and Tree on the real captures (or a seeded walk where there are
//! none), what questions cost, and the worst that moving the window can cost.
//!
//! Frames are decoded before the clock starts, and the two books must hold the same before they are
//! timed. Rivals are timed in the package bench/rivals.

use bot4::host::cpu::Simd;
use bot4::lab::capture::Capture;
use bot4::market::book::{Book, BookView, COLD_LEVELS_MAX, Ladder, Tree, WINDOW_TICKS};
use bot4::record::{DepthDiff, Level, MarketEvent};
use bot4::units::{InstrumentId, Lots, Side, Ticks, UnixNanos, VenueId};
use bot4::venue::binance::decode::Decoder;
use bot4::venue::binance::decode::infer::GridGuess;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

const CAPTURES: [(&str, &str); 3] = [
    ("usdm", "binance-usdm/btcusdt_20240808.gz"),
    ("spot", "binance-spot/btcusdt_20240808.gz"),
    ("coinm", "binance-cm/btcusd_perp_20240808.gz"),
];

/// Repetitions of each worst case; the largest time is printed.
const WORST_ROUNDS: usize = 200;

/// Bids and asks of each diff.
type Diffs = Vec<(Vec<Level>, Vec<Level>)>;

const fn level(price: i64, lots: i64) -> Level {
    Level { price: Ticks(price), lots: Lots(lots) }
}

fn captured(name: &str) -> Option<Diffs> {
    let shared = std::env::var_os("BOT4_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")),
        PathBuf::from,
    );
    let capture = Capture::load(&shared.join("data").join(name)).ok()?;
    let mut guess = GridGuess::new(None);
    for frame in capture.frames() {
        guess.observe(frame.bytes).ok()?;
    }
    let instruments = guess.instruments(VenueId(0));
    let mut decoder = Decoder::new(guess.family(), &instruments, Simd::detect());
    let mut diffs = Diffs::new();
    for frame in capture.frames() {
        if let Ok(MarketEvent::Depth(diff)) = decoder.decode(frame.bytes) {
            diffs.push((diff.bids.to_vec(), diff.asks.to_vec()));
        }
    }
    Some(diffs)
}

/// A walk with twenty levels a side and event, where there is no capture.
fn walked() -> Diffs {
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let mut draw = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below) as i64
    };
    let mut touch = 600_000;
    let mut side = |touch: i64, sign: i64| {
        (0..20).map(|_| level(touch + sign * draw(40) * draw(40), draw(3) * draw(900))).collect()
    };
    (0..10_000)
        .map(|round| {
            touch += round * 7 % 5 - 2;
            (side(touch, -1), side(touch + 1, 1))
        })
        .collect()
}

fn apply(book: &mut impl Book, diffs: &Diffs) {
    for (update, (bids, asks)) in diffs.iter().enumerate() {
        book.apply(&DepthDiff {
            instrument: InstrumentId(0),
            first_update: update as u64,
            last_update: update as u64,
            previous_update: None,
            event_time: UnixNanos(0),
            transaction_time: UnixNanos(0),
            bids,
            asks,
        });
        black_box(book.top());
    }
}

fn updates(criterion: &mut Criterion) {
    for (name, file) in CAPTURES {
        let (diffs, name) = match captured(file) {
            Some(diffs) => (diffs, name.to_string()),
            None => (walked(), format!("{name}-generated")),
        };
        let (mut ladder, mut tree) = (Ladder::new(), Tree::new());
        apply(&mut ladder, &diffs);
        apply(&mut tree, &diffs);
        assert_eq!(ladder.content_hash(), tree.content_hash(), "{name}: twins differ");
        let count: usize = diffs.iter().map(|(bids, asks)| bids.len() + asks.len()).sum();
        let mut group = criterion.benchmark_group(format!("book/apply/{name}"));
        group.throughput(Throughput::Elements(count as u64)).sample_size(20);
        group.bench_function("ladder", |bencher| {
            bencher.iter(|| {
                ladder.clear();
                apply(&mut ladder, &diffs);
            });
        });
        group.bench_function("tree", |bencher| {
            bencher.iter(|| {
                tree.clear();
                apply(&mut tree, &diffs);
            });
        });
        group.finish();
        questions(criterion, &name, &ladder);
    }
}

fn questions(criterion: &mut Criterion, name: &str, book: &Ladder) {
    let mut group = criterion.benchmark_group(format!("book/ask/{name}"));
    group.sample_size(30);
    group.bench_function("microprice", |b| b.iter(|| black_box(book).top().microprice()));
    group.bench_function("imbalance_5", |b| b.iter(|| black_box(book).imbalance(5)));
    group.bench_function("depth_to", |b| {
        b.iter(|| book.depth_to(Side::Buy, black_box(Lots(9_999))))
    });
    group.bench_function("view", |b| b.iter(|| BookView::of(InstrumentId(0), black_box(book))));
    group.finish();
}

/// A book that is as bad as it can get: every tick of the window held, the cold levels at their bound.
fn crowded(cold: usize, dense: i64) -> Ladder {
    let mut book = Ladder::new();
    let top = 4 * (COLD_LEVELS_MAX + WINDOW_TICKS) as i64;
    book.set(Side::Buy, level(top, 1));
    for at in 0..dense {
        book.set(Side::Buy, level(top - at, 1));
    }
    for at in 0..cold as i64 {
        book.set(Side::Buy, level(1 + 2 * at, 1));
    }
    book
}

fn worst(criterion: &mut Criterion) {
    let top = 4 * (COLD_LEVELS_MAX + WINDOW_TICKS) as i64;
    let dense = (WINDOW_TICKS / 4 * 3) as i64;
    let mut group = criterion.benchmark_group("book/worst");
    group.sample_size(20);
    for (name, cold, held, touched) in [
        ("jump_away_from_a_full_window", 0, dense, level(9 * top, 1)),
        ("jump_with_full_cold_levels", COLD_LEVELS_MAX, dense, level(9 * top, 1)),
        ("jump_from_5000_levels", 0, 5_000, level(9 * top, 1)),
        ("insert_amid_full_cold_levels", COLD_LEVELS_MAX, 1, level(COLD_LEVELS_MAX as i64, 1)),
        ("delete_amid_full_cold_levels", COLD_LEVELS_MAX, 1, level(COLD_LEVELS_MAX as i64 + 1, 0)),
    ] {
        let book = crowded(cold, held);
        let mut longest = 0;
        for _ in 0..WORST_ROUNDS {
            let mut book = book.clone();
            let start = Instant::now();
            book.set(Side::Buy, black_box(touched));
            longest = longest.max(start.elapsed().as_nanos());
        }
        println!("book/worst/{name}: longest of {WORST_ROUNDS} {longest} ns");
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || book.clone(),
                |book| book.set(Side::Buy, black_box(touched)),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, updates, worst);
criterion_main!(benches);
