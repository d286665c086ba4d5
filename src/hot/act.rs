//! The second half of a lane's step: wanted quotes to intents, intents to verdicts, and what passed is
//! booked before it leaves.
//!
//! Deliberately absent: what led here (`lane`), what is wanted (`strategy`), what is allowed (`gate`).

use super::book::SyncedBook;
use super::decide::{Style, Wanted, cancel};
use super::flaws::{Flaw, Flaws};
use super::gate::{self, GateView};
use super::lane::{Desk, Lane};
use super::outbox::Outbox;
use super::rate::Use;
use super::state::Holds;
use crate::host::probe::{Probe, Stage};
use crate::ledger::{Account, StateHash};
use crate::market::book::{Book, Top};
use crate::record::{Intent, Judgement, Level, Mode, OrderAction, Verdict};
use crate::strategy::making::{self, Quotes};
use crate::units::{InstrumentId, Lots, Nanos, Side};

impl<B: Book, F: Flaws> Lane<B, F> {
    pub(super) fn requote_all(&mut self, now: Nanos, probe: &mut impl Probe, outbox: &mut Outbox) {
        for at in 0..self.desks.len() {
            self.requote(self.desks[at].instrument.id, now, probe, outbox);
        }
    }

    /// As `requote_all`, where the lane's mode is not `before` any more.
    pub(super) fn requote_if_moved(
        &mut self,
        before: Mode,
        now: Nanos,
        probe: &mut impl Probe,
        outbox: &mut Outbox,
    ) {
        if self.holds.mode() != before {
            self.requote_all(now, probe, outbox);
        }
    }

    /// Decide and gate for one instrument.
    #[inline]
    pub(super) fn requote(
        &mut self,
        instrument: InstrumentId,
        now: Nanos,
        probe: &mut impl Probe,
        outbox: &mut Outbox,
    ) {
        let at = instrument.0 as usize;
        let Some(desk) = self.desks.get_mut(at) else { return };
        let own = desk.breakers.holds();
        let (told, breakers) = (std::mem::replace(&mut desk.told, own), &desk.breakers);
        let level = |cause| breakers.level_of(cause).unwrap_or_default();
        self.notices.changed(told, own, Some(instrument), now, level);
        let holds = held_back::<F>(self.holds, own);
        let mode = holds.mode();
        if desk.slots.ids().is_empty() {
            desk.mode = mode;
        }
        let desk = &self.desks[at];
        let wanted = if desk.mode != mode {
            // what another mode placed goes before anything else comes
            desk.slots.cancels(&self.ledger)
        } else if mode == Mode::Halted && holds.closes(self.plan.limits.flatten.always != 0) {
            self.closing(at, now)
        } else {
            self.quoting(at, mode, now)
        };
        probe.mark(Stage::Decide);
        if !wanted.is_empty() {
            self.gate(instrument, &wanted, now, probe, outbox);
        }
    }

    /// What brings the working orders to the strategy's quotes.
    #[inline]
    fn quoting(&mut self, at: usize, mode: Mode, now: Nanos) -> Wanted {
        let desk = &self.desks[at];
        let quotes = self.quotes(desk, mode, now);
        let style = Style {
            modify_in_place: self.config.family.is_futures(),
            reduce_only: mode == Mode::Reducing && self.config.family.is_futures(),
            epoch: self.config.epoch,
            cancels_only: now < self.paced_until,
        };
        self.counts.paced += u64::from(style.cancels_only);
        if quotes == Quotes::default() {
            return desk.slots.cancels(&self.ledger);
        }
        let instrument = desk.instrument.id;
        let parameters = self.plan.entry(instrument).map(|entry| entry.making).unwrap_or_default();
        let next_id = &mut self.next_id;
        desk.slots.intents(instrument, &quotes, &parameters, &self.ledger, style, next_id)
    }

