//! `[limits]` and `[breakers]` to the parts of a Plan: each lane's budget of what all may do together.
//!
//! Amounts are divided by the number of lanes. A share of the capital becomes one of the lane's equity:
//! a symbol belongs to one lane, which alone may use what concentration allows it; a group's share is
//! divided among the lanes that trade it; all lanes use the same venue and the same strategy.

use crate::cli::config::error::ConfigError;
use crate::cli::config::limits::Breakers;
use crate::cli::config::plan::scaled;
use crate::cli::config::settings::Config;
use crate::cli::config::values::{Amount, Span};
use crate::record::{
    BUCKETS_MAX, BreakerRule, Bucket, BucketKind, CurrencyRate, FlattenRule, Instrument,
    PlanBreakers, PlanLimits, RATES_MAX, VENUE_RATES, VenueRate,
};
use crate::units::{Currency, Money, Nanos, Rate};

/// Decimal digits by which an amount becomes a `Rate` of 1e-8.
pub(super) const WHOLE: u8 = 8;
/// The same of percents.
pub(super) const PERCENT: u8 = 6;
/// The same of basis points.
pub(super) const BPS: u8 = 4;

/// Buckets before those of the groups: the venue and the strategy.
const FIRST_GROUP: usize = 2;
/// Most groups: what a plan's buckets leave.
pub(super) const GROUPS_MAX: usize = BUCKETS_MAX - FIRST_GROUP;
/// Most rates that a configuration names; one place is the currency's own.
pub(super) const NAMED_RATES_MAX: usize = RATES_MAX - 1;

impl Config {
    /// Limits of one of the lanes.
    pub(super) fn plan_limits(&self, lane: usize) -> Result<PlanLimits, ConfigError> {
        let limits = &self.limits;
        let lanes = self.lanes.len().max(1) as i64;
        let whole = |lanes: i64| move |rate: Rate| Rate(rate.0.saturating_mul(lanes));
        let share = |name: &str, amount| self.rate(name, amount, PERCENT);
        let mut plan = PlanLimits {
            capital: self.budget("capital", limits.capital)?,
            gross_max: self.budget("gross", limits.gross)?,
            net_max: self.budget("net", limits.net)?,
            orders_per_window: limits.order_rate,
            cancels_reserved_per_window: limits.cancels_reserved,
            rate_window: Nanos::from_millis(limits.rate_window_ms),
            plan_age_max: Nanos::from_millis(limits.plan_age_s.saturating_mul(1_000)),
            trade_age_max: Nanos::from_millis(limits.trade_age_s.saturating_mul(1_000)),
            venue: self.venue_share(),
            leverage_max: self.rate("leverage", limits.leverage, WHOLE)?,
            concentration_max: share("concentration_percent", limits.concentration_percent)
                .map(whole(lanes))?,
            daily_loss_max: share("daily_loss_percent", limits.daily_loss_percent)?,
            weekly_loss_max: share("weekly_loss_percent", limits.weekly_loss_percent)?,
            monthly_loss_max: share("monthly_loss_percent", limits.monthly_loss_percent)?,
            drawdown_max: share("drawdown_percent", limits.drawdown_percent)?,
            rearm_share: share("rearm_percent", limits.rearm_percent)?,
            rearm_after: Nanos::from_millis(limits.rearm_s.saturating_mul(1_000)),
            flatten: FlattenRule {
                always: u64::from(limits.flatten),
                every: Nanos::from_millis(limits.flatten_every_ms),
                slippage: self.rate("flatten_slippage_bps", limits.flatten_slippage_bps, BPS)?,
                reserved: 0,
            },
            currency: self.currency()?,
            rates: self.rates()?,
            ..PlanLimits::default()
        };
        let bucket = |share, kind| Bucket { share, kind: kind as u64 };
        let venue = share("venue_percent", limits.venue_percent)?;
        plan.buckets[0] = bucket(venue, BucketKind::Venue);
        let strategy = share("strategy_percent", limits.strategy_percent)?;
        plan.buckets[1] = bucket(strategy, BucketKind::Strategy);
        let group = share("group_percent", limits.group_percent)?;
        let places = plan.buckets[FIRST_GROUP..].iter_mut();
        for ((_, symbols), place) in limits.groups.iter().zip(places) {
            let trades = |of: &[String]| of.iter().any(|symbol| symbols.contains(symbol));
            let members = self.lanes.iter().filter(|lane| trades(&lane.symbols)).count() as i64;
            if trades(&self.lanes[lane].symbols) {
                let share = whole(lanes)(group);
                *place = bucket(Rate(share.0 / members.max(1)), BucketKind::Group);
            }
        }
        Ok(plan)
    }

    /// Bits of the buckets that a symbol counts for.
    pub(super) fn buckets_of(&self, symbol: &str) -> u64 {
        let groups = self.limits.groups.values().take(GROUPS_MAX).enumerate();
        let bit = |(at, of): (usize, &Vec<String>)| {
            u64::from(of.iter().any(|name| name == symbol)) << (FIRST_GROUP + at)
        };
        0b11 | groups.map(bit).sum::<u64>()
    }

