//! Guesses the grid of an unknown capture: market frames -> family, and tick and lot per symbol.
//!
//! The guess is the finest power of ten that any price or size of the symbol needs, at most one.
//! It is right for reading and printing a book, and wrong wherever the venue's tick is no power of
//! ten; a lane that trades takes `metadata` instead.

use super::error::DecodeError;
use super::frame::{self, Body, Node};
use super::number;
use crate::record::{FeeSchedule, Filters, Instrument, Symbol};
use crate::units::{Currency, Decimal, Grid, InstrumentId, Lots, Money, Ticks, VenueId};
use crate::venue::binance::Family;

/// Digits after the point beyond which no grid exists.
const SCALE_MAX: usize = 18;

/// Quote currencies by which a symbol without metadata is split, longer ones first.
const QUOTES: [&str; 14] = [
    "FDUSD", "USDT", "USDC", "BUSD", "TUSD", "BIDR", "DAI", "USD", "BTC", "ETH", "BNB", "EUR",
    "TRY", "GBP",
];

/// Finest digits that one kind of number needed (trailing zeros aside) and was written with.
#[derive(Clone, Copy, Debug, Default)]
struct Digits {
    needed: u8,
    written: u8,
}

#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    price: Digits,
    size: Digits,
}

/// Collects what the frames of a capture say of its instruments.
#[derive(Clone, Debug)]
pub struct GridGuess {
    hint: Option<Family>,
    futures: bool,
    coin: bool,
    symbols: Vec<(String, Shape)>,
    nameless: Shape,
}

impl GridGuess {
    /// An empty guess; `family_hint` overrules what the frames look like.
    #[must_use]
    pub fn new(family_hint: Option<Family>) -> GridGuess {
        GridGuess {
            hint: family_hint,
            futures: false,
            coin: false,
            symbols: Vec::new(),
            nameless: Shape::default(),
        }
    }

    /// Takes one frame into account. Frames without prices change nothing.
    ///
    /// # Errors
    /// When the frame is no JSON text or one of its prices or sizes is no plain decimal.
    pub fn observe(&mut self, frame: &[u8]) -> Result<(), DecodeError> {
        let frame = frame::read(frame)?;
        let Some(body) = frame.body else { return Ok(()) };
        let kind = match &body.e {
            Some(Node::Text(kind)) => kind.as_ref(),
            Some(_) => return Ok(()),
            None if body.last_update_id.is_some() => "snapshot",
            None if body.bid_size.is_some() && body.ask_size.is_some() => "bookTicker",
            None => return Ok(()),
        };
        let mut shape = Shape::default();
        match kind {
            "depthUpdate" => {
                shape.side("b", body.b.as_ref())?;
                shape.side("a", body.a.as_ref())?;
                self.futures |= body.pu.is_some();
            }
            "bookTicker" => {
                shape.pair(("b", body.b.as_ref()), ("B", body.bid_size.as_ref()))?;
                shape.pair(("a", body.a.as_ref()), ("A", body.ask_size.as_ref()))?;
                self.futures |= body.transaction_time.is_some();
            }
            "trade" | "aggTrade" => {
                shape.pair(("p", body.p.as_ref()), ("q", body.q.as_ref()))?;
                self.futures |= body.execution.is_some();
            }
            "snapshot" => {
                shape.side("bids", body.bids.as_ref())?;
                shape.side("asks", body.asks.as_ref())?;
                self.futures |= body.transaction_time.is_some();
            }
            _ => return Ok(()),
        }
        let of_coin = |symbol: &str| symbol.contains("USD_"); // BTCUSD_PERP, but BTCUSDT_240927
        self.coin |=
            body.ps.is_some() || body.pair.is_some() || symbol_of(&body).is_some_and(of_coin);
        let of_stream = frame.stream.as_deref().and_then(|name| name.split('@').next());
        match (symbol_of(&body), of_stream) {
            (Some(symbol), _) => self.shape_of(symbol).widen(shape),
            (None, Some(symbol)) => self.shape_of(&symbol.to_ascii_uppercase()).widen(shape),
            (None, None) => self.nameless.widen(shape),
        }
        Ok(())
    }

