//! What a seed decides before anything happens: the market, the account's limits, the network.
//!
//! Drawn once, up front, from streams of the seed that nothing else uses, so that a fault left out
//! changes nothing but its own consequences.

use super::net::NetworkSettings;
use crate::hot::recorder::RESERVE_WORDS;
use crate::journal::{Durability, Settings};
use crate::ledger::Valuation;
use crate::maths::random::Random;
use crate::record::{
    BreakerRule, Bucket, BucketKind, CurrencyRate, FlattenRule, Instrument, InstrumentKind,
    MakingParameters, Plan, PlanBreakers, PlanEntry, PlanLimits, RATES_MAX, VenueRate,
};
use crate::strategy::making::coefficients;
use crate::units::{Currency, LaneId, Lots, Money, Nanos, Rate, Ticks, VenueId};
use crate::venue::binance::Family;
use crate::venue::binance::metadata::{self, MetadataError};
use crate::venue::binance::session::{KeyError, Signer};

/// Stream of the seed from which the scenario is drawn.
const STREAM: u64 = 0x7363_656e;
/// How long a plan may serve without a successor.
pub const PLAN_AGE_MAX: Nanos = Nanos(60 * 1_000_000_000);

/// The world as it is meant to be.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Decides everything.
    pub seed: u64,
    /// Which market.
    pub family: Family,
    /// What is traded.
    pub instruments: Vec<Instrument>,
    /// What the lane may do; its version is the first.
    pub plan: Box<Plan>,
    /// The account's key.
    pub signer: Signer,
    /// The network on a good day.
    pub network: NetworkSettings,
    /// Way through the venue, each direction.
    pub venue_latency: Nanos,
    /// Events of the crowd per second and instrument.
    pub rate: f64,
    /// How the journal is written.
    pub journal: Settings,
    /// Words of the ring between lane and journal.
    pub ring_words: usize,
    /// Records between two snapshots.
    pub snapshot_records: u64,
    /// Countdown of the venue's dead man's switch; zero leaves it alone.
    pub dead_man: Nanos,
}

/// Why a seed makes no scenario; a bug, since every seed is to make one.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A symbol without metadata.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A key of another shape.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Parameters that make no quotes.
    #[error("the making parameters give no finite quotes")]
    Making,
}

impl Scenario {
    /// The scenario of a seed.
    ///
    /// # Errors
    /// Never for the tables of this version; see [`ScenarioError`].
    pub fn of(seed: u64) -> Result<Scenario, ScenarioError> {
        let mut random = Random::new(seed, STREAM);
        let (family, symbols): (_, [&str; 2]) = match random.below(3) {
            0 => (Family::Spot, ["BTCUSDT", "ETHUSDT"]),
            1 => (Family::UsdM, ["BTCUSDT", "ETHUSDT"]),
            _ => (Family::CoinM, ["BTCUSD_PERP", "ETHUSD_PERP"]),
        };
        let count = 1 + random.below(2) as usize;
        let instruments = metadata::embedded(family, VenueId(0), &symbols[..count])?;
        let signer = match random.below(4) {
            0 => Signer::hmac("simulated", "a secret of the simulator")?,
            _ => Signer::of_seed("simulated", &[seed as u8; 32])?,
        };
        let plan = plan(family, &instruments, &mut random)?;
        let network = NetworkSettings {
            latency: Nanos(50_000 + random.below(2_000_000)),
            jitter: Nanos(1_000 + random.below(500_000)),
            cut: random.unit() * 0.3,
            join: random.unit(),
            ..NetworkSettings::default()
        };
        Ok(Scenario {
            seed,
            family,
            instruments,
            plan: Box::new(plan),
            signer,
            network,
            venue_latency: Nanos(50_000 + random.below(3_000_000)),
            rate: 8.0 + random.unit() * 12.0,
            journal: Settings {
                durability: match random.below(4) {
                    0 => Durability::None,
                    1 => Durability::Each,
                    _ => Durability::Group(Nanos(500_000 + random.below(20_000_000))),
                },
                segment_len: (3 + random.below(8)) << 18,
                group_len: 1 << 17,
            },
            ring_words: RESERVE_WORDS + (1 << 14) + (random.below(1 << 15) as usize),
            snapshot_records: 200 + random.below(8_000),
            dead_man: Nanos([0, 10_000_000_000][random.below(2) as usize]),
        })
    }
}

