//! Rows about what /proc and /sys say: `System -> Check`, one question each.

use super::report::Check;
use crate::host::cpulist;
use crate::host::steal::Steal;
use crate::host::system::{Nic, System, Unknown};

/// More steal than this share of all CPU time since boot shows in percentiles.
const STEAL_SHARE_MAX: f64 = 0.001;
/// Interrupts named in a row; the rest is counted.
const IRQS_NAMED: usize = 6;

/// A row from an answer, or `unknown` with the reason.
fn row<T>(name: &str, answer: Result<T, Unknown>, judge: impl FnOnce(T) -> Check) -> Check {
    answer.map_or_else(|unknown| Check::unknown(name, unknown), judge)
}

pub(super) fn processor(system: &System) -> Check {
    let name = "processor";
    row(name, system.processor(), |(model, _)| {
        let release = system.read("proc/sys/kernel/osrelease");
        let kernel = release.map_or_else(|_| String::new(), |release| format!(", Linux {release}"));
        Check::ok(name, format!("{model}{kernel}"))
    })
}

pub(super) fn virtualization(system: &System) -> Check {
    let name = "virtualization";
    row(name, system.processor(), |(_, virtual_machine)| {
        if !virtual_machine {
            return Check::ok(name, "none: bare metal");
        }
        let dmi = |file: &str| system.read(&format!("sys/class/dmi/id/{file}")).ok();
        let product = [dmi("sys_vendor"), dmi("product_name")];
        let product = product.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let by = if product.is_empty() { "an unnamed hypervisor".to_owned() } else { product };
        let mend = "bare metal, or at least dedicated CPUs";
        Check::warn(name, format!("a virtual machine under {by}; expect steal and exits"), mend)
    })
}

pub(super) fn clocksource(system: &System) -> Check {
    const FOLDER: &str = "sys/devices/system/clocksource/clocksource0";
    let name = "clocksource";
    row(name, system.read(&format!("{FOLDER}/current_clocksource")), |current| {
        let available = system.read(&format!("{FOLDER}/available_clocksource")).unwrap_or_default();
        let found = format!("{current} (of: {available})");
        if current == "tsc" || current == "arch_sys_counter" {
            Check::ok(name, found)
        } else if available.split(' ').any(|source| source == "tsc") {
            let mend = format!("echo tsc | sudo tee /{FOLDER}/current_clocksource");
            Check::warn(name, found, mend)
        } else {
            Check::warn(name, found, "kernel parameter tsc=reliable, where the TSC is invariant")
        }
    })
}

pub(super) fn governor(system: &System) -> Check {
    let name = "governor";
    row(name, system.governors(), |governors| {
        let slow: Vec<_> = governors.iter().filter(|(_, name)| name != "performance").collect();
        let Some((_, other)) = slow.first() else {
            return Check::ok(name, format!("performance on {} CPUs", governors.len()));
        };
        let cpus: Vec<u32> = slow.iter().map(|(cpu, _)| *cpu).collect();
        let found = format!("{other} on CPU {}", cpulist::format(&cpus));
        Check::warn(name, found, "sudo cpupower frequency-set -g performance")
    })
}

pub(super) fn isolation(system: &System, lanes: &[u32]) -> Vec<Check> {
    let list = cpulist::format(lanes);
    let names = ["isolation.isolcpus", "isolation.nohz_full", "isolation.rcu_nocbs"];
    let found = match system.isolation() {
        Ok(found) => found,
        Err(unknown) => return names.iter().map(|name| Check::unknown(name, &unknown)).collect(),
    };
    let sets = [found.isolated, found.tickless, found.callback_free];
    let parameters = [
        format!("isolcpus=managed_irq,domain,{list}"),
        format!("nohz_full={list}"),
        format!("rcu_nocbs={list}"),
    ];
    let judge = |((name, cpus), parameter): ((&str, Vec<u32>), String)| {
        let found = cpulist::format(&cpus);
        if !lanes.is_empty() && lanes.iter().all(|cpu| cpus.contains(cpu)) {
            Check::ok(name, format!("CPU {found}"))
        } else {
            let mend =
                format!("kernel parameter {parameter}   # in GRUB_CMDLINE_LINUX, then reboot");
            Check::warn(name, format!("{found}; the lane runs on CPU {list}"), mend)
        }
    };
    names.into_iter().zip(sets).zip(parameters).map(judge).collect()
}

