//! The judge: the venue's own books kept a second time, slowly and plainly, and what must hold of them.
//!
//! Fed by what the exchange received and did (`Witnessed`), never by what the engine believes; the
//! engine's books are shown to it only to be compared. Money is computed here from decimals, not by the
//! engine's `Valuation`.
//! Invariant: the first breach of a seed is kept with its step; later ones may only follow from it.

pub use super::invariants::{Invariant, Violation};
use super::limits::{Limits, Passed};
use super::tap::{Journalled, Said};
use crate::hot::flaws::Flaws;
use crate::hot::lane::Lane;
use crate::lab::exchange::server::Witnessed;
use crate::ledger::{Ledger, Order};
use crate::market::book::{Book, Ladder};
use crate::record::{
    Cause, ExecutionKind, ExecutionReport, Instrument, InstrumentKind, Intent, Mode, OrderAction,
    Plan, Verdict,
};
use crate::units::{Currency, InstrumentId, Lots, Money, Nanos, OrderId, Side, Ticks};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A breach must last this long in a calm before it counts: messages are under way.
const LASTING: Nanos = Nanos(3 * 1_000_000_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The exchange has the request and has not answered.
    Sent,
    Open,
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    instrument: InstrumentId,
    side: Side,
    phase: Phase,
    price: Ticks,
    lots: i64,
    filled: i64,
    /// The whole size after a change that is not answered yet.
    changing: Option<i64>,
}

/// What makes two requests the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Asked(u8, OrderId, OrderId, Ticks, Lots);

impl Asked {
    fn of(intent: &Intent) -> Asked {
        let Intent { action, order, replaces, price, lots, .. } = *intent;
        if action == OrderAction::Cancel {
            return Asked(action as u8, order, OrderId(0), Ticks(0), Lots(0));
        }
        Asked(action as u8, order, replaces, price, lots)
    }
}

/// One instrument's account.
#[derive(Clone, Debug, Default)]
struct Account {
    position: i64,
    cash: i128,
}

/// The venue's books, once more.
#[derive(Debug)]
pub struct Judge {
    pub(super) instruments: Vec<Instrument>,
    pub(super) plan: Box<Plan>,
    pub(super) limits: Limits,
    /// Those that work or may come to work.
    orders: BTreeMap<OrderId, Known>,
    over: BTreeSet<OrderId>,
    accounts: Vec<Account>,
    fees: BTreeMap<Currency, i128>,
    /// What lasting differences began when.
    since: BTreeMap<(Invariant, OrderId), Nanos>,
    /// How long a difference may last.
    patience: Nanos,
    /// Others used up our rate limits until then.
    limited_until: Nanos,
    /// When an exposure or position limit last left no room for an order, by instrument.
    crammed_at: BTreeMap<InstrumentId, Nanos>,
    /// Where the world stands.
    pub(super) now: Nanos,
    pub(super) step: u64,
    violation: Option<Violation>,
    /// Requests that reached the exchange.
    received: u64,
    /// What passed and has not reached the exchange.
    passed: BTreeMap<Asked, VecDeque<Passed>>,
    planned_at: Nanos,
    waits_for_disk: bool,
    /// What an account begins with, of each currency.
    endowment: Money,
    /// Fills it reported.
    fills: u64,
    /// Comparisons of books that could be made.
    compared: u64,
}

impl Known {
    fn works(&self) -> bool {
        self.phase != Phase::Over
    }

    fn exposed(&self) -> i64 {
        if self.works() { self.lots.max(self.changing.unwrap_or(0)) - self.filled } else { 0 }
    }
}

