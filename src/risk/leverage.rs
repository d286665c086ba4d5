//! How much of capital a book of returns may be held with, by each rule, and which rule binds.
//!
//! - growth: L that is greatest in mean ln(1 + L·r − (L − 1)·c) over the history's own returns, c what a
//!   borrowed unit costs a period and cash earns (Kelly 1956, Thorp 2006); a fraction of it is Kelly's;
//! - volatility, value at risk, shortfall: limit over what an unlevered book has;
//! - drawdown: the greatest L whose history, held at L throughout, never fell by more than the limit;
//! - margin: 1/(initial margin), and the L at which a fall by the least distance just leaves maintenance:
//!   1 − L·d = m·L·(1 − d).
//!
//! `study` says what fractions of the full growth leverage would have made of the same history.

use super::measures::{MeasureError, falls, measure};
use serde::Serialize;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A fraction of what grows fastest.
    Kelly,
    /// Volatility a year.
    Volatility,
    /// Value at risk of a period.
    ValueAtRisk,
    /// Shortfall of a period.
    Shortfall,
    /// The history's drawdown.
    Drawdown,
    /// Initial margin, and the distance to liquidation.
    Margin,
    /// The regime.
    Regime,
    /// The tier of capital.
    Tier,
    /// The limit of all.
    Limit,
}

/// Limits; those that are none do not bind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Of all.
    pub leverage: f64,
    /// The regime's.
    pub regime: f64,
    /// The tier's.
    pub tier: f64,
    /// Share of the full growth leverage.
    pub kelly: f64,
    /// What a borrowed unit costs a period.
    pub borrowing: f64,
    /// Deviation a year.
    pub volatility: f64,
    /// Level of value at risk and shortfall.
    pub level: f64,
    /// Value at risk of a period, positive.
    pub value_at_risk: f64,
    /// Shortfall of a period, positive.
    pub shortfall: f64,
    /// Deepest fall, positive.
    pub drawdown: f64,
    /// Margin that opens a position, of its value; none for a book without borrowing by margin.
    pub margin: Option<Margin>,
}

/// What a venue wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    /// Of a position's value, to open.
    pub initial: f64,
    /// Of a position's value, to keep.
    pub maintenance: f64,
    /// Least fall that must not liquidate.
    pub distance: f64,
}

/// What a rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cap {
    /// Which.
    pub rule: Rule,
    /// Times capital.
    pub leverage: f64,
}

/// What all rules allow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leverage {
    /// Times capital, by the strictest.
    pub leverage: f64,
    /// Which that is.
    pub rule: Rule,
    /// Those that limit anything, in the order of the rules.
    pub caps: Vec<Cap>,
    /// What grows fastest on the history; none where more always grew faster.
    pub growth_optimal: Option<f64>,
    /// (mean − c)/variance: the same for small returns (Merton 1969).
    pub merton: f64,
}

/// What a fraction of the full growth leverage made of the history.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Studied {
    /// Share of the full.
    pub fraction: f64,
    /// Times capital.
    pub leverage: f64,
    /// Growth a year; minus one where it was ruined.
    pub growth: f64,
    /// Deepest fall, negative.
    pub max_drawdown: f64,
    /// Chance of ever falling to half, ½^(2/fraction − 1), of a lognormal walk with this growth optimum
    /// (Thorp 2006, section 7): not measured on the history.
    pub half_chance: f64,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LeverageError {
    /// The returns.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// A limit that is none.
    #[error("{what} is {value}: give {wanted}")]
    Limit {
        /// Which.
        what: &'static str,
        /// What was given.
        value: f64,
        /// What is wanted.
        wanted: &'static str,
    },
}

/// Leverage is looked for up to here.
const LEVERAGE_MAX: f64 = 1_000.0;
const HALVINGS: usize = 100;
/// Leverage below this is none.
const NOTHING: f64 = 1e-9;

/// Returns of the book held at `leverage`.
fn levered(returns: &[f64], leverage: f64, borrowing: f64) -> impl Iterator<Item = f64> + '_ {
    returns.iter().map(move |r| leverage * r - (leverage - 1.0) * borrowing)
}

