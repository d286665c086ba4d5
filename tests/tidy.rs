//! Style that a machine can check: which room imports which, file heads, lengths, names, exceptions.
//!
//! The import table is DESIGN's; the README shows the same table, and this test holds the two
//! together. Every rule is a function from text to complaints, so that the canaries at the end can
//! show each rule failing on a text that breaks it.

use std::fs;
use std::path::{Path, PathBuf};

/// A room, its level, and what it may import. A room may always import itself.
struct Room {
    name: &'static str,
    level: u8,
    imports: &'static [&'static str],
}

const fn room(name: &'static str, level: u8, imports: &'static [&'static str]) -> Room {
    Room { name, level, imports }
}

const LOWEST: &[&str] = &["units"];
const MARKET: &[&str] = &["compute", "ledger", "history", "instrument", "units", "record", "maths"];

const MODEL: &[&str] =
    &["compute", "ledger", "history", "instrument", "units", "record", "maths", "market"];
const RISK: &[&str] =
    &["compute", "ledger", "history", "instrument", "units", "record", "maths", "market", "model"];

const PORTFOLIO: &[&str] = &[
    "compute",
    "ledger",
    "history",
    "instrument",
    "units",
    "record",
    "maths",
    "market",
    "model",
    "risk",
    "strategy",
];

/// Rooms that exist; a room joins the table when something lives in it.
const ROOMS: &[Room] = &[
    room("units", 0, &[]),
    room("record", 1, LOWEST),
    room("host", 1, LOWEST),
    room("secret", 1, &[]),
    room("maths", 1, &[]),
    room("net", 2, &["units", "host"]),
    room("compute", 2, &["units", "host", "maths"]),
    room("journal", 2, &["units", "record", "host"]),
    room("ledger", 2, &["units", "record"]),
    room("history", 2, &["units", "record", "maths"]),
    room("instrument", 2, &["units", "record", "maths"]),
    room("venue", 3, &["units", "record", "host", "net"]),
    room("market", 3, MARKET),
    room("model", 4, MODEL),
    room("risk", 5, RISK),
    room("strategy", 5, &["units", "record", "maths", "ledger", "instrument", "market"]),
    room("portfolio", 6, PORTFOLIO),
    room(
        "hot",
        7,
        &[
            "units",
            "record",
            "host",
            "net",
            "compute",
            "ledger",
            "instrument",
            "venue",
            "market",
            "model",
            "strategy",
        ],
    ),
    room(
        "lab",
        8,
        &[
            "units", "record", "host", "maths", "net", "compute", "journal", "ledger", "venue",
            "market", "strategy", "hot",
        ],
    ),
    room(
        "cli",
        9,
        &[
            "units",
            "record",
            "host",
            "secret",
            "maths",
            "net",
            "compute",
            "journal",
            "ledger",
            "history",
            "instrument",
            "venue",
            "market",
            "model",
            "risk",
            "strategy",
            "portfolio",
            "hot",
            "lab",
        ],
    ),
];

/// Files that a person may read in one sitting; longer ones stand here with a reason.
const LINES_MAX: usize = 650;
const LONG_FILES: &[(&str, &str)] = &[];

/// rustfmt keeps code at 100; a sentence in a comment may run over by a word.
const COLUMNS_MAX: usize = 110;

const FORBIDDEN_NAMES: &[&str] =
    &["utils", "util", "common", "manager", "helper", "helpers", "v2", "misc"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for folder in folders {
        rust_files(&root().join(folder), &mut paths);
    }
    paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).expect("under the root").display().to_string();
            let text = fs::read_to_string(&path).expect("source files are UTF-8");
            (name, text)
        })
        .collect()
}

/// The room a file of `src/` belongs to, and how many modules deep inside it the file stands.
fn place(file: &str) -> Option<(&str, usize)> {
    let inside = file.strip_prefix("src/")?;
    let (room, rest) = inside.split_once('/').unwrap_or((inside.strip_suffix(".rs")?, "mod.rs"));
    let folders = rest.matches('/').count();
    let own = usize::from(!rest.ends_with("mod.rs"));
    Some((room, folders + own))
}

