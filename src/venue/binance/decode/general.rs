//! The general reader: any key order, unknown keys skipped, over serde_json. The meaning of frames.
//!
//! Slow and obvious; `fast` is held to it. Which event a frame is: by `e`; without `e` a frame with
//! `lastUpdateId` is a snapshot, and on spot one with `u s b B a A` (or from a stream named
//! `…@bookTicker`) a ticker. Every other well-formed frame is `Other`.

use super::decoder::{Context, DepthHead, Grids, Parsed, Scratch, SnapshotHead};
use super::error::DecodeError;
use super::frame::{self, Body, Node};
use super::number::{self, NumberError};
use crate::record::{BookTicker, Level, Trade};
use crate::units::{Grid, InstrumentId, Lots, Side, Ticks, UnixNanos};
use crate::venue::binance::Family;

/// Reads a frame; `whose` is the instrument of a snapshot that names none.
pub(super) fn read(
    context: &Context,
    scratch: &mut Scratch,
    whose: Option<InstrumentId>,
    bytes: &[u8],
) -> Result<Parsed, DecodeError> {
    let frame = frame::read(bytes)?;
    let Some(body) = frame.body else { return Ok(Parsed::Other) };
    let stream = frame.stream.as_deref();
    match &body.e {
        Some(Node::Text(kind)) => match kind.as_ref() {
            "depthUpdate" => depth(context, scratch, &body),
            "bookTicker" => ticker(context, &body),
            "trade" => trade(context, &body, false),
            "aggTrade" => trade(context, &body, true),
            _ => Ok(Parsed::Other),
        },
        Some(_) => Err(DecodeError::WrongType { field: "e" }),
        None if body.last_update_id.is_some() => snapshot(context, scratch, whose, stream, &body),
        None if is_ticker(context.family, stream, &body) => ticker(context, &body),
        None => Ok(Parsed::Other),
    }
}

fn is_ticker(family: Family, stream: Option<&str>, body: &Body<'_>) -> bool {
    let sizes = body.bid_size.is_some() && body.ask_size.is_some();
    let prices = body.b.is_some() && body.a.is_some();
    let keys = sizes && prices && body.u.is_some() && body.s.is_some();
    let named = stream.is_some_and(|name| name.ends_with("@bookTicker"));
    (family == Family::Spot && keys) || named
}

fn depth(context: &Context, scratch: &mut Scratch, body: &Body<'_>) -> Result<Parsed, DecodeError> {
    let grids = instrument(context, body)?;
    let event_time = time("E", &body.event_time)?;
    let futures = context.family.is_futures();
    Ok(Parsed::Depth(DepthHead {
        instrument: grids.id,
        first_update: whole("U", &body.first_update)?,
        last_update: whole("u", &body.u)?,
        previous_update: if futures { Some(whole("pu", &body.pu)?) } else { None },
        event_time,
        transaction_time: if futures { time("T", &body.transaction_time)? } else { event_time },
        bids: side("b", &body.b, grids, Side::Buy, &mut scratch.bids)?,
        asks: side("a", &body.a, grids, Side::Sell, &mut scratch.asks)?,
    }))
}

fn snapshot(
    context: &Context,
    scratch: &mut Scratch,
    whose: Option<InstrumentId>,
    stream: Option<&str>,
    body: &Body<'_>,
) -> Result<Parsed, DecodeError> {
    let grids = owner(context, whose, stream, body)?;
    Ok(Parsed::Snapshot(SnapshotHead {
        instrument: grids.id,
        last_update: whole("lastUpdateId", &body.last_update_id)?,
        bids: side("bids", &body.bids, grids, Side::Buy, &mut scratch.bids)?,
        asks: side("asks", &body.asks, grids, Side::Sell, &mut scratch.asks)?,
    }))
}

/// Whose snapshot: as asked, else by its own `symbol`, else by its stream, else the only one.
fn owner<'a>(
    context: &'a Context,
    whose: Option<InstrumentId>,
    stream: Option<&str>,
    body: &Body<'_>,
) -> Result<&'a Grids, DecodeError> {
    if let Some(id) = whose {
        let unknown = || DecodeError::UnknownSymbol { symbol: format!("instrument {}", id.0) };
        return context.instruments.iter().find(|grids| grids.id == id).ok_or_else(unknown);
    }
    if body.symbol.is_some() {
        return named(context, text("symbol", &body.symbol)?);
    }
    if let Some(name) = stream.and_then(|stream| stream.split('@').next()) {
        return named(context, &name.to_ascii_uppercase());
    }
    match context.instruments.as_slice() {
        [only] => Ok(only),
        several => Err(DecodeError::SnapshotOfWhom { instruments: several.len() }),
    }
}

