//! The opening handshake, both sides.

use crate::net::http::{Head, Limits, excerpt};
use crate::net::websocket::socket::Error;

/// Joined to the client's key before hashing (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Longest head of a handshake.
pub(super) const HEAD_MAX: usize = 16 * 1_024;

fn limits() -> Limits {
    Limits { head: HEAD_MAX, headers: 100, body: 0 }
}

/// Base64 with padding, as both keys of the handshake use it.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, &b| word << 8 | u32::from(b))
            << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= chunk.len() { digit as char } else { '=' });
        }
    }
    text
}

/// The answer that proves the server read the client's key.
#[must_use]
pub fn accept_key(key: &str) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(GUID.as_bytes());
    base64(context.finish().as_ref())
}

/// The client's request.
pub(super) fn write_request(host: &str, path: &str, key: &str, out: &mut Vec<u8>) {
    for part in [
        "GET ",
        path,
        " HTTP/1.1\r\nHost: ",
        host,
        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ",
        key,
        "\r\nSec-WebSocket-Version: 13\r\n\r\n",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Checks the server's answer. `body` is what stands behind the head, shown when it refuses.
pub(super) fn check_response(head: &[u8], body: &[u8], key: &str) -> Result<(), Error> {
    let head = Head::parse(head, &limits())?;
    let status = head.status()?;
    if status != 101 {
        return Err(Error::Refused { line: head.line(), body: excerpt(body) });
    }
    let headers = &head.headers;
    if !headers.has_token("upgrade", "websocket") || !headers.has_token("connection", "upgrade") {
        return Err(Error::Handshake { problem: "the answer lacks `Upgrade: websocket`".into() });
    }
    let expected = accept_key(key);
    match headers.get("sec-websocket-accept") {
        Some(accept) if accept == expected => {}
        other => {
            let got = other.unwrap_or("nothing");
            let problem = format!("Sec-WebSocket-Accept is {got}, not {expected}");
            return Err(Error::Handshake { problem });
        }
    }
    for unasked in ["sec-websocket-extensions", "sec-websocket-protocol"] {
        if let Some(value) = headers.get(unasked) {
            let problem = format!("the server chose {unasked}: {value}, which we did not offer");
            return Err(Error::Handshake { problem });
        }
    }
    Ok(())
}

/// Checks a client's request; returns its path and writes the answer, also a refusing one.
pub(super) fn answer_request(head: &[u8], out: &mut Vec<u8>) -> Result<String, Error> {
    match read_request(head) {
        Ok((path, key)) => {
            out.extend_from_slice(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: ",
            );
            out.extend_from_slice(accept_key(&key).as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
            Ok(path)
        }
        Err(error) => {
            let text = error.to_string();
            out.extend_from_slice(
                format!(
                    "HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\n\
                     Content-Length: {}\r\n\r\n{text}",
                    text.len()
                )
                .as_bytes(),
            );
            Err(error)
        }
    }
}

fn read_request(head: &[u8]) -> Result<(String, String), Error> {
    let head = Head::parse(head, &limits())?;
    let bad = |problem: String| Err(Error::Handshake { problem });
    let [method, path, version] = &head.start;
    if method != "GET" || version != "HTTP/1.1" || !path.starts_with('/') {
        return bad(format!("the request is {:?}, not `GET /… HTTP/1.1`", head.line()));
    }
    let headers = &head.headers;
    if !headers.has_token("upgrade", "websocket") || !headers.has_token("connection", "upgrade") {
        return bad("the request lacks `Upgrade: websocket`".into());
    }
    match headers.get("sec-websocket-version") {
        Some("13") => {}
        other => {
            return bad(format!("Sec-WebSocket-Version is {}, not 13", other.unwrap_or("absent")));
        }
    }
    match headers.get("sec-websocket-key") {
        Some(key) if is_key(key) => Ok((path.clone(), key.to_owned())),
        other => bad(format!(
            "Sec-WebSocket-Key is {}, not 16 bytes in base64",
            other.unwrap_or("absent")
        )),
    }
}

fn is_key(key: &str) -> bool {
    let digit = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    key.len() == 24 && key.ends_with("==") && key.bytes().take(22).all(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, section 10, and RFC 6455, section 1.3.
    #[test]
    fn published_examples() {
        for (plain, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), text);
        }
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
