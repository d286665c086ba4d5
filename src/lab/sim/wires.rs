//! Inside the simulated network: streams as pairs of pipes, and what is on its way to each process.
//!
//! A hint is filed with the receiving process for every piece; when it comes up, the pipe itself says
//! what has really arrived, so that a hold put on the pipe meanwhile needs no search for hints.
//! Invariant: pieces of a pipe arrive in the order they were sent (`latest` only grows).

use super::net::{Due, Machine, NetworkSettings, Way};
use super::stream::{Coming, End, Endpoint, Life, Piece, Pipe, Stream};
use crate::host::net::{CloseReason, ConnId, ListenerId, NetError, NetSettings};
use crate::ledger::StateHash;
use crate::maths::random::Random;
use crate::units::Nanos;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Pieces that one send may be cut into.
const PIECES_MAX: u64 = 4;
/// Jitter beyond so many of its means is cut off, so that a rare draw cannot stall a stream.
const JITTER_MAX: f64 = 20.0;
/// First port given to an outgoing connection or a listener at port 0.
const PORTS: u16 = 40_000;
/// For ever.
const NEVER: Nanos = Nanos(u64::MAX);

#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    refuses_until: Nanos,
    cut_until: Nanos,
    off: bool,
}

/// All streams of the network.
#[derive(Debug)]
pub(super) struct Wires {
    pub(super) now: Nanos,
    settings: NetworkSettings,
    random: Random,
    endpoints: Vec<Endpoint>,
    streams: BTreeMap<u64, Stream>,
    streams_made: u64,
    hints: u64,
    fates: BTreeMap<Machine, Fate>,
    hash: StateHash,
    delivered: u64,
}

impl Wires {
    pub(super) fn new(settings: NetworkSettings, seed: u64) -> Wires {
        Wires {
            now: Nanos(0),
            settings,
            random: Random::new(seed, 0x006e_6574),
            endpoints: Vec::new(),
            streams: BTreeMap::new(),
            streams_made: 0,
            hints: 0,
            fates: BTreeMap::new(),
            hash: StateHash::default(),
            delivered: 0,
        }
    }

    pub(super) fn endpoint(&mut self, machine: Machine, bounds: &NetSettings) -> usize {
        let fate = self.fates.entry(machine).or_default();
        if std::mem::take(&mut fate.off) {
            self.refuse_strays(machine);
        }
        self.endpoints.push(Endpoint::new(machine, bounds));
        self.endpoints.len() - 1
    }

    pub(super) fn traffic(&self) -> (u64, u64) {
        (self.hash.finish(), self.delivered)
    }

