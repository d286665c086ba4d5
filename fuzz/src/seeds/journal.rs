//! Seeds of the journal: every kind of entry, scripts of segments, snapshots, states of a lane.

use super::super::journal::{LANE, SNAPSHOT_HEAD, saved};
use super::super::market::instruments;
use super::super::orders::NOW;
use super::headed;
use bot4::host::probe::NoProbe;
use bot4::hot::lane::Lane;
use bot4::hot::outbox::Outbox;
use bot4::journal::{Chain, Snapshot, Stream};
use bot4::record::{
    Adjustment, AdoptedOrder, Begin, BookTicker, Command, DepthDiff, DepthSnapshot, Digest,
    ENTRY_FORMAT, Entry, ExecutionKind, ExecutionReport, Holding, Input, Intent, Judgement, Level,
    Life, Link, LinkState, MarketEvent, OrderAction, OrderType, Plan, ServiceTime, Source, Stamp,
    TimeInForce, Trade, Verdict,
};
use bot4::units::{InstrumentId, LaneId, Lots, Money, Nanos, OrderId, Side, Ticks, UnixNanos};
use bot4::venue::binance::Family;

const FIRST: InstrumentId = InstrumentId(0);
const ORDER: OrderId = OrderId::new(1, 5);

fn level(price: i64, lots: i64) -> Level {
    Level { price: Ticks(price), lots: Lots(lots) }
}

fn bytes_of(entry: &Entry<'_>) -> Vec<u8> {
    let mut words = vec![0; entry.words()];
    entry.write(&mut words);
    headed(&entry.kind().code().to_le_bytes(), bytemuck::cast_slice::<u64, u8>(&words))
}

/// What a lane lives by, in an order in which it could.
fn inputs<'a>(levels: &'a [Level], plan: &'a Plan) -> Vec<Input<'a>> {
    let (bids, asks) = levels.split_at(levels.len() / 2);
    let diff = DepthDiff {
        instrument: FIRST,
        first_update: 11,
        last_update: 12,
        previous_update: Some(10),
        event_time: NOW,
        transaction_time: NOW,
        bids,
        asks,
    };
    let snapshot = DepthSnapshot { instrument: FIRST, last_update: 10, bids, asks };
    let ticker = BookTicker {
        instrument: FIRST,
        update: 13,
        bid: bids[0],
        ask: asks[0],
        event_time: NOW,
        transaction_time: NOW,
    };
    let trade = Trade {
        instrument: FIRST,
        id: 2,
        price: asks[0].price,
        lots: Lots(4),
        aggressor: Side::Buy,
        aggregated: true,
        on_book: true,
        event_time: NOW,
        transaction_time: NOW,
    };
    let adopted = AdoptedOrder {
        order: ORDER,
        venue_order: 77,
        instrument: FIRST,
        side: Side::Sell,
        price: asks[0].price,
        lots: Lots(5),
    };
    let fill = ExecutionReport {
        venue_order: 77,
        trade_id: 78,
        side: Side::Sell,
        price: asks[0].price,
        lots: Lots(5),
        last_price: asks[0].price,
        last_lots: Lots(4),
        filled_lots: Lots(4),
        fee: Money(-375),
        maker: true,
        venue_time: NOW,
        ..ExecutionReport::bare(ExecutionKind::Fill, FIRST, ORDER)
    };
    vec![
        Input::Life(Life { epoch: 1, wall_at_zero: NOW }),
        Input::Plan(plan),
        Input::Adopted(adopted),
        Input::Adjustment(Adjustment { instrument: FIRST, lots: Lots(-2), cash: Money(-3) }),
        Input::Holding(Holding { instrument: FIRST, base: Money(-5) }),
        Input::Link(Link::Market, LinkState::Up),
        Input::Link(Link::Orders, LinkState::Up),
        Input::Market(MarketEvent::Snapshot(snapshot)),
        Input::Market(MarketEvent::Depth(diff)),
        Input::Market(MarketEvent::Ticker(ticker)),
        Input::Market(MarketEvent::Trade(trade)),
        Input::Market(MarketEvent::Other),
        Input::Execution(fill),
        Input::Timer,
        Input::Service(ServiceTime { p99: Nanos(7), frames: 8 }),
        Input::Command(Command::Flatten, Source::Operator),
        Input::MarketFault(Some(FIRST)),
        Input::MarketFault(None),
    ]
}

