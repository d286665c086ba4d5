//! Twins, recorded shapes of every message, and canaries.

use crate::record::{ExecutionKind, Instrument, Intent, OrderAction, OrderType, TimeInForce};
use crate::units::{Currency, InstrumentId, Lots, Money, OrderId, Side, Ticks, UnixNanos, VenueId};
use crate::venue::binance::orders::*;
use crate::venue::binance::session::Signer;
use crate::venue::binance::{Family, metadata};
use proptest::prelude::*;

const NOW: UnixNanos = UnixNanos(1_700_000_000_123_456_789);
const INFO: &[u8] = include_bytes!("../instruments.json");

fn instruments(family: Family) -> Vec<Instrument> {
    let all: serde_json::Value = serde_json::from_slice(INFO).unwrap();
    let info = all[family.name()].to_string();
    let names: &[&str] = match family {
        Family::CoinM => &["BTCUSD_PERP"],
        Family::Spot | Family::UsdM => &["BTCUSDT", "ETHUSDT"],
    };
    metadata::instruments(info.as_bytes(), family, VenueId(0), names).unwrap()
}

fn intent() -> Intent {
    Intent {
        action: OrderAction::Place,
        instrument: InstrumentId(0),
        order: OrderId::new(7, 42),
        replaces: OrderId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        price: Ticks(6_180_020),
        lots: Lots(1_500),
    }
}

fn encoded(family: Family, intent: &Intent) -> Result<String, EncodeError> {
    let mut encoder = RequestEncoder::new(family, &instruments(family));
    let mut out = [0; REQUEST_LEN_MAX];
    let length = encoder.encode(intent, NOW, &mut out)?;
    Ok(std::str::from_utf8(&out[..length]).unwrap().to_owned())
}

#[test]
fn a_spot_order_reads_as_the_venue_documents_it() {
    assert_eq!(
        encoded(Family::Spot, &intent()).unwrap(),
        r#"{"id":"p000000007000000002a","method":"order.place","params":{"#.to_owned()
            + r#""newClientOrderId":"b4_000007000000002a","newOrderRespType":"ACK","#
            + r#""price":"61800.20","quantity":"0.01500","recvWindow":1000,"side":"BUY","#
            + r#""symbol":"BTCUSDT","timeInForce":"GTC","timestamp":1700000000123,"type":"LIMIT"}}"#
    );
}