pub(super) fn irqs(system: &System, lanes: &[u32], house: u32) -> Check {
    let name = "irq.affinity";
    row(name, system.irqs_on(lanes), |irqs| {
        let list = cpulist::format(lanes);
        if irqs.is_empty() {
            return Check::ok(name, format!("no interrupt arrives at CPU {list}"));
        }
        let mut named =
            irqs.iter().take(IRQS_NAMED).map(u32::to_string).collect::<Vec<_>>().join(" ");
        if irqs.len() > IRQS_NAMED {
            named += " \u{2026}";
        }
        let found = format!("{} interrupts may arrive at CPU {list}: {named}", irqs.len());
        let mend =
            format!("for f in /proc/irq/*/smp_affinity_list; do echo {house} | sudo tee $f; done");
        Check::warn(name, found, mend)
    })
}

pub(super) fn irqbalance(system: &System) -> Check {
    let name = "irq.irqbalance";
    row(name, system.runs("irqbalance"), |runs| {
        if runs {
            let found = "runs, and moves interrupts onto the lanes";
            Check::warn(name, found, "sudo systemctl disable --now irqbalance")
        } else {
            Check::ok(name, "does not run")
        }
    })
}

pub(super) fn throttle(system: &System) -> Check {
    let name = "realtime_throttle";
    row(name, system.number("proc/sys/kernel/sched_rt_runtime_us"), |runtime| {
        let period = system.number("proc/sys/kernel/sched_rt_period_us").unwrap_or(1_000_000);
        if runtime < 0 || runtime >= period {
            return Check::ok(name, "off");
        }
        let lost = (period - runtime) / 1_000;
        let found = format!("a SCHED_FIFO spinner loses {lost} ms of every {} ms", period / 1_000);
        Check::warn(name, found, "sudo sysctl kernel.sched_rt_runtime_us=-1")
    })
}

pub(super) fn steal(system: &System) -> Check {
    let name = "steal";
    let uptime = system
        .read("proc/uptime")
        .ok()
        .and_then(|text| text.split(' ').next().and_then(|seconds| seconds.parse::<f64>().ok()));
    let (steal, seconds) = match (system.steal(), uptime) {
        (Ok(steal), Some(seconds)) if seconds > 0.0 => (steal, seconds),
        (Err(error), _) => return Check::unknown(name, error),
        _ => return Check::unknown(name, "/proc/uptime: not there or no number"),
    };
    let share = share_of(&steal, seconds);
    let found = format!("{:.3} % of all CPU time since boot", share * 100.0);
    if share <= STEAL_SHARE_MAX {
        Check::ok(name, found)
    } else {
        Check::warn(name, found, "dedicated CPUs from the provider")
    }
}

fn share_of(steal: &Steal, seconds: f64) -> f64 {
    steal.total_ns as f64 / 1e9 / (seconds * steal.per_cpu.len().max(1) as f64)
}

pub(super) fn transparent_huge_pages(system: &System) -> Check {
    const PATH: &str = "sys/kernel/mm/transparent_hugepage/enabled";
    let name = "huge_pages.transparent";
    row(name, system.chosen(PATH), |choice| match choice.as_str() {
        "never" => Check::warn(name, choice, format!("echo madvise | sudo tee /{PATH}")),
        _ => Check::ok(name, choice),
    })
}

pub(super) fn huge_pools(system: &System) -> Check {
    let name = "huge_pages.hugetlb";
    row(name, system.huge_pools(), |pools| {
        let pools: Vec<String> = pools
            .iter()
            .filter(|pool| pool.total > 0)
            .map(|pool| format!("{} of {} pages of {} KiB free", pool.free, pool.total, pool.kib))
            .collect();
        let none = "none reserved; not needed, Bot4 uses transparent ones".to_owned();
        Check::ok(name, if pools.is_empty() { none } else { pools.join("; ") })
    })
}

pub(super) fn swap(system: &System) -> Check {
    let name = "swap";
    row(name, system.swaps(), |areas| {
        if areas.is_empty() {
            return Check::ok(name, "none");
        }
        let areas: Vec<String> =
            areas.iter().map(|(area, kib)| format!("{area} ({} MiB)", kib >> 10)).collect();
        Check::warn(name, areas.join(", "), "sudo swapoff -a")
    })
}

