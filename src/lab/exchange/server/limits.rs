//! The venue's rate limits: requests in, counts and refusals out.
//!
//! Windows are aligned to the venue's clock, as the venue's are. Who goes on after being told to
//! wait is banned: status 418 instead of 429.

use crate::lab::exchange::wire::refusal::Refusal;
use crate::units::Nanos;
use crate::venue::binance::Family;
use crate::venue::binance::orders::{RateCount, RateKind};

/// Refusals within one window after which the address is banned.
const PATIENCE: u32 = 10;
/// How long a ban lasts.
const BAN: Nanos = Nanos(120 * 1_000_000_000);

/// The limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSettings {
    /// Weight of requests per minute and address.
    pub weight_minute: u32,
    /// Orders per ten seconds and account.
    pub orders_ten_seconds: u32,
    /// Orders per long window and account.
    pub orders_long: u32,
    /// The long window: a day on spot, a minute on futures.
    pub long_s: u32,
}

impl RateSettings {
    /// The venue's limits for an account without special rights.
    #[must_use]
    pub const fn binance(family: Family) -> RateSettings {
        let [short, long] = family.order_rates();
        let orders_ten_seconds = short.orders as u32;
        match family {
            Family::Spot => RateSettings {
                weight_minute: 6_000,
                orders_ten_seconds,
                orders_long: 200_000,
                long_s: 86_400,
            },
            Family::UsdM | Family::CoinM => RateSettings {
                weight_minute: 2_400,
                orders_ten_seconds,
                orders_long: long.orders as u32,
                long_s: (long.window.0 / Nanos::SECOND.0) as u32,
            },
        }
    }
}

/// A limit that somebody else with the same address or account has used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The weight of the running minute: status 429, code -1003.
    Weight,
    /// The orders of the running ten seconds: status 429, code -1015.
    Orders,
    /// Patience: the address is banned, status 418, code -1003.
    Banned,
}

/// A refusal and when to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TooMany {
    pub(super) refusal: Refusal,
    pub(super) wait: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    kind: RateKind,
    interval_s: u32,
    limit: u32,
    /// Number of the window that `count` belongs to.
    number: u64,
    count: u32,
}

impl Window {
    const fn new(kind: RateKind, interval_s: u32, limit: u32) -> Window {
        Window { kind, interval_s, limit, number: 0, count: 0 }
    }

    const fn length(&self) -> u64 {
        self.interval_s as u64 * 1_000_000_000
    }

    fn enter(&mut self, now: Nanos) {
        let number = now.0 / self.length();
        if number != self.number {
            self.number = number;
            self.count = 0;
        }
    }

    fn rest(&self, now: Nanos) -> Nanos {
        Nanos(self.length() - now.0 % self.length())
    }
}

/// What was used of the limits.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    windows: [Window; 3],
    refused: u32,
    banned_until: Nanos,
}

impl Meter {
    pub(super) fn new(settings: &RateSettings) -> Meter {
        Meter {
            windows: [
                Window::new(RateKind::RequestWeight, 60, settings.weight_minute),
                Window::new(RateKind::Orders, 10, settings.orders_ten_seconds),
                Window::new(RateKind::Orders, settings.long_s, settings.orders_long),
            ],
            refused: 0,
            banned_until: Nanos(0),
        }
    }

    /// Takes the cost of a request: its weight, and whether it is a new order.
    pub(super) fn take(&mut self, weight: u32, is_order: bool, now: Nanos) -> Result<(), TooMany> {
        if now < self.banned_until {
            let wait = self.banned_until.since(now);
            let text = "Way too many requests; IP banned for some time.";
            return Err(TooMany { refusal: Refusal::of_status(418, -1003, text), wait });
        }
        self.windows.iter_mut().for_each(|window| window.enter(now));
        let costs = [weight, u32::from(is_order), u32::from(is_order)];
        let full = |(window, cost): (&Window, &u32)| {
            *cost > 0 && window.count.saturating_add(*cost) > window.limit
        };
        let Some(index) = self.windows.iter().zip(&costs).position(full) else {
            for (window, cost) in self.windows.iter_mut().zip(costs) {
                window.count += cost;
            }
            self.refused = 0;
            return Ok(());
        };
        self.refused += 1;
        if self.refused > PATIENCE {
            self.banned_until = now.plus(BAN);
        }
        let window = &self.windows[index];
        let wait = window.rest(now);
        let refusal = if index == 0 {
            let text = format!(
                "Too many requests; current limit is {} requests per minute.",
                window.limit
            );
            Refusal { status: 429, code: -1003, text: text.into() }
        } else {
            let text = format!(
                "Too many new orders; current limit is {} orders per {} SECOND.",
                window.limit, window.interval_s
            );
            Refusal { status: 429, code: -1015, text: text.into() }
        };
        Err(TooMany { refusal, wait })
    }

    /// Uses a limit up.
    pub(super) fn use_up(&mut self, full: Full, now: Nanos) {
        self.windows.iter_mut().for_each(|window| window.enter(now));
        match full {
            Full::Weight => self.windows[0].count = self.windows[0].limit,
            Full::Orders => self.windows[1].count = self.windows[1].limit,
            Full::Banned => self.banned_until = self.banned_until.max(now.plus(BAN)),
        }
    }

    /// The limits and what is used of them.
    pub(super) fn counts(&mut self, now: Nanos) -> [RateCount; 3] {
        self.windows.each_mut().map(|window| {
            window.enter(now);
            let Window { kind, interval_s, limit, count, .. } = *window;
            RateCount { kind, interval_s, limit, count }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_windows_refuse_then_ban_and_time_heals() {
        let mut meter = Meter::new(&RateSettings {
            weight_minute: 50,
            orders_ten_seconds: 2,
            orders_long: 100,
            long_s: 60,
        });
        let now = Nanos(3_000_000_000);
        assert_eq!((meter.take(1, true, now), meter.take(1, true, now)), (Ok(()), Ok(())));
        let refused = meter.take(1, true, now).unwrap_err();
        assert_eq!((refused.refusal.code, refused.wait), (-1015, Nanos(7_000_000_000)));
        assert_eq!(meter.take(1, false, now), Ok(()), "cancels go on");
        assert_eq!(meter.counts(now).map(|of| of.count), [3, 2, 2]);
        assert_eq!(meter.take(48, false, now).unwrap_err().refusal.code, -1003);
        let later = Nanos(10_000_000_000);
        assert_eq!(meter.take(1, true, later), Ok(()));
        for _ in 0..=PATIENCE {
            assert_eq!(meter.take(60, false, later).unwrap_err().refusal.status, 429);
        }
        assert_eq!(meter.take(1, false, later).unwrap_err().refusal.status, 418);
        assert_eq!(meter.take(1, false, later.plus(BAN)), Ok(()));
    }
}
