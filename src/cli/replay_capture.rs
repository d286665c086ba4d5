//! `bot4 replay-capture`: trades captured streams in process and prints hashes and throughput.
//!
//! Twice: once against the queue model, which fills our orders, and once the recorded inputs alone,
//! which is what `seconds` times (bytes to verdicts, venue excluded). Both must end in the same
//! state. Symbols come from metadata where the capture fits its grid, else they are inferred.

use crate::cli::captures::{Captures, CapturesError, scaled_plan};
use crate::cli::config::{self, Config, ConfigError};
use crate::host::clock::{Clock, TscClock};
use crate::host::cpu::Simd;
use crate::host::probe::NoProbe;
use crate::hot::lane::LaneConfig;
use crate::hot::pipeline::Pipeline;
use crate::hot::report::LaneReport;
use crate::lab::capture::Capture;
use crate::lab::exchange::{CaptureCounts, Exchange, ExchangeError, ExchangeSettings, QueueModel};
use crate::lab::replay::{self, Recording};
use crate::record::{Instrument, Plan};
use crate::units::{LaneId, Nanos, UnixNanos};
use crate::venue::binance::Family;
use clap::Args;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of `bot4 replay-capture`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Captures (.gz or plain), in order of time
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Settings of the market maker and the limits; without them they are scaled to the capture
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How our place in the captured queue is estimated
    #[arg(long, value_enum, default_value_t = config::QueueModel::Proportional)]
    queue: config::QueueModel,
    /// Latency of the venue on the way in, and again on the way out, microseconds
    #[arg(long, default_value_t = 200, value_name = "US")]
    latency_us: u64,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Why a capture could not be traded.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The captures.
    #[error(transparent)]
    Captures(#[from] CapturesError),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The venue in a box.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// A bug: the lane is no pure function of its inputs.
    #[error("the recorded inputs gave another state when played again: {first} and {second}")]
    Diverged {
        /// State and orders hash against the venue.
        first: String,
        /// State and orders hash of the inputs alone.
        second: String,
    },
    /// Output could not be written.
    #[error("the result cannot be written")]
    Write(#[from] io::Error),
    /// Output could not be formed.
    #[error("the result cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// What a replay came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayReport {
    /// Hash of the lane's whole state after the last input.
    pub state_hash: String,
    /// Hash of every request that passed the gate, in order.
    pub orders_hash: String,
    /// Market frames.
    pub messages: u64,
    /// Time that the inputs took, venue excluded.
    pub seconds: f64,
    /// `messages / seconds`.
    pub messages_per_second: f64,
    /// Orders sent.
    pub orders: u64,
    /// Frames of symbols not traded, and frames that no decoder reads.
    pub capture: CaptureReport,
    /// The lane.
    pub lane: LaneReport,
}

/// What the captures held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CaptureReport {
    /// Frames of symbols that are not traded.
    pub foreign: u64,
    /// Frames that no decoder reads.
    pub unreadable: u64,
    /// Snapshots and other answers of REST.
    pub rest: u64,
}

/// A capture ready to be traded.
pub struct Prepared {
    /// Whose protocol.
    pub family: Family,
    /// What is traded.
    pub instruments: Vec<Instrument>,
    /// The market maker and its limits.
    pub plan: Plan,
    captures: Vec<Capture>,
    settings: ExchangeSettings,
}

/// Loads captures and finds out what they hold.
///
/// # Errors
/// The first file or line that cannot be read, named; a configuration that does not fit.
pub fn prepare(
    files: &[PathBuf],
    config: Option<&Config>,
    queue_model: QueueModel,
    latency: Nanos,
) -> Result<Prepared, ReplayError> {
    let held = Captures::load(files)?;
    let (family, instruments) = (held.family, held.known_or_inferred());
    let plan = match config {
        Some(config) => config.plan(LaneId(0), &instruments, 1)?,
        None => scaled_plan(LaneId(0), &instruments, &held.captures, family),
    };
    let settings = ExchangeSettings {
        family,
        seed: 0,
        rate: 0.0,
        latency_in: latency,
        latency_out: latency,
        queue_model,
        diff_period: Nanos::from_millis(100),
        wall_at_zero: UnixNanos(0),
    };
    Ok(Prepared { family, instruments, plan, captures: held.captures, settings })
}

impl Prepared {
    /// A fresh lane for this capture.
    #[must_use]
    pub fn pipeline(&self, simd: Simd) -> Pipeline {
        let config = LaneConfig { lane: LaneId(0), family: self.family, epoch: 1 };
        Pipeline::new(self.family, config, &self.instruments, simd, UnixNanos(0))
    }

