//! What commands print and write: one JSON object or a text on stdout, and files.

use crate::history::Repairs;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// Why a result did not get out.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Stdout.
    #[error("the result cannot be written: {0}")]
    Write(#[from] std::io::Error),
    /// JSON.
    #[error("the result cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A file.
    #[error("{} cannot be written: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// Prints a report: JSON where it was asked for, else its text.
///
/// # Errors
/// Output that cannot be written.
pub fn show<R: Serialize>(
    report: &R,
    is_json: bool,
    text: impl FnOnce(&R) -> String,
    out: &mut dyn Write,
) -> Result<(), OutputError> {
    if is_json {
        serde_json::to_writer_pretty(&mut *out, report)?;
        writeln!(out)?;
    } else {
        out.write_all(text(report).as_bytes())?;
    }
    Ok(())
}

/// The name that JSON has for something that is one word.
#[must_use]
pub fn word(of: &impl Serialize) -> String {
    let value = serde_json::to_value(of).ok();
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Writes a file.
///
/// # Errors
/// A file that cannot be written, by its name.
pub fn save(path: &Path, contents: impl AsRef<[u8]>) -> Result<(), OutputError> {
    std::fs::write(path, contents)
        .map_err(|error| OutputError::File { path: path.to_owned(), error })
}

/// A bar over so many steps on stderr, where somebody looks.
#[must_use]
pub fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

/// Something that turns on stderr, where somebody looks, while work goes on that cannot say how far it is;
/// it is seen from a second on, and goes with the value that is returned.
#[must_use]
pub fn working(on: &str) -> Working {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
        .with_style(ProgressStyle::default_spinner());
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    if std::io::stderr().is_terminal() {
        bar.set_message(on.to_owned());
        let shown = bar.clone();
        std::thread::spawn(move || {
            // what is done within a second needs no sign of life
            if stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(Duration::from_millis(120));
            }
        });
    }
    Working { bar, _stop: stop }
}

/// Work going on; gone from the screen when dropped.
pub struct Working {
    bar: ProgressBar,
    _stop: std::sync::mpsc::Sender<()>,
}

impl Drop for Working {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What was dropped, in words; nothing where nothing was.
#[must_use]
pub fn repaired(repairs: &Repairs) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    if repairs.dropped_rows > 0 {
        let first = repairs.first_dropped.as_deref().unwrap_or("unknown");
        let _ = writeln!(text, "repairs: {} rows dropped, the first {first}", repairs.dropped_rows);
    }
    if !repairs.dropped_columns.is_empty() {
        let _ = writeln!(text, "repairs: dropped {}", repairs.dropped_columns.join(", "));
    }
    if repairs.adjusted > 0 {
        let _ = writeln!(text, "repairs: {} splits and dividends taken out", repairs.adjusted);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_dropped_is_said() {
        let none = Repairs::default();
        assert_eq!(repaired(&none), "");
        let some = Repairs {
            dropped_rows: 2,
            first_dropped: Some("2020-01-02".into()),
            dropped_columns: vec!["A".into(), "B".into()],
            adjusted: 3,
        };
        let text = repaired(&some);
        assert!(text.contains("2 rows dropped, the first 2020-01-02") && text.contains("A, B"));
        assert!(text.contains("3 splits and dividends"));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = save(Path::new("/no/such/folder/x.html"), "x").expect_err("no folder");
        assert!(error.to_string().contains("/no/such/folder/x.html"), "{error}");
    }
}
