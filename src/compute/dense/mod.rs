//! `dense`: an affine map W·x + b with weights packed for streaming, the inside of recurrent networks.
//!
//! Each output starts at its bias and takes its inputs in order, one fma each, so that one or many
//! samples, one or eight lanes, give the same bits. Outputs stand in panels of up to `PANEL` registers,
//! `[panel][input][output]`, so that a matrix is read once, straight through.
//! Precisions: f32 (bits on every twin); bf16 weights (rounded once, then f32 arithmetic,
//! two a word: the upper one is rounded with the bits of the lower one behind it, see `above`); int8 weights
//! with a scale an output and int16 activations with a scale a vector (int32 sums, exact, so that the machine
//! may take them as it likes: pairs of inputs, or, with AVX-VNNI, fours against the activations' two bytes).
//! What bf16 and int8 lose is measured against f64 where a network is.

mod aligned;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod scalar;

#[cfg(test)]
mod tests;

use crate::host::cpu::{self, Simd};
use aligned::Aligned;

/// Lanes of a register that panels are cut to.
const REGISTER: usize = 8;
/// Registers of a panel at most: accumulators that leave room for an operand.
const PANEL: usize = 12;
/// int8 weights and int16 activations sum exactly in 32 bits up to here: 2³¹/(127·32767) = 516.
const INT8_INPUTS_MAX: usize = 512;
/// Inputs that stand beside each other.
const PAIRS: usize = 2;
const FOURS: usize = 4;
/// Scales of the two.
const INT8_MAX: f32 = 127.0;
const INT16_MAX: f32 = 32_767.0;

/// How weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// As given.
    Single,
    /// Upper half of the bits, rounded to nearest even.
    Bf16,
    /// Eight bits and a scale an output.
    Int8,
}

/// A recurrent layer's weights, PyTorch's shapes and order of gates: four for LSTM, three for GRU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerWeights<'a> {
    /// `[gates · hidden][inputs]`.
    pub input: &'a [f32],
    /// `[gates · hidden][hidden]`.
    pub state: &'a [f32],
    /// `[gates · hidden]`, of the inputs.
    pub input_bias: &'a [f32],
    /// `[gates · hidden]`, of the state.
    pub state_bias: &'a [f32],
}

/// Why there is no such map.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum DenseError {
    /// Numbers that do not fit.
    #[error("{what}: {found} numbers where {wanted} are wanted")]
    Shape {
        /// Of what.
        what: &'static str,
        /// Given.
        found: usize,
        /// Needed.
        wanted: usize,
    },
    /// A weight that is none.
    #[error("{what} {index} is {value}")]
    NotFinite {
        /// Of what.
        what: &'static str,
        /// Which, from zero.
        index: usize,
        /// What it is.
        value: f32,
    },
    /// Too wide for exact sums.
    #[error("{0} inputs; int8 weights sum exactly up to {INT8_INPUTS_MAX}")]
    Wide(usize),
}

#[derive(Clone, Debug, PartialEq)]
enum Packed {
    Single(Aligned<f32>),
    /// Two registers of outputs in the halves of a word.
    Bf16(Aligned<u32>),
    /// A group of inputs beside each other, then outputs; scales and sums of the weights by output.
    Int8 {
        weights: Aligned<i8>,
        scales: Vec<f32>,
        sums: Vec<i32>,
        group: usize,
    },
}

/// A map of `inputs` numbers to `outputs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    inputs: usize,
    outputs: usize,
    bias: Vec<f32>,
    /// Registers of each panel.
    panels: Vec<usize>,
    packed: Packed,
}

impl Dense {
    /// Packs `weights[output * inputs + input]`.
    ///
    /// # Errors
    /// Numbers that do not fit or are none.
    pub fn new(
        inputs: usize,
        outputs: usize,
        weights: &[f32],
        bias: &[f32],
        precision: Precision,
    ) -> Result<Dense, DenseError> {
        let group = if cpu::has_byte_sums() { FOURS } else { PAIRS };
        Dense::grouped(inputs, outputs, weights, bias, precision, group)
    }

