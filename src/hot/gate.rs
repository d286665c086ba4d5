//! Pre-trade gate, the last stage before an order leaves: `Intent -> Verdict`.
//!
//! Reads the Plan, the ledger, the exposures, the touch, the market's last trades and the rate window;
//! owns no clock, no socket; never allocates. One question, one verdict, in the order of `check`; cancels
//! skip everything about size and price and own a reserved part of the rate budget. An order that
//! shrinks its position skips what protects from new risk; sizes, prices and rates hold for it too.
//! Invariant: the verdict depends only on the arguments, so replay repeats it.
//! Deliberately absent: logging (the report counts verdicts by code), what a breach leads to (`reckon`).

use super::exposure::Exposures;
use super::flaws::{Flaw, Flaws, Sound};
use super::rate::{RateWindow, Use};
use super::state::Holds;
use super::trades::Trades;
use crate::ledger::{Account, Ledger};
use crate::market::book::Top;
use crate::record::{
    Instrument, Intent, Mode, OrderAction, OrderState, OrderType, Plan, PlanEntry, Verdict,
};
use crate::units::{Lots, Money, Nanos, OrderId, Rate, Side, Ticks};
use std::hint::select_unpredictable;

/// Everything a verdict may depend on, besides the intent.
#[derive(Clone, Copy, Debug)]
pub struct GateView<'a> {
    /// What holds the lane or the instrument back.
    pub holds: Holds,
    /// Whether a halted lane closes positions.
    pub closes: bool,
    /// Whether half-open breakers let another order out.
    pub may_try: bool,
    /// Whether the order connection is up.
    pub connected: bool,
    /// The adopted plan.
    pub plan: &'a Plan,
    /// Its entry of the instrument.
    pub entry: Option<&'a PlanEntry>,
    /// The books.
    pub ledger: &'a Ledger,
    /// Exposure and equity.
    pub exposures: &'a Exposures,
    /// Metadata of the intent's instrument.
    pub instrument: &'a Instrument,
    /// What the market traded in it.
    pub trades: &'a Trades,
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

/// Fails closed: whatever cannot be answered is a refusal.
#[must_use]
pub fn check(intent: &Intent, view: &GateView<'_>) -> Verdict {
    check_as::<Sound>(intent, view)
}

