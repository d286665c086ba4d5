//! A job as a device takes it: words and numbers in, numbers out.
//!
//! Every kernel has the same shape on every device, so that a kernel's `gpu` module packs a job once and
//! CUDA and Vulkan run the same bytes. A device is a `Gpu`; `run` blocks until the answer is there, and as
//! many callers as it has lanes are served at once.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

/// Threads of a group where a kernel does not say otherwise.
pub const GROUP: usize = 64;

/// Numbers that stay on the device that kept them, for as long as a copy of this lives.
#[derive(Clone, Debug)]
pub struct Kept(Arc<dyn Any + Send + Sync>);

impl Kept {
    /// A device's own buffer.
    pub fn new(buffer: impl Any + Send + Sync) -> Kept {
        Kept(Arc::new(buffer))
    }

    /// The buffer, for the kind of device that kept it.
    #[must_use]
    pub fn buffer<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

/// Numbers of a job.
#[derive(Clone, Debug)]
pub enum Numbers {
    /// Sent with it.
    Sent(Vec<f32>),
    /// On the device already.
    Kept(Kept),
}

impl From<Vec<f32>> for Numbers {
    fn from(numbers: Vec<f32>) -> Numbers {
        Numbers::Sent(numbers)
    }
}

/// A packed job.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The entry point.
    pub entry: &'static str,
    /// Whole numbers of the job.
    pub words: Vec<u32>,
    /// Its numbers.
    pub numbers: Numbers,
    /// Numbers that the kernel writes.
    pub out: usize,
    /// Which of them are wanted back.
    pub wanted: Range<usize>,
    /// Thread groups.
    pub groups: usize,
    /// Threads of a group.
    pub threads: usize,
}

/// Why a device gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// The driver.
    #[error("{device}: {what}")]
    Driver {
        /// Which device.
        device: &'static str,
        /// What its driver says.
        what: String,
    },
    /// More than the device binds at once.
    #[error(
        "{device}: a buffer of {bytes} bytes, and it binds at most {most}; ask for fewer at a time"
    )]
    Buffer {
        /// Which device.
        device: &'static str,
        /// Bytes.
        bytes: u64,
        /// At most.
        most: u64,
    },
}

impl GpuError {
    /// What is wrong, without the device's name.
    #[must_use]
    pub fn what(&self) -> &str {
        match self {
            GpuError::Driver { what, .. } => what,
            GpuError::Buffer { .. } => "a buffer that is too large",
        }
    }
}

/// A device that runs packed jobs.
pub trait Gpu: Send + Sync {
    /// Runs a job; the wanted numbers.
    ///
    /// # Errors
    /// What the driver says.
    fn run(&self, launch: &Launch) -> Result<Vec<f32>, GpuError>;

    /// Puts numbers onto the device, for several jobs.
    ///
    /// # Errors
    /// What the driver says.
    fn keep(&self, numbers: &[f32]) -> Result<Kept, GpuError>;

    /// Jobs that it runs at once: while one computes, another's numbers travel.
    fn lanes(&self) -> usize;

    /// Bytes of the largest buffer.
    fn buffer_max(&self) -> u64;
}

/// Groups in two dimensions, since one holds only 65 535.
#[must_use]
pub fn grid(groups: usize) -> (u32, u32) {
    const ROW: usize = 32_768;
    let columns = groups.clamp(1, ROW);
    (columns as u32, groups.div_ceil(ROW).max(1) as u32)
}
