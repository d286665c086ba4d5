//! The byte form of a journal entry: little-endian words of eight bytes, written without allocation.
//!
//! `Entry::write` fills words that the caller owns (the ring's memory); `Entry::read` borrows levels,
//! texts and frames from the words it reads and copies a plan, which wants a stricter alignment, into
//! a scratch. Each row is one word, `a|b|c` shares a word from its lowest byte up, `*` repeats:
//!
//! | kind | words |
//! | --- | --- |
//! | begin | format u32, epoch u32 \| lane u16, family u8, 0, name bytes u32 \| run x2 \| first id \| last id \| wall \| boot x2 \| name* |
//! | instrument | id u32, venue u16, kind u8, symbol bytes u8 \| symbol x4 \| tick \| lot \| multiplier \| decimals of the three u8 \| base \| quote \| settle \| lots min, max \| price min, max \| notional x2 \| maker \| taker |
//! | raw_frame | bytes u32, link u8 \| byte* |
//! | judgement | input \| intent x6 \| verdict u16, level u8, has bid u8, has ask u8 \| plan \| bid x2 \| ask x2 \| book at \| at |
//! | digest | input \| state hash \| orders hash |
//! | note | bytes u32 \| byte* |
//! | end | - |
//! | every input | sequence, then: |
//! | depth | instrument u32, has previous u8 \| first \| last \| previous \| event \| transaction \| bids u32, asks u32 \| level x2 * |
//! | snapshot | instrument u32 \| last \| bids u32, asks u32 \| level x2 * |
//! | ticker | instrument u32 \| update \| bid x2 \| ask x2 \| event \| transaction |
//! | trade | instrument u32, aggressor u8, aggregated u8, on book u8 \| id \| price \| lots \| event \| transaction |
//! | market_other, timer | - |
//! | market_fault | instrument u32, known u8 |
//! | execution | instrument u32, kind u8, side u8, maker u8 \| order \| venue order \| trade \| price \| lots \| last price \| last lots \| filled \| fee x2 \| currency \| reject i32 \| venue time |
//! | command | command u8, source u8 |
//! | link | link u8, state u8 |
//! | plan | the plan's bytes |
//! | life | epoch u32 \| wall |
//! | adopted | instrument u32, side u8 \| order \| venue order \| price \| lots |
//! | adjustment | instrument u32 \| lots \| cash x2 |
//! | service | p99 \| frames |
//! | holding | instrument u32 \| base x2 |
//!
//! Invariants: bytes that mean nothing are zero, and reading refuses them otherwise, so words that
//! read well are exactly the words that writing the result gives; nothing here panics on any input.

use super::entry::{Begin, Digest, Entry, EntryKind};
use super::input_bytes::{input_kind, input_words, read_input, write_input};
use super::words::{BOOLS, EntryError, EntryProblem, In, LEVEL_WORDS, LINKS, Out, SIDES};
use super::{
    FeeSchedule, Filters, Instrument, InstrumentKind, Intent, Judgement, Level, OrderAction,
    OrderType, Plan, Symbol, TimeInForce, Verdict,
};
use crate::units::{
    Currency, Decimal, Grid, InstrumentId, LaneId, Lots, Money, Nanos, OrderId, Rate, Ticks,
    UnixNanos, VenueId,
};

#[cfg(target_endian = "big")]
compile_error!("entries are little-endian and are written as the machine holds them");

/// Words of an intent.
const INTENT_WORDS: usize = 6;
/// Digits that a decimal can have.
const SCALE_MAX: u8 = 18;

/// Every code of the small enums, at its index.
const ACTIONS: [OrderAction; 4] =
    [OrderAction::Place, OrderAction::Cancel, OrderAction::Replace, OrderAction::CancelAll];
const ORDER_TYPES: [OrderType; 3] = [OrderType::Limit, OrderType::PostOnly, OrderType::Market];
const TIMES: [TimeInForce; 3] =
    [TimeInForce::GoodTillCancel, TimeInForce::ImmediateOrCancel, TimeInForce::FillOrKill];
const INSTRUMENT_KINDS: [InstrumentKind; 3] =
    [InstrumentKind::Spot, InstrumentKind::Linear, InstrumentKind::Inverse];

/// Room for what cannot be borrowed from a buffer of words.
#[derive(Clone, Debug)]
pub struct Scratch {
    pub(super) plan: Box<Plan>,
}

