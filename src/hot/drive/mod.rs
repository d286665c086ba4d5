//! A hot lane on its thread: sockets to pipeline to sockets, until it is told to stop.
//!
//! ```text
//!  market line ──▶ pipeline.on_market ─┐                      ┌──▶ orders line
//!  user line   ──▶ pipeline.on_report ─┼─▶ requests, WebSocket ┤
//!  orders line ──▶ pipeline.on_report ─┘                      └── flushed after each poll
//!  clerk (REST, own thread) ⇄ rings: snapshots, listen key, reconciliation
//! ```
//!
//! One poll, then everything it brought, then one flush. Sessions (`venue::session`) decide when a
//! line is opened, replaced or given up; losing one tells the lane, which fails closed. Orders of
//! unknown fate are cancelled and their fills asked for before the link counts as up again.
//! Invariant: between faults the loop allocates nothing. Deliberately absent: what to trade (`lane`).

pub mod clerk;
pub mod rest;
mod sessions;
mod timing;
pub mod wire;

pub use sessions::{Lines, SessionKind};
pub use timing::{DriveTimes, LaneTimes};

use crate::host::allocation;
use crate::host::clock::Clock;
use crate::host::cpu::Simd;
use crate::host::net::{
    ConnId, Net, NetError, NetEvent, NetKind, NetSettings, NetStats, Wait, open,
};
use crate::host::probe::StageProbe;
use crate::host::ring::{Consumer, Producer};
use crate::hot::book::Gap;
use crate::hot::guard::{LastWord, Pulse};
use crate::hot::lane::LaneConfig;
use crate::hot::pipeline::{Pipeline, PipelineCounts};
use crate::ledger::Order;
use crate::record::{
    Command, ExecutionKind, ExecutionReport, Input, Instrument, Link, LinkState, Plan,
};
use crate::units::{Currency, Lots, Money, Nanos, Ticks, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::orders::client_id;
use crate::venue::binance::session::answer::AccountTrade;
use crate::venue::binance::session::{Line, Signer};
use clerk::{Answer, Ask};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use wire::Endpoint;

/// Where a lane's three sessions lead.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Market data.
    pub market: Endpoint,
    /// Order session.
    pub orders: Endpoint,
    /// User data of futures.
    pub user: Endpoint,
}

/// Everything a lane's thread is told at start.
pub struct DriveSettings {
    /// Whose protocol.
    pub family: Family,
    /// Which lane.
    pub lane: LaneConfig,
    /// What it trades; ids count from 0.
    pub instruments: Vec<Instrument>,
    /// Its plan.
    pub plan: Box<Plan>,
    /// Where to.
    pub endpoints: Endpoints,
    /// The key, where the venue wants one.
    pub signer: Option<Signer>,
    /// How sockets are driven.
    pub transport: NetKind,
    /// Whether to spin instead of sleeping in the kernel.
    pub busy: bool,
    /// Which kernels.
    pub simd: Simd,
    /// Decides jitter, masks and nonces.
    pub seed: u64,
    /// Wall time at monotonic zero.
    pub wall_at_zero: UnixNanos,
    /// Market frames after which allocations count.
    pub warm_up: u64,
}

/// What other threads share with a lane.
#[derive(Debug, Default)]
pub struct Controls {
    /// Set to end the lane: it halts, cancels, and returns its report.
    pub stop: AtomicBool,
    /// Mode asked for: 0 none, else `Command` plus 1.
    pub command: AtomicU8,
    /// Watched by the guard.
    pub pulse: Arc<Pulse>,
    /// For the status line.
    pub status: Status,
}

/// Figures of a running lane, each on its own.
#[derive(Debug, Default)]
pub struct Status {
    /// Market frames.
    pub frames: AtomicU64,
    /// Requests that left.
    pub requests: AtomicU64,
    /// Orders filled to the last lot.
    pub filled: AtomicU64,
    /// Whether both links are up.
    pub trading: AtomicBool,
}

/// Something that went wrong, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Since the lane began.
    pub at: Nanos,
    /// What.
    pub what: String,
}

