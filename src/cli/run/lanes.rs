//! The threads of a run: per lane its own, its clerk and its guard.

use super::RunError;
use super::control::{self, Control};
use super::journal::{Folder, Journal, JournalReport, LaneSettings};
use super::market::{Arena, Trader};
use super::talk::Commanded;
use crate::cli::config::{Config, Transport, WaitMode};
use crate::host::clock::{Clock, TscClock};
use crate::host::cpu::Simd;
use crate::host::memory::{self, Locked};
use crate::host::net::{NetError, NetKind};
use crate::host::pin::{self, PinError};
use crate::host::placement::{self, Placement, Wishes};
use crate::host::ring::ring;
use crate::host::system::System;
use crate::host::topology::Topology;
use crate::hot::drive::clerk::{self, ClerkSettings};
use crate::hot::drive::rest::{Rest, finish};
use crate::hot::drive::{Controls, DriveReport, DriveSettings, TIMER_PERIOD, drive};
use crate::hot::guard::{self, Death};
use crate::hot::lane::{LANES_MAX, LaneConfig};
use crate::hot::recorder::{RingRecorder, Unrecorded};
use crate::journal::SealKey;
use crate::record::{Command, Source};
use crate::units::{Currency, LaneId, Nanos, UnixNanos};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Asks and answers that may wait between a lane and its clerk.
const RING: usize = 64;
/// Silence of a lane after which the guard cancels everything.
const GUARD_BOUND: Nanos = Nanos(2_000_000_000);
/// How often it tries, and the pause between: a line that was refused may be open a moment later.
const GUARD_TRIES: usize = 8;
const GUARD_PAUSE: Duration = Duration::from_millis(500);
/// Countdown of the venue's dead man's switch.
const DEAD_MAN: Nanos = Nanos(10_000_000_000);
/// Market frames before allocations count: handshakes, snapshots and first quotes are over.
const WARM_UP: u64 = 1_000;
/// Seconds from which epochs of client order ids count: 14 November 2023.
const EPOCH_ZERO: u64 = 1_700_000_000;
/// Bits of an epoch.
const EPOCH_MASK: u32 = 0x00ff_ffff;

/// A finished lane.
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// What it left behind; none when it died.
    pub report: Option<DriveReport>,
    /// Its journal.
    pub journal: Option<JournalReport>,
}

/// Where everything ran, in words and numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Seats {
    /// CPU of each lane, where it could be pinned.
    pub cpus: Vec<Option<u32>>,
    /// Whether each lane spun.
    pub busy: Vec<bool>,
    /// What the machine could not give.
    pub concessions: Vec<String>,
    /// How the clock reads time.
    pub clock: String,
}

struct Running {
    name: String,
    controls: Arc<Controls>,
    lane: JoinHandle<Result<DriveReport, NetError>>,
    clerk: JoinHandle<()>,
    clerk_stop: Arc<AtomicBool>,
    guard: JoinHandle<Option<(Death, Result<(), String>)>>,
    journal: Option<Journal>,
}

/// Every lane of a run.
pub struct Lanes {
    running: Vec<Running>,
    seats: Seats,
    control: Control,
}

