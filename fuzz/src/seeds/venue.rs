//! Seeds in Binance's formats, each written by the venue in a box or by our own encoder.

use super::super::market::instruments;
use super::super::orders::{FAMILIES, NOW};
use super::{headed, lines};
use bot4::lab::exchange::wire::answers::{self, Holding, OrderFacts, OrderView};
use bot4::lab::exchange::wire::information::exchange_information;
use bot4::lab::exchange::wire::{market, refusal::Refusal, rest as lists};
use bot4::record::{
    BookTicker, DepthDiff, DepthSnapshot, ExecutionKind, ExecutionReport, Instrument, Intent,
    Level, OrderAction, OrderType, TimeInForce, Trade,
};
use bot4::units::{Lots, Money, OrderId, Side, Ticks, UnixNanos};
use bot4::venue::binance::Family;
use bot4::venue::binance::orders::{
    REQUEST_LEN_MAX, RateCount, RateKind, RequestEncoder, client_id,
};
use bot4::venue::binance::session::{Signer, logon, rest};

const ORDER: OrderId = OrderId::new(7, 42);
const OLDER: OrderId = OrderId::new(7, 41);
const LIMITS: [RateCount; 2] = [
    RateCount { kind: RateKind::RequestWeight, interval_s: 60, limit: 6_000, count: 70 },
    RateCount { kind: RateKind::Orders, interval_s: 10, limit: 100, count: 12 },
];

/// One market frame of every kind, bare.
pub(crate) fn frames_of(family: Family) -> Vec<Vec<u8>> {
    let listed = instruments(family);
    let of = &listed[0];
    let level = |price: i64, lots: i64| Level { price: Ticks(price), lots: Lots(lots) };
    let bids = [level(618_002, 2_909), level(618_001, 0), level(617_900, 14)];
    let asks = [level(618_003, 8), level(619_900, 1_211)];
    let is_spot = family == Family::Spot;
    let diff = DepthDiff {
        instrument: of.id,
        first_update: 50_093_239_189,
        last_update: 50_093_239_202,
        previous_update: Some(50_093_239_188),
        event_time: NOW,
        transaction_time: NOW,
        bids: &bids,
        asks: &asks,
    };
    let ticker = BookTicker {
        instrument: of.id,
        update: 50_093_239_212,
        bid: bids[0],
        ask: asks[0],
        event_time: if is_spot { UnixNanos(0) } else { NOW },
        transaction_time: if is_spot { UnixNanos(0) } else { NOW },
    };
    let trade = Trade {
        instrument: of.id,
        id: 3_735_683_259,
        price: Ticks(618_002),
        lots: Lots(2_000),
        aggressor: Side::Sell,
        aggregated: false,
        on_book: true,
        event_time: NOW,
        transaction_time: NOW,
    };
    let write = |form: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        form(&mut out);
        out
    };
    vec![
        write(&|out| market::depth_update(out, family, of, &diff)),
        write(&|out| market::book_ticker(out, family, of, &ticker)),
        write(&|out| market::trade(out, family, of, &trade)),
        write(&|out| market::aggregate_trade(out, family, of, &trade, (1, 9))),
    ]
}

