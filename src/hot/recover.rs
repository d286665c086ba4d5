//! A lane out of its journal: entries in, the lane as it was after the last of them out.
//!
//! ```text
//!  newest snapshot ─▶ Replica ◀─ the entries after it: begin, instruments, inputs
//!                        │       judgements and digests, compared with what comes out here
//!                        └─▶ lane, and the epoch of the next life
//! ```
//!
//! Invariant: an entry that does not follow from those before it is an error that names it; the replica
//! is then of no use. Deliberately absent: files (`journal`), the venue (`drive` reconciles).

use super::flaws::{Flaw, Flaws, Sound};
use super::lane::{LANES_MAX, Lane, LaneConfig};
use super::outbox::Outbox;
use crate::host::probe::NoProbe;
use crate::market::book::Ladder;
use crate::record::{
    Begin, Digest, ENTRY_FORMAT, Entry, EntryError, Input, Instrument, Judgement, Scratch, Stamp,
    Tape, TapeError, Verdict,
};
use crate::units::{LaneId, Lots, Nanos, UnixNanos};
use crate::venue::binance::Family;

/// Layout of a saved replica; rises with every change of what a lane's walk hands over.
const LAYOUT: u64 = 1;
/// Instruments of a lane, as saved.
const INSTRUMENTS_MAX: usize = crate::record::PLAN_INSTRUMENTS_MAX;

/// Why a journal and the lane it describes do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// Something stands before the life it belongs to.
    #[error("{what} stands before the beginning of a life")]
    NoBegin {
        /// What.
        what: &'static str,
    },
    /// A later version wrote it.
    #[error("written in format {found}; this version reads up to {ENTRY_FORMAT}: use a newer bot4")]
    Format {
        /// Format of the writer.
        found: u32,
    },
    /// Another lane's stream, or another venue's.
    #[error("it belongs to lane {found} of another configuration, not to lane {expected}")]
    OtherLane {
        /// Lane in the journal.
        found: u16,
        /// Lane that reads it.
        expected: u16,
    },
    /// No family has that code.
    #[error("venue family {0} is not known to this version")]
    Family(u8),
    /// An instrument with a position is gone or counts in other steps.
    #[error(
        "{symbol} has a position or working orders in the journal, and its metadata is another now; \
         flatten it with the settings of then, or begin a new journal"
    )]
    Instrument {
        /// Which.
        symbol: String,
    },
    /// Inputs are missing.
    #[error("input {found} follows input {before}")]
    Sequence {
        /// The last one before.
        before: u64,
        /// The one that came.
        found: u64,
    },
    /// The gate says something else today.
    #[error(
        "after input {input} the gate said {then:?} on order {order:?}, and now says {now}: another \
         version, or a changed journal"
    )]
    Judgement {
        /// Which input.
        input: u64,
        /// About which order.
        order: crate::units::OrderId,
        /// Verdict of then.
        then: Verdict,
        /// What comes out now.
        now: String,
    },
    /// The lane comes to another state.
    #[error("after input {input} the state hash was {then:016x}, and is now {now:016x}")]
    Digest {
        /// Which input.
        input: u64,
        /// Hash of then.
        then: u64,
        /// Hash of now.
        now: u64,
    },
    /// A saved replica of another layout, or damaged.
    #[error("snapshot: {0}")]
    Saved(#[from] TapeError),
    /// A saved replica of another version.
    #[error("snapshot of layout {found}; this version reads {LAYOUT}")]
    Layout {
        /// Its layout.
        found: u64,
    },
    /// An instrument in a snapshot is none.
    #[error("snapshot: {0}")]
    Entry(#[from] EntryError),
}

/// A lane that lives by its journal, with the bugs of the lane that wrote it.
#[derive(Debug)]
pub struct Replica<F: Flaws = Sound> {
    lane: Option<Lane<Ladder, F>>,
    config: LaneConfig,
    instruments: Vec<Instrument>,
    /// Instruments of a life that has begun and not yet had its first input.
    coming: Option<Vec<Instrument>>,
    outbox: Outbox,
    /// Judgements of the last input that were compared.
    compared: usize,
    wall_at_zero: UnixNanos,
    /// Wall time at the beginning of the first life read.
    begun_at: UnixNanos,
    latest: Nanos,
    recorded: Option<Digest>,
    at_digest: u64,
    counts: ReplicaCounts,
    ended: bool,
}

/// What a replica was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicaCounts {
    /// Inputs.
    pub inputs: u64,
    /// Judgements that were compared and agreed.
    pub judgements: u64,
    /// Digests that were compared and agreed.
    pub digests: u64,
    /// Lives.
    pub lives: u64,
}

