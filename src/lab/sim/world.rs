//! The world of one seed: the engine's machine, the venue's, the network between them, and time.
//!
//! Time goes from event to event: whatever is due first happens next, at one instant first what befalls
//! the world, then the venue, then the engine. After every step the judge hears what the exchange and
//! the gate did; in a calm the engine's books are held against the venue's.
//! Invariant: seed, span and list of faults decide every byte and every state.

use super::clock::SimTime;
use super::disk::SimDisk;
use super::engine::{Birth, Engine, Stalled};
use super::faults::{Fault, FaultList};
use super::judge::{Invariant, Judge};
use super::net::{Machine, Network, SimNet};
use super::scenario::Scenario;
use super::tap::{Ear, Heard, Journalled, Tale};
use crate::host::cpu::Simd;
use crate::host::net::{Net, NetError, NetKind, NetSettings};
use crate::hot::drive::wire::Endpoint;
use crate::hot::drive::{DriveSettings, Endpoints, Turn};
use crate::hot::flaws::{Flaws, Sound};
use crate::hot::lane::LaneConfig;
use crate::journal::Durability;
use crate::lab::exchange::server::{House, ServerError, ServerSettings, Strike};
use crate::lab::exchange::{ClientId, ExchangeSettings, FlowSettings, QueueModel};
use crate::lab::stream::StreamError;
use crate::record::{Command, Plan};
use crate::units::{Currency, InstrumentId, LaneId, Money, Nanos, UnixNanos};
use std::collections::BTreeMap;

/// Where the engine runs.
pub const ENGINE: Machine = Machine(1);
/// Where the venue is.
pub const VENUE: Machine = Machine(2);
const PORT: u16 = 443;
/// The world's wall clock at its beginning: 14 November 2023, ten minutes before midnight UTC.
const WALL_AT_ZERO: UnixNanos = UnixNanos(1_700_005_800_000_000_000);
/// Seconds from which epochs of client order ids count, as `bot4 run` has it.
const EPOCH_ZERO: u64 = 1_700_000_000;
/// Between two diffs of a book.
const DIFF_PERIOD: Nanos = Nanos::from_millis(250);
/// Between two timer inputs of the lane.
const TIMER: Nanos = Nanos::from_millis(50);
/// Between two plans of the deep lane.
const PLAN_PERIOD: Nanos = Nanos(15 * 1_000_000_000);
/// Between two comparisons of books in a calm.
const COMPARE_PERIOD: Nanos = Nanos::SECOND;
/// Between two looks of the operator at a lane that is held back.
const OPERATOR_PERIOD: Nanos = Nanos(20 * 1_000_000_000);
/// A start that failed for lack of space is tried again after this.
const START_AGAIN: Nanos = Nanos(2 * 1_000_000_000);
/// Starts that may fail one after the other for what the disk does.
const STARTS_FAILED_MAX: u64 = 30;
/// A lane that was told to stop has this long.
const STOPPING_MAX: Nanos = Nanos(30 * 1_000_000_000);
/// Steps at one instant: more, and something waits for itself.
const STEPS_AT_ONCE_MAX: u64 = 100_000;
/// Whose account the engine's key is.
pub(super) const ACCOUNT: ClientId = ClientId(1);

/// Why a world cannot go on; a bug of the simulator, since it holds nothing else that fails.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The venue.
    #[error(transparent)]
    Venue(#[from] ServerError),
    /// A transport.
    #[error(transparent)]
    Net(#[from] NetError),
}

/// Something the world has to do at a time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Errand {
    Fault(Fault),
    Start,
    Publish,
    Compare,
    Operator,
    Activate,
    Mend,
}

