//! `bot4 audit show`: one order's whole life out of the journal, with every time; or which orders there
//! are.
//!
//! For each question to the gate: the input that led to it, the Plan in force and since when, the book
//! it saw and how old that was, the answer. Then what the venue reported, and what else happened to the
//! lane while the order worked: commands, lost links, lives that ended. Nothing is inferred: every line
//! names the record it is from, and `--record` tells that one in full.

use super::life::{Context, Event, Life, Moment};
use super::{AuditError, lane_folders};
use crate::host::disk::{self, Access, Disk, DiskKind};
use crate::journal::{JournalError, Reader};
use crate::record::{Entry, Scratch};
use crate::units::OrderId;
use crate::venue::binance::orders::parse_client_id;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Orders listed when none is asked for.
const LISTED_MAX: usize = 100;

/// Arguments of `bot4 audit show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Folder of the run
    run: PathBuf,
    /// The order: its client id (b4_ and 16 hexadecimal digits), EPOCH:COUNTER, or the number of both;
    /// left out, the last orders are listed
    #[arg(long, value_name = "ID")]
    order: Option<OrderName>,
    /// One record in full, of each lane that has it: a frame as it came, a Plan with its limits
    #[arg(long, value_name = "N", conflicts_with = "order")]
    record: Option<u64>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// An order as a person names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OrderName(OrderId);

impl FromStr for OrderName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<OrderName, &'static str> {
        let both = text.split_once(':').and_then(|(epoch, counter)| {
            let (epoch, counter) = (epoch.parse().ok()?, counter.parse().ok()?);
            let order = OrderId::new(epoch, counter);
            ((order.epoch(), order.counter()) == (epoch, counter)).then_some(order)
        });
        let order =
            both.or_else(|| parse_client_id(text)).or_else(|| text.parse().map(OrderId).ok());
        order
            .map(OrderName)
            .ok_or("an order is b4_ and 16 hexadecimal digits, EPOCH:COUNTER or a number")
    }
}

/// The answer; keys are stable.
#[derive(Debug, Serialize)]
struct Shown {
    order: String,
    lane: String,
    #[serde(flatten)]
    life: Life,
}

/// What a list says of an order.
#[derive(Debug, Serialize)]
struct Listed {
    order: String,
    lane: String,
    first_record: u64,
    last_record: u64,
    events: usize,
    last: String,
}

/// One record in full; keys are stable.
#[derive(Debug, Serialize)]
struct Told {
    lane: String,
    #[serde(flatten)]
    at: Moment,
    kind: &'static str,
    text: String,
}

pub(super) fn run(args: &ShowArgs, out: &mut impl Write) -> Result<(), AuditError> {
    if let Some(number) = args.record {
        return tell(args, number, out);
    }
    let mut shown = Vec::new();
    let mut listed = Vec::new();
    for folder in lane_folders(&args.run)? {
        let mut disk = disk::open(DiskKind::Plain, &folder, Access::Read)?;
        let lane = lane_name(&folder);
        let lives = follow(&mut *disk, args.order.map(|name| name.0))
            .map_err(|cause| AuditError::Stream { folder: folder.clone(), cause })?;
        for (order, life) in lives {
            let order = client_id(order);
            match args.order {
                Some(_) => shown.push(Shown { order, lane: lane.clone(), life }),
                None => listed.extend(list(order, &lane, &life)),
            }
        }
    }
    match (args.order, shown.is_empty()) {
        (None, _) => print_list(&listed, args.json, out),
        (Some(name), true) => {
            Err(AuditError::NoOrder { run: args.run.clone(), order: client_id(name.0) })
        }
        (Some(_), false) => print_lives(&shown, args.json, out),
    }
}

/// Why a lane's stream cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record of another version.
    #[error("record {0}: {1}")]
    Entry(u64, crate::record::EntryError),
}

/// Prints record `number` of each lane.
fn tell(args: &ShowArgs, number: u64, out: &mut impl Write) -> Result<(), AuditError> {
    let mut told = Vec::new();
    for folder in lane_folders(&args.run)? {
        let mut disk = disk::open(DiskKind::Plain, &folder, Access::Read)?;
        let found = find_record(&mut *disk, number);
        let found = found.map_err(|cause| AuditError::Stream { folder: folder.clone(), cause })?;
        told.extend(found.map(|(at, kind, text)| Told {
            lane: lane_name(&folder),
            at,
            kind,
            text,
        }));
    }
    if told.is_empty() {
        return Err(AuditError::NoRecord { run: args.run.clone(), record: number });
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &serde_json::json!({ "records": told }))?;
        writeln!(out)?;
        return Ok(());
    }
    for Told { lane, at, kind, text } in &told {
        writeln!(out, "{lane} record {}  {}  {kind}\n{text}", at.record, at.wall)?;
    }
    Ok(())
}

