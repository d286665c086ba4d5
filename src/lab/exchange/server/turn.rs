//! The venue as a state machine: what the sockets brought and the time -> what leaves, and how long
//! nothing is to be done.
//!
//! Time, wall time and sockets come with every call, so that the real loop (`run`) and the simulator
//! drive the same venue. Invariant: settings, seed and calls decide every byte that leaves.

use super::desk::Venue;
use super::link::{Link, Protocol, Role};
use super::report::ServerReport;
use super::settings::{ServerError, ServerSettings, Speed};
use crate::host::net::{ConnId, Net, NetError, NetEvent, Wait};
use crate::units::{Nanos, UnixNanos};

/// Between two looks at pings, ages and switches.
const CHORES_PERIOD: Nanos = Nanos::from_millis(2);
/// From deciding to close until the connection is cut, so that the last bytes leave.
pub(super) const LINGER: Nanos = Nanos::from_millis(50);
/// Until a transport whose buffer was full is tried again.
const FULL_RETRY: Nanos = Nanos::from_millis(5);

/// The venue without sockets, clock or thread of its own.
pub struct House {
    pub(super) venue: Venue,
    arrivals: Vec<Arrival>,
    chores_at: Nanos,
}

enum Arrival {
    Accepted(ConnId),
    Bytes(ConnId, Vec<u8>),
    Closed(ConnId, String),
}

impl House {
    /// Makes the market; `wall` is the world's time now.
    ///
    /// # Errors
    /// When the settings make no market.
    pub fn new(settings: ServerSettings, wall: UnixNanos) -> Result<House, ServerError> {
        if let Speed::Times(times) = settings.speed
            && (!times.is_finite() || times <= 0.0)
        {
            return Err(ServerError::Speed(times));
        }
        let venue = Venue::new(settings, wall)?;
        Ok(House { venue, arrivals: Vec::new(), chores_at: Nanos(0) })
    }

    /// One turn at time `now` since the venue began; returns how long nothing is to be done unless a
    /// socket brings something.
    pub fn turn(&mut self, net: &mut dyn Net, now: Nanos, wall: UnixNanos) -> Nanos {
        self.look(net, Wait::Busy);
        self.act(net, now, wall);
        self.rests_for()
    }

    /// Whether the captures have ended and every market client has been sent the last frame.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.venue.has_ended()
    }

    /// What a person may want to know and was not told yet.
    pub fn take_notes(&mut self) -> impl Iterator<Item = String> + '_ {
        self.venue.notes.drain(..)
    }

    /// What happened so far.
    #[must_use]
    pub fn report(&self) -> &ServerReport {
        &self.venue.floor.report
    }

    /// Takes what the sockets brought; it is acted upon by `act`.
    pub(super) fn look(&mut self, net: &mut dyn Net, wait: Wait) -> bool {
        let arrivals = &mut self.arrivals;
        let looked = net.poll(wait, &mut |event| match event {
            NetEvent::Accepted { conn, .. } => arrivals.push(Arrival::Accepted(conn)),
            NetEvent::Received(conn, bytes) => {
                arrivals.push(Arrival::Bytes(conn, bytes.to_vec()));
            }
            NetEvent::Closed(conn, reason) => {
                arrivals.push(Arrival::Closed(conn, reason.to_string()));
            }
            NetEvent::Connected(_) => {}
        });
        self.note_failure(looked)
    }

    fn note_failure(&mut self, looked: Result<usize, NetError>) -> bool {
        if let Err(error) = &looked {
            // Out of descriptors or memory for now: the next look may fare better.
            self.venue.notes.push(format!("sockets: {error}"));
        }
        looked.is_ok()
    }

    /// Answers what arrived, lets the market go on and sends.
    pub(super) fn act(&mut self, net: &mut dyn Net, now: Nanos, wall: UnixNanos) {
        (self.venue.now, self.venue.wall) = (now, wall);
        for arrival in self.arrivals.drain(..) {
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
        self.venue.pump_rest();
        self.venue.advance();
        self.venue.floor.send_late();
        let fires = self.venue.floor.accounts.next_firing().is_some_and(|at| at <= now);
        if now >= self.chores_at || fires {
            self.chores_at = now.plus(CHORES_PERIOD);
            self.venue.chores();
        }
        self.flush(net);
    }

    fn flush(&mut self, net: &mut dyn Net) {
        let (now, most) = (self.venue.now, self.venue.settings.backlog_max);
        let venue = &mut self.venue;
        for link in venue.floor.links.iter_mut().flatten() {
            if link.backlog() > 0 {
                venue.floor.report.bytes_sent += link.flush(net, now);
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
                net.close(link.conn);
            }
            if link.cut_at.is_some_and(|at| now >= at) && !link.gone {
                link.gone = true;
                net.close(link.conn);
            }
        }
    }

    /// How long nothing is to be done: neither for the market nor for a connection.
    fn rests_for(&self) -> Nanos {
        let (venue, now) = (&self.venue, self.venue.now);
        let mut chore = venue.floor.accounts.next_expiry().unwrap_or(Nanos(u64::MAX));
        let mut flush = venue.floor.late.next_due().unwrap_or(Nanos(u64::MAX));
        for link in venue.floor.links.iter().flatten().filter(|of| !of.gone) {
            if link.backlog() > 0 {
                flush = flush.min(link.hold_until.max(now.plus(FULL_RETRY)));
            }
            flush = flush.min(link.cut_at.unwrap_or(flush));
            if link.cut_at.is_none() && matches!(link.protocol, Protocol::Web(_)) {
                let pong = link.pinged.map(|at| at.plus(venue.settings.pong_timeout));
                let age = link.opened.plus(venue.settings.life_max);
                chore = chore.min(age).min(link.next_ping).min(pong.unwrap_or(chore));
            }
        }
        venue.idle_for().min(flush.min(chore.max(self.chores_at)).since(now))
    }

    /// Says goodbye to every client.
    pub(super) fn say_goodbye(&mut self, net: &mut dyn Net) {
        let now = self.venue.now;
        for link in self.venue.floor.links.iter_mut().flatten() {
            link.hold_until = Nanos(0);
            link.close(1001, "the venue stops", now.plus(LINGER));
            link.flush(net, now);
        }
    }

    /// Connections, after those are forgotten that have ended since the last look.
    pub(super) fn still_connected(&mut self) -> usize {
        for arrival in self.arrivals.drain(..) {
            if let Arrival::Closed(conn, reason) = arrival {
                self.venue.forget(conn, &reason);
            }
        }
        self.venue.floor.links.iter().flatten().count()
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
