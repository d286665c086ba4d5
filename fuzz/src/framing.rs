//! HTTP and WebSocket framing, both ends: bytes in pieces give what bytes at once give, and what is
//! written reads back.

use super::{Bytes, pieces};
use bot4::net::http::{self, Headers, Limits, Request, RequestReader, Response, ResponseReader};
use bot4::net::websocket::{Error, Event, Settings, Socket};

/// Small, so that inputs of a few hundred bytes reach every bound.
const LIMITS: Limits = Limits { head: 600, headers: 8, body: 300 };
const SETTINGS: Settings = Settings { frame_max: 300, message_max: 400, utf8: true };
/// The nonce of every handshake here.
const KEY: [u8; 16] = [7; 16];

/// Messages of one direction until the error that ended it.
type Read<T> = (Vec<T>, Option<http::Error>);

/// The first byte plans the pieces; the rest is what a client sent.
pub fn http_request(data: &[u8]) -> bool {
    let Some((plan, text)) = data.split_first() else { return false };
    let read = |plan: u8, limits: Limits, text: &[u8]| -> Read<Request> {
        let mut reader = RequestReader::new(limits);
        let mut whole = Vec::new();
        for piece in pieces(plan, text) {
            reader.receive(piece);
            loop {
                match reader.next_request() {
                    Ok(Some(request)) => whole.push(request),
                    Ok(None) => break,
                    Err(error) => return (whole, Some(error)),
                }
            }
        }
        (whole, None)
    };
    let (requests, error) = read(0, LIMITS, text);
    assert_eq!((&requests, &error), pair(&read(*plan, LIMITS, text)), "in pieces of plan {plan}");
    for request in &requests {
        let mut written = Vec::new();
        request.write(&mut written);
        let (again, error) = read(*plan, Limits::default(), &written);
        assert_eq!((again.len(), error), (1, None), "{}", String::from_utf8_lossy(&written));
        let again = &again[0];
        assert_eq!((again.method, &again.target), (request.method, &request.target));
        assert_eq!(
            (&again.body, fields(&again.headers)),
            (&request.body, fields(&request.headers))
        );
    }
    !requests.is_empty()
}

/// The first byte plans the pieces; the rest is what a server sent before it closed.
pub fn http_response(data: &[u8]) -> bool {
    let Some((plan, text)) = data.split_first() else { return false };
    let read = |plan: u8, limits: Limits, text: &[u8]| -> Read<Response> {
        let mut reader = ResponseReader::new(limits);
        let mut whole = Vec::new();
        for piece in pieces(plan, text) {
            reader.receive(piece);
            loop {
                match reader.next_response() {
                    Ok(Some(response)) => whole.push(response),
                    Ok(None) => break,
                    Err(error) => return (whole, Some(error)),
                }
            }
        }
        match reader.finish() {
            Ok(last) => whole.extend(last),
            Err(error) => return (whole, Some(error)),
        }
        (whole, None)
    };
    let (responses, error) = read(0, LIMITS, text);
    assert_eq!((&responses, &error), pair(&read(*plan, LIMITS, text)), "in pieces of plan {plan}");
    for response in &responses {
        let mut written = Vec::new();
        response.write(&mut written);
        let (again, error) = read(*plan, Limits::default(), &written);
        assert_eq!((again.len(), error), (1, None), "{}", String::from_utf8_lossy(&written));
        let again = &again[0];
        assert_eq!((again.status, &again.reason), (response.status, &response.reason));
        assert_eq!(
            (&again.body, fields(&again.headers)),
            (&response.body, fields(&response.headers))
        );
    }
    !responses.is_empty()
}

fn pair<T>(read: &Read<T>) -> (&Vec<T>, &Option<http::Error>) {
    (&read.0, &read.1)
}

/// The fields that are not about length, which the writer words anew.
fn fields(headers: &Headers) -> Vec<(&str, &str)> {
    let about_length = |name: &str| {
        ["content-length", "transfer-encoding"].iter().any(|of| of.eq_ignore_ascii_case(name))
    };
    let all = headers.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    all.filter(|(name, _)| !about_length(name)).collect()
}

/// An event without its borrow.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Open(String),
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(u16),
}

/// What one end makes of bytes: events, answers, and why it gave up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    events: Vec<Seen>,
    answers: Vec<u8>,
    error: Option<Error>,
}

impl Heard {
    fn of(socket: &mut Socket, plan: u8, bytes: &[u8]) -> Heard {
        let mut heard = Heard::default();
        for piece in pieces(plan, bytes) {
            let Heard { events, answers, error } = &mut heard;
            let mut piece = piece.to_vec();
            let result = socket.receive(&mut piece, answers, &mut |event| {
                events.push(match event {
                    Event::Open { path } => Seen::Open(path.to_owned()),
                    Event::Text(text) => Seen::Text(text.to_vec()),
                    Event::Binary(bytes) => Seen::Binary(bytes.to_vec()),
                    Event::Ping(payload) => Seen::Ping(payload.to_vec()),
                    Event::Pong => Seen::Pong,
                    Event::Close(code) => Seen::Close(code),
                });
            });
            if let Err(why) = result {
                assert!(!socket.is_open(), "a socket that failed is over");
                assert!(!why.to_string().is_empty(), "a refusal says why");
                // Only as much of a refusing answer's body is shown as came with its head.
                *error = Some(match why {
                    Error::Refused { line, .. } => Error::Refused { line, body: String::new() },
                    why => why,
                });
                break;
            }
            if matches!(events.last(), Some(Seen::Close(_))) {
                break; // what follows a close is not read
            }
        }
        heard
    }
}

