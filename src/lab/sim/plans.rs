//! The plans that follow the first: those of a deep lane that changes its mind, and those that none would
//! publish on purpose, each absurd in its own way.

use crate::maths::random::Random;
use crate::record::Plan;
use crate::units::{Lots, Money, Nanos, Rate};

/// Stream of the seed from which successors are drawn, each from its own.
const STREAM: u64 = 0x706c_616e;

/// The plan number `index` of a seed that began with `first`: other targets, and exposure limits that
/// may be tighter than what the lane has by now.
#[must_use]
pub fn successor(first: &Plan, seed: u64, index: u64) -> Plan {
    let mut random = Random::new(seed, STREAM.wrapping_add(index));
    let mut plan = *first;
    for entry in &mut plan.entries[..first.entries_len as usize] {
        let most = entry.position_lots_max.0 / 2;
        let target = random.below(most.unsigned_abs() * 2 + 1) as i64 - most;
        entry.making.target_lots = Lots(if random.below(2) == 0 { 0 } else { target });
    }
    let mut percent = || 50 + random.below(51) as i64;
    let limits = &mut plan.limits;
    for amount in [&mut limits.gross_max, &mut limits.net_max] {
        amount.0 = amount.0 * i128::from(percent()) / 100;
    }
    let [venue, strategy, ..] = &mut limits.buckets;
    let shares = [&mut limits.leverage_max, &mut limits.concentration_max];
    for share in shares.into_iter().chain([&mut venue.share, &mut strategy.share]) {
        share.0 = share.0 * percent() / 100;
    }
    plan
}

/// Number of ways in which a plan can be absurd.
pub const ABSURDITIES: usize = 12;

/// The plan made absurd, way number `way` (modulo their number).
#[must_use]
pub fn absurd(plan: &Plan, way: usize) -> Plan {
    let mut plan = *plan;
    let len = plan.entries_len as usize;
    for entry in &mut plan.entries[..len] {
        let making = &mut entry.making;
        match way % ABSURDITIES {
            0 => making.base_half_spread = f64::NAN,
            1 => {
                (making.risk, making.volatility_start) = (f64::INFINITY, f64::NEG_INFINITY);
                making.requote_ticks = f64::NAN;
            }
            2 => (making.base_half_spread, making.half_spread_min) = (-1e300, -1e300),
            3 => (making.quote_lots, making.target_lots) = (Lots(i64::MAX), Lots(i64::MIN)),
            4 => making.quote_lots = Lots(-5),
            5 => (making.levels, making.requote_ticks) = (u64::MAX, 0.0),
            6 => {
                entry.order_lots_max = Lots(i64::MAX);
                entry.position_lots_max = Lots(i64::MAX);
                entry.notional_max = Money(i128::MAX);
                entry.open_orders_max = u32::MAX;
                making.quote_lots = Lots(i64::MAX / 2);
            }
            7 => {
                entry.order_lots_max = Lots(i64::MIN);
                entry.position_lots_max = Lots(-1);
                entry.notional_max = Money(i128::MIN);
            }
            8 => (entry.collar, entry.trade_collar) = (Rate(i64::MAX), Rate(i64::MIN)),
            _ => {}
        }
    }
    match way % ABSURDITIES {
        9 => {
            plan.limits.rate_window = Nanos(0);
            plan.limits.orders_per_window = u32::MAX;
            plan.limits.plan_age_max = Nanos(u64::MAX);
        }
        10 => plan.entries_len = u64::MAX,
        11 => plan = Plan { version: plan.version, ..Plan::none() },
        _ => {}
    }
    plan
}
