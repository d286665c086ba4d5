//! Which thread runs where: `Topology + Wishes -> Placement`, a pure function.
//!
//! Wanted: every lane alone on a core, the journal on another, guard and house-keeping on a third,
//! all on the NUMA node of the network card and under one last-level cache, the lanes on isolated
//! CPUs, house-keeping not, CPU 0 (the kernel's favourite) with house-keeping, and the lanes'
//! sibling hyper-threads left idle. What a machine cannot give is given up, in this order: journal
//! and house-keeping share a core, then live beside the last lane, then lanes share cores. Each
//! sacrifice is a `Concession` that says so in words.
//! Invariants: every CPU named is allowed; a lane may spin exactly when nothing else runs on its
//! CPU.
//! Deliberately absent: pinning (`host::pin`) and looking at the machine (`host::topology`,
//! `system`).

use super::cpulist;
use super::topology::{Core, Topology};
use serde::Serialize;
use std::cmp::Reverse;
use std::fmt;

/// What the planner is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wishes {
    /// Lanes, at least one.
    pub lanes: usize,
    /// CPUs the kernel keeps its own work away from (isolcpus, nohz_full).
    pub isolated: Vec<u32>,
    /// NUMA node of the network card, when known.
    pub nic_node: Option<u32>,
    /// CPUs the process may use; `None` is all.
    pub allowed: Option<Vec<u32>>,
}

/// Where everything runs; numbers are the kernel's CPU numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// NUMA node of the first lane; memory belongs there.
    pub node: u32,
    /// One CPU per lane.
    pub lanes: Vec<u32>,
    /// The journal's CPU.
    pub journal: u32,
    /// The CPU of guard thread, control plane and everything else.
    pub house: u32,
    /// Sibling hyper-threads of the lanes, to be kept idle.
    pub idle: Vec<u32>,
    /// Whether each lane may spin: nothing else was placed on its CPU.
    pub spin: Vec<bool>,
    /// What was given up, gravest first.
    #[serde(serialize_with = "in_words")]
    pub concessions: Vec<Concession>,
}

/// Something the machine could not give, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concession {
    /// More lanes than cores.
    LanesShareCores {
        /// Lanes asked for.
        lanes: usize,
        /// Cores there are.
        cores: usize,
    },
    /// No core is left for journal and house-keeping.
    LaneSharesItsCpu {
        /// The CPU that does it all.
        cpu: u32,
    },
    /// Journal and house-keeping run on the sibling hyper-thread of a lane.
    SiblingNotIdle {
        /// The lane's CPU.
        lane: u32,
        /// The sibling.
        sibling: u32,
    },
    /// Journal and house-keeping have one core between them.
    JournalSharesItsCore {
        /// The journal's CPU.
        cpu: u32,
    },
    /// Not everything fits on the lanes' node.
    OtherNode {
        /// Who lives elsewhere.
        who: Role,
        /// On which node.
        node: u32,
    },
    /// The lanes are on another node than the network card.
    FarFromNic {
        /// The lanes' node.
        node: u32,
        /// The card's node.
        nic: u32,
    },
    /// Lanes run where the kernel may interrupt them.
    NotIsolated {
        /// Those CPUs.
        cpus: Vec<u32>,
    },
    /// House-keeping runs on a CPU that was isolated.
    HouseIsolated {
        /// That CPU.
        cpu: u32,
    },
    /// A lane runs on CPU 0, where the kernel does most of its own work.
    LaneOnCpuZero,
}

/// Who runs on a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A hot lane.
    Lane,
    /// The journal.
    Journal,
    /// Guard, control plane and the rest.
    House,
}

/// Why there is no placement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// No lane was asked for.
    #[error("no lane to place; ask for at least one")]
    NoLane,
    /// The machine and the allowed CPUs have nothing in common.
    #[error(
        "none of the machine's CPUs ({}) is allowed to this process; widen its cpuset",
        cpulist::format(cpus)
    )]
    NoCpu {
        /// The machine's CPUs.
        cpus: Vec<u32>,
    },
}

/// A core as the planner sees it: allowed hyper-threads only.
struct Seat {
    cpus: Vec<u32>,
    node: u32,
    isolated: bool,
    has_cpu_zero: bool,
    /// First CPU of the largest cache it is under: names the cache.
    cache: u32,
}

