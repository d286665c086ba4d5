//! Hexadecimal, base64 (RFC 4648) and percent texts, for signatures and keys.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Lower-case hex into `out`, which has twice the length; returns the length.
pub(super) fn hex(bytes: &[u8], out: &mut [u8]) -> usize {
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    bytes.len() * 2
}

/// Padded base64 into `out`, which has 4 bytes for every 3 begun; returns the length.
pub(super) fn base64(bytes: &[u8], out: &mut [u8]) -> usize {
    let mut at = 0;
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let sextet = (word >> (18 - 6 * i)) & 63;
            out[at + i] = if i <= chunk.len() { ALPHABET[sextet as usize] } else { b'=' };
        }
        at += 4;
    }
    at
}

/// The bytes of a padded base64 text; white space is skipped.
pub(super) fn from_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // Both are private keys more often than not: made in one piece, and wiped.
    let mut symbols = Zeroizing::new(Vec::with_capacity(text.len()));
    symbols.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    if symbols.is_empty() || !symbols.len().is_multiple_of(4) {
        return None;
    }
    let padding = symbols.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(symbols.len() / 4 * 3));
    let mut word = 0u32;
    for (at, symbol) in symbols.iter().enumerate() {
        let value = match ALPHABET.iter().position(|letter| letter == symbol) {
            Some(value) => value as u32,
            None if *symbol == b'=' && at >= symbols.len() - padding => 0,
            None => return None,
        };
        word = word << 6 | value;
        if at % 4 == 3 {
            bytes.extend_from_slice(&word.to_be_bytes()[1..]);
            word = 0;
        }
    }
    let len = bytes.len() - padding;
    bytes.truncate(len);
    Some(bytes)
}

/// A value of a query: everything but letters, digits and `-._~` as `%XX`.
pub(super) fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}
