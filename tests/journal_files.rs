//! The journal on real files, written by a thread of its own over both disks, read by `bot4 audit`.

use bot4::host::byte_ring::{ByteProducer, Urgency, byte_ring};
use bot4::host::clock::{Clock, TscClock};
use bot4::host::disk::{Access, DiskKind, open};
use bot4::host::keeper::Keeper;
use bot4::journal::{
    Durability, Health, Reader, SealKey, Settings, Stream, Tail, Writer, newest_snapshot, thread,
};
use bot4::record::{BookTicker, Entry, Input, Level, MarketEvent, Scratch};
use bot4::units::{InstrumentId, Lots, Nanos, Ticks, UnixNanos};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const STREAM: Stream = Stream { run: 0xB074, lane: 0 };
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of a run that goes when the test ends.
struct Run(PathBuf);

impl Run {
    fn new() -> Run {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bot4-journal-{}-{number}", std::process::id());
        Run(std::env::temp_dir().join(name))
    }

    fn lane(&self) -> PathBuf {
        self.0.join("lane-0")
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn kinds() -> Vec<DiskKind> {
    let run = Run::new();
    match open(DiskKind::Uring, &run.lane(), Access::Own) {
        Ok(_) => vec![DiskKind::Plain, DiskKind::Uring],
        Err(error) => {
            println!("SKIPPED (1): the journal over io_uring: {error}");
            vec![DiskKind::Plain]
        }
    }
}

fn ticker(number: u64) -> Entry<'static> {
    let level = |price| Level { price: Ticks(price), lots: Lots(number as i64) };
    Entry::Input {
        sequence: number,
        input: Input::Market(MarketEvent::Ticker(BookTicker {
            instrument: InstrumentId(0),
            update: number,
            bid: level(100),
            ask: level(101),
            event_time: UnixNanos(number),
            transaction_time: UnixNanos(number),
        })),
    }
}

fn push(lane: &mut ByteProducer, number: u64, entry: &Entry<'_>) {
    let started = Instant::now();
    let fill = |out: &mut [u64]| {
        out[0] = number;
        entry.write(&mut out[1..]);
    };
    while lane.push(entry.kind().code().into(), 1 + entry.words(), Urgency::Ordinary, fill).is_err()
    {
        assert!(started.elapsed() < PATIENCE, "nobody takes from the ring");
        std::thread::yield_now();
    }
}

/// A lane's end of a journal and what it needs to know.
struct Lane {
    ring: ByteProducer,
    health: Arc<Health>,
    next: u64,
    writing: std::thread::JoinHandle<()>,
}

fn start(kind: DiskKind, run: &Run, settings: Settings, tail: Option<Tail>) -> Lane {
    let (ring, consumer) = byte_ring(1 << 14, 0);
    let disk = open(kind, &run.lane(), Access::Own).expect("a free folder");
    let writer = Writer::start(disk, consumer, settings, STREAM, tail.as_ref()).expect("it starts");
    let mut writer = writer.signing(SealKey::from_seed(&[1; 32]).expect("32 bytes"));
    let (health, next) = (writer.health(), writer.next());
    let writing = std::thread::spawn(move || {
        let clock = TscClock::calibrate();
        let mut taken = 0;
        thread::run(
            &mut writer,
            &clock,
            Nanos(50_000),
            |_, _, _, _| taken += 1,
            |writer| {
                if writer.next() > 5_000 && clock.now().0.is_multiple_of(7) {
                    writer.save(writer.next().to_le_bytes().to_vec());
                }
            },
        );
    });
    Lane { ring, health, next, writing }
}

impl Lane {
    fn write(&mut self, count: u64) {
        for _ in 0..count {
            let number = self.next;
            push(&mut self.ring, number, &ticker(number));
            self.next += 1;
        }
    }

    fn wait_durable(&self) {
        let started = Instant::now();
        while self.health.durable() < self.next - 1 {
            assert!(self.health.is_fine(), "{}", self.health.trouble());
            assert!(started.elapsed() < PATIENCE, "not durable: {:?}", self.health);
            std::thread::yield_now();
        }
    }

