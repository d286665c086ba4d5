//! What captures hold: whose protocol, which symbols, on what grid, and a market maker to their scale.

use crate::cli::book::{self, BookError};
use crate::cli::config::Breakers;
use crate::host::cpu::Simd;
use crate::lab::capture::{Capture, CaptureError};
use crate::ledger::Valuation;
use crate::record::{
    Bucket, BucketKind, CurrencyRate, FlattenRule, Instrument, InstrumentKind, MakingParameters,
    MarketEvent, PLAN_INSTRUMENTS_MAX, Plan, PlanEntry, PlanLimits,
};
use crate::strategy::making::coefficients;
use crate::units::{InstrumentId, LaneId, Lots, Money, Nanos, Rate, Ticks, VenueId};
use crate::venue::binance::Family;
use crate::venue::binance::decode::infer::GridGuess;
use crate::venue::binance::decode::{DecodeError, Decoder};
use crate::venue::binance::metadata;
use std::path::PathBuf;

/// At most one frame in so many may hold a size between two lots: rests of orders from before the
/// venue made the lot coarser. More of them mean another year's lot.
const OFF_LOT_ONE_IN: u64 = 100;

/// Why captures cannot be traded.
#[derive(Debug, thiserror::Error)]
pub enum CapturesError {
    /// The file is no capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A line is no message of the venue.
    #[error(transparent)]
    Frame(#[from] BookError),
    /// Nothing in it can be traded.
    #[error("{file}: no symbol with prices in it; there is nothing to trade")]
    NoSymbol {
        /// The first file.
        file: PathBuf,
    },
    /// More symbols than a lane trades.
    #[error("{file}: {count} symbols; a lane trades at most {PLAN_INSTRUMENTS_MAX}")]
    TooManySymbols {
        /// The first file.
        file: PathBuf,
        /// How many there are.
        count: usize,
    },
}

/// Captures in memory and what they hold.
pub struct Captures {
    /// In the order given.
    pub captures: Vec<Capture>,
    /// Whose protocol.
    pub family: Family,
    /// Every symbol with prices, on the finest grid that any of them needs.
    pub inferred: Vec<Instrument>,
}

impl Captures {
    /// Reads captures whole.
    ///
    /// # Errors
    /// The first file or line that cannot be read, named.
    pub fn load(files: &[PathBuf]) -> Result<Captures, CapturesError> {
        let captures =
            files.iter().map(|file| Capture::load(file)).collect::<Result<Vec<_>, _>>()?;
        let mut family = Family::Spot;
        for capture in &captures {
            family = book::origin::family(capture, u64::MAX)?;
            if family.is_futures() {
                break;
            }
        }
        let mut guess = GridGuess::new(Some(family));
        for capture in &captures {
            for frame in capture.frames().filter(|frame| frame.asked_for().is_none()) {
                guess.observe(frame.bytes).map_err(|cause| {
                    let file = capture.file().to_path_buf();
                    BookError::Decode { file, line: frame.line, cause }
                })?;
            }
        }
        let inferred = guess.instruments(VenueId(0));
        let file = || captures.first().map(|of| of.file().to_path_buf()).unwrap_or_default();
        if inferred.is_empty() {
            return Err(CapturesError::NoSymbol { file: file() });
        }
        if inferred.len() > PLAN_INSTRUMENTS_MAX {
            return Err(CapturesError::TooManySymbols { file: file(), count: inferred.len() });
        }
        Ok(Captures { captures, family, inferred })
    }

    /// Metadata where it has the symbol and every price and size of the capture is on its grid,
    /// else what was inferred.
    #[must_use]
    pub fn known_or_inferred(&self) -> Vec<Instrument> {
        self.inferred.iter().map(|of| self.known(of).unwrap_or(*of)).collect()
    }

    /// The metadata of an inferred instrument, if there is some that fits: every price is on its
    /// tick, and every size on its lot but for rare ones, which a lane takes for the lower lot.
    #[must_use]
    pub fn known(&self, inferred: &Instrument) -> Option<Instrument> {
        let symbol = inferred.symbol.as_str();
        let known = metadata::embedded(self.family, VenueId(0), &[symbol]).ok()?;
        let fits = known[0].tick.steps_of(inferred.tick.step()).is_ok()
            && (known[0].lot.steps_of(inferred.lot.step()).is_ok()
                || self.rarely_off_lot(&known[0]));
        fits.then(|| Instrument { id: inferred.id, ..known[0] })
    }

