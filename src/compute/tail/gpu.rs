//! A tail measured on a device: ranks by their keys' digits, sums block by block, folded here.

use super::{Excess, Measure, Ranks, TailError, check_finite, finish};
use crate::compute::device::launch::{Gpu, GpuError, Kept, Launch, Numbers};
use crate::compute::reduce::{BLOCK, LANES};
use std::collections::HashMap;

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
    let mut tail =
        Tail { gpu, kept: gpu.keep(profits)?, length: profits.len(), counted: HashMap::new() };
    let mut measures = Vec::new();
    for &level in levels {
        let ranks = Ranks::new(profits.len(), level)?;
        let mut at = |rank: usize| tail.ranked(rank.min(profits.len() - 1));
        let (low, high) = (at(ranks.quantile)?, at(ranks.quantile + 1)?);
        let quantile = ranks.fraction.mul_add(high - low, low);
        let spread = f64::from(at(ranks.high)?) - f64::from(at(ranks.low)?);
        let blocks = tail.excess(quantile)?;
        measures.push(finish(level, profits.len(), quantile, spread, &blocks));
    }
    Ok(measures)
}

/// Profits on a device, and what has been counted of them.
struct Tail<'a> {
    gpu: &'a dyn Gpu,
    kept: Kept,
    length: usize,
    /// Numbers by their next digit, by the digits that are known and the place of the next one.
    counted: HashMap<(u32, u32), Vec<u64>>,
}

impl Tail<'_> {
    fn run(
        &self,
        entry: &'static str,
        words: Vec<u32>,
        of_block: usize,
        threads: usize,
    ) -> Result<Vec<f32>, GpuError> {
        let blocks = self.length.div_ceil(BLOCK);
        self.gpu.run(&Launch {
            entry,
            words,
            numbers: Numbers::Kept(self.kept.clone()),
            out: of_block * blocks,
            wanted: 0..of_block * blocks,
            groups: blocks,
            threads,
        })
    }

    /// How many numbers of these known digits have each next one: ranks that lie near each other share most.
    fn digits(&mut self, known: u32, mask: u32, shift: u32) -> Result<&[u64], GpuError> {
        if !self.counted.contains_key(&(known, shift)) {
            let words = vec![self.length as u32, shift, known, mask];
            let counts = self.run("tail_digits", words, DIGITS, DIGITS)?;
            let count =
                |digit: usize| counts.iter().skip(digit).step_by(DIGITS).map(|&n| n as u64).sum();
            self.counted.insert((known, shift), (0..DIGITS).map(count).collect());
        }
        Ok(&self.counted[&(known, shift)])
    }

    /// The number with so many below it: one pass a digit, the highest first.
    fn ranked(&mut self, rank: usize) -> Result<f32, GpuError> {
        let (mut known, mut mask, mut left) = (0_u32, 0_u32, rank as u64);
        for shift in (0..u32::BITS).step_by(BITS as usize).rev() {
            let counts = self.digits(known, mask, shift)?;
            let mut digit = 0;
            while digit + 1 < DIGITS && left >= counts[digit] {
                left -= counts[digit];
                digit += 1;
            }
            known |= (digit as u32) << shift;
            mask |= (DIGITS as u32 - 1) << shift;
        }
        // the key's order turned back into bits
        let bits = if known >> 31 == 1 { known ^ 0x8000_0000 } else { !known };
        Ok(f32::from_bits(bits))
    }

    fn excess(&self, quantile: f32) -> Result<Vec<Excess>, GpuError> {
        let words = vec![self.length as u32, quantile.to_bits()];
        let sums = self.run("tail_excess", words, 3, LANES)?;
        let block = |part: &[f32]| Excess { sum: part[0], squares: part[1], count: part[2] as u64 };
        Ok(sums.chunks_exact(3).map(block).collect())
    }
}
