//! Every entry through its bytes and back; malformed words are refused by name and never panic.

use super::*;
use crate::units::{
    Currency, Decimal, Grid, InstrumentId, LaneId, Lots, Money, Nanos, OrderId, Rate, Side, Ticks,
    UnixNanos, VenueId,
};
use proptest::prelude::*;

fn level(price: i64, lots: i64) -> Level {
    Level { price: Ticks(price), lots: Lots(lots) }
}

fn instrument() -> Instrument {
    let grid = |mantissa, scale, decimals| {
        Grid::new(Decimal { mantissa, scale }, decimals).expect("a grid")
    };
    Instrument {
        id: InstrumentId(3),
        venue: VenueId(2),
        symbol: Symbol::new("BTCUSD_PERP").expect("a symbol"),
        kind: InstrumentKind::Inverse,
        tick: grid(1, 1, 8),
        lot: grid(5, 0, 0),
        multiplier: Decimal { mantissa: 100, scale: 0 },
        base: Currency::new("BTC").expect("a code"),
        quote: Currency::new("USD").expect("a code"),
        settle: Currency::new("BTC").expect("a code"),
        filters: Filters {
            lots_min: Lots(1),
            lots_max: Lots(60_000),
            price_min: Ticks(10_000),
            price_max: Ticks(45_201_300),
            notional_min: Money(-7),
        },
        fees: FeeSchedule { maker: Rate(-10_000), taker: Rate(50_000) },
    }
}

fn report() -> ExecutionReport {
    ExecutionReport {
        venue_order: 77,
        trade_id: 78,
        side: Side::Sell,
        price: Ticks(1),
        lots: Lots(2),
        last_price: Ticks(3),
        last_lots: Lots(4),
        filled_lots: Lots(5),
        fee: Money(-(1 << 70)),
        fee_currency: Currency::new("BNB").expect("a code"),
        maker: true,
        reject_code: -2_011,
        venue_time: UnixNanos(9),
        ..ExecutionReport::bare(ExecutionKind::Fill, InstrumentId(1), OrderId::new(2, 3))
    }
}

fn intent() -> Intent {
    Intent {
        action: OrderAction::Replace,
        instrument: InstrumentId(4),
        order: OrderId(5),
        replaces: OrderId(6),
        side: Side::Sell,
        order_type: OrderType::PostOnly,
        time_in_force: TimeInForce::FillOrKill,
        reduce_only: true,
        price: Ticks(-7),
        lots: Lots(8),
    }
}

