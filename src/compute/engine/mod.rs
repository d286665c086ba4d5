//! The door to the kernels: jobs in, numbers out, on the device that was chosen.
//!
//! `Engine::open` finds the device; `simulate`, `revalue` and `measure` run on it, `submit` runs them while
//! the caller goes on. Without a choice `race` measures who is fastest for a job's size, among devices that
//! answer in the same bits. Several GPUs `share` a job. Answers depend neither on the number of threads nor
//! on who did which part. A job that would not fit into memory is refused before it starts.

mod queue;
mod race;
mod share;

#[cfg(test)]
mod tests;

pub use queue::Ticket;

use crate::compute::device::crew::Crew;
use crate::compute::device::launch::{Gpu, GpuError};
use crate::compute::device::registry;
use crate::compute::device::{Choice, Device, Presence};
use crate::compute::garch_paths::{self, Paths};
use crate::compute::reduce::BLOCK;
use crate::compute::scenarios::{self, Book};
use crate::compute::tail::gpu::DeviceTailError;
use crate::compute::tail::{self, Measure, TailError};
use crate::host::cpu::Simd;
use crate::host::memory;
use queue::Queue;
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

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

/// A device ready to work, or all of them where none was chosen.
#[derive(Clone, Debug)]
pub struct Engine {
    choice: Choice,
    crew: Crew,
    /// Who was fastest for the last job, where none was chosen.
    fastest: Arc<Mutex<Fastest>>,
    queue: Arc<OnceLock<Queue>>,
}

/// Who was fastest, and for jobs of which shape.
#[derive(Clone, Copy, Debug)]
struct Fastest {
    device: Device,
    shape: Option<Shape>,
}

/// What a job's time goes by: items, rows of a path, steps, factors of the book, its options.
type Shape = [usize; 5];

/// Blocks of a thread that a job begins with, to see how fast the CPU is.
const FIRST_BLOCKS: usize = 2;

impl Engine {
    /// Opens a device. `Auto` takes for each job whichever answers in the CPU's bits and is fastest: the CPU
    /// for a small job, an NVIDIA GPU where it gains.
    ///
    /// # Errors
    /// A device that is not here.
    pub fn open(choice: Choice) -> Result<Engine, EngineError> {
        if let Choice::Only(device) = choice
            && let Presence::Missing(why) = registry::presence(device)
        {
            return Err(EngineError::Missing { device, why });
        }
        Ok(Engine::new(choice, Crew::of_machine()))
    }

    fn new(choice: Choice, crew: Crew) -> Engine {
        let fastest = Fastest { device: Device::cpu(), shape: None };
        Engine { choice, crew, fastest: Arc::new(Mutex::new(fastest)), queue: Arc::default() }
    }

