//! Signatures against published and openssl answers, the life of a session, budgets, REST.

use crate::net::http::Method;
use crate::record::{Instrument, OrderState, OrderType, Symbol};
use crate::units::VenueId;
use crate::units::{Currency, InstrumentId, Lots, Money, Nanos, OrderId, Side, Ticks, UnixNanos};
use crate::venue::binance::orders::{
    ErrorText, RateCount, RateKind, RateUsage, RequestId, Response, VenueError,
};
use crate::venue::binance::session::encoding::{base64, from_base64, percent};
use crate::venue::binance::session::*;
use crate::venue::binance::{Family, metadata};
use proptest::prelude::*;

/// Test 1 of RFC 8032, section 7.1, wrapped as PKCS#8: a published key, worth nothing.
const PEM: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
const WALL: UnixNanos = UnixNanos(1_700_000_000_123_000_000);

fn instruments(family: Family) -> Vec<Instrument> {
    let all: serde_json::Value =
        serde_json::from_slice(include_bytes!("../instruments.json")).unwrap();
    let info = all[family.name()].to_string();
    metadata::instruments(info.as_bytes(), family, VenueId(0), &["BTCUSDT"]).unwrap()
}

#[test]
fn hmac_signs_as_rfc_4231_says() {
    let signer = Signer::hmac("key", "Jefe").unwrap();
    assert_eq!(
        signer.sign(b"what do ya want for nothing?").as_str(),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    assert!(!signer.can_log_on());
}

#[test]
fn ed25519_signs_as_rfc_8032_says() {
    let signer = Signer::ed25519("key", PEM).unwrap();
    let public = signer.public_key().unwrap();
    assert_eq!(public[..4], [0xd7, 0x5a, 0x98, 0x01]);
    let bytes = from_base64(signer.sign(b"").as_str()).unwrap();
    assert_eq!(bytes[..8], [0xe5, 0x56, 0x43, 0x00, 0xc3, 0x60, 0xac, 0x72]);
    assert_eq!(bytes.len(), 64);
    let verifier = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public);
    let signature = from_base64(signer.sign(b"payload").as_str()).unwrap();
    verifier.verify(b"payload", &signature).unwrap();
    assert!(verifier.verify(b"other", &signature).is_err(), "canary");
}

#[test]
fn keys_are_never_printed() {
    let signer = Signer::hmac("abcdefghij", "verysecret").unwrap();
    let shown = format!("{signer:?} {:?}", signer.sign(b"x"));
    assert_eq!(shown, "Signer(HMAC-SHA256, abcd…) SignatureText(…)");
    let request = rest::account(Family::Spot, &signer, WALL);
    assert!(!format!("{request:?}").contains("signature"));
}

#[test]
fn key_texts_of_every_kind() {
    let of = |text: &str| {
        KeyText::parse("keys/a", text).map(|key| (key.is_secret(), key.signer("keys/a")))
    };
    let (secret, signer) = of("# mine\napi_key = \"abc\"\nsecret=\"s\"\n").unwrap();
    assert!(secret && !signer.unwrap().can_log_on());
    for text in [format!("api_key = \"abc\"\n{PEM}"), format!("{PEM}\napi_key=\"abc\"")] {
        let (secret, signer) = of(&text).unwrap();
        assert!(secret && signer.unwrap().can_log_on());
    }
    let text = "api_key = \"abc\"\nprivate_key_file=\"key.age\"\n";
    let named = KeyText::parse("keys/a", text).unwrap();
    assert_eq!((named.is_secret(), &named.material), (false, &Material::PemFile("key.age")));
    assert_eq!(format!("{named:?}"), "KeyText(abc…, PemFile)");
}

#[test]
fn key_faults_name_place_and_line_and_nothing_else() {
    let said = |text: &str| {
        let refused = KeyText::parse("keys/a", text).and_then(|key| key.signer("keys/a"));
        refused.unwrap_err().to_string()
    };
    let typo = said("api_key = \"abc\"\n\nsecert = \"hunter2\"\n");
    assert!(typo.starts_with("keys/a, line 3: expected") && !typo.contains("hunter2"), "{typo}");
    assert!(said("api_key = \"abc\"\n").contains("exactly one of `secret`"));
    assert!(said("secret = \"abc\"\n").contains("`api_key` is not set"));
    assert!(said("api_key = \"a\"\nsecret = \"b\"\nsecret = \"c\"\n").contains("line 3"));
    let both = format!("api_key = \"a\"\nsecret = \"b\"\n{PEM}");
    assert!(said(&both).contains("exactly one"), "{both}");
    assert!(said("api_key = \"a\"\n-----BEGIN PRIVATE KEY-----\nMC4C\n").contains("line 2"));
    assert!(said("api_key = \"a\\\"b\"\nsecret = \"s\"").contains("letters and digits"));
    assert!(said("api_key = \"abc\"\nsecret = \"\"").contains("the secret is empty"));
    for bad in ["", "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----"] {
        assert!(matches!(Signer::ed25519("abc", bad), Err(KeyError::Pem { .. })));
    }
}

