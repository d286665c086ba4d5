//! CUDA where there is no GPU: g++ compiles the very sources of the kernels for the CPU and puts a driver's
//! double before them (kernels/cuda_on_cpu.h, kernels/driver_on_cpu.cpp), so that Bot4 finds two GPUs. They
//! must answer as the scalar twins do, in bits, through contexts, streams, pinned memory and shared jobs.
//! The PTX that stands in the repository must hold nothing that rounds differently. A counted skip where
//! g++ is missing.
#![cfg(feature = "cuda")]
#![allow(unsafe_code, reason = "the driver's double is loaded and told how many GPUs to show")]

mod bot4_process;

use bot4::compute::cases::{self, Kernel};
use bot4::compute::device::cuda::MODULES;
use bot4::compute::device::{Choice, Device};
use bot4::compute::engine::Engine;
use bot4::compute::garch_paths::{Draws, Paths};
use bot4::compute::parity::check;
use bot4::compute::reduce::BLOCK;
use bot4_process::Bot4;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Entry points by source, and whether their threads wait for each other.
const ENTRIES: [(&str, &str, bool); 13] = [
    ("philox", "philox", false),
    ("garch_paths", "garch_paths", false),
    ("scenarios", "scenarios", false),
    ("scenarios", "simulate", false),
    ("tail", "tail_digits", true),
    ("tail", "tail_excess", true),
    ("cov", "cov_means", false),
    ("cov", "cov", false),
    ("lstm", "lstm", true),
    ("gru", "gru", true),
    ("attention", "attention", true),
    ("limits", "limits_operations", false),
    ("limits", "limits_read", false),
];

/// The folder of a libcuda.so that runs on the CPU, loaded here with two GPUs; None where g++ is missing.
fn double() -> Option<&'static Path> {
    static DOUBLE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = DOUBLE.get_or_init(|| {
        let found = Command::new("g++").arg("--version").output().is_ok_and(|o| o.status.success());
        if !found {
            eprintln!("SKIPPED (1): CUDA sources on the CPU: g++ is missing");
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda_double");
        std::fs::create_dir_all(&folder).expect("a folder for tests");
        build(&folder);
        let library = folder.join("libcuda.so");
        let name = CString::new(library.to_str().expect("UTF-8")).expect("no zero");
        // SAFETY: nobody reads the environment meanwhile: the other tests wait for this one value; the
        // library was just built, and whoever loads a libcuda.so from now on is given this one.
        unsafe {
            std::env::set_var("FAKE_GPUS", "2");
            assert!(!libc::dlopen(name.as_ptr(), libc::RTLD_NOW).is_null(), "the double loads");
        }
        Some(folder)
    });
    built.as_deref()
}

