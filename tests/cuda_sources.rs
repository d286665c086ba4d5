//! The CUDA kernels where there is no GPU: g++ compiles the very sources for the CPU
//! (kernels/cuda_on_cpu.h), and they must answer as the scalar twins do, in bits. The PTX that stands in
//! the repository must hold nothing that rounds differently. A counted skip where g++ is missing.
#![cfg(feature = "cuda")]
#![allow(unsafe_code, reason = "a compiled kernel is called through dlopen")]

mod bot4_process;

use bot4::compute::cases::Kernel;
use bot4::compute::device::cuda::MODULES;
use bot4::compute::device::launch::{Gpu, GpuError, Launch, grid};
use bot4::compute::parity::check_on;
use bot4_process::Folder;
use std::ffi::{CString, c_void};
use std::path::Path;
use std::process::Command;

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

type Entry = unsafe extern "C" fn(u32, u32, u32, *const u32, *const f32, *mut f32);

/// Kernels compiled for the CPU.
struct OnCpu(*mut c_void);

// SAFETY: the library is only read, and a test runs one job at a time.
unsafe impl Send for OnCpu {}
// SAFETY: as above.
unsafe impl Sync for OnCpu {}

impl OnCpu {
    /// Compiles every source into one library; None where g++ is missing.
    fn build(folder: &Path) -> Option<OnCpu> {
        let found = Command::new("g++").arg("--version").output().is_ok_and(|o| o.status.success());
        if !found {
            eprintln!("SKIPPED (1): CUDA sources on the CPU: g++ is missing");
            return None;
        }
        let mut objects = Vec::new();
        for source in [
            "philox",
            "garch_paths",
            "scenarios",
            "tail",
            "cov",
            "lstm",
            "gru",
            "attention",
            "limits",
        ] {
            let mut text = format!("#include \"{ROOT}/kernels/{source}.cu\"\n");
            for (_, entry, waits) in ENTRIES.iter().filter(|(of, ..)| *of == source) {
                text.push_str(&format!(
                    "extern \"C\" void on_cpu_{entry}(u32 c, u32 r, u32 t, const u32* w, \
                     const float* n, float* o) {{ run({entry}, {waits}, c, r, t, w, n, o); }}\n"
                ));
            }
            let (file, object) =
                (folder.join(format!("{source}.cpp")), folder.join(format!("{source}.o")));
            std::fs::write(&file, text).expect("written");
            let options = ["-std=c++20", "-O2", "-ffp-contract=off", "-fPIC", "-pthread", "-c"];
            let fma = cfg!(target_arch = "x86_64").then_some("-mfma");
            let built = Command::new("g++")
                .args(options)
                .args(fma)
                .arg(&file)
                .arg("-o")
                .arg(&object)
                .output();
            let built = built.expect("g++ runs");
            assert!(built.status.success(), "{source}: {}", String::from_utf8_lossy(&built.stderr));
            objects.push(object);
        }
        let library = folder.join("kernels.so");
        let mut link = Command::new("g++");
        link.args(["-shared", "-pthread", "-o"]).arg(&library).args(&objects);
        let linked = link.status().expect("g++ runs");
        assert!(linked.success(), "the kernels link");
        let path = CString::new(library.to_str().expect("UTF-8")).expect("no zero");
        // SAFETY: a library that was just built; its initialisers do nothing.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null(), "the kernels load");
        Some(OnCpu(handle))
    }
}

impl Gpu for OnCpu {
    fn run(&self, launch: &Launch) -> Result<Vec<f32>, GpuError> {
        let name = CString::new(format!("on_cpu_{}", launch.entry)).expect("no zero");
        // SAFETY: the handle is open.
        let symbol = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        assert!(!symbol.is_null(), "{}", launch.entry);
        let (columns, rows) = grid(launch.groups);
        let mut out = vec![0.0; launch.out.max(1)];
        // SAFETY: the symbol is one of the wrappers above, whose signature is `Entry`'s; the kernel stays
        // within the job's own lengths.
        unsafe {
            let entry = std::mem::transmute::<*mut c_void, Entry>(symbol);
            let (words, numbers) = (launch.words.as_ptr(), launch.numbers.as_ptr());
            entry(columns, rows, launch.threads as u32, words, numbers, out.as_mut_ptr());
        }
        Ok(out[launch.wanted.clone()].to_vec())
    }

    fn buffer_max(&self) -> u64 {
        1 << 30
    }
}

#[test]
fn cuda_sources_answer_as_the_scalar_twins_in_bits() {
    let folder = Folder::new();
    let Some(kernels) = OnCpu::build(Path::new(folder.path())) else { return };
    for kernel in Kernel::ALL {
        let found = check_on(&kernels, kernel, 7).expect("runs");
        assert!(found.bits_equal && found.numbers > 0, "{found:?}");
    }
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
