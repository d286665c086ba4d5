//! How the venue behaves at its sockets, and why there may be none.

use super::fault::Fault;
use super::limits::RateSettings;
use crate::host::net::NetError;
use crate::lab::capture::Capture;
use crate::lab::exchange::{ExchangeError, ExchangeSettings, FlowSettings};
use crate::record::Instrument;
use crate::units::Nanos;
use crate::venue::binance::session::Signer;

/// How fast the market runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as the clock.
    Times(f64),
    /// As fast as the slowest market client drains it.
    Max,
}

/// What a venue at a socket is to be.
#[derive(Debug)]
pub struct ServerSettings {
    /// Market, matching and latencies.
    pub exchange: ExchangeSettings,
    /// What is listed; `instruments[i].id` is `i`.
    pub instruments: Vec<Instrument>,
    /// Captured streams in order of time; none for a generated market.
    pub captures: Vec<Capture>,
    /// Changes the crowd of a generated market from the usual one.
    pub crowd: fn(FlowSettings) -> FlowSettings,
    /// How fast the market runs.
    pub speed: Speed,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
    /// The only key that may trade; without it every key may, and so may requests without one.
    pub key: Option<Signer>,
    /// Whether each key has an account of its own; otherwise all share one.
    pub account_per_key: bool,
    /// The venue's rate limits.
    pub limits: RateSettings,
    /// Market connections to wait for before the market's time begins.
    pub wait_for: usize,
    /// Between two pings of the venue.
    pub ping_period: Nanos,
    /// How long a ping may go unanswered.
    pub pong_timeout: Nanos,
    /// How long a WebSocket may live; the venue's limit is 24 hours.
    pub life_max: Nanos,
    /// Unsent bytes at which a slow client is disconnected.
    pub backlog_max: usize,
    /// Unsent bytes of a market client that pause the market at `Speed::Max`.
    pub pause_above: usize,
    /// Connections at a time.
    pub connections: usize,
}

impl ServerSettings {
    /// The venue's own habits for these instruments.
    #[must_use]
    pub fn new(exchange: ExchangeSettings, instruments: Vec<Instrument>) -> ServerSettings {
        let futures = exchange.family.is_futures();
        let second = 1_000_000_000;
        ServerSettings {
            exchange,
            instruments,
            captures: Vec::new(),
            crowd: |usual| usual,
            speed: Speed::Times(1.0),
            faults: Vec::new(),
            key: None,
            account_per_key: false,
            limits: RateSettings::binance(exchange.family),
            wait_for: 1,
            ping_period: Nanos(if futures { 180 } else { 20 } * second),
            pong_timeout: Nanos(if futures { 600 } else { 60 } * second),
            life_max: Nanos(24 * 3_600 * second),
            backlog_max: 8 << 20,
            pause_above: 64 << 10,
            connections: 128,
        }
    }
}

/// Why there is no venue.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken or not ours.
    #[error("the venue cannot listen: {0}")]
    Listen(#[source] NetError),
    /// The sockets failed.
    #[error("the venue's sockets failed: {0}")]
    Net(#[from] NetError),
    /// The market cannot be made.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// A speed that is none.
    #[error("a speed of {0} is not above zero; give a number such as 1 or 10, or `max`")]
    Speed(f64),
}
