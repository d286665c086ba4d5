//! What made a book's return: its assets, its groups beside a benchmark's, its factors.
//!
//! - assets: weights set at a date drift with returns until the next; an asset's part is the money it made
//!   over the capital at the start, Σ V_{t−1}·w·r with V the book's worth before the period: parts add up
//!   to the compounded return exactly (some link by Carino's logarithms instead, which spreads late gains
//!   over all);
//! - groups beside a benchmark (Brinson and Fachler 1985): allocation (w − b)(r_b − R_b), selection
//!   b(r − r_b), interaction (w − b)(r − r_b), linked over time by logarithms (Carino 1999): each period's by
//!   (ln(1 + R) − ln(1 + B))/(R − B) over the same of the whole; some add interaction to selection;
//! - factors: regression of the book on them; a factor's part is its slope times its mean, what is left is
//!   alpha, and they add up to the mean.

use crate::maths::regression::{Regression, RegressionError, regress};
use crate::maths::statistics::mean;
use serde::Serialize;

/// Weights from a row on, until the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebalance {
    /// The first row that they are held in.
    pub row: usize,
    /// By asset; what they lack to one is cash that earns nothing.
    pub weights: Vec<f64>,
}

/// Why nothing was attributed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AttributionError {
    /// No weights for the first row.
    #[error("there are no weights for the first row")]
    Weights,
    /// A book that lost everything.
    #[error("row {row}: the book's return is {value}: nothing is left to attribute")]
    Ruin {
        /// Which, from zero.
        row: usize,
        /// What it was.
        value: f64,
    },
    /// The factors.
    #[error(transparent)]
    Factors(#[from] RegressionError),
}

/// A book through time.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Weights at the start of every row, `[row][asset]`.
    pub weights: Vec<Vec<f64>>,
    /// The book's return of every row.
    pub returns: Vec<f64>,
    /// Half the sum of the weights' changes at every rebalance after the first.
    pub turnover: Vec<f64>,
}

/// Holds weights that drift with returns between rebalances; with `is_constant` they are set again every row.
///
/// # Errors
/// No weights for the first row, a book that lost everything.
pub fn path(
    columns: &[Vec<f64>],
    rebalances: &[Rebalance],
    is_constant: bool,
) -> Result<Path, AttributionError> {
    let rows = columns.first().map_or(0, Vec::len);
    let first = rebalances.first().filter(|first| first.row == 0);
    let mut set = &first.ok_or(AttributionError::Weights)?.weights;
    let mut weights = set.clone();
    let mut found = Path { weights: Vec::new(), returns: Vec::new(), turnover: Vec::new() };
    let mut coming = rebalances[1..].iter().peekable();
    for row in 0..rows {
        let next = coming.next_if(|next| next.row == row);
        if let Some(next) = next {
            set = &next.weights;
        }
        if row > 0 && (is_constant || next.is_some()) {
            let changes = weights.iter().zip(set).map(|(w, s)| (w - s).abs());
            found.turnover.push(0.5 * changes.sum::<f64>());
            weights.clone_from(set);
        }
        let held = columns.iter().zip(&weights).map(|(column, w)| w * column[row]).sum::<f64>();
        if held.is_nan() || held <= -1.0 {
            return Err(AttributionError::Ruin { row, value: held });
        }
        found.returns.push(held);
        found.weights.push(weights.clone());
        for (w, column) in weights.iter_mut().zip(columns) {
            *w *= (1.0 + column[row]) / (1.0 + held);
        }
    }
    Ok(found)
}

/// Compounded return.
#[must_use]
pub fn compounded(returns: &[f64]) -> f64 {
    returns.iter().map(|r| r.ln_1p()).sum::<f64>().exp_m1()
}

/// What each asset made, over the capital at the start; the parts add up to the compounded return.
#[must_use]
pub fn by_asset(columns: &[Vec<f64>], path: &Path) -> Vec<f64> {
    let mut worth = 1.0;
    let mut before = Vec::with_capacity(path.returns.len());
    for r in &path.returns {
        before.push(worth);
        worth *= 1.0 + r;
    }
    let part = |(at, column): (usize, &Vec<f64>)| {
        let rows = column.iter().zip(&path.weights).zip(&before);
        rows.map(|((r, weights), worth)| worth * weights[at] * r).sum()
    };
    columns.iter().enumerate().map(part).collect()
}

/// What a group did beside the benchmark's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Brinson {
    /// Name.
    pub group: String,
    /// Mean weight in the book.
    pub weight: f64,
    /// Mean weight in the benchmark.
    pub benchmark_weight: f64,
    /// From weighing it otherwise.
    pub allocation: f64,
    /// From what was held within it.
    pub selection: f64,
    /// From both at once.
    pub interaction: f64,
}

