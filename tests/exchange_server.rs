//! The venue in a box over real sockets: streams, orders, REST, and what happens when things go wrong.

mod exchange_client;

use bot4::host::cpu::Simd;
use bot4::lab::exchange::server::{Server, ServerError};
use bot4::net::websocket::mask;
use bot4::record::{
    ExecutionKind, Intent, Level, MarketEvent, OrderAction, OrderState, OrderType, TimeInForce,
};
use bot4::units::{InstrumentId, Lots, Nanos, OrderId, Side, Ticks, VenueId};
use bot4::venue::binance::decode::Decoder;
use bot4::venue::binance::session::{Signer, answer, logon, rest as asking};
use bot4::venue::binance::sync::{DiffStep, SnapshotStep, Sync};
use bot4::venue::binance::{Family, metadata};
use exchange_client::*;
use std::time::Duration;

fn stream_name(family: Family, channel: &str) -> String {
    format!("{}@{channel}", instruments(family)[0].symbol.as_str().to_ascii_lowercase())
}

/// Best bid and ask by REST.
fn touch(venue: &Running, family: Family) -> (Level, Level) {
    let listed = instruments(family);
    let response = rest(venue.address, &asking::depth(family, &listed[0].symbol));
    let mut decoder = Decoder::new(family, &listed, Simd::Scalar);
    match decoder.decode_snapshot(InstrumentId(0), &response.body) {
        Ok(MarketEvent::Snapshot(book)) => (book.bids[0], book.asks[0]),
        other => panic!("no snapshot: {other:?}"),
    }
}

fn signer() -> Signer {
    Signer::hmac("k3y", "s3cret").expect("a key")
}

#[test]
fn snapshot_and_diffs_bridge_in_every_family() {
    for family in FAMILIES {
        let venue = Running::start(settings(family));
        let listed = instruments(family);
        let names = ["depth@100ms", "bookTicker", "trade", "aggTrade"]
            .map(|channel| stream_name(family, channel));
        let mut web = Web::open(venue.address, &format!("/stream?streams={}", names.join("/")));
        assert!(web.is_open());
        let mut decoder = Decoder::new(family, &listed, Simd::detect());
        let mut sync = Sync::new(family);
        let (mut applied, mut tickers, mut trades, mut aggregates) = (0, 0, 0, 0);
        let mut asked = false;
        while applied < 20 || tickers < 5 || trades == 0 || aggregates == 0 {
            let text = web.text();
            let shown = String::from_utf8_lossy(&text).into_owned();
            match decoder.decode(&text).unwrap_or_else(|error| panic!("{error}: {shown}")) {
                MarketEvent::Depth(diff) => match sync.on_diff(&diff) {
                    DiffStep::Apply => applied += 1,
                    DiffStep::Buffered | DiffStep::Old => {}
                    DiffStep::Gap { expected, got } => panic!("gap {expected} {got}"),
                },
                MarketEvent::Ticker(_) => tickers += 1,
                MarketEvent::Trade(trade) if trade.aggregated => aggregates += 1,
                MarketEvent::Trade(_) => trades += 1,
                other => panic!("{other:?}"),
            }
            if !asked && applied == 0 {
                asked = true;
                let body = rest(venue.address, &asking::depth(family, &listed[0].symbol)).body;
                let Ok(MarketEvent::Snapshot(book)) =
                    decoder.decode_snapshot(InstrumentId(0), &body)
                else {
                    panic!("no snapshot")
                };
                assert!(book.bids.len() > 5 && book.asks.len() > 5);
                assert_eq!(sync.on_snapshot(book.last_update), SnapshotStep::Load);
                sync.replay(&mut |_| {});
            }
        }
        assert_eq!((decoder.fallbacks(), sync.gaps()), (0, 0), "{}", family.name());
        let report = venue.end();
        assert!(report.frames_sent > 20 && report.closings.is_empty(), "{report:?}");
    }
}

