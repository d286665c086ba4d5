//! The order desk: requests of the order API -> the exchange, and the market's time.

use super::accounts::{Accounts, expiry_event};
use super::fault::RequestFault;
use super::floor::{Floor, cancel_all};
use super::limits::{Meter, TooMany};
use super::link::Protocol;
use super::pace::Pace;
use super::pending::{Pending, Reply};
use super::report::{AccountReport, ServerReport};
use super::settings::{ServerSettings, Speed};
use super::turn::{LINGER, role_name};
use super::witness::Witnessed;
use crate::host::net::ConnId;
use crate::lab::exchange::wire::parameters::Parameters;
use crate::lab::exchange::wire::refusal::Refusal;
use crate::lab::exchange::wire::requests::{Call, OrderReader, Request};
use crate::lab::exchange::{ClientId, Disturbance, Exchange, ExchangeError};
use crate::record::{Intent, OrderAction};
use crate::units::{InstrumentId, Nanos, UnixNanos};
use crate::venue::binance::Family;
use std::collections::BTreeMap;

/// Steps of the exchange between two looks at the sockets.
const STEPS: usize = 512;

/// The exchange and its public.
pub(super) struct Venue {
    pub(super) settings: ServerSettings,
    pub(super) exchange: Exchange,
    pub(super) floor: Floor,
    pub(super) slots: BTreeMap<ConnId, usize>,
    /// Real time since the server began.
    pub(super) now: Nanos,
    /// When it began, on the clock of the schedule's reader.
    pub(super) origin: Nanos,
    pub(super) wall: UnixNanos,
    pub(super) notes: Vec<String>,
    captured: bool,
    pace: Pace,
    /// How far the exchange has come.
    market_now: Nanos,
    /// How far it must come for the answers that are owed.
    owed: Nanos,
    ended: bool,
}

impl Venue {
    pub(super) fn new(
        mut settings: ServerSettings,
        wall: UnixNanos,
    ) -> Result<Venue, ExchangeError> {
        let captures = std::mem::take(&mut settings.captures);
        let captured = !captures.is_empty();
        let exchange = if captured {
            numbered(Exchange::captured(&settings.exchange, &settings.instruments, captures)?, wall)
        } else {
            generated(&settings, wall)?
        };
        let accounts = Accounts::new(settings.account_per_key);
        let meter = Meter::new(&settings.limits);
        let instruments = settings.instruments.clone();
        let family = settings.exchange.family;
        let mut floor = Floor::new(family, instruments, &settings.faults, accounts, meter);
        floor.makes_aggregates = !captured;
        Ok(Venue {
            exchange,
            floor,
            slots: BTreeMap::new(),
            now: Nanos(0),
            origin: Nanos(0),
            wall,
            notes: Vec::new(),
            captured,
            pace: Pace::new(settings.speed),
            market_now: Nanos(0),
            owed: Nanos(0),
            ended: false,
            settings,
        })
    }

    pub(super) fn into_report(self) -> ServerReport {
        let accounts = self.floor.accounts.clients().map(|of| self.account_report(of)).collect();
        let mut report = self.floor.report;
        report.accounts = accounts;
        report.capture_ended = self.ended;
        if let Some(counts) = self.exchange.capture_counts() {
            report.capture_foreign = counts.foreign;
            report.capture_unreadable = counts.unreadable;
        }
        report
    }

    fn account_report(&self, client: ClientId) -> AccountReport {
        let listed = &self.floor.instruments;
        let mut report = self.floor.accounts.report(client, listed);
        for of in listed {
            let position = of.lot.decimal(self.exchange.position(client, of.id).0);
            report.positions.insert(of.symbol.to_string(), position.to_string());
            report.open_orders += self.exchange.open_orders(client, of.id).len() as u64;
        }
        report
    }

    // ---- the order API ----

