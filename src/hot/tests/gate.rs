//! For each verdict a case that triggers exactly it, and one just inside the limit that passes.

use super::{instrument, level, order, plan, report};
use crate::hot::gate::{GateView, RateWindow, check};
use crate::ledger::Ledger;
use crate::market::book::Top;
use crate::record::{
    ExecutionKind, Instrument, Intent, Mode, OrderAction, OrderType, Plan, Verdict,
};
use crate::units::{InstrumentId, Lots, Nanos, OrderId, Side, Ticks};
use proptest::prelude::*;

/// Everything a verdict depends on, owned, with a state in which an ordinary order passes.
#[derive(Clone, Debug)]
struct Scene {
    mode: Mode,
    connected: bool,
    plan: Plan,
    ledger: Ledger,
    instrument: Instrument,
    top: Option<Top>,
    book_at: Nanos,
    own: Vec<OrderId>,
    rate: RateWindow,
    now: Nanos,
}

const NOW: Nanos = Nanos(100_000_000_000);

impl Scene {
    fn new() -> Scene {
        let instrument = instrument(0, "BTCUSDT");
        let mut plan = plan(1);
        plan.adopted_at = NOW;
        Scene {
            mode: Mode::Active,
            connected: true,
            plan,
            ledger: Ledger::new(&[instrument]),
            instrument,
            top: Some(Top { bid: Some(level(100_000, 5)), ask: Some(level(100_002, 5)) }),
            book_at: NOW,
            own: Vec::new(),
            rate: RateWindow::new(),
            now: NOW,
        }
    }

    fn check(&self, intent: &Intent) -> Verdict {
        check(
            intent,
            &GateView {
                mode: self.mode,
                connected: self.connected,
                plan: &self.plan,
                ledger: &self.ledger,
                instrument: &self.instrument,
                top: self.top,
                book_at: self.book_at,
                own: &self.own,
                rate: &self.rate,
                now: self.now,
            },
        )
    }

    fn works(&mut self, intent: &Intent) {
        self.ledger.place(intent, 0, NOW).unwrap();
        self.ledger.on_report(&report(ExecutionKind::Acknowledged, intent));
        self.own.push(intent.order);
    }

    fn holds(&mut self, side: Side, lots: i64) {
        let intent = order(900, side, 100_000, lots);
        self.ledger.place(&intent, 0, NOW).unwrap();
        let mut fill = report(ExecutionKind::Fill, &intent);
        fill.trade_id = 1;
        fill.last_lots = Lots(lots);
        self.ledger.on_report(&fill);
    }
}

fn buy(lots: i64) -> Intent {
    order(1, Side::Buy, 99_990, lots)
}

#[track_caller]
fn turns(
    verdict: Verdict,
    pass: impl Fn(&mut Scene) -> Intent,
    fail: impl Fn(&mut Scene) -> Intent,
) {
    let mut inside = Scene::new();
    let intent = pass(&mut inside);
    assert_eq!(inside.check(&intent), Verdict::Pass, "just inside {}", verdict.name());
    let mut outside = Scene::new();
    let intent = fail(&mut outside);
    assert_eq!(outside.check(&intent), verdict);
}

#[test]
fn modes() {
    turns(
        Verdict::Halted,
        |_| buy(10),
        |s| {
            s.mode = Mode::Halted;
            buy(10)
        },
    );
    turns(
        Verdict::Reducing,
        |s| {
            s.mode = Mode::Reducing;
            s.holds(Side::Sell, 10);
            buy(10)
        },
        |s| {
            s.mode = Mode::Reducing;
            s.holds(Side::Sell, 10);
            buy(11)
        },
    );
    turns(
        Verdict::NotConnected,
        |_| buy(10),
        |s| {
            s.connected = false;
            buy(10)
        },
    );
}

