//! The order of the examination, and the rows about processor, clock and io_uring.
//!
//! `System + Topology + TscClock -> Report`. The rows about the system's settings are in `rows`.

use super::report::{Check, Report};
use super::rows;
use crate::compute::device::registry::Registry;
use crate::compute::device::{Device, Presence};
use crate::host::clock::TscClock;
use crate::host::cpu::{self, SIMD_VARIABLE, Simd};
use crate::host::cpulist;
use crate::host::kernel::{Feature, probe_uring};
use crate::host::placement::{Placement, Wishes, plan};
use crate::host::system::{Nic, System};
use crate::host::topology::{Topology, TopologyError};
use crate::host::{memory, pin};

/// A clock reading dearer than this shows in a stage that takes 50 ns.
const CLOCK_OVERHEAD_MAX_NS: f64 = 50.0;
/// Locked on trial: more than the default limit of 8 MiB, less than a small machine minds.
const LOCK_TRIAL_BYTES: usize = 32 << 20;
/// Advised on trial: four huge pages, of which alignment may cost one.
const HUGE_TRIAL_BYTES: usize = 8 << 20;

/// hwloc describes an invented machine when this is set.
const SYNTHETIC_VARIABLE: &str = "HWLOC_SYNTHETIC";

/// The whole examination.
pub(super) fn all(
    system: &System,
    topology: Result<Topology, TopologyError>,
    clock: &TscClock,
) -> Report {
    let nics = system.nics();
    // The CPUs of this process say nothing about a synthetic machine.
    let synthetic = std::env::var_os(SYNTHETIC_VARIABLE).is_some();
    let wishes = |lanes| Wishes {
        lanes,
        isolated: system.isolation().map(|found| found.isolated).unwrap_or_default(),
        nic_node: nics.as_ref().ok().and_then(|nics| nic_node(nics)),
        allowed: Some(pin::allowed()).filter(|allowed| !allowed.is_empty() && !synthetic),
    };
    let mut checks = vec![rows::processor(system), rows::virtualization(system)];
    let (topology, placement) = match topology {
        Ok(machine) => {
            checks.push(topology_row(&machine, synthetic));
            let one = plan(&machine, &wishes(1));
            for (name, plan) in
                [("placement", &one), ("placement.two_lanes", &plan(&machine, &wishes(2)))]
            {
                checks.push(match plan {
                    Ok(placement) => placement_row(name, placement),
                    Err(error) => Check::fail(name, error.to_string(), "taskset -p $$"),
                });
            }
            (Some(machine), one.ok())
        }
        Err(error) => {
            let mend = format!("ls /sys/devices/system/cpu; unset {SYNTHETIC_VARIABLE}");
            checks.push(Check::fail("topology", error.to_string(), mend));
            (None, None)
        }
    };
    let lanes = placement.as_ref().map(|plan| plan.lanes.clone()).unwrap_or_default();
    let house = placement.as_ref().map_or(0, |plan| plan.house);
    let node = placement.as_ref().map(|plan| plan.node);
    checks.extend([simd_row(), clock_row(clock), rows::clocksource(system)]);
    checks.push(rows::governor(system));
    checks.extend(rows::isolation(system, &lanes));
    checks.extend([rows::irqs(system, &lanes, house), rows::irqbalance(system)]);
    checks.extend([rows::throttle(system), rows::steal(system)]);
    checks.extend([rows::transparent_huge_pages(system), huge_trial_row()]);
    checks.extend([rows::huge_pools(system), lock_row(), rows::swap(system)]);
    checks.extend(probe_uring().iter().map(|feature| uring_row(system, feature)));
    checks.push(rows::ktls(system));
    checks.extend(rows::nics(nics, node));
    checks.extend(rows::gpus(system));
    checks.extend(Registry::look().entries().iter().map(device_row));
    Report { checks, topology, placement }
}

/// A compute back-end: one that is missing costs speed, nothing else.
fn device_row((device, presence): &(Device, Presence)) -> Check {
    let name = format!("compute.{device}");
    match presence {
        Presence::Present(what) => Check::ok(&name, what.clone()),
        Presence::Missing(why) => Check::ok(&name, format!("missing: {why}")),
    }
}

/// The node of the first card that is up and whose node is known.
fn nic_node(nics: &[Nic]) -> Option<u32> {
    nics.iter().filter(|nic| nic.up).find_map(|nic| nic.node)
}

fn topology_row(machine: &Topology, synthetic: bool) -> Check {
    let threads = if machine.has_siblings() { "hyper-threads on" } else { "no hyper-threads" };
    let found = format!("{machine}; {threads}");
    if synthetic {
        let found = format!("{found}; not this machine: {SYNTHETIC_VARIABLE} is set");
        return Check::warn("topology", found, format!("unset {SYNTHETIC_VARIABLE}"));
    }
    Check::ok("topology", found)
}

