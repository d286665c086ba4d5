//! Control for eyes: wealth as it was and as it was held, and the size through time.

use super::{Report, text};
use crate::cli::picture::{Chart, INK, MAIN, WARM, page, svg};
use crate::history::date::Date;
use crate::risk::drawdown::Controlled;

/// Dates along an axis.
const DATES: usize = 6;

pub(super) fn html(report: &Report, dates: &[Date], book: &[f64], found: &Controlled) -> String {
    let grown = |returns: &[f64]| {
        let mut wealth = 1.0;
        let rise = |(at, r): (usize, &f64)| {
            wealth *= 1.0 + r;
            (at as f64 + 1.0, wealth)
        };
        std::iter::once((0.0, 1.0)).chain(returns.iter().enumerate().map(rise)).collect::<Vec<_>>()
    };
    let (free, kept) = (grown(book), grown(&found.returns));
    let values = || free.iter().chain(&kept).map(|point| point.1);
    let (low, high) = (values().fold(1.0, f64::min), values().fold(1.0, f64::max));
    let along = (0.0, dates.len() as f64);
    let dated = |chart: &mut Chart| {
        for k in 0..DATES {
            let at = (dates.len() - 1) * k / (DATES - 1);
            chart.below(at as f64 + 1.0, dates[at].to_string());
        }
    };
    let mut wealth = Chart::new("", along, (low, high));
    dated(&mut wealth);
    wealth.line(&free, 1.0, WARM);
    wealth.line(&kept, 1.4, MAIN);
    wealth.legend(&[("as it was", WARM), ("controlled", MAIN)]);
    let sizes = found.scales.iter().enumerate();
    let steps = sizes.flat_map(|(at, &scale)| [(at as f64, scale), (at as f64 + 1.0, scale)]);
    let mut size = Chart::new("", along, (0.0, 1.0));
    dated(&mut size);
    size.line(&steps.collect::<Vec<_>>(), 1.2, INK);
    let pictures = [("Growth of one", svg(&wealth.picture())), ("Size held", svg(&size.picture()))];
    page("Drawdown control", &pictures, &text(report))
}
