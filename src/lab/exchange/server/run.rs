//! The venue's own thread: real sockets and clocks around the state machine of `turn`.

use super::report::ServerReport;
use super::settings::{ServerError, ServerSettings};
use super::turn::{House, LINGER};
use crate::host::clock::{Clock, TscClock};
use crate::host::epoll::EpollNet;
use crate::host::net::{Net, NetSettings, Wait};
use crate::host::schedule::Schedule;
use crate::units::{Nanos, UnixNanos};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Longest sleep: how late the stop flag may be seen.
const SLEEP_MAX: Nanos = Nanos::from_millis(5);

/// The venue at an address.
pub struct Server {
    net: EpollNet,
    address: SocketAddr,
    house: House,
    over: Arc<AtomicBool>,
    log: Box<dyn FnMut(&str) + Send>,
    clock: TscClock,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

impl Server {
    /// Makes the market and listens; port 0 picks a free one.
    ///
    /// # Errors
    /// When the address cannot be had, or the settings make no market.
    pub fn bind(settings: ServerSettings, address: SocketAddr) -> Result<Server, ServerError> {
        let mut net = EpollNet::new(&NetSettings {
            connections: settings.connections,
            listeners: 1,
            ..NetSettings::default()
        })?;
        let (_, address) = net.listen(address).map_err(ServerError::Listen)?;
        let (house, over) = (House::new(settings, wall())?, Arc::new(AtomicBool::new(false)));
        let clock = TscClock::gettime();
        Ok(Server { net, address, house, over, log: Box::new(|_| {}), clock })
    }

    /// Tells in `schedule` when each market message is meant to leave, on `clock`. A market that runs
    /// as fast as its readers means no time.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Arc<Schedule>, clock: TscClock) -> Server {
        self.house.venue.floor.schedule = Some(schedule);
        self.clock = clock;
        self
    }

    /// Tells `log` what a person may want to know as it happens.
    #[must_use]
    pub fn with_log(mut self, log: Box<dyn FnMut(&str) + Send>) -> Server {
        self.log = log;
        self
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Becomes true when the captures have ended and every market client has been sent the last
    /// frame; never on a generated market. Orders are served all the same.
    #[must_use]
    pub fn over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.over)
    }

    /// Serves until `stop`; then closes every connection and reports.
    pub fn run(mut self, stop: &AtomicBool) -> ServerReport {
        let origin = self.clock.now();
        self.house.venue.origin = origin;
        let mut wait = Wait::Busy;
        while !stop.load(Ordering::Relaxed) {
            if !self.house.look(&mut self.net, wait) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            self.house.act(&mut self.net, self.clock.now().since(origin), wall());
            if self.house.has_ended() {
                self.over.store(true, Ordering::Release);
            }
            for line in self.house.take_notes() {
                (self.log)(&line);
            }
            // Asked after the flush: what has just left may let the market go on.
            wait = match self.house.venue.idle_for() {
                Nanos(0) => Wait::Busy,
                span => Wait::Block(span.min(SLEEP_MAX)),
            };
        }
        self.house.say_goodbye(&mut self.net);
        let until = Instant::now() + std::time::Duration::from_nanos(LINGER.0);
        while Instant::now() < until && self.house.still_connected() > 0 {
            self.house.look(&mut self.net, Wait::Block(SLEEP_MAX));
        }
        self.house.still_connected();
        let seconds = self.clock.now().since(origin).0 as f64 * 1e-9;
        ServerReport { seconds, ..self.house.venue.into_report() }
    }
}

/// The world's time.
fn wall() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixNanos(since.map_or(0, |span| span.as_nanos() as u64))
}
