//! How a lane stands: the causes that hold it back, and who may set and lift each, in one function.
//!
//! | cause | mode | set by | lifted by |
//! | --- | --- | --- | --- |
//! | start | halted | a life | the program, once the lane has recovered |
//! | stop | halted | the program | the next life |
//! | operator_reduce | reducing | an operator | an operator's activate |
//! | operator_halt | halted | an operator | an operator |
//! | signal_reduce | reducing | a signal | an operator's activate |
//! | signal_halt | halted | a signal | an operator |
//! | kill_file | halted | the file | an operator (again at once while the file stands) |
//! | guard | halted | the guard | an operator |
//! | journal | halted | the journal | an operator's activate; the next life, whose journal works |
//! | daily_loss | reducing | the lane | the lane, at the next UTC day |
//! | weekly_loss | reducing | the lane | an operator's activate |
//! | monthly_loss, drawdown | halted | the lane | an operator's activate |
//! | exposure | reducing | the lane | the lane, back under the limit |
//! | volatility, spread, latency, internal_latency, stale_data | reducing | the lane | the lane, after the cool-down |
//! | rejects | halted | the lane | the lane, after the cool-down |
//!
//! The mode is the strictest of all that hold. An operator's `reduce` also turns the halts that a
//! command made into reducing; nobody but a person lifts what a person, a signal, a file, the guard or
//! a loss has set. What is not in the table is refused and changes nothing.

use crate::record::{Cause, Command, Mode, Source, Tape, Verdict};

/// The causes that hold a lane (or one instrument of it) back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds(u32);

/// What can happen to a lane's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateEvent {
    /// A life begins.
    Life,
    /// Someone asks.
    Asked(Command, Source),
    /// The lane itself finds that a limit is reached or a breaker opens.
    Raised(Cause),
    /// The lane itself finds that it is over.
    Ended(Cause),
}

/// A move that is not in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} is not allowed while held by {holds:?}")]
pub struct BadMove {
    /// Before.
    pub holds: Holds,
    /// The event.
    pub event: StateEvent,
}

/// Not a cause: positions are to be closed while the lane is halted.
const FLATTEN: Holds = Holds(1 << 31);

/// Halts that commands make; an operator may turn them into reducing.
const COMMANDED_HALTS: Holds =
    set(&[Cause::OperatorHalt, Cause::SignalHalt, Cause::KillFile, Cause::Guard]);
/// What an operator's activate lifts.
const PERSONS: Holds = COMMANDED_HALTS.union(set(&[
    Cause::OperatorReduce,
    Cause::SignalReduce,
    Cause::Journal,
    Cause::WeeklyLoss,
    Cause::MonthlyLoss,
    Cause::Drawdown,
]));
/// What the lane raises and ends by itself.
const OWN: Holds = BREAKERS.union(set(&[Cause::DailyLoss, Cause::Exposure]));
/// What the lane raises.
const RAISED: Holds = OWN.union(set(&[Cause::WeeklyLoss, Cause::MonthlyLoss, Cause::Drawdown]));
const BREAKERS: Holds = set(&[
    Cause::Volatility,
    Cause::Spread,
    Cause::Latency,
    Cause::InternalLatency,
    Cause::Rejects,
    Cause::StaleData,
]);
const LOSSES: Holds =
    set(&[Cause::DailyLoss, Cause::WeeklyLoss, Cause::MonthlyLoss, Cause::Drawdown]);
const HALTING: Holds = COMMANDED_HALTS.union(set(&[
    Cause::Start,
    Cause::Stop,
    Cause::Journal,
    Cause::MonthlyLoss,
    Cause::Drawdown,
    Cause::Rejects,
]));
/// Halts after which positions may be closed: whoever halted is there to look, or meant it.
const CLOSING: Holds = set(&[
    Cause::OperatorHalt,
    Cause::SignalHalt,
    Cause::KillFile,
    Cause::MonthlyLoss,
    Cause::Drawdown,
]);

const fn set(causes: &[Cause]) -> Holds {
    let (mut holds, mut at) = (Holds(0), 0);
    while at < causes.len() {
        holds = holds.with(causes[at]);
        at += 1;
    }
    holds
}

impl Holds {
    /// Nothing holds.
    pub const NONE: Holds = Holds(0);
    /// A lane before its first life.
    pub const START: Holds = set(&[Cause::Start]);

    /// These and one more.
    #[must_use]
    pub const fn with(self, cause: Cause) -> Holds {
        Holds(self.0 | 1 << cause as u32)
    }

    /// These without one.
    #[must_use]
    pub const fn without(self, cause: Cause) -> Holds {
        Holds(self.0 & !(1 << cause as u32))
    }

    /// These and those.
    #[must_use]
    pub const fn union(self, other: Holds) -> Holds {
        Holds(self.0 | other.0)
    }

