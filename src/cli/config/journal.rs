//! `[journal]`: where a run's journal stands, and what is durable when.

use serde::Deserialize;
use std::path::PathBuf;

/// `[journal]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// Whether there is one.
    pub keep: bool,
    /// Its folder; without it one under `bot4-journal`, named after the venue or the time.
    pub folder: Option<PathBuf>,
    /// File with the Ed25519 key that signs finished segments, sealed; without it they are not signed.
    pub key_file: Option<PathBuf>,
    /// What is durable when.
    pub durability: DurabilityMode,
    /// With `group`: microseconds until what was recorded must be on its way to the disk.
    pub group_us: u64,
    /// Size of a segment's file, MiB.
    pub segment_mib: u64,
    /// Records between two snapshots.
    pub snapshot_records: u64,
    /// Whether frames are recorded as they came, besides what they say.
    pub raw_frames: bool,
}

/// `journal.durability`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DurabilityMode {
    /// Left to the system: a killed process loses nothing that was written, a power cut may
    None,
    /// Made durable in groups, within a bound; no order waits
    Group,
    /// Each record before its orders leave; latency is the disk's
    Each,
}

impl Default for Journal {
    fn default() -> Journal {
        Journal {
            keep: true,
            folder: None,
            key_file: None,
            durability: DurabilityMode::Group,
            group_us: 500,
            segment_mib: 64,
            snapshot_records: 1_000_000,
            raw_frames: false,
        }
    }
}
