//! What a run came to: the JSON with its stable keys, and the same for people.

use super::journal::JournalReport;
use super::lanes::{Outcome, Seats};
use crate::host::histogram::{Histogram, Summary};
use crate::host::probe::SPAN_NAMES;
use crate::hot::report::{InputCounts, InstrumentReport, LaneReport, OrderReport, Standing};
use crate::lab::exchange::server::ServerReport;
use crate::ledger::StateHash;
use crate::units::Nanos;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Spans around the stages, printed after those of the probe.
const SPANS_AROUND: [&str; 7] = [
    "arrival_to_order",
    "tls",
    "send",
    "wire_to_wire",
    "intended_to_arrival",
    "intended_to_handled",
    "intended_to_order",
];

/// A run. Keys are stable; README.md lists them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// The venue, in words.
    pub venue_name: String,
    /// Why it ended.
    pub ended: String,
    /// Seconds from the first lane's start to the end.
    pub seconds: f64,
    /// The seed.
    pub seed: u64,
    /// Market frames received.
    pub messages: u64,
    /// Market events decoded.
    pub events: u64,
    /// Book updates applied.
    pub book_updates: u64,
    /// Orders by fate, all lanes.
    pub orders: OrderReport,
    /// By span, all lanes, nanoseconds, untrimmed.
    pub latency_ns: BTreeMap<&'static str, Summary>,
    /// Market frames per second while lanes were running.
    pub arrival_rate: f64,
    /// What the `intended_…` spans were measured on; none where the venue does not tell when a message
    /// was meant to leave: another process, or a market as fast as its readers.
    pub open_loop: Option<OpenLoopRun>,
    /// Allocations on the lanes' threads after their warm-up; none when a warm-up never ended.
    pub allocations_after_warmup: Option<u64>,
    /// Hash over the lanes' state hashes, in order.
    pub state_hash: String,
    /// Fees paid by currency, all lanes.
    pub fees: BTreeMap<String, String>,
    /// Steal of all CPUs during the run, nanoseconds; none where it is unknown.
    pub steal_ns: Option<u64>,
    /// How time was read.
    pub clock: String,
    /// What the machine could not give.
    pub concessions: Vec<String>,
    /// Each lane.
    pub lanes: Vec<LaneRun>,
    /// The embedded venue's own account of it.
    pub venue: Option<ServerReport>,
}

/// The open-loop measurement of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct OpenLoopRun {
    /// Market messages per second that were to arrive, all lanes.
    pub arrival_rate: f64,
    /// Messages measured from their intended time.
    pub matched: u64,
    /// Messages whose intended time was lost; they are in no span.
    pub unmatched: u64,
}

/// One lane of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LaneRun {
    /// Its name.
    pub name: String,
    /// Where it was pinned.
    pub cpu: Option<u32>,
    /// Whether it spun.
    pub busy: bool,
    /// The transport and its features.
    pub transport: String,
    /// State hash; none when it died.
    pub state_hash: Option<String>,
    /// Hash of every request.
    pub orders_hash: Option<String>,
    /// Inputs by kind.
    pub inputs: InputCounts,
    /// How it stood at the end, what it risked, what its breakers did.
    #[serde(flatten)]
    pub standing: Standing,
    /// Orders by fate.
    pub orders: OrderReport,
    /// By instrument.
    pub instruments: Vec<InstrumentReport>,
    /// Market frames that could not be read.
    pub frames_refused: u64,
    /// Frames that the fast decoder left to the general one.
    pub fallbacks: u64,
    /// System calls of its sockets.
    pub syscalls: u64,
    /// What went wrong, and when (seconds on the run's clock).
    pub incidents: Vec<(f64, String)>,
    /// Incidents beyond the first 256.
    pub incidents_dropped: u64,
    /// Its journal; none where none was kept.
    pub journal: Option<JournalReport>,
}

/// What is known of a run besides its lanes.
pub struct Frame {
    /// The venue, in words.
    pub venue_name: String,
    /// Why it ended.
    pub ended: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// The seed.
    pub seed: u64,
    /// Where everything ran.
    pub seats: Seats,
    /// The embedded venue's report.
    pub venue: Option<ServerReport>,
    /// Steal of all CPUs.
    pub steal: Option<Nanos>,
}

