//! The session: handshake by rustls, then records by `record`.

use crate::net::tls::record::{CIPHER_MAX, Content, HEADER, Half, PLAIN_MAX, RENEW_AFTER};
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::kernel::KernelConnection;
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{ClientConfig, ConnectionTrafficSecrets, ServerConfig};
use std::sync::Arc;

/// Longest handshake message after the handshake, and longest flight while it lasts.
const HANDSHAKE_MAX: usize = 64 * 1_024;
const TYPE_ALERT: u8 = Content::Alert as u8;
const TYPE_HANDSHAKE: u8 = Content::Handshake as u8;
const TYPE_DATA: u8 = Content::Data as u8;
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
const CLOSE_NOTIFY: u8 = 0;
const UNEXPECTED_MESSAGE: u8 = 10;
const BAD_RECORD_MAC: u8 = 20;

/// Why the connection must end. The alert for the peer, if one is due, stands in `out`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The handshake or a configuration failed: certificate, name, version, cipher.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
    /// The server's name is neither a DNS name nor an address.
    #[error("TLS: {name:?} is no server name")]
    Name {
        /// As given.
        name: String,
    },
    /// A record does not authenticate: it was changed on the way, or the keys differ.
    #[error("TLS record {sequence} is not authentic; the connection must be renewed")]
    Tampered {
        /// Records read before under this key.
        sequence: u64,
    },
    /// A record breaks the protocol.
    #[error("TLS record {sequence}: {problem}")]
    Record {
        /// Records read before under this key.
        sequence: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// The peer reports an error.
    #[error("TLS peer sent alert {code}")]
    Alert {
        /// RFC 8446, section 6.
        code: u8,
    },
    /// The agreed cipher is not one of TLS 1.3's three, or its counter is spent.
    #[error("TLS cipher cannot be used; the connection must be renewed")]
    Cipher,
    /// Data was to be sent before the handshake ended or after the close.
    #[error("TLS is not open")]
    NotOpen,
    /// An earlier error or close ended this session.
    #[error("TLS already ended; open a new connection")]
    Ended,
}

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The handshake is done; data may be sent.
    Open,
    /// Plaintext, in place.
    Data(&'a mut [u8]),
    /// The peer will send no more (close_notify).
    Closed,
}

enum Kernel {
    Client(KernelConnection<ClientConnectionData>),
    Server(KernelConnection<ServerConnectionData>),
}

impl Kernel {
    fn next_receive(&mut self) -> Result<(u64, ConnectionTrafficSecrets), rustls::Error> {
        match self {
            Kernel::Client(kernel) => kernel.update_rx_secret(),
            Kernel::Server(kernel) => kernel.update_rx_secret(),
        }
    }

    fn next_send(&mut self) -> Result<(u64, ConnectionTrafficSecrets), rustls::Error> {
        match self {
            Kernel::Client(kernel) => kernel.update_tx_secret(),
            Kernel::Server(kernel) => kernel.update_tx_secret(),
        }
    }
}

struct Open {
    receive: Half,
    send: Half,
    kernel: Kernel,
    /// Handshake bytes that are no whole message yet.
    handshake: Vec<u8>,
    close_sent: bool,
}

enum State {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
    Open(Box<Open>),
    Ended,
}

/// What rustls wants after a step.
enum Step {
    Again,
    More,
    Done,
}

/// One end of a TLS connection.
pub struct Tls {
    state: State,
    /// Handshake records that rustls has not used up.
    flight: Vec<u8>,
    /// A record of which not all has come.
    partial: Vec<u8>,
}

