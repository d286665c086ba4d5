//! A Parquet file written row by row: cells are gathered by column and flushed in groups.
//!
//! Every column may be empty in a row. Columns of text share no dictionary of ours: the library's own
//! encodings and Snappy make them small.

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows gathered before they are written.
const ROWS_MAX: usize = 64 * 1_024;

/// Why a table cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {cause}")]
pub struct TableError {
    file: PathBuf,
    cause: ParquetError,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Whole,
    /// A number that fills all 64 bits: ids.
    Id,
    /// Nanoseconds since 1970 in UTC; zero is none.
    Time,
    Real,
    Text,
    Flag,
}

/// One value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'c> {
    None,
    Whole(i64),
    Time(i64),
    Real(f64),
    Text(&'c str),
    Flag(bool),
}

enum Values {
    Whole(Vec<i64>),
    Real(Vec<f64>),
    Text(Vec<ByteArray>),
    Flag(Vec<bool>),
}

struct Column {
    values: Values,
    /// 1 where a row has a value.
    there: Vec<i16>,
}

/// A file being written.
pub(super) struct Table {
    file: PathBuf,
    writer: SerializedFileWriter<File>,
    columns: Vec<Column>,
    gathered: usize,
    rows: u64,
}

impl Kind {
    fn schema(self, name: &str) -> String {
        match self {
            Kind::Whole => format!("optional int64 {name};"),
            Kind::Id => format!("optional int64 {name} (INTEGER(64,false));"),
            Kind::Time => format!("optional int64 {name} (TIMESTAMP(NANOS,true));"),
            Kind::Real => format!("optional double {name};"),
            Kind::Text => format!("optional binary {name} (STRING);"),
            Kind::Flag => format!("optional boolean {name};"),
        }
    }

    fn column(self) -> Column {
        let values = match self {
            Kind::Whole | Kind::Id | Kind::Time => Values::Whole(Vec::new()),
            Kind::Real => Values::Real(Vec::new()),
            Kind::Text => Values::Text(Vec::new()),
            Kind::Flag => Values::Flag(Vec::new()),
        };
        Column { values, there: Vec::new() }
    }
}

impl Table {
    /// Makes `NAME.parquet` in a folder.
    pub(super) fn create(
        folder: &Path,
        name: &str,
        columns: &[(&'static str, Kind)],
    ) -> Result<Table, TableError> {
        let file = folder.join(format!("{name}.parquet"));
        let failed = |cause| TableError { file: file.clone(), cause };
        let fields: String = columns.iter().map(|(name, kind)| kind.schema(name)).collect();
        let schema =
            parse_message_type(&format!("message {name} {{ {fields} }}")).map_err(failed)?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let handle = File::create(&file).map_err(|error| failed(error.into()))?;
        let writer = SerializedFileWriter::new(handle, Arc::new(schema), Arc::new(properties));
        let writer = writer.map_err(failed)?;
        let columns = columns.iter().map(|(_, kind)| kind.column()).collect();
        Ok(Table { file, writer, columns, gathered: 0, rows: 0 })
    }

    /// Appends a row, in two parts.
    pub(super) fn row(&mut self, head: &[Cell<'_>], rest: &[Cell<'_>]) -> Result<(), TableError> {
        assert_eq!(head.len() + rest.len(), self.columns.len(), "Invariant: a cell a column");
        for (column, cell) in self.columns.iter_mut().zip(head.iter().chain(rest)) {
            column.push(cell);
        }
        self.gathered += 1;
        self.rows += 1;
        if self.gathered < ROWS_MAX {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), TableError> {
        self.gathered = 0;
        let failed = |cause| TableError { file: self.file.clone(), cause };
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for column in &mut self.columns {
            column.write(&mut group).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }

    /// Writes what is gathered and the file's end; gives its name and rows.
    pub(super) fn close(mut self) -> Result<(String, u64), TableError> {
        if self.gathered > 0 {
            self.flush()?;
        }
        let (file, rows) = (self.file, self.rows);
        self.writer.close().map_err(|cause| TableError { file: file.clone(), cause })?;
        let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
        Ok((name, rows))
    }
}

impl Column {
    fn push(&mut self, cell: &Cell<'_>) {
        let there = match (&mut self.values, cell) {
            (_, Cell::None | Cell::Time(0)) => 0,
            (Values::Whole(values), Cell::Whole(value) | Cell::Time(value)) => {
                values.push(*value);
                1
            }
            (Values::Real(values), Cell::Real(value)) => {
                values.push(*value);
                1
            }
            (Values::Text(values), Cell::Text(text)) => {
                values.push(ByteArray::from(*text));
                1
            }
            (Values::Flag(values), Cell::Flag(value)) => {
                values.push(*value);
                1
            }
            (_, cell) => unreachable!("Invariant: {cell:?} is of its column's kind"),
        };
        self.there.push(there);
    }

    fn write(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, File>,
    ) -> Result<(), ParquetError> {
        let there = std::mem::take(&mut self.there);
        match &mut self.values {
            Values::Whole(values) => batch::<Int64Type>(group, values, &there),
            Values::Real(values) => batch::<DoubleType>(group, values, &there),
            Values::Text(values) => batch::<ByteArrayType>(group, values, &there),
            Values::Flag(values) => batch::<BoolType>(group, values, &there),
        }
    }
}

fn batch<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &mut Vec<T::T>,
    there: &[i16],
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("more columns than the schema has".to_owned()));
    };
    column.typed::<T>().write_batch(values, Some(there), None)?;
    values.clear();
    column.close()
}