/// Both ends after a handshake that no fuzzed byte touched.
fn open_pair() -> [Socket; 2] {
    let mut client = Socket::client("venue.test", "/ws", KEY).with_settings(SETTINGS);
    let mut server = Socket::server().with_settings(SETTINGS);
    let mut request = Vec::new();
    client.opening(&mut request);
    let mut answer = Heard::of(&mut server, 0, &request).answers;
    let heard = Heard::of(&mut client, 0, &answer);
    answer.clear();
    assert!(client.is_open() && server.is_open(), "{heard:?}");
    [client, server]
}

/// The first byte: which end reads, the second plans the pieces, the rest is the handshake it reads.
pub fn handshake(data: &[u8]) -> bool {
    let [role, plan, text @ ..] = data else { return false };
    let of = |plan: u8| {
        let mut socket = match role % 2 {
            0 => Socket::client("venue.test", "/ws", KEY),
            _ => Socket::server(),
        }
        .with_settings(SETTINGS);
        let heard = Heard::of(&mut socket, plan, text);
        (heard, socket.is_open())
    };
    let (whole, open) = of(0);
    let (parts, open_too) = of(*plan);
    assert_eq!(whole, parts, "in pieces of plan {plan}");
    assert_eq!(open, open_too);
    let opened = matches!(whole.events.first(), Some(Seen::Open(_)));
    if let Some(Seen::Open(path)) = whole.events.first()
        && role % 2 == 1
    {
        assert!(path.starts_with('/'), "{path} is no path");
    }
    opened
}

/// The first byte: which end reads, the second plans the pieces, the rest is frames.
pub fn frames(data: &[u8]) -> bool {
    let [role, plan, bytes @ ..] = data else { return false };
    let of = |plan: u8| {
        let mut ends = open_pair();
        Heard::of(&mut ends[usize::from(role % 2)], plan, bytes)
    };
    let whole = of(0);
    assert_eq!(whole, of(*plan), "in pieces of plan {plan}");
    for event in &whole.events {
        if let Seen::Text(text) = event {
            assert!(std::str::from_utf8(text).is_ok(), "text was asked to be UTF-8");
        }
        if let Seen::Text(payload) | Seen::Binary(payload) = event {
            assert!(payload.len() <= SETTINGS.message_max, "{} bytes", payload.len());
        }
    }
    !whole.events.is_empty()
}

/// The first byte: which end speaks, the second plans the pieces; then messages as kind, length,
/// payload. All of them arrive, as they were, and every ping is answered.
pub fn messages(data: &[u8]) -> bool {
    let [role, plan, bytes @ ..] = data else { return false };
    let [mut client, mut server] = open_pair();
    let (speaker, hearer) =
        if role % 2 == 0 { (&mut client, &mut server) } else { (&mut server, &mut client) };
    let (mut sent, mut expected, mut pings) = (Vec::new(), Vec::new(), 0);
    let mut bytes = Bytes(bytes);
    while !bytes.is_empty() {
        let (kind, len) = (bytes.byte(), usize::from(bytes.byte()));
        let payload = bytes.take(len);
        match kind % 4 {
            0 if std::str::from_utf8(payload).is_ok() => {
                speaker.send_text(payload, &mut sent);
                expected.push(Seen::Text(payload.to_vec()));
            }
            1 => {
                let payload = &payload[..payload.len().min(125)];
                speaker.send_ping(payload, &mut sent);
                expected.push(Seen::Ping(payload.to_vec()));
                pings += 1;
            }
            2 if kind == 2 => {
                speaker.send_close(1000, "done", &mut sent);
                expected.push(Seen::Close(1000));
                break;
            }
            _ => {
                speaker.send_binary(payload, &mut sent);
                expected.push(Seen::Binary(payload.to_vec()));
            }
        }
    }
    let heard = Heard::of(hearer, *plan, &sent);
    assert_eq!((&heard.events, &heard.error), (&expected, &None));
    let answered = Heard::of(speaker, *plan, &heard.answers);
    let pongs = answered.events.iter().filter(|event| **event == Seen::Pong).count();
    assert_eq!((pongs, answered.error), (pings, None), "every ping is answered");
    let closed = matches!(expected.last(), Some(Seen::Close(_)));
    assert_eq!(matches!(answered.events.last(), Some(Seen::Close(1000))), closed);
    !expected.is_empty()
}
