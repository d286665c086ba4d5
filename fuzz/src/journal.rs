//! The journal: entries, segments, snapshots and saved states, from any bytes.

use super::Bytes;
use super::market::instruments;
use bot4::host::disk::{Busy, Completion, Disk, DiskError, FileEntry, FileId, Operation, Ticket};
use bot4::host::net::Wait;
use bot4::hot::lane::{Lane, LaneConfig};
use bot4::journal::format::{
    COMMIT, Header, RECORDS_AT, RecordHead, SLOTS_AT, Slot, append, commit_payload, segment_name,
};
use bot4::journal::{Chain, FORMAT_VERSION, JournalError, Reader, Snapshot, Stream};
use bot4::record::{Entry, Scratch, Tape, TapeError};
use bot4::units::LaneId;
use bot4::venue::binance::Family;

const STREAM: Stream = Stream { run: 0x0B07_4B07, lane: 3 };
/// Bytes of a fuzzed segment's file.
const SEGMENT_LEN: u64 = 16 * 1_024;
/// Records of one input, in all segments.
const RECORDS_MAX: usize = 64;

/// A kind and words: what reads well is exactly what writing the result gives.
pub fn entry(data: &[u8]) -> bool {
    let Some((kind, rest)) = data.split_first_chunk::<2>() else { return false };
    let kind = u16::from_le_bytes(*kind);
    let (chunks, _) = rest.as_chunks::<8>();
    let words: Vec<u64> = chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect();
    let mut scratch = Scratch::new();
    match Entry::read(kind, &words, &mut scratch) {
        Ok(entry) => {
            assert_eq!((entry.kind().code(), entry.words()), (kind, words.len()), "{entry:?}");
            let mut again = vec![u64::MAX; words.len()];
            entry.write(&mut again);
            assert_eq!(again, words, "{entry:?}");
            true
        }
        Err(error) => {
            assert!(error.offset <= words.len() * 8, "{error} of {} words", words.len());
            false
        }
    }
}

/// A disk that is read and not written.
struct Shelf(Vec<(String, Vec<u8>)>);

impl Shelf {
    fn bytes(&self, file: FileId) -> Result<&[u8], DiskError> {
        let missing = || DiskError::Missing { what: "use", file: format!("{file:?}") };
        self.0.get(file.0 as usize).map(|(_, bytes)| bytes.as_slice()).ok_or_else(missing)
    }
}

impl Disk for Shelf {
    fn submit(&mut self, operation: Operation) -> Result<Ticket, Busy> {
        Err(Busy(operation))
    }

    fn poll(&mut self, _: Wait) -> Option<Completion> {
        None
    }

    fn in_flight(&self) -> usize {
        0
    }

