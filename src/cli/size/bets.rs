//! Results of bets by asset, from a CSV of `symbol,result`.

use std::path::{Path, PathBuf};

/// Why bets are refused.
#[derive(Debug, thiserror::Error)]
pub enum BetsError {
    /// The file.
    #[error("{}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: csv::Error,
    },
    /// A heading that is none.
    #[error("{}: no column `{name}`; the heading must be symbol,result", .path.display())]
    Heading {
        /// Which file.
        path: PathBuf,
        /// What is missing.
        name: &'static str,
    },
    /// A row that is none.
    #[error("{}, line {line}: {what}", .path.display())]
    Row {
        /// Which file.
        path: PathBuf,
        /// Line, from one.
        line: u64,
        /// What is wrong.
        what: String,
    },
}

/// Results by asset, none where there was no bet; symbols that are no asset here are passed over.
///
/// # Errors
/// A file that cannot be read, a result that is no number.
pub fn read(path: &Path, assets: &[String]) -> Result<Vec<Vec<f64>>, BetsError> {
    let failed = |error| BetsError::File { path: path.to_owned(), error };
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(failed)?;
    let headings = reader.headers().map_err(failed)?.clone();
    let column = |name: &'static str| {
        let at = headings.iter().position(|heading| heading.eq_ignore_ascii_case(name));
        at.ok_or_else(|| BetsError::Heading { path: path.to_owned(), name })
    };
    let (symbol, result) = (column("symbol")?, column("result")?);
    let mut found = vec![Vec::new(); assets.len()];
    for record in reader.records() {
        let record = record.map_err(failed)?;
        let Some(at) = assets.iter().position(|asset| asset == &record[symbol]) else { continue };
        let value = record[result].parse::<f64>().ok().filter(|x| x.is_finite());
        let line = record.position().map_or(0, csv::Position::line);
        found[at].push(value.ok_or_else(|| BetsError::Row {
            path: path.to_owned(),
            line,
            what: format!("`{}` is no result", &record[result]),
        })?);
    }
    Ok(found)
}
