//! Exchange information to `Instrument`: the venue's JSON and the symbols wanted -> instruments.
//!
//! Runs once at start, off the hot thread. A grid's `decimals` is the most digits that the venue is
//! known to write (the text of the tick and its stated precision), so that no text needs rescaling.
//! Fees are not part of exchange information and stay zero: they are an account's, not a symbol's.

use crate::record::{FeeSchedule, Filters, Instrument, Symbol};
use crate::units::{Currency, Decimal, Grid, InstrumentId, Lots, Money, Rate, Ticks, VenueId};
use crate::venue::binance::Family;

/// Digits that spot streams write after the point, whatever the tick.
const SPOT_DECIMALS: u8 = 8;

/// Why exchange information gave no instrument.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// No JSON of the documented shape.
    #[error("exchange information cannot be read: {0}; fetch it again")]
    Unreadable(#[from] serde_json::Error),
    /// The venue lists no such symbol.
    #[error("the venue lists no symbol `{symbol}`{suggestion}")]
    UnknownSymbol {
        /// As asked for.
        symbol: String,
        /// ` (did you mean …?)`, or empty.
        suggestion: String,
    },
    /// A symbol was asked for twice.
    #[error("symbol `{symbol}` is asked for twice; name it once")]
    Repeated {
        /// As asked for.
        symbol: String,
    },
    /// A symbol without a filter or field that an instrument needs.
    #[error("symbol `{symbol}`: `{field}` is missing; this symbol cannot be traded")]
    Missing {
        /// The venue's name.
        symbol: String,
        /// The filter or field.
        field: &'static str,
    },
    /// A value that cannot be used.
    #[error("symbol `{symbol}`: `{field}` reads `{value}`, which is of no use")]
    Unusable {
        /// The venue's name.
        symbol: String,
        /// The filter or field.
        field: &'static str,
        /// As it came.
        value: String,
    },
}

#[derive(serde::Deserialize)]
struct ExchangeInfo {
    symbols: Vec<Listing>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    symbol: String,
    #[serde(default)]
    base_asset: String,
    #[serde(default)]
    quote_asset: String,
    margin_asset: Option<String>,
    contract_size: Option<serde_json::Number>,
    price_precision: Option<u8>,
    quantity_precision: Option<u8>,
    #[serde(default)]
    filters: Vec<Filter>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    filter_type: String,
    tick_size: Option<String>,
    min_price: Option<String>,
    max_price: Option<String>,
    step_size: Option<String>,
    min_qty: Option<String>,
    max_qty: Option<String>,
    min_notional: Option<String>,
    notional: Option<String>,
}

/// What the venue said of its instruments when this version was made, by family.
const EMBEDDED: &[u8] = include_bytes!("instruments.json");

/// What the embedded file says of one family besides its exchange information.
#[derive(Debug, serde::Deserialize)]
struct Embedded {
    fees: EmbeddedFees,
}

#[derive(Debug, serde::Deserialize)]
struct EmbeddedFees {
    maker: String,
    taker: String,
}

/// As `instruments`, from what this version carries, with the fees of the venue's base tier: for the
/// venue in a box and for captures.
///
/// # Errors
/// As `instruments`.
pub fn embedded(
    family: Family,
    venue: VenueId,
    symbols: &[&str],
) -> Result<Vec<Instrument>, MetadataError> {
    let mut all: serde_json::Value = serde_json::from_slice(EMBEDDED)?;
    let of_family = all[family.name()].take();
    let mut listed = instruments(of_family.to_string().as_bytes(), family, venue, symbols)?;
    let Embedded { fees } = serde_json::from_value(of_family)?;
    for instrument in &mut listed {
        instrument.fees = FeeSchedule { maker: rate(&fees.maker), taker: rate(&fees.taker) };
    }
    Ok(listed)
}

/// A share such as `0.0002`; the embedded file has no other shape, as a test holds.
fn rate(text: &str) -> Rate {
    let share = Decimal::parse(text).ok();
    let scaled = share.and_then(|of| {
        let missing = 8u32.checked_sub(u32::from(of.scale))?;
        of.mantissa.checked_mul(10i64.pow(missing))
    });
    Rate(scaled.unwrap_or_default())
}

