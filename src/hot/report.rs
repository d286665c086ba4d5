//! What a lane reports: the JSON's stable keys are these fields.

use super::book::SyncedBook;
use crate::ledger::{Fees, Ledger};
use crate::market::book::Book;
use crate::record::{Instrument, Tape, Verdict};
use crate::units::{Money, Ticks};
use bytemuck::{Pod, Zeroable};
use serde::Serialize;
use std::collections::BTreeMap;

/// Inputs by kind since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Pod, Zeroable)]
#[repr(C)]
pub struct InputCounts {
    /// Decoded market events.
    pub market: u64,
    /// Depth diffs.
    pub depth: u64,
    /// Depth snapshots.
    pub snapshots: u64,
    /// bookTicker events.
    pub tickers: u64,
    /// Trades.
    pub trades: u64,
    /// Messages without use.
    pub other: u64,
    /// Frames that could not be read.
    pub faults: u64,
    /// Broken chains of diffs.
    pub gaps: u64,
    /// Execution reports.
    pub executions: u64,
    /// Timer ticks.
    pub timers: u64,
    /// Commands, from whomever.
    pub commands: u64,
    /// Commands that their source may not give; they changed nothing.
    pub commands_refused: u64,
    /// Measurements of the lane's own time.
    pub services: u64,
    /// Connections up or down.
    pub links: u64,
    /// Plans that came.
    pub plans: u64,
    /// Plans that could not be lived by; the one before stayed.
    pub plans_refused: u64,
    /// Lives begun.
    pub lives: u64,
    /// Orders of an earlier life that reconciliation found.
    pub adopted: u64,
    /// Differences to the venue's books that reconciliation settled.
    pub adjustments: u64,
    /// Requests that left: places, replaces, cancels.
    pub requests: u64,
    /// Decisions that could only cancel, since the rate budget was used up.
    pub paced: u64,
}

impl InputCounts {
    /// Saves the counts or brings them back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("counts");
        tape.pod(self);
    }
}

/// Orders by fate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrderReport {
    /// Placed, replacements included.
    pub sent: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Filled to the last lot.
    pub filled: u64,
    /// Fills that left a rest.
    pub partly_filled: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Rejected by the venue.
    pub rejected: u64,
    /// Expired.
    pub expired: u64,
    /// Still working.
    pub working: u64,
    /// Refused by the gate, by code; codes that never occurred are left out.
    pub refused: BTreeMap<&'static str, u64>,
}

/// One instrument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstrumentReport {
    /// The venue's name.
    pub symbol: String,
    /// Signed position in units of the lot's decimal.
    pub position: String,
    /// Currency of the amounts below.
    pub currency: String,
    /// Cash from trading before fees.
    pub cash: String,
    /// Profit of closed positions before fees.
    pub realised: String,
    /// Profit of the open position at the middle, before fees.
    pub unrealised: String,
    /// Fees paid by currency.
    pub fees: BTreeMap<String, String>,
    /// Realised plus unrealised minus fees in this currency.
    pub pnl: String,
    /// Volume traded.
    pub traded: String,
    /// Book updates applied.
    pub book_updates: u64,
    /// Broken chains of diffs.
    pub gaps: u64,
}

/// What a lane risks, owns and has lost, in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RiskReport {
    /// The currency; empty before the first plan.
    pub currency: String,
    /// Capital plus profit at the marks, fees paid.
    pub equity: String,
    /// Sum of exposures.
    pub gross: String,
    /// Sum of signed exposures with every working buy filled, and with every working sell filled.
    pub net: [String; 2],
    /// Loss since the UTC day began; negative for a profit.
    pub loss_of_day: String,
    /// Loss from the highest equity.
    pub drawdown: String,
}

/// One circuit breaker; of those that every instrument has, all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BreakerReport {
    /// How often it has opened.
    pub trips: u64,
    /// `closed`, `half_open` or `open`, the worst of all instruments.
    pub state: &'static str,
}

/// How a lane stands and what it risks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// `active`, `reducing` or `halted`.
    pub mode: &'static str,
    /// What holds it back, by name.
    pub held_by: Vec<&'static str>,
    /// In money.
    pub risk: RiskReport,
    /// By name.
    pub breakers: BTreeMap<&'static str, BreakerReport>,
}

/// One lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneReport {
    /// Inputs by kind.
    pub inputs: InputCounts,
    /// How it stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// Orders by fate.
    pub orders: OrderReport,
    /// By instrument.
    pub instruments: Vec<InstrumentReport>,
    /// Fees paid by currency, all instruments.
    pub fees: BTreeMap<String, String>,
}

impl LaneReport {
    /// Reads a lane's books.
    pub(super) fn of<'a, B: Book + 'a>(
        ledger: &Ledger,
        books: impl Iterator<Item = (&'a Instrument, &'a SyncedBook<B>)>,
        inputs: &InputCounts,
        standing: Standing,
        verdicts: &[u64; Verdict::ALL.len()],
    ) -> LaneReport {
        let counts = ledger.counts();
        let refused = Verdict::ALL
            .iter()
            .filter(|verdict| !verdict.passes() && verdicts[**verdict as usize] > 0)
            .map(|verdict| (verdict.name(), verdicts[*verdict as usize]))
            .collect();
        let orders = OrderReport {
            sent: counts.sent,
            acked: counts.acked,
            filled: counts.filled,
            partly_filled: counts.partly_filled,
            cancelled: counts.cancelled,
            rejected: counts.rejected,
            expired: counts.expired,
            working: ledger.working() as u64,
            refused,
        };
        LaneReport {
            inputs: *inputs,
            standing,
            orders,
            instruments: books.map(|(i, book)| instrument(ledger, i, book)).collect(),
            fees: by_currency(&ledger.fees()),
        }
    }
}

fn by_currency(fees: &Fees) -> BTreeMap<String, String> {
    let entries = fees.entries().iter();
    entries.map(|(currency, fee)| (currency.to_string(), fee.to_string())).collect()
}

fn instrument<B: Book>(
    ledger: &Ledger,
    instrument: &Instrument,
    book: &SyncedBook<B>,
) -> InstrumentReport {
    let account = ledger.account(instrument.id);
    let money = |amount: Option<Money>| amount.unwrap_or_default();
    let middle = book.book().top().mid().map_or(Ticks(0), |middle| Ticks(middle as i64));
    let position = account.map(|a| a.position()).unwrap_or_default();
    let open = position.0 != 0 && middle > Ticks(0);
    let unrealised = account.filter(|_| open).map_or(Money(0), |a| a.unrealised(middle));
    let realised = money(account.map(|a| a.realised()));
    let fees = account.map(|a| a.fees().clone()).unwrap_or_default();
    let paid = fees.of(instrument.settle);
    InstrumentReport {
        symbol: instrument.symbol.to_string(),
        position: instrument.lot.decimal(position.0).to_string(),
        currency: instrument.settle.to_string(),
        cash: money(account.map(|a| a.cash())).to_string(),
        realised: realised.to_string(),
        unrealised: unrealised.to_string(),
        fees: by_currency(&fees),
        pnl: realised.plus(unrealised).minus(paid).to_string(),
        traded: money(account.map(|a| a.traded())).to_string(),
        book_updates: book.updates(),
        gaps: book.gaps(),
    }
}