/// Quotes of about the size of the crowd's orders, so that fills are whole and partial. Limits are wide
/// for half of the seeds; a quarter will meet its loss limits, another the limits of its exposures.
fn plan(
    family: Family,
    instruments: &[Instrument],
    random: &mut Random,
) -> Result<Plan, ScenarioError> {
    let mut plan = Plan::none();
    plan.version = 1;
    plan.lane = LaneId(0);
    let strictness = random.below(4);
    plan.limits = limits(family, instruments, strictness == 0);
    plan.limits.orders_per_window = 10 + random.below(20) as u32;
    plan.breakers = breakers();
    let gamma = 0.002 + random.unit() * 0.02;
    let (base_half_spread, risk) = coefficients(gamma, 1.0, 0.3).ok_or(ScenarioError::Making)?;
    for (at, of) in instruments.iter().enumerate() {
        let typical = typical_lots(of);
        let quote = (typical / 2 + random.below(2 * typical.unsigned_abs()) as i64)
            .max(of.filters.lots_min.0)
            .max(1);
        let levels = 1 + random.below(3);
        let making = MakingParameters {
            base_half_spread,
            risk,
            volatility_start: 5.0,
            requote_ticks: 1.0 + random.below(4) as f64,
            quote_lots: Lots(quote),
            target_lots: Lots(0),
            half_spread_min: 1.0,
            levels,
        };
        plan.entries[at] = PlanEntry {
            notional_max: money(50_000),
            instrument: of.id,
            open_orders_max: 2 * levels as u32 + 2,
            order_lots_max: Lots(quote * 2),
            position_lots_max: Lots(quote * (3 + random.below(6) as i64)),
            collar: percent(5),
            trade_collar: percent(10),
            book_age_max: Nanos(5 * Nanos::SECOND.0),
            volume_share: percent(1_000),
            volume_free_lots: Lots(quote * 2),
            buckets: 0b11,
            restricted: 0,
            quote_rate: ONE,
            making,
            reserved: 0,
        };
        plan.entries_len += 1;
    }
    if strictness == 1 {
        tighten(&mut plan, instruments, random);
    }
    Ok(plan)
}

/// Exposure limits below what the position limits add up to, each by a factor of its own, so that any of
/// them may be the one that binds.
fn tighten(plan: &mut Plan, instruments: &[Instrument], random: &mut Random) {
    let worth = |(entry, of): (&PlanEntry, &Instrument)| {
        i128::from(entry.position_lots_max.0) * TYPICAL_WORTH / i128::from(typical_lots(of))
    };
    let worths: Vec<i128> = plan.entries.iter().zip(instruments).map(worth).collect();
    let (sum, most) = (worths.iter().sum::<i128>(), worths.iter().copied().max().unwrap_or(0));
    let mut part = |of: i128| of * (25 + i128::from(random.below(60))) / 100;
    let limits = &mut plan.limits;
    let capital = limits.capital.0 / Money::ONE;
    let share = |worth: i128| Rate((worth * Money::ONE / capital) as i64);
    limits.gross_max = money(part(sum));
    limits.net_max = money(part(sum));
    limits.leverage_max = share(part(sum));
    limits.concentration_max = share(part(most));
    limits.buckets[0].share = share(part(sum));
    limits.buckets[1].share = share(part(sum));
}

/// What a whole unit of a currency is in itself.
const ONE: Rate = Rate(Money::ONE as i64);

