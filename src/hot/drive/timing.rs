//! Where the time of a running lane went: the stages, and what lies around them.

use super::open_loop::OpenLoop;
use crate::host::clock::Clock;
use crate::host::histogram::Histogram;
use crate::host::probe::StageProbe;
use crate::host::schedule::{MessageName, Schedule};
use crate::units::Nanos;
use std::sync::Arc;

/// Spans besides the stages of the pipeline.
#[derive(Debug)]
pub struct LaneTimes {
    arrival_to_order: Histogram,
    seal: Histogram,
    send: Histogram,
    wire_to_wire: Histogram,
    requests: u64,
    open_loop: Option<OpenLoop>,
}

/// Every span by name.
#[derive(Clone, Debug)]
pub struct DriveTimes {
    /// Stages in order, then `decision`, `tick_to_order`, `arrival_to_order`, `tls`, `send`,
    /// `wire_to_wire`.
    pub spans: Vec<(&'static str, Histogram)>,
    /// Requests that were handed to a connection.
    pub requests: u64,
    /// Against the venue's schedule, where it tells one.
    pub open_loop: Option<OpenLoop>,
}

impl LaneTimes {
    /// Empty histograms, allocated now.
    #[must_use]
    pub fn new(schedule: Option<Arc<Schedule>>) -> LaneTimes {
        LaneTimes {
            arrival_to_order: Histogram::new(),
            seal: Histogram::new(),
            send: Histogram::new(),
            wire_to_wire: Histogram::new(),
            requests: 0,
            open_loop: schedule.map(OpenLoop::new),
        }
    }

    /// A market message that came with the bytes that had arrived at `arrived` is done with: messages
    /// before it in the same arrival are part of the span.
    #[inline]
    pub fn message(
        &mut self,
        message: MessageName,
        arrived: Nanos,
        led_to_order: bool,
        clock: &impl Clock,
    ) {
        if !led_to_order && self.open_loop.is_none() {
            return;
        }
        let now = clock.now();
        if led_to_order {
            self.arrival_to_order.record(now.since(arrived).0);
            self.requests += 1;
        }
        if let Some(open_loop) = &mut self.open_loop {
            open_loop.handled(message, arrived, now, led_to_order);
        }
    }

    /// A flush sealed (`true`) or sent (`false`).
    #[inline]
    pub fn sent(&mut self, sealed: bool, span: Nanos) {
        if sealed { self.seal.record(span.0) } else { self.send.record(span.0) }
    }

    /// From an arrival to the return of the system call that sent what it led to.
    #[inline]
    pub fn wire_to_wire(&mut self, span: Nanos) {
        self.wire_to_wire.record(span.0);
    }

    /// Frames that led to orders so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Every span by name.
    #[must_use]
    pub fn finish<C: Clock>(self, probe: &StageProbe<C>) -> DriveTimes {
        let mut spans: Vec<_> = probe.spans().map(|(name, spans)| (name, spans.clone())).collect();
        spans.push(("arrival_to_order", self.arrival_to_order));
        if self.seal.count() > 0 {
            spans.push(("tls", self.seal));
        }
        spans.push(("send", self.send));
        spans.push(("wire_to_wire", self.wire_to_wire));
        DriveTimes { spans, requests: self.requests, open_loop: self.open_loop }
    }
}
