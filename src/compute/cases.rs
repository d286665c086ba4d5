//! The kernels by name, and the jobs that every device must answer alike.
//!
//! `Kernel` → `answers(kernel, device, seed)`: the numbers of a grid of jobs, one after the other. Tests and
//! `bot4 bench compute --check-only` compare them between devices. Jobs depend on the seed alone.

use super::attention;
use super::cov::{self, Weighting};
use super::dense::{LayerWeights, Precision};
use super::device::Device;
use super::device::crew::Room;
use super::device::launch::{Gpu, GpuError};
use super::garch_paths::{self, Asset, Compounding, Dependence, Paths, Shocks};
use super::gru;
use super::lstm;
use super::philox::{self, Draw, Fill, Stream, Student};
use super::reduce::BLOCK;
use super::scenarios::{self, Book, Inverse, Linear, OptionTerm, Right, Square};
use super::tail;
use crate::host::cpu::Simd;

/// A kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Random numbers.
    Philox,
    /// Returns over several steps.
    GarchPaths,
    /// Revaluation.
    Scenarios,
    /// Value at risk and expected shortfall.
    Tail,
    /// Covariances.
    Cov,
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent units.
    Gru,
    /// Attention over a window.
    Attention,
}

impl Kernel {
    /// Every kernel.
    pub const ALL: [Kernel; 8] = [
        Kernel::Philox,
        Kernel::GarchPaths,
        Kernel::Scenarios,
        Kernel::Tail,
        Kernel::Cov,
        Kernel::Lstm,
        Kernel::Gru,
        Kernel::Attention,
    ];

    /// Its stem.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kernel::Philox => "philox",
            Kernel::GarchPaths => "garch_paths",
            Kernel::Scenarios => "scenarios",
            Kernel::Tail => "tail",
            Kernel::Cov => "cov",
            Kernel::Lstm => "lstm",
            Kernel::Gru => "gru",
            Kernel::Attention => "attention",
        }
    }

    /// The kernel of a stem.
    #[must_use]
    pub fn named(name: &str) -> Option<Kernel> {
        Kernel::ALL.into_iter().find(|kernel| kernel.name() == name)
    }
}

/// How a job is cut: the answers must not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// In one piece, from the first to the last.
    Whole,
    /// In pieces, the last first, where a kernel has pieces.
    Pieces,
}

/// The answers of a CPU device to a kernel's grid; None where the device is no CPU.
#[must_use]
pub fn answers(kernel: Kernel, device: Device, seed: u64, split: Split) -> Option<Vec<f32>> {
    let simd = device.simd()?;
    Some(match kernel {
        Kernel::Philox => fills(seed).iter().flat_map(|job| filled(job, simd, split)).collect(),
        Kernel::GarchPaths => paths(seed).iter().flat_map(|job| walked(job, simd, split)).collect(),
        Kernel::Scenarios => valued(seed, simd, split),
        Kernel::Tail => measured(seed, simd),
        Kernel::Cov => covariances(seed, simd),
        Kernel::Lstm => recurrent_lstm(seed, simd, split),
        Kernel::Gru => recurrent_gru(seed, simd, split),
        Kernel::Attention => attended(seed, simd),
    })
}

