//! Numbers and names byte by byte: the meaning of the SIMD readers, and their stand-in without AVX2.

use super::fast::Numerals;
use super::number::Number;
use super::symbols::{Padded, SYMBOL_MAX};

/// Plain Rust.
pub(super) struct Plain;

impl Numerals for Plain {
    #[inline(always)]
    fn whole(bytes: &[u8]) -> Option<(u64, usize)> {
        let mut end = 0;
        let mut value: u64 = 0;
        while let Some(digit) = digit(bytes, end) {
            value = value.checked_mul(10)?.checked_add(digit)?;
            end += 1;
        }
        let leading_zero = end > 1 && bytes[0] == b'0';
        (end > 0 && !leading_zero).then_some((value, end))
    }

    #[inline(always)]
    fn time(bytes: &[u8]) -> Option<(u64, usize)> {
        Plain::whole(bytes)
    }

    #[inline(always)]
    fn pair<const GAP: usize>(bytes: &[u8], gap: &[u8; GAP]) -> Option<(Number, Number, usize)> {
        let (first, end) = number(bytes, 0)?;
        if bytes.get(end..)?.first_chunk()? != gap {
            return None;
        }
        let (second, end) = number(bytes, end + GAP)?;
        Some((first, second, end))
    }

    #[inline(always)]
    fn level(bytes: &[u8]) -> Option<(Number, Number, usize)> {
        Plain::pair(bytes, b"\",\"")
    }

    #[inline(always)]
    fn plain(bytes: &[u8]) -> Option<usize> {
        let end = bytes.iter().position(|byte| !is_plain(*byte))?;
        (bytes[end] == b'"').then_some(end)
    }

    #[inline(always)]
    fn symbol(bytes: &[u8]) -> Option<(Padded, usize)> {
        let len = bytes.iter().take(SYMBOL_MAX + 1).position(|byte| *byte == b'"')?;
        let mut name = [0u8; SYMBOL_MAX];
        name[..len].copy_from_slice(&bytes[..len]);
        Some((bytemuck::cast(name), len))
    }
}

/// A byte that stands for itself inside a JSON string: ASCII, no control, quote or backslash.
#[inline(always)]
fn is_plain(byte: u8) -> bool {
    (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\'
}

#[inline(always)]
fn digit(bytes: &[u8], at: usize) -> Option<u64> {
    let value = bytes.get(at)?.wrapping_sub(b'0');
    (value <= 9).then_some(u64::from(value))
}

/// A number text that ends in a quote; returns where the quote stands.
#[inline(always)]
pub(super) fn number(bytes: &[u8], at: usize) -> Option<(Number, usize)> {
    let mut mantissa: u64 = 0;
    let mut end = at;
    while let Some(digit) = digit(bytes, end) {
        mantissa = mantissa.checked_mul(10)?.checked_add(digit)?;
        end += 1;
    }
    let leading_zero = end - at > 1 && bytes[at] == b'0';
    if end == at || leading_zero {
        return None;
    }
    let mut fraction = 0;
    if *bytes.get(end)? == b'.' {
        end += 1;
        while let Some(digit) = digit(bytes, end) {
            mantissa = mantissa.checked_mul(10)?.checked_add(digit)?;
            end += 1;
            fraction += 1;
        }
        if fraction == 0 {
            return None;
        }
    }
    (*bytes.get(end)? == b'"').then_some((Number { mantissa, fraction }, end))
}
