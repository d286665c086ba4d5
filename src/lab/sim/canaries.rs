//! Planted bugs, one at a time: does the judge find each, and in how many seeds?
//!
//! `Planted` is the type that says yes where `hot::flaws::Sound` says no: to the one bug that is planted
//! on the thread of the world. A seed counts as a find when an invariant that the bug touches breaks in
//! it with the bug and none breaks without; one that breaks by itself shows nothing and is passed over.
//! Invariant: a find depends on bug, first seed and span alone, never on threads or time.

use super::invariants::{Invariant, Violation};
use super::seeds::{self, SeedError};
use crate::hot::flaws::{Flaw, Flaws, Sound};
use crate::units::Nanos;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Seeds within which every bug must be found, unless told otherwise.
pub const SEEDS_MAX: u64 = 200;
/// How long each seed lives, unless told otherwise: a fifth of an hour.
pub const SPAN: Nanos = Nanos(720 * 1_000_000_000);

thread_local! {
    static PLANTED: Cell<Option<Flaw>> = const { Cell::new(None) };
}

/// An engine with the bug that is planted on its thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planted;

impl Flaws for Planted {
    #[inline]
    fn has(flaw: Flaw) -> bool {
        PLANTED.get() == Some(flaw)
    }
}

/// Takes the bug out again, even where the engine died of it.
struct Plant;

impl Plant {
    fn new(flaw: Flaw) -> Plant {
        PLANTED.set(Some(flaw));
        Plant
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        PLANTED.set(None);
    }
}

/// What a bug can break by what it does. A bug changes the course of a seed, which may then meet a
/// weakness that has nothing to do with it: that is no find.
#[must_use]
pub const fn breaks(flaw: Flaw) -> &'static [Invariant] {
    use Invariant as I;
    match flaw {
        Flaw::ForgetPartialFill | Flaw::BookFillTwice | Flaw::AdoptNothing => {
            &[I::Position, I::Cash, I::Fees, I::OpenOrders]
        }
        Flaw::ResendUnderNewId => &[I::Verdict],
        Flaw::ReuseOrderIds => &[I::SentTwice],
        Flaw::UnknownIsDead | Flaw::SkipReconciliation => {
            &[I::Position, I::Cash, I::Fees, I::OpenOrders, I::PositionLimit, I::OrderCount]
        }
        Flaw::LoseJournalRecord => &[I::Recovery, I::Replay],
        Flaw::SendBeforeDurable => &[I::Durable],
        Flaw::SkipStalePlanCheck | Flaw::AcceptCrossedBook | Flaw::TradeWhileHalted => {
            &[I::Forbidden]
        }
        // what an absurd number leads to, down to the end of the engine
        Flaw::TakeAbsurdPlan => &[
            I::OrderSize,
            I::PositionLimit,
            I::OrderCount,
            I::OwnRate,
            I::Forbidden,
            I::Alive,
            I::Idle,
        ],
        Flaw::IgnoreGap => &[I::Book],
        Flaw::CountWithoutInFlight => &[I::PositionLimit],
        Flaw::NeverCountOrders => &[I::OwnRate, I::VenueRate],
        Flaw::SkipExposureCheck => &[I::ExposureLimit],
        Flaw::IgnoreLoss | Flaw::IgnoreExposure => &[I::Breach],
        Flaw::HoardFrames => &[I::Memory],
        Flaw::StaySilent => &[I::Idle],
    }
}

/// What became of one bug.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Find {
    /// Its name.
    pub name: &'static str,
    /// What it is a bug of.
    pub class: &'static str,
    /// What it does.
    pub bug: &'static str,
    /// Seeds until it was found, those that were passed over among them; none where it was not.
    pub seeds: Option<u64>,
    /// Seeds that broke without it, or broke what it does not touch: passed over.
    pub passed_over: u64,
    /// The seed that found it.
    pub seed: Option<u64>,
    /// The invariant that it broke.
    pub invariant: Option<Invariant>,
    /// At which step.
    pub step: Option<u64>,
    /// What was seen.
    pub words: Option<String>,
}

/// Which seeds break without a bug, asked once each.
#[derive(Debug, Default)]
struct Soundness(Mutex<BTreeMap<u64, bool>>);

