//! The batch kernels, their inputs, and the two twins timed in turns; shared by the indicator bench and
//! the comparison with rivals.
//!
//! Both twins compute the same planes and must agree to the bit before they are timed; then they take
//! turns, and the smallest time of each counts (the machine may be shared). Planes fit the L2 cache.

use bot4::compute::indicator::{Batch, Kernel, Shape};
use bot4::host::cpu::Simd;
use std::hint::black_box;
use std::time::Instant;

/// Turns of each twin.
const ROUNDS: usize = 41;
/// Calls timed together in one turn.
const CALLS: usize = 8;
pub const WINDOW: usize = 20;
/// 64 KiB a plane.
pub const MANY: Shape = Shape { steps: 512, series: 16 };
pub const ONE: Shape = Shape { steps: 8_192, series: 1 };

pub const KERNELS: [Kernel; 12] = [
    Kernel::Sma { window: WINDOW },
    Kernel::Ema { window: WINDOW },
    Kernel::Wma { window: WINDOW },
    Kernel::Rsi { window: 14 },
    Kernel::Macd { fast: 12, slow: 26, signal: 9 },
    Kernel::Bollinger { window: WINDOW, width: 2.0 },
    Kernel::Atr { window: 14 },
    Kernel::Vwap { window: WINDOW },
    Kernel::Volatility { window: WINDOW },
    Kernel::ZScore { window: WINDOW },
    Kernel::Ofi { window: WINDOW },
    Kernel::Vpin { window: 50 },
];

/// A seeded stream of numbers in [0, 1).
pub struct Draws(pub u64);

impl Draws {
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Prices near 60 000 on a walk of ticks, and sizes.
fn planes(kernel: Kernel, shape: Shape) -> Vec<Vec<f64>> {
    let mut draws = Draws(0x9E37_79B9_7F4A_7C15);
    let len = shape.steps * shape.series;
    let mut mids = vec![60_000.0; len];
    for at in shape.series..len {
        mids[at] = mids[at - shape.series] + (draws.next() * 9.0).floor() * 0.1 - 0.4;
    }
    let mut sizes = || (0..len).map(|_| (draws.next() * 1_000.0).ceil()).collect::<Vec<f64>>();
    let shifted = |by: f64| mids.iter().map(|mid| mid + by).collect::<Vec<f64>>();
    match kernel {
        Kernel::Atr { .. } => vec![shifted(1.0), shifted(-1.0), mids],
        Kernel::Vwap { .. } => {
            let sizes = sizes();
            vec![mids, sizes]
        }
        Kernel::Ofi { .. } => vec![shifted(-0.1), sizes(), shifted(0.1), sizes()],
        Kernel::Vpin { .. } => vec![sizes(), sizes()],
        _ => vec![mids],
    }
}

/// Smallest ns per value of the scalar and the AVX2 twin; `None` where their bits differ.
pub fn compare(kernel: Kernel, shape: Shape) -> Option<[f64; 2]> {
    let inputs = planes(kernel, shape);
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let len = shape.steps * shape.series;
    let mut results = [Simd::Scalar, Simd::Avx2].map(|simd| {
        let batch = Batch::new(kernel, simd).expect("sound settings");
        (batch, vec![vec![0.0; len]; kernel.outputs()])
    });
    let mut best = [f64::INFINITY; 2];
    for round in 0..=ROUNDS {
        for ((batch, outputs), best) in results.iter_mut().zip(&mut best) {
            let mut outputs: Vec<&mut [f64]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
            let start = Instant::now();
            for _ in 0..CALLS {
                batch.run(shape, black_box(&inputs), &mut outputs).expect("planes of that shape");
            }
            let time = start.elapsed().as_nanos() as f64 / (CALLS * len) as f64;
            if round > 0 {
                *best = best.min(time);
            }
        }
    }
    let [(_, scalar), (_, wide)] = &results;
    let same = scalar.iter().flatten().zip(wide.iter().flatten());
    same.into_iter()
        .all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan())
        .then_some(best)
}
