//! WebSocket as a whole: any messages, any split of the stream, both roles; RFC 6455's examples;
//! what breaks the protocol is named; mutated bytes never panic.

use bot4::net::websocket::{Error, Event, Role, Settings, Socket, mask};
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Open(String),
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(u16),
}

fn see(event: Event<'_>) -> Seen {
    match event {
        Event::Open { path } => Seen::Open(path.to_owned()),
        Event::Text(bytes) => Seen::Text(bytes.to_vec()),
        Event::Binary(bytes) => Seen::Binary(bytes.to_vec()),
        Event::Ping(bytes) => Seen::Ping(bytes.to_vec()),
        Event::Pong => Seen::Pong,
        Event::Close(code) => Seen::Close(code),
    }
}

type Outcome = (Vec<Seen>, Vec<u8>, Result<(), Error>);

/// Feeds `bytes` in pieces of the given lengths, over and over.
fn feed(socket: &mut Socket, bytes: &[u8], pieces: &[usize]) -> Outcome {
    let (mut seen, mut out, mut at) = (Vec::new(), Vec::new(), 0);
    for n in pieces.iter().cycle() {
        if at == bytes.len() {
            break;
        }
        let end = (at + n.max(&1)).min(bytes.len());
        let mut piece = bytes[at..end].to_vec();
        let result = socket.receive(&mut piece, &mut out, &mut |event| seen.push(see(event)));
        if result.is_err() {
            return (seen, out, result);
        }
        at = end;
    }
    (seen, out, Ok(()))
}

/// Both ends, open.
fn pair(settings: Settings) -> (Socket, Socket) {
    let mut client =
        Socket::client("venue:9443", "/ws/btcusdt@depth", [7; 16]).with_settings(settings);
    let mut server = Socket::server().with_settings(settings);
    let mut request = Vec::new();
    client.opening(&mut request);
    let (seen, answer, result) = feed(&mut server, &request, &[5, 1, 40]);
    assert_eq!((seen, result), (vec![Seen::Open("/ws/btcusdt@depth".into())], Ok(())));
    let (seen, out, result) = feed(&mut client, &answer, &[3, 1]);
    assert_eq!((seen, out, result), (vec![Seen::Open("/ws/btcusdt@depth".into())], vec![], Ok(())));
    (client, server)
}

fn small() -> Settings {
    Settings { frame_max: 100_000, message_max: 200_000, utf8: false }
}