impl Default for Replica {
    fn default() -> Replica {
        Replica::new()
    }
}

impl Replica {
    /// A replica that waits for the beginning of a stream.
    #[must_use]
    pub fn new() -> Replica {
        Replica::blank()
    }

    /// The replica out of its bytes.
    ///
    /// # Errors
    /// When they are damaged, or of another layout.
    pub fn load(bytes: &[u8]) -> Result<Replica, RecoverError> {
        Replica::restore(bytes)
    }
}

impl<F: Flaws> Replica<F> {
    /// As `new`, with or without bugs.
    #[must_use]
    pub fn blank() -> Replica<F> {
        let mut outbox = Outbox::new();
        outbox.keep_judgements(true);
        Replica {
            lane: None,
            config: LaneConfig { lane: LaneId(0), family: Family::UsdM, epoch: 0 },
            instruments: Vec::new(),
            coming: None,
            outbox,
            compared: 0,
            wall_at_zero: UnixNanos(0),
            begun_at: UnixNanos(0),
            latest: Nanos(0),
            recorded: None,
            at_digest: 0,
            counts: ReplicaCounts::default(),
            ended: false,
        }
    }

    /// Takes the next entry of the stream; `at` is the time of its record.
    ///
    /// # Errors
    /// When it does not follow from what came before.
    pub fn apply(&mut self, at: Nanos, entry: &Entry<'_>) -> Result<(), RecoverError> {
        match entry {
            Entry::Begin(begin) => self.begin(begin),
            Entry::Instrument(instrument) => match &mut self.coming {
                Some(coming) => {
                    coming.push(*instrument);
                    Ok(())
                }
                None => Err(RecoverError::NoBegin { what: "an instrument" }),
            },
            Entry::Input { sequence, input } => self.input(at, *sequence, *input),
            Entry::Judgement { input, judgement } => self.compare(*input, judgement),
            Entry::Digest(digest) => self.digest(digest),
            Entry::End => {
                self.ended = true;
                Ok(())
            }
            Entry::RawFrame { .. } | Entry::Note(_) => Ok(()),
        }
    }

    fn begin(&mut self, begin: &Begin<'_>) -> Result<(), RecoverError> {
        if begin.format > ENTRY_FORMAT {
            return Err(RecoverError::Format { found: begin.format });
        }
        let family = Family::from_code(begin.family).ok_or(RecoverError::Family(begin.family))?;
        if self.lane.is_some() && (begin.lane, family) != (self.config.lane, self.config.family) {
            let (found, expected) = (begin.lane.0, self.config.lane.0);
            return Err(RecoverError::OtherLane { found, expected });
        }
        self.config = LaneConfig { lane: begin.lane, family, epoch: begin.epoch };
        self.wall_at_zero = begin.wall_at_zero;
        if self.begun_at == UnixNanos(0) {
            self.begun_at = begin.wall_at_zero;
        }
        self.coming = Some(Vec::new());
        // the last input of a killed life may have lost its judgements with the process
        self.outbox.clear();
        self.compared = 0;
        self.counts.lives += 1;
        self.ended = false;
        Ok(())
    }

    fn input(&mut self, at: Nanos, sequence: u64, input: Input<'_>) -> Result<(), RecoverError> {
        if let Some(coming) = self.coming.take() {
            self.enter(coming)?;
        }
        self.settle_judgements()?;
        let Some(lane) = &mut self.lane else {
            return Err(RecoverError::NoBegin { what: "an input" });
        };
        if sequence != lane.sequence() + 1 {
            return Err(RecoverError::Sequence { before: lane.sequence(), found: sequence });
        }
        self.latest = at;
        self.outbox.clear();
        self.compared = 0;
        lane.step(Stamp { received: at, sequence }, input, &mut NoProbe, &mut self.outbox);
        self.counts.inputs += 1;
        Ok(())
    }

