//! Text to settings: parse, name the faulty line and key, suggest the key that was meant.

use crate::cli::config::error::ConfigError;
use crate::cli::config::settings::{Config, Origin};
use std::ops::Range;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Names of keys under which somebody meant to write a secret.
const SECRETS: [&str; 5] = ["secret", "api_key", "private", "pass", "token"];

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, has an unknown key, or a value makes no sense.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::File { path: path.to_owned(), error })?;
        Config::read(&text, Some(path))
    }

    /// Reads and checks a text.
    ///
    /// # Errors
    /// As `load`, without the file.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::read(text, None)
    }

    /// The documented default configuration, as text; it parses to `Config::default()`.
    #[must_use]
    pub const fn example() -> &'static str {
        include_str!("example.toml")
    }

    fn read(text: &str, path: Option<&Path>) -> Result<Config, ConfigError> {
        let origin = Origin { path: path.map(Path::to_owned), text: text.to_owned() };
        let mut config: Config = toml::from_str(text).map_err(|error| origin.explain(&error))?;
        config.origin = origin;
        config.check()?;
        Ok(config)
    }

    /// A refusal of the value at a dotted path such as `limits.order.BTCUSDT`; a number counts
    /// entries of `[[lane]]`.
    pub(super) fn refuse(&self, field: &str, problem: impl Into<String>) -> ConfigError {
        let place = self.origin.place(self.origin.line_of(field));
        ConfigError::Value { place, field: field.to_owned(), problem: problem.into() }
    }
}

impl Origin {
    fn place(&self, line: Option<usize>) -> String {
        let file =
            self.path.as_ref().map_or("configuration".to_owned(), |p| p.display().to_string());
        line.map_or(file.clone(), |line| format!("{file}, line {line}"))
    }

    fn line_at(&self, byte: usize) -> usize {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        before.matches('\n').count() + 1
    }

    fn explain(&self, error: &toml::de::Error) -> ConfigError {
        let span = error.span().unwrap_or(0..0);
        let line = self.line_at(span.start);
        let place = self.place(Some(line));
        let message = error.message();
        if let Some((key, known)) = unknown(message) {
            if SECRETS.iter().any(|name| key.contains(name)) {
                return ConfigError::Secret { place, key: key.to_owned() };
            }
            let suggestion = nearest(key, &known)
                .map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"));
            let known = known.join(", ");
            return ConfigError::UnknownKey { place, key: key.to_owned(), suggestion, known };
        }
        // A line without a key may be anything, also what must not be shown.
        let text = self.text.lines().nth(line - 1).unwrap_or("").trim();
        let key = match text.split_once('=') {
            Some((key, _)) => key.trim(),
            None if text.starts_with('[') => text,
            None => "this line",
        };
        ConfigError::Text { place, key: key.to_owned(), problem: message.trim_end().to_owned() }
    }

    /// The line of the deepest key of a path that the text has.
    fn line_of(&self, field: &str) -> Option<usize> {
        let root = DeTable::parse(&self.text).ok()?;
        let mut found: Option<Range<usize>> = None;
        let mut names = field.split('.');
        let first = names.next()?;
        let (key, value) = root.get_ref().get_key_value(first)?;
        found.replace(key.span());
        let mut here = value;
        for name in names {
            match here.get_ref() {
                DeValue::Table(table) => match table.get_key_value(name) {
                    Some((key, value)) => {
                        found = Some(key.span());
                        here = value;
                    }
                    None => break,
                },
                DeValue::Array(list) => match name.parse().ok().and_then(|i: usize| list.get(i)) {
                    Some(value) => {
                        found = Some(value.span());
                        here = value;
                    }
                    None => break,
                },
                _ => break,
            }
        }
        found.map(|span| self.line_at(span.start))
    }
}

/// The key and its alternatives in serde's message about an unknown field.
fn unknown(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    Some((key, rest.split('`').skip(1).step_by(2).collect()))
}

/// The name with the fewest edits, if they are at most half of the key.
fn nearest<'a>(key: &str, names: &[&'a str]) -> Option<&'a str> {
    let scored = names.iter().map(|name| (edits(key.as_bytes(), name.as_bytes()), *name));
    let (distance, best) = scored.min()?;
    (distance * 2 <= key.len().max(2)).then_some(best)
}

/// Levenshtein distance, one row at a time.
fn edits(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
