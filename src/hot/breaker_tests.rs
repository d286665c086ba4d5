//! Breakers step by step: what opens one, what closes it, and that none stays as it is for ever.

use super::*;
use crate::hot::tests::breakers;
use crate::record::Level;
use crate::units::{Lots, Ticks};
use proptest::prelude::*;

const COOL_DOWN: Nanos = Nanos::SECOND;

/// A lane's breakers, the plan's rules and the time.
struct Bench {
    lane: LaneBreakers,
    plan: PlanBreakers,
    now: Nanos,
}

impl Bench {
    /// The venue has refused five orders in a row.
    fn tripped() -> Bench {
        let mut bench = Bench { lane: LaneBreakers::default(), plan: breakers(), now: Nanos(100) };
        (0..4).for_each(|_| bench.answer(false));
        assert_eq!(bench.state(), BreakerState::Closed, "four are not five");
        bench.answer(false);
        assert_eq!(bench.state(), BreakerState::Open);
        bench
    }

    /// The same, and the cool-down is over.
    fn half_open() -> Bench {
        let mut bench = Bench::tripped();
        bench.pass(Nanos(COOL_DOWN.0 - 1));
        assert_eq!(bench.state(), BreakerState::Open, "a moment early");
        bench.pass(Nanos(1));
        assert_eq!(bench.state(), BreakerState::HalfOpen);
        bench
    }

    fn state(&self) -> BreakerState {
        self.lane.of(BreakerKind::Rejects).expect("of the lane").state()
    }

    fn answer(&mut self, good: bool) {
        self.lane.on_answer(good, &self.plan, self.now);
    }

    fn pass(&mut self, span: Nanos) {
        self.now = self.now.plus(span);
        self.lane.on_time(&self.plan, self.now);
    }

    /// Lets out as many orders as may leave: none of a lane that is held back.
    fn try_all(&mut self) -> u32 {
        let mut tried = 0;
        if self.lane.holds() != Holds::NONE {
            return tried;
        }
        while self.lane.may_try(&self.plan) && tried < 10 {
            self.lane.on_order(self.now);
            tried += 1;
        }
        tried
    }
}

#[test]
fn three_trials_that_succeed_close_it_and_one_that_fails_opens_it() {
    let mut bench = Bench::half_open();
    assert_eq!(bench.try_all(), 3, "as many as the rule says");
    (0..2).for_each(|_| bench.answer(true));
    assert_eq!(bench.state(), BreakerState::HalfOpen);
    bench.answer(true);
    assert_eq!(bench.state(), BreakerState::Closed);
    assert_eq!(bench.try_all(), 10, "as many as one likes");

    let mut bench = Bench::half_open();
    assert_eq!(bench.try_all(), 3);
    bench.answer(true);
    bench.answer(false);
    assert_eq!(bench.state(), BreakerState::Open);
    bench.pass(Nanos(COOL_DOWN.0 - 1));
    assert_eq!(bench.state(), BreakerState::Open, "the cool-down begins anew");
    bench.pass(Nanos(1));
    assert_eq!((bench.state(), bench.try_all()), (BreakerState::HalfOpen, 3));
}

#[test]
fn trials_that_nobody_answers_fail_and_are_tried_again() {
    let mut bench = Bench::half_open();
    assert_eq!(bench.try_all(), 3);
    bench.answer(true);
    bench.pass(Nanos(COOL_DOWN.0 - 1));
    assert_eq!((bench.state(), bench.try_all()), (BreakerState::HalfOpen, 0), "they may come yet");
    bench.pass(Nanos(1));
    assert_eq!(bench.state(), BreakerState::Open);
    bench.pass(COOL_DOWN);
    assert_eq!((bench.state(), bench.try_all()), (BreakerState::HalfOpen, 3));
    (0..3).for_each(|_| bench.answer(true));
    assert_eq!(bench.state(), BreakerState::Closed);
}

/// Ten orders are under way when the venue begins to refuse: the fifth opens it, the others come late.
#[test]
fn refusals_of_what_was_sent_before_do_not_keep_it_open() {
    let mut bench = Bench::tripped();
    (0..30).for_each(|_| bench.answer(false));
    bench.pass(Nanos(bench.plan.rejects_window.0));
    bench.pass(COOL_DOWN);
    assert_eq!((bench.state(), bench.try_all()), (BreakerState::HalfOpen, 3));
    // nor do trials that failed, round after round
    for _ in 0..20 {
        bench.answer(false);
        assert_eq!((bench.state(), bench.try_all()), (BreakerState::Open, 0));
        (0..2).for_each(|_| bench.answer(false));
        bench.pass(COOL_DOWN);
        assert_eq!((bench.state(), bench.try_all()), (BreakerState::HalfOpen, 3));
    }
    (0..3).for_each(|_| bench.answer(true));
    assert_eq!(bench.state(), BreakerState::Closed);
}

