//! Histories: panels of prices or returns by date, their readers and their repairs. Level 2.
//!
//! files → `read` → `Panel` → `actions` → `repair` → complete `Panel` → `returns`. Nothing is filled in:
//! what has a hole is dropped and reported, or refused.

pub mod actions;
pub mod csv;
pub mod date;
pub mod npy;
pub mod panel;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod read;
pub mod repair;
pub mod returns;

pub use panel::{Panel, PanelError};
pub use read::{ReadError, ReadSettings, read};
pub use repair::{Missing, RepairError, Repairs, repair};
