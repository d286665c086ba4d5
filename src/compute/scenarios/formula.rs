//! A scenario's profit over any lanes. The generic body is what both CPU twins run.

use super::book::{Book, OptionTerm, Right, SPREAD_MIN, VOLATILITY_MIN};
use crate::compute::elementary::{density, ln_near, mills};
use crate::compute::garch_paths::Paths;
use crate::compute::garch_paths::formula::walk;
use crate::compute::reduce::BLOCK;
use crate::compute::singles::{Singles, Words};

/// The bit of a number's sign.
const SIGN: u32 = 1 << 31;
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
pub fn curved<S: Singles>(book: &Book, returns: Returns, sum: S) -> S {
    let mut sum = bent(book, returns, sum);
    for term in book.options() {
        sum = sum + option(term, returns);
    }
    sum
}

/// Squares and inverses.
#[inline(always)]
pub fn bent<S: Singles>(book: &Book, returns: Returns, mut sum: S) -> S {
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
    sum
}

/// One option's profit.
#[inline(always)]
fn option<S: Singles>(term: &OptionTerm, returns: Returns) -> S {
    let m = moneyness::<S>(term, returns);
    let value = in_strikes(m, spread(term, returns), term.right);
    gained(term, returns, m, value)
}

/// Black-76 in units of the strike.
#[inline(always)]
pub fn in_strikes<S: Singles>(m: S, spread: Spread<S>, right: Right) -> S {
    let apart = apart(m, spread.inverse);
    value(m, apart, spread.half, weight(m, apart - spread.half), right)
}

/// The scenario's forward over the strike.
#[inline(always)]
pub fn moneyness<S: Singles>(term: &OptionTerm, returns: Returns) -> S {
    let m = S::splat(term.moneyness);
    returns.of::<S>(term.factor).fma(m, m).greatest(m * S::splat(RATIO_MIN))
}

/// A deviation to expiry s.
#[derive(Clone, Copy)]
pub struct Spread<S> {
    /// s/2.
    pub half: S,
    /// 1/s.
    pub inverse: S,
}

impl<S: Singles> Spread<S> {
    /// Of a spread.
    #[inline(always)]
    pub fn of(spread: S) -> Spread<S> {
        Spread { half: spread * S::splat(0.5), inverse: S::splat(1.0) / spread }
    }
}

/// The scenario's; of a volatility that stays no return is read.
#[inline(always)]
pub fn spread<S: Singles>(term: &OptionTerm, returns: Returns) -> Spread<S> {
    let mut volatility = S::splat(term.volatility);
    if let Some(factor) = term.volatility_factor {
        let change = S::splat(term.volatility_scale);
        volatility = change.fma(returns.of(factor), volatility).greatest(S::splat(VOLATILITY_MIN));
    }
    Spread::of((volatility * S::splat(term.root_time)).greatest(S::splat(SPREAD_MIN)))
}

/// u = |ln m|/s.
#[inline(always)]
pub fn apart<S: Singles>(m: S, inverse: S) -> S {
    ln_near(m).abs() * inverse
}

/// paid·φ(near), near = u − s/2, where paid is what the side out of the money gets if it is exercised, in
/// strikes: the forward or the strike, whichever is less. φ(u + s/2) times the greater is the same.
#[inline(always)]
pub fn weight<S: Singles>(m: S, near: S) -> S {
    m.least(S::splat(1.0)) * density(near * near)
}

/// The value in units of the strike: the side out of the money (the call below the strike, the put above) is
/// worth paid·Φ(s/2 − u) − weight·M(u + s/2), M Mills' ratio, and the side in the money more by what it has.
#[inline(always)]
pub fn value<S: Singles>(m: S, apart: S, half: S, weight: S, right: Right) -> S {
    let one = S::splat(1.0);
    let (near, far, paid) = (apart - half, apart + half, m.least(one));
    let (m_near, m_far) = mills(near.abs(), far);
    // Φ(−near) is φ·M(near), or 1 − φ·M(−near) where near is negative
    let sign = near.bits() & S::Words::splat(SIGN);
    let whole = (near.bits().right_signed::<31>() & paid.bits()).as_single();
    let inside = (weight.bits() ^ sign).as_single().fma(m_near, whole);
    let minus = (weight.bits() ^ S::Words::splat(SIGN)).as_single();
    let out = minus.fma(m_far, inside).greatest(S::splat(0.0));
    let intrinsic = match right {
        Right::Call => m - paid,
        Right::Put => one - paid,
    };
    out + intrinsic
}

/// What a value is beside today's, in base.
#[inline(always)]
pub fn gained<S: Singles>(term: &OptionTerm, returns: Returns, m: S, mut value: S) -> S {
    if term.in_coin {
        value = value / m;
    }
    let scale = S::splat(term.scale);
    let profit = value.fma(scale, S::splat(term.value) * S::splat(-term.scale));
    returns.converted(profit, term.currency)
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
