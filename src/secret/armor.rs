//! Base64 (RFC 4648), strict both ways, and the armor that makes a sealed file a text.
//!
//! Strict: one text for one sequence of bytes. A letter outside the alphabet, wrong padding, bits set
//! beyond the last byte or a line of another width is refused.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Letters in a full line of armor and of a stanza's body.
pub(super) const COLUMNS: usize = 64;

pub(super) const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";

/// Base64 without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

/// The bytes of a base64 text without padding; `None` unless it is how they are written.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let symbols = text.as_bytes();
    if symbols.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(symbols.len() / 4 * 3 + 2);
    for chunk in symbols.chunks(4) {
        let mut word = 0;
        for (at, symbol) in chunk.iter().enumerate() {
            let value = ALPHABET.iter().position(|letter| letter == symbol)?;
            word |= (value as u32) << (18 - 6 * at);
        }
        let whole = chunk.len() * 6 / 8;
        let [_, first, second, third] = word.to_be_bytes();
        let (kept, spare) = ([first, second, third], word & (0x00FF_FFFF >> (8 * whole)));
        if spare != 0 {
            return None;
        }
        bytes.extend_from_slice(&kept[..whole]);
    }
    Some(bytes)
}

/// The armored text of a sealed file.
pub(super) fn wrap(bytes: &[u8]) -> String {
    let mut body = encode(bytes);
    while !body.len().is_multiple_of(4) {
        body.push('=');
    }
    let mut text = format!("{BEGIN}\n");
    for line in body.as_bytes().chunks(COLUMNS) {
        text.extend(line.iter().map(|letter| char::from(*letter)));
        text.push('\n');
    }
    text + END + "\n"
}

/// The bytes behind an armored text, or the line that is wrong and how.
pub(super) fn unwrap(text: &str) -> Result<Vec<u8>, (usize, &'static str)> {
    let mut lines = text.trim_ascii().lines().zip(1..);
    if lines.next().is_none_or(|(first, _)| first != BEGIN) {
        return Err((1, "the armor does not begin here"));
    }
    let mut body = String::with_capacity(text.len());
    let mut short = false;
    for (line, number) in &mut lines {
        if line == END {
            if let Some((_, number)) = lines.next() {
                return Err((number, "something follows the armor's end"));
            }
            let bare = body.trim_end_matches('=');
            let padded = body.len().is_multiple_of(4) && body.len() - bare.len() <= 2;
            let bytes = decode(bare).filter(|_| padded);
            return bytes.ok_or((number, "the lines before are no canonical base64"));
        }
        if short || line.is_empty() || line.len() > COLUMNS {
            return Err((number, "a line of the armor is not 64 columns wide"));
        }
        short = line.len() < COLUMNS;
        body.push_str(line);
    }
    Err((text.lines().count().max(1), "the armor does not end"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        for bad in ["Z", "Zh", "Zm9", "Zm9v=", "Zm 9", "Zm9vY", "é"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_wrapped_unwraps(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
            let text = wrap(&bytes);
            prop_assert!(text.lines().all(|line| line.len() <= COLUMNS));
            prop_assert_eq!(unwrap(&text), Ok(bytes.clone()));
            prop_assert_eq!(unwrap(&text.replace('\n', "\r\n")), Ok(bytes));
        }

        #[test]
        fn one_text_for_one_sequence(text in "[A-Za-z0-9+/]{0,24}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }

    #[test]
    fn a_broken_armor_names_its_line() {
        let good = wrap(&[7; 60]);
        for (spoiled, line) in [
            (good.replace("-----END", "----END"), 4),
            (good.replace("BEGIN", "BEGUN"), 1),
            (good.replacen('H', "!", 1), 4),
            (good.replacen('H', "", 1), 3),
            (good.replace(END, &format!("{END}\nmore")), 5),
            (BEGIN.to_owned(), 1),
        ] {
            assert_eq!(unwrap(&spoiled).map_err(|(at, _)| at), Err(line), "{spoiled}");
        }
    }
}
