//! The journal: what an entry costs the lane that pushes it, the writer that seals it, and the disk.
//!
//! `cargo bench --bench journal`. Everything is checked before it is timed: what was pushed is what
//! comes out of the ring, what was written is what the reader gives back. Rivals in the same run: the
//! same entries boxed through a std channel (lane), checksum or copy alone (writer), the same bytes in
//! large blocks without any structure, and a sync for every record (disk).
//! Ends with exit code 1 when an event costs the lane more than `LANE_MAX_NS`, or when fewer than
//! `RECORDS_MIN` tickers a second reach the disk in groups.
//! `BOT4_BENCH_FOLDER` names where the files go; by default the system's folder for temporary files.

use bot4::host::byte_ring::{ByteConsumer, byte_ring};
use bot4::host::clock::{Clock, TscClock};
use bot4::host::disk::{self, Access, DiskKind};
use bot4::host::histogram::Histogram;
use bot4::hot::recorder::{RESERVE_WORDS, RING_WORDS, Recorder, RingRecorder, Unrecorded};
use bot4::journal::format::{Chain, RecordHead, append};
use bot4::journal::{Durability, Health, Reader, Settings, Stream, Writer, thread};
use bot4::record::{BookTicker, DepthDiff, Entry, Input, Level, MarketEvent, Scratch, Stamp};
use bot4::units::{InstrumentId, Lots, Nanos, Ticks, UnixNanos};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;

/// Entries of one timed stretch: half a millisecond at most, so that most are not interrupted.
const STRETCH: u64 = 512;
/// Stretches of each kind; their median counts.
const STRETCHES: usize = 1_001;
/// Entries sent to the disk at full speed.
const TO_DISK: u64 = 3_000_000;
/// Entries whose own durability is waited for.
const ONE_BY_ONE: u64 = 1_000;
/// What issue 3 promises: the cost of an event for the lane, and records a second to disk.
const LANE_MAX_NS: f64 = 50.0;
const RECORDS_MIN: f64 = 1e6;
/// The bound of a group.
const BOUND: Nanos = Nanos(500_000);
const STREAM: Stream = Stream { run: 1, lane: 0 };

fn level(price: i64) -> Level {
    Level { price: Ticks(price), lots: Lots(price & 1_023) }
}

fn ticker(number: u64) -> Input<'static> {
    Input::Market(MarketEvent::Ticker(BookTicker {
        instrument: InstrumentId(0),
        update: number,
        bid: level(number as i64),
        ask: level(number as i64 + 1),
        event_time: UnixNanos(number),
        transaction_time: UnixNanos(number),
    }))
}

fn diff(number: u64, sides: &[Level]) -> Input<'_> {
    Input::Market(MarketEvent::Depth(DepthDiff {
        instrument: InstrumentId(0),
        first_update: number,
        last_update: number + 40,
        previous_update: Some(number - 1),
        event_time: UnixNanos(number),
        transaction_time: UnixNanos(number),
        bids: &sides[..20],
        asks: &sides[20..40],
    }))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What a lane does for one input besides trading: asks for room and records.
fn record(recorder: &mut impl Recorder, number: u64, input: &Input<'_>) {
    let stamp = Stamp { received: Nanos(number), sequence: number };
    if black_box(recorder.has_room(black_box(input))) {
        recorder.input(stamp, black_box(input));
    }
}

/// Nanoseconds per input of one stretch.
fn stretch<'a>(
    clock: &impl Clock,
    recorder: &mut impl Recorder,
    first: u64,
    input: &impl Fn(u64) -> Input<'a>,
) -> f64 {
    let begin = clock.now();
    for number in first..first + STRETCH {
        record(recorder, number, &input(number));
    }
    clock.now().since(begin).0 as f64 / STRETCH as f64
}

/// Empties the ring and checks that everything arrived.
fn drain(consumer: &mut ByteConsumer, first: u64) {
    let mut scratch = Scratch::new();
    for number in first..first + STRETCH {
        let (tag, words) = consumer.front().expect("everything that was pushed");
        assert_eq!(words[0], number);
        if number == first {
            let entry = Entry::read(tag as u16, &words[1..], &mut scratch).expect("an entry");
            assert!(matches!(entry, Entry::Input { sequence, .. } if sequence == number));
        }
        consumer.pop();
    }
    assert!(consumer.is_empty());
}