    /// With so many inputs of int8 weights beside each other.
    fn grouped(
        inputs: usize,
        outputs: usize,
        weights: &[f32],
        bias: &[f32],
        precision: Precision,
        group: usize,
    ) -> Result<Dense, DenseError> {
        for (what, numbers, wanted) in
            [("weights", weights, inputs * outputs), ("biases", bias, outputs)]
        {
            if numbers.len() != wanted {
                return Err(DenseError::Shape { what, found: numbers.len(), wanted });
            }
            if let Some(index) = numbers.iter().position(|x| !x.is_finite()) {
                return Err(DenseError::NotFinite { what, index, value: numbers[index] });
            }
        }
        if precision == Precision::Int8 && inputs > INT8_INPUTS_MAX {
            return Err(DenseError::Wide(inputs));
        }
        let registers = outputs.div_ceil(REGISTER).next_multiple_of(2);
        let panels = cut(registers);
        let mut padded = bias.to_vec();
        padded.resize(registers * REGISTER, 0.0);
        let weight = |output: usize, input: usize| {
            if output < outputs && input < inputs { weights[output * inputs + input] } else { 0.0 }
        };
        let packed = match precision {
            Precision::Single => {
                let mut packed = Vec::with_capacity(inputs * registers * REGISTER);
                each_panel(&panels, |first, width| {
                    for input in 0..inputs {
                        packed.extend((first..first + width).map(|output| weight(output, input)));
                    }
                });
                Packed::Single(Aligned::new(&packed))
            }
            Precision::Bf16 => {
                let mut packed = Vec::with_capacity(inputs * registers * REGISTER / 2);
                each_panel(&panels, |first, width| {
                    for input in 0..inputs {
                        for pair in (first..first + width).step_by(2 * REGISTER) {
                            packed.extend((pair..pair + REGISTER).map(|output| {
                                let lower = bf16(weight(output, input)) >> 16;
                                above(weight(output + REGISTER, input), lower)
                            }));
                        }
                    }
                });
                Packed::Bf16(Aligned::new(&packed))
            }
            Precision::Int8 => {
                let scale = |output: usize| {
                    let most = (0..inputs).map(|k| weight(output, k).abs()).fold(0.0, f32::max);
                    if most > 0.0 { most / INT8_MAX } else { 1.0 }
                };
                let scales: Vec<f32> = (0..registers * REGISTER).map(scale).collect();
                let mut packed = Vec::with_capacity(inputs.next_multiple_of(group) * scales.len());
                let mut sums = vec![0; scales.len()];
                each_panel(&panels, |first, width| {
                    for input in (0..inputs).step_by(group) {
                        for (output, scale) in (first..).zip(&scales[first..first + width]) {
                            for k in input..input + group {
                                let number = (weight(output, k) / scale).round() as i8;
                                sums[output] += i32::from(number);
                                packed.push(number);
                            }
                        }
                    }
                });
                Packed::Int8 { weights: Aligned::new(&packed), scales, sums, group }
            }
        };
        Ok(Dense { inputs, outputs, bias: padded, panels, packed })
    }

    /// Numbers in.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Numbers out.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Numbers out with those that fill the last register, which `to` must have room for.
    #[must_use]
    pub fn padded(&self) -> usize {
        self.bias.len()
    }

    /// Bytes of the weights.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.packed {
            Packed::Single(weights) => size_of_val(weights.numbers()),
            Packed::Bf16(weights) => size_of_val(weights.numbers()),
            Packed::Int8 { weights, .. } => weights.numbers().len(),
        }
    }

    /// W·x + b of one sample; nothing is allocated.
    ///
    /// # Panics
    /// When `x` or `to` have another length than `inputs` and `padded`.
    pub fn apply(&self, x: &[f32], to: &mut [f32], simd: Simd) {
        assert_eq!(x.len(), self.inputs, "Invariant: as many inputs as the map has");
        assert_eq!(to.len(), self.padded(), "Invariant: room for every register");
        match simd {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => avx2::apply(self, x, to),
            _ => scalar::apply(self, x, to),
        }
    }

    /// The same of many samples, `x[sample * inputs]` to `to[sample * padded]`.
    ///
    /// # Panics
    /// When the lengths are not those of the same number of samples.
    pub fn apply_many(&self, x: &[f32], to: &mut [f32], simd: Simd) {
        let samples = to.len() / self.padded();
        assert_eq!(x.len(), samples * self.inputs, "Invariant: a row of inputs a sample");
        match (simd, &self.packed) {
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx2, Packed::Single(_)) => avx2::apply_many(self, x, to),
            _ => {
                let rows = x.chunks_exact(self.inputs).zip(to.chunks_exact_mut(self.padded()));
                rows.for_each(|(x, to)| self.apply(x, to, simd));
            }
        }
    }
}

/// Registers dealt to as few panels as there can be, as evenly as pairs allow.
fn cut(registers: usize) -> Vec<usize> {
    let pairs = registers / 2;
    let count = registers.div_ceil(PANEL).max(1);
    (0..count)
        .map(|i| 2 * (pairs * (i + 1) / count - pairs * i / count))
        .filter(|&n| n > 0)
        .collect()
}

/// Calls with the first output and the outputs of every panel.
fn each_panel(panels: &[usize], mut call: impl FnMut(usize, usize)) {
    let mut first = 0;
    for registers in panels {
        call(first, registers * REGISTER);
        first += registers * REGISTER;
    }
}

/// The bits of the nearest bf16, as an f32's.
fn bf16(x: f32) -> u32 {
    let bits = x.to_bits();
    bits.wrapping_add(0x7FFF + ((bits >> 16) & 1)) & 0xFFFF_0000
}

/// The word that ends in these 16 bits and, read as an f32, is nearest to a weight: as near as bf16 comes,
/// since such numbers lie as close, and nothing need clear the bits below. Never subnormal, which costs a
/// CPU hundreds of cycles, unless there is nothing below.
fn above(x: f32, lower: u32) -> u32 {
    let sign = x.to_bits() & 0x8000_0000;
    let upper = (x.to_bits() & 0x7FFF_0000) >> 16;
    let near = upper.saturating_sub(1)..=upper + 1;
    let words = near.map(|upper| sign | upper << 16 | lower);
    let is_sound = |word: &u32| {
        let number = f32::from_bits(*word);
        number.is_normal() || number == 0.0
    };
    let apart = |word: &u32| (f64::from(f32::from_bits(*word)) - f64::from(x)).abs();
    let nearest = words.filter(is_sound).min_by(|a, b| apart(a).total_cmp(&apart(b)));
    nearest.unwrap_or(sign | f32::MIN_POSITIVE.to_bits() | lower)
}

/// What the greatest size of activations makes one int16.
fn scale_of(most: f32) -> f32 {
    if most > 0.0 { most / INT16_MAX } else { 1.0 }
}