/// A frame as the definition says, byte by byte: the slow twin of the writer.
fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let bit = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        n if n < 126 => bytes.push(bit | n as u8),
        n if n < 65_536 => bytes.extend([bit | 126, (n >> 8) as u8, n as u8]),
        n => {
            bytes.push(bit | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    bytes.extend(key.iter().flatten());
    bytes.extend(payload.iter().enumerate().map(|(i, b)| b ^ key.map_or(0, |key| key[i % 4])));
    bytes
}

#[derive(Clone, Debug)]
enum Message {
    Text(Vec<Vec<u8>>),
    Binary(Vec<Vec<u8>>),
    Ping(Vec<u8>),
    Pong,
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![8 => 0..200_usize, 1 => 65_530..65_540_usize, 1 => 120..130_usize];
    (len, any::<u8>()).prop_map(|(len, salt)| (0..len).map(|i| (i as u8) ^ salt).collect())
}

fn message() -> impl Strategy<Value = Message> {
    let parts = || prop::collection::vec(payload(), 1..4);
    prop_oneof![
        parts().prop_map(Message::Text),
        parts().prop_map(Message::Binary),
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(Message::Ping),
        Just(Message::Pong),
    ]
}

/// The bytes of a message, a ping between all its fragments, and what a receiver must see.
fn encode(message: &Message, masked: bool, stream: &mut Vec<u8>, expected: &mut Vec<Seen>) {
    let key = |n: usize| masked.then_some([n as u8, 0x5A, 0xFF, 3]);
    let (code, parts) = match message {
        Message::Ping(bytes) => {
            stream.extend(frame(0x89, key(1), bytes));
            expected.push(Seen::Ping(bytes.clone()));
            return;
        }
        Message::Pong => {
            stream.extend(frame(0x8A, key(2), b"x"));
            expected.push(Seen::Pong);
            return;
        }
        Message::Text(parts) => (1, parts),
        Message::Binary(parts) => (2, parts),
    };
    for (i, part) in parts.iter().enumerate() {
        let fin = if i + 1 == parts.len() { 0x80 } else { 0 };
        stream.extend(frame(fin | if i == 0 { code } else { 0 }, key(i), part));
        if fin == 0 {
            stream.extend(frame(0x89, key(9), b"mid"));
            expected.push(Seen::Ping(b"mid".to_vec()));
        }
    }
    let whole = parts.concat();
    expected.push(if code == 1 { Seen::Text(whole) } else { Seen::Binary(whole) });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_messages_any_split_both_roles(
        messages in prop::collection::vec(message(), 0..12),
        pieces in prop::collection::vec(prop_oneof![1..4_usize, 1..5_000_usize], 1..20),
    ) {
        let bounds = Settings { frame_max: 70_000, message_max: 220_000, utf8: false };
        let (client, server) = pair(bounds);
        for (mut socket, masked) in [(client, false), (server, true)] {
            let (mut stream, mut expected) = (Vec::new(), Vec::new());
            for message in &messages {
                encode(message, masked, &mut stream, &mut expected);
            }
            let (seen, out, result) = feed(&mut socket, &stream, &pieces);
            prop_assert_eq!(result, Ok(()));
            prop_assert!(seen == expected, "split {:?}", pieces);
            let pings = expected.iter().filter(|seen| matches!(seen, Seen::Ping(_))).count();
            prop_assert_eq!(out.is_empty(), pings == 0);
        }
    }

    /// What one end writes, the other reads.
    #[test]
    fn ends_understand_each_other(texts in prop::collection::vec(payload(), 1..8)) {
        let (mut client, mut server) = pair(small());
        let expected: Vec<Seen> = texts.iter().cloned().map(Seen::Text).collect();
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for text in &texts {
            client.send_text(text, &mut up);
            server.send_text(text, &mut down);
        }
        prop_assert!(feed(&mut server, &up, &[777]).0 == expected);
        prop_assert!(feed(&mut client, &down, &[777]).0 == expected);
    }

    /// Mutated streams end in messages or a named error, never in a panic or a longer message.
    #[test]
    fn mutated_bytes_never_panic(
        messages in prop::collection::vec(message(), 1..4),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        pieces in prop::collection::vec(1..300_usize, 1..5),
        utf8 in any::<bool>(),
    ) {
        let (client, server) = pair(Settings { utf8, ..small() });
        for (mut socket, masked) in [(client, false), (server, true)] {
            let (mut stream, mut expected) = (Vec::new(), Vec::new());
            for message in &messages {
                encode(message, masked, &mut stream, &mut expected);
            }
            for (at, value) in &flips {
                let at = at.index(stream.len());
                stream[at] ^= value;
            }
            let (_, _, result) = feed(&mut socket, &stream, &pieces);
            if result.is_err() {
                prop_assert_eq!(feed(&mut socket, b"more", &[4]).2, Err(Error::Ended));
            }
        }
    }

    #[test]
    fn mutated_handshakes_never_panic(
        at in any::<prop::sample::Index>(), value in 1_u8.., server in any::<bool>(),
    ) {
        let client = Socket::client("h", "/p", [1; 16]);
        let mut bytes = Vec::new();
        client.opening(&mut bytes);
        let mut socket = Socket::server();
        if !server {
            bytes = feed(&mut socket, &bytes, &[1_000]).1;
            socket = client;
        }
        let at = at.index(bytes.len());
        bytes[at] ^= value;
        let _ = feed(&mut socket, &bytes, &[7]);
    }
}

/// The comparison above catches a reader that drops a byte at a split.
#[test]
fn canary_lossy_reader_is_caught() {
    let (mut client, _) = pair(small());
    let (mut stream, mut expected) = (Vec::new(), Vec::new());
    encode(
        &Message::Text(vec![b"abc".to_vec(), b"def".to_vec()]),
        false,
        &mut stream,
        &mut expected,
    );
    stream.remove(4);
    let (seen, _, result) = feed(&mut client, &stream, &[3]);
    assert!(seen != expected || result.is_err());
}

/// RFC 6455, section 5.7.
#[test]
fn published_frames() {
    let (mut client, mut server) = pair(small());
    let hello = Seen::Text(b"Hello".to_vec());
    let unmasked = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(feed(&mut client, &unmasked, &[99]).0, std::slice::from_ref(&hello));
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(feed(&mut server, &masked, &[99]).0, std::slice::from_ref(&hello));
    let fragments = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(feed(&mut client, &fragments, &[99]).0, [hello]);
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    let (seen, out, _) = feed(&mut client, &ping, &[99]);
    assert_eq!(seen, [Seen::Ping(b"Hello".to_vec())]);
    assert_eq!(out[..2], [0x8a, 0x85]);
    let mut pong = out[6..].to_vec();
    mask(&mut pong, [out[2], out[3], out[4], out[5]], 0);
    assert_eq!(pong, b"Hello");
    let long = frame(0x82, None, &[9; 256]);
    assert_eq!(long[..4], [0x82, 0x7E, 0x01, 0x00]);
    assert_eq!(feed(&mut client, &long, &[999]).0, [Seen::Binary(vec![9; 256])]);
    let longer = frame(0x82, None, &[9; 65_536]);
    assert_eq!(longer[..10], [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(feed(&mut client, &longer, &[999]).0, [Seen::Binary(vec![9; 65_536])]);
}

/// A whole message inside one read is handed on where it lies.
#[test]
fn whole_frames_are_not_copied() {
    let (mut client, _) = pair(small());
    let mut bytes = frame(0x81, None, b"in place");
    let range = bytes.as_ptr_range();
    let mut inside = false;
    client
        .receive(&mut bytes, &mut Vec::new(), &mut |event| {
            let Event::Text(text) = event else { panic!("{event:?}") };
            inside = range.contains(&text.as_ptr());
        })
        .expect("a whole frame");
    assert!(inside);
}

#[test]
fn close_handshake_from_either_side() {
    let (mut client, mut server) = pair(small());
    assert_eq!((client.role(), server.role()), (Role::Client, Role::Server));
    let mut out = Vec::new();
    client.send_close(1000, "done", &mut out);
    client.send_close(1000, "twice", &mut out);
    client.send_text(b"late", &mut out);
    let (seen, answer, result) = feed(&mut server, &out, &[2]);
    assert_eq!((seen, result), (vec![Seen::Close(1000)], Ok(())));
    assert!(!server.is_open());
    let (seen, out, result) = feed(&mut client, &answer, &[1]);
    assert_eq!((seen, out, result), (vec![Seen::Close(1000)], vec![], Ok(())));

    let (mut client, _) = pair(small());
    assert_eq!(feed(&mut client, &frame(0x88, None, b""), &[9]).0, [Seen::Close(1005)]);
}

#[test]
fn what_breaks_the_protocol_is_named() {
    let key = Some([1, 2, 3, 4]);
    let cases: &[(bool, Vec<u8>, &str, u16)] = &[
        (true, frame(0xC1, None, b"x"), "reserved bits", 1002),
        (true, frame(0x83, None, b"x"), "opcode is reserved", 1002),
        (true, frame(0x81, key, b"x"), "a server must not mask", 1002),
        (false, frame(0x81, None, b"x"), "a client must mask", 1002),
        (true, frame(0x09, None, b"x"), "control frame is fragmented", 1002),
        (true, frame(0x89, None, &[0; 126]), "longer than 125", 1002),
        (true, frame(0x80, None, b"x"), "nothing to continue", 1002),
        (
            true,
            [frame(1, None, b"x"), frame(0x81, None, b"y")].concat(),
            "new message inside",
            1002,
        ),
        (true, frame(0x88, None, b"x"), "two bytes", 1002),
        (true, frame(0x88, None, &999_u16.to_be_bytes()), "close code", 1002),
        (true, frame(0x82, None, &[0; 100_001]), "frame of 100001 bytes is over the bound", 1009),
        (
            true,
            [
                frame(2, None, &[0; 90_000]),
                frame(0, None, &[0; 90_000]),
                frame(0, None, &[0; 90_000]),
            ]
            .concat(),
            "message of 270000 bytes is over the bound",
            1009,
        ),
        (true, frame(0x81, None, &[0xFF, 0xFE]), "not UTF-8", 1007),
    ];
    for (to_client, bytes, words, code) in cases {
        let (client, server) = pair(Settings { utf8: true, ..small() });
        let mut socket = if *to_client { client } else { server };
        let (_, out, result) = feed(&mut socket, bytes, &[1_000]);
        let error = result.expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.close_code(), *code, "{error}");
        assert_eq!(out[0], 0x88, "a close frame tells the peer");
    }
    let (mut client, _) = pair(small());
    let bytes = [frame(0x81, None, b"fine"), frame(0x83, None, b"bad")].concat();
    let error = feed(&mut client, &bytes, &[1]).2.expect_err("reserved");
    assert!(error.to_string().contains("at byte 6 (opcode 0x3, 3 bytes)"), "{error}");
}

#[test]
fn refused_handshakes_show_the_answer() {
    let client = || Socket::client("h", "/p", [1; 16]);
    let cases: &[(&str, &str)] = &[
        (
            "HTTP/1.1 403 Forbidden\r\nX: y\r\n\r\nbanned until noon",
            "403 Forbidden: \"banned until",
        ),
        ("HTTP/1.1 101 OK\r\nUpgrade: websocket\r\n\r\n", "lacks `Upgrade: websocket`"),
        (
            "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: no\r\n\r\n",
            "Sec-WebSocket-Accept is no, not",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "a start line has three words"),
        ("HTTP/1.1 101 OK\r\nno colon\r\n\r\n", "HTTP line 2: a header field needs a colon"),
    ];
    for (answer, words) in cases {
        let error = feed(&mut client(), answer.as_bytes(), &[1_000]).2.expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
    }
    let endless = vec![b'x'; 20_000];
    let error = feed(&mut client(), &endless, &[1_000]).2.expect_err("endless");
    assert!(error.to_string().contains("longer than 16384"), "{error}");
    for request in [
        "POST / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
    ] {
        let (seen, out, result) = feed(&mut Socket::server(), request.as_bytes(), &[9]);
        assert!(seen.is_empty() && matches!(result, Err(Error::Handshake { .. })));
        assert!(out.starts_with(b"HTTP/1.1 400 "));
    }
}

/// Frames that come in the same read as the handshake's end are not lost.
#[test]
fn frames_behind_the_handshake_count() {
    let mut client = Socket::client("h", "/p", [1; 16]);
    let mut request = Vec::new();
    client.opening(&mut request);
    let (_, mut answer, _) = feed(&mut Socket::server(), &request, &[1_000]);
    answer.extend(frame(0x81, None, b"first"));
    let (seen, _, _) = feed(&mut client, &answer, &[10_000]);
    assert_eq!(seen, [Seen::Open("/p".into()), Seen::Text(b"first".to_vec())]);
}
