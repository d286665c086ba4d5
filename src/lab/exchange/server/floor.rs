//! The public side of the exchange: what it lets out -> frames, answers and events to clients.

use super::accounts::Accounts;
use super::fault::{Fault, Faults, FrameFault, MessageFault};
use super::late::Late;
use super::limits::Meter;
use super::link::{Link, Role};
use super::pending::{Bearing, Pending};
use super::report::ServerReport;
use super::streams::{Channel, Streams, Wish, bare};
use super::turn::LINGER;
use super::witness::Witnessed;
use crate::host::cpu::Simd;
use crate::host::net::ConnId;
use crate::host::schedule::{MessageName, Schedule};
use crate::lab::exchange::wire::answers::{self, OrderFacts, OrderView};
use crate::lab::exchange::wire::market;
use crate::lab::exchange::wire::refusal::Refusal;
use crate::lab::exchange::{ClientId, Output};
use crate::record::{
    ExecutionKind, ExecutionReport, Instrument, Intent, MarketEvent, OrderAction, Trade,
};
use crate::units::{InstrumentId, Money, Nanos, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::decode::Decoder;
use std::sync::Arc;

/// What takes the place of a frame that a fault spoils.
const GARBAGE: &[u8] = b"{\"e\":\"depthUpdate\",\x00\xff garbage";

/// Everything that clients see.
pub(super) struct Floor {
    pub(super) family: Family,
    pub(super) instruments: Vec<Instrument>,
    pub(super) links: Vec<Option<Link>>,
    pub(super) streams: Streams,
    pub(super) accounts: Accounts,
    pub(super) pending: Vec<Pending>,
    pub(super) faults: Faults,
    pub(super) meter: Meter,
    pub(super) report: ServerReport,
    /// Real time of this turn of the loop.
    pub(super) now: Nanos,
    /// Where the intended time of every market frame is told, and that of the frames now let out.
    pub(super) schedule: Option<Arc<Schedule>>,
    pub(super) intended: Option<Nanos>,
    /// Whether aggregates must be made from trades: a captured stream has its own.
    pub(super) makes_aggregates: bool,
    decoder: Decoder,
    /// A diff that waits for the next one of its instrument.
    held: Option<(InstrumentId, Vec<u8>)>,
    /// Events and answers that wait for the next one.
    pub(super) held_event: Option<(ClientId, Vec<u8>)>,
    pub(super) held_answer: Option<(ConnId, Vec<u8>)>,
    /// What is sent later than it should be.
    pub(super) late: Late,
    /// What happened, where somebody keeps it.
    pub(super) witnessed: Option<Vec<Witnessed>>,
    payload: Vec<u8>,
    made: Vec<u8>,
}

impl Floor {
    pub(super) fn new(
        family: Family,
        instruments: Vec<Instrument>,
        faults: &[Fault],
        accounts: Accounts,
        meter: Meter,
    ) -> Floor {
        Floor {
            family,
            links: Vec::new(),
            streams: Streams::new(&instruments),
            accounts,
            pending: Vec::new(),
            faults: Faults::new(faults),
            meter,
            report: ServerReport::default(),
            now: Nanos(0),
            schedule: None,
            intended: None,
            makes_aggregates: false,
            decoder: Decoder::new(family, &instruments, Simd::detect()),
            held: None,
            held_event: None,
            held_answer: None,
            late: Late::default(),
            witnessed: None,
            payload: Vec::new(),
            made: Vec::new(),
            instruments,
        }
    }

    pub(super) fn on_output(&mut self, output: Output<'_>, wall: UnixNanos) {
        match output {
            Output::Market { instrument, frame, .. } => {
                self.report.market_frames += 1;
                self.on_frame(instrument, frame);
            }
            Output::Execution { client, report, .. } => self.on_execution(client, &report, wall),
        }
    }

    // ---- market frames ----

    fn on_frame(&mut self, instrument: Option<InstrumentId>, frame: &[u8]) {
        let raw = bare(frame);
        let (Some(instrument), Some(channel)) = (instrument, Channel::of_frame(raw)) else {
            // No decoder reads it, so nobody knows whose it is: every market client gets it.
            for link in self.links.iter_mut().flatten().filter(|of| of.is_market()) {
                let name = link.text(frame);
                note(self.schedule.as_deref(), name, self.intended);
                self.report.frames_sent += 1;
            }
            return;
        };
        self.deliver(instrument, channel, raw);
        let wanted = !self.streams.of(instrument, Channel::Aggregate).is_empty();
        if channel == Channel::Trade && self.makes_aggregates && wanted {
            let Ok(MarketEvent::Trade(trade)) = self.decoder.decode(raw) else { return };
            let of = Trade { aggregated: true, ..trade };
            let mut made = std::mem::take(&mut self.made);
            made.clear();
            let at = &self.instruments[instrument.0 as usize];
            market::aggregate_trade(&mut made, self.family, at, &of, (of.id, of.id));
            self.deliver(instrument, Channel::Aggregate, &made);
            self.made = made;
        }
    }

    fn deliver(&mut self, instrument: InstrumentId, channel: Channel, raw: &[u8]) {
        if self.streams.of(instrument, channel).is_empty() {
            return;
        }
        let is_diff = channel == Channel::Depth;
        let fault = self.faults.frame(is_diff);
        self.report.faults += u64::from(fault.is_some());
        match fault {
            Some(FrameFault::Skip) => return,
            Some(FrameFault::Hold) if is_diff => {
                self.held = Some((instrument, raw.to_vec()));
                return;
            }
            Some(FrameFault::Late(millis)) => {
                let due = self.now.plus(Nanos::from_millis(millis));
                self.late.frame(due, instrument, channel, raw.to_vec());
                return;
            }
            Some(FrameFault::Repeat) => {
                self.fan_out(instrument, channel, raw, None);
                self.fan_out(instrument, channel, raw, None);
            }
            _ => self.fan_out(instrument, channel, raw, fault),
        }
        if is_diff && let Some((whose, late)) = self.held.take_if(|held| held.0 == instrument) {
            self.fan_out(whose, Channel::Depth, &late, None);
        }
    }

    pub(super) fn fan_out(
        &mut self,
        instrument: InstrumentId,
        channel: Channel,
        raw: &[u8],
        fault: Option<FrameFault>,
    ) {
        for Wish { slot, name, combined } in self.streams.of(instrument, channel) {
            let Some(link) = self.links[*slot].as_mut() else { continue };
            self.payload.clear();
            if fault == Some(FrameFault::Garbage) {
                self.payload.extend_from_slice(GARBAGE);
            } else if *combined {
                market::open_combined(&mut self.payload, name.as_bytes());
                self.payload.extend_from_slice(raw);
                self.payload.push(b'}');
            } else {
                self.payload.extend_from_slice(raw);
            }
            self.report.frames_sent += 1;
            match fault {
                Some(FrameFault::Torn) => {
                    link.torn(&self.payload);
                    link.cut_at = Some(self.now.plus(LINGER));
                }
                Some(FrameFault::DropAfter) => {
                    link.text(&self.payload);
                    link.cut_at = Some(self.now.plus(LINGER));
                }
                Some(FrameFault::Delay(millis)) => {
                    link.hold_until = self.now.plus(Nanos::from_millis(millis));
                    link.text(&self.payload);
                }
                _ => {
                    let name = link.text(&self.payload);
                    note(self.schedule.as_deref(), name, self.intended);
                }
            }
        }
    }

    pub(super) fn witness(&mut self, what: Witnessed) {
        if let Some(all) = &mut self.witnessed {
            all.push(what);
        }
    }

    // ---- reports ----

    fn on_execution(&mut self, client: ClientId, report: &ExecutionReport, wall: UnixNanos) {
        ServerReport::count(&mut self.report.executions, kind_name(report.kind));
        self.witness(Witnessed::Reported(client, *report));
        let mine = |of: &Pending| of.client == client && of.bearing(report) != Bearing::None;
        let at = self.pending.iter().position(mine);
        let intent = at.map(|at| self.pending[at].intent);
        let Some(account) = self.accounts.get(client) else { return };
        if let (ExecutionKind::Acknowledged, Some(intent)) = (report.kind, &intent) {
            account.open(intent, report);
        }
        let facts = account.book(report);
        if let Some(at) = at {
            match self.pending[at].bearing(report) {
                Bearing::Withdrawn => self.pending[at].withdrawn.push((*report, facts)),
                Bearing::Done => {
                    let pending = self.pending.remove(at);
                    self.answer_done(&pending, report, facts);
                }
                Bearing::Refused => {
                    let pending = self.pending.remove(at);
                    self.answer_refused(&pending, report.reject_code);
                }
                Bearing::None => {}
            }
        }
        if !matches!(report.kind, ExecutionKind::Rejected | ExecutionKind::CancelRejected) {
            self.tell(client, report, facts, wall);
        }
    }

    /// The event of a report, and after a fill the account's, to whoever listens.
    fn tell(
        &mut self,
        client: ClientId,
        report: &ExecutionReport,
        facts: Option<OrderFacts>,
        wall: UnixNanos,
    ) {
        if !self.links.iter().flatten().any(|of| of.user == Some(client)) {
            return;
        }
        let (family, at) = (self.family, report.instrument.0 as usize);
        let Some(account) = self.accounts.get(client) else { return };
        let instrument = &self.instruments[at];
        let name = account.names.text(report.order);
        let view = OrderView::of(report, instrument, &name, facts.unwrap_or(unknown(report)));
        let mut event = Vec::with_capacity(1_024);
        answers::execution(&mut event, family, report, &view, wall);
        let mut events = vec![event];
        if report.kind == ExecutionKind::Fill {
            let holdings = account.holdings(&self.instruments);
            let position = account.position(report.instrument);
            let mut update = Vec::with_capacity(512);
            answers::account_update(&mut update, family, instrument, &holdings, position, wall);
            events.push(update);
        }
        for event in &events {
            self.tell_event(client, event);
        }
    }

    /// An event of a user-data stream, as the faults let it through.
    pub(super) fn tell_event(&mut self, client: ClientId, event: &[u8]) {
        let fault = self.faults.event();
        self.report.faults += u64::from(fault.is_some());
        match fault {
            Some(MessageFault::Lose) => return,
            Some(MessageFault::Hold) if self.held_event.is_none() => {
                self.held_event = Some((client, event.to_vec()));
                return;
            }
            Some(MessageFault::Late(millis)) => {
                let due = self.now.plus(Nanos::from_millis(millis));
                return self.late.event(due, client, event.to_vec());
            }
            Some(MessageFault::Repeat) => self.send_event(client, event),
            Some(MessageFault::Hold) | None => {}
        }
        self.send_event(client, event);
        if let Some((whose, held)) = self.held_event.take_if(|held| held.0 == client) {
            self.send_event(whose, &held);
        }
    }

    /// Sends the event and the answer that wait for a successor.
    pub(super) fn release_held(&mut self) {
        if let Some((client, event)) = self.held_event.take() {
            self.send_event(client, &event);
        }
        if let Some((conn, answer)) = self.held_answer.take() {
            self.send_answer(conn, &answer);
        }
    }

    /// An event of a user-data stream, in the wrapping of each connection.
    pub(super) fn send_event(&mut self, client: ClientId, event: &[u8]) {
        for link in self.links.iter_mut().flatten().filter(|of| of.user == Some(client)) {
            self.payload.clear();
            let wrapped = match &link.role {
                Role::Orders if self.family == Family::Spot => {
                    answers::open_event(&mut self.payload);
                    true
                }
                Role::User { name: Some(name) } => {
                    market::open_combined(&mut self.payload, name.as_bytes());
                    true
                }
                _ => false,
            };
            self.payload.extend_from_slice(event);
            if wrapped {
                self.payload.push(b'}');
            }
            link.text(&self.payload);
            self.report.events_sent += 1;
        }
    }

    // ---- answers ----

    fn answer_done(
        &mut self,
        pending: &Pending,
        report: &ExecutionReport,
        facts: Option<OrderFacts>,
    ) {
        let family = self.family;
        let mut body = Vec::with_capacity(512);
        let Some(account) = self.accounts.get(pending.client) else { return };
        let instrument = &self.instruments[report.instrument.0 as usize];
        let write = |body: &mut Vec<u8>, of: &ExecutionReport, facts: Option<OrderFacts>| {
            let name = account.names.text(of.order);
            let view = OrderView::of(of, instrument, &name, facts.unwrap_or(unknown(of)));
            answers::order(body, family, &view);
        };
        match pending.withdrawn.first() {
            Some((old, old_facts)) if pending.intent.action == OrderAction::Replace => {
                let head = br#"{"cancelResult":"SUCCESS","newOrderResult":"SUCCESS","#;
                body.extend_from_slice(head);
                body.extend_from_slice(br#""cancelResponse":"#);
                write(&mut body, old, *old_facts);
                body.extend_from_slice(br#","newOrderResponse":"#);
                write(&mut body, report, facts);
                body.push(b'}');
            }
            _ => write(&mut body, report, facts),
        }
        self.succeed(pending.conn, &pending.reply, &body);
    }

    fn answer_refused(&mut self, pending: &Pending, code: i32) {
        let intent = &pending.intent;
        let instrument = self.instruments[intent.instrument.0 as usize];
        let why = Refusal::of_code(self.family, code, &instrument, intent);
        if intent.action != OrderAction::Replace || intent.order == intent.replaces {
            return self.refuse(pending.conn, &pending.reply, &why, None);
        }
        let mut data = Vec::new();
        let old = pending.withdrawn.first();
        let family = self.family;
        match (old, self.accounts.get(pending.client)) {
            (Some((old, facts)), Some(account)) => {
                let name = account.names.text(old.order);
                let facts = facts.unwrap_or(unknown(old));
                let view = OrderView::of(old, &instrument, &name, facts);
                answers::replace_failure(&mut data, Some(&view), family, &why);
            }
            _ => answers::replace_failure(&mut data, None, family, &why),
        }
        let outer = match old {
            Some(_) => Refusal::of_status(409, -2021, "Order cancel-replace partially failed."),
            None => Refusal::new(-2022, "Order cancel-replace failed."),
        };
        self.refuse(pending.conn, &pending.reply, &outer, Some(&data));
    }

    /// Answers what no single report answers: cancel-alls whose time has come, and lost requests.
    pub(super) fn settle(&mut self, market_now: Nanos) {
        while let Some(at) = self.pending.iter().position(|of| {
            let grace = if of.intent.action == OrderAction::CancelAll { 0 } else { 1_000_000 };
            of.due.0.saturating_add(grace) <= market_now.0
        }) {
            let pending = self.pending.remove(at);
            if pending.intent.action != OrderAction::CancelAll {
                self.refuse(pending.conn, &pending.reply, &Refusal::TIMEOUT, None);
            } else if self.family.is_futures() {
                let body =
                    br#"{"code":200,"msg":"The operation of cancel all open order is done."}"#;
                self.succeed(pending.conn, &pending.reply, body);
            } else if pending.withdrawn.is_empty() {
                self.refuse(pending.conn, &pending.reply, &Refusal::UNKNOWN_ORDER, None);
            } else {
                self.answer_swept(&pending);
            }
        }
    }

    fn answer_swept(&mut self, pending: &Pending) {
        let Some(account) = self.accounts.get(pending.client) else { return };
        let mut body = vec![b'['];
        for (index, (report, facts)) in pending.withdrawn.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            let instrument = &self.instruments[report.instrument.0 as usize];
            let name = account.names.text(report.order);
            let view = OrderView::of(report, instrument, &name, facts.unwrap_or(unknown(report)));
            answers::order(&mut body, self.family, &view);
        }
        body.push(b']');
        self.succeed(pending.conn, &pending.reply, &body);
    }
}

/// Tells when a message is meant to leave, where anybody asks and the market has a clock.
fn note(schedule: Option<&Schedule>, name: Option<MessageName>, at: Option<Nanos>) {
    if let (Some(schedule), Some(name), Some(at)) = (schedule, name, at) {
        schedule.note(name, at);
    }
}

const fn kind_name(kind: ExecutionKind) -> &'static str {
    match kind {
        ExecutionKind::Acknowledged => "acknowledged",
        ExecutionKind::Rejected => "rejected",
        ExecutionKind::Fill => "fill",
        ExecutionKind::Cancelled => "cancelled",
        ExecutionKind::Expired => "expired",
        ExecutionKind::CancelRejected => "cancel_rejected",
        ExecutionKind::Replaced => "replaced",
    }
}

/// Facts of an order that nobody remembers.
fn unknown(report: &ExecutionReport) -> OrderFacts {
    OrderFacts {
        order_type: crate::record::OrderType::Limit,
        time_in_force: crate::record::TimeInForce::GoodTillCancel,
        reduce_only: false,
        placed: report.venue_time,
        notional_filled: Money(0),
    }
}

/// The intent that withdraws everything on an instrument.
pub(super) fn cancel_all(instrument: InstrumentId) -> Intent {
    Intent {
        action: OrderAction::CancelAll,
        instrument,
        order: crate::units::OrderId(0),
        replaces: crate::units::OrderId(0),
        side: crate::units::Side::Buy,
        order_type: crate::record::OrderType::Limit,
        time_in_force: crate::record::TimeInForce::GoodTillCancel,
        reduce_only: false,
        price: crate::units::Ticks(0),
        lots: crate::units::Lots(0),
    }
}
