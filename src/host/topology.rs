//! The machine as plain data: packages, NUMA nodes, cores with their hyper-threads, caches.
//!
//! From hwloc (`discover`), or from a text such as `package:2 numa:1 core:8 pu:2` (`parse`, hwloc's
//! own notation), so that planners are tested on machines we do not have. hwloc honours the
//! variable HWLOC_SYNTHETIC; `discover` then describes that machine instead of this one.
//! Invariants: every CPU belongs to exactly one core; cores are in hwloc's logical order; CPU lists
//! ascend; nodes and CPUs carry the kernel's numbers.
//! Deliberately absent: PCI devices. `host::system` reads those from /sys.

use super::cpulist;
use hwloc2::ObjectType;
use serde::Serialize;
use std::fmt;

/// Most CPUs a textual machine may have.
const TEXT_CPUS_MAX: u64 = 8_192;

/// A whole machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// Sockets.
    pub packages: u32,
    /// Memory nodes, ascending by number.
    pub nodes: Vec<Node>,
    /// Cores in logical order.
    pub cores: Vec<Core>,
    /// Unified and data caches, largest level first.
    pub caches: Vec<Cache>,
}

/// A NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The kernel's number.
    pub id: u32,
    /// Memory, when known.
    pub bytes: Option<u64>,
}

/// A core and its hyper-threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Core {
    /// Socket, counted from 0 in logical order.
    pub package: u32,
    /// NUMA node.
    pub node: u32,
    /// The kernel's numbers of its hyper-threads, ascending; never empty.
    pub cpus: Vec<u32>,
}

/// A cache and who shares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// 1, 2, 3, …
    pub level: u8,
    /// Size, when known.
    pub bytes: Option<u64>,
    /// Hyper-threads that share it, ascending.
    pub cpus: Vec<u32>,
}