    /// Whether few enough frames of an instrument hold a size between two of its lots.
    fn rarely_off_lot(&self, instrument: &Instrument) -> bool {
        let only = Instrument { id: InstrumentId(0), ..*instrument };
        let mut decoder = Decoder::new(self.family, &[only], Simd::detect());
        let (mut frames, mut off) = (0u64, 0u64);
        let frames_of = |of| Capture::frames(of).filter(|frame| frame.asked_for().is_none());
        for frame in self.captures.iter().flat_map(frames_of) {
            match decoder.decode(frame.bytes) {
                Ok(_) => frames += 1,
                Err(DecodeError::OffGrid { .. }) => off += 1,
                Err(_) => {}
            }
        }
        off * OFF_LOT_ONE_IN <= frames + off
    }
}

/// A market maker for any instrument, in units of its own price: quotes of a few hundred quote units
/// a basis point or so around the microprice, and limits twenty-five times as large.
#[must_use]
pub fn scaled_plan(
    lane: LaneId,
    instruments: &[Instrument],
    captures: &[Capture],
    family: Family,
) -> Plan {
    let mut plan = Plan::none();
    plan.version = 1;
    plan.lane = lane;
    plan.limits = scaled_limits(instruments, family);
    plan.breakers = Breakers::default().plan();
    for instrument in instruments {
        let price = first_price(instrument, captures, family).unwrap_or(10_000.0);
        let point = (price * 1e-4).max(1.0); // a basis point in ticks, at least one tick
        let (gamma, arrivals, decay) = (0.05 / point, 2.0, 1.0 / point);
        let Some((base_half_spread, risk)) = coefficients(gamma, arrivals, decay) else { continue };
        let valuation = Valuation::of(instrument);
        let one = match instrument.kind {
            InstrumentKind::Inverse => instrument.multiplier.to_f64(),
            _ => {
                let ticks = Ticks(price as i64);
                valuation.notional(Lots(1), ticks).to_f64()
            }
        };
        let quote = (300.0 / one.max(1e-12)).ceil().clamp(1.0, 1e12) as i64;
        let quote = quote.max(instrument.filters.lots_min.0);
        let making = MakingParameters {
            base_half_spread,
            risk,
            volatility_start: point,
            requote_ticks: (point / 4.0).max(1.0),
            quote_lots: Lots(quote),
            target_lots: Lots(0),
            half_spread_min: 1.0,
            levels: 2,
        };
        plan.entries[plan.entries_len as usize] = PlanEntry {
            notional_max: Money(i128::from(i64::MAX)),
            instrument: instrument.id,
            open_orders_max: 16,
            order_lots_max: Lots(quote.saturating_mul(10)),
            position_lots_max: Lots(quote.saturating_mul(25)),
            collar: Rate(1_000_000),
            trade_collar: Rate(2_000_000),
            book_age_max: Nanos::from_millis(2_000),
            volume_share: Rate(10_000_000),
            volume_free_lots: Lots(quote),
            buckets: 0b11,
            restricted: 0,
            quote_rate: Rate(Money::ONE as i64),
            making,
            reserved: 0,
        };
        plan.entries_len += 1;
    }
    plan
}

/// What those positions need, in the quote currency whichever it is: a hundred thousand units for each
/// instrument, and the usual shares of it.
fn scaled_limits(instruments: &[Instrument], family: Family) -> PlanLimits {
    let capital = Money(100_000 * Money::ONE * instruments.len().max(1) as i128);
    let percent = |count: i64| Rate(count * 1_000_000);
    let mut limits = PlanLimits {
        capital,
        gross_max: capital,
        net_max: capital,
        orders_per_window: 50,
        cancels_reserved_per_window: 25,
        rate_window: Nanos::SECOND,
        plan_age_max: Nanos(u64::MAX),
        trade_age_max: Nanos(60 * Nanos::SECOND.0),
        venue: family.order_rates(),
        leverage_max: percent(300),
        concentration_max: percent(15),
        daily_loss_max: percent(2),
        weekly_loss_max: percent(5),
        monthly_loss_max: percent(10),
        drawdown_max: percent(15),
        rearm_share: percent(90),
        rearm_after: Nanos(5 * Nanos::SECOND.0),
        flatten: FlattenRule {
            always: 0,
            every: Nanos::from_millis(250),
            slippage: Rate(200_000),
            reserved: 0,
        },
        currency: instruments.first().map(|of| of.quote).unwrap_or_default(),
        ..PlanLimits::default()
    };
    limits.rates[0] = CurrencyRate { currency: limits.currency, rate: Rate(Money::ONE as i64) };
    limits.buckets[0] = Bucket { share: percent(60), kind: BucketKind::Venue as u64 };
    limits.buckets[1] = Bucket { share: percent(60), kind: BucketKind::Strategy as u64 };
    limits
}

/// The first price of an instrument, in ticks.
fn first_price(instrument: &Instrument, captures: &[Capture], family: Family) -> Option<f64> {
    let only = Instrument { id: InstrumentId(0), ..*instrument };
    let mut decoder = Decoder::new(family, &[only], Simd::detect());
    captures.iter().flat_map(Capture::frames).find_map(|frame| {
        let level = match decoder.decode(frame.bytes) {
            Ok(MarketEvent::Ticker(ticker)) => ticker.bid.price,
            Ok(MarketEvent::Trade(trade)) => trade.price,
            Ok(MarketEvent::Depth(diff)) => diff.bids.first().or(diff.asks.first())?.price,
            _ => return None,
        };
        (level.0 > 0).then_some(level.0 as f64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spot trades of BTCUSDT, every `each`th of a size that is no multiple of 0.00001.
    fn captured(name: &str, each: u64) -> Captures {
        let path = std::env::temp_dir().join(format!("bot4-lots-{}-{name}", std::process::id()));
        let line = |at: u64| {
            let size = if at % each == 1 { "25.42618900" } else { "0.02000000" };
            format!(
                "{at} {{\"e\":\"trade\",\"E\":{at},\"s\":\"BTCUSDT\",\"t\":{at},\
                 \"p\":\"61837.63000000\",\"q\":\"{size}\",\"T\":{at},\"m\":true,\"M\":true}}\n"
            )
        };
        std::fs::write(&path, (1..=400).map(line).collect::<String>()).unwrap();
        let held = Captures::load(std::slice::from_ref(&path));
        std::fs::remove_file(path).unwrap();
        held.unwrap()
    }

    #[test]
    fn rare_sizes_off_the_lot_do_not_hide_the_metadata() {
        let rare = captured("rare", 200);
        let known = rare.known(&rare.inferred[0]).expect("two of 400 are rests of old orders");
        assert_eq!(known.lot.step().to_string(), "0.00001");
        let often = captured("often", 50);
        assert_eq!(often.known(&often.inferred[0]), None, "eight of 400 are another lot");
    }
}
