//! What a price or size text is: `digits[.digits]`, no sign, no exponent, no leading zero.
//!
//! The plain reading that every other one is held to: text -> digits and scale -> steps of a grid.

use crate::units::{Grid, GridError};

/// Why a text gives no number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberError {
    /// Not of the shape.
    NotANumber,
    /// Between two steps.
    OffGrid,
    /// Beyond 63 bits of steps.
    TooLarge,
}

/// A text split at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written<'a> {
    /// Digits before the point: at least one, a leading zero only when it stands alone.
    pub(super) whole: &'a [u8],
    /// Digits after the point; empty where there is no point.
    pub(super) fraction: &'a [u8],
}

/// Splits a text, checking its shape.
pub(super) fn written(text: &[u8]) -> Option<Written<'_>> {
    let all_digits = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &text[text.len()..]),
    };
    let has_point = whole.len() != text.len();
    let leading_zero = whole.len() > 1 && whole[0] == b'0';
    if !all_digits(whole) || leading_zero || (has_point && !all_digits(fraction)) {
        return None;
    }
    Some(Written { whole, fraction })
}

/// Steps of `grid` in a text, by digits alone.
pub(super) fn steps(text: &[u8], grid: &Grid) -> Result<i64, NumberError> {
    let written = written(text).ok_or(NumberError::NotANumber)?;
    let decimals = usize::from(grid.decimals());
    if written.fraction.iter().skip(decimals).any(|digit| *digit != b'0') {
        return Err(NumberError::OffGrid);
    }
    grid.steps(mantissa(&written, decimals)?).map_err(|error| match error {
        GridError::OffGrid => NumberError::OffGrid,
        GridError::TooLarge => NumberError::TooLarge,
    })
}

/// Whole steps of `grid` in a text; what lies between two steps is dropped.
pub(super) fn whole_steps(text: &[u8], grid: &Grid) -> Result<i64, NumberError> {
    let written = written(text).ok_or(NumberError::NotANumber)?;
    Ok(grid.whole_steps(mantissa(&written, usize::from(grid.decimals()))?))
}

/// The digits as one number with `decimals` of them after the point; further ones are dropped.
fn mantissa(written: &Written<'_>, decimals: usize) -> Result<u64, NumberError> {
    let Written { whole, fraction } = written;
    let padding = std::iter::repeat_n(&b'0', decimals.saturating_sub(fraction.len()));
    let mut mantissa: u64 = 0;
    for digit in whole.iter().chain(fraction.iter().take(decimals)).chain(padding) {
        mantissa = mantissa
            .checked_mul(10)
            .and_then(|m| m.checked_add(u64::from(digit - b'0')))
            .filter(|m| *m <= i64::MAX as u64)
            .ok_or(NumberError::TooLarge)?;
    }
    Ok(mantissa)
}

/// A text without its point: `mantissa / 10^fraction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) mantissa: u64,
    pub(super) fraction: u32,
}

/// Powers of ten that 64 bits hold.
const POW10: [u64; 20] = {
    let mut table = [1u64; 20];
    let mut i = 1;
    while i < 20 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

impl Number {
    /// Steps of a grid, or `None` for whatever `steps` has to look at.
    #[inline(always)]
    pub(super) fn steps(self, grid: &Grid) -> Option<i64> {
        let mantissa = if self.fraction == u32::from(grid.decimals()) {
            self.mantissa
        } else {
            self.rescaled(u32::from(grid.decimals()))?
        };
        grid.steps(mantissa).ok()
    }

    /// Whole steps of a grid, or `None` for whatever the plain `whole_steps` has to look at.
    pub(super) fn whole_steps(self, grid: &Grid) -> Option<i64> {
        let decimals = u32::from(grid.decimals());
        let mantissa = if self.fraction <= decimals {
            self.mantissa.checked_mul(POW10[(decimals - self.fraction) as usize])?
        } else {
            self.mantissa / POW10.get((self.fraction - decimals) as usize)?
        };
        (mantissa <= i64::MAX as u64).then(|| grid.whole_steps(mantissa))
    }

    /// The mantissa as if written with `decimals` digits after the point.
    fn rescaled(self, decimals: u32) -> Option<u64> {
        if self.fraction < decimals {
            return self.mantissa.checked_mul(POW10[(decimals - self.fraction) as usize]);
        }
        let power = *POW10.get((self.fraction - decimals) as usize)?;
        self.mantissa.is_multiple_of(power).then(|| self.mantissa / power)
    }
}
