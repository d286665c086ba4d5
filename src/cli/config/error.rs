//! What is wrong with a configuration, where, and what to do.

use std::path::PathBuf;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration {}: {error}; check the path", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The text is no TOML, or a value is of the wrong kind.
    #[error("{place}: `{key}`: {problem}")]
    Text {
        /// File and line.
        place: String,
        /// The key on that line, or the line itself.
        key: String,
        /// What the reader says.
        problem: String,
    },
    /// A key that does not exist.
    #[error("{place}: unknown key `{key}`{suggestion}; the keys here are {known}")]
    UnknownKey {
        /// File and line.
        place: String,
        /// As written.
        key: String,
        /// ` (did you mean …?)`, or empty.
        suggestion: String,
        /// The keys of that table.
        known: String,
    },
    /// A key of the venue where it must not be.
    #[error(
        "{place}: `{key}`: a venue's key or a passphrase never stands in a configuration; seal it with \
         `bot4 key seal` and name the file in venue.key_file"
    )]
    Secret {
        /// File and line.
        place: String,
        /// The name it was given.
        key: String,
    },
    /// A value that makes no sense.
    #[error("{place}: `{field}` {problem}")]
    Value {
        /// File and line (or the file alone, where the key is absent).
        place: String,
        /// The key with its tables.
        field: String,
        /// What is wrong and what to do.
        problem: String,
    },
}