fn ticker(context: &Context, body: &Body<'_>) -> Result<Parsed, DecodeError> {
    let grids = instrument(context, body)?;
    let futures = context.family.is_futures();
    let stamp = |field, node| if futures { time(field, node) } else { Ok(UnixNanos(0)) };
    Ok(Parsed::Ticker(BookTicker {
        instrument: grids.id,
        update: whole("u", &body.u)?,
        bid: level(("b", &body.b), ("B", &body.bid_size), grids)?,
        ask: level(("a", &body.a), ("A", &body.ask_size), grids)?,
        event_time: stamp("E", &body.event_time)?,
        transaction_time: stamp("T", &body.transaction_time)?,
    }))
}

fn trade(context: &Context, body: &Body<'_>, aggregated: bool) -> Result<Parsed, DecodeError> {
    let grids = instrument(context, body)?;
    let struck = level(("p", &body.p), ("q", &body.q), grids)?;
    let on_book = match &body.execution {
        None => true,
        Some(Node::Text(kind)) => kind == "MARKET",
        Some(_) => return Err(DecodeError::WrongType { field: "X" }),
    };
    let buyer_made = match &body.m {
        Some(Node::Flag(flag)) => *flag,
        Some(_) => return Err(DecodeError::WrongType { field: "m" }),
        None => return Err(DecodeError::MissingField { field: "m" }),
    };
    Ok(Parsed::Trade(Trade {
        instrument: grids.id,
        id: if aggregated { whole("a", &body.a)? } else { whole("t", &body.t)? },
        price: struck.price,
        lots: struck.lots,
        aggressor: if buyer_made { Side::Sell } else { Side::Buy },
        aggregated,
        on_book,
        event_time: time("E", &body.event_time)?,
        transaction_time: time("T", &body.transaction_time)?,
    }))
}

fn instrument<'a>(context: &'a Context, body: &Body<'_>) -> Result<&'a Grids, DecodeError> {
    named(context, text("s", &body.s)?)
}

fn named<'a>(context: &'a Context, symbol: &str) -> Result<&'a Grids, DecodeError> {
    let index = context.symbols.find_text(symbol.as_bytes());
    let unknown = || DecodeError::UnknownSymbol { symbol: symbol.to_owned() };
    index.map(|index| &context.instruments[index]).ok_or_else(unknown)
}

fn side(
    field: &'static str,
    node: &Option<Node<'_>>,
    grids: &Grids,
    side: Side,
    out: &mut [Level],
) -> Result<usize, DecodeError> {
    let levels = match node {
        Some(Node::List(levels)) => levels,
        Some(_) => return Err(DecodeError::WrongType { field }),
        None => return Err(DecodeError::MissingField { field }),
    };
    if levels.len() > out.len() {
        return Err(DecodeError::TooManyLevels { side, max: out.len() });
    }
    for (level, slot) in levels.iter().zip(out.iter_mut()) {
        let Node::List(pair) = level else { return Err(DecodeError::WrongType { field }) };
        let [Node::Text(price), Node::Text(size)] = pair.as_slice() else {
            return Err(DecodeError::WrongType { field });
        };
        slot.price = Ticks(steps(field, price, &grids.tick)?);
        slot.lots = lots(field, size, grids)?;
    }
    Ok(levels.len())
}

fn level(
    price: (&'static str, &Option<Node<'_>>),
    size: (&'static str, &Option<Node<'_>>),
    grids: &Grids,
) -> Result<Level, DecodeError> {
    Ok(Level {
        price: Ticks(steps(price.0, text(price.0, price.1)?, &grids.tick)?),
        lots: lots(size.0, text(size.0, size.1)?, grids)?,
    })
}

fn text<'a>(field: &'static str, node: &'a Option<Node<'_>>) -> Result<&'a str, DecodeError> {
    match node {
        Some(Node::Text(text)) => Ok(text.as_ref()),
        Some(_) => Err(DecodeError::WrongType { field }),
        None => Err(DecodeError::MissingField { field }),
    }
}

fn whole(field: &'static str, node: &Option<Node<'_>>) -> Result<u64, DecodeError> {
    match node {
        Some(Node::Whole(value)) => Ok(*value),
        Some(_) => Err(DecodeError::WrongType { field }),
        None => Err(DecodeError::MissingField { field }),
    }
}

fn time(field: &'static str, node: &Option<Node<'_>>) -> Result<UnixNanos, DecodeError> {
    whole(field, node).map(UnixNanos::from_millis)
}

fn lots(field: &'static str, text: &str, grids: &Grids) -> Result<Lots, DecodeError> {
    let read = if grids.rounds_sizes { number::whole_steps } else { number::steps };
    read(text.as_bytes(), &grids.lot).map(Lots).map_err(|error| refused(field, text, error))
}

fn steps(field: &'static str, text: &str, grid: &Grid) -> Result<i64, DecodeError> {
    number::steps(text.as_bytes(), grid).map_err(|error| refused(field, text, error))
}

fn refused(field: &'static str, text: &str, error: NumberError) -> DecodeError {
    match error {
        NumberError::NotANumber => DecodeError::NotANumber { field, text: text.to_owned() },
        NumberError::OffGrid => DecodeError::OffGrid { field, text: text.to_owned() },
        NumberError::TooLarge => DecodeError::TooLarge { field, text: text.to_owned() },
    }
}