/// Slope of the mean logarithm of wealth; minus infinity beyond ruin.
fn growth_slope(returns: &[f64], leverage: f64, borrowing: f64) -> f64 {
    let mut sum = 0.0;
    for (r, held) in returns.iter().zip(levered(returns, leverage, borrowing)) {
        if held <= -1.0 {
            return f64::NEG_INFINITY;
        }
        sum += (r - borrowing) / (1.0 + held);
    }
    sum / returns.len() as f64
}

/// The greatest leverage below `LEVERAGE_MAX` for which `holds`, which is true below it and false above;
/// zero where it holds nowhere.
fn greatest(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, LEVERAGE_MAX);
    if holds(high) {
        return high;
    }
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

/// The leverage of greatest growth, nothing where nothing is to be won; the mean logarithm is concave.
#[must_use]
pub fn growth_optimal(returns: &[f64], borrowing: f64) -> f64 {
    greatest(|leverage| growth_slope(returns, leverage, borrowing) > 0.0)
}

/// The deepest fall of the book held at `leverage`, negative; −1 where it was ruined.
fn deepest(returns: &[f64], leverage: f64, borrowing: f64) -> f64 {
    // a period that takes all, or more, takes all
    let held = levered(returns, leverage, borrowing).map(|r| r.max(-1.0));
    falls(held).fold(0.0, f64::min)
}