impl Tls {
    /// A client of `name`, whose certificate it checks.
    pub fn client(config: Arc<ClientConfig>, name: &str) -> Result<Tls, Error> {
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| Error::Name { name: name.to_owned() })?;
        let connection = UnbufferedClientConnection::new(config, server)?;
        Ok(Tls::new(State::Client(Box::new(connection))))
    }

    /// A server.
    pub fn server(config: Arc<ServerConfig>) -> Result<Tls, Error> {
        let connection = UnbufferedServerConnection::new(config)?;
        Ok(Tls::new(State::Server(Box::new(connection))))
    }

    fn new(state: State) -> Tls {
        let partial = Vec::with_capacity(HEADER + CIPHER_MAX);
        Tls { state, flight: Vec::new(), partial }
    }

    /// Whether data may be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(&self.state, State::Open(open) if !open.close_sent)
    }

    /// Appends the client's first message; nothing for a server.
    pub fn opening(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        match &self.state {
            State::Client(_) => self.shake(out).map(drop),
            _ => Ok(()),
        }
    }

    /// Takes bytes as TCP delivered them, reports what they hold, and appends answers to `out`.
    /// After an error the session is dead: send `out`, then close the connection.
    pub fn receive(
        &mut self,
        mut bytes: &mut [u8],
        out: &mut Vec<u8>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        if matches!(self.state, State::Ended) {
            return Err(Error::Ended);
        }
        while !bytes.is_empty() && !matches!(self.state, State::Ended) {
            let whole = if self.partial.is_empty() { record_len(bytes) } else { None };
            let result = match whole {
                Some(len) if len <= bytes.len() => {
                    let (record, rest) = bytes.split_at_mut(len);
                    bytes = rest;
                    self.record(record, out, on)
                }
                _ => {
                    let (result, taken) = self.gather(bytes, out, on);
                    bytes = &mut bytes[taken..];
                    result
                }
            };
            if let Err(error) = result {
                self.fail(&error, out);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes what completes the partial record; returns the number of bytes taken.
    fn gather(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> (Result<(), Error>, usize) {
        let mut taken = 0;
        if self.partial.len() < HEADER {
            taken = (HEADER - self.partial.len()).min(bytes.len());
            self.partial.extend_from_slice(&bytes[..taken]);
        }
        let Some(len) = record_len(&self.partial) else { return (Ok(()), taken) };
        if len > HEADER + CIPHER_MAX {
            return (Err(self.record_error("a record is longer than 16 640 bytes")), taken);
        }
        let n = (len - self.partial.len()).min(bytes.len() - taken);
        self.partial.extend_from_slice(&bytes[taken..taken + n]);
        taken += n;
        if self.partial.len() < len {
            return (Ok(()), taken);
        }
        let mut record = std::mem::take(&mut self.partial);
        let result = self.record(&mut record, out, on);
        record.clear();
        self.partial = record;
        (result, taken)
    }

    fn record_error(&self, problem: &'static str) -> Error {
        let sequence = match &self.state {
            State::Open(open) => open.receive.sequence(),
            _ => 0,
        };
        Error::Record { sequence, problem }
    }

    fn record(
        &mut self,
        record: &mut [u8],
        out: &mut Vec<u8>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        if record.len() > HEADER + CIPHER_MAX {
            return Err(self.record_error("a record is longer than 16 640 bytes"));
        }
        if let State::Open(open) = &mut self.state {
            if open.record(record, out, on)? {
                self.state = State::Ended;
            }
            return Ok(());
        }
        // One record at a time, so that rustls stops exactly where the handshake ends and the
        // first record under the new keys is ours.
        self.flight.extend_from_slice(record);
        if self.flight.len() > HANDSHAKE_MAX {
            return Err(self.record_error("the handshake is longer than 64 KiB"));
        }
        if self.shake(out)? {
            self.take_over()?;
            on(Event::Open);
        }
        Ok(())
    }

    /// Lets rustls work until it wants bytes; `true` when the handshake is done.
    fn shake(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        loop {
            let (discard, step) = match &mut self.state {
                State::Client(connection) => {
                    drive(connection.process_tls_records(&mut self.flight), out)
                }
                State::Server(connection) => {
                    drive(connection.process_tls_records(&mut self.flight), out)
                }
                State::Open(_) | State::Ended => return Ok(false),
            };
            self.flight.drain(..discard);
            match step {
                Ok(Step::Again) => {}
                Ok(Step::More) => return Ok(false),
                Ok(Step::Done) => return Ok(true),
                Err(error) => {
                    self.flush_alert(out);
                    return Err(error);
                }
            }
        }
    }

    /// After a failed handshake rustls may still hold an alert for the peer. It is given the same bytes
    /// as before: it remembers places in them, and panics where they are gone.
    fn flush_alert(&mut self, out: &mut Vec<u8>) {
        let flight = &mut self.flight;
        let _ = match &mut self.state {
            State::Client(connection) => drive(connection.process_tls_records(flight), out).1,
            State::Server(connection) => drive(connection.process_tls_records(flight), out).1,
            State::Open(_) | State::Ended => Ok(Step::More),
        };
    }

    fn take_over(&mut self) -> Result<(), Error> {
        let (secrets, kernel) = match std::mem::replace(&mut self.state, State::Ended) {
            State::Client(connection) => {
                let (secrets, kernel) = connection.dangerous_into_kernel_connection()?;
                (secrets, Kernel::Client(kernel))
            }
            State::Server(connection) => {
                let (secrets, kernel) = connection.dangerous_into_kernel_connection()?;
                (secrets, Kernel::Server(kernel))
            }
            State::Open(_) | State::Ended => return Err(Error::Ended),
        };
        self.flight = Vec::new();
        self.state = State::Open(Box::new(Open {
            receive: Half::new(secrets.rx)?,
            send: Half::new(secrets.tx)?,
            kernel,
            handshake: Vec::with_capacity(PLAIN_MAX),
            close_sent: false,
        }));
        Ok(())
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        if let State::Open(open) = &mut self.state {
            let code = match error {
                Error::Tampered { .. } => Some(BAD_RECORD_MAC),
                Error::Record { .. } => Some(UNEXPECTED_MESSAGE),
                _ => None,
            };
            if let Some(code) = code {
                // The connection ends either way; an alert that cannot be sealed is not missed.
                let _ = open.send.seal(Content::Alert, &[2, code], out);
            }
        }
        self.state = State::Ended;
    }

    /// Appends `plain`, sealed, in as many records as it needs.
    pub fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let State::Open(open) = &mut self.state else { return Err(Error::NotOpen) };
        if open.close_sent {
            return Err(Error::NotOpen);
        }
        for piece in plain.chunks(PLAIN_MAX) {
            if open.send.sequence() >= RENEW_AFTER {
                open.renew_send(out)?;
            }
            open.send.seal(Content::Data, piece, out)?;
        }
        Ok(())
    }

    /// Renews the sending key now (it happens by itself long before it must).
    pub fn renew_key(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let State::Open(open) = &mut self.state else { return Err(Error::NotOpen) };
        open.renew_send(out)
    }

    /// Appends close_notify; nothing may be sent afterwards.
    pub fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let State::Open(open) = &mut self.state else { return Ok(()) };
        if !open.close_sent {
            open.close_sent = true;
            open.send.seal(Content::Alert, &[1, CLOSE_NOTIFY], out)?;
        }
        Ok(())
    }
}

/// Length of the record that begins here, header included, once its header is there.
fn record_len(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..HEADER)?;
    Some(HEADER + usize::from(u16::from_be_bytes([header[3], header[4]])))
}

