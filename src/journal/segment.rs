//! One segment in memory: the record at a place, and what the segment says is durable.
//!
//! Everything is checked before it is believed: the length against the file, the checksum, the chain,
//! the number. Whether damage is a torn tail or a loss is the reader's question; the evidence is here.

use super::format::{
    COMMIT, COMMIT_LEN, Chain, OWN_KINDS, RECORD_HEAD, RECORDS_AT, SEAL, SLOT_LEN, SLOTS_AT, Slot,
    Stream, commit_payload, u16_at, u32_at, u64_at, u128_at,
};
use super::seal;
use crate::host::disk::{Disk, DiskError, FileId};

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// What is wrong at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file ends where a record should start.
    #[error("the file ends here")]
    Ended,
    /// Zeros stand where a record should.
    #[error("zeros stand here")]
    Blank,
    /// The file ends inside a record.
    #[error("the file ends inside the record")]
    Cut,
    /// No record has this length.
    #[error("{0} is no length of a record")]
    Length(u32),
    /// The checksum does not fit.
    #[error("the checksum is wrong")]
    Checksum,
    /// The checksum fits, the chain does not: the record was changed, or what came before it.
    #[error("the chain is broken: the record was changed, exchanged or moved")]
    Chain,
    /// Chain and checksum fit, the number does not.
    #[error("its number is {0}")]
    Number(u64),
    /// A commit marker or a seal that does not say what it should.
    #[error("a commit marker or seal contradicts its place")]
    Marker,
    /// The segment's header is damaged, or contradicts the segments before.
    #[error("the segment's header is damaged")]
    Header,
    /// The segment's file is not there.
    #[error("the segment is missing")]
    Missing,
    /// The signature of the seal does not fit.
    #[error("the signature is wrong")]
    Signature,
}

/// A record as it stands in a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) sequence: u64,
    pub(super) time: u64,
    pub(super) kind: u16,
    pub(super) lane: u16,
    /// Bytes, head included.
    pub(super) len: usize,
    pub(super) chain: Chain,
}

/// A segment's file in memory, aligned so that payloads can be borrowed as words.
#[derive(Debug, Default)]
pub(super) struct Segment {
    words: Vec<u64>,
    len: usize,
}

impl Segment {
    /// Reads a whole file.
    pub(super) fn load(&mut self, disk: &mut dyn Disk, file: FileId) -> Result<(), DiskError> {
        let len = disk.length(file)? as usize;
        self.words.clear();
        self.words.resize(len.div_ceil(8), 0);
        self.len = 0;
        for chunk in bytemuck::cast_slice_mut::<u64, u8>(&mut self.words)[..len].chunks_mut(CHUNK) {
            let count = disk.read(file, self.len as u64, chunk)?;
            self.len += count;
            if count < chunk.len() {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice::<u64, u8>(&self.words)[..self.len]
    }

    /// The payload of the record at `at`, as words.
    pub(super) fn payload(&self, at: usize, len: usize) -> &[u64] {
        &self.words[(at + RECORD_HEAD) / 8..(at + len) / 8]
    }

    /// The record at `at`, if it is the one that follows `chain` and the entry before `next`.
    pub(super) fn frame(&self, at: usize, chain: &Chain, next: u64) -> Result<Frame, Damage> {
        let rest = self.bytes().get(at..).unwrap_or_default();
        if rest.is_empty() {
            return Err(Damage::Ended);
        }
        if rest.len() < RECORD_HEAD {
            return Err(Damage::Cut);
        }
        if rest[..RECORD_HEAD].iter().all(|byte| *byte == 0) {
            return Err(Damage::Blank);
        }
        let len = u32_at(rest, 4);
        if (len as usize) < RECORD_HEAD || !len.is_multiple_of(8) {
            return Err(Damage::Length(len));
        }
        let Some(record) = rest.get(..len as usize) else { return Err(Damage::Cut) };
        if u32_at(record, 0) != crc32c::crc32c(&record[4..]) {
            return Err(Damage::Checksum);
        }
        let after = chain.after(&record[16..]);
        if u64_at(record, 8) != after.tag() {
            return Err(Damage::Chain);
        }
        let frame = Frame {
            sequence: u64_at(record, 16),
            time: u64_at(record, 24),
            kind: u16_at(record, 32),
            lane: u16_at(record, 34),
            len: record.len(),
            chain: after,
        };
        let expected = if frame.kind < OWN_KINDS { next } else { next - 1 };
        if frame.sequence != expected {
            return Err(Damage::Number(frame.sequence));
        }
        Ok(frame)
    }

    /// Checks the journal's own records, whose content the place decides; gives the key of a signed
    /// seal.
    pub(super) fn check_own(
        &self,
        frame: &Frame,
        at: usize,
        segment: u64,
        stream: Stream,
        before: &Chain,
    ) -> Result<Option<[u8; 32]>, Damage> {
        let payload = &self.bytes()[at + RECORD_HEAD..at + frame.len];
        match frame.kind {
            COMMIT if frame.len == COMMIT_LEN => {
                let committed = u64_at(payload, 0);
                let expected = commit_payload(committed, segment, at as u64, stream, before);
                let right = committed <= frame.sequence && payload == expected;
                if right { Ok(None) } else { Err(Damage::Marker) }
            }
            SEAL => seal::check(payload, stream, segment, frame.sequence, before),
            _ => Err(Damage::Marker),
        }
    }

    /// The newer of the two commit slots.
    pub(super) fn slot(&self, segment: u64, stream: Stream) -> Option<Slot> {
        let slots = SLOTS_AT
            .into_iter()
            .filter_map(|at| Slot::read(self.bytes().get(at..at + SLOT_LEN)?, segment, stream));
        slots.max_by_key(|slot| slot.committed)
    }

    /// The last entry that is durable by any commit marker from `from` on that stands where it says it
    /// stands. Bytes of another file do not.
    pub(super) fn marked(&self, segment: u64, stream: Stream, from: usize) -> Option<u64> {
        let bytes = self.bytes();
        let first = from.max(RECORDS_AT).next_multiple_of(8);
        let places = (first..bytes.len().saturating_sub(COMMIT_LEN - 1)).step_by(8);
        let markers = places.filter_map(|at| {
            let record = &bytes[at..at + COMMIT_LEN];
            let payload = &record[RECORD_HEAD..];
            let found = u32_at(record, 4) as usize == COMMIT_LEN
                && u16_at(record, 32) == COMMIT
                && u64_at(payload, 8) == segment
                && u64_at(payload, 16) == at as u64
                && u128_at(payload, 24) == stream.run
                && u32_at(record, 0) == crc32c::crc32c(&record[4..]);
            found.then(|| u64_at(payload, 0))
        });
        markers.max()
    }
}
