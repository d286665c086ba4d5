//! What is rendered reads back: requests of the encoder, answers, events, lists, information.

use super::answers::{self, Holding, OrderFacts, OrderView};
use super::information::exchange_information;
use super::names::Names;
use super::parameters::Parameters;
use super::refusal::Refusal;
use super::requests::{Call, OrderReader, Request};
use super::rest;
use crate::record::{
    ExecutionKind, ExecutionReport, FeeSchedule, Instrument, Intent, OrderAction, OrderState,
    OrderType, TimeInForce,
};
use crate::units::{Currency, Lots, Money, OrderId, Side, Ticks, UnixNanos, VenueId};
use crate::venue::binance::orders::{
    OrderMessage, REQUEST_LEN_MAX, RateCount, RateKind, ReportDecoder, RequestEncoder, RequestId,
};
use crate::venue::binance::session::{Signer, answer, logon};
use crate::venue::binance::{Family, metadata};
use proptest::prelude::*;

const FAMILIES: [Family; 3] = [Family::Spot, Family::UsdM, Family::CoinM];
const NOW: UnixNanos = UnixNanos(1_700_000_000_123_000_000);
const INFO: &[u8] = include_bytes!("../../../venue/binance/instruments.json");
const LIMITS: [RateCount; 2] = [
    RateCount { kind: RateKind::RequestWeight, interval_s: 60, limit: 6_000, count: 70 },
    RateCount { kind: RateKind::Orders, interval_s: 10, limit: 100, count: 12 },
];

fn instruments(family: Family) -> Vec<Instrument> {
    let all: serde_json::Value = serde_json::from_slice(INFO).unwrap();
    let names: &[&str] = match family {
        Family::CoinM => &["BTCUSD_PERP"],
        Family::Spot | Family::UsdM => &["BTCUSDT", "ETHUSDT"],
    };
    let info = all[family.name()].to_string();
    metadata::instruments(info.as_bytes(), family, VenueId(0), names).unwrap()
}

fn any_facts() -> impl Strategy<Value = OrderFacts> {
    let types =
        prop::sample::select(vec![OrderType::Limit, OrderType::PostOnly, OrderType::Market]);
    let lives = prop::sample::select(vec![
        TimeInForce::GoodTillCancel,
        TimeInForce::ImmediateOrCancel,
        TimeInForce::FillOrKill,
    ]);
    (types, lives, any::<bool>(), 0i128..1 << 80).prop_map(
        |(order_type, time_in_force, reduce_only, filled)| OrderFacts {
            order_type,
            time_in_force,
            reduce_only,
            placed: NOW,
            notional_filled: Money(filled),
        },
    )
}

fn any_report(instrument: Instrument) -> impl Strategy<Value = ExecutionReport> {
    let kinds = prop::sample::select(vec![
        ExecutionKind::Acknowledged,
        ExecutionKind::Rejected,
        ExecutionKind::Fill,
        ExecutionKind::Cancelled,
        ExecutionKind::Expired,
        ExecutionKind::Replaced,
    ]);
    let numbers = (1i64..1 << 40, 1i64..1 << 20, 0i64..1 << 20, 1u64..1 << 60, 1u64..1 << 60);
    (kinds, any::<u64>(), numbers, -1_000_000i128..1_000_000, any::<(bool, bool)>()).prop_map(
        move |(kind, order, (price, last, before, venue_order, trade), fee, (sells, maker))| {
            let fill = kind == ExecutionKind::Fill;
            ExecutionReport {
                kind,
                instrument: instrument.id,
                order: OrderId(order & !(0xff_ffff << OrderId::COUNTER_BITS) | 7 << 40),
                venue_order,
                trade_id: if fill { trade } else { 0 },
                side: if sells { Side::Sell } else { Side::Buy },
                price: Ticks(price),
                lots: Lots(last + before + 5),
                last_price: Ticks(if fill { price + 1 } else { 0 }),
                last_lots: Lots(if fill { last } else { 0 }),
                filled_lots: Lots(if fill { before + last } else { before }),
                fee: Money(if fill { fee } else { 0 }),
                fee_currency: if fill { instrument.settle } else { Currency::default() },
                maker: fill && maker,
                reject_code: if kind == ExecutionKind::Rejected { -2010 } else { 0 },
                venue_time: NOW,
            }
        },
    )
}

