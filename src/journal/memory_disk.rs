//! A disk in memory for this room's tests: short writes, failures at a chosen operation, loss of power.
//!
//! Cloned handles share one disk, so a test can look at what a writer owns. What power would leave of
//! each file is kept sector by sector: old or new, as a seed has it, for what was not synced.

use crate::host::disk::{
    Busy, Completion, Disk, DiskError, Done, FileEntry, FileId, OPERATIONS_MAX, Operation, Ticket,
};
use crate::host::net::Wait;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// What a loss of power takes or leaves as a whole.
const SECTOR: usize = 512;

/// Which operations a planted failure is for.
pub(super) type Matching = fn(&Operation) -> bool;

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Content>,
    open: Vec<Option<String>>,
    queue: VecDeque<(Ticket, Operation)>,
    submitted: u64,
    /// Bytes that one write takes at most.
    short: Option<usize>,
    /// Operations of this kind fail from the n-th on.
    failing: Option<(Matching, usize, i32)>,
    /// How many of them there were.
    matched: usize,
}

/// One handle of the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryDisk(Rc<RefCell<State>>);

impl MemoryDisk {
    /// Every write takes at most `bytes`.
    pub(super) fn with_short_writes(self, bytes: usize) -> MemoryDisk {
        self.0.borrow_mut().short = Some(bytes);
        self
    }

    /// From the `nth` operation that matches on, all that match fail.
    pub(super) fn fail(&self, matching: Matching, nth: usize, errno: i32) {
        let mut state = self.0.borrow_mut();
        state.failing = Some((matching, nth, errno));
        state.matched = 0;
    }

    /// The bytes of a file as they are read now.
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        self.0.borrow().files[name].bytes.clone()
    }

    /// Names of all files.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.borrow().files.keys().cloned().collect()
    }

    /// A disk with these files.
    pub(super) fn of(files: &[(String, Vec<u8>)]) -> MemoryDisk {
        let disk = MemoryDisk::default();
        for (name, bytes) in files {
            disk.put(name, bytes.clone());
        }
        disk
    }

    /// Sets a file's bytes.
    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) {
        let content = Content { synced: bytes.clone(), bytes };
        self.0.borrow_mut().files.insert(name.to_owned(), content);
    }

    /// Removes a file behind everybody's back.
    pub(super) fn lose(&self, name: &str) {
        self.0.borrow_mut().files.remove(name);
    }

    /// What is found after power was lost: of each sector the synced bytes or those written since.
    pub(super) fn after_power_loss(&self, seed: u64) -> MemoryDisk {
        let mut random = seed;
        let mut files = Vec::new();
        for (name, content) in &self.0.borrow().files {
            let mut bytes = content.synced.clone();
            bytes.resize(content.bytes.len().max(bytes.len()), 0);
            for (old, new) in bytes.chunks_mut(SECTOR).zip(content.bytes.chunks(SECTOR)) {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
                if random >> 63 == 1 {
                    old[..new.len()].copy_from_slice(new);
                }
            }
            files.push((name.clone(), bytes));
        }
        MemoryDisk::of(&files)
    }
}

impl State {
    fn name(&self, file: FileId) -> Result<String, DiskError> {
        let name = self.open.get(file.0 as usize).cloned().flatten();
        name.ok_or(DiskError::System { what: "use", file: "?".to_owned(), errno: libc::EBADF })
    }

    fn content(&mut self, file: FileId) -> Result<&mut Content, DiskError> {
        let name = self.name(file)?;
        let missing = DiskError::Missing { what: "use", file: name.clone() };
        self.files.get_mut(&name).ok_or(missing)
    }

    fn keep(&mut self, name: &str) -> FileId {
        self.open.push(Some(name.to_owned()));
        FileId(self.open.len() as u32 - 1)
    }

