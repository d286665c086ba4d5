//! The byte form of a lane's inputs; the table stands at the head of `entry_bytes`.

use super::entry::EntryKind;
use super::entry_bytes::Scratch;
use super::words::{BOOLS, EntryError, EntryProblem, In, LEVEL_WORDS, LINKS, Out, SIDES, head};
use super::{
    Adjustment, AdoptedOrder, BookTicker, Command, DepthDiff, DepthSnapshot, ExecutionKind,
    ExecutionReport, Holding, Input, Level, Life, LinkState, MarketEvent, Plan, ServiceTime,
    Source, Trade,
};
use crate::units::{Currency, InstrumentId, Lots, Money, Nanos, OrderId, Ticks, UnixNanos};

/// Words of a plan.
const PLAN_WORDS: usize = size_of::<Plan>() / 8;

/// Every code of the small enums, at its index.
const EXECUTIONS: [ExecutionKind; 7] = [
    ExecutionKind::Acknowledged,
    ExecutionKind::Rejected,
    ExecutionKind::Fill,
    ExecutionKind::Cancelled,
    ExecutionKind::Expired,
    ExecutionKind::CancelRejected,
    ExecutionKind::Replaced,
];
const LINK_STATES: [LinkState; 2] = [LinkState::Up, LinkState::Down];

pub(super) fn input_kind(input: &Input<'_>) -> EntryKind {
    match input {
        Input::Market(MarketEvent::Depth(_)) => EntryKind::Depth,
        Input::Market(MarketEvent::Snapshot(_)) => EntryKind::Snapshot,
        Input::Market(MarketEvent::Ticker(_)) => EntryKind::Ticker,
        Input::Market(MarketEvent::Trade(_)) => EntryKind::Trade,
        Input::Market(MarketEvent::Other) => EntryKind::MarketOther,
        Input::MarketFault(_) => EntryKind::MarketFault,
        Input::Execution(_) => EntryKind::Execution,
        Input::Timer => EntryKind::Timer,
        Input::Command(..) => EntryKind::Command,
        Input::Link(..) => EntryKind::Link,
        Input::Plan(_) => EntryKind::Plan,
        Input::Life(_) => EntryKind::Life,
        Input::Adopted(_) => EntryKind::Adopted,
        Input::Adjustment(_) => EntryKind::Adjustment,
        Input::Service(_) => EntryKind::Service,
        Input::Holding(_) => EntryKind::Holding,
    }
}

/// Words of an input after its sequence.
pub(super) fn input_words(input: &Input<'_>) -> usize {
    let levels = |bids: &[Level], asks: &[Level]| (bids.len() + asks.len()) * LEVEL_WORDS;
    match input {
        Input::Market(MarketEvent::Depth(diff)) => 7 + levels(diff.bids, diff.asks),
        Input::Market(MarketEvent::Snapshot(snapshot)) => 3 + levels(snapshot.bids, snapshot.asks),
        Input::Market(MarketEvent::Ticker(_)) => 4 + 2 * LEVEL_WORDS,
        Input::Market(MarketEvent::Trade(_)) => 6,
        Input::Market(MarketEvent::Other) | Input::Timer => 0,
        Input::MarketFault(_) | Input::Command(..) | Input::Link(..) => 1,
        Input::Execution(_) => 14,
        Input::Plan(_) => PLAN_WORDS,
        Input::Life(_) | Input::Service(_) => 2,
        Input::Adopted(_) => 5,
        Input::Adjustment(_) => 4,
        Input::Holding(_) => 3,
    }
}

#[inline]
pub(super) fn write_input(to: &mut Out<'_>, input: &Input<'_>) {
    match input {
        Input::Market(event) => write_market(to, event),
        Input::MarketFault(instrument) => {
            let id = instrument.map_or(0, |id| id.0);
            to.head(id, [u8::from(instrument.is_some()), 0, 0, 0]);
        }
        Input::Execution(report) => write_execution(to, report),
        Input::Timer => {}
        Input::Command(command, source) => {
            to.put(u64::from(*command as u8) | u64::from(*source as u8) << 8);
        }
        Input::Link(link, state) => to.put(u64::from(*link as u8) | u64::from(*state as u8) << 8),
        Input::Plan(plan) => to.words(bytemuck::cast_slice(bytemuck::bytes_of(*plan))),
        Input::Life(life) => {
            to.put(u64::from(life.epoch));
            to.put(life.wall_at_zero.0);
        }
        Input::Adopted(found) => {
            to.head(found.instrument.0, [found.side as u8, 0, 0, 0]);
            to.put(found.order.0);
            to.put(found.venue_order);
            to.put(found.price.0 as u64);
            to.put(found.lots.0 as u64);
        }
        Input::Adjustment(difference) => {
            to.head(difference.instrument.0, [0; 4]);
            to.put(difference.lots.0 as u64);
            to.wide(difference.cash.0 as u128);
        }
        Input::Service(time) => {
            to.put(time.p99.0);
            to.put(time.frames);
        }
        Input::Holding(found) => {
            to.head(found.instrument.0, [0; 4]);
            to.wide(found.base.0 as u128);
        }
    }
}

