//! The fast reader: frames of exactly the shape that the venue sends, byte by byte, or nothing.
//!
//! Every byte is compared with what it must be or is part of a checked number or name; nothing may
//! follow the last brace. `None` says "not of my shape", never "wrong": the general reader decides.
//! Number and name reading is a parameter (`scalar::Plain` or `avx2::Wide`), so that no call within
//! a frame is dispatched. Key orders known: those of the captures under ../shared/data.

use super::decoder::{Context, DepthHead, Grids, Parsed, Scratch, SnapshotHead};
use super::form::Usual;
use super::number::Number;
use super::symbols::Padded;
use crate::record::{BookTicker, Level, Trade};
use crate::units::{InstrumentId, Lots, Side, Ticks, UnixNanos};
use crate::venue::binance::Family;

/// Reads numbers and names that bytes begin with; `None` for anything not of the plain shape.
pub(super) trait Numerals {
    /// A JSON integer; returns it and where it ends.
    fn whole(bytes: &[u8]) -> Option<(u64, usize)>;
    /// As `whole`, for a time in milliseconds, which has 13 digits until the year 2286.
    fn time(bytes: &[u8]) -> Option<(u64, usize)>;
    /// Two number texts with `gap` between them (it begins with the first one's closing quote);
    /// returns them and where the second one's closing quote stands.
    fn pair<const GAP: usize>(bytes: &[u8], gap: &[u8; GAP]) -> Option<(Number, Number, usize)>;
    /// Price and size of a level: `pair` with the gap `","`.
    fn level(bytes: &[u8]) -> Option<(Number, Number, usize)>;
    /// Levels that are written as the instrument's grid expects, as many as come in a row: how many,
    /// where the next one begins (or the list has ended), and whether it has. A shortcut of the
    /// loop over `level`, which stands in for any other form; the scalar twin takes none.
    #[inline(always)]
    fn usual_levels(_: &[u8], _: &Grids, _: &mut [Level]) -> (usize, usize, bool) {
        (0, 0, false)
    }
    /// The same shortcut for a price and a size that are `gap` apart, in steps.
    #[inline(always)]
    fn usual_pair<const GAP: usize>(
        _: &[u8],
        _: &[u8; GAP],
        _: &Grids,
        _: &[Usual; 2],
    ) -> Option<(i64, i64, usize)> {
        None
    }
    /// `len` itself; a reader may go on from the usual length before it knows this one.
    #[inline(always)]
    fn follow(len: usize, _: &Usual) -> usize {
        len
    }
    /// A string of plain ASCII; returns where its closing quote stands.
    fn plain(bytes: &[u8]) -> Option<usize>;
    /// A string of up to 32 bytes of any kind, padded with zeros, and where its quote stands.
    fn symbol(bytes: &[u8]) -> Option<(Padded, usize)>;
}

