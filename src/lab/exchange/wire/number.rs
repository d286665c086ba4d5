//! Numbers as the venue writes them: steps of a grid -> decimal text at the grid's own digits.

use crate::units::{Grid, TWO_DIGITS, UnixNanos};

/// Digits of `number` into the end of `text`, at least `least` of them; returns where they begin.
fn digits(mut number: u128, least: usize, text: &mut [u8; 40]) -> usize {
    let mut at = text.len();
    while let Ok(short) = usize::try_from(number)
        && short >= 100
    {
        at -= 2;
        text[at..at + 2].copy_from_slice(&TWO_DIGITS[short % 100]);
        number = (short / 100) as u128;
    }
    while number > 0 {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    while text.len() - at < least {
        at -= 1;
        text[at] = b'0';
    }
    at
}

/// Appends a whole number.
pub(super) fn whole(out: &mut Vec<u8>, number: u64) {
    let mut text = [0; 40];
    let from = digits(u128::from(number), 1, &mut text);
    out.extend_from_slice(&text[from..]);
}

/// Appends a wall time in milliseconds.
pub(super) fn millis(out: &mut Vec<u8>, time: UnixNanos) {
    whole(out, time.0 / 1_000_000);
}

/// Appends `mantissa / 10^scale` with exactly `scale` digits after the point.
pub(super) fn fixed(out: &mut Vec<u8>, mantissa: i128, scale: usize) {
    if mantissa < 0 {
        out.push(b'-');
    }
    let mut text = [0; 40];
    let from = digits(mantissa.unsigned_abs(), scale + 1, &mut text);
    let point = text.len() - scale;
    out.extend_from_slice(&text[from..point]);
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(&text[point..]);
    }
}

/// Appends a number of steps as the venue writes it.
pub(super) fn steps(out: &mut Vec<u8>, grid: &Grid, steps: i64) {
    let value = grid.decimal(steps);
    fixed(out, i128::from(value.mantissa), usize::from(value.scale));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Decimal;
    use proptest::prelude::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn hand_made_numbers() {
        assert_eq!(text(|out| whole(out, 0)), "0");
        assert_eq!(text(|out| whole(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(text(|out| fixed(out, -5, 8)), "-0.00000005");
        assert_eq!(text(|out| fixed(out, 100, 0)), "100");
        assert_eq!(text(|out| fixed(out, i128::from(i64::MIN), 2)), "-92233720368547758.08");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(mantissa in 0..i64::MAX, scale in 0u8..19) {
            let written = text(|out| fixed(out, i128::from(mantissa), usize::from(scale)));
            prop_assert_eq!(Decimal::parse(&written), Ok(Decimal { mantissa, scale }));
        }
    }
}
