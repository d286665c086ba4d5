//! What a seed decides before anything happens: the market, the account's limits, the network.
//!
//! Drawn once, up front, from streams of the seed that nothing else uses, so that a fault left out
//! changes nothing but its own consequences.

use super::net::NetworkSettings;
use crate::lab::exchange::Random;
use crate::ledger::Valuation;
use crate::record::{
    Instrument, InstrumentKind, MakingParameters, Plan, PlanEntry, PlanLimits, VenueRate,
};
use crate::strategy::making::coefficients;
use crate::units::{LaneId, Lots, Money, Nanos, Rate, Ticks, VenueId};
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
            dead_man: Nanos([0, 10_000_000_000][random.below(2) as usize]),
        })
    }
}

/// Quotes of about the size of the crowd's orders, so that fills are whole and partial.
fn plan(
    family: Family,
    instruments: &[Instrument],
    random: &mut Random,
) -> Result<Plan, ScenarioError> {
    let mut plan = Plan::none();
    plan.version = 1;
    plan.lane = LaneId(0);
    plan.limits = PlanLimits {
        orders_per_window: 10 + random.below(20) as u32,
        cancels_reserved_per_window: 20,
        rate_window: Nanos::SECOND,
        plan_age_max: PLAN_AGE_MAX,
        venue: family.order_rates().map(|rate| VenueRate { orders: rate.orders * 9 / 10, ..rate }),
    };
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
            notional_max: Money(50_000 * Money::ONE),
            instrument: of.id,
            open_orders_max: 2 * levels as u32 + 2,
            order_lots_max: Lots(quote * 2),
            position_lots_max: Lots(quote * (3 + random.below(6) as i64)),
            collar: Rate(5_000_000),
            book_age_max: Nanos(5_000_000_000),
            making,
            reserved: 0,
        };
        plan.entries_len += 1;
    }
    Ok(plan)
}

/// Lots of about 4 000 quote units, as the crowd trades.
fn typical_lots(of: &Instrument) -> i64 {
    let one = match of.kind {
        InstrumentKind::Inverse => of.multiplier.to_f64(),
        _ => {
            let price = if of.base.as_str() == "BTC" { 60_000.0 } else { 2_500.0 };
            let ticks = Ticks((price / of.tick.step().to_f64()) as i64);
            Valuation::of(of).notional(Lots(1), ticks).to_f64()
        }
    };
    (4_000.0 / one.max(1e-9)).clamp(2.0, 1e6) as i64
}