/// Engine, venue and what lies between; `F` are the bugs planted in the engine.
pub struct World<F: Flaws = Sound> {
    pub(super) scenario: Scenario,
    pub(super) time: SimTime,
    pub(super) network: Network,
    pub(super) disk: SimDisk,
    pub(super) venue: House,
    venue_net: SimNet,
    venue_due: Nanos,
    pub(super) engine: Option<Engine<F>>,
    pub(super) stalled: Stalled,
    pub(super) judge: Judge,
    ear: Ear,
    errands: BTreeMap<(Nanos, u64), Errand>,
    errands_made: u64,
    /// Journal records that were handed to the disk when the last life was killed.
    pub(super) written_at_kill: u64,
    /// Those of them that were synced.
    pub(super) durable_at_kill: u64,
    /// When the effects of every fault so far are over.
    pub(super) over_at: Nanos,
    pub(super) no_plans_until: Nanos,
    pub(super) disk_fails_until: Nanos,
    plan: Box<Plan>,
    /// Milliseconds by which the wall clocks are off.
    pub(super) venue_skew: i64,
    pub(super) engine_skew: i64,
    pub(super) stopping: Option<(Nanos, Nanos)>,
    pub(super) start: Vec<(Currency, Money)>,
    counts: BTreeMap<&'static str, u64>,
    steps: u64,
    events_taken: u64,
    lives: u64,
    starts_failed: u64,
    /// When the engine's machine last booted, from which its clocks count.
    pub(super) booted_at: Nanos,
    stood_at: Nanos,
    steps_at_once: u64,
    /// A bit of what this life wrote and had not synced flipped.
    pub(super) rotten: bool,
}

impl World {
    /// A world at time zero, with the engine about to start.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn new(scenario: Scenario, faults: &FaultList) -> Result<World, WorldError> {
        World::of(scenario, faults)
    }
}

