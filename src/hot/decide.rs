//! Stage four: wanted quotes against working orders -> intents.
//!
//! Each quote level of a side is a slot that holds at most one order. A slot whose order differs
//! from the wanted quote by at least the plan's `requote_ticks` is replaced (spot: cancel and place in
//! one request; futures: changed in place, keeping its id); one that is no longer wanted is
//! cancelled; an empty one is filled. A slot whose order waits for an answer is left alone.
//! Invariant: at most one intent per slot and step, so the number of intents is bounded.

use crate::ledger::{Ledger, Order};
use crate::record::{
    Intent, Level, MakingParameters, OrderAction, OrderState, OrderType, Tape, TimeInForce,
};
use crate::strategy::making::{LEVELS_MAX, Quotes};
use crate::units::{InstrumentId, Lots, OrderId, Side, Ticks};

/// Slots of one instrument: two sides of `LEVELS_MAX` levels.
pub const SLOTS: usize = 2 * LEVELS_MAX;

/// No order: ids of a lane count from one.
const NONE: OrderId = OrderId(0);

/// Orders of one instrument, by slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slots {
    /// First the slots, then the strays: orders whose slot another has taken, on their way out or to
    /// be cancelled once the venue refused to withdraw them. Zero: no order.
    held: [OrderId; 2 * SLOTS],
    /// The orders among `held`, side by side for the gate.
    ids: [OrderId; 2 * SLOTS],
    len: usize,
}

/// Intents of one step with the slot each belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    intents: [Option<(Intent, u8)>; 2 * SLOTS],
    len: usize,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted { intents: [None; 2 * SLOTS], len: 0 }
    }
}

impl Wanted {
    /// One intent.
    #[must_use]
    pub fn one(intent: Intent, slot: usize) -> Wanted {
        let mut wanted = Wanted::default();
        wanted.push(intent, slot);
        wanted
    }

    fn push(&mut self, intent: Intent, slot: usize) {
        if let Some(place) = self.intents.get_mut(self.len) {
            *place = Some((intent, slot as u8));
            self.len += 1;
        }
    }

    /// The intents in order.
    pub fn iter(&self) -> impl Iterator<Item = (Intent, usize)> + '_ {
        self.intents[..self.len].iter().flatten().map(|(intent, slot)| (*intent, *slot as usize))
    }

    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// How replacing works at the venue, and where new ids come from.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether an order is changed in place under its own id (futures).
    pub modify_in_place: bool,
    /// Whether orders may only shrink the position, at the venue too.
    pub reduce_only: bool,
    /// Epoch of new client order ids.
    pub epoch: u32,
    /// Whether the rate budget is used up: nothing new or changed is wanted then, only cancels of what
    /// is no longer wanted or stands better than wanted.
    pub cancels_only: bool,
}