/// Builds the instruments named, in the order named; ids count from 0.
///
/// # Errors
/// When the JSON is not exchange information, a symbol is unknown (the nearest name is suggested) or
/// repeated, or lacks what an instrument needs.
pub fn instruments(
    exchange_info: &[u8],
    family: Family,
    venue: VenueId,
    symbols: &[&str],
) -> Result<Vec<Instrument>, MetadataError> {
    let info: ExchangeInfo = serde_json::from_slice(exchange_info)?;
    let mut instruments = Vec::with_capacity(symbols.len());
    for (index, name) in symbols.iter().enumerate() {
        if symbols[..index].contains(name) {
            return Err(MetadataError::Repeated { symbol: (*name).to_owned() });
        }
        let Some(listing) = info.symbols.iter().find(|listing| listing.symbol == *name) else {
            let suggestion = nearest(name, info.symbols.iter().map(|of| of.symbol.as_str()));
            let suggestion =
                suggestion.map_or_else(String::new, |s| format!(" (did you mean `{s}`?)"));
            return Err(MetadataError::UnknownSymbol { symbol: (*name).to_owned(), suggestion });
        };
        instruments.push(listing.instrument(family, venue, InstrumentId(index as u32))?);
    }
    Ok(instruments)
}

impl Listing {
    fn instrument(
        &self,
        family: Family,
        venue: VenueId,
        id: InstrumentId,
    ) -> Result<Instrument, MetadataError> {
        let price = self.filter("PRICE_FILTER")?;
        let size = self.filter("LOT_SIZE")?;
        let written = if family == Family::Spot { SPOT_DECIMALS } else { 0 };
        let price_digits = written.max(self.price_precision.unwrap_or(0));
        let size_digits = written.max(self.quantity_precision.unwrap_or(0));
        let tick = self.grid("tickSize", price.tick_size.as_deref(), price_digits)?;
        let lot = self.grid("stepSize", size.step_size.as_deref(), size_digits)?;
        let base = self.currency("baseAsset", &self.base_asset)?;
        let quote = self.currency("quoteAsset", &self.quote_asset)?;
        let settle = match &self.margin_asset {
            Some(margin) => self.currency("marginAsset", margin)?,
            None if family == Family::CoinM => base,
            None => quote,
        };
        let filters = Filters {
            lots_min: Lots(self.bound("minQty", size.min_qty.as_deref(), &lot, Bound::Low)?),
            lots_max: Lots(self.bound("maxQty", size.max_qty.as_deref(), &lot, Bound::High)?),
            price_min: Ticks(self.bound(
                "minPrice",
                price.min_price.as_deref(),
                &tick,
                Bound::Low,
            )?),
            price_max: Ticks(self.bound(
                "maxPrice",
                price.max_price.as_deref(),
                &tick,
                Bound::High,
            )?),
            notional_min: self.notional_min()?,
        };
        Ok(Instrument {
            id,
            venue,
            symbol: Symbol::new(&self.symbol).map_err(|_| self.unusable("symbol", &self.symbol))?,
            kind: family.instrument_kind(),
            tick,
            lot,
            multiplier: self.multiplier(family)?,
            base,
            quote,
            settle,
            filters,
            fees: FeeSchedule::default(),
        })
    }

    fn filter(&self, kind: &'static str) -> Result<&Filter, MetadataError> {
        let found = self.filters.iter().find(|filter| filter.filter_type == kind);
        found.ok_or_else(|| MetadataError::Missing { symbol: self.symbol.clone(), field: kind })
    }

    fn grid(
        &self,
        field: &'static str,
        text: Option<&str>,
        decimals: u8,
    ) -> Result<Grid, MetadataError> {
        let missing = || MetadataError::Missing { symbol: self.symbol.clone(), field };
        let text = text.ok_or_else(missing)?;
        let step = Decimal::parse(text).map_err(|_| self.unusable(field, text))?;
        Grid::new(step, decimals.max(step.scale)).ok_or_else(|| self.unusable(field, text))
    }

