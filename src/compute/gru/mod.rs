//! `gru`: gated recurrent units (Cho et al. 2014), the reset gate behind the state's product as in
//! PyTorch, cuDNN and ONNX's `linear_before_reset`.
//!
//! A layer's step, gates r, z, n: r, z = σ(Wx + b + Uh + c), n = tanh(Wx + b + r·(Uh + c)),
//! h ← n + z·(h − n), where products of inputs and of the state stand apart.
//! `step` carries state and allocates nothing; `batch` runs whole windows of many samples.
//! Twins: `scalar` (the meaning), `avx2`; kernels/gru.cu in bits for f32 weights.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod formula;
pub mod gpu;
mod scalar;

#[cfg(test)]
mod tests;

use crate::compute::dense::{Dense, DenseError, LayerWeights, Precision};
use crate::host::cpu::Simd;

/// A stack of layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Gru {
    inputs: usize,
    hidden: usize,
    layers: Vec<Layer>,
}

#[derive(Clone, Debug, PartialEq)]
struct Layer {
    input: Dense,
    state: Dense,
}

/// What a stream carries from step to step.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Each layer's h, one after the other.
    h: Vec<f32>,
    of_input: Vec<f32>,
    of_state: Vec<f32>,
}

impl Gru {
    /// Packs the weights of every layer, the lowest first.
    ///
    /// # Errors
    /// Weights that do not fit.
    pub fn new(
        inputs: usize,
        hidden: usize,
        layers: &[LayerWeights],
        precision: Precision,
    ) -> Result<Gru, DenseError> {
        let pack = |(at, layer): (usize, &LayerWeights)| {
            let below = if at == 0 { inputs } else { hidden };
            let rows = 3 * hidden;
            Ok(Layer {
                input: Dense::new(below, rows, layer.input, layer.input_bias, precision)?,
                state: Dense::new(hidden, rows, layer.state, layer.state_bias, precision)?,
            })
        };
        let layers = layers.iter().enumerate().map(pack).collect::<Result<_, _>>()?;
        Ok(Gru { inputs, hidden, layers })
    }

    /// Numbers in.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Numbers of a layer's state.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// Multiplications and additions of a step.
    #[must_use]
    pub fn products(&self) -> usize {
        let of = |dense: &Dense| dense.inputs() * dense.outputs();
        self.layers.iter().map(|layer| of(&layer.input) + of(&layer.state)).sum()
    }

    /// Bytes of weights that a step reads.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.input.bytes() + layer.state.bytes()).sum()
    }

    /// A stream's beginning: zeros.
    #[must_use]
    pub fn state(&self) -> State {
        let padded = self.layers.first().map_or(0, |layer| layer.state.padded());
        State {
            h: vec![0.0; self.layers.len() * self.hidden],
            of_input: vec![0.0; padded],
            of_state: vec![0.0; padded],
        }
    }

    /// One step of a stream; the top layer's h.
    ///
    /// # Panics
    /// When `x` is not as long as the network's inputs.
    pub fn step<'a>(&self, state: &'a mut State, x: &[f32], simd: Simd) -> &'a [f32] {
        assert_eq!(x.len(), self.inputs, "Invariant: as many inputs as the network has");
        let hidden = self.hidden;
        for (at, layer) in self.layers.iter().enumerate() {
            let (lower, upper) = state.h.split_at_mut(at * hidden);
            let below = if at == 0 { x } else { &lower[(at - 1) * hidden..] };
            let h = &mut upper[..hidden];
            layer.input.apply(below, &mut state.of_input, simd);
            layer.state.apply(h, &mut state.of_state, simd);
            gates(&state.of_input, &state.of_state, h, simd);
        }
        &state.h[state.h.len() - hidden..]
    }

    /// Windows of many samples: `x[sample][step][input]` to the top layer's `to[sample][step][hidden]`.
    ///
    /// # Panics
    /// When the lengths are not those of whole windows.
    pub fn batch(&self, x: &[f32], steps: usize, to: &mut [f32], simd: Simd) {
        let hidden = self.hidden;
        let samples = to.len() / (steps * hidden).max(1);
        assert_eq!(x.len(), samples * steps * self.inputs, "Invariant: whole windows");
        let mut below = x.to_vec();
        for layer in &self.layers {
            let padded = layer.input.padded();
            // inputs of all steps at once: they wait for no state
            let mut of_input = vec![0.0; samples * steps * padded];
            layer.input.apply_many(&below, &mut of_input, simd);
            let mut h = vec![0.0; samples * hidden];
            let mut of_state = vec![0.0; samples * padded];
            let mut above = vec![0.0; samples * steps * hidden];
            for step in 0..steps {
                layer.state.apply_many(&h, &mut of_state, simd);
                for (sample, h) in h.chunks_exact_mut(hidden).enumerate() {
                    let row = sample * steps + step;
                    let from_input = &of_input[row * padded..(row + 1) * padded];
                    let from_state = &of_state[sample * padded..(sample + 1) * padded];
                    gates(from_input, from_state, h, simd);
                    above[row * hidden..(row + 1) * hidden].copy_from_slice(h);
                }
            }
            below = above;
        }
        to.copy_from_slice(&below);
    }
}

fn gates(of_input: &[f32], of_state: &[f32], h: &mut [f32], simd: Simd) {
    match simd {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => avx2::gates(of_input, of_state, h),
        _ => scalar::gates(of_input, of_state, h),
    }
}