impl Slots {
    /// Saves the slots or brings them back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("slots");
        tape.pods(&mut self.held);
        self.gather();
    }

    /// Every order that may work, strays included.
    #[inline]
    #[must_use]
    pub fn ids(&self) -> &[OrderId] {
        &self.ids[..self.len]
    }

    fn gather(&mut self) {
        self.len = 0;
        for id in self.held {
            self.ids[self.len] = id;
            self.len += usize::from(id != NONE);
        }
    }

    /// Puts an order into its slot; the one it replaces works on among the strays until it is over.
    pub fn put(&mut self, slot: usize, id: OrderId) {
        let (slots, strays) = self.held.split_at_mut(SLOTS);
        let Some(place) = slots.get_mut(slot) else { return };
        let replaced = std::mem::replace(place, id);
        if let Some(free) = strays.iter_mut().find(|place| **place == NONE) {
            *free = replaced;
        }
        self.gather();
    }

    /// Slot of an order by its side and level.
    #[must_use]
    pub const fn slot_of(side: Side, level: u8) -> usize {
        side as usize * LEVELS_MAX + level as usize % LEVELS_MAX
    }

    /// Forgets orders that are over.
    pub fn sweep(&mut self, ledger: &Ledger) {
        for place in self.held.iter_mut().filter(|place| **place != NONE) {
            if ledger.order(*place).is_none_or(|order| !order.state.is_working()) {
                *place = NONE;
            }
        }
        self.gather();
    }

    /// An order that should be gone still works: back into its slot, or among the strays.
    pub fn still_works(&mut self, order: &Order) {
        if self.ids().contains(&order.id) {
            return;
        }
        let (slots, strays) = self.held.split_at_mut(SLOTS);
        let slot = &mut slots[Slots::slot_of(order.side, order.level)];
        let mut places = std::iter::once(slot).chain(strays);
        if let Some(place) = places.find(|place| **place == NONE) {
            *place = order.id;
        }
        self.gather();
    }

    /// Intents that bring the working orders to `quotes`; ids count up from `*next_id`.
    #[must_use]
    pub fn intents(
        &self,
        instrument: InstrumentId,
        quotes: &Quotes,
        parameters: &MakingParameters,
        ledger: &Ledger,
        style: Style,
        next_id: &mut u64,
    ) -> Wanted {
        let mut wanted = Wanted::default();
        let (own_bid, own_ask) = self.own_touch(ledger);
        let (wanted_bid, wanted_ask) = (quotes.bids[0], quotes.asks[0]);
        for (slot, held) in self.held[..SLOTS].iter().enumerate() {
            let side = if slot < LEVELS_MAX { Side::Buy } else { Side::Sell };
            let level = slot % LEVELS_MAX;
            let quote = match side {
                Side::Buy => quotes.bids[level],
                Side::Sell => quotes.asks[level],
            };
            let order = working(*held, ledger);
            let quiet = quote.is_none() && order.is_none();
            if quiet {
                continue;
            }
            // One order a price: what stands there already serves, whichever level it was sent for.
            let taken = quote.is_some_and(|quote| self.works_at(slot, side, quote.price, ledger));
            // What stands in the way of the other side's new quote goes however little it is off, and the
            // other side waits for that: our own order must never be what we trade with.
            let (blocks, waits) = match side {
                Side::Buy => (
                    order.is_some_and(|order| {
                        wanted_ask.is_some_and(|ask| order.price >= ask.price)
                    }),
                    quote.is_some_and(|quote| quote.price >= own_ask),
                ),
                Side::Sell => (
                    order.is_some_and(|order| {
                        wanted_bid.is_some_and(|bid| order.price <= bid.price)
                    }),
                    quote.is_some_and(|quote| quote.price <= own_bid),
                ),
            };
            let intent = match (order, quote) {
                (Some(order), Some(quote)) if style.cancels_only => {
                    (exposed(order, quote) && moved(order, quote, parameters) && may_change(order))
                        .then(|| cancel(order))
                }
                (Some(order), Some(_)) if blocks && taken => {
                    may_change(order).then(|| cancel(order))
                }
                (_, Some(_)) if taken || waits || style.cancels_only => None,
                (None, Some(quote)) => Some(place(instrument, side, quote, style, next_id)),
                (Some(order), None) => may_change(order).then(|| cancel(order)),
                (Some(order), Some(quote)) if blocks || moved(order, quote, parameters) => {
                    may_change(order).then(|| replace(order, quote, style, next_id))
                }
                _ => None,
            };
            if let Some(intent) = intent {
                wanted.push(intent, slot);
            }
        }
        for id in &self.held[SLOTS..] {
            if let Some(order) = working(*id, ledger).filter(|order| may_change(order)) {
                wanted.push(cancel(order), Slots::slot_of(order.side, order.level));
            }
        }
        wanted
    }

    /// Whether an order of another slot works on this side at this price.
    fn works_at(&self, slot: usize, side: Side, price: Ticks, ledger: &Ledger) -> bool {
        let first = if side == Side::Buy { 0 } else { LEVELS_MAX };
        (first..first + LEVELS_MAX)
            .filter(|at| *at != slot)
            .any(|at| working(self.held[at], ledger).is_some_and(|order| order.price == price))
    }

    /// Our highest bid and our lowest offer that work.
    fn own_touch(&self, ledger: &Ledger) -> (Ticks, Ticks) {
        let mut touch = (Ticks(i64::MIN), Ticks(i64::MAX));
        for order in self.ids().iter().filter_map(|id| working(*id, ledger)) {
            match order.side {
                Side::Buy => touch.0 = touch.0.max(order.price),
                Side::Sell => touch.1 = touch.1.min(order.price),
            }
        }
        touch
    }

    /// A cancel for every order that works and does not already wait for one.
    #[must_use]
    pub fn cancels(&self, ledger: &Ledger) -> Wanted {
        let mut wanted = Wanted::default();
        for id in self.ids() {
            if let Some(order) = ledger.order(*id).filter(|order| may_cancel(order)) {
                wanted.push(cancel(order), Slots::slot_of(order.side, order.level));
            }
        }
        wanted
    }
}

