//! The loop of a lane's thread, and what it does with everything that arrives.

use super::clerk::{Answer, Ask};
use super::controls::{Controls, Status};
use super::doubts::{Doubts, SETTLED};
use super::report::{DriveReport, Incident};
use super::sessions::{Lines, SessionKind};
use super::settings::{DriveSettings, Resumed};
use super::timing::LaneTimes;
use super::words;
use crate::host::allocation;
use crate::host::clock::Clock;
use crate::host::histogram::Histogram;
use crate::host::net::{ConnId, Net, NetError, NetEvent, NetSettings, Wait, open};
use crate::host::probe::StageProbe;
use crate::host::ring::{Consumer, Producer};
use crate::host::schedule::MessageName;
use crate::hot::flaws::{Flaw, Flaws, Sound};
use crate::hot::guard::LastWord;
use crate::hot::lane::Lane;
use crate::hot::pipeline::Pipeline;
use crate::hot::recorder::{Recorder, Unrecorded};
use crate::record::{Command, Input, Intent, Life, Link, LinkState, Plan, ServiceTime, Source};
use crate::units::{Nanos, OrderId, UnixNanos};
use crate::venue::binance::orders::{ErrorClass, OrderMessage};
use crate::venue::binance::session::Line;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Between two timer inputs of a lane that drives itself.
pub const TIMER_PERIOD: Nanos = Nanos::from_millis(10);
const SESSION_PERIOD: Nanos = Nanos::from_millis(250);
const KEEP_KEY_PERIOD: Nanos = Nanos(30 * 60 * 1_000_000_000);
/// Between two measurements of the lane's own time, and the frames that one needs to tell of a hundredth.
const SERVICE_PERIOD: Nanos = Nanos::SECOND;
const SERVICE_FRAMES_MIN: u64 = 200;
pub(super) const INCIDENTS_MAX: usize = 256;
/// How far back fills are asked for before the loss of the line was noticed: that may have taken 15 s of
/// silence, or minutes in which the whole process was stopped, and clocks differ.
const LOOK_BACK: u64 = 300_000_000_000;

/// A lane at work: a state machine over its sockets, turned by a thread or by a simulator.
pub struct Driver<C: Clock + Clone, R: Recorder = Unrecorded, F: Flaws = Sound> {
    pub(super) settings: DriveSettings,
    clock: C,
    pub(super) pipeline: Pipeline<R, F>,
    probe: StageProbe<C>,
    times: LaneTimes,
    pub(super) lines: Lines,
    pub(super) doubts: Doubts,
    asks: Producer<Ask>,
    answers: Consumer<Answer>,
    /// Asks that the ring had no room for.
    pub(super) unasked: Vec<Ask>,
    market_up: bool,
    pub(super) orders_up: bool,
    pub(super) reconciling: bool,
    /// Wall time at which the order link was lost, or an earlier life ended; none on a first life.
    lost_at: Option<UnixNanos>,
    /// The venue's clock minus ours.
    pub(super) venue_ahead: i64,
    pub(super) clock_asked_at: Option<Nanos>,
    /// Requests of an earlier life or line may take effect until then.
    settled_at: Nanos,
    /// Nothing was reconciled yet in this life.
    pub(super) is_new: bool,
    pub(super) began: Nanos,
    timer_due: Nanos,
    session_due: Nanos,
    key_due: Nanos,
    stopping: Option<Nanos>,
    /// The clerk was asked to cancel what the lane's own cancels did not end.
    pub(super) asked_at_end: bool,
    /// What is recorded will not last, and the lane has halted for it.
    unsafe_to_trade: bool,
    /// How long the frames of the running second took.
    service: Histogram,
    service_due: Nanos,
    first_frame: Option<Nanos>,
    warm: Option<u64>,
    pub(super) incidents: Vec<Incident>,
    incidents_dropped: u64,
    refused_seen: u64,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The lane goes on.
    Runs,
    /// The lane was told to stop, and has done what it could: `finish` it.
    Ended,
}

