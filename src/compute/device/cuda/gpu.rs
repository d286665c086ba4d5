//! NVIDIA GPUs, through cudarc's loader of the driver.
#![allow(
    unsafe_code,
    reason = "the driver's library is looked for, and lanes keep their own order"
)]

use super::MODULES;
use super::lane::Lane;
use crate::compute::device::launch::{Gpu, GpuError, Kept, Launch};
use cudarc::driver::{CudaContext, CudaFunction};
use cudarc::nvrtc::Ptx;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};

const NAME: &str = "cuda";
/// Jobs at once: one computes, another's numbers travel.
const LANES: usize = 2;

/// An open GPU.
pub struct Cuda {
    lanes: [Mutex<Lane>; LANES],
    functions: HashMap<&'static str, CudaFunction>,
    description: String,
    memory: u64,
}

/// This machine's GPUs, opened when they are first asked for. One that cannot be opened is left out where
/// there are others.
///
/// # Errors
/// Why there is none.
pub fn devices() -> Result<&'static [Cuda], &'static GpuError> {
    static DEVICES: OnceLock<Result<Vec<Cuda>, GpuError>> = OnceLock::new();
    DEVICES.get_or_init(Cuda::open_all).as_deref()
}

pub(super) fn driver(what: impl ToString) -> GpuError {
    GpuError::Driver { device: NAME, what: what.to_string() }
}

impl Cuda {
    /// Opens every GPU that the driver shows.
    ///
    /// # Errors
    /// No driver, no GPU, or none that could be opened: what the first one said.
    pub fn open_all() -> Result<Vec<Cuda>, GpuError> {
        // SAFETY: only looks whether the library loads.
        if !unsafe { cudarc::driver::sys::is_culib_present() } {
            return Err(driver(
                "no NVIDIA driver (libcuda.so.1 is not found); install it to use a GPU",
            ));
        }
        let count = CudaContext::device_count().map_err(driver)?;
        let (open, failed): (Vec<_>, Vec<_>) =
            (0..count.max(0) as usize).map(Cuda::open).partition(Result::is_ok);
        let open: Vec<Cuda> = open.into_iter().flatten().collect();
        match failed.into_iter().find_map(Result::err) {
            _ if !open.is_empty() => Ok(open),
            Some(error) => Err(error),
            None => Err(driver("the driver shows no GPU (is CUDA_VISIBLE_DEVICES empty?)")),
        }
    }

    /// Opens a GPU and loads the kernels.
    fn open(ordinal: usize) -> Result<Cuda, GpuError> {
        let context = CudaContext::new(ordinal).map_err(driver)?;
        // SAFETY: a lane's buffers are used on its own stream, one job at a time, and a job ends with a wait.
        unsafe { context.disable_event_tracking() };
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
            lanes: [Mutex::new(Lane::open(&context)?), Mutex::new(Lane::open(&context)?)],
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

    /// A lane that is free, or the first one once it is.
    fn lane(&self) -> MutexGuard<'_, Lane> {
        let free = self.lanes.iter().find_map(|lane| match lane.try_lock() {
            Ok(lane) => Some(lane),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        free.unwrap_or_else(|| {
            self.lanes[0].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
        })
    }
}

impl Gpu for Cuda {
    fn run(&self, launch: &Launch) -> Result<Vec<f32>, GpuError> {
        let kernel = self.functions.get(launch.entry);
        let kernel =
            kernel.ok_or_else(|| driver(format!("no kernel is called {}", launch.entry)))?;
        self.lane().run(kernel, launch)
    }

    fn keep(&self, numbers: &[f32]) -> Result<Kept, GpuError> {
        self.lane().keep(numbers)
    }

    fn lanes(&self) -> usize {
        LANES
    }

    fn buffer_max(&self) -> u64 {
        // a lane has one large buffer each way, and half of the memory is left for what is kept
        self.memory / (4 * LANES as u64)
    }
}
