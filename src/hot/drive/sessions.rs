//! A lane's connections: which session each belongs to, and what the sessions want done.
//!
//! Three sessions (market, orders, and user data on futures), each a state machine of
//! `venue::session` with at most three lines. Slots are taken out while their bytes are read, so
//! that the lane may queue requests on another slot meanwhile.

use super::DriveSettings;
use super::wire::{Endpoint, Wire, WireError};
use crate::host::net::{ConnId, Net, Wait};
use crate::host::schedule::MessageName;
use crate::net::websocket;
use crate::units::{Nanos, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::orders::{ErrorClass, EventKind, OrderMessage, RequestId, Response};
use crate::venue::binance::session::{Event, Line, Output, Session, Settings, paths};

/// Which session a connection belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// Market data.
    Market = 0,
    /// Orders and, on spot, user data.
    Orders = 1,
    /// User data of futures.
    User = 2,
}

impl SessionKind {
    const ALL: [SessionKind; 3] = [SessionKind::Market, SessionKind::Orders, SessionKind::User];

    /// The name used in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SessionKind::Market => "market",
            SessionKind::Orders => "orders",
            SessionKind::User => "user-data",
        }
    }
}

/// A connection and whose it is.
pub struct Slot {
    kind: SessionKind,
    line: Line,
    wire: Wire,
    /// Bytes came since the session was last told.
    heard: bool,
    /// The WebSocket's handshake is done, and the session knows.
    open: bool,
    told_open: bool,
    /// To be closed at the next `run`.
    closing: bool,
    /// Name of the next text message.
    next: MessageName,
}

impl Slot {
    /// Which line of its session it is.
    #[must_use]
    pub fn line(&self) -> Line {
        self.line
    }

    /// Which session it belongs to.
    #[must_use]
    pub fn kind(&self) -> SessionKind {
        self.kind
    }

    /// Takes bytes; every text message goes to `on` with its name.
    ///
    /// # Errors
    /// When the peer breaks a protocol.
    #[inline]
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        on: &mut dyn FnMut(&[u8], MessageName),
    ) -> Result<(), WireError> {
        self.heard = true;
        let (open, closing, next) = (&mut self.open, &mut self.closing, &mut self.next);
        self.wire.receive(bytes, &mut |event| match event {
            websocket::Event::Text(text) | websocket::Event::Binary(text) => {
                on(text, next.take());
            }
            websocket::Event::Open { .. } => *open = true,
            websocket::Event::Close(_) => *closing = true,
            websocket::Event::Ping(_) | websocket::Event::Pong => {}
        })
    }
}

/// What the sessions need from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// A listen key.
    pub listen_key: bool,
    /// The order link was down in between, even if it is up again.
    pub orders_lost: bool,
    /// The venue's time: it refuses ours.
    pub clock: bool,
}

/// All connections of a lane.
pub struct Lines {
    family: Family,
    endpoints: [Endpoint; 3],
    market_path: String,
    sessions: [Option<Session>; 3],
    slots: Vec<Option<Slot>>,
    /// Slot that orders go over.
    order_slot: Option<usize>,
    ready: [bool; 3],
    listen_key: Option<String>,
    key_asked: bool,
    /// A user line that waits for its listen key.
    waiting_user: Option<Line>,
    answers: Vec<(SessionKind, Line, Response)>,
    endings: Vec<(SessionKind, Line)>,
    closed: Vec<(SessionKind, Line)>,
    news: bool,
    incidents: Vec<String>,
    nonce: u64,
    /// Requests that the order line's own messages led to, and where each ends.
    held: Vec<u8>,
    held_ends: Vec<usize>,
    /// A request had no line: the lane believes it was sent.
    unsent: bool,
    /// Something was asked since the order link was last heard, and when that was noticed.
    unanswered: bool,
    asked_at: Option<Nanos>,
}

const SLOTS_MAX: usize = 9;
/// How long the venue may leave every request unanswered.
const ANSWER_MAX: Nanos = Nanos(5_000_000_000);

