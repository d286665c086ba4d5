//! What a lane has lost since the UTC day, the week (Monday) and the month began, and from its highest
//! equity.
//!
//! Equity at the beginning of a period is that of the first event in it. A loss is reached when it is at
//! least its share of the equity that it is counted from; equity counted from that is not positive is a
//! loss. Wall time is that of the life: its zero plus the receive time of the input.
//! Deliberately absent: what a loss leads to (`state`, `reckon`).

use crate::ledger::StateHash;
use crate::record::{Cause, PlanLimits, Tape};
use crate::units::{Money, Rate, UnixNanos};

const DAY: u64 = 86_400_000_000_000;
/// 1 January 1970 was a Thursday: its week had begun three days before.
const DAYS_INTO_WEEK: u64 = 3;

/// Equity at the beginning of each period, and its peak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// A first equity was seen.
    begun: bool,
    /// The plan's capital that everything below counts with.
    capital: Money,
    day: u64,
    day_start: Money,
    week_start: Money,
    month_start: Money,
    peak: Money,
}

/// What a new day brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewDay;

impl Losses {
    /// A plan comes: capital that it adds or takes away is neither profit nor loss.
    pub fn on_capital(&mut self, capital: Money) {
        let more = capital.minus(self.capital);
        self.capital = capital;
        if self.begun {
            self.all().into_iter().for_each(|level| *level = level.plus(more));
        }
    }

    fn all(&mut self) -> [&mut Money; 4] {
        [&mut self.day_start, &mut self.week_start, &mut self.month_start, &mut self.peak]
    }

    /// Time passes; the equity is that of the event which shows it.
    #[inline]
    pub fn on_wall(&mut self, wall: UnixNanos, equity: Money) -> Option<NewDay> {
        let day = wall.0 / DAY;
        if self.begun && day <= self.day {
            return None;
        }
        self.turn(day, equity)
    }

    #[cold]
    fn turn(&mut self, day: u64, equity: Money) -> Option<NewDay> {
        let week = |day: u64| (day + DAYS_INTO_WEEK) / 7;
        if !self.begun {
            self.begun = true;
            self.all().into_iter().for_each(|level| *level = equity);
        }
        if week(day) != week(self.day) {
            self.week_start = equity;
        }
        if month(day) != month(self.day) {
            self.month_start = equity;
        }
        self.day_start = equity;
        self.day = day;
        Some(NewDay)
    }

    /// Takes the equity of an event; the losses that are at their limit.
    #[inline]
    pub fn on_equity(&mut self, equity: Money, limits: &PlanLimits) -> [Option<Cause>; 4] {
        self.peak = Money(self.peak.0.max(equity.0));
        let reached = |cause, from: Money, share: Rate| {
            let lost = from.0 - equity.0;
            let at_limit = from.0 <= 0 || lost * Money::ONE >= from.0 * i128::from(share.0);
            at_limit.then_some(cause)
        };
        [
            reached(Cause::DailyLoss, self.day_start, limits.daily_loss_max),
            reached(Cause::WeeklyLoss, self.week_start, limits.weekly_loss_max),
            reached(Cause::MonthlyLoss, self.month_start, limits.monthly_loss_max),
            reached(Cause::Drawdown, self.peak, limits.drawdown_max),
        ]
    }

    /// A person has looked at a loss and goes on: it is counted from here.
    pub fn accept(&mut self, cause: Cause, equity: Money) {
        match cause {
            Cause::WeeklyLoss => self.week_start = equity,
            Cause::MonthlyLoss => self.month_start = equity,
            Cause::Drawdown => self.peak = equity,
            _ => {}
        }
    }

    /// The equity that a loss is counted from; the highest for any other cause.
    #[must_use]
    pub const fn level(&self, cause: Cause) -> Money {
        match cause {
            Cause::DailyLoss => self.day_start,
            Cause::WeeklyLoss => self.week_start,
            Cause::MonthlyLoss => self.month_start,
            _ => self.peak,
        }
    }

    /// Loss since the day began; negative for a profit.
    #[must_use]
    pub const fn of_day(&self, equity: Money) -> Money {
        self.day_start.minus(equity)
    }

    /// Loss from the highest equity.
    #[must_use]
    pub const fn from_peak(&self, equity: Money) -> Money {
        self.peak.minus(equity)
    }

    /// Saves the losses or brings them back.
    pub fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.section("losses");
        tape.flag(&mut self.begun);
        tape.pod(&mut self.capital);
        tape.pod(&mut self.day);
        self.all().into_iter().for_each(|level| tape.pod(level));
    }

    /// Mixes the whole state into `hash`.
    pub fn mix_into(&self, hash: &mut StateHash) {
        hash.word(self.day << 1 | u64::from(self.begun));
        let Losses { capital, day_start, week_start, month_start, peak, .. } = *self;
        for level in [capital, day_start, week_start, month_start, peak] {
            hash.money(level);
        }
    }
}

