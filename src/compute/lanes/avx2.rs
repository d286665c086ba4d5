//! Four lanes in a register, and eight in two, whose latencies overlap.
//!
//! Invariant: a `Quad` or an `Octet` exists only inside functions that were entered after the CPU was
//! seen to have AVX2; both are private to the crate, and only `avx2` modules make them. Everything
//! is inlined into those functions, which carry the target feature.
#![allow(unsafe_code, reason = "AVX2 intrinsics; slices are cut to length before each access")]

use super::Lanes;
use std::arch::x86_64::{
    __m256d, _CMP_GE_OQ, _CMP_GT_OQ, _mm256_add_pd, _mm256_and_pd, _mm256_andnot_pd,
    _mm256_blendv_pd, _mm256_castpd_si256, _mm256_castsi256_pd, _mm256_cmp_pd, _mm256_div_pd,
    _mm256_loadu_pd, _mm256_min_pd, _mm256_mul_pd, _mm256_or_pd, _mm256_permute2f128_pd,
    _mm256_set1_epi64x, _mm256_set1_pd, _mm256_sqrt_pd, _mm256_srli_epi64, _mm256_storeu_pd,
    _mm256_sub_pd, _mm256_unpackhi_pd, _mm256_unpacklo_pd,
};
use std::ops::{Add, Div, Mul, Sub};

/// Four lanes.
#[derive(Clone, Copy)]
pub(crate) struct Quad(__m256d);

const FOUR: usize = 4;

/// Implements an operator by an intrinsic.
macro_rules! operator {
    ($operator:ident, $method:ident, $intrinsic:ident) => {
        impl $operator for Quad {
            type Output = Quad;
            #[inline(always)]
            fn $method(self, other: Quad) -> Quad {
                // SAFETY: a `Quad` exists only where the CPU has AVX2; registers only.
                Quad(unsafe { $intrinsic(self.0, other.0) })
            }
        }

        impl $operator for Octet {
            type Output = Octet;
            #[inline(always)]
            fn $method(self, other: Octet) -> Octet {
                Octet(self.0.$method(other.0), self.1.$method(other.1))
            }
        }
    };
}

operator!(Add, add, _mm256_add_pd);
operator!(Sub, sub, _mm256_sub_pd);
operator!(Mul, mul, _mm256_mul_pd);
operator!(Div, div, _mm256_div_pd);

impl Lanes for Quad {
    const WIDTH: usize = FOUR;
    const SQUARE: usize = FOUR;

    #[inline(always)]
    fn splat(value: f64) -> Quad {
        // SAFETY: called only where the CPU has AVX2; registers only.
        Quad(unsafe { _mm256_set1_pd(value) })
    }

