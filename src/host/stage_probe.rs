//! Where the nanoseconds of each input went: one histogram per stage, one from bytes to order.
//!
//! `begin` and each `mark` read the clock once, so a stage's span contains one reading
//! (`TscClock::overhead_ns`); nothing is subtracted, nothing is trimmed.
//! Invariant: an input that led to several orders counts once, up to its last order.

use super::clock::Clock;
use super::histogram::{Histogram, Summary};
use super::probe::{Probe, Stage};
use crate::units::Nanos;

/// A probe that keeps a histogram for every stage.
#[derive(Clone, Debug)]
pub struct StageProbe<C: Clock> {
    clock: C,
    began: Nanos,
    last: Nanos,
    /// When the running input's last order was encoded.
    encoded: Option<Nanos>,
    stages: [Histogram; Stage::ALL.len()],
    tick_to_order: Histogram,
}

impl<C: Clock> StageProbe<C> {
    /// A probe over this clock; allocates all its histograms now.
    #[must_use]
    pub fn new(clock: C) -> StageProbe<C> {
        let now = clock.now();
        StageProbe {
            clock,
            began: now,
            last: now,
            encoded: None,
            stages: std::array::from_fn(|_| Histogram::new()),
            tick_to_order: Histogram::new(),
        }
    }

    /// Ends the running input; call once before the figures are read.
    pub fn finish(&mut self) {
        if let Some(encoded) = self.encoded.take() {
            self.tick_to_order.record(encoded.since(self.began).0);
        }
    }

    /// Forgets what was measured so far (the warm-up).
    pub fn reset(&mut self) {
        self.stages.iter_mut().for_each(Histogram::reset);
        self.tick_to_order.reset();
        self.encoded = None;
    }

    /// Spans of one stage.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> &Histogram {
        &self.stages[stage as usize]
    }

    /// From `begin` to the last `Encode`, of inputs that led to an order.
    #[must_use]
    pub fn tick_to_order(&self) -> &Histogram {
        &self.tick_to_order
    }

    /// Every stage by name, `tick_to_order` last.
    #[must_use]
    pub fn summaries(&self) -> Vec<(&'static str, Summary)> {
        let stages = Stage::ALL.iter().map(|stage| (stage.name(), self.stage(*stage).summary()));
        stages.chain([("tick_to_order", self.tick_to_order.summary())]).collect()
    }
}

impl<C: Clock> Probe for StageProbe<C> {
    #[inline]
    fn begin(&mut self) {
        self.finish();
        self.began = self.clock.now();
        self.last = self.began;
    }

    #[inline]
    fn mark(&mut self, stage: Stage) {
        let now = self.clock.now();
        self.stages[stage as usize].record(now.since(self.last).0);
        self.last = now;
        if stage == Stage::Encode {
            self.encoded = Some(now);
        }
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
        for (ns, stage) in [(6_020, Stage::Gate), (6_050, Stage::Encode), (6_080, Stage::Encode)] {
            at(ns);
            probe.mark(stage);
        }
        at(9_000);
        probe.finish();
        probe.finish();
        let decode = probe.stage(Stage::Decode).summary();
        assert_eq!((decode.p50, decode.max, decode.count), (10, 100, 2));
        assert_eq!(probe.stage(Stage::Book).summary().max, 50);
        assert_eq!(probe.stage(Stage::Encode).summary().count, 2);
        let order = probe.tick_to_order().summary();
        assert_eq!((order.max, order.count), (80, 1), "one input, up to its last order");
        let names: Vec<_> = probe.summaries().into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["decode", "book", "signal", "decide", "gate", "commit", "encode", "tick_to_order"]
        );
        probe.reset();
        assert!(probe.summaries().iter().all(|(_, summary)| *summary == Summary::default()));
    }
}
