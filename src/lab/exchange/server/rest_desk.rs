//! The REST desk: whole requests -> bodies, or an order request whose answer comes later.

use super::desk::Venue;
use super::limits::TooMany;
use super::link::Protocol;
use super::pending::Reply;
use super::report::ServerReport;
use super::turn::LINGER;
use super::witness::Witnessed;
use crate::host::net::ConnId;
use crate::lab::exchange::ClientId;
use crate::lab::exchange::order::Order;
use crate::lab::exchange::wire::answers::{self, OrderFacts, OrderView};
use crate::lab::exchange::wire::information::exchange_information;
use crate::lab::exchange::wire::market::depth_snapshot;
use crate::lab::exchange::wire::parameters::Parameters;
use crate::lab::exchange::wire::refusal::Refusal;
use crate::lab::exchange::wire::requests::OrderReader;
use crate::lab::exchange::wire::rest::{self, RestCall};
use crate::net::http::{Request, Response};
use crate::record::{ExecutionReport, Instrument};
use crate::units::{Lots, Money, Nanos};
use crate::venue::binance::Family;

/// Trades of one answer, the venue's limit.
const TRADES_MAX: usize = 1_000;

impl Venue {
    /// Serves what REST connections have waiting, now that earlier requests may be answered.
    pub(super) fn pump_rest(&mut self) {
        for slot in 0..self.floor.links.len() {
            let rests = self.floor.links[slot]
                .as_ref()
                .is_some_and(|link| !link.waits && matches!(link.protocol, Protocol::Rest(_)));
            if rests {
                self.serve_rest(slot);
            }
        }
    }

    /// Serves whole requests of a connection until one has to wait for the exchange.
    pub(super) fn serve_rest(&mut self, slot: usize) {
        loop {
            let Some(link) = self.floor.links[slot].as_mut() else { return };
            let Protocol::Rest(reader) = &mut link.protocol else { return };
            if link.waits || link.cut_at.is_some() {
                return;
            }
            match reader.next_request() {
                Ok(Some(request)) => {
                    let conn = link.conn;
                    link.waits = true;
                    if !request.keep_alive() {
                        link.cut_at = Some(self.now.plus(LINGER).plus(LINGER));
                    }
                    self.serve(conn, &request);
                }
                Ok(None) => return,
                Err(error) => {
                    let response = Response::new(400, "Bad Request", error.to_string())
                        .with_header("Connection", "close");
                    link.respond(&response);
                    link.cut_at = Some(self.now.plus(LINGER));
                }
            }
        }
    }