    /// Whether one holds.
    #[must_use]
    pub const fn has(self, cause: Cause) -> bool {
        self.0 & 1 << cause as u32 != 0
    }

    const fn any(self, of: Holds) -> bool {
        self.0 & of.0 != 0
    }

    const fn less(self, of: Holds) -> Holds {
        Holds(self.0 & !of.0)
    }

    /// The strictest mode of all that hold.
    #[must_use]
    #[inline]
    pub const fn mode(self) -> Mode {
        if self.any(HALTING) {
            Mode::Halted
        } else if self.less(FLATTEN).0 != 0 {
            Mode::Reducing
        } else {
            Mode::Active
        }
    }

    /// Whether positions are to be closed; `always` is the plan's word for every halt of a person, a
    /// signal, the file or a loss.
    #[must_use]
    pub const fn closes(self, always: bool) -> bool {
        self.any(CLOSING) && (always || self.any(FLATTEN))
    }

    /// Everything that holds, by code.
    pub fn causes(self) -> impl Iterator<Item = Cause> {
        Cause::ALL.into_iter().filter(move |cause| self.has(*cause))
    }

    /// The bits, for the state hash and for other threads.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Saves them or brings them back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.pod(&mut self.0);
        if self.less(FLATTEN).0 >= 1 << Cause::ALL.len() {
            tape.refuse(self.0.into());
        }
    }

    /// As another thread read them.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Holds {
        Holds(bits)
    }

    /// The gate's answer to an intent that adds risk: by what a command set, then losses, exposure,
    /// breakers.
    #[must_use]
    #[cold]
    pub const fn refusal(self) -> Verdict {
        if self.any(HALTING.less(LOSSES).less(BREAKERS)) {
            Verdict::Halted
        } else if self.has(Cause::OperatorReduce) || self.has(Cause::SignalReduce) {
            Verdict::Reducing
        } else if self.any(LOSSES) {
            Verdict::LossLimit
        } else if self.has(Cause::Exposure) {
            Verdict::ExposureLimit
        } else {
            Verdict::Breaker
        }
    }
}

