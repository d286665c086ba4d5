//! Reads captured streams: gzip or plain, one message a line -> receive time and frame.
//!
//! Two formats, told apart by the first line:
//! - `<receive time in ns> <json>`: every line is a frame;
//! - cryptofeed: a line `wss://… <-> <s>` first, frames as `<seconds.fraction>: <json>`, REST answers
//!   as `https://… -> <seconds.fraction>: <json>`, everything else noise that is skipped and counted.
//!
//! The whole capture is read into one arena, so that a replay can run as fast as memory goes.
//! Deliberately absent: what the frames mean.

use crate::units::UnixNanos;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// Longest line accepted; a full-depth snapshot is under 1 MiB.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Bytes read ahead: a few hundred lines.
const READ_BYTES: usize = 1 << 18;

/// Why a capture could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be opened.
    #[error("{file}: {cause}; check the path")]
    Open {
        /// Which file.
        file: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// Named `.gz`, but not gzip.
    #[error(
        "{file}: named .gz, but its first bytes are not gzip's (1f 8b); rename or recompress it"
    )]
    NotGzip {
        /// Which file.
        file: PathBuf,
    },
    /// The compressed stream ends or breaks in the middle.
    #[error(
        "{file}: line {line}: the gzip stream is cut or damaged after {bytes} bytes of text \
         ({cause}); fetch the file again"
    )]
    Broken {
        /// Which file.
        file: PathBuf,
        /// The line being read.
        line: u64,
        /// Text bytes before it.
        bytes: u64,
        /// The decompressor's word.
        cause: io::Error,
    },
    /// Nothing in it.
    #[error("{file}: the capture is empty")]
    Empty {
        /// Which file.
        file: PathBuf,
    },
    /// A line that does not begin with a receive time.
    #[error(
        "{file}: line {line}: expected `<receive time in ns> <json>`, found `{found}`; cut the \
         line out or convert the capture"
    )]
    NoTimestamp {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// How it begins.
        found: String,
    },
    /// A line too long to be a message.
    #[error("{file}: line {line}: longer than {LINE_BYTES_MAX} bytes; this is no capture")]
    TooLong {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: u64,
    },
}

/// Where a frame came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The stream.
    Stream,
    /// A REST answer to this URL.
    Rest(&'a str),
}

/// One frame of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Line of the file, from 1.
    pub line: u64,
    /// Local receive time as captured.
    pub received: UnixNanos,
    /// Where it came from.
    pub source: Source<'a>,
    /// The message.
    pub bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Whether this is the market's: of the stream, or a REST snapshot.
    #[must_use]
    pub fn is_market(&self) -> bool {
        match self.source {
            Source::Stream => true,
            Source::Rest(url) => url.contains("/depth?"),
        }
    }

    /// The symbol a REST answer was asked for.
    #[must_use]
    pub fn asked_for(&self) -> Option<&'a str> {
        let Source::Rest(url) = self.source else { return None };
        let (_, rest) = url.split_once("symbol=")?;
        Some(rest.split('&').next().unwrap_or(rest))
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    line: u64,
    received: UnixNanos,
    url: (usize, usize),
    start: usize,
    len: usize,
}

/// A capture in memory.
#[derive(Debug)]
pub struct Capture {
    file: PathBuf,
    text: Vec<u8>,
    entries: Vec<Entry>,
    lines: u64,
    skipped: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Nanoseconds,
    Cryptofeed,
}

impl Capture {
    /// Reads a whole capture.
    ///
    /// # Errors
    /// Every way a file can be no capture, with the file and the line.
    pub fn load(file: &Path) -> Result<Capture, CaptureError> {
        let fail = |cause| CaptureError::Open { file: file.to_path_buf(), cause };
        let plain = File::open(file).map_err(fail)?;
        Capture::read(file, BufReader::with_capacity(READ_BYTES, plain))
    }

