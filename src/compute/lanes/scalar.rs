//! One lane: `f64` itself.

use super::Lanes;

const MANTISSA: u64 = (1 << 52) - 1;
const ONE: u64 = 1023 << 52;
/// 2^52: its low mantissa bits count units, so an integer or'ed into them is that integer plus 2^52.
const INTEGERS: f64 = 4_503_599_627_370_496.0;
const BIAS: f64 = 1023.0;

impl Lanes for f64 {
    const WIDTH: usize = 1;
    const SQUARE: usize = 1;

    #[inline(always)]
    fn splat(value: f64) -> f64 {
        value
    }

    #[inline(always)]
    fn load(from: &[f64], at: usize) -> f64 {
        from[at]
    }

    #[inline(always)]
    fn store(self, to: &mut [f64], at: usize) {
        to[at] = self;
    }

    #[inline(always)]
    fn turn(from: &[f64], _from_row: usize, to: &mut [f64], _to_row: usize) {
        to[0] = from[0];
    }

    #[inline(always)]
    fn least(self, other: f64) -> f64 {
        if self < other { self } else { other }
    }

    #[inline(always)]
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }

    #[inline(always)]
    fn abs(self) -> f64 {
        f64::abs(self)
    }

    #[inline(always)]
    fn if_above(self, than: f64, yes: f64, no: f64) -> f64 {
        if self > than { yes } else { no }
    }

    #[inline(always)]
    fn if_at_least(self, than: f64, yes: f64, no: f64) -> f64 {
        if self >= than { yes } else { no }
    }

    #[inline(always)]
    fn split(self) -> (f64, f64) {
        let bits = self.to_bits();
        let exponent = f64::from_bits(bits >> 52 | INTEGERS.to_bits());
        (f64::from_bits(bits & MANTISSA | ONE), exponent - (INTEGERS + BIAS))
    }
}
