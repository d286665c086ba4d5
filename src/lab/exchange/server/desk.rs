//! The order desk: connections by path, messages of WebSockets, requests of the order API.

use super::accounts::{Accounts, expiry_event};
use super::fault::RequestFault;
use super::floor::{Floor, cancel_all};
use super::limits::{Meter, TooMany};
use super::link::{Link, Protocol, Role};
use super::pace::Pace;
use super::pending::{Pending, Reply};
use super::report::ServerReport;
use super::run::{LINGER, role_name, wall};
use super::settings::{ServerSettings, Speed};
use super::streams::{STREAMS_MAX, Wish};
use crate::host::net::ConnId;
use crate::lab::exchange::wire::parameters::Parameters;
use crate::lab::exchange::wire::refusal::Refusal;
use crate::lab::exchange::wire::requests::{Call, OrderReader, Request};
use crate::lab::exchange::{ClientId, Exchange, ExchangeError, ExchangeSettings};
use crate::net::http::{Head, Limits, RequestReader, Response};
use crate::net::websocket::{Event, Settings as SocketSettings, Socket};
use crate::record::{Intent, OrderAction};
use crate::units::{Nanos, UnixNanos};
use crate::venue::binance::Family;
use std::collections::HashMap;

/// Longest head of a first request.
const HEAD_MAX: usize = 16 << 10;
/// Longest message a client may send.
const MESSAGE_MAX: usize = 64 << 10;
/// Steps of the exchange between two looks at the sockets.
const STEPS: usize = 512;

