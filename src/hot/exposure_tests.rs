//! Exposures: 64 bits beside 128, and what is kept event by event beside what is made anew.

use super::*;
use crate::hot::tests::{instrument, plan};
use crate::record::{ExecutionKind, ExecutionReport, InstrumentKind, Intent};
use crate::units::{Decimal, Grid, InstrumentId, Nanos, OrderId};
use proptest::prelude::*;

/// One instrument: from real amounts to such as 64 bits do not hold.
#[derive(Clone, Debug)]
struct Draw {
    kind: InstrumentKind,
    multiplier: i64,
    /// What a unit of the quote currency is worth.
    rate: i64,
    /// Price of the fill, and the marks before and after a plan is adopted.
    prices: [i64; 3],
    position: i64,
    /// Lots that work, by side.
    works: [i64; 2],
}

fn draw() -> impl Strategy<Value = Draw> {
    let price = || prop_oneof![6 => 500i64..700, 3 => 1i64..2_000_000, 1 => 1i64..1 << 40];
    let mark = || prop_oneof![9 => price(), 1 => Just(0i64)];
    let parts = (
        prop_oneof![5 => Just(InstrumentKind::Linear), 1 => Just(InstrumentKind::Inverse)],
        prop_oneof![4 => Just(1i64), 1 => 1i64..1_000],
        prop_oneof![3 => Just(100_000_000i64), 1 => 1i64..400_000_000],
        (price(), mark(), mark()),
        prop_oneof![4 => -9_000i64..9_000, 1 => -(1i64 << 40)..1 << 40, 1 => Just(-(1i64 << 52))],
        [0i64..3_000, 0i64..3_000],
    );
    parts.prop_map(|(kind, multiplier, rate, (paid, before, after), position, works)| Draw {
        kind,
        multiplier,
        rate,
        prices: [paid, before, after],
        position,
        works,
    })
}

fn money() -> impl Strategy<Value = Money> {
    let amount = prop_oneof![4 => 0i128..1 << 45, 1 => 0i128..1 << 63, 1 => 0i128..1 << 80];
    amount.prop_map(Money)
}

fn made_of(at: usize, draw: &Draw) -> Instrument {
    let mut of = instrument(at as u32, "BTCUSDT");
    of.kind = draw.kind;
    of.multiplier = Decimal { mantissa: draw.multiplier, scale: 0 };
    of
}

/// Capital and limits in money, and as shares of equity; a bucket between two is not used.
fn planned(draws: &[Draw], amounts: [Money; 3], shares: [i64; 4]) -> Plan {
    let mut made = plan(draws.len() as u32);
    let limits = &mut made.limits;
    [limits.capital, limits.gross_max, limits.net_max] = amounts;
    let [leverage, concentration, venue, group] = shares.map(|of| Rate(of * 1_000_000));
    (limits.leverage_max, limits.concentration_max) = (leverage, concentration);
    (limits.buckets[0].share, limits.buckets[2].share) = (venue, group);
    (limits.buckets[1].kind, limits.buckets[2].kind) = (0, BucketKind::Group as u64);
    for (at, draw) in draws.iter().enumerate() {
        made.entries[at].quote_rate = Rate(draw.rate);
        made.entries[at].buckets = [0b111, 0b011, 0b101][at];
    }
    made
}