    #[inline(always)]
    fn load(from: &[f64], at: usize) -> Quad {
        let four = &from[at..at + FOUR];
        // SAFETY: the slice has four numbers; AVX2 as above.
        Quad(unsafe { _mm256_loadu_pd(four.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f64], at: usize) {
        let four = &mut to[at..at + FOUR];
        // SAFETY: the slice has four numbers; AVX2 as above.
        unsafe { _mm256_storeu_pd(four.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn turn(from: &[f64], from_row: usize, to: &mut [f64], to_row: usize) {
        let from = from[..3 * from_row + FOUR].as_ptr();
        let to = to[..3 * to_row + FOUR].as_mut_ptr();
        // SAFETY: the slices were cut to the end of the fourth row; AVX2 as above.
        unsafe {
            let row0 = _mm256_loadu_pd(from);
            let row1 = _mm256_loadu_pd(from.add(from_row));
            let row2 = _mm256_loadu_pd(from.add(2 * from_row));
            let row3 = _mm256_loadu_pd(from.add(3 * from_row));
            let even01 = _mm256_unpacklo_pd(row0, row1); // 00 10 02 12
            let odd01 = _mm256_unpackhi_pd(row0, row1); // 01 11 03 13
            let even23 = _mm256_unpacklo_pd(row2, row3);
            let odd23 = _mm256_unpackhi_pd(row2, row3);
            _mm256_storeu_pd(to, _mm256_permute2f128_pd::<0x20>(even01, even23));
            _mm256_storeu_pd(to.add(to_row), _mm256_permute2f128_pd::<0x20>(odd01, odd23));
            _mm256_storeu_pd(to.add(2 * to_row), _mm256_permute2f128_pd::<0x31>(even01, even23));
            _mm256_storeu_pd(to.add(3 * to_row), _mm256_permute2f128_pd::<0x31>(odd01, odd23));
        }
    }

    #[inline(always)]
    fn least(self, other: Quad) -> Quad {
        // SAFETY: a `Quad` exists only where the CPU has AVX2; registers only.
        Quad(unsafe { _mm256_min_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Quad {
        // SAFETY: a `Quad` exists only where the CPU has AVX2; registers only.
        Quad(unsafe { _mm256_sqrt_pd(self.0) })
    }

    #[inline(always)]
    fn abs(self) -> Quad {
        // SAFETY: a `Quad` exists only where the CPU has AVX2; registers only.
        Quad(unsafe { _mm256_andnot_pd(_mm256_set1_pd(-0.0), self.0) })
    }

    #[inline(always)]
    fn if_above(self, than: Quad, yes: Quad, no: Quad) -> Quad {
        // SAFETY: a `Quad` exists only where the CPU has AVX2; registers only.
        unsafe {
            let mask = _mm256_cmp_pd::<_CMP_GT_OQ>(self.0, than.0);
            Quad(_mm256_blendv_pd(no.0, yes.0, mask))
        }
    }

    #[inline(always)]
    fn if_at_least(self, than: Quad, yes: Quad, no: Quad) -> Quad {
        // SAFETY: a `Quad` exists only where the CPU has AVX2; registers only.
        unsafe {
            let mask = _mm256_cmp_pd::<_CMP_GE_OQ>(self.0, than.0);
            Quad(_mm256_blendv_pd(no.0, yes.0, mask))
        }
    }

    #[inline(always)]
    fn split(self) -> (Quad, Quad) {
        const INTEGERS: f64 = 4_503_599_627_370_496.0; // 2^52, as in the scalar twin
        const BIAS: f64 = 1023.0;
        // SAFETY: a `Quad` exists only where the CPU has AVX2; registers only.
        unsafe {
            let mantissa = _mm256_castsi256_pd(_mm256_set1_epi64x((1 << 52) - 1));
            let shifted = _mm256_castsi256_pd(_mm256_srli_epi64::<52>(_mm256_castpd_si256(self.0)));
            let exponent = _mm256_or_pd(shifted, _mm256_set1_pd(INTEGERS));
            (
                Quad(_mm256_or_pd(_mm256_and_pd(self.0, mantissa), _mm256_set1_pd(1.0))),
                Quad(_mm256_sub_pd(exponent, _mm256_set1_pd(INTEGERS + BIAS))),
            )
        }
    }
}

/// Eight lanes in two registers: while one waits for its last result, the other computes.
#[derive(Clone, Copy)]
pub(crate) struct Octet(Quad, Quad);

impl Lanes for Octet {
    const WIDTH: usize = 2 * FOUR;
    const SQUARE: usize = FOUR;

    #[inline(always)]
    fn splat(value: f64) -> Octet {
        Octet(Quad::splat(value), Quad::splat(value))
    }

    #[inline(always)]
    fn load(from: &[f64], at: usize) -> Octet {
        Octet(Quad::load(from, at), Quad::load(from, at + FOUR))
    }

    #[inline(always)]
    fn store(self, to: &mut [f64], at: usize) {
        self.0.store(to, at);
        self.1.store(to, at + FOUR);
    }

    #[inline(always)]
    fn turn(from: &[f64], from_row: usize, to: &mut [f64], to_row: usize) {
        Quad::turn(from, from_row, to, to_row);
    }

    #[inline(always)]
    fn least(self, other: Octet) -> Octet {
        Octet(self.0.least(other.0), self.1.least(other.1))
    }

    #[inline(always)]
    fn sqrt(self) -> Octet {
        Octet(self.0.sqrt(), self.1.sqrt())
    }

    #[inline(always)]
    fn abs(self) -> Octet {
        Octet(self.0.abs(), self.1.abs())
    }

    #[inline(always)]
    fn if_above(self, than: Octet, yes: Octet, no: Octet) -> Octet {
        Octet(self.0.if_above(than.0, yes.0, no.0), self.1.if_above(than.1, yes.1, no.1))
    }

    #[inline(always)]
    fn if_at_least(self, than: Octet, yes: Octet, no: Octet) -> Octet {
        Octet(self.0.if_at_least(than.0, yes.0, no.0), self.1.if_at_least(than.1, yes.1, no.1))
    }

    #[inline(always)]
    fn split(self) -> (Octet, Octet) {
        let (low, high) = (self.0.split(), self.1.split());
        (Octet(low.0, high.0), Octet(low.1, high.1))
    }
}
