//! The disk over io_uring: writes, syncs and preallocations are the kernel's work between two polls.
//!
//! Each operation in flight has a slot that keeps its bytes alive until the kernel is done with them;
//! dropping the disk waits for them all. Cutting, renaming and removing are done at once: they are
//! rare and touch no data.

#![allow(unsafe_code, reason = "submissions name memory by address")]

use crate::host::disk::{
    Access, Busy, Completion, Disk, DiskError, Done, FileEntry, FileId, OPERATIONS_MAX, Operation,
    Ticket,
};
use crate::host::net::Wait;
use crate::host::plain_disk::Folder;
use io_uring::types::{Fd, FsyncFlags, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};
use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

/// Rounds of waiting for the kernel to end operations when the disk is dropped, a second each.
const DROP_ROUNDS: usize = 600;

/// One operation in the kernel's hands.
struct InFlight {
    ticket: Ticket,
    operation: Operation,
    /// The file a `Create` has made, still without its blocks.
    created: Option<FileId>,
}

/// The io_uring disk.
pub struct UringDisk {
    /// Dropped before `slots`, whose bytes the kernel reads; `drop` waits for it to be done.
    ring: IoUring,
    slots: Vec<Option<InFlight>>,
    done: VecDeque<Completion>,
    folder: Folder,
    submitted: u64,
}

impl UringDisk {
    /// Opens a folder.
    ///
    /// # Errors
    /// When it is missing or in use, or io_uring is not to be had.
    pub fn open(folder: &Path, access: Access) -> Result<UringDisk, DiskError> {
        let ring = IoUring::builder().dontfork().build(OPERATIONS_MAX as u32);
        let ring = ring.map_err(|error| DiskError::Unsupported {
            what: "io_uring",
            errno: error.raw_os_error().unwrap_or(libc::ENOSYS),
        })?;
        Ok(UringDisk {
            ring,
            slots: (0..OPERATIONS_MAX).map(|_| None).collect(),
            done: VecDeque::with_capacity(OPERATIONS_MAX),
            folder: Folder::open(folder, access)?,
            submitted: 0,
        })
    }

