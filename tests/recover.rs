//! A lane recovered from what its recorder wrote is the lane: whole, from any snapshot on the way, after
//! any cut, and through several lives.

mod fine_keeper;

use bot4::cli::config::Config;
use bot4::host::byte_ring::{ByteConsumer, Urgency, byte_ring};
use bot4::host::cpu::Simd;
use bot4::hot::lane::{Lane, LaneConfig};
use bot4::hot::pipeline::Pipeline;
use bot4::hot::recorder::{RESERVE_WORDS, RingRecorder};
use bot4::hot::recover::{RecoverError, Replica};
use bot4::lab::exchange::{Exchange, ExchangeSettings, QueueModel};
use bot4::lab::replay;
use bot4::lab::stream::Follower;
use bot4::record::{
    Begin, Digest, ENTRY_FORMAT, Entry, EntryKind, Input, Instrument, Life, Link, LinkState,
    Scratch,
};
use bot4::units::{LaneId, Nanos, OrderId, UnixNanos, VenueId};
use bot4::venue::binance::{Family, metadata};
use fine_keeper::Fine;
use std::sync::Arc;

const FAMILY: Family = Family::UsdM;
const WALL: UnixNanos = UnixNanos(1_723_161_255_000_000_000);

/// One entry as the ring carried it.
#[derive(Clone)]
struct Written {
    kind: u16,
    at: Nanos,
    words: Vec<u64>,
}

fn instruments() -> Vec<Instrument> {
    metadata::embedded(FAMILY, VenueId(0), &["BTCUSDT", "ETHUSDT"]).expect("embedded")
}

fn config(epoch: u32) -> LaneConfig {
    LaneConfig { lane: LaneId(0), family: FAMILY, epoch }
}

fn begin(epoch: u32) -> Begin<'static> {
    Begin {
        format: ENTRY_FORMAT,
        run: 1,
        lane: LaneId(0),
        family: FAMILY.code(),
        epoch,
        order_first: OrderId::new(epoch, 1),
        order_last: OrderId::new(epoch, u64::MAX),
        wall_at_zero: WALL,
        boot: 2,
        name: "both",
    }
}

fn drain(ring: &mut ByteConsumer, into: &mut Vec<Written>) {
    while let Some((tag, words)) = ring.front() {
        let (at, words) = (Nanos(words[0]), words[1..].to_vec());
        into.push(Written { kind: tag as u16, at, words });
        ring.pop();
    }
}

/// A life of some seconds on a market of `seed`, with `lane` as an earlier one left it; what it wrote,
/// and the lane at its end.
fn live(lane: Option<Lane>, epoch: u32, seed: u64, seconds: u64) -> (Vec<Written>, Lane) {
    let listed = instruments();
    let plan = Config::default().plan(LaneId(0), &listed, 1).expect("the example's plan");
    let settings = ExchangeSettings {
        family: FAMILY,
        seed,
        rate: 500.0,
        latency_in: Nanos(200_000),
        latency_out: Nanos(200_000),
        queue_model: QueueModel::Optimistic,
        diff_period: Nanos::from_millis(100),
        wall_at_zero: WALL,
    };
    let mut exchange = Exchange::generated(&settings, &listed).expect("a market");
    let (producer, mut consumer) = byte_ring(1 << 22, RESERVE_WORDS);
    let mut recorder = RingRecorder::new(producer, Arc::new(Fine), 1, false);
    let mut push = |entry: &Entry<'_>| {
        recorder.push(Nanos(0), entry, Urgency::Ordinary).expect("the ring is empty");
    };
    push(&Entry::Begin(begin(epoch)));
    listed.iter().for_each(|of| push(&Entry::Instrument(*of)));
    let lane = lane.unwrap_or_else(|| Lane::new(config(epoch), &listed));
    let lane = Pipeline::with(lane, FAMILY, &listed, Simd::detect(), WALL);
    let mut lane = lane.recording(recorder);
    let mut written = Vec::new();
    let life = Input::Life(Life { epoch, wall_at_zero: WALL });
    let probe = &mut bot4::host::probe::NoProbe;
    assert!(lane.on_input(life, Nanos(0), probe, &mut |_, _| {}));
    let until = Some(Nanos(seconds * Nanos::SECOND.0));
    replay::record(&mut lane, &mut exchange, &plan, until);
    let down = Input::Link(Link::Orders, LinkState::Down);
    assert!(lane.on_input(down, Nanos((seconds + 2) * Nanos::SECOND.0), probe, &mut |_, _| {}));
    drain(&mut consumer, &mut written);
    assert_eq!(lane.counts().unrecorded, 0);
    let end = lane.lane().clone();
    (written, end)
}

