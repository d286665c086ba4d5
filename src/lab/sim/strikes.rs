//! What each kind of fault does to the world.

use super::faults::Fault;
use super::kinds::Kind;
use super::net::Way;
use super::world::{ENGINE, Errand, VENUE, World};
use crate::hot::flaws::Flaws;
use crate::lab::exchange::Disturbance;
use crate::lab::exchange::server::{FrameFault, Full, MessageFault, RequestFault, Strike};
use crate::record::Command;
use crate::units::{Nanos, Side};

/// How long others keep a limit used up, and the ban that follows for who goes on.
const LIMITED: Nanos = Nanos(200 * 1_000_000_000);
/// Code of a refusal while trading is halted: "Market is closed."
const CLOSED: i32 = -1_013;

impl<F: Flaws> World<F> {
    /// Lets a fault happen.
    pub(super) fn strike(&mut self, fault: &Fault, now: Nanos) {
        let [a, b, c] = fault.args;
        let (pick, count) = (a.unsigned_abs(), a.unsigned_abs());
        let after = |millis: i64| now.plus(Nanos::from_millis(millis.unsigned_abs()));
        match fault.kind {
            Kind::Reset => self.network.reset(ENGINE, pick),
            Kind::Close => self.network.finish(ENGINE, pick),
            Kind::HalfOpen => self.network.hold(ENGINE, pick, way(b), Nanos(u64::MAX)),
            Kind::Stall => self.network.hold(ENGINE, pick, way(b), after(c)),
            Kind::Refuse => self.network.refuse(VENUE, after(a)),
            Kind::Narrow => self.network.narrow(ENGINE, pick, b.unsigned_abs() as usize, after(c)),
            Kind::CutOff => self.network.cut_off(ENGINE, after(a)),

            Kind::LostFrame => self.frames(FrameFault::Skip, count),
            Kind::RepeatedFrame => self.frames(FrameFault::Repeat, count),
            Kind::LateFrame => self.frames(FrameFault::Late(b.unsigned_abs()), count),
            Kind::Garbage => self.frames(FrameFault::Garbage, count),
            Kind::TornFrame => self.frames(FrameFault::Torn, 1),
            Kind::Delay => self.frames(FrameFault::Delay(a.unsigned_abs()), 1),
            Kind::Gap => self.venue.strike(Strike::Diffs(FrameFault::Skip, count)),
            Kind::Swap => self.venue.strike(Strike::Diffs(FrameFault::Hold, 1)),
            Kind::CrossedTicker => self.market(a, Disturbance::CrossedTicker(b)),
            Kind::CrossedDiff => self.market(a, Disturbance::CrossedDiff(b)),
            Kind::EmptyBook => {
                let side = if b == 0 { Side::Buy } else { Side::Sell };
                self.market(a, Disturbance::Empty(side));
            }
            Kind::Jump => self.market(a, Disturbance::Jump(b)),
            Kind::Halt => {
                self.market(a, Disturbance::Halt(Nanos::from_millis(b.unsigned_abs())));
            }

            Kind::Reject => self.requests(RequestFault::Reject(b as i32), count),
            Kind::Refused => self.requests(RequestFault::Reject(CLOSED), count),
            Kind::Mute => self.requests(RequestFault::Mute, count),
            Kind::Unsure => self.requests(RequestFault::Unsure, count),
            Kind::Lost => self.requests(RequestFault::Lost, count),
            Kind::DropRequest => self.requests(RequestFault::Drop, 1),
            Kind::LostAnswer => self.answers(MessageFault::Lose, count),
            Kind::RepeatedAnswer => self.answers(MessageFault::Repeat, count),
            Kind::LateAnswer => self.answers(MessageFault::Late(b.unsigned_abs()), count),
            Kind::SwappedAnswer => self.answers(MessageFault::Hold, 1),
            Kind::LostEvent => self.events(MessageFault::Lose, count),
            Kind::RepeatedEvent => self.events(MessageFault::Repeat, count),
            Kind::LateEvent => self.events(MessageFault::Late(b.unsigned_abs()), count),
            Kind::SwappedEvent => self.events(MessageFault::Hold, 1),
            Kind::UsedUp => {
                self.judge.limited_until(now.plus(LIMITED));
                let full = if a == 0 { Full::Weight } else { Full::Orders };
                self.venue.strike(Strike::UsedUp(full));
            }
            Kind::Banned => {
                self.judge.limited_until(now.plus(LIMITED));
                self.venue.strike(Strike::UsedUp(Full::Banned));
            }
            Kind::Maintenance => self.venue.strike(Strike::CloseAll),

            Kind::VenueClock => self.venue_skew += a,
            Kind::EngineClock => self.engine_skew += a,
            Kind::StalePlan => self.no_plans_until = self.no_plans_until.max(after(a)),
            Kind::AbsurdPlan => self.publish_absurd(a.unsigned_abs() as usize),
            Kind::FullRing => self.stalled.writer = self.stalled.writer.max(after(a)),
            Kind::SlowClerk => self.stalled.clerk = self.stalled.clerk.max(after(a)),
            Kind::Command => {
                let commands = [Command::Reduce, Command::Halt, Command::Flatten];
                if let Some(engine) = &self.engine {
                    engine.command(commands[(a.unsigned_abs() % 3) as usize]);
                }
                self.later(after(b), Errand::Activate);
            }

            Kind::DiskFull => {
                self.disk_fails_until = self.disk_fails_until.max(after(a));
                self.disk.fill(after(a));
            }
            Kind::ShortWrite => self.disk.shorten(count),
            Kind::FsyncError => {
                // A sync that fails fails a start too; the operator tries again.
                self.disk_fails_until = self.disk_fails_until.max(after(1_000));
                self.disk.fail_syncs(count);
            }
            Kind::SlowDisk => {
                self.disk.slow_down(Nanos::from_millis(a.unsigned_abs()), after(b));
            }
            Kind::BitRot | Kind::SyncedRot => {
                // Either may strike a bit that no sync has promised yet.
                self.rotten = true;
                self.written_at_kill = self.written_at_kill.min(self.durable_at_kill);
                self.disk.rot(a.unsigned_abs(), fault.kind == Kind::SyncedRot);
            }

            Kind::Kill => self.kill_engine(None, after(a)),
            Kind::PowerLoss => self.kill_engine(Some(b.unsigned_abs()), after(a)),
            Kind::Restart => self.stop_engine(after(a)),
        }
    }

    fn frames(&mut self, fault: FrameFault, count: u64) {
        self.venue.strike(Strike::Frames(fault, count));
    }

    fn requests(&mut self, fault: RequestFault, count: u64) {
        self.venue.strike(Strike::Requests(fault, count));
    }

    fn answers(&mut self, fault: MessageFault, count: u64) {
        self.venue.strike(Strike::Answers(fault, count));
    }

    fn events(&mut self, fault: MessageFault, count: u64) {
        self.venue.strike(Strike::Events(fault, count));
    }

    fn market(&mut self, instrument: i64, what: Disturbance) {
        self.venue.strike(Strike::Market(self.instrument(instrument), what));
    }
}

fn way(arg: i64) -> Way {
    [Way::Out, Way::In, Way::Both][(arg.unsigned_abs() % 3) as usize]
}