/// One of each, with levels and a plan that the caller keeps.
pub(crate) fn entries<'a>(levels: &'a [Level], plan: &'a Plan) -> Vec<Entry<'a>> {
    let judgement = Judgement {
        intent: intent(),
        verdict: Verdict::SelfTrade,
        level: 3,
        plan: 4,
        bid: Some(level(1, 2)),
        ask: None,
        book_at: Nanos(5),
        at: Nanos(6),
    };
    let diff = DepthDiff {
        instrument: InstrumentId(1),
        first_update: 2,
        last_update: 3,
        previous_update: Some(1),
        event_time: UnixNanos(4),
        transaction_time: UnixNanos(5),
        bids: levels,
        asks: &levels[1..],
    };
    let snapshot = DepthSnapshot {
        instrument: InstrumentId(1),
        last_update: 2,
        bids: &levels[..1],
        asks: levels,
    };
    let ticker = BookTicker {
        instrument: InstrumentId(9),
        update: 8,
        bid: level(7, 6),
        ask: level(8, 5),
        event_time: UnixNanos(0),
        transaction_time: UnixNanos(1),
    };
    let trade = Trade {
        instrument: InstrumentId(1),
        id: 2,
        price: Ticks(3),
        lots: Lots(4),
        aggressor: Side::Sell,
        aggregated: true,
        on_book: true,
        event_time: UnixNanos(5),
        transaction_time: UnixNanos(6),
    };
    let adopted = AdoptedOrder {
        order: OrderId(1),
        venue_order: 2,
        instrument: InstrumentId(3),
        side: Side::Sell,
        price: Ticks(4),
        lots: Lots(5),
    };
    let adjustment = Adjustment { instrument: InstrumentId(1), lots: Lots(-2), cash: Money(-3) };
    let market = [
        MarketEvent::Depth(diff),
        MarketEvent::Depth(DepthDiff { previous_update: None, bids: &[], asks: &[], ..diff }),
        MarketEvent::Snapshot(snapshot),
        MarketEvent::Ticker(ticker),
        MarketEvent::Trade(trade),
        MarketEvent::Other,
    ];
    let others = [
        Input::MarketFault(Some(InstrumentId(7))),
        Input::MarketFault(None),
        Input::Execution(report()),
        Input::Timer,
        Input::Command(Command::Flatten, Source::Operator),
        Input::Link(Link::Orders, LinkState::Down),
        Input::Plan(plan),
        Input::Life(Life { epoch: 9, wall_at_zero: UnixNanos(10) }),
        Input::Adopted(adopted),
        Input::Adjustment(adjustment),
        Input::Service(ServiceTime { p99: Nanos(7), frames: 8 }),
        Input::Holding(Holding { instrument: InstrumentId(1), base: Money(-5) }),
    ];
    let inputs = market.into_iter().map(Input::Market).chain(others);
    let mut all: Vec<Entry<'a>> =
        inputs.enumerate().map(|(at, input)| Entry::Input { sequence: at as u64, input }).collect();
    all.extend([
        Entry::Begin(Begin {
            format: ENTRY_FORMAT,
            run: 1 << 100 | 5,
            lane: LaneId(0x102),
            family: 2,
            epoch: 3,
            order_first: OrderId::new(3, 1),
            order_last: OrderId::new(3, 1_000),
            wall_at_zero: UnixNanos(4),
            boot: u128::MAX - 1,
            name: "bitcoin",
        }),
        Entry::Instrument(instrument()),
        Entry::RawFrame { link: Link::Market, bytes: b"{\"e\":\"x\"}" },
        Entry::Judgement { input: 1, judgement },
        Entry::Judgement {
            input: 2,
            judgement: Judgement { bid: None, ask: Some(level(3, 4)), ..judgement },
        },
        Entry::Digest(Digest { input: 1, state_hash: 2, orders_hash: 3 }),
        Entry::Note("the venue was silent for 3 s"),
        Entry::Note(""),
        Entry::End,
    ]);
    all
}

pub(crate) fn levels() -> Vec<Level> {
    vec![level(10, 1), level(-11, 0), level(i64::MAX, i64::MIN)]
}

pub(crate) fn plan() -> Box<Plan> {
    let mut plan = Box::new(Plan::none());
    plan.version = 42;
    plan.entries[1].making.risk = f64::NAN;
    plan
}

fn words_of(entry: &Entry<'_>) -> Vec<u64> {
    let mut words = vec![u64::MAX; entry.words()];
    entry.write(&mut words);
    words
}

/// Same words again after reading, and the same text: a NaN is no equal of itself, its text is.
fn survives(entry: &Entry<'_>) -> bool {
    let words = words_of(entry);
    let mut scratch = Scratch::new();
    let Ok(back) = Entry::read(entry.kind().code(), &words, &mut scratch) else { return false };
    words_of(&back) == words && format!("{back:?}") == format!("{entry:?}")
}

#[test]
fn every_entry_survives_its_bytes() {
    let (levels, plan) = (levels(), plan());
    let entries = entries(&levels, &plan);
    let kinds: std::collections::BTreeSet<u16> =
        entries.iter().map(|entry| entry.kind().code()).collect();
    assert_eq!(kinds.len(), EntryKind::ALL.len(), "every kind is tried");
    for entry in &entries {
        assert!(survives(entry), "{entry:?}");
    }
}