/// Drives a lane on this thread until `controls.stop`.
///
/// # Errors
/// When the transport cannot be opened or fails as a whole; single connections are replaced.
pub fn drive<C: Clock + Clone, R: Recorder>(
    settings: DriveSettings,
    recorder: R,
    controls: &Controls,
    clock: C,
    asks: Producer<Ask>,
    answers: Consumer<Answer>,
) -> Result<DriveReport, NetError> {
    let _word = LastWord(Arc::clone(&controls.pulse));
    let net_settings = NetSettings { connections: 12, listeners: 1, ..NetSettings::default() };
    let mut net = open(settings.transport, &net_settings)?;
    let wait = if settings.busy { Wait::Busy } else { Wait::Block(settings.timer) };
    let mut driver = Driver::new(settings, recorder, clock, asks, answers);
    loop {
        let wait = driver.patience(wait);
        if driver.turn(net.as_mut(), wait, controls)? == Turn::Ended {
            break;
        }
    }
    controls.pulse.finish();
    Ok(driver.finish(net.as_mut()))
}

impl<C: Clock + Clone, R: Recorder> Driver<C, R> {
    /// A lane that has its plan and may trade as soon as its links are up.
    #[must_use]
    pub fn new(
        mut settings: DriveSettings,
        recorder: R,
        clock: C,
        asks: Producer<Ask>,
        answers: Consumer<Answer>,
    ) -> Driver<C, R> {
        let resumed = settings.resumed.take();
        Driver::resuming(resumed, settings, recorder, clock, asks, answers)
    }
}

impl<C: Clock + Clone, R: Recorder, F: Flaws> Driver<C, R, F> {
    /// The same, with or without bugs; `resumed` is the lane as an earlier life left it.
    #[must_use]
    pub fn resuming(
        resumed: Option<Resumed<F>>,
        settings: DriveSettings,
        recorder: R,
        clock: C,
        asks: Producer<Ask>,
        answers: Consumer<Answer>,
    ) -> Driver<C, R, F> {
        let (family, simd, zero) = (settings.family, settings.simd, settings.wall_at_zero);
        let listed = &settings.instruments;
        let (lane, past) = match resumed {
            Some(of) => {
                let since = of.lane.accounted_at();
                (of.lane, Some((since, of.ended_at)))
            }
            None => (Lane::of(settings.lane, listed), None),
        };
        let pipeline = Pipeline::with(lane, family, listed, simd, zero).recording(recorder);
        let pipeline = match settings.signer.clone().filter(|signer| !signer.can_log_on()) {
            Some(signer) => pipeline.signing(signer, &settings.instruments),
            None => pipeline,
        };
        let now = clock.now();
        let mut driver = Driver {
            pipeline,
            probe: StageProbe::new(clock.clone()),
            times: LaneTimes::new(settings.schedule.clone()),
            lines: Lines::new(&settings),
            doubts: Doubts::new(),
            asks,
            answers,
            unasked: Vec::with_capacity(8),
            market_up: false,
            orders_up: false,
            reconciling: false,
            lost_at: past.map(|(since, _)| since),
            venue_ahead: 0,
            clock_asked_at: None,
            settled_at: past.map_or(now, |(_, ended_at)| {
                let wall = zero.0.saturating_add(now.0);
                let left = ended_at.0.saturating_add(SETTLED.0).saturating_sub(wall);
                now.plus(Nanos(left.min(SETTLED.0)))
            }),
            is_new: true,
            began: now,
            timer_due: now.plus(settings.timer),
            session_due: now,
            key_due: now.plus(KEEP_KEY_PERIOD),
            stopping: None,
            asked_at_end: false,
            unsafe_to_trade: false,
            service: Histogram::new(),
            service_due: now.plus(SERVICE_PERIOD),
            first_frame: None,
            warm: None,
            incidents: Vec::with_capacity(INCIDENTS_MAX),
            incidents_dropped: 0,
            refused_seen: 0,
            settings,
            clock,
        };
        let life =
            Life { epoch: driver.settings.lane.epoch, wall_at_zero: driver.settings.wall_at_zero };
        driver.input(Input::Life(life), now);
        let plan = driver.settings.plan.clone();
        driver.input(Input::Plan(&plan), now);
        driver.input(Input::Command(Command::Activate, Source::Run), now);
        driver
    }

