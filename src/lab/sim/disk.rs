//! A disk in memory behind `host::Disk`: operations take time, end in any order, and can go wrong.
//!
//! Cloned handles share one folder, so that it outlives the process that used it. Each file remembers,
//! sector by sector, what was there when it was last synced: that is what a loss of power may bring
//! back, for any of the sectors written since. Names are durable by `SyncFolder`; of those changed since
//! a loss of power keeps the first so many.
//! Invariants: synced sectors survive everything but a planted rot, which is remembered and can be
//! undone; seed, calls and times decide everything.
//! Deliberately absent: folders in folders, more than one process at a time.

use super::clock::SimTime;
use crate::host::disk::{
    Busy, Completion, Disk, DiskError, Done, FileEntry, FileId, OPERATIONS_MAX, Operation, Ticket,
};
use crate::host::net::Wait;
use crate::maths::random::Random;
use crate::units::Nanos;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a loss of power takes or leaves as a whole.
const SECTOR: usize = 512;
/// Longest time of an operation on a good day; each draws its own.
const LATENCY_MAX: u64 = 1_500_000;
/// Space of the disk.
const SPACE: u64 = 1 << 40;

/// A file's bytes, and what a loss of power may bring back.
#[derive(Clone, Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    /// Sectors written since the last sync, as they were then.
    dirty: BTreeMap<usize, Vec<u8>>,
    /// Sectors that a failed sync dropped: they read as written until power is lost.
    dropped: BTreeMap<usize, Vec<u8>>,
    /// The same without the rotten bits, once there are any: what a restored copy holds.
    sound: Option<Box<Inode>>,
}

/// A change of names that is not durable.
#[derive(Clone, Debug)]
enum Naming {
    Put(String, u64),
    Take(String),
}

#[derive(Debug)]
struct Platter {
    time: SimTime,
    random: Random,
    inodes: BTreeMap<u64, Inode>,
    made: u64,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    namings: Vec<Naming>,
    open: BTreeMap<u32, u64>,
    opened: u32,
    queue: BTreeMap<(Nanos, u64), Operation>,
    submitted: u64,
    // faults
    full_until: Nanos,
    short_writes: u64,
    sync_errors: u64,
    slow: (Nanos, Nanos),
}

/// One handle of the disk.
#[derive(Clone, Debug)]
pub struct SimDisk(Rc<RefCell<Platter>>);

impl Inode {
    fn touch(&mut self, at: usize, end: usize) {
        for sector in at / SECTOR..end.div_ceil(SECTOR) {
            if !self.dirty.contains_key(&sector) {
                let old = self.bytes.chunks(SECTOR).nth(sector).unwrap_or_default().to_vec();
                // What a failed sync dropped is older still on the platter.
                let old = self.dropped.remove(&sector).unwrap_or(old);
                self.dirty.insert(sector, old);
            }
        }
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        self.touch(at, end);
        let len = self.bytes.len().max(end);
        self.bytes.resize(len, 0);
        self.bytes[at..end].copy_from_slice(bytes);
        if let Some(sound) = &mut self.sound {
            sound.write(at, bytes);
        }
    }

    fn set_len(&mut self, len: usize) {
        let before = self.bytes.len();
        self.touch(len.min(before), before.max(len));
        self.bytes.resize(len, 0);
        if let Some(sound) = &mut self.sound {
            sound.set_len(len);
        }
    }

    /// A sync: what was written is durable, or dropped for good.
    fn sync(&mut self, fails: bool) {
        for (sector, old) in std::mem::take(&mut self.dirty) {
            if fails {
                self.dropped.entry(sector).or_insert(old);
            }
        }
        if let Some(sound) = &mut self.sound {
            sound.sync(fails);
        }
    }

    /// Power is lost: these sectors, and those that a sync dropped, are as they were.
    fn lose(&mut self, sectors: &[usize]) {
        for (sector, old) in std::mem::take(&mut self.dropped) {
            self.put_back(sector, &old);
        }
        for (sector, old) in std::mem::take(&mut self.dirty) {
            if sectors.contains(&sector) {
                self.put_back(sector, &old);
            }
        }
        if let Some(sound) = &mut self.sound {
            sound.lose(sectors);
        }
    }

    fn rot(&mut self, byte: usize, bit: u8) {
        if self.sound.is_none() {
            self.sound = Some(Box::new(self.clone()));
        }
        self.bytes[byte] ^= 1 << bit;
    }

