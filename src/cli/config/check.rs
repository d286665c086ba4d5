//! Settings that parse and still make no sense: each is refused by name.

use crate::cli::config::error::ConfigError;
use crate::cli::config::plan_limits::{GROUPS_MAX, NAMED_RATES_MAX};
use crate::cli::config::settings::{Config, Lane, Making};
use crate::cli::config::values::{Address, Amount};
use crate::hot::breaker::ANSWERS_MAX;
use crate::hot::rate::RATE_WINDOW_MAX;
use crate::record::{PLAN_INSTRUMENTS_MAX, Symbol};
use crate::strategy::making::{LEVELS_MAX, coefficients};
use std::collections::BTreeMap;

/// Highest leverage that any of the venue's contracts has.
const LEVERAGE_MAX: i64 = 125;
/// Highest share of the capital, which leverage multiplies.
const PERCENT_OF_CAPITAL_MAX: i64 = 100 * LEVERAGE_MAX;
/// A share that can be no more than everything.
const WHOLE_PERCENT: i64 = 100;
/// A collar of half the price holds nothing back.
const COLLAR_BPS_MAX: i64 = 5_000;

/// Most lanes of one process: each has its share of the client order ids.
const LANES_MAX: usize = 16;

impl Config {
    /// Checks what one value or several together must keep; instruments come in with `plan`.
    ///
    /// # Errors
    /// The first fault, with its key and line.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_venue()?;
        self.check_lanes()?;
        self.check_limits()?;
        self.check_breakers()?;
        if self.exchange.rate == 0 {
            return Err(self.refuse("exchange.rate", "is 0; a market needs events"));
        }
        for (key, value, least, most) in [
            ("group_us", self.journal.group_us, 1, 1_000_000),
            ("segment_mib", self.journal.segment_mib, 16, 4_096),
            ("snapshot_records", self.journal.snapshot_records, 1_000, 100_000_000),
        ] {
            if value < least || value > most {
                let problem = format!("is {value}; it must be {least} to {most}");
                return Err(self.refuse(&format!("journal.{key}"), problem));
            }
        }
        Ok(())
    }

    fn check_venue(&self) -> Result<(), ConfigError> {
        let venue = &self.venue;
        if venue.symbols.is_empty() {
            return Err(self.refuse("venue.symbols", "is empty; name what is traded"));
        }
        for (index, symbol) in venue.symbols.iter().enumerate() {
            if let Err(error) = Symbol::new(symbol) {
                return Err(self.refuse("venue.symbols", format!("has `{symbol}`: {error}")));
            }
            if venue.symbols[..index].contains(symbol) {
                return Err(self.refuse("venue.symbols", format!("names `{symbol}` twice")));
            }
        }
        if venue.key_file.is_some() && venue.keyring.is_some() {
            let problem = "stands beside venue.key_file; the key comes from one place";
            return Err(self.refuse("venue.keyring", problem));
        }
        if venue.address == Address::Binance && !venue.tls {
            return Err(self.refuse("venue.tls", "is false; the public venue speaks TLS only"));
        }
        if venue.address != Address::Loopback && !venue.capture.is_empty() {
            let problem = "needs address = \"loopback\"; a remote venue brings its own market";
            return Err(self.refuse("venue.capture", problem));
        }
        Ok(())
    }

    fn check_lanes(&self) -> Result<(), ConfigError> {
        if self.lanes.is_empty() || self.lanes.len() > LANES_MAX {
            let problem = format!("has {} entries; 1 to {LANES_MAX} lanes run", self.lanes.len());
            return Err(self.refuse("lane", problem));
        }
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (index, lane) in self.lanes.iter().enumerate() {
            self.check_lane(index, lane)?;
            for symbol in &lane.symbols {
                let field = format!("lane.{index}.symbols");
                if !self.venue.symbols.contains(symbol) {
                    let problem = format!("has `{symbol}`, which venue.symbols does not name");
                    return Err(self.refuse(&field, problem));
                }
                if let Some(owner) = owners.insert(symbol, &lane.name) {
                    let problem = format!("has `{symbol}`, which lane `{owner}` trades already");
                    return Err(self.refuse(&field, problem));
                }
            }
        }
        for symbol in &self.venue.symbols {
            if !owners.contains_key(symbol.as_str()) {
                let problem = format!("has `{symbol}`, which no lane trades");
                return Err(self.refuse("venue.symbols", problem));
            }
        }
        Ok(())
    }

    fn check_lane(&self, index: usize, lane: &Lane) -> Result<(), ConfigError> {
        let field = |name: &str| format!("lane.{index}.{name}");
        if lane.name.trim().is_empty() {
            return Err(self.refuse(&field("name"), "is empty"));
        }
        if self.lanes[..index].iter().any(|other| other.name == lane.name) {
            let problem = format!("`{}` is taken by an earlier lane", lane.name);
            return Err(self.refuse(&field("name"), problem));
        }
        if lane.core.is_some() && self.lanes[..index].iter().any(|other| other.core == lane.core) {
            return Err(self.refuse(&field("core"), "is the core of an earlier lane"));
        }
        let count = lane.symbols.len();
        if count == 0 || count > PLAN_INSTRUMENTS_MAX {
            let problem = format!("has {count} entries; a lane trades 1 to {PLAN_INSTRUMENTS_MAX}");
            return Err(self.refuse(&field("symbols"), problem));
        }
        for symbol in &lane.symbols {
            if !lane.making.contains_key(symbol) {
                let problem = format!("has no table `{symbol}`; every symbol of a lane needs one");
                return Err(self.refuse(&field("making"), problem));
            }
        }
        for (symbol, making) in &lane.making {
            let table = field(&format!("making.{symbol}"));
            if !lane.symbols.contains(symbol) {
                return Err(self.refuse(&table, "is for a symbol that the lane does not trade"));
            }
            self.check_making(&table, making)?;
        }
        Ok(())
    }

    fn check_making(&self, table: &str, making: &Making) -> Result<(), ConfigError> {
        let field = |name: &str| format!("{table}.{name}");
        for (name, value) in [
            ("gamma", making.gamma),
            ("arrival_scale", making.arrival_scale),
            ("arrival_decay", making.arrival_decay),
            ("volatility_start", making.volatility_start),
        ] {
            if !(value.is_finite() && value > 0.0) {
                let problem = format!("is {value}; it must be a positive number");
                return Err(self.refuse(&field(name), problem));
            }
        }
        for (name, value) in
            [("requote_ticks", making.requote_ticks), ("half_spread_min", making.half_spread_min)]
        {
            if !(value.is_finite() && value >= 0.0) {
                return Err(self.refuse(&field(name), format!("is {value}; it must be 0 or more")));
            }
        }
        if coefficients(making.gamma, making.arrival_scale, making.arrival_decay).is_none() {
            let problem = "gives no finite quotes with this arrival_scale and arrival_decay";
            return Err(self.refuse(&field("gamma"), problem));
        }
        self.check_positive(&field("quote"), making.quote)?;
        let levels = making.levels as usize;
        if levels == 0 || levels > LEVELS_MAX {
            let problem = format!("is {levels}; it must be 1 to {LEVELS_MAX}");
            return Err(self.refuse(&field("levels"), problem));
        }
        if u64::from(self.limits.open_orders) < 2 * u64::from(making.levels) {
            let problem = format!(
                "is {}, fewer than both sides of the {levels} levels of {table}",
                self.limits.open_orders
            );
            return Err(self.refuse("limits.open_orders", problem));
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        for (name, by_symbol) in [("order", &limits.order), ("position", &limits.position)] {
            for symbol in &self.venue.symbols {
                if !by_symbol.contains_key(symbol) {
                    let problem = format!("has no entry `{symbol}`; every traded symbol needs one");
                    return Err(self.refuse(&format!("limits.{name}"), problem));
                }
            }
            for (symbol, amount) in by_symbol {
                let field = format!("limits.{name}.{symbol}");
                if !self.venue.symbols.contains(symbol) {
                    return Err(self.refuse(&field, "is for a symbol that venue.symbols lacks"));
                }
                self.check_positive(&field, *amount)?;
            }
        }
        self.check_amounts()?;
        self.check_groups()?;
        for (name, value) in [
            ("order_rate", u64::from(limits.order_rate)),
            ("cancels_reserved", u64::from(limits.cancels_reserved)),
            ("rate_window_ms", limits.rate_window_ms),
            ("book_age_ms", limits.book_age_ms),
            ("plan_age_s", limits.plan_age_s),
            ("trade_age_s", limits.trade_age_s),
            ("rearm_s", limits.rearm_s),
            ("flatten_every_ms", limits.flatten_every_ms),
        ] {
            if value == 0 {
                let problem = "is 0; a limit must be positive, and none can be switched off";
                return Err(self.refuse(&format!("limits.{name}"), problem));
            }
        }
        if u64::from(limits.order_rate) + u64::from(limits.cancels_reserved)
            > RATE_WINDOW_MAX as u64
        {
            let problem = format!(
                "is {}, with {} for cancels; a lane counts {RATE_WINDOW_MAX} in a window",
                limits.order_rate, limits.cancels_reserved
            );
            return Err(self.refuse("limits.order_rate", problem));
        }
        Ok(())
    }

    fn check_amounts(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        for (name, amount, most) in [
            ("capital", limits.capital, None),
            ("notional", limits.notional, None),
            ("gross", limits.gross, None),
            ("net", limits.net, None),
            ("leverage", limits.leverage, Some(LEVERAGE_MAX)),
            ("concentration_percent", limits.concentration_percent, Some(PERCENT_OF_CAPITAL_MAX)),
            ("venue_percent", limits.venue_percent, Some(PERCENT_OF_CAPITAL_MAX)),
            ("strategy_percent", limits.strategy_percent, Some(PERCENT_OF_CAPITAL_MAX)),
            ("group_percent", limits.group_percent, Some(PERCENT_OF_CAPITAL_MAX)),
            ("collar_bps", limits.collar_bps, Some(COLLAR_BPS_MAX)),
            ("trade_collar_bps", limits.trade_collar_bps, Some(COLLAR_BPS_MAX)),
            ("flatten_slippage_bps", limits.flatten_slippage_bps, Some(COLLAR_BPS_MAX)),
            ("volume_percent", limits.volume_percent, Some(WHOLE_PERCENT)),
            ("daily_loss_percent", limits.daily_loss_percent, Some(WHOLE_PERCENT)),
            ("weekly_loss_percent", limits.weekly_loss_percent, Some(WHOLE_PERCENT)),
            ("monthly_loss_percent", limits.monthly_loss_percent, Some(WHOLE_PERCENT)),
            ("drawdown_percent", limits.drawdown_percent, Some(WHOLE_PERCENT)),
            ("rearm_percent", limits.rearm_percent, Some(WHOLE_PERCENT)),
        ] {
            self.check_within(&format!("limits.{name}"), amount, most)?;
        }
        if limits.rates.len() > NAMED_RATES_MAX {
            let problem =
                format!("has {} entries; a plan holds {NAMED_RATES_MAX}", limits.rates.len());
            return Err(self.refuse("limits.rates", problem));
        }
        for (name, amount) in &limits.rates {
            self.check_positive(&format!("limits.rates.{name}"), *amount)?;
        }
        Ok(())
    }

    fn check_groups(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        if limits.groups.len() > GROUPS_MAX {
            let problem = format!("has {} entries; a plan holds {GROUPS_MAX}", limits.groups.len());
            return Err(self.refuse("limits.groups", problem));
        }
        let unknown = |symbol: &&String| !self.venue.symbols.contains(symbol);
        for (name, symbols) in &limits.groups {
            if let Some(symbol) = symbols.iter().find(unknown) {
                let problem = format!("has `{symbol}`, which venue.symbols does not name");
                return Err(self.refuse(&format!("limits.groups.{name}"), problem));
            }
        }
        if let Some(symbol) = limits.restricted.iter().find(unknown) {
            let problem = format!("has `{symbol}`, which venue.symbols does not name");
            return Err(self.refuse("limits.restricted", problem));
        }
        Ok(())
    }

    fn check_breakers(&self) -> Result<(), ConfigError> {
        let of = &self.breakers;
        let whole = |count: u64| Amount::new(i64::try_from(count).unwrap_or(i64::MAX), 0);
        for (name, unit, trip, rearm) in [
            ("volatility", "percent", of.volatility.trip_percent, of.volatility.rearm_percent),
            ("spread", "bps", of.spread.trip_bps, of.spread.rearm_bps),
            ("latency", "ms", whole(of.latency.trip_ms), whole(of.latency.rearm_ms)),
            (
                "internal_latency",
                "us",
                whole(of.internal_latency.trip_us),
                whole(of.internal_latency.rearm_us),
            ),
            ("rejects", "percent", of.rejects.trip_percent, of.rejects.rearm_percent),
            ("stale_data", "ms", whole(of.stale_data.trip_ms), whole(of.stale_data.rearm_ms)),
        ] {
            let field = |key: &str| format!("breakers.{name}.{key}_{unit}");
            self.check_positive(&field("trip"), trip)?;
            self.check_positive(&field("rearm"), rearm)?;
            if rearm.0.to_f64() > trip.0.to_f64() {
                let problem = format!("is {rearm}, above the level {trip} that opens the breaker");
                return Err(self.refuse(&field("rearm"), problem));
            }
        }
        self.check_within(
            "breakers.rejects.trip_percent",
            of.rejects.trip_percent,
            Some(WHOLE_PERCENT),
        )?;
        self.check_positive("breakers.spread.floor_bps", of.spread.floor_bps)?;
        if of.spread.ratio.0.to_f64() <= 1.0 {
            let problem = format!("is {}; a spread is always once its own level", of.spread.ratio);
            return Err(self.refuse("breakers.spread.ratio", problem));
        }
        for (name, value) in [
            ("volatility.samples", u64::from(of.volatility.samples)),
            ("volatility.cool_down", of.volatility.cool_down.0.0),
            ("spread.samples", u64::from(of.spread.samples)),
            ("spread.cool_down", of.spread.cool_down.0.0),
            ("latency.cool_down", of.latency.cool_down.0.0),
            ("internal_latency.windows", u64::from(of.internal_latency.windows)),
            ("internal_latency.cool_down", of.internal_latency.cool_down.0.0),
            ("rejects.answers", u64::from(of.rejects.answers)),
            ("rejects.in_row", u64::from(of.rejects.in_row)),
            ("rejects.window", of.rejects.window.0.0),
            ("rejects.cool_down", of.rejects.cool_down.0.0),
            ("stale_data.cool_down", of.stale_data.cool_down.0.0),
        ] {
            if value == 0 {
                let problem = "is 0; it must be positive, and no breaker can be switched off";
                return Err(self.refuse(&format!("breakers.{name}"), problem));
            }
        }
        if of.rejects.answers as usize > ANSWERS_MAX {
            let problem = format!("is {}; a lane remembers {ANSWERS_MAX}", of.rejects.answers);
            return Err(self.refuse("breakers.rejects.answers", problem));
        }
        Ok(())
    }

    fn check_within(
        &self,
        field: &str,
        amount: Amount,
        most: Option<i64>,
    ) -> Result<(), ConfigError> {
        self.check_positive(field, amount)?;
        if let Some(most) = most.filter(|most| amount.0.to_f64() > *most as f64) {
            return Err(self.refuse(field, format!("is {amount}; it must be {most} at most")));
        }
        Ok(())
    }

    fn check_positive(&self, field: &str, amount: Amount) -> Result<(), ConfigError> {
        if amount.0.mantissa > 0 {
            return Ok(());
        }
        Err(self.refuse(field, format!("is {amount}; it must be positive")))
    }
}
