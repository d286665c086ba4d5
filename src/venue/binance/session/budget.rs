//! Rate budgets: may this request leave now? Cost and time -> yes, or how long to wait.
//!
//! Each limit is kept over a sliding window of nine slots of an eighth of the interval, so however
//! the venue aligns its own windows, no aligned window ever holds more than the limit. The venue's
//! counts can only raise ours (another process may use the same account). A reserved part of every
//! limit is for cancels and what reconciliation needs. A 429 or 418 answer stops everything until the
//! time it names, cancels too: the venue lengthens the ban of those who go on, and counts anew then.
//!
//! Nothing allocates after construction.

use crate::units::{Nanos, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::orders::{RateCount, RateKind, RateUsage};

/// Wait after a 429 or 418 that names no time.
const BAN_DEFAULT: Nanos = Nanos(60 * 1_000_000_000);

/// Slots that cover one interval.
const PARTS: u64 = 8;

/// What a request uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// A new order: one order, weight 1.
    Order,
    /// A replace or modify: counted like a new order.
    Replace,
    /// A cancel, of one order or all: weight 1, no order count; may use the reserve.
    Cancel,
    /// A request, by its weight, that decides whether the lane may trade; may use most of the reserve.
    Urgent(u32),
    /// Any other request, by its weight.
    Request(u32),
}

/// A refusal for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {} budget is used up; wait until {} ns", if *banned { "banned" } else { "rate" }, until.0)]
pub struct Wait {
    /// Not before this time.
    pub until: Nanos,
    /// Whether the venue itself said so.
    pub banned: bool,
}

#[derive(Clone, Debug)]
struct Window {
    kind: RateKind,
    interval_s: u32,
    limit: u32,
    reserved: u32,
    /// Whether cancels count.
    counts_cancels: bool,
    slot_ns: u64,
    /// Number of the newest slot since the clock's zero.
    newest: u64,
    used: [u32; PARTS as usize + 1],
}

/// The budgets of one order session.
#[derive(Clone, Debug)]
pub struct Budget {
    windows: Vec<Window>,
    banned_until: Nanos,
    /// The venue has sent us away, and counts anew when that is over.
    was_banned: bool,
}

/// Orders per second that Bot4 allows itself: 20 on spot, 50 on futures (DEFINITIONS.md).
#[must_use]
pub const fn own_orders_per_second(family: Family) -> u32 {
    match family {
        Family::Spot => 20,
        Family::UsdM | Family::CoinM => 50,
    }
}

impl Budget {
    /// The venue's limits (from `exchangeInfo` or any answer) and our own per second, with
    /// `reserved_percent` of each for cancels alone.
    #[must_use]
    pub fn new(family: Family, limits: &[RateCount], reserved_percent: u32) -> Budget {
        let own =
            Window::new(RateKind::Orders, 1, own_orders_per_second(family), reserved_percent, true);
        let theirs = limits.iter().filter(|of| of.interval_s > 0).map(|of| {
            let cancels = of.kind != RateKind::Orders;
            Window::new(of.kind, of.interval_s, of.limit, reserved_percent, cancels)
        });
        let windows = std::iter::once(own).chain(theirs).collect();
        Budget { windows, banned_until: Nanos(0), was_banned: false }
    }

    /// Takes the cost out of every budget, or none.
    ///
    /// # Errors
    /// When a budget has no room, with the earliest time at which to ask again.
    pub fn take(&mut self, cost: Cost, now: Nanos) -> Result<(), Wait> {
        if now < self.banned_until {
            return Err(Wait { until: self.banned_until, banned: true });
        }
        if std::mem::take(&mut self.was_banned) {
            self.windows.iter_mut().for_each(|window| window.used.fill(0));
        }
        let mut until = Nanos(0);
        for window in &mut self.windows {
            window.advance(now);
            let units = window.units(cost);
            let room = match cost {
                Cost::Cancel => window.limit,
                // orders weigh too, and are not counted here
                Cost::Urgent(_) => window.limit - window.reserved / 4,
                _ => window.limit - window.reserved,
            };
            if units > 0 && window.total().saturating_add(units) > room {
                until = until.max(window.frees_at(units, room));
            }
        }
        if until > Nanos(0) {
            return Err(Wait { until, banned: false });
        }
        for window in &mut self.windows {
            let units = window.units(cost);
            window.add(units);
        }
        Ok(())
    }