/// What is left of the frame.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    /// Steps over `literal`, or fails.
    #[inline(always)]
    fn expect<const N: usize>(&mut self, literal: &[u8; N]) -> Option<()> {
        self.accept(literal).then_some(())
    }

    /// Steps over `literal` if it stands here.
    #[inline(always)]
    fn accept<const N: usize>(&mut self, literal: &[u8; N]) -> bool {
        match self.rest.split_first_chunk::<N>() {
            Some((here, rest)) if here == literal => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Steps over `len` bytes.
    #[inline(always)]
    fn step(&mut self, len: usize) -> Option<()> {
        self.rest = self.rest.get(len..)?;
        Some(())
    }

    #[inline(always)]
    fn whole<R: Numerals>(&mut self, usual: &Usual) -> Option<u64> {
        let (value, len) = R::whole(self.rest)?;
        self.step(R::follow(len, usual))?;
        Some(value)
    }

    #[inline(always)]
    fn time<R: Numerals>(&mut self) -> Option<UnixNanos> {
        let (millis, len) = R::time(self.rest)?;
        self.step(len)?;
        Some(UnixNanos::from_millis(millis))
    }

    /// Steps over a plain string and its closing quote.
    #[inline(always)]
    fn skip_text<R: Numerals>(&mut self, usual: &Usual) -> Option<()> {
        let len = R::plain(self.rest)?;
        self.step(R::follow(len, usual) + 1)
    }

    /// A symbol and its closing quote.
    #[inline(always)]
    fn instrument<'c, R: Numerals>(&mut self, context: &'c Context) -> Option<&'c Grids> {
        let (name, len) = R::symbol(self.rest)?;
        let len = R::follow(len, &context.heads[1]);
        // No configured name ends in the padding byte: a text that does is longer than its match.
        if self.rest.get(..len)?.last() == Some(&0) {
            return None;
        }
        self.step(len + 1)?;
        context.symbols.find(&name).map(|index| &context.instruments[index])
    }

    /// Price and size, each in its key, up to and including the last closing quote.
    #[inline(always)]
    fn touch<R: Numerals>(
        &mut self,
        gap: &[u8; 7],
        grids: &Grids,
        usual: &[Usual; 2],
    ) -> Option<Level> {
        if let Some((price, lots, end)) = R::usual_pair(self.rest, gap, grids, usual) {
            self.step(end + 1)?;
            return Some(Level { price: Ticks(price), lots: Lots(lots) });
        }
        let (price, size, end) = R::pair(self.rest, gap)?;
        self.step(end + 1)?;
        Some(Level { price: Ticks(price.steps(&grids.tick)?), lots: Lots(grids.lots(size)?) })
    }

    /// Levels after the opening bracket, up to and including the closing one.
    #[inline(always)]
    fn levels<R: Numerals>(&mut self, grids: &Grids, out: &mut [Level]) -> Option<usize> {
        if self.accept(b"]") {
            return Some(0);
        }
        self.expect(b"[\"")?;
        let mut count = 0;
        loop {
            let free = out.get_mut(count..)?;
            let (usual, len, ended) = R::usual_levels(self.rest, grids, free);
            count += usual;
            self.step(len)?;
            if ended {
                return Some(count);
            }
            let (price, size, end) = R::level(self.rest)?;
            let slot = out.get_mut(count)?;
            slot.price = Ticks(price.steps(&grids.tick)?);
            slot.lots = Lots(grids.lots(size)?);
            count += 1;
            self.step(end)?;
            if !self.accept(b"\"],[\"") {
                self.expect(b"\"]]")?;
                return Some(count);
            }
        }
    }
}

/// Reads a frame of the venue's own shape.
#[inline(always)]
pub(super) fn read<R: Numerals>(
    context: &Context,
    scratch: &mut Scratch,
    whose: Option<InstrumentId>,
    bytes: &[u8],
) -> Option<Parsed> {
    let mut cursor = Cursor { rest: bytes };
    let wrapped = cursor.accept(b"{\"stream\":\"");
    if wrapped {
        cursor.skip_text::<R>(&context.heads[0])?;
        cursor.expect(b",\"data\":")?;
    }
    let parsed = if cursor.accept(b"{\"e\":\"") {
        match cursor.rest.first()? {
            b'b' => ticker::<R>(&mut cursor, context, Opening::Event),
            b'd' => depth::<R>(&mut cursor, context, scratch),
            b't' => trade::<R>(&mut cursor, context),
            b'a' => aggregate::<R>(&mut cursor, context),
            _ => None,
        }
    } else if cursor.accept(b"{\"u\":") {
        ticker::<R>(&mut cursor, context, Opening::Update)
    } else if !wrapped && cursor.accept(b"{\"lastUpdateId\":") {
        snapshot::<R>(&mut cursor, context, scratch, whose)
    } else {
        None
    }?;
    if wrapped {
        cursor.expect(b"}")?;
    }
    cursor.rest.is_empty().then_some(parsed)
}

/// Which key a ticker begins with; the venue has used both.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    Event,
    Update,
}

