//! Takes entries from a lane's ring and makes them durable: a state machine, driven turn by turn.
//!
//! `turn` takes what the disk has finished, takes from the ring what fits, and starts what is due; it
//! never waits, so a simulator can own it step by step and a thread can drive it with `rest` between.
//! While one group is written and synced the next one gathers. One write of records and one sync are
//! in flight at a time; commit slots and the next segment's room go beside them.
//!
//! ```text
//!   gathering ──due──▶ writing ──all taken──▶ syncing ──▶ gathering (a commit marker first)
//!       │ segment full: seal                     ├──▶ the next segment: header, sync, name
//!       └ the lane is gone: seal                 └──▶ ending: slot, cut, sync, tidy ──▶ ended
//! ```
//!
//! Invariants: bytes of a segment are written once, in order; `Health::durable` moves only after the
//! sync; a commit marker is written only after the sync of what it commits; after a failed write or
//! sync nothing more is written, and what the ring still brings is thrown away, so that the lane can
//! halt and cancel without a journal. Deliberately absent: waiting for room, retries of a sync.

use super::ahead::Ahead;
use super::begin::{begin, clear_way};
use super::birth::{Birth, Born, submit};
use super::format::{
    CLOSING_LEN, COMMIT, COMMIT_LEN, Chain, FORMAT_VERSION, Header, RECORD_HEAD, RECORDS_AT,
    RecordHead, SEAL, SLOTS_AT, Slot, Stream, append, commit_payload, segment_name, unborn_name,
};
use super::health::{Failure, Health};
use super::reader::Tail;
use super::seal::{self, SealKey};
use super::settings::{Durability, Progress, Settings, SettingsError};
use super::snapshot::{Snapshot, newest_snapshot, snapshot_names};
use crate::host::byte_ring::ByteConsumer;
use crate::host::disk::{Completion, Disk, DiskError, Done, FileId, Operation, Ticket};
use crate::host::net::Wait;
use crate::units::Nanos;
use std::collections::VecDeque;
use std::sync::Arc;

/// What the seal at the end of the gathered bytes leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Segment,
    Stream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Gathering,
    /// Bytes up to entry `through` are being written at `at`.
    Writing {
        ticket: Ticket,
        at: u64,
        through: u64,
        sync: bool,
    },
    Syncing {
        ticket: Ticket,
        through: u64,
    },
    /// The segment is sealed and synced; the next one's room is not there yet.
    AwaitingSegment,
    /// The next segment gets its header, and its name once that is durable.
    Opening,
    /// The steps after the last seal.
    Ending {
        ticket: Option<Ticket>,
        step: usize,
    },
    Failed,
    Ended,
}

/// A snapshot on its way.
pub(super) enum Saving {
    /// The log is not durable up to it yet.
    Waiting(Snapshot),
    Going(String, Birth),
    /// Older ones go.
    Clearing(Ticket),
}

/// Writes one stream.
pub struct Writer<D: Disk> {
    pub(super) disk: D,
    ring: ByteConsumer,
    pub(super) health: Arc<Health>,
    settings: Settings,
    pub(super) stream: Stream,
    segment: u64,
    file: FileId,
    /// Where the gathered bytes will go.
    at: u64,
    gathered: Vec<u8>,
    /// Entries among the gathered bytes, and when the first of them came.
    entries: u64,
    /// What a slot will say once the group on its way is durable.
    synced: Slot,
    oldest: Nanos,
    /// The buffer that is not gathering, when it is not being written.
    spare: Vec<u8>,
    pub(super) next: u64,
    chain: Chain,
    closing: Option<Closing>,
    seal_key: Option<SealKey>,
    phase: Phase,
    ahead: Ahead,
    opening: Option<Birth>,
    pub(super) saving: Option<Saving>,
    /// Snapshots in the folder, oldest first.
    pub(super) saved: VecDeque<String>,
    pub(super) saves_failed: u64,
    /// Chain value after the last entry: after it there may be records of our own.
    pub(super) entry_chain: Chain,
    slot: Option<Ticket>,
    slots_written: usize,
    /// Durable entries that no slot says yet.
    slot_due: Option<Slot>,
    thrown_away: u64,
}

