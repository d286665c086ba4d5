//! The loop: sockets in, exchange on, sockets out; and the clock's work (pings, ages, switches).

use super::desk::Venue;
use super::link::{Link, Protocol, Role};
use super::report::ServerReport;
use super::settings::{ServerError, ServerSettings, Speed};
use crate::host::clock::{Clock, TscClock};
use crate::host::epoll::EpollNet;
use crate::host::net::{ConnId, Net, NetEvent, NetSettings, Wait};
use crate::host::schedule::Schedule;
use crate::units::{Nanos, UnixNanos};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Longest sleep: how late the stop flag may be seen.
const SLEEP_MAX: Nanos = Nanos::from_millis(5);
/// Between two looks at pings, ages and switches.
const CHORES_PERIOD: Nanos = Nanos::from_millis(2);
/// From deciding to close until the connection is cut, so that the last bytes leave.
pub(super) const LINGER: Nanos = Nanos::from_millis(50);

/// The venue at an address.
pub struct Server {
    net: EpollNet,
    address: SocketAddr,
    venue: Venue,
    over: Arc<AtomicBool>,
    log: Box<dyn FnMut(&str) + Send>,
    clock: TscClock,
}

enum Arrival {
    Accepted(ConnId),
    Bytes(ConnId, Vec<u8>),
    Closed(ConnId, String),
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
        if let Speed::Times(times) = settings.speed
            && (!times.is_finite() || times <= 0.0)
        {
            return Err(ServerError::Speed(times));
        }
        let mut net = EpollNet::new(&NetSettings {
            connections: settings.connections,
            listeners: 1,
            ..NetSettings::default()
        })?;
        let (_, address) = net.listen(address).map_err(ServerError::Listen)?;
        let (venue, over) = (Venue::new(settings)?, Arc::new(AtomicBool::new(false)));
        let clock = TscClock::gettime();
        Ok(Server { net, address, venue, over, log: Box::new(|_| {}), clock })
    }

    /// Tells in `schedule` when each market message is meant to leave, on `clock`. A market that runs
    /// as fast as its readers means no time.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Arc<Schedule>, clock: TscClock) -> Server {
        self.venue.floor.schedule = Some(schedule);
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
        self.venue.origin = self.clock.now();
        let mut arrivals = Vec::new();
        let mut chores_at = Nanos(0);
        let mut wait = Wait::Busy;
        while !stop.load(Ordering::Relaxed) {
            self.look(wait, &mut arrivals);
            self.venue.now = self.clock.now().since(self.venue.origin);
            self.venue.wall = wall();
            for arrival in arrivals.drain(..) {
                self.take(arrival);
            }
            self.venue.pump_rest();
            self.venue.advance();
            if self.venue.now >= chores_at {
                chores_at = self.venue.now.plus(CHORES_PERIOD);
                self.venue.chores();
            }
            self.flush();
            if self.venue.has_ended() {
                self.over.store(true, Ordering::Release);
            }
            for line in self.venue.notes.drain(..) {
                (self.log)(&line);
            }
            // Asked after the flush: what has just left may let the market go on.
            wait = match self.venue.idle_for() {
                Nanos(0) => Wait::Busy,
                span => Wait::Block(span.min(SLEEP_MAX)),
            };
        }
        self.end(&mut arrivals);
        let seconds = self.clock.now().since(self.venue.origin).0 as f64 * 1e-9;
        ServerReport { seconds, ..self.venue.into_report() }
    }

    fn look(&mut self, wait: Wait, arrivals: &mut Vec<Arrival>) {
        let looked = self.net.poll(wait, &mut |event| match event {
            NetEvent::Accepted { conn, .. } => arrivals.push(Arrival::Accepted(conn)),
            NetEvent::Received(conn, bytes) => {
                arrivals.push(Arrival::Bytes(conn, bytes.to_vec()));
            }
            NetEvent::Closed(conn, reason) => {
                arrivals.push(Arrival::Closed(conn, reason.to_string()));
            }
            NetEvent::Connected(_) => {}
        });
        if let Err(error) = looked {
            // Out of descriptors or memory for now: the next look may fare better.
            self.venue.notes.push(format!("sockets: {error}"));
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Accepted(conn) => self.venue.accept(conn),
            Arrival::Bytes(conn, mut bytes) => {
                if let Some(slot) = self.venue.slots.get(&conn).copied() {
                    self.venue.receive(slot, &mut bytes);
                }
            }
            Arrival::Closed(conn, reason) => self.venue.forget(conn, &reason),
        }
    }

    fn flush(&mut self) {
        let (now, most) = (self.venue.now, self.venue.settings.backlog_max);
        let venue = &mut self.venue;
        for link in venue.floor.links.iter_mut().flatten() {
            if link.backlog() > 0 {
                venue.floor.report.bytes_sent += link.flush(&mut self.net, now);
            }
            if link.backlog() > most && !link.gone {
                let (role, waiting) = (role_name(link), link.backlog());
                let why = format!(
                    "{}: a {role} client reads too slowly: {waiting} bytes wait, {most} may",
                    link.conn
                );
                venue.floor.report.slow_clients += 1;
                venue.floor.report.close(why.clone());
                venue.notes.push(why);
                link.gone = true;
                self.net.close(link.conn);
            }
            if link.cut_at.is_some_and(|at| now >= at) && !link.gone {
                link.gone = true;
                self.net.close(link.conn);
            }
        }
    }

    /// Says goodbye and gives the last bytes time to leave.
    fn end(&mut self, arrivals: &mut Vec<Arrival>) {
        let now = self.venue.now;
        for link in self.venue.floor.links.iter_mut().flatten() {
            link.hold_until = Nanos(0);
            link.close(1001, "the venue stops", now.plus(LINGER));
            link.flush(&mut self.net, now);
        }
        let until = Instant::now() + std::time::Duration::from_nanos(LINGER.0);
        while Instant::now() < until && self.venue.floor.links.iter().flatten().count() > 0 {
            self.look(Wait::Block(SLEEP_MAX), arrivals);
            for arrival in arrivals.drain(..) {
                if let Arrival::Closed(conn, reason) = arrival {
                    self.venue.forget(conn, &reason);
                }
            }
        }
    }
}

/// What a connection is called in messages.
pub(super) const fn role_name(link: &Link) -> &'static str {
    match (&link.role, &link.protocol) {
        (Role::Market { .. }, _) => "market",
        (Role::Orders, _) => "order",
        (Role::User { .. }, _) => "user-data",
        (Role::Rest, Protocol::Head(_)) => "new",
        (Role::Rest, _) => "REST",
    }
}

/// The world's time.
pub(super) fn wall() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixNanos(since.map_or(0, |span| span.as_nanos() as u64))
}
