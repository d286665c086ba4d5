//! The simulated network: what TCP promises, what each fault does, and that a seed repeats itself.

use super::net::{Machine, Network, NetworkSettings, SimNet, Way};
use crate::host::net::{CloseReason, ConnId, Net, NetError, NetEvent, NetSettings, Wait};
use crate::maths::random::Random;
use crate::units::Nanos;

const CLIENT: Machine = Machine(1);
const SERVER: Machine = Machine(2);
const SEED: u64 = 11;

/// Two processes with one stream between them, and what each has heard.
struct Pair {
    network: Network,
    nets: [SimNet; 2],
    conns: [Option<ConnId>; 2],
    heard: [Vec<u8>; 2],
    reads: [usize; 2],
    ends: [Option<CloseReason>; 2],
    now: Nanos,
}

impl Pair {
    fn new(settings: NetworkSettings, seed: u64) -> Pair {
        let network = Network::new(settings, seed);
        let bounds = NetSettings { send_buffer: 4_096, ..NetSettings::default() };
        let mut nets = [CLIENT, SERVER].map(|machine| network.open(machine, &bounds));
        nets[1].listen(SERVER.at(9)).unwrap();
        let conns = [Some(nets[0].connect(SERVER.at(9)).unwrap()), None];
        let (heard, reads, ends) = (Default::default(), [0; 2], [None; 2]);
        Pair { network, nets, conns, heard, reads, ends, now: Nanos(0) }
    }

    fn connected(settings: NetworkSettings, seed: u64) -> Pair {
        let mut pair = Pair::new(settings, seed);
        pair.run(Nanos::SECOND);
        assert!(pair.conns[1].is_some() && pair.ends == [None; 2]);
        pair
    }

    fn look(&mut self, side: usize) {
        let (conn, heard) = (&mut self.conns[side], &mut self.heard[side]);
        let (reads, end) = (&mut self.reads[side], &mut self.ends[side]);
        self.nets[side]
            .poll(Wait::Busy, &mut |event| match event {
                NetEvent::Accepted { conn: of, peer, .. } => {
                    assert_eq!(peer.ip(), CLIENT.at(0).ip());
                    *conn = Some(of);
                }
                NetEvent::Received(_, bytes) => {
                    *reads += 1;
                    heard.extend_from_slice(bytes);
                }
                NetEvent::Closed(of, reason) => {
                    assert_eq!(Some(of), *conn);
                    *end = Some(reason);
                }
                NetEvent::Connected(of) => assert_eq!(Some(of), *conn),
            })
            .unwrap();
    }

    /// Lets everything happen that is due within a span.
    fn run(&mut self, span: Nanos) {
        let until = self.now.plus(span);
        while let Some(next) = self.nets.iter().filter_map(SimNet::next_time).min()
            && next <= until
        {
            self.now = self.now.max(next);
            self.network.set_time(self.now);
            (0..2).for_each(|side| self.look(side));
        }
        self.now = until;
        self.network.set_time(until);
    }

    fn send(&mut self, side: usize, bytes: &[u8]) -> Result<(), NetError> {
        self.nets[side].send(self.conns[side].expect("a connection"), bytes)
    }
}

/// What became of random sends under random holds.
struct Talk {
    sent: [Vec<u8>; 2],
    /// What the other side heard of it.
    heard: [Vec<u8>; 2],
    traffic: (u64, u64),
}

fn converse(seed: u64, spoil: fn(&mut Vec<u8>)) -> Talk {
    let mut pair = Pair::connected(NetworkSettings::default(), seed);
    let (mut random, mut sent) = (Random::new(seed, 9), [Vec::new(), Vec::new()]);
    for step in 0..400 {
        let (side, len) = (random.below(2) as usize, 1 + random.below(300) as usize);
        let bytes: Vec<u8> = (0..len).map(|_| random.bits() as u8).collect();
        if pair.send(side, &bytes).is_ok() {
            sent[side].extend_from_slice(&bytes);
        }
        if step % 40 == 0 {
            let way = [Way::In, Way::Out, Way::Both][random.below(3) as usize];
            pair.network.hold(CLIENT, 0, way, pair.now.plus(Nanos::from_millis(40)));
        }
        pair.run(Nanos(random.below(2_000_000)));
    }
    pair.run(Nanos::SECOND);
    spoil(&mut pair.heard[1]);
    let traffic = pair.network.traffic();
    let [first, second] = pair.heard;
    Talk { sent, heard: [second, first], traffic }
}

#[test]
fn a_stream_keeps_its_bytes_and_their_order() {
    for seed in 0..40 {
        let Talk { sent, heard, .. } = converse(seed, |_| {});
        assert!(sent.iter().all(|of| of.len() > 10_000), "seed {seed}: too little was sent");
        assert!(heard == sent, "seed {seed}");
    }
}

