//! The second half of a lane's step: wanted quotes to intents, intents to verdicts, and what passed is
//! booked before it leaves.
//!
//! Deliberately absent: what led here (`lane`), what is wanted (`strategy`), what is allowed (`gate`).

use super::book::SyncedBook;
use super::decide::{Style, Wanted};
use super::gate::{self, GateView};
use super::lane::{Desk, Lane};
use super::outbox::Outbox;
use crate::host::probe::{Probe, Stage};
use crate::ledger::StateHash;
use crate::market::book::Book;
use crate::record::{Intent, Judgement, Mode, OrderAction, Verdict};
use crate::strategy::making::{self, Quotes};
use crate::units::{InstrumentId, Nanos};

impl<B: Book> Lane<B> {
    pub(super) fn requote_all(&mut self, now: Nanos, probe: &mut impl Probe, outbox: &mut Outbox) {
        for at in 0..self.desks.len() {
            self.requote(self.desks[at].instrument.id, now, probe, outbox);
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
        let Some(desk) = self.desks.get(instrument.0 as usize) else { return };
        let quotes = self.quotes(desk, now);
        let parameters = self.plan.entry(instrument).map(|entry| entry.making).unwrap_or_default();
        let style = Style {
            modify_in_place: self.config.family.is_futures(),
            epoch: self.config.epoch,
            cancels_only: now < self.paced_until,
        };
        self.counts.paced += u64::from(style.cancels_only);
        let wanted = if quotes == Quotes::default() {
            desk.slots.cancels(&self.ledger)
        } else {
            let next_id = &mut self.next_id;
            desk.slots.intents(instrument, &quotes, &parameters, &self.ledger, style, next_id)
        };
        probe.mark(Stage::Decide);
        if !wanted.is_empty() {
            self.gate(instrument, &wanted, now, probe, outbox);
        }
    }

    /// Quotes of the strategy; none while anything says that new risk is not to be taken.
    fn quotes(&self, desk: &Desk<B>, now: Nanos) -> Quotes {
        let none = Quotes::default();
        if self.holds.mode() == Mode::Halted || !self.orders_up || !self.market_up {
            return none;
        }
        let (Some(entry), Some(top)) = (self.plan.entry(desk.instrument.id), desk.book.top())
        else {
            return none;
        };
        let stale = now.since(desk.book.updated_at()) > entry.book_age_max
            || now.since(self.plan.adopted_at) > self.plan.limits.plan_age_max;
        if stale || top.is_crossed() {
            return none;
        }
        let Some(view) = desk.signal.view(&top, entry.making.volatility_start) else { return none };
        let position =
            self.ledger.account(desk.instrument.id).map(|a| a.position()).unwrap_or_default();
        let mut quotes = making::decide(&view, &entry.making, position, entry.position_lots_max);
        if self.holds.mode() == Mode::Reducing {
            if position.0 >= 0 {
                quotes.bids = none.bids;
            }
            if position.0 <= 0 {
                quotes.asks = none.asks;
            }
        }
        quotes
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
            let mut verdict = self.judge(instrument, &intent, now, outbox);
            probe.mark(Stage::Gate);
            if verdict == Verdict::OrderRate {
                self.paced_until = self.rate.room_at(&self.plan.limits);
            }
            if outbox.keeps_judgements() {
                outbox.judged(self.judgement(instrument, &intent, slot, verdict, now));
            }
            if verdict.passes() {
                verdict = self.commit(&intent, slot, now, outbox);
                probe.mark(Stage::Commit);
            }
            self.verdicts[verdict as usize] += 1;
        }
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
        let view = GateView {
            mode: self.holds.mode(),
            connected: self.orders_up,
            plan: &self.plan,
            ledger: &self.ledger,
            instrument: &desk.instrument,
            top: desk.book.top(),
            book_at: desk.book.updated_at(),
            own: desk.slots.ids(),
            rate: &self.rate,
            now,
        };
        gate::check(intent, &view)
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
        self.rate.sent(intent.action, now);
        self.counts.requests += 1;
        hash_intent(&mut self.orders_hash, intent);
        outbox.pass(intent);
        Verdict::Pass
    }
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
