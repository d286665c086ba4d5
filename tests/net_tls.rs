//! TLS against rustls's own server and client, and against itself, over in-memory pipes with random
//! splits: same bytes, tampered records refused, keys renewed, closes seen.

use bot4::net::tls::{Error, Event, Roots, Tls, client_config, server_config};
use proptest::prelude::*;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["venue.test".into()]).expect("rcgen");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        Identity { certificate: made.cert.der().clone(), key }
    })
}

fn our_client(name: &str) -> Tls {
    let roots = Roots::Only(vec![identity().certificate.clone()]);
    Tls::client(client_config(&roots).expect("config"), name).expect("client")
}

/// rustls with its defaults, tickets included, and the suites limited to one.
fn rustls_server(suite: usize) -> ServerConnection {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites = vec![rustls::crypto::ring::ALL_CIPHER_SUITES[suite]];
    let id = identity();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![id.certificate.clone()], id.key.clone_key())
        .expect("certificate");
    ServerConnection::new(Arc::new(config)).expect("server")
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    open: bool,
    data: Vec<u8>,
    closed: bool,
}

fn feed(
    tls: &mut Tls,
    bytes: &[u8],
    pieces: &[usize],
    out: &mut Vec<u8>,
    seen: &mut Seen,
) -> Result<(), Error> {
    let mut at = 0;
    for n in pieces.iter().cycle() {
        if at == bytes.len() {
            break;
        }
        let end = (at + n.max(&1)).min(bytes.len());
        let mut piece = bytes[at..end].to_vec();
        tls.receive(&mut piece, out, &mut |event| match event {
            Event::Open => seen.open = true,
            Event::Data(data) => seen.data.extend_from_slice(data),
            Event::Closed => seen.closed = true,
        })?;
        at = end;
    }
    Ok(())
}

fn drain(server: &mut ServerConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut bytes).expect("memory");
    }
    bytes
}

fn give(server: &mut ServerConnection, mut bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while !bytes.is_empty() {
        server.read_tls(&mut bytes).expect("memory");
        let state = server.process_new_packets().expect("authentic");
        let mut some = vec![0; state.plaintext_bytes_to_read()];
        server.reader().read_exact(&mut some).expect("memory");
        plain.extend(some);
    }
    plain
}

/// Our client and rustls's server, both open.
fn open_pair(suite: usize, pieces: &[usize]) -> (Tls, ServerConnection) {
    let (mut client, mut server) = (our_client("venue.test"), rustls_server(suite));
    let (mut up, mut seen) = (Vec::new(), Seen::default());
    client.opening(&mut up).expect("hello");
    for _ in 0..6 {
        assert!(give(&mut server, &std::mem::take(&mut up)).is_empty());
        let down = drain(&mut server);
        feed(&mut client, &down, pieces, &mut up, &mut seen).expect("handshake");
    }
    assert!(seen.open && client.is_open() && !server.is_handshaking());
    (client, server)
}

/// Data both ways, with renewals on the way; what each side read.
fn exchange(
    suite: usize,
    pieces: &[usize],
    sizes: &[usize],
    renew: bool,
) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (mut client, mut server) = open_pair(suite, pieces);
    let (mut sent, mut at_server, mut seen) = (Vec::new(), Vec::new(), Seen::default());
    for (i, size) in sizes.iter().enumerate() {
        let text: Vec<u8> = (0..*size).map(|n| (n * 7 + i) as u8).collect();
        sent.extend(&text);
        let mut up = Vec::new();
        if renew && i % 2 == 0 {
            client.renew_key(&mut up).expect("renew");
        }
        client.send(&text, &mut up).expect("send");
        at_server.extend(give(&mut server, &up));
        if renew {
            server.refresh_traffic_keys().expect("refresh");
        }
        let mut rest = &text[..];
        while !rest.is_empty() {
            let n = server.writer().write(rest).expect("memory");
            rest = &rest[n..];
            let down = drain(&mut server);
            let mut answer = Vec::new();
            feed(&mut client, &down, pieces, &mut answer, &mut seen).expect("authentic");
            at_server.extend(give(&mut server, &answer));
        }
    }
    let mut up = Vec::new();
    client.close(&mut up).expect("close");
    assert!(matches!(client.send(b"late", &mut up), Err(Error::NotOpen)));
    give(&mut server, &up);
    server.send_close_notify();
    feed(&mut client, &drain(&mut server), pieces, &mut Vec::new(), &mut seen).expect("close");
    assert!(seen.closed);
    (sent, at_server, seen.data)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn agrees_with_rustls(
        suite in 0..3_usize,
        pieces in prop::collection::vec(1..4_000_usize, 1..9),
        sizes in prop::collection::vec(
            prop_oneof![1..300_usize, 16_380..16_390_usize, 40_000..40_010_usize],
            1..6,
        ),
        renew in any::<bool>(),
    ) {
        let (sent, at_server, at_client) = exchange(suite, &pieces, &sizes, renew);
        prop_assert!(at_server == sent && at_client == sent);
    }

    /// A flipped bit anywhere ends the session with an error and an alert; no plaintext of that
    /// record or a later one comes out.
    #[test]
    fn tampered_records_are_refused(
        at in any::<prop::sample::Index>(), bit in 0..8_u32, piece in 1..99_usize,
    ) {
        let (mut client, mut server) = open_pair(0, &[500]);
        server.writer().write_all(b"price 100").expect("memory");
        let mut bytes = drain(&mut server);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        bytes.extend([0; 20_000]);
        let (mut out, mut seen) = (Vec::new(), Seen::default());
        let result = feed(&mut client, &bytes, &[piece], &mut out, &mut seen);
        prop_assert!(result.is_err() && seen.data.is_empty(), "byte {} bit {}", at, bit);
        prop_assert!(!out.is_empty());
        let again = feed(&mut client, b"x", &[1], &mut out, &mut seen);
        prop_assert!(matches!(again, Err(Error::Ended)));
    }

    #[test]
    fn mutated_handshakes_never_panic(
        at in any::<prop::sample::Index>(), value in 1_u8.., piece in 1..999_usize,
    ) {
        let (mut client, mut server) = (our_client("venue.test"), rustls_server(0));
        let mut up = Vec::new();
        client.opening(&mut up).expect("hello");
        give(&mut server, &up);
        let mut down = drain(&mut server);
        let at = at.index(down.len());
        down[at] ^= value;
        let _ = feed(&mut client, &down, &[piece], &mut up, &mut Seen::default());
    }
}