    /// One look at the sockets, everything it brought, everything that is due, and one flush.
    ///
    /// # Errors
    /// When the transport fails as a whole.
    pub fn turn(
        &mut self,
        net: &mut dyn Net,
        wait: Wait,
        controls: &Controls,
    ) -> Result<Turn, NetError> {
        let arrived = self.poll(net, wait)?;
        let now = self.clock.now();
        controls.pulse.beat();
        if now >= self.timer_due {
            self.timer_due = now.plus(self.settings.timer);
            self.input(Input::Timer, now);
            self.measure(now);
            self.obey(controls, now);
            self.publish(&controls.status);
            self.hear_clerk(now);
            self.lines.check_answers(now);
            self.look_up(now);
        }
        if now >= self.session_due || self.lines.has_news() {
            self.session_due = now.plus(SESSION_PERIOD);
            self.sessions(net, now);
        }
        if now >= self.key_due {
            self.key_due = now.plus(KEEP_KEY_PERIOD);
            self.ask(Ask::KeepListenKey);
        }
        self.wishes();
        self.hear_lane();
        if !self.pipeline.recorder().is_fine() {
            self.on_trouble(now);
        }
        self.flush(net, arrived);
        if self.pipeline.take_overflow() {
            self.give_up_lines(now);
        }
        if controls.stop.load(Ordering::Relaxed) && self.stopping.is_none() {
            self.stopping = Some(now);
            self.input(Input::Command(Command::Halt, Source::Run), now);
            self.flush(net, None);
        }
        let ended = self.stopping.is_some_and(|since| self.has_ended(now.since(since)));
        Ok(if ended { Turn::Ended } else { Turn::Runs })
    }

    /// How the next turn may wait: not at all while requests are held back.
    #[must_use]
    pub fn patience(&mut self, wait: Wait) -> Wait {
        if self.pipeline.recorder().holds_back() { Wait::Busy } else { wait }
    }

    /// A plan that was published: an input like any other.
    pub fn publish_plan(&mut self, plan: &Plan) {
        let now = self.clock.now();
        self.input(Input::Plan(plan), now);
    }

    /// When the next turn has something to do even if nothing arrives.
    #[must_use]
    pub fn due(&self) -> Nanos {
        self.timer_due.min(self.session_due)
    }

    /// Whether there was nothing before that reconciliation could miss.
    pub(super) fn is_first_life(&self) -> bool {
        self.lost_at.is_none()
    }

    /// The lane's stages and state.
    #[must_use]
    pub fn pipeline(&self) -> &Pipeline<R, F> {
        &self.pipeline
    }

