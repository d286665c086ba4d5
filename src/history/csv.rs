//! CSV tables: wide (`date` and a column a symbol), long (`date,symbol,price`), or bars of one symbol
//! (`date,open,high,low,close,…`), told apart by their headings, whose case does not matter.

use super::date::Date;
use super::panel::{Panel, PanelError};
use std::collections::BTreeMap;
use std::io::Read;

/// Headings of a date.
const DATE_NAMES: [&str; 5] = ["date", "time", "timestamp", "datetime", "day"];
/// Headings of a long table's symbols.
const SYMBOL_NAMES: [&str; 3] = ["symbol", "ticker", "asset"];
/// What bars may be priced by, the preferred first.
const PRICE_NAMES: [&str; 7] = ["adj close", "adjclose", "close", "price", "high", "low", "open"];
/// What stands for no value.
const BLANKS: [&str; 7] = ["", "na", "n/a", "nan", "null", "none", "-"];

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Not even rows.
    #[error("{0}")]
    Rows(String),
    /// No dates.
    #[error("no date column: the headings are {0}; name one `date`")]
    NoDate(String),
    /// A cell.
    #[error("row {row}, column `{column}`: `{cell}` is no {wanted}")]
    Cell {
        /// Row, from one, the heading not counted.
        row: usize,
        /// Heading.
        column: String,
        /// What stands there.
        cell: String,
        /// What should.
        wanted: &'static str,
    },
    /// A price column that is not there.
    #[error("no column `{wanted}`; the headings are {found}")]
    NoColumn {
        /// Asked for.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// Two prices of a symbol on a date.
    #[error("row {row}: {symbol} has a price on {date} already")]
    Again {
        /// Row.
        row: usize,
        /// Symbol.
        symbol: String,
        /// Date.
        date: Date,
    },
    /// Columns that make no panel.
    #[error(transparent)]
    Panel(#[from] PanelError),
}

/// What a heading means.
struct Headings {
    names: Vec<String>,
    date: usize,
    symbol: Option<usize>,
    price: Option<usize>,
}

impl Headings {
    fn new(names: Vec<String>, price_column: Option<&str>) -> Result<Headings, TableError> {
        let lower: Vec<String> = names.iter().map(|name| name.trim().to_lowercase()).collect();
        let position = |wanted: &str| lower.iter().position(|name| name == wanted);
        let listed = || names.join(", ");
        let date = DATE_NAMES.iter().find_map(|name| position(name));
        // pandas writes an index without a name
        let date = date.or_else(|| (lower.first().is_some_and(String::is_empty)).then_some(0));
        let date = date.ok_or_else(|| TableError::NoDate(listed()))?;
        let symbol = SYMBOL_NAMES.iter().find_map(|name| position(name));
        let is_bars = ["open", "high", "low", "close"].iter().all(|name| position(name).is_some());
        let price = match price_column {
            Some(wanted) if symbol.is_some() || is_bars => {
                let missing =
                    || TableError::NoColumn { wanted: wanted.to_owned(), found: listed() };
                Some(position(&wanted.to_lowercase()).ok_or_else(missing)?)
            }
            _ if symbol.is_some() || is_bars => PRICE_NAMES.iter().find_map(|name| position(name)),
            _ => None,
        };
        if symbol.is_some() && price.is_none() {
            return Err(TableError::NoColumn { wanted: "price".to_owned(), found: listed() });
        }
        Ok(Headings { names, date, symbol, price })
    }
}

/// Reads a table. `stem` names the symbol of bars that do not name it themselves.
///
/// # Errors
/// What is wrong, with row and column.
pub fn read(from: impl Read, stem: &str, price_column: Option<&str>) -> Result<Panel, TableError> {
    let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).from_reader(from);
    let rows_error = |error: ::csv::Error| TableError::Rows(error.to_string());
    let names = reader.headers().map_err(rows_error)?.iter().map(str::to_owned).collect();
    let headings = Headings::new(names, price_column)?;
    let mut records = Vec::new();
    for record in reader.records() {
        records.push(record.map_err(rows_error)?);
    }
    match headings.price {
        Some(price) => long(&headings, price, stem, &records),
        None => wide(&headings, &records),
    }
}

fn date(headings: &Headings, row: usize, record: &::csv::StringRecord) -> Result<Date, TableError> {
    let cell = &record[headings.date];
    Date::parse(cell).ok_or_else(|| TableError::Cell {
        row,
        column: headings.names[headings.date].clone(),
        cell: cell.to_owned(),
        wanted: "date",
    })
}

