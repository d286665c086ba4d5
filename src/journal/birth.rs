//! A file that appears under its name only when all of it is durable, as steps of one operation each.
//!
//! `create ─▶ write (until all is taken) ─▶ sync ─▶ rename ─▶ sync the folder ─▶ done`: a name that can
//! be found after a loss of power names a whole file. A file of the new name that was there before is
//! replaced at once.

use crate::host::disk::{Completion, Disk, DiskError, Done, FileId, Operation, Ticket};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    /// Being written; so many bytes were taken before.
    Write(usize),
    Sync,
    Name,
    Folder,
}

/// What a completion came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Born {
    /// The next step is on its way.
    Going,
    /// It is there, and open.
    Done(FileId),
    /// It is not; whether a sync was what failed.
    Failed { synced: bool, error: DiskError },
}

/// One file on its way.
#[derive(Debug)]
pub(super) struct Birth {
    unborn: String,
    name: String,
    file: Option<FileId>,
    bytes: Vec<u8>,
    step: Step,
    ticket: Ticket,
}

/// Submits what a machine with few operations in flight submits.
pub(super) fn submit<D: Disk>(disk: &mut D, operation: Operation) -> Ticket {
    let submitted = disk.submit(operation);
    let Ok(ticket) = submitted else {
        unreachable!("Invariant: a writer has fewer operations in flight than a disk takes")
    };
    ticket
}

impl Birth {
    /// Starts with a file still to be made.
    pub(super) fn new<D: Disk>(
        disk: &mut D,
        unborn: String,
        name: String,
        bytes: Vec<u8>,
    ) -> Birth {
        let create = Operation::Create { name: unborn.clone(), len: bytes.len() as u64 };
        let ticket = submit(disk, create);
        Birth { unborn, name, file: None, bytes, step: Step::Create, ticket }
    }

    /// Starts with a file that has its room already: `bytes` are its first.
    pub(super) fn of_file<D: Disk>(
        disk: &mut D,
        file: FileId,
        unborn: String,
        name: String,
        bytes: Vec<u8>,
    ) -> Birth {
        let ticket = submit(disk, Operation::Write { file, at: 0, bytes, from: 0 });
        let step = Step::Write(0);
        Birth { unborn, name, file: Some(file), bytes: Vec::new(), step, ticket }
    }

    /// The operation in flight.
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Goes on with the completion of its ticket.
    pub(super) fn on<D: Disk>(&mut self, disk: &mut D, completion: Completion) -> Born {
        let Completion { result, bytes, .. } = completion;
        let done = match result {
            Ok(done) => done,
            Err(error) => {
                let synced = matches!(self.step, Step::Sync | Step::Folder);
                return Born::Failed { synced, error };
            }
        };
        let (operation, step) = match (self.step, done) {
            (Step::Create, Done::Created(file)) => {
                self.file = Some(file);
                let bytes = std::mem::take(&mut self.bytes);
                (Operation::Write { file, at: 0, bytes, from: 0 }, Step::Write(0))
            }
            (Step::Write(_), Done::Written(0)) => {
                let error = DiskError::NoSpace { what: "write", file: self.unborn.clone() };
                return Born::Failed { synced: false, error };
            }
            (Step::Write(before), Done::Written(more)) => {
                let (file, from, bytes) =
                    (self.open_file(), before + more, bytes.unwrap_or_default());
                if from < bytes.len() {
                    (Operation::Write { file, at: from as u64, bytes, from }, Step::Write(from))
                } else {
                    (Operation::Sync(file), Step::Sync)
                }
            }
            (Step::Sync, _) => {
                let (from, to) = (self.unborn.clone(), self.name.clone());
                (Operation::Rename { from, to }, Step::Name)
            }
            (Step::Name, _) => (Operation::SyncFolder, Step::Folder),
            (Step::Folder, _) => return Born::Done(self.open_file()),
            (step, done) => unreachable!("Invariant: {step:?} does not end as {done:?}"),
        };
        self.ticket = submit(disk, operation);
        self.step = step;
        Born::Going
    }

    fn open_file(&self) -> FileId {
        let Some(file) = self.file else { unreachable!("Invariant: it was made first") };
        file
    }
}
