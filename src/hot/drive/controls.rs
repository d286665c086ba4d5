//! What other threads share with a running lane: commands to it, and figures of it.

use crate::hot::guard::Pulse;
use crate::hot::state::Holds;
use crate::record::{Command, Mode, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

/// What other threads share with a lane.
#[derive(Debug, Default)]
pub struct Controls {
    /// Set to end the lane: it halts, cancels, and returns its report.
    pub stop: AtomicBool,
    /// What is asked, a bit each, so that no command overwrites another.
    asked: AtomicU32,
    /// Watched by the guard.
    pub pulse: Arc<Pulse>,
    /// For the status line, and for whoever commands.
    pub status: Status,
}

/// Figures of a running lane, each on its own.
#[derive(Debug, Default)]
pub struct Status {
    /// Market frames.
    pub frames: AtomicU64,
    /// Requests that left.
    pub requests: AtomicU64,
    /// Orders filled to the last lot.
    pub filled: AtomicU64,
    /// Orders that may still fill.
    pub working: AtomicU64,
    /// Whether both links are up.
    pub trading: AtomicBool,
    /// Whether it waits for room in a rate.
    pub paced: AtomicBool,
    /// What holds the lane back, as `Holds` has it.
    holds: AtomicU32,
    /// The same of its instruments: breakers.
    instrument_holds: AtomicU32,
    /// How often it has told.
    told: AtomicU64,
    /// Equity in minor units, cut to 64 bits.
    pub equity: AtomicI64,
}

const SOURCES_MAX: u32 = 8;
const _: () = assert!(Source::ALL.len() as u32 <= SOURCES_MAX);
const _: () = assert!(Command::ALL.len() as u32 * SOURCES_MAX <= u32::BITS);

const fn bit(command: Command, source: Source) -> u32 {
    1 << (command as u32 * SOURCES_MAX + source as u32)
}

impl Controls {
    /// Asks; the lane obeys at its next timer, within some ten milliseconds.
    pub fn ask(&self, command: Command, source: Source) {
        self.asked.fetch_or(bit(command, source), Ordering::AcqRel);
    }

    /// Whether the lane has yet to take what was asked.
    #[must_use]
    pub fn is_asked(&self, command: Command, source: Source) -> bool {
        self.asked.load(Ordering::Acquire) & bit(command, source) != 0
    }

    /// Takes everything that is asked, mildest first: what came at once ends with the strictest.
    pub fn take(&self) -> impl Iterator<Item = (Command, Source)> {
        let asked = self.asked.swap(0, Ordering::AcqRel);
        let each = |command| Source::ALL.into_iter().map(move |source| (command, source));
        let all = Command::ALL.into_iter().flat_map(each);
        all.filter(move |(command, source)| asked & bit(*command, *source) != 0)
    }
}

impl Status {
    /// The lane tells how it stands: the whole of it, and its instruments.
    pub fn tell(&self, holds: Holds, of_instruments: Holds) {
        self.holds.store(holds.bits(), Ordering::Relaxed);
        self.instrument_holds.store(of_instruments.bits(), Ordering::Relaxed);
        self.told.fetch_add(1, Ordering::Release);
    }

    /// How often the lane has told how it stands.
    #[must_use]
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// How the lane stood when it last told; halted until it does.
    #[must_use]
    pub fn holds(&self) -> Holds {
        if self.told() == 0 {
            return Holds::START;
        }
        Holds::from_bits(self.holds.load(Ordering::Relaxed))
    }

    /// What held at least one of its instruments back.
    #[must_use]
    pub fn instrument_holds(&self) -> Holds {
        Holds::from_bits(self.instrument_holds.load(Ordering::Relaxed))
    }

    /// Its mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.holds().mode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_overwrites_another_and_the_strictest_comes_last() {
        let controls = Controls::default();
        controls.ask(Command::Halt, Source::File);
        controls.ask(Command::Activate, Source::Operator);
        controls.ask(Command::Halt, Source::Signal);
        controls.ask(Command::Halt, Source::File);
        let taken: Vec<_> = controls.take().collect();
        assert_eq!(
            taken,
            [
                (Command::Activate, Source::Operator),
                (Command::Halt, Source::Signal),
                (Command::Halt, Source::File)
            ]
        );
        assert_eq!(controls.take().count(), 0);
        controls.ask(Command::Reduce, Source::Signal);
        assert!(controls.is_asked(Command::Reduce, Source::Signal));
        assert!(!controls.is_asked(Command::Reduce, Source::Operator));
        let _ = controls.take().count();
        assert!(!controls.is_asked(Command::Reduce, Source::Signal));
    }

    #[test]
    fn a_lane_that_has_not_spoken_counts_as_halted() {
        let status = Status::default();
        assert_eq!(status.mode(), Mode::Halted);
        status.tell(Holds::NONE, Holds::NONE);
        assert_eq!((status.mode(), status.told()), (Mode::Active, 1));
    }
}