#[test]
fn canary_swapped_bytes_are_caught() {
    let Talk { sent, heard, .. } = converse(SEED, |bytes| {
        let at = bytes.windows(2).position(|two| two[0] != two[1]).expect("two bytes differ");
        bytes.swap(at, at + 1);
    });
    assert!(heard != sent);
}

#[test]
fn a_seed_repeats_itself_and_another_differs() {
    let traffic = |seed| converse(seed, |_| {}).traffic;
    assert_eq!(traffic(SEED), traffic(SEED));
    assert_ne!(traffic(SEED), traffic(SEED + 1));
}

#[test]
fn pieces_are_torn_and_merged() {
    let settings = NetworkSettings { cut: 1.0, join: 0.0, ..NetworkSettings::default() };
    let mut torn = Pair::connected(settings, SEED);
    torn.send(0, &[7; 100]).unwrap();
    torn.run(Nanos::SECOND);
    assert!(torn.reads[1] > 1 && torn.heard[1] == [7; 100], "{} reads", torn.reads[1]);

    let settings = NetworkSettings { cut: 0.0, join: 1.0, ..NetworkSettings::default() };
    let mut merged = Pair::connected(settings, SEED);
    merged.network.hold(CLIENT, 0, Way::Out, merged.now.plus(Nanos::from_millis(9)));
    (0..5).for_each(|_| merged.send(0, b"ab").unwrap());
    merged.run(Nanos::SECOND);
    assert_eq!((merged.reads[1], &merged.heard[1][..]), (1, &b"ababababab"[..]));
}

#[test]
fn nobody_listens_or_wants_to() {
    let network = Network::new(NetworkSettings::default(), SEED);
    let mut client = network.open(CLIENT, &NetSettings::default());
    let mut server = network.open(SERVER, &NetSettings::default());
    let mut outcome = |at: u64| {
        let conn = client.connect(SERVER.at(9)).unwrap();
        let mut reason = None;
        network.set_time(Nanos(at));
        server.poll(Wait::Busy, &mut |_| {}).unwrap();
        network.set_time(Nanos(at + 1_000_000_000));
        let mut on = |event: NetEvent<'_>| {
            if let NetEvent::Closed(of, why) = event {
                assert_eq!(of, conn);
                reason = Some(why);
            }
        };
        client.poll(Wait::Busy, &mut on).unwrap();
        (reason, client.close(conn)).0
    };
    assert_eq!(outcome(1_000_000_000), Some(CloseReason::Refused), "nobody listens");
    let mut server = network.open(SERVER, &NetSettings::default());
    server.listen(SERVER.at(9)).unwrap();
    assert!(matches!(server.listen(SERVER.at(9)), Err(NetError::AddressInUse { .. })));
    assert!(matches!(server.listen(CLIENT.at(9)), Err(NetError::Address { .. })));
    network.refuse(SERVER, Nanos(5_000_000_000));
    assert_eq!(outcome(3_000_000_000), Some(CloseReason::Refused), "not wanted");
}

#[test]
fn every_slot_may_be_taken() {
    let network = Network::new(NetworkSettings::default(), SEED);
    let bounds = NetSettings { connections: 1, ..NetSettings::default() };
    let mut server = network.open(SERVER, &bounds);
    server.listen(SERVER.at(9)).unwrap();
    let mut client = network.open(CLIENT, &NetSettings::default());
    let second = [client.connect(SERVER.at(9)).unwrap(), client.connect(SERVER.at(9)).unwrap()][1];
    network.set_time(Nanos::SECOND);
    server.poll(Wait::Busy, &mut |_| {}).unwrap();
    assert_eq!(server.stats().accepts_dropped, 1);
    network.set_time(Nanos(2_000_000_000));
    let mut reset = None;
    client
        .poll(Wait::Busy, &mut |event| {
            if let NetEvent::Closed(conn, why) = event {
                reset = Some((conn, why));
            }
        })
        .unwrap();
    assert_eq!(reset, Some((second, CloseReason::Reset)));
    let mut narrow = network.open(CLIENT, &bounds);
    narrow.connect(SERVER.at(9)).unwrap();
    let refused = narrow.connect(SERVER.at(9));
    assert!(matches!(refused, Err(NetError::TooManyConnections { bound: 1 })));
}

