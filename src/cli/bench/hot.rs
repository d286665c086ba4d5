//! `bot4 bench hot`: a recorded run of the lane, played again and again with a clock in it.
//!
//! Three readings of the same inputs, venue excluded and journal off:
//! - throughput: no probe, as fast as it goes;
//! - service: every stage timed, one input after the other;
//! - under load: market frames at a stated constant rate, timed from when each should have arrived,
//!   so that a slow input is charged for all that wait behind it (no coordinated omission).
//!
//! Each span contains one reading of the clock, whose cost is printed; nothing is subtracted.

use super::BenchError;
use crate::cli::captures::{Captures, scaled_plan};
use crate::host::clock::{Clock, TscClock};
use crate::host::cpu::Simd;
use crate::host::histogram::{Histogram, Summary};
use crate::host::pin;
use crate::host::probe::{NoProbe, SPAN_NAMES, StageProbe};
use crate::host::steal::Steal;
use crate::host::system::System;
use crate::hot::lane::LaneConfig;
use crate::hot::pipeline::Pipeline;
use crate::lab::exchange::{Exchange, ExchangeSettings, QueueModel};
use crate::lab::replay::{self, Recording};
use crate::record::{Instrument, Plan};
use crate::units::{LaneId, Nanos, UnixNanos, VenueId};
use crate::venue::binance::{Family, metadata};
use clap::Args;
use serde::Serialize;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of `bot4 bench hot`.
#[derive(Debug, Args)]
pub struct HotArgs {
    /// Captured streams; without them a generated market of 60 s
    #[arg(long, value_name = "FILE")]
    capture: Vec<PathBuf>,
    /// Market frames a second under load
    #[arg(long, default_value_t = 100_000.0, value_name = "RATE")]
    rate: f64,
    /// Times the recording is played in each reading
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The CPU to measure on; without it the last one allowed
    #[arg(long)]
    cpu: Option<u32>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// What was measured, and under which conditions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HotReport {
    /// Where the inputs came from.
    pub input: String,
    /// Market frames of one round.
    pub messages: u64,
    /// Requests of one round.
    pub requests: u64,
    /// Frames a second, the best and the median round.
    pub messages_per_second: Best,
    /// By span, nanoseconds: stages, `decision` (decoded event to verdict) and `tick_to_order`.
    pub service_ns: BTreeMap<&'static str, Summary>,
    /// From intended arrival: `all` frames to the end of their processing, `order` to order bytes.
    pub from_intended_ns: BTreeMap<&'static str, Summary>,
    /// The stated rate, frames a second.
    pub rate: f64,
    /// Cost of one clock reading, in every span.
    pub clock_ns: f64,
    /// The processor.
    pub processor: String,
    /// The kernel.
    pub kernel: String,
    /// Which kernels ran.
    pub simd: String,
    /// Where.
    pub cpu: Option<u32>,
    /// Steal of all CPUs meanwhile, nanoseconds.
    pub steal_ns: Option<u64>,
    /// Load of the last minute before and after.
    pub load: [String; 2],
}

/// Frames a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Best {
    /// Of the fastest round.
    pub best: f64,
    /// Of the median round.
    pub median: f64,
}

/// What is played.
struct Played {
    input: String,
    family: Family,
    instruments: Vec<Instrument>,
    recording: Recording,
    state_hash: u64,
}

impl Played {
    fn pipeline(&self, simd: Simd) -> Pipeline {
        let config = LaneConfig { lane: LaneId(0), family: self.family, epoch: 1 };
        Pipeline::new(self.family, config, &self.instruments, simd, UnixNanos(0))
    }
}

/// Runs the command.
///
/// # Errors
/// When there is nothing to measure with, or the output cannot be written.
pub fn run(args: &HotArgs, out: &mut dyn Write) -> Result<(), BenchError> {
    let report = measure(args)?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
        return Ok(());
    }
    print(&report, out)?;
    Ok(())
}