/// Plans a machine.
///
/// # Errors
/// When no lane is wanted or no CPU is allowed.
pub fn plan(machine: &Topology, wishes: &Wishes) -> Result<Placement, PlacementError> {
    if wishes.lanes == 0 {
        return Err(PlacementError::NoLane);
    }
    let seats = seats_of(machine, wishes);
    let node =
        best_node(&seats, wishes).ok_or_else(|| PlacementError::NoCpu { cpus: machine.cpus() })?;
    let order = order_of(&seats, node, wishes.lanes);
    let lane_seats: Vec<usize> = (0..wishes.lanes).map(|lane| order[lane % order.len()]).collect();
    let lanes: Vec<u32> = lane_seats.iter().map(|seat| seats[*seat].cpus[0]).collect();
    let rest = order.get(wishes.lanes..).unwrap_or_default();
    let (journal, house) = match rest {
        [] => {
            // The last lane's sibling, if it has one, or the last lane itself.
            let beside = &seats[lane_seats[wishes.lanes - 1]].cpus;
            let cpu = beside[usize::from(beside.len() > 1)];
            (cpu, cpu)
        }
        [shared] => {
            let cpus = &seats[*shared].cpus;
            (cpus[0], cpus[usize::from(cpus.len() > 1)])
        }
        [first, others @ ..] => {
            let house = others
                .iter()
                .chain([first])
                .min_by_key(|seat| house_key(&seats[**seat], node))
                .expect("Invariant: the chain has at least two seats");
            let journal = if house == first { &others[0] } else { first };
            (seats[*journal].cpus[0], seats[*house].cpus[0])
        }
    };
    let spin = spins(&lanes, journal, house);
    let idle = lane_seats
        .iter()
        .flat_map(|seat| seats[*seat].cpus.iter().copied())
        .filter(|cpu| !lanes.contains(cpu) && ![journal, house].contains(cpu))
        .collect::<std::collections::BTreeSet<u32>>()
        .into_iter()
        .collect();
    let mut placement =
        Placement { node, lanes, journal, house, idle, spin, concessions: Vec::new() };
    placement.concessions = concessions_of(&placement, machine, wishes, seats.len());
    Ok(placement)
}

fn seats_of(machine: &Topology, wishes: &Wishes) -> Vec<Seat> {
    let allowed = |cpu: &u32| wishes.allowed.as_ref().is_none_or(|allowed| allowed.contains(cpu));
    let seat = |core: &Core| {
        let cpus: Vec<u32> = core.cpus.iter().copied().filter(allowed).collect();
        let first = *cpus.first()?;
        Some(Seat {
            isolated: wishes.isolated.contains(&first),
            has_cpu_zero: core.cpus.contains(&0),
            cache: machine.cache_mates(first).first().copied().unwrap_or(first),
            node: core.node,
            cpus,
        })
    };
    machine.cores.iter().filter_map(seat).collect()
}

/// The node that fits most of what is wanted; among those the card's, then the one with most
/// isolated cores, then the largest, then the lowest number.
fn best_node(seats: &[Seat], wishes: &Wishes) -> Option<u32> {
    let wanted = wishes.lanes + 2;
    let key = |node: u32| {
        let here = || seats.iter().filter(move |seat| seat.node == node);
        let isolated = here().filter(|seat| seat.isolated).count();
        let is_nic = wishes.nic_node == Some(node);
        (here().count().min(wanted), is_nic, isolated, here().count(), Reverse(node))
    };
    seats.iter().map(|seat| seat.node).max_by_key(|node| key(*node))
}

/// Seats from the lanes' first choice to the last: on the node, isolated, under the busiest good
/// cache, away from CPU 0.
fn order_of(seats: &[Seat], node: u32, lanes: usize) -> Vec<usize> {
    let good =
        |seat: &&Seat, cache: u32| seat.node == node && seat.cache == cache && !seat.has_cpu_zero;
    let cache_key = |cache: u32| {
        let here = || seats.iter().filter(move |seat| good(seat, cache));
        let isolated = here().filter(|seat| seat.isolated).count();
        (isolated.min(lanes), here().count().min(lanes + 1), Reverse(cache))
    };
    let on_node = seats.iter().filter(|seat| seat.node == node);
    let best = on_node.map(|seat| seat.cache).max_by_key(|cache| cache_key(*cache));
    let mut order: Vec<usize> = (0..seats.len()).collect();
    order.sort_by_key(|index| {
        let seat = &seats[*index];
        (seat.node != node, !seat.isolated, seat.has_cpu_zero, Some(seat.cache) != best, *index)
    });
    order
}

