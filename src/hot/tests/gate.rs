//! For each verdict a case that triggers exactly it, and one just inside the limit that passes.

use super::{instrument, level, order, plan, report, trade};
use crate::hot::exposure::Exposures;
use crate::hot::gate::{GateView, check};
use crate::hot::rate::{RateWindow, Use};
use crate::hot::state::Holds;
use crate::hot::trades::Trades;
use crate::ledger::Ledger;
use crate::market::book::Top;
use crate::record::{
    BucketKind, Cause, ExecutionKind, ExecutionReport, Instrument, Intent, OrderAction, Plan,
    TimeInForce, Verdict,
};
use crate::units::{InstrumentId, Lots, Money, Nanos, OrderId, Rate, Side, Ticks};

/// Everything a verdict depends on, owned, with a state in which an ordinary order passes. The order is
/// on the first of three instruments; all stand at 10 000.0.
#[derive(Clone, Debug)]
struct Scene {
    holds: Holds,
    closes: bool,
    may_try: bool,
    connected: bool,
    plan: Plan,
    ledger: Ledger,
    instruments: Vec<Instrument>,
    trades: Trades,
    marks: [i64; 3],
    top: Option<Top>,
    book_at: Nanos,
    own: Vec<OrderId>,
    rate: RateWindow,
    now: Nanos,
}

const NOW: Nanos = Nanos(100_000_000_000);
/// One lot at 10 000.0 in minor units of the quote currency: 10 of it.
const LOT: i128 = 10 * Money::ONE;

impl Scene {
    fn new() -> Scene {
        let names = ["BTCUSDT", "ETHUSDT", "SOLUSDT"];
        let instruments: Vec<_> =
            (0..3).zip(names).map(|(at, name)| instrument(at, name)).collect();
        let mut plan = plan(3);
        plan.adopted_at = NOW;
        Scene {
            holds: Holds::NONE,
            closes: false,
            may_try: true,
            connected: true,
            plan,
            ledger: Ledger::new(&instruments),
            instruments,
            trades: Trades::default(),
            marks: [100_000; 3],
            top: Some(Top { bid: Some(level(100_000, 5)), ask: Some(level(100_002, 5)) }),
            book_at: NOW,
            own: Vec::new(),
            rate: RateWindow::new(),
            now: NOW,
        }
    }

    fn check(&self, intent: &Intent) -> Verdict {
        let mut rate = self.rate.clone();
        rate.adopt(&self.plan.limits);
        let mut exposures = Exposures::new(&self.instruments);
        for (at, mark) in self.marks.into_iter().enumerate() {
            exposures.mark(at, Ticks(mark));
        }
        exposures.adopt(&self.plan, self.instruments.iter(), &self.ledger);
        check(
            intent,
            &GateView {
                holds: self.holds,
                closes: self.closes,
                may_try: self.may_try,
                connected: self.connected,
                plan: &self.plan,
                entry: self.plan.entry(intent.instrument),
                ledger: &self.ledger,
                exposures: &exposures,
                instrument: &self.instruments[0],
                trades: &self.trades,
                top: self.top,
                book_at: self.book_at,
                own: &self.own,
                rate: &rate,
                now: self.now,
            },
        )
    }

    fn works(&mut self, intent: &Intent) {
        self.ledger.place(intent, 0, NOW).unwrap();
        self.ledger.on_report(&report(ExecutionKind::Acknowledged, intent));
        if intent.instrument == InstrumentId(0) {
            self.own.push(intent.order);
        }
    }

    fn holds(&mut self, side: Side, lots: i64) {
        self.holds_of(0, side, lots);
    }