/// Starts every lane with its clerk and its guard; each takes one of the keys that sign its journal.
///
/// # Errors
/// When a configured core is not to be had, or a thread cannot be started.
pub fn start(
    config: &Config,
    arena: &Arena,
    mut seal_keys: Vec<SealKey>,
    clock: TscClock,
) -> Result<Lanes, RunError> {
    let allowed = pin::allowed();
    for trader in &arena.traders {
        if let Some(cpu) = trader.core.filter(|cpu| !allowed.contains(cpu)) {
            let cause = PinError::NotAllowed { cpu, allowed };
            return Err(RunError::Core { lane: trader.name.clone(), cause });
        }
    }
    let wall_at_zero = wall_at_zero(&clock);
    let wall = UnixNanos(wall_at_zero.0.saturating_add(clock.now().0));
    let folder = Folder::of(config, wall);
    for other in folder.iter().flat_map(|of| of.left_alone(arena.traders.len())) {
        let other = other.display();
        eprintln!(
            "bot4: {other} is the journal of a lane that this configuration does not have: what it \
             left at the venue, nobody looks after"
        );
    }
    let doors = control::open(config, folder.as_ref().map(|of| of.path.as_path()))?;
    let (placement, mut concessions) = place(arena.traders.len());
    if let Some(problem) = lock_memory() {
        concessions.push(problem);
    }
    let mut seats = Seats { concessions, clock: words(&clock), ..Seats::default() };
    let seconds = (wall_at_zero.0 + clock.now().0) / 1_000_000_000;
    let mut running = Vec::new();
    for (index, trader) in arena.traders.iter().enumerate() {
        let seat = placement.as_ref().and_then(|of| of.lanes.get(index).copied());
        let cpu = trader.core.or(seat);
        let alone = placement.as_ref().is_some_and(|of| of.spin.get(index) == Some(&true));
        let wants = config.venue.wait == WaitMode::Busy;
        let busy = wants && (alone || trader.core.is_some());
        if wants && !busy {
            let name = &trader.name;
            seats.concessions.push(format!(
                "lane `{name}` sleeps in the kernel: spinning needs a core of its own"
            ));
        }
        seats.busy.push(busy);
        // Where no journal says which epochs were used: a second's, of 24 bits, comes again after 12 days,
        // when no order of it works.
        let first_epoch = ((seconds.saturating_sub(EPOCH_ZERO) * u64::from(LANES_MAX)) as u32
            | index as u32)
            & EPOCH_MASK;
        let lane = LaneId(index as u16);
        let opened = match &folder {
            Some(folder) => {
                let told = LaneSettings {
                    lane,
                    name: &trader.name,
                    family: arena.family,
                    instruments: &trader.instruments,
                    first_epoch,
                    wall_at_zero,
                };
                Some(folder.open(&told, seal_keys.pop(), clock)?)
            }
            None => None,
        };
        let epoch = opened.as_ref().map_or(first_epoch, |of| of.epoch);
        if let Some(of) = &opened {
            eprintln!("bot4: {}", of.words);
        }
        let (resumed, journal) = match opened {
            Some(of) => (of.resumed, Some((of.recorder, of.journal))),
            None => (None, None),
        };
        let settings = DriveSettings {
            family: arena.family,
            lane: LaneConfig { lane, family: arena.family, epoch },
            instruments: trader.instruments.clone(),
            resumed,
            shared_assets: shared_assets(&arena.traders, index),
            plan: Box::new(trader.plan),
            endpoints: arena.endpoints.clone(),
            signer: Some(arena.signer.clone()),
            transport: match config.venue.transport {
                Transport::Epoll => NetKind::Epoll,
                Transport::IoUring => NetKind::Uring,
            },
            busy,
            timer: TIMER_PERIOD,
            simd: Simd::detect(),
            seed: config.run.seed.wrapping_add(index as u64),
            wall_at_zero,
            schedule: arena.schedule.clone(),
            warm_up: WARM_UP,
        };
        let (lane, pinned) = one(&trader.name, settings, journal, arena, clock, cpu)?;
        running.push(lane);
        seats.cpus.push(cpu.filter(|_| pinned.is_ok()));
        if let Err(error) = pinned {
            seats.concessions.push(format!("lane `{}` is not pinned: {error}", trader.name));
        }
    }
    let commanded =
        |of: &Running| Commanded { name: of.name.clone(), controls: Arc::clone(&of.controls) };
    let control = doors.watch(running.iter().map(commanded).collect())?;
    Ok(Lanes { running, seats, control })
}

