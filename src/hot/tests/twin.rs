//! The gate asked again from first principles: no ledger, no sums kept, no rings, only the list of what
//! was sent, filled and traded. The same verdict, code and all, on random worlds.

use super::gate_world::{FEES, Fill, NOW, SECOND, Working, World, id, instruments};
use super::{order, plan};
use crate::hot::state::Holds;
use crate::record::{BucketKind, Cause, Intent, Mode, OrderAction, OrderType, Plan, Verdict};
use crate::units::{Lots, Money, Nanos, OrderId, Rate, Side};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// The first thing that is wrong with a place or a change, in the gate's order.
#[allow(clippy::cognitive_complexity, reason = "one question after the other is its point")]
fn naive(world: &World) -> Verdict {
    let World { plan, intent, instruments, .. } = world;
    let (limits, entry) = (&plan.limits, &plan.entries[0]);
    let own = |at: usize| -> Option<&Working> { world.working.get(at) };
    let replaced = (intent.action == OrderAction::Replace)
        .then(|| (0..world.working.len()).find(|at| id(*at) == intent.replaces))
        .flatten();
    let in_place = intent.order == intent.replaces;

    let lots = i128::from(intent.lots.0);
    let known = replaced.filter(|_| in_place).and_then(own);
    let more = lots - known.map_or(0, |order| i128::from(order.3));
    let position = world.position(0);
    let working = world.works(0, intent.side);
    let shrinks = match intent.side {
        Side::Buy => position < 0 && position + working + more <= 0,
        Side::Sell => position > 0 && position - working - more >= 0,
    };

    let halted = world.holds.mode() == Mode::Halted;
    if halted && !(world.closes && intent.reduce_only && shrinks) {
        return world.holds.refusal();
    }
    if world.holds.mode() == Mode::Reducing && !shrinks {
        return world.holds.refusal();
    }
    if !world.connected {
        return Verdict::NotConnected;
    }
    if !world.may_try {
        return Verdict::TrialsUsed;
    }
    if !shrinks && world.plan_age > limits.plan_age_max.0 {
        return Verdict::PlanStale;
    }
    if !shrinks && entry.restricted > 0 {
        return Verdict::Restricted;
    }

    let Some((bid, ask)) = world.top else { return Verdict::BookUnsynchronised };
    if bid >= ask {
        return Verdict::BookCrossed;
    }
    if !shrinks && world.book_age > entry.book_age_max.0 {
        return Verdict::BookStale;
    }
    let price = intent.price.0;
    let is_market = intent.order_type == OrderType::Market;
    if !is_market {
        let filters = &instruments[0].filters;
        let middle = (bid + ask) as f64 / 2.0;
        let collar = entry.collar.0 as f64 / 1e8 * middle;
        if price < filters.price_min.0
            || price > filters.price_max.0
            || (price as f64 - middle).abs() > collar
        {
            return Verdict::PriceOutsideCollar;
        }
        let last = world.traded.last().filter(|(ago, _, _)| *ago <= limits.trade_age_max.0);
        if let Some((_, last, _)) = last
            && i128::from((price - last).abs()) * Money::ONE
                > i128::from(*last) * i128::from(entry.trade_collar.0)
        {
            return Verdict::PriceOffLastTrade;
        }
    }

    if lots < 1 {
        return Verdict::SizeUnderLimit;
    }
    if intent.lots > entry.order_lots_max {
        return Verdict::SizeOverLimit;
    }
    let in_minute = |(ago, _, _): &&(u64, i64, i64)| (NOW - ago) / SECOND > NOW / SECOND - 60;
    let volume: i64 = world.traded.iter().filter(in_minute).map(|trade| trade.2).sum();
    if intent.lots > entry.volume_free_lots
        && lots * Money::ONE > i128::from(volume) * i128::from(entry.volume_share.0)
    {
        return Verdict::SizeOverVolume;
    }
    let at = match (is_market, intent.side) {
        (false, _) => price,
        (true, Side::Buy) => ask,
        (true, Side::Sell) => bid,
    };
    if world.worth(0, lots, at) > entry.notional_max.0 {
        return Verdict::NotionalOverLimit;
    }
    if !intent.reduce_only && lots * i128::from(at) * 10_000 < 15 * Money::ONE {
        return Verdict::NotionalUnderLimit;
    }

    if !shrinks {
        let verdict = naive_exposure(world, more);
        if verdict != Verdict::Pass {
            return verdict;
        }
    } else if !halted && naive_net(world, more) > limits.net_max.0 {
        return Verdict::NetExposure;
    }

    if intent.action == OrderAction::Replace {
        match replaced.and_then(own) {
            Some((_, _, _, _, false)) => {}
            Some(_) => return Verdict::CancelPending,
            None => return Verdict::UnknownOrder,
        }
    }
    let mine = || world.working.iter().enumerate().filter(|(_, order)| order.0 == 0);
    let places = intent.action == OrderAction::Place || !in_place;
    if places && mine().count() >= entry.open_orders_max as usize {
        return Verdict::OpenOrders;
    }
    let mut others = mine().filter(|(at, _)| Some(*at) != replaced).map(|(_, order)| order);
    if !is_market && others.clone().any(|order| order.1 == intent.side && order.2 == price) {
        return Verdict::Duplicate;
    }
    if others.any(|order| match (intent.side, order.1) {
        (Side::Buy, Side::Sell) => is_market || price >= order.2,
        (Side::Sell, Side::Buy) => is_market || price <= order.2,
        _ => false,
    }) {
        return Verdict::SelfTrade;
    }
    naive_rate(world, false, halted)
}