#[test]
fn orders_are_acknowledged_filled_changed_and_cancelled() {
    for family in FAMILIES {
        let venue = Running::start(settings(family));
        let mut orders = Orders::open(venue.address, family);
        orders.web.send(logon::subscribe(1).as_bytes());
        assert_eq!(orders.answer().outcome, Ok(()));
        let (bid, ask) = touch(&venue, family);
        let far = Ticks(bid.price.0 - 200);
        let lots = Lots(5_000);

        orders.send(&resting(1, Side::Buy, far, lots));
        let answer = orders.answer();
        assert_eq!((answer.outcome, answer.order()), (Ok(()), OrderId::new(1, 1)));
        assert!(answer.venue_order > 0 && !answer.usage.counts().is_empty());
        let acked = orders.report(ExecutionKind::Acknowledged);
        assert_eq!(
            (acked.order, acked.lots, acked.venue_order),
            (OrderId::new(1, 1), lots, answer.venue_order)
        );

        let replaced = Intent {
            action: OrderAction::Replace,
            order: OrderId::new(1, if family == Family::Spot { 2 } else { 1 }),
            replaces: OrderId::new(1, 1),
            ..resting(0, Side::Buy, Ticks(far.0 - 10), Lots(6_000))
        };
        orders.send(&replaced);
        assert_eq!(orders.answer().outcome, Ok(()));
        if family == Family::Spot {
            assert_eq!(orders.report(ExecutionKind::Cancelled).order, OrderId::new(1, 1));
            assert_eq!(orders.report(ExecutionKind::Acknowledged).order, OrderId::new(1, 2));
        } else {
            let changed = orders.report(ExecutionKind::Replaced);
            assert_eq!((changed.price, changed.lots), (Ticks(far.0 - 10), Lots(6_000)));
        }

        let listed = instruments(family);
        let request = asking::open_orders(family, &listed[0].symbol, &signer(), wall());
        let open = answer::open_orders(&rest(venue.address, &request).body, &listed).unwrap();
        assert_eq!((open.len(), open[0].order), (1, Some(replaced.order)));

        let cancel = Intent { action: OrderAction::Cancel, ..replaced };
        orders.send(&cancel);
        assert_eq!(orders.answer().outcome, Ok(()));
        assert_eq!(orders.report(ExecutionKind::Cancelled).order, replaced.order);
        orders.send(&cancel);
        assert_eq!(orders.answer().outcome.unwrap_err().code, -2011);

        let taking = Intent {
            time_in_force: TimeInForce::ImmediateOrCancel,
            ..resting(9, Side::Buy, Ticks(ask.price.0 + 500), lots)
        };
        orders.send(&taking);
        let fill = orders.report(ExecutionKind::Fill);
        assert!(fill.order == OrderId::new(1, 9) && !fill.maker && fill.last_lots > Lots(0));
        let since = bot4::units::UnixNanos(0);
        let from = asking::From::Time(since);
        let request = asking::trades_from(family, &listed[0].symbol, from, &signer(), wall());
        let trades = answer::trades(&rest(venue.address, &request).body, &listed).unwrap();
        assert_eq!((trades[0].trade_id, trades[0].fee), (fill.trade_id, fill.fee));
        let behind = asking::From::Id(fill.trade_id + 1);
        let request = asking::trades_from(family, &listed[0].symbol, behind, &signer(), wall());
        let later = answer::trades(&rest(venue.address, &request).body, &listed).unwrap();
        assert_eq!(later.len() + 1, trades.len(), "a page begins at an id");
        let request = asking::orders_from(family, &listed[0].symbol, from, &signer(), wall());
        let all = answer::orders(&rest(venue.address, &request).body, &listed).unwrap();
        let state =
            |of: OrderId| all.iter().find(|order| order.order == Some(of)).map(|of| of.state);
        assert_eq!(state(cancel.order), Some(OrderState::Cancelled), "{all:?}");
        assert_eq!(state(taking.order), Some(OrderState::Filled), "{all:?}");
        let request = asking::account(family, &signer(), wall());
        let account = answer::account(&rest(venue.address, &request).body, &listed).unwrap();
        assert!(!account.balances.is_empty());
        if family.is_futures() {
            assert!(account.positions[0].lots >= fill.last_lots);
            let entry = account.positions[0].entry.unwrap().to_f64();
            let paid = listed[0].tick.decimal(fill.last_price.0).to_f64();
            assert!((entry / paid - 1.0).abs() < 1e-3, "{entry} {paid}");
        }
        let report = venue.end();
        assert!(report.executions["fill"] > 0 && report.requests["place"] == 2, "{report:?}");
    }
}

