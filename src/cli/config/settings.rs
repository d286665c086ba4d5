//! The settings as plain data, with their defaults: the embedded run of two lanes.
//!
//! What each key means stands here and, for the user, in `example.toml`; a test keeps the two alike.

use crate::cli::config::journal::Journal;
use crate::cli::config::limits::{Breakers, Control, Limits};
use crate::cli::config::values::{Address, Amount, Market, Span, Speed};
use crate::lab;
use crate::units::Nanos;
use crate::venue::binance::Family;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything a run needs to know.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long and how.
    pub run: Run,
    /// With whom.
    pub venue: Venue,
    /// The hot lanes.
    #[serde(rename = "lane")]
    pub lanes: Vec<Lane>,
    /// What the gate allows.
    pub limits: Limits,
    /// When trading pauses by itself.
    pub breakers: Breakers,
    /// How it is halted from outside.
    pub control: Control,
    /// The embedded venue.
    pub exchange: Exchange,
    /// What is written down.
    pub journal: Journal,
    /// What is printed.
    pub report: Report,
    /// Where the settings came from, for messages.
    #[serde(skip)]
    pub(super) origin: Origin,
}

/// File name and text of a configuration. Two equal configurations may come from different files.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    pub(super) path: Option<PathBuf>,
    pub(super) text: String,
}

impl PartialEq for Origin {
    fn eq(&self, _other: &Origin) -> bool {
        true
    }
}

/// `[run]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Run {
    /// How long; zero is until Ctrl-C.
    #[serde(rename = "for")]
    pub duration: Span,
    /// Decides everything random.
    pub seed: u64,
    /// How fast a capture or generated market runs.
    pub speed: Speed,
    /// Whether the report is JSON on stdout.
    pub json: bool,
}

/// `[venue]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Venue {
    /// Which market.
    pub family: Market,
    /// Where it is.
    pub address: Address,
    /// Captures to replay instead of a generated market.
    pub capture: Vec<PathBuf>,
    /// What is traded; each symbol belongs to one lane.
    pub symbols: Vec<String>,
    /// File with the API key, sealed; without it and `keyring`, the environment is asked.
    pub key_file: Option<PathBuf>,
    /// Description of the kernel's key with the API key.
    pub keyring: Option<String>,
    /// Identities that open what was sealed for them.
    pub identity_file: Option<PathBuf>,
    /// How sockets are driven.
    pub transport: Transport,
    /// How a lane waits for bytes.
    pub wait: WaitMode,
    /// Whether to speak TLS.
    pub tls: bool,
}

/// `venue.transport`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Readiness, one system call per read
    Epoll,
    /// Completions, fewest system calls in bursts
    IoUring,
}

/// `venue.wait`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum WaitMode {
    /// Spin: lowest latency, a whole core
    Busy,
    /// Sleep in the kernel
    Block,
}

/// `[[lane]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lane {
    /// Its name in reports.
    pub name: String,
    /// What it trades.
    pub symbols: Vec<String>,
    /// The core it is pinned to; without it the placement planner chooses.
    #[serde(default)]
    pub core: Option<u32>,
    /// The market maker's parameters by symbol.
    pub making: BTreeMap<String, Making>,
}

/// `[lane.making.SYMBOL]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Making {
    /// Risk aversion, per tick.
    pub gamma: f64,
    /// `A`: fills per second of a quote at the mid.
    pub arrival_scale: f64,
    /// `k`: how fast fills become rarer with distance, per tick.
    pub arrival_decay: f64,
    /// Volatility until measured, ticks per square root of a second.
    pub volatility_start: f64,
    /// Size of a quote: base units, contracts on coin-m.
    pub quote: Amount,
    /// Quotes per side.
    pub levels: u32,
    /// Re-quote when the target moved by this many ticks.
    pub requote_ticks: f64,
    /// Least distance from the microprice, ticks.
    pub half_spread_min: f64,
}