impl Soundness {
    fn breaks(&self, seed: u64, span: Nanos) -> Result<bool, SeedError> {
        let known = self.0.lock().ok().and_then(|of| of.get(&seed).copied());
        if let Some(breaks) = known {
            return Ok(breaks);
        }
        let breaks = seeds::run_as::<Sound>(seed, span, None, &mut None)?.violation.is_some();
        if let Ok(mut all) = self.0.lock() {
            all.insert(seed, breaks);
        }
        Ok(breaks)
    }
}

/// What a seed comes to with a bug in the engine; a panic is a breach too.
///
/// # Errors
/// See [`SeedError`].
pub fn run(flaw: Flaw, seed: u64, span: Nanos) -> Result<Option<Violation>, SeedError> {
    let _plant = Plant::new(flaw);
    let lived = catch_unwind(AssertUnwindSafe(|| {
        seeds::run_as::<Planted>(seed, span, None, &mut None).map(|outcome| outcome.violation)
    }));
    lived.unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("it said nothing");
        let words = format!("the engine died: {words}");
        Ok(Some(Violation { invariant: Invariant::Alive, step: 0, at_ms: 0, words }))
    })
}

/// Looks for each of `flaws` in the seeds from `first` on, at most `seeds_max` of them; `told` hears of
/// each bug that is done.
///
/// # Errors
/// The first seed that could not be run.
pub fn hunt(
    flaws: &[Flaw],
    first: u64,
    seeds_max: u64,
    span: Nanos,
    threads: usize,
    told: &(dyn Fn(&Find) + Sync),
) -> Result<Vec<Find>, SeedError> {
    let (next, sound) = (AtomicUsize::new(0), Soundness::default());
    let found: Mutex<Vec<(usize, Result<Find, SeedError>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, flaws.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(flaw) = flaws.get(at) else { return };
                    let find = hunt_one(*flaw, first, seeds_max, span, &sound);
                    if let Ok(find) = &find {
                        told(find);
                    }
                    if let Ok(mut found) = found.lock() {
                        found.push((at, find));
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_default();
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, find)| find).collect()
}

fn hunt_one(
    flaw: Flaw,
    first: u64,
    seeds_max: u64,
    span: Nanos,
    sound: &Soundness,
) -> Result<Find, SeedError> {
    let mut find = Find {
        name: flaw.name(),
        class: flaw.class(),
        bug: flaw.words(),
        seeds: None,
        passed_over: 0,
        seed: None,
        invariant: None,
        step: None,
        words: None,
    };
    for index in 0..seeds_max {
        let seed = first.wrapping_add(index);
        let Some(violation) = run(flaw, seed, span)? else { continue };
        if !breaks(flaw).contains(&violation.invariant) || sound.breaks(seed, span)? {
            find.passed_over += 1;
            continue;
        }
        find.seeds = Some(index + 1);
        find.seed = Some(seed);
        find.invariant = Some(violation.invariant);
        find.step = Some(violation.step);
        find.words = Some(violation.words);
        break;
    }
    Ok(find)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds within which the bugs that show at once must be found here.
    const FEW: u64 = 4;

    #[test]
    fn bugs_are_found_and_the_seeds_that_show_them_are_sound_without() {
        let flaws = [
            Flaw::HoardFrames,
            Flaw::ReuseOrderIds,
            Flaw::ForgetPartialFill,
            Flaw::NeverCountOrders,
        ];
        let finds = hunt(&flaws, 1, FEW, SPAN, 1, &|_| {}).unwrap();
        for (flaw, find) in flaws.into_iter().zip(finds) {
            println!("{find:?}");
            let seed = find.seed.unwrap_or_else(|| panic!("{} is not found", find.name));
            assert!(breaks(flaw).contains(&find.invariant.unwrap()), "{find:?}");
            assert!(!Soundness::default().breaks(seed, SPAN).unwrap(), "{find:?}");
        }
    }

    #[test]
    fn where_no_bug_is_planted_the_engine_is_the_sound_one() {
        let span = Nanos(SPAN.0 / 3);
        let sound = seeds::run_as::<Sound>(2, span, None, &mut None).unwrap();
        let same = seeds::run_as::<Planted>(2, span, None, &mut None).unwrap();
        assert_eq!((sound.traffic, sound.steps), (same.traffic, same.steps));
        {
            let _plant = Plant::new(Flaw::SkipReconciliation);
            let other = seeds::run_as::<Planted>(2, span, None, &mut None).unwrap();
            assert_ne!(sound.traffic, other.traffic, "and a planted one is another");
        }
        assert_eq!(PLANTED.get(), None, "it is taken out again");
    }
}