#[test]
fn refusals_come_in_the_venues_codes() {
    for family in FAMILIES {
        let venue = Running::start(settings(family));
        let mut orders = Orders::open(venue.address, family);
        let (bid, ask) = touch(&venue, family);
        let spot = family == Family::Spot;
        let post = |order, price| Intent {
            order_type: OrderType::PostOnly,
            ..resting(order, Side::Buy, price, Lots(5_000))
        };
        for (intent, code) in [
            (post(1, Ticks(ask.price.0 + 300)), if spot { -2010 } else { -5022 }),
            (resting(2, Side::Buy, Ticks(1), Lots(5_000)), if spot { -1013 } else { -4013 }),
            (resting(3, Side::Buy, bid.price, Lots(1 << 50)), if spot { -1013 } else { -4005 }),
        ] {
            if code == -1013 && intent.price == Ticks(1) {
                continue; // a spot price of one tick is allowed; its notional is not, below
            }
            orders.send(&intent);
            let error = orders.answer().outcome.unwrap_err();
            assert_eq!(error.code, code, "{}: {error}", family.name());
        }
        orders.send(&resting(7, Side::Buy, Ticks(bid.price.0 - 300), Lots(5_000)));
        assert_eq!(orders.answer().outcome, Ok(()));
        orders.send(&resting(7, Side::Buy, Ticks(bid.price.0 - 300), Lots(5_000)));
        let twice = orders.answer().outcome.unwrap_err().code;
        assert_eq!(twice, if spot { -2010 } else { -4116 });
        for (text, code) in [
            ("{", -1135),
            ("{\"id\":\"x\",\"method\":\"order.dance\"}", -1020),
            ("{\"id\":\"x\",\"method\":\"order.place\",\"params\":{\"symbol\":\"NOPE\"}}", -1121),
        ] {
            orders.web.send(text.as_bytes());
            assert_eq!(orders.answer().outcome.unwrap_err().code, code, "{text}");
        }
        assert!(orders.web.is_open(), "refusals keep the session");
    }
}

#[test]
fn a_lost_session_finds_its_orders_again() {
    let family = Family::UsdM;
    let venue = Running::start(settings(family));
    let (bid, _) = touch(&venue, family);
    let mut orders = Orders::open(venue.address, family);
    for order in 1..=3 {
        orders.send(&resting(order, Side::Buy, Ticks(bid.price.0 - 300), Lots(5)));
        assert_eq!(orders.answer().outcome, Ok(()));
    }
    drop(orders);
    let mut orders = Orders::open(venue.address, family);
    let listed = instruments(family);
    let ask = || {
        let request = asking::open_orders(family, &listed[0].symbol, &signer(), wall());
        answer::open_orders(&rest(venue.address, &request).body, &listed).unwrap()
    };
    let ids: Vec<_> = ask().iter().map(|of| of.order).collect();
    assert_eq!(ids, [1, 2, 3].map(|order| Some(OrderId::new(1, order))));
    let one = resting(1, Side::Buy, Ticks(0), Lots(0));
    orders.send(&Intent { action: OrderAction::Cancel, ..one });
    assert_eq!(orders.answer().outcome, Ok(()));
    let all = asking::cancel_all(family, &listed[0].symbol, &signer(), wall());
    assert_eq!(rest(venue.address, &all).status, 200);
    assert!(ask().is_empty());
}