/// House-keeping prefers a core on the lanes' node, not isolated, with CPU 0; else the last one.
fn house_key(seat: &Seat, node: u32) -> (bool, bool, bool, Reverse<u32>) {
    (seat.node != node, seat.isolated, !seat.has_cpu_zero, Reverse(seat.cpus[0]))
}

fn spins(lanes: &[u32], journal: u32, house: u32) -> Vec<bool> {
    let alone = |cpu: u32| {
        lanes.iter().filter(|lane| **lane == cpu).count() == 1 && ![journal, house].contains(&cpu)
    };
    lanes.iter().map(|cpu| alone(*cpu)).collect()
}

fn concessions_of(
    placement: &Placement,
    machine: &Topology,
    wishes: &Wishes,
    cores: usize,
) -> Vec<Concession> {
    let Placement { lanes, journal, house, node, .. } = placement;
    let node_of = |cpu: u32| machine.core_of(cpu).map_or(*node, |core| core.node);
    let same_core = |a: u32, b: u32| machine.core_of(a).is_some_and(|core| core.cpus.contains(&b));
    let mut given_up = Vec::new();
    if lanes.len() > cores {
        given_up.push(Concession::LanesShareCores { lanes: lanes.len(), cores });
    }
    match lanes.iter().find(|lane| same_core(**lane, *journal)) {
        Some(lane) if lane == journal => {
            given_up.push(Concession::LaneSharesItsCpu { cpu: *lane });
        }
        Some(lane) => {
            given_up.push(Concession::SiblingNotIdle { lane: *lane, sibling: *journal });
        }
        None if same_core(*journal, *house) => {
            given_up.push(Concession::JournalSharesItsCore { cpu: *journal });
        }
        None => {}
    }
    let places = lanes.iter().map(|lane| (Role::Lane, *lane));
    for (who, cpu) in places.chain([(Role::Journal, *journal), (Role::House, *house)]) {
        if node_of(cpu) != *node {
            given_up.push(Concession::OtherNode { who, node: node_of(cpu) });
        }
    }
    if let Some(nic) = wishes.nic_node.filter(|nic| nic != node) {
        given_up.push(Concession::FarFromNic { node: *node, nic });
    }
    let open: Vec<u32> =
        lanes.iter().copied().filter(|cpu| !wishes.isolated.contains(cpu)).collect();
    if !open.is_empty() {
        given_up.push(Concession::NotIsolated { cpus: open });
    }
    if wishes.isolated.contains(house) && !lanes.contains(house) {
        given_up.push(Concession::HouseIsolated { cpu: *house });
    }
    if lanes.contains(&0) {
        given_up.push(Concession::LaneOnCpuZero);
    }
    given_up.sort();
    given_up.dedup();
    given_up
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Lane => "a lane",
            Role::Journal => "the journal",
            Role::House => "house-keeping",
        })
    }
}

impl fmt::Display for Concession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Concession::LanesShareCores { lanes, cores } => {
                write!(
                    f,
                    "{lanes} lanes share {cores} core{}: they take turns and must not spin",
                    if *cores == 1 { "" } else { "s" }
                )
            }
            Concession::LaneSharesItsCpu { cpu } => write!(
                f,
                "journal and house-keeping share CPU {cpu} with a lane: it blocks \
                 instead of spinning"
            ),
            Concession::SiblingNotIdle { lane, sibling } => write!(
                f,
                "journal and house-keeping run on CPU {sibling}, the sibling of the lane \
                 on CPU {lane}"
            ),
            Concession::JournalSharesItsCore { cpu } => {
                write!(f, "journal (CPU {cpu}) and house-keeping share a core")
            }
            Concession::OtherNode { who, node } => {
                write!(f, "{who} lives on another node ({node})")
            }
            Concession::FarFromNic { node, nic } => {
                write!(f, "lanes run on node {node}, the network card sits on node {nic}")
            }
            Concession::NotIsolated { cpus } => {
                let list = cpulist::format(cpus);
                write!(f, "the kernel may interrupt the lanes: CPU {list} not isolated")
            }
            Concession::HouseIsolated { cpu } => {
                write!(f, "house-keeping runs on CPU {cpu}, which was isolated")
            }
            Concession::LaneOnCpuZero => {
                write!(f, "a lane runs on CPU 0, where the kernel does most of its own work")
            }
        }
    }
}

fn in_words<S: serde::Serializer>(given_up: &[Concession], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(given_up.iter().map(ToString::to_string))
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
