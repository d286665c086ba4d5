//! The gate's answer to one intent. Codes are append-only and journalled.

/// A refusal is an expected "no", not an error: `Copy`, with a stable code and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Verdict {
    /// The intent may leave.
    Pass = 0,
    /// The lane is halted; only cancels leave.
    Halted = 1,
    /// The lane is reducing; only intents that shrink a position leave.
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
    /// Notional of the order above the maximum, or below the venue's minimum.
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
}

impl Verdict {
    /// Every verdict, for reports and tests.
    pub const ALL: [Verdict; 22] = [
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