/// Assets of all other lanes' instruments.
fn shared_assets(traders: &[Trader], own: usize) -> Vec<Currency> {
    let others = traders.iter().enumerate().filter(|(index, _)| *index != own);
    others.flat_map(|(_, of)| &of.instruments).flat_map(|of| [of.base, of.quote]).collect()
}

/// Starts a lane with its clerk and its guard; whether it could be pinned, where that was wanted.
fn one(
    name: &str,
    settings: DriveSettings,
    journal: Option<(RingRecorder, Journal)>,
    arena: &Arena,
    clock: TscClock,
    cpu: Option<u32>,
) -> Result<(Running, Result<(), PinError>), RunError> {
    let controls = Arc::new(Controls::default());
    let (ask, asked) = ring(RING);
    let (answer, answered) = ring(RING);
    let clerk_settings = || ClerkSettings {
        family: arena.family,
        endpoint: arena.rest.clone(),
        instruments: settings.instruments.clone(),
        signer: settings.signer.clone(),
        dead_man: DEAD_MAN,
        wall_at_zero: settings.wall_at_zero,
    };
    let (for_clerk, for_guard) = (clerk_settings(), clerk_settings());
    let clerk_stop = Arc::new(AtomicBool::new(false));
    let spawn = |role: &str| Builder::new().name(format!("{role}-{name}"));
    let (pulse, stop, time) = (controls.pulse.clone(), Arc::clone(&clerk_stop), clock);
    let clerk = spawn("clerk")
        .spawn(move || {
            let rest = Rest::new(for_clerk.endpoint.clone());
            finish(clerk::work(for_clerk, rest, time, &pulse, asked, answer, &stop));
        })
        .map_err(RunError::Thread)?;
    let (watched, time) = (Arc::clone(&controls), clock);
    let guard = spawn("guard")
        .spawn(move || {
            let mut cancelled = Ok(());
            let death = guard::watch(
                &watched.pulse,
                GUARD_BOUND,
                || time.now(),
                |_| {
                    // One that wakes up again must not trade on what is being cancelled.
                    watched.ask(Command::Halt, Source::Guard);
                    for _ in 0..GUARD_TRIES {
                        let rest = Rest::new(for_guard.endpoint.clone());
                        cancelled = finish(clerk::cancel_everything(&for_guard, rest, &time));
                        if cancelled.is_ok() {
                            break;
                        }
                        thread::sleep(GUARD_PAUSE);
                    }
                },
            );
            death.map(|why| (why, cancelled))
        })
        .map_err(RunError::Thread)?;
    let (recorder, journal) = journal.unzip();
    let inside = Arc::clone(&controls);
    let (tell, told) = mpsc::channel();
    let lane = spawn("lane")
        .spawn(move || {
            // A lane that may not be pinned runs anyway, and the report says so.
            let _ = tell.send(cpu.map_or(Ok(()), pin::current_thread));
            match recorder {
                Some(recorder) => drive(settings, recorder, &inside, clock, ask, answered),
                None => drive(settings, Unrecorded, &inside, clock, ask, answered),
            }
        })
        .map_err(RunError::Thread)?;
    // A lane that died before it could tell is found when it is joined.
    let pinned = told.recv().unwrap_or(Ok(()));
    let name = name.to_owned();
    Ok((Running { name, controls, lane, clerk, clerk_stop, guard, journal }, pinned))
}

impl Lanes {
    /// Whether a lane has ended by itself: it died.
    #[must_use]
    pub fn any_ended(&self) -> bool {
        self.running.iter().any(|of| of.lane.is_finished())
    }

    /// What `bot4 halt` calls this run by.
    #[must_use]
    pub fn handle(&self) -> String {
        self.control.handle()
    }

