//! In-process replay: the engine against the venue in a box without a socket, and its inputs kept.
//!
//! `record` runs pipeline and exchange together and keeps every byte the lane saw with its time.
//! `play` feeds a recording to a fresh pipeline with the venue left out. Both must end in the same
//! hashes, since the lane is a pure function of its inputs (promise 1); `play` is what is timed.
//! Deliberately absent: wall clocks; time is the venue's simulated time.

use super::exchange::{ClientId, Exchange, Output, wire};
use crate::host::probe::{NoProbe, Probe};
use crate::hot::pipeline::Pipeline;
use crate::hot::recorder::Recorder;
use crate::record::{Command, ExecutionReport, Input, Intent, Link, LinkState, Plan, Source};
use crate::units::{InstrumentId, Nanos};
use std::collections::VecDeque;

/// What kind of input this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Market,
    Snapshot(InstrumentId),
    Execution,
    Timer,
    Halt,
}

/// One input as the lane saw it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Nanos,
    kind: Kind,
    /// Where its bytes begin, or which report it is.
    start: usize,
    len: usize,
}

/// Every input of a run after the opening ones, in order.
#[derive(Debug)]
pub struct Recording {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    reports: Vec<ExecutionReport>,
    plan: Box<Plan>,
}

/// Period of the timer input while nothing else happens.
pub const TIMER_PERIOD: Nanos = Nanos::from_millis(100);

/// Who the lane is to the venue.
const LANE: ClientId = ClientId(1);

/// Levels a side of a snapshot: what the venue's REST gives by default.
const SNAPSHOT_DEPTH: usize = 1_000;

/// How long the lane is given after the halt to hear of its cancels.
const GRACE: Nanos = Nanos::SECOND;

impl Recording {
    /// Market frames in the recording, snapshots aside.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.kind == Kind::Market).count() as u64
    }

    /// Bytes of market frames and snapshots.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// All inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.entries.len()
    }

    /// Time of the last input.
    #[must_use]
    pub fn span(&self) -> Nanos {
        self.entries.last().map(|entry| entry.at).unwrap_or_default()
    }

    #[inline]
    fn feed(
        &self,
        entry: &Entry,
        pipeline: &mut Pipeline,
        probe: &mut impl Probe,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) {
        let bytes = || &self.bytes[entry.start..entry.start + entry.len];
        match entry.kind {
            Kind::Market => pipeline.on_market(bytes(), entry.at, probe, send),
            Kind::Snapshot(id) => {
                pipeline.take_snapshot_wish();
                pipeline.on_snapshot(id, bytes(), entry.at, probe, send);
            }
            Kind::Execution => {
                let report = self.reports[entry.start];
                pipeline.on_input(Input::Execution(report), entry.at, probe, send);
            }
            Kind::Timer => {
                pipeline.on_input(Input::Timer, entry.at, probe, send);
            }
            Kind::Halt => {
                pipeline.on_input(
                    Input::Command(Command::Halt, Source::Run),
                    entry.at,
                    probe,
                    send,
                );
            }
        }
    }

    fn push(&mut self, at: Nanos, kind: Kind, bytes: &[u8]) {
        self.entries.push(Entry { at, kind, start: self.bytes.len(), len: bytes.len() });
        self.bytes.extend_from_slice(bytes);
    }

    fn push_report(&mut self, at: Nanos, report: ExecutionReport) {
        let start = self.reports.len();
        self.entries.push(Entry { at, kind: Kind::Execution, start, len: 0 });
        self.reports.push(report);
    }
}

/// One input on its way to the lane.
enum Arriving {
    Market(Vec<u8>),
    Execution(ExecutionReport),
}

/// Runs `pipeline` against `exchange` until the venue has nothing more (or `until`), then halts the
/// lane and lets its cancels come back. Keeps every input.
pub fn record<R: Recorder>(
    pipeline: &mut Pipeline<R>,
    exchange: &mut Exchange,
    plan: &Plan,
    until: Option<Nanos>,
) -> Recording {
    let mut recording = Recording {
        entries: Vec::new(),
        bytes: Vec::new(),
        reports: Vec::new(),
        plan: Box::new(*plan),
    };
    let mut run = Run {
        pipeline,
        exchange,
        recording: &mut recording,
        submissions: Vec::new(),
        wishes: Vec::new(),
        body: Vec::new(),
        now: Nanos(0),
    };
    open(run.pipeline, plan, &mut |_, _| {});
    run.fetch_snapshots();
    let end = run.go(until, TIMER_PERIOD);
    run.input(run.now.max(end), Kind::Halt);
    let limit = run.now.plus(GRACE);
    let timer = run.now.plus(TIMER_PERIOD);
    run.go(Some(limit), timer);
    recording
}

struct Run<'a, R: Recorder> {
    pipeline: &'a mut Pipeline<R>,
    exchange: &'a mut Exchange,
    recording: &'a mut Recording,
    submissions: Vec<Intent>,
    /// Snapshots that the lane waits for and the venue has not yet.
    wishes: Vec<InstrumentId>,
    body: Vec<u8>,
    now: Nanos,
}

