//! How fast each kernel runs on one core, beside the limit that binds it.
//!
//! A kernel's limit is the time of its vector operations at the measured rate of multiply-adds, or of its
//! bytes at the measured bandwidth of where they lie, whichever is longer. Operations are those of the
//! formulas, counted by hand beside each constant; a division or a root counts as eight, about what it
//! keeps its port busy.

use crate::compute::attention::attend;
use crate::compute::cases;
use crate::compute::cov::{self, Weighting};
use crate::compute::dense::Precision;
use crate::compute::device::Device;
use crate::compute::device::crew::Room;
use crate::compute::device::launch::{Gpu, GpuError};
use crate::compute::device::registry;
use crate::compute::garch_paths::{self, Asset, Compounding, Dependence, Paths, Shocks};
use crate::compute::limits::gpu::DeviceLimits;
use crate::compute::limits::{self, Limits};
use crate::compute::philox::{self, Draw, Fill, Stream, Student};
use crate::compute::reduce::BLOCK;
use crate::compute::scenarios::{self, Book, Linear, OptionTerm, Right};
use crate::compute::tail;
use crate::host::cpu::Simd;
use serde::Serialize;
use std::time::{Duration, Instant};

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Rate {
    pub kernel: &'static str,
    pub device: &'static str,
    pub size: String,
    pub rate: f64,
    pub unit: &'static str,
    /// The rate that the machine's limit allows.
    pub limit: f64,
    pub fraction_of_limit: f64,
    pub scalar_ratio: f64,
    /// Operations a byte, for the roofline.
    pub intensity: f64,
    /// Operations a second that the rate amounts to.
    pub operations: f64,
}

/// Operations of ten rounds and the joining, four words: 2 · 10 · 8 + 12.
const WORDS_4: f64 = 172.0;
/// Uniform 6, logarithm 20, root 9, turn 27, products 3: two numbers.
const PAIR: f64 = 65.0;
/// Uniform 6, logarithm 20, expm1 22, root 9, turn 27, products 3: one number.
const STUDENT: f64 = 87.0;
/// Root 8 and ten more.
const STEP: f64 = 18.0;
/// Logarithm 15, density 13, both of Mills' ratios 30 (a division among them), the rest 20.
const OPTION: f64 = 78.0;

/// What one run of a bench does.
struct Work {
    items: f64,
    /// Operations of an item.
    operations: f64,
    /// Bytes of an item, and the bandwidth they come at.
    bytes: f64,
    bandwidth: f64,
}

/// Paths of a device's job: whole blocks that any device's buffers hold.
const LARGE: usize = 256 * BLOCK;

/// Runs are repeated for this long, in batches; the best batch counts.
const BATCHES: usize = 5;
const BATCH: Duration = Duration::from_millis(60);

fn time(mut run: impl FnMut()) -> f64 {
    run();
    let mut best = f64::INFINITY;
    for _ in 0..BATCHES {
        let (began, mut runs) = (Instant::now(), 0);
        while runs == 0 || began.elapsed() < BATCH {
            run();
            runs += 1;
        }
        best = best.min(began.elapsed().as_secs_f64() / f64::from(runs));
    }
    best
}

/// A named bench: its time with a CPU's twins, and what it does.
struct Bench<'a> {
    kernel: &'static str,
    size: String,
    unit: &'static str,
    work: Work,
    run: Box<dyn FnMut(Simd) + 'a>,
    /// The same job on a device that is no CPU, there and back, with how much of it that is.
    on: Option<OnDevice<'a>>,
}

/// A job as a device runs it.
struct OnDevice<'a> {
    size: String,
    /// Items of a run, and bytes that go there or come back.
    items: f64,
    moved: f64,
    run: DeviceRun<'a>,
}

type DeviceRun<'a> = Box<dyn FnMut(&dyn Gpu) -> Result<Vec<f32>, GpuError> + 'a>;

