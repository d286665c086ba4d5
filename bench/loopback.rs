//! Loopback round trip of 64 bytes: io_uring, epoll and blocking std sockets in one run, and system
//! calls per message when many connections speak at once.
//!
//! Two threads, pinned to two cores where there are two; the client measures from just before its
//! send to the last byte of the echo. Closed loop: one message in flight, so the figures are
//! service times, not latencies under load. `cargo bench --bench loopback -- [ROUNDS]`.

use bot4::host::net::{ConnId, Net, NetEvent, NetKind, NetSettings, Wait, open};
use hdrhistogram::Histogram;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Instant;

const MESSAGE: usize = 64;
const ROUNDS: usize = 30_000;
const WARM_UP: usize = 2_000;
const BURST_CONNECTIONS: usize = 32;
const BURST_ROUNDS: usize = 500;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Pins the calling thread. The cores are listed once, by the first caller: a pinned thread sees
/// only its own, and so do the threads that it starts.
fn pin(index: usize) {
    static CORES: OnceLock<Vec<core_affinity::CoreId>> = OnceLock::new();
    let cores = CORES.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default());
    if cores.len() > 1 {
        core_affinity::set_for_current(cores[index % cores.len()]);
    }
}

fn histogram() -> Result<Histogram<u64>, Failure> {
    Ok(Histogram::new_with_bounds(1, 10_000_000_000, 3)?)
}

fn message(round: usize) -> [u8; MESSAGE] {
    let mut bytes = [0x5A; MESSAGE];
    bytes[..8].copy_from_slice(&(round as u64).to_le_bytes());
    bytes
}

/// Echoes until told to stop.
fn serve(kind: NetKind, tell: &mpsc::Sender<SocketAddr>, stop: &AtomicBool) -> Result<(), Failure> {
    pin(1);
    let mut net = open(kind, &NetSettings::default())?;
    let (_, at) = net.listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    tell.send(at)?;
    let mut waiting: Vec<u8> = Vec::with_capacity(64 * 1_024);
    let mut from = None;
    while !stop.load(Ordering::Relaxed) {
        net.poll(Wait::Busy, &mut |event| {
            if let NetEvent::Received(conn, bytes) = event {
                waiting.extend_from_slice(bytes);
                from = Some(conn);
            }
        })?;
        if let Some(conn) = from.take() {
            net.send(conn, &waiting)?;
            waiting.clear();
        }
    }
    Ok(())
}

/// Sends one message and spins until its echo is whole and right.
fn round_trip(net: &mut dyn Net, conn: ConnId, round: usize) -> Result<(), Failure> {
    let sent = message(round);
    net.send(conn, &sent)?;
    let (mut got, mut have, mut closed) = ([0; MESSAGE], 0, false);
    while have < MESSAGE && !closed {
        net.poll(Wait::Busy, &mut |event| match event {
            NetEvent::Received(_, bytes) => {
                got[have..have + bytes.len()].copy_from_slice(bytes);
                have += bytes.len();
            }
            NetEvent::Closed(..) => closed = true,
            _ => {}
        })?;
    }
    if closed || got != sent {
        return Err("the echo differs".into());
    }
    Ok(())
}

fn transport(kind: NetKind, rounds: usize) -> Result<Histogram<u64>, Failure> {
    let (tell, told) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let server = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || serve(kind, &tell, &stop))
    };
    let Ok(at) = told.recv() else {
        return match server.join() {
            Ok(Err(error)) => Err(error),
            _ => Err("the server died".into()),
        };
    };
    pin(0);
    let mut net = open(kind, &NetSettings::default())?;
    let conn = net.connect(at)?;
    let mut connected = false;
    while !connected {
        net.poll(Wait::Busy, &mut |event| connected |= matches!(event, NetEvent::Connected(_)))?;
    }
    let mut times = histogram()?;
    for round in 0..WARM_UP + rounds {
        let started = Instant::now();
        round_trip(net.as_mut(), conn, round)?;
        if round >= WARM_UP {
            times.record((started.elapsed().as_nanos() as u64).max(1))?;
        }
    }
    stop.store(true, Ordering::Relaxed);
    server.join().map_err(|_| "the server panicked")??;
    Ok(times)
}

