//! The README's tables of limits and breakers say what the example configuration and the gate say.

use bot4::cli::config::Config;
use bot4::record::Verdict;
use toml::{Table, Value};

const README: &str = include_str!("../README.md");
const SECTION: &str = "## Limits, breakers, kill switch\n";

fn section(readme: &str) -> &str {
    let rest = readme.split_once(SECTION).expect("the section").1;
    rest.split("\n## ").next().unwrap_or(rest)
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('|').trim()).collect()
}

/// Rows below the head that begins so.
fn rows<'a>(section: &'a str, head: &str) -> Vec<Vec<&'a str>> {
    let lines = section.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    lines.take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// What stands in back quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn table<'a>(of: &'a Table, key: &str) -> &'a Table {
    of[key].as_table().expect("a table")
}

/// Everything in which the tables, the example and the gate differ.
fn complaints(readme: &str, example: &str) -> Vec<String> {
    let section = section(readme);
    let example: Table = example.parse().expect("TOML");
    let mut complaints = Vec::new();
    let limits = table(&example, "limits");
    let listed = rows(section, "| `limits.`");
    let named: Vec<&str> = listed.iter().flat_map(|row| quoted(row[0])).collect();
    for (key, value) in limits {
        let Some(row) = listed.iter().find(|row| quoted(row[0]).any(|name| name == key)) else {
            complaints.push(format!("limits.{key} is not in the README"));
            continue;
        };
        let default = quoted(row.last().expect("cells")).next();
        let wanted = match value {
            Value::Table(_) => None,
            other => Some(other.to_string()),
        };
        if default.is_some() && default.map(str::to_owned) != wanted {
            complaints.push(format!("limits.{key} is {value}, the README says {default:?}"));
        } else if default.is_none() && matches!(value, Value::Integer(_)) && key != "capital" {
            complaints.push(format!("limits.{key} has no default in the README"));
        }
    }
    complaints.extend(
        named
            .iter()
            .filter(|name| !limits.contains_key(**name))
            .map(|name| format!("the README has limits.{name}, which the example does not")),
    );
    let listed = rows(section, "| `breakers.`");
    for (name, settings) in table(&example, "breakers") {
        let row = listed.iter().find(|row| quoted(row[0]).any(|of| of == name));
        let said: Vec<&str> = row.map_or(Vec::new(), |row| quoted(row[2]).collect());
        let settings = settings.as_table().expect("a table");
        let wanted: Vec<String> =
            settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let missing = wanted.iter().filter(|of| !said.contains(&of.as_str()));
        complaints.extend(missing.map(|of| format!("breakers.{name}: no `{of}` in the README")));
        if said.len() != wanted.len() {
            complaints.push(format!("breakers.{name}: the README has {said:?}"));
        }
    }
    let refusals = Verdict::ALL.iter().filter(|verdict| !verdict.passes());
    let unsaid = refusals.filter(|of| !quoted(section).any(|word| word == of.name()));
    complaints.extend(unsaid.map(|of| format!("verdict `{}` is not in the README", of.name())));
    complaints
}

#[test]
fn the_readme_says_what_the_example_and_the_gate_say() {
    let found = complaints(README, Config::example());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn canaries_every_difference_is_found() {
    for (from, to) in [
        ("| `notional_over_limit` | `5000` |", "| `notional_over_limit` | `6000` |"),
        ("`trip_percent = 200`", "`trip_percent = 100`"),
        ("| `gross` |", "| `grass` |"),
        ("`mark_unknown`", "`mark`"),
    ] {
        assert!(README.contains(from), "{from}");
        assert!(!complaints(&README.replacen(from, to, 1), Config::example()).is_empty(), "{from}");
    }
    let example = Config::example().replacen("collar_bps = 50", "collar_bps = 51", 1);
    assert!(!complaints(README, &example).is_empty());
}
