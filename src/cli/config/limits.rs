//! `[limits]`, `[breakers]` and `[control]` as plain data, with their defaults.

use crate::cli::config::values::{Amount, Span};
use crate::units::Nanos;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `[limits]`: what the gate allows. Amounts without a symbol are in `currency`; what is said of the
/// capital holds for all lanes together.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Currency of every amount here.
    pub currency: String,
    /// What the account holds when the books begin.
    pub capital: Amount,
    /// What one unit of another currency is worth.
    pub rates: BTreeMap<String, Amount>,
    /// Largest order by symbol.
    pub order: BTreeMap<String, Amount>,
    /// Largest position by symbol, working orders included.
    pub position: BTreeMap<String, Amount>,
    /// Largest notional of one order.
    pub notional: Amount,
    /// Largest sum of exposures.
    pub gross: Amount,
    /// Largest signed sum of exposures.
    pub net: Amount,
    /// Largest gross exposure over equity.
    pub leverage: Amount,
    /// Largest exposure of one symbol, percent of the equity.
    pub concentration_percent: Amount,
    /// Largest exposure on one venue.
    pub venue_percent: Amount,
    /// Largest exposure of one strategy.
    pub strategy_percent: Amount,
    /// Largest exposure of one group.
    pub group_percent: Amount,
    /// Symbols that move together, by the group's name.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Symbols in which positions may only shrink.
    pub restricted: Vec<String>,
    /// Furthest a price may be from the mid, basis points.
    pub collar_bps: Amount,
    /// Furthest a price may be from the last trade, basis points.
    pub trade_collar_bps: Amount,
    /// A last trade older than this is not compared with.
    pub trade_age_s: u64,
    /// Largest order as a share of what was traded in the last minute.
    pub volume_percent: Amount,
    /// Working orders per instrument.
    pub open_orders: u32,
    /// New orders per window and lane.
    pub order_rate: u32,
    /// Cancels per window and lane on top.
    pub cancels_reserved: u32,
    /// The window of the two.
    pub rate_window_ms: u64,
    /// A book older than this refuses new risk.
    pub book_age_ms: u64,
    /// A plan older than this refuses new risk.
    pub plan_age_s: u64,
    /// Loss of a day that ends new risk until the next.
    pub daily_loss_percent: Amount,
    /// Loss of a week that ends new risk until a person resumes.
    pub weekly_loss_percent: Amount,
    /// Loss of a month that halts.
    pub monthly_loss_percent: Amount,
    /// Loss from the highest equity that halts.
    pub drawdown_percent: Amount,
    /// To what share of its limit an exposure must fall before risk is taken again.
    pub rearm_percent: Amount,
    /// And how long that takes at least.
    pub rearm_s: u64,
    /// Whether every halt closes positions.
    pub flatten: bool,
    /// Least time between two closing orders of a symbol.
    pub flatten_every_ms: u64,
    /// How far beyond the touch they reach.
    pub flatten_slippage_bps: Amount,
}

/// `[breakers]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Breakers {
    /// Volatility of the middle.
    pub volatility: VolatilityBreaker,
    /// Spread.
    pub spread: SpreadBreaker,
    /// Age of market data.
    pub latency: LatencyBreaker,
    /// The lane's own time.
    pub internal_latency: InternalLatencyBreaker,
    /// Orders that the venue rejects.
    pub rejects: RejectsBreaker,
    /// Silence of a book.
    pub stale_data: StaleDataBreaker,
}

/// `[breakers.volatility]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VolatilityBreaker {
    /// Opens at this annualised volatility.
    pub trip_percent: Amount,
    /// May close below this.
    pub rearm_percent: Amount,
    /// Samples of a tenth of a second before it counts.
    pub samples: u32,
    /// Stays open at least this long.
    pub cool_down: Span,
}

/// `[breakers.spread]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpreadBreaker {
    /// Opens at this spread.
    pub trip_bps: Amount,
    /// May close below this.
    pub rearm_bps: Amount,
    /// Opens at so many times its own running level, too …
    pub ratio: Amount,
    /// … unless the spread is below this.
    pub floor_bps: Amount,
    /// Samples of a tenth of a second before the running level counts.
    pub samples: u32,
    /// Stays open at least this long.
    pub cool_down: Span,
}

/// `[breakers.latency]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LatencyBreaker {
    /// Opens when data comes this much later than usual.
    pub trip_ms: u64,
    /// May close below this.
    pub rearm_ms: u64,
    /// Stays open at least this long.
    pub cool_down: Span,
}