/// The answers of a device to the same grid, in the same order.
///
/// # Errors
/// What the device's driver says.
pub fn answers_on(gpu: &dyn Gpu, kernel: Kernel, seed: u64) -> Result<Vec<f32>, GpuError> {
    let mut all = Vec::new();
    match kernel {
        Kernel::Philox => {
            for job in fills(seed) {
                all.extend(philox::gpu::fill(gpu, &job)?);
            }
        }
        Kernel::GarchPaths => {
            for job in paths(seed) {
                for block in 0..2 {
                    all.extend(garch_paths::gpu::walk(gpu, &job, block * BLOCK as u64, BLOCK)?);
                }
            }
        }
        Kernel::Scenarios => {
            for (book, tile) in books(seed) {
                all.extend(scenarios::gpu::revalue(gpu, &[&book], &tile, BLOCK)?);
            }
            let book = book(5, 9, 5);
            for job in paths(seed).iter().filter(|job| job.assets().len() == 3) {
                all.extend(scenarios::gpu::simulate(gpu, job, &book, 0, BLOCK)?);
            }
        }
        Kernel::Tail => {
            for profits in profits(seed) {
                let measures = match tail::gpu::measure(gpu, &profits, &LEVELS) {
                    Ok(measures) => measures,
                    Err(tail::gpu::DeviceTailError::Gpu(error)) => return Err(error),
                    Err(tail::gpu::DeviceTailError::Tail(_)) => Vec::new(),
                };
                all.extend(measures.iter().flat_map(|m| [m.var, m.es, m.beyond as f32]));
            }
        }
        Kernel::Cov => {
            for (rows, series, weighting) in returns(seed) {
                match cov::gpu::covariance(gpu, &rows, series, weighting) {
                    Ok(matrix) => all.extend(matrix),
                    Err(cov::gpu::DeviceCovError::Gpu(error)) => return Err(error),
                    Err(cov::gpu::DeviceCovError::Cov(_)) => {}
                }
            }
        }
        Kernel::Lstm => {
            for shape in LSTM_SHAPES {
                let (parts, x) = (layers(seed, shape, 4), windows(seed, shape));
                let parts: Vec<_> = parts.iter().map(layer).collect();
                all.extend(lstm::gpu::batch(gpu, shape.0, shape.1, &parts, &x, shape.3)?);
            }
        }
        Kernel::Gru => {
            for shape in GRU_SHAPES {
                let (parts, x) = (layers(seed, shape, 3), windows(seed, shape));
                let parts: Vec<_> = parts.iter().map(layer).collect();
                all.extend(gru::gpu::batch(gpu, shape.0, shape.1, &parts, &x, shape.3)?);
            }
        }
        Kernel::Attention => {
            for (steps, hidden) in ATTENTION_SHAPES {
                let (states, query) = attention_case(seed, (steps, hidden));
                all.extend(attention::gpu::attend(gpu, &states, &query, steps, hidden)?);
            }
        }
    }
    Ok(all)
}

/// Numbers of a seed for weights and inputs: normals times `size`.
fn numbers(seed: u64, step: u32, count: usize, size: f32) -> Vec<f32> {
    let mut to = vec![0.0; count];
    let job = Fill {
        seed,
        stream: Stream::Free,
        step,
        first_path: 0,
        paths: count,
        places: 1,
        draw: Draw::Normal,
    };
    // the scalar twin, so that every device is asked the same
    philox::fill(&job, &mut to, Simd::Scalar);
    to.iter_mut().for_each(|x| *x *= size);
    to
}

/// Rectangles of every draw, of sizes that fill registers and of sizes that do not.
#[must_use]
pub fn fills(seed: u64) -> Vec<Fill> {
    let student = |nu| Student::new(nu).map(Draw::Student);
    let draws =
        [Some(Draw::Words), Some(Draw::Uniform), Some(Draw::Normal), student(2.2), student(5.0)];
    let shapes = [(1, 1), (9, 3), (257, 5), (5_000, 4)];
    let firsts = [0, u64::from(u32::MAX) - 300];
    let mut jobs = Vec::new();
    for (at, draw) in draws.into_iter().flatten().enumerate() {
        for (paths, places) in shapes {
            for first_path in firsts {
                let step = at as u32;
                let stream = Stream::Free;
                jobs.push(Fill { seed, stream, step, first_path, paths, places, draw });
            }
        }
    }
    jobs
}

fn filled(job: &Fill, simd: Simd, split: Split) -> Vec<f32> {
    let mut to = vec![0.0; job.paths * job.places];
    match split {
        Split::Whole => philox::fill(job, &mut to, simd),
        Split::Pieces => {
            for path in (0..job.paths).step_by(100).rev() {
                let paths = 100.min(job.paths - path);
                let piece = Fill { first_path: job.first_path + path as u64, paths, ..*job };
                let mut part = vec![0.0; paths * job.places];
                philox::fill(&piece, &mut part, simd);
                for place in 0..job.places {
                    to[place * job.paths + path..][..paths]
                        .copy_from_slice(&part[place * paths..(place + 1) * paths]);
                }
            }
        }
    }
    // words are bits, which need not be numbers: they are compared in halves, whose last bit any tolerance
    // of numbers would notice
    if job.draw == Draw::Words {
        let upper: Vec<f32> = to.iter().map(|x| (x.to_bits() >> 16) as f32).collect();
        to.iter_mut().for_each(|x| *x = (x.to_bits() & 0xFFFF) as f32);
        return [upper, to].concat();
    }
    to
}