#[test]
fn plans() {
    let age = |s: &mut Scene, extra: u64| {
        s.now = Nanos(NOW.0 + s.plan.limits.plan_age_max.0 + extra);
        s.book_at = s.now;
        buy(10)
    };
    turns(Verdict::PlanStale, |s| age(s, 0), |s| age(s, 1));
    turns(
        Verdict::PlanStale,
        |s| {
            s.holds(Side::Sell, 10);
            age(s, 1)
        },
        |s| {
            s.holds(Side::Sell, 9);
            age(s, 1)
        },
    );
    turns(
        Verdict::PlanStale,
        |_| buy(10),
        |s| {
            s.plan = Plan::none();
            buy(10)
        },
    );
    turns(
        Verdict::NotInPlan,
        |_| buy(10),
        |s| {
            s.plan.entries[0].instrument = InstrumentId(7);
            buy(10)
        },
    );
}

#[test]
fn sizes() {
    turns(Verdict::SizeUnderLimit, |_| buy(1), |_| buy(0));
    turns(Verdict::SizeUnderLimit, |_| buy(1), |_| buy(-5));
    turns(
        Verdict::SizeOverLimit,
        |s| {
            s.plan.entries[0].order_lots_max = Lots(10);
            buy(10)
        },
        |s| {
            s.plan.entries[0].order_lots_max = Lots(10);
            buy(11)
        },
    );
    turns(
        Verdict::PositionOverLimit,
        |s| {
            s.holds(Side::Buy, 600);
            s.works(&order(2, Side::Buy, 99_980, 390));
            buy(10)
        },
        |s| {
            s.holds(Side::Buy, 600);
            s.works(&order(2, Side::Buy, 99_980, 390));
            buy(11)
        },
    );
    // a lot at 99 990 ticks is 9.999 quote units
    turns(
        Verdict::NotionalOverLimit,
        |s| {
            s.plan.entries[0].notional_max = crate::units::Money(99_990_000_000);
            buy(100)
        },
        |s| {
            s.plan.entries[0].notional_max = crate::units::Money(99_990_000_000 - 1);
            buy(100)
        },
    );
    turns(
        Verdict::NotionalUnderLimit,
        |s| {
            s.instrument.filters.notional_min = crate::units::Money(999_900_000);
            buy(1)
        },
        |s| {
            s.instrument.filters.notional_min = crate::units::Money(999_900_001);
            buy(1)
        },
    );
}

#[test]
fn prices_and_books() {
    // collar 1 % of the middle 100 001: 1 000.01 ticks
    turns(
        Verdict::PriceOutsideCollar,
        |_| order(1, Side::Buy, 99_001, 10),
        |_| order(1, Side::Buy, 99_000, 10),
    );
    turns(
        Verdict::PriceOutsideCollar,
        |s| {
            s.instrument.filters.price_min = Ticks(99_990);
            buy(10)
        },
        |s| {
            s.instrument.filters.price_min = Ticks(99_991);
            buy(10)
        },
    );
    let crossed = |bid, ask| Some(Top { bid: Some(level(bid, 1)), ask: Some(level(ask, 1)) });
    turns(
        Verdict::BookCrossed,
        |s| {
            s.top = crossed(100_000, 100_001);
            buy(10)
        },
        |s| {
            s.top = crossed(100_000, 100_000);
            buy(10)
        },
    );
    let age = |s: &mut Scene, extra: u64| {
        s.book_at = Nanos(NOW.0 - s.plan.entries[0].book_age_max.0 - extra);
        buy(10)
    };
    turns(Verdict::BookStale, |s| age(s, 0), |s| age(s, 1));
    turns(
        Verdict::BookUnsynchronised,
        |_| buy(10),
        |s| {
            s.top = None;
            buy(10)
        },
    );
}

