//! Where every byte of a journal stands: segments, headers, commit slots, records.
//!
//! ```text
//! segment file NNNNNNNN.log (NNNNNNNN.new until its header is durable):
//! preallocated to its length, little-endian, records back to back
//!
//!      0  header, written once                   512, 1 024  commit slots, written in turn
//!         0  "BOT4JRNL"                             0  "BOT4CMIT"
//!         8  version u32, lane u16, 0 u16           8  last record that is durable u64
//!        16  stream u128                           16  segment u64
//!        32  segment u64                           24  stream u128
//!        40  number of its first record u64        40  zeros
//!        48  length of the file u64                60  CRC32C of bytes 0..60
//!        56  chain value before it, 32 bytes       64  zeros
//!        88  zeros                            1 088  zeros
//!       124  CRC32C of bytes 0..124
//!       128  zeros                            4 096  records, then zeros
//!
//! record: a multiple of eight bytes
//!      0  CRC32C of bytes 4..length u32
//!      4  length u32
//!      8  chain tag: the first 8 bytes of the chain value after this record
//!     16  number u64
//!     24  time u64
//!     32  kind u16, lane u16, 0 u32
//!     40  payload
//! ```
//!
//! The chain value after a record is BLAKE3 over its bytes 16..length, keyed with the chain value
//! before it; the first one is derived from stream and lane. So a record that was changed, left out or
//! moved breaks the tag where it happened, even if its checksum was made good. Eight bytes of the value
//! stand in each record to say *which*; whoever forges one of them (2^64 tries) breaks the next. Who
//! can rewrite the whole file can rewrite the whole chain: against that stands the signature of a seal.
//!
//! Numbers count entries over the whole stream, from 1. The journal's own records carry the number of
//! the entry before them:
//!
//! * *commit marker*, written after the sync that made its `committed` entries durable: damage to one
//!   of those is damage, not a torn tail. Payload: committed u64, segment u64, its own offset u64,
//!   stream u128, chain value before it, 32 bytes. The commit slots say the same at a fixed place, so
//!   that a file cut short is noticed too, and name the tag there, so that the last record is not
//!   without a successor that would tell of its change.
//! * *seal*, the last record of a finished segment. Payload: 1 if signed u64, chain value before it 32,
//!   public key 32, Ed25519 signature 64 over [`seal_message`].
//!
//! A segment's header names the number and the chain value that the one before must have come to: it
//! commits all of it, and what lies behind that point there (a torn tail of an earlier life) is void.

use std::fmt;

/// Version of this layout.
pub const FORMAT_VERSION: u32 = 1;
/// First words of a segment.
pub const HEADER_MAGIC: [u8; 8] = *b"BOT4JRNL";
/// First words of a commit slot.
pub const SLOT_MAGIC: [u8; 8] = *b"BOT4CMIT";
/// Bytes of a header.
pub const HEADER_LEN: usize = 128;
/// Where the commit slots stand: in sectors of their own, so that tearing one spares the other.
pub const SLOTS_AT: [usize; 2] = [512, 1_024];
/// Bytes of a commit slot.
pub const SLOT_LEN: usize = 64;
/// Where records start: the block before is rewritten at every commit, theirs are not.
pub const RECORDS_AT: usize = 4_096;
/// Bytes of a record before its payload.
pub const RECORD_HEAD: usize = 40;
/// Kinds from here on are the journal's own.
pub const OWN_KINDS: u16 = 0xFF00;
/// Kind of a commit marker.
pub const COMMIT: u16 = 0xFF01;
/// Kind of a seal.
pub const SEAL: u16 = 0xFF02;
/// Bytes of a commit marker.
pub const COMMIT_LEN: usize = RECORD_HEAD + 72;
/// Bytes of a seal.
pub const SEAL_LEN: usize = RECORD_HEAD + 136;
/// Room that entries leave at the end of a segment for the last marker and the seal.
pub const CLOSING_LEN: usize = COMMIT_LEN + SEAL_LEN;

