//! Files and words from people: captures, configurations, fault plans, values of the command line.

use super::Bytes;
use bot4::cli::config::{Address, Config, Span, Speed};
use bot4::host::cpulist;
use bot4::lab::capture::{Capture, Frame, Source};
use bot4::lab::exchange::server::Fault;
use bot4::units::{Decimal, Grid, GridError, LaneId, Nanos};
use bot4::venue::binance::metadata;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::path::Path;

/// A capture, plain or gzip: its frames are the tails of its lines, in order, and written as
/// `<receive time> <frame>` they read back, packed or not.
pub fn capture(data: &[u8]) -> bool {
    let Ok(capture) = Capture::read(Path::new("fuzzed"), data) else { return false };
    let frames: Vec<Frame<'_>> = capture.frames().collect();
    assert_eq!(frames.len() as u64 + capture.skipped(), capture.lines(), "every line counts once");
    assert!(frames.is_sorted_by(|one, next| one.line < next.line), "in the order of the file");
    let mut plain = Vec::new();
    for frame in &frames {
        if let Source::Rest(url) = frame.source {
            assert!(url.starts_with("http"), "{url} is no address");
        }
        if frame.bytes.is_empty() {
            return true; // such a line says nothing, and the plain format has none
        }
        plain.extend_from_slice(format!("{} ", frame.received.0).as_bytes());
        plain.extend_from_slice(frame.bytes);
        plain.extend_from_slice(b"\r\n");
    }
    if plain.is_empty() {
        return false;
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&plain).expect("memory");
    let packed = packed.finish().expect("memory");
    for (name, text) in [("again", &plain), ("again.gz", &packed)] {
        let again = Capture::read(Path::new(name), &text[..]).expect("what was written is read");
        let pairs = again.frames().map(|of| (of.received, of.bytes));
        assert!(pairs.eq(frames.iter().map(|of| (of.received, of.bytes))), "{name} differs");
    }
    true
}

/// A configuration file. A good one stays good under a comment and gives plans; a bad one is refused
/// with a line that exists.
pub fn config(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let config = match Config::parse(text) {
        Ok(config) => config,
        Err(error) => {
            let words = error.to_string();
            assert!(words.starts_with("configuration"), "{words}");
            let line = words.strip_prefix("configuration, line ").map(|rest| {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse::<usize>().expect("a line number")
            });
            let lines = text.matches('\n').count() + 1;
            assert!(line.is_none_or(|line| (1..=lines).contains(&line)), "{words}");
            return false;
        }
    };
    assert_eq!(Config::parse(&format!("{text}\n# a remark")).ok().as_ref(), Some(&config));
    let symbols: Vec<&str> = config.venue.symbols.iter().map(String::as_str).collect();
    let listed = metadata::embedded(config.venue.family.0, bot4::units::VenueId(0), &symbols);
    if let Ok(listed) = listed {
        for lane in 0..config.lanes.len() {
            match config.plan(LaneId(lane as u16), &listed, 1) {
                Ok(plan) => assert!(plan.entries_len > 0, "a lane trades something"),
                Err(error) => assert!(!error.to_string().is_empty(), "a refusal says why"),
            }
        }
    }
    true
}

/// Faults, one a line: each is written back in the words it came in.
pub fn fault_plan(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let mut accepted = false;
    for line in text.lines() {
        let Ok(fault) = line.parse::<Fault>() else { continue };
        accepted = true;
        let again: Fault = words(&fault).parse().expect("what was written is read");
        assert_eq!(again, fault, "{line}");
    }
    accepted
}

