//! What a lane makes of its own position after each input: losses, exposures and breakers to causes that
//! hold it back, in the very step that shows them.
//!
//! Invariant: a cause is raised, and its cancels leave, by the input after which it is true. Deliberately
//! absent: the table of who may move what (`state`), the cancels themselves (`act`).

use super::flaws::{Flaw, Flaws};
use super::lane::Lane;
use super::notice::{Notice, What};
use super::sound;
use super::state::{StateEvent, transition};
use crate::market::book::{Book, Top};
use crate::record::{
    Cause, Command, ExecutionKind, ExecutionReport, Mode, Plan, ServiceTime, Source, Verdict,
};
use crate::units::{InstrumentId, Nanos, OrderId, Ticks, UnixNanos};
use crate::venue::binance::orders::WOULD_TAKE;

impl<B: Book, F: Flaws> Lane<B, F> {
    /// Wall time of an input, by the life's own clock.
    #[inline]
    pub(super) fn wall(&self, now: Nanos) -> UnixNanos {
        UnixNanos(self.wall_at_zero.0.saturating_add(now.0))
    }

    /// Adopts a plan, or keeps the one it has where the new one is absurd.
    pub(super) fn on_plan(&mut self, plan: &Plan, now: Nanos) {
        self.counts.plans += 1;
        if let Err(fault) = sound::check(plan, self.config.lane)
            && !F::has(Flaw::TakeAbsurdPlan)
        {
            self.counts.plans_refused += 1;
            self.notices.push(Notice { at: now, what: What::PlanRefused(fault) });
            return;
        }
        *self.plan = *plan;
        self.plan.adopted_at = now;
        self.rate.adopt(&self.plan.limits);
        self.losses.on_capital(plan.limits.capital);
        let instruments = self.desks.iter().map(|desk| &desk.instrument);
        self.exposures.adopt(&self.plan, instruments, &self.ledger);
        self.weigh(now);
    }

    /// The touch of an instrument has moved: its mark, and what hangs on it. Whether the lane's mode
    /// changed.
    #[inline]
    pub(super) fn on_touch(&mut self, at: usize, top: &Top, now: Nanos) -> bool {
        let desk = &mut self.desks[at];
        desk.signal.on_top(top, now);
        desk.breakers.on_top(top, &self.plan.breakers, now);
        let (Some(bid), Some(ask)) = (top.bid, top.ask) else { return false };
        if top.is_crossed() {
            return false; // what is worth that, nobody knows
        }
        let middle = (i128::from(bid.price.0) + i128::from(ask.price.0)) >> 1;
        self.exposures.mark(at, Ticks(middle as i64)) && self.reckon(at, now)
    }

    /// The mark or the account of an instrument is another; whether the lane's mode changed.
    #[inline]
    pub(super) fn reckon(&mut self, at: usize, now: Nanos) -> bool {
        if let Some(account) = self.ledger.accounts().get(at) {
            self.exposures.update(at, account);
        }
        self.weigh(now)
    }

    /// As `reckon`, where any account may be another.
    #[cold]
    pub(super) fn reckon_all(&mut self, now: Nanos) {
        for (at, account) in self.ledger.accounts().iter().enumerate() {
            self.exposures.update(at, account);
        }
        self.weigh(now);
    }

    /// Equity and exposures against their limits; whether the lane's mode changed.
    #[inline]
    pub(super) fn weigh(&mut self, now: Nanos) -> bool {
        if !self.exposures.is_planned() {
            return false;
        }
        let before = self.holds.mode();
        let (equity, wall) = (self.exposures.equity(), self.wall(now));
        if self.losses.on_wall(wall, equity).is_some() && self.holds.has(Cause::DailyLoss) {
            self.moves(StateEvent::Ended(Cause::DailyLoss), now);
        }
        for cause in self.losses.on_equity(equity, &self.plan.limits).into_iter().flatten() {
            if !F::has(Flaw::IgnoreLoss) {
                self.raise(cause, now);
            }
        }
        let breach = self.exposures.breach();
        let counts = breach.is_some() && !F::has(Flaw::IgnoreExposure);
        if counts || self.holds.has(Cause::Exposure) {
            self.weigh_exposure(breach, now);
        }
        self.holds.mode() != before
    }

    #[cold]
    fn weigh_exposure(&mut self, breach: Option<Verdict>, now: Nanos) {
        if let Some(limit) = breach {
            self.exposed_at = now;
            if !self.holds.has(Cause::Exposure) {
                self.notices.push(Notice { at: now, what: What::Exposed(limit) });
                self.raise(Cause::Exposure, now);
            }
        } else if now.since(self.exposed_at) >= self.plan.limits.rearm_after
            && self.exposures.has_eased()
        {
            self.moves(StateEvent::Ended(Cause::Exposure), now);
        }
    }