/// Path jobs of every kind of shock and dependence.
///
/// # Panics
/// Never: the parameters are sound.
#[must_use]
pub fn paths(seed: u64) -> Vec<Paths> {
    let mut jobs = Vec::new();
    for (assets, steps) in [(1, 1), (1, 7), (3, 4), (10, 2)] {
        let process = |j: usize| Asset {
            mean: 0.000_2 * j as f32,
            omega: 2e-6,
            alpha: 0.05 + 0.01 * (j % 3) as f32,
            gamma: if j.is_multiple_of(2) { 0.04 } else { 0.0 },
            beta: 0.88,
            start: 1e-4 * (1 + j) as f32,
        };
        let list: Vec<Asset> = (0..assets).map(process).collect();
        let diagonal = |i: usize| if i.is_multiple_of(assets + 1) { 1.0 } else { 0.3 };
        let correlations: Vec<f64> = (0..assets * assets).map(diagonal).collect();
        let days = 41;
        let kinds = [
            (Ok(Shocks::Normal), Ok(Dependence::Independent)),
            (Shocks::student(3.3), Ok(Dependence::Independent)),
            (Shocks::mixed_student(4.0), Dependence::correlated(&correlations, assets)),
            (
                Ok(Shocks::Days { rows: numbers(seed, 90, assets * days, 1.0), days: days as u32 }),
                Ok(Dependence::Independent),
            ),
            (
                Ok(Shocks::Normal),
                Ok(Dependence::Factors {
                    factors: 2,
                    loadings: numbers(seed, 91, 2 * assets, 0.5),
                    own: vec![0.8; assets],
                }),
            ),
        ];
        for (shocks, dependence) in kinds {
            for how in [Compounding::Log, Compounding::Simple] {
                let shocks = shocks.clone().expect("ν above 2");
                let dependence = dependence.clone().expect("positive definite");
                let job = Paths::new(seed, steps, list.clone(), shocks, dependence, how);
                let job = job.expect("sound parameters");
                if how == Compounding::Log {
                    jobs.extend(otherwise_drawn(seed, &job));
                }
                jobs.push(job);
            }
        }
    }
    jobs
}

/// The same job mirrored, on Sobol points, and tilted where it can be.
fn otherwise_drawn(seed: u64, job: &Paths) -> Vec<Paths> {
    let mut jobs = vec![job.mirrored(), job.on_points(12, 2).expect("few numbers")];
    let stretch = match job.shocks() {
        Shocks::Normal => 1.0,
        Shocks::MixedStudent { .. } => 0.6,
        _ => return jobs,
    };
    let places = job.steps() as usize * job.dependence().width(job.assets().len());
    let shifts = numbers(seed, 92, places, 0.5);
    for is_applied in [false, true] {
        jobs.push(job.tilted(shifts.clone(), stretch, is_applied).expect("normals"));
    }
    jobs
}

fn walked(job: &Paths, simd: Simd, split: Split) -> Vec<f32> {
    let size = job.rows() * BLOCK;
    let mut to = vec![0.0; 2 * size];
    let mut room = Room::default();
    let order = if split == Split::Whole { [0, 1] } else { [1, 0] };
    for block in order {
        let part = &mut to[block * size..(block + 1) * size];
        garch_paths::block(job, (block * BLOCK) as u64, &mut room, part, simd);
    }
    to
}

/// A book of every kind of position over `factors` factors, the last two a currency and a volatility.
///
/// # Panics
/// Never: the positions are sound.
#[must_use]
pub fn book(factors: u32, linear: u32, curved: u32) -> Book {
    let mut book = Book::new(factors as usize);
    book.add_constant(0.25);
    let (money, volatility) = (factors - 2, factors - 1);
    for i in 0..linear {
        let currency = (i % 3 == 1).then_some(money);
        let term = Linear { factor: i % factors, exposure: 100.0 - 7.0 * i as f32, currency };
        book.add_linear(term).expect("sound");
    }
    for i in 0..curved {
        let factor = i % (factors - 2).max(1);
        let currency = (i % 2 == 0).then_some(money);
        book.add_square(Square { factor, half_gamma: 3.0 - i as f32 }).expect("sound");
        book.add_inverse(Inverse { factor, scale: 50.0, currency }).expect("sound");
        let term = OptionTerm {
            factor,
            volatility_factor: (i % 2 == 0).then_some(volatility),
            volatility_scale: 0.5 + 0.1 * i as f32,
            right: if i % 3 == 0 { Right::Put } else { Right::Call },
            moneyness: 0.7 + 0.09 * i as f32,
            volatility: 0.2 + 0.1 * i as f32,
            root_time: if i == 4 { 0.0 } else { 0.1 * i as f32 },
            value: 0.05,
            scale: 1_000.0,
            in_coin: i % 4 == 1,
            currency,
        };
        book.add_option(term).expect("sound");
    }
    book
}

