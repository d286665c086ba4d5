//! Every record that crosses a thread, a disk or a socket. Plain data: no behaviour beyond access.
//!
//! Level 1: imports `units` only. Codes are append-only, so an old journal keeps its meaning.

mod command;
mod entry;
mod entry_bytes;
#[cfg(test)]
pub(crate) mod entry_tests;
mod input;
mod input_bytes;
mod instrument;
mod judgement;
mod market;
mod order;
mod plan;
mod tape;
mod verdict;
mod words;

pub use command::{Cause, Command, Mode, Source};
pub use entry::{Begin, Digest, ENTRY_FORMAT, Entry, EntryKind};
pub use entry_bytes::Scratch;
pub use input::{
    Adjustment, AdoptedOrder, Holding, Input, Life, Link, LinkState, ServiceTime, Stamp,
};
pub use instrument::{FeeSchedule, Filters, Instrument, InstrumentKind, Symbol, SymbolError};
pub use judgement::Judgement;
pub use market::{BookTicker, DepthDiff, DepthSnapshot, Level, MarketEvent, Trade};
pub use order::{
    ExecutionKind, ExecutionReport, Intent, OrderAction, OrderState, OrderType, TimeInForce,
};
pub use plan::{
    BREAKERS, BUCKETS_MAX, BreakerKind, BreakerRule, Bucket, BucketKind, CurrencyRate, FlattenRule,
    MakingParameters, PLAN_INSTRUMENTS_MAX, Plan, PlanBreakers, PlanEntry, PlanLimits, RATES_MAX,
    VENUE_RATES, VenueRate,
};
pub use tape::{Tape, TapeError};
pub use verdict::Verdict;
pub use words::{EntryError, EntryProblem};
