//! `bot4 run`: lanes trading on a venue, over real sockets, until time, Ctrl-C or a dead lane ends it.
//!
//! settings -> instruments -> venue (embedded, a process, or the real one) -> lanes -> report.
//! Logs and the status line go to stderr, the report to stdout.

pub mod control;
mod journal;
mod lanes;
mod market;
mod report;
pub mod talk;

pub use report::RunReport;

use crate::cli::captures::CapturesError;
use crate::cli::config::{
    Address, Config, ConfigError, DurabilityMode, Span, Speed, Transport, WaitMode,
};
use crate::cli::keys::{self, Environment, KeysError, Unlocking};
use crate::host::clock::TscClock;
use crate::host::net::NetError;
use crate::host::pin::PinError;
use crate::host::signal::{self, SignalError};
use crate::host::steal::Steal;
use crate::lab::exchange::server::ServerError;
use crate::units::Nanos;
use crate::venue::binance::metadata::MetadataError;
use crate::venue::binance::session::KeyError;
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Arguments of `bot4 run`; each overrides the configuration file.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Settings; without them two lanes trade a generated market on the embedded venue
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A venue process (`bot4 venue --listen ADDR`) instead of the embedded one
    #[arg(long, value_name = "ADDR", conflicts_with = "capture")]
    venue: Option<Address>,
    /// Captures the embedded venue replays instead of a generated market
    #[arg(long, value_name = "FILE")]
    capture: Vec<PathBuf>,
    /// How fast the market runs: a number, or "max" for as fast as the lanes drain it
    #[arg(long, value_name = "X")]
    speed: Option<Speed>,
    /// How long to trade, such as 60s, 15m or 2h; without it until Ctrl-C
    #[arg(long = "for", value_name = "TIME")]
    duration: Option<Span>,
    /// Decides everything random
    #[arg(long)]
    seed: Option<u64>,
    /// How sockets are driven
    #[arg(long, value_enum)]
    transport: Option<Transport>,
    /// Whether lanes spin (lowest latency, a core each) or sleep in the kernel
    #[arg(long, value_enum)]
    wait: Option<WaitMode>,
    /// Folder of the journal; a folder that holds one is gone on with
    #[arg(long, value_name = "FOLDER", conflicts_with = "no_journal")]
    journal: Option<PathBuf>,
    /// Keep no journal: a restart then knows only what the venue tells
    #[arg(long)]
    no_journal: bool,
    /// What of the journal is durable when
    #[arg(long, value_enum)]
    durability: Option<DurabilityMode>,
    /// The report as one JSON object on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    unlocking: Unlocking,
}

