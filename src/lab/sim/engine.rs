//! One life of the engine on its machine: the real driver and clerk over simulated sockets and time.
//!
//! The driver is turned when something arrived or is due; the clerk, a future, is polled when something
//! arrived for it and at a fixed period, since nobody outside knows what it waits for.
//! Deliberately absent: the guard's thread; a life that ends is a killed process.

use super::clock::SimClock;
use super::net::{Machine, Network, SimNet};
use crate::host::net::{NetError, NetSettings, Wait};
use crate::host::ring::ring;
use crate::hot::drive::clerk::{self, ClerkSettings};
use crate::hot::drive::rest::Rest;
use crate::hot::drive::wire::Endpoint;
use crate::hot::drive::{Controls, DriveSettings, Driver, Turn};
use crate::hot::recorder::Unrecorded;
use crate::units::Nanos;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

/// Asks and answers that may wait between driver and clerk.
const RING: usize = 64;
/// Between two polls of a clerk for whom nothing arrived.
const CLERK_PERIOD: Nanos = Nanos::from_millis(20);
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

/// A running engine.
pub struct Engine {
    driver: Driver<SimClock>,
    net: SimNet,
    controls: Controls,
    clerk: Pin<Box<dyn Future<Output = ()>>>,
    clerk_endpoint: usize,
    clerk_due: Nanos,
    clerk_stop: Arc<AtomicBool>,
    network: Network,
    clock: SimClock,
}

impl Engine {
    /// Begins a life.
    #[must_use]
    pub fn start(
        settings: DriveSettings,
        rest: Endpoint,
        dead_man: Nanos,
        network: &Network,
        machine: Machine,
        clock: &SimClock,
    ) -> Engine {
        let controls = Controls::default();
        let (ask, asked) = ring(RING);
        let (answer, answered) = ring(RING);
        let clerk_settings = ClerkSettings {
            family: settings.family,
            endpoint: rest.clone(),
            instruments: settings.instruments.clone(),
            signer: settings.signer.clone(),
            dead_man,
            wall_at_zero: settings.wall_at_zero,
        };
        let net = network.open(machine, &LANE_NET);
        let clerk_net = network.open(machine, &CLERK_NET);
        let clerk_endpoint = clerk_net.endpoint();
        let clerk_stop = Arc::new(AtomicBool::new(false));
        let (stop, pulse, time) =
            (Arc::clone(&clerk_stop), Arc::clone(&controls.pulse), clock.clone());
        let clerk = Box::pin(async move {
            let rest = Rest::over(rest, Box::new(clerk_net));
            clerk::work(clerk_settings, rest, time, &pulse, asked, answer, &stop).await;
        });
        Engine {
            driver: Driver::new(settings, Unrecorded, clock.clone(), ask, answered),
            net,
            controls,
            clerk,
            clerk_endpoint,
            clerk_due: Nanos(0),
            clerk_stop,
            network: network.clone(),
            clock: clock.clone(),
        }
    }

    /// When the engine has something to do next, world time.
    #[must_use]
    pub fn next_time(&self) -> Nanos {
        let arrivals = [self.net.next_time(), self.network.next_time(self.clerk_endpoint)];
        let due = self.clock.world(self.driver.due()).min(self.clerk_due);
        arrivals.into_iter().flatten().fold(due, Nanos::min)
    }

    /// Does what is due at `now`; says whether the lane goes on.
    ///
    /// # Errors
    /// When the transport fails as a whole, which it does not here.
    pub fn turn(&mut self, now: Nanos) -> Result<Turn, NetError> {
        let is_due = |at: Option<Nanos>| at.is_some_and(|at| at <= now);
        let mut turn = Turn::Runs;
        if is_due(self.net.next_time()) || self.clock.world(self.driver.due()) <= now {
            turn = self.driver.turn(&mut self.net, Wait::Busy, &self.controls)?;
        }
        if is_due(self.network.next_time(self.clerk_endpoint)) || self.clerk_due <= now {
            self.clerk_due = now.plus(CLERK_PERIOD);
            let mut context = Context::from_waker(Waker::noop());
            // It ends when it is told to stop; until then it is never ready.
            let _ = self.clerk.as_mut().poll(&mut context);
        }
        Ok(turn)
    }

    /// Tells the lane to halt, cancel and end.
    pub fn stop(&self) {
        self.controls.stop.store(true, Ordering::Release);
    }

    /// Tells the clerk to end, once the lane has.
    pub fn stop_clerk(&self) {
        self.clerk_stop.store(true, Ordering::Release);
    }

    /// The driver, to look at.
    #[must_use]
    pub fn driver(&self) -> &Driver<SimClock> {
        &self.driver
    }
}
