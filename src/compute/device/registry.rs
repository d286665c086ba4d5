//! Which devices this machine has, looked for once at run time.

use super::launch::Gpu;
use super::{Device, Presence};
use crate::host::cpu::Simd;

/// Every device, present or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    entries: Vec<(Device, Presence)>,
}

impl Registry {
    /// Looks at the machine.
    #[must_use]
    pub fn look() -> Registry {
        let entries = Device::ALL.map(|device| (device, presence(device)));
        Registry { entries: entries.to_vec() }
    }

    /// Every device with its presence, the slowest first.
    #[must_use]
    pub fn entries(&self) -> &[(Device, Presence)] {
        &self.entries
    }

    /// Whether a device is here.
    ///
    /// # Panics
    /// Never: every device has an entry.
    #[must_use]
    pub fn presence(&self, device: Device) -> &Presence {
        let entry = self.entries.iter().find(|(other, _)| *other == device);
        &entry.expect("Invariant: every device has an entry").1
    }

    /// The devices that are here.
    pub fn present(&self) -> impl Iterator<Item = Device> {
        let here = |presence: &Presence| matches!(presence, Presence::Present(_));
        self.entries.iter().filter(move |(_, presence)| here(presence)).map(|(device, _)| *device)
    }
}

/// Whether a device is here; looks for no other.
#[must_use]
pub fn presence(device: Device) -> Presence {
    match device {
        Device::CpuScalar => Presence::Present("the meaning of every kernel".to_owned()),
        Device::CpuAvx2 => match Simd::detect() {
            Simd::Avx2 => Presence::Present("AVX2 with FMA".to_owned()),
            Simd::Scalar => Presence::Missing(
                "the CPU lacks AVX2, FMA or BMI2 (or BOT4_SIMD=scalar)".to_owned(),
            ),
        },
        Device::Cuda => cuda(),
        Device::Wgpu => webgpu(),
    }
}

#[cfg(feature = "cuda")]
fn cuda() -> Presence {
    match super::cuda::devices() {
        Ok(devices) => {
            let names: Vec<&str> = devices.iter().map(super::cuda::Cuda::description).collect();
            Presence::Present(names.join(" and "))
        }
        Err(error) => Presence::Missing(error.what().to_owned()),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Presence {
    Presence::Missing("built without the feature `cuda`".to_owned())
}

#[cfg(feature = "wgpu")]
fn webgpu() -> Presence {
    match super::webgpu::device() {
        Ok(device) => Presence::Present(device.description().to_owned()),
        Err(error) => Presence::Missing(error.what().to_owned()),
    }
}

#[cfg(not(feature = "wgpu"))]
fn webgpu() -> Presence {
    Presence::Missing("built without the feature `wgpu`".to_owned())
}

/// The devices behind a name, where it is no CPU and they are here: they answer alike and share jobs.
#[must_use]
pub fn gpus(device: Device) -> Vec<&'static dyn Gpu> {
    match device {
        Device::CpuScalar | Device::CpuAvx2 => Vec::new(),
        #[cfg(feature = "cuda")]
        Device::Cuda => {
            let devices = super::cuda::devices().unwrap_or_default();
            devices.iter().map(|device| device as &dyn Gpu).collect()
        }
        #[cfg(not(feature = "cuda"))]
        Device::Cuda => Vec::new(),
        #[cfg(feature = "wgpu")]
        Device::Wgpu => {
            super::webgpu::device().map(|device| device as &dyn Gpu).into_iter().collect()
        }
        #[cfg(not(feature = "wgpu"))]
        Device::Wgpu => Vec::new(),
    }
}

/// The first of them.
#[must_use]
pub fn gpu(device: Device) -> Option<&'static dyn Gpu> {
    gpus(device).into_iter().next()
}