/// Why a run could not begin, or failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A capture cannot be read.
    #[error(transparent)]
    Captures(#[from] CapturesError),
    /// A capture does not fit what is to be traded.
    #[error("{file}: {problem}")]
    Unfit {
        /// Which file.
        file: PathBuf,
        /// What does not fit, and what to do.
        problem: String,
    },
    /// No metadata of a symbol.
    #[error("{0}; a lane trades only what it has metadata for")]
    Metadata(#[from] MetadataError),
    /// The venue's own information.
    #[error("{at}: {problem}")]
    Venue {
        /// Where.
        at: String,
        /// What went wrong.
        problem: String,
    },
    /// The embedded venue.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The API key.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The embedded venue's own key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Sockets.
    #[error("lane `{lane}`: {source}")]
    Net {
        /// Which lane.
        lane: String,
        /// What failed.
        source: NetError,
    },
    /// A lane's journal.
    #[error("lane `{lane}`: the journal cannot be gone on with: {cause}")]
    Journal {
        /// Which lane.
        lane: String,
        /// Why not.
        cause: journal::JournalError,
    },
    /// Nobody could halt it.
    #[error(transparent)]
    Control(#[from] control::ControlError),
    /// Signals.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A lane died; its orders were cancelled by the guard.
    #[error("lane `{lane}` died ({why}); {cancelled}")]
    LaneDied {
        /// Which lane.
        lane: String,
        /// What the guard saw.
        why: String,
        /// What became of its orders.
        cancelled: String,
    },
    /// Orders whose end nobody told.
    #[error(
        "{0} orders may still work at the venue; the report's incidents name them: look for them there \
         and cancel them"
    )]
    LeftBehind(u64),
    /// A lane's core is not to be had.
    #[error("lane `{lane}`: {cause}; or take `core` out of its settings")]
    Core {
        /// Which lane.
        lane: String,
        /// Which core, and which there are.
        cause: PinError,
    },
    /// The report's own file could not be written; the report was printed before.
    #[error("report.file {file}: {cause}; the report stands on stdout only")]
    File {
        /// Which file.
        file: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// Output could not be written.
    #[error("the report cannot be written: {0}")]
    Write(#[from] io::Error),
    /// Output could not be formed.
    #[error("the report cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Between two looks at signals and lanes.
const LOOK: Duration = Duration::from_millis(20);
/// How long the lanes must have read nothing after the capture's last frame was sent.
const DRAINED: Duration = Duration::from_millis(300);

/// Runs the command.
///
/// # Errors
/// When the run cannot begin, a lane dies, orders may live on at the venue, or the report cannot be
/// written. Wherever there is a report, it is printed first.
pub fn run(args: &RunArgs, out: &mut dyn Write) -> Result<(), RunError> {
    let report = trade(args)?;
    if report.json {
        serde_json::to_writer_pretty(&mut *out, &report.body)?;
        writeln!(out)?;
    } else {
        report::print(&report.body, out)?;
    }
    let written = report.file.as_ref().map_or(Ok(()), |file| {
        let text = serde_json::to_vec_pretty(&report.body)?;
        std::fs::write(file, text).map_err(|cause| RunError::File { file: file.clone(), cause })
    });
    report.failed.map_or(written, Err)
}

/// A finished run.
struct Finished {
    body: RunReport,
    json: bool,
    file: Option<PathBuf>,
    /// What makes the run a failure although it has a report.
    failed: Option<RunError>,
}

fn trade(args: &RunArgs) -> Result<Finished, RunError> {
    let environment = Environment::take(); // before any thread starts
    signal::install()?;
    let mut config = settings(args)?;
    let signer = match config.venue.address {
        Address::Loopback => None,
        Address::At(_) | Address::Binance => {
            keys::signer(&config.venue, &args.unlocking, &environment)?
        }
    };
    drop(environment);
    let seal_keys = match config.journal.key_file.as_ref().filter(|_| config.journal.keep) {
        Some(file) => keys::seal_keys(file, config.lanes.len(), &args.unlocking.or(&config.venue))?,
        None => Vec::new(),
    };
    let clock = TscClock::calibrate(); // of all lanes, and of the embedded venue's schedule
    let arena = market::open(&mut config, args.config.is_some(), signer, clock)?;
    let steal_before = Steal::read().ok();
    eprintln!("bot4: {}; Ctrl-C cancels all orders and reports", arena.words);
    let lanes = lanes::start(&config, &arena, seal_keys, clock)?;
    eprintln!("bot4: `bot4 halt {}`, SIGUSR1 or the kill file stop trading", lanes.handle());
    let begun = Instant::now();
    let limit = config.run.limit().map(|span| Duration::from_nanos(span.0));
    let status = Duration::from_millis(config.report.status_ms);
    let mut status_due = begun + status;
    let mut drained: Option<(u64, Instant)> = None;
    let ended = loop {
        std::thread::sleep(LOOK);
        if signal::requested() {
            break "stopped by a signal";
        }
        if limit.is_some_and(|limit| begun.elapsed() >= limit) {
            break "time is up";
        }
        if lanes.any_ended() {
            break "a lane ended";
        }
        if arena.is_over() {
            // Sent is not yet read: what stands in the sockets is the lanes' to trade.
            let frames = lanes.frames();
            if drained.is_some_and(|(read, since)| read == frames && since.elapsed() >= DRAINED) {
                break "the capture has ended";
            }
            if drained.is_none_or(|(read, _)| read != frames) {
                drained = Some((frames, Instant::now()));
            }
        }
        if !status.is_zero() && Instant::now() >= status_due {
            status_due += status;
            let _ = writeln!(io::stderr(), "{}", lanes.status(begun.elapsed()));
        }
    };
    eprintln!("bot4: {ended}; cancelling all orders");
    let (outcomes, seats, died) = lanes.stop();
    let venue_name = arena.words.clone();
    let venue = arena.close();
    let steal = match (steal_before, Steal::read().ok()) {
        (Some(before), Some(after)) => Some(Nanos(after.since(&before).total_ns)),
        _ => None,
    };
    let frame = report::Frame {
        venue_name,
        ended,
        seconds: begun.elapsed().as_secs_f64(),
        seed: config.run.seed,
        seats,
        venue,
        steal,
    };
    let body = report::build(frame, &outcomes);
    let left = body.orders.working;
    let failed = died.or((left > 0).then_some(RunError::LeftBehind(left)));
    Ok(Finished { body, json: config.run.json, file: config.report.file.clone(), failed })
}

/// The configuration file with the command line over it.
fn settings(args: &RunArgs) -> Result<Config, ConfigError> {
    let mut config = match &args.config {
        Some(file) => Config::load(file)?,
        None => Config::default(),
    };
    config.run.speed = args.speed.unwrap_or(config.run.speed);
    config.run.duration = args.duration.unwrap_or(config.run.duration);
    config.run.seed = args.seed.unwrap_or(config.run.seed);
    config.run.json |= args.json;
    config.venue.transport = args.transport.unwrap_or(config.venue.transport);
    config.venue.wait = args.wait.unwrap_or(config.venue.wait);
    config.journal.keep &= !args.no_journal;
    config.journal.durability = args.durability.unwrap_or(config.journal.durability);
    if let Some(folder) = &args.journal {
        config.journal.folder = Some(folder.clone());
    }
    if let Some(address) = &args.venue {
        config.venue.address.clone_from(address);
    }
    if !args.capture.is_empty() {
        config.venue.capture.clone_from(&args.capture);
    }
    config.check()?;
    Ok(config)
}
