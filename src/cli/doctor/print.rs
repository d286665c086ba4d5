//! The diagnosis for eyes: `Report -> text`, in aligned columns, never wider than `WIDTH`.
//!
//! Findings wrap by words under their own column. Only what mends is left in one piece, because it
//! is there to be copied.

use super::report::{Check, Report, Status};
use crate::host::topology::{Cache, Topology};
use std::fmt::Write as _;

/// Columns of the table.
pub const WIDTH: usize = 100;
/// Width of the verdicts.
const STATUS_WIDTH: usize = 7;
/// Two columns left of everything, two between columns.
const GAP: usize = 2;

/// The whole report, ready to print.
pub(super) fn text(report: &Report, colour: bool) -> String {
    let mut out = String::from("bot4 doctor: the machine as Bot4 sees it\n\n");
    if let Some(machine) = &report.topology {
        picture(&mut out, machine, report);
        out.push('\n');
    }
    let name_width =
        report.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let mut heading = "";
    for check in &report.checks {
        if section(&check.name) != heading {
            let gap = if heading.is_empty() { "" } else { "\n" };
            heading = section(&check.name);
            let _ = writeln!(out, "{gap}{heading}");
        }
        row(&mut out, check, name_width, colour);
    }
    out.push('\n');
    out += &summary(&report.checks, colour);
    out
}

/// The heading that a row stands under, by the group in its name.
fn section(name: &str) -> &'static str {
    match name.split('.').next().unwrap_or(name) {
        "processor" | "virtualization" | "topology" | "placement" => "machine",
        "simd" | "clock" | "clocksource" | "governor" => "speed and time",
        "isolation" | "irq" | "realtime_throttle" | "steal" => "quiet",
        "huge_pages" | "memory" | "swap" => "memory",
        "io_uring" | "ktls" | "nic" => "network",
        _ => "devices",
    }
}

fn row(out: &mut String, check: &Check, name_width: usize, colour: bool) {
    let status = painted(check.status, &format!("{:<STATUS_WIDTH$}", check.status.name()), colour);
    let indent = GAP + STATUS_WIDTH + GAP + name_width + GAP;
    let mut lines = clauses(&check.found, WIDTH - indent).into_iter();
    let first = lines.next().unwrap_or_default();
    let line = format!("  {status}  {:<name_width$}  {first}", check.name);
    let _ = writeln!(out, "{}", line.trim_end());
    for line in lines {
        let _ = writeln!(out, "{:indent$}{line}", "");
    }
    if let Some(mend) = &check.mend {
        let _ = writeln!(out, "{:indent$}-> {mend}", "");
    }
}

/// One line when it fits, else a line for each clause, the later ones behind a dash.
fn clauses(found: &str, width: usize) -> Vec<String> {
    if found.chars().count() <= width {
        return vec![found.to_owned()];
    }
    let mut lines = Vec::new();
    for (index, clause) in found.split("; ").enumerate() {
        let dashes = if index == 0 { ["", ""] } else { ["- ", "  "] };
        for (row, line) in wrapped(clause, width - dashes[0].len()).iter().enumerate() {
            lines.push(format!("{}{line}", dashes[usize::from(row > 0)]));
        }
    }
    lines
}

/// Cores in brackets by node and largest cache, with letters for who runs there.
fn picture(out: &mut String, machine: &Topology, report: &Report) {
    let cell = |cpus: &[u32]| {
        let threads: Vec<String> =
            cpus.iter().map(|cpu| format!("{cpu}{}", letters(report, *cpu))).collect();
        format!("[{}]", threads.join(" "))
    };
    for node in &machine.nodes {
        let memory = node.bytes.map_or_else(String::new, |bytes| {
            format!(", {:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
        });
        let _ = writeln!(out, "  node {}{memory}", node.id);
        let cores = machine.cores.iter().filter(|core| core.node == node.id);
        let groups: Vec<_> = cores.collect();
        for group in
            groups.chunk_by(|a, b| machine.cache_mates(a.cpus[0]) == machine.cache_mates(b.cpus[0]))
        {
            let label = shared_cache(machine, &group[0].cpus).map_or_else(String::new, |cache| {
                let size =
                    cache.bytes.map_or_else(String::new, |bytes| format!(" {} MiB", bytes >> 20));
                format!("L{}{size}", cache.level)
            });
            let cells: Vec<String> = group.iter().map(|core| cell(&core.cpus)).collect();
            let indent = 4 + 12;
            for (index, line) in wrapped(&cells.join("\u{1f}"), WIDTH - indent).iter().enumerate() {
                let label = if index == 0 { label.as_str() } else { "" };
                let _ = writeln!(out, "    {label:<12}{line}");
            }
        }
    }
    if let Some(plan) = &report.placement {
        let idle = if plan.idle.is_empty() { "" } else { ", i kept idle" };
        let _ = writeln!(out, "  L lane, J journal, H house-keeping{idle}");
    }
}

/// The largest cache over these CPUs, when it is shared with other cores.
fn shared_cache<'a>(machine: &'a Topology, cpus: &[u32]) -> Option<&'a Cache> {
    let over = machine.caches.iter().filter(|cache| cache.cpus.contains(&cpus[0]));
    over.filter(|cache| cache.cpus.len() > cpus.len()).max_by_key(|cache| cache.level)
}

