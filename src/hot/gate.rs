//! Pre-trade gate, the last stage before an order leaves: `Intent -> Verdict`.
//!
//! Reads the Plan, the ledger, the touch and the rate window; owns no clock, no socket; never
//! allocates. One question, one verdict, in the order of `check`; cancels skip everything about
//! size and price and own a reserved part of the rate budget.
//! Invariant: the verdict depends only on the arguments, so replay repeats it.
//! Deliberately absent: logging. The report counts verdicts by code.

use crate::ledger::Ledger;
use crate::market::book::Top;
use crate::record::{
    Instrument, Intent, Mode, OrderAction, OrderState, OrderType, Plan, PlanEntry, PlanLimits,
    Tape, Verdict,
};
use crate::units::{Lots, Money, Nanos, OrderId, Side, Ticks};

/// Sends a rate window can hold; limits above it are cut to it. Small enough that both rings stay in
/// the cache.
pub const RATE_WINDOW_MAX: usize = 2_048;

/// Everything a verdict may depend on, besides the intent.
#[derive(Clone, Copy, Debug)]
pub struct GateView<'a> {
    /// The lane's mode.
    pub mode: Mode,
    /// Whether the order connection is up.
    pub connected: bool,
    /// The adopted plan.
    pub plan: &'a Plan,
    /// The books.
    pub ledger: &'a Ledger,
    /// Metadata of the intent's instrument.
    pub instrument: &'a Instrument,
    /// Its touch; `None` while the book is not synchronised.
    pub top: Option<Top>,
    /// When its book last moved.
    pub book_at: Nanos,
    /// Our orders on the instrument that may work.
    pub own: &'a [OrderId],
    /// What was sent lately.
    pub rate: &'a RateWindow,
    /// Receive time of the input.
    pub now: Nanos,
}

/// Send times of the last requests: a sliding window without a clock of its own.
#[derive(Clone, Debug)]
pub struct RateWindow {
    orders: Times,
    all: Times,
}

/// A ring of the last `RATE_WINDOW_MAX` times.
#[derive(Clone, Debug)]
struct Times {
    ring: Box<[Nanos; RATE_WINDOW_MAX]>,
    count: u64,
}

impl Times {
    fn new() -> Times {
        Times { ring: Box::new([Nanos(0); RATE_WINDOW_MAX]), count: 0 }
    }

    fn push(&mut self, now: Nanos) {
        self.ring[(self.count % RATE_WINDOW_MAX as u64) as usize] = now;
        self.count += 1;
    }

    /// Whether fewer than `limit` times lie within `window` before `now`.
    #[inline]
    fn has_room(&self, limit: u64, window: Nanos, now: Nanos) -> bool {
        let limit = limit.min(RATE_WINDOW_MAX as u64);
        let place = self.count.wrapping_sub(limit) % RATE_WINDOW_MAX as u64;
        let oldest = self.ring[place as usize];
        (self.count < limit) | ((limit > 0) & (now.since(oldest) >= window))
    }
}

impl Times {
    /// The first time at which `has_room`, as things stand; never for a limit of zero.
    fn room_at(&self, limit: u64, window: Nanos) -> Nanos {
        let limit = limit.min(RATE_WINDOW_MAX as u64);
        if limit == 0 {
            return Nanos(u64::MAX);
        }
        if self.count < limit {
            return Nanos(0);
        }
        self.ring[((self.count - limit) % RATE_WINDOW_MAX as u64) as usize].plus(window)
    }
}

impl RateWindow {
    /// A window in which nothing was sent.
    #[must_use]
    pub fn new() -> RateWindow {
        RateWindow { orders: Times::new(), all: Times::new() }
    }

