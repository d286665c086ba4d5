//! Seeds of HTTP, WebSocket and TLS.

use super::headed;
use bot4::net::http::{Method, Request, Response};
use bot4::net::websocket::{Event, Socket};

pub fn http_requests() -> Vec<Vec<u8>> {
    let get = Request::new(Method::Get, "venue.test", "/api/v3/time");
    let post = Request::new(Method::Post, "venue.test", "/api/v3/order?symbol=BTCUSDT")
        .with_header("X-MBX-APIKEY", "k3y")
        .with_body("side=BUY");
    let (mut one, mut two) = (Vec::new(), Vec::new());
    get.write(&mut one);
    get.write(&mut two);
    post.write(&mut two);
    let chunked = "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                   4;note=1\r\nwiki\r\n5\r\npedia\r\n0\r\nTrailer: t\r\n\r\n";
    vec![headed(&[1], one), headed(&[5], two), headed(&[3], chunked)]
}

pub fn http_responses() -> Vec<Vec<u8>> {
    let mut one = Vec::new();
    Response::new(200, "OK", r#"{"serverTime":1}"#).write(&mut one);
    Response::new(429, "Too Many Requests", "{}").with_header("Retry-After", "3").write(&mut one);
    let chunked = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   a\r\n0123456789\r\n0\r\n\r\n";
    let open = "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nuntil the end";
    let none = "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n";
    vec![headed(&[1], one), headed(&[4], chunked), headed(&[7], open), headed(&[0], none)]
}

/// What either end reads in a good handshake, with a first frame behind it.
pub fn handshakes() -> Vec<Vec<u8>> {
    let client = Socket::client("venue.test", "/ws", [7; 16]);
    let mut server = Socket::server();
    let (mut request, mut answer) = (Vec::new(), Vec::new());
    client.opening(&mut request);
    let opened = server.receive(&mut request.clone(), &mut answer, &mut |_: Event<'_>| {});
    assert!(opened.is_ok(), "our own handshake");
    let refused = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    let mut with_ping = answer.clone();
    with_ping.extend_from_slice(&[0x89, 0x02, b'h', b'i']);
    vec![
        headed(&[1, 9], request),
        headed(&[0, 1], answer),
        headed(&[0, 30], with_ping),
        headed(&[0, 0], refused),
    ]
}

pub fn frames() -> Vec<Vec<u8>> {
    let text = [&[0x81, 0x05][..], b"hello"].concat();
    let parts = [&[0x01, 0x03][..], b"hel", &[0x89, 0x01], b"p", &[0x80, 0x02], b"lo"].concat();
    let binary = [&[0x82, 126, 0, 200][..], &[9; 200]].concat();
    let close = [&[0x88, 0x06][..], &1000u16.to_be_bytes(), b"done"].concat();
    let masked = [&[0x81, 0x82, 1, 2, 3, 4][..], &[b'h' ^ 1, b'i' ^ 2]].concat();
    vec![
        headed(&[0, 1], text),
        headed(&[0, 2], parts),
        headed(&[0, 50], binary),
        headed(&[0, 3], close),
        headed(&[1, 1], masked),
    ]
}

pub fn messages() -> Vec<Vec<u8>> {
    let script =
        [&[0, 2][..], b"hi", &[1, 4], b"ping", &[3, 3, 0xC3, 0x28, 0], &[0, 0, 2, 0]].concat();
    vec![headed(&[0, 1], &script), headed(&[1, 7], &script)]
}

/// Both ends' first flights, as a stranger would send them again.
pub fn tls_handshakes() -> Vec<Vec<u8>> {
    // A client hello without extensions, which is no TLS 1.3, and an alert.
    let mut hello = vec![22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
    hello.extend_from_slice(&[0x42; 32]);
    hello.extend_from_slice(&[0, 0, 2, 0x13, 0x01, 1, 0]);
    vec![headed(&[1, 3], hello), headed(&[0, 1], [21, 3, 3, 0, 2, 2, 40]), vec![1, 0, 22, 3, 1]]
}

/// Every harm once, over three messages and a renewed key.
pub fn tls_records() -> Vec<Vec<u8>> {
    let script = [&[0, 5][..], b"hello", &[0xFF], &[3, 200], &[2, 2], b"ok"].concat();
    let each = (0..6u8).map(|harm| {
        let mut head = vec![harm % 2, 40, harm];
        head.extend_from_slice(&(u64::from(harm) * 31 + 3).to_le_bytes());
        headed(&head, &script)
    });
    each.collect()
}