#[test]
fn every_code_of_every_small_enum_survives() {
    let report = report();
    for kind in 0..7u8 {
        let executed = Entry::Input { sequence: 1, input: Input::Execution(report) };
        let mut words = words_of(&executed);
        words[1] = words[1] & !(0xFF << 32) | u64::from(kind) << 32;
        let mut scratch = Scratch::new();
        let back = Entry::read(EntryKind::Execution.code(), &words, &mut scratch);
        let Ok(Entry::Input { input: Input::Execution(back), .. }) = back else {
            panic!("kind {kind}: {back:?}");
        };
        assert_eq!(back.kind as u8, kind);
    }
    for (code, verdict) in Verdict::ALL.into_iter().enumerate() {
        let judgement = Judgement {
            intent: intent(),
            verdict,
            level: 0,
            plan: 0,
            bid: None,
            ask: None,
            book_at: Nanos(0),
            at: Nanos(0),
        };
        assert!(survives(&Entry::Judgement { input: 3, judgement }), "verdict {code}");
    }
    for (command, source) in Command::ALL.into_iter().flat_map(|c| Source::ALL.map(|s| (c, s))) {
        let input = Input::Command(command, source);
        assert!(survives(&Entry::Input { sequence: 1, input }), "{input:?}");
    }
}

#[test]
fn an_entry_cut_anywhere_names_what_is_missing() {
    let (levels, plan) = (levels(), plan());
    for entry in entries(&levels, &plan) {
        let words = words_of(&entry);
        for cut in 0..words.len() {
            let mut scratch = Scratch::new();
            let error = Entry::read(entry.kind().code(), &words[..cut], &mut scratch)
                .expect_err("the end is missing");
            assert_eq!(error.problem, EntryProblem::Missing, "{entry:?} cut at {cut}: {error}");
            assert!(error.offset <= 8 * cut, "{error}");
        }
        let mut longer = words.clone();
        longer.push(0);
        let mut scratch = Scratch::new();
        let error = Entry::read(entry.kind().code(), &longer, &mut scratch).expect_err("too long");
        assert_eq!(error.problem, EntryProblem::LeftOver, "{error}");
    }
}

#[test]
fn a_wrong_code_is_named_with_its_place() {
    let words = [7, 0x0102];
    let mut scratch = Scratch::new();
    let error = Entry::read(EntryKind::Link.code(), &words, &mut scratch).expect_err("no link 2");
    assert_eq!(
        error.to_string(),
        "entry of kind 25, byte 8: link holds 2, which this version does not know"
    );
    let error = Entry::read(999, &words, &mut scratch).expect_err("no kind 999");
    assert_eq!(error.problem, EntryProblem::Unknown(999));
}

#[test]
fn canary_a_spoiled_word_is_caught() {
    let entry = Entry::Digest(Digest { input: 1, state_hash: 2, orders_hash: 3 });
    let mut words = words_of(&entry);
    words[1] ^= 1;
    let mut scratch = Scratch::new();
    let back = Entry::read(entry.kind().code(), &words, &mut scratch).expect("still a digest");
    assert_ne!(format!("{back:?}"), format!("{entry:?}"), "the comparison sees one bit");
}

proptest! {
    /// Whatever the words are: no panic, and what reads well is written back the same.
    #[test]
    fn any_words_are_refused_or_canonical(
        kind in prop::sample::select(EntryKind::ALL.map(|(kind, _)| kind.code()).to_vec()),
        words in prop::collection::vec(
            prop_oneof![0..4u64, any::<u64>(), (0..4u64).prop_map(|x| x << 32)],
            0..40,
        ),
    ) {
        let mut scratch = Scratch::new();
        if let Ok(entry) = Entry::read(kind, &words, &mut scratch) {
            prop_assert_eq!(words_of(&entry), words);
        }
    }

    /// One bit flipped in real words: refused, or canonical again.
    #[test]
    fn a_flipped_bit_never_panics(
        at in any::<prop::sample::Index>(),
        bit in 0..64u32,
        place in any::<prop::sample::Index>(),
    ) {
        let (levels, plan) = (levels(), plan());
        let entries = entries(&levels, &plan);
        let entry = &entries[at.index(entries.len())];
        let mut words = words_of(entry);
        if !words.is_empty() {
            let place = place.index(words.len());
            words[place] ^= 1 << bit;
            let mut scratch = Scratch::new();
            if let Ok(back) = Entry::read(entry.kind().code(), &words, &mut scratch) {
                prop_assert_eq!(words_of(&back), words);
            }
        }
    }
}