    /// Takes in the counts of an answer: where the venue counts more than we do, we follow.
    pub fn observe(&mut self, usage: &RateUsage, now: Nanos) {
        for count in usage.counts() {
            for window in &mut self.windows[1..] {
                if window.kind == count.kind && window.interval_s == count.interval_s {
                    window.advance(now);
                    window.add(count.count.saturating_sub(window.total()));
                    window.limit = count.limit;
                    window.reserved = window.reserved.min(count.limit);
                }
            }
        }
    }

    /// Takes in the weight that a REST answer says is used of the running minute.
    pub fn observe_weight(&mut self, used: u32, now: Nanos) {
        let is = |of: &&mut Window| of.kind == RateKind::RequestWeight && of.interval_s == 60;
        if let Some(window) = self.windows.iter_mut().find(is) {
            window.advance(now);
            window.add(used.saturating_sub(window.total()));
        }
    }

    /// Takes in the status of an answer; 429 and 418 close the budget.
    ///
    /// `retry_after` is the venue's time for listening again, on the wall clock.
    pub fn status(
        &mut self,
        status: u16,
        retry_after: Option<UnixNanos>,
        now: Nanos,
        wall: UnixNanos,
    ) {
        if !matches!(status, 418 | 429) {
            return;
        }
        let named = retry_after.map(|until| Nanos(until.0.saturating_sub(wall.0)));
        self.ban(named.unwrap_or(BAN_DEFAULT), now);
    }

    /// Closes the budget for a span, as `Retry-After` of a REST answer names it.
    pub fn ban(&mut self, span: Nanos, now: Nanos) {
        self.banned_until = self.banned_until.max(now.plus(span));
        self.was_banned = true;
    }

    /// Requests used of a limit, for reports.
    #[must_use]
    pub fn used(&self, kind: RateKind, interval_s: u32) -> Option<u32> {
        let is = |of: &&Window| of.kind == kind && of.interval_s == interval_s;
        self.windows.iter().find(is).map(Window::total)
    }
}

impl Window {
    fn new(
        kind: RateKind,
        interval_s: u32,
        limit: u32,
        reserved_percent: u32,
        counts_cancels: bool,
    ) -> Window {
        let reserved = u64::from(limit) * u64::from(reserved_percent.min(100)) / 100;
        Window {
            kind,
            interval_s,
            limit,
            reserved: reserved as u32,
            counts_cancels,
            slot_ns: u64::from(interval_s) * 1_000_000_000 / PARTS,
            newest: 0,
            used: [0; PARTS as usize + 1],
        }
    }

    const fn units(&self, cost: Cost) -> u32 {
        match (self.kind, cost) {
            (RateKind::Connections, _) => 0,
            (RateKind::RequestWeight, Cost::Request(weight) | Cost::Urgent(weight)) => weight,
            (RateKind::Orders, Cost::Request(_) | Cost::Urgent(_)) => 0,
            (_, Cost::Cancel) => self.counts_cancels as u32,
            _ => 1,
        }
    }

    /// Empties the slots that time has left behind.
    fn advance(&mut self, now: Nanos) {
        let slot = now.0 / self.slot_ns;
        let passed = slot.saturating_sub(self.newest).min(self.used.len() as u64);
        for step in 0..passed {
            let at = (slot - step) % self.used.len() as u64;
            self.used[at as usize] = 0;
        }
        self.newest = self.newest.max(slot);
    }

    fn total(&self) -> u32 {
        self.used.iter().fold(0, |sum, used| sum.saturating_add(*used))
    }

    fn add(&mut self, units: u32) {
        let at = (self.newest % self.used.len() as u64) as usize;
        self.used[at] = self.used[at].saturating_add(units);
    }

    /// When enough old slots have expired; if they never free enough, after a whole interval.
    fn frees_at(&self, units: u32, room: u32) -> Nanos {
        let slots = self.used.len() as u64;
        let mut left = self.total();
        for step in 1..=slots {
            // Slot `newest + step` takes the place of the oldest one.
            left = left.saturating_sub(self.used[((self.newest + step) % slots) as usize]);
            if left.saturating_add(units) <= room {
                return Nanos((self.newest + step) * self.slot_ns);
            }
        }
        Nanos((self.newest + slots) * self.slot_ns)
    }
}
