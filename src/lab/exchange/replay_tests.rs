//! Fills in a captured market, case by case, and the law that no lot is spent twice.

use super::order::{ClientId, Event, NewOrder, OrderEvent, Reject, Request};
use super::queue::QueueModel;
use super::replay::Replay;
use crate::record::{DepthDiff, Level, MarketEvent, OrderType, TimeInForce, Trade};
use crate::units::{InstrumentId, Lots, OrderId, Side, Ticks, UnixNanos};
use proptest::prelude::*;

const US: ClientId = ClientId(1);

fn level(price: i64, lots: i64) -> Level {
    Level { price: Ticks(price), lots: Lots(lots) }
}

fn diff(replay: &mut Replay, bids: &[Level], asks: &[Level]) -> Vec<(u64, i64, i64)> {
    let event = DepthDiff {
        instrument: InstrumentId(0),
        first_update: 1,
        last_update: 1,
        previous_update: None,
        event_time: UnixNanos(0),
        transaction_time: UnixNanos(0),
        bids,
        asks,
    };
    let mut out = Vec::new();
    replay.on_market(&MarketEvent::Depth(event), &mut out);
    fills(&out)
}

fn trade(replay: &mut Replay, price: i64, lots: i64, aggressor: Side) -> Vec<(u64, i64, i64)> {
    let event = Trade {
        instrument: InstrumentId(0),
        id: 1,
        price: Ticks(price),
        lots: Lots(lots),
        aggressor,
        aggregated: false,
        on_book: true,
        event_time: UnixNanos(0),
        transaction_time: UnixNanos(0),
    };
    let mut out = Vec::new();
    replay.on_market(&MarketEvent::Trade(event), &mut out);
    fills(&out)
}

fn fills(events: &[Event]) -> Vec<(u64, i64, i64)> {
    let fill = |event: &Event| match event {
        Event::Order(OrderEvent::Fill { order, price, lots, .. }) => {
            Some((order.asked.order.0, price.0, lots.0))
        }
        _ => None,
    };
    events.iter().filter_map(fill).collect()
}

fn order(id: u64, side: Side, price: i64, lots: i64) -> NewOrder {
    NewOrder {
        client: US,
        order: OrderId(id),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        price: Ticks(price),
        lots: Lots(lots),
    }
}

fn send(replay: &mut Replay, new: NewOrder) -> Vec<Event> {
    let mut out = Vec::new();
    replay.apply(&Request::New(new), &mut out);
    out
}

fn market(model: QueueModel) -> Replay {
    let mut replay = Replay::new(model);
    diff(&mut replay, &[level(100, 10), level(99, 20)], &[level(101, 5), level(102, 8)]);
    replay
}

#[test]
fn trades_serve_the_crowd_ahead_first_and_our_orders_in_turn() {
    let mut replay = market(QueueModel::TradesOnly);
    send(&mut replay, order(1, Side::Buy, 100, 3));
    send(&mut replay, order(2, Side::Buy, 100, 3));
    assert_eq!(replay.ahead(US, OrderId(1)), Some(10.0));
    assert_eq!(trade(&mut replay, 100, 8, Side::Sell), []);
    assert_eq!(trade(&mut replay, 100, 4, Side::Sell), [(1, 100, 2)], "two ahead, two for us");
    assert_eq!(trade(&mut replay, 100, 2, Side::Sell), [(1, 100, 1), (2, 100, 1)]);
    assert_eq!(replay.position(US), Lots(4));
}

#[test]
fn the_level_s_shrinking_by_trades_is_not_counted_as_cancels() {
    let mut replay = market(QueueModel::Optimistic);
    send(&mut replay, order(1, Side::Buy, 100, 3));
    trade(&mut replay, 100, 4, Side::Sell);
    diff(&mut replay, &[level(100, 6)], &[]);
    assert_eq!(replay.ahead(US, OrderId(1)), Some(6.0));
    diff(&mut replay, &[level(100, 5)], &[]);
    assert_eq!(replay.ahead(US, OrderId(1)), Some(5.0));
}

#[test]
fn a_trade_through_or_a_crossing_quote_fills_up_to_its_size() {
    let mut replay = market(QueueModel::TradesOnly);
    send(&mut replay, order(1, Side::Buy, 100, 9));
    assert_eq!(trade(&mut replay, 99, 4, Side::Sell), [(1, 100, 4)]);
    let filled = diff(&mut replay, &[level(100, 0)], &[level(100, 2)]);
    assert_eq!(filled, [(1, 100, 2)]);
    assert_eq!(diff(&mut replay, &[], &[level(100, 2)]), [], "the same two lots fill nobody twice");
    assert_eq!(diff(&mut replay, &[], &[level(100, 3)]), [(1, 100, 1)], "one more came");
}