    fn list(&mut self) -> Result<Vec<FileEntry>, DiskError> {
        let entry = |(name, bytes): &(String, Vec<u8>)| FileEntry {
            name: name.clone(),
            len: bytes.len() as u64,
        };
        let mut entries: Vec<FileEntry> = self.0.iter().map(entry).collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn open(&mut self, name: &str) -> Result<FileId, DiskError> {
        let missing = || DiskError::Missing { what: "open", file: name.to_owned() };
        let at = self.0.iter().position(|(known, _)| known == name).ok_or_else(missing)?;
        Ok(FileId(at as u32))
    }

    fn close(&mut self, _: FileId) {}

    fn length(&mut self, file: FileId) -> Result<u64, DiskError> {
        self.bytes(file).map(|bytes| bytes.len() as u64)
    }

    fn read(&mut self, file: FileId, at: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let bytes = self.bytes(file)?;
        let rest = bytes.get(at as usize..).unwrap_or_default();
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn free_space(&mut self) -> Result<u64, DiskError> {
        Ok(0)
    }

    fn describe(&self) -> String {
        "a shelf of fuzzed files".to_owned()
    }
}

/// A record as it was written: its number, kind and payload.
type Written = (u64, u16, Vec<u64>);

/// A stream under construction, honest until it is told otherwise.
struct Draft {
    files: Vec<(String, Vec<u8>)>,
    segment: u64,
    next: u64,
    chain: Chain,
    written: Vec<Written>,
    /// The last entry that a marker of an intact stretch covers.
    committed: u64,
    /// Entries of this segment that no marker covers: a writer marks some or nothing.
    unmarked: usize,
    /// Whether something that is no record stands before the end.
    spoiled: bool,
}

impl Draft {
    fn new() -> Draft {
        let mut draft = Draft {
            files: Vec::new(),
            segment: 0,
            next: 1,
            chain: Chain::start(STREAM),
            written: Vec::new(),
            committed: 0,
            unmarked: 0,
            spoiled: false,
        };
        draft.begin();
        draft
    }

    fn begin(&mut self) {
        let header = Header {
            version: FORMAT_VERSION,
            stream: STREAM,
            segment: self.segment,
            first: self.next,
            len: SEGMENT_LEN,
            chain: self.chain,
        };
        self.files.push((segment_name(self.segment), header.block().to_vec()));
    }

    fn file(&mut self) -> &mut Vec<u8> {
        &mut self.files.last_mut().expect("one is begun").1
    }

    fn record(&mut self, kind: u16, payload: &[u64]) {
        let head = RecordHead { sequence: self.next, time: self.next * 7, kind, lane: STREAM.lane };
        let chain = self.chain;
        self.chain = append(self.file(), &chain, &head, bytemuck::cast_slice(payload));
        self.written.push((self.next, kind, payload.to_vec()));
        self.next += 1;
        self.unmarked += 1;
    }

    fn commit(&mut self) {
        if self.unmarked == 0 {
            return;
        }
        self.unmarked = 0;
        let (committed, segment, chain) = (self.next - 1, self.segment, self.chain);
        let at = self.file().len() as u64;
        let payload = commit_payload(committed, segment, at, STREAM, &chain);
        let head = RecordHead { sequence: committed, time: 0, kind: COMMIT, lane: STREAM.lane };
        let slot = Slot { committed, end: at, tag: chain.tag() }.bytes(segment, STREAM);
        self.chain = append(self.file(), &chain, &head, &payload);
        self.file()[SLOTS_AT[0]..][..slot.len()].copy_from_slice(&slot);
        if !self.spoiled {
            self.committed = committed;
        }
    }
}

/// A script: the head plans the harm, then records, markers, new segments, and things that are no
/// records. What is read is a prefix of what was written, as far as was committed, or a refusal.
pub fn segments(data: &[u8]) -> bool {
    let mut bytes = Bytes(data);
    let (harm, place) = (bytes.byte(), bytes.word());
    let mut draft = Draft::new();
    while !bytes.is_empty() && draft.written.len() < RECORDS_MAX {
        match bytes.byte() {
            0..=0x7F => {
                let kind = u16::from(bytes.byte() % 40);
                let payload: Vec<u64> = (0..bytes.byte() % 6).map(|_| bytes.word()).collect();
                draft.record(kind, &payload);
            }
            0x80..=0xBF => draft.commit(),
            0xC0..=0xCF if draft.file().len() > RECORDS_AT => {
                draft.commit();
                draft.segment += 1;
                draft.begin();
            }
            0xC0..=0xCF => {}
            0xD0..=0xEF => {
                let len = usize::from(bytes.byte());
                let stray = bytes.take(len);
                draft.spoiled |= !stray.is_empty();
                draft.file().extend_from_slice(stray);
            }
            _ => {
                // Whole and checked, but of another stream: its chain began elsewhere.
                let chain = Chain::start(Stream { run: 1, lane: 3 });
                let head = RecordHead { sequence: draft.next, time: 0, kind: 1, lane: 3 };
                append(draft.file(), &chain, &head, &[]);
                draft.spoiled = true;
            }
        }
    }
    let Draft { mut files, written, committed, spoiled, .. } = draft;
    for (_, file) in &mut files {
        let len = (file.len() as u64).max(SEGMENT_LEN);
        file.resize(len as usize, 0);
    }
    let harmed = harm_files(harm, place, &mut files);
    let (read, outcome) = read_all(files);
    assert!(written.starts_with(&read), "{read:?} was never written");
    match outcome {
        Ok(()) => {
            assert!(harmed == Harmed::Much || read.len() as u64 >= committed, "committed is lost");
            assert!(spoiled || harmed != Harmed::Nothing || read == written, "the end is lost");
        }
        Err(error) => {
            assert!(harmed != Harmed::Nothing || spoiled, "an honest stream is refused: {error}");
            if let JournalError::Damaged { record, .. } = error {
                assert!(record <= written.len() as u64 + 1, "record {record} of {}", written.len());
            }
        }
    }
    !read.is_empty()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Harmed {
    Nothing,
    /// One bit: what was committed is there, or its loss is noticed.
    OneBit,
    /// Files cut, gone or of odd names.
    Much,
}

fn harm_files(harm: u8, place: u64, files: &mut Vec<(String, Vec<u8>)>) -> Harmed {
    let which = (place >> 56) as usize % files.len();
    let at = (place & 0xFFFF) as usize % (RECORDS_AT + 4_096);
    match harm % 8 {
        1 | 2 => {
            // Among the records and the slots; the reader is told by name what a header says.
            let file = &mut files[which].1;
            file[at] ^= 1 << (place >> 32 & 7);
            Harmed::OneBit
        }
        3 => {
            files[which].1.truncate(at);
            Harmed::Much
        }
        4 => {
            files.remove(which);
            Harmed::Much
        }
        5 => {
            files[which].0 = segment_name(u64::MAX - (place & 1));
            Harmed::Much
        }
        6 => {
            files.push(("00000001.new".to_owned(), vec![0; 100]));
            Harmed::Much
        }
        _ => Harmed::Nothing,
    }
}

fn read_all(files: Vec<(String, Vec<u8>)>) -> (Vec<Written>, Result<(), JournalError>) {
    let mut shelf = Shelf(files);
    let mut read = Vec::new();
    let mut reader = match Reader::open(&mut shelf, 1) {
        Ok(reader) => reader,
        Err(error) => return (read, Err(error)),
    };
    loop {
        match reader.next() {
            Ok(Some(record)) => read.push((record.sequence, record.kind, record.words.to_vec())),
            Ok(None) => {
                let tail = reader.tail().expect("known at the end");
                assert_eq!(tail.next, read.len() as u64 + 1, "the next writer goes on from here");
                return (read, Ok(()));
            }
            Err(error) => {
                assert!(!error.to_string().is_empty(), "a refusal says why");
                return (read, Err(error));
            }
        }
    }
}

/// The first byte: whether the checksums are made good; the rest is a snapshot's file. What reads well
/// is exactly what writing the result gives.
pub fn snapshot(data: &[u8]) -> bool {
    let Some((first, file)) = data.split_first() else { return false };
    let mut file = file.to_vec();
    if first & 1 == 1 && file.len() >= SNAPSHOT_HEAD {
        let body = crc32c::crc32c(&file[SNAPSHOT_HEAD..]);
        file[SNAPSHOT_HEAD - 8..SNAPSHOT_HEAD - 4].copy_from_slice(&body.to_le_bytes());
        let head = crc32c::crc32c(&file[..SNAPSHOT_HEAD - 4]);
        file[SNAPSHOT_HEAD - 4..SNAPSHOT_HEAD].copy_from_slice(&head.to_le_bytes());
    }
    let Some(snapshot) = Snapshot::from_file(&file) else { return false };
    assert_eq!(snapshot.to_file(), file, "{} bytes", file.len());
    true
}

/// Bytes of a snapshot's file before what was saved.
pub(crate) const SNAPSHOT_HEAD: usize = 128;

/// A lane's saved state: what loads is what saving the lane gives.
pub fn lane_state(data: &[u8]) -> bool {
    let mut lane = Lane::new(LANE, instruments(Family::UsdM));
    let mut tape = Tape::loading(data);
    lane.walk(&mut tape);
    match tape.finish() {
        Ok(()) => {
            assert_eq!(saved(&mut lane), data, "saved again it is another state");
            true
        }
        Err(TapeError::Long { left }) => {
            assert!(left < data.len());
            false
        }
        Err(error) => {
            assert!(!error.to_string().is_empty(), "a refusal says why");
            false
        }
    }
}

pub(crate) const LANE: LaneConfig = LaneConfig { lane: LaneId(0), family: Family::UsdM, epoch: 1 };

/// The state of a lane as a snapshot holds it.
pub(crate) fn saved(lane: &mut Lane) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut tape = Tape::saving(&mut bytes);
    lane.walk(&mut tape);
    tape.finish().expect("saving cannot fail");
    bytes
}
