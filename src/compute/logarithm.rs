//! Natural logarithm by + − × ÷ alone: the same bits in every lane, on every machine, without libm.
//!
//! `x/y = 2^k · m` with m in [1/√2, √2], and `ln m = 2·artanh(s)`, `s = (a − b)/(a + b)` for m = a/b
//! (Abramowitz and Stegun 4.1.27). The difference a − b is exact (Sterbenz), so the logarithm of a
//! ratio near one keeps its relative accuracy, which ln x − ln y would lose: a return of 1e-6 on a
//! price of 60 000 would keep seven digits.
//! Error: at most 2 units in the last place for normal positive numbers whose ratio needs no
//! overflow; anything else (zero, negative, subnormal, infinite, NaN) gives NaN.

use super::lanes::{Lanes, zero_if_finite};

/// `ln 2` in two parts: the first has 20 low zero bits, so k times it is exact for |k| < 2^20.
const LN2_HIGH: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
/// ln 2 − LN2_HIGH = 1.908214929270587700e-10.
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// 1/3, 1/5, …, 1/19: artanh(s)/s − 1 as a series in s². With |s| ≤ 0.1716 the first term left out
/// is s²⁰/21 < 2.4e-17, a fifth of half a unit in the last place of one.
const ODD: [f64; 9] = [
    1.0 / 3.0,
    1.0 / 5.0,
    1.0 / 7.0,
    1.0 / 9.0,
    1.0 / 11.0,
    1.0 / 13.0,
    1.0 / 15.0,
    1.0 / 17.0,
    1.0 / 19.0,
];

/// Natural logarithm.
#[inline(always)]
#[must_use]
pub fn ln<L: Lanes>(x: L) -> L {
    ln_ratio(x, L::splat(1.0))
}

/// `ln(x / y)`, accurate also where the ratio is close to one.
#[inline(always)]
#[must_use]
pub fn ln_ratio<L: Lanes>(x: L, y: L) -> L {
    let (one, root) = (L::splat(1.0), L::splat(std::f64::consts::SQRT_2));
    let ((a, a_exponent), (b, b_exponent)) = (x.split(), y.split());
    // a/b lies in (1/2, 2): double the smaller one where that brings the ratio into [1/√2, √2]
    let zero = L::splat(0.0);
    let b_small = a.if_above(b * root, one, zero);
    let a_small = b.if_above(a * root, one, zero);
    let (a, b) = (a + a * a_small, b + b * b_small);
    let k = (a_exponent - b_exponent) + (b_small - a_small);
    let (twice, tail) = two_artanh((a - b) / (a + b));
    let value = k * L::splat(LN2_HIGH) + (twice + (tail + k * L::splat(LN2_LOW)));
    let value = value + (zero_if_finite(x) + zero_if_finite(y));
    let nan = L::splat(f64::NAN);
    x.least(y).if_at_least(L::splat(f64::MIN_POSITIVE), value, nan)
}

/// `ln(x / y)` of neighbours in time, the same bits as `ln_ratio`: where x/y lies well within
/// [1/√2, √2] and neither is close to the ends of the range, there is nothing to split.
#[inline]
#[must_use]
pub fn log_return(x: f64, y: f64) -> f64 {
    const NEAR: f64 = 0.17; // (√2 − 1)/(√2 + 1) is 0.1716
    let (apart, sum) = (x - y, x + y);
    if apart.abs() <= sum * NEAR && (1e-300..1e300).contains(&sum) {
        let (twice, tail) = two_artanh(apart / sum);
        twice + tail
    } else {
        ln_ratio(x, y)
    }
}

/// `2s`, and what `2·artanh(s)` is beyond it.
#[inline(always)]
fn two_artanh<L: Lanes>(s: L) -> (L, L) {
    (s + s, series(s * s) * (s + s))
}

/// `z/3 + z²/5 + … + z⁹/19`, odd and even terms apart, so that two chains run at once.
#[inline(always)]
fn series<L: Lanes>(z: L) -> L {
    let square = z * z;
    let even = term::<L>(2) + square * (term::<L>(4) + square * (term::<L>(6) + square * term(8)));
    let odd = term::<L>(1) + square * (term::<L>(3) + square * (term::<L>(5) + square * term(7)));
    z * (term::<L>(0) + z * odd + square * even)
}