    /// A limit in steps, rounded to the inside; zero or absence above means no limit.
    fn bound(
        &self,
        field: &'static str,
        text: Option<&str>,
        grid: &Grid,
        bound: Bound,
    ) -> Result<i64, MetadataError> {
        let open = if bound == Bound::Low { 0 } else { i64::MAX };
        let Some(text) = text else { return Ok(open) };
        let value = Decimal::parse(text).map_err(|_| self.unusable(field, text))?;
        if value.mantissa < 0 {
            return Err(self.unusable(field, text));
        }
        let step = grid.step();
        let numerator = i128::from(value.mantissa) * 10i128.pow(u32::from(step.scale));
        let denominator = i128::from(step.mantissa) * 10i128.pow(u32::from(value.scale));
        let steps = match bound {
            Bound::High if value.mantissa == 0 => return Ok(open),
            Bound::High => numerator / denominator,
            Bound::Low => (numerator + denominator - 1) / denominator,
        };
        i64::try_from(steps).map_err(|_| self.unusable(field, text))
    }

    /// `MIN_NOTIONAL` (old spot, futures) or `NOTIONAL` (spot); zero where there is neither.
    fn notional_min(&self) -> Result<Money, MetadataError> {
        let is = |filter: &&Filter| matches!(&*filter.filter_type, "MIN_NOTIONAL" | "NOTIONAL");
        let filter = self.filters.iter().find(is);
        let text = filter.and_then(|of| of.min_notional.as_deref().or(of.notional.as_deref()));
        let Some(text) = text else { return Ok(Money(0)) };
        let unusable = || self.unusable("minNotional", text);
        let value = Decimal::parse(text).map_err(|_| unusable())?;
        let minor = i128::from(value.mantissa) * Money::ONE;
        let power = 10i128.pow(u32::from(value.scale));
        if value.mantissa < 0 {
            return Err(unusable());
        }
        Ok(Money((minor + power - 1) / power))
    }

    /// Quote units per contract of a coin-margined contract; 1 elsewhere.
    fn multiplier(&self, family: Family) -> Result<Decimal, MetadataError> {
        if family != Family::CoinM {
            return Ok(Decimal { mantissa: 1, scale: 0 });
        }
        let missing =
            || MetadataError::Missing { symbol: self.symbol.clone(), field: "contractSize" };
        let text = self.contract_size.as_ref().ok_or_else(missing)?.to_string();
        let plain = text.strip_suffix(".0").unwrap_or(&text);
        let value = Decimal::parse(plain).map_err(|_| self.unusable("contractSize", &text))?;
        if value.mantissa <= 0 {
            return Err(self.unusable("contractSize", &text));
        }
        Ok(value)
    }

    fn currency(&self, field: &'static str, code: &str) -> Result<Currency, MetadataError> {
        Currency::new(code).map_err(|_| self.unusable(field, code))
    }

