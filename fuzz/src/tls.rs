//! TLS, both ends: nothing that the peer did not send is ever delivered.

use super::{Bytes, pieces};
use bot4::net::tls::{Error, Event, Roots, Tls, client_config, server_config};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ServerConfig};
use std::sync::{Arc, OnceLock};

const NAME: &str = "venue.test";
/// Longest run of messages sealed for one input.
const PLAIN_MAX: usize = 64 * 1_024;

struct Configs {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// A certificate of this process's own, which the client trusts.
fn configs() -> &'static Configs {
    static CONFIGS: OnceLock<Configs> = OnceLock::new();
    CONFIGS.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec![NAME.into()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("its key");
        let chain: Vec<CertificateDer<'static>> = vec![made.cert.der().clone()];
        Configs {
            client: client_config(&Roots::Only(chain.clone())).expect("a client"),
            server: server_config(chain, key).expect("a server"),
        }
    })
}

fn ends() -> [Tls; 2] {
    let configs = configs();
    [
        Tls::client(Arc::clone(&configs.client), NAME).expect("a client"),
        Tls::server(Arc::clone(&configs.server)).expect("a server"),
    ]
}

/// What one end delivered, answered, and why it gave up.
#[derive(Default)]
struct Heard {
    open: bool,
    closed: bool,
    data: Vec<u8>,
    answers: Vec<u8>,
    error: Option<Error>,
}

impl Heard {
    fn feed(&mut self, end: &mut Tls, plan: u8, bytes: &[u8]) {
        for piece in pieces(plan, bytes) {
            let mut piece = piece.to_vec();
            let Heard { open, closed, data, answers, error } = self;
            let result = end.receive(&mut piece, answers, &mut |event| match event {
                Event::Open => *open = true,
                Event::Data(plain) => data.extend_from_slice(plain),
                Event::Closed => *closed = true,
            });
            if let Err(why) = result {
                assert!(!end.is_open(), "a session that failed is over");
                assert!(!why.to_string().is_empty(), "a refusal says why");
                *error = Some(why);
                return;
            }
            if *closed {
                return;
            }
        }
    }
}

/// The first byte: which end reads, the second plans the pieces; the rest stands where its peer's
/// handshake should. No stranger gets through one.
pub fn handshake(data: &[u8]) -> bool {
    let [role, plan, bytes @ ..] = data else { return false };
    let mut outcomes = Vec::new();
    for plan in [0, *plan] {
        let [mut client, server] = ends();
        let mut end = if role % 2 == 0 {
            client.opening(&mut Vec::new()).expect("a first flight");
            client
        } else {
            server
        };
        let mut heard = Heard::default();
        heard.feed(&mut end, plan, bytes);
        assert!(!heard.open && heard.data.is_empty(), "a stranger's handshake went through");
        outcomes.push((heard.error.is_some(), heard.answers.is_empty()));
    }
    assert_eq!(outcomes[0], outcomes[1], "in pieces of plan {plan}");
    let (failed, silent) = outcomes[0];
    !failed || !silent
}

/// Two ends that have shaken hands.
fn open_pair() -> [Tls; 2] {
    let [mut client, mut server] = ends();
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    client.opening(&mut to_server).expect("a first flight");
    for _ in 0..4 {
        let (mut at_server, mut at_client) = (Heard::default(), Heard::default());
        at_server.feed(&mut server, 0, &to_server);
        to_client.append(&mut at_server.answers);
        at_client.feed(&mut client, 0, &to_client);
        to_client.clear();
        to_server = at_client.answers;
    }
    assert!(client.is_open() && server.is_open(), "our own ends understand each other");
    [client, server]
}

/// What happens to the records on their way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Harm {
    None,
    Flip,
    Cut,
    Repeat,
    Insert,
    Swap,
}

/// The head plans who speaks, the pieces and the harm; then messages as length and payload. What
/// arrives is what was sent, up to the harm and not beyond it.
pub fn records(data: &[u8]) -> bool {
    let mut bytes = Bytes(data);
    let (role, plan) = (bytes.byte(), bytes.byte());
    let harms = [Harm::None, Harm::Flip, Harm::Cut, Harm::Repeat, Harm::Insert, Harm::Swap];
    let (harm, place) = (harms[usize::from(bytes.byte()) % harms.len()], bytes.word());
    let [client, server] = open_pair();
    let (mut speaker, mut hearer) = if role % 2 == 0 { (client, server) } else { (server, client) };
    let mut sent: Vec<u8> = Vec::new();
    // Each record with the number of plain bytes before it.
    let mut records: Vec<(usize, Vec<u8>)> = Vec::new();
    while !bytes.is_empty() && sent.len() < PLAIN_MAX {
        let kind = bytes.byte();
        let mut sealed = Vec::new();
        let before = sent.len();
        if kind == 0xFF {
            speaker.renew_key(&mut sealed).expect("an open session renews its key");
        } else {
            let len = usize::from(bytes.byte()) * if kind & 1 == 1 { 97 } else { 1 };
            let mut plain = bytes.take(len.min(255)).to_vec();
            plain.resize(len, kind);
            speaker.send(&plain, &mut sealed).expect("an open session sends");
            sent.extend_from_slice(&plain);
        }
        records.push((before, sealed));
    }
    let (stream, safe) = harmed(harm, place, &records, &sent);
    let mut heard = Heard::default();
    heard.feed(&mut hearer, plan, &stream);
    assert!(sent.starts_with(&heard.data), "something arrived that was not sent");
    assert!(heard.data.len() >= safe, "what came before the harm arrives");
    if harm == Harm::None {
        assert!(heard.error.is_none() && heard.data == sent, "{:?}", heard.error);
    }
    !heard.data.is_empty()
}

/// The stream after the harm, and how many plain bytes stood before it.
fn harmed(harm: Harm, place: u64, records: &[(usize, Vec<u8>)], sent: &[u8]) -> (Vec<u8>, usize) {
    let whole: Vec<u8> = records.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    if whole.is_empty() || harm == Harm::None {
        return (whole, sent.len());
    }
    let at = (place % whole.len() as u64) as usize;
    let mut end = 0;
    let struck = records.iter().position(|(_, bytes)| {
        end += bytes.len();
        at < end
    });
    let struck = struck.expect("the place is inside");
    let safe = records[struck].0;
    let mut stream = whole.clone();
    match harm {
        Harm::None => {}
        Harm::Flip => stream[at] ^= 1 << (place >> 60 & 7),
        Harm::Cut => stream.truncate(at),
        Harm::Insert => drop(stream.splice(at..at, place.to_be_bytes())),
        Harm::Repeat | Harm::Swap => {
            let mut order: Vec<usize> = (0..records.len()).collect();
            match harm {
                Harm::Repeat => order.insert(struck, struck),
                _ => order.swap(struck, (struck + 1) % records.len()),
            }
            stream = order.iter().flat_map(|index| records[*index].1.iter().copied()).collect();
            let first = order.iter().zip(0..).position(|(is, was)| *is != was);
            let before = first.and_then(|index| records.get(index)).map_or(sent.len(), |of| of.0);
            return (stream, before);
        }
    }
    (stream, safe)
}