/// What follows from the fills, the orders, the plan and then another mark, in this order.
fn exposures(draws: &[Draw], plan: &Plan) -> (Exposures, Ledger) {
    let made = draws.iter().enumerate().map(|(at, draw)| made_of(at, draw));
    let instruments: Vec<Instrument> = made.collect();
    let mut ledger = Ledger::new(&instruments);
    let mut exposures = Exposures::new(&instruments);
    for (at, draw) in draws.iter().enumerate() {
        let id = InstrumentId(at as u32);
        ledger.on_report(&ExecutionReport {
            trade_id: 1,
            side: if draw.position < 0 { Side::Sell } else { Side::Buy },
            last_price: Ticks(draw.prices[0]),
            last_lots: Lots(draw.position.abs()),
            ..ExecutionReport::bare(ExecutionKind::Fill, id, OrderId::new(1, 9))
        });
        for (side, lots) in [Side::Buy, Side::Sell].into_iter().zip(draw.works) {
            let counter = 10 + 2 * at as u64 + side as u64;
            let order = OrderId::new(1, counter);
            let intent = Intent { instrument: id, order, ..order_of(side, lots) };
            ledger.place(&intent, 0, Nanos(0)).expect("an empty table");
        }
        exposures.mark(at, Ticks(draw.prices[1]));
    }
    exposures.adopt(plan, instruments.iter(), &ledger);
    for (at, draw) in draws.iter().enumerate() {
        if exposures.mark(at, Ticks(draw.prices[2])) {
            exposures.update(at, ledger.account(InstrumentId(at as u32)).expect("listed"));
        }
    }
    (exposures, ledger)
}

fn order_of(side: Side, lots: i64) -> Intent {
    crate::hot::tests::order(0, side, 600, lots)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// What 64 bits pass, 128 bits pass; and where every amount is small, the other way round. `reach`
    /// is drawn anywhere, or as the last that a limit allows and its neighbours.
    #[test]
    fn what_is_clear_is_within_every_limit(
        draws in [draw(), draw(), draw()],
        amounts in [money(), money(), money()],
        shares in [0i64..400, 0i64..400, 0i64..400, 0i64..400],
        (at, buys, reach, near) in (0usize..3, any::<bool>(), -20_000i64..20_000, any::<bool>()),
    ) {
        let plan = planned(&draws, amounts, shares);
        let (of, _) = exposures(&draws, &plan);
        let (row, side) = (&of.rows[at], if buys { Side::Buy } else { Side::Sell });
        let passes = |reach: i64| of.check_exactly(row, side, Lots(reach)).passes();
        let reach = if near { edge(draws[at].position, buys, passes) } else { reach };
        for reach in [reach - 1, reach, reach + 1] {
            let (lots, exact) = (Lots(reach), passes(reach));
            let clear = of.clearance.has_room(&row.outline, row.buckets, side, lots);
            let after = times(row, reach);
            let amounts = [row.stake.exposure.0, row.factor, after];
            let small = row.factor != 0 && amounts.iter().all(|of| of.abs() < 1 << 62);
            prop_assert!(exact || !clear, "clear, but {:?}", of.check_exactly(row, side, lots));
            prop_assert!(clear || !exact || !small, "within every limit, and not clear");
            let net = of.keeps_net_exactly(row, side, lots);
            let clear = of.clearance.has_net_room(&row.outline, side, lots);
            prop_assert!(net || !clear, "clear, but beyond the net limit");
            prop_assert!(clear || !net || !small, "within the net limit, and not clear");
        }
        prop_assert_eq!(of.breach(), of.narrowest_breach());
    }

    /// Sums, rooms and outlines kept event by event are what a fresh start comes to.
    #[test]
    fn what_is_kept_is_what_is_made_anew(
        draws in [draw(), draw(), draw()],
        amounts in [money(), money(), money()],
        shares in [0i64..400, 0i64..400, 0i64..400, 0i64..400],
    ) {
        let plan = planned(&draws, amounts, shares);
        let (kept, ledger) = exposures(&draws, &plan);
        let instruments: Vec<_> = draws.iter().enumerate().map(|(at, of)| made_of(at, of)).collect();
        let mut anew = Exposures::new(&instruments);
        for at in 0..draws.len() {
            anew.mark(at, kept.marked(at));
        }
        anew.adopt(&plan, instruments.iter(), &ledger);
        prop_assert_eq!(kept.totals(), anew.totals());
        prop_assert!(kept.stands_like(&anew));
        // canary: another position stands otherwise, wherever it is worth anything
        let mut other = draws.clone();
        other[0].position += 1;
        let (other, _) = exposures(&other, &plan);
        prop_assert_eq!(kept.stands_like(&other), kept.rows[0].stake == other.rows[0].stake);
    }

    #[test]
    fn a_share_in_parts_is_the_share(
        of in money(),
        negative: bool,
        rate in prop_oneof![-(1i64 << 40)..=SHARE_MAX.0, SHARE_MAX.0..1 << 44],
    ) {
        let of = if negative { -of.0 } else { of.0 };
        for of in [of, of / Money::ONE * Money::ONE + 1] {
            let exact = share(of, Rate(rate));
            prop_assert_eq!(Parts::of(Money(of)).share(Rate(rate)), exact);
        }
    }
}

