//! `bot4 audit`: reads the journal of a run, whoever writes it, and changes nothing.
//!
//! A run is a folder with one sub-folder per lane (`RUN/lane-0/00000000.log`); a lane's folder alone
//! will do.

mod export;
mod life;
mod show;
#[cfg(feature = "parquet")]
mod table;
mod verify;
mod wall;

use crate::host::disk::DiskError;
use clap::{Args, Subcommand};
pub use show::FollowError;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Arguments of `bot4 audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Check every record against its checksum and the chain; name the first that is not as written
    Verify(verify::VerifyArgs),
    /// Tell one order's whole life: which Plan, which book, which verdict, what the venue reported
    Show(show::ShowArgs),
    /// Write the journal as Parquet tables
    Export(export::ExportArgs),
}

/// Why a question has no (good) answer.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is nothing to read.
    #[error("{run}: no journal here; a run has a folder lane-N for each lane, with 00000000.log")]
    NoJournal {
        /// As given.
        run: PathBuf,
    },
    /// The folder of the run.
    #[error("{run}: {cause}")]
    Folder {
        /// As given.
        run: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// A lane's folder.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The journal is not what was written; the report says where.
    #[error("{bad} of {lanes} journals cannot be trusted")]
    NotTrusted {
        /// How many.
        bad: usize,
        /// Of how many.
        lanes: usize,
    },
    /// A lane's journal cannot be read to its end.
    #[error("{folder}: {cause}")]
    Stream {
        /// The lane's folder.
        folder: PathBuf,
        /// What is wrong.
        cause: FollowError,
    },
    /// No lane knows the order.
    #[error("{run}: no record is about order {order}; without --order the last orders are listed")]
    NoOrder {
        /// As given.
        run: PathBuf,
        /// As given, in both its forms.
        order: String,
    },
    /// No lane has come so far.
    #[error("{run}: no lane has a record {record}")]
    NoRecord {
        /// As given.
        run: PathBuf,
        /// Asked for.
        record: u64,
    },
    /// Tables are a feature that this binary was built without.
    #[cfg(not(feature = "parquet"))]
    #[error("this bot4 was built without Parquet; build and run it with: {0}")]
    NoParquet(String),
    /// A table.
    #[cfg(feature = "parquet")]
    #[error(transparent)]
    Table(#[from] table::TableError),
    /// The report.
    #[error("cannot write the report as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Standard output.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Answers a question.
///
/// # Errors
/// When there is no journal, or it is not what was written.
pub fn run(args: &AuditArgs, out: &mut impl Write) -> Result<(), AuditError> {
    match &args.question {
        Question::Verify(args) => verify::run(args, out),
        Question::Show(args) => show::run(args, out),
        Question::Export(args) => export::run(args, out),
    }
}

/// The lanes' folders of a run, by name; the run itself when it is one.
fn lane_folders(run: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let failed = |cause| AuditError::Folder { run: run.to_owned(), cause };
    let mut lanes = Vec::new();
    for entry in std::fs::read_dir(run).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == "00000000.log" {
            return Ok(vec![run.to_owned()]);
        }
        if let Some(number) =
            name.strip_prefix("lane-").and_then(|number| number.parse::<u32>().ok())
        {
            lanes.push((number, entry.path()));
        }
    }
    lanes.sort();
    if lanes.is_empty() {
        return Err(AuditError::NoJournal { run: run.to_owned() });
    }
    Ok(lanes.into_iter().map(|(_, path)| path).collect())
}
