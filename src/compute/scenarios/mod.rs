//! `scenarios`: a book of positions revalued under many scenarios.
//!
//! Input: a `Book` and scenario returns of its factors in tiles, `tile[factor][scenario]`, `BLOCK`
//! scenarios a tile. Output: profit of each scenario in the base currency. All f32, every sum in the
//! order of the book's lists, so bits agree whatever runs it:
//! - constants and linear positions, by currency: (1 + c)·Σ e·r, c the currency's own return;
//! - squares (delta-gamma): r·(δ + ½γ·r), δ among the linear ones;
//! - inverse, coin-margined: s·r/(1 + r)·(1 + c), the coin's profit at the scenario's price of the coin;
//! - European options: scale·(v − v₀), v by Black-76 in units of the strike, with m = m₀(1 + r) the
//!   forward over the strike and a volatility σ + Δσ:
//!   v(call) = m·Φ(d₁) − Φ(d₂),  d₁ = ln m/s + s/2,  d₂ = d₁ − s,  s = (σ + k·Δσ)√T.
//!   Only the side out of the money is computed, through Mills' ratio M = (1 − Φ)/φ, as
//!   φ(d₁)m = φ(d₂): what is left is small where the option is, and parity gives the other side.
//!   Black-Scholes on a spot is the same with the forward S·e^rT and a discount inside `scale`.
//!
//! A coin-settled option's coin value is v/m·(its size): its profit is (v/m − v₀/m₀)·(1 + c).
//! Twins: `scalar` (the meaning), `avx2`, kernels/scenarios.cu in bits; shaders/scenarios.wgsl within a
//! tolerance derived there. Deliberately absent: where scenarios come from.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod book;
pub mod formula;
pub mod gpu;
mod scalar;

#[cfg(test)]
mod tests;

pub use book::{Book, BookError, Currency, Inverse, Linear, OptionTerm, Right, Square};

use crate::compute::device::crew::Room;
use crate::compute::garch_paths::Paths;
use crate::compute::reduce::BLOCK;
use crate::host::cpu::Simd;

/// Scenarios by factor, `columns[factor][scenario]`, cut into tiles `[tile][factor][BLOCK]`; the last one is
/// filled up with stillness.
#[must_use]
pub fn tiles(columns: &[Vec<f64>], scenarios: usize) -> Vec<f32> {
    let mut tiles = vec![0.0; scenarios.div_ceil(BLOCK) * columns.len() * BLOCK];
    for (factor, column) in columns.iter().enumerate() {
        for (scenario, value) in column.iter().enumerate() {
            let (tile, at) = (scenario / BLOCK, scenario % BLOCK);
            tiles[(tile * columns.len() + factor) * BLOCK + at] = *value as f32;
        }
    }
    tiles
}

/// Profits of a tile of scenarios.
///
/// # Panics
/// When the tile does not hold a block of every factor, or `profits` no block.
pub fn block(book: &Book, tile: &[f32], profits: &mut [f32], simd: Simd) {
    assert_eq!(tile.len(), book.factors() * BLOCK, "Invariant: a block of every factor");
    assert_eq!(profits.len(), BLOCK, "Invariant: a block of profits");
    match simd {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => avx2::block(book, tile, profits),
        _ => scalar::block(book, tile, profits),
    }
}

/// Profits of a block of simulated paths, whose returns never leave the cache: the same bits as
/// `garch_paths::block` and then `block`. Factors beyond the job's assets stay as they are. Behind the
/// profits stand the logarithms of the likelihood ratios, where the job is tilted.
///
/// # Panics
/// When the book has fewer factors than the job has assets, or `to` is not one block or, tilted, two.
pub fn simulate_block(
    job: &Paths,
    book: &Book,
    first_path: u64,
    room: &mut Room,
    to: &mut [f32],
    simd: Simd,
) {
    let ratios = job.rows() - job.assets().len();
    assert!(book.factors() >= job.assets().len(), "Invariant: a factor an asset");
    assert_eq!(to.len(), (1 + ratios) * BLOCK, "Invariant: a block of profits, and of ratios");
    match simd {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => avx2::simulate_block(job, book, first_path, room, to),
        _ => scalar::simulate_block(job, book, first_path, room, to),
    }
}
