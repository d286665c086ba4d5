//! A scenario's profit over any lanes. The generic body is what both CPU twins run.

use super::book::{Book, OptionTerm, Right, SPREAD_MIN, VOLATILITY_MIN};
use crate::compute::elementary::{exp, ln, mills};
use crate::compute::garch_paths::Paths;
use crate::compute::garch_paths::formula::walk;
use crate::compute::reduce::BLOCK;
use crate::compute::singles::Singles;

/// 1/√2π.
const DENSITY: f32 = 0.398_942_3;
/// A price cannot fall below this share of itself in a scenario of an option or an inverse.
const RATIO_MIN: f32 = 1e-6;

/// Returns of scenarios side by side: factor f stands at `numbers[f · stride + at]`.
#[derive(Clone, Copy)]
pub struct Returns<'a> {
    /// The tile.
    pub numbers: &'a [f32],
    /// From factor to factor.
    pub stride: usize,
    /// The scenario.
    pub at: usize,
}

impl Returns<'_> {
    #[inline(always)]
    fn of<S: Singles>(&self, factor: u32) -> S {
        S::load(self.numbers, factor as usize * self.stride + self.at)
    }

    #[inline(always)]
    fn converted<S: Singles>(&self, profit: S, currency: Option<u32>) -> S {
        match currency {
            Some(factor) => self.of::<S>(factor).fma(profit, profit),
            None => profit,
        }
    }
}

/// What all linear positions of a group and what stands before them give.
#[inline(always)]
pub fn linear<S: Singles>(terms: &[(u32, f32)], returns: Returns) -> S {
    let mut sum = S::splat(0.0);
    for &(factor, exposure) in terms {
        sum = S::splat(exposure).fma(returns.of(factor), sum);
    }
    sum
}

/// Everything that is not linear, added to `sum` in the order of the lists.
#[inline(always)]
pub fn curved<S: Singles>(book: &Book, returns: Returns, mut sum: S) -> S {
    for term in book.squares() {
        let r = returns.of::<S>(term.factor);
        sum = (S::splat(term.half_gamma) * r).fma(r, sum);
    }
    for term in book.inverses() {
        let r = returns.of::<S>(term.factor);
        let ratio = (r + S::splat(1.0)).greatest(S::splat(RATIO_MIN));
        let profit = S::splat(term.scale) * (r / ratio);
        sum = sum + returns.converted(profit, term.currency);
    }
    for term in book.options() {
        sum = sum + option(term, returns);
    }
    sum
}

/// One option's profit.
#[inline(always)]
fn option<S: Singles>(term: &OptionTerm, returns: Returns) -> S {
    let one = S::splat(1.0);
    let ratio = (returns.of::<S>(term.factor) + one).greatest(S::splat(RATIO_MIN));
    let m = S::splat(term.moneyness) * ratio;
    let mut volatility = S::splat(term.volatility);
    if let Some(factor) = term.volatility_factor {
        let change = S::splat(term.volatility_scale);
        volatility = change.fma(returns.of(factor), volatility).greatest(S::splat(VOLATILITY_MIN));
    }
    let spread = (volatility * S::splat(term.root_time)).greatest(S::splat(SPREAD_MIN));
    let mut value = in_strikes(m, spread, term.right);
    if term.in_coin {
        value = value / m;
    }
    let profit = S::splat(term.scale) * (value - S::splat(term.value));
    returns.converted(profit, term.currency)
}

/// Black-76 in units of the strike.
#[inline(always)]
pub fn in_strikes<S: Singles>(m: S, spread: S, right: Right) -> S {
    let (zero, one, half) = (S::splat(0.0), S::splat(1.0), S::splat(0.5));
    // −|ln m|/s: the side out of the money is the call below the strike, the put above
    let distance = (zero - ln(m).abs()) / spread;
    let near = spread.fma(half, distance);
    let far = spread.fma(S::splat(-0.5), distance);
    // what the side out of the money gets if exercised, in strikes: the forward, or the strike
    let paid = m.least(one);
    let weight = paid * S::splat(DENSITY) * exp(near * near * S::splat(-0.5));
    let (m_near, m_far) = (mills(near), mills(far));
    let above = paid - weight * (m_near + m_far);
    let out = near.if_above(zero, above, weight * (m_near - m_far));
    let intrinsic = match right {
        Right::Call => m - one,
        Right::Put => one - m,
    };
    out.greatest(zero) + intrinsic.greatest(zero)
}

/// The profit of one register of scenarios.
#[inline(always)]
pub fn profit<S: Singles>(book: &Book, returns: Returns) -> S {
    let mut sum = S::splat(book.constant());
    for group in book.groups() {
        sum = sum + returns.converted(linear::<S>(&group.terms, returns), group.currency);
    }
    curved(book, returns, sum)
}

/// A tile, scenario by scenario.
#[inline(always)]
pub(super) fn block<S: Singles>(book: &Book, tile: &[f32], profits: &mut [f32]) {
    for at in (0..BLOCK).step_by(S::WIDTH) {
        let returns = Returns { numbers: tile, stride: BLOCK, at };
        profit::<S>(book, returns).store(profits, at);
    }
}

/// A block of paths, register by register: `room` holds their returns; the ratios of tilted ones stand behind
/// the profits.
#[inline(always)]
pub(super) fn simulate_block<S: Singles>(
    job: &Paths,
    book: &Book,
    first_path: u64,
    room: &mut [f32],
    to: &mut [f32],
) {
    // factors that no asset moves stand behind the returns as zeros
    let (moved, all) = (job.assets().len() * S::WIDTH, book.factors() * S::WIDTH);
    let (walked, returns) = room.split_at_mut(room.len() - all);
    let (profits, ratios) = to.split_at_mut(BLOCK);
    returns[moved..].fill(0.0);
    for at in (0..BLOCK).step_by(S::WIDTH) {
        walk::<S>(job, first_path + at as u64, walked);
        returns[..moved].copy_from_slice(&walked[..moved]);
        if !ratios.is_empty() {
            S::load(walked, moved).store(ratios, at);
        }
        let returns = Returns { numbers: returns, stride: S::WIDTH, at: 0 };
        profit::<S>(book, returns).store(profits, at);
    }
}