/// Months since January 1970 of a day counted from its first.
fn month(day: u64) -> u64 {
    let (mut left, mut year) = (day, 1970);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    // 64 bits of nanoseconds end in 2554, so this ends too
    loop {
        let days = 365 + u64::from(is_leap(year));
        if left < days {
            break;
        }
        left -= days;
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = (year - 1970) * 12;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    month
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> PlanLimits {
        let percent = |count: i64| Rate(count * 1_000_000);
        PlanLimits {
            daily_loss_max: percent(2),
            weekly_loss_max: percent(5),
            monthly_loss_max: percent(10),
            drawdown_max: percent(15),
            ..PlanLimits::default()
        }
    }

    fn day(count: u64) -> UnixNanos {
        UnixNanos(count * DAY + 5)
    }

    fn reached(losses: &mut Losses, equity: i128) -> Vec<Cause> {
        losses.on_equity(Money(equity), &limits()).into_iter().flatten().collect()
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        for (days, months) in [
            (0, 0),
            (30, 0),
            (31, 1),
            (58, 1),
            (59, 2),
            (364, 11),
            (365, 12),
            (789, 25), // 29 February 1972
            (790, 26),
            (10_956, 359), // 31 December 1999
            (10_957, 360),
            (11_016, 361), // 29 February 2000
            (11_017, 362),
            (20_778, 682),   // 21 November 2026
            (47_540, 1_561), // 28 February 2100, which is no leap year
            (47_541, 1_562),
        ] {
            assert_eq!(month(days), months, "{days}");
        }
        assert!(month(u64::MAX / DAY) > 7_000, "ends at the end of time");
    }

    #[test]
    fn each_loss_is_reached_at_its_share_and_not_before() {
        for (first_day, cause, share) in
            [(0, Cause::DailyLoss, 2), (1, Cause::WeeklyLoss, 5), (10, Cause::MonthlyLoss, 10)]
        {
            let mut losses = Losses::default();
            losses.on_capital(Money(100_000));
            // begun on Thursday, the first; the loss is of later days, so that smaller periods are not at it
            assert_eq!(losses.on_wall(day(0), Money(100_000)), Some(NewDay));
            let mut equity = 100_000;
            for later in 1..=first_day {
                equity = 100_000 - 900 * i128::from(later);
                assert_eq!(losses.on_wall(day(later), Money(equity)), Some(NewDay));
            }
            let limit = 100_000 * (100 - share) / 100;
            let limit = if cause == Cause::DailyLoss { limit } else { limit.min(equity) };
            let above = reached(&mut losses, limit + 1);
            assert!(!above.contains(&cause), "{cause:?}: {above:?}");
            assert!(reached(&mut losses, limit).contains(&cause), "{cause:?}");
        }
    }

    #[test]
    fn a_new_day_week_and_month_begin_at_their_first_event() {
        let mut losses = Losses::default();
        losses.on_wall(day(0), Money(100_000));
        assert_eq!(reached(&mut losses, 97_900), [Cause::DailyLoss]);
        assert_eq!(losses.on_wall(day(0), Money(97_900)), None, "the same day");
        assert_eq!(losses.on_wall(day(1), Money(97_900)), Some(NewDay));
        assert_eq!(reached(&mut losses, 97_900), []);
        assert_eq!(reached(&mut losses, 95_000), [Cause::DailyLoss, Cause::WeeklyLoss]);
        assert_eq!(losses.on_wall(day(4), Money(95_000)), Some(NewDay), "Monday");
        assert_eq!(reached(&mut losses, 95_000), []);
        assert_eq!(
            reached(&mut losses, 90_000),
            [Cause::DailyLoss, Cause::WeeklyLoss, Cause::MonthlyLoss]
        );
        losses.on_wall(day(31), Money(90_000));
        assert_eq!(reached(&mut losses, 90_000), []);
        assert_eq!(
            reached(&mut losses, 85_000),
            [Cause::DailyLoss, Cause::WeeklyLoss, Cause::Drawdown]
        );
    }

    #[test]
    fn a_person_accepts_a_loss_and_capital_is_no_profit() {
        let mut losses = Losses::default();
        losses.on_capital(Money(100_000));
        losses.on_wall(day(0), Money(100_000));
        assert!(reached(&mut losses, 85_000).contains(&Cause::Drawdown));
        losses.accept(Cause::Drawdown, Money(85_000));
        assert!(!reached(&mut losses, 85_000).contains(&Cause::Drawdown));
        losses.on_capital(Money(200_000));
        assert_eq!(losses.from_peak(Money(185_000)), Money(0), "the peak moved with the capital");
        assert_eq!(losses.of_day(Money(185_000)), Money(15_000));
    }
}
