//! Exact decimals and the grid (tick or lot) that turns them into whole steps.
//!
//! A venue writes `61837.63000000`; the instrument's tick is `0.01`; the book wants 6 183 763 steps.
//! `Grid` does this with one multiplication and refuses what is off the grid.

use std::fmt;

/// The two digits of 0 to 99, for whoever writes numbers fast.
pub const TWO_DIGITS: [[u8; 2]; 100] = {
    let mut table = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        table[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    table
};

/// An exact decimal: `mantissa / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// Signed digits without the point.
    pub mantissa: i64,
    /// Digits after the point, at most 18.
    pub scale: u8,
}

/// Why a text is no decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// No digit, or a byte that is neither digit nor point.
    #[error("not a plain decimal number")]
    Malformed,
    /// More digits than 63 bits hold.
    #[error("more digits than a 64-bit number holds")]
    TooLong,
}

/// Why a decimal is no step of a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// The value lies between two steps.
    #[error("not a multiple of the step")]
    OffGrid,
    /// The value in steps does not fit 63 bits.
    #[error("too large for a 64-bit number of steps")]
    TooLarge,
}

/// A grid of steps such as tick 0.01 or lot 0.001.
///
/// `step = step_mantissa / 10^decimals`, with `step_mantissa > 0`. `decimals` is the number of digits
/// the venue writes (8 on spot), so a text of that shape needs no rescaling before the division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    step_mantissa: i64,
    decimals: u8,
    trailing_zeros: u32,
    inverse: u64,
    quotient_max: u64,
}

pub(crate) const POW10: [i64; 19] = {
    let mut table = [1i64; 19];
    let mut i = 1;
    while i < 19 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

impl Decimal {
    /// Reads `-12.340` as written, keeping its scale.
    ///
    /// # Errors
    /// When the text is not `[-]digits[.digits]` or has more digits than fit.
    pub fn parse(text: &str) -> Result<Decimal, DecimalError> {
        let (negative, digits) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let mut mantissa: i64 = 0;
        let mut scale = None;
        let mut seen = false;
        for byte in digits {
            match byte {
                b'0'..=b'9' => {
                    seen = true;
                    mantissa = mantissa
                        .checked_mul(10)
                        .and_then(|m| m.checked_add(i64::from(byte - b'0')))
                        .ok_or(DecimalError::TooLong)?;
                    if let Some(s) = scale.as_mut() {
                        *s += 1;
                        if *s > 18 {
                            return Err(DecimalError::TooLong);
                        }
                    }
                }
                b'.' if scale.is_none() && seen => scale = Some(0u8),
                _ => return Err(DecimalError::Malformed),
            }
        }
        if !seen || digits.last() == Some(&b'.') {
            return Err(DecimalError::Malformed);
        }
        let mantissa = if negative { -mantissa } else { mantissa };
        Ok(Decimal { mantissa, scale: scale.unwrap_or(0) })
    }

    /// For display and statistics only.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.mantissa as f64 / POW10[usize::from(self.scale)] as f64
    }
}

impl fmt::Display for Decimal {
    /// Plain decimal without trailing zeros: `61800.2`, `5`, `-0.00001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut mantissa, mut scale) = (self.mantissa, self.scale);
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        let sign = if mantissa < 0 { "-" } else { "" };
        let power = POW10[usize::from(scale)].unsigned_abs();
        let magnitude = mantissa.unsigned_abs();
        write!(f, "{sign}{}", magnitude / power)?;
        if scale > 0 {
            write!(f, ".{:0width$}", magnitude % power, width = usize::from(scale))?;
        }
        Ok(())
    }
}

impl Grid {
    /// A grid of `step`, for texts written with `decimals` digits after the point.
    ///
    /// Returns `None` when the step is not positive or needs more than `decimals` (or 18) digits.
    #[must_use]
    pub fn new(step: Decimal, decimals: u8) -> Option<Grid> {
        if step.mantissa <= 0 || decimals > 18 {
            return None;
        }
        let mut step = step;
        while step.scale > 0 && step.mantissa % 10 == 0 {
            step.mantissa /= 10;
            step.scale -= 1;
        }
        let lift = decimals.checked_sub(step.scale)?;
        let step_mantissa = step.mantissa.checked_mul(POW10[usize::from(lift)])?;
        let trailing_zeros = step_mantissa.trailing_zeros();
        let odd = (step_mantissa >> trailing_zeros) as u64;
        Some(Grid {
            step_mantissa,
            decimals,
            trailing_zeros,
            inverse: inverse_mod_2_64(odd),
            quotient_max: i64::MAX as u64 / step_mantissa as u64,
        })
    }