    fn serve(&mut self, conn: ConnId, request: &Request) {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target.as_str(), ""));
        let family = self.floor.family;
        let Some(call) = RestCall::read(family, request.method, path) else {
            let refusal = Refusal { status: 404, ..Refusal::UNSUPPORTED };
            return self.floor.refuse(conn, &Reply::Rest, &refusal, None);
        };
        ServerReport::count(&mut self.floor.report.rest, call_name(call));
        let body = std::str::from_utf8(&request.body).unwrap_or("");
        let params = match (query.is_empty(), body.is_empty()) {
            (false, true) => Parameters::of_query(query),
            (true, false) => Parameters::of_query(body),
            _ => Parameters::of_query(&format!("{query}{body}")),
        };
        let levels = depth_limit(family, &params);
        let is_order = matches!(call, RestCall::Order(action) if
            matches!(action, crate::record::OrderAction::Place | crate::record::OrderAction::Replace));
        let weight = call.weight(family, levels);
        if let Err(TooMany { refusal, wait }) = self.floor.meter.take(weight, is_order, self.now) {
            ServerReport::count(&mut self.floor.report.refused, refusal.code);
            self.floor.witness(Witnessed::Limited(refusal.code));
            let mut body = Vec::new();
            answers::error(&mut body, &refusal, None);
            return self.floor.respond(conn, refusal.status, &body, Some(wait));
        }
        let key = request.headers.get("x-mbx-apikey").unwrap_or("");
        match self.answer(conn, call, key, &params, levels) {
            Ok(Some(body)) => self.floor.respond(conn, 200, &body, None),
            Ok(None) => {}
            Err(refusal) => self.floor.refuse(conn, &Reply::Rest, &refusal, None),
        }
    }

    /// The body of an answer; `None` where it comes later.
    fn answer(
        &mut self,
        conn: ConnId,
        call: RestCall,
        key: &str,
        params: &Parameters,
        levels: usize,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let family = self.floor.family;
        let millis = self.wall.0 / 1_000_000;
        let mut body = Vec::new();
        match call {
            RestCall::Ping => body.extend_from_slice(b"{}"),
            RestCall::Time => body = format!(r#"{{"serverTime":{millis}}}"#).into_bytes(),
            RestCall::Information => {
                let counts = self.floor.meter.counts(self.now);
                let listed = &self.floor.instruments;
                exchange_information(&mut body, family, listed, &counts, self.wall);
            }
            RestCall::Depth => {
                let instrument = *params.instrument(&self.floor.instruments)?;
                let at = self.wall;
                let Some(book) = self.exchange.snapshot(instrument.id, levels) else {
                    return Err(Refusal::SYMBOL);
                };
                depth_snapshot(&mut body, family, &instrument, &book, at);
            }
            RestCall::Query => {
                let client = self.signed(key, params)?;
                self.query(client, params, &mut body)?;
            }
            RestCall::OpenOrders => {
                let client = self.signed(key, params)?;
                self.open_orders(client, params, &mut body)?;
            }
            RestCall::AllOrders => {
                let client = self.signed(key, params)?;
                self.all_orders(client, params, &mut body)?;
            }
            RestCall::Account => {
                let client = self.signed(key, params)?;
                let account = self.floor.accounts.get(client).ok_or(Refusal::KEY)?;
                let positions: Vec<(&Instrument, Lots, f64)> = self
                    .floor
                    .instruments
                    .iter()
                    .map(|of| {
                        let lots = self.exchange.position(client, of.id);
                        (of, lots, account.entry_price(of))
                    })
                    .collect();
                let holdings = account.holdings(&self.floor.instruments);
                rest::account(&mut body, family, &holdings, &positions);
            }
            RestCall::Trades => {
                let client = self.signed(key, params)?;
                let instrument = *params.instrument(&self.floor.instruments)?;
                let since = params.get("startTime").map_or(Ok(0), |_| params.whole("startTime"))?;
                let order = params.get("orderId").map(|_| params.whole("orderId")).transpose()?;
                let first = params.get("fromId").map_or(Ok(0), |_| params.whole("fromId"))?;
                let account = self.floor.accounts.get(client).ok_or(Refusal::KEY)?;
                let wanted = |of: &&ExecutionReport| {
                    of.instrument == instrument.id
                        && of.venue_time.0 / 1_000_000 >= since
                        && of.trade_id >= first
                        && order.is_none_or(|order| of.venue_order == order)
                };
                let fills: Vec<_> =
                    account.fills.iter().filter(wanted).take(TRADES_MAX).copied().collect();
                rest::trades(&mut body, family, &instrument, &fills);
            }
            RestCall::CreateListenKey | RestCall::KeepListenKey => {
                let client = self.keyed(key)?;
                let made = self.floor.accounts.listen_key(client, self.now);
                body = format!(r#"{{"listenKey":"{made}"}}"#).into_bytes();
            }
            RestCall::CloseListenKey => {
                let client = self.keyed(key)?;
                if !self.floor.accounts.close_listen_key(client) {
                    return Err(Refusal::LISTEN_KEY);
                }
                body.extend_from_slice(b"{}");
            }
            RestCall::Countdown => {
                let client = self.signed(key, params)?;
                let instrument = *params.instrument(&self.floor.instruments)?;
                let countdown = params.whole("countdownTime")?;
                let account = self.floor.accounts.get(client).ok_or(Refusal::KEY)?;
                if countdown == 0 {
                    account.dead_man.remove(&instrument.id);
                } else {
                    let at = self.now.plus(Nanos::from_millis(countdown));
                    account.dead_man.insert(instrument.id, at);
                }
                let symbol = instrument.symbol;
                body = format!(r#"{{"symbol":"{symbol}","countdownTime":"{countdown}"}}"#).into();
            }
            RestCall::Order(action) => {
                let client = self.signed(key, params)?;
                self.place(conn, &Reply::Rest, client, action, params)?;
                return Ok(None);
            }
        }
        Ok(Some(body))
    }

    /// One order, working or over.
    fn query(
        &mut self,
        client: ClientId,
        params: &Parameters,
        body: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let instrument = *params.instrument(&self.floor.instruments)?;
        let working = self.exchange.open_orders(client, instrument.id);
        let account = self.floor.accounts.get(client).ok_or(Refusal::KEY)?;
        let mut reader = OrderReader {
            family: self.floor.family,
            instruments: &self.floor.instruments,
            names: &mut account.names,
            by_venue_order: &|_, id| {
                working.iter().find(|of| of.venue_order == id).map(|of| of.asked.order)
            },
        };
        let asked = reader.known(instrument.id, params, "origClientOrderId", "orderId");
        let unknown = |refusal: &Refusal| *refusal == Refusal::UNKNOWN_ORDER;
        let asked = asked.map_err(|of| if unknown(&of) { Refusal::NO_SUCH_ORDER } else { of })?;
        let name = account.names.text(asked);
        let facts = account.facts(instrument.id, asked);
        let open = working.iter().find(|of| of.asked.order == asked).zip(facts);
        let view = match (open, account.ended(instrument.id, asked)) {
            (Some((order, facts)), _) => working_view(&instrument, order, &name, facts),
            (None, Some((last, facts))) => OrderView::of(last, &instrument, &name, *facts),
            (None, None) => return Err(Refusal::NO_SUCH_ORDER),
        };
        answers::order(body, self.floor.family, &view);
        Ok(())
    }

    fn open_orders(
        &mut self,
        client: ClientId,
        params: &Parameters,
        body: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let family = self.floor.family;
        let listed: Vec<Instrument> = match params.get("symbol") {
            Some(_) => vec![*params.instrument(&self.floor.instruments)?],
            None => self.floor.instruments.clone(),
        };
        let account = self.floor.accounts.get(client).ok_or(Refusal::KEY)?;
        let mut orders = Vec::new();
        for instrument in &listed {
            for order in self.exchange.open_orders(client, instrument.id) {
                let asked = order.asked;
                let facts = account.facts(instrument.id, asked.order).unwrap_or(OrderFacts {
                    order_type: asked.order_type,
                    time_in_force: asked.time_in_force,
                    reduce_only: asked.reduce_only,
                    placed: self.wall,
                    notional_filled: Money(0),
                });
                let name = account.names.text(asked.order).into_owned();
                orders.push((instrument, order, facts, name));
            }
        }
        let views: Vec<OrderView<'_>> = orders
            .iter()
            .map(|(instrument, order, facts, name)| working_view(instrument, order, name, *facts))
            .collect();
        rest::orders(body, family, &views);
        Ok(())
    }

    /// Orders of one instrument, working or over, by the venue's id.
    fn all_orders(
        &mut self,
        client: ClientId,
        params: &Parameters,
        body: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let instrument = *params.instrument(&self.floor.instruments)?;
        let since = params.get("startTime").map_or(Ok(0), |_| params.whole("startTime"))?;
        let first = params.get("orderId").map_or(Ok(0), |_| params.whole("orderId"))?;
        let working = self.exchange.open_orders(client, instrument.id);
        let account = self.floor.accounts.get(client).ok_or(Refusal::KEY)?;
        let name = |order| account.names.text(order).into_owned();
        let over = account.ended_on(instrument.id).map(|(last, _)| last.order);
        let mut names: Vec<String> = over.map(name).collect();
        names.extend(working.iter().map(|of| name(of.asked.order)));
        let mut views = Vec::new();
        for ((last, facts), name) in account.ended_on(instrument.id).zip(&names) {
            views.push(OrderView::of(last, &instrument, name, *facts));
        }
        for (order, name) in working.iter().rev().zip(names.iter().rev()) {
            if let Some(facts) = account.facts(instrument.id, order.asked.order) {
                views.push(working_view(&instrument, order, name, facts));
            }
        }
        let since_then = |of: &OrderView<'_>| of.facts.placed.0 / 1_000_000 >= since;
        views.retain(|of| of.venue_order >= first && since_then(of));
        views.sort_by_key(|of| of.venue_order);
        views.truncate(TRADES_MAX);
        rest::orders(body, self.floor.family, &views);
        Ok(())
    }

    /// The account of a signed request.
    fn signed(&mut self, key: &str, params: &Parameters) -> Result<ClientId, Refusal> {
        params.verify(key, self.settings.key.as_ref(), self.wall)?;
        Ok(self.floor.accounts.of_key(key, &self.floor.instruments))
    }

    /// The account of a request that names its key and needs no signature.
    fn keyed(&mut self, key: &str) -> Result<ClientId, Refusal> {
        if self.settings.key.as_ref().is_some_and(|signer| signer.api_key() != key) {
            return Err(Refusal::KEY);
        }
        Ok(self.floor.accounts.of_key(key, &self.floor.instruments))
    }
}

fn working_view<'a>(
    instrument: &'a Instrument,
    order: &Order,
    client_id: &'a str,
    facts: OrderFacts,
) -> OrderView<'a> {
    OrderView {
        instrument,
        client_id,
        venue_order: order.venue_order,
        side: order.asked.side,
        price: order.asked.price,
        lots: order.asked.lots,
        filled: order.filled,
        status: if order.filled > Lots(0) { "PARTIALLY_FILLED" } else { "NEW" },
        facts,
        time: facts.placed,
    }
}

/// Levels of a depth request, within the venue's bounds.
fn depth_limit(family: Family, params: &Parameters) -> usize {
    let (default, most) = if family == Family::Spot { (100, 5_000) } else { (500, 1_000) };
    let asked = params.whole("limit").ok().map(|limit| limit as usize);
    asked.filter(|limit| *limit > 0).unwrap_or(default).min(most)
}

const fn call_name(call: RestCall) -> &'static str {
    match call {
        RestCall::Ping => "ping",
        RestCall::Time => "time",
        RestCall::Information => "exchange_info",
        RestCall::Depth => "depth",
        RestCall::Query => "order_query",
        RestCall::OpenOrders => "open_orders",
        RestCall::Account => "account",
        RestCall::Trades => "trades",
        RestCall::AllOrders => "all_orders",
        RestCall::CreateListenKey | RestCall::KeepListenKey => "listen_key",
        RestCall::CloseListenKey => "listen_key_close",
        RestCall::Countdown => "countdown_cancel_all",
        RestCall::Order(crate::record::OrderAction::CancelAll) => "cancel_all",
        RestCall::Order(_) => "order",
    }
}
