//! What a lane risks and owns, in one currency, kept so that the gate adds one order and compares.
//!
//! By instrument, at its mark (the last middle of its trusted book, rounded down to a tick): `up`, the
//! exposure if every working buy filled, `down`, if every working sell did (signed), and the larger of
//! their sizes, the instrument's exposure. Sums over instruments are kept by the difference that each
//! event makes; they are integers, so nothing drifts. Equity is the plan's capital plus, by instrument,
//! cash and position at the mark minus fees.
//! Rooms are what is left of each limit, times 1e8, so that no comparison divides.
//! Deliberately absent: which orders there are (`ledger`), what a breach leads to (`reckon`).

use crate::ledger::{Account, EXPOSURE_MAX, Ledger, Worth};
use crate::record::{
    BUCKETS_MAX, BucketKind, CurrencyRate, Instrument, PLAN_INSTRUMENTS_MAX, Plan, PlanLimits,
    Tape, Verdict,
};
use crate::units::{Currency, Lots, Money, Rate, Side, Ticks};

/// One instrument.
#[derive(Clone, Copy, Debug)]
struct Row {
    up: Money,
    down: Money,
    exposure: Money,
    profit: Money,
    /// Turns lots into exposure at the mark; zero while there is no mark.
    factor: i128,
    worth: Worth,
    mark: Ticks,
    /// Bit `k`: counts for bucket `k`.
    buckets: u64,
    /// Has a position and no mark to value it at.
    unmarked: bool,
    base: Currency,
    settle: Currency,
}

/// Sums over all instruments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sum of exposures.
    pub gross: Money,
    /// Sum of signed exposures with every working buy filled.
    pub up: Money,
    /// Sum of signed exposures with every working sell filled.
    pub down: Money,
    /// Profit at the marks, minus fees.
    pub profit: Money,
    /// Sum of exposures by bucket.
    pub buckets: [Money; BUCKETS_MAX],
    /// Instruments with a position and no mark.
    pub unmarked: u32,
}

/// What is left of each limit, times `Money::ONE`; negative beyond it.
#[derive(Clone, Copy, Debug, Default)]
struct Rooms {
    gross: i128,
    leverage: i128,
    net_up: i128,
    net_down: i128,
    buckets: [i128; BUCKETS_MAX],
    /// Not what is left but the whole: largest exposure of one instrument.
    concentration: i128,
}

/// Exposure and equity of a lane.
#[derive(Clone, Debug)]
pub struct Exposures {
    rows: Vec<Row>,
    totals: Totals,
    rooms: Rooms,
    capital: Money,
    /// A sound plan has come.
    planned: bool,
    limits: PlanLimits,
    /// Places of the buckets that are used lie below this.
    buckets: usize,
}

impl Row {
    fn of(instrument: &Instrument) -> Row {
        Row {
            up: Money(0),
            down: Money(0),
            exposure: Money(0),
            profit: Money(0),
            factor: 0,
            worth: Worth::of(instrument, Rate(0)),
            mark: Ticks(0),
            buckets: 0,
            unmarked: false,
            base: instrument.base,
            settle: instrument.settle,
        }
    }

    #[inline]
    fn value(&mut self, account: &Account, rates: &[CurrencyRate]) {
        let position = account.position();
        self.unmarked = position.0 != 0 && self.factor == 0;
        self.up = self.worth.exposure(position.plus(account.working(Side::Buy)), self.factor);
        self.down = self.worth.exposure(position.minus(account.working(Side::Sell)), self.factor);
        self.exposure = larger(self.up, self.down);
        let settled = if self.mark.0 > 0 {
            account.cash().plus(account.valuation().value(position, self.mark))
        } else {
            account.realised()
        };
        let fees = self.fees(account, rates);
        self.profit = self.worth.of_settle(settled, self.mark).minus(fees);
    }

    /// Fees at today's rates; one in a currency without a rate is worth nothing.
    fn fees(&self, account: &Account, rates: &[CurrencyRate]) -> Money {
        let mut sum = Money(0);
        for (currency, fee) in account.fees().entries() {
            let worth = if *currency == self.settle {
                self.worth.of_settle(*fee, self.mark)
            } else if *currency == self.base {
                self.worth.of_base(*fee, self.mark)
            } else {
                rate_of(rates, *currency).map_or(Money(0), |rate| fee.times(rate))
            };
            sum = sum.plus(worth);
        }
        sum
    }
}

