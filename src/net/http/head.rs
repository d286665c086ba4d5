//! Start line and header fields; also the opening handshake of a WebSocket.

/// Bounds of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of start line and headers together.
    pub head: usize,
    /// Header fields.
    pub headers: usize,
    /// Bytes of the body.
    pub body: usize,
}

impl Default for Limits {
    /// Binance's full `exchangeInfo` is about 16 MiB.
    fn default() -> Limits {
        Limits { head: 32 * 1_024, headers: 100, body: 64 * 1_024 * 1_024 }
    }
}

/// Why bytes are no HTTP/1.1 message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line is not what its place demands.
    #[error("HTTP line {line}: {problem}: {text:?}")]
    Line {
        /// Counted from 1, the start line.
        line: usize,
        /// What is wrong.
        problem: &'static str,
        /// The line, shortened.
        text: String,
    },
    /// The head does not end within its bound.
    #[error("HTTP head is longer than {bound} bytes")]
    HeadTooLong {
        /// The bound.
        bound: usize,
    },
    /// More header fields than allowed.
    #[error("HTTP head has more than {bound} header fields")]
    TooManyHeaders {
        /// The bound.
        bound: usize,
    },
    /// The body is longer than its bound.
    #[error("HTTP body of {asked} bytes is longer than {bound}")]
    BodyTooLong {
        /// The bound.
        bound: usize,
        /// Length announced or reached.
        asked: u64,
    },
    /// Two headers contradict each other.
    #[error("HTTP header {name}: {problem}")]
    Header {
        /// The field.
        name: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A chunk's frame is broken.
    #[error("HTTP chunk at body byte {offset}: {problem}: {text:?}")]
    Chunk {
        /// Body bytes read before.
        offset: usize,
        /// What is wrong.
        problem: &'static str,
        /// The offending bytes, shortened.
        text: String,
    },
    /// The connection ended inside a message.
    #[error("HTTP connection closed inside a message, {have} bytes of it read")]
    Torn {
        /// Bytes that stand.
        have: usize,
    },
    /// An earlier error ended this reader.
    #[error("HTTP reader already failed; open a new connection")]
    Failed,
}

/// Longest excerpt of foreign bytes in a message.
const EXCERPT: usize = 120;

/// Foreign bytes made fit for an error message.
pub(in crate::net) fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT)]).into_owned()
}

/// Header fields in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a field; names ignore case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every value of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |(n, _): &&(String, String)| n.eq_ignore_ascii_case(name);
        self.0.iter().filter(named).map(|(_, value)| value.as_str())
    }

    /// Appends a field.
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Whether a comma-separated field holds `token`, ignoring case.
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(','))
            .any(|word| word.trim().eq_ignore_ascii_case(token))
    }
}

/// Start line in its three words, and the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// `GET / HTTP/1.1` or `HTTP/1.1 200 OK`.
    pub start: [String; 3],
    /// The fields.
    pub headers: Headers,
}

/// Where the head ends (after the empty line), searching on from `from`.
pub(in crate::net) fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let start = from.saturating_sub(3);
    bytes[start..].windows(4).position(|w| w == b"\r\n\r\n").map(|at| start + at + 4)
}

impl Head {
    /// Parses a whole head, its empty line included.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Head, Error> {
        let fail = |line: usize, problem, text: &[u8]| Error::Line {
            line: line + 1,
            problem,
            text: excerpt(text),
        };
        let text = bytes.strip_suffix(b"\r\n\r\n").unwrap_or(bytes);
        let mut start = None;
        let mut headers = Headers::default();
        for (n, line) in split_crlf(text).enumerate() {
            if line.iter().any(|&b| (b < b' ' && b != b'\t') || b == 0x7F) {
                return Err(fail(n, "control character or bare line feed", line));
            }
            let Ok(line_text) = std::str::from_utf8(line) else {
                return Err(fail(n, "not UTF-8", line));
            };
            if n == 0 {
                let mut words = line_text.splitn(3, ' ').map(str::to_owned);
                let (Some(a), Some(b), c) = (words.next(), words.next(), words.next()) else {
                    return Err(fail(n, "a start line has three words", line));
                };
                if a.is_empty() || b.is_empty() {
                    return Err(fail(n, "a start line has three words", line));
                }
                start = Some([a, b, c.unwrap_or_default()]);
                continue;
            }
            let Some((name, value)) = line_text.split_once(':') else {
                return Err(fail(n, "a header field needs a colon", line));
            };
            if name.is_empty() || name.contains([' ', '\t']) {
                return Err(fail(n, "a header name is empty or holds a blank", line));
            }
            if headers.0.len() == limits.headers {
                return Err(Error::TooManyHeaders { bound: limits.headers });
            }
            headers.push(name, value.trim_matches([' ', '\t']));
        }
        let start = start.ok_or_else(|| fail(0, "the head is empty", b""))?;
        Ok(Head { start, headers })
    }

    /// The status code of a response's start line.
    pub fn status(&self) -> Result<u16, Error> {
        let [version, code, _] = &self.start;
        let bad = |problem| Error::Line { line: 1, problem, text: excerpt(self.line().as_bytes()) };
        if version != "HTTP/1.1" && version != "HTTP/1.0" {
            return Err(bad("the answer is not HTTP/1.1"));
        }
        match code.parse::<u16>() {
            Ok(status) if code.len() == 3 && (100..600).contains(&status) => Ok(status),
            _ => Err(bad("the status is no number from 100 to 599")),
        }
    }

    /// The start line as it came.
    #[must_use]
    pub fn line(&self) -> String {
        self.start.join(" ")
    }
}

fn split_crlf(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match text.windows(2).position(|w| w == b"\r\n") {
            Some(at) => {
                rest = Some(&text[at + 2..]);
                Some(&text[..at])
            }
            None => {
                rest = None;
                Some(text)
            }
        }
    })
}
