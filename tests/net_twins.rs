//! One suite for both transports: whatever `host::net::Net` promises, epoll and io_uring keep.
//!
//! Peers are plain std sockets on other threads, or the transport itself.

use bot4::host::epoll::EpollNet;
use bot4::host::net::{
    CloseReason, ConnId, Net, NetError, NetEvent, NetKind, NetSettings, Wait, open,
};
use bot4::host::uring::UringNet;
use bot4::maths::random::Random;
use bot4::units::Nanos;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
const BLOCK: Wait = Wait::Block(Nanos(5_000_000));
const LOOPBACK: &str = "127.0.0.1:0";

/// What an event said, without its borrow.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Connected(ConnId),
    Accepted(ConnId),
    Received(ConnId, Vec<u8>),
    Closed(ConnId, CloseReason),
}

fn see(event: NetEvent<'_>) -> Seen {
    match event {
        NetEvent::Connected(id) => Seen::Connected(id),
        NetEvent::Accepted { conn, .. } => Seen::Accepted(conn),
        NetEvent::Received(id, bytes) => Seen::Received(id, bytes.to_vec()),
        NetEvent::Closed(id, reason) => Seen::Closed(id, reason),
    }
}

/// Polls until `done` says so; fails loudly when patience ends.
fn until(net: &mut dyn Net, wait: Wait, mut done: impl FnMut(&mut dyn Net, Option<Seen>) -> bool) {
    let started = Instant::now();
    let mut seen = Vec::new();
    loop {
        seen.clear();
        net.poll(wait, &mut |event| seen.push(see(event))).expect("poll");
        for event in seen.drain(..) {
            if done(net, Some(event)) {
                return;
            }
        }
        if done(net, None) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "no end after {PATIENCE:?}; {}", net.describe());
    }
}

fn address() -> SocketAddr {
    LOOPBACK.parse().expect("a literal address")
}

fn below(random: &mut Random, bound: usize) -> usize {
    random.below(bound.max(1) as u64) as usize
}

fn bytes_from(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed, 0);
    (0..len).map(|_| random.bits() as u8).collect()
}

fn connected(net: &mut dyn Net, to: SocketAddr) -> ConnId {
    let id = net.connect(to).expect("connect");
    until(net, BLOCK, |_, seen| match seen {
        Some(Seen::Connected(conn)) => {
            assert_eq!(conn, id);
            true
        }
        Some(Seen::Accepted(_)) | None => false,
        Some(other) => panic!("expected Connected, saw {other:?}"),
    });
    id
}

