//! Numbers by counter, and ln and exp that are the same on every machine.
//!
//! Draw `n` of a stream is splitmix64's finaliser (Steele, Lea and Flood 2014) of
//! `key + n * golden`: the seed, the stream and the step decide the number, nothing else does.
//! ln and exp use + - * / alone, so a seed gives one market on x86 and on ARM.

use std::f64::consts::{LN_2, SQRT_2};

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    key: u64,
    step: u64,
}

const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl Random {
    /// Stream number `stream` of a seed.
    #[must_use]
    pub const fn new(seed: u64, stream: u64) -> Random {
        Random { key: mix(mix(seed.wrapping_add(GOLDEN)) ^ stream.wrapping_mul(GOLDEN)), step: 0 }
    }

    /// 64 fresh bits.
    pub const fn bits(&mut self) -> u64 {
        self.step += 1;
        mix(self.key.wrapping_add(self.step.wrapping_mul(GOLDEN)))
    }

    /// Uniform in the open interval 0..1.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in `0..bound`, zero when the bound is zero; the bias is below 2^-32 for small bounds.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.bits() as u128 * bound as u128) >> 64) as u64
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -ln(self.unit())
    }

    /// Close to normal, mean 0 and variance 1: four uniforms (tails end at 3.5).
    pub fn normal(&mut self) -> f64 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        (sum - 2.0) * 1.732_050_807_568_877_2 // sqrt(3): each uniform has variance 1/12
    }
}

/// Natural logarithm of a positive, normal number; relative error about 1e-16.
#[must_use]
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1_023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1_023 << 52));
    if mantissa > SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh s, s = (m - 1) / (m + 1), |s| < 0.172: s^23 is below 2^-58.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    for odd in (1..=21).rev().step_by(2) {
        sum = sum * square + 1.0 / f64::from(odd);
    }
    2.0 * s * sum + exponent as f64 * LN_2
}

/// `e^-x` for `x >= 0`; zero beyond 700.
#[must_use]
pub fn exp_minus(x: f64) -> f64 {
    if x > 700.0 {
        return 0.0;
    }
    let halvings = (x / LN_2 + 0.5).floor();
    let rest = halvings * LN_2 - x; // |rest| <= 0.35: rest^14 / 14! is below 2^-57
    let mut sum = 1.0;
    for order in (1..=14).rev() {
        sum = 1.0 + sum * rest / f64::from(order);
    }
    sum * f64::from_bits((1_023 - halvings as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ln_and_exp_agree_with_the_library() {
        let mut random = Random::new(1, 0);
        for _ in 0..10_000 {
            let x = random.unit() * 50.0 + 1e-300;
            assert!((ln(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1.0), "ln {x}");
            let (ours, theirs) = (exp_minus(x), (-x).exp());
            assert!((ours - theirs).abs() <= 1e-14 * theirs, "exp -{x}: {ours} {theirs}");
        }
        assert_eq!(exp_minus(1e9).to_bits(), 0.0f64.to_bits());
    }

    #[test]
    fn means_are_where_they_belong() {
        let (mut random, n) = (Random::new(7, 3), 100_000);
        let mean = |of: &mut dyn FnMut() -> f64| (0..n).map(|_| of()).sum::<f64>() / f64::from(n);
        // Five standard errors each: 1/sqrt(12 n), 1/sqrt(n), 1/sqrt(n).
        assert!((mean(&mut || random.unit()) - 0.5).abs() < 0.0046);
        assert!((mean(&mut || random.exponential()) - 1.0).abs() < 0.016);
        assert!(mean(&mut || random.normal()).abs() < 0.016);
        assert_eq!(Random::new(7, 3).below(0), 0);
    }

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |seed, stream| Random::new(seed, stream).bits();
        assert_eq!(draw(1, 1), draw(1, 1));
        assert_ne!(draw(1, 1), draw(1, 2));
        assert_ne!(draw(1, 1), draw(2, 1));
    }
}
