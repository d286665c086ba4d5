//! Files of one folder behind one trait: operations in, completions out, no thread of its own.
//!
//! Input: `submit` (create, write, sync, cut, rename, remove). Output: `poll`, one completion at a
//! time. Reading, listing and opening answer at once: only starts, audits and tests read.
//! Invariants: operations in flight are at most [`OPERATIONS_MAX`]; they may be carried out in any
//! order, so whoever needs one wins it by waiting for the other's completion; a write may take fewer
//! bytes than it was given; what was written is durable only when a later `Sync` of the file
//! succeeded, a name only when a later `SyncFolder` did; after a failed sync nothing is known of what
//! was written since the last good one.
//! Twins: [`crate::host::plain_disk::PlainDisk`] (the meaning) and
//! [`crate::host::uring::UringDisk`]; a simulator brings a third.
//! Deliberately absent: folders in folders, time, retries.

use crate::host::net::Wait;
use crate::host::plain_disk::PlainDisk;
use crate::host::uring::UringDisk;
use std::io;
use std::path::Path;

/// Operations that may be in flight at a time: a writer has a handful.
pub const OPERATIONS_MAX: usize = 32;

/// An open file of one [`Disk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// Which operation a completion belongs to; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Makes and opens a file of this name, which must not exist, with `len` bytes of room that read
    /// as zeros.
    Create {
        /// Its name in the folder.
        name: String,
        /// Bytes of room.
        len: u64,
    },
    /// Writes `bytes[from..]` at a place; the bytes come back with the completion.
    Write {
        /// Where.
        file: FileId,
        /// Which byte of the file.
        at: u64,
        /// What.
        bytes: Vec<u8>,
        /// First of the bytes to write: what came before was taken by an earlier, short write.
        from: usize,
    },
    /// Makes everything written to the file so far durable, its length included.
    Sync(FileId),
    /// Cuts or grows a file.
    SetLength {
        /// Which.
        file: FileId,
        /// Bytes afterwards.
        len: u64,
    },
    /// Gives a file another name; a file that has it already is replaced, at once and as a whole.
    Rename {
        /// The name it has.
        from: String,
        /// The name it gets.
        to: String,
    },
    /// Removes a file.
    Remove(String),
    /// Makes the names in the folder durable.
    SyncFolder,
}

/// What came of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// A file was made and is open.
    Created(FileId),
    /// So many bytes were written, perhaps fewer than asked for.
    Written(usize),
    /// Anything else was carried out.
    Finished,
}

/// An operation that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Which.
    pub ticket: Ticket,
    /// What came of it.
    pub result: Result<Done, DiskError>,
    /// The bytes of a write.
    pub bytes: Option<Vec<u8>>,
}

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Bytes in it.
    pub len: u64,
}

/// Every place for operations is taken; here is the operation again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{OPERATIONS_MAX} disk operations are in flight already")]
pub struct Busy(pub Operation);

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// The disk (or the quota) is full.
    #[error("{what} {file}: no space left on the disk; free some, or keep the journal elsewhere")]
    NoSpace {
        /// What was attempted.
        what: &'static str,
        /// On which file.
        file: String,
    },
    /// There is no such file or folder.
    #[error("{what} {file}: there is no such file")]
    Missing {
        /// What was attempted.
        what: &'static str,
        /// On which file.
        file: String,
    },
    /// There is such a file already.
    #[error("{what} {file}: there is a file of that name already")]
    Exists {
        /// What was attempted.
        what: &'static str,
        /// On which file.
        file: String,
    },
    /// Another process writes here.
    #[error("{folder} is in use by {holder}; stop it, or give this run a folder of its own")]
    Locked {
        /// The folder.
        folder: String,
        /// The process, as it wrote itself into the lock.
        holder: String,
    },
    /// The kernel lacks or forbids what this disk needs.
    #[error("{what} is not available: {}; choose the plain disk", words(*errno))]
    Unsupported {
        /// What was asked of the kernel.
        what: &'static str,
        /// The system's number.
        errno: i32,
    },
    /// Any other failure of the system.
    #[error("{what} {file}: {}", words(*errno))]
    System {
        /// What was attempted.
        what: &'static str,
        /// On which file.
        file: String,
        /// The system's number.
        errno: i32,
    },
}

fn words(errno: i32) -> String {
    io::Error::from_raw_os_error(errno).to_string()
}

impl DiskError {
    /// The error of a system call.
    #[must_use]
    pub fn from_errno(what: &'static str, file: &str, errno: i32) -> DiskError {
        let file = file.to_owned();
        match errno {
            libc::ENOSPC | libc::EDQUOT => DiskError::NoSpace { what, file },
            libc::ENOENT => DiskError::Missing { what, file },
            libc::EEXIST => DiskError::Exists { what, file },
            errno => DiskError::System { what, file, errno },
        }
    }

    /// The system's number, for reports; zero when there was none.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        match self {
            DiskError::NoSpace { .. } => libc::ENOSPC,
            DiskError::Missing { .. } => libc::ENOENT,
            DiskError::Exists { .. } => libc::EEXIST,
            DiskError::Locked { .. } => libc::EAGAIN,
            DiskError::Unsupported { errno, .. } | DiskError::System { errno, .. } => *errno,
        }
    }

    pub(super) fn from_io(what: &'static str, file: &str, error: &io::Error) -> DiskError {
        DiskError::from_errno(what, file, error.raw_os_error().unwrap_or(libc::EIO))
    }
}

