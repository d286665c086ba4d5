//! Sobol's low-discrepancy points with Owen's scrambling, in replicates that are independent of each other.
//!
//! A replicate holds 2^log points; path p is point p mod 2^log of replicate p div 2^log. Coordinate d of
//! point i is the exclusive or of the direction numbers v_db over the bits b of i (Sobol 1967; initial
//! numbers of Joe and Kuo 2008), then scrambled: every bit is flipped or not by a hash of all the bits above
//! it, which is Owen's nested uniform scrambling (1995) with the hash of Laine and Karras (2011) in
//! Vegdahl's constants, a key a replicate and coordinate. All of it is done on reversed bits, where "above"
//! is "carries only upwards". A coordinate is a word of 32 bits, as `philox` gives them.
//! Twins: the generic body serves `scalar` and `avx2` of whoever draws; kernels/sobol.cuh and
//! shaders/sobol.wgsl give the same bits. Deliberately absent: numbers of a distribution.

use crate::compute::philox::{Counters, Stream};
use crate::compute::singles::Words;
use std::sync::OnceLock;

/// Coordinates that the table has.
pub const DIMENSIONS_MAX: usize = 1_024;
/// Points of a replicate: at least a block, at most what 32 bits tell apart.
const LOG_RANGE: std::ops::RangeInclusive<u32> = 12..=31;
/// Bits of a point's number that may differ between the lanes of a register.
const LANE_BITS: usize = 4;

const TABLE: &str = include_str!("joe_kuo.txt");

/// Why there are no such points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SobolError {
    /// More coordinates than the table has.
    #[error(
        "paths of these steps and assets take {0} random numbers each, and Sobol's points have at most \
         {DIMENSIONS_MAX} coordinates: fewer steps or assets, or another way of sampling"
    )]
    Dimensions(usize),
    /// Too few or too many points.
    #[error("2^{0} points a replicate; from 2^12 to 2^31 are possible")]
    Points(u32),
}

/// Scrambled points.
#[derive(Clone, Debug, PartialEq)]
pub struct Sobol {
    dimensions: usize,
    log: u32,
    replicates: usize,
    // [dimension][bit], bits reversed
    directions: Vec<u32>,
    // [replicate][dimension]
    keys: Vec<u32>,
}

impl Sobol {
    /// Points of so many coordinates, 2^log a replicate.
    ///
    /// # Errors
    /// More coordinates than the table has, or a size that is not possible.
    pub fn new(
        seed: u64,
        dimensions: usize,
        log: u32,
        replicates: usize,
    ) -> Result<Sobol, SobolError> {
        if dimensions > DIMENSIONS_MAX {
            return Err(SobolError::Dimensions(dimensions));
        }
        if !LOG_RANGE.contains(&log) {
            return Err(SobolError::Points(log));
        }
        let table = table();
        let directions = (0..dimensions).flat_map(|d| table[d].iter().take(log as usize).copied());
        let key = |at: usize| {
            let (replicate, dimension) = (at / dimensions, at % dimensions);
            let counters = Counters::<u32>::new(seed, replicate as u64);
            counters.block(Stream::Scramble, (dimension / 4) as u32, 0)[dimension % 4]
        };
        let keys = (0..replicates * dimensions).map(key).collect();
        Ok(Sobol { dimensions, log, replicates, directions: directions.collect(), keys })
    }

    /// Coordinates.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Replicates.
    #[must_use]
    pub fn replicates(&self) -> usize {
        self.replicates
    }

    /// Points of a replicate.
    #[must_use]
    pub fn points(&self) -> usize {
        1 << self.log
    }

    /// Coordinates, bits of a point, direction numbers and keys, for a device's memory.
    pub(crate) fn pack(&self, words: &mut Vec<u32>) {
        words.extend([self.dimensions as u32, self.log]);
        words.extend(&self.directions);
        words.extend(&self.keys);
    }

    /// Coordinates `dimension..dimension + 4` of the paths `path`, `path + 1`, … in the lanes.
    ///
    /// # Panics
    /// Beyond the last coordinate or replicate.
    #[inline(always)]
    #[must_use]
    pub fn block<W: Words>(&self, path: u64, dimension: usize) -> [W; 4] {
        std::array::from_fn(|next| self.word(path, dimension + next))
    }

    #[inline(always)]
    fn word<W: Words>(&self, path: u64, dimension: usize) -> W {
        let log = self.log as usize;
        let directions = &self.directions[dimension * log..][..log];
        let point = path as u32 & ((1 << self.log) - 1);
        // a register's paths differ in the last bits alone
        let mut same = 0;
        let mut left = point;
        while left != 0 {
            same ^= directions[left.trailing_zeros() as usize];
            left &= left - 1;
        }
        let lane = W::counting(0);
        let masks: [W; LANE_BITS] = [
            lane.left::<31>().right_signed::<31>(),
            lane.left::<30>().right_signed::<31>(),
            lane.left::<29>().right_signed::<31>(),
            lane.left::<28>().right_signed::<31>(),
        ];
        let mut word = W::splat(same);
        for (mask, &direction) in masks.iter().zip(directions) {
            word = word ^ (*mask & W::splat(direction));
        }
        let replicate = (path >> self.log) as usize;
        reversed(scrambled(word, self.keys[replicate * self.dimensions + dimension]))
    }
}

/// Nested uniform scrambling on reversed bits.
#[inline(always)]
fn scrambled<W: Words>(x: W, key: u32) -> W {
    let x = x ^ x.times(0x3D20_ADEA);
    let x = x.plus(W::splat(key)).times((key >> 16) | 1);
    let x = x ^ x.times(0x0552_6C56);
    x ^ x.times(0x53A2_2864)
}

#[inline(always)]
fn reversed<W: Words>(x: W) -> W {
    let swapped = |low: W, high: W, mask: u32| (low & W::splat(mask)) ^ (high & W::splat(!mask));
    let x = swapped(x.right::<1>(), x.left::<1>(), 0x5555_5555);
    let x = swapped(x.right::<2>(), x.left::<2>(), 0x3333_3333);
    let x = swapped(x.right::<4>(), x.left::<4>(), 0x0F0F_0F0F);
    let x = swapped(x.right::<8>(), x.left::<8>(), 0x00FF_00FF);
    x.right::<16>() ^ x.left::<16>()
}

/// Direction numbers of every dimension, bits reversed: v_b = m_b·2^(31−b), m by the primitive polynomial's
/// recurrence (Bratley and Fox 1988).
fn table() -> &'static [[u32; 32]] {
    static ROWS: OnceLock<Vec<[u32; 32]>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let first: [u32; 32] = std::array::from_fn(|b| 1 << b);
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        std::iter::once(first).chain(lines.map(directions)).collect()
    })
}

fn directions(line: &str) -> [u32; 32] {
    let numbers: Vec<u32> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
    let (polynomial, initial) = (numbers[0], &numbers[1..]);
    let degree = initial.len();
    let mut v = [0_u32; 32];
    for b in 0..32 {
        v[b] = if b < degree {
            initial[b] << (31 - b)
        } else {
            let mut sum = v[b - degree] ^ (v[b - degree] >> degree);
            for k in 1..degree {
                if polynomial >> (degree - k) & 1 == 1 {
                    sum ^= v[b - k];
                }
            }
            sum
        };
    }
    v.map(u32::reverse_bits)
}

#[cfg(test)]
mod tests;
