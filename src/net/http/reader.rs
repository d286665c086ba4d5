//! The state machine that finds whole messages in a stream.

use crate::net::http::head::{Error, Head, Limits, end_of_head, excerpt};
use crate::net::http::message::{Method, Request, Response, has_no_body};

/// Longest line that frames a chunk, extensions included.
const CHUNK_LINE: usize = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Length(usize),
    ChunkSize,
    ChunkData(usize),
    ChunkEnd,
    Trailers(usize),
    UntilClose,
    Whole,
}

#[derive(Debug)]
struct Machine {
    limits: Limits,
    buffer: Vec<u8>,
    /// Bytes of `buffer` already used.
    at: usize,
    /// Bytes of `buffer` already searched for the end of the head.
    searched: usize,
    message: Option<(Head, Body)>,
    body: Vec<u8>,
    failed: bool,
}

impl Machine {
    fn new(limits: Limits) -> Machine {
        Machine {
            limits,
            buffer: Vec::new(),
            at: 0,
            searched: 0,
            message: None,
            body: Vec::new(),
            failed: false,
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.searched = self.searched.saturating_sub(self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    fn step(
        &mut self,
        closed: bool,
        body_of: impl Fn(&Head) -> Result<Body, Error>,
    ) -> Result<Option<(Head, Vec<u8>)>, Error> {
        if self.failed {
            return Err(Error::Failed);
        }
        let result = self.advance(closed, body_of);
        self.failed = result.is_err();
        result
    }

    fn advance(
        &mut self,
        closed: bool,
        body_of: impl Fn(&Head) -> Result<Body, Error>,
    ) -> Result<Option<(Head, Vec<u8>)>, Error> {
        loop {
            let Some((_, body)) = &mut self.message else {
                if !self.read_head(&body_of)? {
                    return self.torn(closed);
                }
                continue;
            };
            let rest = &self.buffer[self.at..];
            match *body {
                Body::Whole => {
                    let head = self.message.take().map(|(head, _)| head);
                    return Ok(head.map(|head| (head, std::mem::take(&mut self.body))));
                }
                Body::Length(left) | Body::ChunkData(left) => {
                    let n = left.min(rest.len());
                    self.body.extend_from_slice(&rest[..n]);
                    self.at += n;
                    let chunked = matches!(body, Body::ChunkData(_));
                    *body = match (left - n, chunked) {
                        (0, false) => Body::Whole,
                        (0, true) => Body::ChunkEnd,
                        (left, false) => Body::Length(left),
                        (left, true) => Body::ChunkData(left),
                    };
                    if left > n {
                        return self.torn(closed);
                    }
                }
                Body::UntilClose => {
                    let bound = self.limits.body;
                    if self.body.len() + rest.len() > bound {
                        // The first length over the bound, however many bytes came at once.
                        return Err(Error::BodyTooLong { bound, asked: bound as u64 + 1 });
                    }
                    self.body.extend_from_slice(rest);
                    self.at = self.buffer.len();
                    if !closed {
                        return Ok(None);
                    }
                    *body = Body::Whole;
                }
                Body::ChunkSize | Body::ChunkEnd | Body::Trailers(_) => {
                    let offset = self.body.len();
                    let fail = |problem, text: &[u8]| Error::Chunk {
                        offset,
                        problem,
                        text: excerpt(text),
                    };
                    // No further than the bound, so that a long line is refused whole as in pieces.
                    let window = &rest[..rest.len().min(CHUNK_LINE + 2)];
                    let Some(end) = window.windows(2).position(|w| w == b"\r\n") else {
                        if window.len() == CHUNK_LINE + 2 {
                            return Err(fail("a line that frames it does not end", rest));
                        }
                        return self.torn(closed);
                    };
                    let line = &rest[..end];
                    *body = match *body {
                        Body::ChunkEnd if line.is_empty() => Body::ChunkSize,
                        Body::ChunkEnd => return Err(fail("longer than its size says", line)),
                        Body::Trailers(_) if line.is_empty() => Body::Whole,
                        Body::Trailers(0) => return Err(fail("too many trailers", line)),
                        Body::Trailers(left) => Body::Trailers(left - 1),
                        _ => match chunk_size(line) {
                            None => return Err(fail("its size is no hexadecimal number", line)),
                            Some(0) => Body::Trailers(self.limits.headers),
                            Some(size) => {
                                let asked = size.saturating_add(offset as u64);
                                if asked > self.limits.body as u64 {
                                    return Err(Error::BodyTooLong {
                                        bound: self.limits.body,
                                        asked,
                                    });
                                }
                                Body::ChunkData(size as usize)
                            }
                        },
                    };
                    self.at += end + 2;
                }
            }
        }
    }

    fn read_head(&mut self, body_of: impl Fn(&Head) -> Result<Body, Error>) -> Result<bool, Error> {
        let rest = &self.buffer[self.at..];
        let Some(end) = end_of_head(rest, self.searched.saturating_sub(self.at)) else {
            if rest.len() > self.limits.head {
                return Err(Error::HeadTooLong { bound: self.limits.head });
            }
            self.searched = self.buffer.len();
            return Ok(false);
        };
        if end > self.limits.head {
            return Err(Error::HeadTooLong { bound: self.limits.head });
        }
        let head = Head::parse(&rest[..end], &self.limits)?;
        let body = body_of(&head)?;
        if let Body::Length(asked) = body
            && asked > self.limits.body
        {
            return Err(Error::BodyTooLong { bound: self.limits.body, asked: asked as u64 });
        }
        self.at += end;
        self.searched = self.at;
        self.message = Some((head, body));
        Ok(true)
    }

    /// Nothing whole stands: fine while the connection lives, or between messages.
    fn torn(&self, closed: bool) -> Result<Option<(Head, Vec<u8>)>, Error> {
        let have = self.buffer.len() - self.at + self.body.len();
        if closed && (have > 0 || self.message.is_some()) {
            return Err(Error::Torn { have });
        }
        Ok(None)
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&b| b == b';').next()?.trim_ascii();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Length by the headers, `None` when they say nothing.
fn announced(head: &Head) -> Result<Option<Body>, Error> {
    let headers = &head.headers;
    let mut lengths = headers.all("content-length");
    let length = lengths.next();
    if lengths.any(|other| Some(other) != length) {
        let problem = "given twice, with different values".to_owned();
        return Err(Error::Header { name: "Content-Length", problem });
    }
    if let Some(coding) = headers.get("transfer-encoding") {
        if length.is_some() {
            let problem = "given together with Content-Length".to_owned();
            return Err(Error::Header { name: "Transfer-Encoding", problem });
        }
        if !coding.eq_ignore_ascii_case("chunked") {
            let problem = format!("only chunked is understood, not {coding:?}");
            return Err(Error::Header { name: "Transfer-Encoding", problem });
        }
        return Ok(Some(Body::ChunkSize));
    }
    let Some(length) = length else { return Ok(None) };
    match length.parse::<usize>() {
        Ok(n) if length.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(Body::Length(n))),
        _ => Err(Error::Header {
            name: "Content-Length",
            problem: format!("{length:?} is no length"),
        }),
    }
}

/// Finds requests in a stream (the server's side).
#[derive(Debug)]
pub struct RequestReader(Machine);

impl RequestReader {
    /// A reader with bounds.
    #[must_use]
    pub fn new(limits: Limits) -> RequestReader {
        RequestReader(Machine::new(limits))
    }

    /// Takes bytes as they come.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.0.receive(bytes);
    }

    /// The next whole request, `None` until it is complete.
    pub fn next_request(&mut self) -> Result<Option<Request>, Error> {
        let whole = self.0.step(false, |head| {
            method_of(head)?;
            Ok(announced(head)?.unwrap_or(Body::Whole))
        })?;
        let Some((head, body)) = whole else { return Ok(None) };
        let method = method_of(&head)?;
        let Head { start: [_, target, _], headers } = head;
        Ok(Some(Request { method, target, headers, body }))
    }
}

fn method_of(head: &Head) -> Result<Method, Error> {
    let bad = |problem| Error::Line { line: 1, problem, text: excerpt(head.line().as_bytes()) };
    if head.start[2] != "HTTP/1.1" {
        return Err(bad("the request is not HTTP/1.1"));
    }
    Method::from_name(&head.start[0]).ok_or_else(|| bad("the method is not one we serve"))
}

/// Finds responses in a stream (the client's side).
#[derive(Debug)]
pub struct ResponseReader(Machine);

impl ResponseReader {
    /// A reader with bounds.
    #[must_use]
    pub fn new(limits: Limits) -> ResponseReader {
        ResponseReader(Machine::new(limits))
    }

    /// Takes bytes as they come.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.0.receive(bytes);
    }

    /// The next whole response, `None` until it is complete.
    pub fn next_response(&mut self) -> Result<Option<Response>, Error> {
        self.take(false)
    }

    /// As `next_response`, after the peer has closed: a body without a length ends here, anything
    /// else unfinished is torn.
    pub fn finish(&mut self) -> Result<Option<Response>, Error> {
        self.take(true)
    }

    fn take(&mut self, closed: bool) -> Result<Option<Response>, Error> {
        loop {
            let whole = self.0.step(closed, |head| {
                if has_no_body(head.status()?) {
                    return Ok(Body::Whole);
                }
                Ok(announced(head)?.unwrap_or(Body::UntilClose))
            })?;
            let Some((head, body)) = whole else { return Ok(None) };
            let status = head.status()?;
            if (100..200).contains(&status) && status != 101 {
                continue; // an interim answer; the real one follows
            }
            let Head { start: [_, _, reason], headers } = head;
            return Ok(Some(Response { status, reason, headers, body }));
        }
    }
}
