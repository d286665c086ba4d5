//! Requests and responses, and how they are written.

use crate::net::http::head::Headers;

/// The methods Bot4 uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Create.
    Post,
    /// Change.
    Put,
    /// Remove.
    Delete,
}

impl Method {
    /// As on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }

    /// From the wire; methods are case-sensitive.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Method> {
        [Method::Get, Method::Post, Method::Put, Method::Delete]
            .into_iter()
            .find(|method| method.name() == name)
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, from the slash on.
    pub target: String,
    /// The fields; `Content-Length` is added when written.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 100 to 599.
    pub status: u16,
    /// The words behind the status.
    pub reason: String,
    /// The fields; `Content-Length` is added when written.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

fn is_length(name: &str) -> bool {
    name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
}

fn write_rest(headers: &Headers, body: &[u8], with_length: bool, out: &mut Vec<u8>) {
    for (name, value) in headers.0.iter().filter(|(name, _)| !is_length(name)) {
        for part in [name, ": ", value, "\r\n"] {
            // A line break inside a value would start a header of the caller's enemy.
            out.extend(part.bytes().filter(|&b| part == "\r\n" || (b != b'\r' && b != b'\n')));
        }
    }
    if with_length {
        out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

fn keeps_alive(headers: &Headers) -> bool {
    !headers.has_token("connection", "close")
}

impl Request {
    /// A request without a body to `host`.
    #[must_use]
    pub fn new(method: Method, host: &str, target: &str) -> Request {
        let mut headers = Headers::default();
        headers.push("Host", host);
        Request { method, target: target.to_owned(), headers, body: Vec::new() }
    }

    /// Adds a header field.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Request {
        self.headers.push(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    /// Appends the request's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let line = format!("{} {} HTTP/1.1\r\n", self.method.name(), self.target);
        out.extend_from_slice(line.as_bytes());
        let with_length = !self.body.is_empty() || self.method != Method::Get;
        write_rest(&self.headers, &self.body, with_length, out);
    }

    /// Whether the connection may serve another request.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        keeps_alive(&self.headers)
    }
}

impl Response {
    /// A response with a body.
    #[must_use]
    pub fn new(status: u16, reason: &str, body: impl Into<Vec<u8>>) -> Response {
        let headers = Headers::default();
        Response { status, reason: reason.to_owned(), headers, body: body.into() }
    }

    /// Adds a header field.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Response {
        self.headers.push(name, value);
        self
    }

    /// Appends the response's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let line = format!("HTTP/1.1 {} {}\r\n", self.status, self.reason);
        out.extend_from_slice(line.as_bytes());
        write_rest(&self.headers, &self.body, !has_no_body(self.status), out);
    }

    /// Whether the connection may serve another request.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        keeps_alive(&self.headers)
    }
}

/// Statuses whose responses never have a body.
pub(super) fn has_no_body(status: u16) -> bool {
    status == 204 || status == 304 || (100..200).contains(&status)
}
