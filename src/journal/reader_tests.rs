//! Damage at every byte: what was committed is refused by its number, what was not is dropped, and
//! nothing else ever comes out.

use super::format::*;
use super::memory_disk::MemoryDisk;
use super::writer_tests::{SMALL, STREAM, Seen, read, record, rig};
use super::*;
use crate::host::byte_ring::{Urgency, byte_ring};

/// Where a record of an image stands: byte, length, number, whether it is the journal's own.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: usize,
    len: usize,
    sequence: u64,
    own: bool,
}

/// A stream of one segment as a killed process leaves it: committed records, then some that no marker
/// covers, then zeros.
struct Image {
    bytes: Vec<u8>,
    places: Vec<Place>,
    committed: u64,
    last: u64,
}

const NAME: &str = "00000000.log";
/// Records that a marker covers, and those that were written at all.
const COMMITTED: u64 = 50;
const LAST: u64 = 54;

fn image() -> Image {
    let disk = MemoryDisk::default();
    let mut rig = rig(&disk, SMALL, None);
    rig.write(1..=COMMITTED);
    let (_, tail) = read(&disk, 1).expect("all is well");
    assert_eq!((tail.segment, tail.next), (0, COMMITTED + 1));
    let mut bytes = disk.bytes(NAME);
    let (mut chain, mut end) = (tail.chain, tail.end as usize);
    for number in COMMITTED + 1..=LAST {
        let (sequence, time, kind, words) = record(number);
        let head = RecordHead { sequence, time, kind, lane: STREAM.lane };
        let mut out = Vec::new();
        chain = append(&mut out, &chain, &head, bytemuck::cast_slice(&words));
        bytes[end..end + out.len()].copy_from_slice(&out);
        end += out.len();
    }
    let mut places = Vec::new();
    let mut at = RECORDS_AT;
    while at < end {
        let len = u32_at(&bytes, at + 4) as usize;
        let own = u16_at(&bytes, at + 32) >= OWN_KINDS;
        places.push(Place { at, len, sequence: u64_at(&bytes, at + 16), own });
        at += len;
    }
    assert_eq!(at, end);
    assert!(bytes.len() - end > 512, "zeros follow");
    Image { bytes, places, committed: COMMITTED, last: LAST }
}

impl Image {
    /// Number of the first record that damage at `at` takes away; nothing in the header's block or
    /// behind the last record.
    fn first_hit(&self, at: usize) -> Option<u64> {
        let hit =
            self.places.iter().find(|place| (place.at..place.at + place.len).contains(&at))?;
        Some(if hit.own { hit.sequence + 1 } else { hit.sequence })
    }

    fn end(&self) -> usize {
        self.places.last().map_or(RECORDS_AT, |place| place.at + place.len)
    }

    /// What must come of damage that takes away `first` and all that follows.
    fn expect(&self, first: u64, bytes: Vec<u8>, what: &str) {
        let result = read(&MemoryDisk::of(&[(NAME.to_owned(), bytes)]), 1);
        if first <= self.committed {
            match result {
                Err(JournalError::Damaged { record, .. }) => assert_eq!(record, first, "{what}"),
                other => panic!("{what}: record {first} was committed, and {other:?}"),
            }
        } else {
            let (seen, tail) = result.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(seen, numbers(1..first), "{what}");
            assert_eq!(tail.next, first, "{what}");
        }
    }
}

fn numbers(range: std::ops::Range<u64>) -> Vec<Seen> {
    range.map(record).collect()
}

fn in_slot(at: usize) -> bool {
    SLOTS_AT.iter().any(|slot| (*slot..slot + SLOT_LEN).contains(&at))
}

#[test]
fn one_bit_flipped_at_every_byte() {
    let image = image();
    assert_eq!(image.bytes.len(), 16 << 10);
    let (mut refused, mut dropped, mut unharmed) = (0, 0, 0);
    for at in 0..image.bytes.len() {
        let mut bytes = image.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        let what = format!("byte {at}");
        match image.first_hit(at) {
            Some(first) => {
                image.expect(first, bytes, &what);
                if first <= image.committed { refused += 1 } else { dropped += 1 }
            }
            None if at < RECORDS_AT && !in_slot(at) => {
                image.expect(1, bytes, &what);
                refused += 1;
            }
            None => {
                image.expect(image.last + 1, bytes, &what);
                unharmed += 1;
            }
        }
    }
    println!("{refused} refused, {dropped} dropped, {unharmed} unharmed");
    assert!(refused > 9_000 && dropped > 200 && unharmed > 1_000);
}

