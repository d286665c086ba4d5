//! `tail`: value at risk and expected shortfall of a vector of profits, with error bars.
//!
//! Definitions (FORMATS): the quantile at 1 − level interpolates linearly between order statistics
//! k and k + 1, k + f = (n − 1)(1 − level), x₍₀₎ the worst; VaR is minus the quantile, ES minus the mean
//! of the profits at or below it. Positive is a loss.
//! Order statistics are found exactly without a full sort. The sums run over the whole vector in the
//! order of `reduce`: Σ(q − x)₊ and Σ((q − x)₊)², so bits do not depend on who adds.
//! Error bars, one standard error each:
//! - VaR: half the distance between the order statistics that the binomial distribution of the number
//!   of losses beyond allows at 95 %, n·p ± 1.96·√(n·p(1 − p)), over 1.96: no density is estimated;
//! - ES: its influence function (q − x)₊/p, whose sample deviation over √n is the error.
//!
//! Twins: `scalar` (sorts), `avx2` (a pivot from a sample, a filter, then a selection among what is
//! left), kernels/tail.cu (histograms of keys) in bits; shaders/tail.wgsl selects in bits too.

#[cfg(target_arch = "x86_64")]
mod avx2;
pub mod gpu;
mod scalar;

#[cfg(test)]
mod tests;

use crate::compute::reduce::{BLOCK, pairwise};
use crate::host::cpu::Simd;

/// Deviations that 95 % of a normal distribution stay within.
pub const NORMAL_95: f64 = 1.959_963_984_540_054;

/// What the tail at one level holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// 0.99 looks at the worst hundredth.
    pub level: f64,
    /// Value at risk, positive for a loss.
    pub var: f32,
    /// Its standard error.
    pub var_std_error: f64,
    /// Expected shortfall, positive for a loss.
    pub es: f32,
    /// Its standard error.
    pub es_std_error: f64,
    /// Profits at or below the quantile.
    pub beyond: u64,
}

/// Why a tail cannot be measured.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum TailError {
    /// A level that is none.
    #[error("a level of {0}; give one between 0 and 1, as 0.99")]
    Level(f64),
    /// Fewer profits than the level needs.
    #[error(
        "{profits} profits are too few for level {level}: the worst {share:.2e} of them is less than \
         one; give at least {needed}"
    )]
    Few {
        /// How many there are.
        profits: usize,
        /// The level.
        level: f64,
        /// 1 − level.
        share: f64,
        /// How many there must be.
        needed: u64,
    },
    /// A profit that is no number.
    #[error("the profit of scenario {index} is {value}: a scenario overflowed or holds no number")]
    NotFinite {
        /// Which, from zero.
        index: usize,
        /// What it is.
        value: f32,
    },
}

/// Places of the order statistics that a level asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ranks {
    /// k of the quantile.
    pub quantile: usize,
    /// What of the way to k + 1 is gone.
    pub fraction: f32,
    /// The lower end of VaR's interval.
    pub low: usize,
    /// The upper end.
    pub high: usize,
}

impl Ranks {
    /// Ranks in a vector of `n` profits.
    pub fn new(n: usize, level: f64) -> Result<Ranks, TailError> {
        if !(level > 0.0 && level < 1.0) {
            return Err(TailError::Level(level));
        }
        let share = 1.0 - level;
        // a hair of rounding must not turn ten of a thousand into nine
        let expected = n as f64 * share;
        if expected < 1.0 - 1e-9 {
            let needed = (1.0 / share - 1e-6).ceil() as u64;
            return Err(TailError::Few { profits: n, level, share, needed });
        }
        let place = (n - 1) as f64 * share;
        let spread = NORMAL_95 * (expected * level).sqrt();
        let last = (n - 1) as f64;
        Ok(Ranks {
            quantile: place as usize,
            fraction: place.fract() as f32,
            low: (place - spread).round().clamp(0.0, last) as usize,
            high: (place + spread).round().clamp(0.0, last) as usize,
        })
    }

