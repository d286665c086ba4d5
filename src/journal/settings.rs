//! How a stream is written: durability, sizes; and what a writer says of itself.

use crate::host::disk::DiskError;
use crate::units::Nanos;

/// When entries become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the system likes to; only the end of a segment and of the run is synced. A crash of the
    /// process loses nothing that was written, a loss of power may.
    None,
    /// At most this long after they came, plus what the disk takes.
    Group(Nanos),
    /// As soon as they come: the lane may wait for `Health::durable` before an order leaves.
    Each,
}

/// How a stream is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// When entries become durable.
    pub durability: Durability,
    /// Bytes of a segment's file; a multiple of 4 096.
    pub segment_len: u64,
    /// Bytes gathered at most before they are written.
    pub group_len: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            durability: Durability::Group(Nanos(500_000)),
            segment_len: 64 << 20,
            group_len: 1 << 20,
        }
    }
}

/// Why a writer does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A segment must hold the longest record that the ring may carry.
    #[error(
        "segments of {segment_len} bytes are too short: the ring carries records of up to {longest} \
         bytes; give segments at least {least} (a multiple of 4096)"
    )]
    SegmentTooShort {
        /// As set.
        segment_len: u64,
        /// The longest record.
        longest: usize,
        /// What would do.
        least: u64,
    },
    /// There is a journal already, and the caller did not say where it ends.
    #[error("{file} belongs to a journal that is there already; recover it, or use another folder")]
    Occupied {
        /// Its first file.
        file: String,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something moved; call again.
    Worked,
    /// The disk is at work.
    Waiting,
    /// Nothing to do before the ring brings more or the bound of a group is over.
    Idle,
    /// The journal failed for good (`Health::failure`); the ring is emptied and thrown away.
    Failed,
    /// The lane is gone and everything is done.
    Ended,
}
