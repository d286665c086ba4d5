//! From prices to returns.

use super::panel::{Panel, PanelError};

/// Simple returns P_t/P_{t−1} − 1 of consecutive rows; the first date goes.
///
/// # Errors
/// Fewer than two rows.
pub fn simple(prices: &Panel) -> Result<Panel, PanelError> {
    each(prices, |before, after| after / before - 1.0)
}

/// Logarithmic returns ln(P_t/P_{t−1}) of consecutive rows; the first date goes.
///
/// # Errors
/// Fewer than two rows.
pub fn logarithmic(prices: &Panel) -> Result<Panel, PanelError> {
    each(prices, |before, after| (after / before).ln())
}

fn each(prices: &Panel, of: impl Fn(f64, f64) -> f64) -> Result<Panel, PanelError> {
    if prices.rows() < 2 {
        return Err(PanelError::Empty);
    }
    let column = |prices: &Vec<f64>| prices.windows(2).map(|pair| of(pair[0], pair[1])).collect();
    let columns = prices.columns().iter().map(column).collect();
    Panel::new(prices.dates()[1..].to_vec(), prices.symbols().to_vec(), columns)
}