fn placement_row(name: &str, plan: &Placement) -> Check {
    let lanes = cpulist::format(&plan.lanes);
    let mut found = format!("lanes on CPU {lanes}, journal {}, house {}", plan.journal, plan.house);
    if !plan.idle.is_empty() {
        found += &format!(", idle {}", cpulist::format(&plan.idle));
    }
    if plan.concessions.is_empty() {
        return Check::ok(name, found);
    }
    for given_up in &plan.concessions {
        found += &format!("; {given_up}");
    }
    let shared = plan.lanes.len() + 2;
    let mend = if plan.journal == plan.house || plan.spin.contains(&false) {
        format!("at least {shared} cores, the lanes' isolated (see isolation)")
    } else {
        "see the rows below for what can be isolated".to_owned()
    };
    Check::warn(name, found, mend)
}

fn simd_row() -> Check {
    let (has, lacks): (Vec<_>, Vec<_>) = cpu::features().into_iter().partition(|(_, has)| *has);
    let names = |list: &[(&str, bool)]| -> String {
        list.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
    };
    let lacking =
        if lacks.is_empty() { String::new() } else { format!("; without {}", names(&lacks)) };
    match Simd::detect() {
        Simd::Avx2 => Check::ok("simd", format!("AVX2 twins: {}{lacking}", names(&has))),
        Simd::Scalar if std::env::var_os(SIMD_VARIABLE).is_some() => Check::warn(
            "simd",
            format!("scalar twins, because {SIMD_VARIABLE}=scalar"),
            format!("unset {SIMD_VARIABLE}"),
        ),
        Simd::Scalar => Check::warn(
            "simd",
            format!("scalar twins{lacking}"),
            "an x86-64 processor with AVX2, FMA and BMI2",
        ),
    }
}

fn clock_row(clock: &TscClock) -> Check {
    let cost = format!("{:.0} ns a reading", clock.overhead_ns());
    let slower = format!("{:.0} ns by clock_gettime", TscClock::gettime().overhead_ns());
    match (clock.frequency_hz(), clock.error_ppm()) {
        (Some(hertz), Some(ppm)) => {
            let found = format!(
                "invariant TSC, {:.3} GHz \u{b1} {ppm:.1} ppm, {cost}; {slower}",
                hertz / 1e9
            );
            if clock.overhead_ns() <= CLOCK_OVERHEAD_MAX_NS {
                Check::ok("clock", found)
            } else {
                let mend = "let the guest read the TSC without a trap (hypervisor: tsc native)";
                Check::warn("clock", found, mend)
            }
        }
        _ => Check::warn(
            "clock",
            format!("clock_gettime, {cost}: the TSC is not invariant"),
            "grep -o -w -m1 -e constant_tsc -e nonstop_tsc /proc/cpuinfo",
        ),
    }
}

fn lock_row() -> Check {
    let name = "memory.lock";
    let limit = match memory::lock_limit() {
        None => "no limit".to_owned(),
        Some(bytes) => format!("limit {} KiB", bytes / 1_024),
    };
    let tried = format!("{} MiB", LOCK_TRIAL_BYTES >> 20);
    match memory::lock_trial(LOCK_TRIAL_BYTES) {
        Ok(()) => Check::ok(name, format!("{tried} locked on trial ({limit})")),
        Err(error) => Check::warn(
            name,
            format!("{tried} not locked on trial: {error} ({limit})"),
            "ulimit -l unlimited   # service: LimitMEMLOCK=infinity",
        ),
    }
}

fn huge_trial_row() -> Check {
    let name = "huge_pages.madvise";
    let mut block = vec![0u8; HUGE_TRIAL_BYTES];
    match memory::advise_huge(&mut block) {
        got @ memory::Huge::Backed { bytes: 1.. } => Check::ok(name, format!("on trial: {got}")),
        got => Check::warn(
            name,
            format!("on trial: {got}"),
            "echo 1 | sudo tee /proc/sys/vm/compact_memory",
        ),
    }
}

fn uring_row(system: &System, feature: &Feature) -> Check {
    let name = format!("io_uring.{}", feature.name);
    let Err(error) = &feature.tried else {
        return Check::ok(&name, "works");
    };
    let disabled = system.number("proc/sys/kernel/io_uring_disabled").unwrap_or(0);
    let mend = if disabled != 0 {
        "sudo sysctl kernel.io_uring_disabled=0".to_owned()
    } else {
        format!("a kernel from {} on, and no sandbox that forbids it", feature.since)
    };
    Check::warn(&name, format!("does not work: {error}"), mend)
}