impl<F: Flaws> World<F> {
    /// The same, with or without bugs.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn of(scenario: Scenario, faults: &FaultList) -> Result<World<F>, WorldError> {
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
        let mut venue = House::new(settings, WALL_AT_ZERO)?;
        venue.keep_witness();
        let mut venue_net = network.open(VENUE, &bounds);
        venue_net.listen(VENUE.at(PORT))?;
        let time = SimTime::default();
        let mut world = World {
            judge: Judge::new(&scenario.instruments, &scenario.plan),
            disk: SimDisk::new(time.clone(), scenario.seed),
            plan: scenario.plan.clone(),
            scenario,
            time,
            network,
            venue,
            venue_net,
            venue_due: Nanos(0),
            engine: None,
            stalled: Stalled::default(),
            ear: Ear::default(),
            errands: BTreeMap::new(),
            errands_made: 0,
            written_at_kill: 0,
            durable_at_kill: 0,
            over_at: Nanos(0),
            no_plans_until: Nanos(0),
            disk_fails_until: Nanos(0),
            venue_skew: 0,
            engine_skew: 0,
            stopping: None,
            start: Vec::new(),
            counts: BTreeMap::new(),
            steps: 0,
            events_taken: 0,
            lives: 0,
            starts_failed: 0,
            booted_at: Nanos(0),
            stood_at: Nanos(0),
            steps_at_once: 0,
            rotten: false,
        };
        world.judge.wait_for_disk(world.scenario.journal.durability == Durability::Each);
        for fault in &faults.0 {
            world.later(fault.at, Errand::Fault(*fault));
        }
        world.later(Nanos(0), Errand::Start);
        world.later(PLAN_PERIOD, Errand::Publish);
        world.later(COMPARE_PERIOD, Errand::Compare);
        world.later(OPERATOR_PERIOD, Errand::Operator);
        Ok(world)
    }

    pub(super) fn later(&mut self, at: Nanos, errand: Errand) {
        self.errands_made += 1;
        self.errands.insert((at, self.errands_made), errand);
    }

    /// Lets everything happen until a time, or until an invariant is broken.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn run_until(&mut self, until: Nanos) -> Result<(), WorldError> {
        while self.judge.violation().is_none() && self.next_time() <= until {
            self.step()?;
        }
        Ok(())
    }

    /// Lets a seed live for `span` and end in good order; the judge has the last word.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn live(&mut self, span: Nanos) -> Result<(), WorldError> {
        self.run_until(span)?;
        self.stop_engine(Nanos(u64::MAX));
        self.run_until(span.plus(STOPPING_MAX).plus(Nanos::SECOND))?;
        if self.judge.violation().is_none() {
            self.check_end();
        }
        Ok(())
    }

    fn next_time(&self) -> Nanos {
        let engine =
            self.engine.as_ref().map_or(Nanos(u64::MAX), |engine| engine.next_time(self.stalled));
        let arrivals = self.venue_net.next_time().unwrap_or(Nanos(u64::MAX));
        let errand = self.errands.first_key_value().map_or(Nanos(u64::MAX), |((at, _), _)| *at);
        self.venue_due.min(arrivals).min(engine).min(errand)
    }

    /// The next thing happens.
    fn step(&mut self) -> Result<(), WorldError> {
        let now = self.next_time().max(self.time.now());
        self.time.set(now);
        self.network.set_time(now);
        self.steps += 1;
        self.steps_at_once = if now > self.stood_at { 0 } else { self.steps_at_once + 1 };
        self.stood_at = now;
        if self.steps_at_once > STEPS_AT_ONCE_MAX {
            let words = format!("{STEPS_AT_ONCE_MAX} steps and no time passes");
            self.judge.breach(Invariant::Alive, words);
        }
        (self.judge.now, self.judge.step) = (now, self.steps);
        while let Some(first) = self.errands.first_entry()
            && first.key().0 <= now
        {
            let errand = first.remove();
            self.run_errand(errand, now);
        }
        if self.venue_due <= now || self.venue_net.next_time().is_some_and(|at| at <= now) {
            let wall = skewed(UnixNanos(WALL_AT_ZERO.0 + now.0), self.venue_skew);
            let rest = self.venue.turn(&mut self.venue_net, now, wall);
            self.venue_due = now.plus(rest);
            self.hear();
        }
        let stalled = self.stalled;
        if let Some(engine) = self.engine.as_mut().filter(|of| of.next_time(stalled) <= now) {
            let turn = engine.turn(now, stalled)?;
            let trouble = engine.trouble.take();
            self.hear();
            if let Some(words) = trouble {
                self.judge.breach(Invariant::Replay, words);
            }
            if let Some(engine) = &self.engine {
                self.judge.check_limits(engine.lane());
            }
            if turn == Turn::Ended {
                self.engine_ended(now);
            }
        }
        Ok(())
    }

    /// The judge hears what the gate said and what the exchange received and did.
    fn hear(&mut self) {
        let (judge, venue) = (&mut self.judge, &mut self.venue);
        let journal = self.engine.as_ref().map(|engine| Journalled::of(engine.health()));
        self.ear.take(&mut |heard: Heard| judge.heard(&heard));
        let (tale, now) = (self.ear.tale(), self.time.now());
        venue.take_witnessed(&mut |what| {
            tale.add(|| format!("{:>14} venue {what:?}", now.0));
            judge.witness(&what, journal);
        });
    }

    fn run_errand(&mut self, errand: Errand, now: Nanos) {
        match errand {
            Errand::Fault(fault) => {
                self.ear.tale().add(|| format!("{:>14} fault {fault}", now.0));
                *self.counts.entry(fault.kind.name()).or_insert(0) += 1;
                self.over_at = self.over_at.max(fault.over_at());
                self.later(self.over_at, Errand::Mend);
                self.judge.calm_is_over();
                self.strike(&fault, now);
            }
            Errand::Mend if now >= self.over_at => self.venue.strike(Strike::Mend),
            Errand::Mend => {}
            Errand::Start => self.start_engine(now),
            Errand::Publish => {
                self.later(now.plus(PLAN_PERIOD), Errand::Publish);
                if now >= self.no_plans_until {
                    self.publish(now);
                }
            }
            Errand::Compare => {
                self.later(now.plus(COMPARE_PERIOD), Errand::Compare);
                self.compare(now);
            }
            Errand::Operator => {
                self.later(now.plus(OPERATOR_PERIOD), Errand::Operator);
                self.operate(now);
            }
            Errand::Activate => {
                if let Some(engine) = &self.engine {
                    engine.command(Command::Activate);
                }
            }
        }
    }

    /// The deep lane publishes another plan.
    fn publish(&mut self, now: Nanos) {
        let (scenario, version) = (&self.scenario, self.plan.version + 1);
        let index = now.0 / PLAN_PERIOD.0;
        let plan = super::plans::successor(&scenario.plan, scenario.seed, index);
        *self.plan = Plan { version, ..plan };
        if let Some(engine) = &mut self.engine {
            self.judge.published(&self.plan, now);
            engine.publish(&self.plan);
        }
        self.hear(); // a plan leads to orders at once
        if let Some(engine) = &self.engine {
            self.judge.check_limits(engine.lane());
        }
    }

    /// A plan that no deep lane would publish on purpose.
    pub(super) fn publish_absurd(&mut self, way: usize) {
        self.plan.version += 1;
        if let Some(engine) = &mut self.engine {
            engine.publish(&super::plans::absurd(&self.plan, way));
        }
        self.hear();
    }

    /// What a person does: restarts an engine whose journal has failed, and activates a lane that only a
    /// person can, once the trouble is over.
    fn operate(&mut self, now: Nanos) {
        let Some(engine) = &self.engine else { return };
        if now < self.disk_fails_until || self.stopping.is_some() {
            return;
        }
        if engine.health().failure().is_some() || engine.health().lacks_room_ahead() {
            self.stop_engine(now.plus(Nanos::SECOND));
        } else if engine.lane().mode() != crate::record::Mode::Active {
            engine.command(Command::Activate);
        }
    }

    // ---- lives of the engine ----

    fn start_engine(&mut self, now: Nanos) {
        if self.engine.is_some() {
            return;
        }
        let of = &self.scenario;
        let endpoint = Endpoint { at: VENUE.at(PORT), host: "venue".to_owned(), tls: None };
        let clock = self.time.clock(self.booted_at);
        let wall = |at: Nanos| skewed(UnixNanos(WALL_AT_ZERO.0 + at.0), self.engine_skew);
        let epoch = ((wall(now).0 / 1_000_000_000).saturating_sub(EPOCH_ZERO) << 4) as u32;
        let settings = DriveSettings {
            family: of.family,
            lane: LaneConfig { lane: LaneId(0), family: of.family, epoch },
            instruments: of.instruments.clone(),
            resumed: None,
            shared_assets: Vec::new(),
            plan: self.plan.clone(),
            endpoints: Endpoints {
                market: endpoint.clone(),
                orders: endpoint.clone(),
                user: endpoint.clone(),
            },
            signer: Some(of.signer.clone()),
            transport: NetKind::Epoll,
            busy: true,
            timer: TIMER,
            simd: Simd::detect(),
            seed: of.seed.wrapping_add(now.0),
            wall_at_zero: wall(self.booted_at),
            schedule: None,
            warm_up: u64::MAX,
        };
        let shown = now.since(self.booted_at).0;
        self.ear.tale().add(|| format!("{:>14} the engine starts; its clock shows {shown}", now.0));
        let born = Engine::start(Birth {
            machine: ENGINE,
            network: &self.network,
            disk: &self.disk,
            clock: &clock,
            settings,
            rest: endpoint,
            dead_man: of.dead_man,
            journal: of.journal,
            ring_words: of.ring_words,
            snapshot_records: of.snapshot_records,
            ear: &self.ear,
        });
        match born {
            Ok(engine) => self.begin_life(engine, now),
            // Rotten bits are refused, as they must be; a copy of the files is restored.
            Err(_) if self.disk.restore() => self.later(now, Errand::Start),
            // A disk that fails a start is looked at, and the start tried again.
            Err(StreamError::Writer(_) | StreamError::NotDurable(_))
                if self.starts_failed < STARTS_FAILED_MAX =>
            {
                self.starts_failed += 1;
                self.later(now.plus(START_AGAIN), Errand::Start);
            }
            Err(error) => self.judge.breach(Invariant::Recovery, error.to_string()),
        }
    }

    fn begin_life(&mut self, engine: Engine<F>, now: Nanos) {
        if engine.recovered < self.written_at_kill {
            let (found, written) = (engine.recovered, self.written_at_kill);
            let words = format!("{found} records of {written} that were written are left");
            self.judge.breach(Invariant::Recovery, words);
        }
        self.check_recovered(engine.recovered_hash);
        self.lives += 1;
        self.starts_failed = 0;
        self.written_at_kill = 0;
        self.rotten = false;
        self.engine = Some(engine);
        self.judge.published(&self.plan, now);
        self.over_at = self.over_at.max(now);
    }

    /// Tells the lane to stop; once it has, it starts again at `again`.
    pub(super) fn stop_engine(&mut self, again: Nanos) {
        if let Some(engine) = &self.engine {
            engine.stop();
            self.stopping = Some((self.time.now(), again));
        } else if again == Nanos(u64::MAX) {
            self.errands.retain(|_, errand| !matches!(errand, Errand::Start));
        }
    }

    fn engine_ended(&mut self, now: Nanos) {
        let Some(engine) = self.engine.take() else { return };
        engine.stop_clerk();
        self.events_taken += engine.events();
        let failed = engine.health().failure().is_some();
        let (lane, is_whole) = engine.finish();
        self.network.kill(ENGINE);
        // the last sync may fail too
        if is_whole {
            self.check_replay(lane.state_hash(), lane.sequence());
        }
        let again = self.stopping.take().map_or(now, |(_, again)| again);
        if again < Nanos(u64::MAX) {
            self.later(again.max(now), Errand::Start);
        } else if !failed {
            self.judge.compare_at_end(lane.ledger());
        }
    }

    /// The engine's process is killed, with or without its machine's power; it starts again at `again`.
    pub(super) fn kill_engine(&mut self, power: Option<u64>, again: Nanos) {
        let Some(engine) = self.engine.take() else { return };
        self.events_taken += engine.events();
        self.stopping = None;
        match power {
            Some(pick) => {
                self.written_at_kill = engine.health().durable();
                drop(engine);
                self.booted_at = self.time.now();
                self.network.lose_power(ENGINE);
                self.disk.lose_power(pick);
            }
            None => {
                // A bit that flips before the sync makes a torn tail of all that comes behind it.
                let health = engine.health();
                self.written_at_kill =
                    if self.rotten { health.durable() } else { health.written() };
                drop(engine);
                self.network.kill(ENGINE);
                self.disk.kill();
            }
        }
        self.later(again, Errand::Start);
    }

    // ---- figures ----

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Events of the market and of the account that lanes took.
    #[must_use]
    pub fn events_taken(&self) -> u64 {
        self.events_taken + self.engine.as_ref().map_or(0, Engine::events)
    }

    /// Lives of the engine.
    #[must_use]
    pub fn lives(&self) -> u64 {
        self.lives
    }

    /// Faults so far by kind.
    #[must_use]
    pub fn faults(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// What happened, in words, from when it is told to listen.
    #[must_use]
    pub fn tale(&self) -> &Tale {
        self.ear.tale()
    }

    /// The judge.
    #[must_use]
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// The engine, while it lives.
    #[must_use]
    pub fn engine(&self) -> Option<&Engine<F>> {
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

    /// The instrument that a fault means.
    pub(super) fn instrument(&self, arg: i64) -> InstrumentId {
        InstrumentId((arg.unsigned_abs() % self.scenario.instruments.len() as u64) as u32)
    }
}

/// A wall clock that is off by so many milliseconds.
fn skewed(wall: UnixNanos, millis: i64) -> UnixNanos {
    UnixNanos(wall.0.saturating_add_signed(millis.saturating_mul(1_000_000)))
}

/// A thin crowd that trades often, so that few events a second make fills, partial ones too.
fn lively(usual: FlowSettings) -> FlowSettings {
    let mut flow = FlowSettings { depth_orders: 24, reach: 24, volatility: 6.0, ..usual };
    flow.hawkes.shares = [0.21, 0.21, 0.15, 0.15, 0.14, 0.14];
    flow
}
