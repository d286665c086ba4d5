//! Circuit breakers: levels measured from a lane's inputs, and the state each leads to.
//!
//! ```text
//!            level >= trip                          (trials > 0)
//!  closed ─────────────────▶ open ───────────────────────────────▶ half open
//!    ▲                        │ ▲  level < rearm and cool-down over    │ │
//!    └────────────────────────┘ └──────────────────────────────────────┘ │
//!    ▲        (no trials)             a trial fails, or level >= trip    │
//!    └───────────────────────────────────────────────────────────────────┘ every trial succeeded
//! ```
//!
//! The cool-down counts from the last time that the level stood at `trip`. A trial fails, too, when a
//! cool-down passes without its answer; one whose answer says nothing of the venue is tried again.
//! Volatility, spread, latency and stale data are of one instrument, the lane's own time and the
//! rejections of the whole lane.
//! Invariant: the state depends on inputs and their times alone; running levels use + - * / only.

use super::signal::{SAMPLE_PERIOD, Signal};
use super::state::Holds;
use crate::ledger::StateHash;
use crate::market::book::Top;
use crate::record::{BREAKERS, BreakerKind, BreakerRule, Cause, PlanBreakers, ServiceTime, Tape};
use crate::units::{Money, Nanos, UnixNanos};

/// Answers of the venue that a lane remembers.
pub const ANSWERS_MAX: usize = 64;
/// Least weight of a new sample in a running level: a half-life of 693 samples, 69 s. Until then the
/// level is the plain mean.
const LEVEL_WEIGHT: f64 = 0.001;
/// Weight of a sample below the running level of the latency: it follows relief faster than trouble.
const RELIEF_WEIGHT: f64 = 0.05;

/// State of a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum BreakerState {
    /// Trading goes on.
    #[default]
    Closed = 0,
    /// Trading pauses.
    Open = 1,
    /// A few orders are tried.
    HalfOpen = 2,
}

impl BreakerState {
    /// The one that holds back more.
    #[must_use]
    pub const fn worse(self, other: BreakerState) -> BreakerState {
        match (self, other) {
            (BreakerState::Open, _) | (_, BreakerState::Open) => BreakerState::Open,
            (BreakerState::HalfOpen, _) | (_, BreakerState::HalfOpen) => BreakerState::HalfOpen,
            _ => BreakerState::Closed,
        }
    }

    /// The stable name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }
}

/// One breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    state: BreakerState,
    /// When the level last stood at `trip`, or a trial was last begun.
    tripped_at: Nanos,
    trips: u64,
    /// Orders let out while half open, and how many of them the venue took.
    tried: u32,
    succeeded: u32,
    /// The last level.
    level: i64,
}

impl Breaker {
    /// Its state.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// How often it has opened.
    #[must_use]
    pub const fn trips(&self) -> u64 {
        self.trips
    }

    /// The last level that was measured.
    #[must_use]
    pub const fn level(&self) -> i64 {
        self.level
    }

    /// Takes a level.
    #[inline]
    pub fn on_level(&mut self, level: i64, rule: &BreakerRule, now: Nanos) {
        self.level = level;
        let quiet = self.state == BreakerState::Closed && level < rule.trip;
        if !quiet {
            self.turn(level, rule, now);
        }
    }

    #[cold]
    fn turn(&mut self, level: i64, rule: &BreakerRule, now: Nanos) {
        if level >= rule.trip {
            self.open(now);
            return;
        }
        let cooled = now.since(self.tripped_at) >= rule.cool_down;
        if self.state == BreakerState::Open && level < rule.rearm && cooled {
            (self.tried, self.succeeded) = (0, 0);
            self.state =
                if rule.trials > 0 { BreakerState::HalfOpen } else { BreakerState::Closed };
        }
    }

    fn open(&mut self, now: Nanos) {
        self.trips += u64::from(self.state != BreakerState::Open);
        self.state = BreakerState::Open;
        self.tripped_at = now;
    }

    /// An order leaves.
    #[inline]
    pub fn on_order(&mut self, now: Nanos) {
        if self.state == BreakerState::HalfOpen {
            self.tried += 1;
            self.tripped_at = now;
        }
    }

    /// Whether an order may leave as far as trials go.
    #[must_use]
    #[inline]
    pub const fn may_try(&self, rule: &BreakerRule) -> bool {
        !matches!(self.state, BreakerState::HalfOpen) || self.tried < rule.trials
    }