    /// Trades the captures against the queue model; they are used up.
    ///
    /// # Errors
    /// When the captures hold no frame.
    pub fn record(
        &mut self,
        pipeline: &mut Pipeline,
    ) -> Result<(Recording, CaptureCounts), ExchangeError> {
        let captures = std::mem::take(&mut self.captures);
        let mut exchange = Exchange::captured(&self.settings, &self.instruments, captures)?;
        let recording = replay::record(pipeline, &mut exchange, &self.plan, None);
        Ok((recording, exchange.capture_counts().unwrap_or_default()))
    }
}

/// Runs the command.
///
/// # Errors
/// As `prepare`; when the two passes differ; when the output cannot be written.
pub fn run(args: &ReplayArgs, out: &mut dyn Write) -> Result<(), ReplayError> {
    let config = args.config.as_deref().map(Config::load).transpose()?;
    let latency = Nanos(args.latency_us.saturating_mul(1_000));
    let report = replay(&args.files, config.as_ref(), args.queue.model(), latency)?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
        return Ok(());
    }
    print(&report, out)?;
    Ok(())
}

/// Both passes over the captures.
///
/// # Errors
/// As `run`.
pub fn replay(
    files: &[PathBuf],
    config: Option<&Config>,
    queue_model: QueueModel,
    latency: Nanos,
) -> Result<ReplayReport, ReplayError> {
    let mut prepared = prepare(files, config, queue_model, latency)?;
    let simd = Simd::detect();
    let mut first = prepared.pipeline(simd);
    let (recording, counts) = prepared.record(&mut first)?;
    let mut second = prepared.pipeline(simd);
    let clock = TscClock::calibrate();
    let begin = clock.now();
    replay::play(&recording, &mut second, &mut NoProbe, &mut |_, request| {
        std::hint::black_box(request);
    });
    let seconds = clock.now().since(begin).0 as f64 * 1e-9;
    let hashes = |of: &Pipeline| {
        (format!("{:016x}", of.lane().state_hash()), format!("{:016x}", of.lane().orders_hash()))
    };
    let ((state_hash, orders_hash), again) = (hashes(&first), hashes(&second));
    if (&state_hash, &orders_hash) != (&again.0, &again.1) {
        let join = |(state, orders): (String, String)| format!("{state}/{orders}");
        let (first, second) = (join((state_hash, orders_hash)), join(again));
        return Err(ReplayError::Diverged { first, second });
    }
    let lane = first.lane().report();
    let messages = recording.messages();
    Ok(ReplayReport {
        state_hash,
        orders_hash,
        messages,
        seconds,
        messages_per_second: messages as f64 / seconds.max(1e-9),
        orders: lane.orders.sent,
        capture: CaptureReport {
            foreign: counts.foreign,
            unreadable: counts.unreadable,
            rest: counts.rest,
        },
        lane,
    })
}

fn print(report: &ReplayReport, out: &mut dyn Write) -> io::Result<()> {
    let ReplayReport { messages, seconds, messages_per_second, lane, .. } = report;
    writeln!(
        out,
        "{messages} messages in {seconds:.3} s ({:.2} million a second)",
        messages_per_second / 1e6
    )?;
    let CaptureReport { foreign, unreadable, .. } = report.capture;
    if foreign + unreadable > 0 {
        writeln!(
            out,
            "left out   {foreign} messages of other markets or symbols, {unreadable} unreadable"
        )?;
    }
    let orders = &lane.orders;
    writeln!(
        out,
        "orders     sent {}, acked {}, filled {}, partly filled {}, cancelled {}, rejected {}",
        orders.sent,
        orders.acked,
        orders.filled,
        orders.partly_filled,
        orders.cancelled,
        orders.rejected
    )?;
    for (code, count) in &orders.refused {
        writeln!(out, "refused    {code} {count}")?;
    }
    for of in &lane.instruments {
        writeln!(
            out,
            "{:<10} position {}, profit {} {}, traded {}, book updates {}, gaps {}",
            of.symbol, of.position, of.pnl, of.currency, of.traded, of.book_updates, of.gaps
        )?;
    }
    for (currency, fee) in &lane.fees {
        writeln!(out, "fees       {fee} {currency}")?;
    }
    writeln!(out, "state      {}", report.state_hash)?;
    writeln!(out, "orders     {}", report.orders_hash)
}
