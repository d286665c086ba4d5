//! The life of a session's connections as a pure state machine: events and time -> what to do.
//!
//! A session has at most one ready line (connection) and at most one that is being prepared. Before
//! the venue's 24-hour limit a replacement is prepared while the old line still works; when it is
//! ready the orders move, and the old line lingers for the answers that are under way. A lost line is
//! replaced after an exponential backoff with jitter, drawn from the seed so that a replay repeats
//! it. A silent line is pinged, then given up. Bad keys stop the session: a person must look.
//!
//! Deliberately absent: sockets (the driver maps `Line` to a connection), answering pings (the
//! WebSocket layer does), clocks (monotonic and wall time come with every event).

use crate::units::{Nanos, UnixNanos};
use crate::venue::binance::orders::{ErrorClass, RequestId, Response, VenueError};
use crate::venue::binance::session::{Signer, logon};
use std::collections::VecDeque;

/// Silence after which a line is pinged: a half-open connection tells nothing, so it is asked.
pub const SILENCE_MAX: Nanos = Nanos(10 * 1_000_000_000);
/// Time for the answer to a ping.
pub const PONG_TIMEOUT: Nanos = Nanos(5 * 1_000_000_000);

/// A connection of the session, counted from 1; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line(pub u64);

/// How a session behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Signs the logon; `None` for sessions without one (market data, the loopback venue).
    pub signer: Option<Signer>,
    /// Whether to subscribe to user data on this connection (spot).
    pub user_data: bool,
    /// Age at which a replacement is prepared.
    pub life_max: Nanos,
    /// Time for connecting, and for each answer of the preparation.
    pub step_timeout: Nanos,
    /// Silence after which the line is pinged.
    pub silence_max: Nanos,
    /// Time for the answer to a ping.
    pub pong_timeout: Nanos,
    /// How long a replaced line stays open.
    pub linger: Nanos,
    /// First wait before a new attempt.
    pub backoff_min: Nanos,
    /// Longest wait before a new attempt.
    pub backoff_max: Nanos,
    /// A line ready for this long resets the backoff.
    pub stable_after: Nanos,
    /// Decides the jitter.
    pub seed: u64,
}

impl Settings {
    /// Times for Binance: 24-hour limit. The venue pings every 20 s (spot) or 3 min (futures), too
    /// seldom for a stream of fills to be silent; it takes at least five pings of ours a second.
    #[must_use]
    pub const fn binance(signer: Option<Signer>, user_data: bool, seed: u64) -> Settings {
        Settings {
            signer,
            user_data,
            life_max: Nanos(23 * 3_600 * 1_000_000_000 + 1_800 * 1_000_000_000),
            step_timeout: Nanos(5 * 1_000_000_000),
            silence_max: SILENCE_MAX,
            pong_timeout: PONG_TIMEOUT,
            linger: Nanos(1_000_000_000),
            backoff_min: Nanos(250_000_000),
            backoff_max: Nanos(10 * 1_000_000_000),
            stable_after: Nanos(30 * 1_000_000_000),
            seed,
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The connection is open, handshake done.
    Connected(Line),
    /// A frame came, of whatever kind, pongs included.
    Frame(Line),
    /// The venue answered one of the session's own requests.
    Answer(Line, &'a Response),
    /// The venue announced that it will close the line, or ended the subscription.
    Ending(Line),
    /// The connection is closed, by whomever.
    Closed(Line),
    /// Time passes; send at least once a second, and once to begin.
    Timer,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a connection.
    Connect(Line),
    /// Send a text frame.
    Send(Line, String),
    /// Send a ping frame.
    Ping(Line),
    /// Orders go over this line from now on.
    Ready(Line),
    /// No line is ready any more: the lane must know (`Link::Orders` down).
    Down,
    /// Close this connection.
    Close(Line),
    /// The venue refuses the key: no further attempt is made.
    Refused(VenueError),
}

/// How far a line has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the connection.
    Connecting,
    /// Waiting for the answer to this logon.
    LoggingOn(u64),
    /// Waiting for the answer to this subscription.
    Subscribing(u64),
    /// In use.
    Ready,
    /// Replaced; closed after the linger.
    Retiring,
}

#[derive(Clone, Copy, Debug)]
struct LineState {
    line: Line,
    phase: Phase,
    since: Nanos,
    opened: Nanos,
    heard: Nanos,
    pinged: Option<Nanos>,
    ending: bool,
}

/// The state machine.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    /// At most three: retiring, ready, prepared.
    lines: Vec<LineState>,
    outputs: VecDeque<Output>,
    retry_at: Nanos,
    attempts: u32,
    draws: u64,
    lines_opened: u64,
    requests: u64,
    stopped: bool,
}

impl Session {
    /// A session that has not begun; the first `Timer` opens a connection.
    #[must_use]
    pub fn new(settings: Settings) -> Session {
        Session {
            settings,
            lines: Vec::with_capacity(3),
            outputs: VecDeque::with_capacity(8),
            retry_at: Nanos(0),
            attempts: 0,
            draws: 0,
            lines_opened: 0,
            requests: 0,
            stopped: false,
        }
    }

