//! `bot4 audit verify`: every record against its checksum, the chain, its number, and its own layout.
//!
//! Says how far each lane's journal can be trusted, and the exit code says whether that is all of it.
//! A torn tail (what a killed process was writing) is no fault: no record of it was ever durable.

use super::{AuditError, lane_folders};
use crate::host::disk::{self, Access, Disk, DiskKind};
use crate::journal::{JournalError, Reader, Seals, Snapshot, newest_snapshot};
use crate::record::{Entry, Scratch};
use clap::Args;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `bot4 audit verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Folder of the run
    run: PathBuf,
    /// Ed25519 public key (64 hexadecimal digits) that must have signed every finished segment
    #[arg(long, value_name = "HEX", value_parser = key_of)]
    key: Option<PublicKey>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// An Ed25519 public key.
type PublicKey = [u8; 32];

/// What was found; keys are stable.
#[derive(Debug, Serialize)]
struct RunVerdict {
    ok: bool,
    /// Records that can be trusted, over all lanes.
    records: u64,
    /// Number of the first record that cannot, in the first lane that has one.
    first_bad: Option<u64>,
    lanes: Vec<LaneVerdict>,
}

/// One lane's.
#[derive(Debug, Serialize)]
struct LaneVerdict {
    folder: String,
    ok: bool,
    records: u64,
    first_bad: Option<u64>,
    /// What is wrong and where, in words.
    fault: Option<String>,
    /// Whether the last life ended as it should.
    ended: bool,
    /// Chain value after the last record, for comparison with a copy kept elsewhere.
    chain: Option<String>,
    /// What was dropped behind the last record.
    torn_tail: Option<String>,
    seals: u64,
    signed_seals: u64,
    /// Snapshots that do not check out; recovery passes them over.
    bad_snapshots: Vec<String>,
}

pub(super) fn run(args: &VerifyArgs, out: &mut impl Write) -> Result<(), AuditError> {
    let mut lanes = Vec::new();
    for folder in lane_folders(&args.run)? {
        lanes.push(verify_lane(&folder, args.key.as_ref())?);
    }
    let bad = lanes.iter().filter(|lane| !lane.ok).count();
    let verdict = RunVerdict {
        ok: bad == 0,
        records: lanes.iter().map(|lane| lane.records).sum(),
        first_bad: lanes.iter().find_map(|lane| lane.first_bad),
        lanes,
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &verdict)?;
        writeln!(out)?;
    } else {
        verdict.lanes.iter().try_for_each(|lane| print_lane(lane, out))?;
    }
    if bad > 0 {
        out.flush()?;
        return Err(AuditError::NotTrusted { bad, lanes: verdict.lanes.len() });
    }
    Ok(())
}

fn verify_lane(folder: &Path, key: Option<&[u8; 32]>) -> Result<LaneVerdict, AuditError> {
    let mut disk = disk::open(DiskKind::Plain, folder, Access::Read)?;
    let (snapshot, bad_snapshots) = newest_snapshot(&mut *disk)?;
    let mut verdict = LaneVerdict {
        folder: folder.display().to_string(),
        ok: true,
        records: 0,
        first_bad: None,
        fault: None,
        ended: false,
        chain: None,
        torn_tail: None,
        seals: 0,
        signed_seals: 0,
        bad_snapshots,
    };
    let fault = match follow(&mut *disk, &mut verdict) {
        Ok(seals) => missing(&mut verdict, snapshot.as_ref()).or_else(|| unsigned(&seals, key)),
        Err(Fault::Journal(JournalError::Disk(error))) => return Err(error.into()),
        Err(Fault::Journal(error @ JournalError::Damaged { record, .. })) => {
            verdict.first_bad = Some(record);
            Some(error.to_string())
        }
        Err(Fault::Journal(error)) => Some(error.to_string()),
        Err(Fault::Entry(record, error)) => {
            verdict.first_bad = Some(record);
            Some(format!("record {record}: {error}"))
        }
    };
    verdict.ok = fault.is_none();
    verdict.fault = fault;
    Ok(verdict)
}

enum Fault {
    Journal(JournalError),
    Entry(u64, String),
}

/// Reads the whole stream; what was found before a fault stays in `verdict`.
fn follow(disk: &mut dyn Disk, verdict: &mut LaneVerdict) -> Result<Seals, Fault> {
    let mut reader = Reader::open(disk, 1).map_err(Fault::Journal)?;
    let mut scratch = Scratch::new();
    let mut said_so = false;
    while let Some(record) = reader.next().map_err(Fault::Journal)? {
        let entry = Entry::read(record.kind, record.words, &mut scratch)
            .map_err(|error| Fault::Entry(record.sequence, error.to_string()))?;
        said_so = matches!(entry, Entry::End);
        verdict.records += 1;
    }
    verdict.chain = Some(format!("{:?}", reader.chain()));
    let seals = reader.seals().clone();
    (verdict.seals, verdict.signed_seals) = (seals.count, seals.signed);
    if let Some(tail) = reader.tail() {
        verdict.ended = tail.sealed && said_so;
        verdict.torn_tail = tail
            .dropped
            .as_ref()
            .map(|torn| format!("{}, byte {}: {}", torn.file, torn.offset, torn.damage));
    }
    Ok(seals)
}

/// What a snapshot stands for and the log has no more: a segment that was taken from its end.
fn missing(verdict: &mut LaneVerdict, snapshot: Option<&Snapshot>) -> Option<String> {
    let promised = snapshot?.sequence;
    let records = verdict.records;
    (promised > records).then(|| {
        verdict.first_bad = Some(records + 1);
        format!("records {} to {promised} are missing; a snapshot stands for them", records + 1)
    })
}

/// What is missing for every seal to be signed by the key asked for.
fn unsigned(seals: &Seals, key: Option<&[u8; 32]>) -> Option<String> {
    let key = key?;
    if seals.signed < seals.count {
        let missing = seals.count - seals.signed;
        return Some(format!("{missing} of {} finished segments carry no signature", seals.count));
    }
    let other = seals.keys.iter().find(|signer| *signer != key)?;
    Some(format!("a segment was signed by another key: {}", hex(other)))
}

fn print_lane(lane: &LaneVerdict, out: &mut impl Write) -> std::io::Result<()> {
    let LaneVerdict { folder, records, seals, signed_seals, .. } = lane;
    match &lane.fault {
        None => writeln!(out, "{folder}: {records} records, all as written")?,
        Some(fault) => writeln!(out, "{folder}: {records} records as written, then: {fault}")?,
    }
    if let Some(chain) = &lane.chain {
        let end = if lane.ended { "ended as it should" } else { "still written, or killed" };
        writeln!(out, "  {end}; {seals} segments sealed, {signed_seals} signed; chain {chain}")?;
    }
    if let Some(torn) = &lane.torn_tail {
        writeln!(out, "  torn tail, never durable, left out: {torn}")?;
    }
    for name in &lane.bad_snapshots {
        writeln!(out, "  {name} does not check out and would be passed over")?;
    }
    Ok(())
}

fn key_of(text: &str) -> Result<PublicKey, String> {
    let mut key = [0; 32];
    if text.len() != 2 * key.len() || !text.bytes().all(|of| of.is_ascii_hexdigit()) {
        return Err("a public key has 64 hexadecimal digits".to_owned());
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|of| of.to_string())?;
    }
    Ok(key)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_or_refused() {
        let text = "00ff".repeat(16);
        let key = key_of(&text).expect("a key");
        assert_eq!(hex(&key), text);
        for bad in ["", "00", &"0g".repeat(32), &"é".repeat(32), &"+1".repeat(32)] {
            assert!(key_of(bad).is_err(), "{bad}");
        }
    }
}
