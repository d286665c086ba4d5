//! Tables that turn a random word into a number of any distribution, without rejection.
//!
//! Each half of the unit interval is cut at the powers of two (an octave of probability each), each
//! octave into `CUTS` equal pieces, each piece holds a cubic through four Chebyshev nodes. So far
//! tails keep their relative accuracy: the first piece ends at 2⁻³³. A look-up is four gathers and
//! three fma. Built on the host in f64, read by every twin: bits agree.

use super::singles::{Singles, Words};

/// Pieces of an octave; a power of two.
const CUTS: usize = 16;
/// Mantissa bits that choose the piece.
const CUT_BITS: i32 = 4;
/// Mantissa bits left for the place within it.
const PLACE_BITS: i32 = 23 - CUT_BITS;
/// Octaves of a half: a word's distance from its end, plus one half, lies in [½, 2³¹].
const OCTAVES: usize = 33;
const PIECES: usize = OCTAVES * CUTS;
/// Coefficients of a cubic.
const TERMS: usize = 4;
/// Exponent of one half, as f32 holds it.
const FIRST_EXPONENT: u32 = 126;

/// The numbers of a table: `[term][half][piece]`.
pub const TABLE_LENGTH: usize = TERMS * 2 * PIECES;

/// A distribution's quantile function, tabulated.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantileTable {
    cubics: Vec<f32>,
}

/// A probability, counted from the end of the interval that is nearer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Side {
    /// Above zero.
    Lower(f64),
    /// Below one.
    Upper(f64),
}

impl QuantileTable {
    /// Tabulates `quantile`, which must be smooth and finite within (0, 1).
    #[must_use]
    pub fn new(quantile: impl Fn(Side) -> f64) -> QuantileTable {
        let mut cubics = vec![0.0; TABLE_LENGTH];
        for half in 0..2 {
            for piece in 0..PIECES {
                let start = 2_f64.powi((piece / CUTS) as i32 - 1);
                let at = |place: f64| {
                    let distance = start * (1.0 + ((piece % CUTS) as f64 + place) / CUTS as f64);
                    let p = distance.min(2_147_483_648.0) / 4_294_967_296.0;
                    quantile(if half == 0 { Side::Lower(p) } else { Side::Upper(p) })
                };
                for (term, value) in cubic(at).into_iter().enumerate() {
                    cubics[(term * 2 + half) * PIECES + piece] = value as f32;
                }
            }
        }
        QuantileTable { cubics }
    }

    /// The numbers, for a device's memory.
    #[must_use]
    pub fn numbers(&self) -> &[f32] {
        &self.cubics
    }

    /// The number whose probability is (w + ½)/2³².
    #[inline(always)]
    #[must_use]
    pub fn look_up<W: Words>(&self, word: W) -> W::Singles {
        // distance from the nearer end, of which the top bit tells which
        let distance = word ^ word.right_signed::<31>();
        let bits = (distance.nearest() + W::Singles::splat(0.5)).bits();
        let piece = bits
            .right::<PLACE_BITS>()
            .minus(W::splat(FIRST_EXPONENT << CUT_BITS))
            .plus(word.right::<31>().times(PIECES as u32));
        let place = (bits & W::splat((1 << PLACE_BITS) - 1)).left::<CUT_BITS>();
        let place = (place ^ W::splat(1_f32.to_bits())).as_single() - W::Singles::splat(1.0);
        let plane = |term: usize| piece.plus(W::splat((term * 2 * PIECES) as u32));
        let mut value = plane(3).look_up(&self.cubics);
        for term in [2, 1, 0] {
            value = value.fma(place, plane(term).look_up(&self.cubics));
        }
        value
    }
}

/// The cubic through four Chebyshev nodes of [0, 1], lowest term first.
fn cubic(at: impl Fn(f64) -> f64) -> [f64; TERMS] {
    let node = |k: usize| {
        0.5 - 0.5 * ((2 * k + 1) as f64 * std::f64::consts::PI / (2 * TERMS) as f64).cos()
    };
    let x: [f64; TERMS] = std::array::from_fn(node);
    let mut differences = x.map(&at);
    for order in 1..TERMS {
        for k in (order..TERMS).rev() {
            differences[k] = (differences[k] - differences[k - 1]) / (x[k] - x[k - order]);
        }
    }
    // Newton's form to powers of x, by Horner
    let mut terms = [0.0; TERMS];
    for k in (0..TERMS).rev() {
        for power in (1..TERMS).rev() {
            terms[power] = terms[power - 1] - x[k] * terms[power];
        }
        terms[0] = differences[k] - x[k] * terms[0];
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::distribution::{StudentT, Tail, chi_square_quantile, normal_quantile};

    fn probability(word: u32) -> Side {
        let below = (f64::from(word) + 0.5) / 4_294_967_296.0;
        let above = (f64::from(!word) + 0.5) / 4_294_967_296.0;
        if below <= 0.5 { Side::Lower(below) } else { Side::Upper(above) }
    }

    /// Greatest relative error over words of all sizes, of numbers at least `floor`.
    fn worst(quantile: impl Fn(Side) -> f64 + Copy, floor: f64) -> f64 {
        let table = QuantileTable::new(quantile);
        let words = (0..4_000_u32).flat_map(|i| {
            let word = i.wrapping_mul(2_654_435_761);
            [word, word >> (i % 32), !(word >> (i % 32)), i]
        });
        words
            .map(|word| {
                let truth = quantile(probability(word));
                (f64::from(table.look_up(word)) - truth).abs() / truth.abs().max(floor)
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn tables_follow_their_quantiles() {
        let normal = worst(
            |side| match side {
                Side::Lower(p) => normal_quantile(p),
                Side::Upper(p) => -normal_quantile(p),
            },
            1.0,
        );
        assert!(normal < 6e-7, "normal {normal:e}");
        for nu in [2.1, 5.0, 50.0] {
            let t = StudentT::new(nu).expect("positive");
            let student = worst(
                |side| match side {
                    Side::Lower(p) => -t.tail_quantile(p),
                    Side::Upper(p) => t.tail_quantile(p),
                },
                1.0,
            );
            assert!(student < 1e-6, "ν = {nu}: {student:e}");
            let mixing = worst(
                |side| {
                    let tail = match side {
                        Side::Lower(p) => Tail::Lower(p),
                        Side::Upper(p) => Tail::Upper(p),
                    };
                    (nu / chi_square_quantile(nu, tail)).sqrt()
                },
                0.1,
            );
            assert!(mixing < 1e-6, "ν = {nu}: {mixing:e}");
        }
    }
}
