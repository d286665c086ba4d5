//! Order entry, both sides of it: what the venue reports, what we ask for, what the venue in a box
//! reads of a request, REST answers, exchange information.

use super::Bytes;
use super::market::instruments;
use bot4::lab::exchange::wire::names::Names;
use bot4::lab::exchange::wire::parameters::Parameters;
use bot4::lab::exchange::wire::requests::{Call, OrderReader, Request};
use bot4::lab::exchange::wire::rest::RestCall;
use bot4::net::http::Method;
use bot4::record::{Instrument, Intent, OrderAction, OrderType, TimeInForce};
use bot4::units::{InstrumentId, Lots, OrderId, Side, Ticks, UnixNanos, VenueId};
use bot4::venue::binance::orders::{
    EncodeError, OrderMessage, REQUEST_LEN_MAX, ReportDecoder, ReportError, RequestEncoder,
    RequestId, client_id, parse_client_id, plain,
};
use bot4::venue::binance::session::answer;
use bot4::venue::binance::{Family, metadata as information};
use serde_json::Value;
use std::cell::RefCell;

pub(crate) const FAMILIES: [Family; 3] = [Family::Spot, Family::UsdM, Family::CoinM];
/// Order ids of this epoch stand for other clients' texts at the venue in a box.
const FOREIGN_EPOCH: u32 = (1 << 24) - 1;
pub(crate) const NOW: UnixNanos = UnixNanos(1_700_000_000_123_000_000);

/// The first byte says of which family; the rest is a message of the order session.
pub fn report(data: &[u8]) -> bool {
    let Some((family, text)) = data.split_first() else { return false };
    let family = FAMILIES[usize::from(family % 3)];
    let listed = instruments(family);
    let mut decoder = ReportDecoder::new(family, listed);
    let (fast, general) = (decoder.decode(text), decoder.decode_general(text));
    match (&fast, &general) {
        // Where a broken text breaks is for each reader to say.
        (Err(ReportError::Malformed { at }), Err(ReportError::Malformed { .. })) => {
            assert!(*at <= text.len(), "byte {at} of {}", text.len());
        }
        _ => assert_eq!(fast, general, "{}", String::from_utf8_lossy(text)),
    }
    if let Ok(OrderMessage::Response(response)) = fast {
        let orders = response.reports().count();
        let doubts = response.in_doubt().iter().flatten().count();
        assert!(orders + doubts <= 2, "an answer is about at most two orders: {response:?}");
    }
    if let Ok(OrderMessage::Report(report)) = fast {
        assert!(listed.iter().any(|of| of.id == report.instrument), "a report of a listed one");
        assert_eq!(parse_client_id(&id_text(report.order)), Some(report.order));
    }
    fast.is_ok()
}

fn id_text(order: OrderId) -> String {
    client_id(order).iter().map(|byte| char::from(*byte)).collect()
}

/// An intent out of any bytes: both encoders say the same, and the venue reads what was meant.
pub fn intent(data: &[u8]) -> bool {
    let mut bytes = Bytes(data);
    let family = FAMILIES[usize::from(bytes.byte() % 3)];
    let intent = Intent {
        action: [
            OrderAction::Place,
            OrderAction::Cancel,
            OrderAction::Replace,
            OrderAction::CancelAll,
        ][usize::from(bytes.byte() % 4)],
        instrument: InstrumentId(u32::from(bytes.byte() % 3)),
        side: [Side::Buy, Side::Sell][usize::from(bytes.byte() % 2)],
        order_type: [OrderType::Limit, OrderType::PostOnly, OrderType::Market]
            [usize::from(bytes.byte() % 3)],
        time_in_force: [
            TimeInForce::GoodTillCancel,
            TimeInForce::ImmediateOrCancel,
            TimeInForce::FillOrKill,
        ][usize::from(bytes.byte() % 3)],
        reduce_only: bytes.byte() % 2 == 1,
        order: OrderId(bytes.word()),
        replaces: OrderId(bytes.word()),
        price: Ticks(bytes.word() as i64),
        lots: Lots(bytes.word() as i64),
    };
    let listed = instruments(family);
    let mut out = [0; REQUEST_LEN_MAX];
    let fast = encoded(family, &intent, &mut out);
    let instrument = listed.iter().find(|of| of.id == intent.instrument);
    let meant = instrument.and_then(|of| plain::request(family, of, &intent, NOW));
    assert_eq!(fast.is_ok(), meant.is_some(), "{family:?} {intent:?}: {fast:?}");
    let (Ok(len), Some(meant)) = (fast, meant) else { return false };
    let tree: Value = serde_json::from_slice(&out[..len]).expect("a request is JSON");
    assert_eq!(plain_numbers(tree), plain_numbers(meant), "{family:?} {intent:?}");
    let own = |order: OrderId| order.epoch() < FOREIGN_EPOCH;
    if own(intent.order) && own(intent.replaces) {
        let read = venue_reads(family, listed, &out[..len]).expect("the venue reads our requests");
        assert_eq!(read.map(|read| read.action), Ok(intent.action));
        if let Ok(read) = read
            && intent.action == OrderAction::Place
        {
            assert_eq!(
                (read.order, read.lots, read.side),
                (intent.order, intent.lots, intent.side)
            );
        }
    }
    true
}

