//! One life of the engine on its machine: the real driver, clerk and journal over simulated sockets,
//! disk and time.
//!
//! A life begins as `bot4 run` begins one: the stream is recovered, a new life is opened behind it, and
//! only then is the driver made. The driver is turned when something arrived or is due; the clerk, a
//! future, when something arrived for it and at a fixed period, since nobody outside knows what it waits
//! for; the journal's writer after every turn and when the disk has finished something.
//! Deliberately absent: the guard's thread; a life that ends is a killed process.

use super::clock::SimClock;
use super::disk::SimDisk;
use super::net::{Machine, Network, SimNet};
use super::tap::{Ear, Tap};
use crate::host::clock::Clock;
use crate::host::net::{NetError, NetSettings, Wait};
use crate::host::ring::ring;
use crate::hot::drive::clerk::{self, ClerkSettings};
use crate::hot::drive::rest::Rest;
use crate::hot::drive::wire::Endpoint;
use crate::hot::drive::{Controls, DriveSettings, Driver, Resumed, Turn};
use crate::hot::flaws::{Flaws, Sound};
use crate::hot::lane::Lane;
use crate::journal::{Durability, Health, Progress, Settings, Writer};
use crate::lab::stream::{self, Beginning, Follower, From, StreamError};
use crate::market::book::Ladder;
use crate::record::{Command, Plan, Source};
use crate::units::{Nanos, UnixNanos};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

/// Asks and answers that may wait between driver and clerk.
const RING: usize = 64;
/// Between two polls of a clerk for whom nothing arrived.
const CLERK_PERIOD: Nanos = Nanos::from_millis(20);
/// Between two looks of the writer at its ring, beyond those that something calls for.
const WRITER_PERIOD: Nanos = Nanos::from_millis(5);
/// Bounds of the driver's sockets, as `drive` opens them.
const LANE_NET: NetSettings = NetSettings { connections: 12, listeners: 1, ..DEFAULT_NET };
/// Bounds of the clerk's.
const CLERK_NET: NetSettings = NetSettings { connections: 4, listeners: 1, ..DEFAULT_NET };
const DEFAULT_NET: NetSettings = NetSettings {
    connections: 0,
    listeners: 0,
    send_buffer: 256 * 1_024,
    receive_buffer: 32 * 1_024,
    receive_buffers: 1,
    napi_busy_poll_us: 0,
};

/// What a life is begun with.
pub struct Birth<'a> {
    /// Where.
    pub machine: Machine,
    /// Its network.
    pub network: &'a Network,
    /// Its disk.
    pub disk: &'a SimDisk,
    /// Its clock, which counts from its boot.
    pub clock: &'a SimClock,
    /// How it drives; the epoch of client order ids is that of a first life.
    pub settings: DriveSettings,
    /// Where REST is.
    pub rest: Endpoint,
    /// Countdown of the venue's dead man's switch.
    pub dead_man: Nanos,
    /// How the journal is written.
    pub journal: Settings,
    /// Words of the journal's ring.
    pub ring_words: usize,
    /// Records between two snapshots.
    pub snapshot_records: u64,
    /// Who hears what the gate says.
    pub ear: &'a Ear,
}

/// A running engine, with bugs where the world plants them.
pub struct Engine<F: Flaws = Sound> {
    driver: Driver<SimClock, Tap, F>,
    net: SimNet,
    controls: Controls,
    clerk: Pin<Box<dyn Future<Output = ()>>>,
    clerk_endpoint: usize,
    clerk_due: Nanos,
    clerk_polled: Nanos,
    clerk_stop: Arc<AtomicBool>,
    writer: Writer<SimDisk>,
    writer_due: Nanos,
    durability: Durability,
    health: Arc<Health>,
    disk: SimDisk,
    network: Network,
    clock: SimClock,
    /// What stood in the journal before this life.
    pub recovered: u64,
    /// Hash of the recovered lane, where there was one.
    pub recovered_hash: Option<u64>,
    /// Follows what is written, for snapshots.
    follower: Follower<F>,
    /// Why it could not: a bug.
    pub trouble: Option<String>,
}

