//! The judge's look at limits: rates by the time that requests were let out, losses and exposures out of
//! the lane's books, computed a second time, slowly and in floating point, and the bounds of its memory.
//!
//! Rates are counted of what reached the venue, at the times the gate let it out: the network may
//! bunch requests, and no engine can help that. A loss or an exposure beyond its limit must hold the
//! lane back when the turn that shows it is over, and what worked must be on its way out.
//! Deliberately absent: sizes, positions and counts at the venue (`judge`).

use super::judge::{Invariant, Judge};
use super::tap::Heard;
use crate::hot::drive::Driver;
use crate::hot::exposure::Exposures;
use crate::hot::flaws::Flaws;
use crate::hot::lane::Lane;
use crate::hot::recorder::Recorder;
use crate::ledger::{Account, ORDERS_MAX, Order};
use crate::market::book::Ladder;
use crate::record::{
    Cause, Command, Instrument, InstrumentKind, Intent, Mode, OrderAction, OrderState, PlanLimits,
    TimeInForce, VenueRate,
};
use crate::units::{Currency, Decimal, Lots, Money, Nanos, Rate, Side, Ticks};
use std::collections::VecDeque;

/// Requests that are remembered: more than any window of a scenario holds.
const REQUESTS_MAX: usize = 4_096;
/// Units of account by which floating point and rounded money may differ.
const SLACK: f64 = 0.01;
/// Losses that hold a lane back.
const LOSSES: [Cause; 4] =
    [Cause::DailyLoss, Cause::WeeklyLoss, Cause::MonthlyLoss, Cause::Drawdown];

/// What the judge remembers to judge limits by.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// When the last orders that reached the venue were let out, and whether the own rate binds them.
    orders: VecDeque<(Nanos, bool)>,
    /// The same of every request.
    requests: VecDeque<(Nanos, bool)>,
    /// A command has halted the lane, and none since may have lifted it.
    pub(super) halted: bool,
    /// Highest equity since the life began or a person accepted a loss.
    peak: Option<f64>,
    /// How each instrument stood after the last turn.
    modes: Vec<Mode>,
    /// A cancel was refused since the last turn.
    cancel_refused: bool,
    /// An order passed since the last turn.
    ordered: bool,
    /// What exposures hung on, besides orders, after the last turn.
    stood: Option<Stood>,
}

/// What exposures hang on, besides orders: while it stays as it is, only an order can raise one.
#[derive(Debug, PartialEq)]
struct Stood {
    plan: u64,
    marks: Vec<Ticks>,
    positions: Vec<Lots>,
    within: bool,
}

/// A request that the gate let out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    /// Number of the record that says so.
    pub(super) record: u64,
    pub(super) at: Nanos,
    counts: Counts,
}

/// Which rate binds a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Order,
    /// An order that closes a halted lane's position: counted, and not bound by the lane's own rate.
    Closing,
    Cancel,
}

impl Passed {
    pub(super) fn of(intent: &Intent, record: u64, at: Nanos) -> Passed {
        let closes = intent.reduce_only && intent.time_in_force == TimeInForce::ImmediateOrCancel;
        let counts = match intent.action {
            OrderAction::Cancel | OrderAction::CancelAll => Counts::Cancel,
            OrderAction::Place | OrderAction::Replace if closes => Counts::Closing,
            OrderAction::Place | OrderAction::Replace => Counts::Order,
        };
        Passed { record, at, counts }
    }

    /// Whether it closes a halted lane's position.
    pub(super) fn closes(&self) -> bool {
        self.counts == Counts::Closing
    }
}

/// What a lane owns and risks in its currency of account.
#[derive(Clone, Debug, Default)]
struct Worth {
    equity: f64,
    gross: f64,
    /// With every working buy filled, and with every working sell filled.
    up: f64,
    down: f64,
    /// By instrument.
    exposures: Vec<f64>,
}

impl Judge {
    /// The engine took an input that matters here, or its gate said something.
    pub fn heard(&mut self, heard: &Heard) {
        match heard {
            Heard::Said(said) => {
                let judgement = &said.judgement;
                let action = judgement.intent.action;
                let places = matches!(action, OrderAction::Place | OrderAction::Replace);
                self.limits.cancel_refused |=
                    action == OrderAction::Cancel && !judgement.verdict.passes();
                let opens = places && !Passed::of(&judgement.intent, 0, Nanos(0)).closes();
                self.limits.ordered |= opens && judgement.verdict.passes();
                self.said(said);
            }
            // What a life begins with, the judge does not know; it only misses something by that.
            Heard::Life => {
                (self.limits.halted, self.limits.peak) = (false, None);
                self.limits.stood = None;
            }
            Heard::Asked(Command::Halt | Command::Flatten) => self.limits.halted = true,
            Heard::Asked(Command::Activate | Command::Reduce) => {
                (self.limits.halted, self.limits.peak) = (false, None);
            }
        }
    }

