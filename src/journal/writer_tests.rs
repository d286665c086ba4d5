//! The writer against the reader: what goes in comes out, through short writes, full disks, failed
//! syncs, losses of power and restarts.

use super::memory_disk::MemoryDisk;
use super::*;
use crate::host::byte_ring::{ByteProducer, Urgency, byte_ring};
use crate::host::disk::Operation;
use crate::units::Nanos;
use proptest::prelude::*;

pub(super) const STREAM: Stream = Stream { run: 0xB074 << 64 | 7, lane: 3 };
/// Words of the rings here: records of up to 31 words.
const RING: usize = 64;

pub(super) const SMALL: Settings =
    Settings { durability: Durability::Each, segment_len: 16 << 10, group_len: 1 << 10 };

/// A record as these tests compare it.
pub(super) type Seen = (u64, u64, u16, Vec<u64>);

/// A lane's end of a ring and the writer at the other.
pub(super) struct Rig {
    pub(super) lane: Option<ByteProducer>,
    pub(super) writer: Writer<MemoryDisk>,
    pub(super) now: Nanos,
}

pub(super) fn rig(disk: &MemoryDisk, settings: Settings, tail: Option<&Tail>) -> Rig {
    let (lane, ring) = byte_ring(RING, 0);
    let writer = Writer::start(disk.clone(), ring, settings, STREAM, tail).expect("it starts");
    Rig { lane: Some(lane), writer, now: Nanos(0) }
}

/// The n-th record: its length, kind and words follow from its number.
pub(super) fn record(number: u64) -> Seen {
    let words = (0..number * 7 % 12).map(|word| number << 8 | word).collect();
    (number, 1_000 * number, (number % 30) as u16 + 1, words)
}

impl Rig {
    pub(super) fn push(&mut self, (_, time, kind, words): &Seen) -> bool {
        let lane = self.lane.as_mut().expect("the lane lives");
        let fill = |out: &mut [u64]| {
            out[0] = *time;
            out[1..].copy_from_slice(words);
        };
        lane.push(u32::from(*kind), 1 + words.len(), Urgency::Ordinary, fill).is_ok()
    }

    /// Turns until nothing moves.
    pub(super) fn settle(&mut self) -> Progress {
        for _ in 0..10_000 {
            self.now = self.now.plus(Nanos(1_000));
            match self.writer.turn(self.now) {
                Progress::Worked | Progress::Waiting => {}
                other => return other,
            }
        }
        panic!("the writer does not settle");
    }

    pub(super) fn write(&mut self, numbers: std::ops::RangeInclusive<u64>) {
        for number in numbers {
            assert!(self.push(&record(number)), "the ring is empty again");
            self.settle();
        }
    }

    pub(super) fn end(mut self) {
        self.lane = None;
        assert_eq!(self.settle(), Progress::Ended);
    }
}

/// All records from a number on, and the tail.
pub(super) fn read(disk: &MemoryDisk, from: u64) -> Result<(Vec<Seen>, Tail), JournalError> {
    let mut disk = disk.clone();
    let mut reader = Reader::open(&mut disk, from)?;
    let mut seen = Vec::new();
    while let Some(record) = reader.next()? {
        assert_eq!(record.lane, STREAM.lane);
        seen.push((record.sequence, record.time.0, record.kind, record.words.to_vec()));
    }
    let tail = reader.tail().expect("the end was reached").clone();
    Ok((seen, tail))
}

fn all(last: u64) -> Vec<Seen> {
    (1..=last).map(record).collect()
}

#[test]
fn what_goes_in_comes_out_over_many_segments() {
    let disk = MemoryDisk::default();
    let mut rig = rig(&disk, SMALL, None);
    rig.write(1..=500);
    assert_eq!(rig.writer.health().durable(), 500);
    rig.end();
    let (seen, tail) = read(&disk, 1).expect("all is well");
    assert_eq!(seen, all(500));
    assert!(tail.sealed && tail.dropped.is_none() && tail.next == 501, "{tail:?}");
    let names = disk.names();
    assert!(names.len() > 3 && names.iter().all(|name| name.ends_with(".log")), "{names:?}");
    let (last, rest) = names.split_last().expect("many");
    assert!(rest.iter().all(|name| disk.bytes(name).len() == 16 << 10));
    assert_eq!(disk.bytes(last).len() as u64, tail.end, "the unused rest is cut");
    for from in [2, 77, 499, 500, 501] {
        let (seen, again) = read(&disk, from).expect("all is well");
        assert_eq!(seen, all(500)[from as usize - 1..], "from {from}");
        assert_eq!(again.chain, tail.chain);
    }
}

#[test]
fn short_writes_are_continued() {
    for bytes in [1, 7, 512, 4_095] {
        let disk = MemoryDisk::default().with_short_writes(bytes);
        let mut rig = rig(&disk, SMALL, None);
        rig.write(1..=200);
        rig.end();
        assert_eq!(read(&disk, 1).expect("all is well").0, all(200), "{bytes} bytes a write");
    }
}

#[test]
fn a_group_waits_for_its_bound_and_no_longer() {
    let disk = MemoryDisk::default();
    let settings = Settings { durability: Durability::Group(Nanos(500_000)), ..SMALL };
    let mut rig = rig(&disk, settings, None);
    rig.settle();
    let health = rig.writer.health();
    assert!(rig.push(&record(1)));
    let start = rig.now.plus(Nanos(1));
    let turn = |rig: &mut Rig, after: u64| {
        for _ in 0..20 {
            rig.writer.turn(start.plus(Nanos(after)));
        }
    };
    turn(&mut rig, 0);
    turn(&mut rig, 499_999);
    assert_eq!((health.written(), health.durable()), (0, 0));
    turn(&mut rig, 500_000);
    assert_eq!((health.written(), health.durable()), (1, 1));
}