fn measure(args: &HotArgs) -> Result<HotReport, BenchError> {
    if !args.rate.is_finite() || args.rate <= 0.0 {
        return Err(BenchError::Rate(args.rate));
    }
    let cpu = args.cpu.or_else(|| pin::allowed().last().copied());
    // Unpinned figures are figures too; the report says where they were taken.
    let cpu = cpu.filter(|cpu| pin::current_thread(*cpu).is_ok());
    let clock = TscClock::calibrate();
    let (steal, load) = (Steal::read().ok(), load());
    let played = record(args)?;
    let simd = Simd::detect();
    let rounds = args.rounds.max(1);
    let (speeds, requests) = throughput(&played, simd, rounds, &clock)?;
    let service = service(&played, simd, rounds, clock);
    let from_intended = under_load(&played, simd, args.rate, &clock);
    let service_ns = service.summaries().into_iter().collect();
    let steal_ns = steal.zip(Steal::read().ok()).map(|(a, b)| b.since(&a).total_ns);
    let system = System::default();
    Ok(HotReport {
        input: played.input.clone(),
        messages: played.recording.messages(),
        requests,
        messages_per_second: speeds,
        service_ns,
        from_intended_ns: from_intended,
        rate: args.rate,
        clock_ns: clock.overhead_ns(),
        processor: system.processor().map_or("unknown".to_owned(), |(name, _)| name),
        kernel: system.read("proc/sys/kernel/osrelease").map_or("unknown".to_owned(), trimmed),
        simd: format!("{simd:?}"),
        cpu,
        steal_ns,
        load: [load, self::load()],
    })
}

fn trimmed(text: String) -> String {
    text.trim().to_owned()
}

fn load() -> String {
    System::default().read("proc/loadavg").map_or("unknown".to_owned(), trimmed)
}

/// A run against the venue, whose inputs are kept.
fn record(args: &HotArgs) -> Result<Played, BenchError> {
    let latency = Nanos(200_000);
    let mut settings = ExchangeSettings {
        family: Family::UsdM,
        seed: 42,
        rate: 2_000.0,
        latency_in: latency,
        latency_out: latency,
        queue_model: QueueModel::Power(1),
        diff_period: Nanos::from_millis(100),
        wall_at_zero: UnixNanos(1_700_000_000_000_000_000),
    };
    let (input, instruments, plan, mut exchange, until): (_, _, Plan, _, _);
    if args.capture.is_empty() {
        instruments =
            metadata::embedded(Family::UsdM, VenueId(0), &["BTCUSDT"]).unwrap_or_default();
        plan = crate::cli::config::Config::default()
            .plan(LaneId(0), &instruments, 1)
            .unwrap_or_else(|_| Plan::none());
        exchange = Exchange::generated(&settings, &instruments)?;
        until = Some(Nanos(60_000_000_000));
        input = "generated market, 60 s at 2000 events a second".to_owned();
    } else {
        let held = Captures::load(&args.capture)?;
        settings.family = held.family;
        instruments = held.known_or_inferred();
        plan = scaled_plan(LaneId(0), &instruments, &held.captures, held.family);
        exchange = Exchange::captured(&settings, &instruments, held.captures)?;
        until = None;
        let names: Vec<String> = args
            .capture
            .iter()
            .filter_map(|f| f.file_name()?.to_str().map(str::to_owned))
            .collect();
        input = names.join(", ");
    }
    let family = settings.family;
    let config = LaneConfig { lane: LaneId(0), family, epoch: 1 };
    let mut pipeline = Pipeline::new(family, config, &instruments, Simd::detect(), UnixNanos(0));
    let recording = replay::record(&mut pipeline, &mut exchange, &plan, until);
    let state_hash = pipeline.lane().state_hash();
    Ok(Played { input, family, instruments, recording, state_hash })
}