    fn unusable(&self, field: &'static str, value: &str) -> MetadataError {
        MetadataError::Unusable { symbol: self.symbol.clone(), field, value: value.to_owned() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Low,
    High,
}

/// The listed name with the fewest edits, if they are at most a third of the name.
fn nearest<'a>(name: &str, listed: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let upper = name.to_ascii_uppercase();
    let scored = listed.map(|candidate| (edits(upper.as_bytes(), candidate.as_bytes()), candidate));
    let (distance, best) = scored.min()?;
    (distance * 3 <= upper.len().max(3)).then_some(best)
}

/// Levenshtein distance, one row at a time.
fn edits(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;
    use std::path::PathBuf;

    const COIN: &str = r#"{"symbols":[{"symbol":"BTCUSD_PERP","pair":"BTCUSD","contractSize":100,
        "baseAsset":"BTC","quoteAsset":"USD","marginAsset":"BTC","pricePrecision":1,"quantityPrecision":0,
        "filters":[{"filterType":"PRICE_FILTER","minPrice":"1000","maxPrice":"4520958","tickSize":"0.1"},
        {"filterType":"LOT_SIZE","stepSize":"1","minQty":"1","maxQty":"1000000"}]}]}"#;

    /// Exchange information out of a recorded `URL -> time: json` file.
    fn recorded(name: &str) -> Option<Vec<u8>> {
        let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into();
        let shared = std::env::var_os("BOT4_SHARED").map_or_else(beside, PathBuf::from);
        let file = std::fs::File::open(shared.join("data/multi-venue-ws").join(name)).ok()?;
        let mut text = String::new();
        GzDecoder::new(file).read_to_string(&mut text).expect("a whole gzip file");
        let line = text.lines().find(|line| line.contains("exchangeInfo -> "))?;
        Some(line.as_bytes()[line.find('{')?..].to_vec())
    }

    #[test]
    fn recorded_spot_and_futures_information_is_read() {
        let (Some(spot), Some(futures)) =
            (recorded("BINANCE.0.gz"), recorded("BINANCE_FUTURES.0.gz"))
        else {
            eprintln!("SKIPPED (1): recorded_spot_and_futures_information: no shared data");
            return;
        };
        let names = ["BTCUSDT", "NKNUSDT"];
        let spot = instruments(&spot, Family::Spot, VenueId(0), &names).unwrap();
        assert_eq!(spot[0].tick.step().to_string(), "0.01");
        assert_eq!((spot[0].tick.decimals(), spot[1].id), (8, InstrumentId(1)));
        assert_eq!(spot[0].filters.notional_min, Money(10 * Money::ONE));
        assert_eq!(spot[0].filters.lots_max, Lots(900_000_000));
        let btc = instruments(&futures, Family::UsdM, VenueId(0), &["BTCUSDT"]).unwrap()[0];
        assert_eq!(btc.tick.step().to_string(), "0.01");
        assert_eq!(btc.filters.price_min, Ticks(55_672));
        assert_eq!((btc.settle.as_str(), btc.lot.step().to_string()), ("USDT", "0.001".into()));
        assert_eq!(btc.filters.notional_min, Money(5 * Money::ONE));
    }

    #[test]
    fn a_coin_margined_contract_counts_its_size() {
        let known = instruments(COIN.as_bytes(), Family::CoinM, VenueId(2), &["BTCUSD_PERP"]);
        let known = known.unwrap()[0];
        assert_eq!((known.multiplier.to_string(), known.settle.as_str()), ("100".into(), "BTC"));
        assert_eq!(known.lot.decimals(), 0);
    }

    #[test]
    fn what_is_embedded_has_every_family_and_its_fees() {
        for (family, symbol, maker, taker) in [
            (Family::Spot, "BTCUSDT", 100_000, 100_000),
            (Family::UsdM, "ETHUSDT", 20_000, 50_000),
            (Family::CoinM, "BTCUSD_PERP", 20_000, 50_000),
        ] {
            let listed = embedded(family, VenueId(0), &[symbol]).unwrap();
            assert_eq!(listed[0].fees, FeeSchedule { maker: Rate(maker), taker: Rate(taker) });
        }
    }

    #[test]
    fn an_unknown_symbol_suggests_the_nearest() {
        let ask = |name| instruments(COIN.as_bytes(), Family::CoinM, VenueId(0), &[name]);
        let near = ask("btcusd_prep").unwrap_err().to_string();
        assert_eq!(near, "the venue lists no symbol `btcusd_prep` (did you mean `BTCUSD_PERP`?)");
        let far = ask("DOGEEUR").unwrap_err().to_string();
        assert_eq!(far, "the venue lists no symbol `DOGEEUR`");
    }

    #[test]
    fn what_is_missing_or_useless_is_named() {
        let names = ["BTCUSD_PERP"];
        for (change, words) in [
            ((r#""tickSize":"0.1""#, r#""other":1"#), "`tickSize` is missing"),
            ((r#""tickSize":"0.1""#, r#""tickSize":"0""#), "`tickSize` reads `0`"),
            (("LOT_SIZE", "NO_SIZE"), "`LOT_SIZE` is missing"),
            ((r#""contractSize":100,"#, ""), "`contractSize` is missing"),
            ((r#""minQty":"1""#, r#""minQty":"-1""#), "`minQty` reads `-1`"),
        ] {
            let spoiled = COIN.replacen(change.0, change.1, 1);
            let refused = instruments(spoiled.as_bytes(), Family::CoinM, VenueId(0), &names);
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
        assert!(instruments(b"{}", Family::Spot, VenueId(0), &[]).is_err());
        let twice = ["BTCUSD_PERP"; 2];
        let twice = instruments(COIN.as_bytes(), Family::CoinM, VenueId(0), &twice);
        assert!(matches!(twice, Err(MetadataError::Repeated { .. })));
    }
}
