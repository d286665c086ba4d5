//! One lane: `f32` and `u32` themselves.

use super::{PHILOX_MULTIPLIERS, PhiloxKeys, Singles, Words};

impl Singles for f32 {
    type Words = u32;
    const WIDTH: usize = 1;

    #[inline(always)]
    fn splat(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    fn load(from: &[f32], at: usize) -> f32 {
        from[at]
    }

    #[inline(always)]
    fn store(self, to: &mut [f32], at: usize) {
        to[at] = self;
    }

    #[inline(always)]
    fn fma(self, times: f32, plus: f32) -> f32 {
        self.mul_add(times, plus)
    }

    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }

    #[inline(always)]
    fn abs(self) -> f32 {
        f32::abs(self)
    }

    #[inline(always)]
    fn least(self, other: f32) -> f32 {
        if self < other { self } else { other }
    }

    #[inline(always)]
    fn greatest(self, other: f32) -> f32 {
        if self > other { self } else { other }
    }

    #[inline(always)]
    fn if_above(self, than: f32, yes: f32, no: f32) -> f32 {
        if self > than { yes } else { no }
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        self.to_bits()
    }
}

impl Words for u32 {
    type Singles = f32;

    #[inline(always)]
    fn splat(value: u32) -> u32 {
        value
    }

    #[inline(always)]
    fn counting(from: u32) -> u32 {
        from
    }

    #[inline(always)]
    fn load(from: &[u32], at: usize) -> u32 {
        from[at]
    }

    #[inline(always)]
    fn plus(self, other: u32) -> u32 {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn minus(self, other: u32) -> u32 {
        self.wrapping_sub(other)
    }

    #[inline(always)]
    fn times(self, by: u32) -> u32 {
        self.wrapping_mul(by)
    }

    #[inline(always)]
    fn left<const BITS: i32>(self) -> u32 {
        self << BITS
    }

    #[inline(always)]
    fn right<const BITS: i32>(self) -> u32 {
        self >> BITS
    }

    #[inline(always)]
    fn right_signed<const BITS: i32>(self) -> u32 {
        (self.cast_signed() >> BITS).cast_unsigned()
    }

    #[inline(always)]
    fn high_product(self, by: u32) -> u32 {
        ((u64::from(self) * u64::from(by)) >> 32) as u32
    }

    #[inline(always)]
    fn as_single(self) -> f32 {
        f32::from_bits(self)
    }

    #[inline(always)]
    fn nearest(self) -> f32 {
        self as f32
    }

    #[inline(always)]
    fn nearest_signed(self) -> f32 {
        self.cast_signed() as f32
    }

    #[inline(always)]
    fn if_top(self, yes: f32, no: f32) -> f32 {
        if self >> 31 == 1 { yes } else { no }
    }

    #[inline(always)]
    fn look_up(self, table: &[f32]) -> f32 {
        table[self as usize]
    }

    #[inline(always)]
    fn store(self, to: &mut [u32], at: usize) {
        to[at] = self;
    }

    #[inline(always)]
    fn philox(counter: [u32; 4], keys: &PhiloxKeys) -> [u32; 4] {
        let mut c = counter;
        for key in keys {
            let first = u64::from(c[0]) * u64::from(PHILOX_MULTIPLIERS[0]);
            let second = u64::from(c[2]) * u64::from(PHILOX_MULTIPLIERS[1]);
            c = [
                (second >> 32) as u32 ^ c[1] ^ key[0],
                second as u32,
                (first >> 32) as u32 ^ c[3] ^ key[1],
                first as u32,
            ];
        }
        c
    }
}