/// A weight that a return can be taken over.
const HELD: f64 = 1e-12;

/// What a group weighs and earns in one row.
#[derive(Clone, Copy)]
struct Part {
    weight: f64,
    earned: f64,
}

impl Part {
    fn of(
        columns: &[Vec<f64>],
        weights: &[f64],
        members: &[usize],
        row: usize,
        cash: bool,
    ) -> Part {
        let weight = members.iter().map(|&at| weights[at]).sum::<f64>();
        let cash = if cash { 1.0 - weights.iter().sum::<f64>() } else { 0.0 };
        let earned = members.iter().map(|&at| weights[at] * columns[at][row]).sum();
        Part { weight: weight + cash, earned }
    }

    /// Earned over weight, where there is any.
    fn rate(self) -> Option<f64> {
        (self.weight.abs() > HELD).then(|| self.earned / self.weight)
    }
}

/// Allocation, selection and interaction of groups, which add up to the difference of the compounded
/// returns. Assets in no group, and cash, are a group of their own, named last.
#[must_use]
pub fn brinson(
    columns: &[Vec<f64>],
    book: &Path,
    benchmark: &Path,
    groups: &[(String, Vec<usize>)],
) -> Vec<Brinson> {
    let named = |at: &usize| groups.iter().any(|(_, members)| members.contains(at));
    let rest: Vec<usize> = (0..columns.len()).filter(|at| !named(at)).collect();
    let (whole, other) = (compounded(&book.returns), compounded(&benchmark.returns));
    let apart = whole - other;
    // Carino's k of two returns: (ln(1 + R) − ln(1 + B))/(R − B), 1/(1 + R) where they are the same
    let between = |r: f64, b: f64| {
        if (r - b).abs() < 1e-12 { 1.0 / (1.0 + r) } else { (r.ln_1p() - b.ln_1p()) / (r - b) }
    };
    let all = if apart.abs() < 1e-12 { 1.0 / (1.0 + whole) } else { between(whole, other) };
    let rows = book.returns.len();
    let lists = groups.iter().map(|(name, members)| (name.as_str(), members.as_slice()));
    let lists = lists.chain(std::iter::once(("rest and cash", rest.as_slice())));
    let last = groups.len();
    let one = |(place, (name, members)): (usize, (&str, &[usize]))| {
        let mut sum = Brinson {
            group: name.to_owned(),
            weight: 0.0,
            benchmark_weight: 0.0,
            allocation: 0.0,
            selection: 0.0,
            interaction: 0.0,
        };
        for row in 0..rows {
            let (r, b) = (book.returns[row], benchmark.returns[row]);
            let scale = between(r, b) / all;
            let is_rest = place == last;
            let own = Part::of(columns, &book.weights[row], members, row, is_rest);
            let its = Part::of(columns, &benchmark.weights[row], members, row, is_rest);
            // a group that one side does not hold has the other's return there, and no selection
            let its_rate = its.rate().or(own.rate()).unwrap_or(b);
            let more = own.weight - its.weight;
            let allocation = more * (its_rate - b);
            let selection = its.weight * (own.rate().unwrap_or(its_rate) - its_rate);
            let both = own.earned - its.earned - more * b;
            sum.weight += own.weight / rows as f64;
            sum.benchmark_weight += its.weight / rows as f64;
            sum.allocation += scale * allocation;
            sum.selection += scale * selection;
            sum.interaction += scale * (both - allocation - selection);
        }
        sum
    };
    lists.enumerate().map(one).collect()
}

/// What factors made of the mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// Slopes, errors, what is explained.
    pub regression: Regression,
    /// Slope times mean, by factor, of a period.
    pub parts: Vec<f64>,
}