    fn run(&mut self, operation: &Operation) -> Result<Done, DiskError> {
        if let Some((matching, nth, errno)) = self.failing
            && matching(operation)
        {
            self.matched += 1;
            if self.matched >= nth {
                return Err(DiskError::from_errno("run", "a planted failure", errno));
            }
        }
        match operation {
            Operation::Create { name, len } => {
                if self.files.contains_key(name) {
                    return Err(DiskError::Exists { what: "create", file: name.clone() });
                }
                let bytes = vec![0; *len as usize];
                self.files.insert(name.clone(), Content { synced: bytes.clone(), bytes });
                return Ok(Done::Created(self.keep(name)));
            }
            Operation::Write { file, at, bytes, from } => {
                let taken = (bytes.len() - from).min(self.short.unwrap_or(usize::MAX));
                let at = *at as usize;
                let content = self.content(*file)?;
                let len = content.bytes.len().max(at + taken);
                content.bytes.resize(len, 0);
                content.bytes[at..at + taken].copy_from_slice(&bytes[*from..from + taken]);
                return Ok(Done::Written(taken));
            }
            Operation::Sync(file) => {
                let content = self.content(*file)?;
                content.synced.clone_from(&content.bytes);
            }
            Operation::SetLength { file, len } => {
                self.content(*file)?.bytes.resize(*len as usize, 0);
            }
            Operation::Rename { from, to } => {
                let missing = DiskError::Missing { what: "rename", file: from.clone() };
                let content = self.files.remove(from).ok_or(missing)?;
                self.files.insert(to.clone(), content);
                for name in self.open.iter_mut().flatten().filter(|name| *name == from) {
                    name.clone_from(to);
                }
            }
            Operation::Remove(name) => {
                let missing = DiskError::Missing { what: "remove", file: name.clone() };
                self.files.remove(name).ok_or(missing)?;
            }
            Operation::SyncFolder => {}
        }
        Ok(Done::Finished)
    }
}

impl Disk for MemoryDisk {
    fn submit(&mut self, operation: Operation) -> Result<Ticket, Busy> {
        let mut state = self.0.borrow_mut();
        if state.queue.len() == OPERATIONS_MAX {
            return Err(Busy(operation));
        }
        state.submitted += 1;
        let ticket = Ticket(state.submitted);
        state.queue.push_back((ticket, operation));
        Ok(ticket)
    }

    fn poll(&mut self, _wait: Wait) -> Option<Completion> {
        let mut state = self.0.borrow_mut();
        let (ticket, operation) = state.queue.pop_front()?;
        let result = state.run(&operation);
        let bytes = match operation {
            Operation::Write { bytes, .. } => Some(bytes),
            _ => None,
        };
        Some(Completion { ticket, result, bytes })
    }

    fn in_flight(&self) -> usize {
        self.0.borrow().queue.len()
    }

    fn list(&mut self) -> Result<Vec<FileEntry>, DiskError> {
        let state = self.0.borrow();
        let entry = |(name, content): (&String, &Content)| FileEntry {
            name: name.clone(),
            len: content.bytes.len() as u64,
        };
        Ok(state.files.iter().map(entry).collect())
    }

    fn open(&mut self, name: &str) -> Result<FileId, DiskError> {
        let mut state = self.0.borrow_mut();
        if !state.files.contains_key(name) {
            return Err(DiskError::Missing { what: "open", file: name.to_owned() });
        }
        Ok(state.keep(name))
    }

    fn close(&mut self, file: FileId) {
        self.0.borrow_mut().open[file.0 as usize] = None;
    }

    fn length(&mut self, file: FileId) -> Result<u64, DiskError> {
        Ok(self.0.borrow_mut().content(file)?.bytes.len() as u64)
    }

    fn read(&mut self, file: FileId, at: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let mut state = self.0.borrow_mut();
        let bytes = &state.content(file)?.bytes;
        let rest = bytes.get(at as usize..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn free_space(&mut self) -> Result<u64, DiskError> {
        Ok(1 << 40)
    }

    fn describe(&self) -> String {
        "files in memory".to_owned()
    }
}
