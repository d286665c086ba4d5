//! A stream with buffers of its own, kept from job to job: pinned memory on the host's side, so that copies
//! run beside another lane's kernel, and room on the device's.
#![allow(
    unsafe_code,
    reason = "a kernel's launch and fresh memory: the driver trusts lengths that `Launch` has made"
)]

use super::gpu::driver;
use crate::compute::device::launch::{GpuError, Kept, Launch, Numbers, grid};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DeviceRepr, LaunchConfig, PinnedHostSlice,
    PushKernelArg, ValidAsZeroBits, sys,
};
use std::sync::Arc;

/// Bytes up to which numbers are staged in pinned memory; the driver stages more than that in pieces of its
/// own.
const STAGED: usize = 64 << 20;

/// What travels in one direction.
struct Buffer<T> {
    device: Option<CudaSlice<T>>,
    pinned: Option<PinnedHostSlice<T>>,
    flags: u32,
}

/// Where a length outgrows what is there: with some room for the next one.
fn grown(length: usize) -> usize {
    length.max(1) + length / 4
}

impl<T: DeviceRepr + ValidAsZeroBits + Copy> Buffer<T> {
    /// For copies to the device, whose host's side is only ever written, or for those back.
    fn new(flags: u32) -> Buffer<T> {
        Buffer { device: None, pinned: None, flags }
    }

    /// The device's side, of at least so many numbers, whatever they are.
    fn room(
        &mut self,
        stream: &Arc<CudaStream>,
        length: usize,
    ) -> Result<&mut CudaSlice<T>, GpuError> {
        if self.device.as_ref().is_none_or(|slice| slice.len() < length) {
            // the old one goes first: there may be no room for both
            self.device = None;
            // SAFETY: a job's numbers are copied in, or its kernel writes all that is read back.
            self.device = Some(unsafe { stream.alloc(grown(length)) }.map_err(driver)?);
        }
        self.device.as_mut().ok_or_else(|| driver("no room"))
    }

    /// The host's side, likewise.
    fn pinned(&mut self, stream: &CudaStream, length: usize) -> Result<&mut [T], GpuError> {
        if self.pinned.as_ref().is_none_or(|slice| slice.len() < length) {
            self.pinned = None;
            let context = stream.context();
            // SAFETY: written before it is read, by us or by the copy back.
            let fresh = unsafe { context.alloc_pinned_with_flags(grown(length), self.flags) };
            self.pinned = Some(fresh.map_err(driver)?);
        }
        let slice = self.pinned.as_mut().ok_or_else(|| driver("no room"))?;
        Ok(&mut slice.as_mut_slice().map_err(driver)?[..length])
    }

    /// Puts numbers onto the device.
    fn send(&mut self, stream: &Arc<CudaStream>, numbers: &[T]) -> Result<(), GpuError> {
        let length = numbers.len();
        self.room(stream, length)?;
        if length == 0 {
            return Ok(());
        }
        if size_of_val(numbers) <= STAGED {
            self.pinned(stream, length)?.copy_from_slice(numbers);
        }
        let Buffer { device, pinned, .. } = self;
        let mut to = device.as_mut().ok_or_else(|| driver("no room"))?.slice_mut(..length);
        match pinned.as_ref().filter(|_| size_of_val(numbers) <= STAGED) {
            Some(staged) => {
                let staged = &staged.as_slice().map_err(driver)?[..length];
                stream.memcpy_htod(staged, &mut to).map_err(driver)
            }
            None => stream.memcpy_htod(numbers, &mut to).map_err(driver),
        }
    }
}

/// One of a GPU's lanes.
pub(super) struct Lane {
    stream: Arc<CudaStream>,
    words: Buffer<u32>,
    numbers: Buffer<f32>,
    out: Buffer<f32>,
}

impl Lane {
    /// # Errors
    /// What the driver says.
    pub fn open(context: &Arc<CudaContext>) -> Result<Lane, GpuError> {
        Ok(Lane {
            stream: context.new_stream().map_err(driver)?,
            words: Buffer::new(sys::CU_MEMHOSTALLOC_WRITECOMBINED),
            numbers: Buffer::new(sys::CU_MEMHOSTALLOC_WRITECOMBINED),
            out: Buffer::new(0),
        })
    }

    /// Numbers that stay.
    ///
    /// # Errors
    /// What the driver says.
    pub fn keep(&mut self, numbers: &[f32]) -> Result<Kept, GpuError> {
        // an allocation may not be empty
        let numbers = if numbers.is_empty() { &[0.0] } else { numbers };
        let kept = self.stream.clone_htod(numbers).map_err(driver)?;
        // any lane may read it from now on
        self.stream.synchronize().map_err(driver)?;
        Ok(Kept::new(kept))
    }

    /// Runs a job and waits for its answer.
    ///
    /// # Errors
    /// What the driver says.
    pub fn run(&mut self, kernel: &CudaFunction, launch: &Launch) -> Result<Vec<f32>, GpuError> {
        let answer = self.run_on(kernel, launch);
        // after an error, too, nothing may still read or write what the next job takes
        let waited = self.stream.synchronize().map_err(driver);
        let count = answer?;
        waited?;
        if let Answer::Large(numbers) = count {
            return Ok(numbers);
        }
        let length = launch.wanted.len();
        Ok(self.out.pinned(&self.stream, length)?.to_vec())
    }

    fn run_on(&mut self, kernel: &CudaFunction, launch: &Launch) -> Result<Answer, GpuError> {
        let Lane { stream, words, numbers, out } = self;
        words.send(stream, &launch.words)?;
        let sent = match &launch.numbers {
            Numbers::Sent(list) => {
                numbers.send(stream, list)?;
                numbers.device.as_ref()
            }
            Numbers::Kept(kept) => kept.buffer::<CudaSlice<f32>>(),
        };
        let sent = sent.ok_or_else(|| driver("these numbers are kept by another device"))?;
        let words = words.device.as_ref().ok_or_else(|| driver("no room"))?;
        out.room(stream, launch.out)?;
        let (columns, rows) = grid(launch.groups);
        let shape = LaunchConfig {
            grid_dim: (columns, rows, 1),
            block_dim: (launch.threads as u32, 1, 1),
            shared_mem_bytes: 0,
        };
        let written = out.device.as_mut().ok_or_else(|| driver("no room"))?;
        let mut arguments = stream.launch_builder(kernel);
        arguments.arg(words).arg(sent).arg(&mut *written);
        // SAFETY: every kernel takes these three pointers, reads what the job's packer put into the first
        // two, and writes below `launch.out`; the parity tests run the same sources under a CPU.
        unsafe { arguments.launch(shape) }.map_err(driver)?;
        let length = launch.wanted.len();
        if length * size_of::<f32>() > STAGED {
            let wanted = written.slice(launch.wanted.clone());
            return stream.clone_dtoh(&wanted).map(Answer::Large).map_err(driver);
        }
        out.pinned(stream, length)?;
        let Buffer { device, pinned, .. } = out;
        let (Some(device), Some(pinned)) = (device, pinned) else { return Err(driver("no room")) };
        let to = &mut pinned.as_mut_slice().map_err(driver)?[..length];
        let wanted = device.slice(launch.wanted.clone());
        stream.memcpy_dtoh(&wanted, to).map_err(driver)?;
        Ok(Answer::Staged)
    }
}

/// Where an answer is.
enum Answer {
    /// In the lane's pinned memory, once the stream has come to its end.
    Staged,
    /// Here, since the driver copies into ordinary memory before it returns.
    Large(Vec<f32>),
}
