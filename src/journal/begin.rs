//! What comes before the first turn of a writer: a clear folder and a segment with a durable header.
//!
//! Everything here waits for the disk; nothing trades yet.

use super::format::{Header, segment_name, segment_of, unborn_name};
use super::reader::Tail;
use super::settings::SettingsError;
use crate::host::disk::{Disk, DiskError, Done, FileId, Operation, complete, write_all};

/// Bytes that are written again at a time.
const PIECE: usize = 1 << 20;

/// Makes a segment: room, header, sync, and only then its name.
pub(super) fn begin<D: Disk>(disk: &mut D, header: &Header) -> Result<FileId, DiskError> {
    let name = unborn_name(header.segment);
    let file = match complete(disk, Operation::Create { name: name.clone(), len: header.len })? {
        Done::Created(file) => file,
        done => unreachable!("Invariant: a file is created, not {done:?}"),
    };
    write_all(disk, file, &name, 0, &header.block())?;
    complete(disk, Operation::Sync(file))?;
    complete(disk, Operation::Rename { from: name, to: segment_name(header.segment) })?;
    complete(disk, Operation::SyncFolder)?;
    Ok(file)
}

/// Writes the first `len` bytes of a file over themselves and syncs it. What a killed process left in the
/// system's cache is read back, but need not be durable, and a sync alone does not make it so: where a
/// sync failed before, the kernel has marked the pages clean and will not try them again.
fn write_again<D: Disk>(disk: &mut D, file: FileId, name: &str, len: u64) -> Result<(), DiskError> {
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < len {
        let most = PIECE.min((len - at) as usize);
        let count = disk.read(file, at, &mut piece[..most])?;
        if count == 0 {
            break; // the reader, which came this far, says what is missing
        }
        write_all(disk, file, name, at, &piece[..count])?;
        at += count as u64;
    }
    complete(disk, Operation::Sync(file)).map(drop)
}

/// Cuts the torn tail of the life before, makes what is kept durable, and removes files that were
/// given room but never got a name.
pub(super) fn clear_way<D: Disk>(
    disk: &mut D,
    segment: u64,
    tail: Option<&Tail>,
) -> Result<(), SettingsError> {
    for entry in disk.list()? {
        if segment_of(&entry.name).is_some_and(|number| number >= segment) {
            return Err(SettingsError::Occupied { file: entry.name });
        }
        if entry.name.ends_with(".new") {
            complete(disk, Operation::Remove(entry.name))?;
        }
    }
    let Some(tail) = tail else { return Ok(()) };
    let file = disk.open(&segment_name(tail.segment))?;
    write_again(disk, file, &segment_name(tail.segment), tail.end)?;
    if disk.length(file)? != tail.end {
        complete(disk, Operation::SetLength { file, len: tail.end })?;
        complete(disk, Operation::Sync(file))?;
    }
    disk.close(file);
    Ok(())
}