/// Position and exposures with the order working, narrowest limit first.
fn naive_exposure(world: &World, more: i128) -> Verdict {
    let World { plan, intent, .. } = world;
    let limits = &plan.limits;
    let added = match intent.side {
        Side::Buy => [more, 0],
        Side::Sell => [0, more],
    };
    let position = world.position(0);
    let up = position + world.works(0, Side::Buy) + added[0];
    let down = position - world.works(0, Side::Sell) - added[1];
    if up.abs().max(down.abs()) > i128::from(plan.entries[0].position_lots_max.0) {
        return Verdict::PositionOverLimit;
    }
    let everything = 0..world.instruments.len();
    if everything.clone().any(|of| world.marks[of] == 0 && world.position(of) != 0)
        || world.marks[0] == 0
    {
        return Verdict::MarkUnknown;
    }
    let reach = |of: usize| world.reach(of, if of == 0 { added } else { [0, 0] });
    let exposure = |of: usize| {
        let (up, down) = reach(of);
        up.abs().max(down.abs())
    };
    let profit = |of: usize| if world.marks[of] == 0 { 0 } else { world.profit(of) };
    let equity = limits.capital.0 + everything.clone().map(profit).sum::<i128>();
    let above = |used: i128, share: Rate| used * Money::ONE > equity * i128::from(share.0);
    if above(exposure(0), limits.concentration_max) {
        return Verdict::Concentration;
    }
    for (kind, verdict) in [
        (BucketKind::Group, Verdict::GroupExposure),
        (BucketKind::Strategy, Verdict::StrategyExposure),
        (BucketKind::Venue, Verdict::VenueExposure),
    ] {
        for (at, bucket) in limits.buckets.iter().enumerate() {
            let is_in = |of: &usize| plan.entries[*of].buckets & 1 << at != 0;
            let sum: i128 = everything.clone().filter(is_in).map(exposure).sum();
            if bucket.kind == kind as u64 && is_in(&0) && above(sum, bucket.share) {
                return verdict;
            }
        }
    }
    if naive_net(world, more) > limits.net_max.0 {
        return Verdict::NetExposure;
    }
    let gross: i128 = everything.map(exposure).sum();
    if gross > limits.gross_max.0 {
        return Verdict::GrossExposure;
    }
    if above(gross, limits.leverage_max) {
        return Verdict::Leverage;
    }
    Verdict::Pass
}

/// Signed sum the way the order goes, with it working.
fn naive_net(world: &World, more: i128) -> i128 {
    let added = |of: usize| if of == 0 { [more, more] } else { [0, 0] };
    let reach = (0..world.instruments.len()).map(|of| world.reach(of, added(of)));
    match world.intent.side {
        Side::Buy => reach.map(|(up, _)| up).sum(),
        Side::Sell => -reach.map(|(_, down)| down).sum::<i128>(),
    }
}

fn naive_rate(world: &World, is_cancel: bool, closes: bool) -> Verdict {
    let limits = &world.plan.limits;
    let count = |orders_only: bool, window: Nanos| {
        let within = |sent: &&(u64, bool)| sent.0 < window.0 && !(orders_only && sent.1);
        world.sent.iter().filter(within).count() as u64
    };
    let total = u64::from(limits.orders_per_window + limits.cancels_reserved_per_window);
    let room = count(false, limits.rate_window) < total;
    let own = closes || count(true, limits.rate_window) < u64::from(limits.orders_per_window);
    let venue = limits.venue.iter().filter(|rate| rate.orders > 0);
    let kept = |orders: u64| if closes { 0 } else { orders / 10 };
    let mut venue = venue.map(|rate| count(true, rate.window) < rate.orders - kept(rate.orders));
    if room && (is_cancel || own && venue.all(|room| room)) {
        Verdict::Pass
    } else {
        Verdict::OrderRate
    }
}

