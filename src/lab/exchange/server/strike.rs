//! What the simulator lets go wrong at the venue, now or with what comes next.

use super::fault::{FrameFault, MessageFault, RequestFault};
use super::limits::Full;
use super::turn::House;
use crate::lab::exchange::Disturbance;
use crate::units::InstrumentId;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// The next market frames.
    Frames(FrameFault, u64),
    /// The next diffs.
    Diffs(FrameFault, u64),
    /// The next order requests.
    Requests(RequestFault, u64),
    /// The next events of user-data streams.
    Events(MessageFault, u64),
    /// The next answers.
    Answers(MessageFault, u64),
    /// A rate limit is used up, by somebody else with the same address or account.
    UsedUp(Full),
    /// The market itself.
    Market(InstrumentId, Disturbance),
    /// Every WebSocket is closed in good order, as before maintenance.
    CloseAll,
    /// What was to strike and found nothing to strike is over, and what waits for a successor leaves.
    Mend,
}

impl House {
    /// Lets it go wrong at the time of the last turn.
    pub fn strike(&mut self, strike: Strike) {
        let venue = &mut self.venue;
        let faults = &mut venue.floor.faults;
        match strike {
            Strike::Frames(fault, count) => faults.arm_frames(fault, false, count),
            Strike::Diffs(fault, count) => faults.arm_frames(fault, true, count),
            Strike::Requests(fault, count) => faults.arm_requests(fault, count),
            Strike::Events(fault, count) => faults.arm_events(fault, count),
            Strike::Answers(fault, count) => faults.arm_answers(fault, count),
            Strike::UsedUp(full) => venue.floor.meter.use_up(full, venue.now),
            Strike::Market(instrument, what) => venue.disturb(instrument, what),
            Strike::Mend => {
                faults.disarm();
                venue.floor.release_held();
            }
            Strike::CloseAll => self.close_all("maintenance"),
        }
    }

    fn close_all(&mut self, why: &str) {
        let now = self.venue.now;
        for link in self.venue.floor.links.iter_mut().flatten() {
            link.close(1012, why, now.plus(super::turn::LINGER));
        }
    }
}