/// What a lane leaves behind.
pub struct DriveReport {
    /// Decoder, lane and encoder as they ended.
    pub pipeline: Pipeline,
    /// Frames and refusals.
    pub counts: PipelineCounts,
    /// Where the time went.
    pub times: DriveTimes,
    /// Allocations of the thread after the warm-up; none if it never ended.
    pub allocations: Option<u64>,
    /// From the first market frame to the end.
    pub span: Nanos,
    /// What went wrong, oldest first.
    pub incidents: Vec<Incident>,
    /// Incidents beyond the bound.
    pub incidents_dropped: u64,
    /// The transport.
    pub net: NetStats,
    /// Its name and features.
    pub transport: String,
}

const TIMER_PERIOD: Nanos = Nanos::from_millis(10);
const SESSION_PERIOD: Nanos = Nanos::from_millis(250);
const KEEP_KEY_PERIOD: Nanos = Nanos(30 * 60 * 1_000_000_000);
/// How long a stopping lane waits for its cancels to be confirmed.
const GRACE: Nanos = Nanos(3_000_000_000);
const INCIDENTS_MAX: usize = 256;
/// How far back fills are asked for before the line was lost: clocks differ.
const LOOK_BACK: u64 = 5_000_000_000;

/// A lane at work.
struct Driver<'a, C: Clock + Clone> {
    settings: &'a DriveSettings,
    clock: C,
    pipeline: Pipeline,
    probe: StageProbe<C>,
    times: LaneTimes,
    lines: Lines,
    asks: Producer<Ask>,
    answers: Consumer<Answer>,
    /// Asks that the ring had no room for.
    unasked: Vec<Ask>,
    market_up: bool,
    orders_up: bool,
    /// The order link was up before: its next coming needs reconciliation.
    orders_known: bool,
    reconciling: bool,
    /// Wall time at which the order link was lost.
    lost_at: UnixNanos,
    began: Nanos,
    /// The clerk was asked to cancel what the lane's own cancels did not end.
    asked_at_end: bool,
    first_frame: Option<Nanos>,
    warm: Option<u64>,
    incidents: Vec<Incident>,
    incidents_dropped: u64,
    refused_seen: u64,
}

/// Drives a lane until `controls.stop`.
///
/// # Errors
/// When the transport cannot be opened or fails as a whole; single connections are replaced.
pub fn drive<C: Clock + Clone>(
    settings: &DriveSettings,
    controls: &Controls,
    clock: C,
    asks: Producer<Ask>,
    answers: Consumer<Answer>,
) -> Result<DriveReport, NetError> {
    let _word = LastWord(Arc::clone(&controls.pulse));
    let net_settings = NetSettings { connections: 12, listeners: 1, ..NetSettings::default() };
    let mut net = open(settings.transport, &net_settings)?;
    let transport = net.describe();
    let (family, simd) = (settings.family, settings.simd);
    let pipeline =
        Pipeline::new(family, settings.lane, &settings.instruments, simd, settings.wall_at_zero);
    let pipeline = match settings.signer.clone().filter(|signer| !signer.can_log_on()) {
        Some(signer) => pipeline.signing(signer, &settings.instruments),
        None => pipeline,
    };
    let mut driver = Driver {
        settings,
        pipeline,
        probe: StageProbe::new(clock.clone()),
        times: LaneTimes::new(),
        lines: Lines::new(settings),
        asks,
        answers,
        unasked: Vec::with_capacity(8),
        market_up: false,
        orders_up: false,
        orders_known: false,
        reconciling: false,
        lost_at: settings.wall_at_zero,
        began: clock.now(),
        asked_at_end: false,
        first_frame: None,
        warm: None,
        incidents: Vec::with_capacity(INCIDENTS_MAX),
        incidents_dropped: 0,
        refused_seen: 0,
        clock,
    };
    let now = driver.clock.now();
    driver.input(Input::Plan(&settings.plan), now);
    driver.input(Input::Command(Command::Activate), now);
    let mut timer_due = now.plus(TIMER_PERIOD);
    let mut session_due = now;
    let mut key_due = now.plus(KEEP_KEY_PERIOD);
    let mut stopping: Option<Nanos> = None;
    loop {
        let wait = if settings.busy { Wait::Busy } else { Wait::Block(TIMER_PERIOD) };
        let arrived = driver.poll(net.as_mut(), wait)?;
        let now = driver.clock.now();
        controls.pulse.beat();
        if now >= timer_due {
            timer_due = now.plus(TIMER_PERIOD);
            driver.input(Input::Timer, now);
            driver.publish(&controls.status);
            driver.obey(controls, now);
            driver.hear_clerk(now);
            driver.lines.check_answers(now);
        }
        if now >= session_due || driver.lines.has_news() {
            session_due = now.plus(SESSION_PERIOD);
            driver.sessions(net.as_mut(), now);
        }
        if now >= key_due {
            key_due = now.plus(KEEP_KEY_PERIOD);
            driver.ask(Ask::KeepListenKey);
        }
        driver.wishes();
        driver.flush(net.as_mut(), arrived);
        if controls.stop.load(Ordering::Relaxed) && stopping.is_none() {
            stopping = Some(now);
            driver.input(Input::Command(Command::Halt), now);
            driver.flush(net.as_mut(), None);
        }
        if stopping.is_some_and(|since| driver.has_ended(now.since(since))) {
            break;
        }
    }
    controls.pulse.finish();
    let ended = driver.clock.now();
    let allocations = driver.warm.map(|before| allocation::thread_allocations() - before);
    driver.note_left_behind(ended);
    driver.lines.close_all(net.as_mut());
    driver.probe.finish();
    Ok(DriveReport {
        counts: driver.pipeline.counts(),
        pipeline: driver.pipeline,
        times: driver.times.finish(&driver.probe),
        allocations,
        span: ended.since(driver.first_frame.unwrap_or(ended)),
        incidents: driver.incidents,
        incidents_dropped: driver.incidents_dropped,
        net: net.stats(),
        transport,
    })
}

