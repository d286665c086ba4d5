//! Packs queries over windows for a device: a group of 32 lanes a query.

use crate::compute::device::launch::{Gpu, GpuError, Launch};
use crate::compute::reduce::LANES;

/// Weights and context of each query, `[query][steps + hidden]`, of `states[query][steps][hidden]`.
///
/// # Errors
/// What the device's driver says.
pub fn attend(
    gpu: &dyn Gpu,
    states: &[f32],
    queries: &[f32],
    steps: usize,
    hidden: usize,
) -> Result<Vec<f32>, GpuError> {
    let count = queries.len() / hidden;
    let out = count * (steps + hidden);
    gpu.run(&Launch {
        entry: "attention",
        words: [steps, hidden, count].map(|n| n as u32).to_vec(),
        numbers: [states, queries].concat().into(),
        out,
        wanted: 0..out,
        groups: count,
        threads: LANES,
    })
}
