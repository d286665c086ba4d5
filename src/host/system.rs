//! What /proc and /sys say about the machine; each answer is a value or a reason why there is none.
//!
//! The root is an argument, so that tests look at machines made of text files.
//! Invariant: nothing here fails a program. A file that is missing, unreadable or of another shape
//! is `Unknown`, with its path. Deliberately absent: judgement, which is `cli::doctor`'s.

use super::cpulist;
use super::steal::Steal;
use std::path::{Path, PathBuf};

/// A machine's /proc and /sys.
#[derive(Clone, Debug)]
pub struct System {
    root: PathBuf,
}

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct Unknown {
    /// The file or folder, without the root.
    pub path: String,
    /// What is the matter with it.
    pub reason: String,
}

/// CPUs that the kernel leaves alone, three ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Isolation {
    /// No load balancing there (isolcpus).
    pub isolated: Vec<u32>,
    /// No timer tick while one thread runs there (nohz_full).
    pub tickless: Vec<u32>,
    /// No RCU callbacks there (rcu_nocbs; nohz_full implies it).
    pub callback_free: Vec<u32>,
}

/// A pool of pre-reserved huge pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HugePool {
    /// Page size.
    pub kib: u64,
    /// Pages reserved.
    pub total: u64,
    /// Of these, unused.
    pub free: u64,
}

/// A network interface with hardware (or virtual hardware) behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// Such as `eth0`.
    pub name: String,
    /// Such as `ixgbe`; `None` when the kernel does not say.
    pub driver: Option<String>,
    /// NUMA node; `None` when the machine has one node or the firmware does not say.
    pub node: Option<u32>,
    /// Whether the link is up.
    pub up: bool,
}

/// A display or compute device on the PCI bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Such as `0000:01:00.0`.
    pub address: String,
    /// Its model by the driver, or vendor and device numbers.
    pub model: String,
    /// Driver bound to it.
    pub driver: Option<String>,
    /// NUMA node.
    pub node: Option<u32>,
}

impl Default for System {
    /// This machine.
    fn default() -> System {
        System::at("/")
    }
}