    /// The market the frames came from: `ps` or a symbol such as `BTCUSD_PERP` means COIN-M, `pu` (or
    /// `T` in a ticker, `X` in a trade) futures.
    #[must_use]
    pub fn family(&self) -> Family {
        match self.hint {
            Some(family) => family,
            None if self.coin => Family::CoinM,
            None if self.futures => Family::UsdM,
            None => Family::Spot,
        }
    }

    /// Symbol, tick and lot in the order in which the symbols first appeared.
    pub fn symbols(&self) -> impl Iterator<Item = (&str, Decimal, Decimal)> {
        let nameless = self.nameless; // may belong to any symbol
        self.symbols.iter().map(move |(symbol, shape)| {
            let mut shape = *shape;
            shape.widen(nameless);
            (symbol.as_str(), shape.price.step(), shape.size.step())
        })
    }

    /// Instruments for reading the capture; filters are open, fees zero, a COIN-M contract counts 1.
    ///
    /// Symbols that are no plain names are left out, since no decoder could ever match them.
    #[must_use]
    pub fn instruments(&self, venue: VenueId) -> Vec<Instrument> {
        let nameless = self.nameless; // may belong to any symbol
        let mut instruments = Vec::new();
        for (name, shape) in &self.symbols {
            let mut shape = *shape;
            shape.widen(nameless);
            let Ok(symbol) = Symbol::new(name) else { continue };
            let grids = (shape.price.grid(), shape.size.grid());
            let (Some(tick), Some(lot)) = grids else { continue };
            let (base, quote) = assets(name);
            let kind = self.family().instrument_kind();
            let settle = if self.family() == Family::CoinM { base } else { quote };
            instruments.push(Instrument {
                id: InstrumentId(instruments.len() as u32),
                venue,
                symbol,
                kind,
                tick,
                lot,
                multiplier: Decimal { mantissa: 1, scale: 0 },
                base,
                quote,
                settle,
                filters: Filters {
                    lots_min: Lots(1),
                    lots_max: Lots(i64::MAX),
                    price_min: Ticks(0),
                    price_max: Ticks(i64::MAX),
                    notional_min: Money(0),
                },
                fees: FeeSchedule::default(),
            });
        }
        instruments
    }

    fn shape_of(&mut self, symbol: &str) -> &mut Shape {
        let found = self.symbols.iter().position(|(name, _)| name == symbol);
        let index = found.unwrap_or_else(|| {
            self.symbols.push((symbol.to_owned(), Shape::default()));
            self.symbols.len() - 1
        });
        &mut self.symbols[index].1
    }
}

fn symbol_of<'a>(body: &'a Body<'_>) -> Option<&'a str> {
    match body.s.as_ref().or(body.symbol.as_ref()) {
        Some(Node::Text(symbol)) => Some(symbol.as_ref()),
        _ => None,
    }
}

/// Splits `BTCUSDT` or `BTCUSD_PERP`; an unknown currency reads `UNKNOWN`.
fn assets(symbol: &str) -> (Currency, Currency) {
    let unknown = Currency::new("UNKNOWN").unwrap_or_default();
    let pair = symbol.split('_').next().unwrap_or(symbol);
    for quote in QUOTES {
        if let Some(base) = pair.strip_suffix(quote).filter(|base| !base.is_empty()) {
            let currency = |code: &str| Currency::new(code).unwrap_or(unknown);
            return (currency(base), currency(quote));
        }
    }
    (unknown, unknown)
}

impl Digits {
    fn step(self) -> Decimal {
        Decimal { mantissa: 1, scale: self.needed }
    }

    fn grid(self) -> Option<Grid> {
        Grid::new(self.step(), self.written)
    }

    fn widen(&mut self, other: Digits) {
        self.needed = self.needed.max(other.needed);
        self.written = self.written.max(other.written);
    }

