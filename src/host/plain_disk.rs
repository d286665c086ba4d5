//! The disk of plain system calls: each operation is carried out by the `poll` that reports it.
//!
//! The meaning of [`crate::host::disk::Disk`]. [`Folder`] is what both real disks share: open files
//! by slot, the lock, and every call that answers at once.

#![allow(unsafe_code, reason = "fallocate and fstatvfs have no safe wrapper in std")]

use crate::host::disk::{
    Access, Busy, Completion, Disk, DiskError, Done, FileEntry, FileId, OPERATIONS_MAX, Operation,
    Ticket,
};
use crate::host::net::Wait;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// File that says who writes in a folder, and is locked while they do.
const LOCK: &str = "lock";

/// Plain calls.
pub struct PlainDisk {
    folder: Folder,
    queue: VecDeque<(Ticket, Operation)>,
    submitted: u64,
}

/// An open folder and its open files.
pub(super) struct Folder {
    path: PathBuf,
    handle: File,
    files: Vec<Option<(String, File)>>,
    /// Held for its lock, which ends with it.
    _lock: Option<File>,
}

impl PlainDisk {
    /// Opens a folder.
    ///
    /// # Errors
    /// When it is missing, or in use.
    pub fn open(folder: &Path, access: Access) -> Result<PlainDisk, DiskError> {
        let folder = Folder::open(folder, access)?;
        Ok(PlainDisk { folder, queue: VecDeque::with_capacity(OPERATIONS_MAX), submitted: 0 })
    }
}

impl Disk for PlainDisk {
    fn submit(&mut self, operation: Operation) -> Result<Ticket, Busy> {
        if self.queue.len() == OPERATIONS_MAX {
            return Err(Busy(operation));
        }
        self.submitted += 1;
        let ticket = Ticket(self.submitted);
        self.queue.push_back((ticket, operation));
        Ok(ticket)
    }

    fn poll(&mut self, _wait: Wait) -> Option<Completion> {
        let (ticket, operation) = self.queue.pop_front()?;
        let (result, bytes) = match operation {
            Operation::Create { name, len } => (self.create(&name, len), None),
            Operation::Write { file, at, bytes, from } => {
                (self.folder.write(file, at, &bytes[from..]), Some(bytes))
            }
            Operation::Sync(file) => (self.folder.sync(file), None),
            other => (self.folder.carry_out(&other), None),
        };
        Some(Completion { ticket, result, bytes })
    }

    fn in_flight(&self) -> usize {
        self.queue.len()
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
        format!("plain files in {}", self.folder.path.display())
    }
}

impl PlainDisk {
    fn create(&mut self, name: &str, len: u64) -> Result<Done, DiskError> {
        let file = self.folder.create(name)?;
        let errno = preallocate(self.folder.file(file)?.1, len);
        self.folder.created(file, len, errno)
    }
}

/// Gives the file its blocks; the system's number where it could not.
fn preallocate(file: &File, len: u64) -> i32 {
    if len == 0 {
        return 0; // the kernel refuses to give no bytes at all
    }
    // SAFETY: takes a descriptor and numbers only.
    let code = unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, len as libc::off_t) };
    if code == 0 { 0 } else { io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) }
}

impl Folder {
    pub(super) fn open(path: &Path, access: Access) -> Result<Folder, DiskError> {
        let name = path.display().to_string();
        let failed = |what| {
            let name = name.clone();
            move |error: io::Error| DiskError::from_io(what, &name, &error)
        };
        if access == Access::Own {
            fs::create_dir_all(path).map_err(failed("make the folder"))?;
        }
        let handle = File::open(path).map_err(failed("open the folder"))?;
        let lock = match access {
            Access::Read => None,
            Access::Own => Some(lock(path, &name)?),
        };
        Ok(Folder { path: path.to_owned(), handle, files: Vec::new(), _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor of the folder itself.
    pub(super) fn handle(&self) -> &File {
        &self.handle
    }

    fn place(&self, name: &str) -> PathBuf {
        assert!(
            !name.is_empty() && !name.contains('/') && !name.starts_with('.'),
            "Invariant: {name:?} names a file of the folder"
        );
        self.path.join(name)
    }

    pub(super) fn file(&self, file: FileId) -> Result<(&str, &File), DiskError> {
        match self.files.get(file.0 as usize) {
            Some(Some((name, file))) => Ok((name, file)),
            _ => Err(DiskError::from_errno("use", "a closed file", libc::EBADF)),
        }
    }

    fn keep(&mut self, name: &str, file: File) -> FileId {
        let free = self.files.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.files.push(None);
            self.files.len() - 1
        });
        self.files[slot] = Some((name.to_owned(), file));
        FileId(slot as u32)
    }

    /// Makes an empty file.
    pub(super) fn create(&mut self, name: &str) -> Result<FileId, DiskError> {
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).open(self.place(name));
        let file = file.map_err(|error| DiskError::from_io("create", name, &error))?;
        Ok(self.keep(name, file))
    }