#[test]
fn a_futures_modify_keeps_its_id() {
    let order = OrderId::new(7, 42);
    let modify = Intent { action: OrderAction::Replace, replaces: order, ..intent() };
    let text = encoded(Family::UsdM, &modify).unwrap();
    assert!(text.contains(r#""method":"order.modify""#), "{text}");
    assert!(text.contains(r#""origClientOrderId":"b4_000007000000002a""#), "{text}");
    let renamed = Intent { order: OrderId::new(7, 43), ..modify };
    assert!(matches!(encoded(Family::UsdM, &renamed), Err(EncodeError::ReplaceRenames { .. })));
    assert!(encoded(Family::Spot, &renamed).unwrap().contains("order.cancelReplace"));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let refused = |intent: Intent| encoded(Family::UsdM, &intent).unwrap_err();
    assert_eq!(refused(Intent { price: Ticks(0), ..intent() }), EncodeError::Price(Ticks(0)));
    assert_eq!(refused(Intent { lots: Lots(-1), ..intent() }), EncodeError::Size(Lots(-1)));
    let far = InstrumentId(9);
    let unknown = Intent { instrument: far, ..intent() };
    assert_eq!(refused(unknown), EncodeError::UnknownInstrument(far));
    let all = Intent { action: OrderAction::CancelAll, ..intent() };
    let error = refused(all);
    assert_eq!(error, EncodeError::NotOverWebSocket { path: "/fapi/v1/allOpenOrders" });
    assert!(error.to_string().contains("/fapi/v1/allOpenOrders"));
    let mut encoder = RequestEncoder::new(Family::UsdM, &instruments(Family::UsdM));
    let short = encoder.encode(&intent(), NOW, &mut [0; 100]);
    assert!(matches!(short, Err(EncodeError::NoRoom { room: 100, .. })), "{short:?}");
}

#[test]
fn request_ids_survive_the_round_trip() {
    for (action, replaces) in [
        (OrderAction::Place, 0),
        (OrderAction::Cancel, 0),
        (OrderAction::Replace, 9),
        (OrderAction::CancelAll, 0),
    ] {
        let asked = Intent { action, replaces: OrderId(replaces), ..intent() };
        let text = encoded(Family::Spot, &asked).unwrap();
        let tree: serde_json::Value = serde_json::from_str(&text).unwrap();
        let request = OrderRequest {
            action,
            instrument: asked.instrument,
            order: asked.order,
            replaces: OrderId(replaces),
        };
        let id = tree["id"].as_str().unwrap();
        assert!(id.len() <= 36, "{id}");
        assert_eq!(RequestId::parse(id), RequestId::Order(request));
    }
    assert_eq!(RequestId::parse(&RequestId::session_text(77)), RequestId::Session(77));
    for foreign in ["", "p", "x000000007000000002a", "p00000000700000000ZZ", "r000000007000000002a"]
    {
        assert_eq!(RequestId::parse(foreign), RequestId::Foreign, "{foreign}");
    }
    let id = client_id(OrderId(u64::MAX));
    assert_eq!(parse_client_id(std::str::from_utf8(&id).unwrap()), Some(OrderId(u64::MAX)));
    assert_eq!(parse_client_id("b4_00000000000000AB"), None);
}

#[test]
fn a_signed_request_signs_the_sorted_parameters() {
    let signer = Signer::hmac("k3y", "s3cret").unwrap();
    let mut encoder =
        RequestEncoder::with(Family::Spot, &instruments(Family::Spot), None, Some(signer.clone()));
    let mut out = [0; REQUEST_LEN_MAX];
    let length = encoder.encode(&intent(), NOW, &mut out).unwrap();
    let tree: serde_json::Value = serde_json::from_slice(&out[..length]).unwrap();
    let params = tree["params"].as_object().unwrap();
    let mut pairs: Vec<String> = Vec::new();
    for (name, value) in params.iter().filter(|(name, _)| *name != "signature") {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        pairs.push(format!("{name}={value}"));
    }
    pairs.sort();
    assert_eq!(params["apiKey"], "k3y");
    assert_eq!(params["signature"], signer.sign(pairs.join("&").as_bytes()).as_str());
}

fn any_intent() -> impl Strategy<Value = Intent> {
    let actions = prop::sample::select(vec![
        OrderAction::Place,
        OrderAction::Cancel,
        OrderAction::Replace,
        OrderAction::CancelAll,
    ]);
    let types =
        prop::sample::select(vec![OrderType::Limit, OrderType::PostOnly, OrderType::Market]);
    let lives = prop::sample::select(vec![
        TimeInForce::GoodTillCancel,
        TimeInForce::ImmediateOrCancel,
        TimeInForce::FillOrKill,
    ]);
    let steps = || prop_oneof![-2..1_000i64, 1..100_000_000i64, any::<i64>()];
    let ids = (any::<u64>(), any::<u64>(), any::<bool>(), 0u32..3);
    (actions, types, lives, ids, any::<bool>(), any::<bool>(), steps(), steps()).prop_map(
        |(
            action,
            order_type,
            time_in_force,
            (order, other, same, of),
            sell,
            reduce,
            price,
            lots,
        )| {
            Intent {
                action,
                instrument: InstrumentId(of),
                order: OrderId(order),
                replaces: OrderId(if same { order } else { other }),
                side: if sell { Side::Sell } else { Side::Buy },
                order_type,
                time_in_force,
                reduce_only: reduce,
                price: Ticks(price),
                lots: Lots(lots),
            }
        },
    )
}

/// Decimals as numbers of the same value: `61800.20` and `61800.2` are one price.
fn same(fast: &serde_json::Value, plain: &serde_json::Value) -> bool {
    let normal = |tree: &serde_json::Value| {
        let mut tree = tree.clone();
        for name in ["price", "quantity"] {
            if let Some(text) = tree["params"].get(name).and_then(|value| value.as_str()) {
                let decimal = crate::units::Decimal::parse(text).unwrap().to_string();
                tree["params"][name] = decimal.into();
            }
        }
        tree
    };
    normal(fast) == normal(plain)
}

fn check_twins(family: Family, intent: &Intent) -> bool {
    let known = instruments(family);
    let mut encoder = RequestEncoder::new(family, &known);
    let mut out = [0; REQUEST_LEN_MAX];
    let fast = encoder.encode(intent, NOW, &mut out);
    let instrument = known.iter().find(|of| of.id == intent.instrument);
    let plain = instrument.and_then(|of| plain::request(family, of, intent, NOW));
    match (fast, plain) {
        (Ok(length), Some(plain)) => {
            let fast: serde_json::Value = serde_json::from_slice(&out[..length]).unwrap();
            same(&fast, &plain)
        }
        (Err(_), None) => true,
        _ => false,
    }
}

proptest! {
    #[test]
    fn encoder_twins_agree(intent in any_intent()) {
        for family in [Family::Spot, Family::UsdM, Family::CoinM] {
            prop_assert!(check_twins(family, &intent), "{family:?} {intent:?}");
        }
    }
}

#[test]
fn canary_a_spoiled_request_is_caught() {
    let known = instruments(Family::Spot);
    let fast: serde_json::Value =
        serde_json::from_str(&encoded(Family::Spot, &intent()).unwrap()).unwrap();
    let plain = |intent: &Intent| plain::request(Family::Spot, &known[0], intent, NOW).unwrap();
    assert!(same(&fast, &plain(&intent())));
    assert!(!same(&fast, &plain(&Intent { price: Ticks(6_180_021), ..intent() })));
    assert!(!same(&fast, &plain(&Intent { side: Side::Sell, ..intent() })));
}

const SPOT_FILL: &str = r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1700000000200,
"s":"BTCUSDT","c":"b4_000007000000002a","S":"SELL","o":"LIMIT","f":"GTC","q":"0.01500000",
"p":"61800.20000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE",
"X":"PARTIALLY_FILLED","r":"NONE","i":4293153,"l":"0.00500000","z":"0.01000000","L":"61800.20000000",
"n":"0.0000037513","N":"BNB","T":1700000000199,"t":981,"I":8641984,"w":false,"m":true,"M":false,
"O":1700000000100,"Z":"618.00200000","Y":"309.00100000","Q":"0.00000000","W":1700000000100,"V":"NONE"}}"#;

const FUTURES_FILL: &str = r#"{"e":"ORDER_TRADE_UPDATE","E":1700000000201,"T":1700000000199,"o":{
"s":"BTCUSDT","c":"b4_000007000000002a","S":"BUY","o":"LIMIT","f":"GTX","q":"0.015","p":"61800.20",
"ap":"61800.20","sp":"0","x":"TRADE","X":"FILLED","i":8886774,"l":"0.015","z":"0.015",
"L":"61800.20","N":"USDT","n":"-0.09270030","T":1700000000199,"t":12,"b":"0","a":"0","m":true,
"R":false,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"BOTH","cp":false,"rp":"0","pP":false,"si":0,
"ss":0,"V":"NONE","pm":"NONE","gtd":0}}"#;