fn frames_and_wrapped(family: Family) -> Vec<Vec<u8>> {
    let bare = frames_of(family);
    let wrapped = bare.iter().map(|frame| {
        let mut out = Vec::new();
        market::open_combined(&mut out, b"btcusdt@depth@100ms");
        out.extend_from_slice(frame);
        out.push(b'}');
        out
    });
    let mut all: Vec<Vec<u8>> = bare.iter().cloned().chain(wrapped).collect();
    all.push(lines(&bare));
    all.push(br#"{"result":null,"id":1}"#.to_vec());
    all
}

pub fn market_spot() -> Vec<Vec<u8>> {
    frames_and_wrapped(Family::Spot)
}

pub fn market_usd_m() -> Vec<Vec<u8>> {
    frames_and_wrapped(Family::UsdM)
}

pub fn market_coin_m() -> Vec<Vec<u8>> {
    frames_and_wrapped(Family::CoinM)
}

pub fn market_all() -> Vec<Vec<u8>> {
    FAMILIES.into_iter().map(|family| lines(&frames_of(family))).collect()
}

/// Depth answers, headed by the family.
pub fn snapshots() -> Vec<Vec<u8>> {
    let each = FAMILIES.into_iter().zip(0u8..).map(|(family, head)| {
        let listed = instruments(family);
        let level = |price: i64, lots: i64| Level { price: Ticks(price), lots: Lots(lots) };
        let book = DepthSnapshot {
            instrument: listed[0].id,
            last_update: 50_093_239_218,
            bids: &[level(618_002, 2_909), level(618_001, 14)],
            asks: &[level(618_003, 617)],
        };
        let mut body = Vec::new();
        market::depth_snapshot(&mut body, family, &listed[0], &book, NOW);
        headed(&[head], body)
    });
    each.collect()
}

fn facts() -> OrderFacts {
    OrderFacts {
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        placed: NOW,
        notional_filled: Money(309 * Money::ONE),
    }
}

fn execution(kind: ExecutionKind, of: &Instrument) -> ExecutionReport {
    ExecutionReport {
        venue_order: 8_886_774,
        trade_id: 981,
        side: Side::Sell,
        price: Ticks(618_002),
        lots: Lots(1_500),
        last_price: Ticks(618_002),
        last_lots: Lots(500),
        filled_lots: Lots(1_000),
        fee: Money(-375),
        fee_currency: of.settle,
        maker: true,
        venue_time: NOW,
        ..ExecutionReport::bare(kind, of.id, ORDER)
    }
}

fn own_name() -> String {
    client_id(ORDER).iter().map(|byte| char::from(*byte)).collect()
}

/// Events of an order's life, and answers to requests, headed by the family.
pub fn reports() -> Vec<Vec<u8>> {
    let kinds = [
        ExecutionKind::Acknowledged,
        ExecutionKind::Fill,
        ExecutionKind::Cancelled,
        ExecutionKind::Expired,
        ExecutionKind::Rejected,
        ExecutionKind::Replaced,
    ];
    let name = own_name();
    let mut all = Vec::new();
    for (family, head) in FAMILIES.into_iter().zip(0u8..) {
        let listed = instruments(family);
        for kind in kinds {
            let report = execution(kind, &listed[0]);
            let view = OrderView::of(&report, &listed[0], &name, facts());
            let mut text = Vec::new();
            answers::execution(&mut text, family, &report, &view, NOW);
            all.push(headed(&[head], text));
        }
        let id = r#""r000000007000000002a0000070000000029""#;
        let mut done = Vec::new();
        answers::success(&mut done, id, br#"{"orderId":12569099453}"#, &LIMITS);
        all.push(headed(&[head], done));
        let why = Refusal::new(-2010, "Order would immediately match and take.");
        let outer = Refusal::new(-2021, "Order cancel-replace partially failed.");
        let cancelled = execution(ExecutionKind::Cancelled, &listed[0]);
        let view = OrderView::of(&cancelled, &listed[0], &name, facts());
        let (mut data, mut failed) = (Vec::new(), Vec::new());
        answers::replace_failure(&mut data, Some(&view), family, &why);
        answers::failure(&mut failed, id, &outer.with_status(409), Some(&data), &LIMITS);
        all.push(headed(&[head], failed));
    }
    all
}

/// One intent of every action, as `orders::intent` takes it from bytes.
pub fn intents() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for family in 0..3u8 {
        for action in 0..4u8 {
            for order_type in 0..3u8 {
                let replaces = if family > 0 && action == 2 { ORDER } else { OLDER };
                let mut bytes = vec![family, action, 0, 1, order_type, 0, 0];
                for word in [ORDER.0, replaces.0, 618_002, 1_500] {
                    bytes.extend_from_slice(&word.to_le_bytes());
                }
                all.push(bytes);
            }
        }
    }
    all
}

/// Requests of our encoder and of our REST client, as the venue in a box gets them.
pub fn requests() -> Vec<Vec<u8>> {
    let signer = Signer::hmac("k3y", "s3cret").expect("a key");
    let mut all =
        vec![headed(&[0], logon::logon(1, &signer, NOW)), headed(&[0], logon::subscribe(2))];
    for (family, head) in FAMILIES.into_iter().zip(0u8..) {
        let listed = instruments(family);
        let symbol = &listed[0].symbol;
        let mut encoder = RequestEncoder::with(family, listed, None, Some(signer.clone()));
        for action in [OrderAction::Place, OrderAction::Cancel, OrderAction::Replace] {
            let in_place = family.is_futures() && action == OrderAction::Replace;
            let intent = Intent {
                action,
                instrument: listed[0].id,
                order: ORDER,
                replaces: if in_place { ORDER } else { OLDER },
                side: Side::Buy,
                order_type: OrderType::Limit,
                time_in_force: TimeInForce::GoodTillCancel,
                reduce_only: false,
                price: Ticks(618_002),
                lots: Lots(1_500),
            };
            let mut out = [0; REQUEST_LEN_MAX];
            let len = encoder.encode(&intent, NOW, &mut out).expect("a usual intent");
            all.push(headed(&[head], &out[..len]));
        }
        let delete = rest::cancel_all(family, symbol, &signer, NOW);
        all.push(headed(&[0xB0 | head], delete.target));
        let query = rest::order(family, symbol, ORDER, &signer, NOW);
        all.push(headed(&[0x80 | head], query.target));
        all.push(headed(&[0x80 | head], rest::depth(family, symbol).target));
    }
    let placed = "/api/v3/order?symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=5\
                  &newClientOrderId=b4_000007000000002a&signature=a%2Fb";
    all.push(headed(&[0x90], placed));
    all
}

/// REST bodies, headed by what was asked and of which family.
pub fn answers() -> Vec<Vec<u8>> {
    let name = own_name();
    let mut all = Vec::new();
    for (family, head) in FAMILIES.into_iter().zip(0u8..) {
        let listed = instruments(family);
        let fill = execution(ExecutionKind::Fill, &listed[0]);
        let view = OrderView::of(&fill, &listed[0], &name, facts());
        let mut body = |which: u8, form: &dyn Fn(&mut Vec<u8>)| {
            let mut out = vec![which << 4 | head];
            form(&mut out);
            all.push(out);
        };
        body(0, &|out| lists::orders(out, family, &[view, view]));
        body(1, &|out| answers::order(out, family, &view));
        let holdings = [Holding { asset: listed[0].quote, amount: Money(-5) }];
        let positions = [(&listed[0], Lots(-3), 61_800.2)];
        body(2, &|out| lists::account(out, family, &holdings, &positions));
        body(3, &|out| lists::trades(out, family, &listed[0], &[fill]));
        body(4, &|out| exchange_information(out, family, listed, &LIMITS, NOW));
        body(5, &|out| {
            out.extend_from_slice(br#"{"listenKey":"pqia91ma19a5s61cv6a81va65sdf19v8"}"#)
        });
    }
    all.push(headed(&[0x60], "30"));
    all.push(headed(&[0x70], "r000000007000000002a0000070000000029"));
    all.push(headed(&[0x70], "s0000000000000003"));
    all.push(headed(&[0xD0], r#"{"code":-1003,"msg":"Way too many requests; IP banned."}"#));
    all
}

/// Exchange information, headed by the family.
pub fn metadata() -> Vec<Vec<u8>> {
    let each = FAMILIES.into_iter().zip(0u8..).map(|(family, head)| {
        let mut body = vec![head];
        exchange_information(&mut body, family, instruments(family), &LIMITS, NOW);
        body
    });
    each.collect()
}
