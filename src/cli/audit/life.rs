//! What a journal says of orders, event by event: the entries in words, with what they refer to.
//!
//! `Context` remembers what entries rely on: the life's clock, instruments, the Plan in force, the last
//! input. Prices and sizes are printed in the venue's units.

use super::wall::utc;
use crate::record::{
    Entry, ExecutionKind, ExecutionReport, Input, Instrument, Judgement, Level, Link, OrderAction,
    Verdict,
};
use crate::units::{InstrumentId, Lots, Money, Nanos, OrderId, Side, Ticks, UnixNanos};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// When something happened, and where that is written.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Moment {
    /// Number of the record.
    pub(super) record: u64,
    /// Monotonic time of its life, nanoseconds.
    pub(super) time_ns: u64,
    /// Wall time, nanoseconds since 1970.
    pub(super) wall_ns: u64,
    /// The same in words.
    pub(super) wall: String,
}

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Event {
    #[serde(flatten)]
    pub(super) at: Moment,
    /// In a word.
    pub(super) what: &'static str,
    /// In words.
    pub(super) text: String,
    /// For scripts.
    pub(super) detail: Value,
    #[serde(skip)]
    effect: Effect,
}

/// What an event does to what is known of the order.
#[derive(Clone, Copy, Debug, Default)]
enum Effect {
    #[default]
    Nothing,
    Sent(Lots),
    Fill(Lots, Money, bool),
    Over,
}

/// Everything that happened to one order.
#[derive(Debug, Default, Serialize)]
pub(super) struct Life {
    pub(super) events: Vec<Event>,
    /// Lots that passed the gate last.
    pub(super) sent_lots: i64,
    pub(super) filled_lots: i64,
    /// Sum of the fees, in whole units of the fee's currency.
    pub(super) fees: String,
    #[serde(skip)]
    fee: Money,
    #[serde(skip)]
    pub(super) works: bool,
}

impl Life {
    pub(super) fn push(&mut self, event: Event) {
        match event.effect {
            Effect::Nothing => {}
            Effect::Sent(lots) => {
                self.sent_lots = lots.0;
                self.works = true;
            }
            Effect::Fill(lots, fee, last) => {
                self.filled_lots += lots.0;
                self.fee = self.fee.plus(fee);
                self.works &= !last;
            }
            Effect::Over => self.works = false,
        }
        self.fees = self.fee.to_string();
        self.events.push(event);
    }
}

/// What entries rely on.
#[derive(Debug, Default)]
pub(super) struct Context {
    wall_at_zero: UnixNanos,
    instruments: BTreeMap<InstrumentId, Instrument>,
    plan: Option<(u64, Moment)>,
    input: Option<LastInput>,
    /// Record and time of the last frame kept as it came: the inputs it leads to have its time.
    frame: Option<(u64, Nanos)>,
}

/// The last input.
#[derive(Clone, Copy, Debug)]
struct LastInput {
    /// Its number among inputs.
    sequence: u64,
    record: u64,
    /// What it was.
    kind: &'static str,
    /// The record of its frame as it came, where frames are kept.
    frame: Option<u64>,
}

impl Context {
    /// Takes an entry in; says when it happened.
    pub(super) fn moment(&mut self, record: u64, time: Nanos, entry: &Entry<'_>) -> Moment {
        match entry {
            Entry::Begin(begin) => self.wall_at_zero = begin.wall_at_zero,
            Entry::Instrument(instrument) => {
                self.instruments.insert(instrument.id, *instrument);
            }
            Entry::Input { sequence, input } => {
                let of_it = self.frame.filter(|(_, at)| *at == time);
                let (kind, frame) = (entry.kind().name(), of_it.map(|(record, _)| record));
                self.input = Some(LastInput { sequence: *sequence, record, kind, frame });
                if let Input::Life(life) = input {
                    self.wall_at_zero = life.wall_at_zero;
                }
            }
            Entry::RawFrame { .. } => self.frame = Some((record, time)),
            _ => {}
        }
        let wall = UnixNanos(self.wall_at_zero.0.saturating_add(time.0));
        let moment = Moment { record, time_ns: time.0, wall_ns: wall.0, wall: utc(wall) };
        if let Entry::Input { input: Input::Plan(plan), .. } = entry {
            self.plan = Some((plan.version, moment.clone()));
        }
        moment
    }

