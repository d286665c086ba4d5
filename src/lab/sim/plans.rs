//! Plans that no deep lane would publish on purpose: each absurd in its own way.

use crate::record::Plan;
use crate::units::{Lots, Money, Nanos, Rate};

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