    fn put_back(&mut self, sector: usize, old: &[u8]) {
        let at = sector * SECTOR;
        let end = (at + SECTOR).min(self.bytes.len());
        if at < end {
            self.bytes[at..end].fill(0);
            let len = old.len().min(end - at);
            self.bytes[at..at + len].copy_from_slice(&old[..len]);
        }
    }
}

impl SimDisk {
    /// An empty folder.
    #[must_use]
    pub fn new(time: SimTime, seed: u64) -> SimDisk {
        SimDisk(Rc::new(RefCell::new(Platter {
            time,
            random: Random::new(seed, 0x6469_736b),
            inodes: BTreeMap::new(),
            made: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            namings: Vec::new(),
            open: BTreeMap::new(),
            opened: 0,
            queue: BTreeMap::new(),
            submitted: 0,
            full_until: Nanos(0),
            short_writes: 0,
            sync_errors: 0,
            slow: (Nanos(0), Nanos(0)),
        })))
    }

    /// When the next operation ends.
    #[must_use]
    pub fn next_time(&self) -> Option<Nanos> {
        self.0.borrow().queue.first_key_value().map(|((at, _), _)| *at)
    }

    // ---- faults ----

    /// No space until a time: nothing is made, and one write in four finds none either.
    pub fn fill(&self, until: Nanos) {
        let mut platter = self.0.borrow_mut();
        platter.full_until = platter.full_until.max(until);
    }

    /// The next writes take only a part of what they are given.
    pub fn shorten(&self, writes: u64) {
        self.0.borrow_mut().short_writes += writes;
    }

    /// The next syncs of a file fail, and what they should have made durable is dropped.
    pub fn fail_syncs(&self, syncs: u64) {
        self.0.borrow_mut().sync_errors += syncs;
    }

    /// Every operation takes so much longer, until a time.
    pub fn slow_down(&self, by: Nanos, until: Nanos) {
        self.0.borrow_mut().slow = (by, until);
    }

    /// Flips a bit: of something not yet synced, or of anything. `pick` decides which.
    pub fn rot(&self, pick: u64, synced_too: bool) {
        self.0.borrow_mut().rot(pick, synced_too);
    }

    /// Undoes every rotten bit, as restoring from a copy does; says whether there was one.
    pub fn restore(&self) -> bool {
        let mut any = false;
        for inode in self.0.borrow_mut().inodes.values_mut() {
            if let Some(sound) = inode.sound.take() {
                any |= sound.bytes != inode.bytes;
                *inode = *sound;
            }
        }
        any
    }

    /// The process is gone: of what was under way some is carried out, some in part, some not.
    pub fn kill(&self) {
        self.0.borrow_mut().kill();
    }

    /// Power is lost. `pick` decides which sectors and names survive.
    pub fn lose_power(&self, pick: u64) {
        let mut platter = self.0.borrow_mut();
        platter.kill();
        platter.lose_power(pick);
    }
}

impl Platter {
    fn inode(&mut self, file: FileId) -> Result<&mut Inode, DiskError> {
        let bad = DiskError::System { what: "use", file: "?".to_owned(), errno: libc::EBADF };
        let number = *self.open.get(&file.0).ok_or(bad.clone())?;
        self.inodes.get_mut(&number).ok_or(bad)
    }

    fn keep(&mut self, inode: u64) -> FileId {
        self.opened += 1;
        self.open.insert(self.opened, inode);
        FileId(self.opened)
    }

    fn is_full(&self) -> bool {
        self.time.now() < self.full_until
    }

    fn rename(&mut self, naming: Naming) {
        match &naming {
            Naming::Put(name, inode) => {
                self.names.insert(name.clone(), *inode);
            }
            Naming::Take(name) => {
                self.names.remove(name);
            }
        }
        self.namings.push(naming);
    }

