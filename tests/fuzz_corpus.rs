//! The fuzz targets over their committed corpus, on the stable compiler: what cargo-fuzz found once
//! stays found, and CI fuzzes a little without a nightly toolchain.
//!
//! The seeds that our own writers make are not committed but made: they are run as they are and mutated,
//! a few hundred times each, by random numbers that repeat.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use bot4::maths::random::Random;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use targets::{TARGETS, Target};

/// Mutations of each seed; the long run is `tools/fuzz`.
const MUTATIONS: u64 = 200;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(target.name);
    // Nothing was found for it yet, or it is new: its seeds are run all the same.
    let entries = fs::read_dir(&folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).expect("a corpus file");
        (path.display().to_string(), bytes)
    };
    files.into_iter().map(read).collect()
}

/// Runs a target and names the input that breaks it.
fn run(target: &Target, name: &str, input: &[u8]) -> bool {
    let outcome = std::panic::catch_unwind(|| (target.run)(input));
    outcome.unwrap_or_else(|_| panic!("{} breaks on {name}: {:?}", target.name, Shown(input)))
}

/// Bytes as a literal that can be pasted into a test.
struct Shown<'a>(&'a [u8]);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

#[test]
fn every_corpus_file_keeps_its_targets_promises() {
    let mut files = 0;
    for target in TARGETS {
        for (name, input) in corpus(target) {
            run(target, &name, &input);
            files += 1;
        }
    }
    assert!(files > TARGETS.len(), "only {files} files; is fuzz/corpus there?");
}

/// A corpus of refusals alone would fuzz the first check and nothing behind it.
#[test]
fn every_target_accepts_most_of_its_seeds() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        let accepted = seeds.iter().filter(|seed| run(target, "a seed", seed)).count();
        assert!(accepted * 2 > seeds.len(), "{}: {accepted} of {}", target.name, seeds.len());
    }
}

#[test]
fn every_target_has_its_binary_and_every_binary_its_target() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("fuzz/Cargo.toml");
    let files = fs::read_dir(fuzz().join("fuzz_targets")).expect("fuzz/fuzz_targets");
    let binaries: BTreeSet<String> = files
        .flatten()
        .filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(binaries, names);
    for name in &names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml lacks {name}");
    }
}

fn below(random: &mut Random, bound: usize) -> usize {
    random.below(bound.max(1) as u64) as usize
}

/// Bytes that formats give a meaning to.
const ODD: &[u8] = b"\0\xFF{}[]\":,.-0129eE\r\n ut=&%";

fn mutated(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + below(random, 4) {
        let at = below(random, bytes.len());
        let odd = ODD[below(random, ODD.len())];
        match below(random, 6) {
            _ if bytes.is_empty() => bytes.push(odd),
            0 => bytes[at] = random.bits() as u8,
            1 => bytes[at] = odd,
            2 => bytes.insert(at, odd),
            3 => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            _ => {
                let end = (at + below(random, 20)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = below(random, bytes.len());
                drop(bytes.splice(to..to, piece));
            }
        }
    }
    bytes
}

#[test]
fn mutated_seeds_keep_the_promises() {
    let start = 0xB04;
    for target in TARGETS {
        // A TLS handshake costs as much as a thousand decoded frames.
        let times = if target.name.starts_with("tls") { MUTATIONS / 10 } else { MUTATIONS };
        for (index, seed) in (target.seeds)().iter().enumerate() {
            let mut random = Random::new(start, index as u64);
            for round in 0..times {
                let name = format!("seed {index}, mutation {round} from {start:#x}");
                run(target, &name, &mutated(seed, &mut random));
            }
        }
    }
}

#[test]
fn canary_a_target_that_breaks_is_named_with_its_input() {
    let spoiled = Target {
        name: "spoiled",
        run: |data| {
            assert!(!data.starts_with(b"bad"), "spoiled");
            true
        },
        seeds: Vec::new,
    };
    assert!(run(&spoiled, "good", b"good"));
    let caught = std::panic::catch_unwind(|| run(&spoiled, "a file", b"bad\n"));
    let words = *caught.unwrap_err().downcast::<String>().expect("words");
    assert_eq!(words, "spoiled breaks on a file: b\"bad\\n\"");
}