    /// A life's first input: its instruments are known, and take over what an earlier life left.
    fn enter(&mut self, coming: Vec<Instrument>) -> Result<(), RecoverError> {
        match &mut self.lane {
            Some(_) if coming == self.instruments => {}
            Some(lane) => {
                let mut next = Lane::of(self.config, &coming);
                next.inherit(lane, &self.instruments, &coming)
                    .map_err(|symbol| RecoverError::Instrument { symbol })?;
                *lane = next;
            }
            None => {
                let mut lane = Lane::of(self.config, &coming);
                lane.account_from(self.begun_at);
                self.lane = Some(lane);
            }
        }
        self.instruments = coming;
        Ok(())
    }

    /// What the gate says now must have been said then: none more, none fewer.
    fn settle_judgements(&self) -> Result<(), RecoverError> {
        match self.outbox.judgements().get(self.compared) {
            Some(more) => Err(RecoverError::Judgement {
                input: self.lane.as_ref().map_or(0, |lane| lane.sequence()),
                order: more.intent.order,
                then: Verdict::UnknownOrder,
                now: format!("{:?}, which is not in the journal", more.verdict),
            }),
            None => Ok(()),
        }
    }

    fn compare(&mut self, input: u64, then: &Judgement) -> Result<(), RecoverError> {
        let now = self.outbox.judgements().get(self.compared);
        if now != Some(then) || self.lane.as_ref().map(|lane| lane.sequence()) != Some(input) {
            return Err(RecoverError::Judgement {
                input,
                order: then.intent.order,
                then: then.verdict,
                now: now.map_or("nothing".to_owned(), |now| format!("{:?}", now.verdict)),
            });
        }
        self.compared += 1;
        self.counts.judgements += 1;
        Ok(())
    }

    fn digest(&mut self, then: &Digest) -> Result<(), RecoverError> {
        let Some(lane) = &self.lane else {
            return Err(RecoverError::NoBegin { what: "a digest" });
        };
        let now = lane.state_hash();
        self.recorded = Some(*then);
        self.at_digest = now;
        if (then.input, then.state_hash) != (lane.sequence(), now) {
            return Err(RecoverError::Digest { input: then.input, then: then.state_hash, now });
        }
        self.counts.digests += 1;
        Ok(())
    }

    /// The lane, once a life has begun.
    #[must_use]
    pub fn lane(&self) -> Option<&Lane<Ladder, F>> {
        self.lane.as_ref()
    }

