//! Tests of the gate and the lane.

mod gate;
mod gate_world;
mod lane;
mod twin;

use crate::record::{
    BookTicker, BreakerRule, Bucket, BucketKind, CurrencyRate, DepthDiff, DepthSnapshot,
    ExecutionKind, ExecutionReport, FeeSchedule, Filters, FlattenRule, Instrument, InstrumentKind,
    Intent, Level, MakingParameters, OrderAction, OrderType, Plan, PlanBreakers, PlanEntry,
    PlanLimits, Symbol, TimeInForce, Trade, VenueRate,
};
use crate::strategy::making::coefficients;
use crate::units::{
    Currency, Decimal, Grid, InstrumentId, LaneId, Lots, Money, Nanos, OrderId, Rate, Side, Ticks,
    UnixNanos, VenueId,
};

/// A linear contract: tick 0.1, lot 0.001, so a tick times a lot is 1e-4 of the quote currency.
pub(super) fn instrument(id: u32, symbol: &str) -> Instrument {
    let grid = |mantissa, scale| Grid::new(Decimal { mantissa, scale }, 8).unwrap();
    Instrument {
        id: InstrumentId(id),
        venue: VenueId(0),
        symbol: Symbol::new(symbol).unwrap(),
        kind: InstrumentKind::Linear,
        tick: grid(1, 1),
        lot: grid(1, 3),
        multiplier: Decimal { mantissa: 1, scale: 0 },
        base: Currency::new("BTC").unwrap(),
        quote: Currency::new("USDT").unwrap(),
        settle: Currency::new("USDT").unwrap(),
        filters: Filters {
            lots_min: Lots(1),
            lots_max: Lots(1_000_000),
            price_min: Ticks(10),
            price_max: Ticks(10_000_000),
            notional_min: Money(5 * Money::ONE),
        },
        fees: FeeSchedule::default(),
    }
}

pub(super) fn plan(instruments: u32) -> Plan {
    let (base, risk) = coefficients(0.01, 1.0, 0.3).unwrap();
    let mut plan = Plan::none();
    plan.version = 1;
    plan.lane = LaneId(0);
    plan.limits = limits();
    plan.breakers = breakers();
    for at in 0..instruments {
        plan.entries[at as usize] = PlanEntry {
            notional_max: Money(100_000 * Money::ONE),
            instrument: InstrumentId(at),
            open_orders_max: 8,
            order_lots_max: Lots(1_000),
            position_lots_max: Lots(1_000),
            collar: Rate(1_000_000),
            trade_collar: Rate(2_000_000),
            book_age_max: Nanos(5 * Nanos::SECOND.0),
            volume_share: Rate(10_000_000),
            volume_free_lots: Lots(1_000),
            buckets: 0b11,
            restricted: 0,
            quote_rate: Rate(Money::ONE as i64),
            making: MakingParameters {
                base_half_spread: base,
                risk,
                volatility_start: 2.0,
                requote_ticks: 1.0,
                quote_lots: Lots(10),
                target_lots: Lots(0),
                half_spread_min: 1.0,
                levels: 2,
            },
            reserved: 0,
        };
    }
    plan.entries_len = instruments.into();
    plan
}

