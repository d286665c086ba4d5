//! One lane's stages strung together without sockets: frame bytes in, request bytes out.
//!
//! decode -> `Lane::step` (book, signal, decide, gate) -> encode. A frame that cannot be decoded
//! becomes an input too (`MarketFault`), so the lane fails closed and a replay repeats it.
//! Invariants: the requests depend only on the inputs and their times, and nothing here reads a clock;
//! an input that the recorder has no room for is not consumed: the lane halts instead (`take_overflow`).
//! Deliberately absent: sockets, TLS and WebSocket framing (`drive`), the venue (`lab`).

use super::book::Gap;
use super::flaws::{Flaw, Flaws, Sound};
use super::lane::{Lane, LaneConfig, Missing};
use super::notice::Notice;
use super::outbox::Outbox;
use super::recorder::{Recorder, Unrecorded};
use crate::host::cpu::Simd;
use crate::host::probe::{Probe, Stage};
use crate::market::book::Ladder;
use crate::record::{Command, Input, Instrument, Intent, Link, Mode, Source, Stamp};
use crate::units::{InstrumentId, Nanos, UnixNanos};
use crate::venue::binance::Family;
use crate::venue::binance::decode::{DecodeError, Decoder};
use crate::venue::binance::orders::{
    EncodeError, EventKind, OrderMessage, REQUEST_LEN_MAX, ReportDecoder, ReportError,
    RequestEncoder, RequestId,
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
    /// Inputs that the recorder had no room for: not consumed.
    pub unrecorded: u64,
    /// Frames that were to be kept as they came and found no room; what they said was recorded.
    pub frames_left_out: u64,
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

/// Decoder, lane and encoder of one lane; `R` takes what it lives by, `F` are its bugs.
pub struct Pipeline<R: Recorder = Unrecorded, F: Flaws = Sound> {
    family: Family,
    decoder: Decoder,
    reports: ReportDecoder,
    core: Core<R, F>,
}

/// Everything behind the decoders, whose scratch an input borrows.
struct Core<R: Recorder, F: Flaws> {
    encoder: RequestEncoder,
    lane: Lane<Ladder, F>,
    outbox: Outbox,
    recorder: R,
    /// The recorder had no room, and nobody has been told yet.
    overflowed: bool,
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
        Pipeline::with(Lane::new(config, instruments), family, instruments, simd, wall_at_zero)
    }
}

impl<F: Flaws> Pipeline<Unrecorded, F> {
    /// A pipeline around a lane that has lived before.
    #[must_use]
    pub fn with(
        lane: Lane<Ladder, F>,
        family: Family,
        instruments: &[Instrument],
        simd: Simd,
        wall_at_zero: UnixNanos,
    ) -> Pipeline<Unrecorded, F> {
        Pipeline {
            family,
            decoder: Decoder::new(family, instruments, simd).rounding_sizes(),
            reports: ReportDecoder::new(family, instruments),
            core: Core {
                encoder: RequestEncoder::new(family, instruments),
                sequence: lane.sequence(),
                lane,
                outbox: Outbox::new(),
                recorder: Unrecorded,
                overflowed: false,
                wall_offset: wall_at_zero.0,
                text: vec![0; REQUEST_LEN_MAX].into_boxed_slice(),
                counts: PipelineCounts::default(),
                fault: None,
            },
        }
    }

    /// The same with a recorder.
    #[must_use]
    pub fn recording<R: Recorder>(self, recorder: R) -> Pipeline<R, F> {
        let core = self.core;
        let mut outbox = core.outbox;
        outbox.keep_judgements(recorder.listens());
        Pipeline {
            family: self.family,
            decoder: self.decoder,
            reports: self.reports,
            core: Core {
                encoder: core.encoder,
                lane: core.lane,
                outbox,
                recorder,
                overflowed: false,
                sequence: core.sequence,
                wall_offset: core.wall_offset,
                text: core.text,
                counts: core.counts,
                fault: core.fault,
            },
        }
    }
}

impl<R: Recorder, F: Flaws> Pipeline<R, F> {
    /// Wall time at monotonic zero as the venue has it: what requests carry from now on.
    pub fn set_wall(&mut self, at_zero: UnixNanos) {
        self.core.wall_offset = at_zero.0;
    }

