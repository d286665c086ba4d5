//! `bot4 audit export`: the journal as Parquet tables, one file each, for whoever analyses runs.
//!
//! | table | a row is |
//! | --- | --- |
//! | levels | a level of a book change, a whole book, or a best bid or ask |
//! | trades | a trade of the market |
//! | judgements | a question to the gate, with the book and the Plan it was answered on |
//! | executions | a report of the venue on an order |
//! | events | anything else but timers: lives, instruments, plans, commands, links, notes, hashes |
//! | frames | a frame as it came, where the run was told to keep them |
//!
//! Every row has the lane, the record's number and its time, monotonic and of the wall. Prices and
//! sizes stand as steps (`price_ticks`, `lots`: exact) and as floating-point numbers in the venue's
//! units. Behind the cargo feature `parquet`, as few need it and it is large.

use clap::Args;
use std::path::PathBuf;

/// Arguments of `bot4 audit export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Folder of the run
    run: PathBuf,
    /// Folder for the tables; made if need be, tables of the same names are replaced
    #[arg(long, value_name = "DIR")]
    parquet: PathBuf,
}

/// Says how to get what is not built in.
#[cfg(not(feature = "parquet"))]
pub(super) fn run(
    args: &ExportArgs,
    _out: &mut impl std::io::Write,
) -> Result<(), super::AuditError> {
    let (run, folder) = (args.run.display(), args.parquet.display());
    Err(super::AuditError::NoParquet(format!(
        "cargo run --release --features parquet -- audit export {run} --parquet {folder}"
    )))
}

#[cfg(feature = "parquet")]
pub(super) use writing::run;

#[cfg(feature = "parquet")]
mod writing {
    use super::super::table::{Cell, Kind, Table, TableError};
    use super::super::{AuditError, lane_folders, show::FollowError};
    use super::ExportArgs;
    use crate::host::disk::{self, Access, DiskKind};
    use crate::journal::Reader;
    use crate::record::{
        Entry, ExecutionReport, Input, Instrument, Judgement, Level, Link, MarketEvent, Scratch,
    };
    use crate::units::{InstrumentId, Lots, Ticks, UnixNanos};
    use std::collections::BTreeMap;
    use std::io::Write;

    /// Columns that every table begins with.
    const WHERE: [(&str, Kind); 4] = [
        ("lane", Kind::Whole),
        ("record", Kind::Whole),
        ("time_ns", Kind::Whole),
        ("wall", Kind::Time),
    ];

    struct Tables {
        levels: Table,
        trades: Table,
        judgements: Table,
        executions: Table,
        events: Table,
        frames: Table,
    }

    /// What a row needs to know besides its entry.
    struct Place<'p> {
        head: [Cell<'static>; 4],
        instruments: &'p BTreeMap<InstrumentId, Instrument>,
    }

    pub(in super::super) fn run(args: &ExportArgs, out: &mut impl Write) -> Result<(), AuditError> {
        std::fs::create_dir_all(&args.parquet)
            .map_err(|cause| AuditError::Folder { run: args.parquet.clone(), cause })?;
        let mut tables = Tables::create(args)?;
        for folder in lane_folders(&args.run)? {
            let mut disk = disk::open(DiskKind::Plain, &folder, Access::Read)?;
            let failed = |cause: FollowError| AuditError::Stream { folder: folder.clone(), cause };
            let mut reader = Reader::open(&mut *disk, 1).map_err(|error| failed(error.into()))?;
            let mut scratch = Scratch::new();
            let mut instruments = BTreeMap::new();
            let mut wall_at_zero = UnixNanos(0);
            while let Some(record) = reader.next().map_err(|error| failed(error.into()))? {
                let entry = Entry::read(record.kind, record.words, &mut scratch)
                    .map_err(|error| failed(FollowError::Entry(record.sequence, error)))?;
                match &entry {
                    Entry::Begin(begin) => wall_at_zero = begin.wall_at_zero,
                    Entry::Instrument(instrument) => {
                        instruments.insert(instrument.id, *instrument);
                    }
                    _ => {}
                }
                let head = [
                    Cell::Whole(i64::from(record.lane)),
                    Cell::Whole(record.sequence as i64),
                    Cell::Whole(record.time.0 as i64),
                    Cell::Time(wall_at_zero.0.saturating_add(record.time.0) as i64),
                ];
                tables.take(&Place { head, instruments: &instruments }, &entry)?;
            }
        }
        for (name, rows) in tables.close()? {
            writeln!(out, "{}: {rows} rows", args.parquet.join(name).display())?;
        }
        Ok(())
    }

