//! The world of one seed: the engine's machine, the venue's, the network between them, and time.
//!
//! Time goes from event to event: whatever is due first happens next, at one instant the venue before
//! the engine. Invariant: a seed decides every byte and every state.

use super::clock::SimTime;
use super::engine::Engine;
use super::net::{Machine, Network, SimNet};
use super::scenario::Scenario;
use crate::host::cpu::Simd;
use crate::host::net::{Net, NetError, NetKind, NetSettings};
use crate::hot::drive::wire::Endpoint;
use crate::hot::drive::{DriveSettings, Endpoints};
use crate::hot::lane::LaneConfig;
use crate::lab::exchange::server::{House, ServerError, ServerSettings};
use crate::lab::exchange::{ExchangeSettings, FlowSettings, QueueModel};
use crate::units::{LaneId, Nanos, UnixNanos};

/// Where the engine runs.
pub const ENGINE: Machine = Machine(1);
/// Where the venue is.
pub const VENUE: Machine = Machine(2);
const PORT: u16 = 443;
/// The world's wall clock at its beginning: 14 November 2023.
const WALL_AT_ZERO: UnixNanos = UnixNanos(1_700_000_000_000_000_000);
/// Between two diffs of a book.
const DIFF_PERIOD: Nanos = Nanos::from_millis(250);

/// Why a world cannot go on; a bug, since it holds nothing that fails.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The venue.
    #[error(transparent)]
    Venue(#[from] ServerError),
    /// A transport.
    #[error(transparent)]
    Net(#[from] NetError),
}

/// Engine, venue and what lies between.
pub struct World {
    scenario: Scenario,
    time: SimTime,
    network: Network,
    venue: House,
    venue_net: SimNet,
    venue_due: Nanos,
    engine: Option<Engine>,
    steps: u64,
}

impl World {
    /// A world at time zero, with the engine about to start.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn new(scenario: Scenario) -> Result<World, WorldError> {
        let network = Network::new(scenario.network, scenario.seed);
        let exchange = ExchangeSettings {
            family: scenario.family,
            seed: scenario.seed,
            rate: scenario.rate,
            latency_in: scenario.venue_latency,
            latency_out: scenario.venue_latency,
            queue_model: QueueModel::Power(1),
            diff_period: DIFF_PERIOD,
            wall_at_zero: UnixNanos(0),
        };
        let mut settings = ServerSettings::new(exchange, scenario.instruments.clone());
        settings.key = Some(scenario.signer.clone());
        settings.crowd = lively;
        let bounds = NetSettings { connections: settings.connections, ..NetSettings::default() };
        let venue = House::new(settings, WALL_AT_ZERO)?;
        let mut venue_net = network.open(VENUE, &bounds);
        venue_net.listen(VENUE.at(PORT))?;
        let (time, venue_due) = (SimTime::default(), Nanos(0));
        let mut world =
            World { scenario, time, network, venue, venue_net, venue_due, engine: None, steps: 0 };
        world.start_engine();
        Ok(world)
    }

    fn start_engine(&mut self) {
        let of = &self.scenario;
        let endpoint = Endpoint { at: VENUE.at(PORT), host: "venue".to_owned(), tls: None };
        let clock = self.time.clock(self.time.now());
        let settings = DriveSettings {
            family: of.family,
            lane: LaneConfig { lane: LaneId(0), family: of.family, epoch: 1 },
            instruments: of.instruments.clone(),
            resumed: None,
            shared_assets: Vec::new(),
            plan: of.plan.clone(),
            endpoints: Endpoints {
                market: endpoint.clone(),
                orders: endpoint.clone(),
                user: endpoint.clone(),
            },
            signer: Some(of.signer.clone()),
            transport: NetKind::Epoll,
            busy: true,
            simd: Simd::detect(),
            seed: of.seed,
            wall_at_zero: UnixNanos(WALL_AT_ZERO.0 + self.time.now().0),
            schedule: None,
            warm_up: u64::MAX,
        };
        let engine = Engine::start(settings, endpoint, of.dead_man, &self.network, ENGINE, &clock);
        self.engine = Some(engine);
    }

    /// Lets everything happen until a time.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn run_until(&mut self, until: Nanos) -> Result<(), WorldError> {
        while self.next_time() <= until {
            self.step()?;
        }
        Ok(())
    }

    fn next_time(&self) -> Nanos {
        let engine = self.engine.as_ref().map_or(Nanos(u64::MAX), Engine::next_time);
        let arrivals = self.venue_net.next_time().unwrap_or(Nanos(u64::MAX));
        self.venue_due.min(arrivals).min(engine)
    }

    /// The next thing happens.
    fn step(&mut self) -> Result<(), WorldError> {
        let now = self.next_time().max(self.time.now());
        self.time.set(now);
        self.network.set_time(now);
        self.steps += 1;
        if self.venue_due <= now || self.venue_net.next_time().is_some_and(|at| at <= now) {
            let wall = UnixNanos(WALL_AT_ZERO.0 + now.0);
            let rest = self.venue.turn(&mut self.venue_net, now, wall);
            self.venue_due = now.plus(rest);
        }
        if let Some(engine) = self.engine.as_mut().filter(|of| of.next_time() <= now) {
            engine.turn(now)?;
        }
        Ok(())
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The engine, while it lives.
    #[must_use]
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// The venue.
    #[must_use]
    pub fn venue(&self) -> &House {
        &self.venue
    }

    /// Hash and number of all bytes that reached anybody.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        self.network.traffic()
    }
}

/// A thin crowd that trades often, so that few events a second make fills, partial ones too.
fn lively(usual: FlowSettings) -> FlowSettings {
    let mut flow = FlowSettings { depth_orders: 24, reach: 24, volatility: 6.0, ..usual };
    flow.hawkes.shares = [0.21, 0.21, 0.15, 0.15, 0.14, 0.14];
    flow
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::OrderCounts;

    fn run(seed: u64, seconds: u64) -> World {
        let mut world = World::new(Scenario::of(seed).unwrap()).unwrap();
        world.run_until(Nanos(seconds * 1_000_000_000)).unwrap();
        world
    }

    #[test]
    fn a_seed_repeats_every_byte_and_another_differs() {
        for seed in 0..6 {
            let (first, second) = (run(seed, 20), run(seed, 20));
            let hash = |world: &World| {
                let lane = world.engine().unwrap().driver().pipeline().lane();
                (world.traffic(), world.steps(), lane.state_hash(), lane.orders_hash())
            };
            assert_eq!(hash(&first), hash(&second), "seed {seed}");
            let lane = first.engine().unwrap().driver().pipeline().lane();
            let OrderCounts { sent, fills, .. } = lane.ledger().counts();
            println!("seed {seed}: {sent} orders, {fills} fills, {} steps", first.steps());
            assert!(sent > 1 && fills > 0, "seed {seed} trades");
            assert_ne!(hash(&first), hash(&run(seed + 100, 20)), "seed {seed}");
        }
    }
}
