//! Parquet tables: a date column (timestamp, date or text) and one column of numbers a symbol, or the long
//! form `date, symbol, price`. Rows go through the CSV reader's rules, so the two forms mean the same.

use super::csv::{self, TableError};
use super::panel::Panel;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    /// The file.
    #[error("{0}")]
    File(#[from] parquet::errors::ParquetError),
    /// A column of something else.
    #[error("row {row}, column `{column}`: {kind} is neither a date, a text nor a number")]
    Kind {
        /// Row, from one.
        row: usize,
        /// Column.
        column: String,
        /// What it is.
        kind: String,
    },
    /// Its table.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Reads a file's bytes.
///
/// # Errors
/// What is wrong, with row and column.
pub fn read(bytes: Vec<u8>, price_column: Option<&str>) -> Result<Panel, ParquetError> {
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes))?;
    let mut text = ::csv::Writer::from_writer(Vec::new());
    let names = reader.metadata().file_metadata().schema_descr();
    let names: Vec<&str> = names.columns().iter().map(|column| column.name()).collect();
    let rows_error = |error: ::csv::Error| TableError::Rows(error.to_string());
    text.write_record(&names).map_err(rows_error)?;
    for (index, row) in reader.get_row_iter(None)?.enumerate() {
        let row = row?;
        let cells = row.get_column_iter().map(|(name, field)| {
            cell(field).ok_or_else(|| ParquetError::Kind {
                row: index + 1,
                column: name.clone(),
                kind: format!("{field:?}"),
            })
        });
        text.write_record(cells.collect::<Result<Vec<_>, _>>()?).map_err(rows_error)?;
    }
    let text = text.into_inner().map_err(|error| TableError::Rows(error.to_string()))?;
    Ok(csv::read(&text[..], "PRICE", price_column)?)
}

/// A field as CSV holds it; epochs keep the digits that tell their unit.
fn cell(field: &Field) -> Option<String> {
    Some(match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Date(days) => (i64::from(*days) * 86_400_000).to_string(),
        Field::TimestampMillis(at) => at.to_string(),
        Field::TimestampMicros(at) => at.to_string(),
        Field::Float(x) => x.to_string(),
        Field::Double(x) => x.to_string(),
        Field::Int(x) => x.to_string(),
        Field::Long(x) => x.to_string(),
        _ => return None,
    })
}