    /// The line that orders go over.
    #[must_use]
    pub fn ready(&self) -> Option<Line> {
        self.lines.iter().find(|of| of.phase == Phase::Ready).map(|of| of.line)
    }

    /// How far a line has come; `None` when it is closed.
    #[must_use]
    pub fn phase(&self, line: Line) -> Option<Phase> {
        self.lines.iter().find(|of| of.line == line).map(|of| of.phase)
    }

    /// The next thing to do; call until `None` after every `on`.
    pub fn output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes in an event.
    pub fn on(&mut self, event: Event<'_>, now: Nanos, wall: UnixNanos) {
        match event {
            Event::Timer => {}
            Event::Connected(line) => {
                self.hear(line, now);
                if self.phase(line) == Some(Phase::Connecting) {
                    self.connected(line, now, wall);
                }
            }
            Event::Frame(line) => self.hear(line, now),
            Event::Answer(line, response) => {
                self.hear(line, now);
                self.answered(line, response, now, wall);
            }
            Event::Ending(line) => {
                self.hear(line, now);
                if let Some(state) = self.state(line) {
                    state.ending = true;
                }
            }
            Event::Closed(line) => self.lost(line, now),
        }
        self.check_times(now);
        self.replace(now);
    }

    /// Stops for good: closes every line, opens none.
    pub fn stop(&mut self) {
        self.stopped = true;
        if self.ready().is_some() {
            self.outputs.push_back(Output::Down);
        }
        for state in self.lines.drain(..) {
            self.outputs.push_back(Output::Close(state.line));
        }
    }

    fn state(&mut self, line: Line) -> Option<&mut LineState> {
        self.lines.iter_mut().find(|of| of.line == line)
    }

    fn hear(&mut self, line: Line, now: Nanos) {
        if let Some(state) = self.state(line) {
            state.heard = now;
            state.pinged = None;
        }
    }

    fn enter(&mut self, line: Line, phase: Phase, now: Nanos) {
        if let Some(state) = self.state(line) {
            state.phase = phase;
            state.since = now;
        }
    }

    fn connected(&mut self, line: Line, now: Nanos, wall: UnixNanos) {
        match &self.settings.signer {
            Some(signer) if signer.can_log_on() => {
                self.requests += 1;
                let text = logon::logon(self.requests, signer, wall);
                self.outputs.push_back(Output::Send(line, text));
                self.enter(line, Phase::LoggingOn(self.requests), now);
            }
            _ => self.subscribe(line, now, wall),
        }
    }

    fn subscribe(&mut self, line: Line, now: Nanos, wall: UnixNanos) {
        if !self.settings.user_data {
            return self.become_ready(line, now);
        }
        self.requests += 1;
        let text = match &self.settings.signer {
            Some(signer) if !signer.can_log_on() => {
                logon::subscribe_signed(self.requests, signer, wall)
            }
            _ => logon::subscribe(self.requests),
        };
        self.outputs.push_back(Output::Send(line, text));
        self.enter(line, Phase::Subscribing(self.requests), now);
    }

    fn become_ready(&mut self, line: Line, now: Nanos) {
        if let Some(old) = self.ready() {
            self.enter(old, Phase::Retiring, now);
        }
        self.enter(line, Phase::Ready, now);
        self.outputs.push_back(Output::Ready(line));
    }

