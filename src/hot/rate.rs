//! Requests per window, without a clock: the send times of the last ones, asked with the time of now.
//!
//! Orders use their own part of a lane's budget and most of its share of the venue's; orders that close
//! positions use the part reserved for cancels and the rest of that share too, since a lane that traded
//! up to its limits must still get out; cancels, which the venue does not count, use the lane's whole
//! budget. Deliberately absent: waiting (`act` paces itself by `room_at`).

use crate::record::{OrderAction, PlanLimits, Tape};
use crate::units::Nanos;

/// Sends a rate window can hold; limits above it are cut to it. Small enough that both rings stay in
/// the cache.
pub const RATE_WINDOW_MAX: usize = 2_048;

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

    /// Whether fewer than `limit` times lie within `window` before `now`.
    #[inline]
    fn has_room(&self, limit: u64, window: Nanos, now: Nanos) -> bool {
        let limit = limit.min(RATE_WINDOW_MAX as u64);
        let place = self.count.wrapping_sub(limit) % RATE_WINDOW_MAX as u64;
        let oldest = self.ring[place as usize];
        (self.count < limit) | ((limit > 0) & (now.since(oldest) >= window))
    }
}

impl Times {
    /// The first time at which `has_room`, as things stand; never for a limit of zero.
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
    /// A window in which nothing was sent.
    #[must_use]
    pub fn new() -> RateWindow {
        RateWindow { orders: Times::new(), all: Times::new() }
    }

    /// Saves the window or brings it back.
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
    }

    /// A life begins whose clock counts from another zero: everything sent counts as sent now, which
    /// holds back more than the venue would.
    pub fn begin(&mut self, now: Nanos) {
        self.orders.ring.fill(now);
        self.all.ring.fill(now);
    }

    /// When the next order or change may leave, if nothing else is sent until then.
    #[must_use]
    pub fn room_at(&self, limits: &PlanLimits) -> Nanos {
        let total = limits.orders_per_window.saturating_add(limits.cancels_reserved_per_window);
        let all = self.all.room_at(total.into(), limits.rate_window);
        let own = self.orders.room_at(limits.orders_per_window.into(), limits.rate_window);
        let venue = limits.venue.iter().filter(|rate| rate.orders > 0);
        venue.fold(all.max(own), |at, rate| {
            at.max(self.orders.room_at(open_part(rate.orders), rate.window))
        })
    }

    /// Whether there is room in every window that counts for it.
    #[inline]
    #[must_use]
    pub fn allows(&self, wants: Use, limits: &PlanLimits, now: Nanos) -> bool {
        let total = limits.orders_per_window.saturating_add(limits.cancels_reserved_per_window);
        let (cancels, closes) = (wants == Use::Cancel, wants == Use::Close);
        let own = self.orders.has_room(limits.orders_per_window.into(), limits.rate_window, now);
        let venue = limits.venue.iter().fold(true, |room, rate| {
            let orders = if closes { rate.orders } else { open_part(rate.orders) };
            room & ((rate.orders == 0) | self.orders.has_room(orders, rate.window, now))
        });
        let all = self.all.has_room(total.into(), limits.rate_window, now);
        all & (cancels | ((own | closes) & venue))
    }
}

impl Default for RateWindow {
    fn default() -> RateWindow {
        RateWindow::new()
    }
}