/// Why there is no topology.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// hwloc could not look at the machine.
    #[error(
        "hwloc cannot read the topology; check that /sys is mounted and \
         HWLOC_SYNTHETIC, if set, is valid"
    )]
    Undiscovered,
    /// hwloc found no CPU.
    #[error("hwloc found no CPU; check the cpuset of this process")]
    NoCpu,
    /// A piece of a textual machine is not understood.
    #[error(
        "`{piece}` at position {position}: {what}; write for example `package:2 numa:1 core:8 pu:2`"
    )]
    BadText {
        /// The piece.
        piece: String,
        /// Its position, from 1.
        position: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Topology {
    /// This machine, as hwloc sees it.
    ///
    /// # Errors
    /// When hwloc fails or finds no CPU.
    pub fn discover() -> Result<Topology, TopologyError> {
        let machine = hwloc2::Topology::new().ok_or(TopologyError::Undiscovered)?;
        let of = |kind| machine.objects_with_type(&kind).unwrap_or_default();
        let sets = |kind| of(kind).into_iter().filter_map(|object| object.cpuset());
        let packages: Vec<_> = sets(ObjectType::Package).collect();
        let (mut cores, mut memories) = (Vec::new(), Vec::new());
        // A machine whose cores are unknown has one PU per core, as far as anyone can tell.
        let found = Some(of(ObjectType::Core)).filter(|found| !found.is_empty());
        for core in found.unwrap_or_else(|| of(ObjectType::PU)) {
            let cpus: Vec<u32> = core.cpuset().into_iter().flatten().collect();
            let Some(first) = cpus.first().copied() else { continue };
            let package = packages.iter().position(|set| set.is_set(first)).unwrap_or(0) as u32;
            let node = core.nodeset().map_or(0, |set| u32::try_from(set.first()).unwrap_or(0));
            memories.extend(memory_above(core));
            cores.push(Core { package, node, cpus });
        }
        if cores.is_empty() {
            return Err(TopologyError::NoCpu);
        }
        let mut caches = Vec::new();
        for (level, kind) in
            [(3, ObjectType::L3Cache), (2, ObjectType::L2Cache), (1, ObjectType::L1Cache)]
        {
            for cache in of(kind) {
                let bytes = cache.cache_attributes().map(|cache| cache.size()).filter(|b| *b > 0);
                let cpus = cache.cpuset().into_iter().flatten().collect();
                caches.push(Cache { level, bytes, cpus });
            }
        }
        let mut topology =
            Topology { packages: packages.len().max(1) as u32, nodes: Vec::new(), cores, caches };
        topology.nodes = topology.nodes_of_cores(&memories);
        Ok(topology)
    }

    /// A machine from a text in hwloc's synthetic notation: levels from large to small, each with
    /// the number per parent. Understood: package, numa, l3, l2, l1d, core, pu.
    ///
    /// # Errors
    /// Names the first piece that is unknown, zero, repeated, or makes the machine too large.
    pub fn parse(text: &str) -> Result<Topology, TopologyError> {
        let levels = levels_of(text)?;
        let count = |kind: &str| -> u64 {
            let depth = levels.iter().position(|(name, _)| *name == kind);
            depth.map_or(0, |depth| levels[..=depth].iter().map(|(_, count)| count).product())
        };
        let cpus = levels.iter().map(|(_, count)| count).product::<u64>();
        // Objects of one kind split the CPUs evenly, in order.
        let owner = |kind: &str, cpu: u64| (cpu * count(kind).max(1) / cpus) as u32;
        let members = |kind: &str, owned: u64| -> Vec<u32> {
            let share = cpus / count(kind).max(1);
            (owned * share..(owned + 1) * share).map(|cpu| cpu as u32).collect()
        };
        let core_kind = if count("core") > 0 { "core" } else { "pu" };
        let cores = (0..count(core_kind))
            .map(|core| {
                let cpus = members(core_kind, core);
                let first = u64::from(cpus[0]);
                Core { package: owner("package", first), node: owner("numa", first), cpus }
            })
            .collect();
        let caches = [(3, "l3"), (2, "l2"), (1, "l1d")]
            .into_iter()
            .flat_map(|(level, kind)| (0..count(kind)).map(move |i| (level, kind, i)))
            .map(|(level, kind, i)| Cache { level, bytes: None, cpus: members(kind, i) })
            .collect();
        let packages = count("package").max(1) as u32;
        let mut topology = Topology { packages, nodes: Vec::new(), cores, caches };
        topology.nodes = topology.nodes_of_cores(&[]);
        Ok(topology)
    }

    /// Every CPU, ascending.
    #[must_use]
    pub fn cpus(&self) -> Vec<u32> {
        let mut cpus: Vec<u32> = self.cores.iter().flat_map(|core| core.cpus.clone()).collect();
        cpus.sort_unstable();
        cpus
    }

    /// The core that a CPU is a hyper-thread of.
    #[must_use]
    pub fn core_of(&self, cpu: u32) -> Option<&Core> {
        self.cores.iter().find(|core| core.cpus.contains(&cpu))
    }

    /// Whether any core has more than one hyper-thread.
    #[must_use]
    pub fn has_siblings(&self) -> bool {
        self.cores.iter().any(|core| core.cpus.len() > 1)
    }

    /// The CPUs that share the largest cache with `cpu`; only the core's own when no cache is
    /// known.
    #[must_use]
    pub fn cache_mates(&self, cpu: u32) -> Vec<u32> {
        let sharing = self.caches.iter().filter(|cache| cache.cpus.contains(&cpu));
        match sharing.max_by_key(|cache| cache.level) {
            Some(cache) => cache.cpus.clone(),
            None => self.core_of(cpu).map(|core| core.cpus.clone()).unwrap_or_default(),
        }
    }

    fn nodes_of_cores(&self, memories: &[(u32, u64)]) -> Vec<Node> {
        let mut ids: Vec<u32> = self.cores.iter().map(|core| core.node).collect();
        ids.sort_unstable();
        ids.dedup();
        let bytes = |id| memories.iter().find(|(node, _)| *node == id).map(|(_, bytes)| *bytes);
        ids.into_iter().map(|id| Node { id, bytes: bytes(id).filter(|b| *b > 0) }).collect()
    }
}

/// A core's NUMA node and its memory: the first object above the core that has memory attached.
/// Where several nodes hang on one object their shares are unknown.
fn memory_above(core: &hwloc2::TopologyObject) -> Option<(u32, u64)> {
    let holder = std::iter::successors(Some(core), |object| object.parent())
        .find(|object| object.total_memory() > 0)?;
    let nodes: Vec<u32> = holder.nodeset()?.into_iter().take(2).collect();
    match nodes[..] {
        [node] => Some((node, holder.total_memory())),
        _ => None,
    }
}

fn levels_of(text: &str) -> Result<Vec<(&str, u64)>, TopologyError> {
    const KINDS: [&str; 7] = ["package", "numa", "l3", "l2", "l1d", "core", "pu"];
    let mut levels: Vec<(&str, u64)> = Vec::new();
    let mut cpus: u64 = 1;
    let mut position = 0;
    for piece in text.split_ascii_whitespace() {
        position += 1;
        let bad = |what| TopologyError::BadText { piece: piece.to_owned(), position, what };
        let (kind, number) = piece.split_once(':').ok_or_else(|| bad("has no colon"))?;
        let kind =
            KINDS.iter().find(|known| **known == kind).ok_or_else(|| bad("unknown level"))?;
        if levels.iter().any(|(name, _)| name == kind) {
            return Err(bad("comes twice"));
        }
        if levels.last().is_some_and(|(name, _)| *name == "pu") {
            return Err(bad("stands below `pu`, which is the smallest level"));
        }
        let number: u64 = number.parse().map_err(|_| bad("has no number"))?;
        cpus = cpus.saturating_mul(number);
        if number == 0 || cpus > TEXT_CPUS_MAX {
            return Err(bad("makes a machine of no CPUs or of more than 8192"));
        }
        levels.push((kind, number));
    }
    if levels.last().is_none_or(|(name, _)| *name != "pu") {
        let piece = levels.last().map_or("", |(name, _)| name).to_owned();
        return Err(TopologyError::BadText {
            piece,
            position,
            what: "the last level must be `pu`",
        });
    }
    Ok(levels)
}

impl fmt::Display for Topology {
    /// One line: `2 packages, 2 nodes, 16 cores, 32 CPUs`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural =
            |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        write!(
            f,
            "{}, {}, {}, {}",
            plural(self.packages as usize, "package"),
            plural(self.nodes.len(), "NUMA node"),
            plural(self.cores.len(), "core"),
            plural(self.cpus().len(), "CPU"),
        )
    }
}