    /// A request was let out. What stands still on the way arrives in a bunch; that is the venue's rate.
    pub(super) fn count_request(&mut self, passed: &Passed) {
        let of = &self.plan.limits;
        let (most, window) = (of.orders_per_window as usize, of.rate_window);
        let all = most + of.cancels_reserved_per_window as usize;
        let limits = &mut self.limits;
        let mut crowded = enter(&mut limits.requests, passed.at, true, all, window);
        if passed.counts != Counts::Cancel {
            let binds = passed.counts == Counts::Order;
            crowded = enter(&mut limits.orders, passed.at, binds, most, window).or(crowded);
        }
        if let Some(most) = crowded {
            let words = format!("more than {most} requests in {} ms", window.0 / 1_000_000);
            self.breach(Invariant::OwnRate, words);
        }
    }

    /// Whether the rates leave ample room: of every window less than half is used up by orders.
    pub(super) fn has_ample_rate(&self) -> bool {
        let of = &self.plan.limits;
        let own = VenueRate { orders: of.orders_per_window.into(), window: of.rate_window };
        let lately = |window| {
            let orders = self.limits.orders.iter();
            orders.filter(|(at, _)| self.now.since(*at) < window).count() as u64
        };
        let rates = of.venue.iter().chain([&own]).filter(|rate| rate.orders > 0);
        rates.into_iter().all(|rate| 2 * lately(rate.window) < rate.orders)
    }

    /// After a turn of the engine: what its books show must have been acted upon.
    pub fn check_limits<F: Flaws>(&mut self, lane: &Lane<Ladder, F>) {
        let refused = std::mem::take(&mut self.limits.cancel_refused);
        let ordered = std::mem::take(&mut self.limits.ordered);
        let modes: Vec<Mode> = self.instruments.iter().map(|of| lane.mode_of(of.id)).collect();
        let before = std::mem::replace(&mut self.limits.modes, modes);
        if !lane.exposures().is_planned() {
            return;
        }
        let Some(worth) = worth(&self.instruments, &self.plan.limits, lane) else { return };
        let peak = self.limits.peak.map_or(worth.equity, |peak| peak.max(worth.equity));
        self.limits.peak = Some(peak);
        let reached = self.reached(&worth, peak, lane);
        let exposed = reached.iter().find(|(cause, _)| *cause == Cause::Exposure);
        self.check_exposed(exposed.map(|(_, words)| words.as_str()), ordered, lane);
        for (cause, words) in reached {
            if !lane.holds().has(cause) || lane.mode() == Mode::Active {
                let holds = lane.holds();
                self.breach(Invariant::Breach, format!("{words}, and {holds:?} hold the lane"));
            } else if lane.is_connected() && !lane.is_muted() && !refused {
                self.check_withdrawn(&before, lane);
            }
        }
    }

    /// Every limit that is reached, and how.
    fn reached<F: Flaws>(
        &self,
        worth: &Worth,
        peak: f64,
        lane: &Lane<Ladder, F>,
    ) -> Vec<(Cause, String)> {
        let (limits, equity) = (&self.plan.limits, worth.equity);
        let mut found = Vec::new();
        for cause in LOSSES {
            let part = match cause {
                Cause::DailyLoss => limits.daily_loss_max,
                Cause::WeeklyLoss => limits.weekly_loss_max,
                Cause::MonthlyLoss => limits.monthly_loss_max,
                _ => limits.drawdown_max,
            };
            let told = lane.losses().level(cause).to_f64();
            let from = if cause == Cause::Drawdown { told.max(peak) } else { told };
            if from - equity >= from * share(part) + SLACK {
                let words = format!("{}: equity {equity:.2} after {from:.2}", cause.name());
                found.push((cause, words));
            }
        }
        let gross = limits.gross_max.to_f64().min(equity * share(limits.leverage_max));
        let net = limits.net_max.to_f64();
        let most = equity * share(limits.concentration_max);
        let one = worth.exposures.iter().copied().fold(0.0, f64::max);
        let mut pairs = vec![
            ("gross", worth.gross, gross),
            ("net", worth.up, net),
            ("net", -worth.down, net),
            ("concentration", one, most),
        ];
        for (at, bucket) in limits.buckets.iter().enumerate().filter(|(_, of)| of.kind != 0) {
            let entries = self.instruments.iter().map(|of| self.plan.entry(of.id));
            let inside = entries.map(|of| of.is_some_and(|of| of.buckets >> at & 1 == 1));
            let used = inside.zip(&worth.exposures).filter(|(is, _)| *is).map(|(_, of)| of).sum();
            pairs.push(("bucket", used, equity * share(bucket.share)));
        }
        let broken = pairs.into_iter().find(|(_, used, most)| *used > most + SLACK);
        found.extend(broken.map(|(name, used, most)| {
            (Cause::Exposure, format!("{name} exposure {used:.2}, {most:.2} is allowed"))
        }));
        found
    }

