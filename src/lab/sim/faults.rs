//! Everything that goes wrong in one seed: a list drawn up front, as text, with times.
//!
//! `MS:NAME[:A[:B[:C]]]`, joined by commas: milliseconds since the world began, the kind, its numbers.
//! Faults come in storms with calms between them, long enough for the engine to have reconciled, so that
//! its books must equal the venue's at the end of each. A list with faults left out is a list again:
//! that is how a failing one shrinks.

use super::kinds::{Group, Kind};
use crate::maths::random::Random;
use crate::units::Nanos;
use std::fmt;
use std::str::FromStr;

/// Stream of the seed from which faults are drawn.
const STREAM: u64 = 0x6661_756c;
/// Nothing goes wrong before: the engine has come up.
const FIRST: Nanos = Nanos(15 * 1_000_000_000);
/// Mean time between two faults of a storm.
const GAP_MEAN: f64 = 4.0;
/// A storm lasts at least this long, and up to so much longer.
const STORM_MIN: f64 = 20.0;
const STORM_MORE: f64 = 80.0;
/// After the last fault of a storm has passed, the engine has this long to reconcile.
pub const CALM: Nanos = Nanos(60 * 1_000_000_000);

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When, since the world began.
    pub at: Nanos,
    /// What.
    pub kind: Kind,
    /// Its numbers, as the kind reads them.
    pub args: [i64; 3],
}

/// Faults in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultList(pub Vec<Fault>);

/// A text that is no list of faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no fault: {why}; a fault is MS:NAME[:A[:B[:C]]]")]
pub struct FaultListError {
    text: String,
    why: String,
}

impl Fault {
    /// When its immediate effects are over.
    #[must_use]
    pub fn over_at(&self) -> Nanos {
        self.at.plus(self.kind.span(&self.args))
    }
}

impl FaultList {
    /// The faults of a seed that lives for `span`.
    #[must_use]
    pub fn of(seed: u64, span: Nanos) -> FaultList {
        let mut random = Random::new(seed, STREAM);
        let mut faults = Vec::new();
        let mut now = FIRST;
        let seconds = |of: f64| Nanos((of * 1e9) as u64);
        loop {
            let end = now.plus(seconds(STORM_MIN + STORM_MORE * random.unit()));
            let mut over = now;
            let favourites = Group::draw(&mut random);
            while now < end {
                let kind = Kind::draw(&mut random, favourites);
                // Milliseconds are what the text keeps: what is printed is what happened.
                let at = Nanos::from_millis(now.0 / 1_000_000);
                let fault = Fault { at, kind, args: kind.draw_args(&mut random) };
                if fault.over_at().plus(CALM) >= span {
                    return FaultList(faults);
                }
                over = over.max(fault.over_at());
                faults.push(fault);
                now = now.plus(seconds(GAP_MEAN * random.exponential()));
            }
            now = over.max(now).plus(CALM).plus(seconds(10.0 * random.unit()));
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.at.0 / 1_000_000, self.kind.name())?;
        let used = self.args.iter().rposition(|arg| *arg != 0).map_or(0, |last| last + 1);
        self.args[..used].iter().try_for_each(|arg| write!(f, ":{arg}"))
    }
}

impl fmt::Display for FaultList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{fault}")?;
        }
        Ok(())
    }
}

impl FromStr for FaultList {
    type Err = FaultListError;

    fn from_str(text: &str) -> Result<FaultList, FaultListError> {
        let parts = text.split(',').filter(|part| !part.is_empty());
        let read =
            |part: &str| one(part).map_err(|why| FaultListError { text: part.to_owned(), why });
        let mut faults = parts.map(read).collect::<Result<Vec<Fault>, _>>()?;
        faults.sort_by_key(|fault| fault.at);
        Ok(FaultList(faults))
    }
}

fn one(text: &str) -> Result<Fault, String> {
    let mut parts = text.split(':');
    let at = parts.next().and_then(|part| part.parse().ok());
    let at = at.ok_or("it does not begin with a number of milliseconds")?;
    let name = parts.next().unwrap_or_default();
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        format!("NAME is `{name}` and not one of {}", Kind::ALL.map(Kind::name).join(", "))
    })?;
    let mut args = [0; 3];
    for (place, part) in args.iter_mut().zip(parts.by_ref()) {
        *place = part.parse().map_err(|_| format!("`{part}` is no whole number"))?;
    }
    match parts.next() {
        None => Ok(Fault { at: Nanos::from_millis(at), kind, args }),
        Some(more) => Err(format!("`:{more}` follows its third number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const HALF_HOUR: Nanos = Nanos(1_800 * 1_000_000_000);

    #[test]
    fn a_list_reads_back_and_half_of_it_too() {
        for seed in 0..50 {
            let list = FaultList::of(seed, HALF_HOUR);
            assert_eq!(list.to_string().parse(), Ok(list.clone()), "seed {seed}");
            let half = FaultList(list.0.iter().copied().step_by(2).collect());
            assert_eq!(half.to_string().parse(), Ok(half));
        }
        for (bad, why) in [
            ("x", "milliseconds"),
            ("1", "half_open"),
            ("1:nothing", "`nothing` and not one of"),
            ("1:reset:x", "`x` is no whole number"),
            ("1:reset:1:2:3:4", "`:4` follows"),
            ("-1:reset", "milliseconds"),
        ] {
            let error = format!("7:reset,{bad}").parse::<FaultList>().expect_err(bad).to_string();
            assert!(error.contains(&format!("`{bad}`")) && error.contains(why), "{error}");
        }
        assert_eq!("".parse(), Ok(FaultList::default()));
    }

    #[test]
    fn seeds_meet_every_kind_and_leave_calms() {
        let mut met = BTreeSet::new();
        let mut count = 0;
        for seed in 0..200 {
            let list = FaultList::of(seed, HALF_HOUR);
            assert_eq!(list, FaultList::of(seed, HALF_HOUR));
            assert!(list.0.is_sorted_by_key(|fault| fault.at), "seed {seed}");
            met.extend(list.0.iter().map(|fault| fault.kind));
            count += list.0.len();
            let calm = |of: &[Fault]| of[1].at.since(of[0].over_at()) >= CALM;
            assert!(list.0.windows(2).any(calm), "seed {seed} has a calm");
        }
        println!("{} faults a seed", count / 200);
        let missing: Vec<_> = Kind::ALL.into_iter().filter(|kind| !met.contains(kind)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(count / 200 >= 30, "{count}");
    }
}
