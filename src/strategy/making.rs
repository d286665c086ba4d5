//! Market making: market view, parameters and position -> quotes on both sides.
//!
//! The asymptotic quotes of Gueant, Lehalle and Fernandez-Tapia (2013, "Dealing with the inventory
//! risk: a solution to the market making problem", section 4) around the microprice. With inventory
//! `q` in units of one quote, volatility `s` and the coefficients of the plan, in ticks:
//! `half = base + s * risk / 2`, `centre = microprice - s * risk * q`.
//! `decide` uses + - * / and rounding only; the logarithm and power live in `coefficients`, which
//! runs where plans are made. Deliberately absent: orders, limits (the gate's business).

use crate::record::{Level, MakingParameters};
use crate::units::{Lots, Ticks};

/// Quote levels per side at most.
pub const LEVELS_MAX: usize = 4;

/// What the strategy sees of the market.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MarketView {
    /// Size-weighted middle, ticks.
    pub microprice: f64,
    /// Best bid.
    pub bid: Ticks,
    /// Best ask.
    pub ask: Ticks,
    /// Ticks per square root of a second.
    pub volatility: f64,
}

/// Wanted quotes, best first; `None` where no quote is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotes {
    /// Bids.
    pub bids: [Option<Level>; LEVELS_MAX],
    /// Asks.
    pub asks: [Option<Level>; LEVELS_MAX],
}

/// The two coefficients `(base, risk)` of the published closed form, for order flow
/// `arrival_scale * exp(-arrival_decay * distance)` per second with the distance in ticks.
///
/// Returns `None` when an argument is not positive and finite.
#[must_use]
pub fn coefficients(gamma: f64, arrival_scale: f64, arrival_decay: f64) -> Option<(f64, f64)> {
    let arguments = [gamma, arrival_scale, arrival_decay];
    if arguments.iter().any(|x| !x.is_finite() || *x <= 0.0) {
        return None;
    }
    let ratio = gamma / arrival_decay;
    let base = ratio.ln_1p() / gamma;
    let power = (ratio.ln_1p() * (1.0 + 1.0 / ratio)).exp();
    let risk = (gamma / (2.0 * arrival_scale * arrival_decay) * power).sqrt();
    (base.is_finite() && risk.is_finite()).then_some((base, risk))
}

/// Quotes for one instrument; none on a side whose next fill would pass `position_max`.
#[must_use]
#[inline]
pub fn decide(
    view: &MarketView,
    parameters: &MakingParameters,
    position: Lots,
    position_max: Lots,
) -> Quotes {
    let mut quotes = Quotes::default();
    let size = parameters.quote_lots.0;
    if size <= 0 || view.bid >= view.ask {
        return quotes;
    }
    let held = position.0.saturating_sub(parameters.target_lots.0) as f64 / size as f64;
    let lean = view.volatility * parameters.risk;
    let half = (parameters.base_half_spread + 0.5 * lean).max(parameters.half_spread_min);
    let centre = view.microprice - lean * held;
    if !(centre.is_finite() && half.is_finite()) {
        return quotes;
    }
    let levels = (parameters.levels as usize).clamp(1, LEVELS_MAX);
    let step = half.max(1.0);
    // post-only: a quote joins the touch at best, it never meets the other side
    let bid_max = view.ask.0 - 1;
    let ask_min = view.bid.0 + 1;
    for level in 0..levels {
        let distance = half + step * level as f64;
        let room = size.saturating_mul(level as i64 + 1);
        let bid = floor(centre - distance).min(bid_max);
        if bid > 0 && position.0.saturating_add(room) <= position_max.0 {
            quotes.bids[level] = Some(Level { price: Ticks(bid), lots: Lots(size) });
        }
        let ask = ceil(centre + distance).max(ask_min);
        if position.0.saturating_sub(room) >= -position_max.0 {
            quotes.asks[level] = Some(Level { price: Ticks(ask), lots: Lots(size) });
        }
    }
    quotes
}

/// Largest integer not above `x`, without libm; saturates.
#[inline]
fn floor(x: f64) -> i64 {
    let whole = x as i64;
    if (whole as f64) > x { whole - 1 } else { whole }
}

