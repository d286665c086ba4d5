//! Bot4 beside its rivals: checks that both sides compute the same, then times them in turns.
//!
//! `rivals [--json] [FOLDER]` reads the Binance captures under FOLDER (default: `BOT4_SHARED`/data or
//! `../shared/data`), or generates a sample where there are none, and prints one row per comparison.

mod book;
mod captures;
mod decode;
mod indicators;
mod measure;
mod row;

use captures::Captures;
use row::Row;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let folder = arguments.iter().find(|argument| !argument.starts_with("--"));
    let captures = Captures::load(folder.map(String::as_str));
    eprintln!("input: {}", captures.source);
    let mut rows: Vec<Row> = Vec::new();
    rows.extend(decode::rows(&captures));
    rows.extend(book::rows(&captures));
    rows.extend(indicators::rows());
    if json {
        match serde_json::to_string_pretty(&rows) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("rows to JSON: {error}"),
        }
    } else {
        row::print(&rows);
    }
}