/// Lots in parts of exposure; the largest there is where that does not fit.
fn times(row: &Row, lots: i64) -> i128 {
    row.factor.checked_mul(lots.into()).unwrap_or(i128::MAX)
}

/// The last reach that passes, from the position outwards, found by halving.
fn edge(position: i64, buys: bool, passes: impl Fn(i64) -> bool) -> i64 {
    let sign = if buys { 1 } else { -1 };
    let (mut within, mut beyond) = (0i64, 1i64 << 44);
    while beyond - within > 1 {
        let middle = i64::midpoint(within, beyond);
        if passes(position + sign * middle) { within = middle } else { beyond = middle }
    }
    position + sign * within
}

fn linear(mark: i64, position: i64) -> Draw {
    let prices = [mark; 3];
    let (kind, rate) = (InstrumentKind::Linear, 100_000_000);
    Draw { kind, multiplier: 1, rate, prices, position, works: [0; 2] }
}

/// Canary: a room that is one lot too wide clears what the integers refuse.
#[test]
fn canaries_a_room_that_is_too_wide_is_caught() {
    let draws = [linear(600_000, 10), linear(30_000, -40)];
    let units = |count: i128| Money(count * Money::ONE);
    let plan = planned(&draws, [units(100_000), units(7_000), units(90_000)], [400; 4]);
    let (mut of, _) = exposures(&draws, &plan);
    let passes = |of: &Exposures, reach| of.check_exactly(&of.rows[0], Side::Buy, Lots(reach));
    let last = edge(10, true, |reach| passes(&of, reach).passes());
    let is_clear = |of: &Exposures, reach| {
        of.clearance.has_room(&of.rows[0].outline, of.rows[0].buckets, Side::Buy, Lots(reach))
    };
    assert!(last > 10 && is_clear(&of, last) && !is_clear(&of, last + 1));
    assert_eq!(passes(&of, last + 1), Verdict::GrossExposure);
    // a lot is worth 60 units here
    of.clearance.gross += units(60).0 as i64;
    assert!(is_clear(&of, last + 1) && !passes(&of, last + 1).passes(), "found out");
}

/// A row that is short all that 64 bits bear and turns as much long: the difference is what counts.
#[test]
fn the_widest_turn_is_beyond_the_net_limit() {
    for (short, turned) in [(1i64 << 52, 1i64 << 53), ((1 << 52) - 1, (1 << 53) - 2)] {
        let draw = linear(1_024, -short);
        let mut made = made_of(0, &draw);
        // a minor unit for each lot and tick
        made.tick = Grid::new(Decimal { mantissa: 1, scale: 8 }, 8).expect("a grid");
        made.lot = Grid::new(Decimal { mantissa: 1, scale: 0 }, 8).expect("a grid");
        let plan = planned(&[draw], [EXPOSURE_MAX, EXPOSURE_MAX, Money(1 << 50)], [400; 4]);
        let mut ledger = Ledger::new(&[made]);
        ledger.on_report(&ExecutionReport {
            trade_id: 1,
            side: Side::Sell,
            last_price: Ticks(1_024),
            last_lots: Lots(short),
            ..ExecutionReport::bare(ExecutionKind::Fill, InstrumentId(0), OrderId::new(1, 9))
        });
        let mut of = Exposures::new(&[made]);
        of.mark(0, Ticks(1_024));
        of.adopt(&plan, [made].iter(), &ledger);
        assert_eq!(of.check(0, Side::Buy, Lots(turned - short)), Verdict::NetExposure);
        assert!(!of.keeps_net(0, Side::Buy, Lots(turned - short)));
    }
}