/// Books with the tile of scenarios that each is valued under.
#[must_use]
pub fn books(seed: u64) -> Vec<(Book, Vec<f32>)> {
    let shapes = [(2, 1, 0), (3, 7, 1), (20, 41, 10), (4, 0, 6)];
    let with_tile = |(step, (factors, linear, curved)): (usize, (u32, u32, u32))| {
        let tile = numbers(seed, 100 + step as u32, factors as usize * BLOCK, 0.15);
        (book(factors, linear, curved), tile)
    };
    shapes.into_iter().enumerate().map(with_tile).collect()
}

fn valued(seed: u64, simd: Simd, split: Split) -> Vec<f32> {
    let mut all = Vec::new();
    for (book, tile) in books(seed) {
        let mut profits = vec![0.0; BLOCK];
        scenarios::block(&book, &tile, &mut profits, simd);
        all.extend_from_slice(&profits);
    }
    // simulated: fused where whole, two passes where in pieces
    let (book, mut room) = (book(5, 9, 5), Room::default());
    for job in paths(seed).iter().filter(|job| job.assets().len() == 3) {
        let mut to = vec![0.0; (1 + job.rows() - 3) * BLOCK];
        match split {
            Split::Whole => {
                scenarios::simulate_block(job, &book, 0, &mut room, &mut to, simd);
            }
            Split::Pieces => {
                let mut tile = vec![0.0; 5 * BLOCK];
                garch_paths::block(job, 0, &mut room, &mut tile[..job.rows() * BLOCK], simd);
                let (profits, ratios) = to.split_at_mut(BLOCK);
                // the ratio's row is no factor's
                ratios.copy_from_slice(&tile[3 * BLOCK..job.rows() * BLOCK]);
                tile[3 * BLOCK..].fill(0.0);
                scenarios::block(&book, &tile, profits, simd);
            }
        }
        all.extend_from_slice(&to);
    }
    all
}

/// Levels that every profit vector is measured at.
pub const LEVELS: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

/// Vectors of profits: smooth ones, ones with ties, one longer than a sample.
#[must_use]
pub fn profits(seed: u64) -> Vec<Vec<f32>> {
    let mut all: Vec<Vec<f32>> = [100, 1_021, 4_096, 40_001]
        .into_iter()
        .enumerate()
        .map(|(step, count)| numbers(seed, 200 + step as u32, count, 1_000.0))
        .collect();
    all.push(numbers(seed, 210, 9_999, 4.0).into_iter().map(f32::round).collect());
    all
}

fn measured(seed: u64, simd: Simd) -> Vec<f32> {
    let measures = profits(seed).into_iter().flat_map(|profits| {
        tail::measure(&profits, &LEVELS, simd).expect("numbers enough for every level")
    });
    measures.flat_map(|m| [m.var, m.es, m.beyond as f32]).collect()
}

/// Rows of returns with their series and weighting.
#[must_use]
pub fn returns(seed: u64) -> Vec<(Vec<f32>, usize, Weighting)> {
    let shapes = [(2, 1), (257, 17), (1_021, 20), (700, 33)];
    let weightings = [Weighting::Equal { ddof: 1 }, Weighting::Exponential { lambda: 0.97 }];
    let mut all = Vec::new();
    for (step, (rows, series)) in shapes.into_iter().enumerate() {
        for weighting in weightings {
            all.push((numbers(seed, 300 + step as u32, rows * series, 0.02), series, weighting));
        }
    }
    all
}

fn covariances(seed: u64, simd: Simd) -> Vec<f32> {
    let one = |(rows, series, weighting): (Vec<f32>, usize, Weighting)| {
        cov::covariance(&rows, series, weighting, simd).expect("rows enough")
    };
    returns(seed).into_iter().flat_map(one).collect()
}

/// Inputs, states of a layer, layers, steps and samples of a network.
pub type NetShape = (usize, usize, usize, usize, usize);

/// Shapes of networks: odd ones, and those of the documented models.
pub const LSTM_SHAPES: [NetShape; 3] = [(1, 1, 1, 3, 1), (7, 13, 2, 5, 3), (32, 128, 2, 16, 4)];
/// The same for GRU.
pub const GRU_SHAPES: [NetShape; 3] = [(1, 1, 1, 3, 1), (7, 13, 2, 5, 3), (32, 96, 2, 16, 4)];

/// Weights of a layer: inputs, state, and a bias of each.
pub type LayerParts = [Vec<f32>; 4];

/// Weights of every layer, as PyTorch initialises them in size.
#[must_use]
pub fn layers(
    seed: u64,
    (inputs, hidden, layers, _, _): NetShape,
    gates: usize,
) -> Vec<LayerParts> {
    let size = 1.0 / (hidden as f32).sqrt();
    let rows = gates * hidden;
    let parts = |at: usize| {
        let below = if at == 0 { inputs } else { hidden };
        let step = 400 + 4 * at as u32;
        [
            numbers(seed, step, rows * below, size),
            numbers(seed, step + 1, rows * hidden, size),
            numbers(seed, step + 2, rows, size),
            numbers(seed, step + 3, rows, size),
        ]
    };
    (0..layers).map(parts).collect()
}