impl fmt::Display for Core {
    /// `0,16`: the hyper-threads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&cpulist::format(&self.cpus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_sockets_of_eight_cores() {
        let machine = Topology::parse("package:2 numa:1 l3:1 core:8 pu:2").expect("well-formed");
        assert_eq!(machine.to_string(), "2 packages, 2 NUMA nodes, 16 cores, 32 CPUs");
        assert_eq!(machine.cores[9], Core { package: 1, node: 1, cpus: vec![18, 19] });
        assert_eq!(machine.cache_mates(18), (16..32).collect::<Vec<_>>());
        assert_eq!(machine.core_of(3).map(ToString::to_string), Some("2-3".to_owned()));
        assert!(machine.has_siblings() && machine.core_of(32).is_none());
    }

    #[test]
    fn bad_texts_name_the_piece() {
        for (text, piece, what) in [
            ("", "", "the last level must be `pu`"),
            ("core:4", "core", "the last level must be `pu`"),
            ("core:4 pu:0", "pu:0", "makes a machine of no CPUs or of more than 8192"),
            ("core:9000 pu:2", "core:9000", "makes a machine of no CPUs or of more than 8192"),
            ("socket:2 pu:1", "socket:2", "unknown level"),
            ("core pu:1", "core", "has no colon"),
            ("core:x pu:1", "core:x", "has no number"),
            ("core:2 core:2 pu:1", "core:2", "comes twice"),
            ("pu:2 core:1", "core:1", "stands below `pu`, which is the smallest level"),
        ] {
            match Topology::parse(text) {
                Err(TopologyError::BadText { piece: p, what: w, .. }) => {
                    assert_eq!((p.as_str(), w), (piece, what), "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    /// What the kernel's own files say, one CPU at a time: the twin of hwloc.
    fn siblings_in_sys(cpu: u32) -> Option<Vec<u32>> {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        cpulist::parse(&std::fs::read_to_string(path).ok()?).ok()
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri calls no C")]
    fn hwloc_agrees_with_the_kernel() {
        if std::env::var_os("HWLOC_SYNTHETIC").is_some() {
            eprintln!("SKIPPED (1): hwloc_agrees_with_the_kernel: HWLOC_SYNTHETIC is set");
            return;
        }
        let machine = Topology::discover().expect("hwloc works here");
        let allowed = super::super::pin::allowed();
        assert!(allowed.iter().all(|cpu| machine.cpus().contains(cpu)), "{machine:?}");
        for core in &machine.cores {
            for cpu in &core.cpus {
                if let Some(siblings) = siblings_in_sys(*cpu) {
                    assert!(core.cpus.iter().all(|cpu| siblings.contains(cpu)), "{core:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_cpu_has_one_core(
            packages in 1..4u32, nodes in 1..3u32, cores in 1..9u32, threads in 1..3u32,
        ) {
            let text = format!("package:{packages} numa:{nodes} core:{cores} pu:{threads}");
            let machine = Topology::parse(&text).expect("well-formed");
            let cpus = packages * nodes * cores * threads;
            prop_assert_eq!(machine.cpus(), (0..cpus).collect::<Vec<_>>());
            prop_assert_eq!(machine.nodes.len() as u32, packages * nodes);
            prop_assert!(machine.cores.iter().all(|core| core.cpus.len() as u32 == threads));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a-z0-9: ]{0,30}") {
            let _ = Topology::parse(&text);
        }
    }
}