impl<D: Disk> Writer<D> {
    /// Begins a stream in an empty folder, or goes on behind `tail`, whose torn bytes are cut off.
    /// Waits for the disk: nothing trades yet.
    ///
    /// # Errors
    /// When the settings do not fit the ring, the folder is not as `tail` says, or the disk fails.
    pub fn start(
        mut disk: D,
        ring: ByteConsumer,
        settings: Settings,
        stream: Stream,
        tail: Option<&Tail>,
    ) -> Result<Writer<D>, SettingsError> {
        let longest = RECORD_HEAD + 8 * ring.words_max();
        let least = (RECORDS_AT + CLOSING_LEN + longest).next_multiple_of(RECORDS_AT) as u64;
        let Settings { segment_len, .. } = settings;
        if segment_len < least || segment_len % RECORDS_AT as u64 != 0 {
            return Err(SettingsError::SegmentTooShort { segment_len, longest, least });
        }
        let segment = tail.map_or(0, |tail| tail.segment + 1);
        clear_way(&mut disk, segment, tail)?;
        let (next, chain) = tail.map_or((1, Chain::start(stream)), |tail| (tail.next, tail.chain));
        let version = FORMAT_VERSION;
        let file = begin(
            &mut disk,
            &Header { version, stream, segment, first: next, len: segment_len, chain },
        )?;
        let saved = snapshots(&mut disk)?;
        let health = Arc::new(Health::default());
        health.set_written(next - 1);
        health.set_durable(next - 1);
        // Room for a full group, the record that goes over it, marker and seal: it never grows.
        let room = settings.group_len + longest + CLOSING_LEN + RECORDS_AT;
        Ok(Writer {
            disk,
            ring,
            health,
            settings,
            stream,
            segment,
            file,
            at: RECORDS_AT as u64,
            gathered: Vec::with_capacity(room),
            entries: 0,
            synced: Slot { committed: next - 1, end: RECORDS_AT as u64, tag: chain.tag() },
            oldest: Nanos(0),
            spare: Vec::with_capacity(room),
            next,
            chain,
            closing: None,
            seal_key: None,
            phase: Phase::Gathering,
            ahead: Ahead::None,
            opening: None,
            saving: None,
            saved,
            saves_failed: 0,
            entry_chain: chain,
            slot: None,
            slots_written: 0,
            slot_due: None,
            thrown_away: 0,
        })
    }

    /// The same, and every finished segment is signed.
    #[must_use]
    pub fn signing(mut self, key: SealKey) -> Writer<D> {
        self.seal_key = Some(key);
        self
    }

    /// From now on promises this.
    pub fn promise(&mut self, durability: Durability) {
        self.settings.durability = durability;
    }

    /// What the lane reads.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Number of the next entry: the lane's first push gets it.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Entries that came after the journal had failed.
    #[must_use]
    pub fn thrown_away(&self) -> u64 {
        self.thrown_away
    }

    /// Does what can be done without waiting.
    pub fn turn(&mut self, now: Nanos) -> Progress {
        self.turn_with(now, &mut |_, _, _, _| {})
    }

    /// The same, and tells `follow` of each entry taken: its number, time, kind and words. After the
    /// turn a follower is exactly where `save` would put its snapshot.
    pub fn turn_with(
        &mut self,
        now: Nanos,
        follow: &mut impl FnMut(u64, Nanos, u16, &[u64]),
    ) -> Progress {
        let mut worked = false;
        while let Some(completion) = self.disk.poll(Wait::Busy) {
            self.on(completion, now);
            worked = true;
        }
        match self.phase {
            Phase::Failed => return self.throw_away(),
            Phase::Ended => return Progress::Ended,
            _ => {}
        }
        worked |= self.make_room_ahead();
        worked |= self.take(now, follow);
        worked |= self.start_work(now);
        worked |= self.write_slot();
        worked |= self.start_saving();
        match self.phase {
            Phase::Failed => Progress::Failed,
            Phase::Ended => Progress::Ended,
            _ if worked => Progress::Worked,
            _ if self.disk.in_flight() > 0 => Progress::Waiting,
            _ => Progress::Idle,
        }
    }

    /// Waits for the disk, at most `span`; false when the disk has nothing to do.
    pub fn rest(&mut self, span: Nanos, now: Nanos) -> bool {
        if self.disk.in_flight() == 0 {
            return false;
        }
        if let Some(completion) = self.disk.poll(Wait::Block(span)) {
            self.on(completion, now);
        }
        true
    }