    /// The orders that an entry is about.
    pub(super) fn orders_of(&self, entry: &Entry<'_>) -> Vec<OrderId> {
        let mut orders = match entry {
            Entry::Judgement { judgement, .. } => {
                vec![judgement.intent.order, judgement.intent.replaces]
            }
            Entry::Input { input: Input::Execution(report), .. } => vec![report.order],
            Entry::Input { input: Input::Adopted(found), .. } => vec![found.order],
            _ => Vec::new(),
        };
        orders.retain(|order| order.0 != 0);
        orders.dedup();
        orders
    }

    /// An entry as an event of one of its orders.
    pub(super) fn event(&self, order: OrderId, at: &Moment, entry: &Entry<'_>) -> Event {
        match entry {
            Entry::Judgement { input, judgement } => self.judged(order, at, *input, judgement),
            Entry::Input { input: Input::Execution(report), .. } => self.reported(at, report),
            Entry::Input { input: Input::Adopted(found), .. } => {
                let what = self.order_words(found.instrument, found.side, found.lots, found.price);
                let text = format!("found at the venue: {what}, venue order {}", found.venue_order);
                let effect = Effect::Sent(found.lots);
                let detail = json!({ "venue_order": found.venue_order });
                Event { at: at.clone(), what: "adopted", text, detail, effect }
            }
            other => plain(at, other.kind().name(), String::new()),
        }
    }

    /// What happened to the lane as a whole and matters to whatever order works.
    pub(super) fn surroundings(&self, at: &Moment, entry: &Entry<'_>) -> Option<Event> {
        Some(match entry {
            Entry::Begin(begin) => {
                let text = format!("the lane lives again, epoch {}", begin.epoch);
                plain(at, "life", text)
            }
            Entry::Input { input: Input::Command(command, source), .. } => {
                plain(at, "command", format!("{command:?}, by {source:?}"))
            }
            Entry::Input { input: Input::Link(Link::Orders, state), .. } => {
                plain(at, "link", format!("order connection {state:?}"))
            }
            Entry::Note(words) => plain(at, "note", (*words).to_owned()),
            Entry::End => plain(at, "end", "the life ended as it should".to_owned()),
            _ => return None,
        })
    }

    fn judged(&self, order: OrderId, at: &Moment, input: u64, of: &Judgement) -> Event {
        let intent = &of.intent;
        let what = self.order_words(intent.instrument, intent.side, intent.lots, intent.price);
        let asked = match intent.action {
            OrderAction::Place => format!("place {what}"),
            OrderAction::Cancel => "cancel".to_owned(),
            OrderAction::CancelAll => "cancel all of the instrument".to_owned(),
            OrderAction::Replace if intent.order == intent.replaces => format!("change to {what}"),
            OrderAction::Replace if order == intent.order => {
                format!("place {what} in place of order {}", intent.replaces.counter())
            }
            OrderAction::Replace => format!("give way to order {}: {what}", intent.order.counter()),
        };
        let led = self.input.filter(|of| of.sequence == input);
        let because = led.map_or(format!("input {input}"), |LastInput { record, kind, .. }| {
            format!("input {input} ({kind}, record {record})")
        });
        let now = Nanos(at.time_ns);
        let plan = match &self.plan {
            Some((version, since)) if *version == of.plan => {
                let age = seconds(now.since(Nanos(since.time_ns)));
                format!("plan {version}, {age} old (record {})", since.record)
            }
            _ if of.plan == 0 => "no plan".to_owned(),
            _ => format!("plan {}", of.plan),
        };
        let book = format!(
            "book {} / {}, {} old",
            self.level_words(intent.instrument, of.bid),
            self.level_words(intent.instrument, of.ask),
            seconds(of.at.since(of.book_at)),
        );
        let verdict = of.verdict.name();
        let text = format!("{asked}: {verdict}; after {because}; {plan}; {book}");
        let detail = json!({
            "action": format!("{:?}", intent.action),
            "side": format!("{:?}", intent.side),
            "order_type": format!("{:?}", intent.order_type),
            "time_in_force": format!("{:?}", intent.time_in_force),
            "reduce_only": intent.reduce_only,
            "price_ticks": intent.price.0,
            "lots": intent.lots.0,
            "price": self.price(intent.instrument, intent.price),
            "size": self.size(intent.instrument, intent.lots),
            "order": intent.order.0,
            "replaces": intent.replaces.0,
            "verdict": verdict,
            "level": of.level,
            "input": input,
            "input_record": led.map(|of| of.record),
            "input_kind": led.map(|of| of.kind),
            "input_frame_record": led.and_then(|of| of.frame),
            "received_ns": of.at.0,
            "plan": of.plan,
            "plan_record": self.plan.as_ref().map(|(_, since)| since.record),
            "bid": of.bid.map(|level| [level.price.0, level.lots.0]),
            "ask": of.ask.map(|level| [level.price.0, level.lots.0]),
            "book_at_ns": of.book_at.0,
        });
        let sent = of.verdict == Verdict::Pass && order == intent.order;
        let places = matches!(intent.action, OrderAction::Place | OrderAction::Replace);
        let effect = if sent && places { Effect::Sent(intent.lots) } else { Effect::Nothing };
        let what = if of.verdict == Verdict::Pass { "passed" } else { "refused" };
        Event { at: at.clone(), what, text, detail, effect }
    }

