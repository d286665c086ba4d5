//! Eight lanes in a register.
//!
//! Invariant: an `Eight` or a `WordsOfEight` exists only inside functions that were entered after the
//! CPU was seen to have AVX2 and FMA; both are private to the crate, and only `avx2` modules make
//! them. Everything is inlined into those functions, which carry the target features.
#![allow(unsafe_code, reason = "AVX2 intrinsics; slices are cut to length before each access")]

use super::{PHILOX_MULTIPLIERS, PhiloxKeys, Singles, Words};
use std::arch::x86_64::{
    __m256, __m256i, _CMP_GT_OQ, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256,
    _mm256_andnot_ps, _mm256_blend_epi32, _mm256_blendv_ps, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cmpeq_epi32, _mm256_cvtepi32_ps, _mm256_div_ps,
    _mm256_fmadd_ps, _mm256_i32gather_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_max_epu32,
    _mm256_max_ps, _mm256_min_ps, _mm256_movemask_epi8, _mm256_mul_epu32, _mm256_mul_ps,
    _mm256_mullo_epi32, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_set1_ps, _mm256_setr_epi32,
    _mm256_slli_epi32, _mm256_slli_epi64, _mm256_sqrt_ps, _mm256_srai_epi32, _mm256_srli_epi32,
    _mm256_srli_epi64, _mm256_storeu_ps, _mm256_storeu_si256, _mm256_sub_epi32, _mm256_sub_ps,
    _mm256_xor_si256,
};
use std::ops::{Add, BitAnd, BitXor, Div, Mul, Sub};

/// Eight numbers.
#[derive(Clone, Copy)]
pub(crate) struct Eight(__m256);

/// Sixteen numbers in two registers.
pub(crate) type Sixteen = super::pair::Pair<Eight>;

/// Eight words.
#[derive(Clone, Copy)]
pub(crate) struct WordsOfEight(__m256i);

const EIGHT: usize = 8;
/// Lanes 1, 3, 5, 7 of a blend.
const ODD: i32 = 0b1010_1010;
/// What the upper half of a word is worth.
const HALF: f32 = 65_536.0;