    fn run(&mut self, operation: &Operation) -> Result<Done, DiskError> {
        match operation {
            Operation::Create { name, len } => {
                let file = name.clone();
                if self.is_full() {
                    return Err(DiskError::NoSpace { what: "create", file });
                }
                if self.names.contains_key(name) {
                    return Err(DiskError::Exists { what: "create", file });
                }
                self.made += 1;
                let inode = self.made;
                self.inodes
                    .insert(inode, Inode { bytes: vec![0; *len as usize], ..Inode::default() });
                self.rename(Naming::Put(file, inode));
                return Ok(Done::Created(self.keep(inode)));
            }
            Operation::Write { file, at, bytes, from } => {
                if self.is_full() && self.random.below(4) == 0 {
                    return Err(DiskError::NoSpace { what: "write", file: format!("{file:?}") });
                }
                let mut rest = &bytes[*from..];
                if self.short_writes > 0 && rest.len() > 1 {
                    self.short_writes -= 1;
                    rest = &rest[..1 + self.random.below(rest.len() as u64 - 1) as usize];
                }
                self.inode(*file)?.write(*at as usize, rest);
                return Ok(Done::Written(rest.len()));
            }
            Operation::Sync(file) => {
                let fails = self.sync_errors > 0;
                self.sync_errors -= u64::from(fails);
                self.inode(*file)?.sync(fails);
                if fails {
                    let (what, file) = ("sync", format!("{file:?}"));
                    return Err(DiskError::System { what, file, errno: libc::EIO });
                }
            }
            Operation::SetLength { file, len } => {
                self.inode(*file)?.set_len(*len as usize);
            }
            Operation::Rename { from, to } => {
                let missing = DiskError::Missing { what: "rename", file: from.clone() };
                let inode = *self.names.get(from).ok_or(missing)?;
                self.rename(Naming::Take(from.clone()));
                self.rename(Naming::Put(to.clone(), inode));
            }
            Operation::Remove(name) => {
                let missing = DiskError::Missing { what: "remove", file: name.clone() };
                self.names.get(name).ok_or(missing)?;
                self.rename(Naming::Take(name.clone()));
            }
            Operation::SyncFolder => {
                self.durable_names = self.names.clone();
                self.namings.clear();
            }
        }
        Ok(Done::Finished)
    }

    fn kill(&mut self) {
        for (_, operation) in std::mem::take(&mut self.queue) {
            if self.random.below(2) == 0 {
                continue;
            }
            // A write may be half done.
            if matches!(operation, Operation::Write { .. }) && self.random.below(2) == 0 {
                self.short_writes += 1;
            }
            // Nobody is there to hear how it ended.
            let _ = self.run(&operation);
        }
        self.short_writes = 0;
        self.open.clear();
    }

    fn lose_power(&mut self, pick: u64) {
        let mut random = Random::new(pick, 0x706f_7765);
        let kept = random.below(self.namings.len() as u64 + 1) as usize;
        let mut names = std::mem::take(&mut self.durable_names);
        for naming in self.namings.drain(..).take(kept) {
            match naming {
                Naming::Put(name, inode) => names.insert(name, inode),
                Naming::Take(name) => names.remove(&name),
            };
        }
        self.durable_names = names.clone();
        self.names = names;
        for inode in self.inodes.values_mut() {
            let mut lost = |_: &&usize| random.below(2) == 0;
            let lost: Vec<usize> = inode.dirty.keys().filter(|of| lost(of)).copied().collect();
            inode.lose(&lost);
        }
        let named: Vec<u64> = self.names.values().copied().collect();
        self.inodes.retain(|inode, _| named.contains(inode));
    }

    fn rot(&mut self, pick: u64, synced_too: bool) {
        let mut random = Random::new(pick, 0x0072_6f74);
        let named = self.names.values().filter_map(|inode| {
            let of = self.inodes.get(inode)?;
            let sectors: Vec<usize> = match synced_too {
                true => (0..of.bytes.len().div_ceil(SECTOR)).collect(),
                false => of.dirty.keys().copied().collect(),
            };
            (!sectors.is_empty()).then_some((*inode, sectors))
        });
        let all: Vec<(u64, Vec<usize>)> = named.collect();
        let Some((inode, sectors)) = all.get(random.below(all.len() as u64) as usize) else {
            return;
        };
        let sector = sectors[random.below(sectors.len() as u64) as usize];
        let byte = sector * SECTOR + random.below(SECTOR as u64) as usize;
        let bit = random.below(8) as u8;
        if let Some(of) = self.inodes.get_mut(inode).filter(|of| byte < of.bytes.len()) {
            of.rot(byte, bit);
        }
    }
}

