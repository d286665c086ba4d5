//! One connection: its protocol, what it is for, and the bytes that wait to leave.

use crate::host::net::{ConnId, Net, NetError};
use crate::host::schedule::MessageName;
use crate::lab::exchange::ClientId;
use crate::net::http::{RequestReader, Response};
use crate::net::websocket::Socket;
use crate::units::Nanos;

/// Bytes handed to the transport at a time.
const CHUNK: usize = 64 << 10;
/// Sent bytes that a buffer may keep before they are moved out.
const SENT_MAX: usize = 1 << 20;

/// How far a connection has come.
pub(super) enum Protocol {
    /// The head of its first request is not whole.
    Head(Vec<u8>),
    /// REST.
    Rest(RequestReader),
    /// A WebSocket.
    Web(Box<Socket>),
}

/// What a connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// REST, or not known yet.
    Rest,
    /// Market streams, wrapped in their names or bare.
    Market {
        /// Whether frames come wrapped.
        combined: bool,
    },
    /// The order API.
    Orders,
    /// User data by listen key; `name` where frames come wrapped.
    User {
        /// The listen key, for the wrapping.
        name: Option<String>,
    },
}

/// One connection.
pub(super) struct Link {
    pub(super) conn: ConnId,
    pub(super) protocol: Protocol,
    pub(super) role: Role,
    /// Whose requests these are, once logged on.
    pub(super) account: Option<ClientId>,
    /// Whose events it gets.
    pub(super) user: Option<ClientId>,
    pub(super) opened: Nanos,
    pub(super) next_ping: Nanos,
    pub(super) pinged: Option<Nanos>,
    /// Whether a REST request is being carried out.
    pub(super) waits: bool,
    /// When the connection is cut, once it is decided.
    pub(super) cut_at: Option<Nanos>,
    /// Nothing leaves before this (a planned fault).
    pub(super) hold_until: Nanos,
    pub(super) gone: bool,
    /// Name of the next text message.
    pub(super) next: MessageName,
    out: Vec<u8>,
    sent: usize,
}

impl Link {
    pub(super) fn new(conn: ConnId, now: Nanos) -> Link {
        Link {
            conn,
            protocol: Protocol::Head(Vec::new()),
            role: Role::Rest,
            account: None,
            user: None,
            opened: now,
            next_ping: Nanos(u64::MAX),
            pinged: None,
            waits: false,
            cut_at: None,
            hold_until: Nanos(0),
            gone: false,
            next: MessageName::first(""),
            out: Vec::new(),
            sent: 0,
        }
    }

    /// Bytes that wait to leave.
    pub(super) fn backlog(&self) -> usize {
        self.out.len() - self.sent
    }

    pub(super) fn is_market(&self) -> bool {
        matches!(self.role, Role::Market { .. })
    }

    /// Queues a text message; its name, unless the connection takes none any more.
    pub(super) fn text(&mut self, payload: &[u8]) -> Option<MessageName> {
        let Protocol::Web(socket) = &mut self.protocol else { return None };
        if self.cut_at.is_some() || !socket.is_open() {
            return None;
        }
        socket.send_text(payload, &mut self.out);
        Some(self.next.take())
    }

    /// Queues the first half of a text message.
    pub(super) fn torn(&mut self, payload: &[u8]) {
        let before = self.out.len();
        self.text(payload);
        let half = (self.out.len() - before) / 2;
        self.out.truncate(before + half);
    }

    pub(super) fn ping(&mut self) {
        if let Protocol::Web(socket) = &mut self.protocol {
            socket.send_ping(b"venue", &mut self.out);
        }
    }

    /// Queues a close frame; the connection is cut at `at`.
    pub(super) fn close(&mut self, code: u16, reason: &str, at: Nanos) {
        if let Protocol::Web(socket) = &mut self.protocol {
            socket.send_close(code, reason, &mut self.out);
        }
        self.cut_at.get_or_insert(at);
    }

    pub(super) fn respond(&mut self, response: &Response) {
        response.write(&mut self.out);
    }

    /// What the protocol itself has to say (handshakes, pongs).
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Hands the transport what it takes; returns the bytes it took.
    pub(super) fn flush(&mut self, net: &mut dyn Net, now: Nanos) -> u64 {
        let mut taken = 0;
        while !self.gone && now >= self.hold_until && self.sent < self.out.len() {
            let end = (self.sent + CHUNK).min(self.out.len());
            match net.send(self.conn, &self.out[self.sent..end]) {
                Ok(()) => {
                    taken += (end - self.sent) as u64;
                    self.sent = end;
                }
                Err(NetError::Full { .. }) => break,
                Err(_) => self.gone = true,
            }
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        } else if self.sent > SENT_MAX {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        taken
    }
}
