//! One hot lane as a pure state machine: state + input -> state + intents that passed the gate.
//!
//! book -> signal -> decide -> gate, for market events; reports go to the ledger first. Time arrives
//! with the input; nothing here reads a clock, draws a random number or allocates.
//! Fails closed: a gap, a frame that could not be read or a lost stream voids the book and cancels
//! its quotes; a lost order connection leaves every order of unknown fate; a halt cancels all.
//! Deliberately absent: bytes (`pipeline`), sockets (`drive`).

use super::book::{BookChange, Gap, SyncedBook};
use super::breaker::{Breaker, DeskBreakers, LaneBreakers};
use super::decide::Slots;
use super::exposure::Exposures;
use super::flaws::{Flaw, Flaws, Sound};
use super::losses::Losses;
use super::notice::Notices;
use super::outbox::Outbox;
use super::rate::RateWindow;
use super::reckon::Awaited;
use super::report::InputCounts;
use super::signal::Signal;
use super::state::{Holds, StateEvent};
use super::trades::Trades;
use crate::host::probe::{Probe, Stage};
use crate::ledger::{Applied, Ledger, StateHash};
use crate::market::book::{Book, Ladder};
use crate::record::{
    Adjustment, AdoptedOrder, BreakerKind, ExecutionKind, ExecutionReport, Input, Instrument, Life,
    Link, LinkState, MarketEvent, Mode, Plan, Stamp, Verdict,
};
use crate::units::{InstrumentId, LaneId, Lots, Money, Nanos, OrderId, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::orders::Backoff;
use bytemuck::{Pod, Zeroable};
use std::marker::PhantomData;

/// Lanes of one account: the low digits of a client order id's epoch say whose it is.
pub const LANES_MAX: u32 = 16;

/// An order of which the venue says that it filled more than it told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Missing {
    /// Which; zero is none.
    pub order: OrderId,
    /// Filled by the venue's word.
    pub filled: Lots,
}

/// Orders with missing fills that may wait for the driver, which asks after every message.
const MISSING_MAX: usize = 8;
/// For how long the venue's word can silence a lane, and how much later it speaks up: clocks differ.
const MUTED_MAX: Nanos = Nanos(600 * 1_000_000_000);
const MUTED_MORE: Nanos = Nanos::from_millis(250);
/// How far a clock may have been set ahead between two lives.
const CLOCK_SLACK: Nanos = Nanos(10 * 1_000_000_000);

/// What a lane is told at start.
#[derive(Clone, Copy, Debug)]
pub struct LaneConfig {
    /// Which lane.
    pub lane: LaneId,
    /// Rules of its venue.
    pub family: Family,
    /// Epoch of its client order ids; never used before.
    pub epoch: u32,
}

/// One instrument of the lane.
#[derive(Clone, Debug)]
pub(super) struct Desk<B: Book> {
    pub(super) instrument: Instrument,
    pub(super) book: SyncedBook<B>,
    pub(super) signal: Signal,
    pub(super) slots: Slots,
    pub(super) trades: Trades,
    pub(super) breakers: DeskBreakers,
    /// What of them was told so far.
    pub(super) told: Holds,
    /// The mode that its working orders were placed in.
    pub(super) mode: Mode,
    /// When the last closing order left.
    pub(super) closed_at: Nanos,
}

/// A hot lane; `B` is the book it keeps, `F` the bugs that the simulator has planted in it.
#[derive(Clone, Debug)]
pub struct Lane<B: Book = Ladder, F: Flaws = Sound> {
    pub(super) config: LaneConfig,
    pub(super) desks: Vec<Desk<B>>,
    pub(super) ledger: Ledger,
    pub(super) plan: Box<Plan>,
    pub(super) holds: Holds,
    pub(super) exposures: Exposures,
    pub(super) losses: Losses,
    pub(super) breakers: LaneBreakers,
    /// When an exposure was last found above its limit.
    pub(super) exposed_at: Nanos,
    /// Wall time at the monotonic zero of this life.
    pub(super) wall_at_zero: UnixNanos,
    /// Until then (wall time) everything that happened to its orders was told: the order link was up.
    pub(super) accounted_at: UnixNanos,
    pub(super) notices: Notices,
    pub(super) market_up: bool,
    pub(super) orders_up: bool,
    pub(super) rate: RateWindow,
    /// The rate budget was found used up, and has room again from then on.
    pub(super) paced_until: Nanos,
    /// The venue has shut us out until then; even cancels would only lengthen it.
    pub(super) muted_until: Nanos,
    pub(super) next_id: u64,
    pub(super) sequence: u64,
    /// Time of the last input.
    pub(super) latest: Nanos,
    pub(super) gapped: bool,
    /// Orders whose fills did not all come, until the driver has heard of them.
    pub(super) missing: [Missing; MISSING_MAX],
    pub(super) orders_hash: StateHash,
    pub(super) counts: InputCounts,
    pub(super) verdicts: [u64; Verdict::ALL.len()],
    flaws: PhantomData<F>,
}

