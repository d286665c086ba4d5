//! Whether a plan can be lived by: an absurd one is refused whole, and the lane keeps what it has.
//!
//! Checked once, when a plan comes: amounts are positive and within what sums can hold, shares positive
//! and no more than a thousandfold, strategy parameters finite. Sizes within these bounds are the
//! planner's business, the gate holds the orders to them.

use super::exposure::SHARE_MAX;
use crate::ledger::EXPOSURE_MAX;
use crate::record::{BucketKind, PLAN_INSTRUMENTS_MAX, Plan, PlanBreakers, PlanEntry, PlanLimits};
use crate::strategy::making::LEVELS_MAX;
use crate::units::{LaneId, Lots, Money, Nanos, Rate};

/// What is wrong with a plan, by the name of its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is out of its bounds")]
pub struct PlanFault(pub &'static str);

/// Looks at every number that a lane will compute with.
///
/// # Errors
/// The first field that is out of its bounds.
pub fn check(plan: &Plan, lane: LaneId) -> Result<(), PlanFault> {
    let used = plan.entries_len as usize;
    hold("lane", plan.lane == lane)?;
    hold("version", plan.version > 0)?;
    hold("entries_len", plan.entries_len <= PLAN_INSTRUMENTS_MAX as u64)?;
    limits(&plan.limits)?;
    breakers(&plan.breakers)?;
    for (at, one) in plan.entries[..used].iter().enumerate() {
        let twice = plan.entries[..at].iter().any(|other| other.instrument == one.instrument);
        hold("instrument", !twice)?;
        entry(one)?;
    }
    Ok(())
}

fn hold(field: &'static str, holds: bool) -> Result<(), PlanFault> {
    if holds { Ok(()) } else { Err(PlanFault(field)) }
}

fn money(field: &'static str, amount: Money) -> Result<(), PlanFault> {
    hold(field, amount.0 > 0 && amount <= EXPOSURE_MAX)
}

fn share(field: &'static str, rate: Rate) -> Result<(), PlanFault> {
    hold(field, rate.0 > 0 && rate <= SHARE_MAX)
}

/// A share of which there cannot be more than all.
fn part(field: &'static str, rate: Rate) -> Result<(), PlanFault> {
    hold(field, rate.0 > 0 && i128::from(rate.0) <= Money::ONE)
}

fn span(field: &'static str, span: Nanos) -> Result<(), PlanFault> {
    hold(field, span > Nanos(0))
}

fn limits(of: &PlanLimits) -> Result<(), PlanFault> {
    money("capital", of.capital)?;
    money("gross_max", of.gross_max)?;
    money("net_max", of.net_max)?;
    hold("orders_per_window", of.orders_per_window > 0)?;
    hold("cancels_reserved_per_window", of.cancels_reserved_per_window > 0)?;
    span("rate_window", of.rate_window)?;
    span("plan_age_max", of.plan_age_max)?;
    span("trade_age_max", of.trade_age_max)?;
    share("leverage_max", of.leverage_max)?;
    share("concentration_max", of.concentration_max)?;
    part("daily_loss_max", of.daily_loss_max)?;
    part("weekly_loss_max", of.weekly_loss_max)?;
    part("monthly_loss_max", of.monthly_loss_max)?;
    part("drawdown_max", of.drawdown_max)?;
    part("rearm_share", of.rearm_share)?;
    span("rearm_after", of.rearm_after)?;
    span("flatten.every", of.flatten.every)?;
    part("flatten.slippage", of.flatten.slippage)?;
    for bucket in of.buckets.iter().filter(|bucket| bucket.kind != 0) {
        hold("buckets", bucket.kind <= BucketKind::Group as u64)?;
        share("buckets", bucket.share)?;
    }
    for rate in &of.rates {
        hold("rates", rate.rate.0 >= 0)?;
    }
    Ok(())
}

fn breakers(of: &PlanBreakers) -> Result<(), PlanFault> {
    for rule in &of.rules {
        hold("breakers.trip", rule.trip > 0)?;
        hold("breakers.rearm", rule.rearm > 0 && rule.rearm <= rule.trip)?;
        span("breakers.cool_down", rule.cool_down)?;
        hold("breakers.least", rule.least > 0)?;
    }
    hold("breakers.spread_ratio", i128::from(of.spread_ratio.0) > Money::ONE)?;
    hold("breakers.spread_floor", of.spread_floor > 0)?;
    hold("breakers.rejects_in_row", of.rejects_in_row > 0)?;
    span("breakers.rejects_window", of.rejects_window)
}

fn entry(of: &PlanEntry) -> Result<(), PlanFault> {
    money("notional_max", of.notional_max)?;
    hold("open_orders_max", of.open_orders_max > 0)?;
    hold("order_lots_max", of.order_lots_max > Lots(0))?;
    hold("position_lots_max", of.position_lots_max > Lots(0))?;
    part("collar", of.collar)?;
    part("trade_collar", of.trade_collar)?;
    span("book_age_max", of.book_age_max)?;
    share("volume_share", of.volume_share)?;
    hold("volume_free_lots", of.volume_free_lots > Lots(0))?;
    hold("quote_rate", of.quote_rate > Rate(0))?;
    let making = &of.making;
    for (field, value) in [
        ("making.base_half_spread", making.base_half_spread),
        ("making.risk", making.risk),
        ("making.volatility_start", making.volatility_start),
        ("making.requote_ticks", making.requote_ticks),
        ("making.half_spread_min", making.half_spread_min),
    ] {
        hold(field, value.is_finite() && value >= 0.0)?;
    }
    hold("making.quote_lots", making.quote_lots > Lots(0))?;
    hold("making.levels", making.levels > 0 && making.levels <= LEVELS_MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hot::tests::plan;
    use crate::units::InstrumentId;

    #[test]
    fn every_absurd_field_is_named() {
        assert_eq!(check(&plan(2), LaneId(0)), Ok(()));
        type Spoil = fn(&mut Plan);
        let spoils: [(&str, Spoil); 18] = [
            ("lane", |p| p.lane = LaneId(1)),
            ("version", |p| p.version = 0),
            ("entries_len", |p| p.entries_len = 17),
            ("instrument", |p| p.entries[1].instrument = InstrumentId(0)),
            ("capital", |p| p.limits.capital = Money(0)),
            ("gross_max", |p| p.limits.gross_max = Money(i128::MAX)),
            ("leverage_max", |p| p.limits.leverage_max = Rate(i64::MAX)),
            ("daily_loss_max", |p| p.limits.daily_loss_max = Rate(100_000_001)),
            ("rearm_share", |p| p.limits.rearm_share = Rate(0)),
            ("buckets", |p| p.limits.buckets[0].share = Rate(-1)),
            ("breakers.trip", |p| p.breakers.rules[3].trip = 0),
            ("breakers.rearm", |p| p.breakers.rules[0].rearm = i64::MAX),
            ("breakers.spread_ratio", |p| p.breakers.spread_ratio = Rate(100_000_000)),
            ("order_lots_max", |p| p.entries[1].order_lots_max = Lots(i64::MIN)),
            ("collar", |p| p.entries[0].collar = Rate(i64::MAX)),
            ("quote_rate", |p| p.entries[0].quote_rate = Rate(0)),
            ("making.risk", |p| p.entries[0].making.risk = f64::NAN),
            ("making.levels", |p| p.entries[0].making.levels = 5),
        ];
        for (field, spoil) in spoils {
            let mut spoilt = plan(2);
            spoil(&mut spoilt);
            assert_eq!(check(&spoilt, LaneId(0)), Err(PlanFault(field)));
        }
        let mut unused = plan(1);
        unused.entries[1].making.risk = f64::NAN;
        assert_eq!(check(&unused, LaneId(0)), Ok(()), "entries beyond the last mean nothing");
    }
}
