//! A machine made of text files, and one with nothing in it.

use super::*;
use std::fs;

/// A folder that goes away with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Folder {
        let root = std::env::temp_dir().join(format!("bot4-system-{}-{name}", std::process::id()));
        fs::create_dir_all(&root).expect("the temporary folder is writable");
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("files lie in folders")).expect("writable");
            fs::write(path, text).expect("writable");
        }
        Folder(root)
    }

    fn link(&self, target: &str, link: &str) {
        let link = self.0.join(link);
        fs::create_dir_all(link.parent().expect("links lie in folders")).expect("writable");
        fs::create_dir_all(self.0.join(target)).expect("writable");
        std::os::unix::fs::symlink(self.0.join(target), link).expect("writable");
    }

    fn system(&self) -> System {
        System::at(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SERVER: &[(&str, &str)] = &[
    ("proc/cmdline", "quiet isolcpus=2-3 nohz_full=2-3 rcu_nocbs=2\n"),
    ("sys/devices/system/cpu/isolated", "2-3\n"),
    ("sys/devices/system/cpu/nohz_full", "2-3\n"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
    ("sys/devices/system/cpu/cpu10/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "performance\n"),
    ("proc/irq/9/smp_affinity_list", "0-3\n"),
    ("proc/irq/10/smp_affinity_list", "0-3\n"),
    ("proc/irq/10/effective_affinity_list", "1\n"),
    ("proc/irq/11/smp_affinity_list", "0-1\n"),
    ("proc/irq/default_smp_affinity", "f\n"),
    ("proc/17/comm", "irqbalance\n"),
    ("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 8388604 0 -2\n"),
    ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "64\n"),
    ("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "60\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ("sys/devices/pci0/0000:05:00.0/numa_node", "1\n"),
    ("sys/devices/pci0/0000:05:00.0/net/ens1/operstate", "up\n"),
    ("sys/class/net/lo/operstate", "unknown\n"),
    ("sys/bus/pci/devices/0000:41:00.0/class", "0x030200\n"),
    ("sys/bus/pci/devices/0000:41:00.0/vendor", "0x10de\n"),
    ("sys/bus/pci/devices/0000:41:00.0/numa_node", "-1\n"),
    ("sys/bus/pci/devices/0000:42:00.0/class", "0x020000\n"),
    ("sys/bus/pci/devices/0000:43:00.0/class", "0x030000\n"),
    ("sys/bus/pci/devices/0000:43:00.0/vendor", "0x1002\n"),
    ("sys/bus/pci/devices/0000:43:00.0/device", "0x744c\n"),
    ("proc/driver/nvidia/gpus/0000:41:00.0/information", "Model: \t NVIDIA H100\nIRQ: 5\n"),
    ("proc/cpuinfo", "processor : 0\nmodel name\t: AMD EPYC 7763\nflags\t\t: fpu hypervisor\n"),
];

#[test]
#[cfg_attr(miri, ignore = "Miri has no files")]
fn a_server_is_read() {
    let folder = Folder::new("server", SERVER);
    folder.link("sys/devices/pci0/0000:05:00.0", "sys/class/net/ens1/device");
    folder.link("sys/bus/pci/drivers/ixgbe", "sys/devices/pci0/0000:05:00.0/driver");
    fs::write(folder.0.join("sys/class/net/ens1/operstate"), "up\n").expect("writable");
    let system = folder.system();
    let isolation =
        Isolation { isolated: vec![2, 3], tickless: vec![2, 3], callback_free: vec![2, 3] };
    assert_eq!(system.isolation(), Ok(isolation));
    let governors = system.governors().expect("three CPUs show one");
    assert_eq!(governors.iter().map(|(cpu, _)| *cpu).collect::<Vec<_>>(), [0, 2, 10]);
    assert_eq!(system.irqs_on(&[2, 3]), Ok(vec![9]), "the effective list wins");
    assert_eq!(system.irqs_on(&[1]), Ok(vec![9, 10, 11]));
    assert_eq!((system.runs("irqbalance"), system.runs("other")), (Ok(true), Ok(false)));
    assert_eq!(system.swaps(), Ok(vec![("/dev/sda2".to_owned(), 8_388_604)]));
    assert_eq!(system.huge_pools(), Ok(vec![HugePool { kib: 2_048, total: 64, free: 60 }]));
    let enabled = system.chosen("sys/kernel/mm/transparent_hugepage/enabled");
    assert_eq!(enabled, Ok("madvise".to_owned()));
    let nic =
        Nic { name: "ens1".to_owned(), driver: Some("ixgbe".to_owned()), node: Some(1), up: true };
    assert_eq!(system.nics(), Ok(vec![nic]), "lo has no device");
    let gpus = system.gpus().expect("there is a bus");
    let models: Vec<_> = gpus.iter().map(|gpu| (gpu.model.as_str(), gpu.node)).collect();
    assert_eq!(models, [("NVIDIA H100", None), ("vendor 0x1002 device 0x744c", None)]);
    assert_eq!(system.processor(), Ok(("AMD EPYC 7763".to_owned(), true)));
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no files")]
fn an_empty_machine_is_unknown_not_an_error() {
    let folder = Folder::new("empty", &[]);
    let system = folder.system();
    let missing = [
        system.isolation().err(),
        system.governors().err(),
        system.irqs_on(&[0]).err(),
        system.runs("x").err(),
        system.swaps().err(),
        system.huge_pools().err(),
        system.nics().err(),
        system.gpus().err(),
        system.processor().err(),
        system.parameter("x").err(),
    ];
    for (index, unknown) in missing.into_iter().enumerate() {
        let unknown = unknown.unwrap_or_else(|| panic!("answer {index} out of nothing"));
        assert!(unknown.path.starts_with('/') && unknown.reason == "not there", "{unknown}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no files")]
fn other_shapes_are_unknown_with_their_text() {
    let files =
        [("proc/a", "12x\n"), ("proc/b", "0-\n"), ("proc/c", "none\n"), ("proc/d", "(null)\n")];
    let folder = Folder::new("shapes", &files);
    let system = folder.system();
    let text = |result: Result<_, Unknown>| result.map(|_: ()| ()).expect_err("bad").to_string();
    assert_eq!(text(system.number("proc/a").map(drop)), "/proc/a: `12x` is no number");
    let list = text(system.cpus("proc/b").map(drop));
    assert_eq!(list, "/proc/b: `0-` is no CPU number or range such as 0-3");
    assert_eq!(text(system.chosen("proc/c").map(drop)), "/proc/c: no choice in `none`");
    assert_eq!(system.cpus("proc/d"), Ok(vec![]));
}