/// Wide enough for every position that the entries allow.
fn limits() -> PlanLimits {
    let money = |units: i128| Money(units * Money::ONE);
    let percent = |count: i64| Rate(count * 1_000_000);
    let mut limits = PlanLimits {
        capital: money(100_000),
        gross_max: money(50_000),
        net_max: money(40_000),
        orders_per_window: 50,
        cancels_reserved_per_window: 50,
        rate_window: Nanos::SECOND,
        plan_age_max: Nanos(60 * Nanos::SECOND.0),
        trade_age_max: Nanos(60 * Nanos::SECOND.0),
        venue: [
            VenueRate { orders: 1_200, window: Nanos(10 * Nanos::SECOND.0) },
            VenueRate::default(),
        ],
        leverage_max: percent(300),
        concentration_max: percent(30),
        daily_loss_max: percent(2),
        weekly_loss_max: percent(5),
        monthly_loss_max: percent(10),
        drawdown_max: percent(15),
        rearm_share: percent(90),
        rearm_after: Nanos(5 * Nanos::SECOND.0),
        flatten: FlattenRule {
            always: 0,
            every: Nanos::from_millis(250),
            slippage: Rate(200_000),
            reserved: 0,
        },
        currency: Currency::new("USDT").unwrap(),
        ..PlanLimits::default()
    };
    limits.rates[0] = CurrencyRate { currency: limits.currency, rate: Rate(Money::ONE as i64) };
    limits.buckets[0] = Bucket { share: percent(60), kind: BucketKind::Venue as u64 };
    limits.buckets[1] = Bucket { share: percent(60), kind: BucketKind::Strategy as u64 };
    limits
}

/// Levels that only a test of the breakers reaches.
pub(in crate::hot) fn breakers() -> PlanBreakers {
    let second = Nanos::SECOND;
    let rule = |trip, least, trials| BreakerRule {
        trip,
        rearm: trip / 2,
        cool_down: second,
        least,
        trials,
    };
    PlanBreakers {
        rules: [
            rule(1_000_000, 50, 0),
            rule(50_000, 50, 0),
            rule(500_000_000, 1, 0),
            rule(200_000, 3, 0),
            rule(5_000, 10, 3),
            rule(30_000_000_000, 1, 0),
        ],
        spread_ratio: Rate(300_000_000),
        spread_floor: 20_000,
        rejects_in_row: 5,
        rejects_window: Nanos(10 * Nanos::SECOND.0),
    }
}

fn level(price: i64, lots: i64) -> Level {
    Level { price: Ticks(price), lots: Lots(lots) }
}

fn snapshot<'a>(id: u32, bids: &'a [Level], asks: &'a [Level]) -> DepthSnapshot<'a> {
    DepthSnapshot { instrument: InstrumentId(id), last_update: 100, bids, asks }
}

fn diff<'a>(
    id: u32,
    previous: u64,
    last: u64,
    bids: &'a [Level],
    asks: &'a [Level],
) -> DepthDiff<'a> {
    DepthDiff {
        instrument: InstrumentId(id),
        first_update: previous.min(last),
        last_update: last,
        previous_update: Some(previous),
        event_time: UnixNanos(0),
        transaction_time: UnixNanos(0),
        bids,
        asks,
    }
}

fn ticker(id: u32, update: u64, bid: Level, ask: Level) -> BookTicker {
    BookTicker {
        instrument: InstrumentId(id),
        update,
        bid,
        ask,
        event_time: UnixNanos(0),
        transaction_time: UnixNanos(0),
    }
}

/// A trade on the first instrument's book.
pub(super) fn trade(price: i64, lots: i64) -> Trade {
    Trade {
        instrument: InstrumentId(0),
        id: 0,
        price: Ticks(price),
        lots: Lots(lots),
        aggressor: Side::Buy,
        aggregated: false,
        on_book: true,
        event_time: UnixNanos(0),
        transaction_time: UnixNanos(0),
    }
}

pub(super) fn order(counter: u64, side: Side, price: i64, lots: i64) -> Intent {
    Intent {
        action: OrderAction::Place,
        instrument: InstrumentId(0),
        order: OrderId::new(1, counter),
        replaces: OrderId(0),
        side,
        order_type: OrderType::PostOnly,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        price: Ticks(price),
        lots: Lots(lots),
    }
}

pub(super) fn report(kind: ExecutionKind, of: &Intent) -> ExecutionReport {
    ExecutionReport {
        venue_order: of.order.0,
        side: of.side,
        price: of.price,
        lots: of.lots,
        last_price: of.price,
        maker: true,
        ..ExecutionReport::bare(kind, of.instrument, of.order)
    }
}
