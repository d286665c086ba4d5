//! Two registers as one: formulas whose steps wait for each other run twice as many at a time.

use super::{PhiloxKeys, Singles, Words};
use std::ops::{Add, BitAnd, BitXor, Div, Mul, Sub};

/// Twice the lanes of `S`.
#[derive(Clone, Copy)]
pub(crate) struct Pair<T>(T, T);

/// Implements an operator on both halves.
macro_rules! operator {
    ($operator:ident, $method:ident) => {
        impl<T: $operator<Output = T>> $operator for Pair<T> {
            type Output = Pair<T>;
            #[inline(always)]
            fn $method(self, other: Pair<T>) -> Pair<T> {
                Pair(self.0.$method(other.0), self.1.$method(other.1))
            }
        }
    };
}

operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);
operator!(BitAnd, bitand);
operator!(BitXor, bitxor);

impl<S: Singles> Singles for Pair<S> {
    type Words = Pair<S::Words>;
    const WIDTH: usize = 2 * S::WIDTH;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Pair(S::splat(value), S::splat(value))
    }

    #[inline(always)]
    fn load(from: &[f32], at: usize) -> Self {
        Pair(S::load(from, at), S::load(from, at + S::WIDTH))
    }

    #[inline(always)]
    fn store(self, to: &mut [f32], at: usize) {
        self.0.store(to, at);
        self.1.store(to, at + S::WIDTH);
    }

    #[inline(always)]
    fn fma(self, times: Self, plus: Self) -> Self {
        Pair(self.0.fma(times.0, plus.0), self.1.fma(times.1, plus.1))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Pair(self.0.sqrt(), self.1.sqrt())
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Pair(self.0.abs(), self.1.abs())
    }

    #[inline(always)]
    fn least(self, other: Self) -> Self {
        Pair(self.0.least(other.0), self.1.least(other.1))
    }

    #[inline(always)]
    fn greatest(self, other: Self) -> Self {
        Pair(self.0.greatest(other.0), self.1.greatest(other.1))
    }

    #[inline(always)]
    fn if_above(self, than: Self, yes: Self, no: Self) -> Self {
        Pair(self.0.if_above(than.0, yes.0, no.0), self.1.if_above(than.1, yes.1, no.1))
    }

    #[inline(always)]
    fn bits(self) -> Self::Words {
        Pair(self.0.bits(), self.1.bits())
    }
}

impl<W: Words> Words for Pair<W> {
    type Singles = Pair<W::Singles>;

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Pair(W::splat(value), W::splat(value))
    }

    #[inline(always)]
    fn counting(from: u32) -> Self {
        Pair(W::counting(from), W::counting(from.wrapping_add(W::Singles::WIDTH as u32)))
    }

    #[inline(always)]
    fn load(from: &[u32], at: usize) -> Self {
        Pair(W::load(from, at), W::load(from, at + W::Singles::WIDTH))
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Pair(self.0.plus(other.0), self.1.plus(other.1))
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Pair(self.0.minus(other.0), self.1.minus(other.1))
    }

    #[inline(always)]
    fn times(self, by: u32) -> Self {
        Pair(self.0.times(by), self.1.times(by))
    }

    #[inline(always)]
    fn left<const BITS: i32>(self) -> Self {
        Pair(self.0.left::<BITS>(), self.1.left::<BITS>())
    }

    #[inline(always)]
    fn right<const BITS: i32>(self) -> Self {
        Pair(self.0.right::<BITS>(), self.1.right::<BITS>())
    }

    #[inline(always)]
    fn right_signed<const BITS: i32>(self) -> Self {
        Pair(self.0.right_signed::<BITS>(), self.1.right_signed::<BITS>())
    }

    #[inline(always)]
    fn high_product(self, by: u32) -> Self {
        Pair(self.0.high_product(by), self.1.high_product(by))
    }

    #[inline(always)]
    fn as_single(self) -> Self::Singles {
        Pair(self.0.as_single(), self.1.as_single())
    }

    #[inline(always)]
    fn nearest(self) -> Self::Singles {
        Pair(self.0.nearest(), self.1.nearest())
    }

    #[inline(always)]
    fn nearest_signed(self) -> Self::Singles {
        Pair(self.0.nearest_signed(), self.1.nearest_signed())
    }

    #[inline(always)]
    fn if_top(self, yes: Self::Singles, no: Self::Singles) -> Self::Singles {
        Pair(self.0.if_top(yes.0, no.0), self.1.if_top(yes.1, no.1))
    }

    #[inline(always)]
    fn look_up(self, table: &[f32]) -> Self::Singles {
        Pair(self.0.look_up(table), self.1.look_up(table))
    }

    #[inline(always)]
    fn store(self, to: &mut [u32], at: usize) {
        self.0.store(to, at);
        self.1.store(to, at + W::Singles::WIDTH);
    }

    #[inline(always)]
    fn philox(counter: [Self; 4], keys: &PhiloxKeys) -> [Self; 4] {
        let first = W::philox(counter.map(|pair| pair.0), keys);
        let second = W::philox(counter.map(|pair| pair.1), keys);
        let [a, b, c, d] = first;
        let [e, f, g, h] = second;
        [Pair(a, e), Pair(b, f), Pair(c, g), Pair(d, h)]
    }
}