impl System {
    /// The machine whose /proc and /sys lie under `root`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> System {
        System { root: root.into() }
    }

    /// A file without surrounding blanks; `path` is relative to the root, such as `proc/swaps`.
    ///
    /// # Errors
    /// With the path, when it cannot be read.
    pub fn read(&self, path: &str) -> Result<String, Unknown> {
        match std::fs::read(self.root.join(path)) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).trim().to_owned()),
            Err(error) => Err(unknown(path, plain(&error))),
        }
    }

    /// Which start of the machine this is: monotonic times of another mean nothing in it.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn boot_id(&self) -> Result<u128, Unknown> {
        let path = "proc/sys/kernel/random/boot_id";
        let text = self.read(path)?;
        u128::from_str_radix(&text.replace('-', ""), 16)
            .map_err(|_| unknown(path, format!("`{text}` is no boot id")))
    }

    /// A file that holds one number.
    ///
    /// # Errors
    /// When it cannot be read or holds something else.
    pub fn number(&self, path: &str) -> Result<i64, Unknown> {
        let text = self.read(path)?;
        text.parse().map_err(|_| unknown(path, format!("`{text}` is no number")))
    }

    /// A file that holds a list of CPUs.
    ///
    /// # Errors
    /// When it cannot be read or holds something else.
    pub fn cpus(&self, path: &str) -> Result<Vec<u32>, Unknown> {
        let text = self.read(path)?;
        // The kernel writes `(null)` for a set that was never allocated.
        if text == "(null)" {
            return Ok(Vec::new());
        }
        cpulist::parse(&text).map_err(|error| unknown(path, error.to_string()))
    }

    /// Names in a folder, sorted.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn list(&self, path: &str) -> Result<Vec<String>, Unknown> {
        let entries = std::fs::read_dir(self.root.join(path));
        let entries = entries.map_err(|error| unknown(path, plain(&error)))?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .collect();
        names.sort();
        Ok(names)
    }

    /// The value of a kernel parameter such as `rcu_nocbs`; `None` when it was not given.
    ///
    /// # Errors
    /// When /proc/cmdline cannot be read.
    pub fn parameter(&self, name: &str) -> Result<Option<String>, Unknown> {
        let line = self.read("proc/cmdline")?;
        let found = line.split_ascii_whitespace().find_map(|word| {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            (key == name).then(|| value.to_owned())
        });
        Ok(found)
    }

    /// The choice in brackets of a file such as `always [madvise] never`.
    ///
    /// # Errors
    /// When it cannot be read or has no brackets.
    pub fn chosen(&self, path: &str) -> Result<String, Unknown> {
        let text = self.read(path)?;
        let inside = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        inside
            .map(|(choice, _)| choice.to_owned())
            .ok_or_else(|| unknown(path, format!("no choice in `{text}`")))
    }

    /// The frequency governor of each CPU that has one, ascending by CPU.
    ///
    /// # Errors
    /// When no CPU shows a governor.
    pub fn governors(&self) -> Result<Vec<(u32, String)>, Unknown> {
        const CPUS: &str = "sys/devices/system/cpu";
        let number = |name: &String| name.strip_prefix("cpu")?.parse::<u32>().ok();
        let mut numbers: Vec<u32> = self.list(CPUS)?.iter().filter_map(number).collect();
        numbers.sort_unstable();
        let governor = |cpu: u32| {
            Some((cpu, self.read(&format!("{CPUS}/cpu{cpu}/cpufreq/scaling_governor")).ok()?))
        };
        let found: Vec<_> = numbers.into_iter().filter_map(governor).collect();
        if found.is_empty() {
            let path = format!("{CPUS}/cpu0/cpufreq");
            return Err(unknown(&path, "not there: firmware or hypervisor sets the frequency"));
        }
        Ok(found)
    }

    /// CPUs that the kernel leaves alone. Kernels built without a kind of isolation have none of
    /// it.
    ///
    /// # Errors
    /// When the kernel does not say which CPUs are isolated.
    pub fn isolation(&self) -> Result<Isolation, Unknown> {
        let isolated = self.cpus("sys/devices/system/cpu/isolated")?;
        let tickless = self.cpus("sys/devices/system/cpu/nohz_full").unwrap_or_default();
        let text = self.parameter("rcu_nocbs")?.unwrap_or_default();
        let all = || self.cpus("sys/devices/system/cpu/possible").unwrap_or_default();
        let mut callback_free = match text.as_str() {
            "all" => all(),
            list => cpulist::parse(list).unwrap_or_default(),
        };
        callback_free.extend(&tickless);
        callback_free.sort_unstable();
        callback_free.dedup();
        Ok(Isolation { isolated, tickless, callback_free })
    }

    /// Interrupts that may arrive at any of these CPUs.
    ///
    /// # Errors
    /// When /proc/irq cannot be listed.
    pub fn irqs_on(&self, cpus: &[u32]) -> Result<Vec<u32>, Unknown> {
        let mut irqs: Vec<u32> =
            self.list("proc/irq")?.iter().filter_map(|name| name.parse().ok()).collect();
        irqs.sort_unstable();
        irqs.retain(|irq| {
            // The effective list is what the interrupt controller really uses.
            let effective = self.cpus(&format!("proc/irq/{irq}/effective_affinity_list"));
            let targets = match effective {
                Ok(targets) if !targets.is_empty() => targets,
                _ => self.cpus(&format!("proc/irq/{irq}/smp_affinity_list")).unwrap_or_default(),
            };
            targets.iter().any(|cpu| cpus.contains(cpu))
        });
        Ok(irqs)
    }

    /// Whether a process of this name runs.
    ///
    /// # Errors
    /// When /proc cannot be listed.
    pub fn runs(&self, name: &str) -> Result<bool, Unknown> {
        let is_it = |pid: &String| {
            pid.bytes().all(|byte| byte.is_ascii_digit())
                && self.read(&format!("proc/{pid}/comm")).is_ok_and(|comm| comm == name)
        };
        Ok(self.list("proc")?.iter().any(is_it))
    }

    /// Active swap areas and their size in KiB.
    ///
    /// # Errors
    /// When /proc/swaps cannot be read.
    pub fn swaps(&self) -> Result<Vec<(String, u64)>, Unknown> {
        let text = self.read("proc/swaps")?;
        let area = |line: &str| {
            let mut fields = line.split_ascii_whitespace();
            let name = fields.next()?.to_owned();
            Some((name, fields.nth(1)?.parse().ok()?))
        };
        Ok(text.lines().skip(1).filter_map(area).collect())
    }

    /// Pools of reserved huge pages, smallest pages first.
    ///
    /// # Errors
    /// When the kernel has no hugetlb.
    pub fn huge_pools(&self) -> Result<Vec<HugePool>, Unknown> {
        const POOLS: &str = "sys/kernel/mm/hugepages";
        let pool = |name: &String| {
            let kib = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
            let count = |file| self.number(&format!("{POOLS}/{name}/{file}")).ok();
            let total = count("nr_hugepages")?.unsigned_abs();
            Some(HugePool { kib, total, free: count("free_hugepages")?.unsigned_abs() })
        };
        let mut pools: Vec<HugePool> = self.list(POOLS)?.iter().filter_map(pool).collect();
        pools.sort_by_key(|pool| pool.kib);
        Ok(pools)
    }

    /// Interfaces with a device behind them.
    ///
    /// # Errors
    /// When /sys/class/net cannot be listed.
    pub fn nics(&self) -> Result<Vec<Nic>, Unknown> {
        const NICS: &str = "sys/class/net";
        let names = self.list(NICS)?;
        let has_device = |name: &String| self.root.join(NICS).join(name).join("device").exists();
        let nic = |name: String| {
            let device = format!("{NICS}/{name}/device");
            Nic {
                driver: self.driver(&device),
                node: self.node(&device),
                up: self.read(&format!("{NICS}/{name}/operstate")).is_ok_and(|state| state == "up"),
                name,
            }
        };
        Ok(names.into_iter().filter(has_device).map(nic).collect())
    }

    /// Devices of PCI class 03 (display) and 12 (accelerator).
    ///
    /// # Errors
    /// When the PCI bus cannot be listed.
    pub fn gpus(&self) -> Result<Vec<Gpu>, Unknown> {
        const DEVICES: &str = "sys/bus/pci/devices";
        let gpu = |address: String| {
            let device = format!("{DEVICES}/{address}");
            let class = self.read(&format!("{device}/class")).ok()?;
            if !class.starts_with("0x03") && !class.starts_with("0x12") {
                return None;
            }
            let number = |file| self.read(&format!("{device}/{file}")).unwrap_or_default();
            let numbers = || format!("vendor {} device {}", number("vendor"), number("device"));
            Some(Gpu {
                model: self.nvidia_model(&address).unwrap_or_else(numbers),
                driver: self.driver(&device),
                node: self.node(&device),
                address,
            })
        };
        Ok(self.list(DEVICES)?.into_iter().filter_map(gpu).collect())
    }

    /// Processor and hypervisor flag, by /proc/cpuinfo.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn processor(&self) -> Result<(String, bool), Unknown> {
        let text = self.read("proc/cpuinfo")?;
        let field = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let model = field("model name").unwrap_or_else(|| "unnamed processor".to_owned());
        let virtual_machine =
            field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
        Ok((model, virtual_machine))
    }

    /// Steal since boot.
    ///
    /// # Errors
    /// When /proc/stat is missing or has another shape.
    pub fn steal(&self) -> Result<Steal, Unknown> {
        const PATH: &str = "proc/stat";
        Steal::parse(&self.read(PATH)?, Steal::hertz())
            .map_err(|error| unknown(PATH, error.to_string()))
    }

    fn nvidia_model(&self, address: &str) -> Option<String> {
        let text = self.read(&format!("proc/driver/nvidia/gpus/{address}/information")).ok()?;
        let line = text.lines().find(|line| line.starts_with("Model:"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    }

    fn driver(&self, device: &str) -> Option<String> {
        let target = std::fs::read_link(self.root.join(device).join("driver")).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// The node of a device, or of the PCI device above it (virtio); -1 is the kernel's "unknown".
    fn node(&self, device: &str) -> Option<u32> {
        let path = self.root.join(device).canonicalize().ok()?;
        let bound = 3; // device, virtio's PCI parent, a bridge
        let of = |folder: &Path| {
            let text = std::fs::read_to_string(folder.join("numa_node")).ok()?;
            text.trim().parse::<i64>().ok()
        };
        let found = path.ancestors().take(bound).find_map(of)?;
        u32::try_from(found).ok()
    }
}

fn unknown(path: &str, reason: impl Into<String>) -> Unknown {
    Unknown { path: format!("/{path}"), reason: reason.into() }
}

/// An error in fewer words than the system's.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "not there".to_owned(),
        std::io::ErrorKind::PermissionDenied => "not readable by this user".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
#[path = "system_tests.rs"]
mod tests;