    pub(super) fn submit(&mut self, operation: Operation) -> Ticket {
        submit(&mut self.disk, operation)
    }

    /// Whether the stream neither ended nor failed.
    pub(super) fn lives(&self) -> bool {
        !matches!(self.phase, Phase::Failed | Phase::Ended)
    }

    fn fail(&mut self, failure: Failure) {
        self.health.set_failed(failure);
        self.phase = Phase::Failed;
    }

    fn throw_away(&mut self) -> Progress {
        while self.ring.pop() {
            self.thrown_away += 1;
        }
        if self.ring.is_abandoned() && self.ring.is_empty() && self.disk.in_flight() == 0 {
            return Progress::Ended;
        }
        Progress::Failed
    }

    /// Gathers records while they fit the group and the segment.
    fn take(&mut self, now: Nanos, follow: &mut impl FnMut(u64, Nanos, u16, &[u64])) -> bool {
        if self.closing.is_some() || !self.gathers() {
            return false;
        }
        let before = self.next;
        while self.gathered.len() < self.settings.group_len {
            let Some((tag, words)) = self.ring.front() else { break };
            let (time, payload) =
                words.split_first().map_or((0, words), |(time, rest)| (*time, rest));
            let len = (RECORD_HEAD + 8 * payload.len() + CLOSING_LEN) as u64;
            if self.at + self.gathered.len() as u64 + len > self.settings.segment_len {
                self.seal(now, Closing::Segment);
                return true;
            }
            let lane = self.stream.lane;
            let head = RecordHead { sequence: self.next, time, kind: tag as u16, lane };
            self.chain =
                append(&mut self.gathered, &self.chain, &head, bytemuck::cast_slice(payload));
            self.entry_chain = self.chain;
            follow(self.next, Nanos(time), head.kind, payload);
            self.ring.pop();
            if self.entries == 0 {
                self.oldest = now;
            }
            self.entries += 1;
            self.next += 1;
        }
        if self.next == before && self.ring.is_abandoned() && self.ring.is_empty() {
            self.seal(now, Closing::Stream);
            return true;
        }
        self.next > before
    }

    fn gathers(&self) -> bool {
        matches!(
            self.phase,
            Phase::Gathering | Phase::Writing { .. } | Phase::Syncing { .. } | Phase::Opening
        )
    }

    fn own(&mut self, kind: u16, now: Nanos, payload: &[u8]) {
        let head =
            RecordHead { sequence: self.next - 1, time: now.0, kind, lane: self.stream.lane };
        self.chain = append(&mut self.gathered, &self.chain, &head, payload);
    }

    fn seal(&mut self, now: Nanos, closing: Closing) {
        let (key, sequence) = (self.seal_key.as_ref(), self.next - 1);
        let payload = seal::payload(key, self.stream, self.segment, sequence, &self.chain);
        self.own(SEAL, now, &payload);
        self.closing = Some(closing);
    }

    /// Says in the log that everything up to `committed` is durable.
    fn mark(&mut self, committed: u64, now: Nanos) {
        let offset = self.at + self.gathered.len() as u64;
        if offset + CLOSING_LEN as u64 > self.settings.segment_len {
            return; // the seal comes next, and the next header commits this segment
        }
        let (segment, stream) = (self.segment, self.stream);
        let payload = commit_payload(committed, segment, offset, stream, &self.chain);
        debug_assert_eq!(payload.len() + RECORD_HEAD, COMMIT_LEN);
        self.own(COMMIT, now, &payload);
    }

    /// Starts the write of a group when it is due.
    fn start_work(&mut self, now: Nanos) -> bool {
        match self.phase {
            Phase::AwaitingSegment => return self.open_next(),
            Phase::Ending { ticket: None, step } => return self.end(step),
            _ => {}
        }
        if self.phase != Phase::Gathering || self.gathered.is_empty() {
            return false;
        }
        let due = match self.settings.durability {
            _ if self.closing.is_some() || self.entries == 0 => true,
            Durability::None | Durability::Each => true,
            Durability::Group(bound) => {
                now.since(self.oldest) >= bound
                    || self.gathered.len() >= self.settings.group_len / 2
                    || self.ring.is_abandoned()
            }
        };
        if !due {
            return false;
        }
        let sync = self.closing.is_some()
            || (self.entries > 0 && self.settings.durability != Durability::None);
        let bytes = std::mem::replace(&mut self.gathered, std::mem::take(&mut self.spare));
        let (at, through, file) = (self.at, self.next - 1, self.file);
        self.at += bytes.len() as u64;
        self.synced = Slot { committed: through, end: self.at, tag: self.chain.tag() };
        self.entries = 0;
        let ticket = self.submit(Operation::Write { file, at, bytes, from: 0 });
        self.phase = Phase::Writing { ticket, at, through, sync };
        true
    }

