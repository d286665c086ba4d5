//! The twins against each other to the bit, both against a slow recomputation that shares no code with
//! them, and the comparers against planted faults.

use super::{Batch, BatchError, Kernel, Shape};
use crate::host::cpu::Simd;
use proptest::prelude::*;

/// A seeded stream.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Every indicator with windows of `w` steps.
fn kernels(w: usize) -> [Kernel; 12] {
    [
        Kernel::Sma { window: w },
        Kernel::Ema { window: w },
        Kernel::Wma { window: w },
        Kernel::Rsi { window: w },
        Kernel::Macd { fast: w, slow: 2 * w + 1, signal: w },
        Kernel::Bollinger { window: w, width: 2.0 },
        Kernel::Atr { window: w },
        Kernel::Vwap { window: w },
        Kernel::Volatility { window: w.max(2) },
        Kernel::ZScore { window: w.max(2) },
        Kernel::Ofi { window: w },
        Kernel::Vpin { window: w },
    ]
}

/// Planes that suit the indicator: prices near 60 000 on a walk of ticks, sizes with zeros among them.
fn planes(kernel: Kernel, shape: Shape, seed: u64) -> Vec<Vec<f64>> {
    let mut draws = Draws(seed | 1);
    let len = shape.steps * shape.series;
    let mut prices = vec![60_000.0; len];
    for at in shape.series..len {
        prices[at] = prices[at - shape.series] + draws.below(9) as f64 * 0.1 - 0.4;
    }
    let mut sizes = || (0..len).map(|_| draws.below(50) as f64 * 0.001).collect::<Vec<f64>>();
    let shifted = |by: f64| prices.iter().map(|price| price + by).collect::<Vec<f64>>();
    match kernel {
        Kernel::Atr { .. } => vec![shifted(1.0), shifted(-1.0), prices],
        Kernel::Vwap { .. } => {
            let sizes = sizes();
            vec![prices, sizes]
        }
        Kernel::Ofi { .. } => vec![shifted(-0.1), sizes(), shifted(0.1), sizes()],
        Kernel::Vpin { .. } => vec![sizes(), sizes()],
        _ => vec![prices],
    }
}

fn run(kernel: Kernel, simd: Simd, shape: Shape, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut planes = vec![vec![-7.0; shape.steps * shape.series]; kernel.outputs()];
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let mut outputs: Vec<&mut [f64]> = planes.iter_mut().map(Vec::as_mut_slice).collect();
    let mut batch = Batch::new(kernel, simd).expect("sound settings");
    batch.run(shape, &inputs, &mut outputs).expect("planes of that shape");
    planes
}

/// The first place (plane, index) where two results are not the same bits; any NaN equals any other.
fn first_difference(a: &[Vec<f64>], b: &[Vec<f64>]) -> Option<(usize, usize)> {
    a.iter().zip(b).enumerate().find_map(|(plane, (a, b))| {
        let same = |x: f64, y: f64| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
        a.iter().zip(b).position(|(x, y)| !same(*x, *y)).map(|at| (plane, at))
    })
}

proptest! {
    #[test]
    fn twins_give_the_same_bits(
        steps in 0usize..180,
        series in 0usize..22,
        window in 1usize..40,
        seed in any::<u64>(),
        holes in 0u64..4,
    ) {
        let shape = Shape { steps, series };
        for kernel in kernels(window) {
            let mut inputs = planes(kernel, shape, seed);
            let mut draws = Draws(seed | 1);
            for plane in inputs.iter_mut().filter(|plane| !plane.is_empty()) {
                for _ in 0..holes {
                    let at = draws.below(plane.len() as u64) as usize;
                    let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300];
                    plane[at] = odd[draws.below(5) as usize];
                }
            }
            let scalar = run(kernel, Simd::Scalar, shape, &inputs);
            let wide = run(kernel, Simd::Avx2, shape, &inputs);
            prop_assert_eq!(first_difference(&scalar, &wide), None, "{:?} {:?}", kernel, shape);
        }
    }
}

/// A series alone has the bits it has among others, in whichever lane it stands.
#[test]
fn neighbours_do_not_matter() {
    let shape = Shape { steps: 150, series: 13 };
    let alone = Shape { steps: shape.steps, series: 1 };
    for kernel in kernels(7) {
        let inputs = planes(kernel, shape, 42);
        let together = run(kernel, Simd::Avx2, shape, &inputs);
        for series in 0..shape.series {
            let column = |plane: &Vec<f64>| {
                plane.iter().skip(series).step_by(shape.series).copied().collect::<Vec<f64>>()
            };
            let one =
                run(kernel, Simd::Avx2, alone, &inputs.iter().map(column).collect::<Vec<_>>());
            let of_all: Vec<Vec<f64>> = together.iter().map(column).collect();
            assert_eq!(first_difference(&one, &of_all), None, "{} series {series}", kernel.name());
        }
    }
}

