//! Where the nanoseconds of each input went: one histogram per stage, one from decoded event to
//! verdict, one from bytes to order.
//!
//! While an input runs, a mark only notes the time; the histograms are filled when the next input
//! begins, so their own cost (a cold cache line each) lies in no span. `begin` and each `mark` read
//! the clock once, so a stage's span contains one reading (`TscClock::overhead_ns`), `decision` and
//! `tick_to_order` one per stage they cover; nothing is subtracted, nothing is trimmed.
//! Invariant: an input that led to several verdicts or orders counts once, up to its last one.

use super::clock::Clock;
use super::histogram::{Histogram, Summary};
use super::probe::{Probe, Stage};
use crate::units::Nanos;

/// Marks noted before the histograms must be filled in the middle of an input: more than a market
/// event of one instrument makes.
const MARKS_MAX: usize = 64;

/// Names of the spans, in the order in which they pass: the stages, then the two that cover several.
pub const SPAN_NAMES: [&str; Stage::ALL.len() + 2] =
    ["decode", "book", "signal", "decide", "gate", "commit", "encode", "decision", "tick_to_order"];

/// A probe that keeps a histogram for every stage.
#[derive(Clone, Debug)]
pub struct StageProbe<C: Clock> {
    clock: C,
    /// When the running input began, or its last mark before those that are noted.
    since: Nanos,
    began: Nanos,
    marks: [(Nanos, Stage); MARKS_MAX],
    noted: usize,
    decoded: Option<Nanos>,
    judged: Option<Nanos>,
    encoded: Option<Nanos>,
    stages: [Histogram; Stage::ALL.len()],
    decision: Histogram,
    tick_to_order: Histogram,
}

impl<C: Clock> StageProbe<C> {
    /// A probe over this clock; allocates all its histograms now.
    #[must_use]
    pub fn new(clock: C) -> StageProbe<C> {
        let now = clock.now();
        StageProbe {
            clock,
            since: now,
            began: now,
            marks: [(now, Stage::Decode); MARKS_MAX],
            noted: 0,
            decoded: None,
            judged: None,
            encoded: None,
            stages: std::array::from_fn(|_| Histogram::new()),
            decision: Histogram::new(),
            tick_to_order: Histogram::new(),
        }
    }

    /// Ends the running input; call once before the figures are read.
    pub fn finish(&mut self) {
        self.file_marks();
        if let (Some(decoded), Some(judged)) = (self.decoded.take(), self.judged.take()) {
            self.decision.record(judged.since(decoded).0);
        }
        if let Some(encoded) = self.encoded.take() {
            self.tick_to_order.record(encoded.since(self.began).0);
        }
    }

    /// Moves what was noted into the histograms.
    fn file_marks(&mut self) {
        for (at, stage) in &self.marks[..self.noted] {
            self.stages[*stage as usize].record(at.since(self.since).0);
            self.since = *at;
            match stage {
                Stage::Decode => self.decoded = Some(*at),
                Stage::Gate => self.judged = Some(*at),
                Stage::Encode => self.encoded = Some(*at),
                Stage::Book | Stage::Signal | Stage::Decide | Stage::Commit => {}
            }
        }
        self.noted = 0;
    }

    /// From `begin` to the last mark of the running input; nothing while it has none.
    #[inline]
    #[must_use]
    pub fn spent(&self) -> Nanos {
        let last = if self.noted > 0 { self.marks[self.noted - 1].0 } else { self.since };
        last.since(self.began)
    }

    /// Forgets what was measured so far (the warm-up).
    pub fn reset(&mut self) {
        self.stages.iter_mut().for_each(Histogram::reset);
        self.decision.reset();
        self.tick_to_order.reset();
        self.noted = 0;
        (self.decoded, self.judged, self.encoded) = (None, None, None);
    }

    /// Spans of one stage.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> &Histogram {
        &self.stages[stage as usize]
    }

    /// From a decoded event to its last verdict, of events that led to one.
    #[must_use]
    pub fn decision(&self) -> &Histogram {
        &self.decision
    }

    /// From `begin` to the last `Encode`, of inputs that led to an order.
    #[must_use]
    pub fn tick_to_order(&self) -> &Histogram {
        &self.tick_to_order
    }

    /// Every span by name, in the order of `SPAN_NAMES`.
    pub fn spans(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        let spans = self.stages.iter().chain([&self.decision, &self.tick_to_order]);
        SPAN_NAMES.into_iter().zip(spans)
    }

    /// As `spans`, summed up.
    #[must_use]
    pub fn summaries(&self) -> Vec<(&'static str, Summary)> {
        self.spans().map(|(name, spans)| (name, spans.summary())).collect()
    }
}

impl<C: Clock> Probe for StageProbe<C> {
    #[inline]
    fn begin(&mut self) {
        self.finish();
        self.began = self.clock.now();
        self.since = self.began;
    }

    #[inline]
    fn mark(&mut self, stage: Stage) {
        if self.noted == MARKS_MAX {
            self.file_marks();
        }
        self.marks[self.noted] = (self.clock.now(), stage);
        self.noted += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::ManualClock;
    use super::*;
    use std::rc::Rc;

    /// A hand-set clock that the test keeps a handle on.
    struct Shared(Rc<ManualClock>);

    impl Clock for Shared {
        fn now(&self) -> Nanos {
            self.0.now()
        }
    }

    #[test]
    fn each_stage_gets_its_own_span() {
        let clock = Rc::new(ManualClock::default());
        let mut probe = StageProbe::new(Shared(Rc::clone(&clock)));
        let at = |ns| clock.set(Nanos(ns));
        at(1_000);
        probe.begin();
        at(1_100);
        probe.mark(Stage::Decode);
        at(1_150);
        probe.mark(Stage::Book);
        at(5_000);
        probe.begin(); // no order: does not count towards tick_to_order
        at(5_010);
        probe.mark(Stage::Decode);
        at(6_000);
        probe.begin();
        for (ns, stage) in [
            (6_005, Stage::Decode),
            (6_020, Stage::Gate),
            (6_030, Stage::Gate),
            (6_050, Stage::Encode),
            (6_080, Stage::Encode),
        ] {
            at(ns);
            probe.mark(stage);
        }
        at(9_000);
        probe.finish();
        probe.finish();
        at(10_000);
        probe.begin();
        for ns in 0..MARKS_MAX as u64 + 9 {
            at(10_001 + ns);
            probe.mark(Stage::Commit);
        }
        probe.finish();
        let commit = probe.stage(Stage::Commit).summary();
        assert_eq!((commit.max, commit.count), (1, MARKS_MAX as u64 + 9), "more than are noted");
        let decode = probe.stage(Stage::Decode).summary();
        assert_eq!((decode.p50, decode.max, decode.count), (10, 100, 3));
        let decision = probe.decision().summary();
        assert_eq!((decision.max, decision.count), (25, 1), "one input, up to its last verdict");
        assert_eq!(probe.stage(Stage::Book).summary().max, 50);
        assert_eq!(probe.stage(Stage::Encode).summary().count, 2);
        let order = probe.tick_to_order().summary();
        assert_eq!((order.max, order.count), (80, 1), "one input, up to its last order");
        let names: Vec<_> = probe.summaries().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names[..Stage::ALL.len()], Stage::ALL.map(Stage::name));
        assert_eq!(names[Stage::ALL.len()..], ["decision", "tick_to_order"]);
        probe.reset();
        assert!(probe.summaries().iter().all(|(_, summary)| *summary == Summary::default()));
    }
}
