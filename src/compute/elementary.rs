//! Elementary functions in f32 by + − × ÷ √ and explicit fma: the same bits in every lane, on every
//! machine, without libm. kernels/elementary.cuh and shaders/elementary.wgsl mirror them line by line.
//!
//! Polynomials are minimax fits by Lawson's reweighted least squares, with coefficients rounded to f32
//! one after the other from the lowest and the rest fitted again. Errors beside each function are
//! relative, of the whole function as executed, the greatest found over its domain (tests below).

use super::singles::{Singles, Words};

/// ln 2, of which the first part has nine low zero bits, so that an exponent times it is exact.
const LN2_HIGH: f32 = 0.693_145_75;
const LN2_LOW: f32 = 1.428_606_8e-6;
const LOG2_E: f32 = std::f32::consts::LOG2_E;

/// 1.5·2²³: added to a number below 2²² it leaves the nearest integer in the low bits.
const ROUNDER: f32 = 12_582_912.0;

/// Bits of √½, where a mantissa is cut.
const ROOT_HALF: u32 = 0x3F35_04F3;

/// (ln(1 + f) − f + f²/2)/f³ on [√½ − 1, √2 − 1]; leaves 5.9e-9 of ln(1 + f).
const LN: [f32; 8] = [
    3.333_333e-1,
    -2.500_082e-1,
    2.000_124_3e-1,
    -1.662_341e-1,
    1.420_154_1e-1,
    -1.315_955_4e-1,
    1.276_246_8e-1,
    -7.636_9e-2,
];

/// (expm1(r) − r)/r² on ±ln 2/2; leaves 1.4e-8 of expm1(r).
const EXPM1: [f32; 5] =
    [4.999_999_7e-1, 1.666_654_6e-1, 4.166_744e-2, 8.366_251e-3, 1.387_027_4e-3];

/// sin(πx/4)/x in x², on x in ±1; leaves 2.8e-8.
const SINE: [f32; 4] = [7.853_982e-1, -8.074_582e-2, 2.490_993_1e-3, -3.659_276_3e-5];

/// (cos(πx/4) − 1)/x² in x², on x in ±1; leaves 4e-8.
const COSINE: [f32; 3] = [-3.084_244e-1, 1.585_016e-2, -3.189_921e-4];

/// ln(1 + f)/f on [√½ − 1, √2 − 1]; leaves 6.8e-8 of ln(1 + f), absolute.
const LN_NEAR: [f32; 8] = [
    9.999_999e-1,
    -5.000_037_6e-1,
    3.333_583_2e-1,
    -2.497_054e-1,
    1.988_004_1e-1,
    -1.721_943_2e-1,
    1.636_376_1e-1,
    -1.038_540_7e-1,
];

/// 2^r/√2π on ±½; leaves 1e-7.
const DENSITY: [f32; 6] = [
    3.989_423_2e-1,
    2.765_257_4e-1,
    9.583_399_4e-2,
    2.214_222_8e-2,
    3.861_529_3e-3,
    5.360_931_4e-4,
];
/// Smaller powers of two than this leave the normal numbers when φ is scaled by them.
const DENSITY_MIN: f32 = -120.0;

/// Mills' ratio (1 − Φ(z))/φ(z) is t·p(t) with t = 1/(1 + 0.305 z), the form of Abramowitz and
/// Stegun 26.2.17, on z in [0, 14]; leaves 9.6e-8.
const MILLS: [f32; 8] = [
    3.049_056_2e-1,
    3.069_784_3e-1,
    2.592_399_7e-1,
    3.033_485_7e-1,
    -9.517_866e-2,
    4.655_063_2e-1,
    -3.834_747e-1,
    9.198_871e-2,
];
const MILLS_SCALE: f32 = 0.305;

/// exp() of anything below is less than half the smallest subnormal.
const EXP_MIN: f32 = -104.0;
/// exp() of anything above is infinite.
const EXP_MAX: f32 = 89.0;

/// c₀ + x(c₁ + x(c₂ + …)), one fma a coefficient.
#[inline(always)]
fn polynomial<S: Singles, const N: usize>(x: S, coefficients: &[f32; N]) -> S {
    let mut value = S::splat(coefficients[N - 1]);
    for &c in coefficients[..N - 1].iter().rev() {
        value = value.fma(x, S::splat(c));
    }
    value
}

