//! The synchronisation rules against the truth: a market of known history is sent with losses,
//! repeats, reorderings and late snapshots; whenever `Sync` trusts the book, it must be the market's.

use bot4::market::book::{Book, Ladder, Tree};
use bot4::record::{DepthDiff, DepthSnapshot, Level};
use bot4::units::{InstrumentId, Lots, Side, Ticks, UnixNanos};
use bot4::venue::binance::Family;
use bot4::venue::binance::sync::{DiffStep, SnapshotStep, Sync};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The market's own history: which id set which bid to what; ids are dense, events span several.
struct Market {
    sets: Vec<(i64, i64)>,
    events: Vec<(u64, u64, u64)>,
}

/// What happens to an event on its way.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    AfterTheNext,
    /// Arrives, then a snapshot that was taken so many ids before the event's end.
    WithSnapshot(u64),
}

impl Market {
    /// `spans` are the ids of each event; on futures every third one leaves unused ids before it.
    fn new(family: Family, sets: Vec<(i64, i64)>, spans: &[u64]) -> Market {
        let (mut events, mut next, mut previous) = (Vec::new(), 1, 0);
        for (at, span) in spans.iter().enumerate() {
            let first = if family.is_futures() && at % 3 == 2 { next + 2 } else { next };
            let last = first + span - 1;
            events.push((first, last, previous));
            (next, previous) = (last + 1, last);
        }
        Market { sets, events }
    }

    fn set(&self, id: u64) -> (i64, i64) {
        self.sets[id as usize % self.sets.len()]
    }

    fn is_used(&self, id: u64) -> bool {
        self.events.iter().any(|(first, last, _)| (*first..=*last).contains(&id))
    }

    /// Bids after every set up to `id`.
    fn truth(&self, id: u64) -> Vec<Level> {
        let mut book = BTreeMap::new();
        for past in (1..=id).filter(|past| self.is_used(*past)) {
            let (price, lots) = self.set(past);
            book.insert(price, lots);
        }
        levels(book.into_iter().filter(|(_, lots)| *lots > 0).rev())
    }

    /// The last size of every price that the event's ids set.
    fn diff_levels(&self, at: usize) -> Vec<Level> {
        let (first, last, _) = self.events[at];
        levels((first..=last).map(|id| self.set(id)).collect::<BTreeMap<_, _>>().into_iter())
    }
}

fn levels(book: impl Iterator<Item = (i64, i64)>) -> Vec<Level> {
    book.map(|(price, lots)| Level { price: Ticks(price), lots: Lots(lots) }).collect()
}

struct Outcome {
    wrong: Option<String>,
    synchronised: u64,
    gaps: u64,
}

