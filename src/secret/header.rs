//! The header of a sealed file: bytes -> stanzas, MAC, where the payload begins; and back.
//!
//! ```text
//! age-encryption.org/v1 LF
//! -> KIND ARGUMENT… LF                 one stanza per way to the file key
//! base64 of its body, 64 columns a line, the last one shorter (it may be empty) LF
//! --- base64 of HMAC-SHA256 over all of the above, up to and with these three dashes LF
//! ```

use super::armor::{COLUMNS, decode, encode};

pub(super) const VERSION: &str = "age-encryption.org/v1";
/// Stanzas of one header; a key of ours has one.
const STANZAS_MAX: usize = 16;
/// Longest line: a post-quantum stanza's, which is read in order to be named.
const LINE_MAX: usize = 4_096;
/// Lines of one stanza's body.
const BODY_LINES_MAX: usize = 64;

/// One way to the file key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stanza {
    pub(super) kind: String,
    pub(super) arguments: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// A header as read; nothing of it is authentic yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) stanzas: Vec<Stanza>,
    pub(super) mac: [u8; 32],
    /// Bytes that the MAC covers.
    pub(super) signed: usize,
    /// Where the payload begins.
    pub(super) payload: usize,
}

/// Takes lines off bytes that are text for as long as it is asked.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    number: usize,
}

type Problem = (usize, &'static str);

impl<'a> Lines<'a> {
    fn take(&mut self) -> Result<&'a str, Problem> {
        self.number += 1;
        let rest = &self.bytes[self.at..];
        let window = &rest[..rest.len().min(LINE_MAX + 1)];
        let end = window.iter().position(|byte| *byte == b'\n');
        let end = end.ok_or((self.number, "the line does not end"))?;
        let line = &rest[..end];
        if !line.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return Err((self.number, "a byte of the header is no visible letter"));
        }
        self.at += end + 1;
        std::str::from_utf8(line).map_err(|_| (self.number, "no text"))
    }
}

/// Reads a header.
pub(super) fn read(bytes: &[u8]) -> Result<Header, Problem> {
    let mut lines = Lines { bytes, at: 0, number: 0 };
    if lines.take()? != VERSION {
        return Err((1, "the first line is not `age-encryption.org/v1`"));
    }
    let mut stanzas = Vec::new();
    loop {
        let start = lines.at;
        let line = lines.take()?;
        if let Some(text) = line.strip_prefix("--- ") {
            let mac = decode(text).and_then(|mac| mac.try_into().ok());
            let mac = mac.ok_or((lines.number, "the MAC is not 32 bytes of base64"))?;
            if stanzas.is_empty() {
                return Err((lines.number, "no stanza stands before the MAC"));
            }
            return Ok(Header { stanzas, mac, signed: start + 3, payload: lines.at });
        }
        let Some(words) = line.strip_prefix("-> ") else {
            return Err((lines.number, "neither a stanza nor the MAC begins here"));
        };
        let mut words = words.split(' ').map(str::to_owned);
        let kind = words.next().unwrap_or_default();
        let arguments: Vec<String> = words.collect();
        if kind.is_empty() || arguments.iter().any(String::is_empty) {
            return Err((lines.number, "a word of the stanza is empty"));
        }
        if stanzas.len() == STANZAS_MAX {
            return Err((lines.number, "more than 16 stanzas"));
        }
        stanzas.push(Stanza { kind, arguments, body: body(&mut lines)? });
    }
}

fn body(lines: &mut Lines<'_>) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    for _ in 0..BODY_LINES_MAX {
        let line = lines.take()?;
        let bytes = decode(line).filter(|_| line.len() <= COLUMNS);
        body.extend(bytes.ok_or((lines.number, "a stanza's body is no base64 of 64 columns"))?);
        if line.len() < COLUMNS {
            return Ok(body);
        }
    }
    Err((lines.number, "a stanza's body has more than 64 lines"))
}

/// Writes a header up to and with the three dashes: what the MAC covers.
pub(super) fn write(stanzas: &[Stanza]) -> String {
    let mut text = format!("{VERSION}\n");
    for stanza in stanzas {
        text += "-> ";
        text += &stanza.kind;
        for argument in &stanza.arguments {
            text.push(' ');
            text += argument;
        }
        text.push('\n');
        let body = encode(&stanza.body);
        for line in body.as_bytes().chunks(COLUMNS) {
            text.extend(line.iter().map(|letter| char::from(*letter)));
            text.push('\n');
        }
        if body.len().is_multiple_of(COLUMNS) {
            text.push('\n');
        }
    }
    text + "---"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_stanza() -> impl Strategy<Value = Stanza> {
        let words = prop::collection::vec("[!-~]{1,30}", 0..3);
        ("[!-~]{1,12}", words, prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(kind, arguments, body)| Stanza { kind, arguments, body })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(stanzas in prop::collection::vec(any_stanza(), 1..5)) {
            let signed = write(&stanzas);
            let text = format!("{signed} {}\npayload", encode(&[9; 32]));
            let header = read(text.as_bytes()).unwrap();
            prop_assert_eq!(&text[header.payload..], "payload");
            prop_assert_eq!(header, Header {
                stanzas, mac: [9; 32], signed: signed.len(), payload: text.len() - 7,
            });
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&bytes).is_err());
        }
    }

    #[test]
    fn a_broken_header_names_its_line() {
        let one = Stanza { kind: "a".into(), arguments: vec!["b".into()], body: vec![1; 48] };
        let good = write(&[one]) + " " + &encode(&[9; 32]) + "\n";
        assert!(read(good.as_bytes()).is_ok(), "{good}");
        for (from, to, line) in [
            ("v1", "v2", 1),
            ("-> a b", "-> a  b", 2),
            ("-> a b", "=> a b", 2),
            ("AQEB", "A!EB", 3),
            ("\n---", "---", 4),
            ("CQk\n", "CQl\n", 5),
            ("--- CQ", "--- ", 5),
            ("a b", "a\u{e9} b", 2),
        ] {
            let spoiled = good.replacen(from, to, 1);
            assert_eq!(
                read(spoiled.as_bytes()).map_err(|(at, _)| at).err(),
                Some(line),
                "{spoiled}"
            );
        }
        let bare = format!("{VERSION}\n--- {}\n", encode(&[9; 32]));
        assert_eq!(read(bare.as_bytes()).map_err(|(at, _)| at).err(), Some(2));
    }
}
