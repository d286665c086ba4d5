//! The decoder a lane owns: a market frame -> a fixed-point event or a refusal.
//!
//! The fast reader either recognises a frame byte by byte and yields its event, or knows nothing of
//! it; then the general one, over serde_json, has the word. Hence both give the same refusals, and
//! whatever the fast one accepts the general one must accept as the same event (tests/ hold that).
//! The fast reader allocates nothing; levels land in scratch made at construction.

use super::error::DecodeError;
use super::form::{Form, Lengths, Usual};
use super::number::Number;
use super::symbols::Symbols;
use super::{fast, general, scalar};
use crate::host::cpu::Simd;
use crate::record::{BookTicker, DepthDiff, DepthSnapshot, Instrument, Level, MarketEvent, Trade};
use crate::units::{Grid, InstrumentId, UnixNanos};
use crate::venue::binance::Family;

/// Levels per side that one frame may carry: the venue's largest snapshot.
pub const LEVELS_MAX: usize = 5_000;

/// What both readers know besides the frame.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) family: Family,
    pub(super) instruments: Vec<Grids>,
    pub(super) symbols: Symbols,
    /// Usual lengths of what stands before the symbol: stream name, symbol, update id.
    pub(super) heads: [Usual; 3],
}

/// An instrument, as far as decoding needs it.
#[derive(Clone, Debug)]
pub(super) struct Grids {
    pub(super) id: InstrumentId,
    pub(super) tick: Grid,
    pub(super) lot: Grid,
    /// Whether a size between two lots counts as the lower one instead of being refused.
    pub(super) rounds_sizes: bool,
    /// The usual form of a price and of a size.
    pub(super) forms: [Form; 2],
    pub(super) lengths: Lengths,
}

/// Where levels land.
#[derive(Clone, Debug)]
pub(super) struct Scratch {
    pub(super) bids: Box<[Level]>,
    pub(super) asks: Box<[Level]>,
}