proptest! {
    #[test]
    fn base64_round_trips(bytes in prop::collection::vec(any::<u8>(), 1..100)) {
        let mut text = vec![0; bytes.len().div_ceil(3) * 4];
        let length = base64(&bytes, &mut text);
        let text = std::str::from_utf8(&text[..length]).unwrap();
        prop_assert_eq!(from_base64(text).map(|read| read.to_vec()), Some(bytes));
    }

    #[test]
    fn base64_never_panics(text in "[A-Za-z0-9+/= \n]{0,40}") {
        let _ = from_base64(&text);
    }
}

#[test]
fn percent_texts_are_plain() {
    assert_eq!(percent("a+b/c=="), "a%2Bb%2Fc%3D%3D");
}

// ---- the life of a session ----

fn settings(signer: Option<Signer>, user_data: bool) -> Settings {
    Settings::binance(signer, user_data, 7)
}

fn seconds(seconds: u64) -> Nanos {
    Nanos(seconds * 1_000_000_000)
}

fn step(session: &mut Session, event: Event<'_>, now: Nanos) -> Vec<Output> {
    session.on(event, now, WALL);
    std::iter::from_fn(|| session.output()).collect()
}

fn answered(number: u64, outcome: Result<(), VenueError>) -> Response {
    Response {
        request: RequestId::Session(number),
        status: if outcome.is_ok() { 200 } else { 400 },
        outcome,
        cancelled: false,
        retry_after: None,
        venue_order: 0,
        usage: RateUsage::NONE,
    }
}

fn refusal(code: i32) -> VenueError {
    VenueError { code, text: ErrorText::new("no") }
}

fn number_of(outputs: &[Output]) -> (Line, u64) {
    let [Output::Send(line, text)] = outputs else { panic!("{outputs:?}") };
    let tree: serde_json::Value = serde_json::from_str(text).unwrap();
    match RequestId::parse(tree["id"].as_str().unwrap()) {
        RequestId::Session(number) => (*line, number),
        other => panic!("{other:?}"),
    }
}

/// A session that is ready on its first line at second 0.
fn ready_session() -> Session {
    let mut session = Session::new(settings(None, false));
    assert_eq!(step(&mut session, Event::Timer, Nanos(0)), [Output::Connect(Line(1))]);
    assert_eq!(step(&mut session, Event::Connected(Line(1)), Nanos(0)), [Output::Ready(Line(1))]);
    session
}

#[test]
fn a_spot_session_logs_on_and_subscribes_before_it_is_ready() {
    let signer = Signer::ed25519("abc", PEM).unwrap();
    let mut session = Session::new(settings(Some(signer), true));
    step(&mut session, Event::Timer, Nanos(0));
    let sent = step(&mut session, Event::Connected(Line(1)), Nanos(0));
    let (line, logon) = number_of(&sent);
    assert!(format!("{sent:?}").contains("session.logon"));
    let sent = step(&mut session, Event::Answer(line, &answered(logon, Ok(()))), Nanos(1));
    assert!(format!("{sent:?}").contains("userDataStream.subscribe"));
    let (_, subscribe) = number_of(&sent);
    assert_eq!(session.ready(), None);
    let done = step(&mut session, Event::Answer(line, &answered(subscribe, Ok(()))), Nanos(2));
    assert_eq!(done, [Output::Ready(Line(1))]);
}

#[test]
fn refused_keys_stop_the_session_and_other_refusals_do_not() {
    let signer = Signer::ed25519("abc", PEM).unwrap();
    let mut session = Session::new(settings(Some(signer), false));
    step(&mut session, Event::Timer, Nanos(0));
    let (line, logon) = number_of(&step(&mut session, Event::Connected(Line(1)), Nanos(0)));
    let skew = answered(logon, Err(refusal(-1021)));
    assert_eq!(step(&mut session, Event::Answer(line, &skew), Nanos(1)), [Output::Close(line)]);
    assert_eq!(step(&mut session, Event::Timer, seconds(1)), [Output::Connect(Line(2))]);
    let (line, logon) = number_of(&step(&mut session, Event::Connected(Line(2)), seconds(1)));
    let bad = answered(logon, Err(refusal(-2015)));
    assert_eq!(
        step(&mut session, Event::Answer(line, &bad), seconds(1)),
        [Output::Refused(refusal(-2015)), Output::Close(line)]
    );
    assert_eq!(step(&mut session, Event::Timer, seconds(1_000)), []);
}