/// Puts the lanes' reports together.
#[must_use]
pub fn build(frame: Frame, outcomes: &[Outcome]) -> RunReport {
    let Frame { venue_name, ended, seconds, seed, seats, venue, steal } = frame;
    let mut spans: BTreeMap<&'static str, Histogram> = BTreeMap::new();
    let mut lanes = Vec::new();
    let (mut messages, mut rate, mut hash) = (0, 0.0, StateHash::default());
    let mut open_loop: Option<OpenLoopRun> = None;
    let mut allocations = Some(0);
    let mut fees: BTreeMap<String, i128> = BTreeMap::new();
    for (index, of) in outcomes.iter().enumerate() {
        let cpu = seats.cpus.get(index).copied().flatten();
        let busy = seats.busy.get(index).copied().unwrap_or_default();
        let Some(report) = &of.report else {
            allocations = None;
            lanes.push(LaneRun::dead(&of.name, cpu, busy));
            continue;
        };
        for (name, span) in &report.times.spans {
            spans.entry(name).or_default().merge(span);
        }
        let per_second = |count: u64| count as f64 / (report.span.0 as f64 * 1e-9).max(1e-9);
        messages += report.counts.frames;
        rate += per_second(report.counts.frames);
        if let Some(of) = &report.times.open_loop {
            for (name, span) in of.spans() {
                spans.entry(name).or_default().merge(span);
            }
            let sum: &mut OpenLoopRun = open_loop.get_or_insert_default();
            sum.matched += of.matched();
            sum.unmatched += of.unmatched();
            sum.arrival_rate += per_second(of.matched() + of.unmatched());
        }
        allocations = allocations.zip(report.allocations).map(|(sum, more)| sum + more);
        let lane = &report.lane;
        hash.word(lane.state_hash());
        for (currency, fee) in lane.ledger().fees().entries() {
            *fees.entry(currency.to_string()).or_default() += fee.0;
        }
        let LaneReport { inputs, standing, orders, instruments, .. } = lane.report();
        lanes.push(LaneRun {
            name: of.name.clone(),
            cpu,
            busy,
            transport: report.transport.clone(),
            state_hash: Some(format!("{:016x}", lane.state_hash())),
            orders_hash: Some(format!("{:016x}", lane.orders_hash())),
            inputs,
            standing,
            orders,
            instruments,
            frames_refused: report.counts.frames_refused,
            fallbacks: report.fallbacks,
            syscalls: report.net.syscalls,
            incidents: report
                .incidents
                .iter()
                .map(|of| (of.at.0 as f64 * 1e-9, of.what.clone()))
                .collect(),
            incidents_dropped: report.incidents_dropped,
            journal: of.journal.clone(),
        });
    }
    RunReport {
        venue_name,
        ended: ended.to_owned(),
        seconds,
        seed,
        messages,
        events: lanes.iter().map(|lane| lane.inputs.market).sum(),
        book_updates: instruments(&lanes).map(|of| of.book_updates).sum(),
        orders: total(&lanes),
        latency_ns: spans.iter().map(|(name, span)| (*name, span.summary())).collect(),
        arrival_rate: rate,
        open_loop,
        allocations_after_warmup: allocations,
        state_hash: format!("{:016x}", hash.finish()),
        fees: fees
            .into_iter()
            .map(|(of, fee)| (of, crate::units::Money(fee).to_string()))
            .collect(),
        steal_ns: steal.map(|of| of.0),
        clock: seats.clock,
        concessions: seats.concessions,
        lanes,
        venue,
    }
}

fn instruments(lanes: &[LaneRun]) -> impl Iterator<Item = &InstrumentReport> {
    lanes.iter().flat_map(|lane| &lane.instruments)
}

fn total(lanes: &[LaneRun]) -> OrderReport {
    let mut sum = OrderReport::default();
    for of in lanes.iter().map(|lane| &lane.orders) {
        sum.sent += of.sent;
        sum.acked += of.acked;
        sum.filled += of.filled;
        sum.partly_filled += of.partly_filled;
        sum.cancelled += of.cancelled;
        sum.rejected += of.rejected;
        sum.expired += of.expired;
        sum.working += of.working;
        for (code, count) in &of.refused {
            *sum.refused.entry(code).or_default() += count;
        }
    }
    sum
}

impl LaneRun {
    fn dead(name: &str, cpu: Option<u32>, busy: bool) -> LaneRun {
        LaneRun {
            name: name.to_owned(),
            cpu,
            busy,
            transport: String::new(),
            state_hash: None,
            orders_hash: None,
            inputs: InputCounts::default(),
            standing: Standing::default(),
            orders: OrderReport::default(),
            instruments: Vec::new(),
            frames_refused: 0,
            fallbacks: 0,
            syscalls: 0,
            incidents: Vec::new(),
            incidents_dropped: 0,
            journal: None,
        }
    }
}