#[inline(always)]
fn ticker<R: Numerals>(
    cursor: &mut Cursor<'_>,
    context: &Context,
    opening: Opening,
) -> Option<Parsed> {
    let futures = context.family.is_futures();
    if opening == Opening::Event {
        cursor.expect(b"bookTicker\",\"u\":")?;
    }
    let update = cursor.whole::<R>(&context.heads[2])?;
    if opening == Opening::Update && futures {
        cursor.expect(b",\"e\":\"bookTicker\"")?;
    }
    cursor.expect(b",\"s\":\"")?;
    let grids = cursor.instrument::<R>(context)?;
    if futures && cursor.accept(b",\"ps\":\"") {
        cursor.skip_text::<R>(&context.heads[0])?;
    }
    cursor.expect(b",\"b\":\"")?;
    let bid = cursor.touch::<R>(b"\",\"B\":\"", grids, &grids.lengths.touches[0])?;
    cursor.expect(b",\"a\":\"")?;
    let ask = cursor.touch::<R>(b"\",\"A\":\"", grids, &grids.lengths.touches[1])?;
    let (mut event_time, mut transaction_time) = (UnixNanos(0), UnixNanos(0));
    if futures {
        cursor.expect(b",\"T\":")?;
        transaction_time = cursor.time::<R>()?;
        cursor.expect(b",\"E\":")?;
        event_time = cursor.time::<R>()?;
    }
    cursor.expect(b"}")?;
    let instrument = grids.id;
    Some(Parsed::Ticker(BookTicker { instrument, update, bid, ask, event_time, transaction_time }))
}

#[inline(always)]
fn depth<R: Numerals>(
    cursor: &mut Cursor<'_>,
    context: &Context,
    scratch: &mut Scratch,
) -> Option<Parsed> {
    let futures = context.family.is_futures();
    cursor.expect(b"depthUpdate\",\"E\":")?;
    let event_time = cursor.time::<R>()?;
    let mut transaction_time = event_time;
    if futures {
        cursor.expect(b",\"T\":")?;
        transaction_time = cursor.time::<R>()?;
    }
    cursor.expect(b",\"s\":\"")?;
    let grids = cursor.instrument::<R>(context)?;
    if futures && cursor.accept(b",\"ps\":\"") {
        cursor.skip_text::<R>(&context.heads[0])?;
    }
    cursor.expect(b",\"U\":")?;
    let first_update = cursor.whole::<R>(&grids.lengths.ids[0])?;
    cursor.expect(b",\"u\":")?;
    let last_update = cursor.whole::<R>(&grids.lengths.ids[1])?;
    let mut previous_update = None;
    if futures {
        cursor.expect(b",\"pu\":")?;
        previous_update = Some(cursor.whole::<R>(&grids.lengths.ids[2])?);
    }
    cursor.expect(b",\"b\":[")?;
    let bids = cursor.levels::<R>(grids, &mut scratch.bids)?;
    cursor.expect(b",\"a\":[")?;
    let asks = cursor.levels::<R>(grids, &mut scratch.asks)?;
    cursor.expect(b"}")?;
    Some(Parsed::Depth(DepthHead {
        instrument: grids.id,
        first_update,
        last_update,
        previous_update,
        event_time,
        transaction_time,
        bids,
        asks,
    }))
}

#[inline(always)]
fn snapshot<R: Numerals>(
    cursor: &mut Cursor<'_>,
    context: &Context,
    scratch: &mut Scratch,
    whose: Option<InstrumentId>,
) -> Option<Parsed> {
    let last_update = cursor.whole::<R>(&context.heads[2])?;
    if cursor.accept(b",\"E\":") {
        cursor.time::<R>()?;
        cursor.expect(b",\"T\":")?;
        cursor.time::<R>()?;
    }
    let mut named = None;
    if cursor.accept(b",\"symbol\":\"") {
        named = Some(cursor.instrument::<R>(context)?);
        cursor.expect(b",\"pair\":\"")?;
        cursor.skip_text::<R>(&context.heads[0])?;
    }
    let grids = match (whose, named, context.instruments.as_slice()) {
        (Some(id), _, all) => all.iter().find(|grids| grids.id == id)?,
        (None, Some(named), _) => named,
        (None, None, [only]) => only,
        (None, None, _) => return None,
    };
    cursor.expect(b",\"bids\":[")?;
    let bids = cursor.levels::<R>(grids, &mut scratch.bids)?;
    cursor.expect(b",\"asks\":[")?;
    let asks = cursor.levels::<R>(grids, &mut scratch.asks)?;
    cursor.expect(b"}")?;
    Some(Parsed::Snapshot(SnapshotHead { instrument: grids.id, last_update, bids, asks }))
}