    fn holds_of(&mut self, instrument: u32, side: Side, lots: i64) {
        let instrument = InstrumentId(instrument);
        let bare = ExecutionReport::bare(ExecutionKind::Fill, instrument, OrderId::new(1, 900));
        let fill = ExecutionReport {
            side,
            trade_id: 1 + u64::from(instrument.0),
            last_price: Ticks(100_000),
            last_lots: Lots(lots),
            ..bare
        };
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
            s.holds = Holds::NONE.with(Cause::OperatorHalt);
            buy(10)
        },
    );
    turns(
        Verdict::Reducing,
        |s| {
            s.holds = Holds::NONE.with(Cause::SignalReduce);
            s.holds(Side::Sell, 10);
            buy(10)
        },
        |s| {
            s.holds = Holds::NONE.with(Cause::SignalReduce);
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
            s.plan.entries[0].notional_max = Money(99_990_000_000);
            buy(100)
        },
        |s| {
            s.plan.entries[0].notional_max = Money(99_990_000_000 - 1);
            buy(100)
        },
    );
    turns(
        Verdict::NotionalUnderLimit,
        |s| {
            s.instruments[0].filters.notional_min = Money(999_900_000);
            buy(1)
        },
        |s| {
            s.instruments[0].filters.notional_min = Money(999_900_001);
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
            s.instruments[0].filters.price_min = Ticks(99_990);
            buy(10)
        },
        |s| {
            s.instruments[0].filters.price_min = Ticks(99_991);
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

/// 80 orders in ten seconds, as the venue counts them, of which 8 are kept for closing: changes count
/// too, cancels do not, and what was sent before the window does not any more.
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
    turns(Verdict::OrderRate, |s| sent(s, 71, early), |s| sent(s, 72, early));
    let mut scene = Scene::new();
    let intent = sent(&mut scene, 72, early);
    scene.rate.adopt(&scene.plan.limits);
    let room_at = scene.rate.room_at(Use::Order);
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
    (scene.holds, scene.plan, scene.top) = (Holds::START, Plan::none(), None);
    let cancel = Intent { action: OrderAction::Cancel, ..order(2, Side::Buy, 0, 0) };
    assert_eq!(scene.check(&cancel), Verdict::Pass);
    let unknown = Intent { order: OrderId::new(1, 3), ..cancel };
    assert_eq!(scene.check(&unknown), Verdict::UnknownOrder);
    assert_eq!(scene.check(&Intent { action: OrderAction::CancelAll, ..cancel }), Verdict::Pass);
}

/// Shares of the equity are set so that the limit lies at a hundred lots of the first instrument.
fn share_of(lots: i128) -> Rate {
    // of an equity of 100 000
    Rate((lots * LOT / 100_000) as i64)
}

#[test]
fn exposure_of_one_instrument_of_a_venue_a_strategy_and_a_group() {
    let hundred = |s: &mut Scene| s.plan.limits.concentration_max = share_of(100);
    turns(
        Verdict::Concentration,
        |s| {
            hundred(s);
            s.works(&order(2, Side::Buy, 99_980, 90));
            buy(10)
        },
        |s| {
            hundred(s);
            s.works(&order(2, Side::Buy, 99_980, 90));
            buy(11)
        },
    );
    let held = |s: &mut Scene, at: usize, kind: BucketKind, lots: i64| {
        s.plan.limits.buckets[at].share = share_of(100);
        s.plan.limits.buckets[at].kind = kind as u64;
        s.plan.entries[0].buckets |= 1 << at;
        s.plan.entries[1].buckets |= 1 << at;
        s.holds_of(1, Side::Sell, lots);
        buy(10)
    };
    for (at, kind, verdict) in [
        (0, BucketKind::Venue, Verdict::VenueExposure),
        (1, BucketKind::Strategy, Verdict::StrategyExposure),
        (2, BucketKind::Group, Verdict::GroupExposure),
    ] {
        turns(verdict, |s| held(s, at, kind, 90), |s| held(s, at, kind, 91));
    }
    // what belongs to another group does not count
    let mut apart = Scene::new();
    held(&mut apart, 2, BucketKind::Group, 91);
    apart.plan.entries[1].buckets = 0b11;
    assert_eq!(apart.check(&buy(10)), Verdict::Pass);
}

#[test]
fn exposure_of_the_whole_lane() {
    let gross = |s: &mut Scene, lots: i64| {
        s.plan.limits.gross_max = Money(100 * LOT);
        s.holds_of(1, Side::Sell, 30);
        s.holds_of(2, Side::Buy, lots);
        buy(10)
    };
    turns(Verdict::GrossExposure, |s| gross(s, 60), |s| gross(s, 61));
    let net = |s: &mut Scene, side: Side, lots: i64| {
        s.plan.limits.net_max = Money(100 * LOT);
        s.holds_of(1, side, 120);
        s.holds_of(2, side.opposite(), lots);
        Intent { side, ..buy(10) }
    };
    for side in [Side::Buy, Side::Sell] {
        let price = if side == Side::Buy { 99_990 } else { 100_010 };
        let net = |s: &mut Scene, lots| Intent { price: Ticks(price), ..net(s, side, lots) };
        turns(Verdict::NetExposure, |s| net(s, 30), |s| net(s, 29));
    }
    // a tenth of the equity of 100 000, a hundred of which were lost: 999 lots
    let leverage = |s: &mut Scene, lots: i64| {
        s.plan.limits.leverage_max = Rate(10_000_000);
        s.holds_of(1, Side::Buy, lots);
        let fee = ExecutionReport {
            trade_id: 77,
            last_price: Ticks(100_000),
            fee: Money(100 * Money::ONE),
            fee_currency: s.instruments[0].settle,
            ..ExecutionReport::bare(ExecutionKind::Fill, InstrumentId(0), OrderId::new(1, 901))
        };
        s.ledger.on_report(&fee);
        buy(10)
    };
    turns(Verdict::Leverage, |s| leverage(s, 989), |s| leverage(s, 990));
}

#[test]
fn a_position_that_nobody_can_value_stops_new_risk() {
    turns(
        Verdict::MarkUnknown,
        |s| {
            s.marks[1] = 0;
            buy(10)
        },
        |s| {
            s.marks[1] = 0;
            s.holds_of(1, Side::Buy, 1);
            buy(10)
        },
    );
}

#[test]
fn a_restricted_instrument_only_shrinks() {
    let restricted = |s: &mut Scene, lots: i64| {
        s.plan.entries[0].restricted = 1;
        s.holds(Side::Sell, 10);
        buy(lots)
    };
    turns(Verdict::Restricted, |s| restricted(s, 10), |s| restricted(s, 11));
}

/// The last trade stood 2 % away; its collar is 2 %.
#[test]
fn prices_are_held_to_the_last_trade_while_it_is_fresh() {
    let traded = |s: &mut Scene, price: i64, at: Nanos| {
        s.trades.on_trade(&trade(price, 1_000_000), at);
        buy(10)
    };
    let fresh = Nanos(NOW.0 - 60 * Nanos::SECOND.0);
    turns(Verdict::PriceOffLastTrade, |s| traded(s, 98_030, fresh), |s| traded(s, 98_029, fresh));
    let old = Nanos(fresh.0 - 1);
    turns(Verdict::PriceOffLastTrade, |s| traded(s, 98_029, old), |s| traded(s, 98_029, fresh));
}

/// A tenth of what was traded in the last minute, or the free size.
#[test]
fn fat_fingers_are_measured_by_the_markets_volume() {
    let traded = |s: &mut Scene, lots: i64, volume: i64| {
        s.plan.entries[0].volume_free_lots = Lots(5);
        s.trades.on_trade(&trade(100_000, volume), NOW);
        buy(lots)
    };
    turns(Verdict::SizeOverVolume, |s| traded(s, 10, 100), |s| traded(s, 10, 99));
    turns(Verdict::SizeOverVolume, |s| traded(s, 5, 0), |s| traded(s, 6, 0));
}

/// What holds the lane back decides the code.
#[test]
fn limits_and_breakers_refuse_by_name() {
    for (cause, verdict) in [
        (Cause::DailyLoss, Verdict::LossLimit),
        (Cause::Drawdown, Verdict::LossLimit),
        (Cause::Exposure, Verdict::ExposureLimit),
        (Cause::Spread, Verdict::Breaker),
        (Cause::Rejects, Verdict::Breaker),
        (Cause::KillFile, Verdict::Halted),
    ] {
        turns(
            verdict,
            |_| buy(10),
            |s| {
                s.holds = Holds::NONE.with(cause);
                buy(10)
            },
        );
    }
    turns(
        Verdict::TrialsUsed,
        |_| buy(10),
        |s| {
            s.may_try = false;
            buy(10)
        },
    );
}

/// Halted lanes close positions, no more than there are, and only when that is asked for.
#[test]
fn a_halted_lane_lets_out_only_what_closes() {
    let closing = |s: &mut Scene, lots: i64, closes: bool, reduce_only: bool| {
        s.holds = Holds::NONE.with(Cause::OperatorHalt);
        s.closes = closes;
        s.holds(Side::Sell, 10);
        let time_in_force = TimeInForce::ImmediateOrCancel;
        Intent { reduce_only, time_in_force, ..buy(lots) }
    };
    turns(Verdict::Halted, |s| closing(s, 10, true, true), |s| closing(s, 11, true, true));
    turns(Verdict::Halted, |s| closing(s, 10, true, true), |s| closing(s, 10, false, true));
    turns(Verdict::Halted, |s| closing(s, 10, true, true), |s| closing(s, 10, true, false));
    let after = |s: &mut Scene, orders: u32, cancels: u32| {
        let ago = Nanos(s.now.0 - 5 * Nanos::SECOND.0);
        s.plan.limits.venue[0].orders = 80;
        (0..orders).for_each(|_| s.rate.sent(OrderAction::Place, ago));
        (0..cancels).for_each(|_| s.rate.sent(OrderAction::Cancel, NOW));
        closing(s, 10, true, true)
    };
    turns(Verdict::OrderRate, |s| after(s, 79, 0), |s| after(s, 80, 0));
    turns(Verdict::OrderRate, |s| after(s, 0, 99), |s| after(s, 0, 100));
}

/// A replacement under a new id may meet the fills of the order that it withdraws; a change in place
/// counts what it changes once.
#[test]
fn a_replacement_counts_beside_what_it_replaces_and_a_change_in_place_does_not() {
    let near = |s: &mut Scene, lots: i64| {
        let held = order(2, Side::Buy, 99_980, 400);
        s.works(&held);
        let replace = Intent { action: OrderAction::Replace, replaces: held.order, ..buy(lots) };
        (held, replace)
    };
    turns(Verdict::PositionOverLimit, |s| near(s, 600).1, |s| near(s, 601).1);
    let in_place = |s: &mut Scene, lots: i64| {
        let (held, replace) = near(s, lots);
        Intent { order: held.order, ..replace }
    };
    turns(
        Verdict::PositionOverLimit,
        |s| in_place(s, 999),
        |s| {
            s.plan.entries[0].order_lots_max = Lots(1_001);
            s.plan.entries[0].volume_free_lots = Lots(1_001);
            in_place(s, 1_001)
        },
    );
}