fn levels() -> Vec<Level> {
    vec![level(618_000, 5), level(617_900, 9), level(618_010, 6), level(618_100, 0)]
}

/// An entry of every kind.
pub fn entries() -> Vec<Vec<u8>> {
    let (levels, plan) = (levels(), Plan::none());
    let mut all: Vec<Vec<u8>> = inputs(&levels, &plan)
        .into_iter()
        .zip(1..)
        .map(|(input, sequence)| bytes_of(&Entry::Input { sequence, input }))
        .collect();
    let intent = Intent {
        action: OrderAction::Replace,
        instrument: FIRST,
        order: ORDER,
        replaces: OrderId(6),
        side: Side::Sell,
        order_type: OrderType::PostOnly,
        time_in_force: TimeInForce::FillOrKill,
        reduce_only: true,
        price: Ticks(-7),
        lots: Lots(8),
    };
    let judgement = Judgement {
        intent,
        verdict: Verdict::SelfTrade,
        level: 3,
        plan: 4,
        bid: Some(level(1, 2)),
        ask: None,
        book_at: Nanos(5),
        at: Nanos(6),
    };
    let begin = Begin {
        format: ENTRY_FORMAT,
        run: 1 << 100 | 5,
        lane: LaneId(1),
        family: 1,
        epoch: 3,
        order_first: OrderId::new(3, 1),
        order_last: OrderId::new(3, 1_000),
        wall_at_zero: UnixNanos(4),
        boot: u128::MAX - 1,
        name: "bitcoin",
    };
    all.extend([
        bytes_of(&Entry::Begin(begin)),
        bytes_of(&Entry::Instrument(instruments(Family::CoinM)[0])),
        bytes_of(&Entry::RawFrame { link: Link::Market, bytes: b"{\"e\":\"x\"}" }),
        bytes_of(&Entry::Judgement { input: 1, judgement }),
        bytes_of(&Entry::Digest(Digest { input: 1, state_hash: 2, orders_hash: 3 })),
        bytes_of(&Entry::Note("the venue was silent for 3 s")),
        bytes_of(&Entry::End),
    ]);
    all
}

/// Honest streams of one and two segments, and each harm to them.
pub fn segments() -> Vec<Vec<u8>> {
    let record = |kind: u8, words: u8| {
        let mut bytes = vec![1, kind, words];
        bytes.extend((0..words).flat_map(|word| u64::from(word).to_le_bytes()));
        bytes
    };
    let (one, two, marker, turn) = (record(2, 1), record(17, 3), vec![0x80], vec![0xC0]);
    let short = [&one[..], &two, &marker, &one].concat();
    let long = [&one[..], &marker, &two, &turn, &one, &marker, &two, &one].concat();
    let stray = [&one[..], &marker, &two, &[0xD0, 3, 9, 9, 9], &one, &[0xF0], &marker].concat();
    let mut all = Vec::new();
    for harm in 0..7u8 {
        for script in [&short, &long, &stray] {
            let place = (4_100 + 37 * u64::from(harm)) | (u64::from(harm % 2) << 56);
            let mut head = vec![harm];
            head.extend_from_slice(&place.to_le_bytes());
            all.push(headed(&head, script));
        }
    }
    all
}

pub fn snapshot_files() -> Vec<Vec<u8>> {
    let stream = Stream { run: 5, lane: 1 };
    let of = |bytes: &[u8]| {
        let chain = Chain::start(stream);
        let file = Snapshot { stream, sequence: 9, chain, bytes: bytes.to_vec() }.to_file();
        assert_eq!(
            file.len(),
            SNAPSHOT_HEAD + bytes.len(),
            "the head is as long as the target says"
        );
        file
    };
    vec![headed(&[1], of(b"a state")), headed(&[0], of(b"another")), headed(&[1], of(b""))]
}

/// A lane before its first input, and after each of some.
pub fn lane_states() -> Vec<Vec<u8>> {
    let (levels, plan) = (levels(), Plan::none());
    let mut lane = Lane::new(LANE, instruments(Family::UsdM));
    let mut outbox = Outbox::new();
    let mut all = vec![saved(&mut lane)];
    for (input, sequence) in inputs(&levels, &plan).into_iter().zip(1..) {
        outbox.clear();
        let stamp = Stamp { received: Nanos(sequence * 1_000_000), sequence };
        lane.step(stamp, input, &mut NoProbe, &mut outbox);
        if sequence % 4 == 0 {
            all.push(saved(&mut lane));
        }
    }
    all
}
