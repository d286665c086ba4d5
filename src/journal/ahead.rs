//! Room for the next segment, asked for as soon as this one is begun: a full disk is known while a
//! whole segment is still free for a halt and its cancels.

use super::birth::submit;
use crate::host::disk::{Disk, DiskError, Done, FileId, Operation, Ticket};

/// How far the next segment's room is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// Not asked for.
    None,
    Creating(Ticket),
    SyncingFile(Ticket, FileId),
    SyncingFolder(Ticket, FileId),
    /// It is there.
    Ready(FileId),
    /// There is none.
    Refused(DiskError),
}

impl Ahead {
    /// Asks for it.
    pub(super) fn ask<D: Disk>(disk: &mut D, name: String, len: u64) -> Ahead {
        Ahead::Creating(submit(disk, Operation::Create { name, len }))
    }

    /// Whether the disk is at work for it.
    pub(super) fn is_going(&self) -> bool {
        matches!(self, Ahead::Creating(_) | Ahead::SyncingFile(..) | Ahead::SyncingFolder(..))
    }

    /// Goes on with a completion that may be its own; false when it was refused just now.
    pub(super) fn on<D: Disk>(
        &mut self,
        disk: &mut D,
        ticket: Ticket,
        result: Result<Done, DiskError>,
    ) -> bool {
        let own = match self {
            Ahead::Creating(own) | Ahead::SyncingFile(own, _) | Ahead::SyncingFolder(own, _) => {
                *own
            }
            _ => return true,
        };
        if own != ticket {
            return true;
        }
        *self = match (&*self, result) {
            (_, Err(error)) => Ahead::Refused(error),
            (Ahead::Creating(_), Ok(Done::Created(file))) => {
                Ahead::SyncingFile(submit(disk, Operation::Sync(file)), file)
            }
            (Ahead::SyncingFile(_, file), Ok(_)) => {
                Ahead::SyncingFolder(submit(disk, Operation::SyncFolder), *file)
            }
            (Ahead::SyncingFolder(_, file), Ok(_)) => Ahead::Ready(*file),
            (state, Ok(done)) => unreachable!("Invariant: {state:?} does not end as {done:?}"),
        };
        !matches!(self, Ahead::Refused(_))
    }
}
