//! `bot4 replay RUN`: a journal executed again, record by record, every verdict and hash compared.
//!
//! RUN is a run's folder; its lanes are replayed one after the other. What comes out must be what was
//! recorded, whoever replays it on whatever machine.

use crate::host::disk::{self, Access, DiskError, DiskKind};
use crate::hot::lane::Lane;
use crate::hot::report::LaneReport;
use crate::lab::stream::{self, From, Recovered, StreamError};
use crate::ledger::StateHash;
use clap::Args;
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Arguments of `bot4 replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// A run's folder, as `bot4 run` names it
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Stop after this record of every lane
    #[arg(long, value_name = "RECORD")]
    until: Option<u64>,
    /// Compare with another run: the first record after which their lanes' states differ
    #[arg(long, value_name = "OTHER", conflicts_with = "until")]
    diff: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Why a run cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The folder holds no lane.
    #[error("{0} holds no journal: name the folder that `bot4 run` printed, with lane-0 in it")]
    NoLanes(PathBuf),
    /// Lanes' folders without a record.
    #[error("{0} holds no record: no lane ever began, or their files are gone")]
    NoRecords(PathBuf),
    /// The folder.
    #[error("{folder}: {cause}")]
    Folder {
        /// Which.
        folder: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// The disk.
    #[error("{folder}: {cause}")]
    Disk {
        /// Which folder.
        folder: PathBuf,
        /// What failed.
        cause: DiskError,
    },
    /// The journal, or what follows from it.
    #[error("{folder}: {cause}")]
    Stream {
        /// Which folder.
        folder: PathBuf,
        /// What is wrong.
        cause: StreamError,
    },
    /// Two runs with other lanes.
    #[error("{0} and {1} do not have the same lanes")]
    OtherLanes(PathBuf, PathBuf),
    /// The replay differs from the record.
    #[error("the replay comes to {replayed}, the journal says {recorded}")]
    Differs {
        /// What came out.
        replayed: String,
        /// What was recorded.
        recorded: String,
    },
    /// Output.
    #[error("the report cannot be written: {0}")]
    Write(#[from] io::Error),
    /// Output.
    #[error("the report cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// What a replay came to.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayReport {
    /// Hash of all lanes' states where the last recorded hashes were taken.
    pub state_hash: String,
    /// What the run recorded there; none where it was killed before it recorded any.
    pub recorded_state_hash: Option<String>,
    /// Hash of all lanes' states after the last record.
    pub end_state_hash: String,
    /// Records of all lanes.
    pub records: u64,
    /// Lane by lane.
    pub lanes: Vec<LaneReplay>,
    /// Records a second.
    pub records_per_second: f64,
    /// With `--diff`: where the two part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<Vec<LaneDiff>>,
}

/// One lane's replay.
#[derive(Clone, Debug, Serialize)]
pub struct LaneReplay {
    /// Its folder.
    pub folder: PathBuf,
    /// Records.
    pub records: u64,
    /// Lives of the lane.
    pub lives: u64,
    /// Inputs executed.
    pub inputs: u64,
    /// Judgements that came out as recorded.
    pub judgements: u64,
    /// State hashes that came out as recorded.
    pub digests: u64,
    /// Whether the last life ended as it should.
    pub ended: bool,
    /// Behind the last whole record stood something that was none.
    pub torn: Option<String>,
    /// The lane after the last record.
    pub lane: Option<LaneReport>,
}

/// Where the same lane of two runs parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneDiff {
    /// Its folder's name.
    pub lane: String,
    /// Records that the two have in common from the start.
    pub common: u64,
    /// What comes next in the first run; none at its end.
    pub first: Option<String>,
    /// What comes next in the other.
    pub other: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When a journal cannot be read, is damaged, or replays to something else than it recorded.
pub fn run(args: &ReplayArgs, out: &mut dyn Write) -> Result<(), ReplayError> {
    let mut report = replay(&args.run, args.until)?;
    if let Some(other) = &args.diff {
        report.diff = Some(diff(&args.run, other)?);
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        print(&report, out)?;
    }
    match &report.recorded_state_hash {
        Some(recorded) if *recorded != report.state_hash => Err(ReplayError::Differs {
            replayed: report.state_hash.clone(),
            recorded: recorded.clone(),
        }),
        _ => Ok(()),
    }
}

/// The lanes' folders of a run, in order.
///
/// # Errors
/// When there are none.
pub fn lane_folders(run: &Path) -> Result<Vec<PathBuf>, ReplayError> {
    let failed = |cause| ReplayError::Folder { folder: run.to_owned(), cause };
    let mut lanes: Vec<(u16, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(run).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(lane) = name.strip_prefix("lane-").and_then(|text| text.parse().ok()) {
            lanes.push((lane, entry.path()));
        }
    }
    if lanes.is_empty() {
        return Err(ReplayError::NoLanes(run.to_owned()));
    }
    lanes.sort();
    Ok(lanes.into_iter().map(|(_, path)| path).collect())
}

fn recovered(folder: &Path, until: Option<u64>) -> Result<Recovered, ReplayError> {
    let at = || folder.to_owned();
    let mut disk = disk::open(DiskKind::Plain, folder, Access::Read)
        .map_err(|cause| ReplayError::Disk { folder: at(), cause })?;
    stream::recover(&mut disk, From::Beginning, until)
        .map_err(|cause| ReplayError::Stream { folder: at(), cause })
}

fn replay(run: &Path, until: Option<u64>) -> Result<ReplayReport, ReplayError> {
    let begun = Instant::now();
    let mut lanes = Vec::new();
    let (mut replayed, mut recorded, mut end) =
        (StateHash::default(), Some(StateHash::default()), StateHash::default());
    for folder in lane_folders(run)? {
        let Recovered { replica, tail, records, .. } = recovered(&folder, until)?;
        match (replica.last_digest(), &mut recorded) {
            (Some((then, now)), Some(recorded)) => {
                recorded.word(then.state_hash);
                replayed.word(now);
            }
            (Some((_, now)), None) => replayed.word(now),
            (None, _) => recorded = None,
        }
        if let Some(lane) = replica.lane() {
            end.word(lane.state_hash());
        }
        let counts = replica.counts();
        let dropped = tail.and_then(|tail| tail.dropped);
        lanes.push(LaneReplay {
            folder,
            records,
            lives: counts.lives,
            inputs: counts.inputs,
            judgements: counts.judgements,
            digests: counts.digests,
            ended: replica.has_ended(),
            torn: dropped.map(|of| format!("{} from byte {}: {}", of.file, of.offset, of.damage)),
            lane: replica.lane().map(Lane::report),
        });
    }
    let records = lanes.iter().map(|lane| lane.records).sum();
    if records == 0 && until.is_none_or(|until| until > 0) {
        return Err(ReplayError::NoRecords(run.to_owned()));
    }
    Ok(ReplayReport {
        state_hash: format!("{:016x}", replayed.finish()),
        recorded_state_hash: recorded.map(|of| format!("{:016x}", of.finish())),
        end_state_hash: format!("{:016x}", end.finish()),
        records,
        lanes,
        records_per_second: records as f64 / begun.elapsed().as_secs_f64(),
        diff: None,
    })
}

/// Where two runs part, lane by lane. What a run is called and when it began does not count.
fn diff(run: &Path, other: &Path) -> Result<Vec<LaneDiff>, ReplayError> {
    let (ours, theirs) = (lane_folders(run)?, lane_folders(other)?);
    if ours.len() != theirs.len() {
        return Err(ReplayError::OtherLanes(run.to_owned(), other.to_owned()));
    }
    ours.iter().zip(&theirs).map(|(ours, theirs)| diff_lane(ours, theirs)).collect()
}

fn diff_lane(ours: &Path, theirs: &Path) -> Result<LaneDiff, ReplayError> {
    let open = |folder: &Path| {
        disk::open(DiskKind::Plain, folder, Access::Read)
            .map_err(|cause| ReplayError::Disk { folder: folder.to_owned(), cause })
    };
    let stream = |folder: &Path, cause: StreamError| ReplayError::Stream {
        folder: folder.to_owned(),
        cause,
    };
    let (mut first, mut second) = (open(ours)?, open(theirs)?);
    let parted = stream::part(&mut first, &mut second)
        .map_err(|(is_first, cause)| stream(if is_first { ours } else { theirs }, cause))?;
    let lane = ours.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    Ok(LaneDiff { lane, common: parted.common, first: parted.first, other: parted.other })
}

fn print(report: &ReplayReport, out: &mut dyn Write) -> io::Result<()> {
    for lane in &report.lanes {
        let ended = if lane.ended { "ended" } else { "did not end by itself" };
        writeln!(
            out,
            "{}: {} records, {} inputs, {} verdicts and {} state hashes as recorded; {} lives, the \
             last {ended}",
            lane.folder.display(),
            lane.records,
            lane.inputs,
            lane.judgements,
            lane.digests,
            lane.lives
        )?;
        if let Some(torn) = &lane.torn {
            writeln!(out, "  torn tail dropped: {torn}")?;
        }
        for of in lane.lane.iter().flat_map(|of| &of.instruments) {
            writeln!(
                out,
                "  {:<12} position {}, cash {}, traded {} {}",
                of.symbol, of.position, of.cash, of.traded, of.currency
            )?;
        }
    }
    for of in report.diff.iter().flatten() {
        match (&of.first, &of.other) {
            (None, None) => writeln!(out, "{}: no difference in {} records", of.lane, of.common)?,
            (first, other) => writeln!(
                out,
                "{}: alike for {} records, then\n  {}\n  {}",
                of.lane,
                of.common,
                first.as_deref().unwrap_or("the first run ends"),
                other.as_deref().unwrap_or("the other run ends")
            )?,
        }
    }
    writeln!(out, "{:.1} million records a second", report.records_per_second * 1e-6)?;
    match &report.recorded_state_hash {
        Some(recorded) => {
            writeln!(out, "state      {}, recorded {recorded}", report.state_hash)
        }
        None => writeln!(out, "state      {}, none recorded", report.state_hash),
    }
}
