//! Risk budgets and what a book has used of them: of the whole, of assets, of strategies or groups of assets,
//! of factors, of the tail.
//!
//! Shares of risk add up: an asset's share of deviation is w_i(Σw)_i/wᵀΣw (Litterman 1996), its share of
//! the tail is its part of the mean loss on the book's worst rows (Tasche 1999), and a factor's share is
//! the covariance of b_k·f_k with the book over the book's variance, b from the regression of the book on
//! factors; what factors do not explain is a share of its own. A share may be negative: what hedges gives
//! back.

use super::measures::falls;
use crate::maths::regression::{RegressionError, regress};
use crate::maths::statistics::{covariance, lower_tail, mean, sorted};
use serde::Serialize;

/// Where a budget counts as nearly used.
const WARNED: f64 = 0.8;

/// How far a budget is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Below four fifths.
    Within,
    /// Above four fifths.
    Warned,
    /// Above all of it.
    Over,
}

/// A budget and what was used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Used {
    /// Of what.
    pub name: String,
    /// Allowed.
    pub budget: f64,
    /// Used, in the same units.
    pub used: f64,
    /// Used over allowed; none where nothing is allowed and something is used.
    pub share: Option<f64>,
    /// How far.
    pub state: State,
}

/// How the book's risk divides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Deviation.
    #[default]
    Volatility,
    /// Mean loss on the worst rows.
    Tail,
}

/// What the whole may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Deviation a year.
    pub volatility: f64,
    /// Level of the two below.
    pub level: f64,
    /// Value at risk of a period.
    pub value_at_risk: f64,
    /// Shortfall of a period.
    pub shortfall: f64,
    /// Deepest fall of the history.
    pub drawdown: f64,
}

/// What the book has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Risk {
    /// Deviation of a period.
    pub deviation: f64,
    /// Positive for a loss.
    pub value_at_risk: f64,
    /// Positive for a loss.
    pub shortfall: f64,
    /// Negative.
    pub max_drawdown: f64,
    /// Where the book stands below its highest now, negative.
    pub drawdown: f64,
}

/// Names with members by place, and a share of the whole's risk.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Name.
    pub name: String,
    /// Assets.
    pub members: Vec<usize>,
    /// Share of the whole's risk.
    pub share: f64,
}

impl Used {
    /// A budget and what was used; a negative use uses nothing.
    #[must_use]
    pub fn of(name: &str, budget: f64, used: f64) -> Used {
        let taken = used.max(0.0);
        let share = if taken == 0.0 { Some(0.0) } else { (budget > 0.0).then(|| taken / budget) };
        let state = match share {
            Some(share) if share <= WARNED => State::Within,
            Some(share) if share <= 1.0 => State::Warned,
            _ => State::Over,
        };
        Used { name: name.to_owned(), budget, used, share, state }
    }
}

/// Returns of weights held at every row.
#[must_use]
pub fn held(columns: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut book = vec![0.0; columns.first().map_or(0, Vec::len)];
    for (column, weight) in columns.iter().zip(weights) {
        book.iter_mut().zip(column).for_each(|(sum, r)| *sum += weight * r);
    }
    book
}

/// What a book of returns has.
#[must_use]
pub fn risk(book: &[f64], level: f64) -> Risk {
    let (at, beyond) = lower_tail(&sorted(book), 1.0 - level);
    let (deepest, now) = falls(book.iter().copied())
        .fold((0.0_f64, 0.0), |(deepest, _), fall| (deepest.min(fall), fall));
    Risk {
        deviation: covariance(book, book).sqrt(),
        value_at_risk: -at,
        shortfall: -beyond,
        max_drawdown: deepest,
        drawdown: now,
    }
}

/// What the whole has used of its limits.
#[must_use]
pub fn whole(risk: &Risk, calendar: f64, limits: &Limits) -> Vec<Used> {
    vec![
        Used::of("volatility", limits.volatility, risk.deviation * calendar.sqrt()),
        Used::of("value-at-risk", limits.value_at_risk, risk.value_at_risk),
        Used::of("shortfall", limits.shortfall, risk.shortfall),
        Used::of("drawdown", limits.drawdown, -risk.drawdown),
    ]
}