fn letters(report: &Report, cpu: u32) -> String {
    let Some(plan) = &report.placement else { return String::new() };
    let roles = [
        ('L', plan.lanes.contains(&cpu)),
        ('J', plan.journal == cpu),
        ('H', plan.house == cpu),
        ('i', plan.idle.contains(&cpu)),
    ];
    roles.into_iter().filter(|(_, here)| *here).map(|(letter, _)| letter).collect()
}

fn summary(checks: &[Check], colour: bool) -> String {
    let statuses = [Status::Ok, Status::Warn, Status::Fail, Status::Unknown];
    let counts: Vec<String> = statuses
        .into_iter()
        .map(|status| (status, checks.iter().filter(|check| check.status == status).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| painted(status, &format!("{count} {}", status.name()), colour))
        .collect();
    format!("  {}\n", counts.join(", "))
}

fn painted(status: Status, text: &str, colour: bool) -> String {
    let code = match status {
        Status::Ok => "32",
        Status::Warn => "33",
        Status::Fail => "1;31",
        Status::Unknown => "2",
    };
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Lines of at most `width` characters, broken between words; a word that is longer is broken
/// itself. A unit separator (U+001F) breaks like a blank and is printed as one, so cells keep their
/// blanks.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let separator = if text.contains('\u{1f}') { '\u{1f}' } else { ' ' };
    let mut lines = vec![String::new()];
    for word in text.split(separator) {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let line = lines.last_mut().expect("Invariant: there is always a line");
            let used = line.chars().count();
            let blank = usize::from(used > 0);
            if used + blank + word.len() <= width {
                line.extend(std::iter::repeat_n(' ', blank).chain(word.drain(..)));
            } else if used > 0 {
                lines.push(String::new());
            } else {
                line.extend(word.drain(..width.max(1)));
                lines.push(String::new());
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::placement::{Wishes, plan};

    fn report(machine: &str, checks: Vec<Check>) -> Report {
        let machine = Topology::parse(machine).expect("well-formed");
        let wishes = Wishes { lanes: 1, isolated: Vec::new(), nic_node: None, allowed: None };
        let placement = plan(&machine, &wishes).ok();
        Report { checks, topology: Some(machine), placement }
    }

    #[test]
    fn two_sockets_are_drawn() {
        let drawn = text(&report("package:2 numa:1 l3:1 core:8 pu:2", Vec::new()), false);
        let expected = "  node 0\n    L3          [0H 1] [2L 3i] [4J 5] [6 7] [8 9] [10 11] \
                        [12 13] [14 15]\n  node 1\n";
        assert!(drawn.contains(expected), "{drawn}");
    }

    #[test]
    fn a_wide_machine_wraps_its_cores() {
        let drawn = text(&report("package:1 l3:1 core:64 pu:2", Vec::new()), false);
        assert!(drawn.lines().all(|line| line.chars().count() <= WIDTH), "{drawn}");
        assert!(drawn.contains("[126 127]"), "{drawn}");
    }

    #[test]
    fn long_findings_wrap_under_their_column_and_commands_do_not() {
        let mend = format!("sudo {}", "x".repeat(120));
        let checks =
            vec![Check::warn("name", "word ".repeat(40), mend.clone()), Check::ok("b", "c")];
        let drawn = text(&report("core:1 pu:1", checks), false);
        assert!(drawn.contains(&format!("-> {mend}\n")), "{drawn}");
        assert!(drawn.contains("\n                 word word"), "{drawn}");
        assert!(drawn.ends_with("  1 ok, 1 warn\n"), "{drawn}");
        assert!(drawn.lines().all(|line| line == line.trim_end()), "{drawn}");
    }

    #[test]
    fn wrapping_loses_nothing() {
        for width in 1..12 {
            let lines = wrapped("a bcd efghijklmno p", width);
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{lines:?}");
            assert_eq!(lines.concat().replace(' ', ""), "abcdefghijklmnop");
        }
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let report = report("core:2 pu:1", vec![Check::ok("a", "b"), Check::fail("c", "d", "e")]);
        let mut plain = text(&report, true);
        for code in ["\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[2m", "\x1b[0m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, text(&report, false));
    }
}