/// Smallest integer not below `x`, without libm; saturates.
#[inline]
fn ceil(x: f64) -> i64 {
    let whole = x as i64;
    if (whole as f64) < x { whole.saturating_add(1) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parameters() -> MakingParameters {
        let (base, risk) = coefficients(0.02, 1.0, 0.3).unwrap();
        MakingParameters {
            base_half_spread: base,
            risk,
            volatility_start: 5.0,
            requote_ticks: 1.0,
            quote_lots: Lots(10),
            target_lots: Lots(0),
            half_spread_min: 1.0,
            levels: 2,
        }
    }

    fn view() -> MarketView {
        MarketView { microprice: 1_000.5, bid: Ticks(1_000), ask: Ticks(1_001), volatility: 5.0 }
    }

    /// The exact optimal bid distance at inventory `q` far from the horizon: the ground state of the
    /// tridiagonal matrix of the paper's linear system, by inverse power iteration on a truncated grid.
    fn exact_bid_distance(gamma: f64, a: f64, k: f64, sigma: f64, q: i64) -> f64 {
        const Q: i64 = 40;
        let n = (2 * Q + 1) as usize;
        let alpha = 0.5 * k * gamma * sigma * sigma;
        let eta = a * (1.0 + gamma / k).powf(-(1.0 + k / gamma));
        let diagonal: Vec<f64> = (-Q..=Q).map(|i| alpha * (i * i) as f64 + 2.0 * eta).collect();
        let mut v = vec![1.0; n];
        for _ in 0..2_000 {
            // solve (D - eta * neighbours) x = v by elimination
            let (mut upper, mut right) = (vec![0.0; n], vec![0.0; n]);
            for i in 0..n {
                let (below, carried) =
                    if i == 0 { (0.0, 0.0) } else { (-eta, -eta * upper[i - 1]) };
                let pivot = diagonal[i] - carried;
                upper[i] = -eta / pivot;
                let previous = if i == 0 { 0.0 } else { right[i - 1] };
                right[i] = (v[i] - below * previous) / pivot;
            }
            for i in (0..n - 1).rev() {
                right[i] -= upper[i] * right[i + 1];
            }
            let norm = right.iter().map(|x| x * x).sum::<f64>().sqrt();
            v = right.iter().map(|x| x / norm).collect();
        }
        let at = (q + Q) as usize;
        (v[at] / v[at + 1]).ln() / k + (1.0 + gamma / k).ln() / gamma
    }

    #[test]
    fn the_closed_form_is_close_to_the_exact_solution() {
        let (gamma, a, k, sigma) = (0.01, 0.9, 0.3, 3.0);
        let (base, risk) = coefficients(gamma, a, k).unwrap();
        for q in [-5i64, -2, 0, 2, 5] {
            let closed = base + (2 * q + 1) as f64 / 2.0 * sigma * risk;
            let exact = exact_bid_distance(gamma, a, k, sigma, q);
            assert!(
                (closed - exact).abs() < 0.05 * exact.abs().max(1.0),
                "q={q}: {closed} {exact}"
            );
        }
    }

    #[test]
    fn inventory_leans_against_itself() {
        let flat = decide(&view(), &parameters(), Lots(0), Lots(1_000));
        let long = decide(&view(), &parameters(), Lots(100), Lots(1_000));
        assert!(long.bids[0].unwrap().price < flat.bids[0].unwrap().price);
        assert!(long.asks[0].unwrap().price <= flat.asks[0].unwrap().price);
    }

    #[test]
    fn a_full_position_stops_one_side_only() {
        let full = decide(&view(), &parameters(), Lots(1_000), Lots(1_000));
        assert!(full.bids.iter().all(Option::is_none));
        assert!(full.asks[0].is_some());
    }

    #[test]
    fn absurd_arguments_make_no_coefficients() {
        for (gamma, a, k) in
            [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, f64::NAN), (1e-300, 1.0, 1e300)]
        {
            let made = coefficients(gamma, a, k);
            assert!(made.is_none_or(|(base, risk)| base.is_finite() && risk.is_finite()));
        }
    }

    proptest! {
        #[test]
        fn quotes_never_cross_the_market_or_each_other(
            microprice in 900.0f64..1_100.0,
            spread in 1i64..50,
            volatility in 0.0f64..500.0,
            position in -2_000i64..2_000,
        ) {
            let bid = Ticks(1_000);
            let view = MarketView { microprice, bid, ask: bid.plus(Ticks(spread)), volatility };
            let quotes = decide(&view, &parameters(), Lots(position), Lots(1_500));
            for level in 0..LEVELS_MAX {
                if let Some(quote) = quotes.bids[level] {
                    prop_assert!(quote.price < view.ask && quote.price.0 > 0);
                    prop_assert!(position < 1_500);
                }
                if let Some(quote) = quotes.asks[level] {
                    prop_assert!(quote.price > view.bid);
                    prop_assert!(position > -1_500);
                }
                if let (Some(b), Some(a)) = (quotes.bids[level], quotes.asks[level]) {
                    prop_assert!(b.price < a.price);
                }
            }
        }
    }
}
