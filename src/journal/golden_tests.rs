//! Old journals stay readable: a journal of layout 1 with one entry of every kind, kept in the repository.
//!
//! `BOT4_WRITE_GOLDEN=1 cargo test --lib journal::golden` writes a missing folder anew. A folder that is
//! there is never changed: a new layout gets a folder of its own, and this test reads both.

use super::memory_disk::MemoryDisk;
use super::snapshot::snapshot_name;
use super::writer_tests::STREAM;
use super::*;
use crate::host::byte_ring::{Urgency, byte_ring};
use crate::record::entry_tests::{entries, levels, plan};
use crate::record::{Entry, Scratch};
use crate::units::Nanos;
use std::fs;
use std::path::PathBuf;

const KEY_SEED: [u8; 32] = [7; 32];
const SNAPSHOT_AT: u64 = 30;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journal-1")
}

/// A record in the words that go into the ring.
struct Pushed {
    kind: u16,
    words: Vec<u64>,
}

/// Twice every entry there is today.
fn of_today() -> Vec<Pushed> {
    let (levels, plan) = (levels(), plan());
    let entries = entries(&levels, &plan);
    let both = entries.iter().chain(&entries).enumerate();
    both.map(|(at, entry)| pushed(Nanos(1_000 * at as u64), entry)).collect()
}

fn pushed(time: Nanos, entry: &Entry<'_>) -> Pushed {
    let mut words = vec![time.0; 1 + entry.words()];
    entry.write(&mut words[1..]);
    Pushed { kind: entry.kind().code(), words }
}

/// What a journal says, decoded and encoded again.
fn said_again(disk: &MemoryDisk) -> Vec<Pushed> {
    let mut disk = disk.clone();
    let mut reader = Reader::open(&mut disk, 1).expect("a journal");
    let mut scratch = Scratch::new();
    let mut all = Vec::new();
    while let Some(record) = reader.next().expect("as written") {
        let entry = Entry::read(record.kind, record.words, &mut scratch).expect("an entry");
        all.push(pushed(record.time, &entry));
    }
    all
}

/// Over two segments, signed, with a snapshot between.
fn written(entries: &[Pushed]) -> MemoryDisk {
    let disk = MemoryDisk::default();
    let (mut lane, ring) = byte_ring(1_024, 0);
    let settings =
        Settings { durability: Durability::Each, segment_len: 16 << 10, group_len: 1 << 10 };
    let writer = Writer::start(disk.clone(), ring, settings, STREAM, None).expect("it starts");
    let mut writer = writer.signing(SealKey::from_seed(&KEY_SEED).expect("32 bytes"));
    let mut now = Nanos(0);
    let mut settle = |writer: &mut Writer<MemoryDisk>| {
        for _ in 0..100 {
            now = now.plus(Nanos(1));
            writer.turn(now);
        }
    };
    for Pushed { kind, words } in entries {
        let fill = |out: &mut [u64]| out.copy_from_slice(words);
        lane.push(u32::from(*kind), words.len(), Urgency::Ordinary, fill).expect("it is empty");
        settle(&mut writer);
        if writer.next() == SNAPSHOT_AT + 1 {
            assert!(writer.save(b"a lane as it was".to_vec()));
            settle(&mut writer);
        }
    }
    drop(lane);
    settle(&mut writer);
    assert_eq!(writer.turn(now), Progress::Ended);
    disk
}

/// Every record in words, as a reader of today understands it.
fn told(disk: &MemoryDisk) -> String {
    let mut disk = disk.clone();
    let mut reader = Reader::open(&mut disk, 1).expect("a journal");
    let mut scratch = Scratch::new();
    let mut text = String::new();
    while let Some(record) = reader.next().expect("as written") {
        let entry = Entry::read(record.kind, record.words, &mut scratch).expect("an entry");
        text.push_str(&format!("{} {} {entry:?}\n", record.sequence, record.time.0));
    }
    assert_eq!(reader.seals().signed, reader.seals().count);
    text
}

#[test]
fn a_journal_of_layout_1_reads_as_it_did() {
    let folder = folder();
    if std::env::var_os("BOT4_WRITE_GOLDEN").is_some() && !folder.exists() {
        let fresh = written(&of_today());
        fs::create_dir_all(&folder).expect("a folder");
        for name in fresh.names() {
            fs::write(folder.join(&name), fresh.bytes(&name)).expect("written");
        }
        fs::write(folder.join("entries.txt"), told(&fresh)).expect("written");
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).expect("tests/golden/journal-1 is in the repository") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name != "entries.txt" {
            files.push((name, fs::read(&path).expect("readable")));
        }
    }
    files.sort();
    let golden = MemoryDisk::of(&files);
    let text = fs::read_to_string(folder.join("entries.txt")).expect("readable");
    assert_eq!(told(&golden), text, "an old journal means something else now");
    let mut handle = golden.clone();
    let snapshot = newest_snapshot(&mut handle).expect("read").0.expect("there is one");
    assert_eq!((snapshot.sequence, &snapshot.bytes[..]), (SNAPSHOT_AT, &b"a lane as it was"[..]));
    assert!(Reader::open_after(&mut handle, &snapshot).is_ok());
    assert!(files.iter().any(|(name, _)| *name == snapshot_name(SNAPSHOT_AT)));
    // and what is written today in the same words has the same layout, byte for byte
    let fresh = written(&said_again(&golden));
    for (name, bytes) in &files {
        assert!(fresh.bytes(name) == *bytes, "{name} is written in another layout now");
    }
    assert_eq!(fresh.names().len(), files.len());
}

#[test]
fn canary_a_changed_golden_byte_is_caught() {
    let fresh = written(&of_today());
    let text = told(&fresh);
    let name = "00000000.log";
    let mut bytes = fresh.bytes(name);
    bytes[5_000] ^= 1;
    fresh.put(name, bytes);
    let mut handle = fresh.clone();
    let mut reader = Reader::open(&mut handle, 1).expect("the header is good");
    let mut count = 0;
    let caught = loop {
        match reader.next() {
            Ok(Some(_)) => count += 1,
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(caught && count < text.lines().count());
}