/// The report for people.
///
/// # Errors
/// When the output cannot be written.
pub fn print(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    let RunReport { ended, seconds, messages, events, book_updates, arrival_rate, .. } = report;
    writeln!(out, "{}: {ended} after {seconds:.1} s", report.venue_name)?;
    writeln!(
        out,
        "\nmarket     {messages} messages ({arrival_rate:.0} a second), {events} events, \
         {book_updates} book updates"
    )?;
    let orders = &report.orders;
    writeln!(
        out,
        "orders     {} sent, {} acknowledged, {} filled, {} partly filled, {} cancelled, {} \
         rejected, {} expired, {} working",
        orders.sent,
        orders.acked,
        orders.filled,
        orders.partly_filled,
        orders.cancelled,
        orders.rejected,
        orders.expired,
        orders.working
    )?;
    let refused: Vec<String> =
        orders.refused.iter().map(|(code, count)| format!("{code} {count}")).collect();
    if !refused.is_empty() {
        writeln!(out, "refused    {}", refused.join(", "))?;
    }
    writeln!(out)?;
    for lane in &report.lanes {
        let seat = lane.cpu.map_or("unpinned".to_owned(), |cpu| format!("CPU {cpu}"));
        let wait = if lane.busy { "spinning" } else { "sleeping" };
        writeln!(out, "lane {} on {seat}, {wait}, {}", lane.name, lane.transport)?;
        for of in &lane.instruments {
            writeln!(
                out,
                "  {:<12} position {}, cash {}, profit {} {}, traded {}, gaps {}",
                of.symbol, of.position, of.cash, of.pnl, of.currency, of.traded, of.gaps
            )?;
        }
        print_standing(&lane.standing, out)?;
        for (at, what) in &lane.incidents {
            writeln!(out, "  {at:>10.3} s  {what}")?;
        }
        if let Some(journal) = &lane.journal {
            let folder = journal.folder.display();
            match &journal.failure {
                None => writeln!(out, "  journal      {} records in {folder}", journal.records)?,
                Some(why) => writeln!(
                    out,
                    "  journal      {} records in {folder}, durable up to {}: {why}",
                    journal.records, journal.durable
                )?,
            }
        }
        if lane.incidents_dropped > 0 {
            writeln!(out, "  and {} more incidents", lane.incidents_dropped)?;
        }
    }
    let fees: Vec<String> = report.fees.iter().map(|(of, fee)| format!("{fee} {of}")).collect();
    if !fees.is_empty() {
        writeln!(out, "fees       {}", fees.join(", "))?;
    }
    writeln!(
        out,
        "\n{:<18}{:>10}{:>10}{:>10}{:>12}{:>10}   nanoseconds",
        "latency", "p50", "p99", "p99.9", "max", "count"
    )?;
    for name in SPAN_NAMES.into_iter().chain(SPANS_AROUND) {
        if let Some(of) = report.latency_ns.get(name) {
            writeln!(
                out,
                "{name:<18}{:>10}{:>10}{:>10}{:>12}{:>10}",
                of.p50, of.p99, of.p999, of.max, of.count
            )?;
        }
    }
    match &report.open_loop {
        Some(of) => writeln!(
            out,
            "open loop  intended_… from when the venue meant a message to leave, {:.0} a second; {} \
             measured, {} lost",
            of.arrival_rate, of.matched, of.unmatched
        )?,
        None => writeln!(
            out,
            "open loop  not measured: this venue does not tell when its messages were meant to leave"
        )?,
    }
    let steal =
        report.steal_ns.map_or("unknown".to_owned(), |ns| format!("{:.1} ms", ns as f64 * 1e-6));
    writeln!(out, "\nclock      {}; steal during the run {steal}", report.clock)?;
    match report.allocations_after_warmup {
        Some(count) => writeln!(out, "allocated  {count} times on lane threads after warm-up")?,
        None => writeln!(out, "allocated  unknown: the run ended before the warm-up did")?,
    }
    for given_up in &report.concessions {
        writeln!(out, "given up   {given_up}")?;
    }
    writeln!(out, "state      {}", report.state_hash)
}

fn print_standing(of: &Standing, out: &mut dyn Write) -> io::Result<()> {
    let risk = &of.risk;
    if risk.currency.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "  {:<12} equity {} {}, exposure {}, loss of the day {}, drawdown {}",
        "risk", risk.equity, risk.currency, risk.gross, risk.loss_of_day, risk.drawdown
    )?;
    let tripped = of.breakers.iter().filter(|(_, breaker)| breaker.trips > 0);
    let tripped: Vec<String> = tripped
        .map(|(name, breaker)| format!("{name} {} times, now {}", breaker.trips, breaker.state))
        .collect();
    if !tripped.is_empty() {
        writeln!(out, "  {:<12} {}", "breakers", tripped.join("; "))?;
    }
    let held: Vec<&str> = of.held_by.iter().copied().filter(|cause| *cause != "stop").collect();
    if !held.is_empty() {
        writeln!(out, "  {:<12} by {}", of.mode, held.join(", "))?;
    }
    Ok(())
}