impl<B: Book + Default> Lane<B> {
    /// A halted lane without a plan. `instruments[i].id` must be `i`; at most
    /// `PLAN_INSTRUMENTS_MAX` of them, as a plan has no room for more.
    #[must_use]
    pub fn new(config: LaneConfig, instruments: &[Instrument]) -> Lane<B> {
        Lane::of(config, instruments)
    }
}

impl<B: Book + Default, F: Flaws> Lane<B, F> {
    /// The same, with or without bugs.
    #[must_use]
    pub fn of(config: LaneConfig, instruments: &[Instrument]) -> Lane<B, F> {
        assert!(
            instruments.len() <= crate::record::PLAN_INSTRUMENTS_MAX
                && instruments.iter().enumerate().all(|(at, i)| i.id.0 as usize == at),
            "Invariant: instruments are numbered from zero and fit a plan"
        );
        let desk = |instrument: &Instrument| Desk {
            instrument: *instrument,
            book: SyncedBook::new(config.family),
            signal: Signal::default(),
            slots: Slots::default(),
            trades: Trades::default(),
            breakers: DeskBreakers::default(),
            told: Holds::NONE,
            mode: Mode::Halted,
            closed_at: Nanos(0),
        };
        Lane {
            config,
            desks: instruments.iter().map(desk).collect(),
            ledger: Ledger::new(instruments),
            plan: Box::new(Plan::none()),
            holds: Holds::START,
            exposures: Exposures::new(instruments),
            losses: Losses::default(),
            breakers: LaneBreakers::default(),
            exposed_at: Nanos(0),
            wall_at_zero: UnixNanos(0),
            accounted_at: UnixNanos(0),
            notices: Notices::new(),
            market_up: false,
            orders_up: false,
            rate: RateWindow::new(),
            paced_until: Nanos(0),
            muted_until: Nanos(0),
            next_id: 1,
            sequence: 0,
            latest: Nanos(0),
            gapped: false,
            missing: [Missing::default(); MISSING_MAX],
            orders_hash: StateHash::default(),
            counts: InputCounts::default(),
            verdicts: [0; Verdict::ALL.len()],
            flaws: PhantomData,
        }
    }
}

impl<B: Book, F: Flaws> Lane<B, F> {
    /// The books.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Until when everything that happened to its orders was told: the order link was up, or there was
    /// nothing of this lane's before.
    #[must_use]
    pub fn accounted_at(&self) -> UnixNanos {
        self.accounted_at
    }

    /// Nothing happened before `at`, unless more is known already.
    pub(super) fn account_from(&mut self, at: UnixNanos) {
        if self.accounted_at == UnixNanos(0) {
            self.accounted_at = at;
        }
    }

