//! The planner on machines we do not have: by example, and by its rules on random ones.

use super::*;
use proptest::prelude::*;

/// Two sockets of eight cores with hyper-threads: core n has CPUs 2n and 2n + 1.
const DUAL: &str = "package:2 numa:1 l3:1 core:8 pu:2";

fn wishes(lanes: usize) -> Wishes {
    Wishes { lanes, isolated: Vec::new(), nic_node: None, allowed: None }
}

fn planned(machine: &str, wishes: &Wishes) -> Placement {
    let machine = Topology::parse(machine).expect("well-formed");
    let placement = plan(&machine, wishes).expect("there is room");
    assert_eq!(broken_rule(&machine, wishes, &placement), None, "{placement:?}");
    placement
}

/// The promises of the module head, checked the slow way; `None` when all hold.
fn broken_rule(machine: &Topology, wishes: &Wishes, plan: &Placement) -> Option<&'static str> {
    let core_of = |cpu: u32| machine.cores.iter().position(|core| core.cpus.contains(&cpu));
    let allowed = |cpu: u32| {
        machine.cpus().contains(&cpu) && wishes.allowed.as_ref().is_none_or(|a| a.contains(&cpu))
    };
    let others = [plan.journal, plan.house];
    if !plan.lanes.iter().chain(&others).chain(&plan.idle).all(|cpu| allowed(*cpu)) {
        return Some("a CPU that is not allowed");
    }
    if plan.lanes.len() != wishes.lanes || plan.spin.len() != wishes.lanes {
        return Some("a lane without a place");
    }
    let usable = |node: Option<u32>| {
        let here = |core: &&Core| node.is_none_or(|node| core.node == node);
        let cores = machine.cores.iter().filter(here);
        cores.filter(|core| core.cpus.iter().any(|cpu| allowed(*cpu))).count()
    };
    let roles: Vec<_> = plan.lanes.iter().chain(&others).map(|cpu| core_of(*cpu)).collect();
    let distinct = |roles: &[Option<usize>]| {
        roles.iter().enumerate().all(|(i, core)| !roles[..i].contains(core))
    };
    if usable(None) >= wishes.lanes + 2 && !distinct(&roles) {
        return Some("a shared core although there are enough");
    }
    if usable(None) >= wishes.lanes && !distinct(&roles[..wishes.lanes]) {
        return Some("lanes share a core although there are enough");
    }
    let nodes: Vec<_> = roles.iter().flatten().map(|core| machine.cores[*core].node).collect();
    if nodes[0] != plan.node {
        return Some("the node is not the first lane's");
    }
    let fits = |node: u32| usable(Some(node)) >= wishes.lanes + 2;
    if machine.nodes.iter().any(|node| fits(node.id)) && nodes.iter().any(|n| *n != plan.node) {
        return Some("spread over nodes although one has room");
    }
    if wishes.nic_node.is_some_and(|nic| fits(nic) && nic != plan.node) {
        return Some("not on the card's node although it has room");
    }
    for (lane, spins) in plan.lanes.iter().zip(&plan.spin) {
        let tenants = plan.lanes.iter().chain(&others).filter(|cpu| *cpu == lane).count();
        if *spins != (tenants == 1) {
            return Some("a lane spins on a shared CPU, or does not on its own");
        }
        let siblings = &machine.cores[core_of(*lane)?].cpus;
        let kept = |cpu: &u32| plan.idle.contains(cpu) || plan.lanes.contains(cpu);
        if siblings.iter().any(|cpu| allowed(*cpu) && !kept(cpu) && !others.contains(cpu)) {
            return Some("a sibling that is neither idle nor in use");
        }
    }
    None
}

fn words(placement: &Placement) -> Vec<String> {
    placement.concessions.iter().map(ToString::to_string).collect()
}

#[test]
fn two_sockets_give_everything_when_isolated() {
    let isolated: Vec<u32> = (18..24).collect(); // three cores of the second socket
    let plan = planned(DUAL, &Wishes { nic_node: Some(1), isolated, ..wishes(2) });
    assert_eq!((plan.node, plan.lanes.as_slice()), (1, [18, 20].as_slice()));
    assert_eq!((plan.journal, plan.house), (22, 30));
    assert_eq!(plan.idle, [19, 21]);
    assert_eq!(plan.spin, [true, true]);
    assert_eq!(plan.concessions, []);
}

#[test]
fn an_untuned_server_keeps_cpu_zero_for_the_house() {
    let plan = planned(DUAL, &wishes(1));
    assert_eq!((plan.node, plan.lanes.as_slice()), (0, [2].as_slice()));
    assert_eq!((plan.journal, plan.house, plan.idle.as_slice()), (4, 0, [3].as_slice()));
    assert_eq!(words(&plan), ["the kernel may interrupt the lanes: CPU 2 not isolated"]);
}

#[test]
fn siblings_numbered_far_apart_stay_idle_too() {
    // Linux numbers the second hyper-threads after all first ones.
    let mut machine = Topology::parse("package:1 core:4 pu:2").expect("well-formed");
    for (core, seat) in machine.cores.iter_mut().enumerate() {
        seat.cpus = vec![core as u32, core as u32 + 4];
    }
    let plan = plan(&machine, &wishes(2)).expect("there is room");
    assert_eq!(
        (plan.lanes.as_slice(), plan.idle.as_slice()),
        ([1, 2].as_slice(), [5, 6].as_slice())
    );
    assert_eq!((plan.journal, plan.house), (3, 0));
}

