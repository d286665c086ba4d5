//! The lane: quoting, failing closed, replay, twins of the book, two lanes side by side.

use super::{diff, instrument, level, plan, report, snapshot, ticker};
use crate::host::probe::NoProbe;
use crate::hot::lane::{Lane, LaneConfig};
use crate::hot::outbox::Outbox;
use crate::hot::report::InstrumentReport;
use crate::ledger::StateHash;
use crate::market::book::{Book, Ladder, Tree};
use crate::record::{
    Command, ExecutionKind, ExecutionReport, Input, Intent, Link, LinkState, MarketEvent,
    OrderAction, Plan, Source, Stamp,
};
use crate::units::{Currency, InstrumentId, LaneId, Lots, Money, Nanos, Side, Ticks};
use crate::venue::binance::Family;

struct Rig<B: Book> {
    lane: Lane<B>,
    outbox: Outbox,
    sequence: u64,
    now: Nanos,
}

impl<B: Book + Default> Rig<B> {
    fn new(lane: u16, family: Family) -> Rig<B> {
        let instruments = [instrument(0, "BTCUSDT"), instrument(1, "ETHUSDT")];
        let config = LaneConfig { lane: LaneId(lane), family, epoch: 1 };
        let lane = Lane::new(config, &instruments);
        Rig { lane, outbox: Outbox::new(), sequence: 0, now: Nanos(1_000_000_000) }
    }

    fn step(&mut self, input: Input<'_>) -> Vec<Intent> {
        self.sequence += 1;
        self.now = self.now.plus(Nanos(1_000_000));
        let stamp = Stamp { received: self.now, sequence: self.sequence };
        self.outbox.clear();
        self.lane.step(stamp, input, &mut NoProbe, &mut self.outbox);
        self.outbox.intents().to_vec()
    }

    fn open(&mut self, plan: &Plan) -> Vec<Intent> {
        self.step(Input::Plan(plan));
        self.step(Input::Link(Link::Market, LinkState::Up));
        self.step(Input::Link(Link::Orders, LinkState::Up));
        self.step(Input::Command(Command::Activate, Source::Run));
        let (bids, asks) = ([level(100_000, 5)], [level(100_002, 5)]);
        self.step(Input::Market(MarketEvent::Snapshot(snapshot(0, &bids, &asks))))
    }

    fn acknowledge(&mut self, intents: &[Intent]) -> Vec<Intent> {
        let mut more = Vec::new();
        for intent in intents {
            more.extend(self.step(Input::Execution(report(ExecutionKind::Acknowledged, intent))));
        }
        more
    }
}

fn actions(intents: &[Intent]) -> Vec<OrderAction> {
    intents.iter().map(|intent| intent.action).collect()
}

#[test]
fn a_synchronised_book_is_quoted_on_both_sides() {
    let mut rig = Rig::<Ladder>::new(0, Family::UsdM);
    let placed = rig.open(&plan(1));
    assert_eq!(placed.len(), 4, "two levels a side");
    assert!(placed.iter().all(|i| i.action == OrderAction::Place && i.lots == Lots(10)));
    assert!(placed.iter().filter(|i| i.side == Side::Buy).all(|i| i.price.0 < 100_002));
    assert_eq!(rig.acknowledge(&placed), [], "nothing moved, nothing to do");
}

#[test]
fn a_crossed_touch_is_no_mark() {
    let mut rig = Rig::<Ladder>::new(0, Family::UsdM);
    rig.open(&plan(1));
    assert_eq!(rig.lane.exposures().marked(0), Ticks(100_001));
    let touch = |update, bid, ask| ticker(0, update, level(bid, 5), level(ask, 5));
    rig.step(Input::Market(MarketEvent::Ticker(touch(200, 100_090, 100_050))));
    assert_eq!(rig.lane.exposures().marked(0), Ticks(100_001), "crossed");
    rig.step(Input::Market(MarketEvent::Ticker(touch(201, 100_050, 100_052))));
    assert_eq!(rig.lane.exposures().marked(0), Ticks(100_051));
}

#[test]
fn a_moved_market_changes_orders_in_place_on_futures_and_by_replacement_on_spot() {
    for (family, same_id) in [(Family::UsdM, true), (Family::Spot, false)] {
        let mut rig = Rig::<Ladder>::new(0, family);
        let placed = rig.open(&plan(1));
        rig.acknowledge(&placed);
        let moved = ticker(0, 200, level(100_050, 5), level(100_052, 5));
        let intents = rig.step(Input::Market(MarketEvent::Ticker(moved)));
        assert_eq!(actions(&intents), [OrderAction::Replace; 2]);
        assert!(intents.iter().all(|i| (i.order == i.replaces) == same_id), "{family:?}");
        // the bids would meet our own asks, so they wait until the venue has moved those
        assert!(intents.iter().all(|i| i.side == Side::Sell));
        assert!(rig.lane.report().orders.refused.is_empty());
    }
}

