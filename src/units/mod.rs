//! Newtypes of every quantity that crosses a function: time, price, size, rate, money, ids.
//!
//! Level 0: imports nothing of ours. Arithmetic that could overflow is checked or saturates by name.

mod decimal;
mod id;
mod money;
mod price;
mod time;

pub use decimal::{Decimal, DecimalError, Grid, GridError, TWO_DIGITS};
pub use id::{InstrumentId, LaneId, OrderId, VenueId};
pub use money::{Currency, CurrencyError, Money, Rate};
pub use price::{Lots, Side, Ticks};
pub use time::{Nanos, UnixNanos};