fn rate_of(rates: &[CurrencyRate], currency: Currency) -> Option<Rate> {
    rates.iter().find(|of| of.currency == currency && of.rate.0 > 0).map(|of| of.rate)
}

/// The larger size of two signed exposures.
#[inline]
const fn larger(one: Money, other: Money) -> Money {
    let (one, other) = (one.0.abs(), other.0.abs());
    Money(if one > other { one } else { other })
}

/// A share of an amount, times `Money::ONE`. Real amounts fit 64 bits, where it is one instruction.
#[inline]
const fn share(of: Money, rate: Rate) -> i128 {
    if of.0 == of.0 as i64 as i128 {
        (of.0 as i64 as i128) * (rate.0 as i128)
    } else {
        of.0 * rate.0 as i128
    }
}

/// An amount, times `Money::ONE`.
#[inline]
const fn whole(of: Money) -> i128 {
    share(of, Rate(Money::ONE as i64))
}

impl Exposures {
    /// Nothing held, nothing allowed.
    #[must_use]
    pub fn new(instruments: &[Instrument]) -> Exposures {
        Exposures {
            rows: instruments.iter().map(Row::of).collect(),
            totals: Totals::default(),
            rooms: Rooms::default(),
            capital: Money(0),
            planned: false,
            limits: PlanLimits::default(),
            buckets: 0,
        }
    }

