//! The ledger against a naive twin that recomputes everything from the list of events.

use super::{Applied, Ledger};
use crate::record::{
    Adjustment, AdoptedOrder, ExecutionKind, ExecutionReport, FeeSchedule, Filters, Instrument,
    InstrumentKind, Intent, OrderAction, OrderState, OrderType, Symbol, TimeInForce,
};
use crate::units::{
    Currency, Decimal, Grid, InstrumentId, Lots, Money, Nanos, OrderId, Side, Ticks, VenueId,
};
use proptest::prelude::*;

pub fn instrument(kind: InstrumentKind) -> Instrument {
    let grid = |mantissa, scale| Grid::new(Decimal { mantissa, scale }, 8).unwrap();
    let (multiplier, settle) = match kind {
        InstrumentKind::Inverse => (100, "BTC"),
        _ => (1, "USDT"),
    };
    Instrument {
        id: InstrumentId(0),
        venue: VenueId(0),
        symbol: Symbol::new("BTCUSDT").unwrap(),
        kind,
        tick: grid(1, 1),
        lot: if kind == InstrumentKind::Inverse { grid(1, 0) } else { grid(1, 3) },
        multiplier: Decimal { mantissa: multiplier, scale: 0 },
        base: Currency::new("BTC").unwrap(),
        quote: Currency::new("USDT").unwrap(),
        settle: Currency::new(settle).unwrap(),
        filters: Filters {
            lots_min: Lots(1),
            lots_max: Lots(1_000_000),
            price_min: Ticks(1),
            price_max: Ticks(100_000_000),
            notional_min: Money(0),
        },
        fees: FeeSchedule::default(),
    }
}

fn intent(counter: u64, side: Side, price: i64, lots: i64) -> Intent {
    Intent {
        action: OrderAction::Place,
        instrument: InstrumentId(0),
        order: OrderId::new(1, counter),
        replaces: OrderId(0),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        price: Ticks(price),
        lots: Lots(lots),
    }
}

fn report(kind: ExecutionKind, of: &Intent) -> ExecutionReport {
    ExecutionReport {
        venue_order: 7,
        side: of.side,
        price: of.price,
        lots: of.lots,
        maker: true,
        ..ExecutionReport::bare(kind, of.instrument, of.order)
    }
}

fn fill(of: &Intent, trade_id: u64, lots: i64) -> ExecutionReport {
    ExecutionReport {
        trade_id,
        last_price: of.price,
        last_lots: Lots(lots),
        fee: Money(lots.into()),
        fee_currency: Currency::new("USDT").unwrap(),
        ..report(ExecutionKind::Fill, of)
    }
}

#[test]
fn a_round_trip_makes_the_profit_of_the_price_difference() {
    let mut ledger = Ledger::new(&[instrument(InstrumentKind::Linear)]);
    let buy = intent(1, Side::Buy, 600_000, 2_000);
    let sell = intent(2, Side::Sell, 601_000, 2_000);
    for order in [&buy, &sell] {
        ledger.place(order, 0, Nanos(1)).unwrap();
        assert_eq!(
            ledger.on_report(&fill(order, order.order.0, 2_000)),
            Applied::Moved(OrderState::Filled)
        );
    }
    let account = ledger.account(InstrumentId(0)).unwrap();
    assert_eq!(account.position(), Lots(0));
    assert_eq!(account.realised(), Money(200 * Money::ONE), "2 BTC times 100 dollars");
    assert_eq!(account.working_orders(), 0);
    assert_eq!(ledger.fees().of(Currency::new("USDT").unwrap()), Money(4_000));
}

#[test]
fn an_inverse_long_earns_coin_by_the_reciprocal_rule() {
    let mut ledger = Ledger::new(&[instrument(InstrumentKind::Inverse)]);
    // 600 contracts of 100 dollars: 1 BTC at 60 000, 60 000 / 61 000 BTC at 61 000
    let buy = intent(1, Side::Buy, 600_000, 600);
    let sell = intent(2, Side::Sell, 610_000, 600);
    for order in [&buy, &sell] {
        ledger.place(order, 0, Nanos(1)).unwrap();
        ledger.on_report(&fill(order, order.order.0, 600));
    }
    let exact = 1.0 - 60_000.0 / 61_000.0;
    let account = ledger.account(InstrumentId(0)).unwrap();
    assert!((account.realised().to_f64() - exact).abs() < 1e-8, "{}", account.realised());
}

