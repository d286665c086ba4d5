//! What a lane tells whoever drives it, for the report: how its standing changed, and why.
//!
//! Bounded and outside the state: a notice that nobody takes is overwritten by nothing and changes
//! nothing. Deliberately absent: words (`drive` and the report make them).

use super::sound::PlanFault;
use super::state::Holds;
use crate::record::{Cause, Command, PLAN_INSTRUMENTS_MAX, Source, Verdict};
use crate::units::{InstrumentId, Nanos};

/// Notices that wait to be taken: more than one input can lead to.
const NOTICES_MAX: usize = 128;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A cause holds the lane, or one instrument of it, back from now on; the level that a breaker
    /// measured, or the equity in minor units that a loss left.
    Held(Cause, Option<InstrumentId>, i64),
    /// It does no more.
    Lifted(Cause, Option<InstrumentId>),
    /// The limit that an exposure was found above.
    Exposed(Verdict),
    /// A command that its source may not give.
    CommandRefused(Command, Source),
    /// A plan that cannot be lived by.
    PlanRefused(PlanFault),
    /// An order that closes a position left; or what refused to let it.
    Closing(InstrumentId, Verdict),
}

/// What happened, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Receive time of the input.
    pub at: Nanos,
    /// What.
    pub what: What,
}

/// Notices in order; beyond the bound they are counted only.
#[derive(Clone, Debug)]
pub struct Notices {
    waiting: Vec<Notice>,
    dropped: u64,
    /// What refused the last closing order of an instrument, told already.
    refused: [Option<Verdict>; PLAN_INSTRUMENTS_MAX],
}

impl Notices {
    /// None, with room for all of an input.
    #[must_use]
    pub fn new() -> Notices {
        Notices {
            waiting: Vec::with_capacity(NOTICES_MAX),
            dropped: 0,
            refused: [None; PLAN_INSTRUMENTS_MAX],
        }
    }

    /// Whether somebody should look.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds one.
    pub fn push(&mut self, notice: Notice) {
        if self.waiting.len() < NOTICES_MAX {
            self.waiting.push(notice);
        } else {
            self.dropped += 1;
        }
    }

    /// Adds that a closing order left; that one is refused, which is tried again and again, once.
    #[cold]
    pub fn closing(&mut self, instrument: InstrumentId, verdict: Verdict, at: Nanos) {
        let Some(told) = self.refused.get_mut(instrument.0 as usize) else { return };
        let known = *told == Some(verdict);
        *told = (!verdict.passes()).then_some(verdict);
        if !known {
            self.push(Notice { at, what: What::Closing(instrument, verdict) });
        }
    }

    /// Adds what lies between two standings.
    #[inline]
    pub fn changed(
        &mut self,
        before: Holds,
        after: Holds,
        instrument: Option<InstrumentId>,
        at: Nanos,
        level: impl Fn(Cause) -> i64,
    ) {
        if before != after {
            self.add_changes(before, after, instrument, at, &level);
        }
    }

    #[cold]
    fn add_changes(
        &mut self,
        before: Holds,
        after: Holds,
        instrument: Option<InstrumentId>,
        at: Nanos,
        level: &dyn Fn(Cause) -> i64,
    ) {
        // that a lane begins and ends in order is no news
        let news = |cause: &Cause| !matches!(cause, Cause::Start | Cause::Stop);
        for cause in Cause::ALL.into_iter().filter(news) {
            let what = match (before.has(cause), after.has(cause)) {
                (false, true) => What::Held(cause, instrument, level(cause)),
                (true, false) => What::Lifted(cause, instrument),
                _ => continue,
            };
            self.push(Notice { at, what });
        }
    }

    /// Forgets what nobody took: it is of an earlier life.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.dropped = 0;
        self.refused.fill(None);
    }

    /// Hands out all of them, oldest first, and how many found no place.
    pub fn drain(&mut self) -> (impl Iterator<Item = Notice> + '_, u64) {
        let dropped = std::mem::take(&mut self.dropped);
        (self.waiting.drain(..), dropped)
    }
}

impl Default for Notices {
    fn default() -> Notices {
        Notices::new()
    }
}