/// Echo server of the transport against a std client that writes in random pieces.
fn echo_of_random_splits(mut net: Box<dyn Net>, wait: Wait) {
    let seed = 0xB074;
    let total = 600_000;
    let (_, at) = net.listen(address()).expect("listen");
    let sent = bytes_from(seed, total);
    let client = {
        let sent = sent.clone();
        thread::spawn(move || {
            let mut writer = TcpStream::connect(at).expect("connect");
            let mut reader = writer.try_clone().expect("clone");
            let reading = thread::spawn(move || {
                let mut got = vec![0; total];
                reader.read_exact(&mut got).expect("echo");
                got
            });
            let mut random = Random::new(seed, 1);
            let mut at = 0;
            while at < total {
                let n = (1 + below(&mut random, 9_000)).min(total - at);
                writer.write_all(&sent[at..at + n]).expect("write");
                at += n;
            }
            reading.join().expect("reader")
        })
    };
    let mut waiting: Vec<u8> = Vec::new();
    let mut conn = None;
    until(net.as_mut(), wait, |net, seen| {
        match seen {
            Some(Seen::Accepted(id)) => conn = Some(id),
            Some(Seen::Received(_, bytes)) => waiting.extend(bytes),
            Some(Seen::Closed(_, reason)) => {
                assert!(matches!(reason, CloseReason::Peer | CloseReason::Reset), "{reason}");
                return true;
            }
            _ => {}
        }
        if let Some(conn) = conn {
            while !waiting.is_empty() {
                let n = waiting.len().min(10_000);
                match net.send(conn, &waiting[..n]) {
                    Ok(()) => drop(waiting.drain(..n)),
                    Err(NetError::Full { .. } | NetError::Closed { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        false
    });
    assert!(client.join().expect("client") == sent, "echo differs, seed={seed}");
}

/// The transport talks to itself over many connections; each keeps its own order.
fn many_connections(mut net: Box<dyn Net>) {
    let pairs = 20;
    let rounds = 50_u32;
    let (_, at) = net.listen(address()).expect("listen");
    let mine: Vec<ConnId> = (0..pairs).map(|_| net.connect(at).expect("connect")).collect();
    let mut expected: BTreeMap<ConnId, u32> = BTreeMap::new();
    let mut partial: BTreeMap<ConnId, Vec<u8>> = BTreeMap::new();
    let mut echoed = 0;
    until(net.as_mut(), BLOCK, |net, seen| {
        match seen {
            Some(Seen::Connected(id)) => {
                assert!(mine.contains(&id));
                expected.insert(id, 0);
                net.send(id, &0_u32.to_le_bytes()).expect("send");
            }
            Some(Seen::Received(id, bytes)) => {
                let buffer = partial.entry(id).or_default();
                buffer.extend(bytes);
                while buffer.len() >= 4 {
                    let word: Vec<u8> = buffer.drain(..4).collect();
                    let Some(next) = expected.get_mut(&id) else {
                        net.send(id, &word).expect("echo");
                        continue;
                    };
                    assert_eq!(word, next.to_le_bytes(), "order on {id}");
                    *next += 1;
                    echoed += 1;
                    if *next < rounds {
                        net.send(id, &next.to_le_bytes()).expect("send");
                    }
                }
            }
            Some(Seen::Closed(id, reason)) => panic!("{id} {reason}"),
            _ => {}
        }
        echoed == pairs * rounds
    });
    // One end goes: both ends are reported, each once, and their slots can be used again.
    for id in &mine {
        net.close(*id);
        net.close(*id);
    }
    let mut closed = BTreeMap::new();
    until(net.as_mut(), BLOCK, |_, seen| {
        if let Some(Seen::Closed(id, reason)) = seen {
            assert_eq!(closed.insert(id, reason), None, "{id} closed twice");
        }
        closed.len() == 2 * pairs as usize
    });
    for id in &mine {
        assert_eq!(closed[id], CloseReason::Local);
        assert!(matches!(net.send(*id, b"late"), Err(NetError::Closed { .. })));
    }
    let again = connected(net.as_mut(), at);
    assert!(!mine.contains(&again), "ids are not used twice");
}

fn peer_closes(mut net: Box<dyn Net>) {
    let listener = TcpListener::bind(LOOPBACK).expect("bind");
    let at = listener.local_addr().expect("address");
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accept");
        stream.write_all(b"last words").expect("write");
    });
    let id = net.connect(at).expect("connect");
    let mut got = Vec::new();
    until(net.as_mut(), BLOCK, |_, seen| match seen {
        Some(Seen::Received(_, bytes)) => {
            got.extend(bytes);
            false
        }
        Some(Seen::Closed(conn, reason)) => {
            assert_eq!((conn, reason), (id, CloseReason::Peer));
            true
        }
        _ => false,
    });
    assert_eq!(got, b"last words");
    peer.join().expect("peer");
}

/// The peer shuts its sending side after a request; the answer still arrives whole.
fn half_close(mut net: Box<dyn Net>) {
    let answer = bytes_from(3, 200_000);
    let (_, at) = net.listen(address()).expect("listen");
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(at).expect("connect");
        stream.write_all(b"question").expect("write");
        stream.shutdown(Shutdown::Write).expect("shutdown");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("read");
        got
    });
    until(net.as_mut(), BLOCK, |net, seen| match seen {
        Some(Seen::Received(id, bytes)) => {
            assert_eq!(bytes, b"question");
            net.send(id, &answer).expect("fits the send buffer");
            false
        }
        Some(Seen::Closed(_, reason)) => {
            assert_eq!(reason, CloseReason::Peer);
            true
        }
        _ => false,
    });
    assert!(client.join().expect("client") == answer, "the answer was cut");
}

/// A peer that does not read: `Full` comes, takes nothing, and all that was taken arrives.
fn full_buffer(mut net: Box<dyn Net>) {
    let listener = TcpListener::bind(LOOPBACK).expect("bind");
    let at = listener.local_addr().expect("address");
    let id = connected(net.as_mut(), at);
    let (mut peer, _) = listener.accept().expect("accept");
    let mut sent = Vec::new();
    let mut random = Random::new(11, 0);
    let mut refused = 0;
    let started = Instant::now();
    while refused < 50 {
        let piece = bytes_from(random.bits(), 1 + below(&mut random, 40_000));
        match net.send(id, &piece) {
            Ok(()) => sent.extend(piece),
            Err(NetError::Full { queued, capacity, asked, .. }) => {
                assert!(queued + asked > capacity && asked == piece.len());
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
        net.poll(Wait::Busy, &mut |_| {}).expect("poll");
        assert!(started.elapsed() < PATIENCE);
    }
    let total = sent.len();
    let reader = thread::spawn(move || {
        let mut got = vec![0; total];
        peer.read_exact(&mut got).expect("read");
        got
    });
    until(net.as_mut(), BLOCK, |_, _| reader.is_finished());
    assert!(reader.join().expect("reader") == sent, "bytes lost or mixed");
}

fn hundred_thousand_messages(mut net: Box<dyn Net>) {
    let messages = 100_000_u32;
    let (_, at) = net.listen(address()).expect("listen");
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(at).expect("connect");
        for chunk in (0..messages).collect::<Vec<_>>().chunks(37) {
            let bytes: Vec<u8> = chunk.iter().flat_map(|n| n.to_le_bytes()).collect();
            stream.write_all(&bytes).expect("write");
        }
    });
    let mut rest = Vec::new();
    let mut next = 0_u32;
    until(net.as_mut(), BLOCK, |_, seen| {
        match seen {
            Some(Seen::Received(_, bytes)) => {
                rest.extend(bytes);
                let whole = rest.len() / 4 * 4;
                for word in rest[..whole].chunks(4) {
                    assert_eq!(word, next.to_le_bytes());
                    next += 1;
                }
                rest.drain(..whole);
            }
            Some(Seen::Closed(_, reason)) => {
                assert_eq!(reason, CloseReason::Peer);
                return true;
            }
            _ => {}
        }
        false
    });
    assert_eq!(next, messages);
    client.join().expect("client");
}

fn multicast(mut net: Box<dyn Net>, port: u16) {
    let group = SocketAddrV4::new(Ipv4Addr::new(239, 4, 4, 4), port);
    let id = net.join_multicast(group, Ipv4Addr::LOCALHOST).expect("join");
    assert!(matches!(net.send(id, b"no"), Err(NetError::ReceiveOnly { .. })));
    let wrong = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let refusal = net.join_multicast(wrong, Ipv4Addr::LOCALHOST).expect_err("no group");
    assert!(refusal.to_string().contains("is not a multicast group"), "{refusal}");
    net.poll(Wait::Busy, &mut |_| {}).expect("poll");
    // std cannot choose the sending interface; on loopback the route of a bound socket does.
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    for n in 0..200_u32 {
        if sender.send_to(&n.to_le_bytes(), group).is_err() {
            eprintln!("SKIPPED (1): multicast: no route for 239.x on this machine");
            return;
        }
    }
    sender.send_to(&[7; 20_000], group).expect("a datagram longer than a buffer");
    sender.send_to(b"end", group).expect("send");
    let mut next = 0_u32;
    until(net.as_mut(), BLOCK, |_, seen| match seen {
        Some(Seen::Received(conn, bytes)) if bytes == b"end" => {
            assert_eq!(conn, id);
            true
        }
        Some(Seen::Received(_, bytes)) => {
            assert_eq!(bytes, next.to_le_bytes());
            next += 1;
            false
        }
        Some(other) => panic!("{other:?}"),
        None => false,
    });
    assert_eq!(next, 200);
    assert_eq!(net.stats().datagrams_dropped, 1, "the long one is dropped and counted");
    net.close(id);
    until(net.as_mut(), BLOCK, |_, seen| seen == Some(Seen::Closed(id, CloseReason::Local)));
}

fn refused(mut net: Box<dyn Net>) {
    let free = TcpListener::bind(LOOPBACK).expect("bind").local_addr().expect("address");
    let id = net.connect(free).expect("starts");
    until(net.as_mut(), BLOCK, |_, seen| match seen {
        Some(seen) => {
            assert_eq!(seen, Seen::Closed(id, CloseReason::Refused));
            true
        }
        None => false,
    });
}

fn address_in_use(mut net: Box<dyn Net>) {
    let (_, at) = net.listen(address()).expect("listen");
    let error = net.listen(at).expect_err("taken");
    assert!(matches!(error, NetError::AddressInUse { at: named } if named == at));
    assert!(error.to_string().contains(&at.to_string()), "{error}");
}

/// More connections than slots: the surplus is closed and counted, the others work on.
fn too_many(mut net: Box<dyn Net>, bound: usize) {
    let (_, at) = net.listen(address()).expect("listen");
    let mut peers: Vec<TcpStream> =
        (0..bound + 3).map(|_| TcpStream::connect(at).expect("backlog")).collect();
    let mut accepted = 0;
    until(net.as_mut(), BLOCK, |net, seen| {
        accepted += usize::from(matches!(seen, Some(Seen::Accepted(_))));
        accepted == bound && net.stats().accepts_dropped == 3
    });
    assert!(matches!(net.connect(at), Err(NetError::TooManyConnections { .. })));
    peers[0].write_all(b"alive").expect("write");
    until(
        net.as_mut(),
        BLOCK,
        |_, seen| matches!(seen, Some(Seen::Received(_, b)) if b == b"alive"),
    );
}

fn reset(mut net: Box<dyn Net>) {
    let (_, at) = net.listen(address()).expect("listen");
    let peer = TcpStream::connect(at).expect("connect");
    let mut conn = None;
    until(net.as_mut(), BLOCK, |_, seen| match seen {
        Some(Seen::Accepted(id)) => {
            conn = Some(id);
            true
        }
        _ => false,
    });
    net.send(conn.expect("accepted"), b"unread").expect("send");
    net.poll(Wait::Busy, &mut |_| {}).expect("poll");
    thread::sleep(Duration::from_millis(20));
    drop(peer); // unread bytes make the kernel reset
    until(net.as_mut(), BLOCK, |_, seen| match seen {
        Some(seen) => {
            assert_eq!(seen, Seen::Closed(conn.expect("accepted"), CloseReason::Reset));
            true
        }
        None => false,
    });
}

/// An idle block returns after its time, not before and not much later.
fn block_waits(mut net: Box<dyn Net>) {
    let started = Instant::now();
    let n = net.poll(Wait::Block(Nanos::from_millis(30)), &mut |_| {}).expect("poll");
    assert_eq!(n, 0);
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(29) && waited < Duration::from_secs(5), "{waited:?}");
}