    pub(super) fn next_time(&self, endpoint: usize) -> Option<Nanos> {
        self.endpoints[endpoint].coming.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn accepts_dropped(&self, endpoint: usize) -> u64 {
        self.endpoints[endpoint].accepts_dropped
    }

    // ---- what a process asks ----

    pub(super) fn connect(&mut self, from: usize, to: SocketAddr) -> Result<ConnId, NetError> {
        let stream = self.streams_made + 1;
        let endpoint = &mut self.endpoints[from];
        let bound = endpoint.bounds.connections;
        let conn = endpoint.seat(stream, 0).ok_or(NetError::TooManyConnections { bound })?;
        self.streams_made = stream;
        let (ours, theirs) = (self.endpoints[from].machine, machine_of(to));
        let fate = |machine| self.fates.get(&machine).copied().unwrap_or_default();
        let open_at = fate(ours).cut_until.max(fate(theirs).cut_until);
        let refused = self.now < fate(theirs).refuses_until;
        let listens = |of: &Endpoint| of.alive && of.listeners.contains(&to);
        let listener = self.endpoints.iter().position(listens).filter(|_| !refused);
        let there = self.now.max(open_at).plus(self.way());
        let far = End {
            endpoint: listener.unwrap_or(from),
            conn: ConnId::new(u32::MAX, 0),
            life: if listener.is_some() { Life::Coming } else { Life::Dead },
        };
        let near = End { endpoint: from, conn, life: Life::Open };
        let pipes = [Pipe::new(there), Pipe::new(there)];
        self.streams.insert(stream, Stream { ends: [near, far], pipes, broken: false });
        if open_at > self.now.plus(self.settings.patience) {
            let given_up = self.now.plus(self.settings.patience);
            self.bury(stream, 1);
            self.end_later(stream, 0, CloseReason::TimedOut, given_up);
        } else if let Some(at) = listener {
            let listeners = &self.endpoints[at].listeners;
            let index = listeners.iter().position(|of| *of == to).unwrap_or_default();
            self.file(at, there, Coming::Accept(index as u32, stream));
        } else {
            let back = there.plus(self.way());
            self.end_later(stream, 0, CloseReason::Refused, back);
        }
        Ok(conn)
    }

    pub(super) fn listen(
        &mut self,
        endpoint: usize,
        at: SocketAddr,
    ) -> Result<(ListenerId, SocketAddr), NetError> {
        let machine = self.endpoints[endpoint].machine;
        if machine_of(at) != machine {
            let source = std::io::ErrorKind::AddrNotAvailable.into();
            return Err(NetError::Address { at, source });
        }
        let taken = |port| self.endpoints.iter().any(|of| of.listeners.contains(&machine.at(port)));
        let port = match at.port() {
            0 => (PORTS..u16::MAX).find(|port| !taken(*port)).unwrap_or(PORTS),
            port if taken(port) => return Err(NetError::AddressInUse { at }),
            port => port,
        };
        let of = &mut self.endpoints[endpoint];
        if of.listeners.len() == of.bounds.listeners {
            return Err(NetError::TooManyListeners { bound: of.bounds.listeners });
        }
        of.listeners.push(machine.at(port));
        Ok((ListenerId::new(of.listeners.len() as u32 - 1), machine.at(port)))
    }

    pub(super) fn send(
        &mut self,
        endpoint: usize,
        conn: ConnId,
        bytes: &[u8],
    ) -> Result<(), NetError> {
        let (now, patience) = (self.now, self.settings.patience);
        let found = self.endpoints[endpoint].stream_of(conn);
        let bounds = &self.endpoints[endpoint].bounds;
        let Some((id, side)) = found else { return Err(NetError::Closed { conn }) };
        let Some(stream) = self.streams.get_mut(&id) else {
            return Err(NetError::Closed { conn });
        };
        if stream.ends[side].life != Life::Open {
            return Err(NetError::Closed { conn });
        }
        let pipe = &stream.pipes[side];
        let capacity = pipe.capacity(bounds, now);
        if pipe.queued + bytes.len() > capacity {
            let (queued, asked) = (pipe.queued, bytes.len());
            return Err(NetError::Full { conn, queued, capacity, asked });
        }
        if bytes.is_empty() || stream.broken {
            return Ok(());
        }
        let (far, held) = (stream.ends[1 - side], now < pipe.held_until);
        let far_machine = self.endpoints[far.endpoint].machine;
        let off = self.fates.get(&far_machine).is_some_and(|fate| fate.off);
        if far.life == Life::Dead && !held && !off {
            let back = now.plus(self.way()).plus(self.way());
            self.end_later(id, side, CloseReason::Reset, back);
            return Ok(());
        }
        let mut rest = bytes;
        for left in (0..self.pieces()).rev() {
            let most = rest.len() - left.min(rest.len() - 1);
            let len =
                if left == 0 { rest.len() } else { 1 + self.random.below(most as u64) as usize };
            let (piece, later) = rest.split_at(len.min(rest.len()));
            rest = later;
            self.push(id, side, piece.to_vec());
            if rest.is_empty() {
                break;
            }
        }
        if held || off {
            self.file(endpoint, now.plus(patience), Coming::Overdue(id));
        }
        Ok(())
    }

    pub(super) fn close(&mut self, endpoint: usize, conn: ConnId) {
        let Some((id, side)) = self.endpoints[endpoint].stream_of(conn) else { return };
        if self.streams.get(&id).is_some_and(|of| of.ends[side].life == Life::Open) {
            self.push(id, side, Vec::new());
            self.end_later(id, side, CloseReason::Local, self.now);
        }
    }

    /// What has come for a process by now, one event at a time; bytes are put into `into`.
    pub(super) fn next_due(&mut self, endpoint: usize, into: &mut Vec<u8>) -> Option<Due> {
        loop {
            let first = self.endpoints[endpoint].coming.first_entry()?;
            if first.key().0 > self.now {
                return None;
            }
            let due = match first.remove() {
                Coming::Accept(listener, stream) => self.accept(endpoint, listener, stream),
                Coming::Connected(id) => {
                    let near = self.streams.get(&id).map(|of| of.ends[0]);
                    near.filter(|of| of.life == Life::Open).map(|of| Due::Connected(of.conn))
                }
                Coming::Bytes(id) => self.read(endpoint, id, into),
                Coming::Overdue(id) => {
                    self.check_patience(endpoint, id);
                    None
                }
                Coming::Closed(conn, reason) => self.closed(endpoint, conn, reason),
            };
            if let Some(due) = due {
                self.note(endpoint, &due, into);
                return Some(due);
            }
        }
    }

    // ---- faults ----

    pub(super) fn streams_of(&self, machine: Machine) -> Vec<u64> {
        let open = |stream: &Stream| stream.ends.iter().all(|end| end.life == Life::Open);
        let ours = |of: &Stream| self.side_of(of, machine).is_some();
        self.streams.iter().filter(|(_, of)| open(of) && ours(of)).map(|(id, _)| *id).collect()
    }

    pub(super) fn hold(&mut self, machine: Machine, pick: u64, way: Way, until: Nanos) {
        let Some((id, side)) = self.picked(machine, pick) else { return };
        if way != Way::In {
            self.hold_pipe(id, side, until);
        }
        if way != Way::Out {
            self.hold_pipe(id, 1 - side, until);
        }
    }

    pub(super) fn reset(&mut self, machine: Machine, pick: u64) {
        let Some((id, _)) = self.picked(machine, pick) else { return };
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.broken = true;
            stream.pipes.iter_mut().for_each(|pipe| pipe.pieces.clear());
        }
        for side in 0..2 {
            let at = self.now.plus(self.way());
            self.end_later(id, side, CloseReason::Reset, at);
        }
    }