fn build(folder: &Path) {
    let compile = |arguments: &[&str]| {
        let built = Command::new("g++").args(arguments).current_dir(folder).output();
        let built = built.expect("g++ runs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    };
    let mut options = vec!["-std=c++20", "-O2", "-ffp-contract=off", "-fPIC", "-pthread"];
    options.extend(cfg!(target_arch = "x86_64").then_some("-mfma"));
    let mut objects: Vec<String> = Vec::new();
    for (source, ..) in ENTRIES {
        let object = format!("{source}.o");
        if objects.contains(&object) {
            continue;
        }
        let mut text = format!("#include \"{ROOT}/kernels/{source}.cu\"\n");
        for (_, entry, waits) in ENTRIES.iter().filter(|(of, ..)| *of == source) {
            text.push_str(&format!(
                "extern \"C\" void on_cpu_{entry}(u32 c, u32 r, u32 t, const u32* w, const float* n, \
                 float* o) {{ run({entry}, {waits}, c, r, t, w, n, o); }}\n"
            ));
        }
        std::fs::write(folder.join(format!("{source}.cpp")), text).expect("written");
        compile(&[&options[..], &["-c", &format!("{source}.cpp")]].concat());
        objects.push(object);
    }
    let driver = format!("{ROOT}/kernels/driver_on_cpu.cpp");
    let linked = ["-shared", "-Wl,-soname,libcuda.so", "-o", "libcuda.so", &driver];
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    compile(&[&options[..], &linked[..], &objects[..]].concat());
}

#[test]
fn cuda_sources_answer_as_the_scalar_twins_in_bits() {
    if double().is_none() {
        return;
    }
    for kernel in Kernel::ALL {
        let found = check(kernel, Device::Cuda, 7, false).expect("every kernel has a CUDA twin");
        assert!(found.agrees && found.bits_equal && found.numbers > 0, "{found:?}");
    }
    let spoiled = check(Kernel::Tail, Device::Cuda, 7, true).expect("a CUDA twin");
    assert!(!spoiled.agrees, "canary: {spoiled:?}");
}

fn engines() -> (Engine, Engine) {
    let open = |device| Engine::open(Choice::Only(device)).expect("is here");
    (open(Device::Cuda), open(Device::cpu()))
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn two_gpus_share_a_job_and_answer_as_one_cpu() {
    if double().is_none() {
        return;
    }
    let (gpus, cpu) = engines();
    let book = cases::book(5, 9, 5);
    let jobs = cases::paths(3);
    let tilted = |job: &Paths| matches!(job.draws(), Draws::Tilted(_));
    // small jobs of every kind, and one that is cut into parts on four lanes
    let mut runs: Vec<(&Paths, usize)> = jobs
        .iter()
        .filter(|job| job.assets().len() == 3)
        .map(|job| (job, 2 * BLOCK - 17))
        .collect();
    let plain = runs.iter().position(|(job, _)| matches!(job.draws(), Draws::Plain));
    runs.push((runs[plain.expect("a plain job")].0, 150_001));
    assert!(runs.iter().any(|(job, _)| tilted(job)));
    for (job, paths) in runs {
        let [there, here] = [&gpus, &cpu]
            .map(|engine| engine.simulate_with_ratios(job, &book, 0, paths).expect("simulates"));
        assert_eq!((there.0.len(), there.1.len()), (paths, if tilted(job) { paths } else { 0 }));
        assert_eq!((bits(&there.0), bits(&there.1)), (bits(&here.0), bits(&here.1)), "{job:?}");
    }
    let scenarios = 200_003_usize;
    let tiles = (0..scenarios.next_multiple_of(BLOCK) * book.factors())
        .map(|i| 0.1 * (0.37 * i as f32).sin())
        .collect::<Vec<f32>>();
    let [there, here] =
        [&gpus, &cpu].map(|engine| engine.revalue(&book, &tiles, scenarios).expect("values"));
    assert_eq!(bits(&there), bits(&here));
    let books = [&book, &cases::book(5, 3, 0), &cases::book(5, 0, 7)];
    let [there_all, here_all] =
        [&gpus, &cpu].map(|engine| engine.revalue_many(&books, &tiles, scenarios).expect("values"));
    for (at, (there_one, here_one)) in there_all.iter().zip(&here_all).enumerate() {
        let alone = cpu.revalue(books[at], &tiles, scenarios).expect("values");
        assert_eq!((bits(there_one), bits(here_one)), (bits(&alone), bits(&alone)), "book {at}");
    }
    let plain = jobs.iter().find(|job| job.assets().len() == 3).expect("a job");
    let [there_all, here_all] = [&gpus, &cpu].map(|engine| {
        let rows = engine.simulate_many(plain, &books, 0, 2 * BLOCK + 5).expect("simulates");
        rows.iter().map(|row| bits(row)).collect::<Vec<_>>()
    });
    assert_eq!(there_all, here_all);
    let [far, near] =
        [&gpus, &cpu].map(|engine| engine.measure(&there, &[0.95, 0.99]).expect("measures"));
    assert_eq!(far, near);
}

#[test]
fn callers_on_several_threads_are_served_at_once() {
    if double().is_none() {
        return;
    }
    let (gpus, cpu) = engines();
    let (book, jobs) = (cases::book(5, 9, 5), cases::paths(4));
    let jobs: Vec<&Paths> = jobs.iter().filter(|job| job.assets().len() == 3).collect();
    std::thread::scope(|scope| {
        for (at, job) in jobs.iter().cycle().take(24).enumerate() {
            let (gpus, cpu, book) = (&gpus, &cpu, &book);
            scope.spawn(move || {
                let paths = 100 + 331 * at;
                let there = gpus.simulate(job, book, paths).expect("simulates");
                assert_eq!(bits(&there), bits(&cpu.simulate(job, book, paths).expect("simulates")));
            });
        }
    });
}

#[test]
fn the_command_finds_as_many_gpus_as_the_driver_shows() {
    let Some(folder) = double() else { return };
    let with = |gpus: &str, arguments: &[&str]| {
        Bot4::start_with(arguments, &|command| {
            command.env("LD_LIBRARY_PATH", folder).env("FAKE_GPUS", gpus);
        })
        .end()
    };
    let doctor = with("2", &["doctor", "--json"]);
    let shown = "a CPU in a GPU's place 0, 6 GiB and a CPU in a GPU's place 1, 6 GiB";
    assert!(doctor.out.contains(shown), "{doctor:?}");
    let position = "var --notional 1e6 --volatility 0.02 --nu 5 --paths 70000 --seed 3 --json";
    let on = |gpus: &str, device: &str| {
        let arguments: Vec<&str> = position.split(' ').chain(["--device", device]).collect();
        with(gpus, &arguments)
    };
    let figures = |gpus: &str, device: &str| {
        let ended = on(gpus, device);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let report = ended.json();
        assert_eq!(report["device"], if device == "cpu" { Device::cpu().name() } else { device });
        report["levels"].clone()
    };
    let here = figures("0", "cpu");
    for gpus in ["1", "3"] {
        assert_eq!(figures(gpus, "cuda"), here, "{gpus} GPUs");
    }
    let none = on("0", "cuda");
    assert!(none.code == Some(1) && none.errors.contains("cuda is not here"), "{none:?}");
}

#[test]
fn the_ptx_rounds_every_operation() {
    for (ptx, _) in MODULES {
        for line in ptx.lines() {
            let word = line.split_whitespace().next().unwrap_or_default();
            assert!(!loose(word), "{line}");
        }
    }
    // what a build without -fmad=false or with fast maths would hold
    for word in [
        "mul.f32",
        "add.f32",
        "sub.ftz.f32",
        "div.approx.f32",
        "sqrt.approx.ftz.f32",
        "ex2.approx.f32",
    ] {
        assert!(loose(word), "canary {word}");
    }
    for word in ["mul.rn.f32", "fma.rn.f32", "div.rn.f32", "mul.lo.s32", "add.s64", "sqrt.rn.f32"] {
        assert!(!loose(word), "{word} is sound");
    }
}

/// An instruction on f32 that may be contracted, approximated or flushed.
fn loose(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let arithmetic = ["mul", "add", "sub", "mad", "div", "sqrt", "rcp"].contains(&parts[0]);
    let on_f32 = parts.contains(&"f32");
    let unrounded = arithmetic && on_f32 && !parts.contains(&"rn");
    on_f32 && (unrounded || parts.contains(&"approx") || parts.contains(&"ftz"))
}