const REPLACE_REFUSED: &str = r#"{"id":"r000000007000000002a0000070000000029","status":409,"error":{
"code":-2021,"msg":"Order cancel-replace partially failed.","data":{"cancelResult":"SUCCESS",
"newOrderResult":"FAILURE","cancelResponse":{"symbol":"BTCUSDT","orderId":125},
"newOrderResponse":{"code":-2010,"msg":"Order would immediately match and take."}}},
"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,"count":1},
{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":3}]}"#;

const PLACE_DONE: &str = r#"{"id":"p000000007000000002a","status":200,"result":{"symbol":"BTCUSDT",
"orderId":12569099453,"clientOrderId":"b4_000007000000002a"},"rateLimits":[]}"#;

fn decoder(family: Family) -> ReportDecoder {
    ReportDecoder::new(family, &instruments(family))
}

fn report(family: Family, text: &str) -> crate::record::ExecutionReport {
    match decoder(family).decode(text.as_bytes()) {
        Ok(OrderMessage::Report(report)) => report,
        other => panic!("{other:?}"),
    }
}

fn answer(text: &str) -> Response {
    match decoder(Family::Spot).decode(text.as_bytes()) {
        Ok(OrderMessage::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_partial_fill_on_spot() {
    let fill = report(Family::Spot, SPOT_FILL);
    assert_eq!(fill.kind, ExecutionKind::Fill);
    assert_eq!((fill.order, fill.instrument), (OrderId::new(7, 42), InstrumentId(0)));
    assert_eq!((fill.venue_order, fill.trade_id), (4_293_153, 981));
    assert_eq!((fill.side, fill.maker), (Side::Sell, true));
    assert_eq!((fill.price, fill.last_price), (Ticks(6_180_020), Ticks(6_180_020)));
    assert_eq!((fill.lots, fill.last_lots, fill.filled_lots), (Lots(1500), Lots(500), Lots(1000)));
    assert_eq!(fill.fee, Money(375), "0.0000037513 rounds to 375e-8");
    assert_eq!(fill.fee_currency, Currency::new("BNB").unwrap());
    assert_eq!(fill.venue_time, UnixNanos::from_millis(1_700_000_000_199));
}

#[test]
fn a_whole_fill_on_futures_with_a_rebate() {
    let fill = report(Family::UsdM, FUTURES_FILL);
    assert_eq!(fill.fee, Money(-9_270_030));
    assert_eq!((fill.lots, fill.filled_lots, fill.trade_id), (Lots(15), Lots(15), 12));
    assert_eq!(fill.price, Ticks(618_002), "the tick is 0.10 on futures");
    let combined = format!(r#"{{"stream":"listen-key","data":{FUTURES_FILL}}}"#);
    assert_eq!(report(Family::UsdM, &combined), fill);
}

#[test]
fn every_execution_type_has_its_meaning() {
    for (kind, meaning) in [
        ("NEW", ExecutionKind::Acknowledged),
        ("CANCELED", ExecutionKind::Cancelled),
        ("REPLACED", ExecutionKind::Replaced),
        ("AMENDMENT", ExecutionKind::Replaced),
        ("REJECTED", ExecutionKind::Rejected),
        ("EXPIRED", ExecutionKind::Expired),
        ("CALCULATED", ExecutionKind::Fill),
    ] {
        let text = FUTURES_FILL.replace(r#""x":"TRADE""#, &format!(r#""x":"{kind}""#));
        assert_eq!(report(Family::UsdM, &text).kind, meaning, "{kind}");
    }
    let prevented = SPOT_FILL.replace(r#""x":"TRADE""#, r#""x":"TRADE_PREVENTION""#);
    let still = decoder(Family::Spot).decode(prevented.as_bytes());
    assert_eq!(still, Ok(OrderMessage::Other(EventKind::TradePrevention)));
    let expired = prevented.replace("PARTIALLY_FILLED", "EXPIRED_IN_MATCH");
    assert_eq!(report(Family::Spot, &expired).kind, ExecutionKind::Expired);
}

#[test]
fn a_cancel_on_spot_is_about_the_original_order() {
    let text = SPOT_FILL
        .replace(r#""C":"""#, r#""C":"b4_000007000000002b""#)
        .replace(r#""c":"b4_000007000000002a""#, r#""c":"web_1""#)
        .replace(r#""x":"TRADE""#, r#""x":"CANCELED""#);
    assert_eq!(report(Family::Spot, &text).order, OrderId::new(7, 43));
}

#[test]
fn orders_of_others_are_foreign() {
    for text in [
        SPOT_FILL.replace("b4_000007000000002a", "web_abc"),
        SPOT_FILL.replace("BTCUSDT", "DOGEUSDT"),
    ] {
        assert_eq!(decoder(Family::Spot).decode(text.as_bytes()), Ok(OrderMessage::Foreign));
    }
}

#[test]
fn a_fill_off_the_grid_is_refused_with_its_field() {
    let text = SPOT_FILL.replace(r#""L":"61800.20000000""#, r#""L":"61800.20500000""#);
    let error = decoder(Family::Spot).decode(text.as_bytes()).unwrap_err();
    assert!(matches!(error, ReportError::Grid { field: "L", .. }), "{error}");
    let text = SPOT_FILL.replace(r#""t":981,"#, "");
    let error = decoder(Family::Spot).decode(text.as_bytes()).unwrap_err();
    assert_eq!(error, ReportError::Field { event: "executionReport", field: "t" });
}

#[test]
fn account_events_come_by_kind() {
    for (name, kind) in [
        ("outboundAccountPosition", EventKind::AccountPosition),
        ("balanceUpdate", EventKind::BalanceUpdate),
        ("ACCOUNT_UPDATE", EventKind::AccountUpdate),
        ("MARGIN_CALL", EventKind::MarginCall),
        ("listenKeyExpired", EventKind::ListenKeyExpired),
        ("eventStreamTerminated", EventKind::StreamTerminated),
        ("TRADE_LITE", EventKind::TradeLite),
        ("somethingNew", EventKind::Unknown),
    ] {
        let text = format!(r#"{{"e":"{name}","E":1,"B":[{{"a":"BNB","f":"1"}}]}}"#);
        let decoded = decoder(Family::UsdM).decode(text.as_bytes());
        assert_eq!(decoded, Ok(OrderMessage::Other(kind)), "{name}");
    }
}

#[test]
fn refusals_become_reports_by_request() {
    let kinds = |text: &str| -> Vec<(ExecutionKind, OrderId, i32)> {
        answer(text).reports().map(|of| (of.kind, of.order, of.reject_code)).collect()
    };
    let (order, old) = (OrderId::new(7, 42), OrderId::new(7, 41));
    assert_eq!(kinds(REPLACE_REFUSED), [(ExecutionKind::Rejected, order, WOULD_TAKE)]);
    let uncancelled = REPLACE_REFUSED
        .replace("SUCCESS", "FAILURE")
        .replace(r#"{"symbol":"BTCUSDT","orderId":125}"#, r#"{"code":-2011,"msg":"Unknown."}"#);
    assert_eq!(kinds(&uncancelled), [(ExecutionKind::Rejected, order, -2011)]);
    assert_eq!(answer(&uncancelled).in_doubt(), [None, Some(old)]);
    let kept = uncancelled.replace("-2011", "-1013");
    assert_eq!(
        kinds(&kept),
        [(ExecutionKind::CancelRejected, old, -1013), (ExecutionKind::Rejected, order, -1013)]
    );
    let refused = |id: &str, status: u16, code: i32| {
        format!(r#"{{"id":"{id}","status":{status},"error":{{"code":{code},"msg":"no"}}}}"#)
    };
    let place = "p000000007000000002a";
    assert_eq!(kinds(&refused(place, 400, -5022)), [(ExecutionKind::Rejected, order, -5022)]);
    let (cancel, modify) = ("c000000007000000002a", "r000000007000000002a000007000000002a");
    for id in [cancel, modify] {
        let kept = refused(id, 400, -1015);
        assert_eq!(kinds(&kept), [(ExecutionKind::CancelRejected, order, -1015)]);
    }
    assert_eq!((kinds(PLACE_DONE), answer(PLACE_DONE).in_doubt()), (vec![], [None, None]));
    for (id, status, code) in
        [(place, 504, -1007), (place, 503, -1000), (cancel, 400, -2011), (modify, 400, -2013)]
    {
        let lost = refused(id, status, code);
        assert_eq!(answer(&lost).in_doubt(), [Some(order), None], "{lost}");
        assert_eq!(kinds(&lost), [], "the order may live, or be over in another way: {lost}");
    }
}

#[test]
fn an_answer_carries_rates_and_venue_ids() {
    let response = answer(REPLACE_REFUSED);
    assert_eq!(response.usage.counts().len(), 2);
    let orders = RateCount { kind: RateKind::Orders, interval_s: 10, limit: 50, count: 1 };
    assert_eq!(response.usage.counts()[0], orders);
    assert_eq!(response.outcome.unwrap_err().class(), ErrorClass::WouldTake);
    assert_eq!(answer(PLACE_DONE).venue_order, 12_569_099_453);
    let banned = r#"{"id":null,"status":418,"error":{"code":-1003,"msg":"banned","data":{
        "serverTime":1,"retryAfter":1700000060000}}}"#;
    let banned = answer(banned);
    assert_eq!(banned.retry_after, Some(UnixNanos::from_millis(1_700_000_060_000)));
    assert_eq!(banned.outcome.unwrap_err().class(), ErrorClass::RateLimited);
    let long = ErrorText::new(&"ä".repeat(80));
    assert_eq!(long.as_str().len(), 96);
}

/// Both readers on one text: the same message, or both refuse.
fn readers_agree(text: &[u8]) -> bool {
    [Family::Spot, Family::UsdM, Family::CoinM].into_iter().all(|family| {
        let fast = decoder(family).decode(text);
        let general = decoder(family).decode_general(text);
        match (fast, general) {
            (Err(ReportError::Malformed { .. }), Err(ReportError::Malformed { .. })) => true,
            (fast, general) => fast == general,
        }
    })
}

const SAMPLES: [&str; 4] = [SPOT_FILL, FUTURES_FILL, REPLACE_REFUSED, PLACE_DONE];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn readers_agree_on_mutated_messages(
        sample in 0..SAMPLES.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..5u8), 0..5),
        interesting in prop::collection::vec(prop::sample::select(
            br#"{}[]":,0123456789.-+eE\u tfn"#.to_vec()), 5),
    ) {
        let mut text = SAMPLES[sample].as_bytes().to_vec();
        for ((at, byte, how), nice) in edits.iter().zip(interesting) {
            if text.is_empty() { break; }
            let at = at.index(text.len());
            match how {
                0 => text[at] = *byte,
                1 => text[at] = nice,
                2 => text.insert(at, nice),
                3 => { text.remove(at); }
                _ => text.truncate(at),
            }
        }
        prop_assert!(readers_agree(&text), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn readers_agree_on_noise(text in prop::collection::vec(
        prop::sample::select(br#"{}[]":,0123456789.-+eE tfnrualseo"#.to_vec()), 0..40)) {
        prop_assert!(readers_agree(&text), "{}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn readers_agree_on_corners() {
    let deep = |n: usize| format!("{{\"x\":{}{}}}", "[".repeat(n), "]".repeat(n));
    let corners = [
        deep(126),
        deep(127),
        deep(128),
        deep(500),
        r#"{"e":1,"e":"balanceUpdate"}"#.into(),
        r#"{"\u0065":"balanceUpdate"}"#.into(),
        r#"{"event":{"e":"balanceUpdate"},"event":5}"#.into(),
        r#"{"status":200,"id":-0}"#.into(),
        r#"{"status":1e999}"#.into(),
        r#"{"status":200} x"#.into(),
        "".into(),
        "[]".into(),
        " \n{}\t".into(),
        r#"{"status":18446744073709551616}"#.into(),
        "{\"a\":\"\u{1}\"}".into(),
        r#"{"status":70000}"#.into(),
        r#"{"status":400,"error":null}"#.into(),
    ];
    for text in &corners {
        assert!(readers_agree(text.as_bytes()), "{text}");
    }
}

#[test]
fn canary_a_spoiled_reading_is_caught() {
    let spoiled = SPOT_FILL.replace("0.00500000", "0.00500001");
    let honest = decoder(Family::Spot).decode(SPOT_FILL.as_bytes());
    assert_ne!(honest, decoder(Family::Spot).decode_general(spoiled.as_bytes()));
}