impl Scratch {
    /// Room for one entry.
    #[must_use]
    pub fn new() -> Scratch {
        Scratch { plan: Box::new(Plan::none()) }
    }
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new()
    }
}

impl<'a> Entry<'a> {
    /// Its code on disk.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> EntryKind {
        match self {
            Entry::Begin(_) => EntryKind::Begin,
            Entry::Instrument(_) => EntryKind::Instrument,
            Entry::Input { input, .. } => input_kind(input),
            Entry::RawFrame { .. } => EntryKind::RawFrame,
            Entry::Judgement { .. } => EntryKind::Judgement,
            Entry::Digest(_) => EntryKind::Digest,
            Entry::Note(_) => EntryKind::Note,
            Entry::End => EntryKind::End,
        }
    }

    /// Words of eight bytes that `write` fills.
    #[must_use]
    #[inline]
    pub fn words(&self) -> usize {
        match self {
            Entry::Begin(begin) => 9 + begin.name.len().div_ceil(8),
            Entry::Instrument(_) => 20,
            Entry::Input { input, .. } => 1 + input_words(input),
            Entry::RawFrame { bytes, .. } => 1 + bytes.len().div_ceil(8),
            Entry::Judgement { .. } => 5 + INTENT_WORDS + 2 * LEVEL_WORDS,
            Entry::Digest(_) => 3,
            Entry::Note(text) => 1 + text.len().div_ceil(8),
            Entry::End => 0,
        }
    }

    /// Fills `out`, which must have exactly `words()` words.
    #[inline]
    pub fn write(&self, out: &mut [u64]) {
        assert_eq!(out.len(), self.words(), "Invariant: the caller asked for `words()`");
        let mut to = Out::new(out);
        match self {
            Entry::Begin(begin) => write_begin(&mut to, begin),
            Entry::Instrument(instrument) => write_instrument(&mut to, instrument),
            Entry::Input { sequence, input } => {
                to.put(*sequence);
                write_input(&mut to, input);
            }
            Entry::RawFrame { link, bytes } => {
                to.head(bytes.len() as u32, [*link as u8, 0, 0, 0]);
                to.bytes(bytes);
            }
            Entry::Judgement { input, judgement } => {
                to.put(*input);
                write_judgement(&mut to, judgement);
            }
            Entry::Digest(digest) => {
                to.put(digest.input);
                to.put(digest.state_hash);
                to.put(digest.orders_hash);
            }
            Entry::Note(text) => {
                to.head(text.len() as u32, [0; 4]);
                to.bytes(text.as_bytes());
            }
            Entry::End => {}
        }
        debug_assert!(to.is_full(), "Invariant: `words` and `write` agree");
    }

    /// Reads what `write` wrote.
    ///
    /// # Errors
    /// The field that is wrong, where, and how.
    pub fn read(
        kind: u16,
        words: &'a [u64],
        scratch: &'a mut Scratch,
    ) -> Result<Entry<'a>, EntryError> {
        let mut from = In::new(kind, words);
        let Some(known) = EntryKind::from_code(kind) else {
            return Err(from.wrong("kind", EntryProblem::Unknown(u64::from(kind))));
        };
        let entry = match known {
            EntryKind::Begin => Entry::Begin(read_begin(&mut from)?),
            EntryKind::Instrument => Entry::Instrument(read_instrument(&mut from)?),
            EntryKind::RawFrame => {
                let (len, [link, ..]) = from.head::<1>("frame")?;
                let link = from.pick("link", &LINKS, link)?;
                Entry::RawFrame { link, bytes: from.bytes("frame", len as usize)? }
            }
            EntryKind::Judgement => Entry::Judgement {
                input: from.take("input")?,
                judgement: read_judgement(&mut from)?,
            },
            EntryKind::Digest => Entry::Digest(Digest {
                input: from.take("input")?,
                state_hash: from.take("state hash")?,
                orders_hash: from.take("orders hash")?,
            }),
            EntryKind::Note => {
                let (len, _) = from.head::<0>("note")?;
                Entry::Note(from.text("note", len as usize)?)
            }
            EntryKind::End => Entry::End,
            _ => {
                let sequence = from.take("input sequence")?;
                Entry::Input { sequence, input: read_input(known, &mut from, scratch)? }
            }
        };
        from.end()?;
        Ok(entry)
    }
}

