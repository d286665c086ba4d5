//! The engine against its naive twin on random requests, and the rules one by one.

use super::matching::Engine;
use super::naive::Naive;
use super::order::{ClientId, Event, NewOrder, OrderEvent, Reject, Request};
use crate::record::{OrderType, TimeInForce};
use crate::units::{Lots, OrderId, Side, Ticks};
use proptest::prelude::*;

const US: ClientId = ClientId(1);
const THEM: ClientId = ClientId(2);

fn limit(client: ClientId, order: u64, side: Side, price: i64, lots: i64) -> NewOrder {
    NewOrder {
        client,
        order: OrderId(order),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        price: Ticks(price),
        lots: Lots(lots),
    }
}

fn run(engine: &mut Engine, request: Request) -> Vec<Event> {
    let mut out = Vec::new();
    engine.apply(&request, &mut out);
    out
}

fn fills(events: &[Event]) -> Vec<(u64, i64, i64, bool)> {
    let fill = |event: &Event| match event {
        Event::Order(OrderEvent::Fill { order, price, lots, maker, .. }) => {
            Some((order.asked.order.0, price.0, lots.0, *maker))
        }
        _ => None,
    };
    events.iter().filter_map(fill).collect()
}

fn rejected(events: &[Event]) -> Option<Reject> {
    events.iter().find_map(|event| match event {
        Event::Order(
            OrderEvent::Rejected { reject, .. } | OrderEvent::CancelRejected { reject, .. },
        ) => Some(*reject),
        _ => None,
    })
}

fn expired(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Order(OrderEvent::Expired(_))))
}

#[test]
fn first_come_first_served_at_a_price_and_better_prices_first() {
    let mut engine = Engine::new();
    for order in [(1, 100, 2), (2, 100, 2), (3, 99, 5), (4, 101, 1)] {
        run(&mut engine, Request::New(limit(US, order.0, Side::Buy, order.1, order.2)));
    }
    let events = run(&mut engine, Request::New(limit(THEM, 9, Side::Sell, 99, 4)));
    let makers: Vec<_> = fills(&events).into_iter().filter(|fill| fill.3).collect();
    assert_eq!(makers, [(4, 101, 1, true), (1, 100, 2, true), (2, 100, 1, true)]);
    assert_eq!(engine.position(US), Lots(4));
    assert_eq!(engine.position(THEM), Lots(-4));
}

#[test]
fn a_smaller_size_keeps_its_turn_and_a_larger_one_loses_it() {
    for (lots, first) in [(1, 1), (3, 2)] {
        let mut engine = Engine::new();
        run(&mut engine, Request::New(limit(US, 1, Side::Buy, 100, 2)));
        run(&mut engine, Request::New(limit(US, 2, Side::Buy, 100, 2)));
        let new = limit(US, 1, Side::Buy, 100, lots);
        run(&mut engine, Request::Replace { replaces: OrderId(1), new });
        let events = run(&mut engine, Request::New(limit(THEM, 9, Side::Sell, 100, 1)));
        assert_eq!(fills(&events)[0].0, first, "modified to {lots} lots");
    }
}

#[test]
fn orders_that_may_not_take_or_may_only_take_are_held_to_it() {
    let mut engine = Engine::new();
    run(&mut engine, Request::New(limit(THEM, 1, Side::Sell, 100, 3)));
    let post = NewOrder { order_type: OrderType::PostOnly, ..limit(US, 1, Side::Buy, 100, 1) };
    assert_eq!(rejected(&run(&mut engine, Request::New(post))), Some(Reject::WouldTake));
    let kill =
        NewOrder { time_in_force: TimeInForce::FillOrKill, ..limit(US, 2, Side::Buy, 100, 4) };
    let events = run(&mut engine, Request::New(kill));
    assert!(expired(&events) && fills(&events).is_empty(), "four are wanted, three are there");
    let now = NewOrder {
        time_in_force: TimeInForce::ImmediateOrCancel,
        ..limit(US, 3, Side::Buy, 100, 4)
    };
    let events = run(&mut engine, Request::New(now));
    assert!(expired(&events) && fills(&events).iter().any(|fill| fill.2 == 3));
    assert!(engine.best(Side::Buy).is_none() && engine.best(Side::Sell).is_none());
}

#[test]
fn the_taker_expires_rather_than_meet_its_owner() {
    let mut engine = Engine::new();
    run(&mut engine, Request::New(limit(THEM, 1, Side::Sell, 100, 1)));
    run(&mut engine, Request::New(limit(US, 1, Side::Sell, 100, 1)));
    let events = run(&mut engine, Request::New(limit(US, 2, Side::Buy, 100, 5)));
    assert_eq!(fills(&events).len(), 2, "the stranger ahead is met: two sides of one fill");
    assert!(expired(&events));
    assert_eq!(engine.order(US, OrderId(1)).map(|order| order.remaining()), Some(Lots(1)));
}