#[test]
fn a_stream_ends_by_reset_by_close_and_by_a_proxy() {
    let mut pair = Pair::connected(NetworkSettings::default(), SEED);
    pair.send(0, b"lost").unwrap();
    pair.network.reset(CLIENT, 0);
    pair.run(Nanos::SECOND);
    assert_eq!(pair.ends, [Some(CloseReason::Reset); 2]);
    assert!(pair.heard[1].is_empty() && pair.send(0, b"x").is_err());

    let mut pair = Pair::connected(NetworkSettings::default(), SEED);
    pair.send(0, b"last words").unwrap();
    let conn = pair.conns[0].unwrap();
    pair.nets[0].close(conn);
    assert!(matches!(pair.send(0, b"x"), Err(NetError::Closed { .. })));
    pair.run(Nanos::SECOND);
    assert_eq!(pair.ends, [Some(CloseReason::Local), Some(CloseReason::Peer)]);
    assert_eq!(pair.heard[1], b"last words");

    let mut pair = Pair::connected(NetworkSettings::default(), SEED);
    pair.network.finish(SERVER, 3);
    pair.run(Nanos::SECOND);
    assert_eq!(pair.ends, [Some(CloseReason::Peer); 2]);
    assert_eq!(pair.network.streams(CLIENT), 0);
}

#[test]
fn a_half_open_stream_is_silent_until_patience_ends() {
    let mut pair = Pair::connected(NetworkSettings::default(), SEED);
    pair.network.hold(CLIENT, 0, Way::Out, Nanos(u64::MAX));
    pair.send(0, b"nobody hears").unwrap();
    pair.send(1, b"this arrives").unwrap();
    pair.run(Nanos(19 * 1_000_000_000));
    assert_eq!((pair.ends, &pair.heard[1][..]), ([None; 2], &[][..]));
    assert_eq!(pair.heard[0], b"this arrives");
    pair.run(Nanos(2 * 1_000_000_000));
    assert_eq!(pair.ends, [Some(CloseReason::TimedOut), None], "the other end is not told");
    pair.send(1, b"is anybody there?").unwrap();
    pair.run(Nanos::SECOND);
    assert_eq!(pair.ends[1], Some(CloseReason::Reset));
}

#[test]
fn a_full_send_buffer_takes_nothing() {
    let mut pair = Pair::connected(NetworkSettings::default(), SEED);
    pair.network.narrow(CLIENT, 0, 10, pair.now.plus(Nanos::SECOND));
    pair.send(0, b"eight by").unwrap();
    let refused = pair.send(0, b"tes");
    assert!(matches!(refused, Err(NetError::Full { queued: 8, capacity: 10, asked: 3, .. })));
    pair.run(Nanos::from_millis(900));
    assert_eq!(pair.heard[1], b"eight by");
    pair.run(Nanos::SECOND);
    pair.send(0, &[1; 4_096]).unwrap();
    assert!(pair.send(0, &[1]).is_err(), "the peer has not read yet");
}

#[test]
fn a_machine_cut_off_comes_back_late_or_not_in_time() {
    let mut pair = Pair::connected(NetworkSettings::default(), SEED);
    pair.network.cut_off(SERVER, pair.now.plus(Nanos::SECOND));
    pair.send(0, b"late").unwrap();
    pair.run(Nanos::from_millis(999));
    assert!(pair.heard[1].is_empty());
    pair.run(Nanos::from_millis(2));
    assert_eq!((&pair.heard[1][..], pair.ends), (&b"late"[..], [None; 2]));

    pair.network.cut_off(SERVER, pair.now.plus(Nanos(60 * 1_000_000_000)));
    let conn = pair.nets[0].connect(SERVER.at(9)).unwrap();
    pair.conns[0] = Some(conn);
    pair.run(Nanos(21 * 1_000_000_000));
    assert_eq!(pair.ends[0], Some(CloseReason::TimedOut));
}

#[test]
fn a_killed_process_is_heard_of_and_a_powerless_machine_is_not() {
    let mut pair = Pair::connected(NetworkSettings::default(), SEED);
    pair.send(0, b"an order").unwrap();
    pair.network.kill(CLIENT);
    pair.run(Nanos::SECOND);
    assert_eq!(pair.ends[1], Some(CloseReason::Peer));
    assert_eq!(pair.heard[1], b"an order", "the kernel outlives the process");

    let mut pair = Pair::connected(NetworkSettings::default(), SEED);
    pair.network.lose_power(CLIENT);
    pair.run(Nanos(60 * 1_000_000_000));
    assert_eq!(pair.ends[1], None);
    pair.send(1, b"hello?").unwrap();
    pair.run(Nanos::SECOND);
    assert_eq!(pair.ends[1], None);
    let _again = pair.network.open(CLIENT, &NetSettings::default());
    pair.run(Nanos::SECOND);
    assert_eq!(pair.ends[1], Some(CloseReason::Reset), "the new life knows nothing of it");
}
