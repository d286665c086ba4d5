//! What runs kernels: names, and whether each is here.
//!
//! `Device::parse` and `Registry::look`. A device is found at run time, none is needed to build.

pub mod crew;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod launch;
pub mod registry;
#[cfg(feature = "wgpu")]
pub mod webgpu;

use crate::host::cpu::Simd;
use std::fmt;
use std::str::FromStr;

/// A device. Its name is what `--device` takes and what reports print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Device {
    /// The scalar twins: the meaning.
    CpuScalar,
    /// The AVX2 twins.
    CpuAvx2,
    /// An NVIDIA GPU through its driver.
    Cuda,
    /// A GPU through Vulkan.
    Wgpu,
}

impl Device {
    /// Every device, the slowest first.
    pub const ALL: [Device; 4] = [Device::CpuScalar, Device::CpuAvx2, Device::Wgpu, Device::Cuda];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Device::CpuScalar => "cpu-scalar",
            Device::CpuAvx2 => "cpu-avx2",
            Device::Cuda => "cuda",
            Device::Wgpu => "wgpu",
        }
    }

    /// The twins that run where this is a CPU.
    #[must_use]
    pub const fn simd(self) -> Option<Simd> {
        match self {
            Device::CpuScalar => Some(Simd::Scalar),
            Device::CpuAvx2 => Some(Simd::Avx2),
            Device::Cuda | Device::Wgpu => None,
        }
    }

    /// The CPU's best.
    #[must_use]
    pub fn cpu() -> Device {
        match Simd::detect() {
            Simd::Avx2 => Device::CpuAvx2,
            Simd::Scalar => Device::CpuScalar,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which device a user wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Whichever is fastest for a job among those that answer in the same bits: the CPU's best or CUDA.
    #[default]
    Auto,
    /// This one.
    Only(Device),
}

/// A name that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no device is called `{0}`; there are auto, cpu, cpu-scalar, cpu-avx2, cuda and wgpu")]
pub struct UnknownDevice(String);

impl FromStr for Choice {
    type Err = UnknownDevice;

    fn from_str(name: &str) -> Result<Choice, UnknownDevice> {
        match name {
            "auto" => return Ok(Choice::Auto),
            "cpu" => return Ok(Choice::Only(Device::cpu())),
            _ => {}
        }
        let found = Device::ALL.into_iter().find(|device| device.name() == name);
        found.map(Choice::Only).ok_or_else(|| UnknownDevice(name.to_owned()))
    }
}

/// Whether a device is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is, and this is what it calls itself.
    Present(String),
    /// It is not, and this is why and what to do.
    Missing(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for device in Device::ALL {
            assert_eq!(device.name().parse(), Ok(Choice::Only(device)));
        }
        assert_eq!("auto".parse(), Ok(Choice::Auto));
        let refused = "gpu".parse::<Choice>().expect_err("none is called so");
        assert!(refused.to_string().contains("wgpu"), "{refused}");
    }
}
