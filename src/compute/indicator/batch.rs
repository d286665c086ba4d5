//! One indicator over whole planes: checks once, runs the twin chosen at construction.

use super::formula::{
    Bands, Deviation, FlowEvent, LogReturn, PerVolume, Score, Total, Toxicity, Weighted,
};
use super::kernel::{BatchError, Kernel, Shape};
use super::recurrence::Recurrence;
use super::rolling::{AsGiven, Planes, Rolling, Room, Rows};
use super::scalar::Plain;
use super::smoothing::{Convergence, Exponential, Strength, TrueRange};
use crate::host::cpu::Simd;

#[cfg(target_arch = "x86_64")]
use super::avx2::Wide;

/// How many lanes walk at a time; `Plain` and `Wide` give the same bits.
pub(super) trait Twin {
    fn rolling<A, K, const I: usize, const R: usize, const S: usize, const O: usize>(
        kernel: &K,
        planes: Planes<I, O>,
        room: &mut Room,
    ) where
        A: Rows<I, R>,
        K: Rolling<R, S, O>;

    fn recurrence<K, const I: usize, const S: usize, const O: usize>(
        kernel: &K,
        shape: Shape,
        inputs: [&[f64]; I],
        outputs: &mut [&mut [f64]; O],
    ) where
        K: Recurrence<I, S, O>;
}

/// An indicator ready to run over planes; it keeps its working room between runs.
#[derive(Clone, Debug)]
pub struct Batch {
    kernel: Kernel,
    simd: Simd,
    room: Room,
}

impl Batch {
    /// Checks the settings. `Simd::Avx2` on a CPU without AVX2 runs the scalar twin.
    pub fn new(kernel: Kernel, simd: Simd) -> Result<Batch, BatchError> {
        kernel.check()?;
        let simd = if has_avx2() { simd } else { Simd::Scalar };
        Ok(Batch { kernel, simd, room: Room::default() })
    }

    /// Which indicator.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Fills every output plane; both twins fill them with the same bits.
    ///
    /// # Errors
    /// A wrong number of planes, or a plane of another size than `shape`.
    pub fn run(
        &mut self,
        shape: Shape,
        inputs: &[&[f64]],
        outputs: &mut [&mut [f64]],
    ) -> Result<(), BatchError> {
        self.check(shape, inputs, outputs)?;
        if shape.is_empty() {
            return Ok(());
        }
        let warm_up = self.kernel.warm_up().min(shape.steps) * shape.series;
        outputs.iter_mut().for_each(|plane| plane[..warm_up].fill(f64::NAN));
        match self.simd {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => self.dispatch::<Wide>(shape, inputs, outputs),
            _ => self.dispatch::<Plain>(shape, inputs, outputs),
        }
        Ok(())
    }

    fn check(
        &self,
        shape: Shape,
        inputs: &[&[f64]],
        outputs: &[&mut [f64]],
    ) -> Result<(), BatchError> {
        let (name, Shape { steps, series }) = (self.kernel.name(), shape);
        for (what, given, needed) in [
            ("input", inputs.len(), self.kernel.inputs()),
            ("output", outputs.len(), self.kernel.outputs()),
        ] {
            if given != needed {
                return Err(BatchError::Planes { name, what, given, needed });
            }
        }
        let inputs = inputs.iter().enumerate().map(|(plane, it)| ("input", plane, it.len()));
        let outputs = outputs.iter().enumerate().map(|(plane, it)| ("output", plane, it.len()));
        for (what, plane, given) in inputs.chain(outputs) {
            if Some(given) != shape.len() {
                return Err(BatchError::Size { what, plane, given, steps, series });
            }
        }
        Ok(())
    }

    fn dispatch<T: Twin>(&mut self, shape: Shape, inputs: &[&[f64]], outputs: &mut [&mut [f64]]) {
        let room = &mut self.room;
        match self.kernel {
            Kernel::Sma { window } => {
                let mean = Total { window, scale: 1.0 / window as f64 };
                roll::<T, AsGiven, _, 1, 1, 1, 1>(&mean, shape, inputs, outputs, room);
            }
            Kernel::Wma { window } => {
                let mean = Weighted { window };
                roll::<T, AsGiven, _, 1, 1, 2, 1>(&mean, shape, inputs, outputs, room);
            }
            Kernel::Bollinger { window, width } => {
                let bands = Bands { window, width };
                roll::<T, AsGiven, _, 1, 1, 2, 3>(&bands, shape, inputs, outputs, room);
            }
            Kernel::ZScore { window } => {
                let score = Score { window };
                roll::<T, AsGiven, _, 1, 1, 2, 1>(&score, shape, inputs, outputs, room);
            }
            Kernel::Vwap { window } => {
                let mean = PerVolume { window };
                roll::<T, AsGiven, _, 2, 2, 2, 1>(&mean, shape, inputs, outputs, room);
            }
            Kernel::Vpin { window } => {
                let share = Toxicity { window };
                roll::<T, AsGiven, _, 2, 2, 2, 1>(&share, shape, inputs, outputs, room);
            }
            Kernel::Volatility { window } => {
                let deviation = Deviation { window };
                roll::<T, LogReturn, _, 1, 1, 2, 1>(&deviation, shape, inputs, outputs, room);
            }
            Kernel::Ofi { window } => {
                let sum = Total { window, scale: 1.0 };
                roll::<T, FlowEvent, _, 4, 1, 1, 1>(&sum, shape, inputs, outputs, room);
            }
            Kernel::Ema { window } => {
                recur::<T, _, 1, 1, 1>(&Exponential { window }, shape, inputs, outputs);
            }
            Kernel::Macd { fast, slow, signal } => {
                let kernel = Convergence { fast, slow, signal };
                recur::<T, _, 1, 3, 2>(&kernel, shape, inputs, outputs);
            }
            Kernel::Rsi { window } => {
                recur::<T, _, 1, 2, 1>(&Strength { window }, shape, inputs, outputs);
            }
            Kernel::Atr { window } => {
                recur::<T, _, 3, 1, 1>(&TrueRange { window }, shape, inputs, outputs);
            }
        }
    }
}

fn roll<T: Twin, A, K, const I: usize, const R: usize, const S: usize, const O: usize>(
    kernel: &K,
    shape: Shape,
    inputs: &[&[f64]],
    outputs: &mut [&mut [f64]],
    room: &mut Room,
) where
    A: Rows<I, R>,
    K: Rolling<R, S, O>,
{
    let (Some(inputs), Some(outputs)) = (inputs.first_chunk(), outputs.first_chunk_mut()) else {
        unreachable!("`check` counted the planes");
    };
    T::rolling::<A, K, I, R, S, O>(kernel, Planes { shape, inputs: *inputs, outputs }, room);
}

fn recur<T: Twin, K, const I: usize, const S: usize, const O: usize>(
    kernel: &K,
    shape: Shape,
    inputs: &[&[f64]],
    outputs: &mut [&mut [f64]],
) where
    K: Recurrence<I, S, O>,
{
    let (Some(inputs), Some(outputs)) = (inputs.first_chunk(), outputs.first_chunk_mut()) else {
        unreachable!("`check` counted the planes");
    };
    T::recurrence(kernel, shape, *inputs, outputs);
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}