    /// Closes every line and tells what happened.
    #[must_use]
    pub fn finish(mut self, net: &mut dyn Net) -> DriveReport<F> {
        let ended = self.clock.now();
        let allocations = self.warm.map(|before| allocation::thread_allocations() - before);
        self.note_left_behind(ended);
        self.note_frames_left_out(ended);
        self.lines.close_all(net);
        self.probe.finish();
        self.pipeline.end(ended);
        DriveReport {
            counts: self.pipeline.counts(),
            fallbacks: self.pipeline.fallbacks(),
            lane: self.pipeline.into_lane(),
            times: self.times.finish(&self.probe),
            allocations,
            span: ended.since(self.first_frame.unwrap_or(ended)),
            incidents: self.incidents,
            incidents_dropped: self.incidents_dropped,
            net: net.stats(),
            transport: net.describe(),
        }
    }

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
        let outcome = slot.receive(bytes, &mut |text, name| match kind {
            SessionKind::Market => self.market(text, name, arrived),
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
    fn market(&mut self, frame: &[u8], name: MessageName, arrived: Nanos) {
        let now = self.clock.now();
        let mut led_to_order = false;
        let mut send = sending(&mut self.lines, &mut self.doubts, now);
        self.pipeline.on_market(frame, now, &mut self.probe, &mut |intent, request| {
            led_to_order = true;
            send(intent, request);
        });
        drop(send);
        self.times.message(name, arrived, led_to_order, &self.clock);
        if self.first_frame.is_none() {
            self.first_frame = Some(now);
        }
        self.service.record(self.probe.spent().0);
        if F::has(Flaw::HoardFrames) {
            self.incidents.push(Incident { at: now, what: String::new() });
        }
        let counts = self.pipeline.counts();
        if self.warm.is_none()
            && counts.frames >= self.settings.warm_up
            && self.market_up
            && self.orders_up
        {
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
        if kind == SessionKind::Orders {
            self.lines.heard_orders();
        }
        let refused = self.pipeline.counts().reports_refused;
        let mut send = sending(&mut self.lines, &mut self.doubts, now);
        let heard = self.pipeline.on_report(text, now, &mut self.probe, &mut send);
        drop(send);
        if let Some(message) = heard {
            if let OrderMessage::Response(answer) = &message {
                if answer.outcome.is_err_and(|error| error.class() == ErrorClass::ClockSkew) {
                    self.doubt_clock(now);
                }
                for order in answer.in_doubt().into_iter().flatten() {
                    self.doubt(order, now);
                }
            }
            self.lines.answered(kind, line, message);
        }
        while let Some(missing) = self.pipeline.take_missing() {
            self.doubts.raise_fills(missing.order, missing.filled, now);
        }
        if self.pipeline.counts().reports_refused > refused {
            self.note_fault(now);
        }
    }

    /// Whether the lane could take it.
    pub(super) fn input(&mut self, input: Input<'_>, now: Nanos) -> bool {
        let mut send = sending(&mut self.lines, &mut self.doubts, now);
        self.pipeline.on_input(input, now, &mut self.probe, &mut send)
    }

    /// What others ask.
    fn obey(&mut self, controls: &Controls, now: Nanos) {
        for (command, source) in controls.take() {
            if command == Command::Activate && self.unsafe_to_trade {
                let why = self.pipeline.recorder().trouble();
                self.incident(now, format!("not activated: {why}"));
                continue;
            }
            if !self.input(Input::Command(command, source), now) {
                controls.ask(command, source); // no room to record it: the next turn tries again
            }
        }
    }

    fn publish(&self, status: &Status) {
        let counts = self.pipeline.counts();
        let lane = self.pipeline.lane();
        let orders = lane.ledger().counts();
        let equity = lane.exposures().equity().0;
        let cut = equity.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        status.tell(lane.holds(), lane.instrument_holds());
        status.equity.store(cut, Ordering::Relaxed);
        status.working.store(lane.ledger().working() as u64, Ordering::Relaxed);
        status.frames.store(counts.frames, Ordering::Relaxed);
        status.requests.store(self.times.requests(), Ordering::Relaxed);
        status.filled.store(orders.filled, Ordering::Relaxed);
        status.trading.store(self.market_up && self.orders_up, Ordering::Relaxed);
        status.paced.store(lane.is_paced(), Ordering::Relaxed);
    }

    /// How long the lane itself took lately is an input like any other.
    fn measure(&mut self, now: Nanos) {
        if now < self.service_due {
            return;
        }
        self.service_due = now.plus(SERVICE_PERIOD);
        let frames = self.service.count();
        if frames >= SERVICE_FRAMES_MIN {
            let p99 = Nanos(self.service.quantile(0.99));
            self.service.reset();
            self.input(Input::Service(ServiceTime { p99, frames }), now);
        }
    }

    /// What the lane tells of its standing becomes incidents.
    #[inline]
    fn hear_lane(&mut self) {
        if self.pipeline.has_notices() {
            self.note_standing();
        }
    }

    #[cold]
    fn note_standing(&mut self) {
        let (notices, dropped) = self.pipeline.take_notices();
        for notice in notices {
            let what = words::of(&notice.what, self.pipeline.lane(), &self.settings.instruments);
            self.incident(notice.at, what);
        }
        self.incidents_dropped += dropped;
    }

    /// What is recorded will not last: nothing may be risked on it.
    #[cold]
    fn on_trouble(&mut self, now: Nanos) {
        if std::mem::replace(&mut self.unsafe_to_trade, true) {
            return;
        }
        let why = self.pipeline.recorder().trouble();
        if self.pipeline.recorder().waits() {
            // They were to leave when what led to them is durable, which it will never be.
            self.lines.discard_orders();
        }
        self.input(Input::Command(Command::Halt, Source::Journal), now);
        self.incident(now, format!("trading halted, orders cancelled: {why}"));
    }

    /// What came and could not be recorded is lost to the lane: new connections tell it anew.
    #[cold]
    fn give_up_lines(&mut self, now: Nanos) {
        if self.lines.condemn_all() {
            let what = "the journal has no room: trading halted, connections given up; see what the \
                        disk does, then resume";
            self.incident(now, what.to_owned());
        }
    }

    /// Lets the sessions act, and tells the lane what became of its links.
    #[cold]
    fn sessions(&mut self, net: &mut dyn Net, now: Nanos) {
        let wall = self.venue_wall(now);
        let needs = self.lines.run(net, now, wall);
        if needs.clock {
            self.doubt_clock(now);
        }
        for what in self.lines.take_incidents() {
            self.incident(now, what);
        }
        if needs.listen_key {
            self.ask(Ask::ListenKey);
        }
        let market = self.lines.is_ready(SessionKind::Market);
        if market != self.market_up {
            let state = if market { LinkState::Up } else { LinkState::Down };
            if self.input(Input::Link(Link::Market, state), now) {
                self.market_up = market;
            }
        }
        let orders = self.lines.orders_ready();
        if self.orders_up && (!orders || needs.orders_lost) {
            self.lost_at = Some(wall);
            self.settled_at = self.doubts.last_sent().plus(SETTLED);
            self.doubts.clear(); // reconciliation settles them with all others
            self.orders_up = !self.input(Input::Link(Link::Orders, LinkState::Down), now);
        }
        if F::has(Flaw::SkipReconciliation) && self.is_new && orders && !self.orders_up {
            self.is_new = false;
            self.orders_up = self.input(Input::Link(Link::Orders, LinkState::Up), now);
        }
        if orders && !self.orders_up && !self.reconciling && now >= self.settled_at {
            self.reconciling = true;
            let since = self.lost_at.map(|at| UnixNanos(at.0.saturating_sub(LOOK_BACK)));
            self.reconcile(since);
        }
    }

    fn hear_clerk(&mut self, now: Nanos) {
        while let Some(answer) = self.answers.pop() {
            match answer {
                Answer::Snapshot(id, body) => {
                    let mut send = sending(&mut self.lines, &mut self.doubts, now);
                    self.pipeline.on_snapshot(id, &body, now, &mut self.probe, &mut send);
                    drop(send);
                    self.ask(Ask::Recycle(body));
                }
                Answer::ListenKey(key) => self.lines.use_listen_key(key),
                Answer::Order(id, found, fills) => self.looked_up(id, found, &fills, now),
                Answer::Reconciled(found) => self.reconciled(&found, now),
                Answer::Clock(ahead) => self.on_venue_clock(ahead, now),
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

    #[inline]
    fn wishes(&mut self) {
        while let Some(id) = self.pipeline.take_snapshot_wish() {
            self.ask(Ask::Snapshot(id));
        }
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        if let Err(full) = self.asks.push(ask) {
            self.unasked.push(full.0);
        }
    }

    /// Sends what waits. `arrived` is when the poll that led to it began.
    #[inline]
    fn flush(&mut self, net: &mut dyn Net, arrived: Option<Nanos>) {
        if self.pipeline.recorder().holds_back() && !F::has(Flaw::SendBeforeDurable) {
            return;
        }
        let (clock, times) = (&self.clock, &mut self.times);
        if self.lines.flush(net, &mut |sealed, span| times.sent(sealed, span), &|| clock.now())
            && let Some(arrived) = arrived
        {
            times.wire_to_wire(clock.now().since(arrived));
        }
    }

    #[cold]
    pub(super) fn incident(&mut self, at: Nanos, what: String) {
        self.pipeline.recorder().note(at, &what);
        if self.incidents.len() < INCIDENTS_MAX {
            let at = at.since(self.began);
            self.incidents.push(Incident { at, what });
        } else {
            self.incidents_dropped += 1;
        }
    }
}

/// What the pipeline lets out: to the order line, and noted until the venue has told its fate.
fn sending(lines: &mut Lines, doubts: &mut Doubts, now: Nanos) -> impl FnMut(&Intent, &[u8]) {
    move |intent, request| {
        doubts.sent(intent.order, now);
        if intent.replaces != intent.order && intent.replaces != OrderId(0) {
            doubts.sent(intent.replaces, now);
        }
        lines.send_order(request);
    }
}