#[test]
fn cut_at_every_byte() {
    let image = image();
    for len in 0..image.bytes.len() {
        let what = format!("cut at {len}");
        let first = match len {
            _ if len < RECORDS_AT => 1,
            _ if len >= image.end() => image.last + 1,
            _ => image.first_hit(len).expect("a record is cut"),
        };
        image.expect(first, image.bytes[..len].to_vec(), &what);
    }
}

#[test]
fn zeros_and_stale_bytes_behind_every_record() {
    let image = image();
    let stale = {
        // another run, of the same shape: same segment, same offsets, good checksums
        let disk = MemoryDisk::default();
        let (mut lane, ring) = byte_ring(64, 0);
        let other = Stream { run: STREAM.run + 1, lane: STREAM.lane };
        let mut writer = Writer::start(disk.clone(), ring, SMALL, other, None).expect("it starts");
        for number in 1..=LAST {
            let (_, time, kind, words) = record(number);
            let fill = |out: &mut [u64]| {
                out[0] = time;
                out[1..].copy_from_slice(&words);
            };
            lane.push(u32::from(kind), 1 + words.len(), Urgency::Ordinary, fill).expect("room");
            for turn in 0..20 {
                writer.turn(crate::units::Nanos(turn));
            }
        }
        disk.bytes(NAME)
    };
    for place in &image.places {
        let first = if place.own { place.sequence + 1 } else { place.sequence };
        let mut zeroed = image.bytes.clone();
        zeroed[place.at..].fill(0);
        image.expect(first, zeroed, &format!("zeros from {}", place.at));
        let mut filled = image.bytes.clone();
        filled[place.at..].copy_from_slice(&stale[place.at..]);
        image.expect(first, filled, &format!("stale bytes from {}", place.at));
    }
}

/// Makes checksum and tag of a record good again, as somebody would who knows the layout but leaves
/// the records behind it alone.
fn mend(record: &mut [u8], chain: Option<&Chain>) {
    if let Some(chain) = chain {
        let tag = chain.after(&record[16..]).tag();
        record[8..16].copy_from_slice(&tag.to_le_bytes());
    }
    let crc = crc32c::crc32c(&record[4..]);
    record[..4].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn a_changed_missing_or_exchanged_record_is_named() {
    let image = image();
    let entries: Vec<Place> = image
        .places
        .iter()
        .copied()
        .filter(|place| !place.own && place.sequence <= COMMITTED)
        .collect();
    for place in &entries {
        let range = place.at..place.at + place.len;
        // changed, with a good checksum
        let mut changed = image.bytes.clone();
        changed[place.at + 24] ^= 1;
        mend(&mut changed[range.clone()], None);
        image.expect(place.sequence, changed, &format!("changed {}", place.sequence));
        // left out, everything behind moved up
        let mut shorter = image.bytes.clone();
        shorter.drain(range.clone());
        shorter.extend(std::iter::repeat_n(0, place.len));
        image.expect(place.sequence, shorter, &format!("left out {}", place.sequence));
        // changed with checksum and tag good: the next record tells, or the slot behind the last
        let mut chain = Chain::start(STREAM);
        for before in image.places.iter().take_while(|before| before.at < place.at) {
            chain = chain.after(&image.bytes[before.at + 16..before.at + before.len]);
        }
        let mut forged = image.bytes.clone();
        forged[place.at + 24] ^= 1;
        mend(&mut forged[range], Some(&chain));
        image.expect(
            (place.sequence + 1).min(COMMITTED),
            forged,
            &format!("forged {}", place.sequence),
        );
    }
    for pair in entries.windows(2).filter(|pair| pair[0].len == pair[1].len) {
        let mut swapped = image.bytes.clone();
        let (a, b) = (pair[0].at..pair[0].at + pair[0].len, pair[1].at);
        let first = swapped[a.clone()].to_vec();
        swapped.copy_within(b..b + pair[1].len, a.start);
        swapped[b..b + pair[1].len].copy_from_slice(&first);
        image.expect(pair[0].sequence, swapped, &format!("exchanged {}", pair[0].sequence));
    }
}

/// Several segments, ended as they should.
fn segments() -> (MemoryDisk, Vec<String>, Vec<u64>) {
    let disk = MemoryDisk::default();
    let mut rig = rig(&disk, SMALL, None);
    rig.write(1..=300);
    rig.end();
    let names = disk.names();
    let firsts = names.iter().map(|name| u64_at(&disk.bytes(name), 40)).collect();
    (disk, names, firsts)
}

#[test]
fn a_missing_segment_is_named_with_the_record_it_began_with() {
    let (disk, names, firsts) = segments();
    assert!(names.len() >= 3, "{names:?}");
    for gone in 0..names.len() - 1 {
        let bytes = disk.bytes(&names[gone]);
        disk.lose(&names[gone]);
        match read(&disk, 1) {
            Err(JournalError::Damaged { record, file, damage, .. }) => {
                assert_eq!((record, &file), (firsts[gone], &names[gone]));
                assert_eq!(damage, Damage::Missing);
            }
            other => panic!("{gone}: {other:?}"),
        }
        let later = read(&disk, firsts[gone + 1]).expect("who asks for less gets it");
        assert_eq!(later.0, numbers(firsts[gone + 1]..301));
        let mut handle = disk.clone();
        let reader = Reader::open(&mut handle, firsts[gone + 1]).expect("it begins later");
        assert_eq!(reader.missing_before().as_ref(), Some(&names[gone]), "and can say so");
        disk.put(&names[gone], bytes);
        let reader = Reader::open(&mut handle, firsts[gone + 1]).expect("all is there");
        assert_eq!(reader.missing_before(), None);
    }
}

#[test]
fn damage_in_an_earlier_segment_is_named_wherever_it_is() {
    let (disk, names, firsts) = segments();
    let name = &names[1];
    let good = disk.bytes(name);
    let next_header = Header::read(&disk.bytes(&names[2])).expect("a header");
    let mut end = RECORDS_AT;
    while end + RECORD_HEAD <= good.len() && u32_at(&good, end + 4) != 0 {
        end += u32_at(&good, end + 4) as usize;
    }
    for at in (0..good.len()).step_by(13) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        disk.put(name, bytes);
        let result = read(&disk, 1);
        if in_slot(at) || at >= end {
            assert_eq!(result.expect("nothing was lost").0, numbers(1..301), "byte {at}");
            continue;
        }
        let Err(JournalError::Damaged { record, file, .. }) = result else {
            panic!("byte {at}: {result:?}");
        };
        assert_eq!(&file, name, "byte {at}");
        assert!((firsts[1]..=next_header.first).contains(&record), "byte {at}: {record}");
        assert!(at >= RECORDS_AT || record == firsts[1], "byte {at}: {record}");
    }
    disk.put(name, good);
    assert_eq!(read(&disk, 1).expect("whole again").0, numbers(1..301));
}