/// Files of one folder, for one thread.
pub trait Disk {
    /// Starts an operation; its completion comes out of `poll`.
    ///
    /// # Errors
    /// `Busy` with the operation when too many are in flight.
    fn submit(&mut self, operation: Operation) -> Result<Ticket, Busy>;
    /// The next operation that ended; nothing when none did in the time given.
    fn poll(&mut self, wait: Wait) -> Option<Completion>;
    /// Operations submitted whose completion `poll` has not given.
    fn in_flight(&self) -> usize;
    /// The files of the folder, by name.
    ///
    /// # Errors
    /// When the folder cannot be read.
    fn list(&mut self) -> Result<Vec<FileEntry>, DiskError>;
    /// Opens a file that exists.
    ///
    /// # Errors
    /// When it does not, or may not be opened.
    fn open(&mut self, name: &str) -> Result<FileId, DiskError>;
    /// Closes a file; its operations in flight still end.
    fn close(&mut self, file: FileId);
    /// Bytes in a file.
    ///
    /// # Errors
    /// When the system cannot say.
    fn length(&mut self, file: FileId) -> Result<u64, DiskError>;
    /// Reads from a place; fewer bytes than asked for only at the end of the file.
    ///
    /// # Errors
    /// When the system cannot read.
    fn read(&mut self, file: FileId, at: u64, into: &mut [u8]) -> Result<usize, DiskError>;
    /// Bytes that can still be written to this disk.
    ///
    /// # Errors
    /// When the system cannot say.
    fn free_space(&mut self) -> Result<u64, DiskError>;
    /// Name and what it rests on, for reports.
    fn describe(&self) -> String;
}

impl<D: Disk + ?Sized> Disk for Box<D> {
    fn submit(&mut self, operation: Operation) -> Result<Ticket, Busy> {
        (**self).submit(operation)
    }
    fn poll(&mut self, wait: Wait) -> Option<Completion> {
        (**self).poll(wait)
    }
    fn in_flight(&self) -> usize {
        (**self).in_flight()
    }
    fn list(&mut self) -> Result<Vec<FileEntry>, DiskError> {
        (**self).list()
    }
    fn open(&mut self, name: &str) -> Result<FileId, DiskError> {
        (**self).open(name)
    }
    fn close(&mut self, file: FileId) {
        (**self).close(file);
    }
    fn length(&mut self, file: FileId) -> Result<u64, DiskError> {
        (**self).length(file)
    }
    fn read(&mut self, file: FileId, at: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        (**self).read(file, at, into)
    }
    fn free_space(&mut self) -> Result<u64, DiskError> {
        (**self).free_space()
    }
    fn describe(&self) -> String {
        (**self).describe()
    }
}

/// Carries out one operation and waits for it: for starts and ends, while nothing else is in flight.
///
/// # Errors
/// What the operation came to.
pub fn complete(disk: &mut dyn Disk, operation: Operation) -> Result<Done, DiskError> {
    assert_eq!(disk.in_flight(), 0, "Invariant: nobody else waits for a completion");
    let Ok(ticket) = disk.submit(operation) else {
        unreachable!("Invariant: a disk with nothing in flight takes an operation")
    };
    loop {
        if let Some(completion) = disk.poll(Wait::Block(crate::units::Nanos::SECOND)) {
            assert_eq!(completion.ticket, ticket, "Invariant: nothing else was in flight");
            return completion.result;
        }
    }
}

/// Writes all of `bytes`, however short the single writes are.
///
/// # Errors
/// The first failure; a write that takes nothing counts as no space.
pub fn write_all(
    disk: &mut dyn Disk,
    file: FileId,
    name: &str,
    at: u64,
    bytes: &[u8],
) -> Result<(), DiskError> {
    let mut from = 0;
    while from < bytes.len() {
        let bytes = bytes.to_vec();
        match complete(disk, Operation::Write { file, at: at + from as u64, bytes, from })? {
            Done::Written(0) => {
                return Err(DiskError::NoSpace { what: "write", file: name.to_owned() });
            }
            Done::Written(taken) => from += taken,
            done => unreachable!("Invariant: a write ends as written, not as {done:?}"),
        }
    }
    Ok(())
}

/// Which disk to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskKind {
    /// Plain system calls, carried out by `poll`.
    Plain,
    /// io_uring: the kernel works while the caller does something else.
    Uring,
}

/// What the folder is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read what is there, whoever writes it.
    Read,
    /// To write, alone: the folder is made if need be and locked for as long as the disk lives.
    Own,
}

/// Opens a folder. The disk belongs to the thread that first submits to it.
///
/// # Errors
/// When the folder is missing or in use, or the kernel lacks what the kind needs.
pub fn open(
    kind: DiskKind,
    folder: &Path,
    access: Access,
) -> Result<Box<dyn Disk + Send>, DiskError> {
    Ok(match kind {
        DiskKind::Plain => Box::new(PlainDisk::open(folder, access)?),
        DiskKind::Uring => Box::new(UringDisk::open(folder, access)?),
    })
}