/// Regresses a book on factors.
///
/// # Errors
/// Factors that do not fit the book or one another.
pub fn by_factor(book: &[f64], factors: &[Vec<f64>]) -> Result<Factors, AttributionError> {
    let regression = regress(book, factors)?;
    let parts = factors.iter().zip(&regression.slopes).map(|(f, slope)| slope * mean(f)).collect();
    Ok(Factors { regression, parts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::random::Random;

    fn columns(rows: usize, many: usize) -> Vec<Vec<f64>> {
        let mut random = Random::new(21, 0);
        (0..many).map(|_| (0..rows).map(|_| 0.0004 + 0.02 * random.normal()).collect()).collect()
    }

    fn at(row: usize, weights: &[f64]) -> Rebalance {
        Rebalance { row, weights: weights.to_vec() }
    }

    #[test]
    fn what_is_held_is_worth_its_units() {
        // two assets, half each, never touched: worth is the mean of both
        let columns = columns(50, 2);
        let path = path(&columns, &[at(0, &[0.5, 0.5])], false).expect("sound");
        let grown = |column: &Vec<f64>| column.iter().map(|r| 1.0 + r).product::<f64>();
        let wanted = 0.5 * (grown(&columns[0]) + grown(&columns[1])) - 1.0;
        assert!((compounded(&path.returns) - wanted).abs() < 1e-12);
        assert!(path.turnover.is_empty());
    }

    #[test]
    fn what_is_never_touched_makes_its_own_growth() {
        let columns = columns(80, 2);
        let path = path(&columns, &[at(0, &[0.7, 0.2])], false).expect("sound");
        let made = by_asset(&columns, &path);
        for (made, (column, weight)) in made.iter().zip(columns.iter().zip([0.7, 0.2])) {
            let grown = column.iter().map(|r| 1.0 + r).product::<f64>() - 1.0;
            assert!((made - weight * grown).abs() < 1e-12, "{made} {grown}");
        }
    }

    #[test]
    fn parts_of_assets_add_up() {
        let columns = columns(300, 3);
        let plan = [at(0, &[0.2, 0.3, 0.4]), at(100, &[0.5, 0.0, 0.4]), at(200, &[1.2, -0.3, 0.1])];
        for is_constant in [false, true] {
            let path = path(&columns, &plan, is_constant).expect("sound");
            let parts = by_asset(&columns, &path);
            let whole = compounded(&path.returns);
            assert!((parts.iter().sum::<f64>() - whole).abs() < 1e-12, "{parts:?} {whole}");
        }
        let drifting = path(&columns, &plan, false).expect("sound");
        assert_eq!(drifting.turnover.len(), 2);
    }

    #[test]
    fn one_period_of_brinson_on_paper() {
        // benchmark half and half earns 10 % and 2 %; the book holds 0.7 and 0.3 of assets that earn 12 and 1
        let columns = vec![vec![0.12], vec![0.10], vec![0.01], vec![0.02]];
        let book = path(&columns, &[at(0, &[0.7, 0.0, 0.3, 0.0])], false).expect("sound");
        let other = path(&columns, &[at(0, &[0.0, 0.5, 0.0, 0.5])], false).expect("sound");
        let groups = [("a".to_owned(), vec![0, 1]), ("b".to_owned(), vec![2, 3])];
        let found = brinson(&columns, &book, &other, &groups);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(found[0].allocation, 0.2 * (0.10 - 0.06));
        near(found[0].selection, 0.5 * 0.02);
        near(found[0].interaction, 0.2 * 0.02);
        near(found[1].allocation, -0.2 * (0.02 - 0.06));
        near(found[1].selection, 0.5 * -0.01);
        near(found[2].allocation + found[2].selection + found[2].interaction, 0.0);
    }

    #[test]
    fn brinson_adds_up_over_any_periods() {
        let columns = columns(250, 5);
        let book = path(
            &columns,
            &[at(0, &[0.4, 0.0, 0.3, 0.1, 0.1]), at(90, &[0.0, 0.2, 0.3, 0.1, 0.3])],
            false,
        );
        let other = path(&columns, &[at(0, &[0.2; 5])], true).expect("sound");
        let book = book.expect("sound");
        let groups = [("a".to_owned(), vec![0, 1]), ("b".to_owned(), vec![2, 3])];
        let found = brinson(&columns, &book, &other, &groups);
        let sum: f64 = found.iter().map(|g| g.allocation + g.selection + g.interaction).sum();
        let apart = compounded(&book.returns) - compounded(&other.returns);
        assert!((sum - apart).abs() < 1e-12, "{sum} {apart}");
        // canary: without linking the sum is another
        let plain: f64 = book.returns.iter().zip(&other.returns).map(|(r, b)| r - b).sum();
        assert!((plain - apart).abs() > 1e-4);
    }

    #[test]
    fn parts_of_factors_add_up_to_the_mean() {
        let columns = columns(400, 3);
        let book: Vec<f64> = (0..400)
            .map(|t| 0.001 + 0.8 * columns[0][t] - 0.3 * columns[1][t] + 0.1 * columns[2][t])
            .collect();
        let found = by_factor(&book, &columns[..2]).expect("fits");
        let sum = found.regression.constant + found.parts.iter().sum::<f64>();
        assert!((sum - mean(&book)).abs() < 1e-15);
        assert!((found.regression.slopes[0] - 0.8).abs() < 0.03);
    }

    #[test]
    fn what_cannot_be_attributed_is_named() {
        assert_eq!(path(&columns(5, 1), &[at(1, &[1.0])], false), Err(AttributionError::Weights));
        let ruin = path(&[vec![-0.6]], &[at(0, &[2.0])], false);
        assert!(matches!(ruin, Err(AttributionError::Ruin { row: 0, .. })));
    }
}