#[test]
fn a_reduce_only_order_stops_at_a_flat_position() {
    let mut engine = Engine::new();
    let shrink =
        |order, lots| NewOrder { reduce_only: true, ..limit(US, order, Side::Sell, 100, lots) };
    let events = run(&mut engine, Request::New(shrink(1, 1)));
    assert_eq!(rejected(&events), Some(Reject::ReduceOnly), "nothing to reduce");
    run(&mut engine, Request::New(limit(THEM, 1, Side::Sell, 100, 2)));
    run(&mut engine, Request::New(limit(US, 2, Side::Buy, 100, 2)));
    run(&mut engine, Request::New(shrink(3, 5)));
    let events = run(&mut engine, Request::New(limit(THEM, 2, Side::Buy, 100, 9)));
    assert!(fills(&events).contains(&(3, 100, 2, true)));
    assert_eq!(engine.position(US), Lots(0));
}

#[test]
fn unknown_and_doubled_ids_are_refused() {
    let mut engine = Engine::new();
    let cancel = Request::Cancel { client: US, order: OrderId(7) };
    assert_eq!(rejected(&run(&mut engine, cancel)), Some(Reject::UnknownOrder));
    run(&mut engine, Request::New(limit(US, 7, Side::Buy, 100, 1)));
    let again = Request::New(limit(US, 7, Side::Buy, 99, 1));
    assert_eq!(rejected(&run(&mut engine, again)), Some(Reject::Duplicate));
    let stranger = Request::Cancel { client: THEM, order: OrderId(7) };
    assert_eq!(rejected(&run(&mut engine, stranger)), Some(Reject::UnknownOrder));
}

fn new_order() -> impl Strategy<Value = NewOrder> {
    (0u32..4, 1u64..25, any::<bool>(), 0u8..12, any::<u8>(), 95i64..106, 1i64..9).prop_map(
        |(client, order, buy, kind, flags, price, lots)| NewOrder {
            client: ClientId(client),
            order: OrderId(order),
            side: if buy { Side::Buy } else { Side::Sell },
            order_type: match kind {
                0 => OrderType::Market,
                1 | 2 => OrderType::PostOnly,
                _ => OrderType::Limit,
            },
            time_in_force: match kind {
                3 => TimeInForce::ImmediateOrCancel,
                4 => TimeInForce::FillOrKill,
                _ => TimeInForce::GoodTillCancel,
            },
            reduce_only: flags.is_multiple_of(5),
            price: Ticks(price),
            lots: Lots(lots),
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        6 => new_order().prop_map(Request::New),
        2 => (0u32..4, 1u64..25)
            .prop_map(|(of, id)| Request::Cancel { client: ClientId(of), order: OrderId(id) }),
        1 => (1u64..25, new_order())
            .prop_map(|(id, new)| Request::Replace { replaces: OrderId(id), new }),
        2 => new_order().prop_map(|new| Request::Replace { replaces: new.order, new }),
        1 => (0u32..4).prop_map(|of| Request::CancelAll { client: ClientId(of) }),
    ]
}

/// The first request after which the two differ.
fn differs(requests: &[Request], mut naive: Naive) -> Option<String> {
    let mut engine = Engine::new();
    for (at, request) in requests.iter().enumerate() {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        engine.apply(request, &mut ours);
        naive.apply(request, &mut theirs);
        if ours != theirs {
            return Some(format!("request {at} {request:?}:\n{ours:?}\n{theirs:?}"));
        }
        let (bid, ask) = (engine.best(Side::Buy), engine.best(Side::Sell));
        if let (Some(bid), Some(ask)) = (bid, ask)
            && bid.price >= ask.price
        {
            return Some(format!("request {at} {request:?}: crossed {bid:?} {ask:?}"));
        }
    }
    for side in [Side::Buy, Side::Sell] {
        let mut wrong = None;
        engine.visit(side, &mut |level| {
            if naive.lots_at(side, level.price) != level.lots.0 {
                wrong = Some(format!("{side:?} {level:?}"));
            }
            wrong.is_none()
        });
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}

proptest! {
    #[test]
    fn engine_equals_its_naive_twin(requests in prop::collection::vec(request(), 1..200)) {
        prop_assert_eq!(differs(&requests, Naive::default()), None);
    }
}

#[test]
fn canary_a_twin_that_serves_the_latest_first_is_caught() {
    let requests = [
        Request::New(limit(US, 1, Side::Buy, 100, 1)),
        Request::New(limit(THEM, 1, Side::Buy, 100, 1)),
        Request::New(limit(ClientId(3), 1, Side::Sell, 100, 1)),
    ];
    let mut spoiled = Naive::default();
    spoiled.spoiled = true;
    assert!(differs(&requests, spoiled).is_some());
}
