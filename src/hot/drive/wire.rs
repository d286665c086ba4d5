//! One WebSocket connection of a lane over `host::Net`, with TLS or without.
//!
//! bytes -> [TLS, in place] -> WebSocket -> messages; messages -> WebSocket -> [TLS] -> `flush`.
//! What is to be sent gathers in `outgoing` and leaves with `flush`, since a connection cannot be
//! written while its events are being read.

use crate::host::net::{ConnId, Net, NetError};
use crate::net::tls::{self, Tls};
use crate::net::websocket::{self, Event, Socket};
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::sync::Arc;

/// Where a connection leads.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Address.
    pub at: SocketAddr,
    /// Name for the `Host` header and the certificate.
    pub host: String,
    /// TLS, where it is spoken.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Why a connection must end.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A frame that no WebSocket sends.
    #[error("WebSocket: {0}")]
    Socket(#[from] websocket::Error),
    /// A record that no TLS session sends, or a certificate that is not trusted.
    #[error("TLS: {0}")]
    Tls(#[from] tls::Error),
    /// The transport.
    #[error(transparent)]
    Net(#[from] NetError),
}

/// A connection.
pub struct Wire {
    conn: ConnId,
    tls: Option<Tls>,
    socket: Socket,
    /// WebSocket bytes that wait for `flush`.
    outgoing: Vec<u8>,
    /// TLS records of them.
    sealed: Vec<u8>,
}

/// Room for what one poll may send without allocating.
const OUTGOING_BYTES: usize = 64 * 1_024;

impl Wire {
    /// Begins to connect; `nonce` comes from a random source.
    ///
    /// # Errors
    /// When the transport has no room, or the host is no name for a certificate.
    pub fn open(
        net: &mut dyn Net,
        to: &Endpoint,
        path: &str,
        nonce: [u8; 16],
    ) -> Result<Wire, WireError> {
        let tls = match &to.tls {
            Some(config) => Some(Tls::client(Arc::clone(config), &to.host)?),
            None => None,
        };
        Ok(Wire {
            conn: net.connect(to.at)?,
            tls,
            socket: Socket::client(&to.host, path, nonce),
            outgoing: Vec::with_capacity(OUTGOING_BYTES),
            sealed: Vec::with_capacity(OUTGOING_BYTES),
        })
    }

    /// The transport's name for it.
    #[must_use]
    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// The key of its WebSocket handshake, which the venue knows too.
    #[must_use]
    pub fn handshake_key(&self) -> &str {
        self.socket.handshake_key()
    }

    /// TCP stands: begin the handshakes.
    ///
    /// # Errors
    /// When TLS cannot begin.
    pub fn connected(&mut self) -> Result<(), WireError> {
        self.socket.opening(&mut self.outgoing);
        if let Some(tls) = &mut self.tls {
            tls.opening(&mut self.sealed)?;
        }
        Ok(())
    }

    /// Takes bytes and reports the messages they end.
    ///
    /// # Errors
    /// When the peer breaks a protocol; then flush, close and forget the wire.
    #[inline]
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), WireError> {
        let (socket, outgoing) = (&mut self.socket, &mut self.outgoing);
        let Some(tls) = &mut self.tls else {
            return Ok(socket.receive(bytes, outgoing, on)?);
        };
        let mut refused = None;
        tls.receive(bytes, &mut self.sealed, &mut |event| {
            if let tls::Event::Data(plain) = event
                && refused.is_none()
            {
                refused = socket.receive(plain, outgoing, on).err();
            }
        })?;
        refused.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Queues a text message; nothing unless the socket is open.
    #[inline]
    pub fn send_text(&mut self, text: &[u8]) {
        self.socket.send_text(text, &mut self.outgoing);
    }

    /// Forgets what is queued and not sealed yet: whole messages.
    pub fn discard(&mut self) {
        self.outgoing.clear();
    }

    /// Queues a ping.
    pub fn ping(&mut self) {
        self.socket.send_ping(b"", &mut self.outgoing);
    }

    /// Queues a close.
    pub fn close(&mut self) {
        self.socket.send_close(1_000, "", &mut self.outgoing);
    }

    /// Whether `flush` has anything to do.
    #[inline]
    #[must_use]
    pub fn has_outgoing(&self) -> bool {
        !self.sealed.is_empty() || (!self.outgoing.is_empty() && self.may_send())
    }

    /// Seals what waits; a part of `flush` that is timed alone. Does nothing without TLS.
    ///
    /// # Errors
    /// When the session's keys are spent.
    #[inline]
    pub fn seal(&mut self) -> Result<(), WireError> {
        if let Some(tls) = &mut self.tls
            && tls.is_open()
            && !self.outgoing.is_empty()
        {
            tls.send(&self.outgoing, &mut self.sealed)?;
            self.outgoing.clear();
        }
        Ok(())
    }

    /// Hands everything to the transport.
    ///
    /// # Errors
    /// When the transport refuses; then close and forget the wire.
    #[inline]
    pub fn flush(&mut self, net: &mut dyn Net) -> Result<(), WireError> {
        self.seal()?;
        if self.tls.is_some() {
            if !self.sealed.is_empty() {
                net.send(self.conn, &self.sealed)?;
                self.sealed.clear();
            }
        } else if !self.outgoing.is_empty() {
            net.send(self.conn, &self.outgoing)?;
            self.outgoing.clear();
        }
        Ok(())
    }

    /// Whether it speaks TLS.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.tls.is_some()
    }

    fn may_send(&self) -> bool {
        self.tls.as_ref().is_none_or(Tls::is_open)
    }
}
