//! Orders of unknown fate: which to look up at the venue, and when.
//!
//! Doubt comes from an answer that says so itself or knows no such order (`raise`), and from silence
//! after a request (`sent`). Most of it ends by the user-data stream while it still waits here.
//! Invariant: after `new` nothing allocates; at the bounds the oldest request is doubted early, and a
//! further doubt waits until the silence after its order's next request.

use crate::ledger::{Ledger, Order};
use crate::record::OrderState;
use crate::units::{Lots, Nanos, OrderId};
use crate::venue::binance::orders::ORDER_WINDOW_MS;
use std::collections::VecDeque;

/// Requests whose answers are awaited.
const SENT_MAX: usize = 1_024;
/// Orders in doubt at a time.
const DOUBTS_MAX: usize = 64;
/// A request that left so long ago has taken effect or never will: its window (`ORDER_WINDOW_MS`), and
/// as much again and half for what the clocks differ by.
pub const SETTLED: Nanos = Nanos::from_millis(ORDER_WINDOW_MS * 5 / 2);
/// How long the venue may leave one request unanswered: looked up earlier, it might still be under way.
const SILENCE: Nanos = SETTLED;
/// How long the user-data stream may be behind the answer that raised a doubt.
const STREAM_LAG: Nanos = Nanos::from_millis(300);
/// From a look-up that found no order to the next: the venue's own books may lag behind each other.
const BOOKS_LAG: Nanos = Nanos::from_millis(700);
/// Look-ups for fills that an order's reports imply and the venue does not list yet.
const FILL_LOOKS: u8 = 5;
/// Between two looks for orders that nobody watches.
const SWEEP: Nanos = Nanos(5_000_000_000);
/// After a look-up that nobody answered.
const AGAIN: Nanos = Nanos(6_000_000_000);

/// Orders of a lane whose fate is open.
#[derive(Debug)]
pub struct Doubts {
    sent: VecDeque<(Nanos, OrderId)>,
    last_sent: Nanos,
    swept_at: Nanos,
    doubted: Vec<Doubt>,
}

#[derive(Clone, Copy, Debug)]
struct Doubt {
    order: OrderId,
    look_at: Nanos,
    /// A look-up found no such order.
    absent: bool,
    /// Whether its state is in doubt; its fills may be even when it is over.
    fate: bool,
    /// Filled by the venue's word, and look-ups that are left to find what was not told.
    filled: Lots,
    looks: u8,
}

impl Doubts {
    /// No doubt.
    pub fn new() -> Doubts {
        Doubts {
            sent: VecDeque::with_capacity(SENT_MAX),
            last_sent: Nanos(0),
            swept_at: Nanos(0),
            doubted: Vec::with_capacity(DOUBTS_MAX),
        }
    }

    /// A request about an order has left.
    #[inline]
    pub fn sent(&mut self, order: OrderId, now: Nanos) {
        if self.sent.len() == SENT_MAX
            && let Some((_, oldest)) = self.sent.pop_front()
        {
            self.raise(oldest, now);
        }
        self.last_sent = now;
        self.sent.push_back((now, order));
    }

    /// When the last request left.
    #[must_use]
    pub fn last_sent(&self) -> Nanos {
        self.last_sent
    }

    /// The venue's answer leaves the fate of an order open.
    #[cold]
    pub fn raise(&mut self, order: OrderId, now: Nanos) {
        self.doubt(order, now.plus(STREAM_LAG));
    }

    /// The venue says that more of an order was filled than it told.
    #[cold]
    pub fn raise_fills(&mut self, order: OrderId, filled: Lots, now: Nanos) {
        if let Some(doubt) = self.entry(order, now.plus(STREAM_LAG)) {
            doubt.filled = doubt.filled.max(filled);
            doubt.looks = FILL_LOOKS;
        }
    }

    fn doubt(&mut self, order: OrderId, look_at: Nanos) {
        if let Some(doubt) = self.entry(order, look_at) {
            doubt.fate = true;
        }
    }

    /// The doubt about an order, made where there is none and there is room.
    fn entry(&mut self, order: OrderId, look_at: Nanos) -> Option<&mut Doubt> {
        let at = self.doubted.iter().position(|of| of.order == order);
        if at.is_none() && self.doubted.len() < DOUBTS_MAX {
            let (fate, filled) = (false, Lots(0));
            self.doubted.push(Doubt { order, look_at, absent: false, fate, filled, looks: 0 });
        }
        let last = self.doubted.len().checked_sub(1)?;
        self.doubted.get_mut(at.unwrap_or(last)).filter(|of| of.order == order)
    }