    fn busy_slots(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// The kernel's form of an operation, if it is one for the kernel.
    fn entry(
        &mut self,
        operation: &Operation,
    ) -> Result<Option<(squeue::Entry, Option<FileId>)>, DiskError> {
        Ok(match operation {
            Operation::Create { name, len } => {
                let file = self.folder.create(name)?;
                let fd = Fd(self.folder.file(file)?.1.as_raw_fd());
                // The kernel refuses to give no bytes at all.
                let empty = *len == 0;
                let make = || opcode::Fallocate::new(fd, *len).build();
                Some((if empty { opcode::Nop::new().build() } else { make() }, Some(file)))
            }
            Operation::Write { file, at, bytes, from } => {
                let fd = Fd(self.folder.file(*file)?.1.as_raw_fd());
                let bytes = &bytes[*from..];
                let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                Some((opcode::Write::new(fd, bytes.as_ptr(), len).offset(*at).build(), None))
            }
            Operation::Sync(file) => {
                let fd = Fd(self.folder.file(*file)?.1.as_raw_fd());
                Some((opcode::Fsync::new(fd).flags(FsyncFlags::DATASYNC).build(), None))
            }
            Operation::SyncFolder => {
                let fd = Fd(self.folder.handle().as_raw_fd());
                Some((opcode::Fsync::new(fd).build(), None))
            }
            Operation::SetLength { .. } | Operation::Rename { .. } | Operation::Remove(_) => None,
        })
    }

    fn finish(&mut self, ticket: Ticket, operation: Operation, result: Result<Done, DiskError>) {
        let bytes = match operation {
            Operation::Write { bytes, .. } => Some(bytes),
            _ => None,
        };
        self.done.push_back(Completion { ticket, result, bytes });
    }

    /// Takes what the kernel has finished.
    fn reap(&mut self) {
        loop {
            let entry = self.ring.completion().next();
            let Some(entry) = entry else { return };
            let slot = entry.user_data() as usize;
            let Some(in_flight) = self.slots.get_mut(slot).and_then(Option::take) else {
                debug_assert!(false, "Invariant: a completion has a slot");
                continue;
            };
            let InFlight { ticket, operation, created } = in_flight;
            let errno = if entry.result() < 0 { -entry.result() } else { 0 };
            let result = match (&operation, created) {
                (Operation::Create { len, .. }, Some(file)) => {
                    self.folder.created(file, *len, errno)
                }
                (_, _) if errno != 0 => Err(self.failure(&operation, errno)),
                (Operation::Write { .. }, _) => Ok(Done::Written(entry.result() as usize)),
                _ => Ok(Done::Finished),
            };
            self.finish(ticket, operation, result);
        }
    }

    fn failure(&self, operation: &Operation, errno: i32) -> DiskError {
        let (what, file) = match operation {
            Operation::Write { file, .. } => ("write", Some(*file)),
            Operation::Sync(file) => ("sync", Some(*file)),
            _ => ("sync", None),
        };
        let folder = self.folder.path().display().to_string();
        let name = match file.map(|file| self.folder.file(file)) {
            Some(Ok((name, _))) => name.to_owned(),
            _ => folder,
        };
        DiskError::from_errno(what, &name, errno)
    }

    /// Hands the queue to the kernel and waits for one completion if asked to.
    fn enter(&mut self, wait: Wait) {
        let blocks = self.busy_slots() > 0 && self.ring.completion().is_empty();
        let submitter = self.ring.submitter();
        // Time is up, a signal came, or completions must be taken first: the next poll goes on.
        let _ = match wait {
            Wait::Block(span) if blocks => {
                let time = Timespec::from(Duration::from_nanos(span.0));
                submitter.submit_with_args(1, &SubmitArgs::new().timespec(&time))
            }
            _ => submitter.submit(),
        };
    }
}

impl Disk for UringDisk {
    fn submit(&mut self, operation: Operation) -> Result<Ticket, Busy> {
        let free = self.slots.iter().position(Option::is_none);
        let Some(slot) = free.filter(|_| self.in_flight() < OPERATIONS_MAX) else {
            return Err(Busy(operation));
        };
        self.submitted += 1;
        let ticket = Ticket(self.submitted);
        match self.entry(&operation) {
            Err(error) => self.finish(ticket, operation, Err(error)),
            Ok(None) => {
                let result = self.folder.carry_out(&operation);
                self.finish(ticket, operation, result);
            }
            Ok(Some((entry, created))) => {
                // The bytes' memory stays where it is when the operation moves into its slot.
                self.slots[slot] = Some(InFlight { ticket, operation, created });
                let entry = entry.user_data(slot as u64);
                // SAFETY: what the entry points at is owned by the slot until the completion, and
                // `drop` waits for that.
                let pushed = unsafe { self.ring.submission().push(&entry) };
                assert!(pushed.is_ok(), "Invariant: the queue holds as many as may be in flight");
                self.enter(Wait::Busy);
            }
        }
        Ok(ticket)
    }

    fn poll(&mut self, wait: Wait) -> Option<Completion> {
        self.reap();
        if self.done.is_empty() && self.busy_slots() > 0 {
            self.enter(wait);
            self.reap();
        }
        self.done.pop_front()
    }

    fn in_flight(&self) -> usize {
        self.busy_slots() + self.done.len()
    }

    fn list(&mut self) -> Result<Vec<FileEntry>, DiskError> {
        self.folder.list()
    }

    fn open(&mut self, name: &str) -> Result<FileId, DiskError> {
        self.folder.open_file(name)
    }

    fn close(&mut self, file: FileId) {
        self.folder.close(file);
    }

    fn length(&mut self, file: FileId) -> Result<u64, DiskError> {
        self.folder.length(file)
    }

    fn read(&mut self, file: FileId, at: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.folder.read(file, at, into)
    }

    fn free_space(&mut self) -> Result<u64, DiskError> {
        self.folder.free_space()
    }

    fn describe(&self) -> String {
        format!("files over io_uring in {}", self.folder.path().display())
    }
}

impl Drop for UringDisk {
    fn drop(&mut self) {
        for _ in 0..DROP_ROUNDS {
            self.reap();
            if self.busy_slots() == 0 {
                return;
            }
            self.enter(Wait::Block(crate::units::Nanos::SECOND));
        }
        // The kernel still reads these bytes: better lost than freed.
        std::mem::forget(std::mem::take(&mut self.slots));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no io_uring")]
    fn a_refused_ring_is_an_error_that_says_what_to_do() {
        let error = DiskError::Unsupported { what: "io_uring", errno: libc::EPERM };
        let words = error.to_string();
        assert!(words.contains("io_uring") && words.contains("choose the plain disk"), "{words}");
        assert_eq!(
            io::Error::from_raw_os_error(error.errno()).kind(),
            io::ErrorKind::PermissionDenied
        );
    }
}
