//! What a halted lane sends to be flat: one order an instrument at a time, through the gate like any.
//!
//! An immediate-or-cancel limit order that may only shrink the position, `slippage` beyond the touch and
//! within the collar, no larger than one order may be; the next one not before `every` has passed and
//! nothing of ours works. A book that cannot be trusted has no price to close at: it waits.

use super::decide::{Slots, Wanted};
use super::flaws::Flaws;
use super::lane::Lane;
use crate::market::book::Book;
use crate::record::{Intent, Level, OrderAction, OrderType, PlanEntry, PlanLimits, TimeInForce};
use crate::units::{Lots, Money, Nanos, OrderId, Rate, Side, Ticks};

impl<B: Book, F: Flaws> Lane<B, F> {
    /// The cancels that come before a closing order, or the order, or nothing while it is not its time.
    #[cold]
    pub(super) fn closing(&mut self, at: usize, now: Nanos) -> Wanted {
        let desk = &self.desks[at];
        if !desk.slots.ids().is_empty() {
            return desk.slots.cancels(&self.ledger);
        }
        let Some(intent) = self.closing_order(at, now) else { return Wanted::default() };
        let desk = &mut self.desks[at];
        desk.closed_at = now;
        self.next_id += 1;
        Wanted::one(intent, Slots::slot_of(intent.side, 0))
    }

    fn closing_order(&self, at: usize, now: Nanos) -> Option<Intent> {
        let (desk, limits) = (&self.desks[at], &self.plan.limits);
        let instrument = desk.instrument.id;
        let position = self.ledger.account(instrument)?.position();
        let waits = desk.closed_at > Nanos(0) && now.since(desk.closed_at) < limits.flatten.every;
        if position == Lots(0) || waits || !self.orders_up {
            return None;
        }
        let entry = self.plan.entry(instrument)?;
        let top = desk.book.top().filter(|top| !top.is_crossed())?;
        let (side, touch) = match position.0 > 0 {
            true => (Side::Sell, top.bid?),
            false => (Side::Buy, top.ask?),
        };
        let volume = desk.trades.volume();
        let lots = position
            .abs()
            .min(entry.order_lots_max)
            .min(desk.instrument.filters.lots_max)
            .min(passing_volume(entry, volume));
        let price = reaching(side, touch, entry, limits);
        Some(Intent {
            action: OrderAction::Place,
            instrument,
            order: OrderId::new(self.config.epoch, self.next_id),
            replaces: OrderId(0),
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::ImmediateOrCancel,
            reduce_only: true,
            price,
            lots,
        })
    }
}

/// The largest order that is no fat finger.
fn passing_volume(entry: &PlanEntry, volume: Lots) -> Lots {
    let share = i128::from(volume.0) * i128::from(entry.volume_share.0) / Money::ONE;
    Lots(i64::try_from(share).unwrap_or(i64::MAX)).max(entry.volume_free_lots)
}

/// The touch moved by the slippage, or by half the collar where that is less: the middle lies between.
fn reaching(side: Side, touch: Level, entry: &PlanEntry, limits: &PlanLimits) -> Ticks {
    let reach = Rate(limits.flatten.slippage.0.min(entry.collar.0 / 2));
    let ticks = i128::from(touch.price.0) * i128::from(reach.0) / Money::ONE;
    let ticks = i64::try_from(ticks).unwrap_or(i64::MAX);
    touch.price.plus(Ticks(ticks.saturating_mul(side.sign())))
}