    /// Writes the commit slot, one at a time and the two in turn.
    fn write_slot(&mut self) -> bool {
        if self.slot.is_some() || !self.gathers() {
            return false;
        }
        let Some(slot) = self.slot_due.take() else { return false };
        self.slot = Some(self.submit_slot(slot));
        true
    }

    fn submit_slot(&mut self, slot: Slot) -> Ticket {
        let at = SLOTS_AT[self.slots_written % SLOTS_AT.len()] as u64;
        self.slots_written += 1;
        let bytes = slot.bytes(self.segment, self.stream).to_vec();
        self.submit(Operation::Write { file: self.file, at, bytes, from: 0 })
    }

    /// Asks for the next segment's room as soon as this one is begun.
    fn make_room_ahead(&mut self) -> bool {
        if self.ahead != Ahead::None || self.closing == Some(Closing::Stream) || !self.gathers() {
            return false;
        }
        let (name, len) = (unborn_name(self.segment + 1), self.settings.segment_len);
        self.ahead = Ahead::ask(&mut self.disk, name, len);
        true
    }

    /// Goes on in the next segment once there is room for it.
    fn open_next(&mut self) -> bool {
        if self.slot.is_some() {
            return false; // it is of the segment that is about to be closed
        }
        match &self.ahead {
            Ahead::Ready(file) => {
                let file = *file;
                self.disk.close(self.file);
                self.file = file;
                self.segment += 1;
                self.at = RECORDS_AT as u64;
                self.ahead = Ahead::None;
                (self.slots_written, self.slot_due, self.closing) = (0, None, None);
                let header = Header {
                    version: FORMAT_VERSION,
                    stream: self.stream,
                    segment: self.segment,
                    first: self.next,
                    len: self.settings.segment_len,
                    chain: self.chain,
                };
                let (from, to) = (unborn_name(self.segment), segment_name(self.segment));
                let bytes = header.block().to_vec();
                self.opening = Some(Birth::of_file(&mut self.disk, file, from, to, bytes));
                self.phase = Phase::Opening;
                true
            }
            Ahead::Refused(DiskError::NoSpace { .. }) => {
                self.fail(Failure::NoSpace);
                true
            }
            Ahead::Refused(error) => {
                let errno = error.errno();
                self.fail(Failure::Write(errno));
                true
            }
            _ => false,
        }
    }

    /// Takes what the disk has finished.
    fn on(&mut self, completion: Completion, now: Nanos) {
        if self.phase == Phase::Failed {
            return;
        }
        let ticket = completion.ticket;
        if let Some(birth) = self.opening.take_if(|birth| birth.ticket() == ticket) {
            return self.on_opening(birth, completion);
        }
        if self.is_of_saving(ticket) {
            return self.on_saving(completion);
        }
        let Completion { result, bytes, .. } = completion;
        if self.slot == Some(ticket) {
            self.slot = None;
            // A slot that was written in part is as good as none: its checksum says so.
            if let Err(error) = result {
                self.fail(write_failure(&error));
            }
            return;
        }
        match self.phase {
            Phase::Writing { ticket: own, at, through, sync } if own == ticket => {
                self.on_written(result, bytes.unwrap_or_default(), at, through, sync);
            }
            Phase::Syncing { ticket: own, through } if own == ticket => match result {
                Ok(_) => self.on_durable(through, now),
                Err(DiskError::NoSpace { .. }) => self.fail(Failure::NoSpace),
                Err(error) => self.fail(Failure::Sync(error.errno())),
            },
            Phase::Ending { ticket: Some(own), step } if own == ticket => match result {
                Err(error) if step < 3 => self.fail(write_failure(&error)),
                // The stream is whole; an unused file that could not be removed harms nobody.
                _ => {
                    self.end(step + 1);
                }
            },
            _ if self.ahead.on(&mut self.disk, ticket, result) => {}
            _ => self.health.set_no_room_ahead(),
        }
    }