/// The order of a place, if there is one and it works.
#[inline]
fn working(id: OrderId, ledger: &Ledger) -> Option<&Order> {
    if id == NONE {
        return None;
    }
    ledger.order(id).filter(|order| order.state.is_working())
}

/// An order can be changed once the venue has named it and nothing else is on its way.
fn may_change(order: &Order) -> bool {
    let named = matches!(order.state, OrderState::Open | OrderState::PartlyFilled);
    named && !order.change_pending
}

/// A cancel may also chase an order that is not yet acknowledged, or of unknown fate.
fn may_cancel(order: &Order) -> bool {
    order.state.is_working() && order.state != OrderState::CancelPending
}

/// Whether the order offers a better price than is wanted now: the market went through it.
fn exposed(order: &Order, quote: Level) -> bool {
    match order.side {
        Side::Buy => order.price > quote.price,
        Side::Sell => order.price < quote.price,
    }
}

fn moved(order: &Order, quote: Level, parameters: &MakingParameters) -> bool {
    let distance = quote.price.minus(order.price).0.unsigned_abs();
    distance > 0 && distance as f64 >= parameters.requote_ticks
}

/// The next client order id of a lane.
fn new_id(style: Style, next_id: &mut u64) -> OrderId {
    let id = OrderId::new(style.epoch, *next_id);
    *next_id += 1;
    id
}

fn place(
    instrument: InstrumentId,
    side: Side,
    quote: Level,
    style: Style,
    next_id: &mut u64,
) -> Intent {
    let order = new_id(style, next_id);
    let intent = quote_intent(OrderAction::Place, instrument, side, quote, order);
    Intent { reduce_only: style.reduce_only, ..intent }
}

fn replace(order: &Order, quote: Level, style: Style, next_id: &mut u64) -> Intent {
    // a change in place states the whole size, fills included, and keeps the id
    let (id, lots) = if style.modify_in_place {
        (order.id, order.filled.plus(quote.lots))
    } else {
        (new_id(style, next_id), quote.lots)
    };
    let quote = Level { lots, ..quote };
    Intent {
        replaces: order.id,
        reduce_only: style.reduce_only,
        ..quote_intent(OrderAction::Replace, order.instrument, order.side, quote, id)
    }
}

fn quote_intent(
    action: OrderAction,
    instrument: InstrumentId,
    side: Side,
    quote: Level,
    order: OrderId,
) -> Intent {
    Intent {
        action,
        instrument,
        order,
        replaces: OrderId(0),
        side,
        order_type: OrderType::PostOnly,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        price: quote.price,
        lots: quote.lots,
    }
}

/// The intent that withdraws `order`.
#[must_use]
pub fn cancel(order: &Order) -> Intent {
    Intent {
        action: OrderAction::Cancel,
        instrument: order.instrument,
        order: order.id,
        replaces: OrderId(0),
        side: order.side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        price: Ticks(0),
        lots: Lots(0),
    }
}
