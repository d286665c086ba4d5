//! What the world brings before its judge, and when: the engine's books against the venue's once every
//! fault is a while over, its state against replays of its journal, its end.
//!
//! Deliberately absent: what must hold (`judge`, `limits`).

use super::faults::CALM;
use super::judge::Invariant;
use super::world::{ACCOUNT, World};
use crate::hot::flaws::Flaws;
use crate::hot::lane::Lane;
use crate::lab::stream::{self, From};
use crate::units::Nanos;

/// After the last fault is over, the engine's books may differ for so long.
const SETTLING: Nanos = Nanos(40 * 1_000_000_000);
/// The longest window of a rate.
const RATES_SETTLING: Nanos = Nanos(60 * 1_000_000_000);

impl<F: Flaws> World<F> {
    /// Compares books once every fault has been over for a while.
    pub(super) fn compare(&mut self, now: Nanos) {
        let Some(engine) = &self.engine else { return };
        self.judge.check_tables(engine.driver());
        for of in &self.scenario.instruments {
            if let Some(theirs) = self.venue.book(of.id) {
                self.judge.compare_book(engine.lane(), &theirs);
            }
        }
        if now < self.over_at.plus(SETTLING) || self.stopping.is_some() {
            return;
        }
        self.judge.compare(engine.lane().ledger());
        self.judge.check_alive(engine.lane());
        // what was sent before a boot counts as sent at its beginning
        if now >= self.booted_at.plus(RATES_SETTLING) {
            self.judge.check_quoting(engine.lane());
        }
        let held = self.venue.holdings(ACCOUNT);
        if self.start.is_empty() {
            self.start = self.judge.start_of(&held);
        }
        self.judge.check_money(&self.start, &held);
        debug_assert!(SETTLING < CALM, "Invariant: a calm outlasts the settling");
    }

    /// What a start made of snapshot and log must be what the whole log says. (The life that starts has
    /// added its beginning by now, which changes no lane.)
    pub(super) fn check_recovered(&mut self, hash: Option<u64>) {
        match stream::recover_as::<F>(&mut self.disk.clone(), From::Beginning, None) {
            Ok(all) => {
                let whole = all.replica.lane().map(Lane::state_hash);
                if whole != hash {
                    let words = format!("the start found {hash:x?}, the whole log says {whole:x?}");
                    self.judge.breach(Invariant::Replay, words);
                }
            }
            // Rot that the snapshot stands before: the start did not need it, and need not see it.
            Err(_) if self.disk.restore() => self.check_recovered(hash),
            Err(error) => self.judge.breach(Invariant::Replay, error.to_string()),
        }
    }

    /// A replay of the journal must come to the lane's state.
    pub(super) fn check_replay(&mut self, hash: u64, sequence: u64) {
        match stream::recover_as::<F>(&mut self.disk.clone(), From::Beginning, None) {
            Ok(left) => {
                let found = left.replica.lane().map(|lane| (lane.state_hash(), lane.sequence()));
                if found != Some((hash, sequence)) {
                    let words = format!("lane {hash:016x} at {sequence}, replay {found:x?}");
                    self.judge.breach(Invariant::Replay, words);
                }
            }
            Err(_) if self.disk.restore() => self.check_replay(hash, sequence),
            Err(error) => self.judge.breach(Invariant::Replay, error.to_string()),
        }
    }

    pub(super) fn check_end(&mut self) {
        if self.engine.is_some() {
            let words = "the lane was told to stop and has not ended".to_owned();
            self.judge.breach(Invariant::Alive, words);
        }
        for of in &self.scenario.instruments {
            let (venue, judge) = (self.venue.position(ACCOUNT, of.id), self.judge.position(of.id));
            if venue != judge {
                let words =
                    format!("{}: the exchange has {venue:?}, the judge {judge:?}", of.symbol);
                self.judge.breach(Invariant::Money, words);
            }
        }
    }
}