/// The exchange and its public.
pub(super) struct Venue {
    pub(super) settings: ServerSettings,
    pub(super) exchange: Exchange,
    pub(super) floor: Floor,
    pub(super) slots: HashMap<ConnId, usize>,
    pub(super) now: Nanos,
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
    pub(super) fn new(mut settings: ServerSettings) -> Result<Venue, ExchangeError> {
        let captures = std::mem::take(&mut settings.captures);
        let captured = !captures.is_empty();
        let exchange = if captured {
            Exchange::captured(&settings.exchange, &settings.instruments, captures)?
        } else {
            generated(&settings)?
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
            slots: HashMap::new(),
            now: Nanos(0),
            wall: wall(),
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
        let mut report = self.floor.report;
        report.capture_ended = self.ended;
        if let Some(counts) = self.exchange.capture_counts() {
            report.capture_foreign = counts.foreign;
            report.capture_unreadable = counts.unreadable;
        }
        report
    }

    // ---- connections ----

    pub(super) fn accept(&mut self, conn: ConnId) {
        let slot = match self.floor.links.iter().position(Option::is_none) {
            Some(slot) => slot,
            None => {
                self.floor.links.push(None);
                self.floor.links.len() - 1
            }
        };
        self.floor.links[slot] = Some(Link::new(conn, self.now));
        self.slots.insert(conn, slot);
        self.floor.report.connections += 1;
        let open = self.slots.len() as u64;
        self.floor.report.connections_max = self.floor.report.connections_max.max(open);
    }

    pub(super) fn forget(&mut self, conn: ConnId, reason: &str) {
        let Some(slot) = self.slots.remove(&conn) else { return };
        self.floor.streams.drop(slot, None);
        if let Some(link) = self.floor.links[slot].take()
            && !matches!(link.role, Role::Rest)
        {
            self.floor.report.close(format!("{conn}: {}: {reason}", role_name(&link)));
        }
    }

    /// Takes bytes of a connection.
    pub(super) fn receive(&mut self, slot: usize, bytes: &mut [u8]) {
        let Some(link) = self.floor.links[slot].as_mut() else { return };
        match &mut link.protocol {
            Protocol::Head(head) => {
                head.extend_from_slice(bytes);
                self.read_head(slot);
            }
            Protocol::Rest(reader) => {
                reader.receive(bytes);
                self.serve_rest(slot);
            }
            Protocol::Web(_) => self.read_web(slot, bytes),
        }
    }

    /// Looks at the head of the first request: an upgrade, or REST.
    fn read_head(&mut self, slot: usize) {
        let Some(link) = self.floor.links[slot].as_mut() else { return };
        let Protocol::Head(head) = &mut link.protocol else { return };
        let end = head.windows(4).position(|window| window == b"\r\n\r\n");
        if end.is_none() && head.len() <= HEAD_MAX {
            return;
        }
        let mut bytes = std::mem::take(head);
        let limits = Limits { head: HEAD_MAX, headers: 100, body: MESSAGE_MAX };
        let parsed = end.and_then(|end| Head::parse(&bytes[..end + 4], &limits).ok());
        let Some(parsed) = parsed else {
            let response = Response::new(400, "Bad Request", "no HTTP/1.1 request");
            link.respond(&response.with_header("Connection", "close"));
            link.cut_at = Some(self.now.plus(LINGER));
            return;
        };
        if !parsed.headers.has_token("upgrade", "websocket") {
            let mut reader = RequestReader::new(limits);
            reader.receive(&bytes);
            link.protocol = Protocol::Rest(reader);
            return self.serve_rest(slot);
        }
        match self.role_of(&parsed.start[1]) {
            Some((role, streams, user)) => {
                let Some(link) = self.floor.links[slot].as_mut() else { return };
                let settings = SocketSettings {
                    frame_max: MESSAGE_MAX,
                    message_max: MESSAGE_MAX,
                    utf8: false,
                };
                link.protocol = Protocol::Web(Box::new(Socket::server().with_settings(settings)));
                link.role = role;
                link.user = user;
                link.next_ping = self.now.plus(self.settings.ping_period);
                self.read_web(slot, &mut bytes);
                self.subscribe(slot, &streams);
            }
            None => {
                let text = format!(
                    "no such stream: {}; this venue has /stream?streams=…, /ws/NAME and {}",
                    parsed.start[1],
                    order_path(self.floor.family)
                );
                let response = Response::new(404, "Not Found", text);
                link_respond_and_cut(&mut self.floor, slot, &response, self.now);
            }
        }
    }

    /// What a WebSocket path is for: its role, its streams, and whose events it gets.
    fn role_of(&self, target: &str) -> Option<(Role, Vec<String>, Option<ClientId>)> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let names = |text: &str| -> Vec<String> {
            let parts = text.split('/').filter(|part| !part.is_empty());
            parts.take(STREAMS_MAX).map(str::to_owned).collect()
        };
        if path == order_path(self.floor.family) {
            return Some((Role::Orders, Vec::new(), None));
        }
        let (combined, names) = if path == "/stream" {
            let streams = query.split('&').find_map(|pair| pair.strip_prefix("streams="));
            (true, names(streams.unwrap_or("")))
        } else {
            let rest = path.strip_prefix("/ws")?;
            if !rest.is_empty() && !rest.starts_with('/') {
                return None;
            }
            (false, names(rest))
        };
        let listens = |name: &String| self.floor.accounts.of_listen_key(name);
        if let Some(client) = names.iter().find_map(listens) {
            let name = if combined { names.first().cloned() } else { None };
            return Some((Role::User { name }, Vec::new(), Some(client)));
        }
        Some((Role::Market { combined }, names, None))
    }

    fn read_web(&mut self, slot: usize, bytes: &mut [u8]) {
        let Some(link) = self.floor.links[slot].as_mut() else { return };
        let Protocol::Web(socket) = &mut link.protocol else { return };
        let (mut texts, mut out, mut closed) = (Vec::new(), Vec::new(), None);
        let mut heard = false;
        let read = socket.receive(bytes, &mut out, &mut |event| match event {
            Event::Text(text) | Event::Binary(text) => texts.push(text.to_vec()),
            Event::Pong => heard = true,
            Event::Close(code) => closed = Some(code),
            Event::Open { .. } | Event::Ping(_) => {}
        });
        link.raw(&out);
        if heard {
            link.pinged = None;
        }
        if let Err(error) = &read {
            let why = format!("{}: {}: {error}", link.conn, role_name(link));
            self.floor.report.close(why.clone());
            self.notes.push(why);
        }
        if read.is_err() || closed.is_some() {
            link.cut_at.get_or_insert(self.now.plus(LINGER));
        }
        for text in texts {
            let role = self.floor.links[slot].as_ref().map(|link| link.role.clone());
            match role {
                Some(Role::Orders) => self.order_request(slot, &text),
                Some(Role::Market { .. }) => self.stream_request(slot, &text),
                Some(Role::User { .. } | Role::Rest) | None => {}
            }
        }
    }

