//! One suite for both disks: whatever `host::disk::Disk` promises, plain calls and io_uring keep.

use bot4::host::disk::{
    Access, Busy, Disk, DiskError, DiskKind, Done, FileEntry, OPERATIONS_MAX, Operation, complete,
    open, write_all,
};
use bot4::host::net::Wait;
use bot4::units::Nanos;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

const BLOCK: Wait = Wait::Block(Nanos(5_000_000));

/// A folder that goes when the test ends.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bot4-disk-{}-{number}", std::process::id());
        Place(std::env::temp_dir().join(name))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The kinds this machine has; what it lacks is counted.
fn kinds() -> Vec<DiskKind> {
    let place = Place::new();
    match open(DiskKind::Uring, &place.0, Access::Own) {
        Ok(_) => vec![DiskKind::Plain, DiskKind::Uring],
        Err(error) => {
            println!("SKIPPED (1): the io_uring disk: {error}");
            vec![DiskKind::Plain]
        }
    }
}

/// Runs a test over a fresh folder on every kind.
fn on_every_disk(test: impl Fn(&mut dyn Disk, &Place)) {
    for kind in kinds() {
        let place = Place::new();
        let mut disk = open(kind, &place.0, Access::Own).expect("a fresh folder");
        println!("{}", disk.describe());
        test(&mut *disk, &place);
        assert_eq!(disk.in_flight(), 0, "everything submitted was taken");
    }
}

fn create(disk: &mut dyn Disk, name: &str, len: u64) -> bot4::host::disk::FileId {
    match complete(disk, Operation::Create { name: name.to_owned(), len }) {
        Ok(Done::Created(file)) => file,
        other => panic!("create {name}: {other:?}"),
    }
}

#[test]
fn a_created_file_has_its_length_and_reads_as_zeros() {
    on_every_disk(|disk, _| {
        let file = create(disk, "a.log", 100_000);
        assert_eq!(disk.length(file), Ok(100_000));
        let mut bytes = vec![1; 100_001];
        assert_eq!(disk.read(file, 0, &mut bytes), Ok(100_000), "up to the end and no further");
        assert!(bytes[..100_000].iter().all(|byte| *byte == 0));
        assert_eq!(disk.read(file, 99_999, &mut bytes), Ok(1));
        assert_eq!(disk.read(file, 100_000, &mut bytes), Ok(0));
        let again = complete(disk, Operation::Create { name: "a.log".to_owned(), len: 1 });
        assert!(matches!(again, Err(DiskError::Exists { .. })), "{again:?}");
    });
}

#[test]
fn what_was_written_is_read_and_the_bytes_come_back() {
    on_every_disk(|disk, _| {
        let file = create(disk, "a.log", 64);
        let bytes: Vec<u8> = (0..32).collect();
        let ticket = disk
            .submit(Operation::Write { file, at: 8, bytes: bytes.clone(), from: 16 })
            .expect("nothing is in flight");
        let completion = (0..1_000).find_map(|_| disk.poll(BLOCK)).expect("a completion");
        assert_eq!(completion.ticket, ticket);
        assert_eq!(completion.bytes.as_ref(), Some(&bytes), "the bytes come back");
        let Ok(Done::Written(taken)) = completion.result else { panic!("{completion:?}") };
        assert!((1..=16).contains(&taken), "{taken}");
        write_all(disk, file, "a.log", 8, &bytes[16..]).expect("room for 16 bytes");
        assert_eq!(complete(disk, Operation::Sync(file)), Ok(Done::Finished));
        let mut read = [9; 32];
        assert_eq!(disk.read(file, 0, &mut read), Ok(32));
        assert_eq!(&read[8..24], &bytes[16..]);
        assert!(read[..8].iter().chain(&read[24..]).all(|byte| *byte == 0));
    });
}

#[test]
fn files_are_cut_renamed_removed_and_listed() {
    on_every_disk(|disk, _| {
        let old = create(disk, "snapshot", 10);
        write_all(disk, old, "snapshot", 0, b"old").expect("written");
        let new = create(disk, "fresh", 10);
        write_all(disk, new, "fresh", 0, b"new").expect("written");
        complete(disk, Operation::SetLength { file: new, len: 3 }).expect("cut");
        let rename = Operation::Rename { from: "fresh".to_owned(), to: "snapshot".to_owned() };
        complete(disk, rename).expect("renamed");
        complete(disk, Operation::SyncFolder).expect("synced");
        let list = disk.list().expect("listed");
        assert_eq!(list, [FileEntry { name: "snapshot".to_owned(), len: 3 }], "and no lock");
        let file = disk.open("snapshot").expect("it is there");
        let mut bytes = [0; 8];
        assert_eq!(disk.read(file, 0, &mut bytes), Ok(3));
        assert_eq!(&bytes[..3], b"new");
        disk.close(file);
        assert!(disk.length(file).is_err(), "a closed file is no file");
        complete(disk, Operation::Remove("snapshot".to_owned())).expect("removed");
        assert!(matches!(disk.open("snapshot"), Err(DiskError::Missing { .. })));
        let again = complete(disk, Operation::Remove("snapshot".to_owned()));
        assert!(matches!(again, Err(DiskError::Missing { .. })), "{again:?}");
        assert!(disk.list().expect("listed").is_empty());
    });
}