/// Which stream: the run and the lane that writes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream {
    /// The run.
    pub run: u128,
    /// The lane.
    pub lane: u16,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {:032x} lane {}", self.run, self.lane)
    }
}

/// The chain value after a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Chain(pub [u8; 32]);

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Chain {
    /// The value before the first record of a stream.
    #[must_use]
    pub fn start(stream: Stream) -> Chain {
        let mut bytes = [0; 18];
        bytes[..16].copy_from_slice(&stream.run.to_le_bytes());
        bytes[16..].copy_from_slice(&stream.lane.to_le_bytes());
        Chain(blake3::derive_key("bot4 2026-11 journal chain", &bytes))
    }

    /// The value after a record, given its bytes from 16 on.
    #[must_use]
    pub fn after(&self, hashed: &[u8]) -> Chain {
        Chain(*blake3::keyed_hash(&self.0, hashed).as_bytes())
    }

    /// What stands in the record.
    #[must_use]
    pub fn tag(&self) -> u64 {
        u64_at(&self.0, 0)
    }
}

/// Where a record is going, and what it says besides its payload.
#[derive(Clone, Copy, Debug)]
pub struct RecordHead {
    /// Number of the entry (or of the one before, for the journal's own).
    pub sequence: u64,
    /// Its time.
    pub time: u64,
    /// Its kind.
    pub kind: u16,
    /// The lane.
    pub lane: u16,
}

/// Appends a record to `out`; returns the chain value after it.
#[inline]
pub fn append(out: &mut Vec<u8>, chain: &Chain, head: &RecordHead, payload: &[u8]) -> Chain {
    debug_assert_eq!(payload.len() % 8, 0, "Invariant: payloads are whole words");
    let start = out.len();
    let mut bytes = [0; RECORD_HEAD];
    bytes[4..8].copy_from_slice(&((RECORD_HEAD + payload.len()) as u32).to_le_bytes());
    bytes[16..24].copy_from_slice(&head.sequence.to_le_bytes());
    bytes[24..32].copy_from_slice(&head.time.to_le_bytes());
    bytes[32..34].copy_from_slice(&head.kind.to_le_bytes());
    bytes[34..36].copy_from_slice(&head.lane.to_le_bytes());
    out.extend_from_slice(&bytes);
    out.extend_from_slice(payload);
    let record = &mut out[start..];
    let next = chain.after(&record[16..]);
    record[8..16].copy_from_slice(&next.tag().to_le_bytes());
    let crc = crc32c::crc32c(&record[4..]);
    record[..4].copy_from_slice(&crc.to_le_bytes());
    next
}

/// The payload of a commit marker that will stand at `offset` of `segment`.
#[must_use]
pub fn commit_payload(
    committed: u64,
    segment: u64,
    offset: u64,
    stream: Stream,
    chain: &Chain,
) -> [u8; COMMIT_LEN - RECORD_HEAD] {
    let mut bytes = [0; COMMIT_LEN - RECORD_HEAD];
    bytes[..8].copy_from_slice(&committed.to_le_bytes());
    bytes[8..16].copy_from_slice(&segment.to_le_bytes());
    bytes[16..24].copy_from_slice(&offset.to_le_bytes());
    bytes[24..40].copy_from_slice(&stream.run.to_le_bytes());
    bytes[40..].copy_from_slice(&chain.0);
    bytes
}

/// What the signature of a seal signs.
#[must_use]
pub fn seal_message(stream: Stream, segment: u64, sequence: u64, chain: &Chain) -> Vec<u8> {
    let mut bytes = b"bot4 journal segment".to_vec();
    bytes.extend_from_slice(&stream.run.to_le_bytes());
    bytes.extend_from_slice(&stream.lane.to_le_bytes());
    bytes.extend_from_slice(&segment.to_le_bytes());
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(&chain.0);
    bytes
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the layout.
    pub version: u32,
    /// Whose.
    pub stream: Stream,
    /// Number of the segment, from 0.
    pub segment: u64,
    /// Number of its first entry.
    pub first: u64,
    /// Length of the file while it is written.
    pub len: u64,
    /// Chain value before its first record.
    pub chain: Chain,
}

