//! Drives a writer on a thread of its own: turn, wait for the disk or nap, turn.
//!
//! Ends when the lane has dropped its end of the ring and everything is durable (or has failed).

use super::settings::Progress;
use super::writer::Writer;
use crate::host::clock::Clock;
use crate::host::disk::Disk;
use crate::units::Nanos;
use std::time::Duration;

/// How long a wait for the disk may be before the ring is looked at again.
const DISK_REST: Nanos = Nanos(200_000);

/// Writes until the lane is gone. `nap` is how long the thread sleeps when there is nothing to do;
/// zero spins, for lanes that wait for durability before an order leaves. `follow` is told of each
/// entry taken (number, time, kind, words) and may ask for snapshots between turns through `after`.
pub fn run<D: Disk>(
    writer: &mut Writer<D>,
    clock: &impl Clock,
    nap: Nanos,
    mut follow: impl FnMut(u64, Nanos, u16, &[u64]),
    mut after: impl FnMut(&mut Writer<D>),
) {
    loop {
        let progress = writer.turn_with(clock.now(), &mut follow);
        after(writer);
        match progress {
            Progress::Worked => {}
            Progress::Waiting => {
                writer.rest(DISK_REST, clock.now());
            }
            Progress::Idle | Progress::Failed if nap > Nanos(0) => {
                std::thread::sleep(Duration::from_nanos(nap.0));
            }
            Progress::Idle | Progress::Failed => std::thread::yield_now(),
            Progress::Ended => return,
        }
    }
}
