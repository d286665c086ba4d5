//! `lstm`: long short-term memory (Hochreiter and Schmidhuber 1997, with forget gates, Gers et al. 2000).
//!
//! A layer's step, gates i, f, g, o as PyTorch orders them, inputs and state joined into one map:
//! i, f, o = σ(·), g = tanh(·); c ← f·c + i·g (one product, one fma); h ← o·tanh(c).
//! `step` carries state and allocates nothing; `batch` runs whole windows of many samples.
//! Twins: `scalar` (the meaning), `avx2`; kernels/lstm.cu in bits for f32 weights.

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
pub struct Lstm {
    inputs: usize,
    hidden: usize,
    layers: Vec<Dense>,
}

/// What a stream carries from step to step.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Each layer's h, one after the other.
    h: Vec<f32>,
    c: Vec<f32>,
    joined: Vec<f32>,
    gates: Vec<f32>,
}

impl Lstm {
    /// Packs the weights of every layer, the lowest first.
    ///
    /// # Errors
    /// Weights that do not fit.
    pub fn new(
        inputs: usize,
        hidden: usize,
        layers: &[LayerWeights],
        precision: Precision,
    ) -> Result<Lstm, DenseError> {
        let mut packed = Vec::new();
        for (at, layer) in layers.iter().enumerate() {
            let below = if at == 0 { inputs } else { hidden };
            let sized = |what, numbers: &[f32], wanted| {
                let found = numbers.len();
                if found == wanted {
                    Ok(())
                } else {
                    Err(DenseError::Shape { what, found, wanted })
                }
            };
            sized("input weights", layer.input, 4 * hidden * below)?;
            sized("state weights", layer.state, 4 * hidden * hidden)?;
            sized("input biases", layer.input_bias, 4 * hidden)?;
            sized("state biases", layer.state_bias, 4 * hidden)?;
            let joined: Vec<f32> = (0..4 * hidden)
                .flat_map(|row| {
                    let of_input = &layer.input[row * below..(row + 1) * below];
                    of_input.iter().chain(&layer.state[row * hidden..(row + 1) * hidden])
                })
                .copied()
                .collect();
            let biases = layer.input_bias.iter().zip(layer.state_bias);
            let bias: Vec<f32> =
                biases.map(|(a, b)| (f64::from(*a) + f64::from(*b)) as f32).collect();
            packed.push(Dense::new(below + hidden, 4 * hidden, &joined, &bias, precision)?);
        }
        Ok(Lstm { inputs, hidden, layers: packed })
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
        self.layers.iter().map(|layer| layer.inputs() * layer.outputs()).sum()
    }

    /// Bytes of weights that a step reads.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(Dense::bytes).sum()
    }

    /// A stream's beginning: zeros.
    #[must_use]
    pub fn state(&self) -> State {
        let widest = self.layers.iter().map(Dense::inputs).max().unwrap_or(0);
        let padded = self.layers.iter().map(Dense::padded).max().unwrap_or(0);
        State {
            h: vec![0.0; self.layers.len() * self.hidden],
            c: vec![0.0; self.layers.len() * self.hidden],
            joined: vec![0.0; widest],
            gates: vec![0.0; padded],
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
            let joined = &mut state.joined[..layer.inputs()];
            let (below, own) = joined.split_at_mut(layer.inputs() - hidden);
            match at {
                0 => below.copy_from_slice(x),
                _ => below.copy_from_slice(&state.h[(at - 1) * hidden..at * hidden]),
            }
            own.copy_from_slice(&state.h[at * hidden..(at + 1) * hidden]);
            let gates = &mut state.gates[..layer.padded()];
            layer.apply(joined, gates, simd);
            let range = at * hidden..(at + 1) * hidden;
            let (c, h) = (&mut state.c[range.clone()], &mut state.h[range]);
            match simd {
                #[cfg(target_arch = "x86_64")]
                Simd::Avx2 => avx2::gates(gates, c, h),
                _ => scalar::gates(gates, c, h),
            }
        }
        &state.h[state.h.len() - hidden..]
    }

    /// Windows of many samples: `x[sample][step][input]` to the top layer's `to[sample][step][hidden]`.
    ///
    /// # Panics
    /// When the lengths are not those of whole windows.
    pub fn batch(&self, x: &[f32], steps: usize, to: &mut [f32], simd: Simd) {
        let samples = to.len() / (steps * self.hidden).max(1);
        assert_eq!(x.len(), samples * steps * self.inputs, "Invariant: whole windows");
        let hidden = self.hidden;
        let mut below = x.to_vec();
        for (at, layer) in self.layers.iter().enumerate() {
            let width = layer.inputs() - hidden;
            let (mut h, mut c) = (vec![0.0; samples * hidden], vec![0.0; samples * hidden]);
            let mut joined = vec![0.0; samples * layer.inputs()];
            let mut gates = vec![0.0; samples * layer.padded()];
            let mut above = vec![0.0; samples * steps * hidden];
            for step in 0..steps {
                for (sample, row) in joined.chunks_exact_mut(layer.inputs()).enumerate() {
                    let from = (sample * steps + step) * width;
                    row[..width].copy_from_slice(&below[from..from + width]);
                    row[width..].copy_from_slice(&h[sample * hidden..(sample + 1) * hidden]);
                }
                layer.apply_many(&joined, &mut gates, simd);
                for sample in 0..samples {
                    let range = sample * hidden..(sample + 1) * hidden;
                    let gates = &gates[sample * layer.padded()..(sample + 1) * layer.padded()];
                    let (c, h) = (&mut c[range.clone()], &mut h[range]);
                    match simd {
                        #[cfg(target_arch = "x86_64")]
                        Simd::Avx2 => avx2::gates(gates, c, h),
                        _ => scalar::gates(gates, c, h),
                    }
                    let at = (sample * steps + step) * hidden;
                    above[at..at + hidden].copy_from_slice(h);
                }
            }
            if at + 1 == self.layers.len() {
                to.copy_from_slice(&above);
            }
            below = above;
        }
    }
}
