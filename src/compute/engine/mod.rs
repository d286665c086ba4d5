//! The door to the kernels: jobs in, numbers out, on the device that was chosen.
//!
//! `Engine::open` finds the device; `simulate`, `revalue` and `measure` run on it. Answers do not depend
//! on the number of threads. A job that would not fit into memory is refused before it starts.

mod share;

use crate::compute::device::crew::Crew;
use crate::compute::device::launch::{Gpu, GpuError};
use crate::compute::device::registry::{self, Registry};
use crate::compute::device::{Choice, Device, Presence};
use crate::compute::garch_paths::{self, Paths};
use crate::compute::reduce::BLOCK;
use crate::compute::scenarios::{self, Book};
use crate::compute::tail::gpu::DeviceTailError;
use crate::compute::tail::{self, Measure, TailError};
use crate::host::cpu::Simd;
use crate::host::memory;
use std::ops::RangeInclusive;

/// Why a job did not run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// A device that is not here.
    #[error("{device} is not here: {why}")]
    Missing {
        /// Which.
        device: Device,
        /// Why, and what to do.
        why: String,
    },
    /// More than memory holds.
    #[error(
        "{what} need {} MiB and {} MiB are free; ask for fewer, or run in parts with other seeds",
        needed >> 20,
        free >> 20
    )]
    Memory {
        /// Of what.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// A tail that cannot be measured.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// A device whose driver failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

impl From<DeviceTailError> for EngineError {
    fn from(error: DeviceTailError) -> EngineError {
        match error {
            DeviceTailError::Tail(error) => EngineError::Tail(error),
            DeviceTailError::Gpu(error) => EngineError::Gpu(error),
        }
    }
}

/// A device ready to work.
#[derive(Clone, Debug)]
pub struct Engine {
    device: Device,
    crew: Crew,
}

impl Engine {
    /// Opens a device; `Auto` is the CPU's best.
    ///
    /// # Errors
    /// A device that is not here.
    pub fn open(choice: Choice) -> Result<Engine, EngineError> {
        let device = match choice {
            Choice::Auto => Device::cpu(),
            Choice::Only(device) => device,
        };
        match Registry::look().presence(device) {
            Presence::Present(_) => Ok(Engine { device, crew: Crew::of_machine() }),
            Presence::Missing(why) => Err(EngineError::Missing { device, why: why.clone() }),
        }
    }

    /// The same with at most so many CPU threads.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Engine {
        Engine { crew: self.crew.limited(threads), ..self }
    }

    /// Which device.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// CPU threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.crew.threads()
    }

    /// Profits of simulated paths 0 to `paths`.
    ///
    /// # Errors
    /// More paths than memory.
    pub fn simulate(
        &self,
        job: &Paths,
        book: &Book,
        paths: usize,
    ) -> Result<Vec<f32>, EngineError> {
        self.simulate_from(job, book, 0, paths)
    }

    /// Profits of paths `from` to `from + paths`; `from` is a multiple of `BLOCK`.
    ///
    /// # Errors
    /// More paths than memory.
    pub fn simulate_from(
        &self,
        job: &Paths,
        book: &Book,
        from: u64,
        paths: usize,
    ) -> Result<Vec<f32>, EngineError> {
        Ok(self.simulate_with_ratios(job, book, from, paths)?.0)
    }

    /// The same, and the logarithms of the likelihood ratios of a tilted job's paths; none of another's.
    ///
    /// # Errors
    /// More paths than memory.
    pub fn simulate_with_ratios(
        &self,
        job: &Paths,
        book: &Book,
        from: u64,
        paths: usize,
    ) -> Result<(Vec<f32>, Vec<f32>), EngineError> {
        let rows = 1 + job.rows() - job.assets().len();
        self.check_room(rows * paths, "paths")?;
        let mut ratios = vec![0.0; (rows - 1) * paths];
        let gpus = registry::gpus(self.device);
        if !gpus.is_empty() {
            let at_once = |gpu: &&dyn Gpu| scenarios::gpu::paths_at_once(*gpu, job);
            let most = gpus.iter().map(at_once).min().unwrap_or(BLOCK);
            let parts = share::parts(&gpus, paths, most);
            let answers = share::run(&gpus, &parts, |gpu, part| {
                scenarios::gpu::simulate(gpu, job, book, from + part.start as u64, part.len())
            })?;
            let mut profits = Vec::with_capacity(paths);
            ratios.clear();
            for (part, answer) in parts.iter().zip(answers) {
                let (own, told) = answer.split_at(part.len());
                profits.extend_from_slice(own);
                ratios.extend_from_slice(told);
            }
            return Ok((profits, ratios));
        }
        let simd = self.simd();
        let mut both = vec![0.0; rows * paths.next_multiple_of(BLOCK)];
        self.crew.pieces(&mut both, rows * BLOCK, |room, block, to| {
            let first = from + (block * BLOCK) as u64;
            scenarios::simulate_block(job, book, first, room, to, simd);
        });
        if rows == 1 {
            both.truncate(paths);
            return Ok((both, ratios));
        }
        let mut profits = vec![0.0; paths];
        for (block, piece) in both.chunks(rows * BLOCK).enumerate() {
            let first = block * BLOCK;
            let count = BLOCK.min(paths - first);
            profits[first..first + count].copy_from_slice(&piece[..count]);
            ratios[first..first + count].copy_from_slice(&piece[BLOCK..BLOCK + count]);
        }
        Ok((profits, ratios))
    }

    /// Profits of given scenarios, in tiles `[tile][factor][BLOCK]`.
    ///
    /// # Errors
    /// More scenarios than memory.
    ///
    /// # Panics
    /// When the tiles are not those of `scenarios` scenarios.
    pub fn revalue(
        &self,
        book: &Book,
        tiles: &[f32],
        scenarios: usize,
    ) -> Result<Vec<f32>, EngineError> {
        let simd = self.simd();
        let size = book.factors() * BLOCK;
        assert_eq!(tiles.len(), scenarios.div_ceil(BLOCK) * size, "Invariant: whole tiles");
        let gpus = registry::gpus(self.device);
        if !gpus.is_empty() {
            let most = gpus.iter().map(|gpu| scenarios::gpu::scenarios_at_once(*gpu, book)).min();
            let parts = share::parts(&gpus, scenarios, most.unwrap_or(BLOCK));
            let answers = share::run(&gpus, &parts, |gpu, part| {
                let tiles = &tiles[part.start / BLOCK * size..part.end.div_ceil(BLOCK) * size];
                scenarios::gpu::revalue(gpu, book, tiles, part.len())
            })?;
            return Ok(answers.concat());
        }
        let mut profits = self.room(scenarios, "scenarios")?;
        self.crew.blocks(&mut profits, |_, block, to| {
            scenarios::block(book, &tiles[block * size..(block + 1) * size], to, simd);
        });
        profits.truncate(scenarios);
        Ok(profits)
    }

    /// Sums of each book's profits over the paths whose total lies in each range: `[range][book]`, and the
    /// weight of these paths. The paths are made again, block by block, instead of being kept.
    #[must_use]
    pub fn shares(&self, run: &Run, books: &[&Book], ranges: &[RangeInclusive<f32>]) -> Vec<Share> {
        let simd = self.simd();
        let none = vec![Share { weight: 0.0, sums: vec![0.0; books.len()] }; ranges.len()];
        let mut blocks = vec![none.clone(); run.profits.len().div_ceil(BLOCK)];
        let (assets, rows) = (run.job.assets().len(), run.job.rows());
        let factors = books.iter().map(|book| book.factors()).max().unwrap_or(0);
        self.crew.pieces(&mut blocks, 1, |room, block, to| {
            let totals = Totals::of(run.profits, run.weights, block);
            if !totals.profits.iter().any(|x| ranges.iter().any(|range| range.contains(x))) {
                return;
            }
            let mut tile = vec![0.0; factors.max(rows) * BLOCK];
            let first = run.from + (block * BLOCK) as u64;
            garch_paths::block(run.job, first, room, &mut tile[..rows * BLOCK], simd);
            // a likelihood ratio is no factor's return
            tile[assets * BLOCK..].fill(0.0);
            add_shares(books, &tile[..factors * BLOCK], &totals, ranges, simd, &mut to[0]);
        });
        fold(none, &blocks)
    }

    /// The same over given scenarios.
    #[must_use]
    pub fn shares_of_scenarios(
        &self,
        books: &[&Book],
        tiles: &[f32],
        profits: &[f32],
        ranges: &[RangeInclusive<f32>],
    ) -> Vec<Share> {
        let simd = self.simd();
        let none = vec![Share { weight: 0.0, sums: vec![0.0; books.len()] }; ranges.len()];
        let mut blocks = vec![none.clone(); profits.len().div_ceil(BLOCK)];
        let size = tiles.len() / blocks.len().max(1);
        self.crew.pieces(&mut blocks, 1, |_, block, to| {
            let tile = &tiles[block * size..(block + 1) * size];
            let totals = Totals::of(profits, &[], block);
            add_shares(books, tile, &totals, ranges, simd, &mut to[0]);
        });
        fold(none, &blocks)
    }

    /// The tail of a vector of profits.
    ///
    /// # Errors
    /// Levels or profits that have none.
    pub fn measure(&self, profits: &[f32], levels: &[f64]) -> Result<Vec<Measure>, EngineError> {
        if let Some(gpu) = registry::gpu(self.device) {
            return Ok(tail::gpu::measure(gpu, profits, levels)?);
        }
        Ok(tail::measure(profits, levels, self.simd())?)
    }

    /// The CPU's twins: this device's, or the best where it is a GPU and leaves something to the CPU.
    fn simd(&self) -> Simd {
        self.device.simd().unwrap_or_else(Simd::detect)
    }

    /// Whether profits of so many paths fit into memory.
    ///
    /// # Errors
    /// When they do not.
    pub fn fits(&self, paths: usize) -> Result<(), EngineError> {
        self.check_room(paths, "paths")
    }

    /// Zeros for whole blocks of so many numbers.
    fn room(&self, numbers: usize, what: &str) -> Result<Vec<f32>, EngineError> {
        self.check_room(numbers, what)?;
        Ok(vec![0.0; numbers.next_multiple_of(BLOCK)])
    }

    fn check_room(&self, numbers: usize, what: &str) -> Result<(), EngineError> {
        // beside the numbers themselves, the tail copies at most all of them once
        let needed = (numbers as u64).saturating_mul(2 * size_of::<f32>() as u64);
        let free = memory::available_bytes().unwrap_or(u64::MAX);
        if needed > free {
            let what = format!("{numbers} {what}");
            return Err(EngineError::Memory { what, needed, free });
        }
        Ok(())
    }
}