/// Inputs of a network's windows, `[sample][step][input]`.
#[must_use]
pub fn windows(seed: u64, (inputs, _, _, steps, samples): NetShape) -> Vec<f32> {
    numbers(seed, 450, samples * steps * inputs, 1.0)
}

fn layer([input, state, input_bias, state_bias]: &LayerParts) -> LayerWeights<'_> {
    LayerWeights { input, state, input_bias, state_bias }
}

/// An LSTM of a shape.
///
/// # Panics
/// Never: the weights fit.
#[must_use]
pub fn lstm_of(seed: u64, shape: NetShape, precision: Precision) -> lstm::Lstm {
    let parts = layers(seed, shape, 4);
    let parts: Vec<_> = parts.iter().map(layer).collect();
    lstm::Lstm::new(shape.0, shape.1, &parts, precision).expect("weights fit")
}

/// A GRU of a shape.
///
/// # Panics
/// Never: the weights fit.
#[must_use]
pub fn gru_of(seed: u64, shape: NetShape, precision: Precision) -> gru::Gru {
    let parts = layers(seed, shape, 3);
    let parts: Vec<_> = parts.iter().map(layer).collect();
    gru::Gru::new(shape.0, shape.1, &parts, precision).expect("weights fit")
}

fn recurrent_lstm(seed: u64, simd: Simd, split: Split) -> Vec<f32> {
    let one = |shape: NetShape| {
        let net = lstm_of(seed, shape, Precision::Single);
        let whole = |x: &[f32], to: &mut [f32]| net.batch(x, shape.3, to, simd);
        let stream = |x: &[f32], to: &mut [f32]| {
            let mut state = net.state();
            for (x, to) in x.chunks(shape.0).zip(to.chunks_mut(shape.1)) {
                to.copy_from_slice(net.step(&mut state, x, simd));
            }
        };
        through(seed, shape, split, whole, stream)
    };
    LSTM_SHAPES.into_iter().flat_map(one).collect()
}

fn recurrent_gru(seed: u64, simd: Simd, split: Split) -> Vec<f32> {
    let one = |shape: NetShape| {
        let net = gru_of(seed, shape, Precision::Single);
        let whole = |x: &[f32], to: &mut [f32]| net.batch(x, shape.3, to, simd);
        let stream = |x: &[f32], to: &mut [f32]| {
            let mut state = net.state();
            for (x, to) in x.chunks(shape.0).zip(to.chunks_mut(shape.1)) {
                to.copy_from_slice(net.step(&mut state, x, simd));
            }
        };
        through(seed, shape, split, whole, stream)
    };
    GRU_SHAPES.into_iter().flat_map(one).collect()
}

/// A network's windows all at once, or each as a stream of its own.
fn through(
    seed: u64,
    shape: NetShape,
    split: Split,
    whole: impl Fn(&[f32], &mut [f32]),
    stream: impl Fn(&[f32], &mut [f32]),
) -> Vec<f32> {
    let (inputs, hidden, _, steps, samples) = shape;
    let (x, mut to) = (windows(seed, shape), vec![0.0; samples * steps * hidden]);
    match split {
        Split::Whole => whole(&x, &mut to),
        Split::Pieces => {
            let rows = x.chunks(steps * inputs).zip(to.chunks_mut(steps * hidden));
            rows.for_each(|(x, to)| stream(x, to));
        }
    }
    to
}

/// Steps and states of attended windows.
pub const ATTENTION_SHAPES: [(usize, usize); 4] = [(1, 1), (3, 7), (64, 128), (65, 33)];

/// States and query of a window.
#[must_use]
pub fn attention_case(seed: u64, (steps, hidden): (usize, usize)) -> (Vec<f32>, Vec<f32>) {
    (numbers(seed, 500, steps * hidden, 1.0), numbers(seed, 501, hidden, 1.0))
}

fn attended(seed: u64, simd: Simd) -> Vec<f32> {
    let mut all = Vec::new();
    for shape in ATTENTION_SHAPES {
        let (states, query) = attention_case(seed, shape);
        let (mut weights, mut context) = (vec![0.0; shape.0], vec![0.0; shape.1]);
        attention::attend(&states, &query, &mut weights, &mut context, simd);
        all.extend(weights);
        all.extend(context);
    }
    all
}
