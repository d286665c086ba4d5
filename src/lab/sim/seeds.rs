//! Many seeds on every core: each a world of its own; what broke, and the shortest list that breaks it.
//!
//! Invariant: the outcome of a seed depends on the seed, the span and its list of faults alone, never on
//! which thread ran it or when.

use super::faults::FaultList;
use super::judge::{Invariant, Violation};
use super::scenario::{Scenario, ScenarioError};
use super::world::{World, WorldError};
use crate::hot::flaws::{Flaws, Sound};
use crate::units::Nanos;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Worlds that shrinking one list may cost, unless told otherwise.
pub const SHRINK_RUNS: usize = 300;
/// Violations that are kept and shrunk; further ones are counted.
pub const VIOLATIONS_MAX: usize = 20;

/// Why a seed could not be run; a bug of the simulator.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// No scenario.
    #[error("seed {seed}: {cause}")]
    Scenario {
        /// Which.
        seed: u64,
        /// Why.
        cause: ScenarioError,
    },
    /// No world.
    #[error("seed {seed}: {cause}")]
    World {
        /// Which.
        seed: u64,
        /// Why.
        cause: WorldError,
    },
}

/// What became of a seed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How long it lived.
    pub lived: Nanos,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Requests that reached the exchange.
    pub orders: u64,
    /// Fills.
    pub fills: u64,
    /// Comparisons of the engine's books with the venue's.
    pub compared: u64,
    /// Inputs of the lanes.
    pub events: u64,
    /// Lives of the engine.
    pub lives: u64,
    /// Steps of the world.
    pub steps: u64,
    /// Hash of every byte that reached anybody.
    pub traffic: u64,
    /// The first breach.
    pub violation: Option<Violation>,
}

/// A breach, and how to see it again.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Broken {
    /// The seed.
    pub seed: u64,
    /// What broke.
    pub invariant: Invariant,
    /// At which step.
    pub step: u64,
    /// When, milliseconds since the world began.
    pub at_ms: u64,
    /// What was seen.
    pub words: String,
    /// The shortest list of faults found that breaks the same, as `--faults` takes it.
    pub faults: String,
    /// Faults of the seed's own list.
    pub faults_before: usize,
}

/// What became of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Everything added up.
    pub total: Outcome,
    /// What broke, by seed.
    pub broken: Vec<Broken>,
    /// Seeds that broke and are not in `broken`.
    pub broken_more: u64,
}

/// Runs one seed for `span` with its own faults, or with these.
///
/// # Errors
/// See [`SeedError`].
pub fn run(seed: u64, span: Nanos, faults: Option<&FaultList>) -> Result<Outcome, SeedError> {
    run_telling(seed, span, faults, &mut None)
}

/// The same, with the tale of its last moments.
///
/// # Errors
/// See [`SeedError`].
pub fn run_telling(
    seed: u64,
    span: Nanos,
    faults: Option<&FaultList>,
    tale: &mut Option<Vec<String>>,
) -> Result<Outcome, SeedError> {
    run_as::<Sound>(seed, span, faults, tale)
}

/// The same for an engine with or without bugs.
///
/// # Errors
/// See [`SeedError`].
pub fn run_as<F: Flaws>(
    seed: u64,
    span: Nanos,
    faults: Option<&FaultList>,
    tale: &mut Option<Vec<String>>,
) -> Result<Outcome, SeedError> {
    let scenario = Scenario::of(seed).map_err(|cause| SeedError::Scenario { seed, cause })?;
    let own;
    let faults = match faults {
        Some(given) => given,
        None => {
            own = FaultList::of(seed, span);
            &own
        }
    };
    let failed = |cause| SeedError::World { seed, cause };
    let mut world = World::<F>::of(scenario, faults).map_err(failed)?;
    if tale.is_some() {
        world.tale().listen();
    }
    world.live(span).map_err(failed)?;
    if let Some(lines) = tale {
        *lines = world.tale().lines();
        lines.push(format!("the venue: {:?}", world.venue().report()));
    }
    let (orders, fills, compared) = world.judge().counts();
    let violation = world.judge().violation().cloned();
    let lived = match &violation {
        Some(of) => Nanos::from_millis(of.at_ms),
        None => span,
    };
    Ok(Outcome {
        lived,
        faults: world.faults().clone(),
        orders,
        fills,
        compared,
        events: world.events_taken(),
        lives: world.lives(),
        steps: world.steps(),
        traffic: world.traffic().0,
        violation,
    })
}