const fn money(units: i128) -> Money {
    Money(units * Money::ONE)
}

const fn percent(count: i64) -> Rate {
    Rate(count * (Money::ONE as i64 / 100))
}

fn limits(family: Family, instruments: &[Instrument], tight: bool) -> PlanLimits {
    // Hundredths of a percent where losses are to be met, a third of everything where they are not.
    let loss =
        |narrow: i64, wide: i64| if tight { Rate(narrow * ONE.0 / 100_000) } else { percent(wide) };
    let second = Nanos::SECOND.0;
    let quote = instruments.first().map_or_else(Currency::default, |of| of.quote);
    let mut limits = PlanLimits {
        capital: money(1_000_000),
        gross_max: money(600_000),
        net_max: money(500_000),
        orders_per_window: 0,
        cancels_reserved_per_window: 20,
        rate_window: Nanos::SECOND,
        plan_age_max: PLAN_AGE_MAX,
        trade_age_max: Nanos(60 * second),
        venue: family.order_rates().map(|rate| VenueRate { orders: rate.orders * 9 / 10, ..rate }),
        leverage_max: percent(300),
        concentration_max: percent(60),
        daily_loss_max: loss(4, 20),
        weekly_loss_max: loss(10, 30),
        monthly_loss_max: loss(20, 40),
        drawdown_max: loss(30, 50),
        rearm_share: percent(90),
        rearm_after: Nanos(5 * second),
        flatten: FlattenRule {
            always: 0,
            every: Nanos::from_millis(500),
            slippage: percent(1),
            reserved: 0,
        },
        currency: quote,
        ..PlanLimits::default()
    };
    let assets = instruments.iter().flat_map(|of| [of.quote, of.settle, of.base]);
    let mut known: Vec<Currency> = Vec::new();
    for asset in assets {
        if !known.contains(&asset) && known.len() < RATES_MAX {
            known.push(asset);
        }
    }
    for (place, asset) in limits.rates.iter_mut().zip(&known) {
        let price = match asset.as_str() {
            "BTC" => 60_000,
            "ETH" => 2_500,
            _ => 1,
        };
        *place = CurrencyRate { currency: *asset, rate: Rate(price * ONE.0) };
    }
    limits.buckets[0] = Bucket { share: percent(80), kind: BucketKind::Venue as u64 };
    limits.buckets[1] = Bucket { share: percent(80), kind: BucketKind::Strategy as u64 };
    limits
}

/// Breakers that the faults trip now and then, and that let the lane trade again within seconds.
fn breakers() -> PlanBreakers {
    let second = Nanos::SECOND;
    let rule = |trip, least, trials| BreakerRule {
        trip,
        rearm: trip / 2,
        cool_down: Nanos(2 * second.0),
        least,
        trials,
    };
    PlanBreakers {
        rules: [
            rule(10_000_000, 50, 0),
            rule(100_000, 1, 0),
            rule(2_000_000_000, 1, 0),
            rule(1_000_000, 3, 0),
            rule(5_000, 10, 2),
            rule(30_000_000_000, 1, 0),
        ],
        spread_ratio: percent(3_000),
        spread_floor: 5_000,
        rejects_in_row: 12,
        rejects_window: Nanos(10 * second.0),
    }
}

/// What the crowd's typical order is worth, in quote units.
const TYPICAL_WORTH: i128 = 4_000;

/// Lots of the crowd's typical order.
fn typical_lots(of: &Instrument) -> i64 {
    let one = match of.kind {
        InstrumentKind::Inverse => of.multiplier.to_f64(),
        _ => {
            let price = if of.base.as_str() == "BTC" { 60_000.0 } else { 2_500.0 };
            let ticks = Ticks((price / of.tick.step().to_f64()) as i64);
            Valuation::of(of).notional(Lots(1), ticks).to_f64()
        }
    };
    (TYPICAL_WORTH as f64 / one.max(1e-9)).clamp(2.0, 1e6) as i64
}