#[test]
fn a_replacement_stands_before_the_old_line_goes() {
    let mut session = ready_session();
    let old_age = settings(None, false).life_max;
    step(&mut session, Event::Frame(Line(1)), old_age);
    // the frame itself already notices the age
    assert_eq!(session.phase(Line(2)), Some(Phase::Connecting));
    assert_eq!(session.ready(), Some(Line(1)), "orders go on over the old line");
    let now = old_age.plus(Nanos(1));
    assert_eq!(step(&mut session, Event::Connected(Line(2)), now), [Output::Ready(Line(2))]);
    assert_eq!(session.phase(Line(1)), Some(Phase::Retiring));
    assert_eq!(step(&mut session, Event::Timer, now.plus(seconds(1))), [Output::Close(Line(1))]);
    assert_eq!(step(&mut session, Event::Closed(Line(1)), now.plus(seconds(1))), []);
    assert_eq!(session.ready(), Some(Line(2)));
}

#[test]
fn an_announced_end_brings_a_replacement_too() {
    let mut session = ready_session();
    assert_eq!(step(&mut session, Event::Ending(Line(1)), seconds(1)), [Output::Connect(Line(2))]);
}

#[test]
fn a_silent_line_is_pinged_and_given_up() {
    let mut session = ready_session();
    assert_eq!(step(&mut session, Event::Timer, seconds(9)), []);
    assert_eq!(step(&mut session, Event::Timer, seconds(10)), [Output::Ping(Line(1))]);
    step(&mut session, Event::Frame(Line(1)), seconds(13));
    assert_eq!(step(&mut session, Event::Timer, seconds(16)), [], "the pong came");
    assert_eq!(step(&mut session, Event::Timer, seconds(23)), [Output::Ping(Line(1))]);
    assert_eq!(
        step(&mut session, Event::Timer, seconds(28)),
        [Output::Close(Line(1)), Output::Down]
    );
}

#[test]
fn backoff_doubles_to_its_bound_and_repeats_with_its_seed() {
    let waits = |seed: u64| -> Vec<u64> {
        let mut session = Session::new(Settings { seed, ..settings(None, false) });
        let mut now = Nanos(0);
        let mut waits = Vec::new();
        step(&mut session, Event::Timer, now);
        for line in 1..=12 {
            assert_eq!(step(&mut session, Event::Closed(Line(line)), now), []);
            let lost = now;
            while step(&mut session, Event::Timer, now) != [Output::Connect(Line(line + 1))] {
                now = now.plus(Nanos::from_millis(10));
            }
            waits.push(now.since(lost).0 / 1_000_000);
        }
        waits
    };
    let drawn = waits(1);
    assert!((125..=260).contains(&drawn[0]), "{drawn:?}");
    assert!(drawn[11] <= 10_010 && drawn[11] >= 5_000, "{drawn:?}");
    assert_eq!(drawn, waits(1));
    assert_ne!(drawn, waits(2));
}

proptest! {
    /// Whatever happens in whatever order: at most one ready line, at most three lines, and orders
    /// are never sent over a line that is not open.
    #[test]
    fn a_session_keeps_its_bounds(events in prop::collection::vec((0..6u8, 1..6u64, 0..90u64), 0..200)) {
        let mut session = Session::new(settings(None, true));
        let mut now = Nanos(0);
        let mut open = std::collections::BTreeSet::new();
        for (kind, line, wait) in events {
            now = now.plus(seconds(wait));
            let done = answered(line, Ok(()));
            let line = Line(line);
            let event = match kind {
                0 => Event::Timer,
                1 => Event::Connected(line),
                2 => Event::Frame(line),
                3 => Event::Answer(line, &done),
                4 => Event::Ending(line),
                _ => Event::Closed(line),
            };
            if kind == 5 { open.remove(&line); }
            for output in step(&mut session, event, now) {
                match output {
                    Output::Connect(line) => prop_assert!(open.insert(line)),
                    Output::Close(line) => prop_assert!(open.remove(&line)),
                    Output::Send(line, _) | Output::Ping(line) | Output::Ready(line) => {
                        prop_assert!(open.contains(&line));
                    }
                    Output::Down | Output::Refused(_) => {}
                }
            }
            prop_assert!(open.len() <= 3, "{open:?}");
            prop_assert!(session.ready().is_none_or(|line| open.contains(&line)));
        }
    }
}

