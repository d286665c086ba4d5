//! Whether a device answers as the scalar twin does.
//!
//! `check(kernel, device, seed, spoiled) -> Parity`. A kernel that promises bits agrees in bits or not at
//! all; one that promises a tolerance says which. A spoiled run moves one number of the device's answer by
//! a unit in the last place: the comparer must notice.

use super::cases::{self, Kernel, Split};
use super::device::Device;
use super::device::registry;
use serde::Serialize;

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parity {
    /// Stem.
    pub kernel: &'static str,
    /// Who answered.
    pub device: &'static str,
    /// What it was held against.
    pub against: &'static str,
    /// Whether it kept its promise.
    pub agrees: bool,
    /// Whether every bit was the same.
    pub bits_equal: bool,
    /// Greatest distance of two numbers, relative to the greater and to at least one.
    pub max_error: f64,
    /// What was promised: zero is bits.
    pub tolerance: f64,
    /// Numbers compared.
    pub numbers: usize,
}

/// Compares a device's answers with the scalar twin's, the scalar twin's with its own in pieces. None where
/// no kernel of this build runs on the device.
#[must_use]
pub fn check(kernel: Kernel, device: Device, seed: u64, spoiled: bool) -> Option<Parity> {
    let truth = cases::answers(kernel, Device::CpuScalar, seed, Split::Whole)?;
    let split = if device == Device::CpuScalar { Split::Pieces } else { Split::Whole };
    let mut answers = match registry::gpu(device) {
        // a driver that fails gives no answer, which agrees with nothing
        Some(gpu) => cases::answers_on(gpu, kernel, seed).unwrap_or_default(),
        None => cases::answers(kernel, device, seed, split)?,
    };
    let tolerance = tolerance(kernel, device);
    if spoiled {
        spoil(&mut answers, tolerance);
    }
    let against = if device == Device::CpuScalar { "cpu-scalar, in pieces" } else { "cpu-scalar" };
    Some(compare(kernel, device, against, &truth, &answers, tolerance))
}

/// What is promised: bits everywhere but on WebGPU, whose arithmetic is looser. The shaders derive theirs.
fn tolerance(kernel: Kernel, device: Device) -> f64 {
    if device != Device::Wgpu {
        return 0.0;
    }
    match kernel {
        // three functions of 1e-6; half a word's last bit is 1.5e-5 of it
        Kernel::Philox => 3e-6,
        Kernel::GarchPaths => 1e-5,
        // positions of some 2 000 in all, each within 2.5e-7 of its size
        Kernel::Scenarios => 5e-4,
        Kernel::Tail => 3e-6,
        // 1e-6 of the product of two deviations of 0.02, with room for the longest sums
        Kernel::Cov => 1e-9,
        Kernel::Lstm | Kernel::Gru | Kernel::Attention => 1e-5,
    }
}

/// Moves a number in the middle: by one unit in the last place, or by twice what a device may err.
fn spoil(answers: &mut [f32], tolerance: f64) {
    let middle = answers.len() / 2;
    if let Some(number) = answers.get_mut(middle) {
        let by = 2.0 * tolerance * f64::from(number.abs()).max(1.0);
        *number = (f64::from(*number) + by) as f32;
        *number = number.next_up();
    }
}

fn compare(
    kernel: Kernel,
    device: Device,
    against: &'static str,
    truth: &[f32],
    answers: &[f32],
    tolerance: f64,
) -> Parity {
    let same_length = truth.len() == answers.len();
    let pairs = || truth.iter().zip(answers);
    let bits_equal = same_length && pairs().all(|(a, b)| a.to_bits() == b.to_bits());
    let error = |(a, b): (&f32, &f32)| {
        let (a, b) = (f64::from(*a), f64::from(*b));
        (a - b).abs() / a.abs().max(b.abs()).max(1.0)
    };
    // a NaN is no agreement: it counts as infinitely far
    let max_error = pairs()
        .map(error)
        .fold(0.0, |most: f64, e| if e.is_nan() { f64::INFINITY } else { most.max(e) });
    let max_error = if same_length { max_error } else { f64::INFINITY };
    let agrees = if tolerance > 0.0 { max_error <= tolerance } else { bits_equal };
    Parity {
        kernel: kernel.name(),
        device: device.name(),
        against,
        agrees,
        bits_equal,
        max_error,
        tolerance,
        numbers: truth.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::device::Presence;
    use crate::compute::device::registry::Registry;

    #[test]
    fn every_device_that_is_here_keeps_every_promise() {
        for (device, presence) in Registry::look().entries() {
            if let Presence::Missing(why) = presence {
                eprintln!("SKIPPED (1): kernels on {device}: {why}");
            }
        }
        for kernel in Kernel::ALL {
            for device in Registry::look().present() {
                for seed in [1, 2_026] {
                    let found = check(kernel, device, seed, false).expect("is here");
                    assert!(found.agrees && found.numbers > 0, "seed {seed}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn canary_a_unit_in_the_last_place_is_caught() {
        for kernel in Kernel::ALL {
            for device in Registry::look().present() {
                let found = check(kernel, device, 1, true).expect("is here");
                assert!(!found.agrees && !found.bits_equal, "{found:?}");
            }
        }
    }
}
