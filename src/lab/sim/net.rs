//! A network in memory behind `host::Net`: machines, addresses, TCP streams, and what befalls them.
//!
//! ```text
//! SimNet (a process's sockets) ──▶ Network ──▶ wires: pieces in flight, each with its arrival
//!            poll ◀── what is due by the network's time
//! ```
//!
//! The seed decides delays and where bytes are cut and joined; a stream's bytes never change, overtake
//! each other or get lost while both ends live, as TCP has it. Faults hold a direction back (for a while:
//! packets are lost and sent again; for ever: half-open), reset a stream, narrow a send buffer, refuse
//! connections, or cut a machine off.
//! Invariant: seed, calls and the times given to `set_time` decide every event.
//! Deliberately absent: multicast, waiting (`poll` never blocks: the simulator owns the time).

use super::wires::Wires;
use crate::host::net::{ConnId, ListenerId, Net, NetError, NetEvent, NetSettings, NetStats, Wait};
use crate::units::Nanos;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::rc::Rc;

/// A computer: everything on it shares its fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Machine(pub u8);

/// One direction of a stream, seen from a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What it sends.
    Out,
    /// What it is sent.
    In,
    /// Either.
    Both,
}

/// How the network behaves when nothing is wrong, and how long TCP is patient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetworkSettings {
    /// Shortest way from one machine to another.
    pub latency: Nanos,
    /// Mean of what is added to it, anew for every piece.
    pub jitter: Nanos,
    /// Share of sends that arrive in several pieces.
    pub cut: f64,
    /// Share of pieces that are read together with the next one, if that has arrived.
    pub join: f64,
    /// How long bytes (or a connection attempt) may go unacknowledged until the sender gives up.
    pub patience: Nanos,
}

impl Default for NetworkSettings {
    fn default() -> NetworkSettings {
        NetworkSettings {
            latency: Nanos(200_000),
            jitter: Nanos(50_000),
            cut: 0.1,
            join: 0.5,
            patience: Nanos(20 * 1_000_000_000),
        }
    }
}

/// The network; clones are handles to the same one.
#[derive(Clone)]
pub struct Network(Rc<RefCell<Wires>>);

/// The sockets of one process.
pub struct SimNet {
    network: Network,
    endpoint: usize,
    incoming: Vec<u8>,
    stats: NetStats,
}

/// What the wires have for a process.
#[derive(Debug)]
pub(super) enum Due {
    Connected(ConnId),
    Accepted(ListenerId, ConnId, SocketAddr),
    Received(ConnId),
    Closed(ConnId, crate::host::net::CloseReason),
}

impl Machine {
    /// Its address at a port.
    #[must_use]
    pub fn at(self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, self.0)), port)
    }
}

impl Network {
    /// An idle network at time zero.
    #[must_use]
    pub fn new(settings: NetworkSettings, seed: u64) -> Network {
        Network(Rc::new(RefCell::new(Wires::new(settings, seed))))
    }

    /// Sockets for a new process on a machine.
    #[must_use]
    pub fn open(&self, machine: Machine, settings: &NetSettings) -> SimNet {
        let endpoint = self.0.borrow_mut().endpoint(machine, settings);
        let incoming = Vec::with_capacity(settings.receive_buffer);
        SimNet { network: self.clone(), endpoint, incoming, stats: NetStats::default() }
    }

    /// When something happens next for the sockets of this number, as far as is known.
    #[must_use]
    pub fn next_time(&self, endpoint: usize) -> Option<Nanos> {
        self.0.borrow().next_time(endpoint)
    }

    /// Moves the network's time on; never back.
    pub fn set_time(&self, now: Nanos) {
        let mut wires = self.0.borrow_mut();
        wires.now = wires.now.max(now);
    }

