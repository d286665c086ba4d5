//! What a lane journals: every input, every judgement of the gate, and what it takes to read them.
//!
//! An entry is borrowed while it is written (straight into the ring's memory) and while it is read
//! (levels, texts and frames stay in the buffer). Its byte form is `entry_bytes`.
//! Invariant: the inputs of a stream, in order, are all that a replay needs besides `Begin` and the
//! instruments; judgements and digests are there to be compared and to be shown.

use super::{Input, Instrument, Judgement, Link};
use crate::units::{LaneId, OrderId, UnixNanos};

/// The journal's format of entries; rises when a layout changes that its length does not tell apart.
pub const ENTRY_FORMAT: u32 = 1;

/// First words of a life of a lane: whose stream this is, and which client order ids it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin<'a> {
    /// [`ENTRY_FORMAT`] of the writer.
    pub format: u32,
    /// The run; the same for all its lanes and lives.
    pub run: u128,
    /// The lane.
    pub lane: LaneId,
    /// The venue's family, by the code of its room.
    pub family: u8,
    /// Epoch of this life's client order ids.
    pub epoch: u32,
    /// First client order id this life may use.
    pub order_first: OrderId,
    /// Last client order id this life may use; recovery asks the venue for this range.
    pub order_last: OrderId,
    /// Wall time at the lane's monotonic zero.
    pub wall_at_zero: UnixNanos,
    /// The kernel's boot id: monotonic times of another boot mean nothing here.
    pub boot: u128,
    /// The lane's name in the configuration.
    pub name: &'a str,
}

/// The lane's hashes after an input; a replay must come to the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The last input applied.
    pub input: u64,
    /// Hash of the whole state.
    pub state_hash: u64,
    /// Hash of every intent that passed.
    pub orders_hash: u64,
}

/// One entry of a lane's journal. The journal's record around it carries its number and time; for an
/// input that time is the receive time.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// A life begins.
    Begin(Begin<'a>),
    /// An instrument of the lane, in the order of their ids, right after `Begin`.
    Instrument(Instrument),
    /// An input and its place in the lane's sequence.
    Input {
        /// Position in the lane's input sequence, from 1.
        sequence: u64,
        /// What came in.
        input: Input<'a>,
    },
    /// The bytes of a frame as they came; a setting, as decoded events are journalled always.
    RawFrame {
        /// The connection it came by.
        link: Link,
        /// The frame.
        bytes: &'a [u8],
    },
    /// The gate's answer to one intent.
    Judgement {
        /// The lane's input that led to it.
        input: u64,
        /// The question, the answer and what it was given on.
        judgement: Judgement,
    },
    /// Hashes to compare with.
    Digest(Digest),
    /// An incident in words.
    Note(&'a str),
    /// The lane ended as it should, with nothing left to do.
    End,
}

/// Codes of entries on disk. Append-only: a code is never given a second meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum EntryKind {
    /// [`Entry::Begin`].
    Begin = 1,
    /// [`Entry::Instrument`].
    Instrument = 2,
    /// [`Entry::RawFrame`].
    RawFrame = 3,
    /// [`Entry::Judgement`].
    Judgement = 4,
    /// [`Entry::Digest`].
    Digest = 5,
    /// [`Entry::Note`].
    Note = 6,
    /// [`Entry::End`].
    End = 7,
    /// An input: a change of a book.
    Depth = 16,
    /// An input: a whole book.
    Snapshot = 17,
    /// An input: best bid and ask.
    Ticker = 18,
    /// An input: a trade.
    Trade = 19,
    /// An input: a market message of no use.
    MarketOther = 20,
    /// An input: a market frame that could not be read.
    MarketFault = 21,
    /// An input: an execution report.
    Execution = 22,
    /// An input: time.
    Timer = 23,
    /// An input: a command.
    Command = 24,
    /// An input: a connection changed.
    Link = 25,
    /// An input: a plan.
    Plan = 26,
    /// An input: a life begins.
    Life = 27,
    /// An input: reconciliation found an order.
    Adopted = 28,
    /// An input: reconciliation found a difference.
    Adjustment = 29,
    /// An input: the lane's own time was measured.
    Service = 30,
    /// An input: reconciliation learnt what the venue holds.
    Holding = 31,
}

impl EntryKind {
    /// Every kind with its name, for reports and tests.
    pub const ALL: [(EntryKind, &'static str); 23] = [
        (EntryKind::Begin, "begin"),
        (EntryKind::Instrument, "instrument"),
        (EntryKind::RawFrame, "raw_frame"),
        (EntryKind::Judgement, "judgement"),
        (EntryKind::Digest, "digest"),
        (EntryKind::Note, "note"),
        (EntryKind::End, "end"),
        (EntryKind::Depth, "depth"),
        (EntryKind::Snapshot, "snapshot"),
        (EntryKind::Ticker, "ticker"),
        (EntryKind::Trade, "trade"),
        (EntryKind::MarketOther, "market_other"),
        (EntryKind::MarketFault, "market_fault"),
        (EntryKind::Execution, "execution"),
        (EntryKind::Timer, "timer"),
        (EntryKind::Command, "command"),
        (EntryKind::Link, "link"),
        (EntryKind::Plan, "plan"),
        (EntryKind::Life, "life"),
        (EntryKind::Adopted, "adopted"),
        (EntryKind::Adjustment, "adjustment"),
        (EntryKind::Service, "service"),
        (EntryKind::Holding, "holding"),
    ];

    /// The code on disk.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The kind of a code, if this version knows it.
    #[must_use]
    pub fn from_code(code: u16) -> Option<EntryKind> {
        EntryKind::ALL.iter().find(|(kind, _)| kind.code() == code).map(|(kind, _)| *kind)
    }

    /// The stable name used in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        EntryKind::ALL.iter().find(|(kind, _)| *kind == self).map_or("?", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_found_again() {
        for (at, (kind, name)) in EntryKind::ALL.iter().enumerate() {
            assert_eq!(EntryKind::from_code(kind.code()), Some(*kind));
            assert_eq!(kind.name(), *name);
            assert!(EntryKind::ALL[..at].iter().all(|(k, n)| k.code() < kind.code() && n != name));
        }
        assert_eq!(EntryKind::from_code(0), None);
    }
}
