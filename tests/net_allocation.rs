//! Nothing allocates once a connection stands: transport, WebSocket and TLS in steady state.

#![allow(unsafe_code, reason = "counting allocations takes a GlobalAlloc")]

use bot4::host::net::{NetError, NetEvent, NetKind, NetSettings, Wait, open};
use bot4::net::tls::{Event as TlsEvent, Roots, Tls, client_config, server_config};
use bot4::net::websocket::{Event, Socket};
use rustls::pki_types::PrivateKeyDer;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(mut work: impl FnMut()) -> u64 {
    for _ in 0..50 {
        work();
    }
    let before = COUNT.with(Cell::get);
    for _ in 0..500 {
        work();
    }
    COUNT.with(Cell::get) - before
}

#[test]
fn canary_an_allocation_is_counted() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 500);
}

#[test]
fn transports_do_not_allocate() {
    for kind in [NetKind::Epoll, NetKind::Uring] {
        let mut net = match open(kind, &NetSettings::default()) {
            Ok(net) => net,
            Err(NetError::Unsupported { what, source }) => {
                eprintln!("SKIPPED (1): {}: {what}: {source}", kind.name());
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let (_, at) = net.listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("listen");
        let client = net.connect(at).expect("connect");
        let mut server = None;
        while server.is_none() {
            net.poll(Wait::Busy, &mut |event| {
                if let NetEvent::Accepted { conn, .. } = event {
                    server = Some(conn);
                }
            })
            .expect("poll");
        }
        let server = server.expect("accepted");
        let count = allocations(|| {
            let mut have = 0;
            net.send(client, &[7; 4_000]).expect("send");
            net.send(server, &[8; 4_000]).expect("send");
            while have < 8_000 {
                let mut on = |event: NetEvent<'_>| {
                    if let NetEvent::Received(_, bytes) = event {
                        have += bytes.len();
                    }
                };
                net.poll(Wait::Busy, &mut on).expect("poll");
            }
        });
        assert_eq!(count, 0, "{}", net.describe());
    }
}

#[test]
fn websocket_does_not_allocate() {
    let (mut client, mut server) = (Socket::client("h", "/", [3; 16]), Socket::server());
    let (mut up, mut down) = (Vec::with_capacity(200_000), Vec::with_capacity(200_000));
    client.opening(&mut up);
    server.receive(&mut up, &mut down, &mut |_| {}).expect("server");
    client.receive(&mut down, &mut up, &mut |_| {}).expect("client");
    let text = [b'x'; 3_000];
    let mut messages = 0;
    let count = allocations(|| {
        up.clear();
        down.clear();
        client.send_text(&text, &mut up);
        client.send_ping(b"there?", &mut up);
        for piece in up.chunks_mut(1_400) {
            server
                .receive(piece, &mut down, &mut |event| {
                    messages += usize::from(matches!(event, Event::Text(_)));
                })
                .expect("server");
        }
    });
    assert_eq!((count, messages), (0, 550));
}

#[test]
fn tls_does_not_allocate_per_record() {
    let made = rcgen::generate_simple_self_signed(vec!["venue.test".into()]).expect("rcgen");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = server_config(vec![made.cert.der().clone()], key).expect("config");
    let mut server = Tls::server(config).expect("server");
    let roots = Roots::Only(vec![made.cert.der().clone()]);
    let mut client =
        Tls::client(client_config(&roots).expect("config"), "venue.test").expect("client");
    let (mut up, mut down) = (Vec::with_capacity(200_000), Vec::with_capacity(200_000));
    client.opening(&mut up).expect("hello");
    while !up.is_empty() {
        server.receive(&mut up, &mut down, &mut |_| {}).expect("server");
        up.clear();
        client.receive(&mut down, &mut up, &mut |_| {}).expect("client");
        down.clear();
    }
    let mut have = 0;
    let count = allocations(|| {
        up.clear();
        client.send(&[9; 20_000], &mut up).expect("send");
        for piece in up.chunks_mut(1_400) {
            let mut on = |event: TlsEvent<'_>| {
                if let TlsEvent::Data(data) = event {
                    have += data.len();
                }
            };
            server.receive(piece, &mut down, &mut on).expect("server");
        }
    });
    assert_eq!((count, have), (0, 550 * 20_000));
}
