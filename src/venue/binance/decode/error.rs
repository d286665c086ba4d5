//! Why a market frame was refused: what, where and of which kind.

use crate::units::Side;

/// A refusal of a market frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not one JSON text: cut short, garbage, or something after its end.
    #[error("byte {at}: not well-formed JSON ({what}); drop the frame and resynchronise the book")]
    Malformed {
        /// Offset in the frame, from 0.
        at: usize,
        /// The JSON reader's own words.
        what: String,
    },
    /// A key that matters stands twice, so that its meaning is anyone's guess.
    #[error("byte {at}: {what}; drop the frame and resynchronise the book")]
    DuplicateKey {
        /// Offset in the frame, from 0.
        at: usize,
        /// Which key.
        what: String,
    },
    /// An event without one of its fields.
    #[error("field `{field}` is missing from the event")]
    MissingField {
        /// The venue's key.
        field: &'static str,
    },
    /// A field of another type than the venue documents.
    #[error("field `{field}` has the wrong type")]
    WrongType {
        /// The venue's key.
        field: &'static str,
    },
    /// A price or size that is no plain non-negative decimal.
    #[error("field `{field}`: `{text}` is no plain decimal such as 61800.20")]
    NotANumber {
        /// The venue's key.
        field: &'static str,
        /// The text as it came.
        text: String,
    },
    /// A price or size between two steps of the instrument's grid.
    #[error(
        "field `{field}`: `{text}` is no multiple of the instrument's step; refresh its metadata"
    )]
    OffGrid {
        /// The venue's key.
        field: &'static str,
        /// The text as it came.
        text: String,
    },
    /// A price or size beyond 63 bits of steps.
    #[error("field `{field}`: `{text}` is larger than a 64-bit number of steps")]
    TooLarge {
        /// The venue's key.
        field: &'static str,
        /// The text as it came.
        text: String,
    },
    /// An event of an instrument that is not configured.
    #[error("symbol `{symbol}` is not configured; subscribe to configured symbols only")]
    UnknownSymbol {
        /// The venue's name for it.
        symbol: String,
    },
    /// A snapshot that does not say whose it is, while several instruments are configured.
    #[error("a snapshot without a symbol, and {instruments} instruments configured")]
    SnapshotOfWhom {
        /// How many are configured.
        instruments: usize,
    },
    /// More levels on one side than the decoder's scratch holds.
    #[error("more than {max} levels on the {side:?} side")]
    TooManyLevels {
        /// Whose side: buy for bids.
        side: Side,
        /// The bound.
        max: usize,
    },
}

/// The kind of a refusal, for counting and for comparing decoders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DecodeErrorKind {
    /// Not one JSON text.
    Malformed = 0,
    /// A key stands twice.
    DuplicateKey = 1,
    /// A field is absent.
    MissingField = 2,
    /// A field has another type.
    WrongType = 3,
    /// No plain decimal.
    NotANumber = 4,
    /// Between two steps.
    OffGrid = 5,
    /// Beyond 63 bits.
    TooLarge = 6,
    /// Not configured.
    UnknownSymbol = 7,
    /// Ambiguous snapshot.
    SnapshotOfWhom = 8,
    /// Scratch full.
    TooManyLevels = 9,
}

impl DecodeError {
    /// The kind without its particulars.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        match self {
            DecodeError::Malformed { .. } => DecodeErrorKind::Malformed,
            DecodeError::DuplicateKey { .. } => DecodeErrorKind::DuplicateKey,
            DecodeError::MissingField { .. } => DecodeErrorKind::MissingField,
            DecodeError::WrongType { .. } => DecodeErrorKind::WrongType,
            DecodeError::NotANumber { .. } => DecodeErrorKind::NotANumber,
            DecodeError::OffGrid { .. } => DecodeErrorKind::OffGrid,
            DecodeError::TooLarge { .. } => DecodeErrorKind::TooLarge,
            DecodeError::UnknownSymbol { .. } => DecodeErrorKind::UnknownSymbol,
            DecodeError::SnapshotOfWhom { .. } => DecodeErrorKind::SnapshotOfWhom,
            DecodeError::TooManyLevels { .. } => DecodeErrorKind::TooManyLevels,
        }
    }

    /// The error of a JSON reader, with the line and column turned into a byte offset.
    pub(super) fn of_json(error: &serde_json::Error, frame: &[u8]) -> DecodeError {
        let lines = frame.split_inclusive(|byte| *byte == b'\n');
        let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
        let at = before + error.column().saturating_sub(1);
        let what = error.to_string();
        match error.classify() {
            serde_json::error::Category::Data => DecodeError::DuplicateKey { at, what },
            _ => DecodeError::Malformed { at, what },
        }
    }
}