impl Disk for SimDisk {
    fn submit(&mut self, operation: Operation) -> Result<Ticket, Busy> {
        let platter = &mut *self.0.borrow_mut();
        if platter.queue.len() == OPERATIONS_MAX {
            return Err(Busy(operation));
        }
        platter.submitted += 1;
        let now = platter.time.now();
        let slow = if now < platter.slow.1 { platter.slow.0 } else { Nanos(0) };
        let due = now.plus(Nanos(platter.random.below(LATENCY_MAX))).plus(slow);
        platter.queue.insert((due, platter.submitted), operation);
        Ok(Ticket(platter.submitted))
    }

    fn poll(&mut self, wait: Wait) -> Option<Completion> {
        let platter = &mut *self.0.borrow_mut();
        let now = platter.time.now();
        let first = platter.queue.first_entry()?;
        // Whoever blocks has nothing else to do: the world waits with it.
        if first.key().0 > now && wait == Wait::Busy {
            return None;
        }
        let ((_, number), operation) = first.remove_entry();
        let result = platter.run(&operation);
        let bytes = match operation {
            Operation::Write { bytes, .. } => Some(bytes),
            _ => None,
        };
        Some(Completion { ticket: Ticket(number), result, bytes })
    }

    fn in_flight(&self) -> usize {
        self.0.borrow().queue.len()
    }

    fn list(&mut self) -> Result<Vec<FileEntry>, DiskError> {
        let platter = self.0.borrow();
        let len = |inode: &u64| platter.inodes.get(inode).map_or(0, |of| of.bytes.len() as u64);
        let entry =
            |(name, inode): (&String, &u64)| FileEntry { name: name.clone(), len: len(inode) };
        Ok(platter.names.iter().map(entry).collect())
    }

    fn open(&mut self, name: &str) -> Result<FileId, DiskError> {
        let platter = &mut *self.0.borrow_mut();
        let missing = DiskError::Missing { what: "open", file: name.to_owned() };
        let inode = *platter.names.get(name).ok_or(missing)?;
        Ok(platter.keep(inode))
    }

    fn close(&mut self, file: FileId) {
        self.0.borrow_mut().open.remove(&file.0);
    }

    fn length(&mut self, file: FileId) -> Result<u64, DiskError> {
        Ok(self.0.borrow_mut().inode(file)?.bytes.len() as u64)
    }

