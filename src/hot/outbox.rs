//! What one step of a lane lets out: intents that passed, and what the gate said of each question.
//!
//! Bounded and allocated at start. Deliberately absent: bytes (`pipeline` encodes).

use super::decide::SLOTS;
use crate::record::{Intent, Judgement, PLAN_INSTRUMENTS_MAX, Verdict};

/// Intents one step can let pass: every slot of every instrument once, strays included.
pub const OUTBOX_MAX: usize = 2 * SLOTS * PLAN_INSTRUMENTS_MAX;

/// Questions one step can put: each slot's change may be refused, and then its cancel is asked for.
pub const JUDGEMENTS_MAX: usize = OUTBOX_MAX + SLOTS * PLAN_INSTRUMENTS_MAX;

/// Intents that passed, in the order they must leave.
#[derive(Clone, Debug)]
pub struct Outbox {
    intents: Vec<Intent>,
    /// What the gate said of every intent, where somebody listens.
    judgements: Vec<Judgement>,
    keeps_judgements: bool,
}

impl Outbox {
    /// An empty outbox that never grows.
    #[must_use]
    pub fn new() -> Outbox {
        Outbox {
            intents: Vec::with_capacity(OUTBOX_MAX),
            judgements: Vec::new(),
            keeps_judgements: false,
        }
    }

    /// Whether judgements are kept for a recorder.
    pub fn keep_judgements(&mut self, keep: bool) {
        self.keeps_judgements = keep;
        self.judgements.reserve_exact(if keep { JUDGEMENTS_MAX } else { 0 });
    }

    /// Whether somebody wants to know what the gate said.
    #[inline]
    #[must_use]
    pub fn keeps_judgements(&self) -> bool {
        self.keeps_judgements
    }

    /// Adds what the gate said.
    pub fn judged(&mut self, judgement: Judgement) {
        debug_assert!(self.judgements.len() < JUDGEMENTS_MAX, "Invariant: two questions per slot");
        self.judgements.push(judgement);
    }

    /// The last intent that passed was refused after all.
    pub fn overrule(&mut self, verdict: Verdict) {
        if let Some(judged) = self.judgements.last_mut() {
            judged.verdict = verdict;
        }
    }

    /// Adds an intent that may leave.
    #[inline]
    pub fn pass(&mut self, intent: &Intent) {
        self.intents.push(*intent);
    }

    /// What the gate said, in order.
    #[must_use]
    pub fn judgements(&self) -> &[Judgement] {
        &self.judgements
    }

    /// What may leave.
    #[must_use]
    pub fn intents(&self) -> &[Intent] {
        &self.intents
    }

    /// Empties it once everything has left.
    pub fn clear(&mut self) {
        self.intents.clear();
        self.judgements.clear();
    }

    /// Whether a further intent would find no room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.intents.len() == OUTBOX_MAX
    }
}

impl Default for Outbox {
    fn default() -> Outbox {
        Outbox::new()
    }
}