fn naive_cancel(world: &World) -> Verdict {
    if !world.connected {
        return Verdict::NotConnected;
    }
    if (0..world.working.len()).all(|at| id(at) != world.intent.order) {
        return Verdict::UnknownOrder;
    }
    naive_rate(world, true, false)
}

fn twin(world: &World) -> Verdict {
    match world.intent.action {
        OrderAction::Cancel => naive_cancel(world),
        _ => naive(world),
    }
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn holds() -> impl Strategy<Value = Holds> {
    let one = (0..Cause::ALL.len()).prop_map(|at| Holds::NONE.with(Cause::ALL[at]));
    prop_oneof![12 => Just(Holds::NONE), 1 => one]
}

/// Limits drawn so that each is often the one that binds.
fn limited(draw: [i64; 10]) -> Box<Plan> {
    let mut made = Box::new(plan(3));
    let percent = |of: i64| Rate(of * 1_000_000);
    let units = |of: i64| Money(i128::from(of) * 500 * Money::ONE);
    let [gross, net, leverage, concentration, venue, strategy, group, position, notional, flags] =
        draw;
    let limits = &mut made.limits;
    limits.capital = Money(20_000 * Money::ONE);
    (limits.orders_per_window, limits.cancels_reserved_per_window) = (9, 3);
    limits.venue[0].orders = 14;
    (limits.gross_max, limits.net_max) = (units(gross), units(net));
    (limits.leverage_max, limits.concentration_max) = (percent(leverage), percent(concentration));
    for (at, (kind, share)) in
        [(BucketKind::Venue, venue), (BucketKind::Strategy, strategy), (BucketKind::Group, group)]
            .into_iter()
            .enumerate()
    {
        limits.buckets[at].kind = kind as u64;
        limits.buckets[at].share = percent(share);
    }
    for (at, entry) in made.entries[..3].iter_mut().enumerate() {
        entry.buckets = 0b11 | u64::from(flags >> at & 1 == 1) << 2;
    }
    made.entries[0].position_lots_max = Lots(100 * position);
    made.entries[0].notional_max = units(notional);
    made.entries[0].order_lots_max = Lots(700);
    made.entries[0].open_orders_max = 4;
    made.entries[0].volume_free_lots = Lots(20);
    made.entries[0].restricted = u64::from(flags >> 3 == 7);
    made.entries[1].quote_rate = Rate(248_765_432);
    made.entries[2].quote_rate = Rate(99_990_000);
    made
}

fn world() -> impl Strategy<Value = World> {
    let happened = (
        prop::collection::vec((0usize..3, side(), 99_000i64..101_000, 1i64..600, FEES), 0..8),
        prop::collection::vec(
            (0usize..3, side(), 99_980i64..100_022, 1i64..300, any::<bool>()),
            0..9,
        ),
        prop::collection::vec((0u64..130 * SECOND, 97_000i64..103_000, 0i64..9_000), 0..6),
        prop::collection::vec((0u64..2 * SECOND, prop::bool::weighted(0.3)), 0..24),
    );
    let standing = (
        holds(),
        any::<bool>(),
        prop::bool::weighted(0.95),
        prop::bool::weighted(0.95),
        prop::bool::weighted(0.9),
    );
    let market = (
        prop::option::weighted(0.95, (99_990i64..100_010, -1i64..9)),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        prop::collection::vec(99_000i64..101_000, 3),
    );
    let limits = (
        10i64..120,
        5i64..80,
        20i64..400,
        10i64..150,
        10i64..300,
        10i64..300,
        10i64..300,
        1i64..12,
        1i64..14,
        0i64..64,
    );
    let intent = (
        prop_oneof![
            5 => Just(OrderAction::Place), 3 => Just(OrderAction::Replace), 1 => Just(OrderAction::Cancel)
        ],
        side(),
        prop_oneof![8 => 99_980i64..100_022, 1 => 98_900i64..101_100],
        prop_oneof![6 => 1i64..60, 2 => 60i64..800, 1 => -2i64..2],
        0usize..9,
        prop_oneof![6 => Just(OrderType::PostOnly), 1 => Just(OrderType::Market)],
        (any::<bool>(), prop::bool::weighted(0.2)),
    );
    (happened, standing, market, limits, intent).prop_map(made)
}

#[allow(clippy::type_complexity, reason = "the draws of `world`, taken apart once")]
fn made(
    ((fills, working, mut traded, mut sent), standing, market, limits, intent): (
        (Vec<Fill>, Vec<Working>, Vec<(u64, i64, i64)>, Vec<(u64, bool)>),
        (Holds, bool, bool, bool, bool),
        (Option<(i64, i64)>, bool, bool, Vec<i64>),
        (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64),
        (OrderAction, Side, i64, i64, usize, OrderType, (bool, bool)),
    ),
) -> World {
    let (holds, closes, may_try, connected, all_marked) = standing;
    let (top, old_book, old_plan, mut marks) = market;
    let (a, b, c, d, e, f, g, h, i, j) = limits;
    let (action, side, price, lots, of, order_type, (in_place, reduce_only)) = intent;
    traded.sort_by_key(|of| std::cmp::Reverse(of.0));
    sent.sort_by_key(|of| std::cmp::Reverse(of.0));
    let mut fills = fills;
    // the inverse one settles in coins of 10 000
    fills.iter_mut().filter(|fill| fill.0 == 2).for_each(|fill| fill.4 /= 10_000);
    if !all_marked {
        // what has no mark was not traded either; position without a mark is a test of its own
        marks[1] = 0;
        fills.retain(|fill| fill.0 != 1);
    }
    let replaces = if action == OrderAction::Place { OrderId(0) } else { id(of) };
    let keeps_id = action == OrderAction::Cancel || action == OrderAction::Replace && in_place;
    let plan = limited([a, b, c, d, e, f, g, h, i, j]);
    let aged = |is_old: bool, limit: Nanos| limit.0 + u64::from(is_old);
    World {
        holds,
        closes,
        may_try,
        connected,
        instruments: instruments(),
        marks,
        fills,
        working,
        traded,
        sent,
        top: top.map(|(bid, spread)| (bid, bid + spread)),
        book_age: aged(old_book, plan.entries[0].book_age_max),
        plan_age: aged(old_plan, plan.limits.plan_age_max),
        intent: Intent {
            action,
            order: if keeps_id { replaces } else { OrderId::new(1, 500) },
            replaces,
            order_type: if action == OrderAction::Place { order_type } else { OrderType::PostOnly },
            reduce_only,
            ..order(0, side, price, lots)
        },
        plan: {
            let mut plan = plan;
            plan.adopted_at = Nanos(NOW - aged(old_plan, plan.limits.plan_age_max));
            plan
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_gate_agrees_with_its_slow_twin(world in world()) {
        prop_assert_eq!(world.real(), twin(&world));
    }
}

/// Random worlds that are worth comparing: nearly every verdict occurs, and a twin that forgets one thing
/// is found out.
#[test]
fn canaries_a_twin_that_forgets_is_caught_and_every_verdict_occurs() {
    type Forgets = fn(&mut World);
    let forgets: [(&str, Forgets); 8] = [
        ("working orders", |w| w.working.retain(|order| order.0 == 0)),
        ("another instrument", |w| w.fills.retain(|fill| fill.0 == 0)),
        ("fees and profit", |w| {
            w.fills.iter_mut().for_each(|fill| (fill.2, fill.4) = (100_000, 0));
        }),
        ("the rate of a currency", |w| w.plan.entries[1].quote_rate = Rate(100_000_000)),
        ("the last trade", |w| w.traded.iter_mut().for_each(|trade| trade.1 = 100_000)),
        ("the volume", |w| w.traded.iter_mut().for_each(|trade| trade.2 = 1_000_000)),
        ("what was sent", |w| w.sent.clear()),
        ("the groups", |w| w.plan.entries.iter_mut().for_each(|entry| entry.buckets = 0b11)),
    ];
    let mut caught = [0u32; 8];
    let mut seen = std::collections::BTreeSet::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..20_000 {
        let world = world().new_tree(&mut runner).unwrap().current();
        let verdict = world.real();
        seen.insert(verdict);
        for (at, (_, forget)) in forgets.iter().enumerate() {
            let mut forgetful = world.clone();
            forget(&mut forgetful);
            caught[at] += u32::from(twin(&forgetful) != verdict);
        }
    }
    for ((what, _), caught) in forgets.iter().zip(caught) {
        assert!(caught > 20, "forgetting {what} was caught {caught} times");
    }
    let never = [
        Verdict::NotInPlan,
        Verdict::QueueFull,
        Verdict::MarkUnknown, // the gate's own tests have these
    ];
    let missing: Vec<_> =
        Verdict::ALL.iter().filter(|of| !seen.contains(of) && !never.contains(of)).collect();
    assert!(missing.is_empty(), "no world led to {missing:?}");
}