    /// Takes the limits of a plan, and values everything anew.
    pub fn adopt<'a>(
        &mut self,
        plan: &Plan,
        instruments: impl Iterator<Item = &'a Instrument>,
        ledger: &Ledger,
    ) {
        self.limits = plan.limits;
        self.capital = plan.limits.capital;
        self.planned = plan.version > 0;
        let used = plan.limits.buckets.iter().rposition(|bucket| bucket.kind != 0);
        self.buckets = used.map_or(0, |last| last + 1);
        self.totals = Totals::default();
        let known = (1 << self.buckets) - 1;
        for (row, instrument) in self.rows.iter_mut().zip(instruments) {
            *row = Row { mark: row.mark, ..Row::of(instrument) };
            let entry = plan.entry(instrument.id);
            let listed = || rate_of(&plan.limits.rates, instrument.quote);
            let rate = entry.map(|entry| entry.quote_rate).or_else(listed).unwrap_or_default();
            row.worth = Worth::of(instrument, rate);
            row.factor = row.worth.factor(row.mark);
            row.buckets = entry.map_or(0, |entry| entry.buckets & known);
            if let Some(account) = ledger.account(instrument.id) {
                let before = *row;
                row.value(account, &plan.limits.rates);
                self.totals.change(&before, row, self.buckets);
            }
        }
        self.make_room();
    }

    /// The middle of an instrument's book has moved; whether the mark did.
    #[inline]
    pub fn mark(&mut self, at: usize, mark: Ticks) -> bool {
        let Some(row) = self.rows.get_mut(at) else { return false };
        if row.mark == mark {
            return false;
        }
        row.mark = mark;
        row.factor = row.worth.factor(mark);
        true
    }

    /// The mark of an instrument; zero while it has none.
    #[must_use]
    pub fn marked(&self, at: usize) -> Ticks {
        self.rows.get(at).map(|row| row.mark).unwrap_or_default()
    }

    /// The mark or the account of an instrument is another.
    #[inline]
    pub fn update(&mut self, at: usize, account: &Account) {
        let Some(row) = self.rows.get_mut(at) else { return };
        let before = *row;
        row.value(account, &self.limits.rates);
        self.totals.change(&before, row, self.buckets);
        self.make_room();
    }

    #[inline]
    fn make_room(&mut self) {
        let (totals, limits, equity) = (&self.totals, &self.limits, self.equity());
        let gross = whole(totals.gross);
        self.rooms.gross = whole(limits.gross_max) - gross;
        self.rooms.leverage = share(equity, limits.leverage_max) - gross;
        let net = whole(limits.net_max);
        self.rooms.net_up = net - whole(totals.up);
        self.rooms.net_down = net + whole(totals.down);
        self.rooms.concentration = share(equity, limits.concentration_max);
        for at in 0..self.buckets {
            let bucket = &limits.buckets[at];
            let limit = share(equity, bucket.share) - whole(totals.buckets[at]);
            self.rooms.buckets[at] = if bucket.kind == 0 { i128::MAX } else { limit };
        }
    }

    /// Capital plus profit.
    #[must_use]
    #[inline]
    pub const fn equity(&self) -> Money {
        let sum = self.capital.plus(self.totals.profit);
        let most = EXPOSURE_MAX.0;
        Money(if sum.0 > most {
            most
        } else if sum.0 < -most {
            -most
        } else {
            sum.0
        })
    }

    /// Sums over all instruments.
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Whether a plan has said what is allowed.
    #[must_use]
    pub const fn is_planned(&self) -> bool {
        self.planned
    }

    /// What an order of `lots` at `price` is worth; zero while the plan knows no rate.
    #[must_use]
    #[inline]
    pub fn notional(&self, at: usize, lots: Lots, price: Ticks) -> Money {
        let Some(row) = self.rows.get(at) else { return EXPOSURE_MAX };
        let exposure = row.worth.exposure(lots, row.worth.factor(price));
        Money(exposure.0.abs())
    }

    /// Whether `more` lots working on `side` keep every limit; the narrowest that they break otherwise.
    #[must_use]
    #[inline]
    pub fn check(&self, at: usize, account: &Account, side: Side, more: Lots) -> Verdict {
        let Some(row) = self.rows.get(at) else { return Verdict::NotInPlan };
        if self.totals.unmarked > 0 || row.factor == 0 {
            return Verdict::MarkUnknown;
        }
        let working = account.working(side).plus(more);
        let buys = side == Side::Buy;
        let lots =
            if buys { account.position().plus(working) } else { account.position().minus(working) };
        let after = row.worth.exposure(lots, row.factor);
        let (up, down) = if buys { (after, row.down) } else { (row.up, after) };
        let exposure = larger(up, down);
        let more = whole(Money(exposure.0 - row.exposure.0));
        let net = whole(Money(after.0 - if buys { row.up.0 } else { row.down.0 }));
        let rooms = &self.rooms;
        let mut broken = (whole(exposure) > rooms.concentration)
            | (more > rooms.gross)
            | (more > rooms.leverage)
            | (buys & (net > rooms.net_up))
            | (!buys & (-net > rooms.net_down));
        for (at, room) in rooms.buckets[..self.buckets].iter().enumerate() {
            broken |= (row.buckets >> at & 1 == 1) & (more > *room);
        }
        if broken {
            self.narrowest(row, exposure, more, if buys { net } else { -net }, buys)
        } else {
            Verdict::Pass
        }
    }

    /// Whether `more` lots working on `side` keep the signed sum within its limit, whatever they do to the
    /// sum of sizes.
    #[must_use]
    #[inline]
    pub fn keeps_net(&self, at: usize, account: &Account, side: Side, more: Lots) -> bool {
        let Some(row) = self.rows.get(at) else { return false };
        let working = account.working(side).plus(more);
        let position = account.position();
        if side == Side::Buy {
            let up = row.worth.exposure(position.plus(working), row.factor);
            whole(Money(up.0 - row.up.0)) <= self.rooms.net_up
        } else {
            let down = row.worth.exposure(position.minus(working), row.factor);
            whole(Money(row.down.0 - down.0)) <= self.rooms.net_down
        }
    }

    #[cold]
    fn narrowest(&self, row: &Row, exposure: Money, more: i128, net: i128, buys: bool) -> Verdict {
        let rooms = &self.rooms;
        if whole(exposure) > rooms.concentration {
            return Verdict::Concentration;
        }
        let of_row = |at: &usize| row.buckets >> at & 1 == 1;
        if let Some(verdict) = self.narrowest_bucket(|at| of_row(&at) && more > rooms.buckets[at]) {
            return verdict;
        }
        if net > if buys { rooms.net_up } else { rooms.net_down } {
            return Verdict::NetExposure;
        }
        if more > rooms.gross { Verdict::GrossExposure } else { Verdict::Leverage }
    }

    fn narrowest_bucket(&self, is_broken: impl Fn(usize) -> bool) -> Option<Verdict> {
        let kinds = [
            (BucketKind::Group, Verdict::GroupExposure),
            (BucketKind::Strategy, Verdict::StrategyExposure),
            (BucketKind::Venue, Verdict::VenueExposure),
        ];
        let breaks = |kind: BucketKind| {
            let mut places = self.limits.buckets.iter().enumerate();
            places.any(|(at, bucket)| bucket.kind == kind as u64 && is_broken(at))
        };
        kinds.into_iter().find(|(kind, _)| breaks(*kind)).map(|(_, verdict)| verdict)
    }

    /// The narrowest limit that is broken as things stand: prices have moved, or the plan has changed.
    #[must_use]
    #[inline]
    pub fn breach(&self) -> Option<Verdict> {
        let rooms = &self.rooms;
        let mut broken =
            (rooms.gross < 0) | (rooms.leverage < 0) | (rooms.net_up < 0) | (rooms.net_down < 0);
        for room in &rooms.buckets[..self.buckets] {
            broken |= *room < 0;
        }
        for row in &self.rows {
            broken |= whole(row.exposure) > rooms.concentration;
        }
        if broken { self.narrowest_breach() } else { None }
    }

    #[cold]
    fn narrowest_breach(&self) -> Option<Verdict> {
        let rooms = &self.rooms;
        if self.rows.iter().any(|row| whole(row.exposure) > rooms.concentration) {
            return Some(Verdict::Concentration);
        }
        if let Some(verdict) = self.narrowest_bucket(|at| rooms.buckets[at] < 0) {
            return Some(verdict);
        }
        if rooms.net_up < 0 || rooms.net_down < 0 {
            return Some(Verdict::NetExposure);
        }
        Some(if rooms.gross < 0 { Verdict::GrossExposure } else { Verdict::Leverage })
    }

    /// Whether every exposure is at most the plan's `rearm_share` of its limit.
    #[must_use]
    pub fn has_eased(&self) -> bool {
        let (totals, limits, equity) = (&self.totals, &self.limits, self.equity());
        let part = |limit: i128| limit / Money::ONE * i128::from(limits.rearm_share.0);
        let within = |used: Money, limit: i128| whole(used) <= part(limit);
        let buckets = limits.buckets.iter().zip(totals.buckets);
        within(totals.gross, whole(limits.gross_max))
            && within(totals.gross, share(equity, limits.leverage_max))
            && within(totals.up, whole(limits.net_max))
            && within(Money(-totals.down.0), whole(limits.net_max))
            && buckets
                .filter(|(bucket, _)| bucket.kind != 0)
                .all(|(bucket, used)| within(used, share(equity, bucket.share)))
            && self
                .rows
                .iter()
                .all(|row| within(row.exposure, share(equity, limits.concentration_max)))
    }

    /// Saves the marks or brings them back; all else follows from the ledger and the plan.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("exposure");
        self.rows.iter_mut().for_each(|row| tape.pod(&mut row.mark));
    }

    /// The marks, for the state hash; all else follows from the ledger and the plan.
    pub fn marks(&self) -> impl Iterator<Item = Ticks> {
        self.rows.iter().map(|row| row.mark)
    }
}

impl Totals {
    /// One row is another than before.
    #[inline]
    fn change(&mut self, before: &Row, after: &Row, buckets: usize) {
        let more = after.exposure.0 - before.exposure.0;
        self.gross.0 += more;
        self.up.0 += after.up.0 - before.up.0;
        self.down.0 += after.down.0 - before.down.0;
        self.profit.0 += after.profit.0 - before.profit.0;
        self.unmarked += u32::from(after.unmarked);
        self.unmarked -= u32::from(before.unmarked);
        for (at, sum) in self.buckets[..buckets].iter_mut().enumerate() {
            sum.0 += if after.buckets >> at & 1 == 1 { more } else { 0 };
        }
    }
}

/// Highest share that a sound plan may allow: a thousandfold.
pub const SHARE_MAX: Rate = Rate(100_000_000_000);

// Sums over all instruments, times the highest share or 1e8, fit 128 bits.
const _: () =
    assert!(EXPOSURE_MAX.0 * 2 * (PLAN_INSTRUMENTS_MAX as i128) < i128::MAX / SHARE_MAX.0 as i128);