/// The same, with or without bugs.
#[inline]
pub(super) fn check_as<F: Flaws>(intent: &Intent, view: &GateView<'_>) -> Verdict {
    if intent.action.is_order() {
        check_order::<F>(intent, view)
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
    let planned = view.plan.limits.rate_window > Nanos(0);
    if planned && !view.rate.allows(Use::Cancel, view.now) {
        return Verdict::OrderRate;
    }
    Verdict::Pass
}

fn check_order<F: Flaws>(intent: &Intent, view: &GateView<'_>) -> Verdict {
    let Some(account) = view.ledger.account(intent.instrument) else { return Verdict::NotInPlan };
    let reach = account.reach(intent.side, more_lots(intent, view));
    let shrinks = shrinks(account, intent.side, reach);
    let verdict = check_standing(intent, view, shrinks);
    if !verdict.passes() {
        return verdict;
    }
    let Some(entry) = view.entry else {
        return if view.plan.version == 0 { Verdict::PlanStale } else { Verdict::NotInPlan };
    };
    if !shrinks & is_stale::<F>(view.plan, view.now) {
        return Verdict::PlanStale;
    }
    if !shrinks & (entry.restricted != 0) {
        return Verdict::Restricted;
    }
    let verdict = check_price(intent, view, entry, shrinks);
    if !verdict.passes() {
        return verdict;
    }
    let verdict = check_size(intent, view, entry);
    if !verdict.passes() {
        return verdict;
    }
    if !shrinks & (worst_position::<F>(account, intent, reach) > entry.position_lots_max) {
        return Verdict::PositionOverLimit;
    }
    let verdict = check_exposure::<F>(intent, view, shrinks, reach);
    if !verdict.passes() {
        return verdict;
    }
    let verdict = check_own(intent, view, entry, account);
    if !verdict.passes() {
        return verdict;
    }
    // what leaves a halted lane closes, or had been refused above
    let wants = if view.holds.mode() == Mode::Halted { Use::Close } else { Use::Order };
    if !view.rate.allows(wants, view.now) {
        return Verdict::OrderRate;
    }
    Verdict::Pass
}

/// The sums over instruments. An order that shrinks its position keeps the signed one alone: one leg of a
/// hedge that is closed leaves the other. A halted lane closes them all.
#[inline]
fn check_exposure<F: Flaws>(
    intent: &Intent,
    view: &GateView<'_>,
    shrinks: bool,
    reach: Lots,
) -> Verdict {
    let (at, side) = (intent.instrument.0 as usize, intent.side);
    // what keeps every limit keeps that one: only what does not is asked which it must keep
    let verdict = view.exposures.check(at, side, reach);
    if verdict.passes() {
        return Verdict::Pass;
    }
    let excused = if shrinks {
        view.holds.mode() == Mode::Halted || view.exposures.keeps_net(at, side, reach)
    } else {
        F::has(Flaw::SkipExposureCheck)
    };
    match (excused, shrinks) {
        (true, _) => Verdict::Pass,
        (false, true) => Verdict::NetExposure,
        (false, false) => verdict,
    }
}

/// Whether a plan is too old for new risk.
#[inline]
pub(super) fn is_stale<F: Flaws>(plan: &Plan, now: Nanos) -> bool {
    !F::has(Flaw::SkipStalePlanCheck) && now.since(plan.adopted_at) > plan.limits.plan_age_max
}

/// Largest position that everything on its way could lead to, where the order's side reaches `reach`.
#[inline]
fn worst_position<F: Flaws>(account: &Account, intent: &Intent, reach: Lots) -> Lots {
    if F::has(Flaw::CountWithoutInFlight) {
        let (side, working) = (intent.side, account.working(intent.side));
        return Lots(reach.0 - side.sign() * working.0).abs();
    }
    reach.abs().max(account.reach(intent.side.opposite(), Lots(0)).abs())
}

/// Lots that an order adds to what works on its side. A change in place counts already; a replacement
/// under a new id may meet fills of the order that it withdraws, so both count.
#[inline]
fn more_lots(intent: &Intent, view: &GateView<'_>) -> Lots {
    // no branch on the kind of order, since kinds come in no order
    let order = view.ledger.peek(intent.replaces);
    let changes = (intent.action == OrderAction::Replace)
        & (intent.order == intent.replaces)
        & (order.id == intent.replaces);
    let counted = order.filled.plus(order.exposed);
    intent.lots.minus(if changes { counted } else { Lots(0) })
}

/// Whether the order can only bring the position nearer to zero, working orders counted.
#[inline]
const fn shrinks(account: &Account, side: Side, reach: Lots) -> bool {
    let position = account.position().0;
    // no branch, since sides come in no order
    let buys = side as u8 == Side::Buy as u8;
    (buys & (position < 0) & (reach.0 <= 0)) | (!buys & (position > 0) & (reach.0 >= 0))
}

/// Whether the lane takes orders at all, or of this kind.
#[inline]
fn check_standing(intent: &Intent, view: &GateView<'_>, shrinks: bool) -> Verdict {
    let mode = view.holds.mode();
    if mode != Mode::Active {
        let closes = view.closes & intent.reduce_only;
        if !shrinks | (mode == Mode::Halted) & !closes {
            return view.holds.refusal();
        }
    }
    if !view.connected {
        return Verdict::NotConnected;
    }
    if !view.may_try {
        return Verdict::TrialsUsed;
    }
    Verdict::Pass
}

/// Book and price: synchronised, fresh, uncrossed, and the price near enough to the middle and to the
/// last trade.
#[inline(always)]
fn check_price(intent: &Intent, view: &GateView<'_>, entry: &PlanEntry, shrinks: bool) -> Verdict {
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
    // a price that is negative or absurd is near nothing; twice any other fits
    let sound = (intent.price.0 | bid.price.0 | ask.price.0).cast_unsigned() <= PRICE_MAX;
    // twice the middle, so that the collar is exact in integers
    let middle = bid.price.0.wrapping_add(ask.price.0);
    if !within || !sound || is_off(2 * intent.price.0, middle, entry.collar) {
        return Verdict::PriceOutsideCollar;
    }
    match view.trades.last(view.plan.limits.trade_age_max, view.now) {
        Some(last) if is_off(intent.price.0, last.0, entry.trade_collar) => {
            Verdict::PriceOffLastTrade
        }
        _ => Verdict::Pass,
    }
}

/// Highest price that a collar is measured at; its bits are all ones.
const PRICE_MAX: u64 = (1 << 61) - 1;

/// Whether a price is further from another than a share of that; neither is negative.
#[inline]
fn is_off(price: i64, from: i64, collar: Rate) -> bool {
    times((price - from).abs(), Money::ONE as i64) > times(from, collar.0)
}

/// Exact product, one instruction.
#[inline]
fn times(one: i64, other: i64) -> i128 {
    i128::from(one) * i128::from(other)
}

/// Size of the order by itself: lots, share of the market's volume, notional.
#[inline(always)]
fn check_size(intent: &Intent, view: &GateView<'_>, entry: &PlanEntry) -> Verdict {
    let filters = &view.instrument.filters;
    if intent.lots <= Lots(0) || intent.lots < filters.lots_min {
        return Verdict::SizeUnderLimit;
    }
    if intent.lots > entry.order_lots_max || intent.lots > filters.lots_max {
        return Verdict::SizeOverLimit;
    }
    if intent.lots > entry.volume_free_lots {
        let allowed = times(view.trades.volume().0, entry.volume_share.0);
        if times(intent.lots.0, Money::ONE as i64) > allowed {
            return Verdict::SizeOverVolume;
        }
    }
    let price = worst_price(intent, view);
    let bounds = view.exposures.notional(intent.instrument.0 as usize);
    if bounds.is_over(intent.lots, price) {
        return Verdict::NotionalOverLimit;
    }
    if !intent.reduce_only && bounds.is_under(intent.lots, price) {
        return Verdict::NotionalUnderLimit;
    }
    Verdict::Pass
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
#[inline(always)]
fn check_own(
    intent: &Intent,
    view: &GateView<'_>,
    entry: &PlanEntry,
    account: &Account,
) -> Verdict {
    let replaces = intent.action == OrderAction::Replace;
    let order = view.ledger.peek(intent.replaces);
    let works = (order.id == intent.replaces) & order.state.is_working();
    if replaces & !works {
        return Verdict::UnknownOrder;
    }
    if replaces & (order.change_pending | (order.state == OrderState::CancelPending)) {
        return Verdict::CancelPending;
    }
    // a replacement under a new id works beside the order it withdraws, until that is gone
    let is_new = !replaces | (intent.order != intent.replaces);
    if is_new & (account.working_orders() >= entry.open_orders_max as usize) {
        return Verdict::OpenOrders;
    }
    let replaced = if replaces { intent.replaces } else { OrderId(0) };
    let found = in_the_way(intent, view, replaced);
    match (found[intent.side as usize], found[intent.side.opposite() as usize]) {
        (true, _) => Verdict::Duplicate,
        (false, true) => Verdict::SelfTrade,
        (false, false) => Verdict::Pass,
    }
}

/// By side: whether one of our orders there, other than the one that is replaced, is in the way: on the
/// intent's side at its price, on the opposite side at one that it would meet.
#[inline]
fn in_the_way(intent: &Intent, view: &GateView<'_>, replaced: OrderId) -> [bool; 2] {
    let (side, at) = (intent.side as usize, intent.price.0);
    let (buys, takes_any) = (intent.side == Side::Buy, intent.order_type == OrderType::Market);
    // by side: the first price that is in the way, and how far that goes on
    let mut ways = [(at, 0); 2];
    let first = select_unpredictable(buys | takes_any, i64::MIN, at);
    let last = select_unpredictable(!buys | takes_any, i64::MAX, at);
    ways[1 - side] = (first, last.abs_diff(first));
    let mut found = 0;
    for id in view.own {
        // no branch on what the orders are, since no predictor knows them
        let order = view.ledger.peek(*id);
        let counts = order.state.is_working() & (order.id == *id) & (*id != replaced);
        let (first, far) = ways[order.side as usize];
        let is_met = order.price.0.wrapping_sub(first).cast_unsigned() <= far;
        found |= u8::from(counts & is_met) << order.side as u8;
    }
    let mut found = [found & 1 != 0, found & 2 != 0];
    found[side] &= !takes_any;
    found
}
