//! What a lane risks and owns, in one currency, kept so that the gate adds one order and compares.
//!
//! By instrument, at its mark (the last middle of its trusted book, rounded down to a tick): its reach on
//! either side, the signed exposure if every working order of that side filled, and the larger size of the
//! two, the instrument's exposure. Sums over instruments are kept by the difference that each event makes;
//! they are integers, so nothing drifts. Equity is the plan's capital plus, by instrument, cash and
//! position at the mark minus fees.
//! Rooms are what is left of each limit, in whole minor units: an exposure, itself whole, is beyond a share
//! of equity exactly when it is beyond the share rounded down. `clearance` passes what keeps them in 64
//! bits; the rest is looked at in 128, and gets its reason.
//! Deliberately absent: which orders there are (`ledger`), what a breach leads to (`reckon`).

use super::clearance::{Clearance, Outline, cut};
use super::notional::NotionalBounds;
use crate::ledger::{Account, EXPOSURE_MAX, Ledger, Worth};
use crate::record::{
    BUCKETS_MAX, BucketKind, CurrencyRate, Instrument, PLAN_INSTRUMENTS_MAX, Plan, PlanLimits,
    Tape, Verdict,
};
use crate::units::{Currency, Lots, Money, Rate, Side, Ticks};

/// One instrument.
#[derive(Clone, Copy, Debug)]
struct Row {
    stake: Stake,
    outline: Outline,
    /// Turns lots into exposure at the mark; zero while there is no mark.
    factor: i128,
    worth: Worth,
    mark: Ticks,
    /// Bit `k`: counts for bucket `k`.
    buckets: u64,
    base: Currency,
    settle: Currency,
}

/// What of one instrument goes into the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stake {
    /// By side: signed exposure with every working order of the side filled.
    reach: [Money; 2],
    exposure: Money,
    profit: Money,
    /// Has a position and no mark to value it at.
    unmarked: bool,
}

/// Sums over all instruments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sum of exposures.
    pub gross: Money,
    /// Sum of signed exposures, by side: with every working order of the side filled.
    pub reach: [Money; 2],
    /// Profit at the marks, minus fees.
    pub profit: Money,
    /// Sum of exposures by bucket.
    pub buckets: [Money; BUCKETS_MAX],
    /// Instruments with a position and no mark.
    pub unmarked: u32,
}

/// What is left of each limit in minor units; negative beyond it.
struct Rooms<'a> {
    of: &'a Exposures,
    equity: Parts,
}

impl Rooms<'_> {
    /// Of the sum of exposures: the narrower of its own limit and leverage.
    #[inline]
    fn gross(&self) -> i128 {
        let Exposures { limits, totals, .. } = self.of;
        limits.gross_max.0.min(self.equity.share(limits.leverage_max)) - totals.gross.0
    }

    /// Of the signed sum, the way that orders of `side` go.
    #[inline]
    fn net(&self, side: Side) -> i128 {
        let reach = self.of.totals.reach[side as usize].0;
        self.of.limits.net_max.0 - if side == Side::Buy { reach } else { -reach }
    }

    /// Of a bucket.
    #[inline]
    fn bucket(&self, at: usize) -> i128 {
        let bucket = &self.of.limits.buckets[at];
        let limit = self.equity.share(bucket.share) - self.of.totals.buckets[at].0;
        if bucket.kind == 0 { i128::MAX } else { limit }
    }

    /// Not what is left but the whole: largest exposure of one instrument.
    #[inline]
    fn concentration(&self) -> i128 {
        self.equity.share(self.of.limits.concentration_max)
    }
}

/// Exposure and equity of a lane.
#[derive(Clone, Debug)]
pub struct Exposures {
    rows: Vec<Row>,
    /// By instrument: bounds of what one order may be worth.
    notional: Vec<NotionalBounds>,
    totals: Totals,
    /// The rooms, cut to 64 bits.
    clearance: Clearance,
    capital: Money,
    /// A sound plan has come.
    planned: bool,
    limits: PlanLimits,
}

