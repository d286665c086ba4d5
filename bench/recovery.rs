//! Recovery: the time from a lane's folder to the lane, for a million records after the last snapshot.
//!
//! `cargo bench --bench recovery`. A lane trades on a generated market as fast as it goes, with journal
//! and snapshot; then its folder is recovered. What comes back is checked before it is timed: it is the
//! lane that traded, bit for bit. Beside it in the same run, so that one sees where the time goes: the
//! same files read and nothing else, their checksums alone, the reader (checksum, chain, numbers), the
//! reader with every entry decoded. The files are in the page cache, as after a killed process.
//! Ends with exit code 1 when a million records take `SECONDS_MAX` or more.
//! `BOT4_BENCH_FOLDER` names where the files go; by default the system's folder for temporary files.

use bot4::cli::config::Config;
use bot4::host::clock::{Clock, TscClock};
use bot4::host::cpu::Simd;
use bot4::host::disk::{self, Access, DiskKind};
use bot4::host::probe::NoProbe;
use bot4::hot::lane::{Lane, LaneConfig};
use bot4::hot::pipeline::Pipeline;
use bot4::hot::recorder::RING_WORDS;
use bot4::hot::recorder::{Recorder, RingRecorder};
use bot4::hot::recover::Replica;
use bot4::journal::{Durability, Reader, Settings, newest_snapshot, thread};
use bot4::lab::exchange::{Exchange, ExchangeSettings, QueueModel};
use bot4::lab::replay;
use bot4::lab::stream::{self, Beginning, Follower, From};
use bot4::record::{Digest, Entry, Input, Judgement, Life, Scratch, Stamp};
use bot4::units::{LaneId, Nanos, UnixNanos, VenueId};
use bot4::venue::binance::{Family, metadata};
use std::cell::{Cell, RefCell};
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const FAMILY: Family = Family::UsdM;
const WALL: UnixNanos = UnixNanos(1_723_161_255_000_000_000);
/// Records before the snapshot.
const SNAPSHOT_AT: u64 = 100_000;
/// Records that are to follow it.
const WANTED: u64 = 1_000_000;
/// Market events per second and instrument, and seconds: together more than enough.
const RATE: f64 = 2_000.0;
const SECONDS: u64 = 560;
const ROUNDS: usize = 5;
/// What issue 3 promises of a million records.
const SECONDS_MAX: f64 = 1.0;

/// Waits for room instead of halting: simulated time is faster than a disk.
struct Patient(RingRecorder);

impl Recorder for Patient {
    fn has_room(&mut self, input: &Input<'_>) -> bool {
        while !self.0.has_room(input) {
            std::thread::yield_now();
        }
        true
    }
    fn input(&mut self, stamp: Stamp, input: &Input<'_>) {
        self.0.input(stamp, input);
    }
    fn judgement(&mut self, stamp: Stamp, judgement: &Judgement) {
        self.0.judgement(stamp, judgement);
    }
    fn digest(&mut self, stamp: Stamp, digest: &Digest) {
        self.0.digest(stamp, digest);
    }
    fn note(&mut self, at: Nanos, words: &str) {
        self.0.note(at, words);
    }
    fn end(&mut self, at: Nanos) {
        self.0.end(at);
    }
    fn is_fine(&self) -> bool {
        self.0.is_fine()
    }
    fn trouble(&self) -> String {
        self.0.trouble()
    }
    fn holds_back(&self) -> bool {
        false
    }
}