    fn read(&mut self, file: FileId, at: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let platter = &mut *self.0.borrow_mut();
        let bytes = &platter.inode(file)?.bytes;
        let rest = bytes.get(at as usize..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn free_space(&mut self) -> Result<u64, DiskError> {
        Ok(if self.0.borrow().is_full() { 0 } else { SPACE })
    }

    fn describe(&self) -> String {
        "simulated".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::disk::{complete, write_all};

    fn disk() -> (SimTime, SimDisk) {
        let time = SimTime::default();
        (time.clone(), SimDisk::new(time, 3))
    }

    fn create(disk: &mut SimDisk, name: &str, len: u64) -> FileId {
        match complete(disk, Operation::Create { name: name.to_owned(), len }).unwrap() {
            Done::Created(file) => file,
            done => panic!("{done:?}"),
        }
    }

    fn content(disk: &mut SimDisk, name: &str) -> Vec<u8> {
        let file = disk.open(name).unwrap();
        let mut bytes = vec![0; disk.length(file).unwrap() as usize];
        disk.read(file, 0, &mut bytes).unwrap();
        disk.close(file);
        bytes
    }

    /// What is found after a loss of power when so much was synced and then overwritten.
    fn after_power_loss(pick: u64, synced: bool) -> Vec<u8> {
        let (_, mut disk) = disk();
        let file = create(&mut disk, "a", 4 * SECTOR as u64);
        write_all(&mut disk, file, "a", 0, &[1; 4 * SECTOR]).unwrap();
        complete(&mut disk, Operation::Sync(file)).unwrap();
        complete(&mut disk, Operation::SyncFolder).unwrap();
        write_all(&mut disk, file, "a", 100, &[2; 2 * SECTOR]).unwrap();
        if synced {
            complete(&mut disk, Operation::Sync(file)).unwrap();
        }
        disk.lose_power(pick);
        content(&mut disk, "a")
    }

    #[test]
    fn power_takes_whole_sectors_of_what_was_not_synced() {
        let mut outcomes = std::collections::BTreeSet::new();
        for pick in 0..64 {
            assert_eq!(after_power_loss(pick, true)[100..100 + 2 * SECTOR], [2; 2 * SECTOR]);
            let found = after_power_loss(pick, false);
            let sectors: Vec<u8> = found.chunks(SECTOR).map(|sector| sector[SECTOR - 1]).collect();
            assert_eq!((sectors[3], found[99]), (1, 1), "what was not written stays");
            assert!(
                found.chunks(SECTOR).all(|of| of[100..].windows(2).all(|two| two[0] == two[1]))
            );
            outcomes.insert([100, 100 + SECTOR, 99 + 2 * SECTOR].map(|at| found[at]));
        }
        assert_eq!(outcomes.len(), 8, "each of three sectors is old or new");
    }

    #[test]
    fn names_are_durable_by_the_folder() {
        let (_, mut disk) = disk();
        create(&mut disk, "old", 10);
        complete(&mut disk, Operation::SyncFolder).unwrap();
        create(&mut disk, "new", 10);
        complete(&mut disk, Operation::Rename { from: "old".to_owned(), to: "other".to_owned() })
            .unwrap();
        let names = |pick| {
            let fork = SimDisk(Rc::new(RefCell::new(disk.0.borrow().copy())));
            fork.lose_power(pick);
            let listed = fork.clone().list().unwrap();
            listed.into_iter().map(|entry| entry.name).collect::<Vec<_>>().join(" ")
        };
        let all: std::collections::BTreeSet<String> = (0..64).map(names).collect();
        let expected = ["new", "new old", "new other", "old"].map(str::to_owned);
        assert_eq!(all, std::collections::BTreeSet::from(expected));
    }

    impl Platter {
        fn copy(&self) -> Platter {
            Platter {
                time: self.time.clone(),
                inodes: self.inodes.clone(),
                names: self.names.clone(),
                durable_names: self.durable_names.clone(),
                namings: self.namings.clone(),
                open: BTreeMap::new(),
                queue: BTreeMap::new(),
                ..*self
            }
        }
    }

    #[test]
    fn what_a_failed_sync_dropped_is_gone_after_a_later_good_one() {
        let (_, mut disk) = disk();
        let file = create(&mut disk, "a", SECTOR as u64);
        complete(&mut disk, Operation::Sync(file)).unwrap();
        complete(&mut disk, Operation::SyncFolder).unwrap();
        write_all(&mut disk, file, "a", 0, &[7; 9]).unwrap();
        disk.fail_syncs(1);
        assert!(complete(&mut disk, Operation::Sync(file)).is_err());
        complete(&mut disk, Operation::Sync(file)).unwrap();
        assert_eq!(content(&mut disk, "a")[0], 7, "it still reads as written");
        disk.lose_power(0);
        assert_eq!(content(&mut disk, "a")[0], 0);
    }

    #[test]
    fn operations_take_time_and_may_overtake_each_other() {
        let (time, mut disk) = disk();
        let file = create(&mut disk, "a", 10);
        let tickets: Vec<Ticket> = (0..20)
            .map(|at| disk.submit(Operation::Write { file, at, bytes: vec![1], from: 0 }).unwrap())
            .collect();
        assert_eq!(disk.poll(Wait::Busy), None, "not at once");
        time.set(Nanos(LATENCY_MAX));
        let ended: Vec<Ticket> =
            std::iter::from_fn(|| disk.poll(Wait::Busy)).map(|of| of.ticket).collect();
        assert_eq!(ended.len(), tickets.len());
        assert_ne!(ended, tickets);
    }

    #[test]
    fn full_short_and_rotten() {
        let (time, mut disk) = disk();
        let file = create(&mut disk, "a", 10);
        disk.shorten(1);
        let write = Operation::Write { file, at: 0, bytes: vec![3; 10], from: 0 };
        let Done::Written(taken) = complete(&mut disk, write.clone()).unwrap() else { panic!() };
        assert!((1..10).contains(&taken));
        complete(&mut disk, write).unwrap();
        let before = content(&mut disk, "a");
        disk.rot(5, false);
        let rotten = content(&mut disk, "a");
        let differing = before.iter().zip(&rotten).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        assert!(differing <= 1);
        disk.restore();
        assert_eq!(content(&mut disk, "a"), before);
        disk.fill(Nanos(5));
        let none = complete(&mut disk, Operation::Create { name: "b".to_owned(), len: 1 });
        assert!(matches!(none, Err(DiskError::NoSpace { .. })));
        time.set(Nanos(5));
        create(&mut disk, "b", 1);
    }
}
