//! A journal whose finished segments are signed by a key that only a sealed file holds.

mod bot4_process;

use bot4::journal::SealKey;
use bot4_process::{Ended, Folder, Temporary};
use std::path::Path;

/// The private key of 32 bytes of 7, as `openssl genpkey -algorithm ed25519` would write it.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n\
    -----END PRIVATE KEY-----\n";

fn public(seed: u8) -> String {
    let key = SealKey::from_seed(&[seed; 32]).expect("32 bytes");
    key.public().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_finished_segment_of_a_run_is_signed_by_the_sealed_key() {
    let folder = Folder::new();
    let at = |name: &str| format!("{}/{name}", folder.path());
    std::fs::write(at("plain"), PEM).expect("a file");
    let made = Ended::of(&["key", "identity", "--out", &at("identity")]);
    let recipient = made.out.split_whitespace().find(|word| word.starts_with("age1"));
    let recipient = recipient.unwrap_or_else(|| panic!("{} {}", made.out, made.errors));
    let (plain, key, run) = (at("plain"), at("journal.age"), at("run"));
    let sealed = Ended::of(&["key", "seal", &plain, "--out", &key, "--for", recipient]);
    assert_eq!(sealed.code, Some(0), "{}", sealed.errors);

    let configured = |file: &str| {
        let text = format!("[journal]\nkey_file = \"{file}\"\n[exchange]\nrate = 300\n");
        let name = Path::new(file).file_name().and_then(|of| of.to_str()).expect("a plain name");
        Temporary::holding(&format!("{name}.toml"), text.as_bytes())
    };
    let config = configured(&plain);
    let arguments = ["run", "--config", config.path(), "--journal", &run, "--for", "1s"];
    let refused = Ended::of(&arguments);
    assert_eq!(refused.code, Some(1));
    assert!(refused.errors.contains("a secret in the clear"), "{}", refused.errors);
    assert!(!Path::new(&run).exists(), "nothing began");

    let config = configured(&key);
    let arguments = ["run", "--config", config.path(), "--journal", &run, "--for", "1s"];
    let shut = Ended::of(&arguments);
    assert!(shut.errors.contains("sealed for an identity"), "{}", shut.errors);
    let opened = Ended::of(&[&arguments[..], &["--identity", &at("identity")]].concat());
    assert_eq!(opened.code, Some(0), "{}", opened.errors);

    let verified = Ended::of(&["audit", "verify", &run, "--key", &public(7), "--json"]);
    assert_eq!(verified.code, Some(0), "{}", verified.errors);
    let verified = verified.json();
    assert_eq!(verified["lanes"].as_array().map(Vec::len), Some(2));
    for lane in verified["lanes"].as_array().expect("lanes") {
        assert!(
            lane["seals"].as_u64() > Some(0) && lane["seals"] == lane["signed_seals"],
            "{lane}"
        );
    }
    let other = Ended::of(&["audit", "verify", &run, "--key", &public(8), "--json"]);
    assert_eq!(other.code, Some(1), "canary: another key signed nothing");
}