/// Wherever the market goes, a few answered rounds later nothing of ours stands in the way: both sides
/// are quoted and no bid reaches an offer, however patient the strategy is.
#[test]
fn quotes_never_block_each_other_for_good() {
    for distance in 1..120 {
        let mut rig = Rig::<Ladder>::new(0, Family::UsdM);
        let mut patient = plan(1);
        patient.entries[0].making.requote_ticks = 1_000.0;
        let placed = rig.open(&patient);
        rig.acknowledge(&placed);
        let top = |way: i64| (level(100_000 + way, 5), level(100_002 + way, 5));
        let (bid, ask) = top(distance);
        let mut left = rig.step(Input::Market(MarketEvent::Ticker(ticker(0, 200, bid, ask))));
        for _ in 0..12 {
            let answers = std::mem::take(&mut left);
            for intent in &answers {
                let kind = match intent.action {
                    OrderAction::Cancel => ExecutionKind::Cancelled,
                    OrderAction::Replace => ExecutionKind::Replaced,
                    _ => ExecutionKind::Acknowledged,
                };
                left.extend(rig.step(Input::Execution(report(kind, intent))));
            }
        }
        assert_eq!(left, [], "{distance}: still at work");
        let working: Vec<_> = rig.lane.ledger().orders().filter(|o| o.state.is_working()).collect();
        let prices = |side| working.iter().filter(move |o| o.side == side).map(|o| o.price);
        let (bid, ask) = (prices(Side::Buy).max(), prices(Side::Sell).min());
        assert!(bid.is_some() && ask.is_some() && bid < ask, "{distance}: {bid:?} {ask:?}");
        let refused = rig.lane.report().orders.refused;
        assert!(!refused.contains_key("self_trade"), "{distance}: {refused:?}");
    }
}

/// A move too small to requote for still moves the order that the other side would meet.
#[test]
fn an_own_order_in_the_way_is_moved_however_little_it_is_off() {
    let mut rig = Rig::<Ladder>::new(0, Family::UsdM);
    let mut patient = plan(1);
    patient.entries[0].making.requote_ticks = 1_000.0;
    let placed = rig.open(&patient);
    rig.acknowledge(&placed);
    let still = ticker(0, 200, level(100_001, 5), level(100_003, 5));
    assert_eq!(rig.step(Input::Market(MarketEvent::Ticker(still))), [], "nothing in the way");
    let moved = ticker(0, 201, level(100_050, 5), level(100_052, 5));
    let intents = rig.step(Input::Market(MarketEvent::Ticker(moved)));
    assert!(!intents.is_empty() && intents.iter().all(|i| i.side == Side::Sell), "{intents:?}");
    let asks: Vec<_> = placed.iter().filter(|i| i.side == Side::Sell).collect();
    assert_eq!(intents.len(), asks.len());
}