#[test]
fn a_change_that_is_taken_is_a_trial_and_no_excuse_for_refusals() {
    let mut bench = Bench::half_open();
    assert_eq!(bench.try_all(), 3);
    (0..3).for_each(|_| bench.lane.on_change(&bench.plan, bench.now));
    assert_eq!(bench.state(), BreakerState::Closed);
    for _ in 0..5 {
        assert_eq!(bench.state(), BreakerState::Closed);
        bench.answer(false);
        bench.lane.on_change(&bench.plan, bench.now);
    }
    assert_eq!(bench.state(), BreakerState::Open, "five refusals in a row, whatever was changed");
}

#[test]
fn a_plan_that_asks_for_fewer_trials_is_content_with_those_that_succeeded() {
    let mut bench = Bench::half_open();
    bench.lane.on_order(bench.now);
    bench.lane.on_order(bench.now);
    (0..2).for_each(|_| bench.answer(true));
    bench.plan.rules[BreakerKind::Rejects as usize].trials = 1;
    bench.pass(Nanos(1));
    assert_eq!(bench.state(), BreakerState::Closed);
}

#[test]
fn an_answer_that_says_nothing_gives_the_trial_back() {
    let mut bench = Bench::half_open();
    for _ in 0..20 {
        assert_eq!(bench.try_all(), 3);
        (0..3).for_each(|_| bench.lane.on_void_answer());
    }
    assert_eq!(bench.try_all(), 3);
    (0..2).for_each(|_| bench.answer(true));
    bench.lane.on_void_answer();
    bench.lane.on_void_answer();
    assert_eq!(bench.try_all(), 1, "what succeeded stays so");
    bench.answer(true);
    assert_eq!(bench.state(), BreakerState::Closed);
}

#[test]
fn a_link_that_is_lost_takes_the_answers_with_it() {
    let mut bench = Bench::half_open();
    assert_eq!(bench.try_all(), 3);
    bench.lane.orders_lost(bench.now);
    assert_eq!(bench.state(), BreakerState::Open);
    bench.pass(COOL_DOWN);
    assert_eq!((bench.state(), bench.try_all()), (BreakerState::HalfOpen, 3));
}

/// A touch whose spread is so many ticks, at a price where a tick is ten hundredths of a basis point.
fn touch(ticks: i64) -> Top {
    let level = |price| Some(Level { price: Ticks(price), lots: Lots(1) });
    Top { bid: level(100_000), ask: level(100_000 + ticks) }
}

#[test]
fn a_spread_opens_at_its_level_and_closes_below_a_lower_one_after_the_cool_down() {
    let (plan, mut desk) = (breakers(), DeskBreakers::default());
    let mut at = |ticks: i64, now: u64| {
        desk.on_top(&touch(ticks), &plan, Nanos(now));
        desk.of(BreakerKind::Spread).expect("of an instrument").state()
    };
    // trip at 50 000 hundredths of a basis point, a twentieth of the price; again below half of it
    let second = COOL_DOWN.0;
    assert_eq!(at(5_000, 0), BreakerState::Closed);
    assert_eq!(at(5_200, 10), BreakerState::Open);
    assert_eq!(at(4_000, 2 * second), BreakerState::Open, "not low enough");
    assert_eq!(at(5_200, 3 * second), BreakerState::Open, "the cool-down begins anew");
    assert_eq!(at(1_000, 4 * second - 1), BreakerState::Open, "a moment early");
    assert_eq!(at(1_000, 4 * second), BreakerState::Closed, "no trials for this one");
    assert_eq!(at(4_000, 4 * second + 1), BreakerState::Closed, "between the two it stays");
}

proptest! {
    /// Whatever was answered, lost or void before: a venue that takes every order from now on is traded
    /// on again within three cool-downs and what the window of answers remembers.
    #[test]
    fn a_venue_that_works_is_traded_on_again(
        steps in prop::collection::vec((0u8..5, 0u64..2 * COOL_DOWN.0), 0..200),
    ) {
        let mut bench = Bench { lane: LaneBreakers::default(), plan: breakers(), now: Nanos(1) };
        for (what, span) in steps {
            match what {
                0 => bench.answer(false),
                1 => bench.answer(true),
                2 => bench.lane.on_void_answer(),
                3 => _ = bench.try_all(),
                _ => bench.lane.orders_lost(bench.now),
            }
            bench.pass(Nanos(span));
        }
        let end = bench.now.plus(bench.plan.rejects_window).plus(Nanos(3 * COOL_DOWN.0));
        while bench.now < end {
            bench.pass(Nanos(COOL_DOWN.0 / 10));
            let tried = bench.try_all();
            (0..tried).for_each(|_| bench.answer(true));
        }
        prop_assert_eq!(bench.state(), BreakerState::Closed);
    }
}