/// Does one thing that rustls asks for.
fn drive<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    out: &mut Vec<u8>,
) -> (usize, Result<Step, Error>) {
    let step = match status.state {
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let at = out.len();
            let size = match data.encode(&mut []) {
                Err(EncodeError::InsufficientSize(needs)) => needs.required_size,
                _ => 0,
            };
            out.resize(at + size, 0);
            match data.encode(&mut out[at..]) {
                Ok(_) => Ok(Step::Again),
                Err(error) => {
                    Err(Error::Rustls(rustls::Error::General(format!("encoding: {error}"))))
                }
            }
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Step::More),
        Ok(ConnectionState::WriteTraffic(_)) => Ok(Step::Done),
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
            Err(Error::Alert { code: CLOSE_NOTIFY })
        }
        Ok(_) => Err(Error::Record { sequence: 0, problem: "data before the handshake's end" }),
        Err(error) => Err(error.into()),
    };
    (status.discard, step)
}

impl Open {
    /// Handles one whole record; `true` when the peer has closed.
    fn record(
        &mut self,
        record: &mut [u8],
        out: &mut Vec<u8>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<bool, Error> {
        let sequence = self.receive.sequence();
        let fail = |problem| Err(Error::Record { sequence, problem });
        if record[0] != TYPE_DATA {
            return fail("a record in the clear after the handshake");
        }
        let (content, plain) = self.receive.open(record)?;
        if content != TYPE_HANDSHAKE && !self.handshake.is_empty() {
            return fail("another record inside a handshake message");
        }
        match (content, &mut *plain) {
            (TYPE_DATA, []) => Ok(false),
            (TYPE_DATA, data) => {
                on(Event::Data(data));
                Ok(false)
            }
            (TYPE_ALERT, [_, CLOSE_NOTIFY]) => {
                on(Event::Closed);
                Ok(true)
            }
            (TYPE_ALERT, [_, code]) => Err(Error::Alert { code: *code }),
            (TYPE_HANDSHAKE, message) => {
                self.handshake.extend_from_slice(message);
                self.post_handshake(sequence, out).map(|()| false)
            }
            _ => fail("its content is neither data, alert nor handshake"),
        }
    }

    /// Messages that may follow the handshake: tickets are ignored, keys renewed.
    fn post_handshake(&mut self, sequence: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        let fail = |problem| Err(Error::Record { sequence, problem });
        while let Some(&[kind, a, b, c]) = self.handshake.first_chunk::<4>() {
            let len = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
            if len > HANDSHAKE_MAX {
                return fail("a handshake message is longer than 64 KiB");
            }
            if self.handshake.len() < len {
                return Ok(());
            }
            match (kind, &self.kernel) {
                (NEW_SESSION_TICKET, Kernel::Client(_)) => drop(self.handshake.drain(..len)),
                (KEY_UPDATE, _) => {
                    let wanted = match self.handshake[..] {
                        [_, 0, 0, 1, wanted @ 0..=1] => wanted == 1,
                        _ => return fail("a key update is malformed or not the last message"),
                    };
                    self.handshake.clear();
                    self.receive = Half::new(self.kernel.next_receive()?)?;
                    if wanted {
                        self.renew_send(out)?;
                    }
                }
                _ => return fail("an unexpected handshake message"),
            }
        }
        Ok(())
    }

    fn renew_send(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.close_sent {
            return Ok(());
        }
        self.send.seal(Content::Handshake, &[KEY_UPDATE, 0, 0, 1, 0], out)?;
        self.send = Half::new(self.kernel.next_send()?)?;
        Ok(())
    }
}
