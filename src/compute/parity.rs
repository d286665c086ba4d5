//! Whether a device answers as the scalar twin does.
//!
//! `check(kernel, device, seed, spoiled) -> Parity`. A kernel that promises bits agrees in bits or not at
//! all; one that promises a tolerance says which. A spoiled run moves one number of the device's answer by
//! a unit in the last place: the comparer must notice.

use super::cases::{self, Kernel, Split};
use super::device::Device;
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
    let mut answers = cases::answers(kernel, device, seed, split)?;
    if spoiled {
        spoil(&mut answers);
    }
    let against = if device == Device::CpuScalar { "cpu-scalar, in pieces" } else { "cpu-scalar" };
    Some(compare(kernel, device, against, &truth, &answers, 0.0))
}

/// Moves a number in the middle by one unit in the last place.
fn spoil(answers: &mut [f32]) {
    let middle = answers.len() / 2;
    if let Some(number) = answers.get_mut(middle) {
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
    use crate::compute::registry::Registry;

    #[test]
    fn every_device_that_is_here_keeps_every_promise() {
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
            for device in [Device::CpuScalar, Device::cpu()] {
                let found = check(kernel, device, 1, true).expect("is here");
                assert!(!found.agrees && !found.bits_equal, "{found:?}");
            }
        }
    }
}