/// Canary: one bit of one value is a difference.
#[test]
fn the_comparer_sees_a_flipped_bit() {
    let shape = Shape { steps: 60, series: 5 };
    let kernel = Kernel::Sma { window: 4 };
    let result = run(kernel, Simd::Scalar, shape, &planes(kernel, shape, 1));
    let mut spoiled = result.clone();
    spoiled[0][123] = f64::from_bits(spoiled[0][123].to_bits() ^ 1);
    assert_eq!(first_difference(&result, &spoiled), Some((0, 123)));
    spoiled[0][123] = f64::NAN;
    assert_eq!(first_difference(&result, &spoiled), Some((0, 123)));
}

fn mean(values: &[f64]) -> f64 {
    let origin = values[0];
    origin + values.iter().map(|x| x - origin).sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64], divisor: usize) -> f64 {
    let mean = mean(values);
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / divisor as f64).sqrt()
}

fn exponential(x: &[f64], window: usize) -> f64 {
    let rate = 2.0 / (window as f64 + 1.0);
    x.iter().skip(1).fold(x[0], |mean, x| rate * x + (1.0 - rate) * mean)
}

fn wilder(x: &[f64], window: usize) -> f64 {
    let w = window as f64;
    let seed = x[..window].iter().sum::<f64>() / w;
    x[window..].iter().fold(seed, |mean, x| (mean * (w - 1.0) + x) / w)
}

/// The outputs at the last step of a history, by the textbook and from nothing.
fn textbook(kernel: Kernel, x: &[&[f64]]) -> Vec<f64> {
    let last = |w: usize| &x[0][x[0].len() - w..];
    let changes = |sign: f64| -> Vec<f64> {
        x[0].windows(2).map(|pair| (sign * (pair[1] - pair[0])).max(0.0)).collect()
    };
    match kernel {
        Kernel::Sma { window } => vec![mean(last(window))],
        Kernel::Ema { window } => vec![exponential(x[0], window)],
        Kernel::Wma { window } => {
            let sum: f64 = last(window).iter().zip(1..).map(|(x, k)| x * f64::from(k)).sum();
            vec![sum / (window * (window + 1) / 2) as f64]
        }
        Kernel::Rsi { window } => {
            let (gain, loss) = (wilder(&changes(1.0), window), wilder(&changes(-1.0), window));
            vec![if gain + loss == 0.0 { 50.0 } else { 100.0 * gain / (gain + loss) }]
        }
        Kernel::Macd { fast, slow, signal } => {
            let line =
                |len: usize| exponential(&x[0][..len], fast) - exponential(&x[0][..len], slow);
            let lines: Vec<f64> = (1..=x[0].len()).map(line).collect();
            vec![line(x[0].len()), exponential(&lines, signal)]
        }
        Kernel::Bollinger { window, width } => {
            let (middle, band) = (mean(last(window)), width * deviation(last(window), window));
            vec![middle, middle + band, middle - band]
        }
        Kernel::Atr { window } => {
            let range = |at: usize| {
                let (high, low) = (x[0][at], x[1][at]);
                let before = if at == 0 { x[2][0] } else { x[2][at - 1] };
                (high - low).max((high - before).abs()).max((low - before).abs())
            };
            vec![wilder(&(0..x[0].len()).map(range).collect::<Vec<f64>>(), window)]
        }
        Kernel::Vwap { window } => {
            let from = x[0].len() - window;
            let value: f64 = x[0][from..].iter().zip(&x[1][from..]).map(|(p, v)| p * v).sum();
            vec![value / x[1][from..].iter().sum::<f64>()]
        }
        Kernel::Volatility { window } => {
            let from = x[0].len() - window - 1;
            let returns: Vec<f64> = x[0][from..]
                .windows(2)
                .map(|pair| ((pair[1] - pair[0]) / pair[0]).ln_1p())
                .collect();
            vec![deviation(&returns, window - 1)]
        }
        Kernel::ZScore { window } => {
            let deviation = deviation(last(window), window);
            let apart = x[0][x[0].len() - 1] - mean(last(window));
            vec![if deviation == 0.0 { 0.0 } else { apart / deviation }]
        }
        Kernel::Ofi { window } => {
            let event = |at: usize| {
                let [bid, bid_size, ask, ask_size] = [0, 1, 2, 3].map(|plane: usize| x[plane][at]);
                let [bid_was, bid_size_was, ask_was, ask_size_was] =
                    [0, 1, 2, 3].map(|plane: usize| x[plane][at - 1]);
                let mut sum = 0.0;
                sum += if bid >= bid_was { bid_size } else { 0.0 };
                sum -= if bid <= bid_was { bid_size_was } else { 0.0 };
                sum -= if ask <= ask_was { ask_size } else { 0.0 };
                sum += if ask >= ask_was { ask_size_was } else { 0.0 };
                sum
            };
            vec![(x[0].len() - window..x[0].len()).map(event).sum()]
        }
        Kernel::Vpin { window } => {
            let from = x[0].len() - window;
            let pairs = || x[0][from..].iter().zip(&x[1][from..]);
            let apart: f64 = pairs().map(|(bought, sold)| (bought - sold).abs()).sum();
            vec![apart / pairs().map(|(bought, sold)| bought + sold).sum::<f64>()]
        }
    }
}

