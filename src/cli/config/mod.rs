//! The configuration file: TOML to checked settings, and settings to the Plan of a lane.
//!
//! Nothing is guessed: an unknown key, a value outside its range or a symbol that nobody trades is an
//! error that names file, line and key. `Config::default()` is the embedded run, and the documented
//! example parses to exactly that.

mod check;
mod error;
mod journal;
mod limits;
mod load;
mod plan;
mod plan_limits;
mod settings;
mod values;

#[cfg(test)]
mod tests;

pub use error::ConfigError;
pub use journal::{DurabilityMode, Journal};
pub use limits::{Breakers, Control, Limits};
pub use settings::{
    Config, Exchange, Lane, Making, QueueModel, Report, Run, Transport, Venue, WaitMode,
};
pub use values::{Address, Amount, Market, Span, Speed};