    fn raise(&mut self, cause: Cause, now: Nanos) {
        if !self.holds.has(cause) {
            self.moves(StateEvent::Raised(cause), now);
        }
    }

    /// Someone asks. A person who resumes has looked at what was lost: it is counted from here.
    pub(super) fn on_command(&mut self, command: Command, source: Source, now: Nanos) {
        self.counts.commands += 1;
        let before = self.holds;
        if !self.moves(StateEvent::Asked(command, source), now) {
            self.counts.commands_refused += 1;
            self.notices.push(Notice { at: now, what: What::CommandRefused(command, source) });
            return;
        }
        let equity = self.exposures.equity();
        for cause in before.causes().filter(|cause| !self.holds.has(*cause)) {
            self.losses.accept(cause, equity);
        }
        self.weigh(now);
    }

    /// One move in the table; whether it is there. What changes is told.
    pub(super) fn moves(&mut self, event: StateEvent, now: Nanos) -> bool {
        let Ok(holds) = transition(self.holds, event) else { return false };
        let before = std::mem::replace(&mut self.holds, holds);
        let (breakers, equity) = (&self.breakers, self.exposures.equity().0);
        let equity = equity.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let level = |cause| breakers.level_of(cause).unwrap_or(equity);
        self.notices.changed(before, holds, None, now, level);
        true
    }

    /// The lane's own time was measured.
    pub(super) fn on_service(&mut self, time: &ServiceTime, now: Nanos) {
        self.counts.services += 1;
        self.breakers.on_service(time, &self.plan.breakers, now);
        self.heed_breakers(now);
    }

    /// What of an order the venue has yet to answer.
    pub(super) fn awaits_answer(&self, order: OrderId) -> Awaited {
        match self.ledger.order(order) {
            Some(of) if of.state.is_working() && of.venue_order == 0 => Awaited::Order,
            Some(of) if of.change_pending => Awaited::Change,
            _ => Awaited::Nothing,
        }
    }

    /// The venue's first word on an order or a change, as far as breakers go: whatever it is, unless it
    /// refuses, the venue has taken it.
    pub(super) fn on_answer(&mut self, to: Awaited, report: &ExecutionReport, now: Nanos) {
        let refuses =
            matches!(report.kind, ExecutionKind::Rejected | ExecutionKind::CancelRejected);
        let (breakers, plan) = (&mut self.breakers, &self.plan.breakers);
        match to {
            _ if refuses && is_markets_doing(report.reject_code) => breakers.on_void_answer(),
            Awaited::Change if !refuses => breakers.on_change(plan, now),
            _ => breakers.on_answer(!refuses, plan, now),
        }
        self.heed_breakers(now);
    }

    /// What the breakers of the whole lane say becomes its standing.
    pub(super) fn heed_breakers(&mut self, now: Nanos) {
        let open = self.breakers.holds();
        for cause in [Cause::InternalLatency, Cause::Rejects] {
            match (open.has(cause), self.holds.has(cause)) {
                (true, false) => self.raise(cause, now),
                (false, true) => _ = self.moves(StateEvent::Ended(cause), now),
                _ => {}
            }
        }
    }

    /// Time passes for everything that is measured by it.
    pub(super) fn on_passing(&mut self, now: Nanos) {
        for desk in &mut self.desks {
            desk.signal.sample(now);
            desk.trades.on_time(now);
            let silent = desk.book.top().map(|_| now.since(desk.book.updated_at()));
            desk.breakers.on_time(&desk.signal, silent, &self.plan.breakers, now);
        }
        self.breakers.on_time(&self.plan.breakers, now);
        self.heed_breakers(now);
        self.weigh(now);
    }

    /// How an instrument stands: the lane's standing and its own breakers.
    #[must_use]
    pub fn mode_of(&self, instrument: InstrumentId) -> Mode {
        let desk = self.desks.get(instrument.0 as usize);
        desk.map_or(Mode::Halted, |desk| self.holds.union(desk.breakers.holds()).mode())
    }
}

/// What of an order is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// Nothing.
    Nothing,
    /// The order itself.
    Order,
    /// A change in place.
    Change,
}

/// A post-only order that would have taken, a replacement of an order that has just filled, a change to
/// what it is already: the market was faster, and the venue works.
const fn is_markets_doing(reject_code: i32) -> bool {
    matches!(reject_code, WOULD_TAKE | -2011 | -2013 | -2021 | -2022 | -2026 | -5027)
}
