//! What a lane's thread is told at start.

use super::wire::Endpoint;
use crate::host::cpu::Simd;
use crate::host::net::NetKind;
use crate::host::schedule::Schedule;
use crate::hot::lane::LaneConfig;
use crate::record::{Instrument, Plan};
use crate::units::UnixNanos;
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

/// Everything a lane's thread is told at start.
pub struct DriveSettings {
    /// Whose protocol.
    pub family: Family,
    /// Which lane.
    pub lane: LaneConfig,
    /// What it trades; ids count from 0.
    pub instruments: Vec<Instrument>,
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