fn value(
    headings: &Headings,
    row: usize,
    column: usize,
    record: &::csv::StringRecord,
) -> Result<f64, TableError> {
    let cell = &record[column];
    if BLANKS.contains(&cell.to_lowercase().as_str()) {
        return Ok(f64::NAN);
    }
    let number = cell.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| TableError::Cell {
        row,
        column: headings.names[column].clone(),
        cell: cell.to_owned(),
        wanted: "number",
    })
}

fn wide(headings: &Headings, records: &[::csv::StringRecord]) -> Result<Panel, TableError> {
    let others: Vec<usize> = (0..headings.names.len()).filter(|&c| c != headings.date).collect();
    let mut columns = vec![Vec::with_capacity(records.len()); others.len()];
    let mut dates = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        dates.push(date(headings, index + 1, record)?);
        for (to, &column) in columns.iter_mut().zip(&others) {
            to.push(value(headings, index + 1, column, record)?);
        }
    }
    let symbols = others.iter().map(|&column| headings.names[column].clone()).collect();
    Ok(Panel::new(dates, symbols, columns)?)
}

fn long(
    headings: &Headings,
    price: usize,
    stem: &str,
    records: &[::csv::StringRecord],
) -> Result<Panel, TableError> {
    let mut cells: BTreeMap<Date, BTreeMap<String, f64>> = BTreeMap::new();
    let mut symbols: Vec<String> = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let row = index + 1;
        let when = date(headings, row, record)?;
        let symbol = headings.symbol.map_or(stem, |column| &record[column]).to_owned();
        let price = value(headings, row, price, record)?;
        if !symbols.contains(&symbol) {
            symbols.push(symbol.clone());
        }
        if cells.entry(when).or_default().insert(symbol.clone(), price).is_some() {
            return Err(TableError::Again { row, symbol, date: when });
        }
    }
    // bars of one symbol are a table of their own, whose order is checked rather than mended
    if symbols.len() == 1 {
        let dates = records.iter().enumerate();
        let dates: Vec<Date> =
            dates.map(|(index, r)| date(headings, index + 1, r)).collect::<Result<_, _>>()?;
        let prices = dates.iter().map(|when| cells[when][&symbols[0]]).collect();
        return Ok(Panel::new(dates, symbols, vec![prices])?);
    }
    let of = |symbol: &String| {
        cells.values().map(|row| row.get(symbol).copied().unwrap_or(f64::NAN)).collect()
    };
    let columns = symbols.iter().map(of).collect();
    Ok(Panel::new(cells.keys().copied().collect(), symbols, columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Panel, TableError> {
        read(text.as_bytes(), "STEM", None)
    }

    #[test]
    fn wide_long_and_bars_are_told_apart() {
        let wide = of("Date,A,B\n2024-01-01,1,2\n2024-01-02,,4\n").expect("sound");
        assert_eq!(wide.symbols(), ["A", "B"]);
        assert!(wide.column("A").expect("is there")[1].is_nan());
        let long = of("date,symbol,price\n2024-01-01,A,1\n2024-01-01,B,2\n2024-01-02,A,3\n");
        let long = long.expect("sound");
        assert_eq!(long.column("A"), Some(&[1.0, 3.0][..]));
        assert!(long.column("B").expect("is there")[1].is_nan());
        let bars = "date,open,high,low,close,volume\n2024-01-01,1,3,0.5,2,9\n";
        assert_eq!(of(bars).expect("sound").column("STEM"), Some(&[2.0][..]));
        let high = read(bars.as_bytes(), "STEM", Some("High")).expect("sound");
        assert_eq!(high.column("STEM"), Some(&[3.0][..]));
    }

    #[test]
    fn what_is_wrong_is_named_with_row_and_column() {
        let says = |text: &str, parts: &[&str]| {
            let error = of(text).expect_err("is wrong").to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        };
        says("day2,A\n1,2\n", &["no date column", "day2, A"]);
        says("date,A\n2024-01-01,1\n2024-01-02,x7\n", &["row 2", "`A`", "`x7`", "number"]);
        says("date,A\n2024-01-01,inf\n", &["row 1", "`inf`"]);
        says("date,A\nyesterday,1\n", &["row 1", "`yesterday`", "date"]);
        says("date,A\n2024-01-02,1\n2024-01-01,1\n", &["row 2", "2024-01-01"]);
        says("date,A,A\n2024-01-02,1,2\n", &["`A`", "twice"]);
        says("date,A\n2024-01-02,1,2\n", &["2"]);
        says("date,symbol,price\n2024-01-01,A,1\n2024-01-01,A,2\n", &["row 2", "already"]);
    }
}
