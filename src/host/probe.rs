//! Time stamps between the stages of the hot lane.

pub use super::stage_probe::{SPAN_NAMES, StageProbe};

/// A stage of the hot lane, in the order data passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stage {
    /// Bytes to event.
    Decode = 0,
    /// Event to book.
    Book = 1,
    /// Book to indicators.
    Signal = 2,
    /// Indicators to intents.
    Decide = 3,
    /// Intent to verdict.
    Gate = 4,
    /// Verdict to booked order.
    Commit = 5,
    /// Intent to bytes.
    Encode = 6,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 7] = [
        Stage::Decode,
        Stage::Book,
        Stage::Signal,
        Stage::Decide,
        Stage::Gate,
        Stage::Commit,
        Stage::Encode,
    ];

    /// The name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Decode => "decode",
            Stage::Book => "book",
            Stage::Signal => "signal",
            Stage::Decide => "decide",
            Stage::Gate => "gate",
            Stage::Commit => "commit",
            Stage::Encode => "encode",
        }
    }
}

/// Where stages leave their time stamps. `begin` starts an input, `mark` ends a stage: its time is
/// what passed since the previous `begin` or `mark`.
pub trait Probe {
    /// An input has arrived.
    fn begin(&mut self);
    /// A stage has ended.
    fn mark(&mut self, stage: Stage);
}

/// A probe that does nothing; replay uses it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProbe;

impl Probe for NoProbe {
    #[inline(always)]
    fn begin(&mut self) {}
    #[inline(always)]
    fn mark(&mut self, _stage: Stage) {}
}
