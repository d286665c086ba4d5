//! A run's journal: its folder, what earlier lives left there, and the thread that writes it.

use super::RunError;
use crate::cli::config::{Address, Config, DurabilityMode};
use crate::host::clock::Clock;
use crate::host::disk::{self, Access, DiskError, DiskKind};
use crate::host::system::System;
use crate::hot::drive::Resumed;
use crate::hot::lane::LaneConfig;
use crate::hot::recorder::{RING_WORDS, RingRecorder};
use crate::journal::{Durability, Health, SealKey, Settings, Writer, thread};
use crate::lab::stream::{self, Beginning, Follower, From, StreamError};
use crate::record::Instrument;
use crate::units::{LaneId, Nanos, UnixNanos};
use crate::venue::binance::Family;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

/// Where journals stand unless a folder is named.
const FOLDER: &str = "bot4-journal";
/// Between two looks at an empty ring; groups have a bound of their own.
const NAP: Nanos = Nanos(100_000);

/// Why a lane's journal cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// What stands in it.
    #[error("{folder}: {cause}")]
    Stream {
        /// The lane's folder.
        folder: PathBuf,
        /// What is wrong.
        cause: StreamError,
    },
}

/// The folder of a run's journal.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    run: u128,
    boot: u128,
    kind: DiskKind,
    settings: Settings,
    snapshot_records: u64,
    raw_frames: bool,
}

/// What a new life is told of its lane.
pub struct LaneSettings<'a> {
    /// Which lane.
    pub lane: LaneId,
    /// Its name.
    pub name: &'a str,
    /// The venue's family.
    pub family: Family,
    /// What it trades.
    pub instruments: &'a [Instrument],
    /// Epoch of client order ids where no earlier life says one.
    pub first_epoch: u32,
    /// Wall time at monotonic zero.
    pub wall_at_zero: UnixNanos,
}

/// A lane's stream, open for a new life.
pub struct Opened {
    /// What earlier lives left.
    pub resumed: Option<Resumed>,
    /// Epoch of this life.
    pub epoch: u32,
    /// Takes what the lane lives by.
    pub recorder: RingRecorder,
    /// The writer at work.
    pub journal: Journal,
    /// How it was found.
    pub words: String,
}

impl Folder {
    /// The folder that the settings name; none where no journal is to be kept.
    #[must_use]
    pub fn of(config: &Config, wall: UnixNanos) -> Option<Folder> {
        let journal = &config.journal;
        if !journal.keep {
            return None;
        }
        let path = journal.folder.clone().unwrap_or_else(|| {
            let family = config.venue.family.0.name();
            Path::new(FOLDER).join(match &config.venue.address {
                Address::Loopback => {
                    // The market ends with the run, so nothing can go on from here.
                    format!("loopback-{}-{}", wall.0 / 1_000_000_000, std::process::id())
                }
                Address::Binance => format!("binance-{family}"),
                Address::At(at) => format!("{family}-{}", at.replace([':', '/'], "-")),
            })
        });
        let durability = match journal.durability {
            DurabilityMode::None => Durability::None,
            DurabilityMode::Group => Durability::Group(Nanos(journal.group_us * 1_000)),
            DurabilityMode::Each => Durability::Each,
        };
        let segment_len = journal.segment_mib << 20;
        let settings = Settings { durability, segment_len, ..Settings::default() };
        let boot = System::default().boot_id().unwrap_or_default();
        let run = u128::from(wall.0) << 64 | u128::from(std::process::id());
        let (snapshot_records, raw_frames) = (journal.snapshot_records, journal.raw_frames);
        let kind = DiskKind::Uring;
        Some(Folder { path, run, boot, kind, settings, snapshot_records, raw_frames })
    }

