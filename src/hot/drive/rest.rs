//! One keep-alive HTTP/1.1 connection over `host::Net`, one request at a time.
//!
//! Calls are futures without a runtime: with [`Patience::Sleeps`] they block their thread and are ready
//! at the first poll; with [`Patience::Yields`] whoever polls them owns the time.

use super::wire::Endpoint;
use crate::host::clock::Clock;
use crate::host::net::{
    CloseReason, ConnId, Net, NetError, NetEvent, NetKind, NetSettings, Wait, open,
};
use crate::net::http::{self, Limits, Request, Response, ResponseReader};
use crate::net::tls::{self, Tls};
use crate::units::Nanos;
use crate::venue::binance::session::rest::RestRequest;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The transport.
    #[error("{at}: {source}")]
    Net {
        /// Where to.
        at: SocketAddr,
        /// What failed.
        source: NetError,
    },
    /// The connection ended before the answer.
    #[error("{at}: {reason}")]
    Closed {
        /// Where to.
        at: SocketAddr,
        /// Why.
        reason: CloseReason,
    },
    /// No answer in time.
    #[error("{at}: no answer within {} ms", TIMEOUT.0 / 1_000_000)]
    TimedOut {
        /// Where to.
        at: SocketAddr,
    },
    /// The answer is no HTTP.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The program ends.
    #[error("stopped")]
    Stopped,
}

/// How a future waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// In the kernel: for a thread that has nothing else to do.
    Sleeps,
    /// By giving its poller the turn.
    Yields,
}

impl Patience {
    /// One breath: a short sleep, or one turn of the poller.
    pub async fn breathe(self) {
        if self == Patience::Sleeps {
            return std::thread::sleep(IDLE);
        }
        let mut yielded = false;
        std::future::poll_fn(|_| match std::mem::replace(&mut yielded, true) {
            false => Poll::Pending,
            true => Poll::Ready(()),
        })
        .await;
    }
}

/// The outcome of a future that sleeps instead of yielding.
pub fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut context) {
            return outcome;
        }
    }
}

const IDLE: Duration = Duration::from_millis(2);
const TIMEOUT: Nanos = Nanos(5_000_000_000);
const TURN: Nanos = Nanos(20_000_000);

struct Line {
    conn: ConnId,
    tls: Option<Tls>,
    connected: bool,
    reader: ResponseReader,
}

/// A client of one endpoint.
pub struct Rest {
    endpoint: Endpoint,
    patience: Patience,
    net: Option<Box<dyn Net>>,
    line: Option<Line>,
}

impl Rest {
    /// A client that opens sockets of its own when it is first used, and sleeps while it waits.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Rest {
        Rest { endpoint, patience: Patience::Sleeps, net: None, line: None }
    }

    /// A client over `net` that yields while it waits.
    #[must_use]
    pub fn over(endpoint: Endpoint, net: Box<dyn Net>) -> Rest {
        Rest { endpoint, patience: Patience::Yields, net: Some(net), line: None }
    }

    /// How its calls wait.
    #[must_use]
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// Sends a request and waits for its answer; a kept connection that has ended is renewed once.
    ///
    /// # Errors
    /// When there is no answer, or `stop` is set.
    pub async fn call(
        &mut self,
        request: &RestRequest,
        clock: &impl Clock,
        stop: &AtomicBool,
    ) -> Result<Response, RestError> {
        let kept = self.line.is_some();
        match self.exchange(request, clock, stop).await {
            Err(RestError::Closed { .. } | RestError::Net { .. }) if kept => {
                self.line = None;
                self.exchange(request, clock, stop).await
            }
            other => other,
        }
    }

    async fn exchange(
        &mut self,
        request: &RestRequest,
        clock: &impl Clock,
        stop: &AtomicBool,
    ) -> Result<Response, RestError> {
        let outcome = self.attempt(request, clock, stop).await;
        let keep = matches!(&outcome, Ok(response) if response.keep_alive());
        if !keep && let (Some(line), Some(net)) = (self.line.take(), &mut self.net) {
            net.close(line.conn);
        }
        outcome
    }

    async fn attempt(
        &mut self,
        request: &RestRequest,
        clock: &impl Clock,
        stop: &AtomicBool,
    ) -> Result<Response, RestError> {
        let at = self.endpoint.at;
        let fail = |source| RestError::Net { at, source };
        let wait = match self.patience {
            Patience::Sleeps => Wait::Block(TURN),
            Patience::Yields => Wait::Busy,
        };
        let net = match &mut self.net {
            Some(net) => net,
            none => {
                let settings =
                    NetSettings { connections: 4, listeners: 1, ..NetSettings::default() };
                none.insert(open(NetKind::Epoll, &settings).map_err(fail)?)
            }
        };
        let line = match &mut self.line {
            Some(line) => line,
            none => {
                let tls = match &self.endpoint.tls {
                    Some(config) => Some(Tls::client(Arc::clone(config), &self.endpoint.host)?),
                    None => None,
                };
                let conn = net.connect(at).map_err(fail)?;
                let limits = Limits { body: 32 << 20, ..Limits::default() };
                let reader = ResponseReader::new(limits);
                none.insert(Line { conn, tls, connected: false, reader })
            }
        };
        let mut text = Vec::new();
        let mut message = Request::new(request.method, &self.endpoint.host, &request.target);
        for (name, value) in &request.headers {
            message = message.with_header(name, value);
        }
        message.write(&mut text);
        let deadline = clock.now().plus(TIMEOUT);
        let mut asked = false;
        loop {
            let mut out = Vec::new();
            let ready = line.connected && line.tls.as_ref().is_none_or(Tls::is_open);
            if ready && !asked {
                asked = true;
                match &mut line.tls {
                    Some(tls) => tls.send(&text, &mut out)?,
                    None => out.extend_from_slice(&text),
                }
                net.send(line.conn, &out).map_err(fail)?;
                out.clear();
            }
            let mut trouble: Option<RestError> = None;
            let (conn, tls, reader) = (line.conn, &mut line.tls, &mut line.reader);
            let mut connected = line.connected;
            net.poll(wait, &mut |event| match event {
                NetEvent::Connected(of) if of == conn => {
                    connected = true;
                    if let Some(tls) = tls
                        && let Err(error) = tls.opening(&mut out)
                    {
                        trouble = Some(error.into());
                    }
                }
                NetEvent::Received(of, bytes) if of == conn => match tls {
                    None => reader.receive(bytes),
                    Some(tls) => {
                        let taken = tls.receive(bytes, &mut out, &mut |event| {
                            if let tls::Event::Data(plain) = event {
                                reader.receive(plain);
                            }
                        });
                        if let Err(error) = taken {
                            trouble = Some(error.into());
                        }
                    }
                },
                NetEvent::Closed(of, reason) if of == conn => {
                    trouble = Some(RestError::Closed { at, reason });
                }
                _ => {}
            })
            .map_err(fail)?;
            line.connected = connected;
            if !out.is_empty() {
                net.send(line.conn, &out).map_err(fail)?;
            }
            if asked && let Some(response) = line.reader.next_response()? {
                return Ok(response);
            }
            if let Some(error) = trouble {
                return Err(error);
            }
            if stop.load(Ordering::Acquire) {
                return Err(RestError::Stopped);
            }
            if clock.now() > deadline {
                return Err(RestError::TimedOut { at });
            }
            if self.patience == Patience::Yields {
                self.patience.breathe().await;
            }
        }
    }
}