    fn on_written(
        &mut self,
        result: Result<Done, DiskError>,
        mut bytes: Vec<u8>,
        at: u64,
        through: u64,
        sync: bool,
    ) {
        let taken = match result {
            Ok(Done::Written(taken)) => taken,
            Ok(_) => 0,
            Err(error) => return self.fail(write_failure(&error)),
        };
        // The part of the file already written tells how much of the buffer was taken before.
        let from = bytes.len() - (self.at - at) as usize + taken;
        if from < bytes.len() {
            if taken == 0 {
                return self.fail(Failure::NoSpace);
            }
            let (file, at) = (self.file, at + taken as u64);
            let ticket = self.submit(Operation::Write { file, at, bytes, from });
            self.phase = Phase::Writing { ticket, at, through, sync };
            return;
        }
        bytes.clear();
        self.spare = bytes;
        self.health.set_written(through);
        if sync {
            let ticket = self.submit(Operation::Sync(self.file));
            self.phase = Phase::Syncing { ticket, through };
        } else {
            self.phase = Phase::Gathering;
        }
    }

    fn on_opening(&mut self, mut birth: Birth, completion: Completion) {
        match birth.on(&mut self.disk, completion) {
            Born::Going => self.opening = Some(birth),
            Born::Done(_) => self.phase = Phase::Gathering,
            Born::Failed { synced: true, error } => self.fail(Failure::Sync(error.errno())),
            Born::Failed { error, .. } => self.fail(write_failure(&error)),
        }
    }

    fn on_durable(&mut self, through: u64, now: Nanos) {
        self.health.set_durable(through);
        let durable = self.synced;
        self.phase = Phase::Gathering;
        // A group that was written before the seal was gathered ends like any other.
        let sealed = self.closing.filter(|_| self.gathered.is_empty());
        match sealed {
            Some(Closing::Segment) => {
                self.phase = Phase::AwaitingSegment;
                self.open_next();
            }
            Some(Closing::Stream) => {
                self.end(0);
            }
            None if self.closing.is_none() => {
                self.slot_due = Some(durable);
                self.mark(through, now);
            }
            None => self.slot_due = Some(durable),
        }
    }

    /// Step by step: the last slot, the cut of what was not used, their sync; then the unused next
    /// segment goes.
    fn end(&mut self, step: usize) -> bool {
        let waits = self.slot.is_some() || self.ahead.is_going() || self.saving.is_some();
        if waits {
            self.phase = Phase::Ending { ticket: None, step };
            return false;
        }
        let ticket = match step {
            0 => self.submit_slot(self.synced),
            1 => self.submit(Operation::SetLength { file: self.file, len: self.at }),
            2 => self.submit(Operation::Sync(self.file)),
            3 => {
                let Ahead::Ready(unused) = self.ahead else { return self.finish() };
                self.disk.close(unused);
                self.submit(Operation::Remove(unborn_name(self.segment + 1)))
            }
            4 => self.submit(Operation::SyncFolder),
            _ => return self.finish(),
        };
        self.phase = Phase::Ending { ticket: Some(ticket), step };
        true
    }

    fn finish(&mut self) -> bool {
        self.disk.close(self.file);
        self.phase = Phase::Ended;
        true
    }
}

impl<D: Disk> Drop for Writer<D> {
    /// A writer that goes before its stream has ended takes the journal with it, and says so.
    fn drop(&mut self) {
        if self.lives() {
            self.health.set_failed(Failure::Gone);
        }
    }
}

fn write_failure(error: &DiskError) -> Failure {
    match error {
        DiskError::NoSpace { .. } => Failure::NoSpace,
        error => Failure::Write(error.errno()),
    }
}

/// Snapshots in the folder in the order in which they may go: those behind the newest good one, which do
/// not check out, then the oldest.
fn snapshots(disk: &mut dyn Disk) -> Result<VecDeque<String>, DiskError> {
    let (_, mut bad) = newest_snapshot(disk)?;
    let good =
        snapshot_names(disk)?.into_iter().filter(|name| !bad.contains(name)).collect::<Vec<_>>();
    bad.extend(good);
    Ok(bad.into())
}