#[test]
fn lanes_and_journal_share_a_last_level_cache() {
    // Two complexes of four cores under one node; CPU 0 spoils the first.
    let plan = planned("package:1 numa:1 l3:2 core:4 pu:1", &wishes(3));
    assert_eq!((plan.lanes.as_slice(), plan.journal), ([4, 5, 6].as_slice(), 7));
    assert_eq!(plan.house, 0);
}

#[test]
fn two_cores_share_journal_and_house() {
    let plan = planned("core:2 pu:1", &wishes(1));
    assert_eq!((plan.lanes.as_slice(), plan.journal, plan.house), ([1].as_slice(), 0, 0));
    assert_eq!(plan.spin, [true]);
    assert_eq!(
        words(&plan),
        [
            "journal (CPU 0) and house-keeping share a core",
            "the kernel may interrupt the lanes: CPU 1 not isolated",
        ]
    );
}

#[test]
fn two_lanes_on_two_cores_leave_one_that_may_spin() {
    let plan = planned("core:2 pu:1", &wishes(2));
    assert_eq!((plan.lanes.as_slice(), plan.journal), ([1, 0].as_slice(), 0));
    assert_eq!(plan.spin, [true, false]);
    assert_eq!(
        words(&plan)[0],
        "journal and house-keeping share CPU 0 with a lane: it blocks instead of spinning"
    );
    assert!(plan.concessions.contains(&Concession::LaneOnCpuZero));
}

#[test]
fn one_core_is_enough() {
    let plan = planned("core:1 pu:1", &wishes(2));
    assert_eq!((plan.lanes.as_slice(), plan.journal, plan.house), ([0, 0].as_slice(), 0, 0));
    assert_eq!(plan.spin, [false, false]);
    assert_eq!(words(&plan)[0], "2 lanes share 1 core: they take turns and must not spin");
    let threads = planned("core:1 pu:2", &wishes(1));
    assert_eq!((threads.lanes.as_slice(), threads.journal), ([0].as_slice(), 1));
    assert_eq!(
        words(&threads)[0],
        "journal and house-keeping run on CPU 1, the sibling of the lane on CPU 0"
    );
}

#[test]
fn a_card_on_a_small_node_is_mentioned() {
    let allowed = Some(vec![0, 2, 4, 6, 16]); // one core of node 1 only
    let plan = planned(DUAL, &Wishes { nic_node: Some(1), allowed, ..wishes(1) });
    assert_eq!(plan.node, 0);
    assert!(
        words(&plan).contains(&"lanes run on node 0, the network card sits on node 1".to_owned())
    );
}

#[test]
fn what_cannot_be_placed_is_said() {
    let machine = Topology::parse("core:2 pu:1").expect("well-formed");
    assert_eq!(plan(&machine, &wishes(0)), Err(PlacementError::NoLane));
    let error = plan(&machine, &Wishes { allowed: Some(vec![7]), ..wishes(1) })
        .expect_err("CPU 7 is not there");
    assert_eq!(
        error.to_string(),
        "none of the machine's CPUs (0-1) is allowed to this process; widen its cpuset"
    );
}

fn machines() -> impl Strategy<Value = (Topology, Wishes)> {
    let shape = (1..3u32, 1..3u32, 1..3u32, 1..5u32, 1..3u32);
    (shape, 1..5usize, prop::option::of(0..4u32), any::<[u64; 2]>(), any::<bool>()).prop_map(
        |((packages, nodes, caches, cores, threads), lanes, nic_node, masks, all)| {
            let text =
                format!("package:{packages} numa:{nodes} l3:{caches} core:{cores} pu:{threads}");
            let machine = Topology::parse(&text).expect("well-formed");
            let chosen = |mask: u64| -> Vec<u32> {
                machine.cpus().into_iter().filter(|cpu| mask >> (cpu % 64) & 1 == 1).collect()
            };
            let allowed = (!all).then(|| chosen(masks[0]));
            let isolated = chosen(masks[1]);
            (machine, Wishes { lanes, isolated, nic_node, allowed })
        },
    )
}

proptest! {
    #[test]
    fn the_rules_hold_on_any_machine((machine, wishes) in machines()) {
        match plan(&machine, &wishes) {
            Ok(placement) => {
                let broken = broken_rule(&machine, &wishes, &placement);
                prop_assert_eq!(broken, None, "{:?}", placement);
            }
            Err(PlacementError::NoCpu { .. }) => {
                let allowed = wishes.allowed.unwrap_or_default();
                prop_assert!(machine.cpus().iter().all(|cpu| !allowed.contains(cpu)));
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}

#[test]
fn canary_spoiled_plans_are_caught() {
    let machine = Topology::parse(DUAL).expect("well-formed");
    let asked = Wishes { nic_node: Some(0), ..wishes(2) };
    let good = plan(&machine, &asked).expect("there is room");
    assert_eq!(broken_rule(&machine, &asked, &good), None);
    type Spoil = fn(&mut Placement);
    let spoils: [(Spoil, &str); 6] = [
        (|plan| plan.journal = 99, "a CPU that is not allowed"),
        (|plan| plan.journal = plan.lanes[0], "a shared core although there are enough"),
        (|plan| plan.house = 16, "spread over nodes although one has room"),
        (|plan| plan.idle.clear(), "a sibling that is neither idle nor in use"),
        (|plan| plan.spin[1] = false, "a lane spins on a shared CPU, or does not on its own"),
        (|plan| plan.lanes.truncate(1), "a lane without a place"),
    ];
    for (spoil, expected) in spoils {
        let mut spoiled = good.clone();
        spoil(&mut spoiled);
        assert_eq!(broken_rule(&machine, &asked, &spoiled), Some(expected));
    }
}