// ---- budgets ----

fn limit(kind: RateKind, interval_s: u32, limit: u32) -> RateCount {
    RateCount { kind, interval_s, limit, count: 0 }
}

#[test]
fn cancels_own_a_reserve() {
    let mut budget = Budget::new(Family::Spot, &[limit(RateKind::RequestWeight, 60, 1_000)], 20);
    let now = seconds(100);
    for order in 0..16 {
        assert_eq!(budget.take(Cost::Order, now), Ok(()), "order {order}");
    }
    let wait = budget.take(Cost::Order, now).unwrap_err();
    assert!(wait.until > now && wait.until <= now.plus(Nanos(1_125_000_000)), "{wait:?}");
    for cancel in 0..4 {
        assert_eq!(budget.take(Cost::Cancel, now), Ok(()), "cancel {cancel}");
    }
    assert!(budget.take(Cost::Cancel, now).is_err());
    assert_eq!(budget.take(Cost::Order, wait.until), Ok(()));
    assert_eq!(budget.used(RateKind::RequestWeight, 60), Some(21));
}

#[test]
fn the_venues_counts_raise_ours() {
    let mut budget = Budget::new(Family::UsdM, &[limit(RateKind::Orders, 10, 300)], 0);
    let mut usage = RateUsage::NONE;
    usage.push(RateCount { count: 300, ..limit(RateKind::Orders, 10, 300) });
    budget.observe(&usage, seconds(5));
    assert!(budget.take(Cost::Order, seconds(6)).is_err());
    assert_eq!(budget.take(Cost::Cancel, seconds(6)), Ok(()), "cancels are no orders there");
    assert_eq!(budget.take(Cost::Order, seconds(17)), Ok(()));
}

#[test]
fn a_ban_stops_everything_until_its_time() {
    let mut budget = Budget::new(Family::Spot, &[], 20);
    let until = UnixNanos(WALL.0 + 5_000_000_000);
    budget.status(418, Some(until), seconds(1), WALL);
    let wait = Wait { until: seconds(6), banned: true };
    assert_eq!(budget.take(Cost::Cancel, seconds(2)), Err(wait));
    assert_eq!(budget.take(Cost::Cancel, seconds(6)), Ok(()));
    budget.status(200, None, seconds(7), WALL);
    assert_eq!(budget.take(Cost::Order, seconds(7)), Ok(()));
}

proptest! {
    /// In no window of the interval's length, however it is aligned, do more requests leave.
    #[test]
    fn no_window_exceeds_its_limit(gaps in prop::collection::vec(0..400_000_000u64, 1..400)) {
        let mut budget = Budget::new(Family::Spot, &[], 0);
        let mut now = Nanos(5);
        let mut taken: Vec<u64> = Vec::new();
        for gap in gaps {
            now = now.plus(Nanos(gap / 8));
            if budget.take(Cost::Order, now).is_ok() { taken.push(now.0); }
            let recent = taken.iter().filter(|at| now.0 - **at < 1_000_000_000).count();
            prop_assert!(recent <= 20, "{recent} in a second");
        }
        prop_assert!(!taken.is_empty());
    }
}

// ---- REST ----

#[test]
fn rest_requests_are_signed_over_what_they_send() {
    let signer = Signer::hmac("k3y", "s3cret").unwrap();
    let symbol = Symbol::new("BTCUSDT").unwrap();
    let request = rest::open_orders(Family::UsdM, &symbol, &signer, WALL);
    let query = "symbol=BTCUSDT&recvWindow=5000&timestamp=1700000000123";
    let signature = signer.sign(query.as_bytes());
    assert_eq!(
        request.target,
        format!("/fapi/v1/openOrders?{query}&signature={}", signature.as_str())
    );
    assert_eq!(request.headers, [("X-MBX-APIKEY".to_owned(), "k3y".to_owned())]);
    assert_eq!(rest::cancel_all(Family::CoinM, &symbol, &signer, WALL).method, Method::Delete);
    assert!(rest::countdown_cancel_all(Family::Spot, &symbol, 1, &signer, WALL).is_none());
    assert!(rest::create_listen_key(Family::Spot, &signer).is_none());
    let ed25519 = Signer::ed25519("k3y", PEM).unwrap();
    let target = rest::account(Family::Spot, &ed25519, WALL).target;
    let (_, signature) = target.split_once("&signature=").unwrap();
    assert!(!signature.contains(['+', '/', '=']), "{signature}");
    assert_eq!(
        rest::depth(Family::Spot, &symbol).target,
        "/api/v3/depth?symbol=BTCUSDT&limit=5000"
    );
    assert_eq!(rest::exchange_info(Family::CoinM).target, "/dapi/v1/exchangeInfo");
}

