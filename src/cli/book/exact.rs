//! Exact sums and quotients of prices and sizes, printed as plain decimals.

use crate::units::Grid;

/// Digits after the point of a quotient that does not end.
const QUOTIENT_DIGITS: u32 = 18;

/// `mantissa / 10^scale` as a plain decimal without trailing zeros.
pub fn decimal(mantissa: i128, scale: u32) -> String {
    let sign = if mantissa < 0 { "-" } else { "" };
    let digits = mantissa.unsigned_abs().to_string();
    let scale = scale as usize;
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// `steps` of `grid` as a plain decimal; `None` when it overflows.
pub fn steps(steps: i128, grid: &Grid) -> Option<String> {
    let step = grid.step();
    Some(decimal(steps.checked_mul(i128::from(step.mantissa))?, u32::from(step.scale)))
}

/// `numerator / denominator / 10^scale`, both positive: exact where it ends within 18 digits after
/// the point, otherwise cut off there. `None` when it overflows.
pub fn quotient(numerator: i128, denominator: i128, scale: u32) -> Option<String> {
    if denominator <= 0 || numerator < 0 {
        return None;
    }
    // the number is numerator / (denominator * 10^scale); take whole digits first, then one by one
    let mut denominator = denominator;
    for _ in 0..scale {
        denominator = denominator.checked_mul(10)?;
    }
    let whole = numerator / denominator;
    let mut rest = numerator % denominator;
    let mut fraction: i128 = 0;
    for _ in 0..QUOTIENT_DIGITS {
        rest = rest.checked_mul(10)?;
        fraction = fraction * 10 + rest / denominator;
        rest %= denominator;
    }
    if rest == 0 {
        return Some(decimal(whole * 10i128.pow(QUOTIENT_DIGITS) + fraction, QUOTIENT_DIGITS));
    }
    let total = whole.checked_mul(10i128.pow(QUOTIENT_DIGITS))? + fraction;
    let one = 10i128.pow(QUOTIENT_DIGITS);
    Some(format!("{}.{:0width$}", total / one, total % one, width = QUOTIENT_DIGITS as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_lose_their_trailing_zeros_only() {
        assert_eq!(decimal(6_180_020, 2), "61800.2");
        assert_eq!(decimal(5, 8), "0.00000005");
        assert_eq!(decimal(1_200, 0), "1200");
        assert_eq!(decimal(-150, 2), "-1.5");
    }

    #[test]
    fn quotients_end_or_are_cut() {
        assert_eq!(quotient(1, 8, 0).unwrap(), "0.125");
        assert_eq!(quotient(2, 3, 0).unwrap(), "0.666666666666666666");
        assert_eq!(quotient(1, 3, 1).unwrap(), "0.033333333333333333");
        assert_eq!(quotient(1, 0, 0), None);
        assert_eq!(quotient(i128::MAX, i128::MAX, 30), None, "no silent wrap");
    }
}