fn apply(replica: &mut Replica, written: &[Written]) -> Result<(), RecoverError> {
    let mut scratch = Scratch::new();
    for of in written {
        let entry = Entry::read(of.kind, &of.words, &mut scratch).expect("it was written");
        replica.apply(of.at, &entry)?;
    }
    Ok(())
}

#[test]
fn a_lane_is_recovered_whole_and_from_every_snapshot() {
    let (written, lane) = live(None, 16, 11, 10);
    let mut replica = Replica::new();
    apply(&mut replica, &written).expect("it follows");
    assert_eq!(replica.lane().map(Lane::digest), Some(lane.digest()));
    let counts = replica.counts();
    assert!(counts.judgements > 20 && counts.digests >= 4, "{counts:?}");
    // Asked after every record, as a writer whose turns end anywhere would ask.
    let mut follower: Follower = Follower::new(Replica::new(), 0, 83);
    let (mut snapshots, mut put_off) = (Vec::new(), 0);
    for (at, of) in written.iter().enumerate() {
        follower.take(at as u64 + 1, of.at, of.kind, &of.words).expect("it follows");
        let due = (at + 1) % 83 == 0;
        match follower.snapshot() {
            Some(bytes) => snapshots.push((at + 1, bytes)),
            None => put_off += usize::from(due),
        }
    }
    assert!(snapshots.len() > 20 && put_off > 0, "{} and {put_off}", snapshots.len());
    let mut words = vec![0; Entry::End.words()];
    Entry::End.write(&mut words);
    let (at, last) = (written.len() as u64 + 1, written.last().expect("many").at);
    follower.take(at, last, EntryKind::End.code(), &words).expect("a life ends");
    let ended = follower.snapshot().expect("due at the orderly end");
    let back = Replica::load(&ended).expect("it was saved");
    assert!(back.has_ended() && follower.snapshot().is_none(), "once");
    assert_eq!(back.lane().map(Lane::digest), Some(lane.digest()));
    for (from, bytes) in snapshots {
        let mut late = Replica::load(&bytes).expect("it was saved");
        apply(&mut late, &written[from..]).expect("it follows");
        assert_eq!(late.lane().map(Lane::digest), Some(lane.digest()), "from {from}");
        assert_eq!(late.counts(), counts, "from {from}");
        assert_eq!(late.wall(), UnixNanos(WALL.0 + 12 * Nanos::SECOND.0));
    }
}

#[test]
fn a_life_after_a_kill_begins_where_the_journal_ends() {
    let (first, _) = live(None, 16, 12, 6);
    for cut in [first.len() / 3, first.len() / 2, first.len() - 1] {
        let mut replica = Replica::new();
        apply(&mut replica, &first[..cut]).expect("it follows");
        assert_eq!(replica.next_epoch(), 32);
        let left = replica.lane_for(config(32), &instruments()).expect("the same lane");
        let (second, lane) = live(left, 32, 13, 4);
        let mut both = Replica::new();
        apply(&mut both, &first[..cut]).expect("it follows");
        apply(&mut both, &second).expect("a life follows a life");
        assert_eq!(both.lane().map(Lane::digest), Some(lane.digest()), "cut at {cut}");
        assert_eq!(both.counts().lives, 2);
    }
}

#[test]
fn canary_a_missing_or_changed_entry_is_named() {
    let (written, _) = live(None, 16, 14, 5);
    let find = |kind: EntryKind| {
        let is = |(_, of): &(usize, &Written)| of.kind == kind.code();
        written.iter().enumerate().filter(is).map(|(at, _)| at).nth(3).expect("there are some")
    };
    let spoilt = |change: &dyn Fn(&mut Vec<Written>)| {
        let mut changed = written.clone();
        change(&mut changed);
        apply(&mut Replica::new(), &changed).expect_err("it is spoilt")
    };
    let (fill, judgement) = (find(EntryKind::Execution), find(EntryKind::Judgement));
    let missing = spoilt(&|of| _ = of.remove(fill));
    assert!(matches!(missing, RecoverError::Sequence { .. }), "{missing}");
    let unjudged = spoilt(&|of| _ = of.remove(judgement));
    assert!(matches!(unjudged, RecoverError::Judgement { .. }), "{unjudged}");
    let other = spoilt(&|of| of[find(EntryKind::Digest)].words[1] ^= 1);
    assert!(matches!(other, RecoverError::Digest { .. }), "{other}");
    let early = spoilt(&|of| _ = of.drain(..1));
    assert!(matches!(early, RecoverError::NoBegin { .. }), "{early}");
    let newer = Begin { format: ENTRY_FORMAT + 1, ..begin(1) };
    let newer = Replica::new().apply(Nanos(0), &Entry::Begin(newer)).expect_err("it is newer");
    assert!(newer.to_string().contains("newer bot4"), "{newer}");
}