thread_local! {
    static ENCODERS: RefCell<[RequestEncoder; 3]> =
        RefCell::new(FAMILIES.map(|family| RequestEncoder::new(family, instruments(family))));
}

/// Through an encoder that has written other requests before, as a lane's has.
fn encoded(family: Family, intent: &Intent, out: &mut [u8]) -> Result<usize, EncodeError> {
    ENCODERS.with_borrow_mut(|encoders| encoders[family as usize].encode(intent, NOW, out))
}

/// Prices and sizes as numbers of one spelling: `61800.20` and `61800.2` are one price.
fn plain_numbers(mut tree: Value) -> Value {
    for name in ["price", "quantity"] {
        if let Some(text) = tree["params"].get(name).and_then(Value::as_str) {
            let number = bot4::units::Decimal::parse(text).expect("a decimal").to_string();
            tree["params"][name] = number.into();
        }
    }
    tree
}

/// The intent that the venue in a box reads; `None` where the text asks for something else.
fn venue_reads(family: Family, listed: &[Instrument], text: &[u8]) -> Option<Result<Intent, i32>> {
    let request = Request::read(text);
    assert!(serde_json::from_str::<Value>(&request.id).is_ok(), "the id is echoed as JSON");
    let Ok((Call::Order(action), params)) = request.call else { return None };
    Some(order_of(family, listed, action, &params))
}

fn order_of(
    family: Family,
    listed: &[Instrument],
    action: OrderAction,
    params: &Parameters,
) -> Result<Intent, i32> {
    let mut names = Names::default();
    let mut reader = OrderReader {
        family,
        instruments: listed,
        names: &mut names,
        by_venue_order: &|_, number| (number < 1 << 40).then(|| OrderId::new(1, number)),
    };
    reader.read(action, params).map_err(|refusal| {
        assert!(refusal.code < 0 && !refusal.text.is_empty(), "a refusal in the venue's words");
        refusal.code
    })
}

/// The first byte: the family, and whether a WebSocket request or a REST target and its query follow.
pub fn request(data: &[u8]) -> bool {
    let Some((first, text)) = data.split_first() else { return false };
    let family = FAMILIES[usize::from(first % 3)];
    let listed = instruments(family);
    let intent = if first & 0x80 == 0 {
        match venue_reads(family, listed, text) {
            Some(intent) => intent,
            None => return Request::read(text).call.is_ok(),
        }
    } else {
        let Ok(target) = std::str::from_utf8(text) else { return false };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let params = Parameters::of_query(query);
        let methods = [Method::Get, Method::Post, Method::Put, Method::Delete];
        let method = methods[usize::from(first >> 4 & 3)];
        let Some(call) = RestCall::read(family, method, path) else { return false };
        let levels = params.whole("limit").unwrap_or(500) as usize;
        assert!(call.weight(family, levels) <= 1_000, "{call:?} weighs too much");
        let RestCall::Order(action) = call else { return true };
        order_of(family, listed, action, &params)
    };
    let Ok(intent) = intent else { return false };
    // What the venue understood, our encoder can ask for again, in words that mean the same.
    let mut out = [0; REQUEST_LEN_MAX];
    let own = [intent.order, intent.replaces].iter().all(|of| of.epoch() < FOREIGN_EPOCH);
    if own && let Ok(len) = encoded(family, &intent, &mut out) {
        let again = venue_reads(family, listed, &out[..len]);
        assert_eq!(again, Some(Ok(intent)), "{}", String::from_utf8_lossy(text));
    }
    true
}