    /// Hash and number of all bytes delivered so far, with whom they reached and when.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        self.0.borrow().traffic()
    }

    // ---- faults ----

    /// Streams of a machine that both ends hold open.
    #[must_use]
    pub fn streams(&self, machine: Machine) -> usize {
        self.0.borrow().streams_of(machine).len()
    }

    /// Holds back one direction of the machine's stream number `pick` (modulo their number) until a
    /// time; `u64::MAX` is for ever. What was sent before and has not arrived waits too.
    pub fn hold(&self, machine: Machine, pick: u64, way: Way, until: Nanos) {
        self.0.borrow_mut().hold(machine, pick, way, until);
    }

    /// Resets a stream of the machine: both ends hear of it after the way to them.
    pub fn reset(&self, machine: Machine, pick: u64) {
        self.0.borrow_mut().reset(machine, pick);
    }

    /// Lets a stream of the machine end in good order for both ends, as a proxy between them would.
    pub fn finish(&self, machine: Machine, pick: u64) {
        self.0.borrow_mut().finish(machine, pick);
    }

    /// Lets the send buffer of the machine's end of a stream take no more than `bytes` until a time.
    pub fn narrow(&self, machine: Machine, pick: u64, bytes: usize, until: Nanos) {
        self.0.borrow_mut().narrow(machine, pick, bytes, until);
    }

    /// Refuses connections to a machine until a time.
    pub fn refuse(&self, machine: Machine, until: Nanos) {
        self.0.borrow_mut().refuse(machine, until);
    }

    /// Cuts a machine off until a time.
    pub fn cut_off(&self, machine: Machine, until: Nanos) {
        self.0.borrow_mut().cut_off(machine, until);
    }

    /// The machine's processes die and its kernel says so to their peers.
    pub fn kill(&self, machine: Machine) {
        self.0.borrow_mut().kill(machine, false);
    }

    /// The machine loses power: nobody is told anything. Processes opened later live again.
    pub fn lose_power(&self, machine: Machine) {
        self.0.borrow_mut().kill(machine, true);
    }
}

impl SimNet {
    /// Its number in the network.
    #[must_use]
    pub fn endpoint(&self) -> usize {
        self.endpoint
    }

    /// When something happens here next, as far as is known.
    #[must_use]
    pub fn next_time(&self) -> Option<Nanos> {
        self.network.next_time(self.endpoint)
    }
}

impl Net for SimNet {
    fn connect(&mut self, to: SocketAddr) -> Result<ConnId, NetError> {
        self.network.0.borrow_mut().connect(self.endpoint, to)
    }

    fn listen(&mut self, at: SocketAddr) -> Result<(ListenerId, SocketAddr), NetError> {
        self.network.0.borrow_mut().listen(self.endpoint, at)
    }

    fn join_multicast(
        &mut self,
        _group: SocketAddrV4,
        _interface: Ipv4Addr,
    ) -> Result<ConnId, NetError> {
        let source = std::io::ErrorKind::Unsupported.into();
        Err(NetError::Unsupported { what: "multicast in the simulator", source })
    }

    fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), NetError> {
        self.network.0.borrow_mut().send(self.endpoint, conn, bytes)
    }

    fn close(&mut self, conn: ConnId) {
        self.network.0.borrow_mut().close(self.endpoint, conn);
    }

    fn poll(&mut self, _wait: Wait, on: &mut dyn FnMut(NetEvent<'_>)) -> Result<usize, NetError> {
        let mut events = 0;
        loop {
            // Borrowed anew for every event, since `on` may use another process's sockets.
            let due = self.network.0.borrow_mut().next_due(self.endpoint, &mut self.incoming);
            match due {
                None => return Ok(events),
                Some(Due::Connected(conn)) => on(NetEvent::Connected(conn)),
                Some(Due::Accepted(listener, conn, peer)) => {
                    on(NetEvent::Accepted { listener, conn, peer });
                }
                Some(Due::Received(conn)) => {
                    self.stats.receives += 1;
                    on(NetEvent::Received(conn, &mut self.incoming));
                }
                Some(Due::Closed(conn, reason)) => on(NetEvent::Closed(conn, reason)),
            }
            events += 1;
        }
    }

    fn stats(&self) -> NetStats {
        let accepts_dropped = self.network.0.borrow().accepts_dropped(self.endpoint);
        NetStats { accepts_dropped, ..self.stats }
    }

    fn describe(&self) -> String {
        "simulated".to_owned()
    }
}