#[inline]
fn write_market(to: &mut Out<'_>, event: &MarketEvent<'_>) {
    match event {
        MarketEvent::Depth(diff) => {
            let has_previous = [u8::from(diff.previous_update.is_some()), 0, 0, 0];
            to.words(&[
                head(diff.instrument.0, has_previous),
                diff.first_update,
                diff.last_update,
                diff.previous_update.unwrap_or(0),
                diff.event_time.0,
                diff.transaction_time.0,
            ]);
            to.levels(diff.bids, diff.asks);
        }
        MarketEvent::Snapshot(snapshot) => {
            to.words(&[head(snapshot.instrument.0, [0; 4]), snapshot.last_update]);
            to.levels(snapshot.bids, snapshot.asks);
        }
        MarketEvent::Ticker(ticker) => to.words(&[
            head(ticker.instrument.0, [0; 4]),
            ticker.update,
            ticker.bid.price.0 as u64,
            ticker.bid.lots.0 as u64,
            ticker.ask.price.0 as u64,
            ticker.ask.lots.0 as u64,
            ticker.event_time.0,
            ticker.transaction_time.0,
        ]),
        MarketEvent::Trade(trade) => {
            let flags = [u8::from(trade.aggregated), u8::from(trade.on_book)];
            to.words(&[
                head(trade.instrument.0, [trade.aggressor as u8, flags[0], flags[1], 0]),
                trade.id,
                trade.price.0 as u64,
                trade.lots.0 as u64,
                trade.event_time.0,
                trade.transaction_time.0,
            ]);
        }
        MarketEvent::Other => {}
    }
}

fn write_execution(to: &mut Out<'_>, report: &ExecutionReport) {
    let codes = [report.kind as u8, report.side as u8, u8::from(report.maker), 0];
    to.head(report.instrument.0, codes);
    to.put(report.order.0);
    to.put(report.venue_order);
    to.put(report.trade_id);
    to.put(report.price.0 as u64);
    to.put(report.lots.0 as u64);
    to.put(report.last_price.0 as u64);
    to.put(report.last_lots.0 as u64);
    to.put(report.filled_lots.0 as u64);
    to.wide(report.fee.0 as u128);
    to.put(u64::from_le_bytes(report.fee_currency.0));
    to.put(u64::from(report.reject_code as u32));
    to.put(report.venue_time.0);
}

pub(super) fn read_input<'a>(
    kind: EntryKind,
    from: &mut In<'a>,
    scratch: &'a mut Scratch,
) -> Result<Input<'a>, EntryError> {
    Ok(match kind {
        EntryKind::MarketFault => {
            let (id, [known]) = from.head::<1>("instrument")?;
            let known = from.pick("whether the instrument is known", &BOOLS, known)?;
            if !known && id != 0 {
                return Err(from.wrong("instrument", EntryProblem::NotZero));
            }
            Input::MarketFault(known.then_some(InstrumentId(id)))
        }
        EntryKind::Execution => Input::Execution(read_execution(from)?),
        EntryKind::Timer => Input::Timer,
        EntryKind::Command => {
            let [command, source] = from.codes("command")?;
            let command = from.pick("command", &Command::ALL, command)?;
            Input::Command(command, from.pick("source of the command", &Source::ALL, source)?)
        }
        EntryKind::Link => {
            let [link, state] = from.codes("link")?;
            let link = from.pick("link", &LINKS, link)?;
            Input::Link(link, from.pick("state of the link", &LINK_STATES, state)?)
        }
        EntryKind::Plan => {
            let words = from.words_of("plan", PLAN_WORDS)?;
            bytemuck::bytes_of_mut(&mut *scratch.plan).copy_from_slice(bytemuck::cast_slice(words));
            Input::Plan(&scratch.plan)
        }
        EntryKind::Life => {
            let (epoch, []) = from.head::<0>("epoch")?;
            Input::Life(Life { epoch, wall_at_zero: UnixNanos(from.take("wall time at zero")?) })
        }
        EntryKind::Adopted => {
            let (instrument, [side]) = from.head::<1>("instrument")?;
            let side = from.pick("side", &SIDES, side)?;
            Input::Adopted(AdoptedOrder {
                order: OrderId(from.take("order")?),
                venue_order: from.take("the venue's order")?,
                instrument: InstrumentId(instrument),
                side,
                price: Ticks(from.take("price")? as i64),
                lots: Lots(from.take("lots")? as i64),
            })
        }
        EntryKind::Adjustment => {
            let (instrument, []) = from.head::<0>("instrument")?;
            Input::Adjustment(Adjustment {
                instrument: InstrumentId(instrument),
                lots: Lots(from.take("lots")? as i64),
                cash: Money(from.wide("cash")? as i128),
            })
        }
        EntryKind::Service => Input::Service(ServiceTime {
            p99: Nanos(from.take("p99")?),
            frames: from.take("frames")?,
        }),
        EntryKind::Holding => {
            let (instrument, []) = from.head::<0>("instrument")?;
            Input::Holding(Holding {
                instrument: InstrumentId(instrument),
                base: Money(from.wide("base")? as i128),
            })
        }
        _ => Input::Market(read_market(kind, from)?),
    })
}

