//! Packed jobs on an NVIDIA GPU, through cudarc's loader of the driver.
#![allow(
    unsafe_code,
    reason = "a kernel's launch: the driver trusts lengths that `Launch` has made"
)]

use super::MODULES;
use crate::compute::device::launch::{Gpu, GpuError, Launch, grid};
use cudarc::driver::{CudaContext, CudaFunction, CudaStream, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

const NAME: &str = "cuda";

/// An open GPU.
pub struct Cuda {
    stream: Arc<CudaStream>,
    functions: HashMap<&'static str, CudaFunction>,
    description: String,
    memory: u64,
}

/// This machine's first GPU, opened when it is first asked for.
///
/// # Errors
/// Why there is none.
pub fn device() -> Result<&'static Cuda, &'static GpuError> {
    static DEVICE: OnceLock<Result<Cuda, GpuError>> = OnceLock::new();
    DEVICE.get_or_init(Cuda::open).as_ref()
}

fn driver(what: impl ToString) -> GpuError {
    GpuError::Driver { device: NAME, what: what.to_string() }
}

impl Cuda {
    /// Opens the first GPU and loads the kernels.
    ///
    /// # Errors
    /// No driver, no GPU, or a driver that refuses the kernels.
    pub fn open() -> Result<Cuda, GpuError> {
        // SAFETY: only looks whether the library loads.
        if !unsafe { cudarc::driver::sys::is_culib_present() } {
            return Err(driver(
                "no NVIDIA driver (libcuda.so.1 is not found); install it to use a GPU",
            ));
        }
        let context = CudaContext::new(0).map_err(driver)?;
        let mut functions = HashMap::new();
        for (ptx, entries) in MODULES {
            let module = context.load_module(Ptx::from_src(ptx)).map_err(|error| {
                driver(format!("the driver refuses the kernels ({error}); it must be 550 or newer"))
            })?;
            for entry in entries {
                functions.insert(*entry, module.load_function(entry).map_err(driver)?);
            }
        }
        let name = context.name().map_err(driver)?;
        let memory = context.total_mem().map_err(driver)? as u64;
        Ok(Cuda {
            stream: context.default_stream(),
            functions,
            description: format!("{name}, {} GiB", memory >> 30),
            memory,
        })
    }

    /// What the device calls itself.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }
}

impl Gpu for Cuda {
    fn run(&self, launch: &Launch) -> Result<Vec<f32>, GpuError> {
        let function = self
            .functions
            .get(launch.entry)
            .ok_or_else(|| driver(format!("no kernel is called {}", launch.entry)))?;
        // an allocation may not be empty
        let filled = |empty: bool| usize::from(empty);
        let mut words = launch.words.clone();
        words.resize(words.len() + filled(words.is_empty()), 0);
        let words = self.stream.clone_htod(&words).map_err(driver)?;
        let numbers = match launch.numbers.is_empty() {
            true => self.stream.alloc_zeros::<f32>(1).map_err(driver)?,
            false => self.stream.clone_htod(&launch.numbers).map_err(driver)?,
        };
        let mut out = self.stream.alloc_zeros::<f32>(launch.out.max(1)).map_err(driver)?;
        let (columns, rows) = grid(launch.groups);
        let shape = LaunchConfig {
            grid_dim: (columns, rows, 1),
            block_dim: (launch.threads as u32, 1, 1),
            shared_mem_bytes: 0,
        };
        let mut arguments = self.stream.launch_builder(function);
        arguments.arg(&words).arg(&numbers).arg(&mut out);
        // SAFETY: every kernel takes these three pointers, reads what the job's packer put into the first
        // two, and writes below `launch.out`; the parity tests run the same sources under a CPU.
        unsafe { arguments.launch(shape) }.map_err(driver)?;
        let wanted = out.slice(launch.wanted.clone());
        self.stream.clone_dtoh(&wanted).map_err(driver)
    }

    fn buffer_max(&self) -> u64 {
        // half of the memory leaves room for the job's other buffers
        self.memory / 2
    }
}
