//! What a lane leaves behind.

use super::timing::DriveTimes;
use crate::host::net::NetStats;
use crate::hot::flaws::{Flaws, Sound};
use crate::hot::lane::Lane;
use crate::hot::pipeline::PipelineCounts;
use crate::market::book::Ladder;
use crate::units::Nanos;

/// Something that went wrong, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Since the lane began.
    pub at: Nanos,
    /// What.
    pub what: String,
}

/// What a lane leaves behind.
pub struct DriveReport<F: Flaws = Sound> {
    /// The lane as it ended.
    pub lane: Lane<Ladder, F>,
    /// Frames that the fast decoder left to the general one.
    pub fallbacks: u64,
    /// Frames and refusals.
    pub counts: PipelineCounts,
    /// Where the time went.
    pub times: DriveTimes,
    /// Allocations of the thread after the warm-up; none if it never ended.
    pub allocations: Option<u64>,
    /// From the first market frame to the end.
    pub span: Nanos,
    /// What went wrong, oldest first.
    pub incidents: Vec<Incident>,
    /// Incidents beyond the bound.
    pub incidents_dropped: u64,
    /// The transport.
    pub net: NetStats,
    /// Its name and features.
    pub transport: String,
}