fn read_market<'a>(kind: EntryKind, from: &mut In<'a>) -> Result<MarketEvent<'a>, EntryError> {
    Ok(match kind {
        EntryKind::Depth => {
            let (instrument, [has_previous]) = from.head::<1>("instrument")?;
            let has_previous = from.pick("whether a previous id follows", &BOOLS, has_previous)?;
            let first_update = from.take("first update")?;
            let last_update = from.take("last update")?;
            let previous = from.take("previous update")?;
            if !has_previous && previous != 0 {
                return Err(from.wrong("previous update", EntryProblem::NotZero));
            }
            let event_time = UnixNanos(from.take("event time")?);
            let transaction_time = UnixNanos(from.take("transaction time")?);
            let (bids, asks) = from.levels()?;
            MarketEvent::Depth(DepthDiff {
                instrument: InstrumentId(instrument),
                first_update,
                last_update,
                previous_update: has_previous.then_some(previous),
                event_time,
                transaction_time,
                bids,
                asks,
            })
        }
        EntryKind::Snapshot => {
            let (instrument, []) = from.head::<0>("instrument")?;
            let last_update = from.take("last update")?;
            let (bids, asks) = from.levels()?;
            let instrument = InstrumentId(instrument);
            MarketEvent::Snapshot(DepthSnapshot { instrument, last_update, bids, asks })
        }
        EntryKind::Ticker => {
            let (instrument, []) = from.head::<0>("instrument")?;
            MarketEvent::Ticker(BookTicker {
                instrument: InstrumentId(instrument),
                update: from.take("update")?,
                bid: from.level("bid")?,
                ask: from.level("ask")?,
                event_time: UnixNanos(from.take("event time")?),
                transaction_time: UnixNanos(from.take("transaction time")?),
            })
        }
        EntryKind::Trade => {
            let (instrument, [aggressor, aggregated, on_book]) = from.head::<3>("instrument")?;
            MarketEvent::Trade(Trade {
                instrument: InstrumentId(instrument),
                aggressor: from.pick("aggressor", &SIDES, aggressor)?,
                aggregated: from.pick("aggregated", &BOOLS, aggregated)?,
                on_book: from.pick("on book", &BOOLS, on_book)?,
                id: from.take("id")?,
                price: Ticks(from.take("price")? as i64),
                lots: Lots(from.take("lots")? as i64),
                event_time: UnixNanos(from.take("event time")?),
                transaction_time: UnixNanos(from.take("transaction time")?),
            })
        }
        _ => MarketEvent::Other,
    })
}

fn read_execution(from: &mut In<'_>) -> Result<ExecutionReport, EntryError> {
    let (instrument, [kind, side, maker]) = from.head::<3>("instrument")?;
    Ok(ExecutionReport {
        kind: from.pick("kind of report", &EXECUTIONS, kind)?,
        instrument: InstrumentId(instrument),
        side: from.pick("side", &SIDES, side)?,
        maker: from.pick("maker", &BOOLS, maker)?,
        order: OrderId(from.take("order")?),
        venue_order: from.take("the venue's order")?,
        trade_id: from.take("trade")?,
        price: Ticks(from.take("price")? as i64),
        lots: Lots(from.take("lots")? as i64),
        last_price: Ticks(from.take("last price")? as i64),
        last_lots: Lots(from.take("last lots")? as i64),
        filled_lots: Lots(from.take("filled lots")? as i64),
        fee: Money(from.wide("fee")? as i128),
        fee_currency: Currency(from.take("fee currency")?.to_le_bytes()),
        reject_code: {
            let (code, []) = from.head::<0>("reject code")?;
            code as i32
        },
        venue_time: UnixNanos(from.take("venue time")?),
    })
}