#[test]
fn own_orders() {
    turns(
        Verdict::OpenOrders,
        |s| {
            (2..9).for_each(|n| s.works(&order(n, Side::Buy, 99_900 + n as i64, 1)));
            buy(10)
        },
        |s| {
            (2..10).for_each(|n| s.works(&order(n, Side::Buy, 99_900 + n as i64, 1)));
            buy(10)
        },
    );
    turns(
        Verdict::Duplicate,
        |s| {
            s.works(&order(2, Side::Buy, 99_989, 5));
            buy(10)
        },
        |s| {
            s.works(&order(2, Side::Buy, 99_990, 5));
            buy(10)
        },
    );
    turns(
        Verdict::SelfTrade,
        |s| {
            s.works(&order(2, Side::Sell, 99_991, 5));
            buy(10)
        },
        |s| {
            s.works(&order(2, Side::Sell, 99_990, 5));
            buy(10)
        },
    );
    let replace = |s: &mut Scene| {
        let held = order(2, Side::Buy, 99_980, 5);
        s.works(&held);
        Intent { action: OrderAction::Replace, replaces: held.order, ..buy(10) }
    };
    turns(Verdict::CancelPending, replace, |s| {
        let intent = replace(s);
        s.ledger.cancel_sent(intent.replaces);
        intent
    });
    turns(Verdict::UnknownOrder, replace, |s| {
        let intent = replace(s);
        Intent { replaces: OrderId::new(1, 77), ..intent }
    });
}

/// 80 orders in ten seconds, as the venue counts them: changes count too, cancels do not, and what was
/// sent before the window does not any more.
#[test]
fn the_venues_own_windows_are_kept() {
    let early = Nanos(NOW.0 - 5 * Nanos::SECOND.0);
    let sent = |s: &mut Scene, orders: u32, at: Nanos| {
        s.plan.limits.venue[0].orders = 80;
        let action = |n| if n % 2 == 0 { OrderAction::Place } else { OrderAction::Replace };
        (0..orders).for_each(|n| s.rate.sent(action(n), at));
        (0..40).for_each(|_| s.rate.sent(OrderAction::Cancel, at));
        buy(10)
    };
    turns(Verdict::OrderRate, |s| sent(s, 79, early), |s| sent(s, 80, early));
    let mut scene = Scene::new();
    let intent = sent(&mut scene, 80, early);
    let room_at = scene.rate.room_at(&scene.plan.limits);
    assert_eq!(room_at, Nanos(early.0 + 10 * Nanos::SECOND.0));
    (scene.now, scene.book_at) = (room_at, room_at);
    assert_eq!(scene.check(&intent), Verdict::Pass);
    scene.now = Nanos(room_at.0 - 1);
    assert_eq!(scene.check(&intent), Verdict::OrderRate);
    scene.works(&order(2, Side::Buy, 99_980, 5));
    let cancel = Intent { action: OrderAction::Cancel, ..order(2, Side::Buy, 0, 0) };
    assert_eq!(scene.check(&cancel), Verdict::Pass);
}

#[test]
fn rates_keep_a_part_for_cancels() {
    let sent = |s: &mut Scene, orders: u32, cancels: u32| {
        (0..orders).for_each(|_| s.rate.sent(OrderAction::Place, NOW));
        (0..cancels).for_each(|_| s.rate.sent(OrderAction::Cancel, NOW));
    };
    turns(
        Verdict::OrderRate,
        |s| {
            sent(s, 49, 0);
            buy(10)
        },
        |s| {
            sent(s, 50, 0);
            buy(10)
        },
    );
    let cancel = |s: &mut Scene, cancels: u32| {
        s.works(&order(2, Side::Buy, 99_980, 5));
        sent(s, 50, cancels);
        Intent { action: OrderAction::Cancel, ..order(2, Side::Buy, 0, 0) }
    };
    turns(Verdict::OrderRate, |s| cancel(s, 49), |s| cancel(s, 50));
    let mut later = Scene::new();
    sent(&mut later, 50, 50);
    later.now = Nanos(NOW.0 + later.plan.limits.rate_window.0);
    later.book_at = later.now;
    assert_eq!(later.check(&buy(10)), Verdict::Pass, "the window has passed");
}

#[test]
fn cancels_leave_even_from_a_halted_lane_without_plan_or_book() {
    let mut scene = Scene::new();
    scene.works(&order(2, Side::Buy, 99_980, 5));
    (scene.mode, scene.plan, scene.top) = (Mode::Halted, Plan::none(), None);
    let cancel = Intent { action: OrderAction::Cancel, ..order(2, Side::Buy, 0, 0) };
    assert_eq!(scene.check(&cancel), Verdict::Pass);
    let unknown = Intent { order: OrderId::new(1, 3), ..cancel };
    assert_eq!(scene.check(&unknown), Verdict::UnknownOrder);
    assert_eq!(scene.check(&Intent { action: OrderAction::CancelAll, ..cancel }), Verdict::Pass);
}