impl<F: Flaws> Engine<F> {
    /// Begins a life behind those before it.
    ///
    /// # Errors
    /// When the journal cannot be recovered or gone on with.
    pub fn start(of: Birth<'_>) -> Result<Engine<F>, StreamError> {
        let Birth { network, clock, mut settings, rest, .. } = of;
        let mut disk = of.disk.clone();
        let mut left = stream::recover_as::<F>(&mut disk, From::Snapshot, None)?;
        if left.replica.has_begun() {
            settings.lane.epoch = left.replica.next_epoch();
        }
        let recovered = left.tail.as_ref().map_or(0, |tail| tail.next - 1);
        let recovered_hash = left.replica.lane().map(Lane::state_hash);
        let behind = left.records;
        let ended_at = left.replica.wall();
        let lane = left.replica.lane_for(settings.lane, &settings.instruments)?;
        let resumed = lane.map(|lane| Resumed { lane, ended_at });
        let beginning = Beginning {
            run: u128::from(settings.seed),
            lane: settings.lane,
            name: "simulated",
            instruments: &settings.instruments,
            wall_at_zero: settings.wall_at_zero,
            boot: u128::from(clock.world(Nanos(0)).0),
            settings: of.journal,
            ring_words: of.ring_words,
        };
        let (writer, recorder) =
            stream::begin(disk, &beginning, left.tail.as_ref(), &mut left.replica, clock.now())?;
        let controls = Controls::default();
        let (ask, asked) = ring(RING);
        let (answer, answered) = ring(RING);
        let clerk_settings = ClerkSettings {
            family: settings.family,
            endpoint: rest.clone(),
            instruments: settings.instruments.clone(),
            signer: settings.signer.clone(),
            dead_man: of.dead_man,
            wall_at_zero: settings.wall_at_zero,
        };
        let net = network.open(of.machine, &LANE_NET);
        let clerk_net = network.open(of.machine, &CLERK_NET);
        let clerk_endpoint = clerk_net.endpoint();
        let clerk_stop = Arc::new(AtomicBool::new(false));
        let (stop, pulse, time) =
            (Arc::clone(&clerk_stop), Arc::clone(&controls.pulse), clock.clone());
        let clerk = Box::pin(async move {
            let rest = Rest::over(rest, Box::new(clerk_net));
            clerk::work(clerk_settings, rest, time, &pulse, asked, answer, &stop).await;
        });
        let tap = Tap::new(recorder, of.ear.clone());
        let health = writer.health();
        Ok(Engine {
            driver: Driver::resuming(resumed, settings, tap, clock.clone(), ask, answered),
            net,
            controls,
            clerk,
            clerk_endpoint,
            clerk_due: Nanos(0),
            clerk_polled: Nanos(0),
            clerk_stop,
            writer,
            writer_due: Nanos(0),
            durability: of.journal.durability,
            health,
            disk: of.disk.clone(),
            network: network.clone(),
            clock: clock.clone(),
            recovered,
            recovered_hash,
            follower: Follower::new(left.replica, behind, of.snapshot_records),
            trouble: None,
        })
    }

    /// When the engine has something to do next, world time. `stalled` are those of its threads that get
    /// no time before then.
    #[must_use]
    pub fn next_time(&self, stalled: Stalled) -> Nanos {
        let lane = at_once(self.net.next_time(), self.clock.world(self.driver.due()));
        let clerk = self.clerk_next();
        let writer = at_once(self.disk.next_time(), self.writer_due);
        lane.min(clerk.max(stalled.clerk)).min(writer.max(stalled.writer))
    }

    /// Does what is due at `now`; says whether the lane goes on.
    ///
    /// # Errors
    /// When the transport fails as a whole, which it does not here.
    pub fn turn(&mut self, now: Nanos, stalled: Stalled) -> Result<Turn, NetError> {
        let is_due = |at: Nanos| at <= now;
        let mut turn = Turn::Runs;
        if is_due(at_once(self.net.next_time(), self.clock.world(self.driver.due()))) {
            turn = self.driver.turn(&mut self.net, Wait::Busy, &self.controls)?;
            self.writer_due = self.writer_due.min(now);
        }
        if is_due(self.clerk_next().max(stalled.clerk)) {
            self.clerk_due = now.plus(CLERK_PERIOD);
            self.clerk_polled = now;
            let mut context = Context::from_waker(Waker::noop());
            // It ends when it is told to stop; until then it is never ready.
            let _ = self.clerk.as_mut().poll(&mut context);
        }
        let writer = at_once(self.disk.next_time(), self.writer_due);
        if is_due(writer.max(stalled.writer)) {
            self.write(now);
            if self.durability == Durability::Each {
                // What waited for the disk may leave now.
                turn = self.driver.turn(&mut self.net, Wait::Busy, &self.controls)?;
            }
        }
        Ok(turn)
    }