/// `[breakers.internal_latency]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InternalLatencyBreaker {
    /// Opens at this 99th percentile …
    pub trip_us: u64,
    /// … in so many windows of a second in a row.
    pub windows: u32,
    /// May close below this.
    pub rearm_us: u64,
    /// Stays open at least this long.
    pub cool_down: Span,
}

/// `[breakers.rejects]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RejectsBreaker {
    /// Opens at this share of answers …
    pub trip_percent: Amount,
    /// … when there are so many of them …
    pub answers: u32,
    /// … in this window.
    pub window: Span,
    /// Opens at so many in a row, too.
    pub in_row: u32,
    /// May close below this share.
    pub rearm_percent: Amount,
    /// Stays open at least this long.
    pub cool_down: Span,
    /// Orders let out before it closes.
    pub trials: u32,
}

/// `[breakers.stale_data]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StaleDataBreaker {
    /// Opens after this silence.
    pub trip_ms: u64,
    /// May close when the last event is younger than this.
    pub rearm_ms: u64,
    /// Stays open at least this long.
    pub cool_down: Span,
}

/// `[control]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Halts every lane while it exists.
    pub kill_file: Option<PathBuf>,
    /// Where commands are taken; without it a socket of this process in the user's runtime folder.
    pub socket: Option<PathBuf>,
}

const fn seconds(count: u64) -> Span {
    Span(Nanos::from_millis(count * 1_000))
}

impl Default for Limits {
    fn default() -> Limits {
        let by_symbol = |bitcoin, ether| {
            BTreeMap::from([("BTCUSDT".to_owned(), bitcoin), ("ETHUSDT".to_owned(), ether)])
        };
        let whole = |amount| Amount::new(amount, 0);
        Limits {
            currency: "USDT".to_owned(),
            capital: whole(100_000),
            rates: ["USD", "USDC"].map(|name| (name.to_owned(), whole(1))).into(),
            order: by_symbol(Amount::new(20, 3), Amount::new(500, 3)),
            position: by_symbol(Amount::new(50, 3), Amount::new(2_000, 3)),
            notional: whole(5_000),
            gross: whole(60_000),
            net: whole(40_000),
            leverage: whole(3),
            concentration_percent: whole(15),
            venue_percent: whole(60),
            strategy_percent: whole(60),
            group_percent: whole(40),
            groups: BTreeMap::new(),
            restricted: Vec::new(),
            collar_bps: whole(50),
            trade_collar_bps: whole(100),
            trade_age_s: 60,
            volume_percent: whole(10),
            open_orders: 16,
            order_rate: 50,
            cancels_reserved: 25,
            rate_window_ms: 1_000,
            book_age_ms: 500,
            plan_age_s: 86_400,
            daily_loss_percent: whole(2),
            weekly_loss_percent: whole(5),
            monthly_loss_percent: whole(10),
            drawdown_percent: whole(15),
            rearm_percent: whole(90),
            rearm_s: 5,
            flatten: false,
            flatten_every_ms: 250,
            flatten_slippage_bps: whole(20),
        }
    }
}

impl Default for VolatilityBreaker {
    fn default() -> VolatilityBreaker {
        VolatilityBreaker {
            trip_percent: Amount::new(200, 0),
            rearm_percent: Amount::new(150, 0),
            samples: 300,
            cool_down: seconds(60),
        }
    }
}

impl Default for SpreadBreaker {
    fn default() -> SpreadBreaker {
        SpreadBreaker {
            trip_bps: Amount::new(150, 0),
            rearm_bps: Amount::new(100, 0),
            ratio: Amount::new(3, 0),
            floor_bps: Amount::new(5, 0),
            samples: 100,
            cool_down: seconds(10),
        }
    }
}

impl Default for LatencyBreaker {
    fn default() -> LatencyBreaker {
        LatencyBreaker { trip_ms: 500, rearm_ms: 100, cool_down: seconds(5) }
    }
}

impl Default for InternalLatencyBreaker {
    fn default() -> InternalLatencyBreaker {
        InternalLatencyBreaker { trip_us: 200, windows: 5, rearm_us: 100, cool_down: seconds(10) }
    }
}

impl Default for RejectsBreaker {
    fn default() -> RejectsBreaker {
        RejectsBreaker {
            trip_percent: Amount::new(50, 0),
            answers: 10,
            window: seconds(10),
            in_row: 5,
            rearm_percent: Amount::new(30, 0),
            cool_down: seconds(30),
            trials: 3,
        }
    }
}

impl Default for StaleDataBreaker {
    fn default() -> StaleDataBreaker {
        StaleDataBreaker { trip_ms: 2_000, rearm_ms: 500, cool_down: seconds(1) }
    }
}