    fn reported(&self, at: &Moment, report: &ExecutionReport) -> Event {
        let id = report.instrument;
        let (what, text, effect) = match report.kind {
            ExecutionKind::Acknowledged => {
                ("acknowledged", format!("venue order {}", report.venue_order), Effect::Nothing)
            }
            ExecutionKind::Rejected => {
                ("rejected", format!("code {}", report.reject_code), Effect::Over)
            }
            ExecutionKind::Fill => {
                let words = format!(
                    "{} at {}, trade {}, {}, fee {} {}; filled {} of {}",
                    self.size(id, report.last_lots),
                    self.price(id, report.last_price),
                    report.trade_id,
                    if report.maker { "maker" } else { "taker" },
                    report.fee,
                    report.fee_currency,
                    self.size(id, report.filled_lots),
                    self.size(id, report.lots),
                );
                let last = report.filled_lots >= report.lots;
                ("fill", words, Effect::Fill(report.last_lots, report.fee, last))
            }
            ExecutionKind::Cancelled => ("cancelled", self.rest(report), Effect::Over),
            ExecutionKind::Expired => ("expired", self.rest(report), Effect::Over),
            ExecutionKind::CancelRejected => {
                ("kept", format!("cancel refused, code {}", report.reject_code), Effect::Nothing)
            }
            ExecutionKind::Replaced => {
                let words = format!(
                    "now {} at {}",
                    self.size(id, report.lots),
                    self.price(id, report.price)
                );
                ("changed", words, Effect::Nothing)
            }
        };
        let text = match report.venue_time {
            UnixNanos(0) => text,
            venue => format!("{text}; the venue's clock said {}", utc(venue)),
        };
        let detail = json!({
            "kind": format!("{:?}", report.kind),
            "venue_order": report.venue_order,
            "trade": report.trade_id,
            "price_ticks": report.price.0,
            "lots": report.lots.0,
            "last_price_ticks": report.last_price.0,
            "last_lots": report.last_lots.0,
            "filled_lots": report.filled_lots.0,
            "fee": report.fee.to_string(),
            "fee_currency": report.fee_currency.as_str(),
            "maker": report.maker,
            "reject_code": report.reject_code,
            "venue_time_ns": report.venue_time.0,
            "frame_record": self.input.and_then(|of| of.frame),
        });
        Event { at: at.clone(), what, text, detail, effect }
    }

    fn rest(&self, report: &ExecutionReport) -> String {
        format!("with {} filled", self.size(report.instrument, report.filled_lots))
    }

    fn order_words(&self, id: InstrumentId, side: Side, lots: Lots, price: Ticks) -> String {
        let symbol = self.instruments.get(&id).map_or("?", |of| of.symbol.as_str());
        let side = match side {
            Side::Buy => "buy",
            Side::Sell => "sell",
        };
        format!("{side} {} {symbol} at {}", self.size(id, lots), self.price(id, price))
    }

    fn level_words(&self, id: InstrumentId, level: Option<Level>) -> String {
        level.map_or("none".to_owned(), |level| {
            format!("{} x {}", self.price(id, level.price), self.size(id, level.lots))
        })
    }

    fn price(&self, id: InstrumentId, price: Ticks) -> String {
        let of = self.instruments.get(&id);
        of.map_or_else(|| format!("{} ticks", price.0), |of| of.tick.decimal(price.0).to_string())
    }

    fn size(&self, id: InstrumentId, lots: Lots) -> String {
        let of = self.instruments.get(&id);
        of.map_or_else(|| format!("{} lots", lots.0), |of| of.lot.decimal(lots.0).to_string())
    }
}

fn plain(at: &Moment, what: &'static str, text: String) -> Event {
    Event { at: at.clone(), what, text, detail: Value::Null, effect: Effect::Nothing }
}

fn seconds(span: Nanos) -> String {
    match span.0 {
        0..1_000_000 => format!("{:.1} us", span.0 as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", span.0 as f64 / 1e6),
        nanos => format!("{:.1} s", nanos as f64 / 1e9),
    }
}