    /// Folders of lanes that earlier runs had and one of `lanes` lanes does not.
    #[must_use]
    pub fn left_alone(&self, lanes: usize) -> Vec<PathBuf> {
        let number = |name: &str| name.strip_prefix("lane-")?.parse::<usize>().ok();
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let numbered =
            entries.filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path())));
        let mut others: Vec<_> = numbered.filter(|(number, _)| *number >= lanes).collect();
        others.sort();
        others.into_iter().map(|(_, path)| path).collect()
    }

    /// Recovers a lane's stream and opens a new life behind it, whose finished segments the key signs.
    ///
    /// # Errors
    /// When the folder is in use or cannot be written, or something durable in it is damaged.
    pub fn open(
        &self,
        of: &LaneSettings<'_>,
        seal_key: Option<SealKey>,
        clock: impl Clock + Send + 'static,
    ) -> Result<Opened, RunError> {
        let folder = self.path.join(format!("lane-{}", of.lane.0));
        let failed = |cause: JournalError| RunError::Journal { lane: of.name.to_owned(), cause };
        let spoilt =
            |cause: StreamError| failed(JournalError::Stream { folder: folder.clone(), cause });
        let opened = disk::open(self.kind, &folder, Access::Own);
        // The journal does not need io_uring; a kernel that forbids it gets plain system calls.
        let opened = opened.or_else(|error| match error {
            DiskError::Unsupported { .. } => disk::open(DiskKind::Plain, &folder, Access::Own),
            other => Err(other),
        });
        let mut disk = opened.map_err(|error| failed(error.into()))?;
        let begun = Instant::now();
        let mut left = stream::recover(&mut disk, From::Snapshot, None).map_err(spoilt)?;
        let before = left.replica.has_begun();
        let epoch = if before { left.replica.next_epoch() } else { of.first_epoch };
        let lane = LaneConfig { lane: of.lane, family: of.family, epoch };
        let words = if before {
            let dropped = left.tail.as_ref().and_then(|tail| tail.dropped.as_ref());
            let torn = dropped.map_or(String::new(), |of| {
                format!("; what stood behind the last whole record ({}) is dropped", of.damage)
            });
            let missing = left.missing.as_ref().map_or(String::new(), |name| {
                format!(
                    "; {name} of its past is missing: this life does not need it, `replay` does"
                )
            });
            let bad = left.bad_snapshots.iter().fold(String::new(), |words, name| {
                words + &format!("; {name} does not check out and is passed over")
            });
            let ended = if left.replica.has_ended() { "ended" } else { "was killed" };
            format!(
                "lane `{}` goes on after {} records{} in {:.0} ms; the life before \
                 {ended}{torn}{missing}{bad}",
                of.name,
                left.records,
                left.snapshot.map_or(String::new(), |of| format!(" behind the snapshot of {of}")),
                begun.elapsed().as_secs_f64() * 1e3
            )
        } else {
            format!("lane `{}` begins a journal", of.name)
        };
        let ended_at = left.replica.wall();
        let resumed = left
            .replica
            .lane_for(lane, of.instruments)
            .map_err(|cause| spoilt(StreamError::Lane(cause)))?;
        let resumed = resumed.map(|lane| Resumed { lane, ended_at });
        let beginning = Beginning {
            run: self.run,
            lane,
            name: of.name,
            instruments: of.instruments,
            wall_at_zero: of.wall_at_zero,
            boot: self.boot,
            settings: self.settings,
            ring_words: RING_WORDS,
        };
        let (writer, recorder) =
            stream::begin(disk, &beginning, left.tail.as_ref(), &mut left.replica, clock.now())
                .map_err(spoilt)?;
        let recorder = recorder.keeping_frames(self.raw_frames);
        let writer = match seal_key {
            Some(key) => writer.signing(key),
            None => writer,
        };
        let health = writer.health();
        let follower = Follower::new(left.replica, left.records, self.snapshot_records);
        let thread = Builder::new()
            .name(format!("journal-{}", of.name))
            .spawn(move || write(writer, follower, &clock))
            .map_err(RunError::Thread)?;
        let journal = Journal { folder, thread, health };
        Ok(Opened { resumed, epoch, recorder, journal, words })
    }
}

/// A stream that is being written.
pub struct Journal {
    folder: PathBuf,
    thread: JoinHandle<()>,
    health: Arc<Health>,
}

/// What became of a lane's journal.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct JournalReport {
    /// Its folder.
    pub folder: PathBuf,
    /// The last record that was written.
    pub records: u64,
    /// The last record that no loss of power can undo.
    pub durable: u64,
    /// Why it could not be written to the end.
    pub failure: Option<String>,
}

impl Journal {
    /// Waits for the last record; the lane is gone.
    #[must_use]
    pub fn end(self) -> JournalReport {
        let joined = self.thread.join();
        let failure = match joined {
            Ok(()) => {
                let gone = || (!self.folder.is_dir()).then(|| "its folder is gone".to_owned());
                self.health.failure().map(|failure| failure.to_string()).or_else(gone)
            }
            Err(_) => Some("its thread died".to_owned()),
        };
        let (records, durable) = (self.health.written(), self.health.durable());
        JournalReport { folder: self.folder, records, durable, failure }
    }
}

/// Writes until the lane is gone and everything is on the disk, or nothing can be written any more; saves
/// the lane's state now and then, out of what is written, so that the lane never stops for it.
fn write<D: disk::Disk>(mut writer: Writer<D>, follower: Follower, clock: &impl Clock) {
    let follower = RefCell::new(follower);
    let follow = |record, time, kind, words: &[u64]| {
        if let Err(error) = follower.borrow_mut().take(record, time, kind, words) {
            eprintln!("bot4: no more snapshots in this run: {error}; please report it");
        }
    };
    let save = |writer: &mut Writer<D>| {
        if writer.may_save()
            && let Some(bytes) = follower.borrow_mut().snapshot()
        {
            writer.save(bytes);
        }
    };
    thread::run(&mut writer, clock, NAP, follow, save);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journals_of_lanes_that_a_configuration_lacks_are_named() {
        let path = std::env::temp_dir().join(format!("bot4-left-alone-{}", std::process::id()));
        for name in ["lane-0", "lane-1", "lane-2", "lane-10", "lane-x", "other"] {
            std::fs::create_dir_all(path.join(name)).expect("a folder");
        }
        let config = Config::default();
        let mut folder = Folder::of(&config, UnixNanos(0)).expect("a journal is kept");
        folder.path.clone_from(&path);
        let others = folder.left_alone(2);
        let none = folder.left_alone(11);
        let _ = std::fs::remove_dir_all(&path);
        assert_eq!(others, [path.join("lane-2"), path.join("lane-10")]);
        assert!(none.is_empty() && folder.left_alone(1).is_empty(), "nor is there a folder");
    }
}