#[test]
fn a_fill_after_a_cancel_counts_and_a_repeated_one_does_not() {
    let mut ledger = Ledger::new(&[instrument(InstrumentKind::Linear)]);
    let order = intent(1, Side::Buy, 600_000, 10);
    ledger.place(&order, 0, Nanos(1)).unwrap();
    ledger.on_report(&report(ExecutionKind::Cancelled, &order));
    let late = fill(&order, 99, 4);
    assert_eq!(ledger.on_report(&late), Applied::Moved(OrderState::Cancelled));
    assert_eq!(ledger.on_report(&late), Applied::Repeated);
    let account = ledger.account(InstrumentId(0)).unwrap();
    assert_eq!((account.position(), account.working(Side::Buy)), (Lots(4), Lots(0)));
}

#[test]
fn an_adjustment_takes_the_venue_s_word_and_keeps_the_money_in_balance() {
    let mut ledger = Ledger::new(&[instrument(InstrumentKind::Linear)]);
    let adjust = |ledger: &mut Ledger, lots, cash| {
        let instrument = InstrumentId(0);
        ledger.adjust(&Adjustment { instrument, lots: Lots(lots), cash: Money(cash) });
        let account = &ledger.accounts()[0];
        // entry is what the position would be worth without profit
        let entry = account.realised().0 - account.cash().0;
        (account.position().0, account.realised().0, entry)
    };
    assert_eq!(adjust(&mut ledger, 10, -1_000), (10, 0, 1_000), "ten lots entered at 1000");
    assert_eq!(adjust(&mut ledger, -4, 500), (6, 100, 600), "four of them left for 500");
    assert_eq!(adjust(&mut ledger, 2, -300), (8, 100, 900));
    assert_eq!(adjust(&mut ledger, 0, 7), (8, 107, 900), "cash alone is profit");
    assert_eq!(adjust(&mut ledger, -8, 1_000), (0, 207, 0));
}

#[test]
fn orders_of_a_lost_connection_count_as_open_until_reconciled() {
    let mut ledger = Ledger::new(&[instrument(InstrumentKind::Linear)]);
    let order = intent(1, Side::Sell, 600_000, 10);
    ledger.place(&order, 0, Nanos(1)).unwrap();
    ledger.connection_lost();
    assert_eq!(ledger.order(order.order).unwrap().state, OrderState::Unknown);
    assert_eq!(ledger.account(InstrumentId(0)).unwrap().working(Side::Sell), Lots(10));
    ledger.on_report(&report(ExecutionKind::Cancelled, &order));
    assert_eq!(ledger.account(InstrumentId(0)).unwrap().working(Side::Sell), Lots(0));
}

#[derive(Clone, Debug)]
enum Event {
    Place(Side, i64, i64),
    Report(usize, ExecutionKind),
    Fill(usize, u64, i64),
    CancelSent(usize),
    Lost,
}

fn event() -> impl Strategy<Value = Event> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let kind = prop_oneof![
        Just(ExecutionKind::Acknowledged),
        Just(ExecutionKind::Rejected),
        Just(ExecutionKind::Cancelled),
        Just(ExecutionKind::Expired),
        Just(ExecutionKind::CancelRejected),
    ];
    prop_oneof![
        4 => (side, 590_000i64..610_000, 1i64..50).prop_map(|(s, p, l)| Event::Place(s, p, l)),
        4 => (0usize..40, kind).prop_map(|(at, kind)| Event::Report(at, kind)),
        6 => (0usize..40, 1u64..60, 1i64..50).prop_map(|(at, id, lots)| Event::Fill(at, id, lots)),
        1 => (0usize..40).prop_map(Event::CancelSent),
        1 => Just(Event::Lost),
    ]
}

/// What the naive twin finds: position, cash, and what works on each side.
#[derive(Debug, PartialEq, Eq)]
struct Naive {
    position: i64,
    cash: i128,
    buys: i64,
    sells: i64,
    working: usize,
}