    /// A look-up did not bring all fills; whether another will be tried.
    pub fn looks_again(&mut self, order: OrderId, now: Nanos) -> bool {
        let Some(doubt) = self.doubted.iter_mut().find(|of| of.order == order) else {
            return false;
        };
        doubt.looks = doubt.looks.saturating_sub(1);
        doubt.look_at = now.plus(BOOKS_LAG);
        doubt.looks > 0
    }

    /// An order to look up now; call until there is none.
    pub fn next(&mut self, now: Nanos, ledger: &Ledger) -> Option<OrderId> {
        while let Some((at, order)) = self.sent.front().copied()
            && now.since(at) >= SILENCE
        {
            self.sent.pop_front();
            // What is awaited may be the answer to a later request, which has its own time.
            let later = |sent: &VecDeque<_>| sent.iter().any(|(_, other)| *other == order);
            if ledger.order(order).is_some_and(awaits_answer) && !later(&self.sent) {
                self.doubt(order, now);
            }
        }
        if now >= self.swept_at.plus(SWEEP) {
            self.swept_at = now;
            self.sweep(now, ledger);
        }
        let works = |of: &Doubt| {
            ledger.order(of.order).is_some_and(|order| {
                let misses_fills = of.looks > 0 && order.filled < of.filled;
                misses_fills || (of.fate && order.state.is_working())
            })
        };
        self.doubted.retain(works);
        let due = self.doubted.iter_mut().find(|of| now >= of.look_at)?;
        due.look_at = now.plus(AGAIN);
        Some(due.order)
    }

    /// Doubts every order that awaits an answer and that nobody watches: there was no room for it.
    #[cold]
    fn sweep(&mut self, now: Nanos, ledger: &Ledger) {
        for order in ledger.orders().filter(|of| awaits_answer(of)) {
            if !self.sent.iter().any(|(_, of)| *of == order.id) {
                self.doubt(order.id, now.plus(STREAM_LAG));
            }
        }
    }

    /// A look-up found no such order, which was sent at `sent_at`; whether one before it had not either
    /// and the request cannot come to work any more, so that it is certain.
    pub fn is_absent(&mut self, order: OrderId, sent_at: Nanos, now: Nanos) -> bool {
        let Some(doubt) = self.doubted.iter_mut().find(|of| of.order == order) else {
            return false;
        };
        let settled_at = sent_at.plus(SETTLED);
        doubt.look_at = now.plus(BOOKS_LAG).max(settled_at);
        std::mem::replace(&mut doubt.absent, true) && now >= settled_at
    }

    /// The fate of an order is known.
    pub fn end(&mut self, order: OrderId) {
        self.doubted.retain(|of| of.order != order);
    }

    /// Something else settles every order.
    pub fn clear(&mut self) {
        self.sent.clear();
        self.doubted.clear();
    }
}

