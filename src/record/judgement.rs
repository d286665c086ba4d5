//! One question to the gate and its answer, with what the answer was given on: the audit's raw material.

use super::{Intent, Level, Verdict};
use crate::units::Nanos;

/// What the gate said of one intent, and the Plan and book it looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What was asked.
    pub intent: Intent,
    /// The answer.
    pub verdict: Verdict,
    /// Quote level of the strategy that asked, from 0 at the touch.
    pub level: u8,
    /// Version of the Plan in force.
    pub plan: u64,
    /// Best bid, where the book has one.
    pub bid: Option<Level>,
    /// Best ask, where the book has one.
    pub ask: Option<Level>,
    /// When the book last moved.
    pub book_at: Nanos,
    /// Receive time of the input that led here.
    pub at: Nanos,
}