fn naive(intents: &[Intent], fills: &[ExecutionReport], ledger: &Ledger) -> Naive {
    let mut twin = Naive { position: 0, cash: 0, buys: 0, sells: 0, working: 0 };
    let mut seen = Vec::new();
    for fill in fills {
        if seen.contains(&fill.trade_id) {
            continue;
        }
        seen.push(fill.trade_id);
        let signed = fill.last_lots.0 * fill.side.sign();
        twin.position += signed;
        // tick 0.1, lot 0.001: one tick times one lot is 1e-4, that is 10 000 minor units
        twin.cash -= i128::from(signed) * i128::from(fill.last_price.0) * 10_000;
    }
    for intent in intents {
        let order = ledger.order(intent.order).unwrap();
        if order.state.is_working() {
            twin.working += 1;
            let rest = intent.lots.0 - order.filled.0;
            match intent.side {
                Side::Buy => twin.buys += rest,
                Side::Sell => twin.sells += rest,
            }
        }
    }
    twin
}

fn of(ledger: &Ledger) -> Naive {
    let account = ledger.account(InstrumentId(0)).unwrap();
    Naive {
        position: account.position().0,
        cash: account.cash().0,
        buys: account.working(Side::Buy).0,
        sells: account.working(Side::Sell).0,
        working: account.working_orders(),
    }
}

fn play(events: &[Event]) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::new(&[instrument(InstrumentKind::Linear)]);
    let (mut intents, mut fills): (Vec<Intent>, Vec<ExecutionReport>) = (Vec::new(), Vec::new());
    for event in events {
        let pick = |at: &usize| intents.get(at % intents.len().max(1)).copied();
        match event {
            Event::Place(side, price, lots) => {
                let intent = intent(intents.len() as u64 + 1, *side, *price, *lots);
                ledger.place(&intent, 0, Nanos(0)).unwrap();
                intents.push(intent);
            }
            Event::Report(at, kind) => {
                if let Some(intent) = pick(at) {
                    ledger.on_report(&report(*kind, &intent));
                }
            }
            Event::Fill(at, id, lots) => {
                if let Some(intent) = pick(at) {
                    let rest = intent.lots.0 - ledger.order(intent.order).unwrap().filled.0;
                    if rest > 0 {
                        let fill = fill(&intent, *id, rest.min(*lots));
                        ledger.on_report(&fill);
                        fills.push(fill);
                    }
                }
            }
            Event::CancelSent(at) => {
                if let Some(intent) = pick(at) {
                    ledger.cancel_sent(intent.order);
                }
            }
            Event::Lost => ledger.connection_lost(),
        }
        prop_assert_eq!(of(&ledger), naive(&intents, &fills, &ledger));
        let account = ledger.account(InstrumentId(0)).unwrap();
        let mark = Ticks(600_123);
        let equity = account.cash().plus(account.valuation().value(account.position(), mark));
        prop_assert_eq!(account.realised().plus(account.unrealised(mark)), equity);
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_ledger_equals_its_naive_twin(events in prop::collection::vec(event(), 1..120)) {
        play(&events)?;
    }
}

#[test]
fn canary_a_forgotten_fill_is_caught() {
    let mut ledger = Ledger::new(&[instrument(InstrumentKind::Linear)]);
    let order = intent(1, Side::Buy, 600_000, 10);
    ledger.place(&order, 0, Nanos(1)).unwrap();
    let booked = fill(&order, 1, 4);
    ledger.on_report(&booked);
    let forgotten = fill(&order, 2, 3);
    assert_eq!(of(&ledger), naive(&[order], &[booked], &ledger));
    assert_ne!(of(&ledger), naive(&[order], &[booked, forgotten], &ledger));
}

