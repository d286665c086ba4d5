//! The gate alone: one verdict per question, with four working orders and a used rate window.
//!
//! Each question is timed on its own (one clock reading in every span) and, to show what the reading
//! costs, all of them together. The questions come in an order that no branch predictor knows.

use bot4::cli::config::Config;
use bot4::host::clock::{Clock, TscClock};
use bot4::host::histogram::Histogram;
use bot4::hot::gate::{GateView, RateWindow, check};
use bot4::ledger::Ledger;
use bot4::market::book::Top;
use bot4::record::{
    ExecutionKind, ExecutionReport, Intent, Level, Mode, OrderAction, OrderType, TimeInForce,
    Verdict,
};
use bot4::units::{InstrumentId, LaneId, Lots, Nanos, OrderId, Side, Ticks, VenueId};
use bot4::venue::binance::{Family, metadata};
use std::hint::black_box;

const QUESTIONS: usize = 1 << 12;
const ROUNDS: usize = 100;
const MIDDLE: i64 = 600_000;
const NOW: Nanos = Nanos(100_000_000_000);

fn intent(counter: u64, action: OrderAction, side: Side, price: i64, lots: i64) -> Intent {
    Intent {
        action,
        instrument: InstrumentId(0),
        order: OrderId::new(1, counter),
        replaces: OrderId(0),
        side,
        order_type: OrderType::PostOnly,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        price: Ticks(price),
        lots: Lots(lots),
    }
}

fn acknowledged(intent: &Intent) -> ExecutionReport {
    ExecutionReport {
        venue_order: intent.order.0,
        side: intent.side,
        price: intent.price,
        lots: intent.lots,
        ..ExecutionReport::bare(ExecutionKind::Acknowledged, intent.instrument, intent.order)
    }
}

/// Places, changes and cancels; most pass, some meet a limit.
fn questions() -> Vec<Intent> {
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let mut below = |bound: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % bound
    };
    let mut question = || {
        let (buys, near) = (below(2) == 0, below(40) as i64 + 5);
        let (side, price, own) =
            if buys { (Side::Buy, MIDDLE - near, 1) } else { (Side::Sell, MIDDLE + near, 3) };
        let lots = if below(16) == 0 { 1_000_000 } else { 1 + below(10) as i64 };
        match below(4) {
            0 => intent(100 + below(3_000), OrderAction::Place, side, price, lots),
            1 => intent(own + below(2), OrderAction::Cancel, side, 0, 0),
            _ => {
                let id = OrderId::new(1, own + below(2));
                Intent {
                    order: id,
                    replaces: id,
                    ..intent(0, OrderAction::Replace, side, price, lots)
                }
            }
        }
    };
    (0..QUESTIONS).map(|_| question()).collect()
}

fn main() {
    let family = Family::UsdM;
    let instruments = metadata::embedded(family, VenueId(0), &["BTCUSDT"]).expect("embedded");
    let mut plan = Config::default().plan(LaneId(0), &instruments, 1).expect("a sound default");
    plan.adopted_at = NOW;
    let mut ledger = Ledger::new(&instruments);
    let mut rate = RateWindow::new();
    let mut own = Vec::new();
    for (counter, side, price) in
        [(1, Side::Buy, -2), (2, Side::Buy, -4), (3, Side::Sell, 2), (4, Side::Sell, 4)]
    {
        let order = intent(counter, OrderAction::Place, side, MIDDLE + price, 1);
        ledger.place(&order, 0, NOW).expect("an empty table");
        ledger.on_report(&acknowledged(&order));
        rate.sent(order.action, NOW);
        own.push(order.order);
    }
    let level = |price| Some(Level { price: Ticks(price), lots: Lots(5) });
    let view = GateView {
        mode: Mode::Active,
        connected: true,
        plan: &plan,
        ledger: &ledger,
        instrument: &instruments[0],
        top: Some(Top { bid: level(MIDDLE - 1), ask: level(MIDDLE + 1) }),
        book_at: NOW,
        own: &own,
        rate: &rate,
        now: NOW,
    };
    let questions = questions();
    let clock = TscClock::calibrate();
    let mut verdicts = [0u64; Verdict::ALL.len()];
    let mut spans = Histogram::new();
    for round in 0..=ROUNDS {
        for question in &questions {
            let begin = clock.now();
            let verdict = check(black_box(question), black_box(&view));
            let span = clock.now().since(begin);
            verdicts[verdict as usize] += 1;
            if round > 0 {
                spans.record(span.0);
            }
        }
    }
    let begin = clock.now();
    for question in questions.iter().cycle().take(QUESTIONS * ROUNDS) {
        black_box(check(black_box(question), black_box(&view)));
    }
    let together = clock.now().since(begin).0 as f64 / (QUESTIONS * ROUNDS) as f64;
    for (verdict, count) in Verdict::ALL.iter().zip(verdicts).filter(|(_, count)| *count > 0) {
        println!(
            "{:<24} {:>6.2} % of the questions",
            verdict.name(),
            count as f64 * 100.0 / (QUESTIONS * (ROUNDS + 1)) as f64
        );
    }
    let of = spans.summary();
    println!(
        "gate alone, ns: p50 {} p99 {} p99.9 {} max {} count {}; one reading of the clock {:.0}",
        of.p50,
        of.p99,
        of.p999,
        of.max,
        of.count,
        clock.overhead_ns()
    );
    println!("gate alone, timed together: {together:.1} ns a question");
}