    /// What `Create` comes to, once its blocks were asked for.
    pub(super) fn created(
        &mut self,
        file: FileId,
        len: u64,
        errno: i32,
    ) -> Result<Done, DiskError> {
        let (name, handle) = self.file(file)?;
        let result = match errno {
            0 => Ok(()),
            // This file system cannot; the writer then learns of a full disk when it writes.
            libc::EOPNOTSUPP => {
                handle.set_len(len).map_err(|error| DiskError::from_io("preallocate", name, &error))
            }
            errno => Err(DiskError::from_errno("preallocate", name, errno)),
        };
        if let Err(error) = result {
            let place = self.place(name);
            self.close(file);
            // What could not get its room is not left behind half made.
            let _ = fs::remove_file(place);
            return Err(error);
        }
        Ok(Done::Created(file))
    }

    fn write(&self, file: FileId, at: u64, bytes: &[u8]) -> Result<Done, DiskError> {
        let (name, handle) = self.file(file)?;
        let written = handle.write_at(bytes, at);
        written.map(Done::Written).map_err(|error| DiskError::from_io("write", name, &error))
    }

    fn sync(&self, file: FileId) -> Result<Done, DiskError> {
        let (name, handle) = self.file(file)?;
        let synced = handle.sync_data();
        synced.map(|()| Done::Finished).map_err(|error| DiskError::from_io("sync", name, &error))
    }

    /// The operations that are short and rare, at once.
    pub(super) fn carry_out(&mut self, operation: &Operation) -> Result<Done, DiskError> {
        let (what, name, result) = match operation {
            Operation::SetLength { file, len } => {
                let (name, handle) = self.file(*file)?;
                ("cut", name.to_owned(), handle.set_len(*len))
            }
            Operation::Rename { from, to } => {
                let result = fs::rename(self.place(from), self.place(to));
                if result.is_ok() {
                    self.renamed(from, to);
                }
                ("rename", from.clone(), result)
            }
            Operation::Remove(name) => ("remove", name.clone(), fs::remove_file(self.place(name))),
            Operation::SyncFolder => {
                ("sync", self.path.display().to_string(), self.handle.sync_all())
            }
            Operation::Create { .. } | Operation::Write { .. } | Operation::Sync(_) => {
                unreachable!("Invariant: each disk has its own way with {operation:?}")
            }
        };
        result.map(|()| Done::Finished).map_err(|error| DiskError::from_io(what, &name, &error))
    }

    /// Errors name files as they are called now.
    fn renamed(&mut self, from: &str, to: &str) {
        for (name, _) in self.files.iter_mut().flatten().filter(|(name, _)| name == from) {
            to.clone_into(name);
        }
    }

    pub(super) fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
        let folder = self.path.display().to_string();
        let failed = |error: io::Error| DiskError::from_io("list", &folder, &error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let facts = entry.metadata().map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if facts.is_file() && name != LOCK && !name.starts_with('.') {
                found.push(FileEntry { name, len: facts.len() });
            }
        }
        found.sort();
        Ok(found)
    }

    pub(super) fn open_file(&mut self, name: &str) -> Result<FileId, DiskError> {
        let writes = self._lock.is_some();
        let file = OpenOptions::new().read(true).write(writes).open(self.place(name));
        let file = file.map_err(|error| DiskError::from_io("open", name, &error))?;
        Ok(self.keep(name, file))
    }

    pub(super) fn close(&mut self, file: FileId) {
        if let Some(slot) = self.files.get_mut(file.0 as usize) {
            *slot = None;
        }
    }

    pub(super) fn length(&self, file: FileId) -> Result<u64, DiskError> {
        let (name, handle) = self.file(file)?;
        let facts = handle.metadata().map_err(|error| DiskError::from_io("look at", name, &error));
        Ok(facts?.len())
    }

    pub(super) fn read(&self, file: FileId, at: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let (name, handle) = self.file(file)?;
        let mut filled = 0;
        while filled < into.len() {
            match handle.read_at(&mut into[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DiskError::from_io("read", name, &error)),
            }
        }
        Ok(filled)
    }

    pub(super) fn free_space(&self) -> Result<u64, DiskError> {
        // SAFETY: all zeros is a valid value of this struct of numbers.
        let mut facts: libc::statvfs = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is ours, the pointer is to a live struct of ours.
        if unsafe { libc::fstatvfs(self.handle.as_raw_fd(), &raw mut facts) } != 0 {
            let folder = self.path.display().to_string();
            return Err(DiskError::from_io("look at", &folder, &io::Error::last_os_error()));
        }
        Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
    }
}

/// Takes the folder's lock and signs it; the kernel drops it when the process ends, however it ends.
fn lock(path: &Path, folder: &str) -> Result<File, DiskError> {
    let place = path.join(LOCK);
    let failed = |error: io::Error| DiskError::from_io("lock", folder, &error);
    let options =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&place);
    let mut file = options.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&place).unwrap_or_default();
            let holder = holder.trim();
            let holder = if holder.is_empty() { "another process" } else { holder }.to_owned();
            return Err(DiskError::Locked { folder: folder.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let name = fs::read_to_string("/proc/self/comm").unwrap_or_default();
    let signature = format!("process {} ({})\n", std::process::id(), name.trim());
    file.set_len(0).map_err(failed)?;
    file.write_all(signature.as_bytes()).map_err(failed)?;
    Ok(file)
}