    fn read(&mut self, field: &'static str, node: Option<&Node<'_>>) -> Result<(), DecodeError> {
        let Some(node) = node else { return Err(DecodeError::MissingField { field }) };
        let Node::Text(text) = node else { return Err(DecodeError::WrongType { field }) };
        let refused = || DecodeError::NotANumber { field, text: text.as_ref().to_owned() };
        let fraction = number::written(text.as_bytes()).ok_or_else(refused)?.fraction;
        let needed = fraction.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        if needed > SCALE_MAX {
            return Err(DecodeError::TooLarge { field, text: text.as_ref().to_owned() });
        }
        let written = fraction.len().min(SCALE_MAX) as u8;
        self.widen(Digits { needed: needed as u8, written });
        Ok(())
    }
}

impl Shape {
    fn widen(&mut self, other: Shape) {
        self.price.widen(other.price);
        self.size.widen(other.size);
    }

    fn pair(
        &mut self,
        price: (&'static str, Option<&Node<'_>>),
        size: (&'static str, Option<&Node<'_>>),
    ) -> Result<(), DecodeError> {
        self.price.read(price.0, price.1)?;
        self.size.read(size.0, size.1)
    }

    fn side(&mut self, field: &'static str, node: Option<&Node<'_>>) -> Result<(), DecodeError> {
        let Some(node) = node else { return Err(DecodeError::MissingField { field }) };
        let Node::List(levels) = node else { return Err(DecodeError::WrongType { field }) };
        for level in levels {
            match level {
                Node::List(pair) if pair.len() == 2 => {
                    self.pair((field, Some(&pair[0])), (field, Some(&pair[1])))?;
                }
                _ => return Err(DecodeError::WrongType { field }),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(frames: &[&str]) -> GridGuess {
        let mut guess = GridGuess::new(None);
        for frame in frames {
            guess.observe(frame.as_bytes()).unwrap();
        }
        guess
    }

    #[test]
    fn a_futures_ticker_and_a_nameless_snapshot_make_one_grid() {
        let guess = guess(&[
            r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2","T":1,"E":1}}"#,
            r#"{"lastUpdateId":5,"E":1,"T":1,"bids":[["61800.25","2.9090"]],"asks":[]}"#,
            r#"{"result":null,"id":1}"#,
        ]);
        let symbols: Vec<_> = guess.symbols().collect();
        let cent = Decimal { mantissa: 1, scale: 2 };
        assert_eq!(symbols, [("BTCUSDT", cent, Decimal { mantissa: 1, scale: 3 })]);
        assert_eq!(guess.family(), Family::UsdM);
        let instruments = guess.instruments(VenueId(0));
        assert_eq!(instruments[0].lot.decimals(), 4, "as many digits as were written");
        assert_eq!(instruments[0].base.as_str(), "BTC");
    }

    #[test]
    fn the_pair_key_tells_coin_margined_contracts() {
        let guess = guess(&[
            r#"{"u":7,"e":"bookTicker","s":"BTCUSD_PERP","ps":"BTCUSD","b":"61804.7","B":"35","a":"61804.8","A":"1645","T":1,"E":2}"#,
        ]);
        assert_eq!(guess.family(), Family::CoinM);
        assert_eq!(guess.instruments(VenueId(0))[0].settle.as_str(), "BTC");
    }

    #[test]
    fn trades_alone_tell_futures_and_what_they_settle_in() {
        let trade = |symbol: &str, more: &str| {
            format!(
                r#"{{"e":"trade","E":1,"T":1,"s":"{symbol}","t":1,"p":"61800.3","q":"6",{more}"m":false}}"#
            )
        };
        for (symbol, more, family) in [
            ("BTCUSDT", r#""X":"MARKET","#, Family::UsdM),
            ("BTCUSDT_240927", r#""X":"MARKET","#, Family::UsdM),
            ("BTCUSD_PERP", r#""X":"MARKET","#, Family::CoinM),
            ("ETHUSD_240927", r#""X":"MARKET","#, Family::CoinM),
            ("BTCUSDT", "", Family::Spot),
        ] {
            assert_eq!(guess(&[&trade(symbol, more)]).family(), family, "{symbol} {more}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        let mut guess = GridGuess::new(None);
        assert!(guess.observe(b"{").is_err());
        assert!(guess.observe(br#"{"e":"trade","s":"A","p":"1e5","q":"1"}"#).is_err());
    }
}