impl Header {
    /// The block before the records, with empty commit slots.
    #[must_use]
    pub fn block(&self) -> [u8; RECORDS_AT] {
        let mut bytes = [0; RECORDS_AT];
        bytes[..8].copy_from_slice(&HEADER_MAGIC);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.stream.lane.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.stream.run.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.segment.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.first.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.len.to_le_bytes());
        bytes[56..88].copy_from_slice(&self.chain.0);
        let crc = crc32c::crc32c(&bytes[..HEADER_LEN - 4]);
        bytes[HEADER_LEN - 4..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads what `block` wrote; nothing when a single byte outside the slots is not what it was.
    #[must_use]
    pub fn read(block: &[u8]) -> Option<Header> {
        let bytes = block.get(..RECORDS_AT)?;
        let right = bytes[..8] == HEADER_MAGIC
            && u32_at(bytes, HEADER_LEN - 4) == crc32c::crc32c(&bytes[..HEADER_LEN - 4]);
        let blank = |range: std::ops::Range<usize>| bytes[range].iter().all(|byte| *byte == 0);
        let [a, b] = SLOTS_AT;
        let quiet =
            blank(HEADER_LEN..a) && blank(a + SLOT_LEN..b) && blank(b + SLOT_LEN..RECORDS_AT);
        let version = u32_at(bytes, 8);
        // what a later version keeps between the slots is its own
        (right && (quiet || version != FORMAT_VERSION)).then(|| Header {
            version,
            stream: Stream { run: u128_at(bytes, 16), lane: u16_at(bytes, 12) },
            segment: u64_at(bytes, 32),
            first: u64_at(bytes, 40),
            len: u64_at(bytes, 48),
            chain: Chain(std::array::from_fn(|at| bytes[56 + at])),
        })
    }
}

/// What a commit slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The last entry that is durable.
    pub committed: u64,
    /// Byte of the segment behind what was durable with it.
    pub end: u64,
    /// Chain tag there.
    pub tag: u64,
}

impl Slot {
    /// Its bytes, in a segment of a stream.
    #[must_use]
    pub fn bytes(&self, segment: u64, stream: Stream) -> [u8; SLOT_LEN] {
        let mut bytes = [0; SLOT_LEN];
        bytes[..8].copy_from_slice(&SLOT_MAGIC);
        bytes[8..16].copy_from_slice(&self.committed.to_le_bytes());
        bytes[16..24].copy_from_slice(&segment.to_le_bytes());
        bytes[24..40].copy_from_slice(&stream.run.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.end.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.tag.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..SLOT_LEN - 4]);
        bytes[SLOT_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// What a slot of this segment says; nothing when it is empty, torn or another's.
    #[must_use]
    pub fn read(bytes: &[u8], segment: u64, stream: Stream) -> Option<Slot> {
        let bytes = bytes.get(..SLOT_LEN)?;
        let right = bytes[..8] == SLOT_MAGIC
            && u32_at(bytes, SLOT_LEN - 4) == crc32c::crc32c(&bytes[..SLOT_LEN - 4])
            && u64_at(bytes, 16) == segment
            && u128_at(bytes, 24) == stream.run;
        right.then(|| Slot {
            committed: u64_at(bytes, 8),
            end: u64_at(bytes, 40),
            tag: u64_at(bytes, 48),
        })
    }
}

/// Name of a segment's file.
#[must_use]
pub fn segment_name(segment: u64) -> String {
    format!("{segment:08}.log")
}

/// Name of a segment's file while it has room and no header yet.
#[must_use]
pub fn unborn_name(segment: u64) -> String {
    format!("{segment:08}.new")
}

/// The segment that a file name names.
#[must_use]
pub fn segment_of(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".log").filter(|digits| digits.len() >= 8)?.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

pub(super) fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(array(bytes, at))
}