/// Each asset's share of the book's risk; they add up to one where there is any risk.
#[must_use]
pub fn shares(columns: &[Vec<f64>], weights: &[f64], kind: Kind, level: f64) -> Vec<f64> {
    let book = held(columns, weights);
    match kind {
        Kind::Volatility => {
            let whole = covariance(&book, &book);
            let part =
                |(column, weight): (&Vec<f64>, &f64)| weight * covariance(column, &book) / whole;
            columns.iter().zip(weights).map(part).collect()
        }
        Kind::Tail => {
            let (at, beyond) = lower_tail(&sorted(&book), 1.0 - level);
            let worst: Vec<usize> = (0..book.len()).filter(|&row| book[row] <= at).collect();
            let part = |(column, weight): (&Vec<f64>, &f64)| {
                let rows: Vec<f64> = worst.iter().map(|&row| column[row]).collect();
                weight * mean(&rows) / beyond
            };
            columns.iter().zip(weights).map(part).collect()
        }
    }
}

/// What groups have used of their shares.
#[must_use]
pub fn groups(shares: &[f64], budgets: &[Budget]) -> Vec<Used> {
    let used = |budget: &Budget| {
        let sum = budget.members.iter().map(|&at| shares[at]).sum();
        Used::of(&budget.name, budget.share, sum)
    };
    budgets.iter().map(used).collect()
}

/// Each factor's share of the book's variance, then the share that no factor explains.
///
/// # Errors
/// Factors that do not fit the book or one another.
pub fn factor_shares(book: &[f64], factors: &[Vec<f64>]) -> Result<Vec<f64>, RegressionError> {
    let found = regress(book, factors)?;
    let whole = covariance(book, book);
    let part = |(factor, slope): (&Vec<f64>, &f64)| slope * covariance(factor, book) / whole;
    let mut shares: Vec<f64> = factors.iter().zip(&found.slopes).map(part).collect();
    shares.push(1.0 - shares.iter().sum::<f64>());
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::random::Random;

    fn columns() -> Vec<Vec<f64>> {
        let mut random = Random::new(9, 0);
        let market: Vec<f64> = (0..800).map(|_| 0.01 * random.normal()).collect();
        let asset = |beta: f64, random: &mut Random| {
            market.iter().map(|m| beta * m + 0.005 * random.normal()).collect()
        };
        let first = asset(1.0, &mut random);
        let second = asset(-0.5, &mut random);
        vec![first, second, market]
    }

    #[test]
    fn shares_add_up_and_are_slopes_of_the_whole() {
        let columns = &columns()[..2];
        let weights = [0.7, 0.3];
        for kind in [Kind::Volatility, Kind::Tail] {
            let found = shares(columns, &weights, kind, 0.95);
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{kind:?} {found:?}");
            assert!(found[1] < 0.0, "what hedges gives back: {found:?}");
        }
        // Euler: a share is the slope of the deviation's logarithm in the weight's
        let deviation = |weights: &[f64]| risk(&held(columns, weights), 0.95).deviation;
        let by = 1e-6;
        let slope = (deviation(&[0.7 * (1.0 + by), 0.3]).ln() - deviation(&weights).ln()) / by;
        let found = shares(columns, &weights, Kind::Volatility, 0.95);
        assert!((found[0] - slope).abs() < 1e-5, "{} {slope}", found[0]);
    }

    #[test]
    fn a_factor_has_what_it_explains() {
        let all = columns();
        let book = held(&all[..2], &[1.0, 0.0]);
        let found = factor_shares(&book, &all[2..]).expect("fits");
        // the market's variance is 1e-4 of 1.25e-4
        assert!((found[0] - 0.8).abs() < 0.05 && (found[0] + found[1] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn budgets_are_within_warned_or_over() {
        assert_eq!(Used::of("a", 0.2, 0.1).state, State::Within);
        assert_eq!(Used::of("a", 0.2, 0.17).state, State::Warned);
        assert_eq!(Used::of("a", 0.2, 0.21).state, State::Over);
        assert_eq!(Used::of("a", 0.0, 0.1).share, None);
        assert_eq!(Used::of("a", 0.0, -0.1).state, State::Within);
        let budgets = [Budget { name: "both".into(), members: vec![0, 1], share: 0.5 }];
        assert_eq!(groups(&[0.4, 0.3, 0.3], &budgets)[0].state, State::Over);
    }
}
