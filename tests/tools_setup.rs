//! `tools/setup` finds what is there, however long the list that it is found in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Lines after the one that is looked for: more than a pipe holds.
const LINES: usize = 20_000;

#[test]
fn a_library_at_the_head_of_a_long_list_is_not_missing() {
    let folder = std::env::temp_dir().join(format!("bot4_setup_{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder under the temporary one");
    for (name, text) in [
        ("ldconfig", format!("echo '\tlibvulkan.so.1 => here'\nseq {LINES}\n")),
        // Whatever this machine lacks stays so.
        ("apt-get", "exit 1\n".to_owned()),
        ("sudo", "exit 1\n".to_owned()),
    ] {
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}")).expect("room for a script");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    let path = std::env::var("PATH").expect("a path");
    let setup = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/setup");
    let ran = Command::new(setup).env("PATH", format!("{}:{path}", folder.display())).output();
    let said = String::from_utf8(ran.expect("bash").stderr).expect("text");
    fs::remove_dir_all(folder).expect("it was just made");
    assert!(!said.contains("libvulkan1"), "{said}");
}