#[test]
fn many_operations_are_in_flight_up_to_the_bound() {
    on_every_disk(|disk, _| {
        let file = create(disk, "a.log", 0);
        let mut waiting = std::collections::BTreeMap::new();
        for at in 0..OPERATIONS_MAX as u64 {
            let bytes = at.to_le_bytes().to_vec();
            let write = Operation::Write { file, at: 8 * at, bytes, from: 0 };
            waiting.insert(disk.submit(write).expect("below the bound"), at);
        }
        let Err(Busy(back)) = disk.submit(Operation::Sync(file)) else { panic!("one too many") };
        assert_eq!(back, Operation::Sync(file), "a refused operation comes back");
        while !waiting.is_empty() {
            let Some(completion) = disk.poll(BLOCK) else { continue };
            assert_eq!(completion.result, Ok(Done::Written(8)));
            assert!(waiting.remove(&completion.ticket).is_some(), "each ticket once");
        }
        let mut bytes = vec![0; 8 * OPERATIONS_MAX];
        assert_eq!(disk.read(file, 0, &mut bytes), Ok(bytes.len()));
        for (at, word) in bytes.chunks(8).enumerate() {
            assert_eq!(word, (at as u64).to_le_bytes());
        }
        assert!(disk.poll(Wait::Busy).is_none(), "nothing is left");
    });
}

#[test]
fn a_folder_has_one_owner_and_any_number_of_readers() {
    on_every_disk(|disk, place| {
        create(disk, "a.log", 1);
        let second = open(DiskKind::Plain, &place.0, Access::Own).err().expect("it is locked");
        let words = second.to_string();
        let own = format!("process {}", std::process::id());
        assert!(matches!(second, DiskError::Locked { .. }) && words.contains(&own), "{words}");
        let mut reader = open(DiskKind::Plain, &place.0, Access::Read).expect("reading is free");
        let file = reader.open("a.log").expect("it is there");
        let write = Operation::Write { file, at: 0, bytes: vec![1], from: 0 };
        let refused = complete(&mut *reader, write);
        assert!(matches!(refused, Err(DiskError::System { .. })), "a reader may not: {refused:?}");
    });
    let place = Place::new();
    drop(open(DiskKind::Plain, &place.0, Access::Own).expect("free"));
    open(DiskKind::Plain, &place.0, Access::Own).map(drop).expect("free again");
}

#[test]
fn a_missing_folder_is_named() {
    let place = Place::new();
    let error = open(DiskKind::Plain, &place.0, Access::Read).err().expect("there is none");
    assert!(matches!(error, DiskError::Missing { .. }), "{error}");
    assert!(error.to_string().contains(&place.0.display().to_string()), "{error}");
}

#[test]
fn room_that_no_disk_has_is_refused_and_leaves_nothing_behind() {
    on_every_disk(|disk, _| {
        let free = disk.free_space().expect("the system says");
        assert!(free > 0);
        let name = "huge.log".to_owned();
        let result = complete(disk, Operation::Create { name, len: free + (1 << 40) });
        match result {
            Err(DiskError::NoSpace { .. }) => {}
            // A file system may say that no file gets so long before it says that it is full.
            Err(DiskError::System { errno, .. }) => assert_eq!(errno, libc_efbig()),
            other => panic!("{other:?}"),
        }
        assert!(disk.list().expect("listed").is_empty(), "nothing half made");
    });
}

/// EFBIG on Linux.
fn libc_efbig() -> i32 {
    27
}

#[test]
fn a_disk_dropped_with_work_in_flight_waits_for_it() {
    for kind in kinds() {
        let place = Place::new();
        let mut disk = open(kind, &place.0, Access::Own).expect("a fresh folder");
        let file = create(&mut *disk, "a.log", 1 << 20);
        let write = Operation::Write { file, at: 0, bytes: vec![7; 1 << 20], from: 0 };
        disk.submit(write).expect("nothing is in flight");
        drop(disk);
        let bytes = std::fs::read(place.0.join("a.log")).expect("the file is there");
        // Plain calls never started it; the kernel either did not start or finished it.
        assert!(bytes.iter().all(|byte| *byte == bytes[0]), "half of it");
    }
}
