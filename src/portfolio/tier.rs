//! Tiers of capital: what a position and all of them may be, by how much capital there is.
//!
//! A tier is entered above one amount and left below a lower one (20 % hysteresis around the boundary), and
//! moves one tier at a time, so that a deposit does not change everything at once.

use serde::Serialize;

/// A tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// The smallest.
    Survival,
    /// From 5 000.
    Growth,
    /// From 20 000.
    Acceleration,
    /// From 100 000.
    Institutional,
    /// From a million.
    Whale,
}

/// What a tier allows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TierLimits {
    /// Greatest position over capital.
    pub position: f64,
    /// Greatest sum of positions over capital.
    pub leverage: f64,
    /// Advice asked for in a day.
    pub advisor_calls: u32,
}

/// All, upwards.
const TIERS: [Tier; 5] =
    [Tier::Survival, Tier::Growth, Tier::Acceleration, Tier::Institutional, Tier::Whale];

impl Tier {
    /// The tier whose boundaries capital lies between, without a history of tiers.
    #[must_use]
    pub fn of(capital: f64) -> Tier {
        let boundary = |tier: Tier| tier.bounds().2;
        TIERS.into_iter().rev().find(|&tier| capital >= boundary(tier)).unwrap_or(Tier::Survival)
    }

    /// Entered above, left below, the boundary between.
    fn bounds(self) -> (f64, f64, f64) {
        match self {
            Tier::Survival => (f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY),
            Tier::Growth => (6_000.0, 4_000.0, 5_000.0),
            Tier::Acceleration => (24_000.0, 16_000.0, 20_000.0),
            Tier::Institutional => (120_000.0, 80_000.0, 100_000.0),
            Tier::Whale => (1_200_000.0, 800_000.0, 1_000_000.0),
        }
    }

    /// The tier after one evaluation: this one, the next above or the next below.
    #[must_use]
    pub fn next(self, capital: f64) -> Tier {
        let place = self as usize;
        match TIERS.get(place + 1) {
            Some(above) if capital > above.bounds().0 => *above,
            _ if place > 0 && capital < self.bounds().1 => TIERS[place - 1],
            _ => self,
        }
    }

    /// What it allows.
    #[must_use]
    pub fn limits(self) -> TierLimits {
        let (position, leverage, advisor_calls) = match self {
            Tier::Survival => (0.05, 1.0, 10),
            Tier::Growth => (0.10, 2.0, 100),
            Tier::Acceleration => (0.15, 3.0, 500),
            Tier::Institutional => (0.20, 3.0, 2_000),
            Tier::Whale => (0.25, 3.0, 10_000),
        };
        TierLimits { position, leverage, advisor_calls }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_entered_and_left_at_different_amounts() {
        assert_eq!(Tier::Survival.next(5_999.0), Tier::Survival);
        assert_eq!(Tier::Survival.next(6_001.0), Tier::Growth);
        assert_eq!(Tier::Growth.next(4_001.0), Tier::Growth);
        assert_eq!(Tier::Growth.next(3_999.0), Tier::Survival);
    }

    #[test]
    fn a_leap_moves_one_tier_at_a_time() {
        let mut tier = Tier::Survival;
        let mut seen = Vec::new();
        for _ in 0..6 {
            tier = tier.next(5e6);
            seen.push(tier);
        }
        assert_eq!(seen[..4], TIERS[1..]);
        assert_eq!(seen[5], Tier::Whale);
        for _ in 0..6 {
            tier = tier.next(1.0);
        }
        assert_eq!(tier, Tier::Survival);
    }

    #[test]
    fn capital_alone_has_the_tier_between_its_boundaries() {
        let found = [4_999.0, 5_000.0, 99_999.0, 1e6].map(Tier::of);
        assert_eq!(found, [Tier::Survival, Tier::Growth, Tier::Acceleration, Tier::Whale]);
    }
}
