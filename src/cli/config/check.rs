//! Settings that parse and still make no sense: each is refused by name.

use crate::cli::config::error::ConfigError;
use crate::cli::config::settings::{Config, Lane, Making};
use crate::cli::config::values::{Address, Amount};
use crate::record::{PLAN_INSTRUMENTS_MAX, Symbol};
use crate::strategy::making::{LEVELS_MAX, coefficients};
use std::collections::BTreeMap;

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
        if self.exchange.rate == 0 {
            return Err(self.refuse("exchange.rate", "is 0; a market needs events"));
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
        self.check_positive("limits.notional", limits.notional)?;
        self.check_positive("limits.collar_bps", limits.collar_bps)?;
        for (name, value) in [
            ("order_rate", u64::from(limits.order_rate)),
            ("cancels_reserved", u64::from(limits.cancels_reserved)),
            ("rate_window_ms", limits.rate_window_ms),
            ("book_age_ms", limits.book_age_ms),
            ("plan_age_s", limits.plan_age_s),
        ] {
            if value == 0 {
                let problem = "is 0; a limit must be positive, and none can be switched off";
                return Err(self.refuse(&format!("limits.{name}"), problem));
            }
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
