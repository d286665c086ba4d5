//! What a lane's thread is told at start.

use super::wire::Endpoint;
use crate::host::cpu::Simd;
use crate::host::net::NetKind;
use crate::host::schedule::Schedule;
use crate::hot::flaws::{Flaws, Sound};
use crate::hot::lane::{Lane, LaneConfig};
use crate::market::book::Ladder;
use crate::record::{Instrument, Plan};
use crate::units::{Currency, Nanos, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::session::Signer;
use std::sync::Arc;

/// Where a lane's three sessions lead.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Market data.
    pub market: Endpoint,
    /// Order session.
    pub orders: Endpoint,
    /// User data of futures.
    pub user: Endpoint,
}

/// What is known of an earlier life.
#[derive(Clone, Debug)]
pub struct Resumed<F: Flaws = Sound> {
    /// The lane after the last durable record.
    pub lane: Lane<Ladder, F>,
    /// Wall time of that record.
    pub ended_at: UnixNanos,
}

/// Everything a lane's thread is told at start.
pub struct DriveSettings {
    /// Whose protocol.
    pub family: Family,
    /// Which lane.
    pub lane: LaneConfig,
    /// What it trades; ids count from 0.
    pub instruments: Vec<Instrument>,
    /// The lane as an earlier life left it.
    pub resumed: Option<Resumed>,
    /// Assets that other lanes trade too, so that their balances tell nothing of this lane.
    pub shared_assets: Vec<Currency>,
    /// Its plan.
    pub plan: Box<Plan>,
    /// Where to.
    pub endpoints: Endpoints,
    /// The key, where the venue wants one.
    pub signer: Option<Signer>,
    /// How sockets are driven.
    pub transport: NetKind,
    /// Whether to spin instead of sleeping in the kernel.
    pub busy: bool,
    /// Between two timer inputs.
    pub timer: Nanos,
    /// Which kernels.
    pub simd: Simd,
    /// Decides jitter, masks and nonces.
    pub seed: u64,
    /// Wall time at monotonic zero.
    pub wall_at_zero: UnixNanos,
    /// When the venue means each market message to leave, on the lane's clock, where it tells.
    pub schedule: Option<Arc<Schedule>>,
    /// Market frames after which allocations count, once both links are up.
    pub warm_up: u64,
}
