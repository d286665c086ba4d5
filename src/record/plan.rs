//! The Plan: everything the deep lane decides, as one fixed-size record the hot lane reads.
//!
//! `Pod` and self-contained: it is copied through the Plan cell and into the journal as bytes. Its
//! reasons live elsewhere. `adopted_at` is set by the lane when the plan becomes an input.

use crate::units::{InstrumentId, LaneId, Lots, Money, Nanos, Rate};
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

/// Limits for one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct PlanEntry {
    /// Largest notional of one order, quote currency (settle-neutral: multiplier times price).
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
    /// A book older than this refuses new risk.
    pub book_age_max: Nanos,
    /// Strategy parameters.
    pub making: MakingParameters,
    /// Keeps the record free of padding.
    pub reserved: u64,
}

/// Limits for the lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PlanLimits {
    /// New orders allowed in `rate_window`.
    pub orders_per_window: u32,
    /// Cancels own this part of the venue's budget on top.
    pub cancels_reserved_per_window: u32,
    /// Window of the two above.
    pub rate_window: Nanos,
    /// A plan older than this refuses new risk.
    pub plan_age_max: Nanos,
    /// This lane's share of what the venue allows the account; a limit of zero orders is none.
    pub venue: [VenueRate; VENUE_RATES],
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
    /// Keeps the entries on their 16-byte alignment.
    pub reserved_tail: u64,
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
