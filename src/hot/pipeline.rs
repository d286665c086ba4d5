//! One lane's stages strung together without sockets: frame bytes in, request bytes out.
//!
//! decode -> `Lane::step` (book, signal, decide, gate) -> encode. A frame that cannot be decoded
//! becomes an input too (`MarketFault`), so the lane fails closed and a replay repeats it.
//! Invariant: the requests depend only on the inputs and their times; nothing here reads a clock.
//! Deliberately absent: sockets, TLS and WebSocket framing (`drive`), the venue (`lab`).

use super::book::Gap;
use super::lane::{Lane, LaneConfig, Outbox};
use crate::host::cpu::Simd;
use crate::host::probe::{Probe, Stage};
use crate::record::{Input, Instrument, Intent, Stamp};
use crate::units::{InstrumentId, Nanos, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::decode::{DecodeError, Decoder};
use crate::venue::binance::orders::{
    EncodeError, OrderMessage, REQUEST_LEN_MAX, ReportDecoder, ReportError, RequestEncoder,
};
use crate::venue::binance::session::Signer;

/// What went wrong with bytes, counted for the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PipelineCounts {
    /// Market frames received, good or bad.
    pub frames: u64,
    /// Market frames that no decoder could read.
    pub frames_refused: u64,
    /// Execution messages received, good or bad.
    pub reports: u64,
    /// Execution messages that could not be read.
    pub reports_refused: u64,
    /// Passing intents that no request could be written for.
    pub requests_refused: u64,
}