/// Frames a second without a probe, and requests of a round.
fn throughput(
    played: &Played,
    simd: Simd,
    rounds: usize,
    clock: &TscClock,
) -> Result<(Best, u64), BenchError> {
    let mut speeds = Vec::new();
    let mut requests = 0;
    for _ in 0..rounds {
        let mut pipeline = played.pipeline(simd);
        requests = 0;
        let begin = clock.now();
        replay::play(&played.recording, &mut pipeline, &mut NoProbe, &mut |_, request| {
            std::hint::black_box(request);
            requests += 1;
        });
        let seconds = clock.now().since(begin).0 as f64 * 1e-9;
        if pipeline.lane().state_hash() != played.state_hash {
            return Err(BenchError::Diverged);
        }
        speeds.push(played.recording.messages() as f64 / seconds.max(1e-9));
    }
    speeds.sort_by(f64::total_cmp);
    let best = Best {
        best: speeds.last().copied().unwrap_or_default(),
        median: speeds.get(speeds.len() / 2).copied().unwrap_or_default(),
    };
    Ok((best, requests))
}

fn service(played: &Played, simd: Simd, rounds: usize, clock: TscClock) -> StageProbe<TscClock> {
    let mut probe = StageProbe::new(clock);
    for _ in 0..rounds {
        let mut pipeline = played.pipeline(simd);
        replay::play(&played.recording, &mut pipeline, &mut probe, &mut |_, request| {
            std::hint::black_box(request);
        });
        probe.finish();
    }
    probe
}

/// One round at a constant rate of market frames.
fn under_load(
    played: &Played,
    simd: Simd,
    rate: f64,
    clock: &TscClock,
) -> BTreeMap<&'static str, Summary> {
    let mut pipeline = played.pipeline(simd);
    let (mut all, mut order) = (Histogram::new(), Histogram::new());
    let gap = 1e9 / rate;
    let begin = clock.now();
    let mut frames = 0u64;
    // One cell for both closures: when the present frame should have arrived.
    let intended = Cell::new(begin);
    let ordered = Cell::new(false);
    replay::play_paced(
        &played.recording,
        &mut pipeline,
        &mut |is_frame| {
            if is_frame {
                intended.set(begin.plus(Nanos((frames as f64 * gap) as u64)));
                frames += 1;
                while clock.now() < intended.get() {
                    std::hint::spin_loop();
                }
            }
        },
        &mut |is_frame| {
            if is_frame {
                let span = clock.now().since(intended.get());
                all.record(span.0);
                if ordered.take() {
                    order.record(span.0);
                }
            }
        },
        &mut |_, request| {
            std::hint::black_box(request);
            ordered.set(true);
        },
    );
    BTreeMap::from([("all", all.summary()), ("order", order.summary())])
}

fn print(report: &HotReport, out: &mut dyn Write) -> io::Result<()> {
    let HotReport { input, messages, requests, messages_per_second: speed, .. } = report;
    writeln!(out, "{input}: {messages} messages, {requests} requests a round")?;
    writeln!(
        out,
        "throughput {:.2} million messages a second, bytes to verdicts (median {:.2})",
        speed.best * 1e-6,
        speed.median * 1e-6
    )?;
    let head = ["p50", "p99", "p99.9", "max", "count"];
    let row = |out: &mut dyn Write, name: &str, of: &Summary| {
        writeln!(
            out,
            "  {name:<24}{:>9}{:>9}{:>9}{:>11}{:>10}",
            of.p50, of.p99, of.p999, of.max, of.count
        )
    };
    writeln!(
        out,
        "\n  {:<24}{:>9}{:>9}{:>9}{:>11}{:>10}   nanoseconds",
        "service", head[0], head[1], head[2], head[3], head[4]
    )?;
    for name in SPAN_NAMES {
        if let Some(of) = report.service_ns.get(name) {
            row(out, name, of)?;
        }
    }
    writeln!(out, "\n  from intended arrival at {:.0} messages a second", report.rate)?;
    for (name, of) in &report.from_intended_ns {
        row(out, name, of)?;
    }
    let cpu = report.cpu.map_or("unpinned".to_owned(), |cpu| format!("CPU {cpu}"));
    let steal = report.steal_ns.map_or("unknown".to_owned(), |ns| format!("{} ms", ns / 1_000_000));
    writeln!(
        out,
        "\n{}, {}, kernel {}, {cpu}, one clock reading {:.0} ns in every span, steal {steal}, load {} \
         before and {} after",
        report.processor,
        report.simd,
        report.kernel,
        report.clock_ns,
        report.load[0],
        report.load[1]
    )
}