    /// The venue has answered a trial.
    fn on_trial(&mut self, good: bool, rule: &BreakerRule, now: Nanos) {
        if self.state != BreakerState::HalfOpen || self.tried == 0 {
            return;
        }
        if !good {
            self.open(now);
            return;
        }
        self.succeeded += 1;
        if self.succeeded >= rule.trials {
            self.state = BreakerState::Closed;
        }
    }

    /// The venue's answer to a trial says nothing of the venue.
    fn on_void_trial(&mut self) {
        if self.state == BreakerState::HalfOpen && self.tried > self.succeeded {
            self.tried -= 1;
        }
    }

    /// Time passes: the last trial has a cool-down to be answered. A plan may ask for fewer than before.
    fn on_time(&mut self, rule: &BreakerRule, now: Nanos) {
        if self.state != BreakerState::HalfOpen {
            return;
        }
        if self.succeeded >= rule.trials {
            self.state = BreakerState::Closed;
        } else if self.tried > self.succeeded && now.since(self.tripped_at) >= rule.cool_down {
            self.open(now);
        }
    }

    /// What became of its trials cannot be known any more: the cool-down begins anew.
    pub fn restart(&mut self, now: Nanos) {
        if self.state != BreakerState::Closed {
            self.state = BreakerState::Open;
            self.tripped_at = now;
        }
    }

    /// The lane's reason, while it is open.
    fn hold(&self, kind: BreakerKind) -> Holds {
        match self.state {
            BreakerState::Open => Holds::NONE.with(kind.cause()),
            BreakerState::Closed | BreakerState::HalfOpen => Holds::NONE,
        }
    }

    fn walk(&mut self, tape: &mut Tape<'_>) {
        const STATES: [BreakerState; 3] =
            [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];
        tape.code(&mut self.state, &STATES);
        tape.pod(&mut self.tripped_at);
        tape.pod(&mut self.trips);
        tape.pod(&mut self.tried);
        tape.pod(&mut self.succeeded);
        tape.pod(&mut self.level);
    }

    fn mix_into(&self, hash: &mut StateHash) {
        hash.word(self.state as u64 | u64::from(self.tried) << 8 | u64::from(self.succeeded) << 36);
        hash.word(self.tripped_at.0);
        hash.word(self.trips);
    }
}

/// A running level of samples.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    mean: f64,
    samples: u64,
}

impl Level {
    fn add(&mut self, sample: f64, weight_below: f64) {
        self.samples += 1;
        let least = if sample < self.mean { weight_below } else { LEVEL_WEIGHT };
        let weight = (1.0 / self.samples as f64).max(least);
        self.mean += weight * (sample - self.mean);
    }

    fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.pod(&mut self.mean);
        tape.pod(&mut self.samples);
    }

    fn mix_into(&self, hash: &mut StateHash) {
        hash.word(self.mean.to_bits());
        hash.word(self.samples);
    }
}

/// Breakers of one instrument.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeskBreakers {
    volatility: Breaker,
    spread: Breaker,
    latency: Breaker,
    stale_data: Breaker,
    /// Hundredths of a basis point.
    spread_now: i64,
    spread_level: Level,
    /// Samples of the signal that were taken so far.
    sampled: u64,
    /// Least delay of the running period; nothing was heard in it at `i64::MAX`.
    delay_least: Option<i64>,
    delay_level: Level,
    period_began: Nanos,
}

/// Spread over the middle, hundredths of a basis point; none while a side is empty.
fn spread_of(top: &Top) -> Option<i64> {
    let (bid, ask) = (top.bid?.price.0, top.ask?.price.0);
    let twice_middle = bid.saturating_add(ask).max(1);
    Some(ask.saturating_sub(bid).max(0).saturating_mul(2_000_000) / twice_middle)
}

impl DeskBreakers {
    /// The touch has moved.
    #[inline]
    pub fn on_top(&mut self, top: &Top, plan: &PlanBreakers, now: Nanos) {
        let Some(spread) = spread_of(top) else { return };
        self.spread_now = spread;
        let rule = &plan.rules[BreakerKind::Spread as usize];
        let mut level = spread;
        if spread >= plan.spread_floor && self.spread_level.samples >= u64::from(rule.least) {
            level = level.max(self.against_own_level(plan));
        }
        self.spread.on_level(level, rule, now);
    }