    /// Saves the window or brings it back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("rates");
        for times in [&mut self.orders, &mut self.all] {
            tape.pods(times.ring.as_mut_slice());
            tape.pod(&mut times.count);
        }
    }

    /// Notes a request that leaves.
    pub fn sent(&mut self, action: OrderAction, now: Nanos) {
        self.all.push(now);
        if matches!(action, OrderAction::Place | OrderAction::Replace) {
            self.orders.push(now);
        }
    }

    /// A life begins whose clock counts from another zero: everything sent counts as sent now, which
    /// holds back more than the venue would.
    pub fn begin(&mut self, now: Nanos) {
        self.orders.ring.fill(now);
        self.all.ring.fill(now);
    }

    /// When the next order or change may leave, if nothing else is sent until then.
    #[must_use]
    pub fn room_at(&self, limits: &PlanLimits) -> Nanos {
        let total = limits.orders_per_window.saturating_add(limits.cancels_reserved_per_window);
        let all = self.all.room_at(total.into(), limits.rate_window);
        let own = self.orders.room_at(limits.orders_per_window.into(), limits.rate_window);
        let venue = limits.venue.iter().filter(|rate| rate.orders > 0);
        venue.fold(all.max(own), |at, rate| at.max(self.orders.room_at(rate.orders, rate.window)))
    }

    /// Orders may use their own part only; cancels may use that and the part reserved for them.
    #[inline]
    fn allows(&self, action: OrderAction, limits: &PlanLimits, now: Nanos) -> bool {
        let total = limits.orders_per_window.saturating_add(limits.cancels_reserved_per_window);
        let is_cancel = matches!(action, OrderAction::Cancel | OrderAction::CancelAll);
        let own = self.orders.has_room(limits.orders_per_window.into(), limits.rate_window, now);
        let venue = limits.venue.iter().fold(true, |room, rate| {
            room & ((rate.orders == 0) | self.orders.has_room(rate.orders, rate.window, now))
        });
        self.all.has_room(total.into(), limits.rate_window, now) & (is_cancel | (own & venue))
    }
}

impl Default for RateWindow {
    fn default() -> RateWindow {
        RateWindow::new()
    }
}

/// Fails closed: whatever cannot be answered is a refusal.
#[must_use]
pub fn check(intent: &Intent, view: &GateView<'_>) -> Verdict {
    if matches!(intent.action, OrderAction::Place | OrderAction::Replace) {
        check_order(intent, view)
    } else if intent.action == OrderAction::Cancel {
        check_cancel(intent, view)
    } else {
        check_cancel_all(view)
    }
}

fn check_cancel(intent: &Intent, view: &GateView<'_>) -> Verdict {
    if !view.connected {
        return Verdict::NotConnected;
    }
    match view.ledger.order(intent.order) {
        Some(order) if order.state.is_working() => {}
        _ => return Verdict::UnknownOrder,
    }
    check_cancel_rate(view)
}

fn check_cancel_all(view: &GateView<'_>) -> Verdict {
    if !view.connected {
        return Verdict::NotConnected;
    }
    check_cancel_rate(view)
}

/// Without a plan there is no budget to keep, and a cancel must still leave.
fn check_cancel_rate(view: &GateView<'_>) -> Verdict {
    let limits = &view.plan.limits;
    let planned = limits.rate_window > Nanos(0);
    if planned && !view.rate.allows(OrderAction::Cancel, limits, view.now) {
        return Verdict::OrderRate;
    }
    Verdict::Pass
}

fn check_order(intent: &Intent, view: &GateView<'_>) -> Verdict {
    if view.mode == Mode::Halted {
        return Verdict::Halted;
    }
    if !view.connected {
        return Verdict::NotConnected;
    }
    let shrinks = view.ledger.shrinks(intent);
    if view.mode == Mode::Reducing && !shrinks {
        return Verdict::Reducing;
    }
    let Some(entry) = view.plan.entry(intent.instrument) else {
        return if view.plan.version == 0 { Verdict::PlanStale } else { Verdict::NotInPlan };
    };
    if view.now.since(view.plan.adopted_at) > view.plan.limits.plan_age_max && !shrinks {
        return Verdict::PlanStale;
    }
    let verdict = check_book(intent, view, entry, shrinks);
    if !verdict.passes() {
        return verdict;
    }
    let verdict = check_size(intent, view, entry, shrinks);
    if !verdict.passes() {
        return verdict;
    }
    let verdict = check_own(intent, view, entry);
    if !verdict.passes() {
        return verdict;
    }
    if !view.rate.allows(intent.action, &view.plan.limits, view.now) {
        return Verdict::OrderRate;
    }
    Verdict::Pass
}