    /// Quotes of the strategy; none while anything says that new risk is not to be taken.
    fn quotes(&self, desk: &Desk<B>, mode: Mode, now: Nanos) -> Quotes {
        let none = Quotes::default();
        if mode == Mode::Halted || !self.orders_up || !self.market_up {
            return none;
        }
        if F::has(Flaw::StaySilent) && self.counts.lives > 1 {
            return none;
        }
        let (Some(entry), Some(top)) = (self.plan.entry(desk.instrument.id), touch::<B, F>(desk))
        else {
            return none;
        };
        let stale = now.since(desk.book.updated_at()) > entry.book_age_max
            || gate::is_stale::<F>(&self.plan, now);
        if stale || top.is_crossed() {
            return none;
        }
        let Some(view) = desk.signal.view(&top, entry.making.volatility_start) else { return none };
        let Some(account) = self.ledger.account(desk.instrument.id) else { return none };
        let position = account.position();
        let quotes = making::decide(&view, &entry.making, position, entry.position_lots_max);
        match mode {
            Mode::Reducing => reducing(&quotes, account),
            _ => quotes,
        }
    }

    /// A void book: its quotes go, whatever the strategy thinks.
    pub(super) fn abandon(
        &mut self,
        instrument: InstrumentId,
        now: Nanos,
        probe: &mut impl Probe,
        outbox: &mut Outbox,
    ) {
        let Some(desk) = self.desks.get_mut(instrument.0 as usize) else { return };
        desk.signal.interrupt();
        let wanted = desk.slots.cancels(&self.ledger);
        probe.mark(Stage::Decide);
        self.gate(instrument, &wanted, now, probe, outbox);
    }

    fn gate(
        &mut self,
        instrument: InstrumentId,
        wanted: &Wanted,
        now: Nanos,
        probe: &mut impl Probe,
        outbox: &mut Outbox,
    ) {
        // Nothing can leave: asking the gate at every tick would only count the outage.
        if !self.orders_up || now < self.muted_until {
            return;
        }
        for (intent, slot) in wanted.iter() {
            let verdict = self.ask(instrument, &intent, slot, now, probe, outbox);
            // An order that may not be changed may not stay either: its price is not wanted any more.
            if intent.action == OrderAction::Replace
                && is_of_risk(verdict)
                && let Some(order) = self.ledger.order(intent.replaces).copied()
            {
                self.ask(instrument, &cancel(&order), slot, now, probe, outbox);
            }
        }
    }

    /// One question, and what follows from its answer.
    fn ask(
        &mut self,
        instrument: InstrumentId,
        intent: &Intent,
        slot: usize,
        now: Nanos,
        probe: &mut impl Probe,
        outbox: &mut Outbox,
    ) -> Verdict {
        let mut verdict = self.judge(instrument, intent, now, outbox);
        probe.mark(Stage::Gate);
        if verdict == Verdict::OrderRate {
            self.paced_until = self.paced_until.max(self.rate.room_at(Use::Order));
        }
        if outbox.keeps_judgements() {
            outbox.judged(self.judgement(instrument, intent, slot, verdict, now));
        }
        if verdict.passes() {
            verdict = self.commit(intent, slot, now, outbox);
            probe.mark(Stage::Commit);
        }
        self.verdicts[verdict as usize] += 1;
        if self.holds.mode() == Mode::Halted && intent.action == OrderAction::Place {
            self.notices.closing(instrument, verdict, now);
        }
        verdict
    }

    fn judgement(
        &self,
        instrument: InstrumentId,
        intent: &Intent,
        slot: usize,
        verdict: Verdict,
        at: Nanos,
    ) -> Judgement {
        let book = self.desks.get(instrument.0 as usize).map(|desk| &desk.book);
        let top = book.and_then(SyncedBook::top).unwrap_or_default();
        Judgement {
            intent: *intent,
            verdict,
            level: (slot % making::LEVELS_MAX) as u8,
            plan: self.plan.version,
            bid: top.bid,
            ask: top.ask,
            book_at: book.map(SyncedBook::updated_at).unwrap_or_default(),
            at,
        }
    }

    fn judge(
        &self,
        instrument: InstrumentId,
        intent: &Intent,
        now: Nanos,
        outbox: &Outbox,
    ) -> Verdict {
        let Some(desk) = self.desks.get(instrument.0 as usize) else { return Verdict::NotInPlan };
        if outbox.is_full() {
            return Verdict::QueueFull;
        }
        let holds = held_back::<F>(self.holds, desk.breakers.holds());
        let view = GateView {
            holds,
            closes: holds.closes(self.plan.limits.flatten.always != 0),
            may_try: self.breakers.may_try(&self.plan.breakers),
            connected: self.orders_up,
            plan: &self.plan,
            entry: self.plan.entry(instrument),
            ledger: &self.ledger,
            exposures: &self.exposures,
            instrument: &desk.instrument,
            trades: &desk.trades,
            top: touch::<B, F>(desk),
            book_at: desk.book.updated_at(),
            own: desk.slots.ids(),
            rate: &self.rate,
            now,
        };
        gate::check_as::<F>(intent, &view)
    }