pub(super) fn measure(devices: &[Device], seed: u64, limits: &Limits) -> Vec<Rate> {
    let mut rows = Vec::new();
    // a device that fails to be measured has no rows; the parity check has said why
    let others: Vec<(Device, &dyn Gpu, DeviceLimits)> = devices
        .iter()
        .filter_map(|device| registry::gpu(*device).map(|gpu| (*device, gpu)))
        .filter_map(|(device, gpu)| Some((device, gpu, limits::gpu::measure(gpu).ok()?)))
        .collect();
    for mut bench in benches(seed, limits) {
        let scalar = time(|| (bench.run)(Simd::Scalar));
        for device in devices {
            let Some(simd) = device.simd() else { continue };
            let seconds = if simd == Simd::Scalar { scalar } else { time(|| (bench.run)(simd)) };
            let work = &bench.work;
            let at_limit = (work.operations / limits.operations).max(work.bytes / work.bandwidth);
            let rate = work.items / seconds;
            rows.push(Rate {
                kernel: bench.kernel,
                device: device.name(),
                size: bench.size.clone(),
                rate,
                unit: bench.unit,
                limit: 1.0 / at_limit,
                fraction_of_limit: rate * at_limit,
                scalar_ratio: scalar / seconds,
                intensity: work.operations / work.bytes.max(1e-9),
                operations: rate * work.operations,
            });
        }
        let Some(on) = &mut bench.on else { continue };
        for (device, gpu, most) in &others {
            let mut failed = false;
            let seconds = time(|| failed |= (on.run)(*gpu).is_err());
            if failed {
                continue;
            }
            let work = &bench.work;
            let busy = (work.operations / most.operations).max(on.moved / on.items / most.memory);
            let at_limit = busy + (on.moved / most.transfer + most.launch) / on.items;
            let rate = on.items / seconds;
            rows.push(Rate {
                kernel: bench.kernel,
                device: device.name(),
                size: on.size.clone(),
                rate,
                unit: bench.unit,
                limit: 1.0 / at_limit,
                fraction_of_limit: rate * at_limit,
                scalar_ratio: rate * scalar / work.items,
                intensity: work.operations * on.items / on.moved,
                operations: rate * work.operations,
            });
        }
    }
    rows
}

fn benches(seed: u64, limits: &Limits) -> Vec<Bench<'static>> {
    let mut all = random(seed, limits);
    all.extend(walks(seed, limits));
    all.extend(values(seed, limits));
    all.extend(folds(seed, limits));
    all.extend(networks(seed, limits));
    all
}

fn random(seed: u64, limits: &Limits) -> Vec<Bench<'static>> {
    let draws = [
        ("normals", Some(Draw::Normal), WORDS_4 / 4.0 + PAIR / 2.0),
        ("Student's t, ν = 5", Student::new(5.0).map(Draw::Student), WORDS_4 / 2.0 + STUDENT),
    ];
    let (l1, paths, places) = (limits.l1, BLOCK, 4);
    let bench = |(name, draw, operations): (&str, Option<Draw>, f64)| {
        let job =
            Fill { seed, stream: Stream::Free, step: 0, first_path: 0, paths, places, draw: draw? };
        let mut to = vec![0.0; paths * places];
        Some(Bench {
            kernel: "philox",
            size: format!("{paths} x {places} {name}"),
            unit: "numbers/s",
            work: Work { items: (paths * places) as f64, operations, bytes: 4.0, bandwidth: l1 },
            run: Box::new(move |simd| philox::fill(&job, &mut to, simd)),
            on: Some(OnDevice {
                size: format!("{LARGE} x {places} {name}, there and back"),
                items: (LARGE * places) as f64,
                moved: (4 * LARGE * places) as f64,
                run: Box::new(move |gpu| philox::gpu::fill(gpu, &Fill { paths: LARGE, ..job })),
            }),
        })
    };
    draws.into_iter().filter_map(bench).collect()
}

