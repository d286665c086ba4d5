//! Random worlds that the gate is asked about: everything that happened, plainly, and the lane's state
//! built from it input by input.

use super::{instrument, level, order, report, trade};
use crate::hot::exposure::Exposures;
use crate::hot::gate::{GateView, check};
use crate::hot::rate::RateWindow;
use crate::hot::state::Holds;
use crate::hot::trades::Trades;
use crate::ledger::Ledger;
use crate::market::book::Top;
use crate::record::{
    ExecutionKind, ExecutionReport, Instrument, InstrumentKind, Intent, OrderAction, Plan, Verdict,
};
use crate::units::{Currency, Decimal, InstrumentId, Lots, Money, Nanos, OrderId, Side, Ticks};

pub(super) const NOW: u64 = 1_000_000_000_000;
pub(super) const SECOND: u64 = 1_000_000_000;

/// Fees of a fill in minor units of the quote currency: a rebate of 10 to a charge of 300.
pub(super) const FEES: std::ops::Range<i64> = -1_000_000_000..30_000_000_000;

/// A fill: instrument, side, price, lots, fee.
pub(super) type Fill = (usize, Side, i64, i64, i64);
/// A working order: instrument, side, price, lots, whether it waits for an answer to a cancel.
pub(super) type Working = (usize, Side, i64, i64, bool);

/// Everything that happened, and what is asked.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) holds: Holds,
    pub(super) closes: bool,
    pub(super) may_try: bool,
    pub(super) connected: bool,
    pub(super) plan: Box<Plan>,
    pub(super) instruments: Vec<Instrument>,
    pub(super) marks: Vec<i64>,
    pub(super) fills: Vec<Fill>,
    pub(super) working: Vec<Working>,
    /// Trades of the first instrument: how long ago in nanoseconds, price, lots; oldest first.
    pub(super) traded: Vec<(u64, i64, i64)>,
    /// Sends: how long ago, whether a cancel; oldest first.
    pub(super) sent: Vec<(u64, bool)>,
    pub(super) top: Option<(i64, i64)>,
    pub(super) book_age: u64,
    pub(super) plan_age: u64,
    pub(super) intent: Intent,
}

/// Linear in the currency of the limits, linear in another, inverse.
pub(super) fn instruments() -> Vec<Instrument> {
    let euro = Currency::new("EUR").unwrap();
    let dollar = Currency::new("USD").unwrap();
    let foreign = Instrument { quote: euro, settle: euro, ..instrument(1, "BTCEUR") };
    let inverse = Instrument {
        kind: InstrumentKind::Inverse,
        lot: crate::units::Grid::new(Decimal { mantissa: 1, scale: 0 }, 8).unwrap(),
        multiplier: Decimal { mantissa: 100, scale: 0 },
        quote: dollar,
        settle: Currency::new("BTC").unwrap(),
        ..instrument(2, "BTCUSD_PERP")
    };
    let mut first = instrument(0, "BTCUSDT");
    first.filters.notional_min = Money(15 * Money::ONE); // of lots of ten
    vec![first, foreign, inverse]
}

pub(super) fn id(at: usize) -> OrderId {
    OrderId::new(1, 10 + at as u64)
}

impl World {
    /// What the lane would ask with, built input by input.
    pub(super) fn real(&self) -> Verdict {
        let mut ledger = Ledger::new(&self.instruments);
        let mut trades = Trades::default();
        let mut rate = RateWindow::new();
        rate.adopt(&self.plan.limits);
        let mut exposures = Exposures::new(&self.instruments);
        exposures.adopt(&self.plan, self.instruments.iter(), &ledger);
        let update = |at: usize, exposures: &mut Exposures, ledger: &Ledger| {
            exposures.update(at, ledger.account(InstrumentId(at as u32)).unwrap());
        };
        let mut own = Vec::new();
        for (at, (of, side, price, lots, cancels)) in self.working.iter().enumerate() {
            let instrument = InstrumentId(*of as u32);
            let intent = Intent { order: id(at), instrument, ..order(0, *side, *price, *lots) };
            ledger.place(&intent, 0, Nanos(0)).unwrap();
            ledger.on_report(&report(ExecutionKind::Acknowledged, &intent));
            if *cancels {
                ledger.cancel_sent(intent.order);
            }
            if *of == 0 {
                own.push(intent.order);
            }
            update(*of, &mut exposures, &ledger);
        }
        for (at, mark) in self.marks.iter().enumerate() {
            if exposures.mark(at, Ticks(*mark)) {
                update(at, &mut exposures, &ledger);
            }
        }
        for (trade, (of, side, price, lots, fee)) in self.fills.iter().enumerate() {
            let instrument = InstrumentId(*of as u32);
            ledger.on_report(&ExecutionReport {
                trade_id: trade as u64 + 1,
                side: *side,
                last_price: Ticks(*price),
                last_lots: Lots(*lots),
                fee: Money(i128::from(*fee)),
                fee_currency: self.instruments[*of].settle,
                ..ExecutionReport::bare(ExecutionKind::Fill, instrument, OrderId::new(1, 9_000))
            });
            update(*of, &mut exposures, &ledger);
        }
        for (ago, price, lots) in &self.traded {
            trades.on_trade(&trade(*price, *lots), Nanos(NOW - ago));
        }
        trades.on_time(Nanos(NOW));
        for (ago, is_cancel) in &self.sent {
            let action = if *is_cancel { OrderAction::Cancel } else { OrderAction::Place };
            rate.sent(action, Nanos(NOW - ago));
        }
        let touch = |(bid, ask)| Top { bid: Some(level(bid, 1)), ask: Some(level(ask, 1)) };
        check(
            &self.intent,
            &GateView {
                holds: self.holds,
                closes: self.closes,
                may_try: self.may_try,
                connected: self.connected,
                plan: &self.plan,
                entry: self.plan.entry(InstrumentId(0)),
                ledger: &ledger,
                exposures: &exposures,
                instrument: &self.instruments[0],
                trades: &trades,
                top: self.top.map(touch),
                book_at: Nanos(NOW - self.book_age),
                own: &own,
                rate: &rate,
                now: Nanos(NOW),
            },
        )
    }