impl Lines {
    /// No connection yet; the first `run` begins to open them.
    #[must_use]
    pub fn new(settings: &DriveSettings) -> Lines {
        let futures = settings.family.is_futures();
        let seed = settings.seed;
        let plain = |seed| Session::new(Settings::binance(None, false, seed));
        let orders = Settings::binance(settings.signer.clone(), !futures, seed ^ 0x6f72_6465_7273);
        let ends = &settings.endpoints;
        Lines {
            family: settings.family,
            endpoints: [ends.market.clone(), ends.orders.clone(), ends.user.clone()],
            market_path: paths::market(&settings.instruments),
            sessions: [
                Some(plain(seed ^ 0x6d61_726b_6574)),
                Some(Session::new(orders)),
                futures.then(|| plain(seed ^ 0x7573_6572)),
            ],
            slots: (0..SLOTS_MAX).map(|_| None).collect(),
            order_slot: None,
            ready: [false; 3],
            listen_key: None,
            key_asked: false,
            waiting_user: None,
            answers: Vec::with_capacity(64),
            endings: Vec::with_capacity(8),
            closed: Vec::with_capacity(8),
            news: false,
            incidents: Vec::new(),
            nonce: seed,
            held: Vec::with_capacity(64 * 1_024),
            held_ends: Vec::with_capacity(256),
            unsent: false,
            unanswered: false,
            asked_at: None,
        }
    }