#[test]
fn without_durability_nothing_is_synced_before_the_end() {
    let disk = MemoryDisk::default();
    let mut rig = rig(&disk, Settings { durability: Durability::None, ..SMALL }, None);
    rig.write(1..=20);
    let health = rig.writer.health();
    assert_eq!((health.written(), health.durable()), (20, 0));
    assert_eq!(read(&disk, 1).expect("written").0, all(20), "the process may die");
    rig.end();
    assert_eq!(health.durable(), 20);
}

#[test]
fn a_full_disk_is_known_while_there_is_room_and_fails_when_there_is_none() {
    let disk = MemoryDisk::default();
    let mut rig = rig(&disk, SMALL, None);
    disk.fail(|operation| matches!(operation, Operation::Create { .. }), 1, libc::ENOSPC);
    rig.settle();
    let health = rig.writer.health();
    assert!(health.lacks_room_ahead() && !health.is_fine() && health.failure().is_none());
    rig.write(1..=20);
    assert_eq!(health.durable(), 20, "the segment at hand still has room for a halt");
    let mut pushed = 20;
    while rig.settle() != Progress::Failed {
        pushed += 1;
        assert!(rig.push(&record(pushed)), "the ring is empty again");
    }
    assert_eq!(health.failure(), Some(Failure::NoSpace));
    let durable = health.durable();
    assert!(durable > 50, "{durable}");
    assert!(rig.push(&record(1)) && rig.settle() == Progress::Failed);
    assert!(rig.push(&record(2)), "a failed journal still empties the ring");
    assert_eq!(read(&disk, 1).expect("what was durable is there").0, all(durable));
    rig.lane = None;
    assert_eq!(rig.settle(), Progress::Ended);
    assert!(rig.writer.thrown_away() >= 2);
}

#[test]
fn a_failed_write_or_sync_is_for_good() {
    let write: fn(&Operation) -> bool = |operation| matches!(operation, Operation::Write { .. });
    let sync: fn(&Operation) -> bool = |operation| matches!(operation, Operation::Sync(_));
    let cases = [
        (write, libc::ENOSPC, Failure::NoSpace),
        (write, libc::EIO, Failure::Write(libc::EIO)),
        (sync, libc::EIO, Failure::Sync(libc::EIO)),
    ];
    for (matching, errno, failure) in cases {
        for nth in 1..12 {
            let disk = MemoryDisk::default();
            let mut rig = rig(&disk, SMALL, None);
            rig.settle();
            disk.fail(matching, nth, errno);
            let health = rig.writer.health();
            let mut pushed = 0;
            while rig.settle() != Progress::Failed {
                pushed += 1;
                assert!(rig.push(&record(pushed)) && pushed < 100);
            }
            assert_eq!(health.failure(), Some(failure), "operation {nth}");
            let durable = health.durable();
            assert!(durable <= pushed, "{failure}: {durable} of {pushed}");
            // Whatever power leaves of it: what was called durable is there.
            for seed in 0..20 {
                let (seen, _) = read(&disk.after_power_loss(seed), 1).expect("a torn tail at most");
                assert!(seen.len() as u64 >= durable, "{failure}, seed {seed}");
                assert_eq!(seen, all(seen.len() as u64));
            }
        }
    }
}

#[test]
fn a_journal_that_is_there_is_not_overwritten() {
    let disk = MemoryDisk::default();
    let mut first = rig(&disk, SMALL, None);
    first.write(1..=3);
    first.end();
    let (_lane, ring) = byte_ring(RING, 0);
    let second = Writer::start(disk.clone(), ring, SMALL, STREAM, None);
    assert!(matches!(second.err(), Some(SettingsError::Occupied { .. })));
    let (_lane, ring) = byte_ring(4_096, 0);
    let long = Writer::start(MemoryDisk::default(), ring, SMALL, STREAM, None);
    assert!(matches!(long.err(), Some(SettingsError::SegmentTooShort { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Power is lost at any moment, any sector not synced is old or new: what was durable is there,
    /// what comes out is a prefix, and the next life goes on behind it, again and again.
    #[test]
    fn power_losses_lose_nothing_durable(
        lives in prop::collection::vec((0..120u64, 0..40usize, any::<u64>()), 1..5),
    ) {
        let mut disk = MemoryDisk::default();
        let mut tail: Option<Tail> = None;
        for (count, turns, seed) in lives {
            let first = tail.as_ref().map_or(1, |tail| tail.next);
            let mut rig = rig(&disk, SMALL, tail.as_ref());
            rig.write(first..=first + count);
            // some that are only on their way
            for number in first + count + 1..first + count + 4 {
                if !rig.push(&record(number)) {
                    break;
                }
            }
            for _ in 0..turns % 4 {
                rig.writer.turn(rig.now);
            }
            let durable = rig.writer.health().durable();
            disk = disk.after_power_loss(seed);
            let (seen, found) = read(&disk, 1).expect("a torn tail at most");
            prop_assert!(found.next > durable, "durable {durable}, found {found:?}");
            prop_assert_eq!(seen, all(found.next - 1));
            prop_assert!(!found.sealed);
            tail = Some(found);
        }
        let first = tail.as_ref().map_or(1, |tail| tail.next);
        let mut last = rig(&disk, SMALL, tail.as_ref());
        last.write(first..=first + 5);
        last.end();
        let (seen, tail) = read(&disk, 1).expect("all lives in one stream");
        prop_assert_eq!(seen, all(first + 5));
        prop_assert!(tail.sealed && tail.dropped.is_none());
    }
}
