//! A lane as bytes, as a hash and as a report: everything about its state but how it changes (`lane`).
//!
//! Invariant: what `walk` leaves out, a lane brought back has not; the state hash tells the difference.

use super::breaker::BreakerState;
use super::flaws::Flaws;
use super::lane::Lane;
use super::report::{BreakerReport, LaneReport, RiskReport, Standing};
use super::sound;
use crate::ledger::StateHash;
use crate::market::book::Book;
use crate::record::{BreakerKind, Cause, Digest, Mode, Tape};

impl<B: Book, F: Flaws> Lane<B, F> {
    /// Hash of the whole state.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        let mut hash = StateHash::default();
        hash.word(u64::from(self.config.lane.0));
        hash.word(
            u64::from(self.holds.bits())
                | u64::from(self.market_up) << 32
                | u64::from(self.orders_up) << 33,
        );
        hash.word(self.plan.version);
        hash.word(u64::from(self.config.epoch));
        hash.word(self.next_id);
        hash.word(self.latest.0);
        hash.word(self.paced_until.0);
        hash.word(self.muted_until.0);
        hash.word(self.sequence);
        hash.word(self.orders_hash.finish());
        for desk in &self.desks {
            hash.word(u64::from(desk.book.is_synchronised()));
            hash.word(desk.book.book().content_hash());
            desk.signal.bits().into_iter().for_each(|bits| hash.word(bits));
            desk.slots.ids().iter().for_each(|id| hash.word(id.0));
            desk.trades.mix_into(&mut hash);
            desk.breakers.mix_into(&mut hash);
            hash.word(desk.mode as u64);
            hash.word(desk.closed_at.0);
        }
        self.exposures.marks().for_each(|mark| hash.word(mark.0 as u64));
        self.losses.mix_into(&mut hash);
        self.breakers.mix_into(&mut hash);
        hash.word(self.exposed_at.0);
        hash.word(self.wall_at_zero.0);
        hash.word(self.accounted_at.0);
        self.verdicts.iter().for_each(|count| hash.word(*count));
        self.ledger.mix_into(&mut hash);
        hash.finish()
    }

    /// Saves the lane or brings it back; its venue and instruments are the same.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("lane");
        tape.pod(&mut self.config.epoch);
        self.holds.walk(tape);
        for flag in [&mut self.market_up, &mut self.orders_up, &mut self.gapped] {
            tape.flag(flag);
        }
        let times =
            [&mut self.paced_until, &mut self.muted_until, &mut self.latest, &mut self.exposed_at];
        times.into_iter().for_each(|time| tape.pod(time));
        tape.pod(&mut self.wall_at_zero);
        tape.pod(&mut self.accounted_at);
        tape.pods(&mut self.missing);
        tape.pod(&mut self.next_id);
        tape.pod(&mut self.sequence);
        self.orders_hash.walk(tape);
        tape.pods(&mut self.verdicts);
        self.counts.walk(tape);
        tape.pod(&mut *self.plan);
        self.rate.walk(tape);
        self.ledger.walk(tape);
        for desk in &mut self.desks {
            desk.book.walk(tape);
            desk.signal.walk(tape);
            desk.slots.walk(tape);
            desk.trades.walk(tape);
            desk.breakers.walk(tape);
            tape.code(&mut desk.mode, &Mode::ALL);
            tape.pod(&mut desk.closed_at);
            desk.told = desk.breakers.holds();
        }
        self.losses.walk(tape);
        self.breakers.walk(tape);
        self.exposures.walk(tape);
        if tape.is_loading() && !tape.has_failed() {
            self.revalue(tape);
        }
    }

    /// What follows from the ledger, the marks and the plan.
    fn revalue(&mut self, tape: &mut Tape<'_>) {
        if self.plan.version > 0 && sound::check(&self.plan, self.config.lane).is_err() {
            return tape.refuse(self.plan.version);
        }
        let instruments = self.desks.iter().map(|desk| &desk.instrument);
        self.exposures.adopt(&self.plan, instruments, &self.ledger);
        self.rate.adopt(&self.plan.limits);
    }

    /// The hashes after the last input.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest {
            input: self.sequence,
            state_hash: self.state_hash(),
            orders_hash: self.orders_hash.finish(),
        }
    }

    /// Takes over what another lane left, of which the first `kept` instruments are the same; the others
    /// are flat and have no order.
    pub fn take_over(&mut self, before: &Lane<B, F>, kept: usize) {
        self.ledger.take_over(&before.ledger, kept);
        self.sequence = before.sequence;
        (self.latest, self.wall_at_zero) = (before.latest, before.wall_at_zero);
        self.accounted_at = before.accounted_at;
        (self.muted_until, self.paced_until) = (before.muted_until, before.paced_until);
        self.holds = before.holds;
        self.breakers = before.breakers.clone();
        self.rate = before.rate.clone();
        for (desk, old) in self.desks.iter_mut().zip(&before.desks).take(kept) {
            desk.breakers = old.breakers;
        }
        self.losses = before.losses;
        for (at, mark) in before.exposures.marks().take(kept).enumerate() {
            self.exposures.mark(at, mark);
        }
        self.orders_hash = before.orders_hash;
        self.counts = before.counts;
        self.verdicts = before.verdicts;
    }

    /// What happened so far.
    #[must_use]
    pub fn report(&self) -> LaneReport {
        let books = self.desks.iter().map(|desk| (&desk.instrument, &desk.book));
        LaneReport::of(&self.ledger, books, &self.counts, self.standing(), &self.verdicts)
    }

    fn standing(&self) -> Standing {
        let (equity, totals) = (self.exposures.equity(), self.exposures.totals());
        let breakers =
            BreakerKind::ALL.into_iter().map(|kind| (kind.name(), self.breakers_of(kind)));
        Standing {
            mode: self.mode().name(),
            held_by: self.holds.union(self.instrument_holds()).causes().map(Cause::name).collect(),
            risk: RiskReport {
                currency: self.plan.limits.currency.to_string(),
                equity: equity.to_string(),
                gross: totals.gross.to_string(),
                net: totals.reach.map(|net| net.to_string()),
                loss_of_day: self.losses.of_day(equity).to_string(),
                drawdown: self.losses.from_peak(equity).to_string(),
            },
            breakers: breakers.collect(),
        }
    }

    /// A breaker of the lane, or those of all its instruments.
    fn breakers_of(&self, kind: BreakerKind) -> BreakerReport {
        let own = self.breakers.of(kind).into_iter();
        let all = own.chain(self.desks.iter().filter_map(|desk| desk.breakers.of(kind)));
        let (mut trips, mut worst) = (0, BreakerState::Closed);
        for breaker in all {
            trips += breaker.trips();
            worst = worst.worse(breaker.state());
        }
        BreakerReport { trips, state: worst.name() }
    }
}
