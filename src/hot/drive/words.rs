//! What a lane tells of its standing and of what reached it, in words for its report.

use super::driver::{Driver, INCIDENTS_MAX};
use crate::host::clock::Clock;
use crate::hot::book::Gap;
use crate::hot::flaws::Flaws;
use crate::hot::lane::Lane;
use crate::hot::notice::What;
use crate::hot::recorder::Recorder;
use crate::market::book::Ladder;
use crate::record::{BreakerKind, Cause, Instrument, Mode, Verdict};
use crate::units::{InstrumentId, Money, Nanos};

/// Asks that wait beside a ring that is full: more, and the clerk has not worked for hours.
const UNASKED_MAX: usize = 1_024;

/// A notice as an incident: what happened, of what, at which level, and what it leads to.
#[must_use]
pub fn of<F: Flaws>(what: &What, lane: &Lane<Ladder, F>, instruments: &[Instrument]) -> String {
    let name = |id: InstrumentId| {
        instruments.iter().find(|of| of.id == id).map_or("?", |of| of.symbol.as_str())
    };
    match *what {
        What::Held(cause, instrument, level) => {
            let whose = instrument.map_or(String::new(), |id| format!("{}: ", name(id)));
            let now = match instrument {
                Some(id) => lane.mode_of(id),
                None => lane.mode(),
            };
            format!("{whose}{}; {}", reason(cause, level), consequence(cause, now))
        }
        What::Lifted(cause, instrument) => {
            let whose = instrument.map_or(String::new(), |id| format!("{}: ", name(id)));
            format!("{whose}`{}` is over; {}", cause.name(), standing(lane.mode()))
        }
        What::Exposed(limit) => {
            format!("prices or the plan have moved an exposure above its limit: {}", limit.name())
        }
        What::CommandRefused(command, source) => {
            format!("`{}` by {} changes nothing", command.name(), source.name())
        }
        What::PlanRefused(fault) => format!("a plan was refused, the one before stays: {fault}"),
        What::Closing(id, Verdict::Pass) => {
            format!("{}: an order left that closes the position", name(id))
        }
        What::Closing(id, verdict) => {
            format!("{}: the position cannot be closed now: {}", name(id), verdict.name())
        }
    }
}

fn reason(cause: Cause, level: i64) -> String {
    let name = cause.name();
    if let Some(kind) = BreakerKind::ALL.into_iter().find(|kind| kind.cause() == cause) {
        let hundredths = level as f64 / 100.0;
        return match kind {
            BreakerKind::Volatility => format!("breaker {name} opened at {hundredths:.1} % a year"),
            BreakerKind::Spread => format!("breaker {name} opened at {hundredths:.2} bps"),
            BreakerKind::Rejects => format!("breaker {name} opened at {hundredths:.0} %"),
            BreakerKind::InternalLatency => {
                format!("breaker {name} opened at {:.1} us", level as f64 * 1e-3)
            }
            BreakerKind::Latency | BreakerKind::StaleData => {
                format!("breaker {name} opened at {:.1} ms", level as f64 * 1e-6)
            }
        };
    }
    match cause {
        Cause::DailyLoss | Cause::WeeklyLoss | Cause::MonthlyLoss | Cause::Drawdown => {
            format!("limit {name} reached at an equity of {}", Money(i128::from(level)))
        }
        _ => format!("`{name}`"),
    }
}

fn standing(mode: Mode) -> &'static str {
    match mode {
        Mode::Active => "the lane trades",
        Mode::Reducing => "the lane only shrinks positions",
        Mode::Halted => "the lane is halted",
    }
}

fn consequence(cause: Cause, mode: Mode) -> &'static str {
    match (mode, cause) {
        (Mode::Active, _) => "over already",
        (Mode::Reducing, Cause::DailyLoss) => "no new risk until the next UTC day",
        (Mode::Reducing, Cause::WeeklyLoss | Cause::OperatorReduce | Cause::SignalReduce) => {
            "orders cancelled, no new risk until `bot4 resume`"
        }
        (Mode::Reducing, _) => "orders cancelled, positions only shrink until it is over",
        (Mode::Halted, Cause::Rejects) => "orders cancelled until the cool-down is over",
        (Mode::Halted, _) => "orders cancelled, halted until `bot4 resume`",
    }
}

impl<C: Clock + Clone, R: Recorder, F: Flaws> Driver<C, R, F> {
    /// A queue that is longer than it may be: its name, length and bound.
    #[must_use]
    pub fn overlong(&self) -> Option<(&'static str, usize, usize)> {
        let queues = [
            ("incidents", self.incidents.len(), INCIDENTS_MAX),
            ("asks", self.unasked.len(), UNASKED_MAX),
        ];
        queues.into_iter().find(|(_, len, most)| len > most)
    }

    /// The pipeline's last fault becomes an incident.
    #[cold]
    pub(super) fn note_fault(&mut self, now: Nanos) {
        let what = self.pipeline.fault().map(ToString::to_string).unwrap_or_default();
        self.incident(now, what);
    }

    pub(super) fn note_frames_left_out(&mut self, now: Nanos) {
        let left_out = self.pipeline.counts().frames_left_out;
        if left_out > 0 {
            let words = "frames were not kept as they came, for the journal's ring was half full; what \
                         they said is recorded";
            self.incident(now, format!("{left_out} {words}"));
        }
    }

    #[cold]
    pub(super) fn note_gap(&mut self, gap: Gap, now: Nanos) {
        let name = self.settings.instruments.iter().find(|of| of.id == gap.instrument);
        let name = name.map_or("?", |of| of.symbol.as_str());
        let (expected, got) = (gap.expected, gap.got);
        self.incident(
            now,
            format!(
                "{name}: diffs missing after update {expected} (the next names {got}); quotes \
                 cancelled, book asked for again"
            ),
        );
    }
}
