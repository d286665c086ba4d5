//! hwloc's synthetic machines against our textual ones, each in a child process of its own because
//! HWLOC_SYNTHETIC is read from the environment.

use bot4::host::topology::Topology;
use std::process::Command;

/// Set in the child, which then prints what hwloc sees.
const CHILD: &str = "BOT4_TEST_TOPOLOGY_CHILD";
const MARK: &str = "topology: ";

/// Plays hwloc in the child; does nothing in the parent.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_some() {
        let machine = Topology::discover().map(shape);
        println!("{MARK}{}", serde_json::to_string(&machine.expect("synthetic")).expect("plain"));
    }
}

/// Sizes are hwloc's invention on synthetic machines: only the shape is compared.
fn shape(mut machine: Topology) -> Topology {
    machine.nodes.iter_mut().for_each(|node| node.bytes = None);
    machine.caches.iter_mut().for_each(|cache| cache.bytes = None);
    machine
}

fn hwloc_of(text: &str) -> String {
    let output = Command::new(std::env::current_exe().expect("we run from a file"))
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, "1")
        .env("HWLOC_SYNTHETIC", text)
        .output()
        .expect("the test binary starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = printed.lines().find_map(|line| Some(line.split_once(MARK)?.1.to_owned()));
    line.unwrap_or_else(|| panic!("{text}: {printed}{}", String::from_utf8_lossy(&output.stderr)))
}

fn ours_of(text: &str) -> String {
    let machine = shape(Topology::parse(text).expect("well-formed"));
    serde_json::to_string(&machine).expect("plain")
}

const MACHINES: [&str; 6] = [
    "package:2 numa:1 l3:1 l2:8 l1d:1 core:1 pu:2",
    "numa:2 core:8 pu:2",
    "package:1 numa:2 core:4 pu:1",
    "package:1 core:2 pu:1",
    "core:1 pu:1",
    "package:4 numa:1 l3:2 core:4 pu:2",
];

#[test]
fn hwloc_and_our_text_describe_the_same_machines() {
    for text in MACHINES {
        assert_eq!(hwloc_of(text), ours_of(text), "{text}");
    }
}

#[test]
fn canary_another_machine_is_caught() {
    assert_ne!(hwloc_of("package:2 core:8 pu:2"), ours_of("package:2 core:8 pu:1"));
}