    /// An intent that passed: booked before it leaves, so that its report always finds it.
    /// Where the ledger has no place for it, it is refused after all.
    fn commit(&mut self, intent: &Intent, slot: usize, now: Nanos, outbox: &mut Outbox) -> Verdict {
        let level = (slot % making::LEVELS_MAX) as u8;
        match intent.action {
            OrderAction::Cancel => self.ledger.cancel_sent(intent.order),
            OrderAction::Replace if intent.order == intent.replaces => {
                self.ledger.modify_sent(intent);
            }
            OrderAction::Place | OrderAction::Replace => {
                if self.ledger.place(intent, level, now).is_err() {
                    outbox.overrule(Verdict::OpenOrders);
                    return Verdict::OpenOrders;
                }
                if intent.action == OrderAction::Replace {
                    self.ledger.cancel_sent(intent.replaces);
                }
                if let Some(desk) = self.desks.get_mut(intent.instrument.0 as usize) {
                    desk.slots.put(slot, intent.order);
                }
            }
            OrderAction::CancelAll => {}
        }
        if matches!(intent.action, OrderAction::Place | OrderAction::Replace) {
            self.breakers.on_order(now);
            if let Some(account) = self.ledger.account(intent.instrument) {
                self.exposures.update(intent.instrument.0 as usize, account);
            }
        }
        if !F::has(Flaw::NeverCountOrders) {
            self.rate.sent(intent.action, now);
        }
        self.counts.requests += 1;
        hash_intent(&mut self.orders_hash, intent);
        outbox.pass(intent);
        Verdict::Pass
    }
}

/// What holds an instrument back: the lane's standing and its own.
#[inline]
fn held_back<F: Flaws>(lane: Holds, own: Holds) -> Holds {
    if F::has(Flaw::TradeWhileHalted) { Holds::NONE } else { lane.union(own) }
}

/// Best bid and ask that may be quoted on.
#[inline]
fn touch<B: Book, F: Flaws>(desk: &Desk<B>) -> Option<Top> {
    let top = desk.book.top();
    if F::has(Flaw::AcceptCrossedBook) {
        // which is the bid is what the higher price says no more
        return top
            .map(|top| if top.is_crossed() { Top { bid: top.ask, ask: top.bid } } else { top });
    }
    top
}

/// Quotes that can only bring the position nearer to zero: one side of it, no larger than it is, and
/// none while more than that works already.
fn reducing(quotes: &Quotes, account: &Account) -> Quotes {
    let position = account.position();
    let side = if position.0 > 0 { Side::Sell } else { Side::Buy };
    let mut left = position.abs();
    let mut reduced = Quotes::default();
    if account.working(side) > left {
        return reduced;
    }
    let (from, to) = match side {
        Side::Buy => (&quotes.bids, &mut reduced.bids),
        Side::Sell => (&quotes.asks, &mut reduced.asks),
    };
    for (from, to) in from.iter().zip(to) {
        let Some(quote) = from.filter(|_| left > Lots(0)) else { continue };
        let lots = quote.lots.min(left);
        left = left.minus(lots);
        *to = Some(Level { lots, ..quote });
    }
    reduced
}

/// Whether the gate refuses because of what the order would do, not because of what is on its way.
const fn is_of_risk(verdict: Verdict) -> bool {
    !matches!(
        verdict,
        Verdict::Pass
            | Verdict::OrderRate
            | Verdict::CancelPending
            | Verdict::UnknownOrder
            | Verdict::NotConnected
            | Verdict::QueueFull
            | Verdict::Duplicate
            | Verdict::SelfTrade
    )
}

fn hash_intent(hash: &mut StateHash, intent: &Intent) {
    hash.word(intent.order.0);
    hash.word(intent.replaces.0);
    hash.word(u64::from(intent.instrument.0));
    let codes = [
        intent.action as u64,
        intent.side as u64,
        intent.order_type as u64,
        intent.time_in_force as u64,
        u64::from(intent.reduce_only),
    ];
    hash.word(codes.iter().fold(0, |word, code| word << 8 | code));
    hash.word(intent.price.0 as u64);
    hash.word(intent.lots.0 as u64);
}