/// Paths that were simulated, and what they gave.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Their job.
    pub job: &'a Paths,
    /// The first one, a multiple of `BLOCK`.
    pub from: u64,
    /// Their profits.
    pub profits: &'a [f32],
    /// What each counts; empty where each counts one.
    pub weights: &'a [f32],
}

/// What books gave on the paths of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Weight of the paths in the range, or how many they are.
    pub weight: f64,
    /// Sum of profits, by book.
    pub sums: Vec<f64>,
}

/// A block's paths.
struct Totals<'a> {
    profits: &'a [f32],
    weights: &'a [f32],
}

impl<'a> Totals<'a> {
    fn of(profits: &'a [f32], weights: &'a [f32], block: usize) -> Totals<'a> {
        let within = block * BLOCK..((block + 1) * BLOCK).min(profits.len());
        let weights = if weights.is_empty() { weights } else { &weights[within.clone()] };
        Totals { profits: &profits[within], weights }
    }

    /// Paths whose total lies in a range, with their weights.
    fn within(&self, range: &RangeInclusive<f32>) -> impl Iterator<Item = (usize, f64)> {
        let chosen = self.profits.iter().enumerate().filter(|(_, total)| range.contains(total));
        chosen.map(|(at, _)| (at, self.weights.get(at).map_or(1.0, |&weight| f64::from(weight))))
    }
}

fn add_shares(
    books: &[&Book],
    tile: &[f32],
    totals: &Totals,
    ranges: &[RangeInclusive<f32>],
    simd: Simd,
    to: &mut [Share],
) {
    for (share, range) in to.iter_mut().zip(ranges) {
        share.weight += totals.within(range).map(|(_, weight)| weight).sum::<f64>();
    }
    let mut profits = vec![0.0; BLOCK];
    for (at, book) in books.iter().enumerate() {
        scenarios::block(book, tile, &mut profits, simd);
        for (share, range) in to.iter_mut().zip(ranges) {
            let within = totals.within(range).map(|(path, w)| w * f64::from(profits[path]));
            share.sums[at] += within.sum::<f64>();
        }
    }
}

/// Adds the blocks in their order.
fn fold(mut sum: Vec<Share>, blocks: &[Vec<Share>]) -> Vec<Share> {
    for (share, more) in blocks.iter().flat_map(|block| block.iter().enumerate()) {
        sum[share].add(more);
    }
    sum
}

impl Share {
    /// Adds another one's sums.
    pub fn add(&mut self, more: &Share) {
        self.weight += more.weight;
        self.sums.iter_mut().zip(&more.sums).for_each(|(a, b)| *a += b);
    }
}