proptest! {
    #[test]
    fn events_read_back_as_the_same_report(
        (spot, usd, coin) in (
            any_report(instruments(Family::Spot)[1]),
            any_report(instruments(Family::UsdM)[0]),
            any_report(instruments(Family::CoinM)[0]),
        ),
        facts in any_facts(),
    ) {
        for (family, report) in FAMILIES.into_iter().zip([spot, usd, coin]) {
            let listed = instruments(family);
            let instrument = &listed[report.instrument.0 as usize];
            let names = Names::default();
            let text = names.text(report.order);
            let view = OrderView::of(&report, instrument, &text, facts);
            let mut event = Vec::new();
            answers::execution(&mut event, family, &report, &view, NOW);
            let mut wrapped = Vec::new();
            answers::open_event(&mut wrapped);
            wrapped.extend_from_slice(&event);
            wrapped.push(b'}');
            let mut decoder = ReportDecoder::new(family, &listed);
            for text in [event, wrapped] {
                let general = decoder.decode_general(&text);
                prop_assert_eq!(&decoder.decode(&text), &general);
                let shown = String::from_utf8_lossy(&text);
                prop_assert_eq!(general, Ok(OrderMessage::Report(report)), "{}", shown);
            }
        }
    }

    #[test]
    fn requests_read_back_as_the_same_intent(
        action in prop::sample::select(vec![
            OrderAction::Place, OrderAction::Cancel, OrderAction::Replace, OrderAction::CancelAll,
        ]),
        facts in any_facts(),
        (order, price, lots, sells) in (1u64..1 << 39, 1i64..1 << 30, 1i64..1 << 30, any::<bool>()),
        signed in any::<bool>(),
    ) {
        for family in FAMILIES {
            if action == OrderAction::CancelAll && family.is_futures() {
                continue;
            }
            let listed = instruments(family);
            let in_place = family.is_futures() && action == OrderAction::Replace;
            let sized = matches!(action, OrderAction::Place | OrderAction::Replace);
            let described = sized && !in_place;
            let order_type = if described { facts.order_type } else { OrderType::Limit };
            let plain = order_type != OrderType::Limit || !described;
            let own = OrderId::new(3, order);
            let intent = Intent {
                action,
                instrument: listed[0].id,
                order: if action == OrderAction::CancelAll { OrderId(0) } else { own },
                replaces: match action {
                    OrderAction::Replace if in_place => own,
                    OrderAction::Replace => OrderId::new(3, order + 1),
                    _ => OrderId(0),
                },
                side: if sells && sized { Side::Sell } else { Side::Buy },
                order_type,
                time_in_force: if plain { TimeInForce::GoodTillCancel } else { facts.time_in_force },
                reduce_only: facts.reduce_only && action == OrderAction::Place && family.is_futures(),
                price: Ticks(if sized && order_type != OrderType::Market { price } else { 0 }),
                lots: Lots(if sized { lots } else { 0 }),
            };
            let signer = Signer::hmac("k3y", "s3cret").unwrap();
            let with = signed.then(|| signer.clone());
            let mut encoder = RequestEncoder::with(family, &listed, None, with);
            let mut out = [0; REQUEST_LEN_MAX];
            let length = encoder.encode(&intent, NOW, &mut out).unwrap();
            let request = Request::read(&out[..length]);
            let (call, params) = request.call.unwrap();
            prop_assert_eq!(call, Call::Order(action));
            let id: String = serde_json::from_str(&request.id).unwrap();
            prop_assert!(matches!(RequestId::parse(&id), RequestId::Order(_)));
            let verified = params.verify("k3y", Some(&signer), NOW);
            prop_assert_eq!(verified, if signed { Ok(()) } else { Err(Refusal::missing("signature")) });
            let mut names = Names::default();
            let mut reader = OrderReader {
                family, instruments: &listed, names: &mut names, by_venue_order: &|_, _| None,
            };
            prop_assert_eq!(reader.read(action, &params), Ok(intent));
        }
    }

    #[test]
    fn mutated_requests_are_refused_or_read_and_never_panic(
        at in 0usize..200, byte in any::<u8>(), cut in 0usize..300,
    ) {
        let good = br#"{"id":"p000000007000000002a","method":"order.place","params":{"newClientOrderId":"b4_000007000000002a","newOrderRespType":"ACK","price":"61800.20","quantity":"0.01500","side":"BUY","symbol":"BTCUSDT","timeInForce":"GTC","timestamp":1700000000123,"type":"LIMIT"}}"#;
        let mut text = good.to_vec();
        text[at] = byte;
        text.truncate(cut);
        for family in FAMILIES {
            let listed = instruments(family);
            let request = Request::read(&text);
            let Ok((Call::Order(action), params)) = request.call else { continue };
            let mut names = Names::default();
            let mut reader = OrderReader {
                family, instruments: &listed, names: &mut names, by_venue_order: &|_, _| None,
            };
            if let Err(refusal) = reader.read(action, &params) {
                prop_assert!(refusal.code < 0 && !refusal.text.is_empty());
            }
        }
    }
}

