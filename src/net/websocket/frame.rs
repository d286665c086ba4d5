//! Frame headers and masking.
//!
//! ```text
//! byte 0: FIN RSV1 RSV2 RSV3 opcode(4)      byte 1: MASK length(7)
//! length 126: two bytes follow, 127: eight bytes follow; MASK: four key bytes follow
//! ```

/// Longest header: 2 + 8 bytes of length + 4 bytes of mask.
pub(super) const HEADER_MAX: usize = 14;
/// Longest payload of a control frame.
pub(super) const CONTROL_MAX: usize = 125;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message begun before.
    Continuation,
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
    /// The end.
    Close,
    /// Are you there?
    Ping,
    /// I am.
    Pong,
}

impl Opcode {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }

    /// The opcode of a wire number, unless it is reserved.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Opcode> {
        Some(match code {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    /// Whether it may stand between the fragments of a message.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.code() >= 8
    }
}

/// A frame header as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub fin: bool,
    pub reserved: u8,
    pub opcode: u8,
    pub key: Option<[u8; 4]>,
    pub len: u64,
}

/// Bytes of the header that begins with these two.
pub(super) fn header_len(second: u8) -> usize {
    let length = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & 0x80 != 0 { 4 } else { 0 }
}

/// Reads a whole header; `bytes` holds at least `header_len` bytes.
#[inline]
pub(super) fn read_header(bytes: &[u8]) -> (Header, usize) {
    let (first, second) = (bytes[0], bytes[1]);
    let (len, mut at) = match second & 0x7F {
        126 => (u64::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
        127 => {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[2..10]);
            (u64::from_be_bytes(word), 10)
        }
        short => (u64::from(short), 2),
    };
    let key = (second & 0x80 != 0).then(|| {
        let key = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        at += 4;
        key
    });
    let header =
        Header { fin: first & 0x80 != 0, reserved: first & 0x70, opcode: first & 0x0F, key, len };
    (header, at)
}

/// Appends a final frame's header and payload, masked when a key is given.
pub(super) fn write_frame(opcode: Opcode, key: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    let flag = if key.is_some() { 0x80 } else { 0 };
    out.push(0x80 | opcode.code());
    match payload.len() {
        len @ 0..=125 => out.push(flag | len as u8),
        len @ 126..=0xFFFF => {
            out.push(flag | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(flag | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    let Some(key) = key else {
        out.extend_from_slice(payload);
        return;
    };
    out.extend_from_slice(&key);
    let at = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[at..], key, 0);
}

/// Masks or unmasks in place; `offset` is the place of the first byte in its frame's payload.
///
/// Word by word, so that the compiler uses the widest registers it may.
pub fn mask(bytes: &mut [u8], key: [u8; 4], offset: usize) {
    let key = u32::from_ne_bytes([
        key[offset & 3],
        key[(offset + 1) & 3],
        key[(offset + 2) & 3],
        key[(offset + 3) & 3],
    ]);
    let (words, tail) = bytes.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.to_ne_bytes()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slowly(bytes: &mut [u8], key: [u8; 4], offset: usize) {
        bytes.iter_mut().enumerate().for_each(|(i, b)| *b ^= key[(i + offset) % 4]);
    }

    fn agrees(fast: impl Fn(&mut [u8], [u8; 4], usize)) -> bool {
        let source: Vec<u8> = (0..200_u32).map(|n| (n * 37 + 11) as u8).collect();
        (0..200).all(|len| {
            (0..9).all(|offset| {
                let (mut a, mut b) = (source[..len].to_vec(), source[..len].to_vec());
                fast(&mut a, [0xA1, 0x5B, 0x3C, 0xF0], offset);
                slowly(&mut b, [0xA1, 0x5B, 0x3C, 0xF0], offset);
                a == b
            })
        })
    }

    #[test]
    fn masking_equals_its_definition() {
        assert!(agrees(mask));
    }

    #[test]
    fn canary_masking_that_forgets_the_offset_is_caught() {
        assert!(!agrees(|bytes, key, _| mask(bytes, key, 0)));
    }
}
