//! Orders by client order id: a ring indexed by the id's counter, so a lookup is one compare.
//!
//! Ids of a lane are consecutive, hence `counter % ORDERS_MAX` is a perfect index for the last
//! `ORDERS_MAX` orders. A slot is taken over only when its order is over; if it still works, the
//! newcomer is handed back and must not be sent.

use super::StateHash;
use crate::record::{AdoptedOrder, Intent, OrderState, Tape};
use crate::units::{InstrumentId, Lots, Nanos, OrderId, Side, Ticks};

/// Orders remembered; late fills of orders older than this move the position only.
pub const ORDERS_MAX: usize = 4_096;

/// One order: one cache line, so that a question about it waits for memory at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Order {
    /// Client order id.
    pub id: OrderId,
    /// The venue's id; zero until it names one.
    pub venue_order: u64,
    /// Instrument.
    pub instrument: InstrumentId,
    /// Side.
    pub side: Side,
    /// Quote level of the strategy, from 0 at the touch.
    pub level: u8,
    /// State.
    pub state: OrderState,
    /// A change in place waits for its answer.
    pub change_pending: bool,
    /// Limit price.
    pub price: Ticks,
    /// Size.
    pub lots: Lots,
    /// Filled so far.
    pub filled: Lots,
    /// What can still fill, as the exposure counts it.
    pub exposed: Lots,
    /// When it was sent.
    pub sent_at: Nanos,
}

/// The slot still holds an order that works or misses fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("order {0:?} is not settled {ORDERS_MAX} orders later; cancel it before placing more")]
pub struct SlotTaken(pub OrderId);

const _: () = assert!(size_of::<Order>() == 64);

/// The ring of orders.
#[derive(Clone, Debug)]
pub struct Orders {
    slots: Box<[Order; ORDERS_MAX]>,
}

impl Order {
    /// What a slot holds before its first order: over, and nobody's.
    const VACANT: Order = Order {
        id: OrderId(0),
        venue_order: 0,
        instrument: InstrumentId(0),
        side: Side::Buy,
        level: 0,
        state: OrderState::Rejected,
        change_pending: false,
        price: Ticks(0),
        lots: Lots(0),
        filled: Lots(0),
        exposed: Lots(0),
        sent_at: Nanos(0),
    };

    /// A new order as `intent` describes it.
    #[must_use]
    pub fn of(intent: &Intent, level: u8, now: Nanos) -> Order {
        Order {
            id: intent.order,
            venue_order: 0,
            instrument: intent.instrument,
            side: intent.side,
            level,
            state: OrderState::Pending,
            change_pending: false,
            price: intent.price,
            lots: intent.lots,
            filled: Lots(0),
            exposed: intent.lots,
            sent_at: now,
        }
    }

    /// An order that the venue told of; what it filled is booked fill by fill.
    #[must_use]
    pub fn adopted(found: &AdoptedOrder, now: Nanos) -> Order {
        Order {
            id: found.order,
            venue_order: found.venue_order,
            instrument: found.instrument,
            side: found.side,
            state: OrderState::Unknown,
            price: found.price,
            lots: found.lots,
            exposed: found.lots,
            sent_at: now,
            ..Order::VACANT
        }
    }

    pub(super) fn mix_into(&self, hash: &mut StateHash) {
        hash.word(self.id.0);
        hash.word(self.state as u64 | u64::from(self.change_pending) << 8);
        hash.word(u64::from(self.instrument.0) << 8 | self.side as u64);
        hash.word(self.price.0 as u64);
        hash.word(self.lots.0 as u64);
        hash.word(self.filled.0 as u64);
        hash.word(self.exposed.0 as u64);
    }
}

impl Order {
    fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.pod(&mut self.id);
        tape.pod(&mut self.venue_order);
        tape.pod(&mut self.instrument);
        tape.code(&mut self.side, &[Side::Buy, Side::Sell]);
        tape.pod(&mut self.level);
        tape.code(&mut self.state, &OrderState::ALL);
        tape.flag(&mut self.change_pending);
        tape.pod(&mut self.price);
        for lots in [&mut self.lots, &mut self.filled, &mut self.exposed] {
            tape.pod(lots);
        }
        tape.pod(&mut self.sent_at);
    }
}

impl Orders {
    /// Saves the orders or brings them back; slots that never held one are left out.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("orders");
        let mut used: Vec<u16> = Vec::new();
        for (slot, order) in self.slots.iter().enumerate() {
            if order.id != Order::VACANT.id {
                used.push(slot as u16);
            }
        }
        tape.list(&mut used, ORDERS_MAX);
        if tape.is_loading() {
            self.slots.fill(Order::VACANT);
        }
        for slot in used {
            match self.slots.get_mut(usize::from(slot)) {
                Some(order) => order.walk(tape),
                None => return tape.refuse(slot.into()),
            }
        }
    }

    /// An empty ring.
    #[must_use]
    pub fn new() -> Orders {
        let slots = vec![Order::VACANT; ORDERS_MAX].into_boxed_slice();
        Orders { slots: slots.try_into().expect("Invariant: the slice has that length") }
    }

    fn slot(id: OrderId) -> usize {
        (id.counter() % ORDERS_MAX as u64) as usize
    }

    /// Files an order.
    ///
    /// # Errors
    /// When the order in its slot still works or misses fills.
    pub fn insert(&mut self, order: Order) -> Result<(), SlotTaken> {
        let slot = &mut self.slots[Orders::slot(order.id)];
        if slot.state.is_working() || slot.exposed > Lots(0) {
            return Err(SlotTaken(slot.id));
        }
        *slot = order;
        Ok(())
    }

    /// What stands in the slot of `id`, its order or another: for questions that may not branch.
    #[must_use]
    #[inline]
    pub fn peek(&self, id: OrderId) -> &Order {
        &self.slots[Orders::slot(id)]
    }

    /// An order, while the ring remembers it.
    #[must_use]
    #[inline]
    pub fn get(&self, id: OrderId) -> Option<&Order> {
        Some(self.peek(id)).filter(|order| order.id == id && order.id != Order::VACANT.id)
    }

    /// As `get`, to change it.
    #[inline]
    pub fn get_mut(&mut self, id: OrderId) -> Option<&mut Order> {
        let order = &mut self.slots[Orders::slot(id)];
        (order.id == id && id != Order::VACANT.id).then_some(order)
    }

    /// Every order remembered, by slot.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.slots.iter().filter(|order| order.id != Order::VACANT.id)
    }

    /// As `iter`, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Order> {
        self.slots.iter_mut().filter(|order| order.id != Order::VACANT.id)
    }
}

impl Default for Orders {
    fn default() -> Orders {
        Orders::new()
    }
}