/// Natural logarithm of a normal positive number; others give nonsense. Error: 1.2e-7.
#[inline(always)]
#[must_use]
pub fn ln<S: Singles>(x: S) -> S {
    let bits = x.bits();
    let exponent = bits.minus(S::Words::splat(ROOT_HALF)).right_signed::<23>();
    let mantissa = bits.minus(exponent.left::<23>()).as_single();
    let f = mantissa - S::splat(1.0);
    let square = f * f;
    let rest = polynomial(f, &LN).fma(square * f, square * S::splat(-0.5));
    let k = exponent.nearest_signed();
    k.fma(S::splat(LN2_HIGH), f + k.fma(S::splat(LN2_LOW), rest))
}

/// Natural logarithm where its error counts as a share of the number that it is of, as that number's own
/// rounding does: a normal positive number. Error: 1.3e-7 absolute for x in [½, 2], 3e-7 times |ln x| beyond.
#[inline(always)]
#[must_use]
pub fn ln_near<S: Singles>(x: S) -> S {
    let bits = x.bits();
    let exponent = bits.minus(S::Words::splat(ROOT_HALF)).right_signed::<23>();
    let f = bits.minus(exponent.left::<23>()).as_single() - S::splat(1.0);
    let near = polynomial(f, &LN_NEAR) * f;
    exponent.nearest_signed().fma(S::splat(std::f32::consts::LN_2), near)
}

/// e^x and e^x − 1 share their reduction: x = n·ln 2 + r.
#[inline(always)]
fn reduce<S: Singles>(x: S) -> (S::Words, S) {
    let x = x.greatest(S::splat(EXP_MIN)).least(S::splat(EXP_MAX));
    let shifted = x.fma(S::splat(LOG2_E), S::splat(ROUNDER));
    let n = shifted - S::splat(ROUNDER);
    let r = n.fma(S::splat(-LN2_LOW), n.fma(S::splat(-LN2_HIGH), x));
    (shifted.bits().minus(S::Words::splat(ROUNDER.to_bits())), r)
}

/// 2^n for n in [−126, 127].
#[inline(always)]
fn power_of_two<S: Singles>(n: S::Words) -> S {
    n.plus(S::Words::splat(127)).left::<23>().as_single()
}

/// e^x; overflow gives infinity, underflow goes through the subnormals to zero. A NaN gives no NaN:
/// what is not a number must be refused before. Error: 1.1e-7 where the result is normal.
#[inline(always)]
#[must_use]
pub fn exp<S: Singles>(x: S) -> S {
    let (n, r) = reduce(x);
    let p = polynomial(r, &EXPM1).fma(r * r, r) + S::splat(1.0);
    // in two steps, so that neither factor leaves the normal numbers
    let half = n.right_signed::<1>();
    p * power_of_two::<S>(half) * power_of_two::<S>(n.minus(half))
}

/// e^x − 1 for x at most 88, small x without cancellation. Error: 1.9e-7.
#[inline(always)]
#[must_use]
pub fn expm1<S: Singles>(x: S) -> S {
    // below −87 the result is −1 to the last bit, and 2^n stays normal
    let (n, r) = reduce(x.greatest(S::splat(-87.0)));
    let p = polynomial(r, &EXPM1).fma(r * r, r);
    let scale = power_of_two::<S>(n);
    scale.fma(p, scale - S::splat(1.0))
}

/// Cosine and sine of a turn's fraction: the word times 2π/2³². Error: 1.2e-7 absolute.
#[inline(always)]
#[must_use]
pub fn cosine_sine<W: Words>(word: W) -> (W::Singles, W::Singles) {
    let quadrant = word.plus(W::splat(1 << 29)).right::<30>();
    // what is left of the quadrant's middle, in eighths of a turn
    let x = word.minus(quadrant.left::<30>()).nearest_signed();
    let x = x * W::Singles::splat(1.0 / (1 << 29) as f32);
    let square = x * x;
    let sine = polynomial(square, &SINE) * x;
    let cosine = polynomial(square, &COSINE).fma(square, W::Singles::splat(1.0));
    // quadrants 1 and 3 swap the two; 1 and 2 turn the cosine's sign, 2 and 3 the sine's
    let odd = quadrant.left::<31>();
    let (c, s) = (odd.if_top(sine, cosine), odd.if_top(cosine, sine));
    let sign = W::splat(1 << 31);
    let c_sign = quadrant.plus(W::splat(1)).left::<30>() & sign;
    let s_sign = quadrant.left::<30>() & sign;
    ((c.bits() ^ c_sign).as_single(), (s.bits() ^ s_sign).as_single())
}

