//! Orders out, reports in: encode, signing apart by kind of key, decode of a fill.
//!
//! Before timing, each encoder's text is compared with its plain twin, and each reader with serde_json.
//! The rivals in the same run are the plain twins: `serde_json` building and reading the same.

use bot4::record::{Instrument, Intent, OrderAction, OrderType, TimeInForce};
use bot4::units::{InstrumentId, Lots, OrderId, Side, Ticks, UnixNanos, VenueId};
use bot4::venue::binance::orders::{
    OrderMessage, REQUEST_LEN_MAX, ReportDecoder, RequestEncoder, plain,
};
use bot4::venue::binance::session::Signer;
use bot4::venue::binance::{Family, metadata};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

const NOW: UnixNanos = UnixNanos(1_700_000_000_123_456_789);

/// A published test vector (RFC 8032, section 7.1).
const PEM: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----";

const FILL: &str = r#"{"e":"executionReport","E":1700000000200,"s":"BTCUSDT","c":"b4_000007000000002a","S":"SELL","o":"LIMIT","f":"GTC","q":"0.01500000","p":"61800.20000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE","X":"PARTIALLY_FILLED","r":"NONE","i":4293153,"l":"0.00500000","z":"0.01000000","L":"61800.20000000","n":"0.00000375","N":"BNB","T":1700000000199,"t":981,"I":8641984,"w":false,"m":true,"M":false,"O":1700000000100,"Z":"618.00200000","Y":"309.00100000","Q":"0.00000000","W":1700000000100,"V":"NONE"}"#; // one line, as sent: http message of 560 bytes

fn instruments(family: Family) -> Vec<Instrument> {
    let all: serde_json::Value =
        serde_json::from_slice(include_bytes!("../src/venue/binance/instruments.json"))
            .expect("the embedded metadata is JSON");
    let info = all[family.name()].to_string();
    metadata::instruments(info.as_bytes(), family, VenueId(0), &["BTCUSDT"])
        .expect("the embedded metadata has BTCUSDT")
}

fn intent(action: OrderAction) -> Intent {
    Intent {
        action,
        instrument: InstrumentId(0),
        order: OrderId::new(7, 42),
        replaces: OrderId::new(7, if action == OrderAction::Replace { 41 } else { 0 }),
        side: Side::Buy,
        order_type: OrderType::PostOnly,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        price: Ticks(6_180_020),
        lots: Lots(1_500),
    }
}

fn encode(c: &mut Criterion) {
    let known = instruments(Family::Spot);
    let mut out = [0; REQUEST_LEN_MAX];
    let mut group = c.benchmark_group("encode");
    for (name, action) in [
        ("place", OrderAction::Place),
        ("cancel", OrderAction::Cancel),
        ("cancel_replace", OrderAction::Replace),
    ] {
        let mut encoder = RequestEncoder::new(Family::Spot, &known);
        let intent = intent(action);
        let length = encoder.encode(&intent, NOW, &mut out).expect("an encodable intent");
        let fast: serde_json::Value = serde_json::from_slice(&out[..length]).expect("JSON");
        let slow = plain::request(Family::Spot, &known[0], &intent, NOW).expect("the twin's text");
        assert_eq!(fast["id"], slow["id"], "twins agree before they are timed");
        assert_eq!(fast["method"], slow["method"]);
        group.bench_function(name, |b| {
            b.iter(|| encoder.encode(black_box(&intent), black_box(NOW), &mut out));
        });
        group.bench_function(format!("{name}_serde_json"), |b| {
            b.iter(|| {
                plain::request(Family::Spot, &known[0], black_box(&intent), black_box(NOW))
                    .map(|tree| tree.to_string())
            });
        });
    }
    let hmac = Signer::hmac(&"k".repeat(64), &"s".repeat(64)).expect("a key");
    let ed25519 = Signer::ed25519(&"k".repeat(64), PEM).expect("a key");
    for (name, signer) in [("place_hmac", hmac), ("place_ed25519", ed25519)] {
        let mut encoder = RequestEncoder::with(Family::Spot, &known, None, Some(signer));
        let intent = intent(OrderAction::Place);
        group.bench_function(name, |b| {
            b.iter(|| encoder.encode(black_box(&intent), black_box(NOW), &mut out));
        });
    }
    group.finish();
}

fn sign(c: &mut Criterion) {
    let payload = [b'x'; 250];
    let mut group = c.benchmark_group("sign_250_bytes");
    let hmac = Signer::hmac("key", &"s".repeat(64)).expect("a key");
    let ed25519 = Signer::ed25519("key", PEM).expect("a key");
    group.bench_function("hmac_sha256", |b| b.iter(|| hmac.sign(black_box(&payload))));
    group.bench_function("ed25519", |b| b.iter(|| ed25519.sign(black_box(&payload))));
    group.finish();
}

fn decode(c: &mut Criterion) {
    let mut decoder = ReportDecoder::new(Family::Spot, &instruments(Family::Spot));
    let fast = decoder.decode(FILL.as_bytes());
    assert!(matches!(fast, Ok(OrderMessage::Report(_))), "{fast:?}");
    assert_eq!(fast, decoder.decode_general(FILL.as_bytes()), "readers agree");
    let mut group = c.benchmark_group("decode_execution_report");
    group.bench_function("fast", |b| b.iter(|| decoder.decode(black_box(FILL.as_bytes()))));
    group.bench_function("serde_json", |b| {
        b.iter(|| decoder.decode_general(black_box(FILL.as_bytes())));
    });
    group.finish();
}

criterion_group!(benches, encode, sign, decode);
criterion_main!(benches);
