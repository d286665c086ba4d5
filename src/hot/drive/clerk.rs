//! The clerk: a thread that does a lane's REST, so that the hot thread never waits for an answer.
//!
//! Asks come by one ring and answers leave by another. The clerk keeps the venue's weight budget,
//! repeats what fails until it succeeds, and tells the lane of its trouble. While the lane's pulse
//! beats it arms the venue's own dead man's switch (futures). It is a future without a runtime (`rest`):
//! a thread finishes it, a simulator polls it.
//! Deliberately absent: the meaning of an answer for the lane (`drive`).

use super::inquire::PAGES_MAX;
use super::rest::{Rest, RestError};
use super::wire::Endpoint;
use crate::host::clock::Clock;
use crate::host::ring::{Consumer, Producer};
use crate::hot::guard::Pulse;
use crate::net::http::{Method, Response};
use crate::record::{Instrument, Symbol};
use crate::units::{InstrumentId, Lots, Nanos, OrderId, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::orders::{RateCount, RateKind};
use crate::venue::binance::session::answer::{
    self, Account, AccountTrade, AnswerError, VenueOrder,
};
use crate::venue::binance::session::rest::{self, PAGE, RestRequest};
use crate::venue::binance::session::{Budget, Cost, Signer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a lane asks for.
#[derive(Debug)]
pub enum Ask {
    /// A book.
    Snapshot(InstrumentId),
    /// A new listen key.
    ListenKey,
    /// That the listen key stays valid.
    KeepListenKey,
    /// What became of one order.
    Order(InstrumentId, OrderId),
    /// That every order be cancelled, and what the venue's books say then.
    Reconcile(Inquiry),
    /// What the venue's clock shows.
    Clock,
    /// A body back, to be freed here.
    Recycle(Vec<u8>),
}

/// What reconciliation asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inquiry {
    /// Fills since then; without a time there was no earlier life, and nothing is listed.
    pub since: Option<UnixNanos>,
    /// The last trade known on each instrument: where the list of fills begins if `since` lies further
    /// back than the venue's lists reach.
    pub last_trades: Vec<(InstrumentId, u64)>,
    /// What the venue knows of these orders.
    pub unnamed: Vec<(InstrumentId, OrderId)>,
    /// Every order since then, for those that the lane does not remember.
    pub all_orders: bool,
}

/// What reconciliation found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Orders asked about that the venue knows, and every order since where that was asked.
    pub orders: Vec<VenueOrder>,
    /// Fills since.
    pub fills: Vec<AccountTrade>,
    /// Balances and positions after them.
    pub account: Account,
    /// What could not be asked, in words.
    pub gaps: Vec<String>,
}

/// What it gets.
#[derive(Debug)]
pub enum Answer {
    /// The body of a snapshot.
    Snapshot(InstrumentId, Vec<u8>),
    /// A listen key.
    ListenKey(String),
    /// An order as the venue has it, none where it has no such order, and its fills.
    Order(OrderId, Option<VenueOrder>, Vec<AccountTrade>),
    /// Nothing of ours works at the venue any more.
    Reconciled(Findings),
    /// The venue's clock minus ours, in nanoseconds.
    Clock(i64),
    /// Something failed and will be tried again.
    Trouble(String),
}

/// Whom the clerk works for.
pub struct ClerkSettings {
    /// Whose protocol.
    pub family: Family,
    /// Where REST lives.
    pub endpoint: Endpoint,
    /// What the lane trades.
    pub instruments: Vec<Instrument>,
    /// The key, where the venue wants one.
    pub signer: Option<Signer>,
    /// Countdown of the dead man's switch; zero leaves it alone.
    pub dead_man: Nanos,
    /// Wall time at monotonic zero.
    pub wall_at_zero: UnixNanos,
}