#[test]
fn what_was_filled_and_not_told_counts_as_working_until_it_comes() {
    let asked = intent(1, Side::Buy, 100, 10);
    let working = |books: &Ledger| books.account(InstrumentId(0)).unwrap().working(Side::Buy).0;
    let ended = || {
        let mut books = Ledger::new(&[instrument(InstrumentKind::Linear)]);
        books.place(&asked, 0, Nanos(0)).unwrap();
        books.on_report(&report(ExecutionKind::Acknowledged, &asked));
        let cancelled = report(ExecutionKind::Cancelled, &asked);
        books.on_report(&ExecutionReport { filled_lots: Lots(6), ..cancelled });
        books
    };
    let mut late = ended();
    assert_eq!(working(&late), 6, "four of ten are free");
    late.on_report(&report(ExecutionKind::Replaced, &asked));
    late.on_report(&report(ExecutionKind::Cancelled, &asked));
    assert_eq!(working(&late), 6, "told again");
    let fill = |trade_id, lots| ExecutionReport {
        trade_id,
        last_price: Ticks(100),
        last_lots: Lots(lots),
        ..report(ExecutionKind::Fill, &asked)
    };
    late.on_report(&fill(9, 4));
    assert_eq!(working(&late), 2);
    late.on_report(&fill(10, 2));
    assert_eq!((working(&late), late.account(InstrumentId(0)).unwrap().position()), (0, Lots(6)));
    let mut never = ended();
    never.forget_missing();
    assert_eq!(working(&never), 0, "the venue's position was taken over");
    let mut again = ended();
    let other = 1 + super::ORDERS_MAX as u64;
    let order = intent(other, Side::Buy, 100, 3);
    assert!(again.place(&order, 0, Nanos(0)).is_err(), "its place is taken");
    let found = AdoptedOrder {
        order: order.order,
        venue_order: 7,
        instrument: order.instrument,
        side: order.side,
        price: order.price,
        lots: order.lots,
    };
    again.adopt(&found, Nanos(0)).unwrap();
    assert_eq!(working(&again), 3, "what the venue has comes first");
}

#[test]
fn a_fill_that_overtakes_the_answer_to_a_growing_change_does_not_end_the_order() {
    let small = intent(1, Side::Sell, 100, 10);
    let large = Intent { action: OrderAction::Replace, replaces: small.order, ..small };
    let large = Intent { price: Ticks(99), lots: Lots(25), ..large };
    let mut books = Ledger::new(&[instrument(InstrumentKind::Linear)]);
    books.place(&small, 0, Nanos(0)).unwrap();
    books.on_report(&report(ExecutionKind::Acknowledged, &small));
    books.modify_sent(&large);
    let fill = |of, trade_id, lots| ExecutionReport {
        trade_id,
        last_price: Ticks(99),
        last_lots: Lots(lots),
        ..report(ExecutionKind::Fill, of)
    };
    books.on_report(&fill(&large, 1, 12));
    let state = |books: &Ledger| books.order(small.order).unwrap().state;
    assert_eq!(state(&books), OrderState::PartlyFilled, "twelve of twenty-five");
    books.on_report(&report(ExecutionKind::Replaced, &large));
    let account = books.account(InstrumentId(0)).unwrap();
    assert_eq!((account.working(Side::Sell), account.position()), (Lots(13), Lots(-12)));
    books.on_report(&fill(&large, 2, 13));
    assert_eq!(state(&books), OrderState::Filled);
    let mut unasked = Ledger::new(&[instrument(InstrumentKind::Linear)]);
    unasked.place(&small, 0, Nanos(0)).unwrap();
    unasked.on_report(&fill(&large, 1, 12));
    assert_eq!(state(&unasked), OrderState::Filled, "nobody asked for more than ten");
}

/// Thousands of fills may be listed again after a line was lost: more than the ids that are remembered.
#[test]
fn a_fill_older_than_all_that_are_remembered_is_not_booked_again() {
    let asked = intent(1, Side::Buy, 100, 1);
    let fill = |trade_id| ExecutionReport {
        trade_id,
        last_price: Ticks(100),
        last_lots: Lots(1),
        ..report(ExecutionKind::Fill, &asked)
    };
    let position = |books: &Ledger| books.account(InstrumentId(0)).unwrap().position().0;
    let mut books = Ledger::new(&[instrument(InstrumentKind::Linear)]);
    books.on_report(&fill(500));
    books.on_report(&fill(400));
    assert_eq!(position(&books), 2, "one that comes late is new while few are known");
    (1_001..=7_000).for_each(|trade| _ = books.on_report(&fill(trade)));
    assert_eq!(position(&books), 6_002);
    (1_001..=7_000).chain([400, 500]).for_each(|trade| _ = books.on_report(&fill(trade)));
    assert_eq!(position(&books), 6_002, "all of them again");
    books.on_report(&fill(7_001));
    assert_eq!(position(&books), 6_003);
}