/// `[exchange]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exchange {
    /// Generated market events per second and instrument.
    pub rate: u32,
    /// What the venue adds on the way in and on the way out.
    pub latency_us: u64,
    /// Seed of the generator; without it, `run.seed`.
    pub seed: Option<u64>,
    /// How our place in a captured queue is estimated.
    pub queue_model: QueueModel,
}

/// `exchange.queue_model`: which guess is made where a capture shows sizes but no orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum QueueModel {
    /// We stand behind all that is displayed, newcomers included: the bound from below
    Pessimistic,
    /// Only trades move us forward; every cancel was behind us
    TradesOnly,
    /// Cancels fall ahead of us in proportion to the volume there
    Proportional,
    /// In proportion to the square of the volume ahead and behind
    Squared,
    /// In proportion to the logarithm of the volume ahead and behind
    Logarithm,
    /// Every cancel was ahead of us: the bound from above
    Optimistic,
}

impl QueueModel {
    /// The model of the venue in a box.
    #[must_use]
    pub const fn model(self) -> lab::exchange::QueueModel {
        use lab::exchange::QueueModel as Model;
        match self {
            QueueModel::Pessimistic => Model::Pessimistic,
            QueueModel::TradesOnly => Model::TradesOnly,
            QueueModel::Proportional => Model::Power(1),
            QueueModel::Squared => Model::Power(2),
            QueueModel::Logarithm => Model::Logarithm,
            QueueModel::Optimistic => Model::Optimistic,
        }
    }
}

/// `[report]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// Milliseconds between status lines; zero for none.
    pub status_ms: u64,
    /// Also write the JSON report here.
    pub file: Option<PathBuf>,
}

impl Default for Config {
    /// The embedded venue on loopback, two lanes with different instruments, USD-M.
    fn default() -> Config {
        let bitcoin = Making {
            gamma: 0.01,
            arrival_scale: 10.0,
            arrival_decay: 1.0,
            volatility_start: 12.0,
            quote: Amount::new(2, 3),
            levels: 2,
            requote_ticks: 2.0,
            half_spread_min: 1.0,
        };
        let ether = Making { gamma: 0.02, quote: Amount::new(50, 3), ..bitcoin.clone() };
        let lane = |name: &str, symbol: &str, making: Making| Lane {
            name: name.to_owned(),
            symbols: vec![symbol.to_owned()],
            core: None,
            making: BTreeMap::from([(symbol.to_owned(), making)]),
        };
        Config {
            run: Run::default(),
            venue: Venue::default(),
            lanes: vec![lane("bitcoin", "BTCUSDT", bitcoin), lane("ether", "ETHUSDT", ether)],
            limits: Limits::default(),
            breakers: Breakers::default(),
            control: Control::default(),
            exchange: Exchange::default(),
            journal: Journal::default(),
            report: Report::default(),
            origin: Origin::default(),
        }
    }
}

impl Default for Run {
    fn default() -> Run {
        Run { duration: Span::default(), seed: 42, speed: Speed::Times(1.0), json: false }
    }
}

impl Default for Venue {
    fn default() -> Venue {
        Venue {
            family: Market(Family::UsdM),
            address: Address::Loopback,
            capture: Vec::new(),
            symbols: vec!["BTCUSDT".to_owned(), "ETHUSDT".to_owned()],
            key_file: None,
            keyring: None,
            identity_file: None,
            transport: Transport::Epoll,
            wait: WaitMode::Block,
            tls: false,
        }
    }
}

impl Default for Exchange {
    fn default() -> Exchange {
        Exchange { rate: 2_000, latency_us: 200, seed: None, queue_model: QueueModel::Proportional }
    }
}

impl Default for Report {
    fn default() -> Report {
        Report { status_ms: 1_000, file: None }
    }
}

impl Exchange {
    /// The generator's seed, given `run.seed`.
    #[must_use]
    pub fn seed_or(&self, run_seed: u64) -> u64 {
        self.seed.unwrap_or(run_seed)
    }
}

impl Run {
    /// How long, or `None` until stopped.
    #[must_use]
    pub fn limit(&self) -> Option<Nanos> {
        (self.duration.0 > Nanos(0)).then_some(self.duration.0)
    }
}