    /// An exposure beyond its limit that nothing but an order can have led to.
    fn check_exposed<F: Flaws>(
        &mut self,
        exposed: Option<&str>,
        ordered: bool,
        lane: &Lane<Ladder, F>,
    ) {
        let accounts = lane.ledger().accounts();
        let stands = Stood {
            plan: self.plan.version,
            marks: (0..accounts.len()).map(|at| lane.exposures().marked(at)).collect(),
            positions: accounts.iter().map(Account::position).collect(),
            within: true,
        };
        if let Some(words) = exposed.filter(|_| ordered)
            && self.limits.stood.as_ref() == Some(&stands)
        {
            self.breach(Invariant::ExposureLimit, format!("an order passed: {words}"));
        }
        self.limits.stood = Some(Stood { within: exposed.is_none(), ..stands });
    }

    /// Instruments that have just ceased to be active: whatever worked there is on its way out.
    fn check_withdrawn<F: Flaws>(&mut self, before: &[Mode], lane: &Lane<Ladder, F>) {
        let ceased = |(of, before): (&Instrument, &Mode)| {
            (*before == Mode::Active && lane.mode_of(of.id) != Mode::Active).then_some(of.id)
        };
        let ceased: Vec<_> = self.instruments.iter().zip(before).filter_map(ceased).collect();
        if ceased.is_empty() {
            return;
        }
        let stays = |state| matches!(state, OrderState::Open | OrderState::PartlyFilled);
        let mut orders = lane.ledger().orders();
        if let Some(of) = orders.find(|of| ceased.contains(&of.instrument) && stays(of.state)) {
            let words = format!("a limit is reached and {:?} is left to work", of.id);
            self.breach(Invariant::Breach, words);
        }
    }

    /// Tables have their size and queues keep their bounds; what accounts count is what orders say.
    pub fn check_tables<C, R, F>(&mut self, driver: &Driver<C, R, F>)
    where
        C: crate::host::clock::Clock + Clone,
        R: Recorder,
        F: Flaws,
    {
        if let Some((queue, len, most)) = driver.overlong() {
            self.breach(Invariant::Memory, format!("{len} {queue} are kept, {most} may be"));
        }
        let lane = driver.pipeline().lane();
        self.check_sums(lane);
        let ledger = lane.ledger();
        let known = ledger.orders().count();
        if known > ORDERS_MAX {
            self.breach(Invariant::Memory, format!("{known} orders are kept, {ORDERS_MAX} may be"));
        }
        for (of, account) in self.instruments.iter().zip(ledger.accounts()) {
            for side in [Side::Buy, Side::Sell] {
                // Those that are over count what the venue says they filled and has not told.
                let is = |order: &&Order| (order.instrument, order.side) == (of.id, side);
                let orders = ledger.orders().filter(is);
                let sum: i64 = orders.map(|of| of.exposed.0).sum();
                let told = account.working(side).0;
                if told != sum {
                    let words = format!("{side:?}: {sum} lots work, the account counts {told}");
                    return self.breach(Invariant::OpenOrders, words);
                }
            }
        }
    }

    /// The lane's sums, kept event by event, are what its books, marks and plan come to.
    fn check_sums<F: Flaws>(&mut self, lane: &Lane<Ladder, F>) {
        let kept = lane.exposures();
        let mut anew = Exposures::new(&self.instruments);
        for at in 0..self.instruments.len() {
            anew.mark(at, kept.marked(at));
        }
        anew.adopt(lane.plan(), self.instruments.iter(), lane.ledger());
        if !kept.stands_like(&anew) {
            let words = format!("sums {:?} are kept, {:?} are right", kept.totals(), anew.totals());
            self.breach(Invariant::ExposureLimit, words);
        }
    }
}

