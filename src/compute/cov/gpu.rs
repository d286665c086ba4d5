//! Packs covariances for a device: means first, then an entry a thread.

use super::{CovError, Weighting, checked, weights};
use crate::compute::device::launch::{GROUP, Gpu, GpuError, Launch};

/// Why a device gave no covariance.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DeviceCovError {
    /// The rows.
    #[error(transparent)]
    Cov(#[from] CovError),
    /// The device.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// As `covariance`.
///
/// # Errors
/// Rows that have none, or what the device's driver says.
pub fn covariance(
    gpu: &dyn Gpu,
    rows: &[f32],
    series: usize,
    weighting: Weighting,
) -> Result<Vec<f32>, DeviceCovError> {
    let count = checked(rows, series, weighting)?;
    let [of_means, of_products] = weights(count, weighting)?;
    let at = |numbers: usize| numbers as u32;
    let (first, second) = (rows.len(), rows.len() + count);
    let words = vec![at(count), at(series), at(first), at(second), at(second + count)];
    let mut numbers = [rows, &of_means, &of_products].concat();
    let means = gpu.run(&Launch {
        entry: "cov_means",
        words: words.clone(),
        numbers: numbers.clone().into(),
        out: series,
        wanted: 0..series,
        groups: series.div_ceil(GROUP),
        threads: GROUP,
    })?;
    numbers.extend(means);
    let entries = series * series;
    Ok(gpu.run(&Launch {
        entry: "cov",
        words,
        numbers: numbers.into(),
        out: entries,
        wanted: 0..entries,
        groups: entries.div_ceil(GROUP),
        threads: GROUP,
    })?)
}
