//! `bot4 replay-capture`: trades captured streams in process and prints hashes and throughput.
//!
//! Twice: once against the queue model, which fills our orders, and once the recorded inputs alone,
//! which is what `seconds` times (bytes to verdicts, venue excluded). Both must end in the same
//! state. Symbols come from metadata where the capture fits its grid, else they are inferred.

use crate::cli::book::{self, BookError};
use crate::cli::config::{self, Config, ConfigError};
use crate::host::clock::{Clock, TscClock};
use crate::host::cpu::Simd;
use crate::host::probe::NoProbe;
use crate::hot::lane::LaneConfig;
use crate::hot::pipeline::Pipeline;
use crate::hot::report::LaneReport;
use crate::lab::capture::{Capture, CaptureError};
use crate::lab::exchange::{CaptureCounts, Exchange, ExchangeError, ExchangeSettings, QueueModel};
use crate::lab::replay::{self, Recording};
use crate::ledger::Valuation;
use crate::record::{
    Instrument, InstrumentKind, MakingParameters, MarketEvent, PLAN_INSTRUMENTS_MAX, Plan,
    PlanEntry, PlanLimits,
};
use crate::strategy::making::coefficients;
use crate::units::{InstrumentId, LaneId, Lots, Money, Nanos, Rate, Ticks, UnixNanos, VenueId};
use crate::venue::binance::Family;
use crate::venue::binance::decode::Decoder;
use crate::venue::binance::decode::infer::GridGuess;
use crate::venue::binance::metadata;
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
    /// The file is no capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A line is no message of the venue.
    #[error(transparent)]
    Frame(#[from] BookError),
    /// Nothing in it can be traded.
    #[error("{file}: no symbol with prices in it; there is nothing to trade")]
    NoSymbol {
        /// The first file.
        file: PathBuf,
    },
    /// More symbols than a lane trades.
    #[error("{file}: {count} symbols; a lane trades at most {PLAN_INSTRUMENTS_MAX}")]
    TooManySymbols {
        /// The first file.
        file: PathBuf,
        /// How many there are.
        count: usize,
    },
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
    let captures = files.iter().map(|file| Capture::load(file)).collect::<Result<Vec<_>, _>>()?;
    let first = captures.first().map(|of| of.file().to_path_buf()).unwrap_or_default();
    let mut family = Family::Spot;
    for capture in &captures {
        family = book::origin::family(capture, u64::MAX)?;
        if family.is_futures() {
            break;
        }
    }
    let mut guess = GridGuess::new(Some(family));
    for capture in &captures {
        for frame in capture.frames().filter(|frame| frame.asked_for().is_none()) {
            guess.observe(frame.bytes).map_err(|cause| {
                let file = capture.file().to_path_buf();
                BookError::Decode { file, line: frame.line, cause }
            })?;
        }
    }
    let instruments = known_or_inferred(family, &guess);
    if instruments.is_empty() {
        return Err(ReplayError::NoSymbol { file: first });
    }
    if instruments.len() > PLAN_INSTRUMENTS_MAX {
        return Err(ReplayError::TooManySymbols { file: first, count: instruments.len() });
    }
    let plan = match config {
        Some(config) => config.plan(LaneId(0), &instruments, 1)?,
        None => scaled_plan(&instruments, &captures, family),
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
    Ok(Prepared { family, instruments, plan, captures, settings })
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

/// Metadata where it has the symbol and every price and size of the capture is on its grid.
fn known_or_inferred(family: Family, guess: &GridGuess) -> Vec<Instrument> {
    let mut all = guess.instruments(VenueId(0));
    for inferred in &mut all {
        let Ok(known) = metadata::embedded(family, VenueId(0), &[inferred.symbol.as_str()]) else {
            continue;
        };
        let fits = known[0].tick.steps_of(inferred.tick.step()).is_ok()
            && known[0].lot.steps_of(inferred.lot.step()).is_ok();
        if fits {
            *inferred = Instrument { id: inferred.id, ..known[0] };
        }
    }
    all
}

/// A market maker for any instrument, in units of its own price: quotes of a few hundred quote units
/// a basis point or so around the microprice, and limits twenty-five times as large.
fn scaled_plan(instruments: &[Instrument], captures: &[Capture], family: Family) -> Plan {
    let mut plan = Plan::none();
    plan.version = 1;
    plan.limits = PlanLimits {
        orders_per_window: 50,
        cancels_reserved_per_window: 25,
        rate_window: Nanos::SECOND,
        plan_age_max: Nanos(u64::MAX),
    };
    for instrument in instruments {
        let price = first_price(instrument, captures, family).unwrap_or(10_000.0);
        let point = (price * 1e-4).max(1.0); // a basis point in ticks, at least one tick
        let (gamma, arrivals, decay) = (0.05 / point, 2.0, 1.0 / point);
        let Some((base_half_spread, risk)) = coefficients(gamma, arrivals, decay) else { continue };
        let valuation = Valuation::of(instrument);
        let one = match instrument.kind {
            InstrumentKind::Inverse => instrument.multiplier.to_f64(),
            _ => {
                let ticks = Ticks(price as i64);
                valuation.notional(Lots(1), ticks).to_f64()
            }
        };
        let quote = (300.0 / one.max(1e-12)).ceil().clamp(1.0, 1e12) as i64;
        let quote = quote.max(instrument.filters.lots_min.0);
        let making = MakingParameters {
            base_half_spread,
            risk,
            volatility_start: point,
            requote_ticks: (point / 4.0).max(1.0),
            quote_lots: Lots(quote),
            target_lots: Lots(0),
            half_spread_min: 1.0,
            levels: 2,
        };
        plan.entries[plan.entries_len as usize] = PlanEntry {
            notional_max: Money(i128::from(i64::MAX)),
            instrument: instrument.id,
            open_orders_max: 16,
            order_lots_max: Lots(quote.saturating_mul(10)),
            position_lots_max: Lots(quote.saturating_mul(25)),
            collar: Rate(1_000_000),
            book_age_max: Nanos::from_millis(2_000),
            making,
            reserved: 0,
        };
        plan.entries_len += 1;
    }
    plan
}

/// The first price of an instrument, in ticks.
fn first_price(instrument: &Instrument, captures: &[Capture], family: Family) -> Option<f64> {
    let only = Instrument { id: InstrumentId(0), ..*instrument };
    let mut decoder = Decoder::new(family, &[only], Simd::detect());
    captures.iter().flat_map(Capture::frames).find_map(|frame| {
        let level = match decoder.decode(frame.bytes) {
            Ok(MarketEvent::Ticker(ticker)) => ticker.bid.price,
            Ok(MarketEvent::Trade(trade)) => trade.price,
            Ok(MarketEvent::Depth(diff)) => diff.bids.first().or(diff.asks.first())?.price,
            _ => return None,
        };
        (level.0 > 0).then_some(level.0 as f64)
    })
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