/// An event whose levels lie in the scratch; the counts say how many of them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parsed {
    Depth(DepthHead),
    Snapshot(SnapshotHead),
    Ticker(BookTicker),
    Trade(Trade),
    Other,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct DepthHead {
    pub(super) instrument: InstrumentId,
    pub(super) first_update: u64,
    pub(super) last_update: u64,
    pub(super) previous_update: Option<u64>,
    pub(super) event_time: UnixNanos,
    pub(super) transaction_time: UnixNanos,
    pub(super) bids: usize,
    pub(super) asks: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct SnapshotHead {
    pub(super) instrument: InstrumentId,
    pub(super) last_update: u64,
    pub(super) bids: usize,
    pub(super) asks: usize,
}

/// Decodes the market frames of one connection.
#[derive(Clone, Debug)]
pub struct Decoder {
    context: Context,
    scratch: Scratch,
    simd: Simd,
    fallbacks: u64,
}

impl Decoder {
    /// A decoder of `instruments`, whose number parser is chosen here, once.
    #[must_use]
    pub fn new(family: Family, instruments: &[Instrument], simd: Simd) -> Decoder {
        let side = || vec![Level::default(); LEVELS_MAX].into_boxed_slice();
        let grids = |of: &Instrument| Grids {
            id: of.id,
            tick: of.tick,
            lot: of.lot,
            rounds_sizes: false,
            forms: [Form::new(&of.tick, 0), Form::new(&of.lot, 16)],
            lengths: Lengths::default(),
        };
        Decoder {
            context: Context {
                family,
                instruments: instruments.iter().map(grids).collect(),
                symbols: Symbols::new(instruments),
                heads: Default::default(),
            },
            scratch: Scratch { bids: side(), asks: side() },
            simd: available(simd),
            fallbacks: 0,
        }
    }

    /// The same, with a size between two lots taken for the lower one, zero for less than one lot.
    ///
    /// The venue shows such sizes on its books: rests of orders from before it made the lot coarser.
    /// Nobody can trade what is beyond the last whole lot, so a lane that trades loses nothing, while
    /// a refusal would cost it the book. A price between two ticks is refused either way.
    #[must_use]
    pub fn rounding_sizes(mut self) -> Decoder {
        self.context.instruments.iter_mut().for_each(|of| of.rounds_sizes = true);
        self
    }

    /// Decodes one frame: wrapped in `{"stream":…,"data":…}`, bare, or a snapshot.
    ///
    /// A snapshot that names no symbol is taken for the only instrument configured.
    ///
    /// # Errors
    /// A `DecodeError` that names the byte or field; the book must then be resynchronised.
    #[inline]
    pub fn decode<'a>(&'a mut self, frame: &[u8]) -> Result<MarketEvent<'a>, DecodeError> {
        self.read(frame, None)
    }

    /// Decodes the answer to a snapshot request for `instrument`.
    ///
    /// # Errors
    /// As `decode`; an event of another kind comes back as it is.
    pub fn decode_snapshot<'a>(
        &'a mut self,
        instrument: InstrumentId,
        frame: &[u8],
    ) -> Result<MarketEvent<'a>, DecodeError> {
        self.read(frame, Some(instrument))
    }

    /// The slow obvious twin of `decode`; `instrument` as in `decode_snapshot`.
    ///
    /// # Errors
    /// As `decode`.
    pub fn decode_general<'a>(
        &'a mut self,
        instrument: Option<InstrumentId>,
        frame: &[u8],
    ) -> Result<MarketEvent<'a>, DecodeError> {
        let parsed = general::read(&self.context, &mut self.scratch, instrument, frame)?;
        Ok(self.scratch.event(parsed))
    }

    /// The configured instrument of this name.
    #[must_use]
    pub fn position_of(&self, symbol: &str) -> Option<InstrumentId> {
        let index = self.context.symbols.find_text(symbol.as_bytes())?;
        self.context.instruments.get(index).map(|of| of.id)
    }

    /// Frames that the engine has a use for, or that were refused, and that the fast reader did not
    /// recognise. Zero on today's streams; a rise means that the venue changed a shape.
    #[must_use]
    pub const fn fallbacks(&self) -> u64 {
        self.fallbacks
    }

    #[inline]
    fn read<'a>(
        &'a mut self,
        frame: &[u8],
        whose: Option<InstrumentId>,
    ) -> Result<MarketEvent<'a>, DecodeError> {
        let (context, scratch) = (&self.context, &mut self.scratch);
        let known = match self.simd {
            Simd::Scalar => fast::read::<scalar::Plain>(context, scratch, whose, frame),
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => super::avx2::read(context, scratch, whose, frame),
            #[cfg(not(target_arch = "x86_64"))]
            Simd::Avx2 => fast::read::<scalar::Plain>(context, scratch, whose, frame),
        };
        let parsed = match known {
            Some(parsed) => parsed,
            None => self.read_general(frame, whose)?,
        };
        Ok(self.scratch.event(parsed))
    }

    #[cold]
    fn read_general(
        &mut self,
        frame: &[u8],
        whose: Option<InstrumentId>,
    ) -> Result<Parsed, DecodeError> {
        let parsed = general::read(&self.context, &mut self.scratch, whose, frame);
        self.fallbacks += u64::from(!matches!(parsed, Ok(Parsed::Other)));
        parsed
    }
}

/// What was asked for where this machine has it, else scalar: the proof the SIMD reader rests on.
#[cfg(target_arch = "x86_64")]
fn available(simd: Simd) -> Simd {
    let has = std::is_x86_feature_detected!("avx2")
        && std::is_x86_feature_detected!("bmi1")
        && std::is_x86_feature_detected!("bmi2");
    if has { simd } else { Simd::Scalar }
}

#[cfg(not(target_arch = "x86_64"))]
fn available(_: Simd) -> Simd {
    Simd::Scalar
}

impl Grids {
    /// Lots of a size, or `None` for whatever the general reader has to look at.
    #[inline(always)]
    pub(super) fn lots(&self, size: Number) -> Option<i64> {
        match size.steps(&self.lot) {
            None if self.rounds_sizes => size.whole_steps(&self.lot),
            lots => lots,
        }
    }
}

impl Scratch {
    #[inline]
    fn event(&self, parsed: Parsed) -> MarketEvent<'_> {
        match parsed {
            Parsed::Depth(head) => MarketEvent::Depth(DepthDiff {
                instrument: head.instrument,
                first_update: head.first_update,
                last_update: head.last_update,
                previous_update: head.previous_update,
                event_time: head.event_time,
                transaction_time: head.transaction_time,
                bids: &self.bids[..head.bids],
                asks: &self.asks[..head.asks],
            }),
            Parsed::Snapshot(head) => MarketEvent::Snapshot(DepthSnapshot {
                instrument: head.instrument,
                last_update: head.last_update,
                bids: &self.bids[..head.bids],
                asks: &self.asks[..head.asks],
            }),
            Parsed::Ticker(ticker) => MarketEvent::Ticker(ticker),
            Parsed::Trade(trade) => MarketEvent::Trade(trade),
            Parsed::Other => MarketEvent::Other,
        }
    }
}
