//! Worlds of a few seeds: repeated to the byte, alive, and without a breach.

use super::faults::FaultList;
use super::scenario::Scenario;
use super::seeds;
use super::world::World;
use crate::ledger::OrderCounts;
use crate::units::Nanos;

const MINUTE: Nanos = Nanos(60 * 1_000_000_000);

fn quiet(seed: u64) -> World {
    let mut world = World::new(Scenario::of(seed).unwrap(), &FaultList::default()).unwrap();
    world.run_until(MINUTE).unwrap();
    world
}

#[test]
fn a_seed_repeats_every_byte_and_another_differs() {
    for seed in 0..4 {
        let (first, second) = (quiet(seed), quiet(seed));
        let hash = |world: &World| {
            let lane = world.engine().unwrap().lane();
            (world.traffic(), world.steps(), lane.state_hash(), lane.orders_hash())
        };
        assert_eq!(hash(&first), hash(&second), "seed {seed}");
        assert_eq!(first.judge().violation(), None, "seed {seed}");
        let OrderCounts { sent, fills, .. } = first.engine().unwrap().lane().ledger().counts();
        println!("seed {seed}: {sent} orders, {fills} fills, {} steps", first.steps());
        assert!(sent > 1 && fills > 0, "seed {seed} trades");
        assert_ne!(hash(&first), hash(&quiet(seed + 100)), "seed {seed}");
    }
}

#[test]
fn a_seed_with_all_its_faults_repeats_itself() {
    for seed in 0..2 {
        let run = || seeds::run(seed, Nanos(5 * MINUTE.0), None).unwrap();
        let (first, second) = (run(), run());
        assert_eq!(first.traffic, second.traffic, "seed {seed}");
        assert_eq!((first.steps, &first.violation), (second.steps, &None), "seed {seed}");
        println!("seed {seed}: {first:?}");
    }
}