/// One byte of the server's first flight changed, at every place: no panic, and what the handshake
/// protects is refused (headers of records and the relic ChangeCipherSpec are not).
#[test]
fn a_handshake_mutated_anywhere_is_refused_or_whole() {
    let accepted = |value: u8, at: usize| {
        let (mut client, mut server) = (our_client("venue.test"), rustls_server(0));
        let mut up = Vec::new();
        client.opening(&mut up).expect("hello");
        give(&mut server, &up);
        let mut down = drain(&mut server);
        let len = down.len();
        down[at % len] ^= value;
        let mut seen = Seen::default();
        let result = feed(&mut client, &down, &[441], &mut up, &mut seen);
        (len, result.is_ok() && seen.open)
    };
    let (len, whole) = accepted(0, 0);
    assert!(whole, "canary: the flight as it was sent opens the session");
    let count = (0..len).filter(|at| accepted(0x41, *at).1).count();
    assert!(count * 20 < len, "{count} of {len} changed flights were accepted");
}

/// The comparison with rustls catches a stream that lost a record.
#[test]
fn canary_lost_record_is_caught() {
    let (mut client, mut server) = open_pair(1, &[100]);
    server.writer().write_all(b"first").expect("memory");
    drain(&mut server);
    server.writer().write_all(b"second").expect("memory");
    let bytes = drain(&mut server);
    let result = feed(&mut client, &bytes, &[100], &mut Vec::new(), &mut Seen::default());
    assert!(matches!(result, Err(Error::Tampered { .. })), "{result:?}");
}

/// Both ends ours.
#[test]
fn our_own_server() {
    let id = identity();
    let config = server_config(vec![id.certificate.clone()], id.key.clone_key()).expect("config");
    let (mut client, mut server) = (our_client("venue.test"), Tls::server(config).expect("server"));
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let (mut at_client, mut at_server) = (Seen::default(), Seen::default());
    client.opening(&mut up).expect("hello");
    assert!(matches!(client.send(b"early", &mut Vec::new()), Err(Error::NotOpen)));
    while !up.is_empty() || !down.is_empty() {
        let taken = std::mem::take(&mut up);
        feed(&mut server, &taken, &[11], &mut down, &mut at_server).expect("server");
        let taken = std::mem::take(&mut down);
        feed(&mut client, &taken, &[13], &mut up, &mut at_client).expect("client");
    }
    assert!(at_client.open && at_server.open);
    client.send(b"ping", &mut up).expect("send");
    server.send(b"pong", &mut down).expect("send");
    server.close(&mut down).expect("close");
    feed(&mut server, &up, &[3], &mut Vec::new(), &mut at_server).expect("server");
    feed(&mut client, &down, &[3], &mut Vec::new(), &mut at_client).expect("client");
    assert_eq!((at_server.data, at_client.data), (b"ping".to_vec(), b"pong".to_vec()));
    assert!(at_client.closed && !client.is_open());
}

#[test]
fn strangers_are_refused() {
    assert!(matches!(
        Tls::client(client_config(&Roots::WebPki).expect("config"), "not a name"),
        Err(Error::Name { name }) if name == "not a name"
    ));
    let trusting_others = || {
        let config = client_config(&Roots::WebPki).expect("config");
        Tls::client(config, "venue.test").expect("client")
    };
    for (mut client, words) in
        [(trusting_others(), "UnknownIssuer"), (our_client("other.test"), "not valid for name")]
    {
        let mut server = rustls_server(0);
        let mut up = Vec::new();
        client.opening(&mut up).expect("hello");
        give(&mut server, &up);
        up.clear();
        let down = drain(&mut server);
        let error = feed(&mut client, &down, &[999], &mut up, &mut Seen::default());
        let error = error.expect_err("a stranger").to_string();
        assert!(error.contains(words), "{error}");
        assert!(!up.is_empty(), "an alert tells the peer");
    }
}

#[test]
fn what_is_no_tls_is_refused() {
    let mut client = our_client("venue.test");
    let mut out = Vec::new();
    client.opening(&mut out).expect("hello");
    let result = feed(
        &mut client,
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[5],
        &mut out,
        &mut Seen::default(),
    );
    assert!(result.is_err());
}