impl Row {
    fn of(instrument: &Instrument) -> Row {
        Row {
            stake: Stake::default(),
            outline: Outline::default(),
            factor: 0,
            worth: Worth::of(instrument, Rate(0)),
            mark: Ticks(0),
            buckets: 0,
            base: instrument.base,
            settle: instrument.settle,
        }
    }

    #[inline]
    fn stake(&self, account: &Account, rates: &[CurrencyRate]) -> Stake {
        let position = account.position();
        let reach = [Side::Buy, Side::Sell].map(|side| self.exposure(account.reach(side, Lots(0))));
        let settled = if self.mark.0 > 0 {
            account.cash().plus(account.valuation().value(position, self.mark))
        } else {
            account.realised()
        };
        Stake {
            reach,
            exposure: larger(reach),
            profit: self.worth.of_settle(settled, self.mark).minus(self.fees(account, rates)),
            unmarked: position.0 != 0 && self.factor == 0,
        }
    }

    #[inline]
    fn take(&mut self, stake: Stake) {
        self.stake = stake;
        self.outline = Outline::of(stake.reach, stake.exposure, &self.worth, self.factor);
    }

    /// Signed exposure of a position.
    #[inline]
    fn exposure(&self, lots: Lots) -> Money {
        self.worth.exposure(lots, self.factor)
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
const fn larger(of: [Money; 2]) -> Money {
    let (one, other) = (of[0].0.abs(), of[1].0.abs());
    Money(if one > other { one } else { other })
}

/// An amount in units and minor units, so that its shares divide by a constant in 64 bits.
#[derive(Clone, Copy)]
struct Parts {
    units: i64,
    rest: u64,
}

impl Parts {
    /// Of an amount that is no larger than `EXPOSURE_MAX`.
    #[inline]
    const fn of(amount: Money) -> Parts {
        const ONE: u64 = Money::ONE as u64;
        if 0 <= amount.0 && amount.0 <= i64::MAX as i128 {
            let amount = amount.0 as u64;
            return Parts { units: (amount / ONE) as i64, rest: amount % ONE };
        }
        let (units, rest) = (amount.0.div_euclid(Money::ONE), amount.0.rem_euclid(Money::ONE));
        Parts { units: units as i64, rest: rest as u64 }
    }

    /// A share of the amount, rounded down.
    #[inline]
    const fn share(self, rate: Rate) -> i128 {
        const ONE: u64 = Money::ONE as u64;
        let units = self.units as i128 * rate.0 as i128;
        // one that is negative, which no sound plan has, is huge here
        if rate.0 as u64 <= SHARE_MAX.0 as u64 {
            units + (self.rest * rate.0 as u64 / ONE) as i128
        } else {
            units + share(self.rest as i128, rate)
        }
    }
}

/// A share of a limit, rounded down.
const fn share(of: i128, rate: Rate) -> i128 {
    (of * rate.0 as i128).div_euclid(Money::ONE)
}

impl Exposures {
    /// Nothing held, nothing allowed.
    #[must_use]
    pub fn new(instruments: &[Instrument]) -> Exposures {
        Exposures {
            rows: instruments.iter().map(Row::of).collect(),
            notional: vec![NotionalBounds::NONE; instruments.len()],
            totals: Totals::default(),
            clearance: Clearance::default(),
            capital: Money(0),
            planned: false,
            limits: PlanLimits::default(),
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
        self.clearance.used = used.map_or(0, |last| last + 1);
        self.totals = Totals::default();
        let known = (1 << self.clearance.used) - 1;
        let rows = self.rows.iter_mut().zip(&mut self.notional);
        for ((row, notional), instrument) in rows.zip(instruments) {
            *row = Row { mark: row.mark, ..Row::of(instrument) };
            let entry = plan.entry(instrument.id);
            let listed = || rate_of(&plan.limits.rates, instrument.quote);
            let rate = entry.map(|entry| entry.quote_rate).or_else(listed).unwrap_or_default();
            row.worth = Worth::of(instrument, rate);
            row.factor = row.worth.factor(row.mark);
            row.buckets = entry.map_or(0, |entry| entry.buckets & known);
            let most = entry.map_or(Money(-1), |entry| entry.notional_max);
            *notional = NotionalBounds::of(instrument, &row.worth, most);
            if let Some(account) = ledger.account(instrument.id) {
                let stake = row.stake(account, &plan.limits.rates);
                self.totals.change(&row.stake, &stake, row.buckets, self.clearance.used);
                row.take(stake);
            }
        }
        self.renew();
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
        let stake = row.stake(account, &self.limits.rates);
        self.totals.change(&row.stake, &stake, row.buckets, self.clearance.used);
        row.take(stake);
        self.renew();
    }

    #[inline]
    fn renew(&mut self) {
        let rooms = self.rooms();
        let (gross, concentration) = (cut(rooms.gross()), cut(rooms.concentration()));
        let net = [Side::Buy, Side::Sell].map(|side| cut(rooms.net(side)));
        let equity = rooms.equity;
        for at in 0..self.clearance.used {
            self.clearance.buckets[at] = cut(Rooms { of: self, equity }.bucket(at));
        }
        self.clearance.valued = self.totals.unmarked == 0;
        self.clearance.gross = gross;
        self.clearance.net = net;
        self.clearance.concentration = concentration;
    }

    #[inline]
    fn rooms(&self) -> Rooms<'_> {
        Rooms { of: self, equity: Parts::of(self.equity()) }
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

    /// Whether two come to the same: sums, rooms and what each instrument adds to them.
    #[must_use]
    pub fn stands_like(&self, other: &Exposures) -> bool {
        let stands = |row: &Row| (row.stake, row.outline, row.buckets);
        self.totals == other.totals
            && self.clearance == other.clearance
            && self.rows.iter().map(stands).eq(other.rows.iter().map(stands))
    }

    /// Whether a plan has said what is allowed.
    #[must_use]
    pub const fn is_planned(&self) -> bool {
        self.planned
    }

    /// What one order in the instrument may be worth.
    #[must_use]
    #[inline]
    pub fn notional(&self, at: usize) -> &NotionalBounds {
        self.notional.get(at).unwrap_or(&NotionalBounds::NONE)
    }

    /// Whether every limit is kept where the orders of `side` reach a position of `reach`; the narrowest
    /// that breaks otherwise.
    #[must_use]
    #[inline]
    pub fn check(&self, at: usize, side: Side, reach: Lots) -> Verdict {
        let Some(row) = self.rows.get(at) else { return Verdict::NotInPlan };
        if self.clearance.has_room(&row.outline, row.buckets, side, reach) {
            return Verdict::Pass;
        }
        self.check_exactly(row, side, reach)
    }

    #[cold]
    fn check_exactly(&self, row: &Row, side: Side, reach: Lots) -> Verdict {
        if self.totals.unmarked > 0 || row.factor == 0 {
            return Verdict::MarkUnknown;
        }
        let (before, after) = (&row.stake, row.exposure(reach));
        let exposure = larger([after, before.reach[side.opposite() as usize]]).0;
        let more = exposure - before.exposure.0;
        let rooms = self.rooms();
        if exposure > rooms.concentration() {
            return Verdict::Concentration;
        }
        let of_row = |at: usize| row.buckets >> at & 1 == 1;
        if let Some(verdict) = self.narrowest_bucket(|at| of_row(at) && more > rooms.bucket(at)) {
            return verdict;
        }
        if net_change(before, side, after) > rooms.net(side) {
            return Verdict::NetExposure;
        }
        if more > rooms.gross() { self.gross_or_leverage(more) } else { Verdict::Pass }
    }

    /// Whether the signed sum keeps its limit where the orders of `side` reach a position of `reach`,
    /// whatever that does to the sum of sizes.
    #[must_use]
    #[inline]
    pub fn keeps_net(&self, at: usize, side: Side, reach: Lots) -> bool {
        let Some(row) = self.rows.get(at) else { return false };
        self.clearance.has_net_room(&row.outline, side, reach)
            || self.keeps_net_exactly(row, side, reach)
    }

    #[cold]
    fn keeps_net_exactly(&self, row: &Row, side: Side, reach: Lots) -> bool {
        let net = net_change(&row.stake, side, row.exposure(reach));
        net <= self.rooms().net(side)
    }

    /// Which of the two limits of the sum of exposures breaks when that grows by `more`.
    fn gross_or_leverage(&self, more: i128) -> Verdict {
        if self.totals.gross.0 + more > self.limits.gross_max.0 {
            Verdict::GrossExposure
        } else {
            Verdict::Leverage
        }
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
        let mut kept = self.clearance.is_kept();
        for row in &self.rows {
            kept &= row.stake.exposure.0 <= i128::from(self.clearance.concentration);
        }
        if kept { None } else { self.narrowest_breach() }
    }

    #[cold]
    fn narrowest_breach(&self) -> Option<Verdict> {
        let rooms = self.rooms();
        if self.rows.iter().any(|row| row.stake.exposure.0 > rooms.concentration()) {
            return Some(Verdict::Concentration);
        }
        if let Some(verdict) = self.narrowest_bucket(|at| rooms.bucket(at) < 0) {
            return Some(verdict);
        }
        if rooms.net(Side::Buy) < 0 || rooms.net(Side::Sell) < 0 {
            return Some(Verdict::NetExposure);
        }
        (rooms.gross() < 0).then(|| self.gross_or_leverage(0))
    }

    /// Whether every exposure is at most the plan's `rearm_share` of its limit.
    #[must_use]
    pub fn has_eased(&self) -> bool {
        let (totals, limits, equity) = (&self.totals, &self.limits, Parts::of(self.equity()));
        let part = |limit: i128| share(limit, limits.rearm_share);
        let of_equity = |rate: Rate| part(equity.share(rate));
        let gross = part(limits.gross_max.0).min(of_equity(limits.leverage_max));
        let net = part(limits.net_max.0);
        let [up, down] = totals.reach;
        let buckets = limits.buckets.iter().zip(totals.buckets);
        let most = of_equity(limits.concentration_max);
        totals.gross.0 <= gross
            && up.0 <= net
            && -down.0 <= net
            && buckets
                .filter(|(bucket, _)| bucket.kind != 0)
                .all(|(bucket, used)| used.0 <= of_equity(bucket.share))
            && self.rows.iter().all(|row| row.stake.exposure.0 <= most)
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

/// What the signed sum grows by, the way that orders of `side` go, where a row reaches `after` instead.
#[inline]
const fn net_change(before: &Stake, side: Side, after: Money) -> i128 {
    let change = after.0 - before.reach[side as usize].0;
    match side {
        Side::Buy => change,
        Side::Sell => -change,
    }
}

impl Totals {
    /// An instrument has another stake than before.
    #[inline]
    fn change(&mut self, before: &Stake, after: &Stake, counts_for: u64, buckets: usize) {
        let more = after.exposure.0 - before.exposure.0;
        self.gross.0 += more;
        for side in 0..2 {
            self.reach[side].0 += after.reach[side].0 - before.reach[side].0;
        }
        self.profit.0 += after.profit.0 - before.profit.0;
        self.unmarked += u32::from(after.unmarked);
        self.unmarked -= u32::from(before.unmarked);
        for (at, sum) in self.buckets[..buckets].iter_mut().enumerate() {
            sum.0 += if counts_for >> at & 1 == 1 { more } else { 0 };
        }
    }
}

/// Highest share that a sound plan may allow: a thousandfold.
pub const SHARE_MAX: Rate = Rate(100_000_000_000);

// Sums over all instruments, times the highest share or 1e8, fit 128 bits.
const _: () =
    assert!(EXPOSURE_MAX.0 * 2 * (PLAN_INSTRUMENTS_MAX as i128) < i128::MAX / SHARE_MAX.0 as i128);

#[cfg(test)]
#[path = "exposure_tests.rs"]
mod tests;