    /// The greatest of the ranks.
    pub fn last(&self, n: usize) -> usize {
        self.high.max((self.quantile + 1).min(n - 1))
    }
}

/// Σ(q − x)₊, Σ((q − x)₊)², and how many are at or below q, of one block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Excess {
    pub sum: f32,
    pub squares: f32,
    pub count: u64,
}

/// Measures the tail at every level.
///
/// # Errors
/// A level that is none or asks for more profits than there are, or a profit that is no number.
pub fn measure(profits: &[f32], levels: &[f64], simd: Simd) -> Result<Vec<Measure>, TailError> {
    check_finite(profits)?;
    let ranks = levels.iter().map(|&level| Ranks::new(profits.len(), level));
    let ranks: Vec<Ranks> = ranks.collect::<Result<_, _>>()?;
    let wanted = ranks.iter().map(|ranks| ranks.last(profits.len())).max().unwrap_or(0);
    let worst = match simd {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => avx2::worst(profits, wanted + 1),
        _ => scalar::worst(profits, wanted + 1),
    };
    let measured = levels.iter().zip(ranks).map(|(&level, ranks)| {
        let quantile = interpolated(&worst, ranks);
        let blocks = profits.chunks(BLOCK).map(|block| match simd {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => avx2::excess(block, quantile),
            _ => scalar::excess(block, quantile),
        });
        let spread = f64::from(worst[ranks.high]) - f64::from(worst[ranks.low]);
        finish(level, profits.len(), quantile, spread, &blocks.collect::<Vec<_>>())
    });
    Ok(measured.collect())
}

/// Whether so many profits have a tail at every level.
///
/// # Errors
/// A level that is none or asks for more profits than there are.
pub fn check_levels(profits: usize, levels: &[f64]) -> Result<(), TailError> {
    levels.iter().try_for_each(|&level| Ranks::new(profits, level).map(drop))
}

/// Looks at whole blocks at a time, and closer only where one holds what is no number.
///
/// # Errors
/// The first profit that is no number.
pub fn check_finite(profits: &[f32]) -> Result<(), TailError> {
    let sound = |block: &[f32]| block.iter().fold(true, |sound, x| sound & x.is_finite());
    let Some(block) = profits.chunks(BLOCK).position(|block| !sound(block)) else { return Ok(()) };
    let within = profits[block * BLOCK..].iter().position(|x| !x.is_finite()).unwrap_or(0);
    let index = block * BLOCK + within;
    Err(TailError::NotFinite { index, value: profits[index] })
}

/// The quantile between two order statistics, in f32.
pub(crate) fn interpolated(worst: &[f32], ranks: Ranks) -> f32 {
    let low = worst[ranks.quantile];
    let high = worst[(ranks.quantile + 1).min(worst.len() - 1)];
    ranks.fraction.mul_add(high - low, low)
}

/// Folds the blocks and turns sums into a measure.
pub(crate) fn finish(
    level: f64,
    n: usize,
    quantile: f32,
    spread: f64,
    blocks: &[Excess],
) -> Measure {
    let sum = pairwise(blocks.iter().map(|block| block.sum).collect());
    let squares = pairwise(blocks.iter().map(|block| block.squares).collect());
    let beyond: u64 = blocks.iter().map(|block| block.count).sum();
    let mean_excess = sum / beyond.max(1) as f32;
    // Var((q − x)₊)/(n·p²), with p as it came out
    let (n, p) = (n as f64, beyond.max(1) as f64 / n as f64);
    let (first, second) = (f64::from(sum) / n, f64::from(squares) / n);
    let variance = (second - first * first).max(0.0);
    Measure {
        level,
        // from zero, so that nothing lost is not minus nothing
        var: 0.0 - quantile,
        var_std_error: spread / (2.0 * NORMAL_95),
        es: mean_excess - quantile,
        es_std_error: (variance / n).sqrt() / p,
        beyond,
    }
}
