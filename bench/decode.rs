//! Decoding of Binance frames: ns per frame by kind, AVX2 against the scalar twin and serde_json.
//!
//! Rivals are timed in the package bench/rivals. Frames are built here, in the venue's shape, so that
//! this bench runs without captures.

use bot4::host::cpu::Simd;
use bot4::units::VenueId;
use bot4::venue::binance::Family;
use bot4::venue::binance::decode::Decoder;
use bot4::venue::binance::decode::infer::GridGuess;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

fn frames() -> [(&'static str, String); 3] {
    let side = |from: u32| {
        let level =
            |i: u32| format!(r#"["618{:02}.{}0","{}.{:03}"]"#, i, from, i % 7, i * 37 % 1000);
        (0..20).map(level).collect::<Vec<_>>().join(",")
    };
    let (bids, asks) = (side(1), side(7));
    [
        (
            "book_ticker",
            r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}}"#.into(),
        ),
        (
            "trade",
            r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}"#.into(),
        ),
        (
            "depth_update_20_20",
            format!(
                r#"{{"stream":"btcusdt@depth@0ms","data":{{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT","U":5123107832006,"u":5123107837557,"pu":5123107831937,"b":[{bids}],"a":[{asks}]}}}}"#
            ),
        ),
    ]
}

fn decode(criterion: &mut Criterion) {
    let frames = frames();
    let mut guess = GridGuess::new(Some(Family::UsdM));
    for (name, frame) in &frames {
        guess.observe(frame.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let instruments = guess.instruments(VenueId(0));
    for (name, frame) in &frames {
        let frame = frame.as_bytes();
        let mut group = criterion.benchmark_group(format!("decode/{name}"));
        for (twin, simd) in [("avx2", Simd::Avx2), ("scalar", Simd::Scalar)] {
            let mut decoder = Decoder::new(Family::UsdM, &instruments, simd);
            let mut general = decoder.clone();
            let honest = general.decode_general(None, frame);
            assert_eq!(decoder.decode(frame), honest, "{name}: twins differ");
            assert_eq!(decoder.fallbacks(), 0, "{name}: not the fast path");
            group.bench_function(twin, |bencher| {
                bencher.iter(|| decoder.decode(black_box(frame)).is_ok());
            });
        }
        let mut decoder = Decoder::new(Family::UsdM, &instruments, Simd::Scalar);
        group.bench_function("general", |bencher| {
            bencher.iter(|| decoder.decode_general(None, black_box(frame)).is_ok());
        });
        group.finish();
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);
