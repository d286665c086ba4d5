//! Settings and instruments to the Plan of one lane: the place where logarithms are taken.

use crate::cli::config::error::ConfigError;
use crate::cli::config::plan_limits::{BPS, PERCENT, WHOLE};
use crate::cli::config::settings::{Config, Making};
use crate::cli::config::values::Amount;
use crate::record::{Instrument, MakingParameters, PLAN_INSTRUMENTS_MAX, Plan, PlanEntry};
use crate::strategy::making::coefficients;
use crate::units::{Decimal, Grid, LaneId, Lots, Money, Nanos};

impl Config {
    /// The plan of a lane: `lane` counts `[[lane]]` from 0, `instruments` is the lane's table.
    ///
    /// # Errors
    /// When there is no such lane, a symbol of the lane has no instrument, or a size is no whole
    /// number of lots, zero lots, or outside the venue's filters.
    pub fn plan(
        &self,
        lane: LaneId,
        instruments: &[Instrument],
        version: u64,
    ) -> Result<Plan, ConfigError> {
        let index = usize::from(lane.0);
        let Some(settings) = self.lanes.get(index) else {
            let problem = format!("has {} entries; lane {index} is not one", self.lanes.len());
            return Err(self.refuse("lane", problem));
        };
        let mut plan = Plan::none();
        plan.version = version;
        plan.lane = lane;
        plan.limits = self.plan_limits(index)?;
        plan.breakers = self.breakers.plan();
        for symbol in settings.symbols.iter().take(PLAN_INSTRUMENTS_MAX) {
            let found = instruments.iter().find(|known| known.symbol.as_str() == symbol);
            let instrument = found.ok_or_else(|| {
                let problem = format!("has `{symbol}`, of which the venue gave no metadata");
                self.refuse(&format!("lane.{index}.symbols"), problem)
            })?;
            let table = format!("lane.{index}.making.{symbol}");
            let making = settings.making.get(symbol);
            let making = making.ok_or_else(|| self.refuse(&table, "is missing"))?;
            plan.entries[plan.entries_len as usize] =
                self.entry(&table, symbol, instrument, making)?;
            plan.entries_len += 1;
        }
        Ok(plan)
    }

    fn entry(
        &self,
        table: &str,
        symbol: &str,
        instrument: &Instrument,
        making: &Making,
    ) -> Result<PlanEntry, ConfigError> {
        let order_lots_max = self.limit_lots("order", symbol, instrument)?;
        let position_lots_max = self.limit_lots("position", symbol, instrument)?;
        let parameters = self.making(table, instrument, making)?;
        if parameters.quote_lots > order_lots_max {
            let problem = format!("is {}, above limits.order.{symbol}", making.quote);
            return Err(self.refuse(&format!("{table}.quote"), problem));
        }
        if parameters.quote_lots > position_lots_max {
            let problem = format!("is {}, above limits.position.{symbol}", making.quote);
            return Err(self.refuse(&format!("{table}.quote"), problem));
        }
        let limits = &self.limits;
        let notional_max = scaled(limits.notional.0, WHOLE).map(Money);
        let too_large = |field| self.refuse(field, "is too large to be a limit");
        Ok(PlanEntry {
            notional_max: notional_max.ok_or_else(|| too_large("limits.notional"))?,
            instrument: instrument.id,
            open_orders_max: limits.open_orders,
            order_lots_max,
            position_lots_max,
            collar: self.rate("collar_bps", limits.collar_bps, BPS)?,
            trade_collar: self.rate("trade_collar_bps", limits.trade_collar_bps, BPS)?,
            book_age_max: Nanos::from_millis(limits.book_age_ms),
            volume_share: self.rate("volume_percent", limits.volume_percent, PERCENT)?,
            volume_free_lots: parameters.quote_lots,
            buckets: self.buckets_of(symbol),
            restricted: u64::from(limits.restricted.iter().any(|name| name == symbol)),
            quote_rate: self.quote_rate(instrument)?,
            making: parameters,
            reserved: 0,
        })
    }

    fn making(
        &self,
        table: &str,
        instrument: &Instrument,
        making: &Making,
    ) -> Result<MakingParameters, ConfigError> {
        let field = format!("{table}.quote");
        let lot = instrument.lot.step();
        let quote_lots = instrument.lot.steps_of(making.quote.0).map_err(|error| {
            self.refuse(&field, format!("is {}, {error} (the lot is {lot})", making.quote))
        })?;
        let filters = &instrument.filters;
        if quote_lots < filters.lots_min.0.max(1) || quote_lots > filters.lots_max.0 {
            let (least, most) = (
                instrument.lot.decimal(filters.lots_min.0),
                instrument.lot.decimal(filters.lots_max.0),
            );
            let problem = format!("is {}; the venue takes {least} to {most}", making.quote);
            return Err(self.refuse(&field, problem));
        }
        let (gamma, scale, decay) = (making.gamma, making.arrival_scale, making.arrival_decay);
        let (base_half_spread, risk) = coefficients(gamma, scale, decay)
            .ok_or_else(|| self.refuse(&format!("{table}.gamma"), "gives no finite quotes"))?;
        Ok(MakingParameters {
            base_half_spread,
            risk,
            volatility_start: making.volatility_start,
            requote_ticks: making.requote_ticks,
            quote_lots: Lots(quote_lots),
            target_lots: Lots(0),
            half_spread_min: making.half_spread_min,
            levels: u64::from(making.levels),
        })
    }

    /// A limit in whole lots, rounded down: a limit is never widened.
    fn limit_lots(
        &self,
        name: &str,
        symbol: &str,
        instrument: &Instrument,
    ) -> Result<Lots, ConfigError> {
        let by_symbol = if name == "order" { &self.limits.order } else { &self.limits.position };
        let field = format!("limits.{name}.{symbol}");
        let amount = *by_symbol.get(symbol).ok_or_else(|| self.refuse(&field, "is missing"))?;
        let lots = whole_steps(&instrument.lot, amount);
        if lots <= 0 {
            let problem = format!("is {amount}, less than one lot of {}", instrument.lot.step());
            return Err(self.refuse(&field, problem));
        }
        Ok(Lots(lots))
    }
}

/// Whole steps in an amount, rounded down; saturates.
fn whole_steps(grid: &Grid, amount: Amount) -> i64 {
    let (value, step) = (amount.0, grid.step());
    let numerator = i128::from(value.mantissa) * 10i128.pow(u32::from(step.scale));
    let denominator = i128::from(step.mantissa) * 10i128.pow(u32::from(value.scale));
    i64::try_from(numerator.div_euclid(denominator)).unwrap_or(i64::MAX)
}

/// A decimal times ten to `digits`, digits beyond that cut off (a limit is never widened).
pub(super) fn scaled(value: Decimal, digits: u8) -> Option<i128> {
    let mantissa = i128::from(value.mantissa).checked_mul(10i128.pow(u32::from(digits)))?;
    Some(mantissa / 10i128.pow(u32::from(value.scale)))
}
