//! From prices to returns.

use super::panel::{Panel, PanelError};

/// Simple returns P_t/P_{t−1} − 1 of consecutive rows; the first date goes.
///
/// # Errors
/// Fewer than two rows.
pub fn simple(prices: &Panel) -> Result<Panel, PanelError> {
    over(prices, 1)
}

/// Simple returns P_t/P_{t−k} − 1 over so many rows, overlapping; the first k dates go.
///
/// # Errors
/// No more rows than that.
pub fn over(prices: &Panel, rows: usize) -> Result<Panel, PanelError> {
    each(prices, rows, |before, after| after / before - 1.0)
}

/// Logarithmic returns ln(P_t/P_{t−1}) of consecutive rows; the first date goes.
///
/// # Errors
/// Fewer than two rows.
pub fn logarithmic(prices: &Panel) -> Result<Panel, PanelError> {
    each(prices, 1, |before, after| (after / before).ln())
}

fn each(prices: &Panel, rows: usize, of: impl Fn(f64, f64) -> f64) -> Result<Panel, PanelError> {
    if rows == 0 || prices.rows() <= rows {
        return Err(PanelError::Empty);
    }
    let column = |prices: &Vec<f64>| {
        prices.iter().zip(&prices[rows..]).map(|(before, after)| of(*before, *after)).collect()
    };
    let columns = prices.columns().iter().map(column).collect();
    Panel::new(prices.dates()[rows..].to_vec(), prices.symbols().to_vec(), columns)
}