    /// The spread in units in which `spread_ratio` times its running level is `trip`.
    #[cold]
    fn against_own_level(&self, plan: &PlanBreakers) -> i64 {
        let ratio = plan.spread_ratio.0 as f64 / Money::ONE as f64;
        let usual = (self.spread_level.mean * ratio).max(1.0);
        let trip = plan.rules[BreakerKind::Spread as usize].trip as f64;
        (self.spread_now as f64 / usual * trip) as i64
    }

    /// An event of the venue was received at `wall`.
    #[inline]
    pub fn on_event(&mut self, event: UnixNanos, wall: UnixNanos) {
        if event.0 != 0 {
            let delay = wall.0.wrapping_sub(event.0) as i64;
            self.delay_least = Some(self.delay_least.map_or(delay, |least| least.min(delay)));
        }
    }

    /// Time passes: whatever is sampled is sampled. `silent_for` is how long a trusted book has not been
    /// heard of.
    #[inline]
    pub fn on_time(
        &mut self,
        signal: &Signal,
        silent_for: Option<Nanos>,
        plan: &PlanBreakers,
        now: Nanos,
    ) {
        if signal.samples() != self.sampled {
            self.on_sample(signal, plan, now);
        }
        if now.since(self.period_began) >= SAMPLE_PERIOD {
            self.period_began = now;
            self.end_period(plan, now);
        }
        let silence = silent_for.map_or(0, |span| i64::try_from(span.0).unwrap_or(i64::MAX));
        let rule = &plan.rules[BreakerKind::StaleData as usize];
        self.stale_data.on_level(silence, rule, now);
    }

    fn on_sample(&mut self, signal: &Signal, plan: &PlanBreakers, now: Nanos) {
        self.sampled = signal.samples();
        self.spread_level.add(self.spread_now as f64, LEVEL_WEIGHT);
        let rule = &plan.rules[BreakerKind::Volatility as usize];
        let counts = self.sampled >= u64::from(rule.least);
        let level = if counts { signal.annual_volatility_bps() as i64 } else { 0 };
        self.volatility.on_level(level, rule, now);
    }

    /// The least delay of a period is what no burst or pause of the lane explains away.
    fn end_period(&mut self, plan: &PlanBreakers, now: Nanos) {
        let Some(delay) = self.delay_least.take() else { return };
        let usual =
            if self.delay_level.samples == 0 { delay as f64 } else { self.delay_level.mean };
        let excess = (delay as f64 - usual) as i64;
        self.delay_level.add(delay as f64, RELIEF_WEIGHT);
        self.latency.on_level(excess, &plan.rules[BreakerKind::Latency as usize], now);
    }

    /// A life begins, whose clock counts from another zero.
    pub fn restart(&mut self, now: Nanos) {
        for breaker in
            [&mut self.volatility, &mut self.spread, &mut self.latency, &mut self.stale_data]
        {
            breaker.restart(now);
        }
        self.delay_least = None;
        self.delay_level = Level::default();
        self.period_began = now;
    }

    /// Everything that holds the instrument back.
    #[must_use]
    #[inline]
    pub fn holds(&self) -> Holds {
        let quiet = [&self.volatility, &self.spread, &self.latency, &self.stale_data]
            .iter()
            .all(|of| of.state == BreakerState::Closed);
        if quiet { Holds::NONE } else { self.open_holds() }
    }

    #[cold]
    fn open_holds(&self) -> Holds {
        let all = [BreakerKind::Volatility, BreakerKind::Spread, BreakerKind::Latency];
        let holds = self.stale_data.hold(BreakerKind::StaleData);
        all.into_iter().fold(holds, |holds, kind| match self.of(kind) {
            Some(breaker) => holds.union(breaker.hold(kind)),
            None => holds,
        })
    }

    /// One of them; none for those of the whole lane.
    #[must_use]
    pub fn of(&self, kind: BreakerKind) -> Option<&Breaker> {
        match kind {
            BreakerKind::Volatility => Some(&self.volatility),
            BreakerKind::Spread => Some(&self.spread),
            BreakerKind::Latency => Some(&self.latency),
            BreakerKind::StaleData => Some(&self.stale_data),
            BreakerKind::InternalLatency | BreakerKind::Rejects => None,
        }
    }

