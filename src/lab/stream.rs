//! A lane's stream on a disk and the lane it tells of: `journal` and `hot::recover` brought together.
//!
//! `recover` reads what earlier lives left; `begin` opens a new life behind it, whose first entries
//! (who it is, which order ids it may use, its instruments) are on the disk before anything trades.
//! Deliberately absent: folders and threads (`cli`), the venue (`hot::drive` reconciles).

use crate::host::byte_ring::{Refused, Urgency, byte_ring};
use crate::host::disk::Disk;
use crate::host::keeper::Keeper;
use crate::hot::flaws::{Flaws, Sound};
use crate::hot::lane::LaneConfig;
use crate::hot::recorder::{RESERVE_WORDS, RingRecorder};
use crate::hot::recover::{RecoverError, Replica};
use crate::journal::{
    Durability, JournalError, Progress, Reader, Settings, SettingsError, Snapshot, Stream, Tail,
    Writer, newest_snapshot,
};
use crate::record::{Begin, ENTRY_FORMAT, Entry, EntryError, Instrument, Scratch};
use crate::units::{Nanos, OrderId, UnixNanos};

/// Why a stream cannot be read, or gone on with.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record that is no entry of this version.
    #[error("record {record}: {cause}")]
    Entry {
        /// Which record.
        record: u64,
        /// What is wrong with it.
        cause: EntryError,
    },
    /// A record that does not follow.
    #[error("record {record}: {cause}")]
    Recover {
        /// Which record.
        record: u64,
        /// Why it does not.
        cause: RecoverError,
    },
    /// The new life's instruments or lane are not those of the journal.
    #[error(transparent)]
    Lane(#[from] RecoverError),
    /// The writer does not start.
    #[error(transparent)]
    Writer(#[from] SettingsError),
    /// The first entries do not fit the ring.
    #[error("the first entries of a life: {0}")]
    Ring(#[from] Refused),
    /// The disk failed before the first entries were durable.
    #[error("the first entries of a life did not reach the disk: {0}")]
    NotDurable(String),
}

/// What earlier lives left.
#[derive(Debug)]
pub struct Recovered<F: Flaws = Sound> {
    /// The lane as its journal tells it.
    pub replica: Replica<F>,
    /// Where the stream ends; none where there was no stream, or reading stopped before its end.
    pub tail: Option<Tail>,
    /// Records read.
    pub records: u64,
    /// The record after which they begin, where a snapshot stood for those before.
    pub snapshot: Option<u64>,
    /// Newer snapshots that do not check out.
    pub bad_snapshots: Vec<String>,
    /// The first older segment that is gone. Nothing was read there; a replay would.
    pub missing: Option<String>,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The first record: everything is executed again.
    Beginning,
    /// The newest snapshot that can be used.
    Snapshot,
}

/// A snapshot, and the replica in it.
type Restored<F> = Option<(Snapshot, Replica<F>)>;

/// The newest snapshot, none where that is of another version; the names of newer ones that do not check
/// out.
fn restored<F: Flaws>(disk: &mut dyn Disk) -> Result<(Restored<F>, Vec<String>), StreamError> {
    let (newest, bad) = newest_snapshot(disk).map_err(JournalError::from)?;
    // A layout of another version is no damage: the log has everything.
    let saved = newest.and_then(|of| Replica::restore(&of.bytes).ok().map(|replica| (of, replica)));
    Ok((saved, bad))
}

/// Reads the stream in the disk's folder, up to the record `until` where that is given.
///
/// # Errors
/// When something that was durable is damaged or missing, or a record does not follow from those
/// before it; the message names the record.
pub fn recover(
    disk: &mut dyn Disk,
    from: From,
    until: Option<u64>,
) -> Result<Recovered, StreamError> {
    recover_as(disk, from, until)
}

/// The same for a lane with or without bugs: a replica must have those of the lane that wrote.
///
/// # Errors
/// See [`recover`].
pub fn recover_as<F: Flaws>(
    disk: &mut dyn Disk,
    from: From,
    until: Option<u64>,
) -> Result<Recovered<F>, StreamError> {
    let (saved, bad_snapshots) = match from {
        From::Snapshot => restored(disk)?,
        From::Beginning => (None, Vec::new()),
    };
    let (snapshot, mut replica) =
        saved.map_or((None, Replica::blank()), |(snapshot, replica)| (Some(snapshot), replica));
    let opened = match &snapshot {
        Some(snapshot) => Reader::open_after(disk, snapshot),
        None => Reader::open(disk, 1),
    };
    let mut reader = match opened {
        Ok(reader) => reader,
        Err(JournalError::Empty) => {
            let (tail, records, snapshot, missing) = (None, 0, None, None);
            return Ok(Recovered { replica, tail, records, snapshot, bad_snapshots, missing });
        }
        Err(error) => return Err(error.into()),
    };
    let missing = reader.missing_before();
    let snapshot = snapshot.map(|of| of.sequence);
    let mut scratch = Scratch::new();
    let mut records = 0;
    while let Some(of) = reader.next()? {
        if until.is_some_and(|until| of.sequence > until) {
            let tail = None;
            return Ok(Recovered { replica, tail, records, snapshot, bad_snapshots, missing });
        }
        let record = of.sequence;
        let entry = Entry::read(of.kind, of.words, &mut scratch)
            .map_err(|cause| StreamError::Entry { record, cause })?;
        replica.apply(of.time, &entry).map_err(|cause| StreamError::Recover { record, cause })?;
        records += 1;
    }
    let tail = reader.tail().cloned();
    Ok(Recovered { replica, tail, records, snapshot, bad_snapshots, missing })
}

/// A life that is to begin.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// The run that its stream belongs to.
    pub run: u128,
    /// Which lane, and the epoch of its client order ids.
    pub lane: LaneConfig,
    /// The lane's name.
    pub name: &'a str,
    /// What it trades.
    pub instruments: &'a [Instrument],
    /// Wall time at monotonic zero.
    pub wall_at_zero: UnixNanos,
    /// The kernel's boot.
    pub boot: u128,
    /// How the stream is written.
    pub settings: Settings,
    /// Words of the ring between the lane and the writer.
    pub ring_words: usize,
}

/// Opens a life behind `tail`; its first entries are as durable as the settings make them, and `replica`
/// has heard of them.
///
/// # Errors
/// When the writer does not start, or the disk fails.
pub fn begin<D: Disk, F: Flaws>(
    disk: D,
    of: &Beginning<'_>,
    tail: Option<&Tail>,
    replica: &mut Replica<F>,
    now: Nanos,
) -> Result<(Writer<D>, RingRecorder), StreamError> {
    let (producer, consumer) = byte_ring(of.ring_words, RESERVE_WORDS);
    let stream = Stream { run: tail.map_or(of.run, |tail| tail.stream.run), lane: of.lane.lane.0 };
    // A life's epoch is durable before it sends anything, whatever is promised of the rest.
    let durability = match of.settings.durability {
        Durability::None => Durability::Group(Nanos::SECOND),
        other => other,
    };
    let settings = Settings { durability, ..of.settings };
    let mut writer = Writer::start(disk, consumer, settings, stream, tail)?;
    let health = writer.health();
    let waits = of.settings.durability == Durability::Each;
    let keeper: std::sync::Arc<dyn Keeper> = health.clone();
    let mut recorder = RingRecorder::new(producer, keeper, writer.next(), waits);
    let begin = Begin {
        format: ENTRY_FORMAT,
        run: stream.run,
        lane: of.lane.lane,
        family: of.lane.family.code(),
        epoch: of.lane.epoch,
        order_first: OrderId::new(of.lane.epoch, 1),
        order_last: OrderId::new(of.lane.epoch, u64::MAX),
        wall_at_zero: of.wall_at_zero,
        boot: of.boot,
        name: of.name,
    };
    let instruments = of.instruments.iter().map(|of| Entry::Instrument(*of));
    for entry in std::iter::once(Entry::Begin(begin)).chain(instruments) {
        recorder.push(now, &entry, Urgency::Ordinary)?;
        replica.apply(now, &entry)?;
    }
    // A group is due when its bound is over: here nobody gains by waiting for it, so time runs fast.
    let mut due = now;
    while health.durable() < recorder.pushed() {
        due = due.plus(Nanos::SECOND);
        if writer.turn(due) == Progress::Failed {
            return Err(StreamError::NotDurable(health.trouble()));
        }
        writer.rest(Nanos::from_millis(1), due);
    }
    writer.promise(of.settings.durability);
    Ok((writer, recorder))
}

/// Follows a stream as it is written, so that its state can be saved without asking the lane.
pub struct Follower<F: Flaws = Sound> {
    /// None once a record did not follow: a bug, told once; the log itself is whole.
    replica: Option<Replica<F>>,
    scratch: Scratch,
    /// Records since the last snapshot, and how many are to be between two.
    since: u64,
    every: u64,
}

impl<F: Flaws> Follower<F> {
    /// Follows on from `replica`, `since` records after its last snapshot.
    #[must_use]
    pub fn new(replica: Replica<F>, since: u64, every: u64) -> Follower<F> {
        Follower { replica: Some(replica), scratch: Scratch::new(), since, every }
    }

    /// Takes a record that was written.
    ///
    /// # Errors
    /// When it does not follow: no more snapshots are made then.
    pub fn take(
        &mut self,
        record: u64,
        time: Nanos,
        kind: u16,
        words: &[u64],
    ) -> Result<(), StreamError> {
        let Some(replica) = &mut self.replica else { return Ok(()) };
        self.since += 1;
        let entry = Entry::read(kind, words, &mut self.scratch);
        let followed =
            entry.map_err(|cause| StreamError::Entry { record, cause }).and_then(|entry| {
                replica.apply(time, &entry).map_err(|cause| StreamError::Recover { record, cause })
            });
        if followed.is_err() {
            self.replica = None;
        }
        followed
    }

    /// The state, when it is time to save it: not between an input and what the gate said of it; and at the
    /// orderly end, so that the next start replays nothing. Where the snapshot's layout is still the same,
    /// another version of the gate may then take over, which would not give the verdicts of the log.
    pub fn snapshot(&mut self) -> Option<Vec<u8>> {
        let replica = self.replica.as_mut().filter(|of| of.is_settled())?;
        let due = self.since >= self.every || self.since > 0 && replica.has_ended();
        if !due {
            return None;
        }
        self.since = 0;
        Some(replica.save())
    }
}

/// Where two streams part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parted {
    /// Records that both begin with.
    pub common: u64,
    /// The next record of the first; none at its end.
    pub first: Option<String>,
    /// The next record of the other.
    pub other: Option<String>,
}