    /// Market frames that all lanes have taken so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.running.iter().map(|of| of.controls.status.frames.load(Ordering::Relaxed)).sum()
    }

    /// One line for a person who watches.
    #[must_use]
    pub fn status(&self, elapsed: Duration) -> String {
        let mut line = format!("{:>6.1} s", elapsed.as_secs_f64());
        for of in &self.running {
            let status = &of.controls.status;
            let frames = status.frames.load(Ordering::Relaxed);
            let requests = status.requests.load(Ordering::Relaxed);
            let filled = status.filled.load(Ordering::Relaxed);
            let state = if status.trading.load(Ordering::Relaxed) { "trading" } else { "waiting" };
            // Writing to a String cannot fail.
            let _ = write!(
                line,
                "  | {} {state}: {frames} frames, {requests} with orders, {filled} filled",
                of.name
            );
        }
        line
    }

    /// Ends every lane in order, then clerks and guards.
    #[must_use]
    pub fn stop(self) -> (Vec<Outcome>, Seats, Option<RunError>) {
        for of in &self.running {
            of.controls.stop.store(true, Ordering::Release);
        }
        let mut outcomes = Vec::new();
        let mut died = None;
        for of in self.running {
            let joined = of.lane.join();
            if matches!(joined, Ok(Err(_))) {
                of.controls.pulse.die(); // its sockets failed: the guard has its own
            }
            let guarded = of.guard.join().ok().flatten();
            of.clerk_stop.store(true, Ordering::Release);
            let _ = of.clerk.join();
            let journal = of.journal.map(Journal::end);
            let name = of.name;
            let report = match joined {
                Ok(Ok(report)) => Some(report),
                Ok(Err(source)) => {
                    died = Some(RunError::Net { lane: name.clone(), source });
                    None
                }
                Err(panic) => {
                    died = Some(RunError::LaneDied {
                        lane: name.clone(),
                        why: words_of(panic.as_ref()),
                        cancelled: match guarded {
                            Some((_, Ok(()))) => "the guard cancelled all its orders".to_owned(),
                            Some((_, Err(why))) => {
                                format!("THE GUARD COULD NOT CANCEL ITS ORDERS: {why}")
                            }
                            None => "the guard did not act; check its orders".to_owned(),
                        },
                    });
                    None
                }
            };
            outcomes.push(Outcome { name, report, journal });
        }
        self.control.stop();
        (outcomes, self.seats, died)
    }
}

fn words(clock: &TscClock) -> String {
    let cost = clock.overhead_ns();
    match clock.frequency_hz() {
        Some(hertz) => {
            format!(
                "TSC at {:.3} GHz, {cost:.0} ns a reading (contained in every span)",
                hertz * 1e-9
            )
        }
        None => format!("clock_gettime, {cost:.0} ns a reading (contained in every span)"),
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

fn wall_at_zero(clock: &TscClock) -> UnixNanos {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos((wall.as_nanos() as u64).saturating_sub(clock.now().0))
}

/// Cores for the lanes, or why there are none.
fn place(lanes: usize) -> (Option<Placement>, Vec<String>) {
    let machine = match Topology::discover() {
        Ok(machine) => machine,
        Err(error) => return (None, vec![format!("lanes are not pinned: {error}")]),
    };
    let isolated = System::default().isolation().map(|of| of.isolated).unwrap_or_default();
    let wishes = Wishes { lanes, isolated, nic_node: None, allowed: Some(pin::allowed()) };
    match placement::plan(&machine, &wishes) {
        Ok(placement) => {
            let given_up = placement.concessions.iter().map(ToString::to_string).collect();
            (Some(placement), given_up)
        }
        Err(error) => (None, vec![format!("lanes are not pinned: {error}")]),
    }
}

/// Locks memory where no limit could make a later allocation fail.
fn lock_memory() -> Option<String> {
    if let Some(limit) = memory::lock_limit() {
        return Some(format!("memory is not locked: ulimit -l allows {limit} bytes"));
    }
    match memory::lock_all() {
        Locked::All => None,
        Locked::Refused { reason, .. } => Some(format!("memory is not locked: {reason}")),
    }
}