fn walks(seed: u64, limits: &Limits) -> Vec<Bench<'static>> {
    let asset = Asset { omega: 2e-6, alpha: 0.08, beta: 0.9, start: 1e-4, ..Asset::default() };
    let steps = 10;
    let kinds = [
        ("GARCH normal", Ok(Shocks::Normal), WORDS_4 / 4.0 + PAIR / 2.0 + STEP),
        ("GARCH t, ν = 5", Shocks::student(5.0), WORDS_4 / 2.0 + STUDENT + STEP),
    ];
    let l1 = limits.l1;
    let bench = |(name, shocks, operations): (&str, Result<Shocks, _>, f64)| {
        let alone = Dependence::Independent;
        let job =
            Paths::new(seed, steps, vec![asset], shocks.ok()?, alone, Compounding::Log).ok()?;
        let (mut to, mut room) = (vec![0.0; BLOCK], Room::default());
        Some(Bench {
            kernel: "garch_paths",
            size: format!("{BLOCK} x {steps} steps {name}"),
            unit: "steps/s",
            work: Work {
                items: BLOCK as f64 * f64::from(steps),
                operations,
                bytes: 4.0 / f64::from(steps),
                bandwidth: l1,
            },
            on: Some({
                let job = job.clone();
                OnDevice {
                    size: format!("{LARGE} x {steps} steps {name}, there and back"),
                    items: LARGE as f64 * f64::from(steps),
                    moved: 4.0 * LARGE as f64,
                    run: Box::new(move |gpu| garch_paths::gpu::walk(gpu, &job, 0, LARGE)),
                }
            }),
            run: Box::new(move |simd| garch_paths::block(&job, 0, &mut room, &mut to, simd)),
        })
    };
    kinds.into_iter().filter_map(bench).collect()
}

/// Positions of the benches' book, of which so many are options in the mixed one.
const POSITIONS: u32 = 400;
const OPTIONS: u32 = 100;
/// Tiles of scenarios that no cache holds: 210 MB.
const TILES: usize = 32;

fn option(factor: u32) -> OptionTerm {
    OptionTerm {
        factor,
        volatility_factor: None,
        volatility_scale: 1.0,
        right: if factor.is_multiple_of(2) { Right::Call } else { Right::Put },
        moneyness: 0.8 + 0.004 * (factor % 100) as f32,
        volatility: 0.6,
        root_time: 0.3,
        value: 0.05,
        scale: 10.0,
        in_coin: false,
        currency: None,
    }
}

/// `POSITIONS` positions on as many factors, the last `options` of them options.
fn book(options: u32) -> Option<Book> {
    let mut book = Book::new(POSITIONS as usize);
    for factor in 0..POSITIONS {
        if factor < POSITIONS - options {
            let exposure = 1.0 + factor as f32;
            book.add_linear(Linear { factor, exposure, currency: None }).ok()?;
        } else {
            book.add_option(option(factor)).ok()?;
        }
    }
    Some(book)
}