#[test]
fn a_gap_a_fault_or_a_halt_cancels_what_works() {
    let gap = diff(0, 999, 1_000, &[], &[]);
    let bridge = diff(0, 99, 150, &[], &[]);
    let breaks: [(&str, Input<'_>); 4] = [
        ("gap", Input::Market(MarketEvent::Depth(gap))),
        ("fault", Input::MarketFault(None)),
        ("halt", Input::Command(Command::Halt, Source::Operator)),
        ("market link", Input::Link(Link::Market, LinkState::Down)),
    ];
    for (name, input) in breaks {
        let mut rig = Rig::<Ladder>::new(0, Family::UsdM);
        let placed = rig.open(&plan(1));
        rig.acknowledge(&placed);
        assert_eq!(rig.step(Input::Market(MarketEvent::Depth(bridge))), []);
        assert_eq!(actions(&rig.step(input)), [OrderAction::Cancel; 4], "{name}");
        assert_eq!(rig.step(Input::Timer), [], "{name}: one cancel each, no new order");
    }
}

#[test]
fn a_lost_order_connection_leaves_orders_of_unknown_fate_and_sends_nothing() {
    let mut rig = Rig::<Ladder>::new(0, Family::UsdM);
    let placed = rig.open(&plan(1));
    rig.acknowledge(&placed);
    assert_eq!(rig.step(Input::Link(Link::Orders, LinkState::Down)), []);
    assert_eq!(rig.lane.ledger().working(), 4, "unknown counts as open");
    assert!(rig.lane.report().orders.refused.is_empty(), "nothing is asked that cannot leave");
}

#[test]
fn an_old_plan_withdraws_quotes() {
    let mut rig = Rig::<Ladder>::new(0, Family::UsdM);
    let placed = rig.open(&plan(1));
    rig.acknowledge(&placed);
    rig.now = rig.now.plus(Nanos(61 * Nanos::SECOND.0));
    assert_eq!(actions(&rig.step(Input::Timer)), [OrderAction::Cancel; 4]);
}

#[test]
fn a_filled_quote_is_placed_again_until_the_position_limit() {
    let mut rig = Rig::<Ladder>::new(0, Family::UsdM);
    let mut small = plan(1);
    small.entries[0].position_lots_max = Lots(30);
    small.entries[0].making.levels = 1;
    let mut placed = rig.open(&small);
    for trade in 1..=10 {
        let Some(bid) = placed.iter().find(|i| i.side == Side::Buy).copied() else { break };
        rig.acknowledge(&placed);
        let fill = ExecutionReport {
            trade_id: trade,
            last_lots: bid.lots,
            ..report(ExecutionKind::Fill, &bid)
        };
        placed = rig.step(Input::Execution(fill));
    }
    let position = rig.lane.ledger().account(InstrumentId(0)).unwrap().position();
    assert!(position <= Lots(30) && position >= Lots(20), "{position:?}");
}

#[test]
fn each_instrument_pays_its_own_fees_and_the_lane_their_sum() {
    let mut rig = Rig::<Ladder>::new(0, Family::UsdM);
    let placed = rig.open(&plan(1));
    let bid = *placed.iter().find(|of| of.side == Side::Buy).unwrap();
    for (instrument, trade_id, fee) in [(0, 1, 30), (1, 2, 500)] {
        let fill = ExecutionReport {
            instrument: InstrumentId(instrument),
            trade_id,
            last_lots: Lots(1),
            fee: Money(fee),
            fee_currency: Currency::new("USDT").unwrap(),
            ..report(ExecutionKind::Fill, &bid)
        };
        rig.step(Input::Execution(fill));
    }
    let lane = rig.lane.report();
    let fees = |of: &InstrumentReport| of.fees["USDT"].clone();
    assert_eq!(lane.instruments.iter().map(fees).collect::<Vec<_>>(), ["0.00000030", "0.00000500"]);
    assert_eq!(lane.fees["USDT"], "0.00000530");
    // No book, no value: what is left of the second's profit is what it paid.
    assert_eq!(lane.instruments[1].pnl, "-0.00000500");
}

/// A seeded walk of the market with fills, as inputs to any lane.
fn walk<B: Book + Default>(rig: &mut Rig<B>, seed: u64, steps: u64) -> (u64, u64) {
    let mut state = seed;
    let mut draw = |bound: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut working: Vec<Intent> = rig.open(&plan(2));
    let (mut update, mut middle, mut trade) = (100, 100_001i64, 0);
    for _ in 0..steps {
        let kind = draw(10);
        let intents = if kind < 6 || working.is_empty() {
            middle += draw(9) as i64 - 4;
            // the touch moves by four ticks at most: clear what it left on the wrong side
            let mut bids = [level(0, 0); 11];
            let mut asks = [level(0, 0); 11];
            for at in 0..9 {
                bids[at] = level(middle + at as i64, 0);
                asks[at] = level(middle - at as i64, 0);
            }
            bids[9] = level(middle - 1 - draw(20) as i64, draw(5) as i64);
            asks[9] = level(middle + 1 + draw(20) as i64, draw(5) as i64);
            (bids[10], asks[10]) = (level(middle - 1, 3), level(middle + 1, 3));
            let event = diff(0, update, update + 1, &bids, &asks);
            update += 1;
            rig.step(Input::Market(MarketEvent::Depth(event)))
        } else if kind < 9 {
            let intent = working.swap_remove(draw(working.len() as u64) as usize);
            let kind = match intent.action {
                OrderAction::Cancel => ExecutionKind::Cancelled,
                OrderAction::Replace if intent.order == intent.replaces => ExecutionKind::Replaced,
                _ => ExecutionKind::Acknowledged,
            };
            let mut more = rig.step(Input::Execution(report(kind, &intent)));
            if kind == ExecutionKind::Acknowledged && draw(3) == 0 {
                trade += 1;
                let fill = ExecutionReport {
                    trade_id: trade,
                    last_lots: Lots(1 + draw(10) as i64),
                    ..report(ExecutionKind::Fill, &intent)
                };
                more.extend(rig.step(Input::Execution(fill)));
            }
            more
        } else {
            rig.step(Input::Timer)
        };
        working.extend(intents);
    }
    (rig.lane.orders_hash(), rig.lane.state_hash())
}

#[test]
fn the_same_inputs_give_the_same_orders_and_state_on_either_book() {
    for family in [Family::UsdM, Family::CoinM] {
        let mut ladder = Rig::<Ladder>::new(0, family);
        let first = walk(&mut ladder, 7, 5_000);
        assert_eq!(first, walk(&mut Rig::<Ladder>::new(0, family), 7, 5_000), "replay");
        assert_eq!(first, walk(&mut Rig::<Tree>::new(0, family), 7, 5_000), "twin");
        assert!(ladder.lane.report().inputs.requests > 100, "the walk trades");
    }
}

#[test]
fn canary_another_input_gives_another_hash() {
    let one = walk(&mut Rig::<Ladder>::new(0, Family::UsdM), 7, 500);
    let other = walk(&mut Rig::<Ladder>::new(0, Family::UsdM), 8, 500);
    assert_ne!(one, other);
    assert_ne!(StateHash::default().finish(), one.0);
}

#[test]
fn two_lanes_side_by_side_do_not_touch_each_other() {
    let alone = walk(&mut Rig::<Ladder>::new(1, Family::UsdM), 11, 2_000);
    let mut first = Rig::<Ladder>::new(0, Family::UsdM);
    let mut second = Rig::<Ladder>::new(1, Family::UsdM);
    for part in 0..4 {
        walk(&mut first, part, 500);
    }
    assert_eq!(walk(&mut second, 11, 2_000), alone);
}

/// One refusal says that the budget is used up; until it has room again only cancels are wanted.
#[test]
fn a_used_up_rate_budget_paces_the_quotes() {
    let mut rig = Rig::<Ladder>::new(0, Family::UsdM);
    let mut tight = plan(1);
    tight.limits.orders_per_window = 4;
    let placed = rig.open(&tight);
    assert_eq!(placed.len(), 4);
    rig.acknowledge(&placed);
    let refused = |rig: &Rig<Ladder>| rig.lane.report().orders.refused.get("order_rate").copied();
    let mut left = Vec::new();
    for step in 1..=400 {
        let (bid, ask) = (level(100_000 + step * 50, 5), level(100_002 + step * 50, 5));
        let ticker = ticker(0, 200 + step as u64, bid, ask);
        left.extend(rig.step(Input::Market(MarketEvent::Ticker(ticker))));
    }
    assert_eq!(actions(&left), [OrderAction::Cancel; 2], "the window has no room for more");
    assert!(left.iter().all(|i| i.side == Side::Sell), "offers that the market rose through");
    assert_eq!(refused(&rig), Some(2), "both quotes that moved, once, not at every ticker");
    assert_eq!(rig.lane.report().inputs.paced, 399);
    let cancels = rig.step(Input::Command(Command::Halt, Source::Operator));
    assert_eq!(actions(&cancels), [OrderAction::Cancel; 2], "the reserved part is theirs");
    rig.step(Input::Command(Command::Activate, Source::Operator));
    rig.now = rig.now.plus(Nanos::SECOND);
    let reports = |kind, intents: &[Intent]| -> Vec<_> {
        intents.iter().map(|intent| report(kind, intent)).collect()
    };
    let mut quoted = Vec::new();
    for cancelled in reports(ExecutionKind::Cancelled, &[left, cancels].concat()) {
        quoted.extend(rig.step(Input::Execution(cancelled)));
    }
    assert!(quoted.iter().any(|intent| intent.action == OrderAction::Place), "{quoted:?}");
}

/// What the venue says of rates is heeded: after -1015 only cancels leave for ten seconds, after -1003
/// nothing does.
#[test]
fn refusals_because_of_rates_are_heeded() {
    for (code, cancels_leave) in [(-1015, true), (-1003, false)] {
        let mut rig = Rig::<Ladder>::new(0, Family::UsdM);
        let placed = rig.open(&plan(1));
        rig.acknowledge(&placed[1..]);
        let rejected =
            ExecutionReport { reject_code: code, ..report(ExecutionKind::Rejected, &placed[0]) };
        assert_eq!(rig.step(Input::Execution(rejected)), [], "{code}: not placed again at once");
        for _ in 0..100 {
            assert_eq!(rig.step(Input::Timer), [], "{code}");
        }
        let cancels = rig.step(Input::Command(Command::Halt, Source::Operator));
        assert_eq!(cancels.len(), if cancels_leave { 3 } else { 0 }, "{code}");
        rig.now = rig.now.plus(Nanos(10 * Nanos::SECOND.0));
        let late = rig.step(Input::Timer);
        assert_eq!(actions(&late), vec![OrderAction::Cancel; 3 - cancels.len()], "{code}");
    }
}