    /// Digits after the point in the texts this grid expects.
    #[must_use]
    pub const fn decimals(&self) -> u8 {
        self.decimals
    }

    /// The step itself.
    #[must_use]
    pub const fn step(&self) -> Decimal {
        Decimal { mantissa: self.step_mantissa, scale: self.decimals }
    }

    /// Steps in `mantissa / 10^decimals`; exact, by one multiplication.
    ///
    /// A multiple of an odd number times that number's inverse modulo 2^64 is the quotient, and
    /// anything else lands above the largest possible quotient (Granlund and Montgomery 1994, §9).
    ///
    /// # Errors
    /// `OffGrid` when the value is no multiple of the step (or negative).
    #[inline]
    pub const fn steps(&self, mantissa: u64) -> Result<i64, GridError> {
        let rotated = mantissa.wrapping_mul(self.inverse).rotate_right(self.trailing_zeros);
        if rotated > self.quotient_max {
            return Err(GridError::OffGrid);
        }
        Ok(rotated as i64)
    }

    /// Whole steps in `mantissa / 10^decimals`; what lies between two steps is dropped.
    #[must_use]
    pub const fn whole_steps(&self, mantissa: u64) -> i64 {
        let steps = mantissa / self.step_mantissa.unsigned_abs();
        if steps > i64::MAX as u64 { i64::MAX } else { steps as i64 }
    }

    /// Steps in a non-negative decimal of any scale.
    ///
    /// # Errors
    /// `OffGrid` between two steps or below zero, `TooLarge` beyond 63 bits.
    pub fn steps_of(&self, value: Decimal) -> Result<i64, GridError> {
        if value.mantissa < 0 {
            return Err(GridError::OffGrid);
        }
        let mantissa = if value.scale <= self.decimals {
            value
                .mantissa
                .checked_mul(POW10[usize::from(self.decimals - value.scale)])
                .ok_or(GridError::TooLarge)?
        } else {
            let power = POW10[usize::from(value.scale - self.decimals)];
            if value.mantissa % power != 0 {
                return Err(GridError::OffGrid);
            }
            value.mantissa / power
        };
        self.steps(mantissa as u64)
    }

    /// The decimal of a number of steps.
    ///
    /// Saturates beyond 63 bits of mantissa, which no value read through this grid reaches.
    #[must_use]
    pub const fn decimal(&self, steps: i64) -> Decimal {
        Decimal { mantissa: steps.saturating_mul(self.step_mantissa), scale: self.decimals }
    }
}

/// Inverse of an odd number modulo 2^64 by Newton's iteration; each round doubles the right bits.
const fn inverse_mod_2_64(odd: u64) -> u64 {
    let mut inverse = odd; // right to 3 bits, since odd * odd = 1 (mod 8)
    let mut round = 0;
    while round < 5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_prints_plain_decimals() {
        for (text, printed) in [
            ("61800.20", "61800.2"),
            ("0.00001", "0.00001"),
            ("5", "5"),
            ("-1.50", "-1.5"),
            ("0.000", "0"),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), printed);
        }
        for bad in ["", "-", ".", ".5", "5.", "1e5", "1.2.3", "+1", " 1", "NaN"] {
            assert_eq!(Decimal::parse(bad), Err(DecimalError::Malformed), "{bad:?}");
        }
        assert_eq!(Decimal::parse("99999999999999999999"), Err(DecimalError::TooLong));
    }

    #[test]
    fn a_step_finer_than_the_text_is_no_grid() {
        assert!(Grid::new(Decimal { mantissa: 1, scale: 3 }, 2).is_none());
        assert!(Grid::new(Decimal { mantissa: 0, scale: 3 }, 8).is_none());
    }

    proptest! {
        #[test]
        fn exact_division_equals_the_plain_one(
            step in 1i64..5_000_000_000,
            value in 0u64..i64::MAX as u64,
        ) {
            let grid = Grid::new(Decimal { mantissa: step, scale: 8 }, 8).unwrap();
            let quotient = (value / step as u64) as i64;
            let exact = value % step as u64 == 0;
            prop_assert_eq!(grid.steps(value), if exact { Ok(quotient) } else { Err(GridError::OffGrid) });
            let multiple = quotient as u64 * step as u64;
            prop_assert_eq!(grid.steps(multiple), Ok(quotient));
        }
    }
}