    /// Reads a whole capture from memory or a pipe; `file` names it in messages, and a name that ends
    /// in `.gz` promises gzip.
    ///
    /// # Errors
    /// As `load`.
    pub fn read<'a>(file: &Path, plain: impl BufRead + 'a) -> Result<Capture, CaptureError> {
        let mut reader = unpacked(file, plain)?;
        let mut capture = Capture {
            file: file.to_path_buf(),
            text: Vec::new(),
            entries: Vec::new(),
            lines: 0,
            skipped: 0,
        };
        let mut format = None;
        loop {
            let start = capture.text.len();
            let line = capture.lines + 1;
            // One byte beyond the bound, so that a gzip bomb ends here and not in all of memory.
            let mut bounded = reader.by_ref().take(LINE_BYTES_MAX as u64 + 1);
            let read = bounded.read_until(b'\n', &mut capture.text).map_err(|cause| {
                CaptureError::Broken { file: file.to_path_buf(), line, bytes: start as u64, cause }
            })?;
            if read == 0 {
                break;
            }
            if read > LINE_BYTES_MAX {
                return Err(CaptureError::TooLong { file: file.to_path_buf(), line });
            }
            capture.lines = line;
            capture.take(start, line, &mut format)?;
        }
        if capture.lines == 0 {
            return Err(CaptureError::Empty { file: file.to_path_buf() });
        }
        Ok(capture)
    }

    /// The file it was read from.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Lines of the file, frames or not.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Lines that hold no frame (cryptofeed's headers and requests).
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The frames in file order.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = Frame<'_>> {
        self.entries.iter().map(|entry| self.frame_of(entry))
    }

    /// The frame at a position, from 0.
    #[must_use]
    pub fn frame(&self, at: usize) -> Option<Frame<'_>> {
        self.entries.get(at).map(|entry| self.frame_of(entry))
    }

    fn frame_of(&self, entry: &Entry) -> Frame<'_> {
        let (url_start, url_len) = entry.url;
        let url = std::str::from_utf8(&self.text[url_start..url_start + url_len]).unwrap_or("");
        Frame {
            line: entry.line,
            received: entry.received,
            source: if url.is_empty() { Source::Stream } else { Source::Rest(url) },
            bytes: &self.text[entry.start..entry.start + entry.len],
        }
    }

    /// Files the line that starts at `start` of the arena, or refuses it.
    fn take(
        &mut self,
        start: usize,
        line: u64,
        format: &mut Option<Format>,
    ) -> Result<(), CaptureError> {
        let text = &self.text[start..];
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let known = *format.get_or_insert_with(|| format_of(text));
        let parsed = match known {
            Format::Nanoseconds => nanoseconds_line(text),
            Format::Cryptofeed => cryptofeed_line(text),
        };
        match (parsed, known) {
            (Some(parsed), _) => {
                self.entries.push(Entry {
                    line,
                    received: parsed.received,
                    url: (start, parsed.url_len),
                    start: start + parsed.offset,
                    len: text.len() - parsed.offset,
                });
                Ok(())
            }
            (None, Format::Cryptofeed) => {
                self.skipped += 1;
                Ok(())
            }
            (None, Format::Nanoseconds) => Err(CaptureError::NoTimestamp {
                file: self.file.clone(),
                line,
                found: String::from_utf8_lossy(&text[..text.len().min(60)]).into_owned(),
            }),
        }
    }
}

struct Parsed {
    received: UnixNanos,
    url_len: usize,
    offset: usize,
}

fn format_of(first: &[u8]) -> Format {
    let address = [&b"wss://"[..], b"ws://", b"https://", b"http://", b"configuration:"];
    let cryptofeed =
        address.iter().any(|scheme| first.starts_with(scheme)) || cryptofeed_line(first).is_some();
    if cryptofeed { Format::Cryptofeed } else { Format::Nanoseconds }
}

/// `1723161255030314667 {…}`
fn nanoseconds_line(text: &[u8]) -> Option<Parsed> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || text.get(digits) != Some(&b' ') || text.len() == digits + 1 {
        return None;
    }
    let nanos = std::str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    Some(Parsed { received: UnixNanos(nanos), url_len: 0, offset: digits + 1 })
}