pub(super) fn ktls(system: &System) -> Check {
    let name = "ktls";
    row(name, system.read("proc/sys/net/ipv4/tcp_available_ulp"), |protocols| {
        if protocols.split_ascii_whitespace().any(|protocol| protocol == "tls") {
            return Check::ok(name, "available");
        }
        let found =
            format!("not among the kernel's upper protocols ({protocols}); TLS runs in user space");
        let no_modules = system.parameter("nomodule").ok().flatten().is_some();
        let mend = if no_modules {
            "a kernel built with CONFIG_TLS=y (this one loads no modules)"
        } else {
            "sudo modprobe tls"
        };
        Check::warn(name, found, mend)
    })
}

pub(super) fn nics(nics: Result<Vec<Nic>, Unknown>, lane_node: Option<u32>) -> Vec<Check> {
    let nics = match nics {
        Ok(nics) => nics,
        Err(unknown) => return vec![Check::unknown("nic", unknown)],
    };
    if nics.is_empty() {
        let found = "no network device: loopback only";
        return vec![Check::warn("nic", found, "ip -brief link")];
    }
    nics.iter().map(|nic| nic_row(nic, lane_node)).collect()
}

fn nic_row(nic: &Nic, lane_node: Option<u32>) -> Check {
    let name = format!("nic.{}", nic.name);
    let driver = nic.driver.as_deref().unwrap_or("unknown driver");
    let node = nic.node.map_or_else(|| "node not told".to_owned(), |node| format!("node {node}"));
    let found = format!("{driver}, {}, {node}", if nic.up { "up" } else { "down" });
    match (nic.up, nic.node, lane_node) {
        (false, ..) => Check::warn(&name, found, format!("sudo ip link set {} up", nic.name)),
        (_, Some(card), Some(lane)) if card != lane => {
            let mend = format!("free cores on node {card}, or another slot for the card");
            Check::warn(&name, format!("{found}, but the lane runs on node {lane}"), mend)
        }
        _ => Check::ok(&name, found),
    }
}

pub(super) fn gpus(system: &System) -> Vec<Check> {
    let gpus = match system.gpus() {
        Ok(gpus) => gpus,
        Err(unknown) => return vec![Check::unknown("gpu", unknown)],
    };
    if gpus.is_empty() {
        return vec![Check::ok("gpu", "none: kernels run on the CPU")];
    }
    let judge = |gpu: &crate::host::system::Gpu| {
        let name = format!("gpu.{}", gpu.address);
        let node = gpu.node.map_or_else(String::new, |node| format!(", node {node}"));
        match &gpu.driver {
            Some(driver) => Check::ok(&name, format!("{}, driver {driver}{node}", gpu.model)),
            None => {
                let found = format!("{}, no driver{node}", gpu.model);
                Check::warn(&name, found, format!("lspci -k -s {}", gpu.address))
            }
        }
    };
    gpus.iter().map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    fn nic(up: bool, node: Option<u32>) -> Nic {
        Nic { name: "ens1".to_owned(), driver: Some("ixgbe".to_owned()), node, up }
    }

    #[test]
    fn a_far_card_and_a_dead_link_are_warned_of() {
        let judged = |nic: Nic, lane| nics(Ok(vec![nic]), lane).remove(0);
        assert_eq!(judged(nic(true, Some(1)), Some(1)).status, Status::Ok);
        assert_eq!(judged(nic(true, None), Some(1)).status, Status::Ok);
        let far = judged(nic(true, Some(1)), Some(0));
        assert_eq!(
            (far.status, far.found.as_str()),
            (Status::Warn, "ixgbe, up, node 1, but the lane runs on node 0",)
        );
        let down = judged(nic(false, None), None);
        assert_eq!(down.mend.as_deref(), Some("sudo ip link set ens1 up"));
        assert_eq!(nics(Ok(Vec::new()), None)[0].status, Status::Warn);
    }

    #[test]
    fn steal_is_a_share_of_all_cpus() {
        let steal = Steal { total_ns: 4_000_000_000, per_cpu: vec![(0, 0), (1, 0)] };
        assert!((share_of(&steal, 20.0) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn lanes_outside_the_isolated_set_get_the_parameter() {
        let rows = isolation(&System::at("/nowhere"), &[2]);
        assert!(rows.iter().all(|row| row.status == Status::Unknown) && rows.len() == 3);
    }
}