    /// What one unit of an instrument's quote currency is worth.
    pub(super) fn quote_rate(&self, instrument: &Instrument) -> Result<Rate, ConfigError> {
        let quote = instrument.quote.as_str();
        if quote == self.limits.currency {
            return Ok(Rate(Money::ONE as i64));
        }
        let Some(amount) = self.limits.rates.get(quote) else {
            let problem = format!(
                "has no entry `{quote}`, which {} is quoted in; say what one is worth in {}",
                instrument.symbol, self.limits.currency
            );
            return Err(self.refuse("limits.rates", problem));
        };
        self.rate(&format!("rates.{quote}"), *amount, WHOLE)
    }

    /// A setting of `[limits]` as a rate of at least 1e-8.
    pub(super) fn rate(&self, name: &str, amount: Amount, digits: u8) -> Result<Rate, ConfigError> {
        let field = format!("limits.{name}");
        let rate = scaled(amount.0, digits).and_then(|rate| i64::try_from(rate).ok());
        match rate.map(Rate) {
            Some(rate) if rate.0 > 0 => Ok(rate),
            Some(_) => Err(self.refuse(&field, format!("is {amount}, too small to be a limit"))),
            None => Err(self.refuse(&field, format!("is {amount}, too large to be a limit"))),
        }
    }

    /// A lane's part of an amount, rounded down.
    fn budget(&self, name: &str, amount: Amount) -> Result<Money, ConfigError> {
        let field = format!("limits.{name}");
        let lanes = self.lanes.len().max(1) as i128;
        match scaled(amount.0, WHOLE).map(|money| Money(money / lanes)) {
            Some(part) if part.0 > 0 => Ok(part),
            _ => Err(self.refuse(&field, format!("is {amount}, no amount that lanes can share"))),
        }
    }

    fn currency(&self) -> Result<Currency, ConfigError> {
        let name = &self.limits.currency;
        Currency::new(name)
            .map_err(|error| self.refuse("limits.currency", format!("is `{name}`: {error}")))
    }

    fn rates(&self) -> Result<[CurrencyRate; RATES_MAX], ConfigError> {
        let mut rates = [CurrencyRate::default(); RATES_MAX];
        rates[0] = CurrencyRate { currency: self.currency()?, rate: Rate(Money::ONE as i64) };
        for ((name, amount), place) in self.limits.rates.iter().zip(&mut rates[1..]) {
            let field = format!("limits.rates.{name}");
            let currency = Currency::new(name)
                .map_err(|error| self.refuse(&field, format!("is no currency: {error}")))?;
            *place = CurrencyRate {
                currency,
                rate: self.rate(&format!("rates.{name}"), *amount, WHOLE)?,
            };
        }
        Ok(rates)
    }

    /// A lane's share of what the venue allows the account that all lanes use; a tenth is left, since
    /// the venue counts when requests arrive, not when they leave.
    fn venue_share(&self) -> [VenueRate; VENUE_RATES] {
        self.venue.family.0.order_rates().map(|rate| {
            let lanes = self.lanes.len().max(1) as u64;
            let share = (rate.orders * 9 / (10 * lanes)).max(rate.orders.min(1));
            VenueRate { orders: share, ..rate }
        })
    }
}

impl Breakers {
    /// The rules by kind, in the units of `BreakerKind`.
    #[must_use]
    pub fn plan(&self) -> PlanBreakers {
        let rule = |trip, rearm, cool_down: Span, least, trials| BreakerRule {
            trip,
            rearm,
            cool_down: cool_down.0,
            least,
            trials,
        };
        // a level too large for its unit is one that is never reached
        let level = |amount: Amount, digits| {
            scaled(amount.0, digits).and_then(|it| i64::try_from(it).ok()).unwrap_or(i64::MAX)
        };
        let nanos =
            |count: u64, unit: u64| i64::try_from(count.saturating_mul(unit)).unwrap_or(i64::MAX);
        let Breakers { volatility, spread, latency, internal_latency, rejects, stale_data } = self;
        let percent_in_bps = |amount| level(amount, 2);
        let bps_in_hundredths = |amount| level(amount, 2);
        let millis = |count| nanos(count, 1_000_000);
        PlanBreakers {
            rules: [
                rule(
                    percent_in_bps(volatility.trip_percent),
                    percent_in_bps(volatility.rearm_percent),
                    volatility.cool_down,
                    volatility.samples,
                    0,
                ),
                rule(
                    bps_in_hundredths(spread.trip_bps),
                    bps_in_hundredths(spread.rearm_bps),
                    spread.cool_down,
                    spread.samples,
                    0,
                ),
                rule(millis(latency.trip_ms), millis(latency.rearm_ms), latency.cool_down, 1, 0),
                rule(
                    nanos(internal_latency.trip_us, 1_000),
                    nanos(internal_latency.rearm_us, 1_000),
                    internal_latency.cool_down,
                    internal_latency.windows,
                    0,
                ),
                rule(
                    percent_in_bps(rejects.trip_percent),
                    percent_in_bps(rejects.rearm_percent),
                    rejects.cool_down,
                    rejects.answers,
                    rejects.trials,
                ),
                rule(
                    millis(stale_data.trip_ms),
                    millis(stale_data.rearm_ms),
                    stale_data.cool_down,
                    1,
                    0,
                ),
            ],
            spread_ratio: Rate(level(spread.ratio, WHOLE)),
            spread_floor: bps_in_hundredths(spread.floor_bps),
            rejects_in_row: u64::from(rejects.in_row),
            rejects_window: rejects.window.0,
        }
    }
}