    /// When the clerk gets the next turn. What it left unread when it was polled last, it does not wait
    /// for: a clerk with nothing to do does not look at its sockets.
    fn clerk_next(&self) -> Nanos {
        let arrival = self.network.next_time(self.clerk_endpoint);
        at_once(arrival.filter(|at| *at > self.clerk_polled), self.clerk_due)
    }

    /// Lets the writer do what it can.
    fn write(&mut self, now: Nanos) -> Progress {
        let at = self.clock.now();
        let progress = loop {
            let progress = turn(&mut self.writer, &mut self.follower, &mut self.trouble, at);
            if progress != Progress::Worked {
                break progress;
            }
        };
        let bound = match self.durability {
            Durability::Group(bound) => bound,
            Durability::None | Durability::Each => WRITER_PERIOD,
        };
        self.writer_due = now.plus(bound.max(Nanos(1_000)));
        progress
    }

    /// Ends a life whose lane has ended: closes its lines, and lets the journal come to its end; whether
    /// that is whole.
    #[must_use]
    pub fn finish(self) -> (Lane<Ladder, F>, bool) {
        let Engine { driver, mut net, mut writer, mut follower, clock, health, .. } = self;
        let report = driver.finish(&mut net);
        let mut trouble = None;
        let mut turn = |writer: &mut _| turn(writer, &mut follower, &mut trouble, clock.now());
        while !matches!(turn(&mut writer), Progress::Ended | Progress::Failed) {
            writer.rest(Nanos::SECOND, clock.now());
        }
        (report.lane, health.is_fine())
    }

    /// Tells the lane to halt, cancel and end.
    pub fn stop(&self) {
        self.controls.stop.store(true, Ordering::Release);
    }

    /// Tells the clerk to end, once the lane has.
    pub fn stop_clerk(&self) {
        self.clerk_stop.store(true, Ordering::Release);
    }

    /// An operator's command.
    pub fn command(&self, command: Command) {
        self.controls.ask(command, Source::Operator);
    }

    /// A plan is published.
    pub fn publish(&mut self, plan: &Plan) {
        self.driver.publish_plan(plan);
    }

    /// The driver, to look at.
    #[must_use]
    pub fn driver(&self) -> &Driver<SimClock, Tap, F> {
        &self.driver
    }

    /// The lane, to look at.
    #[must_use]
    pub fn lane(&self) -> &Lane<Ladder, F> {
        self.driver.pipeline().lane()
    }

    /// Events of the market and of the account that this life took.
    #[must_use]
    pub fn events(&self) -> u64 {
        let inputs = self.lane().report().inputs;
        inputs.market + inputs.executions
    }

    /// How the journal fares.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The engine's wall clock.
    #[must_use]
    pub fn wall(&self, wall_at_zero: UnixNanos) -> UnixNanos {
        UnixNanos(wall_at_zero.0.saturating_add(self.clock.now().0))
    }
}

/// One turn of the writer, which the follower follows; saves its state when it is time.
fn turn<F: Flaws>(
    writer: &mut Writer<SimDisk>,
    follower: &mut Follower<F>,
    trouble: &mut Option<String>,
    at: Nanos,
) -> Progress {
    let progress = writer.turn_with(at, &mut |record, time, kind, words| {
        if let Err(error) = follower.take(record, time, kind, words) {
            trouble.get_or_insert(error.to_string());
        }
    });
    if writer.may_save()
        && let Some(bytes) = follower.snapshot()
    {
        writer.save(bytes);
    }
    progress
}

/// Until when threads of the engine get no time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stalled {
    /// The clerk's.
    pub clerk: Nanos,
    /// The journal's.
    pub writer: Nanos,
}

fn at_once(arrival: Option<Nanos>, due: Nanos) -> Nanos {
    arrival.map_or(due, |at| at.min(due))
}