/// Error allowed on an output whose naive value is `naive`: rounding relative to prices of 60 000; for
/// deviations, what a variance that cancels to nothing leaves under the root.
fn tolerance(kernel: Kernel, naive: f64) -> f64 {
    match kernel {
        Kernel::Bollinger { .. } => 1e-7,
        Kernel::Volatility { .. } => 1e-12,
        Kernel::ZScore { .. } => 1e-6,
        Kernel::Rsi { .. } => 1e-8,
        Kernel::Macd { .. } => 1e-9,
        _ => 1e-11 * naive.abs().max(1.0),
    }
}

/// The first step at which an output is off the textbook, or present or absent when it should not be.
fn off_the_textbook(kernel: Kernel, inputs: &[Vec<f64>], outputs: &[Vec<f64>]) -> Option<usize> {
    (0..inputs[0].len()).find(|&at| {
        let until: Vec<&[f64]> = inputs.iter().map(|plane| &plane[..=at]).collect();
        if at < kernel.warm_up() {
            return outputs.iter().any(|plane| !plane[at].is_nan());
        }
        outputs.iter().zip(textbook(kernel, &until)).any(|(plane, naive)| {
            let close = (plane[at] - naive).abs() <= tolerance(kernel, naive);
            !(close || plane[at].is_nan() && naive.is_nan())
        })
    })
}

#[test]
fn both_twins_follow_the_textbook() {
    for w in [1, 2, 3, 7, 20, 50] {
        for kernel in kernels(w) {
            let shape = Shape { steps: 4 * w + 40, series: 1 };
            let inputs = planes(kernel, shape, 0x9E37_79B9_7F4A_7C15);
            for simd in [Simd::Scalar, Simd::Avx2] {
                let outputs = run(kernel, simd, shape, &inputs);
                let off = off_the_textbook(kernel, &inputs, &outputs);
                assert_eq!(off, None, "{kernel:?} by {simd:?}");
            }
        }
    }
}

/// Canary: a window that is one too long, an output too early, or a shifted one is off the textbook.
#[test]
fn the_textbook_sees_a_wrong_window() {
    let shape = Shape { steps: 80, series: 1 };
    let (right, wrong) = (Kernel::Sma { window: 7 }, Kernel::Sma { window: 8 });
    let inputs = planes(right, shape, 3);
    assert_eq!(
        off_the_textbook(right, &inputs, &run(wrong, Simd::Scalar, shape, &inputs)),
        Some(6)
    );
    let mut early = run(right, Simd::Scalar, shape, &inputs);
    early[0][2] = 60_000.0;
    assert_eq!(off_the_textbook(right, &inputs, &early), Some(2));
    let mut shifted = run(right, Simd::Scalar, shape, &inputs);
    shifted[0][50] += 1e-5;
    assert_eq!(off_the_textbook(right, &inputs, &shifted), Some(50));
}

#[test]
fn a_bad_value_spoils_its_windows_only() {
    let shape = Shape { steps: 60, series: 3 };
    let kernel = Kernel::Bollinger { window: 5, width: 1.0 };
    let mut inputs = planes(kernel, shape, 5);
    let clean = run(kernel, Simd::Avx2, shape, &inputs);
    inputs[0][20 * 3 + 1] = f64::NAN;
    let spoiled = run(kernel, Simd::Avx2, shape, &inputs);
    for (at, (clean, spoiled)) in clean[0].iter().zip(&spoiled[0]).enumerate() {
        let (step, series) = (at / 3, at % 3);
        let in_window = series == 1 && (20..25).contains(&step);
        assert_eq!(spoiled.is_nan(), clean.is_nan() || in_window, "step {step} series {series}");
    }
}

#[test]
fn requests_are_checked() {
    let error = |kernel| Batch::new(kernel, Simd::Scalar).err().map(|error| error.to_string());
    assert!(error(Kernel::Sma { window: 0 }).is_some_and(|text| text.contains("at least 1")));
    assert!(error(Kernel::ZScore { window: 1 }).is_some_and(|text| text.contains("at least 2")));
    assert!(
        error(Kernel::Macd { fast: 26, slow: 12, signal: 9 }).is_some_and(|t| t.contains("26"))
    );
    assert!(error(Kernel::Bollinger { window: 20, width: f64::NAN }).is_some());
    assert!(error(Kernel::Bollinger { window: 20, width: -1.0 }).is_some());

    let mut batch = Batch::new(Kernel::Vwap { window: 2 }, Simd::Scalar).expect("sound");
    let (plane, shape) = ([0.0; 6], Shape { steps: 3, series: 2 });
    let mut room = [0.0; 6];
    let missing = batch.run(shape, &[&plane], &mut [&mut room]);
    assert!(matches!(missing, Err(BatchError::Planes { what: "input", given: 1, needed: 2, .. })));
    let short = batch.run(shape, &[&plane, &plane[..5]], &mut [&mut room]);
    assert!(matches!(short, Err(BatchError::Size { what: "input", plane: 1, given: 5, .. })));
    let uncountable = Shape { steps: usize::MAX, series: 2 };
    assert!(batch.run(uncountable, &[&plane, &plane], &mut [&mut room]).is_err());
}