fn write_begin(to: &mut Out<'_>, begin: &Begin<'_>) {
    to.put(u64::from(begin.format) | u64::from(begin.epoch) << 32);
    let [low, high] = begin.lane.0.to_le_bytes();
    let name_len = (begin.name.len() as u32).to_le_bytes();
    let [n0, n1, n2, n3] = name_len;
    to.put(u64::from_le_bytes([low, high, begin.family, 0, n0, n1, n2, n3]));
    to.wide(begin.run);
    to.put(begin.order_first.0);
    to.put(begin.order_last.0);
    to.put(begin.wall_at_zero.0);
    to.wide(begin.boot);
    to.bytes(begin.name.as_bytes());
}

fn read_begin<'a>(from: &mut In<'a>) -> Result<Begin<'a>, EntryError> {
    let first = from.take("format and epoch")?;
    let second = from.take("lane, family and length of the name")?.to_le_bytes();
    if second[3] != 0 {
        return Err(from.wrong("family", EntryProblem::NotZero));
    }
    let [low, high, family, _, n0, n1, n2, n3] = second;
    Ok(Begin {
        format: first as u32,
        run: from.wide("run")?,
        lane: LaneId(u16::from_le_bytes([low, high])),
        family,
        epoch: (first >> 32) as u32,
        order_first: OrderId(from.take("first client order id")?),
        order_last: OrderId(from.take("last client order id")?),
        wall_at_zero: UnixNanos(from.take("wall time at zero")?),
        boot: from.wide("boot id")?,
        name: from.text("name", u32::from_le_bytes([n0, n1, n2, n3]) as usize)?,
    })
}

fn write_instrument(to: &mut Out<'_>, instrument: &Instrument) {
    let [venue_low, venue_high] = instrument.venue.0.to_le_bytes();
    let symbol = instrument.symbol.as_bytes();
    let codes = [venue_low, venue_high, instrument.kind as u8, symbol.len() as u8];
    to.head(instrument.id.0, codes);
    let mut padded = [0; 32];
    padded[..symbol.len()].copy_from_slice(symbol);
    to.bytes(&padded);
    let (tick, lot) = (instrument.tick.step(), instrument.lot.step());
    to.put(tick.mantissa as u64);
    to.put(lot.mantissa as u64);
    to.put(instrument.multiplier.mantissa as u64);
    let scales = [tick.scale, lot.scale, instrument.multiplier.scale, 0, 0, 0, 0, 0];
    to.put(u64::from_le_bytes(scales));
    for currency in [instrument.base, instrument.quote, instrument.settle] {
        to.put(u64::from_le_bytes(currency.0));
    }
    let filters = &instrument.filters;
    to.put(filters.lots_min.0 as u64);
    to.put(filters.lots_max.0 as u64);
    to.put(filters.price_min.0 as u64);
    to.put(filters.price_max.0 as u64);
    to.wide(filters.notional_min.0 as u128);
    to.put(instrument.fees.maker.0 as u64);
    to.put(instrument.fees.taker.0 as u64);
}

