//! TLS, a stage of its own: sealing an order and opening a market frame, ours in place beside rustls's
//! own record path, over the same suite and in-memory pipes.
//!
//! Every message is checked: what was sealed at one end was opened at the other. Spans hold one reading
//! of the clock. `cargo bench --bench tls`.

use bot4::host::clock::{Clock, TscClock};
use bot4::host::histogram::Histogram;
use bot4::net::tls::{Event, Roots, Tls, client_config, server_config};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConnection, ServerConnection};
use std::io::{Read, Write};
use std::sync::Arc;

const MESSAGES: usize = 50_000;
const WARM_UP: usize = 1_000;
const NAME: &str = "venue.test";

/// Takes plaintext in and gives records out, takes records in and gives plaintext out.
trait Pair {
    /// Seals at one end.
    fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>);
    /// Opens at the other end; the plaintext's length and sum of bytes.
    fn open(&mut self, wire: &mut [u8]) -> (usize, u64);
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

struct Ours {
    from: Tls,
    to: Tls,
    control: Vec<u8>,
}

impl Pair for Ours {
    fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        self.from.send(plain, wire).expect("an open session");
    }

    fn open(&mut self, wire: &mut [u8]) -> (usize, u64) {
        let mut seen = (0, 0);
        let opened = self.to.receive(wire, &mut self.control, &mut |event| {
            if let Event::Data(data) = event {
                seen = (seen.0 + data.len(), seen.1 + sum(data));
            }
        });
        opened.expect("authentic");
        seen
    }
}

struct Theirs {
    from: ClientConnection,
    to: ServerConnection,
    plain: Vec<u8>,
}

impl Pair for Theirs {
    fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        self.from.writer().write_all(plain).expect("memory");
        while self.from.wants_write() {
            self.from.write_tls(wire).expect("memory");
        }
    }

    fn open(&mut self, wire: &mut [u8]) -> (usize, u64) {
        let mut rest = &wire[..];
        while !rest.is_empty() {
            self.to.read_tls(&mut rest).expect("memory");
        }
        let state = self.to.process_new_packets().expect("authentic");
        self.plain.resize(state.plaintext_bytes_to_read(), 0);
        self.to.reader().read_exact(&mut self.plain).expect("memory");
        (self.plain.len(), sum(&self.plain))
    }
}

fn pairs() -> (Ours, Theirs) {
    let made = rcgen::generate_simple_self_signed(vec![NAME.into()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let client = client_config(&Roots::Only(vec![certificate.clone()])).expect("a configuration");
    let server = server_config(vec![certificate], key).expect("a configuration");

    let mut ours = Ours {
        from: Tls::client(Arc::clone(&client), NAME).expect("a client"),
        to: Tls::server(Arc::clone(&server)).expect("a server"),
        control: Vec::new(),
    };
    let (mut up, mut down) = (Vec::new(), Vec::new());
    ours.from.opening(&mut up).expect("a hello");
    while !(ours.from.is_open() && ours.to.is_open() && up.is_empty()) {
        ours.to.receive(&mut std::mem::take(&mut up), &mut down, &mut |_| {}).expect("handshake");
        ours.from.receive(&mut std::mem::take(&mut down), &mut up, &mut |_| {}).expect("handshake");
    }

    let name = ServerName::try_from(NAME).expect("a name");
    let mut theirs = Theirs {
        from: ClientConnection::new(client, name).expect("a client"),
        to: ServerConnection::new(server).expect("a server"),
        plain: Vec::new(),
    };
    for _ in 0..6 {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        while theirs.from.wants_write() {
            theirs.from.write_tls(&mut up).expect("memory");
        }
        theirs.to.read_tls(&mut &up[..]).expect("memory");
        theirs.to.process_new_packets().expect("handshake");
        while theirs.to.wants_write() {
            theirs.to.write_tls(&mut down).expect("memory");
        }
        theirs.from.read_tls(&mut &down[..]).expect("memory");
        theirs.from.process_new_packets().expect("handshake");
    }
    assert!(!theirs.from.is_handshaking() && !theirs.to.is_handshaking());
    (ours, theirs)
}

/// Spans of sealing and of opening messages of a length.
fn time(pair: &mut dyn Pair, len: usize, clock: &TscClock) -> [Histogram; 2] {
    let mut spans = [Histogram::new(), Histogram::new()];
    let mut plain = vec![0; len];
    let mut wire = Vec::with_capacity(4 * len);
    for message in 0..WARM_UP + MESSAGES {
        plain.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 7 + message) as u8);
        wire.clear();
        let began = clock.now();
        pair.seal(&plain, &mut wire);
        let sealed = clock.now();
        let seen = pair.open(&mut wire);
        let opened = clock.now();
        assert_eq!(seen, (len, sum(&plain)), "what was sealed was opened");
        if message >= WARM_UP {
            spans[0].record(sealed.since(began).0);
            spans[1].record(opened.since(sealed).0);
        }
    }
    spans
}

fn main() {
    let clock = TscClock::calibrate();
    let (mut ours, mut theirs) = pairs();
    println!(
        "ns; opening includes a sum over the plaintext; a clock reading is {:.0} ns",
        clock.overhead_ns()
    );
    println!(
        "{:<24}{:>9}{:>9}{:>9}{:>12}{:>9}{:>9}{:>8}",
        "", "ours p50", "p99", "p99.9", "rustls p50", "p99", "p99.9", "ratio"
    );
    for (name, len) in
        [("order of 320 B", 320), ("frame of 170 B", 170), ("frame of 1600 B", 1_600)]
    {
        let (mine, rival) = (time(&mut ours, len, &clock), time(&mut theirs, len, &clock));
        for (what, (mine, rival)) in ["seal", "open"].iter().zip(mine.iter().zip(&rival)) {
            let (a, b) = (mine.summary(), rival.summary());
            println!(
                "{:<24}{:>9}{:>9}{:>9}{:>12}{:>9}{:>9}{:>7.2}x",
                format!("{what} {name}"),
                a.p50,
                a.p99,
                a.p999,
                b.p50,
                b.p99,
                b.p999,
                b.p50 as f64 / a.p50 as f64
            );
        }
    }
}