/// Sends the market through `Sync` into a Ladder; `spoil` changes a diff before `Sync` sees it.
fn run(
    family: Family,
    market: &Market,
    fates: &[Fate],
    spoil: &dyn Fn(&mut DepthDiff<'_>),
) -> Outcome {
    let mut order = Vec::new();
    for at in 0..market.events.len() {
        match fates[at % fates.len()] {
            Fate::Arrives => order.push((at, None)),
            Fate::Lost => {}
            Fate::Twice => order.extend([(at, None), (at, None)]),
            Fate::AfterTheNext => {
                order.push((at, None));
                let len = order.len();
                if len > 1 {
                    order.swap(len - 1, len - 2);
                }
            }
            Fate::WithSnapshot(age) => order.push((at, Some(age))),
        }
    }
    let (mut sync, mut book) = (Sync::new(family), Ladder::new());
    let mut outcome = Outcome { wrong: None, synchronised: 0, gaps: 0 };
    let judge = |book: &Ladder, outcome: &mut Outcome| {
        let (mut held, mut honest) = (Vec::new(), Tree::new());
        book.visit(Side::Buy, &mut |level| {
            held.push(level);
            true
        });
        let truth = market.truth(book.last_update());
        truth.iter().for_each(|level| honest.set(Side::Buy, *level));
        honest.commit(book.last_update());
        outcome.synchronised += 1;
        if outcome.wrong.is_none()
            && (held != truth || book.content_hash() != honest.content_hash())
        {
            outcome.wrong = Some(format!("at {}: {held:?} for {truth:?}", book.last_update()));
        }
    };
    for (at, snapshot_age) in order {
        let (first_update, last_update, previous) = market.events[at];
        let bids = market.diff_levels(at);
        let mut diff = DepthDiff {
            instrument: InstrumentId(0),
            first_update,
            last_update,
            previous_update: family.is_futures().then_some(previous),
            event_time: UnixNanos(0),
            transaction_time: UnixNanos(0),
            bids: &bids,
            asks: &[],
        };
        spoil(&mut diff);
        if sync.on_diff(&diff) == DiffStep::Apply {
            book.apply(&diff);
        }
        if let Some(age) = snapshot_age {
            let last_update = last_update.saturating_sub(age);
            let bids = market.truth(last_update);
            if sync.on_snapshot(last_update) == SnapshotStep::Load {
                let instrument = InstrumentId(0);
                book.load(&DepthSnapshot { instrument, last_update, bids: &bids, asks: &[] });
                sync.replay(&mut |diff| book.apply(diff));
            }
        }
        if sync.is_synchronised() {
            judge(&book, &mut outcome);
        }
    }
    outcome.gaps = sync.gaps();
    outcome
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => Just(Fate::Arrives),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Twice),
        1 => Just(Fate::AfterTheNext),
        3 => (0u64..12).prop_map(Fate::WithSnapshot),
    ]
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Spot), Just(Family::UsdM), Just(Family::CoinM)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_trusted_book_is_the_markets_book(
        family in family(),
        sets in prop::collection::vec((1i64..30, 0i64..9), 300),
        spans in prop::collection::vec(1u64..6, 10..60),
        fates in prop::collection::vec(fate(), 5..60),
    ) {
        let market = Market::new(family, sets, &spans);
        let outcome = run(family, &market, &fates, &|_| {});
        prop_assert_eq!(outcome.wrong, None);
    }
}

fn steady() -> (Vec<(i64, i64)>, Vec<u64>) {
    ((0..200).map(|at| (1 + at * 7 % 29, 1 + at % 5)).collect(), vec![2; 60])
}

#[test]
fn an_unharmed_stream_stays_synchronised_and_a_loss_is_a_gap() {
    let (sets, spans) = steady();
    for family in [Family::Spot, Family::UsdM] {
        let market = Market::new(family, sets.clone(), &spans);
        let mut fates = vec![Fate::Arrives; 60];
        fates[3] = Fate::WithSnapshot(1);
        let outcome = run(family, &market, &fates, &|_| {});
        assert_eq!((outcome.wrong, outcome.synchronised, outcome.gaps), (None, 57, 0));
        fates[20] = Fate::Lost;
        fates[30] = Fate::WithSnapshot(0);
        let outcome = run(family, &market, &fates, &|_| {});
        assert_eq!((outcome.wrong, outcome.synchronised, outcome.gaps), (None, 47, 1));
    }
}

#[test]
fn canary_a_hidden_loss_is_caught() {
    let (sets, spans) = steady();
    let market = Market::new(Family::UsdM, sets, &spans);
    let mut fates = vec![Fate::Arrives; 60];
    fates[3] = Fate::WithSnapshot(0);
    fates[20] = Fate::Lost;
    let lost = market.events[20];
    // a venue that lies about the chain: the comparison with the truth must notice what Sync cannot
    let lie = |diff: &mut DepthDiff<'_>| {
        if diff.previous_update == Some(lost.1) {
            diff.previous_update = Some(lost.2);
        }
    };
    let outcome = run(Family::UsdM, &market, &fates, &lie);
    assert_eq!(outcome.gaps, 0);
    assert!(outcome.wrong.is_some());
}