/// Writes the journal of a lane that trades; what the lane came to.
fn trade(folder: &Path, clock: TscClock) -> Lane {
    let listed = metadata::embedded(FAMILY, VenueId(0), &["BTCUSDT", "ETHUSDT"]).expect("embedded");
    let config = LaneConfig { lane: LaneId(0), family: FAMILY, epoch: 1 };
    let plan = Config::default().plan(LaneId(0), &listed, 1).expect("the example's plan");
    let settings = ExchangeSettings {
        family: FAMILY,
        seed: 7,
        rate: RATE,
        latency_in: Nanos(200_000),
        latency_out: Nanos(200_000),
        queue_model: QueueModel::Optimistic,
        diff_period: Nanos::from_millis(100),
        wall_at_zero: WALL,
    };
    let mut exchange = Exchange::generated(&settings, &listed).expect("a market");
    let beginning = Beginning {
        run: 1,
        lane: config,
        name: "both",
        instruments: &listed,
        wall_at_zero: WALL,
        boot: 1,
        settings: Settings { durability: Durability::None, ..Settings::default() },
        ring_words: RING_WORDS,
    };
    let disk = disk::open(DiskKind::Plain, folder, Access::Own).expect("a fresh folder");
    let mut replica = Replica::new();
    let (mut writer, recorder) =
        stream::begin(disk, &beginning, None, &mut replica, Nanos(0)).expect("it begins");
    let writing = std::thread::spawn(move || {
        let follower = RefCell::new(Follower::new(replica, 0, SNAPSHOT_AT));
        let saved = Cell::new(false);
        thread::run(
            &mut writer,
            &clock,
            Nanos(20_000),
            |record, at, kind, words| {
                if !saved.get() {
                    follower.borrow_mut().take(record, at, kind, words).expect("it follows");
                }
            },
            |writer| {
                if !saved.get()
                    && writer.may_save()
                    && let Some(bytes) = follower.borrow_mut().snapshot()
                {
                    saved.set(true);
                    writer.save(bytes);
                }
            },
        );
    });
    let lane = Pipeline::with(Lane::new(config, &listed), FAMILY, &listed, Simd::detect(), WALL);
    let mut lane = lane.recording(Patient(recorder));
    let life = Input::Life(Life { epoch: config.epoch, wall_at_zero: WALL });
    assert!(lane.on_input(life, Nanos(0), &mut NoProbe, &mut |_, _| {}), "there is room");
    replay::record(&mut lane, &mut exchange, &plan, Some(Nanos(SECONDS * Nanos::SECOND.0)));
    lane.end(Nanos((SECONDS + 2) * Nanos::SECOND.0));
    let lane = lane.into_lane();
    writing.join().expect("the writer's thread does not panic");
    lane
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The shortest of some rounds: what the work takes when nobody interrupts it.
fn shortest(clock: &TscClock, mut work: impl FnMut() -> u64) -> (f64, u64) {
    let mut best = f64::INFINITY;
    let mut count = 0;
    for _ in 0..ROUNDS {
        let begin = clock.now();
        count = black_box(work());
        best = best.min(clock.now().since(begin).0 as f64 / 1e9);
    }
    (best, count)
}

fn main() -> ExitCode {
    let clock = TscClock::calibrate();
    let root = std::env::var_os("BOT4_BENCH_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = Folder(root.join(format!("bot4-bench-recovery-{}", std::process::id())));
    fs::create_dir_all(&folder.0).expect("a folder for the bench's files");
    let lane = trade(&folder.0, clock);
    let open = || disk::open(DiskKind::Plain, &folder.0, Access::Read).expect("a journal");
    let snapshot = newest_snapshot(&mut *open()).expect("readable").0.expect("it was saved");
    let recovered = stream::recover(&mut *open(), From::Snapshot, None).expect("as written");
    assert_eq!(recovered.snapshot, Some(snapshot.sequence));
    let back = recovered.replica.lane().expect("a lane");
    assert_eq!(back.digest(), lane.digest(), "the lane that traded");
    assert!(recovered.records >= WANTED, "only {} records follow the snapshot", recovered.records);

    let files = || fs::read_dir(&folder.0).expect("the folder is there").flatten();
    let logs: Vec<PathBuf> = files()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .collect();
    let bytes: u64 =
        logs.iter().filter_map(|path| fs::metadata(path).ok()).map(|of| of.len()).sum();
    let (read, _) = shortest(&clock, || {
        logs.iter().map(|path| fs::read(path).expect("readable").len() as u64).sum()
    });
    let (summed, _) = shortest(&clock, || {
        let sum = |path| u64::from(crc32c::crc32c(&fs::read(path).expect("readable")));
        logs.iter().map(sum).sum()
    });
    let walk = |decodes: bool| {
        let mut disk = open();
        let mut reader = Reader::open_after(&mut *disk, &snapshot).expect("its log");
        let (mut scratch, mut records) = (Scratch::new(), 0);
        while let Some(record) = reader.next().expect("as written") {
            records += 1;
            if decodes {
                black_box(Entry::read(record.kind, record.words, &mut scratch).expect("an entry"));
            }
        }
        records
    };
    let (verified, records) = shortest(&clock, || walk(false));
    let (decoded, _) = shortest(&clock, || walk(true));
    let (whole, _) = shortest(&clock, || {
        stream::recover(&mut *open(), From::Snapshot, None).expect("as written").records
    });
    let per_million = |seconds: f64| seconds * 1e6 / records as f64;
    println!(
        "recovery of {records} records after the snapshot of {} ({:.0} MB of log): {whole:.3} s, {:.3} s a \
         million, {:.2} million records/s",
        snapshot.sequence,
        bytes as f64 / 1e6,
        per_million(whole),
        records as f64 / whole / 1e6
    );
    println!(
        "  beside it, seconds a million: files read {:.3}, and checksummed in one piece {:.3}; records \
         verified {:.3}, and decoded {:.3}; whole recovery is {:.1}x the reading of its files",
        per_million(read),
        per_million(summed),
        per_million(verified),
        per_million(decoded),
        whole / read
    );
    let kept = per_million(whole) < SECONDS_MAX;
    println!(
        "a million records in less than {SECONDS_MAX} s: {}",
        if kept { "kept" } else { "NOT KEPT" }
    );
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
