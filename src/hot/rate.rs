//! Requests per window, without a clock: the send times of the last ones, asked with the time of now.
//!
//! Orders use their own part of a lane's budget and most of its share of the venue's; orders that close
//! positions use the part reserved for cancels and the rest of that share too, since a lane that traded
//! up to its limits must still get out; cancels, which the venue does not count, use the lane's whole
//! budget. Deliberately absent: waiting (`act` paces itself by `room_at`).

use crate::record::{OrderAction, PlanLimits, Tape, VENUE_RATES, VenueRate};
use crate::units::Nanos;

/// Sends a rate window can hold; limits above it are cut to it. Small enough that both rings stay in
/// the cache.
pub const RATE_WINDOW_MAX: usize = 2_048;

/// What is younger is remembered over the end of a life, whatever its windows were.
const HORIZON_MIN: Nanos = Nanos(60 * Nanos::SECOND.0);

/// The part of a lane's share of the venue's windows that only closing orders use: a tenth.
const CLOSING_PART: u64 = 10;

/// What a request may use of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A cancel.
    Cancel,
    /// An order of a halted lane that closes a position.
    Close,
    /// Any other order or change.
    Order,
}

/// Orders of a share of the venue's window that are not kept for closing.
const fn open_part(orders: u64) -> u64 {
    orders - orders / CLOSING_PART
}

/// Send times of the last requests: a sliding window without a clock of its own.
#[derive(Clone, Debug)]
pub struct RateWindow {
    orders: Times,
    all: Times,
    limits: Limits,
    /// From when on each use has room, as things stand: the gate only compares.
    room_at: [Nanos; 3],
}

/// What of a plan's limits is about rates.
#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    orders: u64,
    all: u64,
    window: Nanos,
    venue: [VenueRate; VENUE_RATES],
}

/// A ring of the last `RATE_WINDOW_MAX` times.
#[derive(Clone, Debug)]
struct Times {
    ring: Box<[Nanos; RATE_WINDOW_MAX]>,
    count: u64,
}

impl Times {
    fn new() -> Times {
        Times { ring: Box::new([Nanos(0); RATE_WINDOW_MAX]), count: 0 }
    }

    fn push(&mut self, now: Nanos) {
        self.ring[(self.count % RATE_WINDOW_MAX as u64) as usize] = now;
        self.count += 1;
    }

    fn begin(&mut self, now: Nanos, latest: Nanos, gap: Nanos, horizon: Nanos) {
        let before = std::mem::replace(self, Times::new());
        let known = before.count.min(RATE_WINDOW_MAX as u64);
        for at in before.count - known..before.count {
            let sent = before.ring[(at % RATE_WINDOW_MAX as u64) as usize];
            let age = latest.since(sent).plus(gap);
            if age < horizon {
                // from before the new zero is as from the zero
                self.push(now.since(age));
            }
        }
    }

    /// From when on fewer than `limit` times lie within `window`; never for a limit of zero.
    fn room_at(&self, limit: u64, window: Nanos) -> Nanos {
        let limit = limit.min(RATE_WINDOW_MAX as u64);
        if limit == 0 {
            return Nanos(u64::MAX);
        }
        if self.count < limit {
            return Nanos(0);
        }
        self.ring[((self.count - limit) % RATE_WINDOW_MAX as u64) as usize].plus(window)
    }
}

impl RateWindow {
    /// A window in which nothing was sent, and nothing may be until there are limits.
    #[must_use]
    pub fn new() -> RateWindow {
        let (orders, all, limits) = (Times::new(), Times::new(), Limits::default());
        RateWindow { orders, all, limits, room_at: [Nanos(u64::MAX); 3] }
    }

    /// From now on these limits hold.
    pub fn adopt(&mut self, limits: &PlanLimits) {
        let orders = limits.orders_per_window.into();
        self.limits = Limits {
            orders,
            all: orders + u64::from(limits.cancels_reserved_per_window),
            window: limits.rate_window,
            venue: limits.venue,
        };
        self.renew();
    }