/// The first byte: which answer of which family; the rest is its body.
pub fn answer(data: &[u8]) -> bool {
    let Some((first, body)) = data.split_first() else { return false };
    let listed = instruments(FAMILIES[usize::from(first % 3)]);
    // An answer reads the same when its JSON is written anew, unless a key stood twice.
    let anew = serde_json::from_slice::<Value>(body).ok().map(|tree| tree.to_string());
    let anew = anew.as_deref().map(str::as_bytes);
    match first >> 4 {
        0 => same(anew, body, &|body| said(answer::open_orders(body, listed))),
        1 => same(anew, body, &|body| said(answer::order(body, listed))),
        2 => same(anew, body, &|body| said(answer::account(body, listed))),
        3 => same(anew, body, &|body| said(answer::trades(body, listed))),
        4 => same(anew, body, &|body| said(answer::rate_limits(body))),
        5 => {
            if let Ok(key) = answer::listen_key(body) {
                assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "it becomes a path");
            }
            same(anew, body, &|body| said(answer::listen_key(body)))
        }
        6 => {
            let header = std::str::from_utf8(body).ok();
            answer::retry_after(header).is_some()
        }
        7 => {
            let id = std::str::from_utf8(body).map(RequestId::parse);
            matches!(id, Ok(RequestId::Order(_) | RequestId::Session(_)))
        }
        _ => {
            let statuses = [200, 204, 400, 403, 418, 429, 500, 503];
            let status = statuses[usize::from(first >> 4) - 8];
            let checked = answer::check(status, body, None);
            assert_eq!(checked.is_ok(), status < 300);
            checked.is_err_and(|error| error.code().is_some())
        }
    }
}

/// The answer, or the words it was refused with.
fn said<T>(read: Result<T, answer::AnswerError>) -> Result<T, String> {
    read.map_err(|error| error.to_string())
}

fn same<T: PartialEq + std::fmt::Debug>(
    anew: Option<&[u8]>,
    body: &[u8],
    read: &dyn Fn(&[u8]) -> Result<T, String>,
) -> bool {
    match read(body) {
        Ok(value) => {
            // What nobody asks for is skipped, and may hold what no tree can: a number beyond all.
            if let Some(anew) = anew {
                assert_eq!(read(anew), Ok(value), "{}", String::from_utf8_lossy(body));
            }
            true
        }
        Err(words) => {
            assert!(!words.is_empty(), "a refusal says why");
            false
        }
    }
}

/// The first byte: the family; the rest is exchange information.
pub fn metadata(data: &[u8]) -> bool {
    let Some((family, body)) = data.split_first() else { return false };
    let family = FAMILIES[usize::from(family % 3)];
    let symbols: Vec<String> =
        instruments(family).iter().map(|of| of.symbol.as_str().to_owned()).collect();
    let mut accepted = false;
    for symbol in &symbols {
        match information::instruments(body, family, VenueId(0), &[symbol]) {
            Ok(listed) => {
                accepted = true;
                assert_eq!(listed.len(), 1, "one was asked for");
                check_instrument(&listed[0]);
            }
            Err(error) => assert!(!error.to_string().is_empty(), "a refusal says why"),
        }
    }
    accepted
}

fn check_instrument(of: &Instrument) {
    assert!(of.tick.step().mantissa > 0 && of.lot.step().mantissa > 0, "{of:?}");
    assert!(of.filters.lots_min <= of.filters.lots_max, "{of:?}");
    assert!(of.filters.price_min <= of.filters.price_max, "{of:?}");
    assert!(of.multiplier.mantissa > 0, "{of:?}");
    for (grid, steps) in [(of.tick, of.filters.price_min.0), (of.lot, of.filters.lots_min.0)] {
        // A bound far above what 63 bits of the grid's digits hold saturates, and says so by name.
        if let Some(mantissa) = steps.checked_mul(grid.step().mantissa) {
            let decimal = grid.decimal(steps);
            assert_eq!(decimal.mantissa, mantissa);
            assert_eq!(grid.steps_of(decimal), Ok(steps), "{of:?}");
        }
    }
}
