//! Real data and references that stand beside the repository (`../shared`, or `BOT4_SHARED`). Users do not
//! have them: a test that misses them says so, counted, and ends.

#![allow(dead_code, reason = "not every test needs all of it")]

use serde_json::Value;
use std::path::{Path, PathBuf};

/// What lies at a path in the folder; says that the test is skipped where nothing does.
pub fn shared(path: &str, test: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    let folder = std::env::var_os("BOT4_SHARED").map_or_else(beside, PathBuf::from);
    let found = folder.join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("SKIPPED (1): {test}: no shared {path}");
    None
}

/// A reference.
pub fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("readable");
    serde_json::from_str(&text).expect("the reference is JSON")
}

/// A number of one.
pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number, not {value}"))
}
