//! The venue a run trades on, and what each lane is to know of it.

use super::RunError;
use crate::cli::captures::{Captures, scaled_plan};
use crate::cli::config::{Address, Config, Lane, Speed};
use crate::host::clock::TscClock;
use crate::host::schedule::Schedule;
use crate::hot::drive::Endpoints;
use crate::hot::drive::rest::{Rest, finish};
use crate::hot::drive::wire::Endpoint;
use crate::lab::exchange::ExchangeSettings;
use crate::lab::exchange::server::{self, Server, ServerReport, ServerSettings};
use crate::net::tls::{Roots, client_config};
use crate::record::{Instrument, Plan};
use crate::units::{InstrumentId, LaneId, Nanos, UnixNanos, VenueId};
use crate::venue::binance::session::{Signer, answer, paths, rest};
use crate::venue::binance::{Family, metadata};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What one lane trades.
pub struct Trader {
    /// The lane's name.
    pub name: String,
    /// A core asked for.
    pub core: Option<u32>,
    /// Ids count from 0.
    pub instruments: Vec<Instrument>,
    /// Market maker and limits.
    pub plan: Plan,
}

/// The venue as the lanes see it, and the embedded one where there is one.
pub struct Arena {
    /// Whose protocol.
    pub family: Family,
    /// Where the sessions lead.
    pub endpoints: Endpoints,
    /// Where REST leads.
    pub rest: Endpoint,
    /// The key that orders are signed or sessions logged on with.
    pub signer: Signer,
    /// One per lane.
    pub traders: Vec<Trader>,
    /// In words, for the report.
    pub words: String,
    /// When the venue means each market message to leave; only the embedded one tells.
    pub schedule: Option<Arc<Schedule>>,
    embedded: Option<Embedded>,
}

struct Embedded {
    thread: JoinHandle<ServerReport>,
    stop: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Arena {
    /// Whether the embedded venue has nothing more to stream.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.embedded.as_ref().is_some_and(|of| of.over.load(Ordering::Acquire))
    }

    /// Stops the embedded venue; its report.
    #[must_use]
    pub fn close(self) -> Option<ServerReport> {
        let embedded = self.embedded?;
        embedded.stop.store(true, Ordering::Release);
        embedded.thread.join().ok()
    }
}

/// Opens the venue that the configuration names; the embedded one has a key of its own. Captures
/// without a configuration bring their own symbols, and a market maker to their scale.
///
/// # Errors
/// Everything that keeps a run from beginning, named.
pub fn open(
    config: &mut Config,
    has_file: bool,
    signer: Option<Signer>,
    clock: TscClock,
) -> Result<Arena, RunError> {
    match config.venue.address.clone() {
        Address::Loopback => loopback(config, has_file, clock),
        Address::At(address) => remote(config, &address, signer, clock),
        Address::Binance => public(config, signer, clock),
    }
}