#[test]
fn rest_answers_become_our_types() {
    let spot = instruments(Family::Spot);
    let open = r#"[{"symbol":"BTCUSDT","orderId":5,"orderListId":-1,"clientOrderId":
        "b4_000007000000002a","price":"61800.20000000","origQty":"0.01500000","executedQty":"0.00500000",
        "cummulativeQuoteQty":"0.0","status":"PARTIALLY_FILLED","timeInForce":"GTC","type":"LIMIT_MAKER",
        "side":"SELL","isWorking":true},{"symbol":"DOGEUSDT","orderId":6,"clientOrderId":"x",
        "price":"1","origQty":"1","executedQty":"0","status":"NEW","timeInForce":"GTC","type":"LIMIT",
        "side":"BUY"}]"#;
    let orders = answer::open_orders(open.as_bytes(), &spot).unwrap();
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].order, Some(OrderId::new(7, 42)));
    assert_eq!((orders[0].price, orders[0].lots), (Ticks(6_180_020), Lots(1_500)));
    assert_eq!(
        (orders[0].state, orders[0].order_type),
        (OrderState::PartlyFilled, OrderType::PostOnly)
    );
    let off = open.replace("61800.20000000", "61800.20500000");
    let said = answer::open_orders(off.as_bytes(), &spot).unwrap_err().to_string();
    assert_eq!(said, "item 0: `price` reads `61800.20500000`, which is of no use");
    let usdm = instruments(Family::UsdM);
    let held = r#"{"assets":[{"asset":"USDT","walletBalance":"23.72469206","availableBalance":"20.5"}],
        "positions":[{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"-0.015"}]}"#;
    let account = answer::account(held.as_bytes(), &usdm).unwrap();
    assert_eq!(
        account.positions,
        [answer::Position { instrument: InstrumentId(0), lots: Lots(-15), entry: None }]
    );
    assert_eq!(account.balances[0].free, Money(2_050_000_000));
    assert_eq!(account.balances[0].locked, Money(322_469_206));
    let hedged = held.replace("BOTH", "LONG");
    assert!(answer::account(hedged.as_bytes(), &usdm).is_err());
    let fills = r#"[{"symbol":"BTCUSDT","id":28457,"orderId":100234,"price":"61800.20","qty":"0.012",
        "quoteQty":"1","commission":"-0.10100000","commissionAsset":"USDT","time":1499865549590,
        "buyer":true,"maker":true,"side":"BUY"}]"#;
    let trades = answer::trades(fills.as_bytes(), &usdm).unwrap();
    assert_eq!((trades[0].side, trades[0].fee), (Side::Buy, Money(-10_100_000)));
    assert_eq!(trades[0].fee_currency, Currency::new("USDT").unwrap());
    let spot_fill = fills.replace("buyer", "isBuyer").replace(r#""maker""#, r#""isMaker""#);
    assert_eq!(answer::trades(spot_fill.as_bytes(), &usdm).unwrap(), trades);
    assert_eq!(answer::listen_key(br#"{"listenKey":"abC1"}"#).unwrap(), "abC1");
    assert!(answer::listen_key(br#"{"listenKey":"../x"}"#).is_err());
}

#[test]
fn refusals_of_rest_say_how_long_to_wait() {
    let wait = answer::retry_after(Some("7"));
    assert_eq!(wait, Some(seconds(7)));
    let body = br#"{"code":-1003,"msg":"Too many requests."}"#;
    let refused = answer::check(429, body, wait);
    assert!(matches!(refused, Err(answer::AnswerError::Venue { status: 429, wait: Some(_), .. })));
    assert!(matches!(answer::check(502, b"<html>", None), Err(answer::AnswerError::Status { .. })));
    assert!(answer::check(200, b"{}", None).is_ok());
    let info = br#"{"rateLimits":[{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,
        "limit":200000}],"symbols":[]}"#;
    let limits = answer::rate_limits(info).unwrap();
    assert_eq!(limits.counts(), [limit(RateKind::Orders, 86_400, 200_000)]);
}
