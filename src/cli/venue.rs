//! `bot4 venue`: the venue in a box as a process of its own, until Ctrl-C.
//!
//! Says on stderr where it listens and what happens; its report goes to stdout at the end.

use crate::cli::captures::{Captures, CapturesError};
use crate::cli::config::{self, Config, ConfigError};
use crate::cli::keys::{self, Environment, KeysError, Unlocking};
use crate::host::signal::{self, SignalError};
use crate::lab::exchange::ExchangeSettings;
use crate::lab::exchange::server::{
    Fault, Server, ServerError, ServerReport, ServerSettings, Speed,
};
use crate::units::{Nanos, UnixNanos, VenueId};
use crate::venue::binance::metadata::{self, MetadataError};
use clap::Args;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two looks at whether Ctrl-C was pressed.
const SIGNAL_PERIOD: Duration = Duration::from_millis(50);
/// Between two diffs of a generated book.
const DIFF_PERIOD: Nanos = Nanos::from_millis(100);

/// Arguments of `bot4 venue`; each overrides the configuration file.
#[derive(Debug, Args)]
pub struct VenueArgs {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9443")]
    listen: SocketAddr,
    /// Captures to stream instead of a generated market, in order of time
    #[arg(long, value_name = "FILE", num_args = 1..)]
    capture: Vec<PathBuf>,
    /// Settings; [venue] and [exchange] are used
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Decides the generated market
    #[arg(long)]
    seed: Option<u64>,
    /// How fast the market runs: a number, or "max" for as fast as the clients drain it
    #[arg(long, value_name = "X")]
    speed: Option<config::Speed>,
    /// What goes wrong: drop@N, torn@N, garbage@N (frame), gap@N, swap@N (diff), delay@N:MS (frame),
    /// reject@N:COUNT:CODE, mute@N[:COUNT], unsure@N[:COUNT], drop-orders@N (order request)
    #[arg(long, value_name = "FAULT", num_args = 1..)]
    fault: Vec<Fault>,
    /// Give every API key an account of its own; otherwise all share one
    #[arg(long)]
    account_per_key: bool,
    /// The report as one JSON object on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    unlocking: Unlocking,
}

/// Why there is no venue.
#[derive(Debug, thiserror::Error)]
pub enum VenueError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The captures.
    #[error(transparent)]
    Captures(#[from] CapturesError),
    /// A symbol without metadata.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The key that clients must have.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Address, sockets or market.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Ctrl-C cannot be caught.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The venue's thread.
    #[error("the venue's thread: {0}")]
    Thread(&'static str),
    /// Output could not be written.
    #[error("the report cannot be written")]
    Write(#[from] io::Error),
    /// Output could not be formed.
    #[error("the report cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Serves until Ctrl-C, then prints what happened.
///
/// # Errors
/// Everything that keeps a venue from beginning, named.
pub fn run(args: &VenueArgs, out: &mut dyn Write) -> Result<(), VenueError> {
    let settings = settings(args)?;
    let family = settings.exchange.family.name();
    let names: Vec<&str> = settings.instruments.iter().map(|of| of.symbol.as_str()).collect();
    let names = names.join(", ");
    signal::install()?;
    let server = Server::bind(settings, args.listen)?;
    eprintln!("venue: {family}, {names}; listening at {}; Ctrl-C ends it", server.address());
    let report = serve(server)?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
        return Ok(());
    }
    print(&report, out)?;
    Ok(())
}

/// Runs the server on a thread; this one watches for Ctrl-C.
fn serve(server: Server) -> Result<ServerReport, VenueError> {
    let server = server.with_log(Box::new(|line| eprintln!("venue: {line}")));
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let named = std::thread::Builder::new().name("venue".to_owned());
    let thread = named.spawn(move || server.run(&flag))?;
    while !signal::requested() && !thread.is_finished() {
        std::thread::sleep(SIGNAL_PERIOD);
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().map_err(|_| VenueError::Thread("it panicked; this is a bug"))
}

fn settings(args: &VenueArgs) -> Result<ServerSettings, VenueError> {
    let environment = Environment::take(); // before any thread starts
    let mut config = match &args.config {
        Some(file) => Config::load(file)?,
        None => Config::default(),
    };
    if !args.capture.is_empty() {
        config.venue.capture.clone_from(&args.capture);
    }
    let mut family = config.venue.family.0;
    let (captures, instruments) = if config.venue.capture.is_empty() {
        let symbols: Vec<&str> = config.venue.symbols.iter().map(String::as_str).collect();
        (Vec::new(), metadata::embedded(family, VenueId(0), &symbols)?)
    } else {
        let held = Captures::load(&config.venue.capture)?;
        family = held.family;
        let instruments = held.known_or_inferred();
        (held.captures, instruments)
    };
    let latency = Nanos(config.exchange.latency_us.saturating_mul(1_000));
    let exchange = ExchangeSettings {
        family,
        seed: args.seed.unwrap_or_else(|| config.exchange.seed_or(config.run.seed)),
        rate: f64::from(config.exchange.rate),
        latency_in: latency,
        latency_out: latency,
        queue_model: config.exchange.queue_model.model(),
        diff_period: DIFF_PERIOD,
        wall_at_zero: UnixNanos(0),
    };
    let mut settings = ServerSettings::new(exchange, instruments);
    settings.captures = captures;
    settings.speed = match args.speed.unwrap_or(config.run.speed) {
        config::Speed::Times(times) => Speed::Times(times),
        config::Speed::Max => Speed::Max,
    };
    settings.faults.clone_from(&args.fault);
    settings.account_per_key = args.account_per_key;
    settings.key = keys::signer(&config.venue, &args.unlocking, &environment)?;
    Ok(settings)
}

fn print(report: &ServerReport, out: &mut dyn Write) -> io::Result<()> {
    let all = |counts: Vec<String>| match counts.is_empty() {
        true => "none".to_owned(),
        false => counts.join(", "),
    };
    let named = |counts: &std::collections::BTreeMap<&'static str, u64>| {
        all(counts.iter().map(|(name, count)| format!("{count} {name}")).collect())
    };
    writeln!(out, "ran           {:.1} s", report.seconds)?;
    writeln!(
        out,
        "connections   {} in all, {} at a time",
        report.connections, report.connections_max
    )?;
    writeln!(
        out,
        "market        {} frames, {} sent, {} bytes in all{}",
        report.market_frames,
        report.frames_sent,
        report.bytes_sent,
        if report.capture_ended { "; the capture has ended" } else { "" }
    )?;
    if report.capture_foreign + report.capture_unreadable > 0 {
        writeln!(
            out,
            "capture       {} frames of other symbols, {} unreadable",
            report.capture_foreign, report.capture_unreadable
        )?;
    }
    writeln!(out, "requests      {}", named(&report.requests))?;
    writeln!(out, "REST          {}", named(&report.rest))?;
    writeln!(out, "executions    {}", named(&report.executions))?;
    let refused = report.refused.iter().map(|(code, count)| format!("{count} with {code}"));
    writeln!(out, "refused       {}", all(refused.collect()))?;
    writeln!(
        out,
        "events        {} sent; {} planned faults, {} slow clients, {} dead man's switches",
        report.events_sent, report.faults, report.slow_clients, report.dead_man_fired
    )?;
    for why in &report.closings {
        writeln!(out, "closed        {why}")?;
    }
    Ok(())
}