fn find_room(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

/// Names of rooms a line refers to through `crate::`, grouped imports included.
fn crate_paths(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut offset = 0;
    while let Some(at) = rest.find("crate::") {
        let start = offset + at;
        let line = text[..start].matches('\n').count() + 1;
        let after = &text[start + "crate::".len()..];
        if let Some(group) = after.strip_prefix('{') {
            found.extend(group_heads(group).into_iter().map(|head| (line, head)));
        } else {
            let head: String =
                after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.push((line, head));
        }
        offset = start + "crate::".len();
        rest = &text[offset..];
    }
    found
}

/// First segments of the entries of `{a::b, c::{d, e}}`, given what follows the opening brace.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut head, mut in_head) = (0, Vec::new(), String::new(), true);
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(std::mem::take(&mut head));
                in_head = true;
            }
            c if depth == 0 && in_head && (c.is_alphanumeric() || c == '_') => head.push(c),
            ':' if depth == 0 => in_head = false,
            _ => {}
        }
    }
    heads.push(head);
    heads.retain(|head| !head.is_empty());
    heads
}

fn import_complaints(file: &str, text: &str) -> Vec<String> {
    let Some((room_name, depth)) = place(file) else { return Vec::new() };
    if room_name == "lib" || room_name == "main" {
        return Vec::new();
    }
    let Some(own) = find_room(room_name) else {
        return vec![format!("{file}: room `{room_name}` is not in the table of tests/tidy.rs")];
    };
    let mut complaints = Vec::new();
    for (line, target) in crate_paths(text) {
        let allowed = target == own.name || own.imports.contains(&target.as_str());
        if !allowed {
            complaints.push(format!("{file}:{line}: `{room_name}` may not import `{target}`"));
        }
    }
    for (index, line) in text.lines().enumerate() {
        let supers = longest_super_chain(line);
        // one more `super` than the depth leaves the room; a test module inside is one deeper
        let inline = usize::from(line.starts_with("    ") || line.starts_with('\t'));
        if supers > depth + inline {
            complaints.push(format!("{file}:{}: `super` leaves the room", index + 1));
        }
    }
    complaints
}

fn longest_super_chain(line: &str) -> usize {
    let (mut best, mut rest) = (0, line);
    while let Some(at) = rest.find("super::") {
        let mut chain = 0;
        rest = &rest[at..];
        while let Some(after) = rest.strip_prefix("super::") {
            chain += 1;
            rest = after;
        }
        best = best.max(chain);
    }
    best
}

fn style_complaints(file: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.trim_start_matches("#![").starts_with("//!") && !text.starts_with("//!") {
        complaints.push(format!("{file}:1: a file opens with a `//!` head that says its purpose"));
    }
    let lines = text.lines().count();
    let excused = LONG_FILES.iter().any(|(name, reason)| *name == file && !reason.is_empty());
    if lines > LINES_MAX && !excused {
        complaints.push(format!("{file}: {lines} lines; split it or give a reason in LONG_FILES"));
    }
    for (index, line) in text.lines().enumerate() {
        let at = index + 1;
        if line.chars().count() > COLUMNS_MAX && !may_be_wide(line) {
            complaints.push(format!("{file}:{at}: longer than {COLUMNS_MAX} columns"));
        }
        let marker = ["TO", "DO"].concat();
        let fix = ["FIX", "ME"].concat();
        if line.contains(&marker) || line.contains(&fix) {
            complaints.push(format!("{file}:{at}: a gap is an entry in tests/known_issues.rs"));
        }
        let trimmed = line.trim_start();
        let allows = trimmed.starts_with("#[allow(") || trimmed.starts_with("#![allow(");
        if allows && !allow_has_reason(text, index) {
            complaints.push(format!("{file}:{at}: an allowed lint needs `reason = \"…\"`"));
        }
    }
    complaints
}

/// Addresses, rows of tables and messages of the wire are easier to read whole.
fn may_be_wide(line: &str) -> bool {
    let text = line.trim_start();
    text.starts_with("//! |")
        || ["http", "r#\"", "{\\\""].iter().any(|mark| text.contains(mark))
        || text.starts_with("{\"")
}

