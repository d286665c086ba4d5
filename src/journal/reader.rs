//! Reads a stream back, in order, and never believes more than was proved.
//!
//! Input: a folder of segments, the number to start from. Output: records, then the tail.
//! Invariants: what comes out is a prefix of what was written, byte for byte; it goes at least as far
//! as the last commit marker (or slot) that can be read, or the reader refuses and names the number it
//! could not reach. What is damaged behind that point is a torn tail and is dropped, and the tail says
//! so. Deliberately absent: meaning (`record::Entry`), repair (`Writer::start` cuts a torn tail).

use super::format::{
    Chain, FORMAT_VERSION, Header, OWN_KINDS, RECORDS_AT, SEAL, Slot, Stream, segment_name,
    segment_of,
};
use super::seal::Seals;
use super::segment::{Damage, Frame, Segment};
use super::snapshot::Snapshot;
use crate::host::disk::{Disk, DiskError};
use crate::units::Nanos;

/// Why a stream cannot be read any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Something that was durable is damaged or gone.
    #[error(
        "record {record} cannot be trusted: {file}, byte {offset}: {damage}; later records were \
         durable, so this is no torn tail: restore the file from a copy"
    )]
    Damaged {
        /// Number of the first record that is not proved.
        record: u64,
        /// Where it should stand.
        file: String,
        /// Byte of the file.
        offset: u64,
        /// What is wrong there.
        damage: Damage,
    },
    /// The journal was written by a later version.
    #[error(
        "{file} has version {version} of the journal's layout; this program reads {FORMAT_VERSION}"
    )]
    Version {
        /// Which file.
        file: String,
        /// Its version.
        version: u32,
    },
    /// A snapshot of another run or lane.
    #[error(
        "the snapshot is of {found:?}, the journal of {expected:?}: they do not belong together"
    )]
    OtherStream {
        /// The snapshot's.
        found: Box<Stream>,
        /// The journal's.
        expected: Box<Stream>,
    },
    /// There is no journal here.
    #[error("there is no journal here")]
    Empty,
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A record of a lane.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    /// Its number in the stream.
    pub sequence: u64,
    /// Its time; of an input, the receive time.
    pub time: Nanos,
    /// What its words are.
    pub kind: u16,
    /// The lane that wrote it.
    pub lane: u16,
    /// Its content.
    pub words: &'r [u64],
}

/// Bytes behind the last good record that were no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// In which file.
    pub file: String,
    /// From which byte.
    pub offset: u64,
    /// What stood there.
    pub damage: Damage,
}

/// Where a stream ends, and what the next writer must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Whose.
    pub stream: Stream,
    /// The last segment that was begun.
    pub segment: u64,
    /// Byte behind its last good record.
    pub end: u64,
    /// Number of the next entry.
    pub next: u64,
    /// Chain value after the last good record.
    pub chain: Chain,
    /// Whether the writer ended as it should.
    pub sealed: bool,
    /// What was dropped.
    pub dropped: Option<TornTail>,
}

struct Found {
    segment: u64,
    name: String,
    header: Option<Header>,
}

impl Found {
    fn begins_by(&self, number: u64) -> bool {
        self.header.is_some_and(|header| header.first <= number)
    }
}

/// Reads one stream.
pub struct Reader<'d> {
    disk: &'d mut dyn Disk,
    found: Vec<Found>,
    stream: Stream,
    /// Which of `found` is loaded.
    current: usize,
    loaded: Segment,
    at: usize,
    next: u64,
    chain: Chain,
    from: u64,
    sealed: bool,
    /// What the loaded segment's slots say, until it was compared with what was read.
    slot: Option<Slot>,
    seals: Seals,
    tail: Option<Tail>,
}