/// The gate asked again from first principles: every question on its own, first refusal by code.
fn naive(scene: &Scene, intent: &Intent) -> bool {
    let entry = &scene.plan.entries[0];
    let account = scene.ledger.account(InstrumentId(0)).unwrap();
    let (buys, sells) = (account.working(Side::Buy).0, account.working(Side::Sell).0);
    let (p, lots) = (account.position().0, intent.lots.0);
    let shrinks = match intent.side {
        Side::Buy => p < 0 && buys + lots <= -p,
        Side::Sell => p > 0 && sells + lots <= p,
    };
    let (up, down) = match intent.side {
        Side::Buy => (p + buys + lots, p - sells),
        Side::Sell => (p + buys, p - sells - lots),
    };
    let top = scene.top.unwrap();
    let (bid, ask) = (top.bid.unwrap().price.0, top.ask.unwrap().price.0);
    let middle = (bid + ask) as f64 / 2.0;
    let notional = intent.price.0 as f64 * 0.1 * lots as f64 * 0.001;
    let own: Vec<_> = scene.own.iter().filter_map(|id| scene.ledger.order(*id)).collect();
    (scene.mode == Mode::Active || (scene.mode == Mode::Reducing && shrinks))
        && bid < ask
        && lots >= 1
        && lots <= entry.order_lots_max.0
        && (shrinks || up.abs().max(down.abs()) <= entry.position_lots_max.0)
        && (intent.price.0 as f64 - middle).abs() <= 0.01 * middle
        && (5.0..=100_000.0).contains(&notional)
        && own.len() < entry.open_orders_max as usize
        && own.iter().all(|o| o.side != intent.side || o.price != intent.price)
        && own.iter().all(|o| match (o.side, intent.side) {
            (Side::Sell, Side::Buy) => intent.price < o.price,
            (Side::Buy, Side::Sell) => intent.price > o.price,
            _ => true,
        })
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn scene() -> impl Strategy<Value = Scene> {
    let mode =
        prop_oneof![4 => Just(Mode::Active), 1 => Just(Mode::Reducing), 1 => Just(Mode::Halted)];
    let working = prop::collection::vec((side(), 99_980i64..100_020, 1i64..200), 0..9);
    (mode, side(), 0i64..1_200, working, -2i64..4).prop_map(
        |(mode, held, lots, working, spread)| {
            let mut scene = Scene::new();
            scene.mode = mode;
            if lots > 0 {
                scene.holds(held, lots);
            }
            for (at, (side, price, lots)) in working.into_iter().enumerate() {
                scene.works(&order(at as u64 + 2, side, price, lots));
            }
            let (bid, ask) = (level(100_000, 5), level(100_000 + spread, 5));
            scene.top = Some(Top { bid: Some(bid), ask: Some(ask) });
            scene
        },
    )
}

proptest! {
    #[test]
    fn the_gate_agrees_with_the_naive_one(
        scene in scene(),
        side in side(),
        price in prop_oneof![99_980i64..100_020, 98_990i64..99_010, 100_990i64..101_010],
        lots in prop_oneof![-1i64..20, 900i64..1_100],
    ) {
        let intent = Intent { order_type: OrderType::Limit, ..order(1, side, price, lots) };
        prop_assert_eq!(scene.check(&intent).passes(), naive(&scene, &intent), "{:?}", scene.check(&intent));
    }
}

#[test]
fn canary_a_gate_that_forgets_the_position_is_caught() {
    let mut scene = Scene::new();
    scene.holds(Side::Buy, 1_000);
    let forgetful = {
        let mut other = scene.clone();
        other.plan.entries[0].position_lots_max = Lots(i64::MAX);
        other
    };
    assert!(forgetful.check(&buy(10)).passes() && !naive(&scene, &buy(10)));
}
