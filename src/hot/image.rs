//! A lane as bytes, as a hash and as a report: everything about its state but how it changes (`lane`).
//!
//! Invariant: what `walk` leaves out, a lane brought back has not; the state hash tells the difference.

use super::lane::Lane;
use super::report::LaneReport;
use crate::ledger::StateHash;
use crate::market::book::Book;
use crate::record::{Digest, Tape};

impl<B: Book> Lane<B> {
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
        }
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
        for time in [&mut self.paced_until, &mut self.muted_until, &mut self.latest] {
            tape.pod(time);
        }
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
        }
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
    pub fn take_over(&mut self, before: &Lane<B>, kept: usize) {
        self.ledger.take_over(&before.ledger, kept);
        self.sequence = before.sequence;
        self.latest = before.latest;
        self.muted_until = before.muted_until;
        self.orders_hash = before.orders_hash;
        self.counts = before.counts;
        self.verdicts = before.verdicts;
    }

    /// What happened so far.
    #[must_use]
    pub fn report(&self) -> LaneReport {
        let books = self.desks.iter().map(|desk| (&desk.instrument, &desk.book));
        LaneReport::of(&self.ledger, books, &self.counts, &self.verdicts)
    }
}