/// The greatest leverage that never fell by more, looked for upwards from the unlevered book's own size, so
/// that what is found is the first to break the limit.
fn by_drawdown(returns: &[f64], limit: f64, borrowing: f64) -> f64 {
    let holds = |leverage: f64| deepest(returns, leverage, borrowing) >= -limit;
    // cash that earns and costs that grow make falls not quite monotone: steps of a twentieth, then halving
    let mut low = 0.0;
    let mut step = 0.05;
    while low + step <= LEVERAGE_MAX && holds(low + step) {
        low += step;
        step = (0.05 * low).max(0.05);
    }
    let mut high = low + step;
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

impl Margin {
    /// The greatest leverage that opens, and that a fall by the distance does not liquidate.
    #[must_use]
    pub fn cap(&self) -> f64 {
        let opens = 1.0 / self.initial;
        opens.min(1.0 / (self.distance + self.maintenance * (1.0 - self.distance)))
    }
}

fn check(limits: &Limits) -> Result<(), LeverageError> {
    let above = [
        ("the volatility limit", limits.volatility),
        ("the limit on value at risk", limits.value_at_risk),
        ("the limit on shortfall", limits.shortfall),
        ("the drawdown limit", limits.drawdown),
        ("the fraction of Kelly", limits.kelly),
    ];
    for (what, value) in above {
        if !(value.is_finite() && value > 0.0) {
            return Err(LeverageError::Limit { what, value, wanted: "a number above 0" });
        }
    }
    for (what, value) in [
        ("the leverage limit", limits.leverage),
        ("the regime's leverage", limits.regime),
        ("the tier's leverage", limits.tier),
    ] {
        if value.is_nan() || value < 0.0 {
            return Err(LeverageError::Limit {
                what,
                value,
                wanted: "a number that is not negative",
            });
        }
    }
    if !(limits.borrowing.is_finite() && limits.borrowing.abs() < 1.0) {
        let (what, value) = ("the cost of borrowing", limits.borrowing);
        return Err(LeverageError::Limit { what, value, wanted: "a rate of a period, as 0.0002" });
    }
    if let Some(margin) = limits.margin {
        let (initial, kept) = (margin.initial, margin.maintenance);
        if !(initial > 0.0 && initial <= 1.0) {
            let wanted = "a share of a position's value above 0, at most 1";
            return Err(LeverageError::Limit {
                what: "the initial margin",
                value: initial,
                wanted,
            });
        }
        if !(0.0..=initial).contains(&kept) {
            let wanted = "a share of a position's value, at most the initial margin";
            return Err(LeverageError::Limit {
                what: "the maintenance margin",
                value: kept,
                wanted,
            });
        }
        if !(margin.distance > 0.0 && margin.distance < 1.0) {
            let (what, value) = ("the distance to liquidation", margin.distance);
            return Err(LeverageError::Limit { what, value, wanted: "a fall between 0 and 1" });
        }
    }
    Ok(())
}

/// What every rule allows a book of simple returns; `calendar` is periods a year.
///
/// # Errors
/// Returns that cannot be measured, limits that are none.
pub fn leverage(
    returns: &[f64],
    calendar: f64,
    limits: &Limits,
) -> Result<Leverage, LeverageError> {
    check(limits)?;
    let found = measure(returns, calendar, 0.0, &[limits.level], None)?;
    let tail = found.tails[0];
    // a tail that gains limits nothing, and what is not limited below the search's end neither
    let over = |limit: f64, loss: f64| if loss > 0.0 { limit / loss } else { LEVERAGE_MAX };
    let full = growth_optimal(returns, limits.borrowing);
    let mut caps = vec![
        Cap { rule: Rule::Kelly, leverage: limits.kelly * full },
        Cap { rule: Rule::Volatility, leverage: over(limits.volatility, found.volatility) },
        Cap { rule: Rule::ValueAtRisk, leverage: over(limits.value_at_risk, tail.var) },
        Cap { rule: Rule::Shortfall, leverage: over(limits.shortfall, tail.es) },
        Cap {
            rule: Rule::Drawdown,
            leverage: by_drawdown(returns, limits.drawdown, limits.borrowing),
        },
        Cap { rule: Rule::Regime, leverage: limits.regime },
        Cap { rule: Rule::Tier, leverage: limits.tier },
        Cap { rule: Rule::Limit, leverage: limits.leverage },
    ];
    if let Some(margin) = limits.margin {
        caps.push(Cap { rule: Rule::Margin, leverage: margin.cap() });
    }
    caps.retain(|cap| cap.leverage < LEVERAGE_MAX);
    let strictest = caps.iter().copied().min_by(|a, b| a.leverage.total_cmp(&b.leverage));
    let none = Cap { rule: Rule::Limit, leverage: limits.leverage };
    let strictest = strictest.unwrap_or(none);
    Ok(Leverage {
        leverage: strictest.leverage,
        rule: strictest.rule,
        caps,
        growth_optimal: (full < LEVERAGE_MAX).then_some(full),
        merton: (found.mean - limits.borrowing) / (found.deviation * found.deviation),
    })
}

/// What fractions of the full growth leverage made of the history, in the order given; nothing where
/// nothing is to be won, or where more always grew faster.
///
/// # Errors
/// Returns that cannot be measured.
pub fn study(
    returns: &[f64],
    calendar: f64,
    borrowing: f64,
    fractions: &[f64],
) -> Result<Vec<Studied>, LeverageError> {
    measure(returns, calendar, 0.0, &[], None)?;
    let full = growth_optimal(returns, borrowing);
    if full <= NOTHING || full >= LEVERAGE_MAX {
        return Ok(Vec::new());
    }
    let one = |&fraction: &f64| {
        let leverage = fraction * full;
        let logs = levered(returns, leverage, borrowing).map(f64::ln_1p).sum::<f64>();
        let growth =
            if logs.is_nan() { -1.0 } else { (logs * calendar / returns.len() as f64).exp_m1() };
        Studied {
            fraction,
            leverage,
            growth,
            max_drawdown: deepest(returns, leverage, borrowing),
            half_chance: 0.5_f64.powf(2.0 / fraction - 1.0).min(1.0),
        }
    };
    Ok(fractions.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::random::Random;

    fn limits() -> Limits {
        Limits {
            leverage: 3.0,
            regime: 3.0,
            tier: 3.0,
            kelly: 0.25,
            borrowing: 0.0,
            volatility: 0.2,
            level: 0.99,
            value_at_risk: 0.02,
            shortfall: 0.03,
            drawdown: 0.15,
            margin: None,
        }
    }

    fn returns() -> Vec<f64> {
        let mut random = Random::new(5, 0);
        (0..2_000).map(|_| 0.0004 + 0.008 * random.normal()).collect()
    }

    #[test]
    fn a_coin_is_held_by_kellys_formula() {
        // a win of 1 or a loss of 1, p 0.6: f* = 0.2; with b 2, p 0.5: 0.25
        let coin: Vec<f64> = (0..100).map(|k| if k % 5 < 3 { 0.99 } else { -0.99 }).collect();
        assert!((growth_optimal(&coin, 0.0) - 0.2 / 0.99).abs() < 1e-9);
        let fair: Vec<f64> = (0..100).map(|k| if k % 2 == 0 { 0.5 } else { -0.25 }).collect();
        assert!((growth_optimal(&fair, 0.0) - 1.0).abs() < 1e-9);
        let lost: Vec<f64> = fair.iter().map(|r| -r).collect();
        assert!(growth_optimal(&lost, 0.0) < 1e-9);
    }

    #[test]
    fn growth_is_greatest_where_a_slow_search_finds_it() {
        let returns = returns();
        let grown =
            |leverage: f64| levered(&returns, leverage, 0.0001).map(f64::ln_1p).sum::<f64>();
        let found = growth_optimal(&returns, 0.0001);
        let slow = (0..40_000)
            .map(|k| 0.001 * f64::from(k))
            .max_by(|a, b| grown(*a).total_cmp(&grown(*b)));
        assert!((found - slow.expect("some")).abs() < 1e-3, "{found} {slow:?}");
    }

    #[test]
    fn the_strictest_rule_binds_and_holds() {
        let returns = returns();
        let found = leverage(&returns, 252.0, &limits()).expect("sound");
        assert!(found.caps.iter().all(|cap| cap.leverage >= found.leverage));
        let drawdown = found.caps.iter().find(|cap| cap.rule == Rule::Drawdown).expect("there");
        assert!(deepest(&returns, drawdown.leverage, 0.0) >= -0.15 - 1e-9);
        assert!(deepest(&returns, 1.01 * drawdown.leverage, 0.0) < -0.15);
        let calm = Limits { regime: 0.0, ..limits() };
        let none = leverage(&returns, 252.0, &calm).expect("sound");
        assert!(none.leverage == 0.0 && none.rule == Rule::Regime);
    }

    #[test]
    fn margin_leaves_what_the_distance_takes() {
        let margin = Margin { initial: 0.1, maintenance: 0.05, distance: 0.2 };
        let cap = margin.cap();
        // after the fall, equity is just the maintenance
        assert!((1.0 - cap * 0.2 - 0.05 * cap * 0.8).abs() < 1e-12);
        assert!((Margin { distance: 0.01, ..margin }.cap() - 10.0).abs() < 1e-12);
    }

    #[test]
    fn half_of_kelly_halves_the_risk_and_keeps_most_growth() {
        let studied = study(&returns(), 252.0, 0.0, &[0.5, 1.0, 2.0]).expect("sound");
        assert!(
            studied[0].growth > 0.7 * studied[1].growth && studied[0].growth < studied[1].growth
        );
        assert!(studied[0].max_drawdown > studied[1].max_drawdown);
        assert!((studied[0].half_chance - 0.125).abs() < 1e-12);
        assert!((studied[1].half_chance - 0.5).abs() < 1e-12);
        // twice Kelly grows by nothing, of a random walk
        assert!(studied[2].growth < 0.3 * studied[1].growth);
    }

    #[test]
    fn what_is_no_limit_is_named() {
        let wrong = Limits { drawdown: 0.0, ..limits() };
        let error = leverage(&returns(), 252.0, &wrong).expect_err("none").to_string();
        assert!(error.contains("the drawdown limit is 0"), "{error}");
        let margin = Some(Margin { initial: 0.05, maintenance: 0.1, distance: 0.1 });
        assert!(leverage(&returns(), 252.0, &Limits { margin, ..limits() }).is_err());
    }
}
