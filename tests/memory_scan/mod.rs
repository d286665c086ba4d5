//! A process's memory, searched for what should not be there.
//!
//! What is searched for is never held as it is, else the search would find itself: every byte of a
//! `Needle` is masked, and compared byte by byte.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const MASK: u8 = 0xA5;
/// Bytes read at a time.
const PIECE: usize = 1 << 16;

/// Something secret, masked.
pub struct Needle {
    pub name: &'static str,
    masked: Vec<u8>,
}

impl Needle {
    /// Masks bytes that the caller wipes.
    pub fn of(name: &'static str, secret: &[u8]) -> Needle {
        assert!(secret.len() >= 8, "{name}: shorter ones are found by chance");
        Needle { name, masked: secret.iter().map(|byte| byte ^ MASK).collect() }
    }

    /// Whether these bytes hold it.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        let len = self.masked.len();
        let first = self.masked[0] ^ MASK;
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == first) {
            rest = &rest[at..];
            if rest.len() < len {
                return false;
            }
            if rest.iter().zip(&self.masked).all(|(byte, masked)| byte ^ MASK == *masked) {
                return true;
            }
            rest = &rest[1..];
        }
        false
    }
}

/// The names of the needles that stand anywhere in a process's readable memory, and the bytes searched.
///
/// # Errors
/// When the kernel does not let us look.
pub fn found(process: &str, needles: &[Needle]) -> io::Result<(Vec<&'static str>, u64)> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps"))?;
    let memory = File::open(format!("/proc/{process}/mem"))?;
    let (mut names, mut searched) = (Vec::new(), 0);
    let overlap = needles.iter().map(|needle| needle.masked.len()).max().unwrap_or(0);
    let mut piece = vec![0; PIECE + overlap];
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(span), Some(rights)) = (words.next(), words.next()) else { continue };
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let Some((Some(mut at), Some(end))) = span.split_once('-').map(|(a, b)| (hex(a), hex(b)))
        else {
            continue;
        };
        // The kernel's own pages cannot be read, and hold nothing of ours.
        if !rights.starts_with('r') || line.contains("[v") {
            continue;
        }
        while at < end {
            let len = piece.len().min((end - at) as usize);
            let Ok(read) = memory.read_at(&mut piece[..len], at) else { break };
            if read == 0 {
                break;
            }
            searched += read as u64;
            for needle in needles.iter().filter(|needle| needle.is_in(&piece[..read])) {
                if !names.contains(&needle.name) {
                    names.push(needle.name);
                }
            }
            at += PIECE.min(read) as u64;
        }
    }
    Ok((names, searched))
}