#[test]
fn a_torn_tail_that_comes_back_is_void_once_the_next_life_has_begun() {
    let image = image();
    let disk = MemoryDisk::of(&[(NAME.to_owned(), image.bytes.clone())]);
    // the second life was told of the tail before its last two records came back
    let mut cut = image.bytes.clone();
    let third = image.places[image.places.len() - 2].at;
    cut[third..].fill(0);
    disk.put(NAME, cut);
    let (_, tail) = read(&disk, 1).expect("a tail");
    assert_eq!(tail.next, LAST - 1);
    let mut second = rig(&disk, SMALL, Some(&tail));
    second.write(LAST - 1..=LAST + 6);
    second.end();
    disk.put(NAME, image.bytes);
    let (seen, _) = read(&disk, 1).expect("two lives");
    assert_eq!(seen, numbers(1..LAST + 7));
}

#[test]
fn another_version_and_an_empty_folder_are_said_plainly() {
    assert_eq!(read(&MemoryDisk::default(), 1).err(), Some(JournalError::Empty));
    let header = Header {
        version: FORMAT_VERSION + 1,
        stream: STREAM,
        segment: 0,
        first: 1,
        len: 16 << 10,
        chain: Chain::start(STREAM),
    };
    let disk = MemoryDisk::of(&[(NAME.to_owned(), header.block().to_vec())]);
    assert!(matches!(read(&disk, 1), Err(JournalError::Version { version: 2, .. })));
}

#[test]
fn canary_a_reader_that_trusts_checksums_alone_would_be_caught() {
    let image = image();
    let place = image.places.iter().find(|place| !place.own).expect("an entry");
    let mut changed = image.bytes.clone();
    changed[place.at + 24] ^= 1;
    mend(&mut changed[place.at..place.at + place.len], None);
    let record = &changed[place.at..place.at + place.len];
    assert_eq!(u32_at(record, 0), crc32c::crc32c(&record[4..]), "the checksum is good");
    let disk = MemoryDisk::of(&[(NAME.to_owned(), changed)]);
    let Err(JournalError::Damaged { damage, .. }) = read(&disk, 1) else { panic!("unnoticed") };
    assert_eq!(damage, Damage::Chain, "and only the chain tells");
}