    pub(super) fn position(&self, of: usize) -> i128 {
        let sign = |side: &Side| i128::from(side.sign());
        let mine = self.fills.iter().filter(|fill| fill.0 == of);
        mine.map(|(_, side, _, lots, _)| sign(side) * i128::from(*lots)).sum()
    }

    pub(super) fn works(&self, of: usize, side: Side) -> i128 {
        let mine = self.working.iter().filter(|order| order.0 == of && order.1 == side);
        mine.map(|order| i128::from(order.3)).sum()
    }

    pub(super) fn rate(&self, of: usize) -> i128 {
        i128::from(self.plan.entries[of].quote_rate.0)
    }

    /// Lots at a price in the currency of the limits, half a minor unit rounded away from zero.
    pub(super) fn worth(&self, of: usize, lots: i128, price: i64) -> i128 {
        match self.instruments[of].kind {
            // tick 0.1, lot 0.001: a tick of a lot is 1e4 minor units
            InstrumentKind::Linear => {
                rounded(lots * i128::from(price) * 10_000 * self.rate(of), Money::ONE)
            }
            // 100 quote units a contract
            _ => lots * 100 * self.rate(of),
        }
    }

    /// Value of a position in its settle currency: of an inverse one `-100 lots / price`.
    pub(super) fn settle_value(&self, of: usize, lots: i128, price: i64) -> i128 {
        match self.instruments[of].kind {
            InstrumentKind::Linear => lots * i128::from(price) * 10_000,
            _ => -rounded(lots * 100 * Money::ONE * 10, i128::from(price)),
        }
    }

    /// Settle currency in the currency of the limits.
    pub(super) fn settled(&self, of: usize, money: i128) -> i128 {
        match self.instruments[of].kind {
            InstrumentKind::Linear => rounded(money * self.rate(of), Money::ONE),
            _ if self.marks[of] == 0 => 0,
            _ => rounded(money * i128::from(self.marks[of]) * self.rate(of), 10 * Money::ONE),
        }
    }

    /// Cash and position at the mark, less fees; before there is a mark what is closed counts alone.
    pub(super) fn profit(&self, of: usize) -> i128 {
        let (mut cash, mut fees) = (0, 0);
        for (_, side, price, lots, fee) in self.fills.iter().filter(|fill| fill.0 == of) {
            let lots = i128::from(*lots) * i128::from(side.sign());
            cash -= self.settle_value(of, lots, *price);
            fees += i128::from(*fee);
        }
        let held = match self.marks[of] {
            0 => panic!("worlds without a mark have no fills"),
            mark => self.settle_value(of, self.position(of), mark),
        };
        self.settled(of, cash + held) - self.settled(of, fees)
    }

    /// Exposure of an instrument with `more` working on top, by side: up, down.
    pub(super) fn reach(&self, of: usize, more: [i128; 2]) -> (i128, i128) {
        let position = self.position(of);
        let up = position + self.works(of, Side::Buy) + more[0];
        let down = position - self.works(of, Side::Sell) - more[1];
        (self.worth(of, up, self.marks[of]), self.worth(of, down, self.marks[of]))
    }
}

pub(super) fn rounded(numerator: i128, denominator: i128) -> i128 {
    let (whole, rest) = (numerator / denominator, numerator % denominator);
    whole + if 2 * rest.abs() >= denominator { numerator.signum() } else { 0 }
}
