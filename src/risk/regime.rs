//! What a market's regime allows: risk of a position, leverage, stop and correlation, each a default that may
//! be overruled by something stricter.
//!
//! Regimes come with probabilities. `blended` weights every limit by them, exposures rather than what they
//! are made of; a black swan's are nothing, so its probability cuts by as much. A regime above 75 % binds
//! by its own limits too.

use serde::Serialize;

/// A state of the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regime {
    /// Rising.
    Bull,
    /// Without direction.
    Sideways,
    /// Moving more than usual.
    HighVolatility,
    /// Moving less than usual.
    LowVolatility,
    /// Falling.
    Bear,
    /// Falling as it hardly ever does: no exposure.
    BlackSwan,
}

/// Limits of a position and of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegimeLimits {
    /// Share of capital that a position may lose at its stop.
    pub risk_per_position: f64,
    /// A position over capital: risk over stop, never above the leverage.
    pub position: f64,
    /// Sum of positions over capital.
    pub leverage: f64,
    /// Distance of a stop, as a share of the price.
    pub stop: f64,
    /// Correlation with what is held.
    pub correlation: f64,
}

/// Why probabilities are none.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegimeError {
    /// One that is none.
    #[error("the probability of {} is {value}: give a number from 0 to 1", .regime.name())]
    Probability {
        /// Of which.
        regime: Regime,
        /// What was given.
        value: f64,
    },
    /// They are not all.
    #[error("the regimes' probabilities add up to {0:.6}, not to 1")]
    Sum(f64),
}

impl Regime {
    /// All of them.
    pub const ALL: [Regime; 6] = [
        Regime::Bull,
        Regime::Sideways,
        Regime::HighVolatility,
        Regime::LowVolatility,
        Regime::Bear,
        Regime::BlackSwan,
    ];

    /// As users write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Regime::Bull => "bull",
            Regime::Sideways => "sideways",
            Regime::HighVolatility => "high-volatility",
            Regime::LowVolatility => "low-volatility",
            Regime::Bear => "bear",
            Regime::BlackSwan => "black-swan",
        }
    }

    /// By its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Regime> {
        Regime::ALL.into_iter().find(|regime| regime.name() == name)
    }

    /// What it allows by default.
    #[must_use]
    pub fn limits(self) -> RegimeLimits {
        let (risk_per_position, leverage, stop, correlation): (f64, f64, f64, f64) = match self {
            Regime::Bull => (0.02, 3.0, 0.04, 0.7),
            Regime::Sideways => (0.015, 1.5, 0.03, 0.3),
            Regime::HighVolatility => (0.01, 1.0, 0.03, 0.4),
            Regime::LowVolatility => (0.02, 2.0, 0.03, 0.5),
            Regime::Bear => (0.01, 1.0, 0.02, 0.2),
            Regime::BlackSwan => (0.0, 0.0, 0.01, 0.0),
        };
        let position = (risk_per_position / stop).min(leverage);
        RegimeLimits { risk_per_position, position, leverage, stop, correlation }
    }
}

/// Confidence above which a regime counts as the market's.
const SURE: f64 = 0.75;
/// How far from one probabilities may add up.
const SUM_ERROR: f64 = 1e-6;

/// Limits weighted by the regimes' probabilities.
///
/// # Errors
/// Probabilities that are none, or do not add up to one.
pub fn blended(regimes: &[(Regime, f64)]) -> Result<RegimeLimits, RegimeError> {
    if let Some(&(regime, value)) = regimes.iter().find(|(_, p)| !(0.0..=1.0).contains(p)) {
        return Err(RegimeError::Probability { regime, value });
    }
    let sum: f64 = regimes.iter().map(|(_, p)| p).sum();
    if (sum - 1.0).abs() > SUM_ERROR {
        return Err(RegimeError::Sum(sum));
    }
    let weighted = |of: fn(RegimeLimits) -> f64| {
        regimes.iter().map(|&(regime, p)| p / sum * of(regime.limits())).sum()
    };
    let blend = RegimeLimits {
        risk_per_position: weighted(|l| l.risk_per_position),
        position: weighted(|l| l.position),
        leverage: weighted(|l| l.leverage),
        stop: weighted(|l| l.stop),
        correlation: weighted(|l| l.correlation),
    };
    // a regime that is as good as sure allows no more than it does alone
    let sure = regimes.iter().find(|(_, p)| p / sum > SURE).map(|(regime, _)| regime.limits());
    Ok(sure.map_or(blend, |own| RegimeLimits {
        risk_per_position: blend.risk_per_position.min(own.risk_per_position),
        position: blend.position.min(own.position),
        leverage: blend.leverage.min(own.leverage),
        stop: blend.stop.min(own.stop),
        correlation: blend.correlation.min(own.correlation),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certainty_is_the_regimes_own() {
        for regime in Regime::ALL {
            assert_eq!(blended(&[(regime, 1.0)]), Ok(regime.limits()));
            assert_eq!(Regime::parse(regime.name()), Some(regime));
        }
    }

    #[test]
    fn a_swan_cuts_by_its_probability() {
        let found = blended(&[(Regime::Bull, 0.6), (Regime::BlackSwan, 0.4)]).expect("sound");
        assert!((found.leverage - 1.8).abs() < 1e-12);
        assert!((found.risk_per_position - 0.012).abs() < 1e-12);
        assert!((found.position - 0.3).abs() < 1e-12, "not 0.012 over a blended stop");
        let sure = blended(&[(Regime::Bull, 0.1), (Regime::BlackSwan, 0.9)]).expect("sound");
        assert!(sure.position <= 0.0 && sure.leverage <= 0.0, "{sure:?}");
    }

    #[test]
    fn what_is_no_probability_is_named() {
        assert_eq!(blended(&[(Regime::Bull, 0.6)]), Err(RegimeError::Sum(0.6)));
        let wrong = blended(&[(Regime::Bear, f64::NAN)]).expect_err("no number").to_string();
        assert!(wrong.contains("bear"), "{wrong}");
    }
}