    pub(super) fn finish(&mut self, machine: Machine, pick: u64) {
        if let Some((id, _)) = self.picked(machine, pick) {
            (0..2).for_each(|side| self.push(id, side, Vec::new()));
        }
    }

    pub(super) fn narrow(&mut self, machine: Machine, pick: u64, bytes: usize, until: Nanos) {
        if let Some((id, side)) = self.picked(machine, pick)
            && let Some(stream) = self.streams.get_mut(&id)
        {
            stream.pipes[side].narrow = (bytes, until);
        }
    }

    pub(super) fn refuse(&mut self, machine: Machine, until: Nanos) {
        let fate = self.fates.entry(machine).or_default();
        fate.refuses_until = fate.refuses_until.max(until);
    }

    pub(super) fn cut_off(&mut self, machine: Machine, until: Nanos) {
        let fate = self.fates.entry(machine).or_default();
        fate.cut_until = fate.cut_until.max(until);
        let ids: Vec<u64> = self.streams.keys().copied().collect();
        for id in ids {
            if self.streams.get(&id).is_some_and(|of| self.side_of(of, machine).is_some()) {
                (0..2).for_each(|side| self.hold_pipe(id, side, until));
            }
        }
    }

    /// The processes of a machine are gone. Their kernel sends what it had and the end of every stream,
    /// unless it is gone itself.
    pub(super) fn kill(&mut self, machine: Machine, silently: bool) {
        let ids: Vec<u64> = self.streams.keys().copied().collect();
        for id in ids {
            let Some(stream) = self.streams.get(&id) else { continue };
            let Some(side) = self.side_of(stream, machine) else { continue };
            if silently {
                let pipe = self.streams.get_mut(&id).map(|of| &mut of.pipes[side]);
                // What a hold kept in the machine's own memory dies with it.
                if let Some(pipe) = pipe.filter(|of| self.now < of.held_until) {
                    pipe.pieces.clear();
                }
            } else if stream.ends[side].life == Life::Open {
                self.push(id, side, Vec::new());
            } else {
                let at = self.now.plus(self.way());
                self.end_later(id, 1 - side, CloseReason::Reset, at);
            }
            self.bury(id, side);
        }
        self.fates.entry(machine).or_default().off = silently;
        for endpoint in self.endpoints.iter_mut().filter(|of| of.machine == machine) {
            endpoint.alive = false;
            endpoint.listeners.clear();
            endpoint.coming.clear();
        }
    }

    // ---- inside ----