    fn answered(&mut self, line: Line, response: &Response, now: Nanos, wall: UnixNanos) {
        let RequestId::Session(number) = response.request else { return };
        let waiting = self.phase(line);
        let error = match (waiting, response.outcome) {
            (Some(Phase::LoggingOn(n)), Ok(())) if n == number => {
                return self.subscribe(line, now, wall);
            }
            (Some(Phase::Subscribing(n)), Ok(())) if n == number => {
                return self.become_ready(line, now);
            }
            (Some(Phase::LoggingOn(n) | Phase::Subscribing(n)), Err(error)) if n == number => error,
            _ => return,
        };
        if error.class() == ErrorClass::Unauthorised {
            // A ready line keeps its older logon: orders can still be cancelled over it.
            self.stopped = true;
            self.outputs.push_back(Output::Refused(error));
            return self.give_up(line, now);
        }
        self.give_up(line, now);
        if let Some(until) = response.retry_after {
            let wait = Nanos(until.0.saturating_sub(wall.0));
            self.retry_at = self.retry_at.max(now.plus(wait));
        }
    }

    /// The connection is gone: forget the line and plan the next attempt.
    fn lost(&mut self, line: Line, now: Nanos) {
        let Some(index) = self.lines.iter().position(|of| of.line == line) else { return };
        let state = self.lines.remove(index);
        match state.phase {
            Phase::Retiring => return,
            Phase::Ready => {
                self.outputs.push_back(Output::Down);
                if now.since(state.since) >= self.settings.stable_after {
                    self.attempts = 0;
                }
            }
            Phase::Connecting | Phase::LoggingOn(_) | Phase::Subscribing(_) => {}
        }
        self.retry_at = now.plus(self.backoff());
        self.attempts = self.attempts.saturating_add(1);
    }

    fn give_up(&mut self, line: Line, now: Nanos) {
        self.outputs.push_back(Output::Close(line));
        self.lost(line, now);
    }

    /// `backoff_min * 2^attempts`, at most `backoff_max`, times a factor in [1/2, 1).
    fn backoff(&mut self) -> Nanos {
        let doubled = self.settings.backoff_min.0.saturating_mul(1 << self.attempts.min(32));
        let full = doubled.min(self.settings.backoff_max.0);
        self.draws += 1;
        let draw = mix(self.settings.seed.wrapping_add(self.draws)) >> 32; // 32 random bits
        let half = u128::from(full / 2);
        Nanos(full / 2 + ((half * u128::from(draw)) >> 32) as u64)
    }

    fn check_times(&mut self, now: Nanos) {
        let lines: [Option<LineState>; 3] = std::array::from_fn(|i| self.lines.get(i).copied());
        for state in lines.into_iter().flatten() {
            let waited = now.since(state.since);
            match state.phase {
                Phase::Connecting | Phase::LoggingOn(_) | Phase::Subscribing(_) => {
                    if waited >= self.settings.step_timeout {
                        self.give_up(state.line, now);
                    }
                }
                Phase::Retiring => {
                    if waited >= self.settings.linger {
                        self.give_up(state.line, now);
                    }
                }
                Phase::Ready => self.check_silence(&state, now),
            }
        }
    }

    fn check_silence(&mut self, state: &LineState, now: Nanos) {
        match state.pinged {
            Some(at) if now.since(at) >= self.settings.pong_timeout => {
                self.give_up(state.line, now);
            }
            None if now.since(state.heard) >= self.settings.silence_max => {
                self.outputs.push_back(Output::Ping(state.line));
                if let Some(state) = self.state(state.line) {
                    state.pinged = Some(now);
                }
            }
            Some(_) | None => {}
        }
    }

    /// Opens a line when there is none, or when the present one is old or ending.
    fn replace(&mut self, now: Nanos) {
        let preparing = |of: &LineState| !matches!(of.phase, Phase::Ready | Phase::Retiring);
        if self.stopped || now < self.retry_at || self.lines.iter().any(preparing) {
            return;
        }
        let ready = self.lines.iter().find(|of| of.phase == Phase::Ready);
        let fresh = |of: &LineState| !of.ending && now.since(of.opened) < self.settings.life_max;
        if ready.is_some_and(fresh) || self.lines.len() >= 3 {
            return;
        }
        self.lines_opened += 1;
        let line = Line(self.lines_opened);
        self.lines.push(LineState {
            line,
            phase: Phase::Connecting,
            since: now,
            opened: now,
            heard: now,
            pinged: None,
            ending: false,
        });
        self.outputs.push_back(Output::Connect(line));
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
const fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
