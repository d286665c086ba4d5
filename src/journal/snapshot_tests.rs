//! Snapshots: whole or passed over, never ahead of their log, tied to it, two of them kept.

use super::memory_disk::MemoryDisk;
use super::snapshot::{snapshot_name, snapshot_names};
use super::writer_tests::{SMALL, STREAM, read, record, rig};
use super::*;
use crate::host::disk::Operation;

fn snapshot(sequence: u64) -> Snapshot {
    let chain = Chain([sequence as u8; 32]);
    Snapshot { stream: STREAM, sequence, chain, bytes: (0..100).collect() }
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let file = snapshot(7).to_file();
    assert_eq!(Snapshot::from_file(&file), Some(snapshot(7)));
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut bytes = file.clone();
            bytes[at] ^= 1 << bit;
            assert_eq!(Snapshot::from_file(&bytes), None, "byte {at} bit {bit}");
        }
        assert_eq!(Snapshot::from_file(&file[..at]), None, "cut at {at}");
    }
}

#[test]
fn bytes_that_mean_nothing_are_zero_or_the_file_is_none_of_ours() {
    for at in (14..16).chain(80..120) {
        let mut bytes = snapshot(7).to_file();
        bytes[at] = 1;
        let sum = crc32c::crc32c(&bytes[..124]);
        bytes[124..128].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(Snapshot::from_file(&bytes), None, "byte {at}, with a good checksum");
    }
}

#[test]
fn the_newest_good_one_is_taken_and_the_log_goes_on_behind_it() {
    let disk = MemoryDisk::default();
    let mut rig = rig(&disk, SMALL, None);
    for life in 0..4u64 {
        rig.write(50 * life + 1..=50 * life + 50);
        assert!(rig.writer.save(vec![life as u8; 1_000]));
        rig.settle();
    }
    rig.write(201..=230);
    rig.end();
    let mut handle = disk.clone();
    let names = snapshot_names(&mut handle).expect("listed");
    assert_eq!(names, [snapshot_name(150), snapshot_name(200)], "two are kept");
    let (found, passed_over) = newest_snapshot(&mut handle).expect("read");
    let found = found.expect("there are two");
    assert!(passed_over.is_empty());
    assert_eq!((found.sequence, &found.bytes), (200, &vec![3; 1_000]));
    let mut reader = Reader::open_after(&mut handle, &found).expect("its log");
    let next = reader.next().expect("all is well").expect("more follow");
    assert_eq!((next.sequence, next.time.0), (201, record(201).1));

    let mut bytes = disk.bytes(&snapshot_name(200));
    bytes[500] ^= 4;
    disk.put(&snapshot_name(200), bytes);
    let (found, passed_over) = newest_snapshot(&mut handle).expect("read");
    assert_eq!(found.map(|found| found.sequence), Some(150), "the older one");
    assert_eq!(passed_over, [snapshot_name(200)]);
}

#[test]
fn a_snapshot_that_is_not_of_this_log_is_refused() {
    let disk = MemoryDisk::default();
    let mut rig = rig(&disk, SMALL, None);
    rig.write(1..=20);
    assert!(rig.writer.save(vec![1]));
    rig.end();
    let mut handle = disk.clone();
    let good = newest_snapshot(&mut handle).expect("read").0.expect("there is one");
    assert_eq!(good.sequence, 20);
    assert!(Reader::open_after(&mut handle, &good).is_ok());
    let ahead = Snapshot { sequence: 21, ..good.clone() };
    let Err(JournalError::Damaged { record, .. }) = Reader::open_after(&mut handle, &ahead) else {
        panic!("the log ends before it");
    };
    assert_eq!(record, 21);
    let changed = Snapshot { chain: Chain([0; 32]), ..good.clone() };
    assert!(Reader::open_after(&mut handle, &changed).is_err());
    let other = Snapshot { stream: Stream { run: 1, lane: 1 }, ..good };
    let refused = Reader::open_after(&mut handle, &other).err();
    assert!(matches!(refused, Some(JournalError::OtherStream { .. })), "{refused:?}");
}

#[test]
fn a_snapshot_is_never_ahead_of_its_log() {
    for seed in 0..200 {
        let disk = MemoryDisk::default();
        let mut rig = rig(&disk, SMALL, None);
        rig.write(1..=10);
        for number in 11..14 {
            assert!(rig.push(&record(number)));
        }
        rig.writer.turn(rig.now);
        assert!(rig.writer.save(vec![7; 2_000]), "of entries on their way");
        for _ in 0..seed % 12 {
            rig.writer.turn(rig.now);
        }
        let mut after = disk.after_power_loss(seed);
        let (seen, _) = read(&after, 1).expect("a torn tail at most");
        if let Some(found) = newest_snapshot(&mut after).expect("read").0 {
            assert!(found.sequence <= seen.len() as u64, "seed {seed}: {}", found.sequence);
            assert!(Reader::open_after(&mut after, &found).is_ok(), "seed {seed}");
        }
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_does_not_harm_the_log() {
    let disk = MemoryDisk::default();
    let mut rig = rig(&disk, SMALL, None);
    rig.write(1..=5);
    let creates_snapshot: super::memory_disk::Matching = |operation| match operation {
        Operation::Create { name, .. } => name.starts_with("snapshot"),
        _ => false,
    };
    disk.fail(creates_snapshot, 1, libc::ENOSPC);
    assert!(rig.writer.save(vec![1]));
    rig.settle();
    assert_eq!(rig.writer.saves_failed(), 1);
    assert!(rig.writer.health().is_fine());
    rig.write(6..=10);
    rig.end();
    assert_eq!(read(&disk, 1).expect("all is well").0.len(), 10);
}

#[test]
fn of_two_snapshots_the_damaged_one_goes_first() {
    let disk = MemoryDisk::default();
    let mut lives = rig(&disk, SMALL, None);
    for life in 0..2u64 {
        lives.write(10 * life + 1..=10 * life + 10);
        assert!(lives.writer.save(vec![1]));
        lives.settle();
    }
    lives.end();
    let mut bytes = disk.bytes(&snapshot_name(20));
    bytes[128] ^= 1;
    disk.put(&snapshot_name(20), bytes);
    let tail = read(&disk, 1).expect("the log is whole").1;
    let mut lives = rig(&disk, SMALL, Some(&tail));
    lives.write(21..=30);
    assert!(lives.writer.save(vec![3]));
    lives.end();
    let names = snapshot_names(&mut disk.clone()).expect("listed");
    assert_eq!(names, [snapshot_name(10), snapshot_name(30)], "one to fall back on is there");
}