/// The standing after `event`.
///
/// # Errors
/// For what is not in the table.
pub const fn transition(holds: Holds, event: StateEvent) -> Result<Holds, BadMove> {
    use StateEvent as E;
    let bad = Err(BadMove { holds, event });
    let after = match event {
        // a life begins with a journal that works
        E::Life => {
            holds.less(FLATTEN).without(Cause::Stop).without(Cause::Journal).with(Cause::Start)
        }
        E::Raised(cause) if RAISED.has(cause) => holds.with(cause),
        E::Ended(cause) if OWN.has(cause) => holds.without(cause),
        E::Raised(_) | E::Ended(_) => return bad,

        E::Asked(Command::Activate, Source::Run) => holds.without(Cause::Start),
        E::Asked(Command::Activate, Source::Operator) => holds.less(PERSONS),
        E::Asked(Command::Activate, _) => return bad,

        E::Asked(Command::Reduce, Source::Operator) => {
            holds.less(COMMANDED_HALTS).with(Cause::OperatorReduce)
        }
        E::Asked(Command::Reduce, Source::Signal) => holds.with(Cause::SignalReduce),
        E::Asked(Command::Reduce, _) => return bad,

        E::Asked(Command::Flatten, Source::Operator) => {
            holds.with(Cause::OperatorHalt).union(FLATTEN)
        }
        E::Asked(Command::Flatten, _) => return bad,
        E::Asked(Command::Halt, source) => holds.with(match source {
            Source::Run => Cause::Stop,
            Source::Operator => Cause::OperatorHalt,
            Source::Signal => Cause::SignalHalt,
            Source::File => Cause::KillFile,
            Source::Guard => Cause::Guard,
            Source::Journal => Cause::Journal,
        }),
    };
    // closing goes on for one halt only
    Ok(if after.any(CLOSING) { after } else { after.less(FLATTEN) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Cause as C;
    use Mode as M;

    /// The documented table: mode, the events that set a cause, those that lift it.
    fn row(cause: Cause) -> (Mode, Vec<StateEvent>, Vec<StateEvent>) {
        let asked = StateEvent::Asked;
        let resumes = asked(Command::Activate, Source::Operator);
        let reduces = asked(Command::Reduce, Source::Operator);
        let halts = |source| asked(Command::Halt, source);
        let own = |mode| (mode, vec![StateEvent::Raised(cause)], vec![StateEvent::Ended(cause)]);
        let loss = |mode| (mode, vec![StateEvent::Raised(cause)], vec![resumes]);
        match cause {
            C::Start => {
                (M::Halted, vec![StateEvent::Life], vec![asked(Command::Activate, Source::Run)])
            }
            C::Stop => (M::Halted, vec![halts(Source::Run)], vec![StateEvent::Life]),
            C::OperatorReduce => (M::Reducing, vec![reduces], vec![resumes]),
            C::OperatorHalt => (
                M::Halted,
                vec![halts(Source::Operator), asked(Command::Flatten, Source::Operator)],
                vec![resumes, reduces],
            ),
            C::SignalReduce => {
                (M::Reducing, vec![asked(Command::Reduce, Source::Signal)], vec![resumes])
            }
            C::SignalHalt => (M::Halted, vec![halts(Source::Signal)], vec![resumes, reduces]),
            C::KillFile => (M::Halted, vec![halts(Source::File)], vec![resumes, reduces]),
            C::Guard => (M::Halted, vec![halts(Source::Guard)], vec![resumes, reduces]),
            C::Journal => {
                (M::Halted, vec![halts(Source::Journal)], vec![resumes, StateEvent::Life])
            }
            C::WeeklyLoss => loss(M::Reducing),
            C::MonthlyLoss | C::Drawdown => loss(M::Halted),
            C::Rejects => own(M::Halted),
            C::DailyLoss
            | C::Exposure
            | C::Volatility
            | C::Spread
            | C::Latency
            | C::InternalLatency
            | C::StaleData => own(M::Reducing),
        }
    }

    fn events() -> Vec<StateEvent> {
        let asked = Command::ALL.into_iter().flat_map(|command| {
            Source::ALL.into_iter().map(move |source| StateEvent::Asked(command, source))
        });
        let raised = Cause::ALL.into_iter().map(StateEvent::Raised);
        let ended = Cause::ALL.into_iter().map(StateEvent::Ended);
        asked.chain(raised).chain(ended).chain([StateEvent::Life]).collect()
    }

    #[test]
    fn the_function_is_the_documented_table() {
        for event in events() {
            let known = Cause::ALL.iter().any(|cause| {
                let (_, sets, lifts) = row(*cause);
                sets.contains(&event) || lifts.contains(&event)
            });
            assert_eq!(transition(Holds::NONE, event).is_ok(), known, "{event:?}");
            for cause in Cause::ALL {
                let (mode, sets, lifts) = row(cause);
                let held = Holds::NONE.with(cause);
                assert_eq!(held.mode(), mode, "{cause:?}");
                let unset = transition(Holds::NONE, event).unwrap_or_default();
                assert_eq!(unset.has(cause), sets.contains(&event), "{cause:?} {event:?}");
                let after = transition(held, event).unwrap_or(held);
                let lifted = lifts.contains(&event) && !sets.contains(&event);
                assert_eq!(!after.has(cause), lifted, "{cause:?} {event:?}");
            }
        }
    }

    #[test]
    fn the_mode_is_the_strictest_of_all_that_hold() {
        for one in Cause::ALL {
            for other in Cause::ALL {
                let both = Holds::NONE.with(one).with(other);
                assert_eq!(both.mode(), row(one).0.max(row(other).0), "{one:?} {other:?}");
                assert!(!both.refusal().passes());
            }
        }
        assert_eq!(Holds::NONE.mode(), Mode::Active);
    }

    #[test]
    fn a_breaker_that_ends_does_not_lift_a_loss() {
        let holds = Holds::NONE.with(C::Spread).with(C::DailyLoss);
        let after = transition(holds, StateEvent::Ended(C::Spread)).unwrap();
        assert_eq!((after.mode(), after.refusal()), (Mode::Reducing, Verdict::LossLimit));
    }

    #[test]
    fn closing_ends_with_the_halt_it_was_asked_for() {
        let flatten = StateEvent::Asked(Command::Flatten, Source::Operator);
        let closing = transition(Holds::NONE, flatten).unwrap();
        assert!(closing.closes(false) && closing.mode() == Mode::Halted);
        let resumed = StateEvent::Asked(Command::Activate, Source::Operator);
        let active = transition(closing, resumed).unwrap();
        assert_eq!(active, Holds::NONE);
        let halt = transition(active, StateEvent::Asked(Command::Halt, Source::Operator)).unwrap();
        assert!(!halt.closes(false) && halt.closes(true));
        assert!(!Holds::START.closes(true), "nobody asked a lane that begins to close anything");
        assert!(!Holds::NONE.with(C::Rejects).closes(true), "the venue would reject that too");
        let rejected = transition(closing.with(C::Rejects), resumed).unwrap();
        assert_eq!(rejected, Holds::NONE.with(C::Rejects), "another halt is another question");
    }

    #[test]
    fn a_restart_lifts_only_the_orderly_stop() {
        let mut holds = Holds::NONE.with(C::Stop);
        for cause in [C::OperatorHalt, C::KillFile, C::DailyLoss, C::Drawdown] {
            holds = holds.with(cause);
        }
        let after = transition(holds, StateEvent::Life).unwrap();
        assert_eq!(after, holds.without(C::Stop).with(C::Start));
        let begun = StateEvent::Asked(Command::Activate, Source::Run);
        assert_eq!(transition(after, begun).unwrap(), holds.without(C::Stop));
    }
}