fn small() -> NetSettings {
    NetSettings {
        connections: 48,
        receive_buffer: 8 * 1_024,
        receive_buffers: 8,
        ..NetSettings::default()
    }
}

fn epoll(settings: &NetSettings) -> Option<Box<dyn Net>> {
    Some(Box::new(EpollNet::new(settings).expect("epoll is everywhere")))
}

fn uring(settings: &NetSettings) -> Option<Box<dyn Net>> {
    match UringNet::new(settings) {
        Ok(net) => Some(Box::new(net)),
        Err(NetError::Unsupported { what, source }) => {
            eprintln!("SKIPPED (1): io_uring suite: {what}: {source}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

macro_rules! suite {
    ($twin:ident, $port:expr) => {
        mod $twin {
            use super::*;

            fn with(settings: NetSettings, test: impl FnOnce(Box<dyn Net>)) {
                if let Some(net) = super::$twin(&settings) {
                    test(net);
                }
            }

            #[test]
            fn echo_blocking() {
                with(small(), |net| echo_of_random_splits(net, BLOCK));
            }
            #[test]
            fn echo_spinning() {
                with(NetSettings::default(), |net| echo_of_random_splits(net, Wait::Busy));
            }
            #[test]
            fn many_connections() {
                with(small(), super::many_connections);
            }
            #[test]
            fn peer_closes() {
                with(small(), super::peer_closes);
            }
            #[test]
            fn half_close() {
                with(small(), super::half_close);
            }
            #[test]
            fn full_buffer() {
                with(small(), super::full_buffer);
            }
            #[test]
            fn hundred_thousand_messages() {
                with(small(), super::hundred_thousand_messages);
            }
            #[test]
            fn multicast() {
                with(NetSettings { receive_buffers: 64, ..small() }, |net| {
                    super::multicast(net, $port);
                });
            }
            #[test]
            fn refused() {
                with(small(), super::refused);
            }
            #[test]
            fn reset() {
                with(small(), super::reset);
            }
            #[test]
            fn address_in_use() {
                with(small(), super::address_in_use);
            }
            #[test]
            fn too_many() {
                with(NetSettings { connections: 4, ..small() }, |net| super::too_many(net, 4));
            }
            #[test]
            fn block_waits() {
                with(small(), super::block_waits);
            }
        }
    };
}

suite!(epoll, 24_401);
suite!(uring, 24_402);

/// Few small buffers and a fast sender: the kernel runs out, the transport arms again, no byte is
/// lost. Proves that the starved path runs at all.
#[test]
fn uring_survives_starvation() {
    let settings = NetSettings { receive_buffer: 256, receive_buffers: 4, ..small() };
    let Some(mut net) = uring(&settings) else { return };
    let (_, at) = net.listen(address()).expect("listen");
    let sent = bytes_from(5, 100_000);
    let mut client = TcpStream::connect(at).expect("connect");
    client.write_all(&sent[..50_000]).expect("write");
    let rest = sent.clone();
    let writer = thread::spawn(move || client.write_all(&rest[50_000..]).expect("write"));
    let mut got = Vec::new();
    until(net.as_mut(), BLOCK, |_, seen| {
        match seen {
            Some(Seen::Received(_, bytes)) => got.extend(bytes),
            Some(Seen::Closed(..)) => return true,
            _ => {}
        }
        false
    });
    writer.join().expect("writer");
    assert!(got == sent, "bytes lost: {} of {}", got.len(), sent.len());
    assert!(net.stats().starved > 0, "the test must starve the kernel: {:?}", net.stats());
}

/// What `open` says of itself names the flags, so that a report can show them.
#[test]
fn transports_describe_themselves() {
    let net = open(NetKind::Epoll, &small()).expect("epoll");
    assert!(net.describe().starts_with("epoll"));
    if let Some(net) = uring(&small()) {
        eprintln!("{}", net.describe());
        assert!(net.describe().contains("SINGLE_ISSUER"));
    }
}
