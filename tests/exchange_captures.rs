//! The venue in a box on captured streams: as fast as its readers, and with books that bridge.

mod exchange_client;
mod shared_folder;

use bot4::host::cpu::Simd;
use bot4::record::MarketEvent;
use bot4::units::{InstrumentId, Lots, Side, Ticks, VenueId};
use bot4::venue::binance::Family;
use bot4::venue::binance::decode::Decoder;
use bot4::venue::binance::decode::infer::GridGuess;
use bot4::venue::binance::session::rest as asking;
use bot4::venue::binance::sync::{DiffStep, SnapshotStep, Sync};
use exchange_client::*;
use shared_folder::shared;
use std::time::Duration;

/// A small capture: a snapshot, then tickers whose update ids count up.
fn capture(name: &str, frames: u64) -> bot4::lab::capture::Capture {
    let mut text = String::new();
    let start = 1_723_161_255_000_000_000u64;
    text += &format!(
        r#"{start} {{"lastUpdateId":100,"bids":[["100.00000000","5.00000000"]],"asks":[["100.10000000","5.00000000"]]}}"#
    );
    text += "\n";
    for at in 1..=frames {
        let (received, update) = (start + at * 1_000_000, 100 + at);
        text += &format!(
            r#"{received} {{"stream":"btcusdt@bookTicker","data":{{"u":{update},"s":"BTCUSDT","b":"100.00000000","B":"5.00000000","a":"100.10000000","A":"5.00000000"}}}}"#
        );
        text += "\n";
    }
    let file = std::env::temp_dir().join(format!("bot4_{name}_{}", std::process::id()));
    std::fs::write(&file, text).expect("a file under the temporary folder");
    let capture = bot4::lab::capture::Capture::load(&file).expect("a capture");
    std::fs::remove_file(file).expect("it was just written");
    capture
}

#[test]
fn a_capture_runs_as_fast_as_its_readers_and_then_still_takes_orders() {
    const FRAMES: u64 = 50_000;
    let family = Family::Spot;
    let mut settings = settings(family);
    settings.captures = vec![capture("max", FRAMES)];
    settings.instruments.truncate(1);
    settings.speed = bot4::lab::exchange::server::Speed::Max;
    settings.wait_for = 2;
    let venue = Running::start(settings);
    let mut first = Web::open(venue.address, "/ws/btcusdt@bookTicker");
    assert_eq!(first.text_within(Duration::from_millis(50)), None, "it waits for the second");
    let mut second = Web::open(venue.address, "/stream?streams=btcusdt@bookTicker/btcusdt@depth");
    let listed = instruments(family);
    let mut decoder = Decoder::new(family, &listed, Simd::detect());
    let mut read = |web: &mut Web, expected: u64| match decoder.decode(&web.text()) {
        Ok(MarketEvent::Ticker(ticker)) => assert_eq!(ticker.update, expected),
        other => panic!("{other:?}"),
    };
    for at in 1..=FRAMES {
        read(&mut first, 100 + at);
        read(&mut second, 100 + at);
    }
    assert_eq!(first.text_within(Duration::from_millis(20)), None, "nothing comes after the end");
    let mut orders = Orders::open(venue.address, family);
    orders.send(&resting(1, Side::Buy, Ticks(9_000), Lots(1_000_000)));
    assert_eq!(orders.answer().outcome, Ok(()));
    let report = venue.end();
    assert!(report.capture_ended && report.slow_clients == 0, "{report:?}");
    assert_eq!(report.frames_sent, 2 * FRAMES);
}

#[test]
fn captured_books_bridge_too() {
    let Some(data) = shared("data", "captured_books_bridge_too") else { return };
    for (family, file) in [
        (Family::Spot, "binance-spot/btcusdt_20240808.gz"),
        (Family::UsdM, "binance-usdm/btcusdt_20240808.gz"),
        (Family::CoinM, "binance-cm/btcusd_perp_20240808.gz"),
    ] {
        let capture = bot4::lab::capture::Capture::load(&data.join(file)).expect("a whole capture");
        // The captures hold sizes off today's grids.
        let mut guess = GridGuess::new(Some(family));
        capture.frames().for_each(|frame| guess.observe(frame.bytes).expect("a real frame"));
        let mut settings = settings(family);
        settings.captures = vec![capture];
        settings.instruments = guess.instruments(VenueId(0));
        settings.speed = bot4::lab::exchange::server::Speed::Max;
        settings.limits.weight_minute = u32::MAX;
        let listed = settings.instruments.clone();
        let venue = Running::start(settings);
        let path = bot4::venue::binance::session::paths::market(&listed);
        let mut web = Web::open(venue.address, &path);
        let mut decoder = Decoder::new(family, &listed, Simd::detect());
        let mut sync = Sync::new(family);
        let (mut seen, mut applied, mut gaps) = (0, 0, 0);
        while let Some(text) = web.text_within(Duration::from_millis(200)) {
            let event = decoder.decode(&text).expect("a real frame");
            let MarketEvent::Depth(diff) = event else { continue };
            match sync.on_diff(&diff) {
                DiffStep::Apply => applied += 1,
                DiffStep::Gap { .. } => gaps += 1,
                DiffStep::Buffered | DiffStep::Old => {}
            }
            seen += 1;
            if !sync.is_synchronised() && seen % 20 == 0 {
                let body = rest(venue.address, &asking::depth(family, &listed[0].symbol)).body;
                let book = decoder.decode_snapshot(InstrumentId(0), &body);
                let Ok(MarketEvent::Snapshot(book)) = book else { panic!("no snapshot") };
                if sync.on_snapshot(book.last_update) == SnapshotStep::Load {
                    sync.replay(&mut |_| applied += 1);
                }
            }
        }
        assert!(applied > 100 && gaps == 0, "{file}: {seen} seen, {applied} applied, {gaps} gaps");
        assert!(venue.end().capture_ended);
    }
}