#[test]
fn an_order_can_be_asked_for_whatever_became_of_it() {
    for family in FAMILIES {
        let venue = Running::start(settings(family));
        let listed = instruments(family);
        let (bid, ask) = touch(&venue, family);
        let mut orders = Orders::open(venue.address, family);
        let ask_for = |order: u64| {
            let id = OrderId::new(1, order);
            let request = asking::order(family, &listed[0].symbol, id, &signer(), wall());
            rest(venue.address, &request)
        };
        for order in [1, 2] {
            orders.send(&resting(order, Side::Buy, Ticks(bid.price.0 - 200), Lots(5_000)));
            assert_eq!(orders.answer().outcome, Ok(()));
        }
        orders.send(&Intent {
            action: OrderAction::Cancel,
            ..resting(2, Side::Buy, Ticks(0), Lots(0))
        });
        assert_eq!(orders.answer().outcome, Ok(()));
        orders.send(&Intent {
            time_in_force: TimeInForce::ImmediateOrCancel,
            ..resting(3, Side::Buy, Ticks(ask.price.0 + 500), Lots(5_000))
        });
        assert_eq!(orders.answer().outcome, Ok(()));
        let found = |order| answer::order(&ask_for(order).body, &listed).unwrap().unwrap();
        assert_eq!((found(1).state, found(1).order), (OrderState::Open, Some(OrderId::new(1, 1))));
        assert_eq!((found(2).state, found(2).filled_lots), (OrderState::Cancelled, Lots(0)));
        // What an immediate order cannot fill expires.
        let taken = found(3);
        assert!(!taken.state.is_working() && taken.filled_lots > Lots(0), "{taken:?}");
        let request =
            asking::trades_of(family, &listed[0].symbol, taken.venue_order, &signer(), wall());
        let fills = answer::trades(&rest(venue.address, &request).body, &listed).unwrap();
        assert!(fills.iter().all(|of| of.venue_order == taken.venue_order));
        assert_eq!(fills.iter().map(|of| of.lots.0).sum::<i64>(), taken.filled_lots.0);
        let none = ask_for(4);
        let refused = answer::check(none.status, &none.body, None).unwrap_err();
        assert_eq!(refused.code(), Some(-2013));
    }
}

#[test]
fn keys_are_checked_where_one_is_configured() {
    let family = Family::Spot;
    let venue = Running::start(bot4::lab::exchange::server::ServerSettings {
        key: Some(signer()),
        ..settings(family)
    });
    let (bid, _) = touch(&venue, family);
    let order = resting(1, Side::Buy, Ticks(bid.price.0 - 300), Lots(5_000));
    let mut bare = Orders::open(venue.address, family);
    bare.send(&order);
    assert_eq!(bare.answer().outcome.unwrap_err().code, -2015);
    bare.web.send(logon::logon(1, &Signer::hmac("k3y", "wrong").unwrap(), wall()).as_bytes());
    assert_eq!(bare.answer().outcome.unwrap_err().code, -1022);
    bare.web.send(logon::logon(2, &signer(), wall()).as_bytes());
    assert_eq!(bare.answer().outcome, Ok(()));
    bare.send(&order);
    assert_eq!(bare.answer().outcome, Ok(()), "logged on, no signature is needed");
    let encoder = bot4::venue::binance::orders::RequestEncoder::with(
        family,
        &instruments(family),
        None,
        Some(signer()),
    );
    let mut signed = Orders::with(venue.address, family, encoder);
    signed.web.send(logon::subscribe_signed(1, &signer(), wall()).as_bytes());
    assert_eq!(signed.answer().outcome, Ok(()));
    signed.send(&Intent { order: OrderId::new(1, 2), ..order });
    assert_eq!(signed.answer().outcome, Ok(()));
    let request = asking::account(family, &Signer::hmac("other", "s3cret").unwrap(), wall());
    assert_eq!(rest(venue.address, &request).status, 401);
}

