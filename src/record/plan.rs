//! The Plan: everything the deep lane decides, as one fixed-size record the hot lane reads.
//!
//! `Pod` and self-contained: it is copied through the Plan cell and into the journal as bytes. Its
//! reasons live elsewhere. `adopted_at` is set by the lane when the plan becomes an input.

use super::Cause;
use crate::units::{Currency, InstrumentId, LaneId, Lots, Money, Nanos, Rate};
use bytemuck::{Pod, Zeroable};

/// Instruments one lane may trade.
pub const PLAN_INSTRUMENTS_MAX: usize = 16;

/// Coefficients of the Gueant-Lehalle-Fernandez-Tapia quotes (2013, "Dealing with the inventory
/// risk", section 4), computed when the plan is made so that the hot lane only multiplies and adds.
///
/// With order flow `A exp(-k d)` (d in ticks), risk aversion `gamma`:
/// `base = ln(1 + gamma/k) / gamma` ticks, `risk = sqrt(gamma/(2 A k) * (1 + gamma/k)^(1 + k/gamma))`;
/// half spread = `base + sigma * risk / 2`, skew per lot unit = `sigma * risk`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct MakingParameters {
    /// Half spread without inventory risk, ticks.
    pub base_half_spread: f64,
    /// Multiplies volatility (ticks per square-root second); dimension sqrt(second) per order.
    pub risk: f64,
    /// Volatility used until the lane has measured its own, ticks per sqrt(second).
    pub volatility_start: f64,
    /// Re-quote only when the target moved at least this many ticks.
    pub requote_ticks: f64,
    /// Size of each quote.
    pub quote_lots: Lots,
    /// Inventory the strategy leans towards.
    pub target_lots: Lots,
    /// Never quote closer to the touch than this half spread, ticks.
    pub half_spread_min: f64,
    /// Levels per side, 1 or more; further levels stand one half spread apart.
    pub levels: u64,
}

/// Limits for one instrument. Amounts of money are in `PlanLimits::currency`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct PlanEntry {
    /// Largest notional of one order.
    pub notional_max: Money,
    /// Which instrument.
    pub instrument: InstrumentId,
    /// Working orders allowed.
    pub open_orders_max: u32,
    /// Largest single order.
    pub order_lots_max: Lots,
    /// Largest absolute position, counting what could still fill.
    pub position_lots_max: Lots,
    /// Allowed distance of a price from the mid, as a share of the mid.
    pub collar: Rate,
    /// Allowed distance of a price from the last trade, as a share of that.
    pub trade_collar: Rate,
    /// A book older than this refuses new risk.
    pub book_age_max: Nanos,
    /// Largest single order as a share of what was traded in the last minute.
    pub volume_share: Rate,
    /// Orders up to this size pass however little was traded.
    pub volume_free_lots: Lots,
    /// Bit `k`: the instrument counts for bucket `k` of the limits.
    pub buckets: u64,
    /// Not zero: on the restricted list, positions may only shrink.
    pub restricted: u64,
    /// One unit of the quote currency in `PlanLimits::currency`.
    pub quote_rate: Rate,
    /// Strategy parameters.
    pub making: MakingParameters,
    /// Keeps the record free of padding.
    pub reserved: u64,
}

/// Buckets of exposure in a plan.
pub const BUCKETS_MAX: usize = 8;
/// Currencies whose rates a plan knows.
pub const RATES_MAX: usize = 8;

/// What the instruments of a bucket have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum BucketKind {
    /// Their venue.
    Venue = 1,
    /// The strategy that trades them.
    Strategy = 2,
    /// They move together.
    Group = 3,
}

/// A limit on the exposure of several instruments together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Bucket {
    /// Largest exposure as a share of the lane's equity.
    pub share: Rate,
    /// A `BucketKind`; zero for a bucket that is not used.
    pub kind: u64,
}

/// What a currency is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CurrencyRate {
    /// Which; zeros for a place that is not used.
    pub currency: Currency,
    /// One unit of it in `PlanLimits::currency`.
    pub rate: Rate,
}

/// How positions are closed in a halt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct FlattenRule {
    /// Not zero: every halt closes positions, not only the one that a command asks to.
    pub always: u64,
    /// Least time between two closing orders of an instrument.
    pub every: Nanos,
    /// How far beyond the touch a closing order reaches, as a share of it.
    pub slippage: Rate,
    /// Keeps the record free of padding.
    pub reserved: u64,
}