    /// The same with a signature on every request, for keys that cannot log a session on.
    #[must_use]
    pub fn signing(mut self, signer: Signer, instruments: &[Instrument]) -> Pipeline<R, F> {
        self.core.encoder = RequestEncoder::with(self.family, instruments, None, Some(signer));
        self
    }

    /// The lane, for its reports and hashes.
    #[must_use]
    pub fn lane(&self) -> &Lane<Ladder, F> {
        &self.core.lane
    }

    /// The life is over: its hashes are recorded, and whether anything still works.
    pub fn end(&mut self, now: Nanos) {
        let stamp = Stamp { received: now, sequence: self.core.sequence };
        self.core.recorder.digest(stamp, &self.core.lane.digest());
        if self.core.lane.ledger().working() == 0 {
            self.core.recorder.end(now);
        }
    }

    /// The lane alone; the recorder hears no more.
    #[must_use]
    pub fn into_lane(self) -> Lane<Ladder, F> {
        self.core.lane
    }

    /// The recorder.
    pub fn recorder(&mut self) -> &mut R {
        &mut self.core.recorder
    }

    /// Whether the recorder lacked room and nobody was told yet.
    #[must_use]
    pub fn has_overflowed(&self) -> bool {
        self.core.overflowed
    }

    /// Whether the recorder lacked room since the last call: the lane has halted, and what was not
    /// consumed is gone, so both links must be given up.
    #[inline]
    pub fn take_overflow(&mut self) -> bool {
        std::mem::take(&mut self.core.overflowed)
    }

    /// An instrument whose snapshot must be fetched; each wish is returned once.
    pub fn take_snapshot_wish(&mut self) -> Option<InstrumentId> {
        self.core.lane.take_snapshot_wish()
    }

    /// A gap that was not heard of; each is returned once.
    #[inline]
    pub fn take_gap(&mut self) -> Option<Gap> {
        self.core.lane.take_gap()
    }

    /// An order of which the venue says that it filled more than was told; each is returned once.
    #[inline]
    pub fn take_missing(&mut self) -> Option<Missing> {
        self.core.lane.take_missing()
    }

    /// Whether the lane has something to tell.
    #[inline]
    #[must_use]
    pub fn has_notices(&self) -> bool {
        !self.core.lane.notices.is_empty()
    }

    /// What it has to tell, oldest first, and how much found no place.
    pub fn take_notices(&mut self) -> (Vec<Notice>, u64) {
        let (notices, dropped) = self.core.lane.notices.drain();
        (notices.collect(), dropped)
    }

    /// Frames that the fast decoder left to the general one.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.decoder.fallbacks()
    }

    /// Frames and refusals so far.
    #[must_use]
    pub fn counts(&self) -> PipelineCounts {
        self.core.counts
    }

    /// The last refusal, if any.
    #[must_use]
    pub fn fault(&self) -> Option<&PipelineFault> {
        self.core.fault.as_ref()
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
        self.core.counts.frames += 1;
        // Before it is decoded: the frame that a decoder dies of is there to be looked at.
        self.core.keep(Link::Market, frame, now);
        let decoded = self.decoder.decode(frame);
        probe.mark(Stage::Decode);
        match decoded {
            Ok(event) => self.core.take(Input::Market(event), now, probe, send),
            Err(error) => self.core.unreadable(error, None, now, probe, send),
        };
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
        self.core.counts.frames += 1;
        let decoded = self.decoder.decode_snapshot(instrument, body);
        probe.mark(Stage::Decode);
        match decoded {
            Ok(event) => self.core.take(Input::Market(event), now, probe, send),
            Err(error) => self.core.unreadable(error, Some(instrument), now, probe, send),
        };
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
        self.core.counts.reports += 1;
        let decoded = self.reports.decode(text);
        if !may_name_key(text, &decoded) {
            self.core.keep(Link::Orders, text, now);
        }
        match decoded {
            Ok(OrderMessage::Report(report)) => {
                self.core.take(Input::Execution(report), now, probe, send);
                None
            }
            Ok(OrderMessage::Response(response)) => {
                for report in response.reports() {
                    self.core.take(Input::Execution(report), now, probe, send);
                }
                Some(OrderMessage::Response(response))
            }
            Ok(other) => Some(other),
            Err(error) => {
                self.core.counts.reports_refused += 1;
                self.core.fault = Some(error.into());
                None
            }
        }
    }

    /// What `Flaw::ResendUnderNewId` sends: a request that no lane has asked for.
    pub(super) fn send_beside(
        &mut self,
        intent: &Intent,
        now: Nanos,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) {
        let core = &mut self.core;
        let wall = UnixNanos(core.wall_offset.saturating_add(now.0));
        if let Ok(len) = core.encoder.encode(intent, wall, &mut core.text) {
            send(intent, &core.text[..len]);
        }
    }

    /// Any other input: timer, command, link change, plan, or an execution report already decoded.
    /// Whether it was consumed.
    pub fn on_input(
        &mut self,
        input: Input<'_>,
        now: Nanos,
        probe: &mut impl Probe,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) -> bool {
        probe.begin();
        self.core.take(input, now, probe, send)
    }
}

