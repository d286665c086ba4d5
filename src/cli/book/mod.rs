//! `bot4 book`: rebuilds the books of captured streams and prints what they hold.
//!
//! Tick and lot are inferred: when a price or size needs a finer grid, the file is read again with
//! the finer one, so every figure is exact. Files are one stream in the order given: a later file
//! continues the synchronised book of the same symbol.

mod exact;
mod facts;
pub(super) mod origin;
mod print;
mod rebuild;
mod trades;

use crate::lab::capture::{Capture, CaptureError};
use crate::venue::binance::decode::DecodeError;
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;

pub use facts::{BookFacts, FileFacts, Mode, SymbolFacts, TradeFacts};

/// Arguments of `bot4 book`.
#[derive(Debug, Args)]
pub struct BookArgs {
    /// Captures (.gz or plain), in order of time; REST snapshots may stand in a file of their own
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Follow the venue's procedure: snapshot, bridge, chain; an error where there is no snapshot
    #[arg(long, conflicts_with = "from_empty")]
    from_snapshot: bool,
    /// Apply every diff to an empty book
    #[arg(long)]
    from_empty: bool,
    /// Report each file as it stood after its first N lines
    #[arg(long, value_name = "N")]
    after_lines: Option<u64>,
    /// One JSON object for one file, a list for several
    #[arg(long)]
    json: bool,
}

/// Why books could not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The file is no capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A line is no message of the venue.
    #[error("{file}: line {line}: {cause}")]
    Decode {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        cause: DecodeError,
    },
    /// `--from-snapshot` without a snapshot.
    #[error(
        "{file}: no snapshot of {symbol} and no earlier file to continue from; use --from-empty"
    )]
    NoSnapshot {
        /// Which file.
        file: PathBuf,
        /// Whose snapshot.
        symbol: String,
    },
    /// More levels than the rebuilt book may hold.
    #[error("{file}: more than {max} levels of {symbol} far from its touch; split the capture")]
    TooManyLevels {
        /// Which file.
        file: PathBuf,
        /// Whose book.
        symbol: String,
        /// The bound.
        max: usize,
    },
    /// A figure too large to be exact.
    #[error("{file}: {what} overflows 128 bits")]
    Overflow {
        /// Which file.
        file: PathBuf,
        /// Which figure.
        what: &'static str,
    },
    /// Output could not be written.
    #[error("the result cannot be written")]
    Write(#[from] io::Error),
    /// Output could not be formed.
    #[error("the result cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Which book a report shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From the snapshot where there is one, else from empty.
    Auto,
    /// From the snapshot or not at all.
    Snapshot,
    /// From empty.
    Empty,
}

/// Rebuilds the books of `files` and returns the facts of each.
///
/// # Errors
/// The first file or line that cannot be read, named.
pub fn rebuild(
    files: &[PathBuf],
    start: Start,
    after_lines: Option<u64>,
) -> Result<Vec<FileFacts>, BookError> {
    let mut carry = rebuild::Carry::default();
    let mut facts = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let capture = Capture::load(file)?;
        let leaves = at + 1 < files.len();
        facts.push(rebuild::file(&capture, start, after_lines, leaves, &mut carry)?);
    }
    Ok(facts)
}

fn refusal(capture: &Capture, line: u64, cause: DecodeError) -> BookError {
    BookError::Decode { file: capture.file().to_path_buf(), line, cause }
}

/// Runs the command.
///
/// # Errors
/// As `rebuild`, and when the output cannot be written.
pub fn run(args: &BookArgs, out: &mut dyn Write) -> Result<(), BookError> {
    let start = match (args.from_snapshot, args.from_empty) {
        (true, _) => Start::Snapshot,
        (_, true) => Start::Empty,
        _ => Start::Auto,
    };
    let facts = rebuild(&args.files, start, args.after_lines)?;
    if !args.json {
        for file in &facts {
            print::file(file, out)?;
        }
        return Ok(());
    }
    match facts.as_slice() {
        [one] => serde_json::to_writer_pretty(&mut *out, one)?,
        many => serde_json::to_writer_pretty(&mut *out, many)?,
    }
    writeln!(out)?;
    Ok(())
}