/// `true` or `false`.
#[inline(always)]
fn flag(cursor: &mut Cursor<'_>) -> Option<bool> {
    if cursor.accept(b"true") {
        return Some(true);
    }
    cursor.expect(b"false")?;
    Some(false)
}

#[inline(always)]
fn trade<R: Numerals>(cursor: &mut Cursor<'_>, context: &Context) -> Option<Parsed> {
    cursor.expect(b"trade\",\"E\":")?;
    let event_time = cursor.time::<R>()?;
    let spot = context.family == Family::Spot;
    let mut transaction_time = event_time;
    if !spot {
        cursor.expect(b",\"T\":")?;
        transaction_time = cursor.time::<R>()?;
    }
    cursor.expect(b",\"s\":\"")?;
    let grids = cursor.instrument::<R>(context)?;
    cursor.expect(b",\"t\":")?;
    let id = cursor.whole::<R>(&grids.lengths.ids[0])?;
    cursor.expect(b",\"p\":\"")?;
    let struck = cursor.touch::<R>(b"\",\"q\":\"", grids, &grids.lengths.touches[0])?;
    if spot {
        cursor.expect(b",\"T\":")?;
        transaction_time = cursor.time::<R>()?;
    } else {
        cursor.expect(b",\"X\":\"MARKET\"")?;
    }
    cursor.expect(b",\"m\":")?;
    let buyer_made = flag(cursor)?;
    if cursor.accept(b",\"M\":") {
        flag(cursor)?;
    }
    cursor.expect(b"}")?;
    Some(Parsed::Trade(Trade {
        instrument: grids.id,
        id,
        price: struck.price,
        lots: struck.lots,
        aggressor: if buyer_made { Side::Sell } else { Side::Buy },
        aggregated: false,
        on_book: true,
        event_time,
        transaction_time,
    }))
}

#[inline(always)]
fn aggregate<R: Numerals>(cursor: &mut Cursor<'_>, context: &Context) -> Option<Parsed> {
    cursor.expect(b"aggTrade\",\"E\":")?;
    let event_time = cursor.time::<R>()?;
    let (id, grids);
    if cursor.accept(b",\"a\":") {
        id = cursor.whole::<R>(&context.heads[2])?;
        cursor.expect(b",\"s\":\"")?;
        grids = cursor.instrument::<R>(context)?;
    } else {
        cursor.expect(b",\"s\":\"")?;
        grids = cursor.instrument::<R>(context)?;
        cursor.expect(b",\"a\":")?;
        id = cursor.whole::<R>(&grids.lengths.ids[0])?;
    }
    cursor.expect(b",\"p\":\"")?;
    let struck = cursor.touch::<R>(b"\",\"q\":\"", grids, &grids.lengths.touches[0])?;
    cursor.expect(b",\"f\":")?;
    cursor.whole::<R>(&grids.lengths.ids[1])?;
    cursor.expect(b",\"l\":")?;
    cursor.whole::<R>(&grids.lengths.ids[2])?;
    cursor.expect(b",\"T\":")?;
    let transaction_time = cursor.time::<R>()?;
    cursor.expect(b",\"m\":")?;
    let buyer_made = flag(cursor)?;
    if cursor.accept(b",\"M\":") {
        flag(cursor)?;
    }
    cursor.expect(b"}")?;
    Some(Parsed::Trade(Trade {
        instrument: grids.id,
        id,
        price: struck.price,
        lots: struck.lots,
        aggressor: if buyer_made { Side::Sell } else { Side::Buy },
        aggregated: true,
        on_book: true,
        event_time,
        transaction_time,
    }))
}
