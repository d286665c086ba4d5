//! Bech32 (BIP 173): a word that says what it is, 5-bit letters, a checksum. For age's keys.

const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATORS: [u32; 5] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3];
/// Letters of the checksum.
const CHECK: usize = 6;

/// The polynomial's remainder over prefix and letters.
fn remainder(prefix: &str, data: impl IntoIterator<Item = u8>) -> u32 {
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    let mut sum = 1u32;
    for value in high.chain([0]).chain(low).chain(data) {
        let top = sum >> 25;
        sum = (sum & 0x01FF_FFFF) << 5 ^ u32::from(value);
        for (bit, generator) in GENERATORS.iter().enumerate() {
            if top >> bit & 1 == 1 {
                sum ^= generator;
            }
        }
    }
    sum
}

/// Writes 32 bytes behind a lower-case prefix.
pub(super) fn encode(prefix: &str, bytes: &[u8; 32], out: &mut String) {
    let (mut data, mut word, mut bits) = ([0u8; 52], 0u32, 0);
    let mut filled = 0;
    for byte in bytes {
        word = word << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            data[filled] = (word >> bits & 31) as u8;
            filled += 1;
        }
    }
    data[filled] = (word << (5 - bits) & 31) as u8; // 256 bits leave one over
    let check = remainder(prefix, data.into_iter().chain([0; CHECK])) ^ 1;
    out.push_str(prefix);
    out.push('1');
    out.extend(data.iter().map(|value| char::from(LETTERS[usize::from(*value)])));
    let letter = |at: usize| check >> (5 * (CHECK - 1 - at)) & 31;
    out.extend((0..CHECK).map(|at| char::from(LETTERS[letter(at) as usize])));
    zeroize::Zeroize::zeroize(&mut data);
}

/// Reads 32 bytes behind a prefix, all in one case.
pub(super) fn decode(prefix: &str, text: &str) -> Option<[u8; 32]> {
    let mixed = text.bytes().any(|byte| byte.is_ascii_lowercase())
        && text.bytes().any(|byte| byte.is_ascii_uppercase());
    let (head, letters) = text.as_bytes().split_at_checked(prefix.len() + 1)?;
    let (named, one) = head.split_at(prefix.len());
    if mixed || !named.eq_ignore_ascii_case(prefix.as_bytes()) || one != b"1" {
        return None;
    }
    let (mut data, mut sum) = ([0u8; 52 + CHECK], 0);
    if letters.len() != data.len() {
        return None;
    }
    for (slot, letter) in data.iter_mut().zip(letters) {
        let lower = letter.to_ascii_lowercase();
        *slot = LETTERS.iter().position(|known| *known == lower)? as u8;
        sum |= u32::from(*slot);
    }
    let (mut bytes, mut word, mut bits, mut filled) = ([0u8; 32], 0u32, 0, 0);
    for value in &data[..52] {
        word = word << 5 | u32::from(*value);
        bits += 5;
        if bits >= 8 && filled < bytes.len() {
            bits -= 8;
            bytes[filled] = (word >> bits) as u8;
            filled += 1;
        }
    }
    let whole = remainder(prefix, data) == 1 && word & ((1 << bits) - 1) == 0 && sum > 0;
    zeroize::Zeroize::zeroize(&mut data);
    whole.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_in_either_case() {
        for seed in 0..50u8 {
            let bytes: [u8; 32] = std::array::from_fn(|at| (at as u8).wrapping_mul(37) ^ seed);
            let mut text = String::new();
            encode("age", &bytes, &mut text);
            assert_eq!(text.len(), 62);
            assert_eq!(decode("age", &text), Some(bytes));
            assert_eq!(decode("age", &text.to_ascii_uppercase()), Some(bytes));
        }
    }

    /// Every checksum catches one wrong letter, wherever it stands.
    #[test]
    fn canary_one_wrong_letter_is_caught() {
        let mut text = String::new();
        encode("age", &[0x5A; 32], &mut text);
        for at in 0..text.len() {
            let mut spoiled = text.clone().into_bytes();
            spoiled[at] = if spoiled[at] == b'q' { b'p' } else { b'q' };
            let spoiled = String::from_utf8(spoiled).expect("ASCII");
            assert_eq!(decode("age", &spoiled), None, "{spoiled}");
        }
        for bad in ["", "age", "age1", &text[..61], &text.replacen('a', "A", 1)] {
            assert_eq!(decode("age", bad), None, "{bad}");
        }
        assert_eq!(decode("agx", &text), None);
    }
}