/// The normal density φ(z) of a z by its square; beyond |z| = 12.9 it stays at 2⁻¹²⁰/√2π. Error: 2e-7, and
/// 2e-7 times z² beyond 1.
#[inline(always)]
#[must_use]
pub fn density<S: Singles>(square: S) -> S {
    let power = (square * S::splat(-0.5 * LOG2_E)).greatest(S::splat(DENSITY_MIN));
    let shifted = power + S::splat(ROUNDER);
    let r = power - (shifted - S::splat(ROUNDER));
    // the integer stands in the low bits, and the rounder's own are shifted out
    let scale = shifted.bits().left::<23>();
    polynomial(r, &DENSITY).bits().plus(scale).as_single()
}

/// Mills' ratios of two numbers that are not negative: what the normal tail beyond holds, over the density
/// there. One division for both. Error: 5.5e-7 up to 14, 1 % anywhere beyond.
#[inline(always)]
#[must_use]
pub fn mills<S: Singles>(a: S, b: S) -> (S, S) {
    let one = S::splat(1.0);
    let (x, y) = (a.fma(S::splat(MILLS_SCALE), one), b.fma(S::splat(MILLS_SCALE), one));
    let inverse = one / (x * y);
    let (t, u) = (inverse * y, inverse * x);
    (polynomial(t, &MILLS) * t, polynomial(u, &MILLS) * u)
}

/// Hyperbolic tangent. Error: 4e-7.
#[inline(always)]
#[must_use]
pub fn tanh<S: Singles>(x: S) -> S {
    // (e^(−2|x|) − 1)/(e^(−2|x|) + 1) is −tanh |x| and never overflows
    let e = expm1(x.abs() * S::splat(-2.0));
    let magnitude = (S::splat(0.0) - e) / (e + S::splat(2.0));
    let sign = x.bits() & S::Words::splat(1 << 31);
    (magnitude.bits() ^ sign).as_single()
}