    /// The last level of the breaker behind a cause; none where there is none here.
    #[must_use]
    pub fn level_of(&self, cause: Cause) -> Option<i64> {
        if cause == Cause::Spread {
            return Some(self.spread_now); // what it is, not what it is to its own level
        }
        let kind = BreakerKind::ALL.into_iter().find(|kind| kind.cause() == cause)?;
        self.of(kind).map(Breaker::level)
    }

    /// Saves the breakers or brings them back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("instrument's breakers");
        for breaker in
            [&mut self.volatility, &mut self.spread, &mut self.latency, &mut self.stale_data]
        {
            breaker.walk(tape);
        }
        tape.pod(&mut self.spread_now);
        self.spread_level.walk(tape);
        tape.pod(&mut self.sampled);
        tape.option(&mut self.delay_least, 0, |delay, tape| tape.pod(delay));
        self.delay_level.walk(tape);
        tape.pod(&mut self.period_began);
    }

    /// Mixes the whole state into `hash`.
    pub fn mix_into(&self, hash: &mut StateHash) {
        let breakers = BreakerKind::ALL.into_iter().filter_map(|kind| self.of(kind));
        breakers.for_each(|breaker| breaker.mix_into(hash));
        self.spread_level.mix_into(hash);
        self.delay_level.mix_into(hash);
        hash.word(self.spread_now as u64);
        hash.word(self.delay_least.map_or(0, |least| least as u64 ^ 1 << 63));
        hash.word(self.period_began.0);
        hash.word(self.sampled);
    }
}

/// Breakers of a whole lane.
#[derive(Clone, Debug)]
pub struct LaneBreakers {
    internal_latency: Breaker,
    rejects: Breaker,
    /// Windows in a row whose percentile stood at `trip`.
    slow_in_row: u32,
    /// The last answers: when, and whether the venue took the order.
    answers: [(Nanos, bool); ANSWERS_MAX],
    answered: u64,
    rejected_in_row: u64,
}

impl Default for LaneBreakers {
    fn default() -> LaneBreakers {
        LaneBreakers {
            internal_latency: Breaker::default(),
            rejects: Breaker::default(),
            slow_in_row: 0,
            answers: [(Nanos(0), true); ANSWERS_MAX],
            answered: 0,
            rejected_in_row: 0,
        }
    }
}

impl LaneBreakers {
    /// The lane's own time was measured.
    pub fn on_service(&mut self, time: &ServiceTime, plan: &PlanBreakers, now: Nanos) {
        let rule = &plan.rules[BreakerKind::InternalLatency as usize];
        let p99 = i64::try_from(time.p99.0).unwrap_or(i64::MAX);
        self.slow_in_row = if p99 >= rule.trip { self.slow_in_row.saturating_add(1) } else { 0 };
        // one slow window neither opens the breaker nor lets it close
        let counts = self.slow_in_row >= rule.least || self.slow_in_row == 0;
        let level = if counts { p99 } else { rule.trip - 1 };
        self.internal_latency.on_level(level, rule, now);
    }

    /// The venue has taken an order, or not.
    pub fn on_answer(&mut self, good: bool, plan: &PlanBreakers, now: Nanos) {
        let was = self.rejects.state;
        self.rejects.on_trial(good, &plan.rules[BreakerKind::Rejects as usize], now);
        self.forget_answers(was);
        self.answers[(self.answered % ANSWERS_MAX as u64) as usize] = (now, good);
        self.answered += 1;
        // while it is open nothing is asked: what is refused then was asked before
        let counts = !good && self.rejects.state != BreakerState::Open;
        self.rejected_in_row = if counts { self.rejected_in_row + 1 } else { 0 };
        self.weigh_answers(plan, now);
    }

    /// The venue has taken a change of an order. That says less than a new one: it is a trial like any
    /// other, and no reason to forget refusals.
    pub fn on_change(&mut self, plan: &PlanBreakers, now: Nanos) {
        let was = self.rejects.state;
        self.rejects.on_trial(true, &plan.rules[BreakerKind::Rejects as usize], now);
        self.forget_answers(was);
    }

    /// What has moved the breaker is told; what moves it next comes after.
    fn forget_answers(&mut self, was: BreakerState) {
        if self.rejects.state != was {
            (self.answered, self.rejected_in_row) = (0, 0);
        }
    }