    /// Sequence of the last input.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether both links are up.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.market_up && self.orders_up
    }

    /// The lane's mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.holds.mode()
    }

    /// What holds it back.
    #[must_use]
    pub fn holds(&self) -> Holds {
        self.holds
    }

    /// Whether the venue has shut it out, so that not even a cancel may leave.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        self.latest < self.muted_until
    }

    /// Whether it waits for room in a rate, its own or the venue's, before it places another order.
    #[must_use]
    pub fn is_paced(&self) -> bool {
        self.latest < self.paced_until || self.is_muted()
    }

    /// The plan it trades by.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What it risks and owns.
    #[must_use]
    pub fn exposures(&self) -> &Exposures {
        &self.exposures
    }

    /// What it has lost.
    #[must_use]
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// What holds at least one of its instruments back, beside what holds the whole.
    #[must_use]
    pub fn instrument_holds(&self) -> Holds {
        self.desks.iter().fold(Holds::NONE, |holds, desk| holds.union(desk.breakers.holds()))
    }

    /// A breaker of an instrument, or of the whole lane.
    #[must_use]
    pub fn breaker(&self, kind: BreakerKind, instrument: InstrumentId) -> Option<&Breaker> {
        let desk = self.desks.get(instrument.0 as usize)?;
        self.breakers.of(kind).or_else(|| desk.breakers.of(kind))
    }

    /// The book of an instrument.
    #[must_use]
    pub fn book(&self, instrument: InstrumentId) -> Option<&SyncedBook<B>> {
        self.desks.get(instrument.0 as usize).map(|desk| &desk.book)
    }

    /// An instrument whose snapshot must be fetched; each wish is returned once.
    pub fn take_snapshot_wish(&mut self) -> Option<InstrumentId> {
        let desk = self
            .desks
            .iter_mut()
            .find_map(|desk| desk.book.take_snapshot_wish().then_some(desk.instrument.id));
        desk.filter(|_| self.market_up)
    }

    /// A gap that the driver has not heard of; each is returned once.
    #[inline]
    pub fn take_gap(&mut self) -> Option<Gap> {
        if !std::mem::take(&mut self.gapped) {
            return None;
        }
        self.desks.iter_mut().find_map(|desk| desk.book.take_gap())
    }

    /// An order of which the venue says that it filled more than was told; each is returned once.
    #[inline]
    pub fn take_missing(&mut self) -> Option<Missing> {
        self.missing.iter_mut().find(|of| of.order != OrderId(0)).map(std::mem::take)
    }

    /// Hash of every intent that passed the gate, in order.
    #[must_use]
    pub fn orders_hash(&self) -> u64 {
        self.orders_hash.finish()
    }

    /// Takes one input; what passed the gate is appended to `outbox`.
    pub fn step(
        &mut self,
        stamp: Stamp,
        input: Input<'_>,
        probe: &mut impl Probe,
        outbox: &mut Outbox,
    ) {
        self.sequence = stamp.sequence;
        let now = stamp.received;
        // a life compares its clock with that of the one before
        if !matches!(input, Input::Life(_)) {
            self.latest = now;
        }
        if self.orders_up {
            self.accounted_at = UnixNanos(self.wall_at_zero.0.saturating_add(now.0));
        }
        let mode = self.holds.mode();
        match input {
            Input::Market(event) => self.on_market(&event, now, probe, outbox),
            Input::MarketFault(instrument) => self.on_fault(instrument, now, probe, outbox),
            Input::Execution(report) => self.on_execution(&report, now, probe, outbox),
            Input::Timer => self.on_timer(now, probe, outbox),
            Input::Command(command, source) => {
                self.on_command(command, source, now);
                self.requote_all(now, probe, outbox);
            }
            Input::Link(link, state) => self.on_link(link, state, now, probe, outbox),
            Input::Plan(plan) => {
                self.on_plan(plan, now);
                self.requote_all(now, probe, outbox);
            }
            Input::Life(life) => self.on_life(life, now),
            Input::Adopted(found) => {
                self.on_adopted(&found, now);
                self.requote_if_moved(mode, now, probe, outbox);
            }
            Input::Adjustment(difference) => {
                self.counts.adjustments += 1;
                self.ledger.adjust(&difference);
                self.reckon(difference.instrument.0 as usize, now);
                self.requote_if_moved(mode, now, probe, outbox);
            }
            Input::Service(time) => {
                self.on_service(&time, now);
                self.requote_if_moved(mode, now, probe, outbox);
            }
            Input::Holding(found) => self.ledger.hold(&found),
        }
    }

    /// What has certainly passed since the last input of the life before, by the walls of both: their
    /// clocks may have been set meanwhile.
    fn gap(&self, life: &Life, now: Nanos) -> Nanos {
        let begins = life.wall_at_zero.0.saturating_add(now.0);
        let between = begins.saturating_sub(self.wall(self.latest).0);
        Nanos(between.saturating_sub(CLOCK_SLACK.0))
    }

    /// Nothing but the books outlives a life: what they do not hold must be told anew.
    fn on_life(&mut self, life: Life, now: Nanos) {
        let gap = self.gap(&life, now);
        self.rate.begin(now, self.latest, gap);
        // what is counted is counted by life; what is held and owed goes on
        self.counts = InputCounts { lives: self.counts.lives + 1, ..InputCounts::default() };
        self.verdicts = [0; Verdict::ALL.len()];
        self.ledger.begin_counting();
        for until in [&mut self.muted_until, &mut self.paced_until] {
            let left = until.since(self.latest).since(gap);
            *until = if left > Nanos(0) { now.plus(left) } else { Nanos(0) };
        }
        self.config.epoch = life.epoch;
        self.next_id = 1;
        self.moves(StateEvent::Life, now);
        (self.market_up, self.orders_up) = (false, false);
        *self.plan = Plan::none();
        self.rate.adopt(&self.plan.limits);
        let instruments = self.desks.iter().map(|desk| &desk.instrument);
        self.exposures.adopt(&self.plan, instruments, &self.ledger);
        self.wall_at_zero = life.wall_at_zero;
        self.account_from(life.wall_at_zero);
        self.notices.clear();
        self.exposed_at = now;
        self.breakers.restart(now);
        self.ledger.connection_lost();
        for desk in &mut self.desks {
            desk.book.void();
            desk.signal.interrupt();
            desk.trades.restart();
            desk.breakers.restart(now);
            desk.closed_at = Nanos(0);
        }
    }

    /// Until its fate is told the order counts as working, and is cancelled like any other.
    fn on_adopted(&mut self, found: &AdoptedOrder, now: Nanos) {
        self.counts.adopted += 1;
        if found.order.epoch() == self.config.epoch {
            self.next_id = self.next_id.max(found.order.counter() + 1);
        }
        if self.ledger.adopt(found, now).is_ok()
            && let Some(order) = self.ledger.order(found.order)
            && let Some(desk) = self.desks.get_mut(found.instrument.0 as usize)
        {
            desk.slots.still_works(order);
        }
        self.reckon_all(now);
    }

    #[inline]
    fn on_market(
        &mut self,
        event: &MarketEvent<'_>,
        now: Nanos,
        probe: &mut impl Probe,
        outbox: &mut Outbox,
    ) {
        self.counts.market += 1;
        let wall = self.wall(now);
        let (instrument, change) = match event {
            MarketEvent::Depth(diff) => {
                self.counts.depth += 1;
                let Some(desk) = self.desks.get_mut(diff.instrument.0 as usize) else { return };
                desk.breakers.on_event(diff.event_time, wall);
                let chained;
                let diff = if F::has(Flaw::IgnoreGap) {
                    chained = desk.book.chained(diff);
                    &chained
                } else {
                    diff
                };
                (diff.instrument, desk.book.on_diff(diff, now))
            }
            MarketEvent::Snapshot(snapshot) => {
                self.counts.snapshots += 1;
                let Some(desk) = self.desks.get_mut(snapshot.instrument.0 as usize) else { return };
                (snapshot.instrument, desk.book.on_snapshot(snapshot, now))
            }
            MarketEvent::Ticker(ticker) => {
                self.counts.tickers += 1;
                let Some(desk) = self.desks.get_mut(ticker.instrument.0 as usize) else { return };
                desk.breakers.on_event(ticker.event_time, wall);
                (ticker.instrument, desk.book.on_ticker(ticker, now))
            }
            MarketEvent::Trade(trade) => {
                self.counts.trades += 1;
                if let Some(desk) = self.desks.get_mut(trade.instrument.0 as usize) {
                    desk.breakers.on_event(trade.event_time, wall);
                    desk.trades.on_trade(trade, now);
                }
                probe.mark(Stage::Book);
                return;
            }
            MarketEvent::Other => {
                self.counts.other += 1;
                return;
            }
        };
        probe.mark(Stage::Book);
        match change {
            BookChange::Unchanged => {}
            BookChange::Moved => {
                let at = instrument.0 as usize;
                let top = self.desks[at].book.top();
                let moved = top.is_some_and(|top| self.on_touch(at, &top, now));
                probe.mark(Stage::Signal);
                if moved {
                    self.requote_all(now, probe, outbox);
                } else {
                    self.requote(instrument, now, probe, outbox);
                }
            }
            BookChange::Voided => {
                self.counts.gaps += 1;
                self.gapped = true;
                self.abandon(instrument, now, probe, outbox);
            }
        }
    }

    /// The stream of one instrument (or of all) cannot be trusted.
    fn on_fault(
        &mut self,
        instrument: Option<InstrumentId>,
        now: Nanos,
        probe: &mut impl Probe,
        outbox: &mut Outbox,
    ) {
        self.counts.faults += 1;
        for at in 0..self.desks.len() {
            let id = self.desks[at].instrument.id;
            if instrument.is_none_or(|named| named == id) {
                self.desks[at].book.void();
                self.abandon(id, now, probe, outbox);
            }
        }
    }

    fn on_execution(
        &mut self,
        report: &ExecutionReport,
        now: Nanos,
        probe: &mut impl Probe,
        outbox: &mut Outbox,
    ) {
        self.counts.executions += 1;
        let mode = self.holds.mode();
        let leaves_rest = report.filled_lots < report.lots;
        if F::has(Flaw::ForgetPartialFill) && report.kind == ExecutionKind::Fill && leaves_rest {
            return;
        }
        let waited = self.awaits_answer(report.order);
        let applied = self.ledger.on_report(report);
        if F::has(Flaw::BookFillTwice) && applied == Applied::Repeated {
            self.book_again(report);
        }
        if self.ledger.misses_fills(report) {
            let fits = |of: &&mut Missing| of.order == report.order || of.order == OrderId(0);
            if let Some(free) = self.missing.iter_mut().find(fits) {
                *free = Missing { order: report.order, filled: report.filled_lots };
            }
        }
        self.heed(report, now);
        if waited != Awaited::Nothing && self.awaits_answer(report.order) == Awaited::Nothing {
            self.on_answer(waited, report, now);
        }
        let Some(desk) = self.desks.get_mut(report.instrument.0 as usize) else { return };
        if report.kind == ExecutionKind::CancelRejected
            && let Some(order) = self.ledger.order(report.order)
            && order.state.is_working()
        {
            desk.slots.still_works(order);
        }
        desk.slots.sweep(&self.ledger);
        self.reckon(report.instrument.0 as usize, now);
        if self.holds.mode() == mode {
            self.requote(report.instrument, now, probe, outbox);
        } else {
            self.requote_all(now, probe, outbox);
        }
    }

    /// What `Flaw::BookFillTwice` does with a report that changed nothing.
    fn book_again(&mut self, report: &ExecutionReport) {
        if let Some(account) = self.ledger.account(report.instrument)
            && report.kind == ExecutionKind::Fill
        {
            let lots = Lots(report.side.sign() * report.last_lots.0);
            let cash = Money(-account.valuation().value(lots, report.last_price).0);
            self.ledger.adjust(&Adjustment { instrument: report.instrument, lots, cash });
        }
    }

    /// The venue says that the account sends too much: less of it, or nothing, for a while.
    /// How long, the venue may tell; who goes on earlier is banned for longer.
    fn heed(&mut self, report: &ExecutionReport, now: Nanos) {
        let told = Nanos(report.venue_time.0.saturating_sub(self.wall(now).0)).min(MUTED_MAX);
        let until =
            |span: Nanos| now.plus(if told > Nanos(0) { told.plus(MUTED_MORE) } else { span });
        match Backoff::of(report.reject_code) {
            Some(Backoff::Orders(span)) => self.paced_until = self.paced_until.max(until(span)),
            Some(Backoff::Everything(span)) => {
                self.muted_until = self.muted_until.max(until(span));
            }
            None => {}
        }
    }

    fn on_timer(&mut self, now: Nanos, probe: &mut impl Probe, outbox: &mut Outbox) {
        self.counts.timers += 1;
        self.on_passing(now);
        self.requote_all(now, probe, outbox);
    }

    fn on_link(
        &mut self,
        link: Link,
        state: LinkState,
        now: Nanos,
        probe: &mut impl Probe,
        outbox: &mut Outbox,
    ) {
        self.counts.links += 1;
        let up = state == LinkState::Up;
        match link {
            Link::Market => {
                self.market_up = up;
                self.desks.iter_mut().for_each(|desk| {
                    desk.book.void();
                    desk.signal.interrupt();
                });
            }
            Link::Orders => {
                self.orders_up = up;
                if up {
                    self.ledger.forget_missing();
                    self.reckon_all(now);
                } else {
                    self.ledger.connection_lost();
                    self.breakers.orders_lost(now);
                    self.heed_breakers(now);
                }
            }
        }
        self.requote_all(now, probe, outbox);
    }
}