impl<'d> Reader<'d> {
    /// Opens the stream in the disk's folder, to give the records from number `from` on (1 is the
    /// first). Those before it in the same segment are checked all the same.
    ///
    /// # Errors
    /// When there is no journal, when the records asked for are not there, or the disk fails.
    pub fn open(disk: &'d mut dyn Disk, from: u64) -> Result<Reader<'d>, JournalError> {
        let found = find(disk)?;
        let from = from.max(1);
        let Some(first) = found.first() else { return Err(JournalError::Empty) };
        let Some(start) = found.iter().rposition(|found| found.begins_by(from)) else {
            // The first segment kept begins later, or nobody can say where it begins.
            let before = segment_name(first.segment.saturating_sub(1));
            return Err(match first.header {
                Some(_) => lost(from, &before, 0, Damage::Missing),
                None => lost(from, &first.name, 0, Damage::Header),
            });
        };
        let Some(header) = found[start].header else { return Err(JournalError::Empty) };
        let stream = header.stream;
        let mut reader = Reader {
            disk,
            found,
            stream,
            current: start,
            loaded: Segment::default(),
            at: RECORDS_AT,
            next: header.first,
            chain: header.chain,
            from,
            sealed: false,
            slot: None,
            seals: Seals::default(),
            tail: None,
        };
        reader.load(start)?;
        Ok(reader)
    }

    /// Opens the stream behind a snapshot, and checks that it is this stream's.
    ///
    /// # Errors
    /// As `open`; and when the log ends before the snapshot, or another record stands where it was
    /// taken.
    pub fn open_after(
        disk: &'d mut dyn Disk,
        snapshot: &Snapshot,
    ) -> Result<Reader<'d>, JournalError> {
        let mut reader = Reader::open(disk, snapshot.sequence.max(1))?;
        if snapshot.stream != reader.stream {
            let (found, expected) = (Box::new(snapshot.stream), Box::new(reader.stream));
            return Err(JournalError::OtherStream { found, expected });
        }
        if snapshot.sequence > 0 && reader.next()?.is_none() {
            let (name, at) = (reader.found[reader.current].name.clone(), reader.at as u64);
            return Err(lost(reader.next, &name, at, Damage::Ended));
        }
        if reader.chain != snapshot.chain {
            let (name, at) = (reader.found[reader.current].name.clone(), reader.at as u64);
            return Err(lost(snapshot.sequence, &name, at, Damage::Chain));
        }
        Ok(reader)
    }

    /// The first segment before the one that was opened whose file is not there. What is read does not need
    /// it; who reads from the beginning does.
    #[must_use]
    pub fn missing_before(&self) -> Option<String> {
        let start = self.found[self.current].segment;
        let is_there = |segment: &u64| self.found.iter().any(|found| found.segment == *segment);
        (0..start).find(|segment| !is_there(segment)).map(segment_name)
    }