/// One record of a stream.
type Taken = Option<(u64, u16, Vec<u64>)>;

/// Compares two streams record by record; run, boot and wall time of their lives do not count.
///
/// # Errors
/// When one of them cannot be read, and whether it is the first.
pub fn part(first: &mut dyn Disk, other: &mut dyn Disk) -> Result<Parted, (bool, StreamError)> {
    let open = |disk, is_first| Reader::open(disk, 1).map_err(|error| (is_first, error.into()));
    let (mut first, mut other) = (open(first, true)?, open(other, false)?);
    let take = |reader: &mut Reader<'_>, is_first: bool| -> Result<Taken, (bool, StreamError)> {
        let next = reader.next().map_err(|error| (is_first, error.into()))?;
        Ok(next.map(|of| (of.time.0, of.kind, of.words.to_vec())))
    };
    let mut common = 0;
    loop {
        let (ours, theirs) = (take(&mut first, true)?, take(&mut other, false)?);
        let alike = match (&ours, &theirs) {
            (Some(ours), Some(theirs)) => same(ours, theirs),
            (None, None) => return Ok(Parted { common, first: None, other: None }),
            _ => false,
        };
        if !alike {
            return Ok(Parted { common, first: told(ours), other: told(theirs) });
        }
        common += 1;
    }
}

/// Whether two records say the same of a lane.
fn same(ours: &(u64, u16, Vec<u64>), theirs: &(u64, u16, Vec<u64>)) -> bool {
    let mut scratches = (Scratch::new(), Scratch::new());
    let entries = (
        Entry::read(ours.1, &ours.2, &mut scratches.0),
        Entry::read(theirs.1, &theirs.2, &mut scratches.1),
    );
    match entries {
        (Ok(Entry::Begin(a)), Ok(Entry::Begin(b))) => {
            Begin { run: b.run, boot: b.boot, wall_at_zero: b.wall_at_zero, ..a } == b
        }
        _ => ours == theirs,
    }
}

fn told(of: Taken) -> Option<String> {
    let (time, kind, words) = of?;
    let mut scratch = Scratch::new();
    let entry = Entry::read(kind, &words, &mut scratch);
    Some(match entry {
        Ok(entry) => format!("{:.9} s {entry:?}", time as f64 * 1e-9),
        Err(error) => format!("{:.9} s {error}", time as f64 * 1e-9),
    })
}
