//! The journal: an append-only log of a lane's entries, chained, checked, read back to the same bytes.
//!
//! Level 2: imports `units`, `record`, `host`. What entries mean is `record::Entry`'s business; here
//! they are a kind, a time and words. Names of files: `00000000.log` and on.

mod ahead;
mod begin;
mod birth;
pub mod format;
#[cfg(test)]
mod golden_tests;
mod health;
#[cfg(test)]
mod memory_disk;
mod reader;
#[cfg(test)]
mod reader_tests;
mod saving;
mod seal;
mod segment;
mod settings;
mod snapshot;
#[cfg(test)]
mod snapshot_tests;
pub mod thread;
mod writer;
#[cfg(test)]
mod writer_tests;

pub use format::{Chain, FORMAT_VERSION, Stream};
pub use health::{Failure, Health};
pub use reader::{JournalError, Reader, Record, Tail, TornTail};
pub use seal::{SealKey, SealKeyError, Seals};
pub use segment::Damage;
pub use settings::{Durability, Progress, Settings, SettingsError};
pub use snapshot::{SNAPSHOTS_KEPT, Snapshot, newest_snapshot};
pub use writer::Writer;