fn values(seed: u64, limits: &Limits) -> Vec<Bench<'static>> {
    let mut all = Vec::new();
    let mut one = Book::new(1);
    let mut profits = vec![0.0; BLOCK];
    let (l1, memory) = (limits.l1, limits.memory);
    let small: Vec<f32> = (0..BLOCK).map(|i| (i as f32 / BLOCK as f32 - 0.5) * 0.2).collect();
    if one.add_option(option(0)).is_ok() {
        all.push(Bench {
            kernel: "scenarios",
            size: format!("{BLOCK} European options"),
            unit: "options/s",
            work: Work { items: BLOCK as f64, operations: OPTION, bytes: 8.0, bandwidth: l1 },
            on: Some({
                let (book, tiles) = (one.clone(), small.repeat(LARGE / BLOCK));
                OnDevice {
                    size: format!("{LARGE} European options, there and back"),
                    items: LARGE as f64,
                    moved: 8.0 * LARGE as f64,
                    run: Box::new(move |gpu| scenarios::gpu::revalue(gpu, &[&book], &tiles, LARGE)),
                }
            }),
            run: Box::new(move |simd| scenarios::block(&one, &small, &mut profits, simd)),
        });
    }
    if let Some(linear) = book(0) {
        let size = POSITIONS as usize * BLOCK;
        let tiles: Vec<f32> = (0..TILES * size).map(|i| (i % 1_021) as f32 * 1e-5).collect();
        let mut profits = vec![0.0; BLOCK];
        all.push(Bench {
            kernel: "scenarios",
            size: format!("{} x {POSITIONS} linear, from memory", TILES * BLOCK),
            unit: "scenarios/s",
            work: Work {
                items: (TILES * BLOCK) as f64,
                operations: f64::from(POSITIONS),
                bytes: 4.0 * f64::from(POSITIONS),
                bandwidth: memory,
            },
            on: None,
            run: Box::new(move |simd| {
                for tile in tiles.chunks_exact(size) {
                    scenarios::block(&linear, tile, &mut profits, simd);
                }
            }),
        });
    }
    for options in [0, OPTIONS] {
        let assets = vec![Asset::constant(0.0, 0.02); POSITIONS as usize];
        let alone = Dependence::Independent;
        let job = Paths::new(seed, 1, assets, Shocks::Normal, alone, Compounding::Simple);
        let (Ok(job), Some(book)) = (job, book(options)) else { continue };
        let (mut room, mut profits) = (Room::default(), vec![0.0; BLOCK]);
        let linear = f64::from(POSITIONS - options);
        let operations = f64::from(POSITIONS) * (WORDS_4 / 4.0 + PAIR / 2.0 + STEP)
            + linear
            + f64::from(options) * OPTION;
        let of = if options == 0 { String::new() } else { format!(", {options} of them options") };
        all.push(Bench {
            kernel: "scenarios",
            size: format!("generate and revalue {POSITIONS}{of}"),
            unit: "scenarios/s",
            work: Work { items: BLOCK as f64, operations, bytes: 4.0, bandwidth: l1 },
            on: Some({
                let (job, book) = (job.clone(), book.clone());
                OnDevice {
                    size: format!("generate and revalue {POSITIONS}{of}, there and back"),
                    items: (4 * BLOCK) as f64,
                    moved: (16 * BLOCK) as f64,
                    run: Box::new(move |gpu| {
                        scenarios::gpu::simulate(gpu, &job, &book, 0, 4 * BLOCK)
                    }),
                }
            }),
            run: Box::new(move |simd| {
                scenarios::simulate_block(&job, &book, 0, &mut room, &mut profits, simd);
            }),
        });
    }
    all
}

fn folds(seed: u64, limits: &Limits) -> Vec<Bench<'static>> {
    const PROFITS: usize = 1 << 20;
    const SERIES: usize = 400;
    const ROWS: usize = 2_048;
    let mut profits = vec![0.0; PROFITS];
    let job = Fill {
        seed,
        stream: Stream::Free,
        step: 1,
        first_path: 0,
        paths: PROFITS,
        places: 1,
        draw: Draw::Normal,
    };
    philox::fill(&job, &mut profits, Simd::detect());
    let rows: Vec<f32> = profits[..SERIES * ROWS].iter().map(|x| x * 0.01).collect();
    vec![
        Bench {
            kernel: "tail",
            size: format!("{PROFITS} profits, one level"),
            unit: "profits/s",
            work: Work {
                items: PROFITS as f64,
                operations: 1.0,
                bytes: 4.0,
                bandwidth: limits.memory,
            },
            on: None,
            run: Box::new(move |simd| {
                std::hint::black_box(tail::measure(&profits, &[0.99], simd).ok());
            }),
        },
        Bench {
            kernel: "cov",
            size: format!("{ROWS} rows x {SERIES} series"),
            unit: "products/s",
            work: Work {
                items: (ROWS * SERIES * (SERIES + 1) / 2) as f64,
                operations: 1.0,
                bytes: 0.0,
                bandwidth: limits.l1,
            },
            on: None,
            run: Box::new(move |simd| {
                let equal = Weighting::Equal { ddof: 1 };
                std::hint::black_box(cov::covariance(&rows, SERIES, equal, simd).ok());
            }),
        },
    ]
}