fn awaits_answer(order: &Order) -> bool {
    order.change_pending || matches!(order.state, OrderState::Pending | OrderState::CancelPending)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hot::tests::{instrument, order, report};
    use crate::record::ExecutionKind;
    use crate::units::Side;

    const ONE: OrderId = OrderId::new(1, 1);

    /// An order sent at time zero, and a lane's knowledge of it.
    fn sent() -> (Doubts, Ledger) {
        let (mut doubts, mut ledger) = (Doubts::new(), Ledger::new(&[instrument(0, "BTCUSDT")]));
        ledger.place(&order(1, Side::Buy, 100, 10), 0, Nanos(0)).unwrap();
        doubts.sent(ONE, Nanos(0));
        (doubts, ledger)
    }

    fn heard(ledger: &mut Ledger, kind: ExecutionKind) {
        ledger.on_report(&report(kind, &order(1, Side::Buy, 100, 10)));
    }

    #[test]
    fn silence_is_doubted_and_an_answer_is_not() {
        let (mut doubts, ledger) = sent();
        assert_eq!(doubts.next(Nanos(SILENCE.0 - 1), &ledger), None);
        assert_eq!(doubts.next(SILENCE, &ledger), Some(ONE));
        assert_eq!(doubts.next(SILENCE, &ledger), None, "asked once");
        assert_eq!(doubts.next(SILENCE.plus(AGAIN), &ledger), Some(ONE), "and once more");

        let (mut doubts, mut ledger) = sent();
        heard(&mut ledger, ExecutionKind::Acknowledged);
        assert_eq!(doubts.next(SILENCE, &ledger), None);
        ledger.cancel_sent(ONE);
        doubts.sent(ONE, SILENCE);
        assert_eq!(doubts.next(SILENCE.plus(SILENCE), &ledger), Some(ONE), "a silent cancel");

        let (mut doubts, mut ledger) = sent();
        heard(&mut ledger, ExecutionKind::Acknowledged);
        ledger.cancel_sent(ONE);
        doubts.sent(ONE, Nanos(SILENCE.0 - 1));
        assert_eq!(doubts.next(SILENCE, &ledger), None, "the cancel has just left");
    }

    #[test]
    fn a_doubt_ends_with_its_order_or_waits_for_the_stream() {
        let (mut doubts, mut ledger) = sent();
        doubts.raise(ONE, Nanos(0));
        assert_eq!(doubts.next(Nanos(STREAM_LAG.0 - 1), &ledger), None);
        assert_eq!(doubts.next(STREAM_LAG, &ledger), Some(ONE));
        heard(&mut ledger, ExecutionKind::Cancelled);
        assert_eq!(doubts.next(STREAM_LAG.plus(AGAIN), &ledger), None);
    }

    #[test]
    fn missing_fills_are_looked_for_even_when_the_order_is_over() {
        let (mut doubts, mut ledger) = sent();
        heard(&mut ledger, ExecutionKind::Acknowledged);
        let cancelled = order(1, Side::Buy, 100, 10);
        let mut told = report(ExecutionKind::Cancelled, &cancelled);
        told.filled_lots = Lots(4);
        ledger.on_report(&told);
        assert!(ledger.misses_fills(&told), "four lots filled and nobody told");
        doubts.raise_fills(ONE, Lots(4), Nanos(0));
        assert_eq!(doubts.next(STREAM_LAG, &ledger), Some(ONE));
        let mut now = STREAM_LAG;
        while doubts.looks_again(ONE, now) {
            now = now.plus(BOOKS_LAG);
            assert_eq!(doubts.next(now, &ledger), Some(ONE));
        }
        assert_eq!(doubts.next(now.plus(AGAIN), &ledger), None, "not for ever");
        let (mut late, mut ledger) = sent();
        late.raise_fills(ONE, Lots(4), Nanos(0));
        let mut fill = report(ExecutionKind::Fill, &cancelled);
        (fill.trade_id, fill.last_lots, fill.filled_lots) = (1, Lots(4), Lots(4));
        ledger.on_report(&fill);
        assert_eq!(late.next(STREAM_LAG, &ledger), None, "the fill came by itself");
        assert_eq!(now, STREAM_LAG.plus(Nanos(BOOKS_LAG.0 * (u64::from(FILL_LOOKS) - 1))));
    }

    #[test]
    fn an_order_is_absent_when_two_look_ups_say_so_and_it_can_come_no_more() {
        let (mut doubts, mut ledger) = sent();
        doubts.raise(ONE, Nanos(0));
        assert_eq!(doubts.next(STREAM_LAG, &ledger), Some(ONE));
        assert!(!doubts.is_absent(ONE, Nanos(0), STREAM_LAG));
        let later = STREAM_LAG.plus(BOOKS_LAG);
        assert_eq!(doubts.next(later, &ledger), None, "it may still be under way");
        assert!(!doubts.is_absent(ONE, Nanos(0), later), "whoever asks");
        assert_eq!(doubts.next(SETTLED, &ledger), Some(ONE));
        assert!(doubts.is_absent(ONE, Nanos(0), SETTLED));
        doubts.end(ONE);
        heard(&mut ledger, ExecutionKind::Rejected);
        assert_eq!(doubts.next(SILENCE.plus(AGAIN), &ledger), None);
    }

    #[test]
    fn an_order_that_nobody_watches_is_doubted_by_and_by() {
        let (mut doubts, ledger) = sent();
        doubts.clear();
        assert_eq!(doubts.next(SWEEP, &ledger), None, "the stream gets its time");
        assert_eq!(doubts.next(SWEEP.plus(STREAM_LAG), &ledger), Some(ONE));
        let (mut watched, ledger) = sent();
        watched.sent(ONE, SWEEP);
        assert_eq!(watched.next(SWEEP.plus(STREAM_LAG), &ledger), None, "its answer may come");
    }

    #[test]
    fn at_the_bound_the_oldest_request_is_doubted_early() {
        let (mut doubts, ledger) = sent();
        (2..2 + SENT_MAX as u64).for_each(|at| doubts.sent(OrderId::new(1, at), Nanos(0)));
        assert_eq!(doubts.next(STREAM_LAG, &ledger), Some(ONE));
    }
}