#[inline(always)]
fn term<L: Lanes>(at: usize) -> L {
    L::splat(ODD[at])
}

#[cfg(test)]
mod tests {
    use super::{ln, ln_ratio, log_return};

    fn units_apart(ours: f64, theirs: f64) -> u64 {
        ours.to_bits().abs_diff(theirs.to_bits())
    }

    fn draws() -> impl Iterator<Item = u64> {
        let mut seed = 0x9E37_79B9_7F4A_7C15u64;
        std::iter::repeat_with(move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        })
    }

    #[test]
    fn ln_is_within_two_units_of_the_library() {
        let (mut worst, mut at) = (0, 0.0);
        for bits in draws().take(2_000_000) {
            let x = match bits & 3 {
                0 => f64::from_bits(bits >> 2 & 0x7FFF_FFFF_FFFF_FFFF), // any exponent
                1 => 1.0 + (bits >> 12) as f64 * 2f64.powi(-53 - (bits >> 2 & 31) as i32),
                2 => 1.0 - (bits >> 12) as f64 * 2f64.powi(-54 - (bits >> 2 & 31) as i32),
                _ => (bits >> 12) as f64 * 2f64.powi(-40),
            };
            if !x.is_normal() {
                continue;
            }
            let apart = units_apart(ln(x), x.ln());
            if apart > worst {
                (worst, at) = (apart, x);
            }
        }
        assert!(worst <= 2, "{worst} units at {at:e}");
    }

    #[test]
    fn a_ratio_near_one_keeps_its_digits() {
        for bits in draws().take(200_000) {
            let y = 60_000.0 + (bits & 0xFFFF) as f64 / 1024.0;
            let x = y + ((bits >> 16 & 0xFF) as f64 - 127.5) / 128.0;
            // x − y is exact, so ln_1p of the quotient is good to two units
            let exact = ((x - y) / y).ln_1p();
            let error = ((ln_ratio(x, y) - exact) / exact).abs();
            assert!(error < 8e-16, "{error:e} at {x} / {y}");
        }
        for (x, y) in [(2.0, 1.999_999_999), (1.0, 1.000_000_1), (0.499_999, 0.5)] {
            let exact: f64 = (x - y) / y;
            let error = ((ln_ratio(x, y) - exact.ln_1p()) / exact.ln_1p()).abs();
            assert!(error < 8e-16, "{error:e} at {x} / {y}");
        }
    }

    #[test]
    fn a_log_return_has_the_bits_of_the_ratio() {
        let mut draws = draws();
        for _ in 0..500_000 {
            let bits = draws.next().unwrap_or(0);
            let y = match bits & 3 {
                0 => f64::from_bits(draws.next().unwrap_or(0)),
                _ => 2f64.powi((bits >> 2 & 31) as i32 - 16) * (1.0 + (bits >> 12) as f64 * 2e-16),
            };
            let x = y * (0.6 + (draws.next().unwrap_or(0) >> 11) as f64 * 2f64.powi(-53));
            let (near, whole) = (log_return(x, y), ln_ratio(x, y));
            let same = near.to_bits() == whole.to_bits() || near.is_nan() && whole.is_nan();
            assert!(same, "{near:e} {whole:e} at {x:e} / {y:e}");
        }
    }

    #[test]
    fn ends_and_nonsense() {
        for power in -1022..1024 {
            let x = 2f64.powi(power);
            assert!(units_apart(ln(x), x.ln()) <= 1, "2^{power}");
        }
        assert_eq!(ln(1.0).to_bits(), 0.0f64.to_bits());
        assert!(units_apart(ln(f64::MAX), f64::MAX.ln()) <= 1);
        for x in [0.0, -0.0, -1.0, 1e-310, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            assert!(ln(x).is_nan(), "{x}");
            assert!(ln_ratio(1.0, x).is_nan(), "{x}");
        }
    }
}