impl<R: Recorder> Run<'_, R> {
    /// Lets the venue go on until it is over or the limit; returns where the time stands.
    fn go(&mut self, until: Option<Nanos>, mut timer: Nanos) -> Nanos {
        let mut arriving: VecDeque<(Nanos, Arriving)> = VecDeque::new();
        while let Some(next) = self.exchange.next_time() {
            if let Some(limit) = until.filter(|limit| next > *limit) {
                return limit;
            }
            while timer <= next {
                self.input(timer, Kind::Timer);
                timer = timer.plus(TIMER_PERIOD);
            }
            self.exchange.advance(next, &mut |output| {
                arriving.push_back(match output {
                    Output::Market { at, frame, .. } => (at, Arriving::Market(frame.to_vec())),
                    Output::Execution { at, report, .. } => (at, Arriving::Execution(report)),
                });
            });
            for (at, input) in arriving.drain(..) {
                match input {
                    Arriving::Market(frame) => self.market(at, &frame),
                    Arriving::Execution(report) => self.execution(at, report),
                }
            }
        }
        self.now
    }

    fn market(&mut self, at: Nanos, frame: &[u8]) {
        self.recording.push(at, Kind::Market, frame);
        let submissions = &mut self.submissions;
        self.pipeline
            .on_market(frame, at, &mut NoProbe, &mut |intent, _| submissions.push(*intent));
        self.submit(at);
    }

    fn execution(&mut self, at: Nanos, report: ExecutionReport) {
        self.recording.push_report(at, report);
        let submissions = &mut self.submissions;
        let input = Input::Execution(report);
        self.pipeline.on_input(input, at, &mut NoProbe, &mut |intent, _| submissions.push(*intent));
        self.submit(at);
    }

    fn input(&mut self, at: Nanos, kind: Kind) {
        self.recording.push(at, kind, &[]);
        let input = match kind {
            Kind::Halt => Input::Command(Command::Halt, Source::Run),
            _ => Input::Timer,
        };
        let submissions = &mut self.submissions;
        self.pipeline.on_input(input, at, &mut NoProbe, &mut |intent, _| submissions.push(*intent));
        self.submit(at);
    }

    fn submit(&mut self, at: Nanos) {
        self.now = at;
        for intent in self.submissions.drain(..) {
            self.exchange.submit(at, LANE, &intent);
        }
        self.fetch_snapshots();
    }

    /// Answers the lane's wishes at once: REST's own latency is not part of the model.
    fn fetch_snapshots(&mut self) {
        while let Some(id) = self.pipeline.take_snapshot_wish() {
            self.wishes.push(id);
        }
        let mut at = 0;
        while let Some(id) = self.wishes.get(at).copied() {
            let family = self.exchange.settings().family;
            let instrument = self.exchange.instruments()[id.0 as usize];
            let wall = self.exchange.wall(self.now);
            let Some(snapshot) = self.exchange.snapshot(id, SNAPSHOT_DEPTH) else {
                at += 1;
                continue;
            };
            self.wishes.swap_remove(at);
            self.body.clear();
            wire::market::depth_snapshot(&mut self.body, family, &instrument, &snapshot, wall);
            self.recording.push(self.now, Kind::Snapshot(id), &self.body);
            let submissions = &mut self.submissions;
            self.pipeline.on_snapshot(id, &self.body, self.now, &mut NoProbe, &mut |intent, _| {
                submissions.push(*intent);
            });
            for intent in self.submissions.drain(..) {
                self.exchange.submit(self.now, LANE, &intent);
            }
        }
    }
}

/// Feeds a recording to a fresh pipeline; the requests it makes go to `send` and nowhere else.
pub fn play(
    recording: &Recording,
    pipeline: &mut Pipeline,
    probe: &mut impl Probe,
    send: &mut impl FnMut(&Intent, &[u8]),
) {
    open(pipeline, &recording.plan, send);
    for entry in &recording.entries {
        recording.feed(entry, pipeline, probe, send);
    }
}

/// As `play`, without a probe: `before` and `after` are called around each input and told whether it
/// is a market frame, so that a caller can set the pace.
pub fn play_paced(
    recording: &Recording,
    pipeline: &mut Pipeline,
    before: &mut impl FnMut(bool),
    after: &mut impl FnMut(bool),
    send: &mut impl FnMut(&Intent, &[u8]),
) {
    open(pipeline, &recording.plan, send);
    for entry in &recording.entries {
        let is_frame = entry.kind == Kind::Market;
        before(is_frame);
        recording.feed(entry, pipeline, &mut NoProbe, send);
        after(is_frame);
    }
}

/// What happens before the first frame: the plan arrives, both links come up, the lane may trade.
fn open<R: Recorder>(
    pipeline: &mut Pipeline<R>,
    plan: &Plan,
    send: &mut impl FnMut(&Intent, &[u8]),
) {
    let inputs = [
        Input::Plan(plan),
        Input::Link(Link::Market, LinkState::Up),
        Input::Link(Link::Orders, LinkState::Up),
        Input::Command(Command::Activate, Source::Run),
    ];
    for input in inputs {
        pipeline.on_input(input, Nanos(0), &mut NoProbe, send);
    }
}
