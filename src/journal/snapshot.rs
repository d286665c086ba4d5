//! Snapshots: opaque bytes that stand for the stream up to an entry, so that recovery reads the rest.
//!
//! ```text
//! snapshot-NUMBER.bin (NUMBER with 20 digits), little-endian
//!      0  "BOT4SNAP"
//!      8  version u32, lane u16, 0 u16
//!     16  run u128
//!     32  number of the last entry it stands for u64
//!     40  chain value after that entry, 32 bytes
//!     72  bytes that follow u64
//!     80  zeros
//!    120  CRC32C of what follows u32
//!    124  CRC32C of bytes 0..124 u32
//!    128  what was saved
//! ```
//!
//! Invariants: one appears under its name only when it is durable and the log up to its entry is too
//! (`Writer::save`); the last two are kept; one that does not check out is passed over for the older
//! one, and without any the log is read from its start. The chain value ties it to its log: another
//! run's snapshot, or a log that was cut behind it, is noticed by `Reader::open_after`.

use super::format::{Chain, Stream, u16_at, u32_at, u64_at, u128_at};
use crate::host::disk::{Disk, DiskError};

/// Version of this layout.
const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"BOT4SNAP";
/// Bytes before what was saved.
const HEAD_LEN: usize = 128;
/// Snapshots kept: the newest, and one to fall back on.
pub const SNAPSHOTS_KEPT: usize = 2;

/// A snapshot that checks out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose.
    pub stream: Stream,
    /// The last entry it stands for.
    pub sequence: u64,
    /// Chain value after that entry.
    pub chain: Chain,
    /// What was saved.
    pub bytes: Vec<u8>,
}

impl Snapshot {
    /// The file's bytes.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_LEN + self.bytes.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.stream.lane.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.stream.run.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.chain.0);
        out.extend_from_slice(&(self.bytes.len() as u64).to_le_bytes());
        out.resize(HEAD_LEN - 8, 0);
        out.extend_from_slice(&crc32c::crc32c(&self.bytes).to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out.extend_from_slice(&self.bytes);
        out
    }

    /// Reads what `to_file` wrote; nothing when a single bit is not what it was.
    #[must_use]
    pub fn from_file(file: &[u8]) -> Option<Snapshot> {
        let head = file.get(..HEAD_LEN)?;
        let bytes = &file[HEAD_LEN..];
        let right = head[..8] == MAGIC
            && u32_at(head, 8) == VERSION
            && u32_at(head, HEAD_LEN - 4) == crc32c::crc32c(&head[..HEAD_LEN - 4])
            && u64_at(head, 72) == bytes.len() as u64
            && u32_at(head, HEAD_LEN - 8) == crc32c::crc32c(bytes)
            && head[14..16].iter().chain(&head[80..HEAD_LEN - 8]).all(|byte| *byte == 0);
        right.then(|| Snapshot {
            stream: Stream { run: u128_at(head, 16), lane: u16_at(head, 12) },
            sequence: u64_at(head, 32),
            chain: Chain(std::array::from_fn(|at| head[40 + at])),
            bytes: bytes.to_vec(),
        })
    }
}

/// Name of a snapshot's file.
#[must_use]
pub fn snapshot_name(sequence: u64) -> String {
    format!("snapshot-{sequence:020}.bin")
}

/// The entry that a file name names.
#[must_use]
pub fn snapshot_of(name: &str) -> Option<u64> {
    let number = name.strip_prefix("snapshot-")?.strip_suffix(".bin")?.parse().ok()?;
    (snapshot_name(number) == name).then_some(number)
}

/// Names of the snapshots in a folder, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn snapshot_names(disk: &mut dyn Disk) -> Result<Vec<String>, DiskError> {
    let mut found = disk.list()?;
    found.retain(|entry| snapshot_of(&entry.name).is_some());
    Ok(found.into_iter().map(|entry| entry.name).collect())
}

/// The newest snapshot that checks out, and the names of newer ones that do not.
///
/// # Errors
/// When the disk fails.
pub fn newest_snapshot(disk: &mut dyn Disk) -> Result<(Option<Snapshot>, Vec<String>), DiskError> {
    let mut passed_over = Vec::new();
    for name in snapshot_names(disk)?.into_iter().rev() {
        let file = disk.open(&name)?;
        let read = disk.length(file).and_then(|len| {
            let mut bytes = vec![0; len as usize];
            let count = disk.read(file, 0, &mut bytes)?;
            bytes.truncate(count);
            Ok(bytes)
        });
        disk.close(file);
        let snapshot = Snapshot::from_file(&read?);
        match snapshot.filter(|snapshot| snapshot_of(&name) == Some(snapshot.sequence)) {
            Some(snapshot) => return Ok((Some(snapshot), passed_over)),
            None => passed_over.push(name),
        }
    }
    Ok((None, passed_over))
}
