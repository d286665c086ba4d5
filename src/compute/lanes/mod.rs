//! `Lanes`: numbers side by side, so that a formula is written once and runs one or eight at a time.
//!
//! Implemented by `f64` (the meaning: one lane) and by the AVX2 registers of `avx2` (four, eight).
//! Invariant: every operation is one IEEE 754 operation per lane, correctly rounded, and a selection
//! copies bits; so a formula over `Lanes` gives each lane the bits that `f64` gives it alone (which
//! NaN a NaN is, is left open). Deliberately absent: fused multiply-add (on a baseline x86-64 build
//! it would be a call to libm) and sums across lanes.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
mod scalar;

use std::ops::{Add, Div, Mul, Sub};

/// Numbers side by side.
pub trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// How many.
    const WIDTH: usize;

    /// Side of the square that `turn` turns; divides `WIDTH`.
    const SQUARE: usize;

    /// The same number in every lane.
    fn splat(value: f64) -> Self;

    /// `from[at..at + WIDTH]`; panics beyond the end.
    fn load(from: &[f64], at: usize) -> Self;

    /// Sets `to[at..at + WIDTH]`; panics beyond the end.
    fn store(self, to: &mut [f64], at: usize);

    /// Turns a square: `to[c * to_row + r]` becomes `from[r * from_row + c]` for r, c below `SQUARE`;
    /// panics beyond the end.
    fn turn(from: &[f64], from_row: usize, to: &mut [f64], to_row: usize);

    /// The smaller one; `other` where either is NaN.
    fn least(self, other: Self) -> Self;

    /// Square root.
    fn sqrt(self) -> Self;

    /// Magnitude.
    fn abs(self) -> Self;

    /// `yes` in the lanes where `self > than`, `no` in the others, NaN's among them.
    fn if_above(self, than: Self, yes: Self, no: Self) -> Self;

    /// `yes` in the lanes where `self >= than`, `no` in the others, NaN's among them.
    fn if_at_least(self, than: Self, yes: Self, no: Self) -> Self;

    /// A normal positive number as mantissa in [1, 2) and exponent; anything else gives nonsense.
    fn split(self) -> (Self, Self);
}

/// Zero for finite numbers, NaN for all others.
#[inline(always)]
#[allow(clippy::eq_op, reason = "x − x is zero for finite numbers only")]
pub(super) fn zero_if_finite<L: Lanes>(x: L) -> L {
    x - x
}