fn read_instrument(from: &mut In<'_>) -> Result<Instrument, EntryError> {
    let (id, [venue_low, venue_high, kind, symbol_len]) = from.head::<4>("instrument")?;
    let kind = from.pick("kind of instrument", &INSTRUMENT_KINDS, kind)?;
    let padded = from.bytes("symbol", 32)?;
    let (text, rest) = padded.split_at(usize::from(symbol_len).min(32));
    let symbol = std::str::from_utf8(text).ok().and_then(|text| Symbol::new(text).ok());
    let Some(symbol) = symbol.filter(|_| rest.iter().all(|byte| *byte == 0) && symbol_len <= 32)
    else {
        return Err(from.wrong("symbol", EntryProblem::Invalid));
    };
    let (tick, lot) = (from.take("tick")? as i64, from.take("lot")? as i64);
    let multiplier = from.take("multiplier")? as i64;
    let scales = from.take("decimals")?.to_le_bytes();
    if scales[3..] != [0; 5] {
        return Err(from.wrong("decimals", EntryProblem::NotZero));
    }
    let grid = |from: &In<'_>, field, mantissa, scale| {
        let grid = Grid::new(Decimal { mantissa, scale }, scale);
        grid.ok_or(from.wrong(field, EntryProblem::Invalid))
    };
    let tick = grid(from, "tick", tick, scales[0])?;
    let lot = grid(from, "lot", lot, scales[1])?;
    if scales[2] > SCALE_MAX {
        return Err(from.wrong("multiplier", EntryProblem::Invalid));
    }
    Ok(Instrument {
        id: InstrumentId(id),
        venue: VenueId(u16::from_le_bytes([venue_low, venue_high])),
        symbol,
        kind,
        tick,
        lot,
        multiplier: Decimal { mantissa: multiplier, scale: scales[2] },
        base: Currency(from.take("base")?.to_le_bytes()),
        quote: Currency(from.take("quote")?.to_le_bytes()),
        settle: Currency(from.take("settle")?.to_le_bytes()),
        filters: Filters {
            lots_min: Lots(from.take("smallest order")? as i64),
            lots_max: Lots(from.take("largest order")? as i64),
            price_min: Ticks(from.take("smallest price")? as i64),
            price_max: Ticks(from.take("largest price")? as i64),
            notional_min: Money(from.wide("smallest notional")? as i128),
        },
        fees: FeeSchedule {
            maker: Rate(from.take("maker fee")? as i64),
            taker: Rate(from.take("taker fee")? as i64),
        },
    })
}

fn write_judgement(to: &mut Out<'_>, judgement: &Judgement) {
    let intent = &judgement.intent;
    to.head(
        intent.instrument.0,
        [
            intent.action as u8,
            intent.side as u8,
            intent.order_type as u8,
            intent.time_in_force as u8,
        ],
    );
    to.put(intent.order.0);
    to.put(intent.replaces.0);
    to.put(intent.price.0 as u64);
    to.put(intent.lots.0 as u64);
    to.put(u64::from(intent.reduce_only));
    let [low, high] = (judgement.verdict as u16).to_le_bytes();
    let has = |level: Option<Level>| u8::from(level.is_some());
    let codes = [low, high, judgement.level, has(judgement.bid), has(judgement.ask), 0, 0, 0];
    to.put(u64::from_le_bytes(codes));
    to.put(judgement.plan);
    to.level(judgement.bid.unwrap_or_default());
    to.level(judgement.ask.unwrap_or_default());
    to.put(judgement.book_at.0);
    to.put(judgement.at.0);
}

fn read_judgement(from: &mut In<'_>) -> Result<Judgement, EntryError> {
    let (instrument, [action, side, order_type, time]) = from.head::<4>("intent")?;
    let mut intent = Intent {
        action: from.pick("action", &ACTIONS, action)?,
        instrument: InstrumentId(instrument),
        order: OrderId(from.take("order")?),
        replaces: OrderId(from.take("order replaced")?),
        side: from.pick("side", &SIDES, side)?,
        order_type: from.pick("order type", &ORDER_TYPES, order_type)?,
        time_in_force: from.pick("time in force", &TIMES, time)?,
        reduce_only: false,
        price: Ticks(from.take("price")? as i64),
        lots: Lots(from.take("lots")? as i64),
    };
    intent.reduce_only = match from.take("reduce only")? {
        flag @ (0 | 1) => flag == 1,
        other => return Err(from.wrong("reduce only", EntryProblem::Unknown(other))),
    };
    let codes = from.take("verdict")?.to_le_bytes();
    let code = usize::from(u16::from_le_bytes([codes[0], codes[1]]));
    let Some(verdict) = Verdict::ALL.get(code) else {
        return Err(from.wrong("verdict", EntryProblem::Unknown(code as u64)));
    };
    if codes[5..] != [0; 3] {
        return Err(from.wrong("verdict", EntryProblem::NotZero));
    }
    let has_bid = from.pick("whether there is a bid", &BOOLS, codes[3])?;
    let has_ask = from.pick("whether there is an ask", &BOOLS, codes[4])?;
    Ok(Judgement {
        intent,
        verdict: *verdict,
        level: codes[2],
        plan: from.take("plan")?,
        bid: from.optional_level("bid", has_bid)?,
        ask: from.optional_level("ask", has_ask)?,
        book_at: Nanos(from.take("time of the book")?),
        at: Nanos(from.take("time of the input")?),
    })
}
