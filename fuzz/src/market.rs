//! Market frames: scalar, AVX2 and general decoder agree, and what is written of an event reads back.

use bot4::host::cpu::Simd;
use bot4::lab::exchange::wire::market as wire;
use bot4::record::{BookTicker, DepthDiff, Instrument, MarketEvent, Trade};
use bot4::units::{InstrumentId, UnixNanos, VenueId};
use bot4::venue::binance::decode::infer::GridGuess;
use bot4::venue::binance::decode::{DecodeError, Decoder};
use bot4::venue::binance::{Family, metadata};
use std::cell::RefCell;
use std::sync::OnceLock;

/// What `snapshot` asks for, and the first frame that all decoders read before every input: the fast
/// one remembers lengths of texts, and must not remember another input's.
const FIRST: InstrumentId = InstrumentId(0);

/// Spot frames, one a line.
pub fn spot(data: &[u8]) -> bool {
    SPOT.with_borrow_mut(|twins| twins.frames(data))
}

/// USD-M frames, one a line.
pub fn usd_m(data: &[u8]) -> bool {
    USD_M.with_borrow_mut(|twins| twins.frames(data))
}

/// COIN-M frames, one a line.
pub fn coin_m(data: &[u8]) -> bool {
    COIN_M.with_borrow_mut(|twins| twins.frames(data))
}

/// The body of a depth request's answer; the first byte says whose.
pub fn snapshot(data: &[u8]) -> bool {
    let Some((family, body)) = data.split_first() else { return false };
    let twins = [&SPOT, &USD_M, &COIN_M][usize::from(family % 3)];
    twins.with_borrow_mut(|twins| {
        twins.forget();
        twins.agree(body, Some(FIRST))
    })
}

/// Frames of an unknown capture, one a line: what the guess says it can read, it can read.
pub fn grid_guess(data: &[u8]) -> bool {
    let mut guess = GridGuess::new(None);
    let frames: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let taken = frames.iter().filter(|frame| guess.observe(frame).is_ok()).count();
    for instrument in guess.instruments(VenueId(0)) {
        for grid in [instrument.tick, instrument.lot] {
            assert!(grid.step().mantissa > 0, "a step of {} is no step", grid.step());
        }
    }
    taken > 0
}

thread_local! {
    static SPOT: RefCell<Twins> = RefCell::new(Twins::new(Family::Spot));
    static USD_M: RefCell<Twins> = RefCell::new(Twins::new(Family::UsdM));
    static COIN_M: RefCell<Twins> = RefCell::new(Twins::new(Family::CoinM));
}

/// The instruments of a family that the tests trade.
pub(crate) fn instruments(family: Family) -> &'static [Instrument] {
    static LISTED: OnceLock<[Vec<Instrument>; 3]> = OnceLock::new();
    let listed = LISTED.get_or_init(|| {
        [Family::Spot, Family::UsdM, Family::CoinM].map(|family| {
            let symbols = match family {
                Family::Spot | Family::UsdM => ["BTCUSDT", "ETHUSDT"],
                Family::CoinM => ["BTCUSD_PERP", "ETHUSD_PERP"],
            };
            metadata::embedded(family, VenueId(0), &symbols).expect("both are embedded")
        })
    });
    &listed[family as usize]
}

/// Decoders of all kinds over the same instruments.
struct Twins {
    family: Family,
    instruments: &'static [Instrument],
    exact: [Decoder; 3],
    rounding: [Decoder; 2],
    /// Reads what was written of an event.
    back: Decoder,
    /// One frame of every kind.
    usual: Vec<Vec<u8>>,
}

impl Twins {
    fn new(family: Family) -> Twins {
        let instruments = instruments(family);
        let of = |simd| Decoder::new(family, instruments, simd);
        let exact = [of(Simd::Scalar), of(Simd::Scalar), of(Simd::Avx2)];
        let rounding = [of(Simd::Scalar), of(Simd::Avx2)].map(Decoder::rounding_sizes);
        let back = of(Simd::Avx2);
        let usual = super::seeds::frames_of(family);
        Twins { family, instruments, exact, rounding, back, usual }
    }

    /// Lets the decoders' guesses be those of the usual frames again.
    fn forget(&mut self) {
        for decoder in self.exact.iter_mut().chain(&mut self.rounding).chain([&mut self.back]) {
            for frame in &self.usual {
                assert!(decoder.decode(frame).is_ok(), "a usual frame is read");
            }
        }
    }

    fn frames(&mut self, data: &[u8]) -> bool {
        self.forget();
        let mut accepted = false;
        for frame in data.split(|byte| *byte == b'\n') {
            accepted |= self.agree(frame, None);
        }
        accepted
    }