/// Limits for the lane. What a user allows all lanes together is divided among them by whoever makes
/// the plan: amounts are this lane's budget, shares are of this lane's equity.
///
/// Exposure of an instrument is what its position, with every working order of one side filled, would
/// be worth at the mark, the last middle of its trusted book; equity is `capital` plus profit at the
/// marks minus fees, since the books began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PlanLimits {
    /// What the lane's books began with.
    pub capital: Money,
    /// Largest sum of exposures.
    pub gross_max: Money,
    /// Largest signed sum of exposures, either way.
    pub net_max: Money,
    /// New orders allowed in `rate_window`.
    pub orders_per_window: u32,
    /// Cancels own this part of the venue's budget on top.
    pub cancels_reserved_per_window: u32,
    /// Window of the two above.
    pub rate_window: Nanos,
    /// A plan older than this refuses new risk.
    pub plan_age_max: Nanos,
    /// A last trade older than this says nothing of today's prices.
    pub trade_age_max: Nanos,
    /// This lane's share of what the venue allows the account; a limit of zero orders is none.
    pub venue: [VenueRate; VENUE_RATES],
    /// Exposure of venues, strategies and groups.
    pub buckets: [Bucket; BUCKETS_MAX],
    /// Largest gross exposure over equity.
    pub leverage_max: Rate,
    /// Largest exposure of one instrument as a share of the equity.
    pub concentration_max: Rate,
    /// Loss since the UTC day began, as a share of the equity then, that ends new risk for the day.
    pub daily_loss_max: Rate,
    /// Since Monday 00:00 UTC: ends new risk until a person activates the lane.
    pub weekly_loss_max: Rate,
    /// Since the first of the month: halts.
    pub monthly_loss_max: Rate,
    /// Loss from the highest equity, as a share of that, that halts.
    pub drawdown_max: Rate,
    /// An exposure that was above its limit must fall to this share of it before risk is taken again.
    pub rearm_share: Rate,
    /// And this long must have passed.
    pub rearm_after: Nanos,
    /// How halts close positions.
    pub flatten: FlattenRule,
    /// The currency of every amount of money in the plan.
    pub currency: Currency,
    /// What other currencies are worth: quote currencies, and those that fees are paid in.
    pub rates: [CurrencyRate; RATES_MAX],
    /// Keeps the record free of padding.
    pub reserved: u64,
}

/// Circuit breakers of a lane.
pub const BREAKERS: usize = 6;

/// What a breaker measures, in which unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BreakerKind {
    /// Volatility of the middle, annualised, basis points.
    Volatility = 0,
    /// Spread, hundredths of a basis point of the middle.
    Spread = 1,
    /// Receive time minus the venue's event time, above its own running level, nanoseconds.
    Latency = 2,
    /// 99th percentile of the lane's own time per frame, nanoseconds.
    InternalLatency = 3,
    /// Share of answers that are rejections, basis points.
    Rejects = 4,
    /// Time since a trusted book was last heard of, nanoseconds.
    StaleData = 5,
}

impl BreakerKind {
    /// Every breaker, by its place in `PlanBreakers::rules`.
    pub const ALL: [BreakerKind; BREAKERS] = [
        BreakerKind::Volatility,
        BreakerKind::Spread,
        BreakerKind::Latency,
        BreakerKind::InternalLatency,
        BreakerKind::Rejects,
        BreakerKind::StaleData,
    ];

    /// The stable name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.cause().name()
    }

    /// Why a lane reduces while the breaker is open.
    #[must_use]
    pub const fn cause(self) -> Cause {
        match self {
            BreakerKind::Volatility => Cause::Volatility,
            BreakerKind::Spread => Cause::Spread,
            BreakerKind::Latency => Cause::Latency,
            BreakerKind::InternalLatency => Cause::InternalLatency,
            BreakerKind::Rejects => Cause::Rejects,
            BreakerKind::StaleData => Cause::StaleData,
        }
    }
}

/// When one breaker opens and closes, in the unit of its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BreakerRule {
    /// Opens at this level and above.
    pub trip: i64,
    /// May close below this one only.
    pub rearm: i64,
    /// Stays open at least this long.
    pub cool_down: Nanos,
    /// Measurements that a level needs to count: answers for rejections, windows in a row for the
    /// lane's own time, samples for volatility; 1 where every one counts.
    pub least: u32,
    /// Orders let out, one success each, before it closes; zero closes at once.
    pub trials: u32,
}

/// Limits of the breakers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PlanBreakers {
    /// By `BreakerKind`.
    pub rules: [BreakerRule; BREAKERS],
    /// A spread so many times its own running level opens the breaker too …
    pub spread_ratio: Rate,
    /// … unless it is below this, hundredths of a basis point.
    pub spread_floor: i64,
    /// So many rejections in a row open the breaker whatever their share.
    pub rejects_in_row: u64,
    /// Window over which answers are counted.
    pub rejects_window: Nanos,
}

/// Windows in which a venue counts new orders and changes.
pub const VENUE_RATES: usize = 2;

/// Orders and changes in a window of the venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct VenueRate {
    /// How many.
    pub orders: u64,
    /// In how long.
    pub window: Nanos,
}

/// One immutable decision of the deep lane (or of the configuration file).
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C, align(16))]
pub struct Plan {
    /// Rises with every publication.
    pub version: u64,
    /// When this machine's lane adopted it; zero until then.
    pub adopted_at: Nanos,
    /// Which lane it is for.
    pub lane: LaneId,
    /// Keeps the record free of padding.
    pub reserved: [u16; 3],
    /// Entries in use.
    pub entries_len: u64,
    /// Limits of the lane.
    pub limits: PlanLimits,
    /// Circuit breakers.
    pub breakers: PlanBreakers,
    /// One entry per instrument; only the first `entries_len` count.
    pub entries: [PlanEntry; PLAN_INSTRUMENTS_MAX],
}

impl Plan {
    /// A plan that allows nothing.
    #[must_use]
    pub fn none() -> Plan {
        Plan::zeroed()
    }

    /// The entry of an instrument, or nothing when the plan does not know it.
    #[must_use]
    #[inline]
    pub fn entry(&self, instrument: InstrumentId) -> Option<&PlanEntry> {
        let len = (self.entries_len as usize).min(PLAN_INSTRUMENTS_MAX);
        self.entries[..len].iter().find(|entry| entry.instrument == instrument)
    }
}