    // ---- market streams ----

    fn subscribe(&mut self, slot: usize, names: &[String]) {
        let Some(link) = self.floor.links[slot].as_ref() else { return };
        let (Role::Market { combined }, conn) = (&link.role, link.conn) else { return };
        let combined = *combined;
        for name in names {
            let wish = Wish { slot, name: name.clone(), combined };
            if !self.floor.streams.add(&self.floor.instruments, wish) {
                self.notes.push(format!("{conn}: nothing ever comes on stream `{name}`"));
            }
        }
        let listening = |of: &&Link| of.is_market();
        let market_links = self.floor.links.iter().flatten().filter(listening).count();
        if market_links >= self.settings.wait_for && !names.is_empty() {
            self.begin();
        }
    }

    /// `SUBSCRIBE`, `UNSUBSCRIBE` and `LIST_SUBSCRIPTIONS` on a market connection.
    fn stream_request(&mut self, slot: usize, text: &[u8]) {
        let tree: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
        let id = tree["id"].to_string();
        let listed = tree["params"].as_array();
        let names: Vec<String> = listed
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .take(STREAMS_MAX)
            .collect();
        let answer = match tree["method"].as_str() {
            Some("SUBSCRIBE") => {
                self.subscribe(slot, &names);
                format!(r#"{{"result":null,"id":{id}}}"#)
            }
            Some("UNSUBSCRIBE") => {
                names.iter().for_each(|name| self.floor.streams.drop(slot, Some(name)));
                format!(r#"{{"result":null,"id":{id}}}"#)
            }
            Some("LIST_SUBSCRIPTIONS") => {
                let names = serde_json::json!(self.floor.streams.names(slot));
                format!(r#"{{"result":{names},"id":{id}}}"#)
            }
            _ => r#"{"error":{"code":2,"msg":"Invalid request"},"id":null}"#.to_owned(),
        };
        if let Some(link) = self.floor.links[slot].as_mut() {
            link.text(answer.as_bytes());
        }
    }

    // ---- the order API ----

    fn order_request(&mut self, slot: usize, text: &[u8]) {
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
            None => {}
        }
        let due = self.submit(client, &intent);
        let withdrawn = Vec::new();
        let reply = reply.clone();
        self.floor.pending.push(Pending { conn, reply, client, intent, due, withdrawn });
        Ok(())
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

    /// Gives the exchange an intent; returns when its reports leave.
    fn submit(&mut self, client: ClientId, intent: &Intent) -> Nanos {
        self.begin();
        let at = self.pace.market(self.now).map_or(self.market_now, |at| at.max(self.market_now));
        self.exchange.submit(at, client, intent);
        let settings = self.exchange.settings();
        let due = at.plus(settings.latency_in).plus(settings.latency_out);
        self.owed = self.owed.max(due);
        due
    }

    // ---- time ----

    /// Starts the market's time; a generated market is dated from now.
    fn begin(&mut self) {
        if self.pace.has_begun() {
            return;
        }
        self.pace.begin(self.now);
        self.settings.exchange.wall_at_zero = self.wall;
        if !self.captured
            && let Ok(fresh) = generated(&self.settings)
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

fn link_respond_and_cut(floor: &mut Floor, slot: usize, response: &Response, now: Nanos) {
    if let Some(link) = floor.links[slot].as_mut() {
        link.respond(response);
        link.cut_at = Some(now.plus(LINGER));
    }
}

fn generated(settings: &ServerSettings) -> Result<Exchange, ExchangeError> {
    let dated: ExchangeSettings = settings.exchange;
    Exchange::generated(&dated, &settings.instruments)
}

/// Where a family's order API is.
const fn order_path(family: Family) -> &'static str {
    match family {
        Family::Spot => "/ws-api/v3",
        Family::UsdM => "/ws-fapi/v1",
        Family::CoinM => "/ws-dapi/v1",
    }
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
