//! Packs books for a device.
//!
//! words: groups, then of each its currency, its terms and their factors; squares with their factor; inverses
//! with factor and currency; options with factor, volatility factor, currency and flags (1 call, 2 in coin).
//! numbers: the constant, exposures, half gammas, scales, and six an option.

use super::{Book, Right};
use crate::compute::device::launch::{GROUP, Gpu, GpuError, Launch};
use crate::compute::garch_paths::{self, Paths};
use crate::compute::reduce::BLOCK;

const NONE: u32 = u32::MAX;

fn pack(book: &Book, words: &mut Vec<u32>, numbers: &mut Vec<f32>) {
    numbers.push(book.constant());
    words.push(book.groups().len() as u32);
    for group in book.groups() {
        words.extend([group.currency.unwrap_or(NONE), group.terms.len() as u32]);
        words.extend(group.terms.iter().map(|(factor, _)| factor));
        numbers.extend(group.terms.iter().map(|(_, exposure)| exposure));
    }
    words.push(book.squares().len() as u32);
    for square in book.squares() {
        words.push(square.factor);
        numbers.push(square.half_gamma);
    }
    words.push(book.inverses().len() as u32);
    for inverse in book.inverses() {
        words.extend([inverse.factor, inverse.currency.unwrap_or(NONE)]);
        numbers.push(inverse.scale);
    }
    words.push(book.options().len() as u32);
    for option in book.options() {
        let flags = u32::from(option.right == Right::Call) | u32::from(option.in_coin) << 1;
        words.extend([
            option.factor,
            option.volatility_factor.unwrap_or(NONE),
            option.currency.unwrap_or(NONE),
            flags,
        ]);
        numbers.extend([
            option.moneyness,
            option.volatility,
            option.volatility_scale,
            option.root_time,
            option.value,
            option.scale,
        ]);
    }
}

/// Profits of scenarios in tiles, `[book][scenario]`; the books have the same factors.
///
/// # Errors
/// What the device's driver says.
pub fn revalue(
    gpu: &dyn Gpu,
    books: &[&Book],
    tiles: &[f32],
    scenarios: usize,
) -> Result<Vec<f32>, GpuError> {
    let factors = books.first().map_or(0, |book| book.factors());
    let mut words = vec![scenarios as u32, factors as u32, books.len() as u32];
    words.resize(3 + 2 * books.len(), 0);
    let mut numbers = tiles.to_vec();
    for (at, book) in books.iter().enumerate() {
        words[3 + 2 * at] = words.len() as u32;
        words[4 + 2 * at] = numbers.len() as u32;
        pack(book, &mut words, &mut numbers);
    }
    let profits = books.len() * scenarios;
    gpu.run(&Launch {
        entry: "scenarios",
        words,
        numbers: numbers.into(),
        out: profits,
        wanted: 0..profits,
        groups: profits.div_ceil(GROUP),
        threads: GROUP,
    })
}

/// Profits of `paths` simulated paths from `first_path` on, and behind them the logarithms of the likelihood
/// ratios where the job is tilted.
///
/// # Errors
/// What the device's driver says.
pub fn simulate(
    gpu: &dyn Gpu,
    job: &Paths,
    book: &Book,
    first_path: u64,
    paths: usize,
) -> Result<Vec<f32>, GpuError> {
    let (mut words, mut numbers) = garch_paths::gpu::pack(job, first_path, paths);
    words[14] = words.len() as u32;
    words[15] = numbers.len() as u32;
    pack(book, &mut words, &mut numbers);
    let room = garch_paths::gpu::room(job);
    let rows = room + 1 + job.rows() - job.assets().len();
    gpu.run(&Launch {
        entry: "simulate",
        words,
        numbers: numbers.into(),
        out: rows * paths,
        wanted: room * paths..rows * paths,
        groups: paths.div_ceil(GROUP),
        threads: GROUP,
    })
}

/// Paths that a device simulates at a time: whole blocks whose working numbers fit into a buffer.
#[must_use]
pub fn paths_at_once(gpu: &dyn Gpu, job: &Paths) -> usize {
    let of_path = ((garch_paths::gpu::room(job) + 2) * size_of::<f32>()) as u64;
    let blocks = gpu.buffer_max() / (of_path * BLOCK as u64);
    // 2²⁰ paths keep any device busy
    (blocks.clamp(1, 256) as usize) * BLOCK
}

/// Scenarios that are sent to a device at a time for so many books: whole blocks, few enough to be staged on
/// the way there and back.
#[must_use]
pub fn scenarios_at_once(gpu: &dyn Gpu, factors: usize, books: usize) -> usize {
    const PART: u64 = 32 << 20;
    let of_block = (factors.max(books).max(1) * BLOCK * size_of::<f32>()) as u64;
    // a device without a second lane gains nothing by parts
    let most = if gpu.lanes() > 1 { PART } else { gpu.buffer_max() / 2 };
    (most.min(gpu.buffer_max() / 2) / of_block).max(1) as usize * BLOCK
}
