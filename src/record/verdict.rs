//! The gate's answer to one intent. Codes are append-only and journalled.

/// A refusal is an expected "no", not an error: `Copy`, with a stable code and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Verdict {
    /// The intent may leave.
    Pass = 0,
    /// The lane is halted by command; only cancels leave, and what closes a position.
    Halted = 1,
    /// The lane is reducing by command; only intents that shrink a position leave.
    Reducing = 2,
    /// No plan, or the plan is older than its limit; only shrinking intents leave.
    PlanStale = 3,
    /// The plan has no entry for the instrument.
    NotInPlan = 4,
    /// Size is zero, negative or below the venue's minimum.
    SizeUnderLimit = 5,
    /// Size above the plan's or the venue's maximum.
    SizeOverLimit = 6,
    /// Position after fill, counting what works, above the plan's maximum.
    PositionOverLimit = 7,
    /// Notional of the order above the maximum.
    NotionalOverLimit = 8,
    /// Notional below the venue's minimum.
    NotionalUnderLimit = 9,
    /// Price further from the mid than the collar allows, or off the venue's range.
    PriceOutsideCollar = 10,
    /// Too many orders in the window.
    OrderRate = 11,
    /// Too many working orders.
    OpenOrders = 12,
    /// The same side and price already works or is pending.
    Duplicate = 13,
    /// The book is crossed or locked.
    BookCrossed = 14,
    /// The book is older than its limit.
    BookStale = 15,
    /// The book is not synchronised (before the snapshot, or after a gap).
    BookUnsynchronised = 16,
    /// The order would meet our own.
    SelfTrade = 17,
    /// A cancel for an order that is not working.
    UnknownOrder = 18,
    /// The connection that would carry the order is not up.
    NotConnected = 19,
    /// The queue to the venue is full.
    QueueFull = 20,
    /// A working order already waits for a cancel or replace answer.
    CancelPending = 21,
    /// Exposure on the instrument's venue above its share of the equity.
    VenueExposure = 22,
    /// Exposure of the strategy above its share of the equity.
    StrategyExposure = 23,
    /// Exposure of a group of correlated instruments above its share of the equity.
    GroupExposure = 24,
    /// Sum of the exposures of all instruments above its maximum.
    GrossExposure = 25,
    /// Signed sum of the exposures of all instruments above its maximum.
    NetExposure = 26,
    /// Gross exposure over equity above its maximum.
    Leverage = 27,
    /// Exposure of the instrument above its share of the equity.
    Concentration = 28,
    /// Price further from the last trade than its collar allows.
    PriceOffLastTrade = 29,
    /// Size above its share of what was lately traded: a fat finger.
    SizeOverVolume = 30,
    /// The instrument is on the restricted list; only intents that shrink its position leave.
    Restricted = 31,
    /// A position has no price to be valued at, so that no exposure is known.
    MarkUnknown = 32,
    /// A loss of the day, week or month, or the drawdown, is at its limit.
    LossLimit = 33,
    /// An exposure is above its limit already; only intents that shrink a position leave.
    ExposureLimit = 34,
    /// A circuit breaker is open; only intents that shrink a position leave.
    Breaker = 35,
    /// A breaker is half open and its trial orders are out.
    TrialsUsed = 36,
}

impl Verdict {
    /// Every verdict, for reports and tests.
    pub const ALL: [Verdict; 37] = [
        Verdict::Pass,
        Verdict::Halted,
        Verdict::Reducing,
        Verdict::PlanStale,
        Verdict::NotInPlan,
        Verdict::SizeUnderLimit,
        Verdict::SizeOverLimit,
        Verdict::PositionOverLimit,
        Verdict::NotionalOverLimit,
        Verdict::NotionalUnderLimit,
        Verdict::PriceOutsideCollar,
        Verdict::OrderRate,
        Verdict::OpenOrders,
        Verdict::Duplicate,
        Verdict::BookCrossed,
        Verdict::BookStale,
        Verdict::BookUnsynchronised,
        Verdict::SelfTrade,
        Verdict::UnknownOrder,
        Verdict::NotConnected,
        Verdict::QueueFull,
        Verdict::CancelPending,
        Verdict::VenueExposure,
        Verdict::StrategyExposure,
        Verdict::GroupExposure,
        Verdict::GrossExposure,
        Verdict::NetExposure,
        Verdict::Leverage,
        Verdict::Concentration,
        Verdict::PriceOffLastTrade,
        Verdict::SizeOverVolume,
        Verdict::Restricted,
        Verdict::MarkUnknown,
        Verdict::LossLimit,
        Verdict::ExposureLimit,
        Verdict::Breaker,
        Verdict::TrialsUsed,
    ];

    /// Whether the intent may leave.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(self, Verdict::Pass)
    }

    /// The stable name used in reports (`orders.refused.NAME`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Halted => "halted",
            Verdict::Reducing => "reducing",
            Verdict::PlanStale => "plan_stale",
            Verdict::NotInPlan => "not_in_plan",
            Verdict::SizeUnderLimit => "size_under_limit",
            Verdict::SizeOverLimit => "size_over_limit",
            Verdict::PositionOverLimit => "position_over_limit",
            Verdict::NotionalOverLimit => "notional_over_limit",
            Verdict::NotionalUnderLimit => "notional_under_limit",
            Verdict::PriceOutsideCollar => "price_outside_collar",
            Verdict::OrderRate => "order_rate",
            Verdict::OpenOrders => "open_orders",
            Verdict::Duplicate => "duplicate",
            Verdict::BookCrossed => "book_crossed",
            Verdict::BookStale => "book_stale",
            Verdict::BookUnsynchronised => "book_unsynchronised",
            Verdict::SelfTrade => "self_trade",
            Verdict::UnknownOrder => "unknown_order",
            Verdict::NotConnected => "not_connected",
            Verdict::QueueFull => "queue_full",
            Verdict::CancelPending => "cancel_pending",
            Verdict::VenueExposure => "venue_exposure",
            Verdict::StrategyExposure => "strategy_exposure",
            Verdict::GroupExposure => "group_exposure",
            Verdict::GrossExposure => "gross_exposure",
            Verdict::NetExposure => "net_exposure",
            Verdict::Leverage => "leverage",
            Verdict::Concentration => "concentration",
            Verdict::PriceOffLastTrade => "price_off_last_trade",
            Verdict::SizeOverVolume => "size_over_volume",
            Verdict::Restricted => "restricted",
            Verdict::MarkUnknown => "mark_unknown",
            Verdict::LossLimit => "loss_limit",
            Verdict::ExposureLimit => "exposure_limit",
            Verdict::Breaker => "breaker",
            Verdict::TrialsUsed => "trials_used",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_dense_and_stand_at_their_index() {
        for (code, verdict) in Verdict::ALL.iter().enumerate() {
            assert_eq!(*verdict as usize, code, "{}", verdict.name());
        }
    }
}