    /// Whether there was a life, even one of which nothing but its beginning is left.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.counts.lives > 0
    }

    /// The lane for its next life; none where there was no life before.
    ///
    /// # Errors
    /// When it was another lane's, or the instruments changed under a position.
    pub fn lane_for(
        &self,
        config: LaneConfig,
        instruments: &[Instrument],
    ) -> Result<Option<Lane<Ladder, F>>, RecoverError> {
        if self.has_begun()
            && (config.lane, config.family) != (self.config.lane, self.config.family)
        {
            let (found, expected) = (self.config.lane.0, config.lane.0);
            return Err(RecoverError::OtherLane { found, expected });
        }
        let mut next = Replica { config, ..Replica::blank() };
        next.lane.clone_from(&self.lane);
        next.instruments.clone_from(&self.instruments);
        next.begun_at = self.begun_at;
        if self.has_begun() {
            next.enter(instruments.to_vec())?;
        }
        Ok(next.lane)
    }

    /// Instruments of the last life.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// Whose stream it is.
    #[must_use]
    pub fn config(&self) -> LaneConfig {
        self.config
    }

    /// An epoch that no life before had; the low digits stay the lane's own.
    #[must_use]
    pub fn next_epoch(&self) -> u32 {
        if F::has(Flaw::ReuseOrderIds) {
            return self.config.epoch;
        }
        (self.config.epoch.wrapping_add(LANES_MAX)) & 0x00ff_ffff
    }

    /// Wall time of the last input.
    #[must_use]
    pub fn wall(&self) -> UnixNanos {
        UnixNanos(self.wall_at_zero.0.saturating_add(self.latest.0))
    }

    /// Whether the last life ended as it should.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The last recorded hashes, and the state hash that came out at the same place.
    #[must_use]
    pub fn last_digest(&self) -> Option<(Digest, u64)> {
        self.recorded.map(|recorded| (recorded, self.at_digest))
    }

    /// What it was told.
    #[must_use]
    pub fn counts(&self) -> ReplicaCounts {
        self.counts
    }

    /// Whether the next record may be an input: all that the last one led to was told. Only then do the
    /// bytes hold everything.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.coming.is_none() && self.compared == self.outbox.judgements().len()
    }

    /// The replica as bytes; see `is_settled`.
    #[must_use]
    pub fn save(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut tape = Tape::saving(&mut bytes);
        self.walk_head(&mut tape, &mut LAYOUT.clone());
        if let Some(lane) = &mut self.lane {
            lane.walk(&mut tape);
        }
        bytes
    }

    /// As `load`, with or without bugs.
    ///
    /// # Errors
    /// See `load`.
    pub fn restore(bytes: &[u8]) -> Result<Replica<F>, RecoverError> {
        let mut replica = Replica::blank();
        let mut layout = 0;
        let mut tape = Tape::loading(bytes);
        let lives = replica.walk_head(&mut tape, &mut layout);
        if !tape.has_failed() && layout != LAYOUT {
            return Err(RecoverError::Layout { found: layout });
        }
        if lives && !tape.has_failed() {
            let mut lane = Lane::of(replica.config, &replica.instruments);
            lane.walk(&mut tape);
            replica.lane = Some(lane);
        }
        tape.finish()?;
        Ok(replica)
    }

    /// Everything but the lane; whether there is one.
    fn walk_head(&mut self, tape: &mut Tape<'_>, layout: &mut u64) -> bool {
        tape.section("replica");
        tape.pod(layout);
        if *layout != LAYOUT {
            return false;
        }
        tape.pod(&mut self.config.lane);
        tape.code(&mut self.config.family, &Family::ALL);
        tape.pod(&mut self.config.epoch);
        tape.pod(&mut self.wall_at_zero);
        tape.pod(&mut self.latest);
        tape.flag(&mut self.ended);
        let counts = &mut self.counts;
        for count in
            [&mut counts.inputs, &mut counts.judgements, &mut counts.digests, &mut counts.lives]
        {
            tape.pod(count);
        }
        let mut words = instrument_words(&self.instruments);
        tape.list(&mut words, INSTRUMENTS_MAX * INSTRUMENT_WORDS);
        if tape.is_loading() {
            match instruments_of(&words) {
                Some(instruments) => self.instruments = instruments,
                None => tape.refuse(words.len() as u64),
            }
        }
        let mut lives = self.lane.is_some();
        tape.flag(&mut lives);
        lives
    }
}

const INSTRUMENT_WORDS: usize = 20;

fn instrument_words(instruments: &[Instrument]) -> Vec<u64> {
    let mut words = vec![0; instruments.len() * INSTRUMENT_WORDS];
    for (instrument, words) in instruments.iter().zip(words.chunks_mut(INSTRUMENT_WORDS)) {
        Entry::Instrument(*instrument).write(words);
    }
    words
}

/// Instruments numbered from zero, as a lane wants them.
fn instruments_of(words: &[u64]) -> Option<Vec<Instrument>> {
    let mut scratch = Scratch::new();
    let mut instruments = Vec::new();
    let kind = crate::record::EntryKind::Instrument.code();
    for words in words.chunks(INSTRUMENT_WORDS) {
        match Entry::read(kind, words, &mut scratch) {
            Ok(Entry::Instrument(of)) if of.id.0 as usize == instruments.len() => {
                instruments.push(of);
            }
            _ => return None,
        }
    }
    Some(instruments)
}

impl<F: Flaws> Lane<Ladder, F> {
    /// Takes over what a lane with other instruments left; the symbol of one that cannot be.
    fn inherit(
        &mut self,
        before: &mut Lane<Ladder, F>,
        old: &[Instrument],
        new: &[Instrument],
    ) -> Result<(), String> {
        let idle = |of: &Instrument| {
            let account = before.ledger().account(of.id);
            account.is_none_or(|a| a.position() == Lots(0) && a.working_orders() == 0)
        };
        // Accounts are kept as far as instruments keep their places and steps; the others must be idle.
        let kept = old.iter().zip(new).take_while(|(of, now)| same_steps(of, now)).count();
        if let Some(lost) = old[kept..].iter().find(|of| !idle(of)) {
            return Err(lost.symbol.to_string());
        }
        self.take_over(before, kept);
        Ok(())
    }
}

/// Whether sizes, prices and money count alike.
fn same_steps(before: &Instrument, now: &Instrument) -> bool {
    let steps = |of: &Instrument| (of.symbol, of.kind, of.tick, of.lot, of.multiplier, of.settle);
    steps(before) == steps(now)
}
