//! The parts of the simulated network: pieces in pipes, two pipes a stream, and a process's sockets.
//!
//! A pipe carries pieces in order, each with the time it arrives.

use super::net::Machine;
use crate::host::net::{CloseReason, ConnId, NetSettings};
use crate::units::Nanos;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// Something on its way to a process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Coming {
    /// A connection for a listener.
    Accept(u32, u64),
    /// The answer to a connect.
    Connected(u64),
    /// Look at the pipe of this stream.
    Bytes(u64),
    /// Look whether bytes sent have waited too long.
    Overdue(u64),
    /// The end of a connection.
    Closed(ConnId, CloseReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Its process has not heard of it.
    Coming,
    Open,
    /// `Closed` is on its way to its process, which may no longer use it.
    Ending,
    Dead,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) endpoint: usize,
    pub(super) conn: ConnId,
    pub(super) life: Life,
}

#[derive(Debug)]
pub(super) struct Piece {
    pub(super) sent: Nanos,
    pub(super) due: Nanos,
    /// Empty for the end of the stream.
    pub(super) bytes: Vec<u8>,
    pub(super) taken: usize,
}

#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) pieces: VecDeque<Piece>,
    pub(super) queued: usize,
    pub(super) latest: Nanos,
    pub(super) held_until: Nanos,
    /// A smaller send buffer, and until when.
    pub(super) narrow: (usize, Nanos),
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) ends: [End; 2],
    /// Pipe `i` carries what end `i` sends.
    pub(super) pipes: [Pipe; 2],
    /// Reset: what is sent is lost.
    pub(super) broken: bool,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) machine: Machine,
    pub(super) alive: bool,
    pub(super) bounds: NetSettings,
    pub(super) slots: Vec<(u32, Option<(u64, usize)>)>,
    pub(super) free: Vec<u32>,
    pub(super) listeners: Vec<SocketAddr>,
    pub(super) coming: BTreeMap<(Nanos, u64), Coming>,
    pub(super) accepts_dropped: u64,
}

impl Pipe {
    pub(super) const fn new(latest: Nanos) -> Pipe {
        let (held_until, narrow) = (Nanos(0), (0, Nanos(0)));
        Pipe { pieces: VecDeque::new(), queued: 0, latest, held_until, narrow }
    }

    /// When the next piece can be read; never for a pipe that is held for ever.
    pub(super) fn front_due(&self) -> Option<Nanos> {
        self.pieces.front().map(|piece| piece.due.max(self.held_until))
    }

    pub(super) fn capacity(&self, bounds: &NetSettings, now: Nanos) -> usize {
        if now < self.narrow.1 { self.narrow.0.min(bounds.send_buffer) } else { bounds.send_buffer }
    }
}

impl Endpoint {
    pub(super) fn new(machine: Machine, bounds: &NetSettings) -> Endpoint {
        Endpoint {
            machine,
            alive: true,
            bounds: *bounds,
            slots: vec![(0, None); bounds.connections],
            free: (0..bounds.connections as u32).rev().collect(),
            listeners: Vec::new(),
            coming: BTreeMap::new(),
            accepts_dropped: 0,
        }
    }

    pub(super) fn stream_of(&self, conn: ConnId) -> Option<(u64, usize)> {
        let (generation, held) = self.slots.get(conn.slot() as usize)?;
        (*generation == conn.generation()).then_some(*held)?
    }

    pub(super) fn seat(&mut self, stream: u64, side: usize) -> Option<ConnId> {
        let slot = self.free.pop()?;
        let (generation, held) = &mut self.slots[slot as usize];
        *held = Some((stream, side));
        Some(ConnId::new(slot, *generation))
    }

    pub(super) fn unseat(&mut self, conn: ConnId) {
        if self.stream_of(conn).is_some() {
            let (generation, held) = &mut self.slots[conn.slot() as usize];
            (*generation, *held) = (generation.wrapping_add(1), None);
            self.free.push(conn.slot());
        }
    }
}