#[test]
fn two_clients_trade_with_each_other() {
    let family = Family::CoinM;
    let venue = Running::start(bot4::lab::exchange::server::ServerSettings {
        account_per_key: true,
        ..settings(family)
    });
    let (bid, ask) = touch(&venue, family);
    let client = |name: &str| {
        let signer = Signer::hmac(name, "s3cret").unwrap();
        let encoder = bot4::venue::binance::orders::RequestEncoder::with(
            family,
            &instruments(family),
            None,
            Some(signer.clone()),
        );
        let key = asking::create_listen_key(family, &signer).unwrap();
        let key = answer::listen_key(&rest(venue.address, &key).body).unwrap();
        let user = Web::open(venue.address, &format!("/ws/{key}"));
        assert!(user.is_open());
        (Orders::with(venue.address, family, encoder), user)
    };
    let (mut one, mut one_user) = client("one");
    let (mut other, _) = client("other");
    // Between the touch, so that nobody else is before it.
    let inside = Ticks(bid.price.0.max(ask.price.0 - 1));
    one.send(&resting(1, Side::Sell, inside, Lots(7)));
    assert_eq!(one.answer().outcome, Ok(()));
    let taking = Intent {
        time_in_force: TimeInForce::ImmediateOrCancel,
        ..resting(1, Side::Buy, Ticks(ask.price.0 + 100), Lots(50_000))
    };
    other.send(&taking);
    assert_eq!(other.answer().outcome, Ok(()), "the same client id in another account");
    let listed = instruments(family);
    let mut decoder = bot4::venue::binance::orders::ReportDecoder::new(family, &listed);
    let filled = (0..100).find_map(|_| match decoder.decode(&one_user.text()).unwrap() {
        bot4::venue::binance::orders::OrderMessage::Report(report)
            if report.kind == ExecutionKind::Fill =>
        {
            Some(report)
        }
        _ => None,
    });
    let filled = filled.expect("a fill");
    assert!(filled.side == Side::Sell && filled.last_lots <= Lots(7), "{filled:?}");
}

#[test]
fn the_dead_mans_switch_fires() {
    let family = Family::UsdM;
    let venue = Running::start(settings(family));
    let listed = instruments(family);
    let (bid, _) = touch(&venue, family);
    let mut orders = Orders::open(venue.address, family);
    orders.web.send(logon::subscribe(1).as_bytes());
    assert_eq!(orders.answer().outcome, Ok(()));
    orders.send(&resting(1, Side::Buy, Ticks(bid.price.0 - 300), Lots(5)));
    assert_eq!(orders.answer().outcome, Ok(()));
    let arm = |millis| {
        asking::countdown_cancel_all(family, &listed[0].symbol, millis, &signer(), wall()).unwrap()
    };
    assert_eq!(rest(venue.address, &arm(60_000)).status, 200);
    assert_eq!(rest(venue.address, &arm(50)).status, 200);
    assert_eq!(orders.report(ExecutionKind::Cancelled).order, OrderId::new(1, 1));
    assert_eq!(venue.end().dead_man_fired, 1);
}

#[test]
fn a_port_in_use_is_named() {
    let venue = Running::start(settings(Family::Spot));
    let error = Server::bind(settings(Family::Spot), venue.address).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ServerError::Listen(_)));
    let port = venue.address.port().to_string();
    assert!(text.contains(&port) && text.contains("choose another port"), "{text}");
}