#[test]
fn answers_read_back_with_their_refusals() {
    let listed = instruments(Family::Spot);
    let mut decoder = ReportDecoder::new(Family::Spot, &listed);
    let mut out = Vec::new();
    answers::success(&mut out, "\"s0000000000000001\"", b"{\"orderId\":77}", &LIMITS);
    let Ok(OrderMessage::Response(done)) = decoder.decode(&out) else { panic!("no answer") };
    assert_eq!((done.request, done.venue_order), (RequestId::Session(1), 77));
    assert_eq!((done.outcome, done.usage.counts()), (Ok(()), LIMITS.as_slice()));
    let mut text = Vec::new();
    let why = Refusal::of_status(429, -1003, "Too \"many\"");
    answers::failure(&mut text, "null", &why, Some(b"{\"retryAfter\":5}"), &[]);
    let Ok(OrderMessage::Response(refused)) = decoder.decode(&text) else { panic!("no answer") };
    let error = refused.outcome.unwrap_err();
    assert_eq!((refused.status, error.code, error.text.as_str()), (429, -1003, "Too \"many\""));
    assert_eq!(refused.retry_after, Some(UnixNanos::from_millis(5)));
}

#[test]
fn a_failed_cancel_replace_says_which_leg_failed() {
    let family = Family::Spot;
    let listed = instruments(family);
    let facts = OrderFacts {
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        placed: NOW,
        notional_filled: Money(0),
    };
    let view = OrderView {
        instrument: &listed[0],
        client_id: "b4_0000070000000029",
        venue_order: 5,
        side: Side::Buy,
        price: Ticks(100),
        lots: Lots(5),
        filled: Lots(0),
        status: "CANCELED",
        facts,
        time: NOW,
    };
    let id = "\"r000000007000000002a0000070000000029\"";
    let mut decoder = ReportDecoder::new(family, &listed);
    for (cancelled, code, expected) in [
        (Some(&view), -2021, vec![(ExecutionKind::Rejected, -2010)]),
        (None, -2022, vec![(ExecutionKind::Rejected, -2011)]),
    ] {
        let why =
            if cancelled.is_some() { Refusal::new(-2010, "x") } else { Refusal::UNKNOWN_ORDER };
        let (mut data, mut text) = (Vec::new(), Vec::new());
        answers::replace_failure(&mut data, cancelled, family, &why);
        let outer = Refusal::of_status(409, code, "Order cancel-replace failed.");
        answers::failure(&mut text, id, &outer, Some(&data), &[]);
        let Ok(OrderMessage::Response(answer)) = decoder.decode(&text) else { panic!("no answer") };
        let reports: Vec<_> = answer.reports().map(|of| (of.kind, of.reject_code)).collect();
        assert_eq!(reports, expected);
    }
}

#[test]
fn lists_read_back() {
    for family in FAMILIES {
        let listed = instruments(family);
        let facts = OrderFacts {
            order_type: OrderType::PostOnly,
            time_in_force: TimeInForce::GoodTillCancel,
            reduce_only: false,
            placed: NOW,
            notional_filled: Money(3),
        };
        let view = OrderView {
            instrument: &listed[0],
            client_id: "b4_000007000000002a",
            venue_order: 5,
            side: Side::Sell,
            price: Ticks(100),
            lots: Lots(5),
            filled: Lots(2),
            status: "PARTIALLY_FILLED",
            facts,
            time: NOW,
        };
        let mut body = Vec::new();
        rest::orders(&mut body, family, &[view]);
        let orders = answer::open_orders(&body, &listed).unwrap();
        assert_eq!(orders[0].order, Some(OrderId::new(7, 42)));
        assert_eq!(
            (orders[0].state, orders[0].order_type),
            (OrderState::PartlyFilled, OrderType::PostOnly)
        );
        assert_eq!((orders[0].lots, orders[0].filled_lots), (Lots(5), Lots(2)));
        let mut body = Vec::new();
        answers::order(&mut body, family, &OrderView { status: "CANCELED", ..view });
        let over = answer::order(&body, &listed).unwrap().unwrap();
        assert_eq!((over.state, over.filled_lots), (OrderState::Cancelled, Lots(2)));
        let holdings = [Holding { asset: listed[0].quote, amount: Money(-5) }];
        let mut body = Vec::new();
        rest::account(&mut body, family, &holdings, &[(&listed[0], Lots(-3), 61_800.25)]);
        let account = answer::account(&body, &listed).unwrap();
        assert_eq!(account.balances[0].free, Money(-5));
        let positions: Vec<Lots> = account.positions.iter().map(|of| of.lots).collect();
        assert_eq!(positions, if family.is_futures() { vec![Lots(-3)] } else { vec![] });
        let fill = ExecutionReport {
            kind: ExecutionKind::Fill,
            instrument: listed[0].id,
            order: OrderId(1),
            venue_order: 5,
            trade_id: 9,
            side: Side::Sell,
            price: Ticks(100),
            lots: Lots(5),
            last_price: Ticks(101),
            last_lots: Lots(2),
            filled_lots: Lots(2),
            fee: Money(-7),
            fee_currency: listed[0].settle,
            maker: true,
            reject_code: 0,
            venue_time: NOW,
        };
        let mut body = Vec::new();
        rest::trades(&mut body, family, &listed[0], &[fill]);
        let trades = answer::trades(&body, &listed).unwrap();
        assert_eq!(
            (trades[0].fee, trades[0].price, trades[0].maker),
            (Money(-7), Ticks(101), true)
        );
    }
}