    /// Asserts that all decoders say the same; whether they accepted.
    fn agree(&mut self, frame: &[u8], whose: Option<InstrumentId>) -> bool {
        let [general, scalar, vector] = &mut self.exact;
        let meant = general.decode_general(whose, frame);
        for fast in [scalar, vector] {
            same("fast", &read(fast, frame, whose), &meant, frame);
        }
        let [scalar, vector] = &mut self.rounding;
        let rounded = scalar.decode_general(whose, frame);
        same("rounding", &read(vector, frame, whose), &rounded, frame);
        if let Ok(event) = &meant {
            let text = || String::from_utf8_lossy(frame).into_owned();
            assert_eq!(rounded.as_ref().ok(), Some(event), "rounding changes {}", text());
        }
        let accepted = match &meant {
            Ok(event) => !matches!(event, MarketEvent::Other),
            Err(error) => {
                assert!(!error.to_string().is_empty(), "a refusal says why");
                false
            }
        };
        if let Ok(event) = meant {
            let (family, instruments) = (self.family, self.instruments);
            if let Some(text) = written(family, instruments, &event) {
                let again = read(&mut self.back, &text, Some(FIRST));
                let shown = String::from_utf8_lossy(&text);
                assert_eq!(again.ok(), Some(settled(family, event)), "written as {shown}");
            }
        }
        accepted
    }
}

fn read<'a>(
    decoder: &'a mut Decoder,
    frame: &[u8],
    whose: Option<InstrumentId>,
) -> Result<MarketEvent<'a>, DecodeError> {
    match whose {
        Some(instrument) => decoder.decode_snapshot(instrument, frame),
        None => decoder.decode(frame),
    }
}

fn same(
    name: &str,
    one: &Result<MarketEvent<'_>, DecodeError>,
    meant: &Result<MarketEvent<'_>, DecodeError>,
    frame: &[u8],
) {
    let kinds = [one, meant].map(|answer| answer.as_ref().map_err(DecodeError::kind));
    assert!(
        kinds[0] == kinds[1],
        "{name} {one:?}\n meant {meant:?}\n frame {}",
        String::from_utf8_lossy(frame)
    );
}

/// The event as the venue writes it; `None` for one that has no such form.
fn written(family: Family, instruments: &[Instrument], event: &MarketEvent<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let of = |id: InstrumentId| &instruments[id.0 as usize];
    match event {
        MarketEvent::Depth(diff) => wire::depth_update(&mut out, family, of(diff.instrument), diff),
        MarketEvent::Snapshot(book) => {
            // The body names nobody on spot and USD-M: it is asked for again as the first's.
            wire::depth_snapshot(&mut out, family, of(book.instrument), book, UnixNanos(0));
            if book.instrument != FIRST {
                return None;
            }
        }
        MarketEvent::Ticker(ticker) => {
            wire::book_ticker(&mut out, family, of(ticker.instrument), ticker);
        }
        MarketEvent::Trade(trade) if trade.aggregated => {
            let span = (trade.id, trade.id);
            wire::aggregate_trade(&mut out, family, of(trade.instrument), trade, span);
        }
        MarketEvent::Trade(trade) => wire::trade(&mut out, family, of(trade.instrument), trade),
        MarketEvent::Other => return None,
    }
    Some(out)
}

/// What the event is once written: milliseconds are whole (a time beyond what 64 bits of nanoseconds
/// hold stands at their end, which is none), and a futures diff names its predecessor.
fn settled(family: Family, event: MarketEvent<'_>) -> MarketEvent<'_> {
    let cut = |time: UnixNanos| UnixNanos(time.0 / 1_000_000 * 1_000_000);
    match event {
        MarketEvent::Depth(diff) => {
            let before = diff.first_update.saturating_sub(1);
            let previous_update = match family.is_futures() {
                true => Some(diff.previous_update.unwrap_or(before)),
                false => None,
            };
            let (event_time, transaction_time) = (cut(diff.event_time), cut(diff.transaction_time));
            MarketEvent::Depth(DepthDiff { previous_update, event_time, transaction_time, ..diff })
        }
        MarketEvent::Ticker(of) => MarketEvent::Ticker(BookTicker {
            event_time: cut(of.event_time),
            transaction_time: cut(of.transaction_time),
            ..of
        }),
        MarketEvent::Trade(of) => MarketEvent::Trade(Trade {
            event_time: cut(of.event_time),
            transaction_time: cut(of.transaction_time),
            ..of
        }),
        MarketEvent::Snapshot(_) | MarketEvent::Other => event,
    }
}