fn loopback(config: &mut Config, has_file: bool, clock: TscClock) -> Result<Arena, RunError> {
    let mut captures = None;
    if !config.venue.capture.is_empty() {
        let held = Captures::load(&config.venue.capture)?;
        if has_file {
            fits(config, &held)?;
        } else {
            adopt(config, &held)?;
        }
        captures = Some(held);
    }
    let family = config.venue.family.0;
    let symbols: Vec<&str> = config.venue.symbols.iter().map(String::as_str).collect();
    let listed = metadata::embedded(family, VenueId(0), &symbols)?;
    let latency = Nanos(config.exchange.latency_us.saturating_mul(1_000));
    let exchange = ExchangeSettings {
        family,
        seed: config.exchange.seed_or(config.run.seed),
        rate: f64::from(config.exchange.rate),
        latency_in: latency,
        latency_out: latency,
        queue_model: config.exchange.queue_model.model(),
        diff_period: Nanos::from_millis(100),
        wall_at_zero: UnixNanos(0),
    };
    let signer = Signer::ephemeral("loopback")?;
    let traders = match &captures {
        Some(held) if !has_file => {
            let plan = scaled_plan(LaneId(0), &listed, &held.captures, family);
            let name = "capture".to_owned();
            vec![Trader { name, core: None, instruments: listed.clone(), plan }]
        }
        _ => traders(config, &listed)?,
    };
    let mut settings = ServerSettings::new(exchange, listed);
    settings.speed = match config.run.speed {
        Speed::Times(times) => server::Speed::Times(times),
        Speed::Max => server::Speed::Max,
    };
    settings.key = Some(signer.clone());
    settings.wait_for = traders.len();
    settings.captures = captures.map(|held| held.captures).unwrap_or_default();
    let words = match settings.captures.len() {
        0 => format!("embedded {} venue, generated market", family.name()),
        count => format!("embedded {} venue, {count} captures", family.name()),
    };
    let server = Server::bind(settings, SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let (address, over) = (server.address(), server.over());
    let schedule = matches!(config.run.speed, Speed::Times(_)).then(|| Arc::new(Schedule::new()));
    let server = match &schedule {
        Some(schedule) => server.with_schedule(Arc::clone(schedule), clock),
        None => server,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let inside = Arc::clone(&stop);
    let thread = std::thread::Builder::new()
        .name("venue".to_owned())
        .spawn(move || server.run(&inside))
        .map_err(RunError::Thread)?;
    let endpoint = Endpoint { at: address, host: address.to_string(), tls: None };
    Ok(Arena {
        family,
        endpoints: everywhere(&endpoint),
        rest: endpoint,
        signer,
        traders,
        words,
        schedule,
        embedded: Some(Embedded { thread, stop, over }),
    })
}

/// A venue process: the venue's own exchange information decides.
fn remote(
    config: &Config,
    address: &str,
    signer: Option<Signer>,
    clock: TscClock,
) -> Result<Arena, RunError> {
    let venue = |problem: String| RunError::Venue { at: address.to_owned(), problem };
    let at = resolve(address).map_err(venue)?;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let tls = match config.venue.tls {
        true => Some(client_config(&Roots::WebPki).map_err(|error| venue(error.to_string()))?),
        false => None,
    };
    let named = if tls.is_some() { host.to_owned() } else { address.to_owned() };
    let endpoint = Endpoint { at, host: named, tls };
    let signer = match signer {
        Some(signer) => signer,
        None => Signer::ephemeral("bot4")?,
    };
    let family = config.venue.family.0;
    let listed = listed(config, &endpoint, address, clock)?;
    Ok(Arena {
        family,
        endpoints: everywhere(&endpoint),
        rest: endpoint,
        signer,
        traders: traders(config, &listed)?,
        words: format!("{} venue at {address}", family.name()),
        schedule: None,
        embedded: None,
    })
}

/// The real one.
fn public(config: &Config, signer: Option<Signer>, clock: TscClock) -> Result<Arena, RunError> {
    let family = config.venue.family.0;
    let missing = || RunError::Venue {
        at: "binance".to_owned(),
        problem: "trading there needs a key; set venue.key_file, venue.keyring or BOT4_API_KEY"
            .to_owned(),
    };
    let signer = signer.ok_or_else(missing)?;
    let tls_error = |problem| RunError::Venue { at: "TLS".to_owned(), problem };
    let tls = client_config(&Roots::WebPki).map_err(|error| tls_error(error.to_string()))?;
    let endpoint = |host: &str| -> Result<Endpoint, RunError> {
        let address = format!("{host}:443");
        let at = resolve(&address)
            .map_err(|problem| RunError::Venue { at: address.clone(), problem })?;
        Ok(Endpoint { at, host: host.to_owned(), tls: Some(Arc::clone(&tls)) })
    };
    let [market, orders, user] = paths::hosts(family);
    let rest = endpoint(rest::host(family))?;
    let listed = listed(config, &rest, rest::host(family), clock)?;
    Ok(Arena {
        family,
        endpoints: Endpoints {
            market: endpoint(market)?,
            orders: endpoint(orders)?,
            user: endpoint(user)?,
        },
        rest,
        signer,
        traders: traders(config, &listed)?,
        words: format!("Binance {}", family.name()),
        schedule: None,
        embedded: None,
    })
}

fn everywhere(endpoint: &Endpoint) -> Endpoints {
    Endpoints { market: endpoint.clone(), orders: endpoint.clone(), user: endpoint.clone() }
}

fn resolve(address: &str) -> Result<SocketAddr, String> {
    let found =
        address.to_socket_addrs().map_err(|error| format!("cannot be resolved: {error}"))?;
    let mut all: Vec<SocketAddr> = found.collect();
    all.sort_by_key(SocketAddr::is_ipv6); // loopback names give both; the venue listens on IPv4
    all.first().copied().ok_or_else(|| "has no address".to_owned())
}

/// What the venue itself says of the configured symbols.
fn listed(
    config: &Config,
    endpoint: &Endpoint,
    at: &str,
    clock: TscClock,
) -> Result<Vec<Instrument>, RunError> {
    let family = config.venue.family.0;
    let venue = |problem: String| RunError::Venue { at: at.to_owned(), problem };
    let request = rest::exchange_info(family);
    let mut rest = Rest::new(endpoint.clone());
    let never = AtomicBool::new(false);
    let response = finish(rest.call(&request, &clock, &never)).map_err(|error| {
        venue(format!(
            "no exchange information ({error}); is a venue there? `bot4 venue --listen ADDR` \
                 starts one"
        ))
    })?;
    answer::check(response.status, &response.body, None)
        .map_err(|error| venue(error.to_string()))?;
    let symbols: Vec<&str> = config.venue.symbols.iter().map(String::as_str).collect();
    Ok(metadata::instruments(&response.body, family, VenueId(0), &symbols)?)
}

/// Each lane's share of what is listed, with ids of its own, and its plan.
fn traders(config: &Config, listed: &[Instrument]) -> Result<Vec<Trader>, RunError> {
    let trader = |(index, lane): (usize, &Lane)| {
        let mut instruments: Vec<Instrument> = listed
            .iter()
            .filter(|of| lane.symbols.iter().any(|name| name == of.symbol.as_str()))
            .copied()
            .collect();
        for (id, instrument) in instruments.iter_mut().enumerate() {
            instrument.id = InstrumentId(id as u32);
        }
        let plan = config.plan(LaneId(index as u16), &instruments, 1)?;
        Ok(Trader { name: lane.name.clone(), core: lane.core, instruments, plan })
    };
    config.lanes.iter().enumerate().map(trader).collect()
}

/// Whether every configured symbol is in the captures, on its metadata's grid.
fn fits(config: &Config, held: &Captures) -> Result<(), RunError> {
    let file = config.venue.capture[0].clone();
    let unfit = |problem| RunError::Unfit { file: file.clone(), problem };
    let family = config.venue.family.0;
    if held.family != family {
        let problem =
            format!("captured from {}, and venue.family is {}", held.family.name(), family.name());
        return Err(unfit(problem));
    }
    let names: Vec<&str> = held.inferred.iter().map(|of| of.symbol.as_str()).collect();
    for symbol in &config.venue.symbols {
        let Some(at) = names.iter().position(|name| name == symbol) else {
            let problem = format!(
                "holds {}, not `{symbol}`; change venue.symbols or the capture",
                names.join(", ")
            );
            return Err(unfit(problem));
        };
        known(held, at).map_err(unfit)?;
    }
    Ok(())
}

/// Takes family and symbols from the captures; refuses a symbol without metadata.
fn adopt(config: &mut Config, held: &Captures) -> Result<(), RunError> {
    let file = config.venue.capture[0].clone();
    for at in 0..held.inferred.len() {
        known(held, at).map_err(|problem| RunError::Unfit { file: file.clone(), problem })?;
    }
    config.venue.family.0 = held.family;
    config.venue.symbols = held.inferred.iter().map(|of| of.symbol.to_string()).collect();
    Ok(())
}

fn known(held: &Captures, at: usize) -> Result<Instrument, String> {
    let inferred = &held.inferred[at];
    let symbol = inferred.symbol.as_str();
    held.known(inferred).ok_or_else(|| {
        match metadata::embedded(held.family, VenueId(0), &[symbol]) {
            Err(error) => format!(
                "{error}; a lane trades only what it has metadata for, `bot4 replay-capture` infers it"
            ),
            Ok(known) => format!(
                "{symbol} has prices or sizes off its grid (tick {}, lot {}): another venue or \
                 another year; `bot4 replay-capture` infers the grid",
                known[0].tick.step(),
                known[0].lot.step()
            ),
        }
    })
}