    /// The same with at most so many CPU threads.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Engine {
        Engine::new(self.choice, self.crew.limited(threads))
    }

    /// Which device; without a choice the one that did most of the last job.
    #[must_use]
    pub fn device(&self) -> Device {
        match self.choice {
            Choice::Only(device) => device,
            Choice::Auto => self.fastest().device,
        }
    }

    fn fastest(&self) -> MutexGuard<'_, Fastest> {
        self.fastest.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Runs a job while the caller goes on: after those that were submitted before, on a thread of its own.
    pub fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Ticket<T> {
        // without this engine's queue: its thread would keep itself waiting
        let own = || Engine { queue: Arc::default(), ..self.clone() };
        self.queue.get_or_init(|| Queue::new(own())).submit(job)
    }

    /// Runs `count` items of a job on the device, or part by part on the fastest.
    fn run<T>(
        &self,
        shape: Shape,
        mut piece: impl FnMut(Device, Range<usize>) -> Result<T, EngineError>,
    ) -> Result<Vec<T>, EngineError> {
        let count = shape[0];
        if let Choice::Only(device) = self.choice {
            return Ok(vec![piece(device, 0..count)?]);
        }
        let known = *self.fastest();
        if known.shape == Some(shape) {
            match piece(known.device, 0..count) {
                // who was fastest and fails now has lost: the CPU does it
                Err(_) if known.device != Device::cpu() => self.fastest().shape = None,
                answer => return Ok(vec![answer?]),
            }
            return Ok(vec![piece(Device::cpu(), 0..count)?]);
        }
        let began = Instant::now();
        let start = FIRST_BLOCKS * self.threads() * BLOCK;
        let rivals = || match registry::presence(Device::Cuda) {
            Presence::Present(_) => vec![Device::Cuda],
            Presence::Missing(_) => Vec::new(),
        };
        let ran = race::run(Device::cpu(), rivals, (start, count), || began.elapsed(), piece)?;
        *self.fastest() = Fastest { device: ran.device, shape: Some(shape) };
        Ok(ran.answers)
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
        let shape = [paths, job.rows(), job.steps() as usize, book.factors(), book.options().len()];
        let pieces = self.run(shape, |device, part| {
            self.simulate_on(device, job, book, from + part.start as u64, part.len())
        })?;
        let mut both = (Vec::new(), Vec::new());
        for (profits, ratios) in pieces {
            extended(&mut both.0, profits);
            extended(&mut both.1, ratios);
        }
        Ok(both)
    }

    /// Profits of every book on the same simulated paths, `[book][path]`: the CPU makes each path once. The
    /// books have at least the job's factors; the job is not tilted.
    ///
    /// # Errors
    /// More profits than memory.
    pub fn simulate_many(
        &self,
        job: &Paths,
        books: &[&Book],
        from: u64,
        paths: usize,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        self.check_room(books.len().saturating_mul(paths), "profits")?;
        let options: usize = books.iter().map(|book| book.options().len()).sum();
        let shape = [paths, job.rows(), job.steps() as usize, books.len(), options];
        let pieces = self.run(shape, |device, part| {
            let (from, count) = (from + part.start as u64, part.len());
            if device.simd().is_none() {
                let one = |book: &&Book| Ok(self.simulate_on(device, job, book, from, count)?.0);
                return books.iter().map(one).collect();
            }
            Ok(self.walk_and_value(job, books, from, count))
        })?;
        Ok(gathered(pieces, books.len()))
    }

    fn walk_and_value(
        &self,
        job: &Paths,
        books: &[&Book],
        from: u64,
        paths: usize,
    ) -> Vec<Vec<f32>> {
        let simd = self.simd();
        let (assets, rows) = (job.assets().len(), job.rows());
        let mut all = vec![0.0; books.len() * paths.next_multiple_of(BLOCK)];
        self.crew.pieces(&mut all, books.len().max(1) * BLOCK, |room, block, to| {
            let factors = books.iter().map(|book| book.factors()).max().unwrap_or(0);
            let mut tile = vec![0.0; factors.max(rows) * BLOCK];
            let first = from + (block * BLOCK) as u64;
            garch_paths::block(job, first, room, &mut tile[..rows * BLOCK], simd);
            // a likelihood ratio is no factor's return
            tile[assets * BLOCK..].fill(0.0);
            for (book, to) in books.iter().zip(to.chunks_mut(BLOCK)) {
                scenarios::block(book, &tile[..book.factors() * BLOCK], to, simd);
            }
        });
        by_book(all, books.len(), paths)
    }

    fn simulate_on(
        &self,
        device: Device,
        job: &Paths,
        book: &Book,
        from: u64,
        paths: usize,
    ) -> Result<(Vec<f32>, Vec<f32>), EngineError> {
        let rows = 1 + job.rows() - job.assets().len();
        let mut ratios = vec![0.0; (rows - 1) * paths];
        let gpus = registry::gpus(device);
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
        Ok(self.revalue_many(&[book], tiles, scenarios)?.swap_remove(0))
    }

    /// Profits of every book under one set of scenarios, `[book][scenario]`: each tile is read once. The
    /// books have the same factors.
    ///
    /// # Errors
    /// More profits than memory.
    ///
    /// # Panics
    /// When the tiles are not those of `scenarios` scenarios of every book's factors.
    pub fn revalue_many(
        &self,
        books: &[&Book],
        tiles: &[f32],
        scenarios: usize,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let factors = books.first().map_or(0, |book| book.factors());
        let size = factors * BLOCK;
        assert!(books.iter().all(|book| book.factors() == factors), "Invariant: the same factors");
        assert_eq!(tiles.len(), scenarios.div_ceil(BLOCK) * size, "Invariant: whole tiles");
        self.check_room(books.len().saturating_mul(scenarios), "profits")?;
        let options = books.iter().map(|book| book.options().len()).sum();
        let shape = [scenarios, books.len(), 0, factors, options];
        let pieces = self.run(shape, |device, part| {
            let tiles = &tiles[part.start / BLOCK * size..part.end.div_ceil(BLOCK) * size];
            self.revalue_on(device, books, tiles, part.len())
        })?;
        Ok(gathered(pieces, books.len()))
    }

    fn revalue_on(
        &self,
        device: Device,
        books: &[&Book],
        tiles: &[f32],
        scenarios: usize,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let simd = self.simd();
        let factors = books.first().map_or(0, |book| book.factors());
        let size = factors * BLOCK;
        let gpus = registry::gpus(device);
        if !gpus.is_empty() {
            let at_once =
                |gpu: &&dyn Gpu| scenarios::gpu::scenarios_at_once(*gpu, factors, books.len());
            let most = gpus.iter().map(at_once).min().unwrap_or(BLOCK);
            let parts = share::parts(&gpus, scenarios, most);
            let answers = share::run(&gpus, &parts, |gpu, part| {
                let tiles = &tiles[part.start / BLOCK * size..part.end.div_ceil(BLOCK) * size];
                scenarios::gpu::revalue(gpu, books, tiles, part.len())
            })?;
            let mut profits = vec![Vec::with_capacity(scenarios); books.len()];
            for (part, answer) in parts.iter().zip(answers) {
                let rows = profits.iter_mut().zip(answer.chunks(part.len()));
                rows.for_each(|(all, row)| all.extend_from_slice(row));
            }
            return Ok(profits);
        }
        let mut all = vec![0.0; books.len() * scenarios.next_multiple_of(BLOCK)];
        self.crew.pieces(&mut all, books.len().max(1) * BLOCK, |_, block, to| {
            let tile = &tiles[block * size..(block + 1) * size];
            for (book, to) in books.iter().zip(to.chunks_mut(BLOCK)) {
                scenarios::block(book, tile, to, simd);
            }
        });
        Ok(by_book(all, books.len(), scenarios))
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
        // without a choice the CPU: the profits are here, and are read faster than they travel
        if let Choice::Only(device) = self.choice
            && let Some(gpu) = registry::gpu(device)
        {
            return Ok(tail::gpu::measure(gpu, profits, levels)?);
        }
        Ok(tail::measure(profits, levels, self.simd())?)
    }

    /// The CPU's twins: this device's, or the best where it is a GPU and leaves something to the CPU.
    fn simd(&self) -> Simd {
        self.device().simd().unwrap_or_else(Simd::detect)
    }

    /// Whether profits of so many paths fit into memory.
    ///
    /// # Errors
    /// When they do not.
    pub fn fits(&self, paths: usize) -> Result<(), EngineError> {
        self.check_room(paths, "paths")
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

/// `[block][book][BLOCK]` as `[book][item]`.
fn by_book(mut all: Vec<f32>, books: usize, items: usize) -> Vec<Vec<f32>> {
    if books == 1 {
        all.truncate(items);
        return vec![all];
    }
    let row = |book: usize| {
        let mut row: Vec<f32> =
            all.chunks(BLOCK).skip(book).step_by(books).flatten().copied().collect();
        row.truncate(items);
        row
    };
    (0..books).map(row).collect()
}

/// Parts `[part][book][item]` as `[book][item]`.
fn gathered(parts: Vec<Vec<Vec<f32>>>, books: usize) -> Vec<Vec<f32>> {
    let mut all = vec![Vec::new(); books];
    for part in parts {
        all.iter_mut().zip(part).for_each(|(row, more)| extended(row, more));
    }
    all
}

/// Adds a part's numbers behind those before.
fn extended(all: &mut Vec<f32>, part: Vec<f32>) {
    if all.is_empty() { *all = part } else { all.extend(part) }
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
