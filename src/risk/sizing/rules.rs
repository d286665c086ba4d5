//! Sizes by rules that need no record of bets, as shares of capital.
//!
//! - fixed fractional: what loses no more than the risk at its stop: risk/stop (Vince 1990);
//! - volatility: target over the asset's own, both of a year;
//! - regime: the regime's risk over its stop, never above its leverage;
//! - liquidity: a share of what is traded in a day, over capital.

use serde::Serialize;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Risk over stop.
    FixedFractional,
    /// Target over volatility.
    Volatility,
    /// Evidence of bets.
    Kelly,
    /// Equal contributions to risk, scaled to the volatility target.
    RiskParity,
    /// What the regime allows.
    Regime,
    /// What the capital's tier allows.
    Tier,
    /// What the market's volume allows.
    Liquidity,
    /// How it moves with what is held.
    Correlation,
}

/// What a rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Size {
    /// Which rule.
    pub rule: Rule,
    /// Share of capital.
    pub size: f64,
}

/// Why a number is no size.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{what} is {value}: give a number above 0")]
pub struct SizeError {
    /// Which number.
    pub what: &'static str,
    /// What was given.
    pub value: f64,
}

fn positive(what: &'static str, value: f64) -> Result<f64, SizeError> {
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err(SizeError { what, value }) }
}

/// Risk over stop: a fall to the stop costs `risk` of capital.
///
/// # Errors
/// A stop that is none, a risk that is negative.
pub fn fixed_fractional(risk: f64, stop: f64) -> Result<f64, SizeError> {
    let stop = positive("the stop", stop)?;
    if !(risk.is_finite() && risk >= 0.0) {
        return Err(SizeError { what: "the risk of a position", value: risk });
    }
    Ok(risk / stop)
}

/// Target over volatility.
///
/// # Errors
/// A volatility or a target that is none.
pub fn volatility_target(target: f64, volatility: f64) -> Result<f64, SizeError> {
    Ok(positive("the volatility target", target)? / positive("the volatility", volatility)?)
}

/// A share of the volume of a day, over capital.
///
/// # Errors
/// Capital that is none, a volume or a share that is negative.
pub fn liquidity(volume: f64, share: f64, capital: f64) -> Result<f64, SizeError> {
    let capital = positive("capital", capital)?;
    for (what, value) in [("the volume", volume), ("the share of volume", share)] {
        if !(value.is_finite() && value >= 0.0) {
            return Err(SizeError { what, value });
        }
    }
    Ok(volume * share / capital)
}

/// The rule that allows least.
#[must_use]
pub fn smallest(sizes: &[Size]) -> Option<Size> {
    sizes.iter().copied().min_by(|a, b| a.size.total_cmp(&b.size))
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn sizes_on_paper() {
        assert_eq!(fixed_fractional(0.02, 0.04), Ok(0.5));
        assert_eq!(fixed_fractional(0.0, 0.04), Ok(0.0));
        assert_eq!(volatility_target(0.2, 0.8), Ok(0.25));
        assert_eq!(liquidity(1e6, 0.01, 5e4), Ok(0.2));
        let sizes =
            [Size { rule: Rule::Volatility, size: 0.25 }, Size { rule: Rule::Tier, size: 0.1 }];
        assert_eq!(smallest(&sizes).map(|size| size.rule), Some(Rule::Tier));
    }

    #[test]
    fn what_is_no_size_is_named() {
        let wrong = fixed_fractional(0.02, 0.0).expect_err("no stop").to_string();
        assert!(wrong.contains("the stop is 0"), "{wrong}");
        assert!(volatility_target(0.2, f64::NAN).is_err() && liquidity(-1.0, 0.1, 1.0).is_err());
    }
}