#[test]
fn instruments_may_change_only_where_nothing_is_held() {
    let (written, lane) = live(None, 16, 15, 6);
    let held = lane.ledger().accounts().iter().position(|of| of.position().0 != 0);
    let held = held.expect("six seconds end with a position");
    let recovered = || {
        let mut replica = Replica::new();
        apply(&mut replica, &written).expect("it follows");
        replica
    };
    let mut listed = instruments();
    listed[held].lot = listed[1 - held].lot;
    listed[held].tick = listed[1 - held].lot;
    let error = recovered().lane_for(config(32), &listed).expect_err("steps changed");
    assert!(error.to_string().contains(listed[held].symbol.as_str()), "{error}");
    let mut listed = instruments();
    listed[held].fees.maker = bot4::units::Rate(7);
    let kept = recovered().lane_for(config(32), &listed).expect("steps are the same");
    let positions =
        |of: &Lane| of.ledger().accounts().iter().map(|a| a.position()).collect::<Vec<_>>();
    assert_eq!(kept.as_ref().map(positions), Some(positions(&lane)));
    let other = LaneConfig { lane: LaneId(3), ..config(32) };
    let error = recovered().lane_for(other, &instruments()).expect_err("another lane");
    assert!(matches!(error, RecoverError::OtherLane { found: 0, expected: 3 }), "{error}");
}

#[test]
fn a_full_ring_halts_the_lane_and_consumes_nothing_more() {
    let listed = instruments();
    let plan = Config::default().plan(LaneId(0), &listed, 1).expect("the example's plan");
    let (producer, mut consumer) = byte_ring(2 * RESERVE_WORDS, RESERVE_WORDS);
    let lane =
        Pipeline::with(Lane::new(config(16), &listed), FAMILY, &listed, Simd::detect(), WALL);
    let mut lane = lane.recording(RingRecorder::new(producer, Arc::new(Fine), 1, false));
    let (mut now, probe) = (Nanos(0), &mut bot4::host::probe::NoProbe);
    let mut written = vec![Written { kind: EntryKind::Begin.code(), at: now, words: Vec::new() }];
    let mut words = vec![0; Entry::Begin(begin(16)).words()];
    Entry::Begin(begin(16)).write(&mut words);
    written[0].words = words;
    for of in &listed {
        let mut words = vec![0; Entry::Instrument(*of).words()];
        Entry::Instrument(*of).write(&mut words);
        written.push(Written { kind: EntryKind::Instrument.code(), at: now, words });
    }
    let life = Life { epoch: 16, wall_at_zero: WALL };
    for input in [
        Input::Life(life),
        Input::Plan(&plan),
        Input::Link(Link::Orders, LinkState::Up),
        Input::Command(bot4::record::Command::Activate, bot4::record::Source::Run),
    ] {
        assert!(lane.on_input(input, now, probe, &mut |_, _| {}));
    }
    let mut taken = 0u64;
    while lane.on_input(Input::Timer, now, probe, &mut |_, _| {}) {
        now = now.plus(Nanos(1_000));
        taken += 1;
        assert!(taken < 1_000_000, "a ring that is never full");
    }
    assert!(lane.take_overflow() && !lane.take_overflow());
    assert_eq!(lane.lane().mode(), bot4::record::Mode::Halted);
    let sequence = lane.lane().sequence();
    assert!(!lane.on_input(Input::Timer, now, probe, &mut |_, _| {}), "still full");
    assert_eq!(lane.lane().sequence(), sequence, "what is not recorded has not happened");
    let down = Input::Link(Link::Orders, LinkState::Down);
    assert!(lane.on_input(down, now, probe, &mut |_, _| {}), "the reserve is for this");
    let digest: Digest = lane.lane().digest();
    drain(&mut consumer, &mut written);
    let mut replica = Replica::new();
    apply(&mut replica, &written).expect("the halt is in the journal");
    assert_eq!(replica.lane().map(Lane::digest), Some(digest));
    assert!(lane.on_input(Input::Timer, now, probe, &mut |_, _| {}), "there is room again");
}