    fn end(self) {
        drop(self.ring);
        self.writing.join().expect("the writer's thread does not panic");
    }
}

fn settings(durability: Durability) -> Settings {
    Settings { durability, segment_len: 1 << 20, group_len: 1 << 16 }
}

fn read_all(run: &Run) -> (u64, Tail) {
    let mut disk = open(DiskKind::Plain, &run.lane(), Access::Read).expect("a journal");
    let mut reader = Reader::open(&mut *disk, 1).expect("a journal");
    let mut scratch = Scratch::new();
    let mut last = 0;
    while let Some(record) = reader.next().expect("as written") {
        last += 1;
        assert_eq!((record.sequence, record.time), (last, Nanos(last)));
        let entry = Entry::read(record.kind, record.words, &mut scratch).expect("an entry");
        assert_eq!(format!("{entry:?}"), format!("{:?}", ticker(last)));
    }
    let tail = reader.tail().expect("the end").clone();
    (last, tail)
}

fn audit(arguments: &[&str], run: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bot4"))
        .args(["audit", "verify"])
        .arg(run)
        .args(arguments)
        .output()
        .expect("bot4 runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn lives_are_written_by_a_thread_and_read_back() {
    for kind in kinds() {
        for durability in [Durability::None, Durability::Group(Nanos(300_000)), Durability::Each] {
            let run = Run::new();
            let mut lane = start(kind, &run, settings(durability), None);
            lane.write(20_000);
            if durability != Durability::None {
                lane.wait_durable();
            }
            lane.end();
            let (count, tail) = read_all(&run);
            assert_eq!(count, 20_000, "{kind:?} {durability:?}");
            assert!(tail.sealed);
            let mut second = start(kind, &run, settings(durability), Some(tail));
            assert_eq!(second.next, 20_001);
            second.write(100);
            second.end();
            assert_eq!(read_all(&run).0, 20_100);
            let mut disk = open(DiskKind::Plain, &run.lane(), Access::Read).expect("a journal");
            if let Some(snapshot) = newest_snapshot(&mut *disk).expect("readable").0 {
                assert_eq!(snapshot.bytes, (snapshot.sequence + 1).to_le_bytes());
                Reader::open_after(&mut *disk, &snapshot).expect("its log");
            }
        }
    }
}

/// The entries of a segment: number, place, kind.
fn entries(bytes: &[u8]) -> Vec<(u64, std::ops::Range<usize>, u16)> {
    let number = |at: usize, len: usize| {
        bytes[at..at + len].iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let (mut at, mut entries) = (4_096, Vec::new());
    while at + 40 <= bytes.len() && number(at + 4, 4) > 0 {
        let (len, kind) = (number(at + 4, 4) as usize, number(at + 32, 2) as u16);
        if kind < bot4::journal::format::OWN_KINDS {
            entries.push((number(at + 16, 8), at..at + len, kind));
        }
        at += len;
    }
    entries
}

/// Puts a harmed segment in place and checks that `verify` names the record.
fn named(run: &Run, file: &Path, harmed: &[u8], record: u64, word: &str) {
    std::fs::write(file, harmed).expect("written");
    let verdict = json(&audit(&["--json"], &run.0));
    let expected = (Value::from(false), Value::from(record), Value::from(record - 1));
    let found = (&verdict["ok"], &verdict["first_bad"], &verdict["records"]);
    assert_eq!(found, (&expected.0, &expected.1, &expected.2), "{word}: {verdict}");
    let fault = verdict["lanes"][0]["fault"].as_str().expect("words");
    assert!(fault.contains(word) && fault.contains(&format!("record {record} ")), "{fault}");
}

/// A run of 30 000 records that came to its end.
fn written() -> Run {
    let run = Run::new();
    let mut lane = start(DiskKind::Plain, &run, settings(Durability::Each), None);
    lane.write(30_000);
    lane.end();
    run
}

#[test]
fn audit_verify_names_what_was_changed() {
    let run = written();
    let good = audit(&["--json"], &run.0);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let verdict = json(&good);
    assert_eq!(verdict["records"], 30_000);
    assert_eq!(verdict["ok"], true);
    assert_eq!(verdict["first_bad"], Value::Null);
    assert_eq!(verdict["lanes"][0]["ended"], false, "no lane has said that it ends");
    assert_eq!(verdict["lanes"][0]["seals"], verdict["lanes"][0]["signed_seals"]);
    let key = SealKey::from_seed(&[1; 32]).expect("32 bytes").public();
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(audit(&["--key", &key], &run.0).status.success());
    let other = audit(&["--key", &"00".repeat(32)], &run.lane());
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stdout).contains("signed by another key"));

    let file = run.lane().join("00000001.log");
    let bytes = std::fs::read(&file).expect("a second segment");
    let first = u64::from_le_bytes(bytes[40..48].try_into().expect("eight bytes"));
    let mut changed = bytes.clone();
    changed[4_096 + 60] ^= 0x20;
    std::fs::write(&file, &changed).expect("written");
    let bad = audit(&["--json"], &run.0);
    assert_eq!(bad.status.code(), Some(1));
    let verdict = json(&bad);
    assert_eq!((&verdict["ok"], &verdict["first_bad"]), (&Value::from(false), &first.into()));
    assert_eq!(verdict["records"], first - 1);
    let words = verdict["lanes"][0]["fault"].as_str().expect("words").to_owned();
    assert!(words.contains("00000001.log") && words.contains("checksum"), "{words}");

    // by somebody who knows the layout and makes the checksum good again
    let entries = entries(&bytes);
    let (_, of, _) = entries[9].clone();
    let mut changed = bytes.clone();
    changed[of.start + 60] ^= 0x20;
    let crc = crc32c::crc32c(&changed[of.start + 4..of.end]);
    changed[of.start..of.start + 4].copy_from_slice(&crc.to_le_bytes());
    named(&run, &file, &changed, entries[9].0, "changed");
    let mut left_out = bytes.clone();
    left_out.drain(of.clone());
    left_out.extend(std::iter::repeat_n(0, of.len()));
    named(&run, &file, &left_out, entries[9].0, "chain");
    let pair =
        entries.windows(2).find(|pair| pair[0].1.end == pair[1].1.start && pair[0].2 == pair[1].2);
    let [(first_number, one, _), (_, other, _)] = pair.expect("two entries of one kind") else {
        unreachable!("a window of two");
    };
    let mut exchanged = bytes.clone();
    exchanged[one.start..one.start + other.len()].copy_from_slice(&bytes[other.clone()]);
    exchanged[one.start + other.len()..other.end].copy_from_slice(&bytes[one.clone()]);
    named(&run, &file, &exchanged, *first_number, "exchanged");

    std::fs::remove_file(&file).expect("removed");
    let missing = audit(&[], &run.0);
    assert_eq!(missing.status.code(), Some(1));
    let words = String::from_utf8_lossy(&missing.stdout).into_owned();
    assert!(words.contains(&format!("record {first} ")) && words.contains("missing"), "{words}");

    let nowhere = audit(&[], &run.0.join("nothing"));
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("nothing"));
}

#[test]
fn a_missing_end_is_told_by_a_snapshot() {
    let run = written();
    let mut disk = open(DiskKind::Plain, &run.lane(), Access::Read).expect("a journal");
    let saved = newest_snapshot(&mut *disk).expect("readable").0.expect("one in seven turns");
    let files = std::fs::read_dir(run.lane()).expect("a folder").flatten().map(|file| file.path());
    let mut segments: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|of| of == "log")).collect();
    segments.sort();
    let first = loop {
        let last = segments.pop().expect("the snapshot stands for a record of a segment");
        let bytes = std::fs::read(&last).expect("a segment");
        std::fs::remove_file(&last).expect("removed");
        let first = u64::from_le_bytes(bytes[40..48].try_into().expect("eight bytes"));
        if first <= saved.sequence {
            break first;
        }
    };
    let verdict = json(&audit(&["--json"], &run.0));
    assert_eq!((&verdict["ok"], &verdict["first_bad"]), (&Value::from(false), &first.into()));
    let fault = verdict["lanes"][0]["fault"].as_str().expect("words");
    assert!(fault.contains("are missing"), "{fault}");
}