    /// Whether a session should be run before its period ends.
    #[inline]
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.news
    }

    /// Where a connection's slot is.
    #[inline]
    #[must_use]
    pub fn position(&self, conn: ConnId) -> Option<usize> {
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(|s| s.wire.conn() == conn))
    }

    /// Takes a slot out while its bytes are read.
    #[inline]
    pub fn take(&mut self, at: usize) -> Option<Slot> {
        self.slots[at].take()
    }

    /// Puts it back, with the requests that its own messages led to.
    #[inline]
    pub fn put_back(&mut self, at: usize, mut slot: Slot) {
        self.news |= slot.closing || slot.open != slot.told_open;
        if self.order_slot == Some(at) && !self.held_ends.is_empty() {
            let mut start = 0;
            for end in self.held_ends.drain(..) {
                slot.wire.send_text(&self.held[start..end]);
                start = end;
            }
            self.held.clear();
        }
        self.slots[at] = Some(slot);
    }

    /// The connection broke a protocol: it is closed at the next `run`.
    pub fn condemn(&mut self, at: usize) {
        if let Some(slot) = &mut self.slots[at] {
            slot.closing = true;
            self.news = true;
        }
    }

    /// Every open connection is closed at the next `run`; whether there was one.
    pub fn condemn_all(&mut self) -> bool {
        let mut any = false;
        for slot in self.slots.iter_mut().flatten().filter(|slot| slot.open && !slot.closing) {
            slot.closing = true;
            any = true;
        }
        self.news |= any;
        any
    }

    /// TCP stands.
    pub fn tcp_connected(&mut self, conn: ConnId) {
        if let Some(slot) = self.position(conn).and_then(|at| self.slots[at].as_mut())
            && slot.wire.connected().is_err()
        {
            slot.closing = true;
            self.news = true;
        }
    }

    /// TCP is gone; says whose it was unless we closed it.
    pub fn tcp_closed(&mut self, conn: ConnId) -> Option<SessionKind> {
        let at = self.position(conn)?;
        let slot = self.slots[at].take()?;
        if self.order_slot == Some(at) {
            self.order_slot = None;
        }
        self.closed.push((slot.kind, slot.line));
        self.news = true;
        Some(slot.kind)
    }

    /// Queues a request on the order line; aside while that line is being read itself.
    #[inline]
    pub fn send_order(&mut self, request: &[u8]) {
        let Some(at) = self.order_slot else {
            self.unsent = true;
            self.news = true;
            return;
        };
        self.unanswered = true;
        match &mut self.slots[at] {
            Some(slot) => slot.wire.send_text(request),
            None => {
                self.held.extend_from_slice(request);
                self.held_ends.push(self.held.len());
            }
        }
    }

    /// Forgets requests that have not left.
    #[cold]
    pub fn discard_orders(&mut self) {
        self.held.clear();
        self.held_ends.clear();
        if let Some(slot) = self.order_slot.and_then(|at| self.slots[at].as_mut()) {
            slot.wire.discard();
        }
    }

    /// The order line answered something.
    #[inline]
    pub fn heard_orders(&mut self) {
        self.unanswered = false;
        self.asked_at = None;
    }

    /// Gives up the order line when what was asked has gone unanswered for too long.
    pub fn check_answers(&mut self, now: Nanos) {
        if !self.unanswered {
            return;
        }
        let since = *self.asked_at.get_or_insert(now);
        if now.since(since) < ANSWER_MAX {
            return;
        }
        self.heard_orders();
        if let Some(at) = self.order_slot {
            let seconds = ANSWER_MAX.0 / 1_000_000_000;
            let what = format!("orders line: no answer for {seconds} s; giving it up");
            self.incidents.push(what);
            self.condemn(at);
        }
    }

    /// A message that is no execution report.
    pub fn answered(&mut self, kind: SessionKind, line: Line, message: OrderMessage) {
        match message {
            // An order's own answer was booked already; only the session's are kept.
            OrderMessage::Response(response) => {
                if matches!(response.request, RequestId::Session(_)) {
                    self.answers.push((kind, line, response));
                    self.news = true;
                }
            }
            OrderMessage::Other(
                EventKind::ListenKeyExpired
                | EventKind::StreamTerminated
                | EventKind::ServerShutdown,
            ) => {
                self.incidents.push(format!("{} line: the venue ends it", kind.name()));
                self.listen_key = None;
                self.endings.push((kind, line));
                self.news = true;
            }
            OrderMessage::Other(_) | OrderMessage::Foreign | OrderMessage::Report(_) => {}
        }
    }

    /// A listen key has come.
    pub fn use_listen_key(&mut self, key: String) {
        self.listen_key = Some(key);
        self.key_asked = false;
        self.news = true;
    }

    /// Whether a session has a line in use.
    #[must_use]
    pub fn is_ready(&self, kind: SessionKind) -> bool {
        self.ready[kind as usize]
    }

    /// Whether orders can be sent and their fate be heard.
    #[must_use]
    pub fn orders_ready(&self) -> bool {
        self.ready[SessionKind::Orders as usize]
            && (self.sessions[SessionKind::User as usize].is_none()
                || self.ready[SessionKind::User as usize])
    }

    /// What went wrong since the last call.
    pub fn take_incidents(&mut self) -> Vec<String> {
        std::mem::take(&mut self.incidents)
    }

    /// Tells the sessions what happened and does what they want.
    pub fn run(&mut self, net: &mut dyn Net, now: Nanos, wall: UnixNanos) -> Needs {
        self.news = false;
        let mut needs = Needs { orders_lost: std::mem::take(&mut self.unsent), ..Needs::default() };
        for (kind, line) in std::mem::take(&mut self.closed) {
            self.tell(kind, Event::Closed(line), now, wall);
        }
        for (kind, line) in std::mem::take(&mut self.endings) {
            self.tell(kind, Event::Ending(line), now, wall);
        }
        for (kind, line, response) in std::mem::take(&mut self.answers) {
            needs.clock |=
                response.outcome.is_err_and(|error| error.class() == ErrorClass::ClockSkew);
            self.tell(kind, Event::Answer(line, &response), now, wall);
        }
        for at in 0..self.slots.len() {
            let Some(slot) = &mut self.slots[at] else { continue };
            let (kind, line, heard) = (slot.kind, slot.line, std::mem::take(&mut slot.heard));
            if slot.closing {
                let Some(mut slot) = self.slots[at].take() else { continue };
                self.forget_order_slot(at);
                slot.wire.discard(); // what is held back must not leave over a line that is given up
                slot.wire.close();
                // The peer has ended or broken the connection: what it still gets is a courtesy.
                let _ = slot.wire.flush(net);
                net.close(slot.wire.conn());
                self.tell(kind, Event::Closed(line), now, wall);
                continue;
            }
            let opened = slot.open && !std::mem::replace(&mut slot.told_open, slot.open);
            if opened {
                self.tell(kind, Event::Connected(line), now, wall);
            } else if heard {
                self.tell(kind, Event::Frame(line), now, wall);
            }
        }
        for kind in SessionKind::ALL {
            self.tell(kind, Event::Timer, now, wall);
        }
        for kind in SessionKind::ALL {
            while let Some(output) = self.sessions[kind as usize].as_mut().and_then(Session::output)
            {
                self.act(net, kind, output, &mut needs);
            }
        }
        if let (Some(line), Some(_)) = (self.waiting_user, &self.listen_key) {
            self.waiting_user = None;
            self.connect(net, SessionKind::User, line);
        }
        needs
    }

    fn tell(&mut self, kind: SessionKind, event: Event<'_>, now: Nanos, wall: UnixNanos) {
        if let Some(session) = &mut self.sessions[kind as usize] {
            session.on(event, now, wall);
        }
    }

    fn act(&mut self, net: &mut dyn Net, kind: SessionKind, output: Output, needs: &mut Needs) {
        match output {
            Output::Connect(line) if kind == SessionKind::User && self.listen_key.is_none() => {
                self.waiting_user = Some(line);
                if !std::mem::replace(&mut self.key_asked, true) {
                    needs.listen_key = true;
                }
            }
            Output::Connect(line) => self.connect(net, kind, line),
            Output::Send(line, text) => {
                if let Some(slot) = self.slot_of(kind, line) {
                    slot.wire.send_text(text.as_bytes());
                }
            }
            Output::Ping(line) => {
                if let Some(slot) = self.slot_of(kind, line) {
                    slot.wire.ping();
                }
            }
            Output::Ready(line) => {
                self.ready[kind as usize] = true;
                if kind == SessionKind::Orders {
                    self.order_slot = self.index_of(kind, line);
                }
            }
            Output::Down => {
                self.ready[kind as usize] = false;
                needs.orders_lost |= kind != SessionKind::Market;
                if kind == SessionKind::User {
                    self.listen_key = None; // it may be what the venue refused
                }
            }
            Output::Close(line) => {
                let Some(at) = self.index_of(kind, line) else { return };
                let Some(mut slot) = self.slots[at].take() else { return };
                self.forget_order_slot(at);
                slot.wire.discard();
                slot.wire.close();
                // The line is given up either way.
                let _ = slot.wire.flush(net);
                net.close(slot.wire.conn());
            }
            Output::Refused(error) => {
                self.incidents.push(format!("{} line: {error}; check the key", kind.name()));
            }
        }
    }

    fn connect(&mut self, net: &mut dyn Net, kind: SessionKind, line: Line) {
        let path = match kind {
            SessionKind::Market => self.market_path.clone(),
            SessionKind::Orders => paths::orders(self.family).to_owned(),
            SessionKind::User => paths::user(self.listen_key.as_deref().unwrap_or("")),
        };
        self.nonce = self.nonce.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_le_bytes());
        nonce[8..].copy_from_slice(&self.nonce.rotate_left(32).to_be_bytes());
        let opened = Wire::open(net, &self.endpoints[kind as usize], &path, nonce);
        let free = self.slots.iter().position(Option::is_none);
        match (opened, free) {
            (Ok(wire), Some(at)) => {
                let slot = Slot {
                    kind,
                    line,
                    next: MessageName::first(wire.handshake_key()),
                    wire,
                    heard: false,
                    open: false,
                    told_open: false,
                    closing: false,
                };
                self.slots[at] = Some(slot);
            }
            (Ok(wire), None) => {
                net.close(wire.conn());
                self.failed(kind, line, "no free connection slot");
            }
            (Err(error), _) => self.failed(kind, line, &error.to_string()),
        }
    }

    fn failed(&mut self, kind: SessionKind, line: Line, why: &str) {
        self.incidents.push(format!("{} line: {why}", kind.name()));
        self.closed.push((kind, line));
        self.news = true;
    }

    fn forget_order_slot(&mut self, at: usize) {
        if self.order_slot == Some(at) {
            self.order_slot = None;
        }
    }

    fn index_of(&self, kind: SessionKind, line: Line) -> Option<usize> {
        let is = |slot: &Slot| slot.kind == kind && slot.line == line;
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(is))
    }

    fn slot_of(&mut self, kind: SessionKind, line: Line) -> Option<&mut Slot> {
        let at = self.index_of(kind, line)?;
        self.slots[at].as_mut()
    }

    /// Sends what waits on every line; `spent` hears of each seal (`true`) and send (`false`).
    /// Returns whether orders left.
    #[inline]
    pub fn flush(
        &mut self,
        net: &mut dyn Net,
        spent: &mut dyn FnMut(bool, Nanos),
        now: &dyn Fn() -> Nanos,
    ) -> bool {
        let mut orders = false;
        for at in 0..self.slots.len() {
            let Some(slot) = &mut self.slots[at] else { continue };
            if !slot.wire.has_outgoing() {
                continue;
            }
            let is_orders = self.order_slot == Some(at);
            let begin = now();
            let mut outcome = Ok(());
            let mut sealed = begin;
            if slot.wire.is_sealed() {
                outcome = slot.wire.seal();
                sealed = now();
            }
            let outcome = outcome.and_then(|()| slot.wire.flush(net));
            if is_orders {
                orders = true;
                if slot.wire.is_sealed() {
                    spent(true, sealed.since(begin));
                }
                spent(false, now().since(sealed));
            }
            if let Err(error) = outcome {
                slot.closing = true;
                self.news = true;
                self.incidents.push(format!("{} line: {error}", slot.kind.name()));
            }
        }
        orders
    }

    /// Says goodbye on every line.
    pub fn close_all(&mut self, net: &mut dyn Net) {
        for slot in &mut self.slots {
            if let Some(mut slot) = slot.take() {
                slot.wire.close();
                // The program ends: a peer that is gone already misses nothing.
                let _ = slot.wire.flush(net);
            }
        }
        // io_uring's sends leave with the next poll.
        let _ = net.poll(Wait::Busy, &mut |_| {});
    }
}
