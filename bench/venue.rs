//! The venue in a box against its clients: frames a second over loopback, and order round trips.
//!
//! A client thread drains a generated market at full speed and counts what it was sent (checked:
//! every frame decodes and the diffs chain). Then one order after another goes there and back with
//! no latency configured. The first figure bounds what a lane can be fed; the second is what the
//! sockets, two thread wake-ups and the venue's own work cost a round trip.

#[path = "../tests/exchange_client/mod.rs"]
mod exchange_client;

use bot4::host::cpu::Simd;
use bot4::lab::exchange::server::Speed;
use bot4::record::{ExecutionKind, Intent, MarketEvent, OrderAction};
use bot4::units::{Lots, Nanos, Side, Ticks};
use bot4::venue::binance::Family;
use bot4::venue::binance::decode::Decoder;
use bot4::venue::binance::session::{logon, paths};
use bot4::venue::binance::sync::{DiffStep, Sync};
use exchange_client::{Orders, Running, Web, instruments, settings};
use std::time::{Duration, Instant};

const FAMILY: Family = Family::UsdM;
const SPAN: Duration = Duration::from_secs(3);
const ROUND_TRIPS: usize = 2_000;

fn main() {
    frames();
    round_trips();
}

fn frames() {
    let mut settings = settings(FAMILY);
    settings.speed = Speed::Max;
    settings.instruments.truncate(1);
    let listed = settings.instruments.clone();
    let venue = Running::start(settings);
    let mut web = Web::open(venue.address, &paths::market(&listed));
    let mut decoder = Decoder::new(FAMILY, &listed, Simd::detect());
    let mut sync = Sync::new(FAMILY);
    let (begun, mut frames, mut diffs) = (Instant::now(), 0u64, 0u64);
    while begun.elapsed() < SPAN {
        match decoder.decode(&web.text()).expect("a frame") {
            MarketEvent::Depth(diff) => {
                diffs += 1;
                if diffs == 1 {
                    sync.resume(diff.previous_update.expect("futures chain by pu"));
                }
                assert_eq!(sync.on_diff(&diff), DiffStep::Apply, "the diffs chain");
            }
            _ => assert!(frames > 0 || diffs == 0),
        }
        frames += 1;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("venue_frames_per_second {:.0} ({frames} in {seconds:.1} s)", frames as f64 / seconds);
}

fn round_trips() {
    let mut settings = settings(FAMILY);
    settings.exchange.latency_in = Nanos(0);
    settings.exchange.latency_out = Nanos(0);
    settings.limits.orders_ten_seconds = u32::MAX;
    settings.limits.orders_long = u32::MAX;
    settings.limits.weight_minute = u32::MAX;
    let tick = Ticks((30_000.0 / instruments(FAMILY)[0].tick.step().to_f64()) as i64);
    let venue = Running::start(settings);
    let mut orders = Orders::open(venue.address, FAMILY);
    orders.web.send(logon::subscribe(1).as_bytes());
    assert_eq!(orders.answer().outcome, Ok(()));
    let mut spans = Vec::with_capacity(ROUND_TRIPS);
    for at in 1..=ROUND_TRIPS as u64 {
        let place = exchange_client::resting(at, Side::Buy, tick, Lots(10));
        let begun = Instant::now();
        orders.send(&place);
        assert_eq!(orders.answer().outcome, Ok(()));
        spans.push(begun.elapsed());
        orders.report(ExecutionKind::Acknowledged);
        orders.send(&Intent { action: OrderAction::Cancel, ..place });
        orders.report(ExecutionKind::Cancelled);
        orders.answer();
    }
    spans.sort_unstable();
    let at = |share: f64| spans[(share * (ROUND_TRIPS - 1) as f64) as usize].as_nanos();
    println!("venue_order_round_trip_ns p50 {} p99 {} max {}", at(0.5), at(0.99), at(1.0));
}