#[test]
fn broken_frames_end_one_connection_and_no_other() {
    let family = Family::Spot;
    let venue = Running::start(settings(family));
    let mut good = Orders::open(venue.address, family);
    let mut bad = Web::open(venue.address, "/ws-api/v3");
    // A masked text frame with a reserved bit set.
    let mut payload = *b"{}";
    mask(&mut payload, [1, 2, 3, 4], 0);
    bad.raw(&[&[0xf1, 0x82, 1, 2, 3, 4], payload.as_slice()].concat());
    assert_eq!(bad.text_within(PATIENCE), None);
    assert!(bad.closed.is_some());
    let unknown = Web::open(venue.address, "/nothing");
    assert!(!unknown.is_open());
    assert_eq!(get(venue.address, "/api/v3/nothing").status, 404);
    assert_eq!(get(venue.address, "/api/v3/depth?symbol=NOPE").status, 400);
    good.web.send(b"{\"id\":1,\"method\":\"ping\"}");
    assert_eq!(good.answer().outcome, Ok(()));
    good.web.ping();
    let report = venue.end();
    assert!(report.closings.iter().any(|why| why.contains("reserved")), "{report:?}");
}

#[test]
fn information_and_weights_over_rest() {
    for family in FAMILIES {
        let venue = Running::start(settings(family));
        let response = rest(venue.address, &asking::exchange_info(family));
        let listed = instruments(family);
        let names: Vec<&str> = listed.iter().map(|of| of.symbol.as_str()).collect();
        let read = metadata::instruments(&response.body, family, VenueId(0), &names).unwrap();
        assert_eq!(read.len(), listed.len());
        assert!(answer::rate_limits(&response.body).unwrap().counts().len() == 3);
        let used: u32 = response.headers.get("x-mbx-used-weight-1m").unwrap().parse().unwrap();
        assert!(used > 0);
    }
    let mut tight = settings(Family::Spot);
    tight.limits.weight_minute = 3;
    let venue = Running::start(tight);
    let statuses: Vec<u16> =
        (0..20).map(|_| get(venue.address, "/api/v3/ping")).map(|of| of.status).collect();
    assert_eq!(statuses[..3], [200; 3]);
    assert!(statuses.contains(&429) && statuses.last() == Some(&418), "{statuses:?}");
    let refused = get(venue.address, "/api/v3/ping");
    let wait = answer::retry_after(refused.headers.get("retry-after")).unwrap();
    assert!(wait > Nanos(0));
}

#[test]
fn planned_faults_strike_as_planned() {
    let family = Family::UsdM;
    let with = |faults: &[&str]| {
        let mut settings = settings(family);
        settings.faults = faults.iter().map(|text| text.parse().unwrap()).collect();
        Running::start(settings)
    };
    let depth = format!("/ws/{}", stream_name(family, "depth"));
    let listed = instruments(family);
    let steps = |venue: &Running, count: usize| -> Vec<Result<DiffStep, ()>> {
        let mut web = Web::open(venue.address, &depth);
        let mut decoder = Decoder::new(family, &listed, Simd::Scalar);
        let mut sync = Sync::new(family);
        let mut steps = Vec::new();
        while steps.len() < count {
            let Some(text) = web.text_within(PATIENCE) else { break };
            steps.push(match decoder.decode(&text) {
                Ok(MarketEvent::Depth(diff)) => {
                    if steps.is_empty() {
                        sync.resume(diff.previous_update.unwrap());
                    }
                    Ok(sync.on_diff(&diff))
                }
                _ => Err(()),
            });
        }
        steps
    };
    let ok = Ok(DiffStep::Apply);
    let is_gap = |step: &Result<DiffStep, ()>| matches!(step, Ok(DiffStep::Gap { .. }));
    let garbage = steps(&with(&["garbage@3"]), 4);
    assert_eq!(garbage[..3], [ok, ok, Err(())]);
    let gap = steps(&with(&["gap@3"]), 3);
    assert!(gap[..2] == [ok, ok] && is_gap(&gap[2]), "{gap:?}");
    let swapped = steps(&with(&["swap@3"]), 4);
    assert!(swapped[..2] == [ok, ok] && is_gap(&swapped[2]), "{swapped:?}");
    assert_eq!(steps(&with(&["drop@3"]), 9), [ok; 3]);
    assert_eq!(steps(&with(&["torn@3"]), 9), [ok; 2]);

    let venue = with(&["reject@2:1:-2019", "mute@3:1", "drop-orders@5"]);
    let (bid, _) = touch(&venue, family);
    let mut orders = Orders::open(venue.address, family);
    let place = |orders: &mut Orders, order| {
        orders.send(&resting(order, Side::Buy, Ticks(bid.price.0 - 300), Lots(5)));
    };
    place(&mut orders, 1);
    assert_eq!(orders.answer().outcome, Ok(()));
    place(&mut orders, 2);
    assert_eq!(orders.answer().outcome.unwrap_err().code, -2019);
    place(&mut orders, 3);
    assert_eq!(orders.web.text_within(Duration::from_millis(100)), None);
    place(&mut orders, 4);
    assert_eq!(orders.answer().order(), OrderId::new(1, 4));
    place(&mut orders, 5);
    assert_eq!(orders.web.text_within(PATIENCE), None);
    assert!(orders.web.closed.is_some());
    assert_eq!(venue.end().faults, 3);
}

