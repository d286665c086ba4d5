//! `Singles`: f32 numbers side by side with the 32-bit words they are made of, so that a formula of a
//! compute kernel is written once and runs one or eight at a time.
//!
//! Implemented by `f32` with `u32` (the meaning: one lane) and by the AVX2 registers of `avx2`.
//! Invariant: every operation is one IEEE 754 binary32 operation per lane, correctly rounded to
//! nearest even (`fma` rounds once), or exact integer arithmetic; so each lane gets the bits that
//! `f32` gives alone, and those that CUDA gives under `-fmad=false -ftz=false -prec-div=true
//! -prec-sqrt=true`. Subnormals are kept. Which NaN a NaN is, is left open.
//! Deliberately absent: sums across lanes, whose order `reduce` fixes.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
mod pair;
mod scalar;

use std::ops::{Add, BitAnd, BitXor, Div, Mul, Sub};

/// Numbers side by side.
pub trait Singles:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// The words beside them.
    type Words: Words<Singles = Self>;

    /// How many.
    const WIDTH: usize;

    /// The same number in every lane.
    fn splat(value: f32) -> Self;

    /// `from[at..at + WIDTH]`; panics beyond the end.
    fn load(from: &[f32], at: usize) -> Self;

    /// Sets `to[at..at + WIDTH]`; panics beyond the end.
    fn store(self, to: &mut [f32], at: usize);

    /// `self · times + plus`, rounded once.
    fn fma(self, times: Self, plus: Self) -> Self;

    /// Square root.
    fn sqrt(self) -> Self;

    /// Magnitude.
    fn abs(self) -> Self;

    /// The smaller one; `other` where either is NaN.
    fn least(self, other: Self) -> Self;

    /// The greater one; `other` where either is NaN.
    fn greatest(self, other: Self) -> Self;

    /// `yes` in the lanes where `self > than`, `no` in the others, NaN's among them.
    fn if_above(self, than: Self, yes: Self, no: Self) -> Self;

    /// The bits.
    fn bits(self) -> Self::Words;
}

/// 32-bit words side by side.
pub trait Words: Copy + BitAnd<Output = Self> + BitXor<Output = Self> {
    /// The numbers beside them.
    type Singles: Singles<Words = Self>;

    /// The same word in every lane.
    fn splat(value: u32) -> Self;

    /// `from`, `from + 1`, … in the lanes, modulo 2³².
    fn counting(from: u32) -> Self;

    /// `from[at..at + WIDTH]`; panics beyond the end.
    fn load(from: &[u32], at: usize) -> Self;

    /// Sum modulo 2³².
    fn plus(self, other: Self) -> Self;

    /// Difference modulo 2³².
    fn minus(self, other: Self) -> Self;

    /// Product modulo 2³².
    fn times(self, by: u32) -> Self;

    /// Shifts towards the high end.
    fn left<const BITS: i32>(self) -> Self;

    /// Shifts towards the low end, zeros follow.
    fn right<const BITS: i32>(self) -> Self;

    /// Shifts towards the low end, the sign follows.
    fn right_signed<const BITS: i32>(self) -> Self;

    /// The upper halves of the 64-bit products with `by`.
    fn high_product(self, by: u32) -> Self;

    /// The number that the bits are.
    fn as_single(self) -> Self::Singles;

    /// The nearest number, read without a sign.
    fn nearest(self) -> Self::Singles;

    /// The nearest number, read as two's complement.
    fn nearest_signed(self) -> Self::Singles;

    /// `yes` in the lanes whose top bit is set.
    fn if_top(self, yes: Self::Singles, no: Self::Singles) -> Self::Singles;

    /// `table[word]` of each lane; panics beyond the end.
    fn look_up(self, table: &[f32]) -> Self::Singles;

    /// Sets `to[at..at + WIDTH]`; panics beyond the end.
    fn store(self, to: &mut [u32], at: usize);

    /// Philox4x32-10 (Salmon et al. 2011, section 3.3); a twin may keep its words apart between the
    /// rounds.
    fn philox(counter: [Self; 4], keys: &PhiloxKeys) -> [Self; 4];
}

/// Rounds that pass every test of TestU01 (the paper's recommendation).
pub const PHILOX_ROUNDS: usize = 10;
/// The key of every round.
pub type PhiloxKeys = [[u32; 2]; PHILOX_ROUNDS];

/// The keys that grow from the first one.
#[must_use]
pub fn philox_keys(key: [u32; 2]) -> PhiloxKeys {
    std::array::from_fn(|round| {
        let grown = |word: usize| PHILOX_WEYL[word].wrapping_mul(round as u32);
        [key[0].wrapping_add(grown(0)), key[1].wrapping_add(grown(1))]
    })
}

/// Philox4x32's multipliers of words 0 and 2 (Salmon et al. 2011, table 2).
pub const PHILOX_MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What the key grows by from round to round: the golden ratio and √3 − 1.
const PHILOX_WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