impl Judge {
    /// Empty books.
    #[must_use]
    pub fn new(instruments: &[Instrument], plan: &Plan) -> Judge {
        Judge {
            instruments: instruments.to_vec(),
            plan: Box::new(*plan),
            limits: Limits::default(),
            orders: BTreeMap::new(),
            over: BTreeSet::new(),
            accounts: instruments.iter().map(|_| Account::default()).collect(),
            fees: BTreeMap::new(),
            since: BTreeMap::new(),
            patience: LASTING,
            limited_until: Nanos(0),
            crammed_at: BTreeMap::new(),
            now: Nanos(0),
            step: 0,
            violation: None,
            received: 0,
            passed: BTreeMap::new(),
            planned_at: Nanos(0),
            waits_for_disk: false,
            endowment: Money(1_000_000 * Money::ONE),
            fills: 0,
            compared: 0,
        }
    }

    /// The first breach.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Requests received, fills reported, and comparisons of books made.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, u64) {
        (self.received, self.fills, self.compared)
    }

    /// Notes a breach, unless there was one.
    pub fn breach(&mut self, invariant: Invariant, words: String) {
        let (step, at_ms) = (self.step, self.now.0 / 1_000_000);
        self.violation.get_or_insert(Violation { invariant, step, at_ms, words });
    }

    /// A breach that counts only when it lasts: `found` says what is seen now, if anything.
    fn lasting(&mut self, invariant: Invariant, found: Option<String>) {
        let found = found.map(|words| (OrderId(0), words));
        self.lasting_of(invariant, found.into_iter().collect());
    }

    /// The same of many things, each watched for itself: what replaces another is not the same.
    fn lasting_of(&mut self, invariant: Invariant, found: BTreeMap<OrderId, String>) {
        self.since.retain(|(of, order), _| *of != invariant || found.contains_key(order));
        for (order, words) in found {
            let since = *self.since.entry((invariant, order)).or_insert(self.now);
            if self.now.since(since) >= self.patience {
                self.breach(invariant, words);
            }
        }
    }

    /// Others use up our rate limits for a while.
    pub fn limited_until(&mut self, until: Nanos) {
        self.limited_until = self.limited_until.max(until);
    }

    /// Something happened at the exchange, while the engine's journal stood like this.
    pub fn witness(&mut self, what: &Witnessed, journal: Option<Journalled>) {
        match what {
            Witnessed::Received(_, intent) => self.received(intent, journal),
            Witnessed::Reported(_, report) => self.reported(report),
            Witnessed::Limited(code) => {
                if self.now >= self.limited_until {
                    self.breach(Invariant::VenueRate, format!("the venue refused with {code}"));
                }
            }
        }
    }

    // ---- what the exchange received ----

    fn received(&mut self, intent: &Intent, journal: Option<Journalled>) {
        self.received += 1;
        self.check_passed(intent, journal);
        match intent.action {
            OrderAction::Place => self.ordered(intent),
            OrderAction::Replace if intent.order == intent.replaces => self.changed(intent),
            OrderAction::Replace => self.ordered(intent),
            OrderAction::Cancel | OrderAction::CancelAll => {}
        }
    }

    fn ordered(&mut self, intent: &Intent) {
        let fresh = Known {
            instrument: intent.instrument,
            side: intent.side,
            phase: Phase::Sent,
            price: intent.price,
            lots: intent.lots.0,
            filled: 0,
            changing: None,
        };
        if self.over.contains(&intent.order) || self.orders.insert(intent.order, fresh).is_some() {
            self.breach(
                Invariant::SentTwice,
                format!("{:?} reached the venue again", intent.order),
            );
        }
        self.check_size(intent, intent.lots.0);
        self.check_exposure(intent.instrument, intent.side, Some(intent.replaces));
    }

    fn changed(&mut self, intent: &Intent) {
        if let Some(known) = self.orders.get_mut(&intent.order).filter(|of| of.works()) {
            known.changing = Some(intent.lots.0);
            let rest = intent.lots.0 - known.filled;
            self.check_size(intent, rest);
            self.check_exposure(intent.instrument, intent.side, None);
        }
    }

    fn check_size(&mut self, intent: &Intent, lots: i64) {
        let Some(entry) = self.plan.entry(intent.instrument).copied() else {
            return self.breach(Invariant::OrderSize, "an instrument outside the plan".to_owned());
        };
        if lots > entry.order_lots_max.0 {
            let most = entry.order_lots_max.0;
            self.breach(Invariant::OrderSize, format!("{lots} lots, {most} are allowed"));
        }
        let value = self.value(intent.instrument, lots, intent.price).abs();
        if value > entry.notional_max.0 {
            let most = entry.notional_max.0;
            self.breach(Invariant::OrderSize, format!("notional {value}, {most} is allowed"));
        }
    }

    /// What position and working orders could come to on one side. `withdrawn` is taken away first, as
    /// the venue does.
    fn check_exposure(&mut self, of: InstrumentId, side: Side, withdrawn: Option<OrderId>) {
        let Some(entry) = self.plan.entry(of).copied() else { return };
        let counts = |(id, known): &(&OrderId, &Known)| {
            known.instrument == of && known.works() && Some(**id) != withdrawn
        };
        let working: Vec<Known> =
            self.orders.iter().filter(counts).map(|(_, known)| *known).collect();
        let same = working.iter().filter(|known| known.side == side);
        let exposed: i64 = same.map(Known::exposed).sum();
        let position = self.accounts[of.0 as usize].position;
        let worst = side.sign() * position + exposed;
        if worst > entry.position_lots_max.0 {
            let most = entry.position_lots_max.0;
            self.breach(
                Invariant::PositionLimit,
                format!("{side:?}: position {position} and {exposed} working, {most} allowed"),
            );
        }
        if working.len() > entry.open_orders_max as usize {
            let most = entry.open_orders_max;
            let count = working.len();
            self.breach(Invariant::OrderCount, format!("{count} orders work, {most} may"));
        }
    }

    // ---- what the exchange did ----

    fn reported(&mut self, report: &ExecutionReport) {
        let Some(known) = self.orders.get_mut(&report.order) else {
            // A cancel may follow an order that never came: lost on the way, or refused at the door.
            let late = match report.kind {
                ExecutionKind::CancelRejected => true,
                ExecutionKind::Rejected => self.over.contains(&report.order),
                _ => false,
            };
            if !late {
                self.breach(Invariant::Money, format!("the venue reports on {report:?}"));
            }
            return;
        };
        match report.kind {
            ExecutionKind::Acknowledged => {
                known.phase = Phase::Open;
                let (of, side) = (known.instrument, known.side);
                self.check_exposure(of, side, None);
            }
            ExecutionKind::Rejected | ExecutionKind::Cancelled | ExecutionKind::Expired => {
                known.phase = Phase::Over;
            }
            ExecutionKind::Replaced => {
                (known.price, known.lots) = (report.price, report.lots.0);
                known.changing = None;
            }
            ExecutionKind::CancelRejected => known.changing = None,
            ExecutionKind::Fill => self.filled(report),
        }
        if self.orders.get(&report.order).is_some_and(|known| !known.works()) {
            self.orders.remove(&report.order);
            self.over.insert(report.order);
        }
    }

    fn filled(&mut self, report: &ExecutionReport) {
        self.fills += 1;
        let Some(known) = self.orders.get_mut(&report.order) else { return };
        known.filled += report.last_lots.0;
        if known.filled >= known.lots {
            known.phase = Phase::Over;
        }
        let signed = known.side.sign() * report.last_lots.0;
        let of = known.instrument;
        let value = self.value(of, signed, report.last_price);
        let account = &mut self.accounts[of.0 as usize];
        account.position += signed;
        account.cash -= value;
        *self.fees.entry(report.fee_currency).or_default() += report.fee.0;
    }

    /// Value of signed lots at a price in minor units of money, half away from zero.
    fn value(&self, of: InstrumentId, lots: i64, price: Ticks) -> i128 {
        let of = &self.instruments[of.0 as usize];
        let ten = |scale: u8| 10i128.pow(u32::from(scale));
        let (tick, lot, each) = (of.tick.step(), of.lot.step(), of.multiplier);
        let size = i128::from(lots) * i128::from(lot.mantissa) * i128::from(each.mantissa);
        let size_scale = ten(lot.scale) * ten(each.scale);
        let at = i128::from(price.0) * i128::from(tick.mantissa);
        let (top, bottom) = match of.kind {
            InstrumentKind::Spot | InstrumentKind::Linear => {
                (size * at * Money::ONE, size_scale * ten(tick.scale))
            }
            InstrumentKind::Inverse => (-size * ten(tick.scale) * Money::ONE, size_scale * at),
        };
        if bottom == 0 {
            return 0;
        }
        let rounded = (top.abs() + bottom / 2) / bottom;
        if top < 0 { -rounded } else { rounded }
    }

    // ---- comparisons ----

    /// The engine's books against the venue's, in a calm.
    pub fn compare(&mut self, ledger: &Ledger) {
        self.compared += 1;
        let mut found: BTreeMap<Invariant, String> = BTreeMap::new();
        for (at, (account, ours)) in self.accounts.iter().zip(ledger.accounts()).enumerate() {
            let symbol = self.instruments[at].symbol;
            let (theirs, held) = (account.position, ours.position().0);
            if theirs != held {
                let words = format!("{symbol}: the venue has {theirs} lots, the engine {held}");
                found.insert(Invariant::Position, words);
            }
            let (theirs, held) = (account.cash, ours.cash().0);
            if theirs != held {
                let words = format!("{symbol}: the venue has {theirs} of cash, the engine {held}");
                found.insert(Invariant::Cash, words);
            }
        }
        let fees = ledger.fees();
        for (currency, fee) in &self.fees {
            let ours = fees.entries().iter().find(|(of, _)| of == currency);
            let held = ours.map_or(0, |(_, money)| money.0);
            if held != *fee {
                let words = format!("{currency}: the venue took {fee}, the engine knows of {held}");
                found.insert(Invariant::Fees, words);
            }
        }
        for invariant in [Invariant::Position, Invariant::Cash, Invariant::Fees] {
            self.lasting(invariant, found.remove(&invariant));
        }
        self.lasting_of(Invariant::OpenOrders, self.differing_orders(ledger));
    }

    fn differing_orders(&self, ledger: &Ledger) -> BTreeMap<OrderId, String> {
        let theirs = self.orders.iter().filter(|(_, known)| known.phase == Phase::Open);
        let differs = |(id, known): (&OrderId, &Known)| {
            let Some(ours) = ledger.order(*id).filter(|of| of.state.is_working()) else {
                return Some((*id, format!("{id:?} works at the venue and not in our books")));
            };
            let (theirs, held) =
                ((known.price, known.lots, known.filled), (ours.price, ours.lots.0, ours.filled.0));
            let words = || format!("{id:?}: the venue has {theirs:?}, the engine {held:?}");
            (theirs != held).then(|| (*id, words()))
        };
        let gone = |of: &&Order| {
            of.state.is_working() && !self.orders.get(&of.id).is_some_and(Known::works)
        };
        let words = |of: &Order| format!("{of:?} is over at the venue");
        let ours = ledger.orders().filter(gone).map(|of| (of.id, words(of)));
        theirs.filter_map(differs).chain(ours).collect()
    }

    /// Forgets differences that were being watched: the calm is over.
    pub fn calm_is_over(&mut self) {
        self.since.clear();
    }

    /// A trusted book that stands at the venue's update must be the venue's book.
    pub fn compare_book<F: Flaws>(
        &mut self,
        lane: &Lane<Ladder, F>,
        theirs: &crate::record::DepthSnapshot<'_>,
    ) {
        let Some(ours) = lane.book(theirs.instrument).filter(|of| of.is_synchronised()) else {
            return;
        };
        let ours = ours.book();
        if ours.last_update() != theirs.last_update {
            return;
        }
        for (side, levels) in [(Side::Buy, theirs.bids), (Side::Sell, theirs.asks)] {
            let mut wrong = None;
            let mut at = 0;
            ours.visit(side, &mut |level| {
                if levels.get(at) != Some(&level) {
                    wrong = Some((levels.get(at).copied(), level));
                }
                at += 1;
                wrong.is_none()
            });
            if wrong.is_some() || at != levels.len() {
                let (u, of) = (theirs.last_update, theirs.instrument);
                let len = levels.len();
                self.breach(
                    Invariant::Book,
                    format!("{of:?} {side:?} at update {u}: {wrong:?}, {at} levels of {len}"),
                );
            }
        }
    }

    /// What the venue tells of the account must be what was traded: nothing comes or goes.
    pub fn check_money(&mut self, start: &[(Currency, Money)], held: &[(Currency, Money)]) {
        let mut expected: BTreeMap<Currency, i128> =
            start.iter().map(|(of, m)| (*of, m.0)).collect();
        for (of, account) in self.instruments.iter().zip(&self.accounts) {
            if of.kind != InstrumentKind::Spot {
                // What is realised is what was traded once nothing is held.
                *expected.entry(of.settle).or_default() += account.cash;
            } else {
                let lot = of.lot.step();
                let base = i128::from(account.position) * i128::from(lot.mantissa) * Money::ONE
                    / 10i128.pow(u32::from(lot.scale));
                *expected.entry(of.base).or_default() += base;
                *expected.entry(of.quote).or_default() += account.cash;
            }
        }
        for (currency, fee) in &self.fees {
            *expected.entry(*currency).or_default() -= fee;
        }
        let known = |(of, account): (&Instrument, &Account)| {
            of.kind == InstrumentKind::Spot || account.position == 0
        };
        let known = self.instruments.iter().zip(&self.accounts).all(known);
        for (currency, money) in held {
            let due = expected.get(currency).copied().unwrap_or(0);
            if known && due != money.0 {
                let words = format!("{currency}: {} are held, {due} are due", money.0);
                self.breach(Invariant::Money, words);
            }
        }
    }

    // ---- the gate ----

    /// A plan that the lane may trade by was published.
    pub fn published(&mut self, plan: &Plan, now: Nanos) {
        (*self.plan, self.planned_at) = (*plan, now);
    }

    /// The gate said something.
    pub fn said(&mut self, said: &Said) {
        let judgement = &said.judgement;
        if leaves_no_room(judgement.verdict) {
            self.crammed_at.insert(judgement.intent.instrument, self.now);
        }
        if !judgement.verdict.passes() {
            return;
        }
        let intent = &judgement.intent;
        let passed = Passed::of(intent, said.record, self.now);
        self.count_request(&passed);
        self.passed.entry(Asked::of(intent)).or_default().push_back(passed);
        if matches!(intent.action, OrderAction::Cancel | OrderAction::CancelAll)
            || intent.reduce_only
        {
            return;
        }
        if self.limits.halted {
            self.breach(Invariant::Forbidden, format!("passed in a halted lane: {intent:?}"));
        }
        let (bid, ask) = (judgement.bid, judgement.ask);
        let crossed = match (bid, ask) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            _ => true,
        };
        if crossed {
            self.breach(Invariant::Forbidden, format!("passed on bid {bid:?}, ask {ask:?}"));
        }
        let age = self.now.since(self.planned_at);
        if age > self.plan.limits.plan_age_max && !self.shrinks(intent) {
            let seconds = age.0 / 1_000_000_000;
            self.breach(Invariant::Forbidden, format!("passed on a plan {seconds} s old"));
        }
    }

    /// Whether an order can only bring the venue's position nearer to zero.
    fn shrinks(&self, intent: &Intent) -> bool {
        let position = self.accounts[intent.instrument.0 as usize].position;
        -intent.side.sign() * position >= intent.lots.0
    }

    /// What reaches the exchange must have passed, once for every time it comes; and what a journal
    /// promises to have on disk first must be there.
    fn check_passed(&mut self, intent: &Intent, journal: Option<Journalled>) {
        if intent.action == OrderAction::CancelAll {
            return; // the clerk's, the guard's and the venue's own switch
        }
        let asked = Asked::of(intent);
        let passed = self.passed.get_mut(&asked).and_then(VecDeque::pop_front);
        if self.passed.get(&asked).is_some_and(VecDeque::is_empty) {
            self.passed.remove(&asked);
        }
        let Some(passed) = passed else {
            return self.breach(Invariant::Verdict, format!("{intent:?} never passed the gate"));
        };
        let record = passed.record;
        let Some(journal) = journal else { return };
        // where the disk has failed, cancels and what closes leave all the same
        let must = intent.action == OrderAction::Cancel || (journal.failed && passed.closes());
        if self.waits_for_disk && !must && record > journal.durable {
            let words = format!("record {record} let it out of {journal:?}: {intent:?}");
            self.breach(Invariant::Durable, words);
        }
    }

    /// Orders wait until what led to them is durable.
    pub fn wait_for_disk(&mut self, waits: bool) {
        self.waits_for_disk = waits;
    }

    /// In a calm the lane's links are up and its books are trusted.
    pub fn check_alive<F: Flaws>(&mut self, lane: &Lane<Ladder, F>) {
        let untrusted = self
            .instruments
            .iter()
            .find(|of| lane.book(of.id).is_none_or(|book| !book.is_synchronised()));
        let found = match untrusted {
            _ if !lane.is_connected() => Some("a link is down".to_owned()),
            Some(of) => Some(format!("the book of {} is not trusted", of.symbol)),
            None => None,
        };
        self.lasting(Invariant::Alive, found);
    }

    /// In a calm, an instrument that nothing holds back, with a plan in force and room in its limits, is
    /// quoted; and what ends by itself once the venue takes orders has ended.
    pub fn check_quoting<F: Flaws>(&mut self, lane: &Lane<Ladder, F>) {
        let planned = self.now.since(self.planned_at) <= self.plan.limits.plan_age_max;
        let paced = lane.is_paced() && !self.has_ample_rate();
        let may = planned && !paced && lane.is_connected();
        let is_silent = |of: &&Instrument| {
            let crammed = self.crammed_at.get(&of.id);
            lane.mode_of(of.id) == Mode::Active
                && crammed.is_none_or(|at| self.now.since(*at) > Nanos::SECOND)
                && !self.orders.values().any(|known| known.works() && known.instrument == of.id)
        };
        let silent = self.instruments.iter().filter(|_| may).filter(is_silent);
        let mut found: BTreeMap<OrderId, String> = silent
            .map(|of| (OrderId(of.id.0.into()), format!("nothing of ours works in {}", of.symbol)))
            .collect();
        if lane.holds().has(Cause::Rejects) {
            let words = "refusals hold the lane, and the venue refuses nothing".to_owned();
            found.insert(OrderId(u64::MAX), words);
        }
        self.lasting_of(Invariant::Idle, found);
    }

    /// What the account held before anything was traded.
    #[must_use]
    pub fn start_of(&self, held: &[(Currency, Money)]) -> Vec<(Currency, Money)> {
        held.iter().map(|(of, _)| (*of, self.endowment)).collect()
    }

    /// The engine's books at the end of a seed: equal at once, and nothing works.
    pub fn compare_at_end(&mut self, ledger: &Ledger) {
        let works = self.working();
        if works > 0 {
            self.breach(Invariant::OpenOrders, format!("{works} orders work after the end"));
        }
        self.patience = Nanos(0);
        self.compare(ledger);
    }

    /// Whether anything of ours works at the venue.
    #[must_use]
    pub fn working(&self) -> usize {
        self.orders.values().filter(|known| known.works()).count()
    }

    /// Position by the venue.
    #[must_use]
    pub fn position(&self, of: InstrumentId) -> Lots {
        Lots(self.accounts[of.0 as usize].position)
    }
}

/// Whether a verdict says that the plan's limits are too narrow for the order, as small as it is.
fn leaves_no_room(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::PositionOverLimit
            | Verdict::Concentration
            | Verdict::GroupExposure
            | Verdict::StrategyExposure
            | Verdict::VenueExposure
            | Verdict::NetExposure
            | Verdict::GrossExposure
            | Verdict::Leverage
    )
}
