//! What a lane tells whoever drives it, for the report: how its standing changed, and why.
//!
//! Bounded and outside the state: a notice that nobody takes is overwritten by nothing and changes
//! nothing. Deliberately absent: words (`drive` and the report make them).

use super::sound::PlanFault;
use super::state::Holds;
use crate::record::{Cause, Command, Source, Verdict};
use crate::units::{InstrumentId, Nanos};

/// Notices that wait to be taken: more than one input can lead to.
const NOTICES_MAX: usize = 128;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A cause holds the lane, or one instrument of it, back from now on.
    Held(Cause, Option<InstrumentId>),
    /// It does no more.
    Lifted(Cause, Option<InstrumentId>),
    /// The limit that an exposure was found above.
    Exposed(Verdict),
    /// A command that its source may not give.
    CommandRefused(Command, Source),
    /// A plan that cannot be lived by.
    PlanRefused(PlanFault),
    /// An order left that closes a position.
    Closing(InstrumentId),
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
}

impl Notices {
    /// None, with room for all of an input.
    #[must_use]
    pub fn new() -> Notices {
        Notices { waiting: Vec::with_capacity(NOTICES_MAX), dropped: 0 }
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

    /// Adds what lies between two standings.
    #[inline]
    pub fn changed(
        &mut self,
        before: Holds,
        after: Holds,
        instrument: Option<InstrumentId>,
        at: Nanos,
    ) {
        if before != after {
            self.add_changes(before, after, instrument, at);
        }
    }

    #[cold]
    fn add_changes(
        &mut self,
        before: Holds,
        after: Holds,
        instrument: Option<InstrumentId>,
        at: Nanos,
    ) {
        for cause in Cause::ALL {
            let what = match (before.has(cause), after.has(cause)) {
                (false, true) => What::Held(cause, instrument),
                (true, false) => What::Lifted(cause, instrument),
                _ => continue,
            };
            self.push(Notice { at, what });
        }
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