/// `1633998512.0633569: {…}` or `https://… -> 1633998512.320639: {…}`
fn cryptofeed_line(text: &[u8]) -> Option<Parsed> {
    let (url_len, skip) = if text.starts_with(b"http") {
        let arrow = text.windows(4).position(|window| window == b" -> ")?;
        (arrow, arrow + 4)
    } else {
        (0, 0)
    };
    let rest = &text[skip..];
    let whole = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if whole == 0 || rest.get(whole) != Some(&b'.') {
        return None;
    }
    let fraction = rest[whole + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = whole + 1 + fraction;
    if fraction == 0 || !rest[end..].starts_with(b": ") {
        return None;
    }
    let seconds: u64 = std::str::from_utf8(&rest[..whole]).ok()?.parse().ok()?;
    let mut nanos = 0;
    for place in 0..9 {
        let digit = if place < fraction { rest[whole + 1 + place] - b'0' } else { 0 };
        nanos = nanos * 10 + u64::from(digit);
    }
    let received = UnixNanos(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?);
    Some(Parsed { received, url_len, offset: skip + end + 2 })
}

/// The text behind a stream that is gzip or plain, as its first bytes say.
fn unpacked<'a>(
    file: &Path,
    mut plain: impl BufRead + 'a,
) -> Result<Box<dyn BufRead + 'a>, CaptureError> {
    let fail = |cause| CaptureError::Open { file: file.to_path_buf(), cause };
    let first = plain.fill_buf().map_err(fail)?;
    let empty = first.is_empty();
    if first.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(plain))));
    }
    if file.extension().is_some_and(|extension| extension == "gz") && !empty {
        return Err(CaptureError::NotGzip { file: file.to_path_buf() });
    }
    Ok(Box::new(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn file(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("bot4-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn both_formats_are_read() {
        let path = file("ns.txt", b"17 {\"a\":1}\n18 {\"b\":2}");
        let capture = Capture::load(&path).unwrap();
        let frames: Vec<_> = capture.frames().map(|f| (f.line, f.received.0, f.bytes)).collect();
        assert_eq!(frames, [(1, 17, &b"{\"a\":1}"[..]), (2, 18, &b"{\"b\":2}"[..])]);

        let feed = b"wss://x <-> 1.5\n\n12\n2.25: {\"c\":3}\nhttps://h/d?symbol=A -> 3.5: {}\n";
        let path = file("feed.gz", &gzip(feed));
        let capture = Capture::load(&path).unwrap();
        let frames: Vec<_> = capture.frames().collect();
        assert_eq!(capture.skipped(), 3);
        assert_eq!((frames[0].line, frames[0].received.0), (4, 2_250_000_000));
        assert_eq!(frames[1].source, Source::Rest("https://h/d?symbol=A"));
        assert_eq!(frames[1].bytes, b"{}");
    }

    #[test]
    fn every_damage_has_its_own_message() {
        let long: Vec<u8> =
            (0..5_000).flat_map(|n| format!("{n} {{\"n\":{n}}}\n").into_bytes()).collect();
        let whole = gzip(&long);
        let cut = file("cut.gz", &whole[..whole.len() / 2]);
        assert!(matches!(Capture::load(&cut), Err(CaptureError::Broken { line, .. }) if line > 1));
        let fake = file("fake.gz", b"1 {}\n");
        assert!(matches!(Capture::load(&fake), Err(CaptureError::NotGzip { .. })));
        let bare = file("bare.txt", b"1 {}\n{\"no\":\"time\"}\n");
        let error = Capture::load(&bare).unwrap_err();
        assert!(matches!(error, CaptureError::NoTimestamp { line: 2, .. }));
        assert!(error.to_string().contains("line 2"), "{error}");
        let empty = file("empty.gz", b"");
        assert!(matches!(Capture::load(&empty), Err(CaptureError::Empty { .. })));
        assert!(matches!(Capture::load(Path::new("/no/such")), Err(CaptureError::Open { .. })));
    }

    /// 65 MiB of one letter are 64 KiB of gzip: refused at the bound, not after all of it.
    #[test]
    fn a_line_without_end_is_refused_at_its_bound() {
        let bomb = gzip(&vec![b'1'; LINE_BYTES_MAX + (1 << 20)]);
        let error = Capture::read(Path::new("bomb.gz"), &bomb[..]).unwrap_err();
        assert!(matches!(error, CaptureError::TooLong { line: 1, .. }), "{error}");
    }
}
