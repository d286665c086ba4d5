//! Whether correlations stayed what they were: every pair's tests, and its rolling window.

use super::CovFailure;
use crate::history::Panel;
use crate::model::breaks::{Break, BreakError, breaks, rolling};
use serde::Serialize;
use std::fmt::Write;

/// A pair.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Pair {
    pub first: String,
    pub second: String,
    pub correlation: f64,
    pub before: f64,
    pub newest: f64,
    /// Of the rolling window.
    pub least: f64,
    /// Of the rolling window.
    pub most: f64,
    pub fluctuation: f64,
    pub fluctuation_p: f64,
    /// The date after which correlation changed most.
    pub changed_after: String,
    pub shift: f64,
    pub shift_p: f64,
    /// Corrected for all pairs and both tests.
    pub corrected_p: f64,
}

/// What the tests say, the most broken first.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Breaks {
    pub window: usize,
    pub pairs: Vec<Pair>,
}

pub(super) fn tested(panel: &Panel, window: usize) -> Result<Breaks, CovFailure> {
    let names = panel.symbols();
    let found = breaks(panel.columns(), window).map_err(|error| match error {
        BreakError::Still(at) => CovFailure::Breaks(format!(
            "`{}` never moves before or within the newest {window} rows: it has no correlation there",
            names[at]
        )),
        other => CovFailure::Breaks(other.to_string()),
    })?;
    let pair = |found: &Break| {
        let (x, y) = (&panel.columns()[found.first], &panel.columns()[found.second]);
        let path = rolling(x, y, window);
        let sound = || path.iter().copied().filter(|rho| rho.is_finite());
        Pair {
            first: names[found.first].clone(),
            second: names[found.second].clone(),
            correlation: found.correlation,
            before: found.before,
            newest: found.newest,
            least: sound().fold(1.0, f64::min),
            most: sound().fold(-1.0, f64::max),
            fluctuation: found.fluctuation,
            fluctuation_p: found.fluctuation_p,
            changed_after: panel.dates()[found.at].to_string(),
            shift: found.shift,
            shift_p: found.shift_p,
            corrected_p: found.corrected_p,
        }
    };
    let mut pairs: Vec<Pair> = found.iter().map(pair).collect();
    pairs.sort_by(|a, b| {
        a.corrected_p.total_cmp(&b.corrected_p).then(b.fluctuation.total_cmp(&a.fluctuation))
    });
    Ok(Breaks { window, pairs })
}

/// Pairs that a terminal has room for.
const SHOWN: usize = 15;

pub(super) fn write(text: &mut String, found: &Breaks) {
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        "breaks: the newest {} rows beside those before; p-values corrected for all {} pairs",
        found.window,
        found.pairs.len()
    );
    let _ = writeln!(
        text,
        "{:<18} {:>7} {:>7} {:>7} {:>16} {:>9} {:>9} {:>9}  changed after",
        "pair", "all", "before", "newest", "rolling", "moved p", "shift p", "corrected"
    );
    for pair in found.pairs.iter().take(SHOWN) {
        let _ = writeln!(
            text,
            "{:<18} {:>7.3} {:>7.3} {:>7.3} {:>7.3} to {:>5.3} {:>9.5} {:>9.5} {:>9.5}  {}",
            format!("{}/{}", pair.first, pair.second),
            pair.correlation,
            pair.before,
            pair.newest,
            pair.least,
            pair.most,
            pair.fluctuation_p,
            pair.shift_p,
            pair.corrected_p,
            pair.changed_after
        );
    }
    if found.pairs.len() > SHOWN {
        let _ = writeln!(text, "({} more pairs: --json)", found.pairs.len() - SHOWN);
    }
}