/// Why one attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Rest(#[from] Box<RestError>),
    #[error(transparent)]
    Answer(#[from] Box<AnswerError>),
    #[error("the venue asks for a key; set venue.key_file or BOT4_API_KEY")]
    NoKey,
    #[error("order {0} reached the venue after everything was cancelled; cancelling again")]
    StillWorks(String),
    #[error("{1}: more than {max} {0} to reconcile; look at the account", max = PAGES_MAX * PAGE)]
    Endless(&'static str, Symbol),
}

/// The venue's code when there was nothing to cancel.
pub(super) const NOTHING_OPEN: i32 = -2011;
/// The venue's code for an order that it does not know.
const NO_SUCH_ORDER: i32 = -2013;
/// By how much our clock and the venue's may differ where nobody has measured it; less than the window
/// of a request leaves on either side.
const CLOCKS_APART: Nanos = Nanos(2 * 1_000_000_000);
/// The venue's code for a request whose time lies outside its window.
const OFF_TIME: i32 = -1021;
const RETRY_MIN: Nanos = Nanos::from_millis(100);
const RETRY_MAX: Nanos = Nanos::from_millis(5_000);

pub(super) struct Clerk<C: Clock> {
    pub(super) settings: ClerkSettings,
    rest: Rest,
    budget: Budget,
    clock: C,
    /// The venue's clock minus ours.
    venue_ahead: i64,
    /// When the last request left.
    sent_at: Nanos,
}

/// Works until `stop`, waiting as `rest` does.
pub async fn work<C: Clock>(
    settings: ClerkSettings,
    rest: Rest,
    clock: C,
    pulse: &Arc<Pulse>,
    mut asks: Consumer<Ask>,
    mut answers: Producer<Answer>,
    stop: &AtomicBool,
) {
    let patience = rest.patience();
    // What the venue grants every address a minute; its answers correct the count.
    let limit = if settings.family == Family::Spot { 6_000 } else { 2_400 };
    let weight = RateCount { kind: RateKind::RequestWeight, interval_s: 60, limit, count: 0 };
    let budget = Budget::new(settings.family, &[weight], 25);
    let mut clerk = Clerk { settings, rest, budget, clock, venue_ahead: 0, sent_at: Nanos(0) };
    let mut armed: Option<(Nanos, u64)> = None;
    while !stop.load(Ordering::Acquire) {
        armed = clerk.arm(armed, pulse).await;
        match asks.pop() {
            None => patience.breathe().await,
            Some(Ask::Recycle(body)) => drop(body),
            Some(ask) => {
                if let Some(answer) = clerk.until_done(&ask, &mut answers, stop).await {
                    let mut waiting = Some(answer);
                    while let Some(answer) = waiting.take() {
                        if let Err(full) = answers.push(answer) {
                            if stop.load(Ordering::Acquire) || answers.is_abandoned() {
                                return;
                            }
                            waiting = Some(full.0);
                            patience.breathe().await;
                        }
                    }
                }
            }
        }
    }
    clerk.disarm(armed.is_some()).await;
}

/// Cancels everything over a connection of its own: what the guard does for a dead lane.
///
/// Nobody has measured the venue's clock here: the time that is signed lies a little back, so that
/// either clock may be ahead by as much.
///
/// # Errors
/// The first instrument whose orders could not be cancelled, after trying all of them.
pub async fn cancel_everything(
    settings: &ClerkSettings,
    mut rest: Rest,
    clock: &impl Clock,
) -> Result<(), String> {
    let mut failure = Ok(());
    for instrument in &settings.instruments {
        let Some(signer) = &settings.signer else { return Err(Trouble::NoKey.to_string()) };
        let wall = settings.wall_at_zero.0.saturating_add(clock.now().0);
        let wall = UnixNanos(wall.saturating_sub(CLOCKS_APART.0));
        let request = rest::cancel_all(settings.family, &instrument.symbol, signer, wall);
        let outcome = rest.call(&request, clock, &AtomicBool::new(false)).await;
        if let Err(error) = outcome.map_err(|error| error.to_string()).and_then(|of| {
            answer::check(of.status, &of.body, None).map_err(|error| error.to_string())
        }) {
            failure = Err(format!("{}: {error}", instrument.symbol));
        }
    }
    failure
}

impl<C: Clock> Clerk<C> {
    async fn until_done(
        &mut self,
        ask: &Ask,
        answers: &mut Producer<Answer>,
        stop: &AtomicBool,
    ) -> Option<Answer> {
        let mut wait = RETRY_MIN;
        loop {
            match self.attempt(ask, stop).await {
                Ok(answer) => return answer,
                Err(trouble) => {
                    if trouble.is_clock()
                        && let Ok(ahead) = self.measure(stop).await
                    {
                        // A lane that is not listening must not stop the clerk from trying.
                        let _ = answers.push(Answer::Clock(ahead));
                    }
                    // A lane that is not listening must not stop the clerk from trying.
                    let _ = answers.push(Answer::Trouble(format!("{}: {trouble}", name(ask))));
                }
            }
            // The lane asks again by itself, and other asks must not wait behind this one.
            if matches!(ask, Ask::Order(..) | Ask::KeepListenKey) {
                return None;
            }
            let until = self.clock.now().plus(wait);
            while self.clock.now() < until {
                if stop.load(Ordering::Acquire) {
                    return None;
                }
                self.rest.patience().breathe().await;
            }
            wait = Nanos((wait.0 * 2).min(RETRY_MAX.0));
        }
    }

    async fn attempt(&mut self, ask: &Ask, stop: &AtomicBool) -> Result<Option<Answer>, Trouble> {
        let family = self.settings.family;
        Ok(match ask {
            Ask::Snapshot(id) => match self.symbol(*id) {
                Some(symbol) => {
                    let response =
                        self.call(|family, _| rest::depth(family, &symbol), stop).await?;
                    Some(Answer::Snapshot(*id, response.body))
                }
                None => None,
            },
            Ask::ListenKey => {
                let request = rest::create_listen_key(family, self.signer()?);
                match request {
                    Some(request) => {
                        let response = self.call(|_, _| request.clone(), stop).await?;
                        Some(Answer::ListenKey(answer::listen_key(&response.body)?))
                    }
                    None => None,
                }
            }
            Ask::KeepListenKey => {
                if let Some(request) = rest::keep_listen_key(family, self.signer()?) {
                    self.call(|_, _| request.clone(), stop).await?;
                }
                None
            }
            Ask::Order(instrument, order) => {
                let found = self.look_up(*instrument, *order, stop).await?;
                let fills = match &found {
                    Some(found) if found.filled_lots > Lots(0) => {
                        self.fills_of(found, stop).await?
                    }
                    _ => Vec::new(),
                };
                Some(Answer::Order(*order, found, fills))
            }
            Ask::Reconcile(inquiry) => {
                Some(Answer::Reconciled(self.reconcile(inquiry, stop).await?))
            }
            Ask::Clock => Some(Answer::Clock(self.measure(stop).await?)),
            Ask::Recycle(_) => None,
        })
    }

    /// Measures the venue's clock against ours, half of the way there and back apart.
    async fn measure(&mut self, stop: &AtomicBool) -> Result<i64, Trouble> {
        let response = self.call(|family, _| rest::time(family), stop).await?;
        let answered = self.clock.now();
        let theirs = answer::time(&response.body)?;
        let middle = self.sent_at.plus(Nanos(answered.since(self.sent_at).0 / 2));
        let ours = self.settings.wall_at_zero.0.saturating_add(middle.0);
        self.venue_ahead = theirs.0.cast_signed().saturating_sub(ours.cast_signed());
        Ok(self.venue_ahead)
    }

    pub(super) async fn look_up(
        &mut self,
        instrument: InstrumentId,
        order: OrderId,
        stop: &AtomicBool,
    ) -> Result<Option<VenueOrder>, Trouble> {
        let Some(symbol) = self.symbol(instrument) else { return Ok(None) };
        let signer = self.signer()?.clone();
        let request = |family, wall| rest::order(family, &symbol, order, &signer, wall);
        match self.call(request, stop).await {
            Ok(response) => Ok(answer::order(&response.body, &self.settings.instruments)?),
            Err(Trouble::Answer(refused)) if refused.code() == Some(NO_SUCH_ORDER) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn fills_of(
        &mut self,
        order: &VenueOrder,
        stop: &AtomicBool,
    ) -> Result<Vec<AccountTrade>, Trouble> {
        let Some(symbol) = self.symbol(order.instrument) else { return Ok(Vec::new()) };
        let (signer, of) = (self.signer()?.clone(), order.venue_order);
        let request = |family, wall| rest::trades_of(family, &symbol, of, &signer, wall);
        let response = self.call(request, stop).await?;
        Ok(answer::trades(&response.body, &self.settings.instruments)?)
    }

    fn symbol(&self, instrument: InstrumentId) -> Option<Symbol> {
        let known = self.settings.instruments.iter().find(|of| of.id == instrument);
        known.map(|of| of.symbol)
    }

    /// A request that decides whether the lane may trade: it may use the budget's reserve.
    pub(super) async fn call(
        &mut self,
        make: impl Fn(Family, UnixNanos) -> RestRequest,
        stop: &AtomicBool,
    ) -> Result<Response, Trouble> {
        let cost = |of: &RestRequest| match of.method {
            Method::Delete => Cost::Cancel,
            _ => Cost::Urgent(of.weight),
        };
        self.call_for(cost, make, stop).await
    }

    /// Makes a request of the time when the budget has room for it, and not before: a signature that
    /// waits grows too old.
    async fn call_for(
        &mut self,
        cost: impl Fn(&RestRequest) -> Cost,
        make: impl Fn(Family, UnixNanos) -> RestRequest,
        stop: &AtomicBool,
    ) -> Result<Response, Trouble> {
        let family = self.settings.family;
        let cost = cost(&make(family, self.wall()));
        while let Err(wait) = self.budget.take(cost, self.clock.now()) {
            while self.clock.now() < wait.until {
                if stop.load(Ordering::Acquire) {
                    return Err(RestError::Stopped.into());
                }
                self.rest.patience().breathe().await;
            }
        }
        self.sent_at = self.clock.now();
        self.send(&make(family, self.wall()), stop).await
    }

    /// A request whose cost was taken out of the budget.
    async fn send(
        &mut self,
        request: &RestRequest,
        stop: &AtomicBool,
    ) -> Result<Response, Trouble> {
        let response = self.rest.call(request, &self.clock, stop).await?;
        let used = response.headers.get("x-mbx-used-weight-1m");
        if let Some(used) = used.and_then(|text| text.parse().ok()) {
            self.budget.observe_weight(used, self.clock.now());
        }
        let header = response.headers.get("retry-after");
        let wait = answer::retry_after(header);
        if let (429 | 418, Some(span)) = (response.status, wait) {
            self.budget.ban(span, self.clock.now());
        }
        answer::check(response.status, &response.body, wait)?;
        Ok(response)
    }

    /// Arms the venue's countdown while the lane's pulse beats.
    async fn arm(&mut self, armed: Option<(Nanos, u64)>, pulse: &Pulse) -> Option<(Nanos, u64)> {
        let span = self.settings.dead_man;
        if span == Nanos(0) || self.settings.signer.is_none() {
            return None;
        }
        let now = self.clock.now();
        let beats = pulse.beats();
        let due =
            armed.is_none_or(|(at, before)| now.since(at) >= Nanos(span.0 / 3) && before != beats);
        if !due || beats == 0 {
            return armed;
        }
        self.countdown(span).await;
        Some((now, beats))
    }

    async fn disarm(&mut self, armed: bool) {
        if armed {
            self.countdown(Nanos(0)).await;
        }
    }

    /// Best effort: a venue that cannot be reached, or has shut us out, cannot be armed either, and
    /// the guard remains.
    async fn countdown(&mut self, span: Nanos) {
        let Some(signer) = self.settings.signer.clone() else { return };
        for instrument in self.settings.instruments.clone() {
            let (family, wall) = (self.settings.family, self.wall());
            let millis = span.0 / 1_000_000;
            let symbol = &instrument.symbol;
            let Some(request) = rest::countdown_cancel_all(family, symbol, millis, &signer, wall)
            else {
                return;
            };
            if self.budget.take(Cost::Request(request.weight), self.clock.now()).is_ok() {
                let _ = self.send(&request, &AtomicBool::new(false)).await;
            }
        }
    }

    pub(super) fn signer(&self) -> Result<&Signer, Trouble> {
        self.settings.signer.as_ref().ok_or(Trouble::NoKey)
    }

    pub(super) fn wall(&self) -> UnixNanos {
        let zero = self.settings.wall_at_zero.0.saturating_add_signed(self.venue_ahead);
        UnixNanos(zero.saturating_add(self.clock.now().0))
    }
}

impl Trouble {
    /// Whether the venue refused the request for its time.
    fn is_clock(&self) -> bool {
        matches!(self, Trouble::Answer(refused) if refused.code() == Some(OFF_TIME))
    }
}

impl From<RestError> for Trouble {
    fn from(error: RestError) -> Trouble {
        Trouble::Rest(Box::new(error))
    }
}

impl From<AnswerError> for Trouble {
    fn from(error: AnswerError) -> Trouble {
        Trouble::Answer(Box::new(error))
    }
}

fn name(ask: &Ask) -> &'static str {
    match ask {
        Ask::Snapshot(_) => "snapshot",
        Ask::ListenKey => "listen key",
        Ask::KeepListenKey => "keeping the listen key",
        Ask::Order(..) => "looking an order up",
        Ask::Reconcile(_) => "reconciling",
        Ask::Clock => "the venue's clock",
        Ask::Recycle(_) => "recycling",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::clock::TscClock;
    use crate::hot::drive::rest::finish;
    use crate::hot::tests::instrument;
    use crate::record::OrderState;
    use crate::venue::binance::orders::client_id;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    const LATE: OrderId = OrderId::new(1, 1);

    /// A venue that answers with these bodies, one a request, and tells what was asked.
    fn venue(bodies: Vec<String>) -> (Endpoint, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut asked = Vec::new();
            for body in bodies {
                let first = lines.next().unwrap().unwrap();
                asked.push(first.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" "));
                while !lines.next().unwrap().unwrap().is_empty() {}
                let len = body.len();
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{body}").unwrap();
            }
            asked
        });
        (Endpoint { at, host: at.to_string(), tls: None }, thread)
    }

    fn order(status: &str) -> String {
        let id = String::from_utf8_lossy(&client_id(LATE)).into_owned();
        format!(
            r#"{{"symbol":"BTCUSDT","orderId":7,"clientOrderId":"{id}","price":"61800.2",
            "origQty":"0.010","executedQty":"0.000","status":"{status}","timeInForce":"GTX",
            "type":"LIMIT","side":"BUY"}}"#
        )
    }

    fn account() -> String {
        let position = r#"{"symbol":"BTCUSDT","positionAmt":"0.003","positionSide":"BOTH"}"#;
        format!(r#"{{"assets":[],"positions":[{position}]}}"#)
    }

    #[test]
    fn an_order_that_came_after_the_cancel_is_cancelled_again() {
        let (all, none) = (r#"{"code":200,"msg":"done"}"#.to_owned(), "[]".to_owned());
        let (endpoint, asked) = venue(vec![
            all.clone(),
            none.clone(),
            order("NEW"),
            all,
            none.clone(),
            order("CANCELED"),
            none,
            account(),
        ]);
        let mut clerk = Clerk {
            settings: ClerkSettings {
                family: Family::UsdM,
                endpoint: endpoint.clone(),
                instruments: vec![instrument(0, "BTCUSDT")],
                signer: Some(Signer::ephemeral("test").unwrap()),
                dead_man: Nanos(0),
                wall_at_zero: UnixNanos(0),
            },
            rest: Rest::new(endpoint),
            budget: Budget::new(Family::UsdM, &[], 25),
            clock: TscClock::calibrate(),
            venue_ahead: 0,
            sent_at: Nanos(0),
        };
        let unnamed = vec![(InstrumentId(0), LATE)];
        let since = Some(UnixNanos(0));
        let ask = Ask::Reconcile(Inquiry { since, unnamed, ..Inquiry::default() });
        let stop = AtomicBool::new(false);
        let trouble = finish(clerk.attempt(&ask, &stop)).expect_err("it works");
        assert!(trouble.to_string().contains("b4_"), "{trouble}");
        let answer = finish(clerk.attempt(&ask, &stop)).expect("it is cancelled");
        let Some(Answer::Reconciled(found)) = answer else { panic!("{answer:?}") };
        assert_eq!((found.orders[0].state, found.fills.len()), (OrderState::Cancelled, 0));
        assert_eq!(found.account.positions[0].lots, Lots(3));
        let cancel = ["DELETE /fapi/v1/allOpenOrders", "GET /fapi/v1/openOrders"];
        let order = "GET /fapi/v1/order";
        let books = ["GET /fapi/v1/userTrades", "GET /fapi/v2/account"];
        let all = [cancel[0], cancel[1], order, cancel[0], cancel[1], order, books[0], books[1]];
        assert_eq!(
            asked.join().unwrap(),
            all,
            "fills are asked for when nothing can fill any more"
        );
    }
}