/// Which inputs `Flaw::LoseJournalRecord` loses.
const fn is_lost(sequence: u64, input: &Input<'_>) -> bool {
    matches!(input, Input::Execution(_)) && sequence.is_multiple_of(16)
}

/// Whether a message may name the key of the session, which no file of ours does: answers to requests
/// of the session itself, and what cannot be read and speaks of one.
fn may_name_key(text: &[u8], decoded: &Result<OrderMessage, ReportError>) -> bool {
    match decoded {
        Ok(OrderMessage::Response(answer)) => !matches!(answer.request, RequestId::Order(_)),
        Ok(OrderMessage::Other(kind)) => {
            matches!(kind, EventKind::ListenKeyExpired | EventKind::Unknown)
        }
        Ok(OrderMessage::Report(_) | OrderMessage::Foreign) => false,
        Err(_) => [&b"apiKey"[..], b"listenKey", b"signature"]
            .iter()
            .any(|word| text.windows(word.len()).any(|piece| piece.eq_ignore_ascii_case(word))),
    }
}

impl<R: Recorder, F: Flaws> Core<R, F> {
    /// Keeps a frame as it came, where that is asked for.
    #[inline]
    fn keep(&mut self, link: Link, bytes: &[u8], now: Nanos) {
        self.counts.frames_left_out += u64::from(!self.recorder.frame(now, link, bytes));
    }

    #[cold]
    fn unreadable(
        &mut self,
        error: DecodeError,
        instrument: Option<InstrumentId>,
        now: Nanos,
        probe: &mut impl Probe,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) -> bool {
        self.counts.frames_refused += 1;
        self.fault = Some(error.into());
        self.take(Input::MarketFault(instrument), now, probe, send)
    }

    /// Consumes an input if it can be recorded.
    #[inline]
    fn take(
        &mut self,
        input: Input<'_>,
        now: Nanos,
        probe: &mut impl Probe,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) -> bool {
        if self.recorder.has_room(&input) {
            self.consume(input, now, probe, send);
            return true;
        }
        self.overflow(now, probe, send);
        false
    }

    /// Lane, requests, and then the record of both: the requests have not left yet, they wait for the
    /// flush at the end of the turn.
    #[inline]
    fn consume(
        &mut self,
        input: Input<'_>,
        now: Nanos,
        probe: &mut impl Probe,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) {
        self.sequence += 1;
        let stamp = Stamp { received: now, sequence: self.sequence };
        self.lane.step(stamp, input, probe, &mut self.outbox);
        self.encode(now, probe, send);
        if !(F::has(Flaw::LoseJournalRecord) && is_lost(self.sequence, &input)) {
            self.recorder.input(stamp, &input);
        }
        for judgement in self.outbox.judgements() {
            self.recorder.judgement(stamp, judgement);
        }
        // Turning points are rare enough for a look at the whole state.
        if matches!(input, Input::Life(_) | Input::Link(..) | Input::Command(..))
            && self.recorder.listens()
        {
            self.recorder.digest(stamp, &self.lane.digest());
        }
        self.outbox.clear();
    }

    /// No room: nothing more is consumed, and nothing may be risked that nobody would remember.
    #[cold]
    fn overflow(
        &mut self,
        now: Nanos,
        probe: &mut impl Probe,
        send: &mut impl FnMut(&Intent, &[u8]),
    ) {
        self.counts.unrecorded += 1;
        self.overflowed = true;
        let halt = Input::Command(Command::Halt, Source::Journal);
        if self.lane.mode() != Mode::Halted && self.recorder.has_room(&halt) {
            self.consume(halt, now, probe, send);
        }
    }

    #[inline]
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
        probe.mark(Stage::Encode);
    }
}
