//! A tail measured on a device: ranks by their keys' digits, sums block by block, folded here.

use super::{Excess, Measure, Ranks, TailError, check_finite, finish};
use crate::compute::device::launch::{Gpu, GpuError, Launch};
use crate::compute::reduce::{BLOCK, LANES};

/// Values of a digit, and bits of it.
const DIGITS: usize = 256;
const BITS: u32 = 8;

/// Why a device measured nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DeviceTailError {
    /// The tail.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// The device.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// Measures as `measure` does.
///
/// # Errors
/// A tail that has no measure, or what the device's driver says.
pub fn measure(
    gpu: &dyn Gpu,
    profits: &[f32],
    levels: &[f64],
) -> Result<Vec<Measure>, DeviceTailError> {
    check_finite(profits)?;
    let mut measures = Vec::new();
    for &level in levels {
        let ranks = Ranks::new(profits.len(), level)?;
        let at = |rank: usize| ranked(gpu, profits, rank.min(profits.len() - 1));
        let (low, high) = (at(ranks.quantile)?, at(ranks.quantile + 1)?);
        let quantile = ranks.fraction.mul_add(high - low, low);
        let spread = f64::from(at(ranks.high)?) - f64::from(at(ranks.low)?);
        let blocks = excess(gpu, profits, quantile)?;
        measures.push(finish(level, profits.len(), quantile, spread, &blocks));
    }
    Ok(measures)
}

/// The number with so many below it: one pass a digit, the highest first.
fn ranked(gpu: &dyn Gpu, profits: &[f32], rank: usize) -> Result<f32, GpuError> {
    let blocks = profits.len().div_ceil(BLOCK);
    let (mut known, mut mask, mut left) = (0_u32, 0_u32, rank as u64);
    for shift in (0..u32::BITS).step_by(BITS as usize).rev() {
        let counts = gpu.run(&Launch {
            entry: "tail_digits",
            words: vec![profits.len() as u32, shift, known, mask],
            numbers: profits.to_vec(),
            out: blocks * DIGITS,
            wanted: 0..blocks * DIGITS,
            groups: blocks,
            threads: DIGITS,
        })?;
        let count = |digit: usize| {
            counts.iter().skip(digit).step_by(DIGITS).map(|&n| n as u64).sum::<u64>()
        };
        let mut digit = 0;
        while digit + 1 < DIGITS && left >= count(digit) {
            left -= count(digit);
            digit += 1;
        }
        known |= (digit as u32) << shift;
        mask |= (DIGITS as u32 - 1) << shift;
    }
    // the key's order turned back into bits
    let bits = if known >> 31 == 1 { known ^ 0x8000_0000 } else { !known };
    Ok(f32::from_bits(bits))
}

fn excess(gpu: &dyn Gpu, profits: &[f32], quantile: f32) -> Result<Vec<Excess>, GpuError> {
    let blocks = profits.len().div_ceil(BLOCK);
    let sums = gpu.run(&Launch {
        entry: "tail_excess",
        words: vec![profits.len() as u32, quantile.to_bits()],
        numbers: profits.to_vec(),
        out: 3 * blocks,
        wanted: 0..3 * blocks,
        groups: blocks,
        threads: LANES,
    })?;
    let block = |part: &[f32]| Excess { sum: part[0], squares: part[1], count: part[2] as u64 };
    Ok(sums.chunks_exact(3).map(block).collect())
}
