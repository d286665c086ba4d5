//! A history's files: which reader, which rows and columns.
//!
//! `.csv`, `.csv.gz` (any table may be gzipped), `.npy`, and `.parquet` where built with that feature.
//! Several files join on their dates.

use super::csv::{self, TableError};
use super::npy::{self, NpyError};
use super::panel::{Panel, PanelError};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What to read of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSettings {
    /// Which price of several.
    pub price_column: Option<String>,
    /// Only these symbols.
    pub assets: Vec<String>,
    /// Only the last so many rows.
    pub last: Option<usize>,
    /// Only these rows, from zero.
    pub rows: Option<std::ops::Range<usize>>,
}

/// Why a history cannot be read; every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error("{}: {error}", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Its table.
    #[error("{}: {error}", .path.display())]
    Table {
        /// Which.
        path: PathBuf,
        /// Why.
        error: TableError,
    },
    /// Its array.
    #[error("{}: {error}", .path.display())]
    Array {
        /// Which.
        path: PathBuf,
        /// Why.
        error: NpyError,
    },
    /// Its columns.
    #[error("{}: {error}", .path.display())]
    Parquet {
        /// Which.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// Files that do not fit together, or a choice of what is not there.
    #[error("{}: {error}", .path.display())]
    Panel {
        /// Which.
        path: PathBuf,
        /// Why.
        error: PanelError,
    },
    /// No file.
    #[error("no history: give --prices FILE, or --returns FILE where the command takes returns")]
    None,
}

/// The first bytes of a gzip stream.
const GZIP: &[u8] = &[0x1F, 0x8B];

/// Reads and joins the files, then keeps the rows and columns asked for.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn read(paths: &[PathBuf], settings: &ReadSettings) -> Result<Panel, ReadError> {
    let mut joined: Option<Panel> = None;
    for path in paths {
        let panel = one(path, settings.price_column.as_deref())?;
        joined = Some(match joined {
            None => panel,
            Some(before) => before
                .join(&panel)
                .map_err(|error| ReadError::Panel { path: path.clone(), error })?,
        });
    }
    let (mut panel, path) = joined.zip(paths.first()).ok_or(ReadError::None)?;
    if !settings.assets.is_empty() {
        let chosen = panel.choose(&settings.assets);
        panel = chosen.map_err(|error| ReadError::Panel { path: path.clone(), error })?;
    }
    if let Some(rows) = &settings.rows {
        panel = panel.slice(rows.clone());
    }
    if let Some(last) = settings.last {
        panel = panel.slice(panel.rows().saturating_sub(last)..panel.rows());
    }
    Ok(panel)
}

fn one(path: &Path, price_column: Option<&str>) -> Result<Panel, ReadError> {
    let open = |error| ReadError::Open { path: path.to_owned(), error };
    let mut bytes = fs::read(path).map_err(open)?;
    if bytes.starts_with(GZIP) {
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).map_err(open)?;
        bytes = plain;
    }
    let name =
        path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    if name.ends_with(".npy") {
        return npy::read(&bytes)
            .map_err(|error| ReadError::Array { path: path.to_owned(), error });
    }
    if bytes.starts_with(b"PAR1") {
        return parquet(path, bytes, price_column);
    }
    let stem = name.split('.').next().unwrap_or_default().to_uppercase();
    csv::read(&bytes[..], &stem, price_column)
        .map_err(|error| ReadError::Table { path: path.to_owned(), error })
}

#[cfg(feature = "parquet")]
fn parquet(path: &Path, bytes: Vec<u8>, column: Option<&str>) -> Result<Panel, ReadError> {
    super::parquet::read(bytes, column)
        .map_err(|error| ReadError::Parquet { path: path.to_owned(), error: error.to_string() })
}

#[cfg(not(feature = "parquet"))]
fn parquet(path: &Path, _bytes: Vec<u8>, _column: Option<&str>) -> Result<Panel, ReadError> {
    let error = "a Parquet file, which this build cannot read: cargo build --release --features \
                 parquet, or give CSV"
        .to_owned();
    Err(ReadError::Parquet { path: path.to_owned(), error })
}