    impl Tables {
        fn create(args: &ExportArgs) -> Result<Tables, TableError> {
            use Kind::{Flag, Id, Real, Text, Time, Whole};
            let table = |name, columns: &[(&'static str, Kind)]| {
                Table::create(&args.parquet, name, &[&WHERE[..], columns].concat())
            };
            let quote = [("price_ticks", Whole), ("lots", Whole), ("price", Real), ("size", Real)];
            let with_quote = |before: &[(&'static str, Kind)], after: &[(&'static str, Kind)]| {
                [before, &quote, after].concat()
            };
            Ok(Tables {
                levels: table(
                    "levels",
                    &with_quote(
                        &[("symbol", Text), ("change", Text), ("update", Id), ("side", Text)],
                        &[("event_time", Time)],
                    ),
                )?,
                trades: table(
                    "trades",
                    &with_quote(
                        &[("symbol", Text), ("trade", Id), ("aggressor", Text)],
                        &[("aggregated", Flag), ("on_book", Flag), ("event_time", Time)],
                    ),
                )?,
                judgements: table(
                    "judgements",
                    &with_quote(
                        &[
                            ("symbol", Text),
                            ("input", Whole),
                            ("order", Id),
                            ("replaces", Id),
                            ("action", Text),
                            ("side", Text),
                            ("order_type", Text),
                            ("time_in_force", Text),
                            ("reduce_only", Flag),
                        ],
                        &[
                            ("verdict", Text),
                            ("level", Whole),
                            ("plan", Whole),
                            ("bid_ticks", Whole),
                            ("bid_lots", Whole),
                            ("ask_ticks", Whole),
                            ("ask_lots", Whole),
                            ("book_age_ns", Whole),
                        ],
                    ),
                )?,
                executions: table(
                    "executions",
                    &with_quote(
                        &[
                            ("symbol", Text),
                            ("kind", Text),
                            ("order", Id),
                            ("venue_order", Id),
                            ("side", Text),
                        ],
                        &[
                            ("trade", Id),
                            ("last_price_ticks", Whole),
                            ("last_lots", Whole),
                            ("last_price", Real),
                            ("last_size", Real),
                            ("filled_lots", Whole),
                            ("fee", Real),
                            ("fee_currency", Text),
                            ("maker", Flag),
                            ("reject_code", Whole),
                            ("venue_time", Time),
                        ],
                    ),
                )?,
                events: table("events", &[("kind", Text), ("text", Text)])?,
                frames: table("frames", &[("link", Text), ("text", Text)])?,
            })
        }

        fn take(&mut self, at: &Place<'_>, entry: &Entry<'_>) -> Result<(), TableError> {
            match entry {
                Entry::Judgement { input, judgement } => self.judgement(at, *input, judgement),
                Entry::Input { input: Input::Execution(report), .. } => self.execution(at, report),
                Entry::Input { input: Input::Market(event), .. } => self.market(at, event),
                Entry::Input { input: Input::Timer, .. } => Ok(()),
                Entry::RawFrame { link, bytes } => {
                    let link = if *link == Link::Market { "market" } else { "orders" };
                    let text = String::from_utf8_lossy(bytes);
                    self.frames.row(&at.head, &[Cell::Text(link), Cell::Text(&text)])
                }
                other => {
                    let text = match other {
                        // its limits and rules would fill pages; `audit show --record` tells them
                        Entry::Input { input: Input::Plan(plan), .. } => {
                            format!("version {}, {} instruments", plan.version, plan.entries_len)
                        }
                        Entry::Input { input, .. } => format!("{input:?}"),
                        Entry::Note(words) => (*words).to_owned(),
                        other => format!("{other:?}"),
                    };
                    self.events.row(&at.head, &[Cell::Text(other.kind().name()), Cell::Text(&text)])
                }
            }
        }

        fn market(&mut self, at: &Place<'_>, event: &MarketEvent<'_>) -> Result<(), TableError> {
            match event {
                MarketEvent::Depth(diff) => {
                    let id = diff.instrument;
                    let mut side = |side, levels: &[Level]| {
                        let (update, time) = (diff.last_update, diff.event_time);
                        self.levels(at, id, "diff", update, side, levels, time)
                    };
                    side("bid", diff.bids)?;
                    side("ask", diff.asks)
                }
                MarketEvent::Snapshot(of) => {
                    let none = UnixNanos(0);
                    self.levels(
                        at,
                        of.instrument,
                        "snapshot",
                        of.last_update,
                        "bid",
                        of.bids,
                        none,
                    )?;
                    self.levels(at, of.instrument, "snapshot", of.last_update, "ask", of.asks, none)
                }
                MarketEvent::Ticker(of) => {
                    let (id, time) = (of.instrument, of.event_time);
                    self.levels(at, id, "ticker", of.update, "bid", &[of.bid], time)?;
                    self.levels(at, id, "ticker", of.update, "ask", &[of.ask], time)
                }
                MarketEvent::Trade(of) => {
                    let [ticks, lots, price, size] = at.quote(of.instrument, of.price, of.lots);
                    let row = [
                        Cell::Text(at.symbol(of.instrument)),
                        Cell::Whole(of.id as i64),
                        Cell::Text(side_name(of.aggressor)),
                        ticks,
                        lots,
                        price,
                        size,
                        Cell::Flag(of.aggregated),
                        Cell::Flag(of.on_book),
                        Cell::Time(of.event_time.0 as i64),
                    ];
                    self.trades.row(&at.head, &row)
                }
                MarketEvent::Other => Ok(()),
            }
        }

        #[expect(clippy::too_many_arguments, reason = "a row's columns, in their order")]
        fn levels(
            &mut self,
            at: &Place<'_>,
            id: InstrumentId,
            change: &'static str,
            update: u64,
            side: &'static str,
            levels: &[Level],
            time: UnixNanos,
        ) -> Result<(), TableError> {
            levels.iter().try_for_each(|level| {
                let [ticks, lots, price, size] = at.quote(id, level.price, level.lots);
                let row = [
                    Cell::Text(at.symbol(id)),
                    Cell::Text(change),
                    Cell::Whole(update as i64),
                    Cell::Text(side),
                    ticks,
                    lots,
                    price,
                    size,
                    Cell::Time(time.0 as i64),
                ];
                self.levels.row(&at.head, &row)
            })
        }

        fn judgement(
            &mut self,
            at: &Place<'_>,
            input: u64,
            of: &Judgement,
        ) -> Result<(), TableError> {
            let intent = &of.intent;
            let [ticks, lots, price, size] = at.quote(intent.instrument, intent.price, intent.lots);
            let names = [
                format!("{:?}", intent.action),
                format!("{:?}", intent.order_type),
                format!("{:?}", intent.time_in_force),
            ];
            let side = |level: Option<Level>| match level {
                Some(level) => [Cell::Whole(level.price.0), Cell::Whole(level.lots.0)],
                None => [Cell::None, Cell::None],
            };
            let ([bid, bid_lots], [ask, ask_lots]) = (side(of.bid), side(of.ask));
            let row = [
                Cell::Text(at.symbol(intent.instrument)),
                Cell::Whole(input as i64),
                Cell::Whole(intent.order.0 as i64),
                Cell::Whole(intent.replaces.0 as i64),
                Cell::Text(&names[0]),
                Cell::Text(side_name(intent.side)),
                Cell::Text(&names[1]),
                Cell::Text(&names[2]),
                Cell::Flag(intent.reduce_only),
                ticks,
                lots,
                price,
                size,
                Cell::Text(of.verdict.name()),
                Cell::Whole(i64::from(of.level)),
                Cell::Whole(of.plan as i64),
                bid,
                bid_lots,
                ask,
                ask_lots,
                Cell::Whole(of.at.since(of.book_at).0 as i64),
            ];
            self.judgements.row(&at.head, &row)
        }

        fn execution(&mut self, at: &Place<'_>, of: &ExecutionReport) -> Result<(), TableError> {
            let [ticks, lots, price, size] = at.quote(of.instrument, of.price, of.lots);
            let [last_ticks, last_lots, last_price, last_size] =
                at.quote(of.instrument, of.last_price, of.last_lots);
            let kind = format!("{:?}", of.kind);
            let row = [
                Cell::Text(at.symbol(of.instrument)),
                Cell::Text(&kind),
                Cell::Whole(of.order.0 as i64),
                Cell::Whole(of.venue_order as i64),
                Cell::Text(side_name(of.side)),
                ticks,
                lots,
                price,
                size,
                Cell::Whole(of.trade_id as i64),
                last_ticks,
                last_lots,
                last_price,
                last_size,
                Cell::Whole(of.filled_lots.0),
                Cell::Real(of.fee.to_f64()),
                Cell::Text(of.fee_currency.as_str()),
                Cell::Flag(of.maker),
                Cell::Whole(i64::from(of.reject_code)),
                Cell::Time(of.venue_time.0 as i64),
            ];
            self.executions.row(&at.head, &row)
        }

        fn close(self) -> Result<Vec<(String, u64)>, TableError> {
            let Tables { levels, trades, judgements, executions, events, frames } = self;
            let all = [levels, trades, judgements, executions, events, frames];
            all.into_iter().map(Table::close).collect()
        }
    }

    impl<'p> Place<'p> {
        fn symbol(&self, id: InstrumentId) -> &'p str {
            self.instruments.get(&id).map_or("?", |of| of.symbol.as_str())
        }

        /// Ticks and lots as they are, and in the venue's units where the instrument is known.
        fn quote(&self, id: InstrumentId, price: Ticks, lots: Lots) -> [Cell<'static>; 4] {
            let (price_real, size_real) = match self.instruments.get(&id) {
                Some(of) => (
                    Cell::Real(of.tick.decimal(price.0).to_f64()),
                    Cell::Real(of.lot.decimal(lots.0).to_f64()),
                ),
                None => (Cell::None, Cell::None),
            };
            [Cell::Whole(price.0), Cell::Whole(lots.0), price_real, size_real]
        }
    }

    fn side_name(side: crate::units::Side) -> &'static str {
        match side {
            crate::units::Side::Buy => "buy",
            crate::units::Side::Sell => "sell",
        }
    }
}