/// The last thing that could not be read or written; the report shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PipelineFault {
    /// A market frame.
    #[error("market frame refused: {0}")]
    Decode(#[from] DecodeError),
    /// An execution message.
    #[error("execution message refused: {0}")]
    Report(#[from] ReportError),
    /// A request.
    #[error("request could not be written: {0}")]
    Encode(#[from] EncodeError),
}

/// Decoder, lane and encoder of one lane.
pub struct Pipeline {
    family: Family,
    decoder: Decoder,
    reports: ReportDecoder,
    encoder: RequestEncoder,
    lane: Lane,
    outbox: Outbox,
    sequence: u64,
    /// Wall time minus monotonic time, fixed at start so that requests carry the venue's time.
    wall_offset: u64,
    text: Box<[u8]>,
    counts: PipelineCounts,
    fault: Option<PipelineFault>,
}

impl Pipeline {
    /// A pipeline for `instruments`; `wall_at_zero` is the wall time at monotonic zero.
    #[must_use]
    pub fn new(
        family: Family,
        config: LaneConfig,
        instruments: &[Instrument],
        simd: Simd,
        wall_at_zero: UnixNanos,
    ) -> Pipeline {
        Pipeline {
            family,
            decoder: Decoder::new(family, instruments, simd).rounding_sizes(),
            reports: ReportDecoder::new(family, instruments),
            encoder: RequestEncoder::new(family, instruments),
            lane: Lane::new(config, instruments),
            outbox: Outbox::new(),
            sequence: 0,
            wall_offset: wall_at_zero.0,
            text: vec![0; REQUEST_LEN_MAX].into_boxed_slice(),
            counts: PipelineCounts::default(),
            fault: None,
        }
    }

    /// The same with a signature on every request, for keys that cannot log a session on.
    #[must_use]
    pub fn signing(mut self, signer: Signer, instruments: &[Instrument]) -> Pipeline {
        self.encoder = RequestEncoder::with(self.family, instruments, None, Some(signer));
        self
    }

    /// The lane, for its reports and hashes.
    #[must_use]
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// An instrument whose snapshot must be fetched; each wish is returned once.
    pub fn take_snapshot_wish(&mut self) -> Option<InstrumentId> {
        self.lane.take_snapshot_wish()
    }

    /// A gap that was not heard of; each is returned once.
    #[inline]
    pub fn take_gap(&mut self) -> Option<Gap> {
        self.lane.take_gap()
    }

    /// Frames that the fast decoder left to the general one.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.decoder.fallbacks()
    }

    /// Frames and refusals so far.
    #[must_use]
    pub fn counts(&self) -> PipelineCounts {
        self.counts
    }

    /// The last refusal, if any.
    #[must_use]
    pub fn fault(&self) -> Option<&PipelineFault> {
        self.fault.as_ref()
    }

    /// A market frame; every request it leads to is handed to `send`.
    pub fn on_market(
        &mut self,
        frame: &[u8],
        now: Nanos,
        probe: &mut impl Probe,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) {
        probe.begin();
        self.counts.frames += 1;
        let stamp = next_stamp(&mut self.sequence, now);
        let decoded = self.decoder.decode(frame);
        probe.mark(Stage::Decode);
        match decoded {
            Ok(event) => self.lane.step(stamp, Input::Market(event), probe, &mut self.outbox),
            Err(error) => {
                self.counts.frames_refused += 1;
                self.fault = Some(error.into());
                self.lane.step(stamp, Input::MarketFault(None), probe, &mut self.outbox);
            }
        }
        self.encode(now, probe, send);
    }

    /// A snapshot of one instrument's book, as REST answers it.
    pub fn on_snapshot(
        &mut self,
        instrument: InstrumentId,
        body: &[u8],
        now: Nanos,
        probe: &mut impl Probe,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) {
        probe.begin();
        self.counts.frames += 1;
        let stamp = next_stamp(&mut self.sequence, now);
        let decoded = self.decoder.decode_snapshot(instrument, body);
        probe.mark(Stage::Decode);
        match decoded {
            Ok(event) => self.lane.step(stamp, Input::Market(event), probe, &mut self.outbox),
            Err(error) => {
                self.counts.frames_refused += 1;
                self.fault = Some(error.into());
                let fault = Input::MarketFault(Some(instrument));
                self.lane.step(stamp, fault, probe, &mut self.outbox);
            }
        }
        self.encode(now, probe, send);
    }

    /// A message of the order connection. What it says besides reports and refusals of orders is
    /// returned, for the session that carries them.
    pub fn on_report(
        &mut self,
        text: &[u8],
        now: Nanos,
        probe: &mut impl Probe,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) -> Option<OrderMessage> {
        probe.begin();
        self.counts.reports += 1;
        match self.reports.decode(text) {
            Ok(OrderMessage::Report(report)) => {
                self.step(Input::Execution(report), now, probe, send);
                None
            }
            Ok(OrderMessage::Response(response)) => {
                for report in response.reports() {
                    self.step(Input::Execution(report), now, probe, send);
                }
                Some(OrderMessage::Response(response))
            }
            Ok(other) => Some(other),
            Err(error) => {
                self.counts.reports_refused += 1;
                self.fault = Some(error.into());
                None
            }
        }
    }

    /// Any other input: timer, command, link change, plan, or an execution report already decoded.
    pub fn on_input(
        &mut self,
        input: Input<'_>,
        now: Nanos,
        probe: &mut impl Probe,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) {
        probe.begin();
        self.step(input, now, probe, send);
    }

    fn step(
        &mut self,
        input: Input<'_>,
        now: Nanos,
        probe: &mut impl Probe,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) {
        let stamp = next_stamp(&mut self.sequence, now);
        self.lane.step(stamp, input, probe, &mut self.outbox);
        self.encode(now, probe, send);
    }

    fn encode(
        &mut self,
        now: Nanos,
        probe: &mut impl Probe,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) {
        if self.outbox.intents().is_empty() {
            return;
        }
        let wall = UnixNanos(self.wall_offset.saturating_add(now.0));
        for intent in self.outbox.intents() {
            match self.encoder.encode(intent, wall, &mut self.text) {
                Ok(len) => send(intent, &self.text[..len]),
                Err(error) => {
                    self.counts.requests_refused += 1;
                    self.fault = Some(error.into());
                }
            }
        }
        self.outbox.clear();
        probe.mark(Stage::Encode);
    }
}

fn next_stamp(sequence: &mut u64, received: Nanos) -> Stamp {
    *sequence += 1;
    Stamp { received, sequence: *sequence }
}