fn words(fault: &Fault) -> String {
    match *fault {
        Fault::Drop { at } => format!("drop@{at}"),
        Fault::Torn { at } => format!("torn@{at}"),
        Fault::Garbage { at } => format!("garbage@{at}"),
        Fault::Gap { at } => format!("gap@{at}"),
        Fault::Swap { at } => format!("swap@{at}"),
        Fault::Delay { at, millis } => format!("delay@{at}:{millis}"),
        Fault::Reject { at, count, code } => format!("reject@{at}:{count}:{code}"),
        Fault::Mute { at, count } => format!("mute@{at}:{count}"),
        Fault::Unsure { at, count } => format!("unsure@{at}:{count}"),
        Fault::DropOrders { at } => format!("drop-orders@{at}"),
    }
}

/// Spans, speeds and addresses, one a line.
pub fn command_values(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let mut accepted = false;
    for line in text.lines() {
        if let Ok(Span(nanos)) = line.parse() {
            accepted = true;
            // Every unit is a whole number of milliseconds, so that one spelling fits all.
            let again: Span = format!("{}ms", nanos.0 / 1_000_000).parse().expect("milliseconds");
            assert_eq!((again.0, nanos.0 % 1_000_000), (Nanos(nanos.0), 0), "{line}");
        }
        if let Ok(Speed::Times(times)) = line.parse() {
            accepted = true;
            assert!(times.is_finite() && times > 0.0, "{line}");
        }
        if let Ok(Address::At(address)) = line.parse() {
            accepted = true;
            assert_eq!(address, line);
        }
    }
    accepted
}

/// The first bytes make a grid, the rest is a decimal: read, printed and divided by the grid as
/// arithmetic in 128 bits says.
pub fn decimals(data: &[u8]) -> bool {
    let mut bytes = Bytes(data);
    let (scale, digits) = (bytes.byte() % 19, bytes.byte() % 19);
    let step = Decimal { mantissa: (bytes.word() >> (bytes.byte() % 64)) as i64, scale };
    let Ok(text) = std::str::from_utf8(bytes.0) else { return false };
    let Ok(value) = Decimal::parse(text) else { return false };
    let again = Decimal::parse(&value.to_string()).expect("what was printed is read");
    assert!(equal(value, again), "{text} printed as {value}");
    if let Some(grid) = Grid::new(step, digits) {
        assert!(equal(grid.step(), step), "the grid of {step} has the step {}", grid.step());
        let whole = divided(value, grid.step());
        match grid.steps_of(value) {
            Ok(steps) => assert_eq!(Some(i128::from(steps)), whole, "{value} / {step}"),
            Err(GridError::OffGrid) => {
                assert!(value.mantissa < 0 || whole.is_none(), "{value} / {step}");
            }
            // Steps of digits that 63 bits do not hold.
            Err(GridError::TooLarge) => assert!(value.mantissa != 0),
        }
        if value.mantissa >= 0 {
            let steps = grid.whole_steps(value.mantissa.unsigned_abs());
            let plain = value.mantissa / grid.step().mantissa;
            assert_eq!(steps, plain, "{value} in whole steps");
        }
    }
    true
}

fn equal(one: Decimal, other: Decimal) -> bool {
    let power = |scale: u8| 10i128.pow(u32::from(scale));
    let (a, b) = (i128::from(one.mantissa), i128::from(other.mantissa));
    a * power(other.scale) == b * power(one.scale)
}

/// Steps in a value, where they are whole.
fn divided(value: Decimal, step: Decimal) -> Option<i128> {
    let power = |scale: u8| 10i128.pow(u32::from(scale));
    let (top, bottom) = (
        i128::from(value.mantissa) * power(step.scale),
        i128::from(step.mantissa) * power(value.scale),
    );
    (top % bottom == 0).then(|| top / bottom)
}

/// The kernel's lists of CPUs: what was read is written and reads back.
pub fn cpu_list(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(cpus) = cpulist::parse(text) else { return false };
    assert!(cpus.is_sorted_by(|one, next| one < next), "{text}");
    if !cpus.is_empty() {
        assert_eq!(cpulist::parse(&cpulist::format(&cpus)), Ok(cpus), "{text}");
        return true;
    }
    false
}