/// The cost for the lane, with and without, in turns.
fn lane<'a>(clock: &impl Clock, name: &str, input: impl Fn(u64) -> Input<'a>) -> bool {
    let (producer, mut consumer) = byte_ring(RING_WORDS, RESERVE_WORDS);
    let mut recorder = RingRecorder::new(producer, Arc::new(Health::default()), 1, false);
    let (sender, receiver) = mpsc::sync_channel::<Box<[u64]>>(STRETCH as usize);
    let (mut with, mut without, mut boxed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..STRETCHES as u64 {
        let first = 1 + round * STRETCH;
        without.push(stretch(clock, &mut Unrecorded, first, &input));
        with.push(stretch(clock, &mut recorder, first, &input));
        drain(&mut consumer, first);
        let begin = clock.now();
        for number in first..first + STRETCH {
            let entry = Entry::Input { sequence: number, input: black_box(input(number)) };
            let mut words = vec![0; entry.words()].into_boxed_slice();
            entry.write(&mut words);
            sender.send(words).expect("the receiver is here");
        }
        boxed.push(clock.now().since(begin).0 as f64 / STRETCH as f64);
        assert_eq!(receiver.try_iter().count() as u64, STRETCH);
    }
    let words = Entry::Input { sequence: 1, input: input(1) }.words();
    let (with, without, boxed) = (median(with), median(without), median(boxed));
    println!(
        "lane   {name:<16} {:>5} bytes: {without:>6.1} ns without, {with:>6.1} ns with, so {:>6.1} ns \
         an event (at most {LANE_MAX_NS}); boxed through a std channel {:>6.1} ns, {:.1}x as much",
        8 * words,
        with - without,
        boxed - without,
        (boxed - without) / (with - without)
    );
    with - without <= LANE_MAX_NS
}

/// The cost for the writer: the record's place, chain and checksum, beside less of it.
fn sealing<'a>(clock: &impl Clock, name: &str, input: impl Fn(u64) -> Input<'a>) {
    let entry = Entry::Input { sequence: 1, input: input(1) };
    let mut words = vec![0; entry.words()];
    entry.write(&mut words);
    let payload: &[u8] = bytemuck::cast_slice(&words);
    let mut out = Vec::with_capacity(2 * (payload.len() + 40) * STRETCH as usize);
    let (mut whole, mut checksum, mut copy) = (Vec::new(), Vec::new(), Vec::new());
    let mut chain = Chain::start(STREAM);
    for _ in 0..STRETCHES {
        out.clear();
        let begin = clock.now();
        for sequence in 0..STRETCH {
            let head = RecordHead { sequence, time: sequence, kind: 18, lane: 0 };
            chain = append(&mut out, &chain, &head, black_box(payload));
        }
        whole.push(clock.now().since(begin).0 as f64 / STRETCH as f64);
        out.clear();
        let begin = clock.now();
        for _ in 0..STRETCH {
            let start = out.len();
            out.extend_from_slice(&[0; 40]);
            out.extend_from_slice(black_box(payload));
            let crc = crc32c::crc32c(&out[start..]);
            out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
        }
        checksum.push(clock.now().since(begin).0 as f64 / STRETCH as f64);
        out.clear();
        let begin = clock.now();
        for _ in 0..STRETCH {
            out.extend_from_slice(&[0; 40]);
            out.extend_from_slice(black_box(payload));
        }
        copy.push(clock.now().since(begin).0 as f64 / STRETCH as f64);
        black_box(&out);
    }
    let (whole, checksum, copy) = (median(whole), median(checksum), median(copy));
    println!(
        "writer {name:<16} {:>5} bytes: {whole:>6.1} ns a record with chain and checksum; checksum alone \
         {checksum:.1}, copy alone {copy:.1}; {:.2} million records/s on one core",
        40 + payload.len(),
        1e3 / whole
    );
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let root =
            std::env::var_os("BOT4_BENCH_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
        let path = root.join(format!("bot4-bench-journal-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the bench's files");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn settings(durability: Durability) -> Settings {
    Settings { durability, ..Settings::default() }
}

struct Rate {
    records: f64,
    megabytes: f64,
    seconds: f64,
}

/// Entries from a lane's thread to the disk as fast as it goes, until the last one is durable.
fn to_disk<'a>(
    clock: &TscClock,
    kind: DiskKind,
    count: u64,
    durability: Durability,
    input: impl Fn(u64) -> Input<'a>,
) -> Rate {
    let folder = Folder::new("group");
    let (producer, consumer) = byte_ring(RING_WORDS, RESERVE_WORDS);
    let disk = disk::open(kind, &folder.0, Access::Own).expect("a fresh folder");
    let mut writer =
        Writer::start(disk, consumer, settings(durability), STREAM, None).expect("it starts");
    let health = writer.health();
    let mut recorder = RingRecorder::new(producer, health.clone(), 1, false);
    let writing = {
        let clock = *clock;
        std::thread::spawn(move || {
            thread::run(&mut writer, &clock, Nanos(20_000), |_, _, _, _| {}, |_| {});
        })
    };
    let begin = clock.now();
    for number in 1..=count {
        let input = input(number);
        while !recorder.has_room(&input) {
            std::thread::yield_now();
        }
        recorder.input(Stamp { received: Nanos(number), sequence: number }, &input);
    }
    while health.durable() < count && durability != Durability::None {
        assert!(health.is_fine(), "{:?}", health.failure());
        std::thread::yield_now();
    }
    let seconds = clock.now().since(begin).0 as f64 / 1e9;
    drop(recorder);
    writing.join().expect("the writer's thread does not panic");
    let bytes = folder_bytes(&folder.0);
    let mut disk = disk::open(DiskKind::Plain, &folder.0, Access::Read).expect("a journal");
    let mut reader = Reader::open(&mut *disk, 1).expect("a journal");
    let begin = clock.now();
    let mut read = 0;
    while let Some(record) = reader.next().expect("as written") {
        read += 1;
        assert_eq!((record.sequence, record.time), (read, Nanos(read)));
    }
    assert_eq!(read, count, "what was written is what is read");
    let reading = clock.now().since(begin).0 as f64 / 1e9;
    println!(
        "       read back and verified: {:.2} million records/s",
        count as f64 / reading / 1e6
    );
    Rate { records: count as f64 / seconds, megabytes: bytes as f64 / 1e6, seconds }
}

fn folder_bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).expect("the folder is there");
    files.flatten().filter_map(|file| file.metadata().ok()).map(|facts| facts.len()).sum()
}