    /// Whose stream this is.
    #[must_use]
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// The chain value after the record given last.
    #[must_use]
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// Number of the record that `next` would give, were there no `from`.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.next
    }

    /// What the seals read so far say.
    #[must_use]
    pub fn seals(&self) -> &Seals {
        &self.seals
    }

    /// Where the stream ends; known once `next` has given nothing.
    #[must_use]
    pub fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    /// The next record; nothing at the end.
    ///
    /// # Errors
    /// `Damaged` with the number of the first record that is not proved although it was durable.
    #[expect(clippy::should_implement_trait, reason = "a record borrows the reader")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, JournalError> {
        while self.tail.is_none() {
            if self.enter_next()? {
                continue;
            }
            let at = self.at;
            let checked = self.loaded.frame(at, &self.chain, self.next).and_then(|frame| {
                let own = frame.kind >= OWN_KINDS;
                let segment = self.found[self.current].segment;
                let check = || self.loaded.check_own(&frame, at, segment, self.stream, &self.chain);
                Ok((frame, if own { check()? } else { None }))
            });
            let frame = match checked {
                Ok((frame, signer)) => {
                    self.count_seal(&frame, signer);
                    frame
                }
                Err(damage) => {
                    self.end(damage)?;
                    continue;
                }
            };
            self.chain = frame.chain;
            self.at += frame.len;
            self.sealed = frame.kind == SEAL;
            self.compare_with_slot(at)?;
            if frame.kind >= OWN_KINDS {
                continue;
            }
            self.next += 1;
            if frame.sequence < self.from {
                continue;
            }
            return Ok(Some(Record {
                sequence: frame.sequence,
                time: Nanos(frame.time),
                kind: frame.kind,
                lane: frame.lane,
                words: self.loaded.payload(at, frame.len),
            }));
        }
        Ok(None)
    }

    fn count_seal(&mut self, frame: &Frame, signer: Option<[u8; 32]>) {
        self.seals.count += u64::from(frame.kind == SEAL);
        self.seals.signed += u64::from(signer.is_some());
        if let Some(key) = signer.filter(|key| !self.seals.keys.contains(key)) {
            self.seals.keys.push(key);
        }
    }

    /// Moves on when the next segment's header says that the stream went on from just here.
    fn enter_next(&mut self) -> Result<bool, JournalError> {
        let Some(header) = self.following() else { return Ok(false) };
        if header.first != self.next || header.chain != self.chain {
            return Ok(false);
        }
        self.load(self.current + 1)?;
        Ok(true)
    }

    /// The header of the segment after this one.
    fn following(&self) -> Option<Header> {
        let expected = self.found[self.current].segment + 1;
        let next = self.found.get(self.current + 1).filter(|next| next.segment == expected)?;
        next.header.filter(|header| header.stream == self.stream)
    }

    fn load(&mut self, index: usize) -> Result<(), JournalError> {
        let found = &self.found[index];
        let (segment, name) = (found.segment, found.name.clone());
        let file = self.disk.open(&name)?;
        let result = self.loaded.load(&mut *self.disk, file);
        self.disk.close(file);
        result?;
        let Some(header) = found.header else {
            return Err(lost(self.next, &name, 0, Damage::Header));
        };
        let starts =
            segment > 0 || (header.first == 1 && header.chain == Chain::start(self.stream));
        if !starts || header.stream != self.stream {
            return Err(lost(self.next, &name, 0, Damage::Header));
        }
        (self.current, self.at, self.sealed) = (index, RECORDS_AT, false);
        self.slot = self.loaded.slot(segment, self.stream);
        Ok(())
    }

    /// Where the newest slot was written the chain must have come to what it says: no later record may
    /// be there to tell.
    fn compare_with_slot(&mut self, record_at: usize) -> Result<(), JournalError> {
        let Some(slot) = self.slot.filter(|slot| slot.end <= self.at as u64) else { return Ok(()) };
        if slot.end != self.at as u64 || slot.tag != self.chain.tag() {
            let name = &self.found[self.current].name;
            return Err(lost(slot.committed, name, record_at as u64, Damage::Chain));
        }
        self.slot = None;
        Ok(())
    }

    /// No record follows here: is this the end, or is something gone?
    fn end(&mut self, damage: Damage) -> Result<(), JournalError> {
        let (here, later) = (&self.found[self.current], &self.found[self.current + 1..]);
        let (segment, name) = (here.segment, here.name.clone());
        if let Some(after) = later.first() {
            // The stream went on after this segment, and not from here.
            return Err(if after.segment != segment + 1 {
                lost(self.next, &segment_name(segment + 1), 0, Damage::Missing)
            } else if after.header.is_none_or(|header| header.stream != self.stream) {
                lost(self.next, &after.name, 0, Damage::Header)
            } else {
                lost(self.next, &name, self.at as u64, damage)
            });
        }
        let marked = self.loaded.marked(segment, self.stream, self.at);
        let committed = marked.max(self.slot.map(|slot| slot.committed));
        if committed.is_some_and(|committed| committed >= self.next) {
            return Err(lost(self.next, &name, self.at as u64, damage));
        }
        let quiet = match damage {
            Damage::Ended => true,
            Damage::Blank => self.loaded.bytes()[self.at..].iter().all(|byte| *byte == 0),
            _ => false,
        };
        let offset = self.at as u64;
        self.tail = Some(Tail {
            stream: self.stream,
            segment,
            end: offset,
            next: self.next,
            chain: self.chain,
            sealed: self.sealed,
            dropped: (!quiet).then_some(TornTail { file: name, offset, damage }),
        });
        Ok(())
    }
}

fn lost(record: u64, file: &str, offset: u64, damage: Damage) -> JournalError {
    JournalError::Damaged { record, file: file.to_owned(), offset, damage }
}

/// The segments of the folder in their order, with the headers that can be believed.
fn find(disk: &mut dyn Disk) -> Result<Vec<Found>, JournalError> {
    let mut found = Vec::new();
    for entry in disk.list()? {
        let Some(segment) = segment_of(&entry.name) else { continue };
        let mut block = [0; RECORDS_AT];
        let file = disk.open(&entry.name)?;
        let read = disk.read(file, 0, &mut block);
        disk.close(file);
        let header = Header::read(&block[..read?]).filter(|header| header.segment == segment);
        if let Some(Header { version, .. }) = header.filter(|h| h.version != FORMAT_VERSION) {
            return Err(JournalError::Version { file: entry.name, version });
        }
        found.push(Found { segment, name: entry.name, header });
    }
    found.sort_by_key(|found| found.segment);
    Ok(found)
}