/// When record `number` was written, its kind and all that it says.
fn find_record(
    disk: &mut dyn Disk,
    number: u64,
) -> Result<Option<(Moment, &'static str, String)>, FollowError> {
    // from the first one on: its wall time is known from the life it belongs to
    let mut reader = Reader::open(disk, 1)?;
    let mut scratch = Scratch::new();
    let mut context = Context::default();
    while let Some(record) = reader.next()? {
        let entry = Entry::read(record.kind, record.words, &mut scratch)
            .map_err(|error| FollowError::Entry(record.sequence, error))?;
        let at = context.moment(record.sequence, record.time, &entry);
        if record.sequence == number {
            let text = match &entry {
                Entry::RawFrame { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
                Entry::Note(words) => (*words).to_owned(),
                other => format!("{other:#?}"),
            };
            return Ok(Some((at, entry.kind().name(), text)));
        }
    }
    Ok(None)
}

/// The lives of the order asked for, or of all.
fn follow(
    disk: &mut dyn Disk,
    wanted: Option<OrderId>,
) -> Result<BTreeMap<OrderId, Life>, FollowError> {
    let mut reader = Reader::open(disk, 1)?;
    let mut scratch = Scratch::new();
    let mut context = Context::default();
    let mut lives: BTreeMap<OrderId, Life> = BTreeMap::new();
    while let Some(record) = reader.next()? {
        let entry = Entry::read(record.kind, record.words, &mut scratch)
            .map_err(|error| FollowError::Entry(record.sequence, error))?;
        let at = context.moment(record.sequence, record.time, &entry);
        for order in context.orders_of(&entry) {
            if wanted.is_none_or(|wanted| wanted == order) {
                let event = context.event(order, &at, &entry);
                lives.entry(order).or_default().push(event);
            }
        }
        if wanted.is_some()
            && let Some(event) = context.surroundings(&at, &entry)
        {
            // what happens to the lane happens to every order that works then
            lives.values_mut().filter(|life| life.works).for_each(|life| life.push(event.clone()));
        }
    }
    Ok(lives)
}

fn client_id(order: OrderId) -> String {
    let text = crate::venue::binance::orders::client_id(order);
    let text = String::from_utf8_lossy(&text);
    format!("{text} ({}:{})", order.epoch(), order.counter())
}

fn lane_name(folder: &Path) -> String {
    folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn list(order: String, lane: &str, life: &Life) -> Option<Listed> {
    let (first, last) = (life.events.first()?, life.events.last()?);
    Some(Listed {
        order,
        lane: lane.to_owned(),
        first_record: first.at.record,
        last_record: last.at.record,
        events: life.events.len(),
        last: last.text.clone(),
    })
}

fn print_list(listed: &[Listed], json: bool, out: &mut impl Write) -> Result<(), AuditError> {
    let recent = &listed[listed.len().saturating_sub(LISTED_MAX)..];
    if json {
        #[derive(Serialize)]
        struct List<'l> {
            orders: usize,
            listed: &'l [Listed],
        }
        let list = List { orders: listed.len(), listed: recent };
        serde_json::to_writer_pretty(&mut *out, &list)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(out, "{} orders, the last {}:", listed.len(), recent.len())?;
    for Listed { order, lane, first_record, last_record, events, last } in recent {
        writeln!(
            out,
            "{lane} {order}  records {first_record} to {last_record}, {events} events, last: {last}"
        )?;
    }
    Ok(())
}

fn print_lives(shown: &[Shown], json: bool, out: &mut impl Write) -> Result<(), AuditError> {
    if json {
        // one order is one object: lanes never share an epoch
        match shown {
            [one] => serde_json::to_writer_pretty(&mut *out, one)?,
            many => serde_json::to_writer_pretty(&mut *out, many)?,
        }
        writeln!(out)?;
        return Ok(());
    }
    for Shown { order, lane, life } in shown {
        writeln!(out, "order {order}, {lane}")?;
        let first = life.events.first().map(|event| &event.at);
        for Event { at, what, text, .. } in &life.events {
            let Moment { record, wall, .. } = at;
            let since = first.map_or(0, |first| at.wall_ns.saturating_sub(first.wall_ns));
            writeln!(out, "{record:>10}  {wall}  {:>12}  {what:<11} {text}", span(since))?;
        }
        let Life { sent_lots, filled_lots, fees, .. } = life;
        writeln!(out, "            {sent_lots} lots asked for, {filled_lots} filled, fees {fees}")?;
    }
    Ok(())
}

/// A span as a person reads it.
fn span(nanos: u64) -> String {
    match nanos {
        0..10_000 => format!("+{nanos} ns"),
        10_000..10_000_000 => format!("+{:.1} us", nanos as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("+{:.3} ms", nanos as f64 / 1e6),
        _ => format!("+{:.3} s", nanos as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_three_names() {
        let order = OrderId::new(7, 42);
        for text in ["7:42", "b4_000007000000002a", &order.0.to_string()] {
            assert_eq!(text.parse(), Ok(OrderName(order)), "{text}");
        }
        for bad in ["", "b4_7", "7:", "99999999:1", "x"] {
            assert!(bad.parse::<OrderName>().is_err(), "{bad}");
        }
    }
}
