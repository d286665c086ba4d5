//! Packs GRU windows for a device: a group a sample.

use crate::compute::dense::LayerWeights;
use crate::compute::device::launch::{GROUP, Gpu, GpuError, Launch};

/// As `Gru::batch` with f32 weights: `x[sample][step][input]` to `[sample][step][hidden]`.
///
/// # Errors
/// What the device's driver says.
pub fn batch(
    gpu: &dyn Gpu,
    inputs: usize,
    hidden: usize,
    layers: &[LayerWeights],
    x: &[f32],
    steps: usize,
) -> Result<Vec<f32>, GpuError> {
    let samples = x.len() / (steps * inputs).max(1);
    let rows = 3 * hidden;
    let mut numbers = x.to_vec();
    for (at, layer) in layers.iter().enumerate() {
        let below = if at == 0 { inputs } else { hidden };
        for k in 0..below {
            numbers.extend((0..rows).map(|row| layer.input[row * below + k]));
        }
        numbers.extend(layer.input_bias);
        for k in 0..hidden {
            numbers.extend((0..rows).map(|row| layer.state[row * hidden + k]));
        }
        numbers.extend(layer.state_bias);
    }
    let layer_size = samples * steps * hidden;
    let words = [inputs, hidden, layers.len(), steps, samples].map(|n| n as u32).to_vec();
    let out = layers.len() * layer_size;
    gpu.run(&Launch {
        entry: "gru",
        words,
        numbers: numbers.into(),
        out,
        wanted: (layers.len() - 1) * layer_size..layers.len() * layer_size,
        groups: samples,
        threads: GROUP,
    })
}