/// Logistic function 1/(1 + e^−x). Error: 3e-7.
#[inline(always)]
#[must_use]
pub fn sigmoid<S: Singles>(x: S) -> S {
    // e^88 is finite, and 1/(1 + e^88) is zero for every purpose of a gate
    let e = exp((S::splat(0.0) - x).least(S::splat(88.0)));
    S::splat(1.0) / (S::splat(1.0) + e)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    /// Greatest error of `ours` against `truth`, relative to the truth and to at least `floor`.
    fn worst(
        points: impl Iterator<Item = f32>,
        ours: impl Fn(f32) -> f32,
        truth: impl Fn(f64) -> f64,
        floor: f64,
    ) -> (f64, f32) {
        let mut found = (0.0, 0.0);
        for x in points {
            let exact = truth(f64::from(x));
            let error = (f64::from(ours(x)) - exact).abs() / exact.abs().max(floor);
            if error > found.0 {
                found = (error, x);
            }
        }
        found
    }

    fn grid(from: f32, to: f32, points: u32) -> impl Iterator<Item = f32> {
        (0..=points).map(move |i| from + (to - from) * (i as f32 / points as f32))
    }

    /// Mills' ratio in f64: its continued fraction (Abramowitz and Stegun 26.2.14) far out, the series
    /// of Φ (26.2.10) near the middle.
    fn mills_slow(z: f64) -> f64 {
        if z > 3.0 {
            return (1..400).rev().fold(z, |tail, k| z + f64::from(k) / tail).recip();
        }
        let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let (mut term, mut sum) = (z, z);
        for k in 1..200 {
            term *= z * z / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 / density - sum
    }

    #[test]
    fn functions_err_as_little_as_they_say() {
        let every = |from: u32, to: u32, step: usize| (from..to).step_by(step).map(f32::from_bits);
        let (tiny, huge) = (f32::MIN_POSITIVE.to_bits(), f32::MAX.to_bits());
        let logarithm = worst(every(tiny, huge, 997), ln, f64::ln, 1e-30);
        assert!(logarithm.0 < 1.2e-7, "ln {logarithm:?}");
        let near = (1.0_f32 - 0.01).to_bits();
        let close = worst(every(near, 1.01_f32.to_bits(), 1), ln, f64::ln, 1e-30);
        assert!(close.0 < 1.2e-7, "ln near one {close:?}");
        let e = worst(grid(-87.0, 88.5, 2_000_000), exp, f64::exp, 1e-300);
        assert!(e.0 < 1.1e-7, "exp {e:?}");
        let minus = worst(grid(-87.0, 88.0, 2_000_000), expm1, f64::exp_m1, 1e-300);
        assert!(minus.0 < 1.9e-7, "expm1 {minus:?}");
        let fine = worst(grid(-0.5, 0.5, 2_000_000), expm1, f64::exp_m1, 1e-30);
        assert!(fine.0 < 1.9e-7, "expm1 near zero {fine:?}");
        let hyperbolic = worst(grid(-20.0, 20.0, 1_000_000), tanh, f64::tanh, 1e-30);
        assert!(hyperbolic.0 < 4e-7, "tanh {hyperbolic:?}");
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        let gate = worst(grid(-80.0, 80.0, 1_000_000), sigmoid, logistic, 1e-300);
        assert!(gate.0 < 3e-7, "sigmoid {gate:?}");
        let ratio = worst(grid(0.0, 14.0, 100_000), |z| mills(z, 14.0 - z).0, mills_slow, 1e-30);
        assert!(ratio.0 < 5.5e-7, "mills {ratio:?}");
        let other = worst(grid(0.0, 14.0, 100_000), |z| mills(2.0 * z, z).1, mills_slow, 1e-30);
        assert!(other.0 < 5.5e-7, "mills {other:?}");
        let far = worst(grid(14.0, 1e6, 100_000), |z| mills(z, z).0, mills_slow, 1e-30);
        assert!(far.0 < 0.01, "mills far out {far:?}");
        let near = worst(grid(0.5, 2.0, 2_000_000), ln_near, f64::ln, 1.0);
        assert!(near.0 < 1.3e-7, "ln_near {near:?}");
        let wide = worst(every(tiny, huge, 997), ln_near, f64::ln, 0.7);
        assert!(wide.0 < 3e-7, "ln_near {wide:?}");
        let bell = |z: f64| (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let central = worst(grid(0.0, 1.0, 1_000_000), |z| density(z * z), bell, 1e-300);
        assert!(central.0 < 2e-7, "density {central:?}");
        for (from, to) in [(1.0, 3.0), (3.0, 6.0), (6.0, 12.8)] {
            let outer = worst(grid(from, to, 1_000_000), |z| density(z * z), bell, 1e-300);
            assert!(outer.0 < 2e-7 * f64::from(to * to), "density {from} {outer:?}");
        }
        assert!((0.0..1e-36).contains(&density(1e30_f32)), "density far out");
    }

    #[test]
    fn the_ends_of_the_range_are_met() {
        assert_eq!(exp(-200.0_f32), 0.0);
        assert_eq!(exp(200.0_f32), f32::INFINITY);
        assert!(exp(-100.0_f32) > 0.0, "subnormals are kept");
        assert_eq!(expm1(-200.0_f32), -1.0);
        assert_eq!(expm1(0.0_f32).to_bits(), 0);
        assert_eq!(tanh(50.0_f32), 1.0);
        assert_eq!(tanh(-0.0_f32).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(sigmoid(200.0_f32), 1.0);
        assert!(sigmoid(-200.0_f32) < 1e-37);
    }

    #[test]
    fn the_first_part_of_ln_2_has_room_for_an_exponent() {
        assert_eq!(LN2_HIGH.to_bits() & 0x1FF, 0);
        let rest = std::f64::consts::LN_2 - f64::from(LN2_HIGH) - f64::from(LN2_LOW);
        assert!(rest.abs() < 1e-13, "{rest}");
    }

    #[test]
    fn a_turn_is_cut_into_cosine_and_sine() {
        for i in 0..1_000_000_u32 {
            let word = i.wrapping_mul(4_294_967);
            let (c, s) = cosine_sine(word);
            let angle = f64::from(word) * std::f64::consts::TAU / 4_294_967_296.0;
            let error = (f64::from(c) - angle.cos()).abs().max((f64::from(s) - angle.sin()).abs());
            assert!(error < 1.2e-7, "word {word:#x}: {error}");
        }
        assert_eq!(cosine_sine(0_u32), (1.0, 0.0));
        assert_eq!(cosine_sine(1_u32 << 30), (0.0, 1.0));
    }
}