#[test]
fn takers_meet_what_is_displayed_once() {
    let mut replay = market(QueueModel::TradesOnly);
    let now = |id, lots| NewOrder {
        time_in_force: TimeInForce::ImmediateOrCancel,
        ..order(id, Side::Buy, 102, lots)
    };
    assert_eq!(fills(&send(&mut replay, now(1, 7))), [(1, 101, 5), (1, 102, 2)]);
    assert_eq!(fills(&send(&mut replay, now(2, 9))), [(2, 102, 6)], "six are left of eight");
    assert_eq!(fills(&send(&mut replay, now(3, 1))), []);
    diff(&mut replay, &[], &[level(101, 0), level(102, 9)]);
    assert_eq!(fills(&send(&mut replay, now(4, 9))), [(4, 102, 1)], "nine shown, eight are ours");
    let kill = NewOrder { time_in_force: TimeInForce::FillOrKill, ..order(5, Side::Sell, 99, 31) };
    assert_eq!(fills(&send(&mut replay, kill)), [], "thirty are displayed");
}

#[test]
fn post_only_and_self_trades_are_refused() {
    let mut replay = market(QueueModel::TradesOnly);
    let post = NewOrder { order_type: OrderType::PostOnly, ..order(1, Side::Buy, 101, 1) };
    let refused = send(&mut replay, post);
    assert!(matches!(
        refused[..],
        [Event::Order(OrderEvent::Rejected { reject: Reject::WouldTake, .. })]
    ));
    diff(&mut replay, &[], &[level(101, 0), level(102, 0), level(105, 5)]);
    send(&mut replay, order(2, Side::Sell, 103, 1));
    let met = send(&mut replay, order(3, Side::Buy, 104, 1));
    assert!(matches!(met[..], [_, Event::Order(OrderEvent::Expired(_))]), "{met:?}");
}

#[derive(Clone, Debug)]
enum Act {
    Trade(i64, i64, bool),
    Diff(bool, i64, i64),
    Send(bool, i64, i64, u8),
    Cancel(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (95i64..106, 1i64..20, any::<bool>()).prop_map(|(p, q, b)| Act::Trade(p, q, b)),
        (any::<bool>(), 95i64..106, 0i64..30).prop_map(|(b, p, q)| Act::Diff(b, p, q)),
        (any::<bool>(), 95i64..106, 1i64..9, 0u8..5).prop_map(|(b, p, q, k)| Act::Send(b, p, q, k)),
        (1u64..40).prop_map(Act::Cancel),
    ]
}

fn side(buy: bool) -> Side {
    if buy { Side::Buy } else { Side::Sell }
}

proptest! {
    /// Whatever happens, an order fills at most its size, at its price or better, a trade fills at
    /// most its own lots, and the position is the sum of the fills.
    #[test]
    fn no_lot_is_spent_twice(
        acts in prop::collection::vec(act(), 1..120),
        model in prop_oneof![
            Just(QueueModel::TradesOnly), Just(QueueModel::Power(2)), Just(QueueModel::Logarithm),
            Just(QueueModel::Optimistic), Just(QueueModel::Pessimistic)
        ],
    ) {
        let mut replay = market(model);
        let mut position = 0;
        for (id, act) in acts.iter().enumerate() {
            let id = id as u64 + 1;
            let mut out = Vec::new();
            match *act {
                Act::Trade(price, lots, buy) => {
                    let filled = trade(&mut replay, price, lots, side(buy));
                    prop_assert!(filled.iter().map(|fill| fill.2).sum::<i64>() <= lots);
                    position -= side(buy).sign() * filled.iter().map(|fill| fill.2).sum::<i64>();
                }
                Act::Diff(buy, price, lots) => {
                    let level = [level(price, lots)];
                    let before = replay.position(US).0;
                    match side(buy) {
                        Side::Buy => diff(&mut replay, &level, &[]),
                        Side::Sell => diff(&mut replay, &[], &level),
                    };
                    position += replay.position(US).0 - before;
                }
                Act::Send(buy, price, lots, kind) => {
                    let mut new = order(id, side(buy), price, lots);
                    match kind {
                        0 => new.order_type = OrderType::PostOnly,
                        1 => new.time_in_force = TimeInForce::ImmediateOrCancel,
                        2 => new.time_in_force = TimeInForce::FillOrKill,
                        _ => {}
                    }
                    out = send(&mut replay, new);
                    for event in &out {
                        if let Event::Order(OrderEvent::Fill { order, price, lots, .. }) = event {
                            prop_assert!(order.filled <= order.asked.lots);
                            prop_assert!(order.asked.accepts(*price));
                            position += order.asked.side.sign() * lots.0;
                        }
                    }
                    let all: i64 = fills(&out).iter().map(|fill| fill.2).sum();
                    prop_assert!(kind != 2 || all == 0 || all == lots, "all or nothing: {all}");
                }
                Act::Cancel(order) => {
                    replay.apply(&Request::Cancel { client: US, order: OrderId(order) }, &mut out);
                }
            }
            prop_assert_eq!(replay.position(US).0, position);
            for order in replay.orders_of(US) {
                prop_assert!(order.remaining() > Lots(0));
                prop_assert!(replay.ahead(US, order.asked.order).unwrap() >= 0.0);
            }
        }
    }
}