#[test]
fn the_venue_pings_and_ends_what_is_old_or_slow() {
    let mut short = settings(Family::Spot);
    short.ping_period = Nanos::from_millis(20);
    short.life_max = Nanos::from_millis(200);
    let venue = Running::start(short);
    let mut web = Web::open(venue.address, "/ws");
    assert_eq!(web.text_within(PATIENCE), None);
    assert!(web.pings > 2 && web.closed.as_deref() == Some("close 1001"), "{:?}", web.closed);

    let mut narrow = settings(Family::Spot);
    narrow.speed = bot4::lab::exchange::server::Speed::Times(50.0);
    narrow.exchange.rate = 20_000.0;
    narrow.backlog_max = 64 << 10;
    let venue = Running::start(narrow);
    let names = ["depth", "bookTicker", "trade"].map(|name| stream_name(Family::Spot, name));
    let slow = Web::open(venue.address, &format!("/stream?streams={}", names.join("/")));
    std::thread::sleep(Duration::from_secs(3));
    drop(slow);
    let report = venue.end();
    assert_eq!(report.slow_clients, 1, "{report:?}");
    assert!(report.closings[0].contains("reads too slowly"), "{report:?}");
}

#[test]
fn garbage_of_every_kind_stops_nobody_else() {
    const SEED: u64 = 11;
    let family = Family::CoinM;
    let venue = Running::start(settings(family));
    let mut random = bot4::maths::random::Random::new(SEED, 0);
    let texts = [
        r#"{"id":1,"method":"order.place","params":{"symbol":"BTCUSD_PERP","side":"BUY","type":"LIMIT","timeInForce":"GTC","quantity":"5","price":"50000"}}"#,
        r#"{"method":"SUBSCRIBE","params":["btcusd_perp@depth"],"id":1}"#,
        "GET /dapi/v1/depth?symbol=BTCUSD_PERP&limit=5 HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    for round in 0..60 {
        let mut bytes = texts[round % texts.len()].as_bytes().to_vec();
        for _ in 0..1 + round % 5 {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.below(256) as u8;
        }
        let path = ["/ws-dapi/v1", "/ws", "/stream?streams=btcusd_perp@trade"][round % 3];
        let mut web = Web::open(venue.address, path);
        web.send(&bytes);
        web.raw(&bytes); // no frame at all
        let mut plain = std::net::TcpStream::connect(venue.address).expect("it listens");
        std::io::Write::write_all(&mut plain, &bytes).expect("it reads");
    }
    let mut good = Orders::open(venue.address, family);
    good.web.send(b"{\"id\":1,\"method\":\"ping\"}");
    assert_eq!(good.answer().outcome, Ok(()), "seed {SEED}");
    venue.end();
}