/// Runs seeds `first..first + count` on `threads` threads; `told` hears of every seed that is done.
///
/// # Errors
/// The first seed that could not be run.
pub fn run_all(
    first: u64,
    count: u64,
    span: Nanos,
    threads: usize,
    shrink_runs: usize,
    told: &(dyn Fn(u64, &Outcome) + Sync),
) -> Result<Summary, SeedError> {
    let next = AtomicU64::new(0);
    let failed = Mutex::new(None);
    let summary = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let seed = first.wrapping_add(index);
                    match run(seed, span, None) {
                        Ok(outcome) => {
                            told(seed, &outcome);
                            enter(&summary, seed, span, shrink_runs, &outcome);
                        }
                        Err(error) => {
                            next.store(count, Ordering::Relaxed);
                            if let Ok(mut failed) = failed.lock() {
                                failed.get_or_insert(error);
                            }
                        }
                    }
                }
            });
        }
    });
    if let Ok(Some(error)) = failed.into_inner() {
        return Err(error);
    }
    let mut summary = summary.into_inner().unwrap_or_default();
    summary.broken.sort_by_key(|of| of.seed);
    Ok(summary)
}

fn enter(summary: &Mutex<Summary>, seed: u64, span: Nanos, shrink_runs: usize, outcome: &Outcome) {
    let is_room = |of: &Mutex<Summary>| of.lock().is_ok_and(|of| of.broken.len() < VIOLATIONS_MAX);
    // Shrunk outside the lock: it takes long, and the other threads go on.
    let broken = outcome
        .violation
        .as_ref()
        .map(|violation| is_room(summary).then(|| shrunk(seed, span, shrink_runs, violation)));
    let Ok(mut summary) = summary.lock() else { return };
    summary.seeds += 1;
    summary.total.add(outcome);
    match broken {
        Some(Some(broken)) => summary.broken.push(broken),
        Some(None) => summary.broken_more += 1,
        None => {}
    }
}

impl Outcome {
    fn add(&mut self, other: &Outcome) {
        self.lived = self.lived.plus(other.lived);
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_insert(0) += count;
        }
        self.orders += other.orders;
        self.fills += other.fills;
        self.compared += other.compared;
        self.events += other.events;
        self.lives += other.lives;
        self.steps += other.steps;
        self.traffic ^= other.traffic;
    }
}

/// The breach of a seed with the shortest list of faults found that leads to the same.
#[must_use]
pub fn shrunk(seed: u64, span: Nanos, runs: usize, violation: &Violation) -> Broken {
    // What comes after the breach cannot have led to it.
    let end = Nanos::from_millis(violation.at_ms + 1);
    let mut all = FaultList::of(seed, span);
    let faults_before = all.0.len();
    all.0.retain(|fault| fault.at <= end);
    let mut seen = violation.clone();
    let mut breaks = |list: &FaultList| {
        let found = run(seed, span, Some(list)).ok().and_then(|outcome| outcome.violation);
        let same = found.filter(|found| found.invariant == violation.invariant);
        if let Some(found) = same {
            seen = found;
            return true;
        }
        false
    };
    let least = minimise(&all, runs, &mut breaks);
    Broken {
        seed,
        invariant: seen.invariant,
        step: seen.step,
        at_ms: seen.at_ms,
        words: seen.words,
        faults: least.to_string(),
        faults_before,
    }
}

/// Delta debugging (Zeller and Hildebrandt 2002): leaves out ever smaller parts while it still breaks.
fn minimise(
    all: &FaultList,
    runs_max: usize,
    breaks: &mut dyn FnMut(&FaultList) -> bool,
) -> FaultList {
    let mut list = all.clone();
    let mut runs = 0;
    let mut parts = 1;
    while !list.0.is_empty() && runs < runs_max {
        let size = list.0.len().div_ceil(parts);
        let mut smaller = None;
        for start in (0..list.0.len()).step_by(size) {
            let end = (start + size).min(list.0.len());
            let rest = [&list.0[..start], &list.0[end..]].concat();
            let without = FaultList(rest);
            runs += 1;
            if breaks(&without) {
                smaller = Some(without);
                break;
            }
            if runs >= runs_max {
                break;
            }
        }
        match smaller {
            Some(without) => {
                list = without;
                parts = parts.saturating_sub(1).max(1);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(list.0.len()),
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::sim::kinds::Kind;

    #[test]
    fn a_list_shrinks_to_what_is_needed() {
        let all = FaultList::of(3, Nanos(1_800 * 1_000_000_000));
        assert!(all.0.len() > 20);
        let needed = [all.0[4].kind, all.0[17].kind];
        let (mut runs, least) = (0, |list: &FaultList| {
            let has = |kind: Kind| list.0.iter().any(|fault| fault.kind == kind);
            needed.iter().all(|kind| has(*kind))
        });
        let found = minimise(&all, SHRINK_RUNS, &mut |list| {
            runs += 1;
            least(list)
        });
        assert!(found.0.len() <= 2 && least(&found), "{found}");
        assert!(runs < SHRINK_RUNS, "{runs}");
        assert!(minimise(&all, SHRINK_RUNS, &mut |_| true).0.is_empty(), "nothing is needed");
        let kept = minimise(&all, SHRINK_RUNS, &mut |list| list.0.len() == all.0.len());
        assert_eq!(kept.0.len(), all.0.len(), "everything is needed");
    }
}