    /// From one machine to another, this time.
    fn way(&mut self) -> Nanos {
        let jitter = self.random.exponential().min(JITTER_MAX) * self.settings.jitter.0 as f64;
        self.settings.latency.plus(Nanos(jitter as u64))
    }

    fn pieces(&mut self) -> usize {
        let cut = self.random.unit() < self.settings.cut;
        if cut { 2 + self.random.below(PIECES_MAX - 1) as usize } else { 1 }
    }

    fn file(&mut self, endpoint: usize, at: Nanos, coming: Coming) {
        if at < NEVER && self.endpoints[endpoint].alive {
            self.hints += 1;
            self.endpoints[endpoint].coming.insert((at, self.hints), coming);
        }
    }

    fn side_of(&self, stream: &Stream, machine: Machine) -> Option<usize> {
        let is =
            |end: &End| self.endpoints[end.endpoint].machine == machine && end.life != Life::Dead;
        stream.ends.iter().position(is)
    }

    fn picked(&self, machine: Machine, pick: u64) -> Option<(u64, usize)> {
        let ids = self.streams_of(machine);
        let id = *ids.get(pick.checked_rem(ids.len() as u64)? as usize)?;
        Some((id, self.side_of(self.streams.get(&id)?, machine)?))
    }

    /// Puts a piece on its way; an empty one ends the stream.
    fn push(&mut self, id: u64, side: usize, bytes: Vec<u8>) {
        let arrives = self.now.plus(self.way());
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let pipe = &mut stream.pipes[side];
        let due = arrives.max(pipe.latest);
        pipe.latest = due;
        pipe.queued += bytes.len();
        pipe.pieces.push_back(Piece { sent: self.now, due, bytes, taken: 0 });
        let far = stream.ends[1 - side].endpoint;
        self.file(far, due, Coming::Bytes(id));
    }

    fn hold_pipe(&mut self, id: u64, side: usize, until: Nanos) {
        let patience = self.settings.patience;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let pipe = &mut stream.pipes[side];
        pipe.held_until = pipe.held_until.max(until);
        if let Some(piece) = pipe.pieces.front() {
            let (at, endpoint) = (piece.sent.plus(patience), stream.ends[side].endpoint);
            self.file(endpoint, at.max(self.now), Coming::Overdue(id));
        }
    }