    /// The venue has answered an order in a way that says nothing of the venue.
    pub fn on_void_answer(&mut self) {
        self.rejects.on_void_trial();
    }

    /// Time passes: answers leave the window, trials wait for theirs.
    #[inline]
    pub fn on_time(&mut self, plan: &PlanBreakers, now: Nanos) {
        let was = self.rejects.state;
        self.rejects.on_time(&plan.rules[BreakerKind::Rejects as usize], now);
        self.forget_answers(was);
        if self.rejects.state == BreakerState::Open {
            self.weigh_answers(plan, now);
        }
    }

    fn weigh_answers(&mut self, plan: &PlanBreakers, now: Nanos) {
        let rule = &plan.rules[BreakerKind::Rejects as usize];
        let known = (self.answered as usize).min(ANSWERS_MAX);
        let lately = |(at, _): &&(Nanos, bool)| now.since(*at) < plan.rejects_window;
        let (mut count, mut bad) = (0u32, 0i64);
        for (_, good) in self.answers[..known].iter().filter(lately) {
            count += 1;
            bad += i64::from(!good);
        }
        let share = if count >= rule.least { bad * 10_000 / i64::from(count.max(1)) } else { 0 };
        let in_row = self.rejected_in_row >= plan.rejects_in_row;
        let level = if in_row { share.max(rule.trip) } else { share };
        let was = self.rejects.state;
        self.rejects.on_level(level, rule, now);
        self.forget_answers(was);
    }

    /// An order leaves.
    #[inline]
    pub fn on_order(&mut self, now: Nanos) {
        self.rejects.on_order(now);
    }

    /// Whether an order may leave as far as trials go.
    #[must_use]
    #[inline]
    pub fn may_try(&self, plan: &PlanBreakers) -> bool {
        self.rejects.may_try(&plan.rules[BreakerKind::Rejects as usize])
    }

    /// The order link was lost: answers to trials may never come.
    pub fn orders_lost(&mut self, now: Nanos) {
        if self.rejects.state == BreakerState::HalfOpen {
            self.rejects.restart(now);
        }
    }

    /// A life begins, whose clock counts from another zero.
    pub fn restart(&mut self, now: Nanos) {
        self.internal_latency.restart(now);
        self.rejects.restart(now);
        (self.slow_in_row, self.answered, self.rejected_in_row) = (0, 0, 0);
    }

    /// Everything that holds the lane back.
    #[must_use]
    #[inline]
    pub fn holds(&self) -> Holds {
        let internal = self.internal_latency.hold(BreakerKind::InternalLatency);
        internal.union(self.rejects.hold(BreakerKind::Rejects))
    }

    /// One of them; none for those of an instrument.
    #[must_use]
    pub fn of(&self, kind: BreakerKind) -> Option<&Breaker> {
        match kind {
            BreakerKind::InternalLatency => Some(&self.internal_latency),
            BreakerKind::Rejects => Some(&self.rejects),
            _ => None,
        }
    }

    /// The last level of the breaker behind a cause; none where there is none here.
    #[must_use]
    pub fn level_of(&self, cause: Cause) -> Option<i64> {
        let kind = BreakerKind::ALL.into_iter().find(|kind| kind.cause() == cause)?;
        self.of(kind).map(Breaker::level)
    }

    /// Saves the breakers or brings them back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("lane's breakers");
        self.internal_latency.walk(tape);
        self.rejects.walk(tape);
        tape.pod(&mut self.slow_in_row);
        for (at, good) in &mut self.answers {
            tape.pod(at);
            tape.flag(good);
        }
        tape.pod(&mut self.answered);
        tape.pod(&mut self.rejected_in_row);
    }

    /// Mixes the whole state into `hash`.
    pub fn mix_into(&self, hash: &mut StateHash) {
        self.internal_latency.mix_into(hash);
        self.rejects.mix_into(hash);
        hash.word(u64::from(self.slow_in_row));
        hash.word(self.answered);
        hash.word(self.rejected_in_row);
        let known = (self.answered as usize).min(ANSWERS_MAX);
        self.answers[..known].iter().for_each(|(at, good)| hash.word(at.0 << 1 | u64::from(*good)));
    }
}

const _: () = assert!(BreakerKind::ALL.len() == BREAKERS);

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