/// The disk's own limit: as many bytes in blocks of a megabyte, one sync after each.
fn raw(clock: &TscClock, megabytes: f64) -> f64 {
    let folder = Folder::new("raw");
    let mut file = File::create(folder.0.join("raw")).expect("a file");
    let block = vec![7u8; 1 << 20];
    let begin = clock.now();
    for _ in 0..(megabytes as usize).max(1) {
        file.write_all(&block).expect("room");
        file.sync_data().expect("synced");
    }
    clock.now().since(begin).0 as f64 / 1e9
}

/// One record at a time, each durable before the next; and the disk's own limit for that.
fn one_by_one(clock: &TscClock, kind: DiskKind) {
    let folder = Folder::new("each");
    let (producer, consumer) = byte_ring(RING_WORDS, RESERVE_WORDS);
    let disk = disk::open(kind, &folder.0, Access::Own).expect("a fresh folder");
    let mut writer =
        Writer::start(disk, consumer, settings(Durability::Each), STREAM, None).expect("it starts");
    let health = writer.health();
    let mut recorder = RingRecorder::new(producer, health.clone(), 1, false);
    let writing = {
        let clock = *clock;
        std::thread::spawn(move || {
            thread::run(&mut writer, &clock, Nanos(0), |_, _, _, _| {}, |_| {});
        })
    };
    let (mut ours, mut naive) = (Histogram::new(), Histogram::new());
    let file = File::create(folder.0.join("naive")).expect("a file");
    file.set_len(1 << 20).expect("room");
    for number in 1..=ONE_BY_ONE {
        let begin = clock.now();
        recorder.input(Stamp { received: Nanos(number), sequence: number }, &ticker(number));
        while health.durable() < number {
            std::thread::yield_now();
        }
        ours.record(clock.now().since(begin).0);
        let begin = clock.now();
        file.write_all_at(&[7; 112], 112 * number).expect("room");
        file.sync_data().expect("synced");
        naive.record(clock.now().since(begin).0);
    }
    drop(recorder);
    writing.join().expect("the writer's thread does not panic");
    let (ours, naive) = (ours.summary(), naive.summary());
    println!(
        "disk   {kind:?}, each: push to durable p50 {} us, p99 {} us; bare write and sync p50 {} us, \
         p99 {} us; {:.2}x",
        ours.p50 / 1_000,
        ours.p99 / 1_000,
        naive.p50 / 1_000,
        naive.p99 / 1_000,
        ours.p50 as f64 / naive.p50 as f64
    );
}

fn main() -> ExitCode {
    let clock = TscClock::calibrate();
    let sides: Vec<Level> = (0..40).map(level).collect();
    let is_light = lane(&clock, "ticker", ticker);
    let is_light = lane(&clock, "diff of 20+20", |number| diff(number, &sides)) && is_light;
    sealing(&clock, "ticker", ticker);
    sealing(&clock, "diff of 20+20", |number| diff(number, &sides));
    let mut best = 0f64;
    for kind in [DiskKind::Plain, DiskKind::Uring] {
        if let Err(error) = disk::open(kind, &Folder::new("try").0, Access::Own) {
            println!("SKIPPED (1): {error}");
            continue;
        }
        for (name, durability) in
            [("group of 500 us", Durability::Group(BOUND)), ("none", Durability::None)]
        {
            let rate = to_disk(&clock, kind, TO_DISK, durability, ticker);
            if durability != Durability::None {
                best = best.max(rate.records);
            }
            println!(
                "disk   {kind:?}, {name}, tickers: {:.2} million records/s (target 1), {:.0} MB in \
                 {:.2} s; the same bytes raw, a sync each megabyte: {:.2} s",
                rate.records / 1e6,
                rate.megabytes,
                rate.seconds,
                raw(&clock, rate.megabytes)
            );
        }
        let rate =
            to_disk(&clock, kind, TO_DISK / 8, Durability::Group(BOUND), |n| diff(n, &sides));
        println!(
            "disk   {kind:?}, group of 500 us, diffs of 20+20: {:.2} million records/s, {:.0} MB in \
             {:.2} s",
            rate.records / 1e6,
            rate.megabytes,
            rate.seconds
        );
        one_by_one(&clock, kind);
    }
    let is_kept = is_light && best >= RECORDS_MIN;
    println!(
        "an event costs the lane at most {LANE_MAX_NS} ns, and {RECORDS_MIN} tickers a second reach the disk \
         in groups: {}",
        if is_kept { "kept" } else { "NOT KEPT" }
    );
    if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