/// Implements an operator by an intrinsic.
macro_rules! operator {
    ($kind:ident, $operator:ident, $method:ident, $intrinsic:ident) => {
        impl $operator for $kind {
            type Output = $kind;
            #[inline(always)]
            fn $method(self, other: $kind) -> $kind {
                // SAFETY: exists only where the CPU has AVX2; registers only.
                $kind(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    };
}

operator!(Eight, Add, add, _mm256_add_ps);
operator!(Eight, Sub, sub, _mm256_sub_ps);
operator!(Eight, Mul, mul, _mm256_mul_ps);
operator!(Eight, Div, div, _mm256_div_ps);
operator!(WordsOfEight, BitAnd, bitand, _mm256_and_si256);
operator!(WordsOfEight, BitXor, bitxor, _mm256_xor_si256);

impl Singles for Eight {
    type Words = WordsOfEight;
    const WIDTH: usize = EIGHT;

    #[inline(always)]
    fn splat(value: f32) -> Eight {
        // SAFETY: called only where the CPU has AVX2; registers only.
        Eight(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    fn load(from: &[f32], at: usize) -> Eight {
        let eight = &from[at..at + EIGHT];
        // SAFETY: the slice has eight numbers; AVX2 as above.
        Eight(unsafe { _mm256_loadu_ps(eight.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32], at: usize) {
        let eight = &mut to[at..at + EIGHT];
        // SAFETY: the slice has eight numbers; AVX2 as above.
        unsafe { _mm256_storeu_ps(eight.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn fma(self, times: Eight, plus: Eight) -> Eight {
        // SAFETY: exists only where the CPU has FMA; registers only.
        Eight(unsafe { _mm256_fmadd_ps(self.0, times.0, plus.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Eight {
        // SAFETY: exists only where the CPU has AVX2; registers only.
        Eight(unsafe { _mm256_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn abs(self) -> Eight {
        // SAFETY: exists only where the CPU has AVX2; registers only.
        Eight(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    fn least(self, other: Eight) -> Eight {
        // SAFETY: exists only where the CPU has AVX2; registers only. The instruction gives its
        // second operand where either is NaN.
        Eight(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn greatest(self, other: Eight) -> Eight {
        // SAFETY: as for `least`.
        Eight(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn if_above(self, than: Eight, yes: Eight, no: Eight) -> Eight {
        // SAFETY: exists only where the CPU has AVX2; registers only.
        Eight(unsafe { _mm256_blendv_ps(no.0, yes.0, _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, than.0)) })
    }

    #[inline(always)]
    fn bits(self) -> WordsOfEight {
        // SAFETY: exists only where the CPU has AVX2; registers only.
        WordsOfEight(unsafe { _mm256_castps_si256(self.0) })
    }
}

impl Words for WordsOfEight {
    type Singles = Eight;

    #[inline(always)]
    fn splat(value: u32) -> WordsOfEight {
        // SAFETY: called only where the CPU has AVX2; registers only.
        WordsOfEight(unsafe { _mm256_set1_epi32(value.cast_signed()) })
    }

    #[inline(always)]
    fn counting(from: u32) -> WordsOfEight {
        // SAFETY: called only where the CPU has AVX2; registers only.
        let steps = WordsOfEight(unsafe { _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7) });
        WordsOfEight::splat(from).plus(steps)
    }

    #[inline(always)]
    fn load(from: &[u32], at: usize) -> WordsOfEight {
        let eight = &from[at..at + EIGHT];
        // SAFETY: the slice has eight words; AVX2 as above; the load needs no alignment.
        WordsOfEight(unsafe { _mm256_loadu_si256(eight.as_ptr().cast()) })
    }

    #[inline(always)]
    fn plus(self, other: WordsOfEight) -> WordsOfEight {
        // SAFETY: exists only where the CPU has AVX2; registers only.
        WordsOfEight(unsafe { _mm256_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn minus(self, other: WordsOfEight) -> WordsOfEight {
        // SAFETY: exists only where the CPU has AVX2; registers only.
        WordsOfEight(unsafe { _mm256_sub_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn times(self, by: u32) -> WordsOfEight {
        // SAFETY: exists only where the CPU has AVX2; registers only.
        WordsOfEight(unsafe { _mm256_mullo_epi32(self.0, _mm256_set1_epi32(by.cast_signed())) })
    }

    #[inline(always)]
    fn left<const BITS: i32>(self) -> WordsOfEight {
        // SAFETY: exists only where the CPU has AVX2; registers only.
        WordsOfEight(unsafe { _mm256_slli_epi32::<BITS>(self.0) })
    }

    #[inline(always)]
    fn right<const BITS: i32>(self) -> WordsOfEight {
        // SAFETY: exists only where the CPU has AVX2; registers only.
        WordsOfEight(unsafe { _mm256_srli_epi32::<BITS>(self.0) })
    }

    #[inline(always)]
    fn right_signed<const BITS: i32>(self) -> WordsOfEight {
        // SAFETY: exists only where the CPU has AVX2; registers only.
        WordsOfEight(unsafe { _mm256_srai_epi32::<BITS>(self.0) })
    }

    #[inline(always)]
    fn high_product(self, by: u32) -> WordsOfEight {
        // SAFETY: exists only where the CPU has AVX2; registers only. Products of the even lanes
        // leave their upper halves in the odd ones, and the other way round.
        WordsOfEight(unsafe {
            let by = _mm256_set1_epi32(by.cast_signed());
            let even = _mm256_srli_epi64::<32>(_mm256_mul_epu32(self.0, by));
            let odd = _mm256_mul_epu32(_mm256_srli_epi64::<32>(self.0), by);
            _mm256_blend_epi32::<ODD>(even, odd)
        })
    }

    #[inline(always)]
    fn as_single(self) -> Eight {
        // SAFETY: exists only where the CPU has AVX2; registers only.
        Eight(unsafe { _mm256_castsi256_ps(self.0) })
    }

    /// Both halves convert exactly, so that only the fma rounds.
    #[inline(always)]
    fn nearest(self) -> Eight {
        let high = self.right::<16>().nearest_signed();
        let low = (self & WordsOfEight::splat(0xFFFF)).nearest_signed();
        high.fma(Eight::splat(HALF), low)
    }

    #[inline(always)]
    fn nearest_signed(self) -> Eight {
        // SAFETY: exists only where the CPU has AVX2; registers only.
        Eight(unsafe { _mm256_cvtepi32_ps(self.0) })
    }

    #[inline(always)]
    fn if_top(self, yes: Eight, no: Eight) -> Eight {
        // SAFETY: exists only where the CPU has AVX2; registers only. The blend looks at top bits.
        Eight(unsafe { _mm256_blendv_ps(no.0, yes.0, _mm256_castsi256_ps(self.0)) })
    }

    #[inline(always)]
    fn look_up(self, table: &[f32]) -> Eight {
        let end = u32::try_from(table.len()).unwrap_or(u32::MAX);
        let end = WordsOfEight::splat(end);
        // SAFETY: every index is seen to be below the table's length (`max(i, end) == i` for none)
        // before anything is read; tables are far below 2³¹ numbers, the reach of a gather.
        unsafe {
            let beyond = _mm256_cmpeq_epi32(_mm256_max_epu32(self.0, end.0), self.0);
            assert!(_mm256_movemask_epi8(beyond) == 0, "an index beyond the table's end");
            Eight(_mm256_i32gather_ps::<4>(table.as_ptr(), self.0))
        }
    }

    #[inline(always)]
    fn store(self, to: &mut [u32], at: usize) {
        let eight = &mut to[at..at + EIGHT];
        // SAFETY: the slice has eight words; AVX2 as above; the store needs no alignment.
        unsafe { _mm256_storeu_si256(eight.as_mut_ptr().cast(), self.0) }
    }

    /// Even and odd lanes stand apart in 64-bit lanes between the rounds: a product's lower half is
    /// where the next product reads, and what the exclusive ors leave above it is never read.
    #[inline(always)]
    fn philox(counter: [WordsOfEight; 4], keys: &PhiloxKeys) -> [WordsOfEight; 4] {
        let mut even = counter.map(|words| words.0);
        // SAFETY: exists only where the CPU has AVX2; registers only.
        let mut odd = counter.map(|words| unsafe { _mm256_srli_epi64::<32>(words.0) });
        for key in keys {
            // SAFETY: as above.
            let key = key.map(|word| unsafe { _mm256_set1_epi64x(i64::from(word)) });
            even = round(even, key);
            odd = round(odd, key);
        }
        let mut joined = counter;
        for (to, (even, odd)) in joined.iter_mut().zip(even.into_iter().zip(odd)) {
            // SAFETY: as above.
            *to = WordsOfEight(unsafe {
                _mm256_blend_epi32::<ODD>(even, _mm256_slli_epi64::<32>(odd))
            });
        }
        joined
    }
}

/// A round for four counters, whose words stand in the lower halves of 64-bit lanes.
#[inline(always)]
fn round(c: [__m256i; 4], key: [__m256i; 2]) -> [__m256i; 4] {
    // SAFETY: called only where the CPU has AVX2; registers only.
    unsafe {
        let multipliers = PHILOX_MULTIPLIERS.map(|m| _mm256_set1_epi64x(i64::from(m)));
        let first = _mm256_mul_epu32(c[0], multipliers[0]);
        let second = _mm256_mul_epu32(c[2], multipliers[1]);
        let c0 = _mm256_xor_si256(_mm256_srli_epi64::<32>(second), _mm256_xor_si256(c[1], key[0]));
        let c2 = _mm256_xor_si256(_mm256_srli_epi64::<32>(first), _mm256_xor_si256(c[3], key[1]));
        [c0, second, c2, first]
    }
}