/// Book and price: synchronised, fresh, uncrossed, and the price near enough to the middle.
fn check_book(intent: &Intent, view: &GateView<'_>, entry: &PlanEntry, shrinks: bool) -> Verdict {
    let Some(top) = view.top else { return Verdict::BookUnsynchronised };
    if top.is_crossed() {
        return Verdict::BookCrossed;
    }
    if view.now.since(view.book_at) > entry.book_age_max && !shrinks {
        return Verdict::BookStale;
    }
    let filters = &view.instrument.filters;
    if intent.order_type == OrderType::Market {
        return Verdict::Pass;
    }
    let within = filters.price_min <= intent.price && intent.price <= filters.price_max;
    let (Some(bid), Some(ask)) = (top.bid, top.ask) else { return Verdict::BookUnsynchronised };
    // twice the middle, so that the collar is exact in integers
    let middle = i128::from(bid.price.0) + i128::from(ask.price.0);
    let distance = (2 * i128::from(intent.price.0) - middle).abs();
    let allowed = middle * i128::from(entry.collar.0);
    if !within || distance * Money::ONE > allowed {
        return Verdict::PriceOutsideCollar;
    }
    Verdict::Pass
}

/// Size, position with everything that works, and notional.
fn check_size(intent: &Intent, view: &GateView<'_>, entry: &PlanEntry, shrinks: bool) -> Verdict {
    let filters = &view.instrument.filters;
    if intent.lots <= Lots(0) || intent.lots < filters.lots_min {
        return Verdict::SizeUnderLimit;
    }
    if intent.lots > entry.order_lots_max || intent.lots > filters.lots_max {
        return Verdict::SizeOverLimit;
    }
    let Some(account) = view.ledger.account(intent.instrument) else { return Verdict::NotInPlan };
    let more = intent.lots.minus(replaced_exposure(intent, view));
    if !shrinks && account.worst_position(intent.side, more) > entry.position_lots_max {
        return Verdict::PositionOverLimit;
    }
    let price = worst_price(intent, view);
    let notional = account.valuation().notional(intent.lots, price);
    if notional > entry.notional_max {
        return Verdict::NotionalOverLimit;
    }
    if notional < filters.notional_min && !intent.reduce_only {
        return Verdict::NotionalUnderLimit;
    }
    Verdict::Pass
}

/// What the order that a replace withdraws already counts for.
fn replaced_exposure(intent: &Intent, view: &GateView<'_>) -> Lots {
    if intent.action != OrderAction::Replace {
        return Lots(0);
    }
    view.ledger.order(intent.replaces).map_or(Lots(0), |order| order.exposed)
}

/// The price a notional is measured at: the limit, or the touch for a market order.
fn worst_price(intent: &Intent, view: &GateView<'_>) -> Ticks {
    if intent.order_type != OrderType::Market {
        return intent.price;
    }
    let touch = view.top.and_then(|top| match intent.side {
        Side::Buy => top.ask,
        Side::Sell => top.bid,
    });
    touch.map_or(intent.price, |level| level.price)
}

/// Against our own orders: count, duplicate, self-trade, a change that waits for its answer.
fn check_own(intent: &Intent, view: &GateView<'_>, entry: &PlanEntry) -> Verdict {
    let replaced = (intent.action == OrderAction::Replace).then_some(intent.replaces);
    if let Some(id) = replaced {
        match view.ledger.order(id) {
            Some(order) if order.state.is_working() => {
                if order.change_pending || order.state == OrderState::CancelPending {
                    return Verdict::CancelPending;
                }
            }
            _ => return Verdict::UnknownOrder,
        }
    } else {
        let working = view.ledger.account(intent.instrument).map_or(0, |a| a.working_orders());
        if working >= entry.open_orders_max as usize {
            return Verdict::OpenOrders;
        }
    }
    // no branch on what the orders are, since no predictor knows them
    let (buys, market) = (intent.side == Side::Buy, intent.order_type == OrderType::Market);
    let replaced = replaced.unwrap_or_default();
    let (mut duplicate, mut meets) = (false, false);
    for id in view.own {
        let order = view.ledger.peek(*id);
        let counts = order.state.is_working() & (order.id == *id) & (order.id != replaced);
        let same = order.side == intent.side;
        let reaches =
            (buys & (intent.price >= order.price)) | (!buys & (intent.price <= order.price));
        duplicate |= counts & same & (intent.price == order.price) & !market;
        meets |= counts & !same & (reaches | market);
    }
    match (duplicate, meets) {
        (true, _) => Verdict::Duplicate,
        (false, true) => Verdict::SelfTrade,
        (false, false) => Verdict::Pass,
    }
}