/// The rival everybody has: blocking sockets of std.
fn blocking(rounds: usize) -> Result<Histogram<u64>, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    let server = thread::spawn(move || -> Result<(), Failure> {
        pin(1);
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut bytes = [0; MESSAGE];
        while stream.read_exact(&mut bytes).is_ok() {
            stream.write_all(&bytes)?;
        }
        Ok(())
    });
    pin(0);
    let mut stream = TcpStream::connect(at)?;
    stream.set_nodelay(true)?;
    let mut times = histogram()?;
    for round in 0..WARM_UP + rounds {
        let sent = message(round);
        let mut got = [0; MESSAGE];
        let started = Instant::now();
        stream.write_all(&sent)?;
        stream.read_exact(&mut got)?;
        if round >= WARM_UP {
            times.record((started.elapsed().as_nanos() as u64).max(1))?;
        }
        if black_box(got) != sent {
            return Err("the echo differs".into());
        }
    }
    drop(stream);
    server.join().map_err(|_| "the server panicked")??;
    Ok(times)
}

/// Messages that the transport received and answered per system call of its own, when
/// `BURST_CONNECTIONS` peers speak at once.
fn burst(kind: NetKind) -> Result<f64, Failure> {
    let mut net = open(kind, &NetSettings::default())?;
    let (_, at) = net.listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let mut peers = Vec::new();
    for _ in 0..BURST_CONNECTIONS {
        peers.push(TcpStream::connect(at)?);
    }
    let mut accepted = 0;
    while accepted < BURST_CONNECTIONS {
        net.poll(Wait::Busy, &mut |event| {
            accepted += usize::from(matches!(event, NetEvent::Accepted { .. }));
        })?;
    }
    for _ in 0..8 {
        net.poll(Wait::Busy, &mut |_| {})?;
    }
    let before = net.stats().syscalls;
    let mut answers: Vec<ConnId> = Vec::with_capacity(BURST_CONNECTIONS);
    for round in 0..BURST_ROUNDS {
        let sent = message(round);
        for peer in &mut peers {
            peer.write_all(&sent)?;
        }
        let mut answered = 0;
        while answered < BURST_CONNECTIONS {
            net.poll(Wait::Busy, &mut |event| {
                if let NetEvent::Received(conn, _) = event {
                    answers.push(conn);
                }
            })?;
            answered += answers.len();
            for conn in answers.drain(..) {
                net.send(conn, &sent)?;
            }
        }
        net.poll(Wait::Busy, &mut |_| {})?; // io_uring submits the last answers here
        for peer in &mut peers {
            let mut got = [0; MESSAGE];
            peer.read_exact(&mut got)?;
            if got != sent {
                return Err("the echo differs".into());
            }
        }
    }
    let calls = (net.stats().syscalls - before).max(1);
    Ok(2.0 * (BURST_CONNECTIONS * BURST_ROUNDS) as f64 / calls as f64)
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".into()).trim().to_owned()
}

fn main() -> Result<(), Failure> {
    let rounds = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(ROUNDS);
    println!("loopback TCP round trip, {MESSAGE} bytes, {rounds} rounds after {WARM_UP}");
    println!("load before: {}", load());
    let rival = blocking(rounds)?;
    println!(
        "{:<16}{:>10}{:>10}{:>10}{:>12}{:>12}",
        "", "p50 us", "p99 us", "p99.9 us", "max us", "p50 ratio"
    );
    let show = |name: &str, times: &Histogram<u64>| {
        let us = |ns: u64| ns as f64 / 1e3;
        println!(
            "{name:<16}{:>10.1}{:>10.1}{:>10.1}{:>12.1}{:>12.2}",
            us(times.value_at_quantile(0.5)),
            us(times.value_at_quantile(0.99)),
            us(times.value_at_quantile(0.999)),
            us(times.max()),
            rival.value_at_quantile(0.5) as f64 / times.value_at_quantile(0.5) as f64,
        );
    };
    show("blocking std", &rival);
    for kind in [NetKind::Epoll, NetKind::Uring] {
        match transport(kind, rounds) {
            Ok(times) => show(&format!("{} spin", kind.name()), &times),
            Err(error) => eprintln!("SKIPPED (1): {}: {error}", kind.name()),
        }
    }
    println!("messages (in and out) per system call, {BURST_CONNECTIONS} peers at once");
    for kind in [NetKind::Epoll, NetKind::Uring] {
        match burst(kind) {
            Ok(ratio) => println!("{:<16}{ratio:>10.2}", kind.name()),
            Err(error) => eprintln!("SKIPPED (1): {} burst: {error}", kind.name()),
        }
    }
    println!("load after:  {}", load());
    Ok(())
}