/// Enters a time; the limit, where more than `most` lie within the window of one that it binds.
fn enter(
    times: &mut VecDeque<(Nanos, bool)>,
    at: Nanos,
    binds: bool,
    most: usize,
    window: Nanos,
) -> Option<usize> {
    let place = times.partition_point(|(of, _)| *of <= at);
    times.insert(place, (at, binds));
    let end = times.len().min(place + most + 1);
    let crowded =
        |of: usize| of >= most && times[of].1 && times[of].0.since(times[of - most].0) < window;
    let found = (place..end).any(crowded).then_some(most);
    if times.len() > REQUESTS_MAX {
        times.pop_front();
    }
    found
}

/// Equity and exposures of a lane; none while an instrument that was traded has no mark.
fn worth<F: Flaws>(
    instruments: &[Instrument],
    limits: &PlanLimits,
    lane: &Lane<Ladder, F>,
) -> Option<Worth> {
    let listed = |of: Currency| {
        let found = limits.rates.iter().find(|rate| rate.currency == of);
        found.map_or(0.0, |rate| share(rate.rate))
    };
    let mut sum = Worth { equity: limits.capital.to_f64(), ..Worth::default() };
    for (at, (of, account)) in instruments.iter().zip(lane.ledger().accounts()).enumerate() {
        let mark = lane.exposures().marked(at);
        if mark == Ticks(0) {
            if account.traded() != Money(0) || account.working_orders() > 0 {
                return None;
            }
            sum.exposures.push(0.0);
            continue;
        }
        let (price, quote) = (mark.0 as f64 * float(of.tick.step()), listed(of.quote));
        let inverse = of.kind == InstrumentKind::Inverse;
        let size = |lots: Lots| lots.0 as f64 * float(of.lot.step()) * float(of.multiplier);
        let position = size(account.position());
        let profit = if inverse {
            (account.cash().to_f64() - position / price) * price
        } else {
            account.cash().to_f64() + position * price
        };
        sum.equity += profit * quote - fees(of, account, price, quote, &listed);
        let value = |size: f64| if inverse { size * quote } else { size * price * quote };
        let up = value(position + size(account.working(Side::Buy)));
        let down = value(position - size(account.working(Side::Sell)));
        let exposure = up.abs().max(down.abs());
        (sum.up, sum.down, sum.gross) = (sum.up + up, sum.down + down, sum.gross + exposure);
        sum.exposures.push(exposure);
    }
    Some(sum)
}

fn fees(
    of: &Instrument,
    account: &Account,
    price: f64,
    quote: f64,
    listed: &dyn Fn(Currency) -> f64,
) -> f64 {
    let each = |(currency, fee): &(Currency, Money)| {
        let rate = if *currency == of.base {
            price * quote
        } else if *currency == of.quote {
            quote
        } else {
            listed(*currency)
        };
        fee.to_f64() * rate
    };
    account.fees().entries().iter().map(each).sum()
}

fn float(of: Decimal) -> f64 {
    of.mantissa as f64 / 10f64.powi(of.scale.into())
}

fn share(of: Rate) -> f64 {
    of.0 as f64 / Money::ONE as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether one of these times, entered in this order, comes with too many others.
    fn is_crowded(times: &[u64], most: usize) -> bool {
        let mut seen = VecDeque::new();
        let found = times.iter().map(|at| enter(&mut seen, Nanos(*at), true, most, Nanos(100)));
        found.fold(false, |crowded, of| crowded | of.is_some())
    }

    #[test]
    fn a_window_is_crowded_by_one_request_too_many_in_whatever_order_they_come() {
        assert!(!is_crowded(&[0, 10, 20, 100, 110, 120], 3));
        assert!(is_crowded(&[0, 10, 20, 99], 3));
        assert!(!is_crowded(&[120, 0, 110, 10, 100, 20], 3));
        assert!(is_crowded(&[99, 0, 20, 10], 3));
        assert!(is_crowded(&[0, 300, 310, 320, 305], 3));
        let mut seen = VecDeque::new();
        for at in [0, 10, 20] {
            assert_eq!(enter(&mut seen, Nanos(at), true, 3, Nanos(100)), None);
        }
        assert_eq!(enter(&mut seen, Nanos(30), false, 3, Nanos(100)), None, "it is not bound");
        assert_eq!(enter(&mut seen, Nanos(40), true, 3, Nanos(100)), Some(3));
    }
}