fn networks(seed: u64, limits: &Limits) -> Vec<Bench<'static>> {
    const STEPS: usize = 64;
    const SAMPLES: usize = 32;
    let l2 = limits.l2;
    let mut all: Vec<Bench<'static>> = Vec::new();
    let precisions =
        [(Precision::Single, "f32"), (Precision::Bf16, "bf16"), (Precision::Int8, "int8")];
    let (lstm, gru) = ((32, 128, 2, STEPS, SAMPLES), (32, 96, 2, STEPS, SAMPLES));
    for (precision, name) in precisions {
        let (net, x) = (cases::lstm_of(seed, lstm, precision), cases::windows(seed, lstm));
        let (bytes, operations) = (net.bytes() as f64, net.products() as f64);
        let mut state = net.state();
        let mut at = 0;
        all.push(Bench {
            kernel: "lstm",
            size: format!("2 x 128, a step of a stream, {name}"),
            unit: "steps/s",
            work: Work { items: 1.0, operations, bytes, bandwidth: l2 },
            on: None,
            run: Box::new(move |simd| {
                at = (at + 32) % x.len();
                std::hint::black_box(net.step(&mut state, &x[at..at + 32], simd));
            }),
        });
        let (net, x) = (cases::lstm_of(seed, lstm, precision), cases::windows(seed, lstm));
        let over = (2 * STEPS * 128) as f64;
        let (bytes, operations) = (net.bytes() as f64 + 4.0 * over, net.products() as f64 + over);
        let mut state = net.state();
        // the newest state takes the oldest's place: attention does not ask for their order
        let (mut states, mut weights) = (vec![0.0; STEPS * 128], vec![0.0; STEPS]);
        let mut context = vec![0.0; 128];
        let mut at = 0;
        all.push(Bench {
            kernel: "lstm",
            size: format!("2 x 128, a step of a stream with attention over {STEPS}, {name}"),
            unit: "steps/s",
            work: Work { items: 1.0, operations, bytes, bandwidth: l2 },
            on: None,
            run: Box::new(move |simd| {
                at += 1;
                let (from, place) = (at * 32 % x.len(), at % STEPS * 128);
                let top = net.step(&mut state, &x[from..from + 32], simd);
                states[place..place + 128].copy_from_slice(top);
                attend(&states, top, &mut weights, &mut context, simd);
                std::hint::black_box(&context);
            }),
        });
        let (net, x) = (cases::gru_of(seed, gru, precision), cases::windows(seed, gru));
        let (bytes, operations) = (net.bytes() as f64, net.products() as f64);
        let mut state = net.state();
        let mut at = 0;
        all.push(Bench {
            kernel: "gru",
            size: format!("2 x 96, a step of a stream, {name}"),
            unit: "steps/s",
            work: Work { items: 1.0, operations, bytes, bandwidth: l2 },
            on: None,
            run: Box::new(move |simd| {
                at = (at + 32) % x.len();
                std::hint::black_box(net.step(&mut state, &x[at..at + 32], simd));
            }),
        });
    }
    let (net, x) = (cases::lstm_of(seed, lstm, Precision::Single), cases::windows(seed, lstm));
    let operations = (net.products() * STEPS) as f64;
    let mut to = vec![0.0; SAMPLES * STEPS * 128];
    all.push(Bench {
        kernel: "lstm",
        size: format!("2 x 128, {SAMPLES} windows of {STEPS}, f32"),
        unit: "windows/s",
        work: Work { items: SAMPLES as f64, operations, bytes: 0.0, bandwidth: l2 },
        on: None,
        run: Box::new(move |simd| net.batch(&x, STEPS, &mut to, simd)),
    });
    let (net, x) = (cases::gru_of(seed, gru, Precision::Single), cases::windows(seed, gru));
    let operations = (net.products() * STEPS) as f64;
    let mut to = vec![0.0; SAMPLES * STEPS * 96];
    all.push(Bench {
        kernel: "gru",
        size: format!("2 x 96, {SAMPLES} windows of {STEPS}, f32"),
        unit: "windows/s",
        work: Work { items: SAMPLES as f64, operations, bytes: 0.0, bandwidth: l2 },
        on: None,
        run: Box::new(move |simd| net.batch(&x, STEPS, &mut to, simd)),
    });
    let (states, query) = cases::attention_case(seed, (STEPS, 128));
    let (mut weights, mut context) = (vec![0.0; STEPS], vec![0.0; 128]);
    all.push(Bench {
        kernel: "attention",
        size: format!("one query over {STEPS} states of 128"),
        unit: "queries/s",
        work: Work {
            items: 1.0,
            operations: (2 * STEPS * 128) as f64,
            bytes: (2 * STEPS * 128 * 4) as f64,
            bandwidth: limits.l1,
        },
        on: None,
        run: Box::new(move |simd| attend(&states, &query, &mut weights, &mut context, simd)),
    });
    all
}