impl<C: Clock + Clone> Driver<'_, C> {
    /// Takes everything that has arrived; returns when it did, if anything came.
    #[inline]
    fn poll(&mut self, net: &mut dyn Net, wait: Wait) -> Result<Option<Nanos>, NetError> {
        let mut arrived = None;
        net.poll(wait, &mut |event| {
            let now = self.clock.now();
            arrived.get_or_insert(now);
            match event {
                NetEvent::Received(conn, bytes) => self.received(conn, bytes, now),
                NetEvent::Connected(conn) => self.lines.tcp_connected(conn),
                NetEvent::Closed(conn, reason) => {
                    if let Some(kind) = self.lines.tcp_closed(conn) {
                        self.incident(now, format!("{} line: {reason}", kind.name()));
                    }
                }
                NetEvent::Accepted { .. } => {}
            }
        })?;
        Ok(arrived)
    }

    #[inline]
    fn received(&mut self, conn: ConnId, bytes: &mut [u8], arrived: Nanos) {
        let Some(at) = self.lines.position(conn) else { return };
        let Some(mut slot) = self.lines.take(at) else { return };
        let (kind, line) = (slot.kind(), slot.line());
        let outcome = slot.receive(bytes, &mut |text| match kind {
            SessionKind::Market => self.market(text, arrived),
            SessionKind::Orders | SessionKind::User => self.report(text, kind, line),
        });
        self.lines.put_back(at, slot);
        if let Err(error) = outcome {
            let now = self.clock.now();
            self.incident(now, format!("{} line: {error}", kind.name()));
            self.lines.condemn(at);
        }
    }

    #[inline]
    fn market(&mut self, frame: &[u8], arrived: Nanos) {
        let now = self.clock.now();
        let (pipeline, lines) = (&mut self.pipeline, &mut self.lines);
        let mut sent = 0u32;
        pipeline.on_market(frame, now, &mut self.probe, &mut |_, request| {
            sent += 1;
            lines.send_order(request);
        });
        if sent > 0 {
            self.times.order(self.clock.now().since(arrived));
        }
        if self.first_frame.is_none() {
            self.first_frame = Some(now);
        }
        let counts = self.pipeline.counts();
        if self.warm.is_none() && counts.frames >= self.settings.warm_up {
            self.warm = Some(allocation::thread_allocations());
        }
        if let Some(gap) = self.pipeline.take_gap() {
            self.note_gap(gap, now);
        }
        if counts.frames_refused > self.refused_seen {
            self.refused_seen = counts.frames_refused;
            self.note_fault(now);
        }
    }

    fn report(&mut self, text: &[u8], kind: SessionKind, line: Line) {
        let now = self.clock.now();
        let (pipeline, lines) = (&mut self.pipeline, &mut self.lines);
        if kind == SessionKind::Orders {
            lines.heard_orders();
        }
        let refused = pipeline.counts().reports_refused;
        let heard = pipeline.on_report(text, now, &mut self.probe, &mut |_, request| {
            lines.send_order(request);
        });
        if let Some(message) = heard {
            self.lines.answered(kind, line, message);
        }
        if self.pipeline.counts().reports_refused > refused {
            self.note_fault(now);
        }
    }

    /// The pipeline's last fault becomes an incident.
    #[cold]
    fn note_fault(&mut self, now: Nanos) {
        let what = self.pipeline.fault().map(ToString::to_string).unwrap_or_default();
        self.incident(now, what);
    }

    #[cold]
    fn note_gap(&mut self, gap: Gap, now: Nanos) {
        let name = self.settings.instruments.iter().find(|of| of.id == gap.instrument);
        let name = name.map_or("?", |of| of.symbol.as_str());
        let (expected, got) = (gap.expected, gap.got);
        self.incident(
            now,
            format!(
                "{name}: diffs missing after update {expected} (the next names {got}); quotes \
                 cancelled, book asked for again"
            ),
        );
    }

    fn input(&mut self, input: Input<'_>, now: Nanos) {
        let (pipeline, lines) = (&mut self.pipeline, &mut self.lines);
        pipeline.on_input(input, now, &mut self.probe, &mut |_, request| lines.send_order(request));
    }

    /// What the operator asks.
    fn obey(&mut self, controls: &Controls, now: Nanos) {
        let command = match controls.command.swap(0, Ordering::Relaxed) {
            1 => Command::Activate,
            2 => Command::Reduce,
            3 => Command::Halt,
            _ => return,
        };
        self.input(Input::Command(command), now);
    }

    fn publish(&self, status: &Status) {
        let counts = self.pipeline.counts();
        let orders = self.pipeline.lane().ledger().counts();
        status.frames.store(counts.frames, Ordering::Relaxed);
        status.requests.store(self.times.requests(), Ordering::Relaxed);
        status.filled.store(orders.filled, Ordering::Relaxed);
        status.trading.store(self.market_up && self.orders_up, Ordering::Relaxed);
    }

    /// Lets the sessions act, and tells the lane what became of its links.
    #[cold]
    fn sessions(&mut self, net: &mut dyn Net, now: Nanos) {
        let wall = UnixNanos(self.settings.wall_at_zero.0.saturating_add(now.0));
        let needs = self.lines.run(net, now, wall);
        for what in self.lines.take_incidents() {
            self.incident(now, what);
        }
        if needs.listen_key {
            self.ask(Ask::ListenKey);
        }
        let market = self.lines.is_ready(SessionKind::Market);
        if market != self.market_up {
            self.market_up = market;
            let state = if market { LinkState::Up } else { LinkState::Down };
            self.input(Input::Link(Link::Market, state), now);
        }
        let orders = self.lines.orders_ready();
        if self.orders_up && (!orders || needs.orders_lost) {
            self.orders_up = false;
            self.lost_at = wall;
            self.input(Input::Link(Link::Orders, LinkState::Down), now);
        }
        if orders && !self.orders_up && !self.reconciling {
            if self.orders_known {
                self.reconciling = true;
                self.ask(Ask::Reconcile(UnixNanos(self.lost_at.0.saturating_sub(LOOK_BACK))));
            } else {
                self.orders_known = true;
                self.orders_up = true;
                self.input(Input::Link(Link::Orders, LinkState::Up), now);
            }
        }
    }

    fn hear_clerk(&mut self, now: Nanos) {
        while let Some(answer) = self.answers.pop() {
            match answer {
                Answer::Snapshot(id, body) => {
                    let (pipeline, lines) = (&mut self.pipeline, &mut self.lines);
                    pipeline.on_snapshot(id, &body, now, &mut self.probe, &mut |_, request| {
                        lines.send_order(request);
                    });
                    self.ask(Ask::Recycle(body));
                }
                Answer::ListenKey(key) => self.lines.use_listen_key(key),
                Answer::Reconciled(fills) => self.reconciled(&fills, now),
                Answer::Trouble(what) => self.incident(now, what),
            }
        }
        while let Some(ask) = self.unasked.pop() {
            if let Err(full) = self.asks.push(ask) {
                self.unasked.push(full.0);
                break;
            }
        }
    }

    /// Nothing of ours works at the venue: book what filled, end the rest, trade again.
    fn reconciled(&mut self, fills: &[AccountTrade], now: Nanos) {
        let mut strangers = 0u64;
        for fill in fills {
            let known = self.pipeline.lane().ledger().orders();
            let order = known
                .into_iter()
                .find(|of| of.venue_order == fill.venue_order && of.instrument == fill.instrument);
            let Some(order) = order.copied() else {
                strangers += 1;
                continue;
            };
            let report = ExecutionReport {
                trade_id: fill.trade_id,
                last_price: fill.price,
                last_lots: fill.lots,
                filled_lots: order.filled.plus(fill.lots),
                fee: fill.fee,
                fee_currency: fill.fee_currency,
                maker: fill.maker,
                venue_time: fill.venue_time,
                ..ended(ExecutionKind::Fill, &order)
            };
            self.input(Input::Execution(report), now);
        }
        let all = self.pipeline.lane().ledger().orders();
        let open: Vec<Order> = all.filter(|of| of.state.is_working()).copied().collect();
        for order in &open {
            self.input(Input::Execution(ended(ExecutionKind::Cancelled, order)), now);
        }
        let count = fills.len();
        let what = match strangers {
            0 => format!("order link reconciled: {count} fills looked at, nothing left open"),
            _ => format!(
                "order link reconciled: {strangers} of {count} fills belong to no order of this \
                 run; check the account"
            ),
        };
        self.incident(now, what);
        self.reconciling = false;
        if self.lines.orders_ready() {
            self.orders_up = true;
            self.input(Input::Link(Link::Orders, LinkState::Up), now);
        }
    }

    #[inline]
    fn wishes(&mut self) {
        while let Some(id) = self.pipeline.take_snapshot_wish() {
            self.ask(Ask::Snapshot(id));
        }
    }

    fn ask(&mut self, ask: Ask) {
        if let Err(full) = self.asks.push(ask) {
            self.unasked.push(full.0);
        }
    }

    /// Sends what waits. `arrived` is when the poll that led to it began.
    #[inline]
    fn flush(&mut self, net: &mut dyn Net, arrived: Option<Nanos>) {
        let (clock, times) = (&self.clock, &mut self.times);
        if self.lines.flush(net, &mut |sealed, span| times.sent(sealed, span), &|| clock.now())
            && let Some(arrived) = arrived
        {
            times.wire_to_wire(clock.now().since(arrived));
        }
    }

    /// Whether a stopping lane is done: nothing works, or neither its cancels nor the clerk's helped.
    fn has_ended(&mut self, stopping_for: Nanos) -> bool {
        if self.pipeline.lane().ledger().working() == 0 {
            return true;
        }
        if stopping_for > GRACE && !std::mem::replace(&mut self.asked_at_end, true) {
            let since = UnixNanos(self.settings.wall_at_zero.0.saturating_add(self.began.0));
            self.ask(Ask::Reconcile(since));
        }
        stopping_for > Nanos(2 * GRACE.0)
    }

    /// Orders that still work when the lane ends: a person must look at them.
    fn note_left_behind(&mut self, now: Nanos) {
        let all = self.pipeline.lane().ledger().orders();
        let left: Vec<Order> = all.filter(|of| of.state.is_working()).copied().collect();
        for order in left {
            let id = String::from_utf8_lossy(&client_id(order.id)).into_owned();
            let (state, venue_order) = (order.state, order.venue_order);
            let what = format!(
                "order {id} (venue {venue_order}) is {state:?} at the end: nobody told what became \
                 of it; look for it at the venue"
            );
            self.incident(now, what);
        }
    }

    #[cold]
    fn incident(&mut self, at: Nanos, what: String) {
        if self.incidents.len() < INCIDENTS_MAX {
            let at = at.since(self.began);
            self.incidents.push(Incident { at, what });
        } else {
            self.incidents_dropped += 1;
        }
    }
}

/// A report that the ledger's own knowledge of an order makes.
fn ended(kind: ExecutionKind, order: &Order) -> ExecutionReport {
    ExecutionReport {
        kind,
        instrument: order.instrument,
        order: order.id,
        venue_order: order.venue_order,
        trade_id: 0,
        side: order.side,
        price: order.price,
        lots: order.lots,
        last_price: Ticks(0),
        last_lots: Lots(0),
        filled_lots: order.filled,
        fee: Money(0),
        fee_currency: Currency::default(),
        maker: false,
        reject_code: 0,
        venue_time: UnixNanos(0),
    }
}