fn allow_has_reason(text: &str, index: usize) -> bool {
    let mut attribute = String::new();
    for line in text.lines().skip(index).take(8) {
        attribute.push_str(line);
        if line.trim_end().ends_with(")]") {
            break;
        }
    }
    attribute.contains("reason = \"")
}

fn name_complaints(file: &str) -> Vec<String> {
    file.split(['/', '.'])
        .filter(|part| FORBIDDEN_NAMES.contains(part) || part.starts_with("new_"))
        .map(|part| format!("{file}: `{part}` says nothing; name the thing"))
        .collect()
}

fn unsafe_complaints(file: &str, text: &str) -> Vec<String> {
    let at_home = file.starts_with("src/host/")
        || file.ends_with("/avx2.rs")
        || file.ends_with("/gpu.rs")
        || file.contains("/decode/")
        || !file.starts_with("src/");
    let allows = text.contains("allow(unsafe_code");
    if allows && !at_home {
        return vec![format!(
            "{file}: unsafe lives in host, avx2.rs, gpu.rs and SIMD decoders only"
        )];
    }
    Vec::new()
}

fn assert_clean(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let files = sources(&["src"]);
    assert!(files.len() > 10, "the walk found only {} files", files.len());
    let complaints: Vec<String> =
        files.iter().flat_map(|(file, text)| import_complaints(file, text)).collect();
    assert_clean(&complaints);
}

#[test]
fn the_table_only_points_down() {
    for room in ROOMS {
        for import in room.imports {
            if let Some(target) = find_room(import) {
                assert!(target.level < room.level, "{} -> {}", room.name, import);
            }
        }
    }
}

#[test]
fn the_readme_shows_the_same_table() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md stands at the top");
    for room in ROOMS {
        let row = format!("| {} | `{}` |", room.level, room.name);
        assert!(readme.contains(&row), "README.md lacks the row starting `{row}`");
    }
}

#[test]
fn every_room_is_in_the_table_and_every_row_is_a_room() {
    for room in ROOMS {
        assert!(root().join("src").join(room.name).is_dir(), "no folder src/{}", room.name);
    }
}

#[test]
fn files_have_heads_and_bounds() {
    let mut complaints = Vec::new();
    for (file, text) in sources(&["src", "tests", "bench", "fuzz"]) {
        complaints.extend(style_complaints(&file, &text));
        complaints.extend(name_complaints(&file));
        complaints.extend(unsafe_complaints(&file, &text));
    }
    assert_clean(&complaints);
}

#[test]
fn canary_a_sideways_import_is_caught() {
    let planted = "//! x\nuse crate::{units::Ticks, venue::binance};\n";
    assert_eq!(import_complaints("src/market/book/ladder.rs", planted).len(), 1);
    let up = "//! x\nuse crate::hot::lane;\n";
    assert_eq!(import_complaints("src/ledger/mod.rs", up).len(), 1);
    let leaving = "//! x\nuse super::super::super::venue;\n";
    assert_eq!(import_complaints("src/market/book/ladder.rs", leaving).len(), 1);
    let fine = "//! x\nuse super::Top;\nuse crate::record::{DepthDiff, Level};\n";
    assert!(import_complaints("src/market/book/ladder.rs", fine).is_empty());
}

#[test]
fn canary_style_breaks_are_caught() {
    let headless = "use std::fs;\n";
    assert_eq!(style_complaints("src/a.rs", headless).len(), 1);
    let bare = "//! x\n#[allow(dead_code)]\nfn f() {}\n";
    assert_eq!(style_complaints("src/a.rs", bare).len(), 1);
    let wide = format!("//! x\n// {}\n", "y".repeat(120));
    assert_eq!(style_complaints("src/a.rs", &wide).len(), 1);
    assert_eq!(name_complaints("src/host/utils.rs").len(), 1);
    let unsafe_text = "//! x\n#![allow(unsafe_code, reason = \"fast\")]\n";
    assert_eq!(unsafe_complaints("src/ledger/mod.rs", unsafe_text).len(), 1);
}