    /// Carries out a text of an order session, or refuses it.
    pub(super) fn order_request(&mut self, slot: usize, text: &[u8]) {
        let Some(conn) = self.floor.links[slot].as_ref().map(|link| link.conn) else { return };
        let Request { id, call } = Request::read(text);
        let reply = Reply::Web(id);
        let (call, params) = match call {
            Ok(known) => known,
            Err(refusal) => return self.floor.refuse(conn, &reply, &refusal, None),
        };
        ServerReport::count(&mut self.floor.report.requests, call_name(call));
        let is_order = matches!(call, Call::Order(OrderAction::Place | OrderAction::Replace));
        let weight = u32::from(self.floor.family == Family::Spot || !is_order);
        if let Err(TooMany { refusal, wait }) = self.floor.meter.take(weight, is_order, self.now) {
            self.floor.witness(Witnessed::Limited(refusal.code));
            let until = (self.wall.0 + wait.0) / 1_000_000;
            let data =
                format!(r#"{{"serverTime":{},"retryAfter":{until}}}"#, self.wall.0 / 1_000_000);
            return self.floor.refuse(conn, &reply, &refusal, Some(data.as_bytes()));
        }
        let done = match call {
            Call::Order(action) => self.order(conn, &reply, slot, action, &params),
            _ => self.session(slot, call, &params).map(Some),
        };
        match done {
            Ok(Some(result)) => self.floor.succeed(conn, &reply, result.as_bytes()),
            Ok(None) => {}
            Err(refusal) => self.floor.refuse(conn, &reply, &refusal, None),
        }
    }

    /// Requests of the session itself; the result as JSON.
    fn session(&mut self, slot: usize, call: Call, params: &Parameters) -> Result<String, Refusal> {
        let millis = self.wall.0 / 1_000_000;
        let state = |key: Option<&str>| {
            let key = key.map_or("null".to_owned(), |key| serde_json::json!(key).to_string());
            format!(
                r#"{{"apiKey":{key},"authorizedSince":{millis},"connectedSince":{millis},"returnRateLimits":true,"serverTime":{millis}}}"#
            )
        };
        match call {
            Call::Ping => Ok("{}".to_owned()),
            Call::Time => Ok(format!(r#"{{"serverTime":{millis}}}"#)),
            Call::Status => Ok(state(None)),
            Call::Logon => {
                let key = params.need("apiKey")?;
                params.verify(key, self.settings.key.as_ref(), self.wall)?;
                let client = self.floor.accounts.of_key(key, &self.floor.instruments);
                if let Some(link) = self.floor.links[slot].as_mut() {
                    link.account = Some(client);
                }
                Ok(state(Some(key)))
            }
            Call::Logout => {
                if let Some(link) = self.floor.links[slot].as_mut() {
                    link.account = None;
                }
                Ok(state(None))
            }
            Call::Subscribe | Call::SubscribeSigned => {
                let client = self.client_of(slot, params)?;
                if let Some(link) = self.floor.links[slot].as_mut() {
                    link.user = Some(client);
                }
                Ok(r#"{"subscriptionId":0}"#.to_owned())
            }
            Call::Unsubscribe => {
                if let Some(link) = self.floor.links[slot].as_mut() {
                    link.user = None;
                }
                Ok("{}".to_owned())
            }
            Call::ListenKey => {
                let client = self.client_of(slot, params)?;
                let key = self.floor.accounts.listen_key(client, self.now);
                Ok(format!(r#"{{"listenKey":"{key}"}}"#))
            }
            Call::Order(_) => Err(Refusal::UNSUPPORTED),
        }
    }

    /// Whose request this is.
    fn client_of(&mut self, slot: usize, params: &Parameters) -> Result<ClientId, Refusal> {
        let logged_on = self.floor.links[slot].as_ref().and_then(|link| link.account);
        let (key, expected) = (params.get("apiKey"), self.settings.key.as_ref());
        match (logged_on, key) {
            (Some(client), _) => params.timely(self.wall).map(|()| client),
            (None, None) if expected.is_some() => Err(Refusal::KEY),
            (None, key) => {
                let key = key.unwrap_or("");
                params.verify(key, expected, self.wall)?;
                Ok(self.floor.accounts.of_key(key, &self.floor.instruments))
            }
        }
    }

    /// An order request of a session; `None` where the answer comes later or never.
    fn order(
        &mut self,
        conn: ConnId,
        reply: &Reply,
        slot: usize,
        action: OrderAction,
        params: &Parameters,
    ) -> Result<Option<String>, Refusal> {
        let client = self.client_of(slot, params)?;
        self.place(conn, reply, client, action, params)?;
        Ok(None)
    }

    /// Hands an order request of a known client to the exchange.
    pub(super) fn place(
        &mut self,
        conn: ConnId,
        reply: &Reply,
        client: ClientId,
        action: OrderAction,
        params: &Parameters,
    ) -> Result<(), Refusal> {
        let intent = self.intent(client, action, params)?;
        let fault = self.floor.faults.request();
        self.floor.report.faults += u64::from(fault.is_some());
        match fault {
            Some(RequestFault::Mute) => return Ok(()),
            Some(RequestFault::Drop) => {
                let link = self.slots.get(&conn).and_then(|slot| self.floor.links[*slot].as_mut());
                if let Some(link) = link {
                    link.cut_at = Some(self.now);
                }
                return Ok(());
            }
            Some(RequestFault::Reject(code)) => {
                let of = self.floor.instruments[intent.instrument.0 as usize];
                return Err(Refusal::of_code(self.floor.family, code, &of, &intent));
            }
            Some(RequestFault::Lost) => return Err(Refusal::TIMEOUT),
            Some(RequestFault::Unsure) | None => {}
        }
        let unsure = fault == Some(RequestFault::Unsure);
        let due = self.submit(client, &intent);
        let withdrawn = Vec::new();
        let reply = if unsure { Reply::Nobody } else { reply.clone() };
        self.floor.pending.push(Pending { conn, reply, client, intent, due, withdrawn });
        if unsure { Err(Refusal::TIMEOUT) } else { Ok(()) }
    }

    fn intent(
        &mut self,
        client: ClientId,
        action: OrderAction,
        params: &Parameters,
    ) -> Result<Intent, Refusal> {
        let exchange = &self.exchange;
        let account = self.floor.accounts.get(client).ok_or(Refusal::KEY)?;
        let mut reader = OrderReader {
            family: self.floor.family,
            instruments: &self.floor.instruments,
            names: &mut account.names,
            by_venue_order: &|instrument, id| {
                let all = exchange.open_orders(client, instrument);
                all.iter().find(|of| of.venue_order == id).map(|of| of.asked.order)
            },
        };
        reader.read(action, params)
    }

    /// Disturbs the market as it stands now.
    pub(super) fn disturb(&mut self, instrument: InstrumentId, what: Disturbance) {
        if self.pace.has_begun() {
            self.exchange.disturb(self.market_time(), instrument, what);
        }
    }

    /// Where the market stands.
    fn market_time(&self) -> Nanos {
        self.pace.market(self.now).map_or(self.market_now, |at| at.max(self.market_now))
    }

    /// Gives the exchange an intent; returns when its reports leave.
    fn submit(&mut self, client: ClientId, intent: &Intent) -> Nanos {
        self.begin();
        let at = self.market_time();
        self.floor.witness(Witnessed::Received(client, *intent));
        self.exchange.submit(at, client, intent);
        let settings = self.exchange.settings();
        let due = at.plus(settings.latency_in).plus(settings.latency_out);
        self.owed = self.owed.max(due);
        due
    }

    // ---- time ----

    /// Starts the market's time; a generated market is dated from now.
    pub(super) fn begin(&mut self) {
        if self.pace.has_begun() {
            return;
        }
        self.pace.begin(self.now);
        self.settings.exchange.wall_at_zero = self.wall;
        if !self.captured
            && let Ok(fresh) = generated(&self.settings, self.wall)
        {
            self.exchange = fresh;
        }
        self.notes.push("the market begins".to_owned());
    }

    /// Lets the exchange move as far as it may, a bounded number of steps.
    pub(super) fn advance(&mut self) {
        self.floor.now = self.now;
        if !self.pace.has_begun() {
            return;
        }
        let target = self.pace.market(self.now);
        for _ in 0..STEPS {
            let Some(next) = self.exchange.next_time() else { break };
            let may = match target {
                Some(target) => next <= target,
                None => next <= self.owed || !self.is_paused(),
            };
            if !may {
                // All that is owed has left.
                return self.rest_at(target.unwrap_or(self.owed));
            }
            let wall = self.exchange.wall(next);
            let floor = &mut self.floor;
            floor.intended = self.pace.real(next).map(|at| at.plus(self.origin));
            self.exchange.advance(next, &mut |output| floor.on_output(output, wall));
            self.market_now = self.market_now.max(next);
        }
        if self.exchange.is_over() {
            // Nothing is under way any more, so whatever is owed has left.
            self.rest_at(target.unwrap_or(self.owed).max(self.owed));
            if !self.ended && self.captured {
                self.ended = true;
                self.notes.push("the capture has ended; orders are still served".to_owned());
            }
        }
        self.floor.settle(self.market_now);
    }

    fn rest_at(&mut self, at: Nanos) {
        self.market_now = self.market_now.max(at);
        self.floor.settle(self.market_now);
    }

    /// At full speed the slowest market client sets the pace; without one nothing moves.
    fn is_paused(&self) -> bool {
        let mut market = self.floor.links.iter().flatten().filter(|of| of.is_market()).peekable();
        market.peek().is_none() || market.any(|of| of.backlog() > self.settings.pause_above)
    }

    /// Whether the captures have ended and nothing of them waits to leave.
    pub(super) fn has_ended(&self) -> bool {
        let mut market = self.floor.links.iter().flatten().filter(|of| of.is_market());
        self.ended && market.all(|of| of.backlog() == 0)
    }

    /// How long nothing is to be done, as far as the exchange knows.
    pub(super) fn idle_for(&self) -> Nanos {
        let forever = Nanos(u64::MAX);
        let market = match (self.settings.speed, self.exchange.next_time()) {
            _ if !self.pace.has_begun() => forever,
            (Speed::Times(_), Some(next)) => self.pace.until(next, self.now),
            (Speed::Max, Some(next)) if next <= self.owed || !self.is_paused() => Nanos(0),
            _ => forever,
        };
        let switch = self.floor.accounts.next_firing().map_or(forever, |at| at.since(self.now));
        market.min(switch)
    }

    /// Pings, ages, listen keys and dead man's switches.
    pub(super) fn chores(&mut self) {
        let now = self.now;
        let life_max = self.settings.life_max;
        for link in self.floor.links.iter_mut().flatten() {
            if !matches!(link.protocol, Protocol::Web(_)) || link.cut_at.is_some() {
                continue;
            }
            let late = |at: Nanos| now.since(at) >= self.settings.pong_timeout;
            let end = if now.since(link.opened) >= life_max {
                Some((1001, "the connection has reached its greatest age"))
            } else if link.pinged.is_some_and(late) {
                Some((1008, "no pong in time"))
            } else {
                None
            };
            if let Some((code, why)) = end {
                link.close(code, why, now.plus(LINGER));
                let role = role_name(link);
                self.floor.report.close(format!("{}: {role}: {why}", link.conn));
            } else if now >= link.next_ping {
                link.ping();
                link.pinged.get_or_insert(now);
                link.next_ping = now.plus(self.settings.ping_period);
            }
        }
        for (key, client) in self.floor.accounts.expired_keys(now) {
            let event = expiry_event(&key, self.wall);
            self.floor.tell_event(client, &event);
        }
        for (client, instrument) in self.floor.accounts.fired(now) {
            self.floor.report.dead_man_fired += 1;
            self.submit(client, &cancel_all(instrument));
            let symbol = self.floor.instruments[instrument.0 as usize].symbol;
            self.notes.push(format!("dead man's switch: every order on {symbol} is cancelled"));
        }
    }
}

fn generated(settings: &ServerSettings, wall: UnixNanos) -> Result<Exchange, ExchangeError> {
    let made = Exchange::shaped(&settings.exchange, &settings.instruments, &settings.crowd);
    made.map(|exchange| numbered(exchange, wall))
}

/// A second's ids are apart from another's by a million, and return after half a year.
fn numbered(mut exchange: Exchange, wall: UnixNanos) -> Exchange {
    exchange.number_from(((wall.0 / 1_000_000_000) & 0xFF_FFFF) << 20);
    exchange
}

const fn call_name(call: Call) -> &'static str {
    match call {
        Call::Logon => "logon",
        Call::Logout => "logout",
        Call::Status => "status",
        Call::Ping => "ping",
        Call::Time => "time",
        Call::Subscribe | Call::SubscribeSigned => "subscribe",
        Call::Unsubscribe => "unsubscribe",
        Call::ListenKey => "listen_key",
        Call::Order(OrderAction::Place) => "place",
        Call::Order(OrderAction::Cancel) => "cancel",
        Call::Order(OrderAction::Replace) => "replace",
        Call::Order(OrderAction::CancelAll) => "cancel_all",
    }
}