    /// One end is told that the connection is over, at a time; it may not use it from now on.
    fn end_later(&mut self, id: u64, side: usize, reason: CloseReason, at: Nanos) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let end = &mut stream.ends[side];
        if end.life != Life::Open {
            return;
        }
        // An end that is yet to hear of it goes on sending into the void.
        if at <= self.now {
            end.life = Life::Ending;
        }
        let (endpoint, conn) = (end.endpoint, end.conn);
        self.file(endpoint, at, Coming::Closed(conn, reason));
    }

    /// An end is over; the stream goes when both are.
    fn bury(&mut self, id: u64, side: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let End { endpoint, conn, .. } = stream.ends[side];
        stream.ends[side].life = Life::Dead;
        stream.pipes[1 - side].pieces.clear();
        stream.pipes[1 - side].queued = 0;
        if stream.ends.iter().all(|end| end.life == Life::Dead) {
            self.streams.remove(&id);
        }
        self.endpoints[endpoint].unseat(conn);
    }

    fn accept(&mut self, endpoint: usize, listener: u32, id: u64) -> Option<Due> {
        let near = self.streams.get(&id)?.ends[0];
        let back = self.now.plus(self.way());
        let Some(conn) = self.endpoints[endpoint].seat(id, 1) else {
            self.endpoints[endpoint].accepts_dropped += 1;
            self.end_later(id, 0, CloseReason::Reset, back);
            self.bury(id, 1);
            return None;
        };
        let stream = self.streams.get_mut(&id)?;
        stream.ends[1] = End { endpoint, conn, life: Life::Open };
        stream.pipes[1].latest = stream.pipes[1].latest.max(back);
        self.file(near.endpoint, back, Coming::Connected(id));
        let port = PORTS.wrapping_add((id % u64::from(u16::MAX - PORTS)) as u16);
        let peer = self.endpoints[near.endpoint].machine.at(port);
        Some(Due::Accepted(ListenerId::new(listener), conn, peer))
    }

    /// Reads what has arrived, up to the size of a receive buffer.
    fn read(&mut self, endpoint: usize, id: u64, into: &mut Vec<u8>) -> Option<Due> {
        let (now, join) = (self.now, self.settings.join);
        let most = self.endpoints[endpoint].bounds.receive_buffer;
        let stream = self.streams.get_mut(&id)?;
        let side = stream.ends.iter().position(|end| end.endpoint == endpoint)?;
        if stream.ends[side].life != Life::Open {
            return None;
        }
        let conn = stream.ends[side].conn;
        let pipe = &mut stream.pipes[1 - side];
        into.clear();
        while let Some(piece) = pipe.pieces.front_mut()
            && piece.due.max(pipe.held_until) <= now
            && into.len() < most
        {
            if piece.bytes.is_empty() {
                break;
            }
            let fresh = &piece.bytes[piece.taken..];
            let len = fresh.len().min(most - into.len());
            into.extend_from_slice(&fresh[..len]);
            piece.taken += len;
            pipe.queued -= len;
            if piece.taken == piece.bytes.len() {
                pipe.pieces.pop_front();
                if self.random.unit() >= join {
                    break;
                }
            }
        }
        let next = pipe.front_due();
        if let Some(at) = next.filter(|at| *at <= now || *at == pipe.held_until) {
            // A hint of its own is spent, or came up before the hold ended.
            self.file(endpoint, at.max(now), Coming::Bytes(id));
        }
        if !into.is_empty() {
            return Some(Due::Received(conn));
        }
        let ended = next.is_some_and(|at| at <= now);
        ended.then(|| {
            self.bury(id, side);
            Due::Closed(conn, CloseReason::Peer)
        })
    }

    fn check_patience(&mut self, endpoint: usize, id: u64) {
        let Some(stream) = self.streams.get(&id) else { return };
        let Some(side) = stream.ends.iter().position(|end| end.endpoint == endpoint) else {
            return;
        };
        let pipe = &stream.pipes[side];
        let far_machine = self.endpoints[stream.ends[1 - side].endpoint].machine;
        let off = self.fates.get(&far_machine).is_some_and(|fate| fate.off);
        let Some(sent) = pipe.pieces.front().map(|piece| piece.sent) else { return };
        if self.now >= pipe.held_until && !off {
            return;
        }
        let at = sent.plus(self.settings.patience);
        if at > self.now {
            self.file(endpoint, at, Coming::Overdue(id));
        } else {
            self.end_later(id, side, CloseReason::TimedOut, self.now);
        }
    }

    fn closed(&mut self, endpoint: usize, conn: ConnId, reason: CloseReason) -> Option<Due> {
        let (id, side) = self.endpoints[endpoint].stream_of(conn)?;
        self.bury(id, side);
        Some(Due::Closed(conn, reason))
    }

    /// A machine that has power again answers what was sent to its former life with a reset.
    fn refuse_strays(&mut self, machine: Machine) {
        let strays: Vec<(u64, usize)> = self
            .streams
            .iter()
            .filter_map(|(id, of)| {
                let gone = |end: &End| {
                    self.endpoints[end.endpoint].machine == machine && end.life == Life::Dead
                };
                let side = of.ends.iter().position(gone)?;
                (!of.pipes[1 - side].pieces.is_empty()).then_some((*id, 1 - side))
            })
            .collect();
        for (id, side) in strays {
            let at = self.now.plus(self.way());
            self.end_later(id, side, CloseReason::Reset, at);
        }
    }

    fn note(&mut self, endpoint: usize, due: &Due, bytes: &[u8]) {
        let (kind, conn, bytes) = match due {
            Due::Connected(conn) => (1, conn, &[][..]),
            Due::Accepted(_, conn, _) => (2, conn, &[][..]),
            Due::Received(conn) => (3, conn, bytes),
            Due::Closed(conn, _) => (4, conn, &[][..]),
        };
        self.hash.word(self.now.0);
        self.hash.word(kind << 56 | (endpoint as u64) << 32 | u64::from(conn.slot()));
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.hash.word(u64::from_le_bytes(word));
        }
        self.delivered += bytes.len() as u64;
    }
}

/// The machine of an address.
fn machine_of(at: SocketAddr) -> Machine {
    match at.ip() {
        IpAddr::V4(ip) => Machine(ip.octets()[3]),
        IpAddr::V6(_) => Machine(0),
    }
}