    fn renew(&mut self) {
        let Limits { orders, all, window, venue } = &self.limits;
        let all = self.all.room_at(*all, *window);
        let own = self.orders.room_at(*orders, *window);
        let venue = |part: fn(u64) -> u64| {
            let rates = venue.iter().filter(|rate| rate.orders > 0);
            let room = rates.map(|rate| self.orders.room_at(part(rate.orders), rate.window));
            room.fold(all, Nanos::max)
        };
        let (closes, opens) = (venue(|orders| orders), venue(open_part).max(own));
        self.room_at[Use::Cancel as usize] = all;
        self.room_at[Use::Close as usize] = closes;
        self.room_at[Use::Order as usize] = opens;
    }

    /// Saves the window or brings it back; its limits are the plan's.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("rates");
        for times in [&mut self.orders, &mut self.all] {
            tape.pods(times.ring.as_mut_slice());
            tape.pod(&mut times.count);
        }
    }

    /// Notes a request that leaves.
    pub fn sent(&mut self, action: OrderAction, now: Nanos) {
        self.all.push(now);
        if matches!(action, OrderAction::Place | OrderAction::Replace) {
            self.orders.push(now);
        }
        self.renew();
    }

    /// A life begins whose clock counts from another zero: at its `now`, `gap` has passed since `latest`
    /// of the life before. What was sent keeps its age; what no window reaches is forgotten.
    pub fn begin(&mut self, now: Nanos, latest: Nanos, gap: Nanos) {
        let Limits { window, venue, .. } = &self.limits;
        let longest = venue.iter().map(|rate| rate.window).fold(*window, Nanos::max);
        for times in [&mut self.orders, &mut self.all] {
            times.begin(now, latest, gap, longest.max(HORIZON_MIN));
        }
        self.renew();
    }

    /// When there is room for it, if nothing else is sent until then.
    #[must_use]
    #[inline]
    pub const fn room_at(&self, wants: Use) -> Nanos {
        self.room_at[wants as usize]
    }

    /// Whether there is room in every window that counts for it.
    #[must_use]
    #[inline]
    pub const fn allows(&self, wants: Use, now: Nanos) -> bool {
        now.0 >= self.room_at(wants).0
    }
}

impl Default for RateWindow {
    fn default() -> RateWindow {
        RateWindow::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = Nanos::SECOND.0;

    fn window(orders: u32, span: Nanos) -> RateWindow {
        let mut rate = RateWindow::new();
        let mut limits = PlanLimits { orders_per_window: orders, ..PlanLimits::default() };
        (limits.rate_window, limits.cancels_reserved_per_window) = (span, 10_000);
        rate.adopt(&limits);
        rate
    }

    proptest! {
        /// Over the end of a life, against a list of ages: room comes when it would have come, or later
        /// where the new clock began after the sends.
        #[test]
        fn what_was_sent_keeps_its_age_in_the_next_life(
            sends in prop::collection::vec(0u64..20 * SECOND, 0..40),
            (orders, span) in (1u32..12, 1u64..30),
            (gap, now) in (0u64..90 * SECOND, 0u64..200 * SECOND),
            moved in any::<bool>(),
        ) {
            let (mut sends, span, start) = (sends, Nanos(span * SECOND), 1_000 * SECOND);
            sends.sort_unstable();
            let latest = start + 20 * SECOND;
            let mut rate = window(orders, span);
            sends.iter().for_each(|at| rate.sent(OrderAction::Place, Nanos(start + at)));
            rate.begin(Nanos(now), Nanos(latest), Nanos(gap));
            let ages: Vec<u64> = sends.iter().map(|at| 20 * SECOND - at + gap).collect();
            let lies_within = |age: &u64, later: u64| {
                // one that is older than the clock is as old as that
                (*age).min(now) + later < span.0 && *age < 60 * SECOND
            };
            let later = if moved { SECOND } else { 0 };
            let used = ages.iter().filter(|age| lies_within(age, later)).count();
            let has_room = used < orders as usize;
            prop_assert_eq!(rate.allows(Use::Order, Nanos(now + later)), has_room);
        }
    }

    #[test]
    fn an_hour_later_nothing_counts_and_a_second_later_everything_does() {
        for (gap, has_room) in [(3_600, true), (1, false)] {
            let mut rate = window(3, Nanos(10 * SECOND));
            (0..2_500).for_each(|at| rate.sent(OrderAction::Place, Nanos(at)));
            rate.begin(Nanos(7), Nanos(2_500), Nanos(gap * SECOND));
            assert_eq!(rate.allows(Use::Order, Nanos(8)), has_room, "{gap} s later");
        }
    }
}