#[test]
fn information_reads_back_as_the_same_instruments() {
    for family in FAMILIES {
        let listed = instruments(family);
        let mut body = Vec::new();
        exchange_information(&mut body, family, &listed, &LIMITS, NOW);
        let names: Vec<&str> = listed.iter().map(|of| of.symbol.as_str()).collect();
        let back = metadata::instruments(&body, family, VenueId(0), &names).unwrap();
        let bare: Vec<Instrument> =
            listed.iter().map(|of| Instrument { fees: FeeSchedule::default(), ..*of }).collect();
        assert_eq!(back, bare, "{}", String::from_utf8_lossy(&body));
        assert_eq!(answer::rate_limits(&body).unwrap().counts().len(), LIMITS.len());
    }
}

#[test]
fn logons_are_verified_with_either_kind_of_key() {
    // The example of RFC 8410, section 10.3.
    let pem = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    let keys = [Signer::ed25519("k3y", pem).unwrap(), Signer::hmac("k3y", "s3cret").unwrap()];
    for signer in &keys {
        let read = |text: &str| Request::read(text.as_bytes()).call.unwrap();
        let (call, params) = read(&logon::logon(1, signer, NOW));
        assert_eq!(call, Call::Logon);
        let verify = |params: &Parameters, at| params.verify("k3y", Some(signer), at);
        assert_eq!(verify(&params, NOW), Ok(()));
        assert_eq!(verify(&params, UnixNanos(NOW.0 + 6_000_000_000)), Err(Refusal::CLOCK));
        assert_eq!(params.verify("other", Some(signer), NOW), Err(Refusal::KEY));
        let spoiled =
            logon::logon(1, signer, NOW).replace("\"recvWindow\":5000", "\"recvWindow\":5001");
        assert_eq!(verify(&read(&spoiled).1, NOW), Err(Refusal::SIGNATURE));
        let other = Signer::hmac("k3y", "another").unwrap();
        assert_eq!(params.verify("k3y", Some(&other), NOW), Err(Refusal::SIGNATURE));
    }
}

#[test]
fn garbage_gets_the_venues_words() {
    for (text, code) in [
        ("", -1135),
        ("[1,2]", -1135),
        ("{\"id\":{}}", -1100),
        ("{\"id\":1}", -1102),
        ("{\"id\":1,\"method\":\"order.dance\"}", -1020),
        ("{\"id\":1,\"method\":\"ping\",\"params\":[1]}", -1100),
        ("{\"id\":1,\"method\":\"order.place\",\"params\":{\"symbol\":[]}}", -1102),
    ] {
        assert_eq!(Request::read(text.as_bytes()).call.unwrap_err().code, code, "{text}");
    }
    let listed = instruments(Family::Spot);
    let read = |params: &str| {
        let mut names = Names::default();
        let mut reader = OrderReader {
            family: Family::Spot,
            instruments: &listed,
            names: &mut names,
            by_venue_order: &|_, _| None,
        };
        reader.read(OrderAction::Place, &Parameters::of_query(params)).unwrap_err().code
    };
    let order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=5";
    for (from, to, code) in [
        ("BTCUSDT", "NOPE", -1121),
        ("symbol=BTCUSDT&", "", -1102),
        ("BUY", "HOLD", -1117),
        ("=LIMIT", "=STOP", -1116),
        ("GTC", "GTX", -1115),
        ("quantity=1", "quantity=-1", -1100),
        ("quantity=1", "quantity=0.0000000001", -1013),
        ("price=5", "price=5.001", -1013),
        ("price=5", "price=99999999999999999999", -1111),
        ("price=5", "price=5&newClientOrderId=a b", -1100),
    ] {
        assert_eq!(read(&order.replace(from, to)), code, "{from} -> {to}");
    }
}
