//! The reception: connections by path, and what clients of market streams ask for.

use super::desk::Venue;
use super::floor::Floor;
use super::link::{Link, Protocol, Role};
use super::streams::{STREAMS_MAX, Wish};
use super::turn::{LINGER, role_name};
use crate::host::net::ConnId;
use crate::host::schedule::MessageName;
use crate::lab::exchange::ClientId;
use crate::net::http::{Head, Limits, RequestReader, Response};
use crate::net::websocket::{Event, Settings as SocketSettings, Socket};
use crate::units::Nanos;
use crate::venue::binance::Family;

/// Longest head of a first request.
const HEAD_MAX: usize = 16 << 10;
/// Longest message a client may send.
const MESSAGE_MAX: usize = 64 << 10;

impl Venue {
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
                let key = parsed.headers.get("sec-websocket-key");
                link.next = MessageName::first(key.unwrap_or(""));
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
}

fn link_respond_and_cut(floor: &mut Floor, slot: usize, response: &Response, now: Nanos) {
    if let Some(link) = floor.links[slot].as_mut() {
        link.respond(response);
        link.cut_at = Some(now.plus(LINGER));
    }
}

/// Where a family's order API is.
const fn order_path(family: Family) -> &'static str {
    match family {
        Family::Spot => "/ws-api/v3",
        Family::UsdM => "/ws-fapi/v1",
        Family::CoinM => "/ws-dapi/v1",
    }
}
